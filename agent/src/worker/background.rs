//! Steps that run beside the others (`async`): a process of its own does the step, and writes what it came to into a file
//! that bears the job's number. The worker does not wait for it, and may end before it.

use super::before::Keeper;
use super::due::Note;
use super::operation::{Attributes, Operation, Put};
use super::overlay::Overlay;
use super::step;
use super::view::Controller;
use muster_api::outcome::Outcome;
use muster_api::step::{ContentRef, Step};
use serde_json::{Map, Value, json};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The folder of the jobs' files: of `ANSIBLE_ASYNC_DIR`, else in the user's home.
pub(crate) fn folder(named: Option<&str>, home: Option<PathBuf>) -> PathBuf {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => match named.strip_prefix("~/") {
            Some(below) => home.unwrap_or_default().join(below),
            None => named.into(),
        },
        None => home.unwrap_or_else(|| "/tmp".into()).join(".ansible_async"),
    }
}

/// The variable that tells a job the number of its run.
const RUN: &str = "MUSTER_RUN";

/// A dry run starts no job, and leaves no file of one: `predicted` is what the step would come to, and who asks later in the same
/// dry run finds it in the overlay.
pub(super) fn predict(step: &Step, predicted: Outcome, overlay: &mut Overlay, umask: u32) -> Outcome {
    let made = number().and_then(|id| {
        let folder = folder_of(step);
        let path = folder.join(&id);
        let missing: Vec<&Path> = folder.ancestors().take_while(|above| !overlay.is_there(above)).collect();
        for path in missing.into_iter().rev().map(Path::to_owned) {
            let attributes = Attributes { mode: Some(0o700), ..Attributes::default() };
            overlay.predict(&Operation::MakeDirectory { path: path.clone() }, umask)?;
            overlay.predict(&Operation::Set { path, attributes }, umask)?;
        }
        let (changed, unknown) = (predicted.changed, predicted.unknown.clone());
        let content = record(&id, predicted).to_string().into_bytes().into();
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        let put = Put { path: path.clone(), content, attributes, validate: None, may_write_in_place: false };
        overlay.predict(&Operation::Put(put), umask)?;
        Ok(Outcome { changed, unknown, ..started(step, &id, &path) })
    });
    made.unwrap_or_else(|error| step::failed(step.id, &format!("the job cannot be predicted: {error}")))
}

fn started(step: &Step, id: &str, path: &Path) -> Outcome {
    let told = json!({
        "ansible_job_id": id,
        "started": true,
        "finished": false,
        "results_file": path.to_string_lossy(),
    });
    let result = told.as_object().cloned().unwrap_or_default();
    Outcome { id: step.id, changed: true, result, ..Outcome::default() }
}

fn folder_of(step: &Step) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    folder(step.environment.get("ANSIBLE_ASYNC_DIR").map(String::as_str), home)
}

/// Starts the step in a process of its own and says which job it is.
pub(super) fn start(step: &Step, controller: &dyn Controller, keeper: &Keeper) -> Outcome {
    match try_start(step, controller, keeper) {
        Ok((id, path)) => started(step, &id, &path),
        Err(error) => step::failed(step.id, &format!("the job cannot be started: {error}")),
    }
}

fn try_start(step: &Step, controller: &dyn Controller, keeper: &Keeper) -> io::Result<(String, PathBuf)> {
    let content = step.content.as_ref().map(|wanted| controller.content(wanted)).transpose();
    let content = content.map_err(io::Error::other)?;
    let folder = folder_of(step);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let id = number()?;
    let path = folder.join(&id);
    write(&path, &json!({"ansible_job_id": id, "started": true, "finished": false}))?;
    let mut child = Command::new("/proc/self/exe")
        .arg("job")
        .arg(&path)
        .env(RUN, keeper.run())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut own = step.clone();
    own.background = false;
    let mut input = serde_json::to_vec(&own).map_err(io::Error::other)?;
    input.push(b'\n');
    input.extend(content.unwrap_or_default());
    child.stdin.take().ok_or_else(|| io::Error::other("it takes no input"))?.write_all(&input)?;
    Ok((id, path))
}

/// `j` and two numbers, as playbooks know it.
fn number() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let random = u64::from_le_bytes(random) % 1_000_000_000_000;
    Ok(format!("j{random:012}.{}", std::process::id()))
}

/// Never half a file: who asks meanwhile reads the one before.
fn write(path: &Path, record: &Value) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, record.to_string())?;
    std::fs::rename(new, path)
}

/// The process of a job: it takes its step from stdin, a line, and then the content that belongs to it.
pub(crate) fn run_job(path: &Path) -> ExitCode {
    // The end of the connection that it was started over is not its end.
    let _ = rustix::process::setsid();
    match do_job(path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn do_job(path: &Path) -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    let step: Step = serde_json::from_str(&line).map_err(io::Error::other)?;
    let mut content = Vec::new();
    stdin.read_to_end(&mut content)?;
    let keeper = Keeper::of(std::env::var(RUN).ok().as_deref());
    let brought = Brought(content);
    let outcome = step::run(&step, &mut Overlay::default(), &brought, &Note::of_this_user(), &keeper);
    let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    write(path, &record(&id, outcome))
}

/// Where a record has what a plan and a screen want to know besides.
pub(crate) const DIFFS: &str = "_muster_diffs";
pub(crate) const UNKNOWN: &str = "_muster_unknown";

/// The outcome as `async_status` reads it back.
fn record(id: &str, outcome: Outcome) -> Value {
    let mut record: Map<String, Value> = outcome.result;
    let told: [(&str, Value); 6] = [
        ("ansible_job_id", id.into()),
        ("started", true.into()),
        ("finished", true.into()),
        ("changed", outcome.changed.into()),
        ("failed", outcome.failed.into()),
        ("skipped", outcome.skipped.into()),
    ];
    record.extend(told.map(|(name, value)| (name.to_owned(), value)));
    if !outcome.facts.is_empty() {
        record.insert("ansible_facts".into(), outcome.facts.into());
    }
    if !outcome.diffs.is_empty() {
        record.insert(DIFFS.to_owned(), serde_json::json!(outcome.diffs));
    }
    if let Some(why) = outcome.unknown {
        record.insert(UNKNOWN.to_owned(), why.into());
    }
    if !outcome.warnings.is_empty() {
        record.insert("warnings".into(), outcome.warnings.into());
    }
    record.into()
}

/// A job runs after its controller has turned to other things: the one content that it needs was sent along.
struct Brought(Vec<u8>);

impl Controller for Brought {
    fn content(&self, wanted: &ContentRef) -> Result<Vec<u8>, String> {
        if u64::try_from(self.0.len()) == Ok(wanted.size) {
            return Ok(self.0.clone());
        }
        Err("a job in the background cannot ask the controller for contents".to_owned())
    }

    fn progress(&self, _id: u64, _text: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_of_the_environment_or_in_the_home() {
        let home = || Some(PathBuf::from("/root"));
        assert_eq!(folder(None, home()), Path::new("/root/.ansible_async"));
        assert_eq!(folder(Some("~/jobs"), home()), Path::new("/root/jobs"));
        assert_eq!(folder(Some("/var/jobs"), home()), Path::new("/var/jobs"));
    }

    #[test]
    fn a_predicted_job_leaves_its_folder_and_what_it_would_come_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let jobs = folder.path().canonicalize().expect("it exists").join("a/jobs");
        let step = json!({
            "id": 1, "module": "command", "args": {}, "check": true, "diff": false, "no_log": false, "background": true,
            "environment": {"ANSIBLE_ASYNC_DIR": jobs},
        });
        let step: Step = serde_json::from_value(step).expect("a step");
        let mut overlay = Overlay::default();
        let unknown = Some("`make` is not run".to_owned());
        let started = predict(&step, Outcome { unknown, ..Outcome::default() }, &mut overlay, 0o022);
        let stat = overlay.locate(&jobs, true).expect("walks").stat.expect("the folder is there");
        assert_eq!((stat.is_directory(), stat.mode), (true, 0o700));
        let path = jobs.join(started.result["ansible_job_id"].as_str().expect("a number"));
        let record: Value = serde_json::from_slice(&overlay.read(&path).expect("there")).expect("JSON");
        assert_eq!((&record["finished"], &record[UNKNOWN]), (&json!(true), &json!("`make` is not run")));
        assert!(!jobs.exists(), "nothing was written");
    }

    #[test]
    fn record_has_the_outcome_beside_the_number() {
        let outcome = Outcome { changed: true, ..Outcome::default() };
        let record = record("j1.2", outcome);
        assert_eq!((&record["finished"], &record["changed"]), (&json!(true), &json!(true)));
        assert_eq!(record["ansible_job_id"], "j1.2");
    }
}
