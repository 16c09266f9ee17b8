//! Runs one step: check, then apply or predict. A fault inside a module becomes a failed outcome.

use super::atomic;
use super::background;
use super::before::Keeper;
use super::confinement;
use super::corosync;
use super::due::Note;
use super::hands::Hands;
use super::operation::{Operation, Put};
use super::overlay::Overlay;
use super::permission::Subject;
use super::stand_in;
use super::view::{Controller, Scope, View};
use super::wire;
use crate::modules::{self, Args, Check, Failure, Module};
use muster_api::diff::Diff;
use muster_api::frame::FromWorker;
use muster_api::module::is_answered_ahead;
use muster_api::outcome::Outcome;
use muster_api::step::{ContentRef, Perhaps, Shows, Step};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Does the step and says what it came to.
pub(super) fn run(
    step: &Step,
    overlay: &mut Overlay,
    controller: &dyn Controller,
    note: &Note,
    keeper: &Keeper,
) -> Outcome {
    if step.background && step.check && !overlay.is_of_one_step() {
        let own = Step { background: false, ..step.clone() };
        let predicted = run(&own, overlay, controller, note, keeper);
        return background::predict(step, predicted, overlay, umask());
    }
    if step.background {
        return background::start(step, controller, keeper);
    }
    stand_in::take_refused();
    let Some(module) = modules::find(&step.module) else {
        return failed(step.id, &format!("this agent has no module `{}`", step.module));
    };
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some((step.id, step.module.clone()));
    let deadline = step.timeout_ms.map(|timeout| Instant::now() + Duration::from_millis(timeout));
    let scope = Scope { step, deadline, umask: umask(), controller, keeper };
    let perhaps = step.perhaps.as_ref().filter(|_| step.check);
    let guarded = catch_unwind(AssertUnwindSafe(|| match perhaps {
        Some(perhaps) => Ok(consider(module, &scope, overlay, perhaps)),
        None => check_and_apply(module, &scope, overlay, note),
    }));
    let mut outcome = match guarded {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(failure)) => failure.into_outcome(),
        Err(panic) => failed(step.id, &fault(&step.module, panic.as_ref())),
    };
    outcome.id = step.id;
    outcome
}

/// A step of which it is not known whether or how it is done: what it may change is known no more.
fn consider(module: &dyn Module, scope: &Scope<'_>, overlay: &mut Overlay, perhaps: &Perhaps) -> Outcome {
    let args = Args::of(scope.step);
    let why = perhaps.why.as_str();
    overlay.look_afresh();
    let checked = match perhaps.lacks_arguments {
        true => Err(Failure::new("not all arguments are known")),
        false => module.check(&args, &View { overlay, scope }),
    };
    let missed = missed(overlay);
    if let Ok(check) = &checked {
        let is_known = missed.is_none() && check.outcome.unknown.is_none() && check.doubt.is_none();
        overlay.predict_perhaps(&check.operations, scope.umask, why);
        if is_known && check.operations.is_empty() && !check.outcome.changed {
            return Outcome { unknown: Some(why.to_owned()), ..Outcome::default() };
        }
    } else {
        doubt_named(&args, why, scope, overlay);
    }
    overlay
        .doubt(format!("whether the step with module `{}` brings it is not known: {why}", scope.step.module));
    Outcome { unknown: Some(why.to_owned()), skipped: true, ..Outcome::default() }
}

/// Why what a step has looked at is not known, where something was not.
fn missed(overlay: &Overlay) -> Option<String> {
    let refused = stand_in::take_refused();
    overlay.take_missed().or(refused)
}

/// Modules that leave what they are about where it is, whatever their arguments.
const ONLY_WRITES: &[&str] = &[
    "archive",
    "assemble",
    "blockinfile",
    "copy",
    "get_url",
    "htpasswd",
    "ini_file",
    "known_hosts",
    "lineinfile",
    "pam_limits",
    "replace",
    "template",
];

/// Modules that have nothing to do where a file is missing.
const AT_HOME_WITHOUT: &[&str] = &["blockinfile", "file", "ini_file", "lineinfile", "stat"];

/// What the step may change is as little known as what it does.
fn doubt_named(args: &Args<'_>, why: &str, scope: &Scope<'_>, overlay: &mut Overlay) {
    let module = scope.step.module.as_str();
    let may_remove = !ONLY_WRITES.contains(&module);
    let view = View { overlay, scope };
    let paths: Vec<_> = ["dest", "path"].iter().filter_map(|name| args.path(name, &view)).collect();
    let source = args.text("_original_basename").or_else(|| args.text("src")).map(Path::new);
    let into = |path: &PathBuf| Some(path.join(source?.file_name()?)).filter(|_| view.is_directory(path));
    let inside: Vec<_> = paths.iter().filter_map(into).collect();
    for path in paths.into_iter().chain(inside) {
        // A path that cannot be looked at is no reason to say less.
        let _ = overlay.perhaps(&path, may_remove, why);
    }
    let kind = match module {
        "user" => "user",
        "group" => "group",
        "service" | "systemd" | "systemd_service" => "unit",
        "apt" | "dnf" | "package" | "yum" => "package",
        "hostname" => return overlay.doubt_name("hostname", "", why),
        _ => return,
    };
    for name in args.text("name").map(str::to_owned).into_iter().chain(args.list("name").unwrap_or_default())
    {
        overlay.doubt_name(kind, &name, why);
    }
}

/// What the step would come to now, where it has nothing to do.
pub(super) fn answer_ahead(step: &Step, overlay: &Overlay) -> Option<Outcome> {
    let is_shown = step.shows_corosync == Shows::Always;
    let is_known = !step.background && step.perhaps.is_none() && !is_shown;
    let is_ahead = is_answered_ahead(&step.module) && is_known;
    let module = modules::find(&step.module).filter(|_| is_ahead)?;
    let deadline = step.timeout_ms.map(|timeout| Instant::now() + Duration::from_millis(timeout));
    let keeper = Keeper::default();
    let scope = Scope { step, deadline, umask: umask(), controller: &Nobody, keeper: &keeper };
    let guarded = catch_unwind(AssertUnwindSafe(|| settled(module, &scope, overlay)));
    // What fails now fails again at its turn, if it still does then, and is told there.
    let outcome = guarded.ok().and_then(Result::ok).flatten()?;
    Some(Outcome { id: step.id, ..outcome })
}

fn settled(module: &dyn Module, scope: &Scope<'_>, overlay: &Overlay) -> Result<Option<Outcome>, Failure> {
    let args = Args::of(scope.step);
    let view = View { overlay, scope };
    overlay.look_afresh();
    let checked = module.check(&args, &view);
    // What is not known now is told as such at its turn.
    if missed(overlay).is_some() || overlay.take_brought().is_some() {
        return Ok(None);
    }
    let Check { mut outcome, operations, report, doubt } = checked?;
    if outcome.changed || outcome.unknown.is_some() || doubt.is_some() || !operations.is_empty() {
        return Ok(None);
    }
    if scope.step.check {
        report.fill(&mut outcome, &view);
        return Ok(Some(outcome));
    }
    let mut hands = Hands::tied(scope);
    let outcome = module.apply(&args, Check { outcome, report, ..Check::default() }, &mut hands)?;
    Ok((!hands.were_pulled() && !outcome.changed && !outcome.failed).then_some(outcome))
}

/// A step that is only looked at asks for nothing and tells nothing.
struct Nobody;

impl Controller for Nobody {
    fn content(&self, _wanted: &ContentRef) -> Result<Vec<u8>, String> {
        Err("the step is only looked at".to_owned())
    }

    fn progress(&self, _id: u64, _text: &str) {}
}

fn check_and_apply(
    module: &dyn Module,
    scope: &Scope<'_>,
    overlay: &mut Overlay,
    note: &Note,
) -> Result<Outcome, Failure> {
    let args = Args::of(scope.step);
    let view = View { overlay, scope };
    overlay.look_afresh();
    let checked = module.check(&args, &view);
    let operations = checked.as_ref().map_or(&[][..], |check| &check.operations);
    let (verdict, subject) = match scope.step.shows_corosync {
        Shows::Nothing => (None, None),
        Shows::BeforeWrite => (corosync::of_operations(operations, &view), None),
        Shows::Always => (None, corosync::subject(operations, &args, &view)),
    };
    if let Some(verdict) = verdict.filter(|verdict| verdict.refused.is_some()) {
        return Ok(corosync::refusal(verdict));
    }
    let mut outcome = finish(module, &args, checked, scope, overlay, note)?;
    if let Some(path) = subject.filter(|_| !outcome.failed && outcome.unknown.is_none()) {
        // What cannot be read yet is only not shown.
        outcome.verdict = corosync::of_what_is_there(&path, &View { overlay, scope });
    }
    Ok(outcome)
}

/// Applies what was checked, or predicts it.
fn finish(
    module: &dyn Module,
    args: &Args<'_>,
    checked: Result<Check, Failure>,
    scope: &Scope<'_>,
    overlay: &mut Overlay,
    note: &Note,
) -> Result<Outcome, Failure> {
    let Some(mut hands) = Hands::of(scope) else {
        return predict(checked, scope, overlay);
    };
    let check = checked?;
    let due = scope.step.notifies.as_ref().filter(|_| check.outcome.changed);
    let noted = due.map(|due| note.add(due));
    let applied = apply(module, args, check, &mut hands, scope);
    let (Some(due), Some(noted)) = (due, noted) else { return applied };
    let is_due = applied.as_ref().is_ok_and(|outcome| outcome.changed && !outcome.failed);
    match noted {
        // It was no change after all, or failed: the next run finds it undone and notifies then.
        Ok(new) if !is_due => {
            // A handler that stays noted runs once too often, which is no reason to stop.
            let _ = note.remove(&due.play, &new);
            applied
        }
        Err(error) if is_due => applied.map(|mut outcome| {
            outcome.warnings.push(format!(
                "if this run breaks off now, its handlers are lost: they cannot be noted on the host: {error}"
            ));
            outcome
        }),
        _ => applied,
    }
}

/// Has it done; what of it could not be kept for an undo is told.
fn apply(
    module: &dyn Module,
    args: &Args<'_>,
    check: Check,
    hands: &mut Hands<'_>,
    scope: &Scope<'_>,
) -> Result<Outcome, Failure> {
    scope.keeper.begin();
    let mut outcome = module.apply(args, check, hands)?;
    if outcome.changed {
        let thing = |diff: &Diff| format!("{} {}", diff.kind, diff.name);
        let is_told = |_: &&Diff| !scope.step.no_log;
        let things: Vec<String> = outcome.diffs.iter().filter(is_told).map(thing).collect();
        outcome.warnings.extend(scope.keeper.end(&scope.step.module, &things));
    }
    Ok(outcome)
}

/// What a check says becomes the outcome, and what it would do is remembered for later steps.
fn predict(
    checked: Result<Check, Failure>,
    scope: &Scope<'_>,
    overlay: &mut Overlay,
) -> Result<Outcome, Failure> {
    let (missed, absent) = (missed(overlay), overlay.take_brought());
    let check = match (checked, &missed) {
        (Ok(check), _) => check,
        (Err(_), Some(why)) => return unforeseeable(why, scope, overlay),
        (Err(failure), None) => return doubt(failure, overlay),
    };
    let may_be_brought = absent.and_then(|absent| may_be_brought(&absent, &check, scope, overlay));
    find_programs(&check, scope, overlay)?;
    let unable = |error| Failure::new(format!("cannot predict what the step leaves behind: {error}"));
    let subject = Subject::of_this_worker();
    let missed = missed.or_else(|| subject?.undecided(&check.operations));
    let missed = match missed {
        None => validated(&check.operations, overlay)?,
        missed => missed,
    };
    match &missed {
        Some(why) => {
            if overlay.predict_in_doubt(&check.operations, scope.umask, why).is_err() {
                return unforeseeable(why, scope, overlay);
            }
        }
        None => {
            for operation in &check.operations {
                if let Some(why) = subject.and_then(|subject| subject.refused(operation, overlay)) {
                    return refused(why, scope, overlay);
                }
                if let Err(error) = overlay.predict(operation, scope.umask) {
                    let unknown = overlay.take_missed().or(check.outcome.unknown);
                    return unknown
                        .map_or_else(|| Err(unable(error)), |why| unforeseeable(&why, scope, overlay));
                }
            }
        }
    }
    if let Some(reason) = &check.doubt {
        overlay.doubt(format!("the step with module `{}` was not run: {reason}", scope.step.module));
    }
    let mut outcome = check.outcome;
    // What is reported may be as little known, and is no reason to know less of what the step does.
    check.report.fill(&mut outcome, &View { overlay, scope });
    if let Some(why) = missed.or(may_be_brought).filter(|_| outcome.unknown.is_none()) {
        (outcome.changed, outcome.unknown) = (false, Some(why));
        outcome.diffs.clear();
    }
    Ok(outcome)
}

/// Why it is not known that a step has nothing to do which found this absent: it may be there when its turn comes.
fn may_be_brought(absent: &Path, check: &Check, scope: &Scope<'_>, overlay: &Overlay) -> Option<String> {
    let does_nothing = check.operations.is_empty() && !check.outcome.changed;
    if !does_nothing || !AT_HOME_WITHOUT.contains(&scope.step.module.as_str()) {
        return None;
    }
    let own = Args::of(scope.step).path("path", &View { overlay, scope })?;
    let is_own = overlay.locate(&own, true).is_ok_and(|own| own.path == absent);
    is_own.then(|| format!("packages that would be installed may bring `{}`", absent.display()))
}

/// Why it is not known whether `validate` accepts what would be written, where it is not. It is run where it can change nothing.
fn validated(operations: &[Operation], overlay: &Overlay) -> Result<Option<String>, Failure> {
    for operation in operations {
        let Operation::Put(put @ Put { validate: Some(line), .. }) = operation else { continue };
        if Subject::of_this_worker().is_some() {
            return Ok(Some(format!("whether `{line}` accepts the new content is known when it is run")));
        }
        if !confinement::is_confined() || overlay.is_of_one_step() {
            continue;
        }
        match atomic::try_out(put) {
            Ok(()) => {}
            Err(refused) if overlay.begun().is_none() && overlay.uncertainty().is_none() => {
                return Err(Failure::new(refused.to_string()));
            }
            Err(refused) => return Ok(Some(format!("{refused}; what comes before may change that"))),
        }
    }
    Ok(None)
}

/// The user may not do it, unless an earlier step gives the right to it in a way that is not known.
fn refused(why: String, scope: &Scope<'_>, overlay: &mut Overlay) -> Result<Outcome, Failure> {
    let joins = || (!overlay.groups().is_empty()).then_some("an earlier step changes groups");
    match overlay.uncertainty().or_else(joins) {
        Some(reason) => unforeseeable(&format!("{why}; {reason}"), scope, overlay),
        None => Err(Failure::new(why)),
    }
}

/// The step has looked at what only an earlier step can know when it is done. What it may change itself is as little known.
fn unforeseeable(why: &str, scope: &Scope<'_>, overlay: &mut Overlay) -> Result<Outcome, Failure> {
    doubt_named(&Args::of(scope.step), why, scope, overlay);
    Ok(Outcome { unknown: Some(why.to_owned()), skipped: true, ..Outcome::default() })
}

/// A step whose program is not on the host fails, unless an earlier step may bring it.
fn find_programs(check: &Check, scope: &Scope<'_>, overlay: &Overlay) -> Result<(), Failure> {
    if overlay.has_new_packages() || overlay.uncertainty().is_some() {
        return Ok(());
    }
    let view = View { overlay, scope };
    for operation in &check.operations {
        let Operation::Run { command, .. } = operation else { continue };
        let name = command.program.to_string_lossy();
        if !name.contains('/') && !command.is_found() && view.program(&name).is_none() {
            return Err(Failure::new(format!(
                "cannot run `{}`: there is no program `{name}` on the host",
                command.line()
            )));
        }
    }
    Ok(())
}

/// Something that is missing may be there when the plan is applied, if an earlier step can have brought it.
fn doubt(failure: Failure, overlay: &Overlay) -> Result<Outcome, Failure> {
    let packages = || overlay.has_new_packages().then_some("packages that would be installed may bring it");
    let Some(reason) = failure.is_missing.then(|| overlay.uncertainty().or_else(packages)).flatten() else {
        return Err(failure);
    };
    let unknown = Some(format!("{}; {reason}", failure.msg));
    Ok(Outcome { unknown, skipped: true, ..Outcome::default() })
}

/// An outcome that says only why there is none.
pub(super) fn failed(id: u64, msg: &str) -> Outcome {
    Outcome { id, ..Failure::new(msg).into_outcome() }
}

/// The step that runs now, for the report of a fault.
static RUNNING: Mutex<Option<(u64, String)>> = Mutex::new(None);

/// In a build that aborts at a fault, says what the step came to before the worker ends.
pub(super) fn report_faults() {
    if !cfg!(panic = "abort") {
        return;
    }
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        let running = RUNNING.try_lock().ok().and_then(|mut running| running.take());
        if let Some((id, module)) = running {
            let outcome = failed(id, &fault(&module, panic.payload()));
            // The controller may be gone; stderr has the fault.
            let _ = wire::say(&FromWorker::Done { outcome });
        }
    }));
}

fn fault(module: &str, panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    format!(
        "module `{module}` has a fault ({}); files it was writing are as before, please report it",
        said.unwrap_or("without a message")
    )
}

/// The worker's umask; proc(5) tells it without setting another one.
pub(super) fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    *UMASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
    })
}
