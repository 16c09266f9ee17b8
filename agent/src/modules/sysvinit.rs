//! `sysvinit`: a service of an init script, asked and called through the script itself.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) struct SysVInit;

impl Module for SysVInit {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let service = Service { args, view, name: args.needed("name")?, script: script(args, view)? };
        let mut plan = Plan::default();
        service.enable(&mut plan)?;
        service.run(&mut plan);
        let check = match plan.changes.is_empty() {
            true => Check::unchanged(),
            false => {
                let diff =
                    Diff { kind: "service".into(), name: service.name.to_owned(), changes: plan.changes };
                Check::change(diff, plan.operations)
            }
        };
        Ok(check.with("name", service.name).with("status", plan.status))
    }
}

/// The init script, which has to be there.
fn script(args: &Args<'_>, view: &View<'_>) -> Result<String, Failure> {
    let name = args.needed("name")?;
    let script = format!("/etc/init.d/{name}");
    match view.exists(Path::new(&script)) {
        true => Ok(script),
        false => Err(Failure::missing(format!(
            "Could not find the requested service {name}: no init script has that name"
        ))),
    }
}

#[derive(Default)]
struct Plan {
    operations: Vec<Operation>,
    changes: Vec<Change>,
    status: Map<String, Value>,
}

impl Plan {
    fn change(&mut self, what: &str, before: &str, after: &str) {
        let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
        self.changes.push(Change::Attribute { attribute: what.to_owned(), before, after });
    }

    fn call(&mut self, program: &str, words: &[&str]) {
        self.operations.push(Operation::Run { command: Command::new(program, words), brings: Vec::new() });
    }
}

struct Service<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    name: &'a str,
    script: String,
}

impl Service<'_> {
    fn enable(&self, plan: &mut Plan) -> Result<(), Failure> {
        let Some(wanted) = self.args.choice("enabled") else { return Ok(()) };
        let levels = self.args.list("runlevels").unwrap_or_default();
        let is_right = match levels.is_empty() {
            true => self.is_enabled("?") == wanted,
            false => levels.iter().all(|level| self.is_enabled(level) == wanted),
        };
        plan.status.insert("enabled".into(), json!({"changed": !is_right}));
        if is_right {
            return Ok(());
        }
        let word = |flag: bool| if flag { "enabled" } else { "disabled" };
        plan.change("enabled", word(!wanted), word(wanted));
        if self.view.program("update-rc.d").is_some() {
            let verb = match (wanted, levels.is_empty()) {
                (true, true) => "defaults",
                (true, false) => "enable",
                (false, _) => "disable",
            };
            let words: Vec<&str> =
                [self.name, verb].into_iter().chain(levels.iter().map(String::as_str)).collect();
            plan.call("update-rc.d", &words);
        } else if self.view.program("chkconfig").is_some() {
            let all = levels.concat();
            let mut words = if levels.is_empty() { Vec::new() } else { vec!["--level", all.as_str()] };
            words.extend([self.name, if wanted { "on" } else { "off" }]);
            plan.call("chkconfig", &words);
        } else {
            return Err(Failure::missing("this host has neither `update-rc.d` nor `chkconfig`"));
        }
        Ok(())
    }

    /// Whether a runlevel has a link that starts it; `?` is any.
    fn is_enabled(&self, level: &str) -> bool {
        let levels: Vec<String> = match level {
            "?" => (0..=6).map(|level| level.to_string()).chain(["S".to_owned()]).collect(),
            one => vec![one.to_owned()],
        };
        let is_start = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            let number = name.strip_prefix('S').and_then(|rest| rest.strip_suffix(self.name));
            number
                .is_some_and(|number| number.len() == 2 && number.chars().all(|digit| digit.is_ascii_digit()))
        };
        levels.iter().any(|level| {
            let folder = format!("/etc/rc{level}.d");
            self.view.list(Path::new(&folder)).is_ok_and(|names| names.iter().any(is_start))
        })
    }

    fn run(&self, plan: &mut Plan) {
        let Some(state) = self.args.text("state") else { return };
        let is_running = self.is_running();
        let calls: &[&str] = match (state, is_running) {
            ("started", false) => &["start"],
            ("stopped", true) => &["stop"],
            ("restarted", true) => &["stop", "start"],
            ("restarted", false) => &["start"],
            ("reloaded", true) => &["reload"],
            ("reloaded", false) => &["start"],
            _ => &[],
        };
        plan.status.insert(state.to_owned(), json!({"changed": !calls.is_empty()}));
        if calls.is_empty() {
            return;
        }
        plan.change("state", if is_running { "started" } else { "stopped" }, state);
        let pause = self.args.int("sleep").unwrap_or(1).to_string();
        for (index, call) in calls.iter().enumerate() {
            if index > 0 {
                plan.call("sleep", &[&pause]);
            }
            let line = format!("{} {call} {}", self.script, self.args.text("arguments").unwrap_or(""));
            match self.args.flag("daemonize") {
                // A script that stays in the foreground gets a session of its own.
                true => plan.call(
                    "setsid",
                    &["--fork", "/bin/sh", "-c", &format!("{line} </dev/null >/dev/null 2>&1")],
                ),
                false => plan.call("/bin/sh", &["-c", &line]),
            }
        }
    }

    /// As the script says it, or a process whose command line has the pattern.
    fn is_running(&self) -> bool {
        match self.args.text("pattern") {
            Some(pattern) => {
                let listed = self.view.ask("ps", &["-eo", "args"]).map(|ran| ran.out()).unwrap_or_default();
                listed.lines().any(|line| line.contains(pattern))
            }
            None => self.view.ask(&self.script, &["status"]).is_ok_and(|ran| ran.is_fine()),
        }
    }
}
