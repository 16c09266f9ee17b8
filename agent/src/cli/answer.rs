//! Asking the running agent, and what becomes of its answer: exit codes and sentences.

use crate::control::client::{Client, ClientError};
use muster_api::control::{Request, Response};
use std::path::Path;
use std::process::ExitCode;

/// No agent runs on this node (as LSB's `status` says it).
const NOT_RUNNING: u8 = 3;

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent refused it.
    #[error("{0}")]
    Refused(String),
    /// It could not be done here.
    #[error("{0}")]
    Failed(String),
    /// The agent answered with something else.
    #[error("the agent answered something unexpected; is it of another version? (systemctl restart musterd)")]
    Unexpected,
}

/// The exit code of a command; a failure is said on stderr.
pub(super) fn exit(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {failure}");
    match failure {
        Failure::Client(ClientError::NotRunning { .. }) => ExitCode::from(NOT_RUNNING),
        _ => ExitCode::FAILURE,
    }
}

/// Asks one question; a refusal is a failure.
pub(super) fn ask(socket: &Path, request: &Request) -> Result<Response, Failure> {
    match Client::connect(socket)?.ask(request)? {
        Response::Refused { why } => Err(Failure::Refused(why)),
        response => Ok(response),
    }
}

/// Prints a line, or ends quietly where nobody reads it any more (`| head`).
pub(super) fn print(text: &str) {
    use std::io::Write;
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

/// Prints a value as JSON, one line.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Failed(error.to_string()))?;
    print(&(text + "\n"));
    Ok(())
}
