//! `unarchive`: unpacks a tar or zip archive. The host's own `tar` and `unzip` do the work; `tar --diff` and the list of the
//! zip archive say beforehand whether there is any.

use super::attributes::Wanted;
use super::http;
use super::members::{self, Difference};
use super::passing_file::PassingFile;
use super::{Args, Check, Failure, Module, glob, placing, zip};
use crate::worker::process::{Command, Ran};
use crate::worker::{Attributes, Content, Hands, Member, Operation, Packed, Prediction, Put, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

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
        if check.outcome.unknown.is_some() {
            return Ok(check);
        }
        check.operations = Vec::new();
        let is_unpacked = !check.outcome.changed;
        attributes(&listed, &dest, is_unpacked, args, view, &mut check)?;
        if view.is_check() && !is_unpacked {
            let obstacle = archive.obstacle(&listed, &dest, view);
            check.operations.insert(0, archive.unpacked(&listed, &dest, args, view)?);
            if let Some(obstacle) = obstacle {
                // What is not in the way is unpacked all the same.
                check.outcome = Outcome { failed: true, ..Outcome::default() };
                return Ok(check.with("msg", format!("failed to unpack {}: {obstacle}", args.needed("src")?)));
            }
        }
        if args.flag("list_files") {
            check = check.with("files", listed);
        }
        let handler = archive.kind.handler();
        check.report = super::Report::File(dest.clone());
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
pub(super) enum Kind {
    Zip,
    /// With tar's option for the compression.
    Tar(Option<&'static str>),
}

impl Kind {
    /// By the first bytes, whatever the file is called.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
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

    /// By what module `archive` calls it.
    fn of_format(format: &str) -> Self {
        match format {
            "zip" => Self::Zip,
            "gz" => Self::Tar(Some("-z")),
            "bz2" => Self::Tar(Some("-j")),
            "xz" => Self::Tar(Some("-J")),
            _ => Self::Tar(None),
        }
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
    /// An earlier step of the plan would pack it.
    planned: Option<Arc<Packed>>,
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
            if let Some(packed) = view.overlay().packed(&path).filter(|_| takes_all(args)) {
                let kind = Kind::of_format(&packed.format);
                return Ok(Self { kind, bytes: Vec::new(), planned: Some(packed) });
            }
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
        Ok(Self { kind, bytes, planned: None })
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
        if let Some(packed) = &self.planned {
            let slash = |member: &Member| if member.stat.is_directory() { "/" } else { "" };
            return Ok(packed.members.iter().map(|member| member.name.clone() + slash(member)).collect());
        }
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
        let differing: Vec<String> = match (self.kind, self.members(dest, args, view)?) {
            (Kind::Zip, Some(members)) => {
                let is_other = |member: &Member| members::is_not_unzipped(member, dest, view);
                members.into_iter().filter(is_other).map(|member| member.name).collect()
            }
            (Kind::Tar(_), Some(members)) => match differing(&members, dest, args, view) {
                Differing::Names(names) => names,
                Differing::Perhaps(name) => {
                    return Ok(Check::unknown(format!(
                        "`{name}` of the archive and below `{}` are both written by this plan: whether in the same second is known then",
                        dest.display()
                    )));
                }
            },
            (Kind::Zip, None) => {
                let entries = self.zipped(args)?;
                entries.into_iter().filter(|entry| !entry.is_in(dest, view)).map(|entry| entry.name).collect()
            }
            (Kind::Tar(_), None) => {
                let ran = run(&self.tar(&["--diff"], dest, args), view)?;
                let said = ran.out() + &ran.err();
                said.lines().filter(|line| counts(line, args)).map(str::to_owned).collect()
            }
        };
        if differing.is_empty() {
            return Ok(Check::unchanged());
        }
        let change = Change::Presence { before: "different".into(), after: "unpacked".into() };
        let diff =
            Diff { kind: "archive".into(), name: dest.to_string_lossy().into_owned(), changes: vec![change] };
        Ok(Check::change(diff, Vec::new()))
    }

    /// What is in it, where the tools cannot be asked: they do not see what earlier steps would have changed.
    fn members(&self, dest: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Option<Vec<Member>>, Failure> {
        if let Some(packed) = &self.planned {
            return Ok(Some(packed.members.clone()));
        }
        let is_touched = |name: &String| view.overlay().touches(&dest.join(name));
        if self.kind == Kind::Zip || !self.names(args, view)?.iter().any(is_touched) {
            return Ok(None);
        }
        Ok(members::of_tar(|options| self.tar(options, dest, args), view))
    }

    /// What stands where something else has to be unpacked.
    fn obstacle(&self, names: &[String], dest: &Path, view: &View<'_>) -> Option<String> {
        let is_in_the_way = |name: &String| {
            let path = dest.join(name.trim_end_matches('/'));
            let there = view.lstat(&path).ok().flatten()?;
            let what = match (name.ends_with('/'), there.is_directory(), self.kind) {
                (false, true, Kind::Zip) => "is a directory",
                (false, true, Kind::Tar(_)) if view.list(&path).is_ok_and(|names| !names.is_empty()) => {
                    "is a directory that is not empty"
                }
                (true, false, Kind::Zip) if !view.is_directory(&path) => "is no directory",
                _ => return None,
            };
            Some(format!("`{}` {what}", path.display()))
        };
        names.iter().find_map(is_in_the_way)
    }

    /// What is below the folder then.
    fn unpacked(
        &self,
        names: &[String],
        dest: &Path,
        args: &Args<'_>,
        view: &View<'_>,
    ) -> Result<Operation, Failure> {
        let known = match (self.kind, &self.planned) {
            (_, Some(packed)) => Some(packed.members.clone()),
            (Kind::Tar(_), None) => members::of_tar(|options| self.tar(options, dest, args), view),
            (Kind::Zip, None) => None,
        };
        let known = known.filter(|_| self.kind != Kind::Zip);
        let is_free = |name: &str| self.obstacle(&[name.to_owned()], dest, view).is_none();
        let mut brings = Vec::new();
        if let Some(members) = known {
            let wanted = Wanted::of(args, view)?;
            for member in members.iter().filter(|member| member.stat.is_directory() || is_free(&member.name))
            {
                brings.extend(extracted(member, dest, &wanted, view));
            }
        } else {
            brings
                .extend(names.iter().filter(|name| is_free(name)).filter_map(|name| bring(name, dest, view)));
        }
        Ok(Operation::Run { command: self.tar(&["--extract"], dest, args), brings })
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

/// Which members are not as they are below the folder.
enum Differing {
    Names(Vec<String>),
    /// None for sure, and of this one it is not known.
    Perhaps(String),
}

fn differing(members: &[Member], dest: &Path, args: &Args<'_>, view: &View<'_>) -> Differing {
    let mut perhaps = None;
    let mut says = |member: &&Member| {
        let found = members::differences(member, dest, view);
        let counts = |difference: &&Difference| counts(&format!("{}: {difference}", member.name), args);
        let (unknown, known): (Vec<Difference>, Vec<Difference>) =
            found.iter().filter(counts).partition(|difference| *difference == &Difference::PerhapsTime);
        perhaps = perhaps.take().or_else(|| unknown.first().map(|_| member.name.clone()));
        !known.is_empty()
    };
    let names: Vec<String> = members.iter().filter(&mut says).map(|member| member.name.clone()).collect();
    match perhaps.filter(|_| names.is_empty()) {
        Some(name) => Differing::Perhaps(name),
        None => Differing::Names(names),
    }
}

/// Whether nothing of the archive is left out, and nothing of the host's is kept.
fn takes_all(args: &Args<'_>) -> bool {
    let has = |name: &str| args.list(name).is_some_and(|given| !given.is_empty());
    !["include", "exclude", "extra_opts"].into_iter().any(has) && !args.flag("keep_newer")
}

/// A name of the archive, of which no more is known beforehand.
fn bring(name: &str, dest: &Path, view: &View<'_>) -> Option<Prediction> {
    let path = dest.join(name.trim_end_matches('/'));
    match name.ends_with('/') {
        true if view.exists(&path) => None,
        true => Some(Prediction::Also(Box::new(Operation::MakeDirectory { path }))),
        false => {
            let why = format!("`{}` comes out of an archive", path.display());
            Some(Prediction::Later { path, why })
        }
    }
}

/// What tar makes of a member, and the task of that.
fn extracted(member: &Member, dest: &Path, wanted: &Wanted, view: &View<'_>) -> Vec<Prediction> {
    let path = dest.join(&member.name);
    let is_root = rustix::process::geteuid().is_root();
    let mut stat = member.stat.clone();
    if !is_root {
        stat = crate::worker::file::Stat::new(stat.kind, stat.mode & !view.umask());
    }
    let attributes = Attributes { mode: Some(stat.mode), uid: Some(stat.uid), gid: Some(stat.gid) };
    let set = Operation::Set { path: path.clone(), attributes };
    let time =
        Operation::SetTimes { path: path.clone(), accessed: None, modified: Some(member.stat.modified) };
    let later = || Prediction::Later {
        path: path.clone(),
        why: format!("`{}` comes out of an archive", path.display()),
    };
    let there = view.lstat(&path).ok().flatten();
    let mut brings = Vec::new();
    let mut also = |operation| brings.push(Prediction::Also(Box::new(operation)));
    if let Some(other) = &member.same_as {
        also(Operation::Hardlink { path: path.clone(), target: dest.join(other) });
    } else if stat.is_directory() {
        if !there.is_some_and(|there| there.is_directory()) {
            also(Operation::MakeDirectory { path: path.clone() });
        }
        also(set);
    } else if let Some(target) = member.stat.target.clone() {
        also(Operation::Symlink { path: path.clone(), target });
    } else {
        // What is there goes first.
        also(Operation::Remove { path: path.clone() });
        match &member.content {
            Content::Later(_) | Content::None => brings.extend([later(), Prediction::Also(Box::new(set))]),
            content => match view.overlay().bytes(content) {
                Ok(bytes) => {
                    also(Operation::Put(Put {
                        path: path.clone(),
                        content: bytes.into(),
                        attributes,
                        validate: None,
                        may_write_in_place: false,
                    }));
                    also(time);
                }
                Err(_) => brings.push(later()),
            },
        }
    }
    if *wanted != Wanted::default() {
        let late = placing::set_attributes(&path, Some(&stat), wanted, view);
        brings.extend(late.operations.into_iter().map(|operation| Prediction::Also(Box::new(operation))));
    }
    brings
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
    fn what_stands_in_the_way_fails_in_the_plan_and_the_rest_is_unpacked() {
        let trial = Trial::new("unarchive");
        trial.write("in/a", "one\n");
        trial.write("in/b", "two\n");
        let (archive, folder) = (trial.path("a.tar"), trial.path("in"));
        let packed =
            Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(folder).args(["a", "b"]).status();
        assert!(packed.expect("there is a tar").success());
        trial.write("out/a/below", "x");
        let step = json!({"src": archive, "dest": trial.path("out"), "remote_src": true});
        let planned = trial.plan(step.clone());
        assert!(planned.failed && trial.apply(step.clone()).failed, "{planned:?}");
        std::fs::remove_file(trial.path("out/b")).expect("it was unpacked");
        let line = json!({"path": trial.path("out/b"), "line": "two"});
        assert!(!trial.plan_with("lineinfile", line).changed);
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
