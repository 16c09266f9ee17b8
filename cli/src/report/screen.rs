//! Writes the report while the run goes on: data to standard output, talk to standard error. A thread of its own, so
//! that a slow terminal never holds up a host.

use super::adhoc::AdHoc;
use super::event::Event;
use super::json;
use super::log::Log;
use super::palette::{Paint, Palette};
use super::plan::Plan;
use super::progress::Progress;
use super::text::Text;
use crate::args::{Output, OutputArgs};
use crate::run::result::TaskResult;
use crate::vars::{Secrets, Store};
use muster_api::diff::{Change, Content};
use serde_json::Value as Json;
use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// Which report is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As the run goes on.
    Apply { show_diff: bool },
    /// At the end.
    Plan,
    /// One entry a host.
    AdHoc { one_line: bool, module: String },
    /// None.
    Silent,
}

/// Sees every event, before it is shown.
pub(crate) type Watch = Box<dyn FnMut(&Event, &Secrets) + Send>;

/// The writer of the report.
pub(crate) struct Screen(JoinHandle<()>);

enum Renderer {
    Text(Text),
    Plan(Plan),
    AdHoc(AdHoc),
    Json,
    Silent,
}

impl Screen {
    /// Starts writing what comes out of `events`. Secrets that `store` knows are masked in all of it,
    /// also in what goes to `log`. `watch` sees each event first.
    pub(crate) fn watched(
        kind: Kind,
        args: &OutputArgs,
        events: mpsc::Receiver<Event>,
        store: Arc<Store>,
        mut log: Option<Log>,
        mut watch: Watch,
    ) -> Self {
        let is_silent = kind == Kind::Silent;
        let palette = Palette::stdout(args.color);
        let is_terminal =
            std::io::stderr().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb");
        let width = std::io::stdout().is_terminal().then(terminal_width).flatten();
        let verbosity = log.as_ref().and_then(|log| log.verbosity);
        let mut logged = match (&kind, verbosity) {
            (Kind::Apply { show_diff }, Some(verbosity)) => {
                Some(Text::new(palette, verbosity, *show_diff, None))
            }
            _ => None,
        };
        let mut renderer = match (args.output, kind) {
            (_, Kind::Silent) => Renderer::Silent,
            (Output::Json, _) => Renderer::Json,
            (Output::Text, Kind::AdHoc { one_line, module }) => {
                Renderer::AdHoc(AdHoc { palette, one_line, module })
            }
            (Output::Text, Kind::Plan) => Renderer::Plan(Plan::new(palette)),
            (Output::Text, Kind::Apply { show_diff }) => {
                Renderer::Text(Text::new(palette, args.verbose, show_diff, width))
            }
        };
        let mut progress = (is_terminal && args.output == Output::Text && !is_silent).then(Progress::new);
        Self(std::thread::spawn(move || {
            let mut told = HashSet::new();
            for event in events {
                if shows_contents(&event) {
                    store.know_all_secrets();
                }
                watch(&event, store.secrets());
                if is_silent {
                    continue;
                }
                if let Some(progress) = &mut progress {
                    progress.follow(&event);
                }
                let text = renderer.render(&event, store.secrets());
                let talk = talk(&event, palette, &mut told);
                let talk = store.secrets().mask(&talk);
                if let Some(log) = &mut log {
                    match &mut logged {
                        Some(logged) => log.add(&store.secrets().mask(&logged.render(&event))),
                        None => log.add(&text),
                    }
                    log.add(&talk);
                }
                let write = || write(&text, &talk);
                match &progress {
                    Some(progress) if !(text.is_empty() && talk.is_empty()) => progress.above(write),
                    _ => write(),
                }
            }
        }))
    }

    /// Waits until everything is written; all senders of events must be gone.
    pub(crate) fn finish(self) {
        // A report that panicked has said so on standard error.
        let _ = self.0.join();
    }
}

impl Renderer {
    /// The text of an event, with secrets masked.
    fn render(&mut self, event: &Event, secrets: &Secrets) -> String {
        let text = match self {
            Self::Text(text) => text.render(event),
            Self::Plan(plan) => plan.render(event),
            Self::AdHoc(adhoc) => adhoc.render(event),
            Self::Json => return json::line(event, secrets),
            Self::Silent => return String::new(),
        };
        secrets.mask(&text).into_owned()
    }
}

/// Whether it has the text of a file as it is on a host.
fn shows_contents(event: &Event) -> bool {
    let (Event::Done { result, .. } | Event::Item { result, .. }) = event else { return false };
    let is_text = |content: &Content| matches!(content, Content::Text { .. });
    let is_shown = |change: &Change| matches!(change, Change::Content { before, after } if is_text(before) || is_text(after));
    result.diffs.iter().any(|diff| diff.changes.iter().any(is_shown))
}

/// `told` has the deprecations that were told: each is told once in a run.
fn talk(event: &Event, palette: Palette, told: &mut HashSet<String>) -> String {
    match event {
        Event::Warning { text } => palette.paint(Paint::Warning, &format!("[WARNING]: {text}")) + "\n",
        Event::Prompt { text } => format!("{text}\n"),
        Event::Stopping { text } => palette.paint(Paint::Warning, text) + "\n",
        Event::Done { result, .. } | Event::Item { result, .. }
            if !result.no_log && result.items.is_empty() =>
        {
            let deprecations = deprecations(result).into_iter().filter(|text| told.insert(text.clone()));
            let deprecations = deprecations.map(|text| format!("[DEPRECATION WARNING]: {text}"));
            let warnings = result.warnings.iter().map(|text| format!("[WARNING]: {text}"));
            warnings.chain(deprecations).map(|text| palette.paint(Paint::Warning, &text) + "\n").collect()
        }
        _ => String::new(),
    }
}

/// What the result says will not work for ever.
fn deprecations(result: &TaskResult) -> Vec<String> {
    let told = result.result.get("deprecations").and_then(Json::as_array);
    told.into_iter().flatten().filter_map(|one| one.get("msg")?.as_str().map(str::to_owned)).collect()
}

fn write(text: &str, talk: &str) {
    // A reader that went away (`| head`) does not stop the run in the middle.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let _ = std::io::stderr().write_all(talk.as_bytes());
}

fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}
