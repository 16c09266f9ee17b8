//! corosync.conf, read and printed: which options there are is in `options`, the text's shape in `text`, what the values
//! mean in `read`, and for `quorum {}` in `votes`. Source: corosync.conf(5), votequorum(5).
//!
//! Every option of those pages is either meant (muster does what it says), harmless (it tunes something that muster
//! does not have, so that nothing is lost by ignoring it) or refused with a sentence. Unknown words are errors.

mod options;
mod print;
mod read;
mod text;
pub mod verdict;
mod votes;

use crate::cluster::Corosync;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What is wrong with a corosync.conf, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfError {
    /// Counts from one.
    pub line: usize,
    /// Counts characters from one.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for ConfError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// Reads a corosync.conf.
///
/// # Errors
///
/// The first mistake, with its place.
pub fn parse(text: &str) -> Result<Corosync, ConfError> {
    read::corosync(&text::parse(text)?)
}

/// A section of a corosync.conf as it is written, whatever its words mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// Its name; empty for the whole file.
    pub name: String,
    /// The line that opens it, counted from one; zero for the whole file.
    pub line: usize,
    /// `key: value`, in their order.
    pub entries: Vec<OutlineEntry>,
    /// The sections in it, in their order.
    pub sections: Vec<Self>,
}

/// `key: value` with its line, counted from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineEntry {
    /// The key.
    pub key: String,
    /// The value as it is written.
    pub value: String,
    /// Its line.
    pub line: usize,
}

impl Outline {
    /// The entry of that key; the last one where it is written twice, as corosync does.
    pub fn get(&self, key: &str) -> Option<&OutlineEntry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// The sections of that name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.sections.iter().filter(move |section| section.name == name)
    }
}

/// Reads what a corosync.conf consists of without judging it: files for other programs than muster's agent have words that the
/// agent refuses.
///
/// # Errors
///
/// A line that is neither an option nor a section, a section that is not closed.
pub fn outline(text: &str) -> Result<Outline, ConfError> {
    text::outline(text).map(outlined)
}

fn outlined(section: text::Section) -> Outline {
    let entry =
        |entry: text::Entry| OutlineEntry { line: entry.key_place.line, key: entry.key, value: entry.value };
    Outline {
        name: section.name,
        line: section.place.line,
        entries: section.entries.into_iter().map(entry).collect(),
        sections: section.sections.into_iter().map(outlined).collect(),
    }
}

/// The link that a key of a `node` section gives an address on (`ring0_addr` is link 0).
pub fn link_of(key: &str) -> Option<u8> {
    options::link_of(key)
}

/// Prints a corosync.conf that [`parse`] reads back to the same value.
pub fn print(corosync: &Corosync) -> String {
    print::corosync(corosync)
}

#[cfg(test)]
mod tests;
