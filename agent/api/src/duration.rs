//! Durations as Pacemaker reads them: `30` and `30s` are seconds, `500ms`, `2min`, `1h`, and ISO 8601 (`PT1M30S`).

use alloc::format;
use alloc::string::String;

/// A duration in milliseconds, or nothing where `text` is not one. A bare number is seconds.
pub fn parse_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix('P') {
        Some(iso) => iso_ms(iso),
        None => unit_ms(text),
    }
}

/// The shortest way to write a duration that [`parse_ms`] reads back.
pub fn format_ms(ms: u64) -> String {
    match ms {
        ms if ms % 60_000 == 0 && ms > 0 => format!("{}min", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn unit_ms(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse::<u64>().ok()?;
    let factor = match unit.trim() {
        "" | "s" | "sec" => 1000,
        "ms" | "msec" => 1,
        "us" | "usec" => return Some(number / 1000),
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// What follows the `P`: weeks and days, then after a `T` hours, minutes and seconds. Years and months have no fixed
/// length and are not read. Hours and seconds are taken before a `T` too, as Pacemaker does; minutes are not, because an
/// `M` there is months.
fn iso_ms(text: &str) -> Option<u64> {
    let (days, time) = text.split_once('T').unwrap_or((text, ""));
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = iso_part(days, &[('W', 604_800_000), ('D', 86_400_000), ('H', 3_600_000), ('S', 1000)])?;
    days.checked_add(iso_part(time, &[('H', 3_600_000), ('M', 60_000), ('S', 1000)])?)
}

fn iso_part(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total = 0_u64;
    let mut units = units.iter();
    while !text.is_empty() {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = text[..digits].parse::<u64>().ok()?;
        let letter = text[digits..].chars().next()?;
        let (_, factor) = units.find(|(unit, _)| *unit == letter)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        text = &text[digits + letter.len_utf8()..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_pacemaker_reads_them() {
        let cases = [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("2min", 120_000),
            ("1h", 3_600_000),
            ("0", 0),
            ("PT30S", 30_000),
            ("P1DT1H", 90_000_000),
            ("P10S", 10_000),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
        }
        for text in ["", "s", "-3", "3 days", "P", "P1Y", "PT1S1M", "1.5s"] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [0, 1, 500, 1000, 30_000, 60_000, 90_000, 3_600_000] {
            assert_eq!(parse_ms(&format_ms(ms)), Some(ms));
        }
    }
}
