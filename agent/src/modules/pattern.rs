//! Regular expressions as Python's `re` writes them, carried out by fancy-regex; and Python's replacement texts.

use super::Failure;
use fancy_regex::{Captures, Regex, RegexBuilder};

/// Steps back that one search may take: an expression that explodes ends with an error, not with a hanging host.
const BACKTRACK_MAX: usize = 2_000_000;

/// How `.`, `^` and `$` behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    /// Python's default.
    None,
    /// `re.MULTILINE`.
    Multiline,
    /// `re.DOTALL`.
    DotAll,
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    written: String,
}

impl Pattern {
    /// Compiles the expression of the argument of that name.
    pub(super) fn of(argument: &str, written: &str, flags: Flags) -> Result<Self, Failure> {
        let translated = translate(written, flags == Flags::Multiline);
        let flagged = match flags {
            Flags::None => translated,
            Flags::Multiline => format!("(?m){translated}"),
            Flags::DotAll => format!("(?s){translated}"),
        };
        let compiled = RegexBuilder::new(&flagged).backtrack_limit(BACKTRACK_MAX).build();
        let regex = compiled.map_err(|error| {
            Failure::new(format!("`{argument}` `{written}` is not a regular expression: {error}"))
        })?;
        Ok(Self { regex, written: written.to_owned() })
    }

    /// Whether the expression says itself that `^` and `$` match at lines: it is searched for in the whole text then.
    pub(super) fn spans_lines(&self) -> bool {
        has_inline_flag(&self.written, 'm')
    }

    pub(super) fn is_in(&self, text: &str) -> Result<bool, Failure> {
        self.regex.is_match(text).map_err(|error| self.too_hard(&error))
    }

    pub(super) fn find<'t>(&self, text: &'t str) -> Result<Option<Captures<'t, str>>, Failure> {
        self.regex.captures(text).map_err(|error| self.too_hard(&error))
    }

    /// The names of its groups.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }

    /// Every match replaced, and how many there were.
    pub(super) fn replace_all(
        &self,
        text: &str,
        replacement: &Replacement,
    ) -> Result<(String, usize), Failure> {
        let (mut result, mut end, mut count) = (String::new(), 0, 0);
        for found in self.regex.captures_iter(text) {
            let found = found.map_err(|error| self.too_hard(&error))?;
            let Some(whole) = found.get(0) else { continue };
            result.push_str(&text[end..whole.start()]);
            result.push_str(&replacement.expand(&found)?);
            end = whole.end();
            count += 1;
        }
        result.push_str(&text[end..]);
        Ok((result, count))
    }

    fn too_hard(&self, error: &fancy_regex::Error) -> Failure {
        Failure::new(format!("the expression `{}` cannot be searched for: {error}", self.written))
    }
}

/// What differs between Python's syntax and ours: `$` before a last newline, `\Z`, and characters that are
/// plain in Python's classes and outside of repetitions.
fn translate(written: &str, is_multiline: bool) -> String {
    let is_multiline = is_multiline || has_inline_flag(written, 'm');
    let letters: Vec<char> = written.chars().collect();
    let mut result = String::with_capacity(written.len() + 8);
    let mut at = 0;
    let mut class_start = None;
    while at < letters.len() {
        let letter = letters[at];
        let next = letters.get(at + 1).copied();
        match letter {
            '\\' => {
                match next {
                    Some('Z') => result.push_str("\\z"),
                    Some(plain) if !plain.is_ascii_alphanumeric() => push_plain(&mut result, plain),
                    Some(other) => result.extend(['\\', other]),
                    None => result.push('\\'),
                }
                at += 1;
            }
            '[' if class_start.is_none() => {
                result.push('[');
                if next == Some('^') {
                    result.push('^');
                    at += 1;
                }
                class_start = Some(at + 1);
            }
            ']' if class_start == Some(at) => result.push_str("\\]"),
            ']' if class_start.is_some() => {
                class_start = None;
                result.push(']');
            }
            '[' | '&' | '~' if class_start.is_some() => push_plain(&mut result, letter),
            '$' if class_start.is_none() && !is_multiline => result.push_str("(?=\\n?\\z)"),
            '{' if class_start.is_none() && !is_repetition(&letters[at..]) => result.push_str("\\{"),
            '}' if class_start.is_none() && !ends_repetition(&letters[..at]) => result.push_str("\\}"),
            other => result.push(other),
        }
        at += 1;
    }
    result
}

fn push_plain(result: &mut String, letter: char) {
    if letter.is_ascii_punctuation()
        && !matches!(
            letter,
            '<' | '>' | '"' | '\'' | '`' | '%' | ',' | ';' | ':' | '!' | '=' | '@' | '_' | '/'
        )
    {
        result.push('\\');
    }
    result.push(letter);
}

fn has_inline_flag(written: &str, flag: char) -> bool {
    let flags = written.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    flags.is_some_and(|(flags, _)| flags.chars().all(char::is_alphabetic) && flags.contains(flag))
}

/// `{2}`, `{2,}`, `{,3}` or `{2,3}`.
fn is_repetition(from_brace: &[char]) -> bool {
    let inner: String = from_brace[1..].iter().take_while(|letter| **letter != '}').collect();
    let is_closed = from_brace.len() > inner.chars().count() + 1;
    is_closed
        && inner.chars().any(|letter| letter.is_ascii_digit())
        && inner.chars().all(|letter| letter.is_ascii_digit() || letter == ',')
        && inner.matches(',').count() <= 1
}

fn ends_repetition(before_brace: &[char]) -> bool {
    let start = before_brace.iter().rposition(|letter| *letter == '{');
    let is_escaped = |start: usize| start > 0 && before_brace[start - 1] == '\\';
    start.is_some_and(|start| {
        let mut piece = before_brace[start..].to_vec();
        piece.push('}');
        !is_escaped(start) && is_repetition(&piece)
    }) || names_group(before_brace)
}

/// `\x{41}` and `\p{L}` have braces that are no repetition.
fn names_group(before_brace: &[char]) -> bool {
    let start = before_brace.iter().rposition(|letter| *letter == '{');
    start.is_some_and(|start| {
        start >= 2
            && before_brace[start - 2] == '\\'
            && matches!(before_brace[start - 1], 'x' | 'p' | 'P' | 'u')
    })
}

/// A replacement text: `\1`, `\g<1>`, `\g<name>`, `\n`, `\t`, `\\`.
#[derive(Debug)]
pub(super) struct Replacement {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
    Name(String),
}

impl Replacement {
    pub(super) fn of(written: &str) -> Result<Self, Failure> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = written;
        while let Some(slash) = rest.find('\\') {
            text.push_str(&rest[..slash]);
            rest = &rest[slash + 1..];
            let Some(letter) = rest.chars().next() else {
                return Err(Failure::new(format!(
                    "the replacement `{written}` ends with a single backslash"
                )));
            };
            let mut used = letter.len_utf8();
            match letter {
                '0' => text.push('\0'),
                '1'..='9' => {
                    let digits = rest.chars().take(2).take_while(char::is_ascii_digit).count();
                    used = digits;
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Group(rest[..digits].parse().unwrap_or(0)));
                }
                'g' => {
                    let name = rest[1..]
                        .strip_prefix('<')
                        .and_then(|inner| inner.split_once('>'))
                        .map(|(name, _)| name);
                    let name = name.ok_or_else(|| {
                        Failure::new(format!("`\\g` without `<group>` in the replacement `{written}`"))
                    })?;
                    used = name.len() + 3;
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(name.parse().map_or_else(|_| Part::Name(name.to_owned()), Part::Group));
                }
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'a' => text.push('\x07'),
                'b' => text.push('\x08'),
                'f' => text.push('\x0c'),
                'v' => text.push('\x0b'),
                '\\' => text.push('\\'),
                letter if letter.is_ascii_alphabetic() => {
                    return Err(Failure::new(format!(
                        "`\\{letter}` has no meaning in the replacement `{written}`"
                    )));
                }
                other => text.extend(['\\', other]),
            }
            rest = &rest[used..];
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Self { parts })
    }

    /// The text for one match; a group that took no part is empty.
    pub(super) fn expand(&self, found: &Captures<'_, str>) -> Result<String, Failure> {
        let mut result = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => result.push_str(text),
                Part::Group(number) if *number < found.len() => {
                    result.push_str(found.get(*number).map_or("", |group| group.as_str()));
                }
                Part::Group(number) => {
                    return Err(Failure::new(format!(
                        "the expression has no group {number} for the replacement"
                    )));
                }
                Part::Name(name) => result.push_str(found.name(name).map_or("", |group| group.as_str())),
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(regexp: &str, with: &str, text: &str) -> String {
        let pattern = Pattern::of("regexp", regexp, Flags::Multiline).expect("compiles");
        pattern.replace_all(text, &Replacement::of(with).expect("reads")).expect("searches").0
    }

    #[test]
    fn dollar_matches_before_the_last_newline() {
        let pattern = Pattern::of("regexp", "^a b$", Flags::None).expect("compiles");
        assert!(pattern.is_in("a b\n").expect("searches"));
        assert!(!pattern.is_in("a b\nc").expect("searches"));
    }

    #[test]
    fn what_python_takes_as_plain_is_plain() {
        for (regexp, text) in [
            ("a{b}", "a{b}"),
            ("[[a]", "["),
            ("[]a]", "]"),
            ("[^]a]", "x"),
            ("[a&&b]", "&"),
            (r"\<x\>", "<x>"),
            (r"\/\-\ \#\'", "/- #'"),
            (r"x{2}", "xx"),
            (r"\.\$\{A\}", ".${A}"),
            (r"a\Z", "a"),
            (r"(?P<n>a)(?P=n)", "aa"),
            (r"(?i)ABC", "abc"),
            (r"(a)(?=b)\1?", "ab"),
        ] {
            let pattern = Pattern::of("regexp", regexp, Flags::None).expect(regexp);
            assert!(pattern.is_in(text).expect(regexp), "`{regexp}` in `{text}`");
        }
    }

    #[test]
    fn groups_are_put_into_the_replacement() {
        assert_eq!(
            replaced(r"^(\w+)=(?P<v>\w+)$", r"\2=\1\t\g<v>\\\n", "a=b\nc=d"),
            "b=a\tb\\\n\nd=c\td\\\n"
        );
        assert_eq!(replaced("x(y)?", r"[\1]", "x xy"), "[] [y]");
    }

    #[test]
    fn lines_on_loopback_lose_their_name() {
        let regexp = r"^((?:127\.|::1)[^#\n]*?)[ \t]+node1(?=[ \t]|$)";
        assert_eq!(
            replaced(regexp, r"\1", "127.0.1.1 node1\n127.0.0.1 localhost node1 x\n"),
            "127.0.1.1\n127.0.0.1 localhost x\n"
        );
    }

    #[test]
    fn mistakes_are_named() {
        let error = Pattern::of("regexp", "(a", Flags::None).expect_err("unclosed").msg;
        assert!(error.contains("`regexp` `(a`"), "{error}");
        assert!(Replacement::of(r"\q").is_err() && Replacement::of("x\\").is_err());
    }
}
