//! Python's `%` and `-`, and its way to fill text in: `'%s-%03d' % (a, b)` and `'%(name)s' % dictionary`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::args::{described, refuse};
use super::filters::time;
use super::python;
use super::value::{complete, items};

/// `left % right`.
pub(crate) fn percent(left: &Value, right: &Value) -> Result<Value, Error> {
    match left.as_str() {
        Some(pattern) => fill(pattern, right).map(Value::from),
        None => arithmetic('%', left, right),
    }
}

/// `left - right`, also of two moments.
pub(crate) fn minus(left: &Value, right: &Value) -> Result<Value, Error> {
    match time::between(left, right) {
        Some(between) => Ok(between),
        None => arithmetic('-', left, right),
    }
}

fn arithmetic(sign: char, left: &Value, right: &Value) -> Result<Value, Error> {
    if left.is_undefined() || right.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let is_number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if !is_number(left) || !is_number(right) {
        let (left, right) = (described(left), described(right));
        return Err(refuse(format!("`{sign}` cannot be used with {left} and {right}")));
    }
    let is_whole = |value: &Value| value.is_integer() || value.kind() == ValueKind::Bool;
    if is_whole(left)
        && is_whole(right)
        && let (Ok(left), Ok(right)) = (i128::try_from(left.clone()), i128::try_from(right.clone()))
    {
        return whole(sign, left, right);
    }
    match (f64::try_from(left.clone()), f64::try_from(right.clone()), sign) {
        (Ok(left), Ok(right), '-') => Ok(Value::from(left - right)),
        (Ok(_), Ok(0.0), _) => Err(refuse("division by zero")),
        // The remainder has the sign of the divisor.
        (Ok(left), Ok(right), _) => Ok(Value::from(left - right * (left / right).floor())),
        _ => Err(refuse(format!("`{sign}` of numbers that are too large"))),
    }
}

fn whole(sign: char, left: i128, right: i128) -> Result<Value, Error> {
    let result = match (sign, right) {
        ('-', _) => left.checked_sub(right),
        (_, 0) => return Err(refuse("division by zero")),
        _ => left
            .checked_rem(right)
            .map(|rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }),
    };
    let result = result.ok_or_else(|| refuse(format!("the result of `{sign}` is too large")))?;
    Ok(i64::try_from(result).map_or_else(|_| Value::from(result), Value::from))
}

/// One `%…` of a pattern.
#[derive(Debug, Default)]
struct Spec {
    key: Option<String>,
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
    kind: char,
}

/// The values for a pattern: a tuple's in order, a dictionary's by name, anything else as the only one.
fn fill(pattern: &str, values: &Value) -> Result<String, Error> {
    if values.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let mut queue = if values.is_tuple() { items(values)? } else { vec![values.clone()] }.into_iter();
    let mut used = 0;
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let mut next = || {
            used += 1;
            queue.next().ok_or_else(|| refuse("`%`: not enough values for the text"))
        };
        let spec = parse(&mut chars, &mut next)?;
        if spec.kind == '%' {
            out.push('%');
            continue;
        }
        let value = match &spec.key {
            Some(key) => by_key(values, key)?,
            None => next()?,
        };
        out.push_str(&formatted(&spec, &complete(&value)?)?);
    }
    let all_used = used > 0 || values.kind() == ValueKind::Map;
    if queue.next().is_some() && (values.is_tuple() || !all_used) {
        return Err(refuse("`%`: more values than the text has places for"));
    }
    Ok(out)
}

fn by_key(values: &Value, key: &str) -> Result<Value, Error> {
    let value = values.get_attr(key).unwrap_or_default();
    if value.is_undefined() {
        return Err(refuse(format!("`%`: there is no `{key}` in {}", described(values))));
    }
    Ok(value)
}

fn parse(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    next: &mut dyn FnMut() -> Result<Value, Error>,
) -> Result<Spec, Error> {
    let mut spec = Spec::default();
    if chars.next_if_eq(&'(').is_some() {
        spec.key = Some(chars.by_ref().take_while(|char| *char != ')').collect());
    }
    while let Some(flag) = chars.next_if(|char| "#0- +".contains(*char)) {
        spec.flags.push(flag);
    }
    spec.width = number(chars, next)?;
    if chars.next_if_eq(&'.').is_some() {
        spec.precision = Some(number(chars, next)?.unwrap_or(0));
    }
    while chars.next_if(|char| "hlL".contains(*char)).is_some() {}
    spec.kind =
        chars.next().ok_or_else(|| refuse("`%`: the text ends within a `%`; write `%%` for the sign"))?;
    Ok(spec)
}

fn number(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    next: &mut dyn FnMut() -> Result<Value, Error>,
) -> Result<Option<usize>, Error> {
    if chars.next_if_eq(&'*').is_some() {
        return Ok(next()?.as_usize());
    }
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    // A width of more than 100000 is a mistake, not a wish.
    Ok(digits.parse().ok().map(|number: usize| number.min(100_000)))
}

fn formatted(spec: &Spec, value: &Value) -> Result<String, Error> {
    let text = match spec.kind {
        's' => cut(python::text(value), spec.precision),
        'r' | 'a' => cut(python::repr(value), spec.precision),
        'c' => character(value)?,
        'd' | 'i' | 'u' => signed(spec, whole_number(spec, value)?, |number| number.to_string()),
        'x' => {
            signed(spec, whole_number(spec, value)?, |number| format!("{}{number:x}", alternate(spec, "0x")))
        }
        'X' => {
            signed(spec, whole_number(spec, value)?, |number| format!("{}{number:X}", alternate(spec, "0X")))
        }
        'o' => {
            signed(spec, whole_number(spec, value)?, |number| format!("{}{number:o}", alternate(spec, "0o")))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => float(spec, value)?,
        other => return Err(refuse(format!("`%{other}` is no format; use `%s`, `%d` or `%f`"))),
    };
    Ok(padded(spec, text))
}

fn cut(text: String, precision: Option<usize>) -> String {
    precision.map_or(text.clone(), |most| text.chars().take(most).collect())
}

fn character(value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) if text.chars().count() == 1 => Ok(text.to_owned()),
        _ => value
            .as_i64()
            .and_then(|code| char::from_u32(u32::try_from(code).ok()?))
            .map(String::from)
            .ok_or_else(|| refuse(format!("`%c` needs one character, not {}", described(value)))),
    }
}

fn whole_number(spec: &Spec, value: &Value) -> Result<i128, Error> {
    let number = match value.kind() {
        ValueKind::Number if !value.is_integer() => {
            f64::try_from(value.clone()).ok().map(|float| float as i128)
        }
        ValueKind::Number | ValueKind::Bool => i128::try_from(value.clone()).ok(),
        _ => None,
    };
    number.ok_or_else(|| refuse(format!("`%{}` needs a number, not {}", spec.kind, described(value))))
}

fn alternate(spec: &Spec, prefix: &'static str) -> &'static str {
    if spec.flags.contains('#') { prefix } else { "" }
}

fn signed(spec: &Spec, number: i128, digits: impl Fn(u128) -> String) -> String {
    let digits = digits(number.unsigned_abs());
    let zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    format!("{}{}{digits}", sign(spec, number < 0), "0".repeat(zeros))
}

fn sign(spec: &Spec, is_negative: bool) -> &'static str {
    match is_negative {
        true => "-",
        false if spec.flags.contains('+') => "+",
        false if spec.flags.contains(' ') => " ",
        false => "",
    }
}

fn float(spec: &Spec, value: &Value) -> Result<String, Error> {
    let number = match value.kind() {
        ValueKind::Number | ValueKind::Bool => f64::try_from(value.clone()).ok(),
        _ => None,
    };
    let number =
        number.ok_or_else(|| refuse(format!("`%{}` needs a number, not {}", spec.kind, described(value))))?;
    let magnitude = float_digits(number.abs(), spec.kind, spec.precision.unwrap_or(6));
    Ok(format!("{}{magnitude}", sign(spec, number.is_sign_negative())))
}

/// A number as `e`, `f` or `g` of C write it; capital letters give capitals.
pub(crate) fn float_digits(number: f64, kind: char, precision: usize) -> String {
    let text = match kind.to_ascii_lowercase() {
        'f' => format!("{number:.precision$}"),
        'e' => exponent(number, precision),
        _ => general(number, precision.max(1)),
    };
    if kind.is_ascii_uppercase() { text.to_uppercase() } else { text.replace("NaN", "nan") }
}

fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

fn general(number: f64, precision: usize) -> String {
    let text = exponent(number, precision - 1);
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if power < -4 || power >= precision as i32 {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(digits), power.abs());
    }
    let places = (precision as i32 - 1 - power).max(0) as usize;
    trim(&format!("{number:.places$}"))
}

fn padded(spec: &Spec, text: String) -> String {
    let blanks = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.flags.contains('-') {
        return text + &" ".repeat(blanks);
    }
    if spec.flags.contains('0') && !matches!(spec.kind, 's' | 'r' | 'a' | 'c') {
        let signs = text.len() - text.trim_start_matches(['-', '+', ' ']).len();
        let (sign, digits) = text.split_at(signs);
        return format!("{sign}{}{digits}", "0".repeat(blanks));
    }
    " ".repeat(blanks) + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pattern: &str, value: impl Into<Value>) -> String {
        fill(pattern, &value.into()).unwrap_or_else(|err| err.to_string())
    }

    #[test]
    fn numbers_are_padded_signed_and_rounded_as_c_does() {
        assert_eq!(filled("%05d|%-5s|%+d", tuple([42.into(), "a".into(), 1.into()])), "00042|a    |+1");
        assert_eq!(
            filled("%.2f %e %g", tuple([2.5.into(), 12345.678.into(), 1e10.into()])),
            "2.50 1.234568e+04 1e+10"
        );
        assert_eq!(filled("%x %#o %c", tuple([255.into(), 8.into(), 65.into()])), "ff 0o10 A");
    }

    fn tuple(values: [Value; 3]) -> Value {
        Value::from(minijinja::value::Tuple::from(values.to_vec()))
    }

    #[test]
    fn a_list_is_one_value_and_a_tuple_is_many() {
        assert_eq!(filled("%s", vec![1, 2]), "[1, 2]");
        assert!(filled("%s", tuple([1.into(), 2.into(), 3.into()])).contains("more values"));
    }

    #[test]
    fn the_remainder_has_the_sign_of_the_divisor() {
        assert_eq!(percent(&Value::from(-7), &Value::from(3)).unwrap(), Value::from(2));
        assert_eq!(percent(&Value::from(7), &Value::from(-3)).unwrap(), Value::from(-2));
        assert!(percent(&Value::from(1), &Value::from(0)).is_err());
    }
}
