//! Walks JSON values with the place where it is, and collects what is wrong there.

use crate::suggest::did_you_mean;
use muster_api::duration::parse_ms;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Under this key.
    Key(String),
    /// The item at this place, from zero.
    Index(usize),
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormProblem {
    /// Where in the arguments.
    pub(crate) path: Vec<Step>,
    /// The mistake is the last key of `path` itself, not the value under it.
    pub(crate) is_about_key: bool,
    /// What is wrong, as a sentence without a full stop.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl fmt::Display for FormProblem {
    /// `resources[0].options.cidr_netmsk: the agent has no such parameter (did you mean …?)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.path.iter().enumerate() {
            match step {
                Step::Key(key) if place == 0 => formatter.write_str(key)?,
                Step::Key(key) => write!(formatter, ".{key}")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{separator}{}", self.what)?;
        match &self.hint {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What the form is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The agents are to run it: what they cannot is a mistake.
    Run,
    /// It is passed on, to Pacemaker or to the scheduler: whatever the model has may be said.
    Exchange,
}

/// Walks the arguments and remembers where it is.
#[derive(Debug)]
pub(super) struct Reader {
    purpose: Purpose,
    path: Vec<Step>,
    problems: Vec<FormProblem>,
    takes_templates: bool,
    /// A template hides something: what is missing may still come.
    pub(super) hides_something: bool,
}

impl Reader {
    pub(super) fn rendered() -> Self {
        Self {
            purpose: Purpose::Run,
            path: Vec::new(),
            problems: Vec::new(),
            takes_templates: false,
            hides_something: false,
        }
    }

    pub(super) fn for_exchange() -> Self {
        Self { purpose: Purpose::Exchange, ..Self::rendered() }
    }

    /// Whether the agents are to run what is read.
    pub(super) fn is_to_run(&self) -> bool {
        self.purpose == Purpose::Run
    }

    pub(super) fn unrendered() -> Self {
        Self { takes_templates: true, ..Self::rendered() }
    }

    pub(super) fn finish(self) -> Result<(), Vec<FormProblem>> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    pub(super) fn problem(&mut self, what: String) {
        self.push(what, None, false);
    }

    pub(super) fn problem_with_hint(&mut self, what: String, hint: Option<String>) {
        self.push(what, hint, false);
    }

    fn push(&mut self, what: String, hint: Option<String>, is_about_key: bool) {
        self.problems.push(FormProblem { path: self.path.clone(), is_about_key, what, hint });
    }

    /// Does something one key deeper.
    pub(super) fn within<T>(&mut self, key: &str, act: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Key(key.to_string()));
        let result = act(self);
        self.path.pop();
        result
    }

    /// Does something at the item of that place.
    pub(super) fn at<T>(&mut self, index: usize, act: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Index(index));
        let result = act(self);
        self.path.pop();
        result
    }

    /// Says that a key is wrong.
    pub(super) fn bad_key<'n>(&mut self, key: &str, what: String, known: impl IntoIterator<Item = &'n str>) {
        let hint = did_you_mean(key, known);
        self.path.push(Step::Key(key.to_string()));
        self.push(what, hint, true);
        self.path.pop();
    }

    /// Reads what stands under a key; nothing where it is missing, null, or a template that is not rendered yet.
    pub(super) fn field<T>(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        read: impl FnOnce(&mut Self, &Value) -> T,
    ) -> Option<T> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        if self.is_hidden(value) {
            return None;
        }
        Some(self.within(key, |reader| read(reader, value)))
    }

    /// Whether it is a template that is not rendered yet; things that others refer to may come out of it.
    pub(super) fn is_hidden(&mut self, value: &Value) -> bool {
        let is_hidden = value.as_str().is_some_and(|text| self.is_template(text));
        self.hides_something |= is_hidden;
        is_hidden
    }

    /// Whether a text is a template that is not rendered yet.
    pub(super) fn is_template(&self, text: &str) -> bool {
        self.takes_templates && (text.contains("{{") || text.contains("{%"))
    }

    /// Complains about keys that are neither known nor dealt with elsewhere.
    pub(super) fn known_keys(&mut self, map: &Map<String, Value>, known: &[&str], elsewhere: &[&str]) {
        for key in map.keys().map(String::as_str) {
            if !known.contains(&key) && !elsewhere.contains(&key) {
                let expected = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let what = format!("there is no `{key}` here; expected one of {expected}");
                self.bad_key(key, what, known.iter().copied());
            }
        }
    }

    pub(super) fn mapping<'v>(&mut self, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let map = value.as_object();
        if map.is_none() && !self.is_hidden(value) {
            self.problem(format!("expected a mapping, found {}", kind(value)));
        }
        map
    }

    /// The items of a list, each read where it stands.
    pub(super) fn list<T>(
        &mut self,
        value: &Value,
        mut read: impl FnMut(&mut Self, &Value) -> Option<T>,
    ) -> Vec<T> {
        let Some(items) = value.as_array() else {
            if !self.is_hidden(value) {
                self.problem(format!("expected a list, found {}", kind(value)));
            }
            return Vec::new();
        };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if !self.is_hidden(item) {
                found.extend(self.at(index, |reader| read(reader, item)));
            }
        }
        found
    }

    /// A scalar as text: `true`, `24`, `web`.
    pub(super) fn text(&mut self, value: &Value) -> Option<String> {
        match value {
            Value::String(_) if self.is_hidden(value) => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => {
                self.problem(format!("expected a single value, found {}", kind(value)));
                None
            }
        }
    }

    pub(super) fn text_field(&mut self, map: &Map<String, Value>, key: &str) -> Option<String> {
        self.field(map, key, Self::text).flatten()
    }

    pub(super) fn required_text(&mut self, map: &Map<String, Value>, key: &str) -> Option<String> {
        match map.get(key) {
            None | Some(Value::Null) => {
                self.problem(format!("`{key}` is missing"));
                None
            }
            Some(_) => match self.text_field(map, key) {
                Some(text) if text.is_empty() => {
                    self.within(key, |reader| reader.problem("it is empty".to_string()));
                    None
                }
                text => text,
            },
        }
    }

    /// A list of names; a single one may stand without a list.
    pub(super) fn names(&mut self, value: &Value) -> Vec<String> {
        match value {
            Value::String(_) => self.text(value).into_iter().collect(),
            _ => self.list(value, Self::text),
        }
    }

    pub(super) fn duration(&mut self, value: &Value) -> Option<u64> {
        let text = self.text(value)?;
        let duration = parse_ms(&text);
        if duration.is_none() {
            self.problem(format!(
                "`{text}` is not a duration: expected `30s`, `500ms`, `2min`, `1h`, `PT30S`, or seconds"
            ));
        }
        duration
    }

    /// A mapping of scalars. Templates stay as they are written: their names can be checked, their values cannot.
    pub(super) fn texts(&mut self, value: &Value) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (key, value) in self.mapping(value).into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let template = value.as_str().filter(|text| self.is_template(text)).map(str::to_string);
            let text = template.or_else(|| self.within(key, |reader| reader.text(value)));
            texts.extend(text.map(|text| (key.clone(), text)));
        }
        texts
    }
}

/// Nothing in it.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
