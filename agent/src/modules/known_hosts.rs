//! `known_hosts`: a host's key in a file of ssh's known hosts, as sshd(8) describes it, plain or hashed.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, Report, glob};
use crate::worker::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::json;

pub(super) struct KnownHosts;

impl Module for KnownHosts {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let host = args.needed("name")?.to_lowercase();
        let path = args.needed_path("path", view)?;
        let is_present = args.text("state") != Some("absent");
        let key = key(&host, is_present, args)?;
        let before = Before::at(&path, true, view)?;
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let after = edited(&text, &host, key.as_deref(), is_present);
        let mut check = match after == text {
            true => Check::unchanged(),
            false => placing::place_with_folders(&before, after.clone().into_bytes(), args, view)?,
        };
        check.report = Report::Nothing;
        let header = path.to_string_lossy().into_owned();
        let old = if before.is_file() { header.clone() } else { "/dev/null".to_owned() };
        let diff = json!({"before_header": old, "after_header": header, "before": text, "after": after});
        for name in ["name", "key", "hash_host", "state"] {
            check.outcome.result.extend(args.raw(name).map(|value| (name.to_owned(), value.clone())));
        }
        Ok(check.with("path", header).with("diff", diff))
    }
}

/// The line of the key, hashed where asked for.
fn key(host: &str, is_present: bool, args: &Args<'_>) -> Result<Option<String>, Failure> {
    let Some(line) = args.text("key").map(str::trim).filter(|line| !line.is_empty()) else {
        return match is_present {
            true => Err(Failure::new("No key specified when adding a host")),
            false => Ok(None),
        };
    };
    if host.contains(',') {
        return Err(Failure::new(
            "Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file.",
        ));
    }
    let entry = Entry::parse(line)
        .ok_or_else(|| Failure::new("`key` is not a line of a known_hosts file: `NAMES TYPE KEY`"))?;
    if !entry.is_of(host) {
        return Err(Failure::new("Host parameter does not match hashed host field in supplied key"));
    }
    if args.flag("hash_host") {
        return hashed(host, line).map(Some);
    }
    Ok(Some(format!("{line}\n")))
}

/// The text after the step.
fn edited(text: &str, host: &str, key: Option<&str>, is_present: bool) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(key) = key else {
        let stays = |line: &&&str| {
            Entry::parse(line).is_none_or(|entry| !entry.marker.is_empty() || !entry.is_of(host))
        };
        return lines.iter().filter(stays).copied().collect();
    };
    let found = search(&lines, host, key);
    let (found_line, is_same) = (found.map(|(at, _)| at), found.is_some_and(|(_, same)| same));
    let leaves = |at: usize| found_line == Some(at) && (!is_present || !is_same);
    let mut after: String =
        lines.iter().enumerate().filter(|(at, _)| !leaves(*at)).map(|(_, line)| *line).collect();
    if is_present && !is_same {
        if !after.is_empty() && !after.ends_with('\n') {
            after.push('\n');
        }
        after.push_str(key);
    }
    after
}

/// The line with the same key of the host, or with another key of the same type.
fn search(lines: &[&str], host: &str, key: &str) -> Option<(usize, bool)> {
    let new = Entry::parse(key)?;
    for (at, line) in lines.iter().enumerate() {
        let Some(known) = Entry::parse(line).filter(|known| known.is_of(host)) else { continue };
        // A name that is hashed already keeps its salt.
        let are_hashed = new.names.starts_with("|1|") && known.names.starts_with("|1|");
        let is_same_name = are_hashed || new.names == known.names;
        if is_same_name && (new.marker, new.kind, new.key) == (known.marker, known.kind, known.key) {
            return Some((at, true));
        }
        // A key of an authority stands beside those of hosts, and other authorities beside it.
        if new.kind == known.kind && new.marker.is_empty() && known.marker.is_empty() {
            return Some((at, false));
        }
    }
    None
}

/// One line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry<'a> {
    /// `@cert-authority`, `@revoked`, or nothing.
    marker: &'a str,
    names: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let first = words.next().filter(|first| !first.starts_with('#'))?;
        let (marker, names) = match first.starts_with('@') {
            true => (first, words.next()?),
            false => ("", first),
        };
        Some(Self { marker, names, kind: words.next()?, key: words.next()? })
    }

    fn is_of(&self, host: &str) -> bool {
        if let Some(hash) = self.names.strip_prefix("|1|") {
            return is_hash_of(hash, host).unwrap_or(false);
        }
        let mut is_named = false;
        for pattern in self.names.split(',') {
            match pattern.strip_prefix('!') {
                Some(excluded) if matches(excluded, host) => return false,
                Some(_) => {}
                None => is_named |= matches(pattern, host),
            }
        }
        is_named
    }
}

/// `[name]:port` is a name, not a class of letters.
fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_lowercase();
    pattern == host || pattern.contains(['*', '?']) && glob::matches(&pattern.replace('[', "[[]"), host)
}

fn is_hash_of(hash: &str, host: &str) -> Option<bool> {
    let (salt, sum) = hash.split_once('|')?;
    let (salt, sum) = (STANDARD.decode(salt).ok()?, STANDARD.decode(sum).ok()?);
    Some(hmac::sign(&salted(&salt), host.as_bytes()).as_ref() == sum)
}

/// ssh(1) hashes names by HMAC-SHA1.
fn salted(salt: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt)
}

fn hashed(host: &str, line: &str) -> Result<String, Failure> {
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(|error| Failure::new(format!("there is no randomness: {error}")))?;
    let sum = hmac::sign(&salted(&salt), host.as_bytes());
    let name = format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(sum.as_ref()));
    let mut words: Vec<&str> = line.split_whitespace().collect();
    words[usize::from(line.starts_with('@'))] = &name;
    Ok(format!("{}\n", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    const OTHERS: &str =
        "example.com,www.example.com ssh-rsa AAAA\n# a comment\n@cert-authority *.net ssh-rsa CCCC\n";

    #[test]
    fn key_is_added_replaced_and_removed() {
        let trial = Trial::new("known_hosts");
        let path = trial.write("f", OTHERS);
        let step = |key: &str, state: &str| json!({"name": "Example.org", "path": path, "key": format!("example.org {key}"), "state": state});
        trial.changes_once(step("ssh-rsa AAAB", "present"));
        trial.changes_once(step("ssh-rsa AAAC", "present"));
        assert_eq!(trial.text("f"), format!("{OTHERS}example.org ssh-rsa AAAC\n"));
        trial.is_silent(step("ssh-ed25519 XX", "absent"));
        trial.changes_once(step("ssh-rsa AAAC", "absent"));
        assert_eq!(trial.text("f"), OTHERS);
        trial.changes_once(json!({"name": "www.example.com", "path": path, "state": "absent"}));
        assert!(!trial.text("f").contains("example.com"));
    }

    #[test]
    fn hashed_name_is_found_again() {
        let trial = Trial::new("known_hosts");
        let path = trial.write("f", OTHERS);
        let step = json!({"name": "h", "path": path, "key": "h ssh-rsa AAAB", "hash_host": true});
        assert!(trial.apply(step.clone()).changed);
        assert!(trial.text("f").lines().last().expect("a line").starts_with("|1|"));
        assert!(!trial.apply(step).changed);
        trial.changes_once(json!({"name": "h", "path": path, "state": "absent"}));
    }

    #[test]
    fn key_of_another_host_is_refused() {
        let refuse = |args| Trial::new("known_hosts").refuse(args);
        assert!(
            refuse(json!({"name": "a", "key": "b ssh-rsa AAAA", "path": "/f"})).contains("does not match")
        );
        assert!(refuse(json!({"name": "a", "path": "/f"})).contains("No key"));
    }
}
