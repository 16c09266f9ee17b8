//! Capacity: what nodes have and resources need, and what `placement-strategy` makes of it (Pacemaker Explained,
//! "Utilization and Placement Strategy").

use super::because::Because;
use super::colocation::{self, Adding, Factor, Scores};
use super::graph::{Graph, Relation, Task};
use super::nodes::{Node, NodeIx, NodeState};
use super::ordering;
use super::related::{with_others, with_this};
use super::unpack::ban;
use super::world::{ColIx, Kind, Role, RscIx, World};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use muster_api::cluster::{Capacity, ClusterConfig};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::Score;

/// `placement-strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Strategy {
    /// Capacity does not count.
    #[default]
    Default,
    /// A node takes what it has room for; else as `Default`.
    Utilization,
    /// The node with the most room is the best of equals.
    Balanced,
    /// As few nodes as can be.
    Minimal,
}

/// What is left on each node.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) strategy: Strategy,
    free: BTreeMap<NodeIx, Capacity>,
}

impl Room {
    /// Whether as few nodes as possible are used.
    pub(crate) fn saves_nodes(&self) -> bool {
        self.strategy == Strategy::Minimal
    }

    /// What nodes have for good, and over it what they have until they restart.
    pub(crate) fn read(
        config: &ClusterConfig,
        nodes: &[Node],
        states: &BTreeMap<NodeName, NodeState>,
    ) -> Self {
        let strategy = match config.properties.get("placement-strategy").map(String::as_str) {
            Some("utilization") => Strategy::Utilization,
            Some("balanced") => Strategy::Balanced,
            Some("minimal") => Strategy::Minimal,
            _ => Strategy::Default,
        };
        let capacity = |name: &NodeName| {
            let mut capacity = config.node_utilization.get(name).cloned().unwrap_or_default();
            capacity.extend(states.get(name).map(|state| state.capacity.clone()).unwrap_or_default());
            capacity
        };
        let nodes = nodes.iter().enumerate();
        let free = nodes.map(|(place, node)| (NodeIx(place), capacity(&node.name))).collect();
        Self { strategy, free }
    }

    fn has_room(&self, node: NodeIx, need: &Capacity) -> bool {
        let free = |name| self.free.get(&node).and_then(|free| free.get(name)).copied().unwrap_or(0);
        need.iter().all(|(name, amount)| *amount <= free(name))
    }

    fn change(&mut self, node: NodeIx, need: &Capacity, sign: i64) {
        let Some(free) = self.free.get_mut(&node) else { return };
        for (name, amount) in need {
            if let Some(left) = free.get_mut(name) {
                *left = left.saturating_add(sign.saturating_mul(*amount));
            }
        }
    }

    /// Which node has more left: counted over all kinds of capacity that one of the two has.
    fn compare(&self, one: NodeIx, other: NodeIx) -> Ordering {
        let of = |node, name: &String| {
            self.free.get(&node).and_then(|free: &Capacity| free.get(name)).copied().unwrap_or(0)
        };
        let names: BTreeSet<&String> =
            [one, other].iter().filter_map(|node| self.free.get(node)).flat_map(Capacity::keys).collect();
        let more = names.iter().map(|name| match of(one, name).cmp(&of(other, name)) {
            Ordering::Greater => 1,
            Ordering::Equal => 0,
            Ordering::Less => -1,
        });
        more.sum::<i32>().cmp(&0)
    }
}

/// The better of two nodes that a resource likes as much: by free capacity where that is to be balanced, then by how
/// many resources are there; where nodes are to be saved neither counts.
pub(crate) fn compare_nodes(world: &World<'_>, one: NodeIx, other: NodeIx) -> Ordering {
    let fewer = || world[one].placed.cmp(&world[other].placed);
    match world.room.strategy {
        Strategy::Default | Strategy::Utilization => fewer(),
        Strategy::Balanced => world.room.compare(other, one).then_with(fewer),
        Strategy::Minimal => Ordering::Equal,
    }
}

/// A resource has its place: what it needs is gone there.
pub(crate) fn take(world: &mut World<'_>, rsc: RscIx, node: NodeIx) {
    change(world, rsc, node, -1);
}

/// It has its place no longer.
pub(crate) fn give_back(world: &mut World<'_>, rsc: RscIx, node: NodeIx) {
    change(world, rsc, node, 1);
}

fn change(world: &mut World<'_>, rsc: RscIx, node: NodeIx, sign: i64) {
    if let Some(need) = need(world, rsc) {
        world.room.change(node, need, sign);
    }
}

/// What a resource needs. What a bundle's resource needs is needed by the container that it is in: on the node inside
/// there is no capacity to count.
fn need<'a>(world: &World<'a>, rsc: RscIx) -> Option<&'a Capacity> {
    let inside = world.inside(rsc);
    if inside.is_none() && world.bundle_of(rsc).is_some() {
        return None;
    }
    let id = &world[inside.unwrap_or(rsc)].primitive()?.id;
    world.situation.config.utilization.get(id)
}

/// Bans a resource from nodes without room for it and for all that must be with it, or where no node has room for all
/// of them, for itself. Returns the node with the most room in the second case.
pub(crate) fn ban_where_it_does_not_fit(world: &mut World<'_>, rsc: RscIx) -> Option<NodeIx> {
    if world.room.strategy == Strategy::Default {
        return None;
    }
    let together = together(world, rsc);
    let all = sum(world, rsc, &together);
    let usable: Vec<NodeIx> = world[rsc]
        .scores
        .iter()
        .filter(|(node, score)| world.is_usable(**node, **score))
        .map(|(node, _)| *node)
        .collect();
    let fits_somewhere = usable.iter().any(|node| world.room.has_room(*node, &all));
    let roomiest = usable
        .iter()
        .copied()
        .reduce(|best, node| if world.room.compare(node, best) == Ordering::Greater { node } else { best });
    let need = if fits_somewhere { all } else { need(world, rsc).cloned().unwrap_or_default() };
    for node in usable {
        if !world.room.has_room(node, &need) {
            let what = if fits_somewhere && together.len() > 1 { " with what must be beside it" } else { "" };
            let why = format!("there is not enough capacity for it{what} ({})", show(&need));
            let free = world.room.free.get(&node).cloned().unwrap_or_default();
            let beside = if what.is_empty() { Vec::new() } else { beside(world, rsc, &together) };
            ban(world, rsc, node, why, Because::Capacity { need: need.clone(), free, beside });
        }
    }
    if fits_somewhere { None } else { roomiest }
}

fn beside(world: &World<'_>, rsc: RscIx, together: &BTreeSet<RscIx>) -> Vec<ResourceId> {
    let others = together.iter().filter(|one| **one != rsc && world[**one].is_runnable());
    others.map(|one| world[*one].id.clone()).collect()
}

fn show(need: &Capacity) -> String {
    need.iter().map(|(name, amount)| format!("{name} {amount}")).collect::<Vec<_>>().join(", ")
}

/// The resource, and all that must be on its node.
fn together(world: &World<'_>, rsc: RscIx) -> BTreeSet<RscIx> {
    let mut found = BTreeSet::new();
    collect(world, rsc, rsc, &mut found);
    found
}

fn collect(world: &World<'_>, rsc: RscIx, origin: RscIx, found: &mut BTreeSet<RscIx>) {
    if !found.insert(rsc) {
        return;
    }
    for member in world.members(rsc) {
        collect(world, *member, origin, found);
    }
    for place in with_others(world, rsc) {
        let primary = world.colocations[place].primary;
        if primary != origin && binds(world, place) {
            collect(world, primary, origin, found);
        }
    }
    for place in with_this(world, rsc) {
        let dependent = world.colocations[place].dependent;
        // Of what follows a clone nobody knows which instance it will be with.
        let is_uncertain = world[rsc].is_clone() && !world[dependent].is_clone();
        if dependent != origin && !is_uncertain && binds(world, place) {
            collect(world, dependent, origin, found);
        }
    }
}

fn binds(world: &World<'_>, place: ColIx) -> bool {
    let colocation = &world.colocations[place];
    let is_of_role = |rsc: RscIx, role: Role| role == Role::Unknown || role == world[rsc].next_role;
    colocation.score >= Score::INFINITY
        && !world[colocation.dependent].is_placed
        && is_of_role(colocation.dependent, colocation.dependent_role)
        && is_of_role(colocation.primary, colocation.primary_role)
}

/// What those need that have no place yet; of a clone one instance counts.
fn sum(world: &World<'_>, origin: RscIx, together: &BTreeSet<RscIx>) -> Capacity {
    let mut leaves: BTreeSet<RscIx> = [origin].into();
    for &rsc in together {
        match &world[rsc].kind {
            Kind::Clone(_) | Kind::Bundle(_) => {
                let is_counted = world.leaves(rsc).iter().any(|leaf| together.contains(leaf));
                let instance = world.children(rsc).first().filter(|_| !is_counted);
                leaves.extend(instance.into_iter().flat_map(|instance| world.leaves(*instance)));
            }
            _ if world[rsc].is_runnable() => {
                leaves.insert(rsc);
            }
            _ => {}
        }
    }
    let mut all = Capacity::new();
    for leaf in leaves.into_iter().filter(|leaf| !world[*leaf].is_placed) {
        for (name, amount) in need(world, leaf).into_iter().flatten() {
            *all.entry(name.clone()).or_default() += amount;
        }
    }
    all
}

/// What leaves a node makes room before what needs room there comes.
pub(crate) fn add_orders(world: &World<'_>, graph: &mut Graph) {
    if world.room.strategy == Strategy::Default {
        return;
    }
    let needy = || world.runnables().into_iter().filter(|rsc| need(world, *rsc).is_some());
    let leaving: Vec<RscIx> = needy()
        .filter(|rsc| world[*rsc].running_on.iter().any(|node| world[*rsc].placed_on != Some(*node)))
        .collect();
    let coming: Vec<RscIx> = needy()
        .filter(|rsc| world[*rsc].placed_on.is_some_and(|node| !world[*rsc].running_on.contains(&node)))
        .collect();
    for &leaves in &leaving {
        for &comes in coming.iter().filter(|comes| **comes != leaves) {
            ordering::order(world, graph, (leaves, Task::Stop), (comes, Task::Start), Relation::APART);
        }
    }
}

/// Where capacity counts, those that care most where they are come first among equally important resources: by the
/// score on the node where they are, then by that on each node.
pub(crate) fn sort_resources(world: &mut World<'_>) {
    if world.room.strategy == Strategy::Default {
        return;
    }
    let mut nodes: Vec<NodeIx> = world.node_indexes().collect();
    nodes.sort_by(|one, other| {
        let usable = |node: NodeIx| !world[node].is_available();
        usable(*one)
            .cmp(&usable(*other))
            .then_with(|| compare_nodes(world, *one, *other))
            .then(one.cmp(other))
    });
    let top = core::mem::take(&mut world.top);
    let mut keyed: Vec<(RscIx, Vec<Score>)> =
        top.into_iter().map(|rsc| (rsc, caring(world, rsc, &nodes))).collect();
    keyed.sort_by(|(one, one_cares), (other, other_cares)| {
        let importance = world[*other].meta.priority.cmp(&world[*one].meta.priority);
        importance.then_with(|| other_cares.cmp(one_cares))
    });
    world.top = keyed.into_iter().map(|(rsc, _)| rsc).collect();
}

/// The score on the present node, then those on all nodes.
fn caring(world: &mut World<'_>, rsc: RscIx, nodes: &[NodeIx]) -> Vec<Score> {
    let likes = likes(world, rsc);
    let on = |node: &NodeIx| likes.get(node).copied().unwrap_or(Score::MINUS_INFINITY);
    let current = world.active_nodes(rsc).first().map_or(Score::MINUS_INFINITY, on);
    [current].into_iter().chain(nodes.iter().map(on)).collect()
}

/// How much a resource likes each node, with the likings of those that it follows.
fn likes(world: &mut World<'_>, rsc: RscIx) -> Scores {
    // The last member of a group follows all before it.
    let speaker = world.members(rsc).last().copied().unwrap_or(rsc);
    let mut scores = world[speaker].scores.clone();
    for place in with_others(world, speaker) {
        let (primary, score) = (world.colocations[place].primary, world.colocations[place].score);
        let adding = Adding {
            through: place,
            factor: Factor::of(score),
            only_likes: false,
            upwards: true,
            keeps_usable: true,
        };
        colocation::add_scores_of(world, primary, &mut scores, adding);
    }
    scores
}
