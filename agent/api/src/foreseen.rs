//! What the steps of a dry run would have left of the files of the controller's own machine: lookups and tasks that read
//! there see it.

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// One thing that a step would have done; paths have no links in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Foreseen {
    /// Nothing is there, nor below.
    Absent {
        /// Where.
        path: String,
    },
    /// A folder.
    Folder {
        /// Where.
        path: String,
        /// Nothing of a folder that really is there shows through.
        is_fresh: bool,
    },
    /// A symbolic link.
    Link {
        /// Where.
        path: String,
        /// What it points to, as it is written in it.
        target: String,
    },
    /// A file with this content.
    File {
        /// Where.
        path: String,
        /// In base64.
        content: String,
    },
    /// A file with the content that another one really has.
    SameAs {
        /// Where.
        path: String,
        /// The other one.
        real: String,
    },
    /// A file whose content is known when the step is done.
    Later {
        /// Where.
        path: String,
        /// Why.
        why: String,
    },
    /// Whether anything is there is known when the step is done.
    Perhaps {
        /// Where.
        path: String,
        /// Why.
        why: String,
    },
    /// A step was not run, and nobody knows what it would have left behind.
    Doubt {
        /// Why.
        why: String,
    },
}
