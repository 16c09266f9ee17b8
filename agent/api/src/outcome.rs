//! What a step came to.

use crate::corosync_conf::verdict::Verdict;
use crate::diff::Diff;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The outcome of one step on one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of the step.
    pub id: u64,
    /// Something was changed, or in check mode would be.
    pub changed: bool,
    /// The step failed; `result.msg` says why.
    #[serde(default)]
    pub failed: bool,
    /// The module had nothing to do here (`creates` exists, check mode cannot run it).
    #[serde(default)]
    pub skipped: bool,
    /// In check mode: what the step would do cannot be known, for this reason.
    #[serde(default)]
    pub unknown: Option<String>,
    /// What changes, typed.
    #[serde(default)]
    pub diffs: Vec<Diff>,
    /// The module's return values, as Ansible's module of that name has them (`msg`, `rc`, `stdout`, `stat`, …).
    #[serde(default)]
    pub result: Map<String, Value>,
    /// Sentences for the user.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Facts to merge into `ansible_facts`.
    #[serde(default)]
    pub facts: Map<String, Value>,
    /// What the cluster would do or did, in order (module `cluster`).
    #[serde(default)]
    pub consequences: Vec<String>,
    /// What corosync itself says of the corosync.conf of the step, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}
