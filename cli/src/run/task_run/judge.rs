//! What a module's answer counts as: `changed_when`, `failed_when`, `until`, `ignore_errors`.

use super::{Demand, TaskRun};
use crate::playbook::keyword::Keyword;
use crate::run::result::{Effect, Status, TaskResult};
use crate::template::TemplateError;
use std::time::Duration;

impl TaskRun {
    /// A module came back: what does that count as, and is it tried again?
    pub(super) fn judge(&mut self, mut result: TaskResult) -> Demand {
        self.leave_out_diffs(&mut result);
        if let Some(invocation) = self.invocation.take() {
            result.result.entry("invocation").or_insert(invocation);
        }
        if self.own(Keyword::Until).is_some() || self.own(Keyword::Retries).is_some() {
            result.result.insert("attempts".into(), self.attempt.into());
        }
        result.is_planned = self.is_plan();
        if let Some(reason) = result.unknown.as_mut().filter(|_| self.is_held_back) {
            *reason += &format!(
                "; {}",
                crate::run::foresight::hint(self.name().as_deref(), self.task.module.bare())
            );
        }
        let has_opinion = self.own(Keyword::ChangedWhen).is_some() || self.own(Keyword::FailedWhen).is_some();
        let is_judged = has_opinion && !result.is_not_run;
        let result = match is_judged.then(|| self.judged(result.clone())) {
            None => result,
            Some(Ok(judged)) => judged,
            Some(Err(err)) => self.misjudged(result, &err),
        };
        let result = self.once_in_a_loop(result);
        match self.wants_retry(&result) {
            Ok(Some(time)) => {
                self.attempt += 1;
                let attempts_left = (self.attempts() + 2).saturating_sub(self.attempt);
                Demand::Wait { time, attempts_left: Some(attempts_left) }
            }
            Ok(None) => {
                let result = self.out_of_attempts(result);
                self.finish_ignoring(result)
            }
            Err(err) => {
                let result = self.template_failure(&err);
                self.finish_ignoring(result)
            }
        }
    }

    /// What is registered has the differences that some modules find only in the mode `diff`.
    fn leave_out_diffs(&self, result: &mut TaskResult) {
        const ONLY_IN_DIFF_MODE: [&str; 4] = ["assemble", "copy", "file", "template"];
        let is_on = self.lookup().truth(Keyword::Diff).ok().flatten().unwrap_or(self.mode.diff);
        if !is_on && ONLY_IN_DIFF_MODE.contains(&self.task.module.bare()) {
            result.result.remove("diff");
            result.keeps_diffs_back = true;
        }
    }

    /// A host that an earlier item of the loop added is there already.
    fn once_in_a_loop(&self, mut result: TaskResult) -> TaskResult {
        let mut earlier = self.done.iter().flat_map(|item| &item.effects);
        let mut is_known = |effect: &Effect| earlier.any(|done| done.adds_the_same_host(effect));
        if result.changed && self.own(Keyword::ChangedWhen).is_none() {
            result.changed = !result.effects.iter().any(&mut is_known);
        }
        result
    }

    /// What counts as changed or failed cannot be said: that is a failure, with what the module said.
    fn misjudged(&self, mut result: TaskResult, err: &TemplateError) -> TaskResult {
        let failure = self.template_failure(err);
        let why = failure.result.get("msg").cloned().unwrap_or_default();
        for (keyword, name) in
            [(Keyword::ChangedWhen, "changed_when_result"), (Keyword::FailedWhen, "failed_when_result")]
        {
            if self.own(keyword).is_some() {
                result.result.insert(name.into(), why.clone());
            }
        }
        result.result.extend(failure.result);
        TaskResult {
            status: failure.status,
            unknown: failure.unknown.or(result.unknown),
            sources: failure.sources,
            ..result
        }
    }

    fn judged(&self, mut result: TaskResult) -> Result<TaskResult, TemplateError> {
        if let Some(node) = self.own(Keyword::ChangedWhen) {
            match self.with_result(&result).condition(node) {
                Ok(changed) => {
                    result.changed = changed;
                    result.keeps_still = !changed && result.unknown.is_some();
                    if changed && self.is_plan() && result.status == Status::Skipped {
                        // Only the plan leaves it out.
                        result.status = Status::Ok;
                    }
                }
                Err(err) => match err.unknown_reason() {
                    Some(reason) => result.unknown = Some(reason.to_owned()),
                    None => return Err(err),
                },
            }
        }
        if let Some(node) = self.own(Keyword::FailedWhen) {
            match self.with_result(&result).condition(node) {
                Ok(failed) => {
                    result.result.insert("failed_when_result".into(), failed.into());
                    if !failed && result.is_failed() {
                        let why = "(traceback unavailable)".into();
                        result.result.insert("failed_when_suppressed_exception".into(), why);
                    }
                    result.status = if failed { Status::Failed } else { unfailed(result.status) };
                }
                Err(err) => match err.unknown_reason() {
                    Some(reason) => result.unknown = Some(reason.to_owned()),
                    None => return Err(err),
                },
            }
        }
        Ok(result)
    }

    fn wants_retry(&self, result: &TaskResult) -> Result<Option<Duration>, TemplateError> {
        let until = self.own(Keyword::Until);
        let retries = self.own(Keyword::Retries);
        if (until.is_none() && retries.is_none())
            || result.unknown.is_some()
            || result.status == Status::Skipped
        {
            return Ok(None);
        }
        let is_enough = match until {
            Some(node) => match self.with_result(result).condition(node) {
                Ok(is_enough) => is_enough,
                // A result without the key that is asked for is a failed attempt, as long as the task failed.
                Err(_) if result.is_failed() => false,
                Err(err) => return Err(err),
            },
            None => !result.is_failed(),
        };
        if is_enough || self.attempt > self.attempts() {
            return Ok(None);
        }
        let delay = self.lookup().seconds(Keyword::Delay)?;
        Ok(Some(delay.unwrap_or(Duration::from_secs(5))))
    }

    /// How often the task is tried again.
    fn attempts(&self) -> u64 {
        let retries = self.lookup().number(Keyword::Retries).ok().flatten();
        retries.map_or(3, |retries| u64::try_from(retries).unwrap_or(0))
    }

    /// A task with `until` that never got there has failed, whatever its module said.
    fn out_of_attempts(&self, mut result: TaskResult) -> TaskResult {
        let has_retries = self.own(Keyword::Until).is_some() || self.own(Keyword::Retries).is_some();
        if !has_retries || result.unknown.is_some() || result.status == Status::Skipped {
            return result;
        }
        let attempts = self.attempt.min(self.attempts().max(1));
        result.result.insert("attempts".into(), attempts.into());
        let is_enough = self
            .own(Keyword::Until)
            .is_none_or(|node| self.with_result(&result).condition(node).unwrap_or(false));
        // Where `failed_when` has decided, its word counts.
        if !is_enough && !result.result.contains_key("failed_when_result") {
            result.status = Status::Failed;
        }
        result
    }

    pub(super) fn finish_ignoring(&mut self, result: TaskResult) -> Demand {
        let result = self.ignoring(result, Keyword::IgnoreErrors);
        self.finish(result)
    }

    pub(super) fn ignoring(&self, mut result: TaskResult, keyword: Keyword) -> TaskResult {
        let counts = match keyword {
            Keyword::IgnoreUnreachable => result.status == Status::Unreachable,
            _ => result.status == Status::Failed,
        };
        result.ignored = counts && self.lookup().truth(keyword).ok().flatten().unwrap_or(false);
        result
    }
}

fn unfailed(status: Status) -> Status {
    if status == Status::Failed { Status::Ok } else { status }
}
