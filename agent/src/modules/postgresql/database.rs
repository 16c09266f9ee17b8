//! `postgresql_db`: a database, its copy in a file, and back.

use super::session::{DATABASE, Row, Session, identifier, literal, text};
use super::{Args, Check, Failure, Module, attribute, diff, presence};
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, View};
use serde_json::Value;
use std::path::Path;

pub(in super::super) struct Database;

impl Module for Database {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let session = Session::of(args, args.text("maintenance_db").unwrap_or("postgres"), view)?;
        let known = known(name, &session, view)?;
        let check = match (args.text("state"), known) {
            (Some("absent"), None) => Check::unchanged(),
            (Some("absent"), Some(_)) => dropped(name, &session, args),
            (Some("rename"), known) => renamed(name, known, &session, args, view)?,
            (Some("dump"), known) => dumped(name, known.is_some(), args, view)?,
            (Some("restore"), known) => restored(name, known.is_some(), args, view)?,
            (_, None) => created(name, &session, args),
            (_, Some(known)) => modified(name, &known, &session, args)?,
        };
        Ok(check.with("db", name))
    }
}

fn known(name: &str, session: &Session, view: &View<'_>) -> Result<Option<Row>, Failure> {
    if let Some(predicted) = view.overlay().thing(DATABASE, name) {
        return Ok(predicted.and_then(|text| serde_json::from_str(text).ok()));
    }
    let query = format!(
        "SELECT pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding, \
         d.datcollate AS lc_collate, d.datctype AS lc_ctype, d.datconnlimit::text AS conn_limit, \
         t.spcname AS tablespace FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace \
         WHERE d.datname = {}",
        literal(name)
    );
    Ok(session.ask(&query, view)?.into_iter().next())
}

fn given<'a>(args: &Args<'a>, name: &str) -> Option<&'a str> {
    args.text(name).filter(|text| !text.is_empty())
}

/// Statements about whole databases stand outside of transactions.
fn carried_out(session: &Session, statements: Vec<String>, brings: Vec<Prediction>, check: Check) -> Check {
    let check = check.with("executed_commands", statements.clone());
    Check { operations: vec![session.operation_alone(&statements, brings)], ..check }
}

fn thing(name: &str, state: Option<&Row>) -> Prediction {
    let state = state.map(|row| Value::Object(row.clone()).to_string());
    Prediction::Thing { kind: DATABASE, name: name.to_owned(), state }
}

fn created(name: &str, session: &Session, args: &Args<'_>) -> Check {
    let mut statement = format!("CREATE DATABASE {}", identifier(name));
    for (argument, clause) in [("owner", "OWNER"), ("template", "TEMPLATE"), ("tablespace", "TABLESPACE")] {
        if let Some(value) = given(args, argument) {
            statement += &format!(" {clause} {}", identifier(value));
        }
    }
    for (argument, clause) in
        [("encoding", "ENCODING"), ("lc_collate", "LC_COLLATE"), ("lc_ctype", "LC_CTYPE")]
    {
        if let Some(value) = given(args, argument) {
            statement += &format!(" {clause} {}", literal(value));
        }
    }
    if let Some(limit) = given(args, "conn_limit") {
        statement += &format!(" CONNECTION LIMIT {}", literal(limit).trim_matches('\''));
    }
    let told = ["owner", "encoding", "lc_collate", "lc_ctype", "conn_limit", "tablespace"];
    let row: Row =
        told.iter().filter_map(|name| Some(((*name).to_owned(), given(args, name)?.into()))).collect();
    let check = Check::change(diff("database", name, vec![presence("absent", "present")]), Vec::new());
    carried_out(session, vec![statement], vec![thing(name, Some(&row))], check)
}

fn modified(name: &str, known: &Row, session: &Session, args: &Args<'_>) -> Result<Check, Failure> {
    for (argument, what) in [("encoding", "encoding"), ("lc_collate", "LC_COLLATE"), ("lc_ctype", "LC_CTYPE")]
    {
        let present = text(known, argument);
        let is_same = |wanted: &str| plain(wanted) == plain(present) || present.is_empty();
        if given(args, argument).is_some_and(|wanted| !is_same(wanted)) {
            return Err(Failure::new(format!(
                "Changing database {what} is not supported. Current {what}: {present}"
            )));
        }
    }
    let (mut statements, mut changes, mut after) = (Vec::new(), Vec::new(), known.clone());
    for (argument, clause) in
        [("owner", "OWNER TO"), ("conn_limit", "CONNECTION LIMIT"), ("tablespace", "SET TABLESPACE")]
    {
        let Some(wanted) = given(args, argument).filter(|wanted| *wanted != text(known, argument)) else {
            continue;
        };
        let value = if argument == "conn_limit" { wanted.to_owned() } else { identifier(wanted) };
        statements.push(format!("ALTER DATABASE {} {clause} {value}", identifier(name)));
        changes.push(attribute(argument, text(known, argument), wanted));
        after.insert(argument.to_owned(), wanted.into());
    }
    if changes.is_empty() {
        return Ok(Check::unchanged().with("executed_commands", Vec::<String>::new()));
    }
    let check = Check::change(diff("database", name, changes), Vec::new());
    Ok(carried_out(session, statements, vec![thing(name, Some(&after))], check))
}

/// `UTF-8` and `utf8` are one encoding, `en_US.UTF-8` and `en_US.utf8` one locale.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', '_'], "")
}

fn dropped(name: &str, session: &Session, args: &Args<'_>) -> Check {
    let force = if args.flag("force") { " WITH (FORCE)" } else { "" };
    let statement = format!("DROP DATABASE {}{force}", identifier(name));
    let check = Check::change(diff("database", name, vec![presence("present", "absent")]), Vec::new());
    carried_out(session, vec![statement], vec![thing(name, None)], check)
}

fn renamed(
    name: &str,
    known: Option<Row>,
    session: &Session,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let target = given(args, "target").ok_or_else(|| Failure::new("`state: rename` needs `target`"))?;
    let is_there = self::known(target, session, view)?.is_some();
    match (known, is_there) {
        (None, true) => Ok(Check::unchanged()),
        (None, false) => Err(Failure::missing(format!("database `{name}` is not there, nor is `{target}`"))),
        (Some(_), true) => Err(Failure::new(format!("databases `{name}` and `{target}` are both there"))),
        (Some(row), false) => {
            let statement = format!("ALTER DATABASE {} RENAME TO {}", identifier(name), identifier(target));
            let check =
                Check::change(diff("database", name, vec![attribute("name", name, target)]), Vec::new());
            let brings = vec![thing(name, None), thing(target, Some(&row))];
            Ok(carried_out(session, vec![statement], brings, check))
        }
    }
}

/// How the file's name says that it is packed.
enum Format {
    /// SQL, through this program.
    Text(Option<&'static str>),
    /// What pg_restore reads.
    Own(&'static str),
}

impl Format {
    fn of(target: &str) -> Self {
        match Path::new(target).extension().and_then(|ending| ending.to_str()) {
            Some("tar") => Self::Own("t"),
            Some("pgc") => Self::Own("c"),
            Some("dir") => Self::Own("d"),
            Some("gz") => Self::Text(Some("gzip")),
            Some("bz2") => Self::Text(Some("bzip2")),
            Some("xz") => Self::Text(Some("xz")),
            _ => Self::Text(None),
        }
    }
}

fn needed_target<'a>(name: &str, is_there: bool, args: &Args<'a>) -> Result<&'a str, Failure> {
    if !is_there {
        return Err(Failure::missing(format!("there is no database `{name}`")));
    }
    given(args, "target")
        .ok_or_else(|| Failure::new("`state: dump` and `state: restore` need `target`: the file"))
}

/// A line of shell in which a pipe is as good as its first program.
fn shell(session: &Session, line: &str, words: &[&str]) -> Command {
    let mut command = session.program("/bin/bash", &["-c", &format!("set -o pipefail; {line}"), "bash"]);
    command.arguments.extend(words.iter().map(Into::into));
    command
}

fn dumped(name: &str, is_there: bool, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let target = needed_target(name, is_there, args)?;
    let session = Session::of(args, name, view)?;
    let options = [given(args, "target_opts"), args.text("dump_extra_args")];
    let options: String = options.into_iter().flatten().map(|text| format!(" {text}")).collect();
    let line = match Format::of(target) {
        Format::Own(format) => format!("pg_dump -F {format}{options} -f \"$1\" \"$2\""),
        Format::Text(None) => format!("pg_dump{options} -f \"$1\" \"$2\""),
        Format::Text(Some(packer)) => format!("pg_dump{options} \"$2\" | {packer} > \"$1\""),
    };
    let command = shell(&session, &line, &[target, name]);
    let change = presence(if view.exists(Path::new(target)) { "present" } else { "absent" }, "dump");
    let mut check = Check::change(
        diff("dump", target, vec![change]),
        vec![Operation::Run { command, brings: Vec::new() }],
    );
    check.doubt = Some("a dump has its content when it is made".to_owned());
    Ok(check.with("executed_commands", vec![line.replace("$1", target).replace("$2", name)]))
}

fn restored(name: &str, is_there: bool, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let target = needed_target(name, is_there, args)?;
    if !view.exists(Path::new(target)) {
        return Err(Failure::missing(format!("there is no file `{target}` to restore from")));
    }
    let session = Session::of(args, name, view)?;
    let options = given(args, "target_opts").map(|text| format!(" {text}")).unwrap_or_default();
    let line = match Format::of(target) {
        Format::Own(format) => format!("pg_restore -F {format}{options} -d \"$2\" \"$1\""),
        Format::Text(None) => format!("psql -X -q -v ON_ERROR_STOP=1{options} -d \"$2\" -f \"$1\""),
        Format::Text(Some(packer)) => {
            format!("{packer} -dc \"$1\" | psql -X -q -v ON_ERROR_STOP=1{options} -d \"$2\"")
        }
    };
    let command = shell(&session, &line, &[target, name]);
    let change = presence("as it is", "with what the file has");
    let mut check = Check::change(
        diff("database", name, vec![change]),
        vec![Operation::Run { command, brings: Vec::new() }],
    );
    check.doubt = Some(format!("what `{target}` has is in database `{name}` when it is read"));
    Ok(check.with("executed_commands", vec![line.replace("$1", target).replace("$2", name)]))
}
