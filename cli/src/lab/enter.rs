//! Ways into a node: a command in its namespaces, and SSH. Both replace this process, so that the terminal,
//! the signals and the exit code are the command's own.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::Lab;
use super::error::{LabError, Result};
use super::node::{Node, namespaces};

const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a command inside the node, as root, without its network. Returns only if it cannot be started.
pub(crate) fn exec(node: &Node<'_>, command: &[String]) -> Result<()> {
    let leader = node.leader()?;
    // The command is to freeze and to die with the node.
    node.group().child("exec").join()?;
    let mut nsenter = Command::new("nsenter");
    nsenter.args(namespaces(leader)).args(["/usr/bin/env", "--ignore-environment", "--chdir=/root"]);
    nsenter.args(["HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8"]);
    nsenter.arg(format!("PATH={SEARCH_PATH}"));
    if let Ok(terminal) = std::env::var("TERM") {
        nsenter.arg(format!("TERM={terminal}"));
    }
    replace_by(nsenter.args(command))
}

/// Opens an SSH session to the node, or runs a command over SSH. Returns only if ssh cannot be started.
pub(crate) fn ssh(lab: &Lab, node: &Node<'_>, command: &[String]) -> Result<()> {
    let mut ssh = Command::new("ssh");
    replace_by(ssh.arg("-F").arg(lab.files.ssh_config()).arg(node.name()).args(command))
}

fn replace_by(command: &mut Command) -> Result<()> {
    let source = command.exec();
    Err(LabError::Start { program: command.get_program().to_string_lossy().into_owned(), source })
}
