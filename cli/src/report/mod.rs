//! What is shown of a run. Everything that happens is an event; each renderer shows the same events in its way.

mod adhoc;
mod custom_stats;
mod diff_text;
mod event;
mod json;
mod kind;
mod log;
pub(crate) mod origin;
mod palette;
mod plan;
mod progress;
mod screen;
pub(crate) mod text;

pub(crate) use custom_stats::CustomStats;
pub(crate) use diff_text::diff_json;
pub(crate) use event::{Event, Events, Stats};
pub(crate) use log::Log;
pub(crate) use palette::{Paint, Palette};
pub(crate) use plan::{Plan, reasons};
pub(crate) use screen::{Kind, Screen, Watch};

/// JSON with the blanks that Python puts behind commas and colons: scripts look for these texts.
pub(crate) fn python_json(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Object(map) => {
            let entry = |(key, value): (&String, &Json)| {
                format!("{}: {}", Json::from(key.as_str()), python_json(value))
            };
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Text as it is, anything else as JSON.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
