//! The `cluster` module's arguments -> the cluster's configuration, and back.
//!
//! [`read`] takes rendered arguments; [`check_unrendered`] takes them as they are written and passes over what a
//! template still hides. Mistakes are values: where in the arguments, what was expected, what was probably meant.

mod agents;
mod check;
mod constraints;
mod fencing;
mod names;
mod resources;
mod rules;
mod sets;
mod value;
#[cfg(test)]
mod write;
#[cfg(test)]
mod write_rules;

pub(crate) use value::{FormProblem, Step};
#[cfg(test)]
pub(crate) use write::write;

use muster_api::cluster::ClusterConfig;
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
    let declared = read_all(&mut reader, args, Some(nodes));
    reader.finish().map(|()| declared)
}

/// Finds mistakes in arguments whose templates are not rendered yet. `nodes` is `None` where the nodes are not known yet.
pub(crate) fn check_unrendered(args: &Map<String, Value>, nodes: Option<&[NodeName]>) -> Vec<FormProblem> {
    let mut reader = Reader::unrendered();
    read_all(&mut reader, args, nodes);
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
    "tags",
    "constraints",
    "fence_devices",
    "fence_levels",
    "wait",
];

/// What a cluster may hold and muster does not run yet.
const LATER: &[&str] = &["bundles", "tickets"];

fn read_all(reader: &mut Reader, args: &Map<String, Value>, nodes: Option<&[NodeName]>) -> Declared {
    for kind in LATER {
        if args.get(*kind).is_some_and(|value| !value::is_empty(value)) {
            reader.within(kind, |reader| {
                reader
                    .problem(format!("{kind} are not supported: muster runs primitives, groups and clones"));
            });
        }
    }
    reader.known_keys(args, ARGUMENTS, LATER);
    let mut config = ClusterConfig {
        properties: resources::read_properties(reader, args),
        resource_defaults: reader.field(args, "resource_defaults", resources::read_meta).unwrap_or_default(),
        operation_defaults: reader
            .field(args, "operation_defaults", resources::read_operation_defaults)
            .unwrap_or_default(),
        ..ClusterConfig::default()
    };
    resources::read(reader, args, &mut config);
    config.tags = reader.field(args, "tags", resources::read_tags).unwrap_or_default();
    fencing::read(reader, args, &mut config);
    reader.field(args, "constraints", |reader, value| constraints::read(reader, value, &mut config));
    check::all(reader, &config, nodes, args);
    Declared {
        name: reader.required_text(args, "name").unwrap_or_default(),
        config,
        wait_ms: reader.field(args, "wait", read_wait).unwrap_or(Some(WAIT_MS)),
    }
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
