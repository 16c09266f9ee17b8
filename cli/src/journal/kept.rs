//! What a task came to on a host, as it is kept for a run that goes on later.

use crate::playbook::Task;
use crate::playbook::keyword::Keyword;
use crate::run::result::{Status, TaskResult};
use muster_api::diff::Diff;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// A task that is done on a host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) host: String,
    /// `file:line:column` of the task.
    pub(crate) place: String,
    /// The name as it is written there.
    pub(crate) name: String,
    pub(crate) outcome: Kept,
}

/// What a task came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kept {
    /// A good end.
    Good(Box<KeptResult>),
    /// A good end that cannot be kept: it is done again.
    Again { hides: bool },
    /// It failed.
    Bad,
}

/// What later tasks may ask for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct KeptResult {
    status: Status,
    changed: bool,
    ignored: bool,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    result: Map<String, Json>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    facts: Map<String, Json>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    diffs: Vec<Diff>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keeps_diffs_back: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notify: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegated_to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    items: Vec<Self>,
}

impl Record {
    /// Of a task that is done.
    pub(crate) fn of(host: &str, task: &Task, result: &TaskResult) -> Self {
        let TaskKey { place, name } = TaskKey::of(task);
        Self { host: host.to_owned(), place, name, outcome: Kept::of(task, result) }
    }

    /// Whether this is the record of that task.
    pub(super) fn is_of(&self, task: &TaskKey) -> bool {
        (&self.place, &self.name) == (&task.place, &task.name)
    }
}

/// What a task is known by.
#[derive(Debug)]
pub(super) struct TaskKey {
    pub(super) place: String,
    /// As it is written.
    pub(super) name: String,
}

impl TaskKey {
    pub(super) fn of(task: &Task) -> Self {
        let name = task.name().map(|name| name.key_text().into_owned());
        let name = name.unwrap_or_else(|| task.module.written().to_owned());
        Self { place: task.span().to_string(), name }
    }
}

impl Kept {
    fn of(task: &Task, result: &TaskResult) -> Self {
        let is_bad = match result.status {
            Status::Ok | Status::Skipped => false,
            Status::Failed => !result.ignored,
            Status::Unreachable | Status::Unknown => true,
        };
        if is_bad {
            return Self::Bad;
        }
        if result.no_log {
            return Self::Again { hides: true };
        }
        // What the controller computes is computed again; facts are gathered again, as the host may have been started since.
        if !result.effects.is_empty() || matches!(task.module.bare(), "setup" | "gather_facts") {
            return Self::Again { hides: false };
        }
        Self::Good(Box::new(KeptResult::of(result, task.scope.keywords.get(Keyword::Register).is_some())))
    }
}

impl KeptResult {
    fn of(result: &TaskResult, is_asked_for: bool) -> Self {
        let is_asked_for = is_asked_for || result.ignored;
        Self {
            status: result.status,
            changed: result.changed,
            ignored: result.ignored,
            result: if is_asked_for { result.result.clone() } else { Map::new() },
            facts: (*result.facts).clone(),
            diffs: if is_asked_for { result.diffs.clone() } else { Vec::new() },
            keeps_diffs_back: result.keeps_diffs_back,
            notify: result.notify.clone(),
            label: result.label.clone(),
            delegated_to: result.delegated_to.clone(),
            // The whole has the results of all; what counts besides are the facts and where they belong.
            items: result.items.iter().map(|item| Self::of(item, false)).collect(),
        }
    }

    /// The result again, as one that was not made in this run.
    pub(crate) fn result(self) -> TaskResult {
        TaskResult {
            status: self.status,
            changed: self.changed,
            ignored: self.ignored,
            result: self.result,
            facts: Arc::new(self.facts),
            diffs: self.diffs,
            keeps_diffs_back: self.keeps_diffs_back,
            notify: self.notify,
            label: self.label,
            delegated_to: self.delegated_to,
            items: self.items.into_iter().map(Self::result).collect(),
            was_done_before: true,
            ..TaskResult::default()
        }
    }
}
