//! `<constraints>`: location (with a node, or a rule on its name), colocation, order.

use super::xml::{self, Element};
use super::{CibError, Imported};
use muster_api::cluster::parse_bool;
use muster_api::constraint::Discovery;
use muster_api::resource::{Constraint, OrderKind, Score};

pub(super) fn read(section: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    for constraint in xml::children(section) {
        match constraint.tag_name().name() {
            "rsc_location" => read_location(constraint, imported)?,
            "rsc_colocation" => imported.config.constraints.push(read_colocation(constraint)?),
            "rsc_order" => {
                let order = read_order(constraint, imported)?;
                imported.config.constraints.push(order);
            }
            other => return Err(xml::unsupported(constraint, format!("`<{other}>`"))),
        }
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

fn read_location(location: Element<'_>, imported: &mut Imported) -> Result<(), CibError> {
    refuse_attributes(location, &["rsc-pattern", "id-ref"])?;
    if let Some(role) = location.attribute("role").filter(|role| !role.eq_ignore_ascii_case("started")) {
        return Err(xml::unsupported(location, format!("`role` = `{role}` on a location")));
    }
    if location.attribute("resource-discovery").is_some_and(|discovery| discovery != "always") {
        return Err(xml::unsupported(location, "`resource-discovery`"));
    }
    let id = xml::required(location, "id")?;
    let mut add = |node: &str, score: Score, resource: &str| {
        imported.config.constraints.push(Constraint::Location {
            id: id.to_string(),
            resource: resource.into(),
            node: node.into(),
            score,
            role: None,
            discovery: Discovery::Always,
            until_ms: None,
        });
    };
    let rules: Vec<Element<'_>> = xml::children(location).collect();
    if rules.is_empty() {
        let node = xml::required(location, "node")?;
        add(node, read_score(location)?, xml::required(location, "rsc")?);
    }
    for rule in rules {
        if !rule.has_tag_name("rule") {
            return Err(xml::unsupported(rule, format!("`<{}>` in a location", rule.tag_name().name())));
        }
        let score = read_score(rule)?;
        for node in nodes_of_rule(rule)? {
            add(node, score, xml::required(location, "rsc")?);
        }
    }
    Ok(())
}

fn read_score(element: Element<'_>) -> Result<Score, CibError> {
    refuse_attributes(element, &["score-attribute", "id-ref"])?;
    Score::parse(xml::required(element, "score")?).ok_or_else(|| xml::bad_value(element, "score", "a score"))
}

/// The nodes that a rule names: one `#uname eq …`, or several joined by `or`.
fn nodes_of_rule(rule: Element<'_>) -> Result<Vec<&str>, CibError> {
    refuse_attributes(rule, &["role"])?;
    let expressions: Vec<Element<'_>> = xml::children(rule).collect();
    if expressions.len() > 1 && rule.attribute("boolean-op") != Some("or") {
        return Err(xml::unsupported(rule, "a rule that joins several conditions"));
    }
    expressions.into_iter().map(node_of_expression).collect()
}

fn node_of_expression(expression: Element<'_>) -> Result<&str, CibError> {
    let is_name = expression.has_tag_name("expression")
        && expression.attribute("attribute") == Some("#uname")
        && expression.attribute("operation") == Some("eq");
    if is_name {
        xml::required(expression, "value")
    } else {
        Err(xml::unsupported(expression, "a rule other than `#uname eq NODE`"))
    }
}

fn refuse_roles(element: Element<'_>, names: &[&str]) -> Result<(), CibError> {
    for name in names {
        if let Some(role) = element.attribute(*name).filter(|role| !role.eq_ignore_ascii_case("started")) {
            return Err(xml::unsupported(element, format!("`{name}` = `{role}`")));
        }
    }
    Ok(())
}

fn read_colocation(colocation: Element<'_>) -> Result<Constraint, CibError> {
    refuse_attributes(
        colocation,
        &["node-attribute", "score-attribute", "rsc-instance", "with-rsc-instance"],
    )?;
    refuse_roles(colocation, &["rsc-role", "with-rsc-role"])?;
    if colocation.attribute("influence").and_then(parse_bool) == Some(false) {
        return Err(xml::unsupported(colocation, "`influence` = `false`"));
    }
    if let Some(set) = xml::child(colocation, "resource_set") {
        return Err(xml::unsupported(set, "a resource set"));
    }
    Ok(Constraint::Colocation {
        id: xml::required(colocation, "id")?.to_string(),
        resource: xml::required(colocation, "rsc")?.into(),
        with: xml::required(colocation, "with-rsc")?.into(),
        role: None,
        with_role: None,
        node_attribute: None,
        influence: None,
        score: if colocation.has_attribute("score") { read_score(colocation)? } else { Score(0) },
    })
}

fn read_order(order: Element<'_>, imported: &mut Imported) -> Result<Constraint, CibError> {
    refuse_attributes(order, &["first-instance", "then-instance", "require-all"])?;
    if let Some(set) = xml::child(order, "resource_set") {
        return Err(xml::unsupported(set, "a resource set"));
    }
    let first_action = order.attribute("first-action").unwrap_or("start");
    let then_action = order.attribute("then-action").unwrap_or(first_action);
    for action in [first_action, then_action] {
        if !matches!(action, "start" | "stop") {
            return Err(xml::unsupported(order, format!("an order of `{action}`")));
        }
    }
    let kind = read_kind(order, imported);
    let symmetrical = order.attribute("symmetrical").and_then(parse_bool);
    Ok(Constraint::Order {
        id: xml::required(order, "id")?.to_string(),
        first: xml::required(order, "first")?.into(),
        first_action: first_action.to_string(),
        then: xml::required(order, "then")?.into(),
        then_action: then_action.to_string(),
        kind,
        symmetrical: symmetrical.unwrap_or(kind != OrderKind::Serialize),
        require_all: true,
    })
}

/// `kind`, or the score of old configurations: zero was optional. What is no kind counts as mandatory.
fn read_kind(order: Element<'_>, imported: &mut Imported) -> OrderKind {
    match (order.attribute("kind"), order.attribute("score")) {
        (Some(kind), _) if kind.eq_ignore_ascii_case("optional") => OrderKind::Optional,
        (Some(kind), _) if kind.eq_ignore_ascii_case("serialize") => OrderKind::Serialize,
        (Some(kind), _) if kind.eq_ignore_ascii_case("mandatory") => OrderKind::Mandatory,
        (Some(kind), _) => {
            let line = xml::line(order);
            imported
                .notes
                .push(format!("`{kind}` at line {line} is no kind of order and counts as `Mandatory`"));
            OrderKind::Mandatory
        }
        (None, Some("0")) => OrderKind::Optional,
        (None, _) => OrderKind::Mandatory,
    }
}
