//! Reads the records of runs.

use super::folder;
use crate::run::result::Status;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a run is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) number: String,
    /// As it may be shown.
    pub(crate) command: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) inventory: Vec<String>,
    pub(crate) user: String,
    pub(crate) release: String,
    pub(crate) started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resumes: Option<String>,
}

/// Something that happened in a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
pub(crate) enum Entry {
    /// A user works on a host.
    Seat(Seat),
    /// A task changed something, or failed.
    Task {
        host: String,
        task: String,
        status: Status,
        changed: bool,
        #[serde(default)]
        ignored: bool,
        #[serde(default)]
        things: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The run is over.
    End(End),
}

/// As whom somebody works on a host; without a user as the one who logged in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Seat {
    pub(crate) host: String,
    pub(crate) user: Option<String>,
    /// On this machine, and not over SSH.
    #[serde(default)]
    pub(crate) is_local: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) exit: u8,
    pub(crate) seconds: f64,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "standing", content = "exit")]
pub(crate) enum Standing {
    Running,
    Ended(u8),
    BrokenOff,
}

impl Run {
    /// The run in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join("run.json");
        let text = std::fs::read(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("`{}`: {error}", file.display()))
    }

    /// What happened; a line that was cut off is passed over.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let text = self.own_folder().and_then(|folder| std::fs::read(folder.join("events.jsonl")).ok());
        let text = text.unwrap_or_default();
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Where its record is.
    pub(crate) fn own_folder(&self) -> Option<PathBuf> {
        Some(folder()?.join(&self.number))
    }

    /// How it stands.
    pub(crate) fn standing(&self, entries: &[Entry]) -> Standing {
        let end = entries.iter().find_map(|entry| match entry {
            Entry::End(end) => Some(end.exit),
            _ => None,
        });
        match end {
            Some(exit) => Standing::Ended(exit),
            None if self.is_running() => Standing::Running,
            None => Standing::BrokenOff,
        }
    }

    /// Whoever runs holds a lock on what it writes.
    fn is_running(&self) -> bool {
        let opened =
            self.own_folder().and_then(|folder| std::fs::File::open(folder.join("events.jsonl")).ok());
        opened.is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    }

    /// As whom it worked on which hosts.
    pub(crate) fn seats(entries: &[Entry]) -> BTreeSet<Seat> {
        let seat = |entry: &Entry| match entry {
            Entry::Seat(seat) => Some(seat.clone()),
            _ => None,
        };
        entries.iter().filter_map(seat).collect()
    }
}

/// All runs, the last one first.
pub(crate) fn runs() -> Vec<Run> {
    let entries = folder().and_then(|folder| std::fs::read_dir(folder).ok());
    let folders = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    // One that is being begun, or that an older release wrote, is passed over.
    let mut runs: Vec<Run> = folders.filter_map(|folder| Run::read(&folder).ok()).collect();
    runs.sort_by(|one, other| other.number.cmp(&one.number));
    runs
}

/// The run of a number, or of its beginning where that is of one run only.
pub(crate) fn find(number: &str) -> Result<Run, String> {
    let all = runs();
    let mut found: Vec<Run> = all.into_iter().filter(|run| run.number.starts_with(number)).collect();
    match (found.len(), number.is_empty()) {
        (_, true) | (0, _) => Err(format!("there is no record of a run `{number}`")),
        (1, false) => Ok(found.remove(0)),
        (several, false) => Err(format!("{several} runs have numbers that begin with `{number}`")),
    }
}
