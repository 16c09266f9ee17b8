//! How the server is spoken to: `psql` of the host, as the user of the task, with SQL on its stdin and secrets in its environment, where
//! no process list shows them. A check asks in transactions that may only read.

use super::{Args, Failure};
use crate::worker::process::{Command, Ran};
use crate::worker::{Operation, Prediction, View};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A row of an answer, by column.
pub(super) type Row = Map<String, Value>;

/// Databases that steps of this plan would make are predicted under this word.
pub(super) const DATABASE: &str = "postgresql database";
pub(super) const ROLE: &str = "postgresql role";

/// A way to one database.
pub(super) struct Session {
    environment: BTreeMap<String, String>,
    role: Option<String>,
    pub(super) database: String,
}

impl Session {
    /// With what the task says of the login.
    pub(super) fn of(args: &Args<'_>, database: &str, view: &View<'_>) -> Result<Self, Failure> {
        let mut environment: BTreeMap<String, String> = view.environment().clone();
        let mut set = |name: &str, value: Option<String>| {
            environment.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
        };
        let text = |name: &str| args.text(name).map(str::to_owned);
        let path = |name: &str| args.path(name, view).map(|path| path.to_string_lossy().into_owned());
        set("PGUSER", text("login_user"));
        set("PGPASSWORD", text("login_password"));
        set("PGHOST", path("login_unix_socket").filter(|_| args.text("login_unix_socket") != Some("")));
        set("PGHOST", text("login_host"));
        set("PGPORT", args.int("login_port").map(|port| port.to_string()));
        set("PGSSLMODE", text("ssl_mode"));
        set("PGSSLROOTCERT", path("ca_cert"));
        set("PGSSLCERT", path("ssl_cert"));
        set("PGSSLKEY", path("ssl_key"));
        for (name, value) in args.raw("connect_params").and_then(Value::as_object).into_iter().flatten() {
            let variable = parameter(name).ok_or_else(|| {
                Failure::new(format!(
                    "`connect_params` has `{name}`, for which libpq has no environment variable"
                ))
            })?;
            set(variable, Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        // Messages are matched, and numbers read.
        set("LC_ALL", Some("C.UTF-8".to_owned()));
        set("PGCLIENTENCODING", Some(args.text("encoding").unwrap_or("UTF8").to_owned()));
        Ok(Self { environment, role: text("session_role"), database: database.to_owned() })
    }

    /// Whether the database is one that an earlier step of this plan would make: nothing but what its template has is in it.
    pub(super) fn is_fresh(&self, view: &View<'_>) -> bool {
        matches!(view.overlay().thing(DATABASE, &self.database), Some(Some(_)))
    }

    /// psql, with this on its stdin.
    pub(super) fn command(&self, options: &[&str], sql: &str) -> Command {
        let mut command = Command::new("psql", &["-X", "-v", "ON_ERROR_STOP=1"]);
        command.arguments.extend(options.iter().map(Into::into));
        command.arguments.extend(["-d".into(), self.database.clone().into()]);
        command.environment.extend(self.environment.clone());
        let role = self.role.as_ref().map(|role| format!("SET ROLE {};\n", identifier(role)));
        command.fed(role.unwrap_or_default() + sql)
    }

    /// A program that takes the same environment: pg_dump and its like.
    pub(super) fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program, arguments);
        command.environment.extend(self.environment.clone());
        command
    }

    /// The rows of a query that only reads.
    pub(super) fn ask(&self, query: &str, view: &View<'_>) -> Result<Vec<Row>, Failure> {
        let sql = format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\nSELECT coalesce(json_agg(t), '[]') FROM ({query}) t;\n"
        );
        let ran = run(self.command(&["-q", "-A", "-t"], &sql), view)?;
        if !ran.is_fine() {
            return Err(complaint(&ran));
        }
        serde_json::from_str(&ran.out())
            .map_err(|cause| Failure::new(format!("psql's answer cannot be read: {cause}")))
    }

    /// Statements in one transaction.
    pub(super) fn operation(&self, statements: &[String], brings: Vec<Prediction>) -> Operation {
        let sql: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
        Operation::Run { command: self.command(&["-q", "-A", "-t", "-1"], &sql), brings }
    }

    /// Statements that no transaction may hold.
    pub(super) fn operation_alone(&self, statements: &[String], brings: Vec<Prediction>) -> Operation {
        let sql: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
        Operation::Run { command: self.command(&["-q", "-A", "-t"], &sql), brings }
    }
}

/// Runs psql while the check goes on.
pub(super) fn run(mut command: Command, view: &View<'_>) -> Result<Ran, Failure> {
    if view.program("psql").is_none() {
        return Err(Failure::missing("this host has no `psql`; install package postgresql-client first"));
    }
    command.deadline = view.deadline();
    command.run().map_err(|error| Failure::new(format!("cannot run `psql`: {error}")))
}

/// A server that cannot be reached may be there when an earlier step was done.
pub(super) fn complaint(ran: &Ran) -> Failure {
    let said = ran.complaint();
    // psql ends with 2 where the connection is at fault.
    match ran.rc {
        2 => Failure::missing(format!("unable to connect to database: {said}")),
        _ => Failure::new(said),
    }
}

/// The environment variable of a parameter of a connection (libpq, 34.15).
fn parameter(name: &str) -> Option<&'static str> {
    Some(match name {
        "application_name" => "PGAPPNAME",
        "connect_timeout" => "PGCONNECT_TIMEOUT",
        "options" => "PGOPTIONS",
        "passfile" => "PGPASSFILE",
        "service" => "PGSERVICE",
        "sslcompression" => "PGSSLCOMPRESSION",
        "sslcrl" => "PGSSLCRL",
        "gssencmode" => "PGGSSENCMODE",
        "target_session_attrs" => "PGTARGETSESSIONATTRS",
        "channel_binding" => "PGCHANNELBINDING",
        _ => return None,
    })
}

/// A name, quoted.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name that may have its schema before it.
pub(super) fn qualified(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

/// A text, quoted.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!(" E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// A list of texts, for `IN`.
pub(super) fn literals<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<String> = texts.into_iter().map(|text| literal(text)).collect();
    if all.is_empty() { "NULL".to_owned() } else { all.join(", ") }
}

/// A column as text, empty where it is null.
pub(super) fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_end_their_quotes() {
        assert_eq!(identifier("a\"; DROP"), "\"a\"\"; DROP\"");
        assert_eq!(qualified("s.t"), "\"s\".\"t\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'"), " E'a\\\\'''");
    }
}
