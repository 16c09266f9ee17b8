//! Values that count only while a rule holds: `meta_when`, `options_when`, `resource_defaults_when` and the like. Of several the
//! first that says a name decides, and all of them come before the plain values.

use super::value::Reader;
use super::{resources, rules};
use muster_api::cluster::{Conditional, Owner};
use muster_api::rule::{Condition, ConditionalValues, Rule};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Reads the values under a key, where it is written.
pub(super) fn read(
    reader: &mut Reader,
    map: &Map<String, Value>,
    key: &str,
    owner: &Owner,
    into: &mut Vec<Conditional>,
) {
    if reader.is_to_run() && *owner == Owner::Properties && map.contains_key(key) {
        let what = "properties that depend on a rule are not supported by the agents; write them without one";
        return reader.bad_key(key, what.to_string(), []);
    }
    let values = reader
        .field(map, key, |reader, value| reader.list(value, |reader, value| read_one(reader, value, owner)));
    let with_owner = |values| Conditional { owner: owner.clone(), values };
    into.extend(values.unwrap_or_default().into_iter().map(with_owner));
}

fn read_one(reader: &mut Reader, value: &Value, owner: &Owner) -> Option<ConditionalValues> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["rule", "values"], &[]);
    let values =
        reader.field(map, "values", |reader, value| read_values(reader, value, owner)).unwrap_or_default();
    let text = reader.required_text(map, "rule")?;
    match rules::parse(&text) {
        Ok(rule) if reader.is_to_run() && asks_for_a_node(&rule) => reader.within("rule", |reader| {
            let what = "agents decide values by the moment, the agent and the operation; a rule on a node's attribute \
                        (`#uname`, …) belongs into a location";
            reader.problem(what.to_string());
            None
        }),
        Ok(rule) => Some(ConditionalValues { rule, values }),
        Err(what) => reader.within("rule", |reader| {
            reader.problem(what);
            None
        }),
    }
}

/// The names are those that the plain values may have.
fn read_values(reader: &mut Reader, value: &Value, owner: &Owner) -> BTreeMap<String, String> {
    match owner {
        Owner::Properties | Owner::Parameters(_) => reader.texts(value),
        Owner::Meta(_) | Owner::ResourceDefaults => resources::read_clone_meta(reader, value),
        Owner::OperationDefaults | Owner::Operation { .. } => {
            resources::read_operation_defaults(reader, value)
        }
    }
}

/// Whether a rule looks at a node: what is decided for the whole cluster has none.
fn asks_for_a_node(rule: &Rule) -> bool {
    rule.conditions.iter().any(|condition| match condition {
        Condition::Rule(inner) => asks_for_a_node(inner),
        Condition::Attribute(_) => true,
        Condition::Date(_) | Condition::Resource { .. } | Condition::Operation { .. } => false,
    })
}
