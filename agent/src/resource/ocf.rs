//! OCF agents: scripts under `/usr/lib/ocf/resource.d`, called as the Resource Agent API 1.1 says.

use super::ended::Ended;
use super::meta_data::MetaData;
use crate::attribute;
use crate::process::{self, Finished, ProcessError, last_line};
use muster_api::history::{ResourceAction, rc};
use muster_api::reload;
use muster_api::resource::AgentName;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::process::Command;

const ROOT: &str = "/usr/lib/ocf";
/// Agents keep their state files here, over their own restarts but not over a boot.
const STATE_FOLDERS: [&str; 2] = ["/run/resource-agents", "/run/heartbeat"];
/// Agents find their tools here, whatever the service manager set.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Meta-data is printed, not computed.
const META_DATA_TIMEOUT: Duration = Duration::from_secs(20);

/// One script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    path: PathBuf,
    provider: String,
    name: String,
}

impl Script {
    /// The script of an `ocf:` agent, where it is installed.
    pub(crate) fn find(agent: &AgentName) -> Option<Self> {
        let provider = agent.provider.clone()?;
        let path = Path::new(ROOT).join("resource.d").join(&provider).join(&agent.name);
        let is_inside = ![&provider, &agent.name].iter().any(|part| part.contains('/') || *part == "..");
        (is_inside && path.is_file()).then(|| Self { path, provider, name: agent.name.clone() })
    }

    /// Runs one action.
    pub(crate) async fn run(&self, action: &ResourceAction) -> Ended {
        for folder in STATE_FOLDERS {
            // An agent that needs it and does not find it says so itself.
            let _ = std::fs::create_dir_all(folder);
        }
        let limit = Duration::from_millis(action.timeout_ms);
        let called = self.called(&action.operation).await;
        match process::run(self.command(action, called), &[], limit).await {
            Ok(finished) => ended(&finished),
            Err(error @ ProcessError::TimedOut { .. }) => Ended::timed_out(error.to_string()),
            Err(error) => Ended::not_run(rc::INSTALLED, error.to_string()),
        }
    }

    /// What the agent says about itself.
    pub(crate) async fn meta_data(&self) -> Result<MetaData, String> {
        let mut command = self.bare_command();
        command.arg("meta-data");
        let finished =
            process::run(command, &[], META_DATA_TIMEOUT).await.map_err(|error| error.to_string())?;
        MetaData::parse(&finished.stdout)
            .map_err(|error| format!("{} prints meta-data that is not XML: {error}", self.path.display()))
    }

    /// When it was changed last.
    pub(crate) fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok()
    }

    /// What the script calls an operation: the name of a reload is another one in those from before OCF 1.1.
    async fn called<'a>(&self, operation: &'a str) -> &'a str {
        if operation != reload::OPERATION {
            return operation;
        }
        self.meta_data().await.map_or(operation, |meta_data| meta_data.reload_action())
    }

    fn command(&self, action: &ResourceAction, called: &str) -> Command {
        let mut command = self.bare_command();
        command.arg(called);
        command.env("OCF_RESOURCE_INSTANCE", action.resource.as_str());
        for (name, value) in &action.params {
            command.env(format!("OCF_RESKEY_{name}"), value);
        }
        let meta = |name: &str| format!("OCF_RESKEY_CRM_meta_{}", name.replace('-', "_"));
        command.env(meta("timeout"), action.timeout_ms.to_string());
        command.env(meta("name"), called);
        if action.interval_ms > 0 {
            command.env(meta("interval"), action.interval_ms.to_string());
        }
        for (name, value) in &action.meta {
            command.env(meta(name), value);
        }
        command
    }

    fn bare_command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .env("PATH", format!("{}:{PATH}", attribute::FOLDER))
            .env("HA_SBIN_DIR", attribute::FOLDER)
            .env("OCF_RESKEY_crm_feature_set", FEATURE_SET)
            .env("LC_ALL", "C")
            .env("OCF_ROOT", ROOT)
            .env("OCF_RA_VERSION_MAJOR", "1")
            .env("OCF_RA_VERSION_MINOR", "1")
            .env("OCF_RESOURCE_TYPE", &self.name)
            .env("OCF_RESOURCE_PROVIDER", &self.provider)
            .env("OCF_EXIT_REASON_PREFIX", REASON_PREFIX)
            .env("HA_RSCTMP", STATE_FOLDERS[0])
            .env("HA_RSCTMP_OLD", STATE_FOLDERS[1])
            .env("HA_LOGFACILITY", "none")
            .env("HA_debug", "0");
        command
    }
}

/// What agents may expect of the cluster, as Pacemaker counts it: that of its 2.1, which knows promoted roles.
const FEATURE_SET: &str = "3.19.0";

const REASON_PREFIX: &str = "ocf-exit-reason:";

fn ended(finished: &Finished) -> Ended {
    match finished.status.code() {
        Some(0) => Ended::ok(),
        Some(code) => Ended::with(u8::try_from(code).unwrap_or(rc::ERROR), reason(&finished.stderr)),
        None => {
            let signal = finished.status.signal().unwrap_or(0);
            Ended::not_run(rc::ERROR, format!("the agent was ended by signal {signal}"))
        }
    }
}

/// The reason that an agent gives: its last `ocf-exit-reason:` line, else the last line on stderr.
fn reason(stderr: &str) -> String {
    let given = stderr.lines().rev().find_map(|line| line.trim().strip_prefix(REASON_PREFIX));
    given.unwrap_or_else(|| last_line(stderr)).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_reason_is_what_the_agent_calls_one() {
        let stderr = "INFO: starting\nocf-exit-reason:no such interface\nERROR: start failed\n";
        assert_eq!(reason(stderr), "no such interface");
    }

    #[test]
    fn without_an_exit_reason_the_last_line_stands_for_it() {
        assert_eq!(reason("INFO: starting\nERROR: start failed\n\n"), "ERROR: start failed");
        assert_eq!(reason(""), "");
    }

    #[test]
    fn an_agent_name_cannot_lead_out_of_the_folder() {
        let agent = AgentName::parse("ocf:..:../../../bin/true").expect("it is well formed");
        assert_eq!(Script::find(&agent), None);
    }
}
