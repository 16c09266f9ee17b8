//! Runs resources on this node: one keeper for each, so that the actions of one resource never overlap and different
//! resources never wait for each other.

pub(crate) mod agent;
pub(crate) mod ended;
mod keeper;
mod lsb;
pub(crate) mod meta_data;
mod native;
mod ocf;
pub(crate) mod parameters;
mod reload;
mod systemctl;
mod systemd;

use agent::Surroundings;
use keeper::{Keeper, Order};
use muster_api::history::ResourceAction;
use muster_api::id::ResourceId;
use muster_core::input::{Input, OrderId};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

/// All resources of this node.
pub(crate) struct Executor {
    keepers: BTreeMap<ResourceId, UnboundedSender<Order>>,
    inputs: UnboundedSender<Input>,
    surroundings: Surroundings,
}

impl Executor {
    /// An executor that reports to `inputs`.
    pub(crate) fn new(inputs: UnboundedSender<Input>, address_changes: watch::Receiver<u64>) -> Self {
        let surroundings = Surroundings { systemd: Arc::default(), address_changes, told: Arc::default() };
        Self { keepers: BTreeMap::new(), inputs, surroundings }
    }

    /// Carries out `Effect::Run`.
    pub(crate) fn run(&mut self, order: OrderId, action: ResourceAction) {
        self.tell(&action.resource.clone(), Order::Run(order, action));
    }

    /// Carries out `Effect::CancelMonitor`.
    pub(crate) fn cancel_monitor(&mut self, resource: &ResourceId, interval_ms: u64) {
        self.tell(resource, Order::Cancel(interval_ms));
    }

    fn tell(&mut self, resource: &ResourceId, order: Order) {
        let (inputs, surroundings) = (&self.inputs, &self.surroundings);
        let keeper = self.keepers.entry(resource.clone()).or_insert_with(|| {
            let (sender, orders) = unbounded_channel();
            let keeper = Keeper::new(resource.clone(), orders, inputs.clone(), surroundings.clone());
            tokio::spawn(keeper.keep());
            sender
        });
        // A keeper lives as long as its sender.
        let _ = keeper.send(order);
    }
}
