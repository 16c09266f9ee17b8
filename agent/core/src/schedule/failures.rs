//! Fail counts: `migration-threshold` and `failure-timeout`.

use super::because::Because;
use super::nodes::NodeIx;
use super::unpack::ban;
use super::world::{RscIx, World};
use alloc::format;
use alloc::vec::Vec;
use muster_api::history::FailCount;
use muster_api::resource::OnFail;

/// A fail count that stands for "never again here" (a failed start where that is fatal).
const INFINITE: u32 = 1_000_000;

/// How often the resource failed on the node, as far as that still counts.
pub(crate) fn count(world: &World<'_>, rsc: RscIx, node: NodeIx) -> u32 {
    match recorded(world, rsc, node) {
        Some(failures) if !is_aged(world, rsc, failures) => failures.count,
        _ => 0,
    }
}

/// A container fails with what it is the container of; a bundle's only for itself.
fn count_with_inside(world: &World<'_>, rsc: RscIx, node: NodeIx) -> u32 {
    let own = count(world, rsc, node);
    if world.bundle_of(rsc).is_some() {
        return own;
    }
    let inside = world.inside_of(rsc).map(|filler| count(world, filler, node));
    inside.fold(own, u32::saturating_add)
}

/// What is recorded, whatever its age.
pub(crate) fn recorded<'a>(world: &World<'a>, rsc: RscIx, node: NodeIx) -> Option<&'a FailCount> {
    world.situation.history.failures.get(&world[node].name)?.get(&world[rsc].id)
}

fn is_aged(world: &World<'_>, rsc: RscIx, failures: &FailCount) -> bool {
    ages_at_ms(world, rsc, failures).is_some_and(|at_ms| world.situation.now_ms >= at_ms)
}

/// When the failures stop counting: `failure-timeout` after the last one. What blocks a resource does not age.
pub(crate) fn ages_at_ms(world: &World<'_>, rsc: RscIx, failures: &FailCount) -> Option<u64> {
    let timeout_ms = world[rsc].meta.failure_timeout_ms;
    let blocks = world[rsc].primitive().is_some_and(|primitive| {
        let mut operations = primitive.operations.iter();
        operations
            .any(|operation| operation.on_fail == Some(OnFail::Block) && operation.name == failures.operation)
    });
    (timeout_ms > 0 && failures.last_ms > 0 && !blocks).then(|| failures.last_ms.saturating_add(timeout_ms))
}

/// Bans a resource from nodes where it failed as often as `migration-threshold` says.
pub(crate) fn ban_after_too_many(world: &mut World<'_>) {
    for rsc in world.runnables() {
        for node in world.node_indexes() {
            let recorded = recorded(world, rsc, node);
            if let Some(at_ms) = recorded.and_then(|failures| ages_at_ms(world, rsc, failures)) {
                world.check_again_at(at_ms);
            }
            let Some(threshold) = world[rsc].meta.migration_threshold else { continue };
            let count = count_with_inside(world, rsc, node);
            if count == 0 || count < threshold || world[rsc].ignores_failures {
                continue;
            }
            let often =
                if count >= INFINITE { "its start failed there".into() } else { times(count, threshold) };
            let reason = recorded.map_or("", |failures| failures.reason.as_str());
            let said = if reason.is_empty() { "".into() } else { format!(" ({reason})") };
            ban(
                world,
                all_alike(world, rsc),
                node,
                format!("{often}{said}"),
                Because::TooManyFailures { of: rsc },
            );
        }
    }
}

/// What a failure of the resource is a failure of: of all instances, where they are all the same.
pub(crate) fn all_alike(world: &World<'_>, rsc: RscIx) -> RscIx {
    let clone = world.clone_of(rsc);
    clone.filter(|clone| world[*clone].copies().is_some_and(|copies| !copies.is_unique)).unwrap_or(rsc)
}

fn times(count: u32, threshold: u32) -> alloc::string::String {
    let times = if count == 1 { "once".into() } else { format!("{count} times") };
    format!("it failed there {times}, and `migration-threshold` is {threshold}")
}

/// Failures that have aged out and can be forgotten.
pub(crate) fn aged(world: &World<'_>) -> Vec<(RscIx, NodeIx)> {
    let mut aged = Vec::new();
    for rsc in world.runnables() {
        for node in world.node_indexes() {
            let is_aged = recorded(world, rsc, node).is_some_and(|failures| is_aged(world, rsc, failures));
            if is_aged {
                aged.push((rsc, node));
            }
        }
    }
    aged
}
