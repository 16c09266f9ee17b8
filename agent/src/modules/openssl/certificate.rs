//! `x509_certificate`: a certificate for a request, signed by its own key or by an authority's. One that is there is right where openssl
//! tells the same of it as of a new one, but for its number, its time and its signature; one at its end is made anew.

use super::private_key::fingerprints;
use super::{Args, Check, Failure, Module};
use super::{Making, Secrets, ask, is_readable, kept, lasting, needs_openssl, removed, with_content, words};
use crate::worker::{Hands, View};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use muster_api::outcome::Outcome;
use std::path::Path;

pub(in super::super) struct Certificate;

const DAY: i64 = 86_400;

impl Module for Certificate {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?;
        if args.text("state") == Some("absent") {
            return Ok(removed(&path, view).with("filename", path.to_string_lossy()));
        }
        needs_openssl(view)?;
        let csr = args.needed_path("csr_path", view)?;
        let new = new(&csr, args, view)?;
        let is_right = view.exists(&path) && !args.flag("force") && is_of(&path, &csr, &new, args, view);
        let mut check = if is_right {
            kept(&path, args, view)?
        } else {
            let making = Making {
                path: &path,
                kind: "certificate",
                pipeline: vec![new],
                secrets: secrets(args),
                mode: 0o666 & !view.umask(),
            };
            making.check(args, view)?
        };
        if is_right {
            tell(&path, args, view, &mut check.outcome);
        }
        Ok(check.with("filename", path.to_string_lossy()).with("csr", csr.to_string_lossy()))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.carry_out(hands)?;
        tell(&args.needed_path("path", &hands.view())?, args, &hands.view(), &mut outcome);
        Ok(outcome)
    }
}

fn secrets<'a>(args: &Args<'a>) -> Secrets<'a> {
    let name = if args.text("provider") == Some("ownca") {
        "ownca_privatekey_passphrase"
    } else {
        "privatekey_passphrase"
    };
    vec![("MUSTER_PASSPHRASE", args.text(name).unwrap_or(""))]
}

fn is_of(path: &Path, csr: &Path, new: &[String], args: &Args<'_>, view: &View<'_>) -> bool {
    if view.is_check() && !is_readable(path, view) && !is_readable(csr, view) {
        // Both are of earlier steps of this plan.
        return true;
    }
    let text = words(&["x509", "-noout", "-text"]);
    let wanted = ask(new, &secrets(args), "", view).and_then(|pem| ask(&text, &Vec::new(), &pem, view));
    let Ok(present) = view.read(path) else { return false };
    let present = String::from_utf8_lossy(&present).into_owned();
    let is_good = ask(&words(&["x509", "-noout", "-checkend", "0"]), &Vec::new(), &present, view).is_some();
    let present = ask(&text, &Vec::new(), &present, view);
    is_good
        && wanted.is_some_and(|wanted| present.is_some_and(|present| lasting(&wanted) == lasting(&present)))
}

/// `openssl x509` that writes a new one to its output.
fn new(csr: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Vec<String>, Failure> {
    let path = |name: &str| -> Result<String, Failure> {
        let path = args.needed_path(name, view)?;
        match view.exists(&path) {
            true => Ok(path.to_string_lossy().into_owned()),
            false => Err(Failure::missing(format!("`{name}`: there is no file `{}`", path.display()))),
        }
    };
    if !view.exists(csr) {
        return Err(Failure::missing(format!("`csr_path`: there is no file `{}`", csr.display())));
    }
    let mut words =
        words(&["x509", "-req", "-copy_extensions", "copy", "-passin", "env:MUSTER_PASSPHRASE", "-in"]);
    words.push(csr.to_string_lossy().into_owned());
    let prefix = match args.text("provider") {
        Some("ownca") => {
            words.extend([
                "-CA".into(),
                path("ownca_path")?,
                "-CAkey".into(),
                path("ownca_privatekey_path")?,
            ]);
            "ownca"
        }
        Some("selfsigned") => {
            words.extend(["-signkey".into(), path("privatekey_path")?]);
            "selfsigned"
        }
        _ => return Err(Failure::new("`provider` must be given: `selfsigned` or `ownca`")),
    };
    if args.text(&format!("{prefix}_not_before")).is_some_and(|begin| begin != "+0s") {
        return Err(Failure::new(format!(
            "`{prefix}_not_before`: a certificate is good from when it is made, `+0s`"
        )));
    }
    let digest = args.text(&format!("{prefix}_digest")).unwrap_or("sha256");
    let argument = format!("{prefix}_not_after");
    let end = args.text(&argument).unwrap_or("+3650d");
    let days = days(end, Timestamp::now()).ok_or_else(|| {
        Failure::new(format!(
            "`{argument}` is `{end}`; it is written `+3650d`, `+52w1d` or `20300131235959Z`"
        ))
    })?;
    words.extend([format!("-{digest}"), "-days".into(), days.to_string(), "-set_serial".into(), number()]);
    Ok(words)
}

/// A number that no other certificate has: 159 random bits, as the CA/Browser Forum asks for more than 64.
fn number() -> String {
    let mut bytes = [0; 20];
    // Without random numbers the time is the next best thing.
    if getrandom::fill(&mut bytes).is_err() {
        bytes[..8].copy_from_slice(&Timestamp::now().as_microsecond().to_be_bytes());
    }
    bytes[0] = bytes[0] & 0x7f | 0x40;
    format!("0x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Whole days until then; a part of a day counts as one, because openssl knows nothing less.
fn days(end: &str, now: Timestamp) -> Option<i64> {
    let seconds = match end.strip_prefix('+') {
        Some(span) => seconds(span)?,
        None => {
            let text = end.trim_end_matches('Z');
            let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
            time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second() - now.as_second()
        }
    };
    Some((seconds + DAY - 1).div_euclid(DAY))
}

/// `52w1d2h`
fn seconds(span: &str) -> Option<i64> {
    let (mut total, mut digits) = (0, String::new());
    for letter in span.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit = match letter {
            'w' => 7 * DAY,
            'd' => DAY,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total += std::mem::take(&mut digits).parse::<i64>().ok()?.checked_mul(unit)?;
    }
    digits.is_empty().then_some(total).filter(|_| !span.is_empty())
}

/// When it is good, its number and fingerprints.
fn tell(path: &Path, args: &Args<'_>, view: &View<'_>, outcome: &mut Outcome) {
    with_content("certificate", path, args, view, outcome);
    let Ok(pem) = view.read(path) else { return };
    let pem = String::from_utf8_lossy(&pem).into_owned();
    let asked = words(&["x509", "-noout", "-serial", "-startdate", "-enddate", "-dateopt", "iso_8601"]);
    let said = ask(&asked, &Vec::new(), &pem, view).unwrap_or_default();
    for (name, value) in said.lines().filter_map(|line| line.split_once('=')) {
        let time = || value.replace(['-', ':', ' '], "");
        let told = match name {
            "notBefore" => ("notBefore", time().into()),
            "notAfter" => ("notAfter", time().into()),
            "serial" => ("serial_number", value.into()),
            _ => continue,
        };
        outcome.result.insert(told.0.to_owned(), told.1);
    }
    if pem.contains("BEGIN CERTIFICATE") {
        outcome.result.insert("fingerprints".to_owned(), fingerprints(&pem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_spans_or_times() {
        let now: Timestamp = "2030-01-01T12:00:00Z".parse().expect("a time");
        assert_eq!(days("+3650d", now), Some(3650));
        assert_eq!(days("+1w1d1s", now), Some(9));
        assert_eq!(days("20300103120000Z", now), Some(2));
        assert_eq!(days("+", now), None);
        assert_eq!(days("soon", now), None);
    }
}
