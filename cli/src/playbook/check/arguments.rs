//! The arguments of a task against what its module takes: unknown, missing, of the wrong type, or a keyword of the
//! task that was indented too far. Values that are templates are known only on the host.

use super::super::keyword::{Holder, Keyword};
use super::super::{Args, Task};
use crate::error::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::suggest;
use crate::yaml::{Kind, Mapping, Node};
use muster_api::module::{self, ArgKind, ArgProblem, ModuleSpec, coerce};
use serde_json::{Map, Value};

const INCLUDE_TASKS: [&str; 2] = ["file", "apply"];
const INCLUDE_ROLE: [&str; 10] = [
    "name",
    "role",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "apply",
    "public",
    "allow_duplicates",
    "rolespec_validate",
];

/// Adds what is wrong with the arguments of a task.
pub(super) fn check(task: &Task, mistakes: &mut Diagnostics) {
    match task.module.bare() {
        "include_tasks" => check_include(task, &INCLUDE_TASKS, mistakes),
        "include_role" => check_include(task, &INCLUDE_ROLE, mistakes),
        // Imports are looked at where they are carried out.
        "import_tasks" | "import_role" => {}
        _ => {
            if let Some(spec) = module::find(task.module.written()) {
                Check { task, spec }.run(mistakes);
            }
        }
    }
}

fn check_include(task: &Task, known: &[&str], mistakes: &mut Diagnostics) {
    for key in task.args.named.keys() {
        let name = key.key_text();
        if !known.contains(&name.as_ref()) {
            mistakes.push(unknown(task, key, known.iter().copied()));
        }
    }
    let has_name = ["file", "name", "role"].iter().any(|name| task.args.named.get(name).is_some());
    if !has_name && task.args.free_form.is_none() && task.args.template.is_none() {
        let what = if task.module.bare() == "include_role" { "a role" } else { "a file" };
        let name = task.module.written();
        let mistake = Diagnostic::error(format!("`{name}` names {what}"))
            .at(&task.module.0.span, format!("expected the name of {what}"))
            .at(&task.span().first_line(), "in this task");
        mistakes.push(match what {
            "a file" => mistake.known_as_at(format!("No file specified for {name}"), task.span()),
            _ => mistake.known_as_at(format!("'name' is a required field for {name}."), task.span()),
        });
    }
}

struct Check<'a> {
    task: &'a Task,
    spec: &'static ModuleSpec,
}

impl Check<'_> {
    fn run(&self, mistakes: &mut Diagnostics) {
        let Args { named, free_form, template } = &self.task.args;
        if let (Some(text), None) = (free_form, self.spec.free_form) {
            mistakes.push(self.no_free_text(text));
            return;
        }
        self.warn_about_decimal_modes(mistakes);
        let known: Map<String, Value> = self.given(named, free_form.as_ref(), |value| !is_later(value));
        let all = self.given(named, free_form.as_ref(), |_| true);
        let problems = coerce(self.spec, &known).err().unwrap_or_default();
        let is_complete = known.len() == all.len();
        let has_defaults = template.is_some() || !self.task.scope.all(Keyword::ModuleDefaults).is_empty();
        for problem in problems {
            // What is missing here may be given by a template, or be a default of the play.
            let is_sure = match &problem {
                ArgProblem::Missing { name } => {
                    !has_defaults && !self.is_given(name, &all) && !self.is_misspelt(name, &all)
                }
                ArgProblem::Rule { .. } => is_complete && !has_defaults,
                // Where a condition stands before it the task may never run here.
                ArgProblem::Unsupported { .. } => !self.may_not_run(),
                ArgProblem::Unknown { name } => !self.may_not_run() || self.looks_misspelt(name),
                _ => true,
            };
            if is_sure {
                mistakes.push(self.mistake(problem, named));
            }
        }
        for key in named.iter().filter(|(_, value)| is_later(value)).map(|(key, _)| key) {
            let name = key.key_text();
            let may_be_right = self.may_not_run() && !self.looks_misspelt(&name);
            if self.spec.argument(&name).is_none() && !self.spec.open_ended && !may_be_right {
                let problem = match self.spec.unsupported.contains(&name.as_ref()) {
                    true => ArgProblem::Unsupported { name: name.into_owned() },
                    false => ArgProblem::Unknown { name: name.into_owned() },
                };
                mistakes.push(self.mistake(problem, named));
            }
        }
    }

    /// Where a condition stands before it the task may never run, as one for another kind of host.
    fn may_not_run(&self) -> bool {
        !self.task.scope.each(Keyword::When).is_empty()
    }

    /// An argument that nobody has was meant to be another one where their names are near.
    fn looks_misspelt(&self, name: &str) -> bool {
        !self.spec.unsupported.contains(&name) && suggest::nearest(name, self.argument_names()).is_some()
    }

    /// The arguments by name, those that `keep` keeps.
    fn given(
        &self,
        named: &Mapping,
        free: Option<&Node>,
        keep: impl Fn(&Node) -> bool,
    ) -> Map<String, Value> {
        let named = named.iter().map(|(key, value)| (key.key_text().into_owned(), value));
        let free = self.spec.free_form.zip(free).map(|(name, text)| (name.to_owned(), text));
        named
            .chain(free)
            .filter(|(_, value)| keep(value))
            .map(|(name, value)| (name, value.to_json()))
            .collect()
    }

    fn is_given(&self, name: &str, given: &Map<String, Value>) -> bool {
        let argument = self.spec.argument(name);
        given.keys().any(|key| key == name || argument.is_some_and(|a| a.aliases.contains(&key.as_str())))
    }

    /// Whether an argument that the module does not have was meant to be this one.
    fn is_misspelt(&self, name: &str, given: &Map<String, Value>) -> bool {
        let unknown = given.keys().filter(|key| self.spec.argument(key).is_none());
        unknown.into_iter().any(|key| suggest::nearest(key, self.argument_names()) == Some(name))
    }

    /// `mode: 644` is a decimal number and not what anyone wants.
    fn warn_about_decimal_modes(&self, mistakes: &mut Diagnostics) {
        for (key, value) in self.task.args.named.iter() {
            let is_mode =
                self.spec.argument(&key.key_text()).is_some_and(|argument| argument.kind == ArgKind::Mode);
            let written = value.span.text();
            let is_decimal =
                matches!(value.kind, Kind::Int(_)) && written.len() >= 3 && !written.starts_with('0');
            if is_mode && is_decimal && written.chars().all(|c| c.is_digit(8)) {
                let warning =
                    Diagnostic::warning(format!("`{written}` is a decimal number, not an octal mode"));
                let right = format!("\"0{written}\"");
                mistakes.push(warning.at(&value.span, "").replace(
                    &value.span,
                    right,
                    "write it with a leading zero",
                ));
            }
        }
    }

    fn module_span(&self) -> &Span {
        &self.task.module.0.span
    }

    fn mistake(&self, problem: ArgProblem, named: &Mapping) -> Diagnostic {
        let module = self.task.module.written();
        match problem {
            ArgProblem::Unknown { name } => match named.entry(&name) {
                Some((key, _)) => unknown(self.task, key, self.argument_names()),
                None => Diagnostic::error(format!("`{module}` has no argument `{name}`"))
                    .at(self.module_span(), ""),
            },
            ArgProblem::Unsupported { name } => {
                let span = named.entry(&name).map_or(self.module_span(), |(key, _)| &key.span);
                Diagnostic::error(format!("`{name}` of `{module}` is not supported"))
                    .at(span, "Ansible has it, muster does not")
            }
            ArgProblem::Missing { name } => Diagnostic::error(format!("`{module}` needs `{name}`"))
                .at(self.module_span(), format!("`{name}` is missing"))
                .maybe_hint(
                    self.spec.argument(name).map(|argument| format!("`{name}`: {}", sentence(argument.doc))),
                ),
            ArgProblem::BadValue { name, expected } => self.bad_value(&name, &expected, named),
            ArgProblem::Twice { name } => {
                Diagnostic::error(format!("`{name}` of `{module}` is given under two names"))
                    .at(self.module_span(), "")
            }
            ArgProblem::Rule { names, sentence } => {
                let mut given = names.iter().filter_map(|name| named.entry(name));
                let span = given.next().map_or(self.module_span(), |(key, _)| &key.span);
                let mistake = Diagnostic::error(format!("`{module}`: {sentence}")).at(span, "");
                given.fold(mistake, |mistake, (key, _)| mistake.at(&key.span, ""))
            }
        }
    }

    fn argument_names(&self) -> impl Iterator<Item = &'static str> {
        self.spec
            .args
            .iter()
            .flat_map(|argument| std::iter::once(argument.name).chain(argument.aliases.iter().copied()))
    }

    fn bad_value(&self, name: &str, expected: &str, named: &Mapping) -> Diagnostic {
        let module = self.task.module.written();
        let free_form = self.task.args.free_form.as_ref();
        let value = named.get(name).or(free_form.filter(|_| self.spec.free_form == Some(name)));
        let argument = self.spec.argument(name);
        let span = value.map_or(self.module_span(), |value| &value.span);
        let what =
            if self.spec.free_form == Some(name) && named.get(name).is_none() { "its text" } else { name };
        let title =
            if what == name { format!("`{name}` of `{module}`") } else { format!("the text of `{module}`") };
        let mistake = Diagnostic::error(format!("{title} has a value that it cannot have"))
            .at(&span.first_line(), format!("expected {expected}"));
        let written = value.and_then(Node::scalar_text).unwrap_or_default();
        let choices = argument.map(|argument| argument.choices).unwrap_or_default();
        match suggest::nearest(&written, choices.iter().copied()) {
            Some(near) => mistake.replace(span, near, format!("did you mean `{near}`?")),
            None => mistake,
        }
    }

    fn no_free_text(&self, text: &Node) -> Diagnostic {
        let module = self.task.module.written();
        let mistake = Diagnostic::error(format!("`{module}` takes no free text"))
            .at(&text.span.first_line(), "expected `name: value` or `name=value`");
        let first = self.spec.args.first().map(|argument| argument.name);
        mistake.maybe_hint(first.map(|name| format!("write its arguments by name, such as `{name}:`")))
    }
}

/// Whether a value is known only when it is rendered or decrypted.
fn is_later(value: &Node) -> bool {
    value.has_template() || value.has_vault()
}

/// An argument that the module does not have; maybe a keyword of the task in the wrong column.
fn unknown<'k>(task: &Task, key: &Node, known: impl Iterator<Item = &'k str>) -> Diagnostic {
    let name = key.key_text();
    let module = task.module.written();
    let holder = if task.is_handler { Holder::Handler } else { Holder::Task };
    let is_keyword =
        Keyword::find(&name).is_some_and(|keyword| keyword.fits(holder)) || name.starts_with("with_");
    if is_keyword {
        let mistake =
            Diagnostic::error(format!("`{name}` is a keyword of the task, not an argument of `{module}`"));
        return mistake.at(&key.span, "indented into the arguments").hint(columns_to_the_left(task, key));
    }
    let mistake =
        Diagnostic::error(format!("`{module}` has no argument `{name}`")).at(&key.span, "not known");
    match suggest::nearest(&name, known) {
        Some(near) => mistake.replace(&key.span, near, format!("did you mean `{near}`?")),
        None => mistake.hint(format!("`muster doc {module}` lists its arguments")),
    }
}

fn columns_to_the_left(task: &Task, key: &Node) -> String {
    let name = key.key_text();
    let (own, wanted) = (key.span.place(), task.span().place());
    let module_line = task.module.0.span.place().line;
    if own.line == module_line || own.column <= wanted.column {
        return format!("put `{name}` on a line of its own, in the column of `{}`", task.module.written());
    }
    let columns = match own.column - wanted.column {
        1 => "one column".to_owned(),
        2 => "two columns".to_owned(),
        3 => "three columns".to_owned(),
        4 => "four columns".to_owned(),
        many => format!("{many} columns"),
    };
    format!("`{name}` belongs {columns} to the left")
}

/// A sentence of the documentation as the end of another.
fn sentence(doc: &str) -> &str {
    doc.trim_end_matches('.')
}
