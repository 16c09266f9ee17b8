//! Orders where one of several resources is enough: a set with `require-all` = `false` before another set.

use super::actions;
use super::graph::{Graph, Relation};
use super::ordering::{Ordered, actions_of, task};
use super::world::{RscIx, World};
use alloc::vec::Vec;
use muster_api::constraint::{Constraint, OrderKind, ResourceSet};

/// Adds an order of two sets of which the first is one of alternatives. Other sets have become plain orders before.
pub(crate) fn add(world: &World<'_>, graph: &mut Graph, constraint: &Constraint) {
    let Constraint::OrderSets { kind, symmetrical, sets, .. } = constraint else { return };
    let [firsts, thens] = sets.as_slice() else { return };
    let (Some(first_task), Some(then_task)) = (task(action(firsts)), task(action(thens))) else { return };
    let enough = actions::enough(graph, 1);
    for first in resources(world, firsts) {
        let whole = if world[first].is_runnable() { first_task } else { first_task.completion() };
        for action in actions_of(world, graph, (first, whole)) {
            graph.order(action, enough, Relation::COUNTED);
        }
    }
    for then in resources(world, thens) {
        let ordered = Ordered { first: (then, first_task), then: (then, then_task), kind: *kind };
        let relation = ordered.relation(*symmetrical).and(Relation::FIRST_BLOCKS_THEN);
        for action in graph.doing(then, then_task).collect::<Vec<_>>() {
            graph.order(enough, action, relation);
        }
    }
    if *symmetrical && *kind != OrderKind::Serialize {
        // On the way down all of the first set wait for the second. One that goes leaves others, which may be enough.
        for first in ends(world, firsts, Vec::pop) {
            for then in ends(world, thens, |all| (!all.is_empty()).then(|| all.remove(0))) {
                let kind = OrderKind::Optional;
                Ordered { first: (first, first_task), then: (then, then_task), kind }
                    .add_reverse(world, graph);
            }
        }
    }
}

fn action(set: &ResourceSet) -> &str {
    set.action.as_deref().unwrap_or("start")
}

fn resources(world: &World<'_>, set: &ResourceSet) -> Vec<RscIx> {
    set.resources.iter().filter_map(|id| world.find(id)).collect()
}

/// The one that `pick` takes of a sequential set, or all.
fn ends(world: &World<'_>, set: &ResourceSet, pick: fn(&mut Vec<RscIx>) -> Option<RscIx>) -> Vec<RscIx> {
    let mut all = resources(world, set);
    if set.sequential { pick(&mut all).into_iter().collect() } else { all }
}
