//! SSH to a host, by russh: no `ssh` program runs, except to ask it what `~/.ssh/config` says.

mod auth;
mod connect;
pub(crate) mod known_hosts;
pub(crate) mod options;
mod target;

pub(crate) use connect::{Client, Connected, Verified, connect};
pub(crate) use target::{Target, Wanted};
