//! `muster cluster import` and `muster cluster export`: Pacemaker's CIB to a playbook and back.

mod to_run;

use crate::cluster::cib::{self, CibError};
use crate::cluster::desired::Desired;
use crate::cluster::playbook_form::{self, FormProblem, Step};
use crate::cluster::playbook_text::{ClusterTask, cluster_tasks, first_hidden, playbook};
use crate::error::{Diagnostic, Diagnostics};
use crate::exit::Exit;
use crate::source::{SourceFile, Span};
use crate::yaml::{self, Node};
use clap::{Args, Subcommand};
use muster_api::cluster::{ClusterConfig, parse_bool};
use serde_json::Map;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `muster cluster`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExchangeArgs {
    #[command(subcommand)]
    command: ExchangeCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum ExchangeCommand {
    /// Write a playbook of what a CIB of Pacemaker configures
    Import(ImportArgs),
    /// Write a CIB for Pacemaker of what a playbook declares
    Export(ExportArgs),
}

#[derive(Debug, Clone, Args)]
struct ImportArgs {
    /// The CIB in XML (`cibadmin --query`, `pcs cluster cib`), or `-` for standard input
    #[arg(value_name = "CIB")]
    file: PathBuf,
    /// The cluster's name, where the CIB does not say it (`cluster_name` of corosync.conf)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The hosts of the play
    #[arg(long, value_name = "PATTERN", default_value = "cluster")]
    hosts: String,
    /// Leave out what only Pacemaker's own programs need, so that muster's agents can run the rest; each is named
    #[arg(long)]
    to_run: bool,
    /// Write to this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
struct ExportArgs {
    /// A playbook or a file of tasks with a `cluster` task, or what `musterd config show` prints; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the task, where the file has several `cluster` tasks
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Write to this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `muster cluster`.
pub(crate) fn run(args: &ExchangeArgs) -> Exit {
    let done = match &args.command {
        ExchangeCommand::Import(args) => import(args).map(|text| (text, &args.out)),
        ExchangeCommand::Export(args) => export(args).map(|text| (text, &args.out)),
    };
    let written = done.and_then(|(text, out)| put(&text, out.as_deref()));
    written.map_or_else(|mistakes| super::basis::tell(&mistakes), |()| Exit::Fine)
}

fn text_of(file: &Path) -> Result<String, Diagnostics> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|cause| {
        Diagnostic::error(format!("`{}` cannot be read", file.display())).cause(cause).into()
    })
}

fn put(text: &str, out: Option<&Path>) -> Result<(), Diagnostics> {
    let Some(out) = out else {
        print!("{text}");
        return Ok(());
    };
    std::fs::write(out, text).map_err(|cause| {
        Diagnostic::error(format!("`{}` cannot be written", out.display())).cause(cause).into()
    })
}

fn import(args: &ImportArgs) -> Result<String, Diagnostics> {
    let text = text_of(&args.file)?;
    let imported = imported(&text, args);
    let (text, notes) = imported.map_err(|why| {
        let what = format!("`{}` cannot be imported", args.file.display());
        why.into_iter().map(|why| Diagnostic::error(what.clone()).cause(why)).collect::<Diagnostics>()
    })?;
    for note in notes {
        eprintln!("note: {note}");
    }
    Ok(text)
}

/// The playbook of a CIB, and what of it was not taken over or is written in another way.
fn imported(cib: &str, args: &ImportArgs) -> Result<(String, Vec<String>), Vec<String>> {
    let (mut desired, mut notes) =
        cib::read_desired(cib).map_err(|error: CibError| vec![error.to_string()])?;
    drop_own_notes(&mut desired.config, &mut notes);
    if args.to_run {
        to_run::leave_out(&mut desired, &mut notes);
    }
    let in_cib = desired.config.properties.get("cluster-name").cloned();
    let name = args.name.clone().or(in_cib).unwrap_or_else(|| {
        notes.push(
            "the CIB says no `cluster-name`: the playbook says `cluster`; `--name` sets it".to_string(),
        );
        "cluster".to_string()
    });
    let task = playbook_form::write(&name, &desired)?;
    Ok((playbook(&args.hosts, &task), notes))
}

/// What a running cluster writes into its configuration about itself.
const OWN_NOTES: [&str; 3] = ["dc-version", "cluster-infrastructure", "last-lrm-refresh"];

fn drop_own_notes(config: &mut ClusterConfig, notes: &mut Vec<String>) {
    let has_watchdog = config.properties.get("have-watchdog").and_then(|text| parse_bool(text));
    let mut own = OWN_NOTES.to_vec();
    own.extend((has_watchdog == Some(false)).then_some("have-watchdog"));
    own.retain(|name| config.properties.remove(*name).is_some());
    if !own.is_empty() {
        let listed = own.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        notes.push(format!("{listed} left out: a cluster writes that itself"));
    }
}

fn export(args: &ExportArgs) -> Result<String, Diagnostics> {
    let text = text_of(&args.file)?;
    let desired = match serde_json::from_str::<ClusterConfig>(&text) {
        Ok(config) => Desired { config, ..Desired::default() },
        Err(_) => of_playbook(&args.file, text, args.task.as_deref())?,
    };
    cib::write(&desired).map_err(|problems| {
        let what = format!("`{}` cannot be written as a CIB", args.file.display());
        problems.into_iter().map(|why| Diagnostic::error(what.clone()).cause(why)).collect()
    })
}

fn of_playbook(path: &Path, text: String, task: Option<&str>) -> Result<Desired, Diagnostics> {
    let file = SourceFile::new(path, text);
    let mut warnings = Diagnostics::default();
    let node = yaml::parse(&file, &mut warnings)?;
    let task = the_task(path, cluster_tasks(&node), task)?;
    if let Some(hidden) = first_hidden(&task.args) {
        let mistake = Diagnostic::error("only a run knows this value, and a CIB has to say it");
        return Err(mistake
            .at(&hidden.span, "")
            .hint("write the value itself, or export what runs: `musterd config show`")
            .into());
    }
    let named = task.args.as_map().into_iter().flat_map(yaml::Mapping::iter);
    let args: Map<_, _> = named.map(|(key, value)| (key.key_text().into_owned(), value.to_json())).collect();
    playbook_form::read_exchanged(&args).map_err(|problems| {
        let told = |problem: FormProblem| {
            let span = place(&task.args, &problem);
            Diagnostic::error(format!("`cluster`: {problem}")).at(&span.first_line(), "")
        };
        problems.into_iter().map(told).collect()
    })
}

/// The deepest part of the arguments that a problem's path leads to.
fn place(args: &Node, problem: &FormProblem) -> Span {
    let mut node = args;
    for step in &problem.path {
        let inside = match step {
            Step::Key(name) => node.get(name),
            Step::Index(index) => node.as_seq().and_then(|items| items.get(*index)),
        };
        let Some(inside) = inside else { break };
        node = inside;
    }
    node.span.clone()
}

/// The one `cluster` task of a file, or the one of that name.
fn the_task(path: &Path, tasks: Vec<ClusterTask>, name: Option<&str>) -> Result<ClusterTask, Diagnostics> {
    let mut fitting: Vec<ClusterTask> =
        tasks.into_iter().filter(|task| name.is_none() || task.name.as_deref() == name).collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => {
            let named = name.map(|name| format!(" named `{name}`")).unwrap_or_default();
            let what = format!("`{}` has no `cluster` task{named}", path.display());
            let hint = "name a playbook, or a file of tasks, that declares a cluster";
            Err(Diagnostic::error(what).hint(hint).exits_with(Exit::WrongUse).into())
        }
        count => {
            let what = format!("`{}` has {count} `cluster` tasks", path.display());
            let mistake = Diagnostic::error(what).hint("say which one with `--task NAME`");
            let mistake = fitting.iter().fold(mistake, |mistake, task| {
                let name = task.name.as_deref().unwrap_or("without a name");
                mistake.note(format!("line {}: {name}", task.span.place().line))
            });
            Err(mistake.exits_with(Exit::WrongUse).into())
        }
    }
}

#[cfg(test)]
mod tests;
