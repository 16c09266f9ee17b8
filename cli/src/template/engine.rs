//! Runs templates: prepares each text once, evaluates it with a host's variables, and tells in the author's terms
//! what failed.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::cache::Cache;
use super::dialect::{self, Need, Prepared, Shape, Used, UsedKind};
use super::error::{FailureKind, SyntaxProblem, TemplateError};
use super::trace::{self, Frame};
use super::value::{check, complete, is_omit, is_untrusted, untrusted};
use super::{failure, filters, functions, hooks, lookups, methods, python, tests};
use crate::suggest::nearest;
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
        let value = self.evaluate("t", text, scope)?;
        // As Ansible does: text ends with at least as many newlines as its template.
        let newlines = |text: &str| text.len() - text.trim_end_matches('\n').len();
        match value.as_str() {
            Some(rendered) if newlines(text) > newlines(rendered) => {
                let lacking = newlines(text) - newlines(rendered);
                let whole = rendered.to_owned() + &"\n".repeat(lacking);
                Ok(if is_untrusted(&value) { untrusted(whole) } else { Value::from(whole) })
            }
            _ => Ok(value),
        }
    }

    /// Evaluates an expression, as `debug: var` has it.
    pub(crate) fn expression(&self, text: &Arc<str>, scope: &Scope) -> Result<Value, TemplateError> {
        self.evaluate("e", text, scope)
    }

    /// Evaluates a condition, as `when:` and `until:` have it.
    pub(crate) fn condition(&self, text: &Arc<str>, scope: &Scope) -> Result<Value, TemplateError> {
        self.evaluate("c", text, scope)
    }

    fn evaluate(&self, kind: &str, text: &Arc<str>, scope: &Scope) -> Result<Value, TemplateError> {
        let key = format!("{kind}{text}");
        let prepare = || match kind {
            "e" => dialect::prepare_expression(text),
            "c" => dialect::prepare_condition(text),
            _ => prepare_text(text),
        };
        let prepared =
            self.texts.cache.get_or_prepare(&key, prepare).map_err(|err| TemplateError::syntax(text, err))?;
        self.texts.run(&key, &prepared, scope, Output::Native)
    }
}

/// Whether a text parses and uses only filters, tests and lookups that exist.
pub(crate) fn check_template(text: &str) -> Result<(), SyntaxProblem> {
    prepare_text(text).and_then(|prepared| known_names(&prepared.uses))
}

/// The names that a text needs whatever happens; none of one that cannot be parsed.
pub(crate) fn needs_of_text(text: &str) -> Vec<Need> {
    dialect::needs(text, text_syntax())
}

/// The names that the expressions of a text read, in the order in which they come; none of one that cannot be parsed.
pub(crate) fn names_in_text(text: &str) -> Vec<String> {
    let environment = minijinja::Environment::empty();
    let read = environment.template_from_str(text).map(|template| template.undeclared_variables(false));
    let mut names: Vec<String> = read.unwrap_or_default().into_iter().collect();
    names.sort_by_cached_key(|name| (text.find(name.as_str()), name.clone()));
    names
}

/// The names that an expression reads which has no `{{ }}`.
pub(crate) fn names_in_expression(text: &str) -> Vec<String> {
    names_in_text(&format!("{{{{ {text} }}}}"))
}

/// Whether an expression parses and uses only filters, tests and lookups that exist.
pub(crate) fn check_expression(text: &str) -> Result<(), SyntaxProblem> {
    dialect::prepare_expression(text).and_then(|prepared| known_names(&prepared.uses))
}

/// Whether a condition is a template, from its first to its last braces or with statements in it, and no expression:
/// braces in a text of an expression make no template of it.
pub(crate) fn is_template_whole(text: &str) -> bool {
    let trimmed = text.trim();
    let is_in_braces = trimmed.starts_with("{{") && trimmed.ends_with("}}");
    (is_in_braces && prepare_text(trimmed).is_ok()) || text.contains("{%")
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

/// What a collection has is known where it is used: that may never be.
pub(super) fn known_names(uses: &[Used]) -> Result<(), SyntaxProblem> {
    uses.iter().filter(|used| !used.name.contains('.')).find_map(unknown_name).map_or(Ok(()), Err)
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
        let first = frame.first.get_or_insert_with(|| (value.clone(), text.clone()));
        frame.is_one &= first.1 == text;
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
        let put_together = prepared.shape == Shape::Mixed;
        let first = frame.first.take();
        if !frame.native {
            return Ok(match first {
                Some((value, alone)) if frame.is_one && alone == text => value,
                None if text.is_empty() => Value::from(()),
                _ if put_together => untrusted(text),
                _ => Value::from(text),
            });
        }
        let value = first.map(|(value, _)| value).unwrap_or_default();
        let value = check(value).map_err(|err| failure::plain_failure(&err, &prepared.source))?;
        let gone = value.is_undefined() || (!frame.misses.is_empty() && holds_undefined(&value));
        if gone {
            return Err(failure::undefined(
                &frame,
                None,
                &prepared.source,
                &failure::whole_expression(prepared),
            ));
        }
        Ok(value)
    }

    /// What failed, in the author's text.
    fn failure(&self, err: &Error, frame: &Frame, key: &str) -> TemplateError {
        let inner = failure::innermost(err);
        let name = inner.name().unwrap_or(key);
        let Some(prepared) = self.cache.get(name).or_else(|| self.cache.get(key)) else {
            return failure::plain_failure(err, &"".into());
        };
        let range = inner.range().and_then(|range| prepared.locate(range));
        let err = failure::describe(err, inner, frame, &prepared, name, range);
        match (&err.file, self.cache.file(name)) {
            (None, Some(file)) => err.in_file(&file),
            _ => err,
        }
    }
}

/// Whether something in a list or mapping is undefined.
fn holds_undefined(value: &Value) -> bool {
    complete(value).is_err_and(|err| err.kind() == ErrorKind::UndefinedError)
}
