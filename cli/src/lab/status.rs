//! What a lab is doing now, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::error::Result;
use super::node::{Node, Power};
use super::power_switch::log::Entry;
use super::{Lab, power_switch};

#[derive(Debug, Serialize)]
pub(crate) struct LabStatus {
    name: String,
    is_complete: bool,
    base_image: String,
    inventory: String,
    floating_address: String,
    networks: Vec<String>,
    nodes: Vec<NodeStatus>,
    switch: SwitchStatus,
    cuts: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct NodeStatus {
    name: String,
    /// `on`, `off` or `frozen`.
    power: &'static str,
    addresses: Vec<String>,
    /// The node's process 1, by its number on the host.
    pid: Option<u32>,
    since: Option<String>,
    /// The folder of the process group that holds everything in the node.
    cgroup: String,
    is_booted: bool,
}

#[derive(Debug, Serialize)]
struct SwitchStatus {
    is_running: bool,
    https: String,
    http: String,
    delay_ms: u64,
    last_actions: Vec<Entry>,
}

/// How many of the last power actions are shown.
const LAST_ACTIONS: usize = 5;

impl LabStatus {
    pub(crate) fn of(lab: &Lab) -> Result<Self> {
        Ok(Self {
            name: lab.state.name.to_string(),
            is_complete: lab.state.is_complete,
            base_image: lab.state.base_image.clone(),
            inventory: lab.files.inventory().display().to_string(),
            floating_address: lab.state.floating_address().to_string(),
            networks: lab.state.links.iter().map(ToString::to_string).collect(),
            nodes: lab.nodes().map(|node| NodeStatus::of(&node)).collect(),
            switch: SwitchStatus::of(lab)?,
            cuts: lab.state.cuts.iter().map(ToString::to_string).collect(),
        })
    }

    /// A table, and what is unusual.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("lab {}  {}  {}\n", self.name, self.networks.join(" "), self.base_image);
        if !self.is_complete {
            text += "unfinished: muster lab down removes it\n";
        }
        text += &format!("{:<6} {:<7} {:<16} {:<9} {}\n", "node", "power", "address", "pid", "since");
        for node in &self.nodes {
            text += &node.row();
        }
        text += &self.switch.render();
        for cut in &self.cuts {
            text += &format!("cut: {cut}\n");
        }
        text + &format!("inventory: {}\n", self.inventory)
    }
}

impl NodeStatus {
    pub(crate) fn of(node: &Node<'_>) -> Self {
        let run = node.run();
        let addresses = node.lab().state.links.iter().map(|link| node.state().address(*link).to_string());
        Self {
            name: node.name().to_owned(),
            power: match node.power() {
                Power::Off => "off",
                Power::On if node.is_frozen() => "frozen",
                Power::On => "on",
            },
            addresses: addresses.collect(),
            cgroup: node.group().path().display().to_string(),
            pid: run.as_ref().and_then(|run| run.leader),
            is_booted: run.as_ref().is_some_and(|run| run.is_booted),
            since: run.map(|run| run.since),
        }
    }

    fn row(&self) -> String {
        let pid = self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let since = self.since.as_deref().map_or("-", |since| since.get(..19).unwrap_or(since));
        let address = self.addresses.first().map_or("-", String::as_str);
        format!("{:<6} {:<7} {address:<16} {pid:<9} {since}\n", self.name, self.power)
    }

    /// One line: the node and its power.
    pub(crate) fn power_line(&self) -> String {
        format!("{} {}\n", self.name, self.power)
    }
}

impl SwitchStatus {
    fn of(lab: &Lab) -> Result<Self> {
        let (gateway, switch) = (lab.state.gateway(), &lab.state.switch);
        let mut entries = power_switch::log::read(&lab.files)?;
        let older = entries.len().saturating_sub(LAST_ACTIONS);
        Ok(Self {
            is_running: power_switch::is_running(lab),
            https: format!("https://{gateway}:{}/redfish/v1", switch.https_port),
            http: format!("http://{gateway}:{}/redfish/v1", switch.http_port),
            delay_ms: switch.delay_ms,
            last_actions: entries.split_off(older),
        })
    }

    fn render(&self) -> String {
        let running = if self.is_running { "" } else { " (not running: muster lab up starts it)" };
        let mut text = format!("power switch: {}{running}\n", self.https);
        for entry in &self.last_actions {
            text += &format!("  {}", render_entry(entry));
        }
        text
    }
}

/// One line of the power log.
pub(crate) fn render_entry(entry: &Entry) -> String {
    let mut line = format!("{} {} {} by {}", entry.at, entry.node, entry.action, entry.asked_by);
    match &entry.failure {
        None => writeln!(line, ", {} ms", entry.took_ms),
        Some(failure) => writeln!(line, ", failed after {} ms: {failure}", entry.took_ms),
    }
    .expect("writing to a string cannot fail");
    line
}
