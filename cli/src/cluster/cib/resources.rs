//! Properties, defaults and resources.

use super::xml::{self, Element};
use super::{CibError, Imported};
use muster_api::cluster::parse_bool;
use muster_api::duration::parse_ms;
use muster_api::id::ResourceId;
use muster_api::resource::{AgentClass, AgentName, Group, OnFail, Operation, Primitive, Resource};
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

/// Properties that would decide something and cannot yet, with the values that leave them without effect.
const UNSUPPORTED_PROPERTIES: &[(&str, &[&str])] = &[
    ("placement-strategy", &["default"]),
    ("node-health-strategy", &["none"]),
    ("shutdown-lock", &["false", "0", "no", "off"]),
];

/// Meta attributes that would decide something and cannot yet, with the values that leave them without effect.
const UNSUPPORTED_META: &[(&str, &[&str])] = &[
    ("allow-migrate", &["false", "0", "no", "off"]),
    ("critical", &["true", "1", "yes", "on"]),
    ("remote-node", &[]),
    ("container", &[]),
    ("is_remote_node", &[]),
];

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
    let properties = xml::pairs(section, "cluster_property_set")?;
    refuse(section, "the property", UNSUPPORTED_PROPERTIES, &properties)?;
    let canonical = |(name, value): (String, String)| (canonical_property(&name).to_string(), value);
    imported.config.properties = properties.into_iter().map(canonical).collect();
    Ok(())
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

pub(super) fn read_meta(parent: Element<'_>, imported: &mut Imported) -> Result<Attributes, CibError> {
    let meta = xml::pairs(parent, "meta_attributes")?;
    refuse(parent, "the meta attribute", UNSUPPORTED_META, &meta)?;
    if xml::child(parent, "utilization").is_some() {
        imported.notes.push("`utilization` decides nothing with the default placement strategy".to_string());
    }
    // Priorities were once written with decimals.
    let whole = |(name, value): (String, String)| match name.as_str() {
        "priority" => (name, value.split('.').next().unwrap_or_default().to_string()),
        _ => (name, value),
    };
    Ok(meta.into_iter().map(whole).collect())
}

pub(super) fn read_operation_defaults(section: Element<'_>) -> Result<Attributes, CibError> {
    xml::pairs(section, "meta_attributes")
}

pub(super) fn read(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for resource in xml::children(section) {
        let read = match resource.tag_name().name() {
            "primitive" => Resource::Primitive(read_primitive(resource, imported)?),
            "group" => Resource::Group(read_group(resource, imported)?),
            other => return Err(xml::unsupported(resource, format!("`<{other}>`"))),
        };
        imported.config.resources.push(read);
    }
    Ok(())
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
    let meta = read_meta(group, imported)?;
    for name in ["ordered", "collocated"] {
        if meta.get(name).and_then(|value| parse_bool(value)) == Some(false) {
            return Err(xml::unsupported(group, format!("a group with `{name}` = `false`")));
        }
    }
    // Parameters of the group are defaults for its members.
    let shared = xml::pairs(group, "instance_attributes")?;
    for member in &mut members {
        for (name, value) in &shared {
            member.params.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    Ok(Group { id: xml::required(group, "id")?.into(), members, meta })
}

fn read_primitive(primitive: Element<'_>, imported: &mut Imported) -> Result<Primitive, CibError> {
    if primitive.has_attribute("template") {
        return Err(xml::unsupported(primitive, "a primitive with a `template`"));
    }
    let mut operations = Vec::new();
    for child in xml::children(primitive) {
        match child.tag_name().name() {
            "operations" => operations = read_operations(child)?,
            "meta_attributes" | "instance_attributes" | "utilization" | "description" => {}
            other => return Err(xml::unsupported(child, format!("`<{other}>` in a primitive"))),
        }
    }
    Ok(Primitive {
        id: ResourceId::from(xml::required(primitive, "id")?),
        agent: read_agent(primitive)?,
        params: xml::pairs(primitive, "instance_attributes")?,
        meta: read_meta(primitive, imported)?,
        operations,
    })
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
    if provider.as_deref() == Some("pacemaker") && name == "remote" {
        return Err(xml::unsupported(element, "`ocf:pacemaker:remote`"));
    }
    Ok(AgentName { class, provider, name })
}

fn read_operations(section: Element<'_>) -> Result<Vec<Operation>, CibError> {
    if section.has_attribute("id-ref") {
        return Err(xml::unsupported(section, "`id-ref` on `<operations>`"));
    }
    xml::children(section).map(read_operation).collect()
}

fn read_operation(op: Element<'_>) -> Result<Operation, CibError> {
    if op.has_attribute("id-ref") {
        return Err(xml::unsupported(op, "`id-ref` on `<op>`"));
    }
    let meta = xml::pairs(op, "meta_attributes")?;
    let value = |name: &str| op.attribute(name).or(meta.get(name).map(String::as_str));
    let duration = |name: &str| {
        value(name)
            .map(|text| parse_ms(text).ok_or_else(|| xml::bad_value(op, name, "a duration")))
            .transpose()
    };
    Ok(Operation {
        name: xml::required(op, "name")?.to_string(),
        interval_ms: duration("interval")?.unwrap_or(0),
        timeout_ms: duration("timeout")?,
        on_fail: value("on-fail").map(|text| read_on_fail(op, text)).transpose()?,
        role: value("role").map(String::from),
        enabled: value("enabled").and_then(parse_bool).unwrap_or(true),
    })
}

fn read_on_fail(op: Element<'_>, text: &str) -> Result<OnFail, CibError> {
    Ok(match text {
        "ignore" | "nothing" => OnFail::Ignore,
        "block" => OnFail::Block,
        "stop" => OnFail::Stop,
        "restart" => OnFail::Restart,
        "fence" => OnFail::Fence,
        "standby" => OnFail::Standby,
        other => return Err(xml::unsupported(op, format!("`on-fail` = `{other}`"))),
    })
}
