//! Colocation: how the place of one resource changes the scores of another. Before a resource is placed, the
//! resources it depends on are placed, and those that depend on it add their own scores, weakened by how much they
//! want to be near it.

use super::because::Because;
use super::instances;
use super::nodes::NodeIx;
use super::placement::{Wish, place};
use super::promotion;
use super::related::{with_others, with_this};
use super::remote;
use super::world::{ColIx, Colocation, Kind, Note, Role, RscIx, World};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::resource::Score;

/// A resource's scores by node.
pub(crate) type Scores = BTreeMap<NodeIx, Score>;

/// How much of a score counts, in billionths of a thousandth: products of colocation scores, each divided by
/// INFINITY, stay exact enough and inside an `i64`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factor(i64);

impl Factor {
    const ONE: i64 = 1_000_000_000_000;

    pub(crate) fn of(score: Score) -> Self {
        Self(i64::from(score.0) * (Self::ONE / i64::from(Score::INFINITY.0)))
    }

    fn weakened_by(self, score: Score) -> Self {
        Self(self.0 * i64::from(score.0) / i64::from(Score::INFINITY.0))
    }

    /// Rounds half away from zero; what is not nothing stays at least one.
    fn apply(self, score: Score) -> Score {
        let product = self.0 * i64::from(score.0);
        let rounded = (product + product.signum() * (Self::ONE / 2)) / Self::ONE;
        let kept = if rounded == 0 && score.0 != 0 { self.0.signum() } else { rounded };
        Score(i32::try_from(kept.clamp(-1_000_000, 1_000_000)).unwrap_or(0))
    }
}

/// Whose scores are added to whose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adding {
    /// The colocation that it is about.
    pub(crate) through: ColIx,
    pub(crate) factor: Factor,
    /// A dislike lowers no score below zero, it only marks the node as one to avoid.
    pub(crate) only_likes: bool,
    /// Follow those that the source follows, instead of those that follow it.
    pub(crate) upwards: bool,
    /// What leaves no node usable is not taken.
    pub(crate) keeps_usable: bool,
}

/// Lets all colocations of a resource change its scores, the mandatory ones first.
pub(crate) fn apply_all(world: &mut World<'_>, rsc: RscIx) {
    let (with_others, with_this) = (with_others(world, rsc), with_this(world, rsc));
    for mandatory in [true, false] {
        let counts = |world: &World<'_>, place: &ColIx| world.colocations[*place].is_mandatory() == mandatory;
        let chosen = |world: &World<'_>, all: &[ColIx]| -> Vec<ColIx> {
            all.iter().copied().filter(|place| counts(world, place)).collect()
        };
        for colocation in chosen(world, &with_others) {
            follow(world, rsc, colocation);
        }
        for colocation in chosen(world, &with_this) {
            add_dependent_scores(world, rsc, colocation);
        }
    }
    for colocation in with_this {
        let Colocation { dependent, score, .. } = world.colocations[colocation];
        if score <= Score::MINUS_INFINITY && world[rsc].is_runnable() && world[dependent].is_runnable() {
            keep_away(world, rsc, dependent);
        }
    }
}

/// Takes in what a resource that follows this one would like.
pub(crate) fn add_dependent_scores(world: &mut World<'_>, rsc: RscIx, colocation: ColIx) {
    if !has_influence(world, colocation, None) {
        return;
    }
    let Colocation { dependent, score, .. } = world.colocations[colocation];
    let adding = Adding {
        through: colocation,
        factor: Factor::of(score),
        only_likes: world[rsc].has_copies(),
        upwards: false,
        keeps_usable: true,
    };
    let mut scores = world[rsc].scores.clone();
    add_scores_of(world, dependent, &mut scores, adding);
    let why = format!("{}, which must be with it, cannot be there", world[dependent].id);
    replace_scores(world, rsc, scores, (&why, Because::Follower { through: colocation, who: dependent }));
}

/// Whether the dependent has a say: it was said so, or the primary does not run yet.
pub(crate) fn has_influence(world: &World<'_>, colocation: ColIx, rsc: Option<RscIx>) -> bool {
    let Colocation { primary, has_influence, .. } = world.colocations[colocation];
    has_influence || world.active_nodes(rsc.unwrap_or(primary)).is_empty()
}

/// Apart is apart whoever was there first: in a circle the follower may be placed already, and one that nobody moves
/// stays where it is.
fn keep_away(world: &mut World<'_>, rsc: RscIx, from: RscIx) {
    let mut nodes: Vec<NodeIx> = world[from].placed_on.into_iter().collect();
    if !world[from].is_managed {
        nodes.extend(&world[from].running_on);
    }
    for node in nodes {
        world[rsc].scores.insert(node, Score::MINUS_INFINITY);
    }
}

/// Places the resource that `rsc` follows, then takes in where that is.
fn follow(world: &mut World<'_>, rsc: RscIx, colocation: ColIx) {
    let Colocation { primary, score, dependent_role, .. } = world.colocations[colocation];
    let is_wish_to_avoid = score < Score(0) && score > Score::MINUS_INFINITY;
    let may_be_undone = is_wish_to_avoid || dependent_role == Role::Promoted;
    let before = may_be_undone.then(|| world[rsc].scores.clone());
    place(world, primary, Wish::default());
    if score <= Score::MINUS_INFINITY && world[primary].is_runnable() && !world[primary].is_managed {
        keep_away(world, rsc, primary);
    }
    take_in(world, rsc, primary, colocation);
    if let Some(before) = before
        && !is_any_usable(world, &world[rsc].scores)
    {
        world[rsc].scores = before;
    }
}

/// Takes in where a resource, or what is in it, was placed.
pub(crate) fn take_in(world: &mut World<'_>, dependent: RscIx, primary: RscIx, colocation: ColIx) {
    match &world[primary].kind {
        Kind::Primitive(_) | Kind::Orphan(_) => take_in_primitive(world, dependent, primary, colocation),
        Kind::Group(members) => {
            if !world[primary].meta.is_colocated {
                for member in members.clone() {
                    take_in(world, dependent, member, colocation);
                }
                return;
            }
            // All of a group must run where they must be together, else its start is enough.
            let is_whole = world.colocations[colocation].score >= Score::INFINITY;
            let decisive = if is_whole { members.last() } else { members.first() };
            if let Some(decisive) = decisive.copied().filter(|_| world[primary].is_placed) {
                take_in(world, dependent, decisive, colocation);
            }
        }
        Kind::Clone(_) => take_in_clone(world, dependent, primary, colocation),
        Kind::Bundle(_) => take_in_bundle(world, dependent, primary, colocation),
    }
}

fn take_in_primitive(world: &mut World<'_>, dependent: RscIx, primary: RscIx, colocation: ColIx) {
    match effect(world, dependent, primary, colocation) {
        Effect::Nothing => {}
        Effect::Role => promotion::take_in_place(world, dependent, primary, colocation),
        Effect::Place => take_in_place(world, dependent, primary, colocation),
    }
}

/// What a colocation changes now.
enum Effect {
    Nothing,
    /// Where the dependent goes.
    Place,
    /// Whether the dependent, which has its place, is promoted.
    Role,
}

fn effect(world: &World<'_>, dependent: RscIx, primary: RscIx, colocation: ColIx) -> Effect {
    let Colocation { dependent_role, primary_role, .. } = world.colocations[colocation];
    let is_placed = world[dependent].is_placed;
    let is_of_role =
        |rsc: RscIx, role: Role| role == Role::Unknown || role == world.next_role(world.bearer_of_role(rsc));
    if !world[primary].is_placed {
        Effect::Nothing
    } else if dependent_role >= Role::Unpromoted && is_placed && world.is_promotable(dependent) {
        Effect::Role
    } else if is_placed || !is_of_role(dependent, dependent_role) || !is_of_role(primary, primary_role) {
        Effect::Nothing
    } else {
        Effect::Place
    }
}

fn take_in_place(world: &mut World<'_>, dependent: RscIx, primary: RscIx, colocation: ColIx) {
    let Colocation { score, .. } = world.colocations[colocation];
    let place = world[primary].placed_on;
    if place.is_none() && score < Score(0) {
        return;
    }
    // What nobody stops stays everywhere it is.
    let is_also_there = |node: NodeIx| {
        let primary = &world[primary];
        score <= Score::MINUS_INFINITY && !primary.is_managed && primary.running_on.contains(&node)
    };
    let attribute = world.colocations[colocation].node_attribute.as_deref();
    let is_same = |node: NodeIx| {
        place.map(|place| {
            is_also_there(node)
                || place == node
                || (attribute.is_some()
                    && world.locality(place, attribute) == world.locality(node, attribute))
        })
    };
    let scores: Scores = world[dependent]
        .scores
        .iter()
        .map(|(node, before)| (*node, score_beside(*before, is_same(*node), score)))
        .collect();
    let is_binding = score >= Score::INFINITY || score <= Score::MINUS_INFINITY;
    if is_binding || is_any_usable(world, &scores) {
        let why = together_or_apart(world, primary, colocation);
        replace_scores(world, dependent, scores, (&why, Because::Beside { through: colocation }));
    }
}

fn together_or_apart(world: &World<'_>, primary: RscIx, colocation: ColIx) -> String {
    let Colocation { score, is_explicit, .. } = world.colocations[colocation];
    let whole = world[primary].parent.filter(|parent| is_explicit && world[*parent].is_group());
    let id = &world[whole.unwrap_or(primary)].id;
    match world[primary].placed_on.map(|place| &world[place].name) {
        None => format!("it must be with {id}, which runs nowhere"),
        Some(place) if score >= Score::INFINITY => format!("it must be with {id}, which is on {place}"),
        Some(_) => format!("it must not be with {id}"),
    }
}

/// Sets the scores of a resource, and notes why it can no longer be on some nodes.
fn replace_scores(world: &mut World<'_>, rsc: RscIx, scores: Scores, (why, because): (&str, Because)) {
    let before = core::mem::replace(&mut world[rsc].scores, scores);
    for (node, score) in before {
        let now = world[rsc].scores.get(&node).copied().unwrap_or_default();
        if now <= Score::MINUS_INFINITY && score > Score::MINUS_INFINITY {
            let because = because.clone();
            world[rsc].notes.push(Note { node: Some(node), score: now, why: why.into(), because });
        }
    }
}

/// The score where the other resource is (`Some(true)`), where it is not, and (`None`) where it is nowhere. Together or
/// not at all is a requirement, not a liking: it bans the other nodes and adds nothing on the right one.
fn score_beside(before: Score, is_same: Option<bool>, score: Score) -> Score {
    match is_same {
        None => before + -score,
        Some(true) if score < Score::INFINITY => before + score,
        Some(false) if score >= Score::INFINITY => Score::MINUS_INFINITY,
        Some(_) => before,
    }
}

/// Takes in where the instances of a clone are.
fn take_in_clone(world: &mut World<'_>, dependent: RscIx, clone: RscIx, colocation: ColIx) {
    if !world[clone].is_placed {
        return;
    }
    let Colocation { primary_role, dependent_role, score, .. } = world.colocations[colocation];
    if world.is_promotable(clone) && primary_role != Role::Unknown {
        if !world[dependent].is_placed {
            promotion::follow_instances_of_role(world, dependent, clone, colocation);
            return;
        }
        if dependent_role == Role::Promoted {
            promotion::take_in_instance_of_role(world, dependent, clone, colocation);
            return;
        }
    }
    if is_interleaved(world, colocation) {
        follow_instance(world, dependent, clone, colocation);
    } else if score >= Score::INFINITY {
        let instances = world.children(clone).iter();
        let usable = instances.filter(|instance| !world.is_blocked(**instance));
        let nodes: Scores =
            usable.filter_map(|one| world.place_of(*one)).map(|node| (node, Score(0))).collect();
        stay_on(world, dependent, clone, &nodes);
    } else {
        for instance in world.children(clone).to_vec() {
            take_in(world, dependent, instance, colocation);
        }
    }
}

/// Takes in where the containers of a bundle are. What has instances itself follows with each instance the container
/// that is on its node.
fn take_in_bundle(world: &mut World<'_>, dependent: RscIx, bundle: RscIx, colocation: ColIx) {
    if !world[bundle].is_placed {
        return;
    }
    let Colocation { dependent: whole, primary_role, score, .. } = world.colocations[colocation];
    if world[whole].has_copies() {
        follow_instance(world, dependent, bundle, colocation);
        return;
    }
    let mut nodes = Scores::new();
    for container in world.children(bundle).to_vec() {
        let place = world.place_of(container).filter(|_| !world.is_blocked(container));
        let has_role = primary_role < Role::Promoted
            || world.next_role(world.bearer_of_role(container)) == Role::Promoted;
        let Some(place) = place.filter(|_| has_role) else { continue };
        if score < Score::INFINITY {
            take_in(world, dependent, container, colocation);
        }
        nodes.insert(place, Score(0));
    }
    if score >= Score::INFINITY {
        stay_on(world, dependent, bundle, &nodes);
    }
}

/// Bans a resource from all nodes but those, where their scores are added.
pub(crate) fn stay_on(world: &mut World<'_>, dependent: RscIx, primary: RscIx, nodes: &Scores) {
    let scores: Scores = world[dependent]
        .scores
        .iter()
        .map(|(node, before)| {
            (*node, nodes.get(node).map_or(Score::MINUS_INFINITY, |score| *before + *score))
        })
        .collect();
    let why = format!("it must be with {}, which is not there", world[primary].id);
    replace_scores(world, dependent, scores, (&why, Because::Without { primary }));
}

/// Whether an instance of the dependent clone follows only the instance of the other on its node.
fn is_interleaved(world: &World<'_>, colocation: ColIx) -> bool {
    let Colocation { dependent, primary, .. } = world.colocations[colocation];
    match (world[dependent].copies(), world[primary].copies()) {
        (Some(one), Some(other)) => one.is_interleaved && one.max_on_node == other.max_on_node,
        _ => false,
    }
}

fn follow_instance(world: &mut World<'_>, dependent: RscIx, clone: RscIx, colocation: ColIx) {
    match instances::compatible(world, dependent, clone, Role::Unknown, false) {
        Some(instance) => take_in(world, dependent, instance, colocation),
        None if world.colocations[colocation].score >= Score::INFINITY => {
            let why = format!("has no instance of {} to be with", world[clone].id);
            super::placement::leave_out(world, dependent, &why, &Because::WithoutInstance { of: clone });
        }
        None => {}
    }
}

pub(crate) fn is_any_usable(world: &World<'_>, scores: &Scores) -> bool {
    scores.iter().any(|(node, score)| world.is_usable(*node, *score))
}

/// A node to avoid: it was liked until a dislike was added. It stays above all that is not allowed.
const AVOIDED: Score = Score(i32::MAX);

/// Adds to `scores` how much `source` likes each node, and how much those like it that follow `source`.
pub(crate) fn add_scores_of(world: &mut World<'_>, source: RscIx, scores: &mut Scores, adding: Adding) {
    if world[source].is_scoring {
        return;
    }
    world[source].is_scoring = true;
    if world[source].is_group() {
        let members = world.members(source);
        let decisive = if adding.upwards { members.last() } else { members.first() }.copied();
        if let Some(decisive) = decisive {
            add_scores_of(world, decisive, scores, adding);
        }
    } else {
        add_scores_with_followers(world, source, scores, adding);
    }
    world[source].is_scoring = false;
}

fn add_scores_with_followers(world: &mut World<'_>, source: RscIx, scores: &mut Scores, adding: Adding) {
    let mut work = scores.clone();
    add_own_scores(world, source, &mut work, adding);
    if is_any_usable(world, &work) {
        let neighbours = if adding.upwards { with_others(world, source) } else { with_this(world, source) };
        for through in neighbours {
            let Colocation { dependent, primary, score, .. } = world.colocations[through];
            if !adding.upwards && !has_influence(world, through, None) {
                continue;
            }
            let other = if adding.upwards { primary } else { dependent };
            let factor = adding.factor.weakened_by(score);
            let further = Adding { through, factor, keeps_usable: true, ..adding };
            add_scores_of(world, other, &mut work, further);
        }
    } else if adding.keeps_usable {
        return;
    }
    for score in work.values_mut().filter(|score| adding.only_likes && **score == AVOIDED) {
        *score = Score(1);
    }
    *scores = work;
}

fn add_own_scores(world: &World<'_>, source: RscIx, work: &mut Scores, adding: Adding) {
    let factor = adding.factor;
    let through = &world.colocations[adding.through];
    for (node, score) in work.iter_mut() {
        let likes = liking(world, source, *node, through);
        if factor.0 < 0 && likes < Score(0) && !is_worth_making_room(world, through, likes) {
            continue;
        }
        if *score == AVOIDED {
            continue;
        }
        let sum = *score + factor.apply(likes);
        match adding.only_likes && sum < Score(0) {
            true if *score > Score(0) => *score = AVOIDED,
            true if *score == Score(0) => {}
            _ => *score = sum,
        }
    }
}

/// How much a resource likes a node, or the best of the nodes that are the same place.
fn liking(world: &World<'_>, source: RscIx, node: NodeIx, through: &Colocation) -> Score {
    let host = world[node].is_bundled.then(|| remote::host_of(world, node)).flatten();
    let node = host.unwrap_or(node);
    let on = |node: &NodeIx| {
        let own = world[source].scores.get(node).copied().filter(|_| world[*node].is_available())?;
        Some(own + liking_of_group(world, source, *node, through))
    };
    let attribute = through.node_attribute.as_deref();
    let best = match attribute {
        None => on(&node),
        Some(_) => {
            let value = world.locality(node, attribute);
            world
                .node_indexes()
                .filter(|other| world.locality(*other, attribute) == value)
                .filter_map(|other| on(&other))
                .max()
        }
    };
    best.unwrap_or(Score::MINUS_INFINITY)
}

/// What a group likes counts for its first member only, unless another is asked in its own name.
fn liking_of_group(world: &World<'_>, source: RscIx, node: NodeIx, through: &Colocation) -> Score {
    let group = world[source].parent.filter(|parent| world[*parent].is_group());
    let is_asked = through.is_explicit && through.dependent == source;
    match group.filter(|group| is_asked && world.members(*group).first() != Some(&source)) {
        Some(group) => world[group].located.get(&node).copied().unwrap_or_default(),
        None => Score(0),
    }
}

/// Whether a resource moves away for one that wants to be apart from it and dislikes a node: only where that one has
/// a single node left, and this one is less sticky than the dislike is strong.
fn is_worth_making_room(world: &World<'_>, through: &Colocation, dislike: Score) -> bool {
    let possible = world[through.dependent].scores.values().filter(|score| **score >= Score(0)).count();
    possible == 1 && world[through.primary].meta.stickiness < -dislike
}
