//! A playbook as typed plays, blocks and tasks. Every value keeps its place; templates are not rendered.
//!
//! `Loader` reads the files; what it returns is complete: imports are expanded, roles with their dependencies
//! are in place. Only `include_tasks` and `include_role` stay tasks: the run loads them with
//! `Loader::tasks_file` and `Loader::included_role` when it gets there. Each task knows the `Scope` that it
//! stands in, so that any task can be looked at alone.

mod args;
mod block;
mod check;
pub(crate) mod elsewhere;
pub(crate) mod keyword;
mod library;
mod load;
mod module;
mod play;
mod role;
mod rolling;
mod search;
mod shape;
mod shipped;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use args::split_arguments;
pub(crate) use check::{may_fail, missing_handler};
pub(crate) use library::Library;
#[cfg(test)]
pub(crate) use load::NoTemplates;
pub(crate) use load::{EarlyNames, Loader};
pub(crate) use module::is_known as is_module;
pub(crate) use role::RoleCall;
pub(crate) use rolling::Terms as RollingTerms;
pub(crate) use search::{Found, Kind as FileKind, find_file, places_of};

use crate::source::Span;
use crate::yaml::{Mapping, Node};
use keyword::{Keyword, Keywords, Reach};
use std::path::PathBuf;
use std::sync::Arc;

/// The plays of a playbook file, those of imported playbooks among them.
#[derive(Debug)]
pub(crate) struct Playbook {
    /// The file.
    pub(crate) path: PathBuf,
    /// In the order of execution.
    pub(crate) plays: Vec<Play>,
}

/// A play.
#[derive(Debug)]
pub(crate) struct Play {
    /// The keywords of the play; the outermost scope of its tasks.
    pub(crate) scope: Arc<Scope>,
    /// The host pattern, or a list of them, maybe a template.
    pub(crate) hosts: Node,
    /// `vars` of the play, and of the `import_playbook` that brought it in.
    pub(crate) vars: Mapping,
    /// Files of variables; an entry that is a list names alternatives, of which the first that exists counts.
    pub(crate) vars_files: Vec<Node>,
    /// Variables to ask for.
    pub(crate) vars_prompt: Vec<Prompt>,
    /// What runs before the roles.
    pub(crate) pre_tasks: Vec<Item>,
    /// One block for each role, dependencies first.
    pub(crate) roles: Vec<Block>,
    /// The tasks.
    pub(crate) tasks: Vec<Item>,
    /// What runs last.
    pub(crate) post_tasks: Vec<Item>,
    /// The handlers of its roles, then those of the play. Of two with the same name the last one counts.
    pub(crate) handlers: Vec<Arc<Task>>,
    /// The file that the play is written in.
    pub(crate) path: PathBuf,
    /// From its first line.
    pub(crate) span: Span,
}

/// A variable that the user is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Prompt {
    pub(crate) name: Node,
    pub(crate) prompt: Option<Node>,
    pub(crate) default: Option<Node>,
    /// Whether the answer is hidden while it is typed; it is unless the playbook says otherwise.
    pub(crate) private: bool,
    pub(crate) confirm: bool,
    pub(crate) encrypt: Option<Node>,
    pub(crate) salt_size: Option<Node>,
    pub(crate) salt: Option<Node>,
    pub(crate) is_unsafe: bool,
}

/// A task or a block of them.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Task(Arc<Task>),
    Block(Arc<Block>),
}

/// Tasks with common keywords; also what an import or a role becomes.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) scope: Arc<Scope>,
    pub(crate) body: Vec<Item>,
    pub(crate) rescue: Vec<Item>,
    pub(crate) always: Vec<Item>,
}

/// A task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// The task's own keywords, and what it stands in.
    pub(crate) scope: Arc<Scope>,
    /// The module, or one of `include_tasks`, `include_role` and `meta`.
    pub(crate) module: ModuleName,
    /// What the module is told.
    pub(crate) args: Args,
    /// The file of the module, where it is one of the user's.
    pub(crate) own_module: Option<std::path::PathBuf>,
    /// `loop` or `with_…`.
    pub(crate) loop_over: Option<Loop>,
    /// Whether it stands among handlers.
    pub(crate) is_handler: bool,
}

/// The name of a module as it is written.
#[derive(Debug, Clone)]
pub(crate) struct ModuleName(pub(crate) Node);

/// The arguments of a task, not rendered. Named ones win over those of `template`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args {
    /// The free text of `command: echo hi`.
    pub(crate) free_form: Option<Node>,
    /// The named arguments, from the module's own mapping, from `key=value` text and from `args:`.
    pub(crate) named: Mapping,
    /// A template that gives a whole mapping of arguments (`args: "{{ options }}"`).
    pub(crate) template: Option<Node>,
}

/// What a task is repeated for.
#[derive(Debug, Clone)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    /// The list, or what the lookup is asked for.
    pub(crate) over: Node,
    /// The value of `loop_control`, its keys checked: `loop_var`, `index_var`, `label`, `pause`, `extended`,
    /// `extended_allitems`, `break_when`.
    pub(crate) control: Mapping,
}

/// How a task is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoopKind {
    /// `loop:` a list.
    Loop,
    /// `with_NAME:` what lookup NAME gives.
    With(String),
}

/// Keywords, and what they stand in. Scopes form a chain from a task to its play.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) kind: ScopeKind,
    pub(crate) keywords: Keywords,
    /// The role that the tasks are part of: for its variables and its files.
    pub(crate) role: Option<Arc<Role>>,
    pub(crate) parent: Option<Arc<Self>>,
    /// The whole entry in the file.
    pub(crate) span: Span,
}

/// What the keywords of a scope were written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScopeKind {
    Play,
    /// An entry of `roles:`, a dependency, or `import_role`.
    Role,
    Block,
    /// `import_tasks` or `import_playbook`: its keywords count for what it imports.
    Import,
    /// `include_tasks` or `include_role`: only its `vars` count for what it includes.
    Include,
    Task,
}

/// A role as loaded for one use of it.
#[derive(Debug)]
pub(crate) struct Role {
    /// As it is written: `web` or `company.base.web`.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) path: PathBuf,
    /// Parameters: the keys of a role entry that are no keywords. They win over most variables.
    pub(crate) params: Mapping,
    /// `defaults/main.yml`, the weakest variables.
    pub(crate) defaults: Mapping,
    /// `vars/main.yml`.
    pub(crate) vars: Mapping,
    /// What `meta/` says.
    pub(crate) meta: RoleMeta,
    /// Whether an include or import asked that variables stay visible to later tasks.
    pub(crate) is_public: Option<bool>,
    /// The same for two uses of a role that differ in nothing: the second is skipped unless duplicates are allowed.
    pub(crate) identity: String,
    /// The roles that this one was pulled in by, the outermost first.
    pub(crate) pulled_in_by: Vec<Arc<Self>>,
}

/// What a role says about itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoleMeta {
    pub(crate) allow_duplicates: bool,
    /// Entries as in `roles:`.
    pub(crate) dependencies: Vec<Node>,
    /// By entry point (`main`).
    pub(crate) argument_specs: Mapping,
}

impl Scope {
    /// The value that counts here: own, or of the nearest outer scope that passes it on.
    pub(crate) fn nearest(&self, keyword: Keyword) -> Option<&Node> {
        self.keywords.get(keyword).or_else(|| match keyword.reach() {
            Reach::Own => None,
            Reach::Nearest | Reach::Together => {
                self.outer().skip(1).filter(|scope| scope.passes_on()).find_map(|s| s.keywords.get(keyword))
            }
        })
    }

    /// All values that count here together, the outermost first.
    pub(crate) fn all(&self, keyword: Keyword) -> Vec<&Node> {
        let passing = self.outer().skip(1).filter(|scope| scope.passes_on());
        let mut values: Vec<&Node> =
            std::iter::once(self).chain(passing).filter_map(|scope| scope.keywords.get(keyword)).collect();
        values.reverse();
        values
    }

    /// The single values of all lists that count here (`when`, `tags`), the outermost first.
    pub(crate) fn each(&self, keyword: Keyword) -> Vec<&Node> {
        self.all(keyword).into_iter().flat_map(Node::one_or_many).collect()
    }

    /// The `vars` of this and all outer scopes up to but not with the play, the outermost first. Unlike other
    /// keywords those of an include count too.
    #[cfg(test)]
    pub(crate) fn vars(&self) -> Vec<&Mapping> {
        let inside = self.outer().take_while(|scope| scope.kind != ScopeKind::Play);
        let mut layers: Vec<&Mapping> = inside.flat_map(Self::own_vars).collect();
        layers.reverse();
        layers
    }

    /// The `vars` written here.
    pub(crate) fn own_vars(&self) -> impl Iterator<Item = &Mapping> {
        let vars = self.keywords.get(Keyword::Vars);
        vars.into_iter().flat_map(Node::one_or_many).rev().filter_map(Node::as_map)
    }

    /// This scope and those around it, the innermost first.
    pub(crate) fn outer(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |scope| scope.parent.as_deref())
    }

    /// The scope here or around it that this keyword is written on.
    pub(crate) fn holder(self: &Arc<Self>, keyword: Keyword) -> Option<&Arc<Self>> {
        std::iter::successors(Some(self), |scope| scope.parent.as_ref())
            .find(|scope| scope.keywords.get(keyword).is_some())
    }

    /// Whether this stands in `outer`, or is it.
    pub(crate) fn is_in(&self, outer: &Self) -> bool {
        self.outer().any(|scope| std::ptr::eq(scope, outer))
    }

    fn passes_on(&self) -> bool {
        self.kind != ScopeKind::Include
    }
}

impl Task {
    /// The name as written, a template maybe.
    pub(crate) fn name(&self) -> Option<&Node> {
        self.scope.keywords.get(Keyword::Name)
    }

    /// A keyword of the task or of what it stands in; see `Scope::nearest`.
    pub(crate) fn keyword(&self, keyword: Keyword) -> Option<&Node> {
        self.scope.nearest(keyword)
    }

    /// The role that the task is part of.
    pub(crate) fn role(&self) -> Option<&Arc<Role>> {
        self.scope.role.as_ref()
    }

    /// The whole task in its file.
    pub(crate) fn span(&self) -> &Span {
        &self.scope.span
    }
}

impl ModuleName {
    /// As it is written.
    pub(crate) fn written(&self) -> &str {
        self.0.as_str().unwrap_or("")
    }

    /// Without `ansible.builtin.` or `ansible.legacy.`.
    pub(crate) fn bare(&self) -> &str {
        let written = self.written();
        let bare =
            written.strip_prefix("ansible.builtin.").or_else(|| written.strip_prefix("ansible.legacy."));
        bare.unwrap_or(written)
    }

    /// Whether the name is only known once it is rendered.
    pub(crate) fn is_template(&self) -> bool {
        self.0.has_template()
    }
}

impl Item {
    /// All tasks in it, in the order of the file.
    pub(crate) fn tasks(&self) -> Vec<&Arc<Task>> {
        match self {
            Self::Task(task) => vec![task],
            Self::Block(block) => block.tasks(),
        }
    }
}

impl Block {
    /// All tasks in it, those of `rescue` and `always` last.
    pub(crate) fn tasks(&self) -> Vec<&Arc<Task>> {
        let items = self.body.iter().chain(&self.rescue).chain(&self.always);
        items.flat_map(Item::tasks).collect()
    }
}
