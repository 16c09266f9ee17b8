//! The calendar of UTC without a clock: moments in seconds since the epoch, their fields (also by ISO 8601 week), and
//! moments as they are written in ISO 8601.

use crate::rule::{CalendarField, Period};
use alloc::format;
use alloc::string::String;

const DAY_S: i64 = 86_400;

/// A date of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

impl Date {
    /// The date of a day counted from the epoch.
    pub fn of_day(days: i64) -> Self {
        // Eras of 400 years that begin on the first of March, so that the day that is not always there comes last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// The day counted from the epoch.
    pub fn day_number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (self.month + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The same day so many months later, or the last day of that month where it is shorter.
    fn plus_months(self, months: i64) -> Self {
        let count = self.year * 12 + self.month - 1 + months;
        let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_of_month(year, month)) }
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn first_day_of(year: i64) -> i64 {
    Date { year, month: 1, day: 1 }.day_number()
}

/// 1 is Monday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// The Monday of the first ISO week of a year: the week that the fourth of January is in.
fn first_monday_of(week_year: i64) -> i64 {
    let fourth = first_day_of(week_year) + 3;
    fourth - (weekday(fourth) - 1)
}

fn week_year(day: i64) -> i64 {
    // The year of the week's Thursday.
    Date::of_day(day - weekday(day) + 4).year
}

/// A field of a moment.
pub fn field(at_s: i64, field: CalendarField) -> i64 {
    let (day, second) = (at_s.div_euclid(DAY_S), at_s.rem_euclid(DAY_S));
    let date = Date::of_day(day);
    match field {
        CalendarField::Years => date.year,
        CalendarField::Months => date.month,
        CalendarField::Monthdays => date.day,
        CalendarField::Hours => second / 3600,
        CalendarField::Minutes => second / 60 % 60,
        CalendarField::Seconds => second % 60,
        CalendarField::Yeardays => day - first_day_of(date.year) + 1,
        CalendarField::Weekyears => week_year(day),
        CalendarField::Weeks => (day - first_monday_of(week_year(day))) / 7 + 1,
        CalendarField::Weekdays => weekday(day),
    }
}

/// A moment and a period later.
pub fn plus(at_s: i64, period: &Period) -> i64 {
    let (day, second) = (at_s.div_euclid(DAY_S), at_s.rem_euclid(DAY_S));
    let months = i64::from(period.years) * 12 + i64::from(period.months);
    let later = Date::of_day(day).plus_months(months).day_number() * DAY_S + second;
    later
        + (i64::from(period.weeks) * 7 + i64::from(period.days)) * DAY_S
        + i64::from(period.hours) * 3600
        + i64::from(period.minutes) * 60
        + i64::from(period.seconds)
}

/// A moment in seconds since the epoch as [`parse_moment`] reads it: `2027-03-01T08:30:00Z`.
pub fn format_moment(at_s: i64) -> String {
    let (date, second) = (Date::of_day(at_s.div_euclid(86_400)), at_s.rem_euclid(86_400));
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    let Date { year, month, day } = date;
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Reads a moment: a date (`2027-03-01`, `20270301`, by day `2027-060`, by week `2027-W09-1`), then maybe a time
/// (`T08:30:00` or after a space), then maybe a zone (`Z`, `+02:00`, `+0200`). Without a zone it is UTC.
pub fn parse_moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("epoch") {
        return Some(0);
    }
    let (date, rest) = match text.find(['T', ' ']) {
        Some(end) => (&text[..end], text[end + 1..].trim()),
        None => (text.strip_suffix('Z').unwrap_or(text), ""),
    };
    let (time, zone) = match rest.find(['Z', '+', '-']) {
        Some(start) => (rest[..start].trim(), &rest[start..]),
        None => (rest, ""),
    };
    Some(parse_day(date)? * DAY_S + parse_time(time)? - parse_zone(zone)?)
}

fn parse_day(text: &str) -> Option<i64> {
    let (year, rest) = (number(text.get(..4)?)?, text.get(4..)?);
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    if let Some(week) = rest.strip_prefix('W') {
        let (week, day) = (number(week.get(..2)?)?, week.get(2..)?);
        let day = number(day.strip_prefix('-').unwrap_or(day)).filter(|day| (1..=7).contains(day));
        return Some(first_monday_of(year) + (week - 1) * 7 + day.unwrap_or(1) - 1);
    }
    if rest.len() == 3 {
        return Some(first_day_of(year) + number(rest)? - 1);
    }
    let (month, day) = match rest.len() {
        0 => (1, 1),
        2 => (number(rest)?, 1),
        4 => (number(rest.get(..2)?)?, number(rest.get(2..)?)?),
        _ => (number(rest.get(..2)?)?, number(rest.get(2..)?.strip_prefix('-')?)?),
    };
    let is_there = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
    is_there.then(|| Date { year, month, day }.day_number())
}

fn parse_time(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let whole = text.split(['.', ',']).next()?;
    let mut parts = [0; 3];
    if whole.contains(':') {
        for (part, text) in parts.iter_mut().zip(whole.split(':')) {
            *part = number(text)?;
        }
    } else {
        for (place, part) in parts.iter_mut().enumerate() {
            *part = whole.get(place * 2..place * 2 + 2).map_or(Some(0), number)?;
        }
    }
    let [hours, minutes, seconds] = parts;
    ((0..=24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds))
        .then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Seconds east of Greenwich.
fn parse_zone(text: &str) -> Option<i64> {
    let sign = match text.chars().next() {
        None | Some('Z') => return Some(0),
        Some('-') => -1,
        Some(_) => 1,
    };
    parse_time(text.get(1..)?.trim()).map(|offset| sign * offset)
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_date_names_the_same_day() {
        let day = 1_803_859_200;
        for text in ["2027-03-01", "20270301", "2027-060", "2027060", "2027-W09-1", "2027W091", "2027-03-01Z"]
        {
            assert_eq!(parse_moment(text), Some(day), "{text}");
        }
        let moment = Some(day + 8 * 3600 + 30 * 60);
        for text in
            ["2027-03-01T08:30:00Z", "2027-03-01 08:30:00", "2027-03-01 10:30:00 +02:00", "20270301T0830"]
        {
            assert_eq!(parse_moment(text), moment, "{text}");
        }
        assert_eq!(parse_moment("2027-02-29"), None);
        assert_eq!(parse_moment("yesterday"), None);
    }

    #[test]
    fn weeks_belong_to_the_year_of_their_thursday() {
        let first = parse_moment("2027-01-01").unwrap();
        assert_eq!(field(first, CalendarField::Weekyears), 2026);
        assert_eq!(field(first, CalendarField::Weeks), 53);
        assert_eq!(field(first, CalendarField::Weekdays), 5);
        assert_eq!(field(first, CalendarField::Yeardays), 1);
    }

    #[test]
    fn a_month_after_the_last_of_january_is_the_last_of_february() {
        let month = Period { months: 1, ..Period::default() };
        let start = parse_moment("2028-01-31T12:00:00").unwrap();
        assert_eq!(plus(start, &month), parse_moment("2028-02-29T12:00:00").unwrap());
    }
}
