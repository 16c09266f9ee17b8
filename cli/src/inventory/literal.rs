//! Values of an INI inventory: Python literals as `ast.literal_eval` reads them (`5`, `True`, `['a', 1]`,
//! `{'k': None}`); everything else is text, `true` and `0644` among it.

use crate::source::Span;
use crate::yaml::{Kind, Mapping, Node};

/// The value of a text.
pub(super) fn value(text: &str, span: &Span) -> Node {
    let mut reader = Literal { rest: text.trim_start_matches([' ', '\t']), span };
    let parsed = reader.whole();
    parsed.unwrap_or_else(|| Node::text(span, text))
}

/// A parser for one literal; none stands for "not a literal".
struct Literal<'a> {
    rest: &'a str,
    span: &'a Span,
}

impl Literal<'_> {
    fn whole(&mut self) -> Option<Node> {
        let first = self.item()?;
        self.skip_blanks();
        let mut items = vec![first];
        let mut is_tuple = false;
        while self.take(',') {
            is_tuple = true;
            self.skip_blanks();
            if self.rest.is_empty() {
                break;
            }
            items.push(self.item()?);
            self.skip_blanks();
        }
        if !self.rest.is_empty() {
            return None;
        }
        if is_tuple { Some(Node::seq(self.span, items)) } else { items.pop() }
    }

    fn item(&mut self) -> Option<Node> {
        self.skip_blanks();
        let kind = match self.rest.chars().next()? {
            '[' => return self.items('[', ']').map(|items| Node::seq(self.span, items)),
            '(' => return self.parenthesized(),
            '{' => return self.braces(),
            's' if self.take_word("set()") => return Some(Node::seq(self.span, Vec::new())),
            '.' if self.take_word("...") => Kind::Str("...".into()),
            c if c.is_ascii_digit() || matches!(c, '.' | '-' | '+') => self.number()?,
            _ => self.word_or_text()?,
        };
        Some(Node::new(self.span, kind))
    }

    fn items(&mut self, open: char, close: char) -> Option<Vec<Node>> {
        self.take(open);
        let mut items = Vec::new();
        loop {
            self.skip_blanks();
            if self.take(close) {
                return Some(items);
            }
            items.push(self.item()?);
            self.skip_blanks();
            if !self.take(',') {
                self.skip_blanks();
                return self.take(close).then_some(items);
            }
        }
    }

    /// `(1)` is a number, `(1,)` and `()` are lists.
    fn parenthesized(&mut self) -> Option<Node> {
        let before = self.rest;
        let mut items = self.items('(', ')')?;
        let written = &before[..before.len() - self.rest.len()];
        let has_comma = written.trim_end_matches(')').trim_end().ends_with(',');
        if items.len() == 1 && !has_comma { items.pop() } else { Some(Node::seq(self.span, items)) }
    }

    /// A mapping, or a set, which becomes a list.
    fn braces(&mut self) -> Option<Node> {
        self.take('{');
        let mut mapping = Mapping::default();
        let mut items = Vec::new();
        loop {
            self.skip_blanks();
            if self.take('}') {
                break;
            }
            let key = self.item()?;
            self.skip_blanks();
            if self.take(':') {
                mapping.insert(key, self.item()?);
            } else {
                items.push(key);
            }
            self.skip_blanks();
            if !self.take(',') {
                self.skip_blanks();
                if !self.take('}') {
                    return None;
                }
                break;
            }
        }
        match (mapping.is_empty(), items.is_empty()) {
            (_, true) => Some(Node::map(self.span, mapping)),
            (true, false) => Some(Node::seq(self.span, items)),
            (false, false) => None,
        }
    }

    fn number(&mut self) -> Option<Kind> {
        let negative = self.rest.starts_with('-');
        if self.rest.starts_with(['-', '+']) {
            self.rest = self.rest[1..].trim_start();
        }
        let mut end = 0;
        for (at, c) in self.rest.char_indices() {
            let is_exponent_sign = matches!(c, '+' | '-') && self.rest[..at].ends_with(['e', 'E']);
            let is_hex = self.rest.starts_with("0x") || self.rest.starts_with("0X");
            let is_part = c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
            if !is_part && (!is_exponent_sign || is_hex) {
                break;
            }
            end = at + c.len_utf8();
        }
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        // There are no imaginary numbers outside of Python: they stay as they are written.
        if let Some(real) = digits.strip_suffix(['j', 'J']) {
            float(real).or_else(|| int(real).map(|_| 0.0))?;
            let sign = if negative { "-" } else { "" };
            return Some(Kind::Str(format!("{sign}{real}j").into()));
        }
        let kind = int(digits).map(Kind::Int).or_else(|| float(digits).map(Kind::Float))?;
        Some(match kind {
            Kind::Int(value) if negative => Kind::Int(-value),
            Kind::Float(value) if negative => Kind::Float(-value),
            kind => kind,
        })
    }

    fn word_or_text(&mut self) -> Option<Kind> {
        for (word, kind) in [("True", Kind::Bool(true)), ("False", Kind::Bool(false)), ("None", Kind::Null)] {
            if let Some(rest) = self.rest.strip_prefix(word)
                && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                self.rest = rest;
                return Some(kind);
            }
        }
        // Texts that follow each other are one text.
        let mut text = self.text()?;
        loop {
            self.skip_blanks();
            match self.text() {
                Some(more) => text.push_str(&more),
                None => return Some(Kind::Str(text.into())),
            }
        }
    }

    /// None, with nothing consumed, where no text begins here.
    fn text(&mut self) -> Option<String> {
        let quote_at = self.rest.find(['"', '\''])?;
        let prefix = self.rest[..quote_at].to_ascii_lowercase();
        if !matches!(prefix.as_str(), "" | "r" | "u" | "b" | "br" | "rb") {
            return None;
        }
        let quoted = &self.rest[quote_at..];
        let single = &quoted[..1];
        let triple = single.repeat(3);
        let quote = if quoted.starts_with(&triple) { triple.as_str() } else { single };
        let body = &quoted[quote.len()..];
        let end = closing(body, quote)?;
        let text = &body[..end];
        if quote.len() == 1 && text.contains('\n') {
            return None;
        }
        let text = if prefix.contains('r') { text.to_owned() } else { unescape(text)? };
        self.rest = &body[end + quote.len()..];
        Some(text)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        rest.map(|rest| self.rest = rest).is_some()
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Blanks, and a comment, which runs to the end.
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('#') {
            self.rest = "";
        }
    }
}

fn closing(body: &str, quote: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if body[at..].starts_with(quote) {
            return Some(at);
        }
    }
    None
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = rest[at + 1..].chars().next()?;
        let after = &rest[at + 1 + escaped.len_utf8()..];
        rest = match escaped {
            '\n' => after,
            '\\' | '\'' | '"' => push(&mut out, escaped, after),
            'n' => push(&mut out, '\n', after),
            't' => push(&mut out, '\t', after),
            'r' => push(&mut out, '\r', after),
            'a' => push(&mut out, '\x07', after),
            'b' => push(&mut out, '\x08', after),
            'f' => push(&mut out, '\x0c', after),
            'v' => push(&mut out, '\x0b', after),
            'x' => push_code(&mut out, after, 2, 16)?,
            'u' => push_code(&mut out, after, 4, 16)?,
            'U' => push_code(&mut out, after, 8, 16)?,
            '0'..='7' => {
                let digits = &rest[at + 1..];
                let length = digits.chars().take(3).take_while(|c| c.is_digit(8)).count();
                push_code(&mut out, digits, length, 8)?
            }
            'N' => return None,
            other => {
                out.push('\\');
                push(&mut out, other, after)
            }
        };
    }
    out.push_str(rest);
    Some(out)
}

fn push<'a>(out: &mut String, c: char, rest: &'a str) -> &'a str {
    out.push(c);
    rest
}

fn push_code<'a>(out: &mut String, rest: &'a str, length: usize, base: u32) -> Option<&'a str> {
    let code = u32::from_str_radix(rest.get(..length)?, base).ok()?;
    out.push(char::from_u32(code)?);
    Some(&rest[length..])
}

fn int(text: &str) -> Option<i128> {
    let (digits, base) = match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (text[2..].strip_prefix('_').unwrap_or(&text[2..]), 16),
        Some("0o") => (text[2..].strip_prefix('_').unwrap_or(&text[2..]), 8),
        Some("0b") => (text[2..].strip_prefix('_').unwrap_or(&text[2..]), 2),
        _ => (text, 10),
    };
    let has_leading_zero =
        base == 10 && digits.starts_with('0') && digits.contains(|c| matches!(c, '1'..='9'));
    if has_leading_zero || !has_single_underscores(digits) {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), base).ok()
}

fn float(text: &str) -> Option<f64> {
    let is_decimal =
        text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E' | '+' | '-'));
    let is_float = text.contains(['.', 'e', 'E']) && text.contains(|c: char| c.is_ascii_digit());
    let fine = is_decimal
        && is_float
        && text.split(['.', 'e', 'E', '+', '-']).all(|d| d.is_empty() || has_single_underscores(d));
    if fine { text.replace('_', "").parse().ok() } else { None }
}

fn has_single_underscores(digits: &str) -> bool {
    !digits.is_empty() && !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input and what Python's `ast.literal_eval` makes of it, as JSON; text where it refuses.
    #[test]
    fn values_mean_what_python_says() {
        let cases = [
            ("5", "5"),
            ("-5", "-5"),
            ("0644", "\"0644\""),
            ("00", "0"),
            ("0o644", "420"),
            ("1_000", "1000"),
            ("1__0", "\"1__0\""),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
            ("1.2.3", "\"1.2.3\""),
            ("10.0.0.1", "\"10.0.0.1\""),
            ("True", "true"),
            ("true", "\"true\""),
            ("yes", "\"yes\""),
            ("None", "null"),
            ("null", "\"null\""),
            ("Nonesuch", "\"Nonesuch\""),
            ("'quoted'", "\"quoted\""),
            ("'a' 'b'", "\"ab\""),
            ("'a", "\"'a\""),
            (r"'a\tb\x41'", "\"a\\tbA\""),
            (r"r'a\tb'", "\"a\\\\tb\""),
            ("[1, 'a', [True]]", "[1, \"a\", [true]]"),
            ("[1,", "\"[1,\""),
            ("(1)", "1"),
            ("(1,)", "[1]"),
            ("()", "[]"),
            ("1, 2", "[1, 2]"),
            ("{'a': 1, 2: None}", "{\"a\": 1, 2: null}"),
            ("{1, 2}", "[1, 2]"),
            ("{}", "{}"),
            ("5 # five", "5"),
            ("five # 5", "\"five # 5\""),
            ("{{ x }}", "\"{{ x }}\""),
            ("a b", "\"a b\""),
            ("", "\"\""),
        ];
        let span = Span::outside("test");
        for (text, expected) in cases {
            assert_eq!(format!("{:?}", value(text, &span)), expected, "of `{text}`");
        }
    }
}
