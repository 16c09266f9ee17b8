//! Why a resource is where it is, or runs nowhere: what decided, node by node, and what to do next. The data behind
//! `musterd why` and `muster simulate --why`; `screen` is the text for people.

mod cause;
mod screen;

pub use cause::{Cause, FencingObstacle, Lack, Leader, QuorumLack, Scope};

use crate::id::{NodeName, ResourceId};
use crate::resource::Score;
use crate::status::ResourceState;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The answer to "why": of one resource, group, clone or bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked about.
    pub resource: ResourceId,
    /// Its agent, or `group`, `clone`, `bundle`.
    pub agent: String,
    /// How it stands.
    pub state: ResourceState,
    /// Where it is active.
    pub nodes: Vec<NodeName>,
    /// Where of these it is promoted.
    pub promoted: Vec<NodeName>,
    /// What decided, the decisive first.
    pub reasons: Vec<Reason>,
    /// Actions that come before its own: it waits for them.
    pub waits_for: Vec<String>,
    /// Every node that was asked about, with its score.
    pub places: Vec<Place>,
    /// The members of a group, the instances of a clone.
    pub parts: Vec<Part>,
}

/// One thing that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which resource it is about: the one that was asked about, or one that it depends on.
    pub about: ResourceId,
    /// For programs.
    #[serde(flatten)]
    pub cause: Cause,
    /// For people; `it` is [`Reason::about`].
    pub sentence: String,
    /// What would change it.
    pub next: Option<NextStep>,
    /// Why that is so, where it is another resource's doing.
    pub because: Vec<Self>,
}

impl Reason {
    /// A reason with its sentence and its way out.
    pub fn new(about: ResourceId, cause: Cause) -> Self {
        let (sentence, next) = (cause.to_string(), cause.next_step(&about));
        Self { about, cause, sentence, next, because: Vec::new() }
    }

    /// The same, with why it is so.
    #[must_use]
    pub fn because(self, because: Vec<Self>) -> Self {
        Self { because, ..self }
    }
}

/// What to do, and by which command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// In words.
    pub what: String,
    /// The exact command, where there is one.
    pub command: Option<String>,
}

/// One node, as a place for the resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which.
    pub node: NodeName,
    /// It is active there.
    pub is_active: bool,
    /// It shall be active there.
    pub is_chosen: bool,
    /// The node may run it.
    pub is_possible: bool,
    /// How much it likes to be there; nothing where it may not be at all.
    pub score: Option<Score>,
    /// Who is promoted: the score of its instance there.
    pub promotion_score: Option<Score>,
    /// What the score consists of, where it was asked about that node.
    pub parts: Vec<ScorePart>,
    /// Why it is chosen, or cannot be.
    pub reasons: Vec<Reason>,
}

/// One summand of a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScorePart {
    /// How much.
    pub score: Score,
    /// Why.
    pub why: String,
}

/// A member of a group or an instance of a clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its id.
    pub id: ResourceId,
    /// How it stands.
    pub state: ResourceState,
    /// Where.
    pub nodes: Vec<NodeName>,
    /// The sentence of `status`.
    pub why: String,
}

impl Explanation {
    /// What to do next, what lies deepest first: that is where it began.
    pub fn next_steps(&self) -> Vec<&NextStep> {
        let mut steps = Vec::new();
        self.reasons.iter().for_each(|reason| collect(reason, &mut steps));
        steps
    }
}

fn collect<'r>(reason: &'r Reason, steps: &mut Vec<&'r NextStep>) {
    reason.because.iter().for_each(|deeper| collect(deeper, steps));
    if let Some(step) = reason.next.as_ref().filter(|step| !steps.contains(step)) {
        steps.push(step);
    }
}
