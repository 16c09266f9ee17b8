//! Numbers: conversions as Jinja does them, powers, chance, sizes for people.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use super::sets::at_path;
use crate::template::args::{Args, described};

mod twister;
use twister::{Chance, Twister};

pub(super) const TABLE: Table = &[
    ("bool", boolean),
    ("filesizeformat", file_size),
    ("float", float),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("int", int),
    ("log", log),
    ("max", max),
    ("min", min),
    ("pow", power),
    ("random", random),
    ("root", root),
    ("round", round),
    ("shuffle", shuffle),
];

/// Ansible's `bool`: text such as `yes` and `on`, and numbers.
fn boolean(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let holds = match value.as_str() {
        Some(text) => matches!(text.to_lowercase().as_str(), "yes" | "on" | "1" | "true"),
        None if value.kind() == ValueKind::Bool => value.is_true(),
        None => value == Value::from(1),
    };
    Ok(Value::from(holds))
}

fn int(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let default = args.take("default").unwrap_or_else(|| Value::from(0));
    let base = args.integer("base")?.unwrap_or(10);
    if value.is_integer() {
        return Ok(value);
    }
    let parsed = match value.as_str() {
        Some(text) => parse_int(text, base).or_else(|| python_float(text).and_then(truncated)),
        None if value.kind() == ValueKind::Bool => Some(Value::from(i64::from(value.is_true()))),
        None => f64::try_from(value).ok().and_then(truncated),
    };
    Ok(parsed.unwrap_or(default))
}

fn truncated(number: f64) -> Option<Value> {
    // Beyond 2^63, a float's digits are zeros in binary; i128 holds those that fit.
    number.is_finite().then(|| match number.trunc() {
        small if small.abs() < 9e18 => Value::from(small as i64),
        large => Value::from(large as i128),
    })
}

/// `int(text, base)`: blanks around, a sign, underscores between digits, a prefix that fits the base.
fn parse_int(text: &str, base: i64) -> Option<Value> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find(|(prefix, prefix_base)| lower.starts_with(prefix) && (base == *prefix_base || base == 0));
    let (digits, base) = match prefixed {
        Some((prefix, base)) => (&lower[prefix.len()..], base),
        None => (lower.as_str(), if base == 0 { 10 } else { base }),
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let number = i128::from_str_radix(&digits.replace('_', ""), base).ok()? * sign;
    Some(i64::try_from(number).map_or_else(|_| Value::from(number), Value::from))
}

fn python_float(text: &str) -> Option<f64> {
    let text = text.trim().to_lowercase();
    match text.trim_start_matches(['+', '-']) {
        "inf" | "infinity" | "nan" => None,
        _ => text.replace('_', "").parse().ok(),
    }
}

fn float(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let default = args.take("default").unwrap_or_else(|| Value::from(0.0));
    let parsed = match value.as_str() {
        Some(text) => text.trim().replace('_', "").parse().ok(),
        None if value.kind() == ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        None => f64::try_from(value).ok(),
    };
    Ok(parsed.map_or(default, Value::from))
}

fn number(value: &Value, args: &Args) -> Result<f64, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Bool => args.as_float("value", value),
        _ => Err(args.refuse(format!("it can only be used on numbers, not on {}", described(value)))),
    }
}

fn round(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let precision = args.integer("precision")?.unwrap_or(0);
    let method = args.text("method")?.unwrap_or_else(|| "common".into());
    // Python rounds whole numbers to whole numbers.
    let is_whole = value.is_integer() && method == "common";
    let value = number(&value, args)?;
    let scale = 10f64.powi(precision as i32);
    let rounded = match method.as_str() {
        "ceil" => (value * scale).ceil() / scale,
        "floor" => (value * scale).floor() / scale,
        "common" if precision >= 0 => {
            // Formatting rounds the exact binary value, half to even, as Python's `round` does.
            format!("{value:.*}", precision as usize).parse().unwrap_or(value)
        }
        "common" => (value * scale).round_ties_even() / scale,
        other => return Err(args.refuse(format!("`method` is common, ceil or floor, not `{other}`"))),
    };
    Ok(if is_whole { Value::from(rounded as i64) } else { Value::from(rounded) })
}

fn log(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let base = args.take("base");
    let value = number(&value, args)?;
    if value <= 0.0 {
        return Err(args.refuse("a number above 0 is needed"));
    }
    Ok(Value::from(match base {
        None => value.ln(),
        Some(base) => match number(&base, args)? {
            10.0 => value.log10(),
            base => value.ln() / base.ln(),
        },
    }))
}

fn power(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let exponent = args.need("exponent")?;
    Ok(Value::from(number(&value, args)?.powf(number(&exponent, args)?)))
}

fn root(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let base = args.take("base").unwrap_or_else(|| Value::from(2));
    let value = number(&value, args)?;
    let base = number(&base, args)?;
    Ok(Value::from(if base == 2.0 { value.sqrt() } else { value.powf(1.0 / base) }))
}

fn max(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    extreme(args, std::cmp::Ordering::Greater)
}

fn min(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    extreme(args, std::cmp::Ordering::Less)
}

/// The first item that is beyond all others; nothing of an empty list.
fn extreme(args: &mut Args, beyond: std::cmp::Ordering) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let case_sensitive = args.flag("case_sensitive", false);
    let attribute = args.take("attribute");
    let key = |item: &Value| {
        let key = attribute.as_ref().map_or_else(|| item.clone(), |path| at_path(item, path));
        match key.as_str() {
            Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
            _ => key,
        }
    };
    let mut best: Option<(Value, Value)> = None;
    for item in items {
        let next = key(&item);
        if best.as_ref().is_none_or(|(known, _)| next.cmp(known) == beyond) {
            best = Some((next, item));
        }
    }
    Ok(best.map(|(_, item)| item).unwrap_or_default())
}

fn random(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let end = args.operand()?;
    let start = args.integer("start")?;
    let step = args.integer("step")?;
    let mut chance = drawn(args.take("seed"), "filter `random`")?;
    if end.is_integer() {
        let end = args.as_integer("end", &end)?;
        let (start, step) = (start.unwrap_or(0), step.unwrap_or(1));
        let width = end - start;
        let count = if step > 0 { (width + step - 1) / step } else { 0 };
        if count <= 0 {
            return Err(args.refuse("there is no number between `start` and the end"));
        }
        return Ok(Value::from(start + step * chance.below(count as u64) as i64));
    }
    if start.is_some() || step.is_some() {
        return Err(args.refuse("start and step can only be used with whole numbers"));
    }
    let items = match end.as_str() {
        Some(text) => text.chars().map(|char| Value::from(char.to_string())).collect(),
        None if matches!(end.kind(), ValueKind::Seq | ValueKind::Iterable) => args.items(&end)?,
        None => {
            let what = described(&end);
            return Err(
                args.refuse(format!("random can only be used on lists and whole numbers, not on {what}"))
            );
        }
    };
    match items.len() {
        0 => Ok(Value::UNDEFINED),
        count => Ok(items[chance.below(count as u64) as usize].clone()),
    }
}

fn shuffle(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let mut chance = drawn(args.take("seed"), "filter `shuffle`")?;
    // What has no items to shuffle stays as it is, as in Ansible.
    let Ok(mut items) = args.items(&value) else { return Ok(value) };
    for index in (1..items.len()).rev() {
        items.swap(index, chance.below(index as u64 + 1) as usize);
    }
    Ok(items.into())
}

/// The same in a template, which draws no lots in a plan.
fn drawn(seed: Option<Value>, what: &str) -> Result<Box<dyn Chance>, Error> {
    if seed.as_ref().is_none_or(Value::is_none) {
        crate::template::trace::draw(what)?;
    }
    Ok(chance(seed))
}

fn chance(seed: Option<Value>) -> Box<dyn Chance> {
    match seed.filter(|seed| !seed.is_none()) {
        Some(seed) => Box::new(Twister::seeded(&seed)),
        None => Box::new(twister::System),
    }
}

/// A number of the system below `limit`, which is at least 1.
pub(crate) fn random_below(limit: u64) -> u64 {
    twister::System.below(limit)
}

/// Characters picked one by one, by the system or by a seed.
pub(crate) fn random_choices(seed: Option<&Value>, candidates: &[char], count: usize) -> Vec<char> {
    let mut chance = chance(seed.cloned());
    (0..count).map(|_| candidates[chance.below(candidates.len() as u64) as usize]).collect()
}

const UNITS: [(char, u64); 9] = [
    ('Y', 0),
    ('Z', 1 << 62),
    ('E', 1 << 60),
    ('P', 1 << 50),
    ('T', 1 << 40),
    ('G', 1 << 30),
    ('M', 1 << 20),
    ('K', 1 << 10),
    ('B', 1),
];

fn unit_size(unit: char) -> Option<f64> {
    let index = UNITS.iter().rev().position(|(known, _)| *known == unit)?;
    Some(1024f64.powi(index as i32))
}

fn human_readable(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let size = args.operand()?;
    let is_bits = args.flag("isbits", false);
    let unit = args.text("unit")?;
    let failed = || args.refuse(format!("failed on bad input: {} is no size", described(&size)));
    let size = args.as_float("size", &size).map_err(|_| failed())?;
    let base = if is_bits { "bits" } else { "Bytes" };
    let wanted = unit.and_then(|unit| unit.to_uppercase().chars().next());
    let found = UNITS
        .iter()
        .map(|(unit, _)| *unit)
        .find(|unit| wanted.map_or(unit_size(*unit).is_some_and(|at| size >= at), |wanted| wanted == *unit));
    let unit = found.unwrap_or('B');
    let suffix = match unit {
        'B' => base.to_owned(),
        other => format!("{other}{}", if is_bits { 'b' } else { 'B' }),
    };
    Ok(Value::from(format!("{:.2} {suffix}", size / unit_size(unit).unwrap_or(1.0))))
}

fn human_to_bytes(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let default_unit = args.text("default_unit")?;
    let is_bits = args.flag("isbits", false);
    let digits = text.trim_start().chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ','));
    let digits: String = digits.collect();
    let size: f64 = digits
        .replace(',', "")
        .parse()
        .map_err(|_| args.refuse(format!("`{text}` does not start with a number")))?;
    let rest = text.trim_start()[digits.len()..].trim().to_owned();
    let unit = if rest.is_empty() { default_unit.unwrap_or_default() } else { rest };
    let factor = bytes_factor(&unit, is_bits).ok_or_else(|| {
        args.refuse(format!("`{unit}` is no unit of {}", if is_bits { "bits" } else { "bytes" }))
    })?;
    Ok(Value::from((size * factor).round() as i64))
}

/// `K`, `KB`, `Kb`, `KiB`, `kilobytes` and the like. One letter is enough; a second tells bits (`b`) from bytes.
fn bytes_factor(unit: &str, is_bits: bool) -> Option<f64> {
    if unit.is_empty() {
        return Some(1.0);
    }
    let first = unit.chars().next()?.to_ascii_uppercase();
    let factor = unit_size(first)?;
    let rest = &unit[1..];
    let lower = unit.to_lowercase();
    const LONG: [&str; 8] = ["kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta"];
    let long = LONG.iter().find_map(|name| lower.strip_prefix(name));
    let kind = if is_bits { ("b", "bit") } else { ("B", "byte") };
    let fits = match long {
        Some(rest) => rest.trim_end_matches('s') == kind.1,
        None if first == 'B' => rest.is_empty() || lower.trim_end_matches('s') == kind.1,
        None => rest.is_empty() || rest == kind.0,
    };
    fits.then_some(factor)
}

/// Jinja's `filesizeformat`.
fn file_size(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let is_binary = args.flag("binary", false);
    let bytes = args.as_float("value", &value)?;
    let base: f64 = if is_binary { 1024.0 } else { 1000.0 };
    let names = if is_binary {
        ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    } else {
        ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    };
    if bytes == 1.0 {
        return Ok(Value::from("1 Byte"));
    }
    if bytes < base {
        return Ok(Value::from(format!("{} Bytes", bytes.trunc())));
    }
    let power =
        (0..names.len()).find(|power| bytes < base.powi(*power as i32 + 2)).unwrap_or(names.len() - 1);
    Ok(Value::from(format!("{:.1} {}", bytes / base.powi(power as i32 + 1), names[power])))
}
