//! Which instances of a promotable clone are promoted: promotion scores (the node attributes `master-ID`), locations
//! and colocations of the promoted role.

use super::colocation::{self, Adding, Factor, Scores};
use super::instances;
use super::nodes::NodeIx;
use super::related::{with_others, with_this};
use super::remote;
use super::settings::QuorumPolicy;
use super::tickets;
use super::world::{ColIx, Colocation, Kind, Role, RscIx, World};
use alloc::format;
use alloc::vec::Vec;
use core::cmp::Ordering;
use muster_api::id::ResourceId;
use muster_api::resource::Score;

/// Before instances are placed: who is likely to be promoted on a node likes to be there.
pub(crate) fn add_scores(world: &mut World<'_>, clone: RscIx) {
    let Kind::Clone(copies) = &mut world[clone].kind else { return };
    if core::mem::replace(&mut copies.has_promotion_scores, true) {
        return;
    }
    for instance in copies.instances.clone() {
        let nodes: Vec<NodeIx> = world[instance].scores.keys().copied().collect();
        for node in nodes.into_iter().filter(|node| world[*node].is_available()).collect::<Vec<_>>() {
            let score = promotion_score(world, instance, node).unwrap_or_default();
            if score > Score(0)
                && let Some(liking) = world[instance].scores.get_mut(&node)
            {
                *liking = *liking + score;
            }
            let priority = world[instance].priority.max(score);
            world[instance].priority = priority;
        }
    }
}

/// What the agent said of an instance on a node; of a group the sum. `None` where nothing was said.
fn promotion_score(world: &World<'_>, instance: RscIx, node: NodeIx) -> Option<Score> {
    if world[instance].is_group() {
        let members = world.members(instance).iter();
        return members
            .filter_map(|member| promotion_score(world, *member, node))
            .reduce(|sum, score| sum + score);
    }
    if !counts(world, instance, node) {
        return None;
    }
    // An agent in a container may keep its score with the host (`container-attribute-target`).
    let holder =
        world[instance].meta.keeps_attributes_with_host.then(|| remote::host_of(world, node)).flatten();
    let holder = holder.unwrap_or(node);
    let said = |name: &ResourceId| world[holder].attribute(&format!("master-{name}"));
    let written = world[instance].known_as.as_ref().and_then(said).or_else(|| said(&world[instance].id))?;
    Score::parse(written)
}

/// Whether the score that a node has is about this instance: it is active there, or none is and it was looked for
/// there, or nobody has looked anywhere yet.
fn counts(world: &World<'_>, instance: RscIx, node: NodeIx) -> bool {
    let is_allowed = world[instance].scores.get(&node).is_some_and(|score| *score >= Score(0));
    let Some(copies) = world.copies_of(instance) else { return false };
    let is_new = world[instance].running_on.is_empty()
        && !world.node_indexes().any(|node| world[instance].is_known_on(node));
    let is_meant = if copies.is_unique {
        is_new || world[instance].is_known_on(node)
    } else {
        match active_sibling(world, instance, node) {
            Some(active) if active == instance => true,
            None if is_sibling_known(world, instance, node) => true,
            _ => is_new,
        }
    };
    is_allowed && is_meant
}

/// All instances of the same primitive.
fn siblings(world: &World<'_>, instance: RscIx) -> Vec<RscIx> {
    let Some(clone) = world.clone_of(instance) else { return Vec::new() };
    let leaves = world.leaves(clone).into_iter();
    leaves.filter(|leaf| world[*leaf].id == world[instance].id).collect()
}

fn active_sibling(world: &World<'_>, instance: RscIx, node: NodeIx) -> Option<RscIx> {
    siblings(world, instance).into_iter().find(|sibling| world[*sibling].running_on.contains(&node))
}

fn is_sibling_known(world: &World<'_>, instance: RscIx, node: NodeIx) -> bool {
    siblings(world, instance).into_iter().any(|sibling| world[sibling].is_known_on(node))
}

/// After instances are placed: which of them are promoted.
pub(crate) fn give_roles(world: &mut World<'_>, clone: RscIx) {
    world[clone].copies_on.clear();
    for instance in world.children(clone).to_vec() {
        judge(world, clone, instance);
    }
    rank(world, clone);
    let mut promoted = 0;
    for instance in world.children(clone).to_vec() {
        give_role(world, clone, instance, &mut promoted);
    }
    for instance in world.children(clone).to_vec() {
        world[instance].priority = world[clone].priority;
    }
}

/// How much an instance deserves to be promoted where it is placed.
fn judge(world: &mut World<'_>, clone: RscIx, instance: RscIx) {
    let Some(place) = world.place_of(instance) else { return };
    let next_role = world.next_role(instance);
    match next_role {
        Role::Started | Role::Unknown => {
            // Where nothing is said only a location may promote it.
            let score = promotion_score(world, instance, place).unwrap_or(Score(-1));
            world[instance].priority = score;
        }
        Role::Unpromoted | Role::Stopped => world[instance].priority = Score::MINUS_INFINITY,
        Role::Promoted => {}
    }
    for located in [instance, clone] {
        let liking = world[located].promoted_scores.get(&place).copied();
        if let Some(liking) = liking {
            world[instance].priority = world[instance].priority + liking;
        }
    }
    for through in with_others(world, instance) {
        let primary = world.colocations[through].primary;
        colocation::take_in(world, instance, primary, through);
    }
    world[instance].promotion =
        if next_role == Role::Promoted { Score::INFINITY } else { world[instance].priority };
}

/// A colocation by role with a resource: the instance must, or must not, be promoted where that is.
pub(crate) fn take_in_place(world: &mut World<'_>, instance: RscIx, primary: RscIx, through: ColIx) {
    let Colocation { score, dependent_role, primary_role, .. } = world.colocations[through];
    let instance = instance_of(world, instance);
    let (Some(place), Some(other)) = (world.place_of(instance), world[primary].placed_on) else { return };
    let attribute = world.colocations[through].node_attribute.as_deref();
    if world.locality(place, attribute) != world.locality(other, attribute) {
        if score >= Score::INFINITY && dependent_role == Role::Promoted {
            world[instance].priority = Score::MINUS_INFINITY;
        }
        return;
    }
    if primary_role != Role::Unknown && primary_role != world.next_role(world.bearer_of_role(primary)) {
        return;
    }
    let counted = if dependent_role == Role::Unpromoted { -score } else { score };
    world[instance].priority = counted + world[instance].priority;
}

/// The instance that a member of a cloned group belongs to.
fn instance_of(world: &World<'_>, rsc: RscIx) -> RscIx {
    match world[rsc].parent {
        Some(parent) if world[parent].is_group() && world.is_promotable(parent) => parent,
        _ => rsc,
    }
}

/// A colocation with the instances of a role, while the dependent is placed.
pub(crate) fn follow_instances_of_role(
    world: &mut World<'_>,
    dependent: RscIx,
    clone: RscIx,
    through: ColIx,
) {
    let Colocation { primary_role, dependent_role, score, .. } = world.colocations[through];
    let of_role = |one: &&RscIx| world.next_role(**one) == primary_role;
    let nodes: Scores =
        world.children(clone).iter().filter(of_role).filter_map(|one| placed_score(world, *one)).collect();
    if score < Score::INFINITY {
        let attribute = world.colocations[through].node_attribute.clone();
        for place in nodes.keys() {
            add_at(world, dependent, *place, attribute.as_deref(), score);
        }
    } else if dependent_role != Role::Promoted || primary_role != Role::Promoted {
        colocation::stay_on(world, dependent, clone, &nodes);
    }
}

/// Where an instance is placed, and how much it liked that.
fn placed_score(world: &World<'_>, instance: RscIx) -> Option<(NodeIx, Score)> {
    let placed = world.leaves(instance).into_iter().find(|leaf| world[*leaf].placed_on.is_some())?;
    let node = world[placed].placed_on?;
    Some((node, world[placed].scores.get(&node).copied().unwrap_or_default()))
}

fn add_at(world: &mut World<'_>, rsc: RscIx, place: NodeIx, attribute: Option<&str>, score: Score) {
    for node in world.node_indexes() {
        let is_same = world.locality(node, attribute) == world.locality(place, attribute);
        if is_same && let Some(before) = world[rsc].scores.get_mut(&node) {
            *before = *before + score;
        }
    }
}

/// A colocation with the instances of a role, while it is decided whether the dependent is promoted.
pub(crate) fn take_in_instance_of_role(
    world: &mut World<'_>,
    dependent: RscIx,
    clone: RscIx,
    through: ColIx,
) {
    let Colocation { primary_role, score, .. } = world.colocations[through];
    let dependent = instance_of(world, dependent);
    let attribute = world.colocations[through].node_attribute.as_deref();
    let is_there = match (attribute, world.place_of(dependent)) {
        (Some(attribute), Some(place)) => {
            let is_same =
                |node| world.locality(node, Some(attribute)) == world.locality(place, Some(attribute));
            let mut instances = world.children(clone).iter();
            instances
                .any(|one| world.next_role(*one) == primary_role && world.place_of(*one).is_some_and(is_same))
        }
        _ => instances::compatible(world, dependent, clone, primary_role, false).is_some(),
    };
    if is_there {
        world[dependent].priority = world[dependent].priority + score;
    } else if score >= Score::INFINITY {
        world[dependent].priority = Score::MINUS_INFINITY;
    }
}

/// Lets the colocations of the promoted role speak, and puts the most deserving instance first.
fn rank(world: &mut World<'_>, clone: RscIx) {
    if let Kind::Clone(copies) = &mut world[clone].kind {
        copies.is_ranked = true;
    }
    if tickets::bars_promotion(world, clone).is_some() {
        world[clone].scores.values_mut().for_each(|score| *score = Score::MINUS_INFINITY);
    }
    for instance in world.children(clone).to_vec() {
        let promotion = world[instance].promotion;
        let place = world.place_of(instance).filter(|_| promotion >= Score(0));
        if let Some(score) = place.and_then(|place| world[clone].scores.get_mut(&place)) {
            *score = promotion + *score;
        }
    }
    world[clone].is_scoring = true;
    for through in with_others(world, clone) {
        let Colocation { primary, dependent_role, score, .. } = world.colocations[through];
        // A wish has been counted where the instances were judged.
        if dependent_role == Role::Promoted && score.is_infinite() {
            hear(world, clone, primary, adding(world, through, false, score < Score::INFINITY));
        }
    }
    for through in with_this(world, clone) {
        let Colocation { dependent, primary_role, .. } = world.colocations[through];
        if primary_role == Role::Promoted && colocation::has_influence(world, through, None) {
            hear(world, clone, dependent, adding(world, through, true, true));
        }
    }
    world[clone].is_scoring = false;
    for instance in world.children(clone).to_vec() {
        set_promotion(world, clone, instance);
    }
    instances::sort(world, clone, compare);
}

fn adding(world: &World<'_>, through: ColIx, only_likes: bool, keeps_usable: bool) -> Adding {
    let factor = Factor::of(world.colocations[through].score);
    Adding { through, factor, only_likes, upwards: false, keeps_usable }
}

fn hear(world: &mut World<'_>, clone: RscIx, other: RscIx, adding: Adding) {
    let mut scores = world[clone].scores.clone();
    colocation::add_scores_of(world, other, &mut scores, adding);
    world[clone].scores = scores;
}

fn set_promotion(world: &mut World<'_>, clone: RscIx, instance: RscIx) {
    let is_left_promoted = !is_managed(world, instance) && world.next_role(instance) == Role::Promoted;
    let place = world.place_of(instance).filter(|_| world[instance].promotion >= Score(0));
    if is_left_promoted {
        world[instance].promotion = Score::INFINITY;
    } else if let Some(score) = place.and_then(|place| world[clone].scores.get(&place).copied()) {
        world[instance].promotion = score;
    }
}

fn is_managed(world: &World<'_>, instance: RscIx) -> bool {
    world.leaves(instance).into_iter().all(|leaf| world[leaf].is_managed)
}

fn compare(world: &mut World<'_>, one: RscIx, other: RscIx) -> Ordering {
    world[other]
        .promotion
        .cmp(&world[one].promotion)
        .then_with(|| world.role(other).cmp(&world.role(one)))
        .then_with(|| instances::compare(world, one, other))
}

fn give_role(world: &mut World<'_>, clone: RscIx, instance: RscIx, promoted: &mut usize) {
    let max = world[clone].copies().map_or(1, |copies| copies.promoted_max);
    let may_be = world[instance].promotion >= Score(0) && (*promoted < max || !world[clone].is_managed);
    let place = if may_be { place_for_promotion(world, clone, instance) } else { None };
    let is_frozen = world.role(instance) < Role::Promoted
        && world.settings.quorum_policy_in_force() == QuorumPolicy::Freeze;
    match place.filter(|_| !is_frozen) {
        None => set_role(world, instance, Role::Unpromoted),
        Some(place) => {
            *world[clone].copies_on.entry(place).or_insert(0) += 1;
            *promoted += 1;
            set_role(world, instance, Role::Promoted);
        }
    }
}

/// The node that an instance can be promoted on.
fn place_for_promotion(world: &World<'_>, clone: RscIx, instance: RscIx) -> Option<NodeIx> {
    for member in world.members(instance) {
        place_for_promotion(world, clone, *member)?;
    }
    let place = world.place_of(instance)?;
    let is_left = !is_managed(world, instance);
    let is_possible = if is_left {
        world.role(instance) == Role::Promoted
    } else {
        let priority =
            if world[instance].parent == Some(clone) { world[instance].priority } else { Score(0) };
        priority >= Score(0) && world[place].is_available() && is_guest_there(world, place)
    };
    world[clone].scores.get(&place)?;
    let max_on_node = world[clone].copies().map_or(1, |copies| copies.promoted_max_on_node);
    let promoted_there = world[clone].copies_on.get(&place).copied().unwrap_or(0);
    (is_possible && (is_left || promoted_there < max_on_node)).then_some(place)
}

/// Whether a guest node will be there: a connection may outlast its container.
fn is_guest_there(world: &World<'_>, node: NodeIx) -> bool {
    world[node].container.is_none_or(|container| world[container].placed_on.is_some())
}

fn set_role(world: &mut World<'_>, instance: RscIx, role: Role) {
    for leaf in world.leaves(instance) {
        if world[leaf].next_role == Role::Unknown && world[leaf].placed_on.is_some() {
            world[leaf].next_role = role;
        }
    }
}
