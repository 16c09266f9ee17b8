//! Methods of Python's types that templates call: those of minijinja's own list, and the rest here.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::args::Args;
use super::filters::text::{centered, split_text};
use super::python;
use super::value::{MutableList, MutableMap, items, pairs};
use crate::suggest::did_you_mean;

/// Calls a method that the value itself does not have.
pub(crate) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let mut taken = Args::new(format!("method `{method}`"), args.to_vec());
    let found = match value.kind() {
        ValueKind::String => of_text(value.as_str().unwrap_or_default(), method, &mut taken),
        ValueKind::Map => of_dict(value, method, &mut taken),
        ValueKind::Seq | ValueKind::Iterable => of_list(value, method, &mut taken),
        ValueKind::Number | ValueKind::Bool => of_number(value, method),
        ValueKind::Bytes => of_bytes(value, method, &mut taken),
        _ => None,
    };
    match found {
        Some(result) => {
            let result = result?;
            taken.finish()?;
            Ok(result)
        }
        None => {
            unknown_method_callback(state, value, method, args).map_err(|err| explained(err, value, method))
        }
    }
}

fn explained(err: Error, value: &Value, method: &str) -> Error {
    if err.kind() != ErrorKind::UnknownMethod {
        return err;
    }
    let known: &[&str] = match value.kind() {
        ValueKind::String => &TEXT_METHODS,
        ValueKind::Map => &["get", "items", "keys", "values", "update", "pop", "setdefault", "copy"],
        ValueKind::Seq => &["append", "extend", "insert", "pop", "remove", "index", "count", "copy", "sort"],
        _ => &[],
    };
    let hint =
        did_you_mean(method, known.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
    let message = format!("a {} has no method `{method}`{hint}", python::type_name(value));
    Error::new(ErrorKind::UnknownMethod, message)
}

const TEXT_METHODS: [&str; 44] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
    "isidentifier",
];

fn of_text(text: &str, method: &str, args: &mut Args) -> Option<Result<Value, Error>> {
    Some(match method {
        "zfill" => width(args).map(|width| zero_filled(text, width).into()),
        "ljust" => justified(args, |blanks| format!("{text}{blanks}"), text),
        "rjust" => justified(args, |blanks| format!("{blanks}{text}"), text),
        "center" => {
            let padded = width(args).and_then(|width| Ok(centered(text, width, fill_char(args)?)));
            padded.map(Value::from)
        }
        "casefold" => Ok(text.to_lowercase().into()),
        "swapcase" => Ok(text.chars().flat_map(swapped).collect::<String>().into()),
        "expandtabs" => Ok(text.replace('\t', "        ").into()),
        "partition" => args.need_text("sep").map(|sep| match text.split_once(&sep) {
            Some((before, after)) => triple(before, &sep, after),
            None => triple(text, "", ""),
        }),
        "rpartition" => args.need_text("sep").map(|sep| match text.rsplit_once(&sep) {
            Some((before, after)) => triple(before, &sep, after),
            None => triple("", "", text),
        }),
        "removeprefix" => {
            args.need_text("prefix").map(|prefix| text.strip_prefix(&prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            args.need_text("suffix").map(|suffix| text.strip_suffix(&suffix).unwrap_or(text).into())
        }
        "index" => args.need_text("sub").and_then(|sub| position(text, text.find(&sub), &sub, args)),
        "rindex" => args.need_text("sub").and_then(|sub| position(text, text.rfind(&sub), &sub, args)),
        "split" => split(text, args),
        "rsplit" => split_from_right(text, args),
        "format" => format_text(text, args),
        "encode" => args.text("encoding").and_then(|name| match name.as_deref() {
            None | Some("utf-8" | "utf8" | "ascii") => Ok(Value::from_bytes(text.as_bytes().to_vec())),
            Some(other) => Err(args.refuse(format!("the encoding `{other}` is not supported; use utf-8"))),
        }),
        "isidentifier" => {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let starts = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            Ok(Value::from(starts && text.chars().all(is_part)))
        }
        "isdecimal" => Ok(Value::from(!text.is_empty() && text.chars().all(char::is_numeric))),
        _ => return None,
    })
}

fn width(args: &mut Args) -> Result<usize, Error> {
    let width = args.need("width")?;
    Ok(args.as_integer("width", &width)?.max(0) as usize)
}

fn fill_char(args: &mut Args) -> Result<char, Error> {
    let fill = args.text("fillchar")?.unwrap_or_else(|| " ".into());
    let mut chars = fill.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => Ok(char),
        _ => Err(args.refuse("`fillchar` is one character")),
    }
}

fn justified(args: &mut Args, join: impl Fn(String) -> String, text: &str) -> Result<Value, Error> {
    let width = width(args)?;
    let fill = fill_char(args)?;
    Ok(join(fill.to_string().repeat(width.saturating_sub(text.chars().count()))).into())
}

fn zero_filled(text: &str, width: usize) -> String {
    let (sign, digits) = text
        .split_at(text.len() - text.trim_start_matches(['+', '-']).len().max(text.len().saturating_sub(1)));
    format!("{sign}{}{digits}", "0".repeat(width.saturating_sub(text.chars().count())))
}

fn swapped(char: char) -> Vec<char> {
    if char.is_uppercase() { char.to_lowercase().collect() } else { char.to_uppercase().collect() }
}

fn triple(before: &str, separator: &str, after: &str) -> Value {
    let parts = [before, separator, after].map(Value::from);
    Value::from(minijinja::value::Tuple::from(parts.to_vec()))
}

fn position(text: &str, found: Option<usize>, wanted: &str, args: &Args) -> Result<Value, Error> {
    match found {
        Some(byte) => Ok(Value::from(text[..byte].chars().count())),
        None => Err(args.refuse(format!("`{wanted}` is not in the text"))),
    }
}

fn split_arguments(args: &mut Args) -> Result<(Option<String>, i64), Error> {
    Ok((args.text("sep")?, args.integer("maxsplit")?.unwrap_or(-1)))
}

fn texts(parts: impl IntoIterator<Item = String>) -> Value {
    parts.into_iter().map(Value::from).collect::<Vec<_>>().into()
}

fn split(text: &str, args: &mut Args) -> Result<Value, Error> {
    let (separator, most) = split_arguments(args)?;
    let parts = split_text(text, separator.as_deref(), most);
    parts.map(texts).ok_or_else(|| args.refuse("an empty separator"))
}

fn split_from_right(text: &str, args: &mut Args) -> Result<Value, Error> {
    let (separator, most) = split_arguments(args)?;
    let limit = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
    let mut parts: Vec<String> = match separator.as_deref() {
        Some("") => return Err(args.refuse("an empty separator")),
        Some(separator) => text.rsplitn(limit, separator).map(str::to_owned).collect(),
        None => {
            let reversed: String = text.chars().rev().collect();
            let parts = split_text(&reversed, None, most).unwrap_or_default();
            parts.into_iter().map(|part| part.chars().rev().collect()).collect()
        }
    };
    parts.reverse();
    Ok(texts(parts))
}

/// `'{} {name} {0:>5}'.format(…)`.
fn format_text(pattern: &str, args: &mut Args) -> Result<Value, Error> {
    let positional = args.rest();
    let named = args.rest_named();
    super::format::format(pattern, &positional, &named).map(Value::from).map_err(|why| args.refuse(why))
}

fn of_dict(value: &Value, method: &str, args: &mut Args) -> Option<Result<Value, Error>> {
    if method == "copy" {
        return Some(super::value::mutable(value));
    }
    if method == "items" {
        let pair =
            |(key, value): (Value, Value)| Value::from(minijinja::value::Tuple::from(vec![key, value]));
        return Some(Ok(pairs(value).into_iter().map(pair).collect::<Vec<_>>().into()));
    }
    let Some(map) = value.downcast_object_ref::<MutableMap>() else {
        let changes = matches!(method, "update" | "pop" | "setdefault" | "clear" | "popitem");
        return changes.then(|| Err(unchangeable(method, "{% set x = {} %}")));
    };
    Some(match method {
        "update" => {
            args.take("other").map_or(Ok(Vec::new()), |other| Ok(pairs(&other))).map(|entries: Vec<_>| {
                let named = args.rest_named().into_iter().map(|(name, value)| (Value::from(name), value));
                map.lock().extend(entries.into_iter().chain(named));
                Value::from(())
            })
        }
        "pop" => args.need("key").and_then(|key| {
            let default = args.take("default");
            let removed = map.lock().shift_remove(&key);
            removed.or(default).ok_or_else(|| args.refuse(format!("there is no key {}", python::repr(&key))))
        }),
        "setdefault" => args.need("key").map(|key| {
            let default = args.take("default").unwrap_or_else(|| Value::from(()));
            map.lock().entry(key).or_insert(default).clone()
        }),
        "clear" => {
            map.lock().clear();
            Ok(Value::from(()))
        }
        _ => return None,
    })
}

fn unchangeable(method: &str, example: &str) -> Error {
    super::args::refuse(format!(
        "`{method}` changes a value in place, which only works on one that this template made, such as by `{example}`"
    ))
}

fn of_list(value: &Value, method: &str, args: &mut Args) -> Option<Result<Value, Error>> {
    match method {
        "copy" => return Some(super::value::mutable(value)),
        "index" => {
            return Some(args.need("value").and_then(|wanted| {
                let found = items(value)?.iter().position(|item| *item == wanted);
                found
                    .map(Value::from)
                    .ok_or_else(|| args.refuse(format!("{} is not in the list", python::repr(&wanted))))
            }));
        }
        "count" => {
            return Some(args.need("value").and_then(|wanted| {
                Ok(Value::from(items(value)?.iter().filter(|item| **item == wanted).count()))
            }));
        }
        _ => {}
    }
    let changes =
        ["append", "extend", "insert", "pop", "remove", "reverse", "sort", "clear"].contains(&method);
    let Some(list) = value.downcast_object_ref::<MutableList>() else {
        return changes.then(|| Err(unchangeable(method, "{% set x = [] %}")));
    };
    changes.then(|| change_list(list, method, args))
}

fn change_list(list: &MutableList, method: &str, args: &mut Args) -> Result<Value, Error> {
    match method {
        "append" => {
            let item = args.need("item")?;
            list.lock().push(item);
        }
        "extend" => {
            let more = args.need("items")?;
            let more = args.items(&more)?;
            list.lock().extend(more);
        }
        "insert" => {
            let index = args.need("index")?;
            let index = args.as_integer("index", &index)?;
            let item = args.need("item")?;
            let mut items = list.lock();
            let length = items.len() as i64;
            let index = (if index < 0 { index + length } else { index }).clamp(0, length);
            items.insert(index as usize, item);
        }
        "pop" => {
            let index = args.integer("index")?.unwrap_or(-1);
            let mut items = list.lock();
            let index = if index < 0 { index + items.len() as i64 } else { index };
            let index = usize::try_from(index).ok().filter(|index| *index < items.len());
            return index
                .map(|index| items.remove(index))
                .ok_or_else(|| args.refuse("the list has no such item"));
        }
        "remove" => {
            let wanted = args.need("item")?;
            let mut items = list.lock();
            let index = items.iter().position(|item| *item == wanted);
            let index =
                index.ok_or_else(|| args.refuse(format!("{} is not in the list", python::repr(&wanted))))?;
            items.remove(index);
        }
        "reverse" => list.lock().reverse(),
        "sort" => list.lock().sort(),
        _ => list.lock().clear(),
    }
    Ok(Value::from(()))
}

fn of_number(value: &Value, method: &str) -> Option<Result<Value, Error>> {
    match method {
        "bit_length" => {
            let number = i128::try_from(value.clone()).ok()?.unsigned_abs();
            Some(Ok(Value::from(u128::BITS - number.leading_zeros())))
        }
        "is_integer" => {
            let number = f64::try_from(value.clone()).ok()?;
            Some(Ok(Value::from(number.fract() == 0.0)))
        }
        _ => None,
    }
}

fn of_bytes(value: &Value, method: &str, args: &mut Args) -> Option<Result<Value, Error>> {
    if method != "decode" {
        return None;
    }
    args.take("encoding");
    let bytes = value.as_bytes().unwrap_or_default().to_vec();
    Some(String::from_utf8(bytes).map(Value::from).map_err(|_| args.refuse("the bytes are no UTF-8")))
}
