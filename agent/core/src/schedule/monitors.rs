//! Probes and recurring monitors: which to run, which to end.

use super::graph::{Graph, Task};
use super::nodes::NodeIx;
use super::world::{Kind, Role, RscIx, World};
use alloc::vec::Vec;
use muster_api::constraint::RoleName;
use muster_api::resource::Operation;

/// Resources that nobody has looked for on a member. Anything that runs there without a record would be started a
/// second time.
pub(crate) fn missing_probes(world: &World<'_>) -> Vec<(RscIx, NodeIx)> {
    let mut probes = Vec::new();
    for node in world.node_indexes() {
        let unknown = world.runnables().into_iter().filter(|rsc| needs_probe(world, *rsc, node));
        probes.extend(unknown.map(|rsc| (rsc, node)));
    }
    probes
}

/// Whether there is a resource of which nobody knows if it runs on that node.
pub(crate) fn is_anything_unknown(world: &World<'_>, node: NodeIx) -> bool {
    world.runnables().into_iter().any(|rsc| needs_probe(world, rsc, node))
}

/// Whether nobody knows if the resource runs on that member.
pub(crate) fn needs_probe(world: &World<'_>, rsc: RscIx, node: NodeIx) -> bool {
    let there = &world[node];
    let can_look = there.is_online && !there.is_pending && there.unclean.is_none();
    let is_probed = !world[rsc].is_orphan() && !world[rsc].is_fence_device();
    can_look && is_probed && is_open_question(world, rsc, node) && alike(world, rsc).first() == Some(&rsc)
}

/// Whether the resource may run on a node without anybody knowing: it is not among those that nobody looks for there.
pub(crate) fn is_open_question(world: &World<'_>, rsc: RscIx, node: NodeIx) -> bool {
    let is_known = |one: &RscIx| world[*one].is_known_on(node) || is_under_way(world, *one, node);
    can_be_found(world, rsc, node) && !alike(world, rsc).iter().any(is_known)
}

/// Whether the resource may be found on a node: not in what has just been started, and not what is never there.
fn can_be_found(world: &World<'_>, rsc: RscIx, node: NodeIx) -> bool {
    let is_inside_of_bundle = world.clone_of(rsc).is_some() && world.bundle_of(rsc).is_some();
    let is_own_node = world[rsc].scores.contains_key(&node);
    let exclusive_to = &world[rsc].exclusive_to;
    let is_hidden =
        world[rsc].never_on.contains(&node) || !(exclusive_to.is_empty() || exclusive_to.contains(&node));
    let has_container = world.container_of(rsc).is_some() && !world[rsc].is_connection();
    match world[node].connection {
        _ if has_container || is_hidden => false,
        None => !is_inside_of_bundle,
        Some(_) if world[rsc].is_connection() => false,
        // What is a guest node is in no other.
        Some(_)
            if world[node].container.is_some()
                && world.nodes.iter().any(|one| one.container == Some(rsc)) =>
        {
            false
        }
        Some(_) if world[node].is_bundled => is_inside_of_bundle && is_own_node && is_up(world, node),
        Some(_) => !is_inside_of_bundle && is_up(world, node),
    }
}

/// A guest node that comes up or goes down runs nothing that could be found.
fn is_up(world: &World<'_>, node: NodeIx) -> bool {
    world[node].container.is_none_or(|container| {
        let one = &world[container];
        one.role == Role::Started && one.next_role != Role::Stopped && !one.is_failed
    })
}

/// The instances that cannot be told from each other: one look at a node is enough for all.
fn alike(world: &World<'_>, rsc: RscIx) -> Vec<RscIx> {
    match world.clone_of(rsc) {
        Some(clone) => {
            let mut alike = world.leaves(clone);
            alike.retain(|leaf| world[*leaf].id == world[rsc].id);
            alike.sort_unstable();
            alike
        }
        None => alloc::vec![rsc],
    }
}

fn is_under_way(world: &World<'_>, rsc: RscIx, node: NodeIx) -> bool {
    world[rsc].observed.get(&node).is_some_and(|observed| observed.is_start_pending)
}

/// The monitors that shall be repeated where the resource will run, and are not yet.
pub(crate) fn missing_monitors<'a>(
    world: &World<'a>,
    graph: &Graph,
    rsc: RscIx,
) -> Vec<(NodeIx, &'a Operation)> {
    let Some((node, is_fresh)) = will_run_on(world, graph, rsc) else { return Vec::new() };
    let repeated = |interval_ms| {
        !is_fresh
            && world[rsc].observed.get(&node).is_some_and(|observed| observed.monitors.contains(&interval_ms))
    };
    let wanted = wanted_monitors(world, rsc, node).into_iter();
    wanted.filter(|operation| !repeated(operation.interval_ms)).map(|operation| (node, operation)).collect()
}

/// The monitors that are repeated and shall not be any more, where the resource stays as it is.
pub(crate) fn surplus_monitors(world: &World<'_>, graph: &Graph, rsc: RscIx) -> Vec<(NodeIx, u64)> {
    let mut surplus = Vec::new();
    for (&node, observed) in &world[rsc].observed {
        let wanted = wanted_monitors(world, rsc, node);
        let is_stopped = graph.on(rsc, Task::Stop, node).is_some_and(|stop| graph[stop].is_due());
        // Where it does not run its monitors have ended.
        let is_there = observed.state.is_active() && !is_stopped;
        if !world[node].is_online || world[node].unclean.is_some() || !is_there {
            continue;
        }
        // Ending a monitor forgets its record; a failure that still counts is not forgotten that way.
        let found_failure = |interval_ms: &u64| {
            let failure = observed.failure.as_ref();
            failure
                .is_some_and(|failure| failure.operation == "monitor" && failure.interval_ms == *interval_ms)
        };
        let is_wanted =
            |interval_ms: &u64| wanted.iter().any(|operation| operation.interval_ms == *interval_ms);
        surplus.extend(
            observed.monitors.iter().filter(|ms| !is_wanted(ms) && !found_failure(ms)).map(|ms| (node, *ms)),
        );
    }
    surplus
}

/// Recurring monitors as configured; none in maintenance, nor for what is blocked.
fn wanted_monitors<'a>(world: &World<'a>, rsc: RscIx, node: NodeIx) -> Vec<&'a Operation> {
    let Kind::Primitive(primitive) = world[rsc].kind else { return Vec::new() };
    let is_in_maintenance =
        world.settings.is_maintenance || world[rsc].meta.is_maintenance || world[node].is_maintenance;
    let is_left = is_in_maintenance || world[rsc].blocked.is_some();
    let next_role = world[rsc].next_role;
    let is_wanted = |operation: &&Operation| {
        let is_for_role = match operation.role.as_deref().and_then(RoleName::parse) {
            None => next_role != Role::Promoted,
            Some(RoleName::Started) => next_role == Role::Started,
            Some(RoleName::Unpromoted) => next_role == Role::Unpromoted,
            Some(RoleName::Promoted) => next_role == Role::Promoted,
            Some(RoleName::Stopped) => false,
        };
        operation.name == "monitor" && operation.interval_ms > 0 && operation.enabled && is_for_role
    };
    if is_left { Vec::new() } else { primitive.operations.iter().filter(is_wanted).collect() }
}

/// Whether its agent is told of changed parameters there: what is stopped or demoted comes up with them anyway.
pub(crate) fn is_reloaded(graph: &Graph, rsc: RscIx, node: NodeIx) -> bool {
    let is_down = |task| graph.doing(rsc, task).any(|action| graph[action].is_due());
    graph.on(rsc, Task::Reload, node).is_some_and(|reload| graph[reload].is_due())
        && !is_down(Task::Stop)
        && !is_down(Task::Demote)
}

/// Where the resource will run when the transition is over, and whether its monitors are to begin anew there: it is started by
/// it, or told of changed parameters.
fn will_run_on(world: &World<'_>, graph: &Graph, rsc: RscIx) -> Option<(NodeIx, bool)> {
    let node = world[rsc].placed_on.filter(|_| world[rsc].next_role.is_active())?;
    let is_due = |task| graph.on(rsc, task, node).is_some_and(|action| graph[action].is_due());
    let is_member = world[node].is_online && world[node].unclean.is_none();
    if is_due(Task::Start) {
        Some((node, true))
    } else {
        let stays = world[rsc].running_on.contains(&node) && is_member && !is_due(Task::Stop);
        stays.then(|| (node, is_reloaded(graph, rsc, node)))
    }
}
