//! Why a host could not be reached, and what to do about it. This is bad luck, not a bug: a value to handle.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// A host that could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    /// What failed.
    pub(crate) what: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

impl Unreachable {
    /// A failure without advice.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// Says what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A name that has no address.
    pub(crate) fn no_address(name: &str, cause: &io::Error) -> Self {
        Self::new(format!("`{name}` has no address: {cause}"))
            .hint("check the name in the inventory, or set `ansible_host` to an address")
    }

    /// A TCP connection that could not be made.
    pub(crate) fn connect(address: SocketAddr, cause: &io::Error) -> Self {
        let refused = format!("{address} refused the connection");
        match cause.kind() {
            io::ErrorKind::ConnectionRefused => Self::new(refused)
                .hint("is sshd running there, and on this port? `ansible_port` sets another one"),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Self::new(format!("there is no route to {address}"))
                    .hint("is the host up, and is this machine in a network that reaches it?")
            }
            io::ErrorKind::TimedOut => Self::timeout(&address.to_string(), None),
            _ => Self::new(format!("cannot connect to {address}: {cause}")),
        }
    }

    /// Nothing was heard.
    pub(crate) fn timeout(address: &str, seconds: Option<u64>) -> Self {
        let after = seconds.map(|seconds| format!(" within {seconds} s")).unwrap_or_default();
        Self::new(format!("{address} did not answer{after}"))
            .hint("is the host up, does a firewall drop the packets? `-T SECONDS` waits longer")
    }

    /// The connection ended while it was in use.
    pub(crate) fn lost(cause: impl fmt::Display) -> Self {
        Self::new(format!("the connection was lost: {cause}"))
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Unreachable {}
