//! What nodes say to each other: packets on the links, and the messages that the links carry reliably.
//!
//! A packet is `[MAGIC][PROTOCOL][postcard]`. The version stands outside of postcard, which is not self-describing: a
//! packet of another version is noticed, not misread. Enums only grow at their end.

use crate::membership::view::{Member, ViewId};
use crate::replica::command::{Ask, Command};
use crate::replica::state::{FenceEntry, Position, State};
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::fencing::{FenceAction, FenceDevice};
use muster_api::history::{OpRecord, ResourceAction};
use muster_api::id::{NodeId, ResourceId};
use serde::{Deserialize, Serialize};

/// The largest packet that a node sends: with the seal and the headers of IPv6 and UDP it fits an Ethernet frame.
pub const PACKET_SIZE_MAX: usize = 1380;
/// How much of a message one packet carries: what is left beside the packet's own numbers.
pub(crate) const FRAGMENT_SIZE_MAX: usize = PACKET_SIZE_MAX - 60;
/// The version of everything in this file.
pub const PROTOCOL: u8 = 1;
/// Of a message in a trace.
const DESCRIPTION_MAX: usize = 200;
const MAGIC: u8 = b'm';

/// What one packet says. Sessions are the incarnations of sender and receiver, zero where the receiver's is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Packet {
    pub(crate) from_session: u64,
    pub(crate) to_session: u64,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// Asks for a pong. `at` is the sender's clock and comes back untouched.
    Ping { at: u64, beat: Beat },
    /// Proves to the asker that both directions work, and asks for the same proof.
    Pong { echo: u64, at: u64, beat: Beat },
    /// Proves it to the answerer.
    Proof { echo: u64 },
    /// A part of a message.
    Data { stream: u32, seq: u64, is_last: bool, bytes: Vec<u8> },
    /// All parts below `next` are here; bit *k* of `ahead` stands for part `next + 1 + k`.
    Ack { stream: u32, next: u64, ahead: u64 },
    /// This life of the sender has ended.
    Bye,
}

/// What every heartbeat carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Counts the changes of this content: an older one is not believed.
    pub(crate) number: u64,
    /// The activated view.
    pub(crate) view: Option<ViewId>,
    /// The highest epoch ever seen.
    pub(crate) epoch_seen: u64,
    /// The peers that are not lost.
    pub(crate) reach: Vec<Reach>,
    /// Of the parts of corosync.conf that must be the same everywhere.
    pub(crate) config_digest: u64,
    /// Of a corosync.conf that was read and is not in force yet.
    pub(crate) pending_digest: Option<u64>,
    /// The quorum device votes for this node's part of the cluster.
    pub(crate) has_device_vote: bool,
}

/// A peer that is not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    pub(crate) node: NodeId,
    pub(crate) session: u64,
    /// A link was up since this session was first heard of; else it may still come up within the token time.
    pub(crate) is_linked: bool,
}

/// What the links carry reliably and in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// May this be the view? `position` is what the proposer holds.
    Propose { view: ViewId, members: Vec<Member>, position: Position, is_restored: bool },
    /// It may: nothing of an earlier view is obeyed any more.
    Promise { view: ViewId, promise: Promise },
    /// It may not.
    Refuse { view: ViewId, epoch_seen: u64 },
    /// What the view starts from.
    Install { view: ViewId, install: Install },
    /// That is held, on disk where it must be.
    Installed { view: ViewId },
    /// All hold it: go.
    Activate { view: ViewId },
    /// A numbered command.
    Command { view: ViewId, seq: u64, command: Command },
    /// It is held, on disk where it must be.
    Ack { view: ViewId, seq: u64 },
    /// Run this.
    Order { view: ViewId, action: ResourceAction },
    /// Stop repeating a monitor.
    CancelMonitor { view: ViewId, resource: ResourceId, interval_ms: u64 },
    /// An action ended here.
    Ended { view: ViewId, resource: ResourceId, record: OpRecord },
    /// Use a fence device.
    Fence { view: ViewId, attempt: FenceAttempt },
    /// What came of it.
    Fenced { view: ViewId, number: u64, trial: u32, device: ResourceId, result: Result<(), String> },
    /// A client of the sender asks for something.
    Ask { view: ViewId, ticket: u64, ask: Ask },
    /// The answer for that client.
    Answer { ticket: u64, answer: Answer },
}

/// What a node brings into a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Promise {
    /// What it holds.
    pub(crate) position: Position,
    /// It restarted since: what is not durable is missing in its state.
    pub(crate) is_restored: bool,
    /// It has been in a quorate view since it started (wait_for_all).
    pub(crate) is_unblocked: bool,
    /// Its state, where that may be better than the proposer's.
    pub(crate) state: Option<State>,
    /// What ran here since the agent started, and is under way.
    pub(crate) history: Vec<(ResourceId, Vec<OpRecord>)>,
    /// Fencings of views that were not primary.
    pub(crate) provisional: Vec<FenceEntry>,
    /// The uses of fence devices that it drives, or whose results it holds: number and trial.
    pub(crate) attempts: Vec<(u64, u32)>,
    /// It is asked to leave.
    pub(crate) is_leaving: bool,
}

/// What a view starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Install {
    pub(crate) members: Vec<Member>,
    pub(crate) position: Position,
    pub(crate) state: State,
    pub(crate) provisional: Vec<u64>,
    pub(crate) standing: crate::quorum::Standing,
}

/// One use of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FenceAttempt {
    /// Of the fencing record.
    pub(crate) number: u64,
    /// Counts the uses of devices for it.
    pub(crate) trial: u32,
    pub(crate) device: FenceDevice,
    pub(crate) target: NodeId,
    pub(crate) action: FenceAction,
    pub(crate) timeout_ms: u64,
}

/// What the coordinator answers a client with (`control::Response` is tagged for JSON, which postcard cannot read).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done { generation: u64, note: Option<String> },
    Refused { why: String },
}

/// Why bytes are not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    Foreign,
    Version(u8),
    Malformed,
}

/// One line about a packet, for traces: what it is, and the message where one packet holds all of it.
pub fn describe(bytes: &[u8]) -> String {
    let Ok(packet) = Packet::decode(bytes) else { return alloc::format!("{} unreadable bytes", bytes.len()) };
    match packet.body {
        Body::Ping { .. } => "ping".into(),
        Body::Pong { .. } => "pong".into(),
        Body::Proof { .. } => "proof".into(),
        Body::Ack { stream, next, .. } => alloc::format!("received {stream}/{next}"),
        Body::Bye => "bye".into(),
        Body::Data { stream, seq, is_last, bytes } => match Message::decode(&bytes).filter(|_| is_last) {
            Some(message) => {
                let mut text = alloc::format!("{stream}/{seq} {message:?}");
                let end =
                    text.char_indices().map(|(at, _)| at).take_while(|at| *at <= DESCRIPTION_MAX).last();
                text.truncate(end.unwrap_or(0));
                text
            }
            None => alloc::format!("{stream}/{seq} part of {} bytes", bytes.len()),
        },
    }
}

impl Packet {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = postcard::to_allocvec(self).expect("a packet has no type that postcard cannot write");
        [&[MAGIC, PROTOCOL], body.as_slice()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unread> {
        match bytes {
            [MAGIC, PROTOCOL, body @ ..] => postcard::from_bytes(body).map_err(|_| Unread::Malformed),
            [MAGIC, version, ..] => Err(Unread::Version(*version)),
            _ => Err(Unread::Foreign),
        }
    }
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a message has no type that postcard cannot write")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails the wire format has changed: nodes of two versions would misread each other. Count [`PROTOCOL`] up.
    #[test]
    fn the_bytes_of_version_one_stay_as_they_are() {
        let view = ViewId { epoch: 7, coordinator: NodeId(1) };
        let reach = alloc::vec![Reach { node: NodeId(2), session: 9, is_linked: true }];
        let beat = Beat {
            number: 3,
            view: Some(view),
            epoch_seen: 8,
            reach,
            config_digest: 5,
            pending_digest: None,
            has_device_vote: false,
        };
        let packets = [
            (Body::Ping { at: 300, beat }, "6d0101020 0ac02030107010801020901050000"),
            (Body::Proof { echo: 4 }, "6d01010202 04"),
            (
                Body::Data { stream: 1, seq: 2, is_last: true, bytes: alloc::vec![0xff] },
                "6d01010203 01020101ff",
            ),
            (Body::Ack { stream: 1, next: 2, ahead: 0 }, "6d01010204 010200"),
            (Body::Bye, "6d01010205"),
        ];
        for (body, hex) in packets {
            let packet = Packet { from_session: 1, to_session: 2, body };
            let bytes = packet.encode();
            let written: String = bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
            assert_eq!(written, hex.replace(' ', ""));
            assert_eq!(Packet::decode(&bytes), Ok(packet));
        }
        let messages = [
            (Message::Refuse { view, epoch_seen: 9 }, "0207 0109"),
            (Message::Installed { view }, "040701"),
            (Message::Activate { view }, "050701"),
            (Message::Ack { view, seq: 3 }, "07070103"),
        ];
        for (message, hex) in messages {
            let bytes = message.encode();
            let written: String = bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
            assert_eq!(written, hex.replace(' ', ""));
            assert_eq!(Message::decode(&bytes), Some(message));
        }
    }

    #[test]
    fn bytes_of_another_version_or_of_nobody_are_told_apart() {
        assert_eq!(Packet::decode(&[MAGIC, 2, 0, 0]), Err(Unread::Version(2)));
        assert_eq!(Packet::decode(b"hello"), Err(Unread::Foreign));
        assert_eq!(Packet::decode(&[MAGIC, PROTOCOL]), Err(Unread::Malformed));
    }
}
