//! Tells the cluster what the agents on this node take over while their resources run: once for each agent, and again when its
//! script is another one.

use super::agent::{Agent, Surroundings};
use crate::log;
use muster_api::history::ResourceAction;
use muster_api::reload;
use muster_api::resource::{AgentClass, AgentName};
use muster_core::input::Input;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;
use tokio::sync::mpsc::UnboundedSender;

/// What was told since the agent runs: of which state of which script.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<BTreeMap<AgentName, Option<SystemTime>>>);

impl Told {
    /// Whether that is new; from now on it is not.
    fn is_news(&self, agent: &AgentName, changed: Option<SystemTime>) -> bool {
        let mut told = self.0.lock().expect("nobody panics who holds this lock");
        told.insert(agent.clone(), changed) != Some(changed)
    }
}

/// Tells it of the agent of a resource that runs here now. Nobody waits for that: until it is known a change is a restart.
pub(super) fn tell(action: &ResourceAction, surroundings: &Surroundings, inputs: &UnboundedSender<Input>) {
    let is_up = match action.operation.as_str() {
        "monitor" => action.interval_ms == 0,
        operation => matches!(operation, "start" | "migrate_from"),
    };
    if !is_up || action.agent.class != AgentClass::Ocf {
        return;
    }
    let Some(agent) = Agent::find_ocf(&action.agent) else { return };
    if surroundings.told.is_news(&action.agent, agent.changed()) {
        tokio::spawn(ask(agent, action.agent.clone(), inputs.clone()));
    }
}

async fn ask(agent: Agent, name: AgentName, inputs: UnboundedSender<Input>) {
    match agent.meta_data().await {
        Ok(meta_data) => {
            let reloading = meta_data.and_then(|meta_data| meta_data.reloading());
            let value = reloading.map(|reloading| reloading.to_string());
            // Where nobody listens any more the agent is about to exit.
            let _ = inputs.send(Input::Said { name: reload::attribute_of(&name), value });
        }
        Err(why) => log::warning(format!("{name}: changed parameters will be restarts here: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_told_of_once_and_again_when_its_script_changed() {
        let told = Told::default();
        let dummy = AgentName::parse("ocf:heartbeat:Dummy").expect("it is a name");
        assert!(told.is_news(&dummy, Some(SystemTime::UNIX_EPOCH)));
        assert!(!told.is_news(&dummy, Some(SystemTime::UNIX_EPOCH)));
        assert!(told.is_news(&dummy, Some(SystemTime::now())));
    }
}
