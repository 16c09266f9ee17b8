//! What a clone is: how many copies there may be, where, and which of them may be promoted.

use super::implied::BundleParts;
use super::meta::Layers;
use super::world::RscIx;
use alloc::vec::Vec;
use muster_api::copies::COPIES_MAX;

/// The instances of a clone.
#[derive(Debug)]
pub(crate) struct Copies {
    /// Primitives or groups.
    pub(crate) instances: Vec<RscIx>,
    /// `clone-max`.
    pub(crate) max: usize,
    /// `clone-node-max`: more than one only where the instances differ.
    pub(crate) max_on_node: usize,
    /// `clone-min`: how many must run before what depends on them may.
    pub(crate) min: usize,
    pub(crate) is_promotable: bool,
    /// `promoted-max` and `promoted-node-max`.
    pub(crate) promoted_max: usize,
    pub(crate) promoted_max_on_node: usize,
    /// `globally-unique`.
    pub(crate) is_unique: bool,
    /// `ordered`: one instance after the other.
    pub(crate) is_ordered: bool,
    /// `interleave`: what comes after another clone only waits for the instance on its own node.
    pub(crate) is_interleaved: bool,
    /// `notify`: its instances hear what happens to the others.
    pub(crate) notifies: bool,
    /// It is being decided, or has been, which instances are promoted.
    pub(crate) is_ranked: bool,
    /// The promotion scores have been added to the scores of the nodes.
    pub(crate) has_promotion_scores: bool,
}

impl Copies {
    pub(crate) fn read(meta: &Layers<'_>, nodes: usize, can_differ: bool) -> Self {
        let is_unique = can_differ && meta.flag("globally-unique", false);
        let is_promotable = meta.flag("promotable", false);
        let max_on_node = meta.count("clone-node-max").unwrap_or(1);
        let max = meta.count("clone-max").unwrap_or(nodes.max(1));
        let of_promoted = |new: &str, old: &str| meta.count(new).or_else(|| meta.count(old)).unwrap_or(1);
        Self {
            instances: Vec::new(),
            max: if is_unique { max.min(COPIES_MAX) } else { max },
            max_on_node: if is_unique { max_on_node } else { max_on_node.min(1) },
            min: meta.count("clone-min").unwrap_or(0),
            is_promotable,
            promoted_max: if is_promotable { of_promoted("promoted-max", "master-max") } else { 0 },
            promoted_max_on_node: of_promoted("promoted-node-max", "master-node-max"),
            is_unique,
            is_ordered: meta.flag("ordered", false),
            is_interleaved: meta.flag("interleave", false),
            notifies: meta.flag("notify", false),
            is_ranked: false,
            has_promotion_scores: false,
        }
    }

    /// How many instances there are before the history is read. Those of an anonymous clone that found no node could not be told
    /// from each other: there are as many as nodes have room for, and one more where a record needs it.
    pub(crate) fn known_at_first(&self, nodes: usize) -> usize {
        let bound = if self.is_unique { self.max } else { nodes.saturating_mul(self.max_on_node) };
        // Even where there may be none, what runs has to belong to something.
        self.max.min(bound).max(1)
    }

    /// Whether one more instance may be there, of those that could not be told from each other.
    pub(crate) fn has_spare(&self) -> bool {
        !self.is_unique && self.instances.len() < self.max
    }

    /// The containers of a bundle: each has a name of its own, and none has a role.
    pub(crate) fn of_bundle(meta: &Layers<'_>, parts: &BundleParts) -> Self {
        Self {
            instances: Vec::new(),
            max: parts.replicas.len(),
            max_on_node: parts.max_on_node,
            min: meta.count("clone-min").unwrap_or(0),
            is_promotable: false,
            promoted_max: 0,
            promoted_max_on_node: 0,
            is_unique: true,
            is_ordered: false,
            is_interleaved: meta.flag("interleave", false),
            notifies: meta.flag("notify", false),
            is_ranked: false,
            has_promotion_scores: false,
        }
    }
}
