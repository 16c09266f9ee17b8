//! What resource agents say of their node, by the commands that they know from Pacemaker: `crm_master` and `crm_attribute`
//! (promotion scores and node attributes), `attrd_updater`. They are links to this program in a folder that only agents see, so
//! that nothing of an installed Pacemaker is hidden from a person (crm_attribute(8), attrd_updater(8)).

use crate::control::client::{Client, ClientError};
use crate::log;
use clap::{CommandFactory, FromArgMatches, Parser};
use muster_api::control::{Request, Response, SOCKET, Snapshot};
use muster_api::id::NodeName;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;

/// Where agents find the commands: `HA_SBIN_DIR`, and the first of their `PATH`.
pub(crate) const FOLDER: &str = "/run/musterd/agent-commands";
const COMMANDS: [&str; 3] = ["crm_master", "crm_attribute", "attrd_updater"];
/// There is no such attribute (`CRM_EX_NOSUCH`).
const NO_SUCH: u8 = 105;
/// How often a permanent attribute is set anew, where somebody else changes the configuration at the same time.
const TRIALS: u32 = 5;

/// Offers the commands to agents. Where that is not possible those that need them fail, and say so.
pub(crate) fn offer() {
    let done = std::fs::create_dir_all(FOLDER).and_then(|()| {
        let program = std::env::current_exe()?;
        COMMANDS.iter().try_for_each(|name| {
            let link = Path::new(FOLDER).join(name);
            match std::fs::remove_file(&link) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            symlink(&program, link)
        })
    });
    if let Err(error) = done {
        log::warning(format!("resource agents cannot say anything of this node: {FOLDER}: {error}"));
    }
}

/// Does what this program was called for, where its name is that of one of the commands.
pub(crate) fn run_as_called() -> Option<ExitCode> {
    let called = std::env::args_os().next()?;
    let name = Path::new(&called).file_name().and_then(OsStr::to_str)?;
    let name = COMMANDS.iter().find(|known| **known == name)?;
    let wish = match *name {
        "attrd_updater" => wish_of_updater(&parse::<UpdaterArguments>(name)),
        _ => wish(&parse::<Arguments>(name), *name == "crm_master"),
    };
    Some(match wish.and_then(|wish| wish.fulfil(name)) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::FAILURE
        }
    })
}

fn parse<A: CommandFactory + FromArgMatches>(name: &'static str) -> A {
    let matches = A::command().name(name).get_matches();
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Set, show or take away what a node is said to be, as Pacemaker's command of this name does.
#[derive(Debug, Parser)]
struct Arguments {
    /// The attribute.
    #[arg(short, long, alias = "attr-name")]
    name: Option<String>,
    /// The promotion score of that resource; else of the one whose agent calls.
    #[arg(short, long, num_args = 0..=1, default_missing_value = "", value_name = "RESOURCE")]
    promotion: Option<String>,
    /// The resource, for crm_master.
    #[arg(short, long)]
    resource: Option<String>,
    /// Set it.
    #[arg(short = 'v', long = "update", alias = "attr-value", allow_hyphen_values = true)]
    value: Option<String>,
    /// Take it away.
    #[arg(short = 'D', long, conflicts_with = "value")]
    delete: bool,
    /// Show it, which is done as well where nothing else is asked for.
    #[arg(short = 'G', long, alias = "get-value", conflicts_with_all = ["value", "delete"])]
    query: bool,
    /// Until the node restarts (`reboot`), or `forever`.
    #[arg(short, long)]
    lifetime: Option<String>,
    /// The node; else this one.
    #[arg(short = 'N', long, aliases = ["uname", "node-uname"])]
    node: Option<String>,
    /// Where it is kept: `nodes`, `status` or `crm_config`.
    #[arg(short = 't', long = "type")]
    kind: Option<String>,
    /// Show the value alone.
    #[arg(short, long, short_alias = 'Q')]
    quiet: bool,
    /// What to show where it is not set.
    #[arg(short, long)]
    default: Option<String>,
}

/// Set, show or take away an attribute that the node has until it restarts.
#[derive(Debug, Parser)]
struct UpdaterArguments {
    /// The attribute.
    #[arg(short, long)]
    name: String,
    /// Set it.
    #[arg(short = 'U', long = "update", short_aliases = ['v', 'B'], allow_hyphen_values = true)]
    value: Option<String>,
    /// Take it away.
    #[arg(short = 'D', long, conflicts_with = "value")]
    delete: bool,
    /// Show it.
    #[arg(short = 'Q', long, conflicts_with_all = ["value", "delete"])]
    query: bool,
    /// Of all nodes.
    #[arg(short = 'A', long, requires = "query")]
    all: bool,
    /// The node; else this one.
    #[arg(short = 'N', long)]
    node: Option<String>,
    /// How long to wait for more of the same: the cluster hears of it at once, whatever is said here.
    #[arg(short = 'd', long)]
    delay: Option<String>,
    /// Say nothing of it, as is done anyway.
    #[arg(short, long)]
    quiet: bool,
    /// Not in the CIB: there is none, all attributes of this kind are kept by the agents alone.
    #[arg(short, long)]
    private: bool,
    /// Where Pacemaker 1 kept it: there is one place.
    #[arg(short = 'S', long, hide = true)]
    section: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    name: String,
    deed: Deed,
    node: Option<NodeName>,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Set(String),
    Delete,
    Query {
        is_quiet: bool,
        default: Option<String>,
    },
    /// As `attrd_updater` prints it.
    List {
        of_all: bool,
    },
}

/// How long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    UntilRestart,
    Forever,
    /// A property of the cluster.
    Property,
}

fn wish(arguments: &Arguments, is_master: bool) -> Result<Wish, String> {
    let promotion = match (&arguments.promotion, is_master) {
        (Some(resource), _) => Some(resource.clone()),
        (None, true) => Some(arguments.resource.clone().unwrap_or_default()),
        (None, false) => None,
    };
    let name = match (&promotion, &arguments.name) {
        (Some(resource), _) => format!("master-{}", resource_name(resource)?),
        (None, Some(name)) => name.clone(),
        (None, None) => return Err("which attribute? Give `--name` or `--promotion`".to_owned()),
    };
    let deed = match &arguments.value {
        Some(value) => Deed::Set(value.clone()),
        None if arguments.delete => Deed::Delete,
        None => Deed::Query { is_quiet: arguments.quiet, default: arguments.default.clone() },
    };
    let place = match (arguments.lifetime.as_deref(), arguments.kind.as_deref()) {
        (Some("reboot" | "status"), _) | (None, Some("status")) => Place::UntilRestart,
        (Some("forever" | "nodes"), _) | (None, Some("nodes")) => Place::Forever,
        (Some(other), _) => {
            return Err(format!("the lifetime `{other}` is not known: `reboot` or `forever`"));
        }
        (None, Some("crm_config")) => Place::Property,
        (None, Some(other)) => {
            return Err(format!("the type `{other}` is not known: `nodes`, `status` or `crm_config`"));
        }
        (None, None) if promotion.is_some() => Place::UntilRestart,
        (None, None) if arguments.node.is_some() => Place::Forever,
        (None, None) => Place::Property,
    };
    Ok(Wish { name, deed, node: arguments.node.as_deref().map(NodeName::from), place })
}

fn wish_of_updater(arguments: &UpdaterArguments) -> Result<Wish, String> {
    let deed = match &arguments.value {
        Some(value) => Deed::Set(value.clone()),
        None if arguments.delete => Deed::Delete,
        None if arguments.query => Deed::List { of_all: arguments.all },
        None => return Err("what to do? Give `--update`, `--delete` or `--query`".to_owned()),
    };
    let node = arguments.node.as_deref().map(NodeName::from);
    Ok(Wish { name: arguments.name.clone(), deed, node, place: Place::UntilRestart })
}

/// As it is written, else the resource whose agent calls.
fn resource_name(written: &str) -> Result<String, String> {
    if !written.is_empty() {
        return Ok(written.to_owned());
    }
    std::env::var("OCF_RESOURCE_INSTANCE")
        .map_err(|_| "which resource? OCF_RESOURCE_INSTANCE is not set, and none is named".to_owned())
}

impl Wish {
    fn fulfil(&self, command: &str) -> Result<ExitCode, String> {
        match (&self.deed, self.place) {
            (Deed::Set(value), Place::UntilRestart) => self.say(Some(value.clone())),
            (Deed::Delete, Place::UntilRestart) => self.say(None),
            (Deed::Set(value), Place::Forever) => self.write(Some(value)),
            (Deed::Delete, Place::Forever) => self.write(None),
            (Deed::Set(_) | Deed::Delete, Place::Property) => Err(format!(
                "`{}` would be a property of the cluster: those are set in the playbook, not by an agent; for an attribute of \
                 the node give `--lifetime`",
                self.name
            )),
            (Deed::Query { is_quiet, default }, _) => self.show(command, *is_quiet, default.as_deref()),
            (Deed::List { of_all }, _) => self.list(*of_all),
        }
    }

    /// Tells the agent of this node.
    fn say(&self, value: Option<String>) -> Result<ExitCode, String> {
        if let Some(node) = &self.node
            && *node != own_name()?
        {
            return Err(format!("what lasts until {node} restarts can be said on {node} alone"));
        }
        ask(&Request::Attribute { name: self.name.clone(), value })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Changes the configuration.
    fn write(&self, value: Option<&str>) -> Result<ExitCode, String> {
        let node = self.node.clone().map_or_else(own_name, Ok)?;
        let mut refusal = String::new();
        for _ in 0..TRIALS {
            let mut config = snapshot()?.config;
            let attributes = config.node_attributes.entry(node.clone()).or_default();
            let before = match value {
                Some(value) => attributes.insert(self.name.clone(), value.to_owned()),
                None => attributes.remove(&self.name),
            };
            if before.as_deref() == value {
                return Ok(ExitCode::SUCCESS);
            }
            config.node_attributes.retain(|_, attributes| !attributes.is_empty());
            let expected_generation = config.generation;
            match ask(&Request::Configure { config, expected_generation }) {
                Ok(_) => return Ok(ExitCode::SUCCESS),
                Err(why) => refusal = why,
            }
            if snapshot()?.config.generation == expected_generation {
                break;
            }
        }
        Err(refusal)
    }

    fn show(&self, command: &str, is_quiet: bool, default: Option<&str>) -> Result<ExitCode, String> {
        let node = self.node.clone().map_or_else(own_name, Ok)?;
        let found = self.value_in(&snapshot()?, &node);
        let Some(value) = found.as_deref().or(default) else {
            eprintln!("{command}: `{}` is not set on {node}", self.name);
            return Ok(ExitCode::from(NO_SUCH));
        };
        let scope = match self.place {
            Place::UntilRestart => "status",
            Place::Forever => "nodes",
            Place::Property => "crm_config",
        };
        if is_quiet {
            println!("{value}");
        } else {
            println!("scope={scope}  name={} value={value}", self.name);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, of_all: bool) -> Result<ExitCode, String> {
        let snapshot = snapshot()?;
        let nodes = match &self.node {
            _ if of_all => snapshot.corosync.nodes.iter().map(|node| node.name.clone()).collect(),
            Some(node) => vec![node.clone()],
            None => vec![own_name()?],
        };
        let mut code = ExitCode::from(NO_SUCH);
        for node in nodes {
            if let Some(value) = self.value_in(&snapshot, &node) {
                println!("name=\"{}\" host=\"{node}\" value=\"{value}\"", self.name);
                code = ExitCode::SUCCESS;
            }
        }
        Ok(code)
    }

    fn value_in(&self, snapshot: &Snapshot, node: &NodeName) -> Option<String> {
        let of = match self.place {
            Place::UntilRestart => snapshot.history.attributes.get(node)?,
            Place::Forever => snapshot.config.node_attributes.get(node)?,
            Place::Property => &snapshot.config.properties,
        };
        of.get(&self.name).cloned()
    }
}

fn own_name() -> Result<NodeName, String> {
    match ask(&Request::Status)? {
        Response::Status { status } => Ok(status.node),
        _ => Err("the agent of this node answered something unexpected".to_owned()),
    }
}

fn snapshot() -> Result<Snapshot, String> {
    match ask(&Request::Snapshot)? {
        Response::Snapshot { snapshot } => Ok(snapshot),
        _ => Err("the agent of this node answered something unexpected".to_owned()),
    }
}

fn ask(request: &Request) -> Result<Response, String> {
    let said = |error: ClientError| error.to_string();
    match Client::connect(Path::new(SOCKET)).map_err(said)?.ask(request).map_err(said)? {
        Response::Refused { why } => Err(why),
        response => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Wish, String> {
        let is_master = words.first() == Some(&"crm_master");
        wish(&Arguments::try_parse_from(words).expect("it is well formed"), is_master)
    }

    fn set(name: &str, value: &str, place: Place) -> Wish {
        Wish { name: name.to_owned(), deed: Deed::Set(value.to_owned()), node: None, place }
    }

    #[test]
    fn a_promotion_score_lasts_until_the_node_restarts() {
        let score = set("master-db", "10", Place::UntilRestart);
        assert_eq!(read(&["crm_attribute", "-p", "db", "-v", "10"]), Ok(score.clone()));
        assert_eq!(read(&["crm_attribute", "--promotion=db", "-l", "reboot", "-v", "10"]), Ok(score.clone()));
        assert_eq!(read(&["crm_master", "-l", "reboot", "-r", "db", "-v", "10"]), Ok(score));
        let negative = read(&["crm_attribute", "-p", "db", "-v", "-INFINITY"]).expect("a score");
        assert_eq!(negative.deed, Deed::Set("-INFINITY".to_owned()));
    }

    #[test]
    fn what_agents_write_is_understood_and_what_contradicts_itself_is_refused() {
        let updater = |words: &[&str]| {
            let words = std::iter::once(&"attrd_updater").chain(words);
            UpdaterArguments::try_parse_from(words).map_err(|error| error.kind())
        };
        for line in
            ["-n pingd -B 1000 -d 5s -q", "-p -n db-gtid -U 7", "-S status -n arch -v x86_64", "-D -n eth0"]
        {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(updater(&words).is_ok_and(|arguments| wish_of_updater(&arguments).is_ok()), "{line}");
        }
        assert_eq!(
            updater(&["-n", "x", "-D", "-U", "1"]).err(),
            Some(clap::error::ErrorKind::ArgumentConflict)
        );
        let both = Arguments::try_parse_from(["crm_attribute", "-n", "x", "-G", "-v", "1"]);
        assert_eq!(both.map_err(|error| error.kind()).err(), Some(clap::error::ErrorKind::ArgumentConflict));
    }

    #[test]
    fn an_attribute_is_kept_where_lifetime_type_or_node_say() {
        let forever = set("state", "sync", Place::Forever);
        assert_eq!(read(&["crm_attribute", "-l", "forever", "-n", "state", "-v", "sync"]), Ok(forever));
        let reboot = set("state", "sync", Place::UntilRestart);
        assert_eq!(read(&["crm_attribute", "-t", "status", "-n", "state", "-v", "sync"]), Ok(reboot));
        let property = read(&["crm_attribute", "-n", "no-quorum-policy", "-G"]).expect("a property");
        assert_eq!(property.place, Place::Property);
        assert!(read(&["crm_attribute", "-n", "x", "-l", "today"]).is_err());
        assert!(read(&["crm_attribute", "-v", "1"]).is_err());
    }
}
