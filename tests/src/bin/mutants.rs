//! Plants one deliberate error after the other in the core (`muster_core::planted`) and shows that each is found: by which
//! invariant, after how many seeds, and by how many of the text cases. Exit code 1: one was not found.
//!
//! ```text
//! make sim-mutants                                     all
//! … --bin mutants -- --only FencedTwice --seeds 500    one
//! … --bin mutants -- --only FencedTwice --shrink FILE  and the short script that shows it
//! ```

use muster_core::planted::{BUGS, Bug, plant};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use world::invariants::Violation;
use world::run::{run_script, run_seed};
use world::script::Script;
use world::search::Search;
use world::shrink::shrink;
use world::trace::Trace;

/// After so many seeds without a violation the error counts as not found.
const SEEDS_MAX: u64 = 4000;
/// Runs for one short script.
const SHRINK_RUNS: u32 = 1500;

struct Arguments {
    only: Option<String>,
    seeds: u64,
    shrink: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("error: {why}\n  hint: mutants [--only NAME] [--seeds N] [--shrink FILE]");
            return ExitCode::from(2);
        }
    };
    // A panic is one of the ways to be found: it is told in the table.
    std::panic::set_hook(Box::new(|_| {}));
    let cases = cases();
    println!("{:<26} {:<6} {:>6} {:>6} {:>6}  what is wrong", "planted", "by", "seeds", "cases", "s");
    let mut missed = Vec::new();
    for (bug, what) in BUGS {
        let name = format!("{bug:?}");
        if arguments.only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        if !look_for(*bug, what, &cases, &arguments) {
            missed.push(name);
        }
    }
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("not found: {}", missed.join(", "));
    ExitCode::from(1)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { only: None, seeds: SEEDS_MAX, shrink: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("`{word}` needs a value"))?;
        match word.as_str() {
            "--only" => arguments.only = Some(value),
            "--seeds" => arguments.seeds = value.parse().map_err(|_| format!("`{value}` is not a number"))?,
            "--shrink" => arguments.shrink = Some(value),
            _ => return Err(format!("`{word}` is not known")),
        }
    }
    Ok(arguments)
}

/// The text cases.
fn cases() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let texts = files.into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.filter_map(|text| Script::parse(&text).ok()).collect()
}

/// One line of the table. Whether the error was found.
fn look_for(bug: Bug, what: &str, cases: &[Script], arguments: &Arguments) -> bool {
    let begin = Instant::now();
    plant(Some(bug));
    let search =
        Search { seeds: 0..arguments.seeds, nodes: None, limit: None, goes_on: false, threads: None };
    let found = search.run();
    let is_broken = |case: &&Script| run_script(case, Trace::default()).violation.is_some();
    let broken = cases.iter().filter(is_broken).count();
    let first = found.failed.first_key_value();
    let by = first.map_or("-", |(_, violation)| violation.invariant);
    let seconds = begin.elapsed().as_secs_f64();
    println!("{:<26} {by:<6} {:>6} {broken:>6} {seconds:>6.1}  {what}", format!("{bug:?}"), found.seeds);
    if let (Some((seed, violation)), Some(file)) = (first, &arguments.shrink) {
        save(bug, *seed, violation, file);
    }
    plant(None);
    first.is_some() || broken > 0
}

fn save(bug: Bug, seed: u64, violation: &Violation, file: &str) {
    let outcome = run_seed(seed, None, Trace::default());
    let script = Script::of_run(seed, outcome.plan, outcome.deeds);
    let mut short = shrink(&script, violation, SHRINK_RUNS);
    short.prose = vec![format!("Breaks {} with {bug:?} planted.", violation.invariant)];
    if let Err(error) = std::fs::write(file, short.to_string()) {
        eprintln!("{file}: {error}");
    }
}
