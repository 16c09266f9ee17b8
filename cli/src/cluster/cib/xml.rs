//! What all sections share: elements, attributes with a meaning, sets of name-value pairs.

use super::CibError;
use std::collections::BTreeMap;

pub(super) type Element<'a> = roxmltree::Node<'a, 'a>;

/// The child elements.
pub(super) fn children(element: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    element.children().filter(roxmltree::Node::is_element)
}

pub(super) fn child<'a>(element: Element<'a>, name: &str) -> Option<Element<'a>> {
    children(element).find(|child| child.has_tag_name(name))
}

pub(super) fn line(element: Element<'_>) -> u32 {
    element.document().text_pos_at(element.range().start).row
}

pub(super) fn unsupported(element: Element<'_>, what: impl Into<String>) -> CibError {
    CibError::Unsupported { what: what.into(), line: line(element) }
}

pub(super) fn unexpected(element: Element<'_>, expected: impl Into<String>) -> CibError {
    let found = format!("`<{}>`", element.tag_name().name());
    CibError::Unexpected { expected: expected.into(), found, line: line(element) }
}

/// An attribute that must be there.
pub(super) fn required<'a>(element: Element<'a>, name: &str) -> Result<&'a str, CibError> {
    element.attribute(name).ok_or_else(|| CibError::Unexpected {
        expected: format!("the attribute `{name}`"),
        found: format!("`<{}>` without it", element.tag_name().name()),
        line: line(element),
    })
}

pub(super) fn bad_value(element: Element<'_>, name: &str, expected: &str) -> CibError {
    CibError::Unexpected {
        expected: format!("{expected} in `{name}`"),
        found: format!("`{}`", element.attribute(name).unwrap_or_default()),
        line: line(element),
    }
}

/// The pairs of all sets with that tag. Where two sets have the same name, the one with the higher `score` counts, then
/// the first.
pub(super) fn pairs(parent: Element<'_>, set: &str) -> Result<BTreeMap<String, String>, CibError> {
    let mut sets: Vec<Element<'_>> = children(parent).filter(|child| child.has_tag_name(set)).collect();
    sets.sort_by_key(|set| {
        std::cmp::Reverse(set.attribute("score").and_then(|score| score.parse::<i64>().ok()))
    });
    let mut pairs = BTreeMap::new();
    for set in sets {
        for (name, value) in pairs_of(set)? {
            pairs.entry(name).or_insert(value);
        }
    }
    Ok(pairs)
}

fn pairs_of(set: Element<'_>) -> Result<Vec<(String, String)>, CibError> {
    if set.has_attribute("id-ref") {
        return Err(unsupported(set, format!("`id-ref` on `<{}>`", set.tag_name().name())));
    }
    let mut pairs = Vec::new();
    for pair in children(set) {
        match pair.tag_name().name() {
            "nvpair" if pair.has_attribute("id-ref") => {
                return Err(unsupported(pair, "`id-ref` on `<nvpair>`"));
            }
            "nvpair" => pairs.extend(
                pair.attribute("value")
                    .map(|value| required(pair, "name").map(|name| (name.into(), value.into())))
                    .transpose()?,
            ),
            "rule" => return Err(unsupported(pair, format!("a rule in `<{}>`", set.tag_name().name()))),
            other => return Err(unsupported(pair, format!("`<{other}>` in `<{}>`", set.tag_name().name()))),
        }
    }
    Ok(pairs)
}
