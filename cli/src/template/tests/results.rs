//! Tests of a task's result: `result is failed`, `is changed` and the others.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use crate::template::args::{Args, described};
use crate::template::error::carry;
use crate::template::filters::Table;

pub(super) const TABLE: Table = &[
    ("failed", failed),
    ("failure", failed),
    ("succeeded", succeeded),
    ("success", succeeded),
    ("successful", succeeded),
    ("changed", changed),
    ("change", changed),
    ("skipped", skipped),
    ("skip", skipped),
    ("reachable", reachable),
    ("unreachable", unreachable),
    ("timedout", timed_out),
    ("started", started),
    ("finished", finished),
];

fn result(args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    match value.kind() {
        ValueKind::Map => Ok(value),
        _ => Err(args.refuse(format!("a registered result is needed, not {}", described(&value)))),
    }
}

fn flag(result: &Value, name: &str) -> Result<bool, Error> {
    Ok(known(result.get_attr(name)?)?.is_true())
}

/// The value, unless a plan does not know it.
fn known(value: Value) -> Result<Value, Error> {
    match crate::template::value::unknown_failure(&value) {
        Some(failure) => Err(carry(failure)),
        None => crate::template::value::check(value),
    }
}

fn failed(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    flag(&result(args)?, "failed").map(Value::from)
}

fn succeeded(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    flag(&result(args)?, "failed").map(|failed| Value::from(!failed))
}

/// Without `changed`, that of a loop's results counts.
fn changed(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let result = result(args)?;
    let own = known(result.get_attr("changed")?)?;
    if !own.is_undefined() {
        return Ok(Value::from(own.is_true()));
    }
    let results = result.get_attr("results")?;
    if !matches!(results.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(Value::from(false));
    }
    for item in args.items(&results)? {
        if item.kind() == ValueKind::Map && flag(&item, "changed")? {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

fn skipped(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    flag(&result(args)?, "skipped").map(Value::from)
}

fn unreachable(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    flag(&result(args)?, "unreachable").map(Value::from)
}

fn reachable(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    flag(&result(args)?, "unreachable").map(|unreachable| Value::from(!unreachable))
}

/// The period after which a task timed out, if it did.
fn timed_out(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let timed_out = known(result(args)?.get_attr("timedout")?)?;
    match timed_out.kind() {
        ValueKind::Map => flag(&timed_out, "period").map(Value::from),
        _ => Ok(Value::from(false)),
    }
}

/// A task that was not started in the background counts as started and finished.
fn started(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let started = known(result(args)?.get_attr("started")?)?;
    Ok(Value::from(started.is_undefined() || started.is_true()))
}

fn finished(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let finished = known(result(args)?.get_attr("finished")?)?;
    Ok(Value::from(finished.is_undefined() || finished.is_true()))
}
