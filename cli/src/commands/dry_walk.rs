//! Playbooks walked as `plan` walks them, for what they would make of hosts: `lint` and `blame`. With `--fresh` no host is asked.

use super::basis::log;
use super::simulate::declared::facts;
use super::simulate::obstacles::Obstacles;
use super::walk::Walk;
use crate::args::DryRunArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::report::{Event, Events, Kind, Screen};
use crate::run::across::Across;
use crate::run::foresight::Foresight;
use crate::run::room::{Options, lock};
use crate::run::task_run::Mode;
use crate::vars::{Secrets, Store};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What a walk came to.
pub(super) struct Walked {
    pub(super) exit: Exit,
    /// What could not be evaluated, a sentence for each.
    pub(super) notes: Vec<String>,
    pub(super) store: Arc<Store>,
}

/// Walks the playbooks; what is found goes where `across` says.
///
/// # Errors
///
/// Mistakes in inventory and playbooks.
pub(super) fn dry_walk(
    args: &DryRunArgs,
    playbooks: &[PathBuf],
    command: &str,
    across: Across,
) -> Result<Walked> {
    let dry_run = args.walk.of(playbooks);
    let walk = Walk::read(&dry_run)?;
    let store = walk.basis.store.clone();
    if let Some(file) = &args.facts {
        let facts = facts(file, &walk.basis.reader)?;
        store.hosts().iter().for_each(|host| store.change(host, |vars| vars.add_facts(facts.clone())));
    }
    if args.fresh {
        store.leave_facts_unknown();
    }
    let options = Options { across, ..walk.options(&dry_run)? };
    let mode = Mode {
        check: true,
        diff: true,
        timeout: walk.basis.settings.task_timeout(),
        no_log: walk.basis.settings.no_log(),
        only_declares: args.fresh,
        drafts: true,
        foresight: Some(Foresight::default()),
    };
    let (events, told) = Events::channel();
    let obstacles: Arc<Mutex<Obstacles>> = Arc::default();
    let noting = obstacles.clone();
    let watch = move |event: &Event, secrets: &Secrets| {
        lock(&noting).note(event, |text| secrets.mask(text).into_owned());
    };
    let log = log(&walk.basis.settings)?;
    let screen = Screen::watched(Kind::Silent, &args.walk.output, told, store.clone(), log, Box::new(watch));
    let end = walk.lead(command, options, mode, events);
    screen.finish();
    let exit = end?.exit;
    let notes = lock(&obstacles).sentences();
    Ok(Walked { exit, notes, store })
}
