//! Carrying a play out on hosts.
//!
//! `unreachable`, `ssh`, `identity`, `agents`, `launch`, `process` and `session` reach a worker on a host.

pub(crate) mod across;
pub(crate) mod agents;
mod ahead;
mod argument_spec;
pub(crate) mod arguments;
mod background;
pub(crate) mod blame;
mod carry;
mod cluster_step;
mod comeback;
pub(crate) mod conduct;
pub(crate) mod content;
mod control;
mod corosync;
mod cursor;
mod due;
pub(crate) mod early;
mod files;
mod follow;
pub(crate) mod foresight;
mod host_task;
pub(crate) mod hosts;
pub(crate) mod identity;
mod include;
pub(crate) mod interrupt;
pub(crate) mod inventory_vars;
pub(crate) mod keywords;
mod launch;
mod layers;
mod loop_items;
mod outlook;
pub(crate) mod play_info;
mod play_run;
pub(crate) mod playbook_run;
pub(crate) mod process;
mod program;
pub(crate) mod refused;
mod reserved;
pub(crate) mod result;
mod rolling;
pub(crate) mod room;
mod serial;
mod session;
mod sources;
mod ssh;
pub(crate) mod tags;
pub(crate) mod task_run;
mod template_error;
pub(crate) mod undefined;
mod unreachable;
pub(crate) mod way;

pub(crate) use ssh::options::{expand_home, split_words};
