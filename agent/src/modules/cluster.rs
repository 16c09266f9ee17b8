//! `cluster`: what the cluster shall run, declared as a whole. The agent that runs on the host replicates it; this module
//! compares, asks the scheduler what would follow, and hands the change over. A controller that rehearses is told what the cluster is
//! like instead (`rehearses`).

mod consequences;

use super::{Args, Check, Failure, Module};
use crate::control::client::{Client, ClientError};
use crate::worker::{Hands, Operation, View};
use crate::{fence, resource};
use muster_api::cluster::{ClusterConfig, Corosync};
use muster_api::cluster_diff::{config_diff, merge};
use muster_api::control::{Request, Response, SOCKET, Snapshot};
use muster_api::corosync_conf;
use muster_api::history::History;
use muster_api::outcome::Outcome;
use muster_api::status::Fact;
use muster_core::schedule::Rehearsal;
use serde_json::json;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) struct Cluster;

const COROSYNC_CONF: &str = "/etc/corosync/corosync.conf";
/// Between two questions to an agent that is still starting: short beside the start itself.
const PAUSE: Duration = Duration::from_millis(50);

impl Module for Cluster {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let now = match view.is_check() {
            true => as_planned(view)?,
            false => once_primary(Instant::now() + wait(args).unwrap_or(Duration::ZERO), view)?,
        };
        refuse_other_cluster(args, &now.corosync)?;
        let config = merge(&desired(args)?, &now.config);
        let diffs = config_diff(&now.config, &config);
        refuse_bad_parameters(&config, &now.config, view)?;
        if args.flag("rehearses") {
            return Ok(Check::unchanged().with("snapshot", json!(now)));
        }
        let mut check = Check::unchanged().with("generation", now.config.generation);
        if diffs.is_empty() {
            return Ok(check);
        }
        check.outcome.changed = true;
        let before = Rehearsal::of_live(&now);
        let after = Rehearsal { config: config.clone(), ..before.clone() };
        check.outcome.diffs = consequences::marked(diffs, &before, &after);
        check.outcome.consequences = consequences::consequences(&before, &after);
        check.operations = vec![Operation::Configure {
            expected_generation: now.config.generation,
            config: Box::new(config),
        }];
        Ok(check)
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        if let Some(wait) = wait(args).filter(|_| outcome.changed) {
            hands.view().progress("the cluster carries it out");
            let timeout_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            match ask(&Request::WaitIdle { timeout_ms })? {
                Response::Done { generation, .. } => {
                    outcome.result.insert("generation".into(), json!(generation))
                }
                other => return Err(unexpected(&other)),
            };
        }
        Ok(outcome)
    }
}

/// Hands a configuration to the agent; it is committed by every member, or nothing was changed.
pub(crate) fn configure(config: &ClusterConfig, expected_generation: u64) -> Result<(), Failure> {
    match ask(&Request::Configure { config: config.clone(), expected_generation })? {
        Response::Done { .. } => Ok(()),
        other => Err(unexpected(&other)),
    }
}

fn desired(args: &Args<'_>) -> Result<ClusterConfig, Failure> {
    let config = args.raw("config").ok_or_else(|| Failure::new("argument `config` is missing"))?;
    serde_json::from_value(config.clone())
        .map_err(|error| Failure::new(format!("the controller's configuration cannot be read: {error}")))
}

fn wait(args: &Args<'_>) -> Option<Duration> {
    args.count("wait_ms").map(Duration::from_millis)
}

/// The cluster as it is, or as it will be when the steps before this one are done: all nodes of corosync.conf members, nothing
/// configured.
fn as_planned(view: &View<'_>) -> Result<Snapshot, Failure> {
    match snapshot() {
        Ok(snapshot) => return Ok(snapshot),
        Err(ClientError::NotRunning { .. }) => {}
        Err(error) => return Err(Failure::new(error.to_string())),
    }
    let text = view
        .read(Path::new(COROSYNC_CONF))
        .map_err(|error| Failure::missing(format!("`{COROSYNC_CONF}` cannot be read: {error}")))?;
    let corosync = corosync_conf::parse(&String::from_utf8_lossy(&text))
        .map_err(|error| Failure::new(format!("{COROSYNC_CONF}: {error}")))?;
    let facts = corosync.nodes.iter().map(|node| (node.name.clone(), Fact::Member)).collect();
    let members = corosync.nodes.iter().map(|node| node.name.clone()).collect();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis() as u64);
    Ok(Snapshot {
        corosync,
        config: ClusterConfig::default(),
        history: History::default(),
        facts,
        is_quorate: true,
        is_primary: true,
        members,
        now_ms,
        fencing: Vec::new(),
    })
}

/// The cluster, as soon as it may be changed.
fn once_primary(deadline: Instant, view: &View<'_>) -> Result<Snapshot, Failure> {
    view.progress("waits for the cluster to be quorate");
    loop {
        let obstacle = match snapshot() {
            Ok(snapshot) if snapshot.is_primary => return Ok(snapshot),
            Ok(snapshot) => not_primary(&snapshot),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            return Err(Failure::new(obstacle));
        }
        thread::sleep(PAUSE);
    }
}

fn not_primary(snapshot: &Snapshot) -> String {
    let members: Vec<&str> = snapshot.members.iter().map(|member| member.as_str()).collect();
    let here = if members.is_empty() { "no view yet".to_owned() } else { members.join(", ") };
    let quorum =
        if snapshot.is_quorate { "quorate, but a lost node is not fenced yet" } else { "not quorate" };
    format!("the cluster cannot be changed: it is {quorum} (here: {here}); `musterd status` says why")
}

fn refuse_other_cluster(args: &Args<'_>, corosync: &Corosync) -> Result<(), Failure> {
    let (wanted, found) = (args.needed("cluster_name")?, &corosync.totem.cluster_name);
    if wanted == found {
        return Ok(());
    }
    Err(Failure::new(format!(
        "this host belongs to cluster `{found}`, the task is for `{wanted}`: `name` must be `cluster_name` of {COROSYNC_CONF}"
    )))
}

/// Holds what is new or changed against what the agents on this host say about themselves.
fn refuse_bad_parameters(
    config: &ClusterConfig,
    before: &ClusterConfig,
    view: &View<'_>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    // A step before this one may bring the scripts, and they have more parameters than what is built in.
    let may_ask_built_in = !view.overlay().packages().keys().any(|name| name.starts_with("resource-agents"));
    runtime.block_on(async {
        for (primitive, _) in config.primitives() {
            if before.primitive(&primitive.id) != Some(primitive) {
                resource::parameters::check(primitive, may_ask_built_in).await.map_err(Failure::new)?;
            }
        }
        for device in config.fence_devices.iter().filter(|device| !before.fence_devices.contains(device)) {
            let comes_later = view.overlay().packages().keys().any(|name| name.starts_with("fence-agents"));
            if !comes_later {
                fence::check(device).await.map_err(Failure::new)?;
            }
        }
        Ok(())
    })
}

pub(super) fn snapshot() -> Result<Snapshot, ClientError> {
    match Client::connect(Path::new(SOCKET))?.ask(&Request::Snapshot)? {
        Response::Snapshot { snapshot } => Ok(snapshot),
        _ => Err(ClientError::NoAnswer),
    }
}

pub(super) fn ask(request: &Request) -> Result<Response, Failure> {
    let answer = Client::connect(Path::new(SOCKET)).and_then(|mut client| client.ask(request));
    answer.map_err(|error| Failure::new(error.to_string()))
}

pub(super) fn unexpected(response: &Response) -> Failure {
    match response {
        Response::Refused { why } => Failure::new(why.clone()),
        _ => Failure::new("the agent gave an answer to another question: does it have another version?"),
    }
}
