//! The packets between nodes: one UDP socket for each link, bound to this node's own address on it, so that a link
//! that breaks takes no other with it. What comes in is opened and handed on; what goes out is sealed.

use crate::host::{self, OwnAddress};
use crate::log;
use crate::seal::{Dropped, Opened, Seal, Suite};
use muster_api::cluster::{Corosync, LinkOptions, NodeEntry};
use muster_api::id::NodeId;
use muster_core::unmerged::Mismatch;
use rustix::net::SendFlags;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Link 0's port; each further link has the next one (corosync.conf(5), `mcastport`).
const FIRST_PORT: u16 = 5405;
/// A packet is never larger: what is cut off fails to open.
const PACKET_MAX: usize = 2048;
/// Room for a burst of packets while the disk is slow.
const SOCKET_BUFFER: usize = 1024 * 1024;

/// All links of this node.
pub(crate) struct Peers {
    node: NodeId,
    seal: Seal,
    links: BTreeMap<u8, Link>,
    addresses: BTreeMap<(NodeId, u8), SocketAddr>,
    dropped: BTreeMap<&'static str, u64>,
}

/// One link.
struct Link {
    own: SocketAddr,
    socket: Option<UdpSocket>,
    /// The last complaint: it is not repeated each second.
    complaint: Option<String>,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A packet that was opened.
    Packet {
        /// Where it came in.
        link: u8,
        /// Who sealed it.
        from: NodeId,
        /// What it says.
        payload: Vec<u8>,
    },
    /// Something from the address of a node that is no packet of this cluster.
    Unreadable {
        /// Whose address it came from.
        from: NodeId,
        /// What is wrong with it.
        mismatch: Mismatch,
    },
}

/// Which entry of the nodelist is this host.
pub(crate) fn find_local(corosync: &Corosync, own: &[OwnAddress], host_name: &str) -> Result<NodeId, String> {
    let is_own = |address: &IpAddr| own.iter().any(|own| own.address == *address);
    let has_own = |node: &&NodeEntry| {
        node.addresses.values().filter_map(|name| host::resolve(name)).any(|ip| is_own(&ip))
    };
    let found: Vec<&NodeEntry> = corosync.nodes.iter().filter(has_own).collect();
    match found.as_slice() {
        [node] => Ok(node.id),
        [] => Err(format!(
            "no node of corosync.conf is this host ({host_name}): none of their ringX_addr is an address of an interface here; \
             host names must be in /etc/hosts, or write addresses"
        )),
        many => {
            let names: Vec<&str> = many.iter().map(|node| node.name.as_str()).collect();
            Err(format!(
                "{} of corosync.conf are all this host: their addresses must differ",
                names.join(" and ")
            ))
        }
    }
}

impl Peers {
    /// All links that the nodelist gives this node; none is bound yet.
    pub(crate) fn new(node: NodeId, corosync: &Corosync, seal: Seal) -> Self {
        let mut peers =
            Self { node, seal, links: BTreeMap::new(), addresses: BTreeMap::new(), dropped: BTreeMap::new() };
        peers.reconfigure(corosync);
        peers
    }

    /// Takes over another nodelist: links whose own address did not change stay bound.
    pub(crate) fn reconfigure(&mut self, corosync: &Corosync) {
        self.addresses = socket_addresses(corosync);
        let node = self.node;
        let own = self.addresses.iter().filter(|((id, _), _)| *id == node);
        let own: BTreeMap<u8, SocketAddr> = own.map(|((_, link), address)| (*link, *address)).collect();
        self.links.retain(|link, held| own.get(link) == Some(&held.own));
        for (link, own) in own {
            self.links.entry(link).or_insert(Link { own, socket: None, complaint: None });
        }
    }

    /// Takes other keys.
    pub(crate) fn change_suite(&mut self, suite: Suite) {
        self.seal.change_suite(suite);
    }

    /// Binds links whose address is there, gives up those whose address is gone, and tells which changed.
    pub(crate) fn rebind(&mut self) -> Vec<(u8, bool)> {
        let own = match host::own_addresses() {
            Ok(own) => own,
            Err(error) => {
                log::warning(format!("cannot list this host's addresses: {error}"));
                return Vec::new();
            }
        };
        let mut changed = Vec::new();
        for (number, link) in &mut self.links {
            let is_there = own.iter().any(|own| own.address == link.own.ip() && own.is_running);
            if is_there != link.socket.is_some() && link.rebind(*number, is_there) {
                changed.push((*number, is_there));
            }
        }
        changed
    }

    /// The links that wait for their address.
    pub(crate) fn unbound_links(&self) -> Vec<u8> {
        self.links.iter().filter(|(_, link)| link.socket.is_none()).map(|(number, _)| *number).collect()
    }

    /// The next packet that says something; greetings are answered on the way.
    pub(crate) async fn receive(&mut self) -> Arrived {
        let mut buffer = [0; PACKET_MAX];
        loop {
            let (link, length, from) = self.next_packet(&mut buffer).await;
            match self.seal.open(link, &buffer[..length]) {
                Ok(Opened::Payload(from, payload)) => return Arrived::Packet { link, from, payload },
                // To where it came from: the sender may have moved, and only it can open the answer.
                Ok(Opened::Greet(_, answer)) => self.send_raw(link, from, &answer),
                Ok(Opened::Nothing) => {}
                Err(reason) => {
                    self.count_dropped(reason, from);
                    if let Some(arrived) = self.mismatch(link, from, reason) {
                        return arrived;
                    }
                }
            }
        }
    }

    async fn next_packet(&self, buffer: &mut [u8]) -> (u8, usize, SocketAddr) {
        std::future::poll_fn(|context| {
            for (number, link) in &self.links {
                let Some(socket) = &link.socket else { continue };
                let mut room = ReadBuf::new(buffer);
                // An error is one of the network (RFC 1122): the next packet may well come through.
                while let Poll::Ready(result) = socket.poll_recv_from(context, &mut room) {
                    if let Ok(from) = result {
                        return Poll::Ready((*number, room.filled().len(), from));
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Seals and sends; what cannot be sent now is lost, as packets are.
    pub(crate) fn send(&mut self, link: u8, to: NodeId, payload: &[u8]) {
        if let Some(address) = self.addresses.get(&(to, link)).copied() {
            let packet = self.seal.seal(to, link, payload);
            self.send_raw(link, address, &packet);
        }
    }

    fn send_raw(&self, link: u8, to: SocketAddr, packet: &[u8]) {
        if let Some(socket) = self.links.get(&link).and_then(|link| link.socket.as_ref()) {
            // Not through the runtime: it takes a new socket for busy until it has looked at it once, and the first packets matter.
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = rustix::net::sendto(socket, packet, flags, &to);
        }
    }

    /// Whether it says something about a node of the cluster that it could not be read.
    fn mismatch(&self, link: u8, from: SocketAddr, reason: Dropped) -> Option<Arrived> {
        let mismatch = match reason {
            Dropped::Forged => Mismatch::Key,
            Dropped::OtherCluster => Mismatch::ClusterName,
            Dropped::Version(version) => Mismatch::Version(version),
            Dropped::Foreign | Dropped::Replayed => return None,
        };
        let mut nodes = self.addresses.iter();
        let ((id, _), _) =
            nodes.find(|((id, of), address)| *id != self.node && *of == link && **address == from)?;
        Some(Arrived::Unreadable { from: *id, mismatch })
    }

    /// Says it when it happens first, then at each tenfold: a wrong key is found, and a flood does not fill the log.
    fn count_dropped(&mut self, reason: Dropped, from: SocketAddr) {
        let what = match reason {
            Dropped::Foreign => "are not of this cluster's protocol or not for this node and link",
            Dropped::Forged => {
                "are not sealed with this cluster's key (same authkey and crypto_cipher on all nodes?)"
            }
            Dropped::OtherCluster => "are of a cluster of another name (same cluster_name on all nodes?)",
            Dropped::Version(_) => "are sealed in the format of another version of muster",
            // Duplicates of the network look the same.
            Dropped::Replayed => return,
        };
        let count = self.dropped.entry(what).or_default();
        *count += 1;
        if is_power_of_ten(*count) {
            log::warning(format!("{count} packets so far, the last one from {from}, {what}: dropped"));
        }
    }
}

impl Link {
    fn rebind(&mut self, number: u8, is_there: bool) -> bool {
        if !is_there {
            self.socket = None;
            log::warning(format!("link {number}: this node's address {} is gone", self.own.ip()));
            return true;
        }
        match bind(self.own) {
            Ok(socket) => {
                (self.socket, self.complaint) = (Some(socket), None);
                log::info(format!("link {number}: listening on {}", self.own));
                true
            }
            Err(error) => {
                let complaint = format!("link {number}: cannot listen on {}: {error}", self.own);
                if self.complaint.as_ref() != Some(&complaint) {
                    log::warning(&complaint);
                    self.complaint = Some(complaint);
                }
                false
            }
        }
    }
}

fn bind(own: SocketAddr) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address(own), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    // The kernel may give less; that costs only in a burst.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.bind(&own.into())?;
    UdpSocket::from_std(socket.into())
}

/// The address of every node on every link; names that /etc/hosts does not have are left out and said.
fn socket_addresses(corosync: &Corosync) -> BTreeMap<(NodeId, u8), SocketAddr> {
    let mut addresses = BTreeMap::new();
    for node in &corosync.nodes {
        for (link, name) in &node.addresses {
            match host::resolve(name) {
                Some(ip) => {
                    addresses.insert((node.id, *link), SocketAddr::new(ip, port(corosync, *link)));
                }
                None => log::warning(format!(
                    "link {link} of {}: `{name}` is no address and not in /etc/hosts; this link is not used",
                    node.name
                )),
            }
        }
    }
    addresses
}

fn port(corosync: &Corosync, link: u8) -> u16 {
    let configured = corosync.totem.links.get(&link).and_then(|options: &LinkOptions| options.port);
    configured.unwrap_or(FIRST_PORT + u16::from(link))
}

fn is_power_of_ten(mut count: u64) -> bool {
    while count >= 10 && count.is_multiple_of(10) {
        count /= 10;
    }
    count == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::corosync_conf;

    const CONF: &str = "totem {\n version: 2\n cluster_name: web\n crypto_cipher: aes256\n crypto_hash: sha256\n}\n\
        nodelist {\n node {\n ring0_addr: 10.0.0.1\n ring1_addr: 10.1.0.1\n name: web1\n nodeid: 1\n }\n \
        node {\n ring0_addr: 10.0.0.2\n ring1_addr: 10.1.0.2\n name: web2\n nodeid: 2\n }\n}\n\
        quorum {\n provider: corosync_votequorum\n two_node: 1\n}\n";

    fn own(address: &str) -> OwnAddress {
        OwnAddress {
            address: address.parse().expect("an address"),
            prefix: 24,
            interface: "eth0".into(),
            is_running: true,
            is_loopback: false,
        }
    }

    #[test]
    fn this_host_is_the_node_that_has_one_of_its_addresses() {
        let corosync = corosync_conf::parse(CONF).expect("it is well formed");
        assert_eq!(find_local(&corosync, &[own("10.1.0.2")], "web2"), Ok(NodeId(2)));
    }

    #[test]
    fn a_host_that_is_no_node_or_two_of_them_is_told_so() {
        let corosync = corosync_conf::parse(CONF).expect("it is well formed");
        assert!(find_local(&corosync, &[own("192.0.2.1")], "mail").expect_err("it is none").contains("mail"));
        let both = [own("10.0.0.1"), own("10.0.0.2")];
        assert!(find_local(&corosync, &both, "web1").expect_err("it is two").contains("web1 and web2"));
    }

    #[test]
    fn each_link_has_the_next_port() {
        let corosync = corosync_conf::parse(CONF).expect("it is well formed");
        let addresses = socket_addresses(&corosync);
        assert_eq!(addresses[&(NodeId(2), 1)].to_string(), "10.1.0.2:5406");
    }

    #[test]
    fn a_flood_is_said_at_every_tenfold() {
        let said: Vec<u64> = (1..=1000).filter(|count| is_power_of_ten(*count)).collect();
        assert_eq!(said, [1, 10, 100, 1000]);
    }
}
