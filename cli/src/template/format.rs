//! `str.format`: `{}`, `{0}`, `{name.key[0]!r:>10.2f}` (Python's "Format String Syntax").

use minijinja::Value;
use minijinja::value::ValueKind;

use super::args::described;
use super::percent::float_digits;
use super::python;

/// `pattern.format(*positional, **named)`.
pub(crate) fn format(
    pattern: &str,
    positional: &[Value],
    named: &[(String, Value)],
) -> Result<String, String> {
    let mut fields = Fields { positional, named, next: 0 };
    fields.fill(pattern)
}

struct Fields<'v> {
    positional: &'v [Value],
    named: &'v [(String, Value)],
    next: usize,
}

impl Fields<'_> {
    fn fill(&mut self, pattern: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some(brace) = rest.find(['{', '}']) {
            out.push_str(&rest[..brace]);
            let sign = &rest[brace..=brace];
            rest = &rest[brace + 1..];
            if let Some(after) = rest.strip_prefix(sign) {
                out.push_str(sign);
                rest = after;
            } else if sign == "{" {
                let end = closing(rest).ok_or("a `{` has no `}`; write `{{` for the sign")?;
                out.push_str(&self.field(&rest[..end])?);
                rest = &rest[end + 1..];
            } else {
                return Err("a `}` has no `{`; write `}}` for the sign".into());
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn field(&mut self, field: &str) -> Result<String, String> {
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (path, conversion) = field.split_once('!').unwrap_or((field, ""));
        let value = self.value(path)?;
        let value = match conversion {
            "" => value,
            "s" => Value::from(python::text(&value)),
            "r" | "a" => Value::from(python::repr(&value)),
            other => return Err(format!("`!{other}` is no conversion; use `!s` or `!r`")),
        };
        let spec = if spec.contains('{') { self.fill(spec)? } else { spec.to_owned() };
        Spec::parse(&spec)?.apply(&value)
    }

    fn value(&mut self, path: &str) -> Result<Value, String> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (first, mut rest) = path.split_at(end);
        let mut value = self.first(first)?;
        while !rest.is_empty() {
            let (key, after) = match rest.strip_prefix('[') {
                Some(inner) => inner.split_once(']').ok_or("a `[` has no `]`")?,
                None => {
                    let inner = &rest[1..];
                    inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
                }
            };
            let key = key.parse::<usize>().map_or_else(|_| Value::from(key), Value::from);
            let found = value.get_item(&key).unwrap_or_default();
            if found.is_undefined() {
                return Err(format!("there is no {} in {}", python::repr(&key), described(&value)));
            }
            value = found;
            rest = after;
        }
        Ok(value)
    }

    fn first(&mut self, name: &str) -> Result<Value, String> {
        let index = match name {
            "" => {
                self.next += 1;
                Some(self.next - 1)
            }
            name => name.parse().ok(),
        };
        let found = match index {
            Some(index) => self.positional.get(index),
            None => self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        };
        found.cloned().ok_or_else(|| match index {
            Some(index) => format!("there is no value {index} for the text"),
            None => format!("there is no value `{name}` for the text"),
        })
    }
}

/// The brace that ends a field, which may have fields in it.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `[[fill]align][sign][#][0][width][,][.precision][type]`
#[derive(Debug, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn parse(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        let mut chars = text.chars().peekable();
        let is_align = |char: char| "<>^=".contains(char);
        let mut ahead = text.chars();
        match (ahead.next(), ahead.next()) {
            (Some(fill), Some(align)) if is_align(align) => {
                (spec.fill, spec.align) = (Some(fill), Some(align));
                chars.nth(1);
            }
            _ => spec.align = chars.next_if(|char| is_align(*char)),
        }
        spec.sign = chars.next_if(|char| "+- ".contains(*char));
        spec.alternate = chars.next_if_eq(&'#').is_some();
        if chars.next_if_eq(&'0').is_some() {
            spec.fill = spec.fill.or(Some('0'));
            spec.align = spec.align.or(Some('='));
        }
        spec.width = digits(&mut chars).unwrap_or(0);
        spec.group = chars.next_if(|char| ",_".contains(*char));
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(digits(&mut chars).ok_or("a precision has digits after its point")?);
        }
        spec.kind = chars.next();
        match chars.next() {
            None => Ok(spec),
            Some(_) => Err(format!("`{text}` is no format")),
        }
    }

    fn apply(&self, value: &Value) -> Result<String, String> {
        let is_number = value.kind() == ValueKind::Number;
        let text = match self.kind {
            None if is_number && value.is_integer() => self.integer(value)?,
            None if is_number && self.precision.is_some() => self.float(value, 'g')?,
            None if is_number => self.signed(&python::repr(value)),
            None | Some('s') if !is_number || self.kind.is_none() => {
                let text = python::text(value);
                self.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
            }
            Some('d' | 'n' | 'x' | 'X' | 'o' | 'b' | 'c') => self.integer(value)?,
            Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) => self.float(value, kind)?,
            Some(other) => return Err(format!("`{other}` is no format for {}", described(value))),
            None => python::text(value),
        };
        Ok(self.padded(&text, is_number))
    }

    fn integer(&self, value: &Value) -> Result<String, String> {
        let number = i128::try_from(value.clone())
            .ok()
            .filter(|_| value.is_integer() || value.kind() == ValueKind::Bool)
            .ok_or_else(|| format!("a whole number is needed, not {}", described(value)))?;
        let magnitude = number.unsigned_abs();
        let prefix = |prefix: &'static str| if self.alternate { prefix } else { "" };
        let digits = match self.kind {
            Some('x') => format!("{}{magnitude:x}", prefix("0x")),
            Some('X') => format!("{}{magnitude:X}", prefix("0X")),
            Some('o') => format!("{}{magnitude:o}", prefix("0o")),
            Some('b') => format!("{}{magnitude:b}", prefix("0b")),
            Some('c') => {
                let char = u32::try_from(magnitude).ok().and_then(char::from_u32);
                return char.map(String::from).ok_or_else(|| format!("{magnitude} is no character"));
            }
            _ => self.grouped(&magnitude.to_string()),
        };
        Ok(self.signed(&format!("{}{digits}", if number < 0 { "-" } else { "" })))
    }

    fn float(&self, value: &Value, kind: char) -> Result<String, String> {
        let number = f64::try_from(value.clone())
            .ok()
            .filter(|_| matches!(value.kind(), ValueKind::Number | ValueKind::Bool))
            .ok_or_else(|| format!("a number is needed, not {}", described(value)))?;
        let precision = self.precision.unwrap_or(6);
        let digits = match kind {
            '%' => float_digits(number.abs() * 100.0, 'f', precision) + "%",
            kind => float_digits(number.abs(), kind, precision),
        };
        let (whole, rest) = digits.split_at(digits.find(['.', 'e', '%']).unwrap_or(digits.len()));
        let sign = if number.is_sign_negative() { "-" } else { "" };
        Ok(self.signed(&format!("{sign}{}{rest}", self.grouped(whole))))
    }

    fn grouped(&self, digits: &str) -> String {
        let Some(separator) = self.group else { return digits.to_owned() };
        let mut out = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                out.push(separator);
            }
            out.push(digit);
        }
        out
    }

    fn signed(&self, text: &str) -> String {
        match self.sign {
            Some(sign @ ('+' | ' ')) if !text.starts_with('-') => format!("{sign}{text}"),
            _ => text.to_owned(),
        }
    }

    fn padded(&self, text: &str, is_number: bool) -> String {
        let blanks = self.width.saturating_sub(text.chars().count());
        let fill = |count: usize| self.fill.unwrap_or(' ').to_string().repeat(count);
        match self.align.unwrap_or(if is_number { '>' } else { '<' }) {
            '<' => format!("{text}{}", fill(blanks)),
            '^' => format!("{}{text}{}", fill(blanks / 2), fill(blanks - blanks / 2)),
            '=' => {
                let signs = text.len() - text.trim_start_matches(['-', '+', ' ']).len();
                format!("{}{}{}", &text[..signs], fill(blanks), &text[signs..])
            }
            _ => format!("{}{text}", fill(blanks)),
        }
    }
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    // A width of more than 100000 is a mistake, not a wish.
    digits.parse().ok().map(|number: usize| number.min(100_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_aligned_and_rounded_as_python_does() {
        let values = [Value::from("a"), Value::from("b"), Value::from(3.149), Value::from(1_234_567)];
        let text = format("{:>5}|{1:<5}|{2:05.2f}|{3:,}|{{}}|{0!r:^7}", &values, &[]);
        assert_eq!(text.unwrap(), "    a|b    |03.15|1,234,567|{}|  'a'  ");
    }

    #[test]
    fn a_value_that_is_missing_is_named() {
        assert!(format("{name}", &[], &[]).unwrap_err().contains("`name`"));
    }
}
