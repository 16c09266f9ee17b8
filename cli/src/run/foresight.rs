//! What `plan` does otherwise than a dry run of Ansible's: no task runs because it says so itself (`check_mode: false`), only
//! what looks and nothing else, and what the user names. A dry run by `apply --check` has none of this.

use crate::run::result::{Status, TaskResult};
use crate::template::{Value, from_json};
use muster_api::module::only_looks;
use serde_json::{Map, Value as Json};

/// The rules of a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foresight {
    /// Names of tasks, and `module:NAME`, that may run although nothing is applied.
    pub(crate) allowed: Vec<String>,
}

/// What a task with `check_mode: false` comes to in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looking {
    /// It runs.
    Runs,
    /// It is predicted like any other.
    IsPredicted,
}

impl Foresight {
    /// Whether a task that asks to run in a dry run does.
    pub(crate) fn judge(&self, task: Option<&str>, module: &str, args: &Map<String, Json>) -> Looking {
        let of_module = format!("module:{module}");
        let is_allowed = |name: &String| Some(name.as_str()) == task || *name == of_module;
        match self.allowed.iter().any(is_allowed) || only_looks(module, args) {
            true => Looking::Runs,
            false => Looking::IsPredicted,
        }
    }
}

/// What to do about a task that would have run if Ansible had been asked.
pub(crate) fn hint(task: Option<&str>, module: &str) -> String {
    let name = task.map_or_else(|| format!("module:{module}"), str::to_owned);
    format!("a plan runs it in spite of `check_mode: false` only if it is told `--run-in-check '{name}'`")
}

/// What stands in a result after `changed_when` and `failed_when` were looked at: they may say what it counts as, whatever the
/// module says.
const JUDGED: [&str; 2] = ["changed_when_result", "failed_when_result"];

/// What is known of a result of which the plan does not know everything: nothing that only the run can tell.
pub(crate) fn known_part(result: &TaskResult) -> indexmap::IndexMap<String, Value> {
    let keeps_still = result.changed || result.keeps_still;
    let mut known = indexmap::IndexMap::new();
    if keeps_still {
        known.insert("changed".to_owned(), Value::from(result.changed));
    }
    if !result.items.is_empty() {
        let results = result.items.iter().map(super::task_run::registered_value).collect::<Vec<_>>();
        known.insert("results".to_owned(), Value::from(results));
    }
    if result.result.keys().any(|name| JUDGED.contains(&name.as_str())) && result.status != Status::Unknown {
        known.insert("failed".to_owned(), Value::from(result.is_failed()));
    }
    for name in ["invocation", "ansible_facts"].into_iter().chain(JUDGED) {
        known.extend(result.result.get(name).map(|value| (name.to_owned(), from_json(value))));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(task: &str, module: &str, args: Json) -> Looking {
        let allowed = vec!["which release".to_owned(), "module:script".to_owned()];
        Foresight { allowed }.judge(Some(task), module, args.as_object().expect("a mapping"))
    }

    #[test]
    fn of_a_command_that_is_not_run_nothing_is_known_but_what_the_playbook_promises() {
        let mut result = TaskResult::unknown("`make` is not run");
        result.result.insert("rc".into(), 0.into());
        assert!(known_part(&result).is_empty());
        result.keeps_still = true;
        assert_eq!(known_part(&result).keys().collect::<Vec<_>>(), ["changed"]);
    }

    #[test]
    fn only_what_looks_and_what_is_named_runs_in_a_plan() {
        assert_eq!(judged("ask", "uri", json!({"url": "http://n1/"})), Looking::Runs);
        assert_eq!(judged("ask", "uri", json!({"url": "http://n1/", "method": "HEAD"})), Looking::Runs);
        assert_eq!(
            judged("tell", "uri", json!({"url": "http://n1/", "method": "POST"})),
            Looking::IsPredicted
        );
        assert_eq!(
            judged("keep", "uri", json!({"url": "http://n1/", "dest": "/tmp/x"})),
            Looking::IsPredicted
        );
        assert_eq!(judged("wait", "wait_for", json!({"port": 22})), Looking::Runs);
        assert_eq!(judged("which release", "command", json!({"cmd": "lsb_release"})), Looking::Runs);
        assert_eq!(judged("another", "command", json!({"cmd": "lsb_release"})), Looking::IsPredicted);
        assert_eq!(judged("another", "script", json!({"cmd": "x.sh"})), Looking::Runs);
    }
}
