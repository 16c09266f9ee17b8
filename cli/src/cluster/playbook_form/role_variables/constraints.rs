//! Locations, colocations, orders and tickets.

use super::super::value::Reader;
use super::pairs::pairs_of;
use serde_json::{Map, Value, json};

pub(super) fn add(reader: &mut Reader, variables: &Map<String, Value>, args: &mut Map<String, Value>) {
    let kinds: [(&str, &str, ReadOne); 4] = [
        ("ha_cluster_constraints_location", "location", location),
        ("ha_cluster_constraints_colocation", "colocation", colocation),
        ("ha_cluster_constraints_order", "order", order),
        ("ha_cluster_constraints_ticket", "ticket", ticket),
    ];
    let mut constraints = Map::new();
    for (variable, kind, read) in kinds {
        let items = reader.field(variables, variable, |reader, value| reader.list(value, read));
        let items = items.unwrap_or_default();
        if !items.is_empty() {
            constraints.insert(kind.to_string(), Value::Array(items));
        }
    }
    args.insert("constraints".to_string(), Value::Object(constraints));
}

/// Reads one constraint.
type ReadOne = fn(&mut Reader, &Value) -> Option<Value>;

/// Its id and its options, which the other words follow.
fn begun(reader: &mut Reader, map: &Map<String, Value>) -> Map<String, Value> {
    let mut constraint = Map::new();
    constraint.extend(map.get("id").map(|id| ("id".to_string(), id.clone())));
    constraint.extend(pairs_of(reader, map, "options"));
    constraint
}

/// What one of several sides of a constraint says: `id` and one word more.
fn side(
    reader: &mut Reader,
    map: &Map<String, Value>,
    key: &str,
    words: &[(&str, &str)],
) -> Vec<(String, Value)> {
    let read = |reader: &mut Reader, value: &Value| {
        let side = reader.mapping(value)?;
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        reader.known_keys(side, &known, &[]);
        let named = |(word, name): &(&str, &str)| Some((name.to_string(), side.get(*word)?.clone()));
        Some(words.iter().filter_map(named).collect())
    };
    if !map.contains_key(key) {
        reader.problem(format!("`{key}` is missing"));
    }
    reader.field(map, key, read).flatten().unwrap_or_default()
}

fn location(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["resource", "node", "rule", "id", "options"], &[]);
    let mut constraint = begun(reader, map);
    constraint.extend(side(
        reader,
        map,
        "resource",
        &[("id", "resource"), ("pattern", "pattern"), ("role", "role")],
    ));
    for key in ["node", "rule"] {
        constraint.extend(map.get(key).map(|value| (key.to_string(), value.clone())));
    }
    let is_of_attribute = constraint.contains_key("score-attribute");
    if !is_of_attribute {
        constraint.entry("score").or_insert_with(|| json!("INFINITY"));
    }
    Some(Value::Object(constraint))
}

/// `resource_sets`, as sets.
fn with_sets(reader: &mut Reader, map: &Map<String, Value>, constraint: &mut Map<String, Value>) {
    let read = |reader: &mut Reader, value: &Value| {
        let map = reader.mapping(value)?;
        reader.known_keys(map, &["resource_ids", "options"], &[]);
        let mut set = Map::from_iter([("resources".to_string(), json!(map.get("resource_ids")))]);
        set.extend(pairs_of(reader, map, "options"));
        Some(Value::Object(set))
    };
    let sets = reader.field(map, "resource_sets", |reader, value| reader.list(value, read));
    constraint.insert("sets".to_string(), Value::Array(sets.unwrap_or_default()));
}

fn colocation(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["resource_follower", "resource_leader", "resource_sets", "id", "options"], &[]);
    let mut constraint = begun(reader, map);
    constraint.entry("score").or_insert_with(|| json!("INFINITY"));
    if map.contains_key("resource_sets") {
        with_sets(reader, map, &mut constraint);
    } else {
        constraint.extend(side(reader, map, "resource_follower", &[("id", "resource"), ("role", "role")]));
        constraint.extend(side(reader, map, "resource_leader", &[("id", "with"), ("role", "with_role")]));
    }
    Some(Value::Object(constraint))
}

fn order(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["resource_first", "resource_then", "resource_sets", "id", "options"], &[]);
    let mut constraint = begun(reader, map);
    if map.contains_key("resource_sets") {
        with_sets(reader, map, &mut constraint);
    } else {
        constraint.extend(side(
            reader,
            map,
            "resource_first",
            &[("id", "first"), ("action", "first_action")],
        ));
        constraint.extend(side(reader, map, "resource_then", &[("id", "then"), ("action", "then_action")]));
        // `pcs` starts the second where nothing else is said, whatever the first does.
        if constraint.contains_key("first_action") {
            constraint.entry("then_action").or_insert_with(|| json!("start"));
        }
    }
    Some(Value::Object(constraint))
}

fn ticket(reader: &mut Reader, value: &Value) -> Option<Value> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["resource", "resource_sets", "ticket", "id", "options"], &[]);
    let mut constraint = begun(reader, map);
    constraint.extend(map.get("ticket").map(|ticket| ("ticket".to_string(), ticket.clone())));
    if map.contains_key("resource_sets") {
        with_sets(reader, map, &mut constraint);
    } else {
        constraint.extend(side(reader, map, "resource", &[("id", "resource"), ("role", "role")]));
    }
    Some(Value::Object(constraint))
}
