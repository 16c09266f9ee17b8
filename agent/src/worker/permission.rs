//! What a worker that is not root's may not do. A plan looks at it for each operation, as the kernel will when the plan is applied: a
//! task that lacks `become` fails in the plan already.

use super::atomic::PutError;
use super::confinement;
use super::file::Stat;
use super::mounts;
use super::operation::{Attributes, Operation, Prediction, Put};
use super::overlay::Overlay;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

pub(super) const READ: u32 = 4;
const WRITE: u32 = 2;
pub(super) const SEARCH: u32 = 1;

/// Tools that do nothing for most users, and of which something else than the rights of files decides for whom they do.
const SYSTEM_TOOLS: &[&str] = &[
    "apt-mark",
    "debconf-set-selections",
    "dpkg",
    "firewall-cmd",
    "hostnamectl",
    "modprobe",
    "mount",
    "nmcli",
    "sysctl",
    "systemctl",
    "timedatectl",
    "ufw",
    "umount",
    "update-alternatives",
];

/// Whom an operation is foretold for.
#[derive(Debug)]
pub(super) struct Subject {
    uid: u32,
    /// The main group first.
    groups: Vec<u32>,
    /// The kernel can be asked what it may do, as it is the worker's own user.
    is_worker: bool,
}

impl Subject {
    /// The user of this worker; none where it is root, who may do all of it.
    pub(super) fn of_this_worker() -> Option<&'static Self> {
        static THIS: OnceLock<Option<Subject>> = OnceLock::new();
        THIS.get_or_init(Self::now).as_ref()
    }

    fn now() -> Option<Self> {
        let uid = rustix::process::geteuid();
        let main = std::iter::once(rustix::process::getegid());
        let groups = main.chain(rustix::process::getgroups().unwrap_or_default());
        let groups = groups.map(rustix::process::Gid::as_raw).collect();
        (!uid.is_root()).then(|| Self { uid: uid.as_raw(), groups, is_worker: true })
    }

    /// Why it is not known whether these operations will be let, where it is not.
    pub(super) fn undecided(&self, operations: &[Operation]) -> Option<String> {
        let command = operations.iter().find_map(|operation| {
            let Operation::Run { command, .. } = operation else { return None };
            let name = Path::new(&command.program).file_name()?.to_str()?;
            let is_own = command.arguments.iter().any(|argument| argument == "--user");
            (SYSTEM_TOOLS.contains(&name) && !is_own).then(|| command.line())
        })?;
        Some(format!("whether a user who is not root may do `{command}` is known when it is run"))
    }

    /// Why an operation will fail, in the words in which it will.
    pub(super) fn refused(&self, operation: &Operation, overlay: &Overlay) -> Option<String> {
        let found = match operation {
            Operation::Put(put) => return self.put(put, overlay).err().map(|error| error.to_string()),
            Operation::BackUp { path, copy } => {
                return self.back_up(path, copy, overlay).err().map(|error| error.to_string());
            }
            Operation::MakeDirectory { path } => self.in_folder_of(path, overlay),
            Operation::Remove { path } => self.removes(path, overlay),
            Operation::Symlink { path, .. } => self.replaces(path, overlay),
            Operation::Hardlink { path, target } => {
                self.replaces(path, overlay).and_then(|()| self.links(target, overlay))
            }
            Operation::Set { path, attributes } => self.sets(path, *attributes, overlay),
            Operation::SetTimes { path, .. } => self.owns(path, Errno::PERM, overlay),
            Operation::Touch { path } => {
                self.owns(path, Errno::ACCESS, overlay).or_else(|_| self.may(path, WRITE, overlay))
            }
            Operation::Configure { .. } => Ok(()),
            Operation::Run { brings, .. } => {
                let why = brings.iter().find_map(|brought| self.brings(brought, overlay))?;
                return Some(operation.failed(&why));
            }
        };
        found.err().map(|found| operation.failed(&io::Error::from(found)))
    }

    /// Why a tool will not bring this about.
    fn brings(&self, brought: &Prediction, overlay: &Overlay) -> Option<String> {
        match brought {
            Prediction::Installed { .. }
            | Prediction::Removed { .. }
            | Prediction::User(_)
            | Prediction::NoUser(_)
            | Prediction::Group(_)
            | Prediction::NoGroup(_) => Some("only root may do that (`become: true`)".to_owned()),
            Prediction::Also(operation) => self.refused(operation, overlay),
            Prediction::Later { path, .. } | Prediction::Packed { path, .. } => {
                let may = self.may(path, WRITE, overlay).and(self.in_folder_unless_there(path, overlay));
                may.err()
                    .map(|found| format!("cannot write `{}`: {}", path.display(), io::Error::from(found)))
            }
            _ => None,
        }
    }

    fn back_up(&self, path: &Path, copy: &Path, overlay: &Overlay) -> Result<(), PutError> {
        let error = |act, found: Errno| PutError::Io { act, path: path.to_owned(), source: found.into() };
        self.in_folder_of(copy, overlay).map_err(|found| error("create a file beside", found))?;
        let dressed = self.dresses(path, Attributes::default(), overlay);
        dressed.map_err(|found| error("back up", found))
    }

    fn put(&self, put: &Put, overlay: &Overlay) -> Result<(), PutError> {
        let error = |act, found: Errno| PutError::Io { act, path: put.path.clone(), source: found.into() };
        let is_file = stat(&put.path, false, overlay).is_some_and(|old| old.is_file());
        let in_place = put.may_write_in_place && is_file;
        match self.in_folder_of(&put.path, overlay) {
            Err(found) if !in_place => return Err(error("create a file beside", found)),
            Err(_) => {
                self.may(&put.path, WRITE, overlay).map_err(|found| error("write in place", found))?;
                let set = self.sets(&put.path, put.attributes, overlay);
                return set.map_err(|found| error("set owner and mode of", found));
            }
            Ok(()) => {}
        }
        let dressed = self.dresses(&put.path, put.attributes, overlay);
        dressed.map_err(|found| error("set owner and mode of", found))?;
        match self.replaces(&put.path, overlay) {
            Err(_) if in_place => Ok(()),
            replaced => replaced.map_err(|found| error("replace", found)),
        }
    }

    /// A new file gets what is asked for, and the owner of the one that it replaces.
    fn dresses(&self, path: &Path, asked: Attributes, overlay: &Overlay) -> Result<(), Errno> {
        let old = stat(path, false, overlay).filter(Stat::is_file);
        let folder = path.parent().and_then(|folder| stat(folder, true, overlay));
        // In a folder with this bit a new file gets its group.
        let taken = folder.filter(|folder| folder.mode & 0o2000 != 0).map(|folder| folder.gid);
        let own = taken.or(self.groups.first().copied());
        let uid = asked.uid.or(old.as_ref().map(|old| old.uid));
        let gid = asked.gid.or(old.as_ref().map(|old| old.gid)).filter(|gid| Some(*gid) != own);
        let may = uid.is_none_or(|uid| uid == self.uid) && gid.is_none_or(|gid| self.groups.contains(&gid));
        if may { Ok(()) } else { Err(Errno::PERM) }
    }

    /// Owner and mode of what is there.
    fn sets(&self, path: &Path, attributes: Attributes, overlay: &Overlay) -> Result<(), Errno> {
        if attributes.is_empty() {
            return Ok(());
        }
        self.owns(path, Errno::PERM, overlay)?;
        let now = stat(path, false, overlay).map(|stat| stat.gid);
        let is_others = attributes.uid.is_some_and(|uid| uid != self.uid);
        let joins = |gid: u32| Some(gid) == now || self.groups.contains(&gid);
        if is_others || !attributes.gid.is_none_or(joins) { Err(Errno::PERM) } else { Ok(()) }
    }

    fn owns(&self, path: &Path, otherwise: Errno, overlay: &Overlay) -> Result<(), Errno> {
        match stat(path, false, overlay) {
            Some(stat) if stat.uid != self.uid => Err(otherwise),
            _ => Ok(()),
        }
    }

    /// Whether a name may come or go in the folder of a path.
    fn in_folder_of(&self, path: &Path, overlay: &Overlay) -> Result<(), Errno> {
        path.parent().map_or(Ok(()), |folder| self.may(folder, WRITE | SEARCH, overlay))
    }

    fn in_folder_unless_there(&self, path: &Path, overlay: &Overlay) -> Result<(), Errno> {
        if stat(path, true, overlay).is_some() { Ok(()) } else { self.in_folder_of(path, overlay) }
    }

    /// Whether what has this name may lose it: in a folder like `/tmp` only its owner takes it away.
    fn replaces(&self, path: &Path, overlay: &Overlay) -> Result<(), Errno> {
        self.in_folder_of(path, overlay)?;
        let folder = path.parent().and_then(|folder| stat(folder, true, overlay));
        let is_held = folder.is_some_and(|folder| folder.mode & 0o1000 != 0 && folder.uid != self.uid);
        let is_others = || stat(path, false, overlay).is_some_and(|old| old.uid != self.uid);
        if is_held && is_others() { Err(Errno::PERM) } else { Ok(()) }
    }

    fn removes(&self, path: &Path, overlay: &Overlay) -> Result<(), Errno> {
        self.replaces(path, overlay)?;
        if !stat(path, false, overlay).is_some_and(|stat| stat.is_directory()) {
            return Ok(());
        }
        self.may(path, READ, overlay)?;
        let names = overlay.list(path).unwrap_or_default();
        names.iter().try_for_each(|name| self.removes(&path.join(name), overlay))
    }

    /// Files of others get no second name by who could not read and write them (`protected_hardlinks`, proc_sys_fs(5)).
    fn links(&self, target: &Path, overlay: &Overlay) -> Result<(), Errno> {
        let is_protected = || {
            std::fs::read_to_string("/proc/sys/fs/protected_hardlinks").is_ok_and(|text| text.trim() == "1")
        };
        let may = self
            .owns(target, Errno::PERM, overlay)
            .or_else(|found| self.may(target, READ | WRITE, overlay).map_err(|_| found));
        if may.is_err() && is_protected() { may } else { Ok(()) }
    }

    /// Whether it may do this with what is at a path, links followed. What is not there, or not known, is not refused.
    fn may(&self, path: &Path, what: u32, overlay: &Overlay) -> Result<(), Errno> {
        let Ok(located) = overlay.locate(path, true) else { return Ok(()) };
        let Some(stat) = &located.stat else { return Ok(()) };
        match located.real_unchanged(overlay).filter(|_| self.is_worker) {
            Some(real) => kernel_lets(real, what),
            None if self.rights(stat) & what == what => Ok(()),
            None => Err(Errno::ACCESS),
        }
    }

    /// Read, write and search, as the mode has them for this user.
    pub(super) fn rights(&self, stat: &Stat) -> u32 {
        let shift = match stat {
            stat if stat.uid == self.uid => 6,
            stat if self.groups.contains(&stat.gid) => 3,
            _ => 0,
        };
        stat.mode >> shift & 7
    }
}

/// Whether the kernel lets the worker do this with what really is there. What it cannot tell is not refused.
pub(super) fn kernel_lets(real: &Path, what: u32) -> Result<(), Errno> {
    let mut access = Access::empty();
    access.set(Access::READ_OK, what & READ != 0);
    access.set(Access::WRITE_OK, what & WRITE != 0);
    access.set(Access::EXEC_OK, what & SEARCH != 0);
    match accessat(CWD, real, access, AtFlags::empty()) {
        Err(found @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => Err(found),
        _ => Ok(()),
    }
}

/// What access(2) would tell this worker's user about a path after the steps before.
pub(super) fn would_let(path: &Path, access: Access, overlay: &Overlay) -> bool {
    let what = access.bits();
    let Ok(located) = overlay.locate(path, true) else { return false };
    let Some(stat) = &located.stat else { return false };
    match (located.real_unchanged(overlay), Subject::of_this_worker()) {
        (Some(real), _) => match kernel_lets(real, what) {
            // For a plan alone the host is read-only.
            Err(Errno::ROFS) => confinement::is_confined() && !mounts::is_read_only(real),
            found => found.is_ok(),
        },
        (None, Some(subject)) => subject.rights(stat) & what == what,
        // Root may do all but run what nobody may run.
        (None, None) => what & SEARCH == 0 || stat.is_directory() || stat.mode & 0o111 != 0,
    }
}

fn stat(path: &Path, follow: bool, overlay: &Overlay) -> Option<Stat> {
    overlay.locate(path, follow).ok()?.stat
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Subject = Subject { uid: 4711, groups: Vec::new(), is_worker: false };

    fn put(path: &Path) -> Operation {
        Operation::Put(Put {
            path: path.to_owned(),
            content: b"x".as_slice().into(),
            attributes: Attributes::default(),
            validate: None,
            may_write_in_place: false,
        })
    }

    /// A folder of the plan with this owner and mode, and a file of root's in it.
    fn planned(uid: u32, mode: u32) -> (Overlay, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("d");
        let mut overlay = Overlay::default();
        let mut predict = |operation| overlay.predict(&operation, 0o022).expect("predicted");
        predict(Operation::MakeDirectory { path: at.clone() });
        predict(put(&at.join("f")));
        let of_root = Attributes { uid: Some(0), gid: Some(0), mode: Some(0o644) };
        predict(Operation::Set { path: at.join("f"), attributes: of_root });
        let attributes = Attributes { uid: Some(uid), gid: Some(0), mode: Some(mode) };
        predict(Operation::Set { path: at, attributes });
        (overlay, folder)
    }

    #[test]
    fn folder_of_somebody_else_takes_nothing_and_gives_nothing() {
        let (overlay, folder) = planned(0, 0o755);
        let at = |name: &str| folder.path().join("d").join(name);
        let denied = |operation| WHO.refused(&operation, &overlay).expect("refused");
        assert!(denied(put(&at("new"))).contains("cannot create a file beside"));
        assert!(denied(Operation::Remove { path: at("f") }).ends_with("Permission denied (os error 13)"));
        assert!(denied(Operation::MakeDirectory { path: at("new") }).starts_with("Error creating"));
        assert!(denied(Operation::Symlink { path: at("new"), target: "f".into() }).contains("cannot link"));
        assert!(denied(Operation::Touch { path: at("f") }).contains("Permission denied"));
    }

    #[test]
    fn in_ones_own_folder_a_file_of_somebody_else_may_go_but_keeps_its_owner() {
        let (overlay, folder) = planned(4711, 0o755);
        let at = |name: &str| folder.path().join("d").join(name);
        assert_eq!(WHO.refused(&put(&at("new")), &overlay), None);
        assert_eq!(WHO.refused(&Operation::Remove { path: at("f") }, &overlay), None);
        let replaced = WHO.refused(&put(&at("f")), &overlay).expect("refused");
        assert!(replaced.contains("set owner and mode of") && replaced.contains("Operation not permitted"));
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        assert!(WHO.refused(&Operation::Set { path: at("f"), attributes }, &overlay).is_some());
    }

    #[test]
    fn folder_like_tmp_lets_everybody_add_and_only_the_owner_take_away() {
        let (overlay, folder) = planned(0, 0o1777);
        let at = |name: &str| folder.path().join("d").join(name);
        assert_eq!(WHO.refused(&put(&at("new")), &overlay), None);
        assert!(WHO.refused(&Operation::Remove { path: at("f") }, &overlay).is_some());
    }

    #[test]
    fn tools_of_the_system_are_not_known_to_work_and_those_of_the_user_are() {
        use crate::worker::process::Command;
        let run = |arguments: &[&str]| {
            let command = Command::new("systemctl", arguments);
            WHO.undecided(&[Operation::Run { command, brings: Vec::new() }])
        };
        assert!(run(&["start", "x"]).is_some_and(|why| why.contains("systemctl start x")));
        assert_eq!(run(&["--user", "start", "x"]), None);
        let brings = vec![Prediction::NoUser("x".into())];
        let remove = Operation::Run { command: Command::new("userdel", &["x"]), brings };
        assert!(WHO.refused(&remove, &Overlay::default()).is_some_and(|why| why.contains("only root")));
    }
}
