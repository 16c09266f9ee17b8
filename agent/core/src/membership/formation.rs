//! How a view is agreed on: propose, promise, install, activate.

use super::view::{Member, View, ViewId};
use super::{Phase, Proposal};
use crate::message::{Install, Message, Promise};
use crate::node::Node;
use crate::planted::{Bug, planted};
use crate::quorum::{LastQuorate, Memory, Question, Standing, judge};
use crate::replica::state::{Cause, FenceEntry, NodeFact, Position, State};
use crate::time::Now;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::fencing::{FenceAction, FencingState};
use muster_api::id::NodeId;
use muster_api::status::Fact;

impl Node {
    /// Proposes a view of that set.
    pub(crate) fn propose(&mut self, now: Now, set: &BTreeSet<NodeId>) {
        self.leave_view(now);
        let epoch =
            self.membership.epoch_seen.max(self.membership.promised) + u64::from(!planted(Bug::EpochReused));
        let view = ViewId { epoch, coordinator: self.me };
        self.promise_epoch(epoch);
        let members = self.members_of(set);
        let propose = Message::Propose {
            view,
            members: members.clone(),
            position: self.position,
            is_restored: self.is_restored,
        };
        self.membership.phase = Phase::Proposing(Proposal {
            view,
            members,
            promises: BTreeMap::from([(self.me, self.own_promise(false))]),
            installed: None,
            deadline: now.at + self.links.timing().consensus,
        });
        self.send_others(set, &propose);
        self.install_if_promised(now);
    }

    fn promise_epoch(&mut self, epoch: u64) {
        self.membership.promised = epoch;
        self.membership.epoch_seen = self.membership.epoch_seen.max(epoch);
        self.is_dirty |= !planted(Bug::PromiseNotOnDisk);
    }

    fn own_promise(&self, with_state: bool) -> Promise {
        let is_provisional = |number: &u64| self.provisional.contains(number);
        let entries = self.replica.fencing.iter().filter(|entry| is_provisional(&entry.record.number));
        Promise {
            position: self.position,
            is_restored: self.is_restored,
            is_unblocked: self.is_unblocked,
            quorate: self.replica.votes.quorate.clone(),
            state: with_state.then(|| self.replica.clone()),
            history: if planted(Bug::HistoryForgotten) { Vec::new() } else { self.executor.report() },
            said: self.executor.said.clone(),
            provisional: entries.cloned().collect(),
            attempts: self.attempts.known(),
            is_leaving: self.wants_to_leave,
        }
    }

    pub(crate) fn on_propose(
        &mut self,
        now: Now,
        from: NodeId,
        view: ViewId,
        members: &[Member],
        theirs: (Position, bool),
    ) {
        self.membership.epoch_seen = self.membership.epoch_seen.max(view.epoch);
        if view.coordinator != from || !self.may_promise(now, view, members) {
            let epoch_seen = self.membership.epoch_seen.max(self.membership.promised);
            self.send(from, Message::Refuse { view, epoch_seen });
            return;
        }
        if !planted(Bug::ViewKeptOnPromise) {
            self.leave_view(now);
        }
        self.promise_epoch(view.epoch);
        if !planted(Bug::PromiseKeepsFacts) {
            self.expect_members(members);
        }
        let is_better = (self.position, !self.is_restored) > (theirs.0, !theirs.1);
        let proposer = Member { id: from, session: self.session_of(from) };
        let until = now.at + self.links.timing().consensus * 2;
        self.membership.phase = Phase::Promised { view, proposer, install: None, until };
        let promise = self.own_promise(is_better);
        self.send(from, Message::Promise { view, promise });
    }

    /// From the promise on the others may go on as members without this node hearing of it: whatever was known of their being
    /// off or gone does not hold any more, even if the view never comes to be.
    fn expect_members(&mut self, members: &[Member]) {
        for member in members.iter().filter(|member| member.id != self.me) {
            let fact = NodeFact { fact: Fact::Member, session: member.session, is_fresh: true };
            self.replica.facts.insert(member.id, fact);
        }
    }

    fn may_promise(&self, now: Now, view: ViewId, members: &[Member]) -> bool {
        if matches!(self.membership.phase, Phase::Gone)
            || view.epoch <= self.membership.promised.saturating_sub(u64::from(planted(Bug::PromiseTwice)))
        {
            return false;
        }
        let set: BTreeSet<NodeId> = members.iter().map(|member| member.id).collect();
        let is_complete = set.contains(&self.me) && self.members_of(&set) == members;
        let reaches_all =
            members.iter().filter(|member| member.id != self.me).all(|member| self.is_linked(*member));
        let has_excluded = set.iter().any(|id| *id != self.me && self.is_excluded(now.at, *id));
        if !is_complete || !(reaches_all || planted(Bug::ReachIgnored)) || has_excluded {
            return false;
        }
        let best = self.best_set(now.at, Some((view.coordinator, &set)));
        self.rank(&set) >= self.rank(&best)
    }

    pub(crate) fn on_refuse(&mut self, now: Now, from: NodeId, view: ViewId, epoch_seen: u64) {
        self.membership.epoch_seen = self.membership.epoch_seen.max(epoch_seen);
        let Phase::Proposing(proposal) = &self.membership.phase else { return };
        if proposal.view == view {
            self.note_debug(now, alloc::format!("{} refused view {}", self.name_of(from), view.epoch));
            self.membership.phase = Phase::Gathering { since: now.at };
            self.membership.back_off(now.at, self.me);
            if self.membership.is_homeless_for(now.at, self.patience()) {
                // Better a small view than none: without one nothing is stopped either.
                let consensus = self.links.timing().consensus;
                self.membership.decline(now.at, from, consensus);
            }
        }
    }

    pub(crate) fn on_promise(&mut self, now: Now, from: NodeId, view: ViewId, promise: Promise) {
        let Phase::Proposing(proposal) = &mut self.membership.phase else { return };
        let is_member = proposal.members.iter().any(|member| member.id == from);
        if proposal.view == view && is_member && proposal.installed.is_none() {
            proposal.promises.insert(from, promise);
            self.install_if_promised(now);
        }
    }

    fn install_if_promised(&mut self, now: Now) {
        let Phase::Proposing(proposal) = &self.membership.phase else { return };
        if proposal.installed.is_some() || !proposal.mute().is_empty() {
            return;
        }
        let view = proposal.view;
        let install = self.first_state(now, proposal);
        let set: BTreeSet<NodeId> = install.members.iter().map(|member| member.id).collect();
        self.send_others(&set, &Message::Install { view, install: install.clone() });
        self.take_install(now, &install);
        let deadline = now.at + self.links.timing().consensus;
        if let Phase::Proposing(proposal) = &mut self.membership.phase {
            proposal.installed = Some((install, BTreeSet::from([self.me])));
            proposal.deadline = deadline;
        }
        self.activate_if_installed(now);
    }

    /// What the view starts from: the best state that a member holds, brought up to date by what each member says of itself.
    fn first_state(&self, now: Now, proposal: &Proposal) -> Install {
        let best = proposal.promises.iter().max_by_key(|(id, promise)| {
            (promise.position, !promise.is_restored, promise.state.is_none(), core::cmp::Reverse(**id))
        });
        let (position, base) = match best.filter(|_| !planted(Bug::WorstStateTaken)) {
            Some((_, Promise { position, state: Some(state), .. })) => (*position, state),
            _ => (self.position, &self.replica),
        };
        let mut state = base.clone();
        let present: BTreeSet<NodeId> = proposal.members.iter().map(|member| member.id).collect();

        let provisional = self.merge_provisional(&mut state, proposal);
        forget_unordered(&self.corosync, &mut state, proposal);
        withdraw_unknown_losses(&self.corosync, &mut state, now.wall_ms);
        state.close_settled_fencings(now.wall_ms);
        self.set_facts(now, &mut state, &proposal.members);
        self.set_history(&mut state, proposal);
        self.lose_track_of_attempts(&mut state, proposal);
        state.leaving = leaving(proposal);
        let is_unblocked = proposal.promises.values().any(|promise| promise.is_unblocked);
        state.votes.quorate =
            LastQuorate::together(proposal.promises.values().map(|promise| &promise.quorate));
        let standing = self.ask_quorum(&state.clone(), &present, is_unblocked, |question, left| {
            state.votes.open_view(question, proposal.view.epoch, left)
        });
        let is_primary = standing.is_primary();
        Install {
            members: proposal.members.clone(),
            position: if is_primary { Position { view: proposal.view, seq: 0 } } else { position },
            state,
            provisional: if is_primary { Vec::new() } else { provisional },
            standing,
        }
    }

    /// Fencings of views that were not primary become part of the state. Returns their numbers.
    fn merge_provisional(&self, state: &mut State, proposal: &Proposal) -> Vec<u64> {
        let mut numbers = Vec::new();
        for entry in proposal.promises.values().flat_map(|promise| &promise.provisional) {
            let mut entry = entry.clone();
            let same = |known: &&FenceEntry| {
                let is_of_same_supply = known.record.device == entry.record.device;
                known.record.target == entry.record.target
                    && known.record.requested_ms == entry.record.requested_ms
                    && known.record.action == entry.record.action
                    && (known.record.action != FenceAction::On || is_of_same_supply)
            };
            match state.fencing.iter().find(same) {
                Some(known) if known.is_open() || known.is_switching_on() => {
                    entry.record.number = known.record.number
                }
                Some(_) => continue,
                None if state.fencing_of(entry.record.number).is_some() => {
                    entry.record.number = state.next_fencing_number();
                }
                None => {}
            }
            numbers.push(entry.record.number);
            state.put_fencing(entry);
        }
        numbers
    }

    /// Members are members; whoever was one and is not any more is lost, unless that life of it is confirmed to be over.
    fn set_facts(&self, now: Now, state: &mut State, members: &[Member]) {
        for node in &self.corosync.nodes {
            let known = state.fact(node.id);
            match members.iter().find(|member| member.id == node.id) {
                Some(member) => {
                    withdraw(state, &node.name, now.wall_ms);
                    let fact = NodeFact { fact: Fact::Member, session: member.session, is_fresh: true };
                    state.facts.insert(node.id, fact);
                }
                None if known.is_fresh && state.is_confirmed_off(&node.name, known.session) => {
                    state.set_fenced(&node.name, node.id, known.session);
                }
                None if planted(Bug::LostIsOff) && known.fact == Fact::Member => {
                    state.set_fenced(&node.name, node.id, known.session);
                }
                None if planted(Bug::LostForgotten) && known.fact == Fact::Lost => {
                    state.set_fenced(&node.name, node.id, known.session);
                }
                None if matches!(known.fact, Fact::Member | Fact::Leaving)
                    || planted(Bug::LeftIsLost) && known.fact == Fact::Left =>
                {
                    state.facts.insert(node.id, NodeFact { fact: Fact::Lost, ..known });
                    // It may restart meanwhile. Should it come back as it was, it says it again.
                    state.history.attributes.remove(&node.name);
                }
                None => {}
            }
        }
    }

    /// Each member is the truth about itself.
    fn set_history(&self, state: &mut State, proposal: &Proposal) {
        for (id, promise) in &proposal.promises {
            let name = self.name_of(*id).clone();
            for (attribute, value) in &promise.said {
                state.note_attribute(&name, attribute, value.as_deref());
            }
            state.history.nodes.insert(name, promise.history.iter().cloned().collect());
        }
    }

    /// A device whose driver is gone, or has restarted, may or may not have been used: it is tried again.
    fn lose_track_of_attempts(&self, state: &mut State, proposal: &Proposal) {
        let knows = |entry: &FenceEntry| {
            let by = self.corosync.nodes.iter().find(|node| Some(&node.name) == entry.record.by.as_ref());
            let promise = by.and_then(|by| proposal.promises.get(&by.id));
            promise.is_some_and(|promise| promise.attempts.contains(&(entry.record.number, entry.trials)))
        };
        for entry in state.fencing.iter_mut().filter(|entry| entry.is_open()) {
            if entry.record.state == FencingState::Running && !knows(entry) {
                let why = "the node that used the device is gone".into();
                entry.record.state = FencingState::Failed { why };
            }
        }
    }

    /// Asks about members as that state knows the others; `left` are the absent ones that left cleanly.
    fn ask_quorum(
        &self,
        state: &State,
        members: &BTreeSet<NodeId>,
        is_unblocked: bool,
        answer: impl FnOnce(&Question<'_>, &BTreeSet<NodeId>) -> Standing,
    ) -> Standing {
        let standing = self.ask_by(&self.corosync, state, members, is_unblocked, answer);
        match &self.pending {
            Some(pending) if standing.is_quorate() => Standing {
                inquorate: self
                    .judge_by(&pending.corosync, members)
                    .inquorate
                    .map(|why| format!("by the corosync.conf that is not in force yet: {why}")),
                ..standing
            },
            _ => standing,
        }
    }

    /// How members would stand by that corosync.conf, from the votes that it configures.
    pub(crate) fn judge_by(&self, corosync: &Corosync, members: &BTreeSet<NodeId>) -> Standing {
        let votes = Memory { votes_expected: None, voters: None, ..self.replica.votes.clone() };
        let judge = |question: &Question<'_>, _: &BTreeSet<NodeId>| judge(&votes, question);
        self.ask_by(corosync, &self.replica, members, self.is_unblocked, judge)
    }

    fn ask_by(
        &self,
        corosync: &Corosync,
        state: &State,
        members: &BTreeSet<NodeId>,
        is_unblocked: bool,
        answer: impl FnOnce(&Question<'_>, &BTreeSet<NodeId>) -> Standing,
    ) -> Standing {
        let absent_as = |facts: &[Fact]| -> BTreeSet<NodeId> {
            let fresh = state.facts.iter().filter(|(id, fact)| fact.is_fresh && !members.contains(id));
            fresh.filter(|(_, fact)| facts.contains(&fact.fact)).map(|(id, _)| *id).collect()
        };
        let policy = state.config.properties.get("no-quorum-policy");
        let question = Question {
            corosync,
            members,
            is_unblocked,
            has_device_vote: self.has_device_vote(members),
            ignores_quorum: policy.is_some_and(|policy| policy == "ignore"),
            is_fencing_enabled: state.config.is_fencing_enabled(),
            known_off: &absent_as(&[Fact::Left, Fact::Fenced]),
        };
        answer(&question, &absent_as(&[Fact::Left]))
    }

    /// The device votes for a part of the cluster where it says so to one of it.
    fn has_device_vote(&self, members: &BTreeSet<NodeId>) -> bool {
        let has_vote = |id: &NodeId| {
            let peer = self.links.peer(*id);
            peer.and_then(crate::link::Peer::beat).is_some_and(|beat| beat.has_device_vote)
        };
        members.iter().any(|id| if *id == self.me { self.device_until.is_some() } else { has_vote(id) })
    }

    /// How the same members would stand if the view were formed now.
    pub(crate) fn judge_again(&self, view: &View) -> Standing {
        let members: BTreeSet<NodeId> = view.members.iter().map(|member| member.id).collect();
        let judge = |question: &Question<'_>, _: &BTreeSet<NodeId>| judge(&self.replica.votes, question);
        self.ask_quorum(&self.replica, &members, self.is_unblocked, judge)
    }

    pub(crate) fn on_install(&mut self, now: Now, from: NodeId, view: ViewId, install: Install) {
        let until = {
            let Phase::Promised { view: promised, proposer, install: none @ None, until } =
                &mut self.membership.phase
            else {
                return;
            };
            if *promised != view || proposer.id != from {
                return;
            }
            *none = Some(install.clone());
            until
        };
        // The others have to answer as well.
        *until = *until + self.links.timing().consensus;
        self.take_install(now, &install);
        self.send(from, Message::Installed { view });
    }

    fn take_install(&mut self, now: Now, install: &Install) {
        self.tell_withdrawn(now, install);
        self.replica = install.state.clone();
        self.position = install.position;
        self.provisional = install.provisional.iter().copied().collect();
        self.is_restored = false;
        self.is_unblocked |= install.standing.is_quorate();
        self.is_dirty = true;
    }

    pub(crate) fn on_installed(&mut self, now: Now, from: NodeId, view: ViewId) {
        let Phase::Proposing(proposal) = &mut self.membership.phase else { return };
        if proposal.view == view
            && let Some((_, installed)) = &mut proposal.installed
        {
            installed.insert(from);
            self.activate_if_installed(now);
        }
    }

    fn activate_if_installed(&mut self, now: Now) {
        let Phase::Proposing(proposal) = &self.membership.phase else { return };
        let is_held = proposal.mute().is_empty() || planted(Bug::ActivatedBeforeInstalled);
        let Some((install, _)) = proposal.installed.as_ref().filter(|_| is_held) else {
            return;
        };
        let (view, install) = (proposal.view, install.clone());
        let set: BTreeSet<NodeId> = install.members.iter().map(|member| member.id).collect();
        self.send_others(&set, &Message::Activate { view });
        self.activate(now, view, install);
    }

    pub(crate) fn on_activate(&mut self, now: Now, from: NodeId, view: ViewId) {
        let Phase::Promised { view: promised, proposer, install, .. } = &mut self.membership.phase else {
            return;
        };
        if *promised == view
            && proposer.id == from
            && let Some(install) = install.take()
        {
            self.activate(now, view, install);
        }
    }

    fn activate(&mut self, now: Now, id: ViewId, install: Install) {
        let view = View { id, members: install.members, standing: install.standing };
        self.tell_view(now, &view);
        self.replica.votes.activate_view(id.epoch);
        self.last_primary = view.is_primary().then_some(id).or(self.last_primary);
        self.membership.note_activated(now.at, view);
        self.view_seq = 0;
        self.begin_view(now);
    }

    /// From now on nothing of the activated view is obeyed or ordered.
    pub(crate) fn leave_view(&mut self, now: Now) {
        if let Some(view) = self.membership.view.take() {
            self.membership.former = Some(view);
            self.membership.homeless_since = Some(now.at);
            self.lead = None;
            self.clients.view_ended();
        }
        if !matches!(self.membership.phase, Phase::Gone) {
            self.membership.phase = Phase::Gathering { since: now.at };
        }
    }
}

fn leaving(proposal: &Proposal) -> BTreeSet<NodeId> {
    let asked = proposal.promises.iter().filter(|(_, promise)| promise.is_leaving);
    asked.map(|(id, _)| *id).collect()
}

/// A supply that is being switched on, as far as is known, by a node that lives on and knows nothing of it: the view ended before
/// the order was given. It is owed still, and keeps no fencing waiting.
fn forget_unordered(corosync: &Corosync, state: &mut State, proposal: &Proposal) {
    let facts = &state.facts;
    let driver = |entry: &FenceEntry| {
        let by = corosync.nodes.iter().find(|node| Some(&node.name) == entry.record.by.as_ref())?;
        proposal.members.iter().find(|member| member.id == by.id)
    };
    let is_unknown_to = |entry: &FenceEntry, member: &Member| {
        let lives_on = facts.get(&member.id).is_some_and(|known| known.session == member.session);
        let promise = proposal.promises.get(&member.id);
        let use_of = (entry.record.number, entry.trials);
        lives_on && promise.is_some_and(|promise| !promise.attempts.contains(&use_of))
    };
    state.fencing.retain(|entry| {
        !entry.is_switching_on() || !driver(entry).is_some_and(|member| is_unknown_to(entry, member))
    });
}

/// Somebody prepared a view with a node that has come back, lost it and wants it fenced. The state that goes on knows nothing of
/// that view, so the node was given nothing to do in it: it is off, as it was.
fn withdraw_unknown_losses(corosync: &Corosync, state: &mut State, at_ms: u64) {
    let is_off = |id: NodeId| {
        let known = state.facts.get(&id);
        known.is_some_and(|known| known.is_fresh && matches!(known.fact, Fact::Fenced | Fact::Left))
    };
    let off: Vec<_> = corosync.nodes.iter().filter(|node| is_off(node.id)).map(|node| &node.name).collect();
    let unknown = state.fencing.iter_mut().filter(|entry| {
        let is_begun = entry.record.state == FencingState::Running;
        entry.is_open() && entry.cause == Cause::Loss && !is_begun && off.contains(&&entry.record.target)
    });
    unknown.for_each(|entry| entry.withdraw(at_ms));
}

/// The target is back before a device was used.
fn withdraw(state: &mut State, target: &muster_api::id::NodeName, at_ms: u64) {
    let of_target = state.fencing.iter_mut().filter(|entry| entry.record.target == *target);
    let lost = of_target.filter(|entry| entry.is_open() && entry.cause == Cause::Loss);
    lost.for_each(|entry| entry.withdraw(at_ms));
}
