//! The key pair of a user, made by ssh-keygen(1).

use super::super::{Args, Check, Failure};
use crate::worker::accounts::User;
use crate::worker::process::Command;
use crate::worker::{Attributes, Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A pair is made where there is none; an old one is replaced with `force` only.
pub(super) fn make(user: &User, args: &Args<'_>, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
    if !args.flag("generate_ssh_key") {
        return Ok(());
    }
    let path = path_of(user, args, view);
    check.outcome.result.insert("ssh_key_file".into(), path.to_string_lossy().into());
    let old: Vec<PathBuf> = [path.clone(), public_of(&path)]
        .into_iter()
        .filter(|path| matches!(view.lstat(path), Ok(Some(_))))
        .collect();
    let is_forced = args.flag("force");
    for old in &old {
        let deed = if is_forced { "Overwriting" } else { "Found" };
        let left = if is_forced { "" } else { ", no force, so skipping ssh-keygen generation" };
        let kind = if *old == path { "private" } else { "public" };
        let warning = format!("{deed} existing ssh key {kind} file \"{}\"{left}", old.display());
        check.outcome.warnings.push(warning);
    }
    if !old.is_empty() && !is_forced {
        return Ok(());
    }
    check.operations.extend(old.into_iter().map(|path| Operation::Remove { path }));
    check.operations.extend(generation(user, &path, args, view));
    let change = Change::Presence { before: "absent".into(), after: "key pair".into() };
    let name = path.to_string_lossy().into_owned();
    check.outcome.diffs.push(Diff { kind: "file".into(), name, changes: vec![change] });
    check.outcome.changed = true;
    Ok(())
}

/// What is told of the pair that is there now.
pub(super) fn tell(args: &Args<'_>, view: &View<'_>, result: &mut Map<String, Value>) {
    let Some(path) = result.get("ssh_key_file").and_then(Value::as_str).map(PathBuf::from) else { return };
    if !args.flag("generate_ssh_key") {
        return;
    }
    let public = public_of(&path).to_string_lossy().into_owned();
    result.insert("ssh_public_key".into(), view.text(&public).trim().into());
    if let Ok(asked) = view.ask("ssh-keygen", &["-l", "-f", &path.to_string_lossy()]) {
        let said = if asked.is_fine() { asked.out() } else { asked.err() };
        result.insert("ssh_fingerprint".into(), said.trim().into());
    }
}

fn path_of(user: &User, args: &Args<'_>, view: &View<'_>) -> PathBuf {
    let kind = args.text("ssh_key_type").unwrap_or("rsa");
    let file = args.text("ssh_key_file").map_or_else(|| format!(".ssh/id_{kind}"), str::to_owned);
    Path::new(&user.home).join(view.expand(&file))
}

fn public_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// As the user, so that folder and files are the user's own; in a folder of somebody else, for the user.
fn generation(user: &User, path: &Path, args: &Args<'_>, view: &View<'_>) -> Vec<Operation> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let owner_of = |path: &Path| view.stat(path).ok().flatten().map(|stat| stat.uid);
    let owner = owner_of(&folder);
    if owner.is_none() && owner_of(Path::new(&user.home)).is_some_and(|owner| owner != user.uid) {
        return for_the_user(user, &folder, path, args, view);
    }
    let run = |command| Operation::Run { command, brings: Vec::new() };
    let words = words(path, args, view);
    if owner.is_some_and(|owner| owner != user.uid) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let attributes = Attributes { uid: Some(user.uid), gid: Some(user.gid), mode: None };
        let own = |path: PathBuf| Operation::Set { path, attributes };
        return vec![run(Command::new("ssh-keygen", &words)), own(path.into()), own(public_of(path))];
    }
    let quote = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    let line = format!(
        "umask 077; mkdir -p {} && ssh-keygen {}",
        quote(&folder.to_string_lossy().into_owned()),
        words.iter().map(quote).collect::<Vec<_>>().join(" ")
    );
    vec![run(Command::new("runuser", &["-u", &user.name, "--", "/bin/sh", "-c", &line]))]
}

/// In a home that belongs to somebody else, such as one that was left behind by a user of the same name.
fn for_the_user(user: &User, folder: &Path, path: &Path, args: &Args<'_>, view: &View<'_>) -> Vec<Operation> {
    let words = words(path, args, view);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let attributes = |mode| Attributes { uid: Some(user.uid), gid: Some(user.gid), mode };
    let own = |path: PathBuf, mode| Operation::Set { path, attributes: attributes(mode) };
    vec![
        Operation::MakeDirectory { path: folder.to_owned() },
        own(folder.to_owned(), Some(0o700)),
        Operation::Run { command: Command::new("ssh-keygen", &words), brings: Vec::new() },
        own(path.to_owned(), None),
        own(public_of(path), None),
    ]
}

/// The arguments of ssh-keygen.
fn words(path: &Path, args: &Args<'_>, view: &View<'_>) -> Vec<String> {
    let host = view.text("/proc/sys/kernel/hostname");
    let comment = args.text("ssh_key_comment").unwrap_or("ansible-generated on $HOSTNAME");
    let comment = comment.replace("$HOSTNAME", host.trim());
    let kind = args.text("ssh_key_type").unwrap_or("rsa");
    let file = path.to_string_lossy();
    let passphrase = args.text("ssh_key_passphrase").unwrap_or("");
    let mut words: Vec<String> =
        ["-q", "-t", kind, "-C", &comment, "-f", &file, "-N", passphrase].map(str::to_owned).into();
    if let Some(bits) = args.int("ssh_key_bits") {
        words.extend(["-b".into(), bits.to_string()]);
    }
    words
}
