//! The filters that [`dialect`](super::dialect) prints: access that passes undefined on, `%`, `~`, method calls.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::dialect::hooks;
use super::error::carry;
use super::partly_known::whole_or_with;
use super::value::{check, mutable, part_of_unknown, unknown_failure};
use super::{blame, order, percent, python, trace};
use crate::vars::Data;

/// Adds all hooks to an environment.
pub(crate) fn install(env: &mut Environment<'static>) {
    env.add_filter(hooks::USE, |state: &State, value: Value, name: &str, start: usize, end: usize| {
        known(found(state, value, name, None, start, end)?)
    });
    env.add_filter(hooks::PEEK, |state: &State, value: Value, name: &str, start: usize, end: usize| {
        found(state, value, name, None, start, end)
    });
    env.add_filter(hooks::GET, |state: &State, of: Value, key: Value, start: usize, end: usize| {
        known(get(state, of, key, start, end)?)
    });
    env.add_filter(hooks::GET_PEEK, get);
    env.add_filter(hooks::HAS, |value: Value, key: &str| whole_or_with(value, Some(key)));
    env.add_filter(hooks::SLICE, slice);
    env.add_filter(hooks::CALL, call);
    env.add_filter(hooks::PERCENT, |left: Value, right: Value| percent::percent(&left, &right));
    env.add_filter(hooks::MINUS, |left: Value, right: Value| percent::minus(&left, &right));
    env.add_filter(hooks::ORDER, |left: Value, right: Value, sign: &str| order::ordered(&left, &right, sign));
    env.add_filter(hooks::CONCAT, |left: Value, right: Value| {
        let left = super::value::complete(&left)?;
        let right = super::value::complete(&right)?;
        Ok::<_, Error>(Value::from(python::text(&left) + &python::text(&right)))
    });
    env.add_filter(hooks::TEMPLATE, |text: &str| match trace::scope() {
        Some(scope) => scope.render_str(text).map_err(carry),
        None => Ok(Value::from(text)),
    });
    env.add_filter(hooks::SEALED, |name: &str| {
        let scope = trace::scope();
        let found = scope.as_ref().and_then(|scope| scope.definition(name));
        found.is_some_and(|(_, var)| matches!(var.data, Data::Sealed(_)))
    });
    env.add_filter(hooks::MARK, |site: usize| match blame::visit(site) {
        Some(visit) => format!("{}{visit}{}", blame::MARK.0, blame::MARK.1),
        None => String::new(),
    });
    env.add_filter(hooks::VISIT, |site: usize| {
        blame::visit(site);
        String::new()
    });
    env.add_filter(hooks::MUTABLE, |value: Value| mutable(&value));
}

/// Refuses a value that is not known yet.
fn known(value: Value) -> Result<Value, Error> {
    match unknown_failure(&value) {
        Some(failure) => Err(carry(failure)),
        None => Ok(value),
    }
}

/// Notes an access that found nothing.
fn found(
    state: &State<'_, '_>,
    value: Value,
    key: &str,
    of: Option<(Value, Value)>,
    start: usize,
    end: usize,
) -> Result<Value, Error> {
    let value = check(value)?;
    if value.is_undefined() {
        let cause = trace::pending(key);
        trace::current(|frame| {
            frame.misses.push(trace::Miss { template: state.name().to_owned(), at: start..end, of, cause });
        });
    }
    Ok(value)
}

fn get(state: &State<'_, '_>, of: Value, key: Value, start: usize, end: usize) -> Result<Value, Error> {
    let of = check(of)?;
    if of.is_undefined() {
        return Ok(of);
    }
    if let Some(part) = part_of_unknown(&of) {
        return Ok(part);
    }
    if key.is_undefined() {
        return Ok(key);
    }
    let value = match of.kind() {
        ValueKind::String | ValueKind::Seq | ValueKind::Iterable => item(&of, &key)?,
        _ => of.get_item(&key).unwrap_or_default(),
    };
    found(state, value, &python::text(&key), Some((of, key.clone())), start, end)
}

/// An item by number, counted from the end if negative; a list has no other keys.
fn item(of: &Value, key: &Value) -> Result<Value, Error> {
    if !key.is_integer() || of.kind() != ValueKind::Iterable {
        return Ok(of.get_item(key).unwrap_or_default());
    }
    let items = super::value::items(of)?;
    let Some(index) = key.as_i64() else { return Ok(Value::UNDEFINED) };
    let index = if index < 0 { index + items.len() as i64 } else { index };
    Ok(usize::try_from(index).ok().and_then(|index| items.get(index).cloned()).unwrap_or_default())
}

fn slice(of: Value, start: Value, stop: Value, step: Value) -> Result<Value, Error> {
    if of.is_undefined() {
        return Ok(of);
    }
    python_slice(&of, &start, &stop, &step)
}

/// `of[start:stop:step]` of text, lists and tuples.
fn python_slice(of: &Value, start: &Value, stop: &Value, step: &Value) -> Result<Value, Error> {
    let bound = |value: &Value| if value.is_none() { None } else { value.as_i64() };
    let step = bound(step).unwrap_or(1);
    if step == 0 {
        return Err(super::args::refuse("the step of a slice cannot be 0"));
    }
    if let Some(text) = of.as_str() {
        let chars: Vec<char> = text.chars().collect();
        let picked = indexes(chars.len(), bound(start), bound(stop), step);
        return Ok(Value::from(picked.map(|index| chars[index]).collect::<String>()));
    }
    let items = super::value::items(of)?;
    let picked: Vec<Value> =
        indexes(items.len(), bound(start), bound(stop), step).map(|index| items[index].clone()).collect();
    Ok(if of.is_tuple() { Value::from(minijinja::value::Tuple::from(picked)) } else { Value::from(picked) })
}

/// The indexes that a Python slice takes of a sequence of `len` items.
fn indexes(len: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let len = len as i64;
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i64| (if bound < 0 { bound + len } else { bound }).clamp(low, high);
    let first = start.map_or(if step > 0 { low } else { high }, clamp);
    let last = stop.map_or(if step > 0 { high } else { low }, clamp);
    let count = if step > 0 { (last - first + step - 1) / step } else { (first - last - step - 1) / -step };
    (0..count.max(0)).filter_map(move |index| usize::try_from(first + index * step).ok())
}

fn call(
    state: &mut State<'_, '_>,
    of: Value,
    name: String,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let of = known(check(of)?)?;
    if of.is_undefined() {
        return Ok(of);
    }
    if name == "get" {
        return of.call_method(state, &name, &args.into_values());
    }
    whole_or_with(of, None)?.call_method(state, &name, &args.into_values())
}
