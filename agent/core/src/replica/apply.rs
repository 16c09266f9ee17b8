//! What each command does to the state: the same on every member.

use super::command::Command;
use super::state::{NodeFact, State};
use crate::shutdown_lock;
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::history::{FailCount, History, OpRecord, OpStatus, ResourceAction, definition_digest, rc};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::OnFail;
use muster_api::status::Fact;

/// A fail count that never lets the resource come back by itself (INFINITY).
const FATAL: u32 = 1_000_000;

impl State {
    /// Applies one command.
    pub(crate) fn apply(&mut self, corosync: &Corosync, command: &Command) {
        match command {
            Command::Configure(config) => self.config.clone_from(config),
            Command::Ordered { node, action, at_ms } => self.note_ordered(node, action, *at_ms),
            Command::Record { node, resource, record, seen_ms } => {
                self.note_ended(node, resource, record, *seen_ms);
                let is_leaving =
                    corosync.nodes.iter().any(|one| one.name == *node && self.leaving.contains(&one.id));
                shutdown_lock::note(&mut self.history, &self.config, (node, is_leaving), resource, record);
            }
            Command::Cancelled { node, resource, interval_ms } => {
                let records = records(&mut self.history, node, resource);
                records.retain(|record| record.operation != "monitor" || record.interval_ms != *interval_ms);
            }
            Command::Cleanup { resource } => self.clean_up(resource.as_ref()),
            Command::ForgetFailures { node, resource } => self.forget_failures(node, resource),
            Command::Fencing(entry) => {
                self.put_fencing(entry.clone());
                if entry.is_confirmed() {
                    self.close_settled_fencings(entry.record.ended_ms.unwrap_or(entry.record.requested_ms));
                    self.note_fenced(corosync, &entry.record.target, entry.session);
                }
            }
            Command::Leaving { node } => {
                self.leaving.insert(*node);
            }
            Command::Left { node } => {
                let session = self.fact(*node).session;
                self.leaving.remove(node);
                self.facts.insert(*node, NodeFact { fact: Fact::Left, session, is_fresh: true });
                if let Some(entry) = corosync.nodes.iter().find(|entry| entry.id == *node) {
                    self.history.attributes.remove(&entry.name);
                }
            }
            Command::Attribute { node, name, value } => self.note_attribute(node, name, value.as_deref()),
            // It is no part of the replicated state: each node has it from its own disk.
            Command::TakeConfiguration { .. } => {}
            Command::ExpectVotes(votes) => self.votes.lower(*votes),
        }
    }

    pub(crate) fn note_attribute(&mut self, node: &NodeName, name: &str, value: Option<&str>) {
        let attributes = self.history.attributes.entry(node.clone()).or_default();
        match value {
            Some(value) => attributes.insert(name.into(), value.into()),
            None => attributes.remove(name),
        };
    }

    fn note_ordered(&mut self, node: &NodeName, action: &ResourceAction, at_ms: u64) {
        let call = self.history.last_call(node) + 1;
        put(records(&mut self.history, node, &action.resource), pending(action, call, at_ms));
    }

    fn note_ended(&mut self, node: &NodeName, resource: &ResourceId, record: &OpRecord, seen_ms: u64) {
        let was_known = records(&mut self.history, node, resource).iter().any(|known| known == record);
        put(records(&mut self.history, node, resource), record.clone());
        if !was_known && is_failure(record) && !self.is_failure_ignored(resource, record) {
            self.count_failure(node, resource, record, seen_ms);
        }
    }

    fn is_failure_ignored(&self, resource: &ResourceId, record: &OpRecord) -> bool {
        let primitive = self.config.primitive(resource);
        let operations = primitive.into_iter().flat_map(|primitive| &primitive.operations);
        let same = |operation: &&muster_api::resource::Operation| {
            operation.name == record.operation && operation.interval_ms == record.interval_ms
        };
        operations.into_iter().find(same).is_some_and(|operation| operation.on_fail == Some(OnFail::Ignore))
    }

    fn count_failure(&mut self, node: &NodeName, resource: &ResourceId, record: &OpRecord, seen_ms: u64) {
        let is_fatal =
            record.operation == "start" && self.config.property_bool("start-failure-is-fatal", true);
        let counts = self.history.failures.entry(node.clone()).or_default();
        let before = counts.get(resource).map_or(0, |count| count.count);
        let count = if is_fatal { FATAL } else { before.saturating_add(1).min(FATAL) };
        let (operation, reason) = (record.operation.clone(), record.reason.clone());
        counts.insert(resource.clone(), FailCount { count, last_ms: seen_ms, operation, reason });
    }

    /// Looking anew: what is under way is kept, its end is still to come.
    fn clean_up(&mut self, resource: Option<&ResourceId>) {
        let is_meant = |id: &ResourceId| resource.is_none_or(|wanted| self.config.is_in(id, wanted));
        for counts in self.history.failures.values_mut() {
            counts.retain(|id, _| !is_meant(id));
        }
        shutdown_lock::free(&mut self.history, is_meant);
        for resources in self.history.nodes.values_mut() {
            for (_, records) in resources.iter_mut().filter(|(id, _)| is_meant(id)) {
                forget_all(records);
            }
            resources.retain(|_, records| !records.is_empty());
        }
    }

    fn forget_failures(&mut self, node: &NodeName, resource: &ResourceId) {
        if let Some(counts) = self.history.failures.get_mut(node) {
            counts.remove(resource);
        }
        forget_failures(records(&mut self.history, node, resource));
    }

    /// A confirmed fencing makes the absent node's fact; a member's is made when its view ends.
    fn note_fenced(&mut self, corosync: &Corosync, target: &NodeName, session: u64) {
        let Some(id) = corosync.nodes.iter().find(|node| node.name == *target).map(|node| node.id) else {
            return;
        };
        let known = self.fact(id);
        let is_absent = matches!(known.fact, Fact::Lost | Fact::NeverSeen | Fact::Left);
        if is_absent && known.session == session {
            self.set_fenced(target, id, session);
        }
    }

    /// The node is off: nothing runs there, and its failures went with it.
    pub(crate) fn set_fenced(&mut self, target: &NodeName, id: muster_api::id::NodeId, session: u64) {
        self.facts.insert(id, NodeFact { fact: Fact::Fenced, session, is_fresh: true });
        self.history.nodes.remove(target);
        self.history.failures.remove(target);
        self.history.attributes.remove(target);
    }
}

/// The record of an action whose end is not known.
pub(crate) fn pending(action: &ResourceAction, call: u64, at_ms: u64) -> OpRecord {
    OpRecord {
        operation: action.operation.clone(),
        interval_ms: action.interval_ms,
        call,
        status: OpStatus::Pending,
        rc: None,
        reason: alloc::string::String::new(),
        at_ms,
        took_ms: 0,
        digest: definition_digest(&action.agent, &action.params),
        peer: action.peer(),
        agent: action.agent.clone(),
        params: action.params.clone(),
    }
}

/// Puts a record in: it replaces the older one of the same operation and interval; a stop that went well ends the
/// monitors. The last failure stays: `on-fail` may ask for more than the next success undoes (`stop`, `standby`).
pub(crate) fn put(records: &mut Vec<OpRecord>, record: OpRecord) {
    let is_stopped = record.operation == "stop" && record.rc == Some(rc::OK);
    let last_failure = records.iter().filter(|known| is_failure(known)).map(|known| known.call).max();
    records.retain(|known| {
        let is_same = known.operation == record.operation && known.interval_ms == record.interval_ms;
        let is_outdone = is_same || is_stopped && known.interval_ms > 0;
        // Calls of the cluster and of the node may meet: an action that was ordered while a monitor failed.
        let is_last_failure =
            is_failure(known) && Some(known.call) == last_failure && known.call != record.call;
        !is_outdone || is_last_failure && !is_failure(&record)
    });
    let place = records.iter().position(|known| known.call > record.call).unwrap_or(records.len());
    records.insert(place, record);
}

/// What is under way is kept, its end is still to come; all else is looked at anew.
pub(crate) fn forget_all(records: &mut Vec<OpRecord>) {
    records.retain(|record| record.status == OpStatus::Pending);
}

/// What is known only by a failure is not known once that is forgotten, and what was before it is not so any more.
pub(crate) fn forget_failures(records: &mut Vec<OpRecord>) {
    let last_failure = records.iter().filter(|record| is_failure(record)).map(|record| record.call).max();
    if let Some(last) = last_failure {
        records.retain(|record| record.status == OpStatus::Pending || record.call > last);
    }
}

/// Whether it went wrong, as far as a record alone can tell: a probe that finds the resource stopped is none.
pub(crate) fn is_failure(record: &OpRecord) -> bool {
    match (record.status, record.rc) {
        (OpStatus::Pending, _) => false,
        // An instance that does not want to know of the others runs all the same.
        _ if record.operation == "notify" => false,
        (OpStatus::TimedOut | OpStatus::Error, _) => true,
        (OpStatus::Done, Some(rc::OK)) => false,
        (OpStatus::Done, code) if record.operation == "monitor" => {
            let is_active = matches!(code, Some(rc::RUNNING_PROMOTED | rc::DEGRADED | rc::DEGRADED_PROMOTED));
            let is_clean_probe =
                record.interval_ms == 0 && matches!(code, Some(rc::NOT_RUNNING | rc::INSTALLED));
            !is_active && !is_clean_probe
        }
        (OpStatus::Done, _) => true,
    }
}

fn records<'a>(history: &'a mut History, node: &NodeName, resource: &ResourceId) -> &'a mut Vec<OpRecord> {
    history.nodes.entry(node.clone()).or_default().entry(resource.clone()).or_default()
}

/// Questions to the history that only the replica asks.
pub(crate) trait Calls {
    /// The highest call of a node; zero where there is none.
    fn last_call(&self, node: &NodeName) -> u64;
}

impl Calls for History {
    fn last_call(&self, node: &NodeName) -> u64 {
        let resources = self.nodes.get(node).into_iter().flatten();
        resources.flat_map(|(_, records)| records).map(|record| record.call).max().unwrap_or(0)
    }
}

/// Questions to the configuration.
pub(crate) trait Contains {
    /// Whether `id` is `wanted`, or a member of the group of that id.
    fn is_in(&self, id: &ResourceId, wanted: &ResourceId) -> bool;
}

impl Contains for muster_api::cluster::ClusterConfig {
    fn is_in(&self, id: &ResourceId, wanted: &ResourceId) -> bool {
        id == wanted
            || self.primitives().any(|(primitive, group)| primitive.id == *id && group == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::resource::AgentName;

    fn record(operation: &str, interval_ms: u64, call: u64, code: Option<u8>) -> OpRecord {
        let agent = AgentName::parse("ocf:heartbeat:Dummy").expect("a known agent");
        let action = ResourceAction {
            resource: "web".into(),
            agent,
            operation: operation.into(),
            interval_ms,
            params: alloc::collections::BTreeMap::new(),
            meta: alloc::collections::BTreeMap::new(),
            timeout_ms: 1000,
        };
        let status = if code.is_some() { OpStatus::Done } else { OpStatus::Pending };
        OpRecord { status, rc: code, ..pending(&action, call, 1000) }
    }

    #[test]
    fn the_end_of_a_stop_replaces_the_order_that_has_the_number_of_a_failure() {
        let mut records = alloc::vec![record("start", 0, 1, Some(rc::OK))];
        put(&mut records, record("stop", 0, 2, None));
        put(&mut records, record("monitor", 5000, 2, Some(rc::NOT_RUNNING)));
        put(&mut records, record("stop", 0, 3, Some(rc::OK)));
        assert!(records.iter().all(|record| record.status != OpStatus::Pending), "{records:?}");
    }

    #[test]
    fn what_was_before_a_failure_is_not_known_once_that_is_forgotten() {
        let mut records = alloc::vec![record("stop", 0, 2, Some(rc::OK)), record("start", 0, 3, Some(1))];
        forget_failures(&mut records);
        assert!(records.is_empty(), "it may run all the same: {records:?}");
        let mut records = alloc::vec![record("start", 0, 3, Some(1)), record("stop", 0, 4, Some(rc::OK))];
        forget_failures(&mut records);
        assert_eq!(records, [record("stop", 0, 4, Some(rc::OK))]);
    }

    #[test]
    fn a_failure_is_as_old_as_the_coordinator_says_whatever_the_clock_of_its_node() {
        let mut state = State::default();
        let failed = record("monitor", 5000, 2, Some(rc::NOT_RUNNING));
        state.note_ended(&"n1".into(), &"web".into(), &failed, 7_200_000);
        assert_eq!(state.history.failures[&"n1".into()][&"web".into()].last_ms, 7_200_000);
    }
}
