//! Leads the hosts of one batch of a play through it: asks `play_run` who is next, has the task done on these hosts,
//! and hands back what it came to.

use super::across::take_diffs;
use super::cursor::Fate;
use super::due::DueHandlers;
use super::follow::Follow;
use super::host_task::{bring_agent, do_task, names_agent};
use super::include::{Included, Wanted};
use super::keywords::Lookup;
use super::layers::{LayerBook, Layers};
use super::play_info;
use super::play_run::{Batch, End, HostState, PlayRun};
use super::result::{Effect, Status, TaskResult};
use super::rolling::Rolling;
use super::room::{Room, compute, joined, lock};
use super::task_run::doubted_vars;
use super::template_error::sentence;
use crate::journal::Taken;
use crate::local_files::NoFile;
use crate::playbook::keyword::Keyword;
use crate::playbook::{Play, Task};
use crate::report::Event;
use crate::template::text_of;
use crate::vars::{Level, PlayInfo, Scope, ScopeInputs, Vars};
use muster_api::step::Due;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Semaphore;

/// Leads the hosts of one batch.
pub(crate) struct Conductor {
    pub(super) room: Arc<Room>,
    pub(super) play: Arc<Play>,
    pub(super) run: Mutex<PlayRun>,
    pub(super) info: RwLock<Arc<PlayInfo>>,
    pub(super) book: LayerBook,
    /// Variables of the play.
    pub(super) layers: Layers,
    pub(super) strategy: Strategy,
    pub(super) fatality: Fatality,
    /// Includes that were read, so that hosts on their own share them too.
    pub(super) included: Mutex<Vec<(Wanted, Result<Included, NoFile>)>>,
    /// The handlers that hosts have noted.
    pub(super) due: DueHandlers,
    /// The turns of tasks with `throttle`, so that hosts on their own share them too.
    pub(super) turns: Mutex<HashMap<(usize, usize), Arc<Semaphore>>>,
    /// The hosts that may be down now, for changes that go host by host.
    pub(super) rolling: Rolling,
}

/// Where the agent's binary would be on a host that is not asked.
const AGENT_ELSEWHERE: &str = "/run/muster/musterd";

/// How hosts go through the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// In step.
    Linear,
    /// Each on its own.
    Free,
}

/// When failures of some hosts end the play for all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fatality {
    pub(crate) any_errors: bool,
    pub(crate) max_fail_percentage: Option<f64>,
    pub(crate) batch_size: usize,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Whoever is left went through.
    Through,
    /// `meta: end_play`: the batches that are left are not led.
    PlayEnded,
    /// The run is over for all.
    Broken,
}

/// A task came to this on a host.
pub(super) struct Finished {
    pub(super) host: String,
    pub(super) result: TaskResult,
}

impl Conductor {
    /// Leads all hosts to the end.
    pub(crate) async fn lead(self: &Arc<Self>) -> Verdict {
        match self.strategy {
            Strategy::Linear => self.lead_in_step().await,
            Strategy::Free => self.lead_freely().await,
        }
    }

    async fn lead_in_step(self: &Arc<Self>) -> Verdict {
        loop {
            let are_back = self.bring_back().await;
            if self.room.is_stopping() || !are_back {
                self.tell_left_down();
                return Verdict::Broken;
            }
            let down = self.rolling.hosts();
            let Some(batch) = lock(&self.run).next_batch(&down) else { break };
            self.refresh_info();
            if !self.wants(&batch).await {
                let mut run = lock(&self.run);
                for host in &batch.hosts {
                    run.finish(host, End::Done);
                }
                continue;
            }
            let finished = self.do_batch(&batch).await;
            let verdict = self.take_batch(&batch, finished);
            self.settle_due(&batch.hosts).await;
            match verdict {
                Verdict::Through if self.has_stopped_rolling() => {
                    self.tell_left_down();
                    return Verdict::Broken;
                }
                Verdict::Through => {}
                Verdict::PlayEnded => return Verdict::PlayEnded,
                Verdict::Broken => {
                    self.room.events.tell(Event::NoHostsLeft);
                    return Verdict::Broken;
                }
            }
        }
        Verdict::Through
    }

    /// What an earlier run left due on these hosts is notified; what has run is taken off their notes.
    async fn settle_due(&self, hosts: &[String]) {
        for host in hosts {
            self.notify_left_due(host);
            let due = lock(&self.run).due(host);
            for (seat, handlers) in self.due.outdated(host, &due) {
                let due = Due { play: self.info().place.clone(), handlers };
                self.room.hosts.now_due(&seat, due).await;
            }
        }
    }

    fn notify_left_due(&self, host: &str) {
        let (play, left) = (self.info().place.clone(), self.room.hosts.left_due());
        for (seat, mut handlers) in left.take(host, &play) {
            handlers.retain(|name| {
                let is_known = lock(&self.run).notify(host, name);
                if is_known {
                    self.due.noted(host, &seat, &BTreeSet::from([name.clone()]));
                    let text =
                        format!("{host}: `{name}` is due since a run that broke off, and is notified now");
                    self.room.events.tell(Event::Warning { text });
                }
                !is_known
            });
            // A role that is included later may have it.
            if !handlers.is_empty() {
                left.heard(host, &seat, vec![Due { play: play.clone(), handlers }]);
            }
        }
    }

    /// `--step`: whether the user wants the task done. `c` asks no more.
    async fn wants(self: &Arc<Self>, batch: &Batch) -> bool {
        if !self.room.is_stepping() || batch.position.task.module.bare() == "meta" {
            return true;
        }
        let name = self.name_of(batch).await;
        let text = format!("Perform task: {name} (N)o/(y)es/(c)ontinue: ");
        self.room.events.tell(Event::Prompt { text });
        let answer = tokio::task::spawn_blocking(|| crate::prompt::read_line(true)).await;
        match answer.ok().and_then(Result::ok).unwrap_or_default().to_ascii_lowercase().as_str() {
            "y" | "yes" => true,
            "c" | "continue" => {
                self.room.stop_stepping();
                true
            }
            _ => false,
        }
    }

    async fn name_of(self: &Arc<Self>, batch: &Batch) -> String {
        let (conductor, task, first) =
            (self.clone(), batch.position.task.clone(), batch.hosts.first().cloned());
        let name = compute(move || {
            let scope = first.and_then(|host| conductor.scope(&host, &task).ok());
            display_name(&task, scope.as_ref())
        });
        name.await
    }

    async fn lead_freely(self: &Arc<Self>) -> Verdict {
        let hosts: Vec<String> = lock(&self.run).hosts().cloned().collect();
        let each = hosts.into_iter().map(|host| {
            let conductor = self.clone();
            tokio::spawn(async move { conductor.lead_one(&host).await })
        });
        let verdicts = joined(each.collect()).await;
        verdicts.into_iter().rfind(|verdict| *verdict != Verdict::Through).unwrap_or(Verdict::Through)
    }

    async fn lead_one(self: &Arc<Self>, host: &str) -> Verdict {
        loop {
            if self.room.is_stopping() {
                return Verdict::Broken;
            }
            let position = lock(&self.run).next_of(host);
            let Some(position) = position else { return Verdict::Through };
            let batch = Batch { position, hosts: vec![host.to_owned()] };
            let finished = self.do_batch(&batch).await;
            let verdict = self.take_batch(&batch, finished);
            self.settle_due(&batch.hosts).await;
            if verdict != Verdict::Through {
                return verdict;
            }
        }
    }

    /// Has the task done on the hosts of a batch, as many at a time as there are slots.
    async fn do_batch(self: &Arc<Self>, batch: &Batch) -> Vec<Finished> {
        let task = &batch.position.task;
        let hosts = self.hosts_for(batch);
        let name = self.announce(batch, &hosts).await;
        if task.module.bare() == "meta" {
            return self.scopes_only(&hosts, task);
        }
        if let Some(refused) = self.look_across(&hosts, task, &name).await {
            return refused;
        }
        let throttle = match self.throttle(&hosts, task) {
            Ok(throttle) => throttle,
            Err(why) => return self.all_failed(&hosts, &name, &why),
        };
        match self.rolling_change(batch) {
            Ok(None) => self.do_on(hosts, batch, &name, throttle).await,
            Ok(Some(change)) => self.do_rolling(&change, hosts, batch, &name, throttle).await,
            Err(why) => self.all_failed(&hosts, &name, &why),
        }
    }

    /// Has the task of a batch done on these hosts, at most `throttle` at a time.
    pub(super) async fn do_on(
        self: &Arc<Self>,
        hosts: Vec<String>,
        batch: &Batch,
        name: &str,
        throttle: Option<usize>,
    ) -> Vec<Finished> {
        let task = &batch.position.task;
        let throttle = throttle.map(|throttle| self.turns_of(task, throttle));
        let is_once = self.is_once(batch);
        let mut running = Vec::new();
        for host in hosts {
            // In the order of the hosts: with one slot they come one after the other. Slots are never closed;
            // without one the host would only start sooner.
            let turn = match &throttle {
                Some(throttle) => throttle.clone().acquire_owned().await.ok(),
                None => None,
            };
            let slot = self.room.slots.clone().acquire_owned().await.ok();
            let conductor = self.clone();
            let (task, name, handler) = (task.clone(), name.to_owned(), batch.position.handler);
            running.push(tokio::spawn(async move {
                let _held = (turn, slot);
                conductor.do_on_host(host, &task, &name, is_once, handler).await
            }));
        }
        joined(running).await
    }

    fn turns_of(&self, task: &Arc<Task>, most: usize) -> Arc<Semaphore> {
        let key = (Arc::as_ptr(task) as usize, most);
        lock(&self.turns).entry(key).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
    }

    /// How many hosts may do the task at the same time.
    fn throttle(&self, hosts: &[String], task: &Arc<Task>) -> Result<Option<usize>, String> {
        let (Some(host), Some(_)) = (hosts.first(), task.keyword(Keyword::Throttle)) else { return Ok(None) };
        let scope = self.scope(host, task)?;
        let text = Lookup { task, scope: &scope }.text(Keyword::Throttle);
        let failed = |why: String| format!("Failed to convert the throttle value to an integer: {why}");
        let Some(text) = text.map_err(|err| failed(sentence(&err)))? else { return Ok(None) };
        let number: i64 =
            text.trim().parse().map_err(|_| failed(format!("invalid literal for int: '{text}'")))?;
        Ok(usize::try_from(number).ok().filter(|number| *number > 0))
    }

    pub(super) fn all_failed(&self, hosts: &[String], name: &str, why: &str) -> Vec<Finished> {
        let each = hosts.iter().map(|host| {
            let result = TaskResult::failed(why);
            let (host, task) = (host.clone(), name.to_owned());
            self.room.events.tell(Event::Done { host: host.clone(), task, result: Box::new(result.clone()) });
            Finished { host, result }
        });
        each.collect()
    }

    /// `run_once`: the first host does it for all.
    fn hosts_for(&self, batch: &Batch) -> Vec<String> {
        if !self.is_once(batch) {
            return batch.hosts.clone();
        }
        // Whoever has done it in the run that this one goes on with.
        let has_done = |host: &&String| {
            let before = self.room.options.before_this.as_ref();
            before.is_some_and(|before| before.has_next(host, &batch.position.task))
        };
        let host = batch.hosts.iter().find(has_done).or(batch.hosts.first());
        host.into_iter().cloned().collect()
    }

    pub(super) fn is_once(&self, batch: &Batch) -> bool {
        let task = &batch.position.task;
        let Some(first) = batch.hosts.first().filter(|_| self.strategy == Strategy::Linear) else {
            return false;
        };
        let asks = task.keyword(Keyword::RunOnce).is_some();
        asks && self.scope(first, task).is_ok_and(|scope| {
            Lookup { task, scope: &scope }.truth(Keyword::RunOnce).ok().flatten().unwrap_or(false)
        })
    }

    async fn announce(self: &Arc<Self>, batch: &Batch, hosts: &[String]) -> String {
        let name = self.name_of(batch).await;
        let task = &batch.position.task;
        // What a handler includes is a handler too; `meta` is told of only as one.
        let is_handler = batch.position.handler.is_some() || task.is_handler;
        let is_told = self.rolling.goes_on_with(batch);
        if (is_handler || task.module.bare() != "meta") && !is_told {
            self.room.events.tell(Event::Task {
                name: name.clone(),
                is_handler,
                place: task.span().to_string(),
                hosts: hosts.len(),
            });
        }
        name
    }

    /// `meta` concerns the course of the play only: its condition is looked at, no host is asked.
    fn scopes_only(&self, hosts: &[String], task: &Arc<Task>) -> Vec<Finished> {
        let each = hosts.iter().map(|host| {
            let result = match self.scope(host, task) {
                Ok(scope) => {
                    let mut machine =
                        super::task_run::TaskRun::new(task.clone(), scope, self.room.mode.clone());
                    match machine.next(None) {
                        super::task_run::Demand::Done(result) => *result,
                        _ => TaskResult::failed("`meta` does not go to a host"),
                    }
                }
                Err(why) => TaskResult::failed(why),
            };
            Finished { host: host.clone(), result }
        });
        each.collect()
    }

    async fn do_on_host(
        self: &Arc<Self>,
        host: String,
        task: &Arc<Task>,
        name: &str,
        is_once: bool,
        handler: Option<usize>,
    ) -> Finished {
        let room = &self.room;
        room.events.tell(Event::Started { host: host.clone(), task: name.to_owned() });
        let doubt = handler.and_then(|handler| lock(&self.run).doubt_of(&host, handler));
        let before = self.done_before(&host, task);
        let perhaps = || doubt.map(|why| self.notified_perhaps(&host, task, &why));
        let mut result = match before.or_else(perhaps) {
            Some(result) => result,
            None => self.result_on_host(&host, task, name).await,
        };
        if room.mode.check && result.changed {
            result.consequences.extend(self.rolling_consequence(&host, task, name).await);
        }
        if let Some(journal) = &room.options.journal {
            journal.done(&host, task, &result);
        }
        if !result.was_done_before && (result.changed || result.is_failed()) {
            let is_delegated = |result: &TaskResult| result.delegated_to.is_some();
            let is_there = !is_delegated(&result) && !result.items.iter().any(is_delegated);
            room.hosts.report_change(is_there.then_some(host.as_str()));
        }
        let is_include = result.effects.iter().any(|effect| matches!(effect, Effect::Include { .. }));
        if !is_include || result.is_failed() {
            let (host, task) = (host.clone(), name.to_owned());
            room.events.tell(Event::Done { host, task, result: Box::new(result.clone()) });
        }
        take_diffs(room, &host, task, &result);
        // Other hosts may ask for its facts and results while theirs are still running.
        self.remember(std::slice::from_ref(&host), task, &result);
        if !is_once && !result.is_failed() {
            // They are the host's now; of many hosts they would be the most of what is held.
            result.facts = Arc::default();
        }
        Finished { host, result }
    }

    /// What a handler comes to of which it is not known whether it is notified: what it would set and notify is not known either.
    fn notified_perhaps(&self, host: &str, task: &Arc<Task>, why: &str) -> TaskResult {
        let result = TaskResult::notified_perhaps(why);
        let effects = doubted_vars(task, result.unknown.as_deref().unwrap_or_default());
        let scope = self.scope(host, task).ok();
        let lookup = scope.as_ref().map(|scope| Lookup { task, scope });
        let may_notify = lookup.and_then(|lookup| lookup.texts(Keyword::Notify).ok()).unwrap_or_default();
        TaskResult { effects, may_notify, ..result }
    }

    /// What the task came to in the run that this one goes on with.
    fn done_before(&self, host: &str, task: &Arc<Task>) -> Option<TaskResult> {
        match self.room.options.before_this.as_ref()?.take(host, task) {
            Taken::Result(result) => return Some(result.result()),
            Taken::Again { tells: true } => {
                let text = format!(
                    "{}: what a task with no_log came to is not kept, so it is done again",
                    task.span()
                );
                self.room.events.tell(Event::Warning { text });
            }
            Taken::Again { tells: false } | Taken::Nothing => {}
        }
        None
    }

    async fn result_on_host(self: &Arc<Self>, host: &str, task: &Arc<Task>, name: &str) -> TaskResult {
        let asks = !self.room.mode.only_declares;
        if asks && names_agent(task) && self.room.hosts.known_agent(host).is_none() {
            let scope = match self.scope_of(host, task).await {
                Ok(scope) => scope,
                Err(why) => return TaskResult::failed(why),
            };
            if let Some(failed) = bring_agent(&self.room, host, task, &scope).await {
                return failed;
            }
        }
        match self.scope_of(host, task).await {
            Ok(scope) => do_task(self, host, task, scope, name).await,
            Err(why) => TaskResult::failed(why),
        }
    }

    pub(super) async fn scope_of(self: &Arc<Self>, host: &str, task: &Arc<Task>) -> Result<Scope, String> {
        let (conductor, host, task) = (self.clone(), host.to_owned(), task.clone());
        compute(move || conductor.scope(&host, &task)).await
    }

    /// What the task sees on the host.
    pub(super) fn scope(&self, host: &str, task: &Arc<Task>) -> Result<Scope, String> {
        self.scope_with(host, task, self.info())
    }

    /// The same where `info` is what the play says about itself.
    pub(super) fn scope_with(
        &self,
        host: &str,
        task: &Arc<Task>,
        info: Arc<PlayInfo>,
    ) -> Result<Scope, String> {
        let of_task = self.book.task(task, &info.playbook_dir);
        let mut layers = self.layers.clone();
        if !self.play.vars_files.is_empty() {
            let scope = play_info::scope(&self.room, &info, layers.clone(), Some(host));
            let files = play_info::vars_files(&self.room, &self.play, &scope)
                .map_err(|mistake| mistake.to_string())?;
            layers.extend(files);
        }
        if let Some(agent) = self.room.hosts.known_agent(host) {
            let mut vars = Vars::new();
            vars.set_plain("muster_agent_path", agent.path.into());
            vars.set_plain("muster_agent_sha256", agent.sha256.into());
            layers.push((Level::Facts, Arc::new(vars)));
        } else if self.room.mode.only_drafts() {
            let mut vars = Vars::new();
            vars.set_plain("muster_agent_path", AGENT_ELSEWHERE.into());
            layers.push((Level::Facts, Arc::new(vars)));
        }
        layers.extend(of_task.layers.iter().cloned());
        Ok(Scope::new(ScopeInputs {
            engine: &self.room.engine,
            store: &self.room.store,
            host: Some(host),
            play: &info,
            role: of_task.role.as_ref(),
            search: of_task.search.clone(),
            layers,
        }))
    }

    pub(super) fn info(&self) -> Arc<PlayInfo> {
        self.info.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `ansible_play_hosts` has those that have not failed.
    fn refresh_info(&self) {
        let active = lock(&self.run).hosts_in(HostState::Active);
        let mut info = self.info.write().unwrap_or_else(PoisonError::into_inner);
        let is_active = |host: &String| active.contains(host);
        if info.batch.iter().filter(|host| is_active(host)).count() != info.batch.len() {
            let changed = Arc::make_mut(&mut info);
            let gone: Vec<String> = changed.batch.iter().filter(|host| !is_active(host)).cloned().collect();
            changed.hosts =
                Arc::new(changed.hosts.iter().filter(|host| !gone.contains(host)).cloned().collect());
            changed.batch = Arc::new(changed.batch.iter().filter(|host| is_active(host)).cloned().collect());
        }
    }

    /// Takes over what a task came to on its hosts.
    fn take_batch(&self, batch: &Batch, finished: Vec<Finished>) -> Verdict {
        Follow { conductor: self, batch, is_once: self.is_once(batch) }.take(finished)
    }

    /// Counts a failure for a host; says where it leads.
    pub(super) fn fail(&self, host: &str) -> Option<Fate> {
        lock(&self.run).finish(host, End::Failed)
    }

    /// Whether the status of a result takes the host out.
    pub(super) fn is_bad(result: &TaskResult) -> bool {
        matches!(result.status, Status::Failed | Status::Unreachable) && !result.ignored
    }
}

/// The name of a task for people: with its role, rendered as far as that is possible.
pub(crate) fn display_name(task: &Task, scope: Option<&Scope>) -> String {
    let name = own_name(task, scope);
    match task.role() {
        Some(role) => format!("{} : {name}", role.name),
        None => name,
    }
}

/// The name of a task without its role.
pub(crate) fn own_name(task: &Task, scope: Option<&Scope>) -> String {
    match (task.name(), scope) {
        (Some(node), Some(scope)) => {
            scope.render_node(node).map_or_else(|_| node.key_text().into_owned(), |name| text_of(&name))
        }
        (Some(node), None) => node.key_text().into_owned(),
        (None, _) => task.module.written().to_owned(),
    }
}
