//! `apt_repository`: a line `deb …` in the sources of apt, switched on where it is a comment, added where it is nowhere.

mod ppa;

use self::ppa::Ppa;
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) struct AptRepository;

const FOLDER: &str = "/etc/apt/sources.list.d";

impl Module for AptRepository {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let repo = args.needed("repo")?;
        let is_present = args.text("state") != Some("absent");
        let ppa = repo.strip_prefix("ppa:").map(|name| Ppa::of(name, args, view)).transpose()?;
        let line = ppa.as_ref().map_or_else(|| repo.to_owned(), Ppa::line);
        let wanted = Line::parse(&line)
            .source
            .ok_or_else(|| Failure::new(format!("Invalid repository string: {repo}")))?;
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        let mut whole = match ppa.filter(|_| is_present) {
            Some(ppa) => ppa.key(args, view)?,
            None => Check::unchanged(),
        };
        for (path, text) in edited(&wanted, is_present, args, view)? {
            let (before, name) = (Before::at(&path, true, view)?, path.to_string_lossy().into_owned());
            let check = match text {
                Some(text) => {
                    if !before.is_file() {
                        added.push(name);
                    }
                    place(&before, text, args, view)?
                }
                None => {
                    removed.push(name.clone());
                    let change = Change::Presence { before: "file".into(), after: "absent".into() };
                    let diff = Diff { kind: "file".into(), name, changes: vec![change] };
                    Check::change(diff, vec![Operation::Remove { path }])
                }
            };
            whole.outcome.changed |= check.outcome.changed;
            whole.outcome.diffs.extend(check.outcome.diffs);
            whole.operations.extend(check.operations);
        }
        let state = if is_present { "present" } else { "absent" };
        let whole = whole.with("repo", repo).with("state", state);
        Ok(whole.with("sources_added", added).with("sources_removed", removed))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let old = contents(&check.operations);
        hands.carry_out(&check.operations)?;
        if check.outcome.changed && args.choice("update_cache") != Some(false) {
            fetch(args, hands).inspect_err(|_| restore(&old))?;
        }
        Ok(check.outcome)
    }
}

fn place(before: &Before, text: String, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let mode = args.raw("mode").cloned().or_else(|| (!before.is_file()).then(|| "0644".into()));
    let values: Map<String, Value> = mode.map(|mode| ("mode".to_owned(), mode)).into_iter().collect();
    placing::place(before, text.into_bytes(), &Args { values: &values }, view)
}

/// Fetches the package lists; passing faults are tried again.
fn fetch(args: &Args<'_>, hands: &mut Hands<'_>) -> Result<(), Failure> {
    let retries = args.count("update_cache_retries").unwrap_or(5);
    let longest = args.count("update_cache_retry_max_delay").unwrap_or(12);
    let command = Command::new("apt-get", &["-y", "update"]).finishing();
    for attempt in 0..retries {
        if hands.run_well(&command).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs((1 << attempt.min(10)).min(longest)));
    }
    hands.run_well(&command).map(drop).map_err(|failure| {
        Failure::new(format!("Failed to update apt cache after {} retries: {}", retries + 1, failure.msg))
    })
}

/// What the files had, for the case that apt cannot use the new source.
fn contents(operations: &[Operation]) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let path = |operation: &Operation| match operation {
        Operation::Put(put) => Some(put.path.clone()),
        Operation::Remove { path } => Some(path.clone()),
        _ => None,
    };
    let paths = operations.iter().filter_map(path);
    paths.map(|path| (path.clone(), std::fs::read(&path).ok())).collect()
}

fn restore(old: &[(PathBuf, Option<Vec<u8>>)]) {
    for (path, content) in old {
        // The failure that led here is the one to be told.
        let _ = match content {
            Some(content) => std::fs::write(path, content),
            None => std::fs::remove_file(path),
        };
    }
}

/// The files that change, with their new text; `None` where nothing is left.
fn edited(
    wanted: &str,
    is_present: bool,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Vec<(PathBuf, Option<String>)>, Failure> {
    let mut changed = Vec::new();
    let mut is_found = false;
    for path in files(view) {
        let text = view.text(&path.to_string_lossy());
        let mut lines: Vec<Line> = text.lines().map(Line::parse).collect();
        if !lines.iter().any(|line| line.source.as_deref() == Some(wanted)) {
            continue;
        }
        is_found = true;
        if is_present {
            let ours = lines.iter_mut().filter(|line| line.source.as_deref() == Some(wanted));
            ours.for_each(|line| line.is_enabled = true);
        } else {
            lines.retain(|line| line.source.as_deref() != Some(wanted));
        }
        let new: String = lines.iter().map(Line::text).collect();
        let is_gone = lines.is_empty();
        if is_gone
            || lines.iter().zip(text.lines()).any(|(line, old)| Line::parse(old) != *line)
            || lines.len() != text.lines().count()
        {
            changed.push((path, (!is_gone).then_some(new)));
        }
    }
    if is_present && !is_found {
        let path = file_for(wanted, args);
        let text = view.text(&path.to_string_lossy());
        changed.push((path, Some(format!("{text}{wanted}\n"))));
    }
    Ok(changed)
}

fn files(view: &View<'_>) -> Vec<PathBuf> {
    let names = view.list(Path::new(FOLDER)).unwrap_or_default();
    let lists = names.iter().filter(|name| name.to_string_lossy().ends_with(".list"));
    std::iter::once(PathBuf::from("/etc/apt/sources.list"))
        .chain(lists.map(|name| Path::new(FOLDER).join(name)))
        .filter(|path| view.exists(path))
        .collect()
}

/// Named after the address, without its user.
fn file_for(source: &str, args: &Args<'_>) -> PathBuf {
    let name = args.text("filename").map(str::to_owned).unwrap_or_else(|| {
        let without_options = match (source.find('['), source.find(']')) {
            (Some(start), Some(end)) if start < end => format!("{}{}", &source[..start], &source[end + 1..]),
            _ => source.to_owned(),
        };
        let address = without_options.split_whitespace().nth(1).unwrap_or("").to_owned();
        let address = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest).to_owned();
        let address = address.split_once('@').map_or(address.as_str(), |(_, rest)| rest).to_owned();
        let words: Vec<&str> = address
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        words.join("_")
    });
    let name = if name.ends_with(".list") { name } else { format!("{name}.list") };
    Path::new(FOLDER).join(name)
}

/// One line of a file of sources.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    is_enabled: bool,
    /// With single blanks; `None` where the line is no source.
    source: Option<String>,
    comment: String,
    written: String,
}

impl Line {
    fn parse(written: &str) -> Self {
        let trimmed = written.trim();
        let (is_enabled, rest) = match trimmed.strip_prefix('#') {
            Some(rest) => (false, rest),
            None => (true, trimmed),
        };
        let (source, comment) = rest.split_once('#').unwrap_or((rest, ""));
        let words: Vec<&str> = source.split_whitespace().collect();
        let is_source = words.first().is_some_and(|word| matches!(*word, "deb" | "deb-src"));
        Self {
            is_enabled,
            source: is_source.then(|| words.join(" ")),
            comment: comment.trim().to_owned(),
            written: written.to_owned(),
        }
    }

    fn text(&self) -> String {
        let Some(source) = &self.source else { return format!("{}\n", self.written) };
        let mark = if self.is_enabled { "" } else { "# " };
        let comment = if self.comment.is_empty() { String::new() } else { format!(" # {}", self.comment) };
        format!("{mark}{source}{comment}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_comment_and_written_again() {
        let line = Line::parse("# deb  http://a/b  x main # why");
        assert_eq!((line.is_enabled, line.source.as_deref()), (false, Some("deb http://a/b x main")));
        assert_eq!(line.text(), "# deb http://a/b x main # why\n");
        assert_eq!(Line::parse("# only words").source, None);
    }

    #[test]
    fn file_is_named_after_the_address() {
        let values = Map::new();
        let name = file_for(
            "deb [arch=amd64] https://u:p@dl.example.com/linux/deb/ stable main",
            &Args { values: &values },
        );
        assert_eq!(name, Path::new(FOLDER).join("dl_example_com_linux_deb.list"));
    }
}
