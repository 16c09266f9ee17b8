//! Why things are as they are: for each resource the sentence that a person will ask for.

use super::decision::{self, Decision};
use super::graph::{Graph, Task};
use super::nodes::NodeIx;
use super::world::{Kind, Role, RscIx, World};
use super::{Report, explain, monitors};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::copies::too_many;
use muster_api::resource::Score;
use muster_api::status::{ResourceState, ResourceStatus};

/// The whole report.
pub(crate) fn report(world: &World<'_>, graph: &Graph, consequences: Vec<String>) -> Report {
    let mut resources = Vec::new();
    for rsc in world.rsc_indexes() {
        resources.push(status(world, graph, rsc));
    }
    Report { resources, consequences, alarms: alarms(world), next_check_ms: world.next_check_ms }
}

fn alarms(world: &World<'_>) -> Vec<String> {
    let mut alarms = Vec::new();
    if world.settings.lacks_fence_device() {
        alarms.push("`stonith-enabled` is true but there is no fence device: nothing is started".to_string());
    }
    if !world.settings.is_fencing_enabled {
        alarms.push(
            "fencing is off (`stonith-enabled` is false): a lost node is taken to run nothing".to_string(),
        );
    }
    if world.settings.is_maintenance {
        alarms.push("`maintenance-mode` is on: no resource is touched".to_string());
    }
    alarms.extend(too_many(world.situation.config).iter().map(|count| format!("not all are made: {count}")));
    for node in &world.nodes {
        let Some(why) = &node.unclean else { continue };
        if world.settings.is_fencing_enabled && !world.settings.can_fence(node.is_online) {
            let obstacle = if world.settings.has_fence_device {
                "there is no quorum"
            } else {
                "there is no fence device"
            };
            alarms.push(format!("{} must be fenced ({why}) and cannot be: {obstacle}", node.name));
        }
    }
    alarms
}

pub(crate) fn status(world: &World<'_>, graph: &Graph, rsc: RscIx) -> ResourceStatus {
    let members = world.children(rsc);
    let nodes = if members.is_empty() { world[rsc].running_on.clone() } else { shared_nodes(world, members) };
    ResourceStatus {
        id: world[rsc].id.clone(),
        group: world[rsc].parent.map(|group| world[group].id.clone()),
        agent: match &world[rsc].kind {
            Kind::Primitive(primitive) => primitive.agent.to_string(),
            Kind::Group(_) => "group".to_string(),
            Kind::Clone(_) => "clone".to_string(),
            Kind::Bundle(_) => "bundle".to_string(),
            Kind::Orphan(definition) => definition.agent.to_string(),
        },
        state: state(world, graph, rsc),
        nodes: nodes.into_iter().map(|node| world[node].name.clone()).collect(),
        promoted: promoted_nodes(world, rsc).into_iter().map(|node| world[node].name.clone()).collect(),
        is_managed: if members.is_empty() {
            world[rsc].is_managed
        } else {
            members.iter().all(|m| world[*m].is_managed)
        },
        is_disabled: world[rsc].meta.is_disabled,
        why: why(world, graph, rsc),
        next: next(world, graph, rsc),
    }
}

/// What to do about a resource that does not run.
fn next(world: &World<'_>, graph: &Graph, rsc: RscIx) -> Option<String> {
    let is_down = matches!(
        state(world, graph, rsc),
        ResourceState::Stopped | ResourceState::Blocked | ResourceState::Failed | ResourceState::Unknown
    );
    if is_down { explain::next_step(world, graph, rsc) } else { None }
}

/// Where an instance is promoted.
fn promoted_nodes(world: &World<'_>, rsc: RscIx) -> Vec<NodeIx> {
    let members = world.children(rsc);
    if members.is_empty() {
        return if world[rsc].role == Role::Promoted { world[rsc].running_on.clone() } else { Vec::new() };
    }
    let mut nodes: Vec<NodeIx> = members.iter().flat_map(|member| promoted_nodes(world, *member)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// Where any member of a group is active.
fn shared_nodes(world: &World<'_>, members: &[RscIx]) -> Vec<NodeIx> {
    let mut nodes: Vec<NodeIx> =
        members.iter().flat_map(|member| world[*member].running_on.clone()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn state(world: &World<'_>, graph: &Graph, rsc: RscIx) -> ResourceState {
    let members = world.children(rsc);
    if !members.is_empty() {
        let counted = members.iter().filter(|member| !is_surplus(world, **member));
        let states: Vec<ResourceState> = counted.map(|member| state(world, graph, *member)).collect();
        return group_state(&states);
    }
    let is_due = |task| graph.doing(rsc, task).any(|action| graph[action].is_due());
    let one = &world[rsc];
    let is_lost = |node: &NodeIx| !world[*node].is_online;
    if one.blocked.is_some() {
        ResourceState::Blocked
    } else if one.is_failed {
        ResourceState::Failed
    } else if is_due(Task::Start) || one.is_start_pending {
        ResourceState::Starting
    } else if is_due(Task::Stop) {
        ResourceState::Stopping
    } else if one.running_on.is_empty() {
        let is_unknown = world.node_indexes().any(|node| monitors::needs_probe(world, rsc, node));
        if is_unknown { ResourceState::Unknown } else { ResourceState::Stopped }
    } else if one.running_on.iter().all(is_lost) {
        ResourceState::Unknown
    } else {
        ResourceState::Started
    }
}

/// Whether it is an instance that there is no node for, while others have theirs: a clone has as many as there is room for.
pub(crate) fn is_surplus(world: &World<'_>, instance: RscIx) -> bool {
    let parent = world[instance].parent.filter(|parent| world[*parent].is_clone());
    let Some(parent) = parent else { return false };
    let is_free = |leaf: &RscIx| world[*leaf].placed_on.is_none() && world[*leaf].running_on.is_empty();
    let mut siblings = world.children(parent).iter();
    world.leaves(instance).iter().all(is_free) && siblings.any(|other| world.place_of(*other).is_some())
}

/// A group stands as the member that a person has to look at first.
fn group_state(members: &[ResourceState]) -> ResourceState {
    let order = [
        ResourceState::Blocked,
        ResourceState::Failed,
        ResourceState::Unknown,
        ResourceState::Starting,
        ResourceState::Stopping,
        ResourceState::Stopped,
    ];
    order.into_iter().find(|state| members.contains(state)).unwrap_or(ResourceState::Started)
}

/// Where and why there, or why nowhere: one sentence.
fn why(world: &World<'_>, graph: &Graph, rsc: RscIx) -> String {
    let decisive = world.children(rsc).first().copied().unwrap_or(rsc);
    let one = &world[decisive];
    let will_run = one.placed_on.filter(|_| one.next_role.is_active());
    if let Some(why) = &one.blocked {
        return format!(
            "blocked: {why}; after looking into it, `musterd resource cleanup {}` lets it go on",
            one.id
        );
    }
    if world.settings.lacks_fence_device() && one.running_on.is_empty() {
        return "not started: `stonith-enabled` is true but there is no fence device; add one, or set \
                `stonith-enabled` to false"
            .to_string();
    }
    if !one.is_managed {
        return unmanaged(world, decisive);
    }
    match will_run {
        Some(node) => placed(world, graph, decisive, node),
        None => nowhere(world, rsc, decisive),
    }
}

fn unmanaged(world: &World<'_>, rsc: RscIx) -> String {
    let cause = if world.settings.is_maintenance {
        "`maintenance-mode` is on"
    } else if world[rsc].meta.is_maintenance {
        "its `maintenance` is set"
    } else if world[rsc].running_on.iter().any(|node| world[*node].is_maintenance) {
        "its node is in maintenance"
    } else if world.settings.lacks_fence_device() {
        "`stonith-enabled` is true but there is no fence device"
    } else if world[rsc].is_orphan() {
        "it was removed from the configuration and `stop-orphan-resources` is false"
    } else {
        "`is-managed` is false"
    };
    match world.current_node(rsc) {
        Some(node) => format!("left alone on {}: {cause}", world[node].name),
        None => format!("left alone, stopped: {cause}"),
    }
}

fn placed(world: &World<'_>, graph: &Graph, rsc: RscIx, node: NodeIx) -> String {
    let name = &world[node].name;
    if let Some(start) = graph.on(rsc, Task::Start, node).filter(|start| !graph[*start].is_runnable) {
        let why = graph[start].why.clone().unwrap_or_else(|| "its start is not possible".to_string());
        return format!("not started on {name}: {why}");
    }
    let runs_there = world[rsc].running_on.contains(&node);
    format!("{} {name}: {}", if runs_there { "on" } else { "goes to" }, attraction(world, rsc, node))
}

/// Why this node and no other.
fn attraction(world: &World<'_>, rsc: RscIx, node: NodeIx) -> String {
    if world[node].is_bundled {
        let container = world[node].container.map_or("", |container| world[container].id.as_str());
        return format!("it belongs inside of {container}");
    }
    let is_usable =
        |other: &NodeIx| world[rsc].scores.get(other).is_some_and(|score| world.is_usable(*other, *score));
    let others: Vec<NodeIx> =
        world.node_indexes().filter(|other| *other != node && is_usable(other)).collect();
    let strongest = world[rsc].notes.iter().filter(|note| note.score > Score(0) && note.node == Some(node));
    if others.is_empty() {
        let obstacles = obstacles(world, rsc, Some(node));
        return if obstacles.is_empty() {
            "there is no other node".to_string()
        } else {
            format!("the only node for it ({obstacles})")
        };
    }
    if let Some(note) = strongest.max_by_key(|note| note.score) {
        return note.why.clone();
    }
    let score = |node: &NodeIx| world[rsc].scores.get(node).copied().unwrap_or_default();
    if others.iter().all(|other| score(other) < score(&node)) {
        return format!("its score is the highest there ({})", score(&node));
    }
    "no node is better for it, and of equals the one with the fewest resources is taken".to_string()
}

fn nowhere(world: &World<'_>, asked: RscIx, rsc: RscIx) -> String {
    let one = &world[rsc];
    if one.meta.is_disabled {
        let id = explain::disabled_at(world, asked);
        return format!("stopped: `target-role` is `Stopped`; `musterd resource enable {id}` lets it run");
    }
    if world.settings.stops_all {
        return "stopped: `stop-all-resources` is set".to_string();
    }
    if let Some(note) =
        one.notes.iter().find(|note| note.node.is_none() && note.score <= Score::MINUS_INFINITY)
    {
        let has_subject = note.why.starts_with("it ") || note.why.starts_with("its ");
        return format!("stopped: {}{}", if has_subject { "" } else { "it " }, note.why);
    }
    format!("stopped: no node may run it ({})", obstacles(world, rsc, None))
}

/// Node by node why the resource cannot be there.
fn obstacles(world: &World<'_>, rsc: RscIx, except: Option<NodeIx>) -> String {
    let others = world.node_indexes().filter(|node| Some(*node) != except && !world[*node].is_bundled);
    let lines: Vec<String> =
        others.map(|node| format!("{}: {}", world[node].name, obstacle(world, rsc, node))).collect();
    lines.join("; ")
}

fn obstacle(world: &World<'_>, rsc: RscIx, node: NodeIx) -> String {
    if let Some(why) = world[node].unavailable_because() {
        return why.to_string();
    }
    let bans = world[rsc].notes.iter().filter(|note| note.score < Score(0));
    let there =
        bans.filter(|note| note.node.is_none_or(|banned| banned == node)).min_by_key(|note| note.score);
    match (there, world[rsc].scores.get(&node)) {
        (Some(note), _) => note.why.clone(),
        (None, None) => "no location allows it there, and `symmetric-cluster` is false".to_string(),
        (None, Some(score)) => format!("its score there is {score}"),
    }
}

/// Puts a decision together.
pub(crate) fn decision(world: &World<'_>, graph: &Graph) -> Decision {
    let changes = super::decision::changes(world, graph);
    let fencings = super::decision::fencings(world, graph);
    let unfenced = decision::unfencings(world, graph);
    let mut consequences = decision::consequences(&changes, &fencings);
    consequences.extend(unfenced.iter().map(|(node, why)| format!("unfence {node} ({why})")));
    Decision {
        transition: super::emit::transition(world, graph),
        report: report(world, graph, consequences),
        changes: changes.into_iter().map(|(_, change)| change).collect(),
        fenced: fencings.into_iter().map(|(_, node, why)| (node, why)).collect(),
        unfenced: unfenced.into_keys().collect(),
        active_after: super::decision::active_after(world, graph),
    }
}
