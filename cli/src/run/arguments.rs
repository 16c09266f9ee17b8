//! The arguments of a task for one host: defaults of the module, templates and named ones put together, rendered and
//! converted as the module's table says.

use super::keywords::json_text;
use crate::playbook::Task;
use crate::playbook::keyword::Keyword;
use crate::template::{TemplateError, Value, from_json, pairs, text_of, to_json};
use crate::vars::{Data, Scope};
use crate::yaml::{Node, Tag};
use muster_api::module::{ArgKind, ArgProblem, ArgSpec, ModuleSpec, coerce};
use serde_json::{Map, Value as Json};

/// Why there are no arguments.
#[derive(Debug)]
pub(crate) enum ArgumentsError {
    /// A template failed.
    Template(TemplateError),
    /// The template of one argument failed.
    Argument {
        /// Which one.
        name: String,
        /// Why.
        err: TemplateError,
    },
    /// The module does not take them so: a sentence.
    Refused(String),
    /// The module does not take these values.
    Values {
        /// A sentence.
        why: String,
        /// Of which arguments.
        names: Vec<String>,
    },
}

impl From<TemplateError> for ArgumentsError {
    fn from(err: TemplateError) -> Self {
        Self::Template(err)
    }
}

/// The arguments as the module gets them.
pub(crate) fn arguments(
    task: &Task,
    spec: &ModuleSpec,
    scope: &Scope,
) -> Result<Map<String, Json>, ArgumentsError> {
    let given = rendered(task, spec, scope)?;
    let mut given: Map<String, Json> =
        given.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
    mappings_as_text(spec, &mut given);
    if spec.name == "include_vars" && given.get("file").is_some_and(Json::is_null) {
        // A lookup that found nothing: the module says that there is no such file.
        given.insert("file".to_owned(), "".into());
    }
    if spec.name == "package" && !given.contains_key("use") {
        package_manager(scope, &mut given)?;
    }
    if spec.name == "assert" && given.get("that").is_some_and(Json::is_null) {
        return Err(ArgumentsError::Refused("Empty conditional expression".to_owned()));
    }
    coerce(spec, &given).map_err(|problems| {
        let names = problems.iter().flat_map(ill_valued).collect();
        ArgumentsError::Values { why: sentences(spec, &problems).join("; "), names }
    })
}

/// The arguments whose values are a problem.
fn ill_valued(problem: &ArgProblem) -> Vec<String> {
    match problem {
        ArgProblem::BadValue { name, .. } => vec![name.clone()],
        ArgProblem::Rule { names, .. } => names.iter().map(|name| (*name).to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// The package manager that the host's variable names.
fn package_manager(scope: &Scope, given: &mut Map<String, Json>) -> Result<(), ArgumentsError> {
    let Some(name) = super::keywords::variable(scope, "ansible_package_use")? else { return Ok(()) };
    if name != "auto" && muster_api::module::find(&name).is_none() {
        let why = format!("Could not find a matching action for the \"{name}\" package manager.");
        return Err(ArgumentsError::Refused(why));
    }
    given.insert("use".to_owned(), name.into());
    Ok(())
}

/// Where a text is expected, a mapping counts as it is written, as in Ansible.
fn mappings_as_text(spec: &ModuleSpec, given: &mut Map<String, Json>) {
    let is_text = |arg: &&ArgSpec| matches!(arg.kind, ArgKind::Str | ArgKind::Path) && arg.choices.is_empty();
    for arg in spec.args.iter().filter(is_text).filter(|arg| (spec.name, arg.name) != ("fetch", "src")) {
        for name in std::iter::once(&arg.name).chain(arg.aliases) {
            if let Some(value) = given.get_mut(*name).filter(|value| value.is_object()) {
                *value = text_of(&from_json(value)).into();
            }
        }
    }
}

/// The arguments as they were given, rendered: their values keep their types.
pub(crate) fn rendered(
    task: &Task,
    spec: &ModuleSpec,
    scope: &Scope,
) -> Result<Vec<(String, Value)>, ArgumentsError> {
    let mut args: Vec<(String, Value)> = Vec::new();
    for defaults in module_defaults(task, spec, scope)? {
        merge(&mut args, &defaults);
    }
    if let Some(template) = &task.args.template {
        let value = scope.render_or_omit(&Data::of(template))?;
        match (value, spec.free_form) {
            (None, _) => {}
            // A template for the free text, not for all arguments.
            (Some(value), Some(name)) if value.as_str().is_some() => set(&mut args, name, value),
            (Some(value), _) if value.kind() != minijinja::value::ValueKind::Map => {
                let (module, kind) = (task.module.written(), crate::template::type_name(&value));
                return Err(ArgumentsError::Refused(format!(
                    "Finalization of task args for '{module}' failed: all arguments as one template are a mapping, not a {kind}"
                )));
            }
            (Some(value), _) => merge(&mut args, &value),
        }
    }
    if let (Some(node), Some(name)) = (&task.args.free_form, spec.free_form) {
        let value = scope.render_node(node).map_err(|err| in_argument(name, err))?;
        set(&mut args, name, value);
    }
    // What `set_fact` sets to an encrypted value stays so.
    let is_kept = |node: &Node| spec.name == "set_fact" && node.tag == Tag::Vault;
    for (name, node) in task.args.named.iter().filter(|(_, node)| !is_kept(node)) {
        let value = scope.render_or_omit(&Data::of(node));
        if let Some(value) = value.map_err(|err| in_argument(&name.key_text(), err))? {
            set(&mut args, &name.key_text(), value);
        } else {
            args.retain(|(known, _)| *known != name.key_text());
        }
    }
    Ok(args)
}

/// The named arguments that can be rendered, where others cannot.
pub(crate) fn known(task: &Task, scope: &Scope) -> Map<String, Json> {
    let named = task.args.named.iter();
    let render = |node: &Node| scope.render_or_omit(&Data::of(node)).ok().flatten();
    named.filter_map(|(name, node)| Some((name.key_text().into_owned(), to_json(&render(node)?)))).collect()
}

fn in_argument(name: &str, err: TemplateError) -> ArgumentsError {
    ArgumentsError::Argument { name: name.to_owned(), err }
}

/// What is said in the result where the template of an argument failed. Playbooks look for Ansible's sentences in it.
pub(crate) fn unfinished(task: &Task, name: &str, why: &str) -> String {
    let module = task.module.written();
    let full = if module.contains('.') { module.to_owned() } else { format!("ansible.builtin.{module}") };
    format!(
        "Task failed: Finalization of task args for '{full}' failed: Error while resolving value for '{name}': {why}"
    )
}

/// The part of such a sentence that says why.
pub(crate) fn plain_reason(message: &str) -> &str {
    const RESOLVING: &str = "failed: Error while resolving value for '";
    let rest = message.strip_prefix("Task failed: Finalization of task args for '");
    let why = rest.and_then(|rest| rest.split_once(RESOLVING)).and_then(|(_, rest)| rest.split_once("': "));
    why.map_or(message, |(_, why)| why)
}

/// An argument as it is written, for those that are no templates but expressions (`debug: var`, `assert: that`).
pub(crate) fn written<'t>(task: &'t Task, name: &str) -> Option<&'t Node> {
    task.args.named.get(name)
}

/// `module_defaults` of this module, the outermost first, after those of the module that does its work on the host.
fn module_defaults(task: &Task, spec: &ModuleSpec, scope: &Scope) -> Result<Vec<Value>, TemplateError> {
    let mut defaults = match behind(task, spec, scope)? {
        Some(module) => defaults_of(module, task, scope)?,
        None => Vec::new(),
    };
    defaults.extend(defaults_of(spec.name, task, scope)?);
    Ok(defaults)
}

fn defaults_of(module: &str, task: &Task, scope: &Scope) -> Result<Vec<Value>, TemplateError> {
    let mut defaults = Vec::new();
    for node in task.scope.each(Keyword::ModuleDefaults) {
        for (name, value) in node.as_map().into_iter().flat_map(|map| map.iter()) {
            if muster_api::module::find(&name.key_text()).is_some_and(|found| found.name == module) {
                defaults.push(scope.render_node(value)?);
            }
        }
    }
    Ok(defaults)
}

/// The module that `service` or `package` comes to on this host: as `use` says, or else the facts.
fn behind(task: &Task, spec: &ModuleSpec, scope: &Scope) -> Result<Option<&'static str>, TemplateError> {
    let (fact, usual) = match spec.name {
        "service" => ("ansible_service_mgr", Some("systemd")),
        "package" => ("ansible_pkg_mgr", None),
        _ => return Ok(None),
    };
    let asked = task.args.named.get("use").map(|node| scope.render_node(node)).transpose()?;
    let asked = asked.map(|name| text_of(&name)).filter(|name| name != "auto");
    let name = match asked {
        Some(name) => Some(name),
        None => super::keywords::variable(scope, fact)?,
    };
    let known = name.as_deref().and_then(muster_api::module::find).map(|found| found.name);
    Ok(known.or(usual).filter(|name| *name != spec.name))
}

fn merge(args: &mut Vec<(String, Value)>, more: &Value) {
    for (name, value) in pairs(more) {
        set(args, &text_of(&name), value);
    }
}

fn set(args: &mut Vec<(String, Value)>, name: &str, value: Value) {
    args.retain(|(known, _)| known != name);
    args.push((name.to_owned(), value));
}

/// One sentence for all arguments that are missing, one for each other problem.
fn sentences(spec: &ModuleSpec, problems: &[ArgProblem]) -> Vec<String> {
    let missing: Vec<&str> = problems
        .iter()
        .filter_map(|problem| match problem {
            ArgProblem::Missing { name } => Some(*name),
            _ => None,
        })
        .collect();
    let all = match (spec.name, missing.as_slice()) {
        (_, []) => None,
        ("fetch", _) => Some("src and dest are required".to_owned()),
        ("copy", ["dest"]) => Some("dest is required".to_owned()),
        _ => Some(format!("missing required arguments: {}", missing.join(", "))),
    };
    let others = problems.iter().filter(|problem| !matches!(problem, ArgProblem::Missing { .. }));
    all.into_iter().chain(others.map(|problem| sentence(spec, problem))).collect()
}

/// A problem with an argument that shows only now, because its value is a template.
fn sentence(spec: &ModuleSpec, problem: &ArgProblem) -> String {
    let module = spec.name;
    match problem {
        ArgProblem::Unknown { name } => {
            if module == "wait_for_connection" {
                return format!("Invalid options for wait_for_connection: {name}");
            }
            let known = spec.args.iter().map(|arg| arg.name);
            let hint = crate::suggest::did_you_mean(name, known).map(|hint| format!(" ({hint})"));
            format!("Unsupported parameters for ({module}) module: {name}{}", hint.unwrap_or_default())
        }
        ArgProblem::Unsupported { name } => format!("`{module}`: the argument `{name}` is not supported"),
        ArgProblem::Missing { name } => format!("missing required arguments: {name}"),
        ArgProblem::BadValue { name, .. } if module == "fetch" && name == "src" => {
            "Invalid type supplied for source option, it must be a string".to_owned()
        }
        ArgProblem::BadValue { name, expected } if expected.starts_with("one of ") => {
            format!("value of {name} must be one of: {}", expected.trim_start_matches("one of "))
        }
        ArgProblem::BadValue { name, expected } => {
            format!("`{module}`: `{name}` must be {expected}{}", known_as(expected))
        }
        ArgProblem::Twice { name } => format!("`{module}`: `{name}` is given under two names"),
        ArgProblem::Rule { names, .. }
            if module == "copy" && *names == ["src", "content"] && !sentence_is_exclusive(problem) =>
        {
            "src (or content) is required".to_owned()
        }
        ArgProblem::Rule { sentence, .. } => sentence.clone(),
    }
}

/// What Ansible says of a value of the wrong type: playbooks look for it in `msg`.
fn known_as(expected: &str) -> &'static str {
    const WORDS: [(&str, &str); 5] = [
        ("a boolean", "; it is not a valid boolean"),
        ("a whole number", "; unable to convert to int"),
        ("a number", "; unable to convert to float"),
        ("a list", "; unable to convert to list"),
        ("a mapping", "; unable to convert to dict"),
    ];
    WORDS.iter().find(|(start, _)| expected.starts_with(start)).map_or("", |(_, words)| words)
}

fn sentence_is_exclusive(problem: &ArgProblem) -> bool {
    matches!(problem, ArgProblem::Rule { sentence, .. } if sentence.contains("mutually exclusive"))
}

/// A text argument.
pub(crate) fn text<'a>(args: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Json::as_str)
}

/// A boolean argument; false where it is not given.
pub(crate) fn truth(args: &Map<String, Json>, name: &str) -> bool {
    args.get(name).and_then(Json::as_bool).unwrap_or(false)
}

/// The items of a list argument as text.
pub(crate) fn texts(args: &Map<String, Json>, name: &str) -> Vec<String> {
    match args.get(name) {
        Some(Json::Array(items)) => items.iter().map(json_text).collect(),
        Some(Json::Null) | None => Vec::new(),
        Some(other) => vec![json_text(other)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_failed_argument_can_be_read_without_the_sentences_around_it() {
        let message = "Task failed: Finalization of task args for 'ansible.builtin.debug' failed: Error while resolving \
                       value for 'msg': 'x' is undefined";
        assert_eq!(plain_reason(message), "'x' is undefined");
        assert_eq!(plain_reason("non-zero return code"), "non-zero return code");
    }
}
