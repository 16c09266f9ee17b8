//! `openssl_privatekey`, `openssl_csr`, `x509_certificate` and `htpasswd`: keys, requests, certificates and password files, made by
//! the host's own openssl.

use super::attributes::Wanted;
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, Report};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;

use std::path::{Path, PathBuf};

pub(super) struct PrivateKey;
pub(super) struct Request;
pub(super) struct Certificate;
pub(super) struct Htpasswd;

/// What openssl says, `None` where it refuses.
fn openssl(view: &View<'_>, words: &[&str]) -> Option<String> {
    view.ask("openssl", words).ok().filter(|ran| ran.is_fine()).map(|ran| ran.out())
}

fn needs_openssl(view: &View<'_>) -> Result<(), Failure> {
    match view.program("openssl") {
        Some(_) => Ok(()),
        None => Err(Failure::missing("this host has no `openssl`; install it first")),
    }
}

/// A file that openssl makes: at first beside its place, readable by its owner only.
fn made(
    path: &Path,
    words: Vec<String>,
    mode: &str,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let before = if view.exists(path) { "other" } else { "absent" };
    let change = Change::Presence { before: before.into(), after: "present".into() };
    let name = path.to_string_lossy().into_owned();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    let temporary = format!("{name}.muster-new");
    let mode = args.text("mode").filter(|mode| mode.starts_with('0')).unwrap_or(mode);
    let line = format!(
        "umask 077 && openssl {} > /dev/null && chmod {mode} \"$1\" && mv -f \"$1\" \"$2\"",
        quoted.join(" ").replace("'@OUT@'", "\"$1\"")
    );
    let command = Command::new("/bin/sh", &["-c", &line, "sh", &temporary, &name]);
    let put = Operation::Put(crate::worker::Put {
        path: path.to_owned(),
        content: [].into(),
        attributes: crate::worker::Attributes::default(),
        validate: None,
        may_write_in_place: false,
    });
    let brings = vec![crate::worker::Prediction::Also(Box::new(put))];
    let mut operations = Vec::new();
    if args.flag("backup") && view.exists(path) {
        let copy = PathBuf::from(format!("{name}.{}~", std::process::id()));
        operations.push(Operation::BackUp { path: path.to_owned(), copy });
    }
    operations.push(Operation::Run { command, brings });
    let wanted = Wanted::of(args, view)?;
    if wanted.uid.is_some() || wanted.gid.is_some() {
        let attributes = crate::worker::Attributes { mode: None, uid: wanted.uid, gid: wanted.gid };
        operations.push(Operation::Set { path: path.to_owned(), attributes });
    }
    Ok(Check::change(Diff { kind: "file".into(), name, changes: vec![change] }, operations))
}

/// A file that is right already: only its owner and mode may change.
fn kept(path: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let wanted = Wanted::of(args, view)?;
    let stat = view.stat(path).ok().flatten();
    Ok(placing::set_attributes(path, stat.as_ref(), &wanted, view))
}

fn removed(path: &Path, view: &View<'_>) -> Check {
    if !view.exists(path) {
        return Check::unchanged();
    }
    let change = Change::Presence { before: "present".into(), after: "absent".into() };
    let diff = Diff { kind: "file".into(), name: path.to_string_lossy().into_owned(), changes: vec![change] };
    Check::change(diff, vec![Operation::Remove { path: path.to_owned() }])
}

impl Module for PrivateKey {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let kind = args.text("type").unwrap_or("RSA");
        let size = args.int("size").unwrap_or(4096);
        let is_right = view.exists(&path) && !args.flag("force") && fits(&path, kind, size, args, view)?;
        let check = match is_right {
            true => kept(&path, args, view)?,
            false => made(&path, key_words(kind, size, args)?, "0600", args, view)?,
        };
        Ok(check.with("filename", path.to_string_lossy()).with("type", kind).with("size", size))
    }
}

fn key_words(kind: &str, size: i64, args: &Args<'_>) -> Result<Vec<String>, Failure> {
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut words = text(&["genpkey", "-out", "@OUT@", "-algorithm"]);
    match kind {
        "RSA" => words.extend(["RSA".into(), "-pkeyopt".into(), format!("rsa_keygen_bits:{size}")]),
        "ECC" => {
            let curve = args
                .text("curve")
                .ok_or_else(|| Failure::new("type is ECC but all of the following are missing: curve"))?;
            let curve = if curve == "secp256r1" { "prime256v1" } else { curve };
            words.extend(text(&[
                "EC",
                "-pkeyopt",
                &format!("ec_paramgen_curve:{curve}"),
                "-pkeyopt",
                "ec_param_enc:named_curve",
            ]));
        }
        other => words.push(other.to_owned()),
    }
    Ok(words)
}

/// Whether the key is of the kind and size; one that cannot be read is replaced only where the task says so.
fn fits(path: &Path, kind: &str, size: i64, args: &Args<'_>, view: &View<'_>) -> Result<bool, Failure> {
    let Some(text) = openssl(view, &["pkey", "-in", &path.to_string_lossy(), "-noout", "-text"]) else {
        return match args.text("regenerate") {
            Some("always" | "full_idempotence" | "partial_idempotence") | None if args.flag("force") => {
                Ok(false)
            }
            Some("always") => Ok(false),
            _ => Err(Failure::new(format!(
                "Unable to read the key. The key is protected with a another passphrase / no passphrase or broken. Will not proceed: `{}`; `force: true` replaces it",
                path.display()
            ))),
        };
    };
    let first = text.lines().next().unwrap_or("");
    let is_kind = match kind {
        "RSA" => text.contains("modulus:"),
        "ECC" => text.contains("ASN1 OID:"),
        "Ed25519" => first.starts_with("ED25519"),
        "Ed448" => first.starts_with("ED448"),
        "X25519" => first.starts_with("X25519"),
        _ => first.starts_with("X448"),
    };
    let is_size = kind != "RSA" || first.contains(&format!("({size} bit"));
    match (is_kind && is_size, args.text("regenerate")) {
        (true, regenerate) => Ok(regenerate != Some("always")),
        (false, Some("never")) => Ok(true),
        (false, Some("full_idempotence" | "always")) => Ok(false),
        (false, _) if args.flag("force") => Ok(false),
        (false, _) => Err(Failure::new(
            "Key has wrong type and/or size. Will not proceed. To force regeneration, call the module with `generate` set to `full_idempotence` or `always`, or with `force=true`.",
        )),
    }
}

impl Module for Request {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let key = args.needed_path("privatekey_path", view)?;
        let subject = subject(args);
        let names: Vec<String> = args.list("subject_alt_name").unwrap_or_default();
        let is_right = view.exists(&path) && !args.flag("force") && {
            let text = openssl(
                view,
                &[
                    "req",
                    "-in",
                    &path.to_string_lossy(),
                    "-noout",
                    "-subject",
                    "-nameopt",
                    "RFC2253,sep_comma_plus_space",
                    "-text",
                ],
            );
            let of = |words: &[&str]| openssl(view, words);
            let public = of(&["req", "-in", &path.to_string_lossy(), "-noout", "-pubkey"]);
            public == of(&["pkey", "-in", &key.to_string_lossy(), "-pubout"])
                && text.is_some_and(|text| says(&text, &subject, &names))
        };
        let check = if is_right {
            kept(&path, args, view)?
        } else {
            let mut words: Vec<String> = ["req", "-new", "-out", "@OUT@", "-key"].map(str::to_owned).into();
            words.extend([key.to_string_lossy().into_owned(), "-subj".into(), slashed(&subject)]);
            if !names.is_empty() {
                words.extend(["-addext".into(), format!("subjectAltName={}", names.join(","))]);
            }
            made(&path, words, "0644", args, view)?
        };
        Ok(check.with("filename", path.to_string_lossy()).with("privatekey", key.to_string_lossy()))
    }
}

/// The parts of the name, in the order in which certificates have them.
fn subject(args: &Args<'_>) -> Vec<(&'static str, String)> {
    let parts = [
        ("country_name", "C"),
        ("state_or_province_name", "ST"),
        ("locality_name", "L"),
        ("organization_name", "O"),
        ("organizational_unit_name", "OU"),
        ("common_name", "CN"),
        ("email_address", "emailAddress"),
    ];
    parts.into_iter().filter_map(|(argument, short)| Some((short, args.text(argument)?.to_owned()))).collect()
}

fn slashed(subject: &[(&str, String)]) -> String {
    let part = |(short, value): &(&str, String)| format!("/{short}={}", value.replace('/', "\\/"));
    let text: String = subject.iter().map(part).collect();
    if text.is_empty() { "/".to_owned() } else { text }
}

fn says(text: &str, subject: &[(&str, String)], names: &[String]) -> bool {
    let has_subject = subject.iter().all(|(short, value)| {
        text.contains(&format!("{short}={value}")) || text.contains(&format!("{short} = {value}"))
    });
    let name = |name: &String| text.contains(&name.replace("IP:", "IP Address:"));
    has_subject && names.iter().all(name)
}

impl Module for Certificate {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let csr = args.needed_path("csr_path", view)?;
        let is_right = view.exists(&path) && !args.flag("force") && is_of(&path, &csr, view);
        let check = match is_right {
            true => kept(&path, args, view)?,
            false => made(&path, certificate_words(&csr, args, view)?, "0644", args, view)?,
        };
        Ok(check.with("filename", path.to_string_lossy()).with("csr", csr.to_string_lossy()))
    }
}

/// Whether the certificate is of the request's key, and not at its end.
fn is_of(path: &Path, csr: &Path, view: &View<'_>) -> bool {
    let path = path.to_string_lossy();
    let public = openssl(view, &["x509", "-in", &path, "-noout", "-pubkey"]);
    let is_valid = openssl(view, &["x509", "-in", &path, "-noout", "-checkend", "0"]).is_some();
    is_valid
        && public.is_some()
        && public == openssl(view, &["req", "-in", &csr.to_string_lossy(), "-noout", "-pubkey"])
}

fn certificate_words(csr: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Vec<String>, Failure> {
    let mut words: Vec<String> =
        ["x509", "-req", "-copy_extensions", "copy", "-out", "@OUT@", "-in"].map(str::to_owned).into();
    words.push(csr.to_string_lossy().into_owned());
    let path = |name: &str| Ok::<_, Failure>(args.needed_path(name, view)?.to_string_lossy().into_owned());
    let (end, argument) = match args.text("provider") {
        Some("ownca") => {
            words.extend([
                "-CA".into(),
                path("ownca_path")?,
                "-CAkey".into(),
                path("ownca_privatekey_path")?,
                "-CAcreateserial".into(),
            ]);
            (args.text("ownca_not_after"), "ownca_not_after")
        }
        Some("selfsigned") => {
            words.extend(["-signkey".into(), path("privatekey_path")?]);
            (args.text("selfsigned_not_after"), "selfsigned_not_after")
        }
        other => {
            return Err(Failure::new(format!(
                "provider `{}` is not supported: `selfsigned` and `ownca` are",
                other.unwrap_or("")
            )));
        }
    };
    let end = end.unwrap_or("+3650d");
    let days = end.strip_prefix('+').and_then(days);
    let days = days
        .ok_or_else(|| Failure::new(format!("`{argument}` is `{end}`; it is written `+3650d` or `+52w`")))?;
    words.extend(["-days".into(), days.to_string()]);
    Ok(words)
}

fn days(text: &str) -> Option<i64> {
    let (number, days) = match text.chars().last()? {
        'd' => (&text[..text.len() - 1], 1),
        'w' => (&text[..text.len() - 1], 7),
        _ => return None,
    };
    number.parse::<i64>().ok().map(|number| number * days)
}

impl Module for Htpasswd {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        let name = args.needed("name")?;
        let before = Before::at(&path, true, view)?;
        if !before.is_file() && args.choice("create") == Some(false) {
            return Err(Failure::missing(format!("Destination {} does not exist", path.display())));
        }
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let start = format!("{name}:");
        let known = text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned);
        let others: String =
            text.lines().filter(|line| !line.starts_with(&start)).map(|line| format!("{line}\n")).collect();
        if args.text("state") == Some("absent") {
            return match known {
                None => Ok(Check::unchanged().with("msg", format!("{name} not present"))),
                Some(_) => Ok(placing::place(&before, others.into_bytes(), args, view)?
                    .with("msg", format!("Remove {name}"))),
            };
        }
        let password = args
            .text("password")
            .ok_or_else(|| Failure::new("state is present but all of the following are missing: password"))?;
        if known.as_deref().is_some_and(|known| is_password(known, password, view)) {
            return Ok(placing::place(&before, text.into_bytes(), args, view)?
                .with("msg", format!("{name} already present")));
        }
        let msg = if known.is_some() { format!("Updated {name}") } else { format!("Add {name}") };
        let hash = hashed(password, args.text("hash_scheme").unwrap_or("apr_md5_crypt"), None, view)?;
        let new = format!("{others}{name}:{hash}\n");
        let mut check = placing::place(&before, new.into_bytes(), args, view)?;
        // The content has a hash of the password in it.
        check.outcome.diffs.iter_mut().flat_map(|diff| &mut diff.changes).for_each(|change| {
            if let Change::Content { before, after } = change {
                (*before, *after) = (muster_api::diff::Content::Secret, muster_api::diff::Content::Secret);
            }
        });
        Ok(check.with("msg", msg))
    }

    fn apply(&self, _args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        if let Report::File(_) = &check.report {
            check.report.fill(&mut outcome, &hands.view());
        }
        Ok(outcome)
    }
}

fn is_password(known: &str, password: &str, view: &View<'_>) -> bool {
    let parts: Vec<&str> = known.split('$').collect();
    let scheme = match parts.as_slice() {
        ["", "apr1", ..] => "apr_md5_crypt",
        ["", "5", ..] => "sha256_crypt",
        ["", "6", ..] => "sha512_crypt",
        [_] => return known == password,
        _ => return false,
    };
    hashed(password, scheme, parts.get(2).copied(), view).is_ok_and(|hash| hash == known)
}

/// The password goes through stdin, where no process list shows it.
fn hashed(password: &str, scheme: &str, salt: Option<&str>, view: &View<'_>) -> Result<String, Failure> {
    let option = match scheme {
        "apr_md5_crypt" => "-apr1",
        "sha256_crypt" => "-5",
        "sha512_crypt" => "-6",
        "plaintext" => return Ok(password.to_owned()),
        other => {
            return Err(Failure::new(format!(
                "the scheme `{other}` is not supported: apr_md5_crypt, sha256_crypt, sha512_crypt and plaintext are"
            )));
        }
    };
    needs_openssl(view)?;
    let mut command = Command::new("openssl", &["passwd", option, "-stdin"]);
    if let Some(salt) = salt {
        command = command.argument("-salt").argument(salt);
    }
    command.deadline = view.deadline();
    let ran = command.fed(format!("{password}\n")).run();
    let ran = ran.map_err(|error| Failure::new(format!("cannot run `openssl`: {error}")))?;
    match ran.is_fine() {
        true => Ok(ran.out().trim().to_owned()),
        false => Err(Failure::new(ran.complaint())),
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn password_is_added_once_changed_and_removed() {
        let trial = Trial::new("htpasswd");
        let path = trial.write("users", "other:x\n");
        let step = |password: &str| json!({"path": path, "name": "ann", "password": password});
        assert!(trial.apply(step("one")).changed);
        assert!(trial.text("users").starts_with("other:x\nann:$apr1$"));
        assert!(!trial.apply(step("one")).changed);
        assert!(trial.apply(step("two")).changed);
        trial.changes_once(json!({"path": path, "name": "ann", "state": "absent"}));
        assert_eq!(trial.text("users"), "other:x\n");
    }

    #[test]
    fn key_request_and_certificate_are_made_once() {
        let trial = Trial::new("openssl_privatekey");
        let key = trial.path("k.pem");
        let step = json!({"path": key, "type": "ECC", "curve": "secp256r1"});
        assert!(trial.apply(step.clone()).changed);
        assert!(!trial.apply(step).changed);
        assert!(trial.text("k.pem").contains("PRIVATE KEY"));
    }
}
