//! What the history says of the resources of the world. Where instances of a clone are all the same, the history does not
//! know their numbers: what runs on a node is the instance that belongs there already, else the first that is free.

use super::actions::requires;
use super::because::Because;
use super::copies::Copies;
use super::meta::{Layers, Meta, MultipleActive};
use super::nodes::NodeIx;
use super::world::{Kind, Note, Role, RscIx, World};
use super::{configured, failures, handover, remote};
use crate::observed::{ConnectionRules, Definition, Observed, Response, Rules, Sighting, observe};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::history::{OpRecord, definition_digest};
use muster_api::id::ResourceId;
use muster_api::reload::{self, Reloading};
use muster_api::resource::Score;

/// Reads the records of all nodes that can say something: without fencing, an offline node is taken to run nothing. What
/// one node says may tell that another can be read.
pub(crate) fn add_history(world: &mut World<'_>) {
    let history = world.situation.history;
    let mut unread: Vec<NodeIx> =
        world.node_indexes().filter(|node| history.nodes.contains_key(&world[*node].name)).collect();
    unread.sort_by_key(|node| world[*node].order);
    loop {
        let before = unread.len();
        unread.retain(|node| !remote::can_be_read(world, *node) || !read_node(world, *node));
        if unread.len() == before {
            break;
        }
    }
    if world.settings.is_fencing_enabled {
        unread.drain(..).for_each(|node| {
            read_node(world, node);
        });
    }
    remote::close_connections(world);
    judge_unread(world, &unread);
    for rsc in world.runnables() {
        respond(world, rsc);
        judge_running(world, rsc);
    }
}

/// Reads what a node has records of; it is read then, whatever they say.
fn read_node(world: &mut World<'_>, node: NodeIx) -> bool {
    remote::judge(world, node);
    remote::was_seen(world, node);
    let history = world.situation.history;
    let records = history.nodes.get(&world[node].name).filter(|_| !world[node].is_fenced);
    for (id, records) in records.into_iter().flatten() {
        read_resource(world, node, id, records);
    }
    true
}

/// Of the others that are reached through a connection only that says something.
fn judge_unread(world: &mut World<'_>, unread: &[NodeIx]) {
    for node in world.node_indexes() {
        let has_records = world.situation.history.nodes.contains_key(&world[node].name);
        let is_unread = unread.contains(&node) || !has_records;
        if world[node].connection.is_some() && is_unread {
            remote::judge(world, node);
        }
    }
}

fn read_resource(world: &mut World<'_>, node: NodeIx, id: &ResourceId, records: &[OpRecord]) {
    let configured = if records.is_empty() { None } else { find(world, node, id) };
    if let Some(rsc) = configured.filter(|rsc| world[*rsc].id != *id) {
        world[rsc].known_as = Some(id.clone());
    }
    let rules = Rules {
        primitive: configured.and_then(|rsc| match world[rsc].kind {
            Kind::Primitive(primitive) => Some(primitive),
            _ => None,
        }),
        default_on_fail: world.settings.default_on_fail,
        is_managed: configured.is_none_or(|rsc| world[rsc].is_managed),
        is_promotable: configured.is_some_and(|rsc| world.is_promotable(rsc)),
        is_in_container: configured.is_some_and(|rsc| world.container_of(rsc).is_some()),
        connection: configured
            .filter(|rsc| world[*rsc].is_connection())
            .map(|rsc| connection_rules(world, rsc)),
        is_fencing_enabled: world.settings.is_fencing_enabled,
        is_online: world[node].is_online,
        can_fence: world.can_fence(node),
        failure_timeout_ms: configured.map_or(0, |rsc| world[rsc].meta.failure_timeout_ms),
        has_fresh_fail_count: configured.is_some_and(|rsc| failures::count(world, rsc, node) > 0),
        now_ms: world.situation.now_ms,
        ordered_codes: world[node].ordered_codes.get(id),
    };
    let observed = observe(&handover::records(world, (node, id), records), &rules);
    let rsc = match configured {
        Some(rsc) => rsc,
        None if observed.state.is_active() => add_orphan(world, id, &observed),
        None => return,
    };
    // Where a migration may have taken it comes before the node that tells of it.
    handover::take_in(world, rsc, (node, id), records);
    take_in(world, rsc, node, observed);
}

/// What is special about the failures of a connection.
fn connection_rules(world: &World<'_>, connection: RscIx) -> ConnectionRules {
    let node = world.node_indexes().find(|node| world[*node].connection == Some(connection));
    ConnectionRules {
        is_tried_later: world.reconnect_ms(connection) > 0,
        was_node_fenced: node.is_some_and(|node| world[node].was_fenced),
    }
}

/// The resource that records on a node are about.
fn find(world: &mut World<'_>, node: NodeIx, id: &ResourceId) -> Option<RscIx> {
    let base = || {
        let (base, number) = id.as_str().rsplit_once(':')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| ResourceId::from(base))
    };
    let named = world.find(id);
    let (name, found) = match named {
        Some(found) => (id.clone(), found),
        None => base().and_then(|base| Some((base.clone(), world.find(&base)?)))?,
    };
    if world[found].is_runnable() {
        return Some(found);
    }
    if let Some(instance) = world.instance_for(found, node) {
        return Some(instance);
    }
    let is_unique = world[found].copies().map(|copies| copies.is_unique)?;
    if is_unique || name == world[found].id { None } else { Some(find_instance(world, found, node, &name)) }
}

/// The instance that records on a node are about: the one that is there already, with another member of its group; else
/// the first that is nowhere; else there is one too many.
fn find_instance(world: &mut World<'_>, clone: RscIx, node: NodeIx, name: &ResourceId) -> RscIx {
    let part = |world: &World<'_>, instance: RscIx| {
        world.leaves(instance).into_iter().find(|leaf| world[*leaf].id == *name)
    };
    let mut free = None;
    for instance in world.children(clone).to_vec() {
        let nodes = world.active_nodes(instance);
        let Some(part) = part(world, instance) else { continue };
        if nodes.contains(&node) {
            let is_taken = !world[part].running_on.is_empty();
            return if is_taken { surplus(world, clone, name) } else { part };
        }
        let is_blocked = world.is_blocked(instance);
        if nodes.is_empty() && !is_blocked && !is_pending_elsewhere(world, part, node) {
            free = free.or(Some(part));
        }
    }
    let free = free.or_else(|| spare(world, clone, name));
    // What does not wait for fencing may start elsewhere: an instance on a lost node must not take a number away.
    let is_for_all =
        world[clone].copies().is_some_and(|copies| copies.max >= world.nodes.len() * copies.max_on_node);
    let is_lost = !world[node].is_online || world[node].unclean.is_some();
    let free = free.filter(|part| !is_lost || is_for_all || requires(world, *part).needs_fencing());
    free.unwrap_or_else(|| surplus(world, clone, name))
}

fn is_pending_elsewhere(world: &World<'_>, part: RscIx, node: NodeIx) -> bool {
    world[part].observed.iter().any(|(on, observed)| *on != node && observed.is_start_pending)
}

/// One more instance, where there may be one.
fn spare(world: &mut World<'_>, clone: RscIx, name: &ResourceId) -> Option<RscIx> {
    let may_be = world[clone].copies().is_some_and(Copies::has_spare);
    may_be.then(|| {
        let instance = configured::add_instance(world, clone);
        part_of(world, instance, name)
    })
}

/// One more instance than there may be.
fn surplus(world: &mut World<'_>, clone: RscIx, name: &ResourceId) -> RscIx {
    let instance = configured::add_instance(world, clone);
    for part in world.leaves(instance).into_iter().chain([instance]) {
        world[part].is_removed = true;
    }
    part_of(world, instance, name)
}

/// The part of an instance that is called so.
fn part_of(world: &World<'_>, instance: RscIx, name: &ResourceId) -> RscIx {
    let part = world.leaves(instance).into_iter().find(|leaf| world[*leaf].id == *name);
    part.unwrap_or(instance)
}

/// A resource that was removed from the configuration and still runs.
fn add_orphan(world: &mut World<'_>, id: &ResourceId, observed: &Observed) -> RscIx {
    let Some(definition) = observed.definition.clone() else {
        unreachable!("what was seen started was started with something")
    };
    let defaults = &world.situation.config.resource_defaults;
    let meta = Meta::read(&Layers { own: Vec::new(), defaults, is_copied: false });
    let orphan = configured::add(world, id.clone(), Kind::Orphan(definition), None, meta);
    remote::link(world, orphan);
    world[orphan].is_removed = true;
    world.by_id.insert(id.clone(), orphan);
    if world.settings.stops_orphans {
        let why = "was removed from the configuration".into();
        ban_everywhere(world, orphan, why, Because::Other);
    } else {
        world[orphan].is_managed = false;
    }
    world.top.push(orphan);
    orphan
}

/// Takes in what was observed of one resource on one node.
fn take_in(world: &mut World<'_>, rsc: RscIx, node: NodeIx, observed: Observed) {
    world[rsc].is_start_pending |= observed.is_start_pending;
    let is_active = observed.state.is_active();
    if is_active {
        fence_where_it_cannot_be_stopped(world, rsc, node);
        let is_lost_with_guest = world[node].container.is_some() && !world[node].is_online;
        world[rsc].is_failed |= is_lost_with_guest && world[rsc].is_managed && !world[node].is_maintenance;
    }
    // An unclean node is fenced anyway, and after that the resource may start again.
    let response = if world[node].unclean.is_some() { Response::Ignore } else { observed.response };
    if response == Response::Fence {
        let reason = failure_sentence(world, rsc, &observed);
        remote::fence(world, node, reason);
    }
    if response == Response::ResetConnection {
        reset_node(world, rsc);
    }
    let role = match observed.state {
        Sighting::Unknown => Role::Unknown,
        Sighting::Stopped => Role::Stopped,
        Sighting::Started => Role::Started,
        Sighting::Unpromoted => Role::Unpromoted,
        Sighting::Promoted => Role::Promoted,
    };
    world[rsc].role = world[rsc].role.max(role);
    if is_active {
        note_definition(world, rsc, node, &observed);
        if !world[rsc].running_on.contains(&node) {
            world[rsc].running_on.push(node);
        }
        world[rsc].is_failed |= response != Response::Ignore;
        world[rsc].is_cured_by_demotion = response == Response::Demote;
    }
    world[rsc].observed.insert(node, observed);
    note_broken_connection(world, rsc);
}

/// A managed resource that is believed active on a node that is not there: only fencing makes sure.
fn fence_where_it_cannot_be_stopped(world: &mut World<'_>, rsc: RscIx, node: NodeIx) {
    let is_lost = !world[node].is_online && !world[node].is_maintenance;
    let is_guest = world[node].container.is_some();
    if is_lost && world[rsc].is_managed && (world.settings.is_fencing_enabled || is_guest) {
        let has_failed = world[node].connection.is_some_and(|connection| world[connection].is_failed);
        // It may be enough to connect from elsewhere.
        world[node].is_unseen |= world[node].connection.is_some() && !is_guest && !has_failed;
        let reason = format!("{} may be active there", world[rsc].id);
        remote::fence(world, node, reason);
    }
}

/// The connection to a node broke: only fencing tells what became of the node.
fn reset_node(world: &mut World<'_>, connection: RscIx) {
    let node = world.node_indexes().find(|node| world[*node].connection == Some(connection));
    let node = node.filter(|node| world[*node].container.is_none() && !world[*node].was_fenced);
    if let Some(node) = node.filter(|_| world.settings.is_fencing_enabled) {
        remote::fence(world, node, "its connection broke".into());
    }
}

/// A broken connection to a node that must be fenced is no reason to try it again first.
fn note_broken_connection(world: &mut World<'_>, rsc: RscIx) {
    let node = world.node_indexes().find(|node| world[*node].connection == Some(rsc));
    if let Some(node) = node.filter(|node| world[rsc].is_failed && world[*node].unclean.is_some()) {
        world[node].is_unseen = false;
    }
}

/// Does what failures ask for, once it is known which nodes are fenced: that takes their failures away.
fn respond(world: &mut World<'_>, rsc: RscIx) {
    for (node, observed) in world[rsc].observed.clone() {
        if let Some(why) = observed.ban_here.clone() {
            ban(world, failures::all_alike(world, rsc), node, why, Because::HardFailure);
        }
        if world.is_about_to_be_fenced(node) {
            if let Some(why) = observed.ban_everywhere.clone().filter(|_| observed.is_fatal) {
                ban_everywhere(world, failures::all_alike(world, rsc), why, Because::HardFailure);
            }
            continue;
        }
        world[rsc].ignores_failures |= observed.ignores_failures;
        if let Some(why) = observed.ban_everywhere.clone() {
            ban_everywhere(world, failures::all_alike(world, rsc), why, Because::HardFailure);
        }
        if world[node].unclean.is_some() {
            continue;
        }
        if observed.stays_unpromoted && world[rsc].next_role < Role::Unpromoted {
            world[rsc].next_role = Role::Unpromoted;
        }
        match observed.response {
            Response::Ignore | Response::Restart | Response::Demote | Response::Fence => {}
            Response::ResetConnection if world.reconnect_ms(rsc) > 0 => world[rsc].next_role = Role::Stopped,
            Response::ResetConnection => {}
            Response::RestartContainer => restart_container(world, rsc, node, &observed),
            Response::Block => {
                let why = failure_sentence(world, rsc, &observed);
                world[rsc].is_managed = false;
                world[rsc].blocked.get_or_insert(why);
            }
            Response::Stop => world[rsc].limit_next_role(Role::Stopped),
            Response::Standby => {
                let why = failure_sentence(world, rsc, &observed);
                world[node].standby_by_failure.get_or_insert(why);
            }
        }
    }
}

/// What failed inside is cured from outside.
fn restart_container(world: &mut World<'_>, rsc: RscIx, node: NodeIx, observed: &Observed) {
    let Some(container) = world.container_of(rsc) else { return };
    // The connection into a bundle may be held by another node than the one that the container is on.
    let is_bundled = world.bundle_of(container).is_some() && !world[container].running_on.is_empty();
    if is_bundled || world[container].running_on.contains(&node) {
        let why = failure_sentence(world, rsc, observed);
        world[container].restarts_because.get_or_insert(why);
    }
}

fn failure_sentence(world: &World<'_>, rsc: RscIx, observed: &Observed) -> String {
    let (operation, what) =
        observed.failure.as_ref().map_or(("action", ""), |failure| (&failure.operation, &failure.what));
    format!("{operation} of {} failed there ({what})", world[rsc].id)
}

/// Notices a resource that runs with another agent or other parameters than configured.
fn note_definition(world: &mut World<'_>, rsc: RscIx, node: NodeIx, observed: &Observed) {
    let Some(definition) = &observed.definition else { return };
    let Some(primitive) = world[rsc].primitive() else { return };
    let is_known = definition.digest != 0;
    let is_changed = is_known && definition.digest != definition_digest(&primitive.agent, &primitive.params);
    let has_other_agent = definition.agent != primitive.agent;
    if is_changed && world[node].is_available() {
        match is_taken_over(world, rsc, node, definition) && !observed.is_start_pending {
            true => world[rsc].reloads_on = Some(node),
            false => world[rsc].is_changed = true,
        }
    }
    if is_changed && world[rsc].is_fence_device() {
        unfence_anew(world, rsc, Some(node).filter(|_| has_other_agent));
    }
}

/// Whether the agent there takes over what has changed while the resource runs: a saved status knows it of the resource, a
/// node says it of its agents.
fn is_taken_over(world: &World<'_>, rsc: RscIx, node: NodeIx, definition: &Definition) -> bool {
    let Some(primitive) = world[rsc].primitive().filter(|primitive| primitive.agent == definition.agent)
    else {
        return false;
    };
    let said = world[node].attribute(&reload::attribute_of(&primitive.agent)).map(Reloading::parse);
    world[node].can_reload.contains(&world[rsc].id)
        || said.is_some_and(|reloading| reloading.takes_over(&definition.params, &primitive.params))
}

/// A device that lets nodes in has changed: that counts for the node where another device did it, or for all.
fn unfence_anew(world: &mut World<'_>, device: RscIx, only: Option<NodeIx>) {
    let why = format!("its fence device {} has changed", world[device].id);
    for node in world.node_indexes().filter(|node| only.is_none_or(|only| only == *node)) {
        world[node].unfenced_because.get_or_insert_with(|| why.clone());
    }
}

/// Once all is known of where a resource is active: whether it is left alone there, or there is too much of it.
fn judge_running(world: &mut World<'_>, rsc: RscIx) {
    let nodes = world[rsc].running_on.clone();
    if nodes.iter().any(|node| world[*node].is_maintenance) {
        world[rsc].is_managed = false;
    }
    if world[rsc].is_managed {
        // What fencing stops is not too much.
        let remaining = nodes.iter().filter(|node| !world.is_about_to_be_fenced(**node));
        if remaining.count() > 1 && world[rsc].migrating.is_none() {
            answer_multiple_active(world, rsc);
        }
        return;
    }
    for node in nodes {
        let score = world[rsc].scores.get(&node).copied().unwrap_or_default();
        world[rsc].scores.insert(node, score + Score::INFINITY);
    }
}

fn answer_multiple_active(world: &mut World<'_>, rsc: RscIx) {
    match world[rsc].meta.multiple_active {
        MultipleActive::StopStart | MultipleActive::StopUnexpected => {}
        MultipleActive::StopOnly => {
            ban_everywhere(
                world,
                rsc,
                "is active on several nodes and `multiple-active` is `stop_only`".into(),
                Because::Other,
            );
        }
        MultipleActive::Block => {
            // A group stands or falls as one.
            let group =
                world[rsc].parent.filter(|group| world[*group].meta.multiple_active == MultipleActive::Block);
            let blocked = group.map_or(alloc::vec![rsc], |group| world.leaves(group));
            let why =
                format!("{} is active on several nodes and `multiple-active` is `block`", world[rsc].id);
            for rsc in blocked {
                world[rsc].is_managed = false;
                world[rsc].blocked.get_or_insert(why.clone());
            }
        }
    }
}

/// The resource, with all that is in it, must not run there.
pub(crate) fn ban(world: &mut World<'_>, rsc: RscIx, node: NodeIx, why: String, because: Because) {
    for part in world.children(rsc).to_vec() {
        ban(world, part, node, why.clone(), because.clone());
    }
    world[rsc].scores.insert(node, Score::MINUS_INFINITY);
    world[rsc].notes.push(Note { node: Some(node), score: Score::MINUS_INFINITY, why, because });
}

/// The resource, with all that is in it, must not run.
pub(crate) fn ban_everywhere(world: &mut World<'_>, rsc: RscIx, why: String, because: Because) {
    for part in world.children(rsc).to_vec() {
        ban_everywhere(world, part, why.clone(), because.clone());
    }
    for node in world.node_indexes() {
        world[rsc].scores.insert(node, Score::MINUS_INFINITY);
    }
    world[rsc].notes.push(Note { node: None, score: Score::MINUS_INFINITY, why, because });
}
