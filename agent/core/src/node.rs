//! One node: the one door. Routes an input to the parts in a fixed order and collects what they want done.

use crate::effect::Effect;
use crate::input::Input;
use crate::time::{Instant, Now};
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::id::NodeId;
use muster_api::status::ClusterStatus;

/// What a node knows when it starts.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Which entry of the nodelist it is.
    pub me: NodeId,
    /// corosync.conf.
    pub corosync: Corosync,
    /// The bytes of the last `Effect::Persist`, where there are any.
    pub durable: Option<Vec<u8>>,
    /// Differs from that of every former life of this node and is larger: the wall clock in milliseconds at the start. It
    /// also seeds the few random numbers (`pcmk_delay_max`).
    pub incarnation: u64,
    /// The agent's version, for the status.
    pub version: alloc::string::String,
}

/// Why a node cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// The nodelist has no such node.
    #[error("`nodelist` has no node {0}")]
    NotListed(NodeId),
    /// What was persisted cannot be read.
    #[error("the saved state cannot be read: {0}")]
    Durable(crate::durable::DurableError),
}

/// The state machine of one node.
#[derive(Debug)]
pub struct Node {
    boot: Boot,
}

impl Node {
    /// A node that has just started. Its first deadline is now.
    ///
    /// # Errors
    ///
    /// Where it is not in its own nodelist, or its saved state cannot be read.
    pub fn new(now: Now, boot: Boot) -> Result<Self, BootError> {
        let _ = now;
        Ok(Self { boot })
    }

    /// Feeds one input and returns what must be done, in order.
    ///
    /// A `Persist` is complete on disk before any later effect is started. If it fails, the agent exits: a node that
    /// cannot remember its promise must not promise.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let _ = (now, input, &self.boot);
        Vec::new()
    }

    /// When to call [`Node::step`] with [`Input::Tick`] next, where nothing else comes in before.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// The status as this node sees it.
    pub fn status(&self, now: Now) -> ClusterStatus {
        let _ = now;
        ClusterStatus {
            cluster_name: self.boot.corosync.totem.cluster_name.clone(),
            node: alloc::string::String::new().into(),
            version: self.boot.version.clone(),
            view: None,
            quorum: muster_api::status::QuorumStatus::default(),
            nodes: Vec::new(),
            resources: Vec::new(),
            fence_devices: Vec::new(),
            failures: Vec::new(),
            fencing: Vec::new(),
            generation: 0,
            alarms: Vec::new(),
            busy: false,
        }
    }
}
