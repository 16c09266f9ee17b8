//! `<resources>`: primitives, groups, clones, bundles, and fence devices as the primitives that they are in Pacemaker.

use super::Writer;
use super::element::Element;
use muster_api::cluster::Owner;
use muster_api::duration::format_ms;
use muster_api::id::ResourceId;
use muster_api::resource::{
    AgentClass, AgentName, Bundle, CloneSet, Content, Group, Operation, Primitive, Resource,
};
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

impl Writer<'_> {
    pub(super) fn resources(&mut self) -> Element {
        let config = &self.desired.config;
        let mut parent = Element::new("resources");
        for resource in &config.resources {
            parent = parent.child(match resource {
                Resource::Primitive(primitive) => self.primitive(primitive),
                Resource::Group(group) => self.group(group),
                Resource::Clone(clone) => self.clone_set(clone),
                Resource::Bundle(bundle) => self.bundle(bundle),
            });
        }
        for device in &config.fence_devices {
            let agent = AgentName { class: AgentClass::Stonith, provider: None, name: device.agent.clone() };
            let (id, params, meta) = (device.id.clone(), device.params.clone(), device.meta.clone());
            parent =
                parent.child(self.primitive(&Primitive { id, agent, params, meta, operations: Vec::new() }));
        }
        parent
    }

    fn meta(&mut self, element: Element, id: &ResourceId, meta: &Attributes) -> Element {
        let conditional = self.conditional(&Owner::Meta(id.clone()));
        self.sets(element, "meta_attributes", &format!("{id}-meta_attributes"), meta, &conditional)
    }

    fn primitive(&mut self, primitive: &Primitive) -> Element {
        let Primitive { id, agent, params, meta, operations } = primitive;
        let element = Element::new("primitive")
            .attribute("id", id.as_str())
            .attribute("class", agent.class.name())
            .optional("provider", agent.provider.as_deref())
            .attribute("type", agent.name.as_str());
        let conditional = self.conditional(&Owner::Parameters(id.clone()));
        let made = format!("{id}-instance_attributes");
        let element = self.sets(element, "instance_attributes", &made, params, &conditional);
        let element = self.meta(element, id, meta);
        let element = self.capacity(element, id.as_str(), self.desired.config.utilization.get(id));
        let operations = operations
            .iter()
            .fold(Element::new("operations"), |all, operation| all.child(self.operation(id, operation)));
        element.child_if_any(operations)
    }

    fn operation(&mut self, resource: &ResourceId, operation: &Operation) -> Element {
        let Operation { name, interval_ms, timeout_ms, on_fail, role, enabled } = operation;
        let interval = format_ms(*interval_ms);
        let id = self.ids.make(&format!("{resource}-{name}-interval-{interval}"));
        let element = Element::new("op")
            .attribute("id", id.as_str())
            .attribute("name", name.as_str())
            .attribute("interval", interval)
            .optional("timeout", timeout_ms.map(format_ms))
            .optional("on-fail", on_fail.map(|on_fail| on_fail.name()))
            .optional("role", role.as_deref())
            .optional("enabled", (!enabled).then_some("false"));
        let owner =
            Owner::Operation { resource: resource.clone(), name: name.clone(), interval_ms: *interval_ms };
        let conditional = self.conditional(&owner);
        let extras = self.desired.extras(resource, name, *interval_ms).cloned().unwrap_or_default();
        let options = extras.options.into_iter();
        let element = options.fold(element, |element, (name, value)| element.attribute(name, value));
        let made = format!("{id}-meta_attributes");
        let element = self.sets(element, "meta_attributes", &made, &Attributes::new(), &conditional);
        self.sets(element, "instance_attributes", &format!("{id}-instance_attributes"), &extras.params, &[])
    }

    fn group(&mut self, group: &Group) -> Element {
        let element = Element::new("group").attribute("id", group.id.as_str());
        let element = self.meta(element, &group.id, &group.meta);
        group.members.iter().fold(element, |element, member| element.child(self.primitive(member)))
    }

    fn clone_set(&mut self, clone: &CloneSet) -> Element {
        let element = Element::new("clone").attribute("id", clone.id.as_str());
        let element = self.meta(element, &clone.id, &clone.meta);
        element.child(match &clone.content {
            Content::Primitive(primitive) => self.primitive(primitive),
            Content::Group(group) => self.group(group),
        })
    }

    fn bundle(&mut self, bundle: &Bundle) -> Element {
        let element = Element::new("bundle").attribute("id", bundle.id.as_str());
        let element = self.meta(element, &bundle.id, &bundle.meta);
        let element = element.child(of_attributes(&bundle.technology, &bundle.container));
        let (storage, ports): (Vec<_>, Vec<_>) = bundle.mappings.iter().partition(|one| is_storage(one));
        let mut mappings = |mappings: Vec<&Attributes>, name: &str, kind: &str| -> Vec<Element> {
            let mapping = |(place, one): (usize, &Attributes)| {
                let element = of_attributes(name, one);
                let id = || format!("{}-{kind}-map-{}", bundle.id, place + 1);
                if one.contains_key("id") { element } else { element.attribute("id", self.ids.make(&id())) }
            };
            mappings.into_iter().enumerate().map(mapping).collect()
        };
        let ports = mappings(ports, "port-mapping", "port");
        let storage = mappings(storage, "storage-mapping", "storage");
        let network = of_attributes("network", &bundle.network).children(ports);
        let element = element.child_if_any(network);
        let element = element.child_if_any(Element::new("storage").children(storage));
        let inner = bundle.primitive.as_ref().map(|primitive| self.primitive(primitive));
        element.children(inner)
    }
}

fn of_attributes(name: &str, attributes: &Attributes) -> Element {
    attributes
        .iter()
        .fold(Element::new(name), |element, (name, value)| element.attribute(name.as_str(), value.as_str()))
}

/// A mapping of a directory; others are of ports.
pub(crate) fn is_storage(mapping: &Attributes) -> bool {
    ["source-dir", "source-dir-root", "target-dir"].iter().any(|name| mapping.contains_key(*name))
}
