//! Files of the controller that a task names and that are not there. Only relative names: an absolute one may be
//! written by an earlier task; and only where the task runs in any case.

use super::super::Task;
use super::super::keyword::Keyword;
use super::super::search::{Found, Kind, find_file, not_found};
use super::Files;
use crate::error::{Diagnostic, Diagnostics};
use crate::inventory::LOCALHOST;
use crate::source::{SourceFile, Span};
use crate::template::{FileOptions, check_file};
use crate::yaml::Node;
use std::path::PathBuf;

/// Adds a file that is not there; `may_come` where a task may write it here before it is read.
pub(super) fn check(task: &Task, files: Files, mistakes: &mut Diagnostics) {
    let Some((file, name, kind)) = named_file(task) else { return };
    let is_certain = task.scope.each(Keyword::When).is_empty() && task.loop_over.is_none() && !files.may_come;
    if !is_certain
        || file.has_template()
        || file.has_vault()
        || name.starts_with(['/', '~'])
        || name.is_empty()
    {
        return;
    }
    match find_file(&task.scope, kind, &name) {
        Found::Nowhere(places) => {
            let what = format!("`{}`: there is no file", task.module.written());
            let missing = not_found(&what, &name, &file.span, &places);
            mistakes.push(if files.are_warnings { missing.into_warning() } else { missing });
        }
        Found::At(path) if task.module.bare() == "template" => check_syntax(task, path, &file.span, mistakes),
        Found::At(_) => {}
    }
}

/// Whether something in a file of plays or tasks is done on the controller, where it may write what is not there yet:
/// a play for it, a local connection, a task that is delegated to it.
pub(in super::super) fn writes_here(document: &Node) -> bool {
    const SECTIONS: [&str; 7] = ["pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always"];
    let entry = |entry: &Node| {
        ["hosts", "delegate_to"].iter().any(|key| entry.get(key).is_some_and(names_controller))
            || entry.get("connection").is_some_and(|value| value.as_str() == Some("local"))
            || entry.get("local_action").is_some()
            || SECTIONS.iter().any(|section| entry.get(section).is_some_and(writes_here))
    };
    document.as_seq().is_some_and(|entries| entries.iter().any(entry))
}

/// Its name, alone or among others, or a template that may give it.
fn names_controller(hosts: &Node) -> bool {
    hosts.one_or_many().iter().any(|host| {
        let is_named = |text: &str| text.split([',', ':']).any(|name| LOCALHOST.contains(&name.trim()));
        host.has_template() || host.as_str().is_some_and(is_named)
    })
}

/// Adds a mistake in the template file itself, unless the task reads it with delimiters of its own.
fn check_syntax(task: &Task, path: PathBuf, named_at: &Span, mistakes: &mut Diagnostics) {
    let has_own_delimiters = task.args.named.keys().any(|key| key.key_text().ends_with("_string"));
    // A file that cannot be read as text is reported where it is rendered.
    let Some(text) = std::fs::read_to_string(&path).ok().filter(|_| !has_own_delimiters) else { return };
    if let Err(problem) = check_file(&text, &FileOptions::default()) {
        let source = SourceFile::new(path, text);
        let mistake = Diagnostic::error(format!("in a template: {}", problem.message))
            .at(&Span::new(&source, problem.range.clone()), "")
            .at(named_at, "used here");
        mistakes.push(mistake.maybe_hint(problem.hint));
    }
}

/// The file that a task reads on the controller, the name of it, and where it is looked for.
fn named_file(task: &Task) -> Option<(&Node, String, Kind)> {
    let args = &task.args;
    let named = |name: &str| args.named.get(name).filter(|value| !value.is_null());
    let whole = |node: &'_ Node| node.scalar_text().map(|text| text.into_owned());
    let (file, kind) = match task.module.bare() {
        "copy" if named("remote_src").is_none_or(|value| value.truth() == Some(false)) => {
            (named("src")?, Kind::Files)
        }
        "template" => (named("src")?, Kind::Templates),
        "script" => (named("cmd").or(args.free_form.as_ref())?, Kind::Files),
        "include_tasks" => {
            let kind = if task.is_handler { Kind::Handlers } else { Kind::Tasks };
            (named("file").or(args.free_form.as_ref())?, kind)
        }
        "include_vars" => (named("file").or(args.free_form.as_ref())?, Kind::Vars),
        _ => return None,
    };
    let text = whole(file)?;
    // Behind a script come its own arguments.
    let name = match task.module.bare() {
        "script" => crate::run::split_words(&text).ok()?.into_iter().next().unwrap_or_default(),
        _ => text,
    };
    Some((file, name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_on_the_controller_is_seen_in_the_tasks_and_not_in_their_words() {
        let writes =
            |text: &str| writes_here(&crate::yaml::parse_text("test.yml", text).expect("it is YAML"));
        assert!(writes("- hosts: localhost\n  tasks: []\n"));
        assert!(writes(
            "- hosts: web\n  tasks:\n  - block:\n    - delegate_to: 127.0.0.1\n      command: make x\n"
        ));
        assert!(writes("- local_action: command make x\n"));
        assert!(!writes("- hosts: web\n  tasks:\n  - debug: msg='not on localhost'\n"));
    }
}
