//! The log of everything that was done to the power of a lab's nodes: one JSON object a line.

use std::fs::{self, File};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::lab::error::{LabError, Result};
use crate::lab::state::LabFiles;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it was begun.
    pub(crate) at: String,
    pub(crate) node: String,
    pub(crate) action: String,
    pub(crate) asked_by: String,
    pub(crate) took_ms: u64,
    pub(crate) failure: Option<String>,
}

/// Adds an entry. Lines are written whole, so that several processes can write at once.
pub(crate) fn append(files: &LabFiles, entry: &Entry) -> Result<()> {
    let path = files.power_log();
    let mut line = serde_json::to_string(entry).expect("an entry has only strings and numbers");
    line.push('\n');
    let file = File::options().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(LabError::io("write", &path))
}

/// All entries, oldest first.
pub(crate) fn read(files: &LabFiles) -> Result<Vec<Entry>> {
    let path = files.power_log();
    let text = match fs::read_to_string(&path) {
        Err(none) if none.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(LabError::io("read", &path))?,
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
