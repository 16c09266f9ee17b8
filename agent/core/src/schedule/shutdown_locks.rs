//! `shutdown-lock`: what ran on a node that was shut down cleanly waits for that node, for `shutdown-lock-limit` at
//! most.

use super::because::Because;
use super::nodes::NodeIx;
use super::unpack::ban;
use super::world::{Kind, RscIx, World};
use alloc::format;
use alloc::vec::Vec;
use muster_api::duration::parse_ms;

/// A resource is to wait for a node.
struct Lock {
    node: NodeIx,
    since_ms: u64,
}

/// Bans every locked resource from all nodes but its own.
pub(crate) fn apply(world: &mut World<'_>) {
    let config = world.situation.config;
    if !config.property_bool("shutdown-lock", false) {
        return;
    }
    let limit_ms = config.properties.get("shutdown-lock-limit").and_then(|text| parse_ms(text)).unwrap_or(0);
    for rsc in lockable(world) {
        let Some(lock) = lock(world, rsc) else { continue };
        let ends_ms = (limit_ms > 0).then(|| lock.since_ms.saturating_add(limit_ms));
        if ends_ms.is_some_and(|ends_ms| world.situation.now_ms > ends_ms) {
            continue;
        }
        ends_ms.into_iter().for_each(|ends_ms| world.check_again_at(ends_ms.saturating_add(1)));
        let why = format!("waits for {}, which was shut down (`shutdown-lock`)", world[lock.node].name);
        for other in world.node_indexes().filter(|node| *node != lock.node) {
            ban(world, rsc, other, why.clone(), Because::Other);
        }
    }
}

/// Primitives of their own or in a group; no fence devices.
fn lockable(world: &World<'_>) -> Vec<RscIx> {
    let mut found = Vec::new();
    for top in &world.top {
        match &world[*top].kind {
            Kind::Primitive(_) if !world[*top].is_fence_device() => found.push(*top),
            Kind::Group(members) => found.extend(members),
            _ => {}
        }
    }
    found
}

/// From the history of a node that is gone, where the resource runs nowhere; or because its only node is leaving.
fn lock(world: &World<'_>, rsc: RscIx) -> Option<Lock> {
    match world[rsc].running_on.as_slice() {
        [] => recorded(world, rsc),
        [node] if world[*node].is_leaving && world[*node].unclean.is_none() => {
            let shutdown_s =
                world[*node].attributes.get("shutdown").and_then(|at_s| at_s.parse::<u64>().ok());
            let since_ms = shutdown_s.map_or(world.situation.now_ms, |at_s| at_s.saturating_mul(1000));
            Some(Lock { node: *node, since_ms })
        }
        _ => None,
    }
}

fn recorded(world: &World<'_>, rsc: RscIx) -> Option<Lock> {
    world.node_indexes().find_map(|node| {
        let locks = world.situation.history.locks.get(&world[node].name)?;
        Some(Lock { node, since_ms: *locks.get(&world[rsc].id)? })
    })
}
