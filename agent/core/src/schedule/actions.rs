//! From where a resource is to where it shall be: its stops and starts. What runs and stays gets an optional stop and
//! an optional start, so that an order can ask for a restart and an impossible start for a stop.

use super::graph::{ActionIx, Graph, Planned, Task};
use super::meta::{MultipleActive, Requires};
use super::migration;
use super::monitors;
use super::nodes::NodeIx;
use super::settings::QuorumPolicy;
use super::world::{Role, RscIx, World};
use crate::observed::{Observed, Sighting};
use alloc::format;
use alloc::string::{String, ToString};

/// Creates the actions of all resources.
pub(crate) fn create_all(world: &mut World<'_>) -> Graph {
    let mut graph = Graph::default();
    for top in world.top.clone() {
        create_whole(world, &mut graph, top);
    }
    graph
}

/// What is in a group or a clone, then the points at which all of it has been started, stopped, …
fn create_whole(world: &mut World<'_>, graph: &mut Graph, rsc: RscIx) {
    if world[rsc].is_runnable() {
        create(world, graph, rsc);
        return;
    }
    let points: &[Task] = if world.is_promotable(rsc) {
        &[Task::Start, Task::Stop, Task::Promote, Task::Demote]
    } else {
        &[Task::Start, Task::Stop]
    };
    for part in world.parts_of(rsc) {
        create_whole(world, graph, part);
    }
    for task in points {
        for point in [*task, task.completion()] {
            graph.add(Planned { is_pseudo: true, ..planned(rsc, point, None) });
        }
    }
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
        is_under_way: false,
        is_migratable: false,
        needs_before: 0,
        why: None,
    }
}

/// The way from the present role to the one to come. What runs goes down to its stop and up again to where it was, which
/// is only done where something asks for it; then on to what it shall be.
fn create(world: &mut World<'_>, graph: &mut Graph, rsc: RscIx) {
    set_next_role(world, rsc);
    demote_without_quorum(world, rsc);
    let (current, place) = (world.current_node(rsc), world[rsc].placed_on);
    let is_moving =
        current.is_some() && place.is_some() && current != place && world[rsc].next_role.is_active();
    world[rsc].stops_unexpected =
        is_multiple(world, rsc) && world[rsc].meta.multiple_active == MultipleActive::StopUnexpected;
    let mut way = Way { world, graph, rsc, place };
    if way.world[rsc].is_start_pending {
        way.start(true, None);
    }
    let restart_why = why_stop(way.world, rsc, is_moving);
    let (role, next_role) = (way.world[rsc].role, way.world[rsc].next_role);
    let must_promote = way.world[rsc].is_failed && way.world[rsc].is_cured_by_demotion && !is_moving;
    let promote_why = restart_why.clone().or(must_promote.then(|| "it failed".to_string()));
    if must_promote {
        way.demote(Some("it failed".to_string()));
    }
    way.restart(restart_why, promote_why);
    way.change(role, next_role);
    note_under_way(world, graph, rsc);
    for node in world[rsc].left_behind.clone() {
        stop(
            world,
            graph,
            rsc,
            node,
            Some("it was handed over, and is not needed there any more".to_string()),
        );
    }
    reload(world, graph, rsc);
    if is_moving && migration::is_possible(world, rsc) {
        migration::add(world, graph, rsc);
    }
}

/// What was ordered and has not ended counts as done when it is decided; those who come after it wait all the same.
fn note_under_way(world: &World<'_>, graph: &mut Graph, rsc: RscIx) {
    for (node, observed) in &world[rsc].observed {
        let pending =
            [(Task::Start, observed.is_start_pending), (Task::Promote, observed.is_promotion_pending)];
        for (task, _) in pending.into_iter().filter(|(_, is_pending)| *is_pending) {
            if let Some(action) = graph.on(rsc, task, *node).filter(|_| world[rsc].is_managed) {
                graph[action].is_under_way = world[*node].is_online && world[*node].unclean.is_none();
            }
        }
    }
}

struct Way<'w, 'g, 'a> {
    world: &'w World<'a>,
    graph: &'g mut Graph,
    rsc: RscIx,
    place: Option<NodeIx>,
}

impl Way<'_, '_, '_> {
    /// Down to the stop and up again, as far as it is now.
    fn restart(&mut self, why: Option<String>, promote_why: Option<String>) {
        let one = &self.world[self.rsc];
        let (role, next_role, is_blocked) = (one.role, one.next_role, one.blocked.is_some());
        if role == Role::Promoted {
            self.demote(why.clone());
        }
        if role.is_active() {
            stop_everywhere(self.world, self.graph, self.rsc, why.clone());
        }
        if !role.is_active() || is_blocked || !next_role.is_active() {
            return;
        }
        self.start(why.is_none(), why);
        if role == Role::Promoted && next_role == Role::Promoted {
            self.promote(promote_why.is_none(), promote_why);
        }
    }

    /// From one role to another.
    fn change(&mut self, role: Role, next_role: Role) {
        let is_demoted = role == Role::Promoted && next_role < Role::Promoted;
        if is_demoted {
            self.demote(Some("it is not to be promoted".to_string()));
        }
        match (role.is_active(), next_role) {
            (true, Role::Stopped) => {
                let why = why_stopped(self.world, self.rsc);
                stop_everywhere(self.world, self.graph, self.rsc, Some(why));
            }
            (true, Role::Started) if role > Role::Started => {
                stop_everywhere(
                    self.world,
                    self.graph,
                    self.rsc,
                    Some("it is no longer promotable".to_string()),
                );
                self.start(false, None);
            }
            (false, next_role) if next_role.is_active() => self.start(false, None),
            _ => {}
        }
        if next_role == Role::Promoted && role < Role::Promoted {
            self.promote(false, Some("it is to be promoted".to_string()));
        }
    }

    fn start(&mut self, is_optional: bool, why: Option<String>) {
        if let Some(place) = self.place {
            start(self.world, self.graph, self.rsc, place, is_optional, why);
        }
    }

    /// A promotion is possible where every start is.
    fn promote(&mut self, is_optional: bool, why: Option<String>) {
        let Some(place) = self.place else { return };
        let start = self.graph.on(self.rsc, Task::Start, place);
        let is_possible = start.is_none_or(|start| self.graph[start].is_runnable);
        let action = action(self.graph, self.rsc, Task::Promote, place);
        if !is_possible {
            block(self.graph, action, "it cannot be started".to_string());
        }
        if let Some(obstacle) = obstacle_to_start(self.world, self.rsc, place) {
            block(self.graph, action, obstacle);
        }
        self.finish(action, is_optional, why);
    }

    fn demote(&mut self, why: Option<String>) {
        for node in self.world[self.rsc].running_on.clone() {
            if is_expected(self.world, self.rsc, node) {
                continue;
            }
            let is_promoted = |observed: &Observed| observed.state == Sighting::Promoted;
            if !self.world[self.rsc].observed.get(&node).is_some_and(is_promoted) {
                continue;
            }
            let action = action(self.graph, self.rsc, Task::Demote, node);
            if let Some(obstacle) = obstacle_to_stop(self.world, self.rsc, node) {
                block(self.graph, action, obstacle);
            }
            self.finish(action, why.is_none(), why.clone());
        }
    }

    fn finish(&mut self, action: ActionIx, is_optional: bool, why: Option<String>) {
        let is_managed = self.world[self.rsc].is_managed;
        let planned = &mut self.graph[action];
        planned.is_left_alone = !is_managed;
        if is_managed && !is_optional {
            planned.is_optional = false;
            if planned.is_runnable {
                planned.why = why;
            }
        }
    }
}

/// The action of a resource on a node, made where there is none.
pub(crate) fn action(graph: &mut Graph, rsc: RscIx, task: Task, node: NodeIx) -> ActionIx {
    graph.on(rsc, task, node).unwrap_or_else(|| graph.add(planned(rsc, task, Some(node))))
}

fn set_next_role(world: &mut World<'_>, rsc: RscIx) {
    if world[rsc].next_role == Role::Unknown {
        let is_placed = world[rsc].placed_on.is_some();
        let active = if world.is_promotable(rsc) { Role::Unpromoted } else { Role::Started };
        world[rsc].next_role = if is_placed { active } else { Role::Stopped };
    }
}

/// `no-quorum-policy` = `demote`.
fn demote_without_quorum(world: &mut World<'_>, rsc: RscIx) {
    let policy = world.settings.quorum_policy_in_force();
    let counts = requires(world, rsc) != Requires::Nothing && world[rsc].is_managed;
    if policy == QuorumPolicy::Demote && counts && has_role(world, rsc) {
        world[rsc].limit_next_role(Role::Unpromoted);
    }
}

/// Why what runs must be stopped before it is started again.
fn why_stop(world: &World<'_>, rsc: RscIx, is_moving: bool) -> Option<String> {
    let is_multiple = is_multiple(world, rsc);
    let policy = world[rsc].meta.multiple_active;
    let rsc = &world[rsc];
    if is_moving {
        Some("it moves".to_string())
    } else if rsc.migrating.is_some() {
        Some("its migration cannot go on".to_string())
    } else if is_multiple && matches!(policy, MultipleActive::StopStart | MultipleActive::StopUnexpected) {
        Some("it is active on several nodes".to_string())
    } else if rsc.is_failed && !rsc.is_cured_by_demotion {
        Some("it failed".to_string())
    } else if let Some(why) = &rsc.blocked {
        Some(why.clone())
    } else if let Some(why) = &rsc.restarts_because {
        Some(why.clone())
    } else if rsc.is_changed {
        Some("its definition changed".to_string())
    } else {
        None
    }
}

/// Whether it is active on several nodes. What does not wait for fencing is not counted on nodes that are lost.
fn is_multiple(world: &World<'_>, rsc: RscIx) -> bool {
    if world[rsc].migrating.is_some() && migration::goes_on(world, rsc) {
        return false;
    }
    let counts = |node: &&NodeIx| {
        requires(world, rsc).needs_fencing() || (world[**node].is_online && world[**node].unclean.is_none())
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
    if world[rsc].migrating.is_some_and(|(_, target)| target == node) && migration::goes_on(world, rsc) {
        return true;
    }
    let rsc = &world[rsc];
    let stays_there = rsc.placed_on == Some(node) && rsc.running_on.contains(&node);
    rsc.stops_unexpected && rsc.next_role.is_active() && stays_there && !rsc.is_failed
}

fn stop_everywhere(world: &World<'_>, graph: &mut Graph, rsc: RscIx, why: Option<String>) {
    for node in world[rsc].running_on.clone() {
        if !is_expected(world, rsc, node) {
            stop(world, graph, rsc, node, why.clone());
        }
    }
}

fn stop(world: &World<'_>, graph: &mut Graph, rsc: RscIx, node: NodeIx, why: Option<String>) {
    let action = action(graph, rsc, Task::Stop, node);
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
    if world[node].is_online || world.comes_with_its_container(node) {
        obstacle_to_stop_there(world, rsc, node)
    } else {
        Some(format!("{} is {}", world[node].name, world[node].unavailable_because().unwrap_or("offline")))
    }
}

fn obstacle_to_stop_there(world: &World<'_>, rsc: RscIx, node: NodeIx) -> Option<String> {
    if world[node].is_pending {
        Some(format!("{} is joining", world[node].name))
    } else if let Some(obstacle) = host_that_cannot_be_fenced(world, node) {
        Some(obstacle)
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
    let action = action(graph, rsc, Task::Start, node);
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
    let is_there = world[node].is_online || world.comes_with_its_container(node);
    if !is_there || world[node].is_pending {
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
        return host_that_cannot_be_fenced(world, node);
    }
    let is_new = world[rsc].running_on.is_empty() || world[rsc].next_role > world[rsc].role;
    match world.settings.quorum_policy_in_force() {
        QuorumPolicy::Demote if has_role(world, rsc) => None,
        QuorumPolicy::Stop | QuorumPolicy::Demote => Some("there is no quorum".to_string()),
        QuorumPolicy::Freeze if is_new => {
            Some("there is no quorum, and `no-quorum-policy` is `freeze`".to_string())
        }
        _ => None,
    }
}

/// Whether it runs in a role that can be taken from it.
fn has_role(world: &World<'_>, rsc: RscIx) -> bool {
    world[rsc].role >= Role::Unpromoted
}

/// What runs on with changed parameters; a stop that is due makes that needless.
fn reload(world: &World<'_>, graph: &mut Graph, rsc: RscIx) {
    let one = &world[rsc];
    let Some(node) = one.reloads_on.filter(|node| one.placed_on == Some(*node)) else { return };
    if one.is_managed && !one.is_failed && !one.is_changed {
        let reload = action(graph, rsc, Task::Reload, node);
        graph[reload].is_optional = false;
        graph[reload].why = Some("its parameters changed, and its agent takes them over".to_string());
    }
}

/// Nothing can be done in a guest whose host is lost and cannot be fenced.
fn host_that_cannot_be_fenced(world: &World<'_>, guest: NodeIx) -> Option<String> {
    let is_lost = world[guest].container.is_some() && !world.can_fence(guest);
    is_lost.then(|| format!("the host of {} cannot be fenced", world[guest].name))
}

/// A node that is there, cannot run a probe yet, and might run the resource.
fn node_that_cannot_be_asked(world: &World<'_>, rsc: RscIx) -> Option<NodeIx> {
    let is_open = |node: &NodeIx| {
        world[*node].is_online && world[*node].is_pending && monitors::is_open_question(world, rsc, *node)
    };
    let whole = world.clone_of(rsc).unwrap_or(rsc);
    world.node_indexes().find(|node| is_open(node) && world.active_nodes(whole).is_empty())
}

/// What a start of the resource waits for: a fence device must be there before fencing can be.
pub(crate) fn requires(world: &World<'_>, rsc: RscIx) -> Requires {
    let settings = &world.settings;
    match world[rsc].meta.requires {
        Some(Requires::Fencing | Requires::Unfencing) if !settings.is_fencing_enabled => Requires::Quorum,
        Some(Requires::Unfencing) if world[rsc].is_fence_device() => Requires::Quorum,
        Some(requires) => requires,
        None if world[rsc].is_fence_device() || world[rsc].is_connection() => Requires::Quorum,
        None if settings.has_unfencing => Requires::Unfencing,
        None if settings.is_fencing_enabled => Requires::Fencing,
        None if settings.quorum_policy == QuorumPolicy::Ignore => Requires::Nothing,
        None => Requires::Quorum,
    }
}

/// A point that is reached once `needs_before` of those counted for it can be done.
pub(crate) fn enough(graph: &mut Graph, needs_before: usize) -> ActionIx {
    graph.add(Planned {
        rsc: None,
        node: None,
        task: Task::Enough,
        is_optional: true,
        is_runnable: true,
        is_pseudo: true,
        is_left_alone: false,
        is_under_way: false,
        is_migratable: false,
        needs_before,
        why: None,
    })
}

/// An action that is not going to happen, to be asked what that means for others.
pub(crate) fn missing(graph: &mut Graph, rsc: RscIx, task: Task, why: String) -> ActionIx {
    graph.add(Planned { is_runnable: false, why: Some(why), ..planned(rsc, task, None) })
}
