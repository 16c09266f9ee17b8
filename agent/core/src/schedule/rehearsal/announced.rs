//! Promotion scores that agents would announce. Who rehearses cannot run an agent; without a score nothing is promoted. So a copy of
//! a promotable clone that starts where nothing is known of it is taken to do what such agents do: it announces a score when it
//! starts, the highest when it is promoted, and takes it back when it stops.

use super::Rehearsal;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use muster_api::cluster::parse_bool;
use muster_api::history::ResourceAction;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::Resource;

/// For which resources scores were assumed, and on which nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced(BTreeSet<(ResourceId, NodeName)>);

impl Announced {
    /// A sentence for each resource, for who reads what follows from it.
    pub fn sentences(&self) -> BTreeSet<String> {
        let sentence = |(id, _): &(ResourceId, NodeName)| {
            format!("assumed: each copy of {id} announces the same promotion score when it starts")
        };
        self.0.iter().map(sentence).collect()
    }
}

impl Rehearsal {
    /// What the agent would announce now that it has done this.
    pub(super) fn announce(&mut self, node: &NodeName, action: &ResourceAction) {
        let of_copy = (action.resource.clone(), node.clone());
        let name = format!("master-{}", action.resource);
        let own = self.states.get(node).and_then(|state| state.attributes.get(&name));
        let is_assumed = match action.operation.as_str() {
            "start" => own.is_none() && self.is_promotable(&action.resource),
            _ => self.announced.0.contains(&of_copy),
        };
        if !is_assumed {
            return;
        }
        let score = match action.operation.as_str() {
            "start" | "demote" => self.scores(&name, Some(node)).min().unwrap_or(1),
            "promote" => self.scores(&name, None).max().unwrap_or(0).saturating_add(1),
            "stop" => {
                self.announced_nothing(node, &name);
                return;
            }
            _ => return,
        };
        self.states.entry(node.clone()).or_default().attributes.insert(name, score.to_string());
        self.announced.0.insert(of_copy);
    }

    fn announced_nothing(&mut self, node: &NodeName, name: &str) {
        if let Some(state) = self.states.get_mut(node) {
            state.attributes.remove(name);
        }
    }

    /// The scores that can promote, on all nodes or on all others.
    fn scores<'s>(&'s self, name: &'s str, without: Option<&'s NodeName>) -> impl Iterator<Item = i32> + 's {
        let others = self.states.iter().filter(move |(node, _)| Some(*node) != without);
        let said = others.filter_map(move |(_, state)| state.attributes.get(name)?.parse().ok());
        said.filter(|score| *score > 0)
    }

    fn is_promotable(&self, id: &ResourceId) -> bool {
        self.config.resources.iter().any(|resource| {
            let Resource::Clone(clone) = resource else { return false };
            clone.meta.get("promotable").and_then(|text| parse_bool(text)).unwrap_or(false)
                && resource.primitives().iter().any(|primitive| primitive.id == *id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Course, SingleFaults};
    use super::*;
    use crate::schedule::NodeState;
    use alloc::vec;
    use alloc::vec::Vec;
    use muster_api::cluster::ClusterConfig;
    use muster_api::constraint::RoleName;
    use muster_api::resource::{AgentName, CloneSet, Content, Primitive};

    fn promotable() -> Rehearsal {
        let agent = AgentName::parse("ocf:pacemaker:Stateful").unwrap();
        let (params, meta, operations) = (Default::default(), Default::default(), Vec::new());
        let db = Primitive { id: "db".into(), agent, params, meta, operations };
        let meta = [("promotable".to_string(), "true".to_string())].into();
        let clone = CloneSet { id: "db-clone".into(), content: Content::Primitive(db), meta };
        let mut config =
            ClusterConfig { resources: vec![Resource::Clone(clone)], ..ClusterConfig::default() };
        config.properties.insert("stonith-enabled".into(), "false".into());
        Rehearsal::from_nothing(config, &["n1".into(), "n2".into(), "n3".into()], 1_000_000)
    }

    fn promoted(course: &Course) -> Vec<NodeName> {
        let places = course.active_at_rest().remove(&ResourceId::from("db")).unwrap_or_default();
        places.into_iter().filter(|(_, role)| *role == RoleName::Promoted).map(|(node, _)| node).collect()
    }

    #[test]
    fn of_a_new_promotable_clone_one_copy_is_promoted_and_the_report_says_what_was_assumed() {
        let course = Course::of(promotable());
        assert_eq!(promoted(&course), ["n1".into()]);
        assert!(course.comes_to_rest());
        let text = course.to_string();
        assert!(text.contains("assumed: each copy of db announces the same promotion score"), "{text}");
    }

    #[test]
    fn who_comes_back_does_not_take_the_promotion_away() {
        let mut rehearsal = promotable();
        rehearsal.run_to_rest();
        rehearsal.lose(&"n1".into());
        rehearsal.run_to_rest();
        rehearsal.bring_back(&"n1".into());
        assert_eq!(promoted(&Course::of(rehearsal)), ["n2".into()]);
    }

    #[test]
    fn what_agents_have_said_is_not_assumed() {
        let mut rehearsal = promotable();
        for (node, score) in [("n1", "5"), ("n2", "100"), ("n3", "5")] {
            let state: &mut NodeState = rehearsal.states.get_mut(&NodeName::from(node)).unwrap();
            state.attributes.insert("master-db".to_string(), score.to_string());
        }
        let course = Course::of(rehearsal);
        assert_eq!(promoted(&course), ["n2".into()]);
        assert!(!course.to_string().contains("assumed"));
    }

    #[test]
    fn a_fault_of_the_promoted_copy_is_survived_by_another() {
        let faults = SingleFaults::of(&promotable());
        assert!(faults.to_string().contains("assumed: each copy of db"));
        assert!(faults.faults.iter().any(|fault| fault.fault == "node n1 lost"));
    }
}
