//! `sysctl`: a value of the kernel, in a file of settings and in the running kernel.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use std::path::Path;

pub(super) struct Sysctl;

impl Module for Sysctl {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let is_present = args.text("state") != Some("absent");
        let value = args.text("value").map(squeezed).unwrap_or_default();
        if is_present && value.is_empty() {
            return Err(Failure::new("value is required for state=present"));
        }
        let path = args.needed_path("sysctl_file", view)?;
        let before = Before::at(&path, true, view)?;
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let wanted = is_present.then_some(value.as_str());
        let new = edited(&text, name, wanted);
        let mut check = match new == text {
            true => Check::unchanged(),
            false => placing::place(&before, new.into_bytes(), args, view)?,
        };
        check.report = super::Report::Nothing;
        let in_file = check.outcome.changed;
        if args.flag("sysctl_set") && is_present {
            set_now(name, &value, args, view, &mut check);
        }
        if in_file && args.choice("reload") != Some(false) {
            check.operations.push(Operation::Run { command: reload(&path, args), brings: Vec::new() });
        }
        Ok(check)
    }
}

/// Blanks between numbers are one blank each, as the kernel prints them.
fn squeezed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every line of that name gets the value; one is added where there is none.
fn edited(text: &str, name: &str, wanted: Option<&str>) -> String {
    let is_ours = |line: &str| {
        let line = line.trim_start();
        !line.starts_with(['#', ';'])
            && line.split_once('=').is_some_and(|(key, _)| {
                key.trim().trim_start_matches('-').replace('/', ".") == name.replace('/', ".")
            })
    };
    let mut lines: Vec<String> = Vec::new();
    let mut is_there = false;
    for line in text.lines() {
        match (is_ours(line), wanted) {
            (false, _) => lines.push(line.to_owned()),
            (true, Some(value)) if !is_there => {
                is_there = true;
                let has_it = line.split_once('=').is_some_and(|(_, known)| squeezed(known) == value);
                lines.push(if has_it { line.to_owned() } else { format!("{name}={value}") });
            }
            // A second line of the same name would win or lie.
            (true, _) => {}
        }
    }
    if let Some(value) = wanted.filter(|_| !is_there) {
        lines.push(format!("{name}={value}"));
    }
    match lines.is_empty() {
        true => String::new(),
        false => lines.join("\n") + "\n",
    }
}

/// The running kernel's value.
fn set_now(name: &str, value: &str, args: &Args<'_>, view: &View<'_>, check: &mut Check) {
    let known = squeezed(&view.text(&format!("/proc/sys/{}", name.replace('.', "/"))));
    if known == value {
        return;
    }
    let ignore: &[&str] = if args.flag("ignoreerrors") { &["-e"] } else { &[] };
    let command = Command::new("sysctl", ignore).argument("-w").argument(format!("{name}={value}"));
    let change =
        Change::Attribute { attribute: "current".into(), before: Some(known), after: Some(value.to_owned()) };
    check.outcome.changed = true;
    check.outcome.diffs.push(Diff { kind: "sysctl".into(), name: name.to_owned(), changes: vec![change] });
    check.operations.push(Operation::Run { command, brings: Vec::new() });
}

fn reload(path: &Path, args: &Args<'_>) -> Command {
    let ignore: &[&str] = if args.flag("ignoreerrors") { &["-e"] } else { &[] };
    Command::new("sysctl", ignore).argument("-p").argument(path)
}

#[cfg(test)]
mod tests {
    use super::edited;

    #[test]
    fn line_is_changed_where_it_stands_added_or_removed() {
        let text = "# x\nvm.swappiness = 60\n";
        assert_eq!(edited(text, "vm.swappiness", Some("60")), text);
        assert_eq!(edited(text, "vm.swappiness", Some("5")), "# x\nvm.swappiness=5\n");
        assert_eq!(edited(text, "a.b", Some("1 2")), "# x\nvm.swappiness = 60\na.b=1 2\n");
        assert_eq!(edited(text, "vm.swappiness", None), "# x\n");
    }
}
