//! `deb822_repository`: a file NAME.sources for apt, in the form of deb822(5).

use super::http;
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, checksum};
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

pub(super) struct Deb822Repository;

const SOURCES: &str = "/etc/apt/sources.list.d";
const KEYRINGS: &str = "/etc/apt/keyrings";

/// Arguments that are fields of the file, in its order, with the field's name where that does not follow from the argument's.
const FIELDS: [(&str, &str); 22] = [
    ("allow_downgrade_to_insecure", "Allow-Downgrade-To-Insecure"),
    ("allow_insecure", "Allow-Insecure"),
    ("allow_weak", "Allow-Weak"),
    ("architectures", "Architectures"),
    ("by_hash", "By-Hash"),
    ("check_date", "Check-Date"),
    ("check_valid_until", "Check-Valid-Until"),
    ("components", "Components"),
    ("date_max_future", "Date-Max-Future"),
    ("enabled", "Enabled"),
    ("exclude", "Exclude"),
    ("include", "Include"),
    ("inrelease_path", "InRelease-Path"),
    ("languages", "Languages"),
    ("name", "X-Repolib-Name"),
    ("pdiffs", "PDiffs"),
    ("signed_by", "Signed-By"),
    ("suites", "Suites"),
    ("targets", "Targets"),
    ("trusted", "Trusted"),
    ("types", "Types"),
    ("uris", "URIs"),
];

impl Module for Deb822Repository {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let slug = slug(name);
        let path = Path::new(SOURCES).join(format!("{slug}.sources"));
        if args.text("state") == Some("absent") {
            return Ok(remove(&slug, &path, view));
        }
        let mut whole = Check::unchanged();
        let key = key(&slug, args, view, &mut whole)?;
        let text = stanza(args, key.signed_by.as_deref());
        let mode = mode_only(args);
        let file = placing::place(
            &Before::at(&path, true, view)?,
            text.clone().into_bytes(),
            &Args { values: &mode },
            view,
        )?;
        join(&mut whole, file);
        Ok(whole
            .with("repo", text)
            .with("dest", path.to_string_lossy())
            .with("key_filename", key.file.map(|file| file.to_string_lossy().into_owned())))
    }
}

fn join(whole: &mut Check, part: Check) {
    whole.outcome.changed |= part.outcome.changed;
    whole.outcome.diffs.extend(part.outcome.diffs);
    whole.operations.extend(part.operations);
}

fn mode_only(args: &Args<'_>) -> Map<String, Value> {
    args.raw("mode").map(|mode| ("mode".to_owned(), mode.clone())).into_iter().collect()
}

/// The name as a file's: small letters, digits and `-`.
fn slug(name: &str) -> String {
    let kept = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || "_.".contains(letter) => letter.to_ascii_lowercase(),
        _ => '-',
    };
    let text: String = name.chars().map(kept).collect();
    text.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn remove(slug: &str, path: &Path, view: &View<'_>) -> Check {
    let keys = ["asc", "gpg"].map(|ending| Path::new(KEYRINGS).join(format!("{slug}.{ending}")));
    let mut whole = Check::unchanged();
    for path in std::iter::once(path.to_owned()).chain(keys).filter(|path| view.exists(path)) {
        let change = Change::Presence { before: "file".into(), after: "absent".into() };
        let name = path.to_string_lossy().into_owned();
        let diff = Diff { kind: "file".into(), name, changes: vec![change] };
        join(&mut whole, Check::change(diff, vec![Operation::Remove { path }]));
    }
    whole.with("repo", Value::Null).with("dest", path.to_string_lossy()).with("key_filename", Value::Null)
}

/// What `Signed-By` says, and the file of a key that was fetched.
struct Key {
    signed_by: Option<String>,
    file: Option<PathBuf>,
}

fn key(slug: &str, args: &Args<'_>, view: &View<'_>, whole: &mut Check) -> Result<Key, Failure> {
    let Some(written) = args.text("signed_by") else { return Ok(Key { signed_by: None, file: None }) };
    if !written.contains("://") {
        return Ok(Key { signed_by: Some(written.to_owned()), file: None });
    }
    let answer = http::get(written, args, view)
        .map_err(|why| Failure::new(format!("could not fetch signed_by key: {why}")))?;
    if answer.status != 200 {
        return Err(Failure::new(format!(
            "could not fetch signed_by key: `{written}` answered {}",
            answer.status
        )));
    }
    let ending = if answer.body.starts_with(b"-----BEGIN PGP") { "asc" } else { "gpg" };
    let path = Path::new(KEYRINGS).join(format!("{slug}.{ending}"));
    let before = Before::at(&path, true, view)?;
    if checksum::sha256(&before.content) != checksum::sha256(&answer.body) || !before.is_file() {
        let mode = Map::from_iter([("mode".to_owned(), Value::from("0644"))]);
        join(whole, placing::place_with_folders(&before, answer.body, &Args { values: &mode }, view)?);
    }
    Ok(Key { signed_by: Some(path.to_string_lossy().into_owned()), file: Some(path) })
}

fn stanza(args: &Args<'_>, signed_by: Option<&str>) -> String {
    let mut text = String::new();
    for (argument, field) in FIELDS {
        let value = match (argument, args.raw(argument)) {
            ("signed_by", _) => signed_by.map(indented),
            (_, Some(Value::Array(items))) if !items.is_empty() => {
                let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                Some(words.join(" "))
            }
            (_, Some(Value::Bool(flag))) => Some(if *flag { "yes" } else { "no" }.to_owned()),
            (_, Some(Value::String(text))) => Some(text.clone()),
            (_, Some(Value::Number(number))) => Some(number.to_string()),
            _ => None,
        };
        if let Some(value) = value {
            let blank = if value.starts_with('\n') { "" } else { " " };
            text.push_str(&format!("{field}:{blank}{value}\n"));
        }
    }
    text
}

/// A key of several lines stands below its field, an empty line as a dot.
fn indented(value: &str) -> String {
    if !value.trim().contains('\n') {
        return value.trim().to_owned();
    }
    let lines = value.trim().lines().map(|line| if line.trim().is_empty() { "." } else { line });
    lines.map(|line| format!("\n    {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_stand_in_the_order_of_the_arguments_names() {
        let values = json!({"name": "A b", "types": ["deb"], "uris": ["http://x"], "enabled": false,
            "components": ["main", "extra"]});
        let Value::Object(values) = values else { panic!("a mapping") };
        let text = stanza(&Args { values: &values }, Some("one\n\ntwo"));
        assert_eq!(
            text,
            "Components: main extra\nEnabled: no\nX-Repolib-Name: A b\nSigned-By:\n    one\n    .\n    two\nTypes: deb\nURIs: http://x\n"
        );
        assert_eq!(slug("Ansible-test focal  archive"), "ansible-test-focal-archive");
    }
}
