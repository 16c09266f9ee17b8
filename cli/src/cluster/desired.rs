//! What a CIB's `<configuration>` or a `cluster` task says shall be: the configuration that agents replicate, and what stands
//! beside it in those two and has no place there.

use muster_api::cluster::ClusterConfig;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::Score;
use std::collections::BTreeMap;

/// A configuration as it is exchanged with Pacemaker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Desired {
    /// What shall run.
    pub(crate) config: ClusterConfig,
    /// The nodes, in order.
    pub(crate) nodes: Vec<DesiredNode>,
    /// What operations say beyond what agents know of them.
    pub(crate) operations: BTreeMap<OperationKey, OperationExtras>,
}

/// `<node>`, without its attributes and its capacity, which are in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DesiredNode {
    /// Its name.
    pub(crate) name: NodeName,
    /// Its id, where it has one of its own.
    pub(crate) id: Option<String>,
    /// It is no member of the cluster.
    pub(crate) is_remote: bool,
    /// How much every resource likes it.
    pub(crate) score: Option<Score>,
}

/// A resource, the name of its operation, and the interval of that, milliseconds.
pub(crate) type OperationKey = (ResourceId, String, u64);

/// What an operation may say and agents do not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct OperationExtras {
    /// Parameters that the agent gets for this operation only.
    pub(crate) params: BTreeMap<String, String>,
    /// `start-delay`, `interval-origin`, …
    pub(crate) options: BTreeMap<String, String>,
}

impl Desired {
    /// What an operation says beyond what agents know of it.
    pub(crate) fn extras(
        &self,
        resource: &ResourceId,
        name: &str,
        interval_ms: u64,
    ) -> Option<&OperationExtras> {
        self.operations.get(&(resource.clone(), name.to_string(), interval_ms))
    }
}
