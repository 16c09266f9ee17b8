//! Files of the controller that a task names and that are not there. Only relative names: an absolute one may be
//! written by an earlier task; and only where the task runs in any case.

use super::super::Task;
use super::super::keyword::Keyword;
use super::super::search::{Found, Kind, find_file, not_found};
use crate::error::{Diagnostic, Diagnostics};
use crate::source::{SourceFile, Span};
use crate::template::{FileOptions, check_file};
use crate::yaml::Node;
use std::path::PathBuf;

/// Adds a file that is not there.
pub(super) fn check(task: &Task, mistakes: &mut Diagnostics) {
    let Some((file, name, kind)) = named_file(task) else { return };
    // Where tasks of the same file run on the controller, they may write what is not there yet.
    let source = task.module.0.span.file().text();
    let writes_here = ["localhost", "127.0.0.1", "local_action", "connection: local"];
    let may_come = writes_here.iter().any(|word| source.contains(word));
    let is_certain = task.scope.each(Keyword::When).is_empty() && task.loop_over.is_none() && !may_come;
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
            mistakes.push(not_found(&what, &name, &file.span, &places));
        }
        Found::At(path) if task.module.bare() == "template" => check_syntax(task, path, &file.span, mistakes),
        Found::At(_) => {}
    }
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
