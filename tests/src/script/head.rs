//! What the world of a script is like: the lines before its steps. What is left out is as [`Plan::scripted`] has it: one
//! fence device for each node, and the group `web` of `vip` and `apache`.
//!
//! ```text
//! nodes 3
//! votes n2 2
//! links 2                                    link-mode active | passive | rr
//! token 1000                                 milliseconds, without the coefficient for each node above two
//! quorum two_node wait_for_all auto_tie_breaker auto_tie_breaker_node=highest last_man_standing
//! property stonith-action off                default resource-stickiness 100
//! fence-device spare n1,n2 pcmk_delay_base=3s
//! fence-level n1 1 fence-n1,spare
//! group web vip,apache every 5s              resource r0 every 10s
//! location web n1 50                         colocation r0 web INFINITY         order web r0
//! network loss 20 duplication 3 corruption 4 spikes 5      chances per mille
//! spike 300ms                                delay 80us 300us
//! actions starts 10 stops 3 monitors 3 hangs 3 lies 3
//! devices fails 10 slow 3 late 3 answer-lost 3 after-timeout 3 unreachable 3
//! device-time 20ms 100ms                     disks slow                         processes unseen
//! agents reload                              they take over the parameter `value` while their resources run
//! power-within 2s                            all nodes get their power then     boot 12s
//! ```

use super::words::{Words, names_of, text_of};
use crate::plan::{Plan, colocation, corosync, device, location, order, primitive};
use muster_api::cluster::{LinkMode, QuorumOptions};
use muster_api::fencing::FenceLevel;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{Constraint, Group, OrderKind, Resource, Score};
use std::collections::BTreeMap;
use std::fmt;

const WORDS: &[&str] = &[
    "nodes",
    "votes",
    "links",
    "link-mode",
    "token",
    "quorum",
    "property",
    "default",
    "fence-device",
    "fence-level",
    "group",
    "resource",
    "location",
    "colocation",
    "order",
    "network",
    "spike",
    "delay",
    "actions",
    "devices",
    "device-time",
    "disks",
    "power-within",
    "boot",
    "processes",
    "agents",
];

/// Whether a line that begins so belongs to the head.
pub(super) fn is_of_head(word: &str) -> bool {
    WORDS.contains(&word)
}

/// Which defaults were replaced already.
#[derive(Debug, Default)]
pub(super) struct Head {
    has_devices: bool,
    has_resources: bool,
}

impl Head {
    pub(super) fn read(&mut self, word: &str, words: &mut Words<'_>, plan: &mut Plan) -> Result<(), String> {
        match word {
            "nodes" => *plan = Plan::scripted(words.number::<u32>()?.clamp(1, 64)),
            "votes" => {
                let machine = words.machine()?;
                let node = plan.corosync.nodes.get_mut(machine).ok_or("there is no such node")?;
                node.votes = words.number()?;
            }
            "links" => set_links(plan, words.number()?),
            "link-mode" => plan.corosync.totem.link_mode = read_link_mode(words)?,
            "token" => plan.corosync.totem.token_ms = words.number()?,
            "quorum" => plan.corosync.quorum = read_quorum(words)?,
            "property" => {
                let name = words.next("a name")?.to_string();
                plan.config.properties.insert(name, words.rest());
            }
            "default" => {
                let name = words.next("a name")?.to_string();
                plan.config.resource_defaults.insert(name, words.rest());
            }
            "fence-device" | "fence-level" => self.read_device(word, words, plan)?,
            "group" | "resource" => self.read_resource(word, words, plan)?,
            "location" | "colocation" | "order" => {
                let constraint = read_constraint(word, words)?;
                plan.config.constraints.push(constraint);
            }
            _ => read_trouble(word, words, plan)?,
        }
        Ok(())
    }

    fn read_device(&mut self, word: &str, words: &mut Words<'_>, plan: &mut Plan) -> Result<(), String> {
        if !std::mem::replace(&mut self.has_devices, true) {
            plan.config.fence_devices.clear();
        }
        if word == "fence-level" {
            let target = NodeName(words.next("a node")?.to_string());
            let index = words.number()?;
            let devices = words.next("devices")?.split(',').map(ResourceId::from).collect();
            plan.config.fence_levels.push(FenceLevel { target, index, devices });
            return Ok(());
        }
        let id = words.next("a name")?;
        let mut device = device(id, words.next("nodes")?);
        while words.peek().is_some() {
            let (name, value) = pair(words.next("a parameter")?)?;
            device.params.insert(name, value);
        }
        plan.config.fence_devices.push(device);
        Ok(())
    }

    fn read_resource(&mut self, word: &str, words: &mut Words<'_>, plan: &mut Plan) -> Result<(), String> {
        if !std::mem::replace(&mut self.has_resources, true) {
            plan.config.resources.clear();
        }
        let id = words.next("a name")?;
        let members = if word == "group" { words.next("members")? } else { id };
        let every = if words.take("every") { Some(words.duration()?) } else { None };
        let every_ms = every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
        let mut primitives: Vec<_> = members.split(',').map(|id| primitive(id, every_ms)).collect();
        plan.config.resources.push(match (word, primitives.pop()) {
            ("resource", Some(primitive)) => Resource::Primitive(primitive),
            (_, last) => {
                primitives.extend(last);
                Resource::Group(Group { id: id.into(), members: primitives, meta: BTreeMap::new() })
            }
        });
        Ok(())
    }
}

fn pair(word: &str) -> Result<(String, String), String> {
    let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not NAME=VALUE"))?;
    Ok((name.to_string(), value.to_string()))
}

/// Sets how many links every node has.
pub(crate) fn set_links(plan: &mut Plan, links: u8) {
    let count = u32::try_from(plan.corosync.nodes.len()).unwrap_or(64);
    let made = corosync(count, QuorumOptions::default(), links.clamp(1, 8), 1000);
    plan.corosync.totem.links = made.totem.links;
    for (node, made) in plan.corosync.nodes.iter_mut().zip(made.nodes) {
        node.addresses = made.addresses;
    }
}

fn read_link_mode(words: &mut Words<'_>) -> Result<LinkMode, String> {
    match words.next("a mode")? {
        "passive" => Ok(LinkMode::Passive),
        "active" => Ok(LinkMode::Active),
        "rr" => Ok(LinkMode::Rr),
        other => Err(format!("no mode of links is called `{other}`")),
    }
}

fn read_quorum(words: &mut Words<'_>) -> Result<QuorumOptions, String> {
    let mut options = QuorumOptions::default();
    while words.peek().is_some() {
        let word = words.next("an option")?;
        match word.split_once('=').unwrap_or((word, "")) {
            ("two_node", "") => options.two_node = true,
            ("wait_for_all", "") => options.wait_for_all = true,
            ("auto_tie_breaker", "") => options.auto_tie_breaker = true,
            ("auto_tie_breaker_node", list) => {
                options.auto_tie_breaker_node = Some(list.replace(',', " "));
            }
            ("last_man_standing", "") => options.last_man_standing = true,
            ("last_man_standing_window", ms) => {
                let ms = ms.parse().map_err(|_| format!("`{ms}` is not a number"))?;
                options.last_man_standing_window_ms = Some(ms);
            }
            ("plain", "") => {}
            _ => return Err(format!("no option of quorum is called `{word}`")),
        }
    }
    Ok(options)
}

fn read_score(words: &mut Words<'_>) -> Result<Score, String> {
    match words.next("a score")? {
        "INFINITY" => Ok(Score::INFINITY),
        "-INFINITY" => Ok(Score::MINUS_INFINITY),
        number => number.parse().map(Score).map_err(|_| format!("`{number}` is not a score")),
    }
}

fn read_constraint(word: &str, words: &mut Words<'_>) -> Result<Constraint, String> {
    let resource: ResourceId = words.next("a resource")?.into();
    Ok(match word {
        "location" => {
            let node = NodeName(words.next("a node")?.to_string());
            location(resource, node, read_score(words)?)
        }
        "colocation" => {
            let with = words.next("a resource")?.into();
            colocation(resource, with, read_score(words)?)
        }
        _ => order(resource, words.next("a resource")?.into()),
    })
}

fn read_trouble(word: &str, words: &mut Words<'_>, plan: &mut Plan) -> Result<(), String> {
    match word {
        "network" | "actions" | "devices" => {
            while words.peek().is_some() {
                let name = words.next("a name")?;
                let chances = chances(plan, word);
                let place = chances.into_iter().find(|(known, _)| *known == name);
                *place.ok_or_else(|| format!("no trouble of {word} is called `{name}`"))?.1 =
                    words.number()?;
            }
        }
        "spike" => plan.quality.spike = words.duration()?,
        "delay" => plan.quality.delay = (words.duration()?, words.duration()?),
        "disks" => {
            words.exactly("slow")?;
            plan.has_slow_disks = true;
        }
        "device-time" => plan.device_time = (words.duration()?, words.duration()?),
        "power-within" => plan.power_within = words.duration()?,
        "boot" => plan.boot_max = words.duration()?,
        "processes" => {
            words.exactly("unseen")?;
            plan.sees_processes = false;
        }
        "agents" => {
            words.exactly("reload")?;
            plan.agents_reload = true;
        }
        _ => return Err(format!("`{word}` is not known")),
    }
    Ok(())
}

/// The chances of one kind of trouble, by name.
fn chances<'a>(plan: &'a mut Plan, word: &str) -> Vec<(&'static str, &'a mut u64)> {
    let (network, actions, devices) = (&mut plan.quality, &mut plan.trouble, &mut plan.devices);
    match word {
        "network" => vec![
            ("loss", &mut network.loss),
            ("duplication", &mut network.duplication),
            ("corruption", &mut network.corruption),
            ("spikes", &mut network.spikes),
        ],
        "actions" => vec![
            ("starts", &mut actions.starts),
            ("stops", &mut actions.stops),
            ("monitors", &mut actions.monitors),
            ("hangs", &mut actions.hangs),
            ("lies", &mut actions.lies),
        ],
        _ => vec![
            ("fails", &mut devices.fails),
            ("slow", &mut devices.slow),
            ("late", &mut devices.late),
            ("answer-lost", &mut devices.answer_lost),
            ("after-timeout", &mut devices.after_timeout),
            ("unreachable", &mut devices.unreachable),
        ],
    }
}

/// Writes the head of a plan; reading it gives the plan back.
pub(super) fn write(plan: &Plan, to: &mut fmt::Formatter<'_>) -> fmt::Result {
    write_cluster(plan, to)?;
    write_config(plan, to)?;
    let mut plan = plan.clone();
    for word in ["network", "actions", "devices"] {
        let given: Vec<String> = chances(&mut plan, word)
            .into_iter()
            .filter(|(_, chance)| **chance > 0)
            .map(|(name, chance)| format!("{name} {chance}"))
            .collect();
        if !given.is_empty() {
            writeln!(to, "{word} {}", given.join(" "))?;
        }
    }
    if plan.quality.spikes > 0 {
        writeln!(to, "spike {}", text_of(plan.quality.spike))?;
    }
    let (least, most) = plan.quality.delay;
    writeln!(to, "delay {} {}", text_of(least), text_of(most))?;
    if plan.has_slow_disks {
        writeln!(to, "disks slow")?;
    }
    let (least, most) = plan.device_time;
    writeln!(to, "device-time {} {}", text_of(least), text_of(most))?;
    writeln!(to, "power-within {}", text_of(plan.power_within))?;
    writeln!(to, "boot {}", text_of(plan.boot_max))?;
    if plan.agents_reload {
        writeln!(to, "agents reload")?;
    }
    if !plan.sees_processes {
        writeln!(to, "processes unseen")?;
    }
    Ok(())
}

fn write_cluster(plan: &Plan, to: &mut fmt::Formatter<'_>) -> fmt::Result {
    let corosync = &plan.corosync;
    writeln!(to, "nodes {}", corosync.nodes.len())?;
    for (index, node) in corosync.nodes.iter().enumerate().filter(|(_, node)| node.votes != 1) {
        writeln!(to, "votes {} {}", names_of(&[index]), node.votes)?;
    }
    writeln!(to, "links {}", corosync.nodes[0].addresses.len())?;
    let mode = match corosync.totem.link_mode {
        LinkMode::Passive => "passive",
        LinkMode::Active => "active",
        LinkMode::Rr => "rr",
    };
    writeln!(to, "link-mode {mode}")?;
    writeln!(to, "token {}", corosync.totem.token_ms)?;
    let quorum = &corosync.quorum;
    let flags = [
        ("two_node", quorum.two_node),
        ("wait_for_all", quorum.wait_for_all),
        ("auto_tie_breaker", quorum.auto_tie_breaker),
        ("last_man_standing", quorum.last_man_standing),
    ];
    let mut words: Vec<String> =
        flags.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (*name).to_string()).collect();
    words.extend(
        quorum
            .auto_tie_breaker_node
            .iter()
            .map(|list| format!("auto_tie_breaker_node={}", list.replace(' ', ","))),
    );
    words
        .extend(quorum.last_man_standing_window_ms.iter().map(|ms| format!("last_man_standing_window={ms}")));
    let words = if words.is_empty() { "plain".to_string() } else { words.join(" ") };
    writeln!(to, "quorum {words}")
}

fn write_config(plan: &Plan, to: &mut fmt::Formatter<'_>) -> fmt::Result {
    let config = &plan.config;
    for (name, value) in &config.properties {
        writeln!(to, "property {name} {value}")?;
    }
    for (name, value) in &config.resource_defaults {
        writeln!(to, "default {name} {value}")?;
    }
    for device in &config.fence_devices {
        let targets = device.params.get("pcmk_host_list").map_or("", String::as_str);
        write!(to, "fence-device {} {targets}", device.id)?;
        for (name, value) in device.params.iter().filter(|(name, _)| *name != "pcmk_host_list") {
            write!(to, " {name}={value}")?;
        }
        writeln!(to)?;
    }
    for level in &config.fence_levels {
        writeln!(to, "fence-level {} {} {}", level.target, level.index, join(level.devices.iter()))?;
    }
    for resource in &config.resources {
        let (word, members) = match resource {
            Resource::Group(group) => ("group", &group.members[..]),
            Resource::Primitive(primitive) => ("resource", std::slice::from_ref(primitive)),
            // No plan draws them.
            Resource::Clone(_) | Resource::Bundle(_) => continue,
        };
        write!(to, "{word} {}", resource.id())?;
        if word == "group" {
            write!(to, " {}", join(members.iter().map(|member| &member.id)))?;
        }
        let monitor = members.iter().flat_map(|member| &member.operations).find(|one| one.interval_ms > 0);
        match monitor {
            Some(monitor) => writeln!(to, " every {}ms", monitor.interval_ms)?,
            None => writeln!(to)?,
        }
    }
    config.constraints.iter().try_for_each(|constraint| write_constraint(constraint, to))
}

fn write_constraint(constraint: &Constraint, to: &mut fmt::Formatter<'_>) -> fmt::Result {
    match constraint {
        Constraint::Location { resource, node, score, .. } => {
            writeln!(to, "location {resource} {node} {}", score_text(*score))
        }
        Constraint::Colocation { resource, with, score, .. } => {
            writeln!(to, "colocation {resource} {with} {}", score_text(*score))
        }
        Constraint::Order { first, then, kind: OrderKind::Mandatory, .. } => {
            writeln!(to, "order {first} {then}")
        }
        _ => Ok(()),
    }
}

fn score_text(score: Score) -> String {
    match score {
        Score::INFINITY => "INFINITY".to_string(),
        Score::MINUS_INFINITY => "-INFINITY".to_string(),
        Score(number) => number.to_string(),
    }
}

fn join<'a>(ids: impl Iterator<Item = &'a ResourceId>) -> String {
    ids.map(ToString::to_string).collect::<Vec<_>>().join(",")
}
