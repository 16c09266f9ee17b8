//! The step of a `cluster` task: its arguments become the one configuration that agent, scheduler and CIB share.

use super::files::Part;
use super::room::DeclaredCluster;
use super::task_run::Request;
use crate::cluster::playbook_form::{self, Declared};
use muster_api::id::NodeName;
use serde_json::{Map, Value as Json};

/// The step, for a cluster whose nodes are the hosts of the play.
///
/// # Errors
///
/// All mistakes in the arguments, a line each.
pub(crate) fn cluster_part(request: &Request) -> Result<Part, String> {
    let declared = read(request)?;
    let config = serde_json::to_value(&declared.config)
        .map_err(|cause| format!("the configuration cannot be sent: {cause}"))?;
    let args = Map::from_iter([
        ("cluster_name".to_owned(), Json::from(declared.name)),
        ("config".to_owned(), config),
        ("wait_ms".to_owned(), Json::from(declared.wait_ms)),
    ]);
    Ok(Part { module: "cluster", args, content: None })
}

/// What the task declares, with the nodes that it is for.
///
/// # Errors
///
/// All mistakes in the arguments, a line each.
pub(crate) fn declared_cluster(request: &Request) -> Result<DeclaredCluster, String> {
    let Declared { name, config, .. } = read(request)?;
    Ok(DeclaredCluster { name, config, nodes: nodes(request) })
}

fn read(request: &Request) -> Result<Declared, String> {
    playbook_form::read(&request.args, &nodes(request)).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

/// All hosts that the play names: a node that is down, or left alone by `--limit`, is still a node.
fn nodes(request: &Request) -> Vec<NodeName> {
    request.scope.play().hosts_named.iter().map(|host| NodeName::from(host.as_str())).collect()
}
