//! `rpm_key`: a key that rpm trusts. gpg says which key it is, rpm keeps it.

use super::http;
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};

pub(super) struct RpmKey;

/// rpm takes a key from a file only.
const IMPORT: &str = r#"t=$(mktemp) && cat > "$t" && rpm --import "$t"; r=$?; rm -f "$t"; exit $r"#;

impl Module for RpmKey {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        for program in ["rpm", "gpg"] {
            if view.program(program).is_none() {
                return Err(Failure::missing(format!(
                    "Failed to find required executable \"{program}\" in paths"
                )));
            }
        }
        let written = args.needed("key")?;
        let key = key(written, args, view)?;
        let id = match &key {
            Some(key) => listed(key, "pub:", 4, view)?.into_iter().next(),
            None => Some(written.trim().to_uppercase().trim_start_matches("0X").to_owned()),
        };
        let id = id.ok_or_else(|| Failure::new(format!("Not a valid key {written}")))?;
        let is_known = known(view)?.iter().any(|known| known.contains(&id));
        match (args.text("state") == Some("absent"), is_known) {
            (true, true) => {
                let short = id[id.len().saturating_sub(8)..].to_lowercase();
                let words = ["--erase", "--allmatches", &format!("gpg-pubkey-{short}")];
                Ok(change(&id, "present", "absent", Command::new("rpm", &words)))
            }
            (false, false) => {
                let key =
                    key.ok_or_else(|| Failure::new("When importing a key, a valid file must be given"))?;
                refuse_other(&key, args, view)?;
                Ok(change(&id, "absent", "present", Command::new("/bin/sh", &["-c", IMPORT]).fed(key)))
            }
            _ => Ok(Check::unchanged()),
        }
    }
}

/// The key itself, of an address or a file; `None` where only its number is given.
fn key(written: &str, args: &Args<'_>, view: &View<'_>) -> Result<Option<Vec<u8>>, Failure> {
    if written.contains("://") {
        let answer = http::get(written, args, view).map_err(Failure::new)?;
        return match answer.status {
            200 => Ok(Some(answer.body)),
            status => Err(Failure::new(format!("failed to fetch key at {written} , error was: {status}"))),
        };
    }
    let digits = written.trim().trim_start_matches("0x").trim_start_matches("0X");
    if digits.len() >= 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let read = view.read(std::path::Path::new(&view.expand(written)));
    read.map(Some).map_err(|_| Failure::missing(format!("Not a valid key {written}")))
}

/// A field of the lines that gpg lists for keys.
fn listed(keys: &[u8], line: &str, field: usize, view: &View<'_>) -> Result<Vec<String>, Failure> {
    let mut gpg = Command::new("gpg", &["--no-tty", "--batch", "--with-colons", "--show-keys"]).fed(keys);
    gpg.deadline = view.deadline();
    let ran = gpg.run().map_err(|error| Failure::new(format!("cannot run gpg: {error}")))?;
    let text = ran.out();
    let lines = text.lines().filter(|one| one.starts_with(line));
    Ok(lines.filter_map(|one| one.split(':').nth(field).map(str::to_owned)).collect())
}

/// The numbers of the keys that rpm has.
fn known(view: &View<'_>) -> Result<Vec<String>, Failure> {
    let asked = view.ask("rpm", &["-q", "gpg-pubkey", "--qf", "%{description}\n"]);
    let asked = asked.map_err(|error| Failure::new(format!("cannot run rpm: {error}")))?;
    // It fails where there is no key at all.
    if asked.is_fine() { listed(&asked.stdout, "pub:", 4, view) } else { Ok(Vec::new()) }
}

fn refuse_other(key: &[u8], args: &Args<'_>, view: &View<'_>) -> Result<(), Failure> {
    let wanted = args.list("fingerprint").unwrap_or_default();
    let wanted: Vec<String> = wanted.iter().map(|print| print.replace(' ', "").to_uppercase()).collect();
    let found = listed(key, "fpr:", 9, view)?;
    match wanted.iter().find(|print| !found.contains(print)) {
        Some(print) => Err(Failure::new(format!(
            "The specified fingerprint, '{print}', does not match any key fingerprints in '{}'",
            found.join(", ")
        ))),
        None => Ok(()),
    }
}

fn change(name: &str, before: &str, after: &str, command: Command) -> Check {
    let change = Change::Presence { before: before.into(), after: after.into() };
    let diff = Diff { kind: "rpm key".into(), name: name.to_owned(), changes: vec![change] };
    Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }])
}
