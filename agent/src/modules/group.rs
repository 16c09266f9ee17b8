//! `group`: creates, changes and removes a group.

use super::account_name;
use super::account_number::{self, Kind};
use super::{Args, Check, Failure, Module};
use crate::worker::accounts;
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;

pub(super) struct Group;

impl Module for Group {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        refuse_range_of_local(args, &["gid_min", "gid_max"])?;
        let gid = args.int("gid").map(|gid| number("gid", gid)).transpose()?;
        view.overlay().consider("group", name);
        let there = view.groups().into_iter().find(|group| group.name == name);
        let mut check = match (there, args.text("state")) {
            (None, Some("absent")) => Check::unchanged(),
            (Some(group), Some("absent")) => remove(&group, args, view)?,
            (None, _) => add(name, gid, args, view)?,
            (Some(group), _) => modify(&group, gid, args, view)?,
        };
        check = check
            .with("name", name)
            .with("state", args.text("state").unwrap_or("present"))
            .with("system", args.flag("system"));
        let predicted = || account_number::next(Kind::Group, None, args, view);
        let known = gid.or_else(|| view.group(name).map(|group| group.gid)).unwrap_or_else(predicted);
        Ok(match Some(known).filter(|_| args.text("state") != Some("absent")) {
            Some(gid) => check.with("gid", gid),
            None => check,
        })
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        // What was predicted is what most hosts do; this is what the host has done.
        if let Some(group) = hands.view().group(args.needed("name")?) {
            outcome.result.insert("gid".into(), group.gid.into());
        }
        Ok(outcome)
    }
}

/// The tools for the host's own files take no range: who sets both means something else.
pub(super) fn refuse_range_of_local(args: &Args<'_>, ranges: &[&str]) -> Result<(), Failure> {
    let given = ranges.iter().find(|name| args.flag("local") && args.raw(name).is_some());
    match given {
        Some(name) => Err(Failure::new(format!("'{name}' can not be used with 'local'"))),
        None => Ok(()),
    }
}

/// A number of a user or group.
pub(super) fn number(argument: &str, value: i64) -> Result<u32, Failure> {
    u32::try_from(value)
        .map_err(|_| Failure::new(format!("`{argument}` is {value}; it is a number from 0 to {}", u32::MAX)))
}

fn diff(name: &str, change: Change) -> Diff {
    Diff { kind: "group".into(), name: name.to_owned(), changes: vec![change] }
}

fn remove(group: &accounts::Group, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let name = group.name.as_str();
    let user = view.users().into_iter().find(|user| user.gid == group.gid);
    if let Some(user) = user.filter(|_| !args.flag("force")) {
        return Err(Failure::new(format!(
            "cannot remove the primary group of user '{}': give the user another one first, or set `force: true`",
            user.name
        ))
        .with("name", name));
    }
    let words: &[&str] = if args.flag("force") { &["-f", name] } else { &[name] };
    let brings = vec![Prediction::NoGroup(name.to_owned())];
    let change = Change::Presence { before: "present".into(), after: "absent".into() };
    let operation = Operation::Run { command: Command::new("groupdel", words), brings };
    Ok(Check::change(diff(name, change), vec![operation]))
}

fn add(name: &str, gid: Option<u32>, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    account_name::refuse_impossible("group", name)?;
    let mut command = Command::new("groupadd", &[]);
    if let Some(gid) = gid {
        refuse_taken(gid, args, view)?;
        command = command.argument("-g").argument(gid.to_string());
    }
    for (argument, key) in [("gid_min", "GID_MIN"), ("gid_max", "GID_MAX")] {
        if let Some(value) = args.int(argument) {
            command = command.argument("-K").argument(format!("{key}={value}"));
        }
    }
    for (argument, option) in [("non_unique", "-o"), ("system", "-r")] {
        if args.flag(argument) {
            command = command.argument(option);
        }
    }
    let gid = gid.unwrap_or_else(|| account_number::next(Kind::Group, None, args, view));
    let group = accounts::Group { name: name.to_owned(), gid, members: Vec::new() };
    let operation =
        Operation::Run { command: command.argument(name), brings: vec![Prediction::Group(group)] };
    let change = Change::Presence { before: "absent".into(), after: "present".into() };
    Ok(Check::change(diff(name, change), vec![operation]))
}

fn modify(
    group: &accounts::Group,
    gid: Option<u32>,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let Some(gid) = gid.filter(|gid| *gid != group.gid) else { return Ok(Check::unchanged()) };
    refuse_taken(gid, args, view)?;
    let mut command = Command::new("groupmod", &["-g", &gid.to_string()]);
    if args.flag("non_unique") {
        command = command.argument("-o");
    }
    let after = accounts::Group { gid, ..group.clone() };
    // Whose primary group it is keeps it.
    let users = view.users().into_iter().filter(|user| user.gid == group.gid);
    let users = users.map(|user| Prediction::User(accounts::User { gid, ..user }));
    let brings = std::iter::once(Prediction::Group(after)).chain(users).collect();
    let operation = Operation::Run { command: command.argument(&group.name), brings };
    let change = Change::Attribute {
        attribute: "gid".into(),
        before: Some(group.gid.to_string()),
        after: Some(gid.to_string()),
    };
    Ok(Check::change(diff(&group.name, change), vec![operation]))
}

fn refuse_taken(gid: u32, args: &Args<'_>, view: &View<'_>) -> Result<(), Failure> {
    let owner = view.groups().into_iter().find(|group| group.gid == gid);
    match owner.filter(|_| !args.flag("non_unique")) {
        Some(owner) => Err(Failure::new(format!("GID '{gid}' already exists with group '{}'", owner.name))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn group_that_is_there_is_left_alone_and_a_new_one_is_seen_by_later_steps() {
        Trial::new("group").is_silent(json!({"name": "root", "gid": 0}));
        Trial::new("group").is_silent(json!({"name": "muster-none", "state": "absent"}));
        let trial = Trial::new("group");
        assert!(trial.plan(json!({"name": "muster-new", "gid": 59_123})).changed);
        assert!(!trial.plan(json!({"name": "muster-new", "gid": 59_123})).changed);
        assert!(trial.plan(json!({"name": "muster-new", "state": "absent"})).changed);
    }

    #[test]
    fn group_that_may_have_come_is_not_foretold() {
        let trial = Trial::new("group");
        let step = json!({"name": "muster-new", "gid": 59_123, "state": "present"});
        trial.plan_perhaps("group", step.clone(), false);
        assert_eq!(trial.plan(step).unknown.as_deref(), Some("it depends"));
        let other = trial.plan(json!({"name": "muster-other", "gid": 59_124}));
        assert!(other.changed && other.unknown.is_none(), "{other:?}");
    }

    #[test]
    fn primary_group_of_a_user_is_not_removed() {
        let said = Trial::new("group").refuse(json!({"name": "root", "state": "absent"}));
        assert!(said.contains("primary group of user 'root'"), "{said}");
    }

    #[test]
    fn taken_number_is_refused_with_its_owner() {
        let outcome = Trial::new("group").check(json!({"name": "muster-new", "gid": 0}));
        assert!(
            outcome.result["msg"].as_str().expect("a sentence").contains("already exists with group 'root'"),
            "{outcome:?}"
        );
    }
}
