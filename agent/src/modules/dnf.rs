//! `dnf`: RPM packages. rpm says what is installed; dnf is run only where something has to change.

use super::{Args, Check, Failure, Module, command};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, Package, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;

pub(super) struct Dnf;

impl Module for Dnf {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let request = Request::of(args, view)?;
        if args.flag("autoremove") && request.names.is_empty() {
            return request.autoremove(view);
        }
        let changes = request.changes(view)?;
        let mut operations = Vec::new();
        if args.flag("update_cache") {
            operations.push(Operation::Run {
                command: request.command(&["makecache", "--refresh"], &[]),
                brings: Vec::new(),
            });
        }
        if changes.is_empty() {
            return Ok(Check { operations, ..Check::unchanged() }.with("msg", "Nothing to do"));
        }
        operations.extend(request.operations(changes.iter()));
        let diffs = changes.iter().map(|changed| {
            let change = Change::Presence { before: changed.before.clone(), after: changed.after.clone() };
            Diff { kind: "package".into(), name: changed.name.clone(), changes: vec![change] }
        });
        let outcome = Outcome { changed: true, diffs: diffs.collect(), ..Outcome::default() };
        Ok(Check { outcome, operations, ..Check::default() })
    }

    fn apply(&self, _args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let ran = hands.carry_out(&check.operations).map_err(explained)?;
        let mut outcome = check.outcome;
        if let Some(last) = ran.last() {
            outcome.result.extend(command::told(last, false));
        }
        Ok(outcome)
    }
}

/// dnf's way to say that there is no such package, in ours.
fn explained(failure: Failure) -> Failure {
    let said = |name: &str| failure.result.get(name).and_then(|text| text.as_str()).unwrap_or("");
    let text = format!("{}\n{}", said("stdout"), said("stderr"));
    let unknown = text.lines().find_map(|line| line.split_once("No match for argument: "));
    match unknown {
        Some((_, name)) => Failure {
            msg: format!(
                "there is no package `{}` in the enabled repositories; `dnf search` finds names",
                name.trim()
            ),
            ..failure
        },
        None => failure,
    }
}

struct Changed {
    name: String,
    before: String,
    after: String,
}

struct Request {
    program: String,
    names: Vec<String>,
    state: &'static str,
    options: Vec<String>,
    update_only: bool,
    has_other_root: Option<String>,
}

impl Request {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        let wanted: &[&str] = match args.text("use_backend") {
            Some("dnf5") => &["dnf5"],
            Some("dnf" | "dnf4") => &["dnf"],
            Some("yum" | "yum4") => &["yum"],
            _ => &["dnf5", "dnf", "yum"],
        };
        let program = wanted.iter().find(|program| view.program(program).is_some());
        let program = program.ok_or_else(|| {
            Failure::missing(format!(
                "this host has no `{}`; use module `package`, which takes the host's own",
                wanted.join("` or `")
            ))
        })?;
        let names = args.list("name").unwrap_or_default();
        if let Some(group) = names.iter().find(|name| name.starts_with('@')) {
            return Err(Failure::new(format!(
                "`{group}` is a group of packages, which muster does not support yet; name its packages"
            )));
        }
        let autoremoves = args.flag("autoremove");
        let state = match args.text("state") {
            Some("absent" | "removed") => "absent",
            Some("latest") => "latest",
            None if autoremoves => "absent",
            _ => "present",
        };
        Ok(Self {
            program: (*program).to_owned(),
            names,
            state,
            options: options(args),
            update_only: args.flag("update_only"),
            has_other_root: args.text("installroot").filter(|root| *root != "/").map(str::to_owned),
        })
    }

    fn command(&self, words: &[&str], names: &[String]) -> Command {
        let mut command = Command::new(&self.program, &["-y"]).finishing();
        command.arguments.extend(self.options.iter().map(Into::into));
        command.arguments.extend(words.iter().map(Into::into));
        command.arguments.extend(names.iter().map(Into::into));
        command
    }

    fn changes(&self, view: &View<'_>) -> Result<Vec<Changed>, Failure> {
        if self.names.iter().any(|name| name == "*") {
            return self.all_updates(view);
        }
        let mut changes = Vec::new();
        for name in &self.names {
            let installed = self.installed(name, view)?;
            let changed = |after: &str| Changed {
                name: name.clone(),
                before: installed.clone().unwrap_or_else(|| "absent".to_owned()),
                after: after.to_owned(),
            };
            match (self.state, &installed) {
                ("absent", Some(_)) => changes.push(changed("absent")),
                ("absent", None) => {}
                (_, None) if self.update_only => {}
                (_, None) => changes.push(changed("newest")),
                ("latest", Some(_)) => {
                    let newer = self.updates(std::slice::from_ref(name), view)?;
                    changes.extend(newer.first().map(|(_, version)| changed(version)));
                }
                _ => {}
            }
        }
        Ok(changes)
    }

    fn all_updates(&self, view: &View<'_>) -> Result<Vec<Changed>, Failure> {
        if self.state != "latest" {
            return Err(Failure::new("`name: \"*\"` goes with `state: latest`"));
        }
        let updates = self.updates(&[], view)?;
        let changed =
            |(name, version): (String, String)| Changed { name, before: "older".into(), after: version };
        Ok(updates.into_iter().map(changed).collect())
    }

    /// The installed version of a package, of a version of it, or of what provides it.
    fn installed(&self, name: &str, view: &View<'_>) -> Result<Option<String>, Failure> {
        match view.overlay().package(name) {
            Some(Package::Removed) => return Ok(None),
            Some(Package::Installed(version)) => {
                return Ok(Some(version.clone().unwrap_or_else(|| "newest".into())));
            }
            None => {}
        }
        let root = self.has_other_root.as_ref().map(|root| format!("--root={root}"));
        let ask = |option: &[&str]| {
            let mut arguments = vec!["-q", "--qf", "%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n"];
            arguments.extend(root.as_deref());
            arguments.extend(option);
            arguments.push(name);
            let ran = view
                .ask("rpm", &arguments)
                .map_err(|error| Failure::new(format!("cannot run `rpm`: {error}")))?;
            Ok(ran
                .is_fine()
                .then(|| ran.out().lines().next().unwrap_or("").trim_start_matches("0:").to_owned()))
        };
        match ask(&[])? {
            Some(version) => Ok(Some(version)),
            None => ask(&["--whatprovides"]),
        }
    }

    /// Packages with a newer version in the repositories; dnf's lists are taken as they are.
    fn updates(&self, names: &[String], view: &View<'_>) -> Result<Vec<(String, String)>, Failure> {
        let mut command = self.command(&["-q", "check-update"], names);
        command.must_finish = false;
        command.deadline = view.deadline();
        let ran =
            command.run().map_err(|error| Failure::new(format!("cannot run `{}`: {error}", self.program)))?;
        match ran.rc {
            0 => Ok(Vec::new()),
            // 100 says that there are updates.
            100 => Ok(parse_updates(&ran.out())),
            _ => {
                Err(Failure::new(format!("`{}` ended with {}: {}", command.line(), ran.rc, ran.complaint())))
            }
        }
    }

    /// What is there is upgraded and what is not is installed: `dnf install` leaves an older version as it is.
    fn operations<'c>(&self, changes: impl Iterator<Item = &'c Changed>) -> Vec<Operation> {
        let (absent, present): (Vec<_>, Vec<_>) = changes.partition(|changed| changed.before == "absent");
        let on_present = if self.state == "absent" { "remove" } else { "upgrade" };
        [(on_present, present), ("install", absent)]
            .into_iter()
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(word, changes)| self.operation(word, &changes))
            .collect()
    }

    fn operation(&self, word: &str, changes: &[&Changed]) -> Operation {
        let names: Vec<String> = if self.names.iter().any(|name| name == "*") {
            Vec::new()
        } else {
            changes.iter().map(|changed| changed.name.clone()).collect()
        };
        let brings = changes.iter().map(|changed| match changed.after.as_str() {
            "absent" => Prediction::Removed { name: changed.name.clone() },
            "newest" => Prediction::Installed { name: changed.name.clone(), version: None },
            version => {
                Prediction::Installed { name: changed.name.clone(), version: Some(version.to_owned()) }
            }
        });
        Operation::Run { command: self.command(&[word], &names), brings: brings.collect() }
    }

    fn autoremove(&self, view: &View<'_>) -> Result<Check, Failure> {
        let asked = view.ask(&self.program, &["-q", "-C", "repoquery", "--unneeded", "--qf", "%{name}\n"]);
        let told = asked.map_err(|error| Failure::new(format!("cannot run `{}`: {error}", self.program)))?;
        let text = told.out();
        let names: Vec<&str> = text.lines().filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Ok(Check::unchanged().with("msg", "Nothing to do"));
        }
        let diffs = names.iter().map(|name| {
            let change = Change::Presence { before: "installed".into(), after: "absent".into() };
            Diff { kind: "package".into(), name: (*name).to_owned(), changes: vec![change] }
        });
        let brings = names.iter().map(|name| Prediction::Removed { name: (*name).to_owned() }).collect();
        let operations = vec![Operation::Run { command: self.command(&["autoremove"], &[]), brings }];
        let outcome = Outcome { changed: true, diffs: diffs.collect(), ..Outcome::default() };
        Ok(Check { outcome, operations, ..Check::default() })
    }
}

fn options(args: &Args<'_>) -> Vec<String> {
    let mut options = Vec::new();
    for (argument, option) in
        [("enablerepo", "--enablerepo"), ("disablerepo", "--disablerepo"), ("exclude", "--exclude")]
    {
        options
            .extend(args.list(argument).unwrap_or_default().iter().map(|value| format!("{option}={value}")));
    }
    for (argument, option) in [("enable_plugin", "--enableplugin"), ("disable_plugin", "--disableplugin")] {
        options
            .extend(args.list(argument).unwrap_or_default().iter().map(|value| format!("{option}={value}")));
    }
    for (argument, option) in [
        ("conf_file", "--config"),
        ("releasever", "--releasever"),
        ("disable_excludes", "--disableexcludes"),
        ("download_dir", "--downloaddir"),
    ] {
        options.extend(args.text(argument).map(|value| format!("{option}={value}")));
    }
    options.extend(
        args.text("installroot").filter(|root| *root != "/").map(|root| format!("--installroot={root}")),
    );
    for (argument, option) in [
        ("disable_gpg_check", "--nogpgcheck"),
        ("skip_broken", "--skip-broken"),
        ("security", "--security"),
        ("bugfix", "--bugfix"),
        ("download_only", "--downloadonly"),
        ("allowerasing", "--allowerasing"),
        ("nobest", "--nobest"),
        ("best", "--best"),
        ("cacheonly", "--cacheonly"),
    ] {
        if args.flag(argument) {
            options.push(option.to_owned());
        }
    }
    if args.choice("validate_certs") == Some(false) || args.choice("sslverify") == Some(false) {
        options.push("--setopt=sslverify=0".to_owned());
    }
    if args.choice("install_weak_deps") == Some(false) {
        options.push("--setopt=install_weak_deps=False".to_owned());
    }
    options
}

/// `name.arch  version  repository`; what follows "Obsoleting" is something else.
fn parse_updates(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().take_while(|line| !line.starts_with("Obsoleting"));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, version, _repository) = (words.next()?, words.next()?, words.next()?);
            Some((name.rsplit_once('.')?.0.to_owned(), version.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Changed, Request, parse_updates};

    #[test]
    fn latest_upgrades_what_is_there_and_installs_what_is_not() {
        let request = Request {
            program: "dnf".into(),
            names: vec!["hello".into(), "world".into()],
            state: "latest",
            options: Vec::new(),
            update_only: false,
            has_other_root: None,
        };
        let changed = |name: &str, before: &str, after: &str| Changed {
            name: name.into(),
            before: before.into(),
            after: after.into(),
        };
        let changes = [changed("hello", "1.0-1", "2.0-1"), changed("world", "absent", "newest")];
        let operations = request.operations(changes.iter());
        let lines: Vec<String> = operations
            .iter()
            .map(|operation| match operation {
                crate::worker::Operation::Run { command, .. } => command.line(),
                _ => String::new(),
            })
            .collect();
        assert_eq!(lines, ["dnf -y upgrade hello", "dnf -y install world"]);
    }

    #[test]
    fn updates_are_read_up_to_what_is_obsolete() {
        let text = "\nbash.x86_64    5.2-3.el9   baseos\nObsoleting Packages\nold.noarch 1 base\n";
        assert_eq!(parse_updates(text), [("bash".to_owned(), "5.2-3.el9".to_owned())]);
    }
}
