//! Changes of one place in a JSON value.

use super::bytes::edge;
use crate::random::Random;
use serde_json::{Map, Value};

/// One change; nothing where the bytes are not JSON.
pub(super) fn change(bytes: &[u8], other: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    let other: Value = serde_json::from_slice(other).unwrap_or(Value::Null);
    let donor = place(&other, random).clone();
    let mut left = random.index(count(&value));
    change_at(&mut value, &mut left, &donor, random);
    serde_json::to_vec(&value).ok()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn place<'a>(value: &'a Value, random: &mut Random) -> &'a Value {
    fn find<'a>(value: &'a Value, left: &mut usize) -> Option<&'a Value> {
        if *left == 0 {
            return Some(value);
        }
        *left -= 1;
        match value {
            Value::Array(values) => values.iter().find_map(|value| find(value, left)),
            Value::Object(map) => map.values().find_map(|value| find(value, left)),
            _ => None,
        }
    }
    find(value, &mut random.index(count(value))).unwrap_or(value)
}

/// Whether the place was found, and changed.
fn change_at(value: &mut Value, left: &mut usize, donor: &Value, random: &mut Random) -> bool {
    if *left == 0 {
        change_here(value, donor, random);
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(values) => values.iter_mut().any(|value| change_at(value, left, donor, random)),
        Value::Object(map) => map.values_mut().any(|value| change_at(value, left, donor, random)),
        _ => false,
    }
}

fn change_here(value: &mut Value, donor: &Value, random: &mut Random) {
    match (random.below(4), &mut *value) {
        (0, Value::Object(map)) => change_object(map, donor, random),
        (0 | 1, Value::Array(values)) => {
            let at = random.index(values.len() + 1);
            values.insert(at, donor.clone());
        }
        (1, Value::Object(map)) => {
            let key = random.pick(&map.keys().cloned().collect::<Vec<_>>()).cloned();
            key.map(|key| map.remove(&key));
        }
        (2, _) => *value = serde_json::from_slice(edge(random)).unwrap_or(Value::Null),
        (3, _) => {
            for _ in 0..1 + random.index(200) {
                *value = Value::Array(vec![std::mem::take(value)]);
            }
        }
        _ => *value = donor.clone(),
    }
}

/// A value under the key of another one.
fn change_object(map: &mut Map<String, Value>, donor: &Value, random: &mut Random) {
    let keys: Vec<String> =
        map.keys().chain(donor.as_object().into_iter().flat_map(Map::keys)).cloned().collect();
    if let Some(key) = random.pick(&keys) {
        map.insert(key.clone(), donor.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_value_is_still_json() {
        let mut random = Random::new(1);
        for _ in 0..300 {
            let made = change(br#"{"a":[1,{"b":"c"}]}"#, br#"{"x":2}"#, &mut random).expect("it was JSON");
            // It may be deeper than a parser goes.
            let read = serde_json::from_slice::<Value>(&made);
            let is_json =
                read.as_ref().map_or_else(|error| error.to_string().contains("recursion"), |_| true);
            assert!(is_json, "{}", String::from_utf8_lossy(&made));
        }
    }
}
