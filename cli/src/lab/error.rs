//! What can go wrong with a lab: each variant is one failed act, with what to do next in [`LabError::hint`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::prerequisites::Missing;

pub(crate) type Result<T> = std::result::Result<T, LabError>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    #[error("this machine cannot run a lab yet; missing: {}", list(.0))]
    Missing(Vec<Missing>),

    #[error("cannot {act} `{path}`", path = path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },

    #[error("cannot start `{program}`")]
    Start { program: String, source: io::Error },

    #[error("`{command}` failed ({status})")]
    Tool {
        command: String,
        status: std::process::ExitStatus,
        #[source]
        said: Said,
    },

    #[error("cannot read `{path}`, which describes the lab", path = path.display())]
    State { path: PathBuf, source: serde_json::Error },

    #[error("the lab name `{name}` {why}")]
    Name { name: String, why: &'static str },

    #[error("there is no lab `{name}`")]
    NoSuchLab { name: String, known: Vec<String> },

    #[error("the lab `{lab}` has no node `{node}`")]
    NoSuchNode { lab: String, node: String, known: Vec<String> },

    #[error("the lab `{lab}` is there already, with other settings: {differences}")]
    Differs { lab: String, differences: String },

    #[error("the node `{node}` of the lab `{lab}` is {state}")]
    NodeIs { lab: String, node: String, state: &'static str, hint: &'static str },

    #[error("the node `{node}` did not {what} within {} s", waited.as_secs())]
    NotInTime { node: String, what: &'static str, waited: Duration, console: PathBuf },

    #[error("processes of `{group}` are still there {} s after they were killed", waited.as_secs())]
    Unkillable { group: PathBuf, waited: Duration },

    #[error(
        "no free network found for the lab: every candidate overlaps an address or route of this machine"
    )]
    NoFreeNetwork,

    #[error("the base image could not be built ({status})")]
    BaseImage {
        status: std::process::ExitStatus,
        log: PathBuf,
        #[source]
        said: Said,
    },

    #[error("the power switch of the lab `{lab}` did not start: {why}")]
    Switch { lab: String, why: String, log: PathBuf },

    #[error("the certificate of the power switch could not be made")]
    Certificate(#[from] rcgen::Error),

    #[error("{0}")]
    Usage(String),

    #[error("interrupted")]
    Interrupted,

    #[error("{first}; and cleaning up failed too: {second}")]
    AndCleanup { first: Box<Self>, second: Box<Self> },
}

/// What a failed program wrote, as the cause of the failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Said(pub(crate) String);

impl LabError {
    pub(crate) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { act, path: path.to_owned(), source }
    }

    /// The causes, from the nearest to the root.
    pub(crate) fn full_cause(&self) -> Option<String> {
        if let Self::AndCleanup { first, .. } = self {
            return first.full_cause();
        }
        let nearest = std::error::Error::source(self);
        let causes: Vec<String> =
            std::iter::successors(nearest, |cause| cause.source()).map(ToString::to_string).collect();
        (!causes.is_empty()).then(|| causes.join(": "))
    }

    /// Whether it ends because somebody wanted it to end.
    pub(crate) fn is_interruption(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::AndCleanup { first, .. } => first.is_interruption(),
            _ => false,
        }
    }

    /// What the reader can do about it, where there is something better than reading the cause.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(missing) => Some(super::prerequisites::remedy(missing)),
            Self::State { .. } => Some("`muster lab down` removes the lab whatever this file says".into()),
            Self::NoSuchLab { known, .. } if known.is_empty() => {
                Some("make one: muster lab up --nodes 2".into())
            }
            Self::NoSuchLab { known, .. } => Some(format!("labs on this machine: {}", known.join(", "))),
            Self::NoSuchNode { known, .. } => Some(format!("its nodes: {}", known.join(", "))),
            Self::Differs { lab, .. } => {
                Some(format!("remove it (muster lab down --name {lab}), or choose another --name"))
            }
            Self::NodeIs { hint, .. } => Some((*hint).into()),
            Self::NotInTime { console, .. } => Some(format!("its console: {}", console.display())),
            Self::NoFreeNetwork => Some("remove labs that are not needed (muster lab status)".into()),
            Self::BaseImage { log, .. } => Some(format!("the whole log: {}", log.display())),
            Self::Switch { log, .. } => Some(format!("its log: {}", log.display())),
            Self::AndCleanup { .. } => Some("try again: muster lab down".into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it with sudo".into())
            }
            Self::Io { act: "bind the power switch to", .. } => {
                Some("another program listens there on all addresses".into())
            }
            _ => None,
        }
    }
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(|missing| missing.what.as_str()).collect::<Vec<_>>().join("; ")
}
