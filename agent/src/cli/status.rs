//! `musterd status`: what a person needs at three in the morning, the worst first.

use super::Output;
use super::answer::{Failure, ask, print, print_json};
use super::moment::{ago, utc};
use super::paint::{Paint, Tone, wrap};
use crate::worker::{Away, due_handlers};
use muster_api::control::{Request, Response};
use muster_api::fencing::{FencingRecord, FencingState};
use muster_api::id::NodeName;
use muster_api::status::{ClusterStatus, Fact, FailureStatus, NodeStatus, ResourceState, ResourceStatus};
use muster_api::step::Due;
use std::fmt::Write;
use std::path::Path;

/// Past fencings that are shown; all of them are in the JSON.
const FENCINGS_SHOWN: usize = 5;

/// What is said of a node on which the note of a rolling change lies.
const AWAY: &str = "this node is down for a rolling change: one that is under way, or one that broke off; the same run again brings it back";

/// Asks and prints.
pub(super) fn show(socket: &Path, output: Output) -> Result<(), Failure> {
    let Response::Status { mut status } = ask(socket, &Request::Status)? else {
        return Err(Failure::Unexpected);
    };
    status.alarms.extend(due_handlers().iter().map(left_due));
    status.alarms.extend(Away::noted().map(|_| AWAY.to_owned()));
    match output {
        Output::Json => print_json(&status),
        Output::Text => {
            print(&render(&status, Paint::for_stdout()));
            Ok(())
        }
    }
}

/// What a run that broke off has left on this node.
fn left_due(due: &Due) -> String {
    let handlers: Vec<String> = due.handlers.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "due on this node since a run that broke off: {} (play `{}`); the next run of that play sees to it",
        handlers.join(", "),
        due.play
    )
}

/// The whole page.
fn render(status: &ClusterStatus, paint: Paint) -> String {
    let mut page = String::new();
    let _ = writeln!(
        page,
        "{}, seen by {} (musterd {}, protocol {})",
        paint.tone(Tone::Head, &status.cluster_name),
        status.node,
        status.version,
        status.protocol
    );
    for alarm in &status.alarms {
        page += &wrap(&format!("{} ", paint.tone(Tone::Bad, "!")), 2, alarm);
    }
    page += "\n";
    page += &quorum(status, paint);
    page += &nodes(status, paint);
    page += &resources(status, paint);
    page += &failures(status, paint);
    page += &fencing(status, paint);
    page
}

fn quorum(status: &ClusterStatus, paint: Paint) -> String {
    let quorum = &status.quorum;
    let word = match quorum.is_quorate {
        true => paint.tone(Tone::Good, "yes"),
        false => paint.tone(Tone::Bad, "NO"),
    };
    let flags =
        if quorum.flags.is_empty() { String::new() } else { format!(" ({})", quorum.flags.join(", ")) };
    let (present, expected, needed) = (quorum.votes_present, quorum.votes_expected, quorum.votes_needed);
    let mut text = format!(
        "{}    {word}: {present} of {expected} votes, {needed} needed{flags}\n",
        paint.tone(Tone::Head, "Quorum")
    );
    if let Some(why) = &quorum.why {
        text += &wrap("          ", 10, why);
    }
    let head = paint.tone(Tone::Head, "View");
    match &status.view {
        Some(view) => {
            let members: Vec<&str> = view.members.iter().map(|member| member.as_str()).collect();
            let busy = if status.busy { "; a transition is under way" } else { "" };
            let sentence =
                format!("{}: {}; coordinator {}{busy}", view.epoch, members.join(" "), view.coordinator);
            text += &wrap(&format!("{head}      "), 10, &sentence);
            if let Some(why) = &view.why_not_primary {
                text += &wrap("          ", 10, &format!("not primary: {why}"));
            }
        }
        None => {
            text +=
                &format!("{head}      {}\n", paint.tone(Tone::Bad, "none: this node is looking for others"))
        }
    }
    text
}

fn nodes(status: &ClusterStatus, paint: Paint) -> String {
    let mut text = format!("\n{}\n", paint.tone(Tone::Head, "Nodes"));
    let width = widest(status.nodes.iter().map(|node| node.name.as_str()));
    for node in &status.nodes {
        let _ = write!(text, "  {:width$}  {}", node.name.as_str(), fact(node, paint));
        for (set, word) in [(node.standby, "standby"), (node.maintenance, "maintenance")] {
            if set {
                let _ = write!(text, ", {}", paint.tone(Tone::Warning, word));
            }
        }
        if node.name == status.node {
            text += &paint.tone(Tone::Faint, ", this node");
        }
        text.push('\n');
        for link in &node.links {
            let state = match (link.is_up, link.rtt_us) {
                (true, Some(rtt)) => format!("up, {}.{:02} ms", rtt / 1000, rtt % 1000 / 10),
                (true, None) => "up".to_owned(),
                (false, _) => paint.tone(Tone::Bad, "DOWN"),
            };
            let _ = writeln!(text, "  {:width$}    link {} to {}: {state}", "", link.link, link.address);
        }
    }
    text
}

fn fact(node: &NodeStatus, paint: Paint) -> String {
    match node.fact {
        Fact::Member => paint.tone(Tone::Good, "member"),
        Fact::Leaving => paint.tone(Tone::Warning, "leaving"),
        Fact::Left => "left cleanly".to_owned(),
        Fact::NeverSeen => paint.tone(Tone::Warning, "not seen since the cluster started"),
        Fact::Lost => paint.tone(Tone::Bad, "LOST: not known to be off"),
        Fact::Fenced => paint.tone(Tone::Warning, "off (fenced)"),
    }
}

fn resources(status: &ClusterStatus, paint: Paint) -> String {
    let mut text = format!("\n{}\n", paint.tone(Tone::Head, "Resources"));
    if status.resources.is_empty() {
        text += "  none are configured\n";
    }
    let width = widest(status.resources.iter().map(|resource| resource.id.as_str())) + 2;
    for resource in &status.resources {
        text += &resource_lines(resource, width, paint);
    }
    text
}

fn resource_lines(resource: &ResourceStatus, width: usize, paint: Paint) -> String {
    let indent = if resource.group.is_some() { 4 } else { 2 };
    let place = |node: &NodeName| {
        let role = if resource.promoted.contains(node) { " (promoted)" } else { "" };
        format!("{node}{role}")
    };
    let places: Vec<String> = resource.nodes.iter().map(place).collect();
    let place = if places.is_empty() { String::new() } else { format!(" on {}", places.join(" and ")) };
    let mut line = format!(
        "{:indent$}{:fill$}  {}{place}",
        "",
        resource.id.as_str(),
        state(resource.state, paint),
        fill = width + 2 - indent
    );
    for (set, word) in [(!resource.is_managed, "not managed"), (resource.is_disabled, "disabled")] {
        if set {
            let _ = write!(line, ", {}", paint.tone(Tone::Warning, word));
        }
    }
    if resource.agent != "group" {
        line += &paint.tone(Tone::Faint, &format!("  {}", resource.agent));
    }
    line.push('\n');
    if !resource.why.is_empty() {
        line += &wrap(&" ".repeat(indent + 2), indent + 2, &resource.why);
    }
    if let Some(next) = &resource.next {
        line += &wrap(&format!("{:width$}-> ", "", width = indent + 2), indent + 5, next);
    }
    line
}

fn state(state: ResourceState, paint: Paint) -> String {
    match state {
        ResourceState::Started => paint.tone(Tone::Good, "started"),
        ResourceState::Stopped => paint.tone(Tone::Warning, "stopped"),
        ResourceState::Starting => "starting".to_owned(),
        ResourceState::Stopping => "stopping".to_owned(),
        ResourceState::Failed => paint.tone(Tone::Bad, "FAILED"),
        ResourceState::Blocked => paint.tone(Tone::Bad, "BLOCKED"),
        ResourceState::Unknown => paint.tone(Tone::Bad, "NOT KNOWN"),
    }
}

fn failures(status: &ClusterStatus, paint: Paint) -> String {
    if status.failures.is_empty() {
        return String::new();
    }
    let lines = status.failures.iter().map(|failure| wrap("  ", 4, &failure_sentence(failure)));
    let head = format!("\n{}\n", paint.tone(Tone::Bad, "Failures"));
    head + &lines.collect::<String>() + "  when the cause is gone: musterd resource cleanup\n"
}

fn failure_sentence(failure: &FailureStatus) -> String {
    let count = &failure.fail_count;
    let times = match count.count {
        1 => "once".to_owned(),
        1_000_000.. => "for good".to_owned(),
        count => format!("{count} times"),
    };
    let reason = if count.reason.is_empty() { "the agent gave no reason" } else { &count.reason };
    format!(
        "{} on {}: {} failed {times}, last {}: {reason}",
        failure.resource,
        failure.node,
        count.operation,
        ago(count.last_ms)
    )
}

fn fencing(status: &ClusterStatus, paint: Paint) -> String {
    let mut text = format!("\n{}\n", paint.tone(Tone::Head, "Fencing"));
    for device in &status.fence_devices {
        let targets: Vec<&str> = device.targets.iter().map(|target| target.as_str()).collect();
        let _ = writeln!(text, "  device {} can fence {}: {}", device.id, targets.join(" "), device.agent);
    }
    if status.fence_devices.is_empty() {
        text += "  no device is configured\n";
    }
    for record in status.fencing.iter().take(FENCINGS_SHOWN) {
        text += &fencing_lines(record, paint);
    }
    let hidden = status.fencing.len().saturating_sub(FENCINGS_SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "  and {hidden} before (--output json has all)");
    }
    text
}

fn fencing_lines(record: &FencingRecord, paint: Paint) -> String {
    let took = record.ended_ms.map(|ended| ended.saturating_sub(record.requested_ms));
    let took = took.map_or(String::new(), |ms| format!(" after {}.{:01} s", ms / 1000, ms % 1000 / 100));
    let device = record.device.as_ref().map_or(String::new(), |device| format!(" by {device}"));
    let by = record.by.as_ref().map_or(String::new(), |node| format!(", driven by {node}"));
    let outcome = match &record.state {
        FencingState::Pending => paint.tone(Tone::Warning, "waits"),
        FencingState::Running => paint.tone(Tone::Warning, "under way"),
        FencingState::Confirmed => format!("{}{device}{took}", paint.tone(Tone::Good, "confirmed")),
        FencingState::ConfirmedByHand => format!("confirmed by a person{took}"),
        FencingState::Failed { why } => {
            format!("{}{device}: {why}; tried again", paint.tone(Tone::Bad, "FAILED"))
        }
        FencingState::Withdrawn => "withdrawn: the node came back first".to_owned(),
    };
    let sentence =
        format!("{} of {}: {outcome}{by}. Reason: {}", action(record), record.target, record.reason);
    format!("  {} ({})\n", utc(record.requested_ms), ago(record.requested_ms)) + &wrap("    ", 4, &sentence)
}

fn action(record: &FencingRecord) -> &'static str {
    use muster_api::fencing::FenceAction::{Off, On, Reboot};
    match record.action {
        Reboot => "reboot",
        Off => "off",
        On => "on",
    }
}

fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::status::{QuorumStatus, ViewStatus};

    fn status() -> ClusterStatus {
        ClusterStatus {
            cluster_name: "web".into(),
            node: "web1".into(),
            version: "0.1.0".into(),
            protocol: 1,
            view: Some(ViewStatus {
                epoch: 7,
                coordinator: "web1".into(),
                members: vec!["web1".into()],
                is_primary: false,
                why_not_primary: Some("web2 is lost and not known to be off".into()),
            }),
            quorum: QuorumStatus {
                is_quorate: true,
                votes_present: 1,
                votes_expected: 2,
                votes_needed: 1,
                flags: vec!["two_node".into()],
                why: None,
            },
            nodes: vec![NodeStatus {
                id: muster_api::id::NodeId(2),
                name: "web2".into(),
                fact: Fact::Lost,
                standby: true,
                maintenance: false,
                links: Vec::new(),
            }],
            resources: vec![ResourceStatus {
                promoted: Vec::new(),
                id: "vip".into(),
                group: None,
                agent: "ocf:heartbeat:IPaddr2".into(),
                state: ResourceState::Unknown,
                nodes: vec!["web2".into()],
                is_managed: true,
                is_disabled: false,
                why: "it was on web2 when that was lost".into(),
                next: Some("wait for the device: musterd wait".into()),
            }],
            fence_devices: Vec::new(),
            failures: Vec::new(),
            fencing: Vec::new(),
            generation: 3,
            alarms: vec!["stonith-enabled is false: a lost node is trusted to be off".into()],
            busy: false,
        }
    }

    #[test]
    fn the_page_starts_with_what_is_wrong_and_says_why() {
        let page = render(&status(), Paint::plain());
        let expected = "\
web, seen by web1 (musterd 0.1.0, protocol 1)
! stonith-enabled is false: a lost node is trusted to be off

Quorum    yes: 1 of 2 votes, 1 needed (two_node)
View      7: web1; coordinator web1
          not primary: web2 is lost and not known to be off

Nodes
  web2  LOST: not known to be off, standby

Resources
  vip    NOT KNOWN on web2  ocf:heartbeat:IPaddr2
    it was on web2 when that was lost
    -> wait for the device: musterd wait

Fencing
  no device is configured
";
        assert_eq!(page, expected);
    }
}
