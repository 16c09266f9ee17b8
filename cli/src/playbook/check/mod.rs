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

/// Adds what is wrong with a task; with `wants_files` also files that are not there.
pub(super) fn task(task: &Task, wants_files: bool, mistakes: &mut Diagnostics) {
    if may_fail(&task.scope) {
        return;
    }
    arguments::check(task, mistakes);
    cluster::check(task, mistakes);
    templates::arguments(task, mistakes);
    if wants_files {
        files::check(task, mistakes);
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
