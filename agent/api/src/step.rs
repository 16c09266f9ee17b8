//! What the controller can tell an agent to do on a host.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A task made concrete for one host: everything is rendered, validated and converted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Counts up within one session; the outcome carries it.
    pub id: u64,
    /// The bare module name.
    pub module: String,
    /// The arguments as `module::coerce` made them.
    pub args: Map<String, Value>,
    /// Only predict: nothing is written on the host.
    pub check: bool,
    /// The outcome shall carry contents before and after.
    pub diff: bool,
    /// Arguments, contents and results must not be shown anywhere.
    pub no_log: bool,
    /// Environment of the commands that the module runs.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The content that `copy` and `template` put in place, by hash; the worker asks for it where the host
    /// does not have it.
    #[serde(default)]
    pub content: Option<ContentRef>,
    /// It runs beside other steps, in a process of its own: the outcome only says which job it is (`async`).
    #[serde(default)]
    pub background: bool,
    /// Milliseconds after which the step is ended and fails; `None` is no limit.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// The handlers that are due once this step has changed something: noted on the host before it does.
    #[serde(default)]
    pub notifies: Option<Due>,
    /// Whether a corosync.conf is shown to corosync itself, where that is installed on the host.
    #[serde(default, skip_serializing_if = "Shows::is_nothing")]
    pub shows_corosync: Shows,
    /// In a plan: that it is not known whether the step is done, or with which arguments.
    #[serde(default)]
    pub perhaps: Option<Perhaps>,
}

/// Which corosync.conf is shown to corosync itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shows {
    /// None.
    #[default]
    Nothing,
    /// One that the step would write: where corosync refuses it, the step fails before it writes.
    BeforeWrite,
    /// Also one that is as it shall be; the outcome tells, and the step goes on.
    Always,
}

impl Shows {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// What is not known of a step of a plan. It is not answered for; what it may change is known no more to the steps after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perhaps {
    /// Why.
    pub why: String,
    /// Arguments are left out, as they are not known.
    pub lacks_arguments: bool,
    /// The account of the plan as which it would be done, where the worker is another user's: `~` is the home of that account.
    pub done_as: Option<String>,
}

/// Handlers of a play that have to run on a host because something was changed there, and have not run well yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// The file of the play and its name.
    pub play: String,
    /// What was notified: names of handlers, or topics that they listen to.
    pub handlers: BTreeSet<String>,
}

/// A content by its hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentRef {
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}
