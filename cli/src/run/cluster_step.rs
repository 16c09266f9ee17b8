//! The step of a `cluster` task: its arguments become the one configuration that agent, scheduler and CIB share.

use super::files::Part;
use super::room::DeclaredCluster;
use super::task_run::Request;
use crate::cluster::playbook_form::{self, Declared};
use muster_api::id::NodeName;
use serde_json::{Map, Value as Json};

/// The step, for a cluster whose nodes are the hosts of the play. Where it `rehearses`, the host only tells what the cluster is like
/// before it, and what the agents there have against the configuration.
///
/// # Errors
///
/// All mistakes in the arguments, a line each.
pub(crate) fn cluster_part(request: &Request, rehearses: bool) -> Result<Part, String> {
    let declared = read(request)?;
    let config = serde_json::to_value(&declared.config)
        .map_err(|cause| format!("the configuration cannot be sent: {cause}"))?;
    let args = Map::from_iter([
        ("cluster_name".to_owned(), Json::from(declared.name)),
        ("config".to_owned(), config),
        ("wait_ms".to_owned(), Json::from(declared.wait_ms)),
        ("rehearses".to_owned(), Json::from(rehearses)),
    ]);
    Ok(Part { module: "cluster", args, content: None })
}

/// What the task declares, with the nodes that it is for, and what a host said of the cluster, if one was asked.
///
/// # Errors
///
/// All mistakes in the arguments, a line each; an answer that cannot be read.
pub(crate) fn declared_cluster(
    request: &Request,
    answer: &Map<String, Json>,
) -> Result<DeclaredCluster, String> {
    let Declared { name, config, .. } = read(request)?;
    let before = answer.get("snapshot").map(|snapshot| serde_json::from_value(snapshot.clone()));
    let before = before.transpose().map_err(|cause| format!("the host's answer cannot be read: {cause}"))?;
    Ok(DeclaredCluster { name, config, nodes: nodes(request), before })
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
