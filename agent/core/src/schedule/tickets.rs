//! Tickets: what needs one that this cluster does not hold runs nowhere, or is handled as `loss-policy` says where it
//! runs already.

use super::because::Because;
use super::remote;
use super::unpack::ban_everywhere;
use super::world::{Role, RscIx, World};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::cluster::Ticket;
use muster_api::constraint::{Constraint, LossPolicy, RoleName, Subject};

/// A constraint on a ticket that is not here, or in standby.
struct Lack {
    role: Option<RoleName>,
    policy: LossPolicy,
    is_granted: bool,
    why: String,
    because: Because,
}

/// Applies all ticket constraints.
pub(crate) fn apply(world: &mut World<'_>) {
    let config = world.situation.config;
    for constraint in &config.constraints {
        let Constraint::Ticket { id, ticket, resources: Subject::Resource(resource), role, loss_policy } =
            constraint
        else {
            continue;
        };
        let state = config.tickets.get(ticket).copied().unwrap_or_default();
        let (Some(rsc), Some(why)) = (world.find(resource), lack(ticket, state)) else { continue };
        let because = Because::Ticket { constraint: id.clone(), ticket: ticket.clone() };
        let (role, policy, is_granted) = (*role, *loss_policy, state.is_granted);
        let lack = Lack { role, policy, is_granted, why, because };
        for part in whole(world, rsc) {
            do_without(world, part, &lack);
        }
    }
}

/// All that a resource consists of: of a bundle the connections and addresses too, which are of no use without it.
fn whole(world: &World<'_>, rsc: RscIx) -> Vec<RscIx> {
    if world[rsc].is_runnable() {
        return alloc::vec![rsc];
    }
    world.parts_of(rsc).into_iter().flat_map(|part| whole(world, part)).collect()
}

fn lack(ticket: &str, state: Ticket) -> Option<String> {
    if !state.is_granted {
        Some(format!("needs the ticket `{ticket}`, which is not granted here"))
    } else if state.is_standby {
        Some(format!("needs the ticket `{ticket}`, which is in standby"))
    } else {
        None
    }
}

fn do_without(world: &mut World<'_>, rsc: RscIx, lack: &Lack) {
    let is_running = !world[rsc].running_on.is_empty();
    let needs_it_to_run = lack.role != Some(RoleName::Promoted);
    // A ticket in standby is still here: what runs is stopped, and nothing is fenced or frozen.
    if lack.is_granted || !is_running {
        if needs_it_to_run || lack.policy == LossPolicy::Stop {
            ban_everywhere(world, rsc, lack.why.clone(), lack.because.clone());
        }
        return;
    }
    match lack.policy {
        LossPolicy::Stop => ban_everywhere(world, rsc, lack.why.clone(), lack.because.clone()),
        LossPolicy::Demote if needs_it_to_run => {
            ban_everywhere(world, rsc, lack.why.clone(), lack.because.clone())
        }
        LossPolicy::Fence if has_role(world, rsc, lack.role) => {
            ban_everywhere(world, rsc, lack.why.clone(), lack.because.clone());
            fence(world, rsc, &lack.why);
        }
        LossPolicy::Freeze if has_role(world, rsc, lack.role) => {
            let why = format!("{} {}", world[rsc].id, lack.why);
            world[rsc].is_managed = false;
            world[rsc].blocked.get_or_insert(why);
        }
        LossPolicy::Demote | LossPolicy::Fence | LossPolicy::Freeze => {}
    }
}

fn has_role(world: &World<'_>, rsc: RscIx, role: Option<RoleName>) -> bool {
    let role = Role::of(role);
    role == Role::Unknown || world[rsc].role == role
}

/// Whether a resource may not be promoted because of a ticket, and why.
pub(crate) fn bars_promotion(world: &World<'_>, rsc: RscIx) -> Option<String> {
    let config = world.situation.config;
    config.constraints.iter().find_map(|constraint| match constraint {
        Constraint::Ticket {
            ticket,
            resources: Subject::Resource(id),
            role: Some(RoleName::Promoted),
            ..
        } if world.find(id) == Some(rsc) => {
            lack(ticket, config.tickets.get(ticket).copied().unwrap_or_default())
        }
        _ => None,
    })
}

fn fence(world: &mut World<'_>, rsc: RscIx, why: &str) {
    if !world.settings.is_fencing_enabled {
        return;
    }
    for node in world[rsc].running_on.clone() {
        let reason = format!("{} runs there and {why}", world[rsc].id);
        remote::fence(world, node, reason);
    }
}
