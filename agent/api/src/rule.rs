//! Rules: conditions on the moment, on a node's attributes, on a resource or an operation, in the terms of Pacemaker
//! Explained ("Rules"). What a rule says is kept as it was written; the scheduler evaluates it.

use crate::constraint::RoleName;
use crate::resource::Score;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// `<rule>`: conditions joined by `boolean-op`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rule {
    /// `boolean-op`.
    pub join: Join,
    /// What is joined; a rule without conditions holds where it is joined by `and`.
    pub conditions: Vec<Condition>,
}

/// `boolean-op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Join {
    /// All must hold.
    #[default]
    And,
    /// One must hold.
    Or,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A rule inside.
    Rule(Rule),
    /// `<expression>`.
    Attribute(AttributeCondition),
    /// `<date_expression>`.
    Date(DateCondition),
    /// `<rsc_expression>`: what is not set matches everything.
    Resource {
        /// `class`.
        class: Option<String>,
        /// `provider`.
        provider: Option<String>,
        /// `type`.
        name: Option<String>,
    },
    /// `<op_expression>`.
    Operation {
        /// `name`.
        name: String,
        /// `interval` in milliseconds, where it is set.
        interval_ms: Option<u64>,
    },
}

/// `<expression>`: a node attribute against a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeCondition {
    /// The attribute; `#uname`, `#id`, `#kind` and others that begin with `#` are known without being set.
    pub attribute: String,
    /// `operation`.
    pub comparison: Comparison,
    /// `type`: how the two are compared, where it is set.
    pub value_type: Option<ValueType>,
    /// `value`; not needed for `defined` and `not_defined`.
    pub value: Option<String>,
    /// `value-source`.
    pub source: ValueSource,
}

/// `operation` of an `<expression>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `lt`
    Less,
    /// `lte`
    AtMost,
    /// `gt`
    Greater,
    /// `gte`
    AtLeast,
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `defined`
    Defined,
    /// `not_defined`
    NotDefined,
}

/// `type` of an `<expression>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Without regard to case.
    String,
    /// Whole numbers.
    Integer,
    /// Numbers with decimals.
    Number,
    /// Versions: `1.10` is above `1.9`.
    Version,
}

/// `value-source` of an `<expression>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueSource {
    /// The value itself.
    #[default]
    Literal,
    /// The value names an instance attribute of the resource.
    Param,
    /// The value names a meta attribute of the resource.
    Meta,
}

/// `<date_expression>`. Moments are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateCondition {
    /// `lt`: before `end`.
    Before(i64),
    /// `gt`: after `start`.
    After(i64),
    /// `in_range`: from `start` to `end`, both included where they are set.
    Within {
        /// `start`.
        start: Option<i64>,
        /// `end`.
        end: Option<i64>,
    },
    /// `in_range` from `start` for a `<duration>`.
    For {
        /// `start`.
        start: i64,
        /// How long.
        duration: Period,
    },
    /// `date_spec`: fields of the calendar, each with the ranges that it may be in.
    Matching(BTreeMap<CalendarField, Vec<FieldRange>>),
}

/// `<duration>`: calendar units that are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Period {
    /// `years`
    pub years: i32,
    /// `months`
    pub months: i32,
    /// `weeks`
    pub weeks: i32,
    /// `days`
    pub days: i32,
    /// `hours`
    pub hours: i32,
    /// `minutes`
    pub minutes: i32,
    /// `seconds`
    pub seconds: i32,
}

/// A field of `<date_spec>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalendarField {
    /// `years`
    Years,
    /// `months`: 1 to 12.
    Months,
    /// `monthdays`: 1 to 31.
    Monthdays,
    /// `hours`: 0 to 23.
    Hours,
    /// `minutes`: 0 to 59.
    Minutes,
    /// `seconds`: 0 to 59.
    Seconds,
    /// `yeardays`: 1 to 366.
    Yeardays,
    /// `weekyears`: the year that the ISO week belongs to.
    Weekyears,
    /// `weeks`: ISO weeks, 1 to 53.
    Weeks,
    /// `weekdays`: 1 is Monday.
    Weekdays,
}

/// `9-16`, `-5`, `3-` or `7`: both ends are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRange {
    /// The lowest, where there is one.
    pub low: Option<i32>,
    /// The highest, where there is one.
    pub high: Option<i32>,
}

/// A rule of a location: where it holds, the score counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoredRule {
    /// What counts.
    pub score: RuleScore,
    /// The role that it is about; the location's where it is not set.
    pub role: Option<RoleName>,
    /// When.
    pub rule: Rule,
}

/// `score` or `score-attribute` of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleScore {
    /// The same on every node.
    Fixed(Score),
    /// The value of that node attribute; -INFINITY where a node does not have it.
    OfAttribute(String),
}

/// Values that count while a rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionalValues {
    /// When.
    pub rule: Rule,
    /// Name and value.
    pub values: BTreeMap<String, String>,
}

impl fmt::Display for Rule {
    /// As one line for people: `#uname eq n1 and (after 86400 or memory gte 4096)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = if self.join == Join::And { " and " } else { " or " };
        let conditions: Vec<String> = self.conditions.iter().map(ToString::to_string).collect();
        formatter.write_str(&conditions.join(join))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(formatter, "({rule})"),
            Self::Attribute(condition) => condition.fmt(formatter),
            Self::Date(condition) => condition.fmt(formatter),
            Self::Resource { class, provider, name } => {
                let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".into());
                write!(formatter, "agent is {}:{}:{}", part(class), part(provider), part(name))
            }
            Self::Operation { name, interval_ms: None } => write!(formatter, "operation is {name}"),
            Self::Operation { name, interval_ms: Some(interval_ms) } => {
                write!(formatter, "operation is {name} every {interval_ms} ms")
            }
        }
    }
}

impl fmt::Display for AttributeCondition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.attribute, self.comparison.word())?;
        match (&self.value, self.source) {
            (None, _) => Ok(()),
            (Some(value), ValueSource::Literal) => write!(formatter, " {value}"),
            (Some(value), ValueSource::Param) => write!(formatter, " parameter {value}"),
            (Some(value), ValueSource::Meta) => write!(formatter, " meta attribute {value}"),
        }
    }
}

impl Comparison {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Less => "lt",
            Self::AtMost => "lte",
            Self::Greater => "gt",
            Self::AtLeast => "gte",
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Defined => "defined",
            Self::NotDefined => "not_defined",
        }
    }
}

impl CalendarField {
    /// All fields, each with its name.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Years, "years"),
        (Self::Months, "months"),
        (Self::Monthdays, "monthdays"),
        (Self::Hours, "hours"),
        (Self::Minutes, "minutes"),
        (Self::Seconds, "seconds"),
        (Self::Yeardays, "yeardays"),
        (Self::Weekyears, "weekyears"),
        (Self::Weeks, "weeks"),
        (Self::Weekdays, "weekdays"),
    ];
}

impl fmt::Display for DateCondition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(end) => write!(formatter, "before {end}"),
            Self::After(start) => write!(formatter, "after {start}"),
            Self::Within { start: Some(start), end: Some(end) } => {
                write!(formatter, "from {start} to {end}")
            }
            Self::Within { start: Some(start), end: None } => write!(formatter, "from {start}"),
            Self::Within { start: None, end: Some(end) } => write!(formatter, "until {end}"),
            Self::Within { start: None, end: None } => formatter.write_str("at any time"),
            Self::For { start, duration } => write!(formatter, "from {start} for {duration}"),
            Self::Matching(fields) => {
                let names = CalendarField::ALL.iter();
                let parts: Vec<String> = names
                    .filter_map(|(field, name)| Some((name, fields.get(field)?)))
                    .map(|(name, ranges)| {
                        let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
                        format!("{name} {}", ranges.join(","))
                    })
                    .collect();
                write!(formatter, "at {}", parts.join(" "))
            }
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (self.years, "years"),
            (self.months, "months"),
            (self.weeks, "weeks"),
            (self.days, "days"),
            (self.hours, "hours"),
            (self.minutes, "minutes"),
            (self.seconds, "seconds"),
        ];
        let set = units.iter().filter(|(count, _)| *count != 0);
        let parts: Vec<String> = set.map(|(count, unit)| format!("{count} {unit}")).collect();
        formatter.write_str(&parts.join(" "))
    }
}

impl fmt::Display for FieldRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low, self.high) {
            (Some(low), Some(high)) if low == high => low.fmt(formatter),
            (Some(low), Some(high)) => write!(formatter, "{low}-{high}"),
            (Some(low), None) => write!(formatter, "{low}-"),
            (None, Some(high)) => write!(formatter, "-{high}"),
            (None, None) => formatter.write_str("-"),
        }
    }
}
