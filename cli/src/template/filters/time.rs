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

pub(super) const TABLE: Table = &[("strftime", strftime), ("to_datetime", to_datetime)];

/// A date and time, Python's `datetime`.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    at: DateTime,
    /// Seconds east of UTC, if a time zone was named.
    offset: Option<i32>,
}

/// A date and time as a value.
pub(crate) fn moment(at: DateTime, offset: Option<i32>) -> Value {
    Value::from_object(Moment { at, offset })
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
        Some(self.at.cmp(&other.downcast_ref::<Self>()?.at))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.subsec_nanosecond() / 1000;
        write!(f, "{}", self.at.strftime("%Y-%m-%d %H:%M:%S"))?;
        if micros != 0 { write!(f, ".{micros:06}") } else { Ok(()) }
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
            "isoformat" => Value::from(self.at.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
            "timestamp" => Value::from(self.zoned()?.timestamp().as_second() as f64),
            "date" => Value::from(self.at.date().to_string()),
            "weekday" => Value::from(self.at.weekday().to_monday_zero_offset()),
            "isoweekday" => Value::from(self.at.weekday().to_monday_one_offset()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        args.finish()?;
        Ok(value)
    }
}

impl Moment {
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
            let seconds = args.as_float("second", &second)?;
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
