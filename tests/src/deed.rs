//! What is done to the world from outside: faults, and what clients and operators ask for. A seed draws deeds
//! (`fault`, `client`), a script lists them; both are carried out here, so that what one seed drew can be written down.

use crate::client::{Change, Wish};
use crate::network::Path;
use crate::world::{Happening, World};
use muster_api::control::Request;
use muster_api::id::{NodeName, ResourceId};
use muster_core::input::Input;
use std::time::Duration;

/// One deed. Machines are meant by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the words of `script::deed`, which explains them")]
pub enum Deed {
    /// Two sides do not reach each other, or only the right one is not reached; on one link or on all.
    Cut { left: Vec<usize>, right: Vec<usize>, is_one_way: bool, link: Option<u8>, lasts: Option<Duration> },
    /// Large packets are lost between two sides, or only from the left one to the right one.
    Narrow { left: Vec<usize>, right: Vec<usize>, is_one_way: bool, lasts: Option<Duration> },
    /// All cuts end.
    Mend,
    /// A link's own address is gone.
    LoseAddress { machine: usize, link: u8, lasts: Duration },
    /// A machine loses its power.
    Crash { machine: usize, off: Option<Duration> },
    /// A machine gets its power back.
    PowerOn { machine: usize },
    /// An agent is not scheduled.
    Freeze { machine: usize, lasts: Duration },
    /// An agent dies, and is started again after a while.
    KillAgent { machine: usize, outage: Option<Duration> },
    /// An agent that died or left is started.
    StartAgent { machine: usize },
    /// The wall clock is set.
    Jump { machine: usize, ms: i64 },
    /// The monotonic clock runs fast or slow, in parts per million.
    Drift { machine: usize, ppm: i64 },
    /// A resource's process ends.
    End { machine: usize, resource: ResourceId },
    /// Nothing more can be written.
    FillDisk { machine: usize, lasts: Duration },
    /// The disk has become read-only.
    LockDisk { machine: usize, lasts: Duration },
    /// A byte of what the agent saved last is another one now.
    DamageDisk { machine: usize },
    /// A client of that machine's agent asks for something.
    Ask { machine: usize, ask: Ask },
}

/// What a client or an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of `muster_api::control::Request`")]
pub enum Ask {
    Standby {
        node: usize,
        on: bool,
    },
    Move {
        resource: ResourceId,
        node: Option<usize>,
        lifetime: Option<Duration>,
    },
    Clear {
        resource: ResourceId,
    },
    Cleanup {
        resource: Option<ResourceId>,
    },
    Enable {
        resource: ResourceId,
        on: bool,
    },
    /// A change of the configuration that changes nothing but a marker.
    Mark,
    /// Another value of a parameter of a resource: of `value`, which its agent takes over, or of `state`, which needs a restart.
    Parameter {
        name: &'static str,
        value: u64,
    },
    Maintenance {
        on: bool,
    },
    Fence {
        node: usize,
        off: bool,
    },
    /// A person has seen that a node is off, and keeps it so until the cluster has heard.
    Confirm {
        node: usize,
    },
    /// The agent comes back after that time, or not by itself.
    Leave {
        back: Option<Duration>,
    },
    Wait,
    Status,
}

impl World {
    /// Does a deed.
    pub fn carry(&mut self, deed: Deed) {
        if self.is_over() {
            return;
        }
        self.deeds.push((self.at, deed.clone()));
        if !matches!(deed, Deed::Crash { .. }) {
            self.ledger.watch = None;
        }
        match deed {
            Deed::Cut { left, right, is_one_way, link, lasts } => {
                let paths = self.paths(&left, &right, is_one_way, link);
                self.cut(&paths);
                if let Some(lasts) = lasts {
                    self.queue.plan(self.at + lasts, Happening::Mend(paths));
                }
            }
            Deed::Narrow { left, right, is_one_way, lasts } => {
                let paths = self.paths(&left, &right, is_one_way, None);
                self.narrow(&paths);
                if let Some(lasts) = lasts {
                    self.queue.plan(self.at + lasts, Happening::Widen(paths));
                }
            }
            Deed::Mend => {
                self.network.mend_all();
                self.note_who_is_apart();
            }
            Deed::LoseAddress { machine, link, lasts } => self.lose_address(machine, link, lasts),
            Deed::Crash { machine, off } => self.crash(machine, off),
            Deed::PowerOn { machine } => self.power_returns(machine),
            Deed::Freeze { machine, lasts } => {
                if lasts > self.plan.token() / 3 {
                    self.suspect(machine, "it was frozen");
                }
                self.freeze(machine, lasts);
            }
            Deed::KillAgent { machine, outage } => self.kill_agent_for(machine, outage),
            Deed::StartAgent { machine } => self.start_agent(machine),
            Deed::Jump { machine, ms } => {
                self.tally.count("clock jump");
                self.say(machine, &format!("wall clock jumps by {ms} ms"));
                self.machines[machine].clock.jump(ms);
            }
            Deed::Drift { machine, ppm } => {
                self.tally.count("clock drift");
                let at = self.at;
                self.machines[machine].clock.drift(at, ppm);
                self.rewake(machine);
            }
            Deed::End { machine, resource } => self.end_process(machine, resource),
            Deed::FillDisk { machine, lasts } => {
                self.say(machine, "disk full");
                self.machines[machine].disk.is_full = true;
                self.suspect(machine, "its disk was full");
                self.queue.plan(self.at + lasts, Happening::DiskHasRoom { machine });
            }
            Deed::LockDisk { machine, lasts } => {
                self.say(machine, "disk read-only");
                self.machines[machine].disk.is_read_only = true;
                self.suspect(machine, "its disk was read-only");
                self.queue.plan(self.at + lasts, Happening::DiskIsWritable { machine });
            }
            Deed::DamageDisk { machine } => {
                self.say(machine, "a byte of what was saved is damaged");
                let Self { machines, random, tally, .. } = self;
                machines[machine].disk.damage(random, tally);
                self.suspect(machine, "its disk is damaged");
            }
            Deed::Ask { machine, ask } => self.ask_for(machine, ask),
        }
    }

    /// The paths between two sides.
    fn paths(&self, left: &[usize], right: &[usize], is_one_way: bool, link: Option<u8>) -> Vec<Path> {
        let links: Vec<u8> = self.links().filter(|one| link.is_none_or(|link| link == *one)).collect();
        let mut paths = Vec::new();
        for (one, other) in left.iter().flat_map(|one| right.iter().map(move |other| (*one, *other))) {
            for link in &links {
                paths.push((one, other, *link));
                if !is_one_way {
                    paths.push((other, one, *link));
                }
            }
        }
        paths
    }

    /// A machine loses its power and gets it back later.
    fn crash(&mut self, machine: usize, off: Option<Duration>) {
        if !self.machines[machine].is_on {
            return;
        }
        self.watch_recovery(machine);
        self.tally.count("crash");
        self.switch_off(machine, "crash");
        if let Some(off) = off {
            self.queue.plan(self.at + off, Happening::PowerReturns { machine });
        }
    }

    fn kill_agent_for(&mut self, machine: usize, outage: Option<Duration>) {
        if self.machines[machine].agent.is_none() {
            return;
        }
        self.tally.count("agent killed");
        if outage.is_none_or(|outage| outage > self.plan.token() / 3) {
            self.suspect(machine, "its agent was down");
        }
        self.kill_agent(machine);
        let power_life = self.machines[machine].power_life;
        if let Some(outage) = outage {
            self.queue.plan(self.at + outage, Happening::Boots { machine, power_life });
        }
    }

    fn end_process(&mut self, machine: usize, resource: ResourceId) {
        if !self.machines[machine].executor.vanish(&resource) {
            return;
        }
        self.tally.count("resource vanishes");
        self.say(machine, &format!("{resource} ends by itself"));
        if self.plan.sees_processes {
            self.feed(machine, Input::Vanished { resource, what: "its process ended".into() });
        }
    }

    fn lose_address(&mut self, machine: usize, link: u8, lasts: Duration) {
        self.tally.count("link address gone");
        let others: Vec<usize> = (0..self.machines.len()).filter(|other| *other != machine).collect();
        let paths = self.paths(&[machine], &others, false, Some(link));
        self.cut(&paths);
        self.queue.plan(self.at + lasts, Happening::Mend(paths));
        self.queue.plan(self.at + lasts, Happening::AddressReturns { machine, link });
        self.feed(machine, Input::LinkState { link, is_usable: false });
    }

    fn ask_for(&mut self, machine: usize, ask: Ask) {
        match ask {
            Ask::Standby { node, on } => {
                self.tally.count("standby");
                self.ask(machine, Wish::Changed, Request::Standby { node: self.name_of(node), on });
            }
            Ask::Move { resource, node, lifetime } => {
                self.tally.count("move");
                let node = node.map(|node| self.name_of(node));
                let lifetime_ms = lifetime.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                self.ask(machine, Wish::Changed, Request::Move { resource, node, lifetime_ms });
            }
            Ask::Clear { resource } => self.ask(machine, Wish::Changed, Request::Clear { resource }),
            Ask::Cleanup { resource } => {
                self.tally.count("cleanup");
                self.ask(machine, Wish::Done, Request::Cleanup { resource });
            }
            Ask::Enable { resource, on } => {
                self.tally.count("disable");
                self.ask(machine, Wish::Changed, Request::Enable { resource, on });
            }
            Ask::Mark => self.ask(machine, Wish::Read(Change::Mark), Request::Snapshot),
            Ask::Parameter { name, value } => {
                self.tally.count("parameter changed");
                self.ask(machine, Wish::Read(Change::Parameter(name, value)), Request::Snapshot);
            }
            Ask::Maintenance { on } => {
                self.tally.count("maintenance");
                self.ledger.was_in_maintenance = true;
                self.ask(machine, Wish::Read(Change::Maintenance(on)), Request::Snapshot);
            }
            Ask::Fence { node, off } => {
                self.tally.count("fence by hand");
                self.suspect(node, "a person asked for it");
                let node = self.name_of(node);
                self.ledger.asked_to_fence.insert(node.clone());
                self.ask(machine, Wish::Done, Request::Fence { node, off });
            }
            Ask::Confirm { node } => self.confirm_by_hand(machine, node),
            Ask::Leave { back } => {
                self.tally.count("leave");
                self.machines[machine].returns_after = back;
                self.ask(machine, Wish::Done, Request::Leave);
            }
            Ask::Wait => self.ask(machine, Wish::Done, Request::WaitIdle { timeout_ms: 10_000 }),
            Ask::Status => self.ask(machine, Wish::Done, Request::Status),
        }
    }

    /// A person who says that a node is off has seen to it, and keeps it so until the cluster has heard.
    fn confirm_by_hand(&mut self, machine: usize, target: usize) {
        if machine == target || self.machines[target].is_on || self.machines[target].is_held_off {
            return;
        }
        self.tally.count("confirm by hand");
        self.machines[target].is_held_off = true;
        let node = self.name_of(target);
        self.ask(machine, Wish::ConfirmedOff(target), Request::ConfirmFenced { node });
    }

    fn name_of(&self, machine: usize) -> NodeName {
        self.machines[machine].name.clone()
    }

    /// The links of every node.
    pub(crate) fn links(&self) -> impl Iterator<Item = u8> + use<> {
        let links = self.plan.corosync.nodes[0].addresses.len();
        0..u8::try_from(links).unwrap_or(8)
    }
}
