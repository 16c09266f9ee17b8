//! From the graph of what is considered to the transition: only what is due and real, each with what it waits for.

use super::graph::{ActionIx, Graph, Planned, Relation, Task};
use super::nodes::NodeIx;
use super::notices::{self, Ends};
use super::world::{Kind, RscIx, World};
use super::{Action, ActionKind, Transition, failures, monitors};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::history::ResourceAction;
use muster_api::id::ResourceId;
use muster_api::reload;
use muster_api::resource::{AgentName, Operation};

/// The due actions of the graph, each after all that it waits for.
pub(crate) fn in_order(graph: &Graph) -> Vec<ActionIx> {
    let is_due = |action: &ActionIx| graph[*action].is_due();
    sort(graph, (0..graph.actions.len()).map(ActionIx).filter(is_due).collect())
}

/// What there is to wait for: what is due, and what was ordered before and has not ended, with the points on the way from
/// that to those who wait for it.
fn to_wait_for(graph: &Graph) -> BTreeSet<ActionIx> {
    let all = || (0..graph.actions.len()).map(ActionIx);
    let is_under_way = all().any(|action| graph[action].is_under_way);
    let counts = |action: &ActionIx| {
        let planned = &graph[*action];
        planned.is_due() || planned.is_under_way || (is_under_way && planned.is_passed_through())
    };
    all().filter(counts).collect()
}

/// Each action after those that it waits for, else in the order of the graph. In a circle the weakest order gives way; a
/// circle of strict ones is cut at its first action.
fn sort(graph: &Graph, mut waiting: BTreeSet<ActionIx>) -> Vec<ActionIx> {
    let mut open = Open::of(graph, &waiting);
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(next) = open.next(&waiting) {
        waiting.remove(&next);
        open.pass(next);
        ordered.push(next);
    }
    ordered
}

/// What each action still waits for.
struct Open {
    /// By action: who waits for it, and whether that order may give way.
    followers: BTreeMap<ActionIx, Vec<(ActionIx, bool)>>,
    strict: BTreeMap<ActionIx, usize>,
    weak: BTreeMap<ActionIx, usize>,
    /// Those that wait for nothing.
    free: BTreeSet<ActionIx>,
}

impl Open {
    fn of(graph: &Graph, waiting: &BTreeSet<ActionIx>) -> Self {
        let mut open = Self {
            followers: BTreeMap::new(),
            strict: BTreeMap::new(),
            weak: BTreeMap::new(),
            free: waiting.clone(),
        };
        for &then in waiting {
            for edge in graph.before(then).iter().map(|edge| &graph.edges[*edge]) {
                if !waiting.contains(&edge.first) || !graph.relates(edge) {
                    continue;
                }
                let is_weak = matches!(edge.relation, Relation::ORDERED | Relation::APART);
                open.followers.entry(edge.first).or_default().push((then, is_weak));
                *open.counts(is_weak).entry(then).or_insert(0) += 1;
                open.free.remove(&then);
            }
        }
        open
    }

    fn counts(&mut self, is_weak: bool) -> &mut BTreeMap<ActionIx, usize> {
        if is_weak { &mut self.weak } else { &mut self.strict }
    }

    fn next(&self, waiting: &BTreeSet<ActionIx>) -> Option<ActionIx> {
        let is_strictly_free = |action: &&ActionIx| !self.strict.contains_key(action);
        let next = self.free.first().or_else(|| waiting.iter().find(is_strictly_free));
        next.or_else(|| waiting.first()).copied()
    }

    /// It has its place: nobody waits for it any more.
    fn pass(&mut self, action: ActionIx) {
        self.free.remove(&action);
        self.strict.remove(&action);
        self.weak.remove(&action);
        for (then, is_weak) in self.followers.remove(&action).unwrap_or_default() {
            let counts = self.counts(is_weak);
            let Some(left) = counts.get_mut(&then) else { continue };
            *left -= 1;
            if *left == 0 {
                counts.remove(&then);
            }
            if !self.strict.contains_key(&then) && !self.weak.contains_key(&then) {
                self.free.insert(then);
            }
        }
    }
}

/// The transition.
pub(crate) fn transition(world: &World<'_>, graph: &Graph) -> Transition {
    let mut draft = Draft { world, graph, transition: Transition::default() };
    let probes = draft.add_probes();
    let (placed, ends) = draft.add_planned(&probes);
    notices::add(&mut draft, &ends, &placed);
    for rsc in world.runnables() {
        draft.add_monitors(rsc, &placed);
    }
    draft.forget_failures();
    draft.transition
}

pub(super) struct Draft<'w, 'a> {
    pub(super) world: &'w World<'a>,
    pub(super) graph: &'w Graph,
    pub(super) transition: Transition,
}

impl Draft<'_, '_> {
    pub(super) fn push(&mut self, kind: ActionKind, after: BTreeSet<usize>, why: String) -> usize {
        self.transition.actions.push(Action { kind, after: after.into_iter().collect(), why });
        self.transition.actions.len() - 1
    }

    /// By the id in the history: the places of the probes.
    fn add_probes(&mut self) -> BTreeMap<ResourceId, BTreeSet<usize>> {
        let mut probes: BTreeMap<ResourceId, BTreeSet<usize>> = BTreeMap::new();
        for (rsc, node) in monitors::missing_probes(self.world) {
            let Some(action) = configured_action(self.world, rsc, "monitor", 0) else { continue };
            let kind = ActionKind::Resource { node: self.world[node].name.clone(), action, is_probe: true };
            let place =
                self.push(kind, BTreeSet::new(), "nobody has looked whether it runs there".to_string());
            probes.entry(self.world[rsc].id.clone()).or_default().insert(place);
        }
        probes
    }

    /// Starts, stops and fencings; returns where in the transition each stands, and what a later one has to wait for: for
    /// one that nothing is run for, what it waited for itself.
    fn add_planned(
        &mut self,
        probes: &BTreeMap<ResourceId, BTreeSet<usize>>,
    ) -> (BTreeMap<ActionIx, usize>, Ends) {
        let mut places = BTreeMap::new();
        let mut ends = Ends::new();
        for ix in sort(self.graph, to_wait_for(self.graph)) {
            let edges = self.graph.before(ix).iter().map(|edge| &self.graph.edges[*edge]);
            let binding = edges.filter(|edge| self.graph.relates(edge));
            let mut after: BTreeSet<usize> =
                binding.filter_map(|edge| ends.get(&edge.first)).flatten().copied().collect();
            let planned = &self.graph[ix];
            let begins = matches!(planned.task, Task::Start | Task::MigrateTo);
            if let Some(rsc) = planned.rsc.filter(|_| begins) {
                after.extend(probes.get(&self.world[rsc].id).into_iter().flatten());
            }
            let why = planned.why.clone().unwrap_or_default();
            let end = match self.kind(ix) {
                Some(kind) => {
                    let place = self.push(kind, after, why);
                    places.insert(ix, place);
                    BTreeSet::from([place])
                }
                None => after,
            };
            ends.insert(ix, end);
        }
        (places, ends)
    }

    /// What is done for a planned action; nothing for points and for what fencing does.
    fn kind(&self, ix: ActionIx) -> Option<ActionKind> {
        let planned = &self.graph[ix];
        let node = planned.node.filter(|_| !planned.is_pseudo)?;
        let name = self.world[node].name.clone();
        let action = match planned.task {
            Task::Fence => {
                return Some(ActionKind::Fence { node: name, off: self.world.settings.fences_with_off });
            }
            Task::Reload if !monitors::is_reloaded(self.graph, planned.rsc?, node) => return None,
            Task::Start | Task::Promote | Task::MigrateFrom | Task::Reload => {
                configured_action(self.world, planned.rsc?, planned.task.name(), 0)?
            }
            Task::Stop | Task::Demote | Task::MigrateTo => {
                recorded_action(self.world, planned.rsc?, node, planned.task.name())?
            }
            // Where devices have to unfence, a configuration is refused before it comes to this; it is only simulated.
            Task::Unfence => return None,
            Task::Started | Task::Stopped | Task::Promoted | Task::Demoted | Task::Enough => return None,
        };
        let action = self.with_ends(action, planned);
        Some(ActionKind::Resource { node: name, action, is_probe: false })
    }

    /// Both halves of a migration know where from and where to.
    fn with_ends(&self, mut action: ResourceAction, planned: &Planned) -> ResourceAction {
        let is_migration = matches!(planned.task, Task::MigrateTo | Task::MigrateFrom);
        let Some(rsc) = planned.rsc.filter(|_| is_migration) else { return action };
        let ends =
            [("migrate_source", self.world.current_node(rsc)), ("migrate_target", self.world[rsc].placed_on)];
        for (name, node) in ends {
            let value = node.map(|node| self.world[node].name.to_string()).unwrap_or_default();
            action.meta.insert(name.to_string(), value);
        }
        action
    }

    fn add_monitors(&mut self, rsc: RscIx, places: &BTreeMap<ActionIx, usize>) {
        for (node, interval_ms) in monitors::surplus_monitors(self.world, self.graph, rsc) {
            let (node, resource) = (self.world[node].name.clone(), self.world[rsc].id.clone());
            let kind = ActionKind::CancelMonitor { node, resource, interval_ms };
            self.push(kind, BTreeSet::new(), "it is no longer configured".to_string());
        }
        for (node, operation) in monitors::missing_monitors(self.world, self.graph, rsc) {
            let Some(action) = configured_action(self.world, rsc, "monitor", operation.interval_ms) else {
                continue;
            };
            let before = [Task::Start, Task::Promote, Task::Demote, Task::Reload].into_iter();
            let before = before.filter_map(|task| self.graph.on(rsc, task, node));
            let after = before.filter_map(|action| places.get(&action)).copied().collect();
            let kind = ActionKind::Resource { node: self.world[node].name.clone(), action, is_probe: false };
            self.push(kind, after, "it is watched while it runs".to_string());
        }
    }

    fn forget_failures(&mut self) {
        // Fencing takes the whole history of the node away.
        let aged =
            failures::aged(self.world).into_iter().filter(|(_, node)| self.world[*node].unclean.is_none());
        // All instances of an anonymous clone fail in one name.
        let named: BTreeSet<_> =
            aged.map(|(rsc, node)| (self.world[rsc].id.clone(), self.world[node].name.clone())).collect();
        for (resource, node) in named {
            let kind = ActionKind::ForgetFailures { node, resource };
            self.push(kind, BTreeSet::new(), "`failure-timeout` has passed since the last one".to_string());
        }
    }
}

/// An action with the agent and the parameters of the configuration.
pub(super) fn configured_action(
    world: &World<'_>,
    rsc: RscIx,
    operation: &str,
    interval_ms: u64,
) -> Option<ResourceAction> {
    let Kind::Primitive(primitive) = world[rsc].kind else { return None };
    Some(action(world, rsc, &primitive.agent, &primitive.params, operation, interval_ms))
}

/// A stop or a demotion uses what the resource was started with: after a change of its parameters, and when it was
/// removed, that is what has to go.
fn recorded_action(world: &World<'_>, rsc: RscIx, node: NodeIx, operation: &str) -> Option<ResourceAction> {
    let recorded = world[rsc].observed.get(&node).and_then(|observed| observed.definition.as_ref());
    match (&world[rsc].kind, recorded) {
        (Kind::Group(_) | Kind::Clone(_) | Kind::Bundle(_), _) => None,
        (Kind::Primitive(primitive), None) => {
            Some(action(world, rsc, &primitive.agent, &primitive.params, operation, 0))
        }
        (_, Some(definition)) | (Kind::Orphan(definition), None) => {
            Some(action(world, rsc, &definition.agent, &definition.params, operation, 0))
        }
    }
}

fn action(
    world: &World<'_>,
    rsc: RscIx,
    agent: &AgentName,
    params: &BTreeMap<String, String>,
    operation: &str,
    interval_ms: u64,
) -> ResourceAction {
    let timeout_ms = timeout_ms(world, rsc, operation, interval_ms);
    let own = [
        ("name", operation.to_string()),
        ("interval", format!("{interval_ms}")),
        ("timeout", format!("{timeout_ms}")),
    ];
    let meta = own.into_iter().chain(clone_meta(world, rsc));
    ResourceAction {
        resource: world[rsc].id.clone(),
        agent: agent.clone(),
        operation: operation.to_string(),
        interval_ms,
        timeout_ms,
        params: params.clone(),
        meta: meta.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
    }
}

/// What an agent may know of the clone that it is an instance of.
fn clone_meta(world: &World<'_>, rsc: RscIx) -> Vec<(&'static str, String)> {
    let Some(copies) = world.copies_of(rsc) else { return Vec::new() };
    let mut meta = alloc::vec![
        ("clone", world[rsc].copy.unwrap_or(0).to_string()),
        ("clone_max", copies.max.to_string()),
        ("clone_node_max", copies.max_on_node.to_string()),
        ("globally_unique", copies.is_unique.to_string()),
        ("interleave", copies.is_interleaved.to_string()),
        ("ordered", copies.is_ordered.to_string()),
        ("notify", copies.notifies.to_string()),
        ("promotable", copies.is_promotable.to_string()),
    ];
    if copies.is_promotable {
        // Agents that were written for older clusters ask under the older names.
        for (name, count) in [
            ("promoted_max", copies.promoted_max),
            ("master_max", copies.promoted_max),
            ("promoted_node_max", copies.promoted_max_on_node),
            ("master_node_max", copies.promoted_max_on_node),
        ] {
            meta.push((name, count.to_string()));
        }
    }
    meta
}

/// The operation's own timeout, else the default. A probe has that of the most frequent monitor, and a reload may be configured
/// under the name that it has in agents from before OCF 1.1.
fn timeout_ms(world: &World<'_>, rsc: RscIx, operation: &str, interval_ms: u64) -> u64 {
    let own = world[rsc].primitive().and_then(|primitive| {
        let named = || primitive.operations.iter().filter(|one| one.name == operation);
        let exact = named().find(|one| one.interval_ms == interval_ms);
        let is_probe = operation == "monitor" && interval_ms == 0;
        let is_reload = operation == reload::OPERATION;
        let nearest =
            || named().filter(|one| is_probe && one.enabled).min_by_key(|one: &&Operation| one.interval_ms);
        let older = || primitive.operations.iter().find(|one| is_reload && one.name == "reload");
        exact.or_else(nearest).or_else(older)?.timeout_ms
    });
    own.unwrap_or(world.settings.default_timeout_ms)
}
