//! Handlers that are due on hosts, as the hosts have noted them: what an earlier run left due is notified in this one, and
//! what has run is taken off the note.

use super::hosts::Seat;
use muster_api::step::Due;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A worker, and the handlers that it has noted.
type Noted = (Seat, BTreeSet<String>);

/// What the hosts have noted for one play.
#[derive(Debug, Default)]
pub(crate) struct DueHandlers(Mutex<HashMap<String, Vec<Noted>>>);

impl DueHandlers {
    /// A worker has noted these handlers for a host.
    pub(crate) fn noted(&self, host: &str, at: &Seat, handlers: &BTreeSet<String>) {
        let mut hosts = self.hosts();
        let of_host = hosts.entry(host.to_owned()).or_default();
        match of_host.iter_mut().find(|(known, _)| known == at) {
            Some((_, noted)) => noted.extend(handlers.iter().cloned()),
            None => of_host.push((at.clone(), handlers.clone())),
        }
    }

    /// The workers whose notes for a host have handlers that are not among `due`, with what they shall note instead.
    pub(crate) fn outdated(&self, host: &str, due: &BTreeSet<String>) -> Vec<Noted> {
        let mut hosts = self.hosts();
        let Some(of_host) = hosts.get_mut(host) else { return Vec::new() };
        let mut outdated = Vec::new();
        for (at, noted) in of_host.iter_mut().filter(|(_, noted)| !noted.is_subset(due)) {
            noted.retain(|handler| due.contains(handler));
            outdated.push((at.clone(), noted.clone()));
        }
        outdated
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Vec<Noted>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What workers said when they were greeted, until its play comes.
#[derive(Debug, Default)]
pub(crate) struct LeftDue(Mutex<HashMap<String, Vec<(Seat, Due)>>>);

impl LeftDue {
    /// A worker of a host has these.
    pub(crate) fn heard(&self, host: &str, at: &Seat, left: Vec<Due>) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(host.to_owned()).or_default().extend(left.into_iter().map(|due| (at.clone(), due)));
    }

    /// Those of a play; they count as taken.
    pub(crate) fn take(&self, host: &str, play: &str) -> Vec<Noted> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_host) = hosts.get_mut(host) else { return Vec::new() };
        of_host.extract_if(.., |(_, due)| due.play == play).map(|(at, due)| (at, due.handlers)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::identity::Identity;
    use crate::run::way::Way;

    fn seat() -> Seat {
        Seat { host: "n1".into(), way: Way::Local, identity: Identity::Login, check: false }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_has_run_is_taken_off_the_note_once() {
        let due = DueHandlers::default();
        due.noted("n1", &seat(), &names(&["a", "b"]));
        assert_eq!(due.outdated("n1", &names(&["a", "b", "c"])), []);
        assert_eq!(due.outdated("n1", &names(&["b"])), [(seat(), names(&["b"]))]);
        assert_eq!(due.outdated("n1", &names(&["b"])), []);
        assert_eq!(due.outdated("n2", &names(&[])), []);
    }

    #[test]
    fn what_was_left_due_waits_for_its_play() {
        let left = LeftDue::default();
        let of = |play: &str| Due { play: play.into(), handlers: names(&["a"]) };
        left.heard("n1", &seat(), vec![of("site.yml: web"), of("site.yml: time")]);
        assert_eq!(left.take("n1", "site.yml: time"), [(seat(), names(&["a"]))]);
        assert_eq!(left.take("n1", "site.yml: time"), []);
        assert_eq!(left.take("n2", "site.yml: web"), []);
        assert_eq!(left.take("n1", "site.yml: web").len(), 1);
    }
}
