//! Walks a transition: which actions are ready, which are in flight, which have ended. What an action means on
//! a node is not known here, only what must come before it.

use crate::planted::{Bug, planted};
use crate::schedule::{ActionKind, Transition};
use alloc::vec::Vec;
use muster_api::history::ResourceAction;
use muster_api::id::{NodeName, ResourceId};

/// How an action of a transition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    InFlight,
    Done,
    Failed,
}

#[derive(Debug)]
pub(crate) struct Runner {
    transition: Transition,
    stages: Vec<Stage>,
    batch_limit: usize,
}

impl Runner {
    /// `batch_limit` zero is no limit.
    pub(crate) fn new(transition: Transition, batch_limit: usize) -> Self {
        let stages = alloc::vec![Stage::Waiting; transition.actions.len()];
        Self { transition, stages, batch_limit }
    }

    pub(crate) fn kind(&self, index: usize) -> Option<&ActionKind> {
        self.transition.actions.get(index).map(|action| &action.kind)
    }

    pub(crate) fn why(&self, index: usize) -> &str {
        self.transition.actions.get(index).map_or("", |action| &action.why)
    }

    /// The actions that may begin now.
    pub(crate) fn ready(&self) -> Vec<usize> {
        let in_flight = self.stages.iter().filter(|stage| **stage == Stage::InFlight).count();
        let room =
            if self.batch_limit == 0 { usize::MAX } else { self.batch_limit.saturating_sub(in_flight) };
        let is_done = |index: &usize| self.stages.get(*index) == Some(&Stage::Done);
        let actions = self.transition.actions.iter().enumerate();
        let ready = actions.filter(|(index, action)| {
            let is_due = action.after.iter().all(&is_done) || planted(Bug::OrderIgnored);
            self.stages[*index] == Stage::Waiting && is_due
        });
        ready.map(|(index, _)| index).take(room).collect()
    }

    pub(crate) fn begin(&mut self, index: usize) {
        self.stages[index] = Stage::InFlight;
    }

    pub(crate) fn end(&mut self, index: usize, is_success: bool) {
        self.stages[index] = if is_success { Stage::Done } else { Stage::Failed };
    }

    /// The action in flight that this is the end of.
    pub(crate) fn in_flight(
        &self,
        node: &NodeName,
        resource: &ResourceId,
        operation: &str,
        interval_ms: u64,
    ) -> Option<usize> {
        let is_it = |kind: &ActionKind| match kind {
            ActionKind::Resource { node: on, action, .. } => {
                on == node
                    && action.resource == *resource
                    && action.operation == operation
                    && action.interval_ms == interval_ms
            }
            _ => false,
        };
        (0..self.stages.len()).find(|index| {
            self.stages[*index] == Stage::InFlight && is_it(&self.transition.actions[*index].kind)
        })
    }

    /// The fencing in flight of that node.
    pub(crate) fn fencing_in_flight(&self, target: &NodeName) -> Option<usize> {
        (0..self.stages.len()).find(|index| {
            let is_it = matches!(&self.transition.actions[*index].kind, ActionKind::Fence { node, .. } if node == target);
            self.stages[*index] == Stage::InFlight && is_it
        })
    }

    /// An action on that node has not ended.
    pub(crate) fn has_left_to_do_on(&self, name: &NodeName) -> bool {
        let is_there = |kind: &ActionKind| matches!(kind, ActionKind::Resource { node, .. } if node == name);
        let actions = self.transition.actions.iter().zip(&self.stages);
        let open = actions.filter(|(_, stage)| matches!(stage, Stage::Waiting | Stage::InFlight));
        open.into_iter().any(|(action, _)| is_there(&action.kind))
    }

    /// Nothing is in flight and nothing can begin any more.
    pub(crate) fn is_over(&self) -> bool {
        !self.stages.contains(&Stage::InFlight) && self.ready().is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.transition.actions.is_empty()
    }
}

/// An action that a node was ordered to do, until its end is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) node: NodeName,
    pub(crate) resource: ResourceId,
    pub(crate) operation: alloc::string::String,
    pub(crate) interval_ms: u64,
}

impl InFlight {
    pub(crate) fn is_of(&self, node: &NodeName, action: &ResourceAction) -> bool {
        self.is_about(node, &action.resource)
            && self.operation == action.operation
            && self.interval_ms == action.interval_ms
    }

    pub(crate) fn is_about(&self, node: &NodeName, resource: &ResourceId) -> bool {
        self.node == *node && self.resource == *resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Action;

    fn fence(node: &str, after: &[usize]) -> Action {
        let kind = ActionKind::Fence { node: node.into(), off: false };
        Action { kind, after: after.to_vec(), why: "test".into() }
    }

    #[test]
    fn an_action_waits_for_what_must_come_before_it() {
        let actions = alloc::vec![fence("n2", &[1]), fence("n1", &[]), fence("n3", &[])];
        let mut runner = Runner::new(Transition { actions }, 0);
        assert_eq!(runner.ready(), [1, 2]);
        runner.begin(1);
        runner.begin(2);
        assert!(runner.ready().is_empty() && !runner.is_over());
        runner.end(2, false);
        runner.end(1, true);
        assert_eq!(runner.ready(), [0]);
        runner.begin(0);
        runner.end(0, true);
        assert!(runner.is_over());
    }

    #[test]
    fn a_batch_limit_holds_actions_back() {
        let actions = (0..5).map(|_| fence("n1", &[])).collect();
        let mut runner = Runner::new(Transition { actions }, 2);
        assert_eq!(runner.ready().len(), 2);
        runner.begin(0);
        assert_eq!(runner.ready().len(), 1);
    }
}
