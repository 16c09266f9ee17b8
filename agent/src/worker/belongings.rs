//! Where a worker keeps what outlives its run: the handlers that are due, what is needed to undo the run, that the node is away.

use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folder of this user, which is made when something is kept in it. A service's user can rarely write into its home: it has
/// one among the temporary files that stay over a reboot.
pub(super) fn folder() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/muster"));
    }
    let at_home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state/muster"));
    at_home.filter(|folder| can_be_made(folder)).or_else(|| is_own(&temporary()).then(temporary))
}

/// Makes a folder there or below it, which only this user can look into.
///
/// # Errors
///
/// It cannot be made, or somebody else has made the one among the temporary files. Nothing is written then.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if folder.starts_with(temporary()) && !is_own(&temporary()) {
        let why = format!("`{}` is not this user's alone", temporary().display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

fn temporary() -> PathBuf {
    PathBuf::from(format!("/var/tmp/muster-{}", rustix::process::geteuid().as_raw()))
}

/// Whether this user may write into what of the path is there. A disk that nobody can write to at present is no reason to look
/// elsewhere.
fn can_be_made(folder: &Path) -> bool {
    let there = folder.ancestors().find(|above| above.symlink_metadata().is_ok());
    let may = |there| access(there, Access::WRITE_OK | Access::EXEC_OK) != Err(Errno::ACCESS);
    there.is_some_and(may)
}

/// Whether nothing is there, or a folder into which nobody else can look or write.
fn is_own(folder: &Path) -> bool {
    match folder.symlink_metadata() {
        Ok(found) => {
            let is_users = found.uid() == rustix::process::geteuid().as_raw();
            found.is_dir() && is_users && found.mode() & 0o077 == 0
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folder_that_others_can_look_into_or_that_is_a_link_is_nobodys_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        assert!(is_own(&at("none")));
        make(&at("made/below")).expect("made");
        assert!(is_own(&at("made")) && is_own(&at("made/below")));
        std::fs::set_permissions(at("made"), PermissionsExt::from_mode(0o755)).expect("set");
        assert!(!is_own(&at("made")));
        std::os::unix::fs::symlink(at("made/below"), at("link")).expect("linked");
        assert!(!is_own(&at("link")));
        std::fs::write(at("file"), "").expect("written");
        assert!(!is_own(&at("file")));
    }

    #[test]
    fn folder_can_be_made_where_the_nearest_that_is_there_may_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(can_be_made(&folder.path().join("none/at/all")));
        assert!(!can_be_made(Path::new("/dev/null/none")));
    }
}
