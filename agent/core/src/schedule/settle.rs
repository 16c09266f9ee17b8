//! Lets every action tell its neighbours what it means for them, until nothing changes any more.

use super::because::Because;
use super::graph::{ActionIx, Edge, Graph, Relation, Task};
use super::instances;
use super::nodes::NodeIx;
use super::placement;
use super::related::with_this;
use super::world::{Role, RscIx, World};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::resource::Score;

/// Lets every action tell its neighbours until nothing changes.
pub(crate) fn settle(world: &mut World<'_>, graph: &mut Graph) {
    Settling {
        world,
        is_queued: alloc::vec![true; graph.actions.len()],
        queue: (0..graph.actions.len()).map(ActionIx).collect(),
        graph,
    }
    .run();
}

struct Settling<'w, 'a> {
    world: &'w mut World<'a>,
    graph: &'w mut Graph,
    queue: VecDeque<ActionIx>,
    is_queued: Vec<bool>,
}

impl Settling<'_, '_> {
    fn run(&mut self) {
        while let Some(then) = self.queue.pop_front() {
            self.is_queued[then.0] = false;
            self.count(then);
            for edge in self.graph.before(then).to_vec() {
                let edge = self.graph.edges[edge];
                self.refresh(edge.first);
                self.refresh(edge.then);
                self.apply(edge);
            }
        }
    }

    /// Blocks what too few of those before it can be done for.
    fn count(&mut self, action: ActionIx) {
        if self.graph[action].needs_before == 0 {
            return;
        }
        let edges = self.graph.before(action).iter().map(|edge| self.graph.edges[*edge]);
        let firsts: Vec<ActionIx> =
            edges.filter(|edge| edge.relation.has(Relation::COUNTED)).map(|edge| edge.first).collect();
        let possible = firsts.into_iter().filter(|first| {
            self.refresh(*first);
            self.graph[*first].is_runnable
        });
        let possible = possible.count();
        let needed = self.graph[action].needs_before;
        if possible < needed {
            self.block(action, Some(format!("{possible} of {needed} instances can run")));
        }
    }

    fn enqueue(&mut self, action: ActionIx) {
        if !self.is_queued[action.0] {
            self.is_queued[action.0] = true;
            self.queue.push_back(action);
        }
    }

    /// An action changed: it and all that depend on it are looked at again, and what it is a part of with what depends on
    /// that.
    fn touch(&mut self, action: ActionIx) {
        let mut touched = alloc::vec![action];
        touched.extend(self.graph.after(action));
        let mut whole = self.graph[action].rsc.and_then(|rsc| self.world[rsc].parent);
        while let Some(one) = whole {
            for point in self.graph.of(one).to_vec() {
                touched.push(point);
                touched.extend(self.graph.after(point));
            }
            whole = self.world[one].parent;
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

    /// What cannot be done takes those with it that must be together with it.
    fn block(&mut self, action: ActionIx, why: Option<String>) {
        if self.forbid(action, why) {
            self.block_dependents(action);
        }
    }

    /// Says that an action cannot be done; whether that is new.
    fn forbid(&mut self, action: ActionIx, why: Option<String>) -> bool {
        let is_new = self.graph[action].is_runnable && !self.is_done_by_fencing(action);
        if is_new {
            self.graph[action].is_runnable = false;
            self.graph[action].why = why;
            self.do_for_real(action);
            self.touch(action);
        }
        is_new
    }

    /// A stop on a node that is fenced happens whatever stands in its way.
    fn is_done_by_fencing(&self, action: ActionIx) -> bool {
        let planned = &self.graph[action];
        planned.task.is_down() && planned.is_pseudo && planned.node.is_some()
    }

    /// A point of a group or a clone takes after the actions of its parts.
    fn refresh(&mut self, point: ActionIx) {
        let Some(whole) = self.graph[point].rsc else { return };
        if self.world[whole].is_group() {
            self.refresh_group(point, whole);
        } else if self.world[whole].has_copies() {
            self.refresh_clone(point, whole);
        }
    }

    /// The points of a group are required where any member's action is; a start is possible where every member's is.
    fn refresh_group(&mut self, point: ActionIx, group: RscIx) {
        let task = self.graph[point].task;
        let of_member = task.of_each();
        for member in self.world.members(group).to_vec() {
            // What only stands for an action that nobody planned has no node.
            let is_planned = |action: &ActionIx| self.graph[*action].node.is_some();
            let action = self.graph.doing(member, of_member).find(is_planned);
            match action {
                Some(action) => {
                    if !self.graph[action].is_optional {
                        self.require(point, None);
                    }
                    if of_member != task && !self.graph[action].is_runnable {
                        self.forbid(point, self.graph[action].why.clone());
                    }
                }
                None if of_member.is_up() => {
                    let verb = if of_member == Task::Start { "run" } else { "be promoted" };
                    self.forbid(point, Some(format!("{} is not going to {verb}", self.world[member].id)));
                }
                None => {}
            }
        }
    }

    /// The points of a clone are required where any instance's action is, and possible where any instance's is.
    fn refresh_clone(&mut self, point: ActionIx, clone: RscIx) {
        let task = self.graph[point].task;
        let mut is_possible = false;
        let mut obstacle = None;
        for instance in self.world.instances_for(clone, task).to_vec() {
            // A group has points of its own: it has started when all of it has.
            let of_each = if self.world[instance].is_group() { task } else { task.of_each() };
            for action in self.graph.doing(instance, of_each).collect::<Vec<_>>() {
                self.refresh(action);
                if !self.graph[action].is_optional {
                    self.require(point, None);
                }
                is_possible |= self.graph[action].is_runnable;
                obstacle = obstacle.or_else(|| self.graph[action].why.clone());
            }
        }
        if !is_possible {
            self.forbid(point, obstacle);
        }
    }

    fn apply(&mut self, edge: Edge) {
        let relation = edge.relation;
        if self.is_interleaved(edge) {
            self.apply_interleaved(edge);
        } else {
            let node = self.node_of(edge.then);
            for then in self.with_parts(edge.then) {
                self.apply_forward(Edge { then, ..edge }, node);
            }
            let is_handed_over = self.graph[edge.then].is_migratable;
            if relation.has(Relation::THEN_IMPLIES_FIRST)
                && !is_handed_over
                && self.is_required_near(edge.then, self.node_of(edge.first))
            {
                self.require(edge.first, self.because(edge.then));
                if self.is_restarted(edge.then) {
                    self.do_for_real(edge.first);
                }
            }
        }
        self.stay_behind_what_is_stuck(edge);
    }

    /// `node` is where what comes after is done as a whole, if that is one place.
    fn apply_forward(&mut self, edge: Edge, node: Option<NodeIx>) {
        let (relation, then) = (edge.relation, edge.then);
        if relation.has(Relation::ASYMMETRIC) {
            self.apply_asymmetric(edge);
        }
        // What is handed over does not end: nobody has to act for that.
        let is_handed_over = self.graph[edge.first].is_migratable;
        // A stop that cannot be is no reason for another one, which would be done again and again.
        let is_stuck = self.graph[edge.first].task.is_down() && !self.graph[edge.first].is_runnable;
        if relation.has(Relation::FIRST_IMPLIES_THEN)
            && !is_handed_over
            && !is_stuck
            && self.is_required_near(edge.first, node)
        {
            self.require(then, self.because(edge.first));
        }
        if relation.has(Relation::MIGRATES) {
            self.apply_migration(edge);
        }
        if relation.has(Relation::ELSE_FOR_REAL) && !self.graph[edge.first].is_runnable {
            self.do_for_real(then);
        }
        if relation.has(Relation::RESTART) {
            self.apply_restart(edge);
        }
        if relation.has(Relation::PROMOTED_IMPLIES_FIRST)
            && !self.graph[then].is_optional
            && self.graph[then].rsc.is_some_and(|rsc| self.world[rsc].role == Role::Promoted)
        {
            self.require(edge.first, self.graph[then].why.clone());
        }
        if relation.has(Relation::FIRST_BLOCKS_THEN) && !self.graph[edge.first].is_runnable {
            self.block(then, self.because(edge.first));
        }
    }

    /// Where an action is done; a group that starts does so where it is placed.
    fn node_of(&self, action: ActionIx) -> Option<NodeIx> {
        let planned = &self.graph[action];
        let group = planned.rsc.filter(|rsc| planned.task == Task::Start && self.world[*rsc].is_group());
        planned.node.or_else(|| group.and_then(|group| self.world.place_of(group)))
    }

    /// Whether an action is required; of a clone only the instances on that node count.
    fn is_required_near(&self, action: ActionIx, node: Option<NodeIx>) -> bool {
        let planned = &self.graph[action];
        let clone = planned.rsc.filter(|rsc| self.world[*rsc].has_copies());
        let (Some(clone), Some(node)) = (clone, node) else { return !planned.is_optional };
        let of_each = planned.task.of_each();
        let mut there =
            self.world.leaves(clone).into_iter().filter_map(|leaf| self.graph.on(leaf, of_each, node));
        there.any(|action| !self.graph[action].is_optional)
    }

    /// Whether what stops here starts again: then nothing that needs it can be handed over meanwhile. An instance of a
    /// clone that only goes leaves others.
    fn is_restarted(&self, stop: ActionIx) -> bool {
        let Some(clone) = self.graph[stop].rsc.filter(|rsc| self.world[*rsc].is_clone()) else { return true };
        let is_due = |leaf: RscIx, task| self.graph.doing(leaf, task).any(|one| self.graph[one].is_due());
        let mut leaves = self.world.leaves(clone).into_iter();
        leaves.any(|leaf| is_due(leaf, Task::Stop) && is_due(leaf, Task::Start))
    }

    /// The halves of a migration are done where the stop and the start are a part of it, and only there.
    fn apply_migration(&mut self, Edge { first, then, .. }: Edge) {
        if !(self.graph[then].is_migratable && self.graph[then].is_runnable) {
            self.forbid(first, self.graph[then].why.clone());
        }
        if !self.graph[then].is_optional {
            self.require(first, self.graph[then].why.clone());
        }
    }

    /// It is no part of a live migration any more.
    fn do_for_real(&mut self, action: ActionIx) {
        if core::mem::replace(&mut self.graph[action].is_migratable, false) {
            if self.graph[action].task == Task::Start {
                self.graph[action].is_pseudo = false;
            }
            self.touch(action);
        }
    }

    /// What comes before a group or a clone comes before the same action of each of its parts; an instance that cannot
    /// act anyway is not asked.
    fn with_parts(&self, then: ActionIx) -> Vec<ActionIx> {
        let mut all = alloc::vec![then];
        let Some(rsc) = self.graph[then].rsc else { return all };
        let task = self.graph[then].task;
        let is_clone = self.world[rsc].has_copies();
        for part in self.world.children(rsc) {
            let action = self.graph.doing(*part, task).next();
            let asked = action.filter(|action| !is_clone || self.graph[*action].is_runnable);
            all.extend(asked.into_iter().flat_map(|action| self.with_parts(action)));
        }
        all
    }

    /// Whether each instance of the one clone only has to do with an instance of the other.
    fn is_interleaved(&self, edge: Edge) -> bool {
        let (first, then) = (&self.graph[edge.first], &self.graph[edge.then]);
        let (Some(first_rsc), Some(then_rsc)) = (first.rsc, then.rsc) else { return false };
        let (Some(of_first), Some(of_then)) = (self.world[first_rsc].copies(), self.world[then_rsc].copies())
        else {
            return false;
        };
        let decisive = if then.task.is_down() { of_first } else { of_then };
        first_rsc != then_rsc && decisive.is_interleaved
    }

    fn apply_interleaved(&mut self, edge: Edge) {
        let (Some(first_rsc), Some(then_rsc)) = (self.graph[edge.first].rsc, self.graph[edge.then].rsc)
        else {
            return;
        };
        let (first_task, then_task) = (self.graph[edge.first].task.of_each(), self.graph[edge.then].task);
        let is_current = first_task.is_down();
        for then_instance in self.world.children(then_rsc).to_vec() {
            let found =
                instances::compatible(self.world, then_instance, first_rsc, Role::Unknown, is_current);
            let Some(first_instance) = found else {
                self.leave_out(edge, then_instance, is_current);
                continue;
            };
            let first_acting = self.acting_first(first_instance, first_task);
            let then_acting = self.acting_then(then_instance, then_task);
            let first = self.graph.doing(first_acting, first_task).next();
            let then = self.graph.doing(then_acting, then_task).next();
            let (Some(first), Some(then)) = (first, then) else { continue };
            self.refresh(first);
            self.relate(first, then, edge.relation);
        }
    }

    /// Who acts in the name of an instance that others come after: of a bundle's what runs inside, unless it stops.
    fn acting_first(&self, instance: RscIx, task: Task) -> RscIx {
        if task == Task::Stop { instance } else { self.world.bearer_of_role(instance) }
    }

    /// Who acts in the name of an instance that comes after others: of a bundle's the container, unless it is about a role.
    fn acting_then(&self, instance: RscIx, task: Task) -> RscIx {
        let has_role = matches!(task.of_each(), Task::Promote | Task::Demote);
        if has_role { self.world.bearer_of_role(instance) } else { instance }
    }

    /// Relates two instances as their clones are.
    fn relate(&mut self, first: ActionIx, then: ActionIx, relation: Relation) {
        let is_whole = self.graph[first].rsc.is_some_and(|rsc| !self.world[rsc].is_runnable());
        let completion = self.graph[first].task.completion();
        let of_whole = self.graph[first].rsc.filter(|_| is_whole);
        let first = of_whole.and_then(|rsc| self.graph.doing(rsc, completion).next()).unwrap_or(first);
        self.graph.order(first, then, relation);
        self.is_queued.resize(self.graph.actions.len(), false);
        self.apply(Edge { first, then, relation });
    }

    /// An instance cannot come up where there is none that has to be there before it.
    fn leave_out(&mut self, edge: Edge, instance: RscIx, is_current: bool) {
        let needs = Relation::FIRST_BLOCKS_THEN.and(Relation::FIRST_IMPLIES_THEN);
        if is_current || !edge.relation.has(needs) || self.world.place_of(instance).is_none() {
            return;
        }
        let Some(first) = self.graph[edge.first].rsc else { return };
        let why = format!("has no instance of {} to go with", self.world[first].id);
        placement::leave_out(self.world, instance, &why, &Because::WithoutInstance { of: first });
        for leaf in self.world.leaves(instance) {
            for action in self.graph.of(leaf).to_vec() {
                match self.graph[action].task {
                    Task::Stop => self.require(action, Some(why.clone())),
                    Task::Start | Task::Promote => {
                        self.forbid(action, Some(why.clone()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// "`web` starts first": the other action as a reason.
    fn because(&self, action: ActionIx) -> Option<String> {
        let other = &self.graph[action];
        let rsc = other.rsc?;
        if other.task == Task::Fence {
            return None;
        }
        let task = other.task.name();
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
        if !self.graph[then].is_migratable && (!self.graph[then].is_optional || is_impossible) {
            self.do_for_real(first);
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
            Task::Stop => self.world.role(rsc) == Role::Stopped,
            Task::Start => {
                let running = &self.world[rsc].running_on;
                self.world.role(rsc).is_active()
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

    /// Who must be together with a resource that cannot start, or be promoted, cannot either. A group or a clone fails its
    /// followers only as a whole.
    fn block_dependents(&mut self, action: ActionIx) {
        let task = self.graph[action].task;
        let Some(rsc) = self.graph[action].rsc.filter(|_| matches!(task, Task::Start | Task::Promote)) else {
            return;
        };
        let mut primary = rsc;
        while let Some(parent) = self.world[primary].parent {
            primary = parent;
        }
        let is_possible = |part: &RscIx| {
            let start = self.graph.doing(*part, task).next();
            start.is_none_or(|start| self.graph[start].is_runnable)
        };
        if self.world.children(primary).iter().any(is_possible) {
            return;
        }
        let why = format!("it must be together with {}", self.world[primary].id);
        for colocation in with_this(self.world, primary) {
            let colocation = &self.world.colocations[colocation];
            let is_about = task == Task::Start || colocation.primary_role == Role::Promoted;
            if colocation.score < Score::INFINITY || !is_about {
                continue;
            }
            let dependent = colocation.dependent;
            let blocked =
                if colocation.dependent_role == Role::Promoted { Task::Promote } else { Task::Start };
            self.block_all(dependent, blocked, &why);
        }
    }

    fn block_all(&mut self, rsc: RscIx, task: Task, why: &str) {
        for action in self.graph.doing(rsc, task).collect::<Vec<_>>() {
            self.block(action, Some(why.into()));
        }
        for part in self.world.children(rsc).to_vec() {
            self.block_all(part, task, why);
        }
    }
}
