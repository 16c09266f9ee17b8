//! Tells the neighbours that an address is here now: gratuitous ARP (RFC 5227, section 3) and unsolicited neighbour
//! advertisements (RFC 4861, section 7.2.6).

use crate::host;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_ARP: u16 = 0x0806;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Sends one announcement; an interface without link-layer addresses needs none.
pub(crate) fn announce(address: IpAddr, interface: &str) -> io::Result<()> {
    let Some(link) = host::link_address(interface)? else { return Ok(()) };
    let Some(own) = link.addr().filter(|own| *own != [0; 6]) else { return Ok(()) };
    match address {
        IpAddr::V4(address) => announce_v4(address, &link, own),
        IpAddr::V6(address) => announce_v6(address, u32::try_from(link.ifindex()).unwrap_or(0), own),
    }
}

/// As a request and as a reply: some systems heed only the one, some only the other.
fn announce_v4(address: Ipv4Addr, link: &LinkAddr, own: [u8; 6]) -> io::Result<()> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    for operation in [ARP_REQUEST, ARP_REPLY] {
        sendto(socket.as_raw_fd(), &arp_frame(address, own, operation), link, MsgFlags::empty())?;
    }
    Ok(())
}

fn arp_frame(address: Ipv4Addr, own: [u8; 6], operation: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend_from_slice(&BROADCAST);
    frame.extend_from_slice(&own);
    frame.extend_from_slice(&ETHERTYPE_ARP.to_be_bytes());
    // Ethernet and IPv4, with addresses of 6 and 4 bytes.
    frame.extend_from_slice(&[0, 1, 8, 0, 6, 4]);
    frame.extend_from_slice(&operation.to_be_bytes());
    frame.extend_from_slice(&own);
    frame.extend_from_slice(&address.octets());
    frame.extend_from_slice(if operation == ARP_REPLY { &own } else { &[0; 6] });
    frame.extend_from_slice(&address.octets());
    frame
}

fn announce_v6(address: Ipv6Addr, interface: u32, own: [u8; 6]) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    // Neighbours drop what may have come through a router: the hop limit must be untouched.
    socket.set_multicast_hops_v6(255)?;
    socket.set_multicast_if_v6(interface)?;
    let to = SockAddr::from(SocketAddrV6::new(ALL_NODES, 0, 0, interface));
    socket.send_to(&advertisement(address, own), &to)?;
    Ok(())
}

/// Type, code, checksum (the kernel fills it in), flags (override), target, and the target's link-layer address.
fn advertisement(address: Ipv6Addr, own: [u8; 6]) -> Vec<u8> {
    let mut message = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend_from_slice(&address.octets());
    message.extend_from_slice(&[2, 1]);
    message.extend_from_slice(&own);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gratuitous_arp_names_the_address_as_sender_and_as_target() {
        let frame = arp_frame(Ipv4Addr::new(10, 0, 0, 9), [2, 0, 0, 0, 0, 1], ARP_REQUEST);
        let mut expected = vec![0xff; 6];
        expected.extend_from_slice(&[2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        expected.extend_from_slice(&[2, 0, 0, 0, 0, 1, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9]);
        assert_eq!(frame, expected);
    }

    #[test]
    fn an_advertisement_overrides_and_carries_the_link_layer_address() {
        let message = advertisement("fd00::9".parse().expect("an address"), [2, 0, 0, 0, 0, 1]);
        assert_eq!(message.len(), 32);
        assert_eq!((message[0], message[4]), (136, 0x20));
        assert_eq!(message[24..], [2, 1, 2, 0, 0, 0, 0, 1]);
    }
}
