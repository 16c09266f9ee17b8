//! Everything that happens in a run. Renderers show it; nothing else is shown.

use super::custom_stats::CustomStats;
use crate::run::result::TaskResult;
use indexmap::IndexMap;
use serde::Serialize;
use std::sync::mpsc;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A playbook begins.
    Playbook { path: String, plays: usize },
    /// A play begins, for these hosts.
    Play { name: String, hosts: Vec<String>, check: bool },
    /// A play has no hosts.
    NoHosts { why: &'static str },
    /// A task begins.
    Task {
        name: String,
        is_handler: bool,
        /// `file:line:column`.
        place: String,
        /// On how many hosts.
        hosts: usize,
    },
    /// A host begins a task.
    Started { host: String, task: String },
    /// A worker is started, by this command line.
    Worker { host: String, line: String },
    /// A step in the background was asked about.
    Polled { host: String, text: String },
    /// Something that a person wants to see while a host is busy.
    Progress { host: String, text: String },
    /// An attempt failed, another follows.
    Retrying { host: String, task: String, attempts_left: u64 },
    /// A node goes down for a rolling change, or is back from it.
    Rolling { host: String, text: String },
    /// One item of a loop is done.
    Item {
        host: String,
        #[serde(serialize_with = "shown")]
        result: Box<TaskResult>,
    },
    /// A host is done with a task.
    Done {
        host: String,
        task: String,
        #[serde(serialize_with = "shown")]
        result: Box<TaskResult>,
    },
    /// Tasks were brought in.
    Included {
        what: String,
        hosts: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
    /// The course of the play was changed: `meta`.
    Meta { text: String, skipped_on: Option<String> },
    /// All hosts of the play are out.
    NoHostsLeft,
    /// A question to the user.
    Prompt { text: String },
    /// Something to look at.
    Warning { text: String },
    /// The run is being stopped.
    Stopping { text: String },
    /// The end, with what was counted for each host.
    Recap {
        hosts: IndexMap<String, Stats>,
        #[serde(skip_serializing_if = "Option::is_none")]
        custom: Option<CustomStats>,
        seconds: f64,
    },
}

/// A result without what must not be shown.
fn shown<S: serde::Serializer>(result: &TaskResult, serializer: S) -> Result<S::Ok, S::Error> {
    if !result.no_log && result.facts.is_empty() {
        return result.serialize(serializer);
    }
    if !result.no_log {
        let facts = serde_json::Value::Object((*result.facts).clone());
        let mut whole = result.clone();
        whole.result.insert("ansible_facts".into(), facts);
        return whole.serialize(serializer);
    }
    let hidden = TaskResult {
        result: result.shown(),
        diffs: Vec::new(),
        warnings: Vec::new(),
        label: result.label.as_ref().map(|_| "(censored due to no_log)".to_owned()),
        ..result.clone()
    };
    hidden.serialize(serializer)
}

/// What is counted for a host: the fields of Ansible's recap, and what only a plan has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stats {
    pub(crate) ok: u64,
    pub(crate) changed: u64,
    pub(crate) unreachable: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) rescued: u64,
    pub(crate) ignored: u64,
    /// In a dry run: what depends on what is not known.
    pub(crate) unknown: u64,
}

/// Where events go.
#[derive(Debug, Clone)]
pub(crate) struct Events(mpsc::Sender<Event>);

impl Events {
    /// A way in, and the end at which they come out.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel();
        (Self(sender), receiver)
    }

    /// Tells one.
    pub(crate) fn tell(&self, event: Event) {
        // Where nobody listens any more there is nobody to tell.
        let _ = self.0.send(event);
    }
}
