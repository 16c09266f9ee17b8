//! Reliable, ordered messages over packets that may be lost, doubled or reordered: parts are numbered,
//! acknowledged, sent again, and put together.
//!
//! A stream belongs to one pair of sessions. Where the sender gives a peer up it begins a new stream with a higher
//! number; the receiver then forgets what is incomplete of the old one.

use crate::message::{Body, FRAGMENT_SIZE_MAX};
use crate::planted::{Bug, planted};
use crate::time::Instant;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

/// Parts under way at once: as many as one acknowledgement can tell apart.
const WINDOW: u64 = 64;
/// A message may have this many bytes: a bound on what a peer can make this node hold.
const MESSAGE_SIZE_MAX: usize = 32 * 1024 * 1024;
/// Before a part is sent again, beside two round trips: a busy host answers so late.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(40);
/// The wait doubles up to this factor.
const BACKOFF_MAX: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    is_last: bool,
    bytes: Vec<u8>,
    sent_at: Option<Instant>,
    trials: u32,
    is_acked: bool,
}

/// The sending end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Outbound {
    stream: u32,
    /// The number of the first part of `parts`.
    base: u64,
    parts: VecDeque<Part>,
}

impl Outbound {
    pub(crate) fn push(&mut self, message: &[u8]) {
        let count = message.chunks(FRAGMENT_SIZE_MAX).count();
        for (index, chunk) in message.chunks(FRAGMENT_SIZE_MAX).enumerate() {
            let is_last = index + 1 == count;
            self.parts.push_back(Part {
                is_last,
                bytes: chunk.to_vec(),
                sent_at: None,
                trials: 0,
                is_acked: false,
            });
        }
    }

    /// Gives up what is not acknowledged.
    pub(crate) fn restart(&mut self) {
        *self = Self { stream: self.stream + 1, base: 0, parts: VecDeque::new() };
    }

    pub(crate) fn acknowledge(&mut self, stream: u32, next: u64, ahead: u64) {
        if stream != self.stream {
            return;
        }
        while self.base < next && self.parts.pop_front().is_some() {
            self.base += 1;
        }
        for (part, bit) in self.parts.iter_mut().skip(1).zip(0..64) {
            part.is_acked |= self.base == next && ahead & (1 << bit) != 0;
        }
    }

    /// The parts that are to be sent now, first or again.
    pub(crate) fn due(&mut self, now: Instant, rtt: Duration) -> Vec<Body> {
        let (stream, base) = (self.stream, self.base);
        let window = self.parts.iter_mut().zip(base..base + WINDOW);
        let is_due =
            |part: &Part| part.resend_at(rtt).is_none_or(|at| now >= at && !planted(Bug::NeverSentAgain));
        let due = window.filter(|(part, _)| !part.is_acked && is_due(part));
        due.map(|(part, seq)| {
            part.sent_at = Some(now);
            part.trials += 1;
            Body::Data { stream, seq, is_last: part.is_last, bytes: part.bytes.clone() }
        })
        .collect()
    }

    pub(crate) fn deadline(&self, rtt: Duration) -> Option<Instant> {
        let window = self.parts.iter().zip(0..WINDOW).map(|(part, _)| part);
        window.filter(|part| !part.is_acked).map(|part| part.resend_at(rtt).unwrap_or_default()).min()
    }
}

impl Part {
    fn resend_at(&self, rtt: Duration) -> Option<Instant> {
        let factor = (1 << self.trials.saturating_sub(1).min(8)).min(BACKOFF_MAX);
        self.sent_at.map(|at| at + (RETRANSMIT_AFTER + rtt * 2) * factor)
    }
}

/// The receiving end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Inbound {
    stream: u32,
    next: u64,
    ahead: BTreeMap<u64, (bool, Vec<u8>)>,
    partial: Vec<u8>,
}

impl Inbound {
    /// Takes a part; returns the messages that are complete by it, or nothing where the part is of an old stream.
    pub(crate) fn receive(
        &mut self,
        stream: u32,
        seq: u64,
        is_last: bool,
        bytes: Vec<u8>,
    ) -> Option<Vec<Vec<u8>>> {
        if stream < self.stream {
            return None;
        }
        if stream > self.stream {
            *self = Self { stream, ..Self::default() };
        }
        if seq >= self.next && seq < self.next + WINDOW {
            self.ahead.insert(seq, (is_last, bytes));
        }
        Some(self.take_complete())
    }

    pub(crate) fn acknowledgement(&self) -> Body {
        let bit = |seq: &u64| 1_u64 << (seq - self.next - 1).min(63);
        let ahead = self.ahead.keys().filter(|seq| **seq > self.next).map(bit).fold(0, |all, bit| all | bit);
        Body::Ack { stream: self.stream, next: self.next, ahead }
    }

    fn take_complete(&mut self) -> Vec<Vec<u8>> {
        let mut complete = Vec::new();
        while let Some((is_last, bytes)) = self.ahead.remove(&self.next) {
            self.next += 1;
            self.partial.extend(bytes);
            if is_last {
                complete.push(core::mem::take(&mut self.partial));
            } else if self.partial.len() > MESSAGE_SIZE_MAX {
                self.partial.clear();
            }
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(inbound: &mut Inbound, body: Body) -> Vec<Vec<u8>> {
        let Body::Data { stream, seq, is_last, bytes } = body else { panic!("a stream sends data") };
        inbound.receive(stream, seq, is_last, bytes).unwrap_or_default()
    }

    #[test]
    fn a_long_message_arrives_whole_though_parts_come_late_doubled_and_in_reverse() {
        let message: Vec<u8> = (0..5000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (mut outbound, mut inbound) = (Outbound::default(), Inbound::default());
        outbound.push(&message);
        let mut parts = outbound.due(Instant(0), Duration::ZERO);
        let first = parts.remove(0);
        parts.reverse();
        for part in parts.iter().chain(&parts) {
            assert!(deliver(&mut inbound, part.clone()).is_empty());
        }
        let Body::Ack { stream, next, ahead } = inbound.acknowledgement() else {
            panic!("an acknowledgement")
        };
        assert_eq!((next, ahead), (0, 0b111));
        outbound.acknowledge(stream, next, ahead);
        let again = outbound.due(Instant(0) + Duration::from_secs(1), Duration::ZERO);
        assert_eq!(again, core::slice::from_ref(&first), "only what is missing is sent again");
        assert_eq!(deliver(&mut inbound, first), [message]);
    }

    #[test]
    fn a_new_stream_forgets_the_old_one() {
        let (mut outbound, mut inbound) = (Outbound::default(), Inbound::default());
        outbound.push(&[1; 2 * FRAGMENT_SIZE_MAX]);
        let old = outbound.due(Instant(0), Duration::ZERO);
        deliver(&mut inbound, old[0].clone());
        outbound.restart();
        outbound.push(b"new");
        let new = outbound.due(Instant(0), Duration::ZERO);
        assert_eq!(deliver(&mut inbound, new[0].clone()), [b"new".to_vec()]);
        assert!(deliver(&mut inbound, old[1].clone()).is_empty());
    }
}
