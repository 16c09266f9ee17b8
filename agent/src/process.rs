//! Runs one program to its end: in a process group of its own, with a deadline after which the whole group is ended,
//! and with the end of what it said kept.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How much is kept of each stream: enough for meta-data, a bound on a program that never stops talking.
const KEPT_BYTES: usize = 256 * 1024;
/// How long a program may take to heed SIGTERM once its time is over.
const MERCY: Duration = Duration::from_millis(500);
/// How long to read on after the end: a daemon that the program left behind may hold the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// What a program that ended left.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// The end of what it wrote to stdout.
    pub(crate) stdout: String,
    /// The end of what it wrote to stderr.
    pub(crate) stderr: String,
}

/// Why there is nothing of a program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It could not be started.
    #[error("cannot run {program}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Its time was over; the group is ended.
    #[error("no end after {after:?}; it was killed{said}")]
    TimedOut {
        /// How long it had.
        after: Duration,
        /// The last line that it wrote, as part of a sentence.
        said: String,
    },
}

/// Runs `command` with `input` on stdin. Where the future is dropped, the whole group is killed.
pub(crate) async fn run(
    mut command: Command,
    input: &[u8],
    limit: Duration,
) -> Result<Finished, ProcessError> {
    let not_started = |source, command: &Command| ProcessError::NotStarted {
        program: command.as_std().get_program().to_string_lossy().into_owned(),
        source,
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| not_started(error, &command))?;
    let group = Group::of(&child);
    let (mut stdout, mut stderr) = (Tail::default(), Tail::default());
    let ended = timeout(limit, talk(&mut child, input, &mut stdout, &mut stderr)).await;
    match ended {
        Ok(status) => {
            group.release();
            let status = status.map_err(|error| not_started(error, &command))?;
            Ok(Finished { status, stdout: stdout.text(), stderr: stderr.text() })
        }
        Err(_) => {
            group.end(&mut child).await;
            Err(ProcessError::TimedOut { after: limit, said: said(&stderr.text()) })
        }
    }
}

/// The last line that says something.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("")
}

fn said(stderr: &str) -> String {
    match last_line(stderr) {
        "" => String::new(),
        line => format!("; it last said: {line}"),
    }
}

async fn talk(
    child: &mut Child,
    input: &[u8],
    stdout: &mut Tail,
    stderr: &mut Tail,
) -> io::Result<ExitStatus> {
    let mut pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let listen = async {
        let write = async {
            if let Some(mut stdin) = pipes.0.take() {
                // A program that does not read its input is no failure; its exit code says whether it missed it.
                let _ = stdin.write_all(input).await;
            }
        };
        tokio::join!(write, stdout.read(&mut pipes.1), stderr.read(&mut pipes.2));
    };
    tokio::pin!(listen);
    let status = tokio::select! {
        status = child.wait() => status,
        () = &mut listen => return child.wait().await,
    };
    let _ = timeout(LAST_WORDS, listen).await;
    status
}

/// The end of a stream.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn read(&mut self, pipe: &mut Option<impl AsyncRead + Unpin>) {
        let Some(pipe) = pipe else { return };
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
            self.0.extend_from_slice(&chunk[..length]);
            if self.0.len() > 2 * KEPT_BYTES {
                self.0.drain(..self.0.len() - KEPT_BYTES);
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// The process group of a child; killed on drop unless it was released.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn release(mut self) {
        self.0 = None;
    }

    async fn end(self, child: &mut Child) {
        self.signal(Signal::TERM);
        let _ = timeout(MERCY, child.wait()).await;
        drop(self);
        let _ = child.wait().await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may have ended by itself in this moment.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
