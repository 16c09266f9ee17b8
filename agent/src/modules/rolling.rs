//! The steps of a rolling change on a node of the cluster: how it stands, whether the others can do without it and its resources
//! moved away, and that it is back. What is decided is in the core; this asks the agent that runs on the host, and waits.

use super::{Args, Check, Failure, Module, cluster};
use crate::control::client::{Client, ClientError};
use crate::worker::{Away, Hands, View};
use muster_api::control::{Request, Response, SOCKET};
use muster_api::id::NodeName;
use muster_api::module::{Rolling, Stage, Survey, WentDown};
use muster_api::outcome::Outcome;
use muster_api::status::ClusterStatus;
use muster_core::rolling::{self, Before};
use muster_core::schedule::{Absence, Rehearsal};
use serde_json::json;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub(super) struct RollingChange;

/// Between two questions to the agent: short beside what is waited for.
const PAUSE: Duration = Duration::from_millis(50);

impl Module for RollingChange {
    fn check(&self, args: &Args<'_>, _: &View<'_>) -> Result<Check, Failure> {
        match arguments(args)?.stage {
            Stage::Survey => Ok(Check::unchanged().with("survey", json!(survey()?))),
            Stage::Down | Stage::Up => Ok(Check::unchanged()),
        }
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let change = Change { rolling: arguments(args)?, began: Instant::now() };
        let mut outcome = check.outcome;
        match change.rolling.stage {
            Stage::Survey => {}
            Stage::Down => {
                outcome.result.insert("down".into(), json!(change.down(&hands.view())?));
            }
            Stage::Up => change.up(&hands.view())?,
        }
        Ok(outcome)
    }
}

fn arguments(args: &Args<'_>) -> Result<Rolling, Failure> {
    serde_json::from_value(serde_json::Value::Object(args.all().clone()))
        .map_err(|error| Failure::new(format!("the controller's step cannot be read: {error}")))
}

fn survey() -> Result<Survey, Failure> {
    match cluster_now() {
        Ok(status) => Ok(rolling::survey(&status)),
        Err(ClientError::NotRunning { .. }) => Ok(Survey { node: None, is_member: false, active: 0 }),
        Err(error) => Err(told(error)),
    }
}

/// One step under way.
struct Change {
    rolling: Rolling,
    began: Instant,
}

impl Change {
    /// Lets this node go down.
    fn down(&self, view: &View<'_>) -> Result<WentDown, Failure> {
        // A run that broke off has taken it down already, and perhaps stopped its agent as well.
        if let Some(Before { node, .. }) = Away::noted() {
            return Ok(WentDown { node, moved: Vec::new(), took_ms: 0 });
        }
        view.progress("waits for the cluster to be at rest");
        let status = self.once(rolling::unrest, "the cluster is not at rest")?;
        let node = status.node.clone();
        if status.members().contains(&node) {
            let mut gone = self.rolling.away.clone();
            gone.push(node.clone());
            let absence = Absence::of(&Rehearsal::of_live(&cluster::snapshot().map_err(told)?), &gone);
            if let Some(why) = rolling::refusal(&node, self.rolling.drains, &absence, &status) {
                return Err(Failure::new(why));
            }
        }
        let puts_in_standby = self.rolling.drains && !rolling::is_in_standby(&status, &node);
        let note = rolling::before(&status, puts_in_standby);
        Away::note(&note).map_err(|error| Failure::new(format!("the change cannot be noted: {error}")))?;
        if puts_in_standby {
            view.progress("moves its resources away");
            self.drain(&node).map_err(|failure| undo(&node, failure))?;
        }
        let moved = rolling::moved(&node, &status, &cluster_now().map_err(told)?);
        let took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(WentDown { node, moved, took_ms })
    }

    fn drain(&self, node: &NodeName) -> Result<(), Failure> {
        order(&Request::Standby { node: node.clone(), on: true })?;
        self.settle()?;
        let left = rolling::active_on(&cluster_now().map_err(told)?, node);
        match left.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(format!("{} still runs on {node} in standby", left.join(", ")))),
        }
    }

    /// Waits until this node is back, and all that ran runs.
    fn up(&self, view: &View<'_>) -> Result<(), Failure> {
        let Some(before) = Away::noted() else { return Ok(()) };
        view.progress("waits for the node to be back");
        let status = self.once(
            |status| rolling::not_back(status, &before.members, &self.rolling.away),
            "the node is not back",
        )?;
        if before.is_in_standby {
            order(&Request::Standby { node: status.node, on: false })?;
        }
        view.progress("waits for what ran to run again");
        self.settle()?;
        self.once(|status| rolling::not_running(status, &before.ran), "not all runs that ran before")?;
        Away::forget().map_err(|error| Failure::new(format!("the note of the change stays: {error}")))
    }

    /// Waits until nothing is under way.
    fn settle(&self) -> Result<(), Failure> {
        let timeout_ms = u64::try_from(self.left().as_millis()).unwrap_or(u64::MAX);
        order(&Request::WaitIdle { timeout_ms })
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.rolling.wait_ms).saturating_sub(self.began.elapsed())
    }

    /// The status as soon as nothing is in the way any more.
    fn once(
        &self,
        obstacles: impl Fn(&ClusterStatus) -> Vec<String>,
        what: &str,
    ) -> Result<ClusterStatus, Failure> {
        loop {
            let in_the_way = match cluster_now() {
                Ok(status) => match obstacles(&status) {
                    none if none.is_empty() => return Ok(status),
                    some => some,
                },
                Err(error) => vec![error.to_string()],
            };
            if self.left().is_zero() {
                let seconds = self.began.elapsed().as_secs();
                return Err(Failure::new(format!("{what} after {seconds} s: {}", in_the_way.join("; "))));
            }
            thread::sleep(PAUSE);
        }
    }
}

/// The node stays as it was before.
fn undo(node: &NodeName, failure: Failure) -> Failure {
    let back = order(&Request::Standby { node: node.clone(), on: false });
    match back.and_then(|()| Away::forget().map_err(|error| Failure::new(error.to_string()))) {
        Ok(()) => failure,
        Err(error) => Failure::new(format!(
            "{}; and it stays in standby: {} (`musterd node unstandby {node}`)",
            failure.msg, error.msg
        )),
    }
}

fn cluster_now() -> Result<ClusterStatus, ClientError> {
    match Client::connect(Path::new(SOCKET))?.ask(&Request::Status)? {
        Response::Status { status } => Ok(status),
        _ => Err(ClientError::NoAnswer),
    }
}

fn told(error: ClientError) -> Failure {
    Failure::new(error.to_string())
}

fn order(request: &Request) -> Result<(), Failure> {
    match cluster::ask(request)? {
        Response::Done { .. } => Ok(()),
        other => Err(cluster::unexpected(&other)),
    }
}
