//! Dates and times: `to_datetime`, `strftime`, and what `now()` gives.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use jiff::Zoned;
use jiff::civil::DateTime;
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::Table;
use crate::template::args::{Args, refuse};
use crate::template::python;

pub(super) const TABLE: Table = &[("strftime", strftime), ("to_datetime", to_datetime)];

/// How much of a moment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Python's `datetime`.
    Both,
    /// Python's `date`.
    Date,
    /// Python's `time`.
    Time,
}

/// A date and time, or one of them.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    at: DateTime,
    part: Part,
    /// Seconds east of UTC, if a time zone was named.
    offset: Option<i32>,
}

/// A date and time as a value.
pub(crate) fn moment(at: DateTime, offset: Option<i32>) -> Value {
    Value::from_object(Moment { at, part: Part::Both, offset })
}

/// What a plain word of YAML is, where it is a date (`2001-12-14`), a date and time (`2001-12-14 21:59:43.10 -5`), or, in
/// TOML, a time.
pub(crate) fn timestamp(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !(text.contains('-') || text.contains(':')) {
        return None;
    }
    let value = |at, part, offset| Some(Value::from_object(Moment { at, part, offset }));
    if let Some(date) = Some(text).filter(|text| text.len() == 10).and_then(date_of) {
        return value(date.at(0, 0, 0, 0), Part::Date, None);
    }
    let Some((date, rest)) = text.split_once(['T', 't', ' ', '\t']) else {
        let midnight = jiff::civil::Date::constant(1900, 1, 1);
        return value(midnight.to_datetime(time_of(text)?), Part::Time, None);
    };
    let rest = rest.trim_start();
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let offset = if zone.is_empty() { None } else { Some(offset_of(zone)?) };
    value(date_of(date)?.to_datetime(time_of(time.trim_end())?), Part::Both, offset)
}

fn number<T: std::str::FromStr>(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<T> {
    let is_fine = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_fine.then(|| text.parse().ok()).flatten()
}

fn date_of(text: &str) -> Option<jiff::civil::Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let date =
        jiff::civil::Date::new(number(year, 4..=4)?, number(month, 1..=2)?, number(day, 1..=2)?).ok()?;
    parts.next().is_none().then_some(date)
}

fn time_of(text: &str) -> Option<jiff::civil::Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let micros: i32 = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<6}")[..6], 6..=6)? };
    let time = jiff::civil::Time::new(
        number(hour, 1..=2)?,
        number(minute, 2..=2)?,
        number(second, 2..=2)?,
        micros * 1000,
    );
    time.ok().filter(|_| parts.next().is_none())
}

/// Seconds east of UTC: `Z`, `-5`, `+05:30`.
fn offset_of(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "00"));
    Some(sign * (number::<i32>(hours, 1..=2)? * 3600 + number::<i32>(minutes, 2..=2)? * 60))
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "year" => Value::from(self.at.year()),
            "month" => Value::from(self.at.month()),
            "day" => Value::from(self.at.day()),
            "hour" => Value::from(self.at.hour()),
            "minute" => Value::from(self.at.minute()),
            "second" => Value::from(self.at.second()),
            "microsecond" => Value::from(self.at.subsec_nanosecond() / 1000),
            _ => return None,
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let utc =
            |moment: &Self| moment.at - jiff::SignedDuration::from_secs(moment.offset.unwrap_or(0).into());
        Some(self.part.cmp(&other.part).then_with(|| utc(self).cmp(&utc(other))))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(' '))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut args = Args::new(format!("method `{method}`"), args.to_vec());
        let value = match method {
            "strftime" => {
                let pattern = args.need_text("format")?;
                format(&self.zoned()?, &pattern)?.into()
            }
            "isoformat" => Value::from(self.written('T')),
            "timestamp" => Value::from(self.zoned()?.timestamp().as_second() as f64),
            "date" => Value::from_object(Self { part: Part::Date, offset: None, ..Self::clone(self) }),
            "time" => {
                let at = jiff::civil::Date::constant(1900, 1, 1).to_datetime(self.at.time());
                Value::from_object(Self { at, part: Part::Time, offset: None })
            }
            "weekday" => Value::from(self.at.weekday().to_monday_zero_offset()),
            "isoweekday" => Value::from(self.at.weekday().to_monday_one_offset()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        args.finish()?;
        Ok(value)
    }
}

impl Moment {
    /// As Python writes it, with `between` the date and the time.
    fn written(&self, between: char) -> String {
        let micros = self.at.subsec_nanosecond() / 1000;
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        let (date, time) = (self.at.strftime("%Y-%m-%d"), self.at.strftime("%H:%M:%S"));
        let zone = self.offset.map_or_else(String::new, |seconds| {
            let sign = if seconds < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", seconds.abs() / 3600, seconds.abs() / 60 % 60)
        });
        match self.part {
            Part::Both => format!("{date}{between}{time}{fraction}{zone}"),
            Part::Date => date.to_string(),
            Part::Time => format!("{time}{fraction}"),
        }
    }

    fn zoned(&self) -> Result<Zoned, Error> {
        let zone = match self.offset {
            Some(seconds) => jiff::tz::Offset::from_seconds(seconds).map(jiff::tz::TimeZone::fixed),
            None => Ok(jiff::tz::TimeZone::system()),
        };
        zone.and_then(|zone| self.at.to_zoned(zone)).map_err(|err| refuse(err.to_string()))
    }
}

/// A moment as `strftime` writes it.
pub(crate) fn format(moment: &Zoned, pattern: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(pattern, moment)
        .map_err(|err| refuse(format!("time format `{pattern}`: {err}")))
}

/// Ansible's format when none is given.
const USUAL_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

fn to_datetime(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let pattern = args.text("format")?.unwrap_or_else(|| USUAL_FORMAT.into());
    let parsed = jiff::fmt::strtime::parse(&pattern, &text)
        .map_err(|err| args.refuse(format!("`{text}` does not fit the format `{pattern}`: {err}")))?;
    let date =
        parsed.to_date().or_else(|_| jiff::civil::Date::new(1900, 1, 1)).map_err(|err| args.refuse(err))?;
    let time = parsed.to_time().unwrap_or_else(|_| jiff::civil::Time::midnight());
    Ok(moment(DateTime::from_parts(date, time), parsed.offset().map(|offset| offset.seconds())))
}

fn strftime(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let pattern = args.operand_text()?;
    let second = args.take("second").filter(|second| !second.is_none());
    let is_utc = args.flag("utc", false);
    let at = match second {
        None => jiff::Timestamp::now(),
        Some(second) => {
            let why = || args.refuse(format!("Invalid value for epoch value ({})", python::text(&second)));
            let seconds = args.as_float("second", &second).map_err(|_| why())?;
            let nanos = (seconds * 1e9).round() as i128;
            jiff::Timestamp::from_nanosecond(nanos).map_err(|err| args.refuse(err))?
        }
    };
    let zone = if is_utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    format(&at.to_zoned(zone), &pattern).map(Value::from)
}

/// The time between two moments, Python's `timedelta`, in nanoseconds.
#[derive(Debug)]
struct Between(i128);

const DAY: i128 = 86_400_000_000_000;
const SECOND: i128 = 1_000_000_000;

impl Object for Between {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let number = match key.as_str()? {
            "days" => self.0.div_euclid(DAY),
            "seconds" => self.0.rem_euclid(DAY) / SECOND,
            "microseconds" => self.0.rem_euclid(SECOND) / 1000,
            _ => return None,
        };
        i64::try_from(number).ok().map(Value::from)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (method, args) {
            ("total_seconds", []) => Ok(Value::from(self.0 as f64 / SECOND as f64)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY) / SECOND);
        match days {
            0 => {}
            1 | -1 => write!(f, "{days} day, ")?,
            _ => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)?;
        let micros = self.0.rem_euclid(SECOND) / 1000;
        if micros != 0 { write!(f, ".{micros:06}") } else { Ok(()) }
    }
}

/// `left - right` of two moments; none if they are something else.
pub(crate) fn between(left: &Value, right: &Value) -> Option<Value> {
    let left = left.downcast_object_ref::<Moment>()?;
    let right = right.downcast_object_ref::<Moment>()?;
    let utc = |moment: &Moment| {
        let zone = jiff::tz::Offset::from_seconds(moment.offset.unwrap_or(0)).ok()?;
        Some(zone.to_timestamp(moment.at).ok()?.as_nanosecond())
    };
    Some(Value::from_object(Between(utc(left)? - utc(right)?)))
}

/// Whether a value is a date or a time span, which have no other form.
pub(crate) fn is_time(value: &Value) -> bool {
    value.downcast_object_ref::<Moment>().is_some() || value.downcast_object_ref::<Between>().is_some()
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn plain_words_are_dates_where_yaml_says_so() {
        let shown = |text: &str| timestamp(text).map(|value| value.to_string());
        assert_eq!(shown("2001-12-14").as_deref(), Some("2001-12-14"));
        assert_eq!(
            shown("2001-12-14t21:59:43.10-05:00").as_deref(),
            Some("2001-12-14 21:59:43.100000-05:00")
        );
        assert_eq!(shown("2001-12-14 21:59:43").as_deref(), Some("2001-12-14 21:59:43"));
        assert_eq!(timestamp("2001-12-14 22:00:00 +1"), timestamp("2001-12-14T21:00:00Z"));
        for text in ["2001-13-14", "2001-1-2", "1.2.3-4", "10.0.0.1", "2001-12-14x", "12-14"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
