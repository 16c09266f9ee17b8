//! What was seen of resources on nodes: the record of each action's end. The scheduler reads the state of the world
//! from it.

use crate::id::{NodeName, ResourceId};
use crate::resource::AgentName;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One action on one node, as a node is told to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceAction {
    /// The resource.
    pub resource: ResourceId,
    /// What runs it.
    pub agent: AgentName,
    /// `start`, `stop`, `monitor`, …
    pub operation: String,
    /// Milliseconds between two runs; zero is once. A probe is a `monitor` with zero.
    pub interval_ms: u64,
    /// Milliseconds after which the action is ended and has failed.
    pub timeout_ms: u64,
    /// The agent's parameters.
    pub params: BTreeMap<String, String>,
    /// What else the agent's environment needs (`CRM_meta_…`), without the prefix.
    pub meta: BTreeMap<String, String>,
}

/// Digest of agent and parameters: what [`OpRecord::digest`] holds. It changes whenever either does (FNV-1a, 64 bit).
pub fn definition_digest(agent: &AgentName, params: &BTreeMap<String, String>) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |text: &str| {
        // The zero after each part keeps `ab`+`c` apart from `a`+`bc`.
        for byte in text.bytes().chain([0]) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    eat(&format!("{agent}"));
    for (name, value) in params {
        eat(name);
        eat(value);
    }
    digest
}

/// How an action ended, or that it is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpRecord {
    /// The operation.
    pub operation: String,
    /// Its interval; zero is once.
    pub interval_ms: u64,
    /// Orders the records of one node; later is larger.
    pub call: u64,
    /// How it stands.
    pub status: OpStatus,
    /// The OCF exit code, where it ended.
    pub rc: Option<u8>,
    /// What the agent said about a failure.
    pub reason: String,
    /// When it ended (or last changed), milliseconds since the epoch.
    pub at_ms: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Digest of agent and parameters that it ran with, to notice changed definitions.
    pub digest: u64,
    /// The agent that it ran with: a removed resource can still be stopped.
    pub agent: AgentName,
    /// The parameters that it ran with.
    pub params: BTreeMap<String, String>,
    /// The other node of a live migration: of `migrate_to` where it goes, of `migrate_from` where it comes from.
    #[serde(default)]
    pub peer: Option<NodeName>,
}

impl ResourceAction {
    /// The other node, where it is one half of a live migration.
    pub fn peer(&self) -> Option<NodeName> {
        let meta = match self.operation.as_str() {
            "migrate_to" => "migrate_target",
            "migrate_from" => "migrate_source",
            _ => return None,
        };
        self.meta.get(meta).map(|name| NodeName::from(name.as_str()))
    }
}

/// How an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpStatus {
    /// Ordered, its end is not known.
    Pending,
    /// The agent ended and `rc` says how.
    Done,
    /// It did not end in time and was ended.
    TimedOut,
    /// It could not be run (the agent is not installed, the process died).
    Error,
}

/// The records of all resources on all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// By node, then resource: records in the order of `call`.
    pub nodes: BTreeMap<NodeName, BTreeMap<ResourceId, Vec<OpRecord>>>,
    /// Fail counts by node and resource.
    pub failures: BTreeMap<NodeName, BTreeMap<ResourceId, FailCount>>,
    /// `shutdown-lock`: by node and resource the moment since which the resource waits for the node, milliseconds since
    /// the epoch.
    #[serde(default)]
    pub locks: BTreeMap<NodeName, BTreeMap<ResourceId, u64>>,
    /// What agents say of a node while it lives, by name: promotion scores (`master-ID`) and others. They count before the
    /// permanent attributes of the same name.
    #[serde(default)]
    pub attributes: BTreeMap<NodeName, BTreeMap<String, String>>,
}

/// How often a resource failed on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailCount {
    /// How often; 1,000,000 (INFINITY) after a failed start where that is fatal.
    pub count: u32,
    /// When it failed last, milliseconds since the epoch.
    pub last_ms: u64,
    /// The operation that failed last.
    pub operation: String,
    /// What the agent said.
    pub reason: String,
}

/// Exit codes of OCF agents (Resource Agent API 1.1).
pub mod rc {
    /// It went well; a monitor found the resource running.
    pub const OK: u8 = 0;
    /// Unspecified failure.
    pub const ERROR: u8 = 1;
    /// A parameter is wrong for this node.
    pub const ARGS: u8 = 2;
    /// The agent does not know the action.
    pub const UNIMPLEMENTED: u8 = 3;
    /// No permission.
    pub const PERM: u8 = 4;
    /// Something that the agent needs is not installed on this node.
    pub const INSTALLED: u8 = 5;
    /// A parameter is wrong on every node.
    pub const CONFIGURED: u8 = 6;
    /// A monitor found the resource cleanly stopped.
    pub const NOT_RUNNING: u8 = 7;
    /// Running in the promoted role.
    pub const RUNNING_PROMOTED: u8 = 8;
    /// Failed in the promoted role.
    pub const FAILED_PROMOTED: u8 = 9;
    /// Running, but likely to fail soon.
    pub const DEGRADED: u8 = 190;
    /// Promoted, but likely to fail soon.
    pub const DEGRADED_PROMOTED: u8 = 191;
}
