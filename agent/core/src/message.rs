//! What nodes say to each other: packets on the links, and the messages that the links carry reliably.
//!
//! A packet is `[MAGIC][version][oldest][newest][postcard]`: the version that it is written in, and those that its sender
//! speaks. They stand outside of postcard, which is not self-describing: a packet of a version that is not spoken here is
//! noticed, not misread, and still says what its sender could speak instead. Enums only grow at their end.
//!
//! Two nodes speak the newest version that both know ([`Speaks::common`]); until a peer was heard, the oldest. So a cluster is
//! upgraded node by node as long as each version also speaks the one before it. What a version adds to the replicated state
//! may be used in a view once all its members speak that version.

use crate::membership::view::{Member, ViewId};
use crate::quorum::LastQuorate;
use crate::replica::command::{Ask, Command};
use crate::replica::state::{FenceEntry, Position, State};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
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
/// The newest version of everything in this file. The feature `next` makes the build that will come after this one.
pub const PROTOCOL: u8 = if cfg!(feature = "next") { 2 } else { 1 };
/// The oldest that is still spoken.
pub const PROTOCOL_OLDEST: u8 = 1;
/// Of a message in a trace.
const DESCRIPTION_MAX: usize = 200;
const MAGIC: u8 = b'm';

/// The versions that a node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaks {
    /// The oldest.
    pub oldest: u8,
    /// The newest.
    pub newest: u8,
}

impl core::fmt::Display for Speaks {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self { oldest, newest } if oldest == newest => write!(formatter, "version {newest}"),
            Self { oldest, newest } => write!(formatter, "versions {oldest} to {newest}"),
        }
    }
}

impl Default for Speaks {
    fn default() -> Self {
        Self { oldest: PROTOCOL_OLDEST, newest: PROTOCOL }
    }
}

impl Speaks {
    /// The newest version that both speak.
    pub(crate) fn common(self, theirs: Self) -> Option<u8> {
        let newest = self.newest.min(theirs.newest);
        Some(newest).filter(|version| self.reads(*version) && theirs.reads(*version))
    }

    fn reads(self, version: u8) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}

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
    /// An agent on the sender says something of its node, or nothing any more.
    Attribute { view: ViewId, name: String, value: Option<String> },
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
    /// What it knows of the last quorate view.
    pub(crate) quorate: LastQuorate,
    /// Its state, where that may be better than the proposer's.
    pub(crate) state: Option<State>,
    /// What ran here since the agent started, and is under way.
    pub(crate) history: Vec<(ResourceId, Vec<OpRecord>)>,
    /// What resource agents said of it since its agent started; `None` takes away.
    pub(crate) said: BTreeMap<String, Option<String>>,
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
    /// Of a version that is not spoken here.
    Version,
    Malformed,
}

/// One line about a packet, for traces: what it is, and the message where one packet holds all of it.
pub fn describe(bytes: &[u8]) -> String {
    let any = Speaks { oldest: 0, newest: u8::MAX };
    let Ok(packet) = Packet::decode(bytes, any) else {
        return alloc::format!("{} unreadable bytes", bytes.len());
    };
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

/// The body of a packet as that version has it, and back. The next version has it backwards: where a node were addressed in
/// a version that it does not speak, nothing would be understood by chance.
fn in_version(version: u8, body: &[u8]) -> Cow<'_, [u8]> {
    match cfg!(feature = "next") && version == PROTOCOL {
        true => body.iter().rev().copied().collect(),
        false => Cow::Borrowed(body),
    }
}

impl Packet {
    /// In that version, by a sender that speaks those.
    pub(crate) fn encode(&self, version: u8, speaks: Speaks) -> Vec<u8> {
        let body = postcard::to_allocvec(self).expect("a packet has no type that postcard cannot write");
        [[MAGIC, version, speaks.oldest, speaks.newest].as_slice(), &in_version(version, &body)].concat()
    }

    pub(crate) fn decode(bytes: &[u8], speaks: Speaks) -> Result<Self, Unread> {
        match bytes {
            [MAGIC, version, _, _, body @ ..] if speaks.reads(*version) => {
                postcard::from_bytes(&in_version(*version, body)).map_err(|_| Unread::Malformed)
            }
            [MAGIC, _, _, _, ..] => Err(Unread::Version),
            _ => Err(Unread::Foreign),
        }
    }

    /// What the sender of these bytes speaks, whether they can be read here or not.
    pub(crate) fn spoken_by(bytes: &[u8]) -> Option<Speaks> {
        match bytes {
            [MAGIC, _, oldest, newest, ..] => Some(Speaks { oldest: *oldest, newest: *newest }),
            _ => None,
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
            (Body::Ping { at: 300, beat }, "6d01010101020 0ac02030107010801020901050000"),
            (Body::Proof { echo: 4 }, "6d010101010202 04"),
            (
                Body::Data { stream: 1, seq: 2, is_last: true, bytes: alloc::vec![0xff] },
                "6d010101010203 01020101ff",
            ),
            (Body::Ack { stream: 1, next: 2, ahead: 0 }, "6d010101010204 010200"),
            (Body::Bye, "6d010101010205"),
        ];
        for (body, hex) in packets {
            let packet = Packet { from_session: 1, to_session: 2, body };
            let bytes = packet.encode(1, Speaks::default());
            let written: String = bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
            assert_eq!(written, hex.replace(' ', ""));
            assert_eq!(Packet::decode(&bytes, Speaks::default()), Ok(packet));
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
        let speaks = Speaks { oldest: 1, newest: 2 };
        assert_eq!(Packet::decode(&[MAGIC, 3, 3, 4, 0], speaks), Err(Unread::Version));
        assert_eq!(Packet::spoken_by(&[MAGIC, 3, 3, 4, 0]), Some(Speaks { oldest: 3, newest: 4 }));
        assert_eq!(Packet::decode(b"hello", speaks), Err(Unread::Foreign));
        assert_eq!(Packet::decode(&[MAGIC, 1, 1, 2], speaks), Err(Unread::Malformed));
    }

    #[test]
    fn two_nodes_speak_the_newest_version_that_both_know() {
        let speaks = |oldest, newest| Speaks { oldest, newest };
        let common = |theirs| speaks(2, 3).common(theirs);
        assert_eq!([speaks(3, 4), speaks(2, 3), speaks(1, 2)].map(common), [Some(3), Some(3), Some(2)]);
        assert_eq!([speaks(4, 5), speaks(1, 1)].map(common), [None, None]);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_and_never_a_panic() {
        let view = ViewId { epoch: 7, coordinator: NodeId(1) };
        let message = Message::Fenced {
            view,
            number: 1,
            trial: 2,
            device: "fence".into(),
            result: Err("it said no".into()),
        };
        let body = Body::Data { stream: 1, seq: 2, is_last: true, bytes: message.encode() };
        let packet = Packet { from_session: 1, to_session: 2, body }.encode(1, Speaks::default());
        for (index, value) in (0..packet.len()).flat_map(|index| (0..=255).map(move |value| (index, value))) {
            let mut damaged = packet.clone();
            damaged[index] = value;
            let _ = describe(&damaged);
            let _ = describe(&damaged[..index]);
            let _ = Message::decode(&damaged[index..]);
            let _ = crate::durable::Durable::decode(&damaged[index..]);
        }
    }
}
