//! Values as they stand in files: text that is still to be templated, lists and mappings of it, and plain values.
//!
//! What comes from a playbook, an inventory or the command line may hold templates. What comes from a host (facts,
//! results) or is marked `!unsafe` is plain: it is never templated, whatever it looks like.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::ValueKind;

use crate::source::Span;
use crate::template::{timestamp, untrusted};
use crate::yaml::{Kind, Mapping, Node, Style, Tag, is_template};

/// A value that may hold templates. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// Nothing to template in it.
    Plain(Value),
    /// A template, with its place.
    Text(Node),
    /// Encrypted text, with its place. It is decrypted when it is needed, and never templated.
    Sealed(Node),
    /// A list with a template somewhere in it.
    List(Arc<Vec<Self>>),
    /// A mapping with a template in one of its values.
    Map(Arc<IndexMap<Value, Self>>),
}

impl Data {
    /// A value of a playbook, an inventory or the command line: its texts may be templates.
    pub(crate) fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Null => Self::Plain(Value::from(())),
            Kind::Bool(value) => Self::Plain(Value::from(*value)),
            Kind::Int(value) => Self::Plain(integer(*value)),
            Kind::Float(value) => Self::Plain(Value::from(*value)),
            Kind::Str(_) if node.tag == Tag::Vault => Self::Sealed(node.clone()),
            Kind::Str(text) if node.tag == Tag::None && is_template(text) => Self::Text(node.clone()),
            Kind::Str(text) if node.tag == Tag::None && node.style == Style::Plain => {
                Self::Plain(timestamp(text).unwrap_or_else(|| Value::from(text.clone())))
            }
            Kind::Str(text) if node.tag == Tag::Unsafe => Self::Plain(untrusted(&**text)),
            Kind::Str(text) => Self::Plain(Value::from(text.clone())),
            Kind::Seq(items) => Self::list(items.iter().map(Self::of).collect()),
            Kind::Map(mapping) => Self::mapping(mapping),
        }
    }

    fn mapping(mapping: &Mapping) -> Self {
        let key = |node: &Node| match Self::of(node) {
            // Names stay as they are written.
            Self::Plain(_) if matches!(node.kind, Kind::Str(_)) => Value::from(node.key_text().as_ref()),
            Self::Plain(key) => key,
            _ => Value::from(node.key_text().as_ref()),
        };
        Self::map(mapping.iter().map(|(name, value)| (key(name), Self::of(value))))
    }

    /// This mapping with the entries of `over` in it, mappings in both joined in the same way; else `over` itself.
    pub(crate) fn joined(&self, over: &Self) -> Self {
        match (self.entries(), over.entries()) {
            (Some(mut entries), Some(over)) => {
                for (key, value) in over {
                    let value = entries.get(&key).map_or_else(|| value.clone(), |known| known.joined(&value));
                    entries.insert(key, value);
                }
                Self::map(entries)
            }
            _ => over.clone(),
        }
    }

    fn entries(&self) -> Option<IndexMap<Value, Self>> {
        match self {
            Self::Map(entries) => Some((**entries).clone()),
            Self::Plain(value) if value.kind() == ValueKind::Map => {
                let pairs = crate::template::pairs(value);
                Some(pairs.into_iter().map(|(key, value)| (key, Self::Plain(value))).collect())
            }
            _ => None,
        }
    }

    /// A text from a trusted source that is no file; `place` says which.
    pub(crate) fn text(text: &str, place: &Span) -> Self {
        Self::of(&Node::text(place, text))
    }

    /// A list; plain if all its items are.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        if items.iter().all(|item| matches!(item, Self::Plain(_))) {
            let plain = |item| match item {
                Self::Plain(value) => value,
                _ => Value::UNDEFINED,
            };
            return Self::Plain(items.into_iter().map(plain).collect::<Vec<_>>().into());
        }
        Self::List(Arc::new(items))
    }

    /// A mapping; plain if all its values are.
    pub(crate) fn map(entries: impl IntoIterator<Item = (Value, Self)>) -> Self {
        let entries: IndexMap<Value, Self> = entries.into_iter().collect();
        if entries.values().all(|value| matches!(value, Self::Plain(_))) {
            let plain = |(key, value)| match value {
                Self::Plain(value) => (key, value),
                _ => (key, Value::UNDEFINED),
            };
            return Self::Plain(Value::from_pairs(entries.into_iter().map(plain)));
        }
        Self::Map(Arc::new(entries))
    }
}

impl From<Value> for Data {
    /// A value that is never templated.
    fn from(value: Value) -> Self {
        Self::Plain(value)
    }
}

fn integer(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value), Value::from)
}

/// A variable.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    /// The value.
    pub(crate) data: Data,
    /// Where it is written; none for facts and results.
    pub(crate) place: Option<Span>,
}

/// Variables of one layer, in the order in which they were written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars(IndexMap<Arc<str>, Var>);

impl Vars {
    /// No variables.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets a variable, over an earlier one of the same name.
    pub(crate) fn set(&mut self, name: &str, data: Data) {
        let place = match &data {
            Data::Text(node) | Data::Sealed(node) => Some(node.span.clone()),
            _ => None,
        };
        self.0.insert(name.into(), Var { data, place });
    }

    /// Sets a variable to what is written in a file.
    pub(crate) fn set_written(&mut self, name: &str, node: &Node) {
        self.0.insert(name.into(), Var { data: Data::of(node), place: Some(node.span.clone()) });
    }

    /// Sets a variable to one of another layer.
    pub(crate) fn set_var(&mut self, name: &str, var: Var) {
        self.0.insert(name.into(), var);
    }

    /// Sets a variable to a value that is never templated: a fact, a result.
    pub(crate) fn set_plain(&mut self, name: &str, value: Value) {
        self.set(name, Data::Plain(value));
    }

    /// Takes over all variables of `other`, over those of the same name.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(name, var)| (name.clone(), var.clone())));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Var> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.0.iter().map(|(name, var)| (&**name, var))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&crate::inventory::Vars> for Vars {
    fn from(nodes: &crate::inventory::Vars) -> Self {
        let mut vars = Self::new();
        for (name, node) in nodes {
            vars.set_written(name, node);
        }
        vars
    }
}

impl From<&Mapping> for Vars {
    /// The entries of a `vars:` mapping or of a file of variables.
    fn from(mapping: &Mapping) -> Self {
        let mut vars = Self::new();
        for (name, node) in mapping.iter() {
            vars.set_written(&name.key_text(), node);
        }
        vars
    }
}

impl FromIterator<(String, Data)> for Vars {
    fn from_iter<I: IntoIterator<Item = (String, Data)>>(entries: I) -> Self {
        let mut vars = Self::new();
        for (name, data) in entries {
            vars.set(&name, data);
        }
        vars
    }
}
