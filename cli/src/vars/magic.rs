//! Ansible's magic variables: what a play, its hosts and the command line say about themselves.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use super::Scope;
use super::scope::{ScopeData, WeakScope};
use crate::settings::Settings;
use crate::template::{omit, unknown};

/// The release of ansible-core whose behaviour is followed, for playbooks that ask `ansible_version`.
const VERSION: (i64, i64, i64) = (2, 19, 0);

/// What a play says about itself and the run that it is in.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlayInfo {
    /// `ansible_play_name`
    pub(crate) name: String,
    /// `playbook_dir`
    pub(crate) playbook_dir: PathBuf,
    /// `groups`: every group with its hosts, `all` and `ungrouped` included.
    pub(crate) groups: Arc<IndexMap<String, Vec<String>>>,
    /// All that the pattern of the play matches, whatever `--limit` says.
    pub(crate) hosts_named: Arc<Vec<String>>,
    /// `ansible_play_hosts_all`: the hosts that the play was meant for.
    pub(crate) hosts_all: Arc<Vec<String>>,
    /// `ansible_play_hosts`: those that have not failed.
    pub(crate) hosts: Arc<Vec<String>>,
    /// `ansible_play_batch`: those of the running batch (`serial`).
    pub(crate) batch: Arc<Vec<String>>,
    /// `ansible_check_mode`
    pub(crate) check_mode: bool,
    /// `ansible_diff_mode`
    pub(crate) diff_mode: bool,
    /// `ansible_forks`
    pub(crate) forks: usize,
    /// `ansible_verbosity`
    pub(crate) verbosity: u8,
    /// `ansible_limit`
    pub(crate) limit: Option<String>,
    /// `ansible_run_tags`
    pub(crate) run_tags: Vec<String>,
    /// `ansible_skip_tags`
    pub(crate) skip_tags: Vec<String>,
    /// `ansible_inventory_sources`
    pub(crate) inventory_sources: Vec<String>,
    /// What the lookup `config` and `ansible_config_file` look at.
    pub(crate) settings: Arc<Settings>,
    /// `ansible_play_role_names`: the roles of the play, without those that they depend on.
    pub(crate) role_names: Vec<String>,
    /// `ansible_dependent_role_names`
    pub(crate) dependent_role_names: Vec<String>,
    /// The name of its file and its own, by which hosts note its due handlers.
    pub(crate) place: String,
    /// Its tasks are only looked at before their turn: what has effects outside of the variables is refused.
    pub(crate) is_ahead: bool,
    /// Whether this is a plan, which cannot know what is drawn by lot when it is applied.
    pub(crate) is_plan: bool,
    /// Their turn is next: a password that is kept from then on may be made already.
    pub(crate) keeps_passwords: bool,
}

/// What a role says about itself to its tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoleInfo {
    /// `role_name`
    pub(crate) name: String,
    /// `ansible_role_name`: with its collection, if it has one.
    pub(crate) full_name: String,
    /// `role_path`
    pub(crate) path: PathBuf,
    /// `ansible_parent_role_names` and `ansible_parent_role_paths`, the nearest first.
    pub(crate) parents: Vec<(String, PathBuf)>,
}

/// The names that [`lookup`] knows.
pub(crate) const NAMES: &[&str] = &[
    "ansible_check_mode",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_parent_role_names",
    "ansible_parent_role_paths",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_name",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_search_path",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "vars",
];

fn list<S: AsRef<str>>(items: &[S]) -> Value {
    items.iter().map(|item| Value::from(item.as_ref())).collect::<Vec<_>>().into()
}

fn path(path: &std::path::Path) -> Value {
    Value::from(path.to_string_lossy().as_ref())
}

/// A magic variable. They win over every definition of the same name.
pub(super) fn lookup(scope: &Scope, name: &str) -> Option<Value> {
    let data: &ScopeData = scope.data();
    let play = &data.play;
    Some(match name {
        "omit" => omit(),
        "groups" => groups(play),
        "hostvars" => Value::from_object(AllHostVars(scope.downgrade())),
        "vars" => Value::from_object(Itself(scope.downgrade())),
        "playbook_dir" => path(&play.playbook_dir),
        "ansible_play_name" => Value::from(play.name.as_str()),
        "play_hosts" | "ansible_play_batch" => list(&play.batch),
        "ansible_play_hosts" => list(&play.hosts),
        "ansible_play_hosts_all" => list(&play.hosts_all),
        "ansible_check_mode" => Value::from(play.check_mode),
        "ansible_diff_mode" => Value::from(play.diff_mode),
        "ansible_forks" => Value::from(play.forks),
        "ansible_verbosity" => Value::from(play.verbosity),
        "ansible_limit" => Value::from(play.limit.as_deref()?),
        "ansible_run_tags" => list(&play.run_tags),
        "ansible_skip_tags" => list(&play.skip_tags),
        "ansible_inventory_sources" => list(&play.inventory_sources),
        "ansible_config_file" => play.settings.file.as_deref().map_or(Value::from(()), path),
        "ansible_play_role_names" | "role_names" => list(&play.role_names),
        "ansible_dependent_role_names" => list(&play.dependent_role_names),
        "ansible_role_names" => {
            let both = play.role_names.iter().chain(&play.dependent_role_names);
            list(&both.collect::<Vec<_>>())
        }
        "ansible_search_path" => {
            list(&data.search.iter().map(|dir| dir.to_string_lossy()).collect::<Vec<_>>())
        }
        "ansible_playbook_python" => Value::from(python_here()),
        "ansible_version" => version(),
        "ansible_facts" if data.store.are_facts_unknown() => {
            Value::from_object(SomeFacts(bare_facts(&data.host_vars.facts)))
        }
        "ansible_facts" => bare_facts(&data.host_vars.facts),
        _ => return of_host(scope, name).or_else(|| of_role(scope, name)),
    })
}

/// Python on this machine, for playbooks that call it; muster itself has none.
fn python_here() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("python3"));
    let found = programs.find(|program| program.is_file());
    found.map_or_else(|| "/usr/bin/python3".to_owned(), |program| program.to_string_lossy().into_owned())
}

fn of_host(scope: &Scope, name: &str) -> Option<Value> {
    let data = scope.data();
    let host = data.host.as_deref()?;
    Some(match name {
        "inventory_hostname" => Value::from(host),
        "inventory_hostname_short" => Value::from(host.split('.').next().unwrap_or(host)),
        "group_names" => list(&data.host_vars.group_names),
        "inventory_dir" => Value::from(data.host_vars.inventory_dir.as_deref()?),
        "inventory_file" => Value::from(data.host_vars.inventory_file.as_deref()?),
        _ => return None,
    })
}

fn of_role(scope: &Scope, name: &str) -> Option<Value> {
    let role = scope.data().role.as_deref()?;
    Some(match name {
        "role_name" => Value::from(role.name.as_str()),
        "ansible_role_name" => Value::from(role.full_name.as_str()),
        "role_path" => path(&std::path::absolute(&role.path).unwrap_or_else(|_| role.path.clone())),
        "ansible_parent_role_names" if !role.parents.is_empty() => {
            list(&role.parents.iter().map(|(name, _)| name).collect::<Vec<_>>())
        }
        "ansible_parent_role_paths" if !role.parents.is_empty() => {
            role.parents.iter().map(|(_, folder)| path(folder)).collect::<Vec<_>>().into()
        }
        _ => return None,
    })
}

fn groups(play: &PlayInfo) -> Value {
    Value::from_pairs(play.groups.iter().map(|(name, hosts)| (name.as_str(), list(hosts))))
}

/// Facts without the `ansible_` of their variables.
fn bare_facts(facts: &IndexMap<String, Value>) -> Value {
    let mut bare: IndexMap<&str, Value> = IndexMap::with_capacity(facts.len());
    for (name, value) in facts {
        bare.insert(name.strip_prefix("ansible_").unwrap_or(name), value.clone());
        // As in Ansible, local facts are there under both names.
        if name == "ansible_local" {
            bare.insert(name, value.clone());
        }
    }
    Value::from_pairs(bare)
}

/// The facts of a host that is not asked: those that are given; any other is not known.
#[derive(Debug)]
struct SomeFacts(Value);

impl Object for SomeFacts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let known = self.0.get_item(key).ok().filter(|value| !value.is_undefined());
        Some(known.unwrap_or_else(|| unknown(&format!("the fact `{key}` of the host"))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.try_iter().into_iter().flatten().collect())
    }
}

fn version() -> Value {
    let (major, minor, revision) = VERSION;
    let full = format!("{major}.{minor}.{revision}");
    Value::from_pairs([
        ("full", Value::from(full.as_str())),
        ("major", Value::from(major)),
        ("minor", Value::from(minor)),
        ("revision", Value::from(revision)),
        ("string", Value::from(full.as_str())),
    ])
}

/// `hostvars`: the variables of every host, each templated with that host's own.
///
/// Weak, as is [`Itself`]: a variable may hold it, and a scope keeps its variables.
#[derive(Debug)]
struct AllHostVars(WeakScope);

impl Object for AllHostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.0.upgrade().ok()?.of_host(key.as_str()?)?.context())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let hosts = self.0.upgrade().map(|scope| scope.data().store.hosts()).unwrap_or_default();
        Enumerator::Values(hosts.iter().map(|name| Value::from(&**name)).collect())
    }
}

/// `vars`: the variables by name.
#[derive(Debug)]
struct Itself(WeakScope);

impl Object for Itself {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.upgrade().ok()?.context().get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.upgrade().map(|scope| scope.all_names()).unwrap_or_default();
        let listed = names.into_iter().filter(|name| !matches!(name.as_str(), "vars" | "hostvars" | "omit"));
        Enumerator::Values(listed.map(Value::from).collect())
    }
}
