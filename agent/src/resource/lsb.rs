//! Init scripts, by the Linux Standard Base's exit codes.

use super::ended::Ended;
use crate::process::{self, ProcessError, last_line};
use muster_api::history::{ResourceAction, rc};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

const FOLDER: &str = "/etc/init.d";

/// One init script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitScript(PathBuf);

impl InitScript {
    /// The script of that name, where it is installed.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let path = Path::new(FOLDER).join(name);
        (!name.contains('/') && path.is_file()).then_some(Self(path))
    }

    /// Runs one action.
    pub(crate) async fn run(&self, action: &ResourceAction) -> Ended {
        let verb = match action.operation.as_str() {
            verb @ ("start" | "stop") => verb,
            "monitor" | "status" => "status",
            other => return Ended::with(rc::UNIMPLEMENTED, format!("init scripts have no action `{other}`")),
        };
        let mut command = Command::new(&self.0);
        command.arg(verb).env("LC_ALL", "C");
        match process::run(command, &[], Duration::from_millis(action.timeout_ms)).await {
            Ok(finished) => {
                let code = finished.status.code().unwrap_or(1);
                Ended::with(
                    if verb == "status" { status_rc(code) } else { action_rc(code) },
                    last_line(&finished.stderr),
                )
            }
            Err(error @ ProcessError::TimedOut { .. }) => Ended::timed_out(error.to_string()),
            Err(error) => Ended::not_run(rc::INSTALLED, error.to_string()),
        }
    }
}

/// Exit codes of `status`: 0 runs, 1 and 2 are dead with something left behind, 3 does not run.
fn status_rc(code: i32) -> u8 {
    match code {
        0 => rc::OK,
        3 => rc::NOT_RUNNING,
        4 => rc::PERM,
        _ => rc::ERROR,
    }
}

/// Exit codes of the other actions, which OCF took over from 1 to 6.
fn action_rc(code: i32) -> u8 {
    match code {
        0 => rc::OK,
        2..=6 => u8::try_from(code).unwrap_or(rc::ERROR),
        _ => rc::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_running_is_three_for_an_init_script_and_seven_for_the_cluster() {
        assert_eq!(status_rc(3), rc::NOT_RUNNING);
        assert_eq!(status_rc(1), rc::ERROR);
        // Here 7 means "not running", and a stop that says so has failed to say 0.
        assert_eq!(action_rc(7), rc::ERROR);
    }
}
