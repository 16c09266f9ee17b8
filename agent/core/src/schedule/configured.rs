//! The configured resources: each becomes a resource of the world, a clone with all its instances.

use super::copies::Copies;
use super::meta::{Layers, Meta};
use super::world::{Kind, Role, Rsc, RscIx, World};
use alloc::collections::BTreeMap;
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
            Resource::Clone(clone) => add_clone(world, clone, &meta),
            // Refused by who reads them.
            Resource::Bundle(_) => continue,
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
    let scores = if world.settings.is_symmetric {
        world.node_indexes().map(|node| (node, Score(0))).collect()
    } else {
        BTreeMap::new()
    };
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
        is_removed: false,
        stops_unexpected: false,
        role: Role::Stopped,
        next_role,
        running_on: Vec::new(),
        observed: BTreeMap::new(),
        scores,
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

fn add_clone<'a>(world: &mut World<'a>, clone: &'a CloneSet, outer: &Layers<'a>) -> RscIx {
    let mut meta = outer.within(&clone.meta);
    meta.is_copied = true;
    let can_differ = clone.content.primitives().iter().all(can_differ);
    let copies = Copies::read(&meta, world.nodes.len(), can_differ);
    let max = copies.max;
    let ix = add(world, clone.id.clone(), Kind::Clone(copies), None, Meta::read(&meta));
    world.by_id.insert(clone.id.clone(), ix);
    // Even where there may be none, what runs has to belong to something.
    for _ in 0..max.max(1) {
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
    let config = world.situation.config;
    let id = world[clone].id.clone();
    let set = config.resources.iter().find_map(|resource| match resource {
        Resource::Clone(set) if set.id == id => Some(set),
        _ => None,
    });
    let Some(set) = set else { unreachable!("a clone of the world is one of the configuration") };
    let outer = Layers { own: Vec::new(), defaults: &config.resource_defaults, is_copied: true };
    let meta = outer.within(&set.meta);
    let (number, is_unique) =
        world[clone].copies().map_or((0, false), |copies| (copies.instances.len(), copies.is_unique));
    let mut adding = Adding { world, number: Some(number), is_unique };
    let instance = match &set.content {
        Content::Primitive(primitive) => adding.primitive(primitive, Some(clone), &meta),
        Content::Group(group) => adding.group(group, Some(clone), &meta),
    };
    world.by_id.insert(set.content.id().clone(), clone);
    if let Kind::Clone(copies) = &mut world[clone].kind {
        copies.instances.push(instance);
    }
    instance
}

struct Adding<'w, 'a> {
    world: &'w mut World<'a>,
    /// Of the instance that is added.
    number: Option<usize>,
    is_unique: bool,
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

    fn primitive(&mut self, primitive: &'a Primitive, parent: Option<RscIx>, outer: &Layers<'a>) -> RscIx {
        let meta = outer.within(&primitive.meta);
        self.add(&primitive.id, Kind::Primitive(primitive), parent, &meta)
    }

    fn add(&mut self, id: &ResourceId, kind: Kind<'a>, parent: Option<RscIx>, meta: &Layers<'_>) -> RscIx {
        let own_id = match self.number {
            Some(number) if self.is_unique => ResourceId::from(format!("{id}:{number}").as_str()),
            _ => id.clone(),
        };
        let ix = add(self.world, own_id.clone(), kind, parent, Meta::read(meta));
        self.world[ix].copy = self.number;
        if self.number.is_none() || self.is_unique {
            self.world.by_id.insert(own_id, ix);
        }
        if let (Some(_), Some(clone)) = (self.number, self.world.clone_of(ix)) {
            self.world.by_id.insert(id.clone(), clone);
        }
        ix
    }
}
