//! What must survive a crash of a node: complete on disk before anybody hears of it.

use alloc::string::String;

/// Why saved state cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// Written by a version that this one does not know.
    #[error("it has format {found}, this version reads format {known}")]
    Version {
        /// The format of the bytes.
        found: u8,
        /// The newest that is known here.
        known: u8,
    },
    /// Torn or foreign bytes.
    #[error("{0}")]
    Malformed(String),
}
