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
}

/// The events of a text, comments left out.
pub(super) struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
}

impl<'t> Events<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut options = granit_parser::options! {};
        options.set_emit_comments(false);
        Self { parser: Parser::new_from_str_with_options(text, options) }
    }

    /// The next event; `StreamEnd` is the last.
    pub(super) fn next(&mut self) -> Result<Event, SyntaxError> {
        loop {
            let Some(next) = self.parser.next_event() else {
                return Ok(Event::plain(EventKind::StreamEnd, 0..0));
            };
            let (event, span) = next.map_err(|error| SyntaxError {
                kind: error.kind().clone(),
                message: error.info(),
                offset: error.marker().byte_offset().unwrap_or(0),
            })?;
            let start = span.start.byte_offset().unwrap_or(0);
            let range = start..span.end.byte_offset().unwrap_or(start).max(start);
            let tag_range =
                span.tag_span().and_then(|tag| tag.byte_range()).unwrap_or(range.start..range.start);
            if let Some(event) = translate(event, range, tag_range) {
                return Ok(event);
            }
        }
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
