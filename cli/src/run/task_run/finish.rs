//! The end of a repetition, of the loop, and of the task.

use super::{Demand, TaskRun};
use crate::playbook::keyword::Keyword;
use crate::run::arguments;
use crate::run::keywords::is_true;
use crate::run::result::{Effect, Status, TaskResult};
use crate::run::sources;
use crate::template::{from_json, to_json};
use crate::vars::{Level, Vars};
use crate::yaml::Node;
use serde_json::Value as Json;

/// What Ansible says of a condition in `{{ }}`; scripts look for its beginning.
const WRAPPED_CONDITION: &str = "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}: \
                                 write the expression alone.";

impl TaskRun {
    /// One repetition is done, or the only one.
    pub(super) fn finish(&mut self, mut result: TaskResult) -> Demand {
        result.delegated_to = self.delegate_to.clone();
        result.is_planned = self.is_plan();
        result.keeps_still |= result.unknown.is_some() && !result.changed && self.only_talks();
        result.no_log |= self.no_log;
        if result.no_log {
            self.keep_secret(&result);
        }
        if result.is_failed() && result.origin.is_none() {
            result.origin = Some(self.task.span().clone());
        }
        match () {
            () if result.no_log => result.sources.clear(),
            () if result.is_failed() && result.sources.is_empty() => {
                result.sources = sources::of_failure(&result, &self.task, &self.scope);
            }
            () => {}
        }
        let Some(items) = &self.items else {
            return Demand::Done(Box::new(self.complete(result)));
        };
        let items = items.clone();
        let label = items.label(&self.with_result(&result), self.index).unwrap_or_else(|err| {
            if err.unknown_reason().is_none() {
                result = self.ignoring(self.template_failure(&err), Keyword::IgnoreErrors);
            }
            items.item_text(self.index)
        });
        result.result.insert(items.variable.clone(), to_json(&items.values[self.index]));
        result.result.insert("ansible_loop_var".into(), items.variable.clone().into());
        result.label = Some(label);
        let is_unreachable = result.status == Status::Unreachable && !result.ignored;
        let is_broken_off = items
            .break_when
            .as_ref()
            .is_some_and(|node| self.with_result(&result).condition(node).unwrap_or(false));
        self.see_facts(&result);
        self.done.push(result);
        self.index += 1;
        if self.index == items.values.len() || is_unreachable || is_broken_off {
            let whole = self.whole_loop();
            return Demand::Done(Box::new(self.complete(whole)));
        }
        match items.pause {
            Some(time) => {
                self.is_paused = true;
                Demand::Wait { time, attempts_left: None }
            }
            None => self.begin_item(),
        }
    }

    /// What a task with `no_log` printed or read stays hidden where others show what it registered.
    fn keep_secret(&self, result: &TaskResult) {
        let secrets = self.scope.secrets();
        let text = |name: &str| result.result.get(name).and_then(Json::as_str);
        ["stdout", "stderr", "content"]
            .into_iter()
            .filter_map(text)
            .for_each(|text| secrets.add_printed(text));
        let read = text("content").filter(|_| text("encoding") == Some("base64"));
        let read = read.and_then(|text| base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).ok());
        if let Some(text) = read.and_then(|bytes| String::from_utf8(bytes).ok()) {
            secrets.add_printed(&text);
        }
    }

    /// Whether the module can do nothing but say something, or keep it for later tasks.
    fn only_talks(&self) -> bool {
        matches!(self.task.module.bare(), "debug" | "set_fact" | "include_vars" | "set_stats")
    }

    /// The facts that an item set are there for those after it.
    fn see_facts(&mut self, result: &TaskResult) {
        let mut vars = Vars::new();
        for (name, value) in result.facts.iter() {
            vars.set_plain(name, from_json(value));
        }
        for effect in &result.effects {
            if let Effect::SetFact { name, data, .. } = effect {
                vars.set(name, data.clone());
            }
        }
        if !vars.is_empty() {
            self.outer = self.outer.with(Level::SetFact, vars);
        }
    }

    fn whole_loop(&mut self) -> TaskResult {
        let items = std::mem::take(&mut self.done);
        let any = |status| items.iter().any(|item| item.status == status && !item.ignored);
        let all_skipped = items.iter().all(|item| item.status == Status::Skipped);
        let (status, message) = match () {
            () if any(Status::Unreachable) => (Status::Unreachable, "One or more items failed"),
            () if items.iter().any(TaskResult::is_failed) => (Status::Failed, "One or more items failed"),
            () if all_skipped => (Status::Skipped, "All items skipped"),
            () if any(Status::Unknown) => (Status::Unknown, "All items completed"),
            () => (Status::Ok, "All items completed"),
        };
        let mut whole = TaskResult {
            status,
            changed: items.iter().any(|item| item.changed),
            ignored: status == Status::Failed
                && items.iter().filter(|item| item.is_failed()).all(|item| item.ignored),
            unknown: items.iter().find_map(|item| item.unknown.clone()),
            keeps_still: !items.iter().any(TaskResult::is_open),
            is_planned: self.is_plan(),
            no_log: self.no_log,
            delegated_to: self.delegate_to.clone(),
            ..TaskResult::default()
        };
        whole.keeps_still &= whole.unknown.is_some();
        for item in &items {
            whole.diffs.extend(item.diffs.iter().cloned());
            whole.effects.extend(item.effects.iter().cloned());
            whole.consequences.extend(item.consequences.iter().cloned());
            whole.warnings.extend(item.warnings.iter().cloned());
        }
        let results = items.iter().map(|item| Json::Object(item.registered())).collect();
        whole.result.insert("results".into(), results);
        whole.result.insert("msg".into(), message.into());
        whole.items = items;
        whole
    }

    /// What follows from the result of the whole task.
    pub(super) fn complete(&self, mut result: TaskResult) -> TaskResult {
        result.no_log |= self.no_log;
        result.seconds = self.began.elapsed().as_secs_f64();
        self.task.module.bare().clone_into(&mut result.module);
        if self.warns_of_deprecations() && self.has_wrapped_condition() {
            let told = serde_json::json!([{"msg": WRAPPED_CONDITION, "version": "2.23"}]);
            result.result.entry("deprecations").or_insert(told);
        }
        let may_notify = self.is_plan() && !self.mode.only_declares && result.is_open();
        if result.changed || may_notify {
            match self.lookup().texts(Keyword::Notify) {
                Ok(names) if may_notify => result.may_notify = names,
                Ok(names) => result.notify = names,
                Err(err) => return self.template_failure(&err),
            }
        }
        result
    }

    fn warns_of_deprecations(&self) -> bool {
        let of_host = self.scope.get("ansible_deprecation_warnings").ok().flatten();
        of_host.map_or_else(|| self.scope.play().settings.warns_of_deprecations(), |value| is_true(&value))
    }

    /// Whether a condition of the task stands in `{{ }}`.
    fn has_wrapped_condition(&self) -> bool {
        let own =
            [Keyword::Until, Keyword::ChangedWhen, Keyword::FailedWhen].map(|keyword| self.own(keyword));
        let that = arguments::written(&self.task, "that").filter(|_| self.task.module.bare() == "assert");
        let all =
            self.task.scope.each(Keyword::When).into_iter().chain(own.into_iter().flatten()).chain(that);
        all.flat_map(Node::one_or_many)
            .any(|node| node.as_str().is_some_and(|text| text.trim_start().starts_with("{{")))
    }
}
