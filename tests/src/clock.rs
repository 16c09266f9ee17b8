//! The clocks of one machine: a monotonic one that starts with the machine and drifts, and a wall clock that jumps.

use crate::random::Random;
use muster_core::time::{Instant, Now};
use std::time::Duration;

/// The wall clock of a world that has just begun: milliseconds since the epoch (14 November 2023).
const WALL_START_MS: i128 = 1_700_000_000_000;
const MILLION: i128 = 1_000_000;

/// What time a machine believes it is.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Duration,
    origin_ns: i128,
    /// How much faster than the world's time it runs, in parts per million.
    drift_ppm: i128,
    wall_offset_ms: i128,
}

impl Clock {
    /// A clock that is right.
    pub fn right() -> Self {
        Self { started: Duration::ZERO, origin_ns: 1_000_000_000, drift_ppm: 0, wall_offset_ms: 0 }
    }

    /// The machine is switched on at `at`: its monotonic clock begins anew, somewhere.
    pub fn restart(&mut self, at: Duration, random: &mut Random) {
        self.started = at;
        self.origin_ns = i128::try_from(random.ms(1, 60_000).as_nanos()).unwrap_or(1);
    }

    /// Runs fast or slow from now on.
    pub fn drift(&mut self, at: Duration, ppm: i64) {
        self.origin_ns = self.monotonic_ns(at);
        self.started = at;
        self.drift_ppm = i128::from(ppm);
    }

    /// The wall clock is set.
    pub fn jump(&mut self, by_ms: i64) {
        self.wall_offset_ms += i128::from(by_ms);
    }

    /// What the machine reads when the world's time is `at`.
    pub fn now(&self, at: Duration) -> Now {
        let monotonic_ns = self.monotonic_ns(at);
        let wall_ms = WALL_START_MS + i128::try_from(at.as_millis()).unwrap_or(0) + self.wall_offset_ms;
        Now { at: Instant(to_u64(monotonic_ns)), wall_ms: to_u64(wall_ms) }
    }

    /// The world's time at which the monotonic clock shows `instant`.
    pub fn world_time(&self, instant: Instant) -> Duration {
        let passed_ns = (i128::from(instant.0) - self.origin_ns).max(0);
        // Rounded up: a timer never fires early.
        let world_ns = (passed_ns * MILLION + MILLION + self.drift_ppm - 1) / (MILLION + self.drift_ppm);
        self.started.saturating_add(Duration::from_nanos(to_u64(world_ns)))
    }

    fn monotonic_ns(&self, at: Duration) -> i128 {
        let passed_ns = i128::try_from(at.saturating_sub(self.started).as_nanos()).unwrap_or(0);
        self.origin_ns + passed_ns * (MILLION + self.drift_ppm) / MILLION
    }
}

fn to_u64(number: i128) -> u64 {
    u64::try_from(number.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_of_a_drifting_clock_is_due_when_that_clock_says_so() {
        let mut clock = Clock::right();
        clock.restart(Duration::from_secs(7), &mut Random::new(1));
        clock.drift(Duration::from_secs(8), -300);
        for seconds in 9..100 {
            let at = Duration::from_secs(seconds);
            let instant = clock.now(at).at;
            let due = clock.world_time(instant);
            assert!(clock.now(due).at >= instant);
            assert!(due.abs_diff(at) < Duration::from_micros(1), "{due:?} {at:?}");
        }
    }
}
