//! `<nodes>`.

use super::Writer;
use super::element::Element;
use crate::cluster::desired::DesiredNode;
use muster_api::id::NodeName;
use std::collections::{BTreeMap, BTreeSet};

impl Writer<'_> {
    pub(super) fn nodes(&mut self) -> Element {
        let nodes = self.all_nodes();
        let mut parent = Element::new("nodes");
        for (place, node) in nodes.iter().enumerate() {
            let id = node.id.clone().unwrap_or_else(|| (place + 1).to_string());
            parent = parent.child(self.node(node, id));
        }
        parent
    }

    /// The nodes that are listed, then those that only something is said of.
    fn all_nodes(&self) -> Vec<DesiredNode> {
        let config = &self.desired.config;
        let mut nodes = self.desired.nodes.clone();
        let listed: BTreeSet<NodeName> = nodes.iter().map(|node| node.name.clone()).collect();
        let named: BTreeSet<&NodeName> =
            config.node_attributes.keys().chain(config.node_utilization.keys()).collect();
        let others = named.into_iter().filter(|name| !listed.contains(*name));
        nodes.extend(others.map(|name| DesiredNode {
            name: name.clone(),
            id: None,
            is_remote: false,
            score: None,
        }));
        nodes
    }

    fn node(&mut self, node: &DesiredNode, id: String) -> Element {
        let config = &self.desired.config;
        let none = BTreeMap::new();
        let attributes = config.node_attributes.get(&node.name).unwrap_or(&none);
        let element = Element::new("node")
            .attribute("id", id)
            .attribute("uname", node.name.as_str())
            .optional("type", node.is_remote.then_some("remote"))
            .optional("score", node.score.map(|score| score.to_string()));
        let made = format!("nodes-{}", node.name);
        let element = self.sets(element, "instance_attributes", &made, attributes, &[]);
        self.capacity(element, &made, config.node_utilization.get(&node.name))
    }
}
