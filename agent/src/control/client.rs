//! A client's end of the control socket.

use super::wire::{receive, send};
use muster_api::control::{Request, Response};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A connection to the running agent.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No agent answers there.
    #[error(
        "the agent does not run on this node (nobody listens on {socket}); start it with: systemctl start musterd"
    )]
    NotRunning {
        /// The socket.
        socket: PathBuf,
    },
    /// The caller is not root.
    #[error("only root may talk to the agent ({socket}): use sudo")]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// The connection failed.
    #[error("the connection to the agent failed: {0}")]
    Broken(#[from] io::Error),
    /// The agent went away before it answered.
    #[error("the agent exited before it answered")]
    NoAnswer,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                ClientError::NotRunning { socket: socket.to_path_buf() }
            }
            ErrorKind::PermissionDenied => ClientError::NotAllowed { socket: socket.to_path_buf() },
            _ => ClientError::Broken(error),
        })?;
        Ok(Self { stream })
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        send(&mut self.stream, request)?;
        self.next()
    }

    /// The next answer to what was asked.
    pub(crate) fn next(&mut self) -> Result<Response, ClientError> {
        receive(&mut self.stream)?.ok_or(ClientError::NoAnswer)
    }
}
