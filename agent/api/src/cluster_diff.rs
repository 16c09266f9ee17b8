//! Two cluster configurations side by side: what changes from one to the other, and what stays of the present one
//! when a declared one is applied.

mod beside;

use crate::cluster::ClusterConfig;
use crate::constraint::{
    Constraint, Discovery, Nodes, OrderKind, ResourceSet, RoleName, SetOrdering, Subject,
};
use crate::diff::{Change, Diff};
use crate::duration::format_ms;
use crate::fencing::{FenceDevice, FenceLevel};
use crate::id::ResourceId;
use crate::resource::{Bundle, CloneSet, Group, Operation, Primitive, Resource};
use crate::rule::RuleScore;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

type Attributes = BTreeMap<String, String>;

/// What changes, by thing: empty where the two say the same. The generation does not count.
///
/// Kinds are `property`, `resource default`, `operation default`, `resource`, `group`, `tag`, `constraint`, `fence device`,
/// `fence level`, `node attribute`, `resource order`, `utilization`, `node utilization`, `conditional value` and `ticket state`. Values of parameters that hold passwords are `***`.
pub fn config_diff(old: &ClusterConfig, new: &ClusterConfig) -> Vec<Diff> {
    let mut diffs = Vec::new();
    diffs.extend(attribute_diffs("property", &old.properties, &new.properties));
    diffs.extend(attribute_diffs("resource default", &old.resource_defaults, &new.resource_defaults));
    diffs.extend(attribute_diffs("operation default", &old.operation_defaults, &new.operation_defaults));
    diffs.extend(thing_diffs("resource", &primitives(old), &primitives(new)));
    diffs.extend(thing_diffs("group", &groups(old), &groups(new)));
    diffs.extend(thing_diffs("clone", &clones(old), &clones(new)));
    diffs.extend(thing_diffs("bundle", &bundles(old), &bundles(new)));
    diffs.extend(order_diff(old, new));
    diffs.extend(attribute_diffs("tag", &tags(old), &tags(new)));
    diffs.extend(thing_diffs("constraint", &constraints(old), &constraints(new)));
    diffs.extend(thing_diffs("fence device", &devices(old), &devices(new)));
    diffs.extend(thing_diffs("fence level", &levels(old), &levels(new)));
    let nodes: BTreeSet<_> = old.node_attributes.keys().chain(new.node_attributes.keys()).collect();
    let none = Attributes::new();
    for node in nodes {
        let (before, after) = (old.node_attributes.get(node), new.node_attributes.get(node));
        let changes = attribute_changes(before.unwrap_or(&none), after.unwrap_or(&none));
        diffs.extend(diff("node attribute", node.as_str(), changes));
    }
    diffs.extend(beside::diffs(old, new));
    diffs
}

/// What a declared configuration comes to in a cluster that runs: what it does not list is gone, except for what the
/// cluster keeps for itself: standby and other node attributes that it does not mention, moves (constraints whose ids
/// begin with `cli-`) of resources that it still has, a `target-role` that it leaves open, and the state of tickets.
pub fn merge(desired: &ClusterConfig, current: &ClusterConfig) -> ClusterConfig {
    let mut merged = desired.clone();
    merged.generation = current.generation;
    keep_node_attributes(&mut merged, current);
    keep_moves(&mut merged, current);
    keep_target_roles(&mut merged, current);
    for (name, ticket) in &current.tickets {
        merged.tickets.entry(name.clone()).or_insert(*ticket);
    }
    merged
}

fn keep_node_attributes(merged: &mut ClusterConfig, current: &ClusterConfig) {
    for (node, attributes) in &current.node_attributes {
        let kept = merged.node_attributes.entry(node.clone()).or_default();
        for (name, value) in attributes {
            kept.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn keep_moves(merged: &mut ClusterConfig, current: &ClusterConfig) {
    let is_there = |id: &ResourceId| {
        merged.resources.iter().any(|resource| resource.id() == id) || merged.primitive(id).is_some()
    };
    let is_kept = |constraint: &&Constraint| match constraint {
        Constraint::Location { id, resource, .. } => id.starts_with("cli-") && is_there(resource),
        _ => false,
    };
    let moves: Vec<Constraint> = current.constraints.iter().filter(is_kept).cloned().collect();
    merged.constraints.retain(|constraint| moves.iter().all(|kept| kept.id() != constraint.id()));
    merged.constraints.extend(moves);
}

fn keep_target_roles(merged: &mut ClusterConfig, current: &ClusterConfig) {
    let mut roles: BTreeMap<ResourceId, String> = BTreeMap::new();
    for (id, meta) in current.resources.iter().flat_map(Resource::metas) {
        if let Some(role) = meta.get("target-role") {
            roles.insert(id.clone(), role.clone());
        }
    }
    for resource in &mut merged.resources {
        for (id, role) in &roles {
            if let Some(meta) = resource.meta_mut(id) {
                meta.entry("target-role".to_string()).or_insert_with(|| role.clone());
            }
        }
    }
}

/// A thing as it is compared: what it is in a word, and its attributes.
struct Thing {
    id: String,
    what: String,
    attributes: Attributes,
}

fn diff(kind: &str, name: &str, changes: Vec<Change>) -> Option<Diff> {
    (!changes.is_empty()).then(|| Diff { kind: kind.into(), name: name.into(), changes })
}

fn attribute_diffs(kind: &str, old: &Attributes, new: &Attributes) -> Vec<Diff> {
    let as_value = |change| match change {
        Change::Attribute { attribute, before, after } => {
            let changes = alloc::vec![Change::Attribute { attribute: "value".into(), before, after }];
            Some(Diff { kind: kind.into(), name: attribute, changes })
        }
        _ => None,
    };
    attribute_changes(old, new).into_iter().filter_map(as_value).collect()
}

fn attribute_changes(old: &Attributes, new: &Attributes) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed
        .map(|name| Change::Attribute {
            attribute: name.clone(),
            before: old.get(name).map(|value| shown(name, value)),
            after: new.get(name).map(|value| shown(name, value)),
        })
        .collect()
}

/// Whether a parameter holds a secret, by its name.
pub fn is_secret(name: &str) -> bool {
    ["passw", "secret", "token", "community"].iter().any(|word| name.contains(word))
}

/// Parameters that hold a secret, by the names that fence agents and resource agents give them.
fn shown(name: &str, value: &str) -> String {
    if is_secret(name) { "***".into() } else { value.into() }
}

fn thing_diffs(kind: &str, old: &[Thing], new: &[Thing]) -> Vec<Diff> {
    let none = Attributes::new();
    let find = |things: &[Thing], id: &str| things.iter().position(|thing| thing.id == id);
    let mut diffs = Vec::new();
    for thing in new {
        let before = find(old, &thing.id).map(|place| &old[place]);
        let mut changes = Vec::new();
        let was = before.map_or("absent", |before| before.what.as_str());
        if was != thing.what {
            changes.push(Change::Presence { before: was.into(), after: thing.what.clone() });
        }
        changes
            .extend(attribute_changes(before.map_or(&none, |before| &before.attributes), &thing.attributes));
        diffs.extend(diff(kind, &thing.id, changes));
    }
    for thing in old.iter().filter(|thing| find(new, &thing.id).is_none()) {
        let gone = Change::Presence { before: thing.what.clone(), after: "absent".into() };
        diffs.extend(diff(kind, &thing.id, alloc::vec![gone]));
    }
    diffs
}

fn primitives(config: &ClusterConfig) -> Vec<Thing> {
    config.primitives().map(|(one, _)| primitive(one)).collect()
}

fn primitive(primitive: &Primitive) -> Thing {
    let mut attributes = Attributes::new();
    attributes
        .extend(primitive.params.iter().map(|(name, value)| (format!("options.{name}"), value.clone())));
    attributes.extend(primitive.meta.iter().map(|(name, value)| (format!("meta.{name}"), value.clone())));
    for (place, one) in primitive.operations.iter().enumerate() {
        let is_repeated =
            primitive.operations[..place].iter().any(|other| operation_name(other) == operation_name(one));
        let number = if is_repeated { format!(" #{place}") } else { String::new() };
        attributes.insert(format!("{}{number}", operation_name(one)), operation(one));
    }
    Thing { id: primitive.id.to_string(), what: primitive.agent.to_string(), attributes }
}

/// `monitor every 30s`, `start`.
fn operation_name(operation: &Operation) -> String {
    operation_name_of(&operation.name, operation.interval_ms)
}

fn operation_name_of(name: &str, interval_ms: u64) -> String {
    match interval_ms {
        0 => name.into(),
        interval_ms => format!("{name} every {}", format_ms(interval_ms)),
    }
}

fn operation(operation: &Operation) -> String {
    let mut parts = Vec::new();
    parts.extend(operation.timeout_ms.map(|timeout_ms| format!("timeout {}", format_ms(timeout_ms))));
    parts.extend(operation.on_fail.map(|on_fail| format!("on-fail {}", on_fail.name())));
    parts.extend(operation.role.as_ref().map(|role| format!("role {role}")));
    if !operation.enabled {
        parts.push("disabled".into());
    }
    if parts.is_empty() { "with defaults".into() } else { parts.join(", ") }
}

fn groups(config: &ClusterConfig) -> Vec<Thing> {
    config.resources.iter().filter_map(Resource::group).map(group).collect()
}

fn group(group: &Group) -> Thing {
    let mut attributes = Attributes::new();
    attributes.insert("resources".into(), ids(group.members.iter().map(|member| &member.id)));
    attributes.extend(metas(&group.meta));
    Thing { id: group.id.to_string(), what: "group".into(), attributes }
}

fn metas(meta: &Attributes) -> impl Iterator<Item = (String, String)> {
    meta.iter().map(|(name, value)| (format!("meta.{name}"), value.clone()))
}

fn clones(config: &ClusterConfig) -> Vec<Thing> {
    let clones = config.resources.iter().filter_map(|resource| match resource {
        Resource::Clone(clone) => Some(clone),
        _ => None,
    });
    let clone = |clone: &CloneSet| {
        let mut attributes = Attributes::new();
        attributes.insert("resource".into(), clone.content.id().to_string());
        attributes.extend(metas(&clone.meta));
        Thing { id: clone.id.to_string(), what: "clone".into(), attributes }
    };
    clones.map(clone).collect()
}

fn bundles(config: &ClusterConfig) -> Vec<Thing> {
    let bundles = config.resources.iter().filter_map(|resource| match resource {
        Resource::Bundle(bundle) => Some(bundle),
        _ => None,
    });
    bundles.map(bundle).collect()
}

fn bundle(bundle: &Bundle) -> Thing {
    let mut attributes = Attributes::new();
    attributes.extend(bundle.primitive.as_ref().map(|inner| ("resource".to_string(), inner.id.to_string())));
    let prefixed = |prefix: &str, pairs: &Attributes| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (format!("{prefix}.{name}"), value.clone())).collect()
    };
    attributes.extend(prefixed(&bundle.technology, &bundle.container));
    attributes.extend(prefixed("network", &bundle.network));
    for (place, mapping) in bundle.mappings.iter().enumerate() {
        attributes.extend(prefixed(&format!("mapping {place}"), mapping));
    }
    attributes.extend(metas(&bundle.meta));
    Thing { id: bundle.id.to_string(), what: "bundle".into(), attributes }
}

fn ids<'a>(ids: impl Iterator<Item = &'a ResourceId>) -> String {
    ids.map(ResourceId::as_str).collect::<Vec<_>>().join(", ")
}

fn tags(config: &ClusterConfig) -> Attributes {
    config.tags.iter().map(|(tag, tagged)| (tag.to_string(), ids(tagged.iter()))).collect()
}

/// The order of the resources that are in both: it decides between equals.
fn order_diff(old: &ClusterConfig, new: &ClusterConfig) -> Option<Diff> {
    let common = |of: &ClusterConfig, with: &ClusterConfig| {
        let is_there = |resource: &&Resource| with.resources.iter().any(|other| other.id() == resource.id());
        ids(of.resources.iter().filter(is_there).map(Resource::id))
    };
    let (before, after) = (common(old, new), common(new, old));
    let change = Change::Attribute {
        attribute: "order".into(),
        before: Some(before.clone()),
        after: Some(after.clone()),
    };
    diff("resource order", "resources", if before == after { Vec::new() } else { alloc::vec![change] })
}

fn constraints(config: &ClusterConfig) -> Vec<Thing> {
    config.constraints.iter().map(constraint).collect()
}

fn constraint(constraint: &Constraint) -> Thing {
    let (what, pairs) = match constraint {
        Constraint::Location { .. } | Constraint::LocationRule { .. } => ("location", location(constraint)),
        Constraint::Colocation { .. } | Constraint::ColocationSets { .. } => {
            ("colocation", colocation(constraint))
        }
        Constraint::Order { .. } | Constraint::OrderSets { .. } => ("order", order(constraint)),
        Constraint::Ticket { .. } => ("ticket", ticket(constraint)),
    };
    let attributes = pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    Thing { id: constraint.id().into(), what: what.into(), attributes }
}

type Pairs = Vec<(&'static str, String)>;

fn location(constraint: &Constraint) -> Pairs {
    match constraint {
        Constraint::Location { resource, node, score, role, discovery, until_ms, .. } => {
            let until = until_ms.map_or("for good".to_string(), |until_ms| format!("{until_ms}"));
            let mut pairs = alloc::vec![
                ("resource", resource.to_string()),
                ("node", node.to_string()),
                ("score", score.to_string()),
                ("until", until),
            ];
            pairs.extend(role_pair("role", *role));
            pairs.extend(discovery_pair(*discovery));
            pairs
        }
        Constraint::LocationRule { resources, nodes, role, discovery, .. } => {
            let mut pairs = alloc::vec![("resources", subject(resources))];
            match nodes {
                Nodes::Node { node, score } => {
                    pairs.push(("node", node.to_string()));
                    pairs.push(("score", score.to_string()));
                }
                Nodes::Rules(rules) => {
                    let rule = |scored: &crate::rule::ScoredRule| match &scored.score {
                        RuleScore::Fixed(score) => format!("{score} where {}", scored.rule),
                        RuleScore::OfAttribute(name) => format!("`{name}` of the node where {}", scored.rule),
                    };
                    pairs.push(("rules", join(rules.iter().map(rule))));
                }
            }
            pairs.extend(role_pair("role", *role));
            pairs.extend(discovery_pair(*discovery));
            pairs
        }
        _ => Pairs::new(),
    }
}

fn colocation(constraint: &Constraint) -> Pairs {
    match constraint {
        Constraint::Colocation {
            resource, role, with, with_role, score, node_attribute, influence, ..
        } => {
            let mut pairs = alloc::vec![
                ("resource", resource.to_string()),
                ("with", with.to_string()),
                ("score", score.to_string()),
            ];
            pairs.extend(role_pair("role", *role));
            pairs.extend(role_pair("with role", *with_role));
            pairs.extend(node_attribute.clone().map(|attribute| ("node attribute", attribute)));
            pairs.extend(influence.map(|influence| ("influence", influence.to_string())));
            pairs
        }
        Constraint::ColocationSets { score, node_attribute, sets, .. } => {
            let mut pairs = alloc::vec![("score", score.to_string()), ("sets", join(sets.iter().map(set)))];
            pairs.extend(node_attribute.clone().map(|attribute| ("node attribute", attribute)));
            pairs
        }
        _ => Pairs::new(),
    }
}

fn order(constraint: &Constraint) -> Pairs {
    match constraint {
        Constraint::Order {
            first, first_action, then, then_action, kind, symmetrical, require_all, ..
        } => {
            let mut pairs = alloc::vec![
                ("first", format!("{first_action} {first}")),
                ("then", format!("{then_action} {then}")),
                ("kind", kind_name(*kind).to_string()),
                ("symmetrical", symmetrical.to_string()),
            ];
            pairs.extend((!require_all).then(|| ("require-all", "false".to_string())));
            pairs
        }
        Constraint::OrderSets { kind, symmetrical, sets, .. } => alloc::vec![
            ("kind", kind_name(*kind).to_string()),
            ("symmetrical", symmetrical.to_string()),
            ("sets", join(sets.iter().map(set))),
        ],
        _ => Pairs::new(),
    }
}

fn ticket(constraint: &Constraint) -> Pairs {
    let Constraint::Ticket { ticket, resources, role, loss_policy, .. } = constraint else {
        return Pairs::new();
    };
    let mut pairs = alloc::vec![
        ("ticket", ticket.clone()),
        ("resources", subject(resources)),
        ("loss-policy", loss_policy.name().to_string()),
    ];
    pairs.extend(role_pair("role", *role));
    pairs
}

fn role_pair(name: &'static str, role: Option<RoleName>) -> Option<(&'static str, String)> {
    role.map(|role| (name, role.name().to_string()))
}

fn discovery_pair(discovery: Discovery) -> Option<(&'static str, String)> {
    let text = match discovery {
        Discovery::Always => return None,
        Discovery::Never => "never",
        Discovery::Exclusive => "exclusive",
    };
    Some(("resource-discovery", text.to_string()))
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Resource(resource) => resource.to_string(),
        Subject::Pattern(pattern) => format!("those whose id matches `{pattern}`"),
        Subject::Sets(sets) => join(sets.iter().map(set)),
    }
}

/// A set in one line: its resources, and what is not as usual.
fn set(set: &ResourceSet) -> String {
    let ids: Vec<&str> = set.resources.iter().map(ResourceId::as_str).collect();
    let mut words = alloc::vec![format!("[{}]", ids.join(" "))];
    words.extend(set.action.clone());
    words.extend(set.role.map(|role| role.name().to_string()));
    words.extend(set.score.map(|score| format!("score {score}")));
    words.extend(set.kind.map(|kind| kind_name(kind).to_string()));
    words.extend((!set.sequential).then(|| "in any order".to_string()));
    words.extend((!set.require_all).then(|| "one is enough".to_string()));
    words.extend((set.ordering == Some(SetOrdering::Listed)).then(|| "listed".to_string()));
    words.join(" ")
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

fn kind_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Optional => "Optional",
        OrderKind::Mandatory => "Mandatory",
        OrderKind::Serialize => "Serialize",
    }
}

fn devices(config: &ClusterConfig) -> Vec<Thing> {
    config.fence_devices.iter().map(device).collect()
}

fn device(device: &FenceDevice) -> Thing {
    let mut attributes = Attributes::new();
    attributes.extend(device.params.iter().map(|(name, value)| (format!("options.{name}"), value.clone())));
    attributes.extend(device.meta.iter().map(|(name, value)| (format!("meta.{name}"), value.clone())));
    Thing { id: device.id.to_string(), what: device.agent.clone(), attributes }
}

fn levels(config: &ClusterConfig) -> Vec<Thing> {
    let level = |level: &FenceLevel| Thing {
        id: format!("{} {}", level.target, level.index),
        what: "level".into(),
        attributes: [("devices".to_string(), ids(level.devices.iter()))].into(),
    };
    config.fence_levels.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{AgentName, Score};
    use std::vec;

    fn primitive(id: &str, params: &[(&str, &str)]) -> Primitive {
        let params = params.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Primitive {
            id: id.into(),
            agent: AgentName::parse("ocf:heartbeat:IPaddr2").unwrap(),
            params: params.collect(),
            meta: Attributes::new(),
            operations: Vec::new(),
        }
    }

    fn with(resources: Vec<Resource>) -> ClusterConfig {
        ClusterConfig { resources, ..ClusterConfig::default() }
    }

    fn lines(diffs: &[Diff]) -> Vec<String> {
        let line = |diff: &Diff, change: &Change| match change {
            Change::Presence { before, after } => format!("{} {}: {before} -> {after}", diff.kind, diff.name),
            Change::Attribute { attribute, before, after } => {
                format!("{} {}: {attribute} {before:?} -> {after:?}", diff.kind, diff.name)
            }
            Change::Content { .. } => unreachable!("a configuration has no content"),
        };
        diffs
            .iter()
            .flat_map(|diff| diff.changes.iter().map(|change| line(diff, change)).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn the_same_configuration_in_another_generation_has_no_diff() {
        let one = with(vec![Resource::Primitive(primitive("vip", &[("ip", "10.0.0.9")]))]);
        let other = ClusterConfig { generation: 7, ..one.clone() };
        assert_eq!(config_diff(&one, &other), []);
    }

    #[test]
    fn new_changed_and_removed_resources_are_shown_by_attribute_and_secrets_are_not() {
        let old = with(vec![
            Resource::Primitive(primitive("gone", &[])),
            Resource::Primitive(primitive("vip", &[("ip", "10.0.0.9"), ("password", "old")])),
        ]);
        let new = with(vec![
            Resource::Primitive(primitive("vip", &[("ip", "10.0.0.8"), ("password", "new")])),
            Resource::Primitive(primitive("added", &[("nic", "eth0")])),
        ]);
        assert_eq!(
            lines(&config_diff(&old, &new)),
            [
                "resource vip: options.ip Some(\"10.0.0.9\") -> Some(\"10.0.0.8\")",
                "resource vip: options.password Some(\"***\") -> Some(\"***\")",
                "resource added: absent -> ocf:heartbeat:IPaddr2",
                "resource added: options.nic None -> Some(\"eth0\")",
                "resource gone: ocf:heartbeat:IPaddr2 -> absent",
            ]
        );
    }

    #[test]
    fn what_joins_a_group_shows_at_the_group() {
        let old = with(vec![Resource::Primitive(primitive("vip", &[]))]);
        let group = Group { id: "web".into(), members: vec![primitive("vip", &[])], meta: Attributes::new() };
        let new = with(vec![Resource::Group(group)]);
        assert_eq!(
            lines(&config_diff(&old, &new)),
            ["group web: absent -> group", "group web: resources None -> Some(\"vip\")"]
        );
    }

    #[test]
    fn applying_keeps_standby_moves_and_open_target_roles() {
        let mut current = with(vec![Resource::Primitive(primitive("vip", &[]))]);
        current.generation = 5;
        current.node_attributes.insert("n1".into(), [("standby".to_string(), "on".to_string())].into());
        let moved = |resource: &str| Constraint::Location {
            id: format!("cli-prefer-{resource}"),
            resource: resource.into(),
            node: "n2".into(),
            score: Score::INFINITY,
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        };
        current.constraints = vec![moved("vip"), moved("gone")];
        if let Resource::Primitive(vip) = &mut current.resources[0] {
            vip.meta.insert("target-role".into(), "Stopped".into());
        }
        let desired = with(vec![Resource::Primitive(primitive("vip", &[("ip", "10.0.0.9")]))]);
        let merged = merge(&desired, &current);
        assert_eq!(
            lines(&config_diff(&current, &merged)),
            [
                "resource vip: options.ip None -> Some(\"10.0.0.9\")",
                "constraint cli-prefer-gone: location -> absent"
            ]
        );
        assert_eq!(merged.generation, 5);
        assert_eq!(merge(&desired, &merged), merged, "applying twice changes nothing");
    }
}
