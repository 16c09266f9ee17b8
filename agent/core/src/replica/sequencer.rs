//! The coordinator's half of replication: numbers commands, counts acknowledgements, and says what is committed. A
//! command is committed once every member has acknowledged it, so that every survivor holds it.

use crate::planted::{Bug, planted};
use crate::time::Instant;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use muster_api::id::NodeId;

/// What is to be done once a command is committed.
#[derive(Debug)]
struct Waiting<After> {
    seq: u64,
    missing: BTreeSet<NodeId>,
    since: Instant,
    after: Vec<After>,
}

#[derive(Debug)]
pub(crate) struct Sequencer<After> {
    last: u64,
    waiting: VecDeque<Waiting<After>>,
}

impl<After> Default for Sequencer<After> {
    fn default() -> Self {
        Self { last: 0, waiting: VecDeque::new() }
    }
}

impl<After> Sequencer<After> {
    /// Takes the next number for a command that the `others` must acknowledge.
    pub(crate) fn begin(&mut self, now: Instant, others: BTreeSet<NodeId>, after: Vec<After>) -> u64 {
        self.last += 1;
        self.waiting.push_back(Waiting { seq: self.last, missing: others, since: now, after });
        self.last
    }

    /// Adds to what follows from the last command that is not committed; gives it back where there is none.
    pub(crate) fn follow_last(&mut self, after: After) -> Option<After> {
        match self.waiting.back_mut() {
            Some(last) => {
                last.after.push(after);
                None
            }
            None => Some(after),
        }
    }

    pub(crate) fn acknowledge(&mut self, from: NodeId, seq: u64) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.seq <= seq) {
            waiting.missing.remove(&from);
        }
    }

    /// What follows from the commands that are committed now, in their order.
    pub(crate) fn take_committed(&mut self) -> Vec<After> {
        let mut after = Vec::new();
        let is_held = |waiting: &Waiting<After>| waiting.missing.is_empty() || planted(Bug::CommittedEarly);
        while self.waiting.front().is_some_and(is_held) {
            after.extend(self.waiting.pop_front().into_iter().flat_map(|waiting| waiting.after));
        }
        after
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Since when the oldest command waits, and for whom.
    pub(crate) fn oldest(&self) -> Option<(Instant, &BTreeSet<NodeId>)> {
        self.waiting.front().map(|waiting| (waiting.since, &waiting.missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_committed_once_all_have_acknowledged_it_and_all_before_it() {
        let others = BTreeSet::from([NodeId(2), NodeId(3)]);
        let mut sequencer = Sequencer::default();
        sequencer.begin(Instant(0), others.clone(), alloc::vec!["first"]);
        sequencer.begin(Instant(0), others, alloc::vec!["second"]);
        sequencer.acknowledge(NodeId(2), 2);
        assert!(sequencer.take_committed().is_empty());
        sequencer.acknowledge(NodeId(3), 1);
        assert_eq!(sequencer.take_committed(), ["first"]);
        sequencer.acknowledge(NodeId(3), 2);
        assert_eq!(sequencer.take_committed(), ["second"]);
        assert!(sequencer.is_idle());
    }
}
