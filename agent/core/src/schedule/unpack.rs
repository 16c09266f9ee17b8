//! Fills the world: first what is configured, then what the history says of it.

use super::failures;
use super::meta::{Meta, MultipleActive};
use super::nodes::NodeIx;
use super::world::{Kind, Note, Role, Rsc, RscIx, World};
use crate::observed::{Observed, Response, Rules, Sighting, observe};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::history::{OpRecord, definition_digest};
use muster_api::id::ResourceId;
use muster_api::resource::{Group, Primitive, Resource, Score};

/// Adds the configured resources; the most important are placed first, then in the order of the configuration.
pub(crate) fn add_configured(world: &mut World<'_>) {
    let config = world.situation.config;
    for resource in &config.resources {
        let top = match resource {
            Resource::Primitive(primitive) => add_primitive(world, primitive, None, None),
            Resource::Group(group) => add_group(world, group),
            // No reader makes them yet.
            Resource::Clone(_) | Resource::Bundle(_) => continue,
        };
        world.top.push(top);
    }
    let mut top = core::mem::take(&mut world.top);
    top.sort_by_key(|rsc| core::cmp::Reverse(world[*rsc].meta.priority));
    world.top = top;
}

fn add_group<'a>(world: &mut World<'a>, group: &'a Group) -> RscIx {
    let meta = Meta::read(&group.meta, None, &world.situation.config.resource_defaults);
    let ix = add(world, group.id.clone(), Kind::Group(Vec::new()), None, meta);
    let members =
        group.members.iter().map(|member| add_primitive(world, member, Some(ix), Some(&group.meta)));
    world[ix].kind = Kind::Group(members.collect());
    ix
}

fn add_primitive<'a>(
    world: &mut World<'a>,
    primitive: &'a Primitive,
    parent: Option<RscIx>,
    group: Option<&BTreeMap<String, String>>,
) -> RscIx {
    let meta = Meta::read(&primitive.meta, group, &world.situation.config.resource_defaults);
    add(world, primitive.id.clone(), Kind::Primitive(primitive), parent, meta)
}

fn add<'a>(
    world: &mut World<'a>,
    id: ResourceId,
    kind: Kind<'a>,
    parent: Option<RscIx>,
    meta: Meta,
) -> RscIx {
    let is_managed = meta.is_managed && !meta.is_maintenance && !world.settings.is_maintenance;
    let next_role = if meta.is_disabled { Role::Stopped } else { Role::Unknown };
    let scores = if world.settings.is_symmetric {
        world.node_indexes().map(|node| (node, Score(0))).collect()
    } else {
        BTreeMap::new()
    };
    world.resources.push(Rsc {
        id,
        kind,
        parent,
        meta,
        is_managed,
        blocked: None,
        is_failed: false,
        is_start_pending: false,
        ignores_failures: false,
        is_changed: false,
        stops_unexpected: false,
        role: Role::Stopped,
        next_role,
        running_on: Vec::new(),
        observed: BTreeMap::new(),
        scores,
        placed_on: None,
        is_placed: false,
        is_placing: false,
        is_scoring: false,
        notes: Vec::new(),
    });
    RscIx(world.resources.len() - 1)
}

/// Reads the records of all nodes that can say something: without fencing, an offline node is taken to run nothing.
pub(crate) fn add_history(world: &mut World<'_>) {
    let history = world.situation.history;
    let mut nodes: Vec<NodeIx> = world.node_indexes().collect();
    nodes.sort_by_key(|node| world[*node].order);
    for node in nodes {
        let Some(records) = history.nodes.get(&world[node].name) else { continue };
        if world[node].is_fenced || (!world.settings.is_fencing_enabled && !world[node].is_online) {
            continue;
        }
        for (id, records) in records {
            read_resource(world, node, id, records);
        }
    }
    for rsc in world.runnables() {
        respond(world, rsc);
        judge_running(world, rsc);
    }
}

fn read_resource(world: &mut World<'_>, node: NodeIx, id: &ResourceId, records: &[OpRecord]) {
    let configured = world.find(id).filter(|rsc| !world[*rsc].is_group());
    let rules = Rules {
        primitive: configured.and_then(|rsc| match world[rsc].kind {
            Kind::Primitive(primitive) => Some(primitive),
            _ => None,
        }),
        default_on_fail: world.settings.default_on_fail,
        is_managed: configured.is_none_or(|rsc| world[rsc].is_managed),
        is_fencing_enabled: world.settings.is_fencing_enabled,
        is_online: world[node].is_online,
        can_fence: world.settings.can_fence(world[node].is_online),
        failure_timeout_ms: configured.map_or(0, |rsc| world[rsc].meta.failure_timeout_ms),
        has_fresh_fail_count: configured.is_some_and(|rsc| failures::count(world, rsc, node) > 0),
        now_ms: world.situation.now_ms,
    };
    let observed = observe(records, &rules);
    let rsc = match configured {
        Some(rsc) => rsc,
        None if observed.state == Sighting::Started => add_orphan(world, id, &observed),
        None => return,
    };
    take_in(world, rsc, node, observed);
}

/// A resource that was removed from the configuration and still runs.
fn add_orphan(world: &mut World<'_>, id: &ResourceId, observed: &Observed) -> RscIx {
    let Some(definition) = observed.definition.clone() else {
        unreachable!("what was seen started was started with something")
    };
    let empty = BTreeMap::new();
    let meta = Meta::read(&empty, None, &world.situation.config.resource_defaults);
    let orphan = add(world, id.clone(), Kind::Orphan(definition), None, meta);
    if world.settings.stops_orphans {
        ban_everywhere(world, orphan, "was removed from the configuration".into());
    } else {
        world[orphan].is_managed = false;
    }
    world.top.push(orphan);
    orphan
}

/// Takes in what was observed of one resource on one node.
fn take_in(world: &mut World<'_>, rsc: RscIx, node: NodeIx, observed: Observed) {
    world[rsc].is_start_pending |= observed.is_start_pending;
    let is_active = observed.state == Sighting::Started;
    if is_active {
        fence_where_it_cannot_be_stopped(world, rsc, node);
    }
    // An unclean node is fenced anyway, and after that the resource may start again.
    let response = if world[node].unclean.is_some() { Response::Ignore } else { observed.response };
    if response == Response::Fence {
        let reason = failure_sentence(world, rsc, &observed);
        world[node].must_be_fenced(reason);
    }
    let role = match observed.state {
        Sighting::Unknown => Role::Unknown,
        Sighting::Stopped => Role::Stopped,
        Sighting::Started => Role::Started,
    };
    world[rsc].role = world[rsc].role.max(role);
    if is_active {
        note_definition(world, rsc, node, &observed);
        world[rsc].running_on.push(node);
        world[rsc].is_failed |= response != Response::Ignore;
    }
    world[rsc].observed.insert(node, observed);
}

/// A managed resource that is believed active on a node that is not there: only fencing makes sure.
fn fence_where_it_cannot_be_stopped(world: &mut World<'_>, rsc: RscIx, node: NodeIx) {
    let is_lost = !world[node].is_online && !world[node].is_maintenance;
    if is_lost && world[rsc].is_managed && world.settings.is_fencing_enabled {
        let reason = format!("{} may be active there", world[rsc].id);
        world[node].must_be_fenced(reason);
    }
}

/// Does what failures ask for, once it is known which nodes are fenced: that takes their failures away.
fn respond(world: &mut World<'_>, rsc: RscIx) {
    for (node, observed) in world[rsc].observed.clone() {
        if world.is_about_to_be_fenced(node) {
            continue;
        }
        world[rsc].ignores_failures |= observed.ignores_failures;
        if let Some(why) = observed.ban_here.clone() {
            ban(world, rsc, node, why);
        }
        if let Some(why) = observed.ban_everywhere.clone() {
            ban_everywhere(world, rsc, why);
        }
        if world[node].unclean.is_some() {
            continue;
        }
        match observed.response {
            Response::Ignore | Response::Restart | Response::Fence => {}
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
    world[rsc].is_changed |= is_changed && world[node].is_available();
}

/// Once all is known of where a resource is active: whether it is left alone there, or there is too much of it.
fn judge_running(world: &mut World<'_>, rsc: RscIx) {
    let nodes = world[rsc].running_on.clone();
    // What fencing stops is neither left alone nor too much.
    let remaining: Vec<NodeIx> =
        nodes.iter().copied().filter(|node| !world.is_about_to_be_fenced(*node)).collect();
    if remaining.iter().any(|node| world[*node].is_maintenance) {
        world[rsc].is_managed = false;
    }
    if world[rsc].is_managed {
        if remaining.len() > 1 {
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
            );
        }
        MultipleActive::Block => {
            // A group stands or falls as one.
            let group =
                world[rsc].parent.filter(|group| world[*group].meta.multiple_active == MultipleActive::Block);
            let blocked = group.map_or(alloc::vec![rsc], |group| world.members(group).to_vec());
            let why =
                format!("{} is active on several nodes and `multiple-active` is `block`", world[rsc].id);
            for rsc in blocked {
                world[rsc].is_managed = false;
                world[rsc].blocked.get_or_insert(why.clone());
            }
        }
    }
}

/// The resource must not run there.
pub(crate) fn ban(world: &mut World<'_>, rsc: RscIx, node: NodeIx, why: String) {
    world[rsc].scores.insert(node, Score::MINUS_INFINITY);
    world[rsc].notes.push(Note { node: Some(node), score: Score::MINUS_INFINITY, why });
}

/// The resource must not run.
pub(crate) fn ban_everywhere(world: &mut World<'_>, rsc: RscIx, why: String) {
    for node in world.node_indexes() {
        world[rsc].scores.insert(node, Score::MINUS_INFINITY);
    }
    world[rsc].notes.push(Note { node: None, score: Score::MINUS_INFINITY, why });
}
