//! What a person or a script is told about the cluster: the data behind `status` and `events`.

use crate::fencing::FencingRecord;
use crate::history::FailCount;
use crate::id::{NodeId, NodeName, ResourceId};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What the cluster knows of a configured node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Not a member since the cluster was started.
    NeverSeen,
    /// In the view.
    Member,
    /// It left cleanly.
    Left,
    /// It vanished: unclean until it is fenced or comes back.
    Lost,
    /// It is confirmed off.
    Fenced,
    /// In the view, and on its way out: its resources are stopped, then it leaves.
    Leaving,
}

/// The whole status, as one node sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// `cluster_name`.
    pub cluster_name: String,
    /// The node that answers.
    pub node: NodeName,
    /// Version of the agent that answers.
    pub version: String,
    /// The newest protocol version that the answering node speaks with every member; below its own while an upgrade is under way.
    #[serde(default)]
    pub protocol: u8,
    /// The present view, where there is an activated one.
    pub view: Option<ViewStatus>,
    /// Votes.
    pub quorum: QuorumStatus,
    /// All configured nodes.
    pub nodes: Vec<NodeStatus>,
    /// Top-level resources in the order of the configuration, members of groups behind their group.
    pub resources: Vec<ResourceStatus>,
    /// Fence devices.
    pub fence_devices: Vec<FenceDeviceStatus>,
    /// Failures that count.
    pub failures: Vec<FailureStatus>,
    /// Past and present fencings, the newest first.
    pub fencing: Vec<FencingRecord>,
    /// Generation of the configuration.
    pub generation: u64,
    /// What a person must know first: fencing is off, a node was away, a peer is reachable but not merged.
    pub alarms: Vec<String>,
    /// Whether a transition is under way on the coordinator.
    pub busy: bool,
}

impl ClusterStatus {
    /// The members of the present view.
    pub fn members(&self) -> &[NodeName] {
        self.view.as_ref().map_or(&[], |view| &view.members)
    }
}

/// The present view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewStatus {
    /// Counts up.
    pub epoch: u64,
    /// Who sequences commands.
    pub coordinator: NodeName,
    /// Who is in it.
    pub members: Vec<NodeName>,
    /// Whether it may change state and start resources.
    pub is_primary: bool,
    /// Why it may not, where it may not.
    pub why_not_primary: Option<String>,
}

/// Votes by the rules of votequorum(5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuorumStatus {
    /// Whether the view holds enough.
    pub is_quorate: bool,
    /// Votes present.
    pub votes_present: u32,
    /// Votes expected.
    pub votes_expected: u32,
    /// Votes needed.
    pub votes_needed: u32,
    /// Options in force (`two_node`, `wait_for_all`, …).
    pub flags: Vec<String>,
    /// Why it is not quorate, where it is not.
    pub why: Option<String>,
}

/// One configured node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What the cluster knows of it.
    pub fact: Fact,
    /// It runs no resources by the user's wish.
    pub standby: bool,
    /// Its resources are left alone.
    pub maintenance: bool,
    /// Links as this node sees them; empty for this node itself.
    pub links: Vec<LinkStatus>,
}

/// One link to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Link number.
    pub link: u8,
    /// The peer's address.
    pub address: String,
    /// Up in both directions.
    pub is_up: bool,
    /// Round trip, microseconds, where it was measured.
    pub rtt_us: Option<u64>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceStatus {
    /// Its id.
    pub id: ResourceId,
    /// The group that it is in.
    pub group: Option<ResourceId>,
    /// `group` for a group, else the agent.
    pub agent: String,
    /// How it stands.
    pub state: ResourceState,
    /// Where it is active.
    pub nodes: Vec<NodeName>,
    /// Where of these it is promoted.
    #[serde(default)]
    pub promoted: Vec<NodeName>,
    /// `is-managed`, and no maintenance.
    pub is_managed: bool,
    /// `target-role` is `Stopped`.
    pub is_disabled: bool,
    /// Where and why there, or why nowhere: one sentence.
    pub why: String,
    /// What would let it run, where it does not: words, and the command where there is one.
    #[serde(default)]
    pub next: Option<String>,
}

/// How a resource stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// Runs.
    Started,
    /// Runs nowhere.
    Stopped,
    /// Is being started.
    Starting,
    /// Is being stopped.
    Stopping,
    /// Its last action failed.
    Failed,
    /// Nobody may touch it until a person does.
    Blocked,
    /// Not known: not probed, or on a node that is lost.
    Unknown,
}

/// One fence device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceDeviceStatus {
    /// Its id.
    pub id: ResourceId,
    /// Its agent, and whether that is the program or the built-in.
    pub agent: String,
    /// The nodes that it can fence.
    pub targets: Vec<NodeName>,
}

/// A failure that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureStatus {
    /// The resource.
    pub resource: ResourceId,
    /// The node.
    pub node: NodeName,
    /// How often and why.
    pub fail_count: FailCount,
}

/// One line of `events`: what was noticed, decided or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up on this node since the agent started.
    pub number: u64,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// `membership`, `quorum`, `fencing`, `resource`, `config`, `link`, `agent`.
    pub kind: String,
    /// How much it matters.
    pub level: Level,
    /// The sentence.
    pub text: String,
    /// The node it is about, where it is about one.
    pub node: Option<NodeName>,
    /// The resource it is about, where it is about one.
    pub resource: Option<ResourceId>,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Detail.
    Debug,
    /// What happened.
    Info,
    /// What a person should look at.
    Warning,
    /// What a person must look at.
    Error,
}
