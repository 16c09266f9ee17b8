//! The best set of nodes that all reach each other: the membership to propose.
//!
//! Best is: most nodes, then most votes, then with the present coordinator, then the lowest node ids. The order
//! is total, so that nodes which know the same choose the same.

use super::view::Member;
use crate::message::Reach;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use muster_api::id::NodeId;

/// Steps that the search may take: enough for 64 nodes with a few broken links. A graph that is worse gets the best set
/// that was found so far, which is still a clique.
const STEPS_MAX: u32 = 20_000;
/// Nodes that the search tells apart, a bit for each; what is more is left out of it.
const NODES_MAX: usize = 128;

/// Who reaches whom. A node's place is its bit in all sets.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// By node id.
    nodes: Vec<Member>,
    /// Whom each says that it reaches, and itself.
    reaches: Vec<u128>,
}

impl Graph {
    /// Of nodes that do not reach each other.
    pub(crate) fn of(nodes: impl Iterator<Item = Member>) -> Self {
        let mut nodes: Vec<Member> = nodes.take(NODES_MAX).collect();
        nodes.sort_unstable();
        let reaches = (0..nodes.len()).map(|place| 1 << place).collect();
        Self { nodes, reaches }
    }

    fn all(&self) -> u128 {
        self.reaches.iter().fold(0, |all, place| all | place)
    }

    fn place_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok()
    }

    /// A node reaches all.
    pub(crate) fn reach_all(&mut self, by: NodeId) {
        let all = (0..self.nodes.len()).fold(0, |all, place| all | 1 << place);
        if let Some(place) = self.place_of(by) {
            self.reaches[place] = all;
        }
    }

    /// A node says whom it reaches, by node id; links to former lives of the others do not count.
    pub(crate) fn hear(&mut self, by: NodeId, reach: &[Reach]) {
        let Some(place) = self.place_of(by) else { return };
        let mut nodes = self.nodes.iter().enumerate().peekable();
        for reach in reach.iter().filter(|reach| reach.is_linked) {
            while nodes.next_if(|(_, node)| node.id < reach.node).is_some() {}
            let is_same = |node: &Member| node.id == reach.node && node.session == reach.session;
            if let Some((other, _)) = nodes.peek().filter(|(_, node)| is_same(node)) {
                self.reaches[place] |= 1 << *other;
            }
        }
    }

    /// A node says that it reaches only those.
    pub(crate) fn cut_off(&mut self, by: NodeId, rest: &BTreeSet<NodeId>) {
        let Some(place) = self.place_of(by) else { return };
        for (other, node) in self.nodes.iter().enumerate().filter(|(_, node)| !rest.contains(&node.id)) {
            if node.id != by {
                self.reaches[place] &= !(1 << other);
            }
        }
    }

    /// All reach all.
    pub(crate) fn is_complete(&self) -> bool {
        let all = self.all();
        self.reaches.iter().all(|reached| *reached == all)
    }

    /// Those that reach each other in both directions.
    fn neighbours(&self) -> Vec<u128> {
        let both = |one: usize| {
            let back = |other: &usize| self.reaches[*other] >> one & 1 == 1;
            let others = (0..self.nodes.len()).filter(|other| *other != one && back(other));
            others.fold(0, |set, other| set | 1 << other) & self.reaches[one]
        };
        (0..self.nodes.len()).map(both).collect()
    }
}

/// What makes one set better than another.
#[derive(Debug)]
pub(crate) struct Preference<'a> {
    pub(crate) votes: &'a BTreeMap<NodeId, u32>,
    pub(crate) coordinator: Option<NodeId>,
}

/// Larger is better.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) size: usize,
    pub(crate) votes: u32,
    has_coordinator: bool,
    ids: Reverse<Vec<NodeId>>,
}

impl Preference<'_> {
    pub(crate) fn rank(&self, set: &BTreeSet<NodeId>) -> Rank {
        Rank {
            size: set.len(),
            votes: set.iter().filter_map(|id| self.votes.get(id)).sum(),
            has_coordinator: self.coordinator.is_some_and(|id| set.contains(&id)),
            ids: Reverse(set.iter().copied().collect()),
        }
    }
}

/// The best clique that `me` is in.
pub(crate) fn best(me: NodeId, graph: &Graph, preference: &Preference<'_>) -> BTreeSet<NodeId> {
    let Some(place) = graph.place_of(me) else { return BTreeSet::from([me]) };
    let votes = |node: &Member| preference.votes.get(&node.id).copied().unwrap_or(0);
    let mut search = Search {
        neighbours: graph.neighbours(),
        votes: graph.nodes.iter().map(votes).collect(),
        coordinator: preference.coordinator.and_then(|id| graph.place_of(id)).map_or(0, |place| 1 << place),
        best: 1 << place,
        steps: 0,
    };
    search.extend(1 << place, search.neighbours[place]);
    places(search.best).map(|place| graph.nodes[place].id).collect()
}

fn places(mut set: u128) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let next = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(next)
    })
}

struct Search {
    neighbours: Vec<u128>,
    votes: Vec<u32>,
    /// The present coordinator's bit, where it is there.
    coordinator: u128,
    best: u128,
    steps: u32,
}

impl Search {
    fn extend(&mut self, set: u128, mut candidates: u128) {
        self.steps += 1;
        if self.is_better(set) {
            self.best = set;
        }
        while candidates != 0 {
            let is_hopeless = set.count_ones() + candidates.count_ones() < self.best.count_ones();
            if is_hopeless || self.steps > STEPS_MAX {
                return;
            }
            let next = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let common = candidates & self.neighbours[next];
            self.extend(set | 1 << next, common);
            if common == candidates {
                // Whoever reaches all the others is in the best set: leaving it out cannot help.
                return;
            }
        }
    }

    /// As [`Rank`] says.
    fn is_better(&self, set: u128) -> bool {
        let votes = |set: u128| places(set).map(|place| self.votes[place]).sum::<u32>();
        let has_coordinator = |set: u128| set & self.coordinator != 0;
        let more = set.count_ones().cmp(&self.best.count_ones());
        let more = more.then_with(|| votes(set).cmp(&votes(self.best)));
        let more = more.then_with(|| has_coordinator(set).cmp(&has_coordinator(self.best)));
        // Of two sets of one size the one with the lowest node that is not in both.
        more.then_with(|| set.reverse_bits().cmp(&self.best.reverse_bits())).is_gt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_of(edges: &[(u32, u32)], me: u32, coordinator: Option<u32>) -> Vec<u32> {
        let ids = edges.iter().flat_map(|(a, b)| [*a, *b]).collect::<BTreeSet<u32>>();
        let mut graph = Graph::of(ids.iter().map(|id| Member { id: NodeId(*id), session: 7 }));
        for id in ids {
            let others = edges.iter().filter_map(|(a, b)| match id {
                id if id == *a => Some(*b),
                id if id == *b => Some(*a),
                _ => None,
            });
            let others: BTreeSet<u32> = others.collect();
            let reach = |other| Reach { node: NodeId(other), session: 7, is_linked: true };
            graph.hear(NodeId(id), &others.into_iter().map(reach).collect::<Vec<_>>());
        }
        let votes = (1..=70).map(|id| (NodeId(id), 1)).collect();
        let preference = Preference { votes: &votes, coordinator: coordinator.map(NodeId) };
        best(NodeId(me), &graph, &preference).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn two_nodes_that_do_not_reach_each_other_are_never_together() {
        assert_eq!(best_of(&[(1, 2), (2, 3)], 2, None), [1, 2]);
        assert_eq!(best_of(&[(1, 2), (2, 3)], 2, Some(3)), [2, 3], "the coordinator's side wins a tie");
        assert_eq!(best_of(&[(1, 2), (2, 3), (2, 4), (3, 4)], 2, Some(1)), [2, 3, 4], "more nodes win");
    }

    #[test]
    fn sixty_four_nodes_are_found_at_once() {
        let edges: Vec<(u32, u32)> = (1..=64).flat_map(|a| (a + 1..=64).map(move |b| (a, b))).collect();
        assert_eq!(best_of(&edges, 5, None).len(), 64);
        let broken: Vec<(u32, u32)> =
            edges.into_iter().filter(|edge| *edge != (7, 9) && *edge != (1, 2)).collect();
        assert_eq!(best_of(&broken, 5, None).len(), 62);
    }
}
