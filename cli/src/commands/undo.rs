//! `muster undo RUN`: the files that a run changed become what they were before it. All hosts are looked at first; where a single
//! file was changed by somebody else since, nothing is done on any host.

use super::apply::lead_recorded;
use super::basis::tell;
use super::history;
use super::recorded::{Recording, command_of, unusable};
use super::walk::{Walk, folder_of};
use crate::args::{
    BecomeArgs, Command, ConnectionArgs, HostArgs, Output, PlaybookArgs, UndoArgs, VarArgs, VaultKeyArgs,
};
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use crate::journal::{self, Run, Seat};
use crate::report::text::MADE_HERE;
use crate::report::{Event, Kind, Watch};
use crate::run::result::{Status, TaskResult};
use crate::run::room::lock;
use crate::source::SourceFile;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// An undo of an undo of an undo …
const MOST_UNDONE: usize = 100;

/// Runs `muster undo`.
pub(crate) fn run(args: &UndoArgs) -> Exit {
    undo(args).unwrap_or_else(|mistakes| tell(&mistakes))
}

fn undo(given: &UndoArgs) -> Result<Exit> {
    let run = history::find(&given.run)?;
    let inventory = &given.hosts.source.inventory;
    // A path in them is one of here, not of where the run was started.
    let inventory: Vec<String> = inventory.iter().map(|source| absolute(source)).collect();
    let seats = Run::seats(&run.entries());
    if seats.is_empty() {
        anstream::println!("Run {} did not get as far as to a host: there is nothing to undo.", run.number);
        return Ok(Exit::Fine);
    }
    let (mut args, folder) = way_of(&run, MOST_UNDONE)?;
    if !inventory.is_empty() {
        args.hosts.source.inventory = inventory;
    }
    args.hosts.limit.clone_from(&given.hosts.limit);
    (args.output, args.check, args.diff) = (given.output.clone(), given.check, given.diff);
    let text = SourceFile::new(
        format!("{MADE_HERE}/undo of {}", run.number),
        playbook(&run.number, &seats, given.check),
    );
    let walk = Walk::of_text(&args, &folder, &text)?;
    missing_hosts(&walk, &run, &seats)?;
    know_its_secrets(&run, &walk);
    let left = Arc::new(Mutex::new(BTreeMap::new()));
    let kind = Kind::Apply { show_diff: given.diff };
    let recording = Recording::of(command(given, &run));
    let end = lead_recorded(walk, &args, kind, watch(left.clone()), recording)?;
    if given.output.output == Output::Text {
        anstream::print!("{}", told(&lock(&left)));
    }
    Ok(end.exit)
}

/// The encrypted values that the run had read are none to be shown.
fn know_its_secrets(run: &Run, walk: &Walk) {
    let commission = journal::commission(&run.own_folder().unwrap_or_default());
    for (file, _) in commission.map(|commission| commission.files).unwrap_or_default() {
        // What is gone or is no YAML by now has none that could be read.
        let is_encrypted = std::fs::read_to_string(&file).is_ok_and(|text| text.contains("!vault"));
        let _ = is_encrypted.then(|| walk.basis.reader.yaml(&file));
    }
}

/// How the run reached its hosts: the options of its command, and where its variables are looked for.
fn way_of(run: &Run, most: usize) -> Result<(PlaybookArgs, PathBuf)> {
    let commission = journal::commission(&run.own_folder().unwrap_or_default());
    let commission = commission.map_err(|why| unusable(run, &why))?;
    match command_of(run, &commission)? {
        Command::Apply(args) => {
            let folder = args.playbooks.first().map(|playbook| folder_of(playbook)).unwrap_or_default();
            Ok((plain(args.hosts, args.connection, args.r#become, args.vars, args.vault), folder))
        }
        Command::Run(args) => {
            let folder = args.playbook_dir.clone().unwrap_or_else(|| folder_of(Path::new("x")));
            Ok((plain(args.hosts, args.connection, args.r#become, args.vars, args.vault), folder))
        }
        Command::Undo(args) if most > 0 => {
            let (mut plain, folder) = way_of(&history::find(&args.run)?, most - 1)?;
            if !args.hosts.source.inventory.is_empty() {
                plain.hosts.source = args.hosts.source;
            }
            Ok((plain, folder))
        }
        _ => Err(unusable(run, "its command is none that changes hosts")),
    }
}

fn plain(
    hosts: HostArgs,
    connection: ConnectionArgs,
    r#become: BecomeArgs,
    vars: VarArgs,
    vault: VaultKeyArgs,
) -> PlaybookArgs {
    PlaybookArgs { hosts, connection, r#become, vars, vault, ..PlaybookArgs::default() }
}

fn absolute(source: &str) -> String {
    let path = Path::new(source);
    match path.exists() {
        true => path.canonicalize().map_or_else(|_| source.to_owned(), |path| path.display().to_string()),
        false => source.to_owned(),
    }
}

/// The command as it is recorded: with the whole number, so that the undo can be undone.
fn command(given: &UndoArgs, run: &Run) -> Vec<String> {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    words.map(|word| if word == given.run { run.number.clone() } else { word }).collect()
}

/// As whom the run worked, here or there.
type Way<'a> = (Option<&'a String>, bool);

/// First all hosts are looked at, as all users that the run worked as; then the files are brought back.
fn playbook(number: &str, seats: &BTreeSet<Seat>, check: bool) -> String {
    let mut ways: BTreeMap<Way<'_>, Vec<&String>> = BTreeMap::new();
    for seat in seats {
        ways.entry((seat.user.as_ref(), seat.is_local)).or_default().push(&seat.host);
    }
    let ways: Vec<(Way<'_>, Vec<&String>)> = ways.into_iter().collect();
    let with_others = |index: usize, mut undo: Json| {
        let others = others(&ways, index);
        if !others.is_empty() {
            undo["others"] = format!("{{{{ [{}] }}}}", others.join(", ")).into();
        }
        json!({"undo": undo})
    };
    let all = || ways.iter().enumerate();
    let tell = all().filter(|(index, _)| !others(&ways, *index).is_empty()).map(|(index, way)| {
        let task = json!({"undo": {"run": number, "tell_only": true}, "register": told_by(index)});
        play(&format!("What did run {number} do?"), task, way)
    });
    let look = all().filter(|_| !check).map(|(index, way)| {
        let task = with_others(index, json!({"run": number, "look_only": true}));
        play(&format!("Is all as run {number} left it?"), task, way)
    });
    let bring = |(index, way): (usize, &(Way<'_>, Vec<&String>))| {
        play(&format!("Undo run {number}"), with_others(index, json!({"run": number})), way)
    };
    // A folder of one user may hold files of another one, and the other way round: it goes when they are gone.
    let again = all().rev().skip(1).filter(|(index, _)| !others(&ways, *index).is_empty()).map(bring);
    Json::Array(tell.chain(look).chain(all().map(bring)).chain(again).collect()).to_string()
}

fn play(name: &str, mut task: Json, ((user, is_local), hosts): &(Way<'_>, Vec<&String>)) -> Json {
    task["name"] = name.into();
    let mut play = json!({
        "name": name,
        "hosts": hosts,
        "gather_facts": false,
        "any_errors_fatal": true,
        "become": user.is_some(),
        "tasks": [task],
    });
    if let Some(user) = user {
        play["become_user"] = user.as_str().into();
    }
    if *is_local {
        play["connection"] = "local".into();
    }
    play
}

/// Where it is kept what a way told.
fn told_by(index: usize) -> String {
    format!("undo_told_{index}")
}

/// What the other users told who worked on the same hosts, as expressions.
fn others(ways: &[(Way<'_>, Vec<&String>)], index: usize) -> Vec<String> {
    let ((_, is_local), hosts) = &ways[index];
    let meets = |(at, ((_, its_local), its_hosts)): &(usize, &(Way<'_>, Vec<&String>))| {
        *at != index && its_local == is_local && its_hosts.iter().any(|host| hosts.contains(host))
    };
    let told = |(at, _)| format!("({} | default({{}})).kept | default({{}})", told_by(at));
    ways.iter().enumerate().filter(meets).map(told).collect()
}

/// A host that is not in the inventory any more is named: what the run did there would stay without a word.
fn missing_hosts(walk: &Walk, run: &Run, seats: &BTreeSet<Seat>) -> Result<()> {
    let is_known = |host: &str| walk.basis.select(host).is_ok_and(|hosts| !hosts.is_empty());
    let missing: BTreeSet<&str> =
        seats.iter().map(|seat| seat.host.as_str()).filter(|host| !is_known(host)).collect();
    if missing.is_empty() || walk.basis.limit.is_some() {
        return Ok(());
    }
    let names: Vec<&str> = missing.into_iter().collect();
    let why =
        format!("run {} also worked on {}, which the inventory does not have", run.number, names.join(", "));
    let mistake = Diagnostic::error(why).exits_with(Exit::WrongUse);
    Err(mistake.hint("name another inventory with `-i`, or the hosts to undo it on with `--limit`").into())
}

/// What the hosts say besides, by host.
type Left = BTreeMap<String, Vec<String>>;

fn watch(left: Arc<Mutex<Left>>) -> Watch {
    Box::new(move |event, secrets| {
        let Event::Done { host, result, .. } = event else { return };
        let told = sentences(result);
        if !told.is_empty() {
            let masked = told.iter().map(|text| secrets.mask(text).into_owned());
            let mut left = lock(&left);
            let said = left.entry(host.clone()).or_default();
            for sentence in masked {
                if !said.contains(&sentence) {
                    said.push(sentence);
                }
            }
        }
    })
}

fn sentences(result: &TaskResult) -> Vec<String> {
    if result.status != Status::Ok {
        return Vec::new();
    }
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let left = result.result.get("left").and_then(Json::as_array).into_iter().flatten();
    left.chain(result.result.get("msg")).filter_map(text).collect()
}

fn told(left: &Left) -> String {
    if left.is_empty() {
        return String::new();
    }
    let mut text = "Not undone:\n".to_owned();
    for (host, sentences) in left {
        for sentence in sentences {
            text += &format!("    {host}: {sentence}\n");
        }
    }
    text
}
