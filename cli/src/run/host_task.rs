//! One task on one host to its end: the pure machine decides, this carries its demands out.

use super::carry::{carry_out, start_worker};
use super::conduct::Conductor;
use super::hosts::StepFailure;
use super::outlook::Outlook;
use super::result::{Effect, TaskResult};
use super::room::{Room, compute};
use super::task_run::{Demand, Mode, Reply, TaskRun};
use crate::playbook::Task;
use crate::report::Event;
use crate::vars::Scope;
use std::sync::Arc;

/// What a task comes to on a host if it is only checked, with nothing told. One that would have to wait is not followed to the end.
pub(super) async fn probe_task(
    conductor: &Arc<Conductor>,
    host: &str,
    task: &Arc<Task>,
    scope: Scope,
) -> TaskResult {
    let mode = Mode { check: true, ..Mode::clone(&conductor.room.mode) };
    let mut machine = TaskRun::new(task.clone(), scope, Arc::new(mode));
    let mut reply = None;
    loop {
        let (returned, demand) = advanced(machine, reply.take()).await;
        machine = returned;
        reply = Some(match demand {
            Demand::Done(result) => return *result,
            Demand::Wait { .. } => return TaskResult::unknown("it waits for something"),
            Demand::Run(request) => {
                carry_out(&Outlook { conductor, host, machine: &machine }, *request).await
            }
        });
    }
}

async fn advanced(mut machine: TaskRun, reply: Option<Reply>) -> (TaskRun, Demand) {
    compute(move || {
        let demand = machine.next(reply);
        (machine, demand)
    })
    .await
}

/// Does a task on a host. Items of its loop are told as they are done.
pub(crate) async fn do_task(
    conductor: &Arc<Conductor>,
    host: &str,
    task: &Arc<Task>,
    scope: Scope,
    name: &str,
) -> TaskResult {
    let room = &conductor.room;
    let mut machine = TaskRun::new(task.clone(), scope, room.mode.clone());
    let mut reply = None;
    let mut told = 0;
    loop {
        let (returned, demand) = advanced(machine, reply.take()).await;
        machine = returned;
        let items = match &demand {
            Demand::Done(result) => &result.items,
            _ => machine.items_so_far(),
        };
        for item in items.iter().skip(told) {
            told += 1;
            if is_quiet(item) {
                continue;
            }
            room.events.tell(Event::Item { host: host.to_owned(), result: Box::new(item.clone()) });
        }
        reply = Some(match demand {
            Demand::Done(result) => return *result,
            Demand::Run(request) => {
                let outlook = Outlook { conductor, host, machine: &machine };
                carry_out(&outlook, *request).await
            }
            Demand::Wait { time, attempts_left } => {
                if let Some(attempts_left) = attempts_left {
                    let (host, task) = (host.to_owned(), name.to_owned());
                    room.events.tell(Event::Retrying { host, task, attempts_left });
                }
                tokio::time::sleep(time).await;
                // Whoever waits expects that something happens meanwhile.
                room.hosts.report_change(None);
                Reply::Waited
            }
        });
    }
}

/// Includes say what they bring in, for all hosts at once.
fn is_quiet(item: &TaskResult) -> bool {
    !item.is_failed() && item.effects.iter().any(|effect| matches!(effect, Effect::Include { .. }))
}

/// The variables that tell where the agent's binary is on a host.
const AGENT_VARIABLES: &str = "muster_agent_";

/// Whether a task names the agent's binary, which must then be on the host before the task is rendered.
pub(crate) fn names_agent(task: &Task) -> bool {
    let texts = task.args.named.values().chain(&task.args.free_form).chain(&task.args.template);
    texts.filter_map(|node| node.as_str()).any(|text| text.contains(AGENT_VARIABLES))
}

/// Sees to it that the agent's binary is on the host.
pub(crate) async fn bring_agent(
    room: &Arc<Room>,
    host: &str,
    task: &Arc<Task>,
    scope: &Scope,
) -> Option<TaskResult> {
    match start_worker(room, host, task, scope).await {
        Ok(()) => None,
        Err(StepFailure::Failed(why) | StepFailure::NoUser(why)) => Some(TaskResult::failed(why)),
        Err(StepFailure::Unreachable(why)) => Some(TaskResult::unreachable(&why)),
    }
}
