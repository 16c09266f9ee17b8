//! Mistakes that can be seen before any host is touched: arguments, conditions and templates, files, handlers.
//!
//! A task that is meant to fail is left alone: one with `ignore_errors` or `failed_when`, or in a block with `rescue`.

mod arguments;
mod cluster;
mod files;
mod handlers;
mod templates;

pub(super) use files::writes_here;
pub(crate) use handlers::missing_handler;
pub(super) use handlers::notifications;
pub(super) use templates::keyword;

use super::elsewhere;
use super::keyword::Keyword;
use super::{Scope, Task};
use crate::error::Diagnostics;
use crate::yaml::Node;

/// How files that tasks name and that are not there are taken.
#[derive(Clone, Copy)]
pub(super) struct Files {
    /// They are warned of, not refused.
    pub(super) are_warnings: bool,
    /// A task of the same file may write them here before they are read.
    pub(super) may_come: bool,
}

/// Adds what is wrong with a task.
pub(super) fn task(task: &Task, files: Files, mistakes: &mut Diagnostics) {
    if may_fail(&task.scope) {
        return;
    }
    templates::arguments(task, mistakes);
    if task.own_module.is_some() || elsewhere::collection_of(task.module.written()).is_some() {
        // What it takes is known to it alone.
        return;
    }
    arguments::check(task, mistakes);
    cluster::check(task, mistakes);
    files::check(task, files, mistakes);
}

/// Whether the playbook reckons with the failure of what stands in a scope.
pub(crate) fn may_fail(scope: &Scope) -> bool {
    let ignores = scope.nearest(Keyword::IgnoreErrors).is_some_and(|value| value.truth() != Some(false));
    let decides = scope.keywords.get(Keyword::FailedWhen).is_some_and(|value| value.truth() != Some(true));
    let is_rescued = scope.outer().any(|outer| outer.keywords.get(Keyword::Rescue).is_some_and(is_filled));
    ignores || decides || is_rescued
}

fn is_filled(list: &Node) -> bool {
    !list.one_or_many().is_empty()
}
