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

pub(super) const TABLE: Table = &[];

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
