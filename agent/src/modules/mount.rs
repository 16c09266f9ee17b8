//! `mount`: a line of /etc/fstab (fstab(5)), and what is mounted now.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::mounts::unescaped;
use crate::worker::process::Command;
use crate::worker::{Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use std::path::{Path, PathBuf};

pub(super) struct Mount;

impl Module for Mount {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed("path")?.trim_end_matches('/');
        let path = if path.is_empty() { "/" } else { path };
        let state = args.needed("state")?;
        let mut task = Task { args, view, path, check: Check::unchanged() };
        let is_mounted = is_mounted(path, view);
        match state {
            "present" => drop(task.write_line()?),
            "absent_from_fstab" => task.remove_line()?,
            "absent" => {
                task.remove_line()?;
                task.unmount(is_mounted);
                task.remove_folder();
            }
            "unmounted" => task.unmount(is_mounted),
            "remounted" => task.remount(is_mounted)?,
            "ephemeral" => task.mount_without_line(is_mounted)?,
            _ => {
                task.make_folder()?;
                let changed = task.write_line()?;
                task.mount(is_mounted, changed);
            }
        }
        let check = task.check.with("name", path).with("path", path).with("state", state);
        let told = ["src", "fstype", "opts", "dump", "passno", "fstab"];
        Ok(told.iter().fold(check, |check, name| match args.raw(name) {
            Some(value) => check.with(name, value.clone()),
            None => check,
        }))
    }
}

/// What an earlier step of this plan would have mounted or unmounted counts.
fn is_mounted(path: &str, view: &View<'_>) -> bool {
    let predicted = view.overlay().thing(KIND, path).map(|state| state.is_some());
    predicted.unwrap_or_else(|| mounted(view).iter().any(|mount| mount.target == path))
}

/// Something that is mounted at a path or below it.
pub(super) fn mounted_below(path: &Path, view: &View<'_>) -> Option<String> {
    let targets = mounted(view).into_iter().map(|mount| mount.target);
    targets.into_iter().find(|target| Path::new(target).starts_with(path) && is_mounted(target, view))
}

const KIND: &str = "mount";

struct Task<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    path: &'a str,
    check: Check,
}

impl Task<'_> {
    fn fstab(&self) -> PathBuf {
        self.args.path("fstab", self.view).unwrap_or_else(|| "/etc/fstab".into())
    }

    fn line(&self) -> Result<String, Failure> {
        let needed = |name: &str| {
            let value = self.args.text(name);
            value.ok_or_else(|| {
                Failure::new(format!(
                    "`state` is `{}`: `{name}` must be given",
                    self.args.text("state").unwrap_or("")
                ))
            })
        };
        let options = self.options();
        let field = |text: &str| text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
        let number = |name| self.args.text(name).unwrap_or("0");
        Ok(format!(
            "{} {} {} {options} {} {}",
            field(needed("src")?),
            field(self.path),
            needed("fstype")?,
            number("dump"),
            number("passno")
        ))
    }

    fn options(&self) -> String {
        let options = self.args.text("opts").unwrap_or("defaults");
        match self.args.choice("boot") {
            Some(false) if !options.split(',').any(|option| option == "noauto") => {
                format!("{options},noauto")
            }
            _ => options.to_owned(),
        }
    }

    fn write_line(&mut self) -> Result<bool, Failure> {
        let line = self.line()?;
        let is_swap = self.args.text("fstype") == Some("swap");
        self.edit(|known| is_same_mount(known, &line, is_swap), Some(&line))
    }

    fn remove_line(&mut self) -> Result<(), Failure> {
        let path = self.path.to_owned();
        let source = self.args.text("src").map(str::to_owned);
        let is_ours = |known: &str| {
            let fields: Vec<&str> = known.split_whitespace().collect();
            fields.get(1).is_some_and(|target| unescaped(target) == path)
                && (path != "none" || source.as_deref().is_none_or(|source| fields[0] == source))
        };
        self.edit(is_ours, None).map(drop)
    }

    /// Replaces the lines that are of this mount by one, or removes them.
    fn edit(&mut self, is_ours: impl Fn(&str) -> bool, wanted: Option<&str>) -> Result<bool, Failure> {
        let path = self.fstab();
        let before = Before::at(&path, true, self.view)?;
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let mut lines: Vec<String> = Vec::new();
        let mut is_there = false;
        for line in text.lines() {
            match (line.trim_start().starts_with('#') || !is_ours(line), wanted) {
                (true, _) => lines.push(line.to_owned()),
                (false, Some(wanted)) if !is_there => {
                    is_there = true;
                    let is_same = line.split_whitespace().eq(wanted.split_whitespace());
                    lines.push(if is_same { line.to_owned() } else { wanted.to_owned() });
                }
                (false, _) => {}
            }
        }
        lines.extend(wanted.filter(|_| !is_there).map(str::to_owned));
        let new = if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" };
        if new == text {
            return Ok(false);
        }
        let placed = placing::place(&before, new.into_bytes(), self.args, self.view)?;
        self.check.outcome.diffs.extend(placed.outcome.diffs);
        self.check.operations.extend(placed.operations);
        self.check.outcome.changed = true;
        if let Some(copy) = placed.outcome.result.get("backup_file") {
            self.check.outcome.result.insert("backup_file".into(), copy.clone());
        }
        Ok(true)
    }

    fn make_folder(&mut self) -> Result<(), Failure> {
        let folder = Path::new(self.path);
        let is_bound = self.options().split(',').any(|option| option == "bind" || option == "rbind");
        if !is_bound && self.view.exists(folder) && !self.view.is_directory(folder) {
            return Err(Failure::new(format!(
                "`{}` is not a directory: nothing can be mounted there",
                self.path
            )));
        }
        let make = placing::missing_folders(folder, self.view)?;
        let make = make.into_iter().map(|path| Operation::MakeDirectory { path });
        let before = self.check.operations.len();
        self.check.operations.extend(make);
        self.check.outcome.changed |= self.check.operations.len() > before;
        Ok(())
    }

    /// Only an empty one: what is in it was not this module's.
    fn remove_folder(&mut self) {
        let folder = Path::new(self.path);
        let is_covered = is_mounted(self.path, self.view);
        let is_empty = self.view.list(folder).is_ok_and(|names| names.is_empty());
        if self.view.is_directory(folder) && (is_covered || is_empty) {
            self.run(Command::new("rmdir", &["--", self.path]), "absent");
        }
    }

    fn run(&mut self, command: Command, after: &str) {
        let before = if after == "mounted" { "not mounted" } else { "mounted" };
        let change = Change::Presence { before: before.into(), after: after.into() };
        self.check.outcome.changed = true;
        self.check.outcome.diffs.push(Diff {
            kind: "mount".into(),
            name: self.path.to_owned(),
            changes: vec![change],
        });
        let state = (after != "not mounted" && after != "absent").then(|| after.to_owned());
        let mut brings = vec![Prediction::Thing { kind: KIND, name: self.path.to_owned(), state }];
        if after == "absent" {
            brings.push(Prediction::Also(Box::new(Operation::Remove { path: self.path.into() })));
        }
        self.check.operations.push(Operation::Run { command, brings });
    }

    fn mount(&mut self, is_mounted: bool, line_changed: bool) {
        let fstab = self.fstab();
        let mut command = Command::new("mount", &[]);
        if fstab != Path::new("/etc/fstab") {
            command = command.argument("-T").argument(&fstab);
        }
        match (is_mounted, line_changed) {
            (false, _) => self.run(command.argument(self.path), "mounted"),
            (true, true) => self.run(
                Command::new("mount", &["-o", &format!("remount,{}", self.options()), self.path]),
                "remounted",
            ),
            (true, false) => {}
        }
    }

    fn unmount(&mut self, is_mounted: bool) {
        if is_mounted {
            self.run(Command::new("umount", &[self.path]), "not mounted");
        }
    }

    fn remount(&mut self, is_mounted: bool) -> Result<(), Failure> {
        if !is_mounted {
            return Err(Failure::missing(format!(
                "`{}` is not mounted: there is nothing to mount again",
                self.path
            )));
        }
        self.run(Command::new("mount", &["-o", "remount", self.path]), "remounted");
        Ok(())
    }

    fn mount_without_line(&mut self, is_mounted: bool) -> Result<(), Failure> {
        self.line()?;
        let (source, kind) = (self.args.needed("src")?, self.args.needed("fstype")?);
        let known = mounted(self.view).into_iter().rev().find(|mount| mount.target == self.path);
        if let Some(known) = known.filter(|_| is_mounted) {
            if known.source == source {
                return Ok(());
            }
            return Err(Failure::new(format!(
                "Ephemeral mount point is already mounted with a different source than the specified one. Failing in order to prevent an unwanted unmount or override operation: `{}` is on `{}`",
                known.source, self.path
            )));
        }
        if is_mounted {
            return Ok(());
        }
        self.make_folder()?;
        self.run(Command::new("mount", &["-t", kind, "-o", &self.options(), source, self.path]), "mounted");
        Ok(())
    }
}

/// Swap has no place in the tree: it is known by its device.
fn is_same_mount(known: &str, wanted: &str, is_swap: bool) -> bool {
    let field = |line: &str, at: usize| line.split_whitespace().nth(at).map(unescaped);
    let at = if is_swap { 0 } else { 1 };
    known.split_whitespace().count() >= 4 && field(known, at) == field(wanted, at)
}

/// What is mounted.
pub(super) struct Mounted {
    pub(super) source: String,
    pub(super) target: String,
}

pub(super) fn mounted(view: &View<'_>) -> Vec<Mounted> {
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        Some(Mounted { source: unescaped(fields.next()?), target: unescaped(fields.next()?) })
    };
    view.mounts().lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn line_of_a_mount_is_added_changed_and_removed() {
        let trial = Trial::new("mount");
        let fstab = trial.write("fstab", "# head\nUUID=1 / ext4 defaults 0 1\n");
        let step = |options: &str, state: &str| json!({"path": "/srv/a b", "src": "/dev/x", "fstype": "xfs", "opts": options, "state": state, "fstab": fstab});
        trial.changes_once(step("defaults", "present"));
        assert!(trial.text("fstab").ends_with("0 1\n/dev/x /srv/a\\040b xfs defaults 0 0\n"));
        trial.changes_once(step("noatime", "present"));
        assert!(trial.text("fstab").ends_with("xfs noatime 0 0\n"));
        trial.changes_once(json!({"path": "/srv/a b", "state": "absent_from_fstab", "fstab": fstab}));
        assert_eq!(trial.text("fstab"), "# head\nUUID=1 / ext4 defaults 0 1\n");
    }

    #[test]
    fn what_is_needed_for_the_state_is_named() {
        assert!(Trial::new("mount").refuse(json!({"path": "/x", "state": "present"})).contains("`src`"));
    }
}
