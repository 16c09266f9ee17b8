//! Which colocations concern a resource: its own, and those of what it is a part of.

use super::world::{ColIx, Kind, RscIx, World};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Colocations in which the resource follows others.
pub(crate) fn with_others(world: &World<'_>, rsc: RscIx) -> Vec<ColIx> {
    Search { world, origin: rsc, way: Way::WithOthers }.run()
}

/// Colocations in which others follow the resource.
pub(crate) fn with_this(world: &World<'_>, rsc: RscIx) -> Vec<ColIx> {
    Search { world, origin: rsc, way: Way::WithThis }.run()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    WithOthers,
    WithThis,
}

struct Search<'w, 'a> {
    world: &'w World<'a>,
    /// Who asks.
    origin: RscIx,
    way: Way,
}

impl Search<'_, '_> {
    fn run(&self) -> Vec<ColIx> {
        let mut found = Vec::new();
        self.collect(self.origin, &mut found);
        let key = |place: &ColIx| {
            let colocation = &self.world.colocations[*place];
            let other = if self.way == Way::WithOthers { colocation.primary } else { colocation.dependent };
            // The more important first, then what comprises more, promotable before other clones.
            let importance = self.world[other].meta.priority;
            let is_promotable = self.world[other].copies().is_some_and(|copies| copies.is_promotable);
            (Reverse((importance, self.world[other].size(), is_promotable)), &colocation.id)
        };
        found.sort_by(|one, other| key(one).cmp(&key(other)));
        found
    }

    fn own(&self, rsc: RscIx) -> &[ColIx] {
        let index = if self.way == Way::WithOthers { &self.world.following } else { &self.world.followed };
        index.get(&rsc).map_or(&[], Vec::as_slice)
    }

    fn collect(&self, rsc: RscIx, found: &mut Vec<ColIx>) {
        let parent = self.world[rsc].parent;
        match &self.world[rsc].kind {
            Kind::Group(members) => self.collect_group(rsc, members, found),
            Kind::Clone(_) => {
                found.extend(self.own(rsc));
                self.collect_above(parent, found);
            }
            Kind::Bundle(_) if self.speaks_for_bundle(rsc) => found.extend(self.own(rsc)),
            Kind::Bundle(_) => {}
            Kind::Primitive(_) | Kind::Orphan(_) if rsc == self.origin => {
                found.extend(self.own(rsc));
                self.collect_above(parent, found);
            }
            Kind::Primitive(_) | Kind::Orphan(_) => {
                // Of a sibling only what the configuration says of it.
                found
                    .extend(self.own(rsc).iter().filter(|place| self.world.colocations[**place].is_explicit));
            }
        }
    }

    fn collect_above(&self, parent: Option<RscIx>, found: &mut Vec<ColIx>) {
        if let Some(parent) = parent {
            self.collect(parent, found);
        }
    }

    /// A group's colocations count for the group itself and for the member that the others follow, or that follows the
    /// others: the first where it follows, the last where it is followed. The rest passes them on.
    fn collect_group(&self, group: RscIx, members: &[RscIx], found: &mut Vec<ColIx>) {
        let speaker = if self.way == Way::WithOthers { members.first() } else { members.last() };
        if self.origin == group || Some(&self.origin) == speaker {
            found.extend(self.own(group));
            self.collect_above(self.world[group].parent, found);
            let siblings = members.iter().filter(|_| self.world[group].meta.is_colocated);
            for member in siblings.filter(|member| **member != self.origin) {
                self.collect(*member, found);
            }
        } else if self.way == Way::WithOthers && self.has_unmanaged_before(members) {
            // A member that nobody moves does not pass on what the group follows.
            found.extend(self.own(group));
            self.collect_above(self.world[group].parent, found);
        }
    }

    /// A bundle's colocations are those of its containers; of what runs inside only while it is decided who is promoted.
    fn speaks_for_bundle(&self, bundle: RscIx) -> bool {
        let world = self.world;
        let content = world.content(bundle);
        let copies =
            content.and_then(|content| world[content].copies()).filter(|copies| copies.is_promotable);
        if Some(self.origin) == content {
            return copies.is_some_and(|copies| copies.is_ranked);
        }
        let is_inside = content.is_some_and(|content| world.is_inside(self.origin, content));
        match is_inside {
            true => copies.is_some() && world[self.origin].is_placed,
            false => self.origin == bundle || world.children(bundle).contains(&self.origin),
        }
    }

    fn has_unmanaged_before(&self, members: &[RscIx]) -> bool {
        let before = members.iter().take_while(|member| **member != self.origin);
        before.into_iter().any(|member| !self.world[*member].is_managed)
    }
}
