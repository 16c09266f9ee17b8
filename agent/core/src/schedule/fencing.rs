//! Which nodes are fenced, and what that means: a stop on a fenced node is done by the fencing, and whatever needs
//! to know that a lost node runs nothing starts after it.

use super::actions::requires;
use super::graph::{ActionIx, Graph, Planned, Relation, Task};
use super::meta::Requires;
use super::world::World;
use alloc::format;
use alloc::vec::Vec;

/// Adds a fence action for each node that is unclean and may be fenced.
pub(crate) fn add_all(world: &World<'_>, graph: &mut Graph) -> Vec<ActionIx> {
    let mut fencings = Vec::new();
    for node in world.node_indexes() {
        let Some(reason) = &world[node].unclean else { continue };
        if !world.settings.can_fence(world[node].is_online) {
            continue;
        }
        fencings.push(graph.add(Planned {
            rsc: None,
            node: Some(node),
            task: Task::Fence,
            is_optional: false,
            is_runnable: true,
            is_pseudo: false,
            is_left_alone: false,
            is_migratable: false,
            needs_before: 0,
            why: Some(reason.clone()),
        }));
    }
    for &fencing in &fencings {
        order_stops(world, graph, fencing);
        order_starts(world, graph, fencing);
    }
    fencings
}

fn order_stops(world: &World<'_>, graph: &mut Graph, fencing: ActionIx) {
    let Some(target) = graph[fencing].node else { return };
    for rsc in world.runnables() {
        for task in [Task::Stop, Task::Demote] {
            let Some(down) = graph.on(rsc, task, target) else { continue };
            graph[down].is_pseudo = true;
            graph[down].is_runnable = true;
            graph[down].why = Some(format!("{} is fenced", world[target].name));
            graph.order(fencing, down, Relation::ORDERED);
        }
    }
}

fn order_starts(world: &World<'_>, graph: &mut Graph, fencing: ActionIx) {
    let Some(target) = graph[fencing].node else { return };
    for rsc in world.runnables() {
        let waits = match requires(world, rsc) {
            Requires::Nothing => false,
            Requires::Fencing => true,
            // Only where it may run there without anybody knowing.
            Requires::Quorum => world[rsc].scores.contains_key(&target) && !world[rsc].is_known_on(target),
        };
        if waits {
            for up in graph.doing(rsc, Task::Start).chain(graph.doing(rsc, Task::Promote)).collect::<Vec<_>>()
            {
                graph.order(fencing, up, Relation::ORDERED);
            }
        }
    }
}
