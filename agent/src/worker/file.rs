//! What a file is, as lstat(2) tells it.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

/// What lstat(2) tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    /// Permissions with set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) device_type: u64,
    pub(crate) links: u64,
    pub(crate) blocks: u64,
    pub(crate) block_size: u64,
    /// Where a link points to.
    pub(crate) target: Option<PathBuf>,
}

impl Time {
    pub(crate) fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos().into(),
        }
    }

    pub(crate) fn as_seconds(self) -> f64 {
        self.seconds as f64 + self.nanoseconds as f64 / 1e9
    }
}

impl Kind {
    /// The word that Ansible's `file` and `stat` use for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "link",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
        }
    }

    fn of(kind: std::fs::FileType) -> Self {
        if kind.is_symlink() {
            Self::Link
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_fifo() {
            Self::Fifo
        } else if kind.is_socket() {
            Self::Socket
        } else if kind.is_char_device() {
            Self::CharacterDevice
        } else if kind.is_block_device() {
            Self::BlockDevice
        } else {
            Self::File
        }
    }
}

impl Stat {
    /// A thing that this worker would make now.
    pub(crate) fn new(kind: Kind, mode: u32) -> Self {
        let now = Time::now();
        Self {
            kind,
            mode,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            size: 0,
            accessed: now,
            modified: now,
            changed: now,
            inode: 0,
            device: 0,
            device_type: 0,
            links: 1,
            blocks: 0,
            block_size: 4096,
            target: None,
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    pub(crate) fn is_link(&self) -> bool {
        self.kind == Kind::Link
    }

    /// `0644`.
    pub(crate) fn octal(&self) -> String {
        format!("{:04o}", self.mode)
    }
}

/// What is at the path itself; `None` where nothing is.
pub(super) fn lstat(path: &Path) -> io::Result<Option<Stat>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => {
            let target = metadata.is_symlink().then(|| std::fs::read_link(path)).transpose()?;
            Ok(Some(from_metadata(&metadata, target)))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the error says that nothing is there. Nothing can be under a name that is too long for the file system.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

fn from_metadata(metadata: &Metadata, target: Option<PathBuf>) -> Stat {
    let time = |seconds, nanoseconds| Time { seconds, nanoseconds };
    Stat {
        kind: Kind::of(metadata.file_type()),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: metadata.size(),
        accessed: time(metadata.atime(), metadata.atime_nsec()),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        device: metadata.dev(),
        device_type: metadata.rdev(),
        links: metadata.nlink(),
        blocks: metadata.blocks(),
        block_size: metadata.blksize(),
        target,
    }
}
