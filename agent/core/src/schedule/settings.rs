//! The cluster properties that decide something, read once.

use alloc::collections::BTreeMap;
use alloc::string::String;
use muster_api::cluster::ClusterConfig;
use muster_api::duration::parse_ms;
use muster_api::resource::{CloneSet, Content, OnFail, Resource};

/// `no-quorum-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuorumPolicy {
    /// Stop everything.
    Stop,
    /// Leave what runs, start nothing new.
    Freeze,
    /// Demote what is promoted, leave the other copies of it, stop everything else.
    Demote,
    /// Go on.
    Ignore,
    /// Fence the members of this partition.
    Suicide,
}

/// What the properties say.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) is_quorate: bool,
    pub(crate) quorum_policy: QuorumPolicy,
    pub(crate) is_symmetric: bool,
    pub(crate) is_fencing_enabled: bool,
    pub(crate) has_fence_device: bool,
    /// A device has to let a node in before it can be used.
    pub(crate) has_unfencing: bool,
    pub(crate) fences_unseen: bool,
    pub(crate) fences_with_off: bool,
    pub(crate) stops_all: bool,
    pub(crate) stops_orphans: bool,
    pub(crate) is_maintenance: bool,
    pub(crate) default_timeout_ms: u64,
    pub(crate) default_on_fail: Option<OnFail>,
}

/// Pacemaker's `default-action-timeout`.
const DEFAULT_TIMEOUT_MS: u64 = 20_000;

impl Settings {
    pub(crate) fn read(config: &ClusterConfig, is_quorate: bool, has_fence_device: bool) -> Self {
        let property = |name: &str| config.properties.get(name).map(String::as_str);
        let is_fencing_enabled = config.is_fencing_enabled();
        Self {
            is_quorate,
            quorum_policy: quorum_policy(property("no-quorum-policy"), is_fencing_enabled),
            is_symmetric: config.property_bool("symmetric-cluster", true),
            is_fencing_enabled,
            has_fence_device,
            has_unfencing: is_fencing_enabled && has_unfencing(config),
            fences_unseen: config.property_bool("startup-fencing", true),
            fences_with_off: property("stonith-action") == Some("off"),
            stops_all: config.property_bool("stop-all-resources", false),
            stops_orphans: config.property_bool("stop-orphan-resources", true),
            is_maintenance: config.property_bool("maintenance-mode", false),
            default_timeout_ms: config
                .operation_defaults
                .get("timeout")
                .map(String::as_str)
                .or(property("default-action-timeout"))
                .and_then(parse_ms)
                .unwrap_or(DEFAULT_TIMEOUT_MS),
            default_on_fail: config.operation_defaults.get("on-fail").and_then(|text| OnFail::parse(text)),
        }
    }

    /// What the policy comes to now: with quorum nothing is held back.
    pub(crate) fn quorum_policy_in_force(&self) -> QuorumPolicy {
        if self.is_quorate { QuorumPolicy::Ignore } else { self.quorum_policy }
    }

    /// Fencing is on, and there is no device to fence with: nothing may be started (Pacemaker: "Resource start-up
    /// disabled since no STONITH resources have been defined").
    pub(crate) fn lacks_fence_device(&self) -> bool {
        self.is_fencing_enabled && !self.has_fence_device
    }

    /// Whether a node may be fenced from here.
    pub(crate) fn can_fence(&self, is_online: bool) -> bool {
        self.is_fencing_enabled
            && self.has_fence_device
            && (self.is_quorate || self.quorum_policy == QuorumPolicy::Ignore || is_online)
    }
}

/// A device says that it provides it, or a resource that it needs it: in its own meta attributes, or in the defaults of all.
fn has_unfencing(config: &ClusterConfig) -> bool {
    let is_spoken_of = |meta: &BTreeMap<String, String>| {
        ["provides", "requires"].iter().any(|name| meta.get(*name).is_some_and(|value| value == "unfencing"))
    };
    let of_copied_group = |resource: &Resource| match resource {
        Resource::Clone(CloneSet { content: Content::Group(group), .. }) => is_spoken_of(&group.meta),
        _ => false,
    };
    let mut resources = config.resources.iter();
    is_spoken_of(&config.resource_defaults)
        || resources.any(|resource| is_spoken_of(resource.meta()) || of_copied_group(resource))
        || config.primitives().any(|(primitive, _)| is_spoken_of(&primitive.meta))
}

fn quorum_policy(text: Option<&str>, is_fencing_enabled: bool) -> QuorumPolicy {
    match text {
        Some("freeze") => QuorumPolicy::Freeze,
        Some("ignore") => QuorumPolicy::Ignore,
        Some("demote") => QuorumPolicy::Demote,
        Some("suicide" | "fence") if is_fencing_enabled => QuorumPolicy::Suicide,
        _ => QuorumPolicy::Stop,
    }
}
