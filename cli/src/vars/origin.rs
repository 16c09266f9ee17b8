//! Where the value of a variable comes from: the definition that wins, its place and its level, and those that it wins over.

use super::{Data, Level, Scope, magic};
use crate::source::Span;
use crate::template::to_json;
use serde_json::Value as Json;

/// How much of a value is shown.
const SHOWN_MAX: usize = 60;

/// One definition of a variable.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) level: Level,
    /// None where no file has it: facts, results.
    pub(crate) place: Option<Span>,
    /// As it is written.
    pub(crate) written: Option<String>,
}

/// A variable of a host, its value, and its definitions.
#[derive(Debug, Clone)]
pub(crate) struct VariableOrigin {
    pub(crate) name: String,
    pub(crate) host: Option<String>,
    /// None where it cannot be had: it needs what is not defined or not known.
    pub(crate) value: Option<String>,
    /// The one that wins first. None for what muster itself says (`groups`, `inventory_hostname`).
    pub(crate) definitions: Vec<Definition>,
}

impl VariableOrigin {
    /// Of a variable as a scope sees it; none where it is not defined there.
    pub(crate) fn of(scope: &Scope, name: &str) -> Option<Self> {
        let origin = |definitions| Self {
            name: name.to_owned(),
            host: scope.host().map(str::to_owned),
            value: value(scope, name),
            definitions,
        };
        if magic::NAMES.contains(&name) {
            return magic::lookup(scope, name).map(|_| origin(Vec::new()));
        }
        let written = scope.definitions(name).map(|(level, var)| Definition {
            level,
            place: var.place.clone(),
            written: written(&var.data).map(|text| shown(scope, text)),
        });
        let mut definitions: Vec<Definition> = written.collect();
        if scope.has_fact(name) {
            let at = definitions.partition_point(|definition| definition.level > Level::Facts);
            definitions.insert(at, Definition { level: Level::Facts, place: None, written: None });
        }
        (!definitions.is_empty()).then(|| origin(definitions))
    }

    /// `file:line:column (level)` of the definition that wins.
    pub(crate) fn place(&self) -> String {
        match self.definitions.first() {
            Some(definition) => definition.shown(),
            None if matches!(self.name.as_str(), "groups" | "group_names" | "inventory_hostname") => {
                "the inventory's hosts and groups".to_owned()
            }
            None => "what muster says of the run".to_owned(),
        }
    }
}

impl Definition {
    /// `file:line:column (level)`.
    pub(crate) fn shown(&self) -> String {
        let level = format!("{}, level {}", self.level.description(), self.level.number());
        match &self.place {
            Some(place) => format!("{} ({level})", place.seen_from_here()),
            None => level,
        }
    }
}

fn value(scope: &Scope, name: &str) -> Option<String> {
    if matches!(name, "groups" | "hostvars" | "vars" | "omit" | "ansible_facts") {
        return None;
    }
    let is_sealed = scope.definition(name).is_some_and(|(_, var)| matches!(var.data, Data::Sealed(_)));
    if is_sealed {
        return Some("***".to_owned());
    }
    let value = scope.get(name).ok().flatten()?;
    Some(shown(
        scope,
        match to_json(&value) {
            Json::String(text) => text,
            other => other.to_string(),
        },
    ))
}

fn written(data: &Data) -> Option<String> {
    Some(match data {
        Data::Plain(value) => match to_json(value) {
            Json::String(text) => text,
            other => other.to_string(),
        },
        Data::Text(node) => node.as_str()?.to_owned(),
        Data::Sealed(_) => "***".to_owned(),
        Data::List(_) | Data::Map(_) => return None,
    })
}

/// One line, not too long; a part of a secret would not be known as one.
fn shown(scope: &Scope, text: String) -> String {
    let text = scope.secrets().mask(&text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN_MAX {
        return line;
    }
    line.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}
