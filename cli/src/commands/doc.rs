//! `muster doc`: the modules and their arguments, from the same tables that playbooks are checked against.

use super::basis::tell;
use crate::args::DocArgs;
use crate::error::{Diagnostic, Diagnostics};
use crate::exit::Exit;
use crate::suggest;
use muster_api::module::{self, ArgKind, ArgSpec, ModuleSpec, Rule, RunsOn};
use serde_json::{Value as Json, json};

/// Runs `muster doc`.
pub(crate) fn run(args: DocArgs) -> Exit {
    if args.compatibility {
        print!("{}", super::compatibility::page());
        return Exit::Fine;
    }
    let mut mistakes = Diagnostics::default();
    let wanted: Vec<&ModuleSpec> = match args.modules.is_empty() || args.list {
        true => module::all().collect(),
        false => args.modules.iter().filter_map(|name| find(name, &mut mistakes)).collect(),
    };
    if mistakes.has_errors() {
        return tell(&mistakes);
    }
    if args.json {
        let all: serde_json::Map<String, Json> =
            wanted.iter().map(|spec| (spec.name.to_owned(), as_json(spec))).collect();
        println!("{}", crate::report::text::indented(&all));
    } else if args.modules.is_empty() || args.list {
        wanted.iter().for_each(|spec| println!("{:<16} {}", spec.name, spec.summary));
    } else {
        println!("{}", wanted.iter().map(|spec| as_text(spec)).collect::<Vec<_>>().join("\n"));
    }
    Exit::Fine
}

fn find(name: &str, mistakes: &mut Diagnostics) -> Option<&'static ModuleSpec> {
    let found = module::find(name);
    if found.is_none() {
        let hint = suggest::did_you_mean(name, module::all().map(|spec| spec.name));
        let mistake = Diagnostic::error(format!("there is no module `{name}`")).exits_with(Exit::Unexpected);
        mistakes.push(mistake.maybe_hint(hint).hint("`muster doc` lists all modules"));
    }
    found
}

fn as_text(spec: &ModuleSpec) -> String {
    let place = match spec.runs_on {
        RunsOn::Host => "on the host",
        RunsOn::Controller => "on the controller",
    };
    let mut text = format!("{}  (runs {place})\n    {}\n", spec.name, spec.summary);
    for arg in spec.args {
        text += &argument(arg);
    }
    if spec.open_ended {
        text += "    and any other name\n";
    }
    for rule in spec.rules {
        text += &format!("  rule: {}\n", sentence(rule));
    }
    if !spec.unsupported.is_empty() {
        text += &format!("  refused for now: {}\n", spec.unsupported.join(", "));
    }
    text
}

fn argument(arg: &ArgSpec) -> String {
    let mut notes = vec![kind(arg.kind).to_owned()];
    if arg.required {
        notes.push("required".into());
    }
    if let Some(default) = arg.default {
        notes.push(format!("default {default}"));
    }
    if !arg.choices.is_empty() {
        notes.push(format!("one of {}", arg.choices.join(", ")));
    }
    if !arg.aliases.is_empty() {
        notes.push(format!("also {}", arg.aliases.join(", ")));
    }
    if arg.secret {
        notes.push("never shown".into());
    }
    format!("  {}  ({})\n      {}\n", arg.name, notes.join("; "), arg.doc)
}

fn kind(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::Str => "text",
        ArgKind::Path => "path",
        ArgKind::Int => "whole number",
        ArgKind::Float => "number",
        ArgKind::Bool => "yes or no",
        ArgKind::Mode => "file mode",
        ArgKind::Raw => "any",
        ArgKind::ListOfStr => "list of texts",
        ArgKind::List => "list",
        ArgKind::Dict => "mapping",
    }
}

fn sentence(rule: &Rule) -> String {
    match rule {
        Rule::MutuallyExclusive(names) => format!("at most one of {}", names.join(", ")),
        Rule::RequiredOneOf(names) => format!("at least one of {}", names.join(", ")),
        Rule::RequiredTogether(names) => format!("{} together or none", names.join(", ")),
        Rule::RequiredBy { argument, needs } => format!("{argument} needs {}", needs.join(", ")),
        Rule::RequiredIf { argument, value, needs } => {
            format!("{argument}={value} needs {}", needs.join(", "))
        }
    }
}

fn as_json(spec: &ModuleSpec) -> Json {
    let options: serde_json::Map<String, Json> =
        spec.args.iter().map(|arg| (arg.name.to_owned(), argument_json(arg))).collect();
    json!({
        "doc": {
            "module": spec.name,
            "short_description": spec.summary,
            "options": options,
            "unsupported": spec.unsupported,
        }
    })
}

fn argument_json(arg: &ArgSpec) -> Json {
    json!({
        "description": [arg.doc],
        "type": kind(arg.kind),
        "required": arg.required,
        "default": arg.default,
        "choices": arg.choices,
        "aliases": arg.aliases,
        "no_log": arg.secret,
    })
}
