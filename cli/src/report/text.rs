//! The report of `apply`: shaped as people know it from ansible-playbook, with failures that can be read.

use super::custom_stats::CustomStats;
use super::diff_text::{LineKind, diff_lines};
use super::event::{Event, Stats};
use super::palette::{Paint, Palette};
use crate::run::arguments::plain_reason;
use crate::run::result::{Status, TaskResult};
use crate::run::task_run::SHOWS_INVOCATION;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

/// Turns events into text.
#[derive(Debug)]
pub(crate) struct Text {
    palette: Palette,
    verbosity: u8,
    show_diff: bool,
    width: usize,
    /// A task is announced when its first host has something to say, so that one without hosts stays silent.
    announced: Option<String>,
    /// The failures whose place was shown: hosts that fail in the same way do not show it again.
    shown: HashSet<(String, String)>,
}

/// Where playbooks are that no user wrote.
pub(crate) const MADE_HERE: &str = "(made by muster)";

/// As wide as Ansible writes where there is no terminal.
const WIDTH: usize = 79;

impl Text {
    /// `width` is that of the terminal, where there is one.
    pub(crate) fn new(palette: Palette, verbosity: u8, show_diff: bool, width: Option<usize>) -> Self {
        let width = width.map_or(WIDTH, |width| width.saturating_sub(1).max(WIDTH));
        Self { palette, verbosity, show_diff, width, announced: None, shown: HashSet::new() }
    }

    /// The text of an event; empty where it says nothing.
    pub(crate) fn render(&mut self, event: &Event) -> String {
        match event {
            Event::Playbook { path, plays } if self.verbosity > 1 => {
                self.banner(&format!("PLAYBOOK: {path}")) + &format!("{plays} plays in {path}\n")
            }
            Event::Meta { text, skipped_on } if self.verbosity > 1 => {
                let skipped = skipped_on
                    .as_ref()
                    .map(|host| format!("skipping: [{host}] => {{\"skip_reason\": \"{text}\"}}\n"));
                format!("META: {text}\n{}", skipped.unwrap_or_default())
            }
            Event::Worker { host, line } if self.verbosity > 2 => {
                let text = format!("<{host}> EXEC {line}");
                self.palette.paint(Paint::Dim, &text) + "\n"
            }
            Event::Polled { host, text } => {
                let (word, rest) = text.split_once(": ").unwrap_or((text, ""));
                self.palette.paint(Paint::Dim, &format!("{word} on {host}: {rest}")) + "\n"
            }
            Event::Play { name, hosts, check } => {
                let check = if *check && self.verbosity > 0 { " [CHECK MODE]" } else { "" };
                let _ = hosts;
                self.banner(&format!("PLAY [{name}]{check}"))
            }
            Event::NoHosts { why } => format!("skipping: {why}\n"),
            Event::Task { name, is_handler, place, .. } => {
                let head = if *is_handler { "RUNNING HANDLER" } else { "TASK" };
                let mut text = self.banner(&format!("{head} [{name}]"));
                if self.verbosity > 1 {
                    text += &self.palette.paint(Paint::Dim, &format!("task path: {place}"));
                    text.push('\n');
                }
                self.announced = Some(name.clone());
                text
            }
            Event::Retrying { host, task, attempts_left } => {
                let text = format!("FAILED - RETRYING: [{host}]: {task} ({attempts_left} retries left).\n");
                self.palette.paint(Paint::Dim, &text)
            }
            Event::Rolling { host, text } => {
                self.palette.paint(Paint::Dim, &format!("ROLLING: [{host}]: {text}")) + "\n"
            }
            Event::Item { host, result } => self.item(host, result),
            Event::Done { host, result, .. } => self.done(host, result),
            Event::Included { what, hosts, label } => {
                let label = label.as_ref().map(|label| format!(" => (item={label})")).unwrap_or_default();
                let text = format!("included: {what} for {}{label}\n", hosts.join(", "));
                self.palette.paint(Paint::Skipped, text.trim_end()) + "\n"
            }
            Event::NoHostsLeft => self.banner("NO MORE HOSTS LEFT"),
            Event::Recap { hosts, custom, .. } => self.recap(hosts) + &self.custom_stats(custom.as_ref()),
            Event::Worker { .. }
            | Event::Playbook { .. }
            | Event::Meta { .. }
            | Event::Started { .. }
            | Event::Progress { .. } => String::new(),
            // Talk, not data: it goes to standard error.
            Event::Warning { .. } | Event::Stopping { .. } | Event::Prompt { .. } => String::new(),
        }
    }

    fn banner(&self, text: &str) -> String {
        let stars = self.width.saturating_sub(text.chars().count()).max(3);
        format!("\n{} {}\n", self.palette.paint(Paint::Strong, text), "*".repeat(stars))
    }

    fn item(&mut self, host: &str, result: &TaskResult) -> String {
        let label =
            if result.no_log { "(censored due to no_log)" } else { result.label.as_deref().unwrap_or("") };
        let host = host_name(host, result);
        let (paint, head) = match (result.status, result.changed) {
            (Status::Failed, _) => (Paint::Failed, format!("failed: [{host}] (item={label})")),
            (Status::Unreachable, _) => {
                (Paint::Unreachable, format!("fatal: [{host}]: UNREACHABLE! (item={label})"))
            }
            (Status::Skipped, _) => (Paint::Skipped, format!("skipping: [{host}] => (item={label}) ")),
            (Status::Unknown, _) => (Paint::Unknown, format!("unknown: [{host}] => (item={label})")),
            (Status::Ok, true) => (Paint::Changed, format!("changed: [{host}] => (item={label})")),
            (Status::Ok, false) => (Paint::Ok, format!("ok: [{host}] => (item={label})")),
        };
        self.origin(result) + &self.line(paint, &head, result)
    }

    fn done(&mut self, host: &str, result: &TaskResult) -> String {
        if result.was_done_before {
            let text = format!("done before: [{}]", host_name(host, result));
            return self.palette.paint(Paint::Skipped, &text) + "\n";
        }
        if !result.items.is_empty() {
            return self.after_items(host, result);
        }
        let host = host_name(host, result);
        let (paint, head) = match (result.status, result.changed) {
            (Status::Failed, _) => (Paint::Failed, format!("fatal: [{host}]: FAILED!")),
            (Status::Unreachable, _) => (Paint::Unreachable, format!("fatal: [{host}]: UNREACHABLE!")),
            (Status::Skipped, _) => (Paint::Skipped, format!("skipping: [{host}]")),
            (Status::Unknown, _) => (Paint::Unknown, format!("unknown: [{host}]")),
            (Status::Ok, true) => (Paint::Changed, format!("changed: [{host}]")),
            (Status::Ok, false) => (Paint::Ok, format!("ok: [{host}]")),
        };
        self.origin(result) + &self.line(paint, &head, result) + &self.ignoring(result)
    }

    /// Why and where a task failed, for the first host on which it did so.
    fn origin(&mut self, result: &TaskResult) -> String {
        let Some(span) = result.origin.as_ref().filter(|span| {
            // A playbook that the program itself made has no place that a user could look at.
            result.is_failed() && !result.no_log && !span.file().path().starts_with(MADE_HERE)
        }) else {
            return String::new();
        };
        let message = reason(result).into_iter().next().unwrap_or_default();
        if !self.shown.insert((span.to_string(), message.clone())) {
            return String::new();
        }
        let head = self.palette.paint(Paint::Failed, &format!("[ERROR]: Task failed: {message}"));
        format!("{head}\n{}\n", super::origin::excerpt(span))
    }

    /// The items were shown one by one; what remains is the task as a whole where it matters.
    fn after_items(&self, host: &str, result: &TaskResult) -> String {
        let host = host_name(host, result);
        let text = match result.status {
            Status::Skipped => self.palette.paint(Paint::Skipped, &format!("skipping: [{host}]")) + "\n",
            _ => String::new(),
        };
        text + &self.ignoring(result)
    }

    fn ignoring(&self, result: &TaskResult) -> String {
        if result.ignored { self.palette.paint(Paint::Skipped, "...ignoring") + "\n" } else { String::new() }
    }

    fn line(&self, paint: Paint, head: &str, result: &TaskResult) -> String {
        let mut text = if self.show_diff && !result.no_log { self.diffs(result) } else { String::new() };
        let time = match self.verbosity {
            0 => String::new(),
            _ => format!("  ({})", duration(result.seconds)),
        };
        let body = self.body(result);
        text += &match body {
            Body::None => self.palette.paint(paint, &format!("{head}{time}")),
            Body::SameLine(body) => self.palette.paint(paint, &format!("{head} => {body}{time}")),
            Body::Below(lines) => self.palette.paint(paint, &format!("{head} => {}", lines.join("\n    "))),
        };
        text.push('\n');
        if result.no_log {
            return text;
        }
        for line in result.sources.iter().chain(&result.consequences) {
            text += &format!("    {line}\n");
        }
        text
    }

    fn body(&self, result: &TaskResult) -> Body {
        let mut shown = result.shown();
        // They are told on their own.
        shown.remove("deprecations");
        if self.verbosity < SHOWS_INVOCATION {
            shown.remove("invocation");
        }
        if result.no_log && (result.is_failed() || self.verbosity > 0) {
            return Body::SameLine(one_line(&shown));
        }
        if result.is_talk && !result.no_log && !matches!(result.status, Status::Skipped) {
            let mut shown = result.result.clone();
            shown.remove("deprecations");
            if result.label.is_some() && shown.contains_key("msg") {
                // The item stands in front of it already.
                shown.retain(|name, _| name == "msg");
            }
            if result.is_failed() {
                shown.insert("changed".into(), result.changed.into());
            }
            return Body::SameLine(indented(&shown));
        }
        match result.status {
            Status::Failed | Status::Unreachable if self.verbosity < 2 => Body::Below(reason(result)),
            Status::Unknown => Body::SameLine(result.unknown.clone().unwrap_or_default()),
            _ if self.verbosity > 0 => match self.verbosity {
                1 | 2 => Body::SameLine(one_line(&shown)),
                _ => Body::SameLine(indented(&shown)),
            },
            _ => match &result.unknown {
                Some(why) => Body::SameLine(format!("not known: {why}")),
                None => Body::None,
            },
        }
    }

    /// The differences, coloured, with the words that changed marked.
    fn diffs(&self, result: &TaskResult) -> String {
        let mut text = String::new();
        for line in result.diffs.iter().flat_map(diff_lines) {
            text += &paint_line(self.palette, &line);
            text.push('\n');
        }
        if text.is_empty() { text } else { text + "\n" }
    }

    fn recap(&self, hosts: &IndexMap<String, Stats>) -> String {
        let mut text = self.banner("PLAY RECAP");
        let mut names: Vec<&String> = hosts.keys().collect();
        names.sort();
        for name in names {
            text += &self.recap_line(name, &hosts[name]);
        }
        text.push('\n');
        text
    }

    fn custom_stats(&self, custom: Option<&CustomStats>) -> String {
        let Some(custom) = custom else { return String::new() };
        self.banner("CUSTOM STATS: ") + &custom.lines() + "\n"
    }

    fn recap_line(&self, name: &str, stats: &Stats) -> String {
        let host_paint = match stats {
            Stats { failed: 1.., .. } | Stats { unreachable: 1.., .. } => Paint::Failed,
            Stats { changed: 1.., .. } => Paint::Changed,
            _ => Paint::Ok,
        };
        let field = |name: &str, count: u64, paint: Paint| {
            let text = format!("{name}={count:<4}");
            if count == 0 { text } else { self.palette.paint(paint, &text) }
        };
        let mut line = format!(
            "{} : {} {} {} {} {} {} {}",
            self.palette.paint(host_paint, &format!("{name:<26}")),
            field("ok", stats.ok, Paint::Ok),
            field("changed", stats.changed, Paint::Changed),
            field("unreachable", stats.unreachable, Paint::Unreachable),
            field("failed", stats.failed, Paint::Failed),
            field("skipped", stats.skipped, Paint::Skipped),
            field("rescued", stats.rescued, Paint::Ok),
            field("ignored", stats.ignored, Paint::Warning),
        );
        if stats.unknown > 0 {
            line += &format!(" {}", field("unknown", stats.unknown, Paint::Unknown));
        }
        line + "\n"
    }
}

enum Body {
    None,
    SameLine(String),
    Below(Vec<String>),
}

/// A line of a diff in its colours.
pub(crate) fn paint_line(palette: Palette, line: &super::diff_text::Line) -> String {
    let (paint, word) = match line.kind {
        LineKind::Removed => (Paint::Removed, Paint::RemovedWord),
        LineKind::Added => (Paint::Added, Paint::AddedWord),
        LineKind::Hunk => (Paint::Hunk, Paint::Hunk),
        LineKind::Header => (Paint::Strong, Paint::Strong),
        LineKind::Note => (Paint::Changed, Paint::Changed),
        LineKind::Same => return line.text(),
    };
    let sign = line
        .text()
        .chars()
        .take(usize::from(matches!(line.kind, LineKind::Removed | LineKind::Added)))
        .collect::<String>();
    let pieces =
        line.pieces.iter().map(|(is_word, piece)| palette.paint(if *is_word { word } else { paint }, piece));
    palette.paint(paint, &sign) + &pieces.collect::<String>()
}

fn host_name(host: &str, result: &TaskResult) -> String {
    match &result.delegated_to {
        Some(other) => format!("{host} -> {other}"),
        None => host.to_owned(),
    }
}

/// Why it failed, as lines: the sentence, then what the program said.
pub(crate) fn reason(result: &TaskResult) -> Vec<String> {
    let text = |name: &str| {
        result.result.get(name).and_then(Json::as_str).map(str::trim_end).filter(|text| !text.is_empty())
    };
    let mut lines: Vec<String> = Vec::new();
    let message = text("msg").map_or("it failed and does not say why", plain_reason);
    lines.extend(message.lines().map(str::to_owned));
    if let Some(assertion) = result.result.get("assertion") {
        lines.push(format!("assertion: {}", super::json_text(assertion)));
    }
    if let Some(code) = result.result.get("rc").filter(|code| !code.is_null()) {
        lines.push(format!("rc: {code}"));
    }
    for stream in ["stdout", "stderr"] {
        if let Some(said) = text(stream) {
            lines.push(format!("{stream}:"));
            lines.extend(said.lines().map(|line| format!("    {line}")));
        }
    }
    lines
}

/// On one line.
pub(crate) fn one_line(map: &Map<String, Json>) -> String {
    super::python_json(&Json::Object(map.clone()))
}

/// Indented by four, as Ansible prints results.
pub(crate) fn indented(map: &Map<String, Json>) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // A map of JSON values can always be written into memory.
    let _ = serde::Serialize::serialize(map, &mut serializer);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `0.42s`, `1m 03s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.2}s");
    }
    let whole = seconds as u64;
    format!("{}m {:02}s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Text {
        Text::new(Palette::plain(), 0, false, None)
    }

    fn done(result: TaskResult) -> String {
        text().render(&Event::Done { host: "n1".into(), task: "t".into(), result: Box::new(result) })
    }

    #[test]
    fn a_play_has_a_banner_of_eighty_columns() {
        let event = Event::Play { name: "web".into(), hosts: vec![], check: false };
        let shown = text().render(&event);
        assert_eq!(shown.trim_start().trim_end().chars().count(), 80);
        assert!(shown.starts_with("\nPLAY [web] ***"));
    }

    #[test]
    fn a_failure_says_why_and_what_the_program_said() {
        let result = Map::from_iter([
            ("msg".to_owned(), Json::from("non-zero return code")),
            ("rc".to_owned(), Json::from(2)),
            ("stderr".to_owned(), Json::from("no such file\n")),
        ]);
        let failed = TaskResult { status: Status::Failed, result, ..TaskResult::default() };
        assert_eq!(
            done(failed),
            "fatal: [n1]: FAILED! => non-zero return code\n    rc: 2\n    stderr:\n        no such file\n"
        );
    }

    #[test]
    fn debug_shows_its_text() {
        let result = Map::from_iter([("msg".to_owned(), Json::from("hello"))]);
        let talk = TaskResult { is_talk: true, result, ..TaskResult::default() };
        assert_eq!(done(talk), "ok: [n1] => {\n    \"msg\": \"hello\"\n}\n");
    }

    #[test]
    fn the_recap_has_ansibles_fields() {
        let hosts = IndexMap::from_iter([("n1".to_owned(), Stats { ok: 3, changed: 1, ..Stats::default() })]);
        let shown = text().render(&Event::Recap { hosts, custom: None, seconds: 1.0 });
        assert!(shown.ends_with(
            "\nn1                         : ok=3    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0   \n\n"
        ), "{shown}");
    }

    #[test]
    fn a_hidden_result_says_only_that() {
        let mut failed = TaskResult::failed("the password is hunter2");
        failed.no_log = true;
        let shown = done(failed);
        assert!(shown.contains("censored") && !shown.contains("hunter2"), "{shown}");
    }
}
