//! Looks for a run that breaks an invariant.
//!
//! ```text
//! cargo sim 42                    one seed, with its trace
//! cargo sim 42 --shrink FILE      where it fails: a short script that fails in the same way
//! cargo sim --seeds 0..1000       many, and how often each fault and event happened
//! cargo sim --seconds 60          as many as fit, from a seed that the clock gives
//! cargo sim --script FILE         a script (tests/cluster), with its trace
//! cargo sim --replay FILE         what `musterd run --record FILE` wrote: the same effects, byte for byte?
//! ```
//!
//! `--nodes N` fixes the number of nodes (up to 64); `--all` goes on after a failure and lists all; `--quiet` leaves the trace
//! out; `--threads N` instead of one for each core. A seed that fails is printed first, then the invariant, then the trace.
//! Exit code 1: an invariant did not hold. Exit code 3: all held, but over a big run some fault or event never happened.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::replay::replay;
use world::run::{Outcome, draw_plan, run_script, run_seed};
use world::script::Script;
use world::search::Search;
use world::shrink::shrink;
use world::trace::Trace;

/// From so many seeds on, everything must have happened.
const BIG_RUN: u64 = 1000;
/// So many runs are spent on making a script short: a minute or two.
const SHRINK_RUNS: u32 = 4000;

const HINT: &str = "sim SEED, sim --seeds A..B, sim --seconds N, sim --script FILE or sim --replay FILE, with --nodes N, --all, --quiet, \
                    --shrink FILE, --threads N";

#[derive(Default)]
struct Arguments {
    seeds: std::ops::Range<u64>,
    seconds: Option<u64>,
    nodes: Option<u32>,
    is_single: bool,
    goes_on: bool,
    is_quiet: bool,
    script: Option<String>,
    replay: Option<String>,
    shrink: Option<String>,
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let answer =
        parse(std::env::args().skip(1)).and_then(|arguments| match (&arguments.script, &arguments.replay) {
            (Some(file), _) => play(&arguments, file),
            (None, Some(file)) => play_again(&arguments, file),
            (None, None) if arguments.is_single => show(&arguments),
            (None, None) => Ok(search(&arguments)),
        });
    answer.unwrap_or_else(|problem| {
        eprintln!("error: {problem}\n  hint: {HINT}");
        ExitCode::from(2)
    })
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: 0..200, ..Arguments::default() };
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
            "--nodes" => {
                let nodes = u32::try_from(number(&value()?)?).ok().filter(|nodes| (1..=64).contains(nodes));
                arguments.nodes = Some(nodes.ok_or("a cluster has 1 to 64 nodes")?);
            }
            "--threads" => arguments.threads = usize::try_from(number(&value()?)?).ok(),
            "--script" => arguments.script = Some(value()?),
            "--replay" => arguments.replay = Some(value()?),
            "--shrink" => arguments.shrink = Some(value()?),
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
fn show(arguments: &Arguments) -> Result<ExitCode, String> {
    let seed = arguments.seeds.start;
    println!("seed {seed}: {}", draw_plan(seed, arguments.nodes).summary());
    let outcome = run_seed(seed, arguments.nodes, trace(arguments));
    if let Some(file) = &arguments.shrink {
        return shrink_to(seed, outcome, file);
    }
    Ok(tell(&outcome))
}

fn trace(arguments: &Arguments) -> Trace {
    let is_kept = !arguments.is_quiet && arguments.shrink.is_none();
    if is_kept { Trace::kept() } else { Trace::default() }
}

fn tell(outcome: &Outcome) -> ExitCode {
    for line in outcome.trace.lines() {
        println!("{line}");
    }
    match &outcome.violation {
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

fn play(arguments: &Arguments, file: &str) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let script = Script::parse(&text).map_err(|why| format!("{file}: {why}"))?;
    let outcome = run_script(&script, trace(arguments));
    match (&arguments.shrink, outcome.violation) {
        (Some(to), Some(violation)) => save(&script, &violation, to),
        (_, violation) => {
            for line in &outcome.story {
                println!("{line}");
            }
            Ok(tell(&Outcome { violation, ..outcome }))
        }
    }
}

fn play_again(arguments: &Arguments, file: &str) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut trace = trace(arguments);
    let replayed = replay(&text, &mut trace);
    for line in trace.lines() {
        println!("{line}");
    }
    match replayed {
        Ok(steps) => {
            println!("{steps} steps, all with the effects that were recorded");
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            println!("{file}: {why}");
            Ok(ExitCode::from(1))
        }
    }
}

fn shrink_to(seed: u64, outcome: Outcome, file: &str) -> Result<ExitCode, String> {
    let Some(violation) = outcome.violation else { return Err(format!("seed {seed} breaks no invariant")) };
    println!("{violation}");
    let mut script = Script::of_run(seed, outcome.plan, outcome.deeds);
    script.prose = vec![format!("Found by seed {seed}: {}.", violation.invariant)];
    save(&script, &violation, file)
}

fn save(script: &Script, violation: &world::invariants::Violation, file: &str) -> Result<ExitCode, String> {
    let before = script.steps.len();
    let short = shrink(script, violation, SHRINK_RUNS);
    let again = run_script(&short, Trace::default()).violation;
    let lasting = again.ok_or("the short script breaks nothing: the run is not the same twice")?;
    std::fs::write(file, short.to_string()).map_err(|error| format!("{file}: {error}"))?;
    println!("{} of {before} steps are left in {file}: {lasting}", short.steps.len());
    Ok(ExitCode::from(1))
}

fn search(arguments: &Arguments) -> ExitCode {
    let begin = Instant::now();
    let found = Search {
        seeds: arguments.seeds.clone(),
        nodes: arguments.nodes,
        limit: arguments.seconds.map(Duration::from_secs),
        goes_on: arguments.goes_on,
        threads: arguments.threads,
    }
    .run();
    for (seed, violation) in &found.failed {
        println!("seed {seed}: {}\n{violation}", draw_plan(*seed, arguments.nodes).summary());
    }
    println!(
        "{} seeds, {} at once, in {:.1} s; {} failed\n{}",
        found.seeds,
        found.threads,
        begin.elapsed().as_secs_f64(),
        found.failed.len(),
        found.tally
    );
    if let Some((seed, violation)) = found.failed.first_key_value() {
        if !arguments.goes_on && !arguments.is_quiet {
            tell(&run_seed(*seed, arguments.nodes, Trace::kept()));
        }
        let nodes = arguments.nodes.map_or(String::new(), |nodes| format!(" --nodes {nodes}"));
        println!("`cargo sim {seed}{nodes}`: {violation}");
        return ExitCode::from(1);
    }
    let missing = found.tally.missing();
    if found.seeds >= BIG_RUN && arguments.nodes.is_none() && !missing.is_empty() {
        println!("never happened, so not survived: {}", missing.join(", "));
        return ExitCode::from(3);
    }
    ExitCode::SUCCESS
}
