//! "What if": what is assumed before a situation is decided.

use super::Rehearsal;
use crate::schedule::explain::{Unknown, unknown};
use crate::schedule::{Decision, Question, explain};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::explanation::Explanation;
use muster_api::id::{NodeName, ResourceId};

/// What is assumed; nothing by default. Names are as a person gave them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WhatIf {
    /// `KEY=VALUE` of cluster properties.
    pub set: Vec<String>,
    /// Quorum is held, or lost, whatever the votes say.
    pub is_quorate: Option<bool>,
    /// Nodes that came back.
    pub node_up: Vec<String>,
    /// Nodes in standby.
    pub standby: Vec<String>,
    /// `RESOURCE[@NODE]` that failed.
    pub fail: Vec<String>,
    /// Nodes that vanished.
    pub node_down: Vec<String>,
}

/// What is assumed cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// There is no such node or resource.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// What runs nowhere cannot fail.
    #[error("`{0}` runs nowhere, so it cannot fail; name a node: `--fail {0}@NODE`")]
    RunsNowhere(String),
    /// A property without a value.
    #[error("`--set` needs `KEY=VALUE`, found `{0}`")]
    Setting(String),
}

impl WhatIf {
    /// Whether anything is assumed.
    pub fn is_asked(&self) -> bool {
        *self != Self::default()
    }

    /// Changes a situation so.
    ///
    /// # Errors
    ///
    /// A node or resource that is not there; the situation is changed in part.
    pub fn apply(&self, rehearsal: &mut Rehearsal) -> Result<(), WhatIfError> {
        for setting in &self.set {
            let (name, value) =
                setting.split_once('=').ok_or_else(|| WhatIfError::Setting(setting.clone()))?;
            rehearsal.config.properties.insert(name.trim().to_string(), value.trim().to_string());
        }
        for name in &self.node_up {
            let node = find_node(rehearsal, name)?;
            rehearsal.bring_back(&node);
        }
        for name in &self.standby {
            let node = find_node(rehearsal, name)?;
            rehearsal.states.entry(node).or_default().is_standby = true;
        }
        for failure in &self.fail {
            apply_failure(rehearsal, failure)?;
        }
        for name in &self.node_down {
            let node = find_node(rehearsal, name)?;
            rehearsal.lose(&node);
        }
        if let Some(is_quorate) = self.is_quorate {
            rehearsal.is_quorate = is_quorate;
        }
        Ok(())
    }
}

fn find_node(rehearsal: &Rehearsal, name: &str) -> Result<NodeName, WhatIfError> {
    let node = NodeName::from(name);
    if rehearsal.states.contains_key(&node) {
        return Ok(node);
    }
    let known = rehearsal.states.keys().map(ToString::to_string).collect();
    Err(unknown("node", name, known).into())
}

fn apply_failure(rehearsal: &mut Rehearsal, failure: &str) -> Result<(), WhatIfError> {
    let (name, node) = match failure.split_once('@') {
        Some((name, node)) => (name, Some(find_node(rehearsal, node)?)),
        None => (failure, None),
    };
    let resource = ResourceId::from(name);
    if rehearsal.config.primitive(&resource).is_none() {
        let known = rehearsal.config.primitives().map(|(primitive, _)| primitive.id.to_string()).collect();
        return Err(unknown("resource", name, known).into());
    }
    let nodes = match node {
        Some(node) => alloc::vec![node],
        None => places(&rehearsal.decide(), &resource),
    };
    if nodes.is_empty() {
        return Err(WhatIfError::RunsNowhere(name.to_string()));
    }
    nodes.iter().for_each(|node| rehearsal.fail(&resource, node));
    Ok(())
}

/// Where a resource is active at the moment of a decision.
pub(super) fn places(decision: &Decision, resource: &ResourceId) -> Vec<NodeName> {
    let named = decision.report.resources.iter().filter(|status| status.id == *resource);
    let mut nodes: Vec<NodeName> = named.flat_map(|status| status.nodes.clone()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

impl Rehearsal {
    /// Why a resource is where it is, or nowhere.
    ///
    /// # Errors
    ///
    /// There is no such resource or node.
    pub fn why(&self, resource: &str, on: Option<&str>) -> Result<Explanation, Unknown> {
        let facts = Default::default();
        let question = Question { resource, on, fencing: &self.fencing };
        explain(&self.situation(&facts), &self.states, question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::NodeState;
    use crate::schedule::rehearsal::votes::Votes;
    use alloc::vec;

    fn of_nodes(names: &[&str]) -> Rehearsal {
        let online = NodeState { is_online: true, ..NodeState::default() };
        let states = names.iter().map(|name| (NodeName::from(*name), online.clone())).collect();
        Rehearsal { states, is_quorate: true, ..Rehearsal::default() }
    }

    #[test]
    fn a_mistyped_node_is_named_with_the_nearest_one() {
        let what_if = WhatIf { node_down: vec!["nn1".into()], ..WhatIf::default() };
        let error = what_if.apply(&mut of_nodes(&["n1"])).unwrap_err().to_string();
        assert_eq!(error, "unknown node `nn1`: did you mean `n1`?");
    }

    #[test]
    fn a_setting_needs_a_value() {
        let what_if = WhatIf { set: vec!["maintenance-mode".into()], ..WhatIf::default() };
        let expected = Err(WhatIfError::Setting("maintenance-mode".into()));
        assert_eq!(what_if.apply(&mut of_nodes(&["n1"])), expected);
    }

    #[test]
    fn a_lost_node_is_no_member_and_lost_quorum_counts() {
        let mut rehearsal = of_nodes(&["n1"]);
        let what_if = WhatIf { node_down: vec!["n1".into()], is_quorate: Some(false), ..WhatIf::default() };
        what_if.apply(&mut rehearsal).unwrap();
        assert!(rehearsal.members().is_empty());
        assert!(!rehearsal.is_quorate);
    }

    #[test]
    fn where_votes_are_known_the_second_of_three_nodes_takes_quorum_with_it() {
        let mut rehearsal = of_nodes(&["n1", "n2", "n3"]);
        rehearsal.votes = Votes::one_each(&rehearsal.members());
        rehearsal.lose(&"n1".into());
        assert!(rehearsal.is_quorate);
        rehearsal.lose(&"n2".into());
        assert!(!rehearsal.is_quorate);
        rehearsal.bring_back(&"n1".into());
        assert!(rehearsal.is_quorate);
    }

    #[test]
    fn one_of_two_nodes_goes_on() {
        let mut rehearsal = of_nodes(&["n1", "n2"]);
        rehearsal.votes = Votes::one_each(&rehearsal.members());
        rehearsal.lose(&"n1".into());
        assert!(rehearsal.is_quorate);
    }
}
