//! Modules that a user wrote: files of a `library/` folder, run on the host with their arguments in a file.

use super::{ModuleSpec, RunsOn};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// What every module of a user counts as. It is in no list: tasks name the file.
pub static OWN_MODULE: ModuleSpec = ModuleSpec {
    name: "own_module",
    collection: "ansible.legacy",
    aliases: &[],
    summary: "A module of the user.",
    runs_on: RunsOn::Host,
    args: &[],
    unsupported: &[],
    free_form: Some("_raw_params"),
    open_ended: true,
    rules: &[],
};

/// How a module of a user gets its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnStyle {
    /// They are in it already.
    Inline,
    /// In a file that its first argument names.
    File,
}

/// What the agent is told of one; the step's content is the file itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnModule {
    /// As the task names it, for messages.
    pub name: String,
    /// How it gets its arguments.
    pub style: OwnStyle,
    /// What the file of arguments holds.
    pub arguments: String,
    /// What runs it; none where it runs by itself.
    pub interpreter: Option<String>,
    /// It needs Python, and no variable says which one.
    pub needs_python: bool,
}
