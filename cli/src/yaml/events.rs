//! The only file that knows the YAML parser: its events with byte ranges, in our words.

use granit_parser::{Event as Parsed, Parser, StrInput};
use std::ops::Range;

pub(super) use granit_parser::{ErrorKind, ScalarStyle};

/// One event and the bytes that it comes from.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) range: Range<usize>,
    /// The bytes of the explicit tag, where there is one.
    pub(super) tag: Option<(String, Range<usize>)>,
    /// The number under which aliases refer to this node; 0 for none.
    pub(super) anchor: usize,
}

#[derive(Debug)]
pub(super) enum EventKind {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    Scalar(String, ScalarStyle),
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
    Alias(usize),
}

/// Why the text is not YAML, and at which byte that was noticed.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    pub(super) offset: usize,
    /// The same in the padded text.
    pub(super) padded_offset: usize,
}

/// The events of a text, comments left out.
pub(super) struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    padding: &'t [Padding],
}

/// Blanks that were put into a text before it was parsed: PyYAML lets quoted text go on in any column, this parser
/// wants it indented. Between two lines of quoted text blanks mean nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padding {
    /// The byte of the padded text at which the blanks begin.
    pub(super) at: usize,
    pub(super) length: usize,
}

impl Padding {
    /// More than any column that a block of the text can begin in.
    const BLANKS: usize = 600;

    /// Puts blanks before the character at a byte of the text.
    pub(super) fn insert(text: &mut String, at: usize) -> Self {
        text.insert_str(at, &" ".repeat(Self::BLANKS));
        Self { at, length: Self::BLANKS }
    }
}

impl<'t> Events<'t> {
    /// Of a text that was padded; the ranges of events are those of the text before.
    pub(super) fn new(text: &'t str, padding: &'t [Padding]) -> Self {
        let mut options = granit_parser::options! {};
        options.set_emit_comments(false);
        Self { parser: Parser::new_from_str_with_options(text, options), padding }
    }

    /// The next event; `StreamEnd` is the last.
    pub(super) fn next(&mut self) -> Result<Event, SyntaxError> {
        loop {
            let Some(next) = self.parser.next_event() else {
                return Ok(Event::plain(EventKind::StreamEnd, 0..0));
            };
            let (event, span) = next.map_err(|error| self.syntax_error(&error))?;
            let start = span.start.byte_offset().unwrap_or(0);
            let range = self.before_padding(start..span.end.byte_offset().unwrap_or(start).max(start));
            let tag_range = span.tag_span().and_then(|tag| tag.byte_range());
            let tag_range = tag_range.map_or(range.start..range.start, |range| self.before_padding(range));
            if let Some(event) = translate(event, range, tag_range) {
                return Ok(event);
            }
        }
    }
}

impl Events<'_> {
    fn syntax_error(&self, error: &granit_parser::ScanError) -> SyntaxError {
        let padded_offset = error.marker().byte_offset().unwrap_or(0);
        let offset = self.before_padding(padded_offset..padded_offset).start;
        SyntaxError { kind: error.kind().clone(), message: error.info(), offset, padded_offset }
    }

    fn before_padding(&self, range: Range<usize>) -> Range<usize> {
        let before = |offset: usize| {
            let inside = |padding: &Padding| offset.saturating_sub(padding.at).min(padding.length);
            offset - self.padding.iter().map(inside).sum::<usize>()
        };
        before(range.start)..before(range.end)
    }
}

impl Event {
    fn plain(kind: EventKind, range: Range<usize>) -> Self {
        Self { kind, range, tag: None, anchor: 0 }
    }
}

fn translate(event: Parsed<'_>, range: Range<usize>, tag_range: Range<usize>) -> Option<Event> {
    let (kind, anchor, tag) = match event {
        Parsed::DocumentStart(..) => (EventKind::DocumentStart, 0, None),
        Parsed::DocumentEnd => (EventKind::DocumentEnd, 0, None),
        Parsed::StreamEnd => (EventKind::StreamEnd, 0, None),
        Parsed::Scalar(text, style, anchor, tag) => {
            (EventKind::Scalar(text.into_owned(), style), anchor, tag)
        }
        Parsed::SequenceStart(_, anchor, tag) => (EventKind::SequenceStart, anchor, tag),
        Parsed::SequenceEnd => (EventKind::SequenceEnd, 0, None),
        Parsed::MappingStart(_, anchor, tag) => (EventKind::MappingStart, anchor, tag),
        Parsed::MappingEnd => (EventKind::MappingEnd, 0, None),
        Parsed::Alias(target) => (EventKind::Alias(target), 0, None),
        _ => return None,
    };
    let tag = tag.map(|tag| (tag.to_string(), tag_range));
    Some(Event { kind, range, tag, anchor })
}
