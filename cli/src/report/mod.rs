//! What is shown of a run. Everything that happens is an event; each renderer shows the same events in its way.

mod adhoc;
mod diff_text;
mod event;
mod json;
pub(crate) mod palette;
mod plan;
mod progress;
mod screen;
pub(crate) mod text;

pub(crate) use diff_text::{diff_json, diff_lines};
pub(crate) use event::{Event, Events, Stats};
pub(crate) use screen::{Kind, Screen};

/// Text as it is, anything else as JSON.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
