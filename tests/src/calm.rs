//! The second phase of a run: the faults stop, and the cluster must become whole again by itself. A person does only
//! what persons do: switches on what stays off, restores the configuration, and forgets failures.

use crate::client::{Change, Wish};
use crate::executor::Trouble;
use crate::world::{Happening, World};
use muster_api::control::Request;
use muster_api::status::Fact;
use std::time::Duration;

/// How long all must have been calm.
const CALM_SECONDS: u32 = 4;

impl World {
    /// Every machine is in one primary view, nothing is cut and nothing is under way.
    pub fn is_calm(&self) -> bool {
        self.is_one_view() && self.network.is_whole() && self.is_idle()
    }

    fn is_one_view(&self) -> bool {
        let Some(first) = self.machines.first().and_then(|machine| machine.seen()) else { return false };
        let is_in = |machine: &crate::machine::Machine| {
            machine.is_on
                && machine.is_awake()
                && !(machine.disk.is_full || machine.disk.is_read_only)
                && machine.seen().is_some_and(|seen| seen.view == first.view)
        };
        first.view.is_some()
            && first.is_primary
            && first.members.len() == self.machines.len()
            && self.machines.iter().all(is_in)
    }

    fn is_idle(&self) -> bool {
        let coordinators = self.machines.iter().filter_map(|machine| {
            machine.seen().filter(|seen| seen.view.is_some_and(|view| view.coordinator == machine.id))
        });
        let is_idle = coordinators.into_iter().all(|seen| {
            seen.is_idle && !seen.has_open_fencing && seen.facts.values().all(|fact| *fact == Fact::Member)
        });
        is_idle && self.machines.iter().all(|machine| machine.executor.is_idle())
    }

    /// Whatever was wrong with machines is over once all was calm for so long that nobody can still be about to be lost.
    pub(crate) fn forget_suspicions_when_calm(&mut self) {
        if !self.is_calm() {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(self.at);
        if self.at - since > self.plan.token() * 2 {
            self.forget_suspicions();
        }
    }

    fn forget_suspicions(&mut self) {
        if self.plan.quality.loss > 0 || self.plan.quality.spikes > 0 {
            return;
        }
        for machine in &mut self.machines {
            machine.suspicion = None;
        }
        self.ledger.asked_to_fence.clear();
    }

    /// Ends all faults.
    pub fn heal(&mut self) {
        self.is_healed = true;
        self.ledger.watch = None;
        if self.trace.is_kept() {
            self.trace.note(self.at, "--", "all faults end");
        }
        self.network.heal();
        self.note_who_is_apart();
        for index in 0..self.machines.len() {
            let machine = &mut self.machines[index];
            machine.executor.trouble = Trouble::default();
            machine.disk.is_slow = false;
            machine.disk.is_full = false;
            machine.disk.is_read_only = false;
            machine.is_held_off = false;
            self.suspect(index, "there were faults");
            if self.machines[index].agent.as_ref().is_some_and(|agent| agent.frozen_until.is_some()) {
                self.thaw(index);
            }
            if self.machines[index].has_left {
                self.start_agent(index);
            }
        }
    }

    /// L1: once faults stop, within a bounded simulated time all reachable nodes share one view and every resource that can
    /// run runs.
    pub fn heal_and_check(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.heal();
        let patience = (self.plan.token() + self.plan.consensus()) * 12 + self.plan.boot_max * 3;
        // Devices that are still at work (20 s), the pause after too many attempts (60 s), `dc-deadtime` (20 s), and
        // then the actions of the resources, each of them once or twice.
        let until = self.at + patience + Duration::from_secs(240);
        let mut off_since = vec![0; self.machines.len()];
        let mut calm = 0;
        while calm < CALM_SECONDS && self.violation.is_none() {
            if self.at > until {
                let what = self.what_is_missing();
                return self.violate("L1", what);
            }
            let starts = (self.tally.of("start"), self.tally.of("stop"));
            self.run_until(self.at + Duration::from_secs(1));
            self.operate(&mut off_since);
            let is_silent = starts == (self.tally.of("start"), self.tally.of("stop"));
            let is_good = self.is_calm() && self.all_run() && self.clients.is_cleaned && is_silent;
            calm = if is_good { calm + 1 } else { 0 };
        }
        if self.violation.is_none() {
            self.tally.count("calm at the end");
        }
    }

    /// What a person does once a second.
    fn operate(&mut self, off_since: &mut [u32]) {
        for (index, seconds) in off_since.iter_mut().enumerate() {
            let machine = &self.machines[index];
            *seconds = if machine.is_on { 0 } else { *seconds + 1 };
            if *seconds > 10 {
                *seconds = 0;
                self.queue.plan(self.at, Happening::PowerReturns { machine: index });
            }
            if self.machines[index].has_left {
                self.start_agent(index);
            }
        }
        if !self.is_one_view() {
            return;
        }
        if !self.clients.is_restored {
            self.ask(0, Wish::Read(Change::Restore), Request::Snapshot);
        } else if !self.clients.is_cleaned {
            self.ask(0, Wish::Cleaned, Request::Cleanup { resource: None });
        }
    }

    pub(crate) fn all_run(&self) -> bool {
        self.plan.config.primitives().all(|(primitive, _)| {
            let active =
                self.machines.iter().filter(|machine| machine.executor.active.contains(&primitive.id));
            active.count() == 1
        })
    }

    pub(crate) fn what_is_missing(&self) -> String {
        let what = if !self.is_one_view() {
            "there is no primary view of all nodes"
        } else if !self.clients.is_restored {
            "the configuration cannot be restored"
        } else if !self.clients.is_cleaned {
            "failures cannot be forgotten"
        } else if !self.all_run() {
            "not every resource runs"
        } else {
            "it does not become calm"
        };
        let mut lines = vec![what.to_string()];
        for machine in &self.machines {
            let seen = machine.seen().map_or("no agent".to_string(), |seen| {
                format!(
                    "view {:?} of {:?} primary {} quorate {} idle {} facts {:?} fencings {:?}",
                    seen.view.map(|view| (view.epoch, view.coordinator.0)),
                    seen.members.iter().map(|member| member.id.0).collect::<Vec<_>>(),
                    seen.is_primary,
                    seen.is_quorate,
                    seen.is_idle,
                    seen.facts,
                    seen.fencings.iter().rev().take(3).collect::<Vec<_>>(),
                )
            });
            let power = if machine.is_on { "on" } else { "off" };
            lines.push(format!("{} {power}, runs {:?}: {seen}", machine.name, machine.executor.active));
        }
        lines.join("\n    ")
    }
}
