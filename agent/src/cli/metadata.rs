//! `musterd metadata AGENT`: what an agent says about itself, as this node would run it.

use super::answer::{Failure, print};
use crate::fence;
use crate::resource::agent::Agent;
use muster_api::resource::{AgentClass, AgentName};

/// Prints the parameters and actions.
pub(super) fn show(agent: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
    let text = runtime.block_on(describe(agent)).map_err(Failure::Failed)?;
    print(&text);
    Ok(())
}

async fn describe(agent: &str) -> Result<String, String> {
    if agent == "redfish" || agent.starts_with("fence_") {
        return fence::meta_data(agent).await.map(|meta_data| meta_data.text(agent));
    }
    let name = AgentName::parse(agent)?;
    if name.class != AgentClass::Ocf {
        return Err(format!("`{agent}` is no OCF agent: units and init scripts have no parameters"));
    }
    let found = Agent::find_ocf(&name).ok_or_else(|| format!("`{agent}` is not installed on this node"))?;
    let meta_data = found.meta_data().await?.ok_or_else(|| format!("`{agent}` has no meta-data"))?;
    Ok(meta_data.text(&format!("{agent} ({})", found.kind())))
}
