//! Arguments of a task written as text: `copy: src=a dest="b c"` and `command: make install chdir=/src`.
//!
//! Words are split at blanks outside quotes and outside template braces. A module that takes free text keeps all of
//! it as it stands but for the few options that such modules have.

use super::Args;
use crate::error::Diagnostic;
use crate::yaml::{Kind, Mapping, Node, Style, Tag};
use std::ops::Range;

/// The options that are taken out of free text; everything else with a `=` belongs to the text.
const FREE_TEXT_OPTIONS: [&str; 8] =
    ["creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"];

/// How a module takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextForm {
    /// All of it is one command.
    Command,
    /// `name=value` words; the rest is free text.
    Words,
}

impl TextForm {
    /// The form that a module of that bare name has.
    pub(super) fn of(module: &str) -> Self {
        match module {
            "command" | "shell" | "script" | "raw" | "win_command" | "win_shell" => Self::Command,
            _ => Self::Words,
        }
    }
}

/// The arguments in a text.
///
/// # Errors
///
/// Where a quote or a template brace is not closed.
pub(super) fn parse(text: &Node, form: TextForm) -> Result<Args, Diagnostic> {
    let written = text.as_str().unwrap_or("");
    if text.tag == Tag::Vault {
        return Ok(Args { free_form: Some(text.clone()), ..Args::default() });
    }
    if form == TextForm::Words && is_one_template(written) {
        return Ok(Args { template: Some(text.clone()), ..Args::default() });
    }
    let words = split(written).map_err(|open| open.at(text))?;
    let mut named = Mapping::default();
    let mut free = Vec::new();
    for word in words {
        match option(&written[word.clone()], form) {
            Some(equals) => {
                let (name, value) = name_and_value(text, &word, equals);
                named.insert(name, value);
            }
            None => free.push(word),
        }
    }
    let end = match form {
        // The last line of a block of lines keeps its end.
        TextForm::Command => line_end(written, &free),
        TextForm::Words => "",
    };
    let free_form = free_text(text, written, &free, end);
    Ok(Args { free_form, named, template: None })
}

/// `{{ … }}` and nothing else.
pub(super) fn is_one_template(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1
}

/// Where the `=` of an option is; none for a word of free text. The name may be a template.
fn option(word: &str, form: TextForm) -> Option<usize> {
    let mut is_in_braces = false;
    let equals = word.char_indices().find_map(|(at, c)| {
        let rest = &word[at..];
        is_in_braces = (is_in_braces || rest.starts_with("{{")) && !word[..at].ends_with("}}");
        (c == '=' && at > 0 && !is_in_braces && !word[..at].ends_with('\\')).then_some(at)
    })?;
    let name = word[..equals].trim();
    let is_name = match form {
        TextForm::Command => FREE_TEXT_OPTIONS.contains(&name),
        TextForm::Words => !name.starts_with(['"', '\'']),
    };
    is_name.then_some(equals)
}

fn name_and_value(text: &Node, word: &Range<usize>, equals: usize) -> (Node, Node) {
    let written = &text.as_str().unwrap_or("")[word.clone()];
    let name_span = text.span_of(word.start..word.start + equals);
    let value_span = text.span_of(word.start + equals + 1..word.end);
    let value = unescape(unquote(written[equals + 1..].trim()));
    let value = Node { tag: text.tag, ..Node::text(&value_span, value) };
    (Node::text(&name_span, written[..equals].trim()), value)
}

/// What is left when the options are taken out; between two words of it the blanks stay as they are.
fn free_text(text: &Node, written: &str, free: &[Range<usize>], end: &str) -> Option<Node> {
    let (first, last) = (free.first()?, free.last()?);
    let is_whole = free.windows(2).all(|pair| {
        let between = &written[pair[0].end..pair[1].start];
        between.chars().all(char::is_whitespace)
    });
    if is_whole {
        // Untouched, so places inside it are exact.
        let range = first.start..last.end + end.len();
        let style = if range == (0..written.len()) { text.style } else { Style::Other };
        let kind = Kind::Str(written[range.clone()].into());
        return Some(Node { span: text.span_of(range), tag: text.tag, style, kind });
    }
    let mut joined = String::new();
    for (index, word) in free.iter().enumerate() {
        if let Some(before) = index.checked_sub(1).map(|before| &free[before]) {
            let between = &written[before.end..word.start];
            let is_blank = between.chars().all(char::is_whitespace);
            joined.push_str(if is_blank { between } else { " " });
        }
        joined.push_str(&written[word.clone()]);
    }
    joined.push_str(end);
    let span = text.span_of(first.start..last.end);
    Some(Node { tag: text.tag, ..Node::text(&span, joined) })
}

/// The newlines behind the last word, where nothing else is there.
fn line_end<'t>(written: &'t str, free: &[Range<usize>]) -> &'t str {
    let rest = free.last().map_or("", |last| &written[last.end..]);
    if !rest.is_empty() && rest.chars().all(|c| c == '\n') { rest } else { "" }
}

/// The words of `a=1 b="two words" c={{ 'x' }}`, without their quotes.
///
/// # Errors
///
/// A sentence: a quote or a template brace is not closed.
pub(crate) fn split_arguments(text: &str) -> Result<Vec<String>, String> {
    let words = split(text).map_err(|open| format!("`{}` is not closed in `{text}`", open.what))?;
    let bare = |word: &str| match word.split_once('=') {
        Some((name, value)) => format!("{name}={}", unescape(unquote(value))),
        None => unescape(unquote(word)),
    };
    Ok(words.into_iter().map(|word| bare(&text[word])).collect())
}

/// What is not closed at the end of a text, and the byte at which it was opened.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    what: &'static str,
    at: usize,
}

impl Open {
    fn at(&self, text: &Node) -> Diagnostic {
        let Self { what, at } = self;
        let length = what.len();
        Diagnostic::error(format!("`{what}` is not closed in the arguments"))
            .at(&text.span_of(*at..at + length), "opened here")
            .hint("write the arguments as a mapping below the module, or close it")
    }
}

/// The words of a text, as bytes. Quotes and template braces may hold blanks.
fn split(text: &str) -> Result<Vec<Range<usize>>, Open> {
    const BRACES: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut word_start = None;
    let mut quote: Option<(char, usize)> = None;
    let mut brace: Option<(&str, &str, usize)> = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        match (quote, brace) {
            (Some((open, _)), _) if c == open && before != '\\' => quote = None,
            (None, _) if matches!(c, '"' | '\'') && before != '\\' => quote = Some((c, at)),
            (_, Some((_, close, opened))) if rest.starts_with(close) && at > opened => brace = None,
            (_, None) => {
                let opening = BRACES.into_iter().find(|(open, _)| rest.starts_with(open));
                brace = opening.map(|(open, close)| (open, close, at + 1));
            }
            _ => {}
        }
        before = if c == '\\' && before == '\\' { ' ' } else { c };
        let is_between = c.is_whitespace() && quote.is_none() && brace.is_none();
        match word_start {
            Some(start) if is_between => {
                words.push(start..at);
                word_start = None;
            }
            None if !is_between => word_start = Some(at),
            _ => {}
        }
    }
    if let Some((open, at)) = quote {
        return Err(Open { what: if open == '"' { "\"" } else { "'" }, at });
    }
    if let Some((what, _, after)) = brace {
        return Err(Open { what, at: after - 1 });
    }
    words.extend(word_start.map(|start| start..text.len()));
    // A backslash alone at the end of a line continues it.
    words.retain(|word| &text[word.clone()] != "\\");
    Ok(words)
}

fn unquote(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| text.get(1..)?.strip_suffix(quote));
    inner.filter(|inner| !inner.ends_with('\\')).unwrap_or(text)
}

/// The escapes of text arguments, those of Python. Others stay, so that most expressions do; `\b` is one that does not.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = escaped(&rest[1..]).unwrap_or(('\\', 0));
        out.push(c);
        rest = &rest[1 + length..];
    }
    out + rest
}

/// The character that what follows a backslash stands for, and how many bytes that is.
fn escaped(text: &str) -> Option<(char, usize)> {
    let first = text.chars().next()?;
    let plain = match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '"' | '\'' => first,
        'x' | 'u' | 'U' => return numbered(text),
        _ => return None,
    };
    Some((plain, 1))
}

/// `x41`, `u00e9`, `U0001f600`.
fn numbered(text: &str) -> Option<(char, usize)> {
    let digits = match text.as_bytes().first()? {
        b'x' => 2,
        b'u' => 4,
        _ => 8,
    };
    let number =
        text.get(1..=digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((char::from_u32(u32::from_str_radix(number, 16).ok()?)?, 1 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceFile, Span};

    fn plain(text: &str) -> Node {
        let file = SourceFile::new("t.yml", text);
        let span = Span::new(&file, 0..text.len());
        Node { style: Style::Plain, ..Node::text(&span, text) }
    }

    fn shown(text: &str, form: TextForm) -> String {
        let args = parse(&plain(text), form).unwrap();
        format!("{:?} {:?}", args.named, args.free_form.or(args.template))
    }

    #[test]
    fn words_become_named_arguments() {
        assert_eq!(
            shown(r#"src=a dest="b c" mode=0644 line='x\ty'"#, TextForm::Words),
            r#"{"src": "a", "dest": "b c", "mode": "0644", "line": "x\ty"} None"#
        );
        assert_eq!(
            shown("msg={{ a == b }} var='{{ x | d(\"y z\") }}'", TextForm::Words),
            r#"{"msg": "{{ a == b }}", "var": "{{ x | d(\"y z\") }}"} None"#
        );
    }

    #[test]
    fn escapes_of_python_are_resolved_and_others_stay() {
        assert_eq!(unescape(r"a\tb\x41\u00e9\\\d\1\xzz\"), "a\tbA\u{e9}\\\\d\\1\\xzz\\");
        assert_eq!(unescape(r"\bword\\b"), "\u{8}word\\b");
    }

    #[test]
    fn a_command_keeps_its_text_but_for_its_options() {
        assert_eq!(
            shown("make  X=1 'a b' chdir=/src install", TextForm::Command),
            r#"{"chdir": "/src"} Some("make  X=1 'a b' install")"#
        );
        assert_eq!(shown("echo a\necho  b", TextForm::Command), r#"{} Some("echo a\necho  b")"#);
        assert_eq!(shown("echo a \\\n| cat\n", TextForm::Command), r#"{} Some("echo a | cat\n")"#);
        assert_eq!(shown("chdir=/x\necho\n", TextForm::Command), r#"{"chdir": "/x"} Some("echo\n")"#);
    }

    #[test]
    fn free_text_before_options_is_told_apart_from_them() {
        assert_eq!(shown("tasks.yml tags=x", TextForm::Words), r#"{"tags": "x"} Some("tasks.yml")"#);
        assert_eq!(shown("{{ options }}", TextForm::Words), r#"{} Some("{{ options }}")"#);
        assert_eq!(shown("{{ item[0] == 1 }}=x", TextForm::Words), r#"{"{{ item[0] == 1 }}": "x"} None"#);
    }

    #[test]
    fn an_argument_knows_its_place() {
        let args = parse(&plain("src=a dest=b"), TextForm::Words).unwrap();
        assert_eq!(args.named.get("dest").unwrap().span.range(), 11..12);
    }

    #[test]
    fn an_open_quote_is_an_error() {
        let mistake = parse(&plain("echo it's"), TextForm::Command).unwrap_err();
        assert_eq!(mistake.title(), "`'` is not closed in the arguments");
    }
}
