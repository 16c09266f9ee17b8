//! Which key of a task names its module, and what the other keys were meant to be.

use super::keyword::{Holder, Keyword};
use crate::error::Diagnostic;
use crate::source::Span;
use crate::suggest;
use crate::yaml::Node;
use muster_api::module;

/// What tasks can say that is carried out while playbooks are read.
pub(super) const FLOW: [&str; 4] = ["import_tasks", "include_tasks", "import_role", "include_role"];

/// Without `ansible.builtin.` or `ansible.legacy.`.
pub(super) fn bare(name: &str) -> &str {
    let bare = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
    bare.unwrap_or(name)
}

/// Whether there is such a module, under its bare or its full name.
pub(crate) fn is_known(name: &str) -> bool {
    FLOW.contains(&bare(name)) || module::find(name).is_some()
}

/// A key of a task that is no keyword, with its value.
pub(super) type Candidate = (Node, Node);

/// Picks the entry that names the module; the others are mistakes.
///
/// # Errors
///
/// All mistakes that the entries are.
pub(super) fn pick(
    candidates: Vec<Candidate>,
    holder: Holder,
    task: &Span,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Candidate, Vec<Diagnostic>> {
    let known = candidates.iter().position(|(key, _)| is_known(&key.key_text()));
    let position = match (known, candidates.len()) {
        (Some(position), _) => position,
        (None, 0) => return Err(vec![no_module(task, holder)]),
        // A key like a keyword is a typing mistake in that rather than an unknown module.
        (None, _) => {
            let is_keyword_like = |(key, _): &Candidate| Keyword::nearest(&key.key_text(), holder).is_some();
            let position = candidates.iter().position(|candidate| !is_keyword_like(candidate));
            position.unwrap_or(0)
        }
    };
    let mut mistakes = Vec::new();
    let module_key = candidates[position].0.clone();
    if known.is_none() {
        mistakes.push(unknown_module(&module_key, holder));
    }
    mistakes.extend(strays(&candidates, position, holder, is_known));
    if mistakes.is_empty() {
        candidates.into_iter().nth(position).ok_or_else(Vec::new)
    } else {
        Err(mistakes)
    }
}

fn no_module(task: &Span, holder: Holder) -> Diagnostic {
    Diagnostic::error(format!("{} without a module", holder.describe()))
        .at(&task.first_line(), "nothing here says what to do")
        .hint("add a module with its arguments, such as `debug:` with `msg:` below it")
}

/// That there is no module of a name.
pub(super) fn unknown_module(key: &Node, holder: Holder) -> Diagnostic {
    let name = key.key_text();
    let mistake = Diagnostic::error(format!("there is no module `{name}`")).at(&key.span, "not known");
    let known: Vec<&str> = module::all().map(|module| module.name).chain(FLOW).collect();
    // Of `community.general.NAME` the last part may be one that is here.
    let last = name.rsplit('.').next().unwrap_or(&name);
    if let Some(same) = known.iter().find(|known| **known == last) {
        return mistake.hint(format!("there is `{same}`, which may do the same"));
    }
    match suggest::nearest(last, known) {
        Some(near) => mistake.replace(&key.span, near, format!("did you mean `{near}`?")),
        None => match Keyword::nearest(&name, holder) {
            Some(keyword) => mistake.hint(format!("did you mean the keyword `{keyword}`?")),
            None => mistake.hint("`muster doc` lists the modules that there are"),
        },
    }
}

/// What the entries beside the module are wrong about. Arguments that are not indented are one mistake.
fn strays(
    candidates: &[Candidate],
    module: usize,
    holder: Holder,
    is_known: &dyn Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    let (module_key, module_value) = &candidates[module];
    let spec = module::find(&module_key.key_text());
    let is_argument = |name: &str| spec.is_some_and(|spec| spec.argument(name).is_some());
    let others = candidates.iter().enumerate().filter(|(index, _)| *index != module).map(|(_, entry)| entry);
    let (arguments, others): (Vec<&Candidate>, Vec<&Candidate>) = others.partition(|(key, _)| {
        is_argument(&key.key_text()) && (module_value.is_null() || !is_known(&key.key_text()))
    });
    let mut mistakes = Vec::new();
    if !arguments.is_empty() {
        mistakes.push(not_indented(&arguments, module_key));
    }
    for (key, _) in others {
        mistakes.push(stray(key, module_key, holder, is_known));
    }
    mistakes
}

fn not_indented(arguments: &[&Candidate], module_key: &Node) -> Diagnostic {
    let module = module_key.key_text();
    let names: Vec<String> = arguments.iter().map(|(key, _)| format!("`{}`", key.key_text())).collect();
    let names = names.join(", ");
    let (first, _) = arguments[0];
    let is_one = arguments.len() == 1;
    let (is, argument) = if is_one { ("is", "an argument") } else { ("are", "arguments") };
    let mut mistake =
        Diagnostic::error(format!("{names} {is} {argument} of `{module}`, not keywords of a task"))
            .at(&first.span, format!("belongs below `{module}`"));
    for (key, _) in &arguments[1..] {
        mistake = mistake.at(&key.span, "this too");
    }
    mistake.at(&module_key.span, "the module").hint(format!("indent {names} under `{module}`"))
}

fn stray(key: &Node, module_key: &Node, holder: Holder, is_known: &dyn Fn(&str) -> bool) -> Diagnostic {
    let name = key.key_text();
    let module = module_key.key_text();
    if is_known(&name) {
        return Diagnostic::error(format!("a task has one module, here are `{module}` and `{name}`"))
            .at(&key.span, "the second module")
            .at(&module_key.span, "the first module")
            .hint("begin a task of its own with `- `");
    }
    unknown_keyword(key, holder)
}

/// That a play, block or task has no such keyword.
pub(super) fn unknown_keyword(key: &Node, holder: Holder) -> Diagnostic {
    let name = key.key_text();
    let mistake = Diagnostic::error(format!("{} has no keyword `{name}`", holder.describe()));
    if let Some(keyword) = Keyword::find(&name) {
        let fits = |holder: &Holder| keyword.fits(*holder);
        let places: Vec<&str> = [Holder::Play, Holder::Block, Holder::Task, Holder::Handler, Holder::Role]
            .iter()
            .filter(|h| fits(h))
            .map(|h| h.describe())
            .collect();
        return mistake
            .at(&key.span, "not here")
            .hint(format!("`{name}` is a keyword of {}", places.join(", ")));
    }
    match Keyword::nearest(&name, holder) {
        Some(near) => {
            mistake.at(&key.span, "not known").replace(&key.span, near, format!("did you mean `{near}`?"))
        }
        None => mistake.at(&key.span, "not known"),
    }
}
