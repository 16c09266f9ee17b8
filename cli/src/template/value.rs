//! Values that templates give and take: JSON's kinds, and two that only a run has, `omit` and "not known yet".

use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, Value};

use super::error::{FailureKind, TemplateError, carry};
use super::partly_known::PartlyKnown;

/// The value of `omit`: the argument or list item that has it is left out.
#[derive(Debug)]
pub(crate) struct Omit;

impl Object for Omit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// A text that is no expression of anybody's: one that is marked `!unsafe`, or that a template put together. It is text like
/// any other, and not taken for a condition. (minijinja's mark for text that is not escaped is free for this: nothing
/// is escaped here.)
pub(crate) fn untrusted(text: impl Into<String>) -> Value {
    Value::from_safe_string(text.into())
}

/// Whether a text is one that is not taken for a condition.
pub(crate) fn is_untrusted(value: &Value) -> bool {
    value.is_safe()
}

/// The value `omit`.
pub(crate) fn omit() -> Value {
    Value::from_object(Omit)
}

/// Whether a value is `omit`.
pub(crate) fn is_omit(value: &Value) -> bool {
    value.downcast_object_ref::<Omit>().is_some()
}

/// A value that a dry run cannot know, such as the result of a command that was not run.
#[derive(Debug)]
pub(crate) struct Unknown {
    /// Why, as a sentence without a full stop.
    pub(crate) reason: String,
    /// Whether it may turn out not to be defined at all.
    may_be_missing: bool,
    /// What was read in vain, where the value is of a variable that needs it.
    cause: Option<TemplateError>,
}

impl Unknown {
    /// The failure of who needs it.
    fn failure(&self) -> TemplateError {
        let mut failure = TemplateError::unknown(&self.reason);
        failure.cause.clone_from(&self.cause);
        failure
    }
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from(carry(self.failure())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(vec![Value::from(carry(self.failure()))])
    }
}

/// A value that is not known, and why.
pub(crate) fn unknown(reason: &str) -> Value {
    Value::from_object(Unknown { reason: reason.to_owned(), may_be_missing: false, cause: None })
}

/// A value of which it is not even known whether there is one, and why.
pub(crate) fn unknown_if_any(reason: &str) -> Value {
    Value::from_object(Unknown { reason: reason.to_owned(), may_be_missing: true, cause: None })
}

/// A part of a value that is not known: nobody knows whether it has that part.
pub(crate) fn part_of_unknown(value: &Value) -> Option<Value> {
    let whole = value.downcast_object_ref::<Unknown>()?;
    let (reason, cause) = (whole.reason.clone(), whole.cause.clone());
    Some(Value::from_object(Unknown { reason, may_be_missing: true, cause }))
}

/// What fails where it is asked whether a value is defined, if that is not known.
pub(crate) fn missing_perhaps(value: &Value) -> Option<TemplateError> {
    value.downcast_object_ref::<Unknown>().filter(|unknown| unknown.may_be_missing).map(Unknown::failure)
}

/// The value of a variable that needs what is not known.
pub(crate) fn unknown_because(reason: &str, cause: TemplateError) -> Value {
    Value::from_object(Unknown { reason: reason.to_owned(), may_be_missing: false, cause: Some(cause) })
}

/// What fails where a value is needed, if it is not known.
pub(crate) fn unknown_failure(value: &Value) -> Option<TemplateError> {
    value.downcast_object_ref::<Unknown>().map(Unknown::failure)
}

/// The entries of a mapping, in order; of anything else, none.
pub(crate) fn pairs(value: &Value) -> Vec<(Value, Value)> {
    if value.kind() != ValueKind::Map {
        return Vec::new();
    }
    value.as_object().and_then(|object| object.try_iter_pairs()).into_iter().flatten().collect()
}

/// The items of a list, tuple or other sequence.
pub(crate) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    value.try_iter()?.checked().collect()
}

/// The error inside a value that is one.
pub(crate) fn check(value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Invalid {
        return Ok(value);
    }
    // Only an iteration that checks its items takes the error out.
    let mut items = Value::from(vec![value]).try_iter()?.checked();
    items.next().unwrap_or_else(|| Err(Error::from(minijinja::ErrorKind::InvalidOperation)))
}

/// Makes a value complete: no variable left to be templated, nothing undefined, nothing omitted, no tuples.
///
/// Fails with what is undefined or unknown in it. `omit` itself fails; inside a list or mapping it leaves.
pub(crate) fn complete(value: &Value) -> Result<Value, Error> {
    completed(value, PartlyKnown::refused)
}

/// The same for who passes it on: a result of which only a part is known stays one.
pub(crate) fn complete_or_partly_known(value: &Value) -> Result<Value, Error> {
    completed(value, |_| Ok(()))
}

/// `accept` says whether a result may pass of which only a part is known.
fn completed(value: &Value, accept: fn(&PartlyKnown) -> Result<(), Error>) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        ValueKind::Invalid => check(value.clone()),
        ValueKind::Seq | ValueKind::Iterable => completed_list(value, accept),
        ValueKind::Map => match value.downcast_object_ref::<PartlyKnown>() {
            Some(partly) => accept(partly).map(|()| value.clone()),
            None => completed_map(value, accept),
        },
        ValueKind::Plain => complete_object(value),
        _ => Ok(value.clone()),
    }
}

fn completed_list(value: &Value, accept: fn(&PartlyKnown) -> Result<(), Error>) -> Result<Value, Error> {
    let mut list = Vec::with_capacity(value.len().unwrap_or_default());
    for item in items(value)? {
        if !is_omit(&item) {
            list.push(completed(&item, accept)?);
        }
    }
    Ok(Value::from(list))
}

fn completed_map(value: &Value, accept: fn(&PartlyKnown) -> Result<(), Error>) -> Result<Value, Error> {
    let mut entries = Vec::with_capacity(value.len().unwrap_or_default());
    for (key, item) in pairs(value) {
        if !is_omit(&item) {
            entries.push((check(key)?, completed(&item, accept)?));
        }
    }
    Ok(Value::from_pairs(entries))
}

fn complete_object(value: &Value) -> Result<Value, Error> {
    if is_omit(value) {
        let err = TemplateError::new(FailureKind::Omitted, "`omit` stands where a value is needed")
            .with_hint("`omit` leaves out a whole argument, list item or dictionary entry");
        return Err(carry(err));
    }
    if let Some(failure) = unknown_failure(value) {
        return Err(carry(failure));
    }
    if super::filters::time::is_time(value) {
        return Ok(value.clone());
    }
    let message = format!("a function or macro cannot be used as a value ({value})");
    Err(Error::new(minijinja::ErrorKind::InvalidOperation, message))
}

/// A value as JSON, for module arguments and reports.
///
/// The value is one that rendering gave: nothing in it is undefined or left to be templated. Keys become text.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value.kind() {
        ValueKind::Bool => value.is_true().into(),
        ValueKind::Number if value.is_integer() => integer(value),
        ValueKind::Number => f64::try_from(value.clone()).map_or(serde_json::Value::Null, Into::into),
        ValueKind::String | ValueKind::Bytes | ValueKind::Plain => super::python::text(value).into(),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter().into_iter().flatten().map(|item| to_json(&item)).collect()
        }
        ValueKind::Map => {
            let entries = pairs(value).into_iter().map(|(key, item)| (json_key(&key), to_json(&item)));
            serde_json::Value::Object(entries.collect())
        }
        ValueKind::None | ValueKind::Undefined | ValueKind::Invalid => serde_json::Value::Null,
        _ => value.to_string().into(),
    }
}

fn integer(value: &Value) -> serde_json::Value {
    if let Some(number) = value.as_i64() {
        return number.into();
    }
    u64::try_from(value.clone()).map_or_else(|_| value.to_string().into(), Into::into)
}

/// A mapping's key as JSON has it: `true`, `null`, `1` for those that are not text.
pub(crate) fn json_key(key: &Value) -> String {
    match key.kind() {
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.into(),
        ValueKind::None => "null".into(),
        _ => super::python::text(key),
    }
}

/// JSON as a value.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(from_json).collect::<Vec<_>>().into(),
        serde_json::Value::Object(entries) => {
            Value::from_pairs(entries.iter().map(|(key, item)| (key.as_str(), from_json(item))))
        }
    }
}

/// A list that its template may change: `{% set x = [] %}` … `{% do x.append(1) %}`.
#[derive(Debug)]
pub(crate) struct MutableList(pub(crate) Mutex<Vec<Value>>);

impl MutableList {
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Object for MutableList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }
}

/// A dictionary that its template may change.
#[derive(Debug)]
pub(crate) struct MutableMap(pub(crate) Mutex<indexmap::IndexMap<Value, Value>>);

impl MutableMap {
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, indexmap::IndexMap<Value, Value>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Object for MutableMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lock().get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.lock().keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.lock().len())
    }
}

/// A changeable copy of a list or dictionary literal.
pub(crate) fn mutable(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map => Ok(Value::from_object(MutableMap(Mutex::new(pairs(value).into_iter().collect())))),
        _ => Ok(Value::from_object(MutableList(Mutex::new(items(value)?)))),
    }
}
