//! What happened, one line a step. Kept only where somebody will read it: a failing seed is run again with it.

use muster_api::status::Event;
use muster_core::effect::Effect;
use muster_core::input::Input;
use muster_core::message;
use std::fmt::Write as _;
use std::time::Duration;

/// The lines, where they are kept.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Keeps every line.
    pub fn kept() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    /// Whether lines are kept: making them costs time.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// One line.
    pub fn note(&mut self, at: Duration, who: &str, what: &str) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>11.6} {who:<3} {what}", at.as_secs_f64()));
        }
    }

    /// One line for a step of a node.
    pub fn step(&mut self, at: Duration, who: &str, input: &Input, effects: &[Effect]) {
        if self.lines.is_none() {
            return;
        }
        let mut line = describe_input(input);
        for effect in effects {
            // Writing to a string cannot fail.
            let _ = write!(line, " | {}", describe_effect(effect));
        }
        self.note(at, who, &line);
    }

    /// All lines.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

fn describe_input(input: &Input) -> String {
    match input {
        Input::Tick => "tick".into(),
        Input::Received { link, from, bytes } => {
            format!("from n{from} link {link}: {}", message::describe(bytes))
        }
        Input::LinkState { link, is_usable } => format!("link {link} usable: {is_usable}"),
        Input::ActionEnded { order, resource, record } => format!(
            "ended order {} {} {} every {}: {:?} {:?}",
            order.0, record.operation, resource, record.interval_ms, record.status, record.rc
        ),
        Input::Vanished { resource, .. } => format!("vanished {resource}"),
        Input::FenceEnded { attempt, result } => format!("fence attempt {} ended: {result:?}", attempt.0),
        Input::Request { client, request } => {
            let text: String = format!("{request:?}").chars().take(120).collect();
            format!("client {} asks {text}", client.0)
        }
        Input::Reconfigured { .. } => "corosync.conf read again".into(),
        Input::Said { name, value } => format!("says {name} = {value:?}"),
        Input::Unreadable { from, mismatch } => format!("a packet of n{from} came to nothing: {mismatch:?}"),
    }
}

fn describe_effect(effect: &Effect) -> String {
    match effect {
        Effect::Persist { bytes } => format!("persist {}", bytes.len()),
        Effect::Send { link, to, bytes } => format!("to n{to} link {link}: {}", message::describe(bytes)),
        Effect::Run { order, action } => format!(
            "run order {} {} {} every {}",
            order.0, action.operation, action.resource, action.interval_ms
        ),
        Effect::CancelMonitor { resource, interval_ms } => format!("cancel {resource} every {interval_ms}"),
        Effect::Fence { attempt, device, target, action, .. } => {
            format!("fence attempt {} {action:?} {target} with {}", attempt.0, device.id)
        }
        Effect::Reply { client, response } => {
            let text: String = format!("{response:?}").chars().take(120).collect();
            format!("reply to {}: {text}", client.0)
        }
        Effect::Emit(event) => format!("\"{}\"", describe_event(event)),
        Effect::Reconfigured(_) => "corosync.conf in force".into(),
        Effect::Exit { reason } => format!("exit: {reason}"),
    }
}

/// An event as a line of a log.
pub fn describe_event(event: &Event) -> String {
    format!("{}: {}", event.kind, event.text)
}
