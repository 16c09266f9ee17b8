//! One task on one host: pure, an answer in, the next demand out. Conditions, loops, retries, and what counts as
//! changed and as failed are decided here; who carries a module out is not.

use super::arguments::{self, ArgumentsError};
use super::carry::asks_a_host;
use super::keywords::{Lookup, first_false, is_true, variable};
use super::known::partly_known;
use super::loop_items::Items;
use super::refused::refusal;
use super::result::{Effect, Status, TaskResult};
use super::unreachable::Unreachable;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Task, elsewhere};
use crate::template::{TemplateError, Value, from_json, pairs, text_of, to_json};
use crate::vars::{Level, Scope, Vars};
use crate::yaml::Node;
use muster_api::module::{ModuleSpec, RunsOn};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is said of a task for a host where no host is asked.
pub(crate) const NOT_ASKED: &str = "no host is asked";

/// Whether a task is for a host, and no `cluster` task. Where a template names the module, that is seen later.
fn needs_a_host(task: &Task) -> bool {
    let name = task.module.bare();
    task.own_module.is_some()
        || muster_api::module::find(name).is_some_and(|spec| asks_a_host(spec) && spec.name != "cluster")
}

/// What is to be done next for the task.
#[derive(Debug)]
pub(crate) enum Demand {
    /// Carry a module out, and come back with what it came to.
    Run(Box<Request>),
    /// Come back after a time; with how many attempts are left where it is for one.
    Wait { time: Duration, attempts_left: Option<u64> },
    /// Nothing: this is what the task came to.
    Done(Box<TaskResult>),
}

/// What a demand came to.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The module was carried out.
    Done(Box<TaskResult>),
    /// The host cannot be reached.
    Unreachable(Unreachable),
    /// The time is over.
    Waited,
}

/// A module to be carried out.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) task: Arc<Task>,
    pub(crate) spec: &'static ModuleSpec,
    pub(crate) args: Map<String, Json>,
    pub(crate) scope: Scope,
    pub(crate) check: bool,
    pub(crate) diff: bool,
    pub(crate) no_log: bool,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout: Option<Duration>,
    /// On another host than the one that the task is for.
    pub(crate) delegate_to: Option<String>,
}

/// What holds for all tasks of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mode {
    pub(crate) check: bool,
    pub(crate) diff: bool,
    /// Seconds after which any task is ended.
    pub(crate) timeout: Option<u64>,
    /// What tasks come to is hidden, unless they say that it is not.
    pub(crate) no_log: bool,
    /// No host is asked anything: only what `cluster` tasks declare counts.
    pub(crate) only_declares: bool,
}

/// What Ansible says of a condition in `{{ }}`; scripts look for its beginning.
const WRAPPED_CONDITION: &str = "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}: \
                                 write the expression alone.";

/// From `-vvv` on, screens show how modules were called.
pub(crate) const SHOWS_INVOCATION: u8 = 3;

/// One task on one host.
pub(crate) struct TaskRun {
    task: Arc<Task>,
    mode: Arc<Mode>,
    /// Without the variables of a loop.
    outer: Scope,
    /// With them.
    scope: Scope,
    items: Option<Items>,
    /// The loop could not be rendered: that counts only where the condition holds.
    items_error: Option<TemplateError>,
    index: usize,
    attempt: u64,
    done: Vec<TaskResult>,
    is_started: bool,
    is_paused: bool,
    delegate_to: Option<String>,
    no_log: bool,
    /// How the module was called, for who asks the result for it.
    invocation: Option<Json>,
    began: Instant,
}

impl TaskRun {
    /// A task for a host whose variables `scope` has.
    pub(crate) fn new(task: Arc<Task>, scope: Scope, mode: Arc<Mode>) -> Self {
        Self {
            task,
            mode,
            outer: scope.clone(),
            scope,
            items: None,
            items_error: None,
            index: 0,
            attempt: 1,
            done: Vec::new(),
            is_started: false,
            is_paused: false,
            delegate_to: None,
            no_log: false,
            invocation: None,
            began: Instant::now(),
        }
    }

    /// The results of a loop's items so far.
    pub(crate) fn items_so_far(&self) -> &[TaskResult] {
        &self.done
    }

    /// What is to be done next.
    pub(crate) fn next(&mut self, reply: Option<Reply>) -> Demand {
        match reply {
            None if !self.is_started => self.start(),
            None | Some(Reply::Waited) => self.attempt(),
            Some(Reply::Done(result)) => self.judge(*result),
            Some(Reply::Unreachable(why)) => {
                let result = self.ignoring(TaskResult::unreachable(&why), Keyword::IgnoreUnreachable);
                self.finish(result)
            }
        }
    }

    fn start(&mut self) -> Demand {
        self.is_started = true;
        self.no_log =
            self.lookup().truth(Keyword::NoLog).map_or(true, |no_log| no_log.unwrap_or(self.mode.no_log));
        match Items::of(&self.task, &self.outer) {
            Ok(Some(items)) if items.values.is_empty() => {
                let mut result = TaskResult::skipped("");
                result.result = Map::from_iter([
                    ("skipped_reason".to_owned(), Json::from("No items in the list")),
                    ("results".to_owned(), Json::Array(Vec::new())),
                ]);
                return Demand::Done(Box::new(self.complete(result)));
            }
            Ok(items) => self.items = items,
            Err(err) => self.items_error = Some(err),
        }
        self.begin_item()
    }

    fn begin_item(&mut self) -> Demand {
        if let Some(items) = &self.items {
            self.scope = items.scope(&self.outer, self.index);
        }
        self.attempt = 1;
        self.attempt()
    }

    fn attempt(&mut self) -> Demand {
        if std::mem::take(&mut self.is_paused) {
            return self.begin_item();
        }
        match self.request() {
            Ok(Asked::Request(request)) => Demand::Run(request),
            Ok(Asked::Answer(result)) => self.finish(*result),
            Err(Stop::Template(err)) => {
                let result = self.template_failure(&err);
                self.finish_ignoring(result)
            }
            Err(Stop::Argument { name, err }) => {
                let mut result = self.template_failure(&err);
                if let Some(Json::String(why)) =
                    result.result.get("msg").filter(|_| result.is_failed()).cloned()
                {
                    result.result.insert("msg".into(), arguments::unfinished(&self.task, &name, &why).into());
                }
                self.finish_ignoring(result)
            }
            Err(Stop::Refused(why)) => self.finish_ignoring(TaskResult::failed(why)),
        }
    }

    fn request(&mut self) -> Result<Asked, Stop> {
        let task = self.task.clone();
        if self.mode.only_declares && needs_a_host(&task) {
            return Ok(Asked::Answer(Box::new(TaskResult::unknown(NOT_ASKED))));
        }
        let conditions = task.scope.each(Keyword::When);
        if let Some(node) = first_false(&conditions, &self.scope)? {
            return Ok(Asked::Answer(Box::new(condition_is_false(node))));
        }
        if let Some(err) = self.items_error.take() {
            return Err(Stop::Template(err));
        }
        if let Some(why) = refusal(&task) {
            return Err(Stop::Refused(why));
        }
        self.delegate_to = self.lookup().text(Keyword::DelegateTo)?;
        if let Some(host) = &self.delegate_to {
            self.scope = self.scope.with(Level::LoopVars, delegated_vars(&self.scope, host)?);
        }
        let name = module_name(&task, &self.scope)?;
        if let Some(effect) = self.own_effect(&name)? {
            return Ok(Asked::Answer(Box::new(effect)));
        }
        let spec = match &task.own_module {
            Some(_) => &muster_api::module::OWN_MODULE,
            None => muster_api::module::find(&name).ok_or_else(|| Stop::Refused(no_module(&name)))?,
        };
        let args = match arguments::arguments(&task, spec, &self.scope) {
            Err(err) if is_expression_module(spec) => ignore_expression(err)?,
            other => other?,
        };
        hide_secrets(spec, &args, &self.scope);
        self.invocation = self.tells_invocation(spec).then(|| invocation(spec, &args));
        let lookup = self.lookup();
        if let Some(refusal) = lookup.timeout_out_of_range()? {
            return Err(Stop::Refused(refusal));
        }
        let timeout = lookup.seconds(Keyword::Timeout)?.or(self.mode.timeout.map(Duration::from_secs));
        Ok(Asked::Request(Box::new(Request {
            spec,
            args,
            check: lookup.truth(Keyword::CheckMode)?.unwrap_or(self.mode.check),
            diff: lookup.truth(Keyword::Diff)?.unwrap_or(self.mode.diff),
            no_log: self.no_log,
            environment: self.environment(spec)?,
            timeout: timeout.filter(|timeout| !timeout.is_zero()),
            delegate_to: self.delegate_to.clone(),
            scope: self.scope.clone(),
            task,
        })))
    }

    /// The environment of the step; one in the background also hears where the files of such steps are.
    fn environment(&self, spec: &ModuleSpec) -> Result<BTreeMap<String, String>, TemplateError> {
        let mut environment = self.lookup().environment()?;
        if (spec.name == "async_status" || self.own(Keyword::Async).is_some())
            && let Some(folder) = variable(&self.scope, "ansible_async_dir")?
        {
            environment.entry("ANSIBLE_ASYNC_DIR".to_owned()).or_insert(folder);
        }
        Ok(environment)
    }

    /// What needs no module: includes and `meta`.
    fn own_effect(&self, name: &str) -> Result<Option<TaskResult>, Stop> {
        let bare = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
        let effect = match bare.unwrap_or(name) {
            "include_tasks" | "include_role" => {
                let Some(name) = self.included_name()? else {
                    return Err(Stop::Refused(format!("`{name}` does not say what to include")));
                };
                let vars = self.items.as_ref().map(|items| items.variables(self.index)).unwrap_or_default();
                Effect::Include { name, vars }
            }
            "meta" => {
                let what =
                    self.task.args.free_form.as_ref().or_else(|| self.task.args.named.get("_raw_params"));
                let what = what.map(|node| self.scope.render_node(node)).transpose()?;
                Effect::Meta(what.map(|what| text_of(&what)).unwrap_or_default())
            }
            _ => return Ok(None),
        };
        Ok(Some(TaskResult { effects: vec![effect], ..TaskResult::default() }))
    }

    /// The file or role that is included, which may be a template for the name or for all arguments.
    fn included_name(&self) -> Result<Option<String>, TemplateError> {
        const NAMES: [&str; 4] = ["file", "_raw_params", "name", "role"];
        let args = &self.task.args;
        let named = || NAMES.iter().find_map(|name| args.named.get(name));
        if let Some(node) = args.free_form.as_ref().or_else(named) {
            return Ok(Some(text_of(&self.scope.render_node(node)?)));
        }
        let Some(template) = &args.template else { return Ok(None) };
        let value = self.scope.render_node(template)?;
        if value.as_str().is_some() {
            return Ok(Some(text_of(&value)));
        }
        let entries = pairs(&value);
        let entry = entries.iter().find(|(key, _)| key.as_str().is_some_and(|key| NAMES.contains(&key)));
        Ok(entry.map(|(_, name)| text_of(name)))
    }

    /// A module came back: what does that count as, and is it tried again?
    fn judge(&mut self, mut result: TaskResult) -> Demand {
        self.leave_out_diffs(&mut result);
        if let Some(invocation) = self.invocation.take() {
            result.result.entry("invocation").or_insert(invocation);
        }
        if self.own(Keyword::Until).is_some() || self.own(Keyword::Retries).is_some() {
            result.result.insert("attempts".into(), self.attempt.into());
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

    /// Modules of hosts say how they were called, to a variable or on a screen that shows everything. One of the user
    /// says so itself.
    fn tells_invocation(&self, spec: &ModuleSpec) -> bool {
        let is_seen =
            self.own(Keyword::Register).is_some() || self.scope.play().verbosity >= SHOWS_INVOCATION;
        spec.runs_on == RunsOn::Host && self.task.own_module.is_none() && is_seen
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
        TaskResult { status: failure.status, unknown: failure.unknown, ..result }
    }

    fn judged(&self, mut result: TaskResult) -> Result<TaskResult, TemplateError> {
        if let Some(node) = self.own(Keyword::ChangedWhen) {
            match self.with_result(&result).condition(node) {
                Ok(changed) => result.changed = changed,
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

    fn finish_ignoring(&mut self, result: TaskResult) -> Demand {
        let result = self.ignoring(result, Keyword::IgnoreErrors);
        self.finish(result)
    }

    fn ignoring(&self, mut result: TaskResult, keyword: Keyword) -> TaskResult {
        let counts = match keyword {
            Keyword::IgnoreUnreachable => result.status == Status::Unreachable,
            _ => result.status == Status::Failed,
        };
        result.ignored = counts && self.lookup().truth(keyword).ok().flatten().unwrap_or(false);
        result
    }

    /// One repetition is done, or the only one.
    fn finish(&mut self, mut result: TaskResult) -> Demand {
        result.delegated_to = self.delegate_to.clone();
        result.no_log |= self.no_log;
        if result.is_failed() && result.origin.is_none() {
            result.origin = Some(self.task.span().clone());
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
            no_log: self.no_log,
            delegated_to: self.delegate_to.clone(),
            ..TaskResult::default()
        };
        for item in &items {
            whole.diffs.extend(item.diffs.iter().cloned());
            Arc::make_mut(&mut whole.facts).extend((*item.facts).clone());
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
    fn complete(&self, mut result: TaskResult) -> TaskResult {
        result.no_log |= self.no_log;
        result.seconds = self.began.elapsed().as_secs_f64();
        if self.warns_of_deprecations() && self.has_wrapped_condition() {
            let told = serde_json::json!([{"msg": WRAPPED_CONDITION, "version": "2.23"}]);
            result.result.entry("deprecations").or_insert(told);
        }
        if result.changed {
            match self.lookup().texts(Keyword::Notify) {
                Ok(names) => result.notify = names,
                Err(err) => return self.template_failure(&err),
            }
        }
        result
    }

    fn template_failure(&self, err: &TemplateError) -> TaskResult {
        let origin = err.root().span().or_else(|| err.span());
        match err.unknown_reason() {
            Some(reason) if self.mode.check => TaskResult { origin, ..TaskResult::unknown(reason) },
            _ => TaskResult { origin, ..TaskResult::failed(super::template_error::sentence(err)) },
        }
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

    /// The scope in which `until`, `changed_when` and `failed_when` look at the result.
    fn with_result(&self, result: &TaskResult) -> Scope {
        let Ok(Some(name)) = self.lookup().text(Keyword::Register) else { return self.scope.clone() };
        let mut vars = Vars::new();
        vars.set_plain(&name, registered_value(result));
        self.scope.with(Level::LoopVars, vars)
    }

    fn own(&self, keyword: Keyword) -> Option<&Node> {
        self.task.scope.keywords.get(keyword)
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup { task: &self.task, scope: &self.scope }
    }
}

/// `ansible_delegated_vars`: how the host is reached that the task is delegated to, and for whom it is done.
fn delegated_vars(scope: &Scope, host: &str) -> Result<Vars, TemplateError> {
    const OF_HOST: [&str; 4] = ["ansible_host", "ansible_port", "ansible_user", "ansible_connection"];
    let other = scope.of_host(host);
    let mut entries = vec![("inventory_hostname", Value::from(scope.host().unwrap_or_default()))];
    for name in OF_HOST {
        if let Some(value) = other.as_ref().map(|other| other.get(name)).transpose()?.flatten() {
            entries.push((name, value));
        }
    }
    if other.is_none() {
        entries.push(("ansible_host", Value::from(host)));
    }
    let mut vars = Vars::new();
    // As in Ansible, a host without an address of its own has the other's while it delegates.
    if scope.definition("ansible_host").is_none()
        && let Some((name, address)) = entries.iter().find(|(name, _)| *name == "ansible_host")
    {
        vars.set_plain(name, address.clone());
    }
    vars.set_plain("ansible_delegated_vars", Value::from_pairs([(host, Value::from_pairs(entries))]));
    Ok(vars)
}

enum Asked {
    Request(Box<Request>),
    Answer(Box<TaskResult>),
}

enum Stop {
    Template(TemplateError),
    Argument { name: String, err: TemplateError },
    Refused(String),
}

impl From<TemplateError> for Stop {
    fn from(err: TemplateError) -> Self {
        Self::Template(err)
    }
}

impl From<ArgumentsError> for Stop {
    fn from(err: ArgumentsError) -> Self {
        match err {
            ArgumentsError::Template(err) => Self::Template(err),
            ArgumentsError::Argument { name, err } => Self::Argument { name, err },
            ArgumentsError::Refused(why) => Self::Refused(why),
        }
    }
}

/// The value that a result is registered as.
pub(crate) fn registered_value(result: &TaskResult) -> Value {
    let known = result.registered();
    match &result.unknown {
        None => from_json(&Json::Object(known)),
        Some(reason) => partly_known(&known, reason),
    }
}

fn module_name(task: &Task, scope: &Scope) -> Result<String, TemplateError> {
    if task.module.is_template() {
        return Ok(text_of(&scope.render_node(&task.module.0)?));
    }
    Ok(task.module.written().to_owned())
}

fn no_module(name: &str) -> String {
    match elsewhere::collection_of(name) {
        Some(collection) => elsewhere::refusal(name, collection),
        None => format!("there is no module `{name}`"),
    }
}

/// `debug: var` and `assert: that` are expressions: they are not rendered as arguments.
fn is_expression_module(spec: &ModuleSpec) -> bool {
    matches!(spec.name, "assert" | "debug")
}

fn ignore_expression(err: ArgumentsError) -> Result<Map<String, Json>, Stop> {
    match err {
        ArgumentsError::Template(_) | ArgumentsError::Argument { .. } => Ok(Map::new()),
        ArgumentsError::Refused(why) => Err(Stop::Refused(why)),
    }
}

/// What the module's table marks as secret is masked in every report.
fn hide_secrets(spec: &ModuleSpec, args: &Map<String, Json>, scope: &Scope) {
    for arg in spec.args.iter().filter(|arg| arg.secret) {
        if let Some(text) = args.get(arg.name).and_then(Json::as_str) {
            scope.secrets().add(text);
        }
    }
}

/// The arguments with their defaults; secrets are named as Ansible names them.
fn invocation(spec: &ModuleSpec, args: &Map<String, Json>) -> Json {
    let is_secret = |name: &str| spec.argument(name).is_some_and(|argument| argument.secret);
    let shown = |(name, value): (&String, &Json)| {
        let hidden = is_secret(name) && !value.is_null();
        (name.clone(), if hidden { "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER".into() } else { value.clone() })
    };
    serde_json::json!({"module_args": args.iter().map(shown).collect::<Map<_, _>>()})
}

fn condition_is_false(node: &Node) -> TaskResult {
    let mut result = TaskResult::skipped("Conditional result was False");
    result.result.insert("false_condition".into(), node.to_json());
    result
}

fn unfailed(status: Status) -> Status {
    if status == Status::Failed { Status::Ok } else { status }
}
