//! A result of which a dry run knows only a part: `changed` and its like are there, all else is not known yet.

use crate::template::{self, Value};
use minijinja::value::{Enumerator, Object};
use std::sync::Arc;

/// The value to register for a step that was not really done: what is in `known` can be used, everything else of it
/// defers the task that uses it.
pub(crate) fn partly_known(known: indexmap::IndexMap<String, Value>, reason: &str) -> Value {
    Value::from_object(PartlyKnown { known, reason: reason.to_owned() })
}

#[derive(Debug)]
struct PartlyKnown {
    known: indexmap::IndexMap<String, Value>,
    reason: String,
}

impl Object for PartlyKnown {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let known = key.as_str().and_then(|key| self.known.get(key)).cloned();
        Some(known.unwrap_or_else(|| template::unknown(&self.reason)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.known.keys().map(|key| Value::from(key.as_str())).collect())
    }
}
