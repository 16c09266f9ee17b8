//! What would follow: a situation that can be changed in thought and carried on until nothing is left to do. Every
//! action succeeds, a probe finds nothing, and promotable copies announce scores. Only a fencing without a device for it fails.

mod absence;
mod announced;
mod answer;
mod course;
mod single_faults;
mod survival;
mod votes;
mod what_if;

pub use absence::Absence;
pub use announced::Announced;
pub use answer::Answer;
pub use course::{Course, StepTaken};
pub use single_faults::{Fault, SingleFaults, Stopped};
pub use survival::{fencing_lost, survivals_lost};
pub use votes::Votes;
pub use what_if::{WhatIf, WhatIfError};

use super::nodes::{self, NodeState};
use super::{Action, ActionKind, Decision, Situation, Transition, decide};
use crate::fencing::devices::is_out_of_reach;
use crate::observed::remember;
use crate::shutdown_lock;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::RoleName;
use muster_api::control::Snapshot;
use muster_api::fencing::FencingRecord;
use muster_api::history::{FailCount, History, OpRecord, OpStatus, ResourceAction, definition_digest, rc};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{Operation, Primitive};
use muster_api::status::Fact;

/// Decisions after which a rehearsal gives up: a cluster that is still busy then goes in a circle.
const MOST_ROUNDS: usize = 12;

/// The interval of a monitor that nobody configured: the failure is noticed all the same.
const ASSUMED_INTERVAL_MS: u64 = 10_000;

/// A situation of its own.
#[derive(Debug, Clone, Default)]
pub struct Rehearsal {
    /// What shall run.
    pub config: ClusterConfig,
    /// What is known of each node.
    pub states: BTreeMap<NodeName, NodeState>,
    /// What was seen.
    pub history: History,
    /// Whether the members are quorate.
    pub is_quorate: bool,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// Who votes, where that is known: then quorum follows from who is there.
    pub votes: Votes,
    /// What came of fencing.
    pub fencing: Vec<FencingRecord>,
    /// Promotion scores that no agent has announced.
    pub announced: Announced,
}

impl Rehearsal {
    /// The live cluster, as one of its agents knows it.
    pub fn of_live(snapshot: &Snapshot) -> Self {
        Self {
            config: snapshot.config.clone(),
            states: nodes::states(&snapshot.facts, &snapshot.history),
            history: snapshot.history.clone(),
            is_quorate: snapshot.is_quorate,
            now_ms: snapshot.now_ms,
            votes: Votes::of(&snapshot.corosync, &snapshot.facts),
            fencing: snapshot.fencing.clone(),
            announced: Announced::default(),
        }
    }

    /// A cluster that has never run anything, with all its nodes up.
    pub fn from_nothing(config: ClusterConfig, nodes: &[NodeName], now_ms: u64) -> Self {
        let online = NodeState { is_online: true, ..NodeState::default() };
        Self {
            config,
            states: nodes.iter().map(|name| (name.clone(), online.clone())).collect(),
            is_quorate: true,
            now_ms,
            votes: Votes::one_each(nodes),
            ..Self::default()
        }
    }

    /// What the scheduler decides now.
    pub fn decide(&self) -> Decision {
        decide(&self.situation(&BTreeMap::new()), &self.states)
    }

    fn situation<'s>(&'s self, facts: &'s BTreeMap<NodeName, Fact>) -> Situation<'s> {
        Situation {
            config: &self.config,
            facts,
            history: &self.history,
            is_quorate: self.is_quorate,
            now_ms: self.now_ms,
        }
    }

    /// Decides and carries out until nothing is left to do; the last decision is the silent one. Where it never comes to
    /// rest, the last one still wants something.
    pub fn run_to_rest(&mut self) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while decisions.len() < MOST_ROUNDS {
            let decision = self.decide();
            self.unfence(&decision);
            let is_stuck = self.carry_out(&decision.transition) == 0;
            decisions.push(decision);
            if is_stuck {
                break;
            }
        }
        decisions
    }

    /// Does everything that a transition says, each action after those that it waits for; returns how many were done. A fencing
    /// that no device can do is not, nor what waits for it.
    pub fn carry_out(&mut self, transition: &Transition) -> usize {
        let mut done = BTreeSet::new();
        loop {
            let is_ready = |place: &usize| {
                let action = &transition.actions[*place];
                !done.contains(place)
                    && action.after.iter().all(|before| done.contains(before))
                    && !self.is_in_vain(&action.kind)
            };
            let Some(next) = (0..transition.actions.len()).find(is_ready) else { return done.len() };
            self.carry_out_one(&transition.actions[next]);
            done.insert(next);
        }
    }

    fn is_in_vain(&self, action: &ActionKind) -> bool {
        matches!(action, ActionKind::Fence { node, .. } if is_out_of_reach(&self.config, node))
    }

    /// Who would have to be fenced, and stays as it is.
    fn out_of_reach(&self, last: Option<&Decision>) -> Vec<NodeName> {
        let fenced = last.into_iter().flat_map(|last| last.fenced.keys());
        fenced.filter(|node| is_out_of_reach(&self.config, node)).cloned().collect()
    }

    fn carry_out_one(&mut self, action: &Action) {
        match &action.kind {
            ActionKind::Resource { node, action, is_probe } => {
                let code = match is_probe {
                    true => rc::NOT_RUNNING,
                    false if self.is_monitor_of_promoted(action) => rc::RUNNING_PROMOTED,
                    false => rc::OK,
                };
                self.record(node, action, code);
                self.announce(node, action);
            }
            ActionKind::CancelMonitor { node, resource, interval_ms } => {
                if let Some(records) = self.records(node, resource) {
                    records
                        .retain(|record| record.operation != "monitor" || record.interval_ms != *interval_ms);
                }
            }
            ActionKind::Fence { node, .. } => self.was_fenced(node),
            ActionKind::ForgetFailures { node, resource } => {
                if let Some(failures) = self.history.failures.get_mut(node) {
                    failures.remove(resource);
                }
            }
        }
    }

    /// What such a monitor finds is another exit code than that of any other.
    fn is_monitor_of_promoted(&self, action: &ResourceAction) -> bool {
        let Some(primitive) = self.config.primitive(&action.resource) else { return false };
        let is_it = |operation: &Operation| {
            operation.name == action.operation
                && operation.interval_ms == action.interval_ms
                && operation.role.as_deref().and_then(RoleName::parse) == Some(RoleName::Promoted)
        };
        action.operation == "monitor" && primitive.operations.iter().any(is_it)
    }

    /// What is unfenced with the devices that are configured now stays so.
    fn unfence(&mut self, decision: &Decision) {
        for node in &decision.unfenced {
            let state = self.states.entry(node.clone()).or_default();
            state.attributes.insert("#node-unfenced".to_string(), (self.now_ms / 1000).to_string());
            state.unfenced_otherwise = None;
        }
    }

    fn records(&mut self, node: &NodeName, resource: &ResourceId) -> Option<&mut Vec<OpRecord>> {
        self.history.nodes.get_mut(node)?.get_mut(resource)
    }

    fn record(&mut self, node: &NodeName, action: &ResourceAction, code: u8) {
        let resources = self.history.nodes.entry(node.clone()).or_default();
        let call = resources.values().flatten().map(|record| record.call).filter(|call| *call < u64::MAX);
        let call = call.max().unwrap_or(0) + 1;
        let record = OpRecord {
            operation: action.operation.clone(),
            interval_ms: action.interval_ms,
            call,
            status: OpStatus::Done,
            rc: Some(code),
            reason: String::new(),
            at_ms: self.now_ms,
            took_ms: 0,
            digest: definition_digest(&action.agent, &action.params),
            peer: action.peer(),
            agent: action.agent.clone(),
            params: action.params.clone(),
        };
        let is_leaving = self.states.get(node).is_some_and(|state| state.is_leaving);
        let locked_to = (node, is_leaving);
        shutdown_lock::note(&mut self.history, &self.config, locked_to, &action.resource, &record);
        let resources = self.history.nodes.entry(node.clone()).or_default();
        let records = resources.entry(action.resource.clone()).or_default();
        // Whatever was under way has come to its end.
        records.retain(|old| old.status != OpStatus::Pending);
        remember(records, record);
    }

    fn was_fenced(&mut self, node: &NodeName) {
        self.history.nodes.remove(node);
        self.history.failures.remove(node);
        let order = self.states.get(node).map_or(0, |state| state.order);
        let state = NodeState { is_fenced: true, order, ..NodeState::default() };
        self.states.insert(node.clone(), state);
    }

    /// A node vanishes without leaving.
    pub fn lose(&mut self, node: &NodeName) {
        let order = self.states.get(node).map_or(0, |state| state.order);
        let unclean = self.config.is_fencing_enabled().then(|| "it vanished without leaving".to_string());
        self.states.insert(node.clone(), NodeState { unclean, order, ..NodeState::default() });
        self.votes.lose(node);
        self.count_votes();
    }

    /// A node that was away joins; it has restarted, so nothing runs there.
    pub fn bring_back(&mut self, node: &NodeName) {
        let state = self.states.entry(node.clone()).or_default();
        if state.is_online && state.unclean.is_none() {
            return;
        }
        *state = NodeState { is_online: true, order: state.order, ..NodeState::default() };
        self.history.nodes.remove(node);
        self.history.failures.remove(node);
        self.votes.bring_back(node);
        self.count_votes();
    }

    fn count_votes(&mut self) {
        self.is_quorate = self.votes.is_quorate().unwrap_or(self.is_quorate);
    }

    /// The monitor of a resource fails on a node. Nothing happens where the configuration does not have it.
    pub fn fail(&mut self, resource: &ResourceId, node: &NodeName) {
        let Some(primitive) = self.config.primitive(resource) else { return };
        let statuses = self.decide().report.resources;
        let is_promoted =
            statuses.iter().any(|status| status.id == *resource && status.promoted.contains(node));
        let action = failing_monitor(primitive, is_promoted);
        self.record(node, &action, rc::ERROR);
        let failures = self.history.failures.entry(node.clone()).or_default();
        let count = failures.entry(resource.clone()).or_insert_with(|| FailCount {
            count: 0,
            last_ms: 0,
            operation: String::new(),
            reason: String::new(),
        });
        count.count = count.count.saturating_add(1);
        count.last_ms = self.now_ms;
        count.operation = "monitor".to_string();
    }

    /// The nodes that are members.
    pub fn members(&self) -> Vec<NodeName> {
        let members = self.states.iter().filter(|(_, state)| state.is_online && state.unclean.is_none());
        members.map(|(name, _)| name.clone()).collect()
    }
}

/// The most frequent monitor of a resource in its role, or one that stands for it.
fn failing_monitor(primitive: &Primitive, is_promoted: bool) -> ResourceAction {
    let is_of_role = |one: &&Operation| {
        let role = one.role.as_deref().and_then(RoleName::parse);
        (role == Some(RoleName::Promoted)) == is_promoted
    };
    let repeated = primitive.operations.iter().filter(|one| one.name == "monitor" && one.interval_ms > 0);
    let monitors = repeated.filter(is_of_role);
    let interval_ms = monitors.map(|monitor| monitor.interval_ms).min().unwrap_or(ASSUMED_INTERVAL_MS);
    ResourceAction {
        resource: primitive.id.clone(),
        agent: primitive.agent.clone(),
        operation: "monitor".to_string(),
        interval_ms,
        timeout_ms: 0,
        params: primitive.params.clone(),
        meta: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use muster_api::resource::{AgentName, CloneSet, Content, Resource};

    fn two_nodes() -> Rehearsal {
        let agent = AgentName::parse("ocf:muster:Dummy").unwrap();
        let (params, meta, operations) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let web = Primitive { id: "web".into(), agent, params, meta, operations };
        let mut config =
            ClusterConfig { resources: vec![Resource::Primitive(web)], ..ClusterConfig::default() };
        config.properties.insert("stonith-enabled".into(), "false".into());
        let online = NodeState { is_online: true, ..NodeState::default() };
        let states = [("n1".into(), online.clone()), ("n2".into(), online)].into();
        Rehearsal { config, states, is_quorate: true, now_ms: 1_000_000, ..Rehearsal::default() }
    }

    fn place(decision: &Decision) -> Vec<NodeName> {
        decision.report.resources[0].nodes.clone()
    }

    #[test]
    fn a_cluster_comes_to_rest_with_everything_started() {
        let decisions = two_nodes().run_to_rest();
        let end = decisions.last().unwrap();
        assert!(end.transition.actions.is_empty());
        assert_eq!(place(end), ["n1".into()]);
    }

    #[test]
    fn what_ran_on_a_lost_node_runs_on_the_other_at_rest() {
        let mut rehearsal = two_nodes();
        rehearsal.run_to_rest();
        rehearsal.lose(&"n1".into());
        assert_eq!(place(rehearsal.run_to_rest().last().unwrap()), ["n2".into()]);
        assert_eq!(rehearsal.members(), ["n2".into()]);
    }

    #[test]
    fn a_promoted_copy_that_failed_is_promoted_again_and_all_is_at_rest() {
        let mut rehearsal = two_nodes();
        let Resource::Primitive(mut db) = rehearsal.config.resources.remove(0) else { return };
        let monitor = |interval_ms, role: &str| Operation {
            name: "monitor".to_string(),
            interval_ms,
            timeout_ms: None,
            on_fail: None,
            role: Some(role.into()),
            enabled: true,
        };
        db.operations = vec![monitor(10_000, "Promoted"), monitor(11_000, "Unpromoted")];
        let meta = [("promotable".to_string(), "true".to_string())].into();
        let clone = CloneSet { id: "db-clone".into(), content: Content::Primitive(db), meta };
        rehearsal.config.resources.push(Resource::Clone(clone));
        for (node, score) in [("n1", "10"), ("n2", "5")] {
            let state = rehearsal.states.get_mut(&NodeName::from(node)).unwrap();
            state.attributes.insert("master-web".to_string(), score.to_string());
        }
        rehearsal.run_to_rest();
        rehearsal.fail(&"web".into(), &"n1".into());
        let course = Course::of(rehearsal);
        assert!(course.comes_to_rest());
        let places = &course.active_at_rest()[&ResourceId::from("web")];
        assert_eq!(places[0], ("n1".into(), RoleName::Promoted));
    }

    #[test]
    fn what_failed_is_started_again() {
        let mut rehearsal = two_nodes();
        rehearsal.run_to_rest();
        rehearsal.fail(&"web".into(), &"n1".into());
        let decisions = rehearsal.run_to_rest();
        assert!(!decisions[0].transition.actions.is_empty());
        assert_eq!(place(decisions.last().unwrap()), ["n1".into()]);
    }
}
