//! The nodes side by side: scores, and why one is chosen and others are not.

use super::Explaining;
use crate::schedule::nodes::NodeIx;
use crate::schedule::world::RscIx;
use alloc::string::ToString;
use alloc::vec::Vec;
use muster_api::explanation::{Place, ScorePart};
use muster_api::resource::Score;

impl Explaining<'_, '_> {
    /// Every node, or one of them in detail.
    pub(super) fn places(&self, rsc: RscIx, on: Option<NodeIx>) -> Vec<Place> {
        let nodes = self.world.node_indexes().filter(|node| !self.world[*node].is_bundled);
        let asked = nodes.filter(|node| on.is_none_or(|on| on == *node));
        asked.map(|node| self.place(rsc, node, on.is_some())).collect()
    }

    fn place(&self, whole: RscIx, node: NodeIx, in_detail: bool) -> Place {
        let rsc = self.instance_on(whole, Some(node)).unwrap_or_else(|| self.decisive(whole));
        let leaves = self.world.leaves(whole);
        let is_chosen = leaves.iter().any(|leaf| self.will_run(*leaf) == Some(node) && self.can_start(*leaf));
        let is_active = leaves.iter().any(|leaf| self.world[*leaf].running_on.contains(&node));
        let obstacles = self.obstacles(rsc, node, &mut alloc::vec![rsc]);
        let is_possible = obstacles.is_empty();
        let reasons = match (is_chosen, self.general(rsc)) {
            // What holds everywhere was said, and scores say nothing beside it.
            (_, Some(_)) => Vec::new(),
            (true, None) => alloc::vec![self.attraction(rsc, node, &mut alloc::vec![rsc])],
            (false, None) => obstacles,
        };
        Place {
            node: self.world[node].name.clone(),
            is_active,
            is_chosen,
            is_possible,
            score: self.world[rsc].scores.get(&node).copied(),
            promotion_score: self.promotion_score(whole, rsc, node),
            parts: if in_detail { self.score_parts(rsc, node) } else { Vec::new() },
            reasons,
        }
    }

    fn promotion_score(&self, whole: RscIx, instance: RscIx, node: NodeIx) -> Option<Score> {
        let promotable = self.world[whole].copies().is_some_and(|copies| copies.is_promotable);
        let is_there = self.world.place_of(instance) == Some(node);
        let ranked = self.world.children(whole).iter().find(|child| self.is_within(instance, **child))?;
        (promotable && is_there).then(|| self.world[*ranked].promotion)
    }

    /// What was added, and where that is not all, the rest.
    fn score_parts(&self, rsc: RscIx, node: NodeIx) -> Vec<ScorePart> {
        let notes = self.world[rsc].notes.iter().filter(|note| note.node.is_none_or(|there| there == node));
        let mut parts: Vec<ScorePart> =
            notes.map(|note| ScorePart { score: note.score, why: note.why.clone() }).collect();
        parts.dedup();
        let score = self.world[rsc].scores.get(&node).copied().unwrap_or_default();
        let sum = parts.iter().fold(Score(0), |sum, part| sum + part.score);
        if score > Score::MINUS_INFINITY && score < Score::INFINITY && sum != score {
            let why = "what it is colocated with likes or dislikes the node".to_string();
            parts.push(ScorePart { score: Score(score.0.saturating_sub(sum.0)), why });
        }
        parts
    }
}
