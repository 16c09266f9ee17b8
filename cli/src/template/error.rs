//! What can go wrong in a template, with the place in the author's text.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::ErrorKind;

use crate::source::Span;
use crate::suggest::nearest;
use crate::yaml::Node;

/// A template that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxProblem {
    /// The bytes of the text that are wrong; may be empty at its end.
    pub(crate) range: Range<usize>,
    /// What was found and what was expected.
    pub(crate) message: String,
    /// What to write instead, when that can be guessed.
    pub(crate) hint: Option<String>,
}

impl SyntaxProblem {
    pub(crate) fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SyntaxProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// minijinja's complaint about a text, in our words.
pub(crate) fn syntax_problem(source: &str, err: &minijinja::Error) -> SyntaxProblem {
    let range = err.range().map_or_else(|| line_range(source, err.line()), |range| clip(source, range));
    let detail = err.detail().unwrap_or("cannot be parsed");
    let problem = SyntaxProblem::new(range.clone(), detail.to_owned());
    match hint(source, &range, detail) {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

fn hint(source: &str, range: &Range<usize>, detail: &str) -> Option<String> {
    let found = source.get(range.clone()).unwrap_or_default();
    let rest = source.get(range.start..).unwrap_or_default().trim_start();
    if found.trim() == "=" || (rest.starts_with('=') && !rest.starts_with("==")) {
        return Some("`=` assigns; to compare, write `==`".into());
    }
    if matches!(found.trim(), "&&" | "&") {
        return Some("write `and`".into());
    }
    if found.trim() == "||" {
        return Some("write `or`".into());
    }
    if found.trim() == "!" || rest.starts_with('!') {
        return Some("write `not`".into());
    }
    let is_brace = source.contains("{{") && detail.contains(['{', '}']);
    let is_closed = source.matches("{{").count() <= source.matches("}}").count();
    if is_brace && found.contains(['{', '}']) {
        return Some(match is_closed {
            true => "an expression is written without `{{ }}`; name the variable itself".into(),
            false => "`{{` ends with `}}`".into(),
        });
    }
    if detail.contains("end of input") {
        return unclosed(source);
    }
    let word = detail.strip_prefix("unknown statement ")?;
    const STATEMENTS: [&str; 28] = [
        "for",
        "endfor",
        "if",
        "elif",
        "else",
        "endif",
        "with",
        "endwith",
        "set",
        "endset",
        "autoescape",
        "endautoescape",
        "filter",
        "endfilter",
        "block",
        "endblock",
        "extends",
        "include",
        "import",
        "from",
        "macro",
        "endmacro",
        "call",
        "endcall",
        "continue",
        "break",
        "do",
        "raw",
    ];
    if word.starts_with("end") && STATEMENTS.contains(&word) {
        return Some(format!("no `{}` is open here", word.trim_start_matches("end")));
    }
    nearest(word, STATEMENTS).map(|name| format!("did you mean `{name}`?"))
}

/// The block or bracket that a text leaves open.
fn unclosed(source: &str) -> Option<String> {
    let count = |text: &str| source.matches(text).count();
    for (open, close) in [("if", "endif"), ("for", "endfor"), ("macro", "endmacro"), ("block", "endblock")] {
        let opened = statements(source, open);
        if opened > statements(source, close) {
            return Some(format!("`{{% {open} … %}}` has no `{{% {close} %}}`"));
        }
    }
    [("{{", "}}"), ("{%", "%}"), ("(", ")"), ("[", "]")]
        .into_iter()
        .find(|(open, close)| count(open) > count(close))
        .map(|(open, close)| format!("`{open}` has no `{close}`"))
}

fn statements(source: &str, keyword: &str) -> usize {
    let starts = |part: &&str| {
        let word = part.trim_start_matches(['-', '+']).trim_start();
        word.split(|c: char| !c.is_alphanumeric() && c != '_').next() == Some(keyword)
    };
    source.split("{%").skip(1).filter(starts).count()
}

fn line_range(source: &str, line: Option<usize>) -> Range<usize> {
    let Some(line) = line else { return source.len()..source.len() };
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let text = source.get(start..).unwrap_or_default();
    start..start + text.find('\n').unwrap_or(text.len())
}

fn clip(source: &str, range: Range<usize>) -> Range<usize> {
    let end = range.end.min(source.len());
    range.start.min(end)..end
}

/// A template that could not be rendered for one host.
#[derive(Debug, Clone)]
pub(crate) struct TemplateError(Box<Failure>);

/// What is known about a failed template.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// What failed, for those who react to it.
    pub(crate) kind: FailureKind,
    /// The sentence: lower case, no full stop, values in backticks.
    pub(crate) message: String,
    /// The text that failed. `range` counts its bytes.
    pub(crate) text: Arc<str>,
    /// The part of the text that failed.
    pub(crate) range: Option<Range<usize>>,
    /// The file that the text is, when it is a template file.
    pub(crate) file: Option<PathBuf>,
    /// The value that the text is, when it stands in a YAML or INI file.
    pub(crate) node: Option<Node>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The variable whose own template failed, and how.
    pub(crate) cause: Option<TemplateError>,
}

/// Why a template failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// A variable or attribute does not exist.
    Undefined {
        /// As the author wrote it: `a`, `a.b`.
        name: String,
    },
    /// A value is not known in a dry run; the task is to be deferred, not failed.
    Unknown {
        /// Why, such as "`make` was not run".
        reason: String,
    },
    /// The text cannot be parsed.
    Syntax,
    /// A filter, test, lookup or function that does not exist.
    NoSuchName,
    /// Variables that refer to each other in a circle.
    Loop,
    /// A condition that is neither true nor false.
    NotBoolean,
    /// `omit` where there is nothing to leave out.
    Omitted,
    /// A template or lookup file that does not exist.
    NoSuchFile,
    /// A filter, test, lookup or operator refused its operands.
    Failed,
    /// Something undefined that the filter `mandatory` asks for: its name is added where the text is known.
    Mandatory,
}

impl TemplateError {
    /// A failure of the whole text.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            message: message.into(),
            text: "".into(),
            range: None,
            file: None,
            node: None,
            hint: None,
            cause: None,
        }))
    }

    /// The failure of a text that cannot be parsed.
    pub(crate) fn syntax(text: &Arc<str>, problem: SyntaxProblem) -> Self {
        let mut err = Self::new(FailureKind::Syntax, problem.message);
        err.text = text.clone();
        err.range = Some(problem.range);
        err.hint = problem.hint;
        err
    }

    /// What is read cannot be known in a dry run.
    pub(crate) fn unknown(reason: &str) -> Self {
        let kind = FailureKind::Unknown { reason: reason.to_owned() };
        Self::new(kind, format!("the value is not known yet: {reason}"))
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn at(mut self, text: &Arc<str>, range: Option<Range<usize>>) -> Self {
        self.text = text.clone();
        self.range = range;
        self
    }

    pub(crate) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Whether a name is missing, which `default` and `ignore` can answer.
    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self.kind, FailureKind::Undefined { .. })
    }

    /// Why the value is not known yet, if that is what failed.
    pub(crate) fn unknown_reason(&self) -> Option<&str> {
        match &self.kind {
            FailureKind::Unknown { reason } => Some(reason),
            _ => None,
        }
    }

    /// The innermost failure: that of the variable that all others needed.
    pub(crate) fn root(&self) -> &Self {
        self.cause.as_ref().map_or(self, Self::root)
    }

    /// The failing part in the YAML or INI file that the text stands in.
    pub(crate) fn span(&self) -> Option<Span> {
        let node = self.node.as_ref()?;
        Some(self.range.clone().map_or_else(|| node.span.clone(), |range| node.span_of(range)))
    }

    /// Line and column of the failing part in its text, from 1.
    pub(crate) fn line_and_column(&self) -> Option<(usize, usize)> {
        let start = self.range.as_ref()?.start;
        let before = self.text.get(..start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some((line, column))
    }
}

impl std::ops::Deref for TemplateError {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl std::ops::DerefMut for TemplateError {
    fn deref_mut(&mut self) -> &mut Failure {
        &mut self.0
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// Carries one of our failures through minijinja.
pub(crate) fn carry(err: TemplateError) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, err.message.clone()).with_source(err)
}

/// The failure that [`carry`] put in, however deep minijinja wrapped it.
pub(crate) fn carried(err: &minijinja::Error) -> Option<&TemplateError> {
    let mut next = std::error::Error::source(err);
    while let Some(err) = next {
        if let Some(found) = err.downcast_ref::<TemplateError>() {
            return Some(found);
        }
        next = err.source();
    }
    None
}
