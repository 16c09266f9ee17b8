//! Where each resource shall be. The order of nodes is Pacemaker's: the higher score, then fewer resources placed
//! there so far, then where it is now, then the name.

use super::because::Because;
use super::bundles;
use super::colocation;
use super::instances;
use super::nodes::NodeIx;
use super::remote;
use super::settings::QuorumPolicy;
use super::utilization;
use super::world::{Kind, Note, Role, RscIx, World};
use alloc::vec::Vec;
use muster_api::resource::Score;

/// How a resource is to be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// The node to take if no other is better.
    pub(crate) prefer: Option<NodeIx>,
    /// Where there is no node for it, it is to stop. Not so while it is only tried whether it could stay.
    pub(crate) is_final: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self { prefer: None, is_final: true }
    }
}

/// Places every resource, the most important first.
pub(crate) fn place_all(world: &mut World<'_>) {
    utilization::sort_resources(world);
    let (connections, others): (Vec<RscIx>, Vec<RscIx>) =
        world.top.iter().partition(|rsc| world[**rsc].is_connection());
    // Which nodes there will be decides where all else can go.
    for rsc in connections {
        place(world, rsc, Wish { prefer: remote::migration_target(world, rsc), ..Wish::default() });
    }
    for rsc in others {
        place(world, rsc, Wish::default());
    }
}

/// Places a resource and what must be placed before it; does nothing where that has been done or is being done.
pub(crate) fn place(world: &mut World<'_>, rsc: RscIx, wish: Wish) {
    if let Some(whole) = world[rsc].parent
        && !world[whole].is_placing
    {
        place(world, whole, wish);
    }
    if world[rsc].is_placed || world[rsc].is_placing {
        return;
    }
    world[rsc].is_placing = true;
    match world[rsc].kind {
        Kind::Primitive(_) | Kind::Orphan(_) => place_primitive(world, rsc, wish),
        Kind::Group(_) => place_group(world, rsc, wish),
        Kind::Clone(_) => instances::place_clone(world, rsc),
        Kind::Bundle(_) => bundles::place_bundle(world, rsc),
    }
    world[rsc].is_placing = false;
}

fn place_group(world: &mut World<'_>, group: RscIx, wish: Wish) {
    for member in world.members(group).to_vec() {
        place(world, member, wish);
    }
    let first = world.members(group).first().copied();
    world[group].placed_on = first.and_then(|first| world[first].placed_on);
    world[group].is_placed = true;
}

fn place_primitive(world: &mut World<'_>, rsc: RscIx, wish: Wish) {
    colocation::apply_all(world, rsc);
    if world[rsc].is_placed {
        // A colocation has settled it.
        return;
    }
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
        settle(world, rsc, stays, wish);
    } else if world.settings.stops_all {
        settle(world, rsc, None, wish);
    } else {
        let roomiest = utilization::ban_where_it_does_not_fit(world, rsc);
        let best = best_node(world, rsc, wish.prefer.or(roomiest));
        settle(world, rsc, best, wish);
    }
}

fn settle(world: &mut World<'_>, rsc: RscIx, node: Option<NodeIx>, wish: Wish) {
    world[rsc].is_placed = true;
    world[rsc].placed_on = node;
    match node {
        Some(node) => {
            world[node].placed += 1;
            utilization::take(world, rsc, node);
        }
        None if wish.is_final => world[rsc].next_role = Role::Stopped,
        None => {}
    }
    if world[rsc].is_connection() {
        remote::take_in_place(world, rsc);
    }
}

/// Takes back what `place` did.
pub(crate) fn displace(world: &mut World<'_>, rsc: RscIx) {
    for part in world.children(rsc).to_vec() {
        displace(world, part);
    }
    if world[rsc].is_runnable()
        && let Some(node) = world[rsc].placed_on
    {
        world[node].placed -= 1;
        utilization::give_back(world, rsc, node);
    }
    world[rsc].placed_on = None;
    world[rsc].is_placed = false;
}

/// Says that a resource, with all that is in it, runs nowhere.
pub(crate) fn leave_out(world: &mut World<'_>, rsc: RscIx, why: &str, because: &Because) {
    for leaf in world.leaves(rsc) {
        displace(world, leaf);
        settle(world, leaf, None, Wish::default());
        let because = because.clone();
        let score = Score::MINUS_INFINITY;
        world[leaf].notes.push(Note { node: None, score, why: why.into(), because });
    }
    displace_whole(world, rsc);
}

fn displace_whole(world: &mut World<'_>, rsc: RscIx) {
    world[rsc].placed_on = None;
    world[rsc].is_placed = true;
}

/// The best node that may run the resource.
fn best_node(world: &World<'_>, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    let current = world.current_node(rsc);
    let ranked = rank(world, rsc, current);
    let (best, score) = *ranked.first()?;
    if !world.is_usable(best, score) {
        return None;
    }
    let own_score = |node: NodeIx| world[rsc].scores.get(&node).copied();
    if let Some(preferred) =
        prefer.filter(|node| own_score(*node).is_some_and(|own| own >= score && world.is_usable(*node, own)))
    {
        return Some(preferred);
    }
    // A node that is as good as the best keeps the resource, but only where somebody said that it is good. Instances that
    // differ were left where they are already, as far as that is right.
    let keeps = |current: &NodeIx| {
        score > Score(0)
            && !is_unique_instance(world, rsc)
            && ranked.iter().any(|(node, other)| node == current && *other == score)
            && world.is_usable(*current, score)
    };
    Some(current.filter(keeps).unwrap_or(best))
}

fn is_unique_instance(world: &World<'_>, rsc: RscIx) -> bool {
    let copies = world[rsc].parent.and_then(|parent| world[parent].copies());
    copies.is_some_and(|copies| copies.is_unique)
}

/// The nodes that the resource has a score for, the best first.
pub(crate) fn rank(world: &World<'_>, rsc: RscIx, current: Option<NodeIx>) -> Vec<(NodeIx, Score)> {
    let mut ranked: Vec<(NodeIx, Score)> =
        world[rsc].scores.iter().map(|(node, score)| (*node, *score)).collect();
    let counted = |(node, score): &(NodeIx, Score)| {
        if world.is_usable(*node, *score) { *score } else { Score::MINUS_INFINITY }
    };
    ranked.sort_by(|one, other| {
        let by_score = counted(other).cmp(&counted(one));
        // Nodes are saved by taking them in the order of their names.
        let is_elsewhere = |node: NodeIx| Some(node) != current && !world.room.saves_nodes();
        by_score
            .then_with(|| utilization::compare_nodes(world, one.0, other.0))
            .then(is_elsewhere(one.0).cmp(&is_elsewhere(other.0)))
            // `NodeIx` follows the names.
            .then(one.0.cmp(&other.0))
    });
    ranked
}
