//! What actions mean for each other: from the implied orders (a stop before a start, a group's members) and the
//! configured ones, until nothing changes any more.

use super::actions;
use super::graph::{ActionIx, Edge, Graph, Relation, Task};
use super::world::{Kind, Role, RscIx, World};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::resource::{Constraint, OrderKind, Score};

/// Adds all orders to the graph.
pub(crate) fn add_all(world: &World<'_>, graph: &mut Graph) {
    for rsc in world.rsc_indexes() {
        match &world[rsc].kind {
            Kind::Group(members) => add_group(world, graph, rsc, members),
            _ => add_restart(world, graph, rsc),
        }
    }
    for colocation in &world.colocations {
        if colocation.score <= Score::MINUS_INFINITY {
            keep_apart(world, graph, colocation.dependent, colocation.primary);
            keep_apart(world, graph, colocation.primary, colocation.dependent);
        }
    }
    for constraint in &world.situation.config.constraints {
        add_configured(world, graph, constraint);
    }
}

/// A resource is stopped before it is started.
fn add_restart(world: &World<'_>, graph: &mut Graph, rsc: RscIx) {
    if world[rsc].is_managed {
        let restart = Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN).and(Relation::RESTART);
        order(world, graph, (rsc, Task::Stop), (rsc, Task::Start), restart);
    }
}

/// What leaves a node goes before what must not be there with it comes.
fn keep_apart(world: &World<'_>, graph: &mut Graph, leaving: RscIx, coming: RscIx) {
    order(world, graph, (leaving, Task::Stop), (coming, Task::Start), Relation::APART);
}

fn add_group(world: &World<'_>, graph: &mut Graph, group: RscIx, members: &[RscIx]) {
    order(world, graph, (group, Task::Stop), (group, Task::Stopped), Relation::FIRST_BLOCKS_THEN);
    order(world, graph, (group, Task::Stopped), (group, Task::Start), Relation::ORDERED);
    order(world, graph, (group, Task::Start), (group, Task::Started), Relation::FIRST_BLOCKS_THEN);
    let is_running = |rsc: RscIx| !world[rsc].running_on.is_empty();
    let mut last_active = None;
    for (place, &member) in members.iter().enumerate() {
        let previous = place.checked_sub(1).map(|place| members[place]);
        add_member(world, graph, group, member, previous);
        let Some(previous) = previous else {
            last_active = is_running(member).then_some(member);
            continue;
        };
        // A group that is only partly active is still stopped from the end.
        if is_running(member) {
            if !is_running(previous)
                && let Some(last_active) = last_active
            {
                order(world, graph, (member, Task::Stop), (last_active, Task::Stop), Relation::ORDERED);
            }
            last_active = Some(member);
        }
    }
}

fn add_member(world: &World<'_>, graph: &mut Graph, group: RscIx, member: RscIx, previous: Option<RscIx>) {
    let finishes = if previous.is_none() { Relation::FIRST_IMPLIES_THEN } else { Relation::ORDERED };
    order(world, graph, (group, Task::Stop), (member, Task::Stop), Relation::ORDERED);
    order(world, graph, (member, Task::Stop), (group, Task::Stopped), finishes);
    order(world, graph, (group, Task::Start), (member, Task::Start), Relation::ORDERED);
    let completes = Relation::FIRST_BLOCKS_THEN.and(Relation::FIRST_IMPLIES_THEN);
    order(world, graph, (member, Task::Start), (group, Task::Started), completes);
    let Some(previous) = previous else { return };
    order(world, graph, (previous, Task::Start), (member, Task::Start), completes);
    let in_reverse = Relation::ORDERED.and(Relation::RESTART);
    order(world, graph, (member, Task::Stop), (previous, Task::Stop), in_reverse);
    // A member that runs without the one before it gives way before that one starts.
    if !world[member].running_on.is_empty() && world[previous].running_on.is_empty() {
        let gives_way = Relation::THEN_IMPLIES_FIRST.and(Relation::FIRST_BLOCKS_THEN);
        order(world, graph, (member, Task::Stop), (previous, Task::Start), gives_way);
    }
}

fn add_configured(world: &World<'_>, graph: &mut Graph, constraint: &Constraint) {
    let Constraint::Order { first, first_action, then, then_action, kind, symmetrical, .. } = constraint
    else {
        return;
    };
    let (Some(first), Some(then)) = (world.find(first), world.find(then)) else { return };
    let (Some(first_task), Some(then_task)) = (task(first_action), task(then_action)) else { return };
    if first == then {
        return;
    }
    let forward = match kind {
        OrderKind::Optional | OrderKind::Serialize => Relation::ORDERED,
        OrderKind::Mandatory if !symmetrical => Relation::ORDERED.and(Relation::ASYMMETRIC),
        OrderKind::Mandatory if first_task == Task::Start => {
            Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN).and(Relation::FIRST_BLOCKS_THEN)
        }
        OrderKind::Mandatory => Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN),
    };
    order(world, graph, (first, first_task), (then, then_task), forward);
    if *symmetrical && *kind != OrderKind::Serialize {
        let backward = match kind {
            OrderKind::Mandatory => Relation::ORDERED.and(Relation::THEN_IMPLIES_FIRST),
            _ => Relation::ORDERED,
        };
        order(world, graph, (then, opposite(then_task)), (first, opposite(first_task)), backward);
    }
}

fn task(action: &str) -> Option<Task> {
    match action {
        "start" => Some(Task::Start),
        "stop" => Some(Task::Stop),
        _ => None,
    }
}

fn opposite(task: Task) -> Task {
    if task == Task::Start { Task::Stop } else { Task::Start }
}

/// Orders every action of one resource before every action of another. Where the first has none, one that cannot be
/// done stands for it, unless it is a stop of what does not run.
fn order(
    world: &World<'_>,
    graph: &mut Graph,
    (first_rsc, first_task): (RscIx, Task),
    (then_rsc, then_task): (RscIx, Task),
    relation: Relation,
) {
    // Whoever comes after a group comes after all of it.
    let is_inside = first_rsc == then_rsc || world[then_rsc].parent == Some(first_rsc);
    let first_task = match first_task {
        Task::Start if world[first_rsc].is_group() && !is_inside => Task::Started,
        Task::Stop if world[first_rsc].is_group() && !is_inside => Task::Stopped,
        task => task,
    };
    let mut firsts: Vec<ActionIx> = graph.doing(first_rsc, first_task).collect();
    if firsts.is_empty() {
        if first_task == Task::Stop && role(world, first_rsc) == Role::Stopped {
            return;
        }
        let why = format!("{} is not going to run", world[first_rsc].id);
        firsts.push(actions::missing(graph, first_rsc, first_task, why));
    }
    let thens: Vec<ActionIx> = graph.doing(then_rsc, then_task).collect();
    for &first in &firsts {
        for &then in &thens {
            graph.order(first, then, relation);
        }
    }
}

/// A group is what the most active of its members is.
fn role(world: &World<'_>, rsc: RscIx) -> Role {
    let members = world.members(rsc).iter().map(|member| world[*member].role).max();
    members.unwrap_or(world[rsc].role)
}

/// Lets every action tell its neighbours until nothing changes.
pub(crate) fn settle(world: &World<'_>, graph: &mut Graph) {
    Settling {
        world,
        is_queued: alloc::vec![true; graph.actions.len()],
        queue: (0..graph.actions.len()).map(ActionIx).collect(),
        graph,
    }
    .run();
}

struct Settling<'w, 'a> {
    world: &'w World<'a>,
    graph: &'w mut Graph,
    queue: VecDeque<ActionIx>,
    is_queued: Vec<bool>,
}

impl Settling<'_, '_> {
    fn run(&mut self) {
        while let Some(then) = self.queue.pop_front() {
            self.is_queued[then.0] = false;
            for edge in self.graph.before(then).to_vec() {
                let edge = self.graph.edges[edge];
                self.refresh_group(edge.first);
                self.refresh_group(edge.then);
                self.apply(edge);
            }
        }
    }

    fn enqueue(&mut self, action: ActionIx) {
        if !self.is_queued[action.0] {
            self.is_queued[action.0] = true;
            self.queue.push_back(action);
        }
    }

    /// An action changed: it and all that depend on it are looked at again, and its group with what depends on that.
    fn touch(&mut self, action: ActionIx) {
        let mut touched = alloc::vec![action];
        touched.extend(self.graph.after(action));
        let group = self.graph[action].rsc.and_then(|rsc| self.world[rsc].parent);
        if let Some(group) = group {
            for point in self.graph.of(group).to_vec() {
                touched.push(point);
                touched.extend(self.graph.after(point));
            }
        }
        for action in touched {
            self.enqueue(action);
        }
    }

    fn require(&mut self, action: ActionIx, why: Option<String>) {
        if self.graph[action].is_optional {
            self.graph[action].is_optional = false;
            if self.graph[action].why.is_none() {
                self.graph[action].why = why;
            }
            self.touch(action);
        }
    }

    fn block(&mut self, action: ActionIx, why: Option<String>) {
        if self.graph[action].is_runnable && !self.is_done_by_fencing(action) {
            self.graph[action].is_runnable = false;
            self.graph[action].why = why;
            self.touch(action);
            self.block_dependents(action);
        }
    }

    /// A stop on a node that is fenced happens whatever stands in its way.
    fn is_done_by_fencing(&self, action: ActionIx) -> bool {
        let planned = &self.graph[action];
        planned.task == Task::Stop && planned.is_pseudo && planned.node.is_some()
    }

    /// The points of a group are required where any member's action is; a start is possible where every member's is.
    fn refresh_group(&mut self, point: ActionIx) {
        let Some(group) = self.graph[point].rsc.filter(|rsc| self.world[*rsc].is_group()) else { return };
        let task = self.graph[point].task;
        let (of_member, is_whole) = match task {
            Task::Started => (Task::Start, true),
            Task::Stopped => (Task::Stop, true),
            task => (task, false),
        };
        for member in self.world.members(group).to_vec() {
            let action = self.graph.doing(member, of_member).next();
            match action {
                Some(action) => {
                    if !self.graph[action].is_optional {
                        self.require(point, None);
                    }
                    if is_whole && !self.graph[action].is_runnable {
                        self.block(point, self.graph[action].why.clone());
                    }
                }
                None if of_member == Task::Start => {
                    self.block(point, Some(format!("{} is not going to run", self.world[member].id)));
                }
                None => {}
            }
        }
    }

    fn apply(&mut self, edge: Edge) {
        let relation = edge.relation;
        for then in self.with_members(edge.then) {
            let edge = Edge { then, ..edge };
            if relation.has(Relation::ASYMMETRIC) {
                self.apply_asymmetric(edge);
            }
            if relation.has(Relation::FIRST_IMPLIES_THEN) && !self.graph[edge.first].is_optional {
                self.require(then, self.because(edge.first));
            }
            if relation.has(Relation::RESTART) {
                self.apply_restart(edge);
            }
            if relation.has(Relation::FIRST_BLOCKS_THEN) && !self.graph[edge.first].is_runnable {
                self.block(then, self.because(edge.first));
            }
        }
        if relation.has(Relation::THEN_IMPLIES_FIRST) && !self.graph[edge.then].is_optional {
            self.require(edge.first, self.because(edge.then));
        }
        self.stay_behind_what_is_stuck(edge);
    }

    /// What comes before a group comes before the same action of each of its members.
    fn with_members(&self, then: ActionIx) -> Vec<ActionIx> {
        let mut all = alloc::vec![then];
        if let Some(rsc) = self.graph[then].rsc {
            let task = self.graph[then].task;
            let members = self.world.members(rsc).iter();
            all.extend(members.filter_map(|member| self.graph.doing(*member, task).next()));
        }
        all
    }

    /// "`web` starts first": the other action as a reason.
    fn because(&self, action: ActionIx) -> Option<String> {
        let other = &self.graph[action];
        let rsc = other.rsc?;
        let task = match other.task {
            Task::Start | Task::Started => "start",
            Task::Stop | Task::Stopped => "stop",
            Task::Fence => return None,
        };
        Some(if other.is_runnable {
            format!("{} {task}s", self.world[rsc].id)
        } else {
            format!(
                "{} cannot {task}{}",
                self.world[rsc].id,
                other.why.as_ref().map_or(String::new(), |why| format!(": {why}"))
            )
        })
    }

    /// A stop is brought about by a required start, and by a start of the same resource that cannot be; a stop that
    /// is required and cannot be blocks the start.
    fn apply_restart(&mut self, Edge { first, then, .. }: Edge) {
        let is_same = self.graph[first].rsc == self.graph[then].rsc;
        let is_managed = self.graph[then].rsc.is_some_and(|rsc| self.world[rsc].is_managed);
        let is_impossible = !self.graph[then].is_runnable && is_managed && is_same;
        if !self.graph[then].is_optional || is_impossible {
            let why = self.graph[then].why.clone().or_else(|| self.because(then));
            if self.graph[first].is_runnable || !self.graph[then].is_optional {
                self.require(first, why);
            }
        }
        if !self.graph[first].is_optional && !self.graph[first].is_runnable {
            self.block(then, self.because(first));
        }
    }

    /// Without the first the second cannot be, unless it is already so.
    fn apply_asymmetric(&mut self, Edge { first, then, .. }: Edge) {
        let Some(rsc) = self.graph[then].rsc else { return };
        if self.graph[first].is_runnable {
            return;
        }
        let action = &self.graph[then];
        let is_already_so = match action.task {
            Task::Stop => role(self.world, rsc) == Role::Stopped,
            Task::Start => {
                let running = &self.world[rsc].running_on;
                role(self.world, rsc) == Role::Started
                    && running.len() == 1
                    && running.first().copied() == action.node
            }
            _ => false,
        };
        if action.is_optional && is_already_so {
            return;
        }
        let is_idle_stop = action.is_optional && action.task == Task::Stop;
        let why = self.because(first);
        // A stop that nobody asks for is only out of reach; it is no reason to do anything.
        if !is_idle_stop {
            self.require(then, why.clone());
        }
        self.block(then, why);
    }

    /// A resource that nobody may stop holds up what would have to come after its stop.
    fn stay_behind_what_is_stuck(&mut self, edge: Edge) {
        let binding = Relation::FIRST_IMPLIES_THEN.and(Relation::THEN_IMPLIES_FIRST).and(Relation::RESTART);
        let first = &self.graph[edge.first];
        let is_stuck = first.task == Task::Stop
            && !first.is_runnable
            && first.rsc.is_some_and(|rsc| !self.world[rsc].is_managed && self.world[rsc].blocked.is_some());
        if is_stuck && edge.relation.has(binding) {
            self.block(edge.then, self.because(edge.first));
        }
    }

    /// Who must be together with a resource that cannot start cannot start either. A group fails its followers only as
    /// a whole.
    fn block_dependents(&mut self, action: ActionIx) {
        let Some(rsc) = self.graph[action].rsc.filter(|_| self.graph[action].task == Task::Start) else {
            return;
        };
        let primary = self.world[rsc].parent.unwrap_or(rsc);
        let is_possible = |member: &RscIx| {
            let start = self.graph.doing(*member, Task::Start).next();
            start.is_none_or(|start| self.graph[start].is_runnable)
        };
        if self.world.members(primary).iter().any(is_possible) {
            return;
        }
        let why = format!("it must be together with {}", self.world[primary].id);
        let dependents: Vec<RscIx> = self
            .world
            .colocations
            .iter()
            .filter(|colocation| colocation.primary == primary && colocation.score >= Score::INFINITY)
            .map(|colocation| colocation.dependent)
            .collect();
        for dependent in dependents {
            let members = self.world.members(dependent).to_vec();
            for blocked in members.into_iter().chain([dependent]) {
                for start in self.graph.doing(blocked, Task::Start).collect::<Vec<_>>() {
                    self.block(start, Some(why.clone()));
                }
            }
        }
    }
}
