//! `openssh_keypair`: a private key of OpenSSH and the public one beside it, made by the host's own ssh-keygen.

use super::attributes::Wanted;
use super::placing;
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Attributes, Hands, Operation, Prediction, Put, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::path::{Path, PathBuf};

pub(super) struct OpensshKeypair;

impl Module for OpensshKeypair {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view));
        }
        if view.program("ssh-keygen").is_none() {
            return Err(Failure::missing("this host has no `ssh-keygen`; install openssh-client first"));
        }
        let wanted = Wish::of(args)?;
        match wanted.kept(&path, args, view)? {
            None => Ok(wanted.made(&path, args, view)),
            Some(known) => {
                let mut check = tended(&path, &known, args, view)?;
                known.tell(&path, &mut check.outcome);
                Ok(check)
            }
        }
    }

    /// What the key is can be told only when it is there.
    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        let path = args.needed_path("path", &hands.view())?;
        if args.text("state") == Some("absent") {
            return Ok(outcome);
        }
        if let Some(known) = Known::of(&path, &hands.view()) {
            known.tell(&path, &mut outcome);
        }
        let set = attributes_of_both(&path, args, &hands.view())?;
        hands.carry_out(&set.operations)?;
        Ok(outcome)
    }
}

/// What key the task asks for.
struct Wish {
    kind: String,
    size: i64,
}

impl Wish {
    fn of(args: &Args<'_>) -> Result<Self, Failure> {
        let kind = args.text("type").unwrap_or("rsa").to_owned();
        let (usual, allowed): (i64, &[i64]) = match kind.as_str() {
            "rsa" => (4096, &[]),
            "ecdsa" => (256, &[256, 384, 521]),
            _ => (256, &[256]),
        };
        // An Ed25519 key has one size, whatever the task says.
        let size = args.int("size").filter(|_| kind != "ed25519").unwrap_or(usual);
        let is_valid =
            if allowed.is_empty() { (1024..=16384).contains(&size) } else { allowed.contains(&size) };
        match is_valid {
            true => Ok(Self { kind, size }),
            false => Err(Failure::new(format!("{size} is not a valid key size for {kind} keys"))),
        }
    }

    /// The key that is there and stays; `None` where one is made.
    fn kept(&self, path: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Option<Known>, Failure> {
        let regenerate = args.text("regenerate").unwrap_or("partial_idempotence");
        if !view.exists(path) || args.flag("force") || regenerate == "always" {
            return Ok(None);
        }
        match (Known::of(path, view), regenerate) {
            (None, "full_idempotence") => Ok(None),
            (None, _) => Err(Failure::new(format!(
                "Unable to read the key. The key is protected with a passphrase or broken. Will not proceed: `{}`. To force \
                 regeneration, call the module with `regenerate` set to `full_idempotence` or `always`, or with `force=true`.",
                path.display()
            ))),
            (Some(known), _) if known.kind == self.kind && known.size == self.size => Ok(Some(known)),
            (Some(known), "never") => Ok(Some(known)),
            (Some(_), "fail") => Err(Failure::new(
                "Key has wrong type and/or size. Will not proceed. To force regeneration, call the module with `regenerate` \
                 set to `partial_idempotence`, `full_idempotence` or `always`, or with `force=true`.",
            )),
            (Some(_), _) => Ok(None),
        }
    }

    /// Made beside its place, so that no half of a pair is ever there.
    fn made(&self, path: &Path, args: &Args<'_>, view: &View<'_>) -> Check {
        let name = path.to_string_lossy().into_owned();
        let line = "umask 077 && rm -f \"$1\" \"$1.pub\" && ssh-keygen -q -t \"$3\" -b \"$4\" -N '' -C \"$5\" -f \"$1\" && \
                    chmod 0644 \"$1.pub\" && mv -f \"$1\" \"$2\" && mv -f \"$1.pub\" \"$2.pub\"";
        let command = Command::new("/bin/sh", &["-c", line, "sh"])
            .argument(format!("{name}.muster-new"))
            .argument(&name)
            .argument(&self.kind)
            .argument(self.size.to_string())
            .argument(args.text("comment").unwrap_or_default());
        let before = if view.exists(path) { "another" } else { "absent" };
        let change = Change::Presence { before: before.into(), after: "present".into() };
        let brings =
            [path.to_owned(), public(path)].map(|path| Prediction::Also(Box::new(put(path, Vec::new()))));
        let operations = vec![Operation::Run { command, brings: brings.into() }];
        Check::change(Diff { kind: "key pair".into(), name: name.clone(), changes: vec![change] }, operations)
            .with("filename", name)
            .with("type", self.kind.clone())
            .with("size", self.size)
    }
}

/// A key that ssh-keygen can read.
struct Known {
    kind: String,
    size: i64,
    fingerprint: String,
    /// Type and key, without a comment.
    public: String,
    comment: String,
}

impl Known {
    fn of(path: &Path, view: &View<'_>) -> Option<Self> {
        let name = path.to_string_lossy();
        let says = |words: &[&str]| {
            view.ask("ssh-keygen", words).ok().filter(|ran| ran.is_fine()).map(|ran| ran.out())
        };
        let public = says(&["-y", "-P", "", "-f", &name])?;
        let mut words = public.trim().splitn(3, ' ');
        let public = format!("{} {}", words.next()?, words.next()?);
        let comment = words.next().unwrap_or_default().to_owned();
        // `4096 SHA256:… comment (RSA)`
        let described = says(&["-l", "-f", &name])?;
        let mut words = described.trim().splitn(3, ' ');
        let (size, fingerprint, rest) = (words.next()?, words.next()?, words.next()?);
        let kind = rest.rsplit_once('(')?.1.trim_end_matches(')').to_lowercase();
        Some(Self { kind, size: size.parse().ok()?, fingerprint: fingerprint.to_owned(), public, comment })
    }

    fn tell(&self, path: &Path, outcome: &mut Outcome) {
        let told = [
            ("filename", path.to_string_lossy().into_owned()),
            ("type", self.kind.clone()),
            ("fingerprint", self.fingerprint.clone()),
            ("public_key", self.public.clone()),
            ("comment", self.comment.clone()),
        ];
        outcome.result.extend(told.map(|(name, value)| (name.to_owned(), value.into())));
        outcome.result.insert("size".to_owned(), self.size.into());
    }
}

/// A private key that stays: its comment, the public key beside it, and the attributes of both files.
fn tended(path: &Path, known: &Known, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let mut check = attributes_of_both(path, args, view)?;
    let comment = args.text("comment").unwrap_or(&known.comment);
    if comment != known.comment {
        let name = path.to_string_lossy();
        let command = Command::new("ssh-keygen", &["-q", "-c", "-P", "", "-C", comment, "-f", &name]);
        let change = Change::Attribute {
            attribute: "comment".into(),
            before: Some(known.comment.clone()),
            after: Some(comment.to_owned()),
        };
        add(&mut check, &name, change, Operation::Run { command, brings: Vec::new() });
    }
    let beside = public(path);
    let text = view.read(&beside).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    let wanted = format!("{} {comment}", known.public);
    if text.trim() != wanted.trim() {
        let change = Change::Presence {
            before: if text.is_empty() { "absent".into() } else { "another".into() },
            after: "present".into(),
        };
        let content = format!("{}\n", wanted.trim()).into_bytes();
        add(&mut check, &beside.to_string_lossy(), change, put(beside.clone(), content));
    }
    Ok(check)
}

fn add(check: &mut Check, name: &str, change: Change, operation: Operation) {
    check.outcome.changed = true;
    check.outcome.diffs.push(Diff { kind: "file".into(), name: name.to_owned(), changes: vec![change] });
    check.operations.push(operation);
}

fn attributes_of_both(path: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let wanted = Wanted::of(args, view)?;
    let mut check = Check::unchanged();
    for path in [path.to_owned(), public(path)] {
        let one = placing::set_attributes(&path, view.stat(&path).ok().flatten().as_ref(), &wanted, view);
        check.outcome.changed |= one.outcome.changed;
        check.outcome.diffs.extend(one.outcome.diffs);
        check.operations.extend(one.operations);
    }
    Ok(check)
}

fn removed(path: &Path, view: &View<'_>) -> Check {
    let mut check = Check::unchanged();
    for path in [path.to_owned(), public(path)].into_iter().filter(|path| view.exists(path)) {
        let change = Change::Presence { before: "present".into(), after: "absent".into() };
        add(&mut check, &path.to_string_lossy(), change, Operation::Remove { path: path.clone() });
    }
    check.with("filename", path.to_string_lossy())
}

fn public(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn put(path: PathBuf, content: Vec<u8>) -> Operation {
    let attributes = Attributes { mode: Some(0o644), ..Attributes::default() };
    Operation::Put(Put {
        path,
        content: content.into(),
        attributes,
        validate: None,
        may_write_in_place: false,
    })
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};
    use std::os::unix::fs::PermissionsExt;

    fn has_ssh_keygen() -> bool {
        std::process::Command::new("ssh-keygen").arg("--").output().is_ok()
    }

    fn step(trial: &Trial, more: Value) -> Value {
        let mut args = json!({"path": trial.path("id"), "type": "ed25519", "comment": "ann"});
        if let (Some(args), Value::Object(more)) = (args.as_object_mut(), more) {
            args.extend(more);
        }
        args
    }

    #[test]
    fn pair_is_made_once_mended_and_removed() {
        if !has_ssh_keygen() {
            return;
        }
        let trial = Trial::new("openssh_keypair");
        let made = trial.apply(step(&trial, json!({})));
        assert!(made.changed && !made.failed, "{made:?}");
        assert_eq!((&made.result["size"], &made.result["comment"]), (&json!(256), &json!("ann")));
        assert!(made.result["fingerprint"].as_str().is_some_and(|print| print.starts_with("SHA256:")));
        let again = trial.is_silent(step(&trial, json!({})));
        assert_eq!(again.result["public_key"], made.result["public_key"]);
        trial.write("id.pub", "");
        trial.changes_once(step(&trial, json!({})));
        assert!(trial.text("id.pub").ends_with(" ann\n"));
        assert!(trial.apply(step(&trial, json!({"comment": "bob"}))).changed);
        trial.is_silent(step(&trial, json!({"comment": "bob"})));
        let mode = std::fs::metadata(trial.path("id")).expect("the key is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        trial.changes_once(step(&trial, json!({"state": "absent"})));
    }

    #[test]
    fn key_of_another_kind_is_replaced_kept_or_refused_as_the_task_says() {
        if !has_ssh_keygen() {
            return;
        }
        let trial = Trial::new("openssh_keypair");
        trial.apply(step(&trial, json!({})));
        let other = |regenerate: &str| step(&trial, json!({"type": "ecdsa", "regenerate": regenerate}));
        trial.is_silent(other("never"));
        assert!(trial.refuse(other("fail")).contains("wrong type"));
        assert_eq!(trial.apply(other("partial_idempotence")).result["type"], json!("ecdsa"));
        trial.write("id", "no key");
        assert!(trial.refuse(other("partial_idempotence")).contains("Unable to read the key"));
        assert!(trial.apply(other("full_idempotence")).changed);
        assert!(trial.refuse(step(&trial, json!({"type": "ecdsa", "size": 300}))).contains("300"));
    }
}
