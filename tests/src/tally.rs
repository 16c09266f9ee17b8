//! How often each fault and each interesting event happened. A fault that never happened was not survived.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The faults that the world can inject.
pub const FAULTS: &[&str] = &[
    "packet lost",
    "packet duplicated",
    "packet reordered",
    "packet delayed",
    "packet corrupted",
    "large packet lost",
    "link cut",
    "one-way cut",
    "node cut off",
    "partition",
    "non-transitive cut",
    "link address gone",
    "flapping",
    "crash",
    "torn write",
    "rename lost",
    "slow write",
    "full disk",
    "read-only disk",
    "damaged disk",
    "freeze",
    "freeze longer than token",
    "agent killed",
    "clock jump",
    "clock drift",
    "device fails",
    "device slow",
    "device reports late",
    "device answer lost",
    "device acts after its timeout",
    "device out of reach",
    "fenced while joining",
    "start fails",
    "stop fails",
    "monitor fails",
    "reload fails",
    "operation hangs",
    "start lies",
    "resource vanishes",
];

/// What clients and operators do, and what the cluster does.
pub const EVENTS: &[&str] = &[
    "configuration changed",
    "standby",
    "maintenance",
    "move",
    "cleanup",
    "disable",
    "parameter changed",
    "reload",
    "fence by hand",
    "confirm by hand",
    "leave",
    "damaged state refused",
    "state given up",
    "state restored",
    "left cleanly",
    "joined again",
    "request done",
    "request refused",
    "view",
    "primary view",
    "view without quorum",
    "quorate but not primary",
    "coordinator changed",
    "start",
    "stop",
    "failed over",
    "fenced",
    "fencing withdrawn",
    "two nodes fenced each other",
    "recovered in time",
    "calm at the end",
];

/// Counts by name.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: BTreeMap<&'static str, u64>,
    /// Steps of nodes.
    pub steps: u64,
    /// Simulated seconds.
    pub seconds: u64,
}

impl Tally {
    /// One more.
    pub fn count(&mut self, what: &'static str) {
        debug_assert!(FAULTS.contains(&what) || EVENTS.contains(&what), "`{what}` is not in the list");
        *self.counts.entry(what).or_insert(0) += 1;
    }

    /// How often it happened.
    pub fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_insert(0) += count;
        }
        self.steps += other.steps;
        self.seconds += other.seconds;
    }

    /// What never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        FAULTS.iter().chain(EVENTS).copied().filter(|what| self.of(what) == 0).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} steps of nodes in {:.1} simulated hours",
            self.steps,
            Duration::from_secs(self.seconds).as_secs_f64() / 3600.0
        )?;
        for (title, list) in [("faults", FAULTS), ("events", EVENTS)] {
            writeln!(formatter, "{title}")?;
            for what in list {
                writeln!(formatter, "  {:>12}  {what}", self.of(what))?;
            }
        }
        Ok(())
    }
}
