//! Which program runs a resource on this node: the script, the unit, or what is built in.

use super::ended::Ended;
use super::lsb::InitScript;
use super::meta_data::MetaData;
use super::native::BuiltIn;
use super::native::apache::Apache;
use super::native::ip_address::IpAddress;
use super::native::pid::Process;
use super::ocf::Script;
use super::reload::Told;
use super::systemd::{Systemd, unit_name};
use muster_api::history::{ResourceAction, rc};
use muster_api::resource::{AgentClass, AgentName};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// What agents share on this node.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The service manager.
    pub(crate) systemd: Arc<Systemd>,
    /// Counts the changes of this host's addresses.
    pub(crate) address_changes: watch::Receiver<u64>,
    /// What the cluster was told of agents.
    pub(crate) told: Arc<Told>,
}

/// What runs one resource here.
#[derive(Debug, Clone)]
pub(crate) enum Agent {
    /// An OCF script.
    Script(Script),
    /// An agent that is built in.
    BuiltIn(BuiltIn),
    /// A systemd unit.
    Unit(String),
    /// An init script.
    InitScript(InitScript),
}

/// Ends when a resource has ended by itself, with a sentence about how.
pub(crate) type Vigil = Pin<Box<dyn Future<Output = String> + Send>>;

impl Agent {
    /// Finds what runs agents of that name on this node, or says what is not installed.
    pub(crate) async fn find(name: &AgentName, systemd: &Systemd) -> Result<Self, Ended> {
        let found = match name.class {
            AgentClass::Ocf => Self::find_ocf(name),
            AgentClass::Systemd => Some(Self::Unit(unit_name(&name.name))),
            AgentClass::Lsb => InitScript::find(&name.name).map(Self::InitScript),
            AgentClass::Service => {
                let unit = unit_name(&name.name);
                let has_unit = systemd.has_unit(&unit).await;
                if has_unit {
                    Some(Self::Unit(unit))
                } else {
                    InitScript::find(&name.name).map(Self::InitScript)
                }
            }
            AgentClass::Stonith => None,
        };
        found.ok_or_else(|| {
            Ended::not_run(rc::INSTALLED, format!("the agent `{name}` is not installed on this node"))
        })
    }

    /// What runs an `ocf:` agent: the script where it is installed, else the built-in of that name.
    pub(crate) fn find_ocf(name: &AgentName) -> Option<Self> {
        let script = Script::find(name).map(Self::Script);
        script.or_else(|| BuiltIn::find(name).map(Self::BuiltIn))
    }

    /// What it is, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Script(_) => "script",
            Self::BuiltIn(_) => "built-in",
            Self::Unit(_) => "systemd unit",
            Self::InitScript(_) => "init script",
        }
    }

    /// Runs one action, within its timeout.
    pub(crate) async fn run(&self, action: &ResourceAction, surroundings: &Surroundings) -> Ended {
        let limit = Duration::from_millis(action.timeout_ms);
        let bounded = match self {
            // Scripts are ended with all that they started.
            Self::Script(script) => return script.run(action).await,
            Self::InitScript(script) => return script.run(action).await,
            Self::BuiltIn(built_in) => tokio::time::timeout(limit, run_built_in(*built_in, action)).await,
            Self::Unit(unit) => tokio::time::timeout(limit, surroundings.systemd.run(unit, action)).await,
        };
        bounded.unwrap_or_else(|_| Ended::timed_out(format!("no end after {limit:?}")))
    }

    /// What notices at once that the running resource has ended, where there is such a thing.
    pub(crate) async fn vigil(&self, action: &ResourceAction, surroundings: &Surroundings) -> Option<Vigil> {
        match self {
            Self::BuiltIn(BuiltIn::IpAddress) => {
                let address = IpAddress::parse(&action.params).ok()?;
                let changes = surroundings.address_changes.clone();
                Some(Box::pin(async move { address.gone(changes).await }))
            }
            Self::BuiltIn(BuiltIn::Apache) => apache_vigil(action).await,
            Self::Script(_) if BuiltIn::find(&action.agent) == Some(BuiltIn::Apache) => {
                apache_vigil(action).await
            }
            Self::Script(_) => pid_file_vigil(action),
            Self::Unit(unit) => {
                let (systemd, unit) = (surroundings.systemd.clone(), unit.clone());
                Some(Box::pin(async move { systemd.ended(&unit).await }))
            }
            Self::InitScript(_) => None,
        }
    }

    /// When the script was changed last; what is built in does not change.
    pub(crate) fn changed(&self) -> Option<SystemTime> {
        match self {
            Self::Script(script) => script.changed(),
            Self::BuiltIn(_) | Self::Unit(_) | Self::InitScript(_) => None,
        }
    }

    /// What it says about itself; units and init scripts say nothing.
    pub(crate) async fn meta_data(&self) -> Result<Option<MetaData>, String> {
        match self {
            Self::Script(script) => script.meta_data().await.map(Some),
            Self::BuiltIn(built_in) => Ok(Some(built_in.meta_data())),
            Self::Unit(_) | Self::InitScript(_) => Ok(None),
        }
    }
}

async fn run_built_in(built_in: BuiltIn, action: &ResourceAction) -> Ended {
    if let Some(unknown) = action.params.keys().find(|name| built_in.meta_data().parameter(name).is_none()) {
        let agent = &action.agent;
        return Ended::with(
            rc::CONFIGURED,
            format!(
                "the built-in {agent} has no parameter `{unknown}`; install resource-agents for the script that has"
            ),
        );
    }
    match built_in {
        BuiltIn::IpAddress => match IpAddress::parse(&action.params) {
            Ok(address) => address.run(action).await,
            Err(why) => Ended::with(rc::CONFIGURED, why),
        },
        BuiltIn::Apache => match Apache::find(&action.params).await {
            Ok(apache) => apache.run(action).await,
            // What is not installed does not run.
            Err(ended) if is_stop_or_probe(action) && ended.rc == Some(rc::INSTALLED) => absent(action),
            Err(ended) => ended,
        },
    }
}

fn is_stop_or_probe(action: &ResourceAction) -> bool {
    action.operation == "stop" || (action.operation == "monitor" && action.interval_ms == 0)
}

fn absent(action: &ResourceAction) -> Ended {
    if action.operation == "stop" { Ended::ok() } else { Ended::not_running() }
}

async fn apache_vigil(action: &ResourceAction) -> Option<Vigil> {
    let main = Apache::find(&action.params).await.ok()?.main_process()?;
    Some(process_vigil(main))
}

/// Scripts with a `pidfile` parameter keep the number of their main process in it.
fn pid_file_vigil(action: &ResourceAction) -> Option<Vigil> {
    let file = action.params.get("pidfile").or_else(|| action.params.get("pid"))?;
    Process::in_pid_file(Path::new(file)).map(process_vigil)
}

fn process_vigil(main: Process) -> Vigil {
    Box::pin(async move {
        main.ended().await;
        format!("its main process {} ended", main.pid())
    })
}
