//! What a node can be told.

use crate::unmerged::Mismatch;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::control::Request;
use muster_api::history::OpRecord;
use muster_api::id::{NodeId, ResourceId};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A deadline has passed.
    Tick,
    /// An authenticated packet came in on a link.
    Received {
        /// Where it came in.
        link: u8,
        /// Who sealed it.
        from: NodeId,
        /// What it says: `message::Packet`, encoded. The core decodes it and counts what does not parse.
        bytes: Vec<u8>,
    },
    /// The operating system says that a link's own address is there or is gone.
    LinkState {
        /// The link.
        link: u8,
        /// There.
        is_usable: bool,
    },
    /// An action that `Effect::Run` ordered ended, or a recurring monitor's result changed.
    ActionEnded {
        /// Which order.
        order: OrderId,
        /// The resource.
        resource: ResourceId,
        /// How it ended; `call` is filled in by the core.
        record: OpRecord,
    },
    /// A supervised process of a running resource ended by itself (systemd signal, pidfd).
    Vanished {
        /// The resource.
        resource: ResourceId,
        /// What was seen, as a sentence.
        what: String,
    },
    /// A fence attempt that `Effect::Fence` ordered ended.
    FenceEnded {
        /// Which attempt.
        attempt: AttemptId,
        /// Confirmed off (or on), or why not.
        result: Result<(), String>,
    },
    /// A client asks for something that the replica or the policy must decide.
    Request {
        /// To answer with `Effect::Reply`.
        client: ClientId,
        /// What it asks.
        request: Request,
    },
    /// corosync.conf was read again.
    Reconfigured {
        /// Who asked for it, to answer with `Effect::Reply`.
        client: Option<ClientId>,
        /// What it says.
        corosync: Corosync,
    },
    /// A packet came to nothing before it could be received: by its sender's address, or by its sealed id, it is of that node.
    Unreadable {
        /// Of whom.
        from: NodeId,
        /// Why.
        mismatch: Mismatch,
    },
    /// This node found out something about itself that others decide by: a node attribute.
    Said {
        /// The attribute.
        name: String,
        /// Its value; `None` takes it away.
        value: Option<String>,
    },
}

/// Numbers the orders that one node gives to its executor since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderId(pub u64);

/// Numbers the fence attempts that one node makes since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId(pub u64);

/// Numbers the clients of one node since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);
