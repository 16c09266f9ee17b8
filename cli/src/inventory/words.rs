//! Splits a line into words as a POSIX shell does (and Python's `shlex`, which Ansible uses): quotes, backslashes,
//! and comments that begin at a `#` even inside a word.

use std::ops::Range;

/// A word without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Its bytes in the line, quotes included.
    pub(super) range: Range<usize>,
}

/// What is wrong with the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// The quote at this byte is not closed.
    Quote(usize),
    /// The backslash at this byte is the last character.
    Backslash(usize),
}

/// The words of a line, and where a comment begins that cuts a word short.
pub(super) fn split(line: &str) -> Result<(Vec<Word>, Option<usize>), Unfinished> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '#' {
            let cuts_word = word.is_some().then_some(at);
            words.extend(word);
            return Ok((words, cuts_word));
        }
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let current = word.get_or_insert_with(|| Word { text: String::new(), range: at..at });
        match c {
            '\'' => single_quoted(&mut chars, at, &mut current.text)?,
            '"' => double_quoted(&mut chars, at, &mut current.text)?,
            '\\' => current.text.push(chars.next().ok_or(Unfinished::Backslash(at))?.1),
            other => current.text.push(other),
        }
        current.range.end = chars.peek().map_or(line.len(), |(next, _)| *next);
    }
    words.extend(word);
    Ok((words, None))
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

fn single_quoted(chars: &mut Chars<'_>, opened: usize, text: &mut String) -> Result<(), Unfinished> {
    for (_, c) in chars {
        if c == '\'' {
            return Ok(());
        }
        text.push(c);
    }
    Err(Unfinished::Quote(opened))
}

fn double_quoted(chars: &mut Chars<'_>, opened: usize, text: &mut String) -> Result<(), Unfinished> {
    while let Some((_, c)) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            },
            other => text.push(other),
        }
    }
    Err(Unfinished::Quote(opened))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().0.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_keep_blanks_and_are_removed() {
        assert_eq!(texts(r#"web a="x y" b='"q"' c=\ d"#), ["web", "a=x y", "b=\"q\"", "c= d"]);
    }

    #[test]
    fn a_comment_begins_even_inside_a_word() {
        assert_eq!(split("web a=1#2 b=3").unwrap().1, Some(7));
        assert_eq!(texts("web a=1 # b=3"), ["web", "a=1"]);
        assert_eq!(texts("web a='1#2'"), ["web", "a=1#2"]);
    }

    #[test]
    fn a_word_knows_its_bytes_with_quotes() {
        assert_eq!(split("web a='x y'").unwrap().0[1].range, 4..11);
    }

    #[test]
    fn an_open_quote_is_found() {
        assert_eq!(split("web a='x y"), Err(Unfinished::Quote(6)));
    }
}
