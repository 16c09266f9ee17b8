//! What writes. Hands exist only in a step that applies; what they carry out was found by a check.

use super::atomic;
use super::file::Time;
use super::operation::Operation;
use super::overlay::Overlay;
use super::process::{Command, Ran, controller_is_gone};
use super::view::{Scope, View};
use crate::modules::{self, Failure};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use std::io;
use std::path::Path;

/// Carries out operations on the host.
pub(crate) struct Hands<'a> {
    scope: &'a Scope<'a>,
    nothing_predicted: Overlay,
    tie: Tie,
}

/// Whether hands may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    Free,
    /// Whatever they are told to do fails.
    Tied,
    /// They were told to do something.
    Pulled,
}

impl<'a> Hands<'a> {
    /// Hands for a step, or none where it is only to be predicted.
    pub(super) fn of(scope: &'a Scope<'a>) -> Option<Self> {
        (!scope.step.check).then(|| Self { scope, nothing_predicted: Overlay::default(), tie: Tie::Free })
    }

    /// Hands for a step that is only looked at: they finish an outcome to which nothing has to be done, and do nothing.
    pub(super) fn tied(scope: &'a Scope<'a>) -> Self {
        Self { scope, nothing_predicted: Overlay::default(), tie: Tie::Tied }
    }

    /// Whether tied hands were told to do something.
    pub(super) fn were_pulled(&self) -> bool {
        self.tie == Tie::Pulled
    }

    fn pull(&mut self) -> io::Result<()> {
        if self.tie == Tie::Free {
            return Ok(());
        }
        self.tie = Tie::Pulled;
        Err(io::Error::other("the step is only looked at"))
    }

    /// The host as it is now.
    pub(crate) fn view(&self) -> View<'_> {
        View { overlay: &self.nothing_predicted, scope: self.scope }
    }

    /// Carries out all operations in order, and gives what commands among them said.
    pub(crate) fn carry_out(&mut self, operations: &[Operation]) -> Result<Vec<Ran>, Failure> {
        let mut ran = Vec::new();
        for operation in operations {
            self.pull().map_err(|error| Failure::new(error.to_string()))?;
            if controller_is_gone() {
                return Err(Failure::new(
                    "the controller went away; what was begun is finished, the rest is left",
                ));
            }
            match operation {
                Operation::Run { command, .. } => ran.push(self.run_well(command)?),
                other => self.change(other)?,
            }
        }
        Ok(ran)
    }

    /// Runs a command with the task's environment and deadline.
    pub(crate) fn run(&mut self, command: &Command) -> io::Result<Ran> {
        self.pull()?;
        self.scope.keeper.ran();
        let mut command = command.clone();
        for (name, value) in &self.scope.step.environment {
            command.environment.insert(name.clone(), value.clone());
        }
        command.deadline = command.deadline.or(self.scope.deadline);
        command.run()
    }

    /// Runs a command that must succeed.
    pub(crate) fn run_well(&mut self, command: &Command) -> Result<Ran, Failure> {
        let line = command.line();
        let ran = self.run(command).map_err(|error| Failure::new(format!("cannot run `{line}`: {error}")))?;
        if ran.is_fine() {
            return Ok(ran);
        }
        let ending = if ran.timed_out {
            "was ended at the task's timeout".to_owned()
        } else {
            format!("ended with {}", ran.rc)
        };
        Err(Failure::new(format!("`{line}` {ending}: {}", ran.complaint()))
            .with("rc", ran.rc)
            .with("stdout", ran.out())
            .with("stderr", ran.err())
            .with("cmd", line))
    }

    /// What is replaced is kept first.
    fn change(&self, operation: &Operation) -> Result<(), Failure> {
        let kept = self.scope.keeper.before(operation, self.scope.step.no_log);
        let made = Self::make(operation);
        kept.done();
        made
    }

    fn make(operation: &Operation) -> Result<(), Failure> {
        let made = match operation {
            Operation::Put(put) => {
                let is_new = !put.path.exists();
                atomic::put(put).map_err(|error| Failure::new(error.to_string()))?;
                if is_new {
                    label(&put.path);
                }
                return Ok(());
            }
            Operation::BackUp { path, copy } => {
                return atomic::back_up(path, copy).map_err(|error| Failure::new(error.to_string()));
            }
            Operation::MakeDirectory { path } => match std::fs::create_dir(path) {
                Ok(()) => {
                    label(path);
                    Ok(())
                }
                // Somebody else was faster: another run, or another host on the same network file system.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
                made => made,
            },
            Operation::Remove { path } => remove(path),
            Operation::Symlink { path, target } => {
                replace(path, |new| std::os::unix::fs::symlink(target, new))
            }
            Operation::Hardlink { path, target } => replace(path, |new| std::fs::hard_link(target, new)),
            Operation::Set { path, attributes } => atomic::set(path, *attributes),
            Operation::SetTimes { path, accessed, modified } => set_times(path, *accessed, *modified),
            Operation::Touch { path } => touch(path),
            Operation::Configure { config, expected_generation } => {
                return modules::configure(config, *expected_generation);
            }
            Operation::Run { command, .. } => {
                return Err(Failure::new(format!("`{}` is not a change of a file", command.line())));
            }
        };
        made.map_err(|error| Failure::new(operation.failed(&error)))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Makes a link under another name and renames it, so that the path is never missing.
fn replace(path: &Path, link: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_err() {
        return link(path);
    }
    let new = path.with_extension("muster-new");
    link(&new)?;
    // A hard link to the same file would be left by the rename: it does nothing then.
    let renamed = std::fs::rename(&new, path);
    if renamed.is_err() || std::fs::symlink_metadata(&new).is_ok() {
        std::fs::remove_file(&new)?;
    }
    renamed
}

fn touch(path: &Path) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn set_times(path: &Path, accessed: Option<Time>, modified: Option<Time>) -> io::Result<()> {
    let time = |time: Option<Time>| match time {
        Some(time) => Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds },
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    };
    let times = Timestamps { last_access: time(accessed), last_modification: time(modified) };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// A new file gets the label that the host's SELinux policy has for its path, where there is a policy.
fn label(path: &Path) {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        // Without the tool the file keeps the label of its folder, which is what every other program gets.
        let _ = Command::new("restorecon", &[]).argument(path).run();
    }
}
