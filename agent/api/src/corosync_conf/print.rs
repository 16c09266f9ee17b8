//! corosync.conf as text: only what differs from the defaults, in the order of corosync.conf(5).

use crate::cluster::{Cipher, Corosync, LinkMode, LinkOptions, NodeEntry, QuorumOptions, Totem};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub(super) fn corosync(corosync: &Corosync) -> String {
    let nodes: String = corosync.nodes.iter().map(|entry| indent(&node(entry))).collect();
    [totem(&corosync.totem), format!("nodelist {{\n{nodes}}}\n"), quorum(&corosync.quorum)].join("\n")
}

fn totem(totem: &Totem) -> String {
    let cipher = match totem.cipher {
        Cipher::None => ["crypto_cipher: none", "crypto_hash: none"],
        Cipher::Aes128 => ["crypto_cipher: aes128", "crypto_hash: sha256"],
        Cipher::Aes256 => ["crypto_cipher: aes256", "crypto_hash: sha256"],
    };
    let mut lines = alloc::vec!["version: 2".to_string()];
    option(&mut lines, "cluster_name", Some(&totem.cluster_name).filter(|name| !name.is_empty()));
    option(&mut lines, "config_version", Some(totem.config_version).filter(|version| *version > 0));
    lines.push("transport: knet".into());
    lines.extend(cipher.map(String::from));
    option(&mut lines, "keyfile", totem.keyfile.as_ref());
    lines.push(format!("token: {}", totem.token_ms));
    lines.push(format!("token_coefficient: {}", totem.token_coefficient_ms));
    option(&mut lines, "consensus", totem.consensus_ms);
    lines.push(format!("link_mode: {}", link_mode(totem.link_mode)));
    let links: String = totem.links.iter().map(|(number, options)| indent(&link(*number, options))).collect();
    format!("totem {{\n{}{links}}}\n", indent(&joined(&lines)))
}

fn link_mode(mode: LinkMode) -> &'static str {
    match mode {
        LinkMode::Passive => "passive",
        LinkMode::Active => "active",
        LinkMode::Rr => "rr",
    }
}

fn link(number: u8, options: &LinkOptions) -> String {
    let mut lines = alloc::vec![format!("linknumber: {number}")];
    option(&mut lines, "mcastport", options.port);
    lines.push(format!("knet_link_priority: {}", options.priority));
    option(&mut lines, "knet_ping_interval", options.ping_interval_ms);
    option(&mut lines, "knet_ping_timeout", options.ping_timeout_ms);
    option(&mut lines, "knet_pong_count", options.pong_count);
    section("interface", &lines)
}

fn node(node: &NodeEntry) -> String {
    let mut lines: Vec<String> =
        node.addresses.iter().map(|(link, address)| format!("ring{link}_addr: {address}")).collect();
    lines.push(format!("name: {}", node.name));
    lines.push(format!("nodeid: {}", node.id));
    option(&mut lines, "quorum_votes", Some(node.votes).filter(|votes| *votes != 1));
    section("node", &lines)
}

fn quorum(quorum: &QuorumOptions) -> String {
    let mut lines = alloc::vec!["provider: corosync_votequorum".to_string()];
    // `quorum_votes: 1` of a node is left out above, so the old `votes` must not stand here.
    option(&mut lines, "expected_votes", quorum.expected_votes);
    flag(&mut lines, "two_node", quorum.two_node, false);
    flag(&mut lines, "wait_for_all", quorum.wait_for_all, quorum.two_node);
    flag(&mut lines, "auto_tie_breaker", quorum.auto_tie_breaker, false);
    option(&mut lines, "auto_tie_breaker_node", quorum.auto_tie_breaker_node.as_ref());
    flag(&mut lines, "last_man_standing", quorum.last_man_standing, false);
    option(&mut lines, "last_man_standing_window", quorum.last_man_standing_window_ms);
    flag(&mut lines, "allow_downscale", quorum.allow_downscale, false);
    flag(&mut lines, "expected_votes_tracking", quorum.expected_votes_tracking, quorum.allow_downscale);
    if let Some(device) = &quorum.device {
        let [votes, timeout] =
            [format!("votes: {}", device.votes), format!("timeout: {}", device.timeout_ms)];
        lines
            .push(section("device", &["model: external".to_string(), votes, timeout]).trim_end().to_string());
    }
    section("quorum", &lines)
}

fn flag(lines: &mut Vec<String>, key: &str, value: bool, default: bool) {
    if value != default {
        lines.push(format!("{key}: {}", u8::from(value)));
    }
}

fn option<T: ToString>(lines: &mut Vec<String>, key: &str, value: Option<T>) {
    lines.extend(value.map(|value| format!("{key}: {}", value.to_string())));
}

fn section(name: &str, lines: &[String]) -> String {
    format!("{name} {{\n{}}}\n", indent(&joined(lines)))
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
