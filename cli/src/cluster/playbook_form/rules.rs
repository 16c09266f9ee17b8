//! Rules as one line of text, in the words that `pcs` has for them: `#uname eq n1 and not_defined pingd`,
//! `date-spec hours=9-16 weekdays=1-5`, `date in_range 2027-03-01 to duration days=3`. `and` binds before `or`.

use super::super::cib::read_range;
use muster_api::calendar::parse_moment;
use muster_api::duration::parse_ms;
use muster_api::rule::{
    AttributeCondition, CalendarField, Comparison, Condition, DateCondition, FieldRange, Join, Period, Rule,
    ValueSource, ValueType,
};

/// Reads a rule.
///
/// # Errors
///
/// A sentence that says what was expected, and where.
pub(super) fn parse(text: &str) -> Result<Rule, String> {
    let mut words = Words { rest: split(text)?, last: String::new(), depth: 0 };
    let rule = words.rule()?;
    match words.rest.first() {
        Some(word) => Err(format!("expected `and`, `or` or the end{}, found `{}`", words.place(), word.text)),
        None => Ok(rule),
    }
}

/// Far more than anybody reads, and few enough for any stack.
const DEPTH_MAX: usize = 32;

/// Either may be in a value that stands in the other.
pub(super) const QUOTES: [char; 2] = ['"', '\''];

#[derive(Debug)]
struct Word {
    text: String,
    /// It stood in quotes: it is a value, whatever it says.
    is_quoted: bool,
}

fn split(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_quoted = QUOTES.contains(&first);
        let end = match first {
            quote if is_quoted => rest[1..].find(quote).map(|end| end + 2).ok_or("a quote is not closed")?,
            '(' | ')' => 1,
            _ => rest.find([' ', '\t', '\n', '(', ')']).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        let text = if is_quoted { &word[1..end - 1] } else { word };
        words.push(Word { text: text.to_string(), is_quoted });
        rest = after.trim_start();
    }
    Ok(words)
}

/// The words that are still to be read.
struct Words {
    rest: Vec<Word>,
    /// The one that was read last.
    last: String,
    /// How many parentheses are open.
    depth: usize,
}

impl Words {
    fn place(&self) -> String {
        if self.last.is_empty() { String::new() } else { format!(" after `{}`", self.last) }
    }

    fn is_next(&self, word: &str) -> bool {
        self.rest.first().is_some_and(|next| !next.is_quoted && next.text == word)
    }

    /// Goes over a word, if it is the next one.
    fn skip(&mut self, word: &str) -> bool {
        let is_there = self.is_next(word);
        if is_there {
            self.last = self.rest.remove(0).text;
        }
        is_there
    }

    fn next(&mut self, expected: &str) -> Result<String, String> {
        if self.rest.is_empty() {
            return Err(format!("expected {expected}{}", self.place()));
        }
        self.last = self.rest.remove(0).text;
        Ok(self.last.clone())
    }

    fn rule(&mut self) -> Result<Rule, String> {
        let mut alternatives = vec![self.conjunction()?];
        while self.skip("or") {
            alternatives.push(self.conjunction()?);
        }
        if alternatives.len() == 1 {
            return Ok(alternatives.remove(0));
        }
        let single = |mut rule: Rule| match rule.conditions.len() {
            1 => rule.conditions.remove(0),
            _ => Condition::Rule(rule),
        };
        Ok(Rule { join: Join::Or, conditions: alternatives.into_iter().map(single).collect() })
    }

    fn conjunction(&mut self) -> Result<Rule, String> {
        let mut conditions = vec![self.condition()?];
        while self.skip("and") {
            conditions.push(self.condition()?);
        }
        Ok(Rule { join: Join::And, conditions })
    }

    fn condition(&mut self) -> Result<Condition, String> {
        if self.skip("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(format!("more than {DEPTH_MAX} parentheses are open at once"));
            }
            let rule = self.rule()?;
            self.depth -= 1;
            return match self.skip(")") {
                true => Ok(Condition::Rule(rule)),
                false => Err(format!("expected `)`{}", self.place())),
            };
        }
        for (word, comparison) in [("defined", Comparison::Defined), ("not_defined", Comparison::NotDefined)]
        {
            if self.skip(word) {
                let attribute = self.next("the name of a node attribute")?;
                return Ok(Condition::Attribute(bare(attribute, comparison)));
            }
        }
        match () {
            () if self.skip("date") => self.date().map(Condition::Date),
            () if self.skip("date-spec") => {
                let fields = self.pairs(read_field)?;
                Ok(Condition::Date(DateCondition::Matching(fields.into_iter().collect())))
            }
            () if self.skip("resource") => self.resource(),
            () if self.skip("op") => self.operation(),
            () => self.attribute().map(Condition::Attribute),
        }
    }

    fn attribute(&mut self) -> Result<AttributeCondition, String> {
        let attribute = self.next("a node attribute, `date`, `date-spec`, `resource` or `op`")?;
        let word = self.next("a comparison (`eq`, `ne`, `lt`, `lte`, `gt`, `gte`)")?;
        let comparison = COMPARISONS
            .into_iter()
            .find(|comparison| comparison.word() == word)
            .ok_or_else(|| format!("`{word}` is not one of `eq`, `ne`, `lt`, `lte`, `gt`, `gte`"))?;
        let value_type =
            TYPES.into_iter().find(|(word, _)| self.skip(word)).map(|(_, value_type)| value_type);
        let source = SOURCES.into_iter().find(|(word, _)| self.skip(word)).map(|(_, source)| source);
        let value = Some(self.next("a value")?);
        Ok(AttributeCondition {
            attribute,
            comparison,
            value_type,
            value,
            source: source.unwrap_or_default(),
        })
    }

    fn date(&mut self) -> Result<DateCondition, String> {
        let word = self.next("`lt`, `gt` or `in_range`")?;
        match word.as_str() {
            "lt" => self.moment().map(DateCondition::Before),
            "gt" => self.moment().map(DateCondition::After),
            "in_range" => self.range(),
            _ => Err(format!("`{word}` is not one of `lt`, `gt`, `in_range`")),
        }
    }

    fn range(&mut self) -> Result<DateCondition, String> {
        let start = if self.is_next("to") { None } else { Some(self.moment()?) };
        if !self.skip("to") {
            return Err(format!("expected `to`{}", self.place()));
        }
        match start {
            Some(start) if self.skip("duration") => {
                let mut duration = Period::default();
                for (name, value) in self.pairs(read_unit)? {
                    *unit_of(&mut duration, name) = value;
                }
                Ok(DateCondition::For { start, duration })
            }
            start => Ok(DateCondition::Within { start, end: Some(self.moment()?) }),
        }
    }

    fn moment(&mut self) -> Result<i64, String> {
        let text = self.next("a date")?;
        parse_moment(&text).ok_or_else(|| format!("`{text}` is not a date: expected `2027-03-01T08:30:00Z`"))
    }

    /// One or more `NAME=VALUE`.
    fn pairs<T>(&mut self, read: fn(&str, &str) -> Option<T>) -> Result<Vec<T>, String> {
        let mut pairs = Vec::new();
        while self.rest.first().is_some_and(|word| !word.is_quoted && word.text.contains('=')) {
            let word = self.next("a pair")?;
            let pair = word.split_once('=').and_then(|(name, value)| read(name, value));
            pairs.push(pair.ok_or_else(|| format!("`{word}` cannot be read here"))?);
        }
        if pairs.is_empty() {
            return Err(format!("expected `NAME=VALUE`{}", self.place()));
        }
        Ok(pairs)
    }

    /// `ocf:heartbeat:IPaddr2`; what is left empty matches everything.
    fn resource(&mut self) -> Result<Condition, String> {
        let agent = self.next("an agent (`CLASS:PROVIDER:TYPE`)")?;
        let part = |text: &str| (!text.is_empty()).then(|| text.to_string());
        let parts: Vec<Option<String>> = agent.split(':').map(part).collect();
        match parts.as_slice() {
            [class, provider, name] => Ok(Condition::Resource {
                class: class.clone(),
                provider: provider.clone(),
                name: name.clone(),
            }),
            _ => Err(format!("`{agent}` is not an agent: expected `CLASS:PROVIDER:TYPE`, each may be empty")),
        }
    }

    fn operation(&mut self) -> Result<Condition, String> {
        let name = self.next("the name of an operation")?;
        let interval = self.rest.first().and_then(|word| word.text.strip_prefix("interval="));
        let Some(text) = interval.map(str::to_string) else {
            return Ok(Condition::Operation { name, interval_ms: None });
        };
        self.next("an interval")?;
        let interval_ms = parse_ms(&text).ok_or_else(|| format!("`{text}` is not a duration"))?;
        Ok(Condition::Operation { name, interval_ms: Some(interval_ms) })
    }
}

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::AtMost,
    Comparison::Greater,
    Comparison::AtLeast,
];

pub(super) const TYPES: [(&str, ValueType); 4] = [
    ("string", ValueType::String),
    ("integer", ValueType::Integer),
    ("number", ValueType::Number),
    ("version", ValueType::Version),
];

/// Words before a value that is the name of a parameter or a meta attribute of the resource.
pub(super) const SOURCES: [(&str, ValueSource); 2] =
    [("param", ValueSource::Param), ("meta", ValueSource::Meta)];

fn bare(attribute: String, comparison: Comparison) -> AttributeCondition {
    AttributeCondition {
        attribute,
        comparison,
        value_type: None,
        value: None,
        source: ValueSource::default(),
    }
}

fn read_field(name: &str, value: &str) -> Option<(CalendarField, Vec<FieldRange>)> {
    let (field, _) = CalendarField::ALL.into_iter().find(|(_, known)| *known == name)?;
    Some((field, value.split(',').map(read_range).collect::<Option<_>>()?))
}

pub(super) const UNITS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "minutes", "seconds"];

fn read_unit(name: &str, value: &str) -> Option<(usize, i32)> {
    Some((UNITS.iter().position(|unit| *unit == name)?, value.parse().ok()?))
}

pub(super) fn unit_of(period: &mut Period, unit: usize) -> &mut i32 {
    match unit {
        0 => &mut period.years,
        1 => &mut period.months,
        2 => &mut period.weeks,
        3 => &mut period.days,
        4 => &mut period.hours,
        5 => &mut period.minutes,
        _ => &mut period.seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_binds_before_or() {
        let (one, other) =
            (parse("defined a and defined b or defined c"), parse("(defined a and defined b) or defined c"));
        assert_eq!(one, other);
        assert!(one.is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |text| parse(text).expect_err("it is no rule");
        assert_eq!(error("#uname is n1"), "`is` is not one of `eq`, `ne`, `lt`, `lte`, `gt`, `gte`");
        assert_eq!(error("#uname eq"), "expected a value after `eq`");
        assert_eq!(error("(defined a"), "expected `)` after `a`");
        assert_eq!(
            error("defined a defined b"),
            "expected `and`, `or` or the end after `a`, found `defined`"
        );
        assert_eq!(error("date gt soon"), "`soon` is not a date: expected `2027-03-01T08:30:00Z`");
        assert_eq!(error(""), "expected a node attribute, `date`, `date-spec`, `resource` or `op`");
        assert_eq!(error("date-spec hours=late"), "`hours=late` cannot be read here");
    }
}
