//! Findings in corosync.conf and the key of the cluster's packets. The file is read by its outline: also one that is meant for
//! corosync itself, with words that muster's agent refuses. Source: corosync.conf(5), votequorum(5).

use super::draft::{Content, Draft, DraftFile, Drafts, FileOf};
use super::{Finding, with_file};
use crate::source::Span;
use muster_api::corosync_conf::verdict::{CODE, Verdict};
use muster_api::corosync_conf::{self, Outline, link_of};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Shorter than a second, a loaded machine or a busy network counts as dead.
const TOKEN_SANE_MS: u64 = 1000;

/// One corosync.conf, and who would get it.
struct Conf<'d> {
    host: &'d str,
    path: &'d str,
    place: &'d Span,
    text: &'d str,
    outline: Outline,
    nodes: Vec<Node>,
}

/// One node of a node list.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: Option<String>,
    id: Option<String>,
    pub(super) addresses: BTreeMap<u8, String>,
    line: usize,
}

impl Node {
    fn shown(&self) -> String {
        let address = || self.addresses.values().next().cloned();
        self.name.clone().or_else(address).unwrap_or_else(|| format!("the node of line {}", self.line))
    }
}

impl Conf<'_> {
    fn finding(&self, code: &'static str, title: String, next: &str) -> Finding {
        Finding::new(code, title, next).on(self.host).at(self.place)
    }

    fn finding_at(&self, line: usize, code: &'static str, title: String, next: &str) -> Finding {
        self.finding(code, title, next).note(format!("{}:{line}", self.path))
    }

    fn option<'s>(&'s self, section: &'s str, key: &str) -> Option<(&'s str, usize)> {
        let sections: Vec<&Outline> = self.outline.named(section).collect();
        let entry = sections.iter().rev().find_map(|section| section.get(key))?;
        Some((entry.value.as_str(), entry.line))
    }
}

/// The nodes of a node list.
pub(super) fn nodes(outline: &Outline) -> Vec<Node> {
    let sections = outline.named("nodelist").flat_map(|list| list.named("node"));
    let node = |section: &Outline| {
        let value = |key: &str| section.get(key).map(|entry| entry.value.clone());
        let address = |entry: &corosync_conf::OutlineEntry| Some((link_of(&entry.key)?, entry.value.clone()));
        Node {
            name: value("name"),
            id: value("nodeid"),
            addresses: section.entries.iter().filter_map(address).collect(),
            line: section.line,
        }
    };
    sections.map(node).collect()
}

/// The outline of a file whose text is known.
pub(super) fn outline(file: &DraftFile) -> Option<Outline> {
    match &file.content {
        Content::Whole(text) => corosync_conf::outline(text).ok(),
        _ => None,
    }
}

/// Contradictions in what was rendered so far.
pub(super) fn findings(drafts: &Drafts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut confs = Vec::new();
    for (host, path, file) in with_file(drafts, FileOf::Configuration) {
        let Content::Whole(text) = &file.content else { continue };
        match corosync_conf::outline(text) {
            Ok(outline) => {
                let nodes = nodes(&outline);
                confs.push(Conf { host, path, place: &file.place, text, outline, nodes });
            }
            Err(mistake) => found.push(unreadable(host, path, &file.place, &mistake.to_string())),
        }
    }
    for conf in &confs {
        let of_this = of_one(conf, drafts);
        let is_explained = of_this.iter().any(|finding| finding.severity() == super::Severity::Error);
        found.extend(of_this);
        found.extend(refused_by_agent(conf, drafts).filter(|_| !is_explained));
    }
    for (host, draft) in drafts.hosts() {
        let is_error = |finding: &Finding| finding.severity() == super::Severity::Error;
        let is_explained = found.iter().any(|finding| is_error(finding) && finding.is_of(host));
        let verdict = draft.verdict.as_ref().filter(|_| !is_explained);
        found.extend(verdict.and_then(|(verdict, place)| refused_by_corosync(host, verdict, place)));
    }
    found.extend(differences(&confs));
    found.extend(too_few_nodes(&confs));
    found.extend(different_keys(drafts));
    found
}

/// What is only known to be missing when all was walked.
pub(super) fn missing(drafts: &Drafts) -> Option<Finding> {
    let with_conf = with_file(drafts, FileOf::Configuration);
    let keys = with_file(drafts, FileOf::Key);
    let (_, path, file) = keys.first()?;
    let without = with_conf.iter().filter(|(host, ..)| keys.iter().all(|(with, ..)| with != host));
    let without: Vec<&str> = without.map(|(host, ..)| *host).collect();
    if without.is_empty() {
        return None;
    }
    let title = format!("{} would get no `{path}`, which other nodes get", without.join(", "));
    let mut finding =
        Finding::new("MU117", title, "let the task that writes the key run on every node").at(&file.place);
    finding.hosts = without.into_iter().map(str::to_owned).collect();
    Some(finding)
}

fn unreadable(host: &str, path: &str, place: &Span, mistake: &str) -> Finding {
    let title = format!("`{path}` would not be a corosync.conf: {mistake}");
    Finding::new("MU114", title, "mend the template").on(host).at(place)
}

fn of_one(conf: &Conf<'_>, drafts: &Drafts) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(same_addresses(conf));
    found.extend(same_ids(conf));
    found.extend(same_names(conf));
    found.extend(links(conf));
    found.extend(loopback(conf));
    found.extend(quorum(conf));
    found.extend(token(conf));
    found.extend(itself(conf, drafts));
    found
}

/// MU101: an address says which node a packet is for; two nodes, or two links, cannot share one.
fn same_addresses(conf: &Conf<'_>) -> Vec<Finding> {
    let mut owners: BTreeMap<&str, Vec<(&Node, u8)>> = BTreeMap::new();
    for node in &conf.nodes {
        for (link, address) in &node.addresses {
            owners.entry(address).or_default().push((node, *link));
        }
    }
    let shared = owners.into_iter().filter(|(_, owners)| owners.len() > 1);
    let finding = |(address, owners): (&str, Vec<(&Node, u8)>)| {
        let each = owners.iter().map(|(node, link)| format!("{} (link {link})", node.shown()));
        let title = format!("{} have the same address {address}", each.collect::<Vec<_>>().join(" and "));
        let next = "give each node its own: the usual cause is a variable of the wrong host, as in a task with `run_once`";
        conf.finding_at(owners[1].0.line, "MU101", title, next)
    };
    shared.map(finding).collect()
}

/// MU102
fn same_ids(conf: &Conf<'_>) -> Vec<Finding> {
    let twice = twice(conf, |node| node.id.clone());
    let finding = |(id, names, line): (String, String, usize)| {
        let next = "number the nodes 1, 2, 3, …, and never give a number to another node";
        conf.finding_at(line, "MU102", format!("{names} have the same nodeid {id}"), next)
    };
    twice.into_iter().map(finding).collect()
}

/// MU115
fn same_names(conf: &Conf<'_>) -> Vec<Finding> {
    let twice = twice(conf, |node| node.name.clone());
    let finding = |(name, _, line): (String, String, usize)| {
        let next = "give each node the name that it calls itself (`uname -n`)";
        conf.finding_at(line, "MU115", format!("two nodes are named `{name}`"), next)
    };
    twice.into_iter().map(finding).collect()
}

/// What several nodes have: it, their names, and the line of the second.
fn twice(conf: &Conf<'_>, of: impl Fn(&Node) -> Option<String>) -> Vec<(String, String, usize)> {
    let mut owners: BTreeMap<String, Vec<&Node>> = BTreeMap::new();
    for node in &conf.nodes {
        if let Some(what) = of(node) {
            owners.entry(what).or_default().push(node);
        }
    }
    let shared = owners.into_iter().filter(|(_, owners)| owners.len() > 1);
    let names = |owners: &[&Node]| owners.iter().map(|node| node.shown()).collect::<Vec<_>>().join(" and ");
    shared.map(|(what, owners)| (what, names(&owners), owners[1].line)).collect()
}

/// MU103 and MU112: each link connects all nodes, and links count from 0.
fn links(conf: &Conf<'_>) -> Option<Finding> {
    let rings = |node: &Node| node.addresses.keys().copied().collect::<Vec<u8>>();
    let first = conf.nodes.first()?;
    if let Some(other) = conf.nodes.iter().find(|node| rings(node) != rings(first)) {
        let shown = |node: &Node| {
            let links: Vec<String> = rings(node).iter().map(ToString::to_string).collect();
            format!(
                "{} has {}",
                node.shown(),
                if links.is_empty() { "none".to_owned() } else { links.join(", ") }
            )
        };
        let title = format!("the nodes differ in their links: {}, {}", shown(first), shown(other));
        let next = "give every node an address on every link: `ring0_addr`, `ring1_addr`, … for each host";
        return Some(conf.finding_at(other.line, "MU103", title, next));
    }
    if rings(first).is_empty() || rings(first).contains(&0) {
        return None;
    }
    let title = "no node has an address on link 0".to_owned();
    Some(conf.finding_at(
        first.line,
        "MU112",
        title,
        "number the links from 0: `ring0_addr`, then `ring1_addr`, …",
    ))
}

/// MU116
fn loopback(conf: &Conf<'_>) -> Vec<Finding> {
    let is_loopback = |address: &str| {
        address == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let mut found = Vec::new();
    for node in &conf.nodes {
        for (link, address) in node.addresses.iter().filter(|(_, address)| is_loopback(address)) {
            let title = format!("{} has the loopback address {address} on link {link}", node.shown());
            let next = "write an address that the other nodes reach";
            found.push(conf.finding_at(node.line, "MU116", title, next));
        }
    }
    found
}

/// MU107 and MU108
fn quorum(conf: &Conf<'_>) -> Option<Finding> {
    if conf.outline.named("quorum").all(|section| section.get("provider").is_none()) {
        let title = "there is no quorum section with a provider: two halves of the cluster would both go on"
            .to_owned();
        let next = "write `quorum {`, `provider: corosync_votequorum`, `}`";
        return Some(conf.finding("MU107", title, next));
    }
    let (value, line) = conf.option("quorum", "two_node")?;
    let is_on = matches!(value, "1" | "yes" | "on" | "true");
    if !is_on || conf.nodes.len() == 2 {
        return None;
    }
    let title = format!("`two_node` is on in a cluster of {}", conf.nodes.len());
    let next = "leave it out: it makes one vote enough, which only two nodes with fencing can live with";
    Some(conf.finding_at(line, "MU108", title, next))
}

/// MU113
fn token(conf: &Conf<'_>) -> Option<Finding> {
    let (value, line) = conf.option("totem", "token")?;
    let token: u64 = value.parse().ok()?;
    if token >= TOKEN_SANE_MS {
        return None;
    }
    let title = format!("the token is {token} ms: a node that is only busy counts as dead and is fenced");
    Some(conf.finding_at(line, "MU113", title, "write 3000, or leave it out; less than 1000 is for tests"))
}

/// MU110 and MU111: whether the host finds itself in the list, and the list's addresses on itself. Without facts of the host
/// nothing is known of either.
fn itself(conf: &Conf<'_>, drafts: &Drafts) -> Option<Finding> {
    let draft = drafts.hosts().find(|(host, _)| *host == conf.host).map(|(_, draft)| draft)?;
    let facts = draft.facts.as_ref()?;
    let is_named = |node: &&Node| {
        node.name.as_deref().is_some_and(|name| name == conf.host || facts.names.contains(name))
    };
    let has = |address: &String| address.parse::<IpAddr>().is_err() || facts.addresses.contains(address);
    let Some(own) = conf.nodes.iter().find(is_named) else {
        if conf
            .nodes
            .iter()
            .any(|node| node.addresses.values().any(|address| facts.addresses.contains(address)))
        {
            return None;
        }
        let title = format!("{} is not in the node list, neither by its name nor by an address", conf.host);
        let next = "add it to the group that the node list is made of, or leave it out of the play";
        return Some(conf.finding("MU110", title, next));
    };
    let (link, address) = own.addresses.iter().find(|(_, address)| !has(address))?;
    let title = format!("{address}, link {link} of {}, is not an address of that host", own.shown());
    let known = facts.addresses.iter().cloned().collect::<Vec<_>>().join(", ");
    let next = format!("correct `ring{link}_addr` of the host, or configure the address first");
    Some(conf.finding_at(own.line, "MU111", title, &next).note(format!("it has {known}")))
}

/// MU114, for hosts that get muster's agent: words that it refuses.
fn refused_by_agent<'a>(conf: &'a Conf<'_>, drafts: &'a Drafts) -> impl Iterator<Item = Finding> {
    let runs_agent = |draft: &Draft| draft.services.contains_key("musterd");
    let gets_agent = drafts.hosts().any(|(host, draft)| host == conf.host && runs_agent(draft));
    let mistake = gets_agent.then(|| corosync_conf::parse(conf.text).err()).flatten();
    mistake.map(|mistake| unreadable(conf.host, conf.path, conf.place, &mistake.to_string())).into_iter()
}

/// MU118: what corosync itself says where it was asked.
pub(crate) fn refused_by_corosync(host: &str, verdict: &Verdict, place: &Span) -> Option<Finding> {
    let title = format!("corosync refuses `{}`: {}", verdict.path, verdict.refused.as_ref()?);
    let next = "mend what the file is made of: corosync would not start with it";
    Some(Finding::new(CODE, title, next).on(host).at(place))
}

/// MU104 and MU106: all nodes of a cluster read the same file.
fn differences(confs: &[Conf<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for cluster in clusters(confs) {
        let first = cluster[0];
        let Some(other) = cluster.iter().find(|conf| conf.text != first.text) else { continue };
        let name = |conf: &Conf<'_>| conf.option("totem", "cluster_name").map(|(name, _)| name.to_owned());
        let (code, title, next) = if name(first) == name(other) {
            let line = first_difference(first.text, other.text);
            let title = format!(
                "`{}` would differ between {} and {}, in line {line}",
                first.path, first.host, other.host
            );
            (
                "MU104",
                title,
                "write it from what is the same on all hosts: groups and `hostvars`, not the host's own variables",
            )
        } else {
            let shown = |conf: &Conf<'_>| name(conf).unwrap_or_else(|| "none".to_owned());
            let title = format!(
                "the cluster's name would be `{}` on {} and `{}` on {}",
                shown(first),
                first.host,
                shown(other),
                other.host
            );
            ("MU106", title, "set the name once, for the group of the cluster's nodes")
        };
        let mut finding = Finding::new(code, title, next).at(first.place);
        finding.hosts = cluster.iter().map(|conf| conf.host.to_owned()).collect();
        found.push(finding);
    }
    found
}

/// The files of hosts that are nodes of the same cluster: those whose node lists share a name or an address. A play may write those
/// of several clusters.
fn clusters<'c, 'd>(confs: &'c [Conf<'d>]) -> Vec<Vec<&'c Conf<'d>>> {
    let marks = |conf: &Conf<'_>| -> BTreeSet<String> {
        let of_node =
            |node: &Node| node.addresses.values().cloned().chain(node.name.clone()).collect::<Vec<_>>();
        conf.nodes.iter().flat_map(of_node).collect()
    };
    let mut clusters: Vec<(BTreeSet<String>, Vec<&Conf<'d>>)> = Vec::new();
    for conf in confs {
        let own = marks(conf);
        match clusters.iter_mut().find(|(known, _)| !known.is_disjoint(&own)) {
            Some((known, members)) => {
                known.extend(own);
                members.push(conf);
            }
            None => clusters.push((own, vec![conf])),
        }
    }
    clusters.into_iter().map(|(_, members)| members).collect()
}

fn first_difference(one: &str, other: &str) -> usize {
    let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
    same + 1
}

/// MU110, where no host said anything of itself: more hosts get the list than it has nodes.
fn too_few_nodes(confs: &[Conf<'_>]) -> Option<Finding> {
    let cluster = clusters(confs).into_iter().find(|cluster| cluster.len() > cluster[0].nodes.len())?;
    let first = cluster[0];
    let in_list = |host: &str| {
        cluster.iter().any(|conf| conf.nodes.iter().any(|node| node.name.as_deref() == Some(host)))
    };
    let left_out: Vec<&str> = cluster.iter().map(|conf| conf.host).filter(|host| !in_list(host)).collect();
    let who = if left_out.is_empty() { "one of them".to_owned() } else { left_out.join(", ") };
    let title =
        format!("{} hosts get a list of {} nodes: {who} is not in it", cluster.len(), first.nodes.len());
    let next = "add it to the group that the node list is made of, or leave it out of the play";
    let mut finding = Finding::new("MU110", title, next).at(first.place);
    finding.hosts = left_out.into_iter().map(str::to_owned).collect();
    if finding.hosts.is_empty() {
        finding.hosts = cluster.iter().map(|conf| conf.host.to_owned()).collect();
    }
    Some(finding)
}

/// MU105: keys are compared by their digests, and neither is shown.
fn different_keys(drafts: &Drafts) -> Option<Finding> {
    let keys = with_file(drafts, FileOf::Key);
    let (host, path, first) = keys.first()?;
    let of_same_path = |key: &&(&str, &str, &DraftFile)| key.1 == *path;
    let (other, ..) = keys.iter().filter(of_same_path).find(|(.., file)| file.content != first.content)?;
    let title =
        format!("`{path}` would differ between {host} and {other}: they could not read each other's packets");
    let next = "make the key once and copy the same one to every node; a lookup with the host's name in it makes one each";
    let mut finding = Finding::new("MU105", title, next).at(&first.place);
    finding.hosts = keys.iter().filter(of_same_path).map(|(host, ..)| (*host).to_owned()).collect();
    Some(finding)
}
