//! The coordinator of an activated view: numbers commands, runs the policy, walks its transition.

use crate::fencing::drive::Drive;
use crate::message::{Answer, FenceAttempt, Message};
use crate::node::Node;
use crate::planted::{Bug, planted};
use crate::quorum::{last_standing, window};
use crate::recovery::Recovery;
use crate::replica::apply::{Calls, is_failure};
use crate::replica::command::Command;
use crate::replica::sequencer::Sequencer;
use crate::replica::state::Cause;
use crate::schedule::{Action, ActionKind, Report, Situation, Transition, schedule};
use crate::time::{Instant, Now};
use crate::transition::{InFlight, Runner};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::history::{OpRecord, OpStatus, ResourceAction, rc};
use muster_api::id::{NodeId, NodeName, ResourceId};

/// Decisions that may follow each other within one step. More means that two of them undo each other.
const PLANS_MAX: u32 = 20;
/// How long to wait then.
const PLAN_PAUSE: Duration = Duration::from_secs(1);

/// What follows once a command is committed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum After {
    /// A client's answer.
    Answer { origin: NodeId, ticket: u64, answer: Answer },
    /// The order to run an action.
    Order { node: NodeId, action: ResourceAction },
    /// The order to stop repeating a monitor.
    Cancel { node: NodeId, resource: ResourceId, interval_ms: u64 },
    /// The order to use a fence device.
    Fence { by: NodeId, attempt: FenceAttempt },
    /// A member may go.
    Released { node: NodeId },
}

/// The coordinator's own state: gone with its view, rebuilt from the replicated state by the next.
#[derive(Debug)]
pub(crate) struct Lead {
    pub(crate) sequencer: Sequencer<After>,
    pub(crate) drives: BTreeMap<u64, Drive>,
    pub(crate) waiters: Vec<(NodeId, u64)>,
    /// Clients that wait for a node to have left.
    pub(crate) leavers: Vec<(NodeId, u64, NodeId)>,
    pub(crate) recovery: Option<Recovery>,
    runner: Option<Runner>,
    in_flight: Vec<InFlight>,
    /// The world is not as it was when the transition was planned.
    is_stale: bool,
    next_check_ms: Option<u64>,
    /// How often it was decided at that moment.
    plans: u32,
    planned_at: Instant,
    pause_until: Option<Instant>,
    lower_votes_at: Option<Instant>,
}

impl Lead {
    fn new(in_flight: Vec<InFlight>) -> Self {
        Self {
            sequencer: Sequencer::default(),
            drives: BTreeMap::new(),
            waiters: Vec::new(),
            leavers: Vec::new(),
            recovery: None,
            runner: None,
            in_flight,
            is_stale: true,
            next_check_ms: None,
            plans: 0,
            planned_at: Instant(0),
            pause_until: None,
            lower_votes_at: None,
        }
    }

    pub(crate) fn invalidate(&mut self) {
        self.is_stale = true;
    }

    /// Nothing is under way or planned on that node, not even a look at what runs there, and the plan is up to date.
    pub(crate) fn is_done_with(&self, node: &NodeName) -> bool {
        let is_planned = self.runner.as_ref().is_none_or(|runner| runner.has_left_to_do_on(node));
        let is_under_way = self.in_flight.iter().any(|flight| flight.node == *node);
        !self.is_stale && self.sequencer.is_idle() && !is_planned && !is_under_way
    }

    /// That action is not under way any more.
    fn land(&mut self, node: &NodeName, resource: &ResourceId, operation: &str, interval_ms: u64) {
        self.in_flight.retain(|flight| {
            !flight.is_about(node, resource)
                || flight.operation != operation
                || flight.interval_ms != interval_ms
        });
    }

    /// Every command that was given is committed.
    pub(crate) fn is_settled(&self) -> bool {
        self.sequencer.is_idle()
    }

    /// Nothing is under way and nothing is left to do.
    pub(crate) fn is_idle(&self) -> bool {
        let is_walked = self.runner.as_ref().is_some_and(|runner| runner.is_empty() || runner.is_over());
        is_walked && !self.is_stale && self.in_flight.is_empty() && self.sequencer.is_idle()
    }
}

impl Node {
    /// Takes the lead of the view that was just activated.
    pub(crate) fn take_lead(&mut self, now: Now) {
        let mut lead = Lead::new(self.in_flight_by_history());
        lead.lower_votes_at = window(&self.corosync).map(|window| now.at + window);
        self.lead = Some(lead);
    }

    /// What members were doing when the view began.
    fn in_flight_by_history(&self) -> Vec<InFlight> {
        let mut in_flight = Vec::new();
        for (node, resources) in &self.replica.history.nodes {
            if !self.is_member_name(node) {
                continue;
            }
            for (resource, records) in resources {
                let pending = records.iter().filter(|record| record.status == OpStatus::Pending);
                in_flight.extend(pending.map(|record| InFlight {
                    node: node.clone(),
                    resource: resource.clone(),
                    operation: record.operation.clone(),
                    interval_ms: record.interval_ms,
                }));
            }
        }
        in_flight
    }

    /// Numbers a command, applies it here and sends it to the others.
    pub(crate) fn sequence(&mut self, now: Now, command: Command, after: Vec<After>) {
        let Some(view) = self.membership.view.as_ref() else { return };
        if !view.is_primary() && !command.is_for_any_view() {
            return;
        }
        let id = view.id;
        let others: BTreeSet<NodeId> =
            view.members.iter().map(|member| member.id).filter(|id| *id != self.me).collect();
        let Some(lead) = self.lead.as_mut() else { return };
        let seq = lead.sequencer.begin(now.at, others.clone(), after);
        self.apply(now, seq, &command);
        self.send_others(&others, &Message::Command { view: id, seq, command });
    }

    /// The coordinator's turn. Returns whether anything happened.
    pub(crate) fn lead_on(&mut self, now: Now) -> bool {
        if self.lead.is_none() {
            return false;
        }
        let mut has_acted = self.leave_out_the_mute(now);
        has_acted |= self.drive_fencing(now);
        has_acted |= self.plan(now);
        has_acted |= self.advance(now);
        has_acted |= self.release_leavers(now);
        has_acted |= self.lower_votes(now);
        has_acted |= self.spread_configuration(now);
        self.tell_idle(now);
        has_acted
    }

    /// Does what follows from the commands that are committed now. Returns whether there was any.
    pub(crate) fn follow_commits(&mut self) -> bool {
        let Some(lead) = self.lead.as_mut() else { return false };
        let committed = lead.sequencer.take_committed();
        let has_acted = !committed.is_empty();
        let Some(view) = self.membership.view.as_ref().map(|view| view.id) else { return false };
        for after in committed {
            match after {
                After::Answer { origin, ticket, answer } => {
                    self.send(origin, Message::Answer { ticket, answer })
                }
                After::Order { node, action } => self.send(node, Message::Order { view, action }),
                After::Cancel { node, resource, interval_ms } => {
                    self.send(node, Message::CancelMonitor { view, resource, interval_ms });
                }
                After::Fence { by, attempt } => self.send(by, Message::Fence { view, attempt }),
                After::Released { node } => {
                    self.answer_leavers(node);
                }
            }
        }
        has_acted
    }

    /// A member that does not acknowledge in time is left out by a new view.
    fn leave_out_the_mute(&mut self, now: Now) -> bool {
        let consensus = self.links.timing().consensus;
        let oldest = self.lead.as_ref().and_then(|lead| lead.sequencer.oldest());
        let Some((_, missing)) = oldest.filter(|(since, _)| now.at >= *since + consensus) else {
            return false;
        };
        for id in missing.clone() {
            let text = format!("{} does not acknowledge commands and is left out", self.name_of(id));
            self.warn_membership(now, text);
            self.membership.distrust(now.at, id, consensus);
        }
        self.leave_view(now);
        true
    }

    fn plan(&mut self, now: Now) -> bool {
        let is_walked_on = |lead: &Lead| {
            planted(Bug::StalePlanWalked) && lead.runner.as_ref().is_some_and(|runner| !runner.is_over())
        };
        let is_due = |lead: &Lead| {
            let is_paused = lead.pause_until.is_some_and(|until| now.at < until);
            let is_checked = lead.next_check_ms.is_none_or(|at| now.wall_ms < at);
            !is_paused && (lead.is_stale && !is_walked_on(lead) || !is_checked)
        };
        if !self.lead.as_ref().is_some_and(is_due) {
            return false;
        }
        let (transition, report) = self.decide(now);
        self.withdraw_unwanted(now, &transition);
        let transition = self.permitted(transition);
        let limit =
            self.replica.config.properties.get("batch-limit").and_then(|text| text.parse().ok()).unwrap_or(0);
        self.tell_plan(now, &report, &transition);
        let Some(lead) = self.lead.as_mut() else { return false };
        lead.plans = if lead.planned_at == now.at { lead.plans + 1 } else { 1 };
        lead.planned_at = now.at;
        lead.pause_until = (lead.plans > PLANS_MAX).then_some(now.at + PLAN_PAUSE);
        lead.is_stale = false;
        lead.next_check_ms = report.next_check_ms.filter(|at| *at > now.wall_ms);
        lead.runner = Some(Runner::new(transition, limit));
        true
    }

    /// The policy's answer to the present situation.
    pub(crate) fn decide(&self, now: Now) -> (Transition, Report) {
        let is_quorate = self.membership.view.as_ref().is_some_and(|view| view.standing.is_quorate());
        schedule(&Situation {
            config: &self.replica.config,
            facts: &self.replica.facts_by_name(&self.corosync),
            history: &self.replica.history,
            is_quorate,
            now_ms: now.wall_ms,
        })
    }

    /// What of a transition this view may do. One that is not primary starts nothing: it looks what runs, fences where it is
    /// quorate, and stops where it is not, or where a member leaves.
    fn permitted(&self, transition: Transition) -> Transition {
        let Some(view) = &self.membership.view else { return Transition::default() };
        if view.is_primary() || planted(Bug::InquorateStarts) {
            return transition;
        }
        let may_fence = view.standing.may_fence();
        let may_stop = !may_fence && !planted(Bug::InquorateGoesOn) || !self.replica.leaving.is_empty();
        let is_permitted = |action: &Action| match &action.kind {
            ActionKind::Fence { .. } => may_fence,
            ActionKind::Resource { is_probe: true, .. } => true,
            ActionKind::Resource { action, .. } => {
                may_stop && matches!(action.operation.as_str(), "demote" | "stop" | "notify")
            }
            ActionKind::CancelMonitor { .. } => may_stop,
            ActionKind::ForgetFailures { .. } => false,
        };
        let mut places = BTreeMap::new();
        for (index, _) in transition.actions.iter().enumerate().filter(|(_, action)| is_permitted(action)) {
            places.insert(index, places.len());
        }
        let kept = transition.actions.into_iter().enumerate().filter(|(index, _)| places.contains_key(index));
        let renumbered = kept.map(|(_, action)| Action {
            after: action.after.iter().filter_map(|before| places.get(before).copied()).collect(),
            ..action
        });
        Transition { actions: renumbered.collect() }
    }

    /// Begins what is ready.
    fn advance(&mut self, now: Now) -> bool {
        let mut has_acted = false;
        // What was planned for another situation must not be begun.
        while let Some(lead) =
            self.lead.as_mut().filter(|lead| !lead.is_stale || planted(Bug::StalePlanWalked))
        {
            let Some(runner) = lead.runner.as_ref() else { break };
            let ready = runner.ready();
            let mut has_begun = false;
            for index in ready {
                has_begun |= self.begin(now, index);
            }
            has_acted |= has_begun;
            if !has_begun {
                break;
            }
        }
        self.finish_transition();
        has_acted
    }

    /// A transition that is over is checked by deciding again: the second time there must be nothing to do.
    fn finish_transition(&mut self) {
        let Some(lead) = self.lead.as_mut() else { return };
        let is_over = lead.runner.as_ref().is_some_and(|runner| !runner.is_empty() && runner.is_over());
        let is_held = lead.runner.as_ref().is_some_and(|runner| !runner.ready().is_empty());
        if is_over && !is_held {
            lead.is_stale = true;
        }
    }

    fn begin(&mut self, now: Now, index: usize) -> bool {
        let Some(runner) = self.lead.as_mut().and_then(|lead| lead.runner.as_mut()) else { return false };
        let Some(kind) = runner.kind(index).cloned() else { return false };
        match kind {
            ActionKind::Resource { node, action, .. } => self.begin_resource(now, index, node, action),
            ActionKind::CancelMonitor { node, resource, interval_ms } => {
                runner.end(index, true);
                let Some(id) = self.id_of(&node) else { return true };
                // Where it was ordered and has not answered yet it never will.
                if let Some(lead) = self.lead.as_mut() {
                    lead.land(&node, &resource, "monitor", interval_ms);
                }
                let after = After::Cancel { node: id, resource: resource.clone(), interval_ms };
                self.sequence(now, Command::Cancelled { node, resource, interval_ms }, alloc::vec![after]);
                true
            }
            ActionKind::Fence { node, off } => {
                let why = String::from(runner.why(index));
                runner.begin(index);
                self.open_fencing(now, &node, off, &why, Cause::Policy);
                true
            }
            ActionKind::ForgetFailures { node, resource } => {
                runner.end(index, true);
                self.sequence(now, Command::ForgetFailures { node, resource }, Vec::new());
                true
            }
        }
    }

    fn begin_resource(&mut self, now: Now, index: usize, node: NodeName, action: ResourceAction) -> bool {
        let member = self.id_of(&node).filter(|_| self.is_member_name(&node));
        let Some(lead) = self.lead.as_mut() else { return false };
        let Some(runner) = lead.runner.as_mut() else { return false };
        let Some(member) = member else {
            runner.end(index, false);
            return true;
        };
        if lead.in_flight.iter().any(|flight| flight.is_of(&node, &action)) {
            runner.begin(index);
            return true;
        }
        let is_busy = lead.in_flight.iter().any(|flight| flight.is_about(&node, &action.resource));
        if is_busy && !planted(Bug::OrderedTwice) {
            // It waits for the end of what is under way there; that end makes a new plan.
            return false;
        }
        runner.begin(index);
        lead.in_flight.push(InFlight {
            node: node.clone(),
            resource: action.resource.clone(),
            operation: action.operation.clone(),
            interval_ms: action.interval_ms,
        });
        let after = After::Order { node: member, action: action.clone() };
        self.sequence(now, Command::Ordered { node, action, at_ms: now.wall_ms }, alloc::vec![after]);
        true
    }

    /// A member reports the end of an action, or that a monitor's result changed.
    pub(crate) fn on_ended(&mut self, now: Now, from: NodeId, resource: ResourceId, record: OpRecord) {
        let node = self.name_of(from).clone();
        let known = self.replica.history.nodes.get(&node).and_then(|resources| resources.get(&resource));
        if known.is_some_and(|records| records.contains(&record)) {
            return;
        }
        let command = Command::Record {
            node: node.clone(),
            resource: resource.clone(),
            record: record.clone(),
            seen_ms: now.wall_ms,
        };
        self.sequence(now, command, Vec::new());
        let is_started = record.operation == "start" && !is_failure(&record);
        let Some(lead) = self.lead.as_mut() else { return };
        if let Some(recovery) = lead.recovery.as_mut().filter(|_| is_started) {
            recovery.note_started(now.at, &resource, &node);
        }
        lead.land(&node, &resource, &record.operation, record.interval_ms);
        let place = lead
            .runner
            .as_ref()
            .and_then(|runner| runner.in_flight(&node, &resource, &record.operation, record.interval_ms));
        let (Some(runner), Some(index)) = (lead.runner.as_mut(), place) else {
            lead.is_stale = true;
            return;
        };
        let is_probe = record.operation == "monitor" && record.interval_ms == 0;
        let is_success = !is_failure(&record);
        runner.end(index, is_success);
        // A probe that finds what was not expected changes the plan.
        lead.is_stale |= !is_success || (is_probe && record.rc != Some(rc::NOT_RUNNING));
    }

    /// A member says what an agent there says of it.
    pub(crate) fn on_attribute(&mut self, now: Now, from: NodeId, name: String, value: Option<String>) {
        let node = self.name_of(from).clone();
        let known = self.replica.history.attributes.get(&node).and_then(|attributes| attributes.get(&name));
        if known == value.as_ref() {
            return;
        }
        self.sequence(now, Command::Attribute { node, name, value }, Vec::new());
        if let Some(lead) = self.lead.as_mut() {
            lead.is_stale = true;
        }
    }

    /// A fencing is confirmed. Where it is of the life that the transition knows, that goes on; the end of an earlier one says
    /// nothing of what happened since.
    pub(crate) fn fencing_confirmed(&mut self, now: Now, target: &NodeName, session: u64) {
        self.last_fenced = Some((now.at, target.clone()));
        let is_present_life = self.id_of(target).is_some_and(|id| self.replica.fact(id).session == session);
        let Some(lead) = self.lead.as_mut() else { return };
        if !is_present_life && !planted(Bug::EarlierLifeConfirmed) {
            lead.is_stale = true;
            return;
        }
        // What is under way on a member is kept: it may be the node's next life. Where it is not, its view ends.
        if let Some(recovery) = &mut lead.recovery {
            recovery.note_fenced(now.at, target);
        }
        let Some(runner) = lead.runner.as_mut() else { return };
        match runner.fencing_in_flight(target) {
            Some(index) => runner.end(index, true),
            None => lead.is_stale = true,
        }
    }

    /// `last_man_standing`: after the window the expected votes are those that are present.
    fn lower_votes(&mut self, now: Now) -> bool {
        let Some(view) = self.membership.view.as_ref().filter(|view| view.is_primary()) else { return false };
        let votes = last_standing(&self.corosync, &view.standing);
        let Some(lead) = self.lead.as_mut() else { return false };
        let is_due = lead.lower_votes_at.is_some_and(|at| now.at >= at);
        if !is_due {
            return false;
        }
        lead.lower_votes_at = None;
        let Some(votes) = votes else { return false };
        self.sequence(now, Command::ExpectVotes(votes), Vec::new());
        true
    }

    /// Nothing is left to do: tell those who wait for it.
    fn tell_idle(&mut self, now: Now) {
        let is_primary = self.membership.view.as_ref().is_some_and(crate::membership::view::View::is_primary);
        let has_open = self.replica.fencing.iter().any(crate::replica::state::FenceEntry::is_open);
        let generation = self.replica.config.generation;
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.is_idle() && is_primary && !has_open) else {
            return;
        };

        let waiters = core::mem::take(&mut lead.waiters);
        let recovery = lead.recovery.take();
        for (origin, ticket) in waiters {
            self.send(origin, Message::Answer { ticket, answer: Answer::Done { generation, note: None } });
        }
        if let Some(recovery) = recovery {
            self.tell_recovery(now, &recovery);
        }
    }

    /// When the coordinator must be called again.
    pub(crate) fn lead_deadline(&self, now: Now) -> Option<Instant> {
        let lead = self.lead.as_ref()?;
        let in_ms = |ms: u64| now.at + Duration::from_millis(ms.saturating_sub(now.wall_ms).max(1));
        let acknowledged = lead.sequencer.oldest().map(|(since, _)| since + self.links.timing().consensus);
        let check = lead.next_check_ms.map(in_ms);
        let deadlines =
            [acknowledged, check, lead.pause_until, lead.lower_votes_at, self.fencing_deadline(now.at)];
        deadlines.into_iter().flatten().filter(|at| *at > now.at).min()
    }

    /// The highest call that the cluster knows of this node.
    pub(crate) fn last_call_here(&self) -> u64 {
        self.replica.history.last_call(self.name_of(self.me))
    }
}
