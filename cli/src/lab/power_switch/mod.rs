//! The power switch of a lab: one device with an outlet for each node, which fence agents reach over Redfish
//! on the lab's bridge.
//!
//! It is a process of its own, started by `lab up`. It keeps no state: whether a node has power is asked of
//! the kernel, and every change is made under the node's lock, so that requests that race are carried out one
//! after the other, whether they come over the network or from the command line.

mod certificate;
pub(crate) mod log;
mod redfish;
mod reset;
mod server;
mod sessions;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::Lab;
use super::cgroup::Cgroup;
use super::error::{LabError, Result};
use super::node::this_program;
use super::state::LabFiles;

pub(crate) use certificate::make_certificate;
pub(crate) use reset::{Reset, record, switch};
pub(crate) use server::serve;

/// Where the switch listens, on the host's address of the first link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) https: u16,
    pub(crate) http: u16,
}

/// Ports that are tried first. Not the usual ones of web servers: while a lab listens on its own address, no
/// other program can have the port on all addresses.
pub(crate) const USUAL_PORTS: Ports = Ports { https: 7443, http: 7080 };

/// The process group of the switch. No node can have this name.
pub(crate) fn group(lab: &Lab) -> Cgroup {
    lab.group.child(".switch")
}

pub(crate) fn is_running(lab: &Lab) -> bool {
    group(lab).is_populated()
}

/// Starts the switch in a process of its own, and returns where it listens when it does.
pub(crate) fn start(lab: &Lab) -> Result<Ports> {
    let path = lab.files.switch_log();
    let log = File::create(&path).map_err(LabError::io("write", &path))?;
    let mut child = this_program()
        .args(["lab", "switch", "--name", lab.state.name.as_str()])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|source| LabError::Start { program: "muster lab switch".into(), source })?;
    let mut announcement = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut announcement);
    }
    serde_json::from_str(&announcement).map_err(|_| did_not_start(lab, &lab.files))
}

fn did_not_start(lab: &Lab, files: &LabFiles) -> LabError {
    let log = files.switch_log();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let why = text.lines().last().unwrap_or("it ended without a word").to_owned();
    LabError::Switch { lab: lab.state.name.to_string(), why, log }
}
