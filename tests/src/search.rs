//! Many seeds, on all cores.

use crate::invariants::Violation;
use crate::run::run_seed;
use crate::tally::Tally;
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is searched.
#[derive(Debug, Clone)]
pub struct Search {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many nodes; drawn where it is not set.
    pub nodes: Option<u32>,
    /// Stop after that time.
    pub limit: Option<Duration>,
    /// Go on after a failure.
    pub goes_on: bool,
    /// How many at once; one for each core where it is not set.
    pub threads: Option<usize>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Found {
    /// What happened how often.
    pub tally: Tally,
    /// How many seeds were run.
    pub seeds: u64,
    /// The seeds that failed.
    pub failed: BTreeMap<u64, Violation>,
    /// How many ran at once.
    pub threads: usize,
}

impl Search {
    /// Runs the seeds.
    pub fn run(&self) -> Found {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.threads.unwrap_or(cores).max(1);
        let found = Mutex::new(Found { threads, ..Found::default() });
        let (next, is_over) = (AtomicU64::new(self.seeds.start), AtomicBool::new(false));
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.look(begin, &next, &is_over, &found));
            }
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread's part.
    fn look(&self, begin: Instant, next: &AtomicU64, is_over: &AtomicBool, found: &Mutex<Found>) {
        while !is_over.load(Ordering::Relaxed) && self.limit.is_none_or(|limit| begin.elapsed() < limit) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            let outcome = run_seed(seed, self.nodes, Trace::default());
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.seeds += 1;
            found.tally.add(&outcome.tally);
            if let Some(violation) = outcome.violation {
                found.failed.insert(seed, violation);
                is_over.store(!self.goes_on, Ordering::Relaxed);
            }
        }
    }
}
