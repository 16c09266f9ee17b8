//! Where the variables come from that something failed over: told below the failure, as `muster blame` tells it of lines.
//!
//! Of a template that failed these are the variables of the failing expression; of a module that failed those of its arguments
//! whose values the failure names.

use super::result::TaskResult;
use crate::playbook::Task;
use crate::report::json_text;
use crate::template::{TemplateError, names_in_expression, names_in_text, to_json};
use crate::vars::{Data, Scope, VariableOrigin};
use crate::yaml::{Kind, Node, Tag};
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::ops::Range;

/// More would hide the failure.
const TOLD_MAX: usize = 3;
/// A shorter text is in any sentence.
const NAMED_MIN: usize = 3;
/// These fail because the user says so, with the user's words.
const OF_THE_USER: [&str; 3] = ["assert", "debug", "fail"];

/// Of a template that failed.
pub(super) fn of_template(err: &TemplateError, task: &Task, scope: &Scope) -> Vec<String> {
    let root = err.root();
    let is_of_other_host = !std::ptr::eq(root, err) && err.text.contains("hostvars");
    if is_of_other_host {
        return Vec::new();
    }
    let part = root.range.as_ref().map_or(&*root.text, |range| tag_around(&root.text, range));
    let own = |name: String| match scope.get(&name) {
        Ok(None) => given_in(&root.text, &name).map(names_in_expression).unwrap_or_default(),
        _ => vec![name],
    };
    told(names(part).into_iter().flat_map(own), task, scope, |_| true)
}

/// What a statement of a template gives a name from: `for NAME in …`, `set NAME = …`.
fn given_in<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let statements = text.split("{%").skip(1).filter_map(|rest| rest.split("%}").next());
    let gives = |statement: &'t str| {
        let statement = statement.trim().trim_matches(['-', '+']).trim();
        let (targets, from) = match statement.strip_prefix("for ") {
            Some(each) => each.split_once(" in ")?,
            None => statement.strip_prefix("set ")?.split_once('=')?,
        };
        targets.split(',').any(|target| target.trim() == name).then_some(from)
    };
    // The nearest to the end is as good a guess as any where there are several.
    statements.filter_map(gives).last()
}

/// Of arguments that the module does not take.
pub(super) fn of_arguments(arguments: &[String], task: &Task, scope: &Scope) -> Vec<String> {
    let nodes = arguments.iter().filter_map(|name| task.args.named.get(name.as_str()));
    told(nodes.flat_map(names_of), task, scope, |_| true)
}

/// Of what a task came to that failed.
pub(super) fn of_failure(result: &TaskResult, task: &Task, scope: &Scope) -> Vec<String> {
    if let Some(assertion) = result.result.get("assertion").and_then(Json::as_str) {
        return told(names(assertion), task, scope, |_| true);
    }
    if OF_THE_USER.contains(&task.module.bare()) {
        return Vec::new();
    }
    let text = |name: &str| result.result.get(name).and_then(Json::as_str).unwrap_or_default();
    let said = [text("msg"), text("stderr")].join("\n");
    let named = task.args.named.iter().map(|(_, node)| node);
    let nodes = named.chain(&task.args.free_form).chain(&task.args.template);
    told(nodes.flat_map(names_of), task, scope, |value| is_named(value, &said))
}

/// A line for each variable, without those that no file defines; what a variable is made of comes after it.
fn told(
    names: impl IntoIterator<Item = String>,
    task: &Task,
    scope: &Scope,
    counts: impl Fn(&Json) -> bool,
) -> Vec<String> {
    let mut waiting: VecDeque<String> = names.into_iter().collect();
    let (mut seen, mut lines) = (Vec::new(), Vec::new());
    while let Some(name) = waiting.pop_front() {
        if seen.contains(&name) || lines.len() == TOLD_MAX {
            continue;
        }
        waiting.extend(behind(&name, task, scope));
        let value = scope.get(&name).ok().flatten().map(|value| to_json(&value));
        if value.as_ref().is_none_or(&counts) {
            lines.extend(line(&name, scope));
        }
        seen.push(name);
    }
    lines
}

fn line(name: &str, scope: &Scope) -> Option<String> {
    let origin = VariableOrigin::of(scope, name)?;
    origin.definitions.first()?.place.as_ref()?;
    let is = origin.value.as_ref().map_or_else(String::new, |value| format!(" is `{value}`"));
    Some(format!("`{name}`{is}: {}", origin.place()))
}

/// The variables that a variable is made of.
fn behind(name: &str, task: &Task, scope: &Scope) -> Vec<String> {
    let repeat = task.loop_over.as_ref();
    let variable = |control: &Node| control.as_str().map(str::to_owned);
    let loop_variable = repeat.and_then(|repeat| repeat.control.get("loop_var")).and_then(variable);
    match repeat.filter(|_| loop_variable.as_deref().unwrap_or("item") == name) {
        Some(repeat) => names_of(&repeat.over),
        None => match scope.definition(name).map(|(_, var)| &var.data) {
            Some(Data::Text(node)) => names_of(node),
            _ => Vec::new(),
        },
    }
}

/// The names in the templates of a value, at any depth.
fn names_of(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Str(text) if node.tag == Tag::None && node.has_template() => names_in_text(text),
        Kind::Seq(items) => items.iter().flat_map(names_of).collect(),
        Kind::Map(entries) => entries.iter().flat_map(|(_, value)| names_of(value)).collect(),
        _ => Vec::new(),
    }
}

/// The names in a text with templates, or else in an expression.
fn names(text: &str) -> Vec<String> {
    if text.contains("{{") || text.contains("{%") { names_in_text(text) } else { names_in_expression(text) }
}

/// The expression or statement of a text in which a range is; all of the text where there is none.
fn tag_around<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
    let (Some(before), Some(after)) = (text.get(..range.start), text.get(range.start..)) else { return text };
    let is_open = |at: &usize| !before[*at..].contains("}}") && !before[*at..].contains("%}");
    let open = match after.starts_with("{{") || after.starts_with("{%") {
        true => Some(range.start),
        false => ["{{", "{%"].iter().filter_map(|mark| before.rfind(mark)).max().filter(is_open),
    };
    let inside = open.and_then(|open| text.get(open..)).unwrap_or(text);
    let is_statement = inside.starts_with("{%");
    let (start, end) = if is_statement { ("{%", "%}") } else { ("{{", "}}") };
    let inside = inside.strip_prefix(start).unwrap_or(inside);
    let inside = inside.split(end).next().unwrap_or(inside).trim_matches(['-', '+']).trim();
    // Of a statement the expression alone is of use: `if x`, `for y in x`.
    let words = [" in ", "if ", "set "];
    match is_statement {
        true => {
            words.iter().find_map(|word| inside.split_once(word)).map_or(inside, |(_, expression)| expression)
        }
        false => inside,
    }
}

/// Whether a sentence names a value, or a part of one.
fn is_named(value: &Json, said: &str) -> bool {
    match value {
        Json::Array(items) => items.iter().any(|item| is_named(item, said)),
        Json::Object(entries) => entries.values().any(|item| is_named(item, said)),
        Json::Null | Json::Bool(_) => false,
        one => is_word(&json_text(one), said),
    }
}

fn is_word(word: &str, said: &str) -> bool {
    let is_of_word = |character: char| character == '_' || character.is_alphanumeric();
    word.len() >= NAMED_MIN
        && said.match_indices(word).any(|(at, _)| {
            !said[..at].ends_with(is_of_word) && !said[at + word.len()..].starts_with(is_of_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_expression_counts_that_failed() {
        let text = "a {{ one | int }}\n{% if two > 1 %}{{ three }}{% endif %}";
        let around = |part: &str| {
            let start = text.find(part).expect("it is there");
            tag_around(text, &(start..start + part.len()))
        };
        assert_eq!(around("one"), "one | int");
        assert_eq!(around("two"), "two > 1");
        assert_eq!(around("{{ three }}"), "three");
        assert_eq!(tag_around("port > 1", &(0..4)), "port > 1");
    }

    #[test]
    fn a_name_of_the_template_itself_leads_to_what_it_is_given_from() {
        let text =
            "{% for host, port in backends -%}{{ port + 1 }}{% endfor %}{% set base = port_base | int %}";
        assert_eq!(given_in(text, "port").map(str::trim), Some("backends"));
        assert_eq!(given_in(text, "base").map(str::trim), Some("port_base | int"));
        assert_eq!(given_in(text, "other"), None);
    }

    #[test]
    fn a_sentence_names_a_value_where_it_has_it_as_a_word() {
        let said = "there is no package `htttpd`";
        assert!(is_named(&json!(["curl", "htttpd"]), said));
        assert!(!is_named(&json!("pack"), said));
        assert!(!is_named(&json!("is"), said), "too short to mean anything");
    }
}
