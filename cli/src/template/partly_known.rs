//! A result of which a dry run knows only a part: `changed` and its like are there, all else is not known yet.

use minijinja::value::{Enumerator, Object};
use minijinja::{Error, Value};
use std::sync::Arc;

use super::error::{TemplateError, carry};
use super::value::unknown_if_any;

/// The value to register for a step that was not really done: what is in `known` can be used, everything else of it
/// defers the task that uses it.
pub(crate) fn partly_known(known: indexmap::IndexMap<String, Value>, reason: &str) -> Value {
    Value::from_object(PartlyKnown { known, reason: reason.to_owned(), has_all_names: false })
}

/// The same, where nothing comes later that could bring entries of other names.
pub(crate) fn partly_known_with_all_names(known: indexmap::IndexMap<String, Value>, reason: &str) -> Value {
    Value::from_object(PartlyKnown { known, reason: reason.to_owned(), has_all_names: true })
}

/// What is known of it, and why no more.
#[derive(Debug)]
pub(super) struct PartlyKnown {
    known: indexmap::IndexMap<String, Value>,
    reason: String,
    /// What is not in `known` has no entry.
    has_all_names: bool,
}

impl PartlyKnown {
    /// Refuses to be taken for all that there is.
    pub(super) fn refused(&self) -> Result<(), Error> {
        Err(carry(TemplateError::unknown(&self.reason)))
    }
}

/// Refuses a value whose entries are not all known, for who looks at all of them; one that is known has this entry.
pub(super) fn whole_or_with(value: Value, key: Option<&str>) -> Result<Value, Error> {
    match value.downcast_object_ref::<PartlyKnown>() {
        Some(partly) if key.is_some() && partly.has_all_names => Ok(Value::from_pairs(partly.known.clone())),
        Some(partly) if !key.is_some_and(|key| partly.known.contains_key(key)) => {
            partly.refused().map(|()| value.clone())
        }
        _ => Ok(value),
    }
}

impl Object for PartlyKnown {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let known = key.as_str().and_then(|key| self.known.get(key)).cloned();
        Some(known.unwrap_or_else(|| unknown_if_any(&self.reason)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.known.keys().map(|key| Value::from(key.as_str())).collect())
    }
}
