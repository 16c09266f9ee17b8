//! The filters: Jinja's, those of Ansible, and one rule for all of them: an undefined operand or argument is passed
//! on, and `default` and `mandatory` decide what it means.

pub(crate) mod arrange;
mod collections;
pub(crate) mod encoding;
mod jinja;
pub(crate) mod math;
pub(crate) mod paths;
pub(crate) mod regex;
pub(crate) mod serial;
mod sets;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod urls;
mod yaml;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::args::Args;
use super::error::carry;
use super::partly_known::whole_or_with;
use super::value::unknown_failure;

/// A filter, test or lookup that takes its arguments one by one.
pub(crate) type Filter = fn(&mut State<'_, '_>, &mut Args) -> Result<Value, Error>;

/// Names and filters of one file.
pub(crate) type Table = &'static [(&'static str, Filter)];

const TABLES: [Table; 12] = [
    arrange::TABLE,
    collections::TABLE,
    encoding::TABLE,
    jinja::TABLE,
    math::TABLE,
    paths::TABLE,
    regex::TABLE,
    serial::TABLE,
    sets::TABLE,
    text::TABLE,
    time::TABLE,
    urls::TABLE,
];

/// Filters that decide what an undefined operand means.
pub(super) const OF_UNDEFINED: [&str; 5] = ["default", "d", "mandatory", "ternary", "type_debug"];

/// Filters that write a text in another way, in which a secret is not found any more.
const OF_SECRETS: [&str; 8] =
    ["b64decode", "b64encode", "checksum", "hash", "md5", "password_hash", "sha1", "urlencode"];

/// What is made of a secret is one too.
fn keep_secret(values: &[Value], made: &Value) {
    let operand = values.first().and_then(Value::as_str);
    let (Some(operand), Some(made), Some(scope)) = (operand, made.as_str(), super::trace::scope()) else {
        return;
    };
    if scope.secrets().are_in(operand) {
        scope.secrets().add(made);
    }
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().flatten().map(|(name, _)| *name).chain(jinja::BUILTIN_NAMES)
}

/// Adds all filters to an environment.
pub(crate) fn install(env: &mut Environment<'static>) {
    for (name, builtin) in jinja::builtins() {
        env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let values = args.into_values();
            guarded(name, &values, || builtin.call(state, &values))
        });
    }
    for (name, filter) in TABLES.into_iter().flatten() {
        env.add_filter(*name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let values = args.into_values();
            let value = guarded(name, &values.clone(), || {
                let mut args = Args::new(format!("filter `{name}`"), values.clone());
                let value = filter(state, &mut args)?;
                args.finish()?;
                Ok(value)
            })?;
            if OF_SECRETS.contains(name) {
                keep_secret(&values, &value);
            }
            Ok(value)
        });
    }
}

/// Passes undefined arguments on, and refuses to give a value that is not known.
fn guarded(
    name: &str,
    values: &[Value],
    call: impl FnOnce() -> Result<Value, Error>,
) -> Result<Value, Error> {
    if !OF_UNDEFINED.contains(&name)
        && let Some(undefined) = values.iter().find(|value| value.is_undefined())
    {
        return Ok(undefined.clone());
    }
    if !OF_UNDEFINED.contains(&name) {
        values.iter().try_for_each(|value| whole_or_with(value.clone(), None).map(drop))?;
    }
    let value = call()?;
    match unknown_failure(&value) {
        Some(failure) => Err(carry(failure)),
        None => Ok(value),
    }
}
