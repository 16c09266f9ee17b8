//! The node's clocks: the monotonic one that the core is driven by, and the wall clock that people read.

use muster_core::time::{Instant, Now};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The monotonic clock, counted from when the agent started. It goes on while the machine is suspended (CLOCK_BOOTTIME): a node that
/// wakes up must see how long it was away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Duration,
}

impl Clock {
    /// Starts to count.
    pub(crate) fn start() -> Self {
        Self { started: since_boot() }
    }

    /// Now, by both clocks.
    pub(crate) fn now(&self) -> Now {
        Now { at: self.at(), wall_ms: wall_ms() }
    }

    fn at(&self) -> Instant {
        Instant::default() + since_boot().saturating_sub(self.started)
    }

    /// How long until a moment of the core; zero where it has passed.
    pub(crate) fn until(&self, moment: Instant) -> Duration {
        moment.since(self.at())
    }
}

fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// The wall clock: milliseconds since the epoch. A clock before 1970 reads as 1970.
pub(crate) fn wall_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
