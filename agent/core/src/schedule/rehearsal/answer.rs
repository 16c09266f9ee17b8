//! The answer for programs: what is decided, and where that leads.

use super::{Course, StepTaken};
use crate::schedule::{Decision, NodeState, ResourceChange};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::id::{NodeName, ResourceId};
use serde::Serialize;

/// One decision as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    actions: Vec<Change>,
    fenced: Vec<NodeName>,
    unfenced: Vec<NodeName>,
    /// Where everything is active once the actions have succeeded.
    r#final: Places,
    nodes: BTreeMap<NodeName, &'static str>,
    /// How it goes on until nothing is left to do, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<Rest>,
}

type Places = BTreeMap<ResourceId, Vec<Place>>;

#[derive(Debug, Clone, Serialize)]
struct Place {
    node: NodeName,
    role: String,
}

#[derive(Debug, Clone, Serialize)]
struct Change {
    op: &'static str,
    rsc: ResourceId,
    from: Option<NodeName>,
    to: Option<NodeName>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    blocked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Rest {
    comes_to_rest: bool,
    steps: Vec<StepTaken>,
    fenced: Vec<NodeName>,
    r#final: Places,
    why: BTreeMap<ResourceId, String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    assumed: BTreeSet<String>,
    /// Why it does not go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stuck: Vec<String>,
}

impl Answer {
    /// One decision, made of nodes that are so.
    pub fn of(decision: &Decision, states: &BTreeMap<NodeName, NodeState>) -> Self {
        Self {
            actions: decision.changes.iter().map(change).collect(),
            fenced: decision.fenced.keys().cloned().collect(),
            unfenced: decision.unfenced.clone(),
            r#final: places(decision),
            nodes: states.iter().map(|(name, state)| (name.clone(), node_text(state))).collect(),
            course: None,
        }
    }

    /// The same, with how it goes on.
    #[must_use]
    pub fn with_course(self, course: &Course) -> Self {
        let end = course.end();
        let why = end.map(|end| &end.report.resources).into_iter().flatten();
        let rest = Rest {
            comes_to_rest: course.comes_to_rest(),
            steps: course.steps(),
            fenced: course.fenced(),
            r#final: end.map(places).unwrap_or_default(),
            why: why.map(|status| (status.id.clone(), status.why.clone())).collect(),
            assumed: course.assumed.clone(),
            stuck: course.stuck(),
        };
        Self { course: Some(rest), ..self }
    }
}

fn places(decision: &Decision) -> Places {
    let active = decision.active_after.iter();
    active
        .map(|(resource, places)| {
            let place = |(node, role): &(NodeName, muster_api::constraint::RoleName)| Place {
                node: node.clone(),
                role: role.name().to_ascii_lowercase(),
            };
            (resource.clone(), places.iter().map(place).collect())
        })
        .collect()
}

fn change(change: &ResourceChange) -> Change {
    Change {
        op: change.kind.name(),
        rsc: change.resource.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
        blocked: change.is_blocked,
        reason: change.why.as_ref().map(ToString::to_string),
    }
}

fn node_text(state: &NodeState) -> &'static str {
    match (state.is_online, state.unclean.is_some() || state.is_unseen, state.is_pending) {
        (_, _, true) => "pending",
        (true, true, _) => "unclean-online",
        (true, false, _) => "online",
        (false, true, _) => "unclean-offline",
        (false, false, _) => "offline",
    }
}
