//! Jinja's filters that put lists in order or in groups, with the arguments that Jinja takes by position too.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use super::sets::at_path;
use crate::template::args::{Args, described};
use crate::template::order;
use crate::template::python;
use crate::template::value::{check, pairs};

pub(super) const TABLE: Table =
    &[("batch", batch), ("dictsort", dict_sort), ("groupby", group_by), ("slice", slice), ("sort", sort)];

/// Texts compare without their case, unless asked.
fn folded(value: Value, case_sensitive: bool) -> Value {
    match value.as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => value,
    }
}

/// Sorts by keys that can be compared; equal ones keep their order, also in reverse.
fn sorted<T>(
    mut items: Vec<(Vec<Value>, T)>,
    is_reverse: bool,
    args: &Args,
) -> Result<Vec<(Vec<Value>, T)>, Error> {
    let mut failure = None;
    let mut compare = |left: &[Value], right: &[Value]| {
        for (left, right) in left.iter().zip(right) {
            match order::compare(left, right) {
                Ok(Ordering::Equal) => {}
                Ok(ordering) => return ordering,
                Err(err) => {
                    failure.get_or_insert(err);
                    return Ordering::Equal;
                }
            }
        }
        Ordering::Equal
    };
    items.sort_by(|(left, _), (right, _)| match is_reverse {
        true => compare(right, left),
        false => compare(left, right),
    });
    match failure {
        Some(err) => Err(args.refuse(err)),
        None => Ok(items),
    }
}

fn attribute_of(item: &Value, attribute: &str, args: &Args) -> Result<Value, Error> {
    let path = attribute.parse::<i64>().map_or_else(|_| Value::from(attribute), Value::from);
    let found = check(at_path(item, &path))?;
    if found.is_undefined() {
        return Err(args.refuse(format!("there is no `{attribute}` in {}", described(item))));
    }
    Ok(found)
}

fn sort(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let is_reverse = args.flag("reverse", false);
    let case_sensitive = args.flag("case_sensitive", false);
    let attributes = args.text("attribute")?;
    let key = |item: &Value| match &attributes {
        None => Ok(vec![folded(item.clone(), case_sensitive)]),
        Some(names) => names
            .split(',')
            .map(|name| Ok(folded(attribute_of(item, name.trim(), args)?, case_sensitive)))
            .collect::<Result<Vec<_>, Error>>(),
    };
    let keyed = items.into_iter().map(|item| Ok((key(&item)?, item))).collect::<Result<Vec<_>, Error>>()?;
    Ok(sorted(keyed, is_reverse, args)?.into_iter().map(|(_, item)| item).collect::<Vec<_>>().into())
}

fn dict_sort(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let dict = args.operand()?;
    let case_sensitive = args.flag("case_sensitive", false);
    let by = args.text("by")?.unwrap_or_else(|| "key".into());
    let is_reverse = args.flag("reverse", false);
    if dict.kind() != ValueKind::Map {
        return Err(args.refuse(format!("a dictionary is needed, not {}", described(&dict))));
    }
    let entry = |(key, value): (Value, Value)| {
        let sort_key = match by.as_str() {
            "key" => key.clone(),
            "value" => value.clone(),
            other => return Err(args.refuse(format!("`by` is key or value, not `{other}`"))),
        };
        let pair = Value::from(minijinja::value::Tuple::from(vec![key, value]));
        Ok((vec![folded(sort_key, case_sensitive)], pair))
    };
    let keyed = pairs(&dict).into_iter().map(entry).collect::<Result<Vec<_>, Error>>()?;
    Ok(sorted(keyed, is_reverse, args)?.into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().into())
}

/// Groups with the value that their items share; the first item's spelling names a group.
fn group_by(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let attribute = args.need_text("attribute")?;
    let default = args.take("default");
    let case_sensitive = args.flag("case_sensitive", false);
    let mut keyed = Vec::new();
    for item in items {
        let key = match (&default, attribute_of(&item, &attribute, args)) {
            (Some(default), Err(_)) => default.clone(),
            (_, key) => key?,
        };
        keyed.push((vec![folded(key.clone(), case_sensitive)], (key, item)));
    }
    let mut groups: Vec<(Vec<Value>, Value, Vec<Value>)> = Vec::new();
    for (sort_key, (key, item)) in sorted(keyed, false, args)? {
        match groups.last_mut() {
            Some((known, _, members)) if *known == sort_key => members.push(item),
            _ => groups.push((sort_key, key, vec![item])),
        }
    }
    Ok(groups.into_iter().map(|(_, key, members)| group(key, members)).collect::<Vec<_>>().into())
}

/// `(key, items)`, whose parts are also called `grouper` and `list`.
#[derive(Debug)]
struct Group {
    parts: [Value; 2],
}

/// Whether a value is what `groupby` gives for one group: a tuple to Python.
pub(crate) fn is_group(value: &Value) -> bool {
    value.downcast_object_ref::<Group>().is_some()
}

fn group(key: Value, members: Vec<Value>) -> Value {
    Value::from_object(Group { parts: [key, Value::from(members)] })
}

impl minijinja::value::Object for Group {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Seq
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("grouper") => Some(self.parts[0].clone()),
            Some("list") => Some(self.parts[1].clone()),
            Some(_) => None,
            None => self.parts.get(key.as_usize()?).cloned(),
        }
    }

    fn enumerate(self: &std::sync::Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(self.parts.len())
    }
}

fn batch(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let count = args.need("linecount")?;
    let count = args.as_integer("linecount", &count)?.max(1) as usize;
    let fill = args.take("fill_with").filter(|fill| !fill.is_none());
    let line = |line: &[Value]| {
        let mut line = line.to_vec();
        if let Some(fill) = &fill {
            line.resize(count, fill.clone());
        }
        Value::from(line)
    };
    Ok(items.chunks(count).map(line).collect::<Vec<_>>().into())
}

/// Columns of almost equal length, the longer ones first.
fn slice(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let count = args.need("slices")?;
    let count = args.as_integer("slices", &count)?.max(1) as usize;
    let fill = args.take("fill_with").filter(|fill| !fill.is_none());
    let (length, longer) = (items.len() / count, items.len() % count);
    let mut rest = items.as_slice();
    let mut columns = Vec::new();
    for column in 0..count {
        let (taken, left) = rest.split_at(length + usize::from(column < longer));
        rest = left;
        let filled = (longer > 0 && column >= longer).then(|| fill.clone()).flatten();
        columns.push(Value::from(taken.iter().cloned().chain(filled).collect::<Vec<_>>()));
    }
    Ok(columns.into())
}

/// `pformat`: one line if it fits, else one entry a line.
pub(super) fn pretty(value: &Value, indent: usize) -> String {
    let line = sorted_repr(value);
    if line.len() + indent <= 80 {
        return line;
    }
    let inner = " ".repeat(indent + 1);
    match value.kind() {
        ValueKind::Map => {
            let mut entries = pairs(value);
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            let entry = |(key, value): &(Value, Value)| {
                let key = python::repr(key);
                format!("{key}: {}", pretty(value, indent + key.len() + 3))
            };
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(&format!(",\n{inner}")))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().into_iter().flatten();
            let items: Vec<String> = items.map(|item| pretty(&item, indent + 1)).collect();
            format!("[{}]", items.join(&format!(",\n{inner}")))
        }
        _ => line,
    }
}

fn sorted_repr(value: &Value) -> String {
    if value.kind() != ValueKind::Map {
        return python::repr(value);
    }
    let mut entries = pairs(value);
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    let entry = |(key, value): &(Value, Value)| format!("{}: {}", python::repr(key), sorted_repr(value));
    format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
}
