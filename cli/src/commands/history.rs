//! `muster history`: the runs that were made from here, and what one of them changed.

use super::basis::tell;
use crate::args::{Output, OutputArgs};
use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use crate::journal::{self, Entry, Run, Standing};
use crate::report::{Paint, Palette};
use crate::run::result::Status;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Runs `muster history`.
pub(crate) fn run(number: Option<&str>, output: &OutputArgs) -> Exit {
    let shown = match number {
        None => Ok(list(output)),
        Some(number) => find(number).map(|run| one(&run, output)),
    };
    match shown {
        Ok(text) => {
            anstream::print!("{text}");
            Exit::Fine
        }
        Err(mistakes) => tell(&mistakes),
    }
}

/// The run of that number.
pub(super) fn find(number: &str) -> Result<Run> {
    journal::find(number).map_err(|why| no_such_run(&why))
}

fn no_such_run(why: &str) -> Diagnostics {
    Diagnostic::error(why).exits_with(Exit::WrongUse).hint("`muster history` lists the runs").into()
}

fn list(output: &OutputArgs) -> String {
    let runs = journal::runs();
    if output.output == Output::Json {
        return runs.iter().map(|run| summary(run, &run.entries()).to_string() + "\n").collect();
    }
    if runs.is_empty() {
        return "No run was recorded yet.\n".to_owned();
    }
    let palette = Palette::stdout(output.color);
    runs.iter().map(|run| line(run, &run.entries(), palette) + "\n").collect()
}

fn line(run: &Run, entries: &[Entry], palette: Palette) -> String {
    let (paint, end) = ending(run.standing(entries));
    let end = palette.paint(paint, &format!("{end:<10}"));
    let counts = counts(entries);
    format!(
        "{}  {}  {}  {end}  {counts:<24}  muster {}",
        run.number,
        local(run),
        run.user,
        run.command.join(" ")
    )
}

fn ending(standing: Standing) -> (Paint, String) {
    match standing {
        Standing::Running => (Paint::Changed, "running".to_owned()),
        Standing::Ended(0) => (Paint::Ok, "done".to_owned()),
        Standing::Ended(exit) => (Paint::Failed, format!("exit {exit}")),
        Standing::BrokenOff => (Paint::Failed, "broken off".to_owned()),
    }
}

/// When it began, in the time of this place.
fn local(run: &Run) -> String {
    let began = run.started.parse::<jiff::Timestamp>();
    let here = began.map(|began| began.to_zoned(jiff::tz::TimeZone::system()));
    here.map_or_else(|_| run.started.clone(), |here| here.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// What a run came to.
struct Counts {
    changed: usize,
    failed: usize,
    hosts: usize,
}

impl Counts {
    fn of(entries: &[Entry]) -> Self {
        let mut counts = Self { changed: 0, failed: 0, hosts: 0 };
        let mut hosts = BTreeSet::new();
        for entry in entries {
            let Entry::Task { host, status, changed, ignored, .. } = entry else { continue };
            if *changed {
                counts.changed += 1;
                hosts.insert(host);
            }
            counts.failed += usize::from(is_failed(*status) && !ignored);
        }
        counts.hosts = hosts.len();
        counts
    }
}

fn counts(entries: &[Entry]) -> String {
    let Counts { changed, failed, hosts } = Counts::of(entries);
    let plural = if hosts == 1 { "" } else { "s" };
    match (changed, failed) {
        (0, 0) => "nothing changed".to_owned(),
        (0, _) => format!("{failed} failed"),
        (_, 0) => format!("{changed} changed on {hosts} host{plural}"),
        _ => format!("{changed} changed on {hosts} host{plural}, {failed} failed"),
    }
}

fn is_failed(status: Status) -> bool {
    matches!(status, Status::Failed | Status::Unreachable)
}

fn summary(run: &Run, entries: &[Entry]) -> Json {
    let mut object = serde_json::to_value(run).unwrap_or_default();
    let Counts { changed, failed, hosts } = Counts::of(entries);
    let (standing, exit) = match run.standing(entries) {
        Standing::Running => ("running", None),
        Standing::BrokenOff => ("broken_off", None),
        Standing::Ended(exit) => ("ended", Some(exit)),
    };
    object["standing"] = standing.into();
    object["exit"] = json!(exit);
    object["counts"] = json!({"changed": changed, "failed": failed, "changed_hosts": hosts});
    object
}

fn one(run: &Run, output: &OutputArgs) -> String {
    let entries = run.entries();
    let tasks: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry, Entry::Task { .. })).collect();
    if output.output == Output::Json {
        let mut whole = summary(run, &entries);
        whole["tasks"] = json!(tasks);
        return whole.to_string() + "\n";
    }
    let palette = Palette::stdout(output.color);
    let (paint, end) = ending(run.standing(&entries));
    let mut text = format!(
        "{} by {} with muster {}: {}\nmuster {}\nin {}\n",
        local(run),
        run.user,
        run.release,
        palette.paint(paint, &end),
        run.command.join(" "),
        run.folder.display(),
    );
    if !run.inventory.is_empty() {
        text += &format!("for the inventory {}\n", run.inventory.join(", "));
    }
    if let Some(before) = &run.resumes {
        text += &format!("going on with {before}\n");
    }
    text.push('\n');
    if tasks.is_empty() {
        text += "Nothing changed.\n";
    }
    text + &tasks.into_iter().map(|entry| task(entry, palette)).collect::<String>()
}

fn task(entry: &Entry, palette: Palette) -> String {
    let Entry::Task { host, task, status, changed, ignored, things, why } = entry else {
        return String::new();
    };
    let (paint, word) = match (is_failed(*status), ignored, changed) {
        (true, false, _) if *status == Status::Unreachable => (Paint::Unreachable, "unreachable"),
        (true, false, _) => (Paint::Failed, "failed"),
        (true, true, _) => (Paint::Warning, "ignored"),
        (false, ..) => (Paint::Changed, "changed"),
    };
    let mut text = format!("{} {host}: {task}\n", palette.paint(paint, &format!("{word:<11}")));
    for thing in things {
        text += &format!("    {thing}\n");
    }
    for line in why.iter().flat_map(|why| why.lines()) {
        text += &format!("    {line}\n");
    }
    text
}
