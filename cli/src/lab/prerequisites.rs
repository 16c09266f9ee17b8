//! What this machine must have before a lab can be made: everything that is missing is named at once, with
//! the command that installs it.

use std::path::Path;

use super::cgroup::Cgroup;
use super::error::{LabError, Result};
use super::name::LabName;
use super::state::Store;

/// Something that a lab needs and this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) what: String,
    remedy: Remedy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Remedy {
    /// The Debian package that has it.
    Package(&'static str),
    Advice(&'static str),
}

/// The programs that a lab is built with, and the packages that bring them.
const PROGRAMS: [(&str, &str); 9] = [
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("chpasswd", "passwd"),
];

/// Looks at everything; errs with all that is missing.
pub(crate) fn check(store: &Store, lab: &LabName) -> Result<()> {
    let mut missing = Vec::new();
    missing.extend(missing_root());
    missing.extend(PROGRAMS.iter().filter_map(|(program, package)| missing_program(program, package)));
    missing.extend(missing_overlay());
    missing.extend(missing_cgroups(store, lab)?);
    missing.extend(unfit_folder(store));
    if missing.is_empty() { Ok(()) } else { Err(LabError::Missing(missing)) }
}

/// One line that says how to get everything that is missing.
pub(crate) fn remedy(missing: &[Missing]) -> String {
    let mut packages: Vec<&str> = Vec::new();
    let mut advice: Vec<&str> = Vec::new();
    for missing in missing {
        match missing.remedy {
            Remedy::Package(package) if packages.contains(&package) => {}
            Remedy::Package(package) => packages.push(package),
            Remedy::Advice(text) => advice.push(text),
        }
    }
    let install = (!packages.is_empty()).then(|| format!("apt-get install {}", packages.join(" ")));
    install.into_iter().chain(advice.into_iter().map(str::to_owned)).collect::<Vec<_>>().join("; ")
}

fn missing_root() -> Option<Missing> {
    (!rustix::process::geteuid().is_root())
        .then(|| Missing { what: "the rights of root".into(), remedy: Remedy::Advice("run it with sudo") })
}

fn missing_program(program: &str, package: &'static str) -> Option<Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    (!is_there).then(|| Missing { what: format!("`{program}`"), remedy: Remedy::Package(package) })
}

fn missing_overlay() -> Option<Missing> {
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known =
        filesystems.lines().any(|line| line.trim() == "nodev\toverlay" || line.ends_with("\toverlay"));
    let is_loadable = || Path::new("/sys/module/overlay").exists() || has_module("overlay");
    (!is_known && !is_loadable()).then(|| Missing {
        what: "the overlay filesystem".into(),
        remedy: Remedy::Advice("use a kernel that has overlayfs"),
    })
}

fn has_module(name: &str) -> bool {
    let release = rustix::system::uname();
    let folder = Path::new("/lib/modules").join(release.release().to_string_lossy().as_ref());
    let list = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let file = format!("/{name}.ko");
    list("modules.dep").lines().chain(list("modules.builtin").lines()).any(|line| line.contains(&file))
}

fn missing_cgroups(store: &Store, lab: &LabName) -> Result<Option<Missing>> {
    Ok(Cgroup::of_lab(store, lab)?.is_none().then(|| Missing {
        what: "the unified cgroup hierarchy".into(),
        remedy: Remedy::Advice("mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"),
    }))
}

/// Overlays cannot be stacked on an overlay, and their options cannot carry every path.
fn unfit_folder(store: &Store) -> Option<Missing> {
    const ADVICE: Remedy = Remedy::Advice("set MUSTER_LAB_DIR to a folder on ext4, xfs, btrfs or tmpfs");
    let path = store.path();
    let text = path.to_string_lossy();
    if !path.is_absolute() || text.contains([':', ',', '\\', ' ', '\'', '"']) {
        let what = format!("a folder for labs with a plain, absolute path (not `{text}`)");
        return Some(Missing { what, remedy: ADVICE });
    }
    let existing = path.ancestors().find(|ancestor| ancestor.exists())?;
    let is_overlay = rustix::fs::statfs(existing).is_ok_and(|stat| stat.f_type == OVERLAYFS_MAGIC);
    let what = format!("a folder for labs that is not itself on an overlay (`{text}` is)");
    is_overlay.then_some(Missing { what, remedy: ADVICE })
}

/// From linux/magic.h.
const OVERLAYFS_MAGIC: rustix::fs::FsWord = 0x794c_7630;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_one_command_for_all_packages_then_the_rest() {
        let missing = [
            Missing { what: "`ssh`".into(), remedy: Remedy::Package("openssh-client") },
            Missing { what: "`ssh-keygen`".into(), remedy: Remedy::Package("openssh-client") },
            Missing { what: "`nft`".into(), remedy: Remedy::Package("nftables") },
            Missing { what: "the rights of root".into(), remedy: Remedy::Advice("run it with sudo") },
        ];
        assert_eq!(remedy(&missing), "apt-get install openssh-client nftables; run it with sudo");
    }
}
