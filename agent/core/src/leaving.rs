//! How a member is let go: its resources first, then all must know of it.

use crate::lead::After;
use crate::message::{Answer, Message};
use crate::node::Node;
use crate::planted::{Bug, planted};
use crate::replica::activity::active_on;
use crate::replica::command::Command;
use crate::time::Now;
use alloc::vec::Vec;
use muster_api::id::NodeId;

impl Node {
    /// Members that are asked to leave may go once nothing runs on them any more.
    pub(crate) fn release_leavers(&mut self, now: Now) -> bool {
        let leaving: Vec<NodeId> = self.replica.leaving.iter().copied().collect();
        let mut has_acted = false;
        for id in leaving {
            let name = self.name_of(id).clone();
            let may_go = self.lead.as_ref().is_some_and(|lead| lead.is_done_with(&name));
            let is_free = may_go && active_on(&self.replica.history, &name).is_empty();
            if !(is_free || planted(Bug::LeftWhileRunning)) || !self.is_member_name(&name) {
                continue;
            }
            // Alone there is nobody to tell; else all who are there must know that it left and was not lost.
            if self.membership.view.as_ref().is_some_and(|view| view.is_primary() || view.members.len() > 1) {
                // It is not asked to leave any more once this is applied.
                self.sequence(now, Command::Left { node: id }, alloc::vec![After::Released { node: id }]);
                has_acted = true;
            } else {
                has_acted |= self.answer_leavers(id);
            }
        }
        has_acted
    }

    pub(crate) fn answer_leavers(&mut self, node: NodeId) -> bool {
        let Some(lead) = self.lead.as_mut() else { return false };
        let (done, rest): (Vec<_>, Vec<_>) =
            core::mem::take(&mut lead.leavers).into_iter().partition(|(_, _, id)| *id == node);
        lead.leavers = rest;
        if done.is_empty() {
            return false;
        }
        let generation = self.replica.config.generation;
        for (origin, ticket, _) in done {
            self.send(origin, Message::Answer { ticket, answer: Answer::Done { generation, note: None } });
        }
        true
    }
}
