//! Python files of a user that modules import as `ansible.module_utils`: beside the playbook, in the role that has the
//! module, and where the setting `module_utils` says. They travel with the module.

use crate::run::task_run::Request;
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// All of them together may have so many bytes; they are sent with every use of the module.
const MOST_BYTES: usize = 4 << 20;

/// Their sources by dotted name, such as `net.addresses`; one of a folder ends in `.__init__`.
///
/// # Errors
///
/// A sentence: a file cannot be read, or they are too many.
pub(super) fn own_utils(request: &Request, module: &Path) -> Result<Map<String, Json>, String> {
    let mut sources = Map::new();
    for folder in folders(request, module) {
        collect(&folder, "", &mut sources)?;
    }
    let bytes: usize = sources.values().filter_map(Json::as_str).map(str::len).sum();
    if bytes > MOST_BYTES {
        return Err(format!("the files of `module_utils` have {bytes} bytes, more than {MOST_BYTES}"));
    }
    Ok(sources)
}

/// The first folder that has a file wins.
fn folders(request: &Request, module: &Path) -> Vec<PathBuf> {
    let beside = |library: &Path| library.parent().map(|folder| folder.join("module_utils"));
    let of_module = module.parent().and_then(beside);
    let play = request.scope.play();
    let of_playbook = play.playbook_dir.join("module_utils");
    let of_role = request.task.role().map(|role| role.path.join("module_utils"));
    let named = [Some(of_playbook), of_role, of_module].into_iter().flatten();
    named.chain(play.settings.module_utils()).filter(|folder| folder.is_dir()).collect()
}

fn collect(folder: &Path, package: &str, sources: &mut Map<String, Json>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.is_dir() {
            if path.join("__init__.py").is_file() {
                collect(&path, &format!("{package}{stem}."), sources)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "py")
            && !(package.is_empty() && stem == "__init__")
        {
            let source =
                std::fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
            sources.entry(format!("{package}{stem}")).or_insert(source.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_modules_are_found_by_their_dotted_names_and_the_first_folder_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("one/net/__init__.py", "");
        write("one/net/ip.py", "a");
        write("one/notes.txt", "");
        write("one/no_package/x.py", "");
        write("two/net/ip.py", "b");
        write("two/net/__init__.py", "");
        let mut sources = Map::new();
        for name in ["one", "two"] {
            collect(&folder.path().join(name), "", &mut sources).expect("read");
        }
        let mut names: Vec<&String> = sources.keys().collect();
        names.sort();
        assert_eq!(names, ["net.__init__", "net.ip"]);
        assert_eq!(sources["net.ip"], "a");
    }
}
