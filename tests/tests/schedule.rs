//! The scheduler: text cases (`tests/schedule/*.txt`), questions (`tests/why/*.txt`), and what must hold for random clusters.
//!
//! Each case is prose, then the situation, then `---`, then the whole answer. `BLESS=1 cargo test -p muster-tests --test
//! schedule` writes the answers anew; read the difference before you commit it.

mod schedule_support;

use muster_api::status::Fact;
use schedule_support::random::Dice;
use schedule_support::{case, executor, random, why};
use std::path::Path;

#[test]
fn every_text_case_gets_the_answer_that_stands_in_it() {
    all_in("schedule", case::check);
}

#[test]
fn every_question_why_gets_the_screen_that_stands_in_it() {
    all_in("why", why::check);
}

fn all_in(folder: &str, check: fn(&Path) -> Result<(), String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no case in {}", folder.display());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn after_a_completed_transition_there_is_nothing_left_to_do() {
    for seed in seeds() {
        let mut world = random::world(&mut Dice::new(seed));
        let before = world.clone();
        let first = world.decide();
        executor::run(&mut world, &first.transition, &mut Dice::new(seed)).unwrap_or_else(|broken| {
            panic!("seed {seed}: {broken}\n{before}\n{}", executor::show(&first));
        });
        let again = world.decide();
        assert!(
            again.transition.actions.is_empty(),
            "seed {seed}: not silent\n{before}\nfirst:\n{}\nagain:\n{}",
            executor::show(&first),
            executor::show(&again)
        );
    }
}

/// As Pacemaker does, a decision may leave something for the next one: where to be promoted is decided by scores that
/// count only where a copy was seen. That is rare, and it always comes to an end.
#[test]
fn with_the_whole_language_too_a_cluster_comes_to_rest() {
    let (mut at_once, mut restless) = (0, Vec::new());
    let all = seeds().count();
    for seed in seeds() {
        let before = random::wide_world(&mut Dice::new(seed));
        match executor::run_to_rest(&mut before.clone(), seed) {
            Ok(rounds) => at_once += usize::from(rounds <= 1),
            Err(story) => restless.push(format!("seed {seed}:\n{before}\n{story}")),
        }
    }
    println!("{at_once} of {all} at rest after one transition, {} never", restless.len());
    assert!(restless.is_empty(), "{} of {all}\n{}", restless.len(), restless.join("\n"));
    assert!(at_once * 100 >= all * 99, "only {at_once} are at rest after one transition");
}

#[test]
fn what_may_be_active_on_a_lost_node_starts_elsewhere_only_after_it_was_fenced() {
    let mut met = 0;
    for seed in seeds() {
        let mut world = random::world(&mut Dice::new(seed));
        if let Some(fact) = world.facts.values_mut().next() {
            *fact = Fact::Lost;
        }
        world.config.properties.insert("stonith-enabled".into(), "true".into());
        met += executor::starts_after_fencing(&world, &world.decide()).unwrap_or_else(|broken| {
            panic!("seed {seed}: {broken}\n{world}\n{}", executor::show(&world.decide()));
        });
    }
    assert!(met > 50, "the situation was met only {met} times");
}

#[test]
fn the_same_situation_gives_the_same_decision() {
    for seed in 0..200 {
        let world = random::world(&mut Dice::new(seed));
        assert_eq!(world.decide(), world.clone().decide(), "seed {seed}");
    }
}

/// A thousand, or the one in `SEED`, or as many as `SEEDS` says.
fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(1000),
    }
}
