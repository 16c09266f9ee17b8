//! How a node's state lies on a disk so that a crash at any moment leaves a state that counts: in two generations, each in a
//! file of its own (`state.0`, `state.1`, written in turn), complete before it gets its name. It is written beside, its content is
//! made to last, then it is renamed, and the name is made to last. What a folder is, is left to whoever has one:
//! the agent has real files, the simulator those of a disk that loses all that was not made to last.
//!
//! A crash therefore leaves the last complete generation, and one that is not complete was never answered for. A file that has
//! its name and does not match its checksum was damaged later. The other generation may stand in for it only where it is
//! known to be newer: an older one may lack a promise that others rely on, and then it is refused.
//!
//! Format: `MUSTERD` and the digit of the format, generation (u64), length (u64), checksum of those, the state, checksum of the
//! state. Numbers are little endian, checksums 8 bytes.

use crate::planted::{Bug, planted};
use alloc::string::String;
use alloc::vec::Vec;

const MAGIC: &[u8; 7] = b"MUSTERD";
/// The digit of the format that is written.
const FORMAT: u8 = b'1';
const HEADER: usize = 8 + 8 + 8 + 8;
/// Where a generation is written before it gets its name.
pub const BESIDE: &str = "state.new";
const SLOTS: [&str; 2] = ["state.0", "state.1"];

/// A folder on a disk.
pub trait Folder {
    /// Why something did not work.
    type Error;
    /// The content of a file, where there is one of that name.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, Self::Error>;
    /// Replaces a file's content. A crash may leave a part of it, or nothing.
    ///
    /// # Errors
    ///
    /// It cannot be written; what is in the file then is not known.
    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Self::Error>;
    /// The content of that file survives a crash from now on.
    ///
    /// # Errors
    ///
    /// It may not survive one.
    fn keep_content(&mut self, file: &str) -> Result<(), Self::Error>;
    /// Gives a file another name; a file that had that name is gone.
    ///
    /// # Errors
    ///
    /// Nothing has changed.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), Self::Error>;
    /// The names survive a crash from now on.
    ///
    /// # Errors
    ///
    /// They may not survive one.
    fn keep_names(&mut self) -> Result<(), Self::Error>;
    /// Of some bytes: other bytes have another one.
    fn checksum(bytes: &[u8]) -> [u8; 8];
}

/// Why a state that is there is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable<E> {
    /// The folder said no.
    Folder(E),
    /// The newest generation is damaged, or could be.
    Damaged {
        /// The file.
        file: String,
    },
    /// Written in a format that this version does not know.
    Newer {
        /// The file.
        file: String,
        /// The digit of its format.
        found: char,
        /// The newest that is known here.
        known: char,
    },
}

/// A folder with the two generations.
#[derive(Debug)]
pub struct Store<F> {
    folder: F,
    generation: u64,
}

/// A store, and the newest state that is in it.
pub type Opened<F> = (Store<F>, Option<Vec<u8>>);

/// What one file holds.
enum Slot {
    Absent,
    /// The generation is known where the header is whole.
    Damaged(Option<u64>),
    Newer(char),
    Whole(u64, Vec<u8>),
}

impl<F: Folder> Store<F> {
    /// Reads the newest state in a folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or what is in it must not be used. Nothing was changed.
    pub fn open(folder: F) -> Result<Opened<F>, Unusable<F::Error>> {
        let slots = [read::<F>(&folder, SLOTS[0])?, read::<F>(&folder, SLOTS[1])?];
        let newest = newest(slots)?;
        let generation = newest.as_ref().map_or(0, |(generation, _)| *generation);
        Ok((Self { folder, generation }, newest.map(|(_, state)| state)))
    }

    /// Replaces the state. It survives a crash when this returns.
    ///
    /// # Errors
    ///
    /// The folder said no; after a crash the state before may count, or the new one.
    pub fn write(&mut self, state: &[u8]) -> Result<(), F::Error> {
        let generation = self.generation + 1;
        self.folder.write(BESIDE, &encode::<F>(generation, state))?;
        if !planted(Bug::StateNamedEarly) {
            self.folder.keep_content(BESIDE)?;
        }
        self.folder.rename(BESIDE, SLOTS[usize::from(generation % 2 == 1)])?;
        self.folder.keep_names()?;
        self.generation = generation;
        Ok(())
    }

    /// The folder, as it is.
    pub fn folder(&self) -> &F {
        &self.folder
    }

    /// The folder, for whoever spoils it.
    pub fn folder_mut(&mut self) -> &mut F {
        &mut self.folder
    }
}

fn read<F: Folder>(folder: &F, file: &str) -> Result<Slot, Unusable<F::Error>> {
    let bytes = folder.read(file).map_err(Unusable::Folder)?;
    Ok(bytes.map_or(Slot::Absent, |bytes| decode::<F>(&bytes)))
}

fn newest<E>(slots: [Slot; 2]) -> Result<Option<(u64, Vec<u8>)>, Unusable<E>> {
    let newer =
        |slot: usize, found| Unusable::Newer { file: SLOTS[slot].into(), found, known: FORMAT.into() };
    let damaged = |slot: usize| Unusable::Damaged { file: SLOTS[slot].into() };
    match slots {
        [Slot::Newer(found), _] => Err(newer(0, found)),
        [_, Slot::Newer(found)] => Err(newer(1, found)),
        [Slot::Absent, Slot::Absent] => Ok(None),
        [Slot::Whole(generation, state), Slot::Absent] | [Slot::Absent, Slot::Whole(generation, state)] => {
            Ok(Some((generation, state)))
        }
        [Slot::Whole(left, state), Slot::Whole(right, _)] if left > right => Ok(Some((left, state))),
        [Slot::Whole(..), Slot::Whole(right, state)] => Ok(Some((right, state))),
        // The damaged one is known to be the older one: nothing that counts was in it.
        [Slot::Damaged(Some(lost)), Slot::Whole(kept, state)]
        | [Slot::Whole(kept, state), Slot::Damaged(Some(lost))]
            if lost < kept =>
        {
            Ok(Some((kept, state)))
        }
        [Slot::Damaged(_), _] => Err(damaged(0)),
        [_, Slot::Damaged(_)] => Err(damaged(1)),
    }
}

fn encode<F: Folder>(generation: u64, state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + state.len() + 8);
    bytes.extend_from_slice(MAGIC);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&(state.len() as u64).to_le_bytes());
    let header_sum = F::checksum(&bytes);
    bytes.extend_from_slice(&header_sum);
    bytes.extend_from_slice(state);
    bytes.extend_from_slice(&F::checksum(state));
    bytes
}

fn decode<F: Folder>(bytes: &[u8]) -> Slot {
    if let Some([digit, ..]) = bytes.strip_prefix(MAGIC)
        && *digit > FORMAT
        && digit.is_ascii_digit()
    {
        return Slot::Newer((*digit).into());
    }
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Slot::Damaged(None) };
    let (fields, header_sum) = header.split_at(HEADER - 8);
    if !fields.starts_with(MAGIC) || fields[7] != FORMAT || F::checksum(fields) != header_sum {
        return Slot::Damaged(None);
    }
    let generation = number(&fields[8..16]);
    let length = usize::try_from(number(&fields[16..24])).unwrap_or(usize::MAX);
    match rest.split_at_checked(length) {
        Some((state, sum)) if F::checksum(state) == sum => Slot::Whole(generation, state.to_vec()),
        _ => Slot::Damaged(Some(generation)),
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// A folder that never crashes.
    #[derive(Debug, Default, Clone)]
    struct Drawer(BTreeMap<String, Vec<u8>>);

    impl Folder for Drawer {
        type Error = core::convert::Infallible;

        fn read(&self, file: &str) -> Result<Option<Vec<u8>>, Self::Error> {
            Ok(self.0.get(file).cloned())
        }

        fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Self::Error> {
            self.0.insert(file.into(), bytes.to_vec());
            Ok(())
        }

        fn keep_content(&mut self, _: &str) -> Result<(), Self::Error> {
            Ok(())
        }

        fn rename(&mut self, from: &str, to: &str) -> Result<(), Self::Error> {
            let content = self.0.remove(from).unwrap_or_default();
            self.0.insert(to.into(), content);
            Ok(())
        }

        fn keep_names(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }

        fn checksum(bytes: &[u8]) -> [u8; 8] {
            let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix).to_le_bytes()
        }
    }

    fn written(states: &[&[u8]]) -> Drawer {
        let (mut store, _) = Store::open(Drawer::default()).expect("an empty folder can be read");
        states.iter().for_each(|state| store.write(state).expect("nothing can go wrong"));
        store.folder().clone()
    }

    fn found(folder: Drawer) -> Result<Option<Vec<u8>>, Unusable<core::convert::Infallible>> {
        Store::open(folder).map(|(_, state)| state)
    }

    #[test]
    fn what_was_written_last_is_found() {
        assert_eq!(found(written(&[])), Ok(None));
        assert_eq!(found(written(&[b"one", b"two", b"three"])), Ok(Some(b"three".to_vec())));
    }

    #[test]
    fn another_value_at_any_place_of_the_newest_generation_is_refused() {
        let whole = written(&[b"one", b"two"]);
        for (place, value) in
            (0..whole.0["state.0"].len()).flat_map(|place| (1..=255).map(move |value| (place, value)))
        {
            let mut folder = whole.clone();
            folder.0.get_mut("state.0").expect("the second generation")[place] ^= value;
            let error = found(folder).expect_err("a promise may be lost with it");
            let is_named = matches!(&error, Unusable::Damaged { file } | Unusable::Newer { file, .. } if file == "state.0");
            assert!(is_named, "{place}: {error:?}");
        }
    }

    #[test]
    fn another_value_in_the_older_generation_never_brings_it_back() {
        let whole = written(&[b"one", b"two"]);
        for place in 0..whole.0["state.1"].len() {
            let mut folder = whole.clone();
            folder.0.get_mut("state.1").expect("the first generation")[place] ^= 0x55;
            assert!(!matches!(found(folder), Ok(None)), "{place}");
        }
    }

    #[test]
    fn a_newest_generation_that_was_cut_short_anywhere_is_refused() {
        let whole = written(&[b"one", b"two"]);
        for length in 0..whole.0["state.0"].len() {
            let mut folder = whole.clone();
            folder.0.get_mut("state.0").expect("the second generation").truncate(length);
            assert_eq!(found(folder), Err(Unusable::Damaged { file: "state.0".into() }), "{length}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_its_name() {
        let mut folder = written(&[b"one", b"two"]);
        folder.0.insert("state.1".into(), b"MUSTERD7 and what nobody here can read".to_vec());
        assert_eq!(found(folder), Err(Unusable::Newer { file: "state.1".into(), found: '7', known: '1' }));
    }
}
