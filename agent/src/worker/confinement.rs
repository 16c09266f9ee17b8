//! A worker that only predicts cannot write: it and all programs that it asks see the host's file systems read-only, in a mount
//! namespace of their own (mount_namespaces(7)). So a module whose check would write, or a program that does more than it is
//! asked, fails in the plan instead of changing the host. What goes through another process (systemd, a database) is not held.

use super::mounts;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where locks, logs and temporary files of the programs are that are asked, and the caches without which they tell nothing: nothing
/// there is a state of the host. And the rules of ufw, which tells nothing, even with `--dry-run`, where it may not write them.
const FREE: [&str; 16] = [
    "/dev",
    "/etc/ufw",
    "/run",
    "/tmp",
    "/var/cache/debconf",
    "/var/cache/dnf",
    "/var/cache/libdnf5",
    "/var/cache/yum",
    "/var/lib/dnf",
    "/var/lib/rpm",
    "/var/lib/selinux",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/tmp",
    "/usr/lib/sysimage",
];

/// File systems whose root may be asked for in vain, or that are mounted by whoever asks. They stay as they are.
const REMOTE: [&str; 9] = ["9p", "afs", "autofs", "ceph", "cifs", "fuse", "glusterfs", "nfs", "smb"];

static IS_CONFINED: AtomicBool = AtomicBool::new(false);

/// Whether a program that is started now sees the host read-only; [`FREE`] and what other processes do for it are not held.
pub(super) fn is_confined() -> bool {
    IS_CONFINED.load(Ordering::Relaxed)
}

/// Makes the host read-only for this thread and whatever it starts from now on. Nothing is different for all others.
///
/// Only root can; others change nothing but what is their own. A kernel or a container that refuses leaves all as it was.
pub(super) fn confine() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Where this fails, nothing was changed yet.
    if mounts::hold().is_err() || unshare(CloneFlags::CLONE_NEWNS).is_err() {
        return;
    }
    // Later mounts of the host come along, those of here stay here. What cannot be made read-only stays as it is.
    let _ = change("/", MsFlags::MS_SLAVE | MsFlags::MS_REC);
    let (free, held): (Vec<_>, Vec<_>) =
        places(&mounts::table()).into_iter().partition(|place| is_free(place));
    for folder in FREE {
        if is_real_folder(Path::new(folder)) && !free.iter().any(|place| place == folder) {
            let _ = mount(Some(folder), folder, None::<&str>, MsFlags::MS_BIND, None::<&str>);
        }
    }
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let mut is_held = true;
    for place in held {
        is_held &= change(&place, read_only | kept_flags(&place)).is_ok();
    }
    IS_CONFINED.store(is_held, Ordering::Relaxed);
}

fn change(place: &str, flags: MsFlags) -> io::Result<()> {
    Ok(mount(None::<&str>, place, None::<&str>, flags, None::<&str>)?)
}

/// A link leads to a folder that is free itself.
fn is_real_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Where local file systems are mounted.
fn places(table: &str) -> Vec<String> {
    let place = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        let is_remote = REMOTE.iter().any(|remote| kind.starts_with(remote)) && kind != "fuseblk";
        (!is_remote).then(|| mounts::unescaped(place))
    };
    table.lines().filter_map(place).collect()
}

fn is_free(place: &str) -> bool {
    FREE.iter().any(|folder| Path::new(place).starts_with(folder))
}

/// What a mount forbids already stays forbidden: a remount says all anew.
fn kept_flags(place: &str) -> MsFlags {
    let Ok(stat) = statvfs(place) else { return MsFlags::empty() };
    let pairs = [
        (StatVfsMountFlags::NOSUID, MsFlags::MS_NOSUID),
        (StatVfsMountFlags::NODEV, MsFlags::MS_NODEV),
        (StatVfsMountFlags::NOEXEC, MsFlags::MS_NOEXEC),
        (StatVfsMountFlags::NOATIME, MsFlags::MS_NOATIME),
        (StatVfsMountFlags::NODIRATIME, MsFlags::MS_NODIRATIME),
        (StatVfsMountFlags::RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = pairs.into_iter().filter(|(told, _)| stat.f_flag.contains(*told));
    kept.map(|(_, flag)| flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_outside_of_free_folders_are_found() {
        let table = "/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\nserver:/x /mnt nfs4 rw 0 0\n\
                      tmpfs /run/lock tmpfs rw 0 0\n/dev/sdb1 /srv/a\\040b xfs rw 0 0\nsystemd-1 /misc autofs rw 0 0\n";
        let held: Vec<String> = places(table).into_iter().filter(|place| !is_free(place)).collect();
        assert_eq!(held, ["/", "/srv/a b"]);
    }
}
