//! Mistakes that can be seen before any host is touched: arguments, conditions and templates, files, handlers.
//!
//! A task that is meant to fail is left alone: one with `ignore_errors` or `failed_when`, or in a block with `rescue`.

mod arguments;
mod cluster;
mod files;
mod handlers;
mod templates;

pub(super) use handlers::notifications;
pub(super) use templates::keyword;

use super::keyword::Keyword;
use super::{Scope, Task};
use crate::error::Diagnostics;
use crate::yaml::Node;

/// Adds what is wrong with a task; with `warns_of_files` a file that is not there is none of it, but a warning.
pub(super) fn task(task: &Task, warns_of_files: bool, mistakes: &mut Diagnostics) {
    if may_fail(&task.scope) {
        return;
    }
    templates::arguments(task, mistakes);
    if task.own_module.is_some() {
        // What it takes is known to it alone.
        return;
    }
    arguments::check(task, mistakes);
    cluster::check(task, mistakes);
    let mut missing = Diagnostics::default();
    files::check(task, &mut missing);
    for mistake in missing {
        mistakes.push(if warns_of_files { mistake.into_warning() } else { mistake });
    }
}

/// Whether the playbook reckons with the failure of what stands in a scope.
pub(super) fn may_fail(scope: &Scope) -> bool {
    let ignores = scope.nearest(Keyword::IgnoreErrors).is_some_and(|value| value.truth() != Some(false));
    let decides = scope.keywords.get(Keyword::FailedWhen).is_some_and(|value| value.truth() != Some(true));
    let is_rescued = scope.outer().any(|outer| outer.keywords.get(Keyword::Rescue).is_some_and(is_filled));
    ignores || decides || is_rescued
}

fn is_filled(list: &Node) -> bool {
    !list.one_or_many().is_empty()
}
