//! Whether the value of a keyword has the form that it must have. Templates have any form.

use super::keyword::{Given, Shape};
use super::rolling;
use crate::error::Diagnostic;
use crate::yaml::{Kind, Node, Tag};

/// The mistake in a value, if there is one.
pub(super) fn check(given: &Given) -> Option<Diagnostic> {
    let value = &given.value;
    let is_rendered_later = value.as_str().is_some() && (value.has_template() || value.tag == Tag::Vault);
    if value.is_null() || is_rendered_later {
        return None;
    }
    let shape = given.keyword.shape();
    if shape == Shape::Rolling {
        return rolling::check(value);
    }
    if fits(value, shape) {
        return None;
    }
    let name = given.keyword.name();
    let expected = describe(shape);
    let found = value.describe();
    let mistake = Diagnostic::error(format!("`{name}` must be {expected}, found {found}"));
    let mistake = mistake.at(&value.span.first_line(), format!("expected {expected}"));
    Some(if name == "roles" {
        mistake.known_as("A malformed role declaration was encountered.")
    } else if shape == Shape::List {
        let written = value.scalar_text().unwrap_or_else(|| value.span.text().into());
        mistake.known_as(format!(
            "A malformed block was encountered while loading {name}: {written} should be a list or None"
        ))
    } else {
        mistake
    })
}

fn fits(value: &Node, shape: Shape) -> bool {
    match shape {
        Shape::Any | Shape::Rolling => true,
        Shape::Bool => value.truth().is_some(),
        Shape::Int => is_number(value, |text| text.parse::<i64>().is_ok()),
        Shape::Number => is_number(value, |text| text.trim_end_matches('%').parse::<f64>().is_ok()),
        Shape::Text => value.scalar_text().is_some(),
        Shape::Texts | Shape::Conditions => match &value.kind {
            Kind::Seq(items) => items.iter().all(|item| item.scalar_text().is_some() || item.is_null()),
            _ => value.scalar_text().is_some(),
        },
        Shape::List => value.as_seq().is_some(),
        Shape::Map => value.as_map().is_some(),
        Shape::Maps => match &value.kind {
            Kind::Seq(items) => items.iter().all(|item| item.as_map().is_some() || item.has_template()),
            _ => value.as_map().is_some(),
        },
    }
}

fn is_number(value: &Node, is_text_number: impl Fn(&str) -> bool) -> bool {
    match &value.kind {
        Kind::Int(_) | Kind::Float(_) => true,
        Kind::Str(text) => is_text_number(text.trim()),
        _ => false,
    }
}

fn describe(shape: Shape) -> &'static str {
    match shape {
        Shape::Bool => "a boolean",
        Shape::Int => "a whole number",
        Shape::Number => "a number",
        Shape::Text => "text",
        Shape::Texts => "text or a list of texts",
        Shape::Conditions => "a condition or a list of conditions",
        Shape::List => "a list",
        Shape::Map | Shape::Maps => "a mapping",
        Shape::Rolling => "true, false or a mapping",
        Shape::Any => "a value",
    }
}
