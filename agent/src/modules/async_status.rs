//! `async_status`: what a job in the background has come to.

use super::{Args, Check, Failure, Module};
use crate::worker::background::{DIFFS, UNKNOWN, folder};
use crate::worker::{Hands, Operation, View};
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};
use std::path::PathBuf;

pub(super) struct AsyncStatus;

impl Module for AsyncStatus {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let id = args.needed("jid")?;
        let path = file(id, view);
        let job = |failure: Failure| {
            failure.with("ansible_job_id", id).with("started", true).with("finished", true)
        };
        let read = view.read(&path);
        let read = read.map_err(|_| job(Failure::new("could not find job")))?;
        if args.text("mode") == Some("cleanup") {
            let mut check =
                Check::unchanged().with("ansible_job_id", id).with("erased", path.to_string_lossy());
            check.operations.push(Operation::Remove { path });
            return Ok(check);
        }
        let record: Map<String, Value> = serde_json::from_slice(&read)
            .map_err(|error| job(Failure::new(format!("Could not parse job output: {error}"))))?;
        Ok(told(record, &path))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        if args.text("mode") == Some("cleanup") {
            hands.carry_out(&check.operations)?;
        }
        Ok(check.outcome)
    }
}

fn file(id: &str, view: &View<'_>) -> PathBuf {
    let named = view.environment().get("ANSIBLE_ASYNC_DIR").map(String::as_str);
    // A number has no path in it.
    let id = id.replace('/', "_");
    folder(named, Some(view.expand("~").into())).join(id)
}

/// The record becomes the outcome that it was.
fn told(mut record: Map<String, Value>, path: &std::path::Path) -> Check {
    let mut check = Check::unchanged();
    let mut take = |name: &str| record.remove(name).is_some_and(|value| value == true);
    (check.outcome.changed, check.outcome.failed) = (take("changed"), take("failed"));
    check.outcome.skipped = take("skipped");
    check.outcome.diffs =
        record.remove(DIFFS).and_then(|diffs| serde_json::from_value(diffs).ok()).unwrap_or_default();
    check.outcome.unknown = record.remove(UNKNOWN).and_then(|why| why.as_str().map(str::to_owned));
    if let Some(Value::Object(facts)) = record.remove("ansible_facts") {
        check.outcome.facts = facts;
    }
    if let Some(Value::Array(warnings)) = record.remove("warnings") {
        check.outcome.warnings = warnings.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    }
    check.outcome.result = record;
    check.with("results_file", path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn unknown_job_is_a_failure() {
        let outcome = Trial::new("async_status").check(json!({"jid": "j0.0"}));
        assert!(outcome.failed && outcome.result["msg"] == "could not find job", "{outcome:?}");
    }
}
