//! The modules of PostgreSQL: one file each. All of them speak through the host's `psql` (`session`).

mod database;
mod extension;
mod info;
mod password;
mod privileges;
mod query;
mod role;
mod schema;
mod session;
mod setting;

pub(super) use database::Database;
pub(super) use extension::Extension;
pub(super) use info::{Info, Ping};
pub(super) use privileges::Privileges;
pub(super) use query::Query;
pub(super) use role::Role;
pub(super) use schema::Schema;
pub(super) use setting::Setting;

use super::{Args, Check, Failure, Module};
use muster_api::diff::{Change, Diff};

fn diff(kind: &str, name: &str, changes: Vec<Change>) -> Diff {
    Diff { kind: format!("postgresql {kind}"), name: name.to_owned(), changes }
}

fn presence(before: &str, after: &str) -> Change {
    Change::Presence { before: before.into(), after: after.into() }
}

fn attribute(name: &str, before: &str, after: &str) -> Change {
    Change::Attribute { attribute: name.into(), before: Some(before.into()), after: Some(after.into()) }
}
