//! Colocations: those that groups imply, then those that are configured.

use super::world::{Colocation, Kind, Role, World};
use muster_api::constraint::Constraint;
use muster_api::resource::Score;

/// A group's members are colocated, each with the one before it; then what the configuration says.
pub(crate) fn add_colocations(world: &mut World<'_>) {
    for rsc in world.rsc_indexes() {
        let Kind::Group(members) = &world[rsc].kind else { continue };
        if !world[rsc].meta.is_colocated {
            continue;
        }
        for pair in members.clone().windows(2) {
            let has_influence = world[pair[1]].meta.is_critical;
            world.colocate(Colocation {
                id: "#group-members".into(),
                dependent: pair[1],
                primary: pair[0],
                score: Score::INFINITY,
                dependent_role: Role::Unknown,
                primary_role: Role::Unknown,
                node_attribute: None,
                has_influence,
                is_explicit: false,
            });
        }
    }
    for constraint in &world.situation.config.constraints {
        add_configured(world, constraint);
    }
}

fn add_configured(world: &mut World<'_>, constraint: &Constraint) {
    let Constraint::Colocation { id, resource, role, with, with_role, score, node_attribute, influence } =
        constraint
    else {
        return;
    };
    let (Some(dependent), Some(primary)) = (world.find(resource), world.find(with)) else { return };
    let has_influence = influence.unwrap_or(world[dependent].meta.is_critical);
    world.colocate(Colocation {
        id: id.clone(),
        dependent,
        primary,
        score: *score,
        dependent_role: Role::of(*role),
        primary_role: Role::of(*with_role),
        node_attribute: node_attribute.clone(),
        has_influence,
        is_explicit: true,
    });
}
