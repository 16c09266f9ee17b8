//! What a module would change: typed before and after. One object, several renderers.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The changes to one thing on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The kind of thing: `file`, `package`, `service`, `user`, `group`, `firewall`, `cluster`, …
    pub kind: String,
    /// Its name: a path, a package name, a unit.
    pub name: String,
    /// What changes; empty where nothing does.
    pub changes: Vec<Change>,
}

/// One change of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// It comes into being or goes away.
    Presence {
        /// What it was (`absent`, `file`, `1.2-3`).
        before: String,
        /// What it becomes.
        after: String,
    },
    /// Its content changes.
    Content {
        /// The old content.
        before: Content,
        /// The new content.
        after: Content,
    },
    /// One of its attributes changes.
    Attribute {
        /// `mode`, `owner`, `state`, `enabled`, `version`, …
        attribute: String,
        /// The old value; `None` where it had none.
        before: Option<String>,
        /// The new value; `None` where it will have none.
        after: Option<String>,
    },
}

/// The content of a file in a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "content")]
pub enum Content {
    /// There is no such file.
    Absent,
    /// Text, whole.
    Text {
        /// The text.
        text: String,
    },
    /// Not text, or too large to show.
    Opaque {
        /// Bytes.
        size: u64,
        /// Lower-case hexadecimal SHA-256.
        sha256: String,
    },
    /// It must not be shown.
    Secret,
}
