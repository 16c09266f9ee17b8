//! The configured resources: each becomes a resource of the world, a clone with all its instances.

use super::bundles;
use super::copies::Copies;
use super::meta::{Layers, Meta};
use super::nodes::NodeIx;
use super::world::{Kind, Role, Rsc, RscIx, World};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use muster_api::id::ResourceId;
use muster_api::resource::{AgentClass, CloneSet, Content, Group, Primitive, Resource, Score};

/// Adds all; the most important are placed first, then in the order of the configuration.
pub(crate) fn add_all(world: &mut World<'_>) {
    let config = world.situation.config;
    for resource in &config.resources {
        let meta = Layers { own: Vec::new(), defaults: &config.resource_defaults, is_copied: false };
        let top = match resource {
            Resource::Primitive(primitive) => {
                Adding { world, number: None, is_unique: false }.primitive(primitive, None, &meta)
            }
            Resource::Group(group) => {
                Adding { world, number: None, is_unique: false }.group(group, None, &meta)
            }
            Resource::Clone(clone) => add_clone(world, clone, None, &meta),
            Resource::Bundle(bundle) => {
                let parts = world.parts.iter().find(|parts| parts.id == bundle.id);
                let Some(parts) = parts else { continue };
                bundles::add(world, bundle, parts, &meta)
            }
        };
        world.top.push(top);
    }
    let mut top = core::mem::take(&mut world.top);
    top.sort_by_key(|rsc| core::cmp::Reverse(world[*rsc].meta.priority));
    world.top = top;
}

/// Puts one more resource into the world.
pub(crate) fn add<'a>(
    world: &mut World<'a>,
    id: ResourceId,
    kind: Kind<'a>,
    parent: Option<RscIx>,
    meta: Meta,
) -> RscIx {
    let is_managed = meta.is_managed && !meta.is_maintenance && !world.settings.is_maintenance;
    let is_promotable = parent.is_some_and(|parent| world.is_promotable(parent));
    let next_role = match () {
        () if meta.is_disabled => Role::Stopped,
        () if meta.stays_unpromoted && is_promotable => Role::Unpromoted,
        () => Role::Unknown,
    };
    let is_guest = is_connection(&kind) && meta.container.is_some();
    let scores = if world.settings.is_symmetric || is_guest {
        world.node_indexes().map(|node| (node, first_score(world, node))).collect()
    } else {
        BTreeMap::new()
    };
    if let Some(container) = &meta.container {
        world.contents.entry(container.clone()).or_default().push(RscIx(world.resources.len()));
    }
    world.resources.push(Rsc {
        id,
        known_as: None,
        copy: None,
        kind,
        parent,
        priority: meta.priority,
        meta,
        is_managed,
        blocked: None,
        is_failed: false,
        is_cured_by_demotion: false,
        is_start_pending: false,
        migrating: None,
        left_behind: Vec::new(),
        cannot_migrate: false,
        ignores_failures: false,
        restarts_because: None,
        is_changed: false,
        reloads_on: None,
        is_removed: false,
        stops_unexpected: false,
        role: Role::Stopped,
        next_role,
        running_on: Vec::new(),
        observed: BTreeMap::new(),
        scores,
        exclusive_to: BTreeSet::new(),
        never_on: BTreeSet::new(),
        promoted_scores: BTreeMap::new(),
        located: BTreeMap::new(),
        copies_on: BTreeMap::new(),
        promotion: Score(0),
        placed_on: None,
        is_placed: false,
        is_placing: false,
        is_scoring: false,
        notes: Vec::new(),
    });
    RscIx(world.resources.len() - 1)
}

fn is_connection(kind: &Kind<'_>) -> bool {
    matches!(kind, Kind::Primitive(primitive) if primitive.agent.is_connection())
}

/// Nothing but a bundle's own resource may be inside of it.
fn first_score(world: &World<'_>, node: NodeIx) -> Score {
    if world[node].is_bundled { Score::MINUS_INFINITY } else { Score(0) }
}

/// A clone with all its instances, at the top level or inside of a bundle.
pub(crate) fn add_clone<'a>(
    world: &mut World<'a>,
    clone: &'a CloneSet,
    parent: Option<RscIx>,
    outer: &Layers<'a>,
) -> RscIx {
    let mut meta = outer.within(&clone.meta);
    meta.is_copied = true;
    let can_differ = clone.content.primitives().iter().all(can_differ);
    let nodes = world.nodes.iter().filter(|node| !node.is_bundled).count();
    let copies = Copies::read(&meta, nodes, can_differ);
    // Inside of a bundle each replica has its own.
    let known = if parent.is_some() { copies.max.max(1) } else { copies.known_at_first(nodes) };
    let ix = add(world, clone.id.clone(), Kind::Clone(copies), parent, Meta::read(&meta));
    world.by_id.insert(clone.id.clone(), ix);
    for _ in 0..known {
        add_instance(world, ix);
    }
    ix
}

/// Only agents that take parameters can tell their instances apart.
fn can_differ(primitive: &Primitive) -> bool {
    matches!(primitive.agent.class, AgentClass::Ocf | AgentClass::Stonith)
}

/// One more instance of a clone.
pub(crate) fn add_instance(world: &mut World<'_>, clone: RscIx) -> RscIx {
    let (set, outer) = set_of(world, clone);
    let outer = Layers { is_copied: true, ..outer };
    let meta = outer.within(&set.meta);
    let (number, is_unique) =
        world[clone].copies().map_or((0, false), |copies| (copies.instances.len(), copies.is_unique));
    let mut adding = Adding { world, number: Some(number), is_unique };
    let instance = match &set.content {
        Content::Primitive(primitive) => adding.primitive(primitive, Some(clone), &meta),
        Content::Group(group) => adding.group(group, Some(clone), &meta),
    };
    if !is_unique {
        world.by_id.insert(set.content.id().clone(), clone);
    }
    if let Kind::Clone(copies) = &mut world[clone].kind {
        copies.instances.push(instance);
    }
    instance
}

/// What a clone of the world was made of, with the layers around it.
fn set_of<'a>(world: &World<'a>, clone: RscIx) -> (&'a CloneSet, Layers<'a>) {
    let (config, parts) = (world.situation.config, world.parts);
    let outer = Layers { own: Vec::new(), defaults: &config.resource_defaults, is_copied: false };
    let id = &world[clone].id;
    for resource in &config.resources {
        match resource {
            Resource::Clone(set) if set.id == *id => return (set, outer),
            Resource::Bundle(bundle) => {
                let parts = parts.iter().find(|parts| parts.id == bundle.id);
                let content = parts.and_then(|parts| parts.content.as_ref());
                if let Some(content) = content.filter(|content| content.id == *id) {
                    return (content, outer.within(&bundle.meta));
                }
            }
            _ => {}
        }
    }
    unreachable!("a clone of the world is one of the configuration, or the inside of a bundle")
}

pub(crate) struct Adding<'w, 'a> {
    pub(crate) world: &'w mut World<'a>,
    /// Of the instance that is added.
    pub(crate) number: Option<usize>,
    pub(crate) is_unique: bool,
}

impl<'a> Adding<'_, 'a> {
    fn group(&mut self, group: &'a Group, parent: Option<RscIx>, outer: &Layers<'a>) -> RscIx {
        let meta = outer.within(&group.meta);
        let ix = self.add(&group.id, Kind::Group(Vec::new()), parent, &meta);
        let members: Vec<RscIx> =
            group.members.iter().map(|member| self.primitive(member, Some(ix), &meta)).collect();
        self.world[ix].kind = Kind::Group(members);
        ix
    }

    pub(crate) fn primitive(
        &mut self,
        primitive: &'a Primitive,
        parent: Option<RscIx>,
        outer: &Layers<'a>,
    ) -> RscIx {
        let meta = outer.within(&primitive.meta);
        self.add(&primitive.id, Kind::Primitive(primitive), parent, &meta)
    }

    fn add(&mut self, id: &ResourceId, kind: Kind<'a>, parent: Option<RscIx>, meta: &Layers<'_>) -> RscIx {
        let own_id = match self.number {
            Some(number) if self.is_unique => ResourceId::from(format!("{id}:{number}").as_str()),
            _ => id.clone(),
        };
        let mut meta_read = Meta::read(meta);
        // What runs on a node goes on while another takes over the connection.
        meta_read.can_migrate |= is_connection(&kind) && meta.value("allow-migrate").is_none();
        let ix = add(self.world, own_id.clone(), kind, parent, meta_read);
        if let Some(reconnect_ms) = Some(self.world.reconnect_ms(ix)).filter(|ms| *ms > 0) {
            self.world[ix].meta.failure_timeout_ms = reconnect_ms;
        }
        self.world[ix].copy = self.number;
        if self.number.is_none() || self.is_unique {
            self.world.by_id.insert(own_id, ix);
        }
        // Of instances that differ, constraints name each.
        if let (Some(_), Some(clone), false) = (self.number, self.world.clone_of(ix), self.is_unique) {
            self.world.by_id.insert(id.clone(), clone);
        }
        ix
    }
}
