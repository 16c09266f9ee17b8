//! What a node wants done. The agent carries effects out in order; the simulator pretends to.

use crate::input::{AttemptId, ClientId, OrderId};
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::control::Response;
use muster_api::fencing::{FenceAction, FenceDevice};
use muster_api::history::ResourceAction;
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::status::Event;
use serde::{Deserialize, Serialize};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "few effects live at once, and each only until it is carried out"
)]
pub enum Effect {
    /// Write this state: it is complete on disk before any later effect is started. Where it cannot be written the
    /// agent exits: a node that cannot remember its promise must not promise.
    Persist {
        /// `durable::Durable`, encoded, whole (it replaces what was written before).
        bytes: Vec<u8>,
    },
    /// Seal and send this packet on a link.
    Send {
        /// The link.
        link: u8,
        /// To whom.
        to: NodeId,
        /// `message::Packet`, encoded; at most `message::PACKET_SIZE_MAX` bytes.
        bytes: Vec<u8>,
    },
    /// Run an action here; its end comes back as `Input::ActionEnded`. With an interval it is repeated, the first result and every
    /// change of the result come back, until it is cancelled or the resource is stopped.
    Run {
        /// Comes back with the result.
        order: OrderId,
        /// What to run.
        action: ResourceAction,
    },
    /// Stop repeating a monitor.
    CancelMonitor {
        /// The resource.
        resource: ResourceId,
        /// The interval, milliseconds.
        interval_ms: u64,
    },
    /// Use a fence device on a node; the end comes back as `Input::FenceEnded`.
    Fence {
        /// Comes back with the result.
        attempt: AttemptId,
        /// The device.
        device: FenceDevice,
        /// The node.
        target: NodeName,
        /// The target's id: `pcmk_host_map` and some agents want it.
        target_id: NodeId,
        /// What to do.
        action: FenceAction,
        /// Milliseconds after which the attempt has failed.
        timeout_ms: u64,
    },
    /// Answer a client.
    Reply {
        /// Which.
        client: ClientId,
        /// The answer.
        response: Response,
    },
    /// Tell the log and those who follow events.
    Emit(Event),
    /// Another corosync.conf is in force: its addresses and links are used from now on.
    Reconfigured(Corosync),
    /// This node has left the cluster cleanly: the agent may exit.
    Exit {
        /// Why.
        reason: String,
    },
}
