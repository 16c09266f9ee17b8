//! Modules of the user: files in the folders `library` beside the playbook and in roles, and where the setting `library`
//! says.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Endings of files that are no modules.
const NO_MODULES: [&str; 13] =
    ["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "yaml", "yml", "ini", "json", "ps1"];

/// The folders with modules, in the order in which they count. A role adds its own when it is loaded, and the first role
/// that has a module of a name gives it to all tasks after that, as in Ansible.
#[derive(Debug, Default)]
pub(crate) struct Library {
    beside: Vec<PathBuf>,
    added: Mutex<Vec<PathBuf>>,
    configured: Vec<PathBuf>,
}

impl Library {
    /// That of the playbook's folder, and the configured ones.
    pub(crate) fn new(playbook_dir: &Path, configured: Vec<PathBuf>) -> Self {
        Self {
            beside: vec![playbook_dir.join("library")],
            added: Mutex::default(),
            configured: configured.into_iter().filter(|folder| folder.is_dir()).collect(),
        }
    }

    /// A role or an imported playbook is loaded: the modules in its folder are known from now on.
    pub(super) fn add_below(&self, folder: &Path) {
        let folder = folder.join("library");
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if folder.is_dir() && !added.contains(&folder) {
            added.push(folder);
        }
    }

    /// The module of that name.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let bare = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        if bare.is_empty() || bare.contains(['.', '/', '{']) {
            return None;
        }
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = self.beside.iter().chain(added.iter()).chain(&self.configured);
        folders.into_iter().find_map(|folder| module_in(folder, bare))
    }
}

/// `NAME`, `NAME.py`, or the name with another ending.
fn module_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let usual = [folder.join(format!("{name}.py")), folder.join(name)];
    if let Some(path) = usual.into_iter().find(|path| path.is_file()) {
        return Some(path);
    }
    let is_module = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
        path.is_file()
            && path.file_stem().is_some_and(|stem| stem == name)
            && !NO_MODULES.contains(&ending.as_str())
    };
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(is_module).collect();
    found.sort();
    found.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_role_that_has_a_module_gives_it_to_all_and_the_configured_folders_come_last() {
        let folder = tempfile::tempdir().expect("a folder");
        for place in ["one/library", "two/library", "set"] {
            std::fs::create_dir_all(folder.path().join(place)).expect("made");
            std::fs::write(folder.path().join(place).join("ping.py"), "").expect("written");
        }
        let library = Library::new(folder.path(), vec![folder.path().join("set")]);
        assert_eq!(library.find("ping"), Some(folder.path().join("set/ping.py")));
        library.add_below(&folder.path().join("one"));
        library.add_below(&folder.path().join("two"));
        assert_eq!(library.find("ping"), Some(folder.path().join("one/library/ping.py")));
        assert_eq!(library.find("ansible.builtin.ping"), None);
    }

    #[test]
    fn a_module_is_found_with_and_without_an_ending_and_notes_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["one.py", "two.sh", "three", "four.md"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let found = |name: &str| module_in(folder.path(), name).is_some();
        assert_eq!(["one", "two", "three", "four", "five"].map(found), [true, true, true, false, false]);
    }
}
