//! What a run replaces on this host is kept before it is replaced, so that `muster undo` can bring it back: one file for
//! each run, below a folder that only this user reads. Nothing is made for a run that changes no file.

mod image;
mod record;

pub(crate) use image::{Image, Owned};
pub(crate) use record::{Changed, Entry, Net};

use super::file::Time;
use super::operation::Operation;
use record::read;
use rustix::fs::{FlockOperation, flock};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file above this is not kept.
pub(crate) const FILE_MOST: u64 = 1 << 20;
/// What is kept of one run.
const RUN_MOST: u64 = 64 << 20;
/// Things below a folder that goes away; with more, it is not kept.
const BELOW_MOST: usize = 1000;
/// Runs that are kept.
const RUNS_MOST: usize = 20;

/// Keeps what one run replaces.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// The folder of all runs; none where there is no place for one.
    folder: Option<PathBuf>,
    /// The present one; empty where nothing is kept of it.
    run: String,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    /// Why the present step's changes cannot be undone.
    trouble: Option<String>,
    /// The present step changed a file by an operation.
    changed_files: bool,
    /// The present step ran a program.
    ran: bool,
}

/// A change that is under way.
pub(super) struct Kept<'a> {
    keeper: &'a Keeper,
    paths: Vec<PathBuf>,
}

impl Keeper {
    /// For this run, of this user's; nothing is kept where there is no run, as in a dry run.
    pub(crate) fn of(run: Option<&str>) -> Self {
        let run = run.filter(|run| is_name(run)).unwrap_or_default().to_owned();
        let folder = super::belongings::folder().map(|folder| folder.join("undo"));
        Self { folder, run, state: RefCell::default() }
    }

    /// For a test.
    #[cfg(test)]
    pub(crate) fn below(folder: &Path, run: &str) -> Self {
        Self { folder: Some(folder.to_owned()), run: run.to_owned(), state: RefCell::default() }
    }

    /// The run's name; empty where nothing is kept.
    pub(crate) fn run(&self) -> &str {
        if self.folder.is_some() { &self.run } else { "" }
    }

    fn keeps(&self) -> bool {
        !self.run().is_empty()
    }

    /// What was kept of a run.
    pub(crate) fn kept_of(&self, run: &str) -> io::Result<Vec<Entry>> {
        match self.folder.as_ref().filter(|_| is_name(run)) {
            Some(folder) => read(&folder.join(run).join("changes")),
            None => Ok(Vec::new()),
        }
    }

    /// A step begins.
    pub(super) fn begin(&self) {
        let mut state = self.state.borrow_mut();
        (state.trouble, state.changed_files, state.ran) = (None, false, false);
    }

    /// The step runs a program, whose changes are not known.
    pub(super) fn ran(&self) {
        self.state.borrow_mut().ran = true;
    }

    /// Keeps what an operation is about to replace.
    pub(super) fn before(&self, operation: &Operation, is_secret: bool) -> Kept<'_> {
        let mut paths = Vec::new();
        if self.keeps()
            && let Some(path) = path_of(operation)
        {
            self.state.borrow_mut().changed_files = true;
            match self.keep(path, operation, is_secret) {
                Ok(kept) => paths = kept,
                Err(why) => {
                    let trouble = format!("the change of `{}` cannot be undone: {why}", path.display());
                    self.state.borrow_mut().trouble.get_or_insert(trouble);
                }
            }
        }
        Kept { keeper: self, paths }
    }

    fn keep(&self, path: &Path, operation: &Operation, is_secret: bool) -> io::Result<Vec<PathBuf>> {
        let whole = match operation {
            Operation::Remove { .. } => image::tree(path, BELOW_MOST)?,
            _ => vec![(path.to_owned(), Image::whole(path)?)],
        };
        let becomes = match operation {
            Operation::Put(put) => Some(crate::modules::sha256(&put.content)),
            _ => None,
        };
        let paths = whole.iter().map(|(path, _)| path.clone()).collect();
        let at = Time::now();
        let entry = |(path, before)| Entry::Before { path, before, becomes: becomes.clone(), is_secret, at };
        self.add(&whole.into_iter().map(entry).collect::<Vec<_>>(), true)?;
        Ok(paths)
    }

    /// The step changed something: says what of it is not kept, and why.
    pub(super) fn end(&self, module: &str, things: &[String]) -> Option<String> {
        let (is_partly, trouble) = {
            let mut state = self.state.borrow_mut();
            (state.ran || !state.changed_files, state.trouble.take())
        };
        if self.keeps() && is_partly {
            let other = Entry::Other { module: module.to_owned(), things: things.to_vec() };
            // What cannot be undone is only told: that it cannot be told later is no reason to stop.
            let _ = self.add(&[other], false);
        }
        trouble
    }

    fn add(&self, entries: &[Entry], sync: bool) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let mut state = self.state.borrow_mut();
        if state.file.is_none() {
            state.file = Some(self.open()?);
        }
        let Some(file) = &mut state.file else { return Ok(()) };
        // Other workers of the same run may write as well.
        flock(&*file, FlockOperation::LockExclusive)?;
        let written = append(file, &lines, sync);
        let unlocked = flock(&*file, FlockOperation::Unlock);
        written.and(unlocked.map_err(Into::into))
    }

    fn open(&self) -> io::Result<File> {
        let Some(all) = &self.folder else { return Err(io::Error::other("there is no folder for it")) };
        let folder = all.join(&self.run);
        super::belongings::make(&folder)?;
        forget_old(all, &self.run);
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(folder.join("changes"))
    }
}

impl Kept<'_> {
    /// The change is made, or has failed: what is there now is noted, to be known again.
    pub(super) fn done(self) {
        if self.paths.is_empty() {
            return;
        }
        let now = |path: PathBuf| Image::seen(&path).ok().map(|after| Entry::After { path, after });
        let entries: Vec<Entry> = self.paths.into_iter().filter_map(now).collect();
        if let Err(error) = self.keeper.add(&entries, false) {
            let trouble = format!("what this step did cannot be undone: {error}");
            self.keeper.state.borrow_mut().trouble.get_or_insert(trouble);
        }
    }
}

/// Adds whole lines; a line that an earlier worker left half-written ends before them.
fn append(file: &mut File, lines: &[u8], sync: bool) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length + lines.len() as u64 > RUN_MOST {
        return Err(io::Error::other(format!("more than {} MiB of this run", RUN_MOST >> 20)));
    }
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    file.write_all(lines)?;
    if sync { file.sync_data() } else { Ok(()) }
}

/// Numbers of runs begin with their time, so the first names are the oldest.
fn forget_old(all: &Path, own: &str) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    let mut runs: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    runs.sort();
    let too_many = runs.len().saturating_sub(RUNS_MOST);
    for run in runs.iter().take(too_many).filter(|run| *run != own) {
        // One that stays is tried again by the next run.
        let _ = std::fs::remove_dir_all(all.join(run));
    }
}

fn is_name(run: &str) -> bool {
    !run.is_empty() && run.len() <= 64 && run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What an operation changes.
fn path_of(operation: &Operation) -> Option<&Path> {
    match operation {
        Operation::Put(put) => Some(&put.path),
        Operation::BackUp { copy, .. } => Some(copy),
        Operation::MakeDirectory { path }
        | Operation::Remove { path }
        | Operation::Symlink { path, .. }
        | Operation::Hardlink { path, .. }
        | Operation::Set { path, .. }
        | Operation::SetTimes { path, .. }
        | Operation::Touch { path } => Some(path),
        Operation::Configure { .. } | Operation::Run { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper(folder: &Path) -> Keeper {
        Keeper::below(&folder.join("undo"), "20260101-000000-a")
    }

    #[test]
    fn nothing_is_made_until_something_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = keeper(folder.path());
        keeper.begin();
        assert!(!folder.path().join("undo").exists());
        let path = folder.path().join("f");
        std::fs::write(&path, "old").expect("written");
        let kept = keeper.before(&Operation::Touch { path: path.clone() }, false);
        std::fs::write(&path, "new").expect("written");
        kept.done();
        let net = Net::of(&keeper.kept_of("20260101-000000-a").expect("read"));
        assert_eq!(net.paths.len(), 1);
        assert_eq!(net.paths[0].before.content(), Some(&b"old"[..]));
        assert!(net.paths[0].is_as_left(&Image::seen(&path).expect("there")));
        std::fs::write(&path, "of somebody else").expect("written");
        assert!(!net.paths[0].is_as_left(&Image::seen(&path).expect("there")));
    }

    #[test]
    fn a_line_that_was_cut_off_hides_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let touch = Operation::Touch { path: folder.path().join("f") };
        keeper(folder.path()).before(&touch, false).done();
        let file = folder.path().join("undo/20260101-000000-a/changes");
        let mut text = std::fs::read_to_string(&file).expect("there");
        text.truncate(text.len() - 3);
        std::fs::write(&file, text).expect("written");
        keeper(folder.path()).before(&touch, false).done();
        assert_eq!(read(&file).expect("read").len(), 3);
    }

    #[test]
    fn only_the_last_runs_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for number in 0..RUNS_MOST + 3 {
            let keeper = Keeper::below(folder.path(), &format!("20260101-0000{number:02}-a"));
            keeper.before(&Operation::Touch { path: folder.path().join("f") }, false).done();
        }
        let names = std::fs::read_dir(folder.path()).expect("there").count();
        assert_eq!(names, RUNS_MOST);
        assert!(!folder.path().join("20260101-000002-a").exists());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_no_run() {
        assert!(is_name("20260101-000000-a") && !is_name("../x") && !is_name("") && !is_name("a/b"));
    }
}
