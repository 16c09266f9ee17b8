//! Whether a change of the configuration costs survivals: faults that cost nothing of what is configured, and then do.

use super::Rehearsal;
use super::single_faults::{Fault, SingleFaults};
use crate::fencing::devices::levels;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::id::{NodeName, ResourceId};

/// Up to so many pairs of faults and resources the failure of every resource is tried; beyond, only what befalls nodes: a plan
/// is to be there at once.
const MOST_PAIRS: usize = 2_500;

/// A sentence for each node that a device could fence before and none can after.
pub fn fencing_lost(before: &Rehearsal, after: &Rehearsal) -> Vec<String> {
    let is_lost =
        |node: &&NodeName| !levels(&before.config, node).is_empty() && levels(&after.config, node).is_empty();
    let nodes = after.states.keys().filter(|_| after.config.is_fencing_enabled()).filter(is_lost);
    let sentence = |node: &NodeName| {
        format!(
            "no fence device would be left for {node}: if it is lost, what runs there is started nowhere else"
        )
    };
    nodes.map(sentence).collect()
}

/// A sentence for each fault that the cluster survives before and not after.
pub fn survivals_lost(before: &Rehearsal, after: &Rehearsal) -> Vec<String> {
    let known: BTreeSet<ResourceId> =
        before.config.primitives().map(|(primitive, _)| primitive.id.clone()).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let (was, is) = (faults(before), faults(after));
    is.faults.iter().filter_map(|fault| lost(&was, fault, &known)).collect()
}

fn faults(rehearsal: &Rehearsal) -> SingleFaults {
    let resources = rehearsal.config.primitives().count();
    if resources * (resources + rehearsal.states.len()) > MOST_PAIRS {
        SingleFaults::of_nodes(rehearsal)
    } else {
        SingleFaults::of(rehearsal)
    }
}

/// What is new cannot be lost: only what was there before counts.
fn lost(before: &SingleFaults, fault: &Fault, known: &BTreeSet<ResourceId>) -> Option<String> {
    let costs: Vec<_> = fault.stopped.iter().filter(|stopped| known.contains(&stopped.resource)).collect();
    let first = costs.first()?;
    let same: Vec<&Fault> =
        before.faults.iter().filter(|other| what(&other.fault) == what(&fault.fault)).collect();
    let cost_it_too = |other: &&Fault| {
        other.stopped.iter().any(|one| costs.iter().any(|cost| cost.resource == one.resource))
    };
    if same.is_empty() || same.iter().any(cost_it_too) {
        return None;
    }
    let names: Vec<String> = costs.iter().map(|cost| cost.resource.to_string()).collect();
    Some(format!(
        "the cluster would no longer survive: {} (it costs {}: {})",
        fault.fault,
        names.join(", "),
        first.why
    ))
}

/// A resource may fail elsewhere then.
fn what(fault: &str) -> &str {
    fault.split_once(" fails on ").map_or(fault, |(resource, _)| resource)
}

#[cfg(test)]
mod tests {
    use super::super::Course;
    use super::*;
    use alloc::vec;
    use muster_api::cluster::ClusterConfig;
    use muster_api::fencing::FenceDevice;
    use muster_api::resource::{AgentName, Primitive, Resource};

    fn device(node: &str) -> FenceDevice {
        let params = [("pcmk_host_list".to_string(), node.to_string())].into();
        let id = format!("fence-{node}").as_str().into();
        FenceDevice { id, agent: "fence_redfish".into(), params, meta: Default::default() }
    }

    fn running() -> Rehearsal {
        let agent = AgentName::parse("ocf:muster:Dummy").unwrap();
        let (params, meta, operations) = Default::default();
        let vip = Primitive { id: "vip".into(), agent, params, meta, operations };
        let config = ClusterConfig {
            resources: vec![Resource::Primitive(vip)],
            fence_devices: vec![device("n1"), device("n2")],
            ..ClusterConfig::default()
        };
        let mut rehearsal = Rehearsal::from_nothing(config, &["n1".into(), "n2".into()], 1_000_000);
        rehearsal.run_to_rest();
        rehearsal
    }

    #[test]
    fn without_a_device_for_it_a_lost_node_keeps_what_it_ran_and_the_cluster_does_not_survive_it() {
        let before = running();
        let mut after = before.clone();
        after.config.fence_devices.remove(0);
        let lost = fencing_lost(&before, &after);
        assert_eq!(lost.len(), 1);
        assert!(lost[0].starts_with("no fence device would be left for n1: "), "{lost:?}");
        let lost = survivals_lost(&before, &after);
        let sentence =
            "the cluster would no longer survive: node n1 lost (it costs vip: n1 must be fenced and no";
        assert!(lost[0].starts_with(sentence), "{lost:?}");
    }

    #[test]
    fn a_fencing_that_no_device_can_do_is_not_taken_for_done() {
        let mut rehearsal = running();
        rehearsal.config.fence_devices.remove(0);
        rehearsal.lose(&"n1".into());
        let course = Course::of(rehearsal);
        assert!(course.fenced().is_empty());
        assert!(course.to_string().contains("alarm: n1 must be fenced and no fence device is for it"));
    }
}
