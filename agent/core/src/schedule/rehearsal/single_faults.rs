//! Every single fault, and what each one costs.

use super::what_if::places;
use super::{Course, Rehearsal};
use crate::schedule::Decision;
use alloc::collections::{BTreeMap, BTreeSet};
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
    /// What had to be assumed for that, a sentence each.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub assumed: BTreeSet<String>,
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
        Self::at_rest(rehearsal, |calm, before| {
            let mut faults = nodes_lost(calm, before);
            faults.extend(resources_failed(calm, before));
            faults.extend(quorum_lost(calm, before));
            faults
        })
    }

    /// Only what befalls nodes: each one lost, and quorum lost.
    pub fn of_nodes(rehearsal: &Rehearsal) -> Self {
        Self::at_rest(rehearsal, |calm, before| {
            let mut faults = nodes_lost(calm, before);
            faults.extend(quorum_lost(calm, before));
            faults
        })
    }

    fn at_rest(rehearsal: &Rehearsal, faults: impl FnOnce(&Rehearsal, &Decision) -> Vec<Fault>) -> Self {
        let mut calm = rehearsal.clone();
        let before = calm.run_to_rest().pop();
        let faults = before.map(|before| faults(&calm, &before)).unwrap_or_default();
        Self { faults, assumed: calm.announced.sentences() }
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

fn resources_failed(calm: &Rehearsal, before: &Decision) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (primitive, _) in calm.config.primitives() {
        for node in places(before, &primitive.id) {
            let mut failed = calm.clone();
            failed.fail(&primitive.id, &node);
            faults.push(fault(format!("{} fails on {node}", primitive.id), failed, before));
        }
    }
    faults
}

fn quorum_lost(calm: &Rehearsal, before: &Decision) -> Option<Fault> {
    let inquorate = Rehearsal { is_quorate: false, ..calm.clone() };
    calm.is_quorate.then(|| fault("quorum lost".to_string(), inquorate, before))
}

/// What a situation costs, once it is at rest, beside what was `before`.
pub(super) fn fault(name: String, rehearsal: Rehearsal, before: &Decision) -> Fault {
    let needs = rehearsal.config.utilization.clone();
    let counts_capacity =
        rehearsal.config.properties.get("placement-strategy").is_some_and(|strategy| strategy != "default");
    let mut rehearsal = rehearsal;
    let course = Course::led(&mut rehearsal);
    let members = rehearsal.members();
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
        let (was, mut is) = (places(before, &id), places(after, &id));
        // What may still run on a node that is lost is no service.
        is.retain(|node| members.contains(node));
        if is.len() < was.len() {
            let stuck = course.stuck().into_iter().next();
            let why = stuck.or_else(|| primitives_of(after).remove(&id)).unwrap_or(reason);
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
        )?;
        self.assumed.iter().try_for_each(|sentence| writeln!(formatter, "{sentence}"))
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
