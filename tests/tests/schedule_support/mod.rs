//! What the tests of the scheduler need: a written case, random worlds, an executor that does what it is told.

pub(crate) mod case;
pub(crate) mod executor;
pub(crate) mod language;
pub(crate) mod random;
pub(crate) mod why;

use muster_api::cluster::ClusterConfig;
use muster_api::history::History;
use muster_api::id::NodeName;
use muster_api::status::Fact;
use muster_core::schedule::{Decision, Situation, decide, states};
use std::collections::BTreeMap;
use std::fmt;

/// A situation that owns its parts.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) config: ClusterConfig,
    pub(crate) facts: BTreeMap<NodeName, Fact>,
    pub(crate) history: History,
    pub(crate) is_quorate: bool,
    pub(crate) now_ms: u64,
}

impl World {
    pub(crate) fn decide(&self) -> Decision {
        let situation = Situation {
            config: &self.config,
            facts: &self.facts,
            history: &self.history,
            is_quorate: self.is_quorate,
            now_ms: self.now_ms,
        };
        decide(&situation, &states(&self.facts, &self.history))
    }
}

impl fmt::Display for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "facts {:?} quorate {} now {}", self.facts, self.is_quorate, self.now_ms)?;
        writeln!(formatter, "{}", serde_json::to_string(&self.config).map_err(|_| fmt::Error)?)?;
        for (node, resources) in &self.history.nodes {
            for (resource, records) in resources {
                for record in records {
                    writeln!(
                        formatter,
                        "{node} {resource} #{} {} {} {:?} {:?} at {} with {:?}",
                        record.call,
                        record.operation,
                        record.interval_ms,
                        record.status,
                        record.rc,
                        record.at_ms,
                        record.params
                    )?;
                }
            }
        }
        writeln!(formatter, "attributes {:?}", self.history.attributes)?;
        writeln!(formatter, "failures {:?}", self.history.failures)
    }
}
