//! One fence device as this node can use it: the program of the fence-agents package, or what is built in; and what the
//! device's `pcmk_…` parameters change about it (Pacemaker Explained, "Special options for fencing resources").

use super::Order;
use super::program::{Program, Target};
use super::redfish::Redfish;
use muster_api::duration;
use muster_api::fencing::FenceAction;
use muster_api::id::NodeName;
use std::collections::BTreeMap;
use std::time::Duration;

/// Pacemaker's default of `pcmk_…_retries`: how often an action is tried in all.
const TRIES: u32 = 2;

/// A device that can be used.
#[derive(Debug)]
pub(crate) struct Device {
    driver: Driver,
    params: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Driver {
    Program(Program),
    Redfish(Redfish),
}

/// How an action is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steps<'a> {
    /// The agent's action whose success is the confirmation.
    pub(crate) confirm: &'a str,
    /// Whether the node is switched on afterwards.
    pub(crate) then_on: bool,
}

impl Device {
    /// Finds the agent and reads the parameters.
    pub(crate) async fn open(order: &Order) -> Result<Self, String> {
        let params = order.device.params.clone();
        let plug = plug(&params, &order.target);
        let target = Target { plug, name: order.target.0.clone(), id: order.target_id.0 };
        let agent = order.device.agent.as_str();
        let driver = match Program::find(agent) {
            Some(program) if agent != "redfish" => {
                Driver::Program(program.configure(&params, &target).await?)
            }
            _ if matches!(agent, "redfish" | "fence_redfish") => {
                Driver::Redfish(Redfish::parse(&params, &target.plug)?)
            }
            _ => {
                return Err(format!(
                    "the fence agent `{agent}` is not installed on this node: install the package fence-agents or the one of \
                     this agent"
                ));
            }
        };
        Ok(Self { driver, params })
    }

    /// How an action is carried out: a reboot as off, seen, then on, unless the agent or the configuration wants it
    /// otherwise.
    pub(crate) fn steps(&self, action: FenceAction) -> Steps<'_> {
        let configured = self.params.get(&format!("pcmk_{}_action", name(action))).map(String::as_str);
        let can_split = match &self.driver {
            Driver::Program(program) => program.has_action("off") && program.has_action("on"),
            Driver::Redfish(_) => true,
        };
        match (action, configured) {
            (FenceAction::Reboot, None | Some("reboot")) if can_split => {
                Steps { confirm: "off", then_on: true }
            }
            (action, configured) => Steps { confirm: configured.unwrap_or(name(action)), then_on: false },
        }
    }

    /// How long an action may take: `pcmk_…_timeout` where it is set.
    pub(crate) fn limit(&self, action: FenceAction, usual: Duration) -> Duration {
        let configured = self.params.get(&format!("pcmk_{}_timeout", name(action)));
        configured.and_then(|text| duration::parse_ms(text)).map_or(usual, Duration::from_millis)
    }

    /// Tries an action of the agent until it succeeds or the tries are used up.
    pub(crate) async fn try_action(&self, action: &str, limit: Duration) -> Result<(), String> {
        let tries = self.params.get(&format!("pcmk_{action}_retries")).and_then(|text| text.parse().ok());
        let mut result = Ok(());
        for _ in 0..tries.unwrap_or(TRIES).max(1) {
            result = match &self.driver {
                Driver::Program(program) => program.run(action, limit).await,
                Driver::Redfish(redfish) => redfish.run(action, limit).await,
            };
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// Refuses parameters that the agent does not have, and `pcmk_…` ones that there are not.
pub(crate) async fn check(agent: &str, params: &BTreeMap<String, String>) -> Result<(), String> {
    if let Some(unknown) = params.keys().find(|name| name.starts_with("pcmk_") && !is_cluster_parameter(name))
    {
        return Err(format!("there is no parameter `{unknown}`"));
    }
    match Program::find(agent) {
        Some(program) if agent != "redfish" => program.check(params).await,
        _ if matches!(agent, "redfish" | "fence_redfish") => Redfish::parse(params, "").map(drop),
        _ => Ok(()),
    }
}

/// The parameters that are the cluster's and not the agent's.
fn is_cluster_parameter(name: &str) -> bool {
    const WHOLE: [&str; 7] =
        ["host_argument", "host_map", "host_list", "host_check", "delay_max", "delay_base", "action_limit"];
    const ACTIONS: [&str; 6] = ["reboot", "off", "on", "list", "monitor", "status"];
    let Some(name) = name.strip_prefix("pcmk_") else { return false };
    let of_action = name.split_once('_').is_some_and(|(action, rest)| {
        ACTIONS.contains(&action) && ["action", "timeout", "retries"].contains(&rest)
    });
    WHOLE.contains(&name) || of_action
}

/// What runs an agent of that name here, for people.
pub(crate) fn kind(agent: &str) -> &'static str {
    match (agent, Program::find(agent)) {
        ("redfish", _) => "built-in",
        (_, Some(_)) => "program",
        ("fence_redfish", None) => "built-in",
        (_, None) => "not installed on this node",
    }
}

fn name(action: FenceAction) -> &'static str {
    match action {
        FenceAction::Reboot => "reboot",
        FenceAction::Off => "off",
        FenceAction::On => "on",
    }
}

/// What the device calls the node: `pcmk_host_map`, else its own name.
fn plug(params: &BTreeMap<String, String>, target: &NodeName) -> String {
    let map = params.get("pcmk_host_map").map_or("", String::as_str);
    let entries = map.split(|letter: char| letter == ';' || letter.is_whitespace());
    let mut pairs = entries.filter_map(|entry| entry.split_once([':', '=']));
    let found = pairs.find(|(node, _)| *node == target.as_str());
    found.map_or(target.as_str(), |(_, plug)| plug).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(map: &str) -> BTreeMap<String, String> {
        [("pcmk_host_map".to_owned(), map.to_owned())].into()
    }

    #[test]
    fn the_clusters_own_parameters_are_known() {
        assert!(is_cluster_parameter("pcmk_off_timeout") && is_cluster_parameter("pcmk_delay_base"));
        assert!(!is_cluster_parameter("pcmk_off_tiemout") && !is_cluster_parameter("pcmk_delay"));
    }

    #[test]
    fn a_node_is_what_the_host_map_calls_it() {
        let map = params("web1:1;web2:2,3 web3=four");
        assert_eq!(plug(&map, &"web2".into()), "2,3");
        assert_eq!(plug(&map, &"web3".into()), "four");
        assert_eq!(plug(&map, &"web4".into()), "web4");
    }
}
