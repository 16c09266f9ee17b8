//! `openssl_csr`: a request for a certificate. One that is there is right where openssl tells the same of it as of a new one.

use super::{Args, Check, Failure, Module};
use super::{Making, Secrets, ask, is_readable, kept, lasting, needs_openssl, removed, with_content, words};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use serde_json::Value;

pub(in super::super) struct Request;

impl Module for Request {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let key = args.needed_path("privatekey_path", view)?;
        if !view.exists(&key) {
            return Err(Failure::missing(format!("there is no private key `{}`", key.display())));
        }
        let new = new(&key.to_string_lossy(), args)?;
        let is_right = view.exists(&path) && !args.flag("force") && {
            let text = words(&["req", "-noout", "-text"]);
            let wanted = ask(&new, &secrets(args), "", view);
            let wanted = wanted.and_then(|pem| ask(&text, &Vec::new(), &pem, view));
            let present = view.read(&path).map(|pem| String::from_utf8_lossy(&pem).into_owned());
            let present = present.ok().and_then(|pem| ask(&text, &Vec::new(), &pem, view));
            match (wanted, present) {
                (Some(wanted), Some(present)) => lasting(&wanted) == lasting(&present),
                // Both are of earlier steps of this plan.
                _ => view.is_check() && !is_readable(&key, view) && !is_readable(&path, view),
            }
        };
        let mut check = if is_right {
            kept(&path, args, view)?
        } else {
            let making = Making {
                path: &path,
                kind: "certificate request",
                pipeline: vec![new],
                secrets: secrets(args),
                mode: 0o666 & !view.umask(),
            };
            making.check(args, view)?
        };
        if is_right {
            with_content("csr", &path, args, view, &mut check.outcome);
        }
        let subject: Vec<Value> =
            subject(args)?.into_iter().map(|(name, value)| vec![name, value].into()).collect();
        let check = check.with("filename", path.to_string_lossy()).with("privatekey", key.to_string_lossy());
        Ok(check.with("subject", subject))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.carry_out(hands)?;
        let path = args.needed_path("path", &hands.view())?;
        with_content("csr", &path, args, &hands.view(), &mut outcome);
        Ok(outcome)
    }
}

fn secrets<'a>(args: &Args<'a>) -> Secrets<'a> {
    vec![("MUSTER_PASSPHRASE", args.text("privatekey_passphrase").unwrap_or(""))]
}

/// `openssl req` that writes a new one to its output.
fn new(key: &str, args: &Args<'_>) -> Result<Vec<String>, Failure> {
    let digest = format!("-{}", args.text("digest").unwrap_or("sha256"));
    let slashed = slashed(&subject(args)?);
    let mut new = words(&[
        "req",
        "-new",
        "-config",
        "/dev/null",
        &digest,
        "-passin",
        "env:MUSTER_PASSPHRASE",
        "-key",
        key,
        "-subj",
        &slashed,
    ]);
    for (name, value) in extensions(args)? {
        new.extend(["-addext".to_owned(), format!("{name}={value}")]);
    }
    Ok(new)
}

const PARTS: [(&str, &str); 7] = [
    ("country_name", "C"),
    ("state_or_province_name", "ST"),
    ("locality_name", "L"),
    ("organization_name", "O"),
    ("organizational_unit_name", "OU"),
    ("common_name", "CN"),
    ("email_address", "emailAddress"),
];

/// The parts of the name, in the order in which certificates have them; those of `subject` come last.
fn subject(args: &Args<'_>) -> Result<Vec<(String, String)>, Failure> {
    let own = |(argument, short): (&str, &str)| Some((short.to_owned(), args.text(argument)?.to_owned()));
    let mut parts: Vec<(String, String)> = PARTS.into_iter().filter_map(own).collect();
    let mut further = |name: &str, value: &Value| -> Result<(), Failure> {
        for value in value.as_array().map_or_else(|| vec![value], |values| values.iter().collect()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            parts.push((short(name).to_owned(), text));
        }
        Ok(())
    };
    for (name, value) in args.raw("subject").and_then(Value::as_object).into_iter().flatten() {
        further(name, value)?;
    }
    for pair in args.raw("subject_ordered").and_then(Value::as_array).into_iter().flatten() {
        let pair = pair.as_object().filter(|pair| pair.len() == 1);
        let pair =
            pair.ok_or_else(|| Failure::new("`subject_ordered` is a list of mappings with one name each"))?;
        for (name, value) in pair {
            further(name, value)?;
        }
    }
    Ok(parts)
}

fn short(name: &str) -> &str {
    match name {
        "countryName" => "C",
        "stateOrProvinceName" => "ST",
        "localityName" => "L",
        "organizationName" => "O",
        "organizationalUnitName" => "OU",
        "commonName" => "CN",
        other => other,
    }
}

fn slashed(subject: &[(String, String)]) -> String {
    let part = |(short, value): &(String, String)| {
        format!("/{short}={}", value.replace('\\', "\\\\").replace('/', "\\/").replace('+', "\\+"))
    };
    let text: String = subject.iter().map(part).collect();
    if text.is_empty() { "/".to_owned() } else { text }
}

/// The extensions, as x509v3_config(5) writes them.
fn extensions(args: &Args<'_>) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut all = Vec::new();
    let mut names = args.list("subject_alt_name").unwrap_or_default();
    if names.is_empty() && args.choice("use_common_name_for_san") != Some(false) {
        names.extend(args.text("common_name").map(|name| format!("DNS:{name}")));
    }
    let usages = |list: Option<Vec<String>>| -> Vec<String> {
        list.unwrap_or_default().iter().map(|word| usage(word)).collect()
    };
    for (name, critical, values) in [
        ("subjectAltName", "subject_alt_name_critical", names),
        ("keyUsage", "key_usage_critical", usages(args.list("key_usage"))),
        ("extendedKeyUsage", "extended_key_usage_critical", usages(args.list("extended_key_usage"))),
        (
            "basicConstraints",
            "basic_constraints_critical",
            args.list("basic_constraints").unwrap_or_default(),
        ),
    ] {
        if let Some(value) = listed(values, args.flag(critical)) {
            all.push((name, value));
        }
    }
    if args.flag("ocsp_must_staple") {
        let value = listed(vec!["status_request".into()], args.flag("ocsp_must_staple_critical"));
        all.extend(value.map(|value| ("tlsfeature", value)));
    }
    if args.flag("create_subject_key_identifier") {
        all.push(("subjectKeyIdentifier", "hash".to_owned()));
    }
    Ok(all)
}

fn listed(values: Vec<String>, is_critical: bool) -> Option<String> {
    if values.is_empty() {
        return None;
    }
    let critical = is_critical.then(|| "critical".to_owned());
    Some(critical.into_iter().chain(values).collect::<Vec<_>>().join(","))
}

/// `Key Encipherment` and `TLS Web Server Authentication` are what openssl prints; it reads the short names only.
fn usage(word: &str) -> String {
    match word {
        "Digital Signature" => "digitalSignature",
        "Non Repudiation" | "contentCommitment" | "Content Commitment" => "nonRepudiation",
        "Key Encipherment" => "keyEncipherment",
        "Data Encipherment" => "dataEncipherment",
        "Key Agreement" => "keyAgreement",
        "Certificate Sign" => "keyCertSign",
        "CRL Sign" => "cRLSign",
        "Encipher Only" => "encipherOnly",
        "Decipher Only" => "decipherOnly",
        "TLS Web Server Authentication" => "serverAuth",
        "TLS Web Client Authentication" => "clientAuth",
        "Code Signing" => "codeSigning",
        "E-mail Protection" => "emailProtection",
        "Time Stamping" => "timeStamping",
        "OCSP Signing" => "OCSPSigning",
        "Any Extended Key Usage" => "anyExtendedKeyUsage",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    fn key(trial: &Trial) -> std::path::PathBuf {
        let path = trial.path("k");
        let made = std::process::Command::new("openssl")
            .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out"])
            .arg(&path)
            .output();
        assert!(made.expect("openssl runs").status.success());
        path
    }

    #[test]
    fn request_with_extensions_is_made_once_and_anew_where_one_differs() {
        let trial = Trial::new("openssl_csr");
        let key = key(&trial);
        let step = |usage: &str| {
            json!({"path": trial.path("r"), "privatekey_path": key, "common_name": "a.example", "subject": {"organizationName": "O/U"},
                "subject_alt_name": ["DNS:a.example", "IP:10.0.0.1"], "key_usage": [usage, "Key Encipherment"], "key_usage_critical": true,
                "extended_key_usage": ["serverAuth"], "basic_constraints": ["CA:FALSE"]})
        };
        assert!(trial.check(step("digitalSignature")).changed);
        assert!(trial.apply(step("digitalSignature")).changed);
        trial.is_silent(step("digitalSignature"));
        assert!(trial.check(step("keyAgreement")).changed);
    }

    #[test]
    fn common_name_is_a_further_name_unless_told_otherwise() {
        let trial = Trial::new("openssl_csr");
        let key = key(&trial);
        let step = json!({"path": trial.path("r"), "privatekey_path": key, "common_name": "a.example"});
        assert!(trial.apply(step.clone()).changed);
        let without = json!({"path": trial.path("r"), "privatekey_path": key, "common_name": "a.example", "use_common_name_for_san": false});
        assert!(trial.check(without).changed);
        trial.is_silent(step);
    }
}
