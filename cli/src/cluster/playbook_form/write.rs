//! A configuration as the arguments of a `cluster` task.

use muster_api::cluster::ClusterConfig;
use muster_api::constraint::{Discovery, Nodes, OrderKind, ResourceSet, RoleName, SetOrdering, Subject};
use muster_api::duration::format_ms;
use muster_api::resource::{Constraint, Operation, Primitive, Resource};
use muster_api::rule::{RuleScore, ScoredRule};
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
    set("tags", json!(config.tags));
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
            Constraint::LocationRule { id, resources, nodes, role, discovery } => {
                let map = located(with(json!({"id": id}), "role", role_name(*role)), resources, nodes);
                let is_usual = *discovery == Discovery::Always;
                let discovery = if is_usual { Value::Null } else { json!(discovery.name()) };
                ("location", with(map, "resource-discovery", discovery))
            }
            Constraint::ColocationSets { id, score, node_attribute, sets } => {
                let map = json!({"id": id, "score": score.to_string(), "sets": write_sets(sets)});
                ("colocation", with(map, "node-attribute", json!(node_attribute)))
            }
            Constraint::OrderSets { id, kind, symmetrical, sets } => {
                let kind = format!("{kind:?}");
                let map =
                    json!({"id": id, "kind": kind, "symmetrical": symmetrical, "sets": write_sets(sets)});
                ("order", map)
            }
            other @ Constraint::Ticket { .. } => ("ticket", serde_json::to_value(other).unwrap_or_default()),
        };
        match by_kind[kind].as_array_mut() {
            Some(list) => list.push(value),
            None => by_kind[kind] = json!([value]),
        }
    }
    by_kind
}

fn located(map: Value, resources: &Subject, nodes: &Nodes) -> Value {
    let map = match resources {
        Subject::Resource(resource) => with(map, "resource", json!(resource)),
        Subject::Pattern(pattern) => with(map, "pattern", json!(pattern)),
        Subject::Sets(sets) => with(map, "sets", write_sets(sets)),
    };
    match nodes {
        Nodes::Node { node, score } => {
            with(with(map, "node", json!(node)), "score", json!(score.to_string()))
        }
        Nodes::Rules(rules) => match rules.as_slice() {
            [only @ ScoredRule { role: None, .. }] => scored_rule(map, only),
            several => {
                let one =
                    |rule: &ScoredRule| with(scored_rule(json!({}), rule), "role", role_name(rule.role));
                with(map, "rules", several.iter().map(one).collect())
            }
        },
    }
}

fn scored_rule(map: Value, scored: &ScoredRule) -> Value {
    let map = with(map, "rule", json!(super::write_rules::print(&scored.rule)));
    match &scored.score {
        RuleScore::Fixed(score) => with(map, "score", json!(score.to_string())),
        RuleScore::OfAttribute(attribute) => with(map, "score-attribute", json!(attribute)),
    }
}

/// The sets as [`super::sets::read`] reads them back.
fn write_sets(sets: &[ResourceSet]) -> Value {
    sets.iter().map(write_set).collect()
}

fn write_set(set: &ResourceSet) -> Value {
    let flag = |value: bool| if value { Value::Null } else { json!(false) };
    let ordering = set.ordering.map(|ordering| match ordering {
        SetOrdering::Group => "group",
        SetOrdering::Listed => "listed",
    });
    let map = json!({"id": set.id, "resources": set.resources});
    let map = with(map, "sequential", flag(set.sequential));
    let map = with(map, "require-all", flag(set.require_all));
    let map = with(map, "ordering", json!(ordering));
    let map = with(map, "action", json!(set.action));
    let map = with(map, "role", role_name(set.role));
    let map = with(map, "score", json!(set.score.map(|score| score.to_string())));
    with(map, "kind", json!(set.kind.map(|kind: OrderKind| format!("{kind:?}"))))
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
