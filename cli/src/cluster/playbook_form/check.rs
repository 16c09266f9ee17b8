//! What must hold over the whole: ids are unique, references lead somewhere, orders do not run in a circle, and a
//! cluster can fence or says that it does not.

use super::resources::clone_id;
use super::value::Reader;
use crate::cluster::desired::DesiredNode;
use crate::suggest::did_you_mean;
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::Subject;
use muster_api::copies::too_many;
use muster_api::id::NodeName;
use muster_api::resource::{Constraint, OrderKind, Resource};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn all(
    reader: &mut Reader,
    config: &ClusterConfig,
    described: &[DesiredNode],
    nodes: Option<&[NodeName]>,
    args: &Map<String, Value>,
) {
    check_ids(reader, args);
    check_counts(reader, config, args);
    check_fencing(reader, config);
    if let Some(nodes) = nodes {
        check_nodes(reader, config, nodes);
        check_described(reader, described, nodes);
    }
    // While a template hides something, what is missing may be in it.
    if !reader.hides_something {
        check_references(reader, config);
    }
    check_circles(reader, config);
}

/// Resources, groups, clones and fence devices share their ids; constraints have theirs.
fn check_ids(reader: &mut Reader, args: &Map<String, Value>) {
    let mut seen = BTreeSet::new();
    for section in ["resources", "groups", "clones", "fence_devices"] {
        let items = args.get(section).and_then(Value::as_array);
        for (index, item) in items.into_iter().flatten().enumerate() {
            let Some(id) = id_of(item).filter(|id| !id.contains("{{")) else {
                continue;
            };
            if !seen.insert(id.clone()) {
                let sentence = format!("the id `{id}` is used above");
                reader.within(section, |reader| {
                    reader.at(index, |reader| reader.within("id", |reader| reader.problem(sentence)))
                });
            }
        }
    }
}

/// Of copies that are told apart there must not be more than can be looked at.
fn check_counts(reader: &mut Reader, config: &ClusterConfig, args: &Map<String, Value>) {
    for count in too_many(config) {
        let written = args.get("clones").and_then(Value::as_array).into_iter().flatten();
        let Some(index) = written.map(id_of).position(|id| id.as_deref() == Some(count.resource.as_str()))
        else {
            continue;
        };
        let sentence = count.to_string();
        reader.within("clones", |reader| {
            reader.at(index, |reader| {
                reader.within("meta", |reader| reader.within(&count.count, |reader| reader.problem(sentence)))
            })
        });
    }
}

/// The id that something was given, or that it gets where it was given none.
fn id_of(item: &Value) -> Option<String> {
    let written = item.get("id").and_then(Value::as_str).map(str::to_string);
    written.or_else(|| item.get("resource").and_then(Value::as_str).map(clone_id))
}

fn check_fencing(reader: &mut Reader, config: &ClusterConfig) {
    let written = config.properties.get("stonith-enabled");
    let is_open = reader.hides_something || written.is_some_and(|text| reader.is_template(text));
    if config.fence_devices.is_empty() && config.is_fencing_enabled() && !is_open {
        let what =
            "there is no fence device: a node that fails could not be made safe, so nothing would be started";
        let hint = "declare one under `fence_devices`, or write `properties: {stonith-enabled: false}` and accept that a \
                    service may run twice";
        reader.problem_with_hint(what.to_string(), Some(hint.to_string()));
    }
}

/// Where in the arguments a constraint stands: they were read kind by kind, in order.
fn places(config: &ClusterConfig) -> Vec<(&'static str, usize)> {
    let mut counts = BTreeMap::new();
    let place = |constraint: &Constraint| {
        let kind = match constraint {
            Constraint::Location { .. } | Constraint::LocationRule { .. } => "location",
            Constraint::Colocation { .. } | Constraint::ColocationSets { .. } => "colocation",
            Constraint::Order { .. } | Constraint::OrderSets { .. } => "order",
            Constraint::Ticket { .. } => "ticket",
        };
        let count = counts.entry(kind).or_insert(0);
        *count += 1;
        (kind, *count - 1)
    };
    config.constraints.iter().map(place).collect()
}

fn at_constraint(
    reader: &mut Reader,
    (kind, index): (&str, usize),
    key: &str,
    act: impl FnOnce(&mut Reader),
) {
    reader.within("constraints", |reader| {
        reader.within(kind, |reader| reader.at(index, |reader| reader.within(key, act)));
    });
}

fn unknown_node(reader: &mut Reader, name: &str, nodes: &[NodeName]) {
    if !reader.is_template(name) && !nodes.iter().any(|node| node.as_str() == name) {
        let listed = nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ");
        let hint = did_you_mean(name, nodes.iter().map(NodeName::as_str));
        reader.problem_with_hint(format!("the cluster has no node `{name}`; it has {listed}"), hint);
    }
}

fn check_nodes(reader: &mut Reader, config: &ClusterConfig, nodes: &[NodeName]) {
    for (constraint, place) in config.constraints.iter().zip(places(config)) {
        if let Constraint::Location { node, .. } = constraint {
            at_constraint(reader, place, "node", |reader| unknown_node(reader, node.as_str(), nodes));
        }
    }
    for (index, device) in config.fence_devices.iter().enumerate() {
        let targets =
            device.params.get("pcmk_host_list").into_iter().flat_map(|list| list.split([',', ' ', ';']));
        for target in targets.filter(|target| !target.is_empty()) {
            let act = |reader: &mut Reader| unknown_node(reader, target, nodes);
            reader.within("fence_devices", |reader| reader.at(index, |reader| reader.within("targets", act)));
        }
    }
    for (index, level) in config.fence_levels.iter().enumerate() {
        let act = |reader: &mut Reader| unknown_node(reader, level.target.as_str(), nodes);
        reader.within("fence_levels", |reader| reader.at(index, |reader| reader.within("target", act)));
    }
}

/// Of which nodes something is said.
fn check_described(reader: &mut Reader, described: &[DesiredNode], nodes: &[NodeName]) {
    for (index, node) in described.iter().enumerate() {
        let act = |reader: &mut Reader| unknown_node(reader, node.name.as_str(), nodes);
        reader.within("nodes", |reader| reader.at(index, |reader| reader.within("name", act)));
    }
}

fn check_references(reader: &mut Reader, config: &ClusterConfig) {
    let mut ids: Vec<&str> = config.resources.iter().map(|resource| resource.id().as_str()).collect();
    ids.extend(
        config.primitives().filter(|(_, group)| group.is_some()).map(|(primitive, _)| primitive.id.as_str()),
    );
    check_tags(reader, config, &ids);
    ids.extend(config.tags.keys().map(|tag| tag.as_str()));
    for (constraint, place) in config.constraints.iter().zip(places(config)) {
        let references = match constraint {
            Constraint::Location { resource, .. } => vec![("resource", resource)],
            Constraint::Colocation { resource, with, .. } => vec![("resource", resource), ("with", with)],
            Constraint::Order { first, then, .. } => vec![("first", first), ("then", then)],
            other => other.resources().into_iter().map(|resource| (key_of(other), resource)).collect(),
        };
        for (key, id) in &references {
            if let Some(clone) = clone_around(config, id.as_str()) {
                let sentence = format!("there are copies of `{id}`: name the clone `{clone}`");
                at_constraint(reader, place, key, |reader| reader.problem(sentence));
            } else if config.fence_devices.iter().any(|device| device.id == **id) {
                let sentence =
                    format!("`{id}` is a fence device: it is used by any member and is not placed");
                at_constraint(reader, place, key, |reader| reader.problem(sentence));
            } else if !ids.contains(&id.as_str()) {
                let hint = did_you_mean(id.as_str(), ids.iter().copied());
                let sentence = format!("there is no resource, group or clone `{id}`");
                at_constraint(reader, place, key, |reader| reader.problem_with_hint(sentence, hint));
            }
        }
        if let [(_, one), (key, other)] = references.as_slice()
            && one == other
        {
            at_constraint(reader, place, key, |reader| {
                reader.problem(format!("`{other}` is related to itself"))
            });
        }
    }
    check_constraint_ids(reader, config);
    let devices: Vec<&str> = config.fence_devices.iter().map(|device| device.id.as_str()).collect();
    for (index, level) in config.fence_levels.iter().enumerate() {
        for device in level.devices.iter().filter(|device| !devices.contains(&device.as_str())) {
            let hint = did_you_mean(device.as_str(), devices.iter().copied());
            let act = |reader: &mut Reader| {
                reader.problem_with_hint(format!("there is no fence device `{device}`"), hint)
            };
            reader.within("fence_levels", |reader| reader.at(index, |reader| reader.within("devices", act)));
        }
    }
}

/// Under which key a constraint names its resources.
fn key_of(constraint: &Constraint) -> &'static str {
    let is_single = matches!(constraint, Constraint::LocationRule { resources: Subject::Resource(_), .. });
    if is_single { "resource" } else { "sets" }
}

fn check_tags(reader: &mut Reader, config: &ClusterConfig, ids: &[&str]) {
    for (tag, tagged) in &config.tags {
        for (index, id) in tagged.iter().enumerate().filter(|(_, id)| !ids.contains(&id.as_str())) {
            let hint = did_you_mean(id.as_str(), ids.iter().copied());
            let sentence = format!("there is no resource, group or clone `{id}`");
            let act = |reader: &mut Reader| reader.problem_with_hint(sentence, hint);
            reader.within("tags", |reader| reader.within(tag.as_str(), |reader| reader.at(index, act)));
        }
    }
}

/// The clone that has copies of it.
pub(super) fn clone_around<'c>(config: &'c ClusterConfig, id: &str) -> Option<&'c str> {
    config.resources.iter().find_map(|resource| match resource {
        Resource::Clone(clone) => {
            let is_inside = clone.content.id().as_str() == id
                || clone.content.primitives().iter().any(|primitive| primitive.id.as_str() == id);
            is_inside.then_some(clone.id.as_str())
        }
        _ => None,
    })
}

fn check_constraint_ids(reader: &mut Reader, config: &ClusterConfig) {
    let mut seen = BTreeSet::new();
    for (constraint, (kind, index)) in config.constraints.iter().zip(places(config)) {
        if !seen.insert(constraint.id()) {
            let sentence = format!(
                "the same constraint stands above (`{}`); give one an `id` of its own",
                constraint.id()
            );
            reader.within("constraints", |reader| {
                reader.within(kind, |reader| reader.at(index, |reader| reader.problem(sentence)));
            });
        }
    }
}

/// Mandatory orders of starts that come back to where they began can never be met.
fn check_circles(reader: &mut Reader, config: &ClusterConfig) {
    let group_of = |id: &str| {
        let groups = config.resources.iter().filter_map(Resource::group);
        let mut holding = groups.filter(|group| group.members.iter().any(|member| member.id.as_str() == id));
        holding.next().map_or_else(|| id.to_string(), |group| group.id.to_string())
    };
    let mut after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (constraint, place) in config.constraints.iter().zip(places(config)) {
        let Constraint::Order { first, then, kind: OrderKind::Mandatory, first_action, then_action, .. } =
            constraint
        else {
            continue;
        };
        if first_action != "start" || then_action != "start" {
            continue;
        }
        let (first, then) = (group_of(first.as_str()), group_of(then.as_str()));
        if first == then {
            continue;
        }
        if let Some(path) = path(&after, &then, &first) {
            let circle = path.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", then ");
            let sentence = format!("the orders run in a circle: {circle}, then `{then}` again");
            at_constraint(reader, place, "then", |reader| reader.problem(sentence));
        }
        after.entry(first).or_default().push(then);
    }
}

/// The way from one to the other along the orders.
fn path(after: &BTreeMap<String, Vec<String>>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut open = vec![vec![from.to_string()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop() {
        let last = way.last()?.clone();
        if last == to {
            return Some(way);
        }
        if seen.insert(last.clone()) {
            let next = after.get(&last).into_iter().flatten();
            open.extend(next.map(|next| [&way[..], std::slice::from_ref(next)].concat()));
        }
    }
    None
}
