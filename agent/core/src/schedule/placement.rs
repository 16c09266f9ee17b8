//! Where each resource shall be. The order of nodes is Pacemaker's: the higher score, then fewer resources placed
//! there so far, then where it is now, then the name.

use super::colocation;
use super::nodes::NodeIx;
use super::settings::QuorumPolicy;
use super::world::{Role, RscIx, World};
use alloc::vec::Vec;
use core::cmp::Reverse;
use muster_api::resource::Score;

/// Places every resource, the most important first.
pub(crate) fn place_all(world: &mut World<'_>) {
    for rsc in world.top.clone() {
        place(world, rsc);
    }
}

/// Places a resource and what must be placed before it; does nothing where that has been done or is being done.
pub(crate) fn place(world: &mut World<'_>, rsc: RscIx) {
    if let Some(group) = world[rsc].parent
        && !world[group].is_placing
    {
        place(world, group);
    }
    if world[rsc].is_placed || world[rsc].is_placing {
        return;
    }
    world[rsc].is_placing = true;
    if world[rsc].is_group() {
        place_group(world, rsc);
    } else {
        place_primitive(world, rsc);
    }
    world[rsc].is_placing = false;
}

fn place_group(world: &mut World<'_>, group: RscIx) {
    for member in world.members(group).to_vec() {
        place(world, member);
    }
    let first = world.members(group).first().copied();
    world[group].placed_on = first.and_then(|first| world[first].placed_on);
    world[group].is_placed = true;
}

fn place_primitive(world: &mut World<'_>, rsc: RscIx) {
    colocation::apply_all(world, rsc);
    if world[rsc].next_role == Role::Stopped {
        for node in world.node_indexes() {
            world[rsc].scores.insert(node, Score::MINUS_INFINITY);
        }
    } else if world[rsc].next_role > world[rsc].role
        && world.settings.quorum_policy_in_force() == QuorumPolicy::Freeze
    {
        world[rsc].next_role = world[rsc].role;
    }
    if world.settings.lacks_fence_device() {
        world[rsc].is_managed = false;
    }
    if !world[rsc].is_managed {
        world[rsc].next_role = world[rsc].role;
        // Nobody starts it again where fencing stops it.
        let stays = world.current_node(rsc).filter(|node| !world.is_about_to_be_fenced(*node));
        settle(world, rsc, stays);
    } else if world.settings.stops_all {
        settle(world, rsc, None);
    } else {
        let best = best_node(world, rsc);
        settle(world, rsc, best);
    }
}

fn settle(world: &mut World<'_>, rsc: RscIx, node: Option<NodeIx>) {
    world[rsc].is_placed = true;
    world[rsc].placed_on = node;
    match node {
        Some(node) => world[node].placed += 1,
        None => world[rsc].next_role = Role::Stopped,
    }
}

/// The best node that may run the resource.
fn best_node(world: &World<'_>, rsc: RscIx) -> Option<NodeIx> {
    let current = world.current_node(rsc);
    let ranked = rank(world, rsc, current);
    let (best, score) = *ranked.first()?;
    if !world.is_usable(best, score) {
        return None;
    }
    // A node that is as good as the best keeps the resource, but only where somebody said that it is good.
    let keeps = |current: &NodeIx| {
        score > Score(0)
            && ranked.iter().any(|(node, other)| node == current && *other == score)
            && world.is_usable(*current, score)
    };
    Some(current.filter(keeps).unwrap_or(best))
}

/// The nodes that the resource has a score for, the best first.
fn rank(world: &World<'_>, rsc: RscIx, current: Option<NodeIx>) -> Vec<(NodeIx, Score)> {
    let mut ranked: Vec<(NodeIx, Score)> =
        world[rsc].scores.iter().map(|(node, score)| (*node, *score)).collect();
    ranked.sort_by_key(|(node, score)| {
        let counted = if world.is_usable(*node, *score) { *score } else { Score::MINUS_INFINITY };
        // `NodeIx` follows the names.
        (Reverse(counted), world[*node].placed, Some(*node) != current, *node)
    });
    ranked
}
