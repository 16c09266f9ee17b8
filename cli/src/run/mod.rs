//! Carrying a play out on hosts.
//!
//! `unreachable`, `ssh`, `identity`, `agents`, `launch`, `process` and `session` reach a worker on a host.

mod agents;
mod arguments;
mod content;
mod control;
mod cursor;
mod files;
mod hosts;
mod identity;
mod keywords;
mod known;
mod launch;
mod layers;
mod loop_items;
mod play_run;
mod process;
pub(crate) mod result;
mod serial;
mod session;
mod ssh;
mod tags;
mod task_run;
mod template_error;
mod unreachable;
mod way;
