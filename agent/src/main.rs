//! The agent, `musterd`: as a service it runs the cluster on this node (`run`), for a controller it checks and
//! applies steps on this host (`worker`), and for a person on the node it asks the running agent (`status`, `node`,
//! `resource`, `fence`, …).

mod attribute;
mod cli;
mod clock;
mod control;
mod disk;
mod facts;
mod fence;
mod host;
mod keys;
mod log;
mod membership;
mod modules;
mod notify;
mod peer;
mod process;
mod recorder;
mod resource;
mod seal;
mod serve;
mod store;
mod watchdog;
mod worker;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    attribute::run_as_called().unwrap_or_else(|| cli::run(cli::Cli::parse()))
}
