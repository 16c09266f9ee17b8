//! `muster simulate --profile FOLDER`: every CIB of a folder decided in one process, and how long each took.

use super::as_json;
use super::source::saved;
use crate::error::{Diagnostic, Result};
use crate::exit::Exit;
use muster_core::schedule::Answer;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every CIB of a folder cost.
#[derive(Debug, Serialize)]
pub(super) struct Profile {
    /// How often each was decided.
    repeat: u32,
    /// All of them together, in seconds of processor time.
    seconds: f64,
    /// The slowest first.
    cases: Vec<Cost>,
    /// The files that are no CIB, and why.
    refused: Vec<String>,
}

/// What one CIB cost: reading it, deciding, and writing the answer.
#[derive(Debug, Serialize)]
struct Cost {
    cib: String,
    /// Of processor time, on average of all repetitions.
    seconds: f64,
}

impl Profile {
    /// Decides every `*.xml` in the folder, `repeat` times, as if it were `now` (seconds since 1970).
    ///
    /// # Errors
    /// Where the folder cannot be read or holds no such file.
    pub(super) fn of(folder: &Path, repeat: u32, now: Option<u64>) -> Result<Self> {
        let mut profile = Self { repeat, seconds: 0.0, cases: Vec::new(), refused: Vec::new() };
        for cib in cibs(folder)? {
            match cost(&cib, repeat, now) {
                Ok(cost) => profile.cases.push(cost),
                Err(mistakes) => profile.refused.push(format!("{}: {mistakes}", cib.display())),
            }
        }
        profile.seconds = profile.cases.iter().map(|cost| cost.seconds).sum();
        profile.cases.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
        Ok(profile)
    }
}

fn cibs(folder: &Path) -> Result<Vec<PathBuf>> {
    let unusable = |what: String| Diagnostic::error(what).exits_with(Exit::HostUnreachable);
    let entries = std::fs::read_dir(folder)
        .map_err(|error| unusable(format!("cannot read the folder {}: {error}", folder.display())))?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut cibs: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "xml")).collect();
    cibs.sort();
    match cibs.is_empty() {
        true => Err(unusable(format!("no file in {} ends with .xml", folder.display())).into()),
        false => Ok(cibs),
    }
}

fn cost(cib: &Path, repeat: u32, now: Option<u64>) -> Result<Cost> {
    let begin = processor_time();
    for _ in 0..repeat {
        let mut rehearsal = saved(cib)?.rehearsal;
        if let Some(now) = now {
            rehearsal.now_ms = now * 1000;
        }
        as_json(&Answer::of(&rehearsal.decide(), &rehearsal.states));
    }
    let seconds = (processor_time() - begin).as_secs_f64() / f64::from(repeat);
    let name = cib.file_stem().unwrap_or(cib.as_os_str());
    Ok(Cost { cib: name.to_string_lossy().into_owned(), seconds })
}

/// The processor time that this process has used so far.
fn processor_time() -> Duration {
    // Neither part is ever negative, and nanoseconds are less than a second.
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Cost { cib, seconds } in &self.cases {
            writeln!(out, "{:>10.3} ms  {cib}", seconds * 1000.0)?;
        }
        for refusal in &self.refused {
            writeln!(out, "refused: {refusal}")?;
        }
        let Self { seconds, cases, repeat, .. } = self;
        writeln!(out, "{:>10.3} ms  all {}, each decided {repeat} times", seconds * 1000.0, cases.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_cib_is_named_and_the_others_are_decided() {
        let folder = tempfile::tempdir().unwrap();
        let cib = "<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>";
        std::fs::write(folder.path().join("empty.xml"), cib).unwrap();
        std::fs::write(folder.path().join("torn.xml"), &cib[..40]).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no CIB").unwrap();

        let profile = Profile::of(folder.path(), 2, Some(1_700_000_000)).unwrap();

        let decided: Vec<&str> = profile.cases.iter().map(|cost| cost.cib.as_str()).collect();
        assert_eq!(decided, ["empty"]);
        assert_eq!(profile.refused.len(), 1);
        assert!(profile.refused[0].contains("torn.xml"), "{}", profile.refused[0]);
        assert!(profile.to_string().ends_with("all 1, each decided 2 times\n"));
    }

    #[test]
    fn a_folder_without_a_cib_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Profile::of(folder.path(), 1, None).is_err());
    }
}
