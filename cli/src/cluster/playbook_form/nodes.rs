//! `nodes`: permanent attributes and capacity of nodes. Which nodes there are says corosync.conf; only what is exchanged with
//! Pacemaker says ids, remote nodes and scores here too.

use super::value::Reader;
use crate::cluster::desired::DesiredNode;
use muster_api::cluster::{Capacity, ClusterConfig};
use muster_api::id::NodeName;
use muster_api::resource::Score;
use serde_json::{Map, Value};

pub(super) fn read(
    reader: &mut Reader,
    args: &Map<String, Value>,
    config: &mut ClusterConfig,
) -> Vec<DesiredNode> {
    let nodes = reader.field(args, "nodes", |reader, value| {
        reader.list(value, |reader, value| read_one(reader, value, config))
    });
    nodes.unwrap_or_default()
}

/// What is said of a node elsewhere, and where.
const ELSEWHERE: [(&str, &str); 3] = [
    ("id", "the id of a node is its `nodeid` in corosync.conf: leave `id` out"),
    ("type", "remote nodes are not supported: the nodes are those of corosync.conf"),
    ("score", "a node has no `score` here: write a location for the resources that like it"),
];

fn read_one(reader: &mut Reader, value: &Value, config: &mut ClusterConfig) -> Option<DesiredNode> {
    let map = reader.mapping(value)?;
    reader.known_keys(map, &["name", "id", "type", "score", "attributes", "utilization"], &[]);
    for (key, sentence) in ELSEWHERE {
        if reader.is_to_run() && map.contains_key(key) {
            reader.bad_key(key, sentence.to_string(), []);
        }
    }
    let name = NodeName::from(reader.required_text(map, "name")?);
    let attributes = reader.field(map, "attributes", Reader::texts).unwrap_or_default();
    let capacity = reader.field(map, "utilization", read_capacity).unwrap_or_default();
    if config.node_attributes.contains_key(&name) || config.node_utilization.contains_key(&name) {
        reader.problem(format!("the node `{name}` stands above already"));
    }
    if !attributes.is_empty() {
        config.node_attributes.insert(name.clone(), attributes);
    }
    if !capacity.is_empty() {
        config.node_utilization.insert(name.clone(), capacity);
    }
    Some(DesiredNode {
        name,
        id: reader.text_field(map, "id"),
        is_remote: reader.field(map, "type", read_is_remote).flatten().unwrap_or(false),
        score: reader.field(map, "score", read_score).flatten(),
    })
}

fn read_is_remote(reader: &mut Reader, value: &Value) -> Option<bool> {
    let text = reader.text(value)?;
    match text.as_str() {
        "member" => Some(false),
        "remote" => Some(true),
        _ => {
            reader.problem(format!("`{text}` is not `member` or `remote`"));
            None
        }
    }
}

fn read_score(reader: &mut Reader, value: &Value) -> Option<Score> {
    let text = reader.text(value)?;
    let score = Score::parse(&text);
    if score.is_none() {
        reader
            .problem(format!("`{text}` is not a score: expected a whole number, `INFINITY` or `-INFINITY`"));
    }
    score
}

/// Amounts by name: whole numbers.
pub(super) fn read_capacity(reader: &mut Reader, value: &Value) -> Capacity {
    let mut capacity = Capacity::new();
    for (name, text) in reader.texts(value) {
        match text.trim().parse() {
            Ok(amount) => drop(capacity.insert(name, amount)),
            Err(_) if reader.is_template(&text) => {}
            Err(_) => reader.within(&name, |reader| {
                reader.problem(format!("`{text}` is not a whole number"));
            }),
        }
    }
    capacity
}
