//! The report of `muster run`: one entry a host, as ansible prints it.

use super::event::Event;
use super::palette::{Paint, Palette};
use super::text::{indented, one_line};
use crate::run::result::{Status, TaskResult};
use serde_json::Value as Json;

/// Turns events into text.
#[derive(Debug)]
pub(crate) struct AdHoc {
    pub(crate) palette: Palette,
    pub(crate) one_line: bool,
    /// Commands show what the program said, not JSON.
    pub(crate) module: String,
}

impl AdHoc {
    /// The text of an event; empty where it says nothing.
    pub(crate) fn render(&self, event: &Event) -> String {
        match event {
            Event::Done { host, result, .. } => self.host(host, result),
            _ => String::new(),
        }
    }

    fn host(&self, host: &str, result: &TaskResult) -> String {
        let (paint, state) = match (result.status, result.changed) {
            (Status::Failed, _) => (Paint::Failed, "FAILED"),
            (Status::Unreachable, _) => (Paint::Unreachable, "UNREACHABLE!"),
            (Status::Skipped, _) => (Paint::Skipped, "SKIPPED"),
            (Status::Unknown, _) => (Paint::Unknown, "UNKNOWN"),
            (Status::Ok, true) => (Paint::Changed, "CHANGED"),
            (Status::Ok, false) => (Paint::Ok, "SUCCESS"),
        };
        let is_command = matches!(self.module.as_str(), "command" | "shell" | "raw" | "script");
        let text = match result.result.get("rc").filter(|_| is_command && !result.no_log) {
            Some(rc) if self.one_line => self.command_line(host, state, rc, result),
            Some(rc) => format!("{host} | {state} | rc={rc} >>\n{}", said(result)),
            None => {
                let state = if result.status == Status::Failed { "FAILED!" } else { state };
                let mut shown =
                    if result.is_talk && !result.no_log { result.result.clone() } else { result.shown() };
                shown.remove("invocation");
                let body = if self.one_line { one_line(&shown) } else { indented(&shown) };
                format!("{host} | {state} => {body}")
            }
        };
        self.palette.paint(paint, text.trim_end()) + "\n"
    }

    fn command_line(&self, host: &str, state: &str, rc: &Json, result: &TaskResult) -> String {
        let flat = |name: &str| {
            let text = result.result.get(name).and_then(Json::as_str).unwrap_or_default();
            text.replace('\r', "").replace('\n', "\\n")
        };
        let stderr = flat("stderr");
        let stderr = if stderr.is_empty() { stderr } else { format!(" (stderr) {stderr}") };
        format!("{host} | {state} | rc={rc} | (stdout) {}{stderr}", flat("stdout"))
    }
}

/// What the program said: output, errors, and the module's sentence where it failed.
fn said(result: &TaskResult) -> String {
    let text = |name: &str| result.result.get(name).and_then(Json::as_str).unwrap_or_default();
    let mut parts: Vec<&str> = vec![text("stdout"), text("stderr")];
    if result.is_failed() {
        parts.push(text("msg"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}
