//! The module that declares what the cluster runs. The controller reads these into a cluster configuration; on
//! the wire the step has `config`, `cluster_name` and `wait_ms` instead.

use super::super::ArgKind::{Dict, List, Raw, Str};
use super::super::ModuleSpec;
use super::{NOTHING, arg};

pub(super) const CLUSTER: ModuleSpec = ModuleSpec {
    name: "cluster",
    summary: "Declares what the cluster runs, where, and how nodes are fenced.",
    args: &[
        arg("name", Str, "The cluster, as `cluster_name` of corosync.conf.").required(),
        arg("properties", Dict, "Cluster properties: `stonith-enabled`, `no-quorum-policy`, …"),
        arg("resource_defaults", Dict, "Meta attributes that every resource has unless it says otherwise."),
        arg("operation_defaults", Dict, "What every operation has unless it says otherwise: `timeout`, …"),
        arg("resources", List, "Primitives: `id`, `agent`, `options`, `meta`, `operations`."),
        arg("groups", List, "Groups: `id`, `resources`, `meta`."),
        arg("clones", List, "Clones: `id`, `resource`, `meta`."),
        arg("tags", Dict, "Names for several resources, to be used in constraints."),
        arg("constraints", Dict, "`location`, `colocation` and `order`, each a list."),
        arg("fence_devices", List, "Fence devices: `id`, `agent`, `options`, `targets`."),
        arg("fence_levels", List, "Fence levels: `target`, `level`, `devices`."),
        arg("wait", Raw, "How long to wait until the cluster has done it: `60s`, or `false`."),
    ],
    ..NOTHING
};
