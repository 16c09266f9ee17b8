//! The controller: reads an inventory and playbooks, and brings hosts to the declared state over SSH.

mod args;
mod cluster;
mod commands;
mod encoding;
mod error;
mod exit;
mod inventory;
mod journal;
mod lab;
mod lint;
mod load;
mod local_files;
mod playbook;
mod prompt;
mod report;
mod run;
mod seal;
mod settings;
mod source;
mod suggest;
mod template;
mod vars;
mod vault;
mod yaml;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    end_with_the_reader();
    match Cli::try_parse() {
        Ok(cli) => dispatch(cli.command).into(),
        Err(mistake) => usage(&mistake).into(),
    }
}

/// A list whose reader went away (`| head`) ends as programs end that the pipe's signal ends. A run goes on: it does not print that way.
fn end_with_the_reader() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(128 + 13);
        }
        report(panic);
    }));
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::Apply(args) => commands::apply::apply(*args),
        Command::Plan(args) => commands::apply::plan(*args),
        Command::Lint(args) => commands::lint::run(&args),
        Command::Drift(args) => commands::drift::run(&args),
        Command::Blame(args) => commands::blame::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Show { file } => commands::saved::show(&file),
        Command::History { run, output } => commands::history::run(run.as_deref(), &output),
        Command::Undo(args) => commands::undo::run(&args),
        Command::Lab(args) => commands::lab::run(args),
        Command::Cluster(args) => commands::exchange::run(&args),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Completions { shell } => completions(shell),
        Command::Run(args) => commands::adhoc::run(*args),
        Command::Inventory(args) => commands::inventory::run(*args),
        Command::Doc(args) => commands::doc::run(args),
        Command::Vault(args) => commands::vault::run(args),
        Command::Status(args) => commands::cluster::run("status", args),
        Command::Why(args) => commands::cluster::why(args),
        Command::Node(args) => commands::cluster::run("node", args),
        Command::Resource(args) => commands::cluster::run("resource", args),
        Command::Fence(args) => commands::cluster::run("fence", args),
        Command::Events(args) => commands::cluster::run("events", args),
        Command::Quorum(args) => commands::cluster::run("quorum", args),
    }
}

/// Help and version are answers; everything else is wrong use.
fn usage(mistake: &clap::Error) -> Exit {
    let exit = if mistake.use_stderr() { Exit::WrongUse } else { Exit::Fine };
    // A closed pipe must not turn help into a failure.
    let _ = mistake.print();
    exit
}

fn completions(shell: clap_complete::Shell) -> Exit {
    clap_complete::generate(shell, &mut Cli::command(), "muster", &mut std::io::stdout());
    Exit::Fine
}
