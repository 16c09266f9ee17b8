//! What makes a random cluster use the whole language: clones and promotable clones, roles, sets, tags, rules, tickets,
//! capacity, health, live migration, and properties that change the game.

use super::{Dice, NOW_MS, attributes, score};
use crate::schedule_support::World;
use muster_api::cluster::{Conditional, Owner, Ticket};
use muster_api::constraint::{
    Constraint, Discovery, LossPolicy, Nodes, OrderKind, ResourceSet, RoleName, Subject,
};
use muster_api::history::{OpRecord, OpStatus, definition_digest};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{CloneSet, Content, Group, Operation, Primitive, Resource, Score};
use muster_api::rule::{
    AttributeCondition, Comparison, Condition, ConditionalValues, DateCondition, Join, Rule, RuleScore,
    ScoredRule, ValueSource,
};
use muster_api::status::Fact;
use std::collections::BTreeMap;

const PROMOTED_INTERVAL_MS: u64 = 11_000;

/// Adds to a world what the plain one leaves out.
pub(crate) fn widen(world: &mut World, dice: &mut Dice) {
    clone_some(world, dice);
    let add: [fn(&mut World, &mut Dice); 8] =
        [properties, roles, sets, rules, tickets, capacity, health, conditional];
    for part in add {
        if dice.one_in(3) {
            part(world, dice);
        }
    }
    migration(world, dice);
}

/// Some resources become clones, and what runs of them is all over the place.
fn clone_some(world: &mut World, dice: &mut Dice) {
    for place in 0..world.config.resources.len() {
        if !dice.one_in(3) {
            continue;
        }
        let is_promotable = dice.one_in(2);
        let meta = clone_meta(dice, is_promotable);
        let content = match world.config.resources[place].clone() {
            Resource::Primitive(primitive) => Content::Primitive(primitive),
            Resource::Group(group) => Content::Group(managed(group)),
            _ => continue,
        };
        let inner = world.config.resources[place].id().clone();
        let id: ResourceId = format!("{inner}-clone").as_str().into();
        let mut clone = Resource::Clone(CloneSet { id: id.clone(), content, meta: meta.clone() });
        if is_promotable {
            watch_the_promoted(&mut clone);
        }
        for primitive in clone.primitives() {
            spread(world, dice, primitive, &meta);
        }
        world.config.resources[place] = clone;
        rename(&mut world.config.constraints, &inner, &id);
    }
}

/// With every member in the cluster's hands: an instance of which only a part may be stopped has no place to be.
fn managed(mut group: Group) -> Group {
    group.members.iter_mut().for_each(|member| {
        member.meta.remove("is-managed");
    });
    group
}

fn clone_meta(dice: &mut Dice, is_promotable: bool) -> BTreeMap<String, String> {
    let mut meta = attributes(
        dice,
        3,
        [
            ("clone-max", &["1", "2", "3"]),
            ("interleave", &["true", "false"]),
            ("ordered", &["true", "false"]),
            ("clone-min", &["1"]),
            ("notify", &["true"]),
        ],
    );
    if is_promotable {
        meta.insert("promotable".into(), "true".into());
        meta.extend(attributes(dice, 4, [("promoted-max", &["1", "2"])]));
    } else {
        meta.extend(attributes(dice, 6, [("globally-unique", &["true"])]));
        if meta.contains_key("globally-unique") {
            meta.extend(attributes(dice, 2, [("clone-node-max", &["2"])]));
        }
    }
    meta
}

/// A monitor of its own for the promoted role.
fn watch_the_promoted(clone: &mut Resource) {
    let Resource::Clone(CloneSet { content, .. }) = clone else { return };
    let members = match content {
        Content::Primitive(primitive) => std::slice::from_mut(primitive),
        Content::Group(group) => &mut group.members[..],
    };
    for primitive in members {
        primitive.operations.push(Operation {
            name: "monitor".into(),
            interval_ms: PROMOTED_INTERVAL_MS,
            timeout_ms: None,
            on_fail: None,
            role: Some("Promoted".into()),
            enabled: true,
        });
    }
}

/// What is known of the instances of a clone, and their scores.
fn spread(world: &mut World, dice: &mut Dice, primitive: &Primitive, meta: &BTreeMap<String, String>) {
    let nodes: Vec<NodeName> = world.facts.keys().cloned().collect();
    let is_unique = meta.contains_key("globally-unique");
    let is_promotable = meta.contains_key("promotable");
    let most = meta.get("promoted-max").map_or(1, |most| most.parse().unwrap());
    let mut promoted = 0;
    for node in nodes {
        let resources = world.history.nodes.entry(node.clone()).or_default();
        resources.remove(&primitive.id);
        let is_unseen = world.facts[&node] == Fact::NeverSeen;
        if is_unique || is_unseen {
            continue;
        }
        let stories: [&[(&str, u64, u8)]; 6] = [
            &[],
            &[("monitor", 0, 7)],
            &[("start", 0, 0), ("monitor", 10_000, 0)],
            &[("start", 0, 0), ("monitor", 10_000, 7)],
            &[("start", 0, 1)],
            &[("start", 0, 0), ("promote", 0, 0), ("monitor", PROMOTED_INTERVAL_MS, 8)],
        ];
        let mut story = *dice.pick(&stories);
        let is_promoted = story.iter().any(|(operation, _, _)| *operation == "promote");
        if is_promoted && (!is_promotable || promoted == most) {
            story = stories[2];
        } else if is_promoted {
            promoted += 1;
        }
        if story.is_empty() {
            continue;
        }
        resources.insert(primitive.id.clone(), records(primitive, story));
        // Whoever says what its copy is worth has been looked at there.
        if is_promotable && dice.one_in(2) {
            let scores = world.history.attributes.entry(node).or_default();
            let score = *dice.pick(&["5", "10", "-INFINITY", "1000"]);
            scores.insert(format!("master-{}", primitive.id), score.to_string());
        }
    }
}

fn records(primitive: &Primitive, story: &[(&str, u64, u8)]) -> Vec<OpRecord> {
    let record = |(call, &(operation, interval_ms, rc)): (usize, &(&str, u64, u8))| OpRecord {
        operation: operation.into(),
        interval_ms,
        call: call as u64 + 1,
        status: OpStatus::Done,
        rc: Some(rc),
        reason: String::new(),
        at_ms: NOW_MS - 1000,
        took_ms: 10,
        digest: definition_digest(&primitive.agent, &primitive.params),
        peer: None,
        agent: primitive.agent.clone(),
        params: primitive.params.clone(),
    };
    story.iter().enumerate().map(record).collect()
}

fn rename(constraints: &mut [Constraint], from: &ResourceId, to: &ResourceId) {
    for constraint in constraints {
        let named: Vec<&mut ResourceId> = match constraint {
            Constraint::Location { resource, .. } => vec![resource],
            Constraint::Colocation { resource, with, .. } => vec![resource, with],
            Constraint::Order { first, then, .. } => vec![first, then],
            _ => continue,
        };
        for id in named.into_iter().filter(|id| *id == from) {
            id.clone_from(to);
        }
    }
}

fn properties(world: &mut World, dice: &mut Dice) {
    let more = attributes(
        dice,
        4,
        [
            ("start-failure-is-fatal", &["false"]),
            ("concurrent-fencing", &["true", "false"]),
            ("priority-fencing-delay", &["10s"]),
            ("shutdown-lock", &["true"]),
            ("stonith-action", &["off"]),
            ("enable-startup-probes", &["true"]),
            ("no-quorum-policy", &["demote"]),
        ],
    );
    world.config.properties.extend(more);
}

fn is_promotable(resource: &Resource) -> bool {
    matches!(resource, Resource::Clone(clone) if clone.meta.contains_key("promotable"))
}

/// Constraints about the promoted role.
fn roles(world: &mut World, dice: &mut Dice) {
    let nodes: Vec<NodeName> = world.facts.keys().cloned().collect();
    let ids: Vec<ResourceId> = world.config.resources.iter().map(|resource| resource.id().clone()).collect();
    let promotable = world.config.resources.iter().position(is_promotable);
    let Some(place) = promotable else { return };
    let id = format!("role-{place}");
    let followers = &ids[place + 1..];
    let constraint = match dice.below(3) {
        1 if !followers.is_empty() => Constraint::Colocation {
            id,
            resource: dice.pick(followers).clone(),
            role: None,
            with: ids[place].clone(),
            with_role: Some(RoleName::Promoted),
            score: score(dice),
            node_attribute: None,
            influence: None,
        },
        2 if !followers.is_empty() => Constraint::Order {
            id,
            first: ids[place].clone(),
            first_action: "promote".into(),
            then: dice.pick(followers).clone(),
            then_action: "start".into(),
            kind: *dice.pick(&[OrderKind::Mandatory, OrderKind::Optional]),
            symmetrical: true,
            require_all: true,
        },
        _ => Constraint::Location {
            id,
            resource: ids[place].clone(),
            node: dice.pick(&nodes).clone(),
            score: score(dice),
            role: Some(*dice.pick(&[RoleName::Promoted, RoleName::Started])),
            discovery: Discovery::Always,
            until_ms: None,
        },
    };
    world.config.constraints.push(constraint);
}

/// A set of resources in order or together; never against the order of the configuration.
fn sets(world: &mut World, dice: &mut Dice) {
    let mut ids: Vec<ResourceId> =
        world.config.resources.iter().map(|resource| resource.id().clone()).collect();
    if dice.one_in(4) {
        let tagged: ResourceId = "tagged".into();
        world.config.tags.insert(tagged.clone(), ids.clone());
        let node = dice.pick(&world.facts.keys().cloned().collect::<Vec<_>>()).clone();
        world.config.constraints.push(Constraint::Location {
            id: "of-tag".into(),
            resource: tagged,
            node,
            score: score(dice),
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        });
    }
    let is_order = dice.one_in(2);
    if !is_order {
        // In a colocated set the first is the one that the others follow.
        ids.sort_by_key(|id| world.config.resources.iter().position(|resource| resource.id() == id));
    }
    let split = 1 + dice.below(ids.len());
    let halves = if is_order { [&ids[..split], &ids[split..]] } else { [&ids[split..], &ids[..split]] };
    let sets: Vec<ResourceSet> = halves
        .into_iter()
        .filter(|half| !half.is_empty())
        .enumerate()
        .map(|(place, half)| ResourceSet {
            id: format!("set-{place}"),
            resources: half.to_vec(),
            sequential: dice.one_in(2),
            require_all: true,
            ordering: None,
            action: None,
            role: None,
            score: None,
            kind: None,
        })
        .collect();
    world.config.constraints.push(if is_order {
        let kind = *dice.pick(&[OrderKind::Mandatory, OrderKind::Optional, OrderKind::Serialize]);
        Constraint::OrderSets { id: "order-of-sets".into(), kind, symmetrical: !dice.one_in(4), sets }
    } else {
        let score = *dice.pick(&[Score::INFINITY, Score(100)]);
        Constraint::ColocationSets { id: "together".into(), score, node_attribute: None, sets }
    });
}

fn equals(attribute: &str, value: &str) -> Condition {
    Condition::Attribute(AttributeCondition {
        attribute: attribute.into(),
        comparison: Comparison::Equal,
        value_type: None,
        value: Some(value.into()),
        source: ValueSource::Literal,
    })
}

/// Locations by a node attribute, by the time, for all that match a pattern.
fn rules(world: &mut World, dice: &mut Dice) {
    let nodes: Vec<NodeName> = world.facts.keys().cloned().collect();
    for node in &nodes {
        let own = world.config.node_attributes.entry(node.clone()).or_default();
        own.insert("rack".into(), (*dice.pick(&["a", "b"])).into());
        own.insert("weight".into(), (*dice.pick(&["1", "20", "300"])).into());
    }
    let at_s = i64::try_from(NOW_MS / 1000).unwrap() + *dice.pick(&[-100, 100]);
    let condition = match dice.below(3) {
        0 => equals("rack", "a"),
        1 => equals("#uname", "n1"),
        _ => Condition::Date(DateCondition::After(at_s)),
    };
    let score =
        if dice.one_in(3) { RuleScore::OfAttribute("weight".into()) } else { RuleScore::Fixed(score(dice)) };
    let rule = Rule { join: Join::And, conditions: vec![condition] };
    let ids: Vec<ResourceId> = world.config.resources.iter().map(|resource| resource.id().clone()).collect();
    let resources = if dice.one_in(3) {
        Subject::Pattern("^r[12]$".into())
    } else {
        Subject::Resource(dice.pick(&ids).clone())
    };
    world.config.constraints.push(Constraint::LocationRule {
        id: "by-rule".into(),
        resources,
        nodes: Nodes::Rules(vec![ScoredRule { score, role: None, rule }]),
        role: None,
        discovery: Discovery::Always,
    });
}

fn tickets(world: &mut World, dice: &mut Dice) {
    let is_granted = dice.one_in(2);
    let ticket = Ticket { is_granted, is_standby: dice.one_in(4), last_granted_s: None };
    world.config.tickets.insert("east".into(), ticket);
    let ids: Vec<ResourceId> = world.config.resources.iter().map(|resource| resource.id().clone()).collect();
    world.config.constraints.push(Constraint::Ticket {
        id: "needs-east".into(),
        ticket: "east".into(),
        resources: Subject::Resource(dice.pick(&ids).clone()),
        role: None,
        loss_policy: *dice.pick(&[
            LossPolicy::Stop,
            LossPolicy::Demote,
            LossPolicy::Fence,
            LossPolicy::Freeze,
        ]),
    });
}

fn capacity(world: &mut World, dice: &mut Dice) {
    let strategy = *dice.pick(&["utilization", "minimal", "balanced"]);
    world.config.properties.insert("placement-strategy".into(), strategy.into());
    for node in world.facts.keys() {
        let has = BTreeMap::from([("cpu".to_string(), *dice.pick(&[1, 2, 4, 8]))]);
        world.config.node_utilization.insert(node.clone(), has);
    }
    let ids: Vec<ResourceId> = world.config.primitives().map(|(primitive, _)| primitive.id.clone()).collect();
    for id in ids {
        if dice.one_in(2) {
            let needs = BTreeMap::from([("cpu".to_string(), *dice.pick(&[1, 2, 3]))]);
            world.config.utilization.insert(id, needs);
        }
    }
}

fn health(world: &mut World, dice: &mut Dice) {
    let strategy = *dice.pick(&["migrate-on-red", "only-green", "progressive", "custom"]);
    world.config.properties.insert("node-health-strategy".into(), strategy.into());
    let nodes: Vec<NodeName> = world.facts.keys().cloned().collect();
    for node in nodes {
        if dice.one_in(3) {
            let own = world.config.node_attributes.entry(node).or_default();
            own.insert("#health-disk".into(), (*dice.pick(&["red", "yellow", "green"])).into());
        }
    }
}

/// Defaults that hold only for a while.
fn conditional(world: &mut World, dice: &mut Dice) {
    let at_s = i64::try_from(NOW_MS / 1000).unwrap() + *dice.pick(&[-100, 100]);
    let rule = Rule { join: Join::And, conditions: vec![Condition::Date(DateCondition::Before(at_s))] };
    let values = BTreeMap::from([("resource-stickiness".to_string(), "200".to_string())]);
    let values = ConditionalValues { rule, values };
    world.config.conditional.push(Conditional { owner: Owner::ResourceDefaults, values });
}

fn migration(world: &mut World, dice: &mut Dice) {
    for resource in &mut world.config.resources {
        if let Resource::Primitive(primitive) = resource
            && dice.one_in(4)
        {
            primitive.meta.insert("allow-migrate".into(), "true".into());
        }
    }
}
