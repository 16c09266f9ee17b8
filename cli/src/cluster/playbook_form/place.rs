//! From a mistake in the arguments to the place in the playbook where it was written.

use super::value::{FormProblem, Step};
use crate::error::Diagnostic;
use crate::source::Span;
use crate::yaml::Mapping;

/// A mistake with its place: the nearest thing on the way to it that was written in the task, else the task itself.
pub(crate) fn diagnose(args: &Mapping, task: &Span, problem: &FormProblem) -> Diagnostic {
    let place = locate(args, problem).unwrap_or_else(|| task.clone());
    let label = match problem.path.last() {
        Some(Step::Key(key)) if !problem.is_about_key => format!("in `{key}`"),
        _ => "here".to_string(),
    };
    Diagnostic::error(format!("cluster: {}", problem.what)).at(&place, label).maybe_hint(problem.hint.clone())
}

fn locate(args: &Mapping, problem: &FormProblem) -> Option<Span> {
    let (Step::Key(first), rest) = problem.path.split_first()? else { return None };
    let (mut key, mut value) = args.entry(first)?;
    let mut depth = 1;
    for step in rest {
        let next = match step {
            Step::Key(name) => value.as_map().and_then(|mapping| mapping.entry(name)),
            Step::Index(index) => value.as_seq().and_then(|items| items.get(*index)).map(|item| (item, item)),
        };
        // What is missing, or comes out of a template, is shown where the way ends.
        let Some(next) = next else { break };
        (key, value) = next;
        depth += 1;
    }
    let is_whole_way = depth == problem.path.len();
    Some(if is_whole_way && problem.is_about_key { key.span.clone() } else { value.span.first_line() })
}
