//! How a situation goes on: each decision with what it does, then where everything is at rest.

use super::Rehearsal;
use crate::schedule::{ActionKind, Decision};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use muster_api::constraint::RoleName;
use muster_api::id::{NodeName, ResourceId};
use serde::Serialize;

/// The decisions up to the silent one.
#[derive(Debug, Clone)]
pub struct Course {
    /// In order. The last one is silent, unless the cluster never comes to rest.
    pub decisions: Vec<Decision>,
    /// What had to be assumed for that, a sentence each.
    pub assumed: BTreeSet<String>,
    /// Who would have to be fenced, and no device is for it: what waits for that is not done.
    pub out_of_reach: Vec<NodeName>,
}

/// One action that would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepTaken {
    /// Actions of the same round are decided together, and depend only on each other.
    pub round: usize,
    /// `start`, `stop`, `promote`, `demote`, `migrate_to`, `migrate_from`, `reload-agent`, `fence`.
    pub op: String,
    /// Of which resource; nothing for a fencing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsc: Option<ResourceId>,
    /// On which node.
    pub node: NodeName,
}

impl Course {
    /// Carries a situation on until nothing is left to do.
    pub fn of(mut rehearsal: Rehearsal) -> Self {
        Self::led(&mut rehearsal)
    }

    /// The same; the situation is then the one at rest.
    pub(super) fn led(rehearsal: &mut Rehearsal) -> Self {
        let decisions = rehearsal.run_to_rest();
        let out_of_reach = rehearsal.out_of_reach(decisions.last());
        Self { decisions, assumed: rehearsal.announced.sentences(), out_of_reach }
    }

    /// Why it does not go on, a sentence for each node.
    pub fn stuck(&self) -> Vec<String> {
        let sentence = |node: &NodeName| {
            format!(
                "{node} must be fenced and no fence device is for it: what may run there is started nowhere else"
            )
        };
        self.out_of_reach.iter().map(sentence).collect()
    }

    /// The last decision.
    pub fn end(&self) -> Option<&Decision> {
        self.decisions.last()
    }

    /// Whether nothing is left to do at the end.
    pub fn comes_to_rest(&self) -> bool {
        self.end().is_none_or(|end| end.transition.actions.is_empty())
    }

    /// Who is fenced on the way.
    pub fn fenced(&self) -> Vec<NodeName> {
        let mut fenced: Vec<NodeName> =
            self.decisions.iter().flat_map(|decision| decision.fenced.keys().cloned()).collect();
        fenced.retain(|node| !self.out_of_reach.contains(node));
        fenced.sort();
        fenced.dedup();
        fenced
    }

    /// Where each primitive is at the end, and as what.
    pub fn active_at_rest(&self) -> BTreeMap<ResourceId, Vec<(NodeName, RoleName)>> {
        self.end().map(|end| end.active_after.clone()).unwrap_or_default()
    }

    /// What is done with resources and nodes, in order; no monitors.
    pub fn steps(&self) -> Vec<StepTaken> {
        let mut steps = Vec::new();
        for (round, decision) in self.decisions.iter().enumerate() {
            for action in in_order(decision) {
                steps.extend(step(round, action));
            }
        }
        steps
    }
}

/// Each action after those that it waits for.
fn in_order(decision: &Decision) -> Vec<&ActionKind> {
    let actions = &decision.transition.actions;
    let mut done: Vec<usize> = Vec::new();
    let mut is_done = alloc::vec![false; actions.len()];
    loop {
        let is_ready =
            |place: &usize| !is_done[*place] && actions[*place].after.iter().all(|before| is_done[*before]);
        let Some(next) = (0..actions.len()).find(is_ready) else { break };
        is_done[next] = true;
        done.push(next);
    }
    done.into_iter().map(|place| &actions[place].kind).collect()
}

fn step(round: usize, action: &ActionKind) -> Option<StepTaken> {
    match action {
        ActionKind::Resource { node, action, .. } if action.operation != "monitor" => Some(StepTaken {
            round,
            op: action.operation.clone(),
            rsc: Some(action.resource.clone()),
            node: node.clone(),
        }),
        ActionKind::Fence { node, .. } => {
            Some(StepTaken { round, op: "fence".into(), rsc: None, node: node.clone() })
        }
        _ => None,
    }
}

impl fmt::Display for Course {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((end, before)) = self.decisions.split_last() else { return Ok(()) };
        let mut step = 0;
        for line in before.iter().flat_map(|decision| &decision.report.consequences) {
            step += 1;
            writeln!(formatter, "{step:>3}. {line}")?;
        }
        if step == 0 {
            let can = if self.out_of_reach.is_empty() { "nothing to do" } else { "nothing can be done" };
            writeln!(formatter, "{can}")?;
        }
        self.stuck().iter().try_for_each(|why| writeln!(formatter, "alarm: {why}"))?;
        if !self.comes_to_rest() && self.out_of_reach.is_empty() {
            writeln!(formatter, "it does not come to rest: still to do after {} decisions:", before.len())?;
            end.report.consequences.iter().try_for_each(|line| writeln!(formatter, "  {line}"))?;
        }
        writeln!(formatter, "at rest:")?;
        for resource in &end.report.resources {
            writeln!(formatter, "  {}: {}", resource.id, resource.why)?;
        }
        self.assumed.iter().try_for_each(|sentence| writeln!(formatter, "{sentence}"))
    }
}
