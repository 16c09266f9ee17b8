//! Options of `muster lint` and `muster explain`.

use super::{
    BecomeArgs, ConnectionArgs, HostArgs, Output, OutputArgs, PlaybookArgs, VarArgs, VaultKeyArgs, known_code,
};
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// Options of `muster lint`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LintArgs {
    /// Playbooks, walked as `plan` walks them
    #[arg(required = true, value_name = "PLAYBOOK")]
    playbooks: Vec<PathBuf>,
    /// Ask no host: what is rendered on the controller is compared
    #[arg(long)]
    pub(crate) fresh: bool,
    /// With `--fresh`: facts of the hosts, a mapping in YAML or JSON
    #[arg(long, value_name = "FILE", requires = "fresh")]
    pub(crate) facts: Option<PathBuf>,
    /// Leave out this finding
    #[arg(long, value_name = "CODE", action = ArgAction::Append, value_parser = known_code)]
    pub(crate) allow_finding: Vec<String>,
    #[command(flatten)]
    hosts: HostArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    r#become: BecomeArgs,
    #[command(flatten)]
    vars: VarArgs,
    #[command(flatten)]
    vault: VaultKeyArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Only tasks with these tags
    #[arg(short, long, value_name = "TAG,…", action = ArgAction::Append)]
    tags: Vec<String>,
    /// Leave out tasks with these tags
    #[arg(long, value_name = "TAG,…", action = ArgAction::Append)]
    skip_tags: Vec<String>,
}

impl LintArgs {
    /// The options of a dry run.
    pub(crate) fn dry_run(&self) -> PlaybookArgs {
        PlaybookArgs {
            playbooks: self.playbooks.clone(),
            hosts: self.hosts.clone(),
            connection: self.connection.clone(),
            r#become: self.r#become.clone(),
            vars: self.vars.clone(),
            vault: self.vault.clone(),
            output: self.output.clone(),
            tags: self.tags.clone(),
            skip_tags: self.skip_tags.clone(),
            check: true,
            diff: true,
            ..PlaybookArgs::default()
        }
    }
}

/// Options of `muster explain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// The code; without one, all are listed
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}
