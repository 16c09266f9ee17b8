//! What is in an archive that an earlier step of a plan would pack.

use super::file::Stat;
use super::overlay::Content;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An archive whose bytes are not known yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    /// What its format is called.
    pub(crate) format: String,
    pub(crate) members: Vec<Member>,
    /// Why its bytes are not known.
    pub(crate) why: Arc<str>,
}

/// One file of an archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Below the folder that it was packed in; directories have no slash at the end.
    pub(crate) name: String,
    pub(crate) stat: Stat,
    /// The member that it is another name of.
    pub(crate) same_as: Option<String>,
    pub(crate) content: Content,
}
