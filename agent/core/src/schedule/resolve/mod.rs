//! The configuration as it counts now: rules are evaluated, tags and sets and patterns become plain constraints, node
//! health becomes locations. What comes out says the same and has only plain values, locations, colocations, orders
//! and tickets of single resources.

mod condition;
mod containers;
mod health;
mod locations;
mod pattern;
mod sets;
mod values;

use super::nodes::NodeState;
use super::{Situation, implied};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use condition::Facts;
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::Constraint;
use muster_api::id::{NodeName, ResourceId};

/// A node's attributes, also those that it has without anybody having set them.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A configuration without conditions.
#[derive(Debug)]
pub(crate) struct Resolved<'a> {
    pub(crate) config: Cow<'a, ClusterConfig>,
    /// The next moment at which a rule may say something else, milliseconds since the epoch.
    pub(crate) next_change_ms: Option<u64>,
}

/// Everything that rules ask about.
pub(super) struct Resolver<'a> {
    pub(super) config: &'a ClusterConfig,
    pub(super) now_s: i64,
    pub(super) nodes: BTreeMap<NodeName, Attributes>,
}

/// Resolves the configuration of a situation.
pub(crate) fn resolve<'a>(situation: &Situation<'a>, states: &BTreeMap<NodeName, NodeState>) -> Resolved<'a> {
    let config = situation.config;
    let now_s = i64::try_from(situation.now_ms / 1000).unwrap_or(i64::MAX);
    let nodes = states.iter().map(|(name, state)| (name.clone(), attributes(config, name, state))).collect();
    let resolver = Resolver { config, now_s, nodes };
    let values = implied::with_guests(resolver.with_plain_values());
    let resolver = Resolver { config: &values, ..resolver };
    let constraints = resolver.plain_constraints();
    let next_change_ms = condition::next_change_s(situation.config, now_s)
        .and_then(|at_s| u64::try_from(at_s).ok())
        .map(|at_s| at_s.saturating_mul(1000));
    let config = match constraints {
        Some(constraints) => {
            let mut plain = values.into_owned();
            plain.constraints = constraints;
            Cow::Owned(plain)
        }
        None => values,
    };
    Resolved { config, next_change_ms }
}

/// Permanent attributes, transient ones over them, and those that are known without being set.
pub(crate) fn attributes(config: &ClusterConfig, name: &NodeName, state: &NodeState) -> Attributes {
    let mut attributes = config.node_attributes.get(name).cloned().unwrap_or_default();
    attributes.extend(state.attributes.clone());
    attributes.insert("#uname".to_string(), name.to_string());
    attributes.entry("#id".to_string()).or_insert_with(|| name.to_string());
    let kind = if !state.is_remote {
        "cluster"
    } else if config.primitives().any(|(primitive, _)| primitive.id.as_str() == name.as_str()) {
        "remote"
    } else {
        "container"
    };
    attributes.entry("#kind".to_string()).or_insert_with(|| kind.to_string());
    attributes.insert("#is_dc".to_string(), state.is_coordinator.to_string());
    if let Some(cluster) = config.properties.get("cluster-name") {
        attributes.insert("#cluster-name".to_string(), cluster.clone());
        let site = attributes.get("site-name").unwrap_or(cluster).clone();
        attributes.insert("#site-name".to_string(), site);
    }
    attributes
}

impl Resolver<'_> {
    /// The constraints in plain form; `None` where they are plain already.
    fn plain_constraints(&self) -> Option<Vec<Constraint>> {
        let mut implied = self.health_locations();
        implied.extend(self.container_constraints());
        if implied.is_empty() && self.config.constraints.iter().all(|constraint| self.is_plain(constraint)) {
            return None;
        }
        let mut plain = implied;
        for constraint in &self.config.constraints {
            match constraint {
                _ if self.is_plain(constraint) => plain.push(constraint.clone()),
                Constraint::Location { .. } | Constraint::LocationRule { .. } => {
                    plain.extend(self.plain_locations(constraint));
                }
                Constraint::Colocation { .. } | Constraint::ColocationSets { .. } => {
                    plain.extend(self.plain_colocations(constraint));
                }
                Constraint::Order { .. } | Constraint::OrderSets { .. } => {
                    plain.extend(self.plain_orders(constraint));
                }
                Constraint::Ticket { .. } => plain.extend(self.plain_tickets(constraint)),
            }
        }
        Some(plain)
    }

    fn is_plain(&self, constraint: &Constraint) -> bool {
        let names_tag = || constraint.resources().iter().any(|id| self.config.tags.contains_key(*id));
        match constraint {
            Constraint::Location { .. } | Constraint::Colocation { .. } | Constraint::Order { .. } => {
                !names_tag()
            }
            _ => false,
        }
    }

    /// The resources that an id stands for: those of a tag, else itself.
    pub(super) fn expand<'s>(&'s self, id: &'s ResourceId) -> &'s [ResourceId] {
        match self.config.tags.get(id) {
            Some(tagged) if self.is_tag(id) => tagged,
            _ => core::slice::from_ref(id),
        }
    }

    pub(super) fn is_tag(&self, id: &ResourceId) -> bool {
        self.config.tags.contains_key(id) && !self.is_resource(id)
    }

    fn is_resource(&self, id: &ResourceId) -> bool {
        self.config.resources.iter().any(|resource| resource.id() == id)
    }

    /// What is known to rules that are about no node.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts::at(self.now_s)
    }
}
