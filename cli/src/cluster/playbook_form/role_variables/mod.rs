//! The variables of the role `linux-system-roles.ha_cluster`, as a third spelling: `role_variables` of the `cluster` task becomes
//! the arguments that the task would have otherwise.
//!
//! Source: the role's README, sections of the variables named here.

mod constraints;
mod pairs;
mod resources;

use super::value::{Reader, is_empty};
use muster_api::id::NodeName;
use pairs::first_set;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The argument.
pub(super) const ROLE_VARIABLES: &str = "role_variables";

/// What may stand beside the role's variables.
const BESIDE: [&str; 2] = [ROLE_VARIABLES, "wait"];

/// Variables that the `cluster` task takes.
const TAKEN: [&str; 15] = [
    "ha_cluster_cluster_name",
    "ha_cluster_cluster_properties",
    "ha_cluster_node_options",
    "ha_cluster_resource_primitives",
    "ha_cluster_resource_groups",
    "ha_cluster_resource_clones",
    "ha_cluster_resource_bundles",
    "ha_cluster_resource_defaults",
    "ha_cluster_resource_operation_defaults",
    "ha_cluster_stonith_levels",
    "ha_cluster_constraints_location",
    "ha_cluster_constraints_colocation",
    "ha_cluster_constraints_order",
    "ha_cluster_constraints_ticket",
    "ha_cluster_cluster_present",
];

/// Variables that it does not take, with the reason.
const NOT_TAKEN: [(&str, &str); 8] = [
    ("ha_cluster_acls", "muster has no access lists: who may log in as root may change the cluster"),
    ("ha_cluster_alerts", "muster calls no alert programs; `musterd events --follow` tells what happens"),
    ("ha_cluster_sbd_enabled", "muster does not use sbd"),
    ("ha_cluster_sbd_options", "muster does not use sbd"),
    ("ha_cluster_qnetd", "muster sets up no qnetd"),
    ("ha_cluster_transport", "that belongs into corosync.conf"),
    ("ha_cluster_totem", "that belongs into corosync.conf"),
    ("ha_cluster_quorum", "that belongs into corosync.conf"),
];

/// The arguments as they would be without the role's variables.
pub(super) fn spelled_out<'a>(
    reader: &mut Reader,
    args: &'a Map<String, Value>,
    nodes: Option<&[NodeName]>,
) -> Cow<'a, Map<String, Value>> {
    if !args.contains_key(ROLE_VARIABLES) {
        return Cow::Borrowed(args);
    }
    for key in args.keys().filter(|key| !BESIDE.contains(&key.as_str())) {
        let what = format!("`{key}` cannot stand beside `{ROLE_VARIABLES}`: only `wait` can");
        reader.bad_key(key, what, []);
    }
    let mut spelled = reader
        .field(args, ROLE_VARIABLES, |reader, value| {
            reader.mapping(value).map(|variables| of_variables(reader, variables, nodes))
        })
        .flatten()
        .unwrap_or_else(|| Map::from_iter([("name".to_string(), json!("{{ hidden }}"))]));
    spelled.extend(args.get("wait").map(|wait| ("wait".to_string(), wait.clone())));
    Cow::Owned(spelled)
}

fn of_variables(
    reader: &mut Reader,
    variables: &Map<String, Value>,
    nodes: Option<&[NodeName]>,
) -> Map<String, Value> {
    for (name, why) in NOT_TAKEN {
        let is_said = |value: &&Value| !is_empty(value) && **value != json!(false);
        let said = variables.get(name).filter(is_said);
        if said.is_some_and(|value| !reader.is_hidden(value)) {
            reader.bad_key(name, format!("`{name}` is not supported: {why}"), []);
        }
    }
    let refused: Vec<&str> = NOT_TAKEN.iter().map(|(name, _)| *name).collect();
    reader.known_keys(variables, &TAKEN, &refused);
    refuse_absence(reader, variables);
    let mut args = Map::new();
    let name = variables.get("ha_cluster_cluster_name").filter(|name| !name.is_null());
    args.insert("name".to_string(), name.cloned().unwrap_or_else(|| json!("my-cluster")));
    let properties = first_set(reader, variables, "ha_cluster_cluster_properties");
    args.insert("properties".to_string(), properties);
    args.insert("nodes".to_string(), node_options(reader, variables));
    resources::add(reader, variables, &mut args);
    constraints::add(reader, variables, &mut args);
    let levels = stonith_levels(reader, variables, &args, nodes);
    args.insert("fence_levels".to_string(), levels);
    args.retain(|_, value| !is_empty(value));
    args
}

/// Taking a cluster away is another task than declaring one.
fn refuse_absence(reader: &mut Reader, variables: &Map<String, Value>) {
    let name = "ha_cluster_cluster_present";
    let is_present = reader.field(variables, name, super::constraints::read_flag);
    if is_present == Some(Some(false)) {
        let what = "a `cluster` task declares what runs; a cluster that is to be gone is stopped with `musterd leave`";
        reader.bad_key(name, what.to_string(), []);
    }
}

const NODE_OPTIONS: [&str; 8] = [
    "node_name",
    "pcs_address",
    "corosync_addresses",
    "sbd_watchdog_modules",
    "sbd_watchdog_modules_blocklist",
    "sbd_watchdog",
    "sbd_devices",
    "attributes",
];

/// Addresses are for corosync.conf; what sbd and pcs need muster does not.
fn node_options(reader: &mut Reader, variables: &Map<String, Value>) -> Value {
    let read = |reader: &mut Reader, value: &Value| {
        let map = reader.mapping(value)?;
        reader.known_keys(map, &[&NODE_OPTIONS[..], &["utilization"]].concat(), &[]);
        let node = json!({"name": reader.required_text(map, "node_name")?});
        let node = with(node, "attributes", first_set(reader, map, "attributes"));
        Some(with(node, "utilization", first_set(reader, map, "utilization")))
    };
    let nodes = reader.field(variables, "ha_cluster_node_options", |reader, value| reader.list(value, read));
    let says_something = |node: &Value| node.as_object().is_some_and(|node| node.len() > 1);
    nodes.unwrap_or_default().into_iter().filter(says_something).collect()
}

/// Levels for all nodes of a pattern or an attribute are written out for each of them.
fn stonith_levels(
    reader: &mut Reader,
    variables: &Map<String, Value>,
    args: &Map<String, Value>,
    nodes: Option<&[NodeName]>,
) -> Value {
    let attributes = attributes_of_nodes(args);
    let mut levels = Vec::new();
    let known = ["level", "target", "target_pattern", "target_attribute", "target_value", "resource_ids"];
    let read = |reader: &mut Reader, value: &Value| -> Option<()> {
        let map = reader.mapping(value)?;
        reader.known_keys(map, &known, &[]);
        let targets = targets(reader, map, &attributes, nodes);
        for target in targets {
            levels.push(
                json!({"target": target, "level": map.get("level"), "devices": map.get("resource_ids")}),
            );
        }
        None
    };
    let mut read = read;
    reader.field(variables, "ha_cluster_stonith_levels", |reader, value| reader.list(value, &mut read));
    Value::Array(levels)
}

fn targets(
    reader: &mut Reader,
    level: &Map<String, Value>,
    attributes: &BTreeMap<String, Value>,
    nodes: Option<&[NodeName]>,
) -> Vec<String> {
    let keys = ["target", "target_pattern", "target_attribute"];
    let said: Vec<&str> =
        keys.into_iter().filter(|key| level.get(*key).is_some_and(|value| !value.is_null())).collect();
    let [key] = said.as_slice() else {
        reader.problem("a level needs one of `target`, `target_pattern`, `target_attribute`".to_string());
        return Vec::new();
    };
    let Some(text) = reader.required_text(level, key) else { return Vec::new() };
    let names: Vec<&str> = match nodes {
        Some(nodes) => nodes.iter().map(NodeName::as_str).collect(),
        None => attributes.keys().map(String::as_str).collect(),
    };
    match *key {
        "target" => vec![text],
        "target_pattern" => match fancy_regex::Regex::new(&text) {
            Ok(pattern) => {
                let is_it = |name: &&str| pattern.is_match(name).unwrap_or(false);
                names.into_iter().filter(is_it).map(str::to_string).collect()
            }
            Err(_) => {
                reader.within(key, |reader| reader.problem(format!("`{text}` is not a regular expression")));
                Vec::new()
            }
        },
        _ => {
            let Some(wanted) = reader.required_text(level, "target_value") else { return Vec::new() };
            let has_it = |name: &&str| {
                let value = attributes.get(*name).and_then(|attributes| attributes.get(&text));
                value.is_some_and(|value| {
                    value.as_str().map_or_else(|| value.to_string(), str::to_string) == wanted
                })
            };
            names.into_iter().filter(has_it).map(str::to_string).collect()
        }
    }
}

fn attributes_of_nodes(args: &Map<String, Value>) -> BTreeMap<String, Value> {
    let nodes = args.get("nodes").and_then(Value::as_array).into_iter().flatten();
    let of_node = |node: &Value| {
        Some((node.get("name")?.as_str()?.to_string(), node.get("attributes").cloned().unwrap_or_default()))
    };
    nodes.filter_map(of_node).collect()
}

fn with(mut map: Value, key: &str, value: Value) -> Value {
    if !is_empty(&value) {
        map[key] = value;
    }
    map
}

#[cfg(test)]
mod tests;
