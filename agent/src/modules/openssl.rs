//! `openssl_*` and `x509_certificate`: keys, requests, certificates and what is made of them, by the host's own openssl. Whether a
//! file is right is decided by what openssl tells of it beside what it tells of a new one, which a check makes without writing it down.

mod certificate;
mod parameters;
mod pkcs12;
mod private_key;
mod public_key;
mod request;

pub(super) use certificate::Certificate;
pub(super) use parameters::Parameters;
pub(super) use pkcs12::Pkcs12;
pub(super) use private_key::PrivateKey;
pub(super) use public_key::PublicKey;
pub(super) use request::Request;

use super::attributes::{self, Wanted};
use super::placing;
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::path::{Path, PathBuf};

/// Passphrases, each under the name of the environment variable that openssl reads it from: no process list shows them.
type Secrets<'a> = Vec<(&'static str, &'a str)>;

pub(super) fn needs_openssl(view: &View<'_>) -> Result<(), Failure> {
    match view.program("openssl") {
        Some(_) => Ok(()),
        None => Err(Failure::missing("this host has no `openssl`; install it first")),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What openssl says of this, `None` where it refuses.
fn ask(words: &[String], secrets: &Secrets<'_>, fed: &str, view: &View<'_>) -> Option<String> {
    let mut command =
        secrets.iter().fold(Command::new("openssl", &[]), |command, (name, value)| command.set(name, value));
    command.arguments.extend(words.iter().map(Into::into));
    command.deadline = view.deadline();
    command.fed(fed).run().ok().filter(|ran| ran.is_fine()).map(|ran| ran.out())
}

/// The text of a request or certificate without what every new one has of its own: number, time, signature.
fn lasting(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut is_number = false;
    for line in text.lines().map(str::trim) {
        let is_own = is_number || line.starts_with("Not Before") || line.starts_with("Not After");
        // A long number stands on a line of its own.
        is_number = line == "Serial Number:";
        if line.starts_with("Signature Value") {
            break;
        }
        if !is_own && !line.starts_with("Serial Number:") {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// How a file is made: programs of openssl, each reading what the one before wrote, the last one's output being the file.
struct Making<'a> {
    path: &'a Path,
    kind: &'static str,
    pipeline: Vec<Vec<String>>,
    secrets: Secrets<'a>,
    /// Where the task names none.
    mode: u32,
}

impl Making<'_> {
    /// At first it is beside its place, readable by its owner only.
    fn check(self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = self.path.to_string_lossy().into_owned();
        let is_there = view.exists(self.path);
        let before = if is_there { "other" } else { "absent" };
        let change = Change::Presence { before: before.into(), after: "present".into() };
        let wanted = Wanted::of(args, view)?;
        let mode = wanted
            .mode
            .as_deref()
            .map_or(self.mode, |mode| attributes::mode_of(mode, self.mode, false, view.umask()));
        let attributes = crate::worker::Attributes { mode: Some(mode), uid: wanted.uid, gid: wanted.gid };
        let mut operations = Vec::new();
        if args.flag("backup") && is_there {
            let copy = PathBuf::from(format!("{name}.{}~", std::process::id()));
            operations.push(Operation::BackUp { path: self.path.to_owned(), copy });
        }
        let put = Operation::Put(crate::worker::Put {
            path: self.path.to_owned(),
            content: [].into(),
            attributes,
            validate: None,
            may_write_in_place: false,
        });
        let brings = vec![crate::worker::Prediction::Also(Box::new(put))];
        operations.push(Operation::Run { command: self.command(&name), brings });
        operations.push(Operation::Set { path: self.path.to_owned(), attributes });
        let mut check =
            Check::change(Diff { kind: self.kind.into(), name, changes: vec![change] }, operations);
        check.report = super::Report::File(self.path.to_owned());
        Ok(check)
    }

    fn command(&self, name: &str) -> Command {
        let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
        let program = |words: &Vec<String>| {
            format!("openssl {}", words.iter().map(quoted).collect::<Vec<_>>().join(" "))
        };
        let line = self.pipeline.iter().map(program).collect::<Vec<_>>().join(" | ");
        let line = format!(
            "umask 077; if {line} > \"$1\" && test -s \"$1\"; then mv -f \"$1\" \"$2\"; else rm -f \"$1\"; exit 1; fi"
        );
        let command = Command::new("/bin/sh", &["-c", &line, "sh", &format!("{name}.muster-new"), name]);
        self.secrets.iter().fold(command, |command, (name, value)| command.set(name, value))
    }
}

/// A file that is right already: only its owner and mode may change.
fn kept(path: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let wanted = Wanted::of(args, view)?;
    let stat = view.stat(path).ok().flatten();
    let mut check = placing::set_attributes(path, stat.as_ref(), &wanted, view);
    check.report = super::Report::File(path.to_owned());
    Ok(check)
}

fn removed(path: &Path, view: &View<'_>) -> Check {
    if !view.exists(path) {
        return Check::unchanged();
    }
    let change = Change::Presence { before: "present".into(), after: "absent".into() };
    let diff = Diff { kind: "file".into(), name: path.to_string_lossy().into_owned(), changes: vec![change] };
    Check::change(diff, vec![Operation::Remove { path: path.to_owned() }])
}

/// The file's text among the return values, where the task asks for it.
fn with_content(name: &str, path: &Path, args: &Args<'_>, view: &View<'_>, outcome: &mut Outcome) {
    if args.flag("return_content")
        && let Ok(content) = view.read(path)
        && !content.is_empty()
    {
        outcome.result.insert(name.to_owned(), String::from_utf8_lossy(&content).into());
    }
}

/// Whether the file can be read now: one that an earlier step of a plan would make has no content yet.
fn is_readable(path: &Path, view: &View<'_>) -> bool {
    view.read(path).is_ok_and(|content| !content.is_empty())
}
