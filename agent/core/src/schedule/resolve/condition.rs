//! Whether a rule holds. Where Pacemaker Explained is silent: text is compared without regard to case; a comparison
//! with an attribute that is not there holds only for `ne` and `not_defined`; a rule that joins nothing by `or` holds
//! nowhere.

use super::Attributes;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use muster_api::calendar;
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::{Constraint, Nodes};
use muster_api::resource::AgentName;
use muster_api::rule::{
    AttributeCondition, CalendarField, Comparison, Condition, DateCondition, FieldRange, Join, Rule,
    ValueSource, ValueType,
};

/// What rules can ask about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Seconds since the epoch.
    pub(crate) now_s: i64,
    /// The attributes of the node that it is about; `None` where it is about none.
    pub(crate) node: Option<&'a Attributes>,
    /// Instance attributes of the resource that it is about.
    pub(crate) params: Option<&'a BTreeMap<String, String>>,
    /// Meta attributes of the resource that it is about.
    pub(crate) meta: Option<&'a BTreeMap<String, String>>,
    /// Its agent.
    pub(crate) agent: Option<&'a AgentName>,
    /// Name and interval (milliseconds) of the operation that it is about.
    pub(crate) operation: Option<(&'a str, u64)>,
}

impl<'a> Facts<'a> {
    pub(crate) fn at(now_s: i64) -> Self {
        Self { now_s, node: None, params: None, meta: None, agent: None, operation: None }
    }
}

/// Whether a rule holds.
pub(crate) fn holds(rule: &Rule, facts: &Facts<'_>) -> bool {
    let mut conditions = rule.conditions.iter();
    match rule.join {
        Join::And => conditions.all(|condition| is_met(condition, facts)),
        Join::Or => conditions.any(|condition| is_met(condition, facts)),
    }
}

fn is_met(condition: &Condition, facts: &Facts<'_>) -> bool {
    match condition {
        Condition::Rule(rule) => holds(rule, facts),
        Condition::Attribute(condition) => is_attribute_met(condition, facts),
        Condition::Date(condition) => is_date_met(condition, facts.now_s),
        Condition::Resource { class, provider, name } => facts.agent.is_some_and(|agent| {
            let is = |wanted: &Option<String>, actual: Option<&str>| {
                wanted.as_deref().is_none_or(|wanted| Some(wanted) == actual)
            };
            is(class, Some(agent.class.name()))
                && is(provider, agent.provider.as_deref())
                && is(name, Some(&agent.name))
        }),
        Condition::Operation { name, interval_ms } => facts.operation.is_some_and(|(actual, actual_ms)| {
            name == actual && interval_ms.is_none_or(|wanted_ms| wanted_ms == actual_ms)
        }),
    }
}

fn is_attribute_met(condition: &AttributeCondition, facts: &Facts<'_>) -> bool {
    let actual = facts.node.and_then(|node| node.get(&condition.attribute)).map(String::as_str);
    let named = |values: Option<&'_ BTreeMap<String, String>>| {
        condition.value.as_ref().and_then(|name| values?.get(name)).cloned()
    };
    let reference = match condition.source {
        ValueSource::Literal => condition.value.clone(),
        ValueSource::Param => named(facts.params),
        ValueSource::Meta => named(facts.meta),
    };
    let reference = reference.as_deref();
    let value_type = condition
        .value_type
        .unwrap_or_else(|| default_type(condition.comparison, [actual, reference].into_iter().flatten()));
    let ordering = match (actual, reference) {
        (Some(actual), Some(reference)) => compare(actual, reference, value_type),
        (actual, reference) => actual.is_some().cmp(&reference.is_some()),
    };
    let are_both_there = actual.is_some() && reference.is_some();
    match condition.comparison {
        Comparison::Defined => actual.is_some(),
        Comparison::NotDefined => actual.is_none(),
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => are_both_there && ordering.is_lt(),
        Comparison::AtMost => are_both_there && ordering.is_le(),
        Comparison::Greater => are_both_there && ordering.is_gt(),
        Comparison::AtLeast => are_both_there && ordering.is_ge(),
    }
}

/// Which is larger is a question about numbers unless something else was said; `eq` and `ne` compare text.
fn default_type<'v>(comparison: Comparison, mut values: impl Iterator<Item = &'v str>) -> ValueType {
    match comparison {
        Comparison::Less | Comparison::AtMost | Comparison::Greater | Comparison::AtLeast => {
            if values.any(|value| value.contains('.')) { ValueType::Number } else { ValueType::Integer }
        }
        _ => ValueType::String,
    }
}

fn compare(actual: &str, reference: &str, value_type: ValueType) -> Ordering {
    match value_type {
        ValueType::String => actual.to_ascii_lowercase().cmp(&reference.to_ascii_lowercase()),
        ValueType::Integer => match (whole(actual), whole(reference)) {
            (Some(actual), Some(reference)) => actual.cmp(&reference),
            _ => compare(actual, reference, ValueType::String),
        },
        ValueType::Number => match (actual.trim().parse::<f64>(), reference.trim().parse::<f64>()) {
            (Ok(actual), Ok(reference)) => actual.partial_cmp(&reference).unwrap_or(Ordering::Equal),
            _ => compare(actual, reference, ValueType::String),
        },
        ValueType::Version => compare_versions(actual, reference),
    }
}

/// A whole number; of one with decimals the part before the point.
fn whole(text: &str) -> Option<i64> {
    let whole = text.trim().split('.').next().unwrap_or_default();
    whole.strip_prefix('+').unwrap_or(whole).parse().ok()
}

fn compare_versions(one: &str, other: &str) -> Ordering {
    let parts = |text: &str| -> Vec<u64> {
        let numbers = text.split(|letter: char| !letter.is_ascii_digit());
        numbers.filter_map(|number| number.parse().ok()).collect()
    };
    parts(one).cmp(&parts(other))
}

fn is_date_met(condition: &DateCondition, now_s: i64) -> bool {
    match condition {
        DateCondition::Before(end) => now_s < *end,
        DateCondition::After(start) => now_s > *start,
        DateCondition::Within { start, end } => {
            start.is_none_or(|start| now_s >= start) && end.is_none_or(|end| now_s <= end)
        }
        DateCondition::For { start, duration } => {
            now_s >= *start && now_s <= calendar::plus(*start, duration)
        }
        DateCondition::Matching(fields) => fields.iter().all(|(field, ranges)| {
            let value = calendar::field(now_s, *field);
            ranges.iter().any(|range| contains(range, value))
        }),
    }
}

fn contains(range: &FieldRange, value: i64) -> bool {
    range.low.is_none_or(|low| value >= i64::from(low))
        && range.high.is_none_or(|high| value <= i64::from(high))
}

/// The next moment at which a rule of the configuration may change its mind, seconds since the epoch.
pub(super) fn next_change_s(config: &ClusterConfig, now_s: i64) -> Option<i64> {
    let conditional = config.conditional.iter().map(|conditional| &conditional.values.rule);
    let locations = config.constraints.iter().filter_map(|constraint| match constraint {
        Constraint::LocationRule { nodes: Nodes::Rules(rules), .. } => Some(rules),
        _ => None,
    });
    let rules = conditional.chain(locations.flatten().map(|scored| &scored.rule));
    rules.filter_map(|rule| next_change_of(rule, now_s)).min()
}

fn next_change_of(rule: &Rule, now_s: i64) -> Option<i64> {
    let of_condition = |condition: &Condition| match condition {
        Condition::Rule(rule) => next_change_of(rule, now_s),
        Condition::Date(date) => next_change_of_date(date, now_s),
        _ => None,
    };
    rule.conditions.iter().filter_map(of_condition).min()
}

fn next_change_of_date(condition: &DateCondition, now_s: i64) -> Option<i64> {
    let first_after_now =
        |moments: &[Option<i64>]| moments.iter().flatten().copied().filter(|moment| *moment > now_s).min();
    match condition {
        DateCondition::Before(end) => first_after_now(&[Some(*end)]),
        DateCondition::After(start) => first_after_now(&[Some(*start + 1)]),
        // An end still counts, the second after it does not.
        DateCondition::Within { start, end } => first_after_now(&[*start, end.map(|end| end + 1)]),
        DateCondition::For { start, duration } => {
            first_after_now(&[Some(*start), Some(calendar::plus(*start, duration) + 1)])
        }
        // Its finest field changes then at the earliest.
        DateCondition::Matching(fields) => {
            let has = |field| fields.contains_key(&field);
            let step = match () {
                () if has(CalendarField::Seconds) => 1,
                () if has(CalendarField::Minutes) => 60,
                () if has(CalendarField::Hours) => 3600,
                () => 86_400,
            };
            Some((now_s.div_euclid(step) + 1) * step)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn attribute(name: &str, comparison: Comparison, value: Option<&str>) -> Rule {
        let condition = AttributeCondition {
            attribute: name.into(),
            comparison,
            value_type: None,
            value: value.map(ToString::to_string),
            source: ValueSource::Literal,
        };
        Rule { join: Join::And, conditions: alloc::vec![Condition::Attribute(condition)] }
    }

    fn holds_on(rule: &Rule, attributes: &[(&str, &str)]) -> bool {
        let attributes =
            attributes.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        holds(rule, &Facts { node: Some(&attributes), ..Facts::at(0) })
    }

    #[test]
    fn sizes_are_compared_as_numbers_and_equality_as_text() {
        let at_least = attribute("memory", Comparison::AtLeast, Some("900"));
        assert!(holds_on(&at_least, &[("memory", "1000")]));
        assert!(!holds_on(&at_least, &[("memory", "80")]));
        let equal = attribute("rack", Comparison::Equal, Some("North"));
        assert!(holds_on(&equal, &[("rack", "north")]));
        assert!(!holds_on(&attribute("size", Comparison::Equal, Some("1")), &[("size", "1.0")]));
    }

    #[test]
    fn an_attribute_that_is_not_there_is_only_different_and_undefined() {
        for (comparison, expected) in [
            (Comparison::NotEqual, true),
            (Comparison::NotDefined, true),
            (Comparison::Equal, false),
            (Comparison::Less, false),
            (Comparison::Defined, false),
        ] {
            assert_eq!(holds_on(&attribute("rack", comparison, Some("1")), &[]), expected, "{comparison:?}");
        }
    }

    #[test]
    fn a_specification_of_hours_and_weekdays_holds_when_all_its_fields_match() {
        let range = |low, high| alloc::vec![FieldRange { low: Some(low), high: Some(high) }];
        let fields = [(CalendarField::Hours, range(9, 16)), (CalendarField::Weekdays, range(1, 5))].into();
        let rule = Rule {
            join: Join::And,
            conditions: alloc::vec![Condition::Date(DateCondition::Matching(fields))],
        };
        let at = |text| Facts::at(calendar::parse_moment(text).unwrap());
        assert!(holds(&rule, &at("2027-03-01T16:59:59")));
        assert!(!holds(&rule, &at("2027-03-01T17:00:00")));
        assert!(!holds(&rule, &at("2027-02-28T12:00:00")));
    }

    #[test]
    fn versions_are_compared_part_by_part() {
        assert_eq!(compare_versions("1.10", "1.9"), Ordering::Greater);
        assert_eq!(compare_versions("3.0", "3.0.1"), Ordering::Less);
    }
}
