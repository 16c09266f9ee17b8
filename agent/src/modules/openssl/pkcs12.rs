//! `openssl_pkcs12`: a certificate with its key and its chain in one file, or such a file taken apart.

use super::{Args, Check, Failure, Module};
use super::{Making, Secrets, ask, is_readable, kept, needs_openssl, removed, with_content, words};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use std::collections::BTreeSet;
use std::path::Path;

pub(in super::super) struct Pkcs12;

impl Module for Pkcs12 {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let source = Source::of(args, view)?;
        let is_right = view.exists(&path) && !args.flag("force") && source.is_in(&path, args, view);
        let mut check = if is_right {
            kept(&path, args, view)?
        } else {
            let making = Making {
                path: &path,
                kind: "PKCS#12 file",
                pipeline: source.pipeline(args),
                secrets: secrets(args),
                // As the collection has it: there is a key in it.
                mode: 0o400,
            };
            making.check(args, view)?
        };
        if is_right {
            with_content("pkcs12", &path, args, view, &mut check.outcome);
        }
        Ok(check.with("filename", path.to_string_lossy()))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.carry_out(hands)?;
        let path = args.needed_path("path", &hands.view())?;
        with_content("pkcs12", &path, args, &hands.view(), &mut outcome);
        Ok(outcome)
    }
}

fn secrets<'a>(args: &Args<'a>) -> Secrets<'a> {
    vec![
        ("MUSTER_PASSPHRASE", args.text("passphrase").unwrap_or("")),
        ("MUSTER_KEY_PASSPHRASE", args.text("privatekey_passphrase").unwrap_or("")),
    ]
}

/// What the file is made of.
enum Source {
    Files {
        certificate: Option<String>,
        key: Option<String>,
        others: Vec<String>,
    },
    /// A file to be taken apart.
    Packed(String),
}

impl Source {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        let there = |path: std::path::PathBuf| match view.exists(&path) {
            true => Ok(path.to_string_lossy().into_owned()),
            false => Err(Failure::missing(format!("there is no file `{}`", path.display()))),
        };
        if args.text("action") == Some("parse") {
            let source = args.path("src", view).ok_or_else(|| Failure::new("`action: parse` needs `src`"))?;
            return there(source).map(Self::Packed);
        }
        if args.text("friendly_name").is_none() {
            return Err(Failure::new("`action: export` needs `friendly_name`"));
        }
        let certificate = args.path("certificate_path", view).map(there).transpose()?;
        let key = args.path("privatekey_path", view).map(there).transpose()?;
        if certificate.is_none() && args.list("other_certificates").is_none() {
            return Err(Failure::new("`action: export` needs `certificate_path` or `other_certificates`"));
        }
        let others: Result<Vec<String>, Failure> = args
            .list("other_certificates")
            .unwrap_or_default()
            .iter()
            .map(|path| there(view.expand(path).into()))
            .collect();
        Ok(Self::Files { certificate, key, others: others? })
    }

    fn pipeline(&self, args: &Args<'_>) -> Vec<Vec<String>> {
        let mut words = words(&["pkcs12", "-passin"]);
        match self {
            Self::Packed(source) => {
                words.extend([
                    "env:MUSTER_PASSPHRASE".to_owned(),
                    "-nodes".into(),
                    "-in".into(),
                    source.clone(),
                ]);
            }
            Self::Files { certificate, key, others } => {
                words.extend(
                    ["env:MUSTER_KEY_PASSPHRASE", "-passout", "env:MUSTER_PASSPHRASE", "-export"]
                        .map(str::to_owned),
                );
                let mut chain = others.iter();
                let first = certificate.as_ref().or_else(|| chain.next());
                words.extend(first.into_iter().flat_map(|path| ["-in".to_owned(), path.clone()]));
                match key {
                    Some(key) => words.extend(["-inkey".to_owned(), key.clone()]),
                    None => words.push("-nokeys".to_owned()),
                }
                words.extend(chain.flat_map(|path| ["-certfile".to_owned(), path.clone()]));
                if let Some(name) = args.text("friendly_name") {
                    words.extend(["-name".to_owned(), name.to_owned()]);
                }
                if let Some(rounds) = args.int("iter_size") {
                    words.extend(["-iter".to_owned(), rounds.to_string()]);
                }
                if args.text("encryption_level") == Some("compatibility2022") {
                    words.extend(
                        ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]
                            .map(str::to_owned),
                    );
                }
            }
        }
        vec![words]
    }

    /// Whether the file has these certificates, this key and this name.
    fn is_in(&self, path: &Path, args: &Args<'_>, view: &View<'_>) -> bool {
        if view.is_check() && !is_readable(path, view) {
            // It is of an earlier step of this plan.
            return true;
        }
        let name = path.to_string_lossy();
        let open = |path: &str| {
            let asked = words(&["pkcs12", "-passin", "env:MUSTER_PASSPHRASE", "-nodes", "-in", path]);
            ask(&asked, &secrets(args), "", view)
        };
        match self {
            Self::Packed(source) => {
                let present = String::from_utf8_lossy(&view.read(path).unwrap_or_default()).into_owned();
                open(source).is_some_and(|opened| blocks(&opened) == blocks(&present))
            }
            Self::Files { certificate, key, others } => {
                let Some(present) = open(&name) else { return false };
                let of = |path: &String| {
                    let content = view.read(Path::new(path)).unwrap_or_default();
                    certificates(&String::from_utf8_lossy(&content))
                };
                let wanted: BTreeSet<String> = certificate.iter().chain(others).flat_map(of).collect();
                let named = args.text("friendly_name").unwrap_or("");
                let is_named = present.lines().any(|line| {
                    line.trim().strip_prefix("friendlyName:").is_some_and(|known| known.trim() == named)
                });
                wanted == certificates(&present)
                    && is_named
                    && public_of(&present, view)
                        == key.as_ref().and_then(|key| {
                            let content = view.read(Path::new(key)).unwrap_or_default();
                            let asked = words(&["pkey", "-pubout", "-passin", "env:MUSTER_KEY_PASSPHRASE"]);
                            ask(&asked, &secrets(args), &String::from_utf8_lossy(&content), view)
                        })
            }
        }
    }
}

/// The public half of the key in an opened file.
fn public_of(opened: &str, view: &View<'_>) -> Option<String> {
    let key = blocks(opened).into_iter().find(|block| block.contains("PRIVATE KEY"))?;
    ask(&words(&["pkey", "-pubout"]), &Vec::new(), &key, view)
}

fn certificates(pem: &str) -> BTreeSet<String> {
    blocks(pem).into_iter().filter(|block| block.contains("BEGIN CERTIFICATE")).collect()
}

/// What stands between the lines that begin and end something.
fn blocks(pem: &str) -> BTreeSet<String> {
    let (mut blocks, mut block) = (BTreeSet::new(), String::new());
    for line in pem.lines().map(str::trim) {
        if line.starts_with("-----BEGIN") {
            block.clear();
        }
        block += line;
        block.push('\n');
        if line.starts_with("-----END") {
            blocks.insert(std::mem::take(&mut block));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn file_is_made_once_and_anew_under_another_name() {
        let trial = Trial::new("openssl_pkcs12");
        let (key, certificate) = (trial.path("k"), trial.path("c"));
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=a", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output();
        assert!(made.expect("openssl runs").status.success());
        let step = |name: &str| {
            json!({"path": trial.path("p"), "friendly_name": name, "privatekey_path": key, "certificate_path": certificate,
                "passphrase": "secret word"})
        };
        assert!(trial.check(step("one")).changed);
        assert!(trial.apply(step("one")).changed);
        trial.is_silent(step("one"));
        assert!(trial.check(step("two")).changed);
        let apart = json!({"path": trial.path("pem"), "action": "parse", "src": trial.path("p"), "passphrase": "secret word"});
        assert!(trial.apply(apart.clone()).changed);
        trial.is_silent(apart);
        assert!(trial.text("pem").contains("PRIVATE KEY"));
    }
}
