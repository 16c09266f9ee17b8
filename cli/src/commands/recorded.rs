//! Runs that are recorded, and runs that go on with one that broke off.

use super::apply::{lead_recorded, read};
use super::history;
use super::walk::Walk;
use crate::args::{Cli, Command, PlaybookArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::journal::{self, Commission, Journal, Results, Run, Standing, Start};
use crate::load::Reader;
use crate::report::{Event, Events, Kind, Watch};
use clap::Parser;
use std::path::PathBuf;
use std::sync::Arc;

/// Files that are named where some have changed.
const FILES_SHOWN: usize = 10;

/// How a run is recorded, and what it goes on with.
pub(super) struct Recording {
    command: Vec<String>,
    before: Option<(String, Arc<Results>)>,
}

impl Recording {
    /// As the command that was given.
    pub(super) fn of_what_was_given() -> Self {
        Self::of(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect())
    }

    /// As this command.
    pub(super) const fn of(command: Vec<String>) -> Self {
        Self { command, before: None }
    }

    /// What is taken over from another run.
    pub(super) fn results(&self) -> Option<Arc<Results>> {
        self.before.as_ref().map(|(_, results)| results.clone())
    }

    /// Begins the record; where there can be none that is told, and the run goes on.
    pub(super) fn begin(
        self,
        inventory: &[String],
        reader: &Arc<Reader>,
        events: &Events,
    ) -> Option<Arc<Journal>> {
        let resumes = self.before.map(|(number, _)| number);
        let start = Start { command: self.command, inventory, reader: reader.clone(), resumes };
        let begun = Journal::begin(start).map(Arc::new).map_err(|error| {
            let text =
                format!("no record of this run is kept, so it can be neither resumed nor undone: {error}");
            events.tell(Event::Warning { text });
        });
        begun.ok()
    }
}

/// The journal sees what `watch` sees.
pub(super) fn watch(journal: &Option<Arc<Journal>>, mut watch: Watch) -> Watch {
    let Some(journal) = journal.clone() else { return watch };
    Box::new(move |event, secrets| {
        journal.watch(event, secrets);
        watch(event, secrets);
    })
}

/// The run is over.
pub(super) fn end(journal: Option<&Journal>, exit: std::result::Result<Exit, &Diagnostics>) {
    if let Some(journal) = journal {
        journal.end(exit.unwrap_or_else(|mistakes| mistakes.exit()).code());
    }
}

/// Goes on with a run that broke off or failed: the last one, where no number is given.
pub(super) fn resume(number: &str, given: &PlaybookArgs) -> Result<Exit> {
    refuse_other_options(given)?;
    let run = match number {
        "" => last_broken()?,
        number => history::find(number)?,
    };
    let folder = run.own_folder().unwrap_or_default();
    refuse_what_is_over(&run)?;
    let commission = journal::commission(&folder).map_err(|why| unusable(&run, &why))?;
    let args = arguments(&run, &commission, given)?;
    let walk = read(&args)?;
    let results = Results::read(&folder).map_err(|why| unusable(&run, &why))?;
    if !given.even_if_changed {
        nothing_changed(&run, &commission, &walk)?;
    }
    let how = match run.standing(&run.entries()) {
        Standing::Ended(exit) => format!("ended with {exit}"),
        _ => "broke off".to_owned(),
    };
    anstream::eprintln!("Going on with run {}, which {how}: muster {}", run.number, run.command.join(" "));
    let recording = Recording { command: commission.command, before: Some((run.number, Arc::new(results))) };
    let kind = Kind::Apply { show_diff: given.diff };
    lead_recorded(walk, &args, kind, Box::new(|_, _| {}), recording).map(|end| end.exit)
}

/// The command is that of the run; only how it is shown may be asked for anew.
fn refuse_other_options(given: &PlaybookArgs) -> Result<()> {
    let mut words = std::env::args().skip(2);
    let is_of_this = |word: &String| {
        let names = ["--output", "--color", "--diff", "-D", "--verbose", "--resume", "--even-if-changed"];
        names.iter().any(|name| word.starts_with(name)) || word.trim_start_matches("-v").is_empty()
    };
    let other = words.find(|word| word.starts_with('-') && !is_of_this(word));
    let other = other.or_else(|| given.playbooks.first().map(|path| path.display().to_string()));
    let Some(other) = other else { return Ok(()) };
    let why = format!("`--resume` goes on with the command that the run was given, without `{other}`");
    let mistake = Diagnostic::error(why).exits_with(Exit::WrongUse);
    Err(mistake.hint("the number of the run stands behind `--resume`: `muster history` has it").into())
}

/// The last run of `apply` that did not come to a good end, and that no later run went on with.
fn last_broken() -> Result<Run> {
    let runs = journal::runs();
    let gone_on_with: Vec<String> = runs.iter().filter_map(|run| run.resumes.clone()).collect();
    let is_broken = |run: &Run| {
        run.command.first().is_some_and(|word| word == "apply")
            && !gone_on_with.contains(&run.number)
            && !matches!(run.standing(&run.entries()), Standing::Ended(0) | Standing::Running)
    };
    runs.into_iter().find(is_broken).ok_or_else(|| {
        let mistake = Diagnostic::error("no run broke off that could be gone on with");
        mistake.exits_with(Exit::WrongUse).hint("`muster history` lists the runs").into()
    })
}

fn refuse_what_is_over(run: &Run) -> Result<()> {
    let why = match run.standing(&run.entries()) {
        Standing::Running => "it is still running",
        Standing::Ended(0) => "it came to a good end",
        _ if run.command.first().is_none_or(|word| word != "apply") => "only runs of `muster apply` are",
        _ => return Ok(()),
    };
    let mistake = Diagnostic::error(format!("run {} cannot be gone on with: {why}", run.number));
    Err(mistake.exits_with(Exit::WrongUse).into())
}

/// The arguments that it was made with, from where it was made; how it is shown is as it is asked for now.
fn arguments(run: &Run, commission: &Commission, given: &PlaybookArgs) -> Result<PlaybookArgs> {
    let Command::Apply(made) = command_of(run, commission)? else {
        return Err(unusable(run, "it is none of `muster apply`"));
    };
    let mut args = *made;
    (args.output, args.diff) = (given.output.clone(), args.diff || given.diff);
    Ok(args)
}

/// The command of a run, from where it was given.
pub(super) fn command_of(run: &Run, commission: &Commission) -> Result<Command> {
    std::env::set_current_dir(&commission.folder).map_err(|error| {
        unusable(
            run,
            &format!("it was started in `{}`, where it cannot go: {error}", commission.folder.display()),
        )
    })?;
    let words = std::iter::once("muster").chain(commission.command.iter().map(String::as_str));
    let parsed = Cli::try_parse_from(words).map(|cli| cli.command);
    parsed.map_err(|_| unusable(run, "it was made by a muster with other options"))
}

/// Refuses where a file that the run had read says something else now.
fn nothing_changed(run: &Run, commission: &Commission, walk: &Walk) -> Result<()> {
    let reader = &walk.basis.reader;
    let says_else = |(path, sha256): &&(PathBuf, String)| {
        reader.text(path).map_or(true, |text| journal::digest(text.text()) != *sha256)
    };
    let mut changed: Vec<String> =
        commission.files.iter().filter(says_else).map(|(path, _)| path.display().to_string()).collect();
    changed.sort();
    changed.dedup();
    if changed.is_empty() {
        return Ok(());
    }
    let mut mistake =
        Diagnostic::error(format!("run {} had read files that are not as they were", run.number))
            .exits_with(Exit::Unexpected);
    for file in changed.iter().take(FILES_SHOWN) {
        mistake = mistake.note(format!("`{file}`"));
    }
    if changed.len() > FILES_SHOWN {
        mistake = mistake.note(format!("and {} more", changed.len() - FILES_SHOWN));
    }
    let next = "run all of it anew, or add `--even-if-changed`: what was done stays done then, and each host goes on \
                from the first task that is not as it was";
    Err(mistake.hint(next).into())
}

/// A record that cannot be used.
pub(super) fn unusable(run: &Run, why: &str) -> Diagnostics {
    let why = format!("the record of run {} cannot be used: {why}", run.number);
    Diagnostic::error(why).exits_with(Exit::HostUnreachable).into()
}
