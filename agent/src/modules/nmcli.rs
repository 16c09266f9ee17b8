//! `nmcli`: connections of NetworkManager. A connection is a list of properties (nm-settings-nmcli(5)); what the task asks for
//! is compared with what nmcli tells, and only what differs is set.

mod properties;

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use properties::{Profile, Wanted};

pub(super) struct Nmcli;

const KIND: &str = "connection";
/// Of nmcli(1): there is no such connection.
const NOT_THERE: i32 = 10;
const STATE: &str = "GENERAL.STATE";

impl Module for Nmcli {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let (name, state) = (args.needed("conn_name")?, args.needed("state")?);
        let known = known(name, view)?;
        let check = match (state, known) {
            ("absent", None) => Check::unchanged(),
            ("absent", Some(_)) => removed(name),
            ("present", None) => added(name, args)?,
            ("present", Some(known)) => modified(name, known, args)?,
            (_, None) => {
                return Err(Failure::missing(format!(
                    "there is no connection `{name}`; make it first with `state: present`"
                )));
            }
            ("up", Some(known)) => switched(name, known, true, args),
            (_, Some(known)) if known.is_active() => switched(name, known, false, args),
            _ => Check::unchanged(),
        };
        Ok(check.with("conn_name", name).with("state", state))
    }
}

/// The connection as it is, or as earlier steps of this plan would have left it.
fn known(name: &str, view: &View<'_>) -> Result<Option<Profile>, Failure> {
    if let Some(predicted) = view.overlay().thing(KIND, name) {
        return Ok(predicted.map(Profile::parse));
    }
    if view.program("nmcli").is_none() {
        return Err(Failure::missing("this host has no `nmcli`; install package network-manager first"));
    }
    let asked = view.ask("nmcli", &["-t", "-e", "no", "--show-secrets", "connection", "show", "id", name]);
    let asked = asked.map_err(|error| Failure::new(format!("cannot run `nmcli`: {error}")))?;
    match asked.rc {
        0 => Ok(Some(Profile::parse(&asked.out()))),
        NOT_THERE => Ok(None),
        // NetworkManager does not run: an earlier step may start it.
        _ => Err(Failure::missing(asked.complaint()).with("rc", asked.rc)),
    }
}

fn change(name: &str, changes: Vec<Change>, words: Vec<String>, after: Option<Profile>) -> Check {
    let mut command = Command::new("nmcli", &["connection"]);
    command.arguments.extend(words.iter().map(Into::into));
    let state = after.map(|after| after.text());
    let brings = vec![Prediction::Thing { kind: KIND, name: name.to_owned(), state }];
    let diff = Diff { kind: KIND.into(), name: name.to_owned(), changes };
    Check::change(diff, vec![Operation::Run { command, brings }])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn removed(name: &str) -> Check {
    let change_of = Change::Presence { before: "present".into(), after: "absent".into() };
    change(name, vec![change_of], words(&["delete", "id", name]), None)
}

fn added(name: &str, args: &Args<'_>) -> Result<Check, Failure> {
    let Some(kind) = args.text("type") else {
        return Err(Failure::new(format!("there is no connection `{name}`: a new one needs `type`")));
    };
    let wanted = Wanted::of(name, kind, args)?;
    let mut words = words(&["add", "type", properties::add_type(kind), "con-name", name]);
    let mut changes = vec![Change::Presence { before: "absent".into(), after: kind.to_owned() }];
    let mut after = Profile::default();
    for (property, value) in wanted.properties {
        if value.is_empty() {
            continue;
        }
        changes.push(Change::Attribute {
            attribute: property.clone(),
            before: None,
            after: Some(value.clone()),
        });
        after.set(&property, &value);
        words.extend([property, value]);
    }
    after.set("connection.type", properties::told_type(kind));
    Ok(change(name, changes, words, Some(after))
        .with("Connection", format!("{name} of type {kind} is added")))
}

fn modified(name: &str, known: Profile, args: &Args<'_>) -> Result<Check, Failure> {
    let told = known.get("connection.type").to_owned();
    let kind = args.text("type").unwrap_or_else(|| properties::type_of_told(&told));
    if properties::told_type(kind) != told {
        return Err(Failure::new(format!(
            "connection `{name}` is of type `{told}` and cannot become one of type `{kind}`; remove it first"
        )));
    }
    let wanted = Wanted::of(name, kind, args)?;
    let mut after = known.clone();
    let (mut words, mut changes) = (words(&["modify", "id", name]), Vec::new());
    for (property, value) in wanted.properties {
        let before = known.get(&property);
        let Some(value) = properties::differing(&property, before, &value) else { continue };
        changes.push(Change::Attribute {
            attribute: property.clone(),
            before: Some(before.to_owned()),
            after: Some(value.clone()),
        });
        after.set(&property, &value);
        words.extend([property, value]);
    }
    if changes.is_empty() {
        return Ok(Check::unchanged().with("Exists", "Connections already exist and no changes made"));
    }
    Ok(change(name, changes, words, Some(after))
        .with("Exists", "Connections do exist so we are modifying them"))
}

fn switched(name: &str, mut after: Profile, up: bool, args: &Args<'_>) -> Check {
    let word = if up { "up" } else { "down" };
    let before = if after.is_active() { "up" } else { "down" };
    let change_of = Change::Presence { before: before.into(), after: word.into() };
    after.set(STATE, if up { "activated" } else { "" });
    let mut check = change(name, vec![change_of], words(&[word, "id", name]), Some(after));
    if args.flag("conn_reload") {
        let command = Command::new("nmcli", &["connection", "reload"]);
        check.operations.insert(0, Operation::Run { command, brings: Vec::new() });
    }
    check
}

impl Profile {
    fn is_active(&self) -> bool {
        matches!(self.get(STATE), "activated" | "activating")
    }
}
