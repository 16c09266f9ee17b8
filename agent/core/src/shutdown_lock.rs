//! `shutdown-lock`: writes down what was stopped because its node is shut down, so that it waits for that node.

use muster_api::cluster::ClusterConfig;
use muster_api::history::{History, OpRecord, OpStatus, rc};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{AgentClass, Resource};

/// Takes in the end of an action. A stop on a node that leaves locks the resource to the node, where `shutdown-lock` is
/// on; a start anywhere frees it. Clones and fence devices are never locked.
pub fn note(
    history: &mut History,
    config: &ClusterConfig,
    (node, is_leaving): (&NodeName, bool),
    resource: &ResourceId,
    record: &OpRecord,
) {
    let has_worked = record.status == OpStatus::Done && record.rc == Some(rc::OK);
    match record.operation.as_str() {
        "start" if has_worked => free(history, |locked| locked == resource),
        "stop" if has_worked && is_leaving && is_lockable(config, resource) => {
            history.locks.entry(node.clone()).or_default().insert(resource.clone(), record.at_ms);
        }
        _ => {}
    }
}

/// Lets go what is meant, on whatever node it waits for.
pub fn free(history: &mut History, is_meant: impl Fn(&ResourceId) -> bool) {
    for locked in history.locks.values_mut() {
        locked.retain(|resource, _| !is_meant(resource));
    }
    history.locks.retain(|_, locked| !locked.is_empty());
}

fn is_lockable(config: &ClusterConfig, resource: &ResourceId) -> bool {
    let may_lock = |top: &&Resource| matches!(top, Resource::Primitive(_) | Resource::Group(_));
    let mut primitives = config.resources.iter().filter(may_lock).flat_map(Resource::primitives);
    config.property_bool("shutdown-lock", false)
        && primitives.any(|one| one.id == *resource && one.agent.class != AgentClass::Stonith)
}
