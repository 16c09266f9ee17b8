//! Findings in what a cluster stands on: open ports, and clocks that agree.

use super::configuration::{nodes, outline};
use super::draft::{Content, Draft, Drafts, FileOf};
use super::{Finding, with_file};
use muster_api::corosync_conf::Outline;
use std::collections::BTreeSet;

/// Link 0; each further link has the next port.
const FIRST_PORT: u16 = 5405;
const QNETD_PORT: u16 = 5403;
const TIME_SERVICES: [&str; 7] =
    ["chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd", "systemd-timesyncd"];
const TIME_WORDS: [&str; 3] = ["server ", "pool ", "peer "];

/// MU131: a time service that is told no source.
pub(super) fn findings(drafts: &Drafts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (host, path, file) in with_file(drafts, FileOf::Time) {
        let Content::Whole(text) = &file.content else { continue };
        let names = |line: &str| {
            TIME_WORDS
                .iter()
                .chain(&["refclock ", "sourcedir ", "include ", "confdir "])
                .any(|word| line.starts_with(word))
        };
        if text.lines().map(str::trim_start).any(names) {
            continue;
        }
        let title = format!("`{path}` would name no time source");
        let next = "write a `server` or a `pool`, the same for all nodes";
        found.push(Finding::new("MU131", title, next).on(host).at(&file.place));
    }
    found
}

/// What is only known to be missing when all was walked.
pub(super) fn missing(drafts: &Drafts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (host, draft) in drafts.hosts() {
        let conf = draft.file(FileOf::Configuration);
        if let Some((outline, place)) = conf.and_then(|(_, file)| Some((outline(file)?, &file.place))) {
            found.extend(closed_ports(host, draft, &outline));
            found.extend(no_time(draft).map(|finding| finding.on(host).at(place)));
        }
        found.extend(closed_to_qdevices(host, draft));
    }
    found
}

/// MU120: where the tasks open ports at all, those of the cluster must be among them.
fn closed_ports(host: &str, draft: &Draft, outline: &Outline) -> Option<Finding> {
    let firewall = draft.firewall.as_ref()?;
    let closed: Vec<String> = ports(outline)
        .into_iter()
        .filter(|port| !is_open(draft, *port, "udp"))
        .map(|port| format!("{port}/udp"))
        .collect();
    if closed.is_empty() {
        return None;
    }
    let title = format!("the firewall would not let {} through, which the nodes talk on", closed.join(", "));
    let next = format!("open it in the task that opens ports: `{}`", closed.join("`, `"));
    Some(Finding::new("MU120", title, &next).on(host).at(firewall))
}

/// MU121
fn closed_to_qdevices(host: &str, draft: &Draft) -> Option<Finding> {
    let firewall = draft.firewall.as_ref()?;
    let is_qnetd = draft.packages.contains("corosync-qnetd")
        || draft.services.get("corosync-qnetd").is_some_and(|service| service.runs == Some(true));
    if !is_qnetd || is_open(draft, QNETD_PORT, "tcp") {
        return None;
    }
    let title = format!("the firewall would not let {QNETD_PORT}/tcp through to the quorum device server");
    let next = format!(
        "open `{QNETD_PORT}/tcp` on that host: without it the device never votes, and nothing says why"
    );
    Some(Finding::new("MU121", title, &next).on(host).at(firewall))
}

/// MU130
fn no_time(draft: &Draft) -> Option<Finding> {
    let known: Vec<_> =
        draft.services.iter().filter(|(name, _)| TIME_SERVICES.contains(&name.as_str())).collect();
    let next = "enable and start one: `service: {name: chronyd, enabled: true, state: started}`";
    if known.is_empty() {
        let title = "nothing keeps the clock: no task runs a time service".to_owned();
        return Some(Finding::new("MU130", title, next));
    }
    let is_on = |runs: Option<bool>, enabled: Option<bool>| runs != Some(false) && enabled != Some(false);
    let stays = known.iter().any(|(_, service)| is_on(service.runs, service.is_enabled));
    if stays {
        return None;
    }
    let (name, service) = known[0];
    let title = format!("the time service `{name}` would be stopped or not enabled");
    Some(Finding::new("MU130", title, next).at(&service.place))
}

/// The UDP ports of all links.
fn ports(outline: &Outline) -> BTreeSet<u16> {
    let links: BTreeSet<u8> =
        nodes(outline).iter().flat_map(|node| node.addresses.keys().copied().collect::<Vec<_>>()).collect();
    let interfaces = || outline.named("totem").flat_map(|totem| totem.named("interface"));
    let of_link = |interface: &Outline, link: u8| {
        interface.get("linknumber").map_or("0", |entry| entry.value.as_str()) == link.to_string()
    };
    let port = |link: u8| {
        let own =
            interfaces().filter(|interface| of_link(interface, link)).find_map(|one| one.get("mcastport"));
        own.and_then(|entry| entry.value.parse().ok()).unwrap_or(FIRST_PORT + u16::from(link))
    };
    links.into_iter().map(port).collect()
}

fn is_open(draft: &Draft, port: u16, protocol: &str) -> bool {
    draft.open_ports.keys().any(|spec| {
        let (ports, of) = spec.split_once('/').unwrap_or((spec, "tcp"));
        let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
        let within = |from: u16, to: u16| (from..=to).contains(&port);
        let is_in =
            from.trim().parse().ok().zip(to.trim().parse().ok()).is_some_and(|(from, to)| within(from, to));
        is_in && (of == protocol || of == "any")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::corosync_conf::outline as read;

    #[test]
    fn each_link_has_its_port_unless_its_interface_says_another() {
        let text = "totem {\n interface {\n linknumber: 1\n mcastport: 6000\n }\n}\nnodelist {\n node {\n ring0_addr: a\n ring1_addr: b\n ring2_addr: c\n }\n}\n";
        let outline = read(text).expect("it is one");
        assert_eq!(ports(&outline), BTreeSet::from([5405, 5407, 6000]));
    }
}
