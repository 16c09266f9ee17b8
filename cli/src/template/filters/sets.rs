//! Lists as sets, and the lists that can be made of them. Order is that of the first appearance.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use crate::template::args::Args;

pub(super) const TABLE: Table = &[
    ("combinations", combinations),
    ("difference", difference),
    ("intersect", intersect),
    ("permutations", permutations),
    ("product", product),
    ("symmetric_difference", symmetric_difference),
    ("union", union),
    ("unique", unique),
];

/// More rows than this are a mistake that would fill the memory.
const MOST_ROWS: usize = 1_000_000;

fn distinct(items: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        // minijinja hashes collections by their content, but not every equal pair alike (1 and 1.0).
        let is_new = match item.kind() {
            ValueKind::String => seen.insert(item.clone()),
            _ => !kept.contains(&item),
        };
        if is_new {
            kept.push(item);
        }
    }
    kept
}

fn two_lists(args: &mut Args) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let left = args.operand_items()?;
    let right = args.need("other")?;
    Ok((left, args.items(&right)?))
}

fn union(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let (left, right) = two_lists(args)?;
    Ok(distinct(left.into_iter().chain(right)).into())
}

fn intersect(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let (left, right) = two_lists(args)?;
    Ok(distinct(left.into_iter().filter(|item| right.contains(item))).into())
}

fn difference(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let (left, right) = two_lists(args)?;
    Ok(distinct(left.into_iter().filter(|item| !right.contains(item))).into())
}

fn symmetric_difference(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let (left, right) = two_lists(args)?;
    let only_left = left.iter().filter(|item| !right.contains(item));
    let only_right = right.iter().filter(|item| !left.contains(item));
    Ok(distinct(only_left.chain(only_right).cloned()).into())
}

/// Without `case_sensitive`, texts that differ only in case are the same.
fn unique(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = args.operand_items()?;
    let case_sensitive =
        args.take("case_sensitive").filter(|value| !value.is_none()).map(|value| value.is_true());
    let attribute = args.take("attribute");
    // As Jinja's: collections have neither case nor attribute to go by.
    let is_strict = case_sensitive == Some(false) || attribute.is_some();
    let case_sensitive = case_sensitive.unwrap_or(false);
    let mut keys: Vec<Value> = Vec::new();
    let mut kept = Vec::new();
    for item in items {
        let key = match &attribute {
            Some(attribute) => at_path(&item, attribute),
            None => item.clone(),
        };
        if is_strict && matches!(key.kind(), ValueKind::Map | ValueKind::Seq) {
            return Err(
                args.refuse("collections have no case, and we cannot fall back to comparing them whole: `case_sensitive` and `attribute` need texts or numbers")
            );
        }
        let key = match key.as_str() {
            Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
            _ => key,
        };
        if !keys.contains(&key) {
            keys.push(key);
            kept.push(item);
        }
    }
    Ok(kept.into())
}

/// `attribute='a.b'` or an index, as Jinja's filters take it.
pub(super) fn at_path(item: &Value, path: &Value) -> Value {
    let Some(path) = path.as_str() else { return item.get_item(path).unwrap_or_default() };
    let mut found = item.clone();
    for part in path.split('.') {
        found = match part.parse::<usize>() {
            Ok(index) => found.get_item(&Value::from(index)).unwrap_or_default(),
            Err(_) => found.get_attr(part).unwrap_or_default(),
        };
    }
    found
}

fn product(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let repeat = args.named("repeat").map_or(Ok(1), |value| args.as_integer("repeat", &value))?;
    let given = args.rest();
    let lists = given.iter().map(|list| args.items(list)).collect::<Result<Vec<_>, _>>()?;
    let mut columns = Vec::new();
    for _ in 0..repeat {
        columns.extend(lists.iter());
    }
    let rows = columns.iter().try_fold(1usize, |rows, column| rows.checked_mul(column.len()));
    check_size(rows, args)?;
    let mut made: Vec<Vec<Value>> = vec![Vec::new()];
    for column in columns {
        let longer = |row: &Vec<Value>| {
            let row = row.clone();
            column.iter().map(move |item| [row.clone(), vec![item.clone()]].concat())
        };
        made = made.iter().flat_map(longer).collect();
    }
    Ok(lists_of(made))
}

fn check_size(rows: Option<usize>, args: &Args) -> Result<(), Error> {
    match rows {
        Some(rows) if rows <= MOST_ROWS => Ok(()),
        _ => Err(args.refuse(format!("the result would have more than {MOST_ROWS} rows"))),
    }
}

fn lists_of(rows: Vec<Vec<Value>>) -> Value {
    rows.into_iter().map(Value::from).collect::<Vec<_>>().into()
}

fn characters_or_items(args: &mut Args) -> Result<Vec<Value>, Error> {
    let value = args.operand()?;
    match value.as_str() {
        Some(text) => Ok(text.chars().map(|char| Value::from(char.to_string())).collect()),
        None => args.items(&value),
    }
}

fn permutations(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = characters_or_items(args)?;
    let count = args.integer("set_size")?.map_or(items.len(), |count| count.max(0) as usize);
    let rows = (0..count).try_fold(1usize, |rows, taken| rows.checked_mul(items.len().saturating_sub(taken)));
    check_size(rows, args)?;
    let mut rows = Vec::new();
    choose(items.len(), count, &mut Vec::new(), &mut |picked| rows.push(picked.to_vec()), &|picked, next| {
        !picked.contains(&next)
    });
    Ok(lists_of(
        rows.into_iter().map(|row| row.into_iter().map(|index| items[index].clone()).collect()).collect(),
    ))
}

fn combinations(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let items = characters_or_items(args)?;
    let count = args.need("set_size")?;
    let count = args.as_integer("set_size", &count)?.max(0) as usize;
    let rows = (0..count.min(items.len())).try_fold(1usize, |rows, taken| {
        rows.checked_mul(items.len() - taken).map(|product| product / (taken + 1))
    });
    check_size(rows, args)?;
    let mut rows = Vec::new();
    choose(items.len(), count, &mut Vec::new(), &mut |picked| rows.push(picked.to_vec()), &|picked, next| {
        picked.last().is_none_or(|last| *last < next)
    });
    Ok(lists_of(
        rows.into_iter().map(|row| row.into_iter().map(|index| items[index].clone()).collect()).collect(),
    ))
}

/// All ways to pick `count` of `len` indexes where each next one is allowed after those picked before.
fn choose(
    len: usize,
    count: usize,
    picked: &mut Vec<usize>,
    found: &mut dyn FnMut(&[usize]),
    allowed: &dyn Fn(&[usize], usize) -> bool,
) {
    if picked.len() == count {
        return found(picked);
    }
    for next in 0..len {
        if allowed(picked, next) {
            picked.push(next);
            choose(len, count, picked, found, allowed);
            picked.pop();
        }
    }
}
