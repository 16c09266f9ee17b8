//! What a `cluster` task declares: resources, groups, constraints and fence devices that cannot be meant so. Templates
//! hide what they stand for until the hosts are known.

use super::super::Task;
use crate::cluster::playbook_form::{FormProblem, Step, check_unrendered};
use crate::error::{Diagnostic, Diagnostics};
use crate::source::Span;
use crate::yaml::Node;
use serde_json::Map;

/// Adds what is wrong in the arguments of a `cluster` task.
pub(super) fn check(task: &Task, mistakes: &mut Diagnostics) {
    if task.module.bare() != "cluster" || task.args.template.is_some() {
        return;
    }
    let named = task.args.named.iter();
    let args: Map<_, _> = named.map(|(key, value)| (key.key_text().into_owned(), value.to_json())).collect();
    for problem in check_unrendered(&args, None) {
        let span = place(task, &problem).unwrap_or_else(|| task.module.0.span.clone());
        let what = Diagnostic::error(format!("`cluster`: {problem}"));
        mistakes.push(what.at(&span.first_line(), ""));
    }
}

/// The deepest part of the arguments that the problem's path leads to.
fn place(task: &Task, problem: &FormProblem) -> Option<Span> {
    let (Step::Key(first), rest) = problem.path.split_first()? else { return None };
    let (key, mut node) = task.args.named.entry(first)?;
    let mut span = if problem.is_about_key { &key.span } else { &node.span };
    for step in rest {
        let Some((key, value)) = inside(node, step) else { break };
        node = value;
        span = key.filter(|_| problem.is_about_key).map_or(&value.span, |key| &key.span);
    }
    Some(span.clone())
}

fn inside<'n>(node: &'n Node, step: &Step) -> Option<(Option<&'n Node>, &'n Node)> {
    match step {
        Step::Key(name) => node.as_map()?.entry(name).map(|(key, value)| (Some(key), value)),
        Step::Index(index) => node.as_seq()?.get(*index).map(|item| (None, item)),
    }
}
