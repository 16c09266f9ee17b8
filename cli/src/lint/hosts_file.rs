//! Findings in the hosts file: a node whose name is on a loopback address finds nobody, and is found by nobody.

use super::configuration::{nodes, outline};
use super::draft::{Content, Drafts, FileOf};
use super::{Finding, with_file};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// MU109: of hosts that get a hosts file, the names of nodes on loopback addresses.
pub(super) fn findings(drafts: &Drafts) -> Vec<Finding> {
    let names = node_names(drafts);
    let mut found = Vec::new();
    for (host, path, file) in with_file(drafts, FileOf::Hosts) {
        let lines: Vec<&str> = match &file.content {
            Content::Whole(text) => text.lines().collect(),
            Content::Lines(lines) => lines.iter().map(String::as_str).collect(),
            Content::Sealed(_) => continue,
        };
        for (number, line) in lines.iter().enumerate() {
            let Some((address, name)) = on_loopback(line, &names) else { continue };
            let title = format!("the node name `{name}` would be on the loopback address {address}");
            let next = "write the node's own address, and take the name from the loopback line";
            let mut finding = Finding::new("MU109", title, next).on(host).at(&file.place);
            finding.notes = match file.content {
                Content::Whole(_) => vec![format!("{path}:{}", number + 1)],
                _ => vec![format!("in {path}: `{}`", line.trim())],
            };
            found.push(finding);
        }
    }
    found
}

/// The names in all node lists.
fn node_names(drafts: &Drafts) -> BTreeSet<String> {
    let files = with_file(drafts, FileOf::Configuration);
    let outlines = files.iter().filter_map(|(.., file)| outline(file));
    outlines.flat_map(|outline| nodes(&outline)).filter_map(|node| node.name).collect()
}

fn on_loopback<'l>(line: &'l str, names: &BTreeSet<String>) -> Option<(&'l str, &'l str)> {
    let entry = line.split('#').next().unwrap_or_default();
    let mut words = entry.split_whitespace();
    let address = words.next()?;
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let name = words.find(|name| is_loopback && names.contains(*name))?;
    Some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_name_on_a_loopback_address_counts() {
        let names = BTreeSet::from(["n1".to_owned()]);
        assert_eq!(on_loopback("127.0.1.1 n1.example.org n1", &names), Some(("127.0.1.1", "n1")));
        assert_eq!(on_loopback("::1 n1", &names), Some(("::1", "n1")));
        assert_eq!(on_loopback("127.0.0.1 localhost # n1", &names), None);
        assert_eq!(on_loopback("192.0.2.1 n1", &names), None);
    }
}
