//! What is shown on a terminal while hosts are busy: a line for each busy host, a bar for the task.

use super::event::Event;
use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::Duration;

/// Live lines on standard error; nothing where that is no terminal.
pub(crate) struct Progress {
    all: MultiProgress,
    bar: Option<ProgressBar>,
    busy: IndexMap<String, ProgressBar>,
}

/// More busy hosts than this have no line of their own.
const LINES: usize = 10;
/// What is done sooner needs no line: it would only flicker.
const TICK: Duration = Duration::from_millis(120);

impl Progress {
    /// With nothing to show yet.
    pub(crate) fn new() -> Self {
        Self { all: MultiProgress::new(), bar: None, busy: IndexMap::new() }
    }

    /// Prints text above the live lines.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    /// Shows what an event changes.
    pub(crate) fn follow(&mut self, event: &Event) {
        match event {
            Event::Task { name, hosts, .. } => self.task(name, *hosts),
            Event::Started { host, task } => self.start(host, task),
            Event::Progress { host, text } => {
                if let Some(line) = self.busy.get(host) {
                    line.set_message(text.clone());
                }
            }
            Event::Done { host, .. } => self.done(host),
            Event::Recap { .. } => self.end(),
            _ => {}
        }
    }

    fn task(&mut self, name: &str, hosts: usize) {
        self.end();
        let bar = self.all.add(ProgressBar::new(hosts as u64));
        bar.set_style(style("{bar:30} {pos}/{len}  {msg}  {elapsed}"));
        bar.set_message(name.to_owned());
        self.bar = Some(bar);
    }

    fn start(&mut self, host: &str, task: &str) {
        if self.busy.len() >= LINES {
            return;
        }
        let line = self.all.add(ProgressBar::new_spinner());
        line.set_style(style("  {spinner} {prefix}  {msg}  {elapsed}"));
        line.set_prefix(host.to_owned());
        line.set_message(task.to_owned());
        line.enable_steady_tick(TICK);
        self.busy.insert(host.to_owned(), line);
    }

    fn done(&mut self, host: &str) {
        if let Some(line) = self.busy.shift_remove(host) {
            line.finish_and_clear();
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    fn end(&mut self) {
        self.busy.drain(..).for_each(|(_, line)| line.finish_and_clear());
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates stand in this file.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
