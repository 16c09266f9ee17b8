//! Where the instances of a clone go: as many as may be stay where they are, the others go where there is room.

use super::because::Because;
use super::colocation::{self, Adding, Factor, Scores};
use super::nodes::NodeIx;
use super::placement::{Wish, displace, place, rank};
use super::promotion;
use super::related::{with_others, with_this};
use super::remote;
use super::world::{Kind, Note, Role, RscIx, World};
use alloc::vec::Vec;
use core::cmp::Ordering;
use muster_api::resource::Score;

/// Places all instances of a clone, and says which of them are promoted.
pub(crate) fn place_clone(world: &mut World<'_>, clone: RscIx) {
    let is_promotable = world.is_promotable(clone);
    if is_promotable {
        promotion::add_scores(world, clone);
    }
    for colocation in with_others(world, clone) {
        place(world, world.colocations[colocation].primary, Wish::default());
    }
    for colocation in with_this(world, clone) {
        colocation::add_dependent_scores(world, clone, colocation);
    }
    world[clone].copies_on.clear();
    sort(world, clone, compare);
    place_instances(world, clone);
    world[clone].is_placed = true;
    if is_promotable {
        promotion::give_roles(world, clone);
    }
}

/// Puts the instances into another order.
pub(crate) fn sort(
    world: &mut World<'_>,
    clone: RscIx,
    compare: fn(&mut World<'_>, RscIx, RscIx) -> Ordering,
) {
    let mut instances = world.children(clone).to_vec();
    instances.sort_by(|one, other| compare(world, *one, *other));
    match &mut world[clone].kind {
        Kind::Clone(copies) => copies.instances = instances,
        Kind::Bundle(bundled) => bundled.containers.instances = instances,
        _ => {}
    }
}

pub(crate) fn place_instances(world: &mut World<'_>, clone: RscIx) {
    let Some(copies) = world[clone].copies() else { return };
    let (max, instances) = (copies.max, copies.instances.clone());
    let available: Vec<NodeIx> =
        world[clone].scores.keys().copied().filter(|node| world[*node].is_available()).collect();
    let fair_share = max.checked_div(available.len()).unwrap_or(1).max(1);
    let mut placed = 0;
    for &instance in &instances {
        if placed >= max {
            break;
        }
        let Some(current) = node_to_keep(world, clone, instance, fair_share) else { continue };
        placed += usize::from(keep(world, clone, instance, current, max - placed));
    }
    for &instance in &instances {
        if world[instance].is_placed {
            continue;
        }
        if placed >= max {
            ban(world, instance, max);
            place(world, instance, Wish::default());
        } else if place_one(world, clone, instance, Wish::default()).is_some() {
            placed += 1;
        }
    }
}

fn ban(world: &mut World<'_>, instance: RscIx, max: usize) {
    for leaf in world.leaves(instance).into_iter().chain([instance]) {
        for node in world.node_indexes() {
            world[leaf].scores.insert(node, Score::MINUS_INFINITY);
        }
        let why = alloc::format!("is one instance too many: `clone-max` is {max}");
        let because = Because::TooMany { max };
        world[leaf].notes.push(Note { node: None, score: Score::MINUS_INFINITY, why, because });
    }
}

/// Where an instance runs, if it is healthy and its node does not have its share yet.
fn node_to_keep(world: &World<'_>, clone: RscIx, instance: RscIx, fair_share: usize) -> Option<NodeIx> {
    let has_failed = world.leaves(instance).into_iter().any(|leaf| world[leaf].is_failed);
    let current = world.current_node(instance).filter(|_| !has_failed && !world[instance].is_placed)?;
    let is_full = world[clone].scores.contains_key(&current) && count(world, clone, current) >= fair_share;
    (world[current].is_available() && !is_full).then_some(current)
}

fn count(world: &World<'_>, clone: RscIx, node: NodeIx) -> usize {
    world[clone].copies_on.get(&node).copied().unwrap_or(0)
}

/// Leaves an instance where it runs, unless others need the room: as long as it would rather go elsewhere, one place
/// there is kept for another, and it is tried again. `open` is how many are still to be placed.
fn keep(world: &mut World<'_>, clone: RscIx, instance: RscIx, current: NodeIx, open: usize) -> bool {
    let counts = world[clone].copies_on.clone();
    let before = Backup::of(world, instance);
    let wish = Wish { prefer: Some(current), is_final: false };
    let mut is_kept = false;
    for _ in 0..open {
        let chosen = place_one(world, clone, instance, wish);
        is_kept = chosen == Some(current);
        if is_kept {
            break;
        }
        // The place that it would have taken stays counted: it is kept for another.
        displace(world, instance);
        before.restore(world);
        if chosen.is_none() {
            break;
        }
    }
    world[clone].copies_on = counts;
    if is_kept {
        *world[clone].copies_on.entry(current).or_insert(0) += 1;
    }
    is_kept
}

/// Scores and roles as they were before a trial.
struct Backup(Vec<(RscIx, Scores, Role, usize)>);

impl Backup {
    fn of(world: &World<'_>, instance: RscIx) -> Self {
        let all = world.leaves(instance).into_iter().chain([instance]);
        Self(
            all.map(|rsc| (rsc, world[rsc].scores.clone(), world[rsc].next_role, world[rsc].notes.len()))
                .collect(),
        )
    }

    fn restore(&self, world: &mut World<'_>) {
        for (rsc, scores, next_role, notes) in &self.0 {
            world[*rsc].scores = scores.clone();
            world[*rsc].next_role = *next_role;
            world[*rsc].notes.truncate(*notes);
        }
    }
}

/// Places one instance where there is room.
fn place_one(world: &mut World<'_>, clone: RscIx, instance: RscIx, wish: Wish) -> Option<NodeIx> {
    if world[instance].is_placing {
        return None;
    }
    ban_from_full_nodes(world, clone, instance);
    place(world, instance, wish);
    let chosen = world.place_of(instance)?;
    *world[clone].copies_on.entry(chosen).or_insert(0) += 1;
    Some(chosen)
}

fn ban_from_full_nodes(world: &mut World<'_>, clone: RscIx, instance: RscIx) {
    let max_on_node = world[clone].copies().map_or(1, |copies| copies.max_on_node);
    let nodes: Vec<NodeIx> = world[instance].scores.keys().copied().collect();
    for node in nodes {
        let allowed = world[clone].scores.get(&node).copied();
        let is_possible = !world[instance].is_removed
            && world[node].is_available()
            && allowed.is_some_and(|score| score >= Score(0))
            && count(world, clone, node) < max_on_node;
        if is_possible {
            continue;
        }
        for part in world.leaves(instance).into_iter().chain([instance]) {
            if let Some(score) = world[part].scores.get_mut(&node) {
                *score = Score::MINUS_INFINITY;
            }
        }
    }
}

/// The instance of a clone that belongs to `other`: on its node, or where it has none, on the best that it may have.
pub(crate) fn compatible(
    world: &World<'_>,
    other: RscIx,
    clone: RscIx,
    role: Role,
    is_current: bool,
) -> Option<RscIx> {
    let place = |rsc: RscIx| if is_current { world.current_node(rsc) } else { world.place_of(rsc) };
    let on = |node: NodeIx| {
        let of_role = |instance: RscIx| {
            let bearer = world.bearer_of_role(instance);
            let has = if is_current { world.role(bearer) } else { world.next_role(bearer) };
            role == Role::Unknown || has == role
        };
        let mut instances = world.children(clone).iter().copied();
        instances.find(|one| of_role(*one) && place(*one) == Some(node) && !world.is_blocked(*one))
    };
    // What is inside of a bundle goes with what is on the host of its container.
    let outside =
        |node: NodeIx| remote::host_of(world, node).filter(|_| world[node].is_bundled).unwrap_or(node);
    match place(other).map(outside) {
        Some(node) => on(node),
        None => rank(world, other, None).into_iter().find_map(|(node, _)| on(node)),
    }
}

/// Who is placed first: of two that run the one that runs where it may, that deserves it more, whose node is better.
pub(crate) fn compare(world: &mut World<'_>, one: RscIx, other: RscIx) -> Ordering {
    let (nodes_of_one, nodes_of_other) = (world.active_nodes(one).len(), world.active_nodes(other).len());
    if nodes_of_one > 0 && nodes_of_other > 0 && nodes_of_one != nodes_of_other {
        return nodes_of_one.cmp(&nodes_of_other);
    }
    let (here, there) = (allowed_node(world, one), allowed_node(world, other));
    let first = |yes: bool, other: bool| other.cmp(&yes);
    let place =
        first(here.is_ok(), there.is_ok()).then_with(|| world[other].priority.cmp(&world[one].priority));
    if place != Ordering::Equal {
        return place;
    }
    let (here, there) = match (here.ok().flatten(), there.ok().flatten()) {
        (None, None) => return Ordering::Equal,
        (here, None) => return first(here.is_some(), false),
        (None, _) => return Ordering::Greater,
        (Some(here), Some(there)) => (here, there),
    };
    first(world[here].is_available(), world[there].is_available())
        .then_with(|| compare_room(world, (one, here), (other, there)))
        .then_with(|| has_failed(world, one).cmp(&has_failed(world, other)))
        .then_with(|| compare_company(world, (one, here), (other, there)))
        .then_with(|| world[one].copy.cmp(&world[other].copy))
}

/// The node that an instance runs on; an error where it may not be there.
fn allowed_node(world: &World<'_>, instance: RscIx) -> Result<Option<NodeIx>, ()> {
    let Some(node) = world.current_node(instance) else { return Ok(None) };
    let is_allowed = world[instance].scores.get(&node).is_some_and(|score| *score >= Score(0));
    if is_allowed { Ok(Some(node)) } else { Err(()) }
}

/// A node that the clone may be on before one where it may not be, then the one with fewer instances.
fn compare_room(
    world: &World<'_>,
    (one, here): (RscIx, NodeIx),
    (other, there): (RscIx, NodeIx),
) -> Ordering {
    let count_there = |instance: RscIx, node: NodeIx| {
        let whole = world[instance].parent?;
        world[whole].scores.get(&node)?;
        Some(count(world, whole, node))
    };
    match (count_there(one, here), count_there(other, there)) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(one), Some(other)) => one.cmp(&other),
    }
}

fn has_failed(world: &World<'_>, instance: RscIx) -> bool {
    world.leaves(instance).into_iter().any(|leaf| world[leaf].is_failed)
}

/// The one whose node those like more that the clone is colocated with.
fn compare_company(
    world: &mut World<'_>,
    (one, here): (RscIx, NodeIx),
    (other, there): (RscIx, NodeIx),
) -> Ordering {
    company(world, other, there).cmp(&company(world, one, here))
}

fn company(world: &mut World<'_>, instance: RscIx, node: NodeIx) -> Score {
    let Some(clone) = world[instance].parent else { return Score(0) };
    let mut scores = Scores::from([(node, Score(0))]);
    for through in with_others(world, clone) {
        let adding = adding(world, through, false);
        colocation::add_scores_of(world, world.colocations[through].primary, &mut scores, adding);
    }
    for through in with_this(world, clone) {
        if colocation::has_influence(world, through, Some(instance)) {
            let adding = adding(world, through, true);
            colocation::add_scores_of(world, world.colocations[through].dependent, &mut scores, adding);
        }
    }
    scores.get(&node).copied().unwrap_or_default()
}

fn adding(world: &World<'_>, through: usize, only_likes: bool) -> Adding {
    let factor = Factor::of(world.colocations[through].score);
    Adding { through, factor, only_likes, upwards: false, keeps_usable: false }
}
