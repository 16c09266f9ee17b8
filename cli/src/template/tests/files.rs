//! Tests of paths on the controller: `path is file`, `is directory`, `is exists`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use minijinja::{Error, State, Value};

use crate::local_files::{LocalFiles, Unread};
use crate::template::args::Args;
use crate::template::filters::Table;
use crate::template::lookups::files::unread;
use crate::template::trace;

pub(super) const TABLE: Table = &[
    ("directory", is_directory),
    ("is_dir", is_directory),
    ("file", is_file),
    ("is_file", is_file),
    ("link", is_link),
    ("is_link", is_link),
    ("exists", exists),
    ("link_exists", link_exists),
    ("abs", is_absolute),
    ("is_abs", is_absolute),
    ("same_file", same_file),
    ("is_same_file", same_file),
    ("mount", is_mount),
    ("is_mount", is_mount),
];

fn path(args: &mut Args) -> Result<PathBuf, Error> {
    args.operand_text().map(PathBuf::from)
}

/// Asks of a path; in a dry run the answer may not be known.
fn ask(args: &mut Args, question: fn(&LocalFiles, &Path) -> Result<bool, Unread>) -> Result<Value, Error> {
    let path = path(args)?;
    let answer = trace::with_files(|files| question(files, &path));
    match answer {
        // As for Python: what cannot be looked at is not there.
        Err(Unread::Failed(_)) => Ok(Value::from(false)),
        Err(why) => Err(unread(why, |err| args.refuse(err))),
        Ok(answer) => Ok(Value::from(answer)),
    }
}

fn is_directory(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    ask(args, LocalFiles::is_folder)
}

fn is_file(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    ask(args, LocalFiles::is_file)
}

fn is_link(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    ask(args, LocalFiles::is_link)
}

fn exists(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    ask(args, LocalFiles::exists)
}

/// Also true of a link that leads nowhere.
fn link_exists(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    ask(args, LocalFiles::link_exists)
}

fn is_absolute(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(path(args)?.is_absolute()))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

fn same_file(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let left = path(args)?;
    let right = PathBuf::from(args.need_text("other")?);
    match (identity(&left), identity(&right)) {
        (Some(left), Some(right)) => Ok(Value::from(left == right)),
        (None, _) => Err(args.refuse(format!("`{}` does not exist", left.display()))),
        (_, None) => Err(args.refuse(format!("`{}` does not exist", right.display()))),
    }
}

/// A folder on another device than its parent, or the root.
fn is_mount(_: &mut State<'_, '_>, args: &mut Args) -> Result<Value, Error> {
    let path = path(args)?;
    if path.is_symlink() {
        return Ok(Value::from(false));
    }
    let Some((device, inode)) = identity(&path) else { return Ok(Value::from(false)) };
    let parent = identity(&path.join(".."));
    Ok(Value::from(parent.is_some_and(|(above, root)| above != device || root == inode)))
}
