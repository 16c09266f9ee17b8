//! What runs on this node: the orders under way, the record of what was done here since the agent started, and what resource
//! agents said of the node. This record is the truth about this node; every view begins with it.

use crate::effect::Effect;
use crate::input::OrderId;
use crate::node::Node;
use crate::replica::activity::may_be_active;
use crate::replica::apply::{Contains, forget_all, forget_failures, pending, put};
use crate::replica::command::Command;
use crate::time::Now;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::history::{OpRecord, OpStatus, ResourceAction, rc};
use muster_api::id::ResourceId;

#[derive(Debug, Default)]
pub(crate) struct Executor {
    orders: BTreeMap<OrderId, Order>,
    pub(crate) history: BTreeMap<ResourceId, Vec<OpRecord>>,
    /// What resource agents said of this node since the agent started: a value, or that there is none any more. The cluster may
    /// know more from before, and that holds: a restart of the agent must not move what is promoted here.
    pub(crate) said: BTreeMap<String, Option<String>>,
    next_order: u64,
    last_call: u64,
}

#[derive(Debug)]
struct Order {
    action: ResourceAction,
    call: u64,
    has_ended: bool,
}

impl Executor {
    /// Takes an order of the activated view. `last_call` is the highest that the cluster knows of this node.
    pub(crate) fn run(&mut self, now: Now, action: ResourceAction, last_call: u64) -> Option<Effect> {
        if self.is_under_way(&action) {
            return None;
        }
        self.last_call = self.last_call.max(last_call) + 1;
        self.next_order += 1;
        let order = OrderId(self.next_order);
        let record = pending(&action, self.last_call, now.wall_ms);
        put(self.history.entry(action.resource.clone()).or_default(), record);
        self.end_monitors_before(&action);
        self.orders.insert(order, Order { action: action.clone(), call: self.last_call, has_ended: false });
        Some(Effect::Run { order, action })
    }

    fn is_under_way(&self, action: &ResourceAction) -> bool {
        self.orders.values().any(|order| !order.has_ended && is_same(&order.action, action))
    }

    /// A monitor that is ordered again replaces the one that is repeated; a stop or a start ends all. Else they go on: what a
    /// monitor says after a notification or a reload counts.
    fn end_monitors_before(&mut self, action: &ResourceAction) {
        let ends_all = matches!(action.operation.as_str(), "start" | "stop");
        let is_ended = |order: &Order| {
            let is_recurring = order.action.resource == action.resource && order.action.interval_ms > 0;
            is_recurring && (ends_all || is_same(&order.action, action))
        };
        self.orders.retain(|_, order| !is_ended(order));
    }

    /// An action ended; returns what to report.
    pub(crate) fn ended(&mut self, order: OrderId, mut record: OpRecord) -> Option<(ResourceId, OpRecord)> {
        let known = self.orders.get_mut(&order)?;
        if known.has_ended {
            // The result of a monitor changed: later than all before.
            self.last_call += 1;
            known.call = self.last_call;
        }
        known.has_ended = true;
        let planned = pending(&known.action, known.call, record.at_ms);
        record.call = known.call;
        record.operation = planned.operation;
        record.interval_ms = planned.interval_ms;
        record.digest = planned.digest;
        record.agent = planned.agent;
        record.params = planned.params;
        let resource = known.action.resource.clone();
        if known.action.interval_ms == 0 {
            self.orders.remove(&order);
        }
        put(self.history.entry(resource.clone()).or_default(), record.clone());
        Some((resource, record))
    }

    /// A supervised process ended by itself: a failed monitor, at once. `None` where the resource is not known to run, or is
    /// being stopped.
    pub(crate) fn vanished(&mut self, now: Now, resource: &ResourceId, what: &str) -> Option<OpRecord> {
        let is_changing = self.orders.values().any(|order| {
            order.action.resource == *resource && !order.has_ended && order.action.operation != "monitor"
        });
        let records = self.history.get_mut(resource)?;
        if is_changing || !may_be_active(records) {
            return None;
        }
        let recurring =
            records.iter().filter(|record| record.operation == "monitor" && record.interval_ms > 0);
        let last = recurring.min_by_key(|record| record.interval_ms).or(records.last())?.clone();
        self.last_call += 1;
        let record = OpRecord {
            operation: "monitor".to_string(),
            interval_ms: if last.operation == "monitor" { last.interval_ms } else { 0 },
            call: self.last_call,
            status: OpStatus::Done,
            rc: Some(rc::NOT_RUNNING),
            reason: String::from(what),
            at_ms: now.wall_ms,
            took_ms: 0,
            ..last
        };
        put(records, record.clone());
        Some(record)
    }

    pub(crate) fn cancel_monitor(&mut self, resource: &ResourceId, interval_ms: u64) -> Effect {
        let is_it = |order: &Order| {
            order.action.resource == *resource
                && order.action.operation == "monitor"
                && order.action.interval_ms == interval_ms
        };
        self.orders.retain(|_, order| !is_it(order));
        if let Some(records) = self.history.get_mut(resource) {
            records.retain(|record| record.operation != "monitor" || record.interval_ms != interval_ms);
        }
        Effect::CancelMonitor { resource: resource.clone(), interval_ms }
    }

    /// The cluster forgets what it knows of those resources: so does this node, by the same rule for its own records. They need
    /// not be those of the cluster: an order that is on its way has replaced another record there.
    fn forget(&mut self, is_meant: impl Fn(&ResourceId) -> bool, rule: fn(&mut Vec<OpRecord>)) {
        let meant = self.history.iter_mut().filter(|(resource, _)| is_meant(resource));
        meant.for_each(|(_, records)| rule(records));
        self.history.retain(|_, records| !records.is_empty());
    }

    /// What this node brings into a view.
    pub(crate) fn report(&self) -> Vec<(ResourceId, Vec<OpRecord>)> {
        self.history.iter().map(|(resource, records)| (resource.clone(), records.clone())).collect()
    }

    /// Whether nothing may run here and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.history.values().all(|records| !may_be_active(records))
            && self.orders.values().all(|order| order.has_ended)
    }
}

impl Node {
    /// What the cluster forgets, this node forgets of itself.
    pub(crate) fn forget_as_told(&mut self, command: &Command) {
        match command {
            Command::Cleanup { resource: wanted } => {
                let config = &self.replica.config;
                let is_meant =
                    |id: &ResourceId| wanted.as_ref().is_none_or(|wanted| config.is_in(id, wanted));
                self.executor.forget(is_meant, forget_all);
            }
            Command::ForgetFailures { node, resource } if node == self.name_of(self.me) => {
                self.executor.forget(|id| id == resource, forget_failures);
            }
            _ => {}
        }
    }
}

fn is_same(one: &ResourceAction, other: &ResourceAction) -> bool {
    one.resource == other.resource && one.operation == other.operation && one.interval_ms == other.interval_ms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;
    use muster_api::resource::AgentName;

    fn action(operation: &str, interval_ms: u64) -> ResourceAction {
        ResourceAction {
            resource: "web".into(),
            agent: AgentName::parse("ocf:heartbeat:Dummy").expect("the name of an agent"),
            operation: operation.into(),
            interval_ms,
            timeout_ms: 1000,
            params: BTreeMap::new(),
            meta: BTreeMap::new(),
        }
    }

    /// Runs a monitor and then that operation; whether what the monitor says afterwards still counts.
    fn outlives(operation: &str) -> bool {
        let now = Now { at: Instant::default(), wall_ms: 1000 };
        let mut executor = Executor::default();
        let Some(Effect::Run { order, action: monitor }) = executor.run(now, action("monitor", 10_000), 0)
        else {
            panic!("it is run");
        };
        assert!(executor.ended(order, pending(&monitor, 0, 1000)).is_some());
        assert!(executor.run(now, action(operation, 0), 0).is_some());
        executor.ended(order, pending(&monitor, 0, 2000)).is_some()
    }

    #[test]
    fn a_monitor_goes_on_over_all_but_a_start_and_a_stop() {
        let operations = ["notify", "reload-agent", "promote", "demote", "start", "stop"];
        assert_eq!(operations.map(outlives), [true, true, true, true, false, false]);
    }
}
