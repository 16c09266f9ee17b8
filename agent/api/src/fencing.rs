//! Fence devices, levels, and what came of fencing.

use crate::id::{NodeName, ResourceId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A device that can switch nodes off (a `stonith:` primitive in Pacemaker).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceDevice {
    /// Its id.
    pub id: ResourceId,
    /// `fence_redfish`, `fence_ipmilan`, …: the program of the fence-agents package, or the built-in of that name where
    /// there is one and the package is not installed; `redfish` is always the built-in.
    pub agent: String,
    /// The agent's parameters and the `pcmk_…` ones.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Meta attributes (`target-role`, `is-managed`).
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// `<fencing-level>`: devices that are used together, and levels that are tried in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceLevel {
    /// The node it is for.
    pub target: NodeName,
    /// 1 to 9; the lowest is tried first.
    pub index: u8,
    /// All of them must succeed.
    pub devices: Vec<ResourceId>,
}

/// What is done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FenceAction {
    /// Off, then on.
    Reboot,
    /// Off.
    Off,
    /// On (unfencing).
    On,
}

/// One fencing: one reason, one target, one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencingRecord {
    /// Counts up over the cluster's life.
    pub number: u64,
    /// Who is fenced.
    pub target: NodeName,
    /// What is done.
    pub action: FenceAction,
    /// Why, as a sentence.
    pub reason: String,
    /// The member that drives the device.
    pub by: Option<NodeName>,
    /// The device that confirmed it, or was tried last.
    pub device: Option<ResourceId>,
    /// When it was decided, milliseconds since the epoch.
    pub requested_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it stands.
    pub state: FencingState,
}

/// How a fencing stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FencingState {
    /// Waits for its delay or for a device.
    Pending,
    /// A device is working on it.
    Running,
    /// The node is confirmed off (or was rebooted).
    Confirmed,
    /// A person confirmed that the node is off.
    ConfirmedByHand,
    /// All devices failed for now; it is tried again.
    Failed {
        /// What the last device said.
        why: String,
    },
    /// The target came back as a member before a device was triggered.
    Withdrawn,
}
