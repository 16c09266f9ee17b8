//! The lab's networks on the host: a bridge for each link, and the way out for the nodes.
//!
//! Everything here can be applied again at any time; it makes only what is missing.

use std::fs;
use std::path::Path;

use super::Lab;
use super::error::{LabError, Result};
use super::name::Label;
use super::state::LabState;
use super::subnet::Subnet;
use super::tool::Tool;

const INTERFACES: &str = "/sys/class/net";

/// Makes the bridges and the firewall table of a lab.
pub(crate) fn ensure(lab: &Lab) -> Result<()> {
    for (link, subnet) in lab.state.links.iter().enumerate() {
        let bridge = lab.label.bridge(link);
        if !exists(&bridge) {
            add_bridge(&bridge, *subnet, lab.state.mtu)?;
        }
    }
    Tool::new("nft").args(["-f", "-"]).input(ruleset(&lab.label, &lab.state)).run().map(drop)
}

/// Removes everything whose name says that it belongs to this lab.
pub(crate) fn remove(lab: &Label) -> Result<()> {
    remove_interfaces(&interfaces_of(lab))?;
    let tables = Tool::new("nft").args(["list", "tables"]).run()?;
    let ours = |line: &&str| line.split(' ').nth(2) == Some(lab.firewall_table().as_str());
    let doomed: String = tables.lines().filter(ours).map(|line| format!("delete {line}\n")).collect();
    if doomed.is_empty() { Ok(()) } else { Tool::new("nft").args(["-f", "-"]).input(doomed).run().map(drop) }
}

/// Pulls cables: when this returns, nothing that was behind them can send any more.
pub(crate) fn remove_interfaces(names: &[String]) -> Result<()> {
    let there: Vec<&String> = names.iter().filter(|name| exists(name)).collect();
    if there.is_empty() {
        return Ok(());
    }
    let commands: String = there.iter().map(|name| format!("link del {name}\n")).collect();
    // The kernel removes the cables of a dead node by itself; it may be faster.
    let result = Tool::new("ip").args(["-force", "-batch", "-"]).input(commands).run();
    if there.iter().any(|name| exists(name)) { result.map(drop) } else { Ok(()) }
}

/// Plugs the host's end of a cable into a bridge.
pub(crate) fn plug(cable: &str, bridge: &str, mtu: u32) -> Result<()> {
    let command = format!("link set dev {cable} mtu {mtu} master {bridge} up\n");
    Tool::new("ip").args(["-batch", "-"]).input(command).run().map(drop)
}

pub(crate) fn exists(interface: &str) -> bool {
    Path::new(INTERFACES).join(interface).exists()
}

/// The network interfaces of the lab that are on the host now.
pub(crate) fn interfaces_of(lab: &Label) -> Vec<String> {
    let entries = fs::read_dir(INTERFACES).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(&lab.interface_prefix())).collect()
}

/// The largest packet for which there is room on this machine's way to the outside.
pub(crate) fn outside_mtu() -> Result<u32> {
    const USUAL: u32 = 1500;
    let routes = Tool::new("ip").args(["-4", "-json", "route", "show", "default"]).run()?;
    let routes: serde_json::Value = serde_json::from_str(&routes).unwrap_or_default();
    let Some(device) = routes[0]["dev"].as_str() else { return Ok(USUAL) };
    let path = Path::new(INTERFACES).join(device).join("mtu");
    let text = fs::read_to_string(&path).map_err(LabError::io("read", &path))?;
    Ok(text.trim().parse().unwrap_or(USUAL).min(USUAL))
}

fn add_bridge(bridge: &str, subnet: Subnet, mtu: u32) -> Result<()> {
    // A bridge without a fixed address takes that of a port, and with the port it changes under its users.
    let [a, b, c, d] = subnet.gateway().octets();
    let address = format!("02:6d:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
    let gateway = subnet.gateway();
    let length = Subnet::PREFIX_LENGTH;
    let commands = format!(
        "link add name {bridge} address {address} mtu {mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
         address add {gateway}/{length} dev {bridge}\n\
         link set dev {bridge} up\n"
    );
    Tool::new("ip").args(["-batch", "-"]).input(commands).run().map(drop)
}

/// Lets nodes out with the host's address, and nobody in.
fn ruleset(label: &Label, lab: &LabState) -> String {
    let table = label.firewall_table();
    let ours = format!("\"{}*\"", label.interface_prefix());
    let subnet = lab.first_link();
    let between_links = between_links(label, lab.links.len());
    format!(
        "table ip {table}\n\
         delete table ip {table}\n\
         table ip {table} {{\n\
         \x20 chain outward {{\n\
         \x20   type nat hook postrouting priority 100; policy accept;\n\
         \x20   ip saddr {subnet} oifname != {ours} masquerade\n\
         \x20 }}\n\
         \x20 chain through {{\n\
         \x20   type filter hook forward priority 0; policy accept;\n\
         {between_links}\
         \x20   iifname != {ours} oifname {ours} ct state established,related accept\n\
         \x20   iifname != {ours} oifname {ours} drop\n\
         \x20 }}\n\
         }}\n"
    )
}

/// The host is no detour from one link to another: a cut of one link would be none.
fn between_links(label: &Label, links: usize) -> String {
    let bridges: Vec<String> = (0..links).map(|link| label.bridge(link)).collect();
    let pairs = bridges.iter().flat_map(|from| bridges.iter().map(move |to| (from, to)));
    let rule = |(from, to): (&String, &String)| format!("    iifname \"{from}\" oifname \"{to}\" drop\n");
    pairs.filter(|(from, to)| from != to).map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{test_lab, test_label};

    #[test]
    fn nodes_get_out_and_strangers_do_not_get_in() {
        let rules = ruleset(&test_label(), &test_lab(2, 1));
        assert!(rules.contains(r#"ip saddr 10.77.0.0/24 oifname != "mltest-*" masquerade"#), "{rules}");
        assert!(rules.contains(r#"iifname != "mltest-*" oifname "mltest-*" drop"#), "{rules}");
    }

    #[test]
    fn the_host_routes_nothing_between_two_links_of_a_lab() {
        let drops = between_links(&test_label(), 2);
        assert_eq!(
            drops,
            "    iifname \"mltest-b0\" oifname \"mltest-b1\" drop\n    iifname \"mltest-b1\" oifname \"mltest-b0\" drop\n"
        );
        assert_eq!(between_links(&test_label(), 1), "");
    }
}
