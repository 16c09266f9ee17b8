//! How long a fencing waits before the device is used: what is configured, or the head start that is derived where nothing
//! is.
//!
//! Two nodes that lose each other notice it at the same moment (see `link::path`), and both may fence. A head
//! start for one of them decides: the other is off before its own turn comes. It belongs to the node that
//! runs more, so that the service stays where it is. Whoever is not the more important one waits.

use crate::replica::activity::importance;
use alloc::string::String;
use core::time::Duration;
use muster_api::cluster::ClusterConfig;
use muster_api::duration::parse_ms;
use muster_api::fencing::FenceDevice;
use muster_api::history::History;
use muster_api::id::{NodeId, NodeName};

/// The derived head start as a part of the token time: long enough for the scheduling of a busy host and a device on the
/// local network, short beside the token that every outage costs anyway.
const HEAD_START_PART: u32 = 6;
const HEAD_START_MIN: Duration = Duration::from_millis(250);
const HEAD_START_MAX: Duration = Duration::from_millis(1000);

/// One side of a split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) id: NodeId,
    pub(crate) name: &'a NodeName,
}

/// What decides about the delay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split<'a> {
    pub(crate) config: &'a ClusterConfig,
    pub(crate) history: &'a History,
    pub(crate) token: Duration,
    /// The node that fences.
    pub(crate) me: Side<'a>,
    pub(crate) target: Side<'a>,
    /// This side has no majority: the target may be fencing this one.
    pub(crate) is_even: bool,
    /// The device that is used first.
    pub(crate) device: &'a FenceDevice,
    /// For `pcmk_delay_max`.
    pub(crate) random: u64,
}

/// A delay with the sentence that explains it, where it is not configured on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) duration: Duration,
    pub(crate) why: Option<String>,
}

pub(crate) fn delay(split: &Split<'_>) -> Delay {
    let configured = configured_on_device(split);
    let by_priority = split.config.properties.get("priority-fencing-delay").and_then(|text| parse_ms(text));
    if !split.is_even {
        return Delay { duration: configured.unwrap_or_default(), why: None };
    }
    let target_is_first = target_is_more_important(split);
    match (by_priority.filter(|ms| *ms > 0), configured) {
        (Some(ms), configured) => {
            let extra = if target_is_first { Duration::from_millis(ms) } else { Duration::ZERO };
            let why = target_is_first
                .then(|| alloc::format!("`priority-fencing-delay`: {} runs more", split.target.name));
            Delay { duration: configured.unwrap_or_default() + extra, why }
        }
        (None, Some(duration)) => Delay { duration, why: None },
        (None, None) if target_is_first => derived(split),
        (None, None) => Delay { duration: Duration::ZERO, why: None },
    }
}

fn derived(split: &Split<'_>) -> Delay {
    let duration = (split.token / HEAD_START_PART).clamp(HEAD_START_MIN, HEAD_START_MAX);
    let why = alloc::format!(
        "{} has the head start: it runs more, or as much with the lower node id (no `priority-fencing-delay` and no \
         `pcmk_delay_base` is set, so this was derived)",
        split.target.name
    );
    Delay { duration, why: Some(why) }
}

fn target_is_more_important(split: &Split<'_>) -> bool {
    let of = |side: &Side<'_>| importance(split.config, split.history, side.name);
    let (mine, theirs) = (of(&split.me), of(&split.target));
    theirs > mine || (theirs == mine && split.target.id < split.me.id)
}

/// `pcmk_delay_base` (one duration, or `node:duration` for each) plus a random part up to `pcmk_delay_max`.
fn configured_on_device(split: &Split<'_>) -> Option<Duration> {
    let base = split.device.params.get("pcmk_delay_base").and_then(|text| base_for(text, split.target.name));
    let max = split.device.params.get("pcmk_delay_max").and_then(|text| parse_ms(text));
    if base.is_none() && max.is_none() {
        return None;
    }
    let base = base.unwrap_or(0);
    let spread = max.unwrap_or(0).saturating_sub(base);
    let random = if spread == 0 { 0 } else { split.random % (spread + 1) };
    Some(Duration::from_millis(base + random))
}

fn base_for(text: &str, target: &NodeName) -> Option<u64> {
    if !text.contains(':') {
        return parse_ms(text);
    }
    let mut entries = text.split([';', ' ']).filter_map(|entry| entry.split_once(':'));
    entries.find(|(name, _)| *name == target.as_str()).and_then(|(_, duration)| parse_ms(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay_of(properties: &[(&str, &str)], params: &[(&str, &str)], target: u32) -> u128 {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect()
        };
        let config = ClusterConfig { properties: map(properties), ..ClusterConfig::default() };
        let device =
            FenceDevice { id: "f".into(), agent: "f".into(), params: map(params), meta: Default::default() };
        let (me, other) = (NodeName::from("n2"), NodeName::from("n1"));
        let split = Split {
            config: &config,
            history: &History::default(),
            token: Duration::from_secs(3),
            me: Side { id: NodeId(2), name: &me },
            target: Side { id: NodeId(target), name: &other },
            is_even: true,
            device: &device,
            random: 7,
        };
        delay(&split).duration.as_millis()
    }

    #[test]
    fn where_nothing_is_configured_one_side_gets_a_head_start() {
        assert_eq!(delay_of(&[], &[], 1), 500, "the lower id is more important where nothing runs");
        assert_eq!(delay_of(&[], &[], 3), 0);
    }

    #[test]
    fn what_is_configured_decides() {
        assert_eq!(delay_of(&[("priority-fencing-delay", "3s")], &[], 1), 3000);
        assert_eq!(delay_of(&[], &[("pcmk_delay_base", "5s")], 3), 5000);
        assert_eq!(delay_of(&[], &[("pcmk_delay_base", "n1:2s;n2:9s")], 3), 2000);
        assert_eq!(delay_of(&[], &[("pcmk_delay_max", "1s")], 3), 7);
    }
}
