//! The tests of `x is NAME`: Jinja's and Ansible's.

mod files;
mod results;
mod values;
mod version;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, tests};

use super::args::Args;
use super::error::carry;
use super::filters::{Filter, Table};
use super::value::missing_perhaps;

const TABLES: [Table; 4] = [files::TABLE, results::TABLE, values::TABLE, version::TABLE];

const BUILTIN_NAMES: [&str; 36] = [
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "upper",
];

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().flatten().map(|(name, _)| *name).chain(BUILTIN_NAMES).chain(["undefined"])
}

/// Adds all tests to an environment.
pub(crate) fn install(env: &mut Environment<'static>) {
    for name in BUILTIN_NAMES {
        let builtin = builtin(name);
        env.add_test(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let values = args.into_values();
            if name == "defined" {
                values.iter().try_for_each(known_to_be_there)?;
            }
            if name != "defined" && values.iter().any(Value::is_undefined) {
                return Err(Error::from(minijinja::ErrorKind::UndefinedError));
            }
            builtin.call(state, &values).map(|value| value.is_true())
        });
    }
    env.add_test("undefined", |value: Value| known_to_be_there(&value).map(|()| tests::is_undefined(&value)));
    for (name, test) in TABLES.into_iter().flatten() {
        env.add_test(*name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            run(state, name, *test, args.into_values())
        });
    }
}

/// In a dry run it may not be known whether there is a value.
fn known_to_be_there(value: &Value) -> Result<(), Error> {
    missing_perhaps(value).map_or(Ok(()), |failure| Err(carry(failure)))
}

/// What has a length and items, which text and dictionaries have too.
fn is_sequence(value: &Value) -> bool {
    use minijinja::value::ValueKind;
    matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Bytes)
}

fn run(state: &mut State<'_, '_>, name: &str, test: Filter, values: Vec<Value>) -> Result<bool, Error> {
    let mut args = Args::new(format!("test `{name}`"), values);
    if args.undefined().is_some() {
        return Err(Error::from(minijinja::ErrorKind::UndefinedError));
    }
    let value = test(state, &mut args)?;
    args.finish()?;
    Ok(value.is_true())
}

fn builtin(name: &str) -> Value {
    match name {
        "!=" | "ne" => Value::from_function(tests::is_ne),
        "<" | "lt" | "lessthan" => Value::from_function(tests::is_lt),
        "<=" | "le" => Value::from_function(tests::is_le),
        "==" | "eq" | "equalto" => Value::from_function(tests::is_eq),
        ">" | "gt" | "greaterthan" => Value::from_function(tests::is_gt),
        ">=" | "ge" => Value::from_function(tests::is_ge),
        "boolean" => Value::from_function(tests::is_boolean),
        "defined" => Value::from_function(tests::is_defined),
        "divisibleby" => Value::from_function(tests::is_divisibleby),
        "even" => Value::from_function(tests::is_even),
        "false" => Value::from_function(tests::is_false),
        "filter" => Value::from_function(tests::is_filter),
        "float" => Value::from_function(tests::is_float),
        "in" => Value::from_function(tests::is_in),
        "integer" => Value::from_function(tests::is_integer),
        "iterable" => Value::from_function(tests::is_iterable),
        "lower" => Value::from_function(tests::is_lower),
        "mapping" => Value::from_function(tests::is_mapping),
        "none" => Value::from_function(tests::is_none),
        "number" => Value::from_function(tests::is_number),
        "odd" => Value::from_function(tests::is_odd),
        "sameas" => Value::from_function(tests::is_sameas),
        "sequence" => Value::from_function(is_sequence),
        "string" => Value::from_function(tests::is_string),
        "test" => Value::from_function(tests::is_test),
        "true" => Value::from_function(tests::is_true),
        "upper" => Value::from_function(tests::is_upper),
        other => unreachable!("`{other}` is in the list of builtins and not in this match"),
    }
}
