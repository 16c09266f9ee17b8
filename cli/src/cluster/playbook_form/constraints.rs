//! Location, colocation and order, of one resource, of all whose id matches a pattern, or of sets.

use super::value::Reader;
use super::{rules, sets};
use crate::suggest::did_you_mean;
use muster_api::cluster::{ClusterConfig, parse_bool};
use muster_api::constraint::{Discovery, LossPolicy, Nodes, ResourceSet, RoleName, Subject};
use muster_api::id::ResourceId;
use muster_api::resource::{Constraint, OrderKind, Score};
use muster_api::rule::{RuleScore, ScoredRule};
use serde_json::{Map, Value};

pub(super) fn read(reader: &mut Reader, value: &Value, config: &mut ClusterConfig) {
    let Some(map) = reader.mapping(value) else { return };
    reader.known_keys(map, &["location", "colocation", "order", "ticket"], &["tickets"]);
    for kind in ["ticket", "tickets"] {
        let is_refused = reader.is_to_run() || kind == "tickets";
        if is_refused && map.get(kind).is_some_and(|tickets| !super::value::is_empty(tickets)) {
            reader.bad_key(kind, "tickets are not supported: they need several clusters".to_string(), []);
        }
    }
    let readers: [(&str, ReadOne); 4] = [
        ("location", read_location),
        ("colocation", read_colocation),
        ("order", read_order),
        ("ticket", read_ticket),
    ];
    let has_tickets = !reader.is_to_run();
    for (kind, read_one) in readers.into_iter().filter(|(kind, _)| has_tickets || *kind != "ticket") {
        let constraints = reader.field(map, kind, |reader, value| reader.list(value, read_one));
        config.constraints.extend(constraints.unwrap_or_default());
    }
}

/// Reads one constraint of a kind.
type ReadOne = fn(&mut Reader, &Value) -> Option<Constraint>;

/// The id as written, else one made of what the constraint says: the same constraint keeps its id.
fn id(reader: &mut Reader, map: &Map<String, Value>, made: impl FnOnce() -> String) -> String {
    match reader.text_field(map, "id") {
        Some(id) if id.starts_with("cli-") && reader.is_to_run() => {
            let sentence =
                "ids that begin with `cli-` belong to `resource move` and are not declared".to_string();
            reader.within("id", |reader| reader.problem(sentence));
            id
        }
        Some(id) => id,
        None => made(),
    }
}

pub(super) fn read_score(reader: &mut Reader, map: &Map<String, Value>) -> Option<Score> {
    let text = reader.required_text(map, "score")?;
    let score = Score::parse(&text);
    if score.is_none() {
        let hint = did_you_mean(&text, ["INFINITY", "-INFINITY"]);
        let sentence = format!("`{text}` is not a score: expected a whole number, `INFINITY` or `-INFINITY`");
        reader.within("score", |reader| reader.problem_with_hint(sentence, hint));
    }
    score
}

const LOCATION: &[&str] = &[
    "id",
    "resource",
    "pattern",
    "sets",
    "role",
    "node",
    "score",
    "rule",
    "rules",
    "score-attribute",
    "resource-discovery",
];

fn read_location(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, LOCATION, &["lifetime"]);
    if map.contains_key("lifetime") {
        let what = "`lifetime` is an end: write it into a `rule` (`date lt 2027-03-01`)".to_string();
        reader.bad_key("lifetime", what, []);
    }
    let role = reader.field(map, "role", read_role).flatten();
    let discovery = reader.field(map, "resource-discovery", read_discovery).flatten().unwrap_or_default();
    let (resources, nodes) = (read_subject(reader, map), read_nodes(reader, map));
    let (mut resources, nodes) = (resources?, nodes?);
    let id = id(reader, map, || format!("location-{}-{}", name_of(&resources), place_of(&nodes)));
    name_sets(&mut resources, &id);
    Some(match (resources, nodes) {
        (Subject::Resource(resource), Nodes::Node { node, score }) => {
            Constraint::Location { id, resource, node, score, role, discovery, until_ms: None }
        }
        (resources, nodes) => Constraint::LocationRule { id, resources, nodes, role, discovery },
    })
}

fn name_sets(subject: &mut Subject, constraint: &str) {
    if let Subject::Sets(sets) = subject {
        sets::name(sets, constraint);
    }
}

fn name_of(resources: &Subject) -> String {
    match resources {
        Subject::Resource(resource) => resource.to_string(),
        // Letters that an id may have in XML.
        Subject::Pattern(pattern) => {
            pattern.chars().filter(|one| one.is_alphanumeric() || "._-".contains(*one)).collect()
        }
        Subject::Sets(_) => "sets".to_string(),
    }
}

fn place_of(nodes: &Nodes) -> &str {
    match nodes {
        Nodes::Node { node, .. } => node.as_str(),
        Nodes::Rules(_) => "rule",
    }
}

/// Complains about keys that cannot stand beside one that is there.
fn refuse_beside(reader: &mut Reader, map: &Map<String, Value>, key: &str, others: &[&str]) {
    for other in others.iter().filter(|other| map.contains_key(**other)) {
        reader.bad_key(other, format!("`{other}` cannot stand beside `{key}`; keep one"), []);
    }
}

fn read_subject(reader: &mut Reader, map: &Map<String, Value>) -> Option<Subject> {
    if map.contains_key("sets") {
        refuse_beside(reader, map, "sets", &["resource", "pattern"]);
        return sets::read(reader, map).map(Subject::Sets);
    }
    if map.contains_key("pattern") {
        refuse_beside(reader, map, "pattern", &["resource"]);
        return reader.text_field(map, "pattern").map(Subject::Pattern);
    }
    reader.required_text(map, "resource").map(|resource| Subject::Resource(resource.as_str().into()))
}

fn read_nodes(reader: &mut Reader, map: &Map<String, Value>) -> Option<Nodes> {
    if map.contains_key("rules") {
        refuse_beside(reader, map, "rules", &["node", "rule", "score", "score-attribute"]);
        let read = |reader: &mut Reader, value: &Value| reader.list(value, read_scored_rule);
        return reader.field(map, "rules", read).map(Nodes::Rules);
    }
    if map.contains_key("rule") {
        refuse_beside(reader, map, "rule", &["node"]);
        // The role stands beside the rule; it is the location's.
        return read_scored(reader, map, None).map(|rule| Nodes::Rules(vec![rule]));
    }
    let node = reader.required_text(map, "node");
    let score = read_score(reader, map);
    Some(Nodes::Node { node: node?.as_str().into(), score: score? })
}

fn read_scored_rule(reader: &mut Reader, value: &Value) -> Option<ScoredRule> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["rule", "score", "score-attribute", "role"], &[]);
    let role = reader.field(map, "role", read_role).flatten();
    read_scored(reader, map, role)
}

fn read_scored(reader: &mut Reader, map: &Map<String, Value>, role: Option<RoleName>) -> Option<ScoredRule> {
    let score = match reader.text_field(map, "score-attribute") {
        Some(attribute) => {
            refuse_beside(reader, map, "score-attribute", &["score"]);
            Some(RuleScore::OfAttribute(attribute))
        }
        None => read_score(reader, map).map(RuleScore::Fixed),
    };
    let text = reader.required_text(map, "rule");
    let rule = text.and_then(|text| match rules::parse(&text) {
        Ok(rule) => Some(rule),
        Err(what) => reader.within("rule", |reader| {
            reader.problem(what);
            None
        }),
    });
    Some(ScoredRule { score: score?, role, rule: rule? })
}

fn read_colocation(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    let own = ["id", "resource", "role", "with", "with_role", "score", "node-attribute", "influence", "sets"];
    reader.known_keys(map, &own, &[]);
    if map.contains_key("sets") {
        return read_colocated_sets(reader, map);
    }
    let resource = reader.required_text(map, "resource");
    let with = reader.required_text(map, "with");
    let score = read_score(reader, map);
    let role = reader.field(map, "role", read_role).flatten();
    let with_role = reader.field(map, "with_role", read_role).flatten();
    let node_attribute = reader.text_field(map, "node-attribute");
    let influence = reader.field(map, "influence", read_flag).flatten();
    let (resource, with) = (resource?, with?);
    let named = |id: &str, role: Option<RoleName>| match role {
        Some(role) => format!("{}-{id}", role.name().to_ascii_lowercase()),
        None => id.to_string(),
    };
    let made = || format!("colocation-{}-with-{}", named(&resource, role), named(&with, with_role));
    let id = id(reader, map, made);
    let (resource, with) = (resource.into(), with.into());
    let score = score?;
    Some(Constraint::Colocation { id, resource, role, with, with_role, score, node_attribute, influence })
}

fn read_ticket(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["id", "ticket", "resource", "sets", "role", "loss-policy"], &["pattern"]);
    if map.contains_key("pattern") {
        reader.bad_key("pattern", "a ticket has no `pattern`: name its resources".to_string(), []);
    }
    let role = reader.field(map, "role", read_role).flatten();
    let loss_policy = reader.field(map, "loss-policy", read_loss_policy).flatten();
    let (ticket, resources) = (reader.required_text(map, "ticket"), read_subject(reader, map));
    let (ticket, mut resources) = (ticket?, resources?);
    let id = id(reader, map, || format!("ticket-{ticket}-{}", name_of(&resources)));
    name_sets(&mut resources, &id);
    let usual = if role == Some(RoleName::Promoted) { LossPolicy::Demote } else { LossPolicy::Stop };
    Some(Constraint::Ticket { id, ticket, resources, role, loss_policy: loss_policy.unwrap_or(usual) })
}

fn read_loss_policy(reader: &mut Reader, value: &Value) -> Option<LossPolicy> {
    let text = reader.text(value)?;
    let known = [LossPolicy::Stop, LossPolicy::Demote, LossPolicy::Fence, LossPolicy::Freeze];
    let policy = known.into_iter().find(|policy| policy.name() == text);
    if policy.is_none() {
        let listed = known.map(|one| format!("`{}`", one.name())).join(", ");
        let hint = did_you_mean(&text, known.map(LossPolicy::name));
        reader.problem_with_hint(format!("`{text}` is not one of {listed}"), hint);
    }
    policy
}

fn read_colocated_sets(reader: &mut Reader, map: &Map<String, Value>) -> Option<Constraint> {
    refuse_beside(reader, map, "sets", &["resource", "role", "with", "with_role", "influence"]);
    let score = read_score(reader, map);
    let node_attribute = reader.text_field(map, "node-attribute");
    let mut sets = sets::read(reader, map)?;
    let id = id(reader, map, || format!("colocation-{}", members_of(&sets)));
    sets::name(&mut sets, &id);
    Some(Constraint::ColocationSets { id, score: score?, node_attribute, sets })
}

/// `a-b-c`: the resources of some sets, as a part of a made id.
fn members_of(sets: &[ResourceSet]) -> String {
    let ids = sets.iter().flat_map(|set| &set.resources).map(ResourceId::as_str);
    ids.collect::<Vec<_>>().join("-")
}

fn read_ordered_sets(reader: &mut Reader, map: &Map<String, Value>) -> Option<Constraint> {
    let others = ["first", "then", "first_action", "then_action", "require-all"];
    refuse_beside(reader, map, "sets", &others);
    let kind = reader.field(map, "kind", read_kind).flatten().unwrap_or(OrderKind::Mandatory);
    let symmetrical = reader.field(map, "symmetrical", read_flag).flatten();
    let symmetrical = symmetrical.unwrap_or(kind != OrderKind::Serialize);
    let mut sets = sets::read(reader, map)?;
    let id = id(reader, map, || format!("order-{}", members_of(&sets)));
    sets::name(&mut sets, &id);
    Some(Constraint::OrderSets { id, kind, symmetrical, sets })
}

fn read_order(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    let own =
        ["id", "first", "then", "kind", "symmetrical", "first_action", "then_action", "require-all", "sets"];
    reader.known_keys(map, &own, &[]);
    if map.contains_key("sets") {
        return read_ordered_sets(reader, map);
    }
    let first = reader.required_text(map, "first");
    let then = reader.required_text(map, "then");
    let kind = reader.field(map, "kind", read_kind).flatten().unwrap_or(OrderKind::Mandatory);
    let symmetrical = reader.field(map, "symmetrical", read_flag).flatten();
    if symmetrical == Some(true) && kind == OrderKind::Serialize && reader.is_to_run() {
        let sentence =
            "an order of the kind `Serialize` is not symmetrical; leave `symmetrical` out".to_string();
        reader.within("symmetrical", |reader| reader.problem(sentence));
    }
    let first_action =
        reader.field(map, "first_action", read_action).flatten().unwrap_or_else(|| "start".to_string());
    let then_action =
        reader.field(map, "then_action", read_action).flatten().unwrap_or_else(|| first_action.clone());
    let (first, then) = (first?, then?);
    let id = id(reader, map, || match (first_action.as_str(), then_action.as_str()) {
        ("start", "start") => format!("order-{first}-then-{then}"),
        _ => format!("order-{first_action}-{first}-then-{then_action}-{then}"),
    });
    Some(Constraint::Order {
        id,
        first: first.into(),
        first_action,
        then: then.into(),
        then_action,
        kind,
        symmetrical: symmetrical.unwrap_or(kind != OrderKind::Serialize),
        require_all: reader.field(map, "require-all", read_flag).flatten().unwrap_or(true),
    })
}

pub(super) fn read_flag(reader: &mut Reader, value: &Value) -> Option<bool> {
    let text = reader.text(value)?;
    let flag = parse_bool(&text);
    if flag.is_none() {
        reader.problem(format!("`{text}` is not `true` or `false`"));
    }
    flag
}

pub(super) fn read_kind(reader: &mut Reader, value: &Value) -> Option<OrderKind> {
    let text = reader.text(value)?;
    let kinds = [OrderKind::Mandatory, OrderKind::Optional, OrderKind::Serialize];
    let kind = kinds.into_iter().find(|kind| format!("{kind:?}").eq_ignore_ascii_case(&text));
    if kind.is_none() {
        let hint = did_you_mean(&text, ["Mandatory", "Optional", "Serialize"]);
        reader
            .problem_with_hint(format!("`{text}` is not one of `Mandatory`, `Optional`, `Serialize`"), hint);
    }
    kind
}

const ACTIONS: [&str; 4] = ["start", "stop", "promote", "demote"];

pub(super) fn read_action(reader: &mut Reader, value: &Value) -> Option<String> {
    let text = reader.text(value)?;
    if ACTIONS.contains(&text.as_str()) {
        return Some(text);
    }
    let listed = ACTIONS.map(|action| format!("`{action}`")).join(", ");
    reader.problem_with_hint(format!("`{text}` is not one of {listed}"), did_you_mean(&text, ACTIONS));
    None
}

/// A role; older names are taken too.
pub(super) fn read_role(reader: &mut Reader, value: &Value) -> Option<RoleName> {
    let text = reader.text(value)?;
    let role = RoleName::parse(&text);
    if role.is_none() {
        let roles = [RoleName::Started, RoleName::Stopped, RoleName::Unpromoted, RoleName::Promoted];
        let listed = roles.map(|role| format!("`{}`", role.name())).join(", ");
        let hint = did_you_mean(&text, roles.map(RoleName::name));
        reader.problem_with_hint(format!("`{text}` is not one of {listed}"), hint);
    }
    role
}

fn read_discovery(reader: &mut Reader, value: &Value) -> Option<Discovery> {
    let text = reader.text(value)?;
    let known = [Discovery::Always, Discovery::Never, Discovery::Exclusive];
    let discovery = known.into_iter().find(|one| one.name() == text);
    if discovery.is_none() {
        let listed = known.map(|one| format!("`{}`", one.name())).join(", ");
        let hint = did_you_mean(&text, known.map(Discovery::name));
        reader.problem_with_hint(format!("`{text}` is not one of {listed}"), hint);
    }
    discovery
}
