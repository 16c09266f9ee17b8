//! Resource sets: several resources in one constraint.

use super::constraints::{read_action, read_flag, read_kind, read_role, read_score};
use super::value::Reader;
use crate::suggest::did_you_mean;
use muster_api::constraint::{ResourceSet, SetOrdering};
use serde_json::{Map, Value};

const KEYS: &[&str] =
    &["id", "resources", "sequential", "require-all", "ordering", "action", "role", "score", "kind"];

/// The sets under `sets`, where that is written.
pub(super) fn read(reader: &mut Reader, map: &Map<String, Value>) -> Option<Vec<ResourceSet>> {
    reader.field(map, "sets", |reader, value| {
        let sets = reader.list(value, read_one);
        if sets.is_empty() && !reader.hides_something {
            reader.problem("there is no set in it".to_string());
        }
        sets
    })
}

/// Gives sets without an id one that is made of the constraint's.
pub(super) fn name(sets: &mut [ResourceSet], constraint: &str) {
    for (place, set) in sets.iter_mut().enumerate().filter(|(_, set)| set.id.is_empty()) {
        set.id = made_id(constraint, place);
    }
}

pub(super) fn made_id(constraint: &str, place: usize) -> String {
    format!("{constraint}-set-{}", place + 1)
}

fn read_one(reader: &mut Reader, value: &Value) -> Option<ResourceSet> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, KEYS, &[]);
    let resources = reader.field(map, "resources", Reader::names).unwrap_or_default();
    if resources.is_empty() && !reader.hides_something && reader.is_to_run() {
        reader.problem("a set needs at least one resource in `resources`".to_string());
    }
    let mut flag = |key, default| reader.field(map, key, read_flag).flatten().unwrap_or(default);
    let (sequential, require_all) = (flag("sequential", true), flag("require-all", true));
    Some(ResourceSet {
        id: reader.text_field(map, "id").unwrap_or_default(),
        resources: resources.into_iter().map(|name| name.as_str().into()).collect(),
        sequential,
        require_all,
        ordering: reader.field(map, "ordering", read_ordering).flatten(),
        action: reader.field(map, "action", read_action).flatten(),
        role: reader.field(map, "role", read_role).flatten(),
        score: if map.contains_key("score") { read_score(reader, map) } else { None },
        kind: reader.field(map, "kind", read_kind).flatten(),
    })
}

fn read_ordering(reader: &mut Reader, value: &Value) -> Option<SetOrdering> {
    let text = reader.text(value)?;
    match text.as_str() {
        "group" => Some(SetOrdering::Group),
        "listed" => Some(SetOrdering::Listed),
        _ => {
            let hint = did_you_mean(&text, ["group", "listed"]);
            reader.problem_with_hint(format!("`{text}` is not `group` or `listed`"), hint);
            None
        }
    }
}
