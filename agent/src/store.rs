//! What the node must remember over a crash: the core's durable state, in two generations.
//!
//! Each generation is a file of its own (`state.0`, `state.1`, written in turn), complete before it gets its name:
//! written beside, fsynced, renamed, and the folder fsynced. A crash at any point therefore leaves the last complete
//! generation, and one that is not complete was never answered for.
//!
//! A file that has its name and does not match its checksum was damaged later. The other generation may stand in
//! for it only where it is known to be newer; an older one may lack a promise that others rely on, and
//! then the agent does not start.
//!
//! Format: magic, generation (u64), length (u64), first 8 bytes of the SHA-256 of those, the state, first 8 bytes
//! of its SHA-256. Numbers are little endian.

use ring::digest::{SHA256, digest};
use rustix::fs::{self, Mode, OFlags};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"MUSTERD1";
const HEADER: usize = 8 + 8 + 8 + 8;

/// The folder with the two generations.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    generation: u64,
}

/// Why the state cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The folder cannot be made or a file cannot be read.
    #[error("cannot read the agent's state in {folder}: {source}")]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The newest generation is damaged, or could be.
    #[error(
        "the agent's state {file} is damaged, and what was lost with it may be a promise that other nodes rely on: \
         restore the file; or, while the other nodes are up and quorate, stop this agent, remove {folder} and \
         start it, so that this node joins as a new one"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
}

/// What one file holds.
enum Slot {
    Absent,
    /// The generation is known where the header is whole.
    Damaged(Option<u64>),
    Whole(u64, Vec<u8>),
}

impl Store {
    /// Opens the folder, makes it where it is missing, and reads the newest state in it.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        let unreadable = |source| StoreError::Unreadable { folder: folder.to_path_buf(), source };
        std::fs::create_dir_all(folder).map_err(unreadable)?;
        let slots = [0, 1].map(|slot| read_slot(&slot_path(folder, slot)));
        let [first, second] = slots;
        let newest = newest(folder, first.map_err(unreadable)?, second.map_err(unreadable)?)?;
        let generation = newest.as_ref().map_or(0, |(generation, _)| *generation);
        Ok((Self { folder: folder.to_path_buf(), generation }, newest.map(|(_, state)| state)))
    }

    /// Replaces the state. It is on disk when this returns; after an error the one before still counts.
    pub(crate) fn write(&mut self, state: &[u8]) -> io::Result<()> {
        let generation = self.generation + 1;
        let beside = self.folder.join("state.new");
        let mut file = File::from(fs::open(
            &beside,
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        )?);
        file.write_all(&encode(generation, state))?;
        file.sync_all()?;
        std::fs::rename(&beside, slot_path(&self.folder, generation % 2))?;
        File::open(&self.folder)?.sync_all()?;
        self.generation = generation;
        Ok(())
    }
}

fn slot_path(folder: &Path, slot: u64) -> PathBuf {
    folder.join(format!("state.{slot}"))
}

fn newest(folder: &Path, first: Slot, second: Slot) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let damaged = |slot| StoreError::Damaged { file: slot_path(folder, slot), folder: folder.to_path_buf() };
    match (first, second) {
        (Slot::Absent, Slot::Absent) => Ok(None),
        (Slot::Whole(generation, state), Slot::Absent) | (Slot::Absent, Slot::Whole(generation, state)) => {
            Ok(Some((generation, state)))
        }
        (Slot::Whole(left, state), Slot::Whole(right, _)) if left > right => Ok(Some((left, state))),
        (Slot::Whole(..), Slot::Whole(right, state)) => Ok(Some((right, state))),
        // The damaged one is known to be the older one: nothing that counts was in it.
        (Slot::Damaged(Some(lost)), Slot::Whole(kept, state))
        | (Slot::Whole(kept, state), Slot::Damaged(Some(lost)))
            if lost < kept =>
        {
            Ok(Some((kept, state)))
        }
        (Slot::Damaged(_), _) => Err(damaged(0)),
        (_, Slot::Damaged(_)) => Err(damaged(1)),
    }
}

fn read_slot(path: &Path) -> io::Result<Slot> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Slot::Absent),
        Err(error) => return Err(error),
    };
    Ok(decode(&bytes))
}

fn encode(generation: u64, state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + state.len() + 8);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&(state.len() as u64).to_le_bytes());
    let header_sum = checksum(&bytes);
    bytes.extend_from_slice(&header_sum);
    bytes.extend_from_slice(state);
    bytes.extend_from_slice(&checksum(state));
    bytes
}

fn decode(bytes: &[u8]) -> Slot {
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Slot::Damaged(None) };
    let (fields, header_sum) = header.split_at(HEADER - 8);
    if !fields.starts_with(MAGIC) || checksum(fields) != header_sum {
        return Slot::Damaged(None);
    }
    let generation = number(&fields[8..16]);
    let length = usize::try_from(number(&fields[16..24])).unwrap_or(usize::MAX);
    match rest.split_at_checked(length) {
        Some((state, sum)) if checksum(state) == sum => Slot::Whole(generation, state.to_vec()),
        _ => Slot::Damaged(Some(generation)),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..8]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopen(folder: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        Store::open(folder).map(|(_, state)| state)
    }

    fn written(states: &[&[u8]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut store, _) = Store::open(folder.path()).expect("an empty folder opens");
        for state in states {
            store.write(state).expect("a state is written");
        }
        folder
    }

    fn damage(file: &Path, place: usize) {
        let mut bytes = std::fs::read(file).expect("the file is there");
        bytes[place] ^= 0x55;
        std::fs::write(file, bytes).expect("the file is writable");
    }

    #[test]
    fn a_new_folder_holds_nothing_and_then_what_was_written_last() {
        let folder = written(&[]);
        assert_eq!(reopen(folder.path()).expect("opens"), None);
        let folder = written(&[b"one", b"two", b"three"]);
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"three"[..]));
    }

    #[test]
    fn a_crash_while_writing_leaves_the_generation_before() {
        let folder = written(&[b"one", b"two"]);
        std::fs::write(folder.path().join("state.new"), b"MUSTERD1 torn").expect("writes");
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn a_damaged_older_generation_does_no_harm() {
        let folder = written(&[b"one", b"two"]);
        damage(&folder.path().join("state.1"), HEADER);
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn a_damaged_newest_generation_is_refused_and_named() {
        let folder = written(&[b"one", b"two"]);
        damage(&folder.path().join("state.0"), HEADER);
        let error = reopen(folder.path()).expect_err("the lost promise counts").to_string();
        assert!(error.contains("state.0 is damaged"), "{error}");
    }

    #[test]
    fn a_damaged_header_is_refused_because_it_may_be_the_newest() {
        let folder = written(&[b"one", b"two"]);
        damage(&folder.path().join("state.1"), 9);
        assert!(reopen(folder.path()).is_err());
    }

    #[test]
    fn a_file_cut_short_at_any_place_is_never_taken_for_whole() {
        let bytes = encode(7, b"a promise");
        for length in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..length]), Slot::Damaged(_)), "{length}");
        }
    }
}
