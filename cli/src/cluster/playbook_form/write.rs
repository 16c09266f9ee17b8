//! A configuration as the arguments of a `cluster` task.

use super::{CLUSTER_NAME, bundles, sets, write_rules};
use crate::cluster::desired::Desired;
use muster_api::cluster::{Capacity, ClusterConfig, Owner};
use muster_api::constraint::{
    Constraint, Discovery, Nodes, OrderKind, ResourceSet, RoleName, SetOrdering, Subject,
};
use muster_api::duration::format_ms;
use muster_api::id::ResourceId;
use muster_api::resource::{Bundle, CloneSet, Group, Operation, Primitive, Resource, Score};
use muster_api::rule::{Rule, RuleScore, ScoredRule};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The arguments that [`super::read_exchanged`] reads back to the same, but for the generation, which the cluster counts itself.
///
/// # Errors
///
/// What cannot be written, a sentence each.
pub(crate) fn write(name: &str, desired: &Desired) -> Result<Map<String, Value>, Vec<String>> {
    let mut writer = Writer { desired, problems: Vec::new() };
    let args = writer.args(name);
    if writer.problems.is_empty() { Ok(args) } else { Err(writer.problems) }
}

struct Writer<'d> {
    desired: &'d Desired,
    problems: Vec<String>,
}

impl<'d> Writer<'d> {
    fn args(&mut self, name: &str) -> Map<String, Value> {
        let config: &'d ClusterConfig = &self.desired.config;
        let mut properties = config.properties.clone();
        properties.remove(CLUSTER_NAME);
        let mut args = Map::from_iter([("name".to_string(), json!(name))]);
        let mut set = |key: &str, value: Value| {
            if !super::value::is_empty(&value) {
                args.insert(key.to_string(), value);
            }
        };
        set("properties", attributes(&properties));
        set("properties_when", self.when(&Owner::Properties, "the properties"));
        set("nodes", self.nodes());
        set("resource_defaults", attributes(&config.resource_defaults));
        set("resource_defaults_when", self.when(&Owner::ResourceDefaults, "the resource defaults"));
        set("operation_defaults", attributes(&config.operation_defaults));
        set("operation_defaults_when", self.when(&Owner::OperationDefaults, "the operation defaults"));
        set("resources", config.primitives().map(|(one, _)| self.primitive(one)).collect());
        set(
            "groups",
            config.resources.iter().filter_map(Resource::group).map(|one| self.group(one)).collect(),
        );
        set("clones", clones(config).map(|one| self.clone_set(one)).collect());
        set("bundles", bundles_of(config).map(|one| self.bundle(one)).collect());
        set("resource_order", resource_order(config));
        set("tags", json!(config.tags));
        set("constraints", self.constraints());
        set("fence_devices", fence_devices(config));
        set("fence_levels", fence_levels(config));
        args
    }

    /// The values of an owner that count while a rule holds.
    fn when(&mut self, owner: &Owner, of: &str) -> Value {
        let all = self.desired.config.conditional.iter().filter(|one| one.owner == *owner);
        let mut written = Vec::new();
        for one in all {
            let map = json!({"rule": self.rule(&one.values.rule, of)});
            written.push(with(map, "values", attributes(&one.values.values)));
        }
        Value::Array(written)
    }

    fn rule(&mut self, rule: &Rule, of: &str) -> String {
        write_rules::print(rule).unwrap_or_else(|| {
            self.problems.push(format!(
                "a rule of {of} cannot be written in one line: it has no conditions, or quotes of both kinds in a value"
            ));
            String::new()
        })
    }

    fn nodes(&self) -> Value {
        let config = &self.desired.config;
        let mut listed: Vec<Value> = Vec::new();
        for (place, node) in self.desired.nodes.iter().enumerate() {
            // Nodes are counted where they have no ids of their own.
            let id = node.id.as_ref().filter(|id| **id != (place + 1).to_string());
            let map = with(json!({"name": node.name}), "id", json!(id));
            let map = with(map, "type", json!(node.is_remote.then_some("remote")));
            let map = with(map, "score", json!(node.score.map(written_score)));
            let of_node = config.node_attributes.get(&node.name);
            let map = with(map, "attributes", attributes(of_node.unwrap_or(&BTreeMap::new())));
            listed.push(with(map, "utilization", capacity(config.node_utilization.get(&node.name))));
        }
        let is_listed = |name: &&_| self.desired.nodes.iter().any(|node| node.name == **name);
        let named = config.node_attributes.keys().chain(config.node_utilization.keys());
        let others: std::collections::BTreeSet<_> = named.filter(|name| !is_listed(name)).collect();
        for name in others {
            let of_node = config.node_attributes.get(name);
            let map = json!({"name": name});
            let map = with(map, "attributes", attributes(of_node.unwrap_or(&BTreeMap::new())));
            listed.push(with(map, "utilization", capacity(config.node_utilization.get(name))));
        }
        Value::Array(listed)
    }

    fn primitive(&mut self, primitive: &Primitive) -> Value {
        let id = &primitive.id;
        let map = json!({"id": id, "agent": primitive.agent.to_string()});
        let map = with(map, "options", attributes(&primitive.params));
        let of = format!("`{id}`");
        let map = with(map, "options_when", self.when(&Owner::Parameters(id.clone()), &of));
        let map = self.with_meta(map, id, &primitive.meta);
        let map = with(map, "utilization", capacity(self.desired.config.utilization.get(id)));
        let operations = primitive.operations.iter().map(|one| self.operation(id, one)).collect();
        with(map, "operations", operations)
    }

    fn with_meta(&mut self, map: Value, id: &ResourceId, meta: &BTreeMap<String, String>) -> Value {
        let map = with(map, "meta", attributes(meta));
        with(map, "meta_when", self.when(&Owner::Meta(id.clone()), &format!("`{id}`")))
    }

    fn operation(&mut self, resource: &ResourceId, operation: &Operation) -> Value {
        let Operation { name, interval_ms, timeout_ms, on_fail, role, enabled } = operation;
        let map = json!({"name": name});
        let map = with(map, "interval", json!((*interval_ms > 0).then(|| format_ms(*interval_ms))));
        let map = with(map, "timeout", json!(timeout_ms.map(format_ms)));
        let map = with(map, "on-fail", json!(on_fail.map(|on_fail| on_fail.name())));
        let map = with(map, "role", json!(role));
        let map = with(map, "enabled", json!((!enabled).then_some(false)));
        let extras = self.desired.extras(resource, name, *interval_ms).cloned().unwrap_or_default();
        let options = extras.options.iter();
        let map = options.fold(map, |map, (name, value)| with(map, name, json!(value)));
        let map = with(map, "options", attributes(&extras.params));
        let owner =
            Owner::Operation { resource: resource.clone(), name: name.clone(), interval_ms: *interval_ms };
        with(map, "meta_when", self.when(&owner, &format!("an operation of `{resource}`")))
    }

    fn group(&mut self, group: &Group) -> Value {
        let members: Vec<&str> = group.members.iter().map(|member| member.id.as_str()).collect();
        self.with_meta(json!({"id": group.id, "resources": members}), &group.id, &group.meta)
    }

    fn clone_set(&mut self, clone: &CloneSet) -> Value {
        let map = json!({"id": clone.id, "resource": clone.content.id()});
        self.with_meta(map, &clone.id, &clone.meta)
    }

    fn bundle(&mut self, bundle: &Bundle) -> Value {
        let mut map = json!({"id": bundle.id});
        map[&bundle.technology] = attributes(&bundle.container);
        let map = with(map, "network", attributes(&bundle.network));
        let (storage, ports): (Vec<_>, Vec<_>) =
            bundle.mappings.iter().partition(|one| bundles::is_storage(one));
        let list = |mappings: Vec<_>| mappings.into_iter().map(attributes).collect();
        let map = with(map, "ports", list(ports));
        let map = with(map, "storage", list(storage));
        let map = with(map, "resource", json!(bundle.primitive.as_ref().map(|primitive| &primitive.id)));
        self.with_meta(map, &bundle.id, &bundle.meta)
    }

    fn constraints(&mut self) -> Value {
        let config = &self.desired.config;
        let mut by_kind = json!({});
        for constraint in &config.constraints {
            let (kind, value) = match constraint {
                Constraint::Location { .. } | Constraint::LocationRule { .. } => {
                    ("location", self.location(constraint))
                }
                Constraint::Colocation { .. } | Constraint::ColocationSets { .. } => {
                    ("colocation", colocation(constraint))
                }
                Constraint::Order { .. } | Constraint::OrderSets { .. } => ("order", order(constraint)),
                Constraint::Ticket { id, ticket, resources, role, loss_policy } => {
                    let map = subject(json!({"id": id, "ticket": ticket}), id, resources);
                    let map = with(map, "role", role_name(*role));
                    ("ticket", with(map, "loss-policy", json!(loss_policy.name())))
                }
            };
            match by_kind[kind].as_array_mut() {
                Some(values) => values.push(value),
                None => by_kind[kind] = json!([value]),
            }
        }
        by_kind
    }

    fn location(&mut self, constraint: &Constraint) -> Value {
        match constraint {
            Constraint::Location { id, resource, node, score, role, discovery, until_ms } => {
                let map =
                    json!({"id": id, "resource": resource, "node": node, "score": written_score(*score)});
                if until_ms.is_some() {
                    self.problems
                        .push(format!("`{id}` ends by itself: it is a move of the moment, not declared"));
                }
                with_discovery(with(map, "role", role_name(*role)), *discovery)
            }
            Constraint::LocationRule { id, resources, nodes, role, discovery } => {
                let map = with(subject(json!({"id": id}), id, resources), "role", role_name(*role));
                with_discovery(self.places(map, id, nodes), *discovery)
            }
            _ => Value::Null,
        }
    }

    fn places(&mut self, map: Value, id: &str, nodes: &Nodes) -> Value {
        match nodes {
            Nodes::Node { node, score } => {
                with(with(map, "node", json!(node)), "score", written_score(*score))
            }
            Nodes::Rules(rules) => match rules.as_slice() {
                [only @ ScoredRule { role: None, .. }] => self.scored_rule(map, id, only),
                several => {
                    let mut written = Vec::new();
                    for rule in several {
                        let one = self.scored_rule(json!({}), id, rule);
                        written.push(with(one, "role", role_name(rule.role)));
                    }
                    let mut map = map;
                    map["rules"] = Value::Array(written);
                    map
                }
            },
        }
    }

    fn scored_rule(&mut self, map: Value, id: &str, scored: &ScoredRule) -> Value {
        let map = with(map, "rule", json!(self.rule(&scored.rule, &format!("`{id}`"))));
        match &scored.score {
            RuleScore::Fixed(score) => with(map, "score", written_score(*score)),
            RuleScore::OfAttribute(attribute) => with(map, "score-attribute", json!(attribute)),
        }
    }
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

/// A number, or one of the words for the infinite.
fn written_score(score: Score) -> Value {
    if score.is_infinite() { json!(score.to_string()) } else { json!(score.0) }
}

fn capacity(capacity: Option<&Capacity>) -> Value {
    json!(capacity)
}

fn with(mut map: Value, key: &str, value: Value) -> Value {
    if !super::value::is_empty(&value) {
        map[key] = value;
    }
    map
}

fn clones(config: &ClusterConfig) -> impl Iterator<Item = &CloneSet> {
    config.resources.iter().filter_map(|resource| match resource {
        Resource::Clone(clone) => Some(clone),
        _ => None,
    })
}

fn bundles_of(config: &ClusterConfig) -> impl Iterator<Item = &Bundle> {
    config.resources.iter().filter_map(|resource| match resource {
        Resource::Bundle(bundle) => Some(bundle),
        _ => None,
    })
}

/// The order of what is not inside of something else, where it does not come of the order in which it is written: bundles
/// without a resource would stand behind all others, and groups without members too.
fn resource_order(config: &ClusterConfig) -> Value {
    let is_empty = |resource: &&Resource| resource.primitives().is_empty();
    let first_empty = config.resources.iter().position(|resource| is_empty(&resource));
    let is_usual = first_empty.is_none_or(|place| config.resources[place..].iter().all(|one| is_empty(&one)));
    if is_usual {
        return Value::Null;
    }
    config.resources.iter().map(|resource| json!(resource.id())).collect()
}

fn role_name(role: Option<RoleName>) -> Value {
    json!(role.map(RoleName::name))
}

fn with_discovery(map: Value, discovery: Discovery) -> Value {
    let is_usual = discovery == Discovery::Always;
    with(map, "resource-discovery", if is_usual { Value::Null } else { json!(discovery.name()) })
}

fn subject(map: Value, constraint: &str, subject: &Subject) -> Value {
    match subject {
        Subject::Resource(resource) => with(map, "resource", json!(resource)),
        Subject::Pattern(pattern) => with(map, "pattern", json!(pattern)),
        Subject::Sets(sets) => with(map, "sets", write_sets(constraint, sets)),
    }
}

fn colocation(constraint: &Constraint) -> Value {
    match constraint {
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
            let map = json!({"id": id, "resource": resource, "with": other, "score": written_score(*score)});
            let map = with(map, "role", role_name(*role));
            let map = with(map, "with_role", role_name(*with_role));
            let map = with(map, "node-attribute", json!(node_attribute));
            with(map, "influence", json!(influence))
        }
        Constraint::ColocationSets { id, score, node_attribute, sets } => {
            let map = json!({"id": id, "score": written_score(*score)});
            let map = with(map, "node-attribute", json!(node_attribute));
            with(map, "sets", write_sets(id, sets))
        }
        _ => Value::Null,
    }
}

fn order(constraint: &Constraint) -> Value {
    match constraint {
        Constraint::Order { id, first, first_action, then, then_action, kind, symmetrical, require_all } => {
            let map = json!({"id": id, "first": first, "then": then});
            let is_start = first_action == "start" && then_action == "start";
            let action = |action: &String| if is_start { Value::Null } else { json!(action) };
            let map = with(map, "first_action", action(first_action));
            let map = with(map, "then_action", action(then_action));
            let map = with_kind(map, *kind, *symmetrical);
            with(map, "require-all", if *require_all { Value::Null } else { json!(false) })
        }
        Constraint::OrderSets { id, kind, symmetrical, sets } => {
            with(with_kind(json!({"id": id}), *kind, *symmetrical), "sets", write_sets(id, sets))
        }
        _ => Value::Null,
    }
}

fn with_kind(map: Value, kind: OrderKind, symmetrical: bool) -> Value {
    let is_usual = kind == OrderKind::Mandatory;
    let map = with(map, "kind", if is_usual { Value::Null } else { json!(format!("{kind:?}")) });
    let is_usual = symmetrical == (kind != OrderKind::Serialize);
    with(map, "symmetrical", if is_usual { Value::Null } else { json!(symmetrical) })
}

/// The sets as [`super::sets::read`] reads them back.
fn write_sets(constraint: &str, sets: &[ResourceSet]) -> Value {
    sets.iter().enumerate().map(|(place, set)| write_set(set, &sets::made_id(constraint, place))).collect()
}

fn write_set(set: &ResourceSet, made_id: &str) -> Value {
    let flag = |value: bool| if value { Value::Null } else { json!(false) };
    let ordering = set.ordering.map(|ordering| match ordering {
        SetOrdering::Group => "group",
        SetOrdering::Listed => "listed",
    });
    let id = if set.id == made_id { Value::Null } else { json!(set.id) };
    let map = with(json!({}), "id", id);
    let map = with(map, "resources", json!(set.resources));
    let map = with(map, "sequential", flag(set.sequential));
    let map = with(map, "require-all", flag(set.require_all));
    let map = with(map, "ordering", json!(ordering));
    let map = with(map, "action", json!(set.action));
    let map = with(map, "role", role_name(set.role));
    let map = with(map, "score", json!(set.score.map(written_score)));
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

fn fence_levels(config: &ClusterConfig) -> Value {
    let level = |level: &muster_api::fencing::FenceLevel| json!({"target": level.target, "level": level.index, "devices": level.devices});
    config.fence_levels.iter().map(level).collect()
}
