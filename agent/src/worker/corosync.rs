//! Shows corosync itself the corosync.conf that a step would leave, where it is installed on the host. What it is asked and how
//! its answer is read is in `muster_api::corosync_conf::verdict`.

use super::operation::{Operation, Put};
use super::process::Command;
use super::view::View;
use crate::modules::Args;
use muster_api::corosync_conf::verdict::{
    ARGUMENTS, CODE, ENVIRONMENT, PATIENCE_MS, PROGRAM, Verdict, allows, answer, question,
};
use muster_api::outcome::Outcome;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What it says of the file that these operations would write.
pub(super) fn of_operations(operations: &[Operation], view: &View<'_>) -> Option<Verdict> {
    let Put { path, content, .. } = written(operations)?;
    of_file(path, content, view)
}

/// What it says of the file that the step has left, or found as it shall be.
pub(super) fn of_what_is_there(path: &Path, view: &View<'_>) -> Option<Verdict> {
    of_file(path, &view.read(path).ok()?, view)
}

/// The corosync.conf that a step is about.
pub(super) fn subject(operations: &[Operation], args: &Args<'_>, view: &View<'_>) -> Option<PathBuf> {
    let named = || ["dest", "path"].iter().find_map(|name| args.path(name, view));
    let path = written(operations).map(|put| put.path.clone()).or_else(named)?;
    is_configuration(&path).then_some(path)
}

/// What a step comes to whose file is refused.
pub(super) fn refusal(verdict: Verdict) -> Outcome {
    let why = verdict.refused.as_deref().unwrap_or_default();
    let msg = format!("corosync refuses `{}`: {why}", verdict.path);
    let result = [("msg".to_owned(), msg.into())].into_iter().collect();
    Outcome { failed: true, result, verdict: Some(verdict), ..Outcome::default() }
}

fn written(operations: &[Operation]) -> Option<&Put> {
    operations.iter().find_map(|operation| match operation {
        Operation::Put(put) if is_configuration(&put.path) => Some(put),
        _ => None,
    })
}

fn is_configuration(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "corosync.conf")
}

fn of_file(path: &Path, content: &[u8], view: &View<'_>) -> Option<Verdict> {
    let text = std::str::from_utf8(content).ok().filter(|text| !allows(text, CODE))?;
    let mut command = Command::new(PROGRAM, &ARGUMENTS).set(ENVIRONMENT.0, ENVIRONMENT.1).fed(question(text));
    if !command.is_found() {
        return None;
    }
    let patience = Instant::now() + Duration::from_millis(PATIENCE_MS);
    command.deadline = Some(view.deadline().map_or(patience, |deadline| deadline.min(patience)));
    // Without an answer there is no verdict.
    let ran = command.run().ok().filter(|ran| !ran.timed_out)?;
    let refused = answer(text, ran.rc, &(ran.err() + &ran.out()))?.err();
    let hidden = || "it says why, which `no_log` hides".to_owned();
    let refused = refused.map(|why| if view.is_secret() { hidden() } else { why });
    Some(Verdict { path: path.to_string_lossy().into_owned(), refused })
}
