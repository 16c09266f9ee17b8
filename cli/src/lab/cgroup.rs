//! The process group (cgroup) of a lab and of each node in it: what is inside can be found, frozen and killed
//! as a whole, however it was started.
//!
//! Every node needs a group of its own in each hierarchy that systemd uses. On a hybrid machine these are two:
//! the unified one, and the one that carries only a name. Nodes that shared one of them would find each
//! other's units and kill each other's processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{LabError, Result};
use super::name::LabName;
use super::state::Store;

/// The group that holds all labs of the usual folder.
const TOP: &str = "muster-lab";

/// Long enough for a process in the middle of a slow write to disk.
const DEATH_TIMEOUT: Duration = Duration::from_secs(20);

/// One group, in every hierarchy that matters.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    unified: PathBuf,
    named: Option<PathBuf>,
}

impl Cgroup {
    /// The group of a lab. `None` when this machine has no unified hierarchy.
    pub(crate) fn of_lab(store: &Store, lab: &LabName) -> Result<Option<Self>> {
        Ok(Self::top(store)?.map(|top| top.child(lab.as_str())))
    }

    /// The group of all labs of a store.
    pub(crate) fn top(store: &Store) -> Result<Option<Self>> {
        let path = Path::new("/proc/self/mounts");
        let mounts = fs::read_to_string(path).map_err(LabError::io("read", path))?;
        let name = store.scope().map_or_else(|| TOP.to_owned(), |scope| format!("{TOP}-{scope}"));
        Ok(Self::in_mounts(&mounts, &name))
    }

    fn in_mounts(mounts: &str, name: &str) -> Option<Self> {
        let unified = mount_point(mounts, |kind, _| kind == "cgroup2")?;
        let named = mount_point(mounts, |kind, options| {
            kind == "cgroup" && options.split(',').any(|option| option == "name=systemd")
        });
        Some(Self { unified: unified.join(name), named: named.map(|path| path.join(name)) })
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        Self { unified: self.unified.join(name), named: self.named.as_ref().map(|path| path.join(name)) }
    }

    /// Its folder in the unified hierarchy.
    pub(crate) fn path(&self) -> &Path {
        &self.unified
    }

    /// Moves the calling process into this group, which is made when it is not there. Errs when the group
    /// above is not there: what belongs to a lab that was removed a moment ago must not bring it back.
    pub(crate) fn join(&self) -> Result<()> {
        for path in self.paths() {
            match fs::create_dir(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(LabError::io("make the process group", path))?,
            }
        }
        let pid = std::process::id().to_string();
        for procs in self.doors() {
            fs::write(&procs, &pid).map_err(LabError::io("join the process group", &procs))?;
        }
        Ok(())
    }

    /// Makes this group and those above.
    pub(crate) fn make(&self) -> Result<()> {
        self.paths().try_for_each(|path| {
            fs::create_dir_all(path).map_err(LabError::io("make the process group", path))
        })
    }

    /// The files to which a process writes its id in order to join.
    pub(crate) fn doors(&self) -> impl Iterator<Item = PathBuf> {
        self.paths().map(|path| path.join("cgroup.procs"))
    }

    /// Whether a living process is in this group or below it.
    pub(crate) fn is_populated(&self) -> bool {
        self.event("populated")
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.event("frozen")
    }

    fn event(&self, key: &str) -> bool {
        let events = fs::read_to_string(self.unified.join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix(key).is_some_and(|value| value.trim() == "1"))
    }

    /// Kills everything in this group and below, and returns when all of it is dead.
    pub(crate) fn kill(&self) -> Result<()> {
        if !self.unified.exists() {
            return Ok(());
        }
        let kill = self.unified.join("cgroup.kill");
        let mut result = fs::write(&kill, "1");
        let died = wait_until(DEATH_TIMEOUT, || {
            let is_dead = !self.is_populated();
            // Again and again: a process that was just about to join comes too late for the first time.
            if !is_dead && result.is_ok() {
                result = fs::write(&kill, "1");
            }
            is_dead || result.is_err()
        });
        result.map_err(LabError::io("kill with", &kill))?;
        died.then_some(())
            .ok_or_else(|| LabError::Unkillable { group: self.unified.clone(), waited: DEATH_TIMEOUT })
    }

    /// Stops or resumes every process of this group; returns when it has happened.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<()> {
        let switch = self.unified.join("cgroup.freeze");
        fs::write(&switch, if frozen { "1" } else { "0" }).map_err(LabError::io("freeze with", &switch))?;
        wait_until(Duration::from_secs(5), || self.is_frozen() == frozen);
        Ok(())
    }

    /// Removes this group and those below it. Errs when a process is still in one of them.
    pub(crate) fn remove(&self) -> Result<()> {
        self.paths()
            .try_for_each(|path| remove_tree(path).map_err(LabError::io("remove the process group", path)))
    }

    /// Removes the group of all labs if no lab is left in it.
    pub(crate) fn remove_top_if_empty(&self) {
        for path in self.paths().filter_map(Path::parent) {
            let _ = fs::remove_dir(path);
        }
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(self.unified.as_path()), self.named.as_deref()].into_iter().flatten()
    }
}

fn mount_point(mounts: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        wanted(kind, options).then(|| PathBuf::from(path))
    })
}

fn remove_tree(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    remove_group(path)
}

/// A group whose last process is being buried is busy for a moment.
fn remove_group(path: &Path) -> io::Result<()> {
    let mut result = fs::remove_dir(path);
    wait_until(Duration::from_secs(2), || {
        let is_busy = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy);
        if is_busy {
            result = fs::remove_dir(path);
        }
        !is_busy
    });
    match result {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Asks again every millisecond. `false`: it did not become true in time.
pub(crate) fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_machine_has_two_hierarchies_to_keep_apart() {
        let mounts = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let node = Cgroup::in_mounts(mounts, TOP).unwrap().child("lab").child("n1");
        assert_eq!(node.unified, Path::new("/sys/fs/cgroup/unified/muster-lab/lab/n1"));
        assert_eq!(node.named.unwrap(), Path::new("/sys/fs/cgroup/systemd/muster-lab/lab/n1"));
    }

    #[test]
    fn a_machine_with_only_the_unified_hierarchy_has_one() {
        let node = Cgroup::in_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", TOP).unwrap();
        assert_eq!(node.unified, Path::new("/sys/fs/cgroup/muster-lab"));
        assert!(node.named.is_none());
    }

    #[test]
    fn a_machine_without_the_unified_hierarchy_cannot_hold_a_lab() {
        assert!(
            Cgroup::in_mounts("cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n", TOP).is_none()
        );
    }
}
