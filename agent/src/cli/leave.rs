//! `musterd leave`: out of the cluster, cleanly.
//!
//! The unit calls it to stop the agent, with `--unless-restart`. systemd runs the same command for a stop and for a
//! restart; the job that is under way tells them apart. In a restart the agent is only ended, and resources
//! run on until it is back: unless corosync.conf is not readable any more, for then it would not come back, and the
//! other nodes would fence this one.

use super::answer::{Failure, ask, print};
use crate::control::client::ClientError;
use muster_api::control::{Request, Response};
use muster_api::corosync_conf;
use std::path::Path;
use std::process::Command;

const UNIT: &str = "musterd.service";
const CONFIG: &str = "/etc/corosync/corosync.conf";

/// Leaves, or does nothing where that is asked for.
pub(super) fn leave(socket: &Path, unless_restart: bool) -> Result<(), Failure> {
    if unless_restart && is_restart() {
        match readable_config() {
            Ok(()) => return Ok(()),
            Err(why) => print(&format!("{CONFIG} cannot be read, so this node leaves the cluster: {why}\n")),
        }
    }
    match ask(socket, &Request::Leave) {
        Ok(Response::Done { note, .. }) => {
            print(&format!("{}\n", note.unwrap_or_else(|| "this node has left the cluster".into())));
            Ok(())
        }
        Ok(_) => Err(Failure::Unexpected),
        // It is not there, or has gone before it could say so: that is what was wanted.
        Err(Failure::Client(ClientError::NotRunning { .. } | ClientError::NoAnswer)) if unless_restart => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn readable_config() -> Result<(), String> {
    let text = std::fs::read_to_string(CONFIG).map_err(|error| error.to_string())?;
    corosync_conf::parse(&text).map(drop).map_err(|error| error.to_string())
}

/// Whether the job that systemd has for the unit is a restart.
fn is_restart() -> bool {
    let output = Command::new("systemctl").args(["list-jobs", "--no-legend", "--plain", "--full"]).output();
    output.is_ok_and(|output| is_restart_job(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines like `812 musterd.service restart running`.
fn is_restart_job(jobs: &str) -> bool {
    jobs.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(UNIT) && matches!(words.next(), Some("restart" | "try-restart"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_told_from_a_stop_by_the_job() {
        assert!(is_restart_job("811 ssh.service stop waiting\n812 musterd.service restart running\n"));
        assert!(!is_restart_job("812 musterd.service stop running\n"));
        assert!(!is_restart_job(""));
    }
}
