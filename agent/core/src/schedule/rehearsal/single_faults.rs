//! Every single fault, and what each one costs.

use super::what_if::places;
use super::{Course, Rehearsal};
use crate::schedule::Decision;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use muster_api::cluster::Capacity;
use muster_api::id::{NodeName, ResourceId};
use serde::Serialize;

/// What came of every single fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SingleFaults {
    /// One after the other.
    pub faults: Vec<Fault>,
}

/// What one fault came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// `node n1 lost`, `vip fails on n1`, `quorum lost`.
    pub fault: String,
    /// Every resource runs as before, if elsewhere.
    pub is_survived: bool,
    /// Who is fenced.
    pub fenced: Vec<NodeName>,
    /// What runs elsewhere.
    pub moved: Vec<ResourceId>,
    /// What no longer runs, or with fewer instances.
    pub stopped: Vec<Stopped>,
    /// What more of it the nodes would need for what no longer fits.
    pub missing_capacity: Capacity,
}

/// A resource that a fault costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// Which.
    pub resource: ResourceId,
    /// How many of it run then.
    pub runs: usize,
    /// How many ran before.
    pub ran: usize,
    /// Why.
    pub why: String,
}

impl SingleFaults {
    /// Tries each node lost, each resource failed where it runs, and quorum lost, on the cluster at rest: what is on its way
    /// anyway is no consequence of a fault.
    pub fn of(rehearsal: &Rehearsal) -> Self {
        let mut calm = rehearsal.clone();
        let Some(before) = calm.run_to_rest().pop() else { return Self { faults: Vec::new() } };
        let mut faults = nodes_lost(&calm, &before);
        let primitives: Vec<ResourceId> =
            calm.config.primitives().map(|(primitive, _)| primitive.id.clone()).collect();
        for id in primitives {
            for node in places(&before, &id) {
                let mut failed = calm.clone();
                failed.fail(&id, &node);
                faults.push(fault(format!("{id} fails on {node}"), failed, &before));
            }
        }
        faults.extend(quorum_lost(&calm, &before));
        Self { faults }
    }

    /// Only what befalls nodes: each one lost, and quorum lost.
    pub fn of_nodes(rehearsal: &Rehearsal) -> Self {
        let mut calm = rehearsal.clone();
        let Some(before) = calm.run_to_rest().pop() else { return Self { faults: Vec::new() } };
        let mut faults = nodes_lost(&calm, &before);
        faults.extend(quorum_lost(&calm, &before));
        Self { faults }
    }

    /// How many cost nothing.
    pub fn survived(&self) -> usize {
        self.faults.iter().filter(|fault| fault.is_survived).count()
    }
}

fn nodes_lost(calm: &Rehearsal, before: &Decision) -> Vec<Fault> {
    let lost = calm.members().into_iter().map(|node| {
        let mut lost = calm.clone();
        lost.lose(&node);
        fault(format!("node {node} lost"), lost, before)
    });
    lost.collect()
}

fn quorum_lost(calm: &Rehearsal, before: &Decision) -> Option<Fault> {
    let inquorate = Rehearsal { is_quorate: false, ..calm.clone() };
    calm.is_quorate.then(|| fault("quorum lost".to_string(), inquorate, before))
}

fn fault(name: String, rehearsal: Rehearsal, before: &Decision) -> Fault {
    let needs = rehearsal.config.utilization.clone();
    let counts_capacity =
        rehearsal.config.properties.get("placement-strategy").is_some_and(|strategy| strategy != "default");
    let course = Course::of(rehearsal);
    let mut row = Fault {
        fault: name,
        is_survived: true,
        fenced: course.fenced(),
        moved: Vec::new(),
        stopped: Vec::new(),
        missing_capacity: Capacity::new(),
    };
    let Some(after) = course.end() else { return row };
    for (id, reason) in primitives_of(before) {
        let (was, is) = (places(before, &id), places(after, &id));
        if is.len() < was.len() {
            let why = primitives_of(after).remove(&id).unwrap_or(reason);
            if counts_capacity && why.contains("not enough capacity") {
                for (kind, amount) in needs.get(&id).into_iter().flatten() {
                    *row.missing_capacity.entry(kind.clone()).or_default() += amount;
                }
            }
            row.stopped.push(Stopped { resource: id, runs: is.len(), ran: was.len(), why });
        } else if is != was {
            row.moved.push(id);
        }
    }
    row.is_survived = row.stopped.is_empty();
    row
}

/// Everything that has an agent, with the sentence that says where it is and why.
fn primitives_of(decision: &Decision) -> BTreeMap<ResourceId, String> {
    let runnable = decision.report.resources.iter().filter(|status| status.agent.contains(':'));
    runnable.map(|status| (status.id.clone(), status.why.clone())).collect()
}

const HEAD: [&str; 5] = ["FAULT", "FENCED", "MOVED", "STOPPED", "MISSING CAPACITY"];

impl fmt::Display for SingleFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 5]> = self.faults.iter().map(cells).collect();
        let has_capacity = self.faults.iter().any(|fault| !fault.missing_capacity.is_empty());
        let columns = if has_capacity { 5 } else { 4 };
        let width = |column: usize| {
            rows.iter().map(|row| row[column].len()).max().unwrap_or(0).max(HEAD[column].len())
        };
        let line = |cells: [&str; 5]| {
            let padded =
                (0..columns).map(|column| format!("{:width$}", cells[column], width = width(column)));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        writeln!(formatter, "{}", line(HEAD))?;
        for (row, fault) in rows.iter().zip(&self.faults) {
            writeln!(formatter, "{}", line([&row[0], &row[1], &row[2], &row[3], &row[4]]))?;
            for stopped in &fault.stopped {
                writeln!(formatter, "    {}: {}", stopped.resource, stopped.why)?;
            }
        }
        writeln!(
            formatter,
            "{} of {} faults leave every resource running",
            self.survived(),
            self.faults.len()
        )
    }
}

fn cells(fault: &Fault) -> [String; 5] {
    let stopped = |one: &Stopped| match one.runs {
        0 => one.resource.to_string(),
        runs => format!("{} ({runs}/{})", one.resource, one.ran),
    };
    [
        fault.fault.clone(),
        list(fault.fenced.iter().map(ToString::to_string)),
        list(fault.moved.iter().map(ToString::to_string)),
        list(fault.stopped.iter().map(stopped)),
        list(fault.missing_capacity.iter().map(|(kind, amount)| format!("{kind} {amount}"))),
    ]
}

fn list(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { "-".to_string() } else { words.join(",") }
}
