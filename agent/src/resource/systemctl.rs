//! systemd units on nodes without a bus daemon: `systemctl` uses systemd's own socket. There is no signal when a unit
//! ends, so it is noticed at the next monitor.

use crate::process::{self, last_line};
use std::time::Duration;
use tokio::process::Command;

/// The caller's timeout ends it sooner.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs a job (`start`, `stop`) to its end.
pub(super) async fn job(verb: &str, unit: &str) -> Result<(), String> {
    run(&[verb, "--", unit]).await.map(drop)
}

/// One property of a unit.
pub(super) async fn property(unit: &str, name: &str) -> Result<String, String> {
    run(&["show", "--value", &format!("--property={name}"), "--", unit]).await
}

async fn run(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("systemctl");
    command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_COLORS", "0");
    let finished = process::run(command, &[], LIMIT).await.map_err(|error| error.to_string())?;
    match finished.status.success() {
        true => Ok(finished.stdout.trim().to_owned()),
        false => Err(last_line(&finished.stderr).to_owned()),
    }
}
