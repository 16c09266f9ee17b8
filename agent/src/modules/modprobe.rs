//! `modprobe`: a module of the kernel, now and at every start.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::Map;
use std::path::{Path, PathBuf};

pub(super) struct Modprobe;

impl Module for Modprobe {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let params = args.text("params").unwrap_or("");
        let is_present = args.text("state") != Some("absent");
        let mut check = loading(name, params, is_present, view);
        match args.text("persistent") {
            Some("present") => persist(name, params, view, &mut check)?,
            Some("absent") => forget(name, view, &mut check)?,
            _ => {}
        }
        let state = if is_present { "present" } else { "absent" };
        Ok(check.with("name", name).with("params", params).with("state", state))
    }
}

fn loading(name: &str, params: &str, is_present: bool, view: &View<'_>) -> Check {
    if is_loaded(name, view) == is_present {
        return Check::unchanged();
    }
    let mut command = Command::new("modprobe", if is_present { &[] } else { &["-r"] }).argument(name);
    for word in params.split_whitespace().filter(|_| is_present) {
        command = command.argument(word);
    }
    let words = if is_present { ("absent", "loaded") } else { ("loaded", "absent") };
    let change = Change::Presence { before: words.0.into(), after: words.1.into() };
    let diff = Diff { kind: "kernel module".into(), name: name.to_owned(), changes: vec![change] };
    Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }])
}

/// Loaded, or built into the kernel.
fn is_loaded(name: &str, view: &View<'_>) -> bool {
    let name = name.replace('-', "_");
    let loaded = view.text("/proc/modules");
    if loaded.lines().any(|line| line.split_whitespace().next() == Some(&name)) {
        return true;
    }
    let release = view.text("/proc/sys/kernel/osrelease");
    let builtin = view.text(&format!("/lib/modules/{}/modules.builtin", release.trim()));
    let file = format!("/{name}.ko");
    builtin.lines().any(|line| line.replace('-', "_").ends_with(&file))
}

const LOAD: &str = "/etc/modules-load.d";
const OPTIONS: &str = "/etc/modprobe.d";

/// The files of a folder in which a line says something about the module.
fn files_with(folder: &str, says: impl Fn(&str) -> bool, view: &View<'_>) -> Vec<PathBuf> {
    let names = view.list(Path::new(folder)).unwrap_or_default();
    let paths = names.into_iter().map(|name| Path::new(folder).join(name));
    paths.filter(|path| view.text(&path.to_string_lossy()).lines().any(&says)).collect()
}

fn is_load(name: &str) -> impl Fn(&str) -> bool + '_ {
    move |line| line.trim() == name
}

fn is_option(name: &str) -> impl Fn(&str) -> bool + '_ {
    move |line| {
        let mut words = line.split_whitespace();
        words.next() == Some("options") && words.next() == Some(name)
    }
}

fn persist(name: &str, params: &str, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
    if files_with(LOAD, is_load(name), view).is_empty() {
        write(&Path::new(LOAD).join(format!("{name}.conf")), format!("{name}\n"), view, check)?;
    }
    let wanted: String = params.split_whitespace().map(|param| format!("options {name} {param}\n")).collect();
    let says_it = |line: &str| wanted.lines().any(|wanted| wanted == line.trim());
    if !wanted.is_empty() && files_with(OPTIONS, says_it, view).is_empty() {
        write(&Path::new(OPTIONS).join(format!("{name}.conf")), wanted, view, check)?;
    }
    Ok(())
}

/// Lines that load it become comments.
fn forget(name: &str, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
    let loads = files_with(LOAD, is_load(name), view);
    let options = files_with(OPTIONS, is_option(name), view);
    for path in loads.into_iter().chain(options) {
        let text = view.text(&path.to_string_lossy());
        let commented = |line: &str| match is_load(name)(line) || is_option(name)(line) {
            true => format!("#{line}\n"),
            false => format!("{line}\n"),
        };
        write(&path, text.lines().map(commented).collect(), view, check)?;
    }
    Ok(())
}

fn write(path: &Path, text: String, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
    let nothing = Map::new();
    let placed =
        placing::place(&Before::at(path, true, view)?, text.into_bytes(), &Args { values: &nothing }, view)?;
    check.outcome.changed |= placed.outcome.changed;
    check.outcome.diffs.extend(placed.outcome.diffs);
    check.operations.extend(placed.operations);
    Ok(())
}
