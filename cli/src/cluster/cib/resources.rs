//! Properties, defaults and resources.

use super::xml::{self, Element, Values};
use super::{CibError, Imported, OperationExtras};
use muster_api::cluster::{Capacity, Conditional, Owner, parse_bool};
use muster_api::constraint::RoleName;
use muster_api::duration::parse_ms;
use muster_api::id::ResourceId;
use muster_api::resource::{
    AgentClass, AgentName, Bundle, CloneSet, Content, Group, OnFail, Operation, Primitive, Resource,
};
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

/// Meta attributes that would decide something and cannot yet, with the values that leave them without effect.
const UNSUPPORTED_META: &[(&str, &[&str])] = &[("is_remote_node", &[])];

/// Newer names of properties that the model has under the older one.
fn canonical_property(name: &str) -> &str {
    match name {
        "fencing-enabled" => "stonith-enabled",
        "fencing-action" => "stonith-action",
        "fencing-timeout" => "stonith-timeout",
        "stop-removed-resources" => "stop-orphan-resources",
        other => other,
    }
}

pub(super) fn read_properties(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    let mut values = xml::values(&[section], "cluster_property_set")?;
    let conditional = values.conditional.iter_mut().map(|conditional| &mut conditional.values);
    for properties in conditional.chain([&mut values.plain]) {
        let canonical = |(name, value): (String, String)| (canonical_property(&name).to_string(), value);
        *properties = std::mem::take(properties).into_iter().map(canonical).collect();
    }
    imported.config.properties = imported.take_conditional(Owner::Properties, values);
    Ok(())
}

impl Imported {
    /// Notes the conditional values of an owner, and returns its plain ones.
    pub(super) fn take_conditional(&mut self, owner: Owner, values: Values) -> Attributes {
        let with_owner = |values| Conditional { owner: owner.clone(), values };
        self.config.conditional.extend(values.conditional.into_iter().map(with_owner));
        values.plain
    }
}

fn refuse(
    at: Element<'_>,
    kind: &str,
    unsupported: &[(&str, &[&str])],
    values: &Attributes,
) -> Result<(), CibError> {
    for (name, harmless) in unsupported {
        if let Some(value) =
            values.get(*name).filter(|value| !harmless.contains(&value.to_ascii_lowercase().as_str()))
        {
            return Err(xml::unsupported(at, format!("{kind} `{name}` = `{value}`")));
        }
    }
    Ok(())
}

/// The meta attributes of a resource; of several elements (a primitive and its template) the first comes first.
pub(super) fn read_meta(
    elements: &[Element<'_>],
    owner: Owner,
    imported: &mut Imported,
) -> Result<Attributes, CibError> {
    let mut values = xml::values(elements, "meta_attributes")?;
    let conditional = values.conditional.iter_mut().map(|conditional| &mut conditional.values);
    for meta in conditional.chain([&mut values.plain]) {
        refuse(elements[0], "the meta attribute", UNSUPPORTED_META, meta)?;
        // Priorities were once written with decimals.
        if let Some(priority) = meta.get_mut("priority") {
            *priority = priority.split('.').next().unwrap_or_default().to_string();
        }
    }
    Ok(imported.take_conditional(owner, values))
}

pub(super) fn read_resource_defaults(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    imported.config.resource_defaults = read_meta(&[section], Owner::ResourceDefaults, imported)?;
    Ok(())
}

pub(super) fn read_operation_defaults(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    let values = xml::values(&[section], "meta_attributes")?;
    imported.config.operation_defaults = imported.take_conditional(Owner::OperationDefaults, values);
    Ok(())
}

/// Amounts of capacity; what is not a number is zero.
pub(super) fn read_utilization(elements: &[Element<'_>]) -> Result<Capacity, CibError> {
    let values = xml::values(elements, "utilization")?;
    let amount = |(name, value): (String, String)| (name, value.trim().parse().unwrap_or(0));
    Ok(values.plain.into_iter().map(amount).collect())
}

pub(super) fn read(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for resource in xml::children(section) {
        let read = match resource.tag_name().name() {
            "template" => continue,
            "primitive" => Resource::Primitive(read_primitive(resource, imported)?),
            "group" => Resource::Group(read_group(resource, imported)?),
            "clone" | "master" => Resource::Clone(read_clone(resource, imported)?),
            "bundle" => Resource::Bundle(read_bundle(resource, imported)?),
            other => return Err(xml::unsupported(resource, format!("`<{other}>`"))),
        };
        imported.config.resources.push(read);
    }
    Ok(())
}

fn attributes(element: Element<'_>) -> Attributes {
    element.attributes().map(|one| (one.name().to_string(), one.value().to_string())).collect()
}

fn read_bundle(bundle: Element<'_>, imported: &mut Imported) -> Result<Bundle, CibError> {
    let (mut container, mut network, mut mappings, mut primitive) = (None, None, Vec::new(), None);
    for child in xml::children(bundle) {
        match child.tag_name().name() {
            "podman" | "docker" | "rkt" => container = Some(child),
            "network" => network = Some(child),
            "storage" => mappings.extend(xml::children(child).map(attributes)),
            "primitive" => primitive = Some(read_primitive(child, imported)?),
            "meta_attributes" | "description" => {}
            other => return Err(xml::unsupported(child, format!("`<{other}>` in a bundle"))),
        }
    }
    let container = container.ok_or_else(|| xml::unexpected(bundle, "a container in a bundle"))?;
    mappings.extend(network.into_iter().flat_map(xml::children).map(attributes));
    let id = ResourceId::from(xml::required(bundle, "id")?);
    Ok(Bundle {
        technology: container.tag_name().name().to_string(),
        container: attributes(container),
        network: network.map(attributes).unwrap_or_default(),
        mappings,
        primitive,
        meta: read_meta(&[bundle], Owner::Meta(id.clone()), imported)?,
        id,
    })
}

/// `<clone>`, and the older `<master>`, which is a promotable one.
fn read_clone(clone: Element<'_>, imported: &mut Imported) -> Result<CloneSet, CibError> {
    let mut content = None;
    for child in xml::children(clone) {
        match child.tag_name().name() {
            "primitive" => content = Some(Content::Primitive(read_primitive(child, imported)?)),
            "group" => content = Some(Content::Group(read_group(child, imported)?)),
            "meta_attributes" | "instance_attributes" | "utilization" | "description" => {}
            other => return Err(xml::unsupported(child, format!("`<{other}>` in a clone"))),
        }
    }
    let id = ResourceId::from(xml::required(clone, "id")?);
    let mut meta = read_meta(&[clone], Owner::Meta(id.clone()), imported)?;
    if clone.has_tag_name("master") {
        meta.insert("promotable".to_string(), "true".to_string());
    }
    let mut content = content.ok_or_else(|| xml::unexpected(clone, "a primitive or a group in a clone"))?;
    let shared = xml::values(&[clone], "instance_attributes")?.plain;
    share(content.primitives_mut(), &shared);
    Ok(CloneSet { id, content, meta })
}

/// Parameters of a group or a clone are defaults for what is in it.
fn share(members: &mut [Primitive], shared: &Attributes) {
    for member in members {
        for (name, value) in shared {
            member.params.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn read_group(group: Element<'_>, imported: &mut Imported) -> Result<Group, CibError> {
    let mut members = Vec::new();
    for child in xml::children(group) {
        match child.tag_name().name() {
            "primitive" => members.push(read_primitive(child, imported)?),
            "meta_attributes" | "instance_attributes" | "utilization" | "description" => {}
            other => return Err(xml::unsupported(child, format!("`<{other}>` in a group"))),
        }
    }
    let id = ResourceId::from(xml::required(group, "id")?);
    let meta = read_meta(&[group], Owner::Meta(id.clone()), imported)?;
    share(&mut members, &xml::values(&[group], "instance_attributes")?.plain);
    Ok(Group { id, members, meta })
}

fn read_primitive(primitive: Element<'_>, imported: &mut Imported) -> Result<Primitive, CibError> {
    let id = ResourceId::from(xml::required(primitive, "id")?);
    let template = read_template(primitive, &id, imported)?;
    let elements: Vec<Element<'_>> = [primitive].into_iter().chain(template).collect();
    let mut operations: Vec<Operation> = Vec::new();
    for child in elements.iter().flat_map(|element| xml::children(*element)) {
        match child.tag_name().name() {
            "operations" => read_operations(child, &id, &mut operations, imported)?,
            "meta_attributes" | "instance_attributes" | "utilization" | "description" => {}
            other => return Err(xml::unsupported(child, format!("`<{other}>` in a primitive"))),
        }
    }
    let utilization = read_utilization(&elements)?;
    if !utilization.is_empty() {
        imported.config.utilization.insert(id.clone(), utilization);
    }
    let params = xml::values(&elements, "instance_attributes")?;
    Ok(Primitive {
        agent: read_agent(template.unwrap_or(primitive))?,
        params: imported.take_conditional(Owner::Parameters(id.clone()), params),
        meta: read_meta(&elements, Owner::Meta(id.clone()), imported)?,
        id,
        operations,
    })
}

/// The template that a primitive is made of. Constraints may name the template and mean all that is made of it, so it
/// becomes a tag.
fn read_template<'x>(
    primitive: Element<'x>,
    id: &ResourceId,
    imported: &mut Imported,
) -> Result<Option<Element<'x>>, CibError> {
    let Some(name) = primitive.attribute("template") else { return Ok(None) };
    let mut templates = primitive.document().root_element().descendants();
    let is_it = |one: &Element<'x>| one.has_tag_name("template") && one.attribute("id") == Some(name);
    let template =
        templates.find(is_it).ok_or_else(|| xml::bad_value(primitive, "template", "a template"))?;
    imported.config.tags.entry(name.into()).or_default().push(id.clone());
    Ok(Some(template))
}

/// `class`, `provider` and `type`.
pub(super) fn read_agent(element: Element<'_>) -> Result<AgentName, CibError> {
    let class = match xml::required(element, "class")? {
        "ocf" => AgentClass::Ocf,
        "systemd" => AgentClass::Systemd,
        "lsb" => AgentClass::Lsb,
        "service" => AgentClass::Service,
        "stonith" => AgentClass::Stonith,
        other => return Err(xml::unsupported(element, format!("the class `{other}`"))),
    };
    let provider = element.attribute("provider").filter(|_| class == AgentClass::Ocf).map(String::from);
    let name = xml::required(element, "type")?.to_string();
    Ok(AgentName { class, provider, name })
}

/// Adds the operations that are not there yet: a primitive's own come before those of its template.
fn read_operations(
    section: Element<'_>,
    resource: &ResourceId,
    operations: &mut Vec<Operation>,
    imported: &mut Imported,
) -> Result<(), CibError> {
    let known = operations.len();
    for op in xml::children(xml::referenced(section)?) {
        let operation = read_operation(xml::referenced(op)?, resource, imported)?;
        let is_same =
            |one: &Operation| one.name == operation.name && one.interval_ms == operation.interval_ms;
        if !operations[..known].iter().any(is_same) {
            operations.push(operation);
        }
    }
    Ok(())
}

/// What an operation says and agents know of it.
const OPERATION: &[&str] = &["id", "id-ref", "name", "interval", "timeout", "on-fail", "role", "enabled"];

fn read_operation(
    op: Element<'_>,
    resource: &ResourceId,
    imported: &mut Imported,
) -> Result<Operation, CibError> {
    let values = xml::values(&[op], "meta_attributes")?;
    let name = xml::required(op, "name")?.to_string();
    let owner = Owner::Operation {
        resource: resource.clone(),
        name: name.clone(),
        interval_ms: op.attribute("interval").and_then(parse_ms).unwrap_or(0),
    };
    let mut written = imported.take_conditional(owner, values);
    // What stands at the operation itself comes first.
    written.extend(attributes(op));
    let value = |name: &str| written.get(name).map(String::as_str);
    let duration = |name: &str| {
        value(name)
            .map(|text| parse_ms(text).ok_or_else(|| xml::bad_value(op, name, "a duration")))
            .transpose()
    };
    let operation = Operation {
        interval_ms: duration("interval")?.unwrap_or(0),
        timeout_ms: duration("timeout")?,
        on_fail: value("on-fail").map(|text| read_on_fail(op, text)).transpose()?,
        role: value("role").map(role_name),
        enabled: value("enabled").and_then(parse_bool).unwrap_or(true),
        name,
    };
    let params = xml::values(&[op], "instance_attributes")?.plain;
    written.retain(|name, _| !OPERATION.contains(&name.as_str()));
    if !params.is_empty() || !written.is_empty() {
        let key = (resource.clone(), operation.name.clone(), operation.interval_ms);
        // A primitive's own operations are read before those of its template.
        let extras = OperationExtras { params, options: written };
        imported.operations.entry(key).or_insert(extras);
    }
    Ok(operation)
}

/// A role by its newer name; what is none stays as it is written.
fn role_name(text: &str) -> String {
    RoleName::parse(text).map_or_else(|| text.to_string(), |role| role.name().to_string())
}

fn read_on_fail(op: Element<'_>, text: &str) -> Result<OnFail, CibError> {
    OnFail::parse(text).ok_or_else(|| xml::unsupported(op, format!("`on-fail` = `{text}`")))
}
