//! Live migration: instead of a stop here and a start there, the resource is handed over (`migrate_to` here, then
//! `migrate_from` there, then a stop of what is left here). The start there is only what others wait for. Where anything
//! asks for a real stop or start, nothing is migrated.

use super::actions::action;
use super::graph::{Graph, Relation, Task};
use super::nodes::NodeIx;
use super::ordering::{Ordered, order};
use super::world::{RscIx, World};
use muster_api::resource::OrderKind;

/// Whether a resource that is to move can be handed over.
pub(crate) fn is_possible(world: &World<'_>, rsc: RscIx) -> bool {
    let one = &world[rsc];
    let is_clean = |node: NodeIx| world[node].is_online && world[node].unclean.is_none();
    can_migrate(world, rsc)
        && one.is_managed
        && !one.is_failed
        && !one.is_start_pending
        && !one.cannot_migrate
        // What is left of an earlier one is stopped for real, and that ends before anything starts.
        && one.left_behind.is_empty()
        && (one.migrating.is_none() || goes_on(world, rsc))
        && world.current_node(rsc).is_some_and(is_clean)
        && one.placed_on.is_some_and(is_clean)
}

/// Whether a migration is under way that can be finished.
pub(crate) fn goes_on(world: &World<'_>, rsc: RscIx) -> bool {
    let one = &world[rsc];
    one.migrating.is_some_and(|(_, target)| one.placed_on == Some(target) && one.running_on.len() == 2)
        && can_migrate(world, rsc)
        && one.is_managed
        && !one.is_failed
        && !one.cannot_migrate
}

/// Whether it is configured to be. Instances that are all the same are not handed over.
fn can_migrate(world: &World<'_>, rsc: RscIx) -> bool {
    let is_alike = world.copies_of(rsc).is_some_and(|copies| !copies.is_unique);
    world[rsc].is_runnable() && world[rsc].meta.can_migrate && !is_alike
}

/// Adds the two halves of a migration, and makes the stop and the start a part of it.
pub(crate) fn add(world: &World<'_>, graph: &mut Graph, rsc: RscIx) {
    let (Some(source), Some(target)) = (world.current_node(rsc), world[rsc].placed_on) else { return };
    let (stop, start) = (graph.on(rsc, Task::Stop, source), graph.on(rsc, Task::Start, target));
    let (Some(stop), Some(start)) = (stop, start) else { return };
    if !graph[stop].is_runnable || !graph[start].is_runnable {
        return;
    }
    let from = action(graph, rsc, Task::MigrateFrom, target);
    // One that goes on has left already.
    let to = (!goes_on(world, rsc)).then(|| action(graph, rsc, Task::MigrateTo, source));
    for part in [from, stop, start].into_iter().chain(to) {
        graph[part].is_migratable = true;
    }
    graph[start].is_pseudo = true;
    let handed_over = Relation::ORDERED.and(Relation::MIGRATES);
    if let Some(to) = to {
        graph.order(to, from, handed_over);
    }
    graph.order(from, stop, handed_over);
    graph.order(from, start, handed_over.and(Relation::ELSE_FOR_REAL));
}

/// What an order of starts and stops means where one of the two is handed over.
pub(crate) fn order_equivalents(world: &World<'_>, graph: &mut Graph, ordered: &Ordered) {
    let ((first, first_task), (then, then_task)) = (ordered.first, ordered.then);
    if !can_migrate(world, then) || ordered.kind == OrderKind::Serialize {
        return;
    }
    let unless_handed_over = Relation::ORDERED.and(Relation::UNLESS_MIGRATING);
    let relation = if can_migrate(world, first) { unless_handed_over } else { Relation::ORDERED };
    match (first_task, then_task) {
        (Task::Start, Task::Start) => {
            if can_migrate(world, first) {
                let both = ((first, Task::MigrateFrom), (then, Task::MigrateTo));
                order_existing(world, graph, both.0, both.1, Relation::ORDERED);
            }
            order_existing(world, graph, (first, Task::Start), (then, Task::MigrateTo), relation);
        }
        (Task::Stop, Task::Stop) => {
            order_existing(world, graph, (first, Task::Stop), (then, Task::MigrateTo), relation);
        }
        (Task::Promote, Task::Start) | (Task::Demote, Task::Stop) => {
            order_existing(world, graph, (first, first_task), (then, Task::MigrateTo), Relation::ORDERED);
        }
        _ => {}
    }
}

fn order_existing(
    world: &World<'_>,
    graph: &mut Graph,
    first: (RscIx, Task),
    then: (RscIx, Task),
    relation: Relation,
) {
    let exists = !world[first.0].is_runnable() || graph.doing(first.0, first.1).next().is_some();
    if exists {
        order(world, graph, first, then, relation);
    }
}
