//! The node's clocks: the monotonic one that the core is driven by, and the wall clock that people read.

use muster_core::time::{Instant, Now};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The monotonic clock, counted from when the agent started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: std::time::Instant,
}

impl Clock {
    /// Starts to count.
    pub(crate) fn start() -> Self {
        Self { started: std::time::Instant::now() }
    }

    /// Now, by both clocks.
    pub(crate) fn now(&self) -> Now {
        Now { at: self.at(), wall_ms: wall_ms() }
    }

    fn at(&self) -> Instant {
        Instant::default() + self.started.elapsed()
    }

    /// How long until a moment of the core; zero where it has passed.
    pub(crate) fn until(&self, moment: Instant) -> Duration {
        moment.since(self.at())
    }
}

/// The wall clock: milliseconds since the epoch. A clock before 1970 reads as 1970.
pub(crate) fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
