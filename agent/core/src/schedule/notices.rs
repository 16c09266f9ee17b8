//! Notices (`notify` of a clone): its instances are told what is about to be done to any of them, and what was done.
//! What they are told is what agents for Pacemaker expect in `OCF_RESKEY_CRM_meta_notify_…`.

use super::emit::{self, Draft};
use super::graph::{ActionIx, Graph, Task};
use super::nodes::NodeIx;
use super::world::{Role, RscIx, World};
use super::{Action, ActionKind};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// In the order in which they are done.
const TASKS: [Task; 4] = [Task::Demote, Task::Stop, Task::Start, Task::Promote];

/// By planned action: what waits for it waits for these places of the transition.
pub(super) type Ends = BTreeMap<ActionIx, BTreeSet<usize>>;

/// Adds the notices of all clones that want them.
pub(super) fn add(draft: &mut Draft<'_, '_>, ends: &Ends, places: &BTreeMap<ActionIx, usize>) {
    for clone in draft.world.top.clone() {
        if draft.world[clone].copies().is_some_and(|copies| copies.notifies) {
            add_of_clone(draft, clone, ends, places);
        }
    }
}

fn add_of_clone(draft: &mut Draft<'_, '_>, clone: RscIx, ends: &Ends, places: &BTreeMap<ActionIx, usize>) {
    let leaves = draft.world.leaves(clone);
    let lists = lists(draft.world, draft.graph, &leaves);
    // One notice after the other: an instance hears of everything in order.
    let mut told = BTreeSet::new();
    for task in TASKS {
        let due = due(draft.graph, &leaves, task);
        if due.is_empty() {
            continue;
        }
        let real: BTreeSet<usize> = due.iter().filter_map(|action| places.get(action)).copied().collect();
        let begun = draft.transition.actions.len();
        let waits = real.iter().flat_map(|place| draft.transition.actions[*place].after.clone());
        let waits: BTreeSet<usize> = waits.chain(told.iter().copied()).collect();
        let waits = waits.into_iter().filter(|before| !leads_to(&draft.transition.actions, *before, &real));
        let waits: BTreeSet<usize> = waits.filter(|before| !real.contains(before)).collect();
        for (leaf, node) in active_before(draft.world, draft.graph, &leaves, task) {
            tell(draft, (leaf, node), ("pre", task), &lists, waits.clone());
        }
        let before: Vec<usize> = (begun..draft.transition.actions.len()).collect();
        for place in &real {
            let action = &mut draft.transition.actions[*place];
            action.after.extend(&before);
            if let ActionKind::Resource { action, .. } = &mut action.kind {
                action.meta.extend(lists.clone());
            }
        }
        let done: BTreeSet<usize> =
            due.iter().filter_map(|action| ends.get(action)).flatten().copied().collect();
        let begun = draft.transition.actions.len();
        for (leaf, node) in active_after(draft.world, draft.graph, &leaves, task) {
            tell(draft, (leaf, node), ("post", task), &lists, done.iter().chain(&before).copied().collect());
        }
        told = (begun..draft.transition.actions.len()).collect();
    }
}

/// What is due of a task, also what a fencing does.
fn due(graph: &Graph, leaves: &[RscIx], task: Task) -> Vec<ActionIx> {
    let actions = leaves.iter().flat_map(|leaf| graph.doing(*leaf, task));
    actions.filter(|action| graph[*action].is_due()).collect()
}

/// Whether an action waits for one of those, directly or through others.
fn leads_to(actions: &[Action], from: usize, those: &BTreeSet<usize>) -> bool {
    let (mut open, mut seen) = (alloc::vec![from], BTreeSet::new());
    while let Some(one) = open.pop() {
        if !seen.insert(one) {
            continue;
        }
        if actions[one].after.iter().any(|before| those.contains(before)) {
            return true;
        }
        open.extend(&actions[one].after);
    }
    false
}

/// Instances that run where they can be told something.
fn active(world: &World<'_>, leaves: &[RscIx]) -> Vec<(RscIx, NodeIx)> {
    let can_be_told = |node: &NodeIx| world[*node].is_online && world[*node].unclean.is_none();
    let places = |leaf: &RscIx| {
        let leaf = *leaf;
        world[leaf].running_on.clone().into_iter().map(move |node| (leaf, node))
    };
    leaves.iter().flat_map(places).filter(|(_, node)| can_be_told(node)).collect()
}

/// Instances that run when a task begins: what goes down goes before anything comes up.
fn active_before(world: &World<'_>, graph: &Graph, leaves: &[RscIx], task: Task) -> Vec<(RscIx, NodeIx)> {
    match task {
        Task::Start => active_after(world, graph, leaves, Task::Stop),
        Task::Promote => active_after(world, graph, leaves, Task::Start),
        _ => active(world, leaves),
    }
}

/// Instances that run once a task is done: what was stopped is gone, what was started is there.
fn active_after(world: &World<'_>, graph: &Graph, leaves: &[RscIx], task: Task) -> Vec<(RscIx, NodeIx)> {
    let is_due = |leaf: RscIx, task: Task, node: NodeIx| {
        graph.on(leaf, task, node).is_some_and(|action| graph[action].is_due())
    };
    let is_stopped = |leaf: RscIx, node: NodeIx| task != Task::Demote && is_due(leaf, Task::Stop, node);
    let mut there = active(world, leaves);
    there.retain(|(leaf, node)| !is_stopped(*leaf, *node));
    if task.is_up() {
        let starts = leaves.iter().filter_map(|leaf| Some((*leaf, world[*leaf].placed_on?)));
        let mut started: Vec<_> = starts.filter(|(leaf, node)| is_due(*leaf, Task::Start, *node)).collect();
        there.retain(|one| !started.contains(one));
        there.append(&mut started);
    }
    there
}

fn tell(
    draft: &mut Draft<'_, '_>,
    (leaf, node): (RscIx, NodeIx),
    (kind, task): (&str, Task),
    lists: &BTreeMap<String, String>,
    after: BTreeSet<usize>,
) {
    let Some(mut action) = emit::configured_action(draft.world, leaf, "notify", 0) else { return };
    action.meta.extend(lists.clone());
    action.meta.insert("notify_type".to_string(), kind.to_string());
    action.meta.insert("notify_operation".to_string(), task.name().to_string());
    let node = draft.world[node].name.clone();
    let why = format!("`notify` is set: {kind}-{}", task.name());
    draft.push(ActionKind::Resource { node, action, is_probe: false }, after, why);
}

/// Who is active in which role, and who is to start, stop, be promoted and be demoted where.
fn lists(world: &World<'_>, graph: &Graph, leaves: &[RscIx]) -> BTreeMap<String, String> {
    let mut lists = Lists { world, all: BTreeMap::new() };
    for task in TASKS {
        let due = due(graph, leaves, task).into_iter();
        let places = due.filter_map(|action| Some((graph[action].rsc?, graph[action].node?)));
        lists.add(&[task.name()], &places.collect::<Vec<_>>());
    }
    let running = |is_meant: fn(Role) -> bool| -> Vec<(RscIx, NodeIx)> {
        let meant = leaves.iter().filter(|leaf| is_meant(world[**leaf].role));
        meant.filter_map(|leaf| Some((*leaf, *world[*leaf].running_on.first()?))).collect()
    };
    lists.add(&["active"], &running(Role::is_active));
    lists.add(&["promoted", "master"], &running(|role| role == Role::Promoted));
    lists.add(&["unpromoted", "slave"], &running(|role| role.is_active() && role < Role::Promoted));
    let inactive = leaves.iter().filter(|leaf| world[**leaf].running_on.is_empty());
    let inactive: Vec<String> = inactive.map(|leaf| lists.name(*leaf)).collect();
    lists.put("inactive_resource", inactive);
    let nodes = |is_meant: &dyn Fn(NodeIx) -> bool| -> Vec<String> {
        world.node_indexes().filter(|node| is_meant(*node)).map(|node| world[node].name.to_string()).collect()
    };
    let (available, all) = (nodes(&|node| world[node].is_available()), nodes(&|_| true));
    lists.put("available_uname", available);
    lists.put("all_uname", all);
    lists.all
}

struct Lists<'w, 'a> {
    world: &'w World<'a>,
    all: BTreeMap<String, String>,
}

impl Lists<'_, '_> {
    /// Two lists, in the same order: instances and their nodes. Older agents ask under older names.
    fn add(&mut self, names: &[&str], places: &[(RscIx, NodeIx)]) {
        for name in names {
            let instances: Vec<String> = places.iter().map(|(leaf, _)| self.name(*leaf)).collect();
            let nodes: Vec<String> =
                places.iter().map(|(_, node)| self.world[*node].name.to_string()).collect();
            self.put(&format!("{name}_resource"), instances);
            self.put(&format!("{name}_uname"), nodes);
        }
    }

    fn put(&mut self, name: &str, words: impl IntoIterator<Item = String>) {
        let words: Vec<String> = words.into_iter().collect();
        self.all.insert(format!("notify_{name}"), words.join(" "));
    }

    /// Instances of an anonymous clone are told apart by a number that lasts for one transition.
    fn name(&self, leaf: RscIx) -> String {
        let is_unique = self.world.copies_of(leaf).is_some_and(|copies| copies.is_unique);
        let id = &self.world[leaf].id;
        match self.world[leaf].copy.filter(|_| !is_unique) {
            Some(copy) => format!("{id}:{copy}"),
            None => id.to_string(),
        }
    }
}
