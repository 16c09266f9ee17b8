//! One file for each command: from options to exit code, one line for each stage.

pub(crate) mod adhoc;
pub(crate) mod apply;
mod basis;
pub(crate) mod blame;
pub(crate) mod cluster;
mod compatibility;
pub(crate) mod doc;
pub(crate) mod drift;
mod dry_walk;
pub(crate) mod exchange;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod inventory;
pub(crate) mod lab;
pub(crate) mod lint;
mod listing;
mod recorded;
pub(crate) mod saved;
pub(crate) mod simulate;
pub(crate) mod undo;
pub(crate) mod vault;
mod vault_edit;
mod walk;
