//! `sequence`: numbers as text, `start=1 end=10 stride=2 format=host%02d` or `1-10/2:host%02d`.

use minijinja::{Error, Value};

use super::Table;
use crate::template::args::Args;
use crate::template::percent;
use crate::template::python;
use crate::vars::Scope;

pub(super) const TABLE: Table = &[("sequence", sequence)];

/// More numbers than this are a mistake that would fill the memory.
const MOST: i64 = 1_000_000;

#[derive(Debug, Clone)]
struct Sequence {
    start: i64,
    end: Option<i64>,
    count: Option<i64>,
    stride: i64,
    format: String,
}

fn sequence(_: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut usual = Sequence { start: 1, end: None, count: None, stride: 1, format: "%d".into() };
    for name in ["start", "end", "count", "stride", "format"] {
        if let Some(value) = args.named(name) {
            usual.set(name, &python::text(&value)).map_err(|err| args.refuse(err))?;
        }
    }
    if terms.is_empty() && usual.end.is_none() && usual.count.is_none() {
        return Ok(Vec::new());
    }
    if terms.is_empty() {
        return usual.values().map_err(|err| args.refuse(err));
    }
    let mut found = Vec::new();
    for term in terms {
        let term = python::text(term);
        let mut sequence = usual.clone();
        let parsed = if term.contains('=') { sequence.named(&term) } else { sequence.short(&term) };
        let values = parsed.and_then(|()| sequence.values());
        found.extend(values.map_err(|err| args.refuse(err))?);
    }
    Ok(found)
}

/// Decimal, octal with a leading 0, or hexadecimal.
fn number(option: &str, text: &str) -> Result<i64, String> {
    let wrong = |_| format!("`{option}` has an invalid value: `{text}` is no number");
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits.trim_start_matches("0o"), 8)
    } else {
        digits.parse()
    };
    value.map(|value| sign * value).map_err(wrong)
}

impl Sequence {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "start" => self.start = number(name, value)?,
            "end" => self.end = Some(number(name, value)?),
            "count" => self.count = Some(number(name, value)?),
            "stride" => self.stride = number(name, value)?,
            "format" => self.format = value.to_owned(),
            other => {
                return Err(format!(
                    "unrecognized arguments to with_sequence: `{other}`; there are start, end, count, stride, format"
                ));
            }
        }
        Ok(())
    }

    fn named(&mut self, term: &str) -> Result<(), String> {
        for pair in term.split_whitespace() {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not NAME=VALUE"))?;
            self.set(name, value)?;
        }
        Ok(())
    }

    /// `[START-]END[/STRIDE][:FORMAT]`
    fn short(&mut self, term: &str) -> Result<(), String> {
        let (numbers, format) =
            term.split_once(':').map_or((term, None), |(left, right)| (left, Some(right)));
        let (range, stride) =
            numbers.split_once('/').map_or((numbers, None), |(left, right)| (left, Some(right)));
        if range.trim().is_empty() {
            return Ok(());
        }
        let end = match range.split_once('-') {
            Some((start, end)) if !start.is_empty() => {
                self.start = number("start", start)?;
                end
            }
            _ => range,
        };
        self.end = Some(number("end", end)?);
        if let Some(stride) = stride {
            self.stride = number("stride", stride)?;
        }
        if let Some(format) = format {
            self.format = format.to_owned();
        }
        Ok(())
    }

    fn values(&self) -> Result<Vec<Value>, String> {
        let end = match (self.end, self.count) {
            (None, None) => return Err("must specify count or end in with_sequence".into()),
            (Some(_), Some(_)) => return Err("can't specify both count and end in with_sequence".into()),
            (None, Some(0)) => return Ok(Vec::new()),
            // Ansible's formula, also for strides below zero.
            (None, Some(count)) => self.start + count * self.stride - 1,
            (Some(end), None) => end,
        };
        match self.stride {
            0 => return Ok(Vec::new()),
            stride if stride > 0 && end < self.start => {
                return Err("to count backwards make stride negative".into());
            }
            stride if stride < 0 && end > self.start => {
                return Err("to count forward don't make stride negative".into());
            }
            stride if (end - self.start) / stride > MOST => {
                return Err(format!("there are more than {MOST} numbers"));
            }
            _ => {}
        }
        let steps = (end - self.start) / self.stride;
        let value = |step: i64| {
            let number = Value::from(self.start + step * self.stride);
            percent::percent(&Value::from(self.format.as_str()), &number)
                .map_err(|_| format!("bad formatting string: {}", self.format))
        };
        (0..=steps).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(term: &str) -> Result<Vec<String>, String> {
        let mut sequence = Sequence { start: 1, end: None, count: None, stride: 1, format: "%d".into() };
        if term.contains('=') {
            sequence.named(term)?
        } else {
            sequence.short(term)?
        }
        Ok(sequence.values()?.iter().map(python::text).collect())
    }

    #[test]
    fn both_forms_count_the_same_way() {
        assert_eq!(texts("4:host%02d").unwrap(), ["host01", "host02", "host03", "host04"]);
        assert_eq!(texts("2-10/4").unwrap(), ["2", "6", "10"]);
        assert_eq!(texts("start=0x0f00 count=2 format=%04x").unwrap(), ["0f00", "0f01"]);
        assert_eq!(texts("start=4 end=0 stride=-2").unwrap(), ["4", "2", "0"]);
        assert_eq!(texts("start=1 count=3 stride=2").unwrap(), ["1", "3", "5"]);
    }

    #[test]
    fn counting_the_wrong_way_is_refused() {
        assert!(texts("5-1").unwrap_err().contains("negative"));
    }
}
