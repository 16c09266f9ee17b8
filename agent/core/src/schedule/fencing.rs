//! Which nodes are fenced, and what that means: a stop on a fenced node is done by the fencing, and whatever needs
//! to know that a lost node runs nothing starts after it. A guest node is fenced by the stop of its container.

use super::actions::requires;
use super::graph::{ActionIx, Graph, Planned, Relation, Task};
use super::meta::Requires;
use super::nodes::NodeIx;
use super::world::{RscIx, World};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Adds a fence action for each node that is unclean and may be fenced. Where nothing is managed (`maintenance-mode`),
/// fencing waits until something is.
pub(crate) fn add_all(world: &World<'_>, graph: &mut Graph) {
    if !world.manages_anything() {
        return;
    }
    for node in world.node_indexes().filter(|node| world[*node].container.is_none()) {
        let Some(reason) = &world[node].unclean else { continue };
        if world.can_fence(node) {
            let fencing = graph.add(fencing(node, reason.clone()));
            order_all(world, graph, (fencing, node));
        }
    }
    for guest in world.node_indexes().filter(|node| world[*node].must_be_reset) {
        if let Some(container) = world[guest].container.filter(|_| world.can_fence(guest)) {
            add_guest(world, graph, guest, container);
        }
    }
}

fn fencing(node: NodeIx, why: String) -> Planned {
    Planned {
        rsc: None,
        node: Some(node),
        task: Task::Fence,
        is_optional: false,
        is_runnable: true,
        is_pseudo: false,
        is_left_alone: false,
        is_under_way: false,
        is_migratable: false,
        needs_before: 0,
        why: Some(why),
    }
}

/// Nothing is run for it: it is the moment at which the guest is known to be down.
fn add_guest(world: &World<'_>, graph: &mut Graph, guest: NodeIx, container: RscIx) {
    let why = format!("its container {} failed", world[container].id);
    let point = graph.add(Planned { is_pseudo: true, ..fencing(guest, why) });
    let stop = graph.doing(container, Task::Stop).next();
    let implied = Relation::ORDERED.and(Relation::FIRST_BLOCKS_THEN).and(Relation::FIRST_IMPLIES_THEN);
    match stop {
        Some(stop) if graph[stop].is_pseudo => {
            let of_host = |action: &ActionIx| {
                graph[*action].task == Task::Fence && graph[*action].node == graph[stop].node
            };
            if let Some(host) = (0..graph.actions.len()).map(ActionIx).find(of_host) {
                graph.order(host, point, implied);
            }
        }
        Some(stop) => graph.order(stop, point, implied),
        None => {
            let connection = world[guest].connection.into_iter();
            let stops: Vec<ActionIx> = connection.flat_map(|rsc| graph.doing(rsc, Task::Stop)).collect();
            stops.into_iter().for_each(|stop| graph.order(stop, point, Relation::ORDERED));
        }
    }
    order_all(world, graph, (point, guest));
}

fn order_all(world: &World<'_>, graph: &mut Graph, (fencing, target): (ActionIx, NodeIx)) {
    for rsc in world.runnables() {
        order_stops(world, graph, (fencing, target), rsc);
        order_starts(world, graph, (fencing, target), rsc);
    }
}

fn order_stops(world: &World<'_>, graph: &mut Graph, (fencing, target): (ActionIx, NodeIx), rsc: RscIx) {
    let node = &world[target];
    let is_demoted_for_real =
        node.container.is_some() && node.is_online && node.unclean.is_none() && !world[rsc].is_failed;
    for task in [Task::Stop, Task::Demote] {
        let Some(down) = graph.on(rsc, task, target) else { continue };
        if task == Task::Demote && is_demoted_for_real {
            continue;
        }
        graph[down].is_pseudo = true;
        graph[down].is_runnable = true;
        graph[down].why = Some(format!("{} is fenced", world[target].name));
        // What is inside of a bundle ends with its container.
        if !node.is_bundled {
            graph.order(fencing, down, Relation::ORDERED);
        }
    }
}

fn order_starts(world: &World<'_>, graph: &mut Graph, (fencing, target): (ActionIx, NodeIx), rsc: RscIx) {
    let waits = match requires(world, rsc) {
        Requires::Nothing => false,
        Requires::Fencing | Requires::Unfencing => true,
        // Only where it may run there without anybody knowing.
        Requires::Quorum => world[rsc].scores.contains_key(&target) && !world[rsc].is_known_on(target),
    };
    if waits {
        let ups = graph.doing(rsc, Task::Start).chain(graph.doing(rsc, Task::Promote));
        ups.collect::<Vec<_>>().into_iter().for_each(|up| graph.order(fencing, up, Relation::ORDERED));
    }
}
