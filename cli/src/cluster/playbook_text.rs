//! A playbook with one `cluster` task, as text; and the `cluster` tasks of a file that holds plays or tasks.

use crate::source::Span;
use crate::yaml::{Kind, Node, Tag, is_template, resolve_plain};
use serde_json::{Map, Value, json};

/// Names of the module in a task.
const MODULE: [&str; 2] = ["cluster", "muster.cluster"];

/// Keys of plays and blocks under which tasks stand.
const TASKS: [&str; 6] = ["pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue"];

/// A playbook that declares the cluster.
pub(crate) fn playbook(hosts: &str, args: &Map<String, Value>) -> String {
    let name = args.get("name").and_then(Value::as_str).unwrap_or_default();
    let task = json!({"name": "Resources", "cluster": args, "run_once": true});
    let play = json!([{
        "name": format!("What runs on the cluster {name}"),
        "hosts": hosts,
        "become": true,
        "gather_facts": false,
        "tasks": [task],
    }]);
    let mut text = String::from("---\n");
    write_list(&mut text, play.as_array().map_or(&[], Vec::as_slice), 0);
    text
}

/// Writes the items of a list, each behind a dash.
fn write_list(text: &mut String, items: &[Value], depth: usize) {
    for item in items {
        text.push_str(&format!("{}- ", "  ".repeat(depth)));
        match item {
            Value::Object(map) if !map.is_empty() => write_map(text, map, depth + 1, true),
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                write_list(text, items, depth + 1);
            }
            other => text.push_str(&format!("{}\n", scalar(other))),
        }
    }
}

/// Writes the entries of a mapping; the first may stand behind a dash.
fn write_map(text: &mut String, map: &Map<String, Value>, depth: usize, is_behind_dash: bool) {
    for (place, (key, value)) in map.iter().enumerate() {
        if place > 0 || !is_behind_dash {
            text.push_str(&"  ".repeat(depth));
        }
        text.push_str(&format!("{}:", quoted(key)));
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                write_map(text, inner, depth + 1, false);
            }
            Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
                let items: Vec<String> = items.iter().map(scalar).collect();
                text.push_str(&format!(" [{}]\n", items.join(", ")));
            }
            Value::Array(items) => {
                text.push('\n');
                write_list(text, items, depth + 1);
            }
            other => text.push_str(&format!(" {}\n", scalar(other))),
        }
    }
}

/// Text that would be taken for a template is marked as none.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_template(text) => format!("!unsafe {}", quoted(text)),
        Value::String(text) => quoted(text),
        Value::Object(_) => "{}".to_string(),
        other => other.to_string(),
    }
}

/// In quotes where it would be read as something else without.
fn quoted(text: &str) -> String {
    let is_usual = |letter: char| letter.is_alphanumeric() || "_-./@%+=^$".contains(letter);
    let is_plain = text.starts_with(|first: char| first.is_alphanumeric() || "_/.^+".contains(first))
        && text.chars().all(|letter| is_usual(letter) || letter == ' ' || letter == ':')
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && matches!(resolve_plain(text), Kind::Str(_));
    match text {
        text if is_plain => text.to_string(),
        text if text.chars().any(|letter| letter.is_control() || letter == '\'') => {
            Value::from(text).to_string()
        }
        text => format!("'{text}'"),
    }
}

/// A `cluster` task of a file.
#[derive(Debug)]
pub(crate) struct ClusterTask {
    /// Its name, where it has one.
    pub(crate) name: Option<String>,
    /// Where its arguments stand.
    pub(crate) span: Span,
    /// The arguments.
    pub(crate) args: Node,
}

/// The `cluster` tasks of a playbook or of a file of tasks, blocks included.
pub(crate) fn cluster_tasks(file: &Node) -> Vec<ClusterTask> {
    let mut found = Vec::new();
    for item in file.as_seq().unwrap_or_default() {
        for module in MODULE {
            let Some(args) = item.get(module) else { continue };
            let name = item.get("name").and_then(Node::as_str).map(str::to_string);
            found.push(ClusterTask { name, span: args.span.clone(), args: args.clone() });
        }
        for key in TASKS.into_iter().chain(["always"]) {
            found.extend(item.get(key).map(cluster_tasks).unwrap_or_default());
        }
    }
    found
}

/// The first value that only a run could say: a template, or one that is encrypted.
pub(crate) fn first_hidden(node: &Node) -> Option<&Node> {
    if node.tag == Tag::Vault {
        return Some(node);
    }
    if let Some(items) = node.as_seq() {
        return items.iter().find_map(first_hidden);
    }
    if let Some(map) = node.as_map() {
        return map.values().find_map(first_hidden);
    }
    let text = node.as_str().filter(|_| node.tag == Tag::None)?;
    is_template(text).then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_text;

    #[test]
    fn every_text_is_read_back_as_the_text_that_it_is() {
        for text in [
            "web",
            "off",
            "Yes",
            "1.5",
            "0x1f",
            "010",
            "12:30",
            "~",
            "",
            " x",
            "x ",
            "a: b",
            "a #b",
            "#uname eq n1",
            "- a",
            "it's",
            "\"b\"",
            "{{ a }}",
            "{% b %}",
            "two\nlines",
            "tab\there",
            "!unsafe",
            "&a",
            "*a",
            "2027-03-01",
            "c:d",
            "\\d",
            "[a]",
            "a, b",
            "null",
            "'",
            "%a",
            "@b",
            "`c`",
            "<a>&b",
            ".5",
            "+1",
            "^a",
            "1e3",
            "é",
        ] {
            let args = Map::from_iter([
                ("name".to_string(), text.into()),
                ("list".to_string(), json!([text, text])),
            ]);
            let read = parse_text("p.yml", &playbook("all", &args)).expect("it is YAML");
            let tasks = cluster_tasks(&read);
            assert_eq!(tasks[0].args.to_json(), Value::Object(args));
            assert!(first_hidden(&tasks[0].args).is_none(), "{text}");
        }
    }
}
