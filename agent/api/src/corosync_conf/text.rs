//! The shape of corosync.conf: `section {`, `key: value`, `}`, comments; every word with its place.

use super::ConfError;
use super::options::{self, Use};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A place in the text, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) fn error(self, message: impl Into<String>) -> ConfError {
        ConfError { line: self.line, column: self.column, message: message.into(), hint: None }
    }

    pub(super) fn error_with_hint(self, message: impl Into<String>, hint: impl Into<String>) -> ConfError {
        ConfError { hint: Some(hint.into()), ..self.error(message) }
    }
}

/// `name { … }`; the whole text is one without a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) entries: Vec<Entry>,
    pub(super) sections: Vec<Self>,
}

/// `key: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: String,
    pub(super) value_place: Place,
}

impl Section {
    /// The entry of that key; the last one where it is written twice, as corosync does.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.sections.iter().filter(move |section| section.name == name)
    }
}

/// Which words may stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Those that muster means or may ignore.
    Known,
    /// Any: other programs read the file.
    Any,
}

/// Reads the shape and checks that every section and key is known and wanted.
pub(super) fn parse(text: &str) -> Result<Section, ConfError> {
    shape(text, Words::Known)
}

/// Reads the shape alone.
pub(super) fn outline(text: &str) -> Result<Section, ConfError> {
    shape(text, Words::Any)
}

fn shape(text: &str, words: Words) -> Result<Section, ConfError> {
    let mut open = alloc::vec![Section::default()];
    for (index, line) in text.lines().enumerate() {
        parse_line(index + 1, line, &mut open, words)?;
    }
    let last = open.pop().unwrap_or_default();
    if open.is_empty() {
        return Ok(last);
    }
    Err(last.place.error_with_hint(
        format!("section `{}` is not closed: expected `}}` before the end of the file", last.name),
        format!("write `}}` on a line of its own where `{}` ends", last.name),
    ))
}

fn parse_line(line: usize, text: &str, open: &mut Vec<Section>, words: Words) -> Result<(), ConfError> {
    let body = text.trim();
    let place = |part: &str| Place { line, column: column_of(text, part) };
    if body.is_empty() || body.starts_with('#') {
        return Ok(());
    }
    if body == "}" {
        return close(open, place(body));
    }
    if let Some(name) = body.strip_suffix('{') {
        return begin(open, name.trim_end(), place(body), words);
    }
    let Some((key, value)) = body.split_once(':') else {
        return Err(place(body).error(format!(
            "`{body}` is neither an option nor a section: expected `key: value`, `section {{` or `}}`"
        )));
    };
    let (key, value) = (key.trim_end(), value.trim());
    let after_colon = Place { line, column: column_of(text, body) + body.chars().count() };
    let value_place = if value.is_empty() { after_colon } else { place(value) };
    let section = open.last_mut().expect("the text itself is open as long as lines are read");
    if words == Words::Known {
        check_key(section, key, place(key))?;
    }
    if value.is_empty() {
        return Err(value_place.error(format!("`{key}` has no value")));
    }
    let (key, value) = (key.to_string(), value.to_string());
    section.entries.push(Entry { key, key_place: place(body), value, value_place });
    Ok(())
}

fn begin(open: &mut Vec<Section>, name: &str, place: Place, words: Words) -> Result<(), ConfError> {
    let path = path(open, Some(name));
    let known = match words {
        Words::Known => options::section(&path),
        Words::Any => Some(Use::Meant),
    };
    match known {
        Some(Use::Refused(why)) => Err(place.error(format!("section `{name}` is refused: {why}"))),
        Some(_) => {
            open.push(Section { name: name.to_string(), place, ..Section::default() });
            Ok(())
        }
        None => {
            let outside = open.last().map_or("", |section| section.name.as_str());
            Err(unknown(place, "section", name, outside, &options::sections_in(outside)))
        }
    }
}

fn close(open: &mut Vec<Section>, place: Place) -> Result<(), ConfError> {
    if open.len() < 2 {
        return Err(place.error("`}` closes nothing: no section is open here"));
    }
    let closed = open.pop().unwrap_or_default();
    if let Some(outside) = open.last_mut() {
        outside.sections.push(closed);
    }
    Ok(())
}

fn check_key(section: &Section, key: &str, place: Place) -> Result<(), ConfError> {
    if section.name.is_empty() {
        return Err(place.error_with_hint(
            format!("`{key}` stands outside of every section"),
            "options stand in `totem {`, `nodelist { node {`, `quorum {` or `logging {`",
        ));
    }
    match options::key(&section.name, key) {
        Some(Use::Refused(why)) => Err(place.error(format!("`{key}` is refused: {why}"))),
        Some(_) => Ok(()),
        None => Err(unknown(place, "option", key, &section.name, &options::keys_in(&section.name))),
    }
}

fn unknown(place: Place, what: &str, name: &str, outside: &str, known: &[&str]) -> ConfError {
    let inside = if outside.is_empty() { String::new() } else { format!(" in `{outside}`") };
    let message = format!("unknown {what} `{name}`{inside}: expected one of {}", known.join(", "));
    match crate::nearest::nearest(name, known.iter().copied()) {
        Some(nearest) => place.error_with_hint(message, format!("did you mean `{nearest}`?")),
        None => place.error(message),
    }
}

fn path(open: &[Section], name: Option<&str>) -> String {
    let outside = open.iter().skip(1).map(|section| section.name.as_str());
    outside.chain(name).collect::<Vec<_>>().join(".")
}

/// The column of `part`, which is a slice of `line`.
fn column_of(line: &str, part: &str) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
    line.get(..offset).map_or(1, |before| before.chars().count() + 1)
}
