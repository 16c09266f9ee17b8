//! Carries a module out for a host: what the controller has to do first, then the steps on the host, then what the
//! controller has to do with the outcome.

use super::across;
use super::arguments::text;
use super::background::Background;
use super::cluster_step::{cluster_part, declared_cluster};
use super::control::{Answer, Control, Pause, paused};
use super::files::{self, Part};
use super::hosts::{Errand, Seat, StepFailure};
use super::identity::Identity;
use super::keywords::{IdentityError, Lookup, identity};
use super::outlook::Outlook;
use super::result::{Effect, TaskResult};
use super::room::{DeclaredCluster, Room, compute, lock};
use super::sources;
use super::task_run::{NOT_ASKED, Reply, Request};
use super::template_error::sentence;
use super::way::{Way, WayError, way};
use crate::inventory::LOCALHOST;
use crate::local_files::NoFile;
use crate::playbook::Task;
use crate::report::Event;
use crate::vars::{Scope, ScopeInputs};
use muster_api::diff::{Change, Diff};
use muster_api::module::{ModuleSpec, RunsOn};
use muster_api::outcome::Outcome;
use muster_api::step::{Due, Perhaps, Step};
use serde_json::{Map, Value as Json};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Carries `request` out for the host of `outlook`.
pub(crate) async fn carry_out(outlook: &Outlook<'_>, request: Request) -> Reply {
    let room = outlook.room();
    if request.perhaps.is_some() {
        // Nobody waits for an answer: the task is not known, whatever the host says.
        return match on_host(outlook, request).await {
            Err(StepFailure::Unreachable(why)) => Reply::Unreachable(why),
            _ => Reply::Done(Box::default()),
        };
    }
    if let Some(why) = across::take(room, outlook.host, &request) {
        return Reply::Done(Box::new(TaskResult::failed(why)));
    }
    if room.mode.only_drafts() && needs_host(request.spec) {
        return Reply::Done(Box::new(TaskResult::unknown(NOT_ASKED)));
    }
    if let Some(kept) = room.options.kept.as_ref().filter(|_| request.spec.name == "cluster") {
        return declare(outlook, request, kept).await;
    }
    // Who rehearses waits for nobody.
    if room.options.kept.is_some() && request.spec.name == "pause" {
        return Reply::Done(Box::default());
    }
    match request.spec.runs_on {
        RunsOn::Controller => Reply::Done(Box::new(by_controller(room, request).await)),
        RunsOn::Host => match on_host(outlook, request).await {
            Ok(result) => {
                if room.mode.check {
                    room.expect_users(outlook.host, &result.diffs);
                }
                Reply::Done(Box::new(result))
            }
            Err(StepFailure::Failed(why) | StepFailure::NoUser(why)) => {
                Reply::Done(Box::new(TaskResult::not_run(why)))
            }
            Err(StepFailure::Unreachable(why)) => Reply::Unreachable(why),
        },
    }
}

/// Whether a module does anything but compute on the controller.
pub(crate) fn asks_a_host(spec: &ModuleSpec) -> bool {
    matches!(spec.runs_on, RunsOn::Host) || spec.name == "pause"
}

fn needs_host(spec: &ModuleSpec) -> bool {
    spec.runs_on == RunsOn::Host
}

/// Keeps what a `cluster` task declares, instead of handing it over; the host is asked what there is before, if hosts are asked.
async fn declare(outlook: &Outlook<'_>, request: Request, kept: &Mutex<Vec<DeclaredCluster>>) -> Reply {
    let asked = match outlook.room().mode.only_declares {
        true => Ok(TaskResult::default()),
        false => on_host(outlook, request.clone()).await,
    };
    let mut result = match asked {
        Ok(result) => result,
        Err(StepFailure::Failed(why) | StepFailure::NoUser(why)) => TaskResult::failed(why),
        Err(StepFailure::Unreachable(why)) => return Reply::Unreachable(why),
    };
    if !result.is_failed() {
        match declared_cluster(&request, &result.result) {
            Ok(cluster) => lock(kept).push(cluster),
            Err(why) => result = TaskResult::failed(why),
        }
    }
    Reply::Done(Box::new(result))
}

async fn by_controller(room: &Arc<Room>, request: Request) -> TaskResult {
    let shared = room.clone();
    let answer = compute(move || {
        let control = Control {
            reader: shared.loader.reader(),
            verbosity: shared.options.verbosity,
            is_check: request.check,
        };
        control.run(&request)
    });
    match answer.await {
        Answer::Done(result) => *result,
        Answer::Pause(pause) => {
            let result = wait(room, &pause).await;
            // Whoever waits expects that something happens meanwhile.
            room.hosts.report_change(None);
            result
        }
    }
}

async fn wait(room: &Arc<Room>, pause: &Pause) -> TaskResult {
    let began = Instant::now();
    let mut answer = String::new();
    match pause.time {
        Some(time) => tokio::time::sleep(time).await,
        // Nobody is there who could answer: a run of cron would wait for ever.
        None if !std::io::stdin().is_terminal() => {
            let mut result = paused(pause, "", 0.0);
            result.warnings.push("Not waiting for response to prompt as stdin is not interactive".to_owned());
            return result;
        }
        None => {
            let default = "Press enter to continue, Ctrl+C to interrupt";
            let prompt = pause.prompt.clone().unwrap_or_else(|| default.into());
            let echo = pause.echo;
            room.events.tell(Event::Prompt { text: format!("{prompt}:") });
            let asked = tokio::task::spawn_blocking(move || crate::prompt::read_line(echo)).await;
            answer = asked.ok().and_then(Result::ok).unwrap_or_default();
        }
    }
    paused(pause, &answer, began.elapsed().as_secs_f64())
}

async fn on_host(outlook: &Outlook<'_>, request: Request) -> Result<TaskResult, StepFailure> {
    let (room, host) = (outlook.room(), outlook.host);
    let target = request.delegate_to.clone().unwrap_or_else(|| host.to_owned());
    let shared = room.clone();
    let prepared = compute(move || {
        let prepared = prepare(&shared, &target, &request);
        (prepared, request, target)
    });
    let (prepared, request, target) = prepared.await;
    let Prepared { way, mut identity, work, background } = match prepared {
        Ok(prepared) => prepared,
        Err(result) => {
            let why = result.unknown.clone().filter(|_| room.mode.foresight.is_some());
            if let Some(why) = why.filter(|_| request.perhaps.is_none()) {
                let perhaps = Some(Perhaps { why, lacks_arguments: true, done_as: None });
                // The task is not known, whatever the host says.
                let _ = Box::pin(on_host(outlook, Request { perhaps, ..request })).await?;
            }
            return Ok(*result);
        }
    };
    if let Identity::Become(account) = &identity
        && (request.check || room.mode.foresight.is_some())
        && let Some(why) = room.doubt_of_user(&target, &account.user)
    {
        match room.stand_in(&target, &way, account).filter(|_| request.check && background.is_none()) {
            Some(stand_in) => identity = stand_in,
            None => {
                let account = account.user.clone();
                return nobody_can(outlook, request, (&target, &way), &account, work, why).await;
            }
        }
    }
    let may_lack_user = room.mode.foresight.is_some() && matches!(identity, Identity::Become(_));
    let again = may_lack_user.then(|| (request.clone(), work.clone()));
    let trip = Trip {
        room,
        host,
        target: &target,
        way: &way,
        identity: &identity,
        request: &request,
        background,
        outlook,
    };
    let done = match work {
        Work::Parts(parts) => trip.parts(parts).await,
        Work::Fetch => trip.fetch().await,
        Work::WaitForConnection => trip.wait_for_connection().await,
        Work::Reboot => trip.reboot().await,
    };
    match (done, again) {
        (Err(StepFailure::NoUser(why)), Some((request, work))) => match room.may_bring_users(&target) {
            Some(reason) => {
                let account = identity.user().unwrap_or_default();
                let why = format!("{why}; {reason}");
                nobody_can(outlook, request, (&target, &way), account, work, why).await
            }
            None => Err(StepFailure::NoUser(why)),
        },
        (done, _) => done,
    }
}

/// A task of a plan that is done as a user who is not there yet, or not any more: who logged in looks at what it may change.
async fn nobody_can(
    outlook: &Outlook<'_>,
    request: Request,
    (target, way): (&str, &Way),
    account: &str,
    work: Work,
    why: String,
) -> Result<TaskResult, StepFailure> {
    if let (true, Work::Parts(parts)) = (request.check, work) {
        let (room, host) = (outlook.room(), outlook.host);
        let lacks_arguments = request.perhaps.is_some_and(|perhaps| perhaps.lacks_arguments);
        let done_as = Some(account.to_owned());
        let perhaps = Some(Perhaps { why: why.clone(), lacks_arguments, done_as });
        let request = &Request { perhaps, ..request };
        let (identity, background) = (&Identity::Login, None);
        let trip = Trip { room, host, target, way, identity, request, background, outlook };
        let _ = trip.parts(parts).await?;
    }
    Ok(TaskResult::unknown(&why))
}

/// All that is known before the host is asked.
struct Prepared {
    way: Way,
    identity: Identity,
    work: Work,
    background: Option<Background>,
}

#[derive(Clone)]
enum Work {
    /// Steps one after the other.
    Parts(Vec<Part>),
    Fetch,
    WaitForConnection,
    Reboot,
}

/// What is made of several exchanges with the host, so that it cannot go on without the controller.
const NEVER_ASYNC: &[&str] =
    &["assemble", "copy", "fetch", "reboot", "script", "template", "unarchive", "wait_for_connection"];

fn prepare(room: &Arc<Room>, target: &str, request: &Request) -> Result<Prepared, Box<TaskResult>> {
    let scope = target_scope(room, target, request);
    let lookup = Lookup { task: &request.task, scope: &request.scope };
    let way = match (
        &request.delegate_to,
        LOCALHOST.contains(&target) && room.inventory().hosts.get(target).is_none(),
    ) {
        (_, true) => Way::Local,
        (delegate, false) => way(target, &scope, delegate.is_none().then_some(&lookup), &room.options.way)
            .map_err(|err| match err {
                WayError::Template(err) => failed(sentence(&err)),
                WayError::Refused(why) => failed(why),
            })?,
    };
    let login = way.login_name();
    let identity = identity(&lookup, &scope, &login, &room.options.r#become).map_err(|err| match err {
        IdentityError::Template(err) => failed(sentence(&err)),
        IdentityError::Method(why) => failed(why),
    })?;
    let background = Background::of(request).map_err(|err| failed(sentence(&err)))?;
    if background.is_some() && NEVER_ASYNC.contains(&request.spec.name) {
        return Err(failed(format!("This action ({}) does not support async.", request.spec.name)));
    }
    let work = work(room, request)?;
    if background.is_some() && !matches!(&work, Work::Parts(parts) if parts.len() == 1) {
        return Err(failed(format!("This action ({}) does not support async.", request.spec.name)));
    }
    Ok(Prepared { way, identity, work, background })
}

fn no_file(why: NoFile) -> Box<TaskResult> {
    Box::new(TaskResult::without_file(why))
}

fn failed(why: impl Into<String>) -> Box<TaskResult> {
    Box::new(TaskResult::failed(why))
}

/// The variables that say how the target is reached: those of the task for its own host, those of the other host
/// where the task is delegated.
fn target_scope(room: &Arc<Room>, target: &str, request: &Request) -> Scope {
    if request.delegate_to.is_none() {
        return request.scope.clone();
    }
    request.scope.of_host(target).unwrap_or_else(|| {
        // A host that no inventory names is reached by its name.
        Scope::new(ScopeInputs {
            engine: &room.engine,
            store: &room.store,
            host: None,
            play: &Arc::default(),
            role: None,
            search: Arc::default(),
            layers: Vec::new(),
        })
    })
}

/// What a task would put on a host, as it would be sent; nothing where it cannot be made.
pub(super) fn rendered_parts(room: &Arc<Room>, request: &Request) -> Vec<Part> {
    match work(room, request) {
        Ok(Work::Parts(parts)) => parts,
        _ => Vec::new(),
    }
}

fn one(part: Part) -> Work {
    Work::Parts(vec![part])
}

fn work(room: &Arc<Room>, request: &Request) -> Result<Work, Box<TaskResult>> {
    let reader = room.loader.reader();
    if request.perhaps.as_ref().is_some_and(|perhaps| perhaps.lacks_arguments) {
        return Ok(one(Part { module: request.spec.name, args: request.args.clone(), content: None }));
    }
    match request.spec.name {
        "copy" => files::copy_parts(request, &room.contents, reader).map(Work::Parts).map_err(no_file),
        "template" => match files::render(request, &room.contents, reader) {
            Ok(part) => Ok(Work::Parts(vec![part])),
            Err(files::RenderFailure::File(why)) => Err(no_file(why)),
            Err(files::RenderFailure::Template(err)) => Err(match err.unknown_reason() {
                Some(reason) if request.check => Box::new(TaskResult::unknown(reason)),
                _ => Box::new(TaskResult {
                    sources: sources::of_template(&err, &request.task, &request.scope),
                    ..TaskResult::failed(sentence(&err))
                }),
            }),
        },
        "assemble" => files::assemble_part(request, &room.contents, reader).map(one).map_err(no_file),
        "unarchive" => files::unarchive_part(request, &room.contents, reader).map(one).map_err(no_file),
        "script" => files::script_part(request, &room.contents, reader).map(one).map_err(no_file),
        "cluster" => cluster_part(request, room.options.kept.is_some())
            .map(|part| Work::Parts(vec![part]))
            .map_err(failed),
        "own_module" => files::own_module_part(request, &room.contents).map(one).map_err(no_file),
        "fetch" => Ok(Work::Fetch),
        "wait_for_connection" => Ok(Work::WaitForConnection),
        "reboot" => Ok(Work::Reboot),
        name => Ok(Work::Parts(vec![Part { module: name, args: request.args.clone(), content: None }])),
    }
}

/// One request on its way to a host.
pub(super) struct Trip<'a> {
    pub(super) room: &'a Arc<Room>,
    pub(super) host: &'a str,
    pub(super) target: &'a str,
    pub(super) way: &'a Way,
    identity: &'a Identity,
    pub(super) request: &'a Request,
    background: Option<Background>,
    outlook: &'a Outlook<'a>,
}

impl Trip<'_> {
    async fn parts(&self, parts: Vec<Part>) -> Result<TaskResult, StepFailure> {
        if let Some(how) = self.background {
            let mut parts = parts;
            let part = parts.swap_remove(0);
            return Ok(TaskResult::of(self.in_background(part, how).await?));
        }
        let Some((first, mut rest)) = parts.split_first() else {
            let mut nothing = TaskResult::default();
            nothing.result.insert("msg".into(), "there is nothing to copy".into());
            return Ok(nothing);
        };
        let mut whole = self.send(first.clone(), rest, None).await?;
        while let Some((part, others)) = rest.split_first().filter(|_| !whole.failed) {
            rest = others;
            add(&mut whole, self.send(part.clone(), rest, None).await?);
        }
        if self.request.spec.name == "assemble" && !whole.diffs.is_empty() {
            // One mapping, not a list of them, is what playbooks read here.
            let diff = crate::report::diff_json(&whole.diffs);
            whole.result.insert("diff".into(), diff.get(0).cloned().unwrap_or_default());
        }
        if self.request.spec.name == "setup" {
            whole.facts = as_variables(std::mem::take(&mut whole.facts));
        }
        let doubt = self.room.doubt_of(self.target).filter(|_| self.request.spec.name == "setup");
        let mut result = TaskResult::of(whole);
        result.effects.extend(doubt.map(Effect::DoubtFacts));
        Ok(result)
    }

    async fn fetch(&self) -> Result<TaskResult, StepFailure> {
        let args = &self.request.args;
        let source = text(args, "src").unwrap_or_default().to_owned();
        let outcome = self.step(Part { module: "fetch", args: args.clone(), content: None }).await?;
        if !outcome.result.contains_key("content") {
            let mut result = TaskResult::of(outcome);
            result.result.insert("file".into(), source.into());
            return Ok(result);
        }
        let encoded = outcome.result.get("content").and_then(Json::as_str).unwrap_or_default();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
        let bytes =
            bytes.map_err(|cause| StepFailure::Failed(format!("the host's answer is no base64: {cause}")))?;
        let dest = files::destination(self.request, self.host, &source).map_err(StepFailure::Failed)?;
        let check = self.request.check;
        let (path, held) = (dest.clone(), encoded.to_owned());
        let written = tokio::task::spawn_blocking(move || files::write_fetched(&path, &bytes, check)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        Ok(match written {
            Ok(fetched) if check => {
                let would =
                    if fetched.changed { "the file would be fetched" } else { "the file is here already" };
                let mut result = TaskResult::skipped("check mode");
                let msg = format!("check mode not (yet) supported for this module: {would}");
                result.result.insert("msg".into(), msg.into());
                if fetched.changed {
                    self.room.store.files().expect_file(&dest, held);
                }
                // Ansible says nothing more; that a file would come here is not to be hidden.
                result.unknown = fetched.changed.then(|| would.to_owned());
                result
            }
            Ok(fetched) => {
                let mut result = TaskResult { changed: fetched.changed, ..TaskResult::default() };
                if fetched.changed {
                    let change =
                        Change::Presence { before: "absent or different".into(), after: "fetched".into() };
                    let name = dest.to_string_lossy().into_owned();
                    result.diffs.push(Diff {
                        kind: "file of the controller".into(),
                        name,
                        changes: vec![change],
                    });
                }
                let checksum = Json::from(fetched.checksum);
                result.result.insert("checksum".into(), checksum.clone());
                result.result.insert("remote_checksum".into(), checksum);
                result.result.insert("dest".into(), dest.to_string_lossy().as_ref().into());
                result.result.insert("file".into(), source.into());
                result
            }
            Err(cause) => TaskResult::failed(format!("{}: {cause}", dest.display())),
        })
    }

    pub(super) async fn step(&self, part: Part) -> Result<Outcome, StepFailure> {
        self.send(part, &[], None).await
    }

    /// Has a part done on the host; those of the same task that come after it are `rest`.
    pub(super) async fn send(
        &self,
        part: Part,
        rest: &[Part],
        how: Option<Background>,
    ) -> Result<Outcome, StepFailure> {
        let request = self.request;
        let step = step_of(self.room, request, part, how);
        let errand = Errand {
            host: self.target,
            way: self.way,
            identity: self.identity,
            is_delegated: request.delegate_to.is_some(),
            check: request.check,
            predicts_on: self.room.mode.check,
        };
        let progress = |text| {
            self.room.events.tell(Event::Progress { host: self.host.to_owned(), text });
        };
        if let Some(journal) = self.room.options.journal.as_ref().filter(|_| !request.check) {
            journal.seat(self.target, self.identity.user(), *self.way == Way::Local);
        }
        let began = Instant::now();
        let later = |part: &Part| step_of(self.room, request, part.clone(), None);
        let outlook = async |most: usize| {
            let rest = rest.iter().take(most).map(later);
            self.outlook.steps(errand.seat(), rest.collect(), most).await
        };
        let outcome = self.room.hosts.run(&errand, &step, progress, outlook).await?;
        let outcome = across::judged(self.room, self.target, request.task.span(), outcome);
        if let Some(due) = step.notifies.filter(|_| outcome.changed && !outcome.failed) {
            self.outlook.conductor.due.noted(self.host, &errand.seat(), &due.handlers);
        }
        if let Some(why) = outcome.unknown.as_ref().filter(|_| self.room.mode.foresight.is_some()) {
            self.room.doubt(self.target, why);
        }
        Ok(match request.timeout.filter(|timeout| outcome.failed && began.elapsed() >= *timeout) {
            Some(timeout) => timed_out(outcome, timeout),
            None => outcome,
        })
    }
}

/// A part of a request as the host gets it.
fn step_of(room: &Room, request: &Request, part: Part, how: Option<Background>) -> Step {
    let limits = [request.timeout, how.map(Background::limit)];
    let limit = limits.into_iter().flatten().min();
    Step {
        id: room.step_number(),
        module: part.module.to_owned(),
        args: part.args,
        check: request.check,
        diff: request.diff,
        no_log: request.no_log,
        environment: request.environment.clone(),
        content: part.content,
        background: how.is_some(),
        timeout_ms: limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        notifies: (!request.notifies.is_empty() && !request.check)
            .then(|| Due { play: request.scope.play().place.clone(), handlers: request.notifies.clone() }),
        shows_corosync: across::shows(room, request.spec.name),
        perhaps: request.perhaps.clone(),
    }
}

/// The steps of a request that the worker in this seat would get.
pub(super) fn steps_for(room: &Arc<Room>, host: &str, seat: &Seat, request: &Request) -> Vec<Step> {
    let target = request.delegate_to.as_deref().unwrap_or(host);
    if target != seat.host || request.check != seat.check {
        return Vec::new();
    }
    let Ok(Prepared { way, identity, work: Work::Parts(parts), background: None }) =
        prepare(room, target, request)
    else {
        return Vec::new();
    };
    if (&way, &identity) != (&seat.way, &seat.identity) {
        return Vec::new();
    }
    parts.into_iter().map(|part| step_of(room, request, part, None)).collect()
}

/// What playbooks look for where a task was ended at its `timeout`.
fn timed_out(outcome: Outcome, timeout: std::time::Duration) -> Outcome {
    let seconds = timeout.as_secs();
    let mut result = outcome.result;
    let said = result.get("msg").and_then(Json::as_str).unwrap_or_default().to_owned();
    result.insert("msg".into(), format!("Timed out after {seconds} second(s).").into());
    result.insert("timedout".into(), serde_json::json!({"period": seconds, "frame": said}));
    Outcome { changed: false, result, ..outcome }
}

/// Facts of the host are variables that begin with `ansible_`.
fn as_variables(facts: Map<String, Json>) -> Map<String, Json> {
    let is_plain =
        |name: &str| name.starts_with("ansible_") || matches!(name, "gather_subset" | "module_setup");
    let renamed = facts.into_iter().map(|(name, value)| {
        let name = if is_plain(&name) { name } else { format!("ansible_{name}") };
        (name, value)
    });
    renamed.collect()
}

/// Several steps are one task: it changed where one did, and failed where one did.
fn add(whole: &mut Outcome, part: Outcome) {
    whole.changed |= part.changed;
    whole.failed |= part.failed;
    whole.unknown = whole.unknown.take().or(part.unknown);
    whole.diffs.extend(part.diffs);
    whole.warnings.extend(part.warnings);
    if part.failed {
        whole.result = part.result;
    }
}

/// Starts a worker for a task before its arguments are rendered, so that they can name the agent's binary.
pub(crate) async fn start_worker(
    room: &Arc<Room>,
    host: &str,
    task: &Arc<Task>,
    scope: &Scope,
) -> Result<(), StepFailure> {
    let seat = seat_of(room, host, task, scope).await?;
    let errand = Errand {
        host,
        way: &seat.way,
        identity: &seat.identity,
        is_delegated: false,
        check: seat.check,
        predicts_on: true,
    };
    room.hosts.agent(&errand).await.map(drop)
}

/// Who does the steps of a task on the host that it is for.
pub(super) async fn seat_of(
    room: &Arc<Room>,
    host: &str,
    task: &Arc<Task>,
    scope: &Scope,
) -> Result<Seat, StepFailure> {
    let (shared, name, task, scope) = (room.clone(), host.to_owned(), task.clone(), scope.clone());
    let prepared = compute(move || {
        let lookup = Lookup { task: &task, scope: &scope };
        let way = way(&name, &scope, Some(&lookup), &shared.options.way);
        let login = way.as_ref().map(Way::login_name).unwrap_or_default();
        let identity = identity(&lookup, &scope, &login, &shared.options.r#become);
        (way, identity)
    });
    let (Ok(way), Ok(identity)) = prepared.await else {
        return Err(StepFailure::Failed("it is not known how to reach the host".into()));
    };
    Ok(Seat { host: host.to_owned(), way, identity, check: room.mode.check })
}
