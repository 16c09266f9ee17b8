//! What really runs on one machine, whatever the cluster believes: actions take time, fail, hang and lie; monitors repeat.
//!
//! An action that is under way when the agent dies has ended before the next agent of that machine starts: the agent must
//! wait for, or end, what its former life left.

use crate::random::Random;
use crate::tally::Tally;
use muster_api::history::{OpRecord, OpStatus, ResourceAction, definition_digest, rc};
use muster_api::id::ResourceId;
use muster_api::reload;
use muster_core::input::OrderId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How much goes wrong with actions; chances per mille.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// A start fails.
    pub starts: u64,
    /// A stop fails.
    pub stops: u64,
    /// A monitor says that it failed, although it runs.
    pub monitors: u64,
    /// An action does not end.
    pub hangs: u64,
    /// A start says that it went well, and nothing runs.
    pub lies: u64,
}

/// How an action will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
    Hangs,
    Lies,
}

#[derive(Debug)]
struct Operation {
    order: OrderId,
    action: ResourceAction,
    fate: Fate,
    began: Duration,
}

#[derive(Debug)]
struct Monitor {
    order: OrderId,
    action: ResourceAction,
    last: Option<(OpStatus, Option<u8>)>,
}

/// A monitor that is repeated.
pub type MonitorKey = (ResourceId, u64);

/// The real activity of one machine.
#[derive(Debug, Default)]
pub struct Executor {
    /// What is active, or may be because its start has begun.
    pub active: BTreeSet<ResourceId>,
    /// The parameters that each was started with, or that its agent has taken over since.
    pub params: BTreeMap<ResourceId, BTreeMap<String, String>>,
    /// How often each was started since the beginning.
    pub starts: BTreeMap<ResourceId, u64>,
    operations: BTreeMap<u64, Operation>,
    monitors: BTreeMap<MonitorKey, Monitor>,
    next: u64,
    /// How much goes wrong.
    pub trouble: Trouble,
}

/// What an order leads to.
#[derive(Debug)]
pub enum Begun {
    /// It ends after that time.
    Once(u64, Duration),
    /// It is looked at after that time, and again.
    Repeated(MonitorKey, Duration),
    /// Another action of the same resource is still under way: nobody may order that.
    Overlaps(String),
}

impl Executor {
    /// Carries out an order.
    pub fn begin(
        &mut self,
        at: Duration,
        order: OrderId,
        action: ResourceAction,
        random: &mut Random,
        tally: &mut Tally,
    ) -> Begun {
        if action.interval_ms > 0 {
            let key = (action.resource.clone(), action.interval_ms);
            self.monitors.insert(key.clone(), Monitor { order, action, last: None });
            return Begun::Repeated(key, random.ms(1, 50));
        }
        let other = self.operations.values().find(|other| other.action.resource == action.resource);
        if let Some(other) = other.filter(|_| action.operation != "monitor") {
            let (began, running) = (&action.operation, &other.action.operation);
            return Begun::Overlaps(format!("{began} of {} while its {running} runs", action.resource));
        }
        let fate = self.fate(&action, random, tally);
        match action.operation.as_str() {
            // Whether a start that fails has left something behind is a matter of chance.
            "start" if fate == Fate::Works || (fate != Fate::Lies && random.chance(500)) => {
                self.active.insert(action.resource.clone());
                self.params.insert(action.resource.clone(), action.params.clone());
                *self.starts.entry(action.resource.clone()).or_default() += 1;
            }
            "stop" => self.monitors.retain(|(resource, _), _| *resource != action.resource),
            _ => {}
        }
        let takes = match fate {
            Fate::Hangs => Duration::from_millis(action.timeout_ms),
            _ => random.ms(2, 400).min(Duration::from_millis(action.timeout_ms)),
        };
        self.next += 1;
        self.operations.insert(self.next, Operation { order, action, fate, began: at });
        Begun::Once(self.next, takes)
    }

    fn fate(&self, action: &ResourceAction, random: &mut Random, tally: &mut Tally) -> Fate {
        let trouble = self.trouble;
        if random.chance(trouble.hangs) {
            tally.count("operation hangs");
            return Fate::Hangs;
        }
        let (chance, name) = match action.operation.as_str() {
            "start" => (trouble.starts, "start fails"),
            "stop" => (trouble.stops, "stop fails"),
            reload::OPERATION => (trouble.monitors, "reload fails"),
            _ => (trouble.monitors, "monitor fails"),
        };
        if random.chance(chance) {
            tally.count(name);
            return Fate::Fails;
        }
        if action.operation == "start" && random.chance(trouble.lies) {
            tally.count("start lies");
            return Fate::Lies;
        }
        Fate::Works
    }

    /// An action ends; what the agent of the resource says. `None` where the machine has forgotten it.
    pub fn end(
        &mut self,
        at: Duration,
        number: u64,
        wall_ms: u64,
    ) -> Option<(OrderId, ResourceId, OpRecord)> {
        let operation = self.operations.remove(&number)?;
        let resource = operation.action.resource.clone();
        let is_active = self.active.contains(&resource);
        let (status, code) = match (operation.action.operation.as_str(), operation.fate) {
            (_, Fate::Hangs) => (OpStatus::TimedOut, None),
            (_, Fate::Fails) => (OpStatus::Done, Some(rc::ERROR)),
            ("stop", _) => {
                self.active.remove(&resource);
                (OpStatus::Done, Some(rc::OK))
            }
            ("monitor" | reload::OPERATION, _) if !is_active => (OpStatus::Done, Some(rc::NOT_RUNNING)),
            (reload::OPERATION, _) => {
                self.params.insert(resource.clone(), operation.action.params.clone());
                (OpStatus::Done, Some(rc::OK))
            }
            _ => (OpStatus::Done, Some(rc::OK)),
        };
        let took = at - operation.began;
        Some((operation.order, resource, record(&operation.action, status, code, wall_ms, took)))
    }

    /// Looks at a resource that is monitored: what to report, where that differs from the last time. `None` where it is not
    /// monitored any more.
    pub fn look(
        &mut self,
        key: &MonitorKey,
        wall_ms: u64,
        random: &mut Random,
        tally: &mut Tally,
    ) -> Option<Option<(OrderId, ResourceId, OpRecord)>> {
        let is_active = self.active.contains(&key.0);
        let is_wrong = random.chance(self.trouble.monitors);
        let monitor = self.monitors.get_mut(key)?;
        let result = if is_wrong {
            tally.count("monitor fails");
            if random.chance(300) { (OpStatus::TimedOut, None) } else { (OpStatus::Done, Some(rc::ERROR)) }
        } else {
            (OpStatus::Done, Some(if is_active { rc::OK } else { rc::NOT_RUNNING }))
        };
        if monitor.last == Some(result) {
            return Some(None);
        }
        monitor.last = Some(result);
        let record = record(&monitor.action, result.0, result.1, wall_ms, Duration::from_millis(1));
        Some(Some((monitor.order, key.0.clone(), record)))
    }

    /// Ends a monitor.
    pub fn cancel(&mut self, resource: &ResourceId, interval_ms: u64) {
        self.monitors.remove(&(resource.clone(), interval_ms));
    }

    /// The agent is gone, what runs goes on.
    pub fn lose_agent(&mut self, random: &mut Random) {
        self.monitors.clear();
        for operation in std::mem::take(&mut self.operations).into_values() {
            if operation.action.operation == "stop" && operation.fate == Fate::Works && random.chance(500) {
                self.active.remove(&operation.action.resource);
            }
        }
    }

    /// The machine is off.
    pub fn lose_power(&mut self) {
        let starts = std::mem::take(&mut self.starts);
        *self = Self { trouble: self.trouble, next: self.next, starts, ..Self::default() };
    }

    /// A resource ends by itself. Whether it did: one that is being started or stopped does not.
    pub fn vanish(&mut self, resource: &ResourceId) -> bool {
        let is_changing = self.operations.values().any(|operation| operation.action.resource == *resource);
        !is_changing && self.active.remove(resource)
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.operations.is_empty()
    }
}

fn record(
    action: &ResourceAction,
    status: OpStatus,
    code: Option<u8>,
    at_ms: u64,
    took: Duration,
) -> OpRecord {
    OpRecord {
        operation: action.operation.clone(),
        interval_ms: action.interval_ms,
        call: 0,
        status,
        rc: code,
        reason: String::new(),
        at_ms,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        digest: definition_digest(&action.agent, &action.params),
        peer: action.peer(),
        agent: action.agent.clone(),
        params: action.params.clone(),
    }
}
