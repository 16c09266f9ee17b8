//! What runs where, as far as the records tell. The scheduler judges failures as well; this is for those who only ask
//! how important a node is, and whether anything is left on it.

use alloc::vec::Vec;
use muster_api::cluster::ClusterConfig;
use muster_api::history::{History, OpRecord, OpStatus, rc};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::Resource;

/// Whether the resource may be active: it was started or found there, or its stop did not go well.
pub(crate) fn may_be_active(records: &[OpRecord]) -> bool {
    let mut is_active = false;
    for record in records {
        is_active = match (record.operation.as_str(), record.status, record.rc) {
            ("stop", OpStatus::Done, Some(rc::OK)) | ("monitor", OpStatus::Done, Some(rc::NOT_RUNNING)) => {
                false
            }
            ("start", _, _) => true,
            ("monitor", OpStatus::Done, Some(rc::INSTALLED)) if record.interval_ms == 0 => false,
            ("monitor", OpStatus::Done, _) => true,
            ("stop", OpStatus::Done | OpStatus::TimedOut | OpStatus::Error, _) => true,
            _ => is_active,
        };
    }
    is_active
}

/// The resources that may be active on a node.
pub(crate) fn active_on<'a>(history: &'a History, node: &NodeName) -> Vec<&'a ResourceId> {
    let resources = history.nodes.get(node).into_iter().flatten();
    resources.filter(|(_, records)| may_be_active(records)).map(|(id, _)| id).collect()
}

/// How important a node is for what it runs: the priorities of its resources, then how many they are.
pub(crate) fn importance(config: &ClusterConfig, history: &History, node: &NodeName) -> (i64, usize) {
    let active = active_on(history, node);
    let priorities = active.iter().map(|id| priority(config, id));
    (priorities.sum(), active.len())
}

/// `priority` of the resource, or of what it is in.
fn priority(config: &ClusterConfig, id: &ResourceId) -> i64 {
    let holds = |resource: &&Resource| resource.primitives().iter().any(|primitive| primitive.id == *id);
    let Some(resource) = config.resources.iter().find(holds) else { return 0 };
    let is_above =
        |of: &ResourceId| of == id || resource.primitives().iter().all(|primitive| primitive.id != *of);
    // From the outside to the inside: the innermost counts.
    let metas = resource.metas().into_iter().rev().filter(|(of, _)| is_above(of));
    let written = metas.filter_map(|(_, meta)| meta.get("priority")).next();
    let written = written.or_else(|| config.resource_defaults.get("priority"));
    written.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
