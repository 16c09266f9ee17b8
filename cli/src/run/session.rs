//! A worker on a host: steps go in, outcomes come out, contents are sent where they are asked for.

use super::ahead::{Ahead, Known, Stamp};
use super::content::Contents;
use super::launch::Launched;
use super::process::{Piece, Process};
use super::unreachable::Unreachable;
use muster_api::foreseen::Foreseen;
use muster_api::frame::{self, FromWorker, ToWorker};
use muster_api::outcome::Outcome;
use muster_api::step::{Due, Step};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How long a worker that has nothing to do may take to end.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(5);

/// A worker that takes steps.
pub(crate) struct Session {
    process: Process,
    buffer: Vec<u8>,
    stderr: String,
    ahead: Ahead,
    /// The handlers that earlier runs left due, until they were taken.
    left_due: Vec<Due>,
    /// A rolling change that broke off has left the node down.
    is_away: bool,
    /// As whom the worker runs, once it has said so.
    uid: Option<u32>,
    /// What the last step would have left of the files of this machine, until it was taken.
    foreseen: Vec<Foreseen>,
    /// Something was said that the worker has to hear before it ends.
    is_unheard: bool,
}

/// What a worker is told at first.
pub(crate) struct Greeting {
    /// Who runs what from where.
    pub(crate) run: String,
    pub(crate) check: bool,
    /// It predicts one step of a run that changes the host otherwise.
    pub(crate) is_alone: bool,
    /// Other runs may work there at the same time.
    pub(crate) shares: bool,
    /// The run's number, where it is recorded.
    pub(crate) number: Option<String>,
    /// The account of the plan for which it stands in.
    pub(crate) stands_in_for: Option<String>,
}

/// Why a step has no outcome.
#[derive(Debug)]
pub(crate) enum SessionFailure {
    /// The connection is gone.
    Unreachable(Unreachable),
    /// The worker is gone or will not work: a sentence.
    Worker(String),
}

impl Session {
    /// Says hello. What the worker says to that is heard with the answer to the first step.
    pub(crate) async fn open(launched: Launched, greeting: Greeting) -> Result<Self, SessionFailure> {
        let mut session = Self {
            process: launched.process,
            buffer: launched.surplus,
            stderr: String::new(),
            ahead: Ahead::new(),
            left_due: Vec::new(),
            is_away: false,
            uid: None,
            foreseen: Vec::new(),
            is_unheard: false,
        };
        let Greeting { run, check, is_alone, shares, number, stands_in_for } = greeting;
        let protocol = frame::PROTOCOL;
        let hello = ToWorker::Hello { protocol, run, check, is_alone, shares, number, stands_in_for };
        session.send(&hello).await?;
        Ok(session)
    }

    /// What the worker has said ahead of this step, if that still holds.
    ///
    /// # Errors
    ///
    /// The connection is gone, or the worker is.
    pub(crate) async fn known(
        &mut self,
        step: &Step,
        stamp: Stamp,
    ) -> Result<Option<Outcome>, SessionFailure> {
        loop {
            match self.ahead.take(step, stamp) {
                Known::Outcome(outcome) => return Ok(Some(*outcome)),
                Known::Nothing => return Ok(None),
                Known::Awaited => {
                    self.hear().await?;
                }
            }
        }
    }

    /// How many steps the worker is worth asking about ahead.
    pub(crate) fn pace(&self) -> usize {
        self.ahead.pace()
    }

    /// Sends a step; [`outcome`](Self::outcome) says what it came to.
    pub(crate) async fn start(&mut self, step: &Step) -> Result<(), SessionFailure> {
        self.ahead.send();
        self.send(&ToWorker::Run { step: step.clone() }).await
    }

    /// Asks about steps that may come after the one that runs; `stamp` is the state of things before that.
    pub(crate) async fn look_ahead(&mut self, steps: Vec<Step>, stamp: Stamp) -> Result<(), SessionFailure> {
        let steps = self.ahead.ask(steps, stamp);
        if steps.is_empty() {
            return Ok(());
        }
        self.send(&ToWorker::LookAhead { steps }).await
    }

    /// The step that ran has changed the host, and what was asked with it was looked at after that.
    pub(crate) fn stands_after_a_change(&mut self) {
        self.ahead.stands_after_a_change();
    }

    /// The handlers that earlier runs left due on the host; known after the first step, and given once.
    pub(crate) fn take_left_due(&mut self) -> Vec<Due> {
        std::mem::take(&mut self.left_due)
    }

    /// Whether a rolling change that broke off has left the node down; known after the first step, and given once.
    pub(crate) fn take_away(&mut self) -> bool {
        std::mem::take(&mut self.is_away)
    }

    /// What the last step would have left of the files, where the worker is in a dry run on this machine; given once.
    pub(crate) fn take_foreseen(&mut self) -> Vec<Foreseen> {
        std::mem::take(&mut self.foreseen)
    }

    /// As whom the worker runs.
    ///
    /// # Errors
    ///
    /// As of [`outcome`](Self::outcome).
    pub(crate) async fn uid(&mut self) -> Result<u32, SessionFailure> {
        loop {
            match self.uid {
                Some(uid) => return Ok(uid),
                None => self.hear().await?,
            };
        }
    }

    /// What the steps of this dry run would have done, for a worker that runs as this user.
    ///
    /// # Errors
    ///
    /// As of [`outcome`](Self::outcome).
    pub(crate) async fn foretold(&mut self, uid: u32) -> Result<Option<String>, SessionFailure> {
        self.send(&ToWorker::TellForetold { uid }).await?;
        loop {
            if let Some(FromWorker::Foretold { foretold }) = self.hear().await? {
                return Ok(foretold);
            }
        }
    }

    /// Tells the worker what steps of another user would have done.
    pub(crate) async fn take_foretold(&mut self, foretold: Option<String>) -> Result<(), SessionFailure> {
        self.send(&ToWorker::TakeForetold { foretold }).await
    }

    /// Tells the worker which handlers of a play are due from now on.
    pub(crate) async fn now_due(&mut self, due: Due) -> Result<(), SessionFailure> {
        self.is_unheard = true;
        self.send(&ToWorker::NowDue { due }).await
    }

    /// Waits for what a step came to. `progress` hears what a person wants to see meanwhile.
    ///
    /// # Errors
    ///
    /// The connection is gone; the worker is, or it refuses to work: another run holds the host, or it speaks another
    /// protocol.
    pub(crate) async fn outcome(
        &mut self,
        step: &Step,
        contents: &Contents,
        mut progress: impl FnMut(String),
    ) -> Result<Outcome, SessionFailure> {
        loop {
            match self.hear().await? {
                Some(FromWorker::Done { outcome }) if outcome.id == step.id => {
                    self.is_unheard = false;
                    return Ok(outcome);
                }
                Some(FromWorker::Progress { text, .. }) => progress(text),
                Some(FromWorker::NeedContent { sha256 }) => self.send_content(&sha256, contents).await?,
                // Of a step that was given up.
                _ => {}
            }
        }
    }

    /// The next message; none where it was one for this session itself.
    async fn hear(&mut self) -> Result<Option<FromWorker>, SessionFailure> {
        match self.receive().await? {
            FromWorker::Ahead { id, outcome } => self.ahead.hear(id, outcome),
            FromWorker::Foreseen { files } => self.foreseen.extend(files),
            FromWorker::Hello { protocol: frame::PROTOCOL, due, is_away, uid, .. } => {
                (self.left_due, self.is_away, self.uid) = (due, is_away, Some(uid));
            }
            FromWorker::Hello { protocol, version, .. } => {
                return Err(SessionFailure::Worker(format!(
                    "the agent on the host is version {version} with protocol {protocol}, muster has {}",
                    frame::PROTOCOL
                )));
            }
            FromWorker::Refused { why } => return Err(SessionFailure::Worker(why)),
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    /// Tells the worker to finish; waits for it where something was said that it must not miss.
    pub(crate) async fn close(mut self) {
        if self.is_unheard {
            return self.end().await;
        }
        // Where it is gone already there is nobody to tell.
        let _ = self.send(&ToWorker::Goodbye).await;
        let _ = self.process.input.shutdown().await;
    }

    /// Tells the worker to finish and waits until it has, a few seconds at most.
    pub(crate) async fn end(mut self) {
        let _ = self.send(&ToWorker::Goodbye).await;
        let _ = self.process.input.shutdown().await;
        let gone = async { while !matches!(self.process.next().await, Piece::Exit(_)) {} };
        let _ = tokio::time::timeout(PATIENCE_AT_THE_END, gone).await;
    }

    async fn send_content(&mut self, sha256: &str, contents: &Contents) -> Result<(), SessionFailure> {
        match contents.read(sha256) {
            Ok(bytes) => {
                let mut head = frame_head(frame::KIND_CONTENT, 32 + bytes.len());
                head.extend(unhex(sha256));
                self.write(&head).await?;
                self.write(&bytes).await
            }
            Err(why) => self.send(&ToWorker::NoContent { sha256: sha256.to_owned(), why }).await,
        }
    }

    async fn send(&mut self, message: &ToWorker) -> Result<(), SessionFailure> {
        let body = serde_json::to_vec(message)
            .map_err(|cause| SessionFailure::Worker(format!("a message cannot be written: {cause}")))?;
        let mut bytes = frame_head(frame::KIND_JSON, body.len());
        bytes.extend(body);
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SessionFailure> {
        let written = async {
            self.process.input.write_all(bytes).await?;
            self.process.input.flush().await
        };
        match written.await {
            Ok(()) => Ok(()),
            // What it says on its way out is worth more than "broken pipe".
            Err(_) => loop {
                if let Piece::Exit(code) = self.take_piece().await {
                    break Err(self.ended(code));
                }
            },
        }
    }

    async fn receive(&mut self) -> Result<FromWorker, SessionFailure> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            if let Piece::Exit(code) = self.take_piece().await {
                return Err(self.ended(code));
            }
        }
    }

    async fn take_piece(&mut self) -> Piece {
        let piece = self.process.next().await;
        match &piece {
            Piece::Out(bytes) => self.buffer.extend(bytes),
            Piece::Err(bytes) => self.stderr += &String::from_utf8_lossy(bytes),
            Piece::Exit(_) => {}
        }
        piece
    }

    fn take_message(&mut self) -> Result<Option<FromWorker>, SessionFailure> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head);
        if length == 0 || length > frame::FRAME_SIZE_MAX {
            return Err(SessionFailure::Worker(format!("the worker sent a frame of {length} bytes")));
        }
        let Some(body) = rest.get(..length as usize) else { return Ok(None) };
        let message = match body {
            [frame::KIND_JSON, json @ ..] => serde_json::from_slice(json).map_err(|cause| {
                SessionFailure::Worker(format!("the worker sent what is no message: {cause}"))
            }),
            [kind, ..] => Err(SessionFailure::Worker(format!("the worker sent a frame of kind {kind}"))),
            [] => Err(SessionFailure::Worker("the worker sent an empty frame".into())),
        };
        self.buffer.drain(..4 + length as usize);
        message.map(Some)
    }

    fn ended(&self, code: Option<u32>) -> SessionFailure {
        let said = last_lines(&self.stderr, 5);
        match code {
            None if said.is_empty() => SessionFailure::Unreachable(Unreachable::lost("the worker is gone")),
            None => SessionFailure::Worker(format!("the agent's worker ended: {said}")),
            Some(code) => SessionFailure::Worker(format!("the agent's worker ended with {code}: {said}")),
        }
    }
}

fn frame_head(kind: u8, length: usize) -> Vec<u8> {
    // Contents above the limit are refused by the receiver, which knows the sentence for it.
    let length = u32::try_from(length + 1).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(kind);
    bytes
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
