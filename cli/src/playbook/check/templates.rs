//! Conditions and templates that cannot be read, and filters and tests that do not exist.

use super::super::Task;
use super::super::keyword::{Given, Keyword, Shape};
use crate::error::{Diagnostic, Diagnostics};
use crate::template::{SyntaxProblem, check_expression, check_template};
use crate::yaml::{Kind, Node, Tag, is_template};

/// Adds what is wrong with the value of a keyword. Lists of tasks and roles are looked at one by one elsewhere.
pub(in super::super) fn keyword(given: &Given, mistakes: &mut Diagnostics) {
    const HOLDS_TASKS: [Keyword; 8] = [
        Keyword::Block,
        Keyword::Rescue,
        Keyword::Always,
        Keyword::Tasks,
        Keyword::PreTasks,
        Keyword::PostTasks,
        Keyword::Handlers,
        Keyword::Roles,
    ];
    // What modules are told is looked at with the module.
    const TOLD: [Keyword; 3] = [Keyword::Action, Keyword::LocalAction, Keyword::Args];
    if HOLDS_TASKS.contains(&given.keyword) || TOLD.contains(&given.keyword) {
        return;
    }
    if given.keyword.shape() == Shape::Conditions {
        given.value.one_or_many().iter().for_each(|condition| check_condition(condition, mistakes));
    } else if given.keyword == Keyword::Vars {
        // A variable that nothing uses may be broken; one that is used fails the task that uses it.
        let mut found = Diagnostics::default();
        check_value(&given.value, &mut found);
        found.into_iter().for_each(|mistake| mistakes.push(mistake.into_warning()));
    } else {
        check_value(&given.value, mistakes);
    }
}

/// Adds what is wrong with templates among the arguments and in the loop.
pub(super) fn arguments(task: &Task, mistakes: &mut Diagnostics) {
    let args = &task.args;
    if task.module.bare() == "assert" {
        let conditions = args.named.get("that").map(Node::one_or_many).unwrap_or_default();
        conditions.iter().for_each(|condition| check_condition(condition, mistakes));
    }
    let is_condition = |key: &Node| task.module.bare() == "assert" && key.as_str() == Some("that");
    let named = args.named.iter().filter(|(key, _)| !is_condition(key));
    named.for_each(|(_, value)| check_value(value, mistakes));
    args.free_form.iter().chain(&args.template).for_each(|value| check_value(value, mistakes));
    task.loop_over.iter().for_each(|over| check_value(&over.over, mistakes));
}

fn check_condition(condition: &Node, mistakes: &mut Diagnostics) {
    let Some(text) = condition.as_str().filter(|_| condition.tag == Tag::None) else { return };
    let checked = if is_template(text) { check_template(text) } else { check_expression(text) };
    if let Err(problem) = checked {
        mistakes.push(mistake(condition, "condition", &problem));
    }
}

/// Texts at any depth.
fn check_value(value: &Node, mistakes: &mut Diagnostics) {
    match &value.kind {
        Kind::Str(text) if value.tag == Tag::None && is_template(text) => {
            if let Err(problem) = check_template(text) {
                mistakes.push(mistake(value, "template", &problem));
            }
        }
        Kind::Seq(items) => items.iter().for_each(|item| check_value(item, mistakes)),
        Kind::Map(mapping) => mapping.iter().for_each(|(key, value)| {
            check_value(key, mistakes);
            check_value(value, mistakes);
        }),
        _ => {}
    }
}

fn mistake(text: &Node, what: &str, problem: &SyntaxProblem) -> Diagnostic {
    let mut span = text.span_of(problem.range.clone());
    if span.range().is_empty() {
        span = text.span.first_line();
    }
    Diagnostic::error(format!("in a {what}: {}", problem.message))
        .at(&span, "")
        .maybe_hint(problem.hint.clone())
}
