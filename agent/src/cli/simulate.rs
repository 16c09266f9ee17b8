//! `musterd quorum simulate`: what survives what? Plays a script on the quorum rules of the agent.

use super::Output;
use super::answer::{Failure, print, print_json};
use muster_api::cluster::Corosync;
use muster_api::corosync_conf;
use muster_core::quorum::rehearsal::rehearse;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The language of the scripts, behind `--help`.
pub(super) const LANGUAGE: &str = "\
A script has one thing a line; `#` begins a comment. First the cluster, unless --config gives it:
  nodes 4                     four nodes, 1 to 4, of one vote each
  node 5 votes 2 name big     one more, or other votes and another name for one of them
  auto_tie_breaker: 1         any option of `quorum {}` as in corosync.conf (votequorum(5))
  device.votes: 3             a quorum device
Then what happens; nodes are ids, ranges, names or `all`:
  up 1-3,5                    nodes start
  down 3                      nodes crash, and are fenced where somebody is left who may do so
  leave 2                     nodes leave cleanly
  partition 1 2 / 3 4         the network breaks; whoever is not named stays together
  join                        the network is whole again; `join 3`: node 3 starts and reaches the others again
  device on 1                 the quorum device votes for the part of that node; `device off`
  fencing off                 as `stonith-enabled: false`
  time 10s                    time passes (last_man_standing has a window)
  show                        nothing happens
Each of these gets one line of answer, with the parts of the network divided by ` | `:
  LINE COMMAND => [MEMBERS] votes=N expected=N quorum=N quorate=yes|no primary=yes|no (WHY) | …
Quorate is what corosync says; primary is whether the part may act, that is quorate while no other part can be.

Example: printf 'nodes 3\\nup all\\npartition 1 / 2 3\\n' | musterd quorum simulate -";

/// What to play.
#[derive(Debug, clap::Args)]
pub(super) struct Simulation {
    /// The script; `-` for stdin.
    script: PathBuf,
    /// Take the nodes and options from this corosync.conf where the script has none.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print it: JSON is one object a line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Plays it and prints the answers.
pub(super) fn run(simulation: &Simulation) -> Result<(), Failure> {
    let script = &simulation.script;
    let text = read(script)
        .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", script.display())))?;
    let given = simulation.config.as_deref().map(read_config).transpose()?;
    let answers = rehearse(&text, given.as_ref())
        .map_err(|error| Failure::Failed(format!("{}: {error}", script.display())))?;
    for answer in &answers {
        match simulation.output {
            Output::Json => print_json(answer)?,
            Output::Text => print(&format!("{answer}\n")),
        }
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn read_config(path: &Path) -> Result<Corosync, Failure> {
    let failed = |why: String| Failure::Failed(why);
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed(format!("cannot read {}: {error}", path.display())))?;
    corosync_conf::parse(&text).map_err(|error| failed(format!("{}:{error}", path.display())))
}
