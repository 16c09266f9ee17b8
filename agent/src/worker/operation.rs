//! The operations that a step comes down to. A check makes them; hands carry them out, and in a check session
//! the overlay remembers what they would have done. One list for both is why a plan tells the truth.

use super::accounts::{Group, User};
use super::file::Time;
use super::overlay::UnitStart;
use super::packed::Packed;
use super::process::Command;
use muster_api::cluster::ClusterConfig;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One change of the host.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Puts a whole file in place.
    Put(Put),
    /// Copies a file beside itself, with the time in its name.
    BackUp { path: PathBuf, copy: PathBuf },
    /// Makes one directory, in a directory that exists.
    MakeDirectory { path: PathBuf },
    /// Removes whatever is there, with everything below it.
    Remove { path: PathBuf },
    /// Makes a symbolic link, or replaces one.
    Symlink { path: PathBuf, target: PathBuf },
    /// Makes a second name for a file, or replaces a file by it.
    Hardlink { path: PathBuf, target: PathBuf },
    /// Sets mode and owner of what is at the path itself.
    Set { path: PathBuf, attributes: Attributes },
    /// Sets times; `None` leaves one as it is.
    SetTimes { path: PathBuf, accessed: Option<Time>, modified: Option<Time> },
    /// Sets both times to the present, which takes no more than the right to write.
    Touch { path: PathBuf },
    /// Replaces the cluster's configuration, if it still is of that generation.
    Configure { config: Box<ClusterConfig>, expected_generation: u64 },
    /// Runs one of the host's own tools, after which these things hold.
    Run { command: Command, brings: Vec<Prediction> },
}

impl Operation {
    /// The sentence for an operation on a file that failed for this reason; [`Self::Put`] and [`Self::BackUp`] have more to say.
    pub(super) fn failed(&self, error: &dyn Display) -> String {
        let cannot = |act: &str, path: &Path| format!("cannot {act} `{}`: {error}", path.display());
        match self {
            Self::Put(Put { path, .. }) | Self::BackUp { path, .. } => cannot("write", path),
            Self::MakeDirectory { path } => format!("Error creating {}: {error}", path.display()),
            Self::Remove { path } => cannot("remove", path),
            Self::Symlink { path, .. } | Self::Hardlink { path, .. } => cannot("link", path),
            Self::Set { path, .. } => cannot("set owner or mode of", path),
            Self::SetTimes { path, .. } | Self::Touch { path } => cannot("set the times of", path),
            Self::Configure { .. } => format!("cannot configure the cluster: {error}"),
            Self::Run { command, .. } => format!("cannot run `{}`: {error}", command.line()),
        }
    }
}

/// A file to be put in place: a temporary file beside it, synced, accepted, renamed.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) path: PathBuf,
    pub(crate) content: Arc<[u8]>,
    /// What differs from the file that is there, or from a new file's owner and mode.
    pub(crate) attributes: Attributes,
    /// The command that must accept the file first; `%s` is its path.
    pub(crate) validate: Option<String>,
    /// Writes in place where a rename is impossible.
    pub(crate) may_write_in_place: bool,
}

/// Mode and owner to be set; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl Attributes {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What holds after one of the host's tools ran, as far as later steps ask for it.
#[derive(Debug, Clone)]
pub(crate) enum Prediction {
    /// A package is installed, in this version where it is known.
    Installed { name: String, version: Option<String> },
    /// A package is not installed.
    Removed { name: String },
    /// A unit does this.
    Unit { name: String, start: UnitStart },
    /// systemd has read its unit files.
    UnitsReloaded,
    /// The user is there and is this.
    User(User),
    /// No such user.
    NoUser(String),
    /// The group is there and is this.
    Group(Group),
    /// No such group.
    NoGroup(String),
    /// A port is open, or closed.
    Port { port: String, is_open: bool },
    /// The host's name.
    Hostname(String),
    /// A thing that only one module knows of (a mount, a connection, a database) is in this state; `None` where it is gone.
    Thing { kind: &'static str, name: String, state: Option<String> },
    /// The command also does this to the host's files.
    Also(Box<Operation>),
    /// What is at one path is at another then, where nothing was.
    Moved { from: PathBuf, to: PathBuf },
    /// A file is at this path; what is in it is known when the step is done, for this reason.
    Later { path: PathBuf, why: String },
    /// An archive is at this path; its bytes are known when it is packed.
    Packed { path: PathBuf, archive: Arc<Packed> },
    /// Whether and how this path is there is known when the step is done, for this reason.
    Perhaps { path: PathBuf, why: String },
}
