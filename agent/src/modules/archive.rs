//! `archive`: packs files of the host into an archive of the host, with the host's own `tar` and `zip`.

use super::{Args, Check, Failure, Module, Report, glob};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::path::{Path, PathBuf};

pub(super) struct Archive;

impl Module for Archive {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let wanted = Wanted::of(args, view)?;
        if wanted.paths.is_empty() {
            return Err(Failure::missing("Error, no source paths were found").with("missing", wanted.missing));
        }
        // Whether an archive that is there has the same content shows only in a new one.
        let before = if view.exists(&wanted.dest) { "present" } else { "absent" };
        let change = Change::Presence {
            before: before.into(),
            after: format!("archive of {} paths", wanted.paths.len()),
        };
        let name = wanted.dest.to_string_lossy().into_owned();
        let mut operations = vec![Operation::Run { command: wanted.command()?, brings: Vec::new() }];
        if args.flag("remove") {
            operations.extend(wanted.paths.iter().map(|path| Operation::Remove { path: path.clone() }));
        }
        let mut check = Check::change(
            Diff { kind: "archive".into(), name: name.clone(), changes: vec![change] },
            operations,
        );
        check.doubt = Some("an archive has its content when it is packed".to_owned());
        let texts = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
        };
        let root = format!("{}/", wanted.root.to_string_lossy().trim_end_matches('/'));
        Ok(check
            .with("dest", name)
            .with("archived", texts(&wanted.paths))
            .with("expanded_paths", texts(&wanted.paths))
            .with("arcroot", root)
            .with("missing", wanted.missing))
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
}

impl Wanted {
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
        Ok(Self { format, dest, root, paths, missing })
    }

    fn command(&self) -> Result<Command, Failure> {
        let names = self.paths.iter().map(|path| path.strip_prefix(&self.root).unwrap_or(path).to_owned());
        let names = names.map(|name| if name.as_os_str().is_empty() { PathBuf::from(".") } else { name });
        let command = match self.format.as_str() {
            "zip" => {
                let mut command = Command::new("zip", &["-q", "-r"]).argument(&self.dest);
                command.folder = Some(self.root.clone());
                command
            }
            format => {
                let option: &[&str] = match format {
                    "gz" => &["-z"],
                    "bz2" => &["-j"],
                    "xz" => &["-J"],
                    _ => &[],
                };
                let exclude =
                    format!("--exclude={}", self.dest.file_name().unwrap_or_default().to_string_lossy());
                let command = Command::new("tar", &["-c"]).argument("-f").argument(&self.dest);
                let command = option.iter().fold(command, |command, option| command.argument(option));
                command.argument(exclude).argument("-C").argument(&self.root)
            }
        };
        Ok(names.fold(command, |command, name| command.argument(name)))
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
