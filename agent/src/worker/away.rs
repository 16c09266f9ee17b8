//! The note that this node is down for a rolling change, and what the cluster was like before: made before the node is drained,
//! gone when it is back. A run that breaks off in between leaves it, and the next run of the change brings the node back.

use super::atomic;
use super::belongings;
use super::operation::{Attributes, Put};
use muster_core::rolling::Before;
use std::io;
use std::path::{Path, PathBuf};

/// The note.
pub(crate) struct Away;

impl Away {
    /// What is noted on this host. What cannot be read counts as nothing, so that a damaged note stops no run.
    pub(crate) fn noted() -> Option<Before> {
        serde_json::from_slice(&std::fs::read(file()?).ok()?).ok()
    }

    /// Notes it.
    pub(crate) fn note(before: &Before) -> io::Result<()> {
        let path = file().ok_or_else(|| io::Error::other("the user of the worker has no folder"))?;
        belongings::make(path.parent().unwrap_or(Path::new("/")))?;
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        let content = serde_json::to_vec(before)?.into();
        let put = Put { path, content, attributes, validate: None, may_write_in_place: false };
        atomic::put(&put).map_err(io::Error::other)
    }

    /// The node is back.
    pub(crate) fn forget() -> io::Result<()> {
        match file().map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn file() -> Option<PathBuf> {
    Some(belongings::folder()?.join("rolling.json"))
}
