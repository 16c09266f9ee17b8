//! Nodes that are no members: something else of this cluster reaches them through a connection, which is a resource. A
//! remote node is a machine of its own; a guest node is what a container or a virtual machine is to the resources
//! inside, so the container decides about it: it is fenced by restarting that (Pacemaker Remote).

use super::because::Because;
use super::graph::{ActionIx, Graph, Relation, Task};
use super::monitors;
use super::nodes::NodeIx;
use super::ordering;
use super::unpack;
use super::world::{Role, RscIx, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Tells every node which resource is its connection, and keeps away from such nodes what cannot run there.
pub(crate) fn connect(world: &mut World<'_>) {
    for connection in world.runnables() {
        link(world, connection);
    }
    let connected: Vec<NodeIx> =
        // The inside of a bundle is closed to all others anyway.
        world.node_indexes().filter(|node| world[*node].connection.is_some() && !world[*node].is_bundled).collect();
    for rsc in world.runnables() {
        if let Some(why) = cannot_run_remotely(world, rsc) {
            connected.iter().for_each(|node| unpack::ban(world, rsc, *node, why.to_string(), Because::Other));
        }
        stay_inside(world, rsc);
    }
}

/// Tells a node that a resource is its connection, if it is one.
pub(crate) fn link(world: &mut World<'_>, connection: RscIx) {
    let is_connection = world[connection].is_connection();
    let node = world.find_node(&world[connection].id.as_str().into()).filter(|_| is_connection);
    let Some(node) = node else { return };
    world[node].connection = Some(connection);
    world[node].container = world.container_of(connection);
    if world[node].container.is_none() {
        let fences_unseen = world.settings.fences_unseen;
        world[node].is_unclean_if_unseen(fences_unseen);
    }
}

fn cannot_run_remotely(world: &World<'_>, rsc: RscIx) -> Option<&'static str> {
    let is_guest = || world.nodes.iter().any(|node| node.container == Some(rsc) && !node.is_bundled);
    if world[rsc].is_connection() {
        Some("is a connection, which only a member of the cluster can hold")
    } else if world[rsc].is_fence_device() {
        Some("is a fence device, which only a member of the cluster can use")
    } else if is_guest() {
        Some("is a guest node, which only a member of the cluster can hold")
    } else {
        None
    }
}

/// What is said to be in a container that is a node runs on that node.
fn stay_inside(world: &mut World<'_>, rsc: RscIx) {
    let Some(container) = world.container_of(rsc).filter(|_| !world[rsc].is_connection()) else { return };
    let inside = |node: &NodeIx| {
        world[*node].container == Some(container) || world[*node].connection == Some(container)
    };
    let Some(inside) = world.node_indexes().find(inside) else { return };
    for node in world.node_indexes().filter(|node| *node != inside) {
        let why = format!("belongs inside of {}", world[container].id);
        unpack::ban(world, rsc, node, why, Because::Other);
    }
}

/// What is known of the node by what is known of its connection and its container.
pub(crate) fn judge(world: &mut World<'_>, node: NodeIx) {
    let Some(connection) = world[node].connection else { return };
    let container = world[node].container;
    let host = container.and(<&[NodeIx; 1]>::try_from(world[connection].running_on.as_slice()).ok());
    let host = host.map(|[host]| *host);
    let is_started = world[connection].role == Role::Started;
    let has_stopped = |rsc: RscIx| world[rsc].role <= Role::Stopped;
    let is_host_lost = host.is_some_and(|host| !world[host].is_online && world[host].unclean.is_some());
    let (is_online, must_be_reset) = if container.is_some_and(|container| world[container].is_failed) {
        (false, true)
    } else if world[connection].is_failed {
        (false, world[node].must_be_reset)
    } else if has_stopped(connection) || container.is_some_and(has_stopped) {
        (false, false)
    } else if is_host_lost {
        (false, true)
    } else {
        (is_started, world[node].must_be_reset)
    };
    let is_leaving = is_started && world[connection].next_role == Role::Stopped;
    let is_left_alone = !world[connection].is_managed;
    let node = &mut world[node];
    node.is_online = is_online;
    node.must_be_reset = must_be_reset;
    node.is_leaving |= is_leaving;
    node.is_maintenance |= is_left_alone && !node.is_bundled;
}

/// A node's records were found: it is known, unless it must be reset.
pub(crate) fn was_seen(world: &mut World<'_>, node: NodeIx) {
    if world[node].connection.is_some() && !world[node].must_be_reset {
        world[node].unclean = None;
        world[node].is_unseen = false;
    }
}

/// Whether the records of a node can be read yet: of one that is reached through a connection only once that, and what
/// it runs in, are known to be up.
pub(crate) fn can_be_read(world: &World<'_>, node: NodeIx) -> bool {
    let is_up = |rsc: RscIx| world[rsc].role == Role::Started;
    match world[node].connection {
        Some(connection) => is_up(connection) && world[node].container.is_none_or(is_up),
        None => world.settings.is_fencing_enabled || world[node].is_online,
    }
}

/// Once all is known: connections to nodes that leave are given up.
pub(crate) fn close_connections(world: &mut World<'_>) {
    for node in world.node_indexes() {
        if let Some(connection) = world[node].connection.filter(|_| world[node].is_leaving) {
            world[connection].next_role = Role::Stopped;
        }
    }
}

/// A node must be fenced. For a guest node that is a failure of its container.
pub(crate) fn fence(world: &mut World<'_>, node: NodeIx, reason: String) {
    if let Some(container) = world[node].container {
        if !world[container].is_failed && world[container].is_managed {
            world[container].is_failed = true;
            world[node].must_be_reset = true;
        }
        return;
    }
    if let Some(connection) = world[node].connection {
        let is_managed = world[connection].is_managed;
        if !core::mem::replace(&mut world[node].must_be_reset, is_managed) {
            // That nobody had reached it yet is no reason any more.
            world[node].unclean = None;
        }
    }
    world[node].must_be_fenced(reason);
}

/// A connection was placed, or not: then it is known whether its node will be there.
pub(crate) fn take_in_place(world: &mut World<'_>, connection: RscIx) {
    let node = world.node_indexes().find(|node| world[*node].connection == Some(connection));
    let Some(node) = node else { return };
    let is_held = world[connection].placed_on.is_some() && world[connection].next_role != Role::Stopped;
    if !is_held {
        world[node].is_leaving = true;
        return;
    }
    world[node].is_online = true;
    if world[node].is_unseen {
        world[node].unclean = None;
    }
}

/// How a connection stands when something is to be done on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is up.
    Alive,
    /// It is on a node that is gone, and goes on elsewhere.
    Resting,
    /// It is down, and comes up.
    Unknown,
    /// It is down and stays so.
    Stopped,
    /// It is broken and stays so.
    Failed,
}

fn standing(world: &World<'_>, node: NodeIx, connection: RscIx) -> Standing {
    let one = &world[connection];
    let holder = world.current_node(connection);
    let is_unclean = |node: NodeIx| world[node].unclean.is_some();
    if one.next_role == Role::Stopped || one.placed_on.is_none() {
        let waits = one.next_role == Role::Stopped
            && world.reconnect_ms(connection) > 0
            && world[node].was_fenced
            && !world[node].wants_to_leave;
        match holder {
            Some(holder) if is_unclean(holder) => Standing::Failed,
            _ if !one.is_failed => Standing::Stopped,
            _ if waits => Standing::Unknown,
            _ => Standing::Failed,
        }
    } else {
        match holder {
            None => Standing::Unknown,
            Some(holder) if is_unclean(holder) || !world[holder].is_online => Standing::Resting,
            Some(_) if one.running_on.len() > 1 && one.migrating.is_some() => Standing::Resting,
            Some(_) => Standing::Alive,
        }
    }
}

/// Orders everything that is done on such nodes by what happens to the connection meanwhile, and says which of them must
/// be fenced because nobody will be able to look.
pub(crate) fn order(world: &mut World<'_>, graph: &mut Graph) {
    for node in world.node_indexes() {
        let Some(connection) = world[node].connection else { continue };
        fence_what_cannot_be_asked(world, node, connection);
        let there = |action: &ActionIx| {
            let planned = &graph[*action];
            planned.node == Some(node) && planned.rsc.is_some() && !planned.is_pseudo
        };
        let actions: Vec<ActionIx> = (0..graph.actions.len()).map(ActionIx).filter(there).collect();
        for action in actions {
            leave_after_connecting(world, graph, action, connection);
            match world[node].container {
                Some(container) => order_in_guest(world, graph, action, (connection, container)),
                None => order_on_remote(world, graph, action, (node, connection)),
            }
        }
    }
}

fn fence_what_cannot_be_asked(world: &mut World<'_>, node: NodeIx, connection: RscIx) {
    if world[node].container.is_some() || standing(world, node, connection) != Standing::Failed {
        return;
    }
    if !world[node].is_online {
        fence(world, node, "its connection cannot be had back".to_string());
    } else if monitors::is_anything_unknown(world, node) {
        fence(world, node, "its connection cannot be had back, and nobody knows what runs there".to_string());
    }
}

/// What moves to such a node leaves the old place only when the connection is there.
fn leave_after_connecting(world: &World<'_>, graph: &mut Graph, action: ActionIx, connection: RscIx) {
    let (Some(rsc), node) = (graph[action].rsc, graph[action].node) else { return };
    if graph[action].task != Task::Start {
        return;
    }
    let stops: Vec<ActionIx> = graph
        .doing(rsc, Task::Stop)
        .filter(|stop| graph[*stop].node.is_some() && graph[*stop].node != node)
        .collect();
    for stop in stops {
        for start in ordering::actions_of(world, graph, (connection, Task::Start)) {
            graph.order(start, stop, Relation::ORDERED);
        }
    }
}

/// In this order, and the second only if the first can be done.
const NEEDED: Relation = Relation::ORDERED.and(Relation::FIRST_BLOCKS_THEN);
/// In this order, and the first has to be done if the second is.
const ENDS_BEFORE: Relation = Relation::ORDERED.and(Relation::THEN_IMPLIES_FIRST);

fn after_start(world: &World<'_>, graph: &mut Graph, rsc: RscIx, then: ActionIx, relation: Relation) {
    for start in ordering::actions_of(world, graph, (rsc, Task::Start)) {
        graph.order(start, then, relation);
    }
}

fn before_stop(graph: &mut Graph, first: ActionIx, rsc: RscIx, relation: Relation) {
    for stop in graph.doing(rsc, Task::Stop).collect::<Vec<_>>() {
        graph.order(first, stop, relation);
    }
}

fn order_on_remote(
    world: &mut World<'_>,
    graph: &mut Graph,
    action: ActionIx,
    (node, connection): (NodeIx, RscIx),
) {
    let standing = standing(world, node, connection);
    match (graph[action].task, standing) {
        (Task::Start | Task::Promote, Standing::Failed) => {
            after_start(world, graph, connection, action, NEEDED.and(Relation::FIRST_IMPLIES_THEN));
        }
        (Task::Start | Task::Promote, _) => after_start(world, graph, connection, action, NEEDED),
        (Task::Stop, Standing::Alive) => {
            before_stop(graph, action, connection, ENDS_BEFORE);
        }
        (Task::Stop, Standing::Failed) => {
            let reason = "resources are active there, and its connection cannot be had back";
            fence(world, node, reason.to_string());
        }
        (Task::Stop, _) if world[connection].next_role == Role::Stopped => {
            before_stop(graph, action, connection, ENDS_BEFORE);
        }
        (Task::Stop, _) => after_start(world, graph, connection, action, NEEDED),
        (Task::Demote, Standing::Resting | Standing::Unknown) => {
            after_start(world, graph, connection, action, NEEDED);
        }
        (Task::Demote, _) => {}
        (_, Standing::Stopped) if world.current_node(connection).is_some() => {
            before_stop(graph, action, connection, NEEDED);
        }
        _ => after_start(world, graph, connection, action, NEEDED),
    }
}

fn order_in_guest(
    world: &mut World<'_>,
    graph: &mut Graph,
    action: ActionIx,
    (connection, container): (RscIx, RscIx),
) {
    match graph[action].task {
        Task::Start | Task::Promote => {
            after_start(world, graph, container, action, NEEDED.and(Relation::FIRST_IMPLIES_THEN));
            after_start(world, graph, connection, action, NEEDED);
        }
        // What fails outside ends what is inside.
        Task::Stop | Task::Demote if world[container].is_failed => {}
        Task::Stop | Task::Demote => before_stop(graph, action, connection, Relation::ORDERED),
        _ => after_start(world, graph, connection, action, NEEDED),
    }
}

/// Where a connection that is being handed over will be.
pub(crate) fn migration_target(world: &World<'_>, connection: RscIx) -> Option<NodeIx> {
    world[connection].migrating.map(|(_, target)| target)
}

/// Where the container of a node is or, once that is decided, will be.
pub(crate) fn host_of(world: &World<'_>, node: NodeIx) -> Option<NodeIx> {
    let container = world[node].container?;
    world[container].placed_on.or_else(|| world.current_node(container))
}
