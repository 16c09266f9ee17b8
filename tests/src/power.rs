//! Power and agents: machines are switched on and off, agents start, die, freeze and come back.

use crate::disk::Refusal;
use crate::invariants;
use crate::machine::Agent;
use crate::world::{Happening, World};
use muster_core::input::Input;
use muster_core::message::{PROTOCOL, PROTOCOL_OLDEST, Speaks};
use muster_core::node::{Boot, Node};
use muster_core::recording::Record;
use std::time::Duration;

/// How long a person waits for the others before a damaged file is put back.
const RESTORED_AFTER: Duration = Duration::from_secs(30);

impl World {
    /// Gives a machine power. Its agent starts once the system has booted.
    pub fn switch_on(&mut self, index: usize) {
        let at = self.at;
        let has_supply = self.has_supply(index);
        let machine = &mut self.machines[index];
        if machine.is_on || machine.is_held_off || !has_supply {
            return;
        }
        machine.is_on = true;
        machine.power_life += 1;
        machine.clock.restart(at, &mut self.random);
        let power_life = machine.power_life;
        self.say(index, "power on");
        let boot = self.random.between(Duration::from_millis(300), self.plan.boot_max);
        self.queue.plan(at + boot, Happening::Boots { machine: index, power_life });
    }

    /// Takes the power away, as a crash does: what was not on disk is lost, what ran does not run any more.
    pub fn switch_off(&mut self, index: usize, why: &'static str) {
        if !self.machines[index].is_on {
            return;
        }
        self.say(index, &format!("power off: {why}"));
        self.suspect(index, why);
        self.drop_agent(index);
        let machine = &mut self.machines[index];
        machine.is_on = false;
        machine.disk.lose_power(&mut self.random, &mut self.tally);
        machine.executor.lose_power();
        self.forget_clients_of(index);
    }

    /// The agent dies at once; what it started goes on.
    pub fn kill_agent(&mut self, index: usize) {
        if self.machines[index].agent.is_none() {
            return;
        }
        self.say(index, "agent dies");
        self.drop_agent(index);
        self.machines[index].executor.lose_agent(&mut self.random);
        self.forget_clients_of(index);
    }

    fn drop_agent(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        if machine.agent.take().is_some() {
            machine.disk.interrupt(&mut self.random, &mut self.tally);
            machine.agent_life += 1;
        }
    }

    /// Starts the agent, as systemd does.
    pub fn start_agent(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        if !machine.is_on || machine.agent.is_some() {
            return;
        }
        let durable = match machine.disk.open() {
            Ok(durable) => durable,
            Err(refusal) => return self.refuse(index, &refusal),
        };
        machine.agent_life += 1;
        machine.has_left = false;
        machine.refused_at = None;
        let now = machine.clock.now(self.at);
        let boot = Boot {
            me: machine.id,
            corosync: self.plan.corosync.clone(),
            durable,
            incarnation: now.wall_ms,
            version: "world".into(),
        };
        let mut node = Node::new(now, boot.clone()).expect("what a node saved, a node can read");
        match self.recording.as_mut().filter(|(of, _)| *of == index) {
            // Played again by a build that speaks what this one does.
            Some((_, records)) => records.push(Record::Boot { now, boot }),
            // Every other life is one of a build that speaks the next version as well: a rolling upgrade without an end.
            None => {
                let newest = PROTOCOL + u8::from(machine.agent_life.is_multiple_of(2));
                node = node.speaking(Speaks { oldest: PROTOCOL_OLDEST, newest });
            }
        }
        machine.agent = Some(Agent::new(node));
        self.say(index, "agent starts");
        self.feed(index, Input::Tick);
    }

    /// An agent that cannot read what it saved does not start: it might have promised anything.
    fn refuse(&mut self, index: usize, refusal: &Refusal) {
        let machine = &mut self.machines[index];
        if !machine.disk.is_damaged() {
            let what = format!("{} cannot read what it saved: {refusal:?}", machine.name);
            return self.violate("S9", what);
        }
        self.tally.count("damaged state refused");
        machine.refused_at.get_or_insert(self.at);
        self.say(index, &format!("does not start: {refusal:?}"));
        self.suspect(index, "its disk is damaged");
    }

    /// What a person does where an agent refuses what it saved: removes it while all the others are up and quorate, and reboots
    /// the node, so that it joins as a new one on which nothing runs that it does not know of; or, where they do not come to be, puts back the file that was damaged.
    pub(crate) fn repair_disks(&mut self) {
        for index in 0..self.machines.len() {
            let machine = &self.machines[index];
            let Some(since) = machine.refused_at.filter(|_| machine.is_on && machine.agent.is_none()) else {
                continue;
            };
            if self.are_others_primary(index) {
                self.tally.count("state given up");
                self.say(index, "what it saved is removed");
                self.ledger.forget_life(index, self.machines[index].id);
                let machine = &mut self.machines[index];
                machine.disk.wipe();
                machine.refused_at = None;
                self.switch_off(index, "it is to join as a new node");
                self.queue.plan(self.at + Duration::from_secs(1), Happening::PowerReturns { machine: index });
            } else if self.at > since + RESTORED_AFTER {
                self.tally.count("state restored");
                self.say(index, "what it saved is put back");
                self.machines[index].disk.restore();
                self.start_agent(index);
            }
        }
    }

    /// All other machines are in one primary view.
    fn are_others_primary(&self, index: usize) -> bool {
        let mut others = self.machines.iter().enumerate().filter(|(other, _)| *other != index);
        let Some(view) = others.clone().find_map(|(_, machine)| machine.seen()?.view) else { return false };
        self.network.is_whole()
            && others.all(|(_, machine)| {
                machine.is_awake()
                    && machine.seen().is_some_and(|seen| seen.view == Some(view) && seen.is_primary)
            })
    }

    /// The agent is not scheduled for a while.
    pub fn freeze(&mut self, index: usize, duration: Duration) {
        let until = self.at + duration;
        let Some(agent) = &mut self.machines[index].agent else { return };
        if agent.frozen_until.is_some() {
            return;
        }
        agent.frozen_until = Some(until);
        agent.frozen_since = self.at;
        let life = self.machines[index].agent_life;
        self.say(index, &format!("freezes for {} ms", duration.as_millis()));
        self.queue.plan(until, Happening::Thaws { machine: index, life });
    }

    pub(crate) fn thaw(&mut self, index: usize) {
        let away = self.plan.token() * 2;
        let Some(agent) = &mut self.machines[index].agent else { return };
        let was_frozen = agent.frozen_until.take().is_some();
        let was_long_away = was_frozen && self.at - agent.frozen_since > away;
        let former = Some(agent.seen.clone()).filter(|seen| was_long_away && seen.members.len() > 1);
        let held = std::mem::take(&mut agent.inbox);
        let life = self.machines[index].agent_life;
        self.say(index, "thaws");
        self.drain(index);
        // Whether a timer or a socket is looked at first is a matter of chance.
        if self.random.chance(500) {
            self.feed(index, Input::Tick);
            invariants::after_an_absence(self, index, former.as_ref());
        }
        for input in held {
            if self.machines[index].agent_life == life {
                self.feed(index, input);
                invariants::after_an_absence(self, index, former.as_ref());
            }
        }
        if self.machines[index].agent_life == life {
            self.feed(index, Input::Tick);
            invariants::after_an_absence(self, index, former.as_ref());
        }
    }

    /// From now on it would be right to fence the machine.
    pub(crate) fn suspect(&mut self, index: usize, why: &'static str) {
        self.machines[index].suspicion.get_or_insert(why);
    }
}
