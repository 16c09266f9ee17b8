//! Chooses subnets for a lab that collide with nothing that this machine can reach.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{LabError, Result};
use super::tool::Tool;

/// A /24 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Subnet([u8; 3]);

impl Subnet {
    pub(crate) const PREFIX_LENGTH: u8 = 24;

    pub(crate) fn host(self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.0;
        Ipv4Addr::new(a, b, c, last)
    }

    /// The host's own address on the bridge.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        self.host(1)
    }

    fn overlaps(self, taken: &Range) -> bool {
        taken.first <= u32::from(self.host(255)) && u32::from(self.host(0)) <= taken.last
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host(0), Self::PREFIX_LENGTH)
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let address = text.strip_suffix("/24").and_then(|address| address.parse::<Ipv4Addr>().ok());
        let Some([a, b, c, 0]) = address.map(|address| address.octets()) else {
            return Err(format!("`{text}` is not a /24 network"));
        };
        Ok(Self([a, b, c]))
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

/// Addresses in use, first to last.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    first: u32,
    last: u32,
}

/// Finds `count` subnets that overlap none of this machine's addresses and routes, nor those in `reserved`.
pub(crate) fn choose(count: usize, reserved: &[Subnet]) -> Result<Vec<Subnet>> {
    let routes = Tool::new("ip").args(["-4", "-json", "route", "show", "table", "all"]).run()?;
    let addresses = Tool::new("ip").args(["-4", "-json", "address"]).run()?;
    let taken: Vec<Range> =
        ranges_of_routes(&routes).into_iter().chain(ranges_of_addresses(&addresses)).collect();
    let free = candidates().filter(|subnet| !reserved.contains(subnet));
    let chosen: Vec<Subnet> =
        free.filter(|subnet| !taken.iter().any(|range| subnet.overlaps(range))).take(count).collect();
    if chosen.len() == count { Ok(chosen) } else { Err(LabError::NoFreeNetwork) }
}

/// Private networks that are seldom used by others, in the order of preference.
fn candidates() -> impl Iterator<Item = Subnet> {
    [[10, 77], [172, 29], [192, 168]].into_iter().flat_map(|[a, b]| (0..=255).map(move |c| Subnet([a, b, c])))
}

fn ranges_of_routes(json: &str) -> Vec<Range> {
    let routes = parse(json);
    routes.iter().filter_map(|route| range(route.get("dst")?.as_str()?)).collect()
}

fn ranges_of_addresses(json: &str) -> Vec<Range> {
    let interfaces = parse(json);
    let infos = interfaces.iter().filter_map(|interface| interface.get("addr_info")?.as_array()).flatten();
    infos.filter_map(|info| range(&format!("{}/{}", info["local"].as_str()?, info["prefixlen"]))).collect()
}

fn parse(json: &str) -> Vec<serde_json::Value> {
    serde_json::from_str(json).unwrap_or_default()
}

/// `10.0.0.0/8` or `10.1.2.3`. The default route overlaps everything and counts as nothing.
fn range(text: &str) -> Option<Range> {
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let hosts = u32::MAX.checked_shr(length.parse().ok()?).unwrap_or(0);
    (hosts != u32::MAX).then_some(Range { first: address & !hosts, last: address | hosts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_to_a_larger_network_takes_every_subnet_inside_it() {
        let vpn = range("10.0.0.0/8").unwrap();
        assert!(Subnet([10, 77, 0]).overlaps(&vpn));
        assert!(!Subnet([172, 29, 0]).overlaps(&vpn));
    }

    #[test]
    fn a_single_address_takes_its_subnet_and_no_neighbour() {
        let taken = range("10.77.1.9").unwrap();
        assert!(Subnet([10, 77, 1]).overlaps(&taken));
        assert!(!Subnet([10, 77, 2]).overlaps(&taken));
    }

    #[test]
    fn the_default_route_takes_nothing() {
        assert_eq!(range("0.0.0.0/0"), None);
        assert_eq!(ranges_of_routes(r#"[{"dst":"default","gateway":"192.0.2.1"}]"#), []);
    }

    #[test]
    fn addresses_count_with_their_whole_network() {
        let json = r#"[{"ifname":"eth0","addr_info":[{"local":"10.77.0.5","prefixlen":24}]}]"#;
        assert_eq!(ranges_of_addresses(json), [range("10.77.0.0/24").unwrap()]);
    }
}
