//! One machine: its power, its clocks, its disk, what runs on it, and the agent with the node that is being tested.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::executor::Executor;
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_core::effect::Effect;
use muster_core::input::Input;
use muster_core::node::{Inspection, Node};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What a frozen agent's socket holds.
const PACKETS_HELD: usize = 200;

/// A machine, on or off.
#[derive(Debug)]
pub struct Machine {
    /// The node's number.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Its clocks.
    pub clock: Clock,
    /// Its disk.
    pub disk: Disk,
    /// What runs on it.
    pub executor: Executor,
    /// It has power.
    pub is_on: bool,
    /// Counts the times that it was switched on.
    pub power_life: u64,
    /// The supplies that are switched off, by fence device.
    pub supplies_off: BTreeSet<ResourceId>,
    /// Somebody keeps it off.
    pub is_held_off: bool,
    /// The agent, where it runs.
    pub agent: Option<Agent>,
    /// Counts the agents.
    pub agent_life: u64,
    /// The agent left the cluster cleanly and was not started since.
    pub has_left: bool,
    /// The others knew of it.
    pub was_released: bool,
    /// After which time an operator starts the agent again once it has left.
    pub returns_after: Option<Duration>,
    /// Since when its agent does not start because it cannot read what it saved.
    pub refused_at: Option<Duration>,
    /// How often a device switched it off.
    pub fencings: u64,
    /// Why it would be right to fence it, where there is a reason.
    pub suspicion: Option<&'static str>,
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    /// The node.
    pub node: Node,
    /// What was seen of it after its last step.
    pub seen: Inspection,
    /// What it wants done and is not done yet.
    pub outbox: VecDeque<Effect>,
    /// How many writes were wanted, and how many are complete.
    pub writes: (u64, u64),
    /// Views that it activated, and how many writes come before anybody hears of them.
    pub unheard: VecDeque<(u64, Inspection)>,
    /// The first of it waits for the disk.
    pub is_writing: bool,
    /// It is not scheduled until then.
    pub frozen_until: Option<Duration>,
    /// Since when, or since when it was the last time.
    pub frozen_since: Duration,
    /// What came in meanwhile.
    pub inbox: VecDeque<Input>,
    /// When it is called next.
    pub wake_at: Option<Duration>,
    /// Since when it sits in a view without quorum.
    pub inquorate_since: Option<Duration>,
}

impl Machine {
    /// A machine that was never switched on.
    pub fn new(id: NodeId, name: NodeName) -> Self {
        Self {
            id,
            name,
            clock: Clock::right(),
            disk: Disk::default(),
            executor: Executor::default(),
            is_on: false,
            power_life: 0,
            supplies_off: BTreeSet::new(),
            is_held_off: false,
            agent: None,
            agent_life: 0,
            has_left: false,
            was_released: false,
            returns_after: None,
            refused_at: None,
            fencings: 0,
            suspicion: None,
        }
    }

    /// What was seen of its node, where it has one.
    pub fn seen(&self) -> Option<&Inspection> {
        self.agent.as_ref().map(|agent| &agent.seen)
    }

    /// Its agent runs and is scheduled.
    pub fn is_awake(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.frozen_until.is_none())
    }
}

impl Agent {
    /// An agent that has just started.
    pub fn new(node: Node) -> Self {
        let seen = node.inspect();
        Self {
            node,
            seen,
            outbox: VecDeque::new(),
            writes: (0, 0),
            unheard: VecDeque::new(),
            is_writing: false,
            frozen_until: None,
            frozen_since: Duration::ZERO,
            inbox: VecDeque::new(),
            wake_at: None,
            inquorate_since: None,
        }
    }

    /// Keeps an input until the agent is scheduled again.
    pub fn hold(&mut self, input: Input) {
        let packets = self.inbox.iter().filter(|held| matches!(held, Input::Received { .. })).count();
        if !matches!(input, Input::Received { .. }) || packets < PACKETS_HELD {
            self.inbox.push_back(input);
        }
    }
}
