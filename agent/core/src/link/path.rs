//! One link to one peer: up once `knet_pong_count` round trips in a row were proven, down when none was for
//! `knet_ping_timeout`.
//!
//! A round of heartbeats is ping, pong, proof: three packets prove both directions to both ends at the same
//! moment, so that two nodes which are cut apart notice it together.

use super::timing::LinkTiming;
use crate::time::Instant;
use core::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    timing: LinkTiming,
    last_proof: Option<Instant>,
    proofs: u8,
    is_up: bool,
    was_up: bool,
    next_ping: Instant,
    rtt: Option<Duration>,
}

impl Path {
    pub(crate) fn new(now: Instant, timing: LinkTiming) -> Self {
        Self { timing, last_proof: None, proofs: 0, is_up: false, was_up: false, next_ping: now, rtt: None }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }

    pub(crate) fn priority(&self) -> u8 {
        self.timing.priority
    }

    pub(crate) fn interval(&self) -> Duration {
        self.timing.interval
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub(crate) fn last_proof(&self) -> Option<Instant> {
        self.last_proof
    }

    /// Both directions work. `is_initiator` is the end that usually pings: the other waits a quarter longer, so that one
    /// round serves both. Returns whether the link came up by it.
    pub(crate) fn prove(&mut self, now: Instant, rtt: Option<Duration>, is_initiator: bool) -> bool {
        self.last_proof = Some(now);
        self.rtt = rtt.or(self.rtt);
        let patience = if is_initiator { self.timing.interval } else { self.timing.interval * 5 / 4 };
        self.next_ping = now + patience;
        if self.is_up {
            return false;
        }
        self.proofs = self.proofs.saturating_add(1);
        self.is_up = self.proofs >= self.timing.pong_count;
        if !self.is_up {
            // A link that was down before must last; one that is new need not wait.
            self.next_ping = if self.was_up { now + self.timing.interval / 2 } else { now };
        }
        self.was_up |= self.is_up;
        self.is_up
    }

    /// Ping as soon as possible: the peer asked on a link that is down here, or what a heartbeat says has changed.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.next_ping = self.next_ping.min(now);
    }

    pub(crate) fn reset(&mut self, now: Instant) {
        *self = Self { was_up: self.was_up, ..Self::new(now, self.timing) };
    }

    /// Takes the link down where it was silent for too long. Returns whether it went down by it.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let has_expired = self.is_up && self.down_at().is_some_and(|at| now >= at);
        if has_expired {
            self.is_up = false;
            self.proofs = 0;
        }
        has_expired
    }

    /// Whether a ping is due now; the next one is due an interval later, or sooner where the last was not answered.
    pub(crate) fn take_ping(&mut self, now: Instant) -> bool {
        if now < self.next_ping {
            return false;
        }
        let is_overdue =
            self.is_up && self.last_proof.is_some_and(|proof| now >= proof + self.timing.interval);
        self.next_ping = now + if is_overdue { self.timing.interval / 3 } else { self.timing.interval };
        true
    }

    pub(crate) fn deadline(&self) -> Instant {
        match self.down_at() {
            Some(at) if self.is_up => self.next_ping.min(at),
            _ => self.next_ping,
        }
    }

    fn down_at(&self) -> Option<Instant> {
        self.last_proof.map(|proof| proof + self.timing.timeout)
    }
}
