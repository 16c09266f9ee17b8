//! From reachability to agreed views: when to seek a new one is in `watch`, how it is agreed on in `formation`.

pub(crate) mod clique;
pub(crate) mod formation;
pub(crate) mod view;
pub(crate) mod watch;

use crate::message::{Install, Promise};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::id::NodeId;
use view::{Member, View, ViewId};

/// A first view waits for all configured nodes for so long, and not longer than the token; for some it waits the token.
const BOOT_WAIT_MAX: Duration = Duration::from_millis(1000);
/// After a refusal, doubled for each further one.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const RETRY_DOUBLINGS_MAX: u32 = 6;
const MUTE_DOUBLINGS_MAX: u32 = 2;

#[derive(Debug)]
pub(crate) struct Membership {
    /// The highest epoch ever heard of.
    pub(crate) epoch_seen: u64,
    /// The highest epoch ever promised.
    pub(crate) promised: u64,
    pub(crate) phase: Phase,
    /// The activated view.
    pub(crate) view: Option<View>,
    /// The view that was activated last, where there is none now.
    pub(crate) former: Option<View>,
    pub(crate) activated_at: Instant,
    /// Since when it is in no view.
    pub(crate) homeless_since: Option<Instant>,
    /// Peers that are reachable but did not answer in time.
    distrusted: BTreeMap<NodeId, Instant>,
    /// Peers that do not want to be in a view that this node proposes, or do not propose where they should. They are reached all
    /// the same, so the others may still bring them together with this node.
    declined: BTreeMap<NodeId, Instant>,
    /// How often a peer did not answer, since it was in a view last.
    mutes: BTreeMap<NodeId, u32>,
    /// What peers had told when all of these reached each other.
    pub(crate) complete: Option<(u64, BTreeSet<NodeId>)>,
    pub(crate) retry_at: Instant,
    retries: u32,
    /// While there was no view yet.
    first: Option<FirstView>,
}

/// How long a first view waits for whom.
#[derive(Debug)]
struct FirstView {
    /// For all configured nodes.
    all_until: Instant,
    /// For nodes that may still count this one, or each other, as members: those of whom another heard, and everybody while
    /// nobody was heard.
    others_until: Instant,
}

/// What a node is doing about its membership.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It is in no view and waits for a proposal, or for the moment to make one.
    Gathering { since: Instant },
    /// It has proposed a view.
    Proposing(Proposal),
    /// It has promised itself to a view.
    Promised { view: ViewId, proposer: Member, install: Option<Install>, until: Instant },
    /// It is in an activated view.
    Operational,
    /// It has left.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) view: ViewId,
    pub(crate) members: Vec<Member>,
    pub(crate) promises: BTreeMap<NodeId, Promise>,
    /// Once all have promised: who holds the new state.
    pub(crate) installed: Option<(Install, BTreeSet<NodeId>)>,
    pub(crate) deadline: Instant,
}

impl Proposal {
    /// The members that have not answered yet.
    pub(crate) fn mute(&self) -> Vec<NodeId> {
        let has_answered = |id: &NodeId| match &self.installed {
            Some((_, installed)) => installed.contains(id),
            None => self.promises.contains_key(id),
        };
        self.members.iter().map(|member| member.id).filter(|id| !has_answered(id)).collect()
    }
}

impl Membership {
    pub(crate) fn new(now: Instant, promised: u64, token: Duration) -> Self {
        Self {
            epoch_seen: promised,
            promised,
            phase: Phase::Gathering { since: now },
            view: None,
            former: None,
            activated_at: now,
            homeless_since: Some(now),
            distrusted: BTreeMap::new(),
            declined: BTreeMap::new(),
            mutes: BTreeMap::new(),
            complete: None,
            retry_at: now,
            retries: 0,
            first: Some(FirstView { all_until: now + token.min(BOOT_WAIT_MAX), others_until: now + token }),
        }
    }

    /// The activated view, or the last one.
    pub(crate) fn reference(&self) -> Option<&View> {
        self.view.as_ref().or(self.former.as_ref())
    }

    pub(crate) fn is_distrusted(&self, now: Instant, id: NodeId) -> bool {
        self.distrusted.get(&id).is_some_and(|until| now < *until)
    }

    pub(crate) fn has_declined(&self, now: Instant, id: NodeId) -> bool {
        self.declined.get(&id).is_some_and(|until| now < *until)
    }

    /// Seeks a view without that peer for a while.
    pub(crate) fn decline(&mut self, now: Instant, id: NodeId, duration: Duration) {
        self.declined.insert(id, now + duration);
    }

    /// Leaves a mute peer out for a while: twice as long each time.
    pub(crate) fn distrust(&mut self, now: Instant, id: NodeId, base: Duration) {
        let mutes = self.mutes.entry(id).or_insert(0);
        *mutes += 1;
        self.distrusted.insert(id, now + base * (1 << (*mutes - 1).min(MUTE_DOUBLINGS_MAX)));
    }

    /// Whether it has been in no view for so long.
    pub(crate) fn is_homeless_for(&self, now: Instant, duration: Duration) -> bool {
        self.homeless_since.is_some_and(|since| now >= since + duration)
    }

    pub(crate) fn back_off(&mut self, now: Instant, me: NodeId) {
        // The id keeps two proposers that were refused together apart.
        let own = Duration::from_millis(u64::from(me.0 % 64));
        self.retry_at = now + RETRY_AFTER * (1 << self.retries.min(RETRY_DOUBLINGS_MAX)) + own;
        self.retries += 1;
    }

    pub(crate) fn note_activated(&mut self, now: Instant, view: View) {
        for member in &view.members {
            self.mutes.remove(&member.id);
            self.distrusted.remove(&member.id);
            self.declined.remove(&member.id);
        }
        self.phase = Phase::Operational;
        self.activated_at = now;
        self.homeless_since = None;
        self.former = None;
        self.view = Some(view);
        self.retries = 0;
        self.retry_at = now;
        self.first = None;
    }

    /// Whether a first view must still wait for those that are not in the set.
    pub(crate) fn first_view_waits(&self, now: Instant, is_missed_by_others: impl FnOnce() -> bool) -> bool {
        self.first
            .as_ref()
            .is_some_and(|first| now < first.all_until || now < first.others_until && is_missed_by_others())
    }

    pub(crate) fn deadline(&self, now: Instant, patience: Duration) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Gathering { since } => Some(*since + patience),
            Phase::Proposing(proposal) => Some(proposal.deadline),
            Phase::Promised { until, .. } => Some(*until),
            Phase::Operational => Some(self.activated_at + patience),
            Phase::Gone => None,
        };
        let first = self.first.iter().flat_map(|first| [first.all_until, first.others_until]);
        let later = [phase, Some(self.retry_at)].into_iter().flatten().chain(first);
        let limits = self.distrusted.values().chain(self.declined.values());
        later.chain(limits.copied()).filter(|at| *at > now).min()
    }
}
