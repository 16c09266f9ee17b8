//! The disk of one machine: one file that is replaced atomically. A crash in the middle leaves the old content, or
//! already the new one, never a mixture (that is what the agent's rename and fsync are for).

use crate::random::Random;
use crate::tally::Tally;
use std::time::Duration;

/// The file that `Effect::Persist` writes.
#[derive(Debug, Default)]
pub struct Disk {
    /// What a restart finds.
    pub content: Option<Vec<u8>>,
    pending: Option<Vec<u8>>,
    /// Writes take up to a few seconds.
    pub is_slow: bool,
    /// Nothing more can be written.
    pub is_full: bool,
}

impl Disk {
    /// Begins a write: how long it takes; `None` where it fails.
    pub fn begin(&mut self, bytes: Vec<u8>, random: &mut Random, tally: &mut Tally) -> Option<Duration> {
        if self.is_full {
            tally.count("full disk");
            return None;
        }
        self.pending = Some(bytes);
        if self.is_slow && random.chance(300) {
            tally.count("slow write");
            return Some(random.ms(50, 4000));
        }
        Some(random.between(Duration::from_micros(50), Duration::from_millis(3)))
    }

    /// The write is complete.
    pub fn finish(&mut self) {
        if let Some(bytes) = self.pending.take() {
            self.content = Some(bytes);
        }
    }

    /// Whoever wrote is gone, in the middle of it or not.
    pub fn interrupt(&mut self, random: &mut Random, tally: &mut Tally) {
        let Some(bytes) = self.pending.take() else { return };
        tally.count("torn write");
        if random.chance(500) {
            self.content = Some(bytes);
        }
    }
}
