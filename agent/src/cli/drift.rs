//! `musterd drift`: whether the running agent has what is on this node's disk.

use super::Output;
use super::answer::{Failure, ask, print, print_json};
use muster_api::control::{Request, Response};
use std::path::Path;

/// Prints what differs, a line for each; nothing where nothing does.
pub(super) fn show(socket: &Path, output: Output) -> Result<(), Failure> {
    let Response::Disk { differences } = ask(socket, &Request::CompareDisk)? else {
        return Err(Failure::Unexpected);
    };
    match output {
        Output::Json => print_json(&differences),
        Output::Text => {
            differences.iter().for_each(|difference| print(&format!("{difference}\n")));
            Ok(())
        }
    }
}
