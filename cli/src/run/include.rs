//! Brings in what `include_tasks` and `include_role` name, once for all hosts that include the same.

use super::inventory_vars::plain_node;
use super::layers::find_file;
use super::room::Room;
use crate::local_files::NoFile;
use crate::playbook::keyword::{Given, Keyword};
use crate::playbook::{Block, FileKind, Item, Role, RoleCall, Scope as Written, ScopeKind, Task};
use crate::template::{Value, text_of, to_json};
use crate::vars::{Data, Level, Scope, Vars};
use crate::yaml::{Mapping, Node};
use std::path::Path;
use std::sync::Arc;

/// What is included. Two hosts that want the same get the same tasks.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    task: Arc<Task>,
    /// The file, or the role's name.
    pub(crate) name: String,
    /// The variables of the loop.
    vars: Vec<(String, Value)>,
    /// The names of a role's files, rendered for the host.
    files: Vec<(&'static str, Option<String>)>,
}

/// What was brought in.
#[derive(Debug, Clone)]
pub(crate) struct Included {
    /// For the report.
    pub(crate) what: String,
    pub(crate) block: Arc<Block>,
    pub(crate) handlers: Vec<Arc<Task>>,
    /// The role that was included.
    pub(crate) role: Option<Arc<Role>>,
}

const ROLE_FILES: [&str; 7] = [
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "rolespec_validate",
    "public",
    "allow_duplicates",
];

impl Wanted {
    /// What a task asks for on one host.
    pub(crate) fn new(task: &Arc<Task>, name: &str, vars: &[(String, Value)], scope: &Scope) -> Self {
        let layer = vars.iter().fold(Vars::new(), |mut layer, (name, value)| {
            layer.set_plain(name, value.clone());
            layer
        });
        let scope = scope.with(Level::LoopVars, layer);
        let rendered = |key: &'static str| {
            let node = task.args.named.get(key)?;
            let value = scope.render_or_omit(&Data::of(node)).ok()?;
            Some((key, value.map(|value| text_of(&value))))
        };
        Self {
            task: task.clone(),
            name: name.to_owned(),
            vars: vars.to_vec(),
            files: ROLE_FILES.into_iter().filter_map(rendered).collect(),
        }
    }

    /// Whether another host wants the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let vars = |wanted: &Self| -> Vec<serde_json::Value> {
            wanted.vars.iter().map(|(_, value)| to_json(value)).collect()
        };
        Arc::ptr_eq(&self.task, &other.task)
            && self.name == other.name
            && self.files == other.files
            && vars(self) == vars(other)
    }

    /// What stands for the item of a loop in the report.
    pub(crate) fn label(&self) -> Option<String> {
        self.vars.first().map(|(_, value)| text_of(value))
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// The mistakes in it, as they would be shown before a run.
    pub(crate) fn load(&self, room: &Room) -> Result<Included, NoFile> {
        let task = self.task_with_vars();
        match task.module.bare() {
            "include_role" => self.role(room, &task).map_err(NoFile::Refused),
            _ => self.tasks(room, &task),
        }
    }

    fn tasks(&self, room: &Room, task: &Task) -> Result<Included, NoFile> {
        let kind = if task.is_handler { FileKind::Handlers } else { FileKind::Tasks };
        let files = room.store.files();
        let path = find_file(task, kind, &self.name, files)?;
        files.known(&path)?;
        let body = room.loader.tasks_file(&path, task).map_err(|mistakes| {
            let why = mistakes.render(false);
            // A text that cannot be read would fail every host; a file that is not there fails those that ask for it.
            if !mistakes.are_missing_files() {
                room.break_off(mistakes);
            }
            why
        })?;
        let what = absolute(&path);
        Ok(Included { what, block: block(task, body), handlers: Vec::new(), role: None })
    }

    fn role(&self, room: &Room, task: &Task) -> Result<Included, String> {
        let span = task.span();
        let mut call = RoleCall::of_args(&task.args, span).map_err(|mistake| mistake.render(false))?;
        call.name = Node::text(span, &self.name);
        for (key, name) in &self.files {
            let node = name.as_ref().map(|name| Node::text(span, name));
            match *key {
                "tasks_from" => call.tasks_from = node,
                "vars_from" => call.vars_from = node,
                "defaults_from" => call.defaults_from = node,
                "rolespec_validate" => call.rolespec_validate = node,
                "public" => call.public = node,
                "allow_duplicates" => call.allow_duplicates = name.as_deref().and_then(crate::yaml::boolean),
                _ => call.handlers_from = node,
            }
        }
        let included = room.loader.included_role(&call, task).map_err(|mistakes| mistakes.render(false))?;
        let body = included.blocks.into_iter().map(Item::Block).collect();
        Ok(Included {
            what: self.name.clone(),
            block: block(task, body),
            handlers: included.handlers,
            role: Some(included.role),
        })
    }

    /// The task with the variables of its loop among its `vars`, so that what it includes sees them.
    fn task_with_vars(&self) -> Task {
        let mut task = Task::clone(&self.task);
        if self.vars.is_empty() {
            return task;
        }
        let span = task.span().clone();
        let own: Mapping = self
            .vars
            .iter()
            .map(|(name, value)| (Node::text(&span, name), plain_node(value, &span)))
            .collect();
        let mut keywords = task.scope.keywords.clone();
        let written = keywords.get(Keyword::Vars).map(Node::one_or_many).unwrap_or_default().to_vec();
        let all = written.into_iter().chain([Node::map(&span, own)]).collect();
        keywords.set(Given { keyword: Keyword::Vars, key: span.clone(), value: Node::seq(&span, all) });
        task.scope = Arc::new(Written {
            kind: task.scope.kind,
            keywords,
            role: task.scope.role.clone(),
            parent: task.scope.parent.clone(),
            span,
        });
        task
    }
}

/// What is included stands together, so that `end_role` and failures find its end.
fn block(task: &Task, body: Vec<Item>) -> Arc<Block> {
    let scope = Written {
        kind: ScopeKind::Include,
        keywords: crate::playbook::keyword::Keywords::default(),
        role: None,
        parent: Some(task.scope.clone()),
        span: task.span().clone(),
    };
    Arc::new(Block { scope: Arc::new(scope), body, rescue: Vec::new(), always: Vec::new() })
}

fn absolute(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string()
}
