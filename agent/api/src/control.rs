//! What can be asked of a running agent through its control socket, and what it answers.
//!
//! The socket is [`SOCKET`]; frames as in `frame`, one request a connection except for [`Request::Events`] with
//! `follow`, which answers with one [`Response::Event`] after the other.

use crate::cluster::{ClusterConfig, Corosync};
use crate::fencing::FencingRecord;
use crate::history::History;
use crate::id::{NodeName, ResourceId};
use crate::status::{ClusterStatus, Event, Fact};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Where the agent listens; only root may connect.
pub const SOCKET: &str = "/run/musterd/control.sock";

/// A question or an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
#[expect(clippy::large_enum_variant, reason = "one at a time crosses the socket")]
pub enum Request {
    /// The status as this node sees it.
    Status,
    /// All that the scheduler decides from.
    Snapshot,
    /// Replace the configuration: refused where its generation is not `expected_generation`.
    Configure {
        /// The new configuration; its own generation is not read.
        config: ClusterConfig,
        /// The generation that the change was made from.
        expected_generation: u64,
    },
    /// A node shall run nothing, or may again.
    Standby {
        /// The node.
        node: NodeName,
        /// Shall, or may again.
        on: bool,
    },
    /// Move a resource away from where it is, or to `node`; stays until `Clear` or for `lifetime_ms`.
    Move {
        /// The resource or group.
        resource: ResourceId,
        /// Where to.
        node: Option<NodeName>,
        /// How long.
        lifetime_ms: Option<u64>,
    },
    /// Forget moves of a resource.
    Clear {
        /// The resource or group.
        resource: ResourceId,
    },
    /// Forget failures of a resource, or of all, and look again.
    Cleanup {
        /// The resource or group.
        resource: Option<ResourceId>,
    },
    /// Set `target-role` to `Started` (that is: remove it) or to `Stopped`.
    Enable {
        /// The resource or group.
        resource: ResourceId,
        /// Shall run.
        on: bool,
    },
    /// Fence a node.
    Fence {
        /// The node.
        node: NodeName,
        /// Switch it off instead of rebooting it.
        off: bool,
    },
    /// A person has seen that the node is off.
    ConfirmFenced {
        /// The node.
        node: NodeName,
    },
    /// Answer once nothing is under way and what can run runs.
    WaitIdle {
        /// Give up after this many milliseconds.
        timeout_ms: u64,
    },
    /// The events after `since`.
    Events {
        /// The last number already seen; zero for all.
        since: u64,
        /// Go on with new ones.
        follow: bool,
    },
    /// Stop resources here, leave the cluster cleanly and exit.
    Leave,
    /// Whether the quorum device votes for the part of the cluster that this node is in.
    DeviceVote {
        /// Given, or withdrawn.
        is_given: bool,
    },
    /// Read corosync.conf again.
    Reload,
    /// Compare what the agent runs with with what is on this node's disk.
    CompareDisk,
    /// An agent on this node says something of it, or nothing any more: a promotion score, or another attribute that the node
    /// has until it restarts. Answered as soon as this node knows it.
    Attribute {
        /// Its name; of a promotion score `master-` and the resource.
        name: String,
        /// Its value; `None` takes it away.
        value: Option<String>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "response")]
#[expect(clippy::large_enum_variant, reason = "one at a time crosses the socket")]
pub enum Response {
    /// Done: committed by every member, with the generation that holds it.
    Done {
        /// Of the configuration.
        generation: u64,
        /// What a person wants to know about it.
        note: Option<String>,
    },
    /// Refused or failed; nothing was changed.
    Refused {
        /// A sentence with the reason and the next step.
        why: String,
    },
    /// Answer to `Status`.
    Status {
        /// The status.
        status: ClusterStatus,
    },
    /// Answer to `Snapshot`.
    Snapshot {
        /// The snapshot.
        snapshot: Snapshot,
    },
    /// Answer to `CompareDisk`.
    Disk {
        /// A sentence for each file that is not what the agent has read; none where all are.
        differences: Vec<String>,
    },
    /// One event.
    Event {
        /// The event.
        event: Event,
    },
    /// No more events for now.
    EndOfEvents,
}

/// All that the scheduler decides from, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What corosync.conf says.
    pub corosync: Corosync,
    /// What shall run.
    pub config: ClusterConfig,
    /// What was seen.
    pub history: History,
    /// The facts of all configured nodes.
    pub facts: BTreeMap<NodeName, Fact>,
    /// Whether the view is quorate.
    pub is_quorate: bool,
    /// Whether the view is primary.
    pub is_primary: bool,
    /// The members.
    pub members: Vec<NodeName>,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// Past and present fencings, the newest first.
    #[serde(default)]
    pub fencing: Vec<FencingRecord>,
}
