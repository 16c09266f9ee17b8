//! Jinja's own filters: those of minijinja, and those in which it differs from Jinja.

use minijinja::{Error, State, Value, filters};

use super::Table;
use crate::template::args::Args;
use crate::template::python;

/// Filters that minijinja has as Jinja has them.
pub(super) const BUILTIN_NAMES: [&str; 38] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "format",
    "groupby",
    "indent",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "upper",
    "urlencode",
];

pub(super) fn builtins() -> [(&'static str, Value); BUILTIN_NAMES.len()] {
    BUILTIN_NAMES.map(|name| (name, builtin(name)))
}

fn builtin(name: &str) -> Value {
    match name {
        "abs" => Value::from_function(filters::abs),
        "attr" => Value::from_function(filters::attr),
        "batch" => Value::from_function(filters::batch),
        "capitalize" => Value::from_function(filters::capitalize),
        "count" | "length" => Value::from_function(filters::length),
        "d" | "default" => Value::from_function(filters::default),
        "dictsort" => Value::from_function(filters::dictsort),
        "e" | "escape" => Value::from_function(filters::escape),
        "first" => Value::from_function(filters::first),
        "format" => Value::from_function(filters::format),
        "groupby" => Value::from_function(filters::groupby),
        "indent" => Value::from_function(filters::indent),
        "items" => Value::from_function(filters::items),
        "join" => Value::from_function(filters::join),
        "last" => Value::from_function(filters::last),
        "list" => Value::from_function(filters::list),
        "lower" => Value::from_function(filters::lower),
        "map" => Value::from_function(filters::map),
        "pprint" => Value::from_function(filters::pprint),
        "reject" => Value::from_function(filters::reject),
        "rejectattr" => Value::from_function(filters::rejectattr),
        "replace" => Value::from_function(filters::replace),
        "reverse" => Value::from_function(filters::reverse),
        "safe" => Value::from_function(filters::safe),
        "select" => Value::from_function(filters::select),
        "selectattr" => Value::from_function(filters::selectattr),
        "slice" => Value::from_function(filters::slice),
        "sort" => Value::from_function(filters::sort),
        "striptags" => Value::from_function(minijinja_contrib::filters::striptags),
        "sum" => Value::from_function(filters::sum),
        "title" => Value::from_function(filters::title),
        "tojson" => Value::from_function(filters::tojson),
        "trim" => Value::from_function(filters::trim),
        "upper" => Value::from_function(filters::upper),
        "urlencode" => Value::from_function(filters::urlencode),
        other => unreachable!("`{other}` is in the list of builtins and not in this match"),
    }
}

/// Filters in which minijinja differs.
pub(super) const TABLE: Table = &[("string", string)];

fn string(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(python::text(&args.operand()?)))
}
