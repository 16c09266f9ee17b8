//! The record of what a run replaced, and what it comes to for each path.

use super::image::Image;
use crate::worker::file::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A line of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
pub(crate) enum Entry {
    /// This is about to be replaced.
    Before {
        path: PathBuf,
        before: Image,
        /// The hash of the content that a file gets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        becomes: Option<String>,
        /// A task with `no_log` replaces it.
        #[serde(default)]
        is_secret: bool,
        /// When.
        at: Time,
    },
    /// This is there instead.
    After { path: PathBuf, after: Image },
    /// Something was changed that is no file, or not only.
    Other { module: String, things: Vec<String> },
}

/// The record in a file; empty where there is none. A line that was cut off is passed over: what it announced was not
/// done yet.
pub(crate) fn read(file: &Path) -> io::Result<Vec<Entry>> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let lines = bytes.split(|byte| *byte == b'\n');
            Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What a run came to for one path.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) path: PathBuf,
    /// Before the first change.
    pub(crate) before: Image,
    /// After the last; none where the run broke off in the middle of it.
    pub(crate) after: Option<Image>,
    /// The hash of the content that it was to get, in the last change.
    becomes: Option<String>,
    pub(crate) is_secret: bool,
    /// When it was changed first.
    pub(crate) first: Time,
    /// When it was changed last.
    pub(crate) last: Time,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Net {
    /// Each path once.
    pub(crate) paths: Vec<Changed>,
    /// What no before-image brings back.
    pub(crate) others: Vec<String>,
}

impl Net {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut net = Self::default();
        let mut places: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Before { path, before, becomes, is_secret, at } => {
                    let place = *places.entry(path.clone()).or_insert_with(|| {
                        net.paths.push(Changed {
                            path: path.clone(),
                            before: before.clone(),
                            after: None,
                            becomes: None,
                            is_secret: false,
                            first: *at,
                            last: *at,
                        });
                        net.paths.len() - 1
                    });
                    let changed = &mut net.paths[place];
                    (changed.after, changed.last) = (None, *at);
                    changed.becomes.clone_from(becomes);
                    changed.is_secret |= is_secret;
                }
                Entry::After { path, after } => {
                    if let Some(place) = places.get(path) {
                        net.paths[*place].after = Some(after.clone());
                    }
                }
                Entry::Other { module, things } => {
                    let sentence = match things.is_empty() {
                        true => module.clone(),
                        false => format!("{module}: {}", things.join(", ")),
                    };
                    if !net.others.contains(&sentence) {
                        net.others.push(sentence);
                    }
                }
            }
        }
        net
    }
}

impl Changed {
    /// Whether the last change gave it a content.
    pub(crate) fn was_written(&self) -> bool {
        self.becomes.is_some()
    }

    /// Whether the path is as the run left it. Where the run broke off in a change, that is what the change would have come to.
    pub(crate) fn is_as_left(&self, now: &Image) -> bool {
        match (&self.after, &self.becomes, now) {
            (Some(after), ..) => after.is_like(now),
            (None, Some(becomes), Image::File { sha256, .. }) => sha256.as_ref() == Some(becomes),
            (None, Some(_), _) => false,
            (None, None, _) => true,
        }
    }
}
