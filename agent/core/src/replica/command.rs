//! What changes the replicated state, and what a client can ask the coordinator for.

use super::state::FenceEntry;
use alloc::string::String;
use muster_api::cluster::ClusterConfig;
use muster_api::history::{OpRecord, ResourceAction};
use muster_api::id::{NodeId, NodeName, ResourceId};
use serde::{Deserialize, Serialize};

/// One change. The enum only grows at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// The configuration, with its new generation.
    Configure(ClusterConfig),
    /// An action is about to be ordered: from now on it may have happened.
    Ordered { node: NodeName, action: ResourceAction, at_ms: u64 },
    /// An action ended. Failures age by the coordinator's clock, which decides when they have aged out.
    Record { node: NodeName, resource: ResourceId, record: OpRecord, seen_ms: u64 },
    /// A monitor is not repeated any more.
    Cancelled { node: NodeName, resource: ResourceId, interval_ms: u64 },
    /// Failures are forgotten by the user, and what was seen with them: it is looked at anew.
    Cleanup { resource: Option<ResourceId> },
    /// Failures have aged out.
    ForgetFailures { node: NodeName, resource: ResourceId },
    /// A fencing began, went on or ended.
    Fencing(FenceEntry),
    /// A member is asked to leave.
    Leaving { node: NodeId },
    /// A member runs nothing any more and leaves.
    Left { node: NodeId },
    /// `last_man_standing` lowers the expected votes.
    ExpectVotes(u32),
    /// All have read the corosync.conf of that digest: it is in force.
    TakeConfiguration { digest: u64 },
    /// An agent on that node says something of it, or nothing any more.
    Attribute { node: NodeName, name: String, value: Option<String> },
}

impl Command {
    /// Must be on disk before it is acknowledged.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self, Self::Configure(_) | Self::Fencing(_) | Self::Left { .. } | Self::ExpectVotes(_))
    }

    /// May be given in a view that is not primary: what a node saw or did, and the fencing that makes the view primary.
    pub(crate) fn is_for_any_view(&self) -> bool {
        matches!(
            self,
            Self::Ordered { .. }
                | Self::Record { .. }
                | Self::Cancelled { .. }
                | Self::Attribute { .. }
                | Self::Fencing(_)
                | Self::Leaving { .. }
                | Self::Left { .. }
        )
    }
}

/// `control::Request` without what each node answers itself, for the wire (that one is tagged for JSON, which
/// postcard cannot read). The enum only grows at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "each lives for one request")]
pub(crate) enum Ask {
    Configure { config: ClusterConfig, expected_generation: u64 },
    Standby { node: NodeName, on: bool },
    Move { resource: ResourceId, node: Option<NodeName>, lifetime_ms: Option<u64> },
    Clear { resource: ResourceId },
    Cleanup { resource: Option<ResourceId> },
    Enable { resource: ResourceId, on: bool },
    Fence { node: NodeName, off: bool, by: String },
    ConfirmFenced { node: NodeName },
    WaitIdle,
    Leave { node: NodeId },
}
