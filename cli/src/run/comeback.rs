//! Waiting for a host: `wait_for_connection` until a worker answers on it, `reboot` until it has started anew.

use super::arguments::text;
use super::carry::Trip;
use super::files::Part;
use super::hosts::StepFailure;
use super::result::TaskResult;
use super::way::Way;
use serde_json::{Map, Value as Json, json};
use std::time::{Duration, Instant};

impl Trip<'_> {
    /// `wait_for_connection`
    pub(super) async fn wait_for_connection(&self) -> Result<TaskResult, StepFailure> {
        if self.request.check {
            return Ok(TaskResult::skipped("nothing is waited for in check mode"));
        }
        let began = Instant::now();
        tokio::time::sleep(self.seconds("delay")).await;
        let limit = self.seconds("timeout");
        match self.answers(began, limit, |_| true).await {
            Ok(()) => Ok(told(false, began)),
            Err(why) => {
                let mut failed = TaskResult::failed(format!("timed out waiting for ping module test: {why}"));
                failed.result.insert("elapsed".into(), began.elapsed().as_secs().into());
                Ok(failed)
            }
        }
    }

    /// `reboot`
    pub(super) async fn reboot(&self) -> Result<TaskResult, StepFailure> {
        if *self.way == Way::Local {
            return Ok(TaskResult::failed(
                "Running reboot with local connection would reboot the control node.",
            ));
        }
        let began = Instant::now();
        if self.request.check {
            let mut result = told(true, began);
            result.result.insert("rebooted".into(), true.into());
            return Ok(result);
        }
        let before = self.boot_id().await?;
        // The worker may be gone before it can tell how the command ended.
        let asked = self.shell(&self.reboot_line()).await;
        if let Ok((rc, complaint)) = asked
            && rc != 0
        {
            let mut failed = TaskResult::failed(format!("Reboot command failed. Error was: '{complaint}'"));
            failed.result.insert("rebooted".into(), false.into());
            return Ok(failed);
        }
        tokio::time::sleep(self.seconds("post_reboot_delay")).await;
        let limit = self.seconds("reboot_timeout");
        let mut result = match self.answers(began, limit, |id| id != before).await {
            Ok(()) => self.tested(began).await?,
            Err(why) => TaskResult::failed(format!("Timed out waiting for last boot time check: {why}")),
        };
        result.result.insert("rebooted".into(), true.into());
        result.result.insert("elapsed".into(), began.elapsed().as_secs().into());
        Ok(result)
    }

    /// `test_command` must be content with the host.
    async fn tested(&self, began: Instant) -> Result<TaskResult, StepFailure> {
        let command = text(&self.request.args, "test_command").unwrap_or("whoami");
        let (rc, complaint) = self.shell(command).await?;
        Ok(match rc {
            0 => told(true, began),
            _ => TaskResult::failed(format!("Test command failed: {complaint}")),
        })
    }

    fn reboot_line(&self) -> String {
        let args = &self.request.args;
        if let Some(command) = text(args, "reboot_command") {
            return command.to_owned();
        }
        let message = text(args, "msg").unwrap_or_default().replace('\'', r"'\''");
        // shutdown(8) counts in minutes.
        let minutes = self.seconds("pre_reboot_delay").as_secs() / 60;
        let when = if minutes == 0 { "now".to_owned() } else { format!("+{minutes}") };
        let folders = super::arguments::texts(args, "search_paths").join(":").replace('\'', r"'\''");
        format!("PATH='{folders}' shutdown -r {when} '{message}'")
    }

    /// Asks until the host's boot is one that will do, or the time is over.
    async fn answers(
        &self,
        began: Instant,
        limit: Duration,
        will_do: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        let pause = self.seconds("sleep").max(Duration::from_secs(1));
        loop {
            self.room.hosts.forget(self.target);
            let patience = self.seconds("connect_timeout").max(Duration::from_secs(1));
            let asked = tokio::time::timeout(patience, self.boot_id()).await;
            let why = match asked {
                Ok(Ok(id)) if will_do(&id) => return Ok(()),
                Ok(Ok(_)) => "the host has not gone down yet".to_owned(),
                Ok(Err(StepFailure::Failed(why) | StepFailure::NoUser(why))) => why,
                Ok(Err(StepFailure::Unreachable(why))) => why.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            if began.elapsed() + pause > limit {
                return Err(why);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn boot_id(&self) -> Result<String, StepFailure> {
        let line =
            text(&self.request.args, "boot_time_command").unwrap_or("cat /proc/sys/kernel/random/boot_id");
        let outcome = self.step(shell_part(line)).await?;
        Ok(outcome.result.get("stdout").and_then(Json::as_str).unwrap_or_default().to_owned())
    }

    /// The return code, and what the command said.
    async fn shell(&self, line: &str) -> Result<(i64, String), StepFailure> {
        let outcome = self.step(shell_part(line)).await?;
        let said =
            |name: &str| outcome.result.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let rc = outcome.result.get("rc").and_then(Json::as_i64).unwrap_or(-1);
        Ok((rc, format!("{} {}", said("stdout"), said("stderr")).trim().to_owned()))
    }

    fn seconds(&self, name: &str) -> Duration {
        let value = self.request.args.get(name);
        let seconds = value.and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
        Duration::from_secs_f64(seconds.unwrap_or(0.0).clamp(0.0, 1e9))
    }
}

fn shell_part(line: &str) -> Part {
    let args = Map::from_iter([
        ("_raw_params".to_owned(), Json::from(line)),
        ("executable".to_owned(), Json::from("/bin/sh")),
    ]);
    Part { module: "raw", args, content: None }
}

fn told(changed: bool, began: Instant) -> TaskResult {
    let mut result = TaskResult { changed, ..TaskResult::default() };
    result.result.insert("elapsed".into(), json!(began.elapsed().as_secs()));
    result
}
