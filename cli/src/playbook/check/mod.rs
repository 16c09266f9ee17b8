//! Mistakes of a task that can be seen before any host is touched.

use super::Task;
use crate::error::Diagnostics;

/// Adds what is wrong with a task.
pub(super) fn task(_task: &Task, _mistakes: &mut Diagnostics) {}
