//! Turns a syntax error of the parser into a mistake that a person can act on: most are an unquoted `{{`, a
//! colon in a value, a tab, or a line that is indented differently from its neighbours.

use super::events::{ErrorKind, SyntaxError};
use super::{Kind, Node};
use crate::error::Diagnostic;
use crate::source::{SourceFile, Span};
use std::ops::Range;
use std::sync::Arc;

/// What is wrong, where, and what to write instead.
pub(super) fn explain(file: &Arc<SourceFile>, error: &SyntaxError) -> Diagnostic {
    let scene = Scene::new(file, error.offset);
    let by_kind = match error.kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => scene.tab(),
        ErrorKind::MappingValueNotAllowed => {
            scene.unquoted_template().or_else(|| scene.colon_in_value()).or_else(|| scene.missing_colon())
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            scene.unquoted_template().or_else(|| scene.text_after_end())
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            scene.text_after_quote()
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => scene.open_quote(),
        ErrorKind::UnexpectedCharacter { character } => scene.reserved_character(character),
        ErrorKind::MissingAnchorOrAliasName | ErrorKind::UnknownAnchor => scene.stray_alias(),
        ErrorKind::BlockSequenceEntryNotAllowed => Some(scene.list_beside_key()),
        _ => scene.unquoted_template().or_else(|| scene.open_bracket()),
    };
    let is_indentation = matches!(
        error.kind,
        ErrorKind::MappingValueNotAllowed
            | ErrorKind::ExpectedBlockMappingKey
            | ErrorKind::ExpectedBlockSequenceEntry
            | ErrorKind::InvalidIndentation
    );
    by_kind
        .or_else(|| if is_indentation { scene.indentation() } else { None })
        .unwrap_or_else(|| scene.as_the_parser_says(&error.message))
}

/// Refuses a mapping or a list as a key; `{{ x }}` without quotes is read as one.
pub(super) fn check_key(key: &Node, value: &Node) -> Result<(), Diagnostic> {
    if !matches!(key.kind, Kind::Map(_) | Kind::Seq(_)) {
        return Ok(());
    }
    let file = key.span.file();
    let start = key.span.range().start;
    let is_template = value.is_null() && start > 0 && file.text()[start - 1..].starts_with("{{");
    if is_template {
        let scene = Scene::new(file, start);
        let template = start - 1;
        return Err(scene.needs_quotes(template, "a value that begins with `{{` needs quotes"));
    }
    Err(Diagnostic::error(format!("{} cannot be a key", key.describe())).at(&key.span.first_line(), ""))
}

/// The line on which the parser stopped.
struct Scene<'a> {
    file: &'a Arc<SourceFile>,
    offset: usize,
    line_number: usize,
    line: Range<usize>,
}

impl<'a> Scene<'a> {
    fn new(file: &'a Arc<SourceFile>, offset: usize) -> Self {
        let line_number = file.place(offset).line;
        Self { file, offset, line_number, line: file.line_range(line_number) }
    }

    fn text(&self) -> &'a str {
        &self.file.text()[self.line.clone()]
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    fn here(&self) -> Span {
        let end = self.line.end.max(self.offset + 1);
        let word = self.file.text().get(self.offset..end).unwrap_or("");
        let length = word.find(char::is_whitespace).unwrap_or(word.len()).max(1);
        self.span(self.offset..self.offset + length)
    }

    fn as_the_parser_says(&self, message: &str) -> Diagnostic {
        Diagnostic::error(format!("not valid YAML: {message}")).at(&self.here(), "")
    }

    /// The first tab among the leading blanks of this line or of the next ones.
    fn tab(&self) -> Option<Diagnostic> {
        let last = self.file.line_count().min(self.line_number + 2);
        (self.line_number..=last).find_map(|number| {
            let line = self.file.line(number);
            let blanks = line.len() - line.trim_start().len();
            let tab = line[..blanks].find('\t')?;
            let start = self.file.line_range(number).start + tab;
            let tabs = line[tab..blanks].len();
            let mistake = Diagnostic::error("a tab in the indentation")
                .at(&self.span(start..start + tabs), "YAML is indented with spaces only")
                .hint("replace the tab with spaces, as many as in the lines beside it");
            Some(mistake)
        })
    }

    /// `key: {{ value }}` here, or on the line before where the parser noticed it late.
    fn unquoted_template(&self) -> Option<Diagnostic> {
        [self.line_number, self.line_number.saturating_sub(1).max(1)].into_iter().find_map(|number| {
            let range = self.file.line_range(number);
            let line = &self.file.text()[range.clone()];
            let braces = line.find("{{")?;
            let before = line[..braces].trim_end();
            let is_value = before.ends_with(": ".trim_end()) || before.ends_with('-') || before.is_empty();
            let blank_between = braces > before.len() || before.is_empty();
            (is_value && blank_between).then(|| {
                self.needs_quotes(range.start + braces, "a value that begins with `{{` needs quotes")
            })
        })
    }

    /// The value from `start` to the end of its line, put in quotes.
    fn needs_quotes(&self, start: usize, title: &str) -> Diagnostic {
        let line = self.file.line_range(self.file.place(start).line);
        let value = without_comment(&self.file.text()[start..line.end]);
        let span = self.span(start..start + value.len());
        Diagnostic::error(title).at(&span, "").replace(
            &span,
            quoted(value),
            "write the whole value in quotes",
        )
    }

    /// `name: Install: apache`, noticed at the second colon.
    fn colon_in_value(&self) -> Option<Diagnostic> {
        let before = &self.file.text()[self.line.start..self.offset];
        let first_colon = before.find(": ")?;
        let value = before[first_colon + 1..].trim_start();
        let value_start = self.offset - value.len();
        let mut mistake = self.needs_quotes(value_start, "a colon and a space in a value without quotes");
        let colon = self.span(self.offset..self.offset + 1);
        mistake = mistake.at(&colon, "here it looks like a key");
        Some(mistake)
    }

    /// `key` or `key:value` on the line before.
    fn missing_colon(&self) -> Option<Diagnostic> {
        let (number, before) = self.line_before()?;
        let word = before.trim_start().trim_start_matches("- ").trim();
        let start = self.file.line_range(number).end - before[before.find(word)?..].len();
        let span = self.span(start..start + word.len());
        if is_name(word) {
            let mistake = Diagnostic::error(format!("`:` is missing after `{word}`")).at(&span, "");
            return Some(mistake.replace(&span, format!("{word}:"), "write"));
        }
        let (name, value) = word.split_once(':')?;
        if !is_name(name) || value.starts_with([' ', '/']) || value.is_empty() {
            return None;
        }
        let mistake = Diagnostic::error(format!("a space is missing after `{name}:`")).at(&span, "");
        Some(mistake.replace(&span, format!("{name}: {value}"), "write"))
    }

    fn line_before(&self) -> Option<(usize, &'a str)> {
        (1..self.line_number).rev().map(|number| (number, self.file.line(number))).find(|(_, line)| {
            let text = line.trim();
            !text.is_empty() && !text.starts_with('#')
        })
    }

    /// `[a] b` and `{a: 1} b`.
    fn text_after_end(&self) -> Option<Diagnostic> {
        let before = &self.file.text()[self.line.start..self.offset];
        let bracket = before.trim_end().chars().next_back()?;
        if !matches!(bracket, ']' | '}') {
            return None;
        }
        let value = before.find(": ").map(|colon| before[colon + 1..].trim_start())?;
        Some(self.needs_quotes(self.offset - value.len(), &format!("text after the closing `{bracket}`")))
    }

    /// `"a" == b` and `'it's'`.
    fn text_after_quote(&self) -> Option<Diagnostic> {
        let before = &self.file.text()[self.line.start..self.offset];
        let quote = before.trim_end().chars().next_back()?;
        let opening = before.find(quote)?;
        Some(self.needs_quotes(self.line.start + opening, &format!("text after the closing quote {quote}")))
    }

    /// The opening quote that is never closed, on this line or on one before it.
    fn open_quote(&self) -> Option<Diagnostic> {
        let before = &self.file.text()[..self.offset];
        let at = before
            .char_indices()
            .rev()
            .find(|(at, c)| matches!(c, '"' | '\'') && before[..*at].ends_with([' ', '[', '{', ',', '(']))?
            .0;
        let quote = &before[at..=at];
        let span = self.span(at..self.file.line_range(self.file.place(at).line).end);
        Some(
            Diagnostic::error(format!("a quote {quote} that is not closed"))
                .at(&span, "opened here")
                .hint("close it at the end of the value"),
        )
    }

    fn reserved_character(&self, character: char) -> Option<Diagnostic> {
        matches!(character, '@' | '`' | '%').then(|| {
            self.needs_quotes(self.offset, &format!("a value that begins with `{character}` needs quotes"))
        })
    }

    /// `hosts: *.example.org`.
    fn stray_alias(&self) -> Option<Diagnostic> {
        let before = &self.file.text()[self.line.start..=self.offset.min(self.line.end.saturating_sub(1))];
        let sign = before.rfind(['*', '&'])?;
        let start = self.line.start + sign;
        let name = self.file.text()[start + 1..self.line.end].trim();
        let title = if self.file.text()[start..].starts_with('*') && is_name(name) {
            format!("no anchor `&{name}` is defined above")
        } else {
            format!("a value that begins with `{}` needs quotes", &before[sign..=sign])
        };
        let mistake = self.needs_quotes(start, &title);
        Some(mistake.note("without quotes `*name` refers to a value that is marked with `&name`"))
    }

    fn list_beside_key(&self) -> Diagnostic {
        Diagnostic::error("a list begins on the line of its key")
            .at(&self.here(), "put this on a line of its own")
    }

    /// The last bracket before the place that is not closed there.
    fn open_bracket(&self) -> Option<Diagnostic> {
        let mut open = Vec::new();
        for (at, c) in self.file.text()[..self.offset].char_indices() {
            match c {
                '[' | '{' => open.push((at, c)),
                ']' | '}' => {
                    open.pop();
                }
                _ => {}
            }
        }
        let (at, bracket) = open.pop()?;
        let mistake = Diagnostic::error(format!("`{bracket}` is not closed"))
            .at(&self.span(at..at + 1), "opened here")
            .at(&self.here(), "still inside here");
        Some(mistake)
    }

    /// The line is indented like no line that it could belong to.
    fn indentation(&self) -> Option<Diagnostic> {
        let line = self.text();
        let indent = line.len() - line.trim_start().len();
        let start = self.line.start + indent;
        if !self.file.text()[start..self.line.end.max(start)].is_empty() && self.offset < start {
            return None;
        }
        let (neighbour, column) = self.nearest_neighbour(indent)?;
        let first_word = |range: &Range<usize>| {
            let text = &self.file.text()[range.clone()];
            text.find(": ").map_or(text.len(), |colon| colon + 1).min(text.len())
        };
        let here = start..self.line.end;
        let here = start..start + first_word(&here);
        let there = neighbour.start..neighbour.start + first_word(&neighbour);
        let (here_text, there_text) = (&self.file.text()[here.clone()], &self.file.text()[there.clone()]);
        let is_entry = |text: &str| text.starts_with("- ") || text == "-";
        let title = match (is_entry(here_text), is_entry(there_text), indent == column) {
            (true, false, true) => "a list entry among the keys of a mapping",
            (false, true, true) => "a key among the entries of a list",
            _ => "this line is indented like none that it could belong to",
        };
        let mistake = Diagnostic::error(title)
            .at(&self.span(here), format!("begins in column {}", indent + 1))
            .at(&self.span(there), format!("begins in column {}", column + 1));
        Some(mistake.hint("entries of one list, and keys of one mapping, begin in the same column"))
    }

    /// The content above whose column is nearest, with that column; inside a list entry its first key counts too.
    fn nearest_neighbour(&self, indent: usize) -> Option<(Range<usize>, usize)> {
        let mut deepest_allowed = usize::MAX;
        let mut candidates: Vec<(Range<usize>, usize)> = Vec::new();
        for number in (1..self.line_number).rev() {
            let range = self.file.line_range(number);
            let line = &self.file.text()[range.clone()];
            let column = line.len() - line.trim_start().len();
            let is_content = !line.trim().is_empty() && !line.trim_start().starts_with('#');
            if !is_content || column >= deepest_allowed {
                continue;
            }
            if let Some(inner) = line.trim_start().strip_prefix("- ") {
                let inner_column = line.len() - inner.trim_start().len();
                if inner_column < deepest_allowed {
                    candidates.push((range.start + inner_column..range.end, inner_column));
                }
            }
            candidates.push((range.start + column..range.end, column));
            deepest_allowed = column;
            if column == 0 {
                break;
            }
        }
        candidates.into_iter().min_by_key(|(_, column)| column.abs_diff(indent))
    }
}

/// A word that could be a key.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn without_comment(value: &str) -> &str {
    value.find(" #").map_or(value, |comment| &value[..comment]).trim_end()
}

/// The text as a quoted YAML scalar, with whichever quotes need least escaping. Quotes around all of it, such
/// as those of `'it's'`, give way.
fn quoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let text = inner.filter(|inner| inner.contains('\'')).unwrap_or(text);
    if !text.contains('"') && !text.contains('\\') {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Diagnostics;
    use crate::source::SourceFile;

    fn screens(texts: &[&str]) -> String {
        let screen = |text: &&str| {
            let parsed = crate::yaml::parse(&SourceFile::new("t.yml", *text), &mut Diagnostics::default());
            parsed.map_or_else(|mistakes| mistakes.render(false), |node| format!("no mistake: {node:?}\n"))
        };
        texts.iter().map(screen).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_tab_is_shown() {
        insta::assert_snapshot!(screens(&["- hosts: all\n  tasks:\n\t- ping:\n", "- name: x\n\tping:\n"]));
    }

    #[test]
    fn an_unquoted_template_is_to_be_quoted() {
        insta::assert_snapshot!(screens(&[
            "- debug:\n    msg: {{ foo }}\n",
            "- debug:\n    msg: {{ foo }}/bar # why\n",
            "- debug:\n    msg: {{ foo | default(\"x\") }} and 'y'\n",
        ]));
    }

    #[test]
    fn a_colon_or_quotes_in_a_value_need_quotes_around_it() {
        insta::assert_snapshot!(screens(&[
            "- name: Install: apache\n",
            "- shell: echo \"a: b\"\n",
            "- when: \"foo\" == bar\n",
            "- a: 'it's'\n",
        ]));
    }

    #[test]
    fn wrong_indentation_shows_the_neighbour() {
        insta::assert_snapshot!(screens(&[
            "- hosts: all\n   tasks: []\n",
            "- hosts: all\n  tasks:\n    - a: 1\n   - b: 2\n",
            "a: 1\n- b\n",
            "- a\nb: 1\n",
        ]));
    }

    #[test]
    fn missing_and_reserved_characters_are_named() {
        insta::assert_snapshot!(screens(&[
            "hosts\nx: 1\n",
            "a:b\nc: d\n",
            "- a: \"x\n  b: y\n",
            "- a: @foo\n",
            "- hosts: *.example.org\n",
            "- a: [1, 2\n  b: 3\n",
            "a: - b\n",
            "a: !foo bar\n",
        ]));
    }
}
