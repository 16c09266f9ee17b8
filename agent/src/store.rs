//! What the node must remember over a crash, as real files. Which of them counts is decided by `muster_core::store`, which the
//! simulator tries with disks that lose and reorder writes; here is what a folder does, and what a person is told.

use muster_core::store::{self, Folder, Unusable};
use ring::digest::{SHA256, digest};
use rustix::fs::{self, Mode, OFlags};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The folder with the two generations.
#[derive(Debug)]
pub(crate) struct Store(store::Store<Files>);

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
         reboot this node, so that it joins as a new one on which nothing is left running"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// Written in a format that this version does not know.
    #[error(
        "the agent's state {file} has format {found}, and this version reads format {known}: a newer agent wrote it, and \
         what it promised cannot be read here; install that version again; or, while the other nodes are up and \
         quorate, stop this agent, remove {folder} and reboot this node, so that it joins as a new one on which nothing is \
         left running"
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Of the file.
        found: char,
        /// The newest that is known here.
        known: char,
        /// The folder.
        folder: PathBuf,
    },
}

impl Store {
    /// Opens the folder, makes it where it is missing, and reads the newest state in it.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        let unreadable = |source| StoreError::Unreadable { folder: folder.to_path_buf(), source };
        std::fs::create_dir_all(folder).map_err(unreadable)?;
        let opened = store::Store::open(Files { folder: folder.to_path_buf() });
        let (store, state) = opened.map_err(|why| StoreError::of(why, folder))?;
        Ok((Self(store), state))
    }

    /// Replaces the state. It is on disk when this returns; after an error the one before may still count.
    pub(crate) fn write(&mut self, state: &[u8]) -> io::Result<()> {
        self.0.write(state)
    }
}

impl StoreError {
    fn of(why: Unusable<io::Error>, folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        match why {
            Unusable::Folder(source) => Self::Unreadable { folder, source },
            Unusable::Damaged { file } => Self::Damaged { file: folder.join(file), folder },
            Unusable::Newer { file, found, known } => {
                Self::Newer { file: folder.join(file), found, known, folder }
            }
        }
    }
}

/// A folder of the host.
#[derive(Debug)]
struct Files {
    folder: PathBuf,
}

impl Folder for Files {
    type Error = io::Error;

    fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.folder.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::from(fs::open(
            self.folder.join(file),
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o600),
        )?);
        file.write_all(bytes)
    }

    fn keep_content(&mut self, file: &str) -> io::Result<()> {
        File::open(self.folder.join(file))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn keep_names(&mut self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn checksum(bytes: &[u8]) -> [u8; 8] {
        let mut sum = [0; 8];
        sum.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..8]);
        sum
    }
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

    /// What is said once the newest file has this content.
    fn said_of(content: &[u8]) -> String {
        let folder = written(&[b"one", b"two"]);
        std::fs::write(folder.path().join("state.0"), content).expect("the file is writable");
        reopen(folder.path()).expect_err("the lost promise counts").to_string()
    }

    fn newest() -> Vec<u8> {
        let folder = written(&[b"one", b"two"]);
        std::fs::read(folder.path().join("state.0")).expect("the second generation")
    }

    #[test]
    fn a_new_folder_holds_nothing_and_then_what_was_written_last() {
        let folder = written(&[]);
        assert_eq!(reopen(folder.path()).expect("opens"), None);
        let folder = written(&[b"one", b"two", b"three"]);
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"three"[..]));
    }

    #[test]
    fn a_file_that_was_torn_anywhere_before_it_had_its_name_leaves_the_generation_before() {
        let folder = written(&[b"one", b"two"]);
        let next = newest();
        for length in 0..=next.len() {
            std::fs::write(folder.path().join(store::BESIDE), &next[..length]).expect("writes");
            assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"two"[..]), "{length}");
        }
        let (mut store, _) = Store::open(folder.path()).expect("opens");
        store.write(b"three").expect("what is in the way is replaced");
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"three"[..]));
    }

    #[test]
    fn a_newest_generation_that_is_cut_short_anywhere_is_refused_and_named() {
        let whole = newest();
        for length in 0..whole.len() {
            let said = said_of(&whole[..length]);
            assert!(
                said.contains("state.0 is damaged") && said.contains("restore the file"),
                "{length}: {said}"
            );
        }
    }

    #[test]
    fn a_bit_that_flips_anywhere_in_the_newest_generation_is_noticed() {
        let whole = newest();
        for place in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[place / 8] ^= 1 << (place % 8);
            let said = said_of(&bytes);
            assert!(said.contains("state.0"), "{place}: {said}");
        }
    }

    #[test]
    fn a_damaged_older_generation_does_no_harm() {
        let folder = written(&[b"one", b"two"]);
        let file = folder.path().join("state.1");
        let mut bytes = std::fs::read(&file).expect("the first generation");
        *bytes.last_mut().expect("it is not empty") ^= 0x55;
        std::fs::write(&file, bytes).expect("the file is writable");
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn a_newer_format_is_refused_with_what_to_do() {
        let said = said_of(b"MUSTERD2 and more");
        assert!(said.contains("state.0 has format 2, and this version reads format 1"), "{said}");
        assert!(said.contains("install that version again"), "{said}");
    }

    #[test]
    fn the_files_of_the_first_release_are_read() {
        // Magic, generation 1, length 3, checksum, `one`, checksum: SHA-256 cut to 8 bytes.
        let hex = "4d5553544552443101000000000000000300000000000000";
        let mut bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect();
        let sum = Files::checksum(&bytes);
        bytes.extend_from_slice(&sum);
        bytes.extend_from_slice(b"one\x76\x92\xc3\xad\x35\x40\xbb\x80");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("state.1"), bytes).expect("writes");
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"one"[..]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_the_state_stays() {
        let folder = written(&[b"one"]);
        let (mut store, _) = Store::open(folder.path()).expect("opens");
        // A folder is in the way of the file.
        std::fs::create_dir(folder.path().join(store::BESIDE)).expect("makes a folder");
        store.write(b"two").expect_err("there is no place for it");
        assert_eq!(reopen(folder.path()).expect("opens").as_deref(), Some(&b"one"[..]));
    }
}
