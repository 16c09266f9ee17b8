//! `muster cluster import --to-run`: what Pacemaker's own programs need and agents of muster have no use for is left out, and
//! named. What agents cannot do stays: `muster apply` refuses it by name.

use crate::cluster::desired::Desired;
use muster_api::cluster::ClusterConfig;
use muster_api::id::ResourceId;
use muster_api::resource::{AgentClass, Primitive, Resource};
use std::collections::BTreeMap;

/// Properties that tune Pacemaker's daemons.
const OF_DAEMONS: [&str; 20] = [
    "cluster-delay",
    "cluster-ipc-limit",
    "cluster-recheck-interval",
    "crmd-finalization-timeout",
    "crmd-integration-timeout",
    "crmd-transition-delay",
    "election-timeout",
    "join-finalization-timeout",
    "join-integration-timeout",
    "load-threshold",
    "migration-limit",
    "node-action-limit",
    "node-pending-timeout",
    "pe-error-series-max",
    "pe-input-series-max",
    "pe-warn-series-max",
    "remove-after-stop",
    "shutdown-escalation",
    "transition-delay",
    "transition-idle-timeout",
];

/// An option of operations that only says what is written down while they run.
const RECORD_PENDING: &str = "record-pending";

/// Leaves it out of a configuration, and says what.
pub(super) fn leave_out(desired: &mut Desired, notes: &mut Vec<String>) {
    properties(&mut desired.config, notes);
    if desired.nodes.iter().any(|node| node.id.is_some()) {
        notes.push("the ids of nodes are left out: they are `nodeid` in corosync.conf".to_string());
        desired.nodes.iter_mut().for_each(|node| node.id = None);
    }
    let devices = fence_devices(&desired.config);
    for device in devices.iter().filter(|device| !device.operations.is_empty()) {
        notes.push(format!(
            "the operations of `{}` are left out: muster asks a device when it fences",
            device.id
        ));
    }
    for primitive in desired.config.resources.iter_mut().flat_map(Resource::primitives_mut) {
        if primitive.agent.class == AgentClass::Stonith {
            primitive.operations.clear();
        }
    }
    let is_device = |id: &ResourceId| devices.iter().any(|device| device.id == *id);
    desired.operations.retain(|(resource, ..), extras| {
        extras.options.remove(RECORD_PENDING);
        !is_device(resource)
    });
    desired.config.conditional.retain(|one| match &one.owner {
        muster_api::cluster::Owner::Operation { resource, .. } => !is_device(resource),
        _ => true,
    });
    placements(&mut desired.config, is_device, notes);
}

fn properties(config: &mut ClusterConfig, notes: &mut Vec<String>) {
    let removed = |values: &mut BTreeMap<String, String>, names: &[&str]| -> Vec<String> {
        let gone = names.iter().filter(|name| values.remove(**name).is_some());
        gone.map(|name| format!("`{name}`")).collect()
    };
    let mut gone = removed(&mut config.properties, &OF_DAEMONS);
    gone.extend(removed(&mut config.operation_defaults, &[RECORD_PENDING]));
    if !gone.is_empty() {
        notes.push(format!("{} left out: only Pacemaker's own programs read that", gone.join(", ")));
    }
}

fn fence_devices(config: &ClusterConfig) -> Vec<Primitive> {
    let primitives = config.primitives().map(|(primitive, _)| primitive);
    primitives.filter(|primitive| primitive.agent.class == AgentClass::Stonith).cloned().collect()
}

/// Fence devices are used by whichever member is there: nothing places them.
fn placements(config: &mut ClusterConfig, is_device: impl Fn(&ResourceId) -> bool, notes: &mut Vec<String>) {
    config.constraints.retain(|constraint| {
        let resources = constraint.resources();
        let is_placement = !resources.is_empty() && resources.iter().all(|id| is_device(id));
        if is_placement {
            notes.push(format!(
                "the constraint `{}` is left out: a fence device is used by any member and is not placed",
                constraint.id()
            ));
        }
        !is_placement
    });
}
