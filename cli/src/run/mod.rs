//! Carrying a play out on hosts.
//!
//! `unreachable`, `ssh`, `identity`, `agents`, `launch`, `process` and `session` reach a worker on a host.

mod agents;
mod content;
mod cursor;
mod identity;
mod launch;
mod process;
mod session;
mod ssh;
mod unreachable;
