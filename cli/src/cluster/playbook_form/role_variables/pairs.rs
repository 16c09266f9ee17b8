//! Lists of `name` and `value`, and lists of sets of those.

use super::super::value::Reader;
use serde_json::{Map, Value};

/// `[{name: a, value: 1}]` as `{a: 1}`.
pub(super) fn pairs(reader: &mut Reader, value: &Value) -> Map<String, Value> {
    let read = |reader: &mut Reader, value: &Value| {
        let map = reader.mapping(value)?;
        reader.known_keys(map, &["name", "value"], &[]);
        let name = reader.required_text(map, "name")?;
        let Some(value) = map.get("value") else {
            reader.problem(format!("`value` of `{name}` is missing"));
            return None;
        };
        Some((name, value.clone()))
    };
    reader.list(value, read).into_iter().collect()
}

/// The pairs under a key, where they are written.
pub(super) fn pairs_of(reader: &mut Reader, map: &Map<String, Value>, key: &str) -> Map<String, Value> {
    reader.field(map, key, pairs).unwrap_or_default()
}

/// `[{attrs: […]}]`: one set. The role takes the first of several; here there may be only one, so that nothing is passed over.
pub(super) fn first_set(reader: &mut Reader, map: &Map<String, Value>, key: &str) -> Value {
    let read = |reader: &mut Reader, value: &Value| {
        let mut sets = reader.list(value, |reader, value| {
            let set = reader.mapping(value)?;
            reader.known_keys(set, &["attrs"], &[]);
            Some(pairs_of(reader, set, "attrs"))
        });
        if sets.len() > 1 {
            reader.problem("several sets are not supported: write their `attrs` into one".to_string());
        }
        sets.truncate(1);
        sets.pop()
    };
    reader.field(map, key, read).flatten().map_or(Value::Null, Value::Object)
}
