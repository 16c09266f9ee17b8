//! `muster apply` and `muster plan`: playbooks become changes on hosts, or what they would be.

use super::basis::{log, tell};
use super::listing;
use super::saved;
use super::walk::{End, Walk};
use crate::args::{Output, PlanArgs, PlaybookArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::report::{Events, Kind, Screen};
use crate::run::task_run::Mode;

/// Runs `muster apply`.
pub(crate) fn apply(args: PlaybookArgs) -> Exit {
    if let [file] = &args.playbooks[..]
        && saved::is_plan(file)
    {
        return saved::apply(file, &args).unwrap_or_else(|mistakes| tell(&mistakes));
    }
    let kind = Kind::Apply { show_diff: args.diff };
    run(&args, kind).map_or_else(|mistakes| tell(&mistakes), |end| end.exit)
}

/// Runs `muster plan`.
pub(crate) fn plan(args: PlanArgs) -> Exit {
    let mut playbook = args.playbook;
    (playbook.check, playbook.diff) = (true, true);
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

pub(super) fn run(args: &PlaybookArgs, kind: Kind) -> Result<End> {
    refuse(args)?;
    let walk = Walk::read(args)?;
    let basis = &walk.basis;
    if listing::is_asked(args) {
        listing::print(args, &walk.playbooks, basis, &walk.tags)?;
        return Ok(End { exit: Exit::Fine, changes: false });
    }
    let options = walk.options(args)?;
    let (events, receiver) = Events::channel();
    let mode = Mode {
        check: args.check,
        diff: args.diff || basis.settings.diff(),
        timeout: basis.settings.task_timeout(),
        no_log: basis.settings.no_log(),
        only_declares: false,
    };
    let kind = match kind {
        Kind::Apply { .. } => Kind::Apply { show_diff: mode.diff },
        other => other,
    };
    let screen = Screen::start(kind, &args.output, receiver, basis.store.clone(), log(&basis.settings)?);
    let end = walk.lead("apply", options, mode, events);
    screen.finish();
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
