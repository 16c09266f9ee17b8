//! What a task came to on a host: what is registered, what is shown, what is counted.

use crate::local_files::NoFile;
use crate::source::Span;
use muster_api::diff::Diff;
use muster_api::outcome::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// How a task ended on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Done; `changed` says whether it changed something.
    #[default]
    Ok,
    /// Its condition did not hold, or it had nothing to do.
    Skipped,
    /// It failed.
    Failed,
    /// The host could not be reached.
    Unreachable,
    /// In a dry run: it depends on what is not known.
    Unknown,
}

/// What a task, or one item of its loop, came to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct TaskResult {
    pub(crate) status: Status,
    pub(crate) changed: bool,
    /// It failed, and `ignore_errors` or `ignore_unreachable` says to go on.
    pub(crate) ignored: bool,
    /// What is registered.
    pub(crate) result: Map<String, Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) diffs: Vec<Diff>,
    /// Whether what is registered lacks the differences.
    #[serde(skip)]
    pub(crate) keeps_diffs_back: bool,
    /// In a dry run: why what it would do cannot be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown: Option<String>,
    /// In a dry run: it is not known what it says, and the playbook promises that it changes nothing (`changed_when: false`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) keeps_still: bool,
    /// It is of a plan: what is registered of it has nothing that only the run can tell.
    #[serde(skip)]
    pub(crate) is_planned: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) consequences: Vec<String>,
    /// Facts of the host that it was done on; `ansible_facts` of what is registered. Shared: they are the biggest part. Those of a
    /// loop are with its items.
    #[serde(skip)]
    pub(crate) facts: Arc<Map<String, Json>>,
    /// The item's label, for one item of a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// The host that it was done on, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delegated_to: Option<String>,
    /// Nothing of it may be shown.
    #[serde(skip)]
    pub(crate) no_log: bool,
    /// The module was never run: `changed_when` and `failed_when` have nothing to look at.
    #[serde(skip)]
    pub(crate) is_not_run: bool,
    /// The module, as the task names it.
    #[serde(skip)]
    pub(crate) module: String,
    /// An earlier run did it, with which this one goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) was_done_before: bool,
    /// It is always shown whole (`debug`).
    #[serde(skip)]
    pub(crate) is_talk: bool,
    /// What else follows from it.
    #[serde(skip)]
    pub(crate) effects: Vec<Effect>,
    /// The handlers to notify.
    #[serde(skip)]
    pub(crate) notify: Vec<String>,
    /// In a plan: those that it notifies if it changes something, which is not known.
    #[serde(skip)]
    pub(crate) may_notify: Vec<String>,
    /// The single results of a loop.
    #[serde(skip)]
    pub(crate) items: Vec<Self>,
    /// Seconds that it took.
    pub(crate) seconds: f64,
    /// Where the playbook says what failed.
    #[serde(skip)]
    pub(crate) origin: Option<Span>,
    /// Where the variables come from that it failed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<String>,
}

/// What a module that the controller carries out itself does to the run.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// `set_fact`
    SetFact { name: String, data: crate::vars::Data, cacheable: bool },
    /// `include_vars`
    IncludeVars(Arc<crate::vars::Vars>),
    /// `include_vars` of which it is not known what it reads, for this reason.
    DoubtVars(String),
    /// Facts that were gathered in a plan, after something of which it is not known what it does.
    DoubtFacts(String),
    /// `add_host`
    AddHost { name: String, groups: Vec<String>, vars: Map<String, Json> },
    /// `set_stats`: figures of the host or of the run, added to what is kept or in its place.
    Stats { data: Map<String, Json>, per_host: bool, aggregate: bool },
    /// `group_by`
    GroupBy { group: String, parents: Vec<String> },
    /// `include_tasks` and `include_role`: the file or role, and the variables of this item.
    Include { name: String, vars: Vec<(String, crate::template::Value)> },
    /// `meta`
    Meta(String),
}

impl Effect {
    /// Whether both add the same host with the same groups and variables.
    pub(crate) fn adds_the_same_host(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::AddHost { name, groups, vars },
                Self::AddHost { name: other, groups: its_groups, vars: its_vars },
            ) => name == other && groups == its_groups && vars == its_vars,
            _ => false,
        }
    }
}

impl TaskResult {
    /// A failure with a sentence.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        let mut result = Map::new();
        result.insert("msg".into(), message.into().into());
        Self { status: Status::Failed, result, ..Self::default() }
    }

    /// A failure before the module could run, such as that nobody could become its user.
    pub(crate) fn not_run(message: impl Into<String>) -> Self {
        Self { is_not_run: true, ..Self::failed(message) }
    }

    /// A task whose condition does not hold.
    pub(crate) fn skipped(reason: &str) -> Self {
        let mut result = Map::new();
        result.insert("skip_reason".into(), reason.into());
        Self { status: Status::Skipped, result, ..Self::default() }
    }

    /// In a dry run: a task that depends on what is not known.
    pub(crate) fn unknown(reason: &str) -> Self {
        Self { status: Status::Unknown, unknown: Some(reason.to_owned()), ..Self::default() }
    }

    /// A task whose file on the controller cannot be had.
    pub(crate) fn without_file(why: NoFile) -> Self {
        match why {
            NoFile::Refused(why) => Self::failed(why),
            NoFile::Unknown(why) => Self::unknown(&why),
        }
    }

    /// In a plan: a handler of which it is not known whether it is notified.
    pub(crate) fn notified_perhaps(why: &str) -> Self {
        Self { is_planned: true, ..Self::unknown(&format!("whether it is notified: {why}")) }
    }

    /// Whether it is not known what it changes, as far as the playbook does not promise that it changes nothing.
    pub(crate) fn is_open(&self) -> bool {
        self.unknown.is_some() && !self.changed && !self.keeps_still
    }

    /// A host that was not there.
    pub(crate) fn unreachable(why: &super::unreachable::Unreachable) -> Self {
        let result = Map::from_iter([
            ("msg".to_owned(), Json::from(why.to_string())),
            ("unreachable".to_owned(), Json::from(true)),
        ]);
        Self { status: Status::Unreachable, result, ..Self::default() }
    }

    /// What a module said.
    pub(crate) fn of(outcome: Outcome) -> Self {
        let status = match (outcome.failed, outcome.skipped) {
            (true, _) => Status::Failed,
            (false, true) => Status::Skipped,
            (false, false) => Status::Ok,
        };
        let mut result = outcome.result;
        add_lines(&mut result);
        if !outcome.warnings.is_empty() {
            result.insert("warnings".into(), json!(outcome.warnings));
        }
        Self {
            status,
            changed: outcome.changed,
            result,
            diffs: outcome.diffs,
            unknown: outcome.unknown,
            warnings: outcome.warnings,
            consequences: outcome.consequences,
            facts: Arc::new(outcome.facts),
            ..Self::default()
        }
    }

    /// Whether it went wrong.
    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.status, Status::Failed)
    }

    /// What playbooks see of it under the name that it is registered by.
    pub(crate) fn registered(&self) -> Map<String, Json> {
        let mut map = self.result.clone();
        if !self.facts.is_empty() {
            map.insert("ansible_facts".into(), Json::Object((*self.facts).clone()));
        }
        map.insert("changed".into(), self.changed.into());
        map.insert("failed".into(), self.is_failed().into());
        if self.status == Status::Skipped {
            map.insert("skipped".into(), true.into());
        }
        if self.is_failed() && !map.contains_key("exception") {
            // Playbooks test whether it is there.
            map.insert("exception".into(), "(traceback unavailable)".into());
        }
        if self.status == Status::Unreachable {
            map.insert("unreachable".into(), true.into());
        }
        if !self.keeps_diffs_back && !self.diffs.is_empty() && !map.contains_key("diff") {
            map.insert("diff".into(), crate::report::diff_json(&self.diffs));
        }
        map
    }

    /// What may be shown of it, by name.
    pub(crate) fn shown(&self) -> Map<String, Json> {
        let mut entries: Vec<(String, Json)> = self.registered().into_iter().collect();
        // The word in front of it says so.
        entries.retain(|(name, _)| name != "failed" && name != "exception");
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut map: Map<String, Json> = entries.into_iter().collect();
        if self.no_log {
            map.retain(|key, _| matches!(key.as_str(), "changed" | "skipped" | "unreachable"));
            map.insert("censored".into(), CENSORED.into());
        }
        map
    }
}

/// What stands for a result that must not be shown; Ansible's own words, which scripts look for.
const CENSORED: &str =
    "the output has been hidden due to the fact that 'no_log: true' was specified for this result";

/// `stdout_lines` beside `stdout`, as playbooks expect them.
fn add_lines(result: &mut Map<String, Json>) {
    for stream in ["stdout", "stderr"] {
        let name = format!("{stream}_lines");
        if let Some(text) = result.get(stream).and_then(Json::as_str)
            && !result.contains_key(&name)
        {
            let lines: Vec<Json> = text.lines().map(Json::from).collect();
            result.insert(name, lines.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_result_shows_only_whether_it_changed() {
        let mut result = TaskResult::failed("the password is hunter2");
        result.no_log = true;
        let shown = serde_json::to_string(&result.shown()).expect("a map");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("censored"), "{shown}");
    }

    #[test]
    fn lines_stand_beside_the_text() {
        let outcome = Outcome {
            result: Map::from_iter([("stdout".to_owned(), Json::from("a\nb"))]),
            ..Outcome::default()
        };
        assert_eq!(TaskResult::of(outcome).result["stdout_lines"], json!(["a", "b"]));
    }
}
