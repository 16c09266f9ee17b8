//! The policy: a pure function from configuration, facts, history and time to a transition and a report.

mod actions;
mod alternatives;
mod because;
mod bundles;
mod colocation;
mod configured;
mod constraints;
mod copies;
mod decision;
mod emit;
mod explain;
mod failures;
mod fencing;
mod graph;
mod handover;
mod implied;
mod instances;
mod locations;
mod meta;
mod migration;
mod monitors;
mod nodes;
mod notices;
mod ordering;
mod placement;
mod promotion;
mod rehearsal;
mod related;
mod remote;
mod report;
mod resolve;
mod settings;
mod settle;
mod shutdown_locks;
mod tickets;
mod unfencing;
mod unpack;
mod utilization;
mod world;

pub use decision::{ChangeKind, Decision, ResourceChange};
pub use explain::{Question, Unknown, explain};
pub use implied::connected_nodes;
pub use nodes::{NodeState, states};
pub use rehearsal::{
    Absence, Announced, Answer, Course, Fault, Rehearsal, SingleFaults, StepTaken, Stopped, Votes, WhatIf,
    WhatIfError, fencing_lost, survivals_lost,
};

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::cluster::ClusterConfig;
use muster_api::history::{History, ResourceAction};
use muster_api::id::{NodeName, ResourceId};
use muster_api::status::{Fact, ResourceStatus};
use serde::{Deserialize, Serialize};
use world::World;

/// All that a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What shall run.
    pub config: &'a ClusterConfig,
    /// What the cluster knows of every configured node.
    pub facts: &'a BTreeMap<NodeName, Fact>,
    /// What was seen of resources on nodes.
    pub history: &'a History,
    /// Whether the view is quorate; where it is not, `no-quorum-policy` decides.
    pub is_quorate: bool,
    /// Wall clock, milliseconds since the epoch: failure-timeout and lifetimes are measured against it.
    pub now_ms: u64,
}

/// The graph of actions from the actual to the desired state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Transition {
    /// The actions; `after` refers to places in this list, always to earlier ones or later ones but never in a circle.
    pub actions: Vec<Action>,
}

/// One action of a transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What to do.
    pub kind: ActionKind,
    /// The actions that must have succeeded before.
    pub after: Vec<usize>,
    /// Why, as a sentence for people.
    pub why: String,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionKind {
    /// Run an agent on a member (probe, start, stop, recurring monitor).
    Resource {
        /// Where.
        node: NodeName,
        /// What.
        action: ResourceAction,
        /// For a probe: whether it found the resource running or not, both are a success.
        is_probe: bool,
    },
    /// Stop repeating a monitor.
    CancelMonitor {
        /// Where.
        node: NodeName,
        /// Of which resource.
        resource: ResourceId,
        /// Its interval, milliseconds.
        interval_ms: u64,
    },
    /// Fence a node.
    Fence {
        /// Who.
        node: NodeName,
        /// Off instead of reboot.
        off: bool,
    },
    /// Forget the failures of a resource on a node (failure-timeout has passed).
    ForgetFailures {
        /// Where.
        node: NodeName,
        /// Of which resource.
        resource: ResourceId,
    },
}

/// Why things are as they are: what a person will ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[must_use = "an unread report helps nobody"]
pub struct Report {
    /// Every top-level resource and every member of a group: state, place and the sentence that says why.
    pub resources: Vec<ResourceStatus>,
    /// What the transition will do, one line each (`start vip on n1`, `move web n1 -> n2`), in order.
    pub consequences: Vec<String>,
    /// What a person must know (`stonith-enabled is true but there is no fence device: nothing is started`).
    pub alarms: Vec<String>,
    /// When to decide again even if nothing happens: a failure ages out, a lifetime ends. Milliseconds since the epoch.
    pub next_check_ms: Option<u64>,
}

/// Decides what to do: the same situation always gives the same transition.
///
/// After a transition has completed as planned, deciding again gives an empty one; seldom it takes one more, as in Pacemaker.
pub fn schedule(situation: &Situation<'_>) -> (Transition, Report) {
    let decision = decide(situation, &nodes::states(situation.facts, situation.history));
    (decision.transition, decision.report)
}

/// Decides with more knowledge of the nodes than facts hold (`states` instead of `situation.facts`), and tells in full.
pub fn decide(situation: &Situation<'_>, states: &BTreeMap<NodeName, NodeState>) -> Decision {
    think(situation, states, report::decision)
}

/// Decides, and hands what it knows then to `conclude`.
fn think<T>(
    situation: &Situation<'_>,
    states: &BTreeMap<NodeName, NodeState>,
    conclude: impl FnOnce(&World<'_>, &graph::Graph) -> T,
) -> T {
    let states = &nodes::with_connected(states, situation.config);
    let resolved = resolve::resolve(situation, states);
    let parts = implied::bundles(&resolved.config);
    let mut world = World::read(Situation { config: &resolved.config, ..*situation }, states, &parts);
    resolved.next_change_ms.into_iter().for_each(|at_ms| world.check_again_at(at_ms));
    placement::place_all(&mut world);
    let mut graph = actions::create_all(&mut world);
    remote::order(&mut world, &mut graph);
    unfencing::add_all(&world, &mut graph);
    fencing::add_all(&world, &mut graph);
    ordering::add_all(&world, &mut graph);
    settle::settle(&mut world, &mut graph);
    conclude(&world, &graph)
}
