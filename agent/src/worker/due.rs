//! The handlers that are due on this host: noted before a step changes what they are for, forgotten when they have run. A
//! run that breaks off in between, however it does, leaves the note, and the next run of the play finds it.

use super::atomic;
use super::belongings;
use super::operation::{Attributes, Put};
use muster_api::step::Due;
use rustix::fs::{FlockOperation, flock};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The note, for the workers of one user.
#[derive(Debug, Clone)]
pub(super) struct Note {
    file: Option<PathBuf>,
}

/// Each play with its due handlers.
type Plays = BTreeMap<String, BTreeSet<String>>;

impl Note {
    /// That of this user; none where the user has no folder of its own.
    pub(super) fn of_this_user() -> Self {
        Self { file: belongings::folder().map(|folder| folder.join("due-handlers.json")) }
    }

    /// Nothing is noted.
    #[cfg(test)]
    pub(super) const fn nowhere() -> Self {
        Self { file: None }
    }

    /// All that is noted. What cannot be read counts as nothing, so that a damaged note stops no run.
    pub(super) fn all(&self) -> Vec<Due> {
        let plays = self.file.as_deref().and_then(|file| read(file).ok()).unwrap_or_default();
        plays.into_iter().map(|(play, handlers)| Due { play, handlers }).collect()
    }

    /// Adds handlers; says which of them are new.
    pub(super) fn add(&self, due: &Due) -> io::Result<BTreeSet<String>> {
        let mut new = BTreeSet::new();
        self.change(&due.play, |noted| {
            new = due.handlers.difference(noted).cloned().collect();
            noted.extend(new.iter().cloned());
        })?;
        Ok(new)
    }

    /// Takes handlers away.
    pub(super) fn remove(&self, play: &str, handlers: &BTreeSet<String>) -> io::Result<()> {
        self.change(play, |noted| noted.retain(|name| !handlers.contains(name)))
    }

    /// These and no others are due for the play.
    pub(super) fn set(&self, due: Due) -> io::Result<()> {
        self.change(&due.play, |noted| *noted = due.handlers)
    }

    fn change(&self, play: &str, change: impl FnOnce(&mut BTreeSet<String>)) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let folder = file.parent().unwrap_or(Path::new("/"));
        belongings::make(folder)?;
        // The folder is locked, as the file is another one after each change.
        let lock = File::open(folder)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let before = read(file).unwrap_or_default();
        let mut plays = before.clone();
        change(plays.entry(play.to_owned()).or_default());
        plays.retain(|_, handlers| !handlers.is_empty());
        if plays == before {
            return Ok(());
        }
        if plays.is_empty() {
            return std::fs::remove_file(file);
        }
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        let content = serde_json::to_vec(&plays)?.into();
        let put = Put { path: file.clone(), content, attributes, validate: None, may_write_in_place: false };
        atomic::put(&put).map_err(io::Error::other)
    }
}

fn read(file: &Path) -> io::Result<Plays> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(handlers: &[&str]) -> Due {
        let handlers = handlers.iter().map(|name| (*name).to_owned()).collect();
        Due { play: "site.yml: web".into(), handlers }
    }

    #[test]
    fn what_is_noted_stays_until_it_is_taken_away_and_then_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("muster/due-handlers.json");
        let note = || Note { file: Some(file.clone()) };
        assert_eq!(note().all(), []);
        assert_eq!(note().add(&due(&["restart chrony"])).expect("noted").len(), 1);
        assert_eq!(note().add(&due(&["restart chrony"])).expect("noted").len(), 0, "it is known already");
        note().add(&due(&["reload apache"])).expect("noted");
        assert_eq!(note().all(), [due(&["reload apache", "restart chrony"])]);
        note().remove("site.yml: web", &due(&["restart chrony"]).handlers).expect("removed");
        assert_eq!(note().all(), [due(&["reload apache"])]);
        note().set(due(&[])).expect("removed");
        assert_eq!(note().all(), []);
        assert!(!file.exists());
    }

    #[test]
    fn a_damaged_note_is_none_and_the_next_one_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("due-handlers.json");
        std::fs::write(&file, "{").expect("written");
        let note = Note { file: Some(file) };
        assert_eq!(note.all(), []);
        note.add(&due(&["a"])).expect("noted");
        assert_eq!(note.all(), [due(&["a"])]);
    }
}
