//! The framing between controller and worker, and between a client and the agent's control socket.
//!
//! A frame is `[length u32, big endian][kind u8][payload]`; the length counts kind and payload. Kind 1 is a JSON
//! message. Kind 2 is a content: 32 bytes of SHA-256, then the bytes. An unknown kind is an error of the session.

use crate::foreseen::Foreseen;
use crate::outcome::Outcome;
use crate::step::{Due, Step};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The version of the messages of this module; both sides refuse another one with a sentence.
pub const PROTOCOL: u16 = 4;
/// A frame's payload may have this many bytes: a bound on what one peer can make the other allocate.
pub const FRAME_SIZE_MAX: u32 = 256 * 1024 * 1024;
/// The kind of a JSON message.
pub const KIND_JSON: u8 = 1;
/// The kind of a content.
pub const KIND_CONTENT: u8 = 2;

/// From the controller to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
#[allow(clippy::large_enum_variant, reason = "one message at a time is alive")]
pub enum ToWorker {
    /// First message.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
        /// Who runs what from where: shown to another run that finds the host locked.
        run: String,
        /// The whole session only predicts; the worker then refuses every write below the modules.
        check: bool,
        /// The session only predicts one step of a run that changes the host otherwise: what it says holds for nobody else.
        #[serde(default)]
        is_alone: bool,
        /// Other runs may work on the host at the same time, as on the controller itself, where one run starts another.
        #[serde(default)]
        shares: bool,
        /// The number of the run, under which the worker keeps what it replaces; without one nothing is kept.
        #[serde(default)]
        number: Option<String>,
        /// The account for which a worker of root's stands in: one that a task of the plan would make. It takes on the account's
        /// numbers with the first [`ToWorker::TakeForetold`] that has them; a step that cannot be answered for it is unknown.
        #[serde(default)]
        stands_in_for: Option<String>,
    },
    /// Do this step. Steps run one after the other, in the order sent.
    Run {
        /// The step.
        step: Step,
    },
    /// These steps may come later: those that find nothing to do are answered ahead, in this order, with
    /// [`FromWorker::Ahead`]. Nothing is changed for them. A `Run` that comes meanwhile goes before, and ends them.
    LookAhead {
        /// Steps of modules that [`is_answered_ahead`](crate::module::is_answered_ahead).
        steps: Vec<Step>,
    },
    /// These handlers and no others of the play are due from now on. There is no answer.
    NowDue {
        /// Empty where all have run.
        due: Due,
    },
    /// Tell what all steps of this check session would have done, for a worker of another user: [`FromWorker::Foretold`].
    TellForetold {
        /// Of the user who will know it: contents that only others may read are left out.
        uid: u32,
    },
    /// What steps of another user would have done, as that worker has told it. It takes the place of all that was foretold here. There
    /// is no answer.
    TakeForetold {
        /// As in [`FromWorker::Foretold`].
        foretold: Option<String>,
    },
    /// The controller does not have the content that was asked for.
    NoContent {
        /// Of the content.
        sha256: String,
        /// Why.
        why: String,
    },
    /// No more steps: finish and exit.
    Goodbye,
}

/// From the worker to the controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
#[allow(
    clippy::large_enum_variant,
    reason = "one message at a time is alive; how large a map is depends on the features of serde_json"
)]
pub enum FromWorker {
    /// Answer to `Hello`.
    Hello {
        /// [`PROTOCOL`].
        protocol: u16,
        /// The agent's version.
        version: String,
        /// Handlers that earlier runs left due on the host.
        #[serde(default)]
        due: Vec<Due>,
        /// A rolling change that broke off took this node down, and nobody has brought it back yet.
        #[serde(default)]
        is_away: bool,
        /// As whom it runs. An agent of an older protocol does not say: it is refused for that, in words, where its answer is read.
        #[serde(default)]
        uid: u32,
    },
    /// The session cannot go on: the host is locked by another run, or the protocol differs.
    Refused {
        /// A sentence for the user.
        why: String,
    },
    /// The worker needs this content to go on with the present step.
    NeedContent {
        /// Of the content.
        sha256: String,
    },
    /// A step is busy with something that a person wants to see.
    Progress {
        /// Of the step.
        id: u64,
        /// One line.
        text: String,
    },
    /// What a step that may come later would come to now.
    Ahead {
        /// Of the step.
        id: u64,
        /// As it would be if the step were run; `None` where it has something to do, or that is not known.
        outcome: Option<Outcome>,
    },
    /// What the step that is done next would have left of the files: told in a check session on the controller's own machine
    /// (`Hello` with `shares`), where the controller reads too.
    Foreseen {
        /// In the order in which it would have been done.
        files: Vec<Foreseen>,
    },
    /// What all steps of this check session would have done.
    Foretold {
        /// Base64, for a worker of the same build; `None` where it cannot be said.
        foretold: Option<String>,
    },
    /// A step is done.
    Done {
        /// What it came to.
        outcome: Outcome,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_of_an_older_protocol_is_read_so_far_that_it_can_be_refused_as_such() {
        let said = r#"{"type": "hello", "protocol": 1, "version": "0.0.9"}"#;
        let FromWorker::Hello { protocol, .. } = serde_json::from_str(said).expect("a message") else {
            panic!("no hello")
        };
        assert_eq!(protocol, 1);
    }
}
