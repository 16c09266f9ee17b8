//! Runs commands: each in a process group of its own, with a deadline, ended when the controller goes away.

mod conversation;

pub(crate) use conversation::converse;

use super::stand_in;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A command that is still to be run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Command {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) stdin: Vec<u8>,
    /// Not ended when the controller goes away: a package manager that is killed leaves a broken host.
    pub(crate) must_finish: bool,
    pub(crate) deadline: Option<Instant>,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) rc: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) began: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) timed_out: bool,
}

impl Ran {
    pub(crate) fn is_fine(&self) -> bool {
        self.rc == 0 && !self.timed_out
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What the command said last, for an error message.
    pub(crate) fn complaint(&self) -> String {
        let (out, err) = (self.out(), self.err());
        let text = if err.trim().is_empty() { out } else { err };
        text.trim().to_owned()
    }
}

impl Command {
    /// A command of ours: output in the C locale, no questions.
    pub(crate) fn new(program: &str, arguments: &[&str]) -> Self {
        let environment = [("LC_ALL", "C"), ("LANG", "C"), ("LANGUAGE", "C")];
        Self {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Self::default()
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With another umask, in octal.
    pub(crate) fn under_umask(self, umask: &str) -> Self {
        let Self { program, arguments, .. } = self;
        let shell = [r#"umask "$0" && exec "$@""#, umask].map(OsString::from);
        let words = std::iter::once("-c".into()).chain(shell).chain([program]).chain(arguments);
        Self { program: "/bin/sh".into(), arguments: words.collect(), ..self }
    }

    pub(crate) fn finishing(mut self) -> Self {
        self.must_finish = true;
        self
    }

    pub(crate) fn fed(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Program and arguments as one line, for messages.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end, or to its deadline.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub(crate) fn run(&self) -> io::Result<Ran> {
        if controller_is_gone() && !self.must_finish {
            return Err(io::Error::other("the controller is gone"));
        }
        if !stand_in::may_ask(&self.program) {
            return Err(io::Error::other("there is no account yet to ask for"));
        }
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).envs(stand_in::environment()).envs(&self.environment).process_group(0);
        command.env("PATH", search_path(self.environment.get("PATH")));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = SystemTime::now();
        let mut child = command.spawn()?;
        let group = Group::of(&child, self.must_finish);
        let mut talk = Talk::with(&mut child, &self.stdin)?;
        let (status, timed_out) = talk.until_end(&mut child, &group, self.deadline)?;
        let rc = status.code().unwrap_or_else(|| -status.signal().unwrap_or(1));
        Ok(Ran { rc, stdout: talk.stdout, stderr: talk.stderr, began, ended: SystemTime::now(), timed_out })
    }
}

impl Command {
    /// Whether the host has the program somewhere on the search path.
    pub(super) fn is_found(&self) -> bool {
        let path = search_path(self.environment.get("PATH"));
        path.split(':').any(|folder| std::path::Path::new(folder).join(&self.program).exists())
    }
}

/// The search path with the folders of administrators' programs, which a login over SSH may lack.
fn search_path(given: Option<&String>) -> String {
    let mut path = given.cloned().or_else(|| std::env::var("PATH").ok()).unwrap_or_default();
    for folder in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        if !path.split(':').any(|known| known == folder) {
            if !path.is_empty() {
                path.push(':');
            }
            path.push_str(folder);
        }
    }
    path
}

/// The group of the command that runs now and may be ended; 0 for none.
static RUNNING: AtomicI32 = AtomicI32::new(0);
static CONTROLLER_IS_GONE: AtomicBool = AtomicBool::new(false);

/// Ends the running command and lets no other start, except those that must finish.
pub(super) fn controller_went_away() {
    CONTROLLER_IS_GONE.store(true, Ordering::SeqCst);
    signal(RUNNING.load(Ordering::SeqCst), Signal::TERM);
}

/// Whether nobody waits for an answer any more.
pub(crate) fn controller_is_gone() -> bool {
    CONTROLLER_IS_GONE.load(Ordering::SeqCst)
}

fn signal(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group).filter(|group| group.as_raw_pid() > 1) {
        // It may have ended in the meantime: nothing to do then.
        let _ = kill_process_group(group, signal);
    }
}

/// A process group, registered while it runs.
struct Group {
    id: i32,
    must_finish: bool,
}

impl Group {
    fn of(child: &Child, must_finish: bool) -> Self {
        let id = i32::try_from(child.id()).unwrap_or(0);
        if !must_finish {
            RUNNING.store(id, Ordering::SeqCst);
            if controller_is_gone() {
                signal(id, Signal::TERM);
            }
        }
        Self { id, must_finish }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.must_finish {
            let _ = RUNNING.compare_exchange(self.id, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

/// The pipes to and from a running command.
struct Talk<'a> {
    stdin: Option<ChildStdin>,
    unsent: &'a [u8],
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// How long a background child may keep the pipes open after the command itself has ended.
const QUIET: Duration = Duration::from_millis(100);
/// How long a background child that writes on and on is listened to after the command itself has ended.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between a polite and a hard end.
const GRACE: Duration = Duration::from_secs(3);

impl<'a> Talk<'a> {
    fn with(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        stdin.as_ref().map_or(Ok(()), never_block)?;
        out.as_ref().map_or(Ok(()), never_block)?;
        err.as_ref().map_or(Ok(()), never_block)?;
        Ok(Self { stdin, unsent: input, out, err, stdout: Vec::new(), stderr: Vec::new() })
    }

    /// Moves bytes until the command has ended and its pipes are quiet.
    fn until_end(
        &mut self,
        child: &mut Child,
        group: &Group,
        deadline: Option<Instant>,
    ) -> io::Result<(ExitStatus, bool)> {
        let (mut ended, mut kill_at, mut timed_out) = (None::<(ExitStatus, Instant)>, None, false);
        loop {
            let moved = self.move_bytes()?;
            if ended.is_none() {
                ended = child.try_wait()?.map(|status| (status, Instant::now()));
            }
            if let Some((status, since)) = ended
                && (!moved || self.is_closed() || since.elapsed() > PATIENCE)
            {
                return Ok((status, timed_out));
            }
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let is_unwanted = controller_is_gone() && !group.must_finish;
            if kill_at.is_none() && (is_late || is_unwanted) {
                timed_out = is_late;
                signal(group.id, Signal::TERM);
                kill_at = Some(Instant::now() + GRACE);
            }
            if kill_at.is_some_and(|at| Instant::now() >= at) {
                signal(group.id, Signal::KILL);
            }
            if self.is_closed() && ended.is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.out.is_none() && self.err.is_none()
    }

    /// Waits a moment for a pipe and serves it; false where none had anything.
    fn move_bytes(&mut self) -> io::Result<bool> {
        {
            let mut waiting: Vec<PollFd<'_>> = Vec::new();
            waiting
                .extend(self.out.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
            waiting
                .extend(self.err.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
            waiting.extend(
                self.stdin.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT)),
            );
            if waiting.is_empty() {
                return Ok(false);
            }
            let moment = Timespec { tv_sec: 0, tv_nsec: QUIET.subsec_nanos().into() };
            match poll(&mut waiting, Some(&moment)) {
                Ok(0) => return Ok(false),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        drain(&mut self.out, &mut self.stdout)?;
        drain(&mut self.err, &mut self.stderr)?;
        self.feed()?;
        Ok(true)
    }

    fn feed(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.stdin else { return Ok(()) };
        match pipe.write(self.unsent) {
            Ok(sent) => self.unsent = &self.unsent[sent..],
            Err(error) if is_not_now(&error) => return Ok(()),
            // The command does not want to read it.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.unsent = &[],
            Err(error) => return Err(error),
        }
        if self.unsent.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }
}

fn drain<P: Read>(pipe: &mut Option<P>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(from) = pipe else { return Ok(()) };
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(());
            }
            Ok(read) => into.extend_from_slice(&buffer[..read]),
            Err(error) if is_not_now(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn never_block(pipe: &impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    Ok(rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Command {
        Command::new("/bin/sh", &["-c", line])
    }

    #[test]
    fn output_error_and_code_come_back() {
        let ran = shell("echo out; echo err >&2; exit 3").run().expect("sh starts");
        assert_eq!((ran.out().as_str(), ran.err().as_str(), ran.rc), ("out\n", "err\n", 3));
    }

    #[test]
    fn more_input_than_a_pipe_holds_goes_through() {
        let input = vec![b'x'; 1 << 20];
        let ran = shell("cat").fed(input.clone()).run().expect("sh starts");
        assert!(ran.stdout == input);
    }

    #[test]
    fn background_child_does_not_hold_the_command_up() {
        let began = Instant::now();
        let ran = shell("sleep 5 & echo done").run().expect("sh starts");
        assert_eq!(ran.out(), "done\n");
        assert!(began.elapsed() < Duration::from_secs(4), "the child's sleep was waited for");
    }

    #[test]
    fn command_is_ended_at_its_deadline_with_its_children() {
        let mut command = shell("sleep 60 | sleep 60");
        command.deadline = Some(Instant::now() + Duration::from_millis(50));
        let ran = command.run().expect("sh starts");
        assert!(ran.timed_out);
        assert_ne!(ran.rc, 0);
    }

    #[test]
    fn program_that_does_not_exist_is_an_error() {
        Command::new("/no/such/program", &[]).run().expect_err("not there");
    }
}
