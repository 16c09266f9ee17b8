//! A file with a given content at a given path: what every module that writes a file comes down to.

use super::attributes::{self, Wanted};
use super::checksum;
use super::{Args, Check, Failure, Report};
use crate::worker::file::{Kind, Stat};
use crate::worker::{Attributes, Operation, Put, View};
use muster_api::diff::{Change, Content, Diff};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file as it is before the step.
pub(super) struct Before {
    /// Without links in it, where they are followed.
    pub(super) path: PathBuf,
    pub(super) stat: Option<Stat>,
    /// Empty where there is no file.
    pub(super) content: Vec<u8>,
}

/// What `unsafe_writes` says, or else the environment of the task, as Ansible's modules read it.
pub(super) fn may_write_in_place(args: &Args<'_>, view: &View<'_>) -> bool {
    let environment = view.environment().get("ANSIBLE_UNSAFE_WRITES");
    let asked = environment.is_some_and(|word| matches!(word.as_str(), "1" | "true" | "True" | "yes" | "on"));
    args.choice("unsafe_writes").unwrap_or(asked)
}

/// Contents above this size are told apart by their checksum only.
const SHOWN_MAX: usize = 1024 * 1024;

impl Before {
    /// Reads the file at the path.
    pub(super) fn at(path: &Path, follow: bool, view: &View<'_>) -> Result<Self, Failure> {
        let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
        let located = view.locate(path, follow).map_err(unreadable)?;
        let content = match &located.stat {
            Some(stat) if stat.is_directory() => {
                return Err(Failure::new(format!("Path {} is a directory !", path.display())));
            }
            Some(stat) if stat.is_file() => view.read(&located.path).map_err(unreadable)?,
            _ => Vec::new(),
        };
        Ok(Self { path: located.path, stat: located.stat, content })
    }

    /// The file that must be there.
    pub(super) fn existing(path: &Path, view: &View<'_>) -> Result<Self, Failure> {
        Self::existing_as("Path", path, view)
    }

    /// The same, with the word that Ansible's module has for it.
    pub(super) fn existing_as(word: &str, path: &Path, view: &View<'_>) -> Result<Self, Failure> {
        let before = Self::at(path, true, view)?;
        match before.stat {
            Some(_) => Ok(before),
            None => {
                Err(Failure::missing(format!("{word} {} does not exist !", path.display())).with("rc", 257))
            }
        }
    }

    pub(super) fn is_file(&self) -> bool {
        self.stat.as_ref().is_some_and(Stat::is_file)
    }
}

/// What it takes to have this content there, with the attributes that the task asks for.
pub(super) fn place(
    before: &Before,
    content: Vec<u8>,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let wanted = Wanted::of(args, view)?;
    place_as(before, content.into(), &wanted, args, view)
}

/// The same, with attributes from elsewhere.
pub(super) fn place_as(
    before: &Before,
    content: Arc<[u8]>,
    wanted: &Wanted,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let mut check = if before.is_file() && *content == *before.content {
        set_attributes(&before.path, before.stat.as_ref(), wanted, view)
    } else {
        check_folder(&before.path, view)?;
        write(before, content, wanted, args, view)
    };
    check.report = Report::File(before.path.clone());
    Ok(check)
}

/// The folders that are missing are made first, where the task says `create`.
pub(super) fn place_with_folders(
    before: &Before,
    content: Vec<u8>,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    let missing = missing_folders(before.path.parent().unwrap_or(Path::new("/")), view)?;
    if missing.is_empty() {
        return place(before, content, args, view);
    }
    let wanted = Wanted::of(args, view)?;
    let mut check = write(before, content.into(), &wanted, args, view);
    let make = missing.into_iter().map(|path| Operation::MakeDirectory { path });
    check.operations.splice(0..0, make);
    check.report = Report::File(before.path.clone());
    Ok(check)
}

/// The folders that have to be made for a path to be one, the outermost first.
pub(super) fn missing_folders(path: &Path, view: &View<'_>) -> Result<Vec<PathBuf>, Failure> {
    let mut missing: Vec<PathBuf> =
        path.ancestors().take_while(|above| !view.exists(above)).map(Path::to_owned).collect();
    missing.reverse();
    let outermost = missing.first().map(PathBuf::as_path);
    let in_the_way = match outermost.and_then(|folder| view.lstat(folder).ok()?) {
        Some(stat) => outermost.map(|link| (link, stat.kind)),
        None => {
            outermost.and_then(Path::parent).and_then(|above| Some((above, view.stat(above).ok()??.kind)))
        }
    };
    match in_the_way.filter(|(_, kind)| *kind != Kind::Directory) {
        Some((what, kind)) => Err(Failure::new(format!(
            "`{}` leads through the {} `{}`",
            path.display(),
            kind.word(),
            what.display()
        ))
        .with("path", path.to_string_lossy())),
        None => Ok(missing),
    }
}

/// A folder that is missing is an error, unless a package of an earlier step of this plan can bring it.
fn check_folder(path: &Path, view: &View<'_>) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if view.may_have_folder(folder) {
        return Ok(());
    }
    Err(Failure::missing(format!(
        "the folder `{}` does not exist; create it first with module `file`",
        folder.display()
    )))
}

fn write(before: &Before, content: Arc<[u8]>, wanted: &Wanted, args: &Args<'_>, view: &View<'_>) -> Check {
    let new = Stat::new(Kind::File, 0o666 & !view.umask());
    let stat = before.stat.as_ref().filter(|stat| !stat.is_link()).unwrap_or(&new);
    let attributes = wanted.differing(stat, view);
    let diff = diff_of(before, &content, stat, attributes, view);
    let mut operations = Vec::new();
    let mut backup_file = None;
    if args.flag("backup") && before.is_file() {
        let copy = backup_path(&before.path);
        backup_file = Some(copy.clone());
        operations.push(Operation::BackUp { path: before.path.clone(), copy });
    }
    operations.push(Operation::Put(Put {
        path: before.path.clone(),
        content,
        attributes,
        validate: args.text("validate").map(str::to_owned),
        may_write_in_place: may_write_in_place(args, view),
    }));
    let check = Check::change(diff, operations);
    match backup_file {
        Some(copy) => check.with("backup_file", copy.to_string_lossy()),
        None => check,
    }
}

fn diff_of(before: &Before, content: &[u8], stat: &Stat, attributes: Attributes, view: &View<'_>) -> Diff {
    let old = match &before.stat {
        Some(stat) if stat.is_file() => shown(&before.content, view),
        _ => Content::Absent,
    };
    let mut changes = Vec::new();
    match &before.stat {
        Some(stat) if stat.is_file() => {}
        Some(stat) => {
            changes.push(Change::Presence { before: stat.kind.word().into(), after: "file".into() })
        }
        None => changes.push(Change::Presence { before: "absent".into(), after: "file".into() }),
    }
    changes.push(Change::Content { before: old, after: shown(content, view) });
    changes.extend(attributes::changes(stat, attributes, view));
    Diff { kind: "file".into(), name: before.path.to_string_lossy().into_owned(), changes }
}

/// A content as far as a person may and wants to see it.
pub(super) fn shown(content: &[u8], view: &View<'_>) -> Content {
    if view.is_secret() {
        return Content::Secret;
    }
    let text =
        std::str::from_utf8(content).ok().filter(|text| text.len() <= SHOWN_MAX && !text.contains('\0'));
    match text.filter(|_| view.wants_diff()) {
        Some(text) => Content::Text { text: text.to_owned() },
        None => Content::Opaque { size: content.len() as u64, sha256: checksum::sha256(content) },
    }
}

/// Sets attributes of what is there and has the right content already.
pub(super) fn set_attributes(path: &Path, stat: Option<&Stat>, wanted: &Wanted, view: &View<'_>) -> Check {
    let Some(stat) = stat else { return Check::unchanged() };
    let attributes = wanted.differing(stat, view);
    if attributes.is_empty() {
        return Check::unchanged();
    }
    let diff = Diff {
        kind: "file".into(),
        name: path.to_string_lossy().into_owned(),
        changes: attributes::changes(stat, attributes, view),
    };
    Check::change(diff, vec![Operation::Set { path: path.to_owned(), attributes }])
}

/// `NAME.PID.DATE@TIME~`, as Ansible names it.
fn backup_path(path: &Path) -> PathBuf {
    let now = jiff::Zoned::now().strftime("%Y-%m-%d@%H:%M:%S~").to_string();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.{now}", std::process::id()));
    name.into()
}
