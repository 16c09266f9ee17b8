//! What a playbook's `cluster` task declares. The playbook is walked as `plan` walks it: hosts give their facts, nothing is changed,
//! and what the task would hand over is kept. With `--fresh` no host is asked: tasks for hosts are passed over.

use super::super::walk::Walk;
use super::SimulateArgs;
use super::obstacles::Obstacles;
use crate::args::{HostArgs, PlaybookArgs};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::load::Reader;
use crate::report::{Event, Events};
use crate::run::across::Across;
use crate::run::expand_home;
use crate::run::foresight::Foresight;
use crate::run::room::{DeclaredCluster, Options, lock};
use crate::run::task_run::Mode;
use crate::template::{Value, from_json};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The cluster that a playbook declares, and what a person should know about it.
///
/// # Errors
///
/// Mistakes in inventory and playbook; no `cluster` task was reached, or it needs what is not known.
pub(super) fn read(args: &SimulateArgs, playbook: &Path) -> Result<(DeclaredCluster, Vec<String>)> {
    let playbook_args = as_playbook_args(args, playbook);
    let walk = Walk::read(&playbook_args)?;
    if let Some(file) = &args.facts {
        let facts = facts(file, &walk.basis.reader)?;
        let store = &walk.basis.store;
        store.hosts().iter().for_each(|host| store.change(host, |vars| vars.add_facts(facts.clone())));
    }
    if args.fresh {
        walk.basis.store.leave_facts_unknown();
    }
    let kept: Arc<Mutex<Vec<DeclaredCluster>>> = Arc::default();
    let options = Options { kept: Some(kept.clone()), across: Across::Off, ..walk.options(&playbook_args)? };
    let mode = Mode {
        check: true,
        timeout: walk.basis.settings.task_timeout(),
        only_declares: args.fresh,
        foresight: Some(Foresight::default()),
        ..Mode::default()
    };
    let store = walk.basis.store.clone();
    let (events, told) = Events::channel();
    let end = walk.lead("simulate", options, mode, events)?;
    if end.exit == Exit::Interrupted {
        let mistake = Diagnostic::error("interrupted before all of the playbook was walked");
        return Err(mistake.exits_with(Exit::Interrupted).into());
    }
    let mut obstacles = Obstacles::default();
    for event in told {
        match event {
            Event::Warning { text } => eprintln!("[WARNING]: {}", store.secrets().mask(&text)),
            event => obstacles.note(&event, |text| store.secrets().mask(text).into_owned()),
        }
    }
    let mut declared = std::mem::take(&mut *lock(&kept));
    let Some(last) = declared.pop() else { return Err(nothing_declared(obstacles, args.fresh).into()) };
    let mut notes = obstacles.sentences();
    if declared.iter().any(|other| other.name != last.name) {
        notes.push(format!("the playbook declares several clusters; this is the last one, `{}`", last.name));
    }
    Ok((last, notes))
}

fn as_playbook_args(args: &SimulateArgs, playbook: &Path) -> PlaybookArgs {
    PlaybookArgs {
        playbooks: vec![playbook.to_owned()],
        hosts: HostArgs { source: args.ask.hosts.clone(), limit: Vec::new() },
        connection: args.ask.connection(),
        r#become: args.ask.r#become.clone(),
        vars: args.vars.clone(),
        vault: args.ask.vault.clone(),
        check: true,
        ..PlaybookArgs::default()
    }
}

/// Facts that a person gives, under the names of their variables.
///
/// # Errors
///
/// The file cannot be read, or is no mapping.
pub(in crate::commands) fn facts(file: &Path, reader: &Reader) -> Result<Vec<(String, Value)>> {
    let document = reader.yaml(&expand_home(&file.to_string_lossy()))?;
    let Json::Object(mut facts) = document.to_json() else {
        let mistake = Diagnostic::error(format!("`--facts` needs a mapping, found {}", document.describe()));
        return Err(mistake.at(&document.span, "").exits_with(Exit::WrongUse).into());
    };
    if let Some(Json::Object(inner)) = facts.remove("ansible_facts") {
        facts = inner;
    }
    let named = facts.iter().map(|(name, value)| match name.starts_with("ansible_") {
        true => (name.clone(), from_json(value)),
        false => (format!("ansible_{name}"), from_json(value)),
    });
    Ok(named.collect())
}

fn nothing_declared(obstacles: Obstacles, is_fresh: bool) -> Diagnostic {
    let mistake = match obstacles.is_empty() {
        true => "the playbook declares no cluster: it reaches no `cluster` task",
        false => "what the playbook's `cluster` task declares is not known",
    };
    let hint = match (obstacles.is_empty(), is_fresh) {
        (true, _) => "`muster doc cluster` shows what the task declares",
        (false, true) => {
            "give the facts with `--facts FILE` or other values with `-e`, or leave out `--fresh`: then the hosts are asked"
        }
        (false, false) => {
            "`muster plan` shows every task; what only `apply` finds out can be given with `-e`"
        }
    };
    obstacles.explain(Diagnostic::error(mistake)).hint(hint).exits_with(Exit::HostUnreachable)
}
