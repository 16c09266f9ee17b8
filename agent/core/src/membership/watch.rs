//! When to seek a new view: a member is lost or left, a node can be added, the coordinator is gone.

use super::Phase;
use super::clique::{Graph, Preference, best};
use super::view::{Member, View, ViewId};
use crate::fencing::drive::is_being_fenced;
use crate::link::Peer;
use crate::node::Node;
use crate::planted::{Bug, planted};
use crate::time::{Instant, Now};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::id::NodeId;
use muster_api::status::Fact;

impl Node {
    /// How long a node waits for a proposal that another should make.
    pub(crate) fn patience(&self) -> Duration {
        let timing = self.links.timing();
        timing.token + timing.consensus
    }

    /// Looks at what has changed and acts on it. Returns whether it did.
    pub(crate) fn watch(&mut self, now: Now) -> bool {
        match &self.membership.phase {
            Phase::Proposing(_) => self.watch_proposal(now),
            Phase::Promised { view, proposer, until, .. } => {
                let (view, proposer, until) = (*view, *proposer, *until);
                if self.is_linked(proposer) && now.at < until {
                    return false;
                }
                self.note_debug(now, alloc::format!("gave up waiting for view {}", view.epoch));
                self.membership.phase = Phase::Gathering { since: now.at };
                true
            }
            // Who was told to go waits until all know of it.
            Phase::Operational if self.has_left(self.me) => self.watch_view(now),
            Phase::Operational => self.watch_view(now) || self.seek(now),
            Phase::Gathering { .. } => self.seek(now),
            Phase::Gone => false,
        }
    }

    fn watch_proposal(&mut self, now: Now) -> bool {
        let Phase::Proposing(proposal) = &self.membership.phase else { return false };
        let mute = proposal.mute();
        let is_late = now.at >= proposal.deadline;
        let others = proposal.members.iter().filter(|member| member.id != self.me);
        let has_lost =
            others.clone().any(|member| !self.is_linked(*member) || self.is_excluded(now.at, member.id));
        if !is_late && !has_lost {
            return false;
        }
        if is_late && !planted(Bug::MuteNeverLeftOut) {
            let consensus = self.links.timing().consensus;
            for id in mute {
                self.warn_membership(
                    now,
                    alloc::format!("{} did not answer in time and is left out", self.name_of(id)),
                );
                self.membership.distrust(now.at, id, consensus);
            }
        }
        self.membership.phase = Phase::Gathering { since: now.at };
        true
    }

    /// Whether the activated view is over without this node's doing.
    fn watch_view(&mut self, now: Now) -> bool {
        let Some(view) = &self.membership.view else { return false };
        let (id, members) = (view.id, view.members.clone());
        let coordinator = members.iter().find(|member| member.id == id.coordinator).copied();
        let is_over = coordinator.is_none_or(|coordinator| {
            coordinator.id != self.me
                && (!self.is_linked(coordinator) || self.is_in_later_view(coordinator, id))
        });
        let is_over = is_over && !planted(Bug::LostCoordinatorFollowed);
        if is_over {
            self.leave_view(now);
        }
        is_over
    }

    fn is_in_later_view(&self, member: Member, view: ViewId) -> bool {
        let beat = self.links.peer(member.id).and_then(Peer::beat);
        beat.and_then(|beat| beat.view).is_some_and(|theirs| theirs.epoch > view.epoch)
    }

    /// Makes a proposal where one is needed and it is this node's turn.
    fn seek(&mut self, now: Now) -> bool {
        let is_desperate = self.membership.is_homeless_for(now.at, self.patience() * 3);
        let wanted = if is_desperate { BTreeSet::from([self.me]) } else { self.best_set_now(now.at) };
        let is_whole = wanted.len() == self.corosync.nodes.len();
        if !is_whole && self.membership.first_view_waits(now.at, || self.is_missed_by_others(&wanted)) {
            return false;
        }
        if self.fits(&wanted) && !self.must_reform(now) {
            return false;
        }
        if !is_desperate && !self.may_leave_out(now.at, &wanted) {
            return false;
        }
        let proposer = self.proposer_of(&wanted);
        if proposer != self.me {
            return self.lose_patience(now, proposer);
        }
        if now.at < self.membership.retry_at {
            return false;
        }
        if self.wants_to_leave && wanted.len() == 1 && self.executor.is_idle() {
            // The others know, or are gone.
            self.leave_alone(now);
        } else {
            self.propose(now, &wanted);
        }
        true
    }

    /// Nobody was heard, or one of the set reaches a node that is not in it: a link of this node may just be later than others.
    fn is_missed_by_others(&self, set: &BTreeSet<NodeId>) -> bool {
        let beats = set.iter().filter_map(|id| self.links.peer(*id).and_then(Peer::beat));
        let mut reached = beats.flat_map(|beat| &beat.reach).filter(|reach| reach.is_linked);
        set.len() == 1 || reached.any(|reach| !set.contains(&reach.node))
    }

    fn lose_patience(&mut self, now: Now, proposer: NodeId) -> bool {
        let Phase::Gathering { since } = self.membership.phase else { return false };
        if now.at < since + self.patience() {
            return false;
        }
        let consensus = self.links.timing().consensus;
        self.warn_membership(
            now,
            alloc::format!("{} should propose a view and does not", self.name_of(proposer)),
        );
        self.membership.decline(now.at, proposer, consensus);
        self.membership.phase = Phase::Gathering { since: now.at };
        true
    }

    /// The activated view is exactly this set, in the present lives of its nodes.
    fn fits(&self, wanted: &BTreeSet<NodeId>) -> bool {
        self.membership.view.as_ref().is_some_and(|view| view.members == self.members_of(wanted))
    }

    /// The members are right, but the view could be more than it is, or a member is not in it any more.
    fn must_reform(&self, now: Now) -> bool {
        let Some(view) = &self.membership.view else { return false };
        if view.id.coordinator != self.me {
            return false;
        }
        if self.has_other_standing(view) {
            return true;
        }
        let is_settled = now.at >= self.membership.activated_at + self.patience();
        let has_left = |member: &&Member| {
            let beat = self.links.peer(member.id).and_then(Peer::beat);
            beat.is_some_and(|beat| beat.view != Some(view.id))
        };
        is_settled
            && view.members.iter().filter(|member| member.id != self.me).any(|member| has_left(&member))
    }

    /// The view could act now, or may not act any more: a node is known to be off, the quorum device has changed its mind, or other
    /// votes are configured.
    fn has_other_standing(&self, view: &View) -> bool {
        let now = self.judge_again(view);
        let (was_primary, was_quorate) = (view.is_primary(), view.standing.is_quorate());
        now.is_primary() && !was_primary || was_quorate && !now.is_quorate()
    }

    /// The best set now. Who reaches whom is looked at again only once somebody has told something new.
    fn best_set_now(&mut self, now: Instant) -> BTreeSet<NodeId> {
        let all = self.joinable(now, None).map(|(id, _)| id).chain([self.me]).collect();
        let known = (self.links.revision(), all);
        if self.membership.complete.as_ref() == Some(&known) {
            return known.1;
        }
        let best = self.best_set(now, None);
        self.membership.complete = (best == known.1).then_some(known);
        best
    }

    /// The best set that this node is in. A proposer's word on whom it does not reach counts more than its last heartbeat.
    pub(crate) fn best_set(
        &self,
        now: Instant,
        proposed: Option<(NodeId, &BTreeSet<NodeId>)>,
    ) -> BTreeSet<NodeId> {
        let others: Vec<(NodeId, &Peer)> = self.joinable(now, proposed).collect();
        let graph = self.graph_of(&others, proposed);
        if graph.is_complete() {
            // Nothing is broken, as nearly always.
            return others.into_iter().map(|(id, _)| id).chain([self.me]).collect();
        }
        let coordinator = self.membership.reference().map(|view| view.id.coordinator);
        best(self.me, &graph, &Preference { votes: &self.votes(), coordinator })
    }

    /// The peers that this node could be in a view with.
    fn joinable<'a>(
        &'a self,
        now: Instant,
        proposed: Option<(NodeId, &'a BTreeSet<NodeId>)>,
    ) -> impl Iterator<Item = (NodeId, &'a Peer)> {
        let is_proposed = move |id: NodeId| proposed.is_some_and(|(_, members)| members.contains(&id));
        self.links.peers().filter(move |(id, peer)| {
            let is_wanted = proposed.is_some() || !self.membership.has_declined(now, *id);
            let is_here = peer.is_linked()
                && is_wanted
                && !self.is_excluded(now, *id)
                && self.is_listed_by(*id, self.me);
            // While a proposal is judged, a peer that missed a heartbeat is no reason to refuse it.
            is_here && (proposed.is_none() || is_proposed(*id) || !peer.is_overdue(now))
        })
    }

    /// Who of these and this node reach each other.
    fn graph_of(&self, others: &[(NodeId, &Peer)], proposed: Option<(NodeId, &BTreeSet<NodeId>)>) -> Graph {
        let me = Member { id: self.me, session: self.links.session() };
        let members = others.iter().map(|(id, peer)| Member { id: *id, session: peer.session() });
        let mut graph = Graph::of(members.chain([me]));
        graph.reach_all(self.me);
        for (id, peer) in others {
            match peer.beat() {
                _ if planted(Bug::ReachIgnored) => graph.reach_all(*id),
                Some(beat) => graph.hear(*id, &beat.reach),
                None => {}
            }
        }
        if let Some((proposer, members)) = proposed {
            graph.cut_off(proposer, members);
        }
        graph
    }

    fn votes(&self) -> BTreeMap<NodeId, u32> {
        self.corosync.nodes.iter().map(|node| (node.id, node.votes)).collect()
    }

    /// Larger is better; see `clique`.
    pub(crate) fn rank(&self, set: &BTreeSet<NodeId>) -> super::clique::Rank {
        let coordinator = self.membership.reference().map(|view| view.id.coordinator);
        Preference { votes: &self.votes(), coordinator }.rank(set)
    }

    /// Whether `by` says that a link to `of` is or was up, in the life that this node knows.
    fn is_listed_by(&self, by: NodeId, of: NodeId) -> bool {
        let session = if of == self.me { self.links.session() } else { self.session_of(of) };
        let beat = self.links.peer(by).and_then(Peer::beat);
        let listed = beat.and_then(|beat| {
            let place = beat.reach.binary_search_by_key(&of, |reach| reach.node).ok()?;
            beat.reach.get(place)
        });
        listed.is_some_and(|reach| reach.is_linked && reach.session == session)
    }

    /// Whether the members of the last view that are not in the set may be left out: they are lost, gone, or lost to
    /// another of the set. A member whose agent restarts gets the token time to come back.
    fn may_leave_out(&self, now: Instant, set: &BTreeSet<NodeId>) -> bool {
        let Some(reference) = self.membership.reference() else { return true };
        let absent = reference.members.iter().filter(|member| !set.contains(&member.id));
        absent.into_iter().all(|member| {
            self.is_excluded(now, member.id)
                || self.membership.has_declined(now, member.id)
                || self.is_lost(now, member.id)
                || self.is_lost_to_other(reference, set, *member)
        })
    }

    fn is_lost_to_other(&self, reference: &View, set: &BTreeSet<NodeId>, lost: Member) -> bool {
        let of_view = |id: NodeId| reference.members.iter().find(|member| member.id == id);
        let others = set.iter().filter_map(|id| of_view(*id));
        others
            .into_iter()
            .any(|other| self.has_given_up(*other, lost.id) || self.has_given_up(lost, other.id))
    }

    /// Whether a peer, in that life of it, says that it has lost the other.
    fn has_given_up(&self, by: Member, of: NodeId) -> bool {
        if by.id == self.me || !self.is_linked(by) {
            return false;
        }
        let beat = self.links.peer(by.id).and_then(Peer::beat);
        beat.is_some_and(|beat| beat.reach.iter().all(|reach| reach.node != of))
    }

    /// The coordinator of the view that most of the set are in, or the lowest id where nobody coordinates. All must come to the
    /// same answer, so only what a node tells of itself counts here too: its view, not one that it was in.
    pub(crate) fn proposer_of(&self, set: &BTreeSet<NodeId>) -> NodeId {
        let mut followers: BTreeMap<NodeId, usize> = BTreeMap::new();
        for id in set {
            let view = if *id == self.me {
                self.membership.view.as_ref().map(|view| view.id)
            } else {
                self.links.peer(*id).and_then(Peer::beat).and_then(|beat| beat.view)
            };
            if let Some(view) = view.filter(|view| set.contains(&view.coordinator)) {
                *followers.entry(view.coordinator).or_insert(0) += 1;
            }
        }
        let most = followers.iter().max_by_key(|(id, count)| (**count, core::cmp::Reverse(**id)));
        most.map(|(id, _)| *id).or_else(|| set.first().copied()).unwrap_or(self.me)
    }

    pub(crate) fn members_of(&self, set: &BTreeSet<NodeId>) -> Vec<Member> {
        set.iter().map(|id| Member { id: *id, session: self.session_of(*id) }).collect()
    }

    pub(crate) fn session_of(&self, id: NodeId) -> u64 {
        if id == self.me { self.links.session() } else { self.links.peer(id).map_or(0, Peer::session) }
    }

    pub(crate) fn is_linked(&self, member: Member) -> bool {
        let peer = self.links.peer(member.id);
        peer.is_some_and(|peer| peer.is_linked() && peer.session() == member.session)
    }

    fn is_lost(&self, now: Instant, id: NodeId) -> bool {
        self.links.peer(id).is_none_or(|peer| peer.is_lost(now, self.links.timing().token))
    }

    /// The cluster has let go of the present life of that node.
    fn has_left(&self, id: NodeId) -> bool {
        let fact = self.replica.fact(id);
        fact.fact == Fact::Left && fact.session == self.session_of(id)
    }

    /// A peer that must not be in a view now: it did not answer, it has left, or a device is switching it off.
    pub(crate) fn is_excluded(&self, now: Instant, id: NodeId) -> bool {
        let fact = self.replica.fact(id);
        // Out of a view the state is not up to date: the device may have answered long ago.
        let is_target = || {
            self.membership.view.is_some() && is_being_fenced(&self.replica, fact.fact, || self.name_of(id))
        };
        self.has_left(id) || self.membership.is_distrusted(now, id) || is_target()
    }
}
