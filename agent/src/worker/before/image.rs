//! What is at a path: enough of it to bring it back, or only enough to know it again.

use super::FILE_MOST;
use crate::modules::sha256;
use crate::worker::View;
use crate::worker::file::{Kind, Stat, Time, lstat};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub(crate) enum Image {
    /// Nothing.
    Absent,
    /// A file.
    File {
        owned: Owned,
        size: u64,
        /// Of the content; none of one above the limit, which is known by its size and time.
        sha256: Option<String>,
        modified: (i64, i64),
        /// The content itself, where it is to be brought back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Content>,
    },
    /// A folder, without what is in it.
    Directory { owned: Owned },
    /// A symbolic link.
    Link { target: PathBuf },
    /// Something else, which cannot be brought back.
    Special { what: String },
}

/// Bytes, as base64 in a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Content(Vec<u8>);

/// Mode and owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owned {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl From<Content> for String {
    fn from(content: Content) -> Self {
        STANDARD.encode(content.0)
    }
}

impl TryFrom<String> for Content {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

impl Image {
    /// With the content of a file that is not too large.
    pub(super) fn whole(path: &Path) -> io::Result<Self> {
        Self::at(path, true)
    }

    /// Only what it takes to know it again.
    pub(crate) fn seen(path: &Path) -> io::Result<Self> {
        Self::at(path, false)
    }

    /// The same as a module sees it, in a dry run with what earlier steps would have changed.
    pub(crate) fn seen_by(view: &View<'_>, path: &Path) -> io::Result<Self> {
        Self::of(view.lstat(path)?, false, || view.read(path))
    }

    fn at(path: &Path, with_content: bool) -> io::Result<Self> {
        Self::of(lstat(path)?, with_content, || read_unnoticed(path))
    }

    fn of(
        stat: Option<Stat>,
        with_content: bool,
        read: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let Some(stat) = stat else { return Ok(Self::Absent) };
        let owned = Owned { mode: stat.mode, uid: stat.uid, gid: stat.gid };
        Ok(match stat.kind {
            Kind::File => Self::file(&stat, owned, with_content, read)?,
            Kind::Directory => Self::Directory { owned },
            Kind::Link => Self::Link { target: stat.target.unwrap_or_default() },
            other => Self::Special { what: other.word().to_owned() },
        })
    }

    fn file(
        stat: &Stat,
        owned: Owned,
        with_content: bool,
        read: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Self> {
        let bytes = (stat.size <= FILE_MOST).then(read).transpose()?;
        Ok(Self::File {
            owned,
            size: stat.size,
            sha256: bytes.as_deref().map(sha256),
            modified: (stat.modified.seconds, stat.modified.nanoseconds),
            content: bytes.filter(|_| with_content).map(Content),
        })
    }

    /// Whether nothing is there.
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The content, where it was kept.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        match self {
            Self::File { content: Some(content), .. } => Some(&content.0),
            _ => None,
        }
    }

    /// Mode and owner, of what has them.
    pub(crate) fn owned(&self) -> Option<Owned> {
        match self {
            Self::File { owned, .. } | Self::Directory { owned } => Some(*owned),
            Self::Absent | Self::Link { .. } | Self::Special { .. } => None,
        }
    }

    /// When a file was last written.
    pub(crate) fn modified(&self) -> Option<Time> {
        match self {
            Self::File { modified: (seconds, nanoseconds), .. } => {
                Some(Time { seconds: *seconds, nanoseconds: *nanoseconds })
            }
            _ => None,
        }
    }

    /// Whether everybody may read it.
    pub(crate) fn is_open(&self) -> bool {
        self.owned().is_none_or(|owned| owned.mode & 0o004 != 0)
    }

    /// Why it cannot be brought back; none where it can.
    pub(crate) fn obstacle(&self) -> Option<String> {
        match self {
            Self::File { content: None, size, .. } => {
                Some(format!("its {size} bytes were not kept: a file may have {} MiB", FILE_MOST >> 20))
            }
            Self::Special { what } => Some(format!("it was a {what}")),
            _ => None,
        }
    }

    /// Whether both are files with the same content.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { sha256: Some(one), .. }, Self::File { sha256: Some(other), .. }) => one == other,
            _ => false,
        }
    }

    /// Whether both are the same thing with the same content, mode and owner.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { owned, size, sha256: Some(sha256), .. },
                Self::File { owned: its_owned, size: its_size, sha256: Some(its_sha256), .. },
            ) => (owned, size, sha256) == (its_owned, its_size, its_sha256),
            (
                Self::File { owned, size, modified, sha256: None, .. },
                Self::File { owned: its_owned, size: its_size, modified: its_modified, sha256: None, .. },
            ) => (owned, size, modified) == (its_owned, its_size, its_modified),
            _ => self == other,
        }
    }

    /// The word for it.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Absent => "absent",
            Self::File { .. } => "file",
            Self::Directory { .. } => "directory",
            Self::Link { .. } => "link",
            Self::Special { what } => what,
        }
    }
}

/// A path and all below it, folders before what is in them.
pub(super) fn tree(path: &Path, most: usize) -> io::Result<Vec<(PathBuf, Image)>> {
    let mut all = vec![(path.to_owned(), Image::whole(path)?)];
    let mut next = 0;
    while let Some((folder, image)) = all.get(next) {
        next += 1;
        if !matches!(image, Image::Directory { .. }) {
            continue;
        }
        for entry in std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()? {
            let below = entry.path();
            all.push((below.clone(), Image::whole(&below)?));
        }
        if all.len() > most {
            return Err(io::Error::other(format!("more than {most} things are below it")));
        }
    }
    Ok(all)
}

/// The content, with the file's access time left as it is where the kernel lets this user do so: a step may have just set it.
fn read_unnoticed(path: &Path) -> io::Result<Vec<u8>> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file =
        open(path, flags | OFlags::NOATIME, Mode::empty()).or_else(|_| open(path, flags, Mode::empty()))?;
    let mut content = Vec::new();
    std::fs::File::from(file).read_to_end(&mut content)?;
    Ok(content)
}
