//! What the operating system says about this host: its own addresses and interfaces, changes of them as they
//! happen, and names from /etc/hosts. Nothing here asks libc's name service: a static glibc must not.

use futures_util::StreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, SockaddrStorage};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use std::io;
use std::net::IpAddr;
use tokio::sync::watch;

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnAddress {
    /// The address.
    pub(crate) address: IpAddr,
    /// Bits of its network.
    pub(crate) prefix: u8,
    /// The interface's name.
    pub(crate) interface: String,
    /// The interface is up and has a carrier.
    pub(crate) is_running: bool,
    /// The interface is the loopback one.
    pub(crate) is_loopback: bool,
}

/// All addresses of this host.
pub(crate) fn own_addresses() -> io::Result<Vec<OwnAddress>> {
    let entries = getifaddrs()?;
    Ok(entries
        .filter_map(|entry| {
            let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
            Some(OwnAddress {
                address: ip_of(entry.address.as_ref()?)?,
                prefix: entry.netmask.as_ref().and_then(ip_of).map_or(0, prefix_of),
                is_running: entry.flags.contains(running),
                is_loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                interface: entry.interface_name,
            })
        })
        .collect())
}

/// The link-layer address of an interface, with its index; `None` where it has none.
pub(crate) fn link_address(interface: &str) -> io::Result<Option<LinkAddr>> {
    let mut entries = getifaddrs()?.filter(|entry| entry.interface_name == interface);
    Ok(entries.find_map(|entry| entry.address?.as_link_addr().copied()))
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn prefix_of(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    };
    u8::try_from(ones).unwrap_or(0)
}

/// Reports each change of addresses and interfaces as the kernel tells of it: the value counts the changes.
///
/// Must be called on the runtime that shall do the listening.
pub(crate) fn watch_addresses() -> io::Result<watch::Receiver<u64>> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (connection, handle, mut messages) = new_multicast_connection(&groups)?;
    let (changes, receiver) = watch::channel(0);
    tokio::spawn(connection);
    tokio::spawn(async move {
        // Dropping the handle would end the connection.
        let _handle = handle;
        while let Some((message, _)) = messages.next().await {
            if is_change(&message.payload) {
                changes.send_modify(|count| *count += 1);
            }
        }
    });
    Ok(receiver)
}

fn is_change(payload: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    use RouteNetlinkMessage::{DelAddress, DelLink, NewAddress, NewLink};
    let NetlinkPayload::InnerMessage(message) = payload else {
        // An overrun: something was lost, and it may have been a change.
        return true;
    };
    matches!(message, NewAddress(_) | DelAddress(_) | NewLink(_) | DelLink(_))
}

/// An address as written: a literal, or a name that /etc/hosts has.
pub(crate) fn resolve(name: &str) -> Option<IpAddr> {
    let literal = name.parse().ok();
    literal.or_else(|| lookup(&std::fs::read_to_string("/etc/hosts").unwrap_or_default(), name))
}

fn lookup(hosts: &str, name: &str) -> Option<IpAddr> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    })
}

/// The name of this host as the kernel has it.
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_the_hosts_file_and_a_comment_is_not() {
        let hosts = "127.0.0.1 localhost\n10.0.0.1\tweb1 web1.example # web9\n::1 localhost\n";
        assert_eq!(lookup(hosts, "WEB1.example"), Some("10.0.0.1".parse().expect("an address")));
        assert_eq!(lookup(hosts, "web9"), None);
    }

    #[test]
    fn a_literal_is_itself() {
        assert_eq!(resolve("fd00::1"), Some("fd00::1".parse().expect("an address")));
    }

    #[test]
    fn a_mask_has_as_many_bits_as_ones() {
        assert_eq!(prefix_of("255.255.252.0".parse().expect("a mask")), 22);
    }
}
