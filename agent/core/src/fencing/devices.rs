//! Which devices can fence a node, and in which order they are tried (Pacemaker Explained, "Fencing").

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::ClusterConfig;
use muster_api::duration::parse_ms;
use muster_api::fencing::{FenceAction, FenceDevice};
use muster_api::id::{NodeName, ResourceId};

/// Devices that must all succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) devices: Vec<FenceDevice>,
}

impl Level {
    /// With several devices (two power supplies) one after the other must be off before any is switched on again.
    pub(crate) fn action(&self, wanted: FenceAction) -> FenceAction {
        if self.devices.len() > 1 && wanted == FenceAction::Reboot { FenceAction::Off } else { wanted }
    }
}

/// The levels for a node: those of the topology, or else each device that can fence it as a level of its own.
pub(crate) fn levels(config: &ClusterConfig, target: &NodeName) -> Vec<Level> {
    let mut topology: Vec<_> = config.fence_levels.iter().filter(|level| level.target == *target).collect();
    topology.sort_by_key(|level| level.index);
    let device = |id: &ResourceId| {
        config.fence_devices.iter().find(|device| device.id == *id && is_enabled(device)).cloned()
    };
    if !topology.is_empty() {
        let levels = topology
            .into_iter()
            .map(|level| Level { devices: level.devices.iter().filter_map(device).collect() });
        return levels.filter(|level| !level.devices.is_empty()).collect();
    }
    let able = config.fence_devices.iter().filter(|device| is_enabled(device) && can_fence(device, target));
    able.map(|device| Level { devices: alloc::vec![device.clone()] }).collect()
}

/// Whether there are devices, and all of them say that they are for other nodes. A device that would have to be asked may be for any.
pub(crate) fn is_out_of_reach(config: &ClusterConfig, target: &NodeName) -> bool {
    let mut devices = config.fence_devices.iter().filter(|device| is_enabled(device)).peekable();
    devices.peek().is_some()
        && devices.all(|device| unusable(device).is_none())
        && levels(config, target).is_empty()
}

/// `pcmk_host_list`, `pcmk_host_map` and `pcmk_host_check`.
pub(crate) fn can_fence(device: &FenceDevice, target: &NodeName) -> bool {
    match host_check(device) {
        HostCheck::Any => true,
        HostCheck::Listed => listed(device).iter().any(|name| name == target.as_str()),
        HostCheck::Unsupported(_) => false,
    }
}

/// Why a device can fence nobody, where the reason is how it is configured.
pub(crate) fn unusable(device: &FenceDevice) -> Option<String> {
    match host_check(device) {
        HostCheck::Unsupported(check) => Some(alloc::format!(
            "fence device {} can fence no node: `pcmk_host_check` is `{check}`, which is not supported; set \
             `pcmk_host_list` to the nodes that it switches",
            device.id
        )),
        HostCheck::Any | HostCheck::Listed => None,
    }
}

enum HostCheck {
    Any,
    Listed,
    Unsupported(String),
}

fn host_check(device: &FenceDevice) -> HostCheck {
    let has_list = ["pcmk_host_list", "pcmk_host_map"].iter().any(|name| device.params.contains_key(*name));
    match device.params.get("pcmk_host_check").map(String::as_str) {
        Some("none") => HostCheck::Any,
        Some("static-list") => HostCheck::Listed,
        None if has_list => HostCheck::Listed,
        None => HostCheck::Unsupported("dynamic-list".to_string()),
        Some(other) => HostCheck::Unsupported(other.to_string()),
    }
}

/// The nodes of `pcmk_host_list` and `pcmk_host_map`.
pub(crate) fn listed(device: &FenceDevice) -> Vec<String> {
    let list = device.params.get("pcmk_host_list").map_or("", String::as_str);
    let map = device.params.get("pcmk_host_map").map_or("", String::as_str);
    let from_list = list.split([',', ';', ' ', '\t', '\n']).filter(|name| !name.is_empty());
    let entries = map.split([';', ' ', '\t', '\n']).filter_map(|entry| entry.split_once([':', '=']));
    from_list.chain(entries.map(|(name, _)| name)).map(ToString::to_string).collect()
}

fn is_enabled(device: &FenceDevice) -> bool {
    device.meta.get("target-role").is_none_or(|role| !role.eq_ignore_ascii_case("stopped"))
}

/// How long one use of a device may take: `pcmk_reboot_timeout` and the like, else `stonith-timeout`.
pub(crate) fn timeout_ms(config: &ClusterConfig, device: &FenceDevice, action: FenceAction) -> u64 {
    let name = match action {
        FenceAction::Reboot => "pcmk_reboot_timeout",
        FenceAction::Off => "pcmk_off_timeout",
        FenceAction::On => "pcmk_on_timeout",
    };
    let written = device.params.get(name).or_else(|| config.properties.get("stonith-timeout"));
    written.and_then(|text| parse_ms(text)).unwrap_or(60_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::fencing::FenceLevel;

    fn device(id: &str, params: &[(&str, &str)]) -> FenceDevice {
        let params = params.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        FenceDevice { id: id.into(), agent: "fence_test".into(), params, meta: Default::default() }
    }

    fn names(levels: &[Level]) -> Vec<Vec<String>> {
        levels
            .iter()
            .map(|level| level.devices.iter().map(|device| device.id.to_string()).collect())
            .collect()
    }

    #[test]
    fn devices_fence_the_nodes_that_they_list() {
        assert!(can_fence(&device("a", &[("pcmk_host_list", "n1, n2")]), &"n2".into()));
        assert!(can_fence(&device("a", &[("pcmk_host_map", "n1:1;n2:2,3")]), &"n2".into()));
        assert!(!can_fence(&device("a", &[("pcmk_host_list", "n1")]), &"n2".into()));
        assert!(can_fence(&device("a", &[("pcmk_host_check", "none")]), &"n2".into()));
        assert!(unusable(&device("a", &[])).is_some());
    }

    #[test]
    fn a_topology_decides_the_order_and_else_every_able_device_is_a_level() {
        let mut config = ClusterConfig {
            fence_devices: ["a", "b", "c"].map(|id| device(id, &[("pcmk_host_list", "n1")])).into(),
            ..ClusterConfig::default()
        };
        assert_eq!(names(&levels(&config, &"n1".into())), [["a"], ["b"], ["c"]]);
        assert!(levels(&config, &"n2".into()).is_empty());
        let level = |index, devices: &[&str]| FenceLevel {
            target: "n1".into(),
            index,
            devices: devices.iter().map(|id| (*id).into()).collect(),
        };
        config.fence_levels = alloc::vec![level(2, &["c"]), level(1, &["a", "b"])];
        let both = levels(&config, &"n1".into());
        assert_eq!(names(&both), [alloc::vec!["a", "b"], alloc::vec!["c"]]);
        assert_eq!(both[0].action(FenceAction::Reboot), FenceAction::Off);
        assert_eq!(both[1].action(FenceAction::Reboot), FenceAction::Reboot);
    }
}
