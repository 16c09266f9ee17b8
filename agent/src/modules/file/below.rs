//! What `file` does to everything below a directory: sets attributes with `recurse`, and lists what `absent` takes away.

use super::super::attributes::Wanted;
use super::super::{Check, Failure, placing};
use crate::worker::View;
use crate::worker::file::Stat;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Sets owner and mode of all that is below a directory, and of what links there lead to where they are followed.
pub(super) struct Recursion<'a> {
    wanted: &'a Wanted,
    view: &'a View<'a>,
    follows: bool,
    /// Directories that links led to: a circle of links ends.
    entered: BTreeSet<PathBuf>,
}

impl<'a> Recursion<'a> {
    pub(super) const fn new(wanted: &'a Wanted, view: &'a View<'a>, follows: bool) -> Self {
        Self { wanted, view, follows, entered: BTreeSet::new() }
    }

    pub(super) fn below(&mut self, folder: &Path, check: &mut Check) -> Result<(), Failure> {
        let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", folder.display()));
        for name in self.view.list(folder).map_err(unreadable)? {
            let path = folder.join(name);
            let Some(stat) = self.view.lstat(&path).map_err(unreadable)? else { continue };
            self.set(&path, &stat, check);
            if stat.is_directory() {
                self.below(&path, check)?;
            } else if stat.is_link() && self.follows {
                self.behind(&path, check)?;
            }
        }
        Ok(())
    }

    fn behind(&mut self, link: &Path, check: &mut Check) -> Result<(), Failure> {
        let Ok(located) = self.view.locate(link, true) else { return Ok(()) };
        let Some(stat) = located.stat else { return Ok(()) };
        if !self.entered.insert(located.path.clone()) {
            return Ok(());
        }
        if stat.is_directory() {
            self.below(&located.path, check)?;
        }
        self.set(&located.path, &stat, check);
        Ok(())
    }

    fn set(&self, path: &Path, stat: &Stat, check: &mut Check) {
        let one = placing::set_attributes(path, Some(stat), self.wanted, self.view);
        check.outcome.changed |= one.outcome.changed;
        check.outcome.diffs.extend(one.outcome.diffs);
        check.operations.extend(one.operations);
    }
}

/// All directories and files below a directory, as the `diff` of `state: absent` names them.
pub(super) fn content(folder: &Path, view: &View<'_>) -> Value {
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    gather(folder, view, &mut directories, &mut files);
    json!({"directories": directories, "files": files})
}

fn gather(folder: &Path, view: &View<'_>, directories: &mut Vec<String>, files: &mut Vec<String>) {
    for name in view.list(folder).unwrap_or_default() {
        let path = folder.join(name);
        let text = path.to_string_lossy().into_owned();
        match view.lstat(&path) {
            Ok(Some(stat)) if stat.is_directory() => {
                directories.push(text);
                gather(&path, view, directories, files);
            }
            // A link to a directory is listed as one, and not entered.
            Ok(Some(stat)) if stat.is_link() && view.is_directory(&path) => directories.push(text),
            _ => files.push(text),
        }
    }
}
