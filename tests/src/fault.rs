//! The faults that come and go by chance: which there are, and the deeds that each is.

use crate::deed::Deed;
use crate::network::Path;
use crate::random::Random;
use crate::world::{Happening, World};
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
    /// Large packets are lost between two nodes.
    Narrow,
    /// The disk is read-only for a while.
    ReadOnlyDisk,
    /// What was saved is damaged when the agent starts.
    DamagedDisk,
}

/// Those that are drawn after everything else of a plan, so that the plans of older seeds stay as they are.
pub const LATE_FAULT_KINDS: &[FaultKind] =
    &[FaultKind::Narrow, FaultKind::ReadOnlyDisk, FaultKind::DamagedDisk];

/// The others.
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
        let gap = self.chaos.between(Duration::from_millis(1), self.plan.fault_every * 2);
        self.queue.plan(self.at + gap, Happening::Fault);
        if let Some(kind) = self.chaos.pick(&self.plan.faults).copied() {
            self.draw_fault(kind);
        }
    }

    fn draw_fault(&mut self, kind: FaultKind) {
        let machine = self.chaos.index(self.machines.len());
        let link = self.some_link();
        match (kind, self.other_than(machine)) {
            (FaultKind::Crash, _) => {
                let least = if self.chaos.chance(300) { 10 } else { 5000 };
                let off = Some(self.chaos.ms(least, 60_000));
                self.carry(Deed::Crash { machine, off });
            }
            (FaultKind::Freeze, _) => self.draw_freeze(machine),
            (FaultKind::AgentDeath, _) => self.draw_agent_death(machine),
            (FaultKind::ClockJump, _) => {
                let ms = i64::try_from(self.chaos.below(14_400_000)).unwrap_or(0) - 7_200_000;
                self.carry(Deed::Jump { machine, ms });
            }
            (FaultKind::ClockDrift, _) => {
                let ppm = i64::try_from(self.chaos.below(2000)).unwrap_or(0) - 1000;
                self.carry(Deed::Drift { machine, ppm });
            }
            (FaultKind::Vanishing, _) => {
                let active: Vec<_> = self.machines[machine].executor.active.iter().cloned().collect();
                if let Some(resource) = self.chaos.pick(&active).cloned() {
                    self.carry(Deed::End { machine, resource });
                }
            }
            (FaultKind::FullDisk, _) => {
                let lasts = self.chaos.ms(100, 20_000);
                self.carry(Deed::FillDisk { machine, lasts });
            }
            (FaultKind::ReadOnlyDisk, _) => {
                let lasts = self.chaos.ms(100, 20_000);
                self.carry(Deed::LockDisk { machine, lasts });
            }
            (FaultKind::DamagedDisk, _) => {
                self.carry(Deed::DamageDisk { machine });
                self.draw_agent_death(machine);
            }
            (_, None) => {}
            (FaultKind::Narrow, Some(other)) => {
                let lasts = Some(self.chaos.ms(1000, 40_000));
                let is_one_way = self.chaos.chance(500);
                self.carry(Deed::Narrow { left: vec![machine], right: vec![other], is_one_way, lasts });
            }
            (FaultKind::LinkCut, Some(other)) => {
                self.draw_cut("link cut", (vec![machine], vec![other]), false, Some(link));
            }
            (FaultKind::OneWayCut, Some(other)) => {
                self.draw_cut("one-way cut", (vec![machine], vec![other]), true, None);
            }
            (FaultKind::NonTransitive, Some(other)) => {
                self.draw_cut("non-transitive cut", (vec![machine], vec![other]), false, None);
            }
            (FaultKind::NodeCut, Some(_)) => {
                let others = (0..self.machines.len()).filter(|one| *one != machine).collect();
                self.draw_cut("node cut off", (vec![machine], others), false, None);
            }
            (FaultKind::Partition, Some(_)) => {
                let sides = if self.plan.corosync.quorum.auto_tie_breaker && self.chaos.chance(500) {
                    halves(self.machines.len(), &mut self.chaos)
                } else {
                    split(self.machines.len(), &mut self.chaos)
                };
                self.draw_cut("partition", sides, false, None);
            }
            (FaultKind::Flapping, Some(other)) => self.draw_flapping(machine, other, link),
            (FaultKind::AddressGone, Some(_)) => {
                let lasts = self.chaos.ms(10, 30_000);
                self.carry(Deed::LoseAddress { machine, link, lasts });
            }
        }
    }

    fn draw_freeze(&mut self, machine: usize) {
        let token = self.plan.token();
        let lasts = if self.chaos.chance(500) {
            self.tally.count("freeze longer than token");
            self.chaos.between(token, token * 8)
        } else {
            self.tally.count("freeze");
            self.chaos.between(Duration::from_millis(1), token)
        };
        self.carry(Deed::Freeze { machine, lasts });
    }

    fn draw_agent_death(&mut self, machine: usize) {
        let token = self.plan.token();
        let outage = if self.chaos.chance(600) {
            self.chaos.between(Duration::from_millis(1), token / 3)
        } else {
            self.chaos.between(token / 3, token * 5)
        };
        self.carry(Deed::KillAgent { machine, outage: Some(outage) });
    }

    fn draw_cut(
        &mut self,
        name: &'static str,
        (left, right): (Vec<usize>, Vec<usize>),
        is_one_way: bool,
        link: Option<u8>,
    ) {
        self.tally.count(name);
        let token = self.plan.token();
        let lasts = match self.chaos.below(3) {
            0 => self.chaos.between(Duration::from_millis(10), token),
            1 => self.chaos.between(token, token * 4),
            _ => self.chaos.between(token * 4, Duration::from_secs(60)),
        };
        self.carry(Deed::Cut { left, right, is_one_way, link, lasts: Some(lasts) });
    }

    fn draw_flapping(&mut self, machine: usize, other: usize, link: u8) {
        self.tally.count("flapping");
        let mut at = self.at;
        for _ in 0..self.chaos.below(10) + 2 {
            let lasts = self.chaos.ms(20, 3000);
            let (left, right) = (vec![machine], vec![other]);
            let cut = Deed::Cut { left, right, is_one_way: false, link: Some(link), lasts: Some(lasts) };
            self.queue.plan(at, Happening::Deed(cut));
            at += lasts + self.chaos.ms(20, 3000);
        }
    }

    /// Cuts paths until they are mended.
    pub(crate) fn cut(&mut self, paths: &[Path]) {
        self.network.cut(paths);
        self.calm_since = None;
        if self.trace.is_kept() {
            self.trace.note(self.at, "net", &format!("cut {}", describe(paths)));
        }
        self.note_who_is_apart();
        for (one, other) in self.pairs_apart() {
            self.suspect(one, "it was cut off");
            self.suspect(other, "it was cut off");
        }
    }

    /// Paths lose large packets until they are wide again.
    pub(crate) fn narrow(&mut self, paths: &[Path]) {
        self.network.narrow(paths);
        self.calm_since = None;
        if self.trace.is_kept() {
            self.trace.note(self.at, "net", &format!("narrow {}", describe(paths)));
        }
        for machine in paths.iter().flat_map(|(from, to, _)| [*from, *to]) {
            self.suspect(machine, "large packets to or from it were lost");
        }
    }

    pub(crate) fn mend(&mut self, paths: &[Path]) {
        self.network.mend(paths);
        self.note_who_is_apart();
        if self.trace.is_kept() {
            self.trace.note(self.at, "net", &format!("mended {}", describe(paths)));
        }
    }

    /// Pairs without a link that works in both directions.
    pub(crate) fn pairs_apart(&self) -> Vec<(usize, usize)> {
        let works = |one, other, link| {
            !self.network.is_cut((one, other, link)) && !self.network.is_cut((other, one, link))
        };
        let count = self.machines.len();
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        pairs.filter(|(one, other)| !self.links().any(|link| works(*one, *other, link))).collect()
    }

    fn some_link(&mut self) -> u8 {
        let links: Vec<u8> = self.links().collect();
        self.chaos.pick(&links).copied().unwrap_or(0)
    }

    fn other_than(&mut self, index: usize) -> Option<usize> {
        let others: Vec<usize> = (0..self.machines.len()).filter(|one| *one != index).collect();
        self.chaos.pick(&others).copied()
    }
}

fn split(count: usize, random: &mut Random) -> (Vec<usize>, Vec<usize>) {
    (0..count).partition(|_| random.chance(500))
}

/// Two sides of the same size, or nearly.
fn halves(count: usize, random: &mut Random) -> (Vec<usize>, Vec<usize>) {
    let first = random.index(count);
    let place = |machine: &usize| (machine + count - first) % count;
    (0..count).partition(|machine| place(machine) < count / 2)
}

fn describe(paths: &[Path]) -> String {
    let path = |(from, to, link): &Path| format!("n{}>n{} link {link}", from + 1, to + 1);
    paths.iter().map(path).collect::<Vec<_>>().join(", ")
}
