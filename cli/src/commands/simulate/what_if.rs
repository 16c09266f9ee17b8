//! "What if": changes to a situation before it is decided, and how it goes on until nothing is left to do.

use crate::suggest::did_you_mean;
use clap::Args;
use muster_api::id::{NodeName, ResourceId};
use muster_core::schedule::{Decision, Rehearsal};
use std::fmt;

/// Options that change what is decided from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WhatIfArgs {
    /// As if this node had vanished; may be given several times
    #[arg(long, value_name = "NODE")]
    pub(crate) node_down: Vec<String>,
    /// As if this node had come back
    #[arg(long, value_name = "NODE")]
    pub(crate) node_up: Vec<String>,
    /// As if this node were in standby
    #[arg(long, value_name = "NODE")]
    pub(crate) standby: Vec<String>,
    /// As if this resource had failed, wherever it runs or on that node
    #[arg(long, value_name = "RESOURCE[@NODE]")]
    pub(crate) fail: Vec<String>,
    /// As if this cluster property were set
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// As if quorum were lost, or held
    #[arg(long, value_name = "STATE")]
    pub(crate) quorum: Option<Quorum>,
    /// Try every single fault: each node lost, each resource failed where it runs, quorum lost
    #[arg(long)]
    pub(crate) all_single_faults: bool,
}

/// `--quorum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Quorum {
    /// The members are not quorate
    Lost,
    /// The members are quorate
    Held,
}

/// What is assumed cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WhatIfError {
    #[error("there is no node `{name}`{hint}")]
    Node { name: String, hint: String },
    #[error("there is no resource `{name}`{hint}")]
    Resource { name: String, hint: String },
    #[error("`{0}` runs nowhere, so it cannot fail; name a node: `--fail {0}@NODE`")]
    RunsNowhere(String),
    #[error("`--set` needs `KEY=VALUE`, found `{0}`")]
    Setting(String),
}

impl WhatIfArgs {
    /// Whether anything is assumed.
    pub(crate) fn is_asked(&self) -> bool {
        !(self.node_down.is_empty()
            && self.node_up.is_empty()
            && self.standby.is_empty()
            && self.fail.is_empty()
            && self.set.is_empty()
            && self.quorum.is_none())
    }

    /// Changes a situation as the options say.
    ///
    /// # Errors
    ///
    /// A node or resource that is not there; the situation is changed in part.
    pub(crate) fn apply(&self, rehearsal: &mut Rehearsal) -> Result<(), WhatIfError> {
        for setting in &self.set {
            let (name, value) =
                setting.split_once('=').ok_or_else(|| WhatIfError::Setting(setting.clone()))?;
            rehearsal.config.properties.insert(name.trim().to_string(), value.trim().to_string());
        }
        if let Some(quorum) = self.quorum {
            rehearsal.is_quorate = quorum == Quorum::Held;
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
        Ok(())
    }
}

fn find_node(rehearsal: &Rehearsal, name: &str) -> Result<NodeName, WhatIfError> {
    let node = NodeName::from(name);
    if rehearsal.states.contains_key(&node) {
        return Ok(node);
    }
    let hint = hint(name, rehearsal.states.keys().map(NodeName::as_str));
    Err(WhatIfError::Node { name: name.to_string(), hint })
}

fn hint<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    did_you_mean(name, known).map_or(String::new(), |hint| format!("; {hint}"))
}

fn apply_failure(rehearsal: &mut Rehearsal, failure: &str) -> Result<(), WhatIfError> {
    let (name, node) = match failure.split_once('@') {
        Some((name, node)) => (name, Some(find_node(rehearsal, node)?)),
        None => (failure, None),
    };
    let resource = ResourceId::from(name);
    if rehearsal.config.primitive(&resource).is_none() {
        let known = rehearsal.config.primitives().map(|(primitive, _)| primitive.id.as_str());
        return Err(WhatIfError::Resource { name: name.to_string(), hint: hint(name, known) });
    }
    let nodes = match node {
        Some(node) => vec![node],
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

/// How a situation goes on: each decision with what it does, then where everything is at rest.
pub(super) struct Course {
    pub(super) decisions: Vec<Decision>,
}

impl Course {
    pub(super) fn of(mut rehearsal: Rehearsal) -> Self {
        Self { decisions: rehearsal.run_to_rest() }
    }

    /// The last decision: silent, unless the cluster never comes to rest.
    pub(super) fn end(&self) -> Option<&Decision> {
        self.decisions.last()
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
            writeln!(formatter, "nothing to do")?;
        }
        if !end.transition.actions.is_empty() {
            writeln!(formatter, "it does not come to rest: still to do after {} decisions:", before.len())?;
            end.report.consequences.iter().try_for_each(|line| writeln!(formatter, "  {line}"))?;
        }
        writeln!(formatter, "at rest:")?;
        for resource in &end.report.resources {
            writeln!(formatter, "  {}: {}", resource.id, resource.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::cluster::ClusterConfig;
    use muster_api::history::History;
    use muster_core::schedule::NodeState;

    fn rehearsal() -> Rehearsal {
        let online = NodeState { is_online: true, ..NodeState::default() };
        Rehearsal {
            config: ClusterConfig::default(),
            states: [("n1".into(), online)].into(),
            history: History::default(),
            is_quorate: true,
            now_ms: 0,
        }
    }

    #[test]
    fn a_mistyped_node_is_named_with_the_nearest_one() {
        let args = WhatIfArgs { node_down: vec!["n2".into()], ..WhatIfArgs::default() };
        let error = args.apply(&mut rehearsal()).unwrap_err().to_string();
        assert!(error.starts_with("there is no node `n2`"), "{error}");
    }

    #[test]
    fn a_setting_needs_a_value() {
        let args = WhatIfArgs { set: vec!["maintenance-mode".into()], ..WhatIfArgs::default() };
        assert_eq!(args.apply(&mut rehearsal()), Err(WhatIfError::Setting("maintenance-mode".into())));
    }

    #[test]
    fn a_lost_node_is_no_member_and_lost_quorum_counts() {
        let mut rehearsal = rehearsal();
        let quorum = Some(Quorum::Lost);
        let args = WhatIfArgs { node_down: vec!["n1".into()], quorum, ..WhatIfArgs::default() };
        args.apply(&mut rehearsal).unwrap();
        assert!(rehearsal.members().is_empty());
        assert!(!rehearsal.is_quorate);
    }
}
