//! Mount points inside the lab's folders, and the safe removal of such a folder: never through a mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cgroup::wait_until;
use super::error::{LabError, Result};
use super::tool::Tool;

pub(crate) fn is_mounted(path: &Path) -> Result<bool> {
    Ok(below(path)?.iter().any(|mount| mount == path))
}

/// Unmounts everything at `path` and below it, innermost first.
pub(crate) fn unmount_below(path: &Path) -> Result<()> {
    for mount in below(path)?.iter().rev() {
        unmount(mount)?;
    }
    Ok(())
}

/// A filesystem whose last user has just died is busy for a moment.
fn unmount(mount: &Path) -> Result<()> {
    let mut result = Ok(String::new());
    wait_until(Duration::from_secs(3), || {
        result = Tool::new("umount").arg(mount).run();
        result.is_ok()
    });
    result.map(drop)
}

/// Removes a folder after everything inside it is unmounted.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    unmount_below(path)?;
    // A file that is on another filesystem is never the lab's to remove.
    Tool::new("rm").args(["-rf", "--one-file-system", "--"]).arg(path).run().map(drop)
}

/// The mount points at `path` and below, in the order in which they were mounted.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    let table = Path::new("/proc/self/mounts");
    let mounts = fs::read_to_string(table).map_err(LabError::io("read", table))?;
    Ok(parse(&mounts).filter(|mount| mount.starts_with(path)).collect())
}

/// Blanks in paths are not decoded: a folder for labs has none (see `prerequisites.rs`).
fn parse(mounts: &str) -> impl Iterator<Item = PathBuf> {
    mounts.lines().filter_map(|line| Some(PathBuf::from(line.split(' ').nth(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_come_in_the_order_of_mounting() {
        let mounts: Vec<PathBuf> =
            parse("overlay /lab/root overlay rw 0 0\nproc /lab/root/proc proc rw 0 0\n").collect();
        assert_eq!(mounts, [Path::new("/lab/root"), Path::new("/lab/root/proc")]);
    }
}
