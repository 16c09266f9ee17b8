//! Another corosync.conf while the cluster runs: it is checked first, and what cannot change at runtime is named.
//!
//! What concerns nobody's vote and nobody's address (timeouts, link options) is in force at once. The rest waits until every
//! member of a primary view has read the same file; then all take it by one command. Until a node has taken it, it counts votes by
//! both files: a part of the cluster that has gone on to the new one and a part that has not are never quorate beside each
//! other.

use crate::effect::Effect;
use crate::input::ClientId;
use crate::message::Beat;
use crate::node::Node;
use crate::replica::command::Command;
use crate::replica::state::NodeFact;
use crate::time::Now;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::{Corosync, NodeEntry};
use muster_api::control::Response;
use muster_api::corosync_conf;
use muster_api::id::NodeId;
use muster_api::status::{Fact, Level};

/// A file that was checked and waits for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) corosync: Corosync,
    pub(crate) digest: u64,
}

/// Of what must be the same in every node's corosync.conf: all of it.
pub(crate) fn digest(corosync: &Corosync) -> u64 {
    let text = corosync_conf::print(corosync);
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Node {
    /// corosync.conf was read again.
    pub(crate) fn on_reconfigured(&mut self, now: Now, client: Option<ClientId>, corosync: Corosync) {
        let response = match self.accept(now, corosync) {
            Ok(note) => Response::Done { generation: self.replica.config.generation, note: Some(note) },
            Err(why) => {
                self.note(now, "config", Level::Error, why.clone(), None, None);
                Response::Refused { why }
            }
        };
        if let Some(client) = client {
            self.effects.push(Effect::Reply { client, response });
        }
    }

    fn accept(&mut self, now: Now, corosync: Corosync) -> Result<String, String> {
        let obstacles = self.obstacles(&corosync);
        if !obstacles.is_empty() {
            return Err(format!("the corosync.conf in force is kept: {}", obstacles.join("; ")));
        }
        self.pending = None;
        let changes = changes(&self.corosync, &corosync);
        if changes.is_empty() {
            return Ok("corosync.conf says what is in force already".into());
        }
        let changes = changes.join(", ");
        if is_private(&self.corosync, &corosync) {
            self.take_configuration(now, corosync);
            return Ok(format!("in force: {changes}"));
        }
        self.pending = Some(Pending { digest: digest(&corosync), corosync });
        if self.is_alone() {
            self.note(now, "config", Level::Info, format!("corosync.conf is checked: {changes}"), None, None);
            return Ok(format!("checked: {changes}"));
        }
        let text = format!("checked, and in force once every member has read it: {changes}");
        self.note(now, "config", Level::Info, format!("corosync.conf is {text}"), None, None);
        Ok(text)
    }

    fn is_alone(&self) -> bool {
        self.membership.view.as_ref().is_some_and(|view| view.members.len() == 1)
    }

    /// Why that file cannot be in force while the cluster runs.
    fn obstacles(&self, new: &Corosync) -> Vec<String> {
        let mut obstacles = Vec::new();
        let (old_totem, new_totem) = (&self.corosync.totem, &new.totem);
        let mut fixed = |option: &str, is_same: bool| {
            if !is_same {
                obstacles.push(format!(
                    "`{option}` cannot change while the cluster runs: leave with every node (`musterd leave`), then start them with the new file"
                ));
            }
        };
        fixed("cluster_name", old_totem.cluster_name == new_totem.cluster_name);
        fixed("crypto_cipher", old_totem.cipher == new_totem.cipher);
        if new_totem.config_version < old_totem.config_version {
            obstacles.push(format!(
                "`config_version` {} is older than {}, which is in force",
                new_totem.config_version, old_totem.config_version
            ));
        }
        obstacles.extend(self.corosync.nodes.iter().filter_map(|node| self.obstacle_of_node(node, new)));
        obstacles.extend(self.obstacle_of_votes(new));
        obstacles
    }

    fn obstacle_of_node(&self, node: &NodeEntry, new: &Corosync) -> Option<String> {
        let name = &node.name;
        match new.nodes.iter().find(|other| other.id == node.id) {
            Some(other) if other.name != *name => Some(format!(
                "node {} is `{name}` and would be `{}`: a name cannot change while the cluster runs; remove the node, then add it under a new `nodeid`",
                node.id, other.name
            )),
            Some(_) => None,
            None if node.id == self.me => {
                Some("`nodelist` does not have this node any more: `musterd leave` here first".into())
            }
            None => self.obstacle_of_removal(node.id).map(|why| format!("{name} cannot be removed: {why}")),
        }
    }

    fn obstacle_of_removal(&self, id: NodeId) -> Option<&'static str> {
        let is_member = self.membership.view.as_ref().is_some_and(|view| view.has(id));
        if is_member {
            return Some("it is a member; `musterd leave` there first");
        }
        match self.replica.fact(id).fact {
            Fact::Lost => Some(
                "it is lost and may run resources; fence it first, or say that you saw it off (`musterd fence --confirm`)",
            ),
            _ => None,
        }
    }

    /// A view that would not be quorate by the new file would lose its resources.
    fn obstacle_of_votes(&self, new: &Corosync) -> Option<String> {
        let view = self.membership.view.as_ref().filter(|view| view.standing.is_quorate())?;
        let members: BTreeSet<NodeId> = view.members.iter().map(|member| member.id).collect();
        let standing = self.judge_by(new, &members);
        let why = standing.inquorate?;
        Some(format!("by it this view would not be quorate ({why}): change fewer votes at once"))
    }

    /// The coordinator lets all take what all have read. Returns whether it did.
    pub(crate) fn spread_configuration(&mut self, now: Now) -> bool {
        let Some(view) = self.membership.view.as_ref().filter(|view| view.is_primary()) else { return false };
        let digest = self.pending.as_ref().map_or(self.config_digest, |pending| pending.digest);
        let others = view.members.iter().filter(|member| member.id != self.me);
        let beats: Vec<Option<&Beat>> =
            others.map(|member| self.links.peer(member.id).and_then(crate::link::Peer::beat)).collect();
        let has_read = |beat: &Option<&Beat>| {
            beat.is_some_and(|beat| beat.pending_digest == Some(digest) || beat.config_digest == digest)
        };
        let waits = |beat: &Option<&Beat>| beat.is_some_and(|beat| beat.pending_digest == Some(digest));
        let is_wanted = self.pending.is_some() || beats.iter().any(waits);
        let is_idle = self.lead.as_ref().is_some_and(|lead| lead.is_settled());
        if !is_wanted || !is_idle || !beats.iter().all(has_read) {
            return false;
        }
        self.sequence(now, Command::TakeConfiguration { digest }, Vec::new());
        true
    }

    /// Takes what a command told to take. Returns whether it did.
    pub(crate) fn take_agreed(&mut self, now: Now) -> bool {
        let Some(digest) = self.agreed.take() else { return false };
        let Some(pending) = self.pending.take_if(|pending| pending.digest == digest) else { return false };
        self.take_configuration(now, pending.corosync);
        true
    }

    fn take_configuration(&mut self, now: Now, corosync: Corosync) {
        let changes = changes(&self.corosync, &corosync).join(", ");
        let has = |of: &Corosync, id: NodeId| of.nodes.iter().any(|node| node.id == id);
        for node in corosync.nodes.iter().filter(|node| !has(&self.corosync, node.id)) {
            // A node that has just been listed runs nothing of this cluster: it need not be fenced for not being here.
            let fact = NodeFact { fact: Fact::Left, session: 0, is_fresh: false };
            self.replica.facts.insert(node.id, fact);
        }
        for node in self.corosync.nodes.iter().filter(|node| !has(&corosync, node.id)) {
            self.replica.facts.remove(&node.id);
            self.replica.history.nodes.remove(&node.name);
            self.replica.history.failures.remove(&node.name);
            self.replica.history.attributes.remove(&node.name);
        }
        if corosync.votes_configured() != self.corosync.votes_configured() {
            self.replica.votes.reconfigure();
        }
        self.config_digest = digest(&corosync);
        self.links.reconfigure(now.at, &corosync);
        self.effects.push(Effect::Reconfigured(corosync.clone()));
        self.corosync = corosync;
        self.is_dirty = true;
        if let Some(lead) = &mut self.lead {
            lead.invalidate();
        }
        self.note(now, "config", Level::Info, format!("corosync.conf is in force: {changes}"), None, None);
    }

    /// What the status says of a file that waits.
    pub(crate) fn pending_alarm(&self) -> Option<String> {
        let pending = self.pending.as_ref()?;
        let view = self.membership.view.as_ref();
        let has_read = |id: NodeId| {
            let beat = self.links.peer(id).and_then(crate::link::Peer::beat);
            beat.is_some_and(|beat| {
                beat.pending_digest == Some(pending.digest) || beat.config_digest == pending.digest
            })
        };
        let members = view.into_iter().flat_map(|view| &view.members).map(|member| member.id);
        let unread: Vec<String> = members
            .filter(|id| *id != self.me && !has_read(*id))
            .map(|id| self.name_of(id).to_string())
            .collect();
        let whom = if unread.is_empty() {
            "a primary view".into()
        } else {
            format!("`musterd reload` on {}", unread.join(", "))
        };
        Some(format!("a new corosync.conf was read and is not in force yet: it waits for {whom}"))
    }
}

/// Nothing that others must do at the same time: same nodes, same addresses, same votes.
fn is_private(old: &Corosync, new: &Corosync) -> bool {
    let ports = |corosync: &Corosync| -> Vec<(u8, Option<u16>)> {
        corosync
            .totem
            .links
            .iter()
            .map(|(link, options)| (*link, options.port))
            .filter(|(_, port)| port.is_some())
            .collect()
    };
    old.nodes == new.nodes && old.quorum == new.quorum && ports(old) == ports(new)
}

/// What differs, in the words of corosync.conf.
fn changes(old: &Corosync, new: &Corosync) -> Vec<String> {
    let mut changes = Vec::new();
    let (from, to) = (&old.totem, &new.totem);
    let mut option = |name: &str, from: String, to: String| {
        if from != to {
            changes.push(format!("{name} {from} -> {to}"));
        }
    };
    option("config_version", from.config_version.to_string(), to.config_version.to_string());
    option("token", from.token_ms.to_string(), to.token_ms.to_string());
    option("token_coefficient", from.token_coefficient_ms.to_string(), to.token_coefficient_ms.to_string());
    option("consensus", written(from.consensus_ms.as_ref()), written(to.consensus_ms.as_ref()));
    option(
        "link_mode",
        format!("{:?}", from.link_mode).to_lowercase(),
        format!("{:?}", to.link_mode).to_lowercase(),
    );
    option("keyfile", written(from.keyfile.as_ref()), written(to.keyfile.as_ref()));
    if from.links != to.links {
        changes.push("options of links".into());
    }
    for node in &new.nodes {
        match old.nodes.iter().find(|known| known.id == node.id) {
            None => changes.push(format!("{} is added", node.name)),
            Some(known) => changes.extend(node_changes(known, node)),
        }
    }
    let removed = old.nodes.iter().filter(|known| !new.nodes.iter().any(|node| node.id == known.id));
    changes.extend(removed.map(|node| format!("{} is removed", node.name)));
    if old.quorum != new.quorum {
        changes.push("options of `quorum`".into());
    }
    changes
}

fn node_changes(old: &NodeEntry, new: &NodeEntry) -> Vec<String> {
    let mut changes = Vec::new();
    if old.addresses != new.addresses {
        changes.push(format!("{} has other addresses", new.name));
    }
    if old.votes != new.votes {
        changes.push(format!("{} has {} votes instead of {}", new.name, new.votes, old.votes));
    }
    changes
}

fn written<T: ToString>(value: Option<&T>) -> String {
    value.map_or("default".into(), ToString::to_string)
}
