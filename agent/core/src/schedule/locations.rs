//! Location constraints and stickiness: what a resource's scores are before others have a say.

use super::nodes::NodeIx;
use super::world::{Note, RscIx, World};
use alloc::format;
use alloc::string::String;
use muster_api::resource::{Constraint, Score};

/// Applies all location constraints that are in force, then stickiness.
pub(crate) fn apply(world: &mut World<'_>) {
    for constraint in &world.situation.config.constraints {
        let Constraint::Location { id, resource, node, score, until_ms, .. } = constraint else { continue };
        if let Some(until_ms) = *until_ms {
            if world.situation.now_ms >= until_ms {
                continue;
            }
            world.check_again_at(until_ms);
        }
        let (Some(rsc), Some(node)) = (world.find(resource), world.find_node(node)) else { continue };
        apply_one(world, rsc, node, *score, id);
    }
    for rsc in world.runnables() {
        apply_stickiness(world, rsc);
    }
}

/// A group's first member takes the score; the others follow it, and only have to be allowed there.
fn apply_one(world: &mut World<'_>, rsc: RscIx, node: NodeIx, score: Score, id: &str) {
    let members = world.members(rsc).to_vec();
    for (place, member) in members.iter().enumerate() {
        add(world, *member, node, if place == 0 { score } else { Score(0) });
    }
    add(world, rsc, node, score);
    let why = format!("location `{id}` gives it {score} there");
    for noted in members.first().copied().into_iter().chain([rsc]) {
        note(world, noted, node, score, why.clone());
    }
}

fn note(world: &mut World<'_>, rsc: RscIx, node: NodeIx, score: Score, why: String) {
    world[rsc].notes.push(Note { node: Some(node), score, why });
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
    note(world, rsc, node, stickiness, format!("it runs there and `resource-stickiness` is {stickiness}"));
}
