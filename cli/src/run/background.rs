//! `async` and `poll`: a step that runs on the host beside others, and asking how it goes.

use super::carry::Trip;
use super::files::Part;
use super::hosts::StepFailure;
use super::keywords::Lookup;
use super::task_run::Request;
use crate::playbook::keyword::Keyword;
use crate::report::Event;
use crate::template::TemplateError;
use muster_api::outcome::Outcome;
use serde_json::{Map, Value as Json};
use std::time::{Duration, Instant};

/// How a task runs in the background.
#[derive(Debug, Clone, Copy)]
pub(super) struct Background {
    /// How long the step may take.
    limit: Duration,
    /// How often it is asked about; never where that is zero.
    poll: Duration,
}

/// What Ansible asks every so often where the task does not say.
const POLL: Duration = Duration::from_secs(15);

impl Background {
    /// `None` for a task that is waited for.
    pub(super) fn of(request: &Request) -> Result<Option<Self>, TemplateError> {
        let lookup = Lookup { task: &request.task, scope: &request.scope };
        let limit = lookup.seconds(Keyword::Async)?.filter(|limit| !limit.is_zero());
        let poll = lookup.seconds(Keyword::Poll)?.unwrap_or(POLL);
        Ok(limit.map(|limit| Self { limit, poll }))
    }

    pub(super) fn limit(self) -> Duration {
        self.limit
    }
}

impl Trip<'_> {
    /// Starts the step, and waits for it where the task polls.
    pub(super) async fn in_background(&self, part: Part, how: Background) -> Result<Outcome, StepFailure> {
        // One step that predicts in a run that changes the host leaves no job behind.
        if self.request.check && !self.room.mode.check && !how.poll.is_zero() {
            return self.step(part).await;
        }
        let began = Instant::now();
        let started = self.send(part, &[], Some(how)).await?;
        let id = started.result.get("ansible_job_id").and_then(Json::as_str).map(str::to_owned);
        let (Some(id), false) = (id, how.poll.is_zero()) else { return Ok(started) };
        while began.elapsed() < how.limit {
            if !self.request.check {
                tokio::time::sleep(how.poll).await;
            }
            let asked = self.send(status(&id, "status"), &[], None).await?;
            let is_finished = asked.result.get("finished").is_some_and(|finished| *finished == true);
            self.tell_poll(&id, is_finished, asked.failed);
            if is_finished {
                self.send(status(&id, "cleanup"), &[], None).await?;
                return Ok(asked);
            }
        }
        let seconds = how.limit.as_secs();
        let mut late = failed(format!("async task did not complete within the requested time - {seconds}s"));
        late.result.insert("ansible_job_id".into(), id.into());
        Ok(late)
    }
}

impl Trip<'_> {
    /// In Ansible's form, which scripts look for.
    fn tell_poll(&self, id: &str, is_finished: bool, is_failed: bool) {
        let text = match (is_finished, is_failed) {
            (false, _) => format!("ASYNC POLL: jid={id} started=True finished=False"),
            (true, false) => format!("ASYNC OK: jid={id}"),
            (true, true) => format!("ASYNC FAILED: jid={id}"),
        };
        self.room.events.tell(Event::Polled { host: self.host.to_owned(), text });
    }
}

fn failed(msg: String) -> Outcome {
    Outcome { failed: true, result: Map::from_iter([("msg".to_owned(), msg.into())]), ..Outcome::default() }
}

fn status(id: &str, mode: &str) -> Part {
    let args = [("jid", id), ("mode", mode)].map(|(name, value)| (name.to_owned(), Json::from(value)));
    Part { module: "async_status", args: args.into_iter().collect(), content: None }
}
