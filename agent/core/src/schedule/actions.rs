//! From where a resource is to where it shall be: its stops and starts. What runs and stays gets an optional stop and
//! an optional start, so that an order can ask for a restart and an impossible start for a stop.

use super::graph::{ActionIx, Graph, Planned, Task};
use super::meta::{MultipleActive, Requires};
use super::nodes::NodeIx;
use super::settings::QuorumPolicy;
use super::world::{Role, RscIx, World};
use alloc::format;
use alloc::string::{String, ToString};

/// Creates the actions of all resources.
pub(crate) fn create_all(world: &mut World<'_>) -> Graph {
    let mut graph = Graph::default();
    for top in world.top.clone() {
        for member in world.members(top).to_vec() {
            create(world, &mut graph, member);
        }
        if world[top].is_group() {
            for task in [Task::Start, Task::Started, Task::Stop, Task::Stopped] {
                graph.add(Planned { is_pseudo: true, ..planned(top, task, None) });
            }
        } else {
            create(world, &mut graph, top);
        }
    }
    graph
}

fn planned(rsc: RscIx, task: Task, node: Option<NodeIx>) -> Planned {
    Planned {
        rsc: Some(rsc),
        node,
        task,
        is_optional: true,
        is_runnable: true,
        is_pseudo: false,
        is_left_alone: false,
        why: None,
    }
}

fn create(world: &mut World<'_>, graph: &mut Graph, rsc: RscIx) {
    set_next_role(world, rsc);
    let (current, place) = (world.current_node(rsc), world[rsc].placed_on);
    let is_moving =
        current.is_some() && place.is_some() && current != place && world[rsc].next_role >= Role::Started;
    let must_stop = why_stop(world, rsc, is_moving);
    if world[rsc].is_start_pending
        && let Some(place) = place
    {
        start(world, graph, rsc, place, true, None);
    }
    let restart_why = must_stop.clone();
    if world[rsc].role == Role::Started {
        stop_everywhere(world, graph, rsc, must_stop);
    }
    let may_start = world[rsc].role == Role::Started && world[rsc].blocked.is_none();
    if let Some(place) = place.filter(|_| may_start && world[rsc].next_role == Role::Started) {
        start(world, graph, rsc, place, restart_why.is_none(), restart_why);
    }
    match (world[rsc].role, world[rsc].next_role) {
        (Role::Started, Role::Stopped) => stop_everywhere(world, graph, rsc, Some(why_stopped(world, rsc))),
        (Role::Stopped, Role::Started) => {
            if let Some(place) = place {
                start(world, graph, rsc, place, false, None);
            }
        }
        _ => {}
    }
}

fn set_next_role(world: &mut World<'_>, rsc: RscIx) {
    if world[rsc].next_role == Role::Unknown {
        let is_placed = world[rsc].placed_on.is_some();
        world[rsc].next_role = if is_placed { Role::Started } else { Role::Stopped };
    }
}

/// Why what runs must be stopped before it is started again.
fn why_stop(world: &mut World<'_>, rsc: RscIx, is_moving: bool) -> Option<String> {
    let is_multiple = is_multiple(world, rsc);
    let policy = world[rsc].meta.multiple_active;
    world[rsc].stops_unexpected = is_multiple && policy == MultipleActive::StopUnexpected;
    let rsc = &world[rsc];
    if is_moving {
        Some("it moves".to_string())
    } else if is_multiple && matches!(policy, MultipleActive::StopStart | MultipleActive::StopUnexpected) {
        Some("it is active on several nodes".to_string())
    } else if rsc.is_failed {
        Some("it failed".to_string())
    } else if let Some(why) = &rsc.blocked {
        Some(why.clone())
    } else if rsc.is_changed {
        Some("its definition changed".to_string())
    } else {
        None
    }
}

/// Whether it is active on several nodes. What does not wait for fencing is not counted on nodes that are lost.
fn is_multiple(world: &World<'_>, rsc: RscIx) -> bool {
    let counts = |node: &&NodeIx| {
        requires(world, rsc) == Requires::Fencing
            || (world[**node].is_online && world[**node].unclean.is_none())
    };
    world[rsc].running_on.iter().filter(counts).count() > 1
}

fn why_stopped(world: &World<'_>, rsc: RscIx) -> String {
    let rsc = &world[rsc];
    if rsc.is_orphan() {
        "it was removed from the configuration".to_string()
    } else if rsc.meta.is_disabled {
        "`target-role` is `Stopped`".to_string()
    } else if world.settings.stops_all {
        "`stop-all-resources` is set".to_string()
    } else {
        "no node may run it".to_string()
    }
}

/// The one place of a resource that is stopped only where it should not be.
fn is_expected(world: &World<'_>, rsc: RscIx, node: NodeIx) -> bool {
    let rsc = &world[rsc];
    let stays_there = rsc.placed_on == Some(node) && rsc.running_on.contains(&node);
    rsc.stops_unexpected && rsc.next_role == Role::Started && stays_there && !rsc.is_failed
}

fn stop_everywhere(world: &World<'_>, graph: &mut Graph, rsc: RscIx, why: Option<String>) {
    for node in world[rsc].running_on.clone() {
        if !is_expected(world, rsc, node) {
            stop(world, graph, rsc, node, why.clone());
        }
    }
}

fn stop(world: &World<'_>, graph: &mut Graph, rsc: RscIx, node: NodeIx, why: Option<String>) {
    let action =
        graph.on(rsc, Task::Stop, node).unwrap_or_else(|| graph.add(planned(rsc, Task::Stop, Some(node))));
    let is_managed = world[rsc].is_managed;
    graph[action].is_left_alone = !is_managed;
    if let Some(obstacle) = obstacle_to_stop(world, rsc, node) {
        block(graph, action, obstacle);
    }
    if is_managed && why.is_some() {
        graph[action].is_optional = false;
        if graph[action].is_runnable {
            graph[action].why = why;
        }
    }
}

fn obstacle_to_stop(world: &World<'_>, rsc: RscIx, node: NodeIx) -> Option<String> {
    if !world[node].is_online {
        Some(format!("{} is {}", world[node].name, world[node].unavailable_because().unwrap_or("offline")))
    } else if world[node].is_pending {
        Some(format!("{} is joining", world[node].name))
    } else if !world[rsc].is_managed {
        Some("it is not managed".to_string())
    } else {
        None
    }
}

fn start(
    world: &World<'_>,
    graph: &mut Graph,
    rsc: RscIx,
    node: NodeIx,
    is_optional: bool,
    why: Option<String>,
) -> ActionIx {
    let action =
        graph.on(rsc, Task::Start, node).unwrap_or_else(|| graph.add(planned(rsc, Task::Start, Some(node))));
    graph[action].is_left_alone = !world[rsc].is_managed;
    if let Some(obstacle) = obstacle_to_start(world, rsc, node) {
        block(graph, action, obstacle);
    }
    if !is_optional && world[rsc].is_managed {
        graph[action].is_optional = false;
        if graph[action].is_runnable {
            graph[action].why = why;
        }
    }
    if is_expected(world, rsc, node) {
        graph[action].is_pseudo = true;
    }
    action
}

fn block(graph: &mut Graph, action: ActionIx, why: String) {
    graph[action].is_runnable = false;
    graph[action].why = Some(why);
}

fn obstacle_to_start(world: &World<'_>, rsc: RscIx, node: NodeIx) -> Option<String> {
    if !world[node].is_online || world[node].is_pending {
        return Some(format!(
            "{} is {}",
            world[node].name,
            world[node].unavailable_because().unwrap_or("offline")
        ));
    }
    if let Some(joining) = node_that_cannot_be_asked(world, rsc) {
        return Some(format!(
            "{} is joining, and it is not known whether it runs there",
            world[joining].name
        ));
    }
    if requires(world, rsc) == Requires::Nothing {
        return None;
    }
    let is_new = world[rsc].running_on.is_empty() || world[rsc].next_role > world[rsc].role;
    match world.settings.quorum_policy_in_force() {
        QuorumPolicy::Stop => Some("there is no quorum".to_string()),
        QuorumPolicy::Freeze if is_new => {
            Some("there is no quorum, and `no-quorum-policy` is `freeze`".to_string())
        }
        _ => None,
    }
}

/// A node that is there, cannot run a probe yet, and might run the resource.
fn node_that_cannot_be_asked(world: &World<'_>, rsc: RscIx) -> Option<NodeIx> {
    let is_open =
        |node: &NodeIx| world[*node].is_online && world[*node].is_pending && !world[rsc].is_known_on(*node);
    world.node_indexes().find(|node| world[rsc].running_on.is_empty() && is_open(node))
}

/// What a start of the resource waits for: a fence device must be there before fencing can be.
pub(crate) fn requires(world: &World<'_>, rsc: RscIx) -> Requires {
    let settings = &world.settings;
    match world[rsc].meta.requires {
        Some(Requires::Fencing) if !settings.is_fencing_enabled => Requires::Quorum,
        Some(requires) => requires,
        None if world[rsc].is_fence_device() => Requires::Quorum,
        None if settings.is_fencing_enabled => Requires::Fencing,
        None if settings.quorum_policy == QuorumPolicy::Ignore => Requires::Nothing,
        None => Requires::Quorum,
    }
}

/// An action that is not going to happen, to be asked what that means for others.
pub(crate) fn missing(graph: &mut Graph, rsc: RscIx, task: Task, why: String) -> ActionIx {
    graph.add(Planned { is_runnable: false, why: Some(why), ..planned(rsc, task, None) })
}
