//! `user`: creates, changes and removes a user, with shadow's own tools. They know the host's own files only, which is
//! what `local` asks for.

mod home;
mod ssh_key;

use super::account_name;
use super::account_number::{self, Kind};
use super::group::{number, refuse_range_of_local};
use super::{Args, Check, Failure, Module};
use crate::worker::accounts::{Group, User as Account};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) struct User;

impl Module for User {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        refuse_range_of_local(args, &["uid_min", "uid_max", "umask"])?;
        view.overlay().consider("user", name);
        let there = view.users().into_iter().find(|user| user.name == name);
        let is_absent = args.text("state") == Some("absent");
        let (check, user) = match there {
            None if is_absent => (Check::unchanged(), None),
            Some(user) if is_absent => (remove(&user, args, view)?, None),
            None => add(name, args, view)?,
            Some(user) => modify(user, args, view)?,
        };
        let mut check = check;
        check.outcome.warnings.extend(args.text("password").and_then(doubtful));
        check.outcome.warnings.extend(append_of_nothing(args));
        let mut check = check.with("name", name).with("state", if is_absent { "absent" } else { "present" });
        if let Some(user) = user {
            ssh_key::make(&user, args, view, &mut check)?;
            check = told(check, &user, args);
        }
        Ok(check)
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        let name = args.needed("name")?;
        // What was predicted is what most hosts do; this is what the host has done.
        if let Some(user) = hands.view().users().into_iter().find(|user| user.name == name) {
            outcome.result.extend([("uid".into(), user.uid.into()), ("group".into(), user.gid.into())]);
            outcome.result.extend([("home".into(), user.home.into()), ("shell".into(), user.shell.into())]);
        }
        ssh_key::tell(args, &hands.view(), &mut outcome.result);
        Ok(outcome)
    }
}

/// A warning where `append` has nothing to do.
fn append_of_nothing(args: &Args<'_>) -> Option<String> {
    let is_lost = args.flag("append") && args.list("groups").is_none();
    is_lost.then(|| {
        "'append' is set, but no 'groups' are specified. Use 'groups' for appending new groups.".to_owned()
    })
}

/// A warning where the password can hardly be crypt(5) text.
fn doubtful(password: &str) -> Option<String> {
    let is_set = |letter: char| letter.is_ascii_alphanumeric() || "./".contains(letter);
    let locked = password.trim_start_matches('!');
    if locked.is_empty() || password.chars().all(|letter| letter == '*') || password == "*************" {
        return None;
    }
    let parts: Vec<&str> = locked.split('$').collect();
    // `$id$salt$hash`, with `rounds=` or costs in between; DES and MD5 of old have 13 letters and no `$`.
    let is_hash = match parts.as_slice() {
        [des] => des.len() == 13 && des.chars().all(is_set),
        ["", id, _, .., hash] => {
            let length = match *id {
                "1" => hash.len() == 22,
                "5" => hash.len() == 43,
                "6" => hash.len() == 86,
                _ => hash.len() >= 22,
            };
            !id.is_empty() && length && hash.chars().all(is_set)
        }
        _ => false,
    };
    (!is_hash).then(|| {
        "The input password appears not to have been hashed. The 'password' argument must be encrypted for this module to work properly.".to_owned()
    })
}

fn told(check: Check, user: &Account, args: &Args<'_>) -> Check {
    let check = check.with("uid", user.uid).with("group", user.gid).with("home", user.home.as_str());
    let check = check.with("shell", user.shell.as_str()).with("comment", user.comment.as_str());
    let check = check.with("append", args.flag("append")).with("move_home", args.flag("move_home"));
    match args.list("groups") {
        Some(groups) => check.with("groups", groups.join(",")),
        None => check,
    }
}

fn remove(user: &Account, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let owner = view.stat(Path::new(&user.home)).ok().flatten().map(|home| home.uid);
    if args.flag("remove") && !args.flag("force") && owner.is_some_and(|owner| owner != user.uid) {
        return Err(Failure::new(format!(
            "`{}` is not owned by `{}`, so userdel leaves it: leave out `remove`, or set `force: true`",
            user.home, user.name
        ))
        .with("name", user.name.as_str()));
    }
    let mut command = Command::new("userdel", &[]);
    for (argument, option) in [("force", "-f"), ("remove", "-r")] {
        if args.flag(argument) {
            command = command.argument(option);
        }
    }
    let mut brings = vec![Prediction::NoUser(user.name.clone())];
    if args.flag("remove") && view.exists(Path::new(&user.home)) {
        brings.push(Prediction::Also(Box::new(Operation::Remove { path: user.home.clone().into() })));
    }
    let of_all = view.groups().into_iter().filter(|group| group.members.contains(&user.name));
    brings.extend(of_all.map(|mut group| {
        group.members.retain(|member| *member != user.name);
        Prediction::Group(group)
    }));
    if takes_its_group(user, view) {
        brings.push(Prediction::NoGroup(user.name.clone()));
    }
    let operations = vec![Operation::Run { command: command.argument(&user.name), brings }];
    let change = Change::Presence { before: "present".into(), after: "absent".into() };
    Ok(Check::change(diff(&user.name, vec![change]), operations))
}

/// Whether userdel(8) removes the group that has the user's name, too: it is the user's primary one, nobody else is in it, and
/// login.defs(5) says so.
fn takes_its_group(user: &Account, view: &View<'_>) -> bool {
    let settings = view.read(Path::new("/etc/login.defs")).unwrap_or_default();
    let settings = String::from_utf8_lossy(&settings);
    let mut words = settings.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_usual = words.any(|words| words == ["USERGROUPS_ENAB", "yes"]);
    let is_others = |group: &Group| {
        group.members.iter().any(|member| *member != user.name)
            || view.users().iter().any(|other| other.gid == group.gid && other.name != user.name)
    };
    is_usual && view.group(&user.name).is_some_and(|group| group.gid == user.gid && !is_others(&group))
}

fn diff(name: &str, changes: Vec<Change>) -> Diff {
    Diff { kind: "user".into(), name: name.to_owned(), changes }
}

/// The group of that name or number.
fn group(written: &str, view: &View<'_>) -> Result<Group, Failure> {
    let by_number = || view.groups().into_iter().find(|group| group.gid.to_string() == written);
    let found = view.group(written).or_else(by_number);
    found.ok_or_else(|| {
        Failure::missing(format!(
            "there is no group `{written}` on this host; add it first with module `group`"
        ))
    })
}

fn add(name: &str, args: &Args<'_>, view: &View<'_>) -> Result<(Check, Option<Account>), Failure> {
    account_name::refuse_impossible("user", name)?;
    let uid = args.int("uid").map(|uid| number("uid", uid)).transpose()?;
    if let Some(uid) = uid {
        refuse_taken(uid, args, view)?;
    }
    let primary = args.text("group").map(|name| group(name, view)).transpose()?;
    let mut command = Command::new("useradd", &[]);
    for (argument, key) in [("uid_min", "UID_MIN"), ("uid_max", "UID_MAX")] {
        if let Some(value) = args.int(argument) {
            command = command.argument("-K").argument(format!("{key}={value}"));
        }
    }
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            command.arguments.extend([name.into(), value.into()]);
        }
    };
    option("-u", uid.map(|uid| uid.to_string()));
    option("-g", primary.as_ref().map(|group| group.name.clone()));
    let groups = groups_named(args, view)?;
    option(
        "-G",
        groups
            .clone()
            .filter(|groups| !groups.is_empty())
            .map(|groups| groups.into_iter().collect::<Vec<_>>().join(",")),
    );
    option("-c", args.text("comment").map(str::to_owned));
    option("-d", args.path("home", view).map(|home| home.to_string_lossy().into_owned()));
    option("-s", args.text("shell").map(|shell| view.expand(shell)));
    option(
        "-k",
        args.text("skeleton").filter(|_| args.choice("create_home") != Some(false)).map(str::to_owned),
    );
    option("-K", args.text("umask").map(|umask| format!("UMASK={umask}")));
    option("-e", args.raw("expires").and_then(serde_json::Value::as_f64).map(expiry_date));
    option("-f", args.int("password_expire_account_disable").map(|days| days.to_string()));
    // A group of the user's own name that is there already is taken, as useradd demands to be told.
    if primary.is_none() && view.group(name).is_some() {
        command = command.argument("-N");
    }
    for (argument, option) in [("non_unique", "-o"), ("system", "-r")] {
        if args.flag(argument) {
            command = command.argument(option);
        }
    }
    command = command.argument(if args.choice("create_home") == Some(false) { "-M" } else { "-m" });
    let uid = uid.unwrap_or_else(|| account_number::next(Kind::User, None, args, view));
    let gid = match primary {
        Some(group) => group.gid,
        None if view.group(name).is_some() => default_group(view),
        None => account_number::next(Kind::Group, Some(uid), args, view),
    };
    let user = Account {
        name: name.to_owned(),
        uid,
        gid,
        comment: args.text("comment").unwrap_or("").to_owned(),
        home: args
            .path("home", view)
            .map_or_else(|| format!("/home/{name}"), |home| home.to_string_lossy().into_owned()),
        shell: args.text("shell").map_or_else(|| "/bin/sh".to_owned(), |shell| view.expand(shell)),
    };
    let mut brings = vec![Prediction::User(user.clone())];
    if args.text("group").is_none() && view.group(name).is_none() {
        brings.push(Prediction::Group(Group { name: name.to_owned(), gid, members: Vec::new() }));
    }
    let joined = groups.iter().flatten().filter_map(|group| view.group(group));
    brings.extend(joined.map(|mut group| {
        group.members.push(name.to_owned());
        Prediction::Group(group)
    }));
    brings.push(shadow_after(name, args, None));
    if args.choice("create_home") != Some(false) && !view.exists(Path::new(&user.home)) {
        brings.extend(home::made(&user, args, view));
    }
    let mut operations = vec![Operation::Run { command: command.argument(name), brings }];
    operations.extend(password_operations(name, args, None)?);
    operations.extend(aging(name, args, None));
    let change = Change::Presence { before: "absent".into(), after: "present".into() };
    let check = Check::change(diff(name, vec![change]), operations)
        .with("create_home", args.choice("create_home") != Some(false));
    Ok((check, Some(user)))
}

/// The group of a user who gets none of his own (useradd(8)).
fn default_group(view: &View<'_>) -> u32 {
    let settings = view.text("/etc/default/useradd");
    let written = settings.lines().find_map(|line| line.trim().strip_prefix("GROUP="));
    let named = |name: &str| name.parse().ok().or_else(|| view.group(name).map(|group| group.gid));
    written.and_then(|name| named(name.trim())).unwrap_or(100)
}

fn refuse_taken(uid: u32, args: &Args<'_>, view: &View<'_>) -> Result<(), Failure> {
    let owner = view.users().into_iter().find(|user| user.uid == uid);
    match owner.filter(|_| !args.flag("non_unique")) {
        Some(owner) => Err(Failure::new(format!(
            "uid {uid} belongs to user `{}`; `non_unique: true` shares it",
            owner.name
        ))),
        None => Ok(()),
    }
}

fn groups_named(args: &Args<'_>, view: &View<'_>) -> Result<Option<BTreeSet<String>>, Failure> {
    let Some(names) = args.list("groups") else { return Ok(None) };
    let found: Result<BTreeSet<String>, Failure> =
        names.iter().map(|name| Ok(group(name, view)?.name)).collect();
    found.map(Some)
}

/// Collects what differs: options of usermod, and changes to show.
struct Differences {
    options: Vec<String>,
    changes: Vec<Change>,
    after: Account,
}

impl Differences {
    fn note(&mut self, attribute: &str, before: String, after: String, option: &[&str]) {
        self.options.extend(option.iter().map(|word| (*word).to_owned()));
        self.options.push(after.clone());
        self.changes.push(Change::Attribute {
            attribute: attribute.to_owned(),
            before: Some(before),
            after: Some(after),
        });
    }
}

fn modify(user: Account, args: &Args<'_>, view: &View<'_>) -> Result<(Check, Option<Account>), Failure> {
    let mut found = Differences { options: Vec::new(), changes: Vec::new(), after: user.clone() };
    if let Some(uid) =
        args.int("uid").map(|uid| number("uid", uid)).transpose()?.filter(|uid| *uid != user.uid)
    {
        refuse_taken(uid, args, view)?;
        let option: &[&str] = if args.flag("non_unique") { &["-o", "-u"] } else { &["-u"] };
        found.note("uid", user.uid.to_string(), uid.to_string(), option);
        found.after.uid = uid;
    }
    if let Some(primary) =
        args.text("group").map(|name| group(name, view)).transpose()?.filter(|group| group.gid != user.gid)
    {
        found.note("group", view.group_name(user.gid), primary.name, &["-g"]);
        found.after.gid = primary.gid;
    }
    let shell = args.text("shell").map(|shell| view.expand(shell));
    let home = args.path("home", view).map(|home| home.to_string_lossy().into_owned());
    let home_option: &[&str] = if args.flag("move_home") { &["-m", "-d"] } else { &["-d"] };
    for (attribute, option, before, after) in [
        ("comment", &["-c"][..], &user.comment, args.text("comment").map(str::to_owned)),
        ("shell", &["-s"][..], &user.shell, shell),
        ("home", home_option, &user.home, home),
    ] {
        if let Some(after) = after.filter(|after| after != before) {
            found.note(attribute, before.clone(), after.clone(), option);
            match attribute {
                "comment" => found.after.comment = after,
                "shell" => found.after.shell = after,
                _ => found.after.home = after,
            }
        }
    }
    let joined = groups_difference(&user, args, view, &mut found)?;
    let shadow = Shadow::of(&user.name, view);
    expiry_difference(args, &shadow, &mut found);
    let moves = args.flag("move_home") && found.after.home != user.home;
    if moves && view.exists(Path::new(&found.after.home)) {
        return Err(Failure::new(format!(
            "`{}` exists: usermod moves a home directory only to where nothing is",
            found.after.home
        ))
        .with("name", user.name.as_str()));
    }
    let moves = moves && view.exists(Path::new(&user.home));
    let mut operations = Vec::new();
    if !found.options.is_empty() {
        let mut command = Command::new("usermod", &[]);
        command.arguments.extend(found.options.iter().map(Into::into));
        let mut brings = vec![Prediction::User(found.after.clone())];
        brings.extend(joined);
        if moves {
            brings.push(Prediction::Moved {
                from: user.home.clone().into(),
                to: found.after.home.clone().into(),
            });
        }
        brings.extend(home::handed_over(&user, &found.after, moves, view));
        operations.push(Operation::Run { command: command.argument(&user.name), brings });
    }
    let mut changes = found.changes;
    let secret = password_operations(&user.name, args, Some(&shadow))?;
    if !secret.is_empty() {
        let (before, after) = (Some("***".to_owned()), Some("*** (new)".to_owned()));
        changes.push(Change::Attribute { attribute: "password".into(), before, after });
    }
    operations.extend(secret);
    let aged = aging(&user.name, args, Some(&shadow));
    if !aged.is_empty() {
        let (before, after) = (Some("old".to_owned()), Some("new".to_owned()));
        changes.push(Change::Attribute { attribute: "password aging".into(), before, after });
    }
    operations.extend(aged);
    if let Some(Operation::Run { brings, .. }) = operations.last_mut() {
        brings.push(shadow_after(&user.name, args, Some(&shadow)));
    }
    if let Some(made) = home::missing(&found.after, args, view).filter(|_| !moves) {
        operations.extend(made.operations);
        changes.push(made.change);
    }
    let check = if changes.is_empty() {
        Check::unchanged()
    } else {
        Check::change(diff(&user.name, changes), operations)
    };
    Ok((check, Some(found.after)))
}

fn groups_difference(
    user: &Account,
    args: &Args<'_>,
    view: &View<'_>,
    found: &mut Differences,
) -> Result<Vec<Prediction>, Failure> {
    let Some(wanted) = groups_named(args, view)? else { return Ok(Vec::new()) };
    let all = view.groups();
    let is_in = |group: &&Group| group.members.contains(&user.name);
    let present: BTreeSet<String> = all.iter().filter(is_in).map(|group| group.name.clone()).collect();
    let primary = view.group_name(found.after.gid);
    let wanted: BTreeSet<String> =
        wanted.into_iter().filter(|name| *name != primary || present.contains(name)).collect();
    let target: BTreeSet<String> =
        if args.flag("append") { present.union(&wanted).cloned().collect() } else { wanted };
    if target == present {
        return Ok(Vec::new());
    }
    let text = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(",");
    found.note("groups", text(&present), text(&target), &["-G"]);
    let changed =
        all.into_iter().filter(|group| present.contains(&group.name) != target.contains(&group.name));
    Ok(changed
        .map(|mut group| {
            if target.contains(&group.name) {
                group.members.push(user.name.clone());
            } else {
                group.members.retain(|member| *member != user.name);
            }
            Prediction::Group(group)
        })
        .collect())
}

/// The fields of shadow(5), where they may be read.
struct Shadow {
    password: Option<String>,
    min: String,
    max: String,
    warn: String,
    inactive: String,
    expires: String,
    /// The file may be read, and has no line for the user.
    is_without_line: bool,
}

impl Shadow {
    fn of(name: &str, view: &View<'_>) -> Self {
        let predicted = view.overlay().thing(SHADOW, name).flatten();
        let text = predicted.map_or_else(|| view.text("/etc/shadow"), str::to_owned);
        let line = text.lines().find(|line| line.split(':').next() == Some(name));
        let fields: Vec<&str> = line.unwrap_or("").split(':').collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or("").to_owned();
        let password = line.map(|_| field(1));
        Self {
            min: field(3),
            max: field(4),
            warn: field(5),
            inactive: field(6),
            expires: field(7),
            is_without_line: password.is_none() && !text.is_empty(),
            password,
        }
    }
}

const SHADOW: &str = "shadow";

/// The line of shadow(5) that the step leaves behind, for later steps of a plan.
fn shadow_after(name: &str, args: &Args<'_>, before: Option<&Shadow>) -> Prediction {
    let known = before.and_then(|shadow| shadow.password.clone()).unwrap_or_else(|| "!".to_owned());
    let is_kept = before.is_some() && args.text("update_password") == Some("on_create");
    let given = args.text("password").filter(|_| !is_kept).map_or(known, str::to_owned);
    let password = match args.choice("password_lock") {
        Some(true) if !given.starts_with('!') => format!("!{given}"),
        Some(false) if given.len() > 1 => given.trim_start_matches('!').to_owned(),
        _ => given,
    };
    let days = |argument: &str, known: fn(&Shadow) -> &String, default: &str| {
        let known = before.map_or_else(|| default.to_owned(), |shadow| known(shadow).clone());
        args.int(argument).map_or(known, |days| days.to_string())
    };
    // The numbers of a host that says nothing else in login.defs(5).
    let min = days("password_expire_min", |shadow| &shadow.min, "0");
    let max = days("password_expire_max", |shadow| &shadow.max, "99999");
    let warn = days("password_expire_warn", |shadow| &shadow.warn, "7");
    let inactive = days("password_expire_account_disable", |shadow| &shadow.inactive, "");
    let known = before.map(|shadow| shadow.expires.clone()).unwrap_or_default();
    let expires = args.raw("expires").and_then(serde_json::Value::as_f64).map_or(known, expiry_days);
    let state = Some(format!("{name}:{password}::{min}:{max}:{warn}:{inactive}:{expires}:"));
    Prediction::Thing { kind: SHADOW, name: name.to_owned(), state }
}

/// Days since 1970, or nothing for never.
fn expiry_days(seconds: f64) -> String {
    if seconds < 0.0 { String::new() } else { format!("{}", (seconds / 86_400.0).floor() as i64) }
}

/// `expires` is in seconds; shadow has days, and nothing for never.
fn expiry_difference(args: &Args<'_>, shadow: &Shadow, found: &mut Differences) {
    if let Some(seconds) = args.raw("expires").and_then(serde_json::Value::as_f64) {
        let days = expiry_days(seconds);
        // A user without a line in shadow(5) gets one.
        if days != shadow.expires || shadow.is_without_line {
            found.note("expires", shadow.expires.clone(), expiry_date(seconds), &["-e"]);
        }
    }
    if let Some(days) = args
        .int("password_expire_account_disable")
        .map(|days| days.to_string())
        .filter(|days| *days != shadow.inactive)
    {
        found.note("inactive", shadow.inactive.clone(), days, &["-f"]);
    }
}

/// `YYYY-MM-DD`, or nothing for never.
fn expiry_date(seconds: f64) -> String {
    if seconds < 0.0 {
        return String::new();
    }
    jiff::Timestamp::from_second(seconds as i64)
        .map(|time| time.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}

/// The password goes through stdin, where no process list shows it.
fn password_operations(
    name: &str,
    args: &Args<'_>,
    shadow: Option<&Shadow>,
) -> Result<Vec<Operation>, Failure> {
    let mut operations = Vec::new();
    let present = shadow.and_then(|shadow| shadow.password.as_deref());
    let is_new = shadow.is_none();
    let bare = present.map(|password| password.trim_start_matches('!'));
    if let Some(password) =
        args.text("password").filter(|_| is_new || args.text("update_password") != Some("on_create"))
    {
        if password.contains([':', '\n']) {
            return Err(Failure::new(
                "`password` must be crypt(5) text, without colon and newline: see the filter `password_hash`",
            ));
        }
        if bare != Some(password) && present != Some(password) {
            let line = format!("{name}:{password}\n");
            operations.push(Operation::Run {
                command: Command::new("chpasswd", &["-e"]).fed(line),
                brings: Vec::new(),
            });
        }
    }
    let is_locked = present.is_some_and(|password| password.starts_with('!'));
    match args.choice("password_lock") {
        Some(true) if !is_locked || !operations.is_empty() => {
            operations
                .push(Operation::Run { command: Command::new("usermod", &["-L", name]), brings: Vec::new() });
        }
        Some(false)
            if is_locked && !is_new && operations.is_empty() && bare.is_some_and(|bare| !bare.is_empty()) =>
        {
            operations
                .push(Operation::Run { command: Command::new("usermod", &["-U", name]), brings: Vec::new() });
        }
        _ => {}
    }
    Ok(operations)
}

fn aging(name: &str, args: &Args<'_>, shadow: Option<&Shadow>) -> Vec<Operation> {
    let mut command = Command::new("chage", &[]);
    for (argument, option, present) in [
        ("password_expire_max", "-M", shadow.map(|shadow| &shadow.max)),
        ("password_expire_min", "-m", shadow.map(|shadow| &shadow.min)),
        ("password_expire_warn", "-W", shadow.map(|shadow| &shadow.warn)),
    ] {
        if let Some(days) =
            args.int(argument).map(|days| days.to_string()).filter(|days| present != Some(days))
        {
            command = command.argument(option).argument(days);
        }
    }
    if command.arguments.is_empty() {
        return Vec::new();
    }
    vec![Operation::Run { command: command.argument(name), brings: Vec::new() }]
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn what_an_earlier_step_of_a_plan_sets_of_a_new_user_is_known() {
        let trial = Trial::new("user");
        let step = json!({"name": "muster-none", "groups": ["root"], "password": "!", "password_expire_max": 90,
            "expires": 1_893_456_000, "create_home": false});
        assert!(trial.plan(step.clone()).changed);
        let again = trial.plan(step);
        assert!(!again.changed && !again.failed, "{again:?}");
    }

    #[test]
    fn user_that_is_there_is_left_alone_and_a_new_one_is_seen_by_later_steps() {
        Trial::new("user").is_silent(json!({"name": "root", "uid": 0, "home": "/root", "group": "root"}));
        Trial::new("user").is_silent(json!({"name": "muster-none", "state": "absent"}));
        let trial = Trial::new("user");
        let wanted = json!({"name": "muster-new", "uid": 59_123, "shell": "/bin/sh", "groups": "adm", "create_home": false});
        let first = trial.plan(wanted);
        assert!(first.changed && first.result["uid"] == 59_123, "{first:?}");
        assert!(!trial.plan(json!({"name": "muster-new", "uid": 59_123, "create_home": false})).changed);
        assert!(trial.plan(json!({"name": "muster-new", "uid": 59_123})).changed, "it has no home yet");
        assert!(!trial.plan(json!({"name": "muster-new", "uid": 59_123})).changed);
        assert!(trial.plan(json!({"name": "muster-new", "shell": "/bin/false"})).changed);
        assert!(trial.plan(json!({"name": "muster-new", "state": "absent"})).changed);
    }

    #[test]
    fn home_moves_and_is_handed_over_with_what_is_in_it() {
        let trial = Trial::new("user");
        let (old, new) = (trial.path("old"), trial.path("new"));
        let user = json!({"name": "muster-new", "uid": 59_123, "home": old, "skeleton": trial.path("none")});
        assert!(trial.plan(user).changed);
        assert!(
            trial
                .plan_with(
                    "copy",
                    json!({"content": "x", "dest": trial.path("old/f"), "owner": "muster-new"})
                )
                .changed
        );
        let moved = json!({"name": "muster-new", "uid": 59_124, "home": new, "move_home": true});
        assert!(trial.plan(moved).changed);
        let owned = json!({"path": trial.path("new/f"), "owner": 59_124.to_string()});
        let owned = trial.plan_with("file", owned);
        assert!(!owned.changed && !owned.failed, "{owned:?}");
        assert!(trial.plan_with("file", json!({"path": trial.path("old"), "state": "directory"})).changed);
    }

    #[test]
    fn user_who_goes_leaves_the_groups_and_one_who_comes_gets_the_number_of_the_user_as_that_of_the_group() {
        let trial = Trial::new("user");
        let user = json!({"name": "muster-new", "uid": 59_123, "groups": ["root"], "create_home": false});
        let made = trial.plan(user.clone());
        assert_eq!(made.result["group"], 59_123);
        assert!(trial.plan(json!({"name": "muster-new", "state": "absent"})).changed);
        assert!(!trial.plan_with("group", json!({"name": "muster-new", "state": "absent"})).changed);
        let again = trial.plan(json!({"name": "muster-new", "uid": 59_123, "create_home": false}));
        assert!(again.changed);
        assert!(trial.plan(user).changed, "the new one is in no group yet");
    }

    #[test]
    fn missing_group_and_taken_number_are_named() {
        let trial = Trial::new("user");
        let msg = |args| trial.check(args).result["msg"].as_str().expect("a sentence").to_owned();
        assert!(msg(json!({"name": "root", "groups": "muster-none"})).contains("no group `muster-none`"));
        assert!(msg(json!({"name": "muster-new", "uid": 0})).contains("belongs to user `root`"));
    }
}
