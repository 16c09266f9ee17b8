//! The network: one path for each link and direction between two nodes. It loses, repeats, delays, reorders and spoils
//! packets, and paths can be cut.

use crate::random::Random;
use crate::tally::Tally;
use std::collections::BTreeMap;
use std::time::Duration;

/// From which node to which, by index, on which link.
pub type Path = (usize, usize, u8);

/// What a narrow path carries at most: every heartbeat, and no state of a cluster.
const NARROW: usize = 400;

/// How bad every path is. Chances are per mille.
#[derive(Debug, Clone)]
pub struct Quality {
    /// A packet never arrives.
    pub loss: u64,
    /// A packet arrives twice.
    pub duplication: u64,
    /// What arrives is not what was sent.
    pub corruption: u64,
    /// A packet takes `spike` at most instead of `delay`.
    pub spikes: u64,
    /// The usual least and most.
    pub delay: (Duration, Duration),
    /// The longest delay.
    pub spike: Duration,
}

impl Quality {
    /// A good local network.
    pub fn good() -> Self {
        Self {
            loss: 0,
            duplication: 0,
            corruption: 0,
            spikes: 0,
            delay: (Duration::from_micros(80), Duration::from_micros(300)),
            spike: Duration::ZERO,
        }
    }
}

/// All paths.
#[derive(Debug)]
pub struct Network {
    /// How bad they are.
    pub quality: Quality,
    /// How many faults cut a path at the moment.
    cuts: BTreeMap<Path, u32>,
    /// On how many faults' account a path carries small packets only.
    narrow: BTreeMap<Path, u32>,
    /// The latest arrival planned on a path: what arrives before it was overtaken.
    latest: BTreeMap<Path, Duration>,
}

impl Network {
    /// A network without faults.
    pub fn good() -> Self {
        Self {
            quality: Quality::good(),
            cuts: BTreeMap::new(),
            narrow: BTreeMap::new(),
            latest: BTreeMap::new(),
        }
    }

    /// Cuts paths; each cut lasts until it is mended.
    pub fn cut(&mut self, paths: &[Path]) {
        add(&mut self.cuts, paths);
    }

    /// From now on those paths lose every packet that is larger than what a path with a wrong MTU carries.
    pub fn narrow(&mut self, paths: &[Path]) {
        add(&mut self.narrow, paths);
    }

    /// Takes back one `narrow` of the same paths.
    pub fn widen(&mut self, paths: &[Path]) {
        take(&mut self.narrow, paths);
    }

    /// Takes back one `cut` of the same paths.
    pub fn mend(&mut self, paths: &[Path]) {
        take(&mut self.cuts, paths);
    }

    /// No faults any more.
    pub fn heal(&mut self) {
        self.quality = Quality::good();
        self.mend_all();
    }

    /// Takes back every cut.
    pub fn mend_all(&mut self) {
        self.cuts.clear();
        self.narrow.clear();
    }

    /// Whether a path is cut.
    pub fn is_cut(&self, path: Path) -> bool {
        self.cuts.contains_key(&path)
    }

    /// Whether no path is cut or narrow.
    pub fn is_whole(&self) -> bool {
        self.cuts.is_empty() && self.narrow.is_empty()
    }

    /// Sends a packet: when which bytes arrive.
    pub fn carry(
        &mut self,
        at: Duration,
        path: Path,
        bytes: &[u8],
        random: &mut Random,
        tally: &mut Tally,
    ) -> Vec<(Duration, Vec<u8>)> {
        if self.cuts.contains_key(&path) {
            return Vec::new();
        }
        if bytes.len() > NARROW && self.narrow.contains_key(&path) {
            tally.count("large packet lost");
            return Vec::new();
        }
        if random.chance(self.quality.loss) {
            tally.count("packet lost");
            return Vec::new();
        }
        let mut copies = 1;
        if random.chance(self.quality.duplication) {
            tally.count("packet duplicated");
            copies = 2;
        }
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            let arrives = at + self.delay(random, tally);
            let latest = self.latest.entry(path).or_default();
            if arrives < *latest {
                tally.count("packet reordered");
            }
            *latest = (*latest).max(arrives);
            if random.chance(self.quality.corruption) {
                tally.count("packet corrupted");
                arrivals.extend(spoil(bytes, random).map(|spoilt| (arrives, spoilt)));
            } else {
                arrivals.push((arrives, bytes.to_vec()));
            }
        }
        arrivals
    }

    fn delay(&self, random: &mut Random, tally: &mut Tally) -> Duration {
        let (least, most) = self.quality.delay;
        if random.chance(self.quality.spikes) {
            tally.count("packet delayed");
            random.between(most, self.quality.spike.max(most))
        } else {
            random.between(least, most)
        }
    }
}

fn add(faults: &mut BTreeMap<Path, u32>, paths: &[Path]) {
    for path in paths {
        *faults.entry(*path).or_insert(0) += 1;
    }
}

fn take(faults: &mut BTreeMap<Path, u32>, paths: &[Path]) {
    for path in paths {
        if let Some(count) = faults.get_mut(path) {
            *count -= 1;
        }
    }
    faults.retain(|_, count| *count > 0);
}

/// What is left of a packet. Most of the time the seal (AES-GCM) does not open and the agent drops it; what a node
/// gets to see is what a foreign program or a broken peer could send under the right key: bytes that are no packet.
fn spoil(bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    match random.below(4) {
        0 => Some(bytes[..random.index(bytes.len().max(1))].to_vec()),
        1 => {
            let length = random.index(64);
            let mut noise = random.bytes(length);
            if let Some(first) = noise.first_mut() {
                *first = b'x';
            }
            Some(noise)
        }
        _ => None,
    }
}
