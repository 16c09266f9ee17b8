//! What a transition comes to for each resource: what is done with it, and where it is active afterwards.

use super::emit;
use super::graph::{ActionIx, Graph, Task};
use super::nodes::NodeIx;
use super::world::{Role, RscIx, World};
use super::{Report, Transition};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
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
    /// Where each primitive is active once every action has succeeded.
    pub active_after: BTreeMap<ResourceId, Vec<NodeName>>,
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
        let verb = match self.kind {
            ChangeKind::Start => "start",
            ChangeKind::Stop => "stop",
            ChangeKind::Restart => "restart",
            ChangeKind::Recover => "recover",
            ChangeKind::Move => "move",
        };
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
    match (world[rsc].role, world[rsc].next_role) {
        (Role::Started, Role::Started) => match start {
            None => Vec::new(),
            Some(start) if graph[start].is_optional && !is_due_elsewhere(&change) => Vec::new(),
            Some(start) if !graph[start].is_runnable => change.stops(),
            Some(_) if world[rsc].is_failed => alloc::vec![change.both(ChangeKind::Recover)],
            Some(_) if is_moving => alloc::vec![change.both(ChangeKind::Move)],
            Some(_) => alloc::vec![change.both(ChangeKind::Restart)],
        },
        (Role::Started, _) => change.stops(),
        (_, Role::Started) => alloc::vec![change.start_only()],
        _ => Vec::new(),
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

    fn start_only(&self) -> ResourceChange {
        self.change(ChangeKind::Start, None, self.next, self.start)
    }

    /// One stop for each node that it is active on.
    fn stops(&self) -> Vec<ResourceChange> {
        let stops = self.graph.doing(self.rsc, Task::Stop).filter(|stop| !self.graph[*stop].is_optional);
        stops.map(|stop| self.change(ChangeKind::Stop, self.graph[stop].node, None, Some(stop))).collect()
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

/// Where each primitive is active once every due action has succeeded.
pub(crate) fn active_after(world: &World<'_>, graph: &Graph) -> BTreeMap<ResourceId, Vec<NodeName>> {
    let fenced: Vec<NodeIx> = graph
        .actions
        .iter()
        .filter(|action| action.task == Task::Fence && action.is_due())
        .filter_map(|action| action.node)
        .collect();
    let mut active = BTreeMap::new();
    for rsc in world.runnables() {
        let is_due = |task, node| graph.on(rsc, task, node).is_some_and(|action| graph[action].is_due());
        let is_active = |node: &NodeIx| {
            let stays =
                world[rsc].running_on.contains(node) && !is_due(Task::Stop, *node) && !fenced.contains(node);
            stays || is_due(Task::Start, *node)
        };
        let nodes: Vec<NodeName> =
            world.node_indexes().filter(is_active).map(|node| world[node].name.clone()).collect();
        active.insert(world[rsc].id.clone(), nodes);
    }
    active
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
