//! `archive`: packs files of the host into an archive of the host, with the host's own `tar` and `zip`.

use super::attributes::{self, Wanted as Attributes};
use super::members::{self, Difference};
use super::unarchive::Kind;
use super::{Args, Check, Failure, Module, Report, glob, zip};
use crate::worker::process::Command;
use crate::worker::{Hands, Member, Operation, Packed, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(super) struct Archive;

impl Module for Archive {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let wanted = Wanted::of(args, view)?;
        if wanted.paths.is_empty() {
            return Err(Failure::missing("Error, no source paths were found").with("missing", wanted.missing));
        }
        let state = wanted.state(view)?;
        if state == State::Packed {
            let mut check = super::placing::set_attributes(
                &wanted.dest,
                view.stat(&wanted.dest).ok().flatten().as_ref(),
                &Attributes::of(args, view)?,
                view,
            );
            check.report = Report::File(wanted.dest.clone());
            return Ok(wanted.told(check));
        }
        let before = if view.exists(&wanted.dest) { "present" } else { "absent" };
        let change = Change::Presence {
            before: before.into(),
            after: format!("archive of {} paths", wanted.paths.len()),
        };
        let tool = if wanted.format == "zip" { "zip" } else { "tar" };
        if view.program(tool).is_none() {
            return Err(Failure::missing(format!(
                "there is no program `{tool}` on the host: install its package first"
            )));
        }
        let name = wanted.dest.to_string_lossy().into_owned();
        let brings = match view.is_check() {
            true => {
                vec![Prediction::Packed { path: wanted.dest.clone(), archive: wanted.packed(view).into() }]
            }
            false => Vec::new(),
        };
        let mut operations = vec![Operation::Run { command: wanted.command()?, brings }];
        if args.flag("remove") {
            operations.extend(wanted.paths.iter().map(|path| Operation::Remove { path: path.clone() }));
        }
        let mut check =
            Check::change(Diff { kind: "archive".into(), name, changes: vec![change] }, operations);
        check.report = Report::File(wanted.dest.clone());
        let attributes = Attributes::of(args, view)?;
        let mode = attributes
            .mode
            .as_deref()
            .map(|mode| attributes::mode_of(mode, 0o666 & !view.umask(), false, view.umask()));
        let attributes = crate::worker::Attributes { mode, uid: attributes.uid, gid: attributes.gid };
        if !attributes.is_empty() {
            check.operations.push(Operation::Set { path: wanted.dest.clone(), attributes });
        }
        if let State::Perhaps(why) = state {
            (check.outcome.changed, check.outcome.unknown) = (false, Some(why));
            check.outcome.diffs.clear();
        }
        Ok(wanted.told(check))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let dest = Wanted::of(args, &hands.view())?.dest;
        let mut outcome = check.outcome;
        hands.carry_out(&check.operations)?;
        Report::File(dest).fill(&mut outcome, &hands.view());
        Ok(outcome)
    }
}

/// Whether the archive is there and has these files as they are.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Packed,
    Differs,
    /// That is known when the plan is applied, for this reason.
    Perhaps(String),
}

struct Wanted {
    format: String,
    dest: PathBuf,
    root: PathBuf,
    paths: Vec<PathBuf>,
    missing: Vec<String>,
    /// Patterns of names that are left out at any depth.
    excluded: Vec<String>,
}

impl Wanted {
    /// The return values.
    fn told(self, check: Check) -> Check {
        let texts = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
        };
        let root = format!("{}/", self.root.to_string_lossy().trim_end_matches('/'));
        check
            .with("dest", self.dest.to_string_lossy())
            .with("archived", texts(&self.paths))
            .with("expanded_paths", texts(&self.paths))
            .with("arcroot", root)
            .with("missing", self.missing)
    }

    fn state(&self, view: &View<'_>) -> Result<State, Failure> {
        if !view.exists(&self.dest) {
            return Ok(State::Differs);
        }
        if let Some(packed) = view.overlay().packed(&self.dest) {
            // An earlier step of this plan would pack it.
            let is_like = packed.format == self.format;
            return Ok(if is_like { self.compare(&packed.members, view) } else { State::Differs });
        }
        let word = |is_packed| if is_packed { State::Packed } else { State::Differs };
        if self.format == "zip" {
            let entries = zip::entries(&view.read(&self.dest).unwrap_or_default()).unwrap_or_default();
            let known: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            let is_like =
                known == self.names_in(view).into_iter().map(|path| self.zipped(&path, view)).collect();
            return Ok(word(is_like && entries.iter().all(|entry| entry.is_in(&self.root, view))));
        }
        // The tools do not see what earlier steps would have changed.
        if self.paths.iter().any(|path| view.overlay().touches(path)) || view.overlay().touches(&self.dest) {
            let bytes = view.read(&self.dest).unwrap_or_default();
            let packer = match Kind::of(&bytes) {
                Some(Kind::Tar(packer)) => packer,
                _ => return Ok(State::Differs),
            };
            let tar = |options: &[&str]| {
                let options: Vec<&str> = options.iter().copied().chain(packer).collect();
                Command::new("tar", &options).argument("-f").argument("-").fed(bytes.clone())
            };
            let packed = members::of_tar(tar, view);
            return Ok(packed.map_or(State::Differs, |packed| self.compare(&packed, view)));
        }
        let names = |command: Command| -> Option<BTreeSet<String>> {
            let ran = command.run().ok().filter(|ran| ran.is_fine())?;
            Some(ran.out().lines().map(str::to_owned).collect())
        };
        let new = names(self.tar(&["-c", "-v", "-f", "/dev/null"]));
        let old = names(Command::new("tar", &["-t", "-f"]).argument(&self.dest));
        if new.is_none() || new != old {
            return Ok(State::Differs);
        }
        let compare = Command::new("tar", &["--compare", "-f"])
            .argument(&self.dest)
            .argument("-C")
            .argument(&self.root);
        Ok(word(compare.run().is_ok_and(|ran| ran.is_fine())))
    }

    /// Whether these members are the files as they are.
    fn compare(&self, packed: &[Member], view: &View<'_>) -> State {
        let known: BTreeSet<&str> = packed.iter().map(|member| member.name.as_str()).collect();
        let paths = self.names_in(view);
        let names: BTreeSet<String> = paths.iter().map(|path| self.name(path)).collect();
        if !names.iter().map(String::as_str).eq(known) {
            return State::Differs;
        }
        if self.format == "zip" {
            let is_like = !packed.iter().any(|member| members::is_not_unzipped(member, &self.root, view));
            return if is_like { State::Packed } else { State::Differs };
        }
        let found: Vec<Difference> =
            packed.iter().flat_map(|member| members::differences(member, &self.root, view)).collect();
        match found.iter().any(|difference| *difference != Difference::PerhapsTime) {
            true => State::Differs,
            false if found.is_empty() => State::Packed,
            false => State::Perhaps(format!(
                "`{}` has files that this plan changes twice: whether in the same second is known then",
                self.dest.display()
            )),
        }
    }

    /// What the archive has once it is packed.
    fn packed(&self, view: &View<'_>) -> Packed {
        let mut numbers = std::collections::BTreeMap::new();
        let member = |path: PathBuf| {
            let is_zip = self.format == "zip";
            let located = view.locate(&path, is_zip).ok()?;
            let (name, stat) = (self.name(&path), located.stat?);
            let earlier: Option<String> = match stat.is_file() && stat.links > 1 && !is_zip {
                true => {
                    let first: &String =
                        numbers.entry((stat.device, stat.inode)).or_insert_with(|| name.clone());
                    (*first != name).then(|| first.clone())
                }
                false => None,
            };
            Some(Member {
                name,
                stat,
                same_as: earlier,
                content: view.overlay().content_of(&located.path).ok()?,
            })
        };
        let members = self.names_in(view).into_iter().filter_map(member).collect();
        let why = format!("`{}` has its content when it is packed", self.dest.display()).into();
        Packed { format: self.format.clone(), members, why }
    }

    /// The paths of all that is packed.
    fn names_in(&self, view: &View<'_>) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut rest: Vec<PathBuf> = self.paths.clone();
        while let Some(path) = rest.pop() {
            if self.leaves_out(&path) || self.is_own(&path) {
                continue;
            }
            // tar packs links as links, zip what they lead to.
            let stat = if self.format == "zip" { view.stat(&path) } else { view.lstat(&path) };
            if matches!(stat, Ok(Some(stat)) if stat.is_directory()) {
                rest.extend(view.list(&path).unwrap_or_default().iter().map(|name| path.join(name)));
            }
            found.push(path);
        }
        found
    }

    /// Whether it is the archive itself; tar leaves out all of its name.
    fn is_own(&self, path: &Path) -> bool {
        path == self.dest || self.format != "zip" && path.file_name() == self.dest.file_name()
    }

    /// The name in the archive.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The name that zip would write.
    fn zipped(&self, path: &Path, view: &View<'_>) -> String {
        let name = self.name(path);
        if view.is_directory(path) { format!("{name}/") } else { name }
    }

    fn leaves_out(&self, path: &Path) -> bool {
        let (whole, name) = (path.to_string_lossy(), self.name(path));
        // tar tries a pattern from each part of the name on.
        let parts = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
        let parts: Vec<&str> = [&*whole, &name].into_iter().chain(parts).collect();
        self.excluded.iter().any(|pattern| parts.iter().any(|part| glob::matches(pattern, part)))
    }

    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        let format = args.text("format").unwrap_or("gz").to_owned();
        let excluded = expand(&args.list("exclude_path").unwrap_or_default(), view).0;
        let (mut paths, missing) = expand(&args.list("path").unwrap_or_default(), view);
        paths.retain(|path| !excluded.contains(path));
        let root = common(&paths);
        let is_single = paths.len() == 1 && !view.is_directory(&paths[0]) && !args.flag("force_archive");
        if is_single && matches!(format.as_str(), "gz" | "bz2" | "xz") {
            return Err(Failure::new(format!(
                "one file alone is compressed without an archive by `{format}`: set `force_archive: true` to pack it"
            )));
        }
        let ending = match format.as_str() {
            "tar" | "zip" => format.clone(),
            compression => format!("tar.{compression}"),
        };
        let dest = match (args.path("dest", view), paths.as_slice()) {
            (Some(dest), _) => dest,
            (None, [one]) => PathBuf::from(format!("{}.{ending}", one.display())),
            _ => {
                return Err(Failure::new(
                    "Error, must specify \"dest\" when archiving multiple files or trees",
                ));
            }
        };
        let patterns = args.list("exclusion_patterns").unwrap_or_default();
        let mut wanted = Self { format, dest, root, paths, missing, excluded: patterns };
        wanted.paths = wanted.paths.iter().filter(|path| !wanted.leaves_out(path)).cloned().collect();
        Ok(wanted)
    }

    fn command(&self) -> Result<Command, Failure> {
        let command = match self.format.as_str() {
            "zip" => {
                // An archive that is there would keep what is gone, and a name without a dot would get an ending.
                let line = "to=$1; as=$1.$$.zip; shift; rm -f \"$to\" && zip -q -r \"$as\" \"$@\" && mv \"$as\" \"$to\" \
                            || { code=$?; rm -f \"$as\"; exit $code; }";
                let mut command = Command::new("/bin/sh", &["-c", line, "sh"]).argument(&self.dest);
                command.folder = Some(self.root.clone());
                let command = self.names().fold(command, |command, name| command.argument(name));
                self.excluded
                    .iter()
                    .fold(command, |command, pattern| command.argument("-x").argument(pattern))
            }
            format => {
                let option: &[&str] = match format {
                    "gz" => &["-z"],
                    "bz2" => &["-j"],
                    "xz" => &["-J"],
                    _ => &[],
                };
                let command = Command::new("tar", &["-c"]).argument("-f").argument(&self.dest);
                let command = option.iter().fold(command, |command, option| command.argument(option));
                self.with_names(command)
            }
        };
        Ok(command)
    }

    /// tar with these options, for what is packed.
    fn tar(&self, options: &[&str]) -> Command {
        self.with_names(Command::new("tar", options))
    }

    fn with_names(&self, command: Command) -> Command {
        let own = self.dest.file_name().unwrap_or_default().to_string_lossy();
        let command = command.argument(format!("--exclude={own}"));
        let exclude = |command: Command, pattern: &String| command.argument(format!("--exclude={pattern}"));
        let command = self.excluded.iter().fold(command, exclude).argument("-C").argument(&self.root);
        self.names().fold(command, |command, name| command.argument(name))
    }

    fn names(&self) -> impl Iterator<Item = PathBuf> {
        let names = self.paths.iter().map(|path| path.strip_prefix(&self.root).unwrap_or(path).to_owned());
        names.map(|name| if name.as_os_str().is_empty() { PathBuf::from(".") } else { name })
    }
}

/// Paths and patterns to what is there, and what is not.
fn expand(written: &[String], view: &View<'_>) -> (Vec<PathBuf>, Vec<String>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for text in written {
        let path = PathBuf::from(view.expand(text));
        if text.contains(['*', '?', '[']) {
            let folder = path.parent().unwrap_or(Path::new("/"));
            let pattern = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let names = view.list(folder).unwrap_or_default();
            let fits = names.iter().filter(|name| glob::matches(&pattern, &name.to_string_lossy()));
            found.extend(fits.map(|name| folder.join(name)));
        } else if view.exists(&path) {
            found.push(path);
        } else {
            missing.push(text.clone());
        }
    }
    (found, missing)
}

/// The folder that all paths are in.
fn common(paths: &[PathBuf]) -> PathBuf {
    let folder = |path: &PathBuf| path.parent().unwrap_or(Path::new("/")).to_owned();
    let Some(mut root) = paths.first().map(folder) else { return "/".into() };
    while !paths.iter().all(|path| path.starts_with(&root)) {
        root.pop();
    }
    root
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn archive_is_packed_once_and_anew_where_a_file_changes() {
        let trial = Trial::new("archive");
        trial.write("src/one", "1");
        trial.write("src/two", "2");
        let step =
            json!({"path": trial.path("src"), "dest": trial.path("a.tgz"), "exclusion_patterns": ["t*"]});
        assert!(trial.check(step.clone()).changed);
        assert!(trial.plan(step.clone()).changed && !trial.plan(step.clone()).changed);
        assert!(trial.apply(step.clone()).changed);
        trial.is_silent(step.clone());
        trial.write("src/two", "left out");
        trial.is_silent(step.clone());
        trial.write("src/one", "another");
        assert!(trial.check(step).changed);
    }

    #[test]
    fn what_a_plan_changes_and_changes_back_is_packed_as_before() {
        for format in ["tar", "gz", "zip"] {
            let trial = Trial::new("archive");
            trial.write("src/one", "1");
            let step = json!({"path": trial.path("src"), "dest": trial.path("a.packed"), "format": format});
            assert!(trial.apply(step.clone()).changed);
            let file = |args| assert!(trial.plan_with("file", args).changed);
            file(json!({"path": trial.path("src/one"), "mode": "0600"}));
            assert_eq!(trial.plan(step.clone()).changed, format != "zip", "the mode is another one");
            file(json!({"path": trial.path("src/two"), "state": "touch"}));
            assert!(trial.plan(step.clone()).changed);
            trial.forget_plan();
            file(json!({"path": trial.path("src/one"), "mode": "0600"}));
            file(json!({"path": trial.path("src/one"), "mode": "0644"}));
            file(json!({"path": trial.path("src/two"), "state": "touch"}));
            file(json!({"path": trial.path("src/two"), "state": "absent"}));
            let again = trial.plan(step);
            assert!(!again.changed && again.unknown.is_none(), "{format}: {again:?}");
        }
    }

    #[test]
    fn zip_archive_has_the_name_that_it_is_given() {
        let trial = Trial::new("archive");
        trial.write("src/one", "1");
        for dest in ["packed", "packed.d/packed"] {
            std::fs::create_dir_all(trial.path("packed.d")).expect("made");
            let step = json!({"path": trial.path("src"), "dest": trial.path(dest), "format": "zip"});
            assert!(trial.apply(step.clone()).changed);
            trial.is_silent(step);
        }
        assert_eq!(std::fs::read_dir(trial.path("packed.d")).expect("there").count(), 1);
    }

    #[test]
    fn zip_that_fails_leaves_nothing_half_done() {
        let trial = Trial::new("archive");
        std::fs::create_dir_all(trial.path("to")).expect("made");
        trial.write("src/one", "1");
        let step = json!({"path": trial.path("src"), "dest": trial.path("to/a.zip"), "format": "zip", "exclusion_patterns": ["*"]});
        trial.refuse(step);
        assert_eq!(std::fs::read_dir(trial.path("to")).expect("there").count(), 0);
    }

    #[test]
    fn archive_that_a_plan_would_pack_is_known_by_what_is_in_it() {
        let trial = Trial::new("archive");
        trial.write("src/one", "1");
        std::fs::create_dir(trial.path("out")).expect("made");
        let step = json!({"path": trial.path("src"), "dest": trial.path("a.tar"), "format": "tar"});
        let unpack = json!({"src": trial.path("a.tar"), "dest": trial.path("out"), "remote_src": true});
        let has_text = |trial: &Trial, text: &str| {
            let line = json!({"path": trial.path("out/src/one"), "line": text});
            !trial.plan_with("lineinfile", line).changed
        };
        trial.plan_with("copy", json!({"content": "of the plan\n", "dest": trial.path("src/one")}));
        assert!(trial.plan(step.clone()).changed && !trial.plan(step.clone()).changed);
        assert!(trial.plan_with("unarchive", unpack.clone()).changed);
        assert!(!trial.plan_with("unarchive", unpack).changed);
        assert!(has_text(&trial, "of the plan"));
        // Both times are those of the apply.
        trial.plan_with("file", json!({"path": trial.path("src/one"), "state": "touch"}));
        assert!(trial.plan(step).unknown.expect("a reason").contains("in the same second"));
    }
}
