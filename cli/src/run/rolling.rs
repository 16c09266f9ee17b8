//! Rolling changes. Hosts go through a scope with `rolling` together as long as nothing is to be changed. Those that would change
//! something ask for leave: the agents of the cluster say who can be done without, whoever may go moves its resources away, goes
//! on alone to the end of the scope, and the next ones go when it is back and all runs that ran. Whatever fails stops it there.

use super::carry::{asks_a_host, seat_of};
use super::conduct::{Conductor, Finished, Strategy};
use super::cursor::Key;
use super::host_task::{bring_agent, names_agent, probe_task};
use super::hosts::{Seat, StepFailure};
use super::keywords::Lookup;
use super::play_run::{Batch, HostState};
use super::result::{Status, TaskResult};
use super::room::{joined, lock};
use super::template_error::sentence;
use crate::playbook::keyword::Keyword;
use crate::playbook::{RollingTerms as Terms, Scope as Written, Task};
use crate::report::{Event, Stats};
use crate::template::to_json;
use crate::vars::Data;
use crate::yaml::Node;
use muster_api::id::NodeName;
use muster_api::module::{ROLLING, Rolling as StepArgs, Stage, Survey, WentDown};
use muster_api::outcome::Outcome;
use muster_api::step::{Shows, Step};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex};

/// The hosts of a play that may be down now.
#[derive(Default)]
pub(crate) struct Rolling {
    leaves: Mutex<Vec<Leave>>,
    /// Somebody may not go down, or something failed: nobody else goes.
    is_over: Mutex<bool>,
    /// The task at which hosts wait for those that went.
    waiting_at: Mutex<Option<Key>>,
}

/// A host that may be down until it is through the scope.
#[derive(Clone)]
struct Leave {
    host: String,
    node: NodeName,
    scope: Arc<Written>,
    terms: Terms,
    seat: Seat,
}

/// What a task is part of.
pub(super) struct Change {
    scope: Arc<Written>,
    terms: Terms,
}

/// A host that would change something, as its agent says that it stands.
struct Candidate {
    host: String,
    seat: Seat,
    survey: Survey,
}

impl Rolling {
    /// Those that may be down.
    pub(super) fn hosts(&self) -> Vec<String> {
        lock(&self.leaves).iter().map(|leave| leave.host.clone()).collect()
    }

    /// Whether a batch does a task of which was told when others did it.
    pub(super) fn goes_on_with(&self, batch: &Batch) -> bool {
        lock(&self.waiting_at).take().is_some_and(|key| key == batch.position.key)
    }

    fn nodes(&self) -> Vec<NodeName> {
        lock(&self.leaves).iter().map(|leave| leave.node.clone()).collect()
    }

    fn stop(&self) {
        *lock(&self.is_over) = true;
    }
}

impl Conductor {
    /// The rolling change that a task of these hosts is part of, where hosts are changed at all.
    pub(super) fn rolling_change(&self, batch: &Batch) -> Result<Option<Change>, String> {
        let (room, task) = (&self.room, &batch.position.task);
        let Some(host) = batch.hosts.first() else { return Ok(None) };
        let Some(scope) = lock(&self.run).rolling_scope(host, task) else { return Ok(None) };
        if room.mode.check || room.mode.only_declares || room.options.kept.is_some() {
            return Ok(None);
        }
        let terms = self.terms(host, task, &scope)?;
        match terms {
            Some(_) if self.strategy == Strategy::Free => {
                Err("`rolling` needs the strategy `linear`: with others each host goes on its own".into())
            }
            Some(terms) => Ok(Some(Change { scope, terms })),
            None => Ok(None),
        }
    }

    /// What a plan says of a task that would change a member of a cluster as part of a rolling change.
    pub(super) async fn rolling_consequence(
        &self,
        host: &str,
        task: &Arc<Task>,
        name: &str,
    ) -> Option<String> {
        let scope = lock(&self.run).rolling_scope(host, task)?;
        let terms = self.terms(host, task, &scope).ok()??;
        if !self.survey_one(host, task).await.ok()?.survey.is_member {
            return None;
        }
        let how = if terms.drains { ", resources are moved away before" } else { "" };
        let most = terms.most_of(lock(&self.run).hosts().count());
        let each =
            if most == 1 { "node by node".to_owned() } else { format!("at most {most} nodes at a time") };
        Some(format!("do `{name}` {each}, as the quorum allows{how}"))
    }

    /// The terms that a scope states, for a host.
    fn terms(&self, host: &str, task: &Arc<Task>, scope: &Written) -> Result<Option<Terms>, String> {
        let Some(written) = scope.keywords.get(Keyword::Rolling) else { return Ok(None) };
        let value =
            self.scope(host, task)?.render_or_omit(&Data::of(written)).map_err(|err| sentence(&err))?;
        Terms::of(&value.map_or(Json::Null, |value| to_json(&value)))
    }

    /// Has the task of a batch done on those of these hosts that may do it now; the others stay where they are.
    pub(super) async fn do_rolling(
        self: &Arc<Self>,
        change: &Change,
        hosts: Vec<String>,
        batch: &Batch,
        name: &str,
        throttle: Option<usize>,
    ) -> Vec<Finished> {
        // Whoever is away already is alone here.
        if !self.rolling.hosts().is_empty() {
            return self.do_on(hosts, batch, name, throttle).await;
        }
        let (mut free, needing) = self.sorted_by_need(hosts, &batch.position.task).await;
        let candidates = match self.survey(needing, &batch.position.task).await {
            Ok(candidates) => candidates,
            Err((host, why)) => return self.refuse(&host, name, &why),
        };
        // A host that is in no cluster, or is out of it already, costs nothing; but whom a change took down it brings back.
        let (members, others): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|one| one.survey.is_member || self.room.hosts.is_away(&one.host));
        free.extend(others.into_iter().map(|one| one.host));
        let most = change.terms.most_of(members.len());
        let mut waiting = Vec::new();
        for candidate in self.in_order(members) {
            if lock(&self.rolling.leaves).len() >= most || !waiting.is_empty() {
                waiting.push(candidate.host);
                continue;
            }
            let host = candidate.host.clone();
            match self.go_down(candidate, change).await {
                Ok(()) => free.push(host),
                Err(why) if self.rolling.hosts().is_empty() => return self.refuse(&host, name, &why),
                // As many as the votes and the resources allow.
                Err(_) => waiting.push(host),
            }
        }
        if !waiting.is_empty() {
            *lock(&self.rolling.waiting_at) = Some(batch.position.key.clone());
        }
        free.sort_by_key(|host| batch.hosts.iter().position(|one| one == host));
        self.do_on(free, batch, name, throttle).await
    }

    /// Nobody goes.
    fn refuse(&self, host: &str, name: &str, why: &str) -> Vec<Finished> {
        self.rolling.stop();
        self.all_failed(&[host.to_owned()], name, why)
    }

    /// Those on which the task has nothing to do, and the others.
    async fn sorted_by_need(
        self: &Arc<Self>,
        hosts: Vec<String>,
        task: &Arc<Task>,
    ) -> (Vec<String>, Vec<String>) {
        let probes = hosts.into_iter().map(|host| {
            let (conductor, task) = (self.clone(), task.clone());
            tokio::spawn(async move {
                let needs = conductor.has_something_to_do(&host, &task).await;
                (host, needs)
            })
        });
        let (needing, free): (Vec<_>, Vec<_>) =
            joined(probes.collect()).await.into_iter().partition(|(_, needs)| *needs);
        let names = |hosts: Vec<(String, bool)>| hosts.into_iter().map(|(host, _)| host).collect();
        (names(free), names(needing))
    }

    async fn has_something_to_do(self: &Arc<Self>, host: &str, task: &Arc<Task>) -> bool {
        let name = task.module.bare();
        if muster_api::module::find(name).is_some_and(|spec| !asks_a_host(spec) || spec.name == "pause") {
            return false;
        }
        let says_no = task.scope.keywords.get(Keyword::ChangedWhen).and_then(Node::truth) == Some(false);
        if says_no && !self.room.hosts.is_away(host) {
            return false;
        }
        // What is wrong here is told when the task is done.
        let Ok(scope) = self.scope_of(host, task).await else { return false };
        let check_mode = Lookup { task, scope: &scope }.truth(Keyword::CheckMode);
        let is_really_done = check_mode.is_ok_and(|check| check == Some(false));
        if is_really_done || self.room.hosts.is_away(host) {
            return true;
        }
        let is_brought = self.room.hosts.known_agent(host).is_some() || !names_agent(task);
        if !is_brought && bring_agent(&self.room, host, task, &scope).await.is_some() {
            return false;
        }
        let Ok(scope) = self.scope_of(host, task).await else { return false };
        let result = probe_task(self, host, task, scope).await;
        let is_certain = matches!(result.status, Status::Ok | Status::Skipped) && result.unknown.is_none();
        result.changed || !is_certain || self.room.hosts.is_away(host)
    }

    /// How hosts stand in their cluster. One that cannot say stops the change.
    async fn survey(
        self: &Arc<Self>,
        hosts: Vec<String>,
        task: &Arc<Task>,
    ) -> Result<Vec<Candidate>, (String, String)> {
        let asked = hosts.into_iter().map(|host| {
            let (conductor, task) = (self.clone(), task.clone());
            tokio::spawn(async move {
                let candidate = conductor.survey_one(&host, &task).await;
                candidate.map_err(|why| (host, why))
            })
        });
        joined(asked.collect()).await.into_iter().collect()
    }

    async fn survey_one(&self, host: &str, task: &Arc<Task>) -> Result<Candidate, String> {
        let scope = self.scope(host, task)?;
        let seat = seat_of(&self.room, host, task, &scope).await.map_err(said)?;
        let args = StepArgs { stage: Stage::Survey, away: Vec::new(), drains: false, wait_ms: 0 };
        let survey = told(&self.ask_agent(&seat, &args).await?, "survey")?;
        Ok(Candidate { host: host.to_owned(), seat, survey })
    }

    /// Whoever an earlier run left down goes first, then whoever runs less: what is moved away once may then stay where it is.
    fn in_order(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.sort_by_key(|one| (!self.room.hosts.is_away(&one.host), one.survey.active));
        candidates
    }

    async fn go_down(&self, candidate: Candidate, change: &Change) -> Result<(), String> {
        let Candidate { host, seat, .. } = candidate;
        let Terms { drains, wait_ms, .. } = change.terms;
        let args = StepArgs { stage: Stage::Down, away: self.rolling.nodes(), drains, wait_ms };
        let down: WentDown = told(&self.ask_agent(&seat, &args).await?, "down")?;
        let moved: Vec<String> = down
            .moved
            .iter()
            .map(|(id, nodes)| {
                let nodes: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
                format!("{id} to {}", nodes.join(", "))
            })
            .collect();
        let text = match (drains, moved.is_empty()) {
            (false, _) => "the cluster can do without it".to_owned(),
            (true, true) => "runs nothing now".to_owned(),
            (true, false) => format!("moved {} in {:.1} s", moved.join(", "), seconds(down.took_ms)),
        };
        self.room.events.tell(Event::Rolling { host: host.clone(), text });
        let (scope, terms) = (change.scope.clone(), change.terms);
        lock(&self.rolling.leaves).push(Leave { host, node: down.node, scope, terms, seat });
        Ok(())
    }

    /// Brings hosts back that are through their change. Says whether all that should be are.
    pub(super) async fn bring_back(&self) -> bool {
        let leaves = lock(&self.rolling.leaves).clone();
        for leave in leaves {
            let goes_on = {
                let mut run = lock(&self.run);
                run.is_in(&leave.host, &leave.scope)
                    || run.hosts_in(HostState::Active).iter().all(|host| *host != leave.host)
            };
            if goes_on {
                continue;
            }
            let away = self.rolling.nodes().into_iter().filter(|node| *node != leave.node).collect();
            let Terms { drains, wait_ms, .. } = leave.terms;
            let args = StepArgs { stage: Stage::Up, away, drains, wait_ms };
            let began = std::time::Instant::now();
            match self.ask_agent(&leave.seat, &args).await {
                Ok(_) => {
                    lock(&self.rolling.leaves).retain(|one| one.host != leave.host);
                    self.room.hosts.is_back(&leave.host);
                    let text = format!(
                        "is back after {:.1} s, and all runs that ran",
                        began.elapsed().as_secs_f64()
                    );
                    self.room.events.tell(Event::Rolling { host: leave.host, text });
                }
                Err(why) => {
                    self.fail_to_return(&leave.host, &why);
                    return false;
                }
            }
        }
        true
    }

    fn fail_to_return(&self, host: &str, why: &str) {
        let task = "Back from the rolling change".to_owned();
        let place = self.play.span.to_string();
        self.room.events.tell(Event::Task { name: task.clone(), is_handler: false, place, hosts: 1 });
        let result = Box::new(TaskResult::failed(why));
        self.room.events.tell(Event::Done { host: host.to_owned(), task, result });
        self.room.count(host, |stats: &mut Stats| stats.failed += 1);
        self.fail(host);
        lock(&self.room.lost).failed.push(host.to_owned());
    }

    /// Whether the change must not go on to other hosts.
    pub(super) fn has_stopped_rolling(&self) -> bool {
        let down = self.rolling.hosts();
        let active = lock(&self.run).hosts_in(HostState::Active);
        *lock(&self.rolling.is_over) || down.iter().any(|host| !active.contains(host))
    }

    /// Says what a change that stops leaves behind.
    pub(super) fn tell_left_down(&self) {
        for leave in lock(&self.rolling.leaves).iter() {
            let stands = if leave.terms.drains { "stays in standby" } else { "is not checked to be back" };
            let back = match leave.terms.drains {
                true => format!("; `muster node unstandby {}` brings it back as it is", leave.node),
                false => String::new(),
            };
            let text = format!(
                "the rolling change stops at {}, which {stands}: mend that and run the same again, it goes on from there{back}",
                leave.host
            );
            self.room.events.tell(Event::Warning { text });
        }
    }

    async fn ask_agent(&self, seat: &Seat, args: &StepArgs) -> Result<Outcome, String> {
        let Ok(Json::Object(args)) = serde_json::to_value(args) else {
            return Err("the step cannot be written".to_owned());
        };
        let step = Step {
            id: self.room.step_number(),
            module: ROLLING.name.into(),
            args,
            check: false,
            diff: false,
            no_log: false,
            environment: [].into(),
            content: None,
            background: false,
            timeout_ms: None,
            notifies: None,
            shows_corosync: Shows::Nothing,
            perhaps: None,
        };
        let progress = |text| self.room.events.tell(Event::Progress { host: seat.host.clone(), text });
        let outcome = self.room.hosts.run_in(seat, &step, progress).await.map_err(said)?;
        match outcome.failed {
            true => Err(outcome.result.get("msg").and_then(Json::as_str).unwrap_or_default().to_owned()),
            false => Ok(outcome),
        }
    }
}

fn told<T: DeserializeOwned>(outcome: &Outcome, name: &str) -> Result<T, String> {
    let value = outcome.result.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| format!("the agent's answer cannot be read: {error}"))
}

fn said(failure: StepFailure) -> String {
    match failure {
        StepFailure::Failed(why) | StepFailure::NoUser(why) => why,
        StepFailure::Unreachable(why) => why.to_string(),
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}
