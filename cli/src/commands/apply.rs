//! `muster apply` and `muster plan`: playbooks become changes on hosts, or what they would be.

use super::basis::{log, tell};
use super::listing;
use super::recorded::{self, Recording};
use super::saved;
use super::walk::{End, Walk};
use crate::args::{Output, PlanArgs, PlaybookArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::report::{Events, Kind, Screen, Watch};
use crate::run::task_run::Mode;

/// Runs `muster apply`.
pub(crate) fn apply(args: PlaybookArgs) -> Exit {
    if let Some(number) = &args.resume {
        return recorded::resume(number, &args).unwrap_or_else(|mistakes| tell(&mistakes));
    }
    if let [file] = &args.playbooks[..]
        && saved::is_plan(file)
    {
        return saved::carry_out(file, &args).unwrap_or_else(|mistakes| tell(&mistakes));
    }
    let kind = Kind::Apply { show_diff: args.diff };
    run(&args, kind).map_or_else(|mistakes| tell(&mistakes), |end| end.exit)
}

/// Runs `muster plan`.
pub(crate) fn plan(args: PlanArgs) -> Exit {
    let playbook = args.playbook();
    let ended = match &args.out {
        Some(file) => saved::make(file, &playbook),
        None => run(&playbook, Kind::Plan),
    };
    match ended {
        Ok(End { exit: Exit::Fine, changes: true }) if args.detailed_exitcode => Exit::HostFailed,
        Ok(end) => end.exit,
        Err(mistakes) => tell(&mistakes),
    }
}

fn run(args: &PlaybookArgs, kind: Kind) -> Result<End> {
    let walk = read(args)?;
    if listing::is_asked(args) {
        listing::print(args, &walk.playbooks, &walk.basis, &walk.tags)?;
        return Ok(End { exit: Exit::Fine, changes: false });
    }
    lead(walk, args, kind, Box::new(|_, _| {}))
}

/// Reads it all.
///
/// # Errors
///
/// Every mistake, and what is asked for and is not there.
pub(super) fn read(args: &PlaybookArgs) -> Result<Walk> {
    refuse(args)?;
    Walk::read(args)
}

/// Leads the hosts through, shown as `kind` says; `watch` sees all that happens.
///
/// # Errors
///
/// A mistake that shows only on the way.
pub(super) fn lead(walk: Walk, args: &PlaybookArgs, kind: Kind, watch: Watch) -> Result<End> {
    lead_recorded(walk, args, kind, watch, Recording::of_what_was_given())
}

/// The same, recorded as this command. A dry run is not recorded.
///
/// # Errors
///
/// A mistake that shows only on the way.
pub(super) fn lead_recorded(
    walk: Walk,
    args: &PlaybookArgs,
    kind: Kind,
    watch: Watch,
    recording: Recording,
) -> Result<End> {
    let basis = &walk.basis;
    let mut options = walk.options(args)?;
    let (events, receiver) = Events::channel();
    options.before_this = recording.results();
    if !args.check {
        options.journal = recording.begin(&basis.inventory_sources, &basis.reader, &events);
    }
    let journal = options.journal.clone();
    let watch = recorded::watch(&options.journal, watch);
    let mode = Mode {
        check: args.check,
        diff: args.diff || basis.settings.diff(),
        timeout: basis.settings.task_timeout(),
        no_log: basis.settings.no_log(),
        only_declares: false,
        drafts: false,
        foresight: args.foresight.clone(),
    };
    let kind = match kind {
        Kind::Apply { .. } => Kind::Apply { show_diff: mode.diff },
        other => other,
    };
    let log = log(&basis.settings)?;
    let screen = Screen::watched(kind, &args.output, receiver, basis.store.clone(), log, watch);
    let end = walk.lead("apply", options, mode, events);
    screen.finish();
    recorded::end(journal.as_deref(), end.as_ref().map(|end| end.exit));
    end
}

/// What is not there yet is refused, not ignored.
fn refuse(args: &PlaybookArgs) -> Result<()> {
    let wrong = |why: &str, next: &str| {
        Diagnostics::from(Diagnostic::error(why).exits_with(Exit::WrongUse).hint(next))
    };
    if args.output.output == Output::Json && listing::is_asked(args) {
        return Err(wrong("lists have no JSON form yet", "leave out `--output json`"));
    }
    Ok(())
}
