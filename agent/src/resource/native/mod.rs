//! Agents that are built in, for nodes without the resource-agents package: they take the parameters of the scripts
//! whose names they bear, and refuse those that they do not have.

pub(crate) mod announce;
pub(crate) mod apache;
pub(crate) mod http;
pub(crate) mod httpd;
pub(crate) mod ip_address;
pub(crate) mod pid;
pub(crate) mod route;

use super::meta_data::{AdvisedAction, MetaData, Parameter};
use muster_api::resource::{AgentClass, AgentName};

/// One built-in agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// `ocf:heartbeat:IPaddr2`.
    IpAddress,
    /// `ocf:heartbeat:apache`.
    Apache,
}

impl BuiltIn {
    /// The built-in of that name, where there is one.
    pub(crate) fn find(agent: &AgentName) -> Option<Self> {
        match (agent.class, agent.provider.as_deref(), agent.name.as_str()) {
            (AgentClass::Ocf, Some("heartbeat"), "IPaddr2") => Some(Self::IpAddress),
            (AgentClass::Ocf, Some("heartbeat"), "apache") => Some(Self::Apache),
            _ => None,
        }
    }

    /// What it says about itself.
    pub(crate) fn meta_data(self) -> MetaData {
        match self {
            Self::IpAddress => ip_address::meta_data(),
            Self::Apache => apache::meta_data(),
        }
    }
}

/// A parameter without default.
fn parameter(name: &str, is_required: bool, summary: &str) -> Parameter {
    Parameter { name: name.into(), is_required, summary: summary.into(), ..Parameter::default() }
}

/// A parameter with a default.
fn defaulted(name: &str, default: &str, summary: &str) -> Parameter {
    Parameter { default: Some(default.into()), ..parameter(name, false, summary) }
}

/// The actions that every built-in has.
fn actions(start_ms: u64, stop_ms: u64) -> Vec<AdvisedAction> {
    let action = |name: &str, timeout_ms, interval_ms| AdvisedAction {
        name: name.into(),
        timeout_ms: Some(timeout_ms),
        interval_ms,
    };
    vec![
        action("start", start_ms, None),
        action("stop", stop_ms, None),
        action("monitor", 20_000, Some(10_000)),
        action("meta-data", 5_000, None),
    ]
}
