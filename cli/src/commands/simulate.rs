//! `muster simulate`: what the cluster would do, and what if. One path for a saved CIB, for the live cluster and for a playbook
//! before it is applied: each becomes a rehearsal.
//!
//! Exit codes: 0 there is an answer; 2 with `--detailed-exitcode`: not every single fault is survived; 4 the source cannot be
//! read or reached, or what is assumed cannot be; 5 wrong options.

pub(super) mod declared;
pub(super) mod obstacles;
mod profile;
mod source;

use super::basis::tell;
use crate::args::{AskArgs, VarArgs};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use clap::{Args, ValueEnum};
use muster_core::schedule::{Answer, Course, Decision, Rehearsal, SingleFaults, WhatIf};
use profile::Profile;
use serde::Serialize;
use serde_json::{Value as Json, json};
use source::Source;
use std::path::{Path, PathBuf};

/// Options of `muster simulate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimulateArgs {
    /// The `cluster` task of this playbook, as it would be applied; the live cluster where there is none
    #[arg(value_name = "PLAYBOOK", conflicts_with = "cib")]
    playbook: Option<PathBuf>,
    /// A saved state instead: a CIB in XML
    #[arg(long, value_name = "FILE")]
    cib: Option<PathBuf>,
    /// Decide every CIB of a folder in one process, and say how long each took
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["playbook", "cib", "what_if", "all_single_faults", "why"])]
    profile: Option<PathBuf>,
    /// With `--profile`: decide each that often, and say the average
    #[arg(long, value_name = "N", requires = "profile", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// With a playbook: ask no host, and begin with nothing configured and all nodes up
    #[arg(long, requires = "playbook")]
    fresh: bool,
    /// With `--fresh`: facts of all hosts, a mapping in YAML or JSON such as `{os_family: Debian}`
    #[arg(long, requires = "fresh", value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Decide as if it were then, in seconds since 1970
    #[arg(long, value_name = "EPOCH")]
    now: Option<u64>,
    /// How to print the answer
    #[arg(long, visible_alias = "output", value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    what_if: WhatIfArgs,
    /// Try every single fault: each node lost, each resource failed where it runs, quorum lost
    #[arg(long, conflicts_with = "why")]
    all_single_faults: bool,
    /// With `--all-single-faults`: exit with 2 where one of them is not survived
    #[arg(long, requires = "all_single_faults")]
    detailed_exitcode: bool,
    /// Why this resource is where it is, or nowhere, once everything is at rest
    #[arg(long, value_name = "RESOURCE")]
    why: Option<String>,
    /// With `--why`: on this node, in detail
    #[arg(long, value_name = "NODE", requires = "why")]
    on: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
    #[command(flatten)]
    vars: VarArgs,
}

/// What is assumed before it is decided.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "what_if")]
struct WhatIfArgs {
    /// As if this node had vanished; may be given several times
    #[arg(long, value_name = "NODE")]
    node_down: Vec<String>,
    /// As if this node had come back
    #[arg(long, value_name = "NODE")]
    node_up: Vec<String>,
    /// As if this node were in standby
    #[arg(long, value_name = "NODE")]
    standby: Vec<String>,
    /// As if this resource had failed, wherever it runs or on that node
    #[arg(long, value_name = "RESOURCE[@NODE]")]
    fail: Vec<String>,
    /// As if this cluster property were set
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// As if quorum were lost, or held
    #[arg(long, value_name = "STATE")]
    quorum: Option<Quorum>,
}

impl WhatIfArgs {
    fn what_if(&self) -> WhatIf {
        WhatIf {
            set: self.set.clone(),
            is_quorate: self.quorum.map(|quorum| quorum == Quorum::Held),
            node_up: self.node_up.clone(),
            standby: self.standby.clone(),
            fail: self.fail.clone(),
            node_down: self.node_down.clone(),
        }
    }
}

/// `--quorum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Quorum {
    /// The members are not quorate
    Lost,
    /// The members are quorate
    Held,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs `muster simulate`.
pub(crate) fn run(args: &SimulateArgs) -> Exit {
    match simulate(args) {
        Ok(Printed { text, exit }) => {
            print!("{text}");
            exit
        }
        Err(mistakes) => {
            if args.format == Format::Json {
                println!("{}", json!({ "error": mistakes.to_string() }));
            }
            tell(&mistakes)
        }
    }
}

/// An answer, and how the program ends with it.
struct Printed {
    text: String,
    exit: Exit,
}

fn simulate(args: &SimulateArgs) -> Result<Printed> {
    let fine = |text| Ok(Printed { text, exit: Exit::Fine });
    if let Some(folder) = &args.profile {
        return fine(profiled(args, folder)?);
    }
    let Source { mut rehearsal, notes, is_saved } = source::read(args)?;
    let what_if = args.what_if.what_if();
    what_if
        .apply(&mut rehearsal)
        .map_err(|mistake| Diagnostic::error(mistake.to_string()).exits_with(Exit::HostUnreachable))?;
    if args.all_single_faults {
        return single_faults(args, &rehearsal, &notes);
    }
    if let Some(resource) = &args.why {
        return fine(why(args, rehearsal, resource, &notes)?);
    }
    // A saved state is answered by its next decision; for all else it is asked where it leads.
    let is_short = is_saved && !what_if.is_asked();
    match (args.format, is_short) {
        (Format::Json, true) => fine(as_json(&Answer::of(&rehearsal.decide(), &rehearsal.states))),
        (Format::Json, false) => {
            let (decision, course) = (rehearsal.decide(), Course::of(rehearsal.clone()));
            fine(with_notes(&Answer::of(&decision, &rehearsal.states).with_course(&course), &notes))
        }
        (Format::Text, true) => fine(text_of(&notes, &rehearsal.decide())),
        (Format::Text, false) => {
            let alarms = rehearsal.decide().report.alarms;
            fine(heading(&notes, &alarms) + &Course::of(rehearsal).to_string())
        }
    }
}

fn profiled(args: &SimulateArgs, folder: &Path) -> Result<String> {
    let profile = Profile::of(folder, args.repeat, args.now)?;
    Ok(match args.format {
        Format::Json => as_json(&profile),
        Format::Text => profile.to_string(),
    })
}

fn single_faults(args: &SimulateArgs, rehearsal: &Rehearsal, notes: &[String]) -> Result<Printed> {
    let faults = SingleFaults::of(rehearsal);
    let exit = match args.detailed_exitcode && faults.survived() < faults.faults.len() {
        true => Exit::HostFailed,
        false => Exit::Fine,
    };
    let text = match args.format {
        Format::Json => with_notes(&faults, notes),
        Format::Text => heading(notes, &[]) + &faults.to_string(),
    };
    Ok(Printed { text, exit })
}

/// With something assumed, or nothing running yet, the question is about where that leads.
fn why(args: &SimulateArgs, mut rehearsal: Rehearsal, resource: &str, notes: &[String]) -> Result<String> {
    if args.what_if.what_if().is_asked() || args.playbook.is_some() {
        rehearsal.run_to_rest();
    }
    let explanation = rehearsal
        .why(resource, args.on.as_deref())
        .map_err(|unknown| Diagnostic::error(unknown.to_string()).exits_with(Exit::HostUnreachable))?;
    Ok(match args.format {
        Format::Json => with_notes(&explanation, notes),
        Format::Text => heading(notes, &[]) + &explanation.to_string(),
    })
}

fn as_json(answer: &impl Serialize) -> String {
    // Nothing in an answer has keys that are no text.
    let text = serde_json::to_string(answer);
    text.unwrap_or_else(|cause| json!({ "error": cause.to_string() }).to_string()) + "\n"
}

/// The same, with what a person should know about the source.
fn with_notes(answer: &impl Serialize, notes: &[String]) -> String {
    match serde_json::to_value(answer) {
        Ok(Json::Object(mut answer)) if !notes.is_empty() => {
            answer.insert("notes".into(), json!(notes));
            as_json(&answer)
        }
        _ => as_json(answer),
    }
}

fn heading(notes: &[String], alarms: &[String]) -> String {
    let notes = notes.iter().map(|note| format!("note: {note}\n"));
    notes.chain(alarms.iter().map(|alarm| format!("alarm: {alarm}\n"))).collect()
}

fn text_of(notes: &[String], decision: &Decision) -> String {
    let mut lines: Vec<String> = Vec::new();
    if decision.report.consequences.is_empty() {
        lines.push("nothing to do".to_string());
    }
    lines.extend(decision.report.consequences.iter().cloned());
    let blocked = decision.changes.iter().filter(|change| change.is_blocked);
    lines.extend(
        blocked
            .map(|change| format!("cannot {change}: {}", change.why.as_deref().unwrap_or("it is blocked"))),
    );
    lines.extend(
        decision.report.resources.iter().map(|resource| format!("{}: {}", resource.id, resource.why)),
    );
    heading(notes, &decision.report.alarms) + &lines.join("\n") + "\n"
}
