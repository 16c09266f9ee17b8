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

/// As whom the run worked, here or there, and on which hosts.
struct Way<'a> {
    user: Option<&'a String>,
    is_local: bool,
    hosts: Vec<&'a String>,
    /// What the other users tell who worked on the same hosts, as expressions.
    others: Vec<String>,
}

/// First all hosts are looked at, as all users that the run worked as; then the files are brought back.
fn playbook(number: &str, seats: &BTreeSet<Seat>, check: bool) -> String {
    let ways = Way::all(seats);
    let all = || ways.iter().enumerate();
    let with_others = || all().filter(|(_, way)| !way.others.is_empty());
    let tell = with_others().map(|(index, way)| {
        let task = json!({"undo": {"run": number, "tell_only": true}, "register": told_by(index)});
        way.play(&format!("What did run {number} do?"), task)
    });
    let look = all().filter(|_| !check).map(|(_, way)| {
        let task = way.undo(json!({"run": number, "look_only": true}));
        way.play(&format!("Is all as run {number} left it?"), task)
    });
    let bring = |(_, way): (usize, &Way<'_>)| {
        way.play(&format!("Undo run {number}"), way.undo(json!({"run": number})))
    };
    // A folder of one user may hold files of another one, and the other way round: it goes when they are gone.
    let again = all().rev().skip(1).filter(|(_, way)| !way.others.is_empty()).map(bring);
    Json::Array(tell.chain(look).chain(all().map(bring)).chain(again).collect()).to_string()
}

/// Where it is kept what a way told.
fn told_by(index: usize) -> String {
    format!("undo_told_{index}")
}

impl<'a> Way<'a> {
    fn all(seats: &'a BTreeSet<Seat>) -> Vec<Self> {
        let mut hosts: BTreeMap<(Option<&String>, bool), Vec<&String>> = BTreeMap::new();
        for seat in seats {
            hosts.entry((seat.user.as_ref(), seat.is_local)).or_default().push(&seat.host);
        }
        let way = |((user, is_local), hosts)| Self { user, is_local, hosts, others: Vec::new() };
        let mut ways: Vec<Self> = hosts.into_iter().map(way).collect();
        for index in 0..ways.len() {
            let meets = |(other, way): &(usize, &Self)| *other != index && way.meets(&ways[index]);
            let told = |(other, _)| format!("({} | default({{}})).kept | default({{}})", told_by(other));
            ways[index].others = ways.iter().enumerate().filter(meets).map(told).collect();
        }
        ways
    }

    fn meets(&self, other: &Self) -> bool {
        self.is_local == other.is_local && self.hosts.iter().any(|host| other.hosts.contains(host))
    }

    fn undo(&self, mut undo: Json) -> Json {
        if !self.others.is_empty() {
            undo["others"] = format!("{{{{ [{}] }}}}", self.others.join(", ")).into();
        }
        json!({"undo": undo})
    }

    fn play(&self, name: &str, mut task: Json) -> Json {
        task["name"] = name.into();
        let mut play = json!({
            "name": name,
            "hosts": self.hosts,
            "gather_facts": false,
            "any_errors_fatal": true,
            "become": self.user.is_some(),
            "tasks": [task],
        });
        if let Some(user) = self.user {
            play["become_user"] = user.as_str().into();
        }
        if self.is_local {
            play["connection"] = "local".into();
        }
        play
    }
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
