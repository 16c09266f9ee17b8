//! `muster simulate`: what the cluster would do, from a saved CIB.

mod answer;
mod faults;
mod what_if;

use crate::cluster::cib::{self, CibError, Imported};
use crate::exit::Exit;
use clap::{Args, ValueEnum};
use muster_core::schedule::{Decision, Rehearsal};
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use what_if::{Course, WhatIfArgs, WhatIfError};

/// Options of `muster simulate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimulateArgs {
    /// The saved state: a CIB in XML
    #[arg(long, value_name = "FILE")]
    pub(crate) cib: PathBuf,
    /// Decide as if it were then, in seconds since 1970
    #[arg(long, value_name = "EPOCH")]
    pub(crate) now: Option<u64>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    what_if: WhatIfArgs,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Why nothing could be simulated.
#[derive(Debug, thiserror::Error)]
enum SimulateError {
    #[error("cannot read {0}: {1}")]
    File(PathBuf, std::io::Error),
    #[error(transparent)]
    Cib(#[from] CibError),
    #[error(transparent)]
    WhatIf(#[from] WhatIfError),
    #[error("`--all-single-faults` prints a table for people; leave `--format json` out")]
    TableAsJson,
}

/// Runs `muster simulate`.
pub(crate) fn run(args: SimulateArgs) -> Exit {
    match simulate(&args) {
        Ok(answer) => {
            print!("{answer}");
            Exit::Fine
        }
        Err(error) => {
            if args.format == Format::Json {
                println!("{}", json!({ "error": error.to_string() }));
            }
            eprintln!("error: {error}");
            Exit::HostUnreachable
        }
    }
}

fn simulate(args: &SimulateArgs) -> Result<String, SimulateError> {
    let text =
        std::fs::read_to_string(&args.cib).map_err(|error| SimulateError::File(args.cib.clone(), error))?;
    let imported = cib::read(&text)?;
    let mut rehearsal = Rehearsal {
        config: imported.config.clone(),
        states: imported.states.clone(),
        history: imported.history.clone(),
        is_quorate: imported.is_quorate,
        now_ms: args.now.unwrap_or_else(now) * 1000,
    };
    args.what_if.apply(&mut rehearsal)?;
    match (args.format, args.what_if.all_single_faults) {
        (Format::Json, true) => Err(SimulateError::TableAsJson),
        (Format::Text, true) => Ok(faults::table(&rehearsal)),
        (Format::Json, false) => {
            let imported = Imported { states: rehearsal.states.clone(), ..imported };
            Ok(format!("{}\n", answer::answer(&imported, &rehearsal.decide())))
        }
        (Format::Text, false) if args.what_if.is_asked() => Ok(Course::of(rehearsal).to_string()),
        (Format::Text, false) => Ok(text_of(&imported, &rehearsal.decide())),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn text_of(imported: &Imported, decision: &Decision) -> String {
    let mut lines: Vec<String> = imported.notes.iter().map(|note| format!("note: {note}")).collect();
    lines.extend(decision.report.alarms.iter().map(|alarm| format!("alarm: {alarm}")));
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
    lines.join("\n") + "\n"
}
