//! Variables that a task needs and that nothing defines, found before any host is asked.
//!
//! Only what is certain is a mistake: the task runs in any case, the template needs the name whatever happens, and nothing
//! that was read, in any file, could be its definition. Where a run defines names that no file shows (a module of the
//! user, an include whose file is a template), nothing is said: the run will tell.

use super::tags::{TagFilter, tags_of};
use crate::error::{Diagnostic, Diagnostics};
use crate::load::Reader;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Block, FileKind, Found, Item, Play, Playbook, Task, find_file, may_fail};
use crate::source::{SourceFile, Span};
use crate::suggest::did_you_mean;
use crate::template::{FileOptions, Need, needs_of_file, needs_of_text};
use crate::vars::{MAGIC_NAMES, Store};
use crate::yaml::{Kind, Node, Tag};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// What templates know beside variables: what loops, macros and blocks set.
const ALWAYS_KNOWN: [&str; 7] = ["caller", "item", "kwargs", "loop", "self", "super", "varargs"];

/// All such names in tasks that are selected, in plays that have hosts, each with its place.
pub(crate) fn undefined(
    playbooks: &[Playbook],
    reader: &Reader,
    store: &Store,
    tags: &TagFilter,
    has_hosts: impl Fn(&Play) -> bool,
) -> Diagnostics {
    let plays = || playbooks.iter().flat_map(|playbook| &playbook.plays);
    let mut mistakes = Diagnostics::default();
    if plays().any(defines_unseen) {
        return mistakes;
    }
    let Some(later) = plays().map(read_later).collect::<Option<Vec<_>>>() else { return mistakes };
    let definitions = Definitions::new(reader, store, later.into_iter().flatten().collect());
    for play in plays().filter(|play| has_hosts(play)) {
        let sections = [&play.pre_tasks, &play.tasks, &play.post_tasks];
        let items = sections.into_iter().flatten().flat_map(certain_tasks);
        let of_roles = play.roles.iter().flat_map(tasks_of_block);
        for task in items.chain(of_roles).filter(|task| tags.selects(&tags_of(task))) {
            of_task(task, &definitions, &mut mistakes);
        }
    }
    mistakes
}

/// The tasks that run unless one before them fails.
fn certain_tasks(item: &Item) -> Vec<&Task> {
    match item {
        Item::Task(task) => vec![task],
        Item::Block(block) => tasks_of_block(block),
    }
}

fn tasks_of_block(block: &Block) -> Vec<&Task> {
    block.body.iter().chain(&block.always).flat_map(certain_tasks).collect()
}

/// Whether a play defines names, or ends early, in a way that its files do not show.
fn defines_unseen(play: &Play) -> bool {
    super::refused::tasks(play).into_iter().any(|task| {
        let says = |word: &str| {
            task.args.free_form.as_ref().and_then(Node::as_str).is_some_and(|text| text.starts_with(word))
        };
        match task.module.bare() {
            "add_host" | "group_by" | "include_role" | "set_stats" | "getent" => true,
            "set_fact" => task.args.template.is_some() || task.args.named.keys().any(Node::has_template),
            "meta" => says("end_") || says("refresh_"),
            name => {
                task.own_module.is_some()
                    || task.module.is_template()
                    || (name.ends_with("_facts") && name != "gather_facts")
            }
        }
    })
}

/// The files that the play reads only when it runs; none where their names are not known now.
fn read_later(play: &Play) -> Option<Vec<Arc<SourceFile>>> {
    let mut paths = Vec::new();
    for file in play.vars_files.iter().flat_map(Node::one_or_many) {
        paths.push(named_file(&play.scope, FileKind::Vars, file)?);
    }
    for task in super::refused::tasks(play) {
        let kind = match task.module.bare() {
            "include_tasks" => FileKind::Tasks,
            "include_vars" => FileKind::Vars,
            _ => continue,
        };
        let file = task.args.named.get("file").or(task.args.free_form.as_ref())?;
        paths.push(named_file(&task.scope, kind, file)?);
    }
    // What such a file includes in turn is not followed.
    let texts: Vec<String> =
        paths.iter().map(|path| std::fs::read_to_string(path).ok()).collect::<Option<_>>()?;
    let includes = |text: &String| text.contains("include_") || text.contains("$ANSIBLE_VAULT");
    if texts.iter().any(includes) {
        return None;
    }
    Some(paths.into_iter().zip(texts).map(|(path, text)| SourceFile::new(path, text)).collect())
}

fn named_file(scope: &crate::playbook::Scope, kind: FileKind, file: &Node) -> Option<PathBuf> {
    let name = file.as_str().filter(|_| !file.has_template())?;
    match find_file(scope, kind, name) {
        Found::At(path) if path.is_file() => Some(path),
        _ => None,
    }
}

/// All that may define a name.
struct Definitions {
    texts: Vec<Arc<SourceFile>>,
    known: BTreeSet<String>,
    /// What the texts were searched for already.
    searched: RefCell<HashMap<String, bool>>,
}

impl Definitions {
    fn new(reader: &Reader, store: &Store, later: Vec<Arc<SourceFile>>) -> Self {
        let mut known: BTreeSet<String> =
            ALWAYS_KNOWN.iter().chain(MAGIC_NAMES).map(|name| (*name).to_owned()).collect();
        let mut add = |name: &str| {
            // Most hosts have the names of those before.
            if !known.contains(name) {
                known.insert(name.to_owned());
            }
        };
        store.extra().names().for_each(&mut add);
        for host in store.hosts().iter().filter_map(|host| store.host(host)) {
            host.layers().for_each(|(_, vars)| vars.names().for_each(&mut add));
            host.facts.keys().for_each(|name| add(name));
        }
        let texts = reader.texts().into_iter().chain(later).collect();
        Self { texts, known, searched: RefCell::default() }
    }

    /// Facts, and what connections are told, begin with `ansible_`; template files have `template_…`.
    fn may_have(&self, name: &str) -> bool {
        let is_given = ["ansible_", "template_"].iter().any(|prefix| name.starts_with(prefix));
        is_given || self.known.contains(name) || self.is_mentioned(name)
    }

    fn is_mentioned(&self, name: &str) -> bool {
        if let Some(known) = self.searched.borrow().get(name) {
            return *known;
        }
        let is_mentioned = self.texts.iter().any(|text| mentions(text.text(), name));
        self.searched.borrow_mut().insert(name.to_owned(), is_mentioned);
        is_mentioned
    }
}

/// Whether a text has the word where it may define it: outside of expressions, or quoted in one.
fn mentions(text: &str, name: &str) -> bool {
    let is_of_word = |character: char| character == '_' || character.is_alphanumeric();
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let is_word = !before.ends_with(is_of_word) && !after.starts_with(is_of_word);
        let is_quoted = before.ends_with(['\'', '"']) && after.starts_with(['\'', '"']);
        is_word && (is_quoted || !is_in_expression(before))
    })
}

/// Whether an expression is open at the end of a text.
fn is_in_expression(before: &str) -> bool {
    let last = |marks: [&str; 2]| marks.iter().filter_map(|mark| before.rfind(mark)).max();
    match (last(["{{", "{%"]), last(["}}", "%}"])) {
        (Some(open), Some(closed)) => open > closed,
        (open, None) => open.is_some(),
        (None, Some(_)) => false,
    }
}

fn of_task(task: &Task, definitions: &Definitions, mistakes: &mut Diagnostics) {
    let is_conditional = !task.scope.each(Keyword::When).is_empty();
    if is_conditional || may_fail(&task.scope) {
        return;
    }
    if let Some(over) = &task.loop_over {
        return in_value(&over.over, task, definitions, mistakes);
    }
    match task.module.bare() {
        // They take expressions, or fail anyway.
        "assert" | "fail" | "meta" => return,
        "template" => in_template_file(task, definitions, mistakes),
        _ => {}
    }
    let values = task.args.named.iter().map(|(_, value)| value).chain(&task.args.free_form);
    values.for_each(|value| in_value(value, task, definitions, mistakes));
}

/// Texts at any depth.
fn in_value(value: &Node, task: &Task, definitions: &Definitions, mistakes: &mut Diagnostics) {
    match &value.kind {
        Kind::Str(text) if value.tag == Tag::None && value.has_template() => {
            for need in missing(needs_of_text(text), definitions) {
                mistakes.push(mistake(&need, &value.span_of(need.range.clone()), task, definitions));
            }
        }
        Kind::Seq(items) => items.iter().for_each(|item| in_value(item, task, definitions, mistakes)),
        Kind::Map(entries) => {
            entries.iter().for_each(|(_, value)| in_value(value, task, definitions, mistakes));
        }
        _ => {}
    }
}

/// The file of a `template` task, where its delimiters are the usual ones.
fn in_template_file(task: &Task, definitions: &Definitions, mistakes: &mut Diagnostics) {
    let has_own_delimiters = task.args.named.keys().any(|key| key.key_text().ends_with("_string"));
    let Some(src) = task.args.named.get("src").filter(|_| !has_own_delimiters) else { return };
    let Some(path) = named_file(&task.scope, FileKind::Templates, src) else { return };
    let Ok(text) = std::fs::read_to_string(&path) else { return };
    let missing = missing(needs_of_file(&text, &FileOptions::default()), definitions);
    let source = SourceFile::new(path, text);
    for need in missing {
        let place = Span::new(&source, need.range.clone());
        mistakes.push(mistake(&need, &place, task, definitions).at(&src.span, "used here"));
    }
}

fn missing(needs: Vec<Need>, definitions: &Definitions) -> Vec<Need> {
    needs.into_iter().filter(|need| !definitions.may_have(&need.name)).collect()
}

fn mistake(need: &Need, place: &Span, task: &Task, definitions: &Definitions) -> Diagnostic {
    let name = &need.name;
    let written = written_names(task);
    let known = written.iter().chain(&definitions.known).map(String::as_str);
    Diagnostic::error(format!("`{name}` is undefined"))
        .at(place, "nothing defines it")
        .maybe_hint(did_you_mean(name, known))
        .hint(format!("define it (`vars`, `group_vars`, `-e`), or say what counts without it: `{{{{ {name} | default(…) }}}}`"))
}

/// The names of variables that stand around a task.
fn written_names(task: &Task) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for scope in task.scope.outer() {
        names.extend(scope.own_vars().flat_map(|vars| vars.keys()).map(|key| key.key_text().into_owned()));
        for vars in scope.role.iter().flat_map(|role| [&role.defaults, &role.vars, &role.params]) {
            names.extend(vars.keys().map(|key| key.key_text().into_owned()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_defined_where_it_stands_outside_of_expressions_or_quoted() {
        assert!(mentions("vars:\n  port: 80\n", "port"));
        assert!(mentions("register: port", "port"));
        assert!(mentions("msg: \"{{ {'port': 1} }}\"", "port"));
        assert!(!mentions("msg: \"{{ port }}\"", "port"));
        assert!(!mentions("ports: 80\nmy_port: 1", "port"));
        assert!(mentions("msg: \"{{ a }}\"\nport: 1", "port"));
    }
}
