//! Properties, defaults, primitives, groups and clones.

use super::names::{
    self, CLONE_META, META, META_NOT_YET, ON_FAIL, ON_FAIL_NOT_YET, OPERATION_DEFAULTS,
    OPERATION_DEFAULTS_NOT_YET, PROPERTIES, PROPERTIES_NOT_YET,
};
use super::value::Reader;
use super::{agents, bundles, conditional, nodes};
use crate::cluster::desired::{OperationExtras, OperationKey};
use crate::suggest::did_you_mean;
use muster_api::cluster::{Capacity, ClusterConfig, Conditional, Owner, parse_bool};
use muster_api::id::ResourceId;
use muster_api::resource::{
    AgentClass, AgentName, CloneSet, Content, Group, OnFail, Operation, Primitive, Resource,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

pub(super) fn read_properties(reader: &mut Reader, args: &Map<String, Value>) -> Attributes {
    let read = |reader: &mut Reader, value: &Value| {
        let properties = reader.texts(value);
        for (name, value) in &properties {
            names::check(reader, "cluster property", name, value, PROPERTIES, PROPERTIES_NOT_YET);
        }
        properties
    };
    reader.field(args, "properties", read).unwrap_or_default()
}

pub(super) fn read_meta(reader: &mut Reader, value: &Value) -> Attributes {
    let meta = reader.texts(value);
    for (name, value) in &meta {
        if CLONE_META.iter().any(|(one, _)| one == name) && reader.is_to_run() {
            let sentence = format!("the meta attribute `{name}` belongs to a clone: write it under `clones`");
            reader.bad_key(name, sentence, []);
        } else {
            names::check(reader, "meta attribute", name, value, META, META_NOT_YET);
        }
    }
    meta
}

pub(super) fn read_clone_meta(reader: &mut Reader, value: &Value) -> Attributes {
    let meta = reader.texts(value);
    let known = [META, CLONE_META].concat();
    for (name, value) in &meta {
        names::check(reader, "meta attribute", name, value, &known, META_NOT_YET);
    }
    meta
}

pub(super) fn read_operation_defaults(reader: &mut Reader, value: &Value) -> Attributes {
    let defaults = reader.texts(value);
    for (name, value) in &defaults {
        names::check(
            reader,
            "operation default",
            name,
            value,
            OPERATION_DEFAULTS,
            OPERATION_DEFAULTS_NOT_YET,
        );
    }
    defaults
}

/// What is said of resources and stands in other places of the model.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) conditional: Vec<Conditional>,
    utilization: BTreeMap<ResourceId, Capacity>,
    pub(super) operations: BTreeMap<OperationKey, OperationExtras>,
}

/// Primitives, then groups, which take their members out of the list: a group stands where its first member stood. Then clones,
/// each in the place of what it has copies of, and bundles, each in the place of what runs in it.
pub(super) fn read(reader: &mut Reader, args: &Map<String, Value>, config: &mut ClusterConfig) -> Beside {
    let mut beside = Beside::default();
    let primitives = reader.field(args, "resources", |reader, value| {
        reader.list(value, |reader, value| read_primitive(reader, value, &mut beside))
    });
    let groups = reader.field(args, "groups", |reader, value| {
        reader.list(value, |reader, value| read_group(reader, value, &mut beside))
    });
    config.resources = primitives.unwrap_or_default().into_iter().map(Resource::Primitive).collect();
    for (index, group) in groups.unwrap_or_default().into_iter().enumerate() {
        reader.within("groups", |reader| reader.at(index, |reader| gather(reader, config, group)));
    }
    let clones = reader.field(args, "clones", |reader, value| {
        reader.list(value, |reader, value| read_clone(reader, value, &mut beside))
    });
    for (index, clone) in clones.unwrap_or_default().into_iter().enumerate() {
        reader.within("clones", |reader| reader.at(index, |reader| wrap(reader, config, clone)));
    }
    bundles::read(reader, args, config, &mut beside);
    reader.field(args, "resource_order", |reader, value| put_in_order(reader, value, config));
    config.utilization = std::mem::take(&mut beside.utilization);
    beside
}

/// `resource_order`: all that is not inside of something else, in the order that decides between equals.
fn put_in_order(reader: &mut Reader, value: &Value, config: &mut ClusterConfig) {
    let order = reader.names(value);
    let place_of = |id: &str| order.iter().position(|name| name == id);
    for resource in config.resources.iter().filter(|resource| place_of(resource.id().as_str()).is_none()) {
        reader.problem(format!(
            "`{}` is not in it; it lists all that is not in a group, clone or bundle",
            resource.id()
        ));
    }
    for (index, name) in order.iter().enumerate() {
        if !reader.hides_something && !config.resources.iter().any(|resource| resource.id().as_str() == name)
        {
            let ids: Vec<&str> = config.resources.iter().map(|resource| resource.id().as_str()).collect();
            let sentence = format!("there is no `{name}` that is not in a group, clone or bundle");
            let hint = did_you_mean(name, ids);
            reader.at(index, |reader| reader.problem_with_hint(sentence, hint));
        }
    }
    config.resources.sort_by_key(|resource| place_of(resource.id().as_str()));
}

/// Names, each with the resources that it stands for.
pub(super) fn read_tags(reader: &mut Reader, value: &Value) -> BTreeMap<ResourceId, Vec<ResourceId>> {
    let mut tags = BTreeMap::new();
    for (name, value) in reader.mapping(value).into_iter().flatten() {
        let names = reader.within(name, |reader| reader.names(value));
        tags.insert(name.as_str().into(), names.iter().map(|name| name.as_str().into()).collect());
    }
    tags
}

/// A clone as it is written: what it has copies of by name.
struct WrittenClone {
    id: String,
    resource: String,
    meta: Attributes,
}

fn read_clone(reader: &mut Reader, value: &Value, beside: &mut Beside) -> Option<WrittenClone> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["id", "resource", "meta", "meta_when"], &[]);
    let meta = reader.field(map, "meta", read_clone_meta).unwrap_or_default();
    let resource = reader.required_text(map, "resource")?;
    let id = reader.field(map, "id", Reader::text).flatten().unwrap_or_else(|| clone_id(&resource));
    let owner = Owner::Meta(id.as_str().into());
    conditional::read(reader, map, "meta_when", &owner, &mut beside.conditional);
    Some(WrittenClone { id, resource, meta })
}

/// As `pcs` names a clone that was given no id.
pub(super) fn clone_id(resource: &str) -> String {
    format!("{resource}-clone")
}

fn wrap(reader: &mut Reader, config: &mut ClusterConfig, written: WrittenClone) {
    let name = written.resource.as_str();
    let found = config.resources.iter_mut().find(|resource| resource.id().as_str() == name);
    let content = match found.as_deref() {
        Some(Resource::Primitive(primitive)) => Some(Content::Primitive(primitive.clone())),
        Some(Resource::Group(group)) => Some(Content::Group(group.clone())),
        _ => None,
    };
    match (found, content) {
        (Some(place), Some(content)) => {
            *place = Resource::Clone(CloneSet { id: written.id.into(), content, meta: written.meta });
        }
        _ => reader.within("resource", |reader| not_to_be_cloned(reader, config, name)),
    }
}

fn not_to_be_cloned(reader: &mut Reader, config: &ClusterConfig, name: &str) {
    if reader.hides_something {
        return;
    }
    if let Some(clone) = super::check::clone_around(config, name) {
        return reader.problem(format!("`{clone}` has copies of `{name}` already"));
    }
    let holder = config.primitives().find(|(primitive, _)| primitive.id.as_str() == name);
    match holder {
        Some((_, Some(holder))) => {
            reader.problem(format!("`{name}` is in `{holder}`: clone that, or take it out"))
        }
        _ => {
            let ids: Vec<&str> = config.resources.iter().map(|resource| resource.id().as_str()).collect();
            let hint = did_you_mean(name, ids);
            reader.problem_with_hint(format!("there is no resource or group `{name}`"), hint);
        }
    }
}

/// A group as it is written: its members by name.
struct WrittenGroup {
    id: String,
    members: Vec<String>,
    meta: Attributes,
}

fn read_group(reader: &mut Reader, value: &Value, beside: &mut Beside) -> Option<WrittenGroup> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["id", "resources", "meta", "meta_when"], &[]);
    let members = reader.field(map, "resources", Reader::names).unwrap_or_default();
    if members.is_empty() && !reader.hides_something && reader.is_to_run() {
        reader.problem("a group needs at least one resource in `resources`".to_string());
    }
    let meta = reader.field(map, "meta", read_meta).unwrap_or_default();
    let id = reader.required_text(map, "id")?;
    let owner = Owner::Meta(id.as_str().into());
    conditional::read(reader, map, "meta_when", &owner, &mut beside.conditional);
    Some(WrittenGroup { id, members, meta })
}

fn gather(reader: &mut Reader, config: &mut ClusterConfig, written: WrittenGroup) {
    let mut place = None;
    let mut members = Vec::new();
    for (index, name) in written.members.iter().enumerate() {
        let found = config.resources.iter().position(
            |resource| matches!(resource, Resource::Primitive(primitive) if primitive.id.as_str() == name),
        );
        let Some(found) = found else {
            reader.within("resources", |reader| {
                reader.at(index, |reader| missing_member(reader, config, name, &members))
            });
            continue;
        };
        if let Resource::Primitive(primitive) = config.resources.remove(found) {
            members.push(primitive);
        }
        let before = place.get_or_insert(found);
        *before -= usize::from(found < *before);
    }
    let group = Group { id: written.id.into(), members, meta: written.meta };
    let place = place.unwrap_or(config.resources.len()).min(config.resources.len());
    config.resources.insert(place, Resource::Group(group));
}

fn missing_member(reader: &mut Reader, config: &ClusterConfig, name: &str, members: &[Primitive]) {
    if reader.hides_something {
        return;
    }
    let is_taken =
        config.primitives().any(|(primitive, group)| group.is_some() && primitive.id.as_str() == name);
    if members.iter().any(|member| member.id.as_str() == name) || is_taken {
        reader.problem(format!("`{name}` is in a group already; a resource is in one group, once"));
    } else if config.resources.iter().any(|resource| resource.id().as_str() == name) {
        reader.problem(format!("`{name}` is a group; a group holds primitives only"));
    } else {
        let ids: Vec<&str> = config.primitives().map(|(primitive, _)| primitive.id.as_str()).collect();
        reader.problem_with_hint(
            format!("there is no resource `{name}` in `resources`"),
            did_you_mean(name, ids),
        );
    }
}

const PRIMITIVE: &[&str] =
    &["id", "agent", "options", "meta", "operations", "utilization", "options_when", "meta_when"];

fn read_primitive(reader: &mut Reader, value: &Value, beside: &mut Beside) -> Option<Primitive> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, PRIMITIVE, &[]);
    let id = reader.required_text(map, "id").map(ResourceId::from);
    // Without an id nothing can be said of it elsewhere; that it is missing is a mistake already.
    let owner = id.clone().unwrap_or_else(|| "".into());
    let is_hidden = map.get("options").and_then(Value::as_str).is_some_and(|text| reader.is_template(text));
    let params = reader.field(map, "options", Reader::texts).unwrap_or_default();
    let agent = reader.required_text(map, "agent").and_then(|text| read_agent(reader, &text));
    if let Some(agent) = &agent {
        agents::check(reader, agent, (!is_hidden).then_some(&params));
    }
    let meta = reader.field(map, "meta", read_meta).unwrap_or_default();
    let operations = reader.field(map, "operations", |reader, value| {
        reader.list(value, |reader, value| read_operation(reader, value, &owner, beside))
    });
    let operations = operations.unwrap_or_default();
    refuse_twice(reader, &operations);
    if let Some(capacity) = reader.field(map, "utilization", nodes::read_capacity) {
        beside.utilization.insert(owner.clone(), capacity);
    }
    let mut read_conditional =
        |key, owner| conditional::read(reader, map, key, &owner, &mut beside.conditional);
    read_conditional("options_when", Owner::Parameters(owner.clone()));
    read_conditional("meta_when", Owner::Meta(owner));
    Some(Primitive { id: id?, agent: agent?, params, meta, operations })
}

fn read_agent(reader: &mut Reader, text: &str) -> Option<AgentName> {
    if let Some(name) = text.strip_prefix("stonith:").filter(|name| !name.is_empty()) {
        return Some(AgentName { class: AgentClass::Stonith, provider: None, name: name.to_string() });
    }
    match AgentName::parse(text) {
        Ok(agent) => Some(agent),
        Err(sentence) => {
            reader.within("agent", |reader| reader.problem(sentence));
            None
        }
    }
}

fn refuse_twice(reader: &mut Reader, operations: &[Operation]) {
    if !reader.is_to_run() {
        return;
    }
    for (index, operation) in operations.iter().enumerate() {
        let is_same =
            |other: &Operation| other.name == operation.name && other.interval_ms == operation.interval_ms;
        if operations[..index].iter().any(is_same) {
            let sentence = format!("`{}` with this interval is declared above", operation.name);
            reader.within("operations", |reader| reader.at(index, |reader| reader.problem(sentence)));
        }
    }
}

const OPERATION_KEYS: &[&str] =
    &["name", "interval", "timeout", "on-fail", "on_fail", "role", "enabled", "meta_when"];

const OPERATION_KEYS_NOT_YET: &[&str] =
    &["start-delay", "interval-origin", "record-pending", "requires", "options"];

fn read_operation(
    reader: &mut Reader,
    value: &Value,
    resource: &ResourceId,
    beside: &mut Beside,
) -> Option<Operation> {
    let map = reader.mapping(value)?;
    for key in OPERATION_KEYS_NOT_YET.iter().filter(|key| map.contains_key(**key)) {
        if reader.is_to_run() {
            reader.bad_key(key, format!("`{key}` of an operation is not supported"), []);
        }
    }
    if reader.is_to_run() {
        reader.known_keys(map, OPERATION_KEYS, OPERATION_KEYS_NOT_YET);
    }
    let name = reader.required_text(map, "name");
    let interval_ms = reader.field(map, "interval", Reader::duration).flatten().unwrap_or(0);
    let timeout_ms = reader.field(map, "timeout", Reader::duration).flatten();
    let on_fail =
        ["on-fail", "on_fail"].into_iter().find_map(|key| reader.field(map, key, read_on_fail).flatten());
    let role = reader.field(map, "role", super::constraints::read_role).flatten();
    let enabled = reader.field(map, "enabled", read_bool).flatten().unwrap_or(true);
    let name = name?;
    check_operation_name(reader, &name, interval_ms);
    let extras = read_extras(reader, map);
    if extras != OperationExtras::default() {
        beside.operations.insert((resource.clone(), name.clone(), interval_ms), extras);
    }
    let owner = Owner::Operation { resource: resource.clone(), name: name.clone(), interval_ms };
    conditional::read(reader, map, "meta_when", &owner, &mut beside.conditional);
    let role = role.map(|role| role.name().to_string());
    Some(Operation { name, interval_ms, timeout_ms, on_fail, role, enabled })
}

/// What an operation says beyond what agents know: any other attribute of `<op>`.
fn read_extras(reader: &mut Reader, map: &Map<String, Value>) -> OperationExtras {
    let params = reader.field(map, "options", Reader::texts).unwrap_or_default();
    let own = [OPERATION_KEYS, &["options"]].concat();
    let others = map.keys().filter(|key| !own.contains(&key.as_str()) && !reader.is_to_run());
    let others: Vec<&String> = others.collect();
    let text = |key: &String| Some((key.clone(), reader.text_field(map, key)?));
    OperationExtras { params, options: others.into_iter().filter_map(text).collect() }
}

fn check_operation_name(reader: &mut Reader, name: &str, interval_ms: u64) {
    if !reader.is_to_run() {
        return;
    }
    let known = [
        "start",
        "stop",
        "monitor",
        "promote",
        "demote",
        "migrate_to",
        "migrate_from",
        "notify",
        "reload-agent",
        "reload",
    ];
    if name == "validate-all" {
        reader.within("name", |reader| reader.problem(format!("muster does not run `{name}` yet")));
    } else if !known.contains(&name) {
        let hint = did_you_mean(name, known);
        let listed = known.map(|one| format!("`{one}`")).join(", ");
        let sentence = format!("`{name}` is not an operation; expected one of {listed}");
        reader.within("name", |reader| reader.problem_with_hint(sentence, hint));
    } else if name != "monitor" && interval_ms > 0 {
        reader.within("interval", |reader| {
            reader.problem(format!("`{name}` is not repeated; only `monitor` has an interval"))
        });
    }
}

fn read_bool(reader: &mut Reader, value: &Value) -> Option<bool> {
    let text = reader.text(value)?;
    let flag = parse_bool(&text);
    if flag.is_none() {
        reader.problem(format!("`{text}` is not `true` or `false`"));
    }
    flag
}

fn read_on_fail(reader: &mut Reader, value: &Value) -> Option<OnFail> {
    let text = reader.text(value)?;
    let on_fail = OnFail::parse(&text);
    let on_fail = on_fail.filter(|on_fail| ON_FAIL.contains(&on_fail.name()) || !reader.is_to_run());
    if on_fail.is_none() && ON_FAIL_NOT_YET.contains(&text.as_str()) {
        reader.problem(format!("`on-fail` = `{text}` is Pacemaker's; muster does not have it yet"));
    } else if on_fail.is_none() {
        let listed = ON_FAIL.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
        let hint = did_you_mean(&text, ON_FAIL.iter().copied());
        reader.problem_with_hint(format!("`{text}` is not one of {listed}"), hint);
    }
    on_fail
}
