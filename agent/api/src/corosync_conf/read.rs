//! What the options of corosync.conf mean, and which of them do not go together.

use super::ConfError;
use super::options::link_of;
use super::text::{Entry, Place, Section};
use super::votes;
use crate::cluster::{Cipher, Corosync, LinkMode, LinkOptions, NodeEntry, Totem};
use crate::id::{NodeId, NodeName};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Shorter than this a loaded machine is lost for nothing (corosync.conf(5) wants 30 ms between retransmits).
const TOKEN_MIN_MS: u64 = 200;

pub(super) fn corosync(file: &Section) -> Result<Corosync, ConfError> {
    let totem_section = only(file, "totem")?;
    let nodelist = only(file, "nodelist")?;
    let totem = totem(totem_section)?;
    let default_votes = match only_or_none(file, "quorum")? {
        Some(quorum) => number_or(quorum, "votes", 1)?,
        None => 1,
    };
    let nodes = nodes(nodelist, default_votes)?;
    check_ip_version(totem_section, &nodes)?;
    check_links(totem_section, &totem, &nodes)?;
    let quorum = match only_or_none(file, "quorum")? {
        Some(section) => votes::quorum(section, &nodes)?,
        None => {
            return Err(file.place.error_with_hint(
                "section `quorum` is missing: without it two halves of a cluster would both go on",
                "write `quorum {`, `provider: corosync_votequorum`, `}`",
            ));
        }
    };
    Ok(Corosync { totem, nodes, quorum })
}

fn only<'a>(file: &'a Section, name: &'a str) -> Result<&'a Section, ConfError> {
    only_or_none(file, name)?
        .ok_or_else(|| Place { line: 1, column: 1 }.error(format!("section `{name}` is missing")))
}

pub(super) fn only_or_none<'a>(file: &'a Section, name: &'a str) -> Result<Option<&'a Section>, ConfError> {
    let mut all = file.named(name);
    let first = all.next();
    match all.next() {
        Some(second) => {
            Err(second.place.error(format!("section `{name}` is written twice: expected it once")))
        }
        None => Ok(first),
    }
}

fn totem(section: &Section) -> Result<Totem, ConfError> {
    expect_word(section, "version", &["2"])?;
    expect_word(section, "block_unlisted_ips", &["yes"])?;
    if let Some(transport) = section.get("transport").filter(|transport| transport.value != "knet") {
        let value = &transport.value;
        return Err(match value.as_str() {
            "udp" | "udpu" => transport.value_place.error(format!(
                "transport `{value}` is refused: it has neither encryption nor more than one link; expected `knet`"
            )),
            _ => wrong(transport, "`knet`"),
        });
    }
    let token_ms = number_or(section, "token", 3000)?;
    let token_coefficient_ms = number_or(section, "token_coefficient", 650)?;
    if token_ms < TOKEN_MIN_MS {
        let place = section.get("token").map_or(section.place, |entry| entry.value_place);
        return Err(place.error(format!("`token` is {token_ms} ms: expected at least {TOKEN_MIN_MS} ms")));
    }
    Ok(Totem {
        cluster_name: section.get("cluster_name").map(|entry| entry.value.clone()).unwrap_or_default(),
        config_version: number_or(section, "config_version", 0)?,
        token_ms,
        token_coefficient_ms,
        consensus_ms: number(section, "consensus")?,
        cipher: cipher(section)?,
        keyfile: section.get("keyfile").map(|entry| entry.value.clone()),
        link_mode: link_mode(section)?,
        links: links(section)?,
    })
}

fn cipher(section: &Section) -> Result<Cipher, ConfError> {
    let secauth = boolean(section, "secauth")?;
    let hash = section.get("crypto_hash");
    if let Some(hash) = hash {
        one_of(hash, &["none", "md5", "sha1", "sha256", "sha384", "sha512"])?;
    }
    let Some(cipher) = section.get("crypto_cipher") else {
        return match secauth {
            Some(true) => Ok(Cipher::Aes256),
            Some(false) => Ok(Cipher::None),
            None => Err(section.place.error_with_hint(
                "`crypto_cipher` is missing in `totem`: packets without encryption must be asked for",
                "write `crypto_cipher: aes256` (or `none`, where the network is trusted)",
            )),
        };
    };
    let is_hashed = hash.is_some_and(|hash| hash.value != "none");
    match (cipher.value.as_str(), hash) {
        ("aes256" | "aes128", Some(hash)) if hash.value == "none" => {
            Err(hash.value_place.error("`crypto_hash: none` does not go with a cipher: expected `sha256`"))
        }
        ("aes256", _) => Ok(Cipher::Aes256),
        ("aes128", _) => Ok(Cipher::Aes128),
        ("none", _) if is_hashed => Err(cipher.value_place.error_with_hint(
            "`crypto_cipher: none` with a `crypto_hash` is refused: muster has authentication only together with encryption",
            "write `crypto_cipher: aes128`, or `crypto_hash: none` as well",
        )),
        ("none", _) => Ok(Cipher::None),
        ("aes192", _) => Err(cipher
            .value_place
            .error("`aes192` is refused: muster seals packets with AES-GCM of 128 or 256 bits; expected `aes256`, `aes128` or `none`")),
        _ => Err(wrong(cipher, "`aes256`, `aes128` or `none`")),
    }
}

fn link_mode(section: &Section) -> Result<LinkMode, ConfError> {
    match section.get("link_mode") {
        None => Ok(LinkMode::Passive),
        Some(entry) => match entry.value.as_str() {
            "passive" => Ok(LinkMode::Passive),
            "active" => Ok(LinkMode::Active),
            "rr" => Ok(LinkMode::Rr),
            _ => Err(wrong(entry, "`passive`, `active` or `rr`")),
        },
    }
}

fn links(totem: &Section) -> Result<BTreeMap<u8, LinkOptions>, ConfError> {
    let mut links = BTreeMap::new();
    for section in totem.named("interface") {
        let link = number_or(section, "linknumber", 0)?;
        expect_word(section, "knet_transport", &["udp"])?;
        let options = LinkOptions {
            port: number(section, "mcastport")?,
            priority: number_or(section, "knet_link_priority", 1)?,
            ping_interval_ms: positive(section, "knet_ping_interval")?,
            ping_timeout_ms: positive(section, "knet_ping_timeout")?,
            pong_count: positive(section, "knet_pong_count")?,
        };
        let place = section.get("linknumber").map_or(section.place, |entry| entry.value_place);
        if link >= super::options::LINKS_MAX {
            return Err(place.error(format!("link {link} is too high: expected 0 to 7")));
        }
        if links.insert(link, options).is_some() {
            return Err(place.error(format!("link {link} has two `interface` sections: expected one")));
        }
    }
    Ok(links)
}

fn nodes(nodelist: &Section, default_votes: u32) -> Result<Vec<NodeEntry>, ConfError> {
    let mut nodes: Vec<NodeEntry> = Vec::new();
    for section in nodelist.named("node") {
        let entry = node(section, default_votes)?;
        let place = |key: &str| section.get(key).map_or(section.place, |entry| entry.value_place);
        if let Some(other) = nodes.iter().find(|other| other.id == entry.id) {
            let message =
                format!("`nodeid` {} is that of `{}` already: expected a unique one", entry.id, other.name);
            return Err(place("nodeid").error(message));
        }
        if nodes.iter().any(|other| other.name == entry.name) {
            return Err(
                place("name").error(format!("two nodes are named `{}`: expected unique names", entry.name))
            );
        }
        check_same_links(section, &entry, nodes.first())?;
        check_unique_addresses(section, &entry, &nodes)?;
        nodes.push(entry);
    }
    if nodes.is_empty() {
        return Err(nodelist.place.error("`nodelist` has no `node` section: expected one for each node"));
    }
    nodes.sort_by_key(|entry| entry.id);
    Ok(nodes)
}

fn node(section: &Section, default_votes: u32) -> Result<NodeEntry, ConfError> {
    let Some(id_entry) = section.get("nodeid") else {
        return Err(section.place.error_with_hint(
            "`nodeid` is missing in this `node`: knet needs it",
            "number the nodes 1, 2, 3, … and never change a number",
        ));
    };
    let id: u32 = parse_number(id_entry)?;
    if id == 0 {
        return Err(id_entry.value_place.error("`nodeid` 0 is reserved: expected 1 or higher"));
    }
    let addresses: BTreeMap<u8, String> = section
        .entries
        .iter()
        .filter_map(|entry| Some((link_of(&entry.key)?, entry.value.clone())))
        .collect();
    let is_broken =
        |entry: &&Entry| link_of(&entry.key).is_some() && entry.value.contains(char::is_whitespace);
    if let Some(entry) = section.entries.iter().find(is_broken) {
        return Err(entry.value_place.error(format!(
            "`{}` cannot be `{}`: expected an address or a host name",
            entry.key, entry.value
        )));
    }
    if !addresses.contains_key(&0) {
        return Err(section
            .place
            .error("`ring0_addr` is missing in this `node`: every node needs an address on link 0"));
    }
    Ok(NodeEntry {
        id: NodeId(id),
        name: name(section, &addresses)?,
        votes: number_or(section, "quorum_votes", default_votes)?,
        addresses,
    })
}

/// The name; where it is not written, the host name in `ring0_addr`.
fn name(section: &Section, addresses: &BTreeMap<u8, String>) -> Result<NodeName, ConfError> {
    match (section.get("name"), addresses.get(&0)) {
        (Some(name), _) if name.value.contains(char::is_whitespace) => Err(wrong(name, "a host name")),
        (Some(name), _) => Ok(NodeName(name.value.clone())),
        (None, Some(address)) if !is_literal(address) => Ok(NodeName(address.clone())),
        (None, _) => Err(section.place.error_with_hint(
            "`name` is missing in this `node`, and `ring0_addr` is not a host name that could stand for it",
            "write `name:` with the host's name",
        )),
    }
}

fn check_same_links(section: &Section, node: &NodeEntry, first: Option<&NodeEntry>) -> Result<(), ConfError> {
    let Some(first) = first else { return Ok(()) };
    let rings = |node: &NodeEntry| {
        node.addresses.keys().map(|link| format!("ring{link}_addr")).collect::<Vec<_>>().join(", ")
    };
    if rings(node) == rings(first) {
        return Ok(());
    }
    Err(section.place.error(format!(
        "node `{}` has {}, node `{}` has {}: expected the same links on every node",
        node.name,
        rings(node),
        first.name,
        rings(first)
    )))
}

fn check_unique_addresses(
    section: &Section,
    node: &NodeEntry,
    others: &[NodeEntry],
) -> Result<(), ConfError> {
    for (link, address) in &node.addresses {
        let Some(other) = others.iter().find(|other| other.addresses.get(link) == Some(address)) else {
            continue;
        };
        let key = format!("ring{link}_addr");
        let place = section.get(&key).map_or(section.place, |entry| entry.value_place);
        return Err(place.error(format!("`{key}` {address} is that of node `{}` already", other.name)));
    }
    Ok(())
}

/// Names are resolved by the system's own order, so that `ip_version` can only be honoured where there are none.
fn check_ip_version(totem: &Section, nodes: &[NodeEntry]) -> Result<(), ConfError> {
    let Some(entry) = totem.get("ip_version") else { return Ok(()) };
    one_of(entry, &["ipv4", "ipv6", "ipv4-6", "ipv6-4"])?;
    match nodes.iter().flat_map(|node| node.addresses.values()).find(|address| !is_literal(address)) {
        None => Ok(()),
        Some(name) => Err(entry.key_place.error_with_hint(
            format!("`ip_version` is refused together with host names: `{name}` is resolved in the system's own order"),
            "write addresses instead of names in `nodelist`, or leave `ip_version` out",
        )),
    }
}

fn check_links(section: &Section, totem: &Totem, nodes: &[NodeEntry]) -> Result<(), ConfError> {
    let Some(first) = nodes.first() else { return Ok(()) };
    let extra = totem.links.keys().find(|link| !first.addresses.contains_key(link));
    match extra {
        None => Ok(()),
        Some(link) => Err(section
            .named("interface")
            .find_map(|interface| interface.get("linknumber").filter(|entry| entry.value == link.to_string()))
            .map_or(section.place, |entry| entry.value_place)
            .error(format!("link {link} has an `interface` but no node has a `ring{link}_addr`"))),
    }
}

fn is_literal(address: &str) -> bool {
    address.parse::<core::net::IpAddr>().is_ok()
}

pub(super) fn wrong(entry: &Entry, expected: &str) -> ConfError {
    entry.value_place.error(format!("`{}` cannot be `{}`: expected {expected}", entry.key, entry.value))
}

fn one_of(entry: &Entry, words: &[&str]) -> Result<(), ConfError> {
    if words.contains(&entry.value.as_str()) {
        return Ok(());
    }
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let error = wrong(entry, &quoted.join(" or "));
    Err(match crate::nearest::nearest(&entry.value, words.iter().copied()) {
        Some(nearest) if words.len() > 1 => {
            ConfError { hint: Some(format!("did you mean `{nearest}`?")), ..error }
        }
        _ => error,
    })
}

pub(super) fn expect_word(section: &Section, key: &str, words: &[&str]) -> Result<(), ConfError> {
    section.get(key).map_or(Ok(()), |entry| one_of(entry, words))
}

pub(super) fn boolean(section: &Section, key: &str) -> Result<Option<bool>, ConfError> {
    let Some(entry) = section.get(key) else { return Ok(None) };
    match entry.value.as_str() {
        "1" | "yes" | "on" | "true" => Ok(Some(true)),
        "0" | "no" | "off" | "false" => Ok(Some(false)),
        _ => Err(wrong(entry, "`1` or `0`")),
    }
}

fn parse_number<T: TryFrom<u64>>(entry: &Entry) -> Result<T, ConfError> {
    let number = entry.value.parse::<u64>().map_err(|_| wrong(entry, "a whole number"))?;
    T::try_from(number).map_err(|_| entry.value_place.error(format!("`{}` {number} is too large", entry.key)))
}

pub(super) fn number<T: TryFrom<u64>>(section: &Section, key: &str) -> Result<Option<T>, ConfError> {
    section.get(key).map(parse_number).transpose()
}

pub(super) fn number_or<T: TryFrom<u64>>(section: &Section, key: &str, default: T) -> Result<T, ConfError> {
    Ok(number(section, key)?.unwrap_or(default))
}

pub(super) fn positive<T: TryFrom<u64> + PartialEq + From<u8>>(
    section: &Section,
    key: &str,
) -> Result<Option<T>, ConfError> {
    let number = number::<T>(section, key)?;
    match section.get(key).filter(|_| number == Some(T::from(0))) {
        Some(entry) => Err(wrong(entry, "1 or more")),
        None => Ok(number),
    }
}

#[cfg(test)]
mod used {
    #[test]
    fn every_address_form_is_told_from_a_name() {
        assert!(super::is_literal("10.0.0.1") && super::is_literal("fd00::1") && !super::is_literal("n1"));
    }
}
