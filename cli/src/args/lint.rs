//! Options of `muster lint` and `muster explain`.

use super::{
    BecomeArgs, ConnectionArgs, HostArgs, Output, OutputArgs, PlaybookArgs, VarArgs, VaultKeyArgs, known_code,
};
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// Which hosts are walked through playbooks without changing anything, and how they are reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct WalkArgs {
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
    /// Only tasks with these tags
    #[arg(short, long, value_name = "TAG,…", action = ArgAction::Append)]
    tags: Vec<String>,
    /// Leave out tasks with these tags
    #[arg(long, value_name = "TAG,…", action = ArgAction::Append)]
    skip_tags: Vec<String>,
}

impl WalkArgs {
    /// The options of a dry run of these playbooks.
    pub(crate) fn of(&self, playbooks: &[PathBuf]) -> PlaybookArgs {
        PlaybookArgs {
            playbooks: playbooks.to_vec(),
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

/// How playbooks are walked for what they would make of hosts.
#[derive(Debug, Clone, Args)]
pub(crate) struct DryRunArgs {
    /// Ask no host: what is rendered on the controller counts
    #[arg(long)]
    pub(crate) fresh: bool,
    /// With `--fresh`: facts of the hosts, a mapping in YAML or JSON
    #[arg(long, value_name = "FILE", requires = "fresh")]
    pub(crate) facts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

/// Options of `muster drift`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DriftArgs {
    /// What hosts should be like; without it only the agents are asked whether they run with what is on their disks
    #[arg(value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

/// Options of `muster lint`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LintArgs {
    /// Playbooks, walked as `plan` walks them
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    /// Leave out this finding
    #[arg(long, value_name = "CODE", action = ArgAction::Append, value_parser = known_code)]
    pub(crate) allow_finding: Vec<String>,
    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}

/// Options of `muster blame`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BlameArgs {
    /// A file on a host: `/etc/corosync/corosync.conf@n1`
    #[arg(value_name = "FILE@HOST", value_parser = file_at_host)]
    pub(crate) file: (String, String),
    /// Playbooks, walked as `plan` walks them
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    /// Only this line, or these: `14`, `14-20`
    #[arg(long, value_name = "LINES", value_parser = line_range)]
    pub(crate) lines: Option<(usize, usize)>,
    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,
}

fn file_at_host(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('@') {
        Some((file, host)) if file.starts_with('/') && !host.is_empty() => {
            Ok((file.to_owned(), host.to_owned()))
        }
        _ => Err("write the full path of the file, `@`, and the host's name: `/etc/hosts@n1`".to_owned()),
    }
}

fn line_range(text: &str) -> Result<(usize, usize), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err("write one line, `14`, or the first and the last, `14-20`".to_owned()),
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
