//! A fixed set of seeds through the simulated world: every invariant holds, in every run. `cargo sim` looks for more.

use world::run::run_seed;
use world::trace::Trace;

#[test]
fn two_nodes_keep_every_invariant() {
    hold(0..150, Some(2));
}

#[test]
fn three_nodes_keep_every_invariant() {
    hold(0..100, Some(3));
}

#[test]
fn one_to_nine_nodes_keep_every_invariant() {
    hold(40..120, None);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let trace = || run_seed(7, Some(3), Trace::kept()).trace.lines().to_vec();
    assert_eq!(trace(), trace());
}

fn hold(seeds: std::ops::Range<u64>, nodes: Option<u32>) {
    let broken: Vec<String> = seeds
        .filter_map(|seed| {
            let violation = run_seed(seed, nodes, Trace::default()).violation?;
            let nodes = nodes.map_or(String::new(), |nodes| format!(" --nodes {nodes}"));
            Some(format!("`cargo sim {seed}{nodes}`: {violation}"))
        })
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}
