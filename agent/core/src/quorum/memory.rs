//! What a cluster remembers of its votes from one view to the next: the expected votes in force, which membership raises and
//! which `last_man_standing` and `allow_downscale` lower, and who was quorate last.

use super::{Question, Standing, judge, votes_of};
use alloc::collections::BTreeSet;
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
    /// The members of the last quorate view: a tie is broken among them. Not durable: what is quorate after a restart must be
    /// so by its own votes.
    pub(crate) quorate_members: BTreeSet<NodeId>,
    /// The most votes that were ever expected, where `expected_votes_tracking` is on.
    pub(crate) votes_tracked: u32,
}

impl Memory {
    /// The expected votes before the members are counted: those that a view has left, or at the start the configured ones,
    /// and with `expected_votes_tracking` at least the most that were ever known.
    pub(super) fn votes_in_force(&self, corosync: &Corosync) -> u32 {
        let tracked = if corosync.quorum.expected_votes_tracking { self.votes_tracked } else { 0 };
        self.votes_expected.unwrap_or_else(|| corosync.votes_configured().max(tracked))
    }

    /// Judges the members of a new view, and remembers what follows from it. `left` are the absent nodes that left cleanly.
    pub(crate) fn open_view(&mut self, question: &Question<'_>, left: &BTreeSet<NodeId>) -> Standing {
        if question.corosync.quorum.allow_downscale {
            self.downscale(question.corosync, left);
        }
        let standing = judge(self, question);
        self.votes_expected = Some(standing.votes_expected);
        if question.corosync.quorum.expected_votes_tracking {
            self.votes_tracked = self.votes_tracked.max(standing.votes_expected);
        }
        if standing.is_quorate() {
            self.quorate_members.clone_from(question.members);
        }
        standing
    }

    /// `allow_downscale`: whoever leaves a quorate cluster cleanly is not expected any more, down to what is configured.
    fn downscale(&mut self, corosync: &Corosync, left: &BTreeSet<NodeId>) {
        let gone: BTreeSet<NodeId> = self.quorate_members.intersection(left).copied().collect();
        let configured = corosync.votes_configured();
        if let Some(expected) = self.votes_expected.filter(|expected| *expected > configured) {
            let lowered = expected.saturating_sub(votes_of(corosync, &gone));
            self.votes_expected = Some(lowered.max(configured));
        }
        self.quorate_members.retain(|id| !gone.contains(id));
    }

    /// Other votes are configured: nothing holds of those that were.
    pub(crate) fn reconfigure(&mut self) {
        self.votes_expected = None;
    }

    /// What a node still knows after it restarted.
    pub(crate) fn restored(self) -> Self {
        Self { votes_tracked: self.votes_tracked, ..Self::default() }
    }

    /// What goes to the disk.
    pub(crate) fn durable(&self) -> Self {
        Self { quorate_members: BTreeSet::new(), ..self.clone() }
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
