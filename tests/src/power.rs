//! Power and agents: machines are switched on and off, agents start, die, freeze and come back.

use crate::machine::Agent;
use crate::world::{Happening, World};
use muster_core::input::Input;
use muster_core::message::{PROTOCOL, PROTOCOL_OLDEST, Speaks};
use muster_core::node::{Boot, Node};
use muster_core::recording::Record;
use std::time::Duration;

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
        machine.agent_life += 1;
        machine.has_left = false;
        let now = machine.clock.now(self.at);
        let boot = Boot {
            me: machine.id,
            corosync: self.plan.corosync.clone(),
            durable: machine.disk.content.clone(),
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

    /// The agent is not scheduled for a while.
    pub fn freeze(&mut self, index: usize, duration: Duration) {
        let until = self.at + duration;
        let Some(agent) = &mut self.machines[index].agent else { return };
        if agent.frozen_until.is_some() {
            return;
        }
        agent.frozen_until = Some(until);
        let life = self.machines[index].agent_life;
        self.say(index, &format!("freezes for {} ms", duration.as_millis()));
        self.queue.plan(until, Happening::Thaws { machine: index, life });
    }

    pub(crate) fn thaw(&mut self, index: usize) {
        let Some(agent) = &mut self.machines[index].agent else { return };
        agent.frozen_until = None;
        let held = std::mem::take(&mut agent.inbox);
        let life = self.machines[index].agent_life;
        self.say(index, "thaws");
        self.drain(index);
        // Whether a timer or a socket is looked at first is a matter of chance.
        if self.random.chance(500) {
            self.feed(index, Input::Tick);
        }
        for input in held {
            if self.machines[index].agent_life == life {
                self.feed(index, input);
            }
        }
        if self.machines[index].agent_life == life {
            self.feed(index, Input::Tick);
        }
    }

    /// From now on it would be right to fence the machine.
    pub(crate) fn suspect(&mut self, index: usize, why: &'static str) {
        self.machines[index].suspicion.get_or_insert(why);
    }
}
