//! Notifications that no handler of the play answers. Where handlers come in at run time, none is said to be missing.

use super::super::keyword::Keyword;
use super::super::{Block, Item, Task};
use super::may_fail;
use crate::error::{Diagnostic, Diagnostics};
use crate::suggest;
use std::sync::Arc;

/// Adds the notifications of a play that no handler answers.
pub(in super::super) fn notifications(
    tasks: &[&[Item]],
    roles: &[Arc<Block>],
    handlers: &[Arc<Task>],
    mistakes: &mut Diagnostics,
) {
    let listed = tasks.iter().flat_map(|items| items.iter()).flat_map(Item::tasks);
    let tasks: Vec<&Arc<Task>> =
        listed.chain(roles.iter().flat_map(|role| role.tasks())).chain(handlers).collect();
    let known = Known::of(handlers);
    let brings_handlers = |task: &&Arc<Task>| task.module.bare() == "include_role";
    if known.is_open || tasks.iter().any(brings_handlers) {
        return;
    }
    for task in tasks.iter().filter(|task| !may_fail(&task.scope)) {
        let notified =
            task.scope.keywords.get(Keyword::Notify).map(|notify| notify.one_or_many()).unwrap_or_default();
        for name in notified.iter().filter(|name| !name.has_template()) {
            let text = name.key_text();
            if !known.answers(&text) {
                mistakes.push(
                    Diagnostic::error(format!("there is no handler `{text}`"))
                        .at(&name.span, "notified here")
                        .known_as(missing_handler(&text))
                        .maybe_hint(suggest::did_you_mean(&text, known.names.iter().map(String::as_str)))
                        .hint("a handler answers to its `name` and to what it `listen`s to"),
                );
            }
        }
    }
}

/// Ansible's sentence for a handler that nobody has.
pub(crate) fn missing_handler(name: &str) -> String {
    format!(
        "The requested handler '{name}' was not found in either the main handlers list nor in the listening \
         handlers list"
    )
}

/// What handlers answer to.
struct Known {
    names: Vec<String>,
    /// Whether there may be others: a name is a template, or handlers are included at run time.
    is_open: bool,
}

impl Known {
    fn of(handlers: &[Arc<Task>]) -> Self {
        let mut known = Self { names: Vec::new(), is_open: false };
        for handler in handlers {
            let listens = handler.scope.keywords.get(Keyword::Listen).map(|listen| listen.one_or_many());
            for name in handler.name().into_iter().chain(listen_items(listens)) {
                known.is_open |= name.has_template();
                let text = name.key_text().into_owned();
                // A role of a collection answers to its short name too.
                if let Some(role) = handler.role() {
                    let short = role.name.rsplit(['.', '/']).next().unwrap_or(&role.name);
                    known.names.extend([format!("{} : {text}", role.name), format!("{short} : {text}")]);
                }
                known.names.push(text);
            }
            known.is_open |= handler.module.bare() == "include_tasks";
        }
        known
    }

    fn answers(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

fn listen_items(items: Option<&[crate::yaml::Node]>) -> impl Iterator<Item = &crate::yaml::Node> {
    items.unwrap_or_default().iter()
}
