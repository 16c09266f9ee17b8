//! The time on the host.

use super::facts;
use crate::worker::View;
use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

pub(super) fn date_time(_view: &View<'_>) -> Map<String, Value> {
    facts! { "date_time": told(&Zoned::now()) }
}

fn told(now: &Zoned) -> Value {
    let utc = now.with_time_zone(TimeZone::UTC);
    let text = |format: &str| now.strftime(format).to_string();
    let fraction = format!("{:06}", now.subsec_nanosecond() / 1000);
    json!({
        "year": text("%Y"),
        "month": text("%m"),
        "day": text("%d"),
        "hour": text("%H"),
        "minute": text("%M"),
        "second": text("%S"),
        "weekday": text("%A"),
        "weekday_number": text("%w"),
        "weeknumber": text("%W"),
        "date": text("%Y-%m-%d"),
        "time": text("%H:%M:%S"),
        "epoch": now.timestamp().as_second().to_string(),
        "epoch_int": now.timestamp().as_second().to_string(),
        "iso8601": utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "iso8601_micro": format!("{}.{fraction}Z", utc.strftime("%Y-%m-%dT%H:%M:%S")),
        "iso8601_basic": format!("{}{fraction}", text("%Y%m%dT%H%M%S")),
        "iso8601_basic_short": text("%Y%m%dT%H%M%S"),
        "tz": text("%Z"),
        "tz_dst": text("%Z"),
        "tz_offset": text("%z"),
    })
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn time_is_told_in_the_forms_of_ansible() {
        let time: jiff::Zoned = "2026-11-21T04:05:06.789+01:00[+01:00]".parse().expect("a time");
        let told = told(&time);
        assert_eq!(told["iso8601"], "2026-11-21T03:05:06Z");
        assert_eq!(
            (&told["weekday"], &told["weekday_number"], &told["tz_offset"]),
            (&"Saturday".into(), &"6".into(), &"+0100".into())
        );
        assert_eq!(told["iso8601_micro"], "2026-11-21T03:05:06.789000Z");
    }
}
