//! `unarchive`: unpacks a tar or zip archive. The host's own `tar` and `unzip` do the work; `tar --diff` and the list of the
//! zip archive say beforehand whether there is any.

use super::attributes::Wanted;
use super::http;
use super::passing_file::PassingFile;
use super::{Args, Check, Failure, Module, glob, placing, zip};
use crate::worker::process::{Command, Ran};
use crate::worker::{Hands, Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use serde_json::{Value, json};
use std::path::Path;

pub(super) struct Unarchive;

impl Module for Unarchive {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let dest = args.needed_path("dest", view)?;
        if let Some(made) = args.path("creates", view).filter(|made| glob::any(made, view)) {
            return Ok(Check::skipped(format!("skipped, since {} exists", made.display())));
        }
        if !view.is_directory(&dest) {
            return Err(Failure::missing(format!("Destination '{}' is not a directory", dest.display()))
                .with("dest", dest.to_string_lossy()));
        }
        let archive = Archive::of(args, view)?;
        let tool = if archive.kind == Kind::Zip { "unzip" } else { "tar" };
        if view.program(tool).is_none() && !view.overlay().has_new_packages() {
            return Err(missing(
                &Command::new(tool, &[]),
                &std::io::Error::from(std::io::ErrorKind::NotFound),
            ));
        }
        let listed = archive.names(args, view)?;
        let mut check = archive.compare(&dest, args, view)?;
        check.operations = Vec::new();
        let is_unpacked = !check.outcome.changed;
        attributes(&listed, &dest, is_unpacked, args, view, &mut check)?;
        if view.is_check() && !is_unpacked {
            check.operations.insert(0, archive.unpacked(&listed, &dest, args, view));
        }
        if args.flag("list_files") {
            check = check.with("files", listed);
        }
        let handler = archive.kind.handler();
        Ok(check
            .with("dest", dest.to_string_lossy())
            .with("src", args.needed("src")?)
            .with("handler", handler))
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let mut outcome = check.outcome;
        if outcome.skipped {
            return Ok(outcome);
        }
        let view = hands.view();
        let dest = args.needed_path("dest", &view)?;
        let must_unpack = outcome.diffs.iter().any(|diff| diff.kind == "archive");
        if must_unpack {
            let archive = Archive::of(args, &view)?;
            let ran = archive.unpack(&dest, args, hands)?;
            outcome.result.insert("extract_results".into(), ran);
            let listed = archive.names(args, &hands.view())?;
            let mut late = Check::unchanged();
            attributes(&listed, &dest, true, args, &hands.view(), &mut late)?;
            hands.carry_out(&late.operations)?;
        } else {
            hands.carry_out(&check.operations)?;
        }
        super::Report::File(dest).fill(&mut outcome, &hands.view());
        Ok(outcome)
    }
}

/// How the archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zip,
    /// With tar's option for the compression.
    Tar(Option<&'static str>),
}

impl Kind {
    /// By the first bytes, whatever the file is called.
    fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [b'P', b'K', 3 | 5, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Tar(Some("-z")),
            [b'B', b'Z', b'h', ..] => Self::Tar(Some("-j")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Tar(Some("-J")),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Tar(Some("--zstd")),
            bytes if bytes.get(257..262) == Some(b"ustar") => Self::Tar(None),
            _ => return None,
        })
    }

    /// As Ansible names it.
    const fn handler(self) -> &'static str {
        match self {
            Self::Zip => "ZipArchive",
            Self::Tar(None) => "TarArchive",
            Self::Tar(Some(option)) => match option.as_bytes() {
                b"-z" => "TgzArchive",
                b"-j" => "TarBzipArchive",
                b"-J" => "TarXzArchive",
                _ => "TarZstdArchive",
            },
        }
    }
}

struct Archive {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Archive {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        let src = args.needed("src")?;
        let bytes = if let Some(wanted) = view.content_ref() {
            view.content(wanted).map_err(|why| Failure::new(format!("the archive did not arrive: {why}")))?
        } else if src.contains("://") {
            download(src, args, view)?
        } else {
            let path = args.needed_path("src", view)?;
            view.read(&path).map_err(|error| match crate::worker::file::is_absent(&error) {
                true => Failure::missing(format!("Source '{}' does not exist", path.display())),
                false => Failure::new(format!("Source '{}' not readable: {error}", path.display())),
            })?
        };
        let kind = Kind::of(&bytes).ok_or_else(|| {
            Failure::new(format!(
                "Failed to find handler for \"{src}\". It is neither a zip archive nor a tar archive, plain or packed by gzip, bzip2, xz or zstd"
            ))
        })?;
        Ok(Self { kind, bytes })
    }

    /// What tar needs to know besides the act.
    fn tar(&self, act: &[&str], dest: &Path, args: &Args<'_>) -> Command {
        let mut command = Command::new("tar", act).argument("-C").argument(dest);
        if let Kind::Tar(Some(option)) = self.kind {
            command = command.argument(option);
        }
        for option in args.list("extra_opts").unwrap_or_default() {
            command = command.argument(option);
        }
        for pattern in args.list("exclude").unwrap_or_default() {
            command = command.argument(format!("--exclude={pattern}"));
        }
        command = command.argument("-f").argument("-");
        for name in args.list("include").unwrap_or_default() {
            command = command.argument(name);
        }
        command.fed(self.bytes.clone())
    }

    /// The names of all files that are wanted of it.
    fn names(&self, args: &Args<'_>, view: &View<'_>) -> Result<Vec<String>, Failure> {
        if self.kind == Kind::Zip {
            return Ok(self.zipped(args)?.into_iter().map(|entry| entry.name).collect());
        }
        let command = self.tar(&["--list", "--quoting-style=literal"], Path::new("/"), args);
        let ran = run(&command, view)?;
        if !ran.is_fine() {
            let complaint = ran.complaint();
            let complaint = complaint.strip_prefix("tar: ").unwrap_or(&complaint);
            let tar = view.program("tar").unwrap_or_else(|| "tar".into());
            let msg = format!("Unable to list files in the archive: {}: {complaint}", tar.display());
            return Err(Failure::new(msg).with("rc", ran.rc));
        }
        let clean = |line: &str| line.trim_start_matches("./").to_owned();
        Ok(ran.out().lines().map(clean).filter(|line| !line.is_empty()).collect())
    }

    fn zipped(&self, args: &Args<'_>) -> Result<Vec<zip::Entry>, Failure> {
        let entries = zip::entries(&self.bytes).ok_or_else(|| Failure::new("the zip archive is damaged"))?;
        let (include, exclude) =
            (args.list("include").unwrap_or_default(), args.list("exclude").unwrap_or_default());
        let has =
            |patterns: &[String], name: &str| patterns.iter().any(|pattern| glob::matches(pattern, name));
        let is_wanted = |entry: &zip::Entry| {
            (include.is_empty() || has(&include, &entry.name)) && !has(&exclude, &entry.name)
        };
        Ok(entries.into_iter().filter(is_wanted).collect())
    }

    /// What is missing or different on the host.
    fn compare(&self, dest: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        // The tools do not see what earlier steps would have changed. A changed file has another time, size or owner.
        let is_touched = |name: &String| {
            let path = dest.join(name);
            let is_touched = view.overlay().touches(&path);
            is_touched && view.lstat(&path).is_ok()
        };
        let touched = self.names(args, view)?.iter().any(is_touched);
        let differing: Vec<String> = match self.kind {
            Kind::Zip => {
                let entries = self.zipped(args)?;
                entries.into_iter().filter(|entry| !entry.is_in(dest, view)).map(|entry| entry.name).collect()
            }
            Kind::Tar(_) => {
                let ran = run(&self.tar(&["--diff"], dest, args), view)?;
                let said = ran.out() + &ran.err();
                said.lines().filter(|line| counts(line, args)).map(str::to_owned).collect()
            }
        };
        if differing.is_empty() && !touched {
            return Ok(Check::unchanged());
        }
        let change = Change::Presence { before: "different".into(), after: "unpacked".into() };
        let diff =
            Diff { kind: "archive".into(), name: dest.to_string_lossy().into_owned(), changes: vec![change] };
        Ok(Check::change(diff, Vec::new()))
    }

    /// What is below the folder then: names are known, and what the files are when they are unpacked.
    fn unpacked(&self, names: &[String], dest: &Path, args: &Args<'_>, view: &View<'_>) -> Operation {
        let bring = |name: &String| {
            let path = dest.join(name.trim_end_matches('/'));
            match name.ends_with('/') {
                true if view.exists(&path) => None,
                true => Some(Prediction::Also(Box::new(Operation::MakeDirectory { path }))),
                false => {
                    let why = format!("`{}` comes out of an archive", path.display());
                    Some(Prediction::Later { path, why })
                }
            }
        };
        let brings = names.iter().filter_map(bring).collect();
        Operation::Run { command: self.tar(&["--extract"], dest, args), brings }
    }

    fn unpack(&self, dest: &Path, args: &Args<'_>, hands: &mut Hands<'_>) -> Result<Value, Failure> {
        let (command, _archive) = match self.kind {
            Kind::Tar(_) => {
                let keeps = args.flag("keep_newer").then_some("--keep-newer-files");
                let act: Vec<&str> = ["--extract"].into_iter().chain(keeps).collect();
                (self.tar(&act, dest, args), None)
            }
            Kind::Zip => {
                let archive = PassingFile::write("archive", &self.bytes, 0o600)
                    .map_err(|error| Failure::new(format!("cannot write the archive: {error}")))?;
                (unzip(archive.path(), dest, args), Some(archive))
            }
        };
        let line = command.line();
        let ran = hands.run(&command).map_err(|error| missing(&command, &error))?;
        let told = json!({"rc": ran.rc, "cmd": line, "out": ran.out(), "err": ran.err()});
        // unzip ends with 1 for a warning.
        if ran.is_fine() || self.kind == Kind::Zip && ran.rc == 1 {
            return Ok(told);
        }
        let src = args.text("src").unwrap_or_default();
        Err(Failure::new(format!("failed to unpack {src} to {}: {}", dest.display(), ran.complaint()))
            .with("extract_results", told))
    }
}

fn unzip(archive: &Path, dest: &Path, args: &Args<'_>) -> Command {
    let mut command = Command::new("unzip", &[if args.flag("keep_newer") { "-uo" } else { "-o" }]);
    for option in args.list("extra_opts").unwrap_or_default() {
        command = command.argument(option);
    }
    command = command.argument(archive);
    for name in args.list("include").unwrap_or_default() {
        command = command.argument(name);
    }
    let excluded = args.list("exclude").unwrap_or_default();
    if !excluded.is_empty() {
        command = excluded.iter().fold(command.argument("-x"), |command, name| command.argument(name));
    }
    command.argument("-d").argument(dest)
}

fn run(command: &Command, view: &View<'_>) -> Result<Ran, Failure> {
    let mut command = command.clone();
    command.deadline = view.deadline();
    command.run().map_err(|error| missing(&command, &error))
}

fn missing(command: &Command, error: &std::io::Error) -> Failure {
    let program = command.program.to_string_lossy();
    Failure::missing(format!(
        "Failed to find handler. Make sure the required command to extract the file is installed.\nUnable to find required '{program}' binary in the path: {error}"
    ))
}

/// Whether a line of `tar --diff` is a difference: not of what the task sets itself, nor of what only root can set.
fn counts(line: &str, args: &Args<'_>) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let is_free = |name: &str| args.text(name).is_none();
    match line {
        line if line.ends_with(": Uid differs") => is_root && is_free("owner"),
        line if line.ends_with(": Gid differs") => is_root && is_free("group"),
        line if line.ends_with(": Mode differs") => is_free("mode"),
        line if line.contains(": Mod time differs") => !args.flag("keep_newer"),
        line => [
            "Symlink differs",
            "Contents differ",
            "Size differs",
            "No such file or directory",
            "File type differs",
            "Not linked to",
        ]
        .iter()
        .any(|difference| line.contains(difference)),
    }
}

/// Owner and mode of every unpacked file, where the task asks for them.
fn attributes(
    names: &[String],
    dest: &Path,
    are_there: bool,
    args: &Args<'_>,
    view: &View<'_>,
    check: &mut Check,
) -> Result<(), Failure> {
    let wanted = Wanted::of(args, view)?;
    if wanted == Wanted::default() || !are_there {
        return Ok(());
    }
    for name in names {
        let path = dest.join(name);
        let Ok(Some(stat)) = view.lstat(&path) else { continue };
        let mut one = placing::set_attributes(&path, Some(&stat), &wanted, view);
        check.outcome.changed |= one.outcome.changed;
        check.outcome.diffs.append(&mut one.outcome.diffs);
        check.operations.append(&mut one.operations);
    }
    Ok(())
}

fn download(url: &str, args: &Args<'_>, view: &View<'_>) -> Result<Vec<u8>, Failure> {
    let answer = http::get(url, args, view)
        .map_err(|why| Failure::new(format!("Failure downloading {url}, {why}")))?;
    match answer.status {
        200 => Ok(answer.body),
        status => {
            Err(Failure::new(format!("Failure downloading {url}, HTTP Error {status}: {}", answer.reason)))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;
    use std::process::Command;

    #[test]
    fn tar_archive_is_unpacked_once_and_its_mode_set() {
        let trial = Trial::new("unarchive");
        trial.write("in/a", "one");
        trial.write("in/sub/b", "two");
        let archive = trial.path("a.tgz");
        let packed = Command::new("tar")
            .args(["-czf"])
            .arg(&archive)
            .arg("-C")
            .arg(trial.path("in"))
            .arg(".")
            .status();
        assert!(packed.expect("there is a tar").success());
        std::fs::create_dir(trial.path("out")).expect("made");
        let step = json!({"src": archive, "dest": trial.path("out"), "remote_src": true});
        assert!(trial.check(step.clone()).changed);
        let applied = trial.apply(step.clone());
        assert!(applied.changed && applied.result["handler"] == "TgzArchive", "{applied:?}");
        assert_eq!(trial.text("out/sub/b"), "two");
        trial.is_silent(step.clone());
        trial.write("out/a", "ONE");
        assert!(trial.apply(step).changed);
        assert_eq!(trial.text("out/a"), "one");
    }

    #[test]
    fn what_is_no_archive_or_no_folder_is_refused() {
        let trial = Trial::new("unarchive");
        let path = trial.write("f", "text");
        let refused = trial.refuse(json!({"src": path, "dest": trial.path(""), "remote_src": true}));
        assert!(refused.contains("Failed to find handler"), "{refused}");
        assert!(
            trial.refuse(json!({"src": path, "dest": path, "remote_src": true})).contains("not a directory")
        );
    }
}
