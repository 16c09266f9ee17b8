//! The agent's log: one line each on stderr. Where stderr is the journal, a line starts with its priority (`<6>`,
//! sd-daemon(3)); elsewhere with its level.

use muster_api::status::Level;
use std::io::Write;
use std::sync::OnceLock;

/// Writes one line.
pub(crate) fn line(level: Level, text: &str) {
    static IS_JOURNAL: OnceLock<bool> = OnceLock::new();
    let is_journal = *IS_JOURNAL.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some());
    let prefix = if is_journal { priority(level) } else { word(level) };
    // One write for the whole line: lines of two threads do not mix. A log that cannot be written has nobody to tell.
    let _ = std::io::stderr().write_all(format!("{prefix}{}\n", text.replace('\n', " ")).as_bytes());
}

/// What happened.
pub(crate) fn info(text: impl AsRef<str>) {
    line(Level::Info, text.as_ref());
}

/// What a person should look at.
pub(crate) fn warning(text: impl AsRef<str>) {
    line(Level::Warning, text.as_ref());
}

/// What a person must look at.
pub(crate) fn error(text: impl AsRef<str>) {
    line(Level::Error, text.as_ref());
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::Debug => "<7>",
        Level::Info => "<6>",
        Level::Warning => "<4>",
        Level::Error => "<3>",
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug: ",
        Level::Info => "",
        Level::Warning => "warning: ",
        Level::Error => "error: ",
    }
}
