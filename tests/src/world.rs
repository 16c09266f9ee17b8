//! The world: everything that happens, in order of time, and the way of an effect from the node that wants it to the
//! machine, the network or the device that it touches.

use crate::client::Clients;
use crate::deed::Deed;
use crate::executor::{Begun, MonitorKey};
use crate::invariants::{self, Ledger, Violation};
use crate::machine::Machine;
use crate::network::{Network, Path};
use crate::plan::Plan;
use crate::queue::Queue;
use crate::random::Random;
use crate::run::Outcome;
use crate::switch::{Asked, Use};
use crate::tally::Tally;
use crate::trace::{Trace, describe_event};
use muster_api::history::{OpRecord, OpStatus, ResourceAction, rc};
use muster_api::id::{NodeId, ResourceId};
use muster_api::reload;
use muster_api::status::{Fact, Level};
use muster_core::effect::Effect;
use muster_core::input::{Input, OrderId};
use muster_core::node::Inspection;
use muster_core::recording::{Record, digest};
use std::time::Duration;

/// Nodes that do more than this within a second of the world, for each pair of them, go round in circles: heartbeats are
/// about ten steps and effects, a view with all its work some hundred.
const WORK_A_SECOND_MAX: u64 = 5_000;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Packet { to: usize, from: NodeId, link: u8, bytes: Vec<u8> },
    Wakes { machine: usize, life: u64 },
    Written { machine: usize, life: u64 },
    Ends { machine: usize, power_life: u64, operation: u64 },
    Looks { machine: usize, life: u64, key: MonitorKey },
    Boots { machine: usize, power_life: u64 },
    PowerReturns { machine: usize },
    LetGo { machine: usize },
    Thaws { machine: usize, life: u64 },
    DeviceActs(Use),
    DeviceAnswers(Use),
    Fault,
    Deed(Deed),
    Mend(Vec<Path>),
    Widen(Vec<Path>),
    Returns { machine: usize, power_life: u64 },
    AddressReturns { machine: usize, link: u8 },
    DiskHasRoom { machine: usize },
    DiskIsWritable { machine: usize },
    Request,
    SetUp,
    Audit,
}

/// The world of one run.
#[derive(Debug)]
pub struct World {
    /// The time since its beginning.
    pub at: Duration,
    /// What it is about.
    pub plan: Plan,
    /// What happens by chance in it.
    pub random: Random,
    /// Which faults and requests come: a stream of its own, so that a script with the same deeds is the same run.
    pub(crate) chaos: Random,
    /// What was done to it, and when.
    pub deeds: Vec<(Duration, Deed)>,
    /// The network.
    pub network: Network,
    /// The machines, one for each entry of the nodelist.
    pub machines: Vec<Machine>,
    /// What happened how often.
    pub tally: Tally,
    /// What happened.
    pub trace: Trace,
    /// What the invariants remember.
    pub ledger: Ledger,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// No more faults.
    pub is_healed: bool,
    pub(crate) queue: Queue<Happening>,
    pub(crate) clients: Clients,
    /// Since when it is calm, as far as was looked.
    pub(crate) calm_since: Option<Duration>,
    /// Steps and effects so far.
    work: u64,
    /// The second that passes, and the work before it.
    pace: (u64, u64),
    /// What one machine's agent was told, where that is recorded.
    pub recording: Option<(usize, Vec<Record>)>,
    /// Lines for scripts, where they are kept.
    pub(crate) story: Option<Vec<String>>,
}

impl World {
    /// A world in which nothing is switched on yet.
    pub fn new(plan: Plan, seed: u64, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let machines = plan.corosync.nodes.iter().map(|node| Machine::new(node.id, node.name.clone()));
        let mut machines: Vec<Machine> = machines.collect();
        for machine in &mut machines {
            machine.executor.trouble = plan.trouble;
            machine.disk.is_slow = plan.has_slow_disks;
        }
        let mut network = Network::good();
        network.quality = plan.quality.clone();
        Self {
            at: Duration::ZERO,
            network,
            machines,
            tally: Tally::default(),
            trace,
            ledger: Ledger::default(),
            violation: None,
            is_healed: false,
            queue: Queue::default(),
            clients: Clients::default(),
            calm_since: None,
            work: 0,
            pace: (0, 0),
            recording: None,
            story: None,
            random: random.fork(),
            chaos: random.fork(),
            deeds: Vec::new(),
            plan,
        }
    }

    /// Lets time pass until then, or until an invariant does not hold.
    pub fn run_until(&mut self, until: Duration) {
        while self.violation.is_none() && self.queue.next_at().is_some_and(|at| at <= until) {
            let Some((at, happening)) = self.queue.pop() else { break };
            self.at = at;
            self.happen(happening);
            self.watch_pace();
        }
        if self.violation.is_none() {
            self.at = self.at.max(until);
        }
    }

    /// Nodes that talk without end and without time passing would never come to the end of a run.
    fn watch_pace(&mut self) {
        let (second, since) = self.pace;
        if second != self.at.as_secs() {
            self.pace = (self.at.as_secs(), self.work);
            return;
        }
        let pairs = (self.machines.len() * self.machines.len()) as u64;
        let work = self.work - since;
        if work > WORK_A_SECOND_MAX * pairs.max(4) {
            self.violate(
                "L1",
                format!("{work} steps and effects within a second: the nodes go round in circles"),
            );
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Packet { to, from, link, bytes } => {
                self.feed(to, Input::Received { link, from, bytes })
            }
            Happening::Wakes { machine, life } => self.wake(machine, life),
            Happening::Written { machine, life } => self.written(machine, life),
            Happening::Ends { machine, power_life, operation } => {
                self.end_operation(machine, power_life, operation)
            }
            Happening::Looks { machine, life, key } => self.look(machine, life, &key),
            Happening::Boots { machine, power_life } => {
                let is_due =
                    self.machines[machine].power_life == power_life && !self.machines[machine].has_left;
                if is_due {
                    self.start_agent(machine);
                }
            }
            Happening::LetGo { machine } => {
                self.machines[machine].is_held_off = false;
                self.switch_on(machine);
            }
            Happening::PowerReturns { machine } => self.power_returns(machine),
            Happening::Thaws { machine, life } if self.machines[machine].agent_life == life => {
                self.thaw(machine)
            }
            Happening::Thaws { .. } => {}
            Happening::DeviceActs(one) => self.device_acts(one),
            Happening::DeviceAnswers(one) => self.device_answers(one),
            Happening::Fault => self.next_fault(),
            Happening::Deed(deed) if !self.is_healed => self.carry(deed),
            Happening::Deed(_) => {}
            Happening::Returns { machine, power_life } => self.return_agent(machine, power_life),
            Happening::Mend(paths) => self.mend(&paths),
            Happening::Widen(paths) => self.network.widen(&paths),
            Happening::AddressReturns { machine, link } => {
                self.feed(machine, Input::LinkState { link, is_usable: true });
            }
            Happening::DiskHasRoom { machine } => self.machines[machine].disk.is_full = false,
            Happening::DiskIsWritable { machine } => self.machines[machine].disk.is_read_only = false,
            Happening::Request => self.next_request(),
            Happening::SetUp => self.set_up(),
            Happening::Audit => self.audit(),
        }
    }

    /// Feeds one input to a node, checks what came of it, and begins to carry it out.
    pub(crate) fn feed(&mut self, index: usize, input: Input) {
        if self.violation.is_some() {
            return;
        }
        let at = self.at;
        let machine = &mut self.machines[index];
        let now = machine.clock.now(at);
        let Some(agent) = machine.agent.as_mut() else { return };
        if agent.frozen_until.is_some() {
            return agent.hold(input);
        }
        let effects = agent.node.step(now, input.clone());
        let before = std::mem::replace(&mut agent.seen, agent.node.inspect());
        self.tally.steps += 1;
        self.work += 1 + effects.len() as u64;
        self.trace.step(at, self.machines[index].name.as_str(), &input, &effects);
        if let Some((of, records)) = self.recording.as_mut().filter(|(of, _)| *of == index) {
            debug_assert_eq!(*of, index, "one machine is recorded");
            records.push(Record::Step { now, input, effects: digest(&effects) });
        }
        self.note_events(index, &effects);
        invariants::after_step(self, index, &before, &effects);
        let Some(agent) = self.machines[index].agent.as_mut() else { return };
        agent.writes.0 +=
            effects.iter().filter(|effect| matches!(effect, Effect::Persist { .. })).count() as u64;
        if agent.seen.is_quorate {
            agent.inquorate_since = None;
        }
        if agent.seen.view != before.view {
            agent.unheard.push_back((agent.writes.0, agent.seen.clone()));
        }
        agent.outbox.extend(effects);
        self.publish_views(index);
        self.drain(index);
        self.rewake(index);
    }

    /// Views whose epoch is on disk now: from here on others may hear of them.
    fn publish_views(&mut self, index: usize) {
        let Some(agent) = self.machines[index].agent.as_mut() else { return };
        let written = agent.writes.1;
        let heard = agent.unheard.iter().take_while(|(wanted, _)| *wanted <= written).count();
        let views: Vec<Inspection> = agent.unheard.drain(..heard).map(|(_, seen)| seen).collect();
        for seen in views {
            invariants::s9_views_are_never_repeated(self, index, &seen);
        }
    }

    /// Carries out what a node wants done, up to the next thing that waits for the disk.
    pub(crate) fn drain(&mut self, index: usize) {
        let life = self.machines[index].agent_life;
        while self.machines[index].agent_life == life && self.violation.is_none() {
            let Some(agent) = self.machines[index].agent.as_mut() else { return };
            if agent.is_writing || agent.frozen_until.is_some() {
                return;
            }
            let Some(effect) = agent.outbox.pop_front() else { return };
            self.carry_out(index, effect);
        }
    }

    fn carry_out(&mut self, index: usize, effect: Effect) {
        let at = self.at;
        match effect {
            Effect::Persist { bytes } => self.persist(index, bytes),
            Effect::Send { link, to, bytes } => {
                let Some(other) = self.machines.iter().position(|machine| machine.id == to) else { return };
                let from = self.machines[index].id;
                let arrivals =
                    self.network.carry(at, (index, other, link), &bytes, &mut self.random, &mut self.tally);
                for (arrives, bytes) in arrivals {
                    self.queue.plan(arrives, Happening::Packet { to: other, from, link, bytes });
                }
            }
            Effect::Run { order, action } => self.run_action(index, order, action),
            Effect::CancelMonitor { resource, interval_ms } => {
                self.machines[index].executor.cancel(&resource, interval_ms);
            }
            Effect::Fence { attempt, device, target, target_id, action, timeout_ms } => {
                let timeout = Duration::from_millis(timeout_ms);
                self.use_device(index, Asked { attempt, device, target, target_id, action, timeout });
            }
            Effect::Reply { client, response } => self.replied(index, client, response),
            Effect::Emit(_) | Effect::Reconfigured(_) => {}
            Effect::Exit { .. } => self.exit(index),
        }
    }

    fn persist(&mut self, index: usize, bytes: Vec<u8>) {
        let machine = &mut self.machines[index];
        let life = machine.agent_life;
        match machine.disk.begin(bytes, &mut self.random, &mut self.tally) {
            Some(takes) => {
                if let Some(agent) = machine.agent.as_mut() {
                    agent.is_writing = true;
                }
                if takes > self.plan.token() / 3 {
                    self.suspect(index, "its disk was slow");
                }
                self.queue.plan(self.at + takes, Happening::Written { machine: index, life });
            }
            None => {
                self.say(index, "cannot write and exits");
                self.kill_agent(index);
                let power_life = self.machines[index].power_life;
                let again = self.at + self.random.ms(500, 3000);
                self.queue.plan(again, Happening::Boots { machine: index, power_life });
            }
        }
    }

    fn written(&mut self, index: usize, life: u64) {
        let machine = &mut self.machines[index];
        if machine.agent_life != life {
            return;
        }
        machine.disk.finish();
        if let Some(agent) = machine.agent.as_mut() {
            agent.is_writing = false;
            agent.writes.1 += 1;
        }
        self.publish_views(index);
        self.drain(index);
    }

    fn run_action(&mut self, index: usize, order: OrderId, action: ResourceAction) {
        let machine = &mut self.machines[index];
        let (power_life, life) = (machine.power_life, machine.agent_life);
        let operation = action.operation.clone();
        let resource = action.resource.clone();
        match machine.executor.begin(self.at, order, action, &mut self.random, &mut self.tally) {
            Begun::Once(operation, takes) => {
                self.queue.plan(self.at + takes, Happening::Ends { machine: index, power_life, operation });
            }
            Begun::Repeated(key, first) => {
                self.queue.plan(self.at + first, Happening::Looks { machine: index, life, key });
            }
            Begun::Overlaps(what) => self.violate("S5", what),
        }
        match operation.as_str() {
            "start" => {
                self.tally.count("start");
                self.ledger.last_start = Some(self.at);
                invariants::after_start(self, index, &resource);
            }
            "stop" => self.tally.count("stop"),
            reload::OPERATION => self.tally.count("reload"),
            _ => {}
        }
    }

    fn end_operation(&mut self, index: usize, power_life: u64, operation: u64) {
        let machine = &mut self.machines[index];
        if machine.power_life != power_life || !machine.is_on {
            return;
        }
        let wall_ms = machine.clock.now(self.at).wall_ms;
        let Some((order, resource, record)) = machine.executor.end(self.at, operation, wall_ms) else {
            return;
        };
        self.say(index, &format!("{} {} {:?} {:?}", record.operation, resource, record.status, record.rc));
        let is_found = matches!(record.operation.as_str(), "start" | "monitor") && record.rc == Some(rc::OK);
        let agent = reload::attribute_of(&record.agent);
        self.tell_ended(index, order, resource, record);
        if is_found && self.plan.agents_reload {
            // What the agent of all resources cannot take over.
            self.feed(index, Input::Said { name: agent, value: Some("state".into()) });
        }
    }

    fn tell_ended(&mut self, index: usize, order: OrderId, resource: ResourceId, record: OpRecord) {
        if record.operation == "stop" && (record.status, record.rc) != (OpStatus::Done, Some(rc::OK)) {
            self.suspect(index, "a stop failed there");
        }
        if record.status == OpStatus::TimedOut || record.rc == Some(rc::ERROR) {
            // It was begun among the faults and shows only now: a person cleans up once more.
            self.clients.is_cleaned = false;
        }
        self.feed(index, Input::ActionEnded { order, resource, record });
    }

    fn look(&mut self, index: usize, life: u64, key: &MonitorKey) {
        let machine = &mut self.machines[index];
        if machine.agent_life != life {
            return;
        }
        let wall_ms = machine.clock.now(self.at).wall_ms;
        let looked = machine.executor.look(key, wall_ms, &mut self.random, &mut self.tally);
        let Some(changed) = looked else { return };
        let again = self.at + Duration::from_millis(key.1);
        self.queue.plan(again, Happening::Looks { machine: index, life, key: key.clone() });
        if let Some((order, resource, record)) = changed {
            self.tell_ended(index, order, resource, record);
        }
    }

    fn exit(&mut self, index: usize) {
        self.say(index, "has left");
        self.tally.count("left cleanly");
        let is_released = self.is_known_to_leave(index);
        self.kill_agent(index);
        let machine = &mut self.machines[index];
        machine.has_left = true;
        machine.was_released = is_released;
        if is_released {
            machine.suspicion = None;
        } else {
            self.suspect(index, "nobody knew that it left");
        }
        let machine = &mut self.machines[index];
        if let Some(after) = machine.returns_after.take().filter(|_| !self.is_healed) {
            let power_life = machine.power_life;
            self.queue.plan(self.at + after, Happening::Returns { machine: index, power_life });
        }
    }

    fn return_agent(&mut self, index: usize, power_life: u64) {
        if self.machines[index].power_life == power_life && self.machines[index].has_left {
            self.tally.count("joined again");
            self.start_agent(index);
        }
    }

    /// Whether all others that run know that this node has left, and will not forget it. One that is cut off cannot tell them;
    /// what a view that is not primary knows may give way to another state, after which the node is one that was not seen yet.
    fn is_known_to_leave(&self, index: usize) -> bool {
        let id = self.machines[index].id;
        let others = self.machines.iter().filter(|machine| machine.id != id);
        let seen: Vec<_> = others.filter_map(|machine| machine.seen()).collect();
        let knows = |seen: &&Inspection| seen.facts.get(&id) == Some(&Fact::Left);
        seen.iter().any(|seen| seen.is_primary) && seen.iter().all(knows)
    }

    fn wake(&mut self, index: usize, life: u64) {
        let at = self.at;
        let machine = &mut self.machines[index];
        let Some(agent) = machine.agent.as_mut() else { return };
        if machine.agent_life == life && agent.wake_at == Some(at) {
            agent.wake_at = None;
            if agent.frozen_until.is_none() {
                self.feed(index, Input::Tick);
            }
        }
    }

    /// Plans the next call of a node, a little later than it asked for, as systems do.
    pub(crate) fn rewake(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        let (life, clock) = (machine.agent_life, machine.clock.clone());
        let Some(agent) = machine.agent.as_mut() else { return };
        let Some(deadline) = agent.node.next_deadline() else { return };
        let late = self.random.between(Duration::from_micros(10), Duration::from_micros(300));
        let wanted = clock.world_time(deadline).max(self.at);
        let is_planned =
            agent.wake_at.is_some_and(|at| at >= wanted && at < wanted + Duration::from_millis(1));
        if is_planned {
            return;
        }
        agent.wake_at = Some(wanted + late);
        self.queue.plan(wanted + late, Happening::Wakes { machine: index, life });
    }

    fn note_events(&mut self, index: usize, effects: &[Effect]) {
        let Some(story) = &mut self.story else { return };
        for effect in effects {
            if let Effect::Emit(event) = effect
                && event.level >= Level::Info
            {
                let (at, name) = (self.at.as_secs_f64(), &self.machines[index].name);
                story.push(format!("{at:>8.3} {name} {}", describe_event(event)));
            }
        }
    }

    /// A line of the trace about a machine.
    pub(crate) fn say(&mut self, index: usize, what: &str) {
        if self.trace.is_kept() {
            let name = self.machines[index].name.to_string();
            self.trace.note(self.at, &name, &format!("* {what}"));
        }
    }

    /// A line of a script's answer that no node says.
    pub(crate) fn log(&mut self, what: String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>8.3} -- {what}", self.at.as_secs_f64()));
        }
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: String) {
        if self.trace.is_kept() {
            self.trace.note(self.at, "!!", &format!("{invariant}: {what}"));
        }
        self.violation.get_or_insert(Violation { invariant, what, at: self.at });
    }
}

impl World {
    /// Switches everything on.
    pub fn begin(&mut self) {
        for index in 0..self.machines.len() {
            let on = self.random.between(Duration::ZERO, self.plan.power_within);
            self.queue.plan(on, Happening::PowerReturns { machine: index });
            let is_rough = self.plan.quality.loss > 0 || self.plan.quality.spikes > 0;
            if is_rough || self.plan.boot_max > Duration::from_secs(10) {
                self.suspect(index, "it may come late");
            }
        }
        self.queue.plan(Duration::from_secs(1), Happening::SetUp);
        self.queue.plan(Duration::from_secs(1), Happening::Audit);
    }

    /// Plans what will go wrong.
    pub(crate) fn begin_chaos(&mut self) {
        if !self.plan.faults.is_empty() {
            self.queue.plan(self.plan.faults_from, Happening::Fault);
        }
        if self.plan.request_every.is_some() {
            self.queue.plan(Duration::from_secs(3), Happening::Request);
        }
    }

    /// Nothing more is to be learnt from it.
    pub fn is_over(&self) -> bool {
        self.violation.is_some()
    }

    /// What came of it.
    pub fn outcome(mut self) -> Outcome {
        self.tally.seconds += self.at.as_secs();
        Outcome {
            violation: self.violation,
            tally: self.tally,
            trace: self.trace,
            plan: self.plan,
            deeds: self.deeds,
            story: self.story.unwrap_or_default(),
        }
    }
}
