//! `lookup` and `query`: values from outside the variables, read on the controller.

mod config;
mod content;
pub(crate) mod files;
mod lists;
mod password;
mod records;
mod sequence;
mod variables;

use minijinja::{Error, State, Value};

use super::args::Args;
use super::error::{FailureKind, TemplateError, carried, carry};
use super::python;
use super::trace;
use super::value::{complete, complete_or_partly_known};
use crate::encoding::Encoding;
use crate::suggest::nearest;
use crate::vars::Scope;

/// A lookup: its terms and options in, a list of values out.
type Lookup = fn(&Scope, &[Value], &mut Args) -> Result<Vec<Value>, Error>;

type Table = &'static [(&'static str, Lookup)];

const TABLES: [Table; 7] = [
    config::TABLE,
    content::TABLE,
    lists::TABLE,
    password::TABLE,
    records::TABLE,
    sequence::TABLE,
    variables::TABLE,
];

/// All names, also of lookups that are refused when they are used.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let refused = REFUSED.into_iter().map(|(name, _)| name);
    TABLES.into_iter().flatten().map(|(name, _)| *name).chain(refused)
}

/// Lookups of Ansible that muster does not have, and what to use.
const REFUSED: [(&str, &str); 1] =
    [("url", "fetch it in a task: `uri` with `return_content: true`, or `get_url`")];

/// Lookups that do more than read.
const HAVE_EFFECTS: [&str; 3] = ["lines", "password", "pipe"];

/// Lookups of Ansible that are refused, with what to use instead.
pub(crate) fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFUSED.into_iter()
}

/// What a lookup that fails gives, by its `errors` argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnError {
    Fail,
    Warn,
    Ignore,
}

/// Runs a lookup. `query` gives its list; `lookup` gives the texts joined by commas, or a lone item as it is.
pub(crate) fn call(_: &mut State<'_, '_>, values: Vec<Value>, is_query: bool) -> Result<Value, Error> {
    let mut args = Args::new("lookup".into(), values);
    let name = args.need_text("name")?;
    let name = super::dialect::bare_name(&name).to_owned();
    let lookup = find(&name)?;
    let wants_list = args.named("wantlist").map_or(is_query, |value| value.is_true());
    let on_error = match args.named("errors").map(|value| python::text(&value)).as_deref() {
        None | Some("strict") => OnError::Fail,
        Some("warn") => OnError::Warn,
        Some("ignore") => OnError::Ignore,
        Some(other) => return Err(args.refuse(format!("`errors` is strict, warn or ignore, not `{other}`"))),
    };
    // `default=undef()` asks for a failure where there is no value, and only there.
    let default = args.named("default");
    if let Some(undefined) = args.undefined() {
        return Ok(undefined.clone());
    }
    let terms = args.rest().iter().map(complete_or_partly_known).collect::<Result<Vec<_>, _>>()?;
    let named = args.rest_named().into_iter().map(|(name, value)| Ok((name, complete(&value)?)));
    let mut named = named.collect::<Result<Vec<_>, Error>>()?;
    named.extend(default.map(|default| ("default".to_owned(), default)));
    let mut args = Args::options(format!("lookup `{name}`"), named);
    let Some(scope) = trace::scope() else { return Err(args.refuse("there are no variables here")) };
    let has_effects =
        HAVE_EFFECTS.contains(&name.as_str()) && !(name == "password" && scope.play().keeps_passwords);
    if scope.play().is_ahead && (has_effects || on_error == OnError::Warn) {
        return Err(args.refuse("the task is only looked at before its turn"));
    }
    match lookup(&scope, &terms, &mut args).and_then(|found| args.finish().map(|()| found)) {
        Ok(found) if wants_list => Ok(Value::from(found)),
        Ok(found) => Ok(joined(found)),
        Err(err) => failed(err, on_error, wants_list),
    }
}

fn find(name: &str) -> Result<Lookup, Error> {
    let found = TABLES.into_iter().flatten().find(|(known, _)| *known == name);
    if let Some((_, lookup)) = found {
        return Ok(*lookup);
    }
    if let Some((_, instead)) = REFUSED.iter().find(|(known, _)| *known == name) {
        let err =
            TemplateError::new(FailureKind::NoSuchName, format!("the lookup `{name}` is not supported"));
        return Err(carry(err.with_hint(*instead)));
    }
    let message = format!("there is no lookup `{name}`: The lookup plugin '{name}' was not found.");
    let err = TemplateError::new(FailureKind::NoSuchName, message);
    Err(carry(match nearest(name, names()) {
        Some(near) => err.with_hint(format!("did you mean `{near}`?")),
        None => err,
    }))
}

/// One item is itself; several texts are joined; anything else stays a list.
fn joined(mut found: Vec<Value>) -> Value {
    match found.len() {
        0 => return Value::from(found),
        1 => return found.remove(0),
        _ => {}
    }
    let texts: Option<Vec<&str>> = found.iter().map(Value::as_str).collect();
    match texts {
        Some(texts) => Value::from(texts.join(",")),
        None => Value::from(found),
    }
}

fn failed(err: Error, on_error: OnError, wants_list: bool) -> Result<Value, Error> {
    let is_unknown = carried(&err).is_some_and(|cause| cause.unknown_reason().is_some());
    if on_error == OnError::Fail || is_unknown {
        return Err(err);
    }
    if on_error == OnError::Warn {
        anstream::eprintln!("warning: {}", err.detail().unwrap_or("a lookup failed"));
    }
    Ok(if wants_list { Value::from(Vec::<Value>::new()) } else { Value::from(()) })
}

/// The file of a term, which must be there.
fn file(scope: &Scope, kind: &str, name: &str, args: &Args) -> Result<std::path::PathBuf, Error> {
    let found = files::find(scope, kind, name).map_err(|why| files::unread(why, |err| args.refuse(err)))?;
    found.ok_or_else(|| {
        let tried = files::candidates(scope, kind, name);
        let tried = tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let tried = if name.starts_with('/') { String::new() } else { format!(" (looked in {tried})") };
        missing(scope, format!("No such file or directory: `{name}`{tried}"), args)
    })
}

/// What is missing may be there by then, where a step of the dry run may have brought it.
fn missing(scope: &Scope, what: String, args: &Args) -> Error {
    match scope.files().doubt() {
        Some(why) => carry(TemplateError::unknown(&format!("{what}; {why}"))),
        None => args.refuse(what),
    }
}

/// A file's text; that of a vaulted file is decrypted.
fn read(scope: &Scope, path: &std::path::Path, args: &Args) -> Result<String, Error> {
    read_in(Encoding::Utf8, scope, path, args)
}

/// The same of a file in another encoding.
fn read_in(encoding: Encoding, scope: &Scope, path: &std::path::Path, args: &Args) -> Result<String, Error> {
    let unreadable = |err| args.refuse(format!("`{}`: {err}", path.display()));
    let bytes = scope.files().read(path).map_err(|why| files::unread(why, unreadable))?;
    let text = encoding.decode(bytes).map_err(|why| args.refuse(format!("`{}`: {why}", path.display())))?;
    if !text.starts_with("$ANSIBLE_VAULT;") {
        return Ok(text);
    }
    scope.open_vault(&text).map_err(|err| args.refuse(format!("`{}`: {err}", path.display())))
}
