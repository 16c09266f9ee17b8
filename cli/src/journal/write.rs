//! Writes the record of a run while it goes on. What changes something is on its way to the disk before the next task begins; what
//! changed nothing may wait. A record that cannot be written stops no run.

use super::kept::Record;
use super::list::{End, Entry, Run, Seat};
use super::results::{Commission, write_commission, write_files, write_records};
use super::{RUNS_MOST, command, folder, number};
use crate::load::Reader;
use crate::playbook::Task;
use crate::report::Event;
use crate::report::text::reason;
use crate::run::content::hex;
use crate::run::result::{Status, TaskResult};
use crate::run::room::lock;
use crate::seal::Key;
use crate::vars::Secrets;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Records that wait.
const RECORDS_WAITING: usize = 256;

/// What is known when a run begins.
pub(crate) struct Start<'a> {
    /// The words behind the program's name.
    pub(crate) command: Vec<String>,
    pub(crate) inventory: &'a [String],
    pub(crate) reader: Arc<Reader>,
    /// The run that this one goes on with.
    pub(crate) resumes: Option<String>,
}

/// The record of the run that goes on.
pub(crate) struct Journal {
    /// The run's number.
    pub(crate) number: String,
    folder: PathBuf,
    reader: Arc<Reader>,
    began: Instant,
    key: Key,
    pages: Mutex<Pages>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("number", &self.number).finish_non_exhaustive()
    }
}

struct Pages {
    events: BufWriter<File>,
    command: File,
    results: File,
    waiting: Vec<Record>,
    seats: HashSet<Seat>,
    /// Texts of the reader that are noted.
    files_noted: usize,
}

impl Journal {
    /// Begins a record.
    ///
    /// # Errors
    ///
    /// There is no place for it, or it cannot be written.
    pub(crate) fn begin(start: Start<'_>) -> io::Result<Self> {
        let all = folder()
            .ok_or_else(|| io::Error::other("neither MUSTER_RUNS, XDG_STATE_HOME nor HOME is set"))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&all)?;
        let (number, folder) = own_folder(&all)?;
        let key = Key::own(true).map_err(|mistakes| io::Error::other(mistakes.to_string()))?;
        let files = digests(&start.reader, 0);
        let files_noted = start.reader.texts().len();
        let run = Run {
            number: number.clone(),
            command: command::shown(&start.command),
            folder: std::env::current_dir()?,
            inventory: start.inventory.to_vec(),
            user: crate::run::way::user_here(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            started: jiff::Timestamp::now().to_string(),
            resumes: start.resumes,
        };
        let commission = Commission { command: start.command, folder: run.folder.clone(), files };
        let mut command = new_file(&folder.join("command.sealed"))?;
        write_commission(&key, &mut command, &commission)?;
        let events = new_file(&folder.join("events.jsonl"))?;
        // Held as long as the run goes on, so that others see that it does.
        flock(&events, FlockOperation::NonBlockingLockExclusive)?;
        new_file(&folder.join("run.json"))?.write_all(&serde_json::to_vec_pretty(&run)?)?;
        let pages = Pages {
            events: BufWriter::new(events),
            command,
            results: new_file(&folder.join("results.sealed"))?,
            waiting: Vec::new(),
            seats: HashSet::new(),
            files_noted,
        };
        forget_old(&all);
        Ok(Self {
            number,
            folder,
            reader: start.reader,
            began: Instant::now(),
            key,
            pages: Mutex::new(pages),
        })
    }

    /// Somebody works on a host from now on.
    pub(crate) fn seat(&self, host: &str, user: Option<&str>, is_local: bool) {
        let seat = Seat { host: host.to_owned(), user: user.map(str::to_owned), is_local };
        let mut pages = lock(&self.pages);
        if pages.seats.insert(seat.clone()) {
            pages.add(&Entry::Seat(seat));
            pages.flush(&self.key);
        }
    }

    /// A task is done on a host.
    pub(crate) fn done(&self, host: &str, task: &Task, result: &TaskResult) {
        let record = Record::of(host, task, result);
        let mut pages = lock(&self.pages);
        pages.waiting.push(record);
        if result.changed || pages.waiting.len() >= RECORDS_WAITING {
            pages.note_files(&self.reader, &self.key);
            pages.flush(&self.key);
        }
    }

    /// Takes over what an event tells, as far as it is worth telling later.
    pub(crate) fn watch(&self, event: &Event, secrets: &Secrets) {
        let Event::Done { host, task, result } = event else { return };
        let Some(entry) = Entry::of(host, task, result, &|text| secrets.mask(text).into_owned()) else {
            return;
        };
        let mut pages = lock(&self.pages);
        pages.add(&entry);
        pages.flush(&self.key);
    }

    /// Has what waits written.
    pub(crate) fn flush(&self) {
        let mut pages = lock(&self.pages);
        pages.note_files(&self.reader, &self.key);
        pages.flush(&self.key);
    }

    /// The run is over. After a good end nobody goes on with it, and its results are not kept any longer.
    pub(crate) fn end(&self, exit: u8) {
        self.flush();
        let mut pages = lock(&self.pages);
        pages.add(&Entry::End(End { exit, seconds: self.began.elapsed().as_secs_f64() }));
        pages.flush(&self.key);
        if exit == 0 {
            let _ = std::fs::remove_file(self.folder.join("results.sealed"));
        }
    }
}

impl Pages {
    fn add(&mut self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap_or_default() + "\n";
        let _ = self.events.write_all(line.as_bytes());
    }

    fn note_files(&mut self, reader: &Reader, key: &Key) {
        let read = reader.texts().len();
        if read == self.files_noted {
            return;
        }
        let new = digests(reader, self.files_noted);
        self.files_noted = read;
        if !new.is_empty() {
            let _ = write_files(key, &mut self.command, &new);
        }
    }

    fn flush(&mut self, key: &Key) {
        let _ = self.events.flush();
        if !self.waiting.is_empty() {
            let _ = write_records(key, &mut self.results, &std::mem::take(&mut self.waiting));
        }
    }
}

impl Entry {
    fn of(host: &str, task: &str, result: &TaskResult, mask: &dyn Fn(&str) -> String) -> Option<Self> {
        if result.was_done_before {
            return None;
        }
        let is_failed = matches!(result.status, Status::Failed | Status::Unreachable);
        if !result.changed && !is_failed {
            return None;
        }
        let thing = |diff: &muster_api::diff::Diff| mask(&format!("{} {}", diff.kind, diff.name));
        let things = result.diffs.iter().filter(|_| !result.no_log).map(thing).collect();
        let why = is_failed.then(|| match result.no_log {
            true => "hidden: no_log".to_owned(),
            false => mask(&reason(result).join("\n")),
        });
        Some(Self::Task {
            host: host.to_owned(),
            task: mask(task),
            status: result.status,
            changed: result.changed,
            ignored: result.ignored,
            things,
            why,
        })
    }
}

/// A folder with a number that no other run has.
fn own_folder(all: &Path) -> io::Result<(String, PathBuf)> {
    for _ in 0..100 {
        let number = number(jiff::Timestamp::now());
        let folder = all.join(&number);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok((number, folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no number is free"))
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The files that were read, behind the first `from`, with the hashes of what they say.
fn digests(reader: &Reader, from: usize) -> Vec<(PathBuf, String)> {
    let texts = reader.texts();
    let mut known: HashSet<&Path> = texts.iter().take(from).map(|text| text.path()).collect();
    let new = texts.iter().skip(from).filter(|text| known.insert(text.path()) && text.path().is_file());
    new.map(|text| (text.path().to_owned(), digest(text.text()))).collect()
}

/// The hash of what a file says.
pub(crate) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Numbers of runs sort by time, so the first are the oldest.
fn forget_old(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else { return };
    let mut runs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    if runs.len() <= RUNS_MOST {
        return;
    }
    runs.sort();
    for run in &runs[..runs.len() - RUNS_MOST] {
        // One that stays is tried again by the next run.
        let _ = std::fs::remove_dir_all(run);
    }
}
