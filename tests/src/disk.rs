//! The disk of one machine, below the same store that the agent has (`muster_core::store`). What was written and not made to
//! last may be lost, torn or kept when the power goes, content and names each for itself and in any order; when only the agent
//! dies, what it did until then stays. A byte of what was saved can be damaged.

use crate::random::Random;
use crate::tally::Tally;
use muster_core::store::{Folder, Store, Unusable};
use std::collections::BTreeMap;
use std::time::Duration;

/// One write is so many acts on the folder: write, keep the content, rename, keep the names.
const ACTS_OF_A_WRITE: u64 = 4;

/// The disk that `Effect::Persist` writes to.
#[derive(Debug)]
pub struct Disk {
    store: Store<Files>,
    /// What is being written.
    pending: Option<Vec<u8>>,
    /// The state that the agent was last told to be complete.
    complete: Option<Vec<u8>>,
    /// The one whose write was cut off: it may count, or not.
    cut_off: Option<Vec<u8>>,
    /// Writes take up to a few seconds.
    pub is_slow: bool,
    /// Nothing more can be written.
    pub is_full: bool,
    /// Nothing can be written.
    pub is_read_only: bool,
    /// A person has removed what was saved, and nothing was saved since.
    is_wiped: bool,
}

/// Why an agent finds no state that it may use.
pub type Refusal = Unusable<PowerLost>;

/// The folder's answer once the power is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerLost;

impl Default for Disk {
    fn default() -> Self {
        let (store, _) = Store::open(Files::default()).expect("an empty folder can be read");
        Self {
            store,
            pending: None,
            complete: None,
            cut_off: None,
            is_slow: false,
            is_full: false,
            is_read_only: false,
            is_wiped: false,
        }
    }
}

impl Disk {
    /// Begins a write: how long it takes; `None` where it fails.
    pub fn begin(&mut self, bytes: Vec<u8>, random: &mut Random, tally: &mut Tally) -> Option<Duration> {
        if self.is_full || self.is_read_only {
            tally.count(if self.is_full { "full disk" } else { "read-only disk" });
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
            self.write(&bytes, u64::MAX);
            self.complete = Some(bytes);
            self.cut_off = None;
            self.is_wiped = false;
        }
    }

    /// Whoever wrote is gone, in the middle of it or not.
    pub fn interrupt(&mut self, random: &mut Random, tally: &mut Tally) {
        let Some(bytes) = self.pending.take() else { return };
        tally.count("torn write");
        let acts = random.below(ACTS_OF_A_WRITE + 1);
        self.write(&bytes, acts);
        self.cut_off = Some(bytes);
    }

    /// The power goes: what was not made to last is lost, or torn, or kept after all.
    pub fn lose_power(&mut self, random: &mut Random, tally: &mut Tally) {
        if !self.store.folder().is_kept() {
            let mut random = random.fork();
            self.store.folder_mut().lose_power(&mut random, tally);
        }
    }

    /// An agent starts: what it finds.
    ///
    /// # Errors
    ///
    /// What is there must not be used.
    pub fn open(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let (store, state) = Store::open(self.store.folder().clone())?;
        self.store = store;
        Ok(state)
    }

    /// What an agent would find if the power went now and all that was not made to last were lost.
    pub fn read_after_the_worst(&self) -> Result<Option<Vec<u8>>, Refusal> {
        Store::open(self.store.folder().kept()).map(|(_, state)| state)
    }

    /// What an agent may find: the last state that was complete, or the one whose write was cut off.
    pub fn may_be(&self, found: Option<&Vec<u8>>) -> bool {
        found == self.complete.as_ref() || (found.is_some() && found == self.cut_off.as_ref())
    }

    /// Another byte stands somewhere in the file that was written last.
    pub fn damage(&mut self, random: &mut Random, tally: &mut Tally) {
        if let Some(content) = self.store.folder_mut().newest().filter(|content| content.damage.is_none()) {
            let place = random.index(content.bytes.len());
            content.damage = Some((place, content.bytes[place]));
            content.bytes[place] ^= 0x55;
            tally.count("damaged disk");
        }
    }

    /// What an agent meets may be damaged.
    pub fn is_damaged(&self) -> bool {
        let files = self.store.folder();
        files.names.values().any(|content| files.contents[*content].damage.is_some())
    }

    /// A person puts the file back as it was.
    pub fn restore(&mut self) {
        for content in &mut self.store.folder_mut().contents {
            if let Some((place, was)) = content.damage.take() {
                content.bytes[place] = was;
            }
        }
    }

    /// A person removes all that was saved.
    pub fn wipe(&mut self) {
        let Self { is_slow, is_full, is_read_only, .. } = *self;
        *self = Self { is_slow, is_full, is_read_only, is_wiped: true, ..Self::default() };
    }

    /// Whether a person has removed what was saved, and nothing was saved since.
    pub fn is_wiped(&self) -> bool {
        self.is_wiped
    }

    /// The power goes after so many acts.
    fn write(&mut self, bytes: &[u8], acts: u64) {
        self.store.folder_mut().acts_left = acts;
        // Whether the power went is what `acts` says.
        let _ = self.store.write(bytes);
    }
}

/// The content of a file, which several names may mean one after the other.
#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    is_kept: bool,
    /// Where a byte was damaged, and what it was.
    damage: Option<(usize, u8)>,
}

/// A change of names that is not kept yet.
#[derive(Debug, Clone)]
enum Naming {
    Made { name: String, content: usize },
    Renamed { from: String, to: String, content: usize },
}

/// A folder as programs see it, and as the disk has it.
#[derive(Debug, Clone, Default)]
struct Files {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    kept_names: BTreeMap<String, usize>,
    namings: Vec<Naming>,
    /// The power goes after so many acts more.
    acts_left: u64,
}

impl Files {
    fn act(&mut self) -> Result<(), PowerLost> {
        self.acts_left = self.acts_left.checked_sub(1).ok_or(PowerLost)?;
        Ok(())
    }

    fn is_kept(&self) -> bool {
        self.namings.is_empty() && self.names.values().all(|content| self.contents[*content].is_kept)
    }

    /// What is sure to be left.
    fn kept(&self) -> Self {
        let mut kept = self.clone();
        kept.names = self.kept_names.clone();
        kept.namings.clear();
        kept.contents.iter_mut().filter(|content| !content.is_kept).for_each(|content| content.bytes.clear());
        kept
    }

    fn lose_power(&mut self, random: &mut Random, tally: &mut Tally) {
        for naming in std::mem::take(&mut self.namings) {
            if random.chance(500) {
                tally.count("rename lost");
                continue;
            }
            match naming {
                Naming::Made { name, content } => drop(self.kept_names.insert(name, content)),
                Naming::Renamed { from, to, content } => {
                    self.kept_names.remove(&from);
                    self.kept_names.insert(to, content);
                }
            }
        }
        self.names = self.kept_names.clone();
        for content in self.contents.iter_mut().filter(|content| !content.is_kept) {
            match random.below(4) {
                0 => content.bytes.clear(),
                1 => content.bytes.truncate(random.index(content.bytes.len() + 1)),
                2 => content.bytes.fill(0),
                _ => {}
            }
            content.is_kept = true;
        }
        self.forget_the_nameless();
    }

    fn forget_the_nameless(&mut self) {
        let is_named = |content: usize| {
            let in_namings = self.namings.iter().any(|naming| match naming {
                Naming::Made { content: of, .. } | Naming::Renamed { content: of, .. } => *of == content,
            });
            in_namings || self.names.values().chain(self.kept_names.values()).any(|of| *of == content)
        };
        let nameless: Vec<usize> = (0..self.contents.len()).filter(|content| !is_named(*content)).collect();
        for content in nameless {
            self.contents[content] = Content { is_kept: true, ..Content::default() };
        }
    }

    /// The file that the last complete write made.
    fn newest(&mut self) -> Option<&mut Content> {
        let generation =
            |bytes: &[u8]| bytes.get(8..16).map(|bytes| bytes.iter().rev().copied().collect::<Vec<_>>());
        let named = self.names.iter().filter(|(name, _)| *name != muster_core::store::BESIDE);
        let newest = named
            .map(|(_, content)| *content)
            .max_by_key(|content| generation(&self.contents[*content].bytes));
        newest.map(|content| &mut self.contents[content]).filter(|content| !content.bytes.is_empty())
    }
}

impl Folder for Files {
    type Error = PowerLost;

    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, PowerLost> {
        Ok(self.names.get(file).map(|content| self.contents[*content].bytes.clone()))
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), PowerLost> {
        // Without power for all of it a part of it is written.
        let is_whole = self.act().is_ok();
        let written = if is_whole { bytes } else { &bytes[..bytes.len() / 2] };
        let fresh = Content { bytes: written.to_vec(), ..Content::default() };
        match self.names.get(file) {
            Some(content) => self.contents[*content] = fresh,
            None => {
                let unused = (0..self.contents.len()).find(|content| {
                    self.contents[*content].bytes.is_empty()
                        && !self.names.values().chain(self.kept_names.values()).any(|of| of == content)
                });
                let content = unused.unwrap_or(self.contents.len());
                if content == self.contents.len() {
                    self.contents.push(Content::default());
                }
                self.contents[content] = fresh;
                self.names.insert(file.into(), content);
                self.namings.push(Naming::Made { name: file.into(), content });
            }
        }
        if is_whole { Ok(()) } else { Err(PowerLost) }
    }

    fn keep_content(&mut self, file: &str) -> Result<(), PowerLost> {
        self.act()?;
        if let Some(content) = self.names.get(file) {
            self.contents[*content].is_kept = true;
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), PowerLost> {
        self.act()?;
        if let Some(content) = self.names.remove(from) {
            self.names.insert(to.into(), content);
            self.namings.push(Naming::Renamed { from: from.into(), to: to.into(), content });
        }
        Ok(())
    }

    fn keep_names(&mut self) -> Result<(), PowerLost> {
        self.act()?;
        self.kept_names = self.names.clone();
        self.namings.clear();
        self.forget_the_nameless();
        Ok(())
    }

    fn checksum(bytes: &[u8]) -> [u8; 8] {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(states: &[&str]) -> Disk {
        let mut disk = Disk::default();
        for state in states {
            put(&mut disk, state);
            disk.finish();
        }
        disk
    }

    fn put(disk: &mut Disk, state: &str) {
        let begun = disk.begin(state.into(), &mut Random::new(1), &mut Tally::default());
        assert!(begun.is_some(), "there is room");
    }

    #[test]
    fn a_power_failure_at_any_act_of_a_write_leaves_the_old_state_or_the_new_one() {
        let (mut old, mut new) = (0, 0);
        for seed in 0..2000 {
            let (mut random, mut tally) = (Random::new(seed), Tally::default());
            let mut disk = written(&["one", "two", "three"]);
            put(&mut disk, "four");
            disk.interrupt(&mut random, &mut tally);
            disk.lose_power(&mut random, &mut tally);
            let found = disk.open().expect("a crash damages nothing");
            assert!(disk.may_be(found.as_ref()), "seed {seed}: {found:?}");
            match found.as_deref() {
                Some(b"three") => old += 1,
                Some(b"four") => new += 1,
                _ => panic!("seed {seed}: {found:?}"),
            }
        }
        assert!(old > 200 && new > 200, "{old} old, {new} new");
    }

    #[test]
    fn a_complete_write_survives_the_worst() {
        let disk = written(&["one", "two"]);
        assert_eq!(disk.read_after_the_worst().expect("it is whole").as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn damage_of_what_was_saved_last_is_refused_until_the_file_is_restored() {
        for seed in 0..200 {
            let mut disk = written(&["one", "two", "three"]);
            disk.damage(&mut Random::new(seed), &mut Tally::default());
            assert!(disk.open().is_err(), "seed {seed}");
            disk.restore();
            assert_eq!(disk.open().expect("it is whole again").as_deref(), Some(&b"three"[..]));
        }
    }
}
