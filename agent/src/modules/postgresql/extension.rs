//! `postgresql_ext`: an extension of a database.

use super::session::{Session, identifier, literal, text};
use super::{Args, Check, Failure, Module, attribute, diff, presence};
use crate::worker::{Prediction, View};

pub(in super::super) struct Extension;

const KIND: &str = "postgresql extension";

impl Module for Extension {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let session = Session::of(args, args.needed("login_db")?, view)?;
        let known = installed(name, &session, view)?;
        let wanted = wanted_version(name, &session, args, view)?;
        let check = match (args.text("state"), &known) {
            (Some("absent"), None) => Check::unchanged().with("queries", Vec::<String>::new()),
            (Some("absent"), Some(version)) => {
                let cascade = if args.flag("cascade") { " CASCADE" } else { "" };
                let statement = format!("DROP EXTENSION {}{cascade}", identifier(name));
                done(name, statement, presence(version, "absent"), None, &session)
            }
            (_, None) => {
                let mut statement = format!("CREATE EXTENSION {}", identifier(name));
                if let Some(schema) = args.text("schema") {
                    statement += &format!(" WITH SCHEMA {}", identifier(schema));
                }
                if let Some(version) = args.text("version").filter(|version| *version != "latest") {
                    statement += &format!(" VERSION {}", literal(version));
                }
                if args.flag("cascade") {
                    statement += " CASCADE";
                }
                let after = wanted.clone().unwrap_or_else(|| "present".to_owned());
                done(name, statement, presence("absent", &after), Some(after.clone()), &session)
            }
            (_, Some(version)) => match wanted.as_ref().filter(|wanted| *wanted != version) {
                Some(wanted) if args.text("version").is_some() => {
                    let statement =
                        format!("ALTER EXTENSION {} UPDATE TO {}", identifier(name), literal(wanted));
                    let change = attribute("version", version, wanted);
                    done(name, statement, change, Some(wanted.clone()), &session)
                }
                _ => Check::unchanged().with("queries", Vec::<String>::new()),
            },
        };
        let check = check.with("ext", name).with("db", session.database.as_str());
        Ok(check.with("prev_version", known.unwrap_or_default()).with("version", wanted.unwrap_or_default()))
    }
}

fn key(name: &str, session: &Session) -> String {
    format!("{}.{name}", session.database)
}

fn installed(name: &str, session: &Session, view: &View<'_>) -> Result<Option<String>, Failure> {
    if let Some(predicted) = view.overlay().thing(KIND, &key(name, session)) {
        return Ok(predicted.map(str::to_owned));
    }
    if session.is_fresh(view) {
        return Ok(None);
    }
    let query = format!("SELECT extversion FROM pg_extension WHERE extname = {}", literal(name));
    Ok(session.ask(&query, view)?.first().map(|row| text(row, "extversion").to_owned()))
}

/// The version that the task comes to: the one that it names, or the newest that the server has.
fn wanted_version(
    name: &str,
    session: &Session,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Option<String>, Failure> {
    if args.text("state") == Some("absent") {
        return Ok(None);
    }
    if let Some(version) = args.text("version").filter(|version| *version != "latest") {
        return Ok(Some(version.to_owned()));
    }
    // What is available is the server's, not the database's.
    let anywhere;
    let session = if session.is_fresh(view) {
        anywhere = Session::of(args, "postgres", view)?;
        &anywhere
    } else {
        session
    };
    let query = format!("SELECT default_version FROM pg_available_extensions WHERE name = {}", literal(name));
    match session.ask(&query, view)?.first() {
        Some(row) => Ok(Some(text(row, "default_version").to_owned())),
        None => Err(Failure::missing(format!(
            "the server has no extension `{name}`; install the package that brings it first"
        ))),
    }
}

fn done(
    name: &str,
    statement: String,
    change: muster_api::diff::Change,
    after: Option<String>,
    session: &Session,
) -> Check {
    let statements = vec![statement];
    let brings = vec![Prediction::Thing { kind: KIND, name: key(name, session), state: after }];
    let operation = session.operation(&statements, brings);
    Check::change(diff("extension", &key(name, session), vec![change]), vec![operation])
        .with("queries", statements)
}
