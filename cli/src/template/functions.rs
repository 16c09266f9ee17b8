//! Functions of the template language: `lookup`, `query`, `now`, `range` and the others.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, functions};

use super::args::Args;
use super::filters::time;
use super::lookups;

/// Every name that [`install`] adds.
pub(crate) const NAMES: [&str; 10] =
    ["lookup", "query", "q", "now", "undef", "range", "dict", "namespace", "cycler", "joiner"];

/// Adds the functions to an environment.
pub(crate) fn install(env: &mut Environment<'static>) {
    env.add_function("lookup", |state: &mut State, args: Rest<ValueOrKwargs>| {
        lookups::call(state, args.into_values(), false)
    });
    for name in ["query", "q"] {
        env.add_function(name, |state: &mut State, args: Rest<ValueOrKwargs>| {
            lookups::call(state, args.into_values(), true)
        });
    }
    env.add_function("now", |args: Rest<ValueOrKwargs>| now(args.into_values()));
    env.add_function("undef", |args: Rest<ValueOrKwargs>| undef(args.into_values()));
    env.add_function("range", functions::range);
    env.add_function("dict", |args: Rest<ValueOrKwargs>| dict(args.into_values()));
    env.add_function("namespace", functions::namespace);
    env.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    env.add_function("joiner", minijinja_contrib::globals::joiner);
}

fn now(values: Vec<Value>) -> Result<Value, Error> {
    let mut args = Args::new("function `now`".into(), values);
    let is_utc = args.flag("utc", false);
    let format = args.text("fmt")?;
    args.finish()?;
    let zone = if is_utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let moment = jiff::Timestamp::now().to_zoned(zone);
    match format {
        Some(format) => time::format(&moment, &format).map(Value::from),
        None => Ok(time::moment(moment.datetime(), None)),
    }
}

/// A value that must be set by someone else: using it fails with the hint.
fn undef(values: Vec<Value>) -> Result<Value, Error> {
    let mut args = Args::new("function `undef`".into(), values);
    let hint = args.text("hint")?;
    args.finish()?;
    let mut err = super::TemplateError::new(
        super::FailureKind::Undefined { name: "undef()".into() },
        hint.clone().unwrap_or_else(|| "Mandatory variable has not been overridden".into()),
    );
    err.hint = hint;
    super::trace::pend("", err);
    Ok(Value::UNDEFINED)
}

/// `dict(a=1)`, `dict({…}, a=1)` and `dict([('a', 1)])`.
fn dict(values: Vec<Value>) -> Result<Value, Error> {
    let mut args = Args::new("function `dict`".into(), values);
    let mut entries = match args.take("") {
        None => Vec::new(),
        Some(value) if value.kind() == minijinja::value::ValueKind::Map => super::value::pairs(&value),
        Some(value) => {
            let pair = |item: Value| match args.items(&item)?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(args.refuse("a list of pairs is needed")),
            };
            args.items(&value)?.into_iter().map(pair).collect::<Result<_, Error>>()?
        }
    };
    entries.extend(args.rest_named().into_iter().map(|(name, value)| (Value::from(name), value)));
    args.finish()?;
    Ok(Value::from_pairs(entries))
}
