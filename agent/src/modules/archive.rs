//! `archive`: packs files of the host into an archive of the host, with the host's own `tar` and `zip`.

use super::attributes::{self, Wanted as Attributes};
use super::{Args, Check, Failure, Module, Report, glob, zip};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What predictions are called that an archive of these files is packed.
const KIND: &str = "archive";

pub(super) struct Archive;

impl Module for Archive {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let wanted = Wanted::of(args, view)?;
        if wanted.paths.is_empty() {
            return Err(Failure::missing("Error, no source paths were found").with("missing", wanted.missing));
        }
        if wanted.is_packed(view)? {
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
        let brings = vec![
            Prediction::Later {
                path: wanted.dest.clone(),
                why: format!("`{}` has its content when it is packed", wanted.dest.display()),
            },
            Prediction::Thing {
                kind: KIND,
                name: wanted.dest.to_string_lossy().into(),
                state: Some(wanted.recipe()),
            },
        ];
        let mut operations = vec![Operation::Run { command: wanted.command()?, brings }];
        if args.flag("remove") {
            operations.extend(wanted.paths.iter().map(|path| Operation::Remove { path: path.clone() }));
        }
        let mut check =
            Check::change(Diff { kind: "archive".into(), name, changes: vec![change] }, operations);
        let attributes = Attributes::of(args, view)?;
        let mode = attributes
            .mode
            .as_deref()
            .map(|mode| attributes::mode_of(mode, 0o666 & !view.umask(), false, view.umask()));
        let attributes = crate::worker::Attributes { mode, uid: attributes.uid, gid: attributes.gid };
        if !attributes.is_empty() {
            check.operations.push(Operation::Set { path: wanted.dest.clone(), attributes });
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

    /// Whether the archive is there and has these files as they are.
    fn is_packed(&self, view: &View<'_>) -> Result<bool, Failure> {
        if !view.exists(&self.dest) {
            return Ok(false);
        }
        let is_touched = self.paths.iter().any(|path| view.overlay().touches(path));
        if let Some(packed) = view.overlay().thing(KIND, &self.dest.to_string_lossy()) {
            // An earlier step of this plan would pack it.
            return Ok(!is_touched && packed == Some(&self.recipe()));
        }
        if is_touched {
            // The tools do not see what earlier steps would have changed. A changed file has another time, size or owner.
            return Ok(false);
        }
        if self.format == "zip" {
            let entries = zip::entries(&view.read(&self.dest).unwrap_or_default()).unwrap_or_default();
            let known: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            return Ok(
                known == self.zipped(view) && entries.iter().all(|entry| entry.is_in(&self.root, view))
            );
        }
        let names = |command: Command| -> Option<BTreeSet<String>> {
            let ran = command.run().ok().filter(|ran| ran.is_fine())?;
            Some(ran.out().lines().map(str::to_owned).collect())
        };
        let new = names(self.tar(&["-c", "-v", "-f", "/dev/null"]));
        let old = names(Command::new("tar", &["-t", "-f"]).argument(&self.dest));
        if new.is_none() || new != old {
            return Ok(false);
        }
        let compare = Command::new("tar", &["--compare", "-f"])
            .argument(&self.dest)
            .argument("-C")
            .argument(&self.root);
        Ok(compare.run().is_ok_and(|ran| ran.is_fine()))
    }

    /// What makes one archive another one.
    fn recipe(&self) -> String {
        format!("{} {:?} {:?}", self.format, self.paths, self.excluded)
    }

    /// The names that zip would write.
    fn zipped(&self, view: &View<'_>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut rest: Vec<PathBuf> = self.paths.clone();
        while let Some(path) = rest.pop() {
            let name = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
            if self.leaves_out(&path) || path == self.dest {
                continue;
            }
            if view.is_directory(&path) {
                names.insert(format!("{name}/"));
                rest.extend(view.list(&path).unwrap_or_default().iter().map(|name| path.join(name)));
            } else {
                names.insert(name);
            }
        }
        names
    }

    fn leaves_out(&self, path: &Path) -> bool {
        let (whole, name) = (path.to_string_lossy(), path.file_name().unwrap_or_default().to_string_lossy());
        self.excluded.iter().any(|pattern| glob::matches(pattern, &whole) || glob::matches(pattern, &name))
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
                // An archive that is there would keep what is gone.
                let line = "rm -f \"$1\" && exec zip -q -r \"$@\"";
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
}
