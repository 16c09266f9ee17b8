//! The inventory as `ansible-inventory` shows it: `--list` as JSON, `--graph` as a tree. Which variables a host
//! has is for the caller to say.

use super::{Group, Inventory};
use indexmap::IndexSet;
use serde_json::{Map, Value, json};

/// All groups and the variables of all hosts, for `--list`. `vars` gives the variables of a host, an empty map for
/// none; `available` is what a limit leaves.
pub(crate) fn list(
    inventory: &Inventory,
    available: &IndexSet<String>,
    mut vars: impl FnMut(&str) -> Map<String, Value>,
) -> Value {
    let mut listed = Map::new();
    let mut seen = IndexSet::new();
    list_group(inventory, "all", available, &mut seen, &mut listed);
    let mut hostvars = Map::new();
    for host in inventory.hosts_of("all").into_iter().filter(|host| available.contains(*host)) {
        let vars = vars(host);
        if !vars.is_empty() {
            hostvars.insert(host.to_owned(), Value::Object(vars));
        }
    }
    listed.insert("_meta".into(), json!({ "hostvars": hostvars, "profile": "inventory_legacy" }));
    sorted(Value::Object(listed))
}

fn list_group<'a>(
    inventory: &'a Inventory,
    name: &'a str,
    available: &IndexSet<String>,
    seen: &mut IndexSet<&'a str>,
    listed: &mut Map<String, Value>,
) {
    let Some(group) = inventory.groups.get(name).filter(|_| seen.insert(name)) else { return };
    let mut parts = Map::new();
    let hosts: Vec<&String> = group.hosts.iter().filter(|host| available.contains(*host)).collect();
    if name != "all" && !hosts.is_empty() {
        parts.insert("hosts".into(), json!(hosts));
    }
    if !group.children.is_empty() {
        parts.insert("children".into(), json!(group.children));
    }
    if !parts.is_empty() {
        listed.insert(name.to_owned(), Value::Object(parts));
    }
    for child in &group.children {
        list_group(inventory, child, available, seen, listed);
    }
}

/// With the keys of all mappings in the order of the alphabet.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// What of a group or host is shown below it in a graph, one line each.
pub(crate) enum Shown<'a> {
    Host(&'a str),
    Group(&'a Group),
}

/// A group with what is below it as a tree, for `--graph`. `vars` gives lines to show below a group or a host.
pub(crate) fn graph(
    inventory: &Inventory,
    group: &str,
    mut vars: impl FnMut(Shown<'_>) -> Vec<String>,
) -> Vec<String> {
    let mut lines = Vec::new();
    graph_group(inventory, group, 0, &mut vars, &mut lines);
    lines
}

fn graph_group(
    inventory: &Inventory,
    name: &str,
    depth: usize,
    vars: &mut impl FnMut(Shown<'_>) -> Vec<String>,
    lines: &mut Vec<String>,
) {
    let Some(group) = inventory.groups.get(name) else { return };
    lines.push(graph_line(&format!("@{name}:"), depth));
    for child in &group.children {
        graph_group(inventory, child, depth + 1, vars, lines);
    }
    for host in group.hosts.iter().filter(|_| name != "all") {
        lines.push(graph_line(host, depth + 1));
        lines.extend(vars(Shown::Host(host)).iter().map(|line| graph_line(line, depth + 2)));
    }
    lines.extend(vars(Shown::Group(group)).iter().map(|line| graph_line(line, depth + 1)));
}

fn graph_line(text: &str, depth: usize) -> String {
    if depth == 0 { text.to_owned() } else { format!("{}--{text}", "  |".repeat(depth)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory::default();
        inventory.add_host("n1", "web", None);
        inventory.add_host("lone", "ungrouped", None);
        inventory.add_child("site", "web").unwrap();
        inventory.reconcile();
        inventory
    }

    #[test]
    fn a_graph_shows_groups_above_their_hosts() {
        let lines = graph(&inventory(), "all", |shown| match shown {
            Shown::Host("n1") => vec!["{x = 1}".into()],
            _ => Vec::new(),
        });
        assert_eq!(
            lines.join("\n"),
            "@all:\n  |--@ungrouped:\n  |  |--lone\n  |--@site:\n  |  |--@web:\n  |  |  |--n1\n  |  |  |  |--{x = 1}"
        );
    }

    #[test]
    fn a_list_has_groups_and_host_variables() {
        let inventory = inventory();
        let all = inventory.hosts_of("all").into_iter().map(str::to_owned).collect();
        let listed = list(&inventory, &all, |host| match host {
            "n1" => Map::from_iter([("x".into(), json!(1))]),
            _ => Map::new(),
        });
        assert_eq!(
            listed.to_string(),
            r#"{"_meta":{"hostvars":{"n1":{"x":1}},"profile":"inventory_legacy"},"all":{"children":["ungrouped","site"]},"site":{"children":["web"]},"ungrouped":{"hosts":["lone"]},"web":{"hosts":["n1"]}}"#
        );
    }
}
