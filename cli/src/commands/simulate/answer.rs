//! The answer for programs: one JSON object.

use crate::cluster::cib::Imported;
use muster_api::constraint::RoleName;
use muster_api::id::NodeName;
use muster_core::schedule::{Decision, NodeState, ResourceChange};
use serde_json::{Map, Value, json};

pub(crate) fn answer(imported: &Imported, decision: &Decision) -> Value {
    let actions: Vec<Value> = decision.changes.iter().map(action).collect();
    let active: Map<String, Value> = decision
        .active_after
        .iter()
        .map(|(resource, places)| {
            let place = |(node, role): &(NodeName, RoleName)| {
                json!({ "node": node, "role": role.name().to_ascii_lowercase() })
            };
            (resource.to_string(), places.iter().map(place).collect())
        })
        .collect();
    let nodes: Map<String, Value> = imported
        .states
        .iter()
        .map(|(name, state)| (name.to_string(), Value::from(node_text(state))))
        .collect();
    json!({
        "actions": actions,
        "fenced": decision.fenced.keys().collect::<Vec<_>>(),
        "unfenced": decision.unfenced,
        "final": active,
        "nodes": nodes,
    })
}

fn action(change: &ResourceChange) -> Value {
    let op = change.kind.name();
    let mut action = json!({ "op": op, "rsc": change.resource, "from": change.from, "to": change.to });
    if change.is_blocked {
        action["blocked"] = Value::from(true);
    }
    if let Some(why) = &change.why {
        action["reason"] = Value::from(why.as_str());
    }
    action
}

fn node_text(state: &NodeState) -> &'static str {
    match (state.is_online, state.unclean.is_some() || state.is_unseen, state.is_pending) {
        (_, _, true) => "pending",
        (true, true, _) => "unclean-online",
        (true, false, _) => "online",
        (false, true, _) => "unclean-offline",
        (false, false, _) => "offline",
    }
}
