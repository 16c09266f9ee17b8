//! Programs of the fence-agents package. They take `name=value` lines on stdin, so that no password is in a process
//! list, and end with 0 for done.
//!
//! Their `off` looks at the power status itself and ends with 0 only when it is off.

use crate::process::{self, last_line};
use crate::resource::meta_data::MetaData;
use muster_api::nearest::nearest;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::process::Command;

const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];
const META_DATA_TIMEOUT: Duration = Duration::from_secs(20);
/// The parameters that name the target, best first: what Pacemaker uses where `pcmk_host_argument` is not set.
const TARGET_PARAMETERS: [&str; 2] = ["plug", "port"];

/// Who an action is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// What the device calls it.
    pub(crate) plug: String,
    /// The node's name.
    pub(crate) name: String,
    /// The node's number.
    pub(crate) id: u32,
}

/// One program; configured once its parameters are known.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    meta_data: MetaData,
    input: String,
}

impl Program {
    /// The program of that name, where it is installed.
    pub(crate) fn find(agent: &str) -> Option<Self> {
        let is_name = agent.starts_with("fence_") && !agent.contains('/');
        let path = FOLDERS.iter().map(|folder| Path::new(folder).join(agent)).find(|path| path.is_file())?;
        is_name.then(|| Self { path, meta_data: MetaData::default(), input: String::new() })
    }

    /// Asks the program what it can do, and writes down what it is told with every action.
    pub(crate) async fn configure(
        mut self,
        params: &BTreeMap<String, String>,
        target: &Target,
    ) -> Result<Self, String> {
        self.meta_data = self.meta_data().await?;
        self.input = input(&self.meta_data, params, target);
        Ok(self)
    }

    /// What the program says about itself; asked once, and again when the program was changed.
    pub(crate) async fn meta_data(&self) -> Result<MetaData, String> {
        static ASKED: Mutex<BTreeMap<(PathBuf, SystemTime), MetaData>> = Mutex::new(BTreeMap::new());
        let changed = std::fs::metadata(&self.path).and_then(|file| file.modified());
        let key = (self.path.clone(), changed.map_err(|error| format!("{}: {error}", self.path.display()))?);
        let known = ASKED.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let meta_data = self.ask_meta_data().await?;
        ASKED.lock().unwrap_or_else(PoisonError::into_inner).insert(key, meta_data.clone());
        Ok(meta_data)
    }

    async fn ask_meta_data(&self) -> Result<MetaData, String> {
        let finished = process::run(Command::new(&self.path), b"action=metadata\n", META_DATA_TIMEOUT)
            .await
            .map_err(|error| error.to_string())?;
        MetaData::parse(&finished.stdout)
            .map_err(|error| format!("{} prints metadata that is not XML: {error}", self.path.display()))
    }

    /// Refuses parameters that the program does not have; it takes `-` and `_` for the same.
    pub(crate) async fn check(&self, params: &BTreeMap<String, String>) -> Result<(), String> {
        let meta_data = self.meta_data().await?;
        let known: Vec<String> =
            meta_data.parameters.iter().map(|parameter| parameter.name.replace('-', "_")).collect();
        let mut own = params.keys().filter(|name| !name.starts_with("pcmk_"));
        let Some(unknown) = own.find(|name| !known.contains(&name.replace('-', "_"))) else { return Ok(()) };
        let hint = nearest(unknown, known.iter().map(String::as_str));
        let hint = hint.map_or(String::new(), |name| format!("; did you mean `{name}`?"));
        Err(format!("{} has no parameter `{unknown}`{hint}", self.path.display()))
    }

    /// Whether the program has that action.
    pub(crate) fn has_action(&self, action: &str) -> bool {
        self.meta_data.has_action(action)
    }

    /// Runs one action to its end.
    pub(crate) async fn run(&self, action: &str, limit: Duration) -> Result<(), String> {
        let input = format!("action={action}\n{}", self.input);
        let finished = process::run(Command::new(&self.path), input.as_bytes(), limit)
            .await
            .map_err(|error| error.to_string())?;
        if finished.status.success() {
            return Ok(());
        }
        let said = match last_line(&finished.stderr) {
            "" => last_line(&finished.stdout),
            line => line,
        };
        Err(format!("{} {action} ended with {}: {said}", self.path.display(), finished.status))
    }
}

/// The lines that name the target and carry the parameters.
fn input(meta_data: &MetaData, params: &BTreeMap<String, String>, target: &Target) -> String {
    let mut input = String::new();
    let configured = params.get("pcmk_host_argument").map(String::as_str);
    let advertised = || TARGET_PARAMETERS.into_iter().find(|name| meta_data.parameter(name).is_some());
    let argument = configured.or_else(advertised).filter(|argument| *argument != "none");
    if let Some(argument) = argument.filter(|argument| !params.contains_key(*argument)) {
        let _ = writeln!(input, "{argument}={}", target.plug);
    }
    // Some agents know nodes by what the cluster calls them.
    for (name, value) in [("nodename", target.name.clone()), ("nodeid", target.id.to_string())] {
        if meta_data.parameter(name).is_some() && !params.contains_key(name) {
            let _ = writeln!(input, "{name}={value}");
        }
    }
    for (name, value) in params.iter().filter(|(name, _)| !name.starts_with("pcmk_")) {
        let _ = writeln!(input, "{name}={value}");
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta_data(parameters: &[&str]) -> MetaData {
        let xml: String = parameters.iter().map(|name| format!("<parameter name=\"{name}\"/>")).collect();
        MetaData::parse(&format!("<resource-agent>{xml}</resource-agent>")).expect("it is XML")
    }

    fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn web1() -> Target {
        Target { plug: "web1".into(), name: "web1".into(), id: 1 }
    }

    #[test]
    fn the_target_goes_into_the_parameter_that_the_agent_has_for_it() {
        assert_eq!(
            input(&meta_data(&["port", "plug"]), &params(&[("ip", "a")]), &web1()),
            "plug=web1\nip=a\n"
        );
        assert_eq!(input(&meta_data(&["port"]), &params(&[]), &web1()), "port=web1\n");
        assert_eq!(input(&meta_data(&["nodeid"]), &params(&[]), &web1()), "nodeid=1\n");
        assert_eq!(input(&meta_data(&["systems_uri"]), &params(&[]), &web1()), "");
    }

    #[test]
    fn what_is_written_out_wins_and_what_is_the_clusters_stays_here() {
        let both = meta_data(&["port", "plug"]);
        assert_eq!(input(&both, &params(&[("pcmk_host_argument", "uuid")]), &web1()), "uuid=web1\n");
        assert_eq!(input(&both, &params(&[("pcmk_host_argument", "none")]), &web1()), "");
        assert_eq!(input(&both, &params(&[("plug", "7"), ("pcmk_delay_base", "5s")]), &web1()), "plug=7\n");
    }
}
