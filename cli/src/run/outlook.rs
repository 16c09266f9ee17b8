//! What comes after a step on a host, as far as that can be told before the step is done: the worker is asked about it
//! meanwhile (see `ahead`). Nothing of it counts: at its turn each task is rendered again.

use super::carry::steps_for;
use super::conduct::Conductor;
use super::hosts::Seat;
use super::room::{Room, compute, lock};
use super::task_run::{Demand, Reply, Request, TaskRun};
use crate::playbook::Task;
use crate::vars::PlayInfo;
use muster_api::module::is_answered_ahead;
use muster_api::step::Step;
use serde_json::Value as Json;
use std::sync::Arc;

/// Tasks that are looked at, however few of them have a step for the worker.
const TASKS_MAX: usize = 200;

/// A host, and the task that it is at.
pub(crate) struct Outlook<'a> {
    pub(crate) conductor: &'a Arc<Conductor>,
    pub(crate) host: &'a str,
    pub(crate) machine: &'a TaskRun,
}

impl Outlook<'_> {
    /// What all plays share.
    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.conductor.room
    }

    /// The steps for the worker in this seat, at most `most`: those of the task itself that are known (`rest`), the other
    /// items of its loop, then the tasks after it.
    pub(super) async fn steps(&self, seat: Seat, rest: Vec<Step>, most: usize) -> Vec<Step> {
        if self.room().is_stepping() {
            return Vec::new();
        }
        let glance = Glance { conductor: self.conductor.clone(), host: self.host.to_owned(), seat, most };
        let machine = self.machine.clone();
        compute(move || glance.steps(&machine, rest)).await
    }
}

/// A look at what comes.
struct Glance {
    conductor: Arc<Conductor>,
    host: String,
    seat: Seat,
    most: usize,
}

impl Glance {
    fn steps(&self, machine: &TaskRun, rest: Vec<Step>) -> Vec<Step> {
        let info =
            Arc::new(PlayInfo { is_ahead: true, keeps_passwords: false, ..(*self.conductor.info()).clone() });
        let scope = |task: &Arc<Task>| self.conductor.scope_with(&self.host, task, info.clone());
        let mut steps = rest;
        if let Ok(scope) = scope(machine.task()) {
            self.add(machine.seen_with(scope), Some(all_went_well()), &mut steps);
        }
        let tasks = lock(&self.conductor.run).tasks_after(&self.host, TASKS_MAX);
        for task in tasks {
            if steps.len() >= self.most {
                break;
            }
            if let Ok(scope) = scope(&task) {
                self.add(TaskRun::new(task, scope, self.conductor.room.mode.clone()), None, &mut steps);
            }
        }
        steps.truncate(self.most);
        steps
    }

    /// The steps of one task, as if each went well.
    fn add(&self, mut machine: TaskRun, reply: Option<Reply>, steps: &mut Vec<Step>) {
        let mut demand = machine.next(reply);
        while let Demand::Run(request) = demand {
            if steps.len() >= self.most {
                return;
            }
            if request.perhaps.is_none() && may_have_nothing_to_do(&request) {
                steps.extend(steps_for(&self.conductor.room, &self.host, &self.seat, &request));
            }
            demand = machine.next(Some(all_went_well()));
        }
    }
}

pub(super) fn all_went_well() -> Reply {
    Reply::Done(Box::default())
}

/// A command runs at any rate, unless it says what it creates or removes. What is fetched from elsewhere takes its time, for which
/// no other step shall wait.
fn may_have_nothing_to_do(request: &Request) -> bool {
    let name = request.spec.name;
    let has = |argument: &str| request.args.get(argument).is_some_and(|value| !value.is_null());
    let is_fetched = |value: &Json| value.as_str().is_some_and(|text| text.starts_with("http"));
    is_answered_ahead(name)
        && !request.args.values().any(is_fetched)
        && (!matches!(name, "command" | "shell") || has("creates") || has("removes"))
}
