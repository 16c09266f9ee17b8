//! What is shown of a run. Everything that happens is an event; each renderer shows the same events in its way.

mod diff_text;

pub(crate) use diff_text::{diff_json, diff_lines};
