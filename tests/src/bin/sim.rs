//! Looks for a seed that breaks an invariant.
//!
//! ```text
//! cargo sim 42                 one seed, with its trace
//! cargo sim --seeds 0..1000    many, and how often each fault and event happened
//! cargo sim --seconds 60       as many as fit, from a seed that the clock gives
//! ```
//!
//! A seed that fails is printed first, then the invariant, then the trace. `--nodes N` fixes the number of nodes;
//! `--all` goes on after a failure and lists all; `--quiet` leaves the trace out. Exit code 1: an invariant did not hold.
//! Exit code 3: all held, but over a big run some fault or event never happened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::invariants::Violation;
use world::tally::Tally;
use world::trace::Trace;
use world::world::{Outcome, run_seed};

/// From so many seeds on, everything must have happened.
const BIG_RUN: u64 = 1000;

struct Arguments {
    seeds: std::ops::Range<u64>,
    seconds: Option<u64>,
    nodes: Option<u32>,
    is_single: bool,
    goes_on: bool,
    is_quiet: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) if arguments.is_single => show(&arguments),
        Ok(arguments) => search(&arguments),
        Err(problem) => {
            eprintln!(
                "error: {problem}\n  hint: sim SEED, sim --seeds A..B or sim --seconds N, with --nodes N, --all, --quiet"
            );
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        seeds: 0..200,
        seconds: None,
        nodes: None,
        is_single: false,
        goes_on: false,
        is_quiet: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--seeds" => {
                let text = value()?;
                let (from, to) =
                    text.split_once("..").ok_or(format!("`{text}` is not a range like 0..1000"))?;
                arguments.seeds = number(from)?..number(to)?;
            }
            "--seconds" => {
                arguments.seconds = Some(number(&value()?)?);
                let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                arguments.seeds = since * 100_000..u64::MAX;
            }
            "--nodes" => arguments.nodes = Some(u32::try_from(number(&value()?)?).unwrap_or(1).clamp(1, 64)),
            "--all" => arguments.goes_on = true,
            "--quiet" => arguments.is_quiet = true,
            seed => {
                let seed = number(seed)?;
                arguments.seeds = seed..seed + 1;
                arguments.is_single = true;
            }
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

/// A seed with its trace.
fn show(arguments: &Arguments) -> ExitCode {
    let seed = arguments.seeds.start;
    let outcome = run(seed, arguments.nodes, !arguments.is_quiet);
    println!("seed {seed}: {}", outcome.summary);
    for line in outcome.trace.lines() {
        println!("{line}");
    }
    match outcome.violation {
        Some(violation) => {
            println!("{violation}");
            ExitCode::from(1)
        }
        None => {
            println!("all invariants held\n{}", outcome.tally);
            ExitCode::SUCCESS
        }
    }
}

fn search(arguments: &Arguments) -> ExitCode {
    let begin = Instant::now();
    let mut tally = Tally::default();
    let (mut seeds, mut failed) = (0, 0);
    for seed in arguments.seeds.clone() {
        if arguments.seconds.is_some_and(|seconds| begin.elapsed() > Duration::from_secs(seconds)) {
            break;
        }
        let outcome = run(seed, arguments.nodes, false);
        seeds += 1;
        tally.add(&outcome.tally);
        if let Some(violation) = outcome.violation {
            failed += 1;
            println!("seed {seed}: {}\n{violation}", outcome.summary);
            if !arguments.goes_on {
                if !arguments.is_quiet {
                    for line in run(seed, arguments.nodes, true).trace.lines() {
                        println!("{line}");
                    }
                    println!("seed {seed}: {violation}");
                }
                return ExitCode::from(1);
            }
        }
    }
    println!("{seeds} seeds in {:.1} s, {failed} failed\n{tally}", begin.elapsed().as_secs_f64());
    let missing = tally.missing();
    if failed > 0 {
        ExitCode::from(1)
    } else if seeds >= BIG_RUN && arguments.nodes.is_none() && !missing.is_empty() {
        println!("never happened, so not survived: {}", missing.join(", "));
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    }
}

/// Runs a seed; a panic of the core is a violation like any other.
fn run(seed: u64, nodes: Option<u32>, is_traced: bool) -> Outcome {
    let trace = if is_traced { Trace::kept() } else { Trace::default() };
    let result = catch_unwind(AssertUnwindSafe(|| run_seed(seed, nodes, trace)));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let what = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
        let violation = Violation { invariant: "panic", what: what.unwrap_or_default(), at: Duration::ZERO };
        Outcome {
            violation: Some(violation),
            tally: Tally::default(),
            trace: Trace::default(),
            summary: "panicked".into(),
        }
    })
}
