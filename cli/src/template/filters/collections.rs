//! Lists and dictionaries: merged, turned into each other, paired, flattened.

use indexmap::IndexMap;
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::Table;
use crate::template::args::{Args, described};
use crate::template::error::{FailureKind, TemplateError, carry};
use crate::template::python;
use crate::template::value::{complete, pairs};

pub(super) const TABLE: Table = &[
    ("combine", combine),
    ("dict2items", dict_to_items),
    ("extract", extract),
    ("flatten", flatten),
    ("items2dict", items_to_dict),
    ("mandatory", mandatory),
    ("rekey_on_member", rekey_on_member),
    ("subelements", subelements),
    ("ternary", ternary),
    ("type_debug", type_debug),
    ("zip", zip),
    ("zip_longest", zip_longest),
];

/// What `combine` makes of two lists under one key.
#[derive(Debug, Clone, Copy)]
enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendNew,
    PrependNew,
}

impl ListMerge {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "replace" => Self::Replace,
            "keep" => Self::Keep,
            "append" => Self::Append,
            "prepend" => Self::Prepend,
            "append_rp" => Self::AppendNew,
            "prepend_rp" => Self::PrependNew,
            _ => return None,
        })
    }

    fn merge(self, old: &Value, new: &Value) -> Result<Value, Error> {
        let of = |value: &Value| crate::template::value::items(value);
        let without = |left: Vec<Value>, right: &[Value]| {
            left.into_iter().filter(|item| !right.contains(item)).collect::<Vec<_>>()
        };
        let (first, second) = match self {
            Self::Replace => return Ok(new.clone()),
            Self::Keep => return Ok(old.clone()),
            Self::Append => (of(old)?, of(new)?),
            Self::Prepend => (of(new)?, of(old)?),
            Self::AppendNew => (without(of(old)?, &of(new)?), of(new)?),
            Self::PrependNew => (of(new)?, without(of(old)?, &of(new)?)),
        };
        Ok(first.into_iter().chain(second).collect::<Vec<_>>().into())
    }
}

fn combine(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let is_recursive = args.named("recursive").is_some_and(|value| value.is_true());
    let lists = match args.named("list_merge") {
        None => ListMerge::Replace,
        Some(name) => ListMerge::parse(&python::text(&name)).ok_or_else(|| {
            args.refuse(format!(
                "`list_merge` is replace, keep, append, prepend, append_rp or prepend_rp, not {}",
                described(&name)
            ))
        })?,
    };
    if let Some((name, _)) = args.rest_named().first() {
        let why = "'recursive' and 'list_merge' are the only valid keyword arguments";
        return Err(args.refuse(format!("{why}, not `{name}`")));
    }
    let mut terms = Vec::new();
    for term in args.rest() {
        dictionaries(term, &mut terms, args)?;
    }
    terms.into_iter().try_fold(Value::from_pairs::<_, Value, Value>([]), |all, next| {
        merge(&all, &next, is_recursive, lists)
    })
}

/// The dictionaries of a term, which may be a list of them; null adds nothing.
fn dictionaries(term: Value, found: &mut Vec<Value>, args: &Args) -> Result<(), Error> {
    let items = match term.kind() {
        ValueKind::Seq | ValueKind::Iterable => args.items(&term)?,
        _ => vec![term],
    };
    for item in items.into_iter().filter(|item| !item.is_none()) {
        match item.kind() {
            ValueKind::Map => found.push(item),
            ValueKind::Undefined => return Err(Error::from(minijinja::ErrorKind::UndefinedError)),
            _ => {
                let what = described(&item);
                return Err(
                    args.refuse(format!("failed to combine variables, expected dicts but got {what}"))
                );
            }
        }
    }
    Ok(())
}

fn merge(old: &Value, new: &Value, is_recursive: bool, lists: ListMerge) -> Result<Value, Error> {
    let mut merged: IndexMap<Value, Value> = pairs(old).into_iter().collect();
    for (key, value) in pairs(new) {
        let value = match merged.get(&key) {
            Some(known)
                if known.kind() == ValueKind::Map && value.kind() == ValueKind::Map && is_recursive =>
            {
                merge(known, &value, true, lists)?
            }
            Some(known) if known.kind() == ValueKind::Seq && value.kind() == ValueKind::Seq => {
                lists.merge(known, &value)?
            }
            _ => value,
        };
        merged.insert(key, value);
    }
    Ok(Value::from_pairs(merged))
}

fn dict_to_items(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let dict = args.operand()?;
    let key_name = args.text("key_name")?.unwrap_or_else(|| "key".into());
    let value_name = args.text("value_name")?.unwrap_or_else(|| "value".into());
    if dict.kind() != ValueKind::Map {
        return Err(args.refuse(format!("dict2items requires a dictionary, got {}", described(&dict))));
    }
    let item = |(key, value)| Value::from_pairs([(key_name.as_str(), key), (value_name.as_str(), value)]);
    Ok(pairs(&dict).into_iter().map(item).collect::<Vec<_>>().into())
}

fn items_to_dict(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let list = args.operand()?;
    if !matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(args.refuse(format!("items2dict requires a list, got {}", described(&list))));
    }
    let items = args.items(&list)?;
    let key_name = args.text("key_name")?.unwrap_or_else(|| "key".into());
    let value_name = args.text("value_name")?.unwrap_or_else(|| "value".into());
    if let Some(item) = items.iter().find(|item| item.kind() != ValueKind::Map) {
        return Err(
            args.refuse(format!("items2dict requires a list of dictionaries, got {}", described(item)))
        );
    }
    let mut dict = IndexMap::new();
    for item in items {
        let of = |name: &str| {
            let value = item.get_attr(name).unwrap_or_default();
            if value.is_undefined() {
                let needed = format!("the keys '{key_name}' and '{value_name}'");
                return Err(args.refuse(format!(
                    "items2dict requires each dictionary in the list to contain {needed}; {} has no `{name}`",
                    described(&item)
                )));
            }
            Ok(value)
        };
        dict.insert(of(&key_name)?, of(&value_name)?);
    }
    Ok(Value::from_pairs(dict))
}

fn extract(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let key = args.operand()?;
    let container = args.need("container")?;
    let more = match args.take("morekeys") {
        None => Vec::new(),
        Some(value) if value.is_none() => Vec::new(),
        Some(value) if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) => args.items(&value)?,
        Some(value) => vec![value],
    };
    let mut found = container;
    for key in std::iter::once(key).chain(more) {
        found = crate::template::value::check(found.get_item(&key).unwrap_or_default())?;
        if found.is_undefined() {
            break;
        }
    }
    Ok(found)
}

fn flatten(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let levels = args.integer("levels")?;
    let skip_nulls = args.flag("skip_nulls", true);
    let mut flat = Vec::new();
    flatten_into(items, levels, skip_nulls, &mut flat)?;
    Ok(flat.into())
}

fn flatten_into(
    items: Vec<Value>,
    levels: Option<i64>,
    skip_nulls: bool,
    flat: &mut Vec<Value>,
) -> Result<(), Error> {
    for item in items {
        let is_null = item.is_none() || item.as_str().is_some_and(|text| matches!(text, "None" | "null"));
        if skip_nulls && is_null {
            continue;
        }
        let is_list = matches!(item.kind(), ValueKind::Seq | ValueKind::Iterable);
        if is_list && levels.is_none_or(|levels| levels >= 1) {
            let inner = crate::template::value::items(&item)?;
            flatten_into(inner, levels.map(|levels| levels - 1), skip_nulls, flat)?;
        } else {
            flat.push(item);
        }
    }
    Ok(())
}

fn mandatory(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let message = args.text("msg")?;
    match message {
        Some(message) if value.is_undefined() => Err(args.refuse(message)),
        None if value.is_undefined() => {
            let why = "Mandatory variable not defined.";
            Err(carry(TemplateError::new(FailureKind::Mandatory, why)))
        }
        _ => Ok(value),
    }
}

fn rekey_on_member(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let data = args.operand()?;
    let member = args.need("key")?;
    let duplicates = args.text("duplicates")?.unwrap_or_else(|| "error".into());
    if !matches!(duplicates.as_str(), "error" | "overwrite") {
        let why = "duplicates parameter to rekey_on_member has unknown value";
        return Err(args.refuse(format!("{why} `{duplicates}`: it is error or overwrite")));
    }
    let items = match data.kind() {
        ValueKind::Map => pairs(&data).into_iter().map(|(_, value)| value).collect(),
        ValueKind::Seq | ValueKind::Iterable => args.items(&data)?,
        _ => {
            let what = described(&data);
            return Err(args.refuse(format!("Type is not a valid list, set, or dict: {what}")));
        }
    };
    let mut dict = IndexMap::new();
    for item in items {
        if item.kind() != ValueKind::Map {
            return Err(args.refuse(format!("List item is not a valid dict: {}", described(&item))));
        }
        let key = item.get_item(&member).unwrap_or_default();
        if key.is_undefined() {
            let what = format!("{} was not found in {}", python::repr(&member), described(&item));
            return Err(args.refuse(what));
        }
        if duplicates == "error" && dict.contains_key(&key) {
            let key = python::repr(&key);
            return Err(args.refuse(format!("the key {key} is not unique, cannot convert to dict")));
        }
        dict.insert(key, item);
    }
    Ok(Value::from_pairs(dict))
}

fn subelements(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let data = args.operand()?;
    let path = args.need("subelements")?;
    let skip_missing = args.flag("skip_missing", false);
    let elements = match data.kind() {
        ValueKind::Map => pairs(&data).into_iter().map(|(_, value)| value).collect(),
        ValueKind::Seq | ValueKind::Iterable => args.items(&data)?,
        _ => {
            let what = described(&data);
            return Err(args.refuse(format!("obj must be a list of dicts or a nested dict, not {what}")));
        }
    };
    let keys = match (path.as_str(), path.kind()) {
        (Some(path), _) => path.split('.').map(Value::from).collect(),
        (None, ValueKind::Seq | ValueKind::Iterable) => args.items(&path)?,
        _ => {
            let what = described(&path);
            return Err(args.refuse(format!("subelements must be a list or a string, not {what}")));
        }
    };
    let mut found = Vec::new();
    for element in elements {
        for item in sub_list(&element, &keys, skip_missing, args)? {
            found.push(Value::from(Tuple::from(vec![element.clone(), item])));
        }
    }
    Ok(found.into())
}

fn sub_list(element: &Value, keys: &[Value], skip_missing: bool, args: &Args) -> Result<Vec<Value>, Error> {
    let mut value = element.clone();
    for key in keys {
        if value.kind() != ValueKind::Map {
            let (key, what) = (python::repr(key), described(&value));
            return Err(args.refuse(format!("the key before {key} should point to a dictionary, got {what}")));
        }
        value = value.get_item(key).unwrap_or_default();
        if value.is_undefined() {
            if skip_missing {
                return Ok(Vec::new());
            }
            let (key, what) = (python::repr(key), described(element));
            return Err(args.refuse(format!("could not find {key} key in iterated item {what}")));
        }
    }
    if value.kind() != ValueKind::Seq {
        let key = keys.last().map(python::repr).unwrap_or_default();
        return Err(args.refuse(format!("the key {key} should point to a list, got {}", described(&value))));
    }
    args.items(&value)
}

fn ternary(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let if_true = args.need("true_val")?;
    let if_false = args.need("false_val")?;
    let if_none = args.take("none_val");
    if value.is_undefined() {
        return Ok(value);
    }
    // What is not chosen may be undefined.
    Ok(match if_none {
        Some(if_none) if value.is_none() && !if_none.is_none() => if_none,
        _ if value.is_true() => if_true,
        _ => if_false,
    })
}

fn type_debug(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(python::type_name(&args.operand()?)))
}

fn zip(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let strict = args.named("strict").is_some_and(|value| value.is_true());
    let lists = columns(args)?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or_default();
    if strict && lists.iter().any(|list| list.len() != shortest) {
        return Err(args.refuse("the lists have different lengths"));
    }
    Ok(rows(&lists, shortest, &Value::UNDEFINED))
}

fn zip_longest(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let fill = args.named("fillvalue").unwrap_or_else(|| Value::from(()));
    let lists = columns(args)?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    Ok(rows(&lists, longest, &fill))
}

fn columns(args: &mut Args) -> Result<Vec<Vec<Value>>, Error> {
    let lists = args.rest();
    lists.iter().map(|list| args.items(list)).collect()
}

fn rows(lists: &[Vec<Value>], count: usize, fill: &Value) -> Value {
    let row = |index: usize| {
        let cells = lists.iter().map(|list| list.get(index).unwrap_or(fill).clone());
        Value::from(cells.collect::<Vec<_>>())
    };
    (0..count).map(row).collect::<Vec<_>>().into()
}

/// A value with nothing lazy in it, for filters that look at everything.
pub(super) fn whole(args: &mut Args) -> Result<Value, Error> {
    complete(&args.operand()?)
}
