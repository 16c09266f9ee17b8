//! Lookups that arrange their terms: what `with_items`, `with_nested` and the others loop over.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::Table;
use crate::template::args::{Args, described};
use crate::template::python;
use crate::template::value::{items, pairs};
use crate::vars::Scope;

pub(super) const TABLE: Table = &[
    ("cartesian", nested),
    ("dict", dict),
    ("flattened", flattened),
    ("indexed_items", indexed_items),
    ("items", flat_items),
    ("list", list),
    ("nested", nested),
    ("random_choice", random_choice),
    ("subelements", subelements),
    ("together", together),
];

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// The terms with lists among them opened, one level deep.
fn opened(terms: &[Value]) -> Result<Vec<Value>, Error> {
    let mut flat = Vec::new();
    for term in terms {
        if is_list(term) {
            flat.extend(items(term)?);
        } else {
            flat.push(term.clone());
        }
    }
    Ok(flat)
}

fn flat_items(_: &Scope, terms: &[Value], _: &mut Args) -> Result<Vec<Value>, Error> {
    opened(terms)
}

fn flattened(_: &Scope, terms: &[Value], _: &mut Args) -> Result<Vec<Value>, Error> {
    let mut flat = terms.to_vec();
    while flat.iter().any(is_list) {
        flat = opened(&flat)?;
    }
    Ok(flat)
}

fn list(_: &Scope, terms: &[Value], _: &mut Args) -> Result<Vec<Value>, Error> {
    Ok(terms.to_vec())
}

fn dict(_: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for term in opened(terms)? {
        if term.kind() != ValueKind::Map {
            let given = described(&term);
            return Err(args.refuse(format!("dict lookup plugin expects a dictionary, got {given}")));
        }
        let entry = |(key, value)| Value::from_pairs([("key", key), ("value", value)]);
        found.extend(pairs(&term).into_iter().map(entry));
    }
    Ok(found)
}

fn indexed_items(_: &Scope, terms: &[Value], _: &mut Args) -> Result<Vec<Value>, Error> {
    let numbered = |(index, item)| Value::from(vec![Value::from(index), item]);
    Ok(opened(terms)?.into_iter().enumerate().map(numbered).collect())
}

/// Every combination of an item of each list; the last list changes fastest.
fn nested(_: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    if terms.is_empty() {
        return Err(args.refuse("with_nested requires at least one element in the nested list"));
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for term in terms {
        let column = opened(std::slice::from_ref(term))?;
        rows = rows
            .iter()
            .flat_map(|row| {
                column.iter().map(|item| {
                    [row.clone(), opened(std::slice::from_ref(item)).unwrap_or_default()].concat()
                })
            })
            .collect();
    }
    Ok(rows.into_iter().map(Value::from).collect())
}

/// The first items of all lists, then the second ones; short lists are filled with `None`.
fn together(_: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    if terms.is_empty() {
        return Err(args.refuse("with_together requires at least one element in each list"));
    }
    let columns = terms.iter().map(|term| opened(std::slice::from_ref(term)));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let rows = columns.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |column: &Vec<Value>, row: usize| column.get(row).cloned().unwrap_or_else(|| Value::from(()));
    Ok((0..rows)
        .map(|row| Value::from(columns.iter().map(|column| cell(column, row)).collect::<Vec<_>>()))
        .collect())
}

fn random_choice(_: &Scope, terms: &[Value], _: &mut Args) -> Result<Vec<Value>, Error> {
    let items = opened(terms)?;
    if items.is_empty() {
        return Ok(Vec::new());
    }
    if items.len() > 1 {
        crate::template::trace::draw("lookup `random_choice`")?;
    }
    let chance = crate::template::filters::math::random_below(items.len() as u64) as usize;
    Ok(vec![items[chance].clone()])
}

/// The list that a path of keys leads to; none where a key is missing that may be.
fn inner_list(element: &Value, path: &str, skips_missing: bool) -> Result<Option<Value>, String> {
    let mut inner = element.clone();
    for key in path.split('.') {
        if inner.kind() != ValueKind::Map {
            if skips_missing {
                return Ok(None);
            }
            return Err(format!(
                "the key {key} should point to a dictionary, got '{}'",
                python::text(&inner)
            ));
        }
        inner = inner.get_attr(key).unwrap_or_default();
        if inner.is_undefined() {
            return match skips_missing {
                true => Ok(None),
                false => {
                    Err(format!("could not find '{key}' key in iterated item '{}'", python::text(element)))
                }
            };
        }
    }
    match is_list(&inner) {
        true => Ok(Some(inner)),
        false => Err(format!("the key {path} should point to a list, got '{}'", python::text(&inner))),
    }
}

/// Each item of a list inside each element, with the element: terms are the elements, the key, the options.
fn subelements(_: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let (elements, key, options) = match terms {
        [elements, key] => (elements, key, None),
        [elements, key, options] => (elements, key, Some(options)),
        _ => return Err(args.refuse("subelements lookup expects a list of two or three items")),
    };
    if let Some(options) = options.filter(|options| options.kind() != ValueKind::Map) {
        let given = described(options);
        return Err(
            args.refuse(format!("the optional third item must be a dict with `skip_missing`, not {given}"))
        );
    }
    if elements.get_attr("skipped").is_ok_and(|skipped| skipped.is_true()) {
        return Ok(Vec::new());
    }
    let skips_missing =
        options.is_some_and(|options| options.get_attr("skip_missing").is_ok_and(|value| value.is_true()));
    let elements = match elements.kind() {
        ValueKind::Map => pairs(elements).into_iter().map(|(_, element)| element).collect(),
        _ if is_list(elements) => args.items(elements)?,
        _ => {
            let given = described(elements);
            return Err(
                args.refuse(format!("subelements lookup expects first a dict or a list, not {given}"))
            );
        }
    };
    let Some(key) = key.as_str() else {
        let given = described(key);
        return Err(args.refuse(format!("subelements lookup expects second a string, not {given}")));
    };
    let mut found = Vec::new();
    for element in elements {
        if element.get_attr("skipped").is_ok_and(|skipped| skipped.is_true()) {
            continue;
        }
        let Some(inner) = inner_list(&element, key, skips_missing).map_err(|why| args.refuse(why))? else {
            continue;
        };
        found.extend(items(&inner)?.into_iter().map(|item| Value::from(vec![element.clone(), item])));
    }
    Ok(found)
}
