//! The best set of nodes that all reach each other: the membership to propose.
//!
//! Best is: most nodes, then most votes, then with the present coordinator, then the lowest node ids. The order
//! is total, so that nodes which know the same choose the same.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use muster_api::id::NodeId;

/// Steps that the search may take: enough for 64 nodes with a few broken links. A graph that is worse gets the best set
/// that was found so far, which is still a clique.
const STEPS_MAX: u32 = 20_000;

/// Who reaches whom, in both directions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    neighbours: BTreeMap<NodeId, BTreeSet<NodeId>>,
}

impl Graph {
    pub(crate) fn connect(&mut self, a: NodeId, b: NodeId) {
        self.neighbours.entry(a).or_default().insert(b);
        self.neighbours.entry(b).or_default().insert(a);
    }

    fn reaches(&self, a: NodeId, b: NodeId) -> bool {
        self.neighbours.get(&a).is_some_and(|all| all.contains(&b))
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
    let mut search = Search { graph, preference, best: BTreeSet::from([me]), steps: 0 };
    let candidates: Vec<NodeId> = graph.neighbours.get(&me).into_iter().flatten().copied().collect();
    search.extend(BTreeSet::from([me]), &candidates);
    search.best
}

struct Search<'a> {
    graph: &'a Graph,
    preference: &'a Preference<'a>,
    best: BTreeSet<NodeId>,
    steps: u32,
}

impl Search<'_> {
    fn extend(&mut self, set: BTreeSet<NodeId>, candidates: &[NodeId]) {
        self.steps += 1;
        if self.preference.rank(&set) > self.preference.rank(&self.best) {
            self.best.clone_from(&set);
        }
        for (index, next) in candidates.iter().enumerate() {
            let is_hopeless = set.len() + candidates.len() - index < self.best.len();
            if is_hopeless || self.steps > STEPS_MAX {
                return;
            }
            let common = |id: &&NodeId| self.graph.reaches(*next, **id);
            let rest: Vec<NodeId> = candidates[index + 1..].iter().filter(common).copied().collect();
            let mut larger = set.clone();
            larger.insert(*next);
            let takes_all = rest.len() == candidates.len() - index - 1;
            self.extend(larger, &rest);
            if takes_all {
                // Whoever reaches all the others is in the best set: leaving it out cannot help.
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best_of(edges: &[(u32, u32)], me: u32, coordinator: Option<u32>) -> Vec<u32> {
        let mut graph = Graph::default();
        edges.iter().for_each(|(a, b)| graph.connect(NodeId(*a), NodeId(*b)));
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
