//! The journal of runs: what each run was, what it changed, how it ended, and for one that broke off what it takes to go on.
//! A folder for each run, which only the user reads: `run.json`, `events.jsonl`, and sealed the command and the results.

mod command;
mod kept;
mod list;
mod results;
mod write;

pub(crate) use list::{Entry, Run, Seat, Standing, find, runs};
pub(crate) use results::{Commission, Results, Taken, commission};
pub(crate) use write::{Journal, Start, digest};

use std::path::PathBuf;

/// Runs that are kept.
const RUNS_MOST: usize = 100;

/// `$MUSTER_RUNS`, else `muster/runs` in the user's folder for states.
pub(crate) fn folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = || of("XDG_STATE_HOME").or_else(|| Some(of("HOME")?.join(".local/state")));
    of("MUSTER_RUNS").or_else(|| Some(state()?.join("muster/runs")))
}

/// The number of a run that begins now. Numbers sort by time.
fn number() -> String {
    let mut random = [0; 2];
    // Two runs in the same second that get the same number find that out when they make their folders.
    let _ = getrandom::fill(&mut random);
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    format!("{now}-{:02x}{:02x}", random[0], random[1])
}
