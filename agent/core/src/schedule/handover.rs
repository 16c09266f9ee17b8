//! What the records of live migrations say. A whole one is `migrate_to` on the node that is left, `migrate_from` on the
//! node that is reached, then a stop of what is left behind. Where the middle is missing the resource is on both
//! nodes, where the end is missing there is something left to stop.

use super::nodes::NodeIx;
use super::world::{Role, RscIx, World};
use alloc::vec::Vec;
use muster_api::history::{OpRecord, OpStatus, rc};
use muster_api::id::{NodeName, ResourceId};

/// What a record of a migration means for its own node and the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing any more: other things happened since.
    Nothing,
    /// It runs where the record is, and nowhere else because of it.
    Here,
    /// It runs on the other node too. The migration can go on where it only was not finished.
    There { can_go_on: bool },
    /// It went, and the stop is missing.
    LeftBehind,
    /// It was on its way to a node that is gone.
    Lost,
}

/// The records of a resource on a node that say where it is: without migrations that mean nothing any more. Whoever went
/// from here is not here.
pub(crate) fn records(
    world: &World<'_>,
    (node, id): (NodeIx, &ResourceId),
    all: &[OpRecord],
) -> Vec<OpRecord> {
    let of_state = |record: &OpRecord| {
        let meaning = record.peer.as_ref().map(|peer| Case { world, node, peer, id, record }.meaning());
        match meaning {
            Some(Meaning::Nothing) => None,
            Some(Meaning::LeftBehind) => Some(OpRecord { operation: "stop".into(), ..record.clone() }),
            _ => Some(record.clone()),
        }
    };
    all.iter().filter_map(of_state).collect()
}

/// Takes in what the migrations that a node has records of mean for the resource.
pub(crate) fn take_in(
    world: &mut World<'_>,
    rsc: RscIx,
    (node, id): (NodeIx, &ResourceId),
    records: &[OpRecord],
) {
    for record in records {
        let Some(peer) = record.peer.as_ref() else { continue };
        let meaning = Case { world, node, peer, id, record }.meaning();
        let other = world.find_node(peer);
        note(world, rsc, node, other, meaning);
    }
}

fn note(world: &mut World<'_>, rsc: RscIx, node: NodeIx, other: Option<NodeIx>, meaning: Meaning) {
    match (meaning, other) {
        (Meaning::There { can_go_on }, Some(other)) => {
            if !world[rsc].running_on.contains(&other) {
                world[rsc].running_on.push(other);
            }
            // What its own records there say was before it came.
            world[rsc].role = world[rsc].role.max(Role::Started);
            if can_go_on && world[node].is_online {
                world[rsc].migrating = Some((node, other));
            }
        }
        (Meaning::LeftBehind, _) => world[rsc].left_behind.push(node),
        (Meaning::Lost, _) => {
            world[rsc].is_failed = true;
            world[rsc].cannot_migrate = true;
        }
        _ => {}
    }
}

struct Case<'w, 'a> {
    world: &'w World<'a>,
    node: NodeIx,
    peer: &'w NodeName,
    id: &'w ResourceId,
    record: &'w OpRecord,
}

impl Case<'_, '_> {
    fn meaning(&self) -> Meaning {
        match (self.record.operation.as_str(), self.record.status) {
            ("migrate_to" | "migrate_from", OpStatus::Pending) => Meaning::Nothing,
            ("migrate_to", _) if is_success(self.record) => self.gone(),
            ("migrate_to", _) => self.not_gone(),
            ("migrate_from", _) if !is_success(self.record) => self.not_come(),
            _ => Meaning::Here,
        }
    }

    /// `migrate_to` went well.
    fn gone(&self) -> Meaning {
        let arrival = self.arrival();
        let has_acted = self.acts(self.own_name()).any(|act| self.is_later(act, self.record, true));
        let (here, there) = (self.is_outdated_here(), self.is_outdated_there(arrival));
        if (arrival.is_some() && has_acted) || (here && there) {
            return Meaning::Nothing;
        }
        if arrival.is_some_and(is_success) {
            return Meaning::LeftBehind;
        }
        let is_failed = arrival.is_some_and(|arrival| arrival.status != OpStatus::Pending);
        let is_there = self.is_peer_online() && !there;
        if !is_failed && self.is_peer_online() && self.records(self.peer).is_empty() {
            // Cleaned up: a probe will tell.
            Meaning::Here
        } else if is_there {
            Meaning::There { can_go_on: !is_failed }
        } else if is_failed || !here {
            Meaning::Lost
        } else {
            Meaning::Here
        }
    }

    /// `migrate_to` failed: nobody knows how far it came.
    fn not_gone(&self) -> Meaning {
        let is_unknown = self.records(self.peer).is_empty();
        if self.is_peer_online() && !is_unknown && !self.is_outdated_there(self.arrival()) {
            Meaning::There { can_go_on: false }
        } else {
            Meaning::Here
        }
    }

    /// `migrate_from` failed: it may still be where it came from.
    fn not_come(&self) -> Meaning {
        let is_outdated = match self.departure() {
            Some(departure) => self.is_newer_on(self.peer, departure, true),
            None => self.is_newer_on(self.peer, self.record, false),
        };
        let is_there = self.is_peer_online() && !is_outdated && !self.records(self.peer).is_empty();
        if is_there { Meaning::There { can_go_on: false } } else { Meaning::Here }
    }

    fn own_name(&self) -> &NodeName {
        &self.world[self.node].name
    }

    fn is_peer_online(&self) -> bool {
        self.world.find_node(self.peer).is_some_and(|peer| self.world[peer].is_online)
    }

    fn records(&self, node: &NodeName) -> &[OpRecord] {
        let nodes = &self.world.situation.history.nodes;
        nodes.get(node).and_then(|resources| resources.get(self.id)).map_or(&[], Vec::as_slice)
    }

    fn acts<'s>(&'s self, node: &NodeName) -> impl Iterator<Item = &'s OpRecord> {
        let is_act = |record: &&OpRecord| {
            matches!(record.operation.as_str(), "start" | "stop" | "migrate_to" | "migrate_from")
        };
        self.records(node).iter().filter(is_act)
    }

    /// The other half on the other node.
    fn arrival(&self) -> Option<&OpRecord> {
        let own_name = self.own_name();
        let is_it = |act: &&OpRecord| act.operation == "migrate_from" && act.peer.as_ref() == Some(own_name);
        self.acts(self.peer).filter(is_it).max_by_key(|act| act.call)
    }

    /// The first half on the other node.
    fn departure(&self) -> Option<&OpRecord> {
        let own_name = self.own_name();
        let is_it = |act: &&OpRecord| act.operation == "migrate_to" && act.peer.as_ref() == Some(own_name);
        self.acts(self.peer).filter(is_it).max_by_key(|act| act.call)
    }

    fn is_outdated_here(&self) -> bool {
        self.is_newer_on(self.own_name(), self.record, true)
    }

    fn is_outdated_there(&self, arrival: Option<&OpRecord>) -> bool {
        match arrival {
            Some(arrival) => self.is_newer_on(self.peer, arrival, true),
            None => self.is_newer_on(self.peer, self.record, false),
        }
    }

    /// Whether a node knows something newer than a record: it acted, or saw that nothing runs.
    fn is_newer_on(&self, node: &NodeName, than: &OpRecord, is_same_node: bool) -> bool {
        let saw_nothing =
            |record: &&OpRecord| record.operation == "monitor" && record.rc == Some(rc::NOT_RUNNING);
        let mut known = self.acts(node).chain(self.records(node).iter().filter(saw_nothing));
        known.any(|record| self.is_later(record, than, is_same_node))
    }

    /// On one node calls are counted; of two nodes only the clocks tell, where both were looked at.
    fn is_later(&self, record: &OpRecord, than: &OpRecord, is_same_node: bool) -> bool {
        if is_same_node { record.call > than.call } else { than.at_ms > 0 && record.at_ms > than.at_ms }
    }
}

fn is_success(record: &OpRecord) -> bool {
    record.status == OpStatus::Done && record.rc == Some(rc::OK)
}
