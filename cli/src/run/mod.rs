//! Carrying a play out on hosts.
//!
//! `unreachable`, `ssh`, `identity`, `agents`, `launch`, `process` and `session` reach a worker on a host.

mod agents;
mod arguments;
mod carry;
mod conduct;
mod content;
mod control;
mod cursor;
mod files;
mod follow;
mod host_task;
mod hosts;
mod identity;
mod include;
mod inventory_vars;
mod keywords;
mod known;
mod launch;
mod layers;
mod loop_items;
mod play_info;
mod play_run;
pub(crate) mod playbook_run;
mod process;
mod program;
pub(crate) mod result;
pub(crate) mod room;
mod serial;
mod session;
mod ssh;
mod tags;
mod task_run;
mod template_error;
mod unreachable;
mod way;

pub(crate) use ssh::options::expand_home;
