//! Seals and opens the packets between nodes: AES-GCM under a key that belongs to one start of one sender.
//!
//! ```text
//! "mu" | version u8 | link u8 | cluster u32 | from u32 | to u32 | boot 16 | echo 16 | counter u64 | sealed payload | tag 16
//! ```
//!
//! Numbers are big endian; all before the payload is authenticated. `cluster` is a digest of the cluster's name: it tells another
//! cluster from another key, and protects nothing. `boot` is drawn at random when the agent starts;
//! the sender's key is HKDF-SHA256(authkey; salt `boot`; info: cluster name, sender), so that the nonce, which is
//! `to` and `counter`, never repeats under one key, whatever the node forgets.
//!
//! `echo` is the `boot` that the sender last saw of the receiver. Only a packet that echoes the receiver's own `boot` is
//! fresh and delivered: recordings of earlier days open, but say nothing. Who gets a packet that is not fresh answers
//! with a greeting (a packet without payload) that echoes it; so two nodes know each other after one round trip, and the sender
//! says again what was not fresh.
//! Within one `boot`, each link has a window of the counters already seen.
//!
//! `crypto_cipher: none` keeps the layout; the tag is then a plain checksum that any node on the network can
//! compute: it keeps clusters with different names apart, and no attacker out.

use muster_api::cluster::Cipher;
use muster_api::id::NodeId;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use ring::digest;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use std::collections::{BTreeMap, VecDeque};

const MAGIC: [u8; 2] = *b"mu";
/// Version 1 had no digest of the cluster's name.
const VERSION: u8 = 2;
const HEADER: usize = 56;
const TAG: usize = 16;
/// Links are numbered 0 to 7 (corosync.conf(5)).
const LINKS: usize = 8;
/// How many earlier starts of a peer are remembered: a delayed packet of one must not bring it back.
const RETIRED_MAX: usize = 8;

/// What names one start of one agent.
type Boot = [u8; 16];
const NO_BOOT: Boot = [0; 16];

/// Seals what this node sends and opens what it receives.
pub(crate) struct Seal {
    node: NodeId,
    boot: Boot,
    cluster_name: String,
    cluster: [u8; 4],
    suite: Suite,
    own_key: Option<LessSafeKey>,
    peers: BTreeMap<NodeId, Peer>,
}

/// The cipher and the keys that it may be used with: the first seals, each opens.
pub(crate) struct Suite {
    cipher: Cipher,
    authkeys: Vec<Vec<u8>>,
}

/// What is known of one peer.
#[derive(Default)]
struct Peer {
    counter: u64,
    boot: Option<Boot>,
    keys: Vec<LessSafeKey>,
    windows: [Window; LINKS],
    /// What was said last on each link while no start of it was known: it was not fresh, so the peer did not hear it.
    unheard: [Option<Vec<u8>>; LINKS],
    retired: VecDeque<Boot>,
}

/// What a packet came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Fresh, with something to say.
    Payload(NodeId, Vec<u8>),
    /// Nothing to deliver; this answer makes the sender known or makes this node known to it.
    Greet(NodeId, Vec<u8>),
    /// Nothing to deliver, nothing to answer.
    Nothing,
}

/// Why a packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Not a packet for this node on this link.
    Foreign,
    /// Sealed in the format of another version.
    Version(u8),
    /// Of a cluster of another name.
    OtherCluster,
    /// It was not sealed with the cluster's key.
    Forged,
    /// It was delivered before, or belongs to an earlier start of its sender.
    Replayed,
}

impl Suite {
    /// The cipher with its keys; `none` needs no key.
    pub(crate) fn new(cipher: Cipher, authkeys: Vec<Vec<u8>>) -> Self {
        Self { cipher, authkeys }
    }

    fn algorithm(&self) -> Option<&'static Algorithm> {
        match self.cipher {
            Cipher::None => None,
            Cipher::Aes128 => Some(&AES_128_GCM),
            Cipher::Aes256 => Some(&AES_256_GCM),
        }
    }

    /// The keys of one start of one sender, in the order of the authkeys; none without a cipher.
    fn keys(&self, cluster_name: &str, sender: NodeId, boot: &Boot) -> Vec<LessSafeKey> {
        let Some(algorithm) = self.algorithm() else { return Vec::new() };
        let derive = |authkey: &Vec<u8>| derive_key(algorithm, authkey, cluster_name, sender, boot);
        self.authkeys.iter().map(derive).collect()
    }
}

impl Seal {
    /// A seal for this start of the agent; `boot` must be drawn at random.
    pub(crate) fn new(node: NodeId, cluster_name: &str, suite: Suite, boot: [u8; 16]) -> Self {
        let own_key = suite.keys(cluster_name, node, &boot).into_iter().next();
        let (cluster, cluster_name) = (name_digest(cluster_name), cluster_name.to_owned());
        Self { node, boot, cluster_name, cluster, suite, own_key, peers: BTreeMap::new() }
    }

    /// Takes other keys; counters and what is known of peers stay.
    pub(crate) fn change_suite(&mut self, suite: Suite) {
        self.own_key = suite.keys(&self.cluster_name, self.node, &self.boot).into_iter().next();
        for (id, peer) in &mut self.peers {
            peer.keys = peer.boot.map(|boot| suite.keys(&self.cluster_name, *id, &boot)).unwrap_or_default();
        }
        self.suite = suite;
    }

    /// Seals a payload for one peer on one link.
    pub(crate) fn seal(&mut self, to: NodeId, link: u8, payload: &[u8]) -> Vec<u8> {
        let peer = self.peers.entry(to).or_default();
        let unheard = peer.unheard.get_mut(usize::from(link)).filter(|_| peer.boot.is_none());
        unheard.into_iter().for_each(|unheard| *unheard = Some(payload.to_vec()));
        let echo = peer.boot.unwrap_or(NO_BOOT);
        self.seal_for(to, link, echo, payload)
    }

    fn seal_for(&mut self, to: NodeId, link: u8, echo: Boot, payload: &[u8]) -> Vec<u8> {
        let peer = self.peers.entry(to).or_default();
        peer.counter += 1;
        let header = Header {
            link,
            cluster: self.cluster,
            from: self.node,
            to,
            boot: self.boot,
            echo,
            counter: peer.counter,
        };
        let mut packet = Vec::with_capacity(HEADER + payload.len() + TAG);
        packet.extend_from_slice(&header.bytes());
        packet.extend_from_slice(payload);
        let (head, body) = packet.split_at_mut(HEADER);
        let tag = match &self.own_key {
            Some(key) => key
                .seal_in_place_separate_tag(header.nonce(), Aad::from(&*head), body)
                .map(|tag| tag.as_ref().to_vec())
                .expect("a packet is far below the size limit of AES-GCM"),
            None => checksum(&self.cluster_name, head, body).to_vec(),
        };
        packet.extend_from_slice(&tag);
        packet
    }

    /// Opens a packet that came in on a link.
    pub(crate) fn open(&mut self, link: u8, packet: &[u8]) -> Result<Opened, Dropped> {
        let header = Header::read(packet)?;
        if header.cluster != self.cluster {
            return Err(Dropped::OtherCluster);
        }
        if header.to != self.node || header.from == self.node || header.link != link {
            return Err(Dropped::Foreign);
        }
        let payload = self.authenticate(&header, packet).ok_or(Dropped::Forged)?;
        if header.echo != self.boot {
            // Not fresh: say who we are, to exactly the start that asked.
            return Ok(Opened::Greet(header.from, self.seal_for(header.from, link, header.boot, &[])));
        }
        let is_new = self.admit(&header)?;
        let unheard = self.take_unheard(header.from, link);
        if !payload.is_empty() {
            Ok(Opened::Payload(header.from, payload))
        } else if is_new || unheard.is_some() {
            let greeting = self.seal(header.from, link, &unheard.unwrap_or_default());
            Ok(Opened::Greet(header.from, greeting))
        } else {
            Ok(Opened::Nothing)
        }
    }

    fn take_unheard(&mut self, of: NodeId, link: u8) -> Option<Vec<u8>> {
        self.peers.get_mut(&of)?.unheard.get_mut(usize::from(link))?.take()
    }

    fn authenticate(&self, header: &Header, packet: &[u8]) -> Option<Vec<u8>> {
        let (head, sealed) = packet.split_at(HEADER);
        if self.suite.cipher == Cipher::None {
            let (body, tag) = sealed.split_at(sealed.len() - TAG);
            return (checksum(&self.cluster_name, head, body) == tag).then(|| body.to_vec());
        }
        let known = self.peers.get(&header.from).filter(|peer| peer.boot == Some(header.boot));
        match known {
            Some(peer) => peer.keys.iter().find_map(|key| open_with(key, header, head, sealed)),
            None => {
                let keys = self.suite.keys(&self.cluster_name, header.from, &header.boot);
                keys.iter().find_map(|key| open_with(key, header, head, sealed))
            }
        }
    }

    /// Notes a fresh packet; true where it is the first of this start of its sender.
    fn admit(&mut self, header: &Header) -> Result<bool, Dropped> {
        let peer = self.peers.entry(header.from).or_default();
        let is_new = peer.boot != Some(header.boot);
        if is_new {
            if peer.retired.contains(&header.boot) {
                return Err(Dropped::Replayed);
            }
            peer.retired.extend(peer.boot.replace(header.boot));
            if peer.retired.len() > RETIRED_MAX {
                peer.retired.pop_front();
            }
            peer.windows = Default::default();
            peer.keys = self.suite.keys(&self.cluster_name, header.from, &header.boot);
        }
        let window = peer.windows.get_mut(usize::from(header.link)).ok_or(Dropped::Foreign)?;
        if window.admit(header.counter) { Ok(is_new) } else { Err(Dropped::Replayed) }
    }
}

/// What stands before the payload.
struct Header {
    link: u8,
    cluster: [u8; 4],
    from: NodeId,
    to: NodeId,
    boot: Boot,
    echo: Boot,
    counter: u64,
}

impl Header {
    fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = VERSION;
        bytes[3] = self.link;
        bytes[4..8].copy_from_slice(&self.cluster);
        bytes[8..12].copy_from_slice(&self.from.0.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.to.0.to_be_bytes());
        bytes[16..32].copy_from_slice(&self.boot);
        bytes[32..48].copy_from_slice(&self.echo);
        bytes[48..].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    fn read(packet: &[u8]) -> Result<Self, Dropped> {
        match packet {
            [m, u, VERSION, ..] if [*m, *u] == MAGIC => Self::fields(packet).ok_or(Dropped::Foreign),
            [m, u, version, ..] if [*m, *u] == MAGIC => Err(Dropped::Version(*version)),
            _ => Err(Dropped::Foreign),
        }
    }

    fn fields(packet: &[u8]) -> Option<Self> {
        if packet.len() < HEADER + TAG {
            return None;
        }
        Some(Self {
            link: packet[3],
            cluster: packet[4..8].try_into().ok()?,
            from: NodeId(u32::from_be_bytes(packet[8..12].try_into().ok()?)),
            to: NodeId(u32::from_be_bytes(packet[12..16].try_into().ok()?)),
            boot: packet[16..32].try_into().ok()?,
            echo: packet[32..48].try_into().ok()?,
            counter: u64::from_be_bytes(packet[48..HEADER].try_into().ok()?),
        })
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.to.0.to_be_bytes());
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The counters seen last on one link: the highest, and which of the 127 below it.
#[derive(Default, Clone, Copy)]
struct Window {
    highest: u64,
    seen: u128,
}

impl Window {
    fn admit(&mut self, counter: u64) -> bool {
        if counter > self.highest {
            let ahead = u32::try_from(counter - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = counter;
            return true;
        }
        let bit = u32::try_from(self.highest - counter).ok().and_then(|behind| 1_u128.checked_shl(behind));
        match bit {
            Some(bit) if self.seen & bit == 0 && counter > 0 => {
                self.seen |= bit;
                true
            }
            _ => false,
        }
    }
}

fn open_with(key: &LessSafeKey, header: &Header, head: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut body = sealed.to_vec();
    let length = key.open_in_place(header.nonce(), Aad::from(head), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn derive_key(
    algorithm: &'static Algorithm,
    authkey: &[u8],
    cluster_name: &str,
    sender: NodeId,
    boot: &Boot,
) -> LessSafeKey {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let sender = sender.0.to_be_bytes();
    let info: [&[u8]; 4] = [b"muster packet 1\0", cluster_name.as_bytes(), b"\0", &sender];
    let mut key = [0; 32];
    let key = &mut key[..algorithm.key_len()];
    Salt::new(HKDF_SHA256, boot)
        .extract(authkey)
        .expand(&info, Length(key.len()))
        .and_then(|material| material.fill(key))
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("the key is as long as the algorithm wants it"))
}

fn name_digest(cluster_name: &str) -> [u8; 4] {
    let digest = digest::digest(&digest::SHA256, cluster_name.as_bytes());
    let mut short = [0; 4];
    short.copy_from_slice(&digest.as_ref()[..4]);
    short
}

fn checksum(cluster_name: &str, head: &[u8], body: &[u8]) -> [u8; TAG] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [cluster_name.as_bytes(), &[0], head, body] {
        context.update(part);
    }
    let mut tag = [0; TAG];
    tag.copy_from_slice(&context.finish().as_ref()[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);
    const TWO: NodeId = NodeId(2);

    fn node(id: NodeId, cipher: Cipher, boot: u8, key: &[u8]) -> Seal {
        Seal::new(id, "web", Suite::new(cipher, vec![key.to_vec()]), [boot; 16])
    }

    fn pair(cipher: Cipher) -> (Seal, Seal) {
        (node(ONE, cipher, 1, b"secret"), node(TWO, cipher, 2, b"secret"))
    }

    /// Lets two nodes greet each other as they do when the first sends something.
    fn acquaint(one: &mut Seal, two: &mut Seal) {
        let mut packet = one.seal(two.node, 0, b"hello?");
        let (mut receiver, mut sender) = (two, one);
        while let Ok(Opened::Greet(_, answer)) = receiver.open(0, &packet) {
            packet = answer;
            std::mem::swap(&mut receiver, &mut sender);
        }
    }

    #[test]
    fn two_nodes_know_each_other_after_one_greeting_and_then_deliver() {
        for cipher in [Cipher::Aes256, Cipher::Aes128, Cipher::None] {
            let (mut one, mut two) = pair(cipher);
            let first = one.seal(TWO, 0, b"hello?");
            assert!(matches!(two.open(0, &first), Ok(Opened::Greet(ONE, _))));
            acquaint(&mut one, &mut two);
            let there = one.seal(TWO, 0, b"heartbeat");
            assert_eq!(two.open(0, &there), Ok(Opened::Payload(ONE, b"heartbeat".to_vec())));
            let back = two.seal(ONE, 3, b"heartbeat");
            assert_eq!(one.open(3, &back), Ok(Opened::Payload(TWO, b"heartbeat".to_vec())));
        }
    }

    #[test]
    fn what_was_said_to_a_stranger_is_heard_once_they_have_met_on_each_link() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        for link in [0, 5] {
            one.seal(TWO, link, b"older");
        }
        let hello = [0, 5].map(|link| (link, one.seal(TWO, link, b"hello?")));
        for (link, hello) in hello {
            let Ok(Opened::Greet(_, greeting)) = two.open(link, &hello) else { panic!("it is not fresh") };
            let Ok(Opened::Greet(_, again)) = one.open(link, &greeting) else {
                panic!("it is to be said again")
            };
            assert_eq!(two.open(link, &again), Ok(Opened::Payload(ONE, b"hello?".to_vec())), "link {link}");
            assert_eq!(one.take_unheard(TWO, link), None);
        }
    }

    #[test]
    fn any_bit_flipped_makes_a_packet_worthless() {
        for cipher in [Cipher::Aes256, Cipher::None] {
            let (mut one, mut two) = pair(cipher);
            acquaint(&mut one, &mut two);
            let packet = one.seal(TWO, 0, b"heartbeat");
            for bit in 0..packet.len() * 8 {
                let mut bad = packet.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(two.open(0, &bad).is_err(), "bit {bit}");
            }
            assert!(two.open(0, &packet).is_ok());
        }
    }

    #[test]
    fn a_packet_cut_short_or_of_noise_is_foreign() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        let packet = one.seal(TWO, 0, b"heartbeat");
        for length in 0..HEADER + TAG {
            assert_eq!(two.open(0, &packet[..length]), Err(Dropped::Foreign));
        }
        assert_eq!(two.open(0, &[0; 200]), Err(Dropped::Foreign));
    }

    #[test]
    fn another_key_and_another_cluster_are_told_apart() {
        let mut two = node(TWO, Cipher::Aes256, 2, b"secret");
        let mut stranger = node(ONE, Cipher::Aes256, 1, b"guessed");
        assert_eq!(two.open(0, &stranger.seal(TWO, 0, b"x")), Err(Dropped::Forged));
        for cipher in [Cipher::Aes256, Cipher::None] {
            let suite = Suite::new(cipher, vec![b"secret".to_vec()]);
            let mut other = Seal::new(ONE, "database", suite, [1; 16]);
            let mut two = node(TWO, cipher, 2, b"secret");
            assert_eq!(two.open(0, &other.seal(TWO, 0, b"x")), Err(Dropped::OtherCluster));
        }
        let mut newer = stranger.seal(TWO, 0, b"x");
        newer[2] = VERSION + 1;
        assert_eq!(two.open(0, &newer), Err(Dropped::Version(VERSION + 1)));
    }

    #[test]
    fn a_packet_is_delivered_once_and_in_any_order_within_the_window() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let packets: Vec<_> = (0..100_u8).map(|number| one.seal(TWO, 0, &[number])).collect();
        for packet in packets.iter().rev() {
            assert!(two.open(0, packet).is_ok());
        }
        for packet in &packets {
            assert_eq!(two.open(0, packet), Err(Dropped::Replayed));
        }
    }

    #[test]
    fn a_packet_on_another_link_than_it_was_sealed_for_is_foreign() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let packet = one.seal(TWO, 0, b"x");
        assert_eq!(two.open(1, &packet), Err(Dropped::Foreign));
    }

    #[test]
    fn a_restarted_peer_is_heard_after_greeting_and_its_old_packets_are_not() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let delayed = one.seal(TWO, 0, b"from before the restart");
        let mut restarted = node(ONE, Cipher::Aes256, 9, b"secret");
        acquaint(&mut restarted, &mut two);
        let packet = restarted.seal(TWO, 0, b"here again");
        assert!(matches!(two.open(0, &packet), Ok(Opened::Payload(ONE, _))));
        assert_eq!(two.open(0, &delayed), Err(Dropped::Replayed));
    }

    #[test]
    fn a_recording_says_nothing_to_a_receiver_that_was_restarted() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let recorded = one.seal(TWO, 0, b"start the database");
        let mut restarted = node(TWO, Cipher::Aes256, 8, b"secret");
        assert!(matches!(restarted.open(0, &recorded), Ok(Opened::Greet(ONE, _))));
    }

    #[test]
    fn two_windows_ahead_a_late_packet_is_dropped_and_each_link_has_its_own_window() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let late = one.seal(TWO, 0, b"late");
        let late_elsewhere = one.seal(TWO, 1, b"late");
        for _ in 0..256 {
            let packet = one.seal(TWO, 0, b"x");
            assert!(two.open(0, &packet).is_ok());
        }
        assert_eq!(two.open(0, &late), Err(Dropped::Replayed));
        assert!(matches!(two.open(1, &late_elsewhere), Ok(Opened::Payload(..))));
    }

    #[test]
    fn a_second_key_is_valid_until_every_node_has_changed() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let keys =
            |first: &[u8], second: &[u8]| Suite::new(Cipher::Aes256, vec![first.to_vec(), second.to_vec()]);
        two.change_suite(keys(b"secret", b"rotated"));
        one.change_suite(keys(b"rotated", b"secret"));
        let (there, back) = (one.seal(TWO, 0, b"x"), two.seal(ONE, 0, b"y"));
        assert!(matches!(two.open(0, &there), Ok(Opened::Payload(..))));
        assert!(matches!(one.open(0, &back), Ok(Opened::Payload(..))));
    }

    #[test]
    fn a_key_that_was_given_up_opens_nothing_any_more() {
        let (mut one, mut two) = pair(Cipher::Aes256);
        acquaint(&mut one, &mut two);
        let suite =
            |keys: &[&[u8]]| Suite::new(Cipher::Aes256, keys.iter().map(|key| key.to_vec()).collect());
        for (first, second) in [(0, 1), (1, 0)] {
            // Node by node: both keys, then the new one first, then the new one alone.
            let stages =
                [suite(&[b"secret", b"rotated"]), suite(&[b"rotated", b"secret"]), suite(&[b"rotated"])];
            let mut nodes =
                [node(ONE, Cipher::Aes256, 1, b"secret"), node(TWO, Cipher::Aes256, 2, b"secret")];
            for stage in stages {
                for index in [first, second] {
                    let keys = Suite::new(Cipher::Aes256, stage.authkeys.clone());
                    nodes[index].change_suite(keys);
                    let [one, two] = &mut nodes;
                    acquaint(one, two);
                    let packet = one.seal(TWO, 0, b"x");
                    assert!(matches!(two.open(0, &packet), Ok(Opened::Payload(..))));
                }
            }
            let mut old = node(ONE, Cipher::Aes256, 1, b"secret");
            assert_eq!(nodes[1].open(0, &old.seal(TWO, 0, b"x")), Err(Dropped::Forged));
        }
    }
}
