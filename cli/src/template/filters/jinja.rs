//! Jinja's own filters: those of minijinja, and those in which it differs from Jinja.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Error, State, Value, filters};

use super::Table;
use super::sets::at_path;
use crate::template::args::Args;
use crate::template::error::{FailureKind, TemplateError, carry};
use crate::template::value::{check, unknown_failure};
use crate::template::{python, trace};

/// Filters that minijinja has as Jinja has them.
pub(super) const BUILTIN_NAMES: [&str; 22] = [
    "abs",
    "attr",
    "capitalize",
    "count",
    "e",
    "escape",
    "first",
    "format",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "reverse",
    "safe",
    "striptags",
    "sum",
    "title",
    "tojson",
    "upper",
];

pub(super) fn builtins() -> [(&'static str, Value); BUILTIN_NAMES.len()] {
    BUILTIN_NAMES.map(|name| (name, builtin(name)))
}

fn builtin(name: &str) -> Value {
    match name {
        "abs" => Value::from_function(filters::abs),
        "attr" => Value::from_function(filters::attr),
        "capitalize" => Value::from_function(filters::capitalize),
        "count" | "length" => Value::from_function(filters::length),
        "e" | "escape" => Value::from_function(filters::escape),
        "first" => Value::from_function(filters::first),
        "format" => Value::from_function(filters::format),
        "items" => Value::from_function(filters::items),
        "join" => Value::from_function(filters::join),
        "last" => Value::from_function(filters::last),
        "list" => Value::from_function(filters::list),
        "lower" => Value::from_function(filters::lower),
        "map" => Value::from_function(map),
        "reverse" => Value::from_function(filters::reverse),
        "safe" => Value::from_function(filters::safe),
        "striptags" => Value::from_function(minijinja_contrib::filters::striptags),
        "sum" => Value::from_function(filters::sum),
        "title" => Value::from_function(filters::title),
        "tojson" => Value::from_function(filters::tojson),
        "upper" => Value::from_function(filters::upper),
        other => unreachable!("`{other}` is in the list of builtins and not in this match"),
    }
}

/// minijinja's own, which remembers for the error message which item lacks the attribute: nothing fails before that
/// item is used.
fn map(state: &mut State<'_, '_>, value: Value, args: Rest<ValueOrKwargs>) -> Result<Vec<Value>, Error> {
    let option = |name: &str| {
        let options = args.last().filter(|last| last.is_kwargs())?;
        options.get_attr(name).ok().filter(|value| !value.is_undefined())
    };
    let attribute = option("attribute").filter(|_| option("default").is_none());
    let items = attribute.as_ref().and_then(|_| value.try_iter().ok()).map(Iterator::collect::<Vec<_>>);
    let mapped = filters::map(state, value, args)?;
    let lacks = |(item, found): (Value, &Value)| found.is_undefined().then_some(item);
    if let (Some(attribute), Some(items)) = (attribute, items)
        && let Some(item) = items.into_iter().zip(&mapped).find_map(lacks)
    {
        let (name, kind) = (python::text(&attribute), python::type_name(&item));
        let message = format!("object of type '{kind}' has no attribute '{name}'");
        trace::pend(&name, TemplateError::new(FailureKind::Undefined { name: name.clone() }, message));
    }
    Ok(mapped)
}

/// Filters in which minijinja differs.
pub(super) const TABLE: Table = &[
    ("d", default),
    ("default", default),
    ("ansible._protomatter.finalize", finalize),
    ("indent", indent),
    ("pprint", pretty_print),
    ("replace", replace),
    ("trim", trim),
    ("reject", reject),
    ("rejectattr", reject_attribute),
    ("select", select),
    ("selectattr", select_attribute),
    ("string", string),
];

fn string(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(python::text(&args.operand()?)))
}

fn default(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let default = args.take("default_value").unwrap_or_else(|| Value::from(""));
    let also_false = args.flag("boolean", false);
    Ok(if value.is_undefined() || (also_false && !value.is_true()) { default } else { value })
}

/// What a template leaves at its end: undefined parts are errors.
fn finalize(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    crate::template::value::complete(&args.operand()?)
}

fn indent(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let width = args.take("width").unwrap_or_else(|| Value::from(4));
    let also_first = args.flag("first", false);
    let also_blank = args.flag("blank", false);
    let indent = match width.as_str() {
        Some(indent) => indent.to_owned(),
        None => " ".repeat(args.as_integer("width", &width)?.max(0) as usize),
    };
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let is_blank = line.trim_end_matches(['\n', '\r']).is_empty();
        if (index > 0 || also_first) && (!is_blank || also_blank) {
            out.push_str(&indent);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}

fn pretty_print(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(super::arrange::pretty(&super::collections::whole(args)?, 0)))
}

fn replace(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let old = args.need_text("old")?;
    let new = args.need_text("new")?;
    let count = args.integer("count")?.unwrap_or(-1);
    let replaced = match usize::try_from(count) {
        Ok(count) => text.replacen(&old, &new, count),
        Err(_) => text.replace(&old, &new),
    };
    Ok(Value::from(replaced))
}

fn trim(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let chars = args.text("chars")?;
    Ok(Value::from(match chars {
        Some(chars) => text.trim_matches(|char| chars.contains(char)),
        None => text.trim(),
    }))
}

fn select(state: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    chosen(state, args, false, true)
}

fn reject(state: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    chosen(state, args, false, false)
}

fn select_attribute(state: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    chosen(state, args, true, true)
}

fn reject_attribute(state: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    chosen(state, args, true, false)
}

/// The items that pass a test, or whose attribute does; the truth decides where no test is named. An attribute that
/// an item lacks is undefined to the test.
fn chosen(
    state: &mut State<'_, '_>,
    args: &mut Args,
    by_attribute: bool,
    wanted: bool,
) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let attribute = if by_attribute { Some(args.need("attribute")?) } else { None };
    let test = args.take("test").map(|name| python::text(&name));
    let mut given = args.rest();
    let named = args.rest_named();
    if !named.is_empty() {
        given.push(minijinja::value::Kwargs::from_iter(named).into());
    }
    let mut kept = Vec::new();
    for item in items {
        let value = attribute.as_ref().map_or_else(|| item.clone(), |path| at_path(&item, path));
        let value = check(value)?;
        let holds = match &test {
            Some(test) if value.is_undefined() && !matches!(test.as_str(), "defined" | "undefined") => {
                return Err(lacking(attribute.as_ref(), &item));
            }
            Some(test) => {
                let test = crate::template::dialect::bare_name(test);
                state.perform_test(test, &[&[value][..], &given].concat())?
            }
            None if value.is_undefined() => return Err(lacking(attribute.as_ref(), &item)),
            None => match unknown_failure(&value) {
                Some(failure) => return Err(carry(failure)),
                None => value.is_true(),
            },
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(kept.into())
}

fn lacking(attribute: Option<&Value>, item: &Value) -> Error {
    let name = attribute.map(python::text).unwrap_or_default();
    let message = format!("there is no `{name}` in {}", crate::template::args::described(item));
    carry(TemplateError::new(FailureKind::Undefined { name }, message))
}
