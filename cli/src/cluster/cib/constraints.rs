//! `<constraints>`: location, colocation, order and ticket, of resources, tags, patterns and sets.

use super::rules::{self, read_role};
use super::xml::{self, Element};
use super::{CibError, Imported};
use muster_api::cluster::parse_bool;
use muster_api::constraint::{
    Constraint, Discovery, LossPolicy, Nodes, OrderKind, ResourceSet, RoleName, SetOrdering, Subject,
};
use muster_api::resource::Score;

pub(super) fn read(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for constraint in xml::children(section) {
        let read = match constraint.tag_name().name() {
            "rsc_location" => read_location(constraint)?,
            "rsc_colocation" => read_colocation(constraint)?,
            "rsc_order" => read_order(constraint, imported)?,
            "rsc_ticket" => read_ticket(constraint)?,
            other => return Err(xml::unsupported(constraint, format!("`<{other}>`"))),
        };
        imported.config.constraints.push(read);
    }
    Ok(())
}

fn refuse_attributes(element: Element<'_>, names: &[&str]) -> Result<(), CibError> {
    match names.iter().find(|name| element.has_attribute(**name)) {
        Some(name) => {
            Err(xml::unsupported(element, format!("`{name}` on `<{}>`", element.tag_name().name())))
        }
        None => Ok(()),
    }
}

fn id(constraint: Element<'_>) -> Result<String, CibError> {
    Ok(xml::required(constraint, "id")?.to_string())
}

fn read_score(element: Element<'_>) -> Result<Score, CibError> {
    Score::parse(xml::required(element, "score")?).ok_or_else(|| xml::bad_value(element, "score", "a score"))
}

fn flag(element: Element<'_>, name: &str) -> Option<bool> {
    element.attribute(name).and_then(parse_bool)
}

fn read_location(location: Element<'_>) -> Result<Constraint, CibError> {
    let id = id(location)?;
    let discovery = match location.attribute("resource-discovery") {
        None | Some("always") => Discovery::Always,
        Some("never") => Discovery::Never,
        Some("exclusive") => Discovery::Exclusive,
        Some(_) => {
            return Err(xml::bad_value(location, "resource-discovery", "`always`, `never` or `exclusive`"));
        }
    };
    let role = read_role(location, "role")?;
    let mut rules = Vec::new();
    for rule in xml::children(location).filter(|child| !child.has_tag_name("resource_set")) {
        if !rule.has_tag_name("rule") {
            return Err(xml::unsupported(rule, format!("`<{}>` in a location", rule.tag_name().name())));
        }
        rules.push(rules::read_scored(rule)?);
    }
    let resources = read_subject(location, true)?;
    let node = location.attribute("node").filter(|_| rules.is_empty());
    Ok(match (node, resources) {
        (Some(node), Subject::Resource(resource)) => {
            let (node, score) = (node.into(), read_score(location)?);
            Constraint::Location { id, resource, node, score, role, discovery, until_ms: None }
        }
        (Some(node), resources) => {
            let nodes = Nodes::Node { node: node.into(), score: read_score(location)? };
            Constraint::LocationRule { id, resources, nodes, role, discovery }
        }
        (None, resources) => {
            Constraint::LocationRule { id, resources, nodes: Nodes::Rules(rules), role, discovery }
        }
    })
}

/// `rsc`, `rsc-pattern` or sets.
fn read_subject(constraint: Element<'_>, may_be_pattern: bool) -> Result<Subject, CibError> {
    if let Some(pattern) = constraint.attribute("rsc-pattern").filter(|_| may_be_pattern) {
        return Ok(Subject::Pattern(pattern.to_string()));
    }
    let sets = read_sets(constraint)?;
    if sets.is_empty() {
        return Ok(Subject::Resource(xml::required(constraint, "rsc")?.into()));
    }
    Ok(Subject::Sets(sets))
}

fn read_sets(constraint: Element<'_>) -> Result<Vec<ResourceSet>, CibError> {
    xml::children(constraint).filter(|child| child.has_tag_name("resource_set")).map(read_set).collect()
}

fn read_set(set: Element<'_>) -> Result<ResourceSet, CibError> {
    let set = xml::referenced(set)?;
    let references = xml::children(set).filter(|child| child.has_tag_name("resource_ref"));
    let resource = |reference| Ok(xml::required(reference, "id")?.into());
    Ok(ResourceSet {
        id: id(set)?,
        resources: references.map(resource).collect::<Result<_, CibError>>()?,
        sequential: flag(set, "sequential").unwrap_or(true),
        require_all: flag(set, "require-all").unwrap_or(true),
        ordering: match set.attribute("ordering") {
            None => None,
            Some("group") => Some(SetOrdering::Group),
            Some(_) => Some(SetOrdering::Listed),
        },
        action: set.attribute("action").map(str::to_string),
        role: read_role(set, "role")?,
        score: set.has_attribute("score").then(|| read_score(set)).transpose()?,
        kind: set.attribute("kind").and_then(kind_named),
    })
}

fn read_colocation(colocation: Element<'_>) -> Result<Constraint, CibError> {
    refuse_attributes(colocation, &["score-attribute", "rsc-instance", "with-rsc-instance"])?;
    let id = id(colocation)?;
    let score = if colocation.has_attribute("score") { read_score(colocation)? } else { Score(0) };
    let node_attribute = colocation.attribute("node-attribute").map(str::to_string);
    let sets = read_sets(colocation)?;
    if !sets.is_empty() {
        return Ok(Constraint::ColocationSets { id, score, node_attribute, sets });
    }
    Ok(Constraint::Colocation {
        id,
        resource: xml::required(colocation, "rsc")?.into(),
        role: read_role(colocation, "rsc-role")?,
        with: xml::required(colocation, "with-rsc")?.into(),
        with_role: read_role(colocation, "with-rsc-role")?,
        score,
        node_attribute,
        influence: flag(colocation, "influence"),
    })
}

fn read_order(order: Element<'_>, imported: &mut Imported) -> Result<Constraint, CibError> {
    refuse_attributes(order, &["first-instance", "then-instance"])?;
    let id = id(order)?;
    let kind = read_kind(order, imported);
    let symmetrical = flag(order, "symmetrical").unwrap_or(kind != OrderKind::Serialize);
    let sets = read_sets(order)?;
    if !sets.is_empty() {
        return Ok(Constraint::OrderSets { id, kind, symmetrical, sets });
    }
    let first_action = order.attribute("first-action").unwrap_or("start");
    let then_action = order.attribute("then-action").unwrap_or(first_action);
    for action in [first_action, then_action] {
        if !matches!(action, "start" | "stop" | "promote" | "demote") {
            return Err(xml::unsupported(order, format!("an order of `{action}`")));
        }
    }
    Ok(Constraint::Order {
        id,
        first: xml::required(order, "first")?.into(),
        first_action: first_action.to_string(),
        then: xml::required(order, "then")?.into(),
        then_action: then_action.to_string(),
        kind,
        symmetrical,
        require_all: flag(order, "require-all").unwrap_or(true),
    })
}

fn kind_named(text: &str) -> Option<OrderKind> {
    let kinds = [OrderKind::Optional, OrderKind::Serialize, OrderKind::Mandatory];
    kinds.into_iter().find(|kind| format!("{kind:?}").eq_ignore_ascii_case(text))
}

/// `kind`, or the score of old configurations: zero was optional. What is no kind counts as mandatory.
fn read_kind(order: Element<'_>, imported: &mut Imported) -> OrderKind {
    let Some(text) = order.attribute("kind") else {
        let is_optional = order.attribute("score") == Some("0");
        return if is_optional { OrderKind::Optional } else { OrderKind::Mandatory };
    };
    kind_named(text).unwrap_or_else(|| {
        let line = xml::line(order);
        imported.notes.push(format!("`{text}` at line {line} is no kind of order and counts as `Mandatory`"));
        OrderKind::Mandatory
    })
}

fn read_ticket(ticket: Element<'_>) -> Result<Constraint, CibError> {
    let role = read_role(ticket, "rsc-role")?;
    let loss_policy = match ticket.attribute("loss-policy") {
        Some("stop") => LossPolicy::Stop,
        Some("demote") => LossPolicy::Demote,
        Some("fence") => LossPolicy::Fence,
        Some("freeze") => LossPolicy::Freeze,
        Some(_) => {
            return Err(xml::bad_value(ticket, "loss-policy", "`stop`, `demote`, `fence` or `freeze`"));
        }
        None if role == Some(RoleName::Promoted) => LossPolicy::Demote,
        None => LossPolicy::Stop,
    };
    Ok(Constraint::Ticket {
        id: id(ticket)?,
        ticket: xml::required(ticket, "ticket")?.to_string(),
        resources: read_subject(ticket, false)?,
        role,
        loss_policy,
    })
}
