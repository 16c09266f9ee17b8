//! The list of all modules. A module's arguments stand in the file of its family.

use super::{ModuleSpec, RunsOn};

/// Sorted by name.
pub(super) const MODULES: &[&ModuleSpec] = &[&PING];

const PING: ModuleSpec = ModuleSpec {
    name: "ping",
    summary: "Answers `pong` where the agent's worker runs on the host.",
    runs_on: RunsOn::Host,
    args: &[],
    free_form: None,
    open_ended: false,
    rules: &[],
};
