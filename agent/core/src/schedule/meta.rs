//! A resource's meta attributes: its own, else those of what it is in, else the resource defaults, else Pacemaker's.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::cluster::parse_bool;
use muster_api::constraint::RoleName;
use muster_api::duration::parse_ms;
use muster_api::id::ResourceId;
use muster_api::resource::Score;

/// `multiple-active`: what to do with a resource that is found active on several nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MultipleActive {
    /// Stop it everywhere, then start it once.
    StopStart,
    /// Stop it everywhere.
    StopOnly,
    /// Stop it where it should not be.
    StopUnexpected,
    /// Touch nothing.
    Block,
}

/// `requires`: what a start has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requires {
    Nothing,
    Quorum,
    /// Quorum, and that lost nodes are confirmed off.
    Fencing,
    /// The same, and that its own node is unfenced.
    Unfencing,
}

impl Requires {
    /// Whether a start waits until lost nodes are off.
    pub(crate) fn needs_fencing(self) -> bool {
        matches!(self, Self::Fencing | Self::Unfencing)
    }
}

/// The meta attributes, typed.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) priority: Score,
    pub(crate) is_managed: bool,
    pub(crate) is_maintenance: bool,
    /// `target-role` is `Stopped`.
    pub(crate) is_disabled: bool,
    /// `target-role` is `Unpromoted`.
    pub(crate) stays_unpromoted: bool,
    /// `critical`: whether it has a say in where its group goes.
    pub(crate) is_critical: bool,
    /// `ordered` and `collocated` of a group: its own, for those of a clone around it are about the instances.
    pub(crate) is_ordered: bool,
    pub(crate) is_colocated: bool,
    /// `allow-migrate`.
    pub(crate) can_migrate: bool,
    pub(crate) stickiness: Score,
    /// Failures on a node after which it is left, INFINITY (1,000,000) unless set; nothing is never.
    pub(crate) migration_threshold: Option<u32>,
    /// Zero is never.
    pub(crate) failure_timeout_ms: u64,
    pub(crate) multiple_active: MultipleActive,
    /// As written.
    pub(crate) requires: Option<Requires>,
    /// `container-attribute-target` is `host`.
    pub(crate) keeps_attributes_with_host: bool,
    /// `container`: what it runs in.
    pub(crate) container: Option<ResourceId>,
}

pub(crate) type Attributes = BTreeMap<String, String>;

/// The attributes that are looked up one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Layers<'a> {
    /// Its own, then those of what it is in, from the inside to the outside.
    pub(crate) own: Vec<&'a Attributes>,
    pub(crate) defaults: &'a Attributes,
    /// It is an instance of a clone or a part of one: it sticks a little to where it is.
    pub(crate) is_copied: bool,
}

impl<'a> Layers<'a> {
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        let own = self.own.iter().find_map(|attributes| attributes.get(name));
        own.or_else(|| self.defaults.get(name)).map(String::as_str)
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.value(name).and_then(parse_bool).unwrap_or(default)
    }

    /// A count: a whole number that is not negative.
    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        let score = self.value(name).and_then(Score::parse)?;
        usize::try_from(score.0).ok()
    }

    /// The layers of what stands in this, with its own attributes on top.
    pub(crate) fn within(&self, own: &'a Attributes) -> Self {
        let mut layers = self.clone();
        layers.own.insert(0, own);
        layers
    }
}

impl Meta {
    pub(crate) fn read(layers: &Layers<'_>) -> Self {
        let value = |name: &str| layers.value(name);
        let flag = |name, default| layers.flag(name, default);
        let own = layers.own.first();
        let own_flag = |name: &str| own.and_then(|own| parse_bool(own.get(name)?)) != Some(false);
        let score = |name| value(name).and_then(Score::parse);
        let role = value("target-role").and_then(RoleName::parse);
        let default_stickiness = if layers.is_copied { Score(1) } else { Score(0) };
        Self {
            priority: score("priority").unwrap_or_default(),
            is_managed: flag("is-managed", true),
            is_maintenance: flag("maintenance", false),
            is_disabled: role == Some(RoleName::Stopped),
            stays_unpromoted: role == Some(RoleName::Unpromoted),
            is_critical: flag("critical", true),
            is_ordered: own_flag("ordered"),
            is_colocated: own_flag("collocated"),
            can_migrate: flag("allow-migrate", false),
            stickiness: score("resource-stickiness").unwrap_or(default_stickiness),
            migration_threshold: u32::try_from(score("migration-threshold").unwrap_or(Score::INFINITY).0)
                .ok()
                .filter(|threshold| *threshold > 0),
            failure_timeout_ms: value("failure-timeout").and_then(parse_ms).unwrap_or(0),
            multiple_active: match value("multiple-active") {
                Some("stop_only") => MultipleActive::StopOnly,
                Some("stop_unexpected") => MultipleActive::StopUnexpected,
                Some("block") => MultipleActive::Block,
                _ => MultipleActive::StopStart,
            },
            keeps_attributes_with_host: value("container-attribute-target") == Some("host"),
            container: value("container").map(ResourceId::from),
            requires: match value("requires") {
                Some("nothing") => Some(Requires::Nothing),
                Some("quorum") => Some(Requires::Quorum),
                Some("fencing") => Some(Requires::Fencing),
                Some("unfencing") => Some(Requires::Unfencing),
                _ => None,
            },
        }
    }
}
