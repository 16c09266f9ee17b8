//! The cluster's two configurations: `corosync.conf` (who are the nodes, how do they talk, who has quorum), which
//! every node reads from its disk, and [`ClusterConfig`] (what shall run), which the cluster replicates.
//!
//! The words and defaults of the first are those of corosync.conf(5) and votequorum(5); those of the second are
//! those of Pacemaker Explained.

use crate::fencing::{FenceDevice, FenceLevel};
use crate::id::{NodeId, NodeName, ResourceId};
use crate::resource::{Constraint, Primitive, Resource};
use crate::rule::ConditionalValues;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What corosync.conf says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corosync {
    /// `totem {}`.
    pub totem: Totem,
    /// `nodelist {}`, by node id.
    pub nodes: Vec<NodeEntry>,
    /// `quorum {}`.
    pub quorum: QuorumOptions,
}

/// `totem {}`: how the nodes talk. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totem {
    /// `cluster_name`; packets of another cluster are dropped.
    pub cluster_name: String,
    /// `config_version`.
    pub config_version: u64,
    /// `token`: a peer that was silent for so long is lost, plus `token_coefficient` for each node above two.
    pub token_ms: u64,
    /// `token_coefficient`.
    pub token_coefficient_ms: u64,
    /// `consensus`, where it is set; else 1.2 × the effective token.
    pub consensus_ms: Option<u64>,
    /// `crypto_cipher`.
    pub cipher: Cipher,
    /// `keyfile`, where it is set.
    pub keyfile: Option<String>,
    /// `link_mode`.
    pub link_mode: LinkMode,
    /// `interface {}`, by `linknumber`; a link without one has the defaults.
    #[serde(with = "by_link")]
    pub links: BTreeMap<u8, LinkOptions>,
}

/// `interface {}`: one link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinkOptions {
    /// `mcastport`: the UDP port; 5405 + link number where it is not set.
    pub port: Option<u16>,
    /// `knet_link_priority`; the highest is used first in passive mode.
    pub priority: u8,
    /// `knet_ping_interval`.
    pub ping_interval_ms: Option<u64>,
    /// `knet_ping_timeout`.
    pub ping_timeout_ms: Option<u64>,
    /// `knet_pong_count`.
    pub pong_count: Option<u8>,
}

/// `crypto_cipher`, as an AEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cipher {
    /// `none`, written out.
    None,
    /// AES-128-GCM.
    Aes128,
    /// AES-256-GCM.
    Aes256,
}

/// `link_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkMode {
    /// The best link that is up carries everything.
    Passive,
    /// Every link that is up carries everything.
    Active,
    /// The links that are up take turns.
    Rr,
}

/// `node {}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// `nodeid`.
    pub id: NodeId,
    /// `name`.
    pub name: NodeName,
    /// `quorum_votes`.
    pub votes: u32,
    /// `ring0_addr` … `ring7_addr` by link number; addresses or host names as written.
    #[serde(with = "by_link")]
    pub addresses: BTreeMap<u8, String>,
}

/// `quorum {}`: the options of votequorum(5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QuorumOptions {
    /// `expected_votes`, where it is set; else the sum of the nodes' votes.
    pub expected_votes: Option<u32>,
    /// `two_node`.
    pub two_node: bool,
    /// `wait_for_all`; on where `two_node` is, unless it was written out as 0.
    pub wait_for_all: bool,
    /// `auto_tie_breaker`.
    pub auto_tie_breaker: bool,
    /// `auto_tie_breaker_node`, as written (`lowest`, `highest` or ids).
    pub auto_tie_breaker_node: Option<String>,
    /// `last_man_standing`.
    pub last_man_standing: bool,
    /// `last_man_standing_window` in milliseconds.
    pub last_man_standing_window_ms: Option<u64>,
    /// `allow_downscale`.
    pub allow_downscale: bool,
    /// `expected_votes_tracking`; `allow_downscale` implies it.
    pub expected_votes_tracking: bool,
    /// `device {}`.
    #[serde(default)]
    pub device: Option<QuorumDevice>,
}

/// `quorum.device {}`: something outside of the cluster that votes for one part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumDevice {
    /// `votes`; one less than the nodes where it is not written.
    pub votes: u32,
    /// `timeout` in milliseconds: a vote that was not repeated for so long is none.
    pub timeout_ms: u64,
}

impl Corosync {
    /// The votes of all nodes and of the quorum device.
    pub fn votes_total(&self) -> u32 {
        let of_nodes: u32 = self.nodes.iter().map(|node| node.votes).sum();
        of_nodes + self.quorum.device.as_ref().map_or(0, |device| device.votes)
    }

    /// `expected_votes`, or where it is not set all votes there are.
    pub fn votes_configured(&self) -> u32 {
        self.quorum.expected_votes.unwrap_or_else(|| self.votes_total())
    }
}

/// What shall run: the replicated configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClusterConfig {
    /// Counts the changes; never goes back.
    #[serde(default)]
    pub generation: u64,
    /// Cluster properties by their Pacemaker names (`stonith-enabled`, `no-quorum-policy`, …).
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Resource defaults (meta attributes).
    #[serde(default)]
    pub resource_defaults: BTreeMap<String, String>,
    /// Operation defaults.
    #[serde(default)]
    pub operation_defaults: BTreeMap<String, String>,
    /// The resources, in the order of the configuration: it decides between equals.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// The constraints.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// The fence devices.
    #[serde(default)]
    pub fence_devices: Vec<FenceDevice>,
    /// The fencing topology.
    #[serde(default)]
    pub fence_levels: Vec<FenceLevel>,
    /// Permanent node attributes (`standby`, `maintenance`, the user's own).
    #[serde(default)]
    pub node_attributes: BTreeMap<NodeName, BTreeMap<String, String>>,
    /// Values that count only while a rule holds. Of one owner's the first that says a name decides, and all of them
    /// come before the owner's plain values.
    #[serde(default)]
    pub conditional: Vec<Conditional>,
    /// Tags: a name for several resources, to be used in constraints.
    #[serde(default)]
    pub tags: BTreeMap<ResourceId, Vec<ResourceId>>,
    /// What a resource needs of a node's capacity, by resource.
    #[serde(default)]
    pub utilization: BTreeMap<ResourceId, Capacity>,
    /// What a node has, by node.
    #[serde(default)]
    pub node_utilization: BTreeMap<NodeName, Capacity>,
    /// The tickets that are known.
    #[serde(default)]
    pub tickets: BTreeMap<String, Ticket>,
}

/// Amounts by the names that the user gives them (`cpu`, `memory`).
pub type Capacity = BTreeMap<String, i64>;

/// Values with the rule that must hold for them to count, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditional {
    /// Whose.
    pub owner: Owner,
    /// Which values, and when.
    pub values: ConditionalValues,
}

/// What has conditional values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The cluster's properties.
    Properties,
    /// The resource defaults.
    ResourceDefaults,
    /// The operation defaults.
    OperationDefaults,
    /// The instance attributes of a resource.
    Parameters(ResourceId),
    /// The meta attributes of a resource.
    Meta(ResourceId),
    /// An operation of a resource.
    Operation {
        /// The resource.
        resource: ResourceId,
        /// The operation's name.
        name: String,
        /// The operation's interval, milliseconds.
        interval_ms: u64,
    },
}

/// Whether this cluster may run what depends on a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ticket {
    /// It is here.
    pub is_granted: bool,
    /// It is here, but what depends on it is not to run.
    pub is_standby: bool,
    /// When it was granted last, seconds since the epoch.
    pub last_granted_s: Option<i64>,
}

impl ClusterConfig {
    /// Whether fencing is on: `stonith-enabled`, which is true unless it was written out as false.
    pub fn is_fencing_enabled(&self) -> bool {
        self.property_bool("stonith-enabled", true)
    }

    /// A boolean property as Pacemaker reads it (`true`, `on`, `yes`, `y`, `1`), or `default` where it is not set or
    /// not a boolean.
    pub fn property_bool(&self, name: &str, default: bool) -> bool {
        self.properties.get(name).and_then(|value| parse_bool(value)).unwrap_or(default)
    }

    /// All primitives with the group, clone or bundle that they are in: of several the outermost.
    pub fn primitives(&self) -> impl Iterator<Item = (&Primitive, Option<&ResourceId>)> {
        self.resources.iter().flat_map(|resource| {
            let whole = (!matches!(resource, Resource::Primitive(_))).then(|| resource.id());
            resource.primitives().iter().map(move |primitive| (primitive, whole))
        })
    }

    /// The primitive of that id, wherever it stands.
    pub fn primitive(&self, id: &ResourceId) -> Option<&Primitive> {
        self.primitives().map(|(primitive, _)| primitive).find(|primitive| primitive.id == *id)
    }

    /// A permanent attribute of a node.
    pub fn node_attribute(&self, node: &NodeName, attribute: &str) -> Option<&str> {
        self.node_attributes.get(node)?.get(attribute).map(String::as_str)
    }
}

/// Link numbers as the text that JSON has for keys: serde reads numbers as keys only outside of tagged enums.
mod by_link {
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<u8, T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(link, value)| (link.to_string(), value)))
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u8, T>, D::Error> {
        let map = BTreeMap::<String, T>::deserialize(deserializer)?;
        map.into_iter().map(|(link, value)| Ok((link.parse().map_err(Error::custom)?, value))).collect()
    }
}

/// A boolean as Pacemaker reads it.
pub fn parse_bool(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "on", "yes", "y", "1"]) {
        Some(true)
    } else if is(&["false", "off", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}
