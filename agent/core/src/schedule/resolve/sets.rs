//! Sets and tags in colocations and orders -> pairs of resources (Pacemaker Explained, "Resource Sets").

use super::Resolver;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::constraint::{Constraint, OrderKind, ResourceSet, RoleName, SetOrdering};
use muster_api::id::ResourceId;
use muster_api::resource::Score;

/// A colocation without its two resources.
struct Together<'a> {
    id: &'a str,
    score: Score,
    node_attribute: &'a Option<String>,
    influence: Option<bool>,
}

/// An order without its two resources.
struct Order<'a> {
    id: &'a str,
    kind: OrderKind,
    symmetrical: bool,
}

impl Resolver<'_> {
    pub(super) fn plain_colocations(&self, constraint: &Constraint) -> Vec<Constraint> {
        match constraint {
            Constraint::Colocation {
                id,
                resource,
                role,
                with,
                with_role,
                score,
                node_attribute,
                influence,
            } => {
                if self.is_tag(resource) && self.is_tag(with) {
                    // Two tags (or templates) cannot be colocated: nobody could say which with which.
                    return Vec::new();
                }
                let together = Together { id, score: *score, node_attribute, influence: *influence };
                let sets = [self.set_of(resource, *role), self.set_of(with, *with_role)];
                colocate_sets(&together, &sets)
            }
            Constraint::ColocationSets { id, score, node_attribute, sets } => {
                let together = Together { id, score: *score, node_attribute, influence: None };
                let sets: Vec<ResourceSet> = sets.iter().map(|set| self.without_tags(set)).collect();
                colocate_sets(&together, &sets)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn plain_orders(&self, constraint: &Constraint) -> Vec<Constraint> {
        match constraint {
            Constraint::Order {
                id,
                first,
                first_action,
                then,
                then_action,
                kind,
                symmetrical,
                require_all,
            } => {
                let order = Order { id, kind: *kind, symmetrical: *symmetrical };
                let mut sets = [self.set_of(first, None), self.set_of(then, None)];
                sets[0].action = Some(first_action.clone());
                sets[0].require_all = *require_all;
                sets[1].action = Some(then_action.clone());
                order_sets(&order, &sets)
            }
            Constraint::OrderSets { id, kind, symmetrical, sets } => {
                let order = Order { id, kind: *kind, symmetrical: *symmetrical };
                let sets: Vec<ResourceSet> = sets.iter().map(|set| self.without_tags(set)).collect();
                order_sets(&order, &sets)
            }
            _ => Vec::new(),
        }
    }

    /// A resource or a tag as a set whose members have nothing to do with each other.
    fn set_of(&self, id: &ResourceId, role: Option<RoleName>) -> ResourceSet {
        ResourceSet {
            id: id.to_string(),
            resources: self.expand(id).to_vec(),
            sequential: false,
            require_all: true,
            ordering: None,
            action: None,
            role,
            score: None,
            kind: None,
        }
    }

    fn without_tags(&self, set: &ResourceSet) -> ResourceSet {
        let resources = set.resources.iter().flat_map(|id| self.expand(id)).cloned().collect();
        ResourceSet { resources, ..set.clone() }
    }
}

fn colocate_sets(together: &Together<'_>, sets: &[ResourceSet]) -> Vec<Constraint> {
    let mut plain = Vec::new();
    for (place, set) in sets.iter().enumerate() {
        colocate_inside(together, set, &mut plain);
        if let Some(previous) = place.checked_sub(1).map(|place| &sets[place]) {
            colocate_with(together, previous, set, &mut plain);
        }
    }
    plain
}

/// The members of a sequential set: with a liking each with the one before it, with a dislike each with all before it.
fn colocate_inside(together: &Together<'_>, set: &ResourceSet, plain: &mut Vec<Constraint>) {
    let score = set.score.unwrap_or(together.score);
    if !set.sequential {
        return;
    }
    let follows_previous = set.ordering != Some(SetOrdering::Listed);
    let mut add = |dependent: &ResourceId, primary: &ResourceId| {
        plain.push(colocation(together, score, (dependent, set.role), (primary, set.role)));
    };
    if score > Score(0) {
        for pair in set.resources.windows(2) {
            if follows_previous { add(&pair[1], &pair[0]) } else { add(&pair[0], &pair[1]) }
        }
    } else {
        for (place, dependent) in set.resources.iter().enumerate() {
            set.resources[..place].iter().for_each(|primary| add(dependent, primary));
        }
    }
}

/// The first set follows the second: its first member the other's last one, or all of them where a set has no order.
/// Between sets the constraint's own score counts.
fn colocate_with(
    together: &Together<'_>,
    dependents: &ResourceSet,
    primaries: &ResourceSet,
    plain: &mut Vec<Constraint>,
) {
    for dependent in ends(dependents, true) {
        for primary in ends(primaries, false) {
            let (dependent, primary) = ((dependent, dependents.role), (primary, primaries.role));
            plain.push(colocation(together, together.score, dependent, primary));
        }
    }
}

/// The members that stand for a set: the first or the last one of a sequential one, else all.
fn ends(set: &ResourceSet, is_first: bool) -> &[ResourceId] {
    match set.resources.len() {
        0 => &[],
        length if !set.sequential => &set.resources[..length],
        _ if is_first => &set.resources[..1],
        length => &set.resources[length - 1..],
    }
}

type InRole<'a> = (&'a ResourceId, Option<RoleName>);

fn colocation(
    together: &Together<'_>,
    score: Score,
    (dependent, role): InRole<'_>,
    (primary, with_role): InRole<'_>,
) -> Constraint {
    Constraint::Colocation {
        id: together.id.to_string(),
        resource: dependent.clone(),
        role,
        with: primary.clone(),
        with_role,
        score,
        node_attribute: together.node_attribute.clone(),
        influence: together.influence,
    }
}

fn order_sets(order: &Order<'_>, sets: &[ResourceSet]) -> Vec<Constraint> {
    let mut plain = Vec::new();
    for (place, set) in sets.iter().enumerate() {
        order_inside(order, set, &mut plain);
        if let Some(previous) = place.checked_sub(1).map(|place| &sets[place]) {
            order_between(order, previous, set, &mut plain);
        }
    }
    plain
}

fn order_inside(order: &Order<'_>, set: &ResourceSet, plain: &mut Vec<Constraint>) {
    let kind = set.kind.unwrap_or(order.kind);
    let action = action(set);
    if kind == OrderKind::Serialize {
        for (place, first) in set.resources.iter().enumerate() {
            let later = &set.resources[place + 1..];
            plain.extend(later.iter().map(|then| pair(order, kind, (first, action), (then, action))));
        }
    } else if set.sequential {
        let pairs = set.resources.windows(2);
        plain.extend(pairs.map(|two| pair(order, kind, (&two[0], action), (&two[1], action))));
    }
}

/// The last of the first set comes before the first of the second one; all of a set where it has no order. Where one
/// of the first set is enough, the two stay sets.
fn order_between(order: &Order<'_>, firsts: &ResourceSet, thens: &ResourceSet, plain: &mut Vec<Constraint>) {
    if !firsts.require_all {
        plain.push(Constraint::OrderSets {
            id: order.id.to_string(),
            kind: order.kind,
            symmetrical: order.symmetrical,
            sets: alloc::vec![firsts.clone(), thens.clone()],
        });
        return;
    }
    for first in ends(firsts, false) {
        for then in ends(thens, true) {
            plain.push(pair(order, order.kind, (first, action(firsts)), (then, action(thens))));
        }
    }
}

fn action(set: &ResourceSet) -> &str {
    set.action.as_deref().unwrap_or("start")
}

type Acting<'a> = (&'a ResourceId, &'a str);

fn pair(
    order: &Order<'_>,
    kind: OrderKind,
    (first, first_action): Acting<'_>,
    (then, then_action): Acting<'_>,
) -> Constraint {
    Constraint::Order {
        id: order.id.to_string(),
        first: first.clone(),
        first_action: first_action.to_string(),
        then: then.clone(),
        then_action: then_action.to_string(),
        kind,
        symmetrical: order.symmetrical,
        require_all: true,
    }
}
