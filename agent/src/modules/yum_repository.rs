//! `yum_repository`: a section of a file NAME.repo, as dnf reads it. The other sections of the file stay as they are.

use super::lines;
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::Operation;
use crate::worker::View;
use muster_api::diff::{Change, Diff};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) struct YumRepository;

/// Arguments that are not keys of the section.
const NO_KEYS: [&str; 14] = [
    "name",
    "state",
    "file",
    "reposdir",
    "description",
    "mode",
    "owner",
    "group",
    "unsafe_writes",
    "attributes",
    "seuser",
    "serole",
    "setype",
    "selevel",
];

impl Module for YumRepository {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let is_present = args.text("state") != Some("absent");
        let folder = args.needed_path("reposdir", view)?;
        if !view.is_directory(&folder) {
            return Err(Failure::missing(format!("Repo directory '{}' does not exist.", folder.display())));
        }
        if is_present {
            refuse_nowhere(args)?;
        }
        let path = folder.join(format!("{}.repo", args.text("file").unwrap_or(name)));
        let before = Before::at(&path, true, view)?;
        let text = lines::text_of(&before.content, &path)?;
        let new = edited(&text, name, is_present.then(|| keys(args)));
        let check = match new {
            None => placing::place(&before, before.content.clone(), args, view)?,
            Some(new) if new.trim().is_empty() => removed(&path),
            Some(new) => placing::place(&before, new.into_bytes(), args, view)?,
        };
        let check = if before.is_file() || is_present { check } else { Check::unchanged() };
        Ok(check.with("repo", name).with("state", if is_present { "present" } else { "absent" }))
    }
}

fn refuse_nowhere(args: &Args<'_>) -> Result<(), Failure> {
    let places = ["baseurl", "mirrorlist", "metalink"];
    if places.iter().all(|name| args.raw(name).is_none()) {
        return Err(Failure::new(format!(
            "state is present but any of the following are missing: {}",
            places.join(", ")
        )));
    }
    Ok(())
}

fn removed(path: &Path) -> Check {
    let change = Change::Presence { before: "file".into(), after: "absent".into() };
    let diff = Diff { kind: "file".into(), name: path.to_string_lossy().into_owned(), changes: vec![change] };
    Check::change(diff, vec![Operation::Remove { path: path.to_owned() }])
}

/// The keys of the section, as the arguments say them.
fn keys(args: &Args<'_>) -> BTreeMap<String, String> {
    let given =
        args.all().iter().filter(|(name, value)| !NO_KEYS.contains(&name.as_str()) && !value.is_null());
    let mut keys: BTreeMap<String, String> =
        given.map(|(name, value)| (name.clone(), shown(name, value))).collect();
    keys.extend(args.text("description").map(|text| ("name".to_owned(), text.to_owned())));
    keys
}

fn shown(name: &str, value: &Value) -> String {
    // Addresses stand below each other, names beside each other.
    let between = if matches!(name, "baseurl" | "gpgkey") { "\n" } else { " " };
    match value {
        Value::Bool(flag) => u8::from(*flag).to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(between),
        other => other.to_string(),
    }
}

/// The text with the section as it shall be; `None` where nothing changes.
fn edited(text: &str, name: &str, keys: Option<BTreeMap<String, String>>) -> Option<String> {
    let mut chunks = chunks(text);
    let at = chunks.iter().position(|chunk| head(chunk) == Some(name));
    match (at, keys) {
        (None, None) => return None,
        (Some(at), Some(keys)) if parsed(&chunks[at]) == keys => return None,
        (Some(at), Some(keys)) => chunks[at] = section(name, &keys),
        (None, Some(keys)) => chunks.push(section(name, &keys)),
        (Some(at), None) => drop(chunks.remove(at)),
    }
    Some(chunks.concat())
}

/// Each section with its head, and what stands before the first.
fn chunks(text: &str) -> Vec<String> {
    let mut chunks = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if head(line).is_some() {
            chunks.push(String::new());
        }
        let last = chunks.len() - 1;
        chunks[last].push_str(line);
    }
    chunks
}

fn head(chunk: &str) -> Option<&str> {
    chunk.lines().next()?.trim_end().strip_prefix('[')?.strip_suffix(']')
}

fn parsed(chunk: &str) -> BTreeMap<String, String> {
    let mut keys: Vec<(String, String)> = Vec::new();
    for line in chunk.lines().skip(1).filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        match (line.starts_with([' ', '\t']), keys.last_mut()) {
            (true, Some((_, value))) if !line.trim().is_empty() => {
                value.push('\n');
                value.push_str(line.trim());
            }
            _ => keys.extend(
                line.split_once(['=', ':'])
                    .map(|(key, value)| (key.trim().to_lowercase(), value.trim().to_owned())),
            ),
        }
    }
    keys.into_iter().collect()
}

fn section(name: &str, keys: &BTreeMap<String, String>) -> String {
    let lines = keys.iter().map(|(key, value)| format!("{key} = {}\n", value.replace('\n', "\n\t")));
    format!("[{name}]\n{}\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn section_is_written_changed_and_removed_and_others_stay() {
        let trial = Trial::new("yum_repository");
        trial.write("two.repo", "# ours\n[other]\nname = Other # kept\n");
        let step = json!({"name": "epel", "description": "EPEL", "file": "two", "reposdir": trial.path(""),
            "baseurl": ["https://a/", "https://b/"], "gpgcheck": false, "exclude": ["x", "y"]});
        trial.changes_once(step.clone());
        assert_eq!(
            trial.text("two.repo"),
            "# ours\n[other]\nname = Other # kept\n[epel]\nbaseurl = https://a/\n\thttps://b/\nexclude = x y\ngpgcheck = 0\nname = EPEL\n\n"
        );
        let mut changed = step;
        changed["enabled"] = json!(true);
        trial.changes_once(changed);
        trial.changes_once(
            json!({"name": "epel", "state": "absent", "file": "two", "reposdir": trial.path("")}),
        );
        assert_eq!(trial.text("two.repo"), "# ours\n[other]\nname = Other # kept\n");
    }

    #[test]
    fn file_without_a_section_goes_away() {
        let trial = Trial::new("yum_repository");
        let path = trial.write("a.repo", "[a]\nname = A\n");
        let gone = json!({"name": "a", "state": "absent", "reposdir": trial.path("")});
        trial.changes_once(gone);
        assert!(!path.exists());
    }

    #[test]
    fn repository_without_an_address_is_refused() {
        let trial = Trial::new("yum_repository");
        let refused = trial.refuse(json!({"name": "a", "description": "A", "reposdir": trial.path("")}));
        assert!(refused.contains("baseurl, mirrorlist, metalink"), "{refused}");
    }
}
