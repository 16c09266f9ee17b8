//! JSON and YAML, as text and back.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use super::collections::whole;
use super::yaml::{self, Layout};
use crate::error::Diagnostics;
use crate::source::SourceFile;
use crate::template::args::{Args, described};
use crate::template::python;
use crate::template::value::{from_json, json_key, pairs};
use crate::vars::Data;

pub(super) const TABLE: Table = &[
    ("from_json", parse_json),
    ("from_yaml", parse_yaml),
    ("from_yaml_all", parse_yaml_all),
    ("to_json", to_json),
    ("to_nice_json", to_nice_json),
    ("to_nice_yaml", to_nice_yaml),
    ("to_yaml", to_yaml),
];

/// How JSON is written: Python's `json.dumps` and its options.
#[derive(Debug, Clone)]
struct JsonStyle {
    indent: Option<String>,
    sort_keys: bool,
    ensure_ascii: bool,
    /// Between items and between key and value.
    separators: (String, String),
}

fn to_json(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = whole(args)?;
    // These are of use with Ansible's own types only; here there is nothing to convert.
    args.take("vault_to_text");
    args.take("preprocess_unsafe");
    dump(&value, None, false, args)
}

fn to_nice_json(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = whole(args)?;
    let indent = args.take("indent").unwrap_or_else(|| Value::from(4));
    let sort_keys = args.flag("sort_keys", true);
    args.take("vault_to_text");
    args.take("preprocess_unsafe");
    dump(&value, Some(indent), sort_keys, args)
}

fn dump(value: &Value, indent: Option<Value>, sort_keys: bool, args: &mut Args) -> Result<Value, Error> {
    let indent = match args.named("indent").or(indent) {
        None => None,
        Some(indent) if indent.is_none() => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(args.as_integer("indent", &indent)?.max(0) as usize),
        }),
    };
    let usual = if indent.is_some() { "," } else { ", " };
    let separators = match args.named("separators") {
        None => (usual.to_owned(), ": ".to_owned()),
        Some(value) if value.is_none() => (usual.to_owned(), ": ".to_owned()),
        Some(value) => match args.items(&value)?.as_slice() {
            [item, key] => (python::text(item), python::text(key)),
            _ => return Err(args.refuse("`separators` has two texts: after an item and after a key")),
        },
    };
    let style = JsonStyle {
        indent,
        sort_keys: args.named("sort_keys").map_or(sort_keys, |value| value.is_true()),
        ensure_ascii: args.named("ensure_ascii").is_none_or(|value| value.is_true()),
        separators,
    };
    let mut out = String::new();
    write_json(value, &style, 0, &mut out);
    Ok(Value::from(out))
}

fn write_json(value: &Value, style: &JsonStyle, level: usize, out: &mut String) {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&json_float(value)),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter().into_iter().flatten().collect();
            write_all(("[", "]"), items.len(), style, level, out, |index, out| {
                write_json(&items[index], style, level + 1, out);
            });
        }
        ValueKind::Map => {
            let mut entries: Vec<(String, Value)> =
                pairs(value).into_iter().map(|(key, item)| (json_key(&key), item)).collect();
            if style.sort_keys {
                entries.sort_by(|left, right| left.0.cmp(&right.0));
            }
            write_all(("{", "}"), entries.len(), style, level, out, |index, out| {
                let (key, item) = &entries[index];
                write_json_text(key, style.ensure_ascii, out);
                out.push_str(&style.separators.1);
                write_json(item, style, level + 1, out);
            });
        }
        _ => write_json_text(&python::text(value), style.ensure_ascii, out),
    }
}

fn json_float(value: &Value) -> String {
    let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    match number {
        number if number.is_nan() => "NaN".into(),
        number if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        number => python::float(number),
    }
}

fn write_all(
    brackets: (&str, &str),
    count: usize,
    style: &JsonStyle,
    level: usize,
    out: &mut String,
    write: impl Fn(usize, &mut String),
) {
    let line = |level: usize, out: &mut String| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(level));
        }
    };
    out.push_str(brackets.0);
    for index in 0..count {
        if index > 0 {
            out.push_str(&style.separators.0);
        }
        line(level + 1, out);
        write(index, out);
    }
    if count > 0 {
        line(level, out);
    }
    out.push_str(brackets.1);
}

fn write_json_text(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(char),
            other if other < ' ' || ensure_ascii => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn parse_json(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let Some(text) = value.as_str() else {
        return Err(args.refuse(format!("text is needed, not {}", described(&value))));
    };
    // These say what a value is marked with; the values are the same.
    if let Some(profile) = args.named("profile").filter(|profile| !profile.is_none())
        && !matches!(profile.as_str(), Some("legacy" | "inventory_legacy" | "tagless"))
    {
        return Err(args.refuse(format!("there is no profile {}", described(&profile))));
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Ok(from_json(&json)),
        Err(err) => Err(args.refuse(format!("not JSON: {err}"))),
    }
}

/// The documents of a YAML text, as plain values.
pub(crate) fn yaml_values(text: &str) -> Result<Vec<Value>, String> {
    let file = SourceFile::new("from_yaml", text);
    let mut warnings = Diagnostics::default();
    let nodes = crate::yaml::parse_documents(&file, &mut warnings).map_err(|mistakes| {
        let mistake = mistakes.iter().next();
        let place = mistake.and_then(|mistake| mistake.span()).map(|span| span.place());
        let title = mistake.map_or("not YAML", |mistake| mistake.title());
        match place {
            Some(place) => format!("line {}, column {}: {title}", place.line, place.column),
            None => title.to_owned(),
        }
    })?;
    nodes
        .iter()
        .map(|node| match Data::of(node) {
            Data::Plain(value) => Ok(value),
            // The text came from a value, so what looks like a template in it is none.
            _ => Ok(from_json(&node.to_json())),
        })
        .collect()
}

fn yaml_operand(args: &mut Args) -> Result<Result<Vec<Value>, Value>, Error> {
    let value = args.operand()?;
    let Some(text) = value.as_str() else { return Ok(Err(value)) };
    yaml_values(text).map(Ok).map_err(|err| args.refuse(format!("not YAML: {err}")))
}

fn parse_yaml(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let documents = match yaml_operand(args)? {
        Ok(documents) => documents,
        Err(other) => return Ok(other),
    };
    match documents.len() {
        0 => Ok(Value::from(())),
        1 => Ok(documents[0].clone()),
        more => Err(args.refuse(format!("the text has {more} documents; use `from_yaml_all`"))),
    }
}

fn parse_yaml_all(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(match yaml_operand(args)? {
        Ok(documents) => documents.into(),
        Err(nothing) if nothing.is_none() => Value::from(Vec::<Value>::new()),
        Err(other) => other,
    })
}

fn to_yaml(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = whole(args)?;
    let flow = args.take("default_flow_style").unwrap_or_else(|| Value::from(()));
    dump_yaml(&value, 2, &flow, args)
}

fn to_nice_yaml(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = whole(args)?;
    let indent = args.integer("indent")?.unwrap_or(4);
    let flow = args.named("default_flow_style").unwrap_or_else(|| Value::from(false));
    dump_yaml(&value, indent, &flow, args)
}

fn default_style(args: &mut Args) -> Result<Option<yaml::ScalarStyle>, Error> {
    let Some(style) = args.named("default_style").filter(|style| !style.is_none()) else { return Ok(None) };
    match style.as_str() {
        Some("|") => Ok(Some(yaml::ScalarStyle::Literal)),
        Some("\"") => Ok(Some(yaml::ScalarStyle::Double)),
        Some("'") => Ok(Some(yaml::ScalarStyle::Single)),
        _ => Err(args.refuse("`default_style` is `|`, `\"` or `'`")),
    }
}

fn dump_yaml(value: &Value, indent: i64, flow: &Value, args: &mut Args) -> Result<Value, Error> {
    let number = |args: &mut Args, name: &str, usual: i64| match args.named(name) {
        Some(value) if !value.is_none() => args.as_integer(name, &value),
        _ => Ok(usual),
    };
    let indent = number(args, "indent", indent)?;
    let width = number(args, "width", 80)?;
    let flag =
        |args: &mut Args, name: &str, usual: bool| args.named(name).map_or(usual, |value| value.is_true());
    let layout = Layout {
        // libyaml takes its usual indent for one that it does not support.
        indent: if (2..10).contains(&indent) { indent as usize } else { 2 },
        width: if width > indent * 2 { width as usize } else { 80 },
        flow: match flow.kind() {
            ValueKind::None => yaml::Flow::Leaves,
            _ if flow.is_true() => yaml::Flow::All,
            _ => yaml::Flow::Nothing,
        },
        sort_keys: flag(args, "sort_keys", true),
        allow_unicode: flag(args, "allow_unicode", true),
        explicit_start: flag(args, "explicit_start", false),
        explicit_end: flag(args, "explicit_end", false),
        default_style: default_style(args)?,
    };
    args.named("vault_behavior");
    if flag(args, "canonical", false) {
        return Ok(Value::from(yaml::canonical(value)));
    }
    Ok(Value::from(yaml::write(value, &layout)))
}
