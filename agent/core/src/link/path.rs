//! One link to one peer: up once `knet_pong_count` round trips in a row were proven, down when none was for
//! `knet_ping_timeout`.
//!
//! A round of heartbeats is ping, pong, proof: three packets prove both directions to both ends at the same
//! moment, so that two nodes which are cut apart notice it together.

use super::timing::LinkTiming;
use crate::time::Instant;
use core::time::Duration;

/// A link that lasted for fewer timeouts has flapped.
const SOON: u32 = 10;
/// Four times as many proofs are enough to tell a link that lasts from one that does not, and few enough to wait for where
/// there is no other.
const FLAPS_MAX: u32 = 2;
/// News may follow each other so closely at most: when many nodes come up at once, each has news of each other, for each other.
const NEWS_GAP: Duration = Duration::from_millis(4);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    timing: LinkTiming,
    last_proof: Option<Instant>,
    proofs: u8,
    is_up: bool,
    was_up: bool,
    up_since: Instant,
    /// How often in a row it went down soon after it came up.
    flaps: u32,
    next_ping: Instant,
    last_ping: Option<Instant>,
    /// There is news that no ping has told yet; what a proof says about the next ping does not put it off.
    news_due: Option<Instant>,
    rtt: Option<Duration>,
}

impl Path {
    pub(crate) fn new(now: Instant, timing: LinkTiming) -> Self {
        Self {
            timing,
            last_proof: None,
            proofs: 0,
            is_up: false,
            was_up: false,
            up_since: now,
            flaps: 0,
            next_ping: now,
            last_ping: None,
            news_due: None,
            rtt: None,
        }
    }

    pub(crate) fn set_timing(&mut self, timing: LinkTiming) {
        self.timing = timing;
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
        self.is_up = u32::from(self.proofs) >= u32::from(self.timing.pong_count) << self.flaps;
        self.up_since = now;
        if !self.is_up {
            // A link that was down before must last; one that is new need not wait.
            self.next_ping = if self.was_up { now + self.timing.interval / 2 } else { now };
        }
        self.was_up |= self.is_up;
        self.is_up
    }

    /// Ping as soon as possible: the peer asked on a link that is down here.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.next_ping = self.next_ping.min(now);
    }

    /// What a heartbeat says has changed: ping soon.
    pub(crate) fn hurry_news(&mut self, now: Instant) {
        let soon = self.last_ping.map_or(now, |last| now.max(last + NEWS_GAP));
        self.news_due = Some(self.news_due.map_or(soon, |due| due.min(soon)));
    }

    pub(crate) fn reset(&mut self, now: Instant) {
        self.note_down(now);
        *self = Self { was_up: self.was_up, flaps: self.flaps, ..Self::new(now, self.timing) };
    }

    /// The peer's agent is another one: what was seen of the link with the one before tells nothing about the link.
    pub(crate) fn start_over(&mut self, now: Instant) {
        *self = Self::new(now, self.timing);
    }

    /// A link that goes down soon after it came up must prove itself longer each time.
    fn note_down(&mut self, now: Instant) {
        if self.is_up {
            let is_flapping = self.was_up && now < self.up_since + self.timing.timeout * SOON;
            self.flaps = if is_flapping { (self.flaps + 1).min(FLAPS_MAX) } else { 0 };
        }
    }

    /// Takes the link down where it was silent for too long. Returns whether it went down by it.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let has_expired = self.is_up && self.down_at().is_some_and(|at| now >= at);
        if has_expired {
            self.note_down(now);
            self.is_up = false;
            self.proofs = 0;
        }
        has_expired
    }

    /// Whether a ping is due now; the next one is due an interval later, or sooner where the last was not answered.
    pub(crate) fn take_ping(&mut self, now: Instant) -> bool {
        if now < self.next_due() {
            return false;
        }
        self.news_due = None;
        self.last_ping = Some(now);
        let is_overdue =
            self.is_up && self.last_proof.is_some_and(|proof| now >= proof + self.timing.interval);
        self.next_ping = now + if is_overdue { self.timing.interval / 3 } else { self.timing.interval };
        true
    }

    pub(crate) fn deadline(&self) -> Instant {
        match self.down_at() {
            Some(at) if self.is_up => self.next_due().min(at),
            _ => self.next_due(),
        }
    }

    fn next_due(&self) -> Instant {
        self.news_due.map_or(self.next_ping, |due| due.min(self.next_ping))
    }

    fn down_at(&self) -> Option<Instant> {
        self.last_proof.map(|proof| proof + self.timing.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const ROUND: Duration = Duration::from_millis(100);

    fn path() -> Path {
        let timing = LinkTiming { interval: ROUND, timeout: ROUND * 4, pong_count: 2, priority: 1 };
        Path::new(Instant(0), timing)
    }

    /// Proves the path until it is up; returns how many proofs that took.
    fn bring_up(path: &mut Path, now: &mut Instant) -> u32 {
        for proofs in 1..100 {
            *now = *now + ROUND;
            if path.prove(*now, Some(ROUND / 100), true) {
                return proofs;
            }
        }
        panic!("it never came up")
    }

    #[test]
    fn news_are_told_soon_also_where_a_proof_comes_in_between() {
        let mut path = path();
        assert!(path.take_ping(Instant(0)));
        path.hurry_news(Instant(1));
        path.prove(Instant(2), None, true);
        path.prove(Instant(3), None, true);
        assert_eq!(path.deadline(), Instant(0) + NEWS_GAP);
        assert!(!path.take_ping(Instant(4)) && path.take_ping(Instant(0) + NEWS_GAP));
        assert!(path.deadline() > Instant(0) + NEWS_GAP);
    }

    fn let_expire(path: &mut Path, now: &mut Instant) {
        *now = *now + ROUND * 5;
        assert!(path.expire(*now));
    }

    #[test]
    fn a_link_that_flaps_must_prove_itself_longer_each_time_and_less_once_it_lasted() {
        let (mut path, mut now) = (path(), Instant(0));
        let mut proofs = Vec::new();
        for _ in 0..4 {
            proofs.push(bring_up(&mut path, &mut now));
            let_expire(&mut path, &mut now);
        }
        assert_eq!(proofs, [2, 4, 8, 8]);
        bring_up(&mut path, &mut now);
        for _ in 0..60 {
            now = now + ROUND;
            path.prove(now, None, true);
        }
        let_expire(&mut path, &mut now);
        assert_eq!(bring_up(&mut path, &mut now), 2, "it lasted before it went down");
    }

    #[test]
    fn an_interface_that_comes_and_goes_flaps_as_well() {
        let (mut path, mut now) = (path(), Instant(0));
        bring_up(&mut path, &mut now);
        path.reset(now + ROUND);
        assert_eq!(bring_up(&mut path, &mut now), 4);
    }

    #[test]
    fn an_agent_that_starts_again_and_again_is_no_flapping_link() {
        let (mut path, mut now) = (path(), Instant(0));
        for _ in 0..4 {
            assert_eq!(bring_up(&mut path, &mut now), 2);
            path.start_over(now);
        }
    }

    #[test]
    fn a_link_is_down_once_its_timeout_has_passed_without_a_proof() {
        let (mut path, mut now) = (path(), Instant(0));
        bring_up(&mut path, &mut now);
        assert!(!path.expire(now + (ROUND * 4 - Duration::from_nanos(1))));
        assert!(path.expire(now + ROUND * 4) && !path.is_up());
    }
}
