//! `<rule>` and what stands inside.

use super::CibError;
use super::xml::{self, Element};
use muster_api::calendar::parse_moment;
use muster_api::constraint::RoleName;
use muster_api::duration::parse_ms;
use muster_api::resource::Score;
use muster_api::rule::{
    AttributeCondition, CalendarField, Comparison, Condition, DateCondition, FieldRange, Join, Period, Rule,
    RuleScore, ScoredRule, ValueSource, ValueType,
};
use std::collections::BTreeMap;

/// The rule of a set of values; several are joined by `or`.
pub(super) fn of_set(set: Element<'_>) -> Result<Option<Rule>, CibError> {
    let rules = xml::children(set).filter(|child| child.has_tag_name("rule"));
    let mut rules: Vec<Rule> = rules.map(read).collect::<Result<_, _>>()?;
    Ok(match rules.len() {
        0 | 1 => rules.pop(),
        _ => Some(Rule { join: Join::Or, conditions: rules.into_iter().map(Condition::Rule).collect() }),
    })
}

/// Reads a rule of a location, with what it counts and the role that it is about.
pub(super) fn read_scored(rule: Element<'_>) -> Result<ScoredRule, CibError> {
    let rule = xml::referenced(rule)?;
    let score = match (rule.attribute("score-attribute"), rule.attribute("score")) {
        (Some(attribute), _) => RuleScore::OfAttribute(attribute.to_string()),
        (None, Some(score)) => {
            RuleScore::Fixed(Score::parse(score).ok_or_else(|| xml::bad_value(rule, "score", "a score"))?)
        }
        (None, None) => RuleScore::Fixed(Score(0)),
    };
    Ok(ScoredRule { score, role: read_role(rule, "role")?, rule: read(rule)? })
}

/// A role in an attribute that may be missing.
pub(super) fn read_role(element: Element<'_>, name: &str) -> Result<Option<RoleName>, CibError> {
    let role = |text| RoleName::parse(text).ok_or_else(|| xml::bad_value(element, name, "a role"));
    element.attribute(name).map(role).transpose()
}

/// Reads a rule.
pub(super) fn read(rule: Element<'_>) -> Result<Rule, CibError> {
    let rule = xml::referenced(rule)?;
    let join = match rule.attribute("boolean-op") {
        Some(join) if join.eq_ignore_ascii_case("or") => Join::Or,
        _ => Join::And,
    };
    let conditions = xml::children(rule).map(read_condition).collect::<Result<Vec<_>, _>>()?;
    // One condition needs nothing that joins it.
    let join = if conditions.len() == 1 { Join::And } else { join };
    Ok(Rule { join, conditions })
}

fn read_condition(condition: Element<'_>) -> Result<Condition, CibError> {
    let condition = xml::referenced(condition)?;
    let text = |name: &str| condition.attribute(name).map(str::to_string);
    Ok(match condition.tag_name().name() {
        "rule" => Condition::Rule(read(condition)?),
        "expression" => Condition::Attribute(read_attribute_condition(condition)?),
        "date_expression" => Condition::Date(read_date_condition(condition)?),
        "rsc_expression" => {
            Condition::Resource { class: text("class"), provider: text("provider"), name: text("type") }
        }
        "op_expression" => {
            let interval = condition.attribute("interval").map(parse_ms);
            if interval == Some(None) {
                return Err(xml::bad_value(condition, "interval", "a duration"));
            }
            let name = xml::required(condition, "name")?.to_string();
            Condition::Operation { name, interval_ms: interval.flatten() }
        }
        other => return Err(xml::unsupported(condition, format!("`<{other}>` in a rule"))),
    })
}

fn read_attribute_condition(expression: Element<'_>) -> Result<AttributeCondition, CibError> {
    let operation = xml::required(expression, "operation")?.to_ascii_lowercase();
    let comparison = match operation.as_str() {
        "lt" => Comparison::Less,
        "lte" => Comparison::AtMost,
        "gt" => Comparison::Greater,
        "gte" => Comparison::AtLeast,
        "eq" => Comparison::Equal,
        "ne" => Comparison::NotEqual,
        "defined" => Comparison::Defined,
        "not_defined" => Comparison::NotDefined,
        _ => return Err(xml::bad_value(expression, "operation", "a comparison")),
    };
    let value_type = match expression.attribute("type") {
        None => None,
        Some("string") => Some(ValueType::String),
        Some("integer") => Some(ValueType::Integer),
        Some("number") => Some(ValueType::Number),
        Some("version") => Some(ValueType::Version),
        Some(_) => return Err(xml::bad_value(expression, "type", "a type")),
    };
    let source = match expression.attribute("value-source") {
        None | Some("literal") => ValueSource::Literal,
        Some("param") => ValueSource::Param,
        Some("meta") => ValueSource::Meta,
        Some(_) => return Err(xml::bad_value(expression, "value-source", "`literal`, `param` or `meta`")),
    };
    let attribute = xml::required(expression, "attribute")?.to_string();
    if matches!(comparison, Comparison::Defined | Comparison::NotDefined) {
        // Whatever else is written there compares nothing.
        let source = ValueSource::default();
        return Ok(AttributeCondition { attribute, comparison, value_type: None, value: None, source });
    }
    Ok(AttributeCondition {
        attribute,
        comparison,
        value_type,
        value: expression.attribute("value").map(str::to_string),
        source,
    })
}

fn read_date_condition(expression: Element<'_>) -> Result<DateCondition, CibError> {
    let moment = |name: &str| {
        let read = |text| parse_moment(text).ok_or_else(|| xml::bad_value(expression, name, "a date"));
        expression.attribute(name).map(read).transpose()
    };
    let required = |name: &str| {
        xml::required(expression, name)?;
        moment(name).map(Option::unwrap_or_default)
    };
    Ok(match expression.attribute("operation").unwrap_or("in_range") {
        "lt" => DateCondition::Before(required("end")?),
        "gt" => DateCondition::After(required("start")?),
        "in_range" => match (xml::child(expression, "duration"), moment("end")?) {
            (Some(duration), None) => {
                let duration = read_period(xml::referenced(duration)?)?;
                DateCondition::For { start: required("start")?, duration }
            }
            (_, end) => DateCondition::Within { start: moment("start")?, end },
        },
        "date_spec" => {
            let spec = xml::child(expression, "date_spec")
                .ok_or_else(|| xml::unexpected(expression, "`<date_spec>` inside"))?;
            DateCondition::Matching(read_spec(xml::referenced(spec)?)?)
        }
        _ => return Err(xml::bad_value(expression, "operation", "a comparison of dates")),
    })
}

fn read_period(duration: Element<'_>) -> Result<Period, CibError> {
    let unit = |name: &str| match duration.attribute(name) {
        None => Ok(0),
        Some(text) => text.trim().parse().map_err(|_| xml::bad_value(duration, name, "a whole number")),
    };
    Ok(Period {
        years: unit("years")?,
        months: unit("months")?,
        weeks: unit("weeks")?,
        days: unit("days")?,
        hours: unit("hours")?,
        minutes: unit("minutes")?,
        seconds: unit("seconds")?,
    })
}

fn read_spec(spec: Element<'_>) -> Result<BTreeMap<CalendarField, Vec<FieldRange>>, CibError> {
    let mut fields = BTreeMap::new();
    for (field, name) in CalendarField::ALL {
        let Some(text) = spec.attribute(name) else { continue };
        let ranges = text.split(',').map(read_range).collect::<Option<Vec<_>>>();
        fields.insert(field, ranges.ok_or_else(|| xml::bad_value(spec, name, "a number or a range"))?);
    }
    Ok(fields)
}

/// `9-16`, `-5`, `3-` or `7`.
pub(in crate::cluster) fn read_range(text: &str) -> Option<FieldRange> {
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        number => number.parse().ok().map(Some),
    };
    match text.split_once('-') {
        Some((low, high)) => Some(FieldRange { low: number(low)?, high: number(high)? }),
        None => {
            let only = number(text)?;
            only.is_some().then_some(FieldRange { low: only, high: only })
        }
    }
}
