//! `musterd try`: one action of an agent by hand, outside of the cluster, to see what the cluster would see.

use super::answer::{Failure, print};
use crate::fence;
use crate::host;
use crate::resource::Executor;
use muster_api::fencing::{FenceAction, FenceDevice};
use muster_api::history::{OpRecord, OpStatus, ResourceAction, rc};
use muster_api::id::NodeId;
use muster_api::resource::AgentName;
use muster_core::input::{AttemptId, Input, OrderId};
use std::collections::BTreeMap;
use std::io::Read;
use tokio::sync::mpsc::unbounded_channel;

/// What to try.
#[derive(Debug, clap::Args)]
pub(super) struct Attempt {
    /// The resource agent or fence agent.
    agent: String,
    /// `start`, `stop`, `monitor`; `off`, `on`, `reboot`.
    action: String,
    /// Parameters; `-` reads further ones from stdin, one a line, so that no password is in the process list.
    #[arg(value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// What the resource or the node is called.
    #[arg(long, default_value = "try")]
    name: String,
    /// How long it may take.
    #[arg(long, default_value = "60s", value_parser = super::parse_duration, value_name = "TIME")]
    timeout: u64,
}

/// Runs it and says how it ended.
pub(super) fn run(attempt: &Attempt) -> Result<(), Failure> {
    let params = read_params(&attempt.params).map_err(Failure::Failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
    let is_fencing = attempt.agent == "redfish" || attempt.agent.starts_with("fence_");
    runtime.block_on(async {
        if is_fencing { run_fence(attempt, params).await } else { run_resource(attempt, params).await }
    })
}

async fn run_resource(attempt: &Attempt, params: BTreeMap<String, String>) -> Result<(), Failure> {
    let action = ResourceAction {
        resource: attempt.name.clone().into(),
        agent: AgentName::parse(&attempt.agent).map_err(Failure::Failed)?,
        operation: attempt.action.clone(),
        interval_ms: 0,
        timeout_ms: attempt.timeout,
        params,
        meta: BTreeMap::new(),
    };
    let (inputs, mut results) = unbounded_channel();
    let changes = host::watch_addresses().map_err(|error| Failure::Failed(error.to_string()))?;
    Executor::new(inputs, changes).run(OrderId(1), action);
    match results.recv().await {
        Some(Input::ActionEnded { record, .. }) => say(&record),
        _ => Err(Failure::Unexpected),
    }
}

fn say(record: &OpRecord) -> Result<(), Failure> {
    let rc = record.rc.map_or("none".to_owned(), |rc| rc.to_string());
    let reason = if record.reason.is_empty() { String::new() } else { format!(": {}", record.reason) };
    let sentence =
        format!("{} ended after {} ms with exit code {rc}{reason}", record.operation, record.took_ms);
    if record.status == OpStatus::Done && matches!(record.rc, Some(rc::OK | rc::NOT_RUNNING)) {
        print(&format!("{sentence}\n"));
        return Ok(());
    }
    Err(Failure::Failed(sentence))
}

async fn run_fence(attempt: &Attempt, params: BTreeMap<String, String>) -> Result<(), Failure> {
    let action = match attempt.action.as_str() {
        "off" => FenceAction::Off,
        "on" => FenceAction::On,
        "reboot" => FenceAction::Reboot,
        other => {
            return Err(Failure::Failed(format!("`{other}` is no action: off, on or reboot was expected")));
        }
    };
    let device =
        FenceDevice { id: "try".into(), agent: attempt.agent.clone(), params, meta: BTreeMap::new() };
    let order = fence::Order {
        device,
        target: attempt.name.clone().into(),
        target_id: NodeId(0),
        action,
        timeout_ms: attempt.timeout,
    };
    let (inputs, mut results) = unbounded_channel();
    let started = std::time::Instant::now();
    let whole = fence::Fencer::new(inputs).fence(AttemptId(1), order);
    match results.recv().await {
        Some(Input::FenceEnded { result: Ok(()), .. }) => {
            print(&format!("{} is confirmed after {} ms\n", attempt.action, started.elapsed().as_millis()));
        }
        Some(Input::FenceEnded { result: Err(why), .. }) => return Err(Failure::Failed(why)),
        _ => return Err(Failure::Unexpected),
    }
    // A reboot is switched on after its confirmation.
    let _ = whole.await;
    Ok(())
}

fn read_params(params: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut stdin = String::new();
    if params.iter().any(|param| param == "-") {
        std::io::stdin().read_to_string(&mut stdin).map_err(|error| format!("cannot read stdin: {error}"))?;
    }
    let written = params.iter().map(String::as_str).filter(|param| *param != "-");
    written
        .chain(stdin.lines().filter(|line| !line.trim().is_empty()))
        .map(|param| {
            let pair = param.split_once('=').ok_or_else(|| format!("`{param}` is no NAME=VALUE"))?;
            Ok((pair.0.trim().to_owned(), pair.1.to_owned()))
        })
        .collect()
}
