//! Uses fence devices: each attempt is one action of one device on one node, and ends with a confirmation or with the
//! reason why there is none. Which device is used when, and what follows, is the core's.
//!
//! A reboot is confirmed as soon as the node is seen off; it is switched on after that, so that nothing waits for a
//! machine to boot. Where it does not come on again, the fencing was no failure.

mod device;
mod program;
mod redfish;

use crate::log;
use crate::resource::meta_data::MetaData;
use device::Device;
use muster_api::control::Response;
use muster_api::fencing::{FenceAction, FenceDevice};
use muster_api::id::{NodeId, NodeName};
use muster_core::input::{AttemptId, Input};
use program::Program;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a node may take to be switched on again.
const ON_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be done to whom, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The device.
    pub(crate) device: FenceDevice,
    /// The node.
    pub(crate) target: NodeName,
    /// Its number.
    pub(crate) target_id: NodeId,
    /// What to do.
    pub(crate) action: FenceAction,
    /// Milliseconds after which the attempt has failed.
    pub(crate) timeout_ms: u64,
}

/// Carries out fence attempts; several at once where the core wants it.
pub(crate) struct Fencer {
    inputs: UnboundedSender<Input>,
}

impl Fencer {
    /// A fencer that reports to `inputs`.
    pub(crate) fn new(inputs: UnboundedSender<Input>) -> Self {
        Self { inputs }
    }

    /// Carries out `Effect::Fence`; the returned task ends when the node was also switched on again.
    pub(crate) fn fence(&self, attempt: AttemptId, order: Order) -> JoinHandle<()> {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let (result, then_on) = confirm(&order).await;
            // Where nobody listens any more the agent is about to exit.
            let _ = inputs.send(Input::FenceEnded { attempt, result });
            if let Some(device) = then_on {
                switch_on(&device, &order).await;
            }
        })
    }
}

/// Asks the programs of fence agents what they can do before it is needed: some take a second to say so, and that
/// second would be one of an outage.
pub(crate) async fn get_acquainted(mut agents: watch::Receiver<BTreeSet<String>>) {
    while agents.changed().await.is_ok() {
        let names = agents.borrow_and_update().clone();
        for program in names.iter().filter_map(|name| Program::find(name)) {
            if let Err(why) = program.meta_data().await {
                log::warning(format!("fencing: {why}"));
            }
        }
    }
}

/// Tries until it is confirmed or the time is over; returns the device where the node must be switched on afterwards.
async fn confirm(order: &Order) -> (Result<(), String>, Option<Device>) {
    let device = match Device::open(order).await {
        Ok(device) => device,
        Err(why) => return (Err(why), None),
    };
    let steps = device.steps(order.action);
    let limit = device.limit(order.action, Duration::from_millis(order.timeout_ms));
    let tried = timeout(limit, device.try_action(steps.confirm, limit)).await;
    let result = tried.unwrap_or_else(|_| Err(format!("no confirmation in {limit:?}")));
    let then_on = (result.is_ok() && steps.then_on).then_some(device);
    (result, then_on)
}

async fn switch_on(device: &Device, order: &Order) {
    let limit = device.limit(FenceAction::On, ON_TIMEOUT);
    let tried = timeout(limit, device.try_action("on", limit)).await;
    match tried.unwrap_or_else(|_| Err(format!("not done in {limit:?}"))) {
        Ok(()) => {
            log::info(format!("fencing: {} was switched on again by {}", order.target, order.device.id))
        }
        Err(why) => log::warning(format!(
            "fencing: {} is off, and {} cannot switch it on again: {why}",
            order.target, order.device.id
        )),
    }
}

/// Refuses a device whose parameters its agent does not have; a program that is not installed here says nothing.
pub(crate) async fn check(device: &FenceDevice) -> Result<(), String> {
    device::check(&device.agent, &device.params)
        .await
        .map_err(|why| format!("fence device `{}`: {why}", device.id))
}

/// Says in a status which fence agents are programs here and which are built in.
pub(crate) fn complete(mut response: Response) -> Response {
    if let Response::Status { status } = &mut response {
        for device in &mut status.fence_devices {
            device.agent = format!("{} ({})", device.agent, device::kind(&device.agent));
        }
    }
    response
}

/// What a fence agent says about itself, as this node would run it.
pub(crate) async fn meta_data(agent: &str) -> Result<MetaData, String> {
    match Program::find(agent) {
        Some(program) => program.meta_data().await,
        None if matches!(agent, "redfish" | "fence_redfish") => Ok(redfish::meta_data()),
        None => Err(format!("the fence agent `{agent}` is not installed on this node")),
    }
}
