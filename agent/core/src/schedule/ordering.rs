//! What actions mean for each other: the implied orders (a stop before a start, a group's members, a clone's instances)
//! and the configured ones.

use super::actions;
use super::alternatives;
use super::bundles;
use super::copies::Copies;
use super::graph::{ActionIx, Graph, Relation, Task};
use super::migration;
use super::utilization;
use super::world::{Kind, Role, RscIx, World};
use alloc::format;
use alloc::vec::Vec;
use muster_api::resource::{Constraint, OrderKind, Score};

/// Adds all orders to the graph.
pub(crate) fn add_all(world: &World<'_>, graph: &mut Graph) {
    for top in &world.top {
        add_implied(world, graph, *top);
    }
    for colocation in &world.colocations {
        if colocation.score <= Score::MINUS_INFINITY {
            keep_apart(world, graph, colocation.dependent, colocation.primary);
            keep_apart(world, graph, colocation.primary, colocation.dependent);
        }
    }
    for constraint in &world.situation.config.constraints {
        add_configured(world, graph, constraint);
        alternatives::add(world, graph, constraint);
    }
    utilization::add_orders(world, graph);
}

/// What is inside first: an instance that is not started again must not be stopped for that.
fn add_implied(world: &World<'_>, graph: &mut Graph, rsc: RscIx) {
    for part in world.parts_of(rsc) {
        add_implied(world, graph, part);
    }
    match &world[rsc].kind {
        Kind::Group(members) => add_group(world, graph, rsc, members),
        Kind::Clone(copies) => add_clone(world, graph, rsc, copies),
        Kind::Bundle(_) => bundles::add_orders(world, graph, rsc),
        Kind::Primitive(_) | Kind::Orphan(_) => add_restart(world, graph, rsc),
    }
}

/// A resource is demoted before it is stopped, stopped before it is started, started before it is promoted.
fn add_restart(world: &World<'_>, graph: &mut Graph, rsc: RscIx) {
    if !world[rsc].is_managed {
        return;
    }
    let restart = Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN).and(Relation::RESTART);
    for stop in graph.doing(rsc, Task::Stop).collect::<Vec<_>>() {
        // What was left behind by a migration is no reason to start again what has arrived.
        let is_left_behind = graph[stop].node.is_some_and(|node| {
            world[rsc].left_behind.contains(&node) && !world[rsc].running_on.contains(&node)
        });
        let relation = if is_left_behind { Relation::ORDERED } else { restart };
        for start in graph.doing(rsc, Task::Start).collect::<Vec<_>>() {
            graph.order(stop, start, relation);
        }
    }
    if world.is_promotable(rsc) || world[rsc].role > Role::Unpromoted {
        order(world, graph, (rsc, Task::Demote), (rsc, Task::Stop), Relation::PROMOTED_IMPLIES_FIRST);
        order(world, graph, (rsc, Task::Start), (rsc, Task::Promote), start_before_promotion(world, rsc));
        order(world, graph, (rsc, Task::Demote), (rsc, Task::Promote), Relation::ORDERED);
    }
}

/// Nothing is promoted that does not run; what is promoted and stays so is promoted again after a restart.
fn start_before_promotion(world: &World<'_>, rsc: RscIx) -> Relation {
    let stays_promoted = world[rsc].role == Role::Promoted && world[rsc].next_role == Role::Promoted;
    let again = if stays_promoted { Relation::FIRST_IMPLIES_THEN } else { Relation::ORDERED };
    Relation::FIRST_BLOCKS_THEN.and(again)
}

/// What leaves a node goes before what must not be there with it comes.
fn keep_apart(world: &World<'_>, graph: &mut Graph, leaving: RscIx, coming: RscIx) {
    for leaving in world.leaves(leaving) {
        for coming in world.leaves(coming) {
            if leaving != coming {
                order(world, graph, (leaving, Task::Stop), (coming, Task::Start), Relation::APART);
            }
        }
    }
}

/// The points of a clone or a group, one after the other.
pub(crate) fn add_points(world: &World<'_>, graph: &mut Graph, whole: RscIx) {
    let mut add = |first, then, relation| order(world, graph, (whole, first), (whole, then), relation);
    add(Task::Stop, Task::Stopped, Relation::FIRST_BLOCKS_THEN);
    add(Task::Stopped, Task::Start, Relation::ORDERED);
    add(Task::Start, Task::Started, Relation::FIRST_BLOCKS_THEN);
    if world.is_promotable(whole) {
        add(Task::Demote, Task::Demoted, Relation::FIRST_BLOCKS_THEN);
        add(Task::Demoted, Task::Stop, Relation::ORDERED);
        add(Task::Demoted, Task::Start, Relation::ORDERED);
        add(Task::Demoted, Task::Promote, Relation::ORDERED);
        add(Task::Stopped, Task::Promote, Relation::ORDERED);
        add(Task::Started, Task::Promote, Relation::FIRST_BLOCKS_THEN);
        add(Task::Promote, Task::Promoted, Relation::FIRST_BLOCKS_THEN);
    }
}

fn add_clone(world: &World<'_>, graph: &mut Graph, clone: RscIx, copies: &Copies) {
    add_points(world, graph, clone);
    let mut instances = copies.instances.clone();
    instances.sort_by_key(|instance| world[*instance].copy);
    let tasks: &[Task] = if copies.is_promotable {
        &[Task::Start, Task::Stop, Task::Promote, Task::Demote]
    } else {
        &[Task::Start, Task::Stop]
    };
    for (place, &instance) in instances.iter().enumerate() {
        for &task in tasks {
            order(world, graph, (clone, task), (instance, task), Relation::ORDERED);
            let end = if world[instance].is_runnable() { task } else { task.completion() };
            order(world, graph, (instance, end), (clone, task.completion()), Relation::ORDERED);
            let Some(previous) = place.checked_sub(1).filter(|_| copies.is_ordered) else { continue };
            let (first, then) = match task.is_up() {
                true => (instances[previous], instance),
                false => (instance, instances[previous]),
            };
            order(world, graph, (first, task), (then, task), Relation::ORDERED);
        }
    }
}

fn add_group(world: &World<'_>, graph: &mut Graph, group: RscIx, members: &[RscIx]) {
    add_points(world, graph, group);
    let is_running = |rsc: RscIx| !world[rsc].running_on.is_empty();
    let mut last_active = None;
    for (place, &member) in members.iter().enumerate() {
        let previous = place.checked_sub(1).filter(|_| world[group].meta.is_ordered);
        let previous = previous.map(|place| members[place]);
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
    if world.is_promotable(group) {
        order(world, graph, (group, Task::Demote), (member, Task::Demote), Relation::ORDERED);
        order(world, graph, (member, Task::Demote), (group, Task::Demoted), finishes);
        order(world, graph, (group, Task::Promote), (member, Task::Promote), Relation::ORDERED);
        order(world, graph, (member, Task::Promote), (group, Task::Promoted), completes);
    }
    let Some(previous) = previous else { return };
    order(world, graph, (previous, Task::Start), (member, Task::Start), completes);
    if world.is_promotable(group) {
        order(world, graph, (previous, Task::Promote), (member, Task::Promote), completes);
        order(world, graph, (member, Task::Demote), (previous, Task::Demote), Relation::ORDERED);
    }
    let in_reverse = Relation::ORDERED.and(Relation::RESTART);
    order(world, graph, (member, Task::Stop), (previous, Task::Stop), in_reverse);
    // A member that runs without the one before it gives way before that one starts.
    if !world[member].running_on.is_empty() && world[previous].running_on.is_empty() {
        let gives_way = Relation::THEN_IMPLIES_FIRST.and(Relation::FIRST_BLOCKS_THEN);
        order(world, graph, (member, Task::Stop), (previous, Task::Start), gives_way);
    }
}

fn add_configured(world: &World<'_>, graph: &mut Graph, constraint: &Constraint) {
    let Constraint::Order { first, first_action, then, then_action, kind, symmetrical, require_all, .. } =
        constraint
    else {
        return;
    };
    let (Some(first), Some(then)) = (world.find(first), world.find(then)) else { return };
    let (Some(first_task), Some(then_task)) = (task(first_action), task(then_action)) else { return };
    let ordered = Ordered { first: (first, first_task), then: (then, then_task), kind: *kind };
    let needed = needed_instances(world, first, *require_all);
    if needed > 0 {
        ordered.add_counted(world, graph, needed, *symmetrical);
    } else {
        ordered.add(world, graph, *symmetrical);
    }
    if *symmetrical && *kind != OrderKind::Serialize {
        // An instance that goes leaves others, and what some of them are enough for stays.
        let kind = if needed > 0 { OrderKind::Optional } else { *kind };
        Ordered { kind, ..ordered }.add_reverse(world, graph);
    }
}

/// How many instances of a clone are enough for what comes after it; zero is all of them.
fn needed_instances(world: &World<'_>, first: RscIx, requires_all: bool) -> usize {
    match world[first].copies() {
        Some(copies) if copies.min > 0 => copies.min,
        Some(_) if !requires_all => 1,
        _ => 0,
    }
}

/// One thing before another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ordered {
    pub(crate) first: (RscIx, Task),
    pub(crate) then: (RscIx, Task),
    pub(crate) kind: OrderKind,
}

impl Ordered {
    pub(crate) fn relation(&self, symmetrical: bool) -> Relation {
        match self.kind {
            OrderKind::Optional | OrderKind::Serialize => Relation::ORDERED,
            OrderKind::Mandatory if !symmetrical => Relation::ORDERED.and(Relation::ASYMMETRIC),
            OrderKind::Mandatory if self.first.1.is_up() => {
                Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN).and(Relation::FIRST_BLOCKS_THEN)
            }
            OrderKind::Mandatory => Relation::ORDERED.and(Relation::FIRST_IMPLIES_THEN),
        }
    }

    pub(crate) fn add(&self, world: &World<'_>, graph: &mut Graph, symmetrical: bool) {
        if self.first.0 != self.then.0 {
            order(world, graph, self.first, self.then, self.relation(symmetrical));
            migration::order_equivalents(world, graph, self);
        }
    }

    /// The second waits until so many instances of the first can act.
    fn add_counted(&self, world: &World<'_>, graph: &mut Graph, needed: usize, symmetrical: bool) {
        let enough = actions::enough(graph, needed);
        for instance in world.children(self.first.0).to_vec() {
            for action in actions_of(world, graph, (instance, self.first.1)) {
                graph.order(action, enough, Relation::COUNTED);
            }
        }
        let relation = self.relation(symmetrical).and(Relation::FIRST_BLOCKS_THEN);
        for then in graph.doing(self.then.0, self.then.1).collect::<Vec<_>>() {
            graph.order(enough, then, relation);
        }
    }

    /// What goes up in one order goes down in the other.
    pub(crate) fn add_reverse(&self, world: &World<'_>, graph: &mut Graph) {
        if self.first.0 == self.then.0 {
            return;
        }
        // Who comes up after another does not make that one come up again.
        let backward = match self.kind {
            OrderKind::Mandatory if !opposite(self.then.1).is_up() => {
                Relation::ORDERED.and(Relation::THEN_IMPLIES_FIRST)
            }
            _ => Relation::ORDERED,
        };
        let (first, then) = ((self.then.0, opposite(self.then.1)), (self.first.0, opposite(self.first.1)));
        order(world, graph, first, then, backward);
        migration::order_equivalents(world, graph, &Self { first, then, kind: self.kind });
    }
}

pub(crate) fn task(action: &str) -> Option<Task> {
    match action {
        "start" => Some(Task::Start),
        "stop" => Some(Task::Stop),
        "promote" => Some(Task::Promote),
        "demote" => Some(Task::Demote),
        _ => None,
    }
}

fn opposite(task: Task) -> Task {
    match task {
        Task::Start => Task::Stop,
        Task::Stop => Task::Start,
        Task::Promote => Task::Demote,
        Task::Demote => Task::Promote,
        other => other,
    }
}

/// Orders every action of one resource before every action of another.
pub(crate) fn order(
    world: &World<'_>,
    graph: &mut Graph,
    (first_rsc, first_task): (RscIx, Task),
    (then_rsc, then_task): (RscIx, Task),
    relation: Relation,
) {
    // Whoever comes after a group or a clone comes after all of it.
    let is_within = first_rsc == then_rsc || world.is_inside(then_rsc, first_rsc);
    let first_task = match world[first_rsc].is_runnable() || is_within {
        true => first_task,
        false => first_task.completion(),
    };
    let thens: Vec<ActionIx> = graph.doing(then_rsc, then_task).collect();
    if thens.is_empty() {
        return;
    }
    for first in actions_of(world, graph, (first_rsc, first_task)) {
        for &then in &thens {
            graph.order(first, then, relation);
        }
    }
}

/// Whether it stays where it is and is only demoted: it is there for those who need it started.
fn only_gives_up_its_role(world: &World<'_>, rsc: RscIx) -> bool {
    let one = &world[rsc];
    let stays = one.placed_on.is_some() && one.placed_on == world.current_node(rsc);
    one.is_runnable() && stays && one.next_role.is_active() && one.role > one.next_role
}

/// The actions of a resource that do a task. Where there are none, one that cannot be done stands for them, unless it
/// would end what is not, or begin what is.
pub(crate) fn actions_of(world: &World<'_>, graph: &mut Graph, (rsc, task): (RscIx, Task)) -> Vec<ActionIx> {
    let found: Vec<ActionIx> = graph.doing(rsc, task).collect();
    let is_needless = match task {
        Task::Stop => world.role(rsc) == Role::Stopped,
        Task::Demote => world.role(rsc) == Role::Unpromoted,
        Task::Start => only_gives_up_its_role(world, rsc),
        _ => false,
    };
    if !found.is_empty() || is_needless {
        return found;
    }
    let why = match task.of_each() {
        Task::Promote => format!("{} is not going to be promoted", world[rsc].id),
        _ => format!("{} is not going to run", world[rsc].id),
    };
    alloc::vec![actions::missing(graph, rsc, task, why)]
}
