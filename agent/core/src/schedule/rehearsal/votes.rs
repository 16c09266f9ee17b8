//! Whether the members are quorate after what was assumed: played on the rules of votequorum(5), where it is known who has
//! how many votes.

use crate::quorum::rehearsal::rehearse;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::Corosync;
use muster_api::id::NodeName;
use muster_api::status::Fact;

/// Who has votes, and what happened to them.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    corosync: Option<Corosync>,
    ids: BTreeMap<NodeName, u32>,
    script: String,
}

impl Votes {
    /// The votes that corosync.conf gives, counted from how the nodes are.
    pub fn of(corosync: &Corosync, facts: &BTreeMap<NodeName, Fact>) -> Self {
        let ids = corosync.nodes.iter().map(|node| (node.name.clone(), node.id.0)).collect();
        let mut votes = Self { corosync: Some(corosync.clone()), ids, script: String::new() };
        let with = |wanted: &dyn Fn(Fact) -> bool| -> Vec<NodeName> {
            facts.iter().filter(|(_, fact)| wanted(**fact)).map(|(name, _)| name.clone()).collect()
        };
        votes.say("up", &with(&|fact| fact != Fact::NeverSeen));
        votes.say("leave", &with(&|fact| fact == Fact::Left));
        votes.say("down", &with(&|fact| matches!(fact, Fact::Lost | Fact::Fenced)));
        votes
    }

    /// One vote for each node, and `two_node` where there are two: what a playbook's corosync.conf usually says.
    pub fn one_each(nodes: &[NodeName]) -> Self {
        let ids: BTreeMap<NodeName, u32> = nodes.iter().cloned().zip(1..).collect();
        let mut script: String =
            ids.iter().map(|(name, id)| format!("node {id} votes 1 name {name}\n")).collect();
        if nodes.len() == 2 {
            script += "two_node: 1\n";
        }
        let mut votes = Self { corosync: None, ids, script };
        votes.say("up", nodes);
        votes
    }

    /// A node crashed, and is fenced where somebody may do so.
    pub(super) fn lose(&mut self, node: &NodeName) {
        self.say("down", core::slice::from_ref(node));
    }

    /// A node came back.
    pub(super) fn bring_back(&mut self, node: &NodeName) {
        self.say("up", core::slice::from_ref(node));
    }

    fn say(&mut self, what: &str, nodes: &[NodeName]) {
        let ids: Vec<String> =
            nodes.iter().filter_map(|node| self.ids.get(node)).map(u32::to_string).collect();
        if !ids.is_empty() {
            self.script += &format!("{what} {}\n", ids.join(" "));
        }
    }

    /// Whether the members are quorate now; `None` where nobody knows who votes.
    pub(super) fn is_quorate(&self) -> Option<bool> {
        if self.ids.is_empty() {
            return None;
        }
        let answers = rehearse(&self.script, self.corosync.as_ref()).ok()?;
        Some(answers.last()?.parts.iter().any(|part| part.is_quorate))
    }
}
