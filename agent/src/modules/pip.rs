//! `pip`: Python packages of the host, or of a virtual environment that is made where there is none.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) struct Pip;

impl Module for Pip {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let wanted = Wanted::of(args, view)?;
        let mut operations = Vec::new();
        if let Some(venv) = wanted.venv.as_ref().filter(|venv| !view.exists(&venv.join("bin/activate"))) {
            operations.push(run(wanted.make(venv, view)?));
        }
        let pip = wanted.pip(view)?;
        let installed = if operations.is_empty() { installed(&pip, view)? } else { BTreeMap::new() };
        let state = args.text("state").unwrap_or("present");
        let words = wanted.words(state, &installed);
        let is_new = !operations.is_empty();
        let mut check = match words {
            Some(words) => {
                let mut command = pip.clone();
                command.arguments.extend(words.into_iter().map(Into::into));
                command.folder = args.path("chdir", view);
                operations.push(run(match args.text("umask") {
                    Some(umask) => command.under_umask(umask),
                    None => command,
                }));
                let after = if state == "absent" { "absent" } else { "installed" };
                let change = Change::Presence { before: "different".into(), after: after.into() };
                let name = wanted.names.join(" ");
                Check::change(Diff { kind: "python package".into(), name, changes: vec![change] }, operations)
            }
            None => {
                let mut check = Check::unchanged();
                check.operations = operations;
                check.outcome.changed = is_new;
                check
            }
        };
        if check.outcome.changed {
            check.doubt = Some("what comes with Python packages is known when they are installed".to_owned());
        }
        let told = ["name", "version", "requirements", "virtualenv", "state"];
        let check = told
            .iter()
            .fold(check, |check, name| check.with(name, args.raw(name).cloned().unwrap_or(Value::Null)));
        Ok(check.with("cmd", json!(pip.line())))
    }
}

fn run(command: Command) -> Operation {
    Operation::Run { command, brings: Vec::new() }
}

struct Wanted<'a> {
    args: &'a Args<'a>,
    names: Vec<String>,
    venv: Option<PathBuf>,
}

impl<'a> Wanted<'a> {
    fn of(args: &'a Args<'a>, view: &View<'_>) -> Result<Self, Failure> {
        let mut names = args.list("name").unwrap_or_default();
        if let Some(version) = args.text("version") {
            match names.as_mut_slice() {
                [one] => one.push_str(&if version.starts_with(['=', '<', '>', '!', '~']) {
                    version.to_owned()
                } else {
                    format!("=={version}")
                }),
                _ => {
                    return Err(Failure::new(
                        "'version' argument is ambiguous when installing multiple package distributions. Please specify version restrictions next to each package in 'name' argument.",
                    ));
                }
            }
        }
        Ok(Self { args, names, venv: args.path("virtualenv", view) })
    }

    /// The command that makes the virtual environment.
    fn make(&self, venv: &Path, view: &View<'_>) -> Result<Command, Failure> {
        let line = self.args.text("virtualenv_command");
        let line = line.or_else(|| view.program("virtualenv").is_none().then_some("python3 -m venv"));
        let words = super::words::split(line.unwrap_or("virtualenv")).map_err(|wrong| {
            Failure::new(format!("cannot split `virtualenv_command` into words: {wrong}"))
        })?;
        let (program, rest) =
            words.split_first().ok_or_else(|| Failure::new("`virtualenv_command` is empty"))?;
        let mut command = Command::new(program, &rest.iter().map(String::as_str).collect::<Vec<_>>());
        if self.args.flag("virtualenv_site_packages") {
            command = command.argument("--system-site-packages");
        }
        if let Some(python) = self.args.text("virtualenv_python") {
            command = command.argument(format!("-p{python}"));
        }
        Ok(command.argument(venv))
    }

    /// The `pip` in charge: of the virtual environment, the one that the task names, or the host's.
    fn pip(&self, view: &View<'_>) -> Result<Command, Failure> {
        if let Some(venv) = &self.venv {
            return Ok(Command::new(&venv.join("bin/pip").to_string_lossy(), &[]));
        }
        if let Some(program) = self.args.text("executable") {
            return Ok(Command::new(&view.expand(program), &[]));
        }
        let has_module = || view.ask("python3", &["-m", "pip", "--version"]).is_ok_and(|ran| ran.is_fine());
        match view.program("pip3").or_else(|| view.program("pip")) {
            Some(program) => Ok(Command::new(&program.to_string_lossy(), &[])),
            None if has_module() => Ok(Command::new("python3", &["-m", "pip"])),
            None => Err(Failure::missing(
                "Unable to find any of pip3, pip to use. pip needs to be installed: package python3-pip brings it",
            )),
        }
    }

    /// What pip shall do; `None` where everything is as it shall be.
    fn words(&self, state: &str, installed: &BTreeMap<String, String>) -> Option<Vec<String>> {
        let is_there = |name: &String| satisfied(name, installed);
        let needs_all =
            state == "latest" || state == "forcereinstall" || self.args.text("requirements").is_some();
        let extra = self.args.text("extra_args").unwrap_or("").split_whitespace().map(str::to_owned);
        let mut words: Vec<String> = match state {
            "absent" => {
                let there: Vec<String> =
                    self.names.iter().filter(|name| installed.contains_key(&bare(name))).cloned().collect();
                if there.is_empty() && self.args.text("requirements").is_none() {
                    return None;
                }
                let mut words = vec!["uninstall".to_owned(), "-y".to_owned()];
                words.extend(extra);
                words.extend(there);
                words
            }
            _ if !needs_all && self.names.iter().all(is_there) => return None,
            _ => {
                let mut words = vec!["install".to_owned()];
                words.extend((state == "latest").then(|| "-U".to_owned()));
                words.extend((state == "forcereinstall").then(|| "--force-reinstall".to_owned()));
                words.extend(extra);
                if self.args.flag("editable") {
                    words.push("-e".to_owned());
                }
                words.extend(self.names.clone());
                words
            }
        };
        if let Some(file) = self.args.text("requirements") {
            words.extend(["-r".to_owned(), file.to_owned()]);
        }
        if self.args.flag("break_system_packages") {
            words.push("--break-system-packages".to_owned());
        }
        Some(words)
    }
}

/// The distribution's name as pip compares it: without version and extras, `_` and `.` as `-`.
fn bare(name: &str) -> String {
    let end = name.find(['=', '<', '>', '!', '~', '[', ' ', ';']).unwrap_or(name.len());
    name[..end].to_lowercase().replace(['_', '.'], "-")
}

/// A name without a version is satisfied by any; `==` by that one. What else there is pip itself must judge.
fn satisfied(name: &str, installed: &BTreeMap<String, String>) -> bool {
    let Some(version) = installed.get(&bare(name)) else { return false };
    match name.split_once("==") {
        Some((_, wanted)) => wanted.trim() == version,
        None => !name.contains(['<', '>', '!', '~', '/']),
    }
}

fn installed(pip: &Command, view: &View<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut command = pip.clone();
    command.arguments.extend(["list", "--format=json", "--disable-pip-version-check"].map(Into::into));
    command.deadline = view.deadline();
    let ran =
        command.run().map_err(|error| Failure::missing(format!("cannot run `{}`: {error}", pip.line())))?;
    let list: Vec<Value> = serde_json::from_slice(&ran.stdout).unwrap_or_default();
    let entry = |item: &Value| Some((bare(item["name"].as_str()?), item["version"].as_str()?.to_owned()));
    Ok(list.iter().filter_map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_versions_satisfy_names_and_exact_versions() {
        let installed = BTreeMap::from([("my-pkg".to_owned(), "1.2".to_owned())]);
        assert!(satisfied("My_pkg", &installed) && satisfied("my.pkg==1.2", &installed));
        assert!(!satisfied("my-pkg==1.3", &installed) && !satisfied("other", &installed));
        assert!(!satisfied("my-pkg>=1", &installed), "pip itself compares versions");
    }
}
