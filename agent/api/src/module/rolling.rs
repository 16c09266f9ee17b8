//! The steps of a rolling change: what the controller asks the agent of a node before the node goes down, and when it shall be
//! back. No playbook names them: they come of the keyword `rolling`.

use super::{ModuleSpec, RunsOn};
use crate::id::{NodeName, ResourceId};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What all of these steps count as. It is in no list.
pub static ROLLING: ModuleSpec = ModuleSpec {
    name: "rolling_change",
    collection: "muster",
    aliases: &[],
    summary: "A step of a rolling change.",
    runs_on: RunsOn::Host,
    args: &[],
    unsupported: &[],
    free_form: None,
    open_ended: true,
    rules: &[],
};

/// The arguments of such a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// Which step.
    pub stage: Stage,
    /// Other nodes that are down at the same time for the same change.
    pub away: Vec<NodeName>,
    /// Resources are moved away before, with standby.
    pub drains: bool,
    /// How long the cluster may take for it, milliseconds.
    pub wait_ms: u64,
}

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Say how this node stands: a [`Survey`] in the result's `survey`.
    Survey,
    /// Make sure that the cluster can do without this node, and move its resources away: [`WentDown`] in the result's `down`.
    /// Fails where it cannot; the node is then as before.
    Down,
    /// Wait until this node is a member again, let resources return and wait until all that ran runs. Fails where that takes
    /// longer than `wait_ms`; the node is then left as it is.
    Up,
}

/// How a node stands before a rolling change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Its name in the cluster; none where no agent runs on the host.
    pub node: Option<NodeName>,
    /// It is a member of the cluster's view.
    pub is_member: bool,
    /// Primitives that are active there.
    pub active: usize,
}

/// What became of a node that may go down now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentDown {
    /// The node.
    pub node: NodeName,
    /// What was moved away, with where it is now.
    pub moved: Vec<(ResourceId, Vec<NodeName>)>,
    /// How long that took.
    pub took_ms: u64,
}
