//! How one run of a resource agent ended.

use muster_api::history::{OpStatus, rc};

/// The end of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Whether the agent ended by itself.
    pub(crate) status: OpStatus,
    /// Its OCF exit code, where it did.
    pub(crate) rc: Option<u8>,
    /// What it said about a failure.
    pub(crate) reason: String,
}

impl Ended {
    /// It went well.
    pub(crate) fn ok() -> Self {
        Self::with(rc::OK, "")
    }

    /// A monitor found it cleanly stopped.
    pub(crate) fn not_running() -> Self {
        Self::with(rc::NOT_RUNNING, "")
    }

    /// An unspecified failure.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::with(rc::ERROR, reason)
    }

    /// The agent ended with this code.
    pub(crate) fn with(rc: u8, reason: impl Into<String>) -> Self {
        Self { status: OpStatus::Done, rc: Some(rc), reason: reason.into() }
    }

    /// It was ended because its time was over.
    pub(crate) fn timed_out(reason: impl Into<String>) -> Self {
        Self { status: OpStatus::TimedOut, rc: None, reason: reason.into() }
    }

    /// It could not be run.
    pub(crate) fn not_run(rc: u8, reason: impl Into<String>) -> Self {
        Self { status: OpStatus::Error, rc: Some(rc), reason: reason.into() }
    }

    /// Whether the resource is active after it (a monitor that found it degraded still found it).
    pub(crate) fn is_active(&self) -> bool {
        self.status == OpStatus::Done
            && matches!(self.rc, Some(rc::OK | rc::RUNNING_PROMOTED | rc::DEGRADED | rc::DEGRADED_PROMOTED))
    }
}
