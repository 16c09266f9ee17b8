//! What a transition comes to for each resource: what is done with it, and where it is active afterwards.

use super::bundles::Replica;
use super::emit;
use super::graph::{ActionIx, Graph, Task};
use super::nodes::NodeIx;
use super::world::{Role, RscIx, World};
use super::{Report, Transition};
use crate::observed::Sighting;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use muster_api::constraint::RoleName;
use muster_api::id::{NodeName, ResourceId};

/// A decision in full: what to do, why, and what will be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What to do.
    pub transition: Transition,
    /// Why.
    pub report: Report,
    /// What is done with each resource that something is done with, in order.
    pub changes: Vec<ResourceChange>,
    /// The nodes that are fenced, with the reason.
    pub fenced: BTreeMap<NodeName, String>,
    /// The nodes that are unfenced.
    pub unfenced: Vec<NodeName>,
    /// Where each primitive is active once every action has succeeded, and as what. Instances that are all the same stand
    /// under one id. A bundle stands with the hosts of its containers, and what is inside of them; what is implied by
    /// others does not stand there.
    pub active_after: BTreeMap<ResourceId, Vec<(NodeName, RoleName)>>,
}

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is started.
    Start,
    /// It is stopped.
    Stop,
    /// It is stopped and started where it is.
    Restart,
    /// It failed, and is stopped and started, there or elsewhere.
    Recover,
    /// It is stopped here and started there.
    Move,
    /// Its agent takes over changed parameters while it runs.
    Reload,
    /// It is handed over from here to there while it runs.
    Migrate,
    /// It is promoted, and started before where it does not run.
    Promote,
    /// It is demoted, and keeps running.
    Demote,
    /// It failed, and is demoted and promoted where it is.
    Repromote,
}

impl ChangeKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Recover => "recover",
            Self::Reload => "reload",
            Self::Move => "move",
            Self::Migrate => "migrate",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::Repromote => "re-promote",
        }
    }
}

/// What is done with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// Which.
    pub resource: ResourceId,
    /// What.
    pub kind: ChangeKind,
    /// Where it is.
    pub from: Option<NodeName>,
    /// Where it will be.
    pub to: Option<NodeName>,
    /// It should be done and cannot be now.
    pub is_blocked: bool,
    /// Why it is done, or cannot be.
    pub why: Option<String>,
}

impl fmt::Display for ResourceChange {
    /// `move web n1 -> n2`, `start vip on n1`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.kind.name();
        write!(formatter, "{verb} {}", self.resource)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from != to => write!(formatter, " {from} -> {to}"),
            (Some(node), _) | (None, Some(node)) => write!(formatter, " on {node}"),
            (None, None) => Ok(()),
        }
    }
}

/// What is done with each resource, with the place in the order of its last action.
pub(crate) fn changes(world: &World<'_>, graph: &Graph) -> Vec<(usize, ResourceChange)> {
    let order: BTreeMap<ActionIx, usize> =
        emit::in_order(graph).into_iter().enumerate().map(|(place, action)| (action, place)).collect();
    let mut changes = Vec::new();
    for rsc in world.runnables() {
        let place =
            graph.of(rsc).iter().filter_map(|action| order.get(action)).max().copied().unwrap_or(usize::MAX);
        changes.extend(changes_of(world, graph, rsc).into_iter().map(|change| (place, change)));
    }
    changes.sort_by_key(|(place, _)| *place);
    changes
}

fn changes_of(world: &World<'_>, graph: &Graph, rsc: RscIx) -> Vec<ResourceChange> {
    let (current, next) = (world.current_node(rsc), world[rsc].placed_on);
    if !world[rsc].is_managed || (current.is_none() && next.is_none()) {
        return Vec::new();
    }
    let start = next.and_then(|next| graph.on(rsc, Task::Start, next));
    let is_start_runnable = start.is_some_and(|start| graph[start].is_runnable);
    let stop_node = if is_start_runnable { current } else { None };
    let mut stops =
        graph.doing(rsc, Task::Stop).filter(|stop| stop_node.is_none() || graph[*stop].node == stop_node);
    let stop = stops.next().or_else(|| {
        let any = graph.doing(rsc, Task::Stop).next();
        any.filter(|_| world[rsc].stops_unexpected)
    });
    let is_moving = current.is_some() && next.is_some() && current != next;
    let change = Changing { world, graph, rsc, current, next, start, stop };
    let (role, next_role) = (world[rsc].role, world[rsc].next_role);
    match (role.is_active(), next_role.is_active()) {
        (true, true) if role == next_role => change.in_role(is_moving),
        (true, true) => change.between_roles(is_moving),
        (true, false) => change.stops(),
        (false, true) if next_role == Role::Promoted => alloc::vec![change.promote()],
        (false, true) => alloc::vec![change.start_only()],
        (false, false) => Vec::new(),
    }
}

/// A start that is impossible, and therefore a stop that is due.
fn is_due_elsewhere(change: &Changing<'_, '_>) -> bool {
    let is_possible = change.start.is_none_or(|start| change.graph[start].is_runnable);
    !is_possible && change.graph.doing(change.rsc, Task::Stop).any(|stop| !change.graph[stop].is_optional)
}

struct Changing<'w, 'a> {
    world: &'w World<'a>,
    graph: &'w Graph,
    rsc: RscIx,
    current: Option<NodeIx>,
    next: Option<NodeIx>,
    start: Option<ActionIx>,
    stop: Option<ActionIx>,
}

impl Changing<'_, '_> {
    fn change(
        &self,
        kind: ChangeKind,
        from: Option<NodeIx>,
        to: Option<NodeIx>,
        by: Option<ActionIx>,
    ) -> ResourceChange {
        let name = |node: NodeIx| self.world[node].name.clone();
        let action = by.map(|by| &self.graph[by]);
        ResourceChange {
            resource: self.world[self.rsc].id.clone(),
            kind,
            from: from.map(name),
            to: to.map(name),
            is_blocked: action.is_some_and(|action| !action.is_runnable),
            why: action.and_then(|action| action.why.clone()),
        }
    }

    /// It keeps its role.
    fn in_role(&self, is_moving: bool) -> Vec<ResourceChange> {
        let (world, graph) = (self.world, self.graph);
        let handed_over = self.at_place(Task::MigrateFrom).filter(|action| graph[*action].is_runnable);
        if handed_over.is_some() {
            return alloc::vec![self.both(ChangeKind::Migrate)];
        }
        if self.is_reloaded() {
            return alloc::vec![self.change(
                ChangeKind::Reload,
                self.current,
                self.next,
                self.at_place(Task::Reload)
            )];
        }
        let is_left = |start: ActionIx| graph[start].is_optional && !is_due_elsewhere(self);
        match self.start {
            None => self.promote_again(),
            Some(start) if is_left(start) => self.promote_again(),
            Some(start) if !graph[start].is_runnable => self.stop_where_it_is(),
            Some(_) if world[self.rsc].is_failed => alloc::vec![self.both(ChangeKind::Recover)],
            Some(_) if is_moving => alloc::vec![self.both(ChangeKind::Move)],
            Some(_) => alloc::vec![self.both(ChangeKind::Restart)],
        }
    }

    /// A stop or a demotion makes a reload needless.
    fn is_reloaded(&self) -> bool {
        let is_down = |task| self.graph.doing(self.rsc, task).any(|action| !self.graph[action].is_optional);
        self.at_place(Task::Reload).is_some() && !is_down(Task::Stop) && !is_down(Task::Demote)
    }

    fn promote_again(&self) -> Vec<ResourceChange> {
        let required = |task| self.at_place(task).filter(|action| !self.graph[*action].is_optional);
        match (required(Task::Demote), required(Task::Promote)) {
            (Some(_), Some(promote)) => {
                alloc::vec![self.change(ChangeKind::Repromote, self.current, self.next, Some(promote))]
            }
            _ => Vec::new(),
        }
    }

    /// It gets another role, and stays active.
    fn between_roles(&self, is_moving: bool) -> Vec<ResourceChange> {
        let (world, graph) = (self.world, self.graph);
        let one = &world[self.rsc];
        let cannot_start = self.start.is_some_and(|start| !graph[start].is_runnable);
        let is_stopped = self.stop.is_some_and(|stop| !graph[stop].is_optional);
        match self.stop {
            Some(_) if cannot_start => self.stops(),
            Some(_) if one.is_failed && !one.is_cured_by_demotion => {
                alloc::vec![self.both(ChangeKind::Recover)]
            }
            _ if is_moving => alloc::vec![self.both(ChangeKind::Move)],
            _ if is_stopped => alloc::vec![self.both(ChangeKind::Restart)],
            _ if one.role == Role::Promoted => {
                let demote = self.graph.doing(self.rsc, Task::Demote).next();
                alloc::vec![self.change(ChangeKind::Demote, self.current, self.next, demote)]
            }
            _ if one.next_role == Role::Promoted => alloc::vec![self.promote()],
            _ => Vec::new(),
        }
    }

    fn at_place(&self, task: Task) -> Option<ActionIx> {
        self.next.and_then(|next| self.graph.on(self.rsc, task, next))
    }

    fn promote(&self) -> ResourceChange {
        let is_blocked = |action: &ActionIx| !self.graph[*action].is_runnable;
        let by = self.start.filter(is_blocked).or(self.at_place(Task::Promote));
        ResourceChange {
            is_blocked: by.is_none_or(|by| !self.graph[by].is_runnable),
            ..self.change(ChangeKind::Promote, self.current, self.next, by)
        }
    }

    fn start_only(&self) -> ResourceChange {
        self.change(ChangeKind::Start, None, self.next, self.start)
    }

    /// One stop for each node that it is active on.
    fn stops(&self) -> Vec<ResourceChange> {
        let stops = self.graph.doing(self.rsc, Task::Stop).filter(|stop| !self.graph[*stop].is_optional);
        stops.map(|stop| self.change(ChangeKind::Stop, self.graph[stop].node, None, Some(stop))).collect()
    }

    /// It would go on in its role; wherever else it is active, it is to stop anyway.
    fn stop_where_it_is(&self) -> Vec<ResourceChange> {
        let mut stops = self.stops();
        let is_here = |stop: &ResourceChange| {
            self.current.is_some_and(|node| stop.from.as_ref() == Some(&self.world[node].name))
        };
        if stops.iter().any(is_here) {
            stops.retain(is_here);
        }
        stops
    }

    fn both(&self, kind: ChangeKind) -> ResourceChange {
        let is_blocked =
            |action: Option<ActionIx>| action.is_some_and(|action| !self.graph[action].is_runnable);
        let by = if is_blocked(self.stop) { self.stop } else { self.start };
        self.change(kind, self.current, self.next, by)
    }
}

/// The nodes that are fenced, with the place in the order.
pub(crate) fn fencings(world: &World<'_>, graph: &Graph) -> Vec<(usize, NodeName, String)> {
    let ordered = emit::in_order(graph).into_iter().enumerate();
    let fencings = ordered.filter(|(_, action)| graph[*action].task == Task::Fence);
    let name = |action: ActionIx| graph[action].node.map(|node| world[node].name.clone());
    fencings
        .filter_map(|(place, action)| {
            Some((place, name(action)?, graph[action].why.clone().unwrap_or_default()))
        })
        .collect()
}

/// The nodes that are unfenced, with the reason.
pub(crate) fn unfencings(world: &World<'_>, graph: &Graph) -> BTreeMap<NodeName, String> {
    let due = graph.actions.iter().filter(|action| action.task == Task::Unfence && action.is_due());
    let named = due.filter_map(|action| Some((world[action.node?].name.clone(), action.why.clone()?)));
    named.collect()
}

/// Where each primitive is active once every due action has succeeded.
pub(crate) fn active_after(
    world: &World<'_>,
    graph: &Graph,
) -> BTreeMap<ResourceId, Vec<(NodeName, RoleName)>> {
    let fenced: Vec<NodeIx> = graph
        .actions
        .iter()
        .filter(|action| action.task == Task::Fence && action.is_due())
        .filter_map(|action| action.node)
        .collect();
    let mut active: BTreeMap<ResourceId, Vec<(NodeName, RoleName)>> = BTreeMap::new();
    for rsc in world.runnables().into_iter().filter(|rsc| !is_implied(world, *rsc)) {
        let places = active.entry(world[rsc].id.clone()).or_default();
        for node in world.node_indexes() {
            let role = role_after(world, graph, (rsc, node), fenced.contains(&node));
            places.extend(role.map(|role| (world[node].name.clone(), role)));
        }
    }
    for bundle in world.rsc_indexes() {
        for replica in world.replicas(bundle) {
            let places = active.entry(world[bundle].id.clone()).or_default();
            places.extend(replica_after(world, graph, &fenced, replica));
        }
    }
    active
}

/// Whether it stands in no configuration: the connection to a guest node, and what a bundle consists of.
fn is_implied(world: &World<'_>, rsc: RscIx) -> bool {
    let is_guest_connection = world[rsc].is_connection() && world.container_of(rsc).is_some();
    is_guest_connection || world.bundle_of(rsc).is_some()
}

/// Where the container of a replica is afterwards, and what is inside of it.
fn replica_after(
    world: &World<'_>,
    graph: &Graph,
    fenced: &[NodeIx],
    replica: Replica,
) -> Option<(NodeName, RoleName)> {
    let role = |rsc: RscIx, node: NodeIx| role_after(world, graph, (rsc, node), fenced.contains(&node));
    let host = world.node_indexes().find(|node| role(replica.container, *node).is_some())?;
    let inside = match (replica.inside, replica.node) {
        (Some(inside), Some(node)) => role(inside, node).unwrap_or(RoleName::Stopped),
        _ => RoleName::Started,
    };
    Some((world[host].name.clone(), inside))
}

/// What a resource is on a node afterwards.
fn role_after(
    world: &World<'_>,
    graph: &Graph,
    (rsc, node): (RscIx, NodeIx),
    is_fenced: bool,
) -> Option<RoleName> {
    let is_due = |task| graph.on(rsc, task, node).is_some_and(|action| graph[action].is_due());
    let seen = world[rsc].observed.get(&node).map(|observed| observed.state);
    let is_there = world[rsc].running_on.contains(&node) && !is_fenced && !is_due(Task::Stop);
    let is_promoted = is_there && seen == Some(Sighting::Promoted) && !is_due(Task::Demote);
    if !is_there && !is_due(Task::Start) {
        None
    } else if is_promoted || is_due(Task::Promote) {
        Some(RoleName::Promoted)
    } else if world.is_promotable(rsc) {
        Some(RoleName::Unpromoted)
    } else {
        Some(RoleName::Started)
    }
}

/// The lines for people, in order.
pub(crate) fn consequences(
    changes: &[(usize, ResourceChange)],
    fencings: &[(usize, NodeName, String)],
) -> Vec<String> {
    let mut lines: Vec<(usize, String)> =
        fencings.iter().map(|(place, node, why)| (*place, format!("fence {node} ({why})"))).collect();
    let possible = changes.iter().filter(|(_, change)| !change.is_blocked);
    lines.extend(possible.map(|(place, change)| (*place, change.to_string())));
    lines.sort_by_key(|(place, _)| *place);
    lines.into_iter().map(|(_, line)| line).collect()
}
