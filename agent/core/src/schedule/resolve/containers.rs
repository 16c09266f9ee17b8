//! The meta attribute `container`: what runs in a container runs where that is, after it has started.

use super::Resolver;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use muster_api::constraint::{Constraint, OrderKind};
use muster_api::id::ResourceId;
use muster_api::resource::{Group, Primitive, Resource, Score};

impl Resolver<'_> {
    /// A colocation and an order for everything that runs in a container.
    pub(super) fn container_constraints(&self) -> Vec<Constraint> {
        let mut constraints = Vec::new();
        for (filler, container) in self.config.resources.iter().flat_map(fillers) {
            let is_node = |container: &ResourceId| self.is_node(&filler, container);
            if filler != container && self.config.primitive(&container).is_some() && !is_node(&container) {
                constraints.push(beside(&filler, &container));
                constraints.push(after(&filler, &container));
            }
        }
        constraints
    }
}

impl Resolver<'_> {
    /// Whether a container is a node for what runs inside: then that is placed there.
    fn is_node(&self, filler: &ResourceId, container: &ResourceId) -> bool {
        let is_connection = |id: &ResourceId| {
            self.config.primitive(id).is_some_and(|primitive| primitive.agent.is_connection())
        };
        let is_guest =
            self.config.primitive(container).is_some_and(|host| host.meta.contains_key("remote-node"));
        !is_connection(filler) && (is_guest || is_connection(container))
    }
}

/// What runs in something, with what it runs in.
fn fillers(resource: &Resource) -> Vec<(ResourceId, ResourceId)> {
    match resource {
        Resource::Primitive(primitive) => filler(primitive, None).into_iter().collect(),
        Resource::Group(group) => {
            group.members.iter().filter_map(|member| filler(member, Some(group))).collect()
        }
        Resource::Clone(_) | Resource::Bundle(_) => Vec::new(),
    }
}

fn filler(primitive: &Primitive, group: Option<&Group>) -> Option<(ResourceId, ResourceId)> {
    let inherited = || group.and_then(|group| group.meta.get("container"));
    let container = primitive.meta.get("container").or_else(inherited)?;
    Some((primitive.id.clone(), container.as_str().into()))
}

fn beside(filler: &ResourceId, container: &ResourceId) -> Constraint {
    Constraint::Colocation {
        id: "#resource-with-container".to_string(),
        resource: filler.clone(),
        role: None,
        with: container.clone(),
        with_role: None,
        score: Score::INFINITY,
        node_attribute: None,
        influence: Some(true),
    }
}

fn after(filler: &ResourceId, container: &ResourceId) -> Constraint {
    Constraint::Order {
        id: format!("#{filler}-in-{container}"),
        first: container.clone(),
        first_action: "start".to_string(),
        then: filler.clone(),
        then_action: "start".to_string(),
        kind: OrderKind::Mandatory,
        symmetrical: true,
        require_all: true,
    }
}
