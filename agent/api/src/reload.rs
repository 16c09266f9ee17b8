//! What a resource agent takes over while its resource runs (OCF Resource Agent API 1.1, "reload-agent"). Each node says it of
//! the agents that are installed there, as a node attribute: whoever decides about changed parameters finds it in what is
//! replicated anyway.

use crate::resource::AgentName;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// The operation. Where an agent only knows `reload`, as those from before OCF 1.1 do, the node calls that.
pub const OPERATION: &str = "reload-agent";

const PREFIX: &str = "#reload:";

/// The node attribute in which a node says it of that agent.
pub fn attribute_of(agent: &AgentName) -> String {
    format!("{PREFIX}{agent}")
}

/// The agent that such a node attribute is about.
pub fn agent_of(attribute: &str) -> Option<&str> {
    attribute.strip_prefix(PREFIX)
}

/// An agent that can be told of changed parameters while its resource runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloading {
    /// The parameters that it has and cannot take over: a change of one of them is a restart.
    pub needs_restart: BTreeSet<String>,
}

impl Reloading {
    /// Reads the value of the node attribute.
    pub fn parse(text: &str) -> Self {
        Self { needs_restart: text.split_whitespace().map(ToString::to_string).collect() }
    }

    /// Whether the agent takes over all that is different.
    pub fn takes_over(&self, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> bool {
        self.needs_restart.iter().all(|name| old.get(name) == new.get(name))
    }
}

impl fmt::Display for Reloading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.needs_restart.iter().enumerate() {
            write!(formatter, "{}{name}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(params: &[(&str, &str)]) -> BTreeMap<String, String> {
        params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_change_is_taken_over_unless_it_is_of_a_parameter_that_needs_a_restart() {
        let reloading = Reloading::parse("state pidfile");
        let old = params(&[("state", "/run/a"), ("fake", "1")]);
        assert!(reloading.takes_over(&old, &params(&[("state", "/run/a"), ("fake", "2"), ("new", "3")])));
        assert!(!reloading.takes_over(&old, &params(&[("state", "/run/b"), ("fake", "1")])));
        assert!(!reloading.takes_over(&old, &params(&[("fake", "1")])));
    }

    #[test]
    fn what_is_said_is_read_again_and_nothing_may_need_a_restart() {
        for text in ["", "pidfile state"] {
            assert_eq!(Reloading::parse(text).to_string(), text);
        }
    }
}
