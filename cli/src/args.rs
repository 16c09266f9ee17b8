//! The command line: every option with its meaning, as ansible-playbook, ansible and ansible-inventory have them.

mod lint;
mod vault;

use crate::run::foresight::Foresight;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
pub(crate) use lint::{BlameArgs, DriftArgs, DryRunArgs, ExplainArgs, LintArgs};
use std::path::PathBuf;
pub(crate) use vault::{
    VaultAction, VaultArgs, VaultDetailArgs, VaultFileArgs, VaultRekeyArgs, VaultStringArgs,
};

/// Provisions hosts and runs high-availability clusters on them.
#[derive(Debug, Parser)]
#[command(name = "muster", version, max_term_width = 110, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring hosts to the state that playbooks declare
    Apply(Box<PlaybookArgs>),
    /// Show what `apply` would change, without changing anything
    Plan(Box<PlanArgs>),
    /// Show a plan that was kept with `plan --out`
    Show {
        /// The plan.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The runs that were made from here, and what each of them changed
    History {
        /// The run, by its number or the beginning of it.
        #[arg(value_name = "RUN")]
        run: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Bring back the files that a run changed, where they still are as it left them
    Undo(Box<UndoArgs>),
    /// What is not as playbooks declare it, and which agents do not run with what is on their disks
    Drift(Box<DriftArgs>),
    /// Compare what hosts would get, before anything is written: addresses, keys, names, ports, clocks
    Lint(Box<LintArgs>),
    /// Where each line of a file comes from that playbooks put on a host: task, template, variables
    Blame(Box<BlameArgs>),
    /// Explain a finding of `lint` by its code, or list all
    Explain(ExplainArgs),
    /// Run one module on hosts
    Run(Box<AdHocArgs>),
    /// Show hosts, groups and their variables
    Inventory(Box<InventoryArgs>),
    /// Explain the modules and their arguments
    Doc(DocArgs),
    /// Read and write vault files
    Vault(VaultArgs),
    /// Nodes on this machine to rehearse on
    Lab(crate::commands::lab::LabArgs),
    /// Exchange configurations with Pacemaker: a CIB as a playbook, a playbook as a CIB
    Cluster(crate::commands::exchange::ExchangeArgs),
    /// What the cluster would do, and what if: a saved CIB, the live cluster, or a playbook before it is applied
    Simulate(Box<crate::commands::simulate::SimulateArgs>),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// How the cluster stands: nodes, quorum, resources, failures, fencing
    Status(ClusterArgs),
    /// Why a resource is where it is, or runs nowhere, and what to do: `why RESOURCE [--on NODE]`
    Why(ClusterArgs),
    /// Put nodes in standby and back
    Node(ClusterArgs),
    /// Move, clear, clean up, enable and disable resources
    Resource(ClusterArgs),
    /// Fence a node, or confirm that it is off
    Fence(ClusterArgs),
    /// What happened in the cluster
    Events(ClusterArgs),
    /// How the votes stand
    Quorum(ClusterArgs),
}

/// Options of `muster apply`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlaybookArgs {
    /// Playbooks, run one after the other; or a plan that was kept with `plan --out`
    #[arg(required_unless_present = "resume", value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) r#become: BecomeArgs,
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    #[command(flatten)]
    pub(crate) vault: VaultKeyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Only predict: change nothing on any host
    #[arg(short = 'C', long)]
    pub(crate) check: bool,
    /// Show the differences of changed files
    #[arg(short = 'D', long)]
    pub(crate) diff: bool,
    /// Run only tasks with these tags
    #[arg(short, long, value_name = "TAG,…", action = ArgAction::Append)]
    pub(crate) tags: Vec<String>,
    /// Leave out tasks with these tags
    #[arg(long, value_name = "TAG,…", action = ArgAction::Append)]
    pub(crate) skip_tags: Vec<String>,
    /// Start at the task of this name (`*` and `?` match)
    #[arg(long, value_name = "NAME")]
    pub(crate) start_at_task: Option<String>,
    /// Ask before each task
    #[arg(long)]
    pub(crate) step: bool,
    /// Print the hosts and stop
    #[arg(long)]
    pub(crate) list_hosts: bool,
    /// Print the tasks and stop
    #[arg(long)]
    pub(crate) list_tasks: bool,
    /// Print the tags and stop
    #[arg(long)]
    pub(crate) list_tags: bool,
    /// Check the playbooks and stop, without touching any host
    #[arg(long)]
    pub(crate) syntax_check: bool,
    /// Accepted for scripts: no facts are kept between runs, so there is nothing to flush
    #[arg(long)]
    pub(crate) flush_cache: bool,
    /// Run notified handlers even where a task failed
    #[arg(long)]
    pub(crate) force_handlers: bool,
    /// What a plan does otherwise than a dry run.
    #[arg(skip)]
    pub(crate) foresight: Option<Foresight>,
    /// Go on in spite of this finding of `muster lint`
    #[arg(long, value_name = "CODE", action = ArgAction::Append, value_parser = known_code)]
    pub(crate) allow_finding: Vec<String>,
    /// Of `apply`: go on with the last run that broke off or failed, or with this one, with the command that it was given
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    pub(crate) resume: Option<String>,
    /// With `--resume`: also where files that the run had read say something else now
    #[arg(long, requires = "resume")]
    pub(crate) even_if_changed: bool,
}

/// The code of a finding, as it is written everywhere.
fn known_code(code: &str) -> Result<String, String> {
    match crate::lint::page(code) {
        Some(page) => Ok(page.code.to_owned()),
        None => Err("there is no such finding; `muster explain` lists them".to_owned()),
    }
}

/// Options of `muster undo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UndoArgs {
    /// The run, by its number or the beginning of it: `muster history` lists them
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Only predict: change nothing on any host
    #[arg(short = 'C', long)]
    pub(crate) check: bool,
    /// Show the differences of the files
    #[arg(short = 'D', long)]
    pub(crate) diff: bool,
}

/// Options of `muster plan`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) playbook: PlaybookArgs,
    /// Exit with 2 where something would change or is not known, with 0 where nothing would change and all is known
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Let tasks of this name run that have `check_mode: false`, or those with a module: `module:command`.
    ///
    /// A plan runs what is known only to look (`wait_for`, `uri` with GET). `check_mode: false` on anything else is a word of the
    /// playbook's author, which Ansible and `apply --check` take: the task really runs. A plan predicts it like any other task,
    /// and calls unknown what it cannot predict, unless you say here that it may run.
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub(crate) run_in_check: Vec<String>,
    /// Keep the plan in a file, to apply exactly that
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

impl PlanArgs {
    /// The run that predicts.
    pub(crate) fn playbook(&self) -> PlaybookArgs {
        let foresight = Some(Foresight { allowed: self.run_in_check.clone() });
        PlaybookArgs { check: true, diff: true, foresight, ..self.playbook.clone() }
    }
}

/// Options of `muster run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdHocArgs {
    /// Which hosts: a name, a group, a pattern
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: String,
    /// The module
    #[arg(short, long, default_value = "command")]
    pub(crate) module_name: String,
    /// Its arguments: `key=value …`, free text, or a JSON or YAML mapping
    #[arg(short, long, default_value = "", allow_hyphen_values = true)]
    pub(crate) args: String,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) r#become: BecomeArgs,
    #[command(flatten)]
    pub(crate) vars: VarArgs,
    #[command(flatten)]
    pub(crate) vault: VaultKeyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Only predict: change nothing on any host
    #[arg(short = 'C', long)]
    pub(crate) check: bool,
    /// Show the differences of changed files
    #[arg(short = 'D', long)]
    pub(crate) diff: bool,
    /// One line for each host
    #[arg(short, long)]
    pub(crate) one_line: bool,
    /// Print the hosts and stop
    #[arg(long)]
    pub(crate) list_hosts: bool,
    /// Where roles and group_vars are looked for
    #[arg(long, value_name = "FOLDER")]
    pub(crate) playbook_dir: Option<PathBuf>,
    /// Seconds after which the task is ended
    #[arg(long, value_name = "SECONDS")]
    pub(crate) task_timeout: Option<u64>,
}

/// Options of `muster inventory`.
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("what").args(["list", "graph", "host"]))]
pub(crate) struct InventoryArgs {
    /// All hosts and groups, as JSON
    #[arg(long)]
    pub(crate) list: bool,
    /// The groups as a tree
    #[arg(long)]
    pub(crate) graph: bool,
    /// The variables of one host
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Where the tree starts
    #[arg(value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Each variable with its value, the place where it is defined, and its precedence; with `-v` those it wins over
    #[arg(long, conflicts_with_all = ["list", "graph"])]
    pub(crate) origin: bool,
    /// With `--graph`: show variables
    #[arg(long)]
    pub(crate) vars: bool,
    /// YAML instead of JSON
    #[arg(short, long)]
    pub(crate) yaml: bool,
    /// With `--list`: variables at the groups and hosts that define them
    #[arg(long)]
    pub(crate) export: bool,
    /// Write to a file
    #[arg(long = "output", value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hosts: HostArgs,
    /// Variables that win over all others: `key=value …`, JSON, YAML or `@FILE`
    #[arg(short, long, value_name = "VARS", action = ArgAction::Append)]
    pub(crate) extra_vars: Vec<String>,
    #[command(flatten)]
    pub(crate) vault: VaultKeyArgs,
    /// Where group_vars and host_vars are looked for as well
    #[arg(long, value_name = "FOLDER")]
    pub(crate) playbook_dir: Option<PathBuf>,
    /// Colours
    #[arg(long, value_enum, default_value_t)]
    pub(crate) color: Color,
    /// More detail
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Options of `muster doc`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DocArgs {
    /// Modules; without one, all are listed
    pub(crate) modules: Vec<String>,
    /// List the modules
    #[arg(short, long)]
    pub(crate) list: bool,
    /// As JSON
    #[arg(short, long)]
    pub(crate) json: bool,
    /// What of ansible-core works, and what is refused and why: a page in Markdown
    #[arg(long, conflicts_with_all = ["modules", "list", "json"])]
    pub(crate) compatibility: bool,
}

/// Options of the commands that a node of the cluster answers: all that is not listed here goes to the agent there.
#[derive(Debug, Clone, Default, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct ClusterArgs {
    /// Ask this host; without it, the first of group `cluster` that can be reached
    #[arg(long, value_name = "HOST")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// What the agent is asked; `--help` shows what there is
    #[arg(allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(crate) rest: Vec<String>,
}

/// How a node of the cluster is reached, to be asked something.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(crate) hosts: InventorySource,
    /// Log in as this user
    #[arg(short, long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Log in with this private key
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    pub(crate) private_key: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long)]
    pub(crate) ask_pass: bool,
    /// What to do about hosts that known_hosts does not have
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) host_key_checking: Option<HostKeyChecking>,
    #[command(flatten)]
    pub(crate) r#become: BecomeArgs,
    #[command(flatten)]
    pub(crate) vault: VaultKeyArgs,
}

impl AskArgs {
    /// The connection options as the other commands have them.
    pub(crate) fn connection(&self) -> ConnectionArgs {
        ConnectionArgs {
            user: self.user.clone(),
            private_key: self.private_key.clone(),
            ask_pass: self.ask_pass,
            host_key_checking: self.host_key_checking,
            ..ConnectionArgs::default()
        }
    }
}

/// Where the hosts come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InventorySource {
    /// Inventory file or folder, or a list of hosts with a comma
    #[arg(short, long, visible_alias = "inventory-file", value_name = "FILE", action = ArgAction::Append)]
    pub(crate) inventory: Vec<String>,
}

/// Which hosts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HostArgs {
    #[command(flatten)]
    pub(crate) source: InventorySource,
    /// Only these hosts: a pattern or `@FILE`
    #[arg(short, long, visible_alias = "subset", value_name = "PATTERN", action = ArgAction::Append)]
    pub(crate) limit: Vec<String>,
}

/// How hosts are reached.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConnectionArgs {
    /// Log in as this user
    #[arg(short, long = "user", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Log in with this private key
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    pub(crate) private_key: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long, conflicts_with = "connection_password_file")]
    pub(crate) ask_pass: bool,
    /// Read the login password from a file
    #[arg(long, visible_alias = "conn-pass-file", value_name = "FILE")]
    pub(crate) connection_password_file: Option<PathBuf>,
    /// `ssh` or `local`
    #[arg(short, long, value_name = "KIND")]
    pub(crate) connection: Option<String>,
    /// Seconds until a connection attempt is given up
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Options as for ssh: `-o ProxyJump=…`
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) ssh_common_args: Option<String>,
    /// Options as for ssh
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(crate) ssh_extra_args: Option<String>,
    /// What to do about hosts that known_hosts does not have
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) host_key_checking: Option<HostKeyChecking>,
    /// How many hosts are worked on at the same time
    #[arg(short, long, value_name = "N")]
    pub(crate) forks: Option<usize>,
}

/// What to do about hosts that known_hosts does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostKeyChecking {
    /// An unknown key is an error.
    Strict,
    /// An unknown key is accepted and remembered; a changed one is an error.
    AcceptNew,
    /// No key is checked.
    Off,
}

/// As which user tasks run on the host.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BecomeArgs {
    /// Run as another user
    #[arg(short = 'b', long)]
    pub(crate) r#become: bool,
    /// As this one
    #[arg(long, value_name = "USER")]
    pub(crate) become_user: Option<String>,
    /// With `sudo` or `su`
    #[arg(long, value_name = "METHOD")]
    pub(crate) become_method: Option<String>,
    /// Ask for the password of sudo or su
    #[arg(short = 'K', long, conflicts_with = "become_password_file")]
    pub(crate) ask_become_pass: bool,
    /// Read the password of sudo or su from a file
    #[arg(long, visible_alias = "become-pass-file", value_name = "FILE")]
    pub(crate) become_password_file: Option<PathBuf>,
}

/// Variables of the command line.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct VarArgs {
    /// Variables that win over all others: `key=value …`, JSON, YAML or `@FILE`
    #[arg(short, long, value_name = "VARS", action = ArgAction::Append)]
    pub(crate) extra_vars: Vec<String>,
}

/// Where vault passwords come from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct VaultKeyArgs {
    /// Read the vault password from a file, or from what the file prints where it is executable
    #[arg(long, visible_alias = "vault-pass-file", value_name = "FILE", action = ArgAction::Append)]
    pub(crate) vault_password_file: Vec<PathBuf>,
    /// A vault id with its password: `ID@FILE` or `ID@prompt`
    #[arg(long, value_name = "ID@SOURCE", action = ArgAction::Append)]
    pub(crate) vault_id: Vec<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long, visible_alias = "ask-vault-password")]
    pub(crate) ask_vault_pass: bool,
}

/// How results are shown.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OutputArgs {
    /// Text for people, or one JSON object a line
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Colours
    #[arg(long, value_enum, default_value_t)]
    pub(crate) color: Color,
    /// More detail; more often, more
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
