//! The faults that come and go: which there are, what each does, and how long it lasts.

use crate::network::Path;
use crate::world::{Happening, World};
use muster_core::input::Input;
use std::time::Duration;

/// A fault that a run may have. What the network, the disks, the actions and the devices do all the time is in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// One link between two nodes, both directions.
    LinkCut,
    /// One direction between two nodes, on all links.
    OneWayCut,
    /// Two nodes do not reach each other, all others do.
    NonTransitive,
    /// One node reaches nobody.
    NodeCut,
    /// Two parts do not reach each other.
    Partition,
    /// A link goes and comes.
    Flapping,
    /// A link's own address is gone.
    AddressGone,
    /// A machine loses its power.
    Crash,
    /// An agent is not scheduled.
    Freeze,
    /// An agent dies and is started again.
    AgentDeath,
    /// The wall clock is set.
    ClockJump,
    /// The monotonic clock runs fast or slow.
    ClockDrift,
    /// A resource's process ends.
    Vanishing,
    /// The disk is full for a while.
    FullDisk,
}

/// All of them.
pub const FAULT_KINDS: &[FaultKind] = &[
    FaultKind::LinkCut,
    FaultKind::OneWayCut,
    FaultKind::NonTransitive,
    FaultKind::NodeCut,
    FaultKind::Partition,
    FaultKind::Flapping,
    FaultKind::AddressGone,
    FaultKind::Crash,
    FaultKind::Freeze,
    FaultKind::AgentDeath,
    FaultKind::ClockJump,
    FaultKind::ClockDrift,
    FaultKind::Vanishing,
    FaultKind::FullDisk,
];

impl World {
    /// Injects one of the plan's faults and plans the next.
    pub(crate) fn next_fault(&mut self) {
        if self.is_healed {
            return;
        }
        let gap = self.random.between(Duration::from_millis(1), self.plan.fault_every * 2);
        self.queue.plan(self.at + gap, Happening::Fault);
        let Some(kind) = self.random.pick(&self.plan.faults).copied() else { return };
        if self.is_calm() {
            self.forget_suspicions();
        }
        if kind != FaultKind::Crash {
            self.ledger.watch = None;
        }
        self.inject(kind);
    }

    fn inject(&mut self, kind: FaultKind) {
        let index = self.random.index(self.machines.len());
        let other = self.other_than(index);
        match (kind, other) {
            (FaultKind::Crash, _) => self.crash(index),
            (FaultKind::Freeze, _) => self.freeze_for_a_while(index),
            (FaultKind::AgentDeath, _) => self.kill_agent_for_a_while(index),
            (FaultKind::ClockJump, _) => {
                self.tally.count("clock jump");
                let by_ms = i64::try_from(self.random.below(14_400_000)).unwrap_or(0) - 7_200_000;
                self.say(index, &format!("wall clock jumps by {by_ms} ms"));
                self.machines[index].clock.jump(by_ms);
            }
            (FaultKind::ClockDrift, _) => {
                self.tally.count("clock drift");
                let ppm = i64::try_from(self.random.below(2000)).unwrap_or(0) - 1000;
                let at = self.at;
                self.machines[index].clock.drift(at, ppm);
                self.rewake(index);
            }
            (FaultKind::Vanishing, _) => self.end_a_process(index),
            (FaultKind::FullDisk, _) => {
                self.say(index, "disk full");
                self.machines[index].disk.is_full = true;
                self.suspect(index, "its disk was full");
                let until = self.at + self.random.ms(100, 20_000);
                self.queue.plan(until, Happening::DiskHasRoom { machine: index });
            }
            (_, None) => {}
            (FaultKind::LinkCut, Some(other)) => {
                let link = self.some_link();
                self.cut_for_a_while("link cut", vec![(index, other, link), (other, index, link)]);
            }
            (FaultKind::OneWayCut, Some(other)) => {
                let paths = self.links().map(|link| (index, other, link)).collect();
                self.cut_for_a_while("one-way cut", paths);
            }
            (FaultKind::NonTransitive, Some(other)) => {
                let paths = self.between(&[index], &[other]);
                self.cut_for_a_while("non-transitive cut", paths);
            }
            (FaultKind::NodeCut, Some(_)) => {
                let others: Vec<usize> = (0..self.machines.len()).filter(|one| *one != index).collect();
                let paths = self.between(&[index], &others);
                self.cut_for_a_while("node cut off", paths);
            }
            (FaultKind::Partition, Some(_)) => {
                let sides = self.random.fork();
                let (left, right) = split(self.machines.len(), sides);
                let paths = self.between(&left, &right);
                self.cut_for_a_while("partition", paths);
            }
            (FaultKind::Flapping, Some(other)) => {
                self.tally.count("flapping");
                let link = self.some_link();
                let paths = vec![(index, other, link), (other, index, link)];
                let mut at = self.at;
                for _ in 0..self.random.below(10) + 2 {
                    let down = self.random.ms(20, 3000);
                    self.queue.plan(at, Happening::Cut(paths.clone()));
                    self.queue.plan(at + down, Happening::Mend(paths.clone()));
                    at += down + self.random.ms(20, 3000);
                }
            }
            (FaultKind::AddressGone, Some(_)) => self.lose_address(index),
        }
    }

    /// A machine loses its power and gets it back later.
    pub fn crash(&mut self, index: usize) {
        if !self.machines[index].is_on {
            return;
        }
        self.watch_recovery(index);
        self.tally.count("crash");
        self.switch_off(index, "crash");
        let least = if self.random.chance(300) { 10 } else { 5000 };
        let back = self.at + self.random.ms(least, 60_000);
        self.queue.plan(back, Happening::PowerReturns { machine: index });
    }

    fn freeze_for_a_while(&mut self, index: usize) {
        let token = self.plan.token();
        let duration = if self.random.chance(500) {
            self.tally.count("freeze longer than token");
            self.random.between(token, token * 8)
        } else {
            self.tally.count("freeze");
            self.random.between(Duration::from_millis(1), token)
        };
        if duration > token / 3 {
            self.suspect(index, "it was frozen");
        }
        self.freeze(index, duration);
    }

    fn kill_agent_for_a_while(&mut self, index: usize) {
        if self.machines[index].agent.is_none() {
            return;
        }
        self.tally.count("agent killed");
        let token = self.plan.token();
        let outage = if self.random.chance(600) {
            self.random.between(Duration::from_millis(1), token / 3)
        } else {
            self.random.between(token / 3, token * 5)
        };
        if outage > token / 3 {
            self.suspect(index, "its agent was down");
        }
        self.kill_agent(index);
        let power_life = self.machines[index].power_life;
        self.queue.plan(self.at + outage, Happening::Boots { machine: index, power_life });
    }

    fn end_a_process(&mut self, index: usize) {
        let active: Vec<_> = self.machines[index].executor.active.iter().cloned().collect();
        let Some(resource) = self.random.pick(&active).cloned() else { return };
        if !self.machines[index].executor.vanish(&resource) {
            return;
        }
        self.tally.count("resource vanishes");
        self.say(index, &format!("{resource} ends by itself"));
        if self.plan.sees_processes {
            self.feed(index, Input::Vanished { resource, what: "its process ended".into() });
        }
    }

    fn lose_address(&mut self, index: usize) {
        self.tally.count("link address gone");
        let link = self.some_link();
        let mut paths: Vec<Path> = Vec::new();
        for other in (0..self.machines.len()).filter(|other| *other != index) {
            paths.extend([(index, other, link), (other, index, link)]);
        }
        let lasts = self.random.ms(10, 30_000);
        self.cut(&paths);
        self.queue.plan(self.at + lasts, Happening::Mend(paths));
        self.queue.plan(self.at + lasts, Happening::AddressReturns { machine: index, link });
        self.feed(index, Input::LinkState { link, is_usable: false });
    }

    fn cut_for_a_while(&mut self, name: &'static str, paths: Vec<Path>) {
        self.tally.count(name);
        let token = self.plan.token();
        let lasts = match self.random.below(3) {
            0 => self.random.between(Duration::from_millis(10), token),
            1 => self.random.between(token, token * 4),
            _ => self.random.between(token * 4, Duration::from_secs(60)),
        };
        self.cut(&paths);
        self.queue.plan(self.at + lasts, Happening::Mend(paths));
    }

    /// Cuts paths until they are mended.
    pub fn cut(&mut self, paths: &[Path]) {
        self.ledger.watch = None;
        self.network.cut(paths);
        if self.trace.is_kept() {
            self.trace.note(self.at, "net", &format!("cut {}", describe(paths)));
        }
        for (one, other) in self.pairs_apart() {
            self.suspect(one, "it was cut off");
            self.suspect(other, "it was cut off");
        }
    }

    pub(crate) fn mend(&mut self, paths: &[Path]) {
        self.network.mend(paths);
        if self.trace.is_kept() {
            self.trace.note(self.at, "net", &format!("mended {}", describe(paths)));
        }
    }

    /// Pairs without a link that works in both directions.
    fn pairs_apart(&self) -> Vec<(usize, usize)> {
        let works = |one, other, link| {
            !self.network.is_cut((one, other, link)) && !self.network.is_cut((other, one, link))
        };
        let count = self.machines.len();
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        pairs.filter(|(one, other)| !self.links().any(|link| works(*one, *other, link))).collect()
    }

    /// All paths between two sides.
    pub fn between(&self, left: &[usize], right: &[usize]) -> Vec<Path> {
        let mut paths = Vec::new();
        for (one, other) in left.iter().flat_map(|one| right.iter().map(move |other| (*one, *other))) {
            paths.extend(self.links().flat_map(|link| [(one, other, link), (other, one, link)]));
        }
        paths
    }

    fn links(&self) -> impl Iterator<Item = u8> + use<> {
        let links = self.plan.corosync.nodes[0].addresses.len();
        0..u8::try_from(links).unwrap_or(8)
    }

    fn some_link(&mut self) -> u8 {
        let links: Vec<u8> = self.links().collect();
        self.random.pick(&links).copied().unwrap_or(0)
    }

    fn other_than(&mut self, index: usize) -> Option<usize> {
        let others: Vec<usize> = (0..self.machines.len()).filter(|one| *one != index).collect();
        self.random.pick(&others).copied()
    }
}

fn split(count: usize, mut random: crate::random::Random) -> (Vec<usize>, Vec<usize>) {
    (0..count).partition(|_| random.chance(500))
}

fn describe(paths: &[Path]) -> String {
    let path = |(from, to, link): &Path| format!("n{}>n{} link {link}", from + 1, to + 1);
    paths.iter().map(path).collect::<Vec<_>>().join(", ")
}
