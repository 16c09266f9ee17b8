//! What a plain scalar means, as YAML 1.1 and PyYAML have it (<https://yaml.org/type/>, with PyYAML's
//! narrower forms): `yes` and `on` are booleans, `0644` is octal, `1_000` and `1:30` are numbers, while `y`,
//! `n`, `1e3` and `0o17` stay text. Dates stay text too: that is how they print.

use super::Kind;

/// The value of an unquoted scalar.
pub(crate) fn resolve(text: &str) -> Kind {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Kind::Null;
    }
    if let Some(value) = boolean(text) {
        return Kind::Bool(value);
    }
    if let Some(value) = int(text) {
        return Kind::Int(value);
    }
    match float(text) {
        Some(value) => Kind::Float(value),
        None => Kind::Str(text.into()),
    }
}

/// `yes`, `on`, `true` and their opposites, in the three spellings of case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number, in base 2, 8, 10, 16 or 60. Numbers past 128 bits are none.
pub(super) fn int(text: &str) -> Option<i128> {
    let (negative, digits) = split_sign(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        in_base(binary, 2)?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        in_base(hex, 16)?
    } else if digits == "0" {
        0
    } else if let Some(octal) = digits.strip_prefix('0') {
        octal_tail(octal)?
    } else if digits.contains(':') {
        sexagesimal(digits)?
    } else {
        in_base(digits, 10)?
    };
    Some(if negative { -value } else { value })
}

/// A number with a point. An exponent needs its sign: `1.5e3` is text.
pub(super) fn float(text: &str) -> Option<f64> {
    let (negative, digits) = split_sign(text);
    let signed = |value: f64| if negative { -value } else { value };
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(signed(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if digits == text => return Some(f64::NAN),
        _ => {}
    }
    let (whole, fraction) = digits.split_once('.')?;
    if let Some((first, rest)) = whole.split_once(':') {
        return sexagesimal_float(first, rest, fraction).map(signed);
    }
    let (fraction, exponent) = match fraction.find(['e', 'E']) {
        Some(at) => (&fraction[..at], Some(&fraction[at + 1..])),
        None => (fraction, None),
    };
    let whole_is_fine = is_digits(whole) || (whole.is_empty() && digits == text);
    let first_fraction_is_digit = fraction.starts_with(|first: char| first.is_ascii_digit());
    let needed_digits = !whole.is_empty() || first_fraction_is_digit;
    if !whole_is_fine || !needed_digits || !fraction.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return None;
    }
    let exponent = match exponent {
        Some(exponent) => signed_exponent(exponent)?,
        None => 0,
    };
    let plain = format!("{whole}.{fraction}0e{exponent}").replace('_', "");
    plain.parse().ok().map(signed)
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn in_base(digits: &str, base: u32) -> Option<i128> {
    let is_allowed = |c: char| c.is_digit(base) || c == '_';
    if digits.is_empty() || !digits.chars().all(is_allowed) {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), base).ok()
}

/// What follows the leading zero; `0_` is zero.
fn octal_tail(digits: &str) -> Option<i128> {
    if digits.chars().all(|c| c == '_') { Some(0) } else { in_base(digits, 8) }
}

/// `1:30` is ninety.
fn sexagesimal(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next().filter(|first| is_digits(first))?;
    let mut value = in_base(first, 10)?;
    for part in parts {
        value = value.checked_mul(60)?.checked_add(base_60_digit(part)?)?;
    }
    Some(value)
}

fn sexagesimal_float(first: &str, rest: &str, fraction: &str) -> Option<f64> {
    let whole = sexagesimal(&format!("{first}:{rest}")).or_else(|| {
        // Unlike a whole number, this form may start with a zero.
        let first = first.trim_start_matches(['0', '_']);
        sexagesimal(&format!("{}:{rest}", if first.is_empty() { "0" } else { first }))
    })?;
    if !fraction.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return None;
    }
    format!("{whole}.{}0", fraction.replace('_', "")).parse().ok()
}

fn base_60_digit(text: &str) -> Option<i128> {
    let fits = matches!(text.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    if fits { text.parse().ok() } else { None }
}

fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '_')
}

fn signed_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-'])?;
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input and what PyYAML 6.0 makes of it, written as Python would print it.
    #[test]
    fn plain_scalars_mean_what_pyyaml_says() {
        let cases = [
            ("", "None"),
            ("~", "None"),
            ("Null", "None"),
            ("nULL", "'nULL'"),
            ("yes", "True"),
            ("Off", "False"),
            ("y", "'y'"),
            ("n", "'n'"),
            ("oN", "'oN'"),
            ("0", "0"),
            ("-0", "0"),
            ("0644", "420"),
            ("-0644", "-420"),
            ("0o644", "'0o644'"),
            ("08", "'08'"),
            ("0_7", "7"),
            ("0b11", "3"),
            ("0x1F", "31"),
            ("1_000", "1000"),
            ("+7", "7"),
            ("1:30", "90"),
            ("1:60", "'1:60'"),
            ("-1:30", "-90"),
            ("12:30:45", "45045"),
            ("01:30", "'01:30'"),
            ("1:30.5", "90.5"),
            ("1.", "1.0"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("-.5", "'-.5'"),
            (".", "'.'"),
            ("1e3", "'1e3'"),
            ("1.5e3", "'1.5e3'"),
            ("1.5e+3", "1500.0"),
            ("1_0.2_5", "10.25"),
            (".inf", "inf"),
            ("-.INF", "-inf"),
            (".nan", "nan"),
            ("-.nan", "'-.nan'"),
            ("2020-01-01", "'2020-01-01'"),
            ("1.2.3", "'1.2.3'"),
            ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ];
        for (text, expected) in cases {
            assert_eq!(python(&resolve(text)), expected, "of `{text}`");
        }
    }

    fn python(kind: &Kind) -> String {
        match kind {
            Kind::Null => "None".into(),
            Kind::Bool(true) => "True".into(),
            Kind::Bool(false) => "False".into(),
            Kind::Int(value) => value.to_string(),
            Kind::Float(value) if value.is_nan() => "nan".into(),
            Kind::Float(value) => format!("{value:?}"),
            Kind::Str(text) => format!("'{text}'"),
            Kind::Seq(_) | Kind::Map(_) => unreachable!("a scalar is neither"),
        }
    }
}
