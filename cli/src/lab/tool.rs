//! Runs the programs that the lab is built with (`ip`, `nft`, `mount`, …): their command lines are the stable
//! interface, and a failure keeps the whole command and what it said.
//!
//! Each runs in a process group of its own, so that a Ctrl-C reaches only muster, which then decides.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::error::{LabError, Result, Said};
use super::interrupt;

/// One call of a program.
pub(crate) struct Tool {
    program: String,
    arguments: Vec<OsString>,
    input: Option<String>,
}

impl Tool {
    pub(crate) fn new(program: &str) -> Self {
        Self { program: program.to_owned(), arguments: Vec::new(), input: None }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// What the program reads from its standard input.
    pub(crate) fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Runs the program inside a process group, which is made when it is not there.
    pub(crate) fn inside(self, group: &Cgroup) -> Result<Self> {
        const JOIN: &str = r#"while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@""#;
        group.make()?;
        let wrapped =
            Self::new("sh").args(["-c", JOIN, "sh"]).args(group.doors()).args(["--", &self.program]);
        Ok(wrapped.args(self.arguments))
    }

    /// Runs the program to its end; gives back what it wrote to standard output.
    pub(crate) fn run(self) -> Result<String> {
        let shown = self.shown();
        let (status, stdout, stderr) = self.finish()?;
        if status.success() {
            return Ok(stdout);
        }
        let said = Said(if stderr.trim().is_empty() { stdout } else { stderr }.trim().to_owned());
        Err(LabError::Tool { command: shown, status, said })
    }

    fn finish(self) -> Result<(ExitStatus, String, String)> {
        let mut command = self.command();
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |source| LabError::Start { program: self.program.clone(), source };
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(text), Some(mut stdin)) = (&self.input, child.stdin.take()) {
            // A program that ends before it has read everything says why on stderr.
            let _ = stdin.write_all(text.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status, text(&output.stdout), text(&output.stderr)))
    }

    /// Runs a program that takes long, with its output going to `log`. When muster is interrupted, the program
    /// is asked to end, and then made to.
    pub(crate) fn run_interruptibly(self, log: &File) -> Result<ExitStatus> {
        let failed = |source| LabError::Start { program: self.program.clone(), source };
        let clone = || log.try_clone().map_err(failed);
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(clone()?).stderr(clone()?);
        let mut child = command.spawn().map_err(failed)?;
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok(status);
            }
            if interrupt::is_raised() {
                end(&mut child);
                return Err(LabError::Interrupted);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("LC_ALL", "C.UTF-8").process_group(0);
        command
    }

    fn shown(&self) -> String {
        let mut shown = self.program.clone();
        for argument in &self.arguments {
            shown.push(' ');
            shown.push_str(&argument.to_string_lossy());
        }
        shown
    }
}

/// Ends a process group: politely, so that it can clean up, then by force.
fn end(child: &mut Child) {
    let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) else { return };
    let patience = Instant::now() + Duration::from_secs(10);
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
    while Instant::now() < patience {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _ = child.wait();
}
