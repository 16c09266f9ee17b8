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

/// The number of a run that begins at a moment. Numbers sort by time, also those of one second: the letters after it begin with
/// its 4096th part.
fn number(moment: jiff::Timestamp) -> String {
    let mut random = [0];
    // Two runs in the same moment that get the same number find that out when they make their folders.
    let _ = getrandom::fill(&mut random);
    let part = i64::from(moment.subsec_nanosecond()) * 4096 / 1_000_000_000;
    format!("{}-{part:03x}{:02x}", moment.strftime("%Y%m%d-%H%M%S"), random[0])
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_of_one_second_sort_by_time() {
        let at = |text: &str| number(text.parse().expect("a moment"));
        let (one, other) = (at("2026-11-22T06:50:56.010Z"), at("2026-11-22T06:50:56.011Z"));
        assert!(one.starts_with("20261122-065056-028") && one < other, "{one} {other}");
    }
}
