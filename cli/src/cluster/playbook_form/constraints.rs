//! Location, colocation and order.

use super::value::Reader;
use crate::suggest::did_you_mean;
use muster_api::cluster::{ClusterConfig, parse_bool};
use muster_api::constraint::{Discovery, RoleName};
use muster_api::resource::{Constraint, OrderKind, Score};
use serde_json::{Map, Value};

pub(super) fn read(reader: &mut Reader, value: &Value, config: &mut ClusterConfig) {
    let Some(map) = reader.mapping(value) else { return };
    reader.known_keys(map, &["location", "colocation", "order"], &["ticket", "tickets"]);
    for kind in ["ticket", "tickets"] {
        if map.get(kind).is_some_and(|tickets| !super::value::is_empty(tickets)) {
            reader.bad_key(kind, "tickets are not supported: they need several clusters".to_string(), []);
        }
    }
    let readers: [(&str, ReadOne); 3] =
        [("location", read_location), ("colocation", read_colocation), ("order", read_order)];
    for (kind, read_one) in readers {
        let constraints = reader.field(map, kind, |reader, value| reader.list(value, read_one));
        config.constraints.extend(constraints.unwrap_or_default());
    }
}

/// Reads one constraint of a kind.
type ReadOne = fn(&mut Reader, &Value) -> Option<Constraint>;

/// The id as written, else one made of what the constraint says: the same constraint keeps its id.
fn id(reader: &mut Reader, map: &Map<String, Value>, made: impl FnOnce() -> String) -> String {
    match reader.text_field(map, "id") {
        Some(id) if id.starts_with("cli-") => {
            let sentence =
                "ids that begin with `cli-` belong to `resource move` and are not declared".to_string();
            reader.within("id", |reader| reader.problem(sentence));
            id
        }
        Some(id) => id,
        None => made(),
    }
}

fn read_score(reader: &mut Reader, map: &Map<String, Value>) -> Option<Score> {
    let text = reader.required_text(map, "score")?;
    let score = Score::parse(&text);
    if score.is_none() {
        let hint = did_you_mean(&text, ["INFINITY", "-INFINITY"]);
        let sentence = format!("`{text}` is not a score: expected a whole number, `INFINITY` or `-INFINITY`");
        reader.within("score", |reader| reader.problem_with_hint(sentence, hint));
    }
    score
}

fn refuse(reader: &mut Reader, map: &Map<String, Value>, keys: &[&str]) {
    for key in keys.iter().filter(|key| map.contains_key(**key)) {
        reader.bad_key(key, format!("`{key}` of a constraint is not supported yet"), []);
    }
}

fn read_location(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    let later = ["rule", "rules", "pattern", "lifetime"];
    refuse(reader, map, &later);
    reader.known_keys(map, &["id", "resource", "role", "node", "score", "resource-discovery"], &later);
    let role = reader.field(map, "role", read_role).flatten();
    let discovery = reader.field(map, "resource-discovery", read_discovery).flatten();
    let resource = reader.required_text(map, "resource");
    let node = reader.required_text(map, "node");
    let score = read_score(reader, map);
    let (resource, node) = (resource?, node?);
    let id = id(reader, map, || format!("location-{resource}-{node}"));
    Some(Constraint::Location {
        id,
        resource: resource.into(),
        node: node.into(),
        score: score?,
        role,
        discovery: discovery.unwrap_or_default(),
        until_ms: None,
    })
}

fn read_colocation(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    refuse(reader, map, &["sets"]);
    let own = ["id", "resource", "role", "with", "with_role", "score", "node-attribute", "influence"];
    reader.known_keys(map, &own, &["sets"]);
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

fn read_order(reader: &mut Reader, value: &Value) -> Option<Constraint> {
    let map = reader.mapping(value)?;
    refuse(reader, map, &["sets"]);
    let own = ["id", "first", "then", "kind", "symmetrical", "first_action", "then_action", "require-all"];
    reader.known_keys(map, &own, &["sets"]);
    let first = reader.required_text(map, "first");
    let then = reader.required_text(map, "then");
    let kind = reader.field(map, "kind", read_kind).flatten().unwrap_or(OrderKind::Mandatory);
    let symmetrical = reader.field(map, "symmetrical", read_flag).flatten();
    if symmetrical == Some(true) && kind == OrderKind::Serialize {
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

fn read_flag(reader: &mut Reader, value: &Value) -> Option<bool> {
    let text = reader.text(value)?;
    let flag = parse_bool(&text);
    if flag.is_none() {
        reader.problem(format!("`{text}` is not `true` or `false`"));
    }
    flag
}

fn read_kind(reader: &mut Reader, value: &Value) -> Option<OrderKind> {
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

fn read_action(reader: &mut Reader, value: &Value) -> Option<String> {
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
