//! A configuration as the arguments of a `cluster` task.

use muster_api::cluster::ClusterConfig;
use muster_api::constraint::{Discovery, RoleName};
use muster_api::duration::format_ms;
use muster_api::resource::{Constraint, Operation, Primitive, Resource};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The arguments that [`super::read`] reads back to the same configuration, but for what the cluster keeps for itself
/// (moves, the generation, node attributes).
pub(crate) fn write(name: &str, config: &ClusterConfig) -> Map<String, Value> {
    let mut args = Map::new();
    args.insert("name".to_string(), json!(name));
    let mut set = |key: &str, value: Value| {
        if !super::value::is_empty(&value) {
            args.insert(key.to_string(), value);
        }
    };
    set("properties", attributes(&config.properties));
    set("resource_defaults", attributes(&config.resource_defaults));
    set("operation_defaults", attributes(&config.operation_defaults));
    set("resources", config.primitives().map(|(one, _)| primitive(one)).collect());
    set("groups", groups(config));
    set("clones", clones(config));
    set("constraints", constraints(config));
    set("fence_devices", fence_devices(config));
    let levels = config.fence_levels.iter();
    set(
        "fence_levels",
        levels
            .map(|level| json!({"target": level.target, "level": level.index, "devices": level.devices}))
            .collect(),
    );
    args
}

/// Booleans and numbers are written as such.
fn attributes(attributes: &BTreeMap<String, String>) -> Value {
    let scalar = |text: &str| match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number => match number.parse::<i64>() {
            Ok(value) if value.to_string() == number => Value::from(value),
            _ => Value::from(number),
        },
    };
    attributes.iter().map(|(name, text)| (name.clone(), scalar(text))).collect()
}

fn with(mut map: Value, key: &str, value: Value) -> Value {
    if !super::value::is_empty(&value) {
        map[key] = value;
    }
    map
}

fn primitive(primitive: &Primitive) -> Value {
    let map = json!({"id": primitive.id, "agent": primitive.agent.to_string()});
    let map = with(map, "options", attributes(&primitive.params));
    let map = with(map, "meta", attributes(&primitive.meta));
    with(map, "operations", primitive.operations.iter().map(operation).collect())
}

fn operation(operation: &Operation) -> Value {
    let mut map = json!({"name": operation.name});
    if operation.interval_ms > 0 {
        map["interval"] = json!(format_ms(operation.interval_ms));
    }
    if let Some(timeout_ms) = operation.timeout_ms {
        map["timeout"] = json!(format_ms(timeout_ms));
    }
    if let Some(on_fail) = operation.on_fail {
        map["on-fail"] = json!(on_fail.name());
    }
    if let Some(role) = &operation.role {
        map["role"] = json!(role);
    }
    if !operation.enabled {
        map["enabled"] = json!(false);
    }
    map
}

fn clones(config: &ClusterConfig) -> Value {
    let clones = config.resources.iter().filter_map(|resource| match resource {
        Resource::Clone(clone) => Some(clone),
        _ => None,
    });
    clones
        .map(|clone| {
            let map = json!({"id": clone.id, "resource": clone.content.id()});
            with(map, "meta", attributes(&clone.meta))
        })
        .collect()
}

fn groups(config: &ClusterConfig) -> Value {
    let groups = config.resources.iter().filter_map(Resource::group);
    groups
        .map(|group| {
            let members: Vec<&str> = group.members.iter().map(|member| member.id.as_str()).collect();
            with(json!({"id": group.id, "resources": members}), "meta", attributes(&group.meta))
        })
        .collect()
}

fn role_name(role: Option<RoleName>) -> Value {
    json!(role.map(RoleName::name))
}

fn constraints(config: &ClusterConfig) -> Value {
    let mut by_kind = json!({});
    for constraint in config.constraints.iter().filter(|constraint| !constraint.id().starts_with("cli-")) {
        let (kind, value) = match constraint {
            Constraint::Location { id, resource, node, score, role, discovery, .. } => {
                let map = json!({"id": id, "resource": resource, "node": node, "score": score.to_string()});
                let map = with(map, "role", role_name(*role));
                let is_usual = *discovery == Discovery::Always;
                let discovery = if is_usual { Value::Null } else { json!(discovery.name()) };
                ("location", with(map, "resource-discovery", discovery))
            }
            Constraint::Colocation {
                id,
                resource,
                role,
                with: other,
                with_role,
                score,
                node_attribute,
                influence,
            } => {
                let map = json!({"id": id, "resource": resource, "with": other, "score": score.to_string()});
                let map = with(map, "role", role_name(*role));
                let map = with(map, "with_role", role_name(*with_role));
                let map = with(map, "node-attribute", json!(node_attribute));
                ("colocation", with(map, "influence", json!(influence)))
            }
            Constraint::Order {
                id,
                first,
                first_action,
                then,
                then_action,
                kind,
                symmetrical,
                require_all,
            } => {
                let order = json!({
                    "id": id, "first": first, "then": then, "kind": format!("{kind:?}"), "symmetrical": symmetrical,
                    "first_action": first_action, "then_action": then_action, "require-all": require_all,
                });
                ("order", order)
            }
            other => ("rich", serde_json::to_value(other).unwrap_or_default()),
        };
        match by_kind[kind].as_array_mut() {
            Some(list) => list.push(value),
            None => by_kind[kind] = json!([value]),
        }
    }
    by_kind
}

fn fence_devices(config: &ClusterConfig) -> Value {
    let device = |device: &muster_api::fencing::FenceDevice| {
        let mut options = device.params.clone();
        let targets = options.remove("pcmk_host_list");
        let map = json!({"id": device.id, "agent": device.agent});
        let map = with(map, "options", attributes(&options));
        let targets = targets.map(|list| list.split(',').map(str::to_string).collect::<Vec<_>>());
        let map = with(map, "targets", json!(targets.unwrap_or_default()));
        with(map, "meta", attributes(&device.meta))
    };
    config.fence_devices.iter().map(device).collect()
}
