//! `muster lab`: real nodes on this machine, to try things on.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::error::Diagnostic;
use crate::exit::Exit;
use crate::lab::name::LabName;
use crate::lab::partition::{self, Cut};
use crate::lab::power_switch::{self, Reset, log, switch};
use crate::lab::state::{MOST_NODES, Store, SystemChoice};
use crate::lab::status::{LabStatus, NodeStatus, render_entry};
use crate::lab::up::{Wanted, up};
use crate::lab::{Lab, LabError, Result, down, enter, machine};

/// Makes real systemd nodes on this machine, with a network, sshd and a power switch, and breaks them.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum LabCommand {
    /// Makes a lab, or starts what is off in one that is there
    Up(UpArgs),
    /// Removes a lab: nodes, disks, networks, power switch
    Down(DownArgs),
    /// Shows nodes, power, cuts and the last power actions
    Status(StatusArgs),
    /// Prints the inventory of the lab, for muster and for Ansible
    Inventory(InventoryArgs),
    /// Opens an SSH session to a node, or runs a command over SSH
    Ssh(EnterArgs),
    /// Runs a command in a node as root, without its network
    Exec(ExecArgs),
    /// Makes nodes lose their power at once, without the power switch
    Crash(NodesArgs),
    /// Stops every process of nodes, with their network still answering
    Freeze(NodesArgs),
    /// Lets frozen nodes go on
    Thaw(NodesArgs),
    /// Switches the power of nodes
    Power(PowerArgs),
    /// Drops traffic between nodes; host and power switch stay in reach
    Partition(PartitionArgs),
    /// Lets all traffic through again
    Heal(HealArgs),
    /// The hardware of one node
    #[command(hide = true)]
    Machine(MachineArgs),
    /// The power switch
    #[command(hide = true)]
    Switch(Selection),
}

/// Which lab.
#[derive(Debug, Clone, Args)]
struct Selection {
    /// Name of the lab
    #[arg(long, value_name = "NAME", default_value = "lab", env = "MUSTER_LAB", global = false)]
    name: LabName,
}

#[derive(Debug, Clone, Args)]
struct UpArgs {
    #[command(flatten)]
    lab: Selection,
    /// How many nodes; they are called n1, n2, …
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_NODES)))]
    nodes: u8,
    /// How many networks connect all nodes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    links: u8,
    /// Packages to preinstall
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', value_parser = package)]
    packages: Vec<String>,
    /// Preinstalls Python, for Ansible
    #[arg(long)]
    python: bool,
    /// Milliseconds by which the power switch hesitates before it acts
    #[arg(long, value_name = "MS", default_value_t = 0)]
    power_delay: u64,
    /// Seconds that a node may take to boot
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    timeout: u64,
}

#[derive(Debug, Clone, Args)]
struct DownArgs {
    /// Name of the lab [default: $MUSTER_LAB, or lab]
    #[arg(long, value_name = "NAME")]
    name: Option<LabName>,
    /// All labs of this machine
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Also the base images that no lab uses any more
    #[arg(long)]
    images: bool,
}

#[derive(Debug, Clone, Args)]
struct StatusArgs {
    /// Name of the lab; without it, all labs
    #[arg(long, value_name = "NAME", env = "MUSTER_LAB")]
    name: Option<LabName>,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Debug, Clone, Args)]
struct InventoryArgs {
    #[command(flatten)]
    lab: Selection,
    /// Prints where the file is instead of what is in it
    #[arg(long)]
    path: bool,
}

#[derive(Debug, Clone, Args)]
struct EnterArgs {
    #[command(flatten)]
    lab: Selection,
    node: String,
    /// The command, as words for the node's shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct ExecArgs {
    #[command(flatten)]
    lab: Selection,
    node: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct NodesArgs {
    #[command(flatten)]
    lab: Selection,
    #[arg(required = true)]
    nodes: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct PowerArgs {
    #[command(subcommand)]
    command: PowerCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum PowerCommand {
    /// Boots nodes that are off; their disks are as they left them
    On(NodesArgs),
    /// Cuts the power of nodes
    Off(PowerOffArgs),
    /// Cuts the power of nodes and boots them again
    Cycle(NodesArgs),
    /// Tells whether nodes are on; without a name, all
    Status(PowerStatusArgs),
    /// Shows everything that was done to the power of nodes, and who asked for it
    Log(PowerLogArgs),
}

#[derive(Debug, Clone, Args)]
struct PowerOffArgs {
    #[command(flatten)]
    nodes: NodesArgs,
    /// Asks the node to shut down instead, and returns at once
    #[arg(long)]
    graceful: bool,
}

#[derive(Debug, Clone, Args)]
struct PowerStatusArgs {
    #[command(flatten)]
    lab: Selection,
    nodes: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct PowerLogArgs {
    #[command(flatten)]
    lab: Selection,
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Args)]
struct PartitionArgs {
    #[command(flatten)]
    lab: Selection,
    /// Nodes on one side, with commas between them
    #[arg(value_name = "A,…")]
    from: NodeList,
    /// Nodes on the other side
    #[arg(value_name = "B,…", required_unless_present = "isolate")]
    to: Option<NodeList>,
    /// Drops only what A sends to B
    #[arg(long)]
    one_way: bool,
    /// Cuts A off from everything, also from the host and the power switch
    #[arg(long, conflicts_with_all = ["to", "one_way"])]
    isolate: bool,
    /// Only on this link, counted from 0
    #[arg(long, value_name = "K")]
    link: Option<usize>,
}

/// Names with commas between them.
#[derive(Debug, Clone)]
struct NodeList(Vec<String>);

impl FromStr for NodeList {
    type Err = Infallible;

    fn from_str(names: &str) -> std::result::Result<Self, Infallible> {
        Ok(Self(names.split(',').map(str::to_owned).collect()))
    }
}

#[derive(Debug, Clone, Args)]
struct HealArgs {
    #[command(flatten)]
    lab: Selection,
    /// Only the cuts in which this node takes part
    node: Option<String>,
}

#[derive(Debug, Clone, Args)]
struct MachineArgs {
    #[command(flatten)]
    lab: Selection,
    node: String,
}

/// Runs `muster lab`.
pub(crate) fn run(arguments: LabArgs) -> Exit {
    match dispatch(&arguments.command) {
        Ok(()) => Exit::Fine,
        Err(error) => report(&error),
    }
}

fn dispatch(command: &LabCommand) -> Result<()> {
    let store = Store::open();
    let open = |lab: &Selection| Lab::open(&store, &lab.name);
    match command {
        LabCommand::Up(arguments) => make(&store, arguments),
        LabCommand::Down(arguments) => remove(&store, arguments),
        LabCommand::Status(arguments) => show(&store, arguments),
        LabCommand::Inventory(arguments) => show_inventory(&open(&arguments.lab)?, arguments.path),
        LabCommand::Ssh(EnterArgs { lab, node, command }) => {
            let lab = open(lab)?;
            enter::ssh(&lab, &lab.node(node)?, command)
        }
        LabCommand::Exec(ExecArgs { lab, node, command }) => enter::exec(&open(lab)?.node(node)?, command),
        LabCommand::Crash(arguments) => crash(&open(&arguments.lab)?, &arguments.nodes),
        LabCommand::Freeze(NodesArgs { lab, nodes }) => {
            each(&open(lab)?, nodes, |lab, node| lab.node(node)?.freeze())
        }
        LabCommand::Thaw(NodesArgs { lab, nodes }) => {
            each(&open(lab)?, nodes, |lab, node| lab.node(node)?.thaw())
        }
        LabCommand::Power(arguments) => power(&store, &arguments.command),
        LabCommand::Partition(arguments) => cut(&store, arguments),
        LabCommand::Heal(HealArgs { lab, node }) => heal(&store, &lab.name, node.as_deref()),
        LabCommand::Machine(MachineArgs { lab, node }) => machine::run(&open(lab)?.node(node)?),
        LabCommand::Switch(lab) => power_switch::serve(open(lab)?),
    }
}

fn make(store: &Store, arguments: &UpArgs) -> Result<()> {
    let wanted = Wanted {
        name: arguments.lab.name.clone(),
        nodes: arguments.nodes,
        links: arguments.links,
        system: SystemChoice { python: arguments.python, packages: arguments.packages.clone() },
        power_delay_ms: arguments.power_delay,
        timeout: Duration::from_secs(arguments.timeout),
    };
    let lab = up(store, &wanted)?;
    print(&LabStatus::of(&lab)?.render());
    Ok(())
}

fn remove(store: &Store, arguments: &DownArgs) -> Result<()> {
    let names = if arguments.all { store.lab_names() } else { vec![doomed(arguments)?] };
    for name in names {
        let was_there = down::down(store, &name)?;
        anstream::eprintln!(
            "{}",
            if was_there { format!("lab `{name}` removed") } else { format!("no lab `{name}`") }
        );
    }
    if arguments.images {
        for image in crate::lab::remove_unused_images(store)? {
            anstream::eprintln!("base image {image} removed");
        }
    }
    Ok(())
}

/// The one lab to remove. The environment must not stand in the way of `--all`, so it is asked here.
fn doomed(arguments: &DownArgs) -> Result<LabName> {
    let usual = || std::env::var("MUSTER_LAB").unwrap_or_else(|_| "lab".to_owned()).parse();
    arguments.name.clone().map_or_else(usual, Ok)
}

fn show(store: &Store, arguments: &StatusArgs) -> Result<()> {
    let names = arguments.name.clone().map_or_else(|| store.lab_names(), |name| vec![name]);
    let labs =
        names.iter().map(|name| LabStatus::of(&Lab::open(store, name)?)).collect::<Result<Vec<_>>>()?;
    match arguments.output {
        Output::Json => print_json(&serde_json::json!({ "labs": labs })),
        Output::Text if labs.is_empty() => anstream::eprintln!("no labs; make one: muster lab up --nodes 2"),
        Output::Text => print(&labs.iter().map(LabStatus::render).collect::<Vec<_>>().join("\n")),
    }
    Ok(())
}

fn show_inventory(lab: &Lab, only_path: bool) -> Result<()> {
    let path = lab.files.inventory();
    if only_path {
        print(&format!("{}\n", path.display()));
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|source| LabError::Io { act: "read", path, source })?;
    print(&text);
    Ok(())
}

fn crash(lab: &Lab, nodes: &[String]) -> Result<()> {
    each(lab, nodes, |lab, node| {
        let node = lab.node(node)?;
        power_switch::record(&node, "crash", "muster lab crash", || node.cut_power())
    })
}

fn power(store: &Store, command: &PowerCommand) -> Result<()> {
    let reset = |arguments: &NodesArgs, reset: Reset| {
        let lab = Lab::open(store, &arguments.lab.name)?;
        each(&lab, &arguments.nodes, |lab, node| switch(&lab.node(node)?, reset, "muster lab power"))
    };
    match command {
        PowerCommand::On(nodes) => reset(nodes, Reset::On),
        PowerCommand::Off(PowerOffArgs { nodes, graceful: true }) => reset(nodes, Reset::GracefulShutdown),
        PowerCommand::Off(PowerOffArgs { nodes, graceful: false }) => reset(nodes, Reset::ForceOff),
        PowerCommand::Cycle(nodes) => reset(nodes, Reset::ForceRestart),
        PowerCommand::Status(arguments) => power_status(store, arguments),
        PowerCommand::Log(arguments) => power_log(store, arguments),
    }
}

fn power_status(store: &Store, arguments: &PowerStatusArgs) -> Result<()> {
    let lab = Lab::open(store, &arguments.lab.name)?;
    let line = |name: &str| Ok(NodeStatus::of(&lab.node(name)?).power_line());
    let all = lab.state.nodes.iter().map(|node| &node.name);
    let names: Vec<&String> =
        if arguments.nodes.is_empty() { all.collect() } else { arguments.nodes.iter().collect() };
    print(&names.into_iter().map(|name| line(name)).collect::<Result<String>>()?);
    Ok(())
}

fn power_log(store: &Store, arguments: &PowerLogArgs) -> Result<()> {
    let entries = log::read(&Lab::open(store, &arguments.lab.name)?.files)?;
    match arguments.output {
        Output::Text => print(&entries.iter().map(render_entry).collect::<String>()),
        Output::Json => print_json(&serde_json::json!({ "actions": entries })),
    }
    Ok(())
}

fn cut(store: &Store, arguments: &PartitionArgs) -> Result<()> {
    let link = arguments.link;
    change_cuts(store, &arguments.lab.name, |lab| {
        let wanted = cuts(lab, arguments)?;
        if let Some(link) = link.filter(|link| *link >= lab.state.links.len()) {
            let count = lab.state.links.len();
            return Err(LabError::Usage(format!(
                "there is no link {link}: the lab has {count}, counted from 0"
            )));
        }
        let cuts = &mut lab.state.cuts;
        let new: Vec<Cut> = wanted.into_iter().filter(|cut| !cuts.contains(cut)).collect();
        cuts.extend(new);
        Ok(())
    })
}

fn cuts(lab: &Lab, arguments: &PartitionArgs) -> Result<Vec<Cut>> {
    let (NodeList(from), link) = (&arguments.from, arguments.link);
    let to = arguments.to.as_ref().map_or(&[][..], |NodeList(to)| to);
    for name in from.iter().chain(to) {
        lab.node(name)?;
    }
    if arguments.isolate {
        return Ok(from.iter().map(|node| Cut::Isolated { node: node.clone(), link }).collect());
    }
    if let Some(both) = from.iter().find(|name| to.contains(name)) {
        return Err(LabError::Usage(format!("`{both}` cannot be on both sides of a partition")));
    }
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
    let directions = if arguments.one_way { 1 } else { 2 };
    Ok(pairs.flat_map(|(from, to)| Cut::between(from, to, link).into_iter().take(directions)).collect())
}

fn heal(store: &Store, name: &LabName, node: Option<&str>) -> Result<()> {
    change_cuts(store, name, |lab| {
        if let Some(node) = node {
            lab.node(node)?;
        }
        lab.state.cuts.retain(|cut| node.is_some_and(|node| !cut.concerns(node)));
        Ok(())
    })
}

fn change_cuts(store: &Store, name: &LabName, change: impl FnOnce(&mut Lab) -> Result<()>) -> Result<()> {
    let _lock = store.lock_lab(name)?;
    let mut lab = Lab::open(store, name)?;
    change(&mut lab)?;
    lab.save()?;
    partition::apply(&lab)
}

/// Does something to each of the named nodes, after all names are known to be good.
fn each(lab: &Lab, nodes: &[String], act: impl Fn(&Lab, &str) -> Result<()>) -> Result<()> {
    for node in nodes {
        lab.node(node)?;
    }
    nodes.iter().try_for_each(|node| act(lab, node))
}

/// A Debian package name: nothing that mmdebstrap could take for an option or a pattern.
fn package(name: &str) -> std::result::Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let is_name = name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_plain);
    if is_name { Ok(name.to_owned()) } else { Err(format!("`{name}` is not the name of a Debian package")) }
}

fn print(text: &str) {
    anstream::print!("{text}");
}

fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

fn report(error: &LabError) -> Exit {
    let exit = if error.is_interruption() { Exit::Interrupted } else { Exit::Unexpected };
    let mut diagnostic = Diagnostic::error(error.to_string()).exits_with(exit).maybe_hint(error.hint());
    if let Some(cause) = error.full_cause() {
        diagnostic = diagnostic.cause(cause);
    }
    anstream::eprintln!("{}", diagnostic.render(true).trim_end());
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_contradict_each_other_nowhere() {
        LabArgs::augment_args(clap::Command::new("lab")).debug_assert();
    }

    #[test]
    fn a_package_that_looks_like_an_option_or_a_pattern_is_refused() {
        for bad in ["--help", "?essential", "a b", "x", "apache2*"] {
            assert!(package(bad).is_err(), "{bad}");
        }
        assert_eq!(package("libstdc++6"), Ok("libstdc++6".into()));
    }
}
