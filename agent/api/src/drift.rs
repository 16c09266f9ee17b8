//! What a node says of itself where its disk and its memory differ: somebody changed a file and told the agent nothing, or the agent
//! refused it. A node attribute, so that every member knows of it, and no packet of an earlier version is another one by that.

use crate::id::NodeName;
use alloc::format;
use alloc::string::String;

/// The node attribute: a sentence for each file that differs; not set where none does.
pub const ATTRIBUTE: &str = "#drift";

/// What a person is told of a node that has it.
pub fn sentence(node: &NodeName, differences: &str) -> String {
    format!("{node}: {differences}: `musterd reload` there, or put the file back")
}
