//! What a mistake is and how it is shown: what, where, why, next. A `Diagnostic` is a value that any part can
//! make and pass on; only this file renders.

use crate::exit::Exit;
use crate::source::{SourceFile, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};
use std::fmt;
use std::sync::Arc;

/// The result of work that may find several mistakes.
pub(crate) type Result<T, E = Diagnostics> = std::result::Result<T, E>;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Work cannot go on.
    Error,
    /// Work goes on; the user should look at it.
    Warning,
}

/// One mistake, or one thing to look at.
#[derive(Debug, Clone)]
pub(crate) struct Diagnostic(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    severity: Severity,
    exit: Exit,
    title: String,
    labels: Vec<Label>,
    cause: Option<String>,
    notes: Vec<String>,
    hints: Vec<String>,
    replacement: Option<Replacement>,
    /// A file that is named is not there; the text itself is in order.
    is_missing_file: bool,
}

/// A marked place. The first label of a diagnostic is its primary one.
#[derive(Debug, Clone)]
struct Label {
    span: Span,
    text: String,
}

/// Text that would put it right.
#[derive(Debug, Clone)]
struct Replacement {
    span: Span,
    text: String,
    message: String,
}

impl Diagnostic {
    /// An error. `title` is lower case, has no full stop, and values in backticks.
    pub(crate) fn error(title: impl Into<String>) -> Self {
        Self::new(Severity::Error, title.into())
    }

    /// A warning.
    pub(crate) fn warning(title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title.into())
    }

    /// The same, as a warning.
    pub(crate) fn into_warning(mut self) -> Self {
        self.0.severity = Severity::Warning;
        self
    }

    /// The same, as an error.
    pub(crate) fn into_error(mut self) -> Self {
        self.0.severity = Severity::Error;
        self
    }

    fn new(severity: Severity, title: String) -> Self {
        Self(Box::new(Parts {
            severity,
            exit: Exit::HostUnreachable,
            title,
            labels: Vec::new(),
            cause: None,
            notes: Vec::new(),
            hints: Vec::new(),
            replacement: None,
            is_missing_file: false,
        }))
    }

    /// Ends with another exit code than that of an input that could not be understood.
    pub(crate) fn exits_with(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// Marks a place. The first one is where the mistake is, later ones explain it. `text` may be empty.
    pub(crate) fn at(mut self, span: &Span, text: impl Into<String>) -> Self {
        self.0.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// Says why it is so; never what the title says already.
    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Adds something to know.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// Adds the sentence that Ansible has for it: scripts and people look for that.
    pub(crate) fn known_as(self, sentence: impl fmt::Display) -> Self {
        let word = match self.0.severity {
            Severity::Error => "[ERROR]",
            Severity::Warning => "[WARNING]",
        };
        self.note(format!("Ansible says: {word}: {sentence}"))
    }

    /// The same with the place, as Ansible names it.
    pub(crate) fn known_as_at(self, sentence: impl fmt::Display, span: &Span) -> Self {
        let path = span.file().path();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let place = span.place();
        self.known_as(format!("{sentence} Origin: {}:{}:{}", path.display(), place.line, place.column))
    }

    /// Says what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Says what to do next, where something is known.
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Shows the line as it should be: `span` replaced by `text`.
    pub(crate) fn replace(
        mut self,
        span: &Span,
        text: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.0.replacement =
            Some(Replacement { span: span.clone(), text: text.into(), message: message.into() });
        self
    }

    /// Marks it as a file that is named and is not there: where that is found out in a run, it is a matter of the host.
    pub(crate) fn of_missing_file(mut self) -> Self {
        self.0.is_missing_file = true;
        self
    }

    /// How bad it is.
    pub(crate) fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The sentence.
    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    /// Where it is, if it is in a text.
    pub(crate) fn span(&self) -> Option<&Span> {
        self.0.labels.first().map(|label| &label.span)
    }

    fn is_same_mistake(&self, other: &Self) -> bool {
        self.0.severity == other.0.severity && self.0.title == other.0.title
    }

    fn is_at(&self, span: &Span) -> bool {
        self.span().is_some_and(|own| own.to_string() == span.to_string())
    }

    /// The exit code that it leads to.
    pub(crate) fn exit(&self) -> Exit {
        self.0.exit
    }

    /// As text for people. With `color` it has ANSI codes.
    pub(crate) fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(120);
        renderer.render(&self.groups())
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let level = match self.0.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.0.title.as_str()));
        for (file, labels) in self.labels_by_file() {
            group = add_file(group, file, &labels);
        }
        if let Some(cause) = &self.0.cause {
            group = group.element(Level::NOTE.with_name("cause").message(cause.as_str()));
        }
        for note in &self.0.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for hint in &self.0.hints {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        let mut groups = vec![group];
        groups.extend(self.0.replacement.as_ref().and_then(Replacement::group));
        groups
    }

    fn labels_by_file(&self) -> Vec<(&Arc<SourceFile>, Vec<&Label>)> {
        let mut files: Vec<(&Arc<SourceFile>, Vec<&Label>)> = Vec::new();
        for label in &self.0.labels {
            let file = label.span.file();
            match files.iter_mut().find(|(seen, _)| Arc::ptr_eq(seen, file)) {
                Some((_, labels)) => labels.push(label),
                None => files.push((file, vec![label])),
            }
        }
        files
    }
}

impl Replacement {
    fn group(&self) -> Option<Group<'_>> {
        let file = self.span.file();
        if file.is_secret() {
            return None;
        }
        let snippet = Snippet::source(hide_secrets(file.text()))
            .path(file.path().display().to_string())
            .patch(Patch::new(self.span.range(), self.text.as_str()));
        let title = Level::HELP.with_name("hint").secondary_title(self.message.as_str());
        Some(Group::with_title(title).element(snippet))
    }
}

fn add_file<'a>(group: Group<'a>, file: &'a SourceFile, labels: &[&'a Label]) -> Group<'a> {
    if file.is_secret() || file.text().is_empty() {
        return labels.iter().fold(group, |group, label| add_place_only(group, label));
    }
    let annotations = labels.iter().enumerate().map(|(index, label)| {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let range = label.span.range();
        let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
        kind.span(range).label(text)
    });
    let snippet = Snippet::source(hide_secrets(file.text()))
        .path(file.path().display().to_string())
        .annotations(annotations.collect::<Vec<_>>());
    group.element(snippet)
}

/// The place without the text: for texts that must not be shown, and for values that no text holds.
fn add_place_only<'a>(group: Group<'a>, label: &'a Label) -> Group<'a> {
    let file = label.span.file();
    let mut origin = Origin::path(file.path().display().to_string());
    if !file.text().is_empty() {
        let place = label.span.place();
        origin = origin.line(place.line).char_column(place.column);
    }
    let group = group.element(origin);
    if label.text.is_empty() { group } else { group.element(Level::NOTE.message(label.text.as_str())) }
}

/// Passwords in the lines around a mistake are starred out, byte for byte so that offsets stay right.
fn hide_secrets(text: &str) -> String {
    const WORDS: [&str; 4] = ["password", "_pass", "passphrase", "_token"];
    let hide_in = |line: &str| match WORDS.iter().filter_map(|word| secret_range(line, word)).next() {
        Some(range) => {
            let stars = "*".repeat(range.len());
            format!("{}{stars}{}", &line[..range.start], &line[range.end..])
        }
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(hide_in).collect()
}

/// Where the value stands in `…password: value` or `…password=value`; templates are not secrets.
fn secret_range(line: &str, word: &str) -> Option<std::ops::Range<usize>> {
    let after_word = line.find(word)? + word.len();
    let rest = &line[after_word..];
    let separator = rest.trim_start().strip_prefix([':', '='])?;
    let value = separator.trim_start();
    let start = after_word + (rest.len() - value.len());
    let length = if rest.trim_start().starts_with('=') {
        value.find(char::is_whitespace).unwrap_or(value.len())
    } else {
        value.trim_end().len()
    };
    let value = &value[..length];
    let is_shown = value.is_empty() || value.contains("{{") || value.starts_with(['|', '>', '!']);
    (!is_shown).then(|| start..start + length)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.title)?;
        match self.span() {
            Some(span) => write!(f, " ({span})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// All mistakes that were found, in the order of finding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Diagnostics(Vec<Diagnostic>);

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(diagnostics: T) -> Self {
        Self(diagnostics.into_iter().collect())
    }
}

impl Diagnostics {
    /// Whether nothing is wrong but files that are not there.
    pub(crate) fn are_missing_files(&self) -> bool {
        self.0.iter().all(|mistake| mistake.0.is_missing_file)
    }

    /// Adds one.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds those of `other`.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Keeps the value and, where there is none, the mistakes.
    pub(crate) fn collect<T, E: Into<Self>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|mistakes| self.append(mistakes.into())).ok()
    }

    /// In the order of finding.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is more than warnings.
    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.0.severity == Severity::Error)
    }

    /// The exit code of the first error.
    pub(crate) fn exit(&self) -> Exit {
        let first = self.0.iter().find(|diagnostic| diagnostic.0.severity == Severity::Error);
        first.map_or(Exit::Fine, Diagnostic::exit)
    }

    /// `value` where there are only warnings, which stay here.
    pub(crate) fn or_value<T>(self, value: T) -> Result<T> {
        if self.has_errors() { Err(self) } else { Ok(value) }
    }

    /// As text for people, one after the other. The same mistake at several places is shown once, with the others
    /// named.
    pub(crate) fn render(&self, color: bool) -> String {
        let mut shown: Vec<(&Diagnostic, Vec<&Span>)> = Vec::new();
        for diagnostic in &self.0 {
            match shown.iter_mut().find(|(first, _)| first.is_same_mistake(diagnostic)) {
                Some((first, others)) => others.extend(diagnostic.span().filter(|span| !first.is_at(span))),
                None => shown.push((diagnostic, Vec::new())),
            }
        }
        let screens = shown.into_iter().map(|(first, others)| match also_at(&others) {
            Some(note) => format!("{}\n", first.clone().note(note).render(color)),
            None => format!("{}\n", first.render(color)),
        });
        screens.collect::<Vec<_>>().join("\n")
    }
}

/// Where else a mistake was made; the first few places are enough to find the others.
fn also_at(others: &[&Span]) -> Option<String> {
    const NAMED: usize = 5;
    // A file that is imported twice has its mistakes twice.
    let mut places: Vec<String> = Vec::new();
    for place in others.iter().map(|span| span.to_string()) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let named = places.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match places.len() {
        0 => None,
        1..=NAMED => Some(format!("also at {named}")),
        all => Some(format!("also at {named} and {} other places", all - NAMED)),
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Diagnostic::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        SourceFile::new("hosts.yml", text)
    }

    #[test]
    fn what_where_why_and_next_are_shown_in_this_order() {
        let file = file("all:\n  hosts:\n    n1: {port: x}\n");
        let mistake = Diagnostic::error("`port` is not a number")
            .at(&Span::new(&file, 29..30), "expected a number")
            .at(&Span::new(&file, 18..20), "of this host")
            .cause("`x` has no digits")
            .note("ports are 1 to 65535")
            .hint("write 22");
        insta::assert_snapshot!(mistake.render(false));
        assert!(mistake.render(true).contains("\u{1b}["));
        assert_eq!(mistake.to_string(), "`port` is not a number (hosts.yml:3:16)");
    }

    #[test]
    fn a_secret_text_is_named_but_not_shown() {
        let file = SourceFile::secret("secrets.yml", "a: hunter2\n");
        let mistake = Diagnostic::error("not a mapping").at(&Span::new(&file, 3..10), "here");
        insta::assert_snapshot!(mistake.render(false));
    }

    #[test]
    fn passwords_in_the_lines_shown_are_starred_out() {
        let file =
            file("n1 ansible_password=hunter2 x\nbecome_pass: 'hunter2'\npassword: \"{{ vaulted }}\"\n");
        let mistake =
            Diagnostic::error("no `=`").at(&Span::new(&file, 28..29), "").at(&Span::new(&file, 30..41), "");
        let screen = mistake.at(&Span::new(&file, 53..61), "").render(false);
        assert!(!screen.contains("hunter2") && screen.contains("{{ vaulted }}"), "{screen}");
    }

    #[test]
    fn the_same_mistake_at_many_places_is_shown_once() {
        let file = file(&"x\n".repeat(9));
        let mut all = Diagnostics::default();
        for line in 0..9 {
            all.push(
                Diagnostic::error("there is no module `x`").at(&Span::new(&file, line * 2..line * 2 + 1), ""),
            );
        }
        insta::assert_snapshot!(all.render(false));
    }
}
