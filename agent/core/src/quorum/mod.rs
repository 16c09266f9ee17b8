//! Who may act: votequorum's arithmetic (votequorum(5)), and the primary rule on top of it.
//!
//! Quorate is what corosync's users know: enough votes. Primary is more: quorate, and no other part of the cluster can
//! be quorate at the same time. A majority of the votes of all nodes is always primary. Whoever is quorate with less (a
//! single node under `two_node`, a half with `auto_tie_breaker`, some nodes with a quorum device, a remainder with `last_man_standing`) is primary once
//! every absent node is known to be off or to have left, as long as fencing is on; and only with half of the votes, or where
//! `wait_for_all` keeps nodes that start from being quorate without the others.
//!
//! What a cluster must remember from view to view is in `memory`; `rehearsal` plays scripts on all of it.

mod memory;
#[cfg(test)]
mod oracle;
pub mod rehearsal;
mod script;

pub(crate) use memory::{LastQuorate, Memory, last_standing, window};

use crate::planted::{Bug, planted};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::{Corosync, NodeEntry, QuorumOptions};
use muster_api::id::NodeId;
use muster_api::status::QuorumStatus;
use serde::{Deserialize, Serialize};

/// What is asked about a set of members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) corosync: &'a Corosync,
    pub(crate) members: &'a BTreeSet<NodeId>,
    /// A member has been in a quorate view since it started: `wait_for_all` is satisfied.
    pub(crate) is_unblocked: bool,
    /// The quorum device votes for these members.
    pub(crate) has_device_vote: bool,
    /// `no-quorum-policy` is `ignore`.
    pub(crate) ignores_quorum: bool,
    /// `stonith-enabled`.
    pub(crate) is_fencing_enabled: bool,
    /// The absent nodes that are fenced or have left.
    pub(crate) known_off: &'a BTreeSet<NodeId>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) votes_present: u32,
    pub(crate) votes_expected: u32,
    pub(crate) votes_needed: u32,
    /// Why it is not quorate, where it is not.
    pub(crate) inquorate: Option<String>,
    pub(crate) ignores_quorum: bool,
    /// The absent nodes that could be quorate without this view.
    pub(crate) rivals: Vec<NodeId>,
}

impl Standing {
    pub(crate) fn is_quorate(&self) -> bool {
        self.inquorate.is_none()
    }

    /// May fence others: it is quorate, or the user said that this does not matter.
    pub(crate) fn may_fence(&self) -> bool {
        self.is_quorate() || self.ignores_quorum
    }

    /// May change state and start resources.
    pub(crate) fn is_primary(&self) -> bool {
        self.may_fence() && self.rivals.is_empty()
    }

    pub(crate) fn why_not_primary(&self, name: impl Fn(NodeId) -> String) -> Option<String> {
        if self.is_primary() {
            return None;
        }
        if !self.may_fence() {
            return self.inquorate.clone();
        }
        let rivals: Vec<String> = self.rivals.iter().map(|id| name(*id)).collect();
        let they = if rivals.len() == 1 { "it" } else { "they" };
        let rivals = rivals.join(", ");
        if self.votes_present * 2 < self.votes_expected {
            return Some(format!(
                "{rivals} could be quorate as well, also after {they} were fenced and started again: set `wait_for_all`, or wait \
                 until half of the votes are here"
            ));
        }
        Some(format!("{rivals} could be quorate as well: {they} must be fenced or have left first"))
    }

    /// Why it is quorate, where it is.
    pub(crate) fn why_quorate(&self, options: &QuorumOptions) -> Option<&'static str> {
        if !self.is_quorate() {
            None
        } else if self.votes_present < self.votes_needed {
            Some("auto_tie_breaker: half of the votes, with the node that breaks the tie")
        } else if options.two_node && self.votes_present < self.votes_expected {
            Some("two_node: one of two is enough")
        } else if self.votes_present < self.votes_expected {
            Some("a majority")
        } else {
            Some("all expected votes")
        }
    }

    pub(crate) fn status(&self, options: &QuorumOptions) -> QuorumStatus {
        QuorumStatus {
            is_quorate: self.is_quorate(),
            votes_present: self.votes_present,
            votes_expected: self.votes_expected,
            votes_needed: self.votes_needed,
            flags: flags(options),
            why: self.inquorate.clone(),
        }
    }
}

/// Judges a set of members by what they remember.
pub(crate) fn judge(memory: &Memory, question: &Question<'_>) -> Standing {
    let corosync = question.corosync;
    let needed_of = |expected: u32| if corosync.quorum.two_node { 1 } else { expected / 2 + 1 };
    let present = votes_present(question) + u32::from(planted(Bug::VoteCountedTwice));
    let newcomers = votes_of(corosync, &newcomers(memory, question));
    let (counting, in_force) = (present - newcomers, memory.votes_in_force(corosync));
    let is_enough = counting >= needed_of(in_force) || wins_tie(memory, question, counting, in_force);
    // Where those who may vote are enough, the others vote from now on.
    let present = if is_enough { present } else { counting };
    let expected = in_force.max(present);
    let needed = needed_of(expected);
    let inquorate = if corosync.quorum.wait_for_all
        && !planted(Bug::WaitForAllSkipped)
        && !question.is_unblocked
        && present < expected
    {
        Some(waiting(question))
    } else if is_enough {
        None
    } else {
        let of_whom = if newcomers > 0 { " of those who stood last" } else { "" };
        Some(format!("{present} of {expected} expected votes{of_whom}, {needed} needed"))
    };
    let rivals =
        if planted(Bug::RivalsIgnored) || has_majority_of_nodes(question) || !question.is_fencing_enabled {
            Vec::new()
        } else {
            let may_return = may_return_as_majority(question);
            let is_rival = |id: &NodeId| may_return || !question.known_off.contains(id);
            absent(question).map(|node| node.id).filter(is_rival).collect()
        };
    Standing {
        votes_present: present,
        votes_expected: expected,
        votes_needed: needed,
        inquorate,
        ignores_quorum: question.ignores_quorum,
        rivals,
    }
}

/// No other part can be quorate beside it. The device's vote does not count here: for a while it may still be known to the part
/// from which it was withdrawn.
fn has_majority_of_nodes(question: &Question<'_>) -> bool {
    let corosync = question.corosync;
    let all: u32 = corosync.nodes.iter().map(|node| node.votes).sum();
    votes_of(corosync, question.members) * 2 > all
}

/// Whoever is fenced comes back, and knows nothing of what these members did meanwhile. Where the absent are more than half they
/// need nobody else then, unless `wait_for_all` keeps those that start from being quorate on their own.
fn may_return_as_majority(question: &Question<'_>) -> bool {
    let Corosync { nodes, quorum, .. } = question.corosync;
    let absent: u32 = absent(question).map(|node| node.votes).sum();
    let all = nodes.iter().map(|node| node.votes).sum::<u32>();
    let all = all + quorum.device.as_ref().map_or(0, |device| device.votes);
    // Fewer votes than there are: one that waited for all joins others, and with them it waits no more.
    let are_all_expected = question.corosync.votes_configured() >= all;
    let is_accepted =
        quorum.wait_for_all && are_all_expected || quorum.allow_downscale || question.ignores_quorum;
    absent * 2 > all && !is_accepted
}

fn votes_present(question: &Question<'_>) -> u32 {
    let device = question.corosync.quorum.device.as_ref().filter(|_| question.has_device_vote);
    votes_of(question.corosync, question.members) + device.map_or(0, |device| device.votes)
}

/// The members whose votes do not count yet: `last_man_standing` lowered the votes without them.
fn newcomers(memory: &Memory, question: &Question<'_>) -> BTreeSet<NodeId> {
    let voters = memory.voters.as_ref().filter(|_| !planted(Bug::NewcomersVote));
    voters.map(|voters| question.members.difference(voters).copied().collect()).unwrap_or_default()
}

fn votes_of(corosync: &Corosync, set: &BTreeSet<NodeId>) -> u32 {
    corosync.nodes.iter().filter(|node| set.contains(&node.id)).map(|node| node.votes).sum()
}

fn absent<'a>(question: &Question<'a>) -> impl Iterator<Item = &'a NodeEntry> {
    let members = question.members;
    question.corosync.nodes.iter().filter(move |node| !members.contains(&node.id))
}

fn waiting(question: &Question<'_>) -> String {
    let names: Vec<String> = absent(question).map(|node| node.name.to_string()).collect();
    let whom = if names.is_empty() { "the quorum device's vote".to_string() } else { names.join(", ") };
    format!("wait_for_all: {whom} not seen yet since this node started")
}

/// `auto_tie_breaker`: half of the votes, or of an odd number the smaller half, with the first of the listed nodes that was there
/// before the split, where the others that were there have not enough. It lets a part of a quorate cluster remain quorate; it
/// makes nothing quorate that was not.
fn wins_tie(memory: &Memory, question: &Question<'_>, present: u32, expected: u32) -> bool {
    let options = &question.corosync.quorum;
    options.auto_tie_breaker
        && present == expected / 2
        && memory.quorate.all(|former| holds_tie_breaker(former, question, expected))
}

/// Whether the members hold it, where those were in the last quorate view.
fn holds_tie_breaker(former: &BTreeSet<NodeId>, question: &Question<'_>, expected: u32) -> bool {
    let options = &question.corosync.quorum;
    let others: BTreeSet<NodeId> = former.difference(question.members).copied().collect();
    if votes_of(question.corosync, &others) > expected / 2 {
        return false;
    }
    let breaker = match options.auto_tie_breaker_node.as_deref() {
        None | Some("lowest") => former.first().copied(),
        Some("highest") => former.last().copied(),
        Some(list) => {
            let mut ids = list.split_whitespace().filter_map(|word| word.parse().ok()).map(NodeId);
            ids.find(|id| former.contains(id))
        }
    };
    planted(Bug::TieWonByBoth) || breaker.is_some_and(|id| question.members.contains(&id))
}

/// The options in force, by their names.
pub(crate) fn flags(options: &QuorumOptions) -> Vec<String> {
    let flags = [
        ("two_node", options.two_node),
        ("wait_for_all", options.wait_for_all),
        ("auto_tie_breaker", options.auto_tie_breaker),
        ("last_man_standing", options.last_man_standing),
        ("allow_downscale", options.allow_downscale),
        ("expected_votes_tracking", options.expected_votes_tracking),
        ("device", options.device.is_some()),
    ];
    flags.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (*name).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::cluster::{Cipher, LinkMode, NodeEntry, Totem};
    use muster_api::id::NodeName;

    fn corosync(nodes: u32, quorum: QuorumOptions) -> Corosync {
        let node = |id| NodeEntry {
            id: NodeId(id),
            name: NodeName(format!("n{id}")),
            votes: 1,
            addresses: alloc::collections::BTreeMap::default(),
        };
        let totem = Totem {
            cluster_name: String::new(),
            config_version: 0,
            token_ms: 3000,
            token_coefficient_ms: 650,
            consensus_ms: None,
            cipher: Cipher::None,
            keyfile: None,
            link_mode: LinkMode::Passive,
            links: alloc::collections::BTreeMap::default(),
        };
        Corosync { totem, nodes: (1..=nodes).map(node).collect(), quorum }
    }

    fn set(ids: &[u32]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn standing(corosync: &Corosync, members: &[u32], off: &[u32], is_unblocked: bool) -> Standing {
        let memory = Memory::after(corosync.nodes.iter().map(|node| node.id).collect());
        let question = Question {
            corosync,
            members: &set(members),
            is_unblocked,
            has_device_vote: false,
            ignores_quorum: false,
            is_fencing_enabled: true,
            known_off: &set(off),
        };
        judge(&memory, &question)
    }

    #[test]
    fn eight_nodes_need_five() {
        let corosync = corosync(8, QuorumOptions::default());
        assert!(standing(&corosync, &[1, 2, 3, 4, 5], &[], true).is_primary());
        let four = standing(&corosync, &[1, 2, 3, 4], &[], true);
        assert_eq!(four.inquorate.as_deref(), Some("4 of 8 expected votes, 5 needed"));
    }

    #[test]
    fn one_of_two_nodes_is_quorate_but_primary_only_once_the_other_is_off() {
        let corosync =
            corosync(2, QuorumOptions { two_node: true, wait_for_all: true, ..QuorumOptions::default() });
        let alone = standing(&corosync, &[1], &[], true);
        assert!(alone.is_quorate() && !alone.is_primary());
        assert!(standing(&corosync, &[1], &[2], true).is_primary());
        let started_alone = standing(&corosync, &[1], &[], false);
        assert_eq!(
            started_alone.inquorate.as_deref(),
            Some("wait_for_all: n2 not seen yet since this node started")
        );
        assert!(standing(&corosync, &[1, 2], &[], false).is_primary());
    }

    #[test]
    fn a_smaller_half_is_primary_only_where_the_others_cannot_come_back_as_a_majority() {
        let alone = |wait_for_all| {
            let options = QuorumOptions { auto_tie_breaker: true, wait_for_all, ..QuorumOptions::default() };
            // n4 and n5 were lost before n3.
            let memory = Memory::after(set(&[1, 2, 3]));
            let question = Question {
                corosync: &corosync(5, options),
                members: &set(&[1, 2]),
                is_unblocked: true,
                has_device_vote: false,
                ignores_quorum: false,
                is_fencing_enabled: true,
                known_off: &set(&[3, 4, 5]),
            };
            judge(&memory, &question)
        };
        assert!(alone(false).is_quorate() && !alone(false).is_primary());
        assert!(alone(true).is_primary());
    }

    #[test]
    fn an_even_split_is_won_by_the_tie_breaker_and_primary_after_fencing() {
        let options = |node: &str| QuorumOptions {
            auto_tie_breaker: true,
            auto_tie_breaker_node: Some(node.into()),
            ..QuorumOptions::default()
        };
        let lowest = corosync(4, options("lowest"));
        assert!(standing(&lowest, &[1, 4], &[], true).is_quorate());
        assert!(!standing(&lowest, &[2, 3], &[], true).is_quorate());
        assert_eq!(standing(&lowest, &[1, 4], &[], true).rivals, [NodeId(2), NodeId(3)]);
        assert!(standing(&lowest, &[1, 4], &[2, 3], true).is_primary());
        assert!(standing(&corosync(4, options("3 1")), &[2, 3], &[], true).is_quorate());
    }
}
