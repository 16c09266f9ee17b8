//! `<nodes>`: names, permanent attributes, base scores.

use super::resources::read_utilization;
use super::xml::{self, Element};
use super::{CibError, DesiredNode, Imported};
use muster_api::constraint::Discovery;
use muster_api::id::NodeName;
use muster_api::resource::{Constraint, Score};
use muster_core::schedule::{NodeState, connected_nodes};

pub(super) fn read(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for node in xml::children(section) {
        if !node.has_tag_name("node") {
            return Err(xml::unsupported(node, format!("`<{}>`", node.tag_name().name())));
        }
        let is_remote = match node.attribute("type") {
            None | Some("member" | "normal" | "") => false,
            Some("remote") => true,
            Some(other) => return Err(xml::unsupported(node, format!("a node of type `{other}`"))),
        };
        let name = NodeName::from(xml::required(node, "uname")?);
        let attributes = xml::values(&[node], "instance_attributes")?.plain;
        imported.nodes.push(DesiredNode {
            name: name.clone(),
            id: node.attribute("id").map(str::to_string),
            is_remote,
            score: node.attribute("score").and_then(Score::parse),
        });
        let capacity = read_utilization(&[node])?;
        if !capacity.is_empty() {
            imported.config.node_utilization.insert(name.clone(), capacity);
        }
        if !attributes.is_empty() {
            imported.config.node_attributes.insert(name.clone(), attributes);
        }
        imported.states.insert(name, NodeState { is_unseen: true, is_remote, ..NodeState::default() });
    }
    Ok(())
}

/// Remote nodes, guest nodes and the insides of bundles are nodes although nothing but their connection is configured.
pub(super) fn add_connected(imported: &mut Imported) {
    for name in connected_nodes(&imported.config) {
        let unseen = NodeState { is_unseen: true, ..NodeState::default() };
        imported.states.entry(name).or_insert(unseen).is_remote = true;
    }
}

/// A node's own `score` is a liking that every resource has for it.
pub(super) fn add_base_scores(imported: &mut Imported) {
    let primitives: Vec<_> =
        imported.config.primitives().map(|(primitive, _)| primitive.id.clone()).collect();
    for DesiredNode { name, score, .. } in &imported.nodes {
        let Some(score) = *score else { continue };
        imported.config.constraints.extend(primitives.iter().map(|resource| Constraint::Location {
            id: format!("score of {name}"),
            resource: resource.clone(),
            node: name.clone(),
            score,
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        }));
    }
}
