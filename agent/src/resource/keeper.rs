//! Keeps one resource on this node: runs its actions one after the other, repeats its monitors in between, and notices
//! when it ends by itself.

use super::agent::{Agent, Surroundings, Vigil};
use super::ended::Ended;
use super::reload;
use crate::clock::wall_ms;
use crate::log;
use muster_api::history::{OpRecord, OpStatus, ResourceAction, definition_digest};
use muster_api::id::ResourceId;
use muster_core::input::{Input, OrderId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

/// What a keeper is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Run this, or repeat it where it has an interval.
    Run(OrderId, ResourceAction),
    /// Stop repeating the monitor of that interval.
    Cancel(u64),
}

/// One resource.
pub(crate) struct Keeper {
    resource: ResourceId,
    orders: UnboundedReceiver<Order>,
    inputs: UnboundedSender<Input>,
    surroundings: Surroundings,
    waiting: VecDeque<(OrderId, ResourceAction)>,
    monitors: BTreeMap<u64, Monitor>,
    vigil: Option<Vigil>,
    told_kind: Option<&'static str>,
}

/// A monitor that is repeated.
struct Monitor {
    order: OrderId,
    action: ResourceAction,
    due: Instant,
    last: Option<(OpStatus, Option<u8>)>,
}

/// What an idle keeper waits for.
enum Event {
    Ordered(Order),
    Due(u64),
    Vanished(String),
    NoMoreOrders,
}

impl Keeper {
    /// A keeper that has done nothing yet.
    pub(crate) fn new(
        resource: ResourceId,
        orders: UnboundedReceiver<Order>,
        inputs: UnboundedSender<Input>,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            resource,
            orders,
            inputs,
            surroundings,
            waiting: VecDeque::new(),
            monitors: BTreeMap::new(),
            vigil: None,
            told_kind: None,
        }
    }

    /// Keeps the resource until nobody can order any more.
    pub(crate) async fn keep(mut self) {
        loop {
            if let Some((order, action)) = self.waiting.pop_front() {
                self.act(order, action).await;
                continue;
            }
            match self.next_event().await {
                Event::Ordered(order) => self.accept(order),
                Event::Due(interval) => self.monitor(interval).await,
                Event::Vanished(what) => self.report_vanished(what),
                Event::NoMoreOrders => return,
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let due = self.monitors.iter().map(|(interval, monitor)| (monitor.due, *interval)).min();
        let next_monitor = async {
            match due {
                Some((due, interval)) => {
                    sleep_until(due).await;
                    interval
                }
                None => std::future::pending().await,
            }
        };
        let vanished = async {
            match self.vigil.as_mut() {
                Some(vigil) => vigil.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            order = self.orders.recv() => order.map_or(Event::NoMoreOrders, Event::Ordered),
            what = vanished => Event::Vanished(what),
            interval = next_monitor => Event::Due(interval),
        }
    }

    fn accept(&mut self, order: Order) {
        match order {
            Order::Run(order, action) if action.interval_ms == 0 => self.waiting.push_back((order, action)),
            Order::Run(order, action) => {
                let monitor = Monitor { order, due: Instant::now(), last: None, action };
                self.monitors.insert(monitor.action.interval_ms, monitor);
            }
            Order::Cancel(interval) => {
                self.monitors.remove(&interval);
            }
        }
    }

    /// Runs an action that is not repeated.
    async fn act(&mut self, order: OrderId, action: ResourceAction) {
        if action.operation == "stop" {
            self.monitors.clear();
            self.vigil = None;
        }
        let started = Instant::now();
        let ended = self.run(&action).await;
        if ended.is_active() && matches!(action.operation.as_str(), "start" | "monitor") {
            self.keep_vigil(&action).await;
        }
        let is_active = ended.is_active();
        self.report(order, &action, ended, started);
        if is_active {
            reload::tell(&action, &self.surroundings, &self.inputs);
        }
    }

    /// Runs a monitor that is due, unless an order comes in that must not wait for it.
    async fn monitor(&mut self, interval: u64) {
        let Some(monitor) = self.monitors.get(&interval) else { return };
        let (order, action, started) = (monitor.order, monitor.action.clone(), Instant::now());
        let surroundings = self.surroundings.clone();
        let run = run(&action, &surroundings);
        tokio::pin!(run);
        let (ended, _) = loop {
            tokio::select! {
                ended = &mut run => break ended,
                Some(next) = self.orders.recv() => {
                    let is_urgent = matches!(&next, Order::Run(_, action) if action.interval_ms == 0)
                        || matches!(&next, Order::Cancel(cancelled) if *cancelled == interval);
                    self.accept(next);
                    if is_urgent {
                        // Dropping the run ends it; if the monitor is still wanted it is repeated after the order.
                        return;
                    }
                }
            }
        };
        if ended.is_active() && self.vigil.is_none() {
            self.keep_vigil(&action).await;
        }
        let result = (ended.status, ended.rc);
        let Some(monitor) = self.monitors.get_mut(&interval).filter(|monitor| monitor.order == order) else {
            return;
        };
        monitor.due = Instant::now() + Duration::from_millis(interval);
        if monitor.last.replace(result) != Some(result) {
            self.report(order, &action, ended, started);
        }
    }

    async fn run(&mut self, action: &ResourceAction) -> Ended {
        let (ended, kind) = run(action, &self.surroundings).await;
        if kind.is_some() && self.told_kind != kind {
            self.told_kind = kind;
            log::info(format!(
                "{}: {} is run by the {}",
                self.resource,
                action.agent,
                kind.unwrap_or_default()
            ));
        }
        ended
    }

    async fn keep_vigil(&mut self, action: &ResourceAction) {
        if let Ok(agent) = Agent::find(&action.agent, &self.surroundings.systemd).await {
            self.vigil = agent.vigil(action, &self.surroundings).await;
        }
    }

    fn report_vanished(&mut self, what: String) {
        self.vigil = None;
        self.send(Input::Vanished { resource: self.resource.clone(), what });
    }

    fn report(&self, order: OrderId, action: &ResourceAction, ended: Ended, started: Instant) {
        let record = OpRecord {
            operation: action.operation.clone(),
            interval_ms: action.interval_ms,
            call: 0,
            status: ended.status,
            rc: ended.rc,
            reason: ended.reason,
            at_ms: wall_ms(),
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            digest: definition_digest(&action.agent, &action.params),
            peer: action.peer(),
            agent: action.agent.clone(),
            params: action.params.clone(),
        };
        self.send(Input::ActionEnded { order, resource: self.resource.clone(), record });
    }

    fn send(&self, input: Input) {
        // Where nobody listens any more the agent is about to exit.
        let _ = self.inputs.send(input);
    }
}

async fn run(action: &ResourceAction, surroundings: &Surroundings) -> (Ended, Option<&'static str>) {
    match Agent::find(&action.agent, &surroundings.systemd).await {
        Ok(agent) => (agent.run(action, surroundings).await, Some(agent.kind())),
        // What is not installed does not run: a probe must be able to say so.
        Err(ended) => (ended, None),
    }
}
