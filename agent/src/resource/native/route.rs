//! On which interface an address belongs: where an interface already has the network, else where the routing table
//! says.

use crate::host::OwnAddress;
use std::net::IpAddr;

/// An interface and the bits of the network that the address is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The interface.
    pub(crate) interface: String,
    /// Bits of the network; zero where only the default route leads there.
    pub(crate) prefix: u8,
}

/// The interface whose own network has the address; the narrowest network wins.
pub(crate) fn by_network(address: IpAddr, own: &[OwnAddress]) -> Option<Place> {
    own.iter()
        .filter(|own| !own.is_loopback && own.address != address)
        .filter(|own| own.prefix > 0 && is_in(address, own.address, own.prefix))
        .max_by_key(|own| own.prefix)
        .map(|own| Place { interface: own.interface.clone(), prefix: own.prefix })
}

/// Where the kernel's routing table sends packets for the address; the narrowest route wins.
pub(crate) fn by_route(address: IpAddr) -> Option<Place> {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let routes = match address {
        IpAddr::V4(_) => read("/proc/net/route").lines().filter_map(v4_route).collect::<Vec<_>>(),
        IpAddr::V6(_) => read("/proc/net/ipv6_route").lines().filter_map(v6_route).collect(),
    };
    routes
        .into_iter()
        .filter(|(network, place)| is_in(address, *network, place.prefix))
        .max_by_key(|(_, place)| place.prefix)
        .map(|(_, place)| place)
}

/// Whether two addresses agree in their first bits.
pub(crate) fn is_in(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let differ = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => u128::from((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => return false,
    };
    differ >= u128::from(prefix)
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses in hexadecimal of the host's byte order.
fn v4_route(line: &str) -> Option<(IpAddr, Place)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok().map(u32::swap_bytes);
    let prefix = u8::try_from(number(7)?.count_ones()).ok()?;
    Some((IpAddr::V4(number(1)?.into()), Place { interface: fields[0].to_owned(), prefix }))
}

/// `destination prefix source prefix next-hop metric references use flags interface`, in hexadecimal.
fn v6_route(line: &str) -> Option<(IpAddr, Place)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let network = u128::from_str_radix(fields.first()?, 16).ok()?;
    let prefix = u8::from_str_radix(fields.get(1)?, 16).ok()?;
    let interface = fields.last().filter(|interface| **interface != "lo")?;
    Some((IpAddr::V6(network.into()), Place { interface: (*interface).to_owned(), prefix }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(interface: &str, address: &str, prefix: u8) -> OwnAddress {
        let address = address.parse().expect("an address");
        OwnAddress {
            address,
            prefix,
            interface: interface.into(),
            is_running: true,
            is_loopback: interface == "lo",
        }
    }

    #[test]
    fn the_narrowest_network_that_has_the_address_wins() {
        let addresses = [own("lo", "127.0.0.1", 8), own("eth0", "10.0.0.1", 8), own("eth1", "10.1.0.1", 24)];
        let place = by_network("10.1.0.9".parse().expect("an address"), &addresses);
        assert_eq!(place, Some(Place { interface: "eth1".into(), prefix: 24 }));
        assert_eq!(by_network("192.0.2.1".parse().expect("an address"), &addresses), None);
    }

    #[test]
    fn a_route_of_the_kernel_is_read() {
        let line = "eth0\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0";
        let expected =
            ("10.1.0.0".parse().expect("an address"), Place { interface: "eth0".into(), prefix: 24 });
        assert_eq!(v4_route(line), Some(expected));
        assert_eq!(v4_route("Iface\tDestination\tGateway\tFlags"), None);
    }
}
