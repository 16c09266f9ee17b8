//! Tests of values: sets, text, truth, URLs.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use crate::template::args::Args;
use crate::template::filters::urls::Url;
use crate::template::filters::{Table, regex};
use crate::template::python;
use crate::template::value::{items, pairs};

pub(super) const TABLE: Table = &[
    ("all", all),
    ("any", any),
    ("callable", callable),
    ("contains", contains),
    ("escaped", escaped),
    ("falsy", falsy),
    ("isnan", is_nan),
    ("nan", is_nan),
    ("issubset", subset),
    ("issuperset", superset),
    ("match", matches),
    ("regex", is_regex),
    ("search", search),
    ("subset", subset),
    ("superset", superset),
    ("truthy", truthy),
    ("uri", is_uri),
    ("url", is_url),
    ("urn", is_urn),
    ("vault_encrypted", vault_encrypted),
    ("vaulted_file", vaulted_file),
];

fn all(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(known_items(args)?.iter().all(Value::is_true)))
}

fn any(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(known_items(args)?.iter().any(Value::is_true)))
}

/// The items, all of which a plan must know.
fn known_items(args: &mut Args) -> Result<Vec<Value>, Error> {
    let items = args.operand_items()?;
    match items.iter().find_map(crate::template::value::unknown_failure) {
        Some(failure) => Err(crate::template::error::carry(failure)),
        None => Ok(items),
    }
}

fn callable(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(args.operand()?.kind() == ValueKind::Plain))
}

fn escaped(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(args.operand()?.is_safe()))
}

fn contains(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let all = args.operand()?;
    let wanted = args.need("item")?;
    Ok(Value::from(match (all.as_str(), all.kind()) {
        (Some(text), _) => text.contains(&python::text(&wanted)),
        (None, ValueKind::Map) => pairs(&all).iter().any(|(key, _)| *key == wanted),
        _ => args.items(&all)?.contains(&wanted),
    }))
}

fn subset(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let (left, right) = both(args)?;
    Ok(Value::from(left.iter().all(|item| right.contains(item))))
}

fn superset(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let (left, right) = both(args)?;
    Ok(Value::from(right.iter().all(|item| left.contains(item))))
}

fn both(args: &mut Args) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let left = args.operand_items()?;
    let right = args.need("other")?;
    Ok((left, args.items(&right)?))
}

/// Python's truth; with `convert_bool`, that of texts such as `no`.
fn truthy(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let convert = args.flag("convert_bool", false);
    let text = python::text(&value).to_lowercase();
    let converted = match text.as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
        _ => None,
    };
    Ok(Value::from(converted.filter(|_| convert).unwrap_or_else(|| value.is_true())))
}

fn falsy(state: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(!truthy(state, args)?.is_true()))
}

fn is_nan(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    Ok(Value::from(f64::try_from(value).is_ok_and(f64::is_nan)))
}

/// Where in the text an expression has to match.
enum Anchor {
    Start,
    Anywhere,
    Whole,
}

fn found(args: &mut Args, anchor: &Anchor, ignore_case: bool, multiline: bool) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let pattern = args.need_text("pattern")?;
    let options = regex::Options {
        ignore_case: args.flag("ignorecase", ignore_case),
        multiline: args.flag("multiline", multiline),
    };
    let pattern = match anchor {
        Anchor::Start => format!("\\A(?:{pattern})"),
        Anchor::Anywhere => pattern,
        Anchor::Whole => format!("\\A(?:{pattern})\\z"),
    };
    let regex = regex::compile(&pattern, options)?;
    regex.is_match(text.as_str()).map(Value::from).map_err(|err| args.refuse(err))
}

fn matches(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    found(args, &Anchor::Start, false, false)
}

fn search(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    found(args, &Anchor::Anywhere, false, false)
}

/// As `search`, or as `match_type` says.
fn is_regex(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let anchor = match args.named("match_type").map(|kind| python::text(&kind)).as_deref() {
        None | Some("search") => Anchor::Anywhere,
        Some("match") => Anchor::Start,
        Some("fullmatch") => Anchor::Whole,
        Some(other) => {
            return Err(args.refuse(format!("`match_type` is search, match or fullmatch, not `{other}`")));
        }
    };
    found(args, &anchor, false, false)
}

/// The parts of what is tested, where its scheme is the fixed one or one of those that are asked for. Any text is a
/// URI to Ansible: only its brackets can be wrong.
fn uri(args: &mut Args, fixed: Option<&str>) -> Result<Option<Url>, Error> {
    let operand = args.operand()?;
    let schemes: Vec<String> = match (fixed, args.take("schemes").filter(|schemes| !schemes.is_none())) {
        (Some(fixed), _) => vec![fixed.to_owned()],
        (None, Some(schemes)) => items(&schemes)?.iter().map(python::text).collect(),
        (None, None) => Vec::new(),
    };
    let Some(text) = operand.as_str() else { return Ok(None) };
    let url = Url::parse(text);
    let has_odd_brackets = url.netloc.contains('[') != url.netloc.contains(']');
    let fits = schemes.is_empty() || schemes.contains(&url.scheme);
    Ok(Some(url).filter(|_| fits && !has_odd_brackets))
}

fn is_uri(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(uri(args, None)?.is_some()))
}

fn is_url(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let url = uri(args, None)?;
    Ok(Value::from(url.is_some_and(|url| !url.netloc.is_empty() || url.scheme == "file")))
}

fn is_urn(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(uri(args, Some("urn"))?.is_some()))
}

const VAULT: &str = "$ANSIBLE_VAULT";

fn vault_encrypted(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(args.operand_text()?.starts_with(VAULT)))
}

fn vaulted_file(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let path = args.operand_text()?;
    let content = std::fs::read(&path).map_err(|err| args.refuse(format!("`{path}`: {err}")))?;
    Ok(Value::from(content.starts_with(VAULT.as_bytes())))
}
