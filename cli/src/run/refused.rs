//! Keywords that playbooks may have and that are not carried out yet: they are refused before any host is touched,
//! never ignored.

use crate::error::{Diagnostic, Diagnostics};
use crate::playbook::keyword::Keyword;
use crate::playbook::{Item, Play, Playbook, Task};
use crate::yaml::Node;

/// The keywords, and what to do instead.
pub(crate) const REFUSED_KEYWORDS: [(Keyword, &str); 1] = [(
    Keyword::Debugger,
    "instead of its shell `-vv` shows all results, and `--start-at-task` begins at a task",
)];

/// All refusals in the playbooks.
pub(crate) fn refused(playbooks: &[Playbook]) -> Diagnostics {
    let mut mistakes = Diagnostics::default();
    for play in playbooks.iter().flat_map(|playbook| &playbook.plays) {
        for task in tasks(play) {
            in_task(task, &mut mistakes);
        }
    }
    mistakes
}

/// Why a task cannot be carried out, for tasks that came with an include.
pub(crate) fn refusal(task: &Task) -> Option<String> {
    let mut mistakes = Diagnostics::default();
    in_task(task, &mut mistakes);
    mistakes.iter().next().map(|mistake| mistake.title().to_owned())
}

fn in_task(task: &Task, mistakes: &mut Diagnostics) {
    if is_flush(task) {
        mistakes.push(
            Diagnostic::error("flush_handlers cannot be used as a handler")
                .at(&task.module.0.span, "a handler that runs handlers"),
        );
    }
    for (keyword, instead) in REFUSED_KEYWORDS {
        // Said to be off it means nothing.
        let Some(node) = task.keyword(keyword).filter(|node| node.as_str() != Some("never")) else {
            continue;
        };
        let mistake = Diagnostic::error(format!("`{keyword}` is not supported"));
        mistakes.push(mistake.at(&node.span, "not carried out").hint(instead));
    }
}

/// Handlers that run handlers would never come to an end.
fn is_flush(task: &Task) -> bool {
    let what = task.args.free_form.as_ref().or_else(|| task.args.named.get("_raw_params"));
    task.is_handler && task.module.bare() == "meta" && what.and_then(Node::as_str) == Some("flush_handlers")
}

/// All tasks of a play that its files name, handlers too.
pub(super) fn tasks(play: &Play) -> Vec<&Task> {
    let sections = [&play.pre_tasks, &play.tasks, &play.post_tasks];
    let own = sections.into_iter().flatten().flat_map(Item::tasks);
    let of_roles = play.roles.iter().flat_map(|block| block.tasks());
    own.chain(of_roles).chain(&play.handlers).map(AsRef::as_ref).collect()
}
