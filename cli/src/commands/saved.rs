//! Saved plans: `plan --out FILE` keeps what a plan has found, `show FILE` shows it, and `apply FILE` does that or nothing: it makes the
//! plan again first, and refuses where anything differs.

mod prediction;

use super::apply::{self, lead};
use super::listing;
use super::recorded::Recording;
use super::walk::{End, Walk};
use crate::args::{Cli, Command, PlaybookArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::report::{Event, Kind, Palette, Plan};
use crate::run::room::lock;
use crate::seal::Key;
use crate::vars::Secrets;
use clap::Parser;
use prediction::Prediction;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The first bytes of a saved plan; the number is that of the format.
const MAGIC: &[u8] = b"muster plan 1\n";

/// Differences that are named when a plan is stale.
const DIFFERENCES_SHOWN: usize = 20;

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
struct SavedPlan {
    /// When, by whom, and of which release.
    made: String,
    /// Where the command was given.
    folder: PathBuf,
    /// The command, without the program's name.
    command: Vec<String>,
    /// The inventory that it is for.
    inventory: Vec<String>,
    /// The plan as it was shown.
    text: String,
    prediction: Prediction,
}

/// Whether a file is a saved plan.
pub(crate) fn is_plan(file: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(file).map(|opened| opened.take(64).read_to_end(&mut head));
    read.is_ok_and(|read| read.is_ok()) && head.starts_with(MAGIC)
}

/// Plans, and keeps the plan in `file`. Where something fails nothing is kept.
pub(super) fn make(file: &Path, args: &PlaybookArgs) -> Result<End> {
    if listing::is_asked(args) {
        let mistake =
            Diagnostic::error("`--out` keeps a plan, and a list is none").exits_with(Exit::WrongUse);
        return Err(mistake.hint("ask for the list without `--out`").into());
    }
    let walk = apply::read(args)?;
    let inventory = walk.basis.inventory_sources.clone();
    let (end, seen) = predict(walk, args, Kind::Plan)?;
    let failing: Vec<&str> = seen.prediction.failing().into_iter().collect();
    if !failing.is_empty() || end.exit != Exit::Fine {
        let why = format!("the plan is not kept: it fails on {}", failing.join(", "));
        return Err(Diagnostic::error(why).exits_with(end.exit).hint("mend that and plan again").into());
    }
    let whole = SavedPlan {
        made: made(),
        folder: std::env::current_dir().map_err(|error| failed(format!("the folder: {error}")))?,
        command: std::env::args().skip(1).collect(),
        inventory,
        text: seen.text,
        prediction: seen.prediction,
    };
    let plain =
        serde_json::to_vec(&whole).map_err(|error| failed(format!("the plan cannot be kept: {error}")))?;
    let written = std::fs::write(file, [MAGIC, &Key::own(true)?.seal(MAGIC, plain)?].concat());
    written.map_err(|error| failed(format!("`{}` cannot be written: {error}", file.display())))?;
    anstream::println!(
        "Kept in {}: `muster apply {}` does this, or nothing.",
        file.display(),
        file.display()
    );
    Ok(end)
}

/// Runs `muster show`.
pub(crate) fn show(file: &Path) -> Exit {
    match read(file) {
        Ok(plan) => {
            let inventory = plan.inventory.join(", ");
            anstream::println!(
                "{}\nmuster {}\nfor the inventory {inventory}\n",
                plan.made,
                plan.command.join(" ")
            );
            anstream::print!("{}", plan.text);
            Exit::Fine
        }
        Err(mistakes) => super::basis::tell(&mistakes),
    }
}

/// Applies a saved plan, if it would come out the same now.
pub(super) fn carry_out(file: &Path, given: &PlaybookArgs) -> Result<Exit> {
    let plan = read(file)?;
    let mut args = plan.arguments(given)?;
    let (_, seen) = predict(apply::read(&args)?, &args, Kind::Silent)?;
    let differences = plan.prediction.differences(&seen.prediction);
    if !differences.is_empty() {
        return Err(stale(file, &plan, &differences).into());
    }
    (args.check, args.diff, args.foresight) = (false, given.diff, None);
    let kind = Kind::Apply { show_diff: given.diff };
    let recording = Recording::of(plan.as_apply());
    apply::lead_recorded(apply::read(&args)?, &args, kind, Box::new(|_, _| {}), recording).map(|end| end.exit)
}

fn stale(file: &Path, plan: &SavedPlan, differences: &[String]) -> Diagnostic {
    let why =
        format!("the plan `{}` is stale: {}, and something is different now", file.display(), plan.made);
    let mut mistake = Diagnostic::error(why).exits_with(Exit::Unexpected);
    for difference in differences.iter().take(DIFFERENCES_SHOWN) {
        mistake = mistake.note(difference);
    }
    if differences.len() > DIFFERENCES_SHOWN {
        mistake = mistake.note(format!("and {} more", differences.len() - DIFFERENCES_SHOWN));
    }
    mistake.hint(format!("nothing was changed; plan again: `muster {}`", plan.command.join(" ")))
}

impl SavedPlan {
    /// The command that does the same without a plan: what a run of it is recorded as.
    fn as_apply(&self) -> Vec<String> {
        let mut words = self.command.iter();
        let mut command = Vec::new();
        while let Some(word) = words.next() {
            match word.as_str() {
                "plan" if command.is_empty() => command.push("apply".to_owned()),
                "--out" => drop(words.next()),
                "--detailed-exitcode" => {}
                word if word.starts_with("--out=") => {}
                word => command.push(word.to_owned()),
            }
        }
        command
    }

    /// The arguments that it was made with, from where it was made; how it is shown is as it is asked for now.
    fn arguments(&self, given: &PlaybookArgs) -> Result<PlaybookArgs> {
        let words = std::env::args().skip(1).filter(|word| word.starts_with('-'));
        let is_shown = |word: &String| {
            let names = ["--output", "--color", "--diff", "-D", "--verbose"];
            names.iter().any(|name| word.starts_with(name)) || word.trim_start_matches("-v").is_empty()
        };
        if let Some(other) = words.into_iter().find(|word| !is_shown(word)) {
            let why =
                format!("a saved plan is applied with the options that it was made with, without `{other}`");
            let mistake = Diagnostic::error(why).exits_with(Exit::WrongUse);
            return Err(mistake.hint(format!("it was made by `muster {}`", self.command.join(" "))).into());
        }
        std::env::set_current_dir(&self.folder).map_err(|error| {
            failed(format!("the plan was made in `{}`, where it cannot go: {error}", self.folder.display()))
        })?;
        let command = std::iter::once("muster").chain(self.command.iter().map(String::as_str));
        let parsed = Cli::try_parse_from(command).map(|cli| cli.command);
        let Ok(Command::Plan(made)) = parsed else {
            return Err(failed("the plan was made by a muster with other options".to_owned()));
        };
        Ok(PlaybookArgs { output: given.output.clone(), ..made.playbook() })
    }
}

/// What a plan has found.
struct Seen {
    plan: Plan,
    text: String,
    prediction: Prediction,
}

impl Seen {
    fn follow(&mut self, event: &Event, secrets: &Secrets) {
        self.text += &secrets.mask(&self.plan.render(event));
        self.prediction.follow(event);
    }
}

/// Leads a dry run to the end, shown as `kind` says.
fn predict(walk: Walk, args: &PlaybookArgs, kind: Kind) -> Result<(End, Seen)> {
    let plan = Plan::new(Palette::plain());
    let seen = Arc::new(Mutex::new(Seen { plan, text: String::new(), prediction: Prediction::default() }));
    let watching = seen.clone();
    let watch = move |event: &Event, secrets: &Secrets| lock(&watching).follow(event, secrets);
    let end = lead(walk, args, kind, Box::new(watch))?;
    // The report is written to its end, so nobody watches any more.
    let seen = Arc::into_inner(seen).and_then(|seen| seen.into_inner().ok());
    Ok((end, seen.ok_or_else(|| failed("the report of the plan broke off".to_owned()))?))
}

fn read(file: &Path) -> Result<SavedPlan> {
    let sealed = std::fs::read(file).map_err(|error| failed(format!("`{}`: {error}", file.display())))?;
    let plain = open(file, &sealed)?;
    serde_json::from_slice(&plain)
        .map_err(|error| failed(format!("`{}` is a plan of another release: {error}", file.display())))
}

fn open(file: &Path, sealed: &[u8]) -> Result<Vec<u8>> {
    let damaged = || -> Diagnostics {
        let why = format!("`{}` is no plan of this controller, or was changed since", file.display());
        let mistake = Diagnostic::error(why).exits_with(Exit::HostUnreachable);
        mistake.hint("MUSTER_PLAN_KEY names the key file of the controller that made it").into()
    };
    let body = sealed.strip_prefix(MAGIC).ok_or_else(damaged)?;
    Key::own(false)?.open(MAGIC, body).ok_or_else(damaged)
}

fn made() -> String {
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let user = crate::run::way::user_here();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("made {now} by {user}@{host} with muster {}", env!("CARGO_PKG_VERSION"))
}

fn failed(why: String) -> Diagnostics {
    Diagnostic::error(why).exits_with(Exit::HostUnreachable).into()
}
