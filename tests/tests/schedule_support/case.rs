//! A written case: prose, then what is so, then `---`, then what the scheduler answers.
//!
//! ```text
//! property NAME=VALUE · default NAME=VALUE · inquorate · no device
//! node NAME member|lost|left|fenced|leaving|never-seen [ATTRIBUTE=VALUE …]
//! primitive ID [META=VALUE …] [monitor@10s[/ON-FAIL] …]
//! group ID [META=VALUE …]            its members follow, indented
//! clone ID [META=VALUE …]            of the primitive or the group above
//! location RESOURCE NODE SCORE · colocation RESOURCE with RESOURCE SCORE
//! order RESOURCE[:ACTION] then RESOURCE[:ACTION] [Optional|Serialize] [asymmetrical]
//! history NODE RESOURCE probe=7 start=0 monitor@10s=timeout … [old]
//! failures NODE RESOURCE COUNT AGE
//! moved RESOURCE from NODE [for TIME]   as `resource move` does it
//! ```

use super::{World, executor};
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::Discovery;
use muster_api::duration::{format_ms, parse_ms};
use muster_api::fencing::FenceDevice;
use muster_api::history::{FailCount, History, OpRecord, OpStatus, definition_digest};
use muster_api::id::ResourceId;
use muster_api::resource::{
    AgentName, CloneSet, Constraint, Content, Group, OnFail, Operation, OrderKind, Primitive, Resource, Score,
};
use muster_api::status::Fact;
use muster_core::schedule::Decision;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// Compares the answer, or writes it where `BLESS` is set. Errs with the difference.
pub(crate) fn check(file: &Path) -> Result<(), String> {
    compare(file, |situation| Ok(show(&read(situation)?.decide())))
}

/// The same for what `answer` makes of the situation.
pub(crate) fn compare(
    file: &Path,
    answer: impl FnOnce(&str) -> Result<String, String>,
) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (situation, expected) = text.split_once("\n---\n").unwrap_or((text.trim_end(), ""));
    let answer = answer(situation).map_err(|error| format!("{}: {error}", file.display()))?;
    if answer == expected {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(file, format!("{situation}\n---\n{answer}"))
            .map_err(|error| error.to_string());
    }
    Err(format!("{}\nexpected:\n{expected}\nfound:\n{answer}", file.display()))
}

fn show(decision: &Decision) -> String {
    let mut lines = vec![executor::show(decision), String::new()];
    lines.extend(decision.report.consequences.iter().map(|line| format!("> {line}")));
    for change in decision.changes.iter().filter(|change| change.is_blocked) {
        lines.push(format!("> cannot {change}: {}", change.why.as_deref().unwrap_or("")));
    }
    for resource in &decision.report.resources {
        let indent = if resource.group.is_some() { "  " } else { "" };
        lines.push(format!("{indent}{} ({:?}): {}", resource.id, resource.state, resource.why));
        lines.extend(resource.next.iter().map(|next| format!("{indent}  -> {next}")));
    }
    lines.extend(decision.report.alarms.iter().map(|alarm| format!("! {alarm}")));
    if let Some(at_ms) = decision.report.next_check_ms {
        lines.push(format!("again in {}", format_ms(at_ms - NOW_MS)));
    }
    lines.join("\n").trim_start().to_string() + "\n"
}

pub(crate) fn read(text: &str) -> Result<World, String> {
    let device = FenceDevice {
        id: "fence".into(),
        agent: "fence_redfish".into(),
        params: pairs(&["pcmk_host_check=none"]),
        meta: BTreeMap::new(),
    };
    let mut world = World {
        config: ClusterConfig { fence_devices: vec![device], ..ClusterConfig::default() },
        facts: BTreeMap::new(),
        history: History::default(),
        is_quorate: true,
        now_ms: NOW_MS,
    };
    let (_prose, situation) =
        text.split_once("\n\n").ok_or("prose, then an empty line, then the situation")?;
    for line in situation.lines().filter(|line| !line.trim().is_empty()) {
        read_line(&mut world, line).ok_or_else(|| format!("cannot read `{line}`"))?;
    }
    Ok(world)
}

fn read_line(world: &mut World, line: &str) -> Option<()> {
    let is_member = line.starts_with(' ');
    let words: Vec<&str> = line.split_whitespace().collect();
    let config = &mut world.config;
    match *words.as_slice() {
        ["inquorate"] => world.is_quorate = false,
        ["no", "device"] => config.fence_devices.clear(),
        ["property", pair] => config.properties.extend(pairs(&[pair])),
        ["default", pair] => config.resource_defaults.extend(pairs(&[pair])),
        ["node", name, fact, ref attributes @ ..] => {
            world.facts.insert(name.into(), read_fact(fact)?);
            config.node_attributes.insert(name.into(), pairs(attributes));
        }
        ["group", id, ref meta @ ..] => {
            config.resources.push(Resource::Group(Group {
                id: id.into(),
                members: Vec::new(),
                meta: pairs(meta),
            }));
        }
        ["clone", id, ref meta @ ..] => {
            let content = match config.resources.pop()? {
                Resource::Primitive(primitive) => Content::Primitive(primitive),
                Resource::Group(group) => Content::Group(group),
                _ => return None,
            };
            config.resources.push(Resource::Clone(CloneSet { id: id.into(), content, meta: pairs(meta) }));
        }
        ["primitive", id, ref rest @ ..] => {
            let primitive = read_primitive(id, rest)?;
            match config.resources.last_mut() {
                Some(Resource::Group(group)) if is_member => group.members.push(primitive),
                _ => config.resources.push(Resource::Primitive(primitive)),
            }
        }
        ["location" | "colocation" | "order", ..] => {
            let constraint = read_constraint(&words, config.constraints.len())?;
            config.constraints.push(constraint);
        }
        ["moved", resource, "from", node, ref lifetime @ ..] => {
            let until_ms = match *lifetime {
                ["for", time] => Some(NOW_MS + parse_ms(time)?),
                _ => None,
            };
            config.constraints.push(Constraint::Location {
                id: format!("cli-ban-{resource}-on-{node}"),
                resource: resource.into(),
                node: node.into(),
                score: Score::MINUS_INFINITY,
                role: None,
                discovery: Discovery::Always,
                until_ms,
            });
        }
        ["history", node, id, ref records @ ..] => {
            let records = read_records(config, &id.into(), records)?;
            world.history.nodes.entry(node.into()).or_default().insert(id.into(), records);
        }
        ["failures", node, id, count, age] => {
            let count = if count == "INFINITY" { 1_000_000 } else { count.parse().ok()? };
            let (operation, reason) = ("monitor".into(), String::new());
            let failures = FailCount { count, last_ms: NOW_MS - parse_ms(age)?, operation, reason };
            world.history.failures.entry(node.into()).or_default().insert(id.into(), failures);
        }
        _ => return super::language::read_line(config, &words, NOW_MS),
    }
    Some(())
}

fn pairs(words: &[&str]) -> BTreeMap<String, String> {
    let split = words.iter().filter_map(|word| word.split_once('='));
    split.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn read_fact(word: &str) -> Option<Fact> {
    Some(match word {
        "member" => Fact::Member,
        "lost" => Fact::Lost,
        "left" => Fact::Left,
        "fenced" => Fact::Fenced,
        "leaving" => Fact::Leaving,
        "never-seen" => Fact::NeverSeen,
        _ => return None,
    })
}

fn read_primitive(id: &str, words: &[&str]) -> Option<Primitive> {
    let (operations, meta): (Vec<&str>, Vec<&str>) =
        words.iter().copied().partition(|word| !word.contains('='));
    Some(Primitive {
        id: id.into(),
        agent: AgentName::parse("ocf:muster:Dummy").ok()?,
        params: BTreeMap::from([("state".to_string(), id.to_string())]),
        meta: pairs(&meta),
        operations: operations.into_iter().map(read_operation).collect::<Option<_>>()?,
    })
}

fn read_operation(word: &str) -> Option<Operation> {
    let (what, on_fail) = word.split_once('/').map_or((word, None), |(what, on_fail)| (what, Some(on_fail)));
    let (name, interval) = what.split_once('@').unwrap_or((what, "0"));
    let on_fail = match on_fail {
        None => None,
        Some("ignore") => Some(OnFail::Ignore),
        Some("block") => Some(OnFail::Block),
        Some("stop") => Some(OnFail::Stop),
        Some("restart") => Some(OnFail::Restart),
        Some("fence") => Some(OnFail::Fence),
        Some("standby") => Some(OnFail::Standby),
        Some(_) => return None,
    };
    let interval_ms = parse_ms(interval)?;
    Some(Operation { name: name.into(), interval_ms, timeout_ms: None, on_fail, role: None, enabled: true })
}

fn read_constraint(words: &[&str], number: usize) -> Option<Constraint> {
    let id = format!("{}-{number}", words[0]);
    Some(match *words {
        ["location", resource, node, score] => Constraint::Location {
            id,
            resource: resource.into(),
            node: node.into(),
            score: Score::parse(score)?,
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        },
        ["colocation", resource, "with", with, score] => Constraint::Colocation {
            id,
            resource: resource.into(),
            with: with.into(),
            score: Score::parse(score)?,
            role: None,
            with_role: None,
            node_attribute: None,
            influence: None,
        },
        ["order", first, "then", then, ref rest @ ..] => Constraint::Order {
            id,
            first: acting(first).0.into(),
            first_action: acting(first).1.into(),
            then: acting(then).0.into(),
            then_action: acting(then).1.into(),
            kind: match rest.first() {
                Some(&"Optional") => OrderKind::Optional,
                Some(&"Serialize") => OrderKind::Serialize,
                _ => OrderKind::Mandatory,
            },
            symmetrical: !rest.contains(&"asymmetrical"),
            require_all: true,
        },
        _ => return None,
    })
}

/// `db-clone:promote`: who acts, and what is done; `start` where it is not said.
fn acting(word: &str) -> (&str, &str) {
    word.split_once(':').unwrap_or((word, "start"))
}

fn read_records(config: &ClusterConfig, id: &ResourceId, words: &[&str]) -> Option<Vec<OpRecord>> {
    let dummy = AgentName::parse("ocf:muster:Dummy").ok()?;
    let agent = config.primitive(id).map_or(dummy, |primitive| primitive.agent.clone());
    let is_old = words.contains(&"old");
    // Of what a bundle or a guest node implies it is not known what it runs with.
    let is_implied = config.primitive(id).is_none() && !is_old;
    let configured = config.primitive(id).filter(|_| !is_old).map(|primitive| primitive.params.clone());
    let params = configured.unwrap_or_else(|| BTreeMap::from([("state".to_string(), "old".to_string())]));
    let mut records = Vec::new();
    for (call, word) in (1..).zip(words.iter().filter(|word| **word != "old")) {
        let (what, end) = word.split_once('=')?;
        let (operation, interval) = what.split_once('@').unwrap_or((what, "0"));
        let (status, rc) = match end {
            "pending" => (OpStatus::Pending, None),
            "timeout" => (OpStatus::TimedOut, None),
            code => (OpStatus::Done, Some(code.parse().ok()?)),
        };
        records.push(OpRecord {
            operation: if operation == "probe" { "monitor".into() } else { operation.into() },
            interval_ms: parse_ms(interval)?,
            call,
            status,
            rc,
            reason: String::new(),
            at_ms: NOW_MS - 10_000,
            took_ms: 1,
            digest: if is_implied { 0 } else { definition_digest(&agent, &params) },
            peer: None,
            agent: agent.clone(),
            params: params.clone(),
        });
    }
    Some(records)
}
