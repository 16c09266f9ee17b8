//! `service` and `systemd`: starts, stops, enables and masks a unit.

use super::systemctl::{self, Owner, Unit};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, UnitStart, View};
use muster_api::diff::{Change, Diff};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(super) struct Service;

impl Module for Service {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if let Some(manager) =
            args.text("use").filter(|name| !matches!(*name, "auto" | "systemd" | "service"))
        {
            return Err(Failure::new(format!(
                "`use` is `{manager}`: muster knows no other service manager than systemd"
            )));
        }
        let owner = Owner::of(args.text("scope"));
        let systemctl =
            |words: &[&str], brings| Operation::Run { command: owner.systemctl(words, view), brings };
        let mut check = Check::unchanged();
        let unused =
            ["pattern", "runlevel", "arguments"].into_iter().filter(|name| args.text(name).is_some());
        let warnings = unused.map(|name| format!("Ignoring \"{name}\" as it is not used in \"systemd\""));
        check.outcome.warnings.extend(warnings);
        if args.flag("daemon_reexec") {
            check.operations.push(systemctl(&["daemon-reexec"], Vec::new()));
        }
        if args.flag("daemon_reload") {
            check.operations.push(systemctl(&["daemon-reload"], vec![Prediction::UnitsReloaded]));
        }
        let Some(name) = args.text("name") else { return Ok(check) };
        let unit = systemctl::unit(name, owner, view)?;
        let mut planner = Planner { unit: &unit, owner, args, view, check, changes: Vec::new() };
        planner.mask()?;
        planner.enable();
        planner.run()?;
        Ok(planner.finish(name))
    }
}

struct Planner<'a> {
    unit: &'a Unit,
    owner: Owner,
    args: &'a Args<'a>,
    view: &'a View<'a>,
    check: Check,
    changes: Vec<Change>,
}

impl Planner<'_> {
    fn change(&mut self, attribute: &str, before: &str, after: &str) {
        let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
        self.changes.push(Change::Attribute { attribute: attribute.to_owned(), before, after });
    }

    fn operate(&mut self, words: &[&str], start: UnitStart) {
        let mut words = words.to_vec();
        if self.args.flag("no_block") && !matches!(words[0], "enable" | "disable" | "mask" | "unmask") {
            words.insert(1, "--no-block");
        }
        words.push(&self.unit.name);
        let brings = vec![Prediction::Unit { name: self.owner.key(&self.unit.name), start }];
        let command = self.owner.systemctl(&words, self.view);
        self.check.operations.push(Operation::Run { command, brings });
    }

    fn mask(&mut self) -> Result<(), Failure> {
        let wanted = self.args.choice("masked").filter(|wanted| *wanted != self.unit.is_masked);
        if let Some(masked) = wanted {
            let (before, after) = if masked { ("no", "yes") } else { ("yes", "no") };
            self.change("masked", before, after);
            let start = UnitStart { masked: Some(masked), ..UnitStart::default() };
            self.operate(&[if masked { "mask" } else { "unmask" }], start);
            self.link_to_nothing(masked)?;
        }
        Ok(())
    }

    /// A unit is masked by a link to `/dev/null` in the place of its file, which must be free.
    fn link_to_nothing(&mut self, masked: bool) -> Result<(), Failure> {
        if self.owner != Owner::System {
            return Ok(());
        }
        let path = Path::new("/etc/systemd/system").join(&self.unit.name);
        let there = self.view.lstat(&path).ok().flatten();
        let nothing = Path::new("/dev/null");
        let is_link = there.as_ref().is_some_and(|stat| stat.target.as_deref() == Some(nothing));
        if masked && there.is_some() && !is_link {
            return Err(Failure::new(format!(
                "Failed to mask service `{}`: `{}` is already there, where the mask goes; remove it first",
                self.unit.name,
                path.display()
            )));
        }
        let operation = match masked {
            true => Operation::Symlink { path, target: nothing.to_owned() },
            false if is_link => Operation::Remove { path },
            false => return Ok(()),
        };
        if let Some(Operation::Run { brings, .. }) = self.check.operations.last_mut() {
            brings.push(Prediction::Also(Box::new(operation)));
        }
        Ok(())
    }

    fn enable(&mut self) {
        let wanted = self.args.choice("enabled").filter(|wanted| *wanted != self.unit.is_enabled);
        if let Some(enabled) = wanted {
            let (before, after) = if enabled { ("disabled", "enabled") } else { ("enabled", "disabled") };
            self.change("enabled", before, after);
            let start = UnitStart { enabled: Some(enabled), ..UnitStart::default() };
            let verb = if enabled { "enable" } else { "disable" };
            if self.args.flag("force") && enabled {
                self.operate(&[verb, "--force"], start);
            } else {
                self.operate(&[verb], start);
            }
        }
    }

    fn run(&mut self) -> Result<(), Failure> {
        let active = |active| UnitStart { active: Some(active), ..UnitStart::default() };
        let was = if self.unit.is_active { "started" } else { "stopped" };
        let state = self.args.text("state");
        let starts = matches!(state, Some("started" | "restarted" | "reloaded"));
        if starts && self.unit.is_masked && self.args.choice("masked") != Some(false) {
            return Err(Failure::new(format!(
                "service `{}` is masked: it cannot be started; `masked: false` unmasks it",
                self.unit.name
            )));
        }
        match state {
            Some("started") if !self.unit.is_active => match &self.unit.cannot_start {
                Some(condition) => {
                    let warning =
                        format!("service `{}` cannot start on this host: {condition}", self.unit.name);
                    self.check.outcome.warnings.push(warning);
                }
                None => {
                    self.change("state", was, "started");
                    self.operate(&["start"], active(true));
                }
            },
            Some("stopped") if self.unit.is_active => {
                self.change("state", was, "stopped");
                self.operate(&["stop"], active(false));
            }
            Some("restarted") => {
                self.change("state", was, "restarted");
                self.restart(active(true));
            }
            Some("reloaded") if self.cannot_reload() => {
                return Err(Failure::new(format!(
                    "service `{}` cannot be reloaded: its unit says nothing of how; use `state: restarted`",
                    self.unit.name
                )));
            }
            Some("reloaded") => {
                self.change("state", was, "reloaded");
                let verb = if self.unit.is_active { "reload" } else { "start" };
                self.operate(&[verb], active(true));
            }
            _ => {}
        }
        Ok(())
    }

    /// Only what systemd has loaded can tell: a unit that comes with a package of the same plan cannot yet.
    fn cannot_reload(&self) -> bool {
        let told = |key: &str| self.unit.status.get(key).and_then(Value::as_str);
        let is_told = told("LoadState") == Some("loaded") && told("CanReload") == Some("no");
        self.unit.is_active && is_told && !self.gets_reload(told("FragmentPath").unwrap_or_default())
    }

    /// Whether an earlier step of the plan would write into the unit's files how it is reloaded.
    fn gets_reload(&self, loaded_from: &str) -> bool {
        let own = Path::new("/etc/systemd/system").join(&self.unit.name);
        let more = PathBuf::from(format!("{}.d", own.display()));
        let names = self.view.list(&more).unwrap_or_default();
        let mut files = names.iter().map(|name| more.join(name)).chain([own, PathBuf::from(loaded_from)]);
        files.any(|file| {
            let is_written = self.view.overlay().touches(&file);
            let text = || self.view.text(&file.to_string_lossy());
            is_written && ["ExecReload=", "notify-reload"].iter().any(|reload| text().contains(reload))
        })
    }

    fn restart(&mut self, start: UnitStart) {
        match self.args.int("sleep").filter(|_| self.unit.is_active) {
            Some(seconds) => {
                self.operate(&["stop"], UnitStart { active: Some(false), ..start });
                let sleep = Command::new("sleep", &[&seconds.to_string()]);
                self.check.operations.push(Operation::Run { command: sleep, brings: Vec::new() });
                self.operate(&["start"], start);
            }
            None => self.operate(&["restart"], start),
        }
    }

    fn finish(self, written: &str) -> Check {
        let Planner { unit, args, mut check, changes, .. } = self;
        let is_enabled = args.choice("enabled").unwrap_or(unit.is_enabled);
        let state = match args.text("state") {
            Some("stopped") => "stopped",
            Some(_) => "started",
            None if unit.is_active => "started",
            None => "stopped",
        };
        if !changes.is_empty() {
            check.outcome.changed = true;
            check.outcome.diffs.push(Diff { kind: "service".into(), name: unit.name.clone(), changes });
        }
        check = check
            .with("name", written)
            .with("enabled", is_enabled)
            .with("status", Value::Object(unit.status.clone()));
        check.with("state", state)
    }
}
