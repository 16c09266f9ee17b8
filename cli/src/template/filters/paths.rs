//! Paths of files, as text. `realpath`, `expanduser`, `expandvars` and `fileglob` look at this machine.

use std::path::Path;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Table;
use crate::template::args::{Args, described};
use crate::template::lookups::files;
use crate::template::python;
use crate::template::trace;

pub(super) const TABLE: Table = &[
    ("basename", basename),
    ("commonpath", common_path),
    ("dirname", dirname),
    ("expanduser", expand_user),
    ("expandvars", expand_vars),
    ("fileglob", file_glob),
    ("normpath", normalize),
    ("path_join", path_join),
    ("realpath", real_path),
    ("relpath", relative_path),
    ("splitext", split_extension),
    ("win_basename", win_basename),
    ("win_dirname", win_dirname),
    ("win_splitdrive", win_split_drive),
];

fn list(parts: [&str; 2]) -> Value {
    Value::from(parts.map(Value::from).to_vec())
}

fn split(path: &str) -> (&str, &str) {
    let cut = path.rfind('/').map_or(0, |slash| slash + 1);
    let (head, tail) = path.split_at(cut);
    let trimmed = head.trim_end_matches('/');
    (if trimmed.is_empty() { head } else { trimmed }, tail)
}

fn basename(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(split(&args.operand_text()?).1))
}

fn dirname(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(split(&args.operand_text()?).0))
}

fn split_extension(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let path = args.operand_text()?;
    let name = split(&path).1;
    let first = name.len() - name.trim_start_matches('.').len();
    let dot = name[first..].rfind('.').map(|dot| path.len() - name.len() + first + dot);
    let (root, extension) = path.split_at(dot.unwrap_or(path.len()));
    Ok(list([root, extension]))
}

pub(crate) fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let is_absolute = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

fn normalize(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(normalized(&args.operand_text()?)))
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return normalized(path);
    }
    let here = std::env::current_dir().unwrap_or_default();
    normalized(&here.join(path).to_string_lossy())
}

/// Links are followed as far as the path exists.
fn real_path(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let path = args.operand_text()?;
    let whole = absolute(&path);
    let mut known = Path::new(&whole);
    let mut rest = Vec::new();
    loop {
        if let Ok(real) = known.canonicalize() {
            let full = rest.iter().rev().fold(real, |path, part| path.join(part));
            return Ok(Value::from(full.to_string_lossy().into_owned()));
        }
        let (Some(parent), Some(name)) = (known.parent(), known.file_name()) else {
            return Ok(Value::from(whole));
        };
        rest.push(name);
        known = parent;
    }
}

fn relative_path(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let path = absolute(&args.operand_text()?);
    let start = absolute(&args.text("start")?.unwrap_or_else(|| ".".into()));
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let (to, from): (Vec<String>, Vec<String>) = (parts(&path), parts(&start));
    let common = to.iter().zip(&from).take_while(|(to, from)| to == from).count();
    let up = from[common..].iter().map(|_| "..".to_owned());
    let relative: Vec<String> = up.chain(to[common..].iter().cloned()).collect();
    Ok(Value::from(if relative.is_empty() { ".".to_owned() } else { relative.join("/") }))
}

fn common_path(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(args.refuse(format!("|commonpath expects a list of paths, got {}", described(&value))));
    }
    let paths: Vec<String> = args.items(&value)?.iter().map(python::text).collect();
    let Some(first) = paths.first() else { return Ok(Value::from("")) };
    if paths.iter().any(|path| path.starts_with('/') != first.starts_with('/')) {
        return Err(args.refuse("absolute and relative paths have nothing in common"));
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let common = paths[1..].iter().fold(parts(first), |common, path| {
        let same = common.iter().zip(parts(path)).take_while(|(left, right)| *left == right).count();
        common[..same].to_vec()
    });
    let root = if first.starts_with('/') { "/" } else { "" };
    Ok(Value::from(format!("{root}{}", common.join("/"))))
}

fn path_join(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let value = args.operand()?;
    let parts = match value.as_str() {
        Some(part) => vec![part.to_owned()],
        None if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) => {
            args.items(&value)?.iter().map(python::text).collect()
        }
        None => {
            let what = described(&value);
            return Err(args.refuse(format!("|path_join expects string or sequence, got {what}")));
        }
    };
    Ok(Value::from(parts.into_iter().reduce(|path, part| joined(&path, &part)).unwrap_or_default()))
}

/// `os.path.join`: an absolute part starts over.
pub(crate) fn joined(path: &str, part: &str) -> String {
    match path {
        _ if part.starts_with('/') => part.to_owned(),
        "" => part.to_owned(),
        path if path.ends_with('/') => format!("{path}{part}"),
        path => format!("{path}/{part}"),
    }
}

pub(crate) fn with_home(path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let home = if user.is_empty() { std::env::var("HOME").ok() } else { files::home_of(user) };
    home.map_or_else(|| path.to_owned(), |home| format!("{}{rest}", home.trim_end_matches('/')))
}

fn expand_user(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(with_home(&args.operand_text()?)))
}

/// `$NAME` and `${NAME}`; those that are not set stay.
fn expand_vars(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let text = args.operand_text()?;
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        let (name, length) = variable_name(rest);
        let value = name.and_then(|name| std::env::var(name).ok());
        out.push_str(value.as_deref().unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

/// The variable that a text starting with `$` names, and how many bytes that takes.
fn variable_name(text: &str) -> (Option<&str>, usize) {
    let after = &text[1..];
    if let Some(inner) = after.strip_prefix('{') {
        return match inner.find('}') {
            Some(end) => (Some(&inner[..end]), end + 3),
            None => (None, 1),
        };
    }
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
    ((end > 0).then(|| &after[..end]), end + 1)
}

fn file_glob(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let pattern = args.operand_text()?;
    let found = trace::with_files(|here| files::glob(&with_home(&pattern), here));
    let found = found.map_err(|why| files::unread(why, |err| args.refuse(err)))?;
    Ok(found.into_iter().map(Value::from).collect::<Vec<_>>().into())
}

fn win_split(path: &str) -> (&str, &str) {
    let drive = if path.as_bytes().get(1) == Some(&b':') { 2 } else { 0 };
    path.split_at(drive)
}

fn win_parts(path: &str) -> (String, String) {
    let (drive, rest) = win_split(path);
    let cut = rest.rfind(['/', '\\']).map_or(0, |slash| slash + 1);
    let (head, tail) = rest.split_at(cut);
    let trimmed = head.trim_end_matches(['/', '\\']);
    (format!("{drive}{}", if trimmed.is_empty() { head } else { trimmed }), tail.to_owned())
}

fn win_basename(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(win_parts(&args.operand_text()?).1))
}

fn win_dirname(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(win_parts(&args.operand_text()?).0))
}

fn win_split_drive(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let path = args.operand_text()?;
    let (drive, rest) = win_split(&path);
    Ok(list([drive, rest]))
}
