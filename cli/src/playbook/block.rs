//! Lists of tasks, and blocks.

use super::keyword::{Holder, Keyword};
use super::load::Pass;
use super::{Block, Item, Scope, ScopeKind, module};
use crate::error::Diagnostic;
use crate::yaml::{Mapping, Node};
use std::path::Path;
use std::sync::Arc;

impl Pass<'_> {
    /// The tasks and blocks of a list.
    pub(super) fn items(&mut self, list: &Node, scope: &Arc<Scope>, holder: Holder) -> Vec<Item> {
        let Some(entries) = list.as_seq() else {
            if !list.is_null() {
                self.mistakes.push(not_a_list(list));
            }
            return Vec::new();
        };
        entries.iter().flat_map(|entry| self.item(entry, scope, holder)).collect()
    }

    fn item(&mut self, entry: &Node, scope: &Arc<Scope>, holder: Holder) -> Vec<Item> {
        let Some(mapping) = entry.as_map() else {
            if !entry.is_null() {
                self.mistakes.push(not_a_task(entry));
            }
            return Vec::new();
        };
        let has = |keyword: Keyword| mapping.get(keyword.name()).is_some();
        if has(Keyword::Block) || has(Keyword::Rescue) || has(Keyword::Always) {
            return self.block(entry, mapping, scope, holder).into_iter().collect();
        }
        if has(Keyword::Hosts) && (has(Keyword::Tasks) || has(Keyword::Roles)) {
            let span = mapping.entry("hosts").map_or(&entry.span, |(key, _)| &key.span);
            self.mistakes.push(
                Diagnostic::error("a play where a task was expected")
                    .at(span, "a task has no hosts of its own")
                    .hint("a file of tasks, as `import_tasks` and roles have them, is a list of tasks only"),
            );
            return Vec::new();
        }
        self.task(entry, mapping, scope, holder)
    }

    fn block(&mut self, entry: &Node, mapping: &Mapping, outer: &Arc<Scope>, holder: Holder) -> Option<Item> {
        if holder == Holder::Handler {
            let mistake = Diagnostic::error("a block where a handler was expected");
            let mistake = mistake.at(&entry.span.first_line(), "a handler is one task");
            self.mistakes.push(mistake.known_as("Using a block as a handler is not supported."));
            return None;
        }
        let (keywords, rest) = self.keywords(mapping, Holder::Block);
        for (key, _) in rest {
            self.mistakes.push(block_stray(&key));
        }
        if keywords.given(Keyword::Block).is_none() {
            self.mistakes.push(
                Diagnostic::error("`rescue` and `always` need a `block`")
                    .at(&entry.span.first_line(), "nothing here to rescue")
                    .hint("put the tasks that may fail below `block:`"),
            );
            return None;
        }
        let scope = self.scope(ScopeKind::Block, keywords, Some(outer), entry);
        let mut part = |keyword: Keyword| match scope.keywords.get(keyword).cloned() {
            Some(list) => self.items(&list, &scope, holder),
            None => Vec::new(),
        };
        let (body, rescue, always) = (part(Keyword::Block), part(Keyword::Rescue), part(Keyword::Always));
        Some(Item::Block(Arc::new(Block { scope, body, rescue, always })))
    }

    /// The tasks of a file.
    pub(super) fn task_file(&mut self, path: &Path, scope: &Arc<Scope>, is_handlers: bool) -> Vec<Item> {
        let Some(document) = self.yaml(path) else { return Vec::new() };
        if document.is_null() || document.as_seq().is_some_and(<[_]>::is_empty) {
            let warning = Diagnostic::warning(format!("`{}` has no tasks", path.display()));
            self.loader.reader.warn(warning.at(&scope.span.first_line(), "included here"));
            return Vec::new();
        }
        let holder = if is_handlers { Holder::Handler } else { Holder::Task };
        self.items(&document, scope, holder)
    }
}

fn not_a_list(list: &Node) -> Diagnostic {
    let found = list.describe();
    let mistake = Diagnostic::error(format!("expected a list of tasks, found {found}"));
    let mistake = mistake.at(&list.span.first_line(), "each task begins with `- `");
    match list.as_map() {
        Some(_) => mistake.hint("put `- ` before the first key of each task"),
        None => mistake,
    }
}

fn not_a_task(entry: &Node) -> Diagnostic {
    let found = entry.describe();
    let mistake =
        Diagnostic::error(format!("a task is a mapping, found {found}")).at(&entry.span.first_line(), "");
    match entry.as_str() {
        Some(text) if module::is_known(text.split([' ', ':']).next().unwrap_or(text)) => {
            mistake.hint(format!(
                "write `{}:` with a colon and a blank behind it",
                text.split([' ', ':']).next().unwrap_or(text)
            ))
        }
        _ => mistake,
    }
}

/// A module or an unknown keyword beside `block`.
fn block_stray(key: &Node) -> Diagnostic {
    let name = key.key_text();
    if module::is_known(&name) {
        return Diagnostic::error(format!("a block has no module, found `{name}`"))
            .at(&key.span, "a task beside `block`")
            .hint("put it below `block:` as a task of its own");
    }
    module::unknown_keyword(key, Holder::Block)
}
