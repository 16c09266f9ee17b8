//! The report for programs: one JSON object a line, one line an event.

use super::event::Event;

/// The line of an event.
pub(crate) fn line(event: &Event) -> String {
    match serde_json::to_string(event) {
        Ok(text) => text + "\n",
        // All parts of events are plain data with text keys.
        Err(cause) => format!("{{\"event\":\"unprintable\",\"cause\":\"{cause}\"}}\n"),
    }
}
