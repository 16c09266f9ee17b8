//! `apt`: Debian packages. dpkg's status file says whether there is anything to do; only then is apt asked, first
//! in a simulation that names everything that would come and go.

use super::dpkg::Packages;
use super::{Args, Check, Failure, Module, command, glob, nearest};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, Package, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

pub(super) struct Apt;

impl Module for Apt {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if view.program("apt-get").is_none() {
            return Err(Failure::missing(
                "this host has no `apt-get`; use module `package`, which takes the host's own",
            ));
        }
        let lists = Lists::of(args, view);
        let request = Request::of(args, view)?;
        let mut check = request.check(&lists, view)?;
        if lists.must_fetch || lists.are_missing && check.outcome.changed {
            fetch_first(&mut check, &request, args, view);
        }
        Ok(check.with("cache_updated", lists.must_fetch).with("cache_update_time", lists.fetched_at))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let count = check.outcome.diffs.len();
        if count > 0 {
            hands.view().progress(&format!("apt-get changes {count} packages"));
        }
        let fetched_before = Lists::of(args, &hands.view()).fetched_at;
        let ran =
            carry_out(&check.operations, args, hands).map_err(|failure| named(failure, &hands.view()))?;
        let mut outcome = check.outcome;
        if let Some(last) = ran.last() {
            outcome.result.extend(command::told(last, false));
        }
        let lists = Lists::of(args, &hands.view());
        outcome.result.insert("cache_update_time".into(), lists.fetched_at.into());
        if is_only_fetching(args) {
            outcome.changed = lists.fetched_at != fetched_before;
        }
        Ok(outcome)
    }
}

/// Fetching fails for passing reasons: it is tried again.
fn carry_out(
    operations: &[Operation],
    args: &Args<'_>,
    hands: &mut Hands<'_>,
) -> Result<Vec<crate::worker::process::Ran>, Failure> {
    let mut ran = Vec::new();
    for operation in operations {
        let operation = &with_policy(operation, args);
        let retries = if is_fetch(operation) { args.count("update_cache_retries").unwrap_or(5) } else { 0 };
        let longest = args.count("update_cache_retry_max_delay").unwrap_or(12);
        let mut attempt = 0;
        ran.extend(loop {
            match hands.carry_out(std::slice::from_ref(operation)) {
                Err(failure) if attempt >= retries => return Err(failure),
                Err(_) => std::thread::sleep(Duration::from_secs((1 << attempt.min(10)).min(longest))),
                Ok(ran) => break ran,
            }
            attempt += 1;
        });
    }
    Ok(ran)
}

/// While the command runs, maintainers' scripts that ask whether they may start a service get this answer (policy-rc.d of
/// invoke-rc.d(8)). The host's own answer is put aside, and back afterwards.
const POLICY: &str = r#"p=/usr/sbin/policy-rc.d; n=$1; shift
[ -e "$p" ] && mv "$p" "$p.muster-kept"
trap 'rm -f "$p"; [ -e "$p.muster-kept" ] && mv "$p.muster-kept" "$p"; :' EXIT
printf '#!/bin/sh\nexit %s\n' "$n" > "$p" && chmod 755 "$p" && "$@""#;

fn with_policy(operation: &Operation, args: &Args<'_>) -> Operation {
    match (operation, args.int("policy_rc_d")) {
        (Operation::Run { command, brings }, Some(answer)) if !is_fetch(operation) => {
            let mut wrapped = Command { arguments: Vec::new(), program: "/bin/sh".into(), ..command.clone() };
            let first = ["-c".to_owned(), POLICY.to_owned(), "sh".to_owned(), answer.to_string()];
            wrapped.arguments.extend(first.map(Into::into));
            wrapped.arguments.push(command.program.clone());
            wrapped.arguments.extend(command.arguments.clone());
            Operation::Run { command: wrapped, brings: brings.clone() }
        }
        _ => operation.clone(),
    }
}

fn is_fetch(operation: &Operation) -> bool {
    matches!(operation, Operation::Run { command, .. } if command.arguments.iter().any(|word| word == "update"))
}

fn is_only_fetching(args: &Args<'_>) -> bool {
    let upgrades = !matches!(args.text("upgrade"), None | Some("no"));
    let does = ["autoremove", "autoclean", "clean"].iter().any(|name| args.flag(name));
    args.raw("name").is_none() && args.raw("deb").is_none() && !upgrades && !does
}

/// The package lists that were fetched.
struct Lists {
    /// Seconds since 1970; 0 for never.
    fetched_at: u64,
    are_missing: bool,
    must_fetch: bool,
}

impl Lists {
    fn of(args: &Args<'_>, view: &View<'_>) -> Self {
        let stamp = Path::new("/var/lib/apt/periodic/update-success-stamp");
        let folder = Path::new("/var/lib/apt/lists");
        let when = |path| {
            view.stat(path).ok().flatten().map(|stat| u64::try_from(stat.modified.seconds).unwrap_or(0))
        };
        let fetched_at = when(stamp).max(when(folder)).unwrap_or(0);
        let names = view.list(folder).unwrap_or_default();
        let are_missing = !names.iter().any(|name| name.to_string_lossy().contains("_Packages"));
        let valid_for = args.count("cache_valid_time").unwrap_or(0);
        let asked = args.choice("update_cache").unwrap_or(valid_for > 0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let must_fetch = asked && (valid_for == 0 || fetched_at + valid_for < now);
        Self { fetched_at, are_missing, must_fetch }
    }
}

/// Puts the fetching of the lists before everything else.
fn fetch_first(check: &mut Check, request: &Request, args: &Args<'_>, view: &View<'_>) {
    let update = Operation::Run { command: request.command(&["update"]), brings: Vec::new() };
    check.operations.insert(0, update);
    if is_only_fetching(args) {
        check.outcome.changed = false;
        if view.is_check() {
            check.outcome.unknown =
                Some("whether the package lists are new is known when they have been fetched".into());
        }
    }
}

/// What the task asks of apt.
struct Request {
    names: Vec<String>,
    state: String,
    options: Vec<String>,
    deb: Option<std::path::PathBuf>,
    upgrade: Option<&'static str>,
    purge: bool,
    autoremove: bool,
    autoclean: bool,
    clean: bool,
    only_upgrade: bool,
}

impl Request {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        if args.text("deb").is_some_and(|deb| deb.contains("://")) {
            return Err(Failure::new(
                "`deb` is an address; fetch it with module `get_url` first and give the path",
            ));
        }
        let state = match args.text("state").unwrap_or("present") {
            "installed" => "present",
            "removed" => "absent",
            state => state,
        };
        let upgrade = match args.text("upgrade") {
            Some("yes" | "safe") => Some("upgrade"),
            Some("full" | "dist") => Some("dist-upgrade"),
            _ => None,
        };
        Ok(Self {
            names: args.list("name").unwrap_or_default(),
            state: state.to_owned(),
            options: options(args),
            deb: args.path("deb", view),
            upgrade,
            purge: args.flag("purge"),
            autoremove: args.flag("autoremove"),
            autoclean: args.flag("autoclean"),
            clean: args.flag("clean"),
            only_upgrade: args.flag("only_upgrade"),
        })
    }

    /// apt-get with the task's options: it asks nothing and is never ended half-way.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("apt-get", &["-y"]).finishing();
        command.arguments.extend(self.options.iter().map(Into::into));
        command.arguments.extend(words.iter().map(Into::into));
        command
            .set("DEBIAN_FRONTEND", "noninteractive")
            .set("DEBIAN_PRIORITY", "critical")
            .set("APT_LISTCHANGES_FRONTEND", "none")
            .set("NEEDRESTART_SUSPEND", "1")
    }

    fn check(&self, lists: &Lists, view: &View<'_>) -> Result<Check, Failure> {
        let packages = Packages::of_host(view);
        if self.clean {
            return Ok(self.clean(view));
        }
        if let Some(words) = self.words(&packages, lists, view)? {
            return self.simulate(&words, lists, &packages, view);
        }
        Ok(Check::unchanged())
    }

    /// What apt-get shall do; `None` where the host is as it shall be.
    fn words(
        &self,
        packages: &Packages,
        lists: &Lists,
        view: &View<'_>,
    ) -> Result<Option<Vec<String>>, Failure> {
        let word = |word: &str| Some(vec![word.to_owned()]);
        if let Some(upgrade) = self.upgrade {
            let new = if upgrade == "upgrade" {
                vec!["--with-new-pkgs".to_owned(), upgrade.to_owned()]
            } else {
                vec![upgrade.to_owned()]
            };
            return Ok(Some(new));
        }
        if let Some(deb) = &self.deb {
            return deb_words(deb, packages, view);
        }
        if self.names.is_empty() {
            let words = match (self.autoremove, self.autoclean, self.state.as_str()) {
                (true, ..) => word("autoremove"),
                (_, true, _) => word("autoclean"),
                (_, _, "fixed") => Some(vec!["--fix-broken".into(), "install".into()]),
                _ => None,
            };
            return Ok(words);
        }
        let named = self.expand_names(packages, view)?;
        let wanted: Vec<String> = match self.state.as_str() {
            "absent" => named
                .iter()
                .filter(|name| packages.get(bare(name)).is_some())
                .map(|name| bare(name).to_owned())
                .collect(),
            "build-dep" => named,
            "latest" => outdated(&named, packages, lists, view)?,
            _ => named.into_iter().filter(|name| !is_satisfied(name, packages)).collect(),
        };
        let wanted: Vec<String> = wanted
            .into_iter()
            .filter(|name| !self.only_upgrade || packages.get(bare(name)).is_some())
            .collect();
        if wanted.is_empty() {
            return Ok(if self.autoremove { word("autoremove") } else { None });
        }
        let mut words: Vec<String> = match self.state.as_str() {
            "absent" => vec!["remove".into()],
            "build-dep" => vec!["build-dep".into()],
            "fixed" => vec!["--fix-broken".into(), "install".into()],
            _ => vec!["install".into()],
        };
        if self.state == "absent" && self.purge {
            words.insert(0, "--purge".into());
        }
        if self.autoremove {
            words.insert(0, "--auto-remove".into());
        }
        if self.only_upgrade {
            words.insert(0, "--only-upgrade".into());
        }
        words.extend(wanted);
        Ok(Some(words))
    }

    /// Patterns in names, against what is installed or known.
    fn expand_names(&self, packages: &Packages, view: &View<'_>) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        for name in &self.names {
            let is_pattern = bare(name).contains(['*', '?', '[']);
            if !is_pattern {
                all.push(name.clone());
                continue;
            }
            let known: Vec<String> = match self.state.as_str() {
                "absent" => packages.iter().map(|(name, _)| name.clone()).collect(),
                _ => known_names(view),
            };
            let found: Vec<String> =
                known.into_iter().filter(|known| glob::matches(bare(name), known)).collect();
            if found.is_empty() && self.state != "absent" {
                return Err(Failure::missing(format!("no package matches `{name}`")));
            }
            all.extend(found);
        }
        Ok(all)
    }

    fn clean(&self, view: &View<'_>) -> Check {
        let names = view.list(Path::new("/var/cache/apt/archives")).unwrap_or_default();
        let debs = names.iter().filter(|name| name.to_string_lossy().ends_with(".deb")).count();
        if debs == 0 {
            return Check::unchanged();
        }
        let change = Change::Presence { before: format!("{debs} packages"), after: "absent".into() };
        let diff =
            Diff { kind: "file".into(), name: "/var/cache/apt/archives".into(), changes: vec![change] };
        Check::change(diff, vec![Operation::Run { command: self.command(&["clean"]), brings: Vec::new() }])
    }

    /// Asks apt what would happen. It reads its cache where that is as new as the lists, and keeps a new one where it may write.
    fn simulate(
        &self,
        words: &[String],
        lists: &Lists,
        packages: &Packages,
        view: &View<'_>,
    ) -> Result<Check, Failure> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let command = self.command(&words);
        let mut simulation = Command::new("apt-get", &["-s"]);
        simulation.arguments.extend(command.arguments.iter().cloned());
        let ran = simulation.run().map_err(|error| Failure::new(format!("cannot run `apt-get`: {error}")))?;
        if !ran.is_fine() {
            if lists.are_missing || lists.must_fetch {
                return Ok(self.presume(&words, command, packages));
            }
            return Err(refused(&ran.complaint(), view));
        }
        let mut changes = parse_simulation(&ran.out(), packages);
        if self.state == "absent" {
            changes.extend(self.predicted(&changes, packages, view));
        }
        if changes.is_empty() && !ran.out().lines().any(|line| line.starts_with("Del ")) {
            return Ok(Check::unchanged());
        }
        Ok(changes_to_check(changes, command))
    }

    /// What an earlier step of this plan would have installed: apt does not know of it, and would remove it then.
    fn predicted(&self, known: &[Changed], packages: &Packages, view: &View<'_>) -> Vec<Changed> {
        let is_new = |name: &&str| {
            matches!(view.overlay().package(name), Some(Package::Installed(_)))
                && !known.iter().any(|changed| changed.name == **name)
        };
        let gone = |name: &str| Changed {
            name: name.to_owned(),
            before: packages.get(name).map(|package| package.version.clone()),
            after: None,
        };
        self.names.iter().map(|name| bare(name)).filter(is_new).map(gone).collect()
    }

    /// The lists are to be fetched first: what they will say of the named packages can only be presumed.
    fn presume(&self, words: &[&str], command: Command, packages: &Packages) -> Check {
        let named = words.iter().filter(|word| self.names.iter().any(|name| name == *word));
        let changes = named.map(|name| Changed {
            name: bare(name).to_owned(),
            before: packages.get(bare(name)).map(|package| package.version.clone()),
            after: Some(name.split_once('=').map_or("newest", |(_, version)| version).to_owned()),
        });
        let mut check = changes_to_check(changes.collect(), command);
        check
            .outcome
            .warnings
            .push("the package lists of this host are not fetched yet: versions are not known".to_owned());
        check
    }
}

fn options(args: &Args<'_>) -> Vec<String> {
    let mut options = Vec::new();
    for option in args.text("dpkg_options").unwrap_or("").split(',').filter(|option| !option.is_empty()) {
        options.extend(["-o".to_owned(), format!("Dpkg::Options::=--{option}")]);
    }
    let seconds = args.int("lock_timeout").unwrap_or(60);
    options.extend(["-o".to_owned(), format!("DPkg::Lock::Timeout={seconds}")]);
    if let Some(release) = args.text("default_release") {
        options.extend(["-t".to_owned(), release.to_owned()]);
    }
    match args.choice("install_recommends") {
        Some(true) => options.extend(["-o".to_owned(), "APT::Install-Recommends=yes".to_owned()]),
        Some(false) => options.push("--no-install-recommends".to_owned()),
        None => {}
    }
    let force = args.flag("force");
    for (argument, option) in [
        ("allow_unauthenticated", "--allow-unauthenticated"),
        ("allow_downgrade", "--allow-downgrades"),
        ("allow_change_held_packages", "--allow-change-held-packages"),
    ] {
        if args.flag(argument) || force {
            options.push(option.to_owned());
        }
    }
    if force {
        options.push("--allow-remove-essential".to_owned());
    }
    if args.flag("fail_on_autoremove") {
        options.push("--no-remove".to_owned());
    }
    options
}

/// A package file is installed unless that version is there.
fn deb_words(deb: &Path, packages: &Packages, view: &View<'_>) -> Result<Option<Vec<String>>, Failure> {
    if !view.exists(deb) {
        return Err(Failure::missing(format!("there is no package file `{}`", deb.display())));
    }
    let path = deb.to_string_lossy().into_owned();
    let asked = view.ask("dpkg-deb", &["--show", "--showformat=${Package} ${Version}", &path]);
    let told = asked.map_err(|error| Failure::new(format!("cannot run `dpkg-deb`: {error}")))?;
    let text = told.out();
    let Some((name, version)) = text.trim().split_once(' ').filter(|_| told.is_fine()) else {
        return Err(Failure::new(format!("`{path}` is not a Debian package: {}", told.complaint())));
    };
    let is_there = packages.get(name).is_some_and(|package| package.version == version);
    Ok((!is_there).then(|| vec!["install".into(), path]))
}

/// `name` without `=version` and `/release`.
fn bare(name: &str) -> &str {
    name.split(['=', '/']).next().unwrap_or(name)
}

fn is_satisfied(name: &str, packages: &Packages) -> bool {
    match (packages.get(bare(name)), name.split_once('=')) {
        (Some(package), Some((_, version))) => glob::matches(version, &package.version),
        (Some(_), None) => true,
        (None, _) => packages.provides(bare(name)),
    }
}

/// Those that are missing, or have a newer candidate.
fn outdated(
    named: &[String],
    packages: &Packages,
    lists: &Lists,
    view: &View<'_>,
) -> Result<Vec<String>, Failure> {
    if lists.must_fetch {
        // What is newest is known after fetching: apt finds out itself.
        return Ok(named.to_vec());
    }
    let mut arguments = vec!["policy"];
    arguments.extend(named.iter().map(|name| bare(name)));
    let asked = view
        .ask("apt-cache", &arguments)
        .map_err(|error| Failure::new(format!("cannot run `apt-cache`: {error}")))?;
    let candidates = parse_policy(&asked.out());
    let is_current = |name: &&String| {
        let installed = packages.get(bare(name)).map(|package| package.version.as_str());
        // In a plan, a package of an earlier step may have no known version; it is the newest then.
        installed.is_some_and(|version| {
            version.is_empty()
                || candidates.iter().any(|(known, candidate)| known == bare(name) && candidate == version)
        })
    };
    Ok(named.iter().filter(|name| !is_current(name)).cloned().collect())
}

fn parse_policy(text: &str) -> Vec<(String, String)> {
    let mut name = "";
    let mut candidates = Vec::new();
    for line in text.lines() {
        if let Some(package) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            name = package;
        } else if let Some(candidate) = line.trim().strip_prefix("Candidate: ") {
            candidates.push((name.to_owned(), candidate.to_owned()));
        }
    }
    candidates
}

/// A package that comes, goes or changes.
#[derive(Debug, PartialEq, Eq)]
struct Changed {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

/// `Inst name [old] (new …)` and `Remv name [old]`.
fn parse_simulation(text: &str, packages: &Packages) -> Vec<Changed> {
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (verb, Some(name)) = (words.next().unwrap_or(""), words.next()) else { continue };
        let between =
            |start: char, end: char| line.split_once(start)?.1.split([' ', end]).next().map(str::to_owned);
        let after = match verb {
            "Inst" => between('(', ')'),
            "Remv" | "Purg" => None,
            _ => continue,
        };
        let before = packages.get(name).map(|package| package.version.clone());
        // In a plan an earlier step may have done it already.
        let is_done = before.is_some() == after.is_some() && before.as_deref() == Some("") || before == after;
        if !is_done && seen.insert(name.to_owned()) {
            changes.push(Changed { name: name.to_owned(), before, after });
        }
    }
    changes
}

fn changes_to_check(changes: Vec<Changed>, command: Command) -> Check {
    let brings = changes.iter().map(|changed| match &changed.after {
        Some(version) => Prediction::Installed { name: changed.name.clone(), version: Some(version.clone()) },
        None => Prediction::Removed { name: changed.name.clone() },
    });
    let operations = vec![Operation::Run { command, brings: brings.collect() }];
    let diffs = changes.into_iter().map(|changed| {
        let word = |version: Option<String>| version.unwrap_or_else(|| "absent".to_owned());
        let change = Change::Presence { before: word(changed.before), after: word(changed.after) };
        Diff { kind: "package".into(), name: changed.name, changes: vec![change] }
    });
    let outcome = Outcome { changed: true, diffs: diffs.collect(), ..Outcome::default() };
    Check { outcome, operations, ..Check::default() }
}

fn known_names(view: &View<'_>) -> Vec<String> {
    let asked = view.ask("apt-cache", &["pkgnames"]);
    asked.map(|ran| ran.out().lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// apt's complaint in our words, with the nearest name for a package that does not exist.
fn refused(complaint: &str, view: &View<'_>) -> Failure {
    let Some(name) = unknown_package(complaint) else {
        let line = complaint.lines().rev().find(|line| line.starts_with("E:")).unwrap_or(complaint);
        return Failure::new(format!("apt-get refuses: {}", line.trim_start_matches("E:").trim()))
            .with("stderr", complaint);
    };
    if let Some((package, version)) = name.split_once('=') {
        let asked = view.ask("apt-cache", &["policy", package]);
        let candidate = asked.ok().and_then(|ran| parse_policy(&ran.out()).pop());
        let newest = candidate.map_or_else(String::new, |(_, newest)| format!("; the newest is {newest}"));
        return Failure::new(format!("package `{package}` has no version `{version}`{newest}"))
            .with("stderr", complaint);
    }
    let known = known_names(view);
    let hint = match nearest::nearest(bare(&name), known.iter().map(String::as_str)) {
        Some(near) if near != bare(&name) => format!("; did you mean `{near}`?"),
        _ => "; `update_cache: true` fetches the package lists first".to_owned(),
    };
    Failure::new(format!("there is no package `{name}`{hint}")).with("stderr", complaint)
}

fn named(failure: Failure, view: &View<'_>) -> Failure {
    let stderr = failure.result.get("stderr").and_then(|text| text.as_str()).unwrap_or("").to_owned();
    match unknown_package(&stderr) {
        Some(_) => refused(&stderr, view),
        None => failure,
    }
}

fn unknown_package(complaint: &str) -> Option<String> {
    complaint.lines().find_map(|line| {
        let located = line.strip_prefix("E: Unable to locate package ").map(str::to_owned);
        let candidate = || {
            let rest = line.strip_prefix("E: Package '")?;
            rest.split_once("' has no installation candidate").map(|(name, _)| name.to_owned())
        };
        let version = || {
            let rest = line.strip_prefix("E: Version '")?;
            let (version, rest) = rest.split_once("' for '")?;
            Some(format!("{}={version}", rest.split_once('\'')?.0))
        };
        located.or_else(candidate).or_else(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulation_names_what_comes_and_goes() {
        let text = "NOTE: This is only a simulation!\nInst libapr1 (1.7.2-3 Debian:12.1/stable [amd64])\n\
Inst bash [5.1] (5.2 Debian:12 [amd64])\nRemv nano [7.2-1]\nConf libapr1 (1.7.2-3 Debian [amd64])\n";
        let changes = parse_simulation(text, &Packages::default());
        let told: Vec<_> =
            changes.iter().map(|changed| (changed.name.as_str(), changed.after.as_deref())).collect();
        // nano is not in the (empty) list of installed packages: there is nothing to remove.
        assert_eq!(told, [("libapr1", Some("1.7.2-3")), ("bash", Some("5.2"))]);
    }

    #[test]
    fn unknown_packages_are_recognised_in_all_their_sentences() {
        assert_eq!(unknown_package("E: Unable to locate package apahce2"), Some("apahce2".into()));
        assert_eq!(unknown_package("x\nE: Package 'y' has no installation candidate"), Some("y".into()));
        assert_eq!(unknown_package("E: Version '9' for 'bash' was not found"), Some("bash=9".into()));
        assert_eq!(unknown_package("E: Could not get lock"), None);
    }

    #[test]
    fn candidates_are_read_from_policy() {
        let text = "bash:\n  Installed: 5.1\n  Candidate: 5.2\n  Version table:\n     5.2 500\n";
        assert_eq!(parse_policy(text), [("bash".to_owned(), "5.2".to_owned())]);
    }
}
