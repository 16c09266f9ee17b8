//! The links to all peers: heartbeats, link state, choice of the path, reliable messages. What a lost peer means is
//! decided in `membership`.

mod path;
mod peer;
mod stream;
mod timing;

pub(crate) use peer::Peer;
pub(crate) use timing::Timing;

use crate::effect::Effect;
use crate::message::{Beat, Body, Message, Packet, Reach, Speaks, Unread};
use crate::planted::{Bug, planted};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use muster_api::cluster::{Corosync, LinkMode};
use muster_api::id::NodeId;
use timing::LinkTiming;

/// What the links have to tell.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "each lives for one step")]
pub(crate) enum Heard {
    /// A message, in order and once.
    Message(NodeId, Message),
    /// A peer is in a new life.
    Restarted(NodeId),
    /// A peer's life has ended, it says so itself.
    Bye(NodeId),
    /// A link of a peer came up or went down.
    Link { peer: NodeId, link: u8, is_up: bool },
    /// A node that is not in the nodelist has sent a packet.
    Stranger(NodeId),
    /// A peer speaks no version that is spoken here.
    Version { peer: NodeId, speaks: Speaks },
}

#[derive(Debug)]
pub(crate) struct Links {
    me: NodeId,
    session: u64,
    speaks: Speaks,
    mode: LinkMode,
    timing: Timing,
    peers: BTreeMap<NodeId, Peer>,
    beat: Beat,
    /// Counts what peers tell of themselves.
    revision: u64,
    /// Packets that could not be read, or came from nobody.
    pub(crate) dropped: u64,
}

impl Links {
    pub(crate) fn new(now: Instant, me: NodeId, session: u64, corosync: &Corosync) -> Self {
        let (timing, mode) = (Timing::new(corosync), corosync.totem.link_mode);
        let mut links = Self {
            me,
            session,
            speaks: Speaks::default(),
            mode,
            timing,
            peers: BTreeMap::new(),
            beat: Beat::default(),
            revision: 0,
            dropped: 0,
        };
        links.reconfigure(now, corosync);
        links
    }

    /// Takes other nodes, links and times; what is known of peers and links that stay is kept.
    pub(crate) fn reconfigure(&mut self, now: Instant, corosync: &Corosync) {
        (self.timing, self.mode) = (Timing::new(corosync), corosync.totem.link_mode);
        self.peers.retain(|id, _| corosync.nodes.iter().any(|entry| entry.id == *id));
        for entry in corosync.nodes.iter().filter(|entry| entry.id != self.me) {
            let timing =
                |link: &u8| (*link, LinkTiming::new(self.timing.token, corosync.totem.links.get(link)));
            let timings = entry.addresses.keys().map(timing).collect();
            let peer = self.peers.entry(entry.id).or_insert_with(|| Peer::new(self.me < entry.id));
            peer.set_links(now, timings);
        }
    }

    pub(crate) fn timing(&self) -> Timing {
        self.timing
    }

    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// Differs once a peer has told something new of itself.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    /// Takes a packet in.
    pub(crate) fn receive(&mut self, now: Instant, link: u8, from: NodeId, bytes: &[u8]) -> Vec<Heard> {
        if let (Some(speaks), Some(peer)) = (Packet::spoken_by(bytes), self.peers.get_mut(&from)) {
            peer.speaks = Some(speaks);
        }
        let packet = match Packet::decode(bytes, self.speaks) {
            Ok(packet) => packet,
            Err(unread) => return self.count_unread(from, unread),
        };
        let (token, session) = (self.timing.token, self.session);
        let Some(peer) = self.peers.get_mut(&from) else {
            self.dropped += 1;
            return alloc::vec![Heard::Stranger(from)];
        };
        let news = peer.receive(now, link, packet, session, token);
        self.revision += u64::from(core::mem::take(&mut peer.has_told));
        news.into_iter().map(|heard| heard.of(from)).collect()
    }

    /// Queues a message for a peer that is linked; to any other it would be lost anyway.
    pub(crate) fn send(&mut self, to: NodeId, message: &Message) {
        if let Some(peer) = self.peers.get_mut(&to) {
            peer.send(message);
        }
    }

    /// Moves time on: links that expire, peers that are lost.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Heard> {
        let token = self.timing.token;
        let heard = self.peers.iter_mut().flat_map(|(id, peer)| {
            peer.expire(now, token).into_iter().map(|link| Heard::Link { peer: *id, link, is_up: false })
        });
        heard.collect()
    }

    /// What heartbeats say from now on; a change is told soon.
    pub(crate) fn set_beat(&mut self, now: Instant, content: Beat) {
        let content = Beat { number: self.beat.number, ..content };
        if content == self.beat {
            return;
        }
        self.beat = Beat { number: self.beat.number + 1, ..content };
        for peer in self.peers.values_mut() {
            peer.hurry_news(now);
        }
    }

    /// The peers that are not lost, for the heartbeat.
    pub(crate) fn reach(&self, now: Instant) -> Vec<Reach> {
        let known = self.peers.iter().filter(|(_, peer)| !peer.is_lost(now, self.timing.token));
        known
            .map(|(id, peer)| Reach { node: *id, session: peer.session(), is_linked: peer.is_linked() })
            .collect()
    }

    /// All that is to be sent now.
    pub(crate) fn flush(&mut self, now: Instant) -> Vec<Effect> {
        let (me, session, mode, speaks) = (self.me, self.session, self.mode, self.speaks);
        let mut effects = Vec::new();
        for (id, peer) in &mut self.peers {
            let to_session = peer.session();
            let version = peer.version(speaks);
            for (link, body) in peer.flush(now, mode, &self.beat) {
                let bytes = Packet { from_session: session, to_session, body }.encode(version, speaks);
                debug_assert!(
                    bytes.len() <= crate::message::PACKET_SIZE_MAX,
                    "node {me} sends a packet that is too large"
                );
                effects.push(Effect::Send { link, to: *id, bytes });
            }
        }
        effects
    }

    /// Says that this life ends; three times, because nobody answers.
    pub(crate) fn bye(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (id, peer) in self.peers.iter().filter(|(_, peer)| peer.session() != 0) {
            for link in peer.links() {
                let packet =
                    Packet { from_session: self.session, to_session: peer.session(), body: Body::Bye };
                let send = Effect::Send {
                    link,
                    to: *id,
                    bytes: packet.encode(peer.version(self.speaks), self.speaks),
                };
                effects.extend([send.clone(), send.clone(), send]);
            }
        }
        effects
    }

    /// Nothing of this life of a peer is believed any more.
    pub(crate) fn bury(&mut self, now: Instant, id: NodeId, session: u64) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.bury(now, session);
        }
    }

    /// This node was away for so long that what it knows of the others is worthless: ask anew, and give them the token time
    /// to answer.
    pub(crate) fn distrust_all(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.distrust(now);
        }
    }

    /// A link's own address is there or is gone: the other links carry everything at once.
    pub(crate) fn set_usable(&mut self, now: Instant, link: u8, is_usable: bool) {
        for peer in self.peers.values_mut() {
            peer.set_usable(now, link, is_usable);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.peers.values().map(|peer| peer.deadline(self.timing.token)).min()
    }

    /// Where both speak a common version the peer will use it once it has heard this node.
    fn count_unread(&mut self, peer: NodeId, unread: Unread) -> Vec<Heard> {
        assert!(!planted(Bug::UnreadablePanics), "a packet of {peer} cannot be read");
        self.dropped += 1;
        let theirs = self.peers.get(&peer).and_then(|peer| peer.speaks);
        let strange = |theirs: &Speaks| unread == Unread::Version && self.speaks.common(*theirs).is_none();
        theirs.filter(strange).map(|speaks| Heard::Version { peer, speaks }).into_iter().collect()
    }

    /// The versions that this node speaks.
    pub(crate) fn speaks(&self) -> Speaks {
        self.speaks
    }

    /// The version in which that peer is addressed.
    pub(crate) fn version_spoken_with(&self, peer: NodeId) -> u8 {
        self.peers.get(&peer).map_or(self.speaks.oldest, |peer| peer.version(self.speaks))
    }

    pub(crate) fn set_speaks(&mut self, speaks: Speaks) {
        self.speaks = speaks;
    }
}
