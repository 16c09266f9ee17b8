//! `assemble`: one file from all fragments in a directory, in the order of their names.

use super::pattern::{Flags, Pattern};
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, checksum};
use crate::worker::View;
use std::path::Path;

pub(super) struct Assemble;

impl Module for Assemble {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let source = args.needed_path("src", view)?;
        let dest = args.needed_path("dest", view)?;
        if !view.exists(&source) {
            return Err(Failure::missing(format!("Source ({}) does not exist", source.display())));
        }
        if !view.is_directory(&source) {
            return Err(Failure::new(format!("Source ({}) is not a directory", source.display())));
        }
        let content = assembled(&source, args, view)?;
        let sums = [("checksum", checksum::sha1(&content)), ("md5sum", checksum::md5(&content))];
        let before = Before::at(&dest, true, view)?;
        let check = placing::place(&before, content, args, view)?
            .with("src", source.to_string_lossy())
            .with("dest", dest.to_string_lossy())
            .with("msg", "OK");
        Ok(sums.into_iter().fold(check, |check, (name, sum)| check.with(name, sum)))
    }
}

fn assembled(folder: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Vec<u8>, Failure> {
    let pattern =
        args.text("regexp").map(|written| Pattern::of("regexp", written, Flags::None)).transpose()?;
    let delimiter = args.text("delimiter").map(unescaped);
    let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", folder.display()));
    let mut whole = Vec::new();
    let mut is_first = true;
    for name in view.list(folder).map_err(unreadable)? {
        let (path, name) = (folder.join(&name), name.to_string_lossy().into_owned());
        let is_file = matches!(view.stat(&path), Ok(Some(stat)) if stat.is_file());
        let is_hidden = args.flag("ignore_hidden") && name.starts_with('.');
        if !is_file || is_hidden || !pattern.as_ref().map_or(Ok(true), |pattern| pattern.is_in(&name))? {
            continue;
        }
        if !is_first {
            separate(&mut whole, delimiter.as_deref());
        }
        is_first = false;
        whole.extend(view.read(&path).map_err(unreadable)?);
    }
    Ok(whole)
}

/// Fragments and the delimiter between them each end their last line.
fn separate(whole: &mut Vec<u8>, delimiter: Option<&str>) {
    if !whole.is_empty() && !whole.ends_with(b"\n") {
        whole.push(b'\n');
    }
    if let Some(delimiter) = delimiter.filter(|delimiter| !delimiter.is_empty()) {
        whole.extend(delimiter.as_bytes());
        if !delimiter.ends_with('\n') {
            whole.push(b'\n');
        }
    }
}

/// `\n`, `\t`, `\r` and `\\` as Python reads them.
fn unescaped(written: &str) -> String {
    let mut text = String::new();
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, false) => text.push(letter),
            (_, true) => match letters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('\\') | None => text.push('\\'),
                Some(other) => text.extend(['\\', other]),
            },
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn fragments_are_joined_in_order_with_a_delimiter_between_them() {
        let trial = Trial::new("assemble");
        for (name, text) in [("d/b", "two\n"), ("d/a", "one"), ("d/.c", "hidden\n"), ("d/sub/x", "no")] {
            trial.write(name, text);
        }
        let step = json!({"src": trial.path("d"), "dest": trial.path("f"), "ignore_hidden": true, "delimiter": "#\\n--"});
        trial.changes_once(step);
        assert_eq!(trial.text("f"), "one\n#\n--\ntwo\n");
        let step =
            json!({"src": trial.path("d"), "dest": trial.path("f"), "regexp": "^[b]$", "mode": "0600"});
        let outcome = trial.changes_once(step);
        assert_eq!((trial.text("f").as_str(), &outcome.result["msg"]), ("two\n", &json!("OK")));
    }

    #[test]
    fn missing_folder_is_refused() {
        let refused = Trial::new("assemble").refuse(json!({"src": "/no/such", "dest": "/f"}));
        assert_eq!(refused, "Source (/no/such) does not exist");
    }
}
