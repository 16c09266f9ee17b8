//! `muster run`: one module on hosts, without a playbook.

use super::basis::{Basis, log, tell, tell_warnings};
use super::recorded::{self, Recording};
use super::walk::{folder_of, name_of_run, network};
use crate::args::AdHocArgs;
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::inventory::Tolerance;
use crate::playbook::{Library, Loader, Playbook};
use crate::report::{Events, Kind, Screen};
use crate::run::agents::Agents;
use crate::run::content::Contents;
use crate::run::early::Early;
use crate::run::hosts::Hosts;
use crate::run::interrupt;
use crate::run::playbook_run::PlaybookRun;
use crate::run::room::{Options, Parts, Room};
use crate::run::tags::TagFilter;
use crate::run::task_run::Mode;
use crate::settings::Settings;
use crate::source::SourceFile;
use crate::template::Engine;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs `muster run`.
pub(crate) fn run(args: AdHocArgs) -> Exit {
    go(&args).unwrap_or_else(|mistakes| tell(&mistakes))
}

fn go(args: &AdHocArgs) -> Result<Exit> {
    let configured = Settings::read()?.playbook_dir();
    let folder = args.playbook_dir.clone().or(configured).unwrap_or_else(|| folder_of(Path::new("x")));
    let basis =
        Basis::read(&args.hosts, &args.vault, &args.vars.extra_vars, Some(&folder), Tolerance::Nothing)?;
    let engine = Arc::new(Engine::new());
    let early = Early { engine: engine.clone(), store: basis.store.clone(), playbook_dir: folder.clone() };
    let args = &AdHocArgs {
        pattern: early.text(&args.pattern)?,
        module_name: early.text(&args.module_name)?,
        ..args.clone()
    };
    let hosts = basis.select(&args.pattern)?;
    tell_warnings(&basis.reader);
    if args.list_hosts {
        println!("  hosts ({}):", hosts.len());
        hosts.iter().for_each(|host| println!("    {host}"));
        return Ok(Exit::Fine);
    }
    if hosts.is_empty() {
        eprintln!("[WARNING]: no hosts match `{}`, nothing to do", args.pattern);
        return Ok(Exit::Fine);
    }
    let loader = Loader::new(basis.reader.clone(), basis.settings.roles_path(), Box::new(early))
        .with_library(Library::new(&folder, basis.settings.library()));
    let playbook = playbook(args, &folder, &loader)?;
    let (events, receiver) = Events::channel();
    let recording = Recording::of_what_was_given();
    let journal = match args.check {
        true => None,
        false => recording.begin(&basis.inventory_sources, &basis.reader, &events),
    };
    let options = Options {
        journal: journal.clone(),
        forks: args.connection.forks.or(basis.settings.forks()).unwrap_or(50),
        verbosity: args.output.verbose.max(basis.settings.verbosity()),
        way: basis.way(&args.connection)?,
        r#become: basis.identity(&args.r#become)?,
        tags: TagFilter::new(&[], &[]),
        limit: basis.limit_text.clone(),
        inventory_sources: basis.inventory_sources.clone(),
        playbook_dir: folder,
        settings: Arc::new(basis.settings.clone()),
        ..Options::default()
    };
    let kind = Kind::AdHoc { one_line: args.one_line, module: bare(&args.module_name).to_owned() };
    let (store, log) = (basis.store.clone(), log(&basis.settings)?);
    let watch = recorded::watch(&journal, Box::new(|_, _| {}));
    let screen = Screen::watched(kind, &args.output, receiver, store, log, watch);
    let contents = Arc::new(Contents::default());
    let links =
        Hosts::new(Agents::find(), contents.clone(), name_of_run("run", &[PathBuf::from(&args.module_name)]))
            .over(basis.store.files())
            .numbered(journal.as_ref().map(|journal| journal.number.clone()));
    let room = Arc::new(Room::new(Parts {
        engine,
        store: basis.store,
        inventory: basis.inventory,
        loader: Arc::new(loader),
        hosts: links,
        contents,
        events,
        mode: Mode {
            check: args.check,
            diff: args.diff,
            timeout: args.task_timeout.or(basis.settings.task_timeout()),
            no_log: basis.settings.no_log(),
            only_declares: false,
            drafts: false,
            foresight: None,
        },
        options,
    }));
    let limit = basis.limit;
    let network = network()?;
    let exit = network.block_on(async move {
        let _watch = interrupt::watch(&room);
        let exit = PlaybookRun { room: room.clone(), limit }.run(vec![playbook]).await;
        room.hosts.close().await;
        exit
    });
    network.shutdown_timeout(std::time::Duration::from_secs(1));
    screen.finish();
    recorded::end(journal.as_deref(), exit.as_ref().copied());
    exit
}

/// A playbook of one task. What the user wrote is checked as in a playbook.
fn playbook(args: &AdHocArgs, folder: &Path, loader: &Loader) -> Result<Playbook> {
    let module = bare(&args.module_name);
    if module == "import_playbook" {
        let mistake = Diagnostic::error(format!("`{module}` is not a valid action for ad-hoc commands"))
            .hint("run the playbook with `muster apply`");
        return Err(mistake.exits_with(Exit::WrongUse).into());
    }
    let given = args.args.trim();
    let is_mapping = given.starts_with('{')
        && !given.starts_with("{{")
        && crate::yaml::parse_text("--args", given).is_ok_and(|node| node.as_map().is_some());
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let value = match given {
        "" => String::new(),
        _ if is_mapping => given.to_owned(),
        _ => quoted(given),
    };
    let text = format!(
        "- name: Ad hoc\n  hosts: {}\n  gather_facts: false\n  tasks:\n  - name: {}\n    {}: {value}\n",
        quoted(&args.pattern),
        quoted(&args.module_name),
        args.module_name,
    );
    // The name tells where a mistake is: in what was typed. Its folder is where files are looked for.
    let name = Path::new("(command line)");
    let path = if args.playbook_dir.is_some() { folder.join(name) } else { name.to_owned() };
    loader.playbook_text(&SourceFile::new(path, text))
}

fn bare(module: &str) -> &str {
    module
        .strip_prefix("ansible.builtin.")
        .or_else(|| module.strip_prefix("ansible.legacy."))
        .unwrap_or(module)
}
