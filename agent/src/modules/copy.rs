//! `copy` and `template`: a content at a path. Both get their content by its hash, or read it on the host.

use super::attributes::Wanted;
use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, Report, checksum};
use crate::worker::file::{Kind, Stat};
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) struct Copy;

impl Module for Copy {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let dest = args.needed_path("dest", view)?;
        let source = Source::of(args, view)?;
        if let Source::Tree(folder) = &source {
            return copy_tree(folder, &dest, args, view);
        }
        let mut folders = Check::unchanged();
        let dest = settle(dest, args, view, &mut folders)?;
        let mut check = match dest.parent().filter(|_| folders.outcome.changed) {
            Some(folder) => copy_in_tree(&source, &dest, folder, args, view)?,
            None => copy_file(&source, &dest, args, view)?,
        };
        folders.operations.append(&mut check.operations);
        folders.outcome.diffs.append(&mut check.outcome.diffs);
        check.outcome.changed |= folders.outcome.changed;
        check.outcome.diffs = folders.outcome.diffs;
        check.operations = folders.operations;
        let check = check.with("dest", dest.to_string_lossy());
        Ok(match args.text("src") {
            Some(src) => check.with("src", src),
            None => check,
        })
    }
}

/// Where the content is.
enum Source {
    /// With the controller, which knows its hash.
    Controller,
    /// In the arguments.
    Given(Arc<[u8]>),
    /// In a file of the host.
    Host(PathBuf, Stat),
    /// In a directory of the host.
    Tree(PathBuf),
}

impl Source {
    fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        if view.content_ref().is_some() {
            return Ok(Self::Controller);
        }
        if let Some(content) = args.raw("content") {
            return Ok(Self::Given(text_of(content).into_bytes().into()));
        }
        let src = args.needed_path("src", view)?;
        if !args.flag("remote_src") {
            return Err(Failure::new(format!("the controller sent no content for `{}`", src.display())));
        }
        let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", src.display()));
        match view.stat(&src).map_err(unreadable)? {
            None => Err(Failure::missing(format!("source `{}` does not exist on the host", src.display()))),
            Some(stat) if stat.is_directory() => Ok(Self::Tree(args.needed("src").map(PathBuf::from)?)),
            Some(stat) if stat.is_file() => Ok(Self::Host(src, stat)),
            // A device or a pipe might never end.
            Some(_) => {
                Err(Failure::new(format!("Cannot copy invalid source '{}': not a file", src.display())))
            }
        }
    }

    fn bytes(&self, view: &View<'_>) -> Result<Arc<[u8]>, Failure> {
        match self {
            Self::Given(bytes) => Ok(bytes.clone()),
            Self::Host(path, _) | Self::Tree(path) => {
                let read = view
                    .read(path)
                    .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())));
                Ok(read?.into())
            }
            Self::Controller => {
                let wanted = view.content_ref().ok_or_else(|| Failure::new("the step has no content"))?;
                let fetched = view.content(wanted);
                Ok(fetched.map_err(|why| Failure::new(format!("the content did not arrive: {why}")))?.into())
            }
        }
    }

    /// The bytes, without asking the controller for what the host has already.
    fn bytes_beside(&self, before: &Before, view: &View<'_>) -> Result<Arc<[u8]>, Failure> {
        let is_there = view.content_ref().is_some_and(|wanted| {
            wanted.size == before.content.len() as u64 && wanted.sha256 == checksum::sha256(&before.content)
        });
        let is_ours = matches!(self, Self::Controller);
        if is_ours && is_there && before.is_file() {
            Ok(before.content.as_slice().into())
        } else {
            self.bytes(view)
        }
    }
}

/// A mapping or list is written as JSON.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The file's own path where `dest` is a directory, or shall become one.
fn settle(dest: PathBuf, args: &Args<'_>, view: &View<'_>, folders: &mut Check) -> Result<PathBuf, Failure> {
    let says_folder = args.text("dest").is_some_and(|text| text.ends_with('/'));
    let is_folder = view.is_directory(&dest);
    if !says_folder && !is_folder {
        return Ok(dest);
    }
    // The controller keeps the path of its own file to itself and sends the name.
    let source = args.text("_original_basename").or_else(|| args.text("src"));
    let name = source.and_then(|source| Path::new(source).file_name().map(ToOwned::to_owned));
    let name = name.ok_or_else(|| {
        Failure::new(format!("can not use content with a dir as dest: `{}`", dest.display()))
    })?;
    if !is_folder {
        let wanted =
            Wanted { mode: args.text("directory_mode").map(str::to_owned), ..Wanted::of(args, view)? };
        make_folders(&dest, &wanted, view, folders)?;
    }
    Ok(dest.join(name))
}

/// Makes the directory and those above it that are missing.
fn make_folders(folder: &Path, wanted: &Wanted, view: &View<'_>, check: &mut Check) -> Result<(), Failure> {
    for folder in placing::missing_folders(folder, view)? {
        let is_made =
            |operation: &Operation| matches!(operation, Operation::MakeDirectory { path } if *path == folder);
        if check.operations.iter().any(is_made) {
            continue;
        }
        check.operations.push(Operation::MakeDirectory { path: folder.to_owned() });
        let attributes = wanted.differing(&Stat::new(Kind::Directory, 0o777 & !view.umask()), view);
        if !attributes.is_empty() {
            check.operations.push(Operation::Set { path: folder.to_owned(), attributes });
        }
        let change = Change::Presence { before: "absent".into(), after: "directory".into() };
        let name = folder.to_string_lossy().into_owned();
        check.outcome.diffs.push(Diff { kind: "file".into(), name, changes: vec![change] });
        check.outcome.changed = true;
    }
    Ok(())
}

fn copy_file(source: &Source, dest: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let before = Before::at(dest, args.flag("follow"), view)?;
    if before.stat.is_some() && args.choice("force") == Some(false) {
        let mut check = Check::unchanged().with("msg", "file already exists");
        check.report = Report::File(before.path);
        return Ok(check);
    }
    let content = source.bytes_beside(&before, view)?;
    let (sha1, md5) = (checksum::sha1(&content), checksum::md5(&content));
    if let Some(expected) = args.text("checksum").filter(|expected| *expected != sha1) {
        return Err(Failure::new(format!("the source has checksum {sha1}, `checksum` says {expected}")));
    }
    let wanted = preserving(Wanted::of(args, view)?, source)?;
    let check = placing::place_as(&before, content, &wanted, args, view)?;
    Ok(check.with("checksum", sha1).with("md5sum", md5))
}

fn preserving(mut wanted: Wanted, source: &Source) -> Result<Wanted, Failure> {
    if wanted.mode.as_deref() == Some("preserve") {
        let Source::Host(_, stat) = source else {
            return Err(Failure::new(
                "`mode: preserve` needs a source with a mode: the controller did not send one",
            ));
        };
        wanted.mode = Some(stat.octal());
    }
    Ok(wanted)
}

/// A directory of the host with everything below it. `src: dir/` is what is in it, `src: dir` is itself.
fn copy_tree(written: &Path, dest: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
    let folder = args.needed_path("src", view)?;
    let only_content = written.as_os_str().to_string_lossy().ends_with('/');
    let root = match folder.file_name() {
        Some(name) if !only_content => dest.join(name),
        _ => dest.to_owned(),
    };
    let mut all = Check::unchanged();
    copy_folder(&folder, &root, args, view, &mut all)?;
    all.report = Report::File(root);
    Ok(all.with("dest", dest.to_string_lossy()).with("src", args.text("src").unwrap_or_default()))
}

fn copy_folder(
    from: &Path,
    to: &Path,
    args: &Args<'_>,
    view: &View<'_>,
    all: &mut Check,
) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", from.display()));
    let stat = view
        .stat(from)
        .map_err(unreadable)?
        .ok_or_else(|| Failure::missing(format!("`{}` is gone", from.display())))?;
    let mut wanted = Wanted::of(args, view)?;
    let of_folders = args.text("directory_mode").or(wanted.mode.as_deref());
    wanted.mode = of_folders.map(|mode| if mode == "preserve" { stat.octal() } else { mode.to_owned() });
    if !view.exists(to) {
        make_folders(to, &wanted, view, all)?;
    }
    for name in view.list(from).map_err(unreadable)? {
        let (inner, target) = (from.join(&name), to.join(&name));
        let Some(stat) = view.stat(&inner).map_err(unreadable)? else { continue };
        if stat.is_directory() {
            copy_folder(&inner, &target, args, view, all)?;
        } else if stat.is_file() {
            let mut one = copy_in_tree(&Source::Host(inner, stat), &target, to, args, view)?;
            all.outcome.changed |= one.outcome.changed;
            all.outcome.diffs.append(&mut one.outcome.diffs);
            all.operations.append(&mut one.operations);
        }
    }
    Ok(())
}

/// As `copy_file`, but the folder may be one that this step makes.
fn copy_in_tree(
    source: &Source,
    dest: &Path,
    folder: &Path,
    args: &Args<'_>,
    view: &View<'_>,
) -> Result<Check, Failure> {
    if view.exists(folder) {
        return copy_file(source, dest, args, view);
    }
    let wanted = preserving(Wanted::of(args, view)?, source)?;
    let new = Stat::new(Kind::File, 0o666 & !view.umask());
    let content = source.bytes(view)?;
    let change =
        Change::Content { before: muster_api::diff::Content::Absent, after: placing::shown(&content, view) };
    let diff = Diff { kind: "file".into(), name: dest.to_string_lossy().into_owned(), changes: vec![change] };
    let put = crate::worker::Put {
        path: dest.to_owned(),
        content,
        attributes: wanted.differing(&new, view),
        validate: args.text("validate").map(str::to_owned),
        may_write_in_place: super::placing::may_write_in_place(args, view),
    };
    let (sha1, md5) = (checksum::sha1(&put.content), checksum::md5(&put.content));
    let mut check = Check::change(diff, vec![Operation::Put(put)]);
    check.report = Report::File(dest.to_owned());
    Ok(check.with("checksum", sha1).with("md5sum", md5))
}

#[cfg(test)]
mod tests {
    use super::checksum;
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn content_is_put_in_place_once() {
        let trial = Trial::sending("copy", "new\n");
        let path = trial.write("f", "old\n");
        let outcome = trial.changes_once(json!({"src": "f.txt", "dest": path, "mode": "0600"}));
        assert_eq!(trial.text("f"), "new\n");
        assert_eq!(outcome.result["checksum"], checksum::sha1(b"new\n"));
        assert_eq!((&outcome.result["mode"], &outcome.result["state"]), (&json!("0600"), &json!("file")));
    }

    #[test]
    fn directory_takes_the_name_of_the_source() {
        let trial = Trial::sending("template", "x");
        trial.changes_once(
            json!({"src": "t/a.conf", "dest": format!("{}/", trial.path("new/dir").display())}),
        );
        assert_eq!(trial.text("new/dir/a.conf"), "x");
    }

    #[test]
    fn mapping_is_written_as_json_and_text_as_it_is() {
        let trial = Trial::new("copy");
        trial.changes_once(json!({"content": {"a": 1}, "dest": trial.path("f")}));
        assert_eq!(trial.text("f"), r#"{"a":1}"#);
    }

    #[test]
    fn tree_of_the_host_is_copied_with_its_modes() {
        let trial = Trial::new("copy");
        trial.write("from/a/b", "1");
        trial.write("from/c", "2");
        trial.changes_once(json!({"src": trial.path("from"), "dest": trial.path("to"), "remote_src": true, "mode": "preserve"}));
        assert_eq!((trial.text("to/from/a/b"), trial.text("to/from/c")), ("1".into(), "2".into()));
    }

    #[test]
    fn link_is_replaced_unless_it_is_followed() {
        let trial = Trial::sending("copy", "new");
        let path = trial.write("f", "old");
        std::os::unix::fs::symlink(&path, trial.path("l")).expect("linked");
        trial.changes_once(json!({"src": "x", "dest": trial.path("l"), "follow": true}));
        assert_eq!(trial.text("f"), "new");
        std::fs::write(&path, "kept").expect("written");
        trial.changes_once(json!({"src": "x", "dest": trial.path("l")}));
        assert_eq!((trial.text("f"), trial.text("l")), ("kept".into(), "new".into()));
    }

    #[test]
    fn file_that_is_there_stays_without_force() {
        let trial = Trial::sending("copy", "new");
        let path = trial.write("f", "old");
        trial.is_silent(json!({"src": "x", "dest": path, "force": false}));
    }

    #[test]
    fn refused_content_and_missing_folders_leave_everything_as_it_was() {
        let trial = Trial::sending("copy", "new");
        let path = trial.write("f", "old");
        let outcome = trial.apply(json!({"src": "x", "dest": path, "validate": "grep -q old %s"}));
        assert!(outcome.failed && outcome.result["msg"].as_str().expect("a sentence").contains("refused"));
        assert_eq!(trial.text("f"), "old");
        assert!(
            trial.refuse(json!({"src": "x", "dest": trial.path("no/such/f")})).contains("does not exist")
        );
    }
}
