//! The replicated state.

use crate::membership::view::ViewId;
use crate::planted::{Bug, planted};
use crate::quorum::Memory;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use muster_api::cluster::{ClusterConfig, Corosync};
use muster_api::fencing::{FenceAction, FencingRecord, FencingState};
use muster_api::history::History;
use muster_api::id::{NodeId, NodeName};
use muster_api::status::Fact;
use serde::{Deserialize, Serialize};

/// How much of the log of primary views a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The last primary view that it installed.
    pub view: ViewId,
    /// The last command of that view.
    pub seq: u64,
}

impl Position {
    /// Before the first primary view.
    pub(crate) const NONE: Self = Self { view: ViewId { epoch: 0, coordinator: NodeId(0) }, seq: 0 };
}

/// What all members hold alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// What shall run.
    pub(crate) config: ClusterConfig,
    /// What is known of every configured node.
    pub(crate) facts: BTreeMap<NodeId, NodeFact>,
    /// Past and present fencings, oldest first.
    pub(crate) fencing: Vec<FenceEntry>,
    /// What was seen of resources. Not durable: a node that restarts is looked at anew.
    pub(crate) history: History,
    /// Members that are asked to leave.
    pub(crate) leaving: BTreeSet<NodeId>,
    /// What is remembered of votes.
    pub(crate) votes: Memory,
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeFact {
    pub(crate) fact: Fact,
    /// Its incarnation when it was a member last.
    pub(crate) session: u64,
    /// Learned since the agents run, not read from a disk: only such a fact rules out a rival.
    pub(crate) is_fresh: bool,
}

impl NodeFact {
    pub(crate) const UNSEEN: Self = Self { fact: Fact::NeverSeen, session: 0, is_fresh: false };
}

/// A fencing with the life of the target that it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FenceEntry {
    pub(crate) record: FencingRecord,
    pub(crate) session: u64,
    pub(crate) cause: Cause,
    /// Uses of devices for it so far.
    pub(crate) trials: u32,
    /// How often all levels have failed.
    pub(crate) rounds: u32,
    /// The level, and the device in it, that is used now or next.
    pub(crate) cursor: (u32, u32),
}

/// Who wants a fencing, and so what ends the wish before a device was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// The policy, for what happened on a member: until it does not ask for it any more.
    Policy,
    /// The target was no member: until it comes back.
    Loss,
    /// A person.
    Person,
}

impl FenceEntry {
    /// Neither confirmed nor withdrawn nor given up.
    pub(crate) fn is_open(&self) -> bool {
        self.ends_a_life()
            && self.record.ended_ms.is_none()
            && matches!(
                self.record.state,
                FencingState::Pending | FencingState::Running | FencingState::Failed { .. }
            )
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.ends_a_life()
            && matches!(self.record.state, FencingState::Confirmed | FencingState::ConfirmedByHand)
    }

    /// Not the record of a supply that is switched on again.
    fn ends_a_life(&self) -> bool {
        self.record.action != FenceAction::On
    }

    /// Nothing asks for it any more.
    pub(crate) fn withdraw(&mut self, at_ms: u64) {
        self.record.state = FencingState::Withdrawn;
        self.record.ended_ms = Some(at_ms);
    }

    /// A device is, or may be, about to switch a supply of the target on.
    pub(crate) fn is_switching_on(&self) -> bool {
        !self.ends_a_life() && self.record.ended_ms.is_none()
    }
}

/// Fencings that are remembered beside the open ones.
const FENCINGS_KEPT: usize = 50;

impl State {
    pub(crate) fn fact(&self, id: NodeId) -> NodeFact {
        self.facts.get(&id).copied().unwrap_or(NodeFact::UNSEEN)
    }

    /// The fencing of a node that is not over.
    pub(crate) fn open_fencing(&self, target: &NodeName) -> Option<&FenceEntry> {
        self.fencing.iter().rev().find(|entry| entry.record.target == *target && entry.is_open())
    }

    /// What supplies of that node are, or may be, about to be switched on.
    pub(crate) fn is_switching_on(&self, target: &NodeName) -> bool {
        self.fencing.iter().any(|entry| entry.record.target == *target && entry.is_switching_on())
    }

    pub(crate) fn fencing_of(&self, number: u64) -> Option<&FenceEntry> {
        self.fencing.iter().find(|entry| entry.record.number == number)
    }

    pub(crate) fn next_fencing_number(&self) -> u64 {
        self.fencing.iter().map(|entry| entry.record.number).max().unwrap_or(0) + 1
    }

    /// That life of the node is confirmed to be over.
    pub(crate) fn is_confirmed_off(&self, target: &NodeName, session: u64) -> bool {
        let of_target = self.fencing.iter().filter(|entry| entry.record.target == *target);
        of_target.into_iter().any(|entry| entry.session == session && entry.is_confirmed())
    }

    /// Puts a fencing in its place, and forgets the oldest that are over.
    pub(crate) fn put_fencing(&mut self, entry: FenceEntry) {
        match self.fencing.iter_mut().find(|known| known.record.number == entry.record.number) {
            Some(known) => *known = entry,
            None => self.fencing.push(entry),
        }
        while self.fencing.len() > FENCINGS_KEPT {
            let oldest_over =
                self.fencing.iter().position(|entry| !entry.is_open() && !entry.is_switching_on());
            self.fencing.remove(oldest_over.unwrap_or(0));
        }
    }

    /// Two parts of a cluster may have asked for the same fencing: once one of them is confirmed, the other is not needed.
    pub(crate) fn close_settled_fencings(&mut self, at_ms: u64) {
        let confirmed = self.fencing.iter().filter(|entry| entry.is_confirmed() && entry.session != 0);
        let off: BTreeSet<(NodeName, u64)> =
            confirmed.map(|entry| (entry.record.target.clone(), entry.session)).collect();
        let is_off = |entry: &FenceEntry| off.contains(&(entry.record.target.clone(), entry.session));
        let settled = self.fencing.iter_mut().filter(|entry| entry.is_open() && is_off(entry));
        settled.for_each(|entry| entry.withdraw(at_ms));
    }

    /// The facts by name, as the scheduler reads them; a member that is asked to leave is leaving.
    pub(crate) fn facts_by_name(&self, corosync: &Corosync) -> BTreeMap<NodeName, Fact> {
        let fact = |id: NodeId| match self.fact(id).fact {
            Fact::Member if self.leaving.contains(&id) => Fact::Leaving,
            fact => fact,
        };
        corosync.nodes.iter().map(|node| (node.name.clone(), fact(node.id))).collect()
    }

    /// What is left of it after a restart of the node that held it: others may have gone on without it.
    pub(crate) fn restored(mut self) -> Self {
        for fact in self.facts.values_mut() {
            if planted(Bug::RestartKeepsFacts) {
                continue;
            }
            fact.is_fresh = false;
            // Whether it is there, and whether it was switched on again, is not known any more.
            match fact.fact {
                Fact::Member | Fact::Leaving | Fact::Fenced => *fact = NodeFact::UNSEEN,
                Fact::Lost | Fact::Left | Fact::NeverSeen => {}
            }
        }
        // Whether a device was used is not known; the policy asks again where it is still needed.
        for entry in self.fencing.iter_mut().filter(|entry| entry.is_open() || entry.is_switching_on()) {
            let why = "the agent that was to see to it has restarted".into();
            entry.record.state = FencingState::Failed { why };
            entry.record.ended_ms = Some(entry.record.requested_ms);
        }
        self.history = History::default();
        self.leaving.clear();
        self.votes = self.votes.restored();
        self
    }

    /// The part that goes to the disk.
    pub(crate) fn durable(&self) -> Self {
        Self {
            history: History::default(),
            leaving: BTreeSet::new(),
            votes: self.votes.durable(),
            ..self.clone()
        }
    }
}
