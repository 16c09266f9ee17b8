//! Playbooks on their way to hosts: what `apply`, `plan` and `simulate` share. All is read first, and its mistakes told; then the
//! hosts are led through.

use super::basis::{Basis, tell, tell_warnings};
use super::listing;
use crate::args::PlaybookArgs;
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::inventory::{LOCALHOST, Tolerance};
use crate::load::Reader;
use crate::playbook::{Library, Loader, Play, Playbook};
use crate::report::Events;
use crate::run::across::{self, Across};
use crate::run::agents::Agents;
use crate::run::content::Contents;
use crate::run::early::Early;
use crate::run::hosts::Hosts;
use crate::run::interrupt;
use crate::run::playbook_run::PlaybookRun;
use crate::run::refused::refused;
use crate::run::room::{Gathering, Options, Parts, Room, lock};
use crate::run::tags::TagFilter;
use crate::run::task_run::Mode;
use crate::run::undefined::undefined;
use crate::source::SourceFile;
use crate::template::Engine;
use crate::vault::Keyring;
use crate::yaml::Node;
use indexmap::IndexSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Playbooks, inventory and variables, read and without mistakes; no host was touched.
pub(super) struct Walk {
    pub(super) basis: Basis,
    pub(super) playbooks: Vec<Playbook>,
    pub(super) tags: TagFilter,
    playbook_dir: PathBuf,
    engine: Arc<Engine>,
    loader: Loader,
}

impl Walk {
    /// Reads it all.
    ///
    /// # Errors
    ///
    /// Every mistake in settings, inventory, variables and playbooks.
    pub(super) fn read(args: &PlaybookArgs) -> Result<Self> {
        let (Some(first), None) = (args.playbooks.first(), &args.resume) else {
            let mistake = Diagnostic::error("only `muster apply` goes on with a run");
            return Err(mistake.exits_with(Exit::WrongUse).hint("leave out `--resume`").into());
        };
        let playbook_dir = folder_of(first);
        let basis = Basis::read(
            &args.hosts,
            &args.vault,
            &args.vars.extra_vars,
            Some(&playbook_dir),
            // A run on the controller alone needs no inventory; for any other a missing one is a mistake.
            if only_localhost(&args.playbooks) { Tolerance::All } else { Tolerance::Nothing },
        )?;
        let engine = Arc::new(Engine::new());
        let early =
            Early { engine: engine.clone(), store: basis.store.clone(), playbook_dir: playbook_dir.clone() };
        let loader = Loader::new(basis.reader.clone(), basis.settings.roles_path(), Box::new(early))
            .with_library(Library::new(&playbook_dir, basis.settings.library()))
            .warning_of_files(args.syntax_check)
            .minding_missing_handlers(basis.settings.minds_missing_handlers());
        let playbooks = playbooks(&args.playbooks, &loader)?;
        if args.flush_cache {
            basis.store.hosts().iter().for_each(|host| basis.store.clear_facts(host));
        }
        tell_warnings(&basis.reader);
        let tags = tags(args, &basis);
        names_are_defined(args, &basis, &tags, &playbooks)?;
        Ok(Self { basis, playbooks, tags, playbook_dir, engine, loader })
    }

    /// The same where the playbook is made here and not read; its files are looked for in `folder`.
    ///
    /// # Errors
    ///
    /// Every mistake in settings, inventory and variables.
    pub(super) fn of_text(args: &PlaybookArgs, folder: &Path, text: &Arc<SourceFile>) -> Result<Self> {
        let extra_vars = &args.vars.extra_vars;
        let basis = Basis::read(&args.hosts, &args.vault, extra_vars, Some(folder), Tolerance::All)?;
        let engine = Arc::new(Engine::new());
        let early =
            Early { engine: engine.clone(), store: basis.store.clone(), playbook_dir: folder.to_owned() };
        let loader = Loader::new(basis.reader.clone(), basis.settings.roles_path(), Box::new(early));
        let playbooks = vec![loader.playbook_text(text)?];
        tell_warnings(&basis.reader);
        let tags = TagFilter::new(&[], &[]);
        Ok(Self { basis, playbooks, tags, playbook_dir: folder.to_owned(), engine, loader })
    }

    /// Leads the hosts through, with everything told to `events`; nobody tells any more afterwards.
    ///
    /// # Errors
    ///
    /// A mistake that shows only on the way.
    pub(super) fn lead(self, command: &str, options: Options, mode: Mode, events: Events) -> Result<End> {
        let contents = Arc::new(Contents::default());
        let files = self.basis.store.files().clone();
        let paths: Vec<PathBuf> = self.playbooks.iter().map(|playbook| playbook.path.clone()).collect();
        let room = Arc::new(Room::new(Parts {
            engine: self.engine,
            store: self.basis.store,
            inventory: self.basis.inventory,
            loader: Arc::new(self.loader),
            hosts: Hosts::new(Agents::find(), contents.clone(), name_of_run(command, &paths))
                .over(&files)
                .numbered(options.journal.as_ref().map(|journal| journal.number.clone()))
                .telling(&events),
            contents,
            events,
            mode,
            options,
        }));
        carry_out(room, self.basis.limit, self.playbooks)
    }

    /// What the command line and the settings say; asks for passwords.
    ///
    /// # Errors
    ///
    /// Settings that mean nothing, passwords that cannot be read.
    pub(super) fn options(&self, args: &PlaybookArgs) -> Result<Options> {
        let basis = &self.basis;
        Ok(Options {
            // Ansible's five are for processes; a connection is cheap.
            forks: args.connection.forks.or(basis.settings.forks()).unwrap_or(50),
            verbosity: args.output.verbose.max(basis.settings.verbosity()),
            way: basis.way(&args.connection)?,
            r#become: basis.identity(&args.r#become)?,
            tags: self.tags.clone(),
            start_at: args.start_at_task.clone(),
            step: args.step,
            force_handlers: args.force_handlers || basis.settings.force_handlers(),
            limit: basis.limit_text.clone(),
            inventory_sources: basis.inventory_sources.clone(),
            settings: Arc::new(basis.settings.clone()),
            strategy: basis.settings.strategy(),
            gathering: gathering(basis.settings.gathering().as_deref())?,
            any_errors_fatal: basis.settings.any_errors_fatal(),
            private_role_vars: basis.settings.private_role_vars(),
            playbook_dir: self.playbook_dir.clone(),
            kept: None,
            across: Across::Stops { allowed: args.allow_finding.iter().cloned().collect() },
            journal: None,
            before_this: None,
        })
    }
}

/// How a run ended.
pub(super) struct End {
    pub(super) exit: Exit,
    /// Something changed, would change, or is not known.
    pub(super) changes: bool,
}

/// Leads the run on the network's threads; the room, and with it the way to the screen, is gone afterwards.
fn carry_out(room: Arc<Room>, limit: Option<IndexSet<String>>, playbooks: Vec<Playbook>) -> Result<End> {
    let network = network()?;
    let end = network.block_on(async {
        let _watch = interrupt::watch(&room);
        let run = PlaybookRun { room: room.clone(), limit };
        let exit = run.run(playbooks).await;
        room.hosts.close().await;
        across::conclude(&room);
        // A mistake that shows only now is told instead of figures.
        if exit.is_ok() {
            room.tell_recap();
        }
        exit
    });
    let changes = lock(&room.stats).values().any(|stats| stats.changed + stats.unknown > 0);
    network.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(End { exit: end?, changes })
}

/// The threads for the network.
pub(super) fn network() -> Result<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|cause| {
        Diagnostic::error("no threads can be started").cause(cause).exits_with(Exit::Unexpected).into()
    })
}

/// Whether all plays name the controller as their only host, and none is imported from elsewhere.
fn only_localhost(playbooks: &[PathBuf]) -> bool {
    let reader = Reader::new(Keyring::default());
    let is_local = |play: &Node| {
        let host = play.get("hosts").and_then(Node::scalar_text);
        host.is_some_and(|host| LOCALHOST.contains(&host.as_ref()))
    };
    let all_local = |path: &PathBuf| {
        let document = reader.yaml(path).ok();
        document.as_ref().and_then(Node::as_seq).is_some_and(|plays| plays.iter().all(is_local))
    };
    playbooks.iter().all(all_local)
}

/// Reads all playbooks, so that the mistakes of all are told together.
fn playbooks(paths: &[PathBuf], loader: &Loader) -> Result<Vec<Playbook>> {
    let mut mistakes = Diagnostics::default();
    let playbooks: Vec<Playbook> =
        paths.iter().filter_map(|path| mistakes.collect(loader.playbook(path))).collect();
    mistakes.append(refused(&playbooks));
    mistakes.or_value(playbooks)
}

/// Refuses variables that nothing defines. `--syntax-check` warns of them: what is not defined here may be where the playbook
/// runs.
fn names_are_defined(
    args: &PlaybookArgs,
    basis: &Basis,
    tags: &TagFilter,
    playbooks: &[Playbook],
) -> Result<()> {
    let is_partial = args.start_at_task.is_some() || args.step;
    if is_partial || (listing::is_asked(args) && !args.syntax_check) {
        return Ok(());
    }
    let has_hosts = |play: &Play| {
        let named = |pattern: &Node| pattern.scalar_text().map(|text| text.into_owned());
        let patterns: Option<Vec<String>> = play.hosts.one_or_many().iter().map(named).collect();
        let is_given = patterns.filter(|_| !play.hosts.has_template());
        is_given
            .is_some_and(|patterns| basis.select(&patterns.join(",")).is_ok_and(|hosts| !hosts.is_empty()))
    };
    let mistakes = undefined(playbooks, &basis.reader, &basis.store, tags, has_hosts);
    if !args.syntax_check {
        return mistakes.or_value(());
    }
    let warnings: Diagnostics = mistakes.into_iter().map(Diagnostic::into_warning).collect();
    tell(&warnings);
    Ok(())
}

fn tags(args: &PlaybookArgs, basis: &Basis) -> TagFilter {
    let or = |given: &[String], set: Vec<String>| if given.is_empty() { set } else { given.to_vec() };
    TagFilter::new(&or(&args.tags, basis.settings.tags()), &or(&args.skip_tags, basis.settings.skip_tags()))
}

fn gathering(name: Option<&str>) -> Result<Gathering> {
    match name {
        None | Some("implicit") => Ok(Gathering::Implicit),
        Some("explicit") => Ok(Gathering::Explicit),
        Some("smart") => Ok(Gathering::Smart),
        Some(other) => Err(Diagnostic::error(format!(
            "the setting `gathering` is implicit, explicit or smart, not `{other}`"
        ))
        .exits_with(Exit::WrongUse)
        .into()),
    }
}

/// The folder of a playbook, absolute.
pub(super) fn folder_of(playbook: &Path) -> PathBuf {
    let folder = playbook.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Who runs what from where: another run that finds a host locked shows it.
pub(super) fn name_of_run(command: &str, what: &[PathBuf]) -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "someone".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let what: Vec<String> = what.iter().map(|path| path.display().to_string()).collect();
    format!("{user}@{host}: muster {command} {} (process {})", what.join(" "), std::process::id())
}
