//! Every single fault, and what each one costs.

use super::what_if::{Course, places};
use muster_api::id::ResourceId;
use muster_core::schedule::{Decision, Rehearsal};
use std::collections::BTreeMap;

/// What one fault came to.
struct Row {
    fault: String,
    fenced: Vec<String>,
    moved: Vec<String>,
    stopped: Vec<String>,
    /// Why each of what stopped runs nowhere.
    reasons: Vec<String>,
}

/// The table for people.
pub(super) fn table(rehearsal: &Rehearsal) -> String {
    let calm = at_rest(rehearsal);
    let Some(before) = calm.decisions.last() else { return String::new() };
    let rows = rows(rehearsal, before);
    let survived = rows.iter().filter(|row| row.stopped.is_empty()).count();
    let mut lines = vec![line(["FAULT", "FENCED", "MOVED", "STOPPED"].map(str::to_string), &rows)];
    for row in &rows {
        let cells = [row.fault.clone(), list(&row.fenced), list(&row.moved), list(&row.stopped)];
        lines.push(line(cells, &rows));
        lines.extend(row.reasons.iter().map(|reason| format!("    {reason}")));
    }
    lines.push(format!("{survived} of {} faults leave every resource running", rows.len()));
    lines.join("\n") + "\n"
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "-".to_string() } else { names.join(",") }
}

fn line(cells: [String; 4], rows: &[Row]) -> String {
    let widths = [
        rows.iter().map(|row| row.fault.len()).max().unwrap_or(0),
        rows.iter().map(|row| list(&row.fenced).len()).max().unwrap_or(0).max(6),
        rows.iter().map(|row| list(&row.moved).len()).max().unwrap_or(0).max(5),
        0,
    ];
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
}

/// Each fault is tried on the cluster at rest: what is on its way anyway is no consequence of it.
fn at_rest(rehearsal: &Rehearsal) -> Course {
    Course::of(rehearsal.clone())
}

fn rows(rehearsal: &Rehearsal, before: &Decision) -> Vec<Row> {
    let mut calm = rehearsal.clone();
    calm.run_to_rest();
    let mut rows = Vec::new();
    for node in calm.members() {
        let mut lost = calm.clone();
        lost.lose(&node);
        rows.push(row(format!("node {node} lost"), lost, before));
    }
    let primitives: Vec<ResourceId> =
        calm.config.primitives().map(|(primitive, _)| primitive.id.clone()).collect();
    for id in primitives {
        for node in places(before, &id) {
            let mut failed = calm.clone();
            failed.fail(&id, &node);
            rows.push(row(format!("{id} fails on {node}"), failed, before));
        }
    }
    if calm.is_quorate {
        let mut inquorate = calm.clone();
        inquorate.is_quorate = false;
        rows.push(row("quorum lost".to_string(), inquorate, before));
    }
    rows
}

fn row(fault: String, rehearsal: Rehearsal, before: &Decision) -> Row {
    let course = Course::of(rehearsal);
    let fenced = course.decisions.iter().flat_map(|decision| decision.fenced.keys());
    let mut row = Row {
        fault,
        fenced: fenced.map(ToString::to_string).collect(),
        moved: Vec::new(),
        stopped: Vec::new(),
        reasons: Vec::new(),
    };
    let Some(after) = course.end() else { return row };
    for (id, reason) in primitives_of(before) {
        let (was, is) = (places(before, &id), places(after, &id));
        if is.len() < was.len() {
            row.stopped.push(if is.is_empty() {
                id.to_string()
            } else {
                format!("{id} ({}/{})", is.len(), was.len())
            });
            let reason = primitives_of(after).remove(&id).unwrap_or(reason);
            row.reasons.push(format!("{id}: {reason}"));
        } else if is != was {
            row.moved.push(id.to_string());
        }
    }
    row
}

/// Everything that has an agent, with the sentence that says where it is and why.
fn primitives_of(decision: &Decision) -> BTreeMap<ResourceId, String> {
    let runnable = decision.report.resources.iter().filter(|status| status.agent.contains(':'));
    runnable.map(|status| (status.id.clone(), status.why.clone())).collect()
}
