//! `postgresql_schema`: a schema of a database, and its owner.

use super::session::{Session, identifier, literal, text};
use super::{Args, Check, Failure, Module, attribute, diff, presence};
use crate::worker::{Prediction, View};
use muster_api::diff::Change;

pub(in super::super) struct Schema;

pub(super) const KIND: &str = "postgresql schema";

impl Module for Schema {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let session = Session::of(args, args.text("login_db").unwrap_or("postgres"), view)?;
        let owner = args.text("owner").filter(|owner| !owner.is_empty());
        let known = owner_of(name, &session, view)?;
        let check = match (args.text("state"), known) {
            (Some("absent"), None) => Check::unchanged().with("queries", Vec::<String>::new()),
            (Some("absent"), Some(_)) => {
                let cascade = if args.flag("cascade_drop") { " CASCADE" } else { "" };
                let statement = format!("DROP SCHEMA {}{cascade}", identifier(name));
                done(name, statement, presence("present", "absent"), None, &session)
            }
            (_, None) => {
                let by =
                    owner.map(|owner| format!(" AUTHORIZATION {}", identifier(owner))).unwrap_or_default();
                let statement = format!("CREATE SCHEMA {}{by}", identifier(name));
                done(name, statement, presence("absent", "present"), Some(owner.unwrap_or("")), &session)
            }
            (_, Some(present)) => match owner.filter(|owner| *owner != present) {
                Some(owner) => {
                    let statement =
                        format!("ALTER SCHEMA {} OWNER TO {}", identifier(name), identifier(owner));
                    done(name, statement, attribute("owner", &present, owner), Some(owner), &session)
                }
                None => Check::unchanged().with("queries", Vec::<String>::new()),
            },
        };
        Ok(check.with("schema", name))
    }
}

pub(super) fn key(name: &str, session: &Session) -> String {
    format!("{}.{name}", session.database)
}

/// The owner of a schema that is there.
fn owner_of(name: &str, session: &Session, view: &View<'_>) -> Result<Option<String>, Failure> {
    if let Some(predicted) = view.overlay().thing(KIND, &key(name, session)) {
        return Ok(predicted.map(str::to_owned));
    }
    if session.is_fresh(view) {
        // Every template has this one.
        return Ok((name == "public").then(|| "pg_database_owner".to_owned()));
    }
    let query = format!(
        "SELECT pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = {}",
        literal(name)
    );
    Ok(session.ask(&query, view)?.first().map(|row| text(row, "owner").to_owned()))
}

fn done(name: &str, statement: String, change: Change, owner: Option<&str>, session: &Session) -> Check {
    let statements = vec![statement];
    let state = owner.map(str::to_owned);
    let brings = vec![Prediction::Thing { kind: KIND, name: key(name, session), state }];
    let operation = session.operation(&statements, brings);
    Check::change(diff("schema", &key(name, session), vec![change]), vec![operation])
        .with("queries", statements)
}
