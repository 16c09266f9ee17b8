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

/// Whether nobody knows if the resource runs on that member.
pub(crate) fn needs_probe(world: &World<'_>, rsc: RscIx, node: NodeIx) -> bool {
    let there = &world[node];
    let can_look = there.is_online && !there.is_pending && there.unclean.is_none();
    let is_probed = !world[rsc].is_orphan() && !world[rsc].is_fence_device();
    let alike = alike(world, rsc);
    let is_known = |one: &RscIx| world[*one].is_known_on(node) || is_under_way(world, *one, node);
    can_look && is_probed && alike.first() == Some(&rsc) && !alike.iter().any(is_known)
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

/// Where the resource will run when the transition is over, and whether it is started there by it.
fn will_run_on(world: &World<'_>, graph: &Graph, rsc: RscIx) -> Option<(NodeIx, bool)> {
    let node = world[rsc].placed_on.filter(|_| world[rsc].next_role.is_active())?;
    let is_due = |task| graph.on(rsc, task, node).is_some_and(|action| graph[action].is_due());
    let is_member = world[node].is_online && world[node].unclean.is_none();
    if is_due(Task::Start) {
        Some((node, true))
    } else {
        let stays = world[rsc].running_on.contains(&node) && is_member && !is_due(Task::Stop);
        stays.then_some((node, false))
    }
}
