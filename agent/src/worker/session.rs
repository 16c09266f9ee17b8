//! One controller's session: hello, the lock, then steps one after the other.

use super::away::Away;
use super::before::Keeper;
use super::confinement;
use super::due::Note;
use super::lock;
use super::overlay::Overlay;
use super::process::controller_went_away;
use super::stand_in::StandIn;
use super::step;
use super::view::Controller;
use super::wire::{self, ContentAnswer, Inbox};
use muster_api::frame::{FromWorker, PROTOCOL, ToWorker};
use muster_api::step::{ContentRef, Step};
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};

/// Serves until goodbye or the end of stdin.
pub(super) fn serve() -> io::Result<()> {
    step::umask();
    step::report_faults();
    let Inbox { messages, contents } = wire::listen(controller_went_away);
    let Ok(ToWorker::Hello { protocol, run, check, is_alone, shares, number, stands_in_for }) =
        messages.recv()
    else {
        return refuse("the first message must be a hello");
    };
    if protocol != PROTOCOL {
        return refuse(&format!(
            "the controller speaks protocol {protocol}, this agent ({}) speaks {PROTOCOL}: push the agent anew",
            env!("CARGO_PKG_VERSION")
        ));
    }
    // A check session writes nothing, so it needs no lock and makes none.
    let lock = if check || shares { None } else { Some(lock::take(&lock::path(), &run)) };
    let _lock = match lock.transpose() {
        Ok(lock) => lock,
        Err(error) => return refuse(&error.to_string()),
    };
    if check {
        confinement::confine();
    }
    let note = Note::of_this_user();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let is_away = Away::noted().is_some();
    let uid = rustix::process::geteuid().as_raw();
    wire::say(&FromWorker::Hello { protocol: PROTOCOL, version, due: note.all(), is_away, uid })?;
    let keeper = Keeper::of(number.as_deref());
    let overlay = match (is_alone, check && shares) {
        (true, _) => Overlay::of_one_step(),
        (false, true) => Overlay::that_is_told(),
        (false, false) => Overlay::default(),
    };
    let stand_in = stands_in_for.filter(|_| check).map(StandIn::of);
    take_steps(&messages, &Line { contents }, &Memory { note, keeper }, check, stand_in.as_ref(), overlay)
}

/// What outlives a run on the host.
struct Memory {
    note: Note,
    keeper: Keeper,
}

fn take_steps(
    messages: &Receiver<ToWorker>,
    line: &Line,
    memory: &Memory,
    check: bool,
    stand_in: Option<&StandIn>,
    mut overlay: Overlay,
) -> io::Result<()> {
    let Memory { note, keeper } = memory;
    let mut ahead = VecDeque::new();
    loop {
        let message = match next(messages, &mut ahead) {
            Next::Message(message) => *message,
            Next::LookAhead(step) => {
                let is_answered = stand_in.is_none_or(|stand_in| stand_in.answers(&step));
                look_ahead(&step, &overlay, check, is_answered)?;
                continue;
            }
            Next::End => return Ok(()),
        };
        match message {
            ToWorker::LookAhead { steps } => ahead = steps.into(),
            ToWorker::NowDue { due } if !check => {
                // A handler that is noted once too often runs once too often: no reason to stop.
                let _ = note.set(due);
            }
            ToWorker::NowDue { .. } => {}
            ToWorker::TellForetold { uid } => {
                wire::say(&FromWorker::Foretold { foretold: overlay.hand_over(uid).ok() })?;
            }
            ToWorker::TakeForetold { foretold } => {
                ahead.clear();
                let taken = foretold.is_some_and(|foretold| overlay.take_over(&foretold).is_ok());
                if !taken {
                    overlay.doubt("what tasks of another user would do is not known here".to_owned());
                }
                stand_in.into_iter().for_each(|stand_in| stand_in.take_on(&overlay));
            }
            ToWorker::Run { mut step } => {
                ahead.clear();
                step.check |= check;
                if let Some(perhaps) = stand_in.and_then(|stand_in| stand_in.perhaps(&step)) {
                    step.perhaps.get_or_insert(perhaps);
                }
                // A single task with `check_mode` in a run that applies leaves nothing behind, not even predictions:
                // the next task finds the host as it is.
                let outcome = match check {
                    true => step::run(&step, &mut overlay, line, note, keeper),
                    false => step::run(&step, &mut Overlay::of_one_step(), line, note, keeper),
                };
                let files = overlay.take_news();
                if !files.is_empty() {
                    wire::say(&FromWorker::Foreseen { files })?;
                }
                answer(outcome)?;
            }
            ToWorker::Goodbye => return Ok(()),
            ToWorker::Hello { .. } => return refuse("a second hello in one session"),
            // Contents have a queue of their own; this one came too late.
            ToWorker::NoContent { .. } => {}
        }
    }
}

/// What a worker turns to.
enum Next {
    Message(Box<ToWorker>),
    /// It has time to look at a step that may come later.
    LookAhead(Box<Step>),
    /// The controller is gone.
    End,
}

/// What has to be done goes before what may have to be. What waits to be looked at waits on: the controller may wait for the answer.
fn next(messages: &Receiver<ToWorker>, ahead: &mut VecDeque<Step>) -> Next {
    let message = match ahead.is_empty() {
        true => messages.recv().map_err(|_| TryRecvError::Disconnected),
        false => messages.try_recv(),
    };
    match (message, ahead) {
        (Ok(message), _) => Next::Message(Box::new(message)),
        (Err(TryRecvError::Empty), ahead) => {
            ahead.pop_front().map_or(Next::End, |step| Next::LookAhead(Box::new(step)))
        }
        (Err(TryRecvError::Disconnected), _) => Next::End,
    }
}

/// Says what a step that may come later would come to, as far as nothing has to be done for it.
fn look_ahead(step: &Step, overlay: &Overlay, check: bool, is_answered: bool) -> io::Result<()> {
    let id = step.id;
    // One that only predicts in a run that applies is left to its turn.
    let outcome = (step.check == check && is_answered).then(|| step::answer_ahead(step, overlay)).flatten();
    wire::say(&FromWorker::Ahead { id, outcome })
}

/// Sends an outcome; one that is too large for a frame becomes a failure that says so.
fn answer(outcome: muster_api::outcome::Outcome) -> io::Result<()> {
    let id = outcome.id;
    match wire::say(&FromWorker::Done { outcome }) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let mut outcome = step::failed(id, &error.to_string());
            outcome.warnings.push("the step itself was done; only its result cannot be sent".to_owned());
            wire::say(&FromWorker::Done { outcome })
        }
        said => said,
    }
}

fn refuse(why: &str) -> io::Result<()> {
    wire::say(&FromWorker::Refused { why: why.to_owned() })
}

/// The way back to the controller during a step.
struct Line {
    contents: Receiver<ContentAnswer>,
}

impl Controller for Line {
    fn content(&self, wanted: &ContentRef) -> Result<Vec<u8>, String> {
        wire::say(&FromWorker::NeedContent { sha256: wanted.sha256.clone() })
            .map_err(|error| error.to_string())?;
        match self.contents.recv() {
            Ok(ContentAnswer::Content { sha256, bytes }) if crate::modules::hex(&sha256) == wanted.sha256 => {
                match crate::modules::sha256(&bytes) == wanted.sha256 {
                    true => Ok(bytes),
                    false => Err(format!("the content with hash {} arrived damaged", wanted.sha256)),
                }
            }
            Ok(ContentAnswer::Content { .. }) => {
                Err("the controller sent another content than was asked for".into())
            }
            Ok(ContentAnswer::None { why }) => Err(why),
            Err(_) => Err("the controller went away".to_owned()),
        }
    }

    fn progress(&self, id: u64, text: &str) {
        // A line that nobody reads any more is no reason to stop.
        let _ = wire::say(&FromWorker::Progress { id, text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::step::Due;

    fn step(id: u64) -> Step {
        let json = serde_json::json!({
            "id": id, "module": "ping", "args": {}, "check": false, "diff": false, "no_log": false,
        });
        serde_json::from_value(json).expect("a step")
    }

    #[test]
    fn a_message_that_comes_while_steps_wait_to_be_looked_at_leaves_them_waiting() {
        let (sender, messages) = std::sync::mpsc::channel();
        let mut ahead = VecDeque::from([step(7), step(8)]);
        let due = Due { play: "site.yml: web".into(), handlers: [].into() };
        sender.send(ToWorker::NowDue { due }).expect("somebody listens");
        assert!(matches!(next(&messages, &mut ahead), Next::Message(_)));
        for id in [7, 8] {
            assert!(matches!(next(&messages, &mut ahead), Next::LookAhead(step) if step.id == id));
        }
        drop(sender);
        assert!(matches!(next(&messages, &mut ahead), Next::End));
    }
}
