//! Lines of a text case for the constraint language: sets, tags, rules, tickets, capacity.
//!
//! | line | says |
//! |---|---|
//! | `tag front a b` | `front` stands for `a` and `b` |
//! | `order-sets [a b] then [c] one-is-enough` | sets in order; words after them: `one-is-enough`, `any-order` |
//! | `colocation-sets [a b c] INFINITY` | sets that are colocated |
//! | `where web rack eq north 100` | a location with a rule on a node attribute |
//! | `until web 60s n1 100` | a location on a node that ends then (`since` begins then) |
//! | `ticket east granted` | a ticket: `granted`, `standby` or `revoked` |
//! | `needs web east fence` | a resource needs a ticket, with its `loss-policy` |
//! | `remote r1` | the connection to a remote node |
//! | `bundle web replicas=2 control-port=3121` | containers with the primitive above inside |
//! | `unfencing scsi` | a fence device that lets nodes in |
//! | `capacity n1 cpu=4` / `uses web cpu=2` | what a node has and what a resource needs |

use muster_api::cluster::{Capacity, ClusterConfig, Ticket};
use muster_api::constraint::{Constraint, Discovery, LossPolicy, Nodes, OrderKind, ResourceSet, Subject};
use muster_api::duration::parse_ms;
use muster_api::resource::{AgentClass, AgentName, Bundle, Primitive, Resource, Score};
use muster_api::rule::{
    AttributeCondition, Comparison, Condition, DateCondition, Join, Rule, RuleScore, ScoredRule, ValueSource,
};
use std::collections::BTreeMap;

/// Reads a line; `None` where it is not one of these.
pub(crate) fn read_line(config: &mut ClusterConfig, words: &[&str], now_ms: u64) -> Option<()> {
    let id = format!("{}-{}", words.first()?, config.constraints.len());
    match *words {
        ["tag", name, ref ids @ ..] => {
            config.tags.insert(name.into(), ids.iter().map(|id| (*id).into()).collect());
        }
        ["order-sets", ref rest @ ..] => {
            let (kind, symmetrical, sets) = (OrderKind::Mandatory, true, read_sets(&rest.join(" "))?);
            config.constraints.push(Constraint::OrderSets { id, kind, symmetrical, sets });
        }
        ["colocation-sets", ref rest @ .., score] => {
            let (score, sets) = (Score::parse(score)?, read_sets(&rest.join(" "))?);
            config.constraints.push(Constraint::ColocationSets { id, score, node_attribute: None, sets });
        }
        ["where", resource, attribute, comparison, value, score] => {
            let condition = Condition::Attribute(read_condition(attribute, comparison, value)?);
            config.constraints.push(location(id, resource, condition, score)?);
        }
        [when @ ("until" | "since"), resource, moment, node, score] => {
            let at_s = i64::try_from((now_ms + parse_ms(moment)?) / 1000).ok()?;
            let date = if when == "until" { DateCondition::Before(at_s) } else { DateCondition::After(at_s) };
            let on_node = Condition::Attribute(read_condition("#uname", "eq", node)?);
            let both = Rule { join: Join::And, conditions: vec![on_node, Condition::Date(date)] };
            config.constraints.push(location(id, resource, Condition::Rule(both), score)?);
        }
        ["ticket", name, state] => {
            let is_granted = state != "revoked";
            let ticket = Ticket { is_granted, is_standby: state == "standby", last_granted_s: None };
            config.tickets.insert(name.into(), ticket);
        }
        ["needs", resource, ticket, policy] => config.constraints.push(Constraint::Ticket {
            id,
            ticket: ticket.into(),
            resources: Subject::Resource(resource.into()),
            role: None,
            loss_policy: match policy {
                "stop" => LossPolicy::Stop,
                "fence" => LossPolicy::Fence,
                "freeze" => LossPolicy::Freeze,
                _ => return None,
            },
        }),
        ["remote", id, ref meta @ ..] => {
            let agent = AgentName::parse("ocf:pacemaker:remote").ok()?;
            config.resources.push(Resource::Primitive(primitive(id, agent, meta)?));
        }
        ["unfencing", id] => {
            let agent = AgentName { class: AgentClass::Stonith, provider: None, name: "fence_scsi".into() };
            let device = primitive(id, agent, &["provides=unfencing"])?;
            config.resources.push(Resource::Primitive(device));
        }
        ["bundle", id, ref attributes @ ..] => {
            let Resource::Primitive(inside) = config.resources.pop()? else { return None };
            let bundle = bundle(id, attributes, inside)?;
            config.resources.push(Resource::Bundle(bundle));
        }
        ["capacity", node, ref amounts @ ..] => {
            config.node_utilization.insert(node.into(), read_amounts(amounts)?);
        }
        ["uses", resource, ref amounts @ ..] => {
            config.utilization.insert(resource.into(), read_amounts(amounts)?);
        }
        _ => return None,
    }
    Some(())
}

fn read_pairs(words: &[&str]) -> Option<BTreeMap<String, String>> {
    let pair = |word: &&str| word.split_once('=').map(|(name, value)| (name.to_string(), value.to_string()));
    words.iter().map(pair).collect()
}

fn primitive(id: &str, agent: AgentName, meta: &[&str]) -> Option<Primitive> {
    let meta = read_pairs(meta)?;
    Some(Primitive { id: id.into(), agent, params: BTreeMap::new(), meta, operations: Vec::new() })
}

fn bundle(id: &str, attributes: &[&str], inside: Primitive) -> Option<Bundle> {
    let all = read_pairs(attributes)?;
    let is_of_network = |name: &String| name == "control-port" || name == "ip-range-start";
    let (network, rest) = all.into_iter().partition(|(name, _)| is_of_network(name));
    let rest: BTreeMap<String, String> = rest;
    let is_of_container = |name: &String| name.starts_with("replicas") || name == "promoted-max";
    let (container, meta) = rest.into_iter().partition(|(name, _)| is_of_container(name));
    let (technology, mappings, primitive) = ("podman".to_string(), Vec::new(), Some(inside));
    Some(Bundle { id: id.into(), technology, container, network, mappings, primitive, meta })
}

fn read_amounts(words: &[&str]) -> Option<Capacity> {
    let amount = |word: &&str| {
        let (name, amount) = word.split_once('=')?;
        Some((name.to_string(), amount.parse().ok()?))
    };
    words.iter().map(amount).collect()
}

/// `[a b] then [c] one-is-enough`: what follows a set in words is about it.
fn read_sets(text: &str) -> Option<Vec<ResourceSet>> {
    let mut sets = Vec::new();
    for (place, part) in text.split('[').skip(1).enumerate() {
        let (ids, words) = part.split_once(']')?;
        sets.push(ResourceSet {
            id: format!("set-{place}"),
            resources: ids.split_whitespace().map(Into::into).collect(),
            sequential: !words.contains("any-order") && !words.contains("one-is-enough"),
            require_all: !words.contains("one-is-enough"),
            ordering: None,
            action: None,
            role: None,
            score: None,
            kind: None,
        });
    }
    Some(sets)
}

fn read_condition(attribute: &str, comparison: &str, value: &str) -> Option<AttributeCondition> {
    let comparison = match comparison {
        "eq" => Comparison::Equal,
        "ne" => Comparison::NotEqual,
        "lt" => Comparison::Less,
        "gte" => Comparison::AtLeast,
        _ => return None,
    };
    Some(AttributeCondition {
        attribute: attribute.to_string(),
        comparison,
        value_type: None,
        value: Some(value.to_string()),
        source: ValueSource::Literal,
    })
}

fn location(id: String, resource: &str, condition: Condition, score: &str) -> Option<Constraint> {
    let rule = Rule { join: Join::And, conditions: vec![condition] };
    let scored = ScoredRule { score: RuleScore::Fixed(Score::parse(score)?), role: None, rule };
    Some(Constraint::LocationRule {
        id,
        resources: Subject::Resource(resource.into()),
        nodes: Nodes::Rules(vec![scored]),
        role: None,
        discovery: Discovery::Always,
    })
}
