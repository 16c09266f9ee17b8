//! musterd's command line.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong use of the command line or, with `simulate --detailed-exitcode`, a fault that is
//! not survived, 3 no agent runs on this node.

mod answer;
mod attempt;
mod check_config;
mod configuration;
mod drift;
mod events;
mod leave;
mod metadata;
mod moment;
mod order;
mod paint;
mod quorum;
mod rehearsal;
mod simulate;
mod status;
mod unit;

use crate::serve::{self, Places};
use clap::{Args, Parser, Subcommand, ValueEnum};
use muster_api::control::SOCKET;
use muster_api::duration;
use std::path::PathBuf;
use std::process::ExitCode;

/// The agent of muster: runs the cluster on this node, and answers questions about it.
#[derive(Debug, Parser)]
#[command(name = "musterd", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The running agent's control socket.
    #[arg(long, global = true, default_value = SOCKET, value_name = "PATH")]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the cluster on this node (the service).
    Run(RunArgs),
    /// Show nodes, quorum, resources with where and why, failures and fencing.
    Status {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Say why a resource is where it is, or runs nowhere, and what would change it.
    Why(rehearsal::WhyArgs),
    /// What would the cluster do, and what if? Nothing of the running cluster is touched.
    Simulate(rehearsal::SimulateArgs),
    /// Show the votes, play failures on them, or tell the quorum device's vote.
    Quorum(QuorumArgs),
    /// Let a node run nothing, or let it run resources again.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Move, clean up, enable and disable resources.
    #[command(subcommand)]
    Resource(ResourceCommand),
    /// Switch a node off and on again through its fence device.
    Fence(FenceArgs),
    /// Show what happened on this node's side of the cluster.
    Events {
        /// Go on with what happens now.
        #[arg(short, long)]
        follow: bool,
        /// Only what came after this number.
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        since: u64,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Wait until nothing is under way and what can run runs.
    Wait {
        /// Give up after this time (`90s`, `5min`).
        #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
        timeout: u64,
    },
    /// Move all resources away from this node, leave the cluster cleanly and end the agent.
    #[command(visible_alias = "stop")]
    Leave {
        /// Do nothing where systemd only restarts the agent: resources then run on.
        #[arg(long)]
        unless_restart: bool,
    },
    /// Read corosync.conf and the key again.
    Reload,
    /// Compare corosync.conf and the key on this node's disk with what the running agent has.
    Drift {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Check a corosync.conf.
    CheckConfig {
        /// The file.
        file: PathBuf,
    },
    /// Print or replace what the cluster shall run, as JSON.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print all that the scheduler decides from, as JSON.
    Snapshot,
    /// Show an agent's parameters and actions (`ocf:heartbeat:IPaddr2`, `fence_redfish`).
    Metadata {
        /// The resource agent or fence agent.
        agent: String,
    },
    /// Run one action of an agent by hand, outside of the cluster.
    Try(attempt::Attempt),
    /// Print the systemd unit of the agent.
    Unit,
    /// Check and apply steps of a controller, over stdin and stdout (`muster` starts it).
    #[command(hide = true)]
    Worker,
    /// Do one step beside others, and write what it came to into a file (a worker starts it).
    #[command(hide = true)]
    Job {
        /// The file.
        file: std::path::PathBuf,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The nodes, how they talk, and who has quorum.
    #[arg(long, default_value = "/etc/corosync/corosync.conf", value_name = "FILE")]
    config: PathBuf,
    /// The cluster's key, where corosync.conf names no `keyfile`.
    #[arg(long, default_value = "/etc/corosync/authkey", value_name = "FILE")]
    key: PathBuf,
    /// Where the agent keeps what it must not forget.
    #[arg(long, default_value = "/var/lib/musterd", value_name = "FOLDER")]
    state_dir: PathBuf,
    /// Write down all that the core is told, to play it again where it is developed. The file holds what the cluster's
    /// configuration holds, passwords of fence devices among it, and grows for as long as the agent runs.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// A hardware watchdog that resets this node if the agent hangs: `/dev/watchdog`.
    #[arg(long, value_name = "DEVICE")]
    watchdog: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// Move all resources away and start nothing there.
    Standby {
        /// The node.
        node: String,
    },
    /// Let the node run resources again.
    Unstandby {
        /// The node.
        node: String,
    },
}

#[derive(Debug, Subcommand)]
enum ResourceCommand {
    /// Move a resource to a node, or away from where it is.
    Move {
        /// The resource or group.
        resource: String,
        /// Where to; any other node where it is not given.
        node: Option<String>,
        /// Forget the move after this time (`1h`).
        #[arg(long, value_parser = parse_duration, value_name = "TIME")]
        lifetime: Option<u64>,
    },
    /// Forget moves of a resource.
    Clear {
        /// The resource or group.
        resource: String,
    },
    /// Forget failures and look again.
    Cleanup {
        /// The resource or group; all where it is not given.
        resource: Option<String>,
    },
    /// Let a resource run again.
    Enable {
        /// The resource or group.
        resource: String,
    },
    /// Stop a resource and keep it stopped.
    Disable {
        /// The resource or group.
        resource: String,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct QuorumArgs {
    /// How to print the votes.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(subcommand)]
    command: Option<QuorumCommand>,
}

#[derive(Debug, Subcommand)]
enum QuorumCommand {
    /// Play a script of failures on the quorum rules: what survives what? Nothing of a running cluster is touched.
    #[command(after_help = simulate::LANGUAGE)]
    Simulate(simulate::Simulation),
    /// Tell this node whether the quorum device votes for its part of the cluster; a vote must be repeated within the device's
    /// `timeout`.
    Vote {
        /// Given, or withdrawn.
        vote: Vote,
    },
}

/// The quorum device's vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Vote {
    /// It votes for the part of the cluster that this node is in.
    Yes,
    /// It does not.
    No,
}

#[derive(Debug, Args)]
struct FenceArgs {
    /// The node.
    node: String,
    /// Switch it off and leave it off.
    #[arg(long, conflicts_with = "confirm")]
    off: bool,
    /// Use no device: you have seen that the node is off, and answer for it.
    #[arg(long)]
    confirm: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print it.
    Show {
        /// With the passwords of fence devices: only so can it be given to `set`.
        #[arg(long)]
        secrets: bool,
    },
    /// Replace it.
    Set {
        /// A file with the whole configuration; `-` for stdin.
        file: PathBuf,
    },
}

/// How to print an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: everything there is.
    Json,
}

fn parse_duration(text: &str) -> Result<u64, String> {
    duration::parse_ms(text).ok_or_else(|| "a time like `90s`, `5min` or `1h` was expected".into())
}

/// Does what the command line says.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let socket = &cli.socket;
    match cli.command {
        Command::Run(args) => serve::run(Places {
            config: args.config,
            key: args.key,
            state: args.state_dir,
            socket: cli.socket,
            record: args.record,
            watchdog: args.watchdog,
        }),
        Command::Status { output } => answer::exit(status::show(socket, output)),
        Command::Why(args) => answer::exit(rehearsal::why(socket, &args)),
        Command::Simulate(args) => {
            rehearsal::simulate(socket, &args).unwrap_or_else(|failure| answer::exit(Err(failure)))
        }
        Command::Quorum(args) => answer::exit(match args.command {
            None => quorum::show(socket, args.output),
            Some(QuorumCommand::Simulate(simulation)) => simulate::run(&simulation),
            Some(QuorumCommand::Vote { vote }) => quorum::vote(socket, vote),
        }),
        Command::Events { follow, since, output } => {
            answer::exit(events::show(socket, since, follow, output))
        }
        Command::Drift { output } => answer::exit(drift::show(socket, output)),
        Command::CheckConfig { file } => check_config::check(&file),
        Command::Config(ConfigCommand::Show { secrets }) => {
            answer::exit(configuration::show(socket, secrets))
        }
        Command::Config(ConfigCommand::Set { file }) => answer::exit(configuration::set(socket, &file)),
        Command::Snapshot => answer::exit(configuration::snapshot(socket)),
        Command::Metadata { agent } => answer::exit(metadata::show(&agent)),
        Command::Leave { unless_restart } => answer::exit(leave::leave(socket, unless_restart)),
        Command::Try(attempt) => answer::exit(attempt::run(&attempt)),
        Command::Unit => unit::print(),
        Command::Worker => crate::worker::run(),
        Command::Job { file } => crate::worker::background::run_job(&file),
        command => answer::exit(order::give(socket, command)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
