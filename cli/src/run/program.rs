//! What the hosts of a play walk through: facts first, then the sections, with handlers after each.

use super::cursor::{Entry, Program};
use super::room::Gathering;
use crate::playbook::keyword::{Given, Keyword, Keywords};
use crate::playbook::{Args, Item, ModuleName, Play, Scope, ScopeKind, Task};
use crate::yaml::{Mapping, Node};
use std::sync::Arc;

/// The program of a play.
pub(crate) fn program(play: &Play, gathers: bool, force_handlers: bool) -> Program {
    let mut entries = Vec::new();
    if gathers {
        entries.push(Entry::Item(Item::Task(Arc::new(setup(play)))));
    }
    let item = |item: &Item| Entry::Item(item.clone());
    entries.extend(play.pre_tasks.iter().map(item));
    entries.push(Entry::Flush);
    entries.extend(play.roles.iter().map(|block| Entry::Item(Item::Block(Arc::new(block.clone())))));
    entries.extend(play.tasks.iter().map(item));
    entries.push(Entry::Flush);
    entries.extend(play.post_tasks.iter().map(item));
    entries.push(Entry::Flush);
    Program { entries, force_handlers }
}

/// Whether a play gathers facts of hosts; `are_known` says whether it has those of all of them.
pub(crate) fn gathers(play: &Play, gathering: Gathering, are_known: bool) -> bool {
    let written = play.scope.keywords.get(Keyword::GatherFacts).and_then(Node::truth);
    match (written, gathering) {
        (Some(written), _) => written,
        (None, Gathering::Implicit) => true,
        (None, Gathering::Explicit) => false,
        (None, Gathering::Smart) => !are_known,
    }
}

/// The task that gathers facts.
fn setup(play: &Play) -> Task {
    let span = &play.span;
    let mut keywords = Keywords::default();
    let mut set = |keyword, value| keywords.set(Given { keyword, key: span.clone(), value });
    set(Keyword::Name, Node::text(span, "Gathering Facts"));
    set(Keyword::Tags, Node::text(span, "always"));
    let scope = Scope {
        kind: ScopeKind::Task,
        keywords,
        role: None,
        parent: Some(play.scope.clone()),
        span: span.clone(),
    };
    let mut named = Mapping::default();
    for (keyword, argument) in [
        (Keyword::GatherSubset, "gather_subset"),
        (Keyword::GatherTimeout, "gather_timeout"),
        (Keyword::FactPath, "fact_path"),
    ] {
        if let Some(value) = play.scope.keywords.get(keyword) {
            named.insert(Node::text(span, argument), value.clone());
        }
    }
    Task {
        scope: Arc::new(scope),
        module: ModuleName(Node::text(span, "ansible.builtin.setup")),
        args: Args { named, ..Args::default() },
        own_module: None,
        loop_over: None,
        is_handler: false,
    }
}
