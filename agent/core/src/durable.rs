//! What must survive a crash of a node: complete on disk before anybody hears of it.
//!
//! The bytes are `[FORMAT][postcard]`. They are written whole; the agent replaces the file atomically and
//! checks it when it reads it back.

use crate::replica::state::{Position, State};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Counts the formats of this file. Format 1 ended before `State::votes.votes_tracked`.
const FORMAT: u8 = 2;

/// What a node must not forget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// The highest epoch that it promised: it never promises that number again.
    pub(crate) promised: u64,
    /// Its incarnation: the next life has a larger one.
    pub(crate) session: u64,
    /// How much it holds.
    pub(crate) position: Position,
    /// The durable part of the state.
    pub(crate) state: State,
}

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

impl Durable {
    /// The bytes for the disk.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = postcard::to_allocvec(self).expect("the state has no type that postcard cannot write");
        [&[FORMAT], body.as_slice()].concat()
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    ///
    /// Another format, or torn bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DurableError> {
        match bytes {
            [FORMAT, body @ ..] => {
                postcard::from_bytes(body).map_err(|error| DurableError::Malformed(error.to_string()))
            }
            [1, body @ ..] => {
                // No votes were tracked: a zero, as postcard writes it.
                let body = [body, &[0]].concat();
                postcard::from_bytes(&body).map_err(|error| DurableError::Malformed(error.to_string()))
            }
            [found, ..] => Err(DurableError::Version { found: *found, known: FORMAT }),
            [] => Err(DurableError::Malformed("it is empty".to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_one_is_read_without_tracked_votes() {
        let durable = Durable { promised: 7, session: 9, position: Position::NONE, state: State::default() };
        let bytes = durable.encode();
        let old = [&[1], &bytes[1..bytes.len() - 1]].concat();
        assert_eq!(Durable::decode(&old), Ok(durable));
    }

    #[test]
    fn what_is_saved_is_read_back_and_what_is_torn_is_refused() {
        let durable = Durable { promised: 7, session: 9, position: Position::NONE, state: State::default() };
        let bytes = durable.encode();
        assert_eq!(Durable::decode(&bytes), Ok(durable));
        assert!(matches!(Durable::decode(&bytes[..3]), Err(DurableError::Malformed(_))));
        assert_eq!(Durable::decode(&[9]), Err(DurableError::Version { found: 9, known: 2 }));
    }
}
