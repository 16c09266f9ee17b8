//! Unfencing: where a fence device cuts nodes off from something shared, a node must be let in before anything that needs
//! it is started there (`provides` = `unfencing` of a device, `requires` = `unfencing` of a resource).

use super::actions::requires;
use super::graph::{ActionIx, Graph, Planned, Relation, Task};
use super::meta::Requires;
use super::monitors;
use super::nodes::NodeIx;
use super::world::{RscIx, World};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Considers the unfencing of every node that can be, and orders it with all that needs it.
pub(crate) fn add_all(world: &World<'_>, graph: &mut Graph) {
    if !world.settings.has_unfencing {
        return;
    }
    let needy: Vec<RscIx> = world.runnables().into_iter().filter(|rsc| waits_for_it(world, *rsc)).collect();
    for node in world.node_indexes().filter(|node| can_be_unfenced(world, *node)) {
        let why = why(world, graph, &needy, node);
        let unfencing = graph.add(planned(node, why));
        for &rsc in &needy {
            order(world, graph, (unfencing, node), rsc);
        }
    }
}

/// A resource that was said to need it, or a device that may not work without it.
fn waits_for_it(world: &World<'_>, rsc: RscIx) -> bool {
    world[rsc].is_fence_device() || requires(world, rsc) == Requires::Unfencing
}

fn can_be_unfenced(world: &World<'_>, node: NodeIx) -> bool {
    let there = &world[node];
    there.is_online
        && there.unclean.is_none()
        && !there.is_leaving
        && world.can_fence(node)
        && there.container.is_none()
}

/// Why it has to be done, where that is so.
fn why(world: &World<'_>, graph: &Graph, needy: &[RscIx], node: NodeIx) -> Option<String> {
    if let Some(why) = &world[node].unfenced_because {
        return Some(why.clone());
    }
    let was_unfenced = world[node].attribute("#node-unfenced").is_some_and(|at| at != "0");
    let needs_it = |rsc: &&RscIx| {
        graph.on(**rsc, Task::Start, node).is_some() || monitors::needs_probe(world, **rsc, node)
    };
    let first = needy.iter().find(needs_it).filter(|_| !was_unfenced)?;
    Some(format!("{} needs it there", world[*first].id))
}

fn planned(node: NodeIx, why: Option<String>) -> Planned {
    Planned {
        rsc: None,
        node: Some(node),
        task: Task::Unfence,
        is_optional: why.is_none(),
        is_runnable: true,
        is_pseudo: false,
        is_left_alone: false,
        is_under_way: false,
        is_migratable: false,
        needs_before: 0,
        why,
    }
}

/// What runs there stops before, and starts after.
fn order(world: &World<'_>, graph: &mut Graph, (unfencing, node): (ActionIx, NodeIx), rsc: RscIx) {
    if !world[rsc].is_managed {
        return;
    }
    if let Some(stop) = graph.on(rsc, Task::Stop, node) {
        let is_device = world[rsc].is_fence_device();
        let relation =
            if is_device { Relation::ORDERED } else { Relation::ORDERED.and(Relation::THEN_IMPLIES_FIRST) };
        graph.order(stop, unfencing, relation);
    }
    if let Some(start) = graph.on(rsc, Task::Start, node) {
        graph.order(unfencing, start, Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN));
    }
}
