//! Processes by number: whether one runs, when it ends, and the rest of its group.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::path::Path;
use tokio::net::unix::pipe;

/// A process that cannot be mistaken for a later one of the same number.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    /// A pidfd. It is no pipe, but like one it becomes readable, and this is the type that waits for that without `unsafe`.
    handle: pipe::Receiver,
}

impl Process {
    /// The process that a pid file names, where it runs and its program has that name.
    pub(crate) fn of_pid_file(file: &Path, program: &str) -> Option<Self> {
        let process = Self::open(read_pid_file(file)?).ok()?;
        // The number is held by now, so the name is that of the process that will be waited for.
        (command_name(process.pid)? == kernel_name(program)).then_some(process)
    }

    /// The process that a pid file names, where it runs.
    pub(crate) fn in_pid_file(file: &Path) -> Option<Self> {
        Self::open(read_pid_file(file)?).ok()
    }

    fn open(pid: Pid) -> io::Result<Self> {
        let handle = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self { pid, handle: pipe::Receiver::from_owned_fd_unchecked(handle)? })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal; one that has ended needs none.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&self) {
        if self.handle.readable().await.is_err() {
            // The runtime is going away, and with it who asked.
            std::future::pending::<()>().await;
        }
    }
}

/// The number in a pid file, where there is one.
pub(crate) fn read_pid_file(file: &Path) -> Option<Pid> {
    Pid::from_raw(std::fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

/// The processes of a group whose program has that name.
pub(crate) fn group_members(group: Pid, program: &str) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            parse_stat(&stat) == Some((kernel_name(program), group.as_raw_pid()))
        })
        .collect()
}

/// The name and the process group in `/proc/PID/stat`; `None` for one that has ended and waits for its parent.
fn parse_stat(stat: &str) -> Option<(&str, i32)> {
    // The name is in brackets and may itself have brackets.
    let (name, rest) = (stat.find('(')?, stat.rfind(')')?);
    let mut fields = stat[rest + 1..].split_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (state != "Z").then_some((&stat[name + 1..rest], group))
}

fn command_name(pid: Pid) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// A program's name as the kernel keeps it: the first 15 bytes.
fn kernel_name(program: &str) -> &str {
    program.get(..15).unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_hide_the_group() {
        assert_eq!(parse_stat("12 (a (b) c) S 1 77 77 0 -1"), Some(("a (b) c", 77)));
    }

    #[test]
    fn a_process_that_has_ended_is_none() {
        assert_eq!(parse_stat("12 (apache2) Z 1 77 77 0 -1"), None);
    }
}
