//! The events that this agent remembers, and who follows them.

use crate::log;
use muster_api::status::{Event, Level};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// A month of a quiet cluster, an evening of a restless one.
const KEPT: usize = 2000;

/// The last events of this node, numbered in the order in which they came.
#[derive(Debug)]
pub(crate) struct Events {
    kept: Mutex<VecDeque<Event>>,
    newest: watch::Sender<u64>,
}

impl Events {
    /// No events yet.
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Remembers an event, tells the log and wakes who follows.
    pub(crate) fn add(&self, mut event: Event) {
        if event.level > Level::Debug {
            log::line(event.level, &format!("{}: {}", event.kind, event.text));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        event.number = kept.back().map_or(1, |last| last.number + 1);
        let number = event.number;
        kept.push_back(event);
        if kept.len() > KEPT {
            kept.pop_front();
        }
        drop(kept);
        self.newest.send_replace(number);
    }

    /// The events after that number.
    pub(crate) fn since(&self, number: u64) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|event| event.number > number).cloned().collect()
    }

    /// Changes with each new event.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        Event {
            number: 0,
            at_ms: 0,
            kind: "test".into(),
            level: Level::Debug,
            text: text.into(),
            node: None,
            resource: None,
        }
    }

    #[test]
    fn events_are_numbered_as_they_come_and_only_the_last_are_kept() {
        let events = Events::new();
        for number in 0..=KEPT {
            events.add(event(&number.to_string()));
        }
        let kept = events.since(0);
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].number, kept[0].text.as_str()), (2, "1"));
        assert_eq!(events.since(KEPT as u64).len(), 1);
        assert_eq!(*events.follow().borrow(), KEPT as u64 + 1);
    }
}
