//! A resource's meta attributes: its own, else its group's, else the resource defaults, else Pacemaker's.

use alloc::collections::BTreeMap;
use alloc::string::String;
use muster_api::cluster::parse_bool;
use muster_api::duration::parse_ms;
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
}

/// The meta attributes, typed.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) priority: Score,
    pub(crate) is_managed: bool,
    pub(crate) is_maintenance: bool,
    /// `target-role` is `Stopped`.
    pub(crate) is_disabled: bool,
    pub(crate) stickiness: Score,
    /// Failures on a node after which it is left, INFINITY (1,000,000) unless set; nothing is never.
    pub(crate) migration_threshold: Option<u32>,
    /// Zero is never.
    pub(crate) failure_timeout_ms: u64,
    pub(crate) multiple_active: MultipleActive,
    /// As written.
    pub(crate) requires: Option<Requires>,
}

type Attributes = BTreeMap<String, String>;

impl Meta {
    pub(crate) fn read(own: &Attributes, group: Option<&Attributes>, defaults: &Attributes) -> Self {
        let value = |name: &str| {
            own.get(name).or_else(|| group?.get(name)).or_else(|| defaults.get(name)).map(String::as_str)
        };
        let flag = |name, default| value(name).and_then(parse_bool).unwrap_or(default);
        let score = |name| value(name).and_then(Score::parse);
        Self {
            priority: score("priority").unwrap_or_default(),
            is_managed: flag("is-managed", true),
            is_maintenance: flag("maintenance", false),
            is_disabled: value("target-role").is_some_and(|role| role.eq_ignore_ascii_case("stopped")),
            stickiness: score("resource-stickiness").unwrap_or_default(),
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
            requires: match value("requires") {
                Some("nothing") => Some(Requires::Nothing),
                Some("quorum") => Some(Requires::Quorum),
                Some("fencing") => Some(Requires::Fencing),
                _ => None,
            },
        }
    }
}
