//! Roles that muster brings along. A playbook names them as it named the role that they stand in for; one of that name that is
//! installed comes first.

use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A role that is inside of the program: its names, its folder, its files.
struct Shipped {
    names: &'static [&'static str],
    folder: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../playbooks/roles/", $folder, "/", $file)))),+]
    };
}

const SHIPPED: &[Shipped] = &[Shipped {
    names: &[
        "muster.ha_cluster",
        "linux-system-roles.ha_cluster",
        "fedora.linux_system_roles.ha_cluster",
        "rhel-system-roles.ha_cluster",
        "redhat.rhel_system_roles.ha_cluster",
        "suse.linux_system_roles.ha_cluster",
    ],
    folder: "ha_cluster",
    files: files!("ha_cluster":
        "defaults/main.yml",
        "handlers/main.yml",
        "tasks/main.yml",
        "tasks/present.yml",
        "tasks/absent.yml",
        "templates/corosync.conf.j2",
        "templates/musterd.service.j2",
    ),
}];

/// The folder of a role that muster brings along, written out where it is not yet.
pub(super) fn role(name: &str) -> Option<io::Result<PathBuf>> {
    let shipped = SHIPPED.iter().find(|role| role.names.contains(&name))?;
    Some(cache().and_then(|cache| written_out(shipped, &cache)))
}

/// `$XDG_CACHE_HOME/muster/roles`, or below `~/.cache`.
fn cache() -> io::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let nowhere = || io::Error::new(io::ErrorKind::NotFound, "neither XDG_CACHE_HOME nor HOME says where");
    Ok(cache.ok_or_else(nowhere)?.join("muster/roles"))
}

/// Files that are as they should be are left alone: another run may be reading them.
fn written_out(role: &Shipped, cache: &Path) -> io::Result<PathBuf> {
    let folder = cache.join(digest(role)).join(role.folder);
    for (file, text) in role.files {
        let path = folder.join(file);
        if fs::read_to_string(&path).is_ok_and(|present| present == *text) {
            continue;
        }
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)?;
        let mut new = tempfile::NamedTempFile::new_in(parent)?;
        io::Write::write_all(&mut new, text.as_bytes())?;
        new.persist(&path).map_err(|error| error.error)?;
    }
    Ok(folder)
}

/// Another program may bring another version along.
fn digest(role: &Shipped) -> String {
    let mut hasher = Sha256::new();
    for (file, text) in role.files {
        hasher.update(file);
        hasher.update(text);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_role_is_written_out_once_and_mended_where_it_was_changed() {
        let cache = tempfile::tempdir().expect("a folder");
        let folder = written_out(&SHIPPED[0], cache.path()).expect("it can be written");
        let tasks = folder.join("tasks/main.yml");
        fs::write(&tasks, "- other").expect("written");
        written_out(&SHIPPED[0], cache.path()).expect("it can be written");
        assert!(fs::read_to_string(&tasks).expect("it is there").contains("present.yml"));
    }

    #[test]
    fn every_file_of_a_shipped_role_is_in_the_program() {
        for role in SHIPPED {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/roles").join(role.folder);
            let mut found = Vec::new();
            for part in fs::read_dir(&folder).expect("the role is in the tree").flatten() {
                for file in fs::read_dir(part.path()).expect("a folder of the role").flatten() {
                    let path = file.path();
                    let path =
                        path.strip_prefix(&folder).expect("it is below").to_string_lossy().into_owned();
                    found.push(path);
                }
            }
            let mut inside: Vec<&str> = role.files.iter().map(|(file, _)| *file).collect();
            found.sort();
            inside.sort_unstable();
            assert_eq!(found, inside);
        }
    }
}
