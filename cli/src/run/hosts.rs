//! Connections and workers of all hosts: opened when a task needs them, kept for the next one.

use super::agents::Agents;
use super::ahead::{Unrest, leaves_alone};
use super::content::Contents;
use super::due::LeftDue;
use super::identity::Identity;
use super::launch::{LaunchFailure, Place, launch};
use super::process::{Piece, Process};
use super::session::{Greeting, Session, SessionFailure};
use super::ssh::{self, Connected, Target};
use super::unreachable::Unreachable;
use super::way::Way;
use crate::local_files::LocalFiles;
use crate::report::{Event, Events};
use muster_api::outcome::Outcome;
use muster_api::step::{Due, Step};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// All hosts that the run has to do with.
pub(crate) struct Hosts {
    agents: Agents,
    contents: Arc<Contents>,
    /// The files of this machine, of which its workers tell what would become of them.
    files: Arc<LocalFiles>,
    /// Who runs what from where.
    run: String,
    /// Who hears how workers are started.
    events: Option<Events>,
    /// The run's number, where it is recorded.
    number: Option<String>,
    links: Mutex<HashMap<String, Links>>,
    pushed: Mutex<HashMap<String, PushedAgent>>,
    unrest: Unrest,
    left_due: LeftDue,
    /// Those that a rolling change which broke off has left down.
    away: Mutex<BTreeSet<String>>,
}

/// One host, reached in all its ways.
type Links = Vec<(Way, Arc<Link>)>;

/// One host, reached one way.
#[derive(Default)]
struct Link {
    connection: OnceCell<Result<Arc<Connected>, Unreachable>>,
    idle: Mutex<Vec<(Worker, Session)>>,
    /// In a dry run: who has it may give a step to a worker.
    turn: Arc<tokio::sync::Mutex<()>>,
    foretold: Mutex<Foretold>,
    agent: Mutex<Option<PushedAgent>>,
}

/// Which workers of a host know all that a dry run has foretold there; the first one has foretold last.
#[derive(Default)]
struct Foretold(Vec<Worker>);

/// Which worker of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Worker {
    identity: Identity,
    check: bool,
    /// It predicts one step of a run that changes the host otherwise.
    is_alone: bool,
}

impl Worker {
    /// What it predicts holds for later steps.
    fn predicts_on(&self) -> bool {
        self.check && !self.is_alone
    }
}

/// The agent's binary on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushedAgent {
    pub(crate) path: String,
    pub(crate) sha256: String,
}

/// Why a step has no outcome.
#[derive(Debug)]
pub(crate) enum StepFailure {
    /// The host cannot be reached.
    Unreachable(Unreachable),
    /// The host can be reached, but cannot do it: a sentence.
    Failed(String),
    /// So because there is no user whom the task could become.
    NoUser(String),
}

impl From<Unreachable> for StepFailure {
    fn from(why: Unreachable) -> Self {
        Self::Unreachable(why)
    }
}

impl From<LaunchFailure> for StepFailure {
    fn from(failure: LaunchFailure) -> Self {
        match failure {
            LaunchFailure::Unreachable(why) => Self::Unreachable(why),
            LaunchFailure::Refused(why) => Self::Failed(why),
            LaunchFailure::NoUser(why) => Self::NoUser(why),
        }
    }
}

impl From<SessionFailure> for StepFailure {
    fn from(failure: SessionFailure) -> Self {
        match failure {
            SessionFailure::Unreachable(why) => Self::Unreachable(why),
            SessionFailure::Worker(why) => Self::Failed(why),
        }
    }
}

/// A step for a host.
pub(crate) struct Errand<'a> {
    pub(crate) host: &'a str,
    pub(crate) way: &'a Way,
    pub(crate) identity: &'a Identity,
    /// The task is for another host.
    pub(crate) is_delegated: bool,
    /// Whether this only predicts.
    pub(crate) check: bool,
    /// Whether what is predicted holds for later steps: not in a run that changes the host besides.
    pub(crate) predicts_on: bool,
}

/// Which worker, on which host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) host: String,
    pub(crate) way: Way,
    pub(crate) identity: Identity,
    pub(crate) check: bool,
}

impl Errand<'_> {
    fn worker(&self) -> Worker {
        let is_alone = self.check && !self.predicts_on;
        Worker { identity: self.identity.clone(), check: self.check, is_alone }
    }

    /// Who does it.
    pub(crate) fn seat(&self) -> Seat {
        let (way, identity) = (self.way.clone(), self.identity.clone());
        Seat { host: self.host.to_owned(), way, identity, check: self.check }
    }
}

/// The account that a step may change.
fn changed_account(step: &Step) -> Option<&str> {
    let name = || step.args.get("name").or_else(|| step.args.get("user"))?.as_str();
    (step.module == "user").then(name)?
}

/// The user whom a step removes, or whose number or home it may change: no process of that user may be left then, so none of ours
/// either (usermod(8), userdel(8)).
fn leaving_user(step: &Step) -> Option<&str> {
    let is_removal = || step.args.get("state").is_some_and(|state| state == "absent");
    let may_move =
        || ["uid", "home"].iter().any(|name| step.args.get(*name).is_some_and(|value| !value.is_null()));
    changed_account(step).filter(|_| !step.check && (is_removal() || may_move()))
}

impl Link {
    /// Takes a worker that has nothing to do.
    fn idle(&self, worker: &Worker) -> Option<Session> {
        let mut idle = lock(&self.idle);
        let index = idle.iter().position(|(known, _)| known == worker)?;
        Some(idle.swap_remove(index).1)
    }

    /// In a dry run, waits for what is done there before: each step sees what those before would have done, also where several hosts
    /// delegate to the same one at once.
    async fn turn(&self, worker: &Worker) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        match worker.predicts_on() {
            true => Some(self.turn.clone().lock_owned().await),
            false => None,
        }
    }

    /// In a dry run, has a worker know what the tasks of other users would have done.
    async fn catch_up(&self, worker: &Worker, session: &mut Session) -> Result<(), SessionFailure> {
        let ahead = match &lock(&self.foretold).0 {
            known if known.contains(worker) => None,
            known => known.first().cloned(),
        };
        let Some(teller) = ahead.filter(|_| worker.predicts_on()) else { return Ok(()) };
        let Some(mut told_by) = self.idle(&teller) else { return Ok(()) };
        let foretold = told_by.foretold(session.uid().await?).await?;
        lock(&self.idle).push((teller, told_by));
        session.take_foretold(foretold).await?;
        lock(&self.foretold).0.push(worker.clone());
        Ok(())
    }

    /// Others do not know what this one has foretold.
    fn has_foretold(&self, worker: &Worker) {
        if worker.predicts_on() {
            *lock(&self.foretold) = Foretold(vec![worker.clone()]);
        }
    }

    /// Ends the workers that run as a user, and waits until they are gone.
    async fn leave(&self, user: &str) {
        self.end(|worker| matches!(&worker.identity, Identity::Become(to) if to.user == user)).await;
    }

    /// Ends the workers that stand in for an account, which may be another one for the steps to come. What they have foretold
    /// others know.
    async fn stand_down(&self, account: &str) {
        let is_of = |worker: &Worker| worker.identity.stands_in_for() == Some(account);
        lock(&self.foretold).0.retain(|worker| !is_of(worker));
        self.end(is_of).await;
    }

    async fn end(&self, is_of: impl Fn(&Worker) -> bool) {
        let leaving: Vec<(Worker, Session)> =
            lock(&self.idle).extract_if(.., |(worker, _)| is_of(worker)).collect();
        for (_, session) in leaving {
            session.end().await;
        }
    }
}

impl Hosts {
    /// Nothing is connected yet.
    pub(crate) fn new(agents: Agents, contents: Arc<Contents>, run: String) -> Self {
        Self {
            agents,
            contents,
            files: Arc::default(),
            run,
            events: None,
            number: None,
            links: Mutex::default(),
            pushed: Mutex::default(),
            unrest: Unrest::default(),
            left_due: LeftDue::default(),
            away: Mutex::default(),
        }
    }

    /// In a dry run, who reads these files sees what would become of them.
    pub(crate) fn over(self, files: &Arc<LocalFiles>) -> Self {
        Self { files: files.clone(), ..self }
    }

    /// Tells how workers are started.
    pub(crate) fn telling(self, events: &Events) -> Self {
        Self { events: Some(events.clone()), ..self }
    }

    /// Workers keep what they replace under this number.
    pub(crate) fn numbered(self, number: Option<String>) -> Self {
        Self { number, ..self }
    }

    /// Has a step done, unless the worker has said already that there is nothing to do. `outlook` is asked for steps
    /// that may come next, of the same worker, while the host is at work.
    pub(crate) async fn run(
        &self,
        errand: &Errand<'_>,
        step: &Step,
        progress: impl FnMut(String),
        outlook: impl AsyncFnOnce(usize) -> Vec<Step>,
    ) -> Result<Outcome, StepFailure> {
        let link = self.link(errand.host, errand.way);
        let worker = errand.worker();
        if let Some(user) = leaving_user(step) {
            link.leave(user).await;
        }
        let _turn = link.turn(&worker).await;
        let mut session = self.session(errand.host, &link, errand.way, &worker).await?;
        link.catch_up(&worker, &mut session).await?;
        if let Some(account) = changed_account(step).filter(|_| worker.predicts_on())
            && worker.identity.stands_in_for() != Some(account)
        {
            link.stand_down(account).await;
        }
        self.note_agent(errand.host, &link);
        let place = place(errand.host, errand.way);
        let known = match self.unrest.stamp(place) {
            Some(stamp) => session.known(step, stamp).await?,
            None => None,
        };
        if let Some(outcome) = known {
            lock(&link.idle).push((worker, session));
            return Ok(outcome);
        }
        let is_alone = worker.is_alone;
        session.start(step).await?;
        // On this machine there is no way to save.
        let before = self.unrest.stamp(place).filter(|_| !is_alone && *errand.way != Way::Local);
        if let Some(before) = before {
            let steps = outlook(session.pace()).await;
            session.look_ahead(steps, before).await?;
        }
        let outcome = session.outcome(step, &self.contents, progress).await?;
        let left = session.take_left_due();
        if !left.is_empty() && !is_alone {
            self.left_due.heard(errand.host, &errand.seat(), left);
        }
        self.files.expect(session.take_foreseen());
        if session.take_away() && lock(&self.away).insert(errand.host.to_owned()) {
            self.tell_away(errand.host);
        }
        if step.background || !leaves_alone(step, &outcome) {
            link.has_foretold(&worker);
        }
        if step.background {
            self.unrest.leave_restless(place);
        } else if !leaves_alone(step, &outcome) {
            self.unrest.stir(place);
            session.stands_after_a_change();
            // A command that is run for a host elsewhere may be there to do something on that host.
            if errand.is_delegated || *errand.way == Way::Local {
                self.unrest.report(None);
            }
        }
        if is_alone {
            session.close().await;
        } else {
            lock(&link.idle).push((worker, session));
        }
        Ok(outcome)
    }

    /// A task has changed something, on a host or where nobody knows: what workers said ahead may not hold any more.
    pub(crate) fn report_change(&self, host: Option<&str>) {
        self.unrest.report(host);
    }

    /// Handlers that earlier runs left due, as workers have said.
    pub(crate) fn left_due(&self) -> &LeftDue {
        &self.left_due
    }

    fn tell_away(&self, host: &str) {
        let text = format!(
            "{host}: a rolling change that broke off has left it down; run that again, which brings it back, or give \
             `musterd node unstandby`"
        );
        if let Some(events) = &self.events {
            events.tell(Event::Warning { text });
        }
    }

    /// Whether a rolling change that broke off has left a host down, as its worker has said.
    pub(crate) fn is_away(&self, host: &str) -> bool {
        lock(&self.away).contains(host)
    }

    /// A host is back from a rolling change.
    pub(crate) fn is_back(&self, host: &str) {
        lock(&self.away).remove(host);
    }

    /// Has a step done by the worker in a seat, which asks for no content.
    pub(crate) async fn run_in(
        &self,
        seat: &Seat,
        step: &Step,
        progress: impl FnMut(String),
    ) -> Result<Outcome, StepFailure> {
        let errand = Errand {
            host: &seat.host,
            way: &seat.way,
            identity: &seat.identity,
            is_delegated: false,
            check: seat.check,
            predicts_on: true,
        };
        self.run(&errand, step, progress, async |_| Vec::new()).await
    }

    /// Tells a worker which handlers are due from now on. Where it is gone the note stays, and a handler runs once too often.
    pub(crate) async fn now_due(&self, seat: &Seat, due: Due) {
        let link = self.link(&seat.host, &seat.way);
        let worker = Worker { identity: seat.identity.clone(), check: seat.check, is_alone: false };
        let Some(mut session) = link.idle(&worker) else { return };
        if session.now_due(due).await.is_ok() {
            lock(&link.idle).push((worker, session));
        }
    }

    /// Makes sure that a worker is up, and says where the agent's binary is.
    pub(crate) async fn agent(&self, errand: &Errand<'_>) -> Result<PushedAgent, StepFailure> {
        let link = self.link(errand.host, errand.way);
        let worker = errand.worker();
        let _turn = link.turn(&worker).await;
        let session = self.session(errand.host, &link, errand.way, &worker).await?;
        lock(&link.idle).push((worker, session));
        self.note_agent(errand.host, &link);
        let agent = self.known_agent(errand.host);
        agent.ok_or_else(|| StepFailure::Failed("the worker did not say where its binary is".into()))
    }

    /// Where the agent's binary is on a host, if a worker was started there.
    pub(crate) fn known_agent(&self, host: &str) -> Option<PushedAgent> {
        lock(&self.pushed).get(host).cloned()
    }

    fn note_agent(&self, host: &str, link: &Link) {
        if let Some(agent) = lock(&link.agent).clone() {
            lock(&self.pushed).insert(host.to_owned(), agent);
        }
    }

    /// Runs a command line on a host; its output is handed on as it comes. For what is no step: `muster status`.
    pub(crate) async fn command(
        &self,
        errand: &Errand<'_>,
        line: &str,
        mut on_piece: impl FnMut(Piece),
    ) -> Result<Option<u32>, StepFailure> {
        let link = self.link(errand.host, errand.way);
        let mut process = match self.connection(&link, errand.way).await? {
            Some(connected) => Process::remote(&connected.client, line).await?,
            None => Process::local("sh", &["-c".into(), line.into()])
                .map_err(|cause| StepFailure::Failed(format!("`sh` cannot be started: {cause}")))?,
        };
        loop {
            match process.next().await {
                Piece::Exit(code) => return Ok(code),
                piece => on_piece(piece),
            }
        }
    }

    /// Closes the connections to a host; the next task opens new ones.
    pub(crate) fn forget(&self, host: &str) {
        lock(&self.links).remove(host);
    }

    /// Tells all workers to finish.
    pub(crate) async fn close(&self) {
        let links: Vec<Arc<Link>> =
            lock(&self.links).drain().flat_map(|(_, links)| links).map(|(_, link)| link).collect();
        let idle = links.iter().flat_map(|link| std::mem::take(&mut *lock(&link.idle)));
        let closing: Vec<_> = idle.map(|(_, session)| tokio::spawn(session.close())).collect();
        for one in closing {
            // One that panicked is closed as well.
            let _ = one.await;
        }
    }

    fn link(&self, host: &str, way: &Way) -> Arc<Link> {
        let mut links = lock(&self.links);
        let of_host = links.entry(place(host, way).to_owned()).or_default();
        if let Some((_, link)) = of_host.iter().find(|(known, _)| known == way) {
            return link.clone();
        }
        let link = Arc::new(Link::default());
        of_host.push((way.clone(), link.clone()));
        link
    }

    async fn session(
        &self,
        host: &str,
        link: &Link,
        way: &Way,
        worker: &Worker,
    ) -> Result<Session, StepFailure> {
        if let Some(session) = link.idle(worker) {
            return Ok(session);
        }
        let connected = self.connection(link, way).await?;
        let place = connected.as_ref().map_or(Place::Here, |connected| Place::Host(&connected.client));
        if let Some(events) = &self.events {
            // The script that finds or brings the agent is left out: it is the same each time.
            let line = worker.identity.command_line("musterd worker", "[muster]");
            events.tell(Event::Worker { host: host.to_owned(), line });
        }
        let launched = launch(&place, &self.agents, &worker.identity).await?;
        let agent = PushedAgent { path: launched.path.clone(), sha256: launched.sha256.clone() };
        {
            let mut known = lock(&link.agent);
            // What root has put there everyone can read.
            if known.is_none() || agent.path.starts_with("/run/muster/") {
                *known = Some(agent);
            }
        }
        let greeting = Greeting {
            run: self.run.clone(),
            check: worker.check,
            is_alone: worker.is_alone,
            shares: *way == Way::Local,
            number: self.number.clone(),
            stands_in_for: worker.identity.stands_in_for().map(str::to_owned),
        };
        Ok(Session::open(launched, greeting).await?)
    }

    async fn connection(&self, link: &Link, way: &Way) -> Result<Option<Arc<Connected>>, StepFailure> {
        let Way::Ssh(wanted) = way else { return Ok(None) };
        let connect = || async {
            let target = Target::resolve(wanted).await?;
            Ok(Arc::new(ssh::connect(&target).await?))
        };
        let connected = link.connection.get_or_init(connect).await;
        Ok(Some(connected.clone()?))
    }
}

/// This machine is one host, under whatever names the inventory has it.
fn place<'h>(host: &'h str, way: &Way) -> &'h str {
    if *way == Way::Local { "" } else { host }
}

/// What is locked here is whole at any time: a panic elsewhere leaves nothing half-done in it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn workers_of_a_user_end_before_the_account_goes_or_moves_and_not_for_less() {
        let leaves = |args: serde_json::Value, check: bool| {
            let step = json!({"id": 1, "module": "user", "args": args, "check": check, "diff": false, "no_log": false});
            leaving_user(&serde_json::from_value(step).expect("a step")).map(str::to_owned)
        };
        assert_eq!(leaves(json!({"name": "x", "state": "absent"}), false), Some("x".into()));
        assert_eq!(leaves(json!({"user": "x", "uid": 7}), false), Some("x".into()));
        assert_eq!(leaves(json!({"name": "x", "home": "/srv/x"}), false), Some("x".into()));
        assert_eq!(leaves(json!({"name": "x", "uid": null, "comment": "y"}), false), None);
        assert_eq!(leaves(json!({"name": "x", "uid": 7}), true), None, "a plan changes nothing");
    }
}
