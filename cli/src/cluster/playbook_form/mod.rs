//! The `cluster` module's arguments -> the cluster's configuration, and back.
//!
//! [`read`] takes rendered arguments for agents, [`read_exchanged`] takes them for Pacemaker and for simulations;
//! [`check_unrendered`] takes them as they are written and passes over what a template still hides. Mistakes are values: where
//! in the arguments, what was expected, what was probably meant.

mod agents;
mod bundles;
mod check;
mod conditional;
mod constraints;
mod fencing;
mod names;
mod nodes;
mod resources;
mod role_variables;
mod rules;
mod sets;
mod value;
mod write;
mod write_rules;

pub(crate) use value::{FormProblem, Step};
pub(crate) use write::write;

use super::desired::Desired;
use muster_api::cluster::{ClusterConfig, Owner};
use muster_api::duration::parse_ms;
use muster_api::id::NodeName;
use serde_json::{Map, Value};
use value::Reader;

/// What a `cluster` task declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// `cluster_name` of the corosync.conf that it is meant for.
    pub(crate) name: String,
    /// What shall run; its generation counts for nothing.
    pub(crate) config: ClusterConfig,
    /// How long to wait until the cluster has done it; `None` is not at all.
    pub(crate) wait_ms: Option<u64>,
}

/// Pacemaker's own tools wait a minute.
const WAIT_MS: u64 = 60_000;

/// Reads rendered arguments. `nodes` are the names of the cluster's nodes; others are mistakes.
///
/// # Errors
///
/// All mistakes, in the order of the arguments.
pub(crate) fn read(args: &Map<String, Value>, nodes: &[NodeName]) -> Result<Declared, Vec<FormProblem>> {
    let mut reader = Reader::rendered();
    let args = role_variables::spelled_out(&mut reader, args, Some(nodes));
    let declared = read_all(&mut reader, &args, Some(nodes));
    reader.finish().map(|()| declared)
}

/// Reads rendered arguments that are to be handed to Pacemaker or simulated: all that the model has may be in them.
///
/// # Errors
///
/// All mistakes, in the order of the arguments.
pub(crate) fn read_exchanged(args: &Map<String, Value>) -> Result<Desired, Vec<FormProblem>> {
    let mut reader = Reader::for_exchange();
    let args = role_variables::spelled_out(&mut reader, args, None);
    let args = args.as_ref();
    let (declared, mut desired) = read_parts(&mut reader, args);
    reader.finish().map(|()| {
        desired.config.properties.entry(CLUSTER_NAME.to_string()).or_insert(declared.name);
        desired
    })
}

/// The property that says the cluster's name in a CIB.
const CLUSTER_NAME: &str = "cluster-name";

/// Finds mistakes in arguments whose templates are not rendered yet. `nodes` is `None` where the nodes are not known yet.
pub(crate) fn check_unrendered(args: &Map<String, Value>, nodes: Option<&[NodeName]>) -> Vec<FormProblem> {
    let mut reader = Reader::unrendered();
    let args = role_variables::spelled_out(&mut reader, args, nodes);
    read_all(&mut reader, &args, nodes);
    reader.finish().err().unwrap_or_default()
}

const ARGUMENTS: &[&str] = &[
    "name",
    "properties",
    "resource_defaults",
    "operation_defaults",
    "resources",
    "groups",
    "clones",
    "resource_order",
    "nodes",
    "resource_defaults_when",
    "operation_defaults_when",
    "tags",
    "constraints",
    "fence_devices",
    "fence_levels",
    "wait",
];

/// What is only handed to Pacemaker and simulated: each has its own sentence where agents are to run it.
const EXCHANGED: &[&str] = &["bundles", "properties_when"];

/// What a cluster may hold and muster does not run yet.
const LATER: &[&str] = &["tickets"];

fn read_all(reader: &mut Reader, args: &Map<String, Value>, nodes: Option<&[NodeName]>) -> Declared {
    let (mut declared, desired) = read_parts(reader, args);
    declared.config = fencing::lift(reader, args, desired.config);
    check::all(reader, &declared.config, &desired.nodes, nodes, args);
    declared
}

/// What runs, apart from what is said of the task itself.
fn read_parts(reader: &mut Reader, args: &Map<String, Value>) -> (Declared, Desired) {
    for kind in LATER {
        if args.get(*kind).is_some_and(|value| !value::is_empty(value)) {
            reader.within(kind, |reader| {
                reader
                    .problem(format!("{kind} are not supported: muster runs primitives, groups and clones"));
            });
        }
    }
    reader.known_keys(args, ARGUMENTS, &[EXCHANGED, LATER].concat());
    let mut config = ClusterConfig {
        properties: resources::read_properties(reader, args),
        resource_defaults: reader.field(args, "resource_defaults", resources::read_meta).unwrap_or_default(),
        operation_defaults: reader
            .field(args, "operation_defaults", resources::read_operation_defaults)
            .unwrap_or_default(),
        ..ClusterConfig::default()
    };
    let beside = resources::read(reader, args, &mut config);
    config.conditional = beside.conditional;
    let of_cluster = [
        ("properties_when", Owner::Properties),
        ("resource_defaults_when", Owner::ResourceDefaults),
        ("operation_defaults_when", Owner::OperationDefaults),
    ];
    for (key, owner) in of_cluster {
        conditional::read(reader, args, key, &owner, &mut config.conditional);
    }
    // Only the order of one owner's values decides something.
    config.conditional.sort_by(|one, other| one.owner.cmp(&other.owner));
    let nodes = nodes::read(reader, args, &mut config);
    config.tags = reader.field(args, "tags", resources::read_tags).unwrap_or_default();
    fencing::read(reader, args, &mut config);
    reader.field(args, "constraints", |reader, value| constraints::read(reader, value, &mut config));
    let declared = Declared {
        name: reader.required_text(args, "name").unwrap_or_default(),
        config: ClusterConfig::default(),
        wait_ms: reader.field(args, "wait", read_wait).unwrap_or(Some(WAIT_MS)),
    };
    (declared, Desired { config, nodes, operations: beside.operations })
}

/// A duration, or `false` for not at all.
fn read_wait(reader: &mut Reader, value: &Value) -> Option<u64> {
    match value {
        Value::Bool(false) => None,
        Value::Bool(true) | Value::Null => Some(WAIT_MS),
        other => match reader.text(other).as_deref().map(parse_ms) {
            Some(None) => {
                reader.problem("expected a duration (`60s`, `2min`) or `false`".to_string());
                None
            }
            Some(wait) => wait,
            None => None,
        },
    }
}

#[cfg(test)]
mod tests;
