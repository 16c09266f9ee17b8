//! The log file of a run (`log_path`): what the screen shows, without colours, each entry with the time, the process and
//! the user in front of it, in Ansible's form.

use jiff::Zoned;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A file that entries are added to.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    user: String,
    /// How much it says, where that is not what the screen says.
    pub(super) verbosity: Option<u8>,
}

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Error,
}

impl Log {
    /// Opens the file, or makes it: only its owner reads what a run said.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        Ok(Self { file, user: crate::run::way::user_here(), verbosity: None })
    }

    /// With a verbosity of its own.
    pub(crate) fn saying(self, verbosity: Option<u8>) -> Self {
        Self { verbosity, ..self }
    }

    /// Adds what a text says, entry by entry: blank lines part them. A log that cannot be written stops no run.
    pub(super) fn add(&mut self, text: &str) {
        let plain = without_colors(text);
        for entry in plain.split("\n\n").map(|entry| entry.trim_matches('\n')) {
            if !entry.is_empty() {
                let _ = self.file.write_all(self.line(entry).as_bytes());
            }
        }
    }

    fn line(&self, entry: &str) -> String {
        let time = Zoned::now().strftime("%Y-%m-%d %H:%M:%S,%3f").to_string();
        let level = match level(entry) {
            Level::Info => "INFO",
            Level::Error => "ERROR",
        };
        format!("{time} p={} u={} n=ansible {level}| {entry}\n", std::process::id(), self.user)
    }
}

fn level(entry: &str) -> Level {
    let is_error = ["fatal: ", "failed: ", "[ERROR]", "error: "].iter().any(|start| entry.starts_with(start));
    if is_error { Level::Error } else { Level::Info }
}

/// Without the sequences that set colours.
fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        rest = after.find('m').map_or("", |end| &after[end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_no_colours_and_says_who_and_how_much_it_matters() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.log");
        let mut log = Log::open(&path).expect("opened");
        log.add("\nTASK [one] ****\n\u{1b}[32mok: [a]\u{1b}[0m\n\n");
        log.add("fatal: [a]: FAILED! => no\n");
        let text = std::fs::read_to_string(&path).expect("written");
        let ends: Vec<&str> =
            text.lines().filter_map(|line| line.split_once(" n=ansible ")).map(|(_, end)| end).collect();
        assert_eq!(ends, ["INFO| TASK [one] ****", "ERROR| fatal: [a]: FAILED! => no"]);
        assert!(text.contains("\nok: [a]\n"), "{text}");
    }
}
