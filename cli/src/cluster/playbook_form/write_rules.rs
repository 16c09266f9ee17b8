//! A rule as the line of text that [`super::rules::parse`] reads.

use super::rules::{QUOTES, SOURCES, TYPES, UNITS, unit_of};
use muster_api::calendar::format_moment;
use muster_api::rule::{
    AttributeCondition, CalendarField, Comparison, Condition, DateCondition, FieldRange, Join, Rule,
};
use std::collections::BTreeMap;

/// A rule as [`super::rules::parse`] reads it; nothing for one that cannot be written so.
pub(super) fn print(rule: &Rule) -> Option<String> {
    let join = if rule.join == Join::And { " and " } else { " or " };
    let conditions: Vec<String> = rule.conditions.iter().map(print_condition).collect::<Option<_>>()?;
    (!conditions.is_empty()).then(|| conditions.join(join))
}

fn print_condition(condition: &Condition) -> Option<String> {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    Some(match condition {
        Condition::Rule(rule) => format!("({})", print(rule)?),
        Condition::Attribute(condition) => print_attribute(condition)?,
        Condition::Date(condition) => print_date(condition)?,
        Condition::Resource { class, provider, name } => {
            format!("resource {}:{}:{}", text(class), text(provider), text(name))
        }
        Condition::Operation { name, interval_ms: None } => format!("op {name}"),
        Condition::Operation { name, interval_ms: Some(interval_ms) } => {
            format!("op {name} interval={interval_ms}ms")
        }
    })
}

fn print_attribute(condition: &AttributeCondition) -> Option<String> {
    let attribute = quoted(&condition.attribute)?;
    let word = condition.comparison.word();
    if matches!(condition.comparison, Comparison::Defined | Comparison::NotDefined) {
        return Some(format!("{word} {attribute}"));
    }
    let mut words = vec![attribute, word.to_string()];
    let of_type = TYPES.into_iter().find(|(_, one)| Some(*one) == condition.value_type);
    words.extend(of_type.map(|(word, _)| word.to_string()));
    let of_source = SOURCES.into_iter().find(|(_, source)| *source == condition.source);
    words.extend(of_source.map(|(word, _)| word.to_string()));
    words.push(quoted(condition.value.as_deref()?)?);
    Some(words.join(" "))
}

/// In quotes where it would be taken for something else; nothing where both quotes are in it.
fn quoted(text: &str) -> Option<String> {
    let is_word = |text: &str| {
        let is_type =
            TYPES.iter().any(|(word, _)| *word == text) || SOURCES.iter().any(|(word, _)| *word == text);
        is_type
            || ["and", "or", "defined", "not_defined", "date", "date-spec", "resource", "op"].contains(&text)
    };
    let is_plain = !text.is_empty()
        && !text.starts_with(QUOTES)
        && !text.contains([' ', '\t', '\n', '(', ')'])
        && !is_word(text);
    if is_plain {
        return Some(text.to_string());
    }
    let quote = QUOTES.into_iter().find(|quote| !text.contains(*quote))?;
    Some(format!("{quote}{text}{quote}"))
}

fn print_date(condition: &DateCondition) -> Option<String> {
    Some(match condition {
        DateCondition::Before(end) => format!("date lt {}", format_moment(*end)),
        DateCondition::After(start) => format!("date gt {}", format_moment(*start)),
        DateCondition::Within { start, end } => {
            let start = start.map(|start| format!("{} ", format_moment(start))).unwrap_or_default();
            format!("date in_range {start}to {}", format_moment((*end)?))
        }
        DateCondition::For { start, duration } => {
            let mut duration = *duration;
            let units =
                UNITS.into_iter().enumerate().map(|(unit, name)| (name, *unit_of(&mut duration, unit)));
            let set: Vec<String> = units
                .filter(|(_, count)| *count != 0)
                .map(|(name, count)| format!("{name}={count}"))
                .collect();
            let set = if set.is_empty() { "seconds=0".to_string() } else { set.join(" ") };
            format!("date in_range {} to duration {set}", format_moment(*start))
        }
        DateCondition::Matching(fields) => format!("date-spec {}", print_fields(fields)?),
    })
}

fn print_fields(fields: &BTreeMap<CalendarField, Vec<FieldRange>>) -> Option<String> {
    let names = CalendarField::ALL.into_iter();
    let parts: Vec<String> = names
        .filter_map(|(field, name)| Some((name, fields.get(&field)?)))
        .map(|(name, ranges)| {
            let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            format!("{name}={}", ranges.join(","))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::rules::parse;
    use super::*;

    #[test]
    fn what_is_read_is_written_the_same() {
        for text in [
            "#uname eq n1",
            "#uname eq n1 and not_defined pingd",
            "pingd lt integer 1000 or defined backup",
            "(#uname eq n1 and rack eq north) or memory gte number 1.5",
            "rack eq \"north wing\" and zone ne string and",
            "site eq param location and state eq version meta stage",
            "date gt 2027-03-01T08:30:00Z",
            "date in_range 2027-03-01T00:00:00Z to 2027-04-01T00:00:00Z",
            "date in_range to 2027-04-01T00:00:00Z",
            "date in_range 2027-03-01T00:00:00Z to duration months=1 days=3",
            "date-spec hours=9-16 weekdays=1-5,7",
            "resource ocf::IPaddr2",
            "op monitor interval=10000ms",
        ] {
            let text = text.replace("string and", "string \"and\"");
            let rule = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(print(&rule).as_deref(), Some(text.as_str()));
        }
    }
}
