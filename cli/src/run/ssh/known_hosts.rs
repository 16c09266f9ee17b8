//! Whether a host's key is the one that known_hosts files have for it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"):
//! hashed names, `[host]:port`, `*` `?` `!` patterns, `@revoked` and `@cert-authority`.

use base64::Engine;
use ring::hmac;
use russh::keys::{HashAlg, PublicKey};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What the files say about a key that a host showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// One of the host's known keys.
    Known,
    /// The host is in no file.
    Unknown,
    /// The host is known by another key of this type: where.
    Changed(Place),
    /// The host is known by keys of other types only: where the first is.
    OtherType(Place),
    /// The key must never be accepted: where.
    Revoked(Place),
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What known_hosts files have for one host. All of a big file, kept by each of many connections, would be most of what a run
/// holds.
#[derive(Debug, Default)]
pub(crate) struct KnownHosts(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    place: Place,
    marker: Option<String>,
    key: PublicKey,
}

impl KnownHosts {
    /// Reads what files have for the host called `name` on `port`; one that is not there has nothing, and a line that cannot
    /// be read counts for nothing.
    pub(crate) fn read(files: &[PathBuf], name: &str, port: u16) -> Self {
        let asked = lookup_name(name, port);
        let texts = files.iter().filter_map(|file| Some((file, fs::read_to_string(file).ok()?)));
        Self(texts.flat_map(|(file, text)| parse(file, &text, &asked)).collect())
    }

    /// What the entries say about `key`.
    pub(crate) fn verdict(&self, key: &PublicKey) -> Verdict {
        let is_key = |entry: &&Entry| entry.key.key_data() == key.key_data();
        if let Some(entry) = self.0.iter().filter(is_key).find(|entry| entry.is_marked("@revoked")) {
            return Verdict::Revoked(entry.place.clone());
        }
        let plain: Vec<&Entry> = self.0.iter().filter(|entry| entry.marker.is_none()).collect();
        if plain.iter().any(is_key) {
            return Verdict::Known;
        }
        match plain.iter().find(|entry| entry.key.algorithm() == key.algorithm()) {
            Some(entry) => Verdict::Changed(entry.place.clone()),
            None => plain.first().map_or(Verdict::Unknown, |entry| Verdict::OtherType(entry.place.clone())),
        }
    }

    /// The types of the host's known keys, so that the host is asked for one of these first.
    pub(crate) fn key_types(&self) -> Vec<russh::keys::Algorithm> {
        let known = self.0.iter().filter(|entry| entry.marker.is_none());
        known.map(|entry| entry.key.algorithm()).collect()
    }
}

impl Entry {
    fn is_marked(&self, marker: &str) -> bool {
        self.marker.as_deref() == Some(marker)
    }
}

/// Adds a key to a file, in the way of `ssh -o StrictHostKeyChecking=accept-new`.
pub(crate) fn remember(file: &Path, name: &str, port: u16, key: &PublicKey) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let needs_newline = fs::read(file).is_ok_and(|text| !text.is_empty() && !text.ends_with(b"\n"));
    let key = key.to_openssh().map_err(std::io::Error::other)?;
    let fields: Vec<&str> = key.split_whitespace().take(2).collect();
    let line = format!(
        "{}{} {}\n",
        if needs_newline { "\n" } else { "" },
        lookup_name(name, port),
        fields.join(" ")
    );
    // One write: lines of runs that end at the same time must not mix.
    fs::OpenOptions::new().create(true).append(true).open(file)?.write_all(line.as_bytes())
}

/// As `ssh` shows it: `SHA256:…`.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The name that a host is looked up by.
pub(crate) fn lookup_name(name: &str, port: u16) -> String {
    let name = name.to_ascii_lowercase();
    if port == 22 { name } else { format!("[{name}]:{port}") }
}

fn parse(file: &Path, text: &str, asked: &str) -> Vec<Entry> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter_map(|(number, line)| parse_line(file, number, line, asked)).collect()
}

/// The entry of a line, if it is for the host that is asked for.
fn parse_line(file: &Path, number: usize, line: &str, asked: &str) -> Option<Entry> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut fields = line.split_whitespace().peekable();
    let marker = fields.next_if(|field| field.starts_with('@')).map(str::to_owned);
    fields.next().filter(|hosts| matches(hosts, asked))?;
    let key = format!("{} {}", fields.next()?, fields.next()?);
    let key = PublicKey::from_openssh(&key).ok()?;
    Some(Entry { place: Place { file: file.to_owned(), line: number }, marker, key })
}

fn matches(hosts: &str, asked: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return matches_hash(hashed, asked).unwrap_or(false);
    }
    let mut is_match = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern, asked) => return false,
            Some(_) => {}
            None => is_match |= matches_pattern(pattern, asked),
        }
    }
    is_match
}

fn matches_hash(hashed: &str, asked: &str) -> Option<bool> {
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
    let (salt, hash) = hashed.split_once('|')?;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &decode(salt)?);
    Some(hmac::verify(&key, asked.as_bytes(), &decode(hash)?).is_ok())
}

/// Whether `text` matches a pattern with `*` and `?`; letters match in either case.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_ascii_lowercase().chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(from) {
            Some('*') => {
                star = Some((from, at));
                from += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[at] => (at, from) = (at + 1, from + 1),
            _ => match &mut star {
                Some((star_from, star_at)) => {
                    *star_at += 1;
                    (at, from) = (*star_at, *star_from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[from..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn verdict(text: &str, name: &str, port: u16, key: &str) -> Verdict {
        let key = PublicKey::from_openssh(key).expect("a key of this test");
        KnownHosts(parse(Path::new("known_hosts"), text, &lookup_name(name, port))).verdict(&key)
    }

    fn line(line: usize) -> Place {
        Place { file: "known_hosts".into(), line }
    }

    #[test]
    fn a_host_in_no_line_is_unknown() {
        assert_eq!(verdict("", "web1", 22, ONE), Verdict::Unknown);
        assert_eq!(verdict(&format!("web10 {ONE}"), "web1", 22, ONE), Verdict::Unknown);
    }

    #[test]
    fn a_host_with_its_key_is_known_whatever_separates_the_fields() {
        assert_eq!(verdict(&format!("web1,10.0.0.1\t{ONE}  me@home"), "10.0.0.1", 22, ONE), Verdict::Known);
    }

    #[test]
    fn a_second_key_of_the_same_type_is_no_change() {
        let text = format!("web1 {TWO}\nweb1 {ONE}\n");
        assert_eq!(verdict(&text, "web1", 22, ONE), Verdict::Known);
    }

    #[test]
    fn another_key_is_a_change_and_names_the_line() {
        let text = format!("# mine\n\nweb1 {TWO}\n");
        assert_eq!(verdict(&text, "web1", 22, ONE), Verdict::Changed(line(3)));
    }

    #[test]
    fn a_port_other_than_22_is_part_of_the_name() {
        let text = format!("[web1]:2222 {ONE}\n");
        assert_eq!(verdict(&text, "web1", 2222, ONE), Verdict::Known);
        assert_eq!(verdict(&text, "web1", 22, ONE), Verdict::Unknown);
    }

    #[test]
    fn patterns_match_and_exclude() {
        let text = format!("web*,!web9 {ONE}\n");
        assert_eq!(verdict(&text, "WEB1", 22, ONE), Verdict::Known);
        assert_eq!(verdict(&text, "web9", 22, ONE), Verdict::Unknown);
    }

    #[test]
    fn a_revoked_key_is_refused_though_another_line_has_it() {
        let text = format!("web1 {ONE}\n@revoked * {ONE}\n");
        assert_eq!(verdict(&text, "web1", 22, ONE), Verdict::Revoked(line(2)));
    }

    #[test]
    fn a_hashed_name_matches() {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"salt");
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let hash = encode(hmac::sign(&key, b"[web1]:2222").as_ref());
        let text = format!("|1|{}|{hash} {ONE}\n", encode(b"salt"));
        assert_eq!(verdict(&text, "web1", 2222, ONE), Verdict::Known);
        assert_eq!(verdict(&text, "web2", 2222, ONE), Verdict::Unknown);
    }
}
