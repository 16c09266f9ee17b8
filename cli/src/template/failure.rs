//! Tells in the author's terms why a template failed: minijinja's error, and what the evaluation left behind.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind, Value};

use super::dialect::{Prepared, UsedKind};
use super::engine::unknown_name;
use super::error::{FailureKind, TemplateError, carried, carry};
use super::trace::{self, Frame, Miss};
use super::value::unknown_because;
use super::{functions, python};
use crate::suggest::nearest;
use crate::vars::Data;

/// What failed in a template, from the error at the bottom.
pub(super) fn describe(
    err: &Error,
    inner: &Error,
    frame: &Frame,
    prepared: &Prepared,
    name: &str,
    range: Option<Range<usize>>,
) -> TemplateError {
    if let Some(cause) = carried(err) {
        let cause = match cause.kind {
            FailureKind::Mandatory => &mandatory(cause, frame, &prepared.source),
            _ => cause,
        };
        return because(cause, &prepared.source, range);
    }
    // Operators that minijinja has no undefined check for name the type instead.
    let of_undefined = inner.detail().is_some_and(|detail| detail.contains("undefined"));
    match inner.kind() {
        ErrorKind::InvalidOperation if !of_undefined => {
            let mut failed = plain_failure(inner, &prepared.source);
            failed.range = range;
            failed
        }
        ErrorKind::UndefinedError | ErrorKind::InvalidOperation => {
            let whole = range.unwrap_or_else(|| whole_expression(prepared));
            undefined(frame, Some(name), &prepared.source, &whole)
        }
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
            no_such_name(inner, prepared, range, frame)
        }
        ErrorKind::TemplateNotFound => {
            let detail = inner.detail().unwrap_or("a template does not exist").to_owned();
            TemplateError::new(FailureKind::NoSuchFile, detail).at(&prepared.source, range)
        }
        _ => {
            let mut failed = plain_failure(inner, &prepared.source);
            failed.range = range;
            failed
        }
    }
}

/// The error at the bottom: minijinja wraps those of included files and blocks.
pub(super) fn innermost(err: &Error) -> &Error {
    let mut found = err;
    while let Some(next) = std::error::Error::source(found).and_then(|next| next.downcast_ref::<Error>()) {
        if next.name().is_none() && next.range().is_none() {
            break;
        }
        found = next;
    }
    found
}

/// The filter `mandatory` does not know the name of what is undefined; the last access that found nothing has it.
fn mandatory(cause: &TemplateError, frame: &Frame, text: &str) -> TemplateError {
    let name = frame.misses.last().and_then(|miss| text.get(miss.at.clone())).unwrap_or_default();
    let message = format!("Mandatory variable '{}' not defined.", name.trim());
    let mut err = cause.clone();
    (err.kind, err.message) = (FailureKind::Failed, message);
    err
}

/// The failure of a variable that this text needs, or of one of our own filters in it.
fn because(cause: &TemplateError, text: &Arc<str>, range: Option<Range<usize>>) -> TemplateError {
    let mut err = cause.clone();
    if cause.text.is_empty() && cause.cause.is_none() {
        return err.at(text, range);
    }
    err.cause = Some(cause.clone());
    err.file = None;
    err.node = None;
    err.at(text, range)
}

pub(super) fn plain_failure(err: &Error, text: &Arc<str>) -> TemplateError {
    if let Some(cause) = carried(err) {
        return because(cause, text, None);
    }
    let detail = err.detail().map_or_else(|| err.kind().to_string(), str::to_owned);
    let detail = by_zero(&detail).unwrap_or(detail);
    TemplateError::new(FailureKind::Failed, detail).at(text, None)
}

/// Python names the reason where minijinja says only that it cannot be calculated.
fn by_zero(detail: &str) -> Option<String> {
    let calculation = detail.strip_prefix("unable to calculate ")?;
    let (rest, divisor) = calculation.rsplit_once(' ')?;
    let divides = [" /", " //", " %"].iter().any(|operator| rest.ends_with(operator));
    (divides && divisor.parse() == Ok(0.0)).then(|| format!("division by zero in {calculation}"))
}

fn no_such_name(
    err: &Error,
    prepared: &Prepared,
    range: Option<Range<usize>>,
    frame: &Frame,
) -> TemplateError {
    let used = prepared.uses.iter().find_map(|used| Some((used, unknown_name(used)?)));
    if let (Some((used, mut problem)), true) = (used, err.kind() != ErrorKind::UnknownFunction) {
        // In a run, playbooks look for Ansible's words in the `msg` of a failed task.
        let words = match used.kind {
            UsedKind::Filter => format!("No filter named '{}'.", used.name),
            UsedKind::Test => format!("No test named '{}'.", used.name),
            UsedKind::Lookup => format!("The lookup plugin '{}' was not found.", used.name),
        };
        problem.message = format!("{}: {words}", problem.message);
        let mut failed = TemplateError::syntax(&prepared.source, problem);
        failed.kind = FailureKind::NoSuchName;
        return failed;
    }
    let detail = err.detail().unwrap_or_default();
    let name = detail.trim_end_matches(" is unknown").rsplit(' ').next().unwrap_or_default();
    let what = match err.kind() {
        ErrorKind::UnknownFilter => "filter",
        ErrorKind::UnknownTest => "test",
        _ => "function",
    };
    let failed = TemplateError::new(FailureKind::NoSuchName, format!("there is no {what} `{name}`"));
    let failed = failed.at(&prepared.source, range);
    let names = frame.scope.names();
    let known = functions::NAMES.iter().copied().chain(names.iter().map(|name| &**name));
    match nearest(name, known) {
        Some(near) if what == "function" => failed.with_hint(format!("did you mean `{near}`?")),
        _ => failed,
    }
}

/// The failure of an expression that came to nothing: the access in it that found nothing.
pub(super) fn undefined(
    frame: &Frame,
    template: Option<&str>,
    text: &Arc<str>,
    whole: &Range<usize>,
) -> TemplateError {
    let inside = |miss: &&Miss| {
        template.is_none_or(|name| miss.template == name)
            && whole.start <= miss.at.start
            && miss.at.end <= whole.end
    };
    let miss = frame.misses.iter().rev().find(inside).or(frame.misses.last());
    match miss {
        Some(miss) => missing(miss, frame, text),
        None => nothing(text, whole),
    }
}

fn missing(miss: &Miss, frame: &Frame, text: &Arc<str>) -> TemplateError {
    if let Some(cause) = &miss.cause {
        return because(cause, text, Some(miss.at.clone()));
    }
    let name = text.get(miss.at.clone()).unwrap_or_default().trim().to_owned();
    let message = match &miss.of {
        // Ansible's sentences: playbooks look for them in the `msg` of failed tasks.
        None => format!("'{name}' is undefined"),
        Some((of, key)) => {
            let (kind, shown) = (python::type_name(of), python::repr(key));
            match key.is_integer() {
                true => format!("'{name}' is undefined: {kind} object has no element {shown}"),
                false => format!("'{name}' is undefined: object of type '{kind}' has no attribute {shown}"),
            }
        }
    };
    let err = TemplateError::new(FailureKind::Undefined { name: name.clone() }, message);
    let err = err.at(text, Some(miss.at.clone()));
    match suggestion(&name, miss, frame) {
        Some(near) => err.with_hint(format!("did you mean `{near}`?")),
        None => err,
    }
}

/// Every name of one or two letters is near to every other.
const SHORTEST_GUESS: usize = 3;

fn suggestion(name: &str, miss: &Miss, frame: &Frame) -> Option<String> {
    let Some((of, key)) = &miss.of else {
        if name.len() < SHORTEST_GUESS {
            return None;
        }
        let names = frame.scope.names();
        return nearest(name, names.iter().map(|name| &**name)).map(str::to_owned);
    };
    let keys = super::value::pairs(of).into_iter().map(|(key, _)| python::text(&key)).collect::<Vec<_>>();
    let key = key.as_str().filter(|key| key.len() >= SHORTEST_GUESS)?;
    nearest(key, keys.iter().map(String::as_str)).map(str::to_owned)
}

/// A filter gave nothing: the first item of an empty list.
fn nothing(text: &Arc<str>, whole: &Range<usize>) -> TemplateError {
    if let Some(cause) = &trace::last_pending() {
        return because(cause, text, Some(whole.clone()));
    }
    let name = text.get(whole.clone()).unwrap_or_default();
    let name = name.trim_start_matches("{{").trim_end_matches("}}").trim().to_owned();
    let message = format!("`{name}` gives nothing");
    TemplateError::new(FailureKind::Undefined { name }, message).at(text, Some(whole.clone()))
}

pub(super) fn whole_expression(prepared: &Prepared) -> Range<usize> {
    0..prepared.source.len()
}

/// The value of a variable or entry whose own template failed. Undefined and unknown pass on; the rest fails when
/// it is touched.
pub(crate) fn read_failed(key: &str, err: &TemplateError) -> Value {
    match &err.kind {
        FailureKind::Undefined { .. } => {
            trace::pend(key, err.clone());
            Value::UNDEFINED
        }
        FailureKind::Unknown { reason } => unknown_because(reason, err.clone()),
        _ => Value::from(carry(err.clone())),
    }
}

/// The failure of a value that was to be complete.
pub(crate) fn from_error(err: &Error, data: &Data) -> TemplateError {
    let text: Arc<str> = match data {
        Data::Text(node) => node.as_str().unwrap_or_default().into(),
        _ => "".into(),
    };
    let mut failed = match (carried(err), err.kind()) {
        (Some(cause), _) => cause.clone(),
        (None, ErrorKind::UndefinedError) => nothing(&text, &(0..text.len())),
        (None, _) => plain_failure(err, &text),
    };
    if failed.text.is_empty() {
        failed.text = text;
    }
    if let (Data::Text(node), None) = (data, &failed.node) {
        failed.node = Some(node.clone());
    }
    failed
}
