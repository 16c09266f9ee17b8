//! Colocation: how the place of one resource changes the scores of another. Before a resource is placed, the
//! resources it depends on are placed, and those that depend on it add their own scores, weakened by how much they
//! want to be near it.

use super::nodes::NodeIx;
use super::placement::place;
use super::world::{Colocation, Note, RscIx, World};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::cmp::Reverse;
use muster_api::resource::Score;

/// A resource's scores by node.
pub(crate) type Scores = BTreeMap<NodeIx, Score>;

/// Place of a colocation in [`World::colocations`].
type ColIx = usize;

/// How much of a score counts, in billionths of a thousandth: products of colocation scores, each divided by
/// INFINITY, stay exact enough and inside an `i64`.
#[derive(Debug, Clone, Copy)]
struct Factor(i64);

impl Factor {
    const ONE: i64 = 1_000_000_000_000;

    fn of(score: Score) -> Self {
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

/// Lets all colocations of a resource change its scores, the mandatory ones first.
pub(crate) fn apply_all(world: &mut World<'_>, rsc: RscIx) {
    let (with_others, with_this) = (with_others(world, rsc), with_this(world, rsc));
    for mandatory in [true, false] {
        let counts = |world: &World<'_>, colocation: &ColIx| {
            is_mandatory(&world.colocations[*colocation]) == mandatory
        };
        for colocation in
            with_others.iter().filter(|colocation| counts(world, colocation)).copied().collect::<Vec<_>>()
        {
            follow(world, rsc, colocation);
        }
        for colocation in
            with_this.iter().filter(|colocation| counts(world, colocation)).copied().collect::<Vec<_>>()
        {
            let Colocation { dependent, score, .. } = world.colocations[colocation];
            let mut scores = world[rsc].scores.clone();
            add_scores_of(world, dependent, &mut scores, colocation, Factor::of(score));
            let why = format!("{}, which must be with it, cannot be there", world[dependent].id);
            replace_scores(world, rsc, scores, &why);
        }
    }
    for colocation in with_this {
        let Colocation { dependent, score, .. } = world.colocations[colocation];
        if score <= Score::MINUS_INFINITY {
            keep_away(world, rsc, dependent);
        }
    }
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

fn is_mandatory(colocation: &Colocation) -> bool {
    colocation.score >= Score::INFINITY || colocation.score <= Score::MINUS_INFINITY
}

/// Colocations in which the resource follows others: its own, and those of its group where it is the first member
/// (the others follow the first).
fn with_others(world: &World<'_>, rsc: RscIx) -> Vec<ColIx> {
    let own = |of: RscIx, only_explicit: bool| {
        let colocations = world.colocations.iter().enumerate();
        colocations.filter_map(move |(ix, one)| {
            (one.dependent == of && (one.is_explicit || !only_explicit)).then_some(ix)
        })
    };
    let mut found: Vec<ColIx> = own(rsc, false).collect();
    if let Some(group) = world[rsc].parent {
        let members = world.members(group);
        if members.first() == Some(&rsc) {
            found.extend(own(group, false));
            found.extend(
                members.iter().filter(|member| **member != rsc).flat_map(|member| own(*member, true)),
            );
        } else if members.iter().take_while(|member| **member != rsc).any(|member| !world[*member].is_managed)
        {
            // A member that nobody moves does not pass on what the group follows.
            found.extend(own(group, false));
        }
    }
    found.sort_by_key(|ix| order_key(world, &world.colocations[*ix], world.colocations[*ix].primary));
    found
}

/// Colocations in which others follow the resource: its own, and those of its group where it is the last member (the
/// members before pass theirs on).
fn with_this(world: &World<'_>, rsc: RscIx) -> Vec<ColIx> {
    let own = |of: RscIx, only_explicit: bool| {
        let colocations = world.colocations.iter().enumerate();
        colocations.filter_map(move |(ix, one)| {
            (one.primary == of && (one.is_explicit || !only_explicit)).then_some(ix)
        })
    };
    let mut found: Vec<ColIx> = own(rsc, false).collect();
    if let Some(group) = world[rsc].parent {
        let members = world.members(group);
        if members.last() == Some(&rsc) {
            found.extend(own(group, false));
            found.extend(
                members.iter().filter(|member| **member != rsc).flat_map(|member| own(*member, true)),
            );
        }
    }
    found.sort_by_key(|ix| order_key(world, &world.colocations[*ix], world.colocations[*ix].dependent));
    found
}

/// The colocation with the more important resource first; groups before primitives; then by id.
fn order_key<'w>(
    world: &'w World<'_>,
    colocation: &'w Colocation,
    other: RscIx,
) -> (Reverse<Score>, Reverse<bool>, &'w str) {
    (Reverse(world[other].meta.priority), Reverse(world[other].is_group()), &colocation.id)
}

/// Places the resource that `rsc` follows, then takes in where that is.
fn follow(world: &mut World<'_>, rsc: RscIx, colocation: ColIx) {
    let Colocation { primary, score, .. } = world.colocations[colocation];
    let is_wish_to_avoid = score < Score(0) && score > Score::MINUS_INFINITY;
    let before = is_wish_to_avoid.then(|| world[rsc].scores.clone());
    place(world, primary);
    if score <= Score::MINUS_INFINITY && !world[primary].is_managed {
        keep_away(world, rsc, primary);
    }
    take_in_place(world, rsc, primary, colocation);
    if let Some(before) = before
        && !is_any_usable(world, &world[rsc].scores)
    {
        world[rsc].scores = before;
    }
}

/// The member of a group that decides for those who follow the group: all of it must run where they must be together,
/// else its start is enough.
fn decisive(world: &World<'_>, primary: RscIx, score: Score) -> Option<RscIx> {
    if !world[primary].is_group() {
        return Some(primary);
    }
    let members = world.members(primary);
    if score >= Score::INFINITY { members.last().copied() } else { members.first().copied() }
}

fn take_in_place(world: &mut World<'_>, dependent: RscIx, primary: RscIx, colocation: ColIx) {
    let score = world.colocations[colocation].score;
    if !world[primary].is_placed || world[dependent].is_placed {
        return;
    }
    let Some(decisive) = decisive(world, primary, score).filter(|decisive| world[*decisive].is_placed) else {
        return;
    };
    let place = world[decisive].placed_on;
    if place.is_none() && score < Score(0) {
        return;
    }
    // What nobody stops stays everywhere it is.
    let is_also_there = |node: NodeIx| {
        let primary = &world[decisive];
        score <= Score::MINUS_INFINITY && !primary.is_managed && primary.running_on.contains(&node)
    };
    let place_for = |node: NodeIx| if is_also_there(node) { Some(node) } else { place };
    let scores: Scores = world[dependent]
        .scores
        .iter()
        .map(|(node, before)| (*node, score_beside(*node, *before, place_for(*node), score)))
        .collect();
    let is_binding = score >= Score::INFINITY || score <= Score::MINUS_INFINITY;
    if is_binding || is_any_usable(world, &scores) {
        let primary = &world[primary].id;
        let why = match place.map(|place| &world[place].name) {
            None => format!("it must be with {primary}, which runs nowhere"),
            Some(place) if score >= Score::INFINITY => {
                format!("it must be with {primary}, which is on {place}")
            }
            Some(_) => format!("it must not be with {primary}"),
        };
        replace_scores(world, dependent, scores, &why);
    }
}

/// Sets the scores of a resource, and notes why it can no longer be on some nodes.
fn replace_scores(world: &mut World<'_>, rsc: RscIx, scores: Scores, why: &str) {
    let before = core::mem::replace(&mut world[rsc].scores, scores);
    for (node, score) in before {
        let now = world[rsc].scores.get(&node).copied().unwrap_or_default();
        if now <= Score::MINUS_INFINITY && score > Score::MINUS_INFINITY {
            world[rsc].notes.push(Note { node: Some(node), score: now, why: why.into() });
        }
    }
}

/// The score on `node` where the other resource is at `place`. Together or not at all is a requirement, not a liking:
/// it bans the other nodes and adds nothing on the right one.
fn score_beside(node: NodeIx, before: Score, place: Option<NodeIx>, score: Score) -> Score {
    match place {
        None => before + -score,
        Some(place) if place == node && score < Score::INFINITY => before + score,
        Some(place) if place != node && score >= Score::INFINITY => Score::MINUS_INFINITY,
        Some(_) => before,
    }
}

fn is_any_usable(world: &World<'_>, scores: &Scores) -> bool {
    scores.iter().any(|(node, score)| world.is_usable(*node, *score))
}

/// Adds to `scores` how much `source` likes each node, and how much those like it that follow `source`. A step that
/// leaves no node usable is not taken.
fn add_scores_of(world: &mut World<'_>, source: RscIx, scores: &mut Scores, through: ColIx, factor: Factor) {
    if world[source].is_scoring {
        return;
    }
    world[source].is_scoring = true;
    if let Some(first) = world.members(source).first().copied() {
        add_scores_of(world, first, scores, through, factor);
    } else if !world[source].is_group() {
        add_scores_of_primitive(world, source, scores, through, factor);
    }
    world[source].is_scoring = false;
}

fn add_scores_of_primitive(
    world: &mut World<'_>,
    source: RscIx,
    scores: &mut Scores,
    through: ColIx,
    factor: Factor,
) {
    let mut work = scores.clone();
    add_own_scores(world, source, &mut work, &world.colocations[through], factor);
    if !is_any_usable(world, &work) {
        return;
    }
    for colocation in with_this(world, source) {
        let Colocation { dependent, score, .. } = world.colocations[colocation];
        add_scores_of(world, dependent, &mut work, colocation, factor.weakened_by(score));
    }
    *scores = work;
}

fn add_own_scores(world: &World<'_>, source: RscIx, work: &mut Scores, through: &Colocation, factor: Factor) {
    let allowed = &world[source].scores;
    for (node, score) in work.iter_mut() {
        let likes = allowed
            .get(node)
            .copied()
            .filter(|_| world[*node].is_available())
            .unwrap_or(Score::MINUS_INFINITY);
        if factor.0 < 0 && likes < Score(0) && !is_worth_making_room(world, through, likes) {
            continue;
        }
        *score = *score + factor.apply(likes);
    }
}

/// Whether a resource moves away for one that wants to be apart from it and dislikes a node: only where that one has
/// a single node left, and this one is less sticky than the dislike is strong.
fn is_worth_making_room(world: &World<'_>, through: &Colocation, dislike: Score) -> bool {
    let possible = world[through.dependent].scores.values().filter(|score| **score >= Score(0)).count();
    possible == 1 && world[through.primary].meta.stickiness < -dislike
}
