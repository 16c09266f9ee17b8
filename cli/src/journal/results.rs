//! The sealed part of a run's record: the command as it was given, and while the run has not come to a good end, what each
//! task came to on each host. Results may hold secrets that nothing marks as such, so nobody reads them without the key.

use super::kept::{Kept, KeptResult, Record, TaskKey};
use crate::playbook::Task;
use crate::seal::Key;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What marks a sealed part of a journal.
const MARK: &[u8] = b"muster run 1\n";

/// What a run was given to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Commission {
    /// The words behind the program's name.
    pub(crate) command: Vec<String>,
    /// Where it was given.
    pub(crate) folder: PathBuf,
    /// The files that were read, with the hashes of what they say.
    pub(crate) files: Vec<(PathBuf, String)>,
}

pub(super) fn write_commission(key: &Key, file: &mut impl Write, commission: &Commission) -> io::Result<()> {
    write_sealed(key, file, &serde_json::to_vec(commission)?)
}

pub(super) fn write_records(key: &Key, file: &mut impl Write, records: &[Record]) -> io::Result<()> {
    write_sealed(key, file, &serde_json::to_vec(&records)?)
}

pub(super) fn write_files(key: &Key, file: &mut impl Write, files: &[(PathBuf, String)]) -> io::Result<()> {
    write_sealed(key, file, &serde_json::to_vec(&files)?)
}

fn write_sealed(key: &Key, file: &mut impl Write, plain: &[u8]) -> io::Result<()> {
    let sealed = key.seal(MARK, plain.to_vec()).map_err(|mistakes| io::Error::other(mistakes.to_string()))?;
    let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
    file.write_all(&[&length.to_be_bytes()[..], &sealed].concat())
}

/// What a run was given to do.
pub(crate) fn commission(folder: &Path) -> Result<Commission, String> {
    let pieces = pieces(&folder.join("command.sealed"))?;
    let (first, rest) = pieces.split_first().ok_or("its command was not kept")?;
    let other = |error| format!("its command is of another release: {error}");
    let mut commission: Commission = serde_json::from_slice(first).map_err(other)?;
    for piece in rest {
        let files: Vec<(PathBuf, String)> = serde_json::from_slice(piece).map_err(other)?;
        commission.files.extend(files);
    }
    Ok(commission)
}

/// The whole pieces of a file; one that was cut off ends them.
fn pieces(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("`{}`: {error}", file.display()))?;
    let key = Key::own(false).map_err(|mistakes| mistakes.to_string())?;
    opened(&bytes, &key)
        .ok_or_else(|| format!("`{}` was made with another key, or was changed since", file.display()))
}

fn opened(bytes: &[u8], key: &Key) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while let Some((head, body)) = rest.split_first_chunk::<4>() {
        let Some((sealed, after)) = body.split_at_checked(u32::from_be_bytes(*head) as usize) else { break };
        pieces.push(key.open(MARK, sealed)?);
        rest = after;
    }
    Some(pieces)
}

/// What is taken over from a run that broke off: for each host the tasks in their order, up to the first that did not come to a
/// good end. Where a host comes to a task that is not the next one there, it is on its own from then on.
#[derive(Debug, Default)]
pub(crate) struct Results {
    hosts: Mutex<HashMap<String, VecDeque<Record>>>,
    /// Tasks of which it was told that they are done again.
    told: Mutex<HashSet<String>>,
}

/// What is there for a task.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is done.
    Result(Box<KeptResult>),
    /// It is done again; told once for each task with what cannot be kept.
    Again { tells: bool },
    /// Nothing.
    Nothing,
}

impl Results {
    /// Those of the run in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join("results.sealed");
        if !file.exists() {
            return Ok(Self::default());
        }
        Self::of(&pieces(&file)?)
    }

    fn of(pieces: &[Vec<u8>]) -> Result<Self, String> {
        let mut hosts: HashMap<String, (VecDeque<Record>, bool)> = HashMap::new();
        for plain in pieces {
            let records: Result<Vec<Record>, _> = serde_json::from_slice(plain);
            for record in records.map_err(|error| format!("its results are of another release: {error}"))? {
                let (kept, is_over) = hosts.entry(record.host.clone()).or_default();
                *is_over |= matches!(record.outcome, Kept::Bad);
                if !*is_over {
                    kept.push_back(record);
                }
            }
        }
        let hosts = hosts.into_iter().map(|(host, (kept, _))| (host, kept)).collect();
        Ok(Self { hosts: Mutex::new(hosts), ..Self::default() })
    }

    /// Whether the task is the next one that the host has done.
    pub(crate) fn has_next(&self, host: &str, task: &Task) -> bool {
        let task = TaskKey::of(task);
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let next = hosts.get(host).and_then(VecDeque::front);
        next.is_some_and(|record| record.is_of(&task))
    }

    /// Takes what there is for a task on a host.
    pub(crate) fn take(&self, host: &str, task: &Task) -> Taken {
        self.take_of(host, &TaskKey::of(task))
    }

    fn take_of(&self, host: &str, task: &TaskKey) -> Taken {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = hosts.get_mut(host) else { return Taken::Nothing };
        match kept.pop_front().filter(|record| record.is_of(task)) {
            Some(Record { outcome: Kept::Good(result), .. }) => Taken::Result(result),
            Some(Record { outcome: Kept::Again { hides }, place, .. }) => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                Taken::Again { tells: hides && told.insert(place) }
            }
            _ => {
                hosts.remove(host);
                Taken::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(host: &str, line: u32, outcome: Kept) -> Record {
        let place = format!("site.yml:{line}:5");
        Record { host: host.into(), place, name: "a task".into(), outcome }
    }

    fn good() -> Kept {
        Kept::Good(Box::default())
    }

    /// What a file comes to that these pieces were written into, cut off at `length`.
    fn results(pieces: &[&[Record]], length: Option<usize>) -> Option<Results> {
        let key = Key::of_test(1);
        let mut bytes = Vec::new();
        pieces.iter().for_each(|records| write_records(&key, &mut bytes, records).expect("written"));
        bytes.truncate(length.unwrap_or(bytes.len()));
        Results::of(&opened(&bytes, &key)?).ok()
    }

    fn task(line: u32) -> TaskKey {
        TaskKey { place: format!("site.yml:{line}:5"), name: "a task".into() }
    }

    fn is_done(results: &Results, host: &str, line: u32) -> bool {
        matches!(results.take_of(host, &task(line)), Taken::Result(_))
    }

    #[test]
    fn each_host_goes_on_behind_what_it_has_done_in_that_order() {
        let records = [record("n1", 3, good()), record("n2", 3, good()), record("n1", 5, good())];
        let results = results(&[&records], None).expect("whole");
        assert!(is_done(&results, "n1", 3) && is_done(&results, "n2", 3) && is_done(&results, "n1", 5));
        assert!(!is_done(&results, "n1", 7) && !is_done(&results, "n2", 5) && !is_done(&results, "n3", 3));
    }

    #[test]
    fn what_comes_behind_a_failure_or_another_task_is_done_again() {
        let records = [record("n1", 3, good()), record("n1", 5, Kept::Bad), record("n1", 7, good())];
        let failed = results(&[&records], None).expect("whole");
        assert!(is_done(&failed, "n1", 3) && !is_done(&failed, "n1", 5) && !is_done(&failed, "n1", 7));
        let records = [record("n1", 3, good()), record("n1", 5, good())];
        let other = results(&[&records], None).expect("whole");
        assert!(!is_done(&other, "n1", 4), "a task that was not there then");
        assert!(!is_done(&other, "n1", 5), "from then on the host is on its own");
    }

    #[test]
    fn what_cannot_be_kept_is_told_once_and_ends_nothing() {
        let hidden = || Kept::Again { hides: true };
        let records = [record("n1", 3, hidden()), record("n2", 3, hidden()), record("n1", 5, good())];
        let results = results(&[&records], None).expect("whole");
        assert!(matches!(results.take_of("n1", &task(3)), Taken::Again { tells: true }));
        assert!(matches!(results.take_of("n2", &task(3)), Taken::Again { tells: false }));
        assert!(is_done(&results, "n1", 5));
    }

    #[test]
    fn a_piece_that_was_cut_off_counts_as_not_written_and_another_key_opens_nothing() {
        let (first, second) = ([record("n1", 3, good())], [record("n1", 5, good())]);
        let mut one = Vec::new();
        write_records(&Key::of_test(1), &mut one, &first).expect("written");
        let cut = results(&[&first, &second], Some(one.len() + 10)).expect("the first is whole");
        assert!(is_done(&cut, "n1", 3) && !is_done(&cut, "n1", 5));
        assert!(opened(&one, &Key::of_test(2)).is_none());
    }
}
