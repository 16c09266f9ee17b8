//! Fence devices: they really switch machines off and on, sometimes late, sometimes without saying so, never without
//! having been asked. What a device confirms is true.

use crate::world::{Happening, World};
use muster_api::fencing::{FenceAction, FenceDevice};
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_core::input::{AttemptId, Input};
use std::time::Duration;

/// One use of a device.
#[derive(Debug, Clone)]
pub struct Use {
    driver: usize,
    driver_life: u64,
    attempt: AttemptId,
    device: ResourceId,
    target: usize,
    action: FenceAction,
    answer: Result<(), String>,
}

/// What a node asked a device for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) attempt: AttemptId,
    pub(crate) device: FenceDevice,
    pub(crate) target: NodeName,
    pub(crate) target_id: NodeId,
    pub(crate) action: FenceAction,
    pub(crate) timeout: Duration,
}

impl World {
    pub(crate) fn use_device(&mut self, driver: usize, asked: Asked) {
        let Some(target) = self.machines.iter().position(|machine| machine.id == asked.target_id) else {
            return;
        };
        debug_assert_eq!(self.machines[target].name, asked.target, "a node's name and id belong together");
        let (trouble, at) = (self.plan.devices, self.at);
        let mut one = Use {
            driver,
            driver_life: self.machines[driver].agent_life,
            attempt: asked.attempt,
            device: asked.device.id,
            target,
            action: asked.action,
            answer: Ok(()),
        };
        let (least, most) = self.plan.device_time;
        let mut acts = self.random.between(least, most);
        let happens = |world: &mut Self, chance: u64, name: &'static str| {
            let is_so = !world.is_healed && world.random.chance(chance);
            if is_so {
                world.tally.count(name);
            }
            is_so
        };
        if happens(self, trouble.unreachable, "device out of reach") {
            one.answer = Err("no route to the device".into());
            return self.answer_after(self.random.clone().ms(10, 3000), one);
        }
        if happens(self, trouble.fails, "device fails") {
            one.answer = Err("the device refused".into());
            return self.answer_after(acts, one);
        }
        if happens(self, trouble.slow, "device slow") {
            acts = self.random.between(Duration::from_secs(2), asked.timeout * 3 / 4);
        }
        if happens(self, trouble.after_timeout, "device acts after its timeout") {
            let late = asked.timeout + self.random.ms(10, 10_000);
            one.answer = Err("timed out".into());
            self.queue.plan(at + late, Happening::DeviceActs(one.clone()));
            return self.answer_after(asked.timeout, one);
        }
        let mut answers = acts + self.random.ms(1, 200);
        if happens(self, trouble.late, "device reports late") {
            answers = self.random.between(answers, asked.timeout.max(answers));
        }
        if happens(self, trouble.answer_lost, "device answer lost") {
            one.answer = Err("the connection was lost".into());
        }
        self.queue.plan(at + acts, Happening::DeviceActs(one.clone()));
        self.answer_after(answers, one);
    }

    fn answer_after(&mut self, after: Duration, one: Use) {
        self.queue.plan(self.at + after, Happening::DeviceAnswers(one));
    }

    pub(crate) fn device_acts(&mut self, one: Use) {
        let index = one.target;
        match one.action {
            FenceAction::On => {
                self.machines[index].supplies_off.remove(&one.device);
                self.switch_on(index);
            }
            FenceAction::Off | FenceAction::Reboot => {
                self.machines[index].supplies_off.insert(one.device.clone());
                if self.has_supply(index) {
                    return;
                }
                self.note_fenced(index);
                self.switch_off(index, "fenced");
                if one.action == FenceAction::Reboot {
                    self.machines[index].supplies_off.clear();
                    let back = self.at + self.random.ms(50, 3000);
                    self.queue.plan(back, Happening::PowerReturns { machine: index });
                }
            }
        }
    }

    pub(crate) fn device_answers(&mut self, one: Use) {
        if self.machines[one.driver].agent_life == one.driver_life {
            self.feed(one.driver, Input::FenceEnded { attempt: one.attempt, result: one.answer });
        }
    }

    /// A machine runs as long as one of its supplies does. Without a topology each device switches the only one.
    pub(crate) fn has_supply(&self, index: usize) -> bool {
        let machine = &self.machines[index];
        let level = self.plan.config.fence_levels.iter().find(|level| level.target == machine.name);
        match level {
            Some(level) => level.devices.iter().any(|device| !machine.supplies_off.contains(device)),
            None => machine.supplies_off.is_empty(),
        }
    }

    /// After a crash there is power again; or somebody switches on what a device has switched off altogether. What is switched
    /// off of a machine that has another supply stays so: nobody is there to meddle with a fencing that is under way.
    pub(crate) fn power_returns(&mut self, index: usize) {
        if !self.machines[index].is_on && !self.has_supply(index) {
            self.machines[index].supplies_off.clear();
        }
        self.switch_on(index);
    }

    fn note_fenced(&mut self, index: usize) {
        let at = self.at;
        let name = self.machines[index].name.to_string();
        let is_joining = self.machines[index].seen().is_some_and(|seen| seen.view.is_none());
        if is_joining {
            self.tally.count("fenced while joining");
        }
        self.tally.count("fenced");
        self.machines[index].fencings += 1;
        let mutual = self
            .ledger
            .fenced_at
            .iter()
            .any(|(other, when)| *other != index && at - *when < Duration::from_secs(10));
        if mutual && self.machines.len() == 2 {
            self.tally.count("two nodes fenced each other");
        }
        self.ledger.fenced_at.insert(index, at);
        self.log(format!("{name} is switched off by a fence device"));
    }
}
