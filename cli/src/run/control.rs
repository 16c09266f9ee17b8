//! Modules that the controller carries out itself: they say something, change variables, or fail.

use super::argument_spec;
use super::arguments::{self, text, texts, truth, written};
use super::keywords::{is_true, list_of_texts};
use super::layers::find_file;
use super::reserved::{is_reserved, warning as reserved_name};
use super::result::{Effect, Status, TaskResult};
use super::sources;
use super::task_run::Request;
use super::template_error::sentence;
use crate::inventory::split_port;
use crate::load::Reader;
use crate::local_files::{LocalFiles, NoFile, Unread};
use crate::playbook::{FileKind, Task};
use crate::source::Span;
use crate::template::{
    FailureKind, TemplateError, Value, from_json, is_template_whole, is_untrusted, text_of, to_json,
    type_name, unknown,
};
use crate::vars::{Data, Vars};
use crate::yaml::{Kind, Node, Tag};
use minijinja::value::ValueKind;
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What these modules need of the run.
pub(crate) struct Control<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) verbosity: u8,
    pub(crate) is_check: bool,
}

/// An argument by its name, and what it was rendered to.
type Given = (String, Result<Value, TemplateError>);

/// What carrying one out came to.
pub(crate) enum Answer {
    /// It is done.
    Done(Box<TaskResult>),
    /// Wait, and for an answer where there is a prompt: `pause`.
    Pause(Pause),
}

/// What `pause` waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) time: Option<Duration>,
    pub(crate) prompt: Option<String>,
    pub(crate) echo: bool,
}

impl Control<'_> {
    /// Carries a module out.
    pub(crate) fn run(&self, request: &Request) -> Answer {
        let result = match request.spec.name {
            "debug" => self.debug(request),
            "assert" => Self::assert(request),
            "fail" => Ok(TaskResult::failed(text(&request.args, "msg").unwrap_or_default())),
            "set_fact" => self.set_fact(request),
            "include_vars" => self.include_vars(request),
            "add_host" => Ok(Self::add_host(request)),
            "group_by" => Ok(Self::group_by(request)),
            "validate_argument_spec" => validate(request),
            "pause" => return Self::pause(request),
            "set_stats" => Ok(set_stats(&request.args)),
            other => {
                Ok(TaskResult::failed(format!("the controller does not know how to carry out `{other}`")))
            }
        };
        Answer::Done(Box::new(result.unwrap_or_else(|err| self.failure(&err, request))))
    }

    fn failure(&self, err: &TemplateError, request: &Request) -> TaskResult {
        let why = match request.spec.name {
            "debug" => arguments::unfinished(&request.task, "msg", &sentence(err)),
            _ => sentence(err),
        };
        match err.unknown_reason() {
            Some(reason) if self.is_check => TaskResult::unknown(reason),
            _ => match request.scope.doubt(err) {
                Some(doubt) => TaskResult::unknown(&format!("{why}; {doubt}")),
                None => TaskResult {
                    origin: err.root().span().or_else(|| err.span()),
                    sources: sources::of_template(err, &request.task, &request.scope),
                    ..TaskResult::failed(why)
                },
            },
        }
    }

    fn debug(&self, request: &Request) -> Result<TaskResult, TemplateError> {
        let verbosity = match written(&request.task, "verbosity") {
            Some(node) => text_of(&request.scope.render_node(node)?).parse().unwrap_or(0),
            None => 0,
        };
        if verbosity > self.verbosity {
            let mut skipped = TaskResult::skipped("Verbosity threshold not met.");
            skipped.result.insert("skipped_reason".into(), "Verbosity threshold not met.".into());
            return Ok(skipped);
        }
        let mut result = TaskResult { is_talk: true, ..TaskResult::default() };
        let is_omitted = |node: &&Node| {
            node.has_template() && matches!(request.scope.render_or_omit(&Data::of(node)), Ok(None))
        };
        if let Some(node) = written(&request.task, "var").filter(|node| !is_omitted(node)) {
            let is_made = node.has_template() && !request.scope.is_written(node.as_str().unwrap_or_default());
            if is_made {
                // Where the template itself fails, that is what counts.
                request.scope.render_node(node)?;
                return Ok(TaskResult::failed(
                    "`var` is an untrusted template or expression: a template made it, and it names no variable",
                ));
            }
            if node.tag == Tag::Unsafe {
                return Ok(TaskResult::failed(
                    "`var` is an untrusted template or expression: it is marked `!unsafe`",
                ));
            }
            if node.scalar_text().is_none() {
                let found = node.describe();
                return Ok(TaskResult::failed(format!(
                    "`var` is {found}: it is not a string and conversion is not allowed"
                )));
            }
            let (name, value) = self.variable(request, node, &mut result.warnings)?;
            result.result.insert(name, value);
            if !result.warnings.is_empty() {
                result.result.insert("warnings".into(), result.warnings.clone().into());
            }
            return Ok(result);
        }
        let message = match written(&request.task, "msg") {
            Some(node) => to_json(&request.scope.render_node(node)?),
            None => request.args.get("msg").cloned().unwrap_or_else(|| "Hello world!".into()),
        };
        result.result.insert("msg".into(), message);
        Ok(result)
    }

    /// `debug: var` is an expression; where it is undefined that is what is shown.
    fn variable(
        &self,
        request: &Request,
        node: &Node,
        warnings: &mut Vec<String>,
    ) -> Result<(String, Json), TemplateError> {
        let name = match node.has_template() {
            true => Node::text(&node.span, text_of(&request.scope.render_node(node)?)),
            false => node.clone(),
        };
        let shown = name.scalar_text().unwrap_or_default().into_owned();
        let value = match request.scope.expression(&name) {
            Ok(value) => to_json(&value),
            Err(err) if err.is_undefined() => {
                let why = undefined(&err);
                warnings.push(format!("Encountered 1 template error.\nerror 1 - {why}"));
                format!("<< error 1 - {why} >>").into()
            }
            Err(err) if err.kind == FailureKind::Omitted => {
                warnings.push(format!("`{shown}` is `omit`, and a value that is shown could not be omitted"));
                "<<Omit>>".into()
            }
            Err(err) => return Err(err),
        };
        Ok((shown, value))
    }

    fn assert(request: &Request) -> Result<TaskResult, TemplateError> {
        let splat = splat(request)?;
        let given = |name: &str| -> Result<Option<Value>, TemplateError> {
            match (splat.iter().find(|(known, _)| known == name), written(&request.task, name)) {
                (Some((_, value)), _) => Ok(Some(value.clone())),
                (None, Some(node)) => request.scope.render_node(node).map(Some),
                (None, None) => Ok(None),
            }
        };
        let that = match (splat.iter().find(|(name, _)| name == "that"), written(&request.task, "that")) {
            (Some((_, that)), _) => of_value(that, request.task.span()),
            (None, Some(that)) => conditions(that, request)?,
            (None, None) => return Ok(TaskResult::failed("conditional required in \"that\" string")),
        };
        let fails = given("fail_msg")?.map_or_else(|| given("msg"), |message| Ok(Some(message)))?;
        for condition in &that {
            if !request.scope.condition(condition)? {
                let mut result = TaskResult::failed(fails.as_ref().map_or("Assertion failed".into(), lines));
                result.result.insert("assertion".into(), condition.to_json());
                result.result.insert("evaluated_to".into(), false.into());
                return Ok(result);
            }
        }
        let message = given("success_msg")?.as_ref().map_or("All assertions passed".into(), lines);
        let is_quiet = given("quiet")?.is_some_and(|quiet| is_true(&quiet));
        let result = Map::from_iter([("msg".to_owned(), Json::from(message))]);
        Ok(TaskResult { result, is_talk: !is_quiet, ..TaskResult::default() })
    }

    fn set_fact(&self, request: &Request) -> Result<TaskResult, TemplateError> {
        let cacheable = truth(&request.args, "cacheable");
        let mut result = TaskResult::default();
        let mut facts = Map::new();
        for (name, node) in sealed(&request.task) {
            facts.insert(name.clone(), node.to_json());
            result.effects.push(Effect::SetFact { name, data: Data::of(node), cacheable });
        }
        for (name, node) in self.given(request)? {
            if name == "cacheable" {
                continue;
            }
            if !is_variable_name(&name) {
                return Ok(TaskResult::failed(format!(
                    "Invalid variable name '{name}': letters, digits and underscores, not starting with a digit, no word \
                     of the language"
                )));
            }
            let value = match node {
                Ok(value) => value,
                // What cannot be known now is passed on: later tasks that use it are deferred as well.
                Err(err) => match err.unknown_reason() {
                    Some(reason) if self.is_check => {
                        result.unknown = Some(reason.to_owned());
                        unknown(reason)
                    }
                    _ => return Err(err),
                },
            };
            facts.insert(name.clone(), to_json(&value));
            result.effects.push(Effect::SetFact { name, data: value.into(), cacheable });
        }
        if result.effects.is_empty() {
            return Ok(TaskResult::failed("set_fact needs at least one variable to set"));
        }
        result.result.insert("ansible_facts".into(), facts.into());
        Ok(result)
    }

    /// The named arguments, each rendered on its own: values keep their types, and one may be unknown.
    fn given(&self, request: &Request) -> Result<Vec<Given>, TemplateError> {
        let mut given: Vec<Given> = Vec::new();
        if request.task.args.template.is_some() {
            match arguments::rendered(&request.task, request.spec, &request.scope) {
                Ok(args) => given.extend(args.into_iter().map(|(name, value)| (name, Ok(value)))),
                Err(
                    arguments::ArgumentsError::Template(err)
                    | arguments::ArgumentsError::Argument { err, .. },
                ) => return Err(err),
                Err(
                    arguments::ArgumentsError::Refused(why) | arguments::ArgumentsError::Values { why, .. },
                ) => {
                    return Err(TemplateError::new(FailureKind::Failed, why));
                }
            }
        } else {
            for (name, node) in request.task.args.named.iter().filter(|(_, node)| node.tag != Tag::Vault) {
                let name = match name.has_template() {
                    true => variable_name(&request.scope.render_node(name)?)?,
                    false => name.key_text().into_owned(),
                };
                // `omit` leaves the variable out.
                match request.scope.render_to_pass_on(&Data::of(node)) {
                    Ok(value) => given.push((name, Ok(value))),
                    Err(err) if err.kind == FailureKind::Omitted => {}
                    Err(err) => given.push((name, Err(err))),
                }
            }
        }
        Ok(given)
    }

    fn include_vars(&self, request: &Request) -> Result<TaskResult, TemplateError> {
        let args = &request.args;
        let mut result = TaskResult::default();
        let files = match files_of_vars(request) {
            Ok(files) => files,
            Err(NoFile::Unknown(why)) => {
                let doubt = Effect::DoubtVars(format!("`include_vars` may set it: {why}"));
                return Ok(TaskResult { effects: vec![doubt], ..TaskResult::unknown(&why) });
            }
            Err(NoFile::Refused(why)) => {
                let mut failed = TaskResult::failed(why.as_str());
                failed.result.insert("message".into(), why.into());
                failed.result.insert("ansible_included_var_files".into(), Json::Array(Vec::new()));
                return Ok(failed);
            }
        };
        let mut vars = Vars::new();
        let mut facts = Map::new();
        // What is encrypted on disk is not shown on the screen.
        let here = request.scope.files();
        result.no_log = files.iter().any(|file| is_vaulted(file, here));
        for file in &files {
            let mapping = match self.reader.vars(file) {
                Ok(mapping) => mapping,
                Err(mistakes) => return Ok(TaskResult::failed(mistakes.to_string())),
            };
            for (name, node) in mapping.iter() {
                if is_reserved(&name.key_text()) {
                    result.warnings.push(reserved_name(&name.key_text(), &name.span));
                }
                facts.insert(name.key_text().into_owned(), node.to_json());
            }
            vars.merge(&Vars::from(&mapping));
        }
        if let Some(name) = text(args, "name") {
            let entries = vars.iter().map(|(name, var)| (Value::from(name), var.data.clone()));
            let whole = Data::map(entries.collect::<Vec<_>>());
            vars = Vars::new();
            vars.set(name, whole);
            facts = Map::from_iter([(name.to_owned(), Json::Object(facts))]);
        }
        if text(args, "hash_behaviour") == Some("merge") {
            vars = over_known(&vars, &request.scope);
        }
        let shown: Vec<Json> = files.iter().map(|file| file.display().to_string().into()).collect();
        result.result.insert("ansible_facts".into(), facts.into());
        result.result.insert("ansible_included_var_files".into(), shown.into());
        result.effects.push(Effect::IncludeVars(Arc::new(vars)));
        Ok(result)
    }

    fn add_host(request: &Request) -> TaskResult {
        let (name, port) = split_port(text(&request.args, "name").unwrap_or_default());
        let name = name.to_owned();
        let groups: Vec<String> = texts(&request.args, "groups")
            .iter()
            .flat_map(|group| group.split(','))
            .map(|group| group.trim().to_owned())
            .collect();
        let own = ["name", "groups"];
        let vars = request.args.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let mut vars: Map<String, Json> = vars.map(|(name, value)| (name.clone(), value.clone())).collect();
        vars.extend(port.map(|port| ("ansible_ssh_port".to_owned(), Json::from(port))));
        let known = &request.scope.play().groups;
        let is_in = |group: &String| known.get(group).is_some_and(|hosts| hosts.contains(&name));
        let of_host = request.scope.of_host(&name);
        let is_set = |(name, value): (&String, &Json)| {
            let known = of_host.as_ref().and_then(|scope| scope.get(name).ok().flatten());
            known.is_some_and(|known| to_json(&known) == *value)
        };
        let changed = !is_in(&"all".to_owned()) || !groups.iter().all(is_in) || !vars.iter().all(is_set);
        let mut result = TaskResult { changed, ..TaskResult::default() };
        result.result.insert(
            "add_host".into(),
            serde_json::json!({"host_name": name, "groups": groups_json(&groups), "host_vars": vars}),
        );
        result.effects.push(Effect::AddHost { name, groups, vars });
        result
    }

    fn group_by(request: &Request) -> TaskResult {
        let group = text(&request.args, "key").unwrap_or_default().replace(' ', "-");
        let parents: Vec<String> =
            texts(&request.args, "parents").iter().map(|parent| parent.replace(' ', "-")).collect();
        let host = request.scope.host().unwrap_or_default().to_owned();
        let known = &request.scope.play().groups;
        let changed = !known.get(&group).is_some_and(|hosts| hosts.contains(&host));
        let mut result = TaskResult { changed, ..TaskResult::default() };
        result.result.insert("add_group".into(), group.clone().into());
        result.result.insert("parent_groups".into(), groups_json(&parents));
        result.effects.push(Effect::GroupBy { group, parents });
        result
    }

    fn pause(request: &Request) -> Answer {
        let number = |name: &str| {
            request.args.get(name).map(|value| text_of(&crate::template::from_json(value)).parse::<f64>())
        };
        let time = match (number("minutes"), number("seconds")) {
            (Some(Ok(minutes)), _) => Some(minutes * 60.0),
            (None, Some(Ok(seconds))) => Some(seconds),
            (None, None) => None,
            _ => {
                let why = "`minutes` and `seconds` of `pause` are numbers: unable to convert to int";
                return Answer::Done(Box::new(TaskResult::failed(why)));
            }
        };
        let prompt = text(&request.args, "prompt").map(str::to_owned);
        Answer::Pause(Pause {
            time: time.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9))),
            prompt,
            echo: request.args.get("echo").and_then(Json::as_bool).unwrap_or(true),
        })
    }
}

/// `validate_argument_spec`: the variables with the names of the specification, and what was given besides, over them.
fn validate(request: &Request) -> Result<TaskResult, TemplateError> {
    let object = |name: &str| request.args.get(name).and_then(Json::as_object).cloned().unwrap_or_default();
    let spec = object("argument_spec");
    let mut given = Map::new();
    for (name, option) in &spec {
        let aliases = option.get("aliases").and_then(Json::as_array).into_iter().flatten();
        for name in aliases.filter_map(Json::as_str).chain([name.as_str()]) {
            if let Some(value) = request.scope.get(name)? {
                given.insert(name.to_owned(), to_json(&value));
            }
        }
    }
    given.extend(object("provided_arguments"));
    let errors = argument_spec::errors(&spec, &given);
    let mut result = match errors.as_slice() {
        [] => TaskResult::default(),
        errors => TaskResult::failed(format!("Validation of arguments failed:\n{}", errors.join("\n"))),
    };
    if errors.is_empty() {
        result.result.insert("msg".into(), "The arg spec validation passed".into());
    } else {
        result.result.insert("argument_errors".into(), errors.into());
        result.result.insert("argument_spec_data".into(), spec.into());
    }
    result.result.insert("validate_args_context".into(), object("validate_args_context").into());
    Ok(result)
}

fn groups_json(groups: &[String]) -> Json {
    groups.iter().map(String::as_str).collect::<Vec<_>>().into()
}

/// The arguments of a task that gives all of them as one template.
fn splat(request: &Request) -> Result<Vec<(String, Value)>, TemplateError> {
    let Some(template) = &request.task.args.template else { return Ok(Vec::new()) };
    let all = request.scope.render_node(template)?;
    Ok(crate::template::pairs(&all).into_iter().map(|(name, value)| (text_of(&name), value)).collect())
}

/// The conditions of `that`: a list, one, or a template that gives either.
fn conditions(that: &Node, request: &Request) -> Result<Vec<Node>, TemplateError> {
    if that.as_str().is_some_and(is_template_whole) && that.tag == Tag::None {
        let value = request.scope.render_node(that)?;
        if value.as_str().is_some() && !request.scope.is_written(that.as_str().unwrap_or_default()) {
            let why = "`that` gives an untrusted template or expression: write the condition itself";
            return Err(TemplateError::new(FailureKind::Failed, why.to_owned()));
        }
        return Ok(of_value(&value, &that.span));
    }
    Ok(that.one_or_many().to_vec())
}

/// Conditions that a template gave: truths as they are, texts as expressions.
fn of_value(that: &Value, span: &Span) -> Vec<Node> {
    let one = |value: &Value| match value.kind() {
        ValueKind::Bool => Node::new(span, Kind::Bool(value.is_true())),
        _ if is_untrusted(value) => Node { tag: Tag::Unsafe, ..Node::text(span, text_of(value)) },
        _ => Node::text(span, text_of(value)),
    };
    match that.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            that.try_iter().into_iter().flatten().map(|item| one(&item)).collect()
        }
        _ => vec![one(that)],
    }
}

/// `set_stats`: what the run shows at its end.
fn set_stats(args: &Map<String, Json>) -> TaskResult {
    let Some(data) = args.get("data").and_then(Json::as_object) else {
        return TaskResult::failed("The 'data' option needs to be a dictionary/hash");
    };
    if let Some(name) = data.keys().find(|name| !is_variable_name(name)) {
        return TaskResult::failed(format!(
            "Invalid variable name '{name}': letters, digits and underscores, not starting with a digit"
        ));
    }
    // Whatever is no word for true is false here.
    let truth = |name: &str| args.get(name).is_some_and(|value| is_true(&from_json(value)));
    let (per_host, aggregate) = (truth("per_host"), truth("aggregate"));
    let mut result = TaskResult::default();
    let stats = serde_json::json!({"data": data, "per_host": per_host, "aggregate": aggregate});
    result.result.insert("ansible_stats".into(), stats);
    result.effects.push(Effect::Stats { data: data.clone(), per_host, aggregate });
    result
}

/// What is missing, in Ansible's words: playbooks compare with them.
fn undefined(err: &TemplateError) -> String {
    match &err.root().kind {
        FailureKind::Undefined { name } => format!("'{name}' is undefined"),
        _ => err.root().message.clone(),
    }
}

/// What `set_fact` sets to an encrypted value: it stays so until somebody needs it.
fn sealed(task: &Task) -> impl Iterator<Item = (String, &Node)> {
    let is_sealed = |(_, node): &(&Node, &Node)| node.tag == Tag::Vault;
    task.args.named.iter().filter(is_sealed).map(|(name, node)| (name.key_text().into_owned(), node))
}

/// A message that may be a list of lines.
fn lines(message: &Value) -> String {
    list_of_texts(message).join("\n")
}

/// The name of a variable that a template gives.
fn variable_name(given: &Value) -> Result<String, TemplateError> {
    if given.as_str().is_some() {
        return Ok(text_of(given));
    }
    let (name, kind) = (text_of(given), type_name(given));
    let why = format!("Invalid variable name '{name}' of type '{kind}': a name is text");
    Err(TemplateError::new(FailureKind::Failed, why))
}

/// Words of Python, which templates cannot use as names.
const RESERVED: [&str; 38] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "false", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "none", "nonlocal", "not", "or", "pass", "raise", "return", "true", "try", "while", "with",
    "yield",
];

fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    !RESERVED.contains(&name)
        && chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|char| char.is_alphanumeric() || char == '_')
}

/// Whether a file is encrypted as a whole.
fn is_vaulted(file: &Path, files: &LocalFiles) -> bool {
    files.read(file).is_ok_and(|bytes| bytes.starts_with(b"$ANSIBLE_VAULT;"))
}

/// Variables, their mappings joined with those that are known under the same names.
fn over_known(vars: &Vars, scope: &crate::vars::Scope) -> Vars {
    let joined = |(name, var): (&str, &crate::vars::Var)| match scope.get(name) {
        Ok(Some(known)) => (name.to_owned(), Data::Plain(known).joined(&var.data)),
        _ => (name.to_owned(), var.data.clone()),
    };
    vars.iter().map(joined).collect()
}

/// The files that `include_vars` reads.
fn files_of_vars(request: &Request) -> Result<Vec<PathBuf>, NoFile> {
    let (args, here) = (&request.args, request.scope.files());
    let extensions: Vec<String> = texts(args, "extensions")
        .into_iter()
        .map(|extension| extension.trim_start_matches('.').to_owned())
        .collect();
    if let Some(name) = text(args, "file") {
        if name.is_empty() {
            return Err("Could not find file on the Ansible Controller: its name is empty".into());
        }
        let file = find_file(&request.task, FileKind::Vars, name, here)?;
        here.known(&file)?;
        return Ok(vec![file]);
    }
    let name = text(args, "dir").unwrap_or_default();
    let folder = find_file(&request.task, FileKind::Vars, name, here)?;
    if !here.is_folder(&folder).map_err(|why| why.of(&folder))? {
        return Err(format!("`{}` is not a folder", folder.display()).into());
    }
    let depth = args.get("depth").and_then(Json::as_u64).unwrap_or(0);
    let matching = match text(args, "files_matching") {
        Some(pattern) => {
            Some(fancy_regex::Regex::new(pattern).map_err(|cause| format!("`files_matching`: {cause}"))?)
        }
        None => None,
    };
    let ignored = texts(args, "ignore_files");
    let mut files = Vec::new();
    walk(&folder, here, depth, 1, &mut files).map_err(|why| why.of(&folder))?;
    let mut wanted = Vec::new();
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let extension =
            file.extension().map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        let is_ignored = ignored.iter().any(|pattern| {
            *pattern == name
                || fancy_regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(&name).unwrap_or(false))
        });
        let is_match = matching.as_ref().is_none_or(|regex| regex.is_match(&name).unwrap_or(false));
        if is_ignored || !is_match {
            continue;
        }
        if !extensions.contains(&extension) {
            if truth(args, "ignore_unknown_extensions") || matching.is_some() {
                continue;
            }
            return Err(format!(
                "`{}` does not have a valid extension: {}; leave it out with `ignore_unknown_extensions`",
                file.display(),
                extensions.join(", ")
            )
            .into());
        }
        here.known(&file)?;
        wanted.push(file);
    }
    Ok(wanted)
}

fn walk(
    folder: &Path,
    here: &LocalFiles,
    depth: u64,
    level: u64,
    files: &mut Vec<PathBuf>,
) -> Result<(), Unread> {
    for name in here.names(folder)? {
        let entry = folder.join(name);
        if here.is_file(&entry)? {
            files.push(entry);
        } else if here.is_folder(&entry)? && (depth == 0 || level < depth) {
            walk(&entry, here, depth, level + 1, files)?;
        }
    }
    Ok(())
}

/// A task that only waited.
pub(crate) fn paused(pause: &Pause, answer: &str, seconds: f64) -> TaskResult {
    let mut result = TaskResult::default();
    result.result.insert("delta".into(), (seconds as u64).into());
    result.result.insert("user_input".into(), answer.into());
    result.result.insert("echo".into(), pause.echo.into());
    let waited = match seconds {
        seconds if seconds < 60.0 => format!("Paused for {seconds:.2} seconds"),
        seconds => format!("Paused for {:.2} minutes", seconds / 60.0),
    };
    result.result.insert("stdout".into(), waited.into());
    result.result.insert("rc".into(), 0.into());
    result.result.insert("stderr".into(), "".into());
    result.status = Status::Ok;
    result
}
