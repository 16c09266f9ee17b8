//! What the simulator looks at after every step of a node, to check what can never happen.

use crate::lead::Lead;
use crate::membership::Phase;
use crate::membership::view::{Member, ViewId};
use crate::node::Node;
use crate::replica::state::{FenceEntry, Position};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::fencing::FenceAction;
use muster_api::id::{NodeId, NodeName};
use muster_api::status::Fact;

/// What a test looks at: more than users are told, cheaper than the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Which life of the node this is.
    pub session: u64,
    /// The activated view.
    pub view: Option<ViewId>,
    /// Its members.
    pub members: Vec<Member>,
    /// Whether it is primary.
    pub is_primary: bool,
    /// Whether it is quorate.
    pub is_quorate: bool,
    /// How much of the log it holds.
    pub position: Position,
    /// The highest epoch that it promised.
    pub promised: u64,
    /// What it proposes: the view, and who shall be in it.
    pub proposes: Option<(ViewId, Vec<Member>)>,
    /// The view that it promised and that is not activated yet.
    pub promised_to: Option<ViewId>,
    /// The generation of the configuration.
    pub generation: u64,
    /// Whether it has a fence device.
    pub has_fence_device: bool,
    /// The fencings by number: target, the life that it ends, whether it is confirmed, and the reason.
    pub fencings: Vec<(u64, NodeName, u64, bool, String)>,
    /// One of them is neither confirmed nor withdrawn.
    pub has_open_fencing: bool,
    /// The facts.
    pub facts: BTreeMap<NodeId, Fact>,
    /// Nothing is under way; always false where this node is not the coordinator.
    pub is_idle: bool,
}

impl Node {
    /// What a test looks at.
    pub fn inspect(&self) -> Inspection {
        let view = self.membership.view.as_ref();
        let ends_life = |entry: &&FenceEntry| entry.record.action != FenceAction::On;
        let fencings = self.replica.fencing.iter().filter(ends_life).map(|entry| {
            let record = &entry.record;
            (record.number, record.target.clone(), entry.session, entry.is_confirmed(), record.reason.clone())
        });
        Inspection {
            session: self.links.session(),
            view: view.map(|view| view.id),
            members: view.map(|view| view.members.clone()).unwrap_or_default(),
            is_primary: view.is_some_and(crate::membership::view::View::is_primary),
            is_quorate: view.is_some_and(|view| view.standing.is_quorate()),
            position: self.position,
            promised: self.membership.promised,
            proposes: match &self.membership.phase {
                Phase::Proposing(proposal) => Some((proposal.view, proposal.members.clone())),
                _ => None,
            },
            promised_to: match self.membership.phase {
                Phase::Promised { view, .. } => Some(view),
                _ => None,
            },
            generation: self.replica.config.generation,
            has_fence_device: !self.replica.config.fence_devices.is_empty(),
            fencings: fencings.collect(),
            has_open_fencing: self
                .replica
                .fencing
                .iter()
                .any(|entry| entry.is_open() || entry.is_switching_on()),
            facts: self.replica.facts.iter().map(|(id, fact)| (*id, fact.fact)).collect(),
            is_idle: self.lead.as_ref().is_some_and(Lead::is_idle),
        }
    }
}
