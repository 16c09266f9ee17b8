//! What a run did to the same files as several users: each user's worker keeps what it replaced itself, so that none of them can
//! have another one bring back what it likes. Who changed a file first brings it back, and who changed it last knows how the run
//! left it.

use crate::modules::{Args, Failure};
use crate::worker::before::Changed;
use crate::worker::file::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a run did to a path as one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// When it did so first and last.
    pub(super) first: Time,
    pub(super) last: Time,
    /// The path is as it was before.
    pub(super) is_back: bool,
    /// The path is as that user left it.
    pub(super) is_as_left: bool,
}

/// The name of a path in what is told.
pub(super) fn named(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What the other users told.
#[derive(Debug, Default)]
pub(super) struct Others(Vec<BTreeMap<String, Part>>);

impl Others {
    pub(super) fn of(args: &Args<'_>) -> Result<Self, Failure> {
        let told = args.raw("others").map(|told| serde_json::from_value(told.clone()));
        let told = told.transpose().map_err(|error| Failure::new(format!("`others`: {error}")))?;
        Ok(Self(told.unwrap_or_default()))
    }

    fn of_path<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Part> {
        self.0.iter().filter_map(move |parts| parts.get(&named(path)))
    }

    /// Whether another user changed it, too.
    pub(super) fn have(&self, path: &Path) -> bool {
        self.of_path(path).next().is_some()
    }

    /// Whether one of them changed it first: that one knows what it was before the run.
    pub(super) fn bring_back(&self, changed: &Changed) -> bool {
        self.of_path(&changed.path).any(|part| part.first < changed.first)
    }

    /// Whether one of them knows that nobody else changed it since the run, or that it is brought back already.
    pub(super) fn vouch_for(&self, changed: &Changed) -> bool {
        self.of_path(&changed.path).any(|part| {
            let is_later = part.last > changed.last;
            is_later && (part.is_as_left || part.is_back) || part.first < changed.first && part.is_back
        })
    }
}
