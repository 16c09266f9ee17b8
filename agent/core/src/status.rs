//! The status as this node sees it.

use crate::fencing::devices::{can_fence, unusable};
use crate::link::Peer;
use crate::membership::view::View;
use crate::node::Node;
use crate::quorum::flags;
use crate::time::Now;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::NodeEntry;
use muster_api::drift;
use muster_api::id::NodeName;
use muster_api::status::{
    ClusterStatus, FailureStatus, FenceDeviceStatus, LinkStatus, NodeStatus, QuorumStatus, ViewStatus,
};

impl Node {
    /// The status as this node sees it.
    pub fn status(&self, now: Now) -> ClusterStatus {
        let (transition, report) = self.decide(now);
        let view = self.membership.view.as_ref();
        let is_busy = match &self.lead {
            Some(lead) => !lead.is_idle(),
            None => !transition.actions.is_empty() || view.is_none(),
        };
        ClusterStatus {
            cluster_name: self.corosync.totem.cluster_name.clone(),
            node: self.name_of(self.me).clone(),
            version: self.version.clone(),
            protocol: self.spoken_protocol(),
            view: view.map(|view| self.view_status(view)),
            quorum: self.quorum_status(),
            nodes: self.corosync.nodes.iter().map(|entry| self.node_status(entry)).collect(),
            resources: report.resources,
            fence_devices: self.device_status(),
            failures: self.failure_status(),
            fencing: self.replica.fencing.iter().rev().map(|entry| entry.record.clone()).collect(),
            generation: self.replica.config.generation,
            alarms: self.alarms(now, report.alarms),
            busy: is_busy,
        }
    }

    fn spoken_protocol(&self) -> u8 {
        let members = self.membership.view.iter().flat_map(|view| &view.members);
        let others = members.filter(|member| member.id != self.me);
        let newest = self.links.speaks().newest;
        others.map(|member| self.links.version_spoken_with(member.id)).fold(newest, u8::min)
    }

    fn view_status(&self, view: &View) -> ViewStatus {
        ViewStatus {
            epoch: view.id.epoch,
            coordinator: self.name_of(view.id.coordinator).clone(),
            members: view.members.iter().map(|member| self.name_of(member.id).clone()).collect(),
            is_primary: view.is_primary(),
            why_not_primary: view.standing.why_not_primary(|id| self.name_of(id).to_string()),
        }
    }

    fn quorum_status(&self) -> QuorumStatus {
        match &self.membership.view {
            // As it is now: `last_man_standing` lowers the votes of a view that goes on.
            Some(view) => self.judge_again(view).status(&self.corosync.quorum),
            None => QuorumStatus {
                why: Some("this node is in no view: it is looking for the others".to_string()),
                flags: flags(&self.corosync.quorum),
                ..QuorumStatus::default()
            },
        }
    }

    fn node_status(&self, entry: &NodeEntry) -> NodeStatus {
        let config = &self.replica.config;
        let is_on = |attribute: &str| {
            let value = config.node_attribute(&entry.name, attribute);
            value.and_then(muster_api::cluster::parse_bool).unwrap_or(false)
        };
        let facts = self.replica.facts_by_name(&self.corosync);
        NodeStatus {
            id: entry.id,
            name: entry.name.clone(),
            fact: facts.get(&entry.name).copied().unwrap_or(muster_api::status::Fact::NeverSeen),
            standby: is_on("standby"),
            maintenance: is_on("maintenance") || config.property_bool("maintenance-mode", false),
            links: self.links.peer(entry.id).map(|peer| link_status(peer, entry)).unwrap_or_default(),
        }
    }

    fn device_status(&self) -> Vec<FenceDeviceStatus> {
        let targets = |device| {
            let able = self.corosync.nodes.iter().filter(|node| can_fence(device, &node.name));
            able.map(|node| node.name.clone()).collect()
        };
        let devices = self.replica.config.fence_devices.iter();
        devices
            .map(|device| FenceDeviceStatus {
                id: device.id.clone(),
                agent: device.agent.clone(),
                targets: targets(device),
            })
            .collect()
    }

    fn failure_status(&self) -> Vec<FailureStatus> {
        let failures = self.replica.history.failures.iter();
        failures
            .flat_map(|(node, counts)| {
                counts.iter().map(|(resource, fail_count)| FailureStatus {
                    resource: resource.clone(),
                    node: node.clone(),
                    fail_count: fail_count.clone(),
                })
            })
            .collect()
    }

    fn alarms(&self, now: Now, of_policy: Vec<String>) -> Vec<String> {
        let config = &self.replica.config;
        let mut alarms = Vec::new();
        if !config.is_fencing_enabled() {
            alarms.push(
                "fencing is off: stonith-enabled is false; a node that is lost may go on running what is started elsewhere"
                    .to_string(),
            );
        }
        if let Some((at_ms, away)) = self.was_away {
            // An hour later it is history.
            if now.wall_ms < at_ms + 3_600_000 {
                alarms.push(format!(
                    "this node did not run for {} ms, longer than the token",
                    away.as_millis()
                ));
            }
        }
        alarms.extend(self.unmerged_alarms(now));
        alarms.extend(self.pending_alarm());
        alarms.extend(self.versions_met.iter().map(|(id, speaks)| {
            let (name, mine) = (self.name_of(*id), self.links.speaks());
            format!("{name} speaks protocol {speaks}, this node {mine}: it cannot join")
        }));
        alarms.extend(self.differing_configs());
        alarms.extend(self.drifted());
        alarms.extend(config.fence_devices.iter().filter_map(unusable));
        for alarm in of_policy {
            if !alarms.contains(&alarm) {
                alarms.push(alarm);
            }
        }
        alarms
    }

    /// Members whose disk and memory differ.
    fn drifted(&self) -> Vec<String> {
        let view = self.membership.view.as_ref();
        let is_member = |node: &NodeName| {
            view.is_some_and(|view| view.members.iter().any(|member| self.name_of(member.id) == node))
        };
        let attributes = self.replica.history.attributes.iter().filter(|(node, _)| is_member(node));
        let said = attributes.filter_map(|(node, all)| Some((node, all.get(drift::ATTRIBUTE)?)));
        said.map(|(node, differences)| drift::sentence(node, differences)).collect()
    }

    fn differing_configs(&self) -> Vec<String> {
        let mine = self.config_digest;
        let beats = self.links.peers().filter_map(|(id, peer)| Some((id, peer.beat()?)));
        let differing = beats.filter(|(_, beat)| beat.config_digest != mine);
        differing
            .map(|(id, _)| {
                format!(
                    "corosync.conf of {} differs from this node's: `musterd reload` where it is old",
                    self.name_of(id)
                )
            })
            .collect()
    }
}

fn link_status(peer: &Peer, entry: &NodeEntry) -> Vec<LinkStatus> {
    let status = |(link, address): (&u8, &String)| {
        let (is_up, rtt) = peer.link_state(*link)?;
        let rtt_us = rtt.and_then(|rtt| u64::try_from(rtt.as_micros()).ok());
        Some(LinkStatus { link: *link, address: address.clone(), is_up, rtt_us })
    };
    entry.addresses.iter().filter_map(status).collect()
}
