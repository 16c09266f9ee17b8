//! `group_vars` and `host_vars` beside an inventory or a playbook: for a group or host NAME the file NAME,
//! NAME.yml, NAME.yaml or NAME.json, or all such files in the folder NAME.

use super::Vars;
use crate::error::Result;
use crate::load::Reader;
use std::path::{Path, PathBuf};

const ENDINGS: [&str; 3] = ["yml", "yaml", "json"];

/// A folder that may have `group_vars` and `host_vars`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VarsDir {
    base: PathBuf,
}

impl VarsDir {
    /// The folder.
    pub(crate) fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into() }
    }

    /// Whether both are one folder, however they are named.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // The folder of a file that is named without one is the present one.
        let full = |folder: &Self| Path::new(".").join(&folder.base).canonicalize().ok();
        self == other || full(self).is_some_and(|folder| Some(folder) == full(other))
    }

    /// What its `group_vars` have for a group.
    pub(crate) fn group(&self, name: &str, reader: &Reader) -> Result<Vars> {
        self.vars("group_vars", name, reader)
    }

    /// What its `host_vars` have for a host.
    pub(crate) fn host(&self, name: &str, reader: &Reader) -> Result<Vars> {
        self.vars("host_vars", name, reader)
    }

    fn vars(&self, folder: &str, name: &str, reader: &Reader) -> Result<Vars> {
        let mut vars = Vars::new();
        // Such names come from `chroot` inventories; they are no file names.
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Ok(vars);
        }
        for file in files_for(&self.base.join(folder).join(name)) {
            for (name, value) in reader.vars(&file)?.iter() {
                reader.hash_behaviour().set(&mut vars, &name.key_text(), value.clone());
            }
        }
        Ok(vars)
    }
}

/// The files for a name, the weakest first. The name without ending comes first; only the first that exists counts.
fn files_for(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        return files_below(path);
    }
    let with_ending = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    };
    let candidates = std::iter::once(path.to_owned()).chain(ENDINGS.map(with_ending));
    candidates.into_iter().find(|candidate| candidate.is_file()).into_iter().collect()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in sorted_entries(folder) {
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
        if path.is_dir() && ending.is_none() {
            files.extend(files_below(&path));
        } else if path.is_file() && ending.is_none_or(|ending| ENDINGS.contains(&ending.as_str())) {
            files.push(path);
        }
    }
    files
}

/// What is in a folder, by name, without hidden files and backups.
pub(super) fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let is_shown = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        !name.starts_with('.') && !name.ends_with('~')
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_shown).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_of_files_wins_over_a_file_and_is_read_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let all = dir.path().join("group_vars/all");
        fs::create_dir_all(all.join("more")).unwrap();
        fs::write(all.join("a.yml"), "x: 1\ny: 1\n").unwrap();
        fs::write(all.join("more/b"), "y: 2\n").unwrap();
        fs::write(all.join("z.yml~"), "y: 3\n").unwrap();
        fs::write(all.join("notes.txt"), "not yaml: [\n").unwrap();
        fs::write(dir.path().join("group_vars/all.yml"), "x: 9\n").unwrap();
        fs::write(dir.path().join("group_vars/web.json"), r#"{"w": [1]}"#).unwrap();
        let vars_dir = VarsDir::new(dir.path());
        let reader = Reader::default();
        assert_eq!(format!("{:?}", vars_dir.group("all", &reader).unwrap()), r#"{"x": 1, "y": 2}"#);
        assert_eq!(format!("{:?}", vars_dir.group("web", &reader).unwrap()), r#"{"w": [1]}"#);
        assert!(vars_dir.host("all", &reader).unwrap().is_empty());
    }
}
