//! `apt_key`: a key that apt trusts for every repository, kept by the host's `apt-key`.

use super::http;
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};

pub(super) struct AptKey;

impl Module for AptKey {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if view.program("apt-key").is_none() || view.program("gpg").is_none() {
            return Err(Failure::missing(
                "this host has no `apt-key` or no `gpg`; use module `deb822_repository` with `signed_by`, which needs neither",
            ));
        }
        let known =
            fingerprints(&command(&["adv", "--list-public-keys", "--with-colons"], args, view), view)?;
        let wanted = args.text("id").map(|id| id.trim_start_matches("0x").to_uppercase());
        if args.text("state") == Some("absent") {
            let id = wanted.ok_or_else(|| Failure::new("key_id is required."))?;
            return Ok(match known.iter().any(|known| known.ends_with(&id)) {
                true => change(&id, "present", "absent", command(&["del", &id], args, view)),
                false => Check::unchanged(),
            });
        }
        if wanted.as_ref().is_some_and(|id| known.iter().any(|known| known.ends_with(id))) {
            return Ok(Check::unchanged());
        }
        let key = key(args, view)?;
        let show = Command::new("gpg", &["--batch", "--show-keys", "--with-colons"]).fed(key.clone());
        let new = fingerprints(&show, view)?;
        let name = new
            .first()
            .cloned()
            .ok_or_else(|| Failure::new("the key cannot be read: gpg finds none in it"))?;
        if new.iter().all(|new| known.contains(new)) {
            return Ok(Check::unchanged().with("fp", name));
        }
        if let Some(id) = wanted.filter(|id| !new.iter().any(|new| new.ends_with(id))) {
            return Err(Failure::new(format!("the key is not `{id}`, it is `{name}`")));
        }
        Ok(change(&name, "absent", "present", command(&["add", "-"], args, view).fed(key))
            .with("fp", name.as_str()))
    }
}

fn command(words: &[&str], args: &Args<'_>, view: &View<'_>) -> Command {
    let keyring = args.path("keyring", view).map(|path| path.to_string_lossy().into_owned());
    let keyring: Vec<&str> = keyring.iter().flat_map(|path| ["--keyring", path.as_str()]).collect();
    let words: Vec<&str> = keyring.into_iter().chain(words.iter().copied()).collect();
    Command::new("apt-key", &words).set("APT_KEY_DONT_WARN_ON_DANGEROUS_USAGE", "1")
}

/// The fingerprints that gpg lists.
fn fingerprints(command: &Command, view: &View<'_>) -> Result<Vec<String>, Failure> {
    let mut command = command.clone();
    command.deadline = view.deadline();
    let ran =
        command.run().map_err(|error| Failure::new(format!("cannot run `{}`: {error}", command.line())))?;
    let text = ran.out();
    let lines = text.lines().filter(|line| line.starts_with("fpr:"));
    Ok(lines.filter_map(|line| line.split(':').nth(9).map(str::to_owned)).collect())
}

fn key(args: &Args<'_>, view: &View<'_>) -> Result<Vec<u8>, Failure> {
    if let Some(data) = args.text("data") {
        return Ok(data.as_bytes().to_vec());
    }
    if let Some(path) = args.path("file", view) {
        return view
            .read(&path)
            .map_err(|error| Failure::missing(format!("cannot read `{}`: {error}", path.display())));
    }
    if let Some(server) = args.text("keyserver") {
        return received(server, args, view);
    }
    let url = args
        .text("url")
        .ok_or_else(|| Failure::new("one of the following is required: data, file, url, keyserver"))?;
    let answer = http::get(url, args, view).map_err(Failure::new)?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(Failure::new(format!("Failed to download key at {url}: {status} {}", answer.reason))),
    }
}

/// In a keyring of its own, so that nothing is trusted on the way.
const RECEIVE: &str = r#"d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT
gpg --homedir "$d" --batch --keyserver "$1" --recv-keys "$2" >&2 && gpg --homedir "$d" --batch --armor --export "$2""#;

/// The key, from a keyserver.
fn received(server: &str, args: &Args<'_>, view: &View<'_>) -> Result<Vec<u8>, Failure> {
    let id =
        args.text("id").ok_or_else(|| Failure::new("missing parameter(s) required by 'keyserver': id"))?;
    let ran = view.ask("/bin/sh", &["-c", RECEIVE, "sh", server, id]);
    let ran = ran.map_err(|error| Failure::new(format!("cannot run gpg: {error}")))?;
    match ran.is_fine() {
        true => Ok(ran.stdout),
        false => Err(Failure::new(format!(
            "Error fetching key {id} from keyserver: {server}: {}",
            ran.err().trim()
        ))),
    }
}

fn change(name: &str, before: &str, after: &str, command: Command) -> Check {
    let change = Change::Presence { before: before.into(), after: after.into() };
    let diff = Diff { kind: "apt key".into(), name: name.to_owned(), changes: vec![change] };
    Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }])
}
