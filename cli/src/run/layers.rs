//! The variables that a task sees besides those of its host: from its play, its roles, blocks and includes.

use crate::local_files::{LocalFiles, NoFile};
use crate::playbook::keyword::Keyword;
use crate::playbook::{self, FileKind, Item, Play, Role, Scope as Written, ScopeKind, Task};
use crate::vars::{Level, RoleInfo, Vars};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Definitions with their level; within a level the last one wins.
pub(crate) type Layers = Vec<(Level, Arc<Vars>)>;

/// What one task sees besides the variables of its host.
#[derive(Debug, Clone)]
pub(crate) struct OfTask {
    pub(crate) layers: Layers,
    pub(crate) role: Option<Arc<RoleInfo>>,
    /// Folders to find files in, the nearest first.
    pub(crate) search: Arc<[PathBuf]>,
}

/// A task and what it sees.
type Kept = (Arc<Task>, Arc<OfTask>);

/// Keeps what was put together for a task: every host asks for the same.
#[derive(Debug, Default)]
pub(crate) struct LayerBook {
    /// With the task, so that its address is not given to another one.
    by_task: Mutex<HashMap<usize, Kept>>,
    /// Roles whose variables all tasks see: those of `roles:` and `import_role`, and includes that say `public`.
    exported: Mutex<Vec<Arc<Role>>>,
}

impl LayerBook {
    /// For a play: the variables of its roles can be seen by all its tasks.
    ///
    /// `are_private` is the setting that keeps the variables of a role to itself.
    pub(crate) fn of(play: &Play, are_private: bool) -> Self {
        let sections = [&play.pre_tasks, &play.tasks, &play.post_tasks];
        let of_roles = play.roles.iter().flat_map(|block| block.tasks());
        let imported = sections.into_iter().flatten().flat_map(Item::tasks);
        let imported = of_roles.chain(imported).filter_map(|task| task.role().cloned());
        let mut roles: Vec<Arc<Role>> = Vec::new();
        for role in play.roles.iter().filter_map(|block| block.scope.role.clone()).chain(imported) {
            let is_seen = role.is_public.unwrap_or(!are_private);
            if is_seen && !roles.iter().any(|known| Arc::ptr_eq(known, &role)) {
                roles.push(role);
            }
        }
        Self { by_task: Mutex::default(), exported: Mutex::new(roles) }
    }

    /// A role was included whose variables stay visible.
    pub(crate) fn export(&self, role: &Arc<Role>) {
        self.exported.lock().unwrap_or_else(PoisonError::into_inner).push(role.clone());
        self.by_task.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What a task sees.
    pub(crate) fn task(&self, task: &Arc<Task>, playbook_dir: &Path) -> Arc<OfTask> {
        let key = Arc::as_ptr(task) as usize;
        let known = self
            .by_task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .map(|(_, known)| known.clone());
        known.unwrap_or_else(|| {
            let exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let made = Arc::new(put_together(task, &exported, playbook_dir));
            self.by_task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, (task.clone(), made.clone()));
            made
        })
    }
}

fn put_together(task: &Task, exported: &[Arc<Role>], playbook_dir: &Path) -> OfTask {
    let mut layers = Layers::new();
    if let Some(connection) = task.keyword(Keyword::Connection).filter(|node| !node.has_template()) {
        let mut vars = Vars::new();
        vars.set_plain("ansible_connection", connection.key_text().as_ref().into());
        add(&mut layers, Level::RoleDefaults, vars);
    }
    for role in exported {
        add(&mut layers, Level::RoleDefaults, Vars::from(&role.defaults));
        add(&mut layers, Level::RoleVars, Vars::from(&role.vars));
    }
    let role = task.role();
    if let Some(role) = role {
        // A role sees what those that pulled it in have, over that what its dependencies have, over both its own.
        let is_dependency =
            |other: &&Arc<Role>| other.pulled_in_by.iter().any(|parent| Arc::ptr_eq(parent, role));
        let dependencies = exported.iter().filter(is_dependency);
        for dependency in dependencies.clone() {
            add(&mut layers, Level::RoleDefaults, Vars::from(&dependency.defaults));
        }
        for role in &role.pulled_in_by {
            add(&mut layers, Level::RoleDefaults, Vars::from(&role.defaults));
            add(&mut layers, Level::RoleVars, Vars::from(&role.vars));
            add(&mut layers, Level::RoleParams, Vars::from(&role.params));
        }
        for dependency in dependencies {
            add(&mut layers, Level::RoleVars, Vars::from(&dependency.vars));
        }
        add(&mut layers, Level::RoleDefaults, Vars::from(&role.defaults));
        add(&mut layers, Level::RoleVars, Vars::from(&role.vars));
        add(&mut layers, Level::RoleParams, Vars::from(&role.params));
    }
    let inside = task.scope.outer().take_while(|scope| scope.kind != ScopeKind::Play);
    let scopes: Vec<&Written> = inside.collect();
    for scope in scopes.into_iter().rev() {
        let own: Vec<_> = scope.own_vars().collect();
        for vars in own.into_iter().rev() {
            add(&mut layers, level(scope.kind), Vars::from(vars));
        }
    }
    OfTask {
        layers,
        role: role.map(|role| Arc::new(role_info(role))),
        search: search(task, playbook_dir).into(),
    }
}

fn add(layers: &mut Layers, level: Level, vars: Vars) {
    if !vars.is_empty() {
        layers.push((level, Arc::new(vars)));
    }
}

fn level(kind: ScopeKind) -> Level {
    match kind {
        ScopeKind::Play => Level::PlayVars,
        ScopeKind::Role | ScopeKind::Block | ScopeKind::Import => Level::BlockVars,
        ScopeKind::Include => Level::IncludeParams,
        ScopeKind::Task => Level::TaskVars,
    }
}

/// What a role says about itself to its tasks.
pub(super) fn role_info(role: &Role) -> RoleInfo {
    let name = role.name.rsplit('.').next().unwrap_or(&role.name);
    RoleInfo {
        name: name.to_owned(),
        full_name: role.name.clone(),
        path: role.path.clone(),
        parents: role
            .pulled_in_by
            .iter()
            .rev()
            .map(|parent| (parent.name.clone(), parent.path.clone()))
            .collect(),
    }
}

/// The role, the roles that pulled it in, the folder of the task's file, the folder of the playbook.
fn search(task: &Task, playbook_dir: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(role) = task.role() {
        folders.push(role.path.clone());
        folders.extend(role.pulled_in_by.iter().rev().map(|parent| parent.path.clone()));
    }
    if let Some(folder) = task.span().file().path().parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        folders.push(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
    }
    folders.push(playbook_dir.to_owned());
    let absolute = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
    let mut seen = std::collections::HashSet::new();
    folders.into_iter().map(absolute).filter(|folder| seen.insert(folder.clone())).collect()
}

/// A file of the controller that a task names.
///
/// # Errors
///
/// A sentence with the places that were looked at; in a dry run, why it may be there all the same.
pub(crate) fn find_file(
    task: &Task,
    kind: FileKind,
    name: &str,
    files: &LocalFiles,
) -> Result<PathBuf, NoFile> {
    let places = playbook::places_of(&task.scope, kind, name);
    for path in &places {
        if files.exists(path).map_err(|why| why.of(path))? {
            return Ok(path.clone());
        }
    }
    let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let missing = format!("there is no `{name}` on the controller: looked for {}", places.join(", "));
    Err(match files.doubt() {
        Some(why) => NoFile::Unknown(format!("{missing}; {why}")),
        None => NoFile::Refused(missing),
    })
}
