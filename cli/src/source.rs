//! Texts that were read, and places in them. Everything parsed keeps its `Span` until it is reported; line
//! and column are only computed then.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A text with the name under which it is shown.
pub(crate) struct SourceFile {
    path: PathBuf,
    text: String,
    is_secret: bool,
    line_starts: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// A text that is already in memory; `path` may be any name that tells the user where it came from.
    pub(crate) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
            is_secret: false,
            line_starts: OnceLock::new(),
        })
    }

    /// A text that must not be shown, such as a decrypted vault file: reports name the place only.
    pub(crate) fn secret(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), is_secret: true, line_starts: OnceLock::new() })
    }

    /// Where the text came from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// The place of a byte offset; offsets past the end are the end.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let starts = self.line_starts();
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = starts.partition_point(|start| *start <= offset);
        let column = self.text[starts[line - 1]..offset].chars().count() + 1;
        Place { line, column }
    }

    /// The byte range of a line (counted from 1) without its line end; the last line where there are fewer.
    pub(crate) fn line_range(&self, line: usize) -> Range<usize> {
        let starts = self.line_starts();
        let index = line.clamp(1, starts.len()) - 1;
        let end = starts.get(index + 1).map_or(self.text.len(), |next| *next);
        let line_text = self.text[starts[index]..end].trim_end_matches(['\n', '\r']);
        starts[index]..starts[index] + line_text.len()
    }

    /// The text of a line (counted from 1).
    pub(crate) fn line(&self, line: usize) -> &str {
        &self.text[self.line_range(line)]
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        self.line_starts().len()
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let after_breaks = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after_breaks).collect()
        })
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceFile({})", self.path.display())
    }
}

/// A line and a column, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Counted from 1, in characters.
    pub(crate) column: usize,
}

/// A range of bytes in a text. Cheap to clone. Two spans are equal when they cover the same bytes of the
/// same reading of a file.
#[derive(Clone)]
pub(crate) struct Span {
    file: Arc<SourceFile>,
    start: u32,
    end: u32,
}

impl Span {
    /// A range of `file`; cut to the text and to whole characters.
    pub(crate) fn new(file: &Arc<SourceFile>, range: Range<usize>) -> Self {
        let clip = |offset: usize| {
            let mut offset = offset.min(file.text.len());
            while !file.text.is_char_boundary(offset) {
                offset -= 1;
            }
            // Texts of 4 GiB and more are refused when they are read.
            u32::try_from(offset).unwrap_or(u32::MAX)
        };
        let start = clip(range.start);
        Self { file: Arc::clone(file), start, end: clip(range.end).max(start) }
    }

    /// A place for values that no file holds: `name` says where they come from (`--extra-vars`).
    pub(crate) fn outside(name: &str) -> Self {
        Self::new(&SourceFile::new(name, ""), 0..0)
    }

    /// The text that the range is in.
    pub(crate) fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// The bytes covered.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The text covered.
    pub(crate) fn text(&self) -> &str {
        &self.file.text[self.range()]
    }

    /// Line and column of the start.
    pub(crate) fn place(&self) -> Place {
        self.file.place(self.start as usize)
    }

    /// `file:line:column`, seen from the current folder.
    pub(crate) fn seen_from_here(&self) -> String {
        let path = shown_path(&self.file.path);
        if self.file.text.is_empty() {
            return path;
        }
        let Place { line, column } = self.place();
        format!("{path}:{line}:{column}")
    }

    /// Another range of the same text.
    pub(crate) fn with_range(&self, range: Range<usize>) -> Self {
        Self::new(&self.file, range)
    }

    /// The first line of the range only.
    pub(crate) fn first_line(&self) -> Self {
        let text = self.text();
        let length = text.find('\n').unwrap_or(text.len());
        let length = text[..length].trim_end().len();
        self.with_range(self.start as usize..self.start as usize + length)
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.start == other.start && self.end == other.end
    }
}

impl Eq for Span {}

/// A path as seen from the current folder, where it lies below it.
pub(crate) fn shown_path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}

/// `file:line:column`, as compilers write it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.path.display();
        if self.file.text.is_empty() {
            return write!(f, "{path}");
        }
        let Place { line, column } = self.place();
        write!(f, "{path}:{line}:{column}")
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let file = SourceFile::new("a.yml", "eins\nzwölf: x\n");
        let span = Span::new(&file, 13..14);
        assert_eq!(span.text(), "x");
        assert_eq!(span.to_string(), "a.yml:2:8");
    }

    #[test]
    fn a_range_past_the_end_or_inside_a_character_is_cut() {
        let file = SourceFile::new("a.yml", "ö");
        assert_eq!(Span::new(&file, 1..99).range(), 0..2);
    }

    #[test]
    fn lines_come_without_their_ends() {
        let file = SourceFile::new("a.yml", "one\r\ntwo\n");
        assert_eq!((file.line(1), file.line(2), file.line(3)), ("one", "two", ""));
        assert_eq!(file.line_count(), 3);
    }
}
