//! Names of variables that templates or playbooks use for something else: a variable of such a name hides a function of
//! templates, or looks like a keyword. Each is told once, with its place, as Ansible does.

use crate::playbook::keyword::Keyword;
use crate::playbook::{Playbook, Scope, Task};
use crate::report::origin::excerpt;
use crate::source::Span;
use crate::yaml::Node;

/// Functions that every template has.
const FUNCTIONS: [&str; 10] =
    ["cycler", "dict", "joiner", "lipsum", "lookup", "namespace", "now", "q", "query", "range"];

/// Whether a variable should not be called so. (`gather_subset` is a fact as well.)
pub(super) fn is_reserved(name: &str) -> bool {
    let is_keyword = Keyword::find(name).is_some_and(|keyword| keyword != Keyword::GatherSubset);
    FUNCTIONS.contains(&name) || (is_keyword && name != "vars")
}

/// What is said of it.
pub(super) fn warning(name: &str, place: &Span) -> String {
    format!("Found variable using reserved name '{name}'.\n{}", excerpt(place)).trim_end().to_owned()
}

/// The warnings for what the playbooks define: `vars`, `register` and `set_fact`.
pub(super) fn in_playbooks(playbooks: &[Playbook]) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    let mut add = |name: &Node| {
        let warning = warning(&name.key_text(), &name.span);
        if is_reserved(&name.key_text()) && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    };
    for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
        of_scope(&play.scope, &mut add);
        for task in super::refused::tasks(play) {
            task.scope.outer().for_each(|outer| of_scope(outer, &mut add));
            of_scope(&task.scope, &mut add);
            of_task(task, &mut add);
        }
    }
    warnings
}

fn of_scope(scope: &Scope, add: &mut impl FnMut(&Node)) {
    let vars = scope.keywords.get(Keyword::Vars).into_iter().flat_map(Node::one_or_many);
    vars.filter_map(Node::as_map).flat_map(|vars| vars.keys()).for_each(add);
}

fn of_task(task: &Task, add: &mut impl FnMut(&Node)) {
    task.scope.keywords.get(Keyword::Register).into_iter().for_each(&mut *add);
    if task.module.bare() == "set_fact" {
        task.args.named.keys().for_each(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_templates_and_keywords_are_no_names_for_variables() {
        for (name, reserved) in [("query", true), ("port", true), ("ports", false), ("gather_subset", false)]
        {
            assert_eq!(is_reserved(name), reserved, "{name}");
        }
    }
}
