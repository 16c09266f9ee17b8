//! What it costs to let nodes go down on purpose: their resources are moved away first, their votes are missing while they
//! are away.

use super::single_faults::{Stopped, fault};
use super::{Rehearsal, WhatIf};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::id::{NodeName, ResourceId};

/// What an absence comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Whether the others are quorate meanwhile.
    pub is_quorate: bool,
    /// What runs elsewhere once the nodes are in standby.
    pub moved: Vec<ResourceId>,
    /// What runs nowhere then, or with fewer instances.
    pub stopped: Vec<Stopped>,
}

impl Absence {
    /// That of these nodes, from the cluster at rest: what is on its way anyway is no consequence of it.
    pub fn of(rehearsal: &Rehearsal, nodes: &[NodeName]) -> Self {
        let mut calm = rehearsal.clone();
        let before = calm.run_to_rest().pop();
        let mut without = calm.clone();
        nodes.iter().for_each(|node| without.lose(node));
        let mut absence = Self { is_quorate: without.is_quorate, moved: Vec::new(), stopped: Vec::new() };
        let standby: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        // A node that the scheduler does not know runs nothing.
        let _ = WhatIf { standby, ..WhatIf::default() }.apply(&mut calm);
        if let Some(before) = before {
            let cost = fault(String::new(), calm, &before);
            (absence.moved, absence.stopped) = (cost.moved, cost.stopped);
        }
        absence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::cluster::ClusterConfig;
    use muster_api::constraint::{Constraint, Discovery};
    use muster_api::resource::{AgentName, Primitive, Resource, Score};

    fn cluster(nodes: usize) -> Rehearsal {
        let vip = Resource::Primitive(Primitive {
            id: "vip".into(),
            agent: AgentName::parse("ocf:heartbeat:Dummy").expect("it is a name"),
            params: [].into(),
            meta: [].into(),
            operations: Vec::new(),
        });
        let config = ClusterConfig {
            properties: [("stonith-enabled".to_string(), "false".to_string())].into(),
            resources: alloc::vec![vip],
            ..ClusterConfig::default()
        };
        let names = ["n1", "n2", "n3", "n4"].map(NodeName::from);
        let mut rehearsal = Rehearsal::from_nothing(config, &names[..nodes], 1_000_000);
        rehearsal.run_to_rest();
        rehearsal
    }

    #[test]
    fn what_runs_on_a_node_that_goes_down_runs_elsewhere() {
        let cluster = cluster(2);
        let absences = ["n1", "n2"].map(|node| Absence::of(&cluster, &[node.into()]));
        assert!(absences.iter().all(|absence| absence.is_quorate && absence.stopped.is_empty()));
        let moved: usize = absences.iter().map(|absence| absence.moved.len()).sum();
        assert_eq!(moved, 1, "one of them runs it: {absences:?}");
    }

    #[test]
    fn too_many_at_once_cost_the_quorum() {
        let cluster = cluster(4);
        assert!(Absence::of(&cluster, &["n1".into()]).is_quorate);
        assert!(!Absence::of(&cluster, &["n1".into(), "n2".into()]).is_quorate);
    }

    #[test]
    fn what_may_run_nowhere_else_is_named_with_the_reason() {
        let mut cluster = cluster(2);
        cluster.config.constraints.push(Constraint::Location {
            id: "only-n1".into(),
            resource: "vip".into(),
            node: "n2".into(),
            score: Score::MINUS_INFINITY,
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        });
        cluster.run_to_rest();
        let absence = Absence::of(&cluster, &["n1".into()]);
        assert_eq!(absence.stopped.len(), 1, "{absence:?}");
        assert_eq!((absence.stopped[0].runs, absence.stopped[0].resource.as_str()), (0, "vip"));
        assert!(Absence::of(&cluster, &["n2".into()]).stopped.is_empty());
    }
}
