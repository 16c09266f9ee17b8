//! A node whose supplies were all switched off is switched on again, supply by supply. Each is a record like a fencing's own: a
//! supply that comes back between two that are switched off would make the confirmation a lie, so whoever coordinates must
//! know what may still be on its way.

use super::devices::{Level, levels, timeout_ms};
use crate::lead::After;
use crate::message::FenceAttempt;
use crate::node::Node;
use crate::replica::command::Command;
use crate::replica::state::{Cause, FenceEntry};
use crate::time::Now;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::fencing::{FenceAction, FenceDevice, FencingRecord, FencingState};
use muster_api::status::Fact;

impl Node {
    /// Begins what is owed and gives up what was not answered. Returns whether anything happened.
    pub(super) fn switch_on_again(&mut self, now: Now) -> bool {
        let owed: Vec<FenceEntry> =
            self.replica.fencing.iter().filter(|entry| self.is_owed(entry)).cloned().collect();
        let begun: Vec<FenceEntry> =
            self.replica.fencing.iter().filter(|entry| entry.is_switching_on()).cloned().collect();
        let mut has_acted = !owed.is_empty();
        for entry in owed {
            self.switch_on_all(now, &entry);
        }
        for entry in begun {
            let Some(target) = self.id_of(&entry.record.target) else { continue };
            if now.at >= self.due_of(now, &entry, target) {
                has_acted = true;
                self.end_switching_on(now, entry, Err("the device did not answer in time".to_string()));
            }
        }
        has_acted
    }

    /// The last fencing of a node that is off was a reboot, by switching all its supplies off.
    fn is_owed(&self, entry: &FenceEntry) -> bool {
        let record = &entry.record;
        let fact = self.id_of(&record.target).map(|id| self.replica.fact(id));
        let is_off = fact.is_some_and(|fact| fact.fact == Fact::Fenced && fact.session == entry.session);
        let is_later = |other: &FenceEntry| {
            let is_end = other.is_confirmed() || other.record.action == FenceAction::On;
            other.record.target == record.target && other.record.number > record.number && is_end
        };
        is_off
            && record.state == FencingState::Confirmed
            && self.level_of(entry).is_some_and(|level| level.action(record.action) != record.action)
            && !self.replica.fencing.iter().any(is_later)
    }

    fn level_of(&self, entry: &FenceEntry) -> Option<Level> {
        levels(&self.replica.config, &entry.record.target).get(entry.cursor.0 as usize).cloned()
    }

    fn switch_on_all(&mut self, now: Now, entry: &FenceEntry) {
        for device in self.level_of(entry).map(|level| level.devices).unwrap_or_default() {
            self.switch_on(now, entry, device);
        }
    }

    fn switch_on(&mut self, now: Now, fencing: &FenceEntry, device: FenceDevice) {
        let Some(target) = self.id_of(&fencing.record.target) else { return };
        let Some(by) = self.driver_for(fencing, target) else { return };
        let record = FencingRecord {
            number: self.replica.next_fencing_number(),
            target: fencing.record.target.clone(),
            action: FenceAction::On,
            reason: String::from("all its supplies were switched off"),
            by: Some(self.name_of(by).clone()),
            device: Some(device.id.clone()),
            requested_ms: now.wall_ms,
            ended_ms: None,
            state: FencingState::Running,
        };
        let attempt = FenceAttempt {
            number: record.number,
            trial: 1,
            timeout_ms: timeout_ms(&self.replica.config, &device, FenceAction::On),
            device,
            target,
            action: FenceAction::On,
        };
        let (session, cursor) = (fencing.session, fencing.cursor);
        let entry = FenceEntry { record, session, cause: Cause::Loss, trials: 1, rounds: 0, cursor };
        self.sequence(now, Command::Fencing(entry), alloc::vec![After::Fence { by, attempt }]);
    }

    /// Who says that it failed may do it yet: its time is waited for.
    pub(super) fn supply_answered(&mut self, now: Now, entry: FenceEntry, result: Result<(), String>) {
        if result.is_ok() {
            self.end_switching_on(now, entry, result);
        }
    }

    fn end_switching_on(&mut self, now: Now, mut entry: FenceEntry, result: Result<(), String>) {
        entry.record.ended_ms = Some(now.wall_ms);
        entry.record.state = match result {
            Ok(()) => FencingState::Confirmed,
            Err(why) => FencingState::Failed { why },
        };
        self.sequence(now, Command::Fencing(entry), Vec::new());
    }
}
