//! What a playbook's `cluster` task declares. The playbook is run, with its roles, includes, variables and conditions, but no
//! host is asked anything: tasks for hosts are passed over, and what a `cluster` task would hand over is kept.

use super::super::apply::{folder_of, name_of_run, network};
use super::super::basis::{Basis, tell_warnings};
use super::SimulateArgs;
use crate::args::HostArgs;
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::inventory::Tolerance;
use crate::playbook::{Library, Loader};
use crate::report::{Event, Events};
use crate::run::agents::Agents;
use crate::run::content::Contents;
use crate::run::early::Early;
use crate::run::hosts::Hosts;
use crate::run::playbook_run::PlaybookRun;
use crate::run::refused::refused;
use crate::run::room::{DeclaredCluster, Options, Parts, Room, lock};
use crate::run::tags::TagFilter;
use crate::run::task_run::Mode;
use crate::template::Engine;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

/// The cluster that a playbook declares, and what a person should know about it.
///
/// # Errors
///
/// Mistakes in inventory and playbook; no `cluster` task was reached.
pub(super) fn read(args: &SimulateArgs, playbook: &Path) -> Result<(DeclaredCluster, Vec<String>)> {
    let playbook_dir = folder_of(playbook);
    let hosts = HostArgs { source: args.ask.hosts.clone(), limit: Vec::new() };
    let basis =
        Basis::read(&hosts, &args.ask.vault, &args.vars.extra_vars, Some(&playbook_dir), Tolerance::Nothing)?;
    let engine = Arc::new(Engine::new());
    let early =
        Early { engine: engine.clone(), store: basis.store.clone(), playbook_dir: playbook_dir.clone() };
    let loader = Loader::new(basis.reader.clone(), basis.settings.roles_path(), Box::new(early))
        .with_library(Library::new(&playbook_dir, basis.settings.library()))
        .minding_missing_handlers(basis.settings.minds_missing_handlers());
    let playbook = loader.playbook(playbook)?;
    let mistakes = refused(std::slice::from_ref(&playbook));
    mistakes.or_value(())?;
    tell_warnings(&basis.reader);
    let kept: Arc<Mutex<Vec<DeclaredCluster>>> = Arc::default();
    let options = Options {
        forks: 50,
        settings: Arc::new(basis.settings.clone()),
        inventory_sources: basis.inventory_sources.clone(),
        playbook_dir,
        tags: TagFilter::new(&basis.settings.tags(), &basis.settings.skip_tags()),
        strategy: basis.settings.strategy(),
        private_role_vars: basis.settings.private_role_vars(),
        declared: Some(kept.clone()),
        ..Options::default()
    };
    let (events, told) = Events::channel();
    let contents = Arc::new(Contents::default());
    let room = Arc::new(Room::new(Parts {
        engine,
        store: basis.store,
        inventory: basis.inventory,
        loader: Arc::new(loader),
        hosts: Hosts::new(Agents::find(), contents.clone(), name_of_run("simulate", &[])),
        contents,
        events,
        mode: Mode { check: true, only_declares: true, ..Mode::default() },
        options,
    }));
    let run = PlaybookRun { room, limit: basis.limit };
    network()?.block_on(run.run(vec![playbook]))?;
    let failures = failures(&told);
    let mut declared = std::mem::take(&mut *lock(&kept));
    let Some(last) = declared.pop() else { return Err(nothing_declared(failures).into()) };
    let mut notes = Vec::new();
    if declared.iter().any(|other| other.name != last.name) {
        notes.push(format!("the playbook declares several clusters; this is the last one, `{}`", last.name));
    }
    Ok((last, notes))
}

/// What failed on the way: a sentence for each task.
fn failures(told: &mpsc::Receiver<Event>) -> Vec<String> {
    let mut failures = Vec::new();
    while let Ok(event) = told.try_recv() {
        let Event::Done { host, task, result } = event else { continue };
        if result.is_failed() && !result.ignored {
            let message = result.result.get("msg").and_then(Json::as_str).unwrap_or("it failed");
            failures.push(format!("task `{task}` on {host}: {message}"));
        }
    }
    failures
}

fn nothing_declared(failures: Vec<String>) -> Diagnostic {
    let mut mistake = Diagnostic::error("the playbook declares no cluster: no `cluster` task was reached");
    for failure in failures {
        mistake = mistake.note(failure);
    }
    let hint =
        "no host is asked here, so what the task needs must be in variables, not in facts or earlier results";
    mistake.hint(hint).exits_with(Exit::HostUnreachable)
}
