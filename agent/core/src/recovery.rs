//! The story of one loss: when the node was heard last, when it was given up, when it was fenced, when all ran again. Told in
//! one line at the end.

use crate::time::Instant;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::id::{NodeName, ResourceId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovery {
    lost: Vec<NodeName>,
    /// When the first of them was heard last.
    pub(crate) silent_since: Instant,
    noticed: Instant,
    fenced: Option<Instant>,
    started: Vec<(ResourceId, NodeName)>,
    last_start: Option<Instant>,
}

impl Recovery {
    pub(crate) fn new(now: Instant, silent_since: Instant, lost: Vec<NodeName>) -> Self {
        Self { lost, silent_since, noticed: now, fenced: None, started: Vec::new(), last_start: None }
    }

    pub(crate) fn note_fenced(&mut self, now: Instant, target: &NodeName) {
        if self.lost.contains(target) {
            self.fenced = Some(now);
        }
    }

    pub(crate) fn note_started(&mut self, now: Instant, resource: &ResourceId, node: &NodeName) {
        self.started.push((resource.clone(), node.clone()));
        self.last_start = Some(now);
    }

    /// One line: what was lost, how long each part took, what runs where.
    pub(crate) fn summary(&self) -> String {
        let lost = names(self.lost.iter());
        let noticed = seconds(self.noticed - self.silent_since);
        let mut parts = alloc::vec![format!("silent for {noticed} s")];
        if let Some(fenced) = self.fenced {
            parts.push(format!("fenced in {} s", seconds(fenced - self.noticed)));
        }
        if let Some(last) = self.last_start {
            let before = self.fenced.unwrap_or(self.noticed);
            let started = self.started.iter().map(|(resource, node)| format!("{resource} on {node}"));
            let started = started.collect::<Vec<_>>().join(", ");
            parts.push(format!("{started} started in {} s", seconds(last - before)));
        }
        let end = self.last_start.or(self.fenced).unwrap_or(self.noticed);
        let total = seconds(end - self.silent_since);
        format!("recovered from the loss of {lost}: {}; {total} s since it was heard last", parts.join(", "))
    }
}

fn names<'a>(names: impl Iterator<Item = &'a NodeName>) -> String {
    names.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn seconds(duration: Duration) -> String {
    let ms = duration.as_millis();
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_told_in_one_line() {
        let at = |ms: u64| Instant(ms * 1_000_000);
        let mut recovery = Recovery::new(at(3000), at(0), alloc::vec!["n1".into()]);
        recovery.note_fenced(at(3120), &"n1".into());
        recovery.note_started(at(3300), &"vip".into(), &"n2".into());
        assert_eq!(
            recovery.summary(),
            "recovered from the loss of n1: silent for 3.000 s, fenced in 0.120 s, vip on n2 started in 0.180 s; 3.300 s \
             since it was heard last"
        );
    }
}
