//! The module that declares what the cluster runs. The controller reads these into a cluster configuration; on
//! the wire the step has `config`, `cluster_name` and `wait_ms` instead.

use super::super::ArgKind::{Dict, List, Raw, Str};
use super::super::ModuleSpec;
use super::{NOTHING, arg};

pub(super) const CLUSTER: ModuleSpec = ModuleSpec {
    name: "cluster",
    summary: "Declares what the cluster runs, where, and how nodes are fenced.",
    args: &[
        arg(
            "name",
            Str,
            "The cluster, as `cluster_name` of corosync.conf. Required, but for `role_variables`.",
        ),
        arg("properties", Dict, "Cluster properties: `stonith-enabled`, `no-quorum-policy`, …"),
        arg("resource_defaults", Dict, "Meta attributes that every resource has unless it says otherwise."),
        arg("operation_defaults", Dict, "What every operation has unless it says otherwise: `timeout`, …"),
        arg("nodes", List, "What nodes have: `name`, `attributes`, `utilization`."),
        arg(
            "resources",
            List,
            "Primitives: `id`, `agent`, `options`, `meta`, `operations`, `utilization`; `options_when` and `meta_when` under a rule.",
        ),
        arg("groups", List, "Groups: `id`, `resources`, `meta`."),
        arg("clones", List, "Clones: `id`, `resource`, `meta`."),
        arg(
            "resource_order",
            List,
            "All that is not in a group or clone, where the order of `resources` does not say it.",
        ),
        arg("tags", Dict, "Names for several resources, to be used in constraints."),
        arg("constraints", Dict, "`location`, `colocation` and `order`, each a list."),
        arg(
            "bundles",
            List,
            "Replicas of containers. Only for `muster cluster export`; agents do not run them.",
        ),
        arg(
            "properties_when",
            List,
            "Properties that depend on a rule: `rule`, `values`. Only for `muster cluster export`.",
        ),
        arg(
            "resource_defaults_when",
            List,
            "Resource defaults that depend on a rule: `rule` (`date-spec hours=9-16`), `values`; the first counts.",
        ),
        arg(
            "operation_defaults_when",
            List,
            "Operation defaults that depend on a rule: `rule` (`op monitor`), `values`.",
        ),
        arg("fence_devices", List, "Fence devices: `id`, `agent`, `options`, `targets`."),
        arg("fence_levels", List, "Fence levels: `target`, `level`, `devices`."),
        arg(
            "role_variables",
            Dict,
            "All of that in the variables of the role `linux-system-roles.ha_cluster` instead: `ha_cluster_resource_primitives`, …",
        ),
        arg("wait", Raw, "How long to wait until the cluster has done it: `60s`, or `false`."),
    ],
    ..NOTHING
};
