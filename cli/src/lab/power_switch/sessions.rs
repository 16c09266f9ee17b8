//! Redfish sessions: a token instead of the password in each request (Redfish, "Session-based authentication").

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::lab::disk::random_hex;

/// A session that is not used for so long is over.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// More than any cluster opens; a client that never closes its sessions must not fill the memory.
const MOST_SESSIONS: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    last_use: BTreeMap<Token, (Id, Instant)>,
    opened: u64,
}

pub(super) type Token = String;
pub(super) type Id = String;

impl Sessions {
    /// `None` when there are too many.
    pub(super) fn open(&mut self, now: Instant) -> Option<(Id, Token)> {
        self.expire(now);
        if self.last_use.len() >= MOST_SESSIONS {
            return None;
        }
        self.opened += 1;
        let (id, token) = (self.opened.to_string(), random_hex(16));
        self.last_use.insert(token.clone(), (id.clone(), now));
        Some((id, token))
    }

    /// Whether the token belongs to a session; using it keeps the session alive.
    pub(super) fn accepts(&mut self, token: &str, now: Instant) -> bool {
        self.expire(now);
        self.last_use.get_mut(token).map(|(_, last_use)| *last_use = now).is_some()
    }

    /// Whether there was such a session.
    pub(super) fn close(&mut self, id: &str) -> bool {
        let before = self.last_use.len();
        self.last_use.retain(|_, (open, _)| open != id);
        self.last_use.len() < before
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.last_use.values().map(|(id, _)| id.as_str())
    }

    fn expire(&mut self, now: Instant) {
        self.last_use.retain(|_, (_, last_use)| now.duration_since(*last_use) < IDLE_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_closed_or_idle() {
        let mut sessions = Sessions::default();
        let start = Instant::now();
        let (id, token) = sessions.open(start).unwrap();
        let (_, idle) = sessions.open(start).unwrap();
        assert!(sessions.accepts(&token, start + IDLE_TIMEOUT / 2));
        let later = start + IDLE_TIMEOUT;
        assert!(sessions.accepts(&token, later) && !sessions.accepts(&idle, later));
        assert!(sessions.close(&id) && !sessions.close(&id));
        assert!(!sessions.accepts(&token, later));
    }
}
