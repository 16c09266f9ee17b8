//! `<rule>` and what stands inside.

use super::Writer;
use super::element::Element;
use muster_api::calendar::format_moment;
use muster_api::constraint::RoleName;
use muster_api::duration::format_ms;
use muster_api::rule::{
    AttributeCondition, CalendarField, Condition, DateCondition, FieldRange, Join, Period, Rule, RuleScore,
    ScoredRule, ValueSource, ValueType,
};
use std::collections::BTreeMap;

impl Writer<'_> {
    /// The rule of a location.
    pub(super) fn scored_rule(&mut self, scored: &ScoredRule, id: &str) -> Element {
        let id = self.ids.make(id);
        let element = Element::new("rule").attribute("id", id.as_str());
        let element = match &scored.score {
            RuleScore::Fixed(score) => element.attribute("score", score.to_string()),
            RuleScore::OfAttribute(name) => element.attribute("score-attribute", name.as_str()),
        };
        let element = element.optional("role", scored.role.map(RoleName::name));
        self.filled(element, &scored.rule, &id)
    }

    /// The rule of a set of values.
    pub(super) fn plain_rule(&mut self, rule: &Rule, id: &str) -> Element {
        let id = self.ids.make(id);
        // The schema wants a score; in a set it counts for nothing.
        let element = Element::new("rule").attribute("id", id.as_str()).attribute("score", "INFINITY");
        self.filled(element, rule, &id)
    }

    fn filled(&mut self, element: Element, rule: &Rule, id: &str) -> Element {
        let join = match rule.join {
            Join::And => "and",
            Join::Or => "or",
        };
        let element = element.attribute("boolean-op", join);
        rule.conditions.iter().fold(element, |element, one| element.child(self.condition(one, id)))
    }

    fn condition(&mut self, condition: &Condition, rule: &str) -> Element {
        let mut id = || self.ids.make(&format!("{rule}-expr"));
        match condition {
            Condition::Rule(inner) => {
                let id = self.ids.make(&format!("{rule}-rule"));
                let element = Element::new("rule").attribute("id", id.as_str()).attribute("score", "0");
                self.filled(element, inner, &id)
            }
            Condition::Attribute(condition) => attribute(condition, id()),
            Condition::Date(condition) => date(condition, id()),
            Condition::Resource { class, provider, name } => Element::new("rsc_expression")
                .attribute("id", id())
                .optional("class", class.as_deref())
                .optional("provider", provider.as_deref())
                .optional("type", name.as_deref()),
            Condition::Operation { name, interval_ms } => Element::new("op_expression")
                .attribute("id", id())
                .attribute("name", name.as_str())
                .optional("interval", interval_ms.map(format_ms)),
        }
    }
}

fn attribute(condition: &AttributeCondition, id: String) -> Element {
    let value_type = condition.value_type.map(|value_type| match value_type {
        ValueType::String => "string",
        ValueType::Integer => "integer",
        ValueType::Number => "number",
        ValueType::Version => "version",
    });
    let source = match condition.source {
        ValueSource::Literal => None,
        ValueSource::Param => Some("param"),
        ValueSource::Meta => Some("meta"),
    };
    Element::new("expression")
        .attribute("id", id)
        .attribute("attribute", condition.attribute.as_str())
        .attribute("operation", condition.comparison.word())
        .optional("value", condition.value.as_deref())
        .optional("type", value_type)
        .optional("value-source", source)
}

fn date(condition: &DateCondition, id: String) -> Element {
    let inner = format!("{id}-datespec");
    let element = Element::new("date_expression").attribute("id", id);
    match condition {
        DateCondition::Before(end) => {
            element.attribute("operation", "lt").attribute("end", format_moment(*end))
        }
        DateCondition::After(start) => {
            element.attribute("operation", "gt").attribute("start", format_moment(*start))
        }
        DateCondition::Within { start, end } => element
            .attribute("operation", "in_range")
            .optional("start", start.map(format_moment))
            .optional("end", end.map(format_moment)),
        DateCondition::For { start, duration } => element
            .attribute("operation", "in_range")
            .attribute("start", format_moment(*start))
            .child(period(duration, inner.replace("-datespec", "-duration"))),
        DateCondition::Matching(fields) => {
            element.attribute("operation", "date_spec").child(spec(fields, inner))
        }
    }
}

fn period(period: &Period, id: String) -> Element {
    let units = [
        ("years", period.years),
        ("months", period.months),
        ("weeks", period.weeks),
        ("days", period.days),
        ("hours", period.hours),
        ("minutes", period.minutes),
        ("seconds", period.seconds),
    ];
    let set = units.into_iter().filter(|(_, count)| *count != 0);
    set.fold(Element::new("duration").attribute("id", id), |element, (unit, count)| {
        element.attribute(unit, count.to_string())
    })
}

fn spec(fields: &BTreeMap<CalendarField, Vec<FieldRange>>, id: String) -> Element {
    let element = Element::new("date_spec").attribute("id", id);
    CalendarField::ALL.into_iter().fold(element, |element, (field, name)| {
        let ranges = fields.get(&field).map(|ranges| {
            let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            texts.join(",")
        });
        element.optional(name, ranges)
    })
}
