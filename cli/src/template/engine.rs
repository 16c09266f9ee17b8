//! Runs templates: prepares each text once, evaluates it with a host's variables, and tells in the author's terms
//! what failed.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, RwLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::dialect::{self, Prepared, Shape, Used, UsedKind};
use super::error::carry;
use super::error::{FailureKind, SyntaxProblem, TemplateError, carried};
use super::trace::{self, Frame, Miss};
use super::value::{check, complete, is_omit, unknown};
use super::{filters, functions, hooks, lookups, methods, python, tests};
use crate::suggest::nearest;
use crate::vars::Data;
use crate::vars::Scope;

/// The template engine of a run: all filters, tests and functions, and every text that was prepared so far.
///
/// Shared by all hosts and threads.
#[derive(Debug)]
pub(crate) struct Engine {
    texts: Renderer,
    pub(super) files: super::file::Files,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine that has prepared nothing yet.
    pub(crate) fn new() -> Self {
        let cache = Arc::new(Cache::default());
        let mut env = environment();
        let texts = cache.clone();
        env.set_loader(move |name| Ok(texts.get(name).map(|prepared| prepared.printed.clone())));
        Self { texts: Renderer { env, cache }, files: super::file::Files::default() }
    }

    /// Renders a text. One lone expression keeps its type; `complete` it before it leaves the templates.
    pub(crate) fn render(&self, text: &Arc<str>, scope: &Scope) -> Result<Value, TemplateError> {
        self.evaluate("t", text, scope)
    }

    /// Evaluates an expression, as `when:` and `until:` have it.
    pub(crate) fn expression(&self, text: &Arc<str>, scope: &Scope) -> Result<Value, TemplateError> {
        self.evaluate("e", text, scope)
    }

    fn evaluate(&self, kind: &str, text: &Arc<str>, scope: &Scope) -> Result<Value, TemplateError> {
        let key = format!("{kind}{text}");
        let prepare = || if kind == "e" { dialect::prepare_expression(text) } else { prepare_text(text) };
        let prepared =
            self.texts.cache.get_or_prepare(&key, prepare).map_err(|err| TemplateError::syntax(text, err))?;
        self.texts.run(&key, &prepared, scope, Output::Native)
    }
}

/// Whether a text parses and uses only filters, tests and lookups that exist.
pub(crate) fn check_template(text: &str) -> Result<(), SyntaxProblem> {
    prepare_text(text).and_then(|prepared| known_names(&prepared.uses))
}

/// Whether an expression parses and uses only filters, tests and lookups that exist.
pub(crate) fn check_expression(text: &str) -> Result<(), SyntaxProblem> {
    dialect::prepare_expression(text).and_then(|prepared| known_names(&prepared.uses))
}

/// The variables that a text reads, without those that it sets itself.
pub(crate) fn variables(text: &str) -> Vec<String> {
    let Ok(prepared) = prepare_text(text) else { return Vec::new() };
    let mut env = Environment::empty();
    env.set_syntax(dialect::printed_syntax());
    let names = env.template_from_str(&prepared.printed).map(|template| template.undeclared_variables(false));
    let mut names: Vec<String> = names.unwrap_or_default().into_iter().collect();
    names.retain(|name| !functions::NAMES.contains(&name.as_str()));
    names.sort();
    names
}

/// Ansible's settings for texts in YAML. A lone expression may have one newline after it, as YAML's `|` leaves it.
fn prepare_text(text: &str) -> Result<Prepared, SyntaxProblem> {
    if let Some(line) = text.strip_suffix('\n') {
        let prepared = dialect::prepare_value(line, text_syntax())?;
        if prepared.shape == Shape::Expression {
            return Ok(prepared);
        }
    }
    dialect::prepare_value(text, text_syntax())
}

fn text_syntax() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the default delimiters are distinct and not empty")
}

pub(super) fn known_names(uses: &[Used]) -> Result<(), SyntaxProblem> {
    uses.iter().find_map(unknown_name).map_or(Ok(()), Err)
}

pub(super) fn unknown_name(used: &Used) -> Option<SyntaxProblem> {
    let (kind, names): (_, Vec<&str>) = match used.kind {
        UsedKind::Filter => ("filter", filters::names().collect()),
        UsedKind::Test => ("test", tests::names().collect()),
        UsedKind::Lookup => ("lookup", lookups::names().collect()),
    };
    if names.contains(&used.name.as_str()) {
        return None;
    }
    let problem = SyntaxProblem::new(used.range.clone(), format!("there is no {kind} `{}`", used.name));
    Some(match nearest(&used.name, names) {
        Some(name) => problem.with_hint(format!("did you mean `{name}`?")),
        None => problem,
    })
}

/// All filters, tests and functions, with Ansible's settings.
pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_syntax(dialect::printed_syntax());
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    // Names such as `index.html.j2` must not turn escaping on.
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_unknown_method_callback(methods::call);
    env.set_formatter(|out, _, value| match emit(value)? {
        Some(text) => out.write_str(&text).map_err(Error::from),
        None => Ok(()),
    });
    hooks::install(&mut env);
    filters::install(&mut env);
    tests::install(&mut env);
    functions::install(&mut env);
    env
}

/// Takes a value that a template puts out: keeps it where the result may be more than text, else gives its text.
fn emit(value: &Value) -> Result<Option<String>, Error> {
    let native = trace::current(|frame| frame.native).unwrap_or_default();
    if native {
        trace::current(|frame| frame.first = Some((value.clone(), String::new())));
        return Ok(None);
    }
    if value.is_none() {
        return Ok(None);
    }
    let text = put_out(value)?;
    trace::current(|frame| {
        frame.emitted += 1;
        frame.first.get_or_insert_with(|| (value.clone(), text.clone()));
    });
    Ok(Some(text))
}

/// A value inside text: nothing for `omit` and an `if` without `else`.
fn put_out(value: &Value) -> Result<String, Error> {
    if value.is_undefined() || is_omit(value) {
        return Ok(String::new());
    }
    Ok(python::text(&complete(value)?))
}

/// What the result of a template is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// The value, if the template puts out just one; else text.
    Native,
    /// Text in any case.
    Text,
}

/// An environment and the templates that it loads.
#[derive(Debug)]
pub(super) struct Renderer {
    pub(super) env: Environment<'static>,
    pub(super) cache: Arc<Cache>,
}

impl Renderer {
    /// Evaluates a template that is in the cache under `key`.
    pub(super) fn run(
        &self,
        key: &str,
        prepared: &Prepared,
        scope: &Scope,
        output: Output,
    ) -> Result<Value, TemplateError> {
        let native = output == Output::Native && prepared.shape == Shape::Expression;
        let render = || self.env.get_template(key).and_then(|template| template.render(scope.context()));
        let Some((result, frame)) = trace::evaluate(scope, native, render) else {
            let err = TemplateError::new(FailureKind::Loop, "variables need each other too deep to evaluate");
            return Err(err.at(&prepared.source, None));
        };
        match result {
            Ok(text) => self.result(text, frame, prepared, output),
            Err(err) => Err(self.failure(&err, &frame, key)),
        }
    }

    fn result(
        &self,
        text: String,
        mut frame: Frame,
        prepared: &Prepared,
        output: Output,
    ) -> Result<Value, TemplateError> {
        if output == Output::Text || (prepared.shape == Shape::Text && !text.is_empty()) {
            return Ok(Value::from(text));
        }
        let first = frame.first.take();
        if !frame.native {
            return Ok(match first {
                Some((value, alone)) if frame.emitted == 1 && alone == text => value,
                None if text.is_empty() => Value::from(()),
                _ => Value::from(text),
            });
        }
        let value = first.map(|(value, _)| value).unwrap_or_default();
        let value = check(value).map_err(|err| plain_failure(&err, &prepared.source))?;
        let gone = value.is_undefined() || (!frame.misses.is_empty() && holds_undefined(&value));
        if gone {
            return Err(undefined(&frame, None, &prepared.source, &whole_expression(prepared)));
        }
        Ok(value)
    }

    /// What failed, in the author's text.
    fn failure(&self, err: &Error, frame: &Frame, key: &str) -> TemplateError {
        let inner = innermost(err);
        let name = inner.name().unwrap_or(key);
        let Some(prepared) = self.cache.get(name).or_else(|| self.cache.get(key)) else {
            return plain_failure(err, &"".into());
        };
        let range = inner.range().and_then(|range| prepared.locate(range));
        let err = self.describe(err, inner, frame, &prepared, name, range);
        match (&err.file, self.cache.file(name)) {
            (None, Some(file)) => err.in_file(&file),
            _ => err,
        }
    }

    fn describe(
        &self,
        err: &Error,
        inner: &Error,
        frame: &Frame,
        prepared: &Prepared,
        name: &str,
        range: Option<Range<usize>>,
    ) -> TemplateError {
        if let Some(cause) = carried(err) {
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
}

/// Whether something in a list or mapping is undefined.
fn holds_undefined(value: &Value) -> bool {
    complete(value).is_err_and(|err| err.kind() == ErrorKind::UndefinedError)
}

/// The error at the bottom: minijinja wraps those of included files and blocks.
fn innermost(err: &Error) -> &Error {
    let mut found = err;
    while let Some(next) = std::error::Error::source(found).and_then(|next| next.downcast_ref::<Error>()) {
        if next.name().is_none() && next.range().is_none() {
            break;
        }
        found = next;
    }
    found
}

/// The failure of a variable that this text needs, or of one of our own filters in it.
fn because(cause: &TemplateError, text: &Arc<str>, range: Option<Range<usize>>) -> TemplateError {
    let mut err = cause.clone();
    if cause.text.is_empty() && cause.cause.is_none() {
        return err.at(text, range);
    }
    err.cause = Some(Box::new(cause.clone()));
    err.file = None;
    err.node = None;
    err.at(text, range)
}

fn plain_failure(err: &Error, text: &Arc<str>) -> TemplateError {
    if let Some(cause) = carried(err) {
        return because(cause, text, None);
    }
    let detail = err.detail().map_or_else(|| err.kind().to_string(), str::to_owned);
    TemplateError::new(FailureKind::Failed, detail).at(text, None)
}

fn no_such_name(
    err: &Error,
    prepared: &Prepared,
    range: Option<Range<usize>>,
    frame: &Frame,
) -> TemplateError {
    let used = prepared.uses.iter().filter_map(unknown_name).next();
    if let (Some(problem), true) = (used, err.kind() != ErrorKind::UnknownFunction) {
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
fn undefined(frame: &Frame, template: Option<&str>, text: &Arc<str>, whole: &Range<usize>) -> TemplateError {
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
        None => format!("`{name}` is undefined"),
        Some((of, key)) => {
            let key = python::repr(key);
            format!("`{name}` is undefined: there is no {key} in this {}", python::type_name(of))
        }
    };
    let err = TemplateError::new(FailureKind::Undefined { name: name.clone() }, message);
    let err = err.at(text, Some(miss.at.clone()));
    match suggestion(&name, miss, frame) {
        Some(near) => err.with_hint(format!("did you mean `{near}`?")),
        None => err,
    }
}

fn suggestion(name: &str, miss: &Miss, frame: &Frame) -> Option<String> {
    let Some((of, key)) = &miss.of else {
        let names = frame.scope.names();
        return nearest(name, names.iter().map(|name| &**name)).map(str::to_owned);
    };
    let keys = super::value::pairs(of).into_iter().map(|(key, _)| python::text(&key)).collect::<Vec<_>>();
    nearest(key.as_str()?, keys.iter().map(String::as_str)).map(str::to_owned)
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

fn whole_expression(prepared: &Prepared) -> Range<usize> {
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
        FailureKind::Unknown { reason } => unknown(reason),
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

/// Prepared templates by the name that minijinja knows them by, and the files that they are.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<HashMap<String, (Arc<Prepared>, Option<Arc<Path>>)>>);

impl Cache {
    pub(super) fn get(&self, key: &str) -> Option<Arc<Prepared>> {
        self.read().get(key).map(|(prepared, _)| prepared.clone())
    }

    pub(super) fn file(&self, key: &str) -> Option<Arc<Path>> {
        self.read().get(key).and_then(|(_, file)| file.clone())
    }

    pub(super) fn put(&self, key: &str, prepared: Prepared, file: Option<Arc<Path>>) -> Arc<Prepared> {
        let prepared = Arc::new(prepared);
        self.write().insert(key.to_owned(), (prepared.clone(), file));
        prepared
    }

    fn get_or_prepare(
        &self,
        key: &str,
        prepare: impl FnOnce() -> Result<Prepared, SyntaxProblem>,
    ) -> Result<Arc<Prepared>, SyntaxProblem> {
        match self.get(key) {
            Some(prepared) => Ok(prepared),
            None => Ok(self.put(key, prepare()?, None)),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, (Arc<Prepared>, Option<Arc<Path>>)>> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, (Arc<Prepared>, Option<Arc<Path>>)>> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
