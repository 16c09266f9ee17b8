//! `postgresql_user`: a role that may log in, its password, what it may do, and the settings of its sessions.

use super::session::{ROLE, Row, Session, identifier, literal, text};
use super::{Args, Check, Failure, Module, attribute, diff, password, presence};
use crate::worker::{Hands, Prediction, View};
use muster_api::diff::Change;
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};

pub(in super::super) struct Role;

/// What a role may do, and the column that tells.
const FLAGS: [(&str, &str); 7] = [
    ("SUPERUSER", "rolsuper"),
    ("CREATEROLE", "rolcreaterole"),
    ("CREATEDB", "rolcreatedb"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

impl Module for Role {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        if args.choice("encrypted") == Some(false) {
            return Err(Failure::new("`encrypted: false`: servers keep no passwords as they are any more"));
        }
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), view)?;
        let flags = flags(args.text("role_attr_flags").unwrap_or(""))?;
        let known = known(name, &session, args, view)?;
        let check = match (args.text("state"), known) {
            (Some("absent"), None) => Check::unchanged().with("queries", Vec::<String>::new()),
            (Some("absent"), Some(_)) => dropped(name, &session),
            (_, None) => created(name, &flags, &session, args),
            (_, Some(known)) => modified(name, &known, &flags, &session, args),
        };
        Ok(check.with("user", name))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        match hands.carry_out(&check.operations) {
            Ok(_) => Ok(check.outcome),
            Err(failure) if args.text("state") == Some("absent") && !args.flag("fail_on_user") => {
                let warnings = vec![format!("the role stays: {}", failure.msg)];
                Ok(Outcome { result: check.outcome.result, warnings, ..Outcome::default() })
            }
            Err(failure) => Err(failure),
        }
    }
}

/// `CREATEDB,NOLOGIN` to the flags and whether each is on.
fn flags(text: &str) -> Result<Vec<(usize, bool)>, Failure> {
    let flag = |word: &str| {
        let at = |name: &str| FLAGS.iter().position(|(flag, _)| *flag == name);
        let off = word.strip_prefix("NO").and_then(at).map(|at| (at, false));
        at(word)
            .map(|at| (at, true))
            .or(off)
            .ok_or_else(|| Failure::new(format!("Invalid role_attr_flags specified: {word}")))
    };
    let words = text.split(',').map(|word| word.trim().to_uppercase()).filter(|word| !word.is_empty());
    words.map(|word| flag(&word)).collect()
}

fn known(name: &str, session: &Session, args: &Args<'_>, view: &View<'_>) -> Result<Option<Row>, Failure> {
    if let Some(predicted) = view.overlay().thing(ROLE, name) {
        return Ok(predicted.and_then(|text| serde_json::from_str(text).ok()));
    }
    let expires = args.text("expires").map_or_else(
        || "true".to_owned(),
        |expires| format!("rolvaliduntil IS NOT DISTINCT FROM {}::timestamptz", literal(expires)),
    );
    let query = |catalog: &str| {
        let flags: Vec<&str> = FLAGS.iter().map(|(_, column)| *column).collect();
        format!(
            "SELECT {}, rolconnlimit, rolpassword, rolvaliduntil::text AS expires, {expires} AS is_of_that_time, \
             coalesce((SELECT array_to_json(setconfig) FROM pg_db_role_setting s WHERE s.setrole = r.oid \
             AND s.setdatabase = 0), '[]') AS configuration FROM {catalog} r WHERE rolname = {}",
            flags.join(", "),
            literal(name)
        )
    };
    // Passwords are for superusers; others see that there is one.
    let rows = session.ask(&query("pg_authid"), view).or_else(|failure| match failure.is_missing {
        true => Err(failure),
        false => session.ask(&query("pg_roles"), view),
    })?;
    Ok(rows.into_iter().next())
}

fn thing(name: &str, row: Option<Row>) -> Prediction {
    let state = row.map(|row| Value::Object(row).to_string());
    Prediction::Thing { kind: ROLE, name: name.to_owned(), state }
}

fn dropped(name: &str, session: &Session) -> Check {
    let statements = vec![format!("DROP ROLE {}", identifier(name))];
    let operation = session.operation(&statements, vec![thing(name, None)]);
    Check::change(diff("role", name, vec![presence("present", "absent")]), vec![operation])
        .with("queries", statements)
}

fn password_clause(password: &str) -> String {
    match password {
        "" => "PASSWORD NULL".to_owned(),
        given => format!("ENCRYPTED PASSWORD {}", literal(given)),
    }
}

fn configuration<'a>(args: &Args<'a>) -> Option<&'a Map<String, Value>> {
    args.raw("configuration").and_then(Value::as_object)
}

fn setting(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        other => other.to_string(),
    }
}

/// The statements as they may be shown.
fn told(statements: &[String], args: &Args<'_>) -> Vec<String> {
    let hide = |statement: &String| match args.text("password").filter(|password| !password.is_empty()) {
        Some(password) => statement.replace(&literal(password), "'********'"),
        None => statement.clone(),
    };
    statements.iter().map(hide).collect()
}

/// The row of the role when this is done.
fn after(known: Option<&Row>, flags: &[(usize, bool)], args: &Args<'_>) -> Row {
    let mut row = known.cloned().unwrap_or_else(|| {
        let default = |(flag, column): &(&str, &str)| {
            ((*column).to_owned(), matches!(*flag, "LOGIN" | "INHERIT").into())
        };
        let mut row: Row = FLAGS.iter().map(default).collect();
        row.insert("rolconnlimit".into(), (-1).into());
        row
    });
    for (at, is_on) in flags {
        row.insert(FLAGS[*at].1.to_owned(), (*is_on).into());
    }
    row.insert("is_of_that_time".into(), true.into());
    if let Some(limit) = args.int("conn_limit") {
        row.insert("rolconnlimit".into(), limit.into());
    }
    if let Some(password) = args.text("password") {
        row.insert("rolpassword".into(), password.into());
    }
    let set: Vec<String> = configuration(args)
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", setting(value)))
        .collect();
    if !set.is_empty() {
        row.insert("configuration".into(), set.into());
    }
    row
}

fn created(name: &str, flags: &[(usize, bool)], session: &Session, args: &Args<'_>) -> Check {
    let mut statement = format!("CREATE USER {}", identifier(name));
    if let Some(password) = args.text("password") {
        statement += &format!(" {}", password_clause(password));
    }
    if let Some(expires) = args.text("expires") {
        statement += &format!(" VALID UNTIL {}", literal(expires));
    }
    if let Some(limit) = args.int("conn_limit") {
        statement += &format!(" CONNECTION LIMIT {limit}");
    }
    for (at, is_on) in flags {
        statement += &format!(" {}{}", if *is_on { "" } else { "NO" }, FLAGS[*at].0);
    }
    let mut statements = vec![statement];
    for (setting_name, value) in configuration(args).into_iter().flatten() {
        statements.push(set_statement(name, setting_name, &setting(value)));
    }
    let operation = session.operation(&statements, vec![thing(name, Some(after(None, flags, args)))]);
    Check::change(diff("role", name, vec![presence("absent", "present")]), vec![operation])
        .with("queries", told(&statements, args))
}

fn set_statement(role: &str, name: &str, value: &str) -> String {
    format!("ALTER ROLE {} SET {} = {}", identifier(role), identifier(name), literal(value))
}

fn modified(name: &str, known: &Row, flags: &[(usize, bool)], session: &Session, args: &Args<'_>) -> Check {
    let (mut clauses, mut changes) = (Vec::new(), Vec::new());
    let kept = text(known, "rolpassword");
    if let Some(password) = args.text("password").filter(|_| !args.flag("no_password_changes")) {
        let is_right = match password {
            "" => kept.is_empty(),
            given => password::is_kept_as(given, kept, name),
        };
        if !is_right {
            clauses.push(password_clause(password));
            changes.push(attribute("password", "***", "*** (new)"));
        }
    }
    for (at, is_on) in flags {
        let (flag, column) = FLAGS[*at];
        if known.get(column).and_then(Value::as_bool) != Some(*is_on) {
            clauses.push(format!("{}{flag}", if *is_on { "" } else { "NO" }));
            changes.push(attribute(
                &flag.to_lowercase(),
                if *is_on { "no" } else { "yes" },
                if *is_on { "yes" } else { "no" },
            ));
        }
    }
    if let Some(expires) =
        args.text("expires").filter(|_| known.get("is_of_that_time").and_then(Value::as_bool) != Some(true))
    {
        clauses.push(format!("VALID UNTIL {}", literal(expires)));
        changes.push(attribute("expires", text(known, "expires"), expires));
    }
    let present = known.get("rolconnlimit").and_then(Value::as_i64).unwrap_or(-1);
    if let Some(limit) = args.int("conn_limit").filter(|limit| *limit != present) {
        clauses.push(format!("CONNECTION LIMIT {limit}"));
        changes.push(attribute("conn_limit", &present.to_string(), &limit.to_string()));
    }
    let mut statements = Vec::new();
    if !clauses.is_empty() {
        statements.push(format!("ALTER USER {} WITH {}", identifier(name), clauses.join(" ")));
    }
    configured(name, known, args, &mut statements, &mut changes);
    if changes.is_empty() {
        return Check::unchanged().with("queries", Vec::<String>::new());
    }
    let operation = session.operation(&statements, vec![thing(name, Some(after(Some(known), flags, args)))]);
    Check::change(diff("role", name, changes), vec![operation]).with("queries", told(&statements, args))
}

/// The settings of its sessions.
fn configured(
    name: &str,
    known: &Row,
    args: &Args<'_>,
    statements: &mut Vec<String>,
    changes: &mut Vec<Change>,
) {
    let present: Vec<(String, String)> = known
        .get("configuration")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|pair| pair.as_str()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let nothing = Map::new();
    let wanted = configuration(args).unwrap_or(&nothing);
    for (setting_name, value) in wanted {
        let value = setting(value);
        let before = present.iter().find(|(known, _)| known == setting_name).map_or("", |(_, value)| value);
        if before != value {
            statements.push(set_statement(name, setting_name, &value));
            changes.push(attribute(setting_name, before, &value));
        }
    }
    for (other, value) in present.iter().filter(|(other, _)| !wanted.contains_key(other)) {
        if args.flag("reset_unspecified_configuration") {
            statements.push(format!("ALTER ROLE {} RESET {}", identifier(name), identifier(other)));
            changes.push(attribute(other, value, ""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_on_or_off_and_others_are_refused() {
        assert_eq!(flags("createdb, NOSUPERUSER").expect("good"), [(2, true), (0, false)]);
        assert_eq!(flags("").expect("good"), []);
        assert_eq!(flags("FLY").expect_err("bad").msg, "Invalid role_attr_flags specified: FLY");
    }
}
