//! What all sections share: elements, attributes with a meaning, sets of name-value pairs.

use super::{CibError, rules};
use muster_api::resource::Score;
use muster_api::rule::ConditionalValues;
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

/// Where the element stands that has that id.
pub(super) fn line_of(section: Element<'_>, id: &str) -> u32 {
    let found = section.descendants().find(|one| one.attribute("id") == Some(id));
    line(found.unwrap_or(section))
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

/// What an element stands for: the one that its `id-ref` names, else itself.
pub(super) fn referenced<'a>(element: Element<'a>) -> Result<Element<'a>, CibError> {
    let Some(id) = element.attribute("id-ref") else { return Ok(element) };
    let name = element.tag_name().name();
    let is_it = |other: &Element<'a>| other.has_tag_name(name) && other.attribute("id") == Some(id);
    let found = element.document().root_element().descendants().find(is_it);
    found.ok_or_else(|| CibError::Unexpected {
        expected: format!("a `<{name}>` with the id of `id-ref`"),
        found: format!("`{id}`, which nothing has"),
        line: line(element),
    })
}

/// The values of some sets of name-value pairs.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Those that always count.
    pub(super) plain: BTreeMap<String, String>,
    /// Those that count while a rule holds, in the order in which they decide; all of them come before the plain ones.
    pub(super) conditional: Vec<ConditionalValues>,
}

/// The values of all sets with that tag, of the first parent first. Where two sets have the same name, the one with
/// the higher `score` counts, then the first.
pub(super) fn values(parents: &[Element<'_>], set: &str) -> Result<Values, CibError> {
    let sets = parents.iter().flat_map(|parent| children(*parent)).filter(|child| child.has_tag_name(set));
    let mut sets: Vec<Element<'_>> = sets.map(referenced).collect::<Result<_, _>>()?;
    sets.sort_by_key(|set| std::cmp::Reverse(score_of(*set)));
    let mut values = Values::default();
    for set in sets {
        values.add(set)?;
    }
    Ok(values)
}

/// The cluster's own set of properties comes before all others.
fn score_of(set: Element<'_>) -> (bool, i32) {
    let is_first = set.attribute("id") == Some("cib-bootstrap-options");
    (is_first, set.attribute("score").and_then(Score::parse).map_or(0, |score| score.0))
}

impl Values {
    fn add(&mut self, set: Element<'_>) -> Result<(), CibError> {
        let new: Vec<(String, String)> =
            pairs_of(set)?.into_iter().filter(|(name, _)| !self.plain.contains_key(name)).collect();
        match rules::of_set(set)? {
            Some(rule) => {
                let mut values = BTreeMap::new();
                for (name, value) in new {
                    values.entry(name).or_insert(value);
                }
                self.conditional.push(ConditionalValues { rule, values });
            }
            None => {
                for (name, value) in new {
                    self.plain.entry(name).or_insert(value);
                }
            }
        }
        Ok(())
    }
}

fn pairs_of(set: Element<'_>) -> Result<Vec<(String, String)>, CibError> {
    let mut pairs = Vec::new();
    for pair in children(set) {
        match pair.tag_name().name() {
            "nvpair" => {
                let named = referenced(pair)?;
                // A reference may give the value another name.
                let name = pair.attribute("name").or(named.attribute("name"));
                let name = name.map_or_else(|| required(pair, "name"), Ok)?;
                // The word for "as if it were not written".
                let value = named.attribute("value").filter(|value| *value != "#default");
                pairs.extend(value.map(|value| (name.into(), value.into())));
            }
            "rule" => {}
            other => return Err(unsupported(pair, format!("`<{other}>` in `<{}>`", set.tag_name().name()))),
        }
    }
    Ok(pairs)
}
