//! Who is reachable but not in the view, and why: an alarm in the status, and an event when it begins and when its reason
//! changes.

use crate::link::Peer;
use crate::node::Node;
use crate::time::{Instant, Now};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::id::NodeId;
use muster_api::status::Level;
use serde::{Deserialize, Serialize};

/// Foreign nodes that are remembered: more are a scan, not a cluster.
const STRANGERS_MAX: usize = 64;
/// Pings come four times in a token: who was not heard for so many tokens is not reachable.
const FORGET_AFTER_TOKENS: u32 = 3;

/// Why the packets of a node come to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mismatch {
    /// It seals with another key.
    Key,
    /// It is of a cluster of another name.
    ClusterName,
    /// It seals packets as another version of muster does.
    Version(u8),
    /// It has the key, but no entry in this node's `nodelist`.
    Unlisted,
}

/// The nodes whose packets come to nothing.
#[derive(Debug, Default)]
pub(crate) struct Unmerged {
    mismatches: BTreeMap<NodeId, (Mismatch, Instant)>,
    /// Since when a peer is linked and not in the view: a while is normal, the others may be about to let it in.
    outside_since: BTreeMap<NodeId, Instant>,
    /// What was told of whom.
    told: BTreeMap<NodeId, String>,
}

impl Mismatch {
    fn reason(self) -> String {
        match self {
            Self::Key => "it seals its packets with another key: its authkey differs".into(),
            Self::ClusterName => "its `cluster_name` differs".into(),
            Self::Version(version) => {
                format!(
                    "its version of muster seals packets in format {version}, which this one does not know"
                )
            }
            Self::Unlisted => {
                "it has this cluster's key, but this node's corosync.conf does not list it".into()
            }
        }
    }
}

impl Node {
    /// A packet came to nothing.
    pub(crate) fn on_mismatch(&mut self, now: Now, from: NodeId, mismatch: Mismatch) {
        let mismatches = &mut self.unmerged.mismatches;
        if mismatches.contains_key(&from) || mismatches.len() < STRANGERS_MAX {
            mismatches.insert(from, (mismatch, now.at));
        }
    }

    /// Tells what has changed about those who are not merged.
    pub(crate) fn tell_unmerged(&mut self, now: Now) {
        let limit = self.links.timing().token * FORGET_AFTER_TOKENS;
        self.unmerged.mismatches.retain(|_, (_, at)| now.at < *at + limit);
        let outside = self.outside();
        self.unmerged.outside_since.retain(|id, _| outside.contains(id));
        for id in outside {
            self.unmerged.outside_since.entry(id).or_insert(now.at);
        }
        let reasons = self.unmerged_reasons(now);
        if reasons == self.unmerged.told {
            return;
        }
        let told = core::mem::replace(&mut self.unmerged.told, reasons.clone());
        for (id, why) in reasons.iter().filter(|(id, why)| told.get(id) != Some(*why)) {
            let text = format!("{} is reachable but not in the view: {why}", self.called(*id));
            let name = self.is_listed(*id).then(|| self.name_of(*id).clone());
            self.note(now, "membership", Level::Warning, text, name, None);
        }
    }

    /// What the status says of them.
    pub(crate) fn unmerged_alarms(&self, now: Now) -> impl Iterator<Item = String> {
        let reasons = self.unmerged_reasons(now).into_iter();
        reasons.map(|(id, why)| format!("{} is reachable but not in the view: {why}", self.called(id)))
    }

    pub(crate) fn unmerged_deadline(&self) -> Option<Instant> {
        let limit = self.links.timing().token * FORGET_AFTER_TOKENS;
        let forgotten = self.unmerged.mismatches.values().map(|(_, at)| *at + limit);
        let told = &self.unmerged.told;
        let noticed = self.unmerged.outside_since.iter().filter(|(id, _)| !told.contains_key(id));
        forgotten.chain(noticed.map(|(_, since)| *since + self.patience())).min()
    }

    /// The peers that are linked and not in the view.
    fn outside(&self) -> Vec<NodeId> {
        let Some(view) = &self.membership.view else { return Vec::new() };
        let peers = self.links.peers().filter(|(id, peer)| peer.is_linked() && !view.has(*id));
        peers.map(|(id, _)| id).collect()
    }

    fn unmerged_reasons(&self, now: Now) -> BTreeMap<NodeId, String> {
        let is_linked = |id: NodeId| self.links.peer(id).is_some_and(Peer::is_linked);
        let mismatches = self.unmerged.mismatches.iter().filter(|(id, _)| !is_linked(**id));
        let mut reasons: BTreeMap<NodeId, String> =
            mismatches.map(|(id, (mismatch, _))| (*id, mismatch.reason())).collect();
        let patience = self.patience();
        let outside = self.unmerged.outside_since.iter().filter(|(_, since)| now.at >= **since + patience);
        reasons.extend(outside.map(|(id, _)| (*id, self.why_not_merged(now, *id).to_string())));
        reasons
    }

    fn why_not_merged(&self, now: Now, id: NodeId) -> &'static str {
        let beat = self.links.peer(id).and_then(Peer::beat);
        if self.membership.is_distrusted(now.at, id) {
            "it did not answer a proposal in time"
        } else if self.is_excluded(now.at, id) {
            "it has left, or a fence device is at work on it"
        } else if beat.is_some_and(|beat| beat.config_digest != self.config_digest) {
            "its corosync.conf differs from this node's: `musterd reload` where it is old"
        } else {
            "not every member reaches it"
        }
    }

    fn is_listed(&self, id: NodeId) -> bool {
        self.corosync.nodes.iter().any(|node| node.id == id)
    }

    fn called(&self, id: NodeId) -> String {
        if self.is_listed(id) { self.name_of(id).to_string() } else { format!("node {id}") }
    }
}
