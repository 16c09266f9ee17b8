//! `openssl_privatekey`: a private key, of the kind, size and format that the task names.

use super::{Args, Check, Failure, Module};
use super::{Making, Secrets, ask, is_readable, kept, needs_openssl, removed, with_content, words};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use ring::digest;
use serde_json::{Value, json};
use std::path::Path;

pub(in super::super) struct PrivateKey;

/// What is wrong with a key that is there.
enum Flaw {
    Nothing,
    /// It cannot be read with the passphrase of the task.
    Closed,
    /// It is of another kind or size.
    Other,
    /// It is the right one, in another format.
    Format,
}

impl Module for PrivateKey {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        if args.text("passphrase").is_some() != args.text("cipher").is_some() {
            return Err(Failure::new("`passphrase` and `cipher` go together: `cipher: auto` is AES-256"));
        }
        let kind = args.text("type").unwrap_or("RSA");
        let size = args.int("size").unwrap_or(4096);
        let mut check = if !view.exists(&path) || args.flag("force") {
            made(&path, kind, size, args, view)?
        } else if !is_readable(&path, view) {
            // An earlier step of this plan would make it, by the same words.
            kept(&path, args, view)?
        } else {
            replaced(&path, kind, size, args, view)?
        };
        if !check.outcome.changed {
            tell(&path, args, view, &mut check.outcome);
        }
        Ok(check.with("filename", path.to_string_lossy()).with("type", kind).with("size", size))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.carry_out(hands)?;
        let path = args.needed_path("path", &hands.view())?;
        tell(&path, args, &hands.view(), &mut outcome);
        Ok(outcome)
    }
}

/// What is done with a key that is there, by `regenerate` and what is wrong with it.
fn replaced(path: &Path, kind: &str, size: i64, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let regenerate = args.text("regenerate").unwrap_or("full_idempotence");
    let flaw = flaw(path, kind, size, args, view);
    match (flaw, regenerate) {
        (_, "always") => made(path, kind, size, args, view),
        (Flaw::Nothing, _) | (_, "never") => kept(path, args, view),
        (Flaw::Closed, "full_idempotence") | (Flaw::Other, "full_idempotence" | "partial_idempotence") => {
            made(path, kind, size, args, view)
        }
        (Flaw::Closed, _) => Err(Failure::new(
            "Unable to read the key. The key is protected with a another passphrase / no passphrase or broken. Will not proceed. To force regeneration, call the module with `generate` set to `full_idempotence` or `always`, or with `force=true`.",
        )),
        (Flaw::Other, _) => Err(Failure::new(
            "Key has wrong type and/or size. Will not proceed. To force regeneration, call the module with `generate` set to `partial_idempotence`, `full_idempotence` or `always`, or with `force=true`.",
        )),
        (Flaw::Format, _) if args.text("format_mismatch") == Some("convert") => converted(path, args, view),
        (Flaw::Format, "fail") => Err(Failure::new(
            "Key has wrong format. Will not proceed. To force regeneration, call the module with `generate` set to `partial_idempotence`, `full_idempotence` or `always`, or with `force=true`. To convert the key, set `format_mismatch` to `convert`.",
        )),
        (Flaw::Format, _) => made(path, kind, size, args, view),
    }
}

fn secrets<'a>(args: &Args<'a>) -> Secrets<'a> {
    args.text("passphrase").map(|passphrase| ("MUSTER_PASSPHRASE", passphrase)).into_iter().collect()
}

/// The last program: it writes the key in its format, closed where the task has a passphrase.
fn formatting(args: &Args<'_>) -> Result<Vec<String>, Failure> {
    let kind = args.text("type").unwrap_or("RSA");
    let mut last = words(&["pkey"]);
    let is_old = match args.text("format") {
        Some("pkcs8") => false,
        Some("raw") => return Err(Failure::new("`format: raw` is not supported: pkcs1, pkcs8 and auto are")),
        Some("pkcs1") if !matches!(kind, "RSA" | "ECC") => {
            return Err(Failure::new(format!("a key of type {kind} has no format pkcs1")));
        }
        _ => matches!(kind, "RSA" | "ECC"),
    };
    if is_old {
        last.push("-traditional".into());
    }
    if let Some(cipher) = args.text("cipher") {
        last.push(format!("-{}", if cipher == "auto" { "aes256" } else { cipher }));
        last.extend(words(&["-passout", "env:MUSTER_PASSPHRASE"]));
    }
    Ok(last)
}

fn made(path: &Path, kind: &str, size: i64, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let mut first = words(&["genpkey", "-quiet", "-algorithm"]);
    match kind {
        "RSA" => first.extend(["RSA".into(), "-pkeyopt".into(), format!("rsa_keygen_bits:{size}")]),
        "ECC" => {
            let curve = format!("ec_paramgen_curve:{}", curve(args)?);
            first.extend(words(&["EC", "-pkeyopt", &curve, "-pkeyopt", "ec_param_enc:named_curve"]));
        }
        other => first.push(other.to_owned()),
    }
    // Before OpenSSL 3.0 there is no such option.
    first.retain(|word| word != "-quiet");
    let pipeline = vec![first, formatting(args)?];
    Making { path, kind: "private key", pipeline, secrets: secrets(args), mode: 0o600 }.check(args, view)
}

fn converted(path: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let mut last = formatting(args)?;
    last.extend(words(&["-in", &path.to_string_lossy(), "-passin", "env:MUSTER_PASSPHRASE"]));
    let mut secrets = secrets(args);
    if secrets.is_empty() {
        secrets.push(("MUSTER_PASSPHRASE", ""));
    }
    Making { path, kind: "private key", pipeline: vec![last], secrets, mode: 0o600 }.check(args, view)
}

fn curve<'a>(args: &Args<'a>) -> Result<&'a str, Failure> {
    let curve = args.text("curve");
    let curve =
        curve.ok_or_else(|| Failure::new("type is ECC but all of the following are missing: curve"))?;
    Ok(match curve {
        "secp256r1" => "prime256v1",
        "secp192r1" => "prime192v1",
        other => other,
    })
}

fn flaw(path: &Path, kind: &str, size: i64, args: &Args<'_>, view: &View<'_>) -> Flaw {
    let content =
        view.read(path).map(|content| String::from_utf8_lossy(&content).into_owned()).unwrap_or_default();
    let is_closed = content.contains("ENCRYPTED");
    let mut secrets = secrets(args);
    if is_closed != args.text("passphrase").is_some() {
        return Flaw::Closed;
    }
    if secrets.is_empty() {
        secrets.push(("MUSTER_PASSPHRASE", ""));
    }
    let asked = words(&["pkey", "-noout", "-text", "-passin", "env:MUSTER_PASSPHRASE"]);
    let Some(text) = ask(&asked, &secrets, &content, view) else { return Flaw::Closed };
    let first = text.lines().next().unwrap_or("");
    let is_kind = match kind {
        "RSA" => text.contains("modulus:") && first.contains(&format!("({size} bit")),
        "ECC" => {
            let named = text.lines().find_map(|line| line.trim().strip_prefix("ASN1 OID:"));
            named.is_some_and(|named| curve(args).is_ok_and(|curve| named.trim() == curve))
        }
        "Ed25519" => first.starts_with("ED25519"),
        "Ed448" => first.starts_with("ED448"),
        "X25519" => first.starts_with("X25519"),
        _ => first.starts_with("X448"),
    };
    let is_old = content.contains("BEGIN RSA PRIVATE KEY") || content.contains("BEGIN EC PRIVATE KEY");
    match (is_kind, args.text("format")) {
        (false, _) => Flaw::Other,
        (true, Some("pkcs1")) if !is_old => Flaw::Format,
        (true, Some("pkcs8")) if is_old => Flaw::Format,
        (true, Some("auto")) if is_old != matches!(kind, "RSA" | "ECC") => Flaw::Format,
        _ => Flaw::Nothing,
    }
}

/// The fingerprints of the public half, and the key itself where the task asks for it.
fn tell(path: &Path, args: &Args<'_>, view: &View<'_>, outcome: &mut Outcome) {
    with_content("privatekey", path, args, view, outcome);
    let mut secrets = secrets(args);
    if secrets.is_empty() {
        secrets.push(("MUSTER_PASSPHRASE", ""));
    }
    let name = path.to_string_lossy();
    let asked = words(&["pkey", "-in", &name, "-pubout", "-passin", "env:MUSTER_PASSPHRASE"]);
    if let Some(public) = ask(&asked, &secrets, "", view) {
        outcome.result.insert("fingerprint".to_owned(), fingerprints(&public));
    }
}

/// Of what stands in a PEM text.
pub(super) fn fingerprints(pem: &str) -> Value {
    use base64::Engine;
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(lines).unwrap_or_default();
    let hex = |algorithm: &'static digest::Algorithm| {
        let bytes = digest::digest(algorithm, &der);
        bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    };
    json!({
        "sha1": hex(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        "sha256": hex(&digest::SHA256),
        "sha384": hex(&digest::SHA384),
        "sha512": hex(&digest::SHA512),
    })
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn key_is_made_once_and_again_where_another_is_asked_for() {
        let trial = Trial::new("openssl_privatekey");
        let key = trial.path("k.pem");
        let step = json!({"path": key, "type": "ECC", "curve": "secp256r1"});
        assert!(trial.apply(step.clone()).changed);
        assert!(trial.is_silent(step).result["fingerprint"]["sha256"].is_string());
        assert!(trial.text("k.pem").contains("EC PRIVATE KEY"));
        let other = json!({"path": key, "type": "ECC", "curve": "secp384r1"});
        let refused = json!({"path": key, "type": "ECC", "curve": "secp384r1", "regenerate": "fail"});
        assert!(trial.refuse(refused).contains("wrong type"));
        assert!(trial.apply(other.clone()).changed);
        trial.is_silent(other);
    }

    #[test]
    fn closed_key_opens_with_its_passphrase_only() {
        let trial = Trial::new("openssl_privatekey");
        let step = |word: &str| json!({"path": trial.path("k"), "type": "Ed25519", "passphrase": word, "cipher": "auto"});
        assert!(trial.apply(step("opens it")).changed);
        trial.is_silent(step("opens it"));
        assert!(trial.text("k").contains("ENCRYPTED"));
        assert!(trial.check(step("does not")).changed);
    }

    #[test]
    fn format_is_converted_and_the_key_stays() {
        let trial = Trial::new("openssl_privatekey");
        let step = |format: &str| json!({"path": trial.path("k"), "type": "ECC", "curve": "secp256r1", "format": format, "format_mismatch": "convert"});
        let made = trial.apply(step("pkcs1"));
        let converted = trial.apply(step("pkcs8"));
        assert!(converted.changed && trial.text("k").contains("BEGIN PRIVATE KEY"));
        assert_eq!(made.result["fingerprint"], converted.result["fingerprint"]);
        trial.is_silent(step("pkcs8"));
    }
}
