//! What a cluster remembers of its votes from one view to the next: the expected votes in force, which membership raises and
//! which `last_man_standing` and `allow_downscale` lower, whose votes these are, and who was quorate last.

use super::{Question, Standing, judge, votes_of};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::cluster::Corosync;
use muster_api::id::NodeId;
use serde::{Deserialize, Serialize};

/// How long a view must last before `last_man_standing` lowers the votes, where it is not written (votequorum(5)).
const WINDOW_MS: u64 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The expected votes in force; nothing where no view was formed since the start, or since they were configured anew.
    pub(crate) votes_expected: Option<u32>,
    /// Whose votes are expected, where these are fewer than all: the nodes that stood last, and whom they took in since. The
    /// votes of others do not count before that, or those who stood could split and each part be enough with a newcomer.
    pub(crate) voters: Option<BTreeSet<NodeId>>,
    pub(crate) quorate: LastQuorate,
    /// The most votes that were ever expected, where `expected_votes_tracking` is on.
    pub(crate) votes_tracked: u32,
}

/// The last quorate view: a tie is broken among its members. Not durable: what is quorate after a restart must be so by its own
/// votes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct LastQuorate {
    /// The latest that was activated here.
    known: Quorate,
    /// Later ones that were prepared here: whether others activated them is not known. A tie is won by all of them or not at all.
    possible: Vec<Quorate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Quorate {
    /// Orders the views.
    epoch: u64,
    members: BTreeSet<NodeId>,
}

impl LastQuorate {
    /// What several nodes know together.
    pub(crate) fn together<'a>(parts: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let known = parts.clone().map(|part| &part.known).max_by_key(|known| known.epoch);
        let known = known.cloned().unwrap_or_default();
        let mut possible: Vec<Quorate> = Vec::new();
        for view in parts.flat_map(|part| &part.possible).filter(|view| view.epoch > known.epoch) {
            if !possible.contains(view) {
                possible.push(view.clone());
            }
        }
        Self { known, possible }
    }

    fn prepare(&mut self, epoch: u64, members: &BTreeSet<NodeId>) {
        self.possible.retain(|view| view.members != *members);
        self.possible.push(Quorate { epoch, members: members.clone() });
    }

    fn activate(&mut self, epoch: u64) {
        if let Some(view) = self.possible.iter().find(|view| view.epoch == epoch) {
            self.known = view.clone();
            self.possible.clear();
        }
    }

    /// Whether that is so of every view that may have been the last.
    pub(super) fn all(&self, is: impl Fn(&BTreeSet<NodeId>) -> bool) -> bool {
        is(&self.known.members) && self.possible.iter().all(|view| is(&view.members))
    }
}

impl Memory {
    /// The expected votes before the members are counted: those that a view has left, or at the start the configured ones,
    /// and with `expected_votes_tracking` at least the most that were ever known.
    pub(super) fn votes_in_force(&self, corosync: &Corosync) -> u32 {
        let tracked = if corosync.quorum.expected_votes_tracking { self.votes_tracked } else { 0 };
        self.votes_expected.unwrap_or_else(|| corosync.votes_configured().max(tracked))
    }

    /// Judges the members of a new view, and remembers what follows from it. `left` are the absent nodes that left cleanly.
    pub(crate) fn open_view(
        &mut self,
        question: &Question<'_>,
        epoch: u64,
        left: &BTreeSet<NodeId>,
    ) -> Standing {
        if question.corosync.quorum.allow_downscale {
            self.downscale(question.corosync, left);
        }
        let standing = judge(self, question);
        if self.voters.is_none() || standing.is_primary() {
            self.votes_expected = Some(standing.votes_expected);
        }
        if question.corosync.quorum.expected_votes_tracking {
            self.votes_tracked = self.votes_tracked.max(standing.votes_expected);
        }
        if standing.is_quorate() {
            self.quorate.prepare(epoch, question.members);
        }
        if standing.is_primary() {
            self.take_in(question);
        }
        standing
    }

    /// The view of that epoch is activated.
    pub(crate) fn activate_view(&mut self, epoch: u64) {
        self.quorate.activate(epoch);
    }

    /// The members of a primary view have a vote. Not those of one that is only quorate: the next might not know of it.
    fn take_in(&mut self, question: &Question<'_>) {
        let is_all = self.votes_expected >= Some(question.corosync.votes_total());
        let newcomers = self.voters.as_ref().is_some_and(|voters| !question.members.is_subset(voters));
        if is_all {
            self.voters = None;
        } else if newcomers {
            self.voters = Some(question.members.clone());
        }
    }

    /// `last_man_standing`: from now on only the votes of those that stand are expected.
    pub(crate) fn lower(&mut self, votes: u32) {
        self.votes_expected = Some(votes);
        self.voters = Some(self.quorate.known.members.clone());
    }

    /// `allow_downscale`: whoever leaves a quorate cluster cleanly is not expected any more, down to what is configured.
    fn downscale(&mut self, corosync: &Corosync, left: &BTreeSet<NodeId>) {
        let gone: BTreeSet<NodeId> = self.quorate.known.members.intersection(left).copied().collect();
        let configured = corosync.votes_configured();
        if let Some(expected) = self.votes_expected.filter(|expected| *expected > configured) {
            let lowered = expected.saturating_sub(votes_of(corosync, &gone));
            self.votes_expected = Some(lowered.max(configured));
        }
        self.quorate.known.members.retain(|id| !gone.contains(id));
    }

    /// Other votes are configured: nothing holds of those that were.
    pub(crate) fn reconfigure(&mut self) {
        self.votes_expected = None;
        self.voters = None;
    }

    /// What a node still knows after it restarted.
    pub(crate) fn restored(self) -> Self {
        Self { votes_tracked: self.votes_tracked, ..Self::default() }
    }

    /// What goes to the disk.
    pub(crate) fn durable(&self) -> Self {
        Self { quorate: LastQuorate::default(), ..self.clone() }
    }
}

/// How long a view must last before `last_man_standing` looks at it; nothing where that is off.
pub(crate) fn window(corosync: &Corosync) -> Option<Duration> {
    let options = &corosync.quorum;
    let window_ms = options.last_man_standing_window_ms.unwrap_or(WINDOW_MS);
    options.last_man_standing.then(|| Duration::from_millis(window_ms))
}

/// `last_man_standing`, once a primary view has lasted for its window: the votes that are expected from then on, where these are
/// fewer. From two to one only with a tie breaker; with `allow_downscale` never below what is configured.
pub(crate) fn last_standing(corosync: &Corosync, standing: &Standing) -> Option<u32> {
    let options = &corosync.quorum;
    let floor = if options.allow_downscale { corosync.votes_configured() } else { 0 };
    let votes = standing.votes_present.max(floor);
    let is_too_few = votes < 2 && !options.auto_tie_breaker;
    (options.last_man_standing && votes < standing.votes_expected && !is_too_few).then_some(votes)
}

#[cfg(test)]
impl Memory {
    /// As after a view of those members was activated.
    pub(super) fn after(members: BTreeSet<NodeId>) -> Self {
        let known = Quorate { epoch: 1, members };
        Self { quorate: LastQuorate { known, possible: Vec::new() }, ..Self::default() }
    }
}
