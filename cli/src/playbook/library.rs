//! Modules of the user: files in the folders `library` beside the playbook and in roles, and where the setting `library`
//! says.

use super::Scope;
use std::path::{Path, PathBuf};

/// Endings of files that are no modules.
const NO_MODULES: [&str; 13] =
    ["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "yaml", "yml", "ini", "json", "ps1"];

/// The folders that count for all tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Library(Vec<PathBuf>);

impl Library {
    /// That of the playbook's folder, and the configured ones.
    pub(crate) fn new(playbook_dir: &Path, configured: Vec<PathBuf>) -> Self {
        Self(
            configured
                .into_iter()
                .chain([playbook_dir.join("library")])
                .filter(|folder| folder.is_dir())
                .collect(),
        )
    }

    /// The module of that name for what stands in `scope`: those of its roles come first.
    pub(super) fn find(&self, name: &str, scope: &Scope) -> Option<PathBuf> {
        let bare = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        if bare.is_empty() || bare.contains(['.', '/', '{']) {
            return None;
        }
        let role = scope.outer().find_map(|scope| scope.role.as_ref());
        let of_roles = role.into_iter().flat_map(|role| {
            let parents = role.pulled_in_by.iter().rev().map(|parent| &parent.path);
            std::iter::once(&role.path).chain(parents).map(|path| path.join("library"))
        });
        of_roles.chain(self.0.iter().cloned()).find_map(|folder| module_in(&folder, bare))
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
    fn a_module_is_found_with_and_without_an_ending_and_notes_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["one.py", "two.sh", "three", "four.md"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let found = |name: &str| module_in(folder.path(), name).is_some();
        assert_eq!(["one", "two", "three", "four", "five"].map(found), [true, true, true, false, false]);
    }
}
