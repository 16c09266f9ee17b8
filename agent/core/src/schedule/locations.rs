//! Location constraints and stickiness: what a resource's scores are before others have a say.

use super::because::Because;
use super::nodes::NodeIx;
use super::world::{Note, Role, RscIx, World};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::constraint::Discovery;
use muster_api::resource::{Constraint, Score};

/// Applies all location constraints that are in force, then stickiness.
pub(crate) fn apply(world: &mut World<'_>) {
    for constraint in &world.situation.config.constraints {
        let Constraint::Location { id, resource, node, score, until_ms, role, discovery } = constraint else {
            continue;
        };
        if let Some(until_ms) = *until_ms {
            if world.situation.now_ms >= until_ms {
                continue;
            }
            world.check_again_at(until_ms);
        }
        let (Some(rsc), Some(node)) = (world.find(resource), world.find_node(node)) else { continue };
        apply_for_role(world, rsc, (node, *score), Role::of(*role), id);
        match discovery {
            Discovery::Exclusive if role.is_none() => open(world, rsc, node),
            Discovery::Never => close(world, rsc, node),
            _ => {}
        }
    }
    for rsc in world.rsc_indexes() {
        ban_where_not_open(world, rsc);
    }
    for rsc in world.runnables() {
        apply_stickiness(world, rsc);
    }
}

/// Notes that a resource, with all that is in it, may be looked for on that node: where such nodes are named it may be on no
/// other (`resource-discovery` = `exclusive`).
fn open(world: &mut World<'_>, rsc: RscIx, node: NodeIx) {
    world[rsc].exclusive_to.insert(node);
    let addresses: Vec<RscIx> =
        world.replicas(rsc).into_iter().filter_map(|replica| replica.address).collect();
    for part in world.children(rsc).to_vec().into_iter().chain(addresses) {
        open(world, part, node);
    }
}

/// Notes that nobody is to look for a resource on that node (`resource-discovery` = `never`).
fn close(world: &mut World<'_>, rsc: RscIx, node: NodeIx) {
    world[rsc].never_on.insert(node);
    world.children(rsc).to_vec().into_iter().for_each(|part| close(world, part, node));
}

fn ban_where_not_open(world: &mut World<'_>, rsc: RscIx) {
    if world[rsc].exclusive_to.is_empty() {
        return;
    }
    let closed: Vec<NodeIx> =
        world[rsc].scores.keys().copied().filter(|node| !world[rsc].exclusive_to.contains(node)).collect();
    for node in closed {
        world[rsc].scores.insert(node, Score::MINUS_INFINITY);
        let why = "a location with `resource-discovery` = `exclusive` names other nodes".into();
        note(world, rsc, node, Score::MINUS_INFINITY, (why, Because::Exclusive));
    }
}

/// A location that is about a role only counts where it is given; one about the promoted role decides nothing but who is
/// promoted.
pub(crate) fn apply_for_role(
    world: &mut World<'_>,
    rsc: RscIx,
    (node, score): (NodeIx, Score),
    role: Role,
    id: &str,
) {
    match role {
        Role::Unknown | Role::Started | Role::Unpromoted => apply_one(world, rsc, node, score, id),
        Role::Promoted => {
            // In a bundle that is about what runs inside, on the nodes inside.
            let rsc = world.content(rsc).unwrap_or(rsc);
            let liking = world[rsc].promoted_scores.entry(node).or_default();
            *liking = *liking + score;
        }
        Role::Stopped if world[rsc].next_role == Role::Stopped => apply_one(world, rsc, node, score, id),
        Role::Stopped => {}
    }
}

/// A group's first member takes the score; the others follow it, and only have to be allowed there. Every instance of a
/// clone takes it.
fn apply_one(world: &mut World<'_>, rsc: RscIx, node: NodeIx, score: Score, id: &str) {
    add(world, rsc, node, score);
    let liking = world[rsc].located.entry(node).or_default();
    *liking = *liking + score;
    let is_led = world[rsc].is_group() && world[rsc].meta.is_colocated;
    for replica in world.replicas(rsc) {
        if let Some(address) = replica.address {
            add(world, address, node, score);
        }
    }
    for (place, part) in world.children(rsc).to_vec().into_iter().enumerate() {
        if !is_led || place == 0 {
            apply_one(world, part, node, score, id);
        } else {
            add(world, part, node, Score(0));
        }
    }
    let because = Because::Location { id: id.into() };
    note(world, rsc, node, score, (format!("location `{id}` gives it {score} there"), because));
}

fn note(world: &mut World<'_>, rsc: RscIx, node: NodeIx, score: Score, (why, because): (String, Because)) {
    world[rsc].notes.push(Note { node: Some(node), score, why, because });
}

fn add(world: &mut World<'_>, rsc: RscIx, node: NodeIx, score: Score) {
    let before = world[rsc].scores.get(&node).copied().unwrap_or_default();
    world[rsc].scores.insert(node, before + score);
}

/// A managed resource that is active on one node likes to stay there. In an asymmetric cluster only where it is still
/// allowed.
fn apply_stickiness(world: &mut World<'_>, rsc: RscIx) {
    let stickiness = world[rsc].meta.stickiness;
    let &[node] = world[rsc].running_on.as_slice() else { return };
    let is_allowed = world.settings.is_symmetric || world[rsc].scores.contains_key(&node);
    if !world[rsc].is_managed || stickiness < Score(1) || !is_allowed {
        return;
    }
    add(world, rsc, node, stickiness);
    let why = format!("it runs there and `resource-stickiness` is {stickiness}");
    note(world, rsc, node, stickiness, (why, Because::Stickiness));
}
