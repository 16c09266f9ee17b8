//! Runs a command on a terminal of its own and answers what it asks: programs that want a password read it from there.
//! The terminal is made by script(1), which is on every Linux.

use super::{Command, GRACE, Group, QUIET, Ran, controller_is_gone, drain, never_block, search_path, signal};
use crate::modules::Failure;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// What is typed in answer to what was printed since the last answer; none where nothing is to be answered yet.
pub(crate) type Answer<'a> = dyn FnMut(&str) -> Result<Option<String>, Failure> + 'a;

/// Runs it to its end, or until nothing that was expected came for `patience`.
///
/// # Errors
///
/// The program cannot be started, or the answer to something is a failure: the command is ended then.
pub(crate) fn converse(
    command: &Command,
    echoes: bool,
    patience: Option<Duration>,
    answer: &mut Answer<'_>,
) -> Result<Ran, Failure> {
    let unstarted = |error| Failure::new(format!("cannot run `{}` on a terminal: {error}", command.line()));
    let began = SystemTime::now();
    let mut child = on_terminal(command, echoes).spawn().map_err(unstarted)?;
    let group = Group::of(&child, false);
    let talked = talk(&mut child, patience, command.deadline, answer);
    if !matches!(talked, Ok((_, false))) {
        end(&mut child, &group);
    }
    let status = child.wait().map_err(unstarted)?;
    let (stdout, timed_out) = talked?;
    let rc = status.code().unwrap_or_else(|| -status.signal().unwrap_or(1));
    Ok(Ran { rc, stdout, stderr: Vec::new(), began, ended: SystemTime::now(), timed_out })
}

fn on_terminal(command: &Command, echoes: bool) -> std::process::Command {
    let words = std::iter::once(&command.program).chain(&command.arguments);
    let quoted = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
    let line = format!("exec {}", quoted.collect::<Vec<_>>().join(" "));
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--echo", if echoes { "always" } else { "never" }]);
    script.args(["--command", &line, "/dev/null"]);
    script.envs(&command.environment).env("SHELL", "/bin/sh").process_group(0);
    script.env("PATH", search_path(command.environment.get("PATH")));
    if let Some(folder) = &command.folder {
        script.current_dir(folder);
    }
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    script
}

/// All that was printed, and whether it took too long.
fn talk(
    child: &mut Child,
    patience: Option<Duration>,
    deadline: Option<Instant>,
    answer: &mut Answer<'_>,
) -> Result<(Vec<u8>, bool), Failure> {
    let broken = |error: std::io::Error| Failure::new(format!("the terminal broke: {error}"));
    let (mut keyboard, mut screen) = (child.stdin.take(), child.stdout.take());
    screen.as_ref().map_or(Ok(()), never_block).map_err(broken)?;
    let (mut printed, mut answered, mut waiting_since) = (Vec::new(), 0, Instant::now());
    loop {
        let known = printed.len();
        let Some(pipe) = &screen else { return Ok((printed, false)) };
        let moment = Timespec { tv_sec: 0, tv_nsec: QUIET.subsec_nanos().into() };
        let polled = poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)], Some(&moment));
        if let Err(error) = polled.map_err(std::io::Error::from)
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(broken(error));
        }
        drain(&mut screen, &mut printed).map_err(broken)?;
        if printed.len() > known
            && let Some(line) = answer(&String::from_utf8_lossy(&printed[answered..]))?
        {
            (answered, waiting_since) = (printed.len(), Instant::now());
            // A command that has ended in the meantime reads nothing.
            let _ = keyboard.as_mut().map_or(Ok(()), |keyboard| keyboard.write_all(line.as_bytes()));
        }
        let is_late = patience.is_some_and(|patience| waiting_since.elapsed() >= patience)
            || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if is_late || controller_is_gone() {
            return Ok((printed, true));
        }
    }
}

/// Politely, then not.
fn end(child: &mut Child, group: &Group) {
    signal(group.id, Signal::TERM);
    let began = Instant::now();
    while began.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(QUIET / 10);
    }
    signal(group.id, Signal::KILL);
}
