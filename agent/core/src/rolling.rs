//! Whether a node may go down for a rolling change, and whether it is back: decided from what the cluster says of itself.

use crate::schedule::Absence;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use muster_api::fencing::{FencingRecord, FencingState};
use muster_api::id::{NodeName, ResourceId};
use muster_api::module::Survey;
use muster_api::status::{ClusterStatus, Fact, ResourceState, ResourceStatus};
use serde::{Deserialize, Serialize};

/// What was before a node went down for a rolling change, and is to be again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The node.
    pub node: NodeName,
    /// It was put in standby for the change, and not by a person before.
    pub is_in_standby: bool,
    /// The members.
    pub members: Vec<NodeName>,
    /// The primitives that ran.
    pub ran: Vec<ResourceId>,
}

/// How the node that answers stands.
pub fn survey(status: &ClusterStatus) -> Survey {
    Survey {
        node: Some(status.node.clone()),
        is_member: status.members().contains(&status.node),
        active: active_on(status, &status.node).len(),
    }
}

/// Why nobody may go down now: something is under way, or a node is on its way out. Empty where all is at rest.
pub fn unrest(status: &ClusterStatus) -> Vec<String> {
    let mut reasons = not_primary(status);
    for node in &status.nodes {
        match node.fact {
            Fact::Lost => reasons.push(format!("{} is lost and not fenced", node.name)),
            Fact::Leaving => reasons.push(format!("{} is leaving", node.name)),
            Fact::Member | Fact::Left | Fact::Fenced | Fact::NeverSeen => {}
        }
    }
    let is_open =
        |record: &&FencingRecord| matches!(record.state, FencingState::Pending | FencingState::Running);
    if let Some(fencing) = status.fencing.iter().find(is_open) {
        reasons.push(format!("{} is being fenced", fencing.target));
    }
    if status.busy {
        reasons.push("the cluster is still at work".to_owned());
    }
    reasons
}

fn not_primary(status: &ClusterStatus) -> Vec<String> {
    match &status.view {
        Some(view) if view.is_primary => Vec::new(),
        Some(view) => vec![view.why_not_primary.clone().unwrap_or_else(|| "it is not quorate".to_owned())],
        None => vec!["this node is in no view: it is looking for the others".to_owned()],
    }
}

/// Why a node may not go down, where it may not.
pub fn refusal(node: &NodeName, drains: bool, absence: &Absence, status: &ClusterStatus) -> Option<String> {
    if !absence.is_quorate {
        let votes = &status.quorum;
        let here = status.members();
        let absent: Vec<&str> = status
            .nodes
            .iter()
            .map(|one| &one.name)
            .filter(|name| !here.contains(name))
            .map(NodeName::as_str)
            .collect();
        let absent =
            if absent.is_empty() { String::new() } else { format!("; away already: {}", absent.join(", ")) };
        return Some(format!(
            "{node} may not go down: the others would not be quorate without it ({} of {} votes are here, {} are needed{absent})",
            votes.votes_present, votes.votes_expected, votes.votes_needed
        ));
    }
    let lost = absence.stopped.iter().find(|stopped| drains && stopped.runs == 0)?;
    Some(format!("{node} may not go down: {} would run nowhere: {}", lost.resource, lost.why))
}

/// Whether somebody has put it in standby.
pub fn is_in_standby(status: &ClusterStatus, node: &NodeName) -> bool {
    status.nodes.iter().any(|one| one.name == *node && one.standby)
}

/// What is to be there again afterwards.
pub fn before(status: &ClusterStatus, is_in_standby: bool) -> Before {
    let ran = primitives(status).filter(|resource| !resource.nodes.is_empty());
    Before {
        node: status.node.clone(),
        is_in_standby,
        members: status.members().to_vec(),
        ran: ran.map(|one| one.id.clone()).collect(),
    }
}

/// The resources under the cluster's management that are active on a node.
pub fn active_on(status: &ClusterStatus, node: &NodeName) -> Vec<String> {
    let active = primitives(status).filter(|one| one.is_managed && one.nodes.contains(node));
    active.map(|one| one.id.to_string()).collect()
}

/// Where that is now which left the node.
pub fn moved(
    node: &NodeName,
    before: &ClusterStatus,
    after: &ClusterStatus,
) -> Vec<(ResourceId, Vec<NodeName>)> {
    let left = primitives(before).filter(|one| one.nodes.contains(node));
    let gone = left.filter_map(|one| {
        let now = primitives(after).find(|now| now.id == one.id)?;
        (!now.nodes.contains(node)).then(|| (one.id.clone(), now.nodes.clone()))
    });
    gone.collect()
}

/// Who is missing still. `away` are down for the same change.
pub fn not_back(status: &ClusterStatus, members: &[NodeName], away: &[NodeName]) -> Vec<String> {
    let mut reasons = not_primary(status);
    let here = status.members();
    let needed = members.iter().chain(core::iter::once(&status.node)).filter(|node| !away.contains(node));
    let mut missing: Vec<String> =
        needed.filter(|node| !here.contains(node)).map(ToString::to_string).collect();
    missing.dedup();
    if !missing.is_empty() {
        reasons.push(format!("{} is not a member", missing.join(", ")));
    }
    reasons
}

/// What ran before and does not run.
pub fn not_running(status: &ClusterStatus, ran: &[ResourceId]) -> Vec<String> {
    let mut reasons = not_primary(status);
    for id in ran {
        // One that was removed meanwhile is missed by nobody.
        let Some(resource) = primitives(status).find(|resource| resource.id == *id) else { continue };
        if resource.state != ResourceState::Started && !resource.is_disabled {
            reasons.push(format!("{id} does not run: {}", resource.why));
        }
    }
    reasons
}

/// Rows that have an agent, not those of groups.
fn primitives(status: &ClusterStatus) -> impl Iterator<Item = &ResourceStatus> {
    status.resources.iter().filter(|resource| resource.agent.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Stopped;
    use muster_api::status::{NodeStatus, QuorumStatus, ViewStatus};

    fn names(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| NodeName::from(*name)).collect()
    }

    fn resource(id: &str, on: &[&str]) -> ResourceStatus {
        ResourceStatus {
            id: id.into(),
            group: None,
            agent: "ocf:heartbeat:Dummy".into(),
            state: if on.is_empty() { ResourceState::Stopped } else { ResourceState::Started },
            nodes: names(on),
            promoted: Vec::new(),
            is_managed: true,
            is_disabled: false,
            why: "of a test".into(),
            next: None,
        }
    }

    /// Three nodes, of which `members` are in the view; seen from n1.
    fn status(members: &[&str], resources: Vec<ResourceStatus>) -> ClusterStatus {
        let view = ViewStatus {
            epoch: 1,
            coordinator: "n1".into(),
            members: names(members),
            is_primary: true,
            why_not_primary: None,
        };
        let node = |(name, id): (&str, u32)| NodeStatus {
            id: muster_api::id::NodeId(id),
            name: name.into(),
            fact: if members.contains(&name) { Fact::Member } else { Fact::Left },
            standby: false,
            maintenance: false,
            links: Vec::new(),
        };
        ClusterStatus {
            cluster_name: "web".into(),
            node: "n1".into(),
            version: "1".into(),
            protocol: 1,
            view: Some(view),
            quorum: QuorumStatus {
                is_quorate: true,
                votes_present: 3,
                votes_expected: 3,
                votes_needed: 2,
                ..QuorumStatus::default()
            },
            nodes: [("n1", 1), ("n2", 2), ("n3", 3)].map(node).into(),
            resources,
            fence_devices: Vec::new(),
            failures: Vec::new(),
            fencing: Vec::new(),
            generation: 1,
            alarms: Vec::new(),
            busy: false,
        }
    }

    #[test]
    fn nobody_goes_down_while_something_is_under_way() {
        let mut cluster = status(&["n1", "n2", "n3"], Vec::new());
        assert_eq!(unrest(&cluster), Vec::<String>::new());
        cluster.busy = true;
        cluster.nodes[2].fact = Fact::Lost;
        assert_eq!(unrest(&cluster), ["n3 is lost and not fenced", "the cluster is still at work"]);
        cluster.view = None;
        assert_eq!(unrest(&cluster)[0], "this node is in no view: it is looking for the others");
    }

    #[test]
    fn a_node_stays_where_the_others_cannot_do_without_it() {
        let cluster = status(&["n1", "n2", "n3"], Vec::new());
        let absence = |is_quorate, runs| Absence {
            is_quorate,
            moved: Vec::new(),
            stopped: vec![Stopped { resource: "vip".into(), runs, ran: 2, why: "n2 is banned".into() }],
        };
        let of = |drains, absence: &Absence| refusal(&"n1".into(), drains, absence, &cluster);
        assert_eq!(
            of(true, &absence(false, 1)).expect("it is refused"),
            "n1 may not go down: the others would not be quorate without it (3 of 3 votes are here, 2 are needed)"
        );
        let two = status(&["n1", "n2"], Vec::new());
        let why = refusal(&"n1".into(), true, &absence(false, 1), &two).expect("it is refused");
        assert!(why.ends_with("2 are needed; away already: n3)"), "{why}");
        let nowhere = "n1 may not go down: vip would run nowhere: n2 is banned";
        assert_eq!(of(true, &absence(true, 0)).as_deref(), Some(nowhere));
        assert_eq!(of(true, &absence(true, 1)), None, "one instance less is what a clone is for");
        assert_eq!(of(false, &absence(true, 0)), None, "what is not moved away runs on");
    }

    #[test]
    fn it_is_back_when_all_are_members_and_all_runs_that_ran() {
        let before = before(&status(&["n1", "n2", "n3"], vec![resource("vip", &["n2"])]), true);
        assert_eq!(before.ran, ["vip".into()]);
        let later = status(&["n1", "n3"], vec![resource("vip", &[])]);
        assert_eq!(not_back(&later, &before.members, &[]), ["n2 is not a member"]);
        assert_eq!(not_back(&later, &before.members, &names(&["n2"])), Vec::<String>::new());
        assert_eq!(not_running(&later, &before.ran), ["vip does not run: of a test"]);
        let end = status(&["n1", "n2", "n3"], vec![resource("vip", &["n1"])]);
        assert_eq!(not_running(&end, &before.ran), Vec::<String>::new());
        assert_eq!(not_running(&end, &["removed".into()]), Vec::<String>::new());
    }

    #[test]
    fn what_moved_is_told_with_where_it_is() {
        let was = status(&["n1", "n2"], vec![resource("vip", &["n1"]), resource("other", &["n2"])]);
        let is = status(&["n1", "n2"], vec![resource("vip", &["n2"]), resource("other", &["n2"])]);
        assert_eq!(moved(&"n1".into(), &was, &is), [("vip".into(), names(&["n2"]))]);
        assert_eq!(survey(&was).active, 1);
        assert!(active_on(&is, &"n1".into()).is_empty());
    }
}
