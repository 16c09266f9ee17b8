//! corosync.conf, read and printed: which options there are is in `options`, the text's shape in `text`, what the values
//! mean in `read`, and for `quorum {}` in `votes`. Source: corosync.conf(5), votequorum(5).
//!
//! Every option of those pages is either meant (muster does what it says), harmless (it tunes something that muster
//! does not have, so that nothing is lost by ignoring it) or refused with a sentence. Unknown words are errors.

mod options;
mod print;
mod read;
mod text;
mod votes;

use crate::cluster::Corosync;
use alloc::string::String;
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

/// Prints a corosync.conf that [`parse`] reads back to the same value.
pub fn print(corosync: &Corosync) -> String {
    print::corosync(corosync)
}

#[cfg(test)]
mod tests;
