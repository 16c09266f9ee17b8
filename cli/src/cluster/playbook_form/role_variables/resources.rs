//! Primitives, groups, clones, bundles and defaults.

use super::super::value::Reader;
use super::pairs::{first_set, pairs, pairs_of};
use super::with;
use muster_api::resource::Score;
use serde_json::{Map, Value, json};

pub(super) fn add(reader: &mut Reader, variables: &Map<String, Value>, args: &mut Map<String, Value>) {
    let lists: [(&str, &str, ReadOne); 4] = [
        ("ha_cluster_resource_primitives", "resources", primitive),
        ("ha_cluster_resource_groups", "groups", group),
        ("ha_cluster_resource_clones", "clones", clone_set),
        ("ha_cluster_resource_bundles", "bundles", bundle),
    ];
    for (variable, argument, read) in lists {
        let items = reader.field(variables, variable, |reader, value| reader.list(value, read));
        args.insert(argument.to_string(), Value::Array(items.unwrap_or_default()));
    }
    for (variable, argument) in [
        ("ha_cluster_resource_defaults", "resource_defaults"),
        ("ha_cluster_resource_operation_defaults", "operation_defaults"),
    ] {
        let (plain, conditional) = reader.field(variables, variable, defaults).unwrap_or_default();
        args.insert(argument.to_string(), Value::Object(plain));
        args.insert(format!("{argument}_when"), Value::Array(conditional));
    }
}

/// Reads one item of a list.
type ReadOne = fn(&mut Reader, &Value) -> Option<Value>;

fn field(map: &Map<String, Value>, key: &str) -> Value {
    map.get(key).cloned().unwrap_or_default()
}

const PRIMITIVE: [&str; 7] = [
    "id",
    "agent",
    "instance_attrs",
    "meta_attrs",
    "copy_operations_from_agent",
    "operations",
    "utilization",
];

fn primitive(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &PRIMITIVE, &[]);
    let primitive = json!({"id": map.get("id"), "agent": map.get("agent")});
    let primitive = with(primitive, "options", first_set(reader, map, "instance_attrs"));
    let primitive = with(primitive, "meta", first_set(reader, map, "meta_attrs"));
    let primitive = with(primitive, "utilization", first_set(reader, map, "utilization"));
    let operations = reader.field(map, "operations", |reader, value| reader.list(value, operation));
    let mut operations = operations.unwrap_or_default();
    let copies = reader.field(map, "copy_operations_from_agent", super::super::constraints::read_flag);
    if copies.flatten().unwrap_or(true) {
        let agent = map.get("agent").and_then(Value::as_str).unwrap_or_default();
        operations.extend(usual_monitor(agent, &operations));
    }
    Some(with(primitive, "operations", Value::Array(operations)))
}

/// The role takes over how often an agent asks to be monitored. Agents ask for 10 seconds with few exceptions, and units are
/// looked at once a minute: their failures are noticed when they happen.
fn usual_monitor(agent: &str, operations: &[Value]) -> Option<Value> {
    let has_monitor = operations.iter().any(|operation| operation["name"] == json!("monitor"));
    let interval = match agent.split(':').next()? {
        "ocf" => "10s",
        "systemd" | "service" | "lsb" => "60s",
        _ => return None,
    };
    (!has_monitor).then(|| json!({"name": "monitor", "interval": interval}))
}

/// The parameter of monitors that `pcs` has among the options of operations.
const CHECK_LEVEL: &str = "OCF_CHECK_LEVEL";

fn operation(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["action", "attrs"], &[]);
    let name = reader.required_text(map, "action")?;
    let mut operation = Map::from_iter([("name".to_string(), json!(name))]);
    let mut options = pairs_of(reader, map, "attrs");
    let level = options.shift_remove(CHECK_LEVEL);
    operation.extend(options);
    operation.extend(level.map(|level| ("options".to_string(), json!({CHECK_LEVEL: level}))));
    Some(Value::Object(operation))
}

fn group(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["id", "resource_ids", "meta_attrs"], &[]);
    let group = json!({"id": map.get("id"), "resources": map.get("resource_ids")});
    Some(with(group, "meta", first_set(reader, map, "meta_attrs")))
}

fn clone_set(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["resource_id", "promotable", "id", "meta_attrs"], &[]);
    let mut meta = first_set(reader, map, "meta_attrs");
    let promotable = reader.field(map, "promotable", super::super::constraints::read_flag).flatten();
    if promotable == Some(true) {
        let meta = meta.as_object_mut().map(std::mem::take).unwrap_or_default();
        let promotable = [("promotable".to_string(), json!(true))];
        return Some(copies(map, promotable.into_iter().chain(meta).collect()));
    }
    Some(copies(map, meta.as_object_mut().map(std::mem::take).unwrap_or_default()))
}

fn copies(map: &Map<String, Value>, meta: Map<String, Value>) -> Value {
    let clone = with(json!({"resource": map.get("resource_id")}), "id", field(map, "id"));
    with(clone, "meta", Value::Object(meta))
}

const BUNDLE: [&str; 7] =
    ["id", "resource_id", "container", "network_options", "port_map", "storage_map", "meta_attrs"];

fn bundle(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    // The role's own example writes it so.
    let other_spelling = "resource-id";
    reader.known_keys(map, &BUNDLE, &[other_spelling]);
    let container = reader.field(map, "container", container).flatten();
    let (technology, options) = container.unwrap_or_default();
    let mut bundle = json!({"id": map.get("id")});
    if !technology.is_empty() {
        bundle[&technology] = Value::Object(options);
    }
    let network = Value::Object(pairs_of(reader, map, "network_options"));
    let mut mappings = |key: &str| {
        let read = |reader: &mut Reader, value: &Value| Some(Value::Object(pairs(reader, value)));
        let items = reader.field(map, key, |reader, value| reader.list(value, read));
        Value::Array(items.unwrap_or_default())
    };
    let (ports, storage) = (mappings("port_map"), mappings("storage_map"));
    let bundle = with(with(with(bundle, "network", network), "ports", ports), "storage", storage);
    let resource = map.get("resource_id").or(map.get(other_spelling)).cloned().unwrap_or_default();
    let bundle = with(bundle, "resource", resource);
    Some(with(bundle, "meta", first_set(reader, map, "meta_attrs")))
}

fn container(reader: &mut Reader, value: &Value) -> Option<(String, Map<String, Value>)> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["type", "options"], &[]);
    Some((reader.required_text(map, "type")?, pairs_of(reader, map, "options")))
}

/// Sets of defaults: those without a rule as the plain ones, the others with their rules; the highest score first.
fn defaults(reader: &mut Reader, value: &Value) -> (Map<String, Value>, Vec<Value>) {
    let sets = reader
        .mapping(value)
        .and_then(|map| {
            reader.known_keys(map, &["meta_attrs"], &[]);
            reader.field(map, "meta_attrs", |reader, value| reader.list(value, one_set))
        })
        .unwrap_or_default();
    let mut sets = sets;
    sets.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let (mut plain, mut conditional) = (Map::new(), Vec::new());
    for (_, rule, mut values) in sets {
        values.retain(|name, _| !plain.contains_key(name));
        match rule {
            Some(rule) => conditional.push(json!({"rule": rule, "values": values})),
            None => plain.extend(values),
        }
    }
    (plain, conditional)
}

type DefaultsSet = (i32, Option<String>, Map<String, Value>);

fn one_set(reader: &mut Reader, value: &Value) -> Option<DefaultsSet> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["id", "rule", "score", "attrs"], &[]);
    let score = reader.text_field(map, "score");
    let number = score.as_deref().map(Score::parse);
    if number == Some(None) {
        reader.within("score", |reader| reader.problem("it is not a score".to_string()));
    }
    let rule = reader.text_field(map, "rule");
    Some((number.flatten().unwrap_or_default().0, rule, pairs_of(reader, map, "attrs")))
}
