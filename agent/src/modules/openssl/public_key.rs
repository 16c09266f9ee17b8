//! `openssl_publickey`: the public half of a private key, in PEM or as OpenSSH writes it.

use super::private_key::fingerprints;
use super::{Args, Check, Failure, Module};
use super::{Making, Secrets, ask, is_readable, kept, needs_openssl, removed, with_content, words};
use crate::worker::process::Command;
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use std::path::Path;

pub(in super::super) struct PublicKey;

impl Module for PublicKey {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let key = args.needed_path("privatekey_path", view)?;
        if !view.exists(&key) {
            return Err(Failure::missing(format!("The private key {} does not exist", key.display())));
        }
        let is_ssh = args.text("format") == Some("OpenSSH");
        let is_right = view.exists(&path) && !args.flag("force") && is_of(&path, &key, is_ssh, args, view)?;
        let mut check = if is_right {
            kept(&path, args, view)?
        } else {
            let name = key.to_string_lossy();
            let new = words(&["pkey", "-pubout", "-passin", "env:MUSTER_PASSPHRASE", "-in", &name]);
            let making = Making {
                path: &path,
                kind: "public key",
                pipeline: vec![new],
                secrets: secrets(args),
                mode: 0o666 & !view.umask(),
            };
            let check = making.check(args, view)?;
            if is_ssh { by_ssh(check, &path, &name) } else { check }
        };
        if is_right {
            tell(&path, args, view, &mut check.outcome);
        }
        let check = check.with("filename", path.to_string_lossy()).with("privatekey", key.to_string_lossy());
        Ok(check.with("format", args.text("format").unwrap_or("PEM")))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.carry_out(hands)?;
        tell(&args.needed_path("path", &hands.view())?, args, &hands.view(), &mut outcome);
        Ok(outcome)
    }
}

fn secrets<'a>(args: &Args<'a>) -> Secrets<'a> {
    vec![("MUSTER_PASSPHRASE", args.text("privatekey_passphrase").unwrap_or(""))]
}

fn is_of(path: &Path, key: &Path, is_ssh: bool, args: &Args<'_>, view: &View<'_>) -> Result<bool, Failure> {
    if view.is_check() && !is_readable(path, view) && !is_readable(key, view) {
        // Both are of earlier steps of this plan.
        return Ok(true);
    }
    let name = key.to_string_lossy();
    let wanted = match is_ssh {
        true => ssh_line(&name, args, view)?,
        false => ask(
            &words(&["pkey", "-pubout", "-passin", "env:MUSTER_PASSPHRASE", "-in", &name]),
            &secrets(args),
            "",
            view,
        ),
    };
    let wanted = wanted.ok_or_else(|| {
        Failure::new(format!("the private key `{name}` cannot be read; is `privatekey_passphrase` right?"))
    })?;
    let present =
        view.read(path).map(|content| String::from_utf8_lossy(&content).into_owned()).unwrap_or_default();
    // OpenSSH writes a comment behind the key.
    let key_of = |text: &str| match is_ssh {
        true => text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>(),
        false => text.split_whitespace().map(str::to_owned).collect(),
    };
    Ok(key_of(&wanted) == key_of(&present))
}

/// ssh-keygen reads the key from a pipe: from a file it would take one that is its owner's only.
const BY_SSH: &str =
    "openssl pkey -passin env:MUSTER_PASSPHRASE -in \"$3\" | ssh-keygen -y -P '' -f /dev/stdin";

fn ssh_line(key: &str, args: &Args<'_>, view: &View<'_>) -> Result<Option<String>, Failure> {
    if view.program("ssh-keygen").is_none() {
        return Err(Failure::missing(
            "`format: OpenSSH` needs ssh-keygen; install package openssh-client first",
        ));
    }
    let mut command = Command::new("/bin/sh", &["-c", BY_SSH, "sh", "", "", key]);
    for (name, value) in secrets(args) {
        command = command.set(name, value);
    }
    command.deadline = view.deadline();
    Ok(command.run().ok().filter(|ran| ran.is_fine()).map(|ran| ran.out()))
}

/// The same steps, with ssh-keygen behind openssl.
fn by_ssh(mut check: Check, path: &Path, key: &str) -> Check {
    let name = path.to_string_lossy();
    let line = format!(
        "umask 077; if {BY_SSH} > \"$1\" && test -s \"$1\"; then mv -f \"$1\" \"$2\"; else rm -f \"$1\"; exit 1; fi"
    );
    for operation in &mut check.operations {
        if let crate::worker::Operation::Run { command, .. } = operation {
            command.arguments =
                ["-c", &line, "sh", &format!("{name}.muster-new"), &name, key].map(Into::into).into();
        }
    }
    check
}

fn tell(path: &Path, args: &Args<'_>, view: &View<'_>, outcome: &mut Outcome) {
    with_content("publickey", path, args, view, outcome);
    let content =
        view.read(path).map(|content| String::from_utf8_lossy(&content).into_owned()).unwrap_or_default();
    if content.contains("BEGIN PUBLIC KEY") {
        outcome.result.insert("fingerprint".to_owned(), fingerprints(&content));
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn public_half_is_written_once_and_follows_its_key() {
        let trial = Trial::new("openssl_publickey");
        let key = trial.path("k");
        let make = || {
            let made = std::process::Command::new("openssl")
                .args(["genpkey", "-algorithm", "ED25519", "-out"])
                .arg(&key)
                .output();
            assert!(made.expect("openssl runs").status.success());
        };
        make();
        let step = json!({"path": trial.path("p"), "privatekey_path": key});
        assert!(trial.check(step.clone()).changed);
        assert!(trial.apply(step.clone()).changed);
        trial.is_silent(step.clone());
        make();
        assert!(trial.apply(step).changed);
        trial.refuse(json!({"path": trial.path("p"), "privatekey_path": trial.path("none")}));
    }
}
