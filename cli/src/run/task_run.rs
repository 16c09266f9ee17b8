//! One task on one host: pure, an answer in, the next demand out. Conditions, loops, retries, and what counts as
//! changed and as failed are decided here; who carries a module out is not.

mod finish;
mod judge;

use super::arguments::{self, ArgumentsError};
use super::carry::asks_a_host;
use super::foresight::{self, Foresight, Looking};
use super::keywords::{Lookup, first_false, variable};
use super::loop_items::Items;
use super::refused::refusal;
use super::result::{Effect, TaskResult};
use super::sources;
use super::unreachable::Unreachable;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Task, elsewhere};
use crate::template::{
    TemplateError, Value, from_json, pairs, partly_known, partly_known_with_all_names, text_of,
};
use crate::vars::{Level, Scope, Vars};
use crate::yaml::Node;
use muster_api::module::{ModuleSpec, RunsOn};
use muster_api::step::Perhaps;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is said of a task for a host where no host is asked.
pub(crate) const NOT_ASKED: &str = "no host is asked";

/// What leaves nothing behind on a host that a later task of a plan could look at.
const UNTOLD: &[&str] = &["cluster", "fetch", "reboot", "wait_for_connection", "async_status"];

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
    /// The handlers that a change makes due, where the host is to note them.
    pub(crate) notifies: BTreeSet<String>,
    /// In a plan: that it is not known whether or how it is done, and the host is only told what it may change.
    pub(crate) perhaps: Option<Perhaps>,
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
    /// Tasks are rendered as far as what they would put on hosts is compared.
    pub(crate) drafts: bool,
    /// In a plan: its rules.
    pub(crate) foresight: Option<Foresight>,
}

impl Mode {
    /// Whether tasks for hosts are rendered, and no host is asked.
    pub(crate) fn only_drafts(&self) -> bool {
        self.only_declares && self.drafts
    }
}

/// From `-vvv` on, screens show how modules were called.
pub(crate) const SHOWS_INVOCATION: u8 = 3;

/// One task on one host.
#[derive(Clone)]
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
    /// It asks to run in a dry run, and is not known only to look.
    is_held_back: bool,
    /// What it came to as it is not known whether or how it is done, while the host is told what it may change.
    in_doubt: Option<Box<TaskResult>>,
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
            is_held_back: false,
            in_doubt: None,
            invocation: None,
            began: Instant::now(),
        }
    }

    /// The same task at the same place, with the variables of `scope`.
    pub(crate) fn seen_with(&self, scope: Scope) -> Self {
        let of_item = self.items.as_ref().map(|items| items.scope(&scope, self.index));
        Self { scope: of_item.unwrap_or_else(|| scope.clone()), outer: scope, ..self.clone() }
    }

    /// The task.
    pub(crate) fn task(&self) -> &Arc<Task> {
        &self.task
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
            Some(Reply::Done(result)) => match self.in_doubt.take() {
                Some(unknown) => self.finish_ignoring(*unknown),
                None => self.judge(*result),
            },
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
                self.stopped(result, &err)
            }
            Err(Stop::Argument { name, err }) => {
                let mut result = self.template_failure(&err);
                if let Some(Json::String(why)) =
                    result.result.get("msg").filter(|_| result.is_failed()).cloned()
                {
                    result.result.insert("msg".into(), arguments::unfinished(&self.task, &name, &why).into());
                }
                self.stopped(result, &err)
            }
            Err(Stop::Refused(why)) => self.finish_ignoring(TaskResult::failed(why)),
            Err(Stop::Values { why, names }) => {
                let sources = sources::of_arguments(&names, &self.task, &self.scope);
                self.finish_ignoring(TaskResult { sources, ..TaskResult::failed(why) })
            }
        }
    }

    /// A template failed. Where it needs what only the run can tell, the host hears of the task all the same: what that may change
    /// is as little known to the tasks after it.
    fn stopped(&mut self, result: TaskResult, err: &TemplateError) -> Demand {
        match err.unknown_reason().and_then(|why| self.possible(why)) {
            Some(request) => {
                self.in_doubt = Some(Box::new(result));
                Demand::Run(Box::new(request))
            }
            None => self.finish_ignoring(result),
        }
    }

    /// What the host can be told of a task of which not all is known.
    fn possible(&self, why: &str) -> Option<Request> {
        let task = self.task.clone();
        if !self.is_plan() || self.mode.only_declares || task.own_module.is_some() || refusal(&task).is_some()
        {
            return None;
        }
        let spec = muster_api::module::find(&module_name(&task, &self.scope).ok()?)?;
        let is_told = spec.runs_on == RunsOn::Host && !UNTOLD.contains(&spec.name);
        let delegate_to = self.lookup().text(Keyword::DelegateTo).ok()?;
        let (args, lacks_arguments) = match arguments::arguments(&task, spec, &self.scope) {
            Ok(args) => (args, false),
            Err(_) => (arguments::known(&task, &self.scope), true),
        };
        is_told.then(|| Request {
            spec,
            args,
            check: true,
            diff: false,
            no_log: self.no_log,
            environment: self.environment(spec).unwrap_or_default(),
            notifies: BTreeSet::new(),
            perhaps: Some(Perhaps { why: why.to_owned(), lacks_arguments, done_as: None }),
            timeout: None,
            delegate_to,
            scope: self.scope.clone(),
            task,
        })
    }

    fn request(&mut self) -> Result<Asked, Stop> {
        let task = self.task.clone();
        let is_passed_over = !(self.mode.drafts && super::across::is_drafted(task.module.bare()));
        if self.mode.only_declares && is_passed_over && needs_a_host(&task) {
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
            // Each variable is rendered on its own, and one that is not known does not hinder the others.
            Err(ArgumentsError::Template(err) | ArgumentsError::Argument { err, .. })
                if spec.name == "set_fact" && self.is_plan() && err.unknown_reason().is_some() =>
            {
                Map::new()
            }
            other => other?,
        };
        hide_secrets(spec, &args, &self.scope);
        self.invocation = self.tells_invocation(spec).then(|| invocation(spec, &args));
        let lookup = self.lookup();
        if let Some(refusal) = lookup.timeout_out_of_range()? {
            return Err(Stop::Refused(refusal));
        }
        let (check, is_held_back) = self.is_checked(spec, &args)?;
        self.is_held_back = is_held_back;
        let lookup = self.lookup();
        let timeout = lookup.seconds(Keyword::Timeout)?.or(self.mode.timeout.map(Duration::from_secs));
        Ok(Asked::Request(Box::new(Request {
            spec,
            args,
            check,
            diff: lookup.truth(Keyword::Diff)?.unwrap_or(self.mode.diff),
            no_log: self.no_log,
            environment: self.environment(spec)?,
            notifies: self.notifies(spec),
            perhaps: None,
            timeout: timeout.filter(|timeout| !timeout.is_zero()),
            delegate_to: self.delegate_to.clone(),
            scope: self.scope.clone(),
            task,
        })))
    }

    /// Whether the task is only predicted, and whether that is against its own word.
    fn is_checked(&self, spec: &ModuleSpec, args: &Map<String, Json>) -> Result<(bool, bool), TemplateError> {
        let asked = self.lookup().truth(Keyword::CheckMode)?;
        Ok(match (asked, &self.mode.foresight) {
            (Some(false), Some(foresight)) => {
                let looking = foresight.judge(self.name().as_deref(), spec.name, args);
                (looking == Looking::IsPredicted, looking == Looking::IsPredicted)
            }
            (asked, _) => (asked.unwrap_or(self.mode.check), false),
        })
    }

    /// The name of the task, as the user gave it.
    fn name(&self) -> Option<String> {
        let name = self.task.name()?;
        self.scope.render_node(name).ok().map(|name| text_of(&name))
    }

    /// The handlers that would be lost if the run broke off behind this task: those of changes that the next run finds made.
    /// What runs each time notifies each time.
    fn notifies(&self, spec: &ModuleSpec) -> BTreeSet<String> {
        let runs_each_time = match spec.name {
            "command" | "shell" => {
                ["creates", "removes"].iter().all(|name| arguments::written(&self.task, name).is_none())
            }
            "raw" | "script" | "expect" | "uri" | "own_module" | "reboot" => true,
            _ => false,
        };
        if runs_each_time || self.delegate_to.is_some() {
            return BTreeSet::new();
        }
        // A name that needs the result is known when there is one.
        self.lookup().texts(Keyword::Notify).unwrap_or_default().into_iter().collect()
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

    /// Modules of hosts say how they were called, to a variable or on a screen that shows everything. One of the user
    /// says so itself.
    fn tells_invocation(&self, spec: &ModuleSpec) -> bool {
        let is_seen =
            self.own(Keyword::Register).is_some() || self.scope.play().verbosity >= SHOWS_INVOCATION;
        spec.runs_on == RunsOn::Host && self.task.own_module.is_none() && is_seen
    }

    fn template_failure(&self, err: &TemplateError) -> TaskResult {
        let origin = err.root().span().or_else(|| err.span());
        match err.unknown_reason() {
            Some(reason) if self.mode.check => {
                let effects = if self.is_plan() { doubted_vars(&self.task, reason) } else { Vec::new() };
                TaskResult { origin, effects, ..TaskResult::unknown(reason) }
            }
            _ => {
                let what = super::template_error::sentence(err);
                let result = match self.scope.doubt(err) {
                    Some(why) => TaskResult::unknown(&format!("{what}; {why}")),
                    None => TaskResult {
                        sources: sources::of_template(err, &self.task, &self.scope),
                        ..TaskResult::failed(what)
                    },
                };
                TaskResult { origin, ..result }
            }
        }
    }

    fn is_plan(&self) -> bool {
        self.mode.foresight.is_some()
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

/// What sets variables, and of which it is not known whether it does, leaves them behind as little known.
pub(super) fn doubted_vars(task: &Task, reason: &str) -> Vec<Effect> {
    match task.module.bare() {
        "set_fact" => {}
        "include_vars" => return vec![Effect::DoubtVars(format!("`include_vars` may set it: {reason}"))],
        _ => return Vec::new(),
    }
    let names = task.args.named.keys().map(|name| name.key_text().into_owned());
    let data = crate::template::unknown_if_any(reason);
    let doubt = |name| Effect::SetFact { name, data: data.clone().into(), cacheable: false };
    names.filter(|name| name != "cacheable").map(doubt).collect()
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
    Values { why: String, names: Vec<String> },
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
            ArgumentsError::Values { why, names } => Self::Values { why, names },
        }
    }
}

/// The value that a result is registered as.
pub(crate) fn registered_value(result: &TaskResult) -> Value {
    match &result.unknown {
        None => from_json(&Json::Object(result.registered())),
        Some(reason) if result.is_planned => partly_known(foresight::known_part(result), reason),
        Some(reason) => {
            let known = result.registered();
            partly_known_with_all_names(
                known.iter().map(|(key, value)| (key.clone(), from_json(value))).collect(),
                reason,
            )
        }
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
        other => Err(other.into()),
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
