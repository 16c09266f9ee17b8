//! The coordinator's walk from a request to a confirmation: wait, use a device, next device, next level, again. Every stage
//! is a committed record first, so that another coordinator goes on where this one stopped, and a node is not fenced
//! twice for one loss. Of several supplies each must be off for the same life of the target.

use super::delay::{Delay, Side, Split, delay};
use super::devices::{Level, levels, timeout_ms};
use crate::effect::Effect;
use crate::input::AttemptId;
use crate::lead::After;
use crate::message::{FenceAttempt, Message};
use crate::node::Node;
use crate::planted::{Bug, planted};
use crate::replica::command::Command;
use crate::replica::state::{Cause, FenceEntry, State};
use crate::schedule::{ActionKind, Transition};
use crate::time::{Instant, Now};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::duration::parse_ms;
use muster_api::fencing::{FenceAction, FencingRecord, FencingState};
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::status::{Fact, Level as EventLevel};

/// Between two rounds through all levels.
const ROUND_PAUSE: Duration = Duration::from_secs(1);
/// The same once `stonith-max-attempts` is reached.
const LONG_PAUSE: Duration = Duration::from_secs(60);
/// Beyond a device's own time limit, for the way there and back.
const TIMEOUT_SLACK: Duration = Duration::from_secs(5);
/// `dc-deadtime`: how long a node that was not seen since the cluster started may take to come before it is fenced.
const STARTUP_WAIT_MS: u64 = 20_000;

/// When an open fencing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drive {
    /// A device is used then, or has not answered until then.
    due: Instant,
    /// Which stage it was computed for: the state, how often a device was used, how often all levels have failed.
    stage: (FencingState, u32, u32),
    /// The target is back but not merged: it is spared until then.
    spare_until: Option<Instant>,
}

/// Uses of devices on this node.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    next: u64,
    running: BTreeMap<AttemptId, FenceAttempt>,
    /// Results until the record shows that the coordinator has them.
    results: Vec<(FenceAttempt, Result<(), String>)>,
}

impl Attempts {
    pub(crate) fn known(&self) -> Vec<(u64, u32)> {
        let results = self.results.iter().map(|(attempt, _)| attempt);
        self.running.values().chain(results).map(|attempt| (attempt.number, attempt.trial)).collect()
    }
}

/// Whether a device is at work on a node that is not a member: it must not join before the result is known.
pub(crate) fn is_being_fenced<'a>(state: &State, fact: Fact, name: impl Fn() -> &'a NodeName) -> bool {
    let is_member = matches!(fact, Fact::Member | Fact::Leaving);
    let mut at_work = state.fencing.iter().filter(|entry| entry.is_open());
    !is_member
        && at_work.any(|entry| entry.record.state == FencingState::Running && entry.record.target == *name())
}

impl Node {
    /// Opens a fencing, unless one is open already.
    pub(crate) fn open_fencing(
        &mut self,
        now: Now,
        target: &NodeName,
        off: bool,
        reason: &str,
        cause: Cause,
    ) {
        let Some(id) = self.id_of(target) else { return };
        if let Some(open) = self.replica.open_fencing(target) {
            if cause == Cause::Person && open.cause == Cause::Policy {
                let entry = FenceEntry { cause, ..open.clone() };
                self.sequence(now, Command::Fencing(entry), Vec::new());
            }
            return;
        }
        let wants_off =
            off || self.replica.config.properties.get("stonith-action").is_some_and(|action| action == "off");
        let record = FencingRecord {
            number: self.replica.next_fencing_number(),
            target: target.clone(),
            action: if wants_off { FenceAction::Off } else { FenceAction::Reboot },
            reason: String::from(if planted(Bug::FencedWithoutReason) { "" } else { reason }),
            by: None,
            device: None,
            requested_ms: now.wall_ms,
            ended_ms: None,
            state: FencingState::Pending,
        };
        let fact = self.replica.fact(id);
        let is_member = matches!(fact.fact, Fact::Member | Fact::Leaving);
        let cause = if is_member { cause } else { Cause::Loss };
        let entry = FenceEntry { record, session: fact.session, cause, trials: 0, rounds: 0, cursor: (0, 0) };
        self.sequence(now, Command::Fencing(entry), Vec::new());
    }

    /// What the policy does not ask for any more is withdrawn, where no device is at work: the target left, or a person has
    /// seen to what was wrong with it.
    pub(crate) fn withdraw_unwanted(&mut self, now: Now, transition: &Transition) {
        if !self.may_fence() {
            return;
        }
        let is_wanted = |target: &NodeName| {
            let kinds = transition.actions.iter().map(|action| &action.kind);
            kinds.into_iter().any(|kind| matches!(kind, ActionKind::Fence { node, .. } if node == target))
        };
        let is_unwanted = |entry: &&FenceEntry| {
            let is_at_work = entry.record.state == FencingState::Running;
            entry.is_open() && !is_at_work && entry.cause != Cause::Person && !is_wanted(&entry.record.target)
        };
        let unwanted: Vec<FenceEntry> = self.replica.fencing.iter().filter(is_unwanted).cloned().collect();
        for mut entry in unwanted {
            entry.withdraw(now.wall_ms);
            self.sequence(now, Command::Fencing(entry), Vec::new());
        }
    }

    /// Moves every open fencing on. Returns whether anything happened.
    pub(crate) fn drive_fencing(&mut self, now: Now) -> bool {
        if !self.may_fence() || planted(Bug::FencedNever) {
            return false;
        }
        let open: Vec<FenceEntry> =
            self.replica.fencing.iter().filter(|entry| entry.is_open()).cloned().collect();
        let mut has_acted = self.switch_on_again(now);
        for entry in open {
            has_acted |= self.drive_one(now, entry);
        }
        has_acted
    }

    /// Without quorum nobody is fenced, whatever was under way before; and not by those who all leave themselves.
    fn may_fence(&self) -> bool {
        self.membership.view.as_ref().is_some_and(|view| {
            let stays = view.members.iter().any(|member| !self.replica.leaving.contains(&member.id));
            (view.standing.may_fence() || planted(Bug::FencedWithoutQuorum)) && stays
        })
    }

    fn drive_one(&mut self, now: Now, entry: FenceEntry) -> bool {
        let Some(target) = self.id_of(&entry.record.target) else { return false };
        let due = self.due_of(now, &entry, target);
        if now.at < due {
            return false;
        }
        match &entry.record.state {
            FencingState::Running => {
                self.fence_failed(now, entry, "the node that uses the device did not answer in time".into());
            }
            // What is switched on late must not come between the supplies that are switched off.
            _ if self.replica.is_switching_on(&entry.record.target)
                || self.is_spared(now, &entry, target) =>
            {
                return false;
            }
            _ => self.use_device(now, entry, target),
        }
        true
    }

    /// When the entry goes on; computed once for each of its stages.
    pub(super) fn due_of(&mut self, now: Now, entry: &FenceEntry, target: NodeId) -> Instant {
        let stage = (entry.record.state.clone(), entry.trials, entry.rounds);
        let known = self.lead.as_ref().and_then(|lead| lead.drives.get(&entry.record.number));
        if let Some(drive) = known.filter(|drive| drive.stage == stage) {
            return drive.due;
        }
        let spare_until = known.and_then(|drive| drive.spare_until);
        let due = match &entry.record.state {
            FencingState::Running => now.at + self.device_time(entry) + TIMEOUT_SLACK,
            FencingState::Failed { .. } => now.at + self.pause(entry),
            _ => self.first_due(now, entry, target),
        };
        if let Some(lead) = &mut self.lead {
            lead.drives.insert(entry.record.number, Drive { due, stage, spare_until });
        }
        due
    }

    fn device_time(&self, entry: &FenceEntry) -> Duration {
        let config = &self.replica.config;
        let device =
            config.fence_devices.iter().find(|device| Some(&device.id) == entry.record.device.as_ref());
        Duration::from_millis(device.map_or(0, |device| timeout_ms(config, device, entry.record.action)))
    }

    pub(crate) fn pause(&self, entry: &FenceEntry) -> Duration {
        let written = self.replica.config.properties.get("stonith-max-attempts");
        let max = written.and_then(|text| text.parse().ok()).unwrap_or(10);
        if entry.rounds >= max { LONG_PAUSE } else { ROUND_PAUSE }
    }

    fn first_due(&mut self, now: Now, entry: &FenceEntry, target: NodeId) -> Instant {
        let Delay { duration, why } = self.fencing_delay(entry, target);
        if let Some(why) = why {
            let text = format!("fencing {} waits {} ms: {why}", entry.record.target, duration.as_millis());
            self.note_fencing(now, EventLevel::Info, &entry.record.target, text);
        }
        let due = now.at + duration;
        let fact = self.replica.fact(target);
        if fact.is_fresh && fact.fact != Fact::NeverSeen {
            return due;
        }
        let written = self.replica.config.properties.get("dc-deadtime").and_then(|text| parse_ms(text));
        let startup = self.started.at + Duration::from_millis(written.unwrap_or(STARTUP_WAIT_MS));
        if startup > due {
            let text = format!(
                "{} was not seen since the agents started; it has {} s left to come before it is fenced (`dc-deadtime`)",
                entry.record.target,
                (startup - now.at).as_secs()
            );
            self.note_fencing(now, EventLevel::Info, &entry.record.target, text);
        }
        due.max(startup)
    }

    fn fencing_delay(&mut self, entry: &FenceEntry, target: NodeId) -> Delay {
        let random = self.next_random();
        let none = Delay { duration: Duration::ZERO, why: None };
        let levels = levels(&self.replica.config, &entry.record.target);
        let Some(device) = levels.first().and_then(|level| level.devices.first()) else { return none };
        let Some(view) = &self.membership.view else { return none };
        let total: u32 = self.corosync.nodes.iter().map(|node| node.votes).sum();
        delay(&Split {
            config: &self.replica.config,
            history: &self.replica.history,
            token: self.links.timing().token,
            me: Side { id: self.me, name: self.name_of(self.me) },
            target: Side { id: target, name: &entry.record.target },
            is_even: view.standing.votes_present * 2 <= total,
            device,
            random,
        })
    }

    /// A lost node that answers again is given the time to merge.
    fn is_spared(&mut self, now: Now, entry: &FenceEntry, target: NodeId) -> bool {
        let is_member = matches!(self.replica.fact(target).fact, Fact::Member | Fact::Leaving);
        let is_back = self.links.peer(target).is_some_and(|peer| peer.is_linked());
        let patience = self.patience();
        let Some(drive) = self.lead.as_mut().and_then(|lead| lead.drives.get_mut(&entry.record.number))
        else {
            return false;
        };
        if is_member || !is_back {
            drive.spare_until = None;
            return false;
        }
        now.at < *drive.spare_until.get_or_insert(now.at + patience)
    }

    fn use_device(&mut self, now: Now, mut entry: FenceEntry, target: NodeId) {
        if !self.may_fence() {
            // The next view that may goes on with this device.
            return self.sequence(now, Command::Fencing(entry), Vec::new());
        }
        // The target may have restarted since the request: the device ends the life that is there now. What was switched off of
        // a former life does not count for it.
        let session = self.replica.fact(target).session;
        if entry.session != session {
            (entry.session, entry.cursor.1) = (session, 0);
        }
        let levels = levels(&self.replica.config, &entry.record.target);
        let Some(device) = device_at(&levels, entry.cursor) else {
            if entry.rounds == 0 || !matches!(entry.record.state, FencingState::Failed { .. }) {
                let why = format!("no fence device can fence {}", entry.record.target);
                self.fence_failed(now, entry, why);
            } else {
                entry.rounds += 1;
                self.sequence(now, Command::Fencing(entry), Vec::new());
            }
            return;
        };
        let device = device.clone();
        let action = levels[entry.cursor.0 as usize].action(entry.record.action);
        let Some(by) = self.driver_for(&entry, target) else {
            return self.fence_failed(now, entry, "no other member could use a device".into());
        };
        entry.trials += 1;
        entry.record.state = FencingState::Running;
        entry.record.by = Some(self.name_of(by).clone());
        entry.record.device = Some(device.id.clone());
        let timeout_ms = timeout_ms(&self.replica.config, &device, action);
        let attempt = FenceAttempt {
            number: entry.record.number,
            trial: entry.trials,
            device,
            target,
            action,
            timeout_ms,
        };
        self.sequence(now, Command::Fencing(entry), alloc::vec![After::Fence { by, attempt }]);
    }

    /// The coordinator itself first, then the other members in turn: another one may reach the device.
    pub(super) fn driver_for(&self, entry: &FenceEntry, target: NodeId) -> Option<NodeId> {
        let view = self.membership.view.as_ref()?;
        let others = view.members.iter().map(|member| member.id).filter(|id| *id != self.me);
        let all: Vec<NodeId> = core::iter::once(self.me).chain(others).filter(|id| *id != target).collect();
        all.get(entry.rounds as usize % all.len().max(1)).copied()
    }

    /// A member is told to use a device.
    pub(crate) fn begin_attempt(&mut self, now: Now, attempt: FenceAttempt) {
        let entry = self.replica.fencing_of(attempt.number);
        let is_wanted = entry.is_some_and(|entry| {
            entry.record.state == FencingState::Running && entry.trials == attempt.trial
        });
        if !is_wanted {
            // It was confirmed by hand or withdrawn in the meantime.
            return;
        }
        self.attempts.next += 1;
        let id = AttemptId(self.attempts.next);
        let target = self.name_of(attempt.target).clone();
        let what = if attempt.action == FenceAction::On { "switch on" } else { "fence" };
        let text = format!("{} is told to {what} {target}", attempt.device.id);
        self.note_fencing(now, EventLevel::Info, &target, text);
        self.attempts.running.insert(id, attempt.clone());
        self.effects.push(Effect::Fence {
            attempt: id,
            device: attempt.device,
            target,
            target_id: attempt.target,
            action: attempt.action,
            timeout_ms: attempt.timeout_ms,
        });
    }

    /// A device has answered here.
    pub(crate) fn on_fence_ended(&mut self, now: Now, id: AttemptId, result: Result<(), String>) {
        let Some(attempt) = self.attempts.running.remove(&id) else { return };
        if planted(Bug::FencedTwice) && result.is_ok() {
            self.begin_attempt(now, attempt.clone());
        }
        if result.is_ok() && attempt.action != FenceAction::On {
            self.bury_target(now, &attempt);
        }
        self.attempts.results.push((attempt, result));
        self.report_attempts();
    }

    /// Whoever is off is not waited for: least of all the coordinator, that the result would be told to.
    fn bury_target(&mut self, now: Now, attempt: &FenceAttempt) {
        let Some(entry) = self.replica.fencing_of(attempt.number) else { return };
        let session = entry.session;
        let levels = levels(&self.replica.config, &entry.record.target);
        let is_last = levels.get(entry.cursor.0 as usize).is_some_and(|level| level.devices.len() == 1);
        if is_last {
            self.links.bury(now.at, attempt.target, session);
        }
    }

    /// Tells the coordinator what devices have answered; again in each view, until the record shows it.
    pub(crate) fn report_attempts(&mut self) {
        let replica = &self.replica;
        self.attempts.results.retain(|(attempt, _)| {
            replica.fencing_of(attempt.number).is_none_or(|entry| {
                entry.trials == attempt.trial && entry.record.state == FencingState::Running
            })
        });
        let Some(view) = self.membership.view.as_ref().map(|view| view.id) else { return };
        for (attempt, result) in self.attempts.results.clone() {
            let (number, trial, device) = (attempt.number, attempt.trial, attempt.device.id);
            self.send(view.coordinator, Message::Fenced { view, number, trial, device, result });
        }
    }

    /// The coordinator learns what came of a device.
    pub(crate) fn on_fenced(
        &mut self,
        now: Now,
        number: u64,
        trial: u32,
        device: &ResourceId,
        result: Result<(), String>,
    ) {
        let Some(entry) = self.replica.fencing_of(number).cloned() else { return };
        if entry.trials != trial || entry.record.state != FencingState::Running {
            return;
        }
        match result {
            result if entry.is_switching_on() => self.supply_answered(now, entry, result),
            Ok(()) => self.device_succeeded(now, entry),
            Err(why) => {
                let text = format!("{device} could not fence {}: {why}", entry.record.target);
                self.note_fencing(now, EventLevel::Error, &entry.record.target, text.clone());
                self.device_failed(now, entry, text);
            }
        }
    }

    fn device_succeeded(&mut self, now: Now, mut entry: FenceEntry) {
        let levels = levels(&self.replica.config, &entry.record.target);
        let next = (entry.cursor.0, entry.cursor.1 + 1);
        if device_at(&levels, next).is_some() {
            entry.cursor = next;
            // The same stage again, with the next device of the level.
            entry.record.state = FencingState::Pending;
            let Some(target) = self.id_of(&entry.record.target) else { return };
            return self.use_device(now, entry, target);
        }
        self.confirm(now, entry, FencingState::Confirmed);
    }

    fn device_failed(&mut self, now: Now, mut entry: FenceEntry, why: String) {
        let levels = levels(&self.replica.config, &entry.record.target);
        let next = (entry.cursor.0 + 1, 0);
        if device_at(&levels, next).is_none() {
            return self.fence_failed(now, entry, why);
        }
        entry.cursor = next;
        entry.record.state = FencingState::Pending;
        let Some(target) = self.id_of(&entry.record.target) else { return };
        self.use_device(now, entry, target);
    }

    /// All levels have failed: begin again after a pause.
    fn fence_failed(&mut self, now: Now, mut entry: FenceEntry, why: String) {
        entry.rounds += 1;
        entry.cursor = (0, 0);
        entry.record.state = FencingState::Failed { why };
        self.sequence(now, Command::Fencing(entry), Vec::new());
    }

    /// The node is off.
    pub(crate) fn confirm(&mut self, now: Now, mut entry: FenceEntry, state: FencingState) {
        let target = entry.record.target.clone();
        entry.record.state = state;
        entry.record.ended_ms = Some(now.wall_ms);
        let session = entry.session;
        self.sequence(now, Command::Fencing(entry), Vec::new());
        if let Some(id) = self.id_of(&target) {
            self.links.bury(now.at, id, session);
        }
        self.fencing_confirmed(now, &target, session);
    }

    /// The next moment at which an open fencing goes on.
    pub(crate) fn fencing_deadline(&self, now: Instant) -> Option<Instant> {
        let lead = self.lead.as_ref()?;
        let is_open = |number: &u64| self.replica.fencing_of(*number).is_some_and(FenceEntry::is_open);
        let drives = lead.drives.iter().filter(|(number, _)| is_open(number)).map(|(_, drive)| drive);
        drives.flat_map(|drive| [Some(drive.due), drive.spare_until]).flatten().filter(|at| *at > now).min()
    }
}

fn device_at(levels: &[Level], cursor: (u32, u32)) -> Option<&muster_api::fencing::FenceDevice> {
    levels.get(cursor.0 as usize)?.devices.get(cursor.1 as usize)
}
