//! `ufw`: the state, the defaults and the rules of Ubuntu's firewall. `ufw --dry-run` says whether a rule is new.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use std::collections::BTreeSet;

pub(super) struct Ufw;

impl Module for Ufw {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if view.program("ufw").is_none() {
            return Err(Failure::missing(
                "Failed to find required executable \"ufw\": install package ufw first",
            ));
        }
        let status = ask(view, &["status", "verbose"])?;
        let mut check = Check::unchanged();
        state(args, &status, &mut check);
        logging(args, &status, &mut check);
        default(args, &status, view, &mut check);
        rule(args, view, &mut check)?;
        Ok(check.with("msg", status.trim()))
    }
}

fn ask(view: &View<'_>, words: &[&str]) -> Result<String, Failure> {
    let ran = view.ask("ufw", words).map_err(|error| Failure::new(format!("cannot run `ufw`: {error}")))?;
    match ran.is_fine() {
        true => Ok(ran.out()),
        false => Err(Failure::new(ran.complaint()).with("rc", ran.rc)),
    }
}

fn add(check: &mut Check, name: &str, before: &str, after: &str, words: &[&str]) {
    let change = Change::Attribute {
        attribute: name.to_owned(),
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
    };
    check.outcome.changed = true;
    check.outcome.diffs.push(Diff { kind: "firewall".into(), name: "ufw".into(), changes: vec![change] });
    check.operations.push(Operation::Run { command: Command::new("ufw", words), brings: Vec::new() });
}

fn state(args: &Args<'_>, status: &str, check: &mut Check) {
    let is_active = status.lines().any(|line| line == "Status: active");
    let now = if is_active { "enabled" } else { "disabled" };
    match args.text("state") {
        Some("enabled") if !is_active => add(check, "state", now, "enabled", &["--force", "enable"]),
        Some("disabled") if is_active => add(check, "state", now, "disabled", &["--force", "disable"]),
        Some("reloaded") if is_active => add(check, "state", now, "reloaded", &["--force", "reload"]),
        Some("reset") => add(check, "state", now, "reset", &["--force", "reset"]),
        _ => {}
    }
}

fn logging(args: &Args<'_>, status: &str, check: &mut Check) {
    let Some(wanted) = args.text("logging") else { return };
    let line = status.lines().find_map(|line| line.strip_prefix("Logging: ")).unwrap_or("off");
    let (is_on, level) = (line.starts_with("on"), line.trim_start_matches("on (").trim_end_matches(')'));
    let is_right = match wanted {
        "on" => is_on,
        "off" => !is_on,
        wanted => is_on && level == wanted,
    };
    if !is_right {
        add(check, "logging", line, wanted, &["logging", wanted]);
    }
}

fn default(args: &Args<'_>, status: &str, view: &View<'_>, check: &mut Check) {
    let Some(wanted) = args.text("default") else { return };
    let direction = match args.text("direction") {
        Some("out" | "outgoing") => "outgoing",
        Some("routed") => "routed",
        _ => "incoming",
    };
    let part = format!("({direction})");
    let line = status.lines().find_map(|line| line.strip_prefix("Default: "));
    let known = match line {
        Some(line) => line.split(", ").find_map(|one| one.strip_suffix(&part)).map_or("", str::trim),
        // A firewall that is off tells nothing of what it would do.
        None => policy(direction, view),
    };
    let known = view.overlay().thing(KIND, direction).flatten().unwrap_or(known);
    if known != wanted {
        add(check, &format!("default {direction}"), known, wanted, &["default", wanted, direction]);
        remember(check, direction, Some(wanted));
    }
}

/// What /etc/default/ufw says, in the words of this module.
fn policy(direction: &str, view: &View<'_>) -> &'static str {
    let name = match direction {
        "outgoing" => "DEFAULT_OUTPUT_POLICY=",
        "routed" => "DEFAULT_FORWARD_POLICY=",
        _ => "DEFAULT_INPUT_POLICY=",
    };
    let text = view.text("/etc/default/ufw");
    match text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"')) {
        Some("ACCEPT") => "allow",
        Some("DROP") => "deny",
        Some("REJECT") => "reject",
        _ => "",
    }
}

const KIND: &str = "ufw";

/// For later steps of a plan: a default, or a rule that is there or not.
fn remember(check: &mut Check, name: &str, state: Option<&str>) {
    if let Some(Operation::Run { brings, .. }) = check.operations.last_mut() {
        brings.push(Prediction::Thing { kind: KIND, name: name.to_owned(), state: state.map(str::to_owned) });
    }
}

fn rule(args: &Args<'_>, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
    let Some(act) = args.text("rule") else { return Ok(()) };
    let words = words(act, args);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let dry: Vec<&str> = std::iter::once("--dry-run").chain(words.iter().copied()).collect();
    let said = ask(view, &dry)?;
    // With nothing to do, ufw says so, or prints the rules as they are.
    let is_known = said.contains("Skipping") || args.flag("delete") && tuples(&said) == present(view);
    let plain = words
        .iter()
        .filter(|word| !matches!(**word, "--force" | "delete"))
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let is_known = match view.overlay().thing(KIND, &plain) {
        Some(state) => state.is_some() != args.flag("delete"),
        None => is_known,
    };
    if !is_known {
        let (before, after) = if args.flag("delete") { ("present", "absent") } else { ("absent", "present") };
        let line = words.iter().filter(|word| **word != "--force").copied().collect::<Vec<_>>().join(" ");
        add(check, &line, before, after, &words);
        remember(check, &plain, (after == "present").then_some("present"));
    }
    Ok(())
}

/// The rules in a text of ufw's, each a comment above what it comes to.
fn tuples(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with("### tuple ###")).map(str::to_owned).collect()
}

fn present(view: &View<'_>) -> BTreeSet<String> {
    let files =
        ["/etc/ufw/user.rules", "/etc/ufw/user6.rules", "/lib/ufw/user.rules", "/lib/ufw/user6.rules"];
    files.iter().flat_map(|file| tuples(&view.text(file))).collect()
}

fn words(act: &str, args: &Args<'_>) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let text = |name: &str| args.text(name).map(str::to_owned);
    if args.flag("route") {
        words.push("route".into());
    }
    if args.flag("delete") {
        // Only a removal asks back, and only there ufw knows of `--force`.
        words.insert(0, "--force".into());
        words.push("delete".into());
    }
    if let Some(number) = text("insert").filter(|_| !args.flag("delete")) {
        words.extend(["insert".into(), number]);
    }
    words.push(act.into());
    words.extend(text("direction").filter(|_| args.text("default").is_none()));
    for (argument, prefix) in [("interface", "on"), ("interface_in", "in on"), ("interface_out", "out on")] {
        if let Some(value) = text(argument) {
            words.extend(prefix.split(' ').map(str::to_owned));
            words.push(value);
        }
    }
    if args.flag("log") {
        words.push("log".into());
    }
    for (argument, word) in [
        ("from_ip", "from"),
        ("from_port", "port"),
        ("to_ip", "to"),
        ("to_port", "port"),
        ("proto", "proto"),
        ("name", "app"),
        ("comment", "comment"),
    ] {
        if let Some(value) = text(argument) {
            words.extend([word.to_owned(), value]);
        }
    }
    words
}
