//! Writes the printed template and notes where each part of it comes from.

use std::ops::Range;

use super::{Marks, Prepared, Shape, Used};

/// Whether a value that is not known yet may pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Refused,
    Passes,
}

pub(super) struct Printer<'s> {
    pub(super) source: &'s str,
    pub(super) out: String,
    /// Where the source starts in its file.
    pub(super) start: usize,
    /// Whether texts in the expression may be templates themselves.
    pub(super) nested: bool,
    /// Whether `\` in a text of an expression is itself.
    pub(super) raw_text: bool,
    /// Names that the template has set so far, outside of macros.
    pub(super) set_names: Vec<String>,
    pub(super) places: Vec<(Range<usize>, Range<usize>)>,
    pub(super) uses: Vec<Used>,
    /// The names of the expression that is being printed, for its site.
    pub(super) names: Vec<String>,
    pub(super) marks: Option<Marks>,
}

impl<'s> Printer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            out: String::with_capacity(source.len() * 2),
            start: 0,
            nested: false,
            raw_text: false,
            set_names: Vec::new(),
            places: Vec::new(),
            uses: Vec::new(),
            names: Vec::new(),
            marks: None,
        }
    }

    pub(super) fn finish(self, shape: Shape) -> Prepared {
        Prepared {
            source: self.source.into(),
            printed: self.out,
            shape,
            uses: self.uses,
            start: 0,
            places: self.places,
        }
    }

    pub(super) fn place(&mut self, from: usize, source: Range<usize>) {
        self.places.push((from..self.out.len(), source));
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }
}
