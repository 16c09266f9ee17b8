//! Which hosts there are, in which groups, with which variables.
//!
//! `load` reads the sources; `Inventory::select` and `Inventory::limit` answer host patterns; `VarsDir` reads the
//! `group_vars` and `host_vars` that lie beside an inventory or a playbook. How variables of different origin win
//! over each other is decided in `vars`.

mod address;
mod adjacent;
mod constructed;
mod generator;
mod group_names;
mod ini;
mod literal;
mod pattern;
mod plugin;
mod script;
mod source;
mod toml;
mod view;
mod words;
mod yaml;

pub(crate) use address::split_port;
pub(crate) use adjacent::{VarsDir, files_below};
pub(crate) use group_names::InvalidNames;
pub(crate) use pattern::HostOrder;
pub(crate) use source::{Tolerance, load};
pub(crate) use view::{Shown, graph, list};

use crate::error::Diagnostic;
use crate::source::Span;
use crate::vars::HashBehaviour;
use crate::yaml::{Kind, Node};
use indexmap::{IndexMap, IndexSet};
use std::path::PathBuf;

/// Variables by name, each with its place; a later source replaces an earlier one.
pub(crate) type Vars = IndexMap<String, Node>;

/// Names that stand for the controller itself where no inventory names them.
pub(crate) const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The hosts and groups of all inventory sources together.
#[derive(Debug, Clone)]
pub(crate) struct Inventory {
    pub(crate) hosts: IndexMap<String, Host>,
    /// `all` and `ungrouped` are always there, first.
    pub(crate) groups: IndexMap<String, Group>,
    /// The folders beside the sources, in the order of the sources, for `group_vars` and `host_vars`.
    pub(crate) vars_dirs: Vec<VarsDir>,
    /// What a mapping comes to that two sources define.
    hash_behaviour: HashBehaviour,
    /// The controller, for patterns that name it where no source does.
    implicit: Vec<Host>,
}

/// A host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// As written in inventory sources; those of `host_vars` are in `VarsDir`.
    pub(crate) vars: Vars,
    /// The groups that name it; `Inventory::groups_of` has all.
    pub(crate) groups: IndexSet<String>,
    /// Where it is first named; none for hosts that a task added.
    pub(crate) span: Option<Span>,
    /// The inventory source that names it first: the file or folder for `inventory_file` and `inventory_dir`.
    pub(crate) source: Option<PathBuf>,
    /// Whether no source names it: the controller as `localhost`.
    pub(crate) is_implicit: bool,
}

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// As written in inventory sources; those of `group_vars` are in `VarsDir`.
    pub(crate) vars: Vars,
    /// The hosts that it names itself.
    pub(crate) hosts: IndexSet<String>,
    pub(crate) children: IndexSet<String>,
    pub(crate) parents: IndexSet<String>,
    /// How many groups are above it at most: `all` has 0.
    pub(crate) depth: usize,
    /// `ansible_group_priority`: of groups of the same depth, the higher one wins.
    pub(crate) priority: i64,
    /// Where it is first named.
    pub(crate) span: Option<Span>,
}

/// Why one group cannot be the child of another: it is above it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupLoop;

impl Default for Inventory {
    fn default() -> Self {
        let mut inventory = Self {
            hosts: IndexMap::new(),
            groups: IndexMap::new(),
            vars_dirs: Vec::new(),
            hash_behaviour: HashBehaviour::default(),
            implicit: LOCALHOST.iter().map(|name| Host::implicit(name)).collect(),
        };
        inventory.add_group("all", None);
        inventory.add_group("ungrouped", None);
        inventory.reconcile();
        inventory
    }
}

impl Host {
    fn new(name: &str, span: Option<&Span>) -> Self {
        Self {
            name: name.to_owned(),
            vars: Vars::new(),
            groups: IndexSet::new(),
            span: span.cloned(),
            source: None,
            is_implicit: false,
        }
    }

    /// The controller itself: it is not reached over SSH.
    fn implicit(name: &str) -> Self {
        let mut host = Self { is_implicit: true, ..Self::new(name, None) };
        let span = Span::outside("the implicit localhost");
        host.vars.insert("ansible_connection".into(), Node::text(&span, "local"));
        let python = "{{ ansible_playbook_python }}";
        host.vars.insert("ansible_python_interpreter".into(), Node::text(&span, python));
        host
    }
}

impl Inventory {
    /// The host of that name. Where no source names the controller, its names are known all the same.
    pub(crate) fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name).or_else(|| self.implicit_host(name))
    }

    /// A name of the controller that no source has; a name of it that a source has stands for all of them.
    fn implicit_host(&self, name: &str) -> Option<&Host> {
        if !LOCALHOST.contains(&name) {
            return None;
        }
        let written = LOCALHOST.iter().find_map(|name| self.hosts.get(*name));
        written.or_else(|| self.implicit.iter().find(|host| host.name == name))
    }

    /// All groups that a host is in, weakest variables first: by depth, then priority, then name.
    pub(crate) fn groups_of(&self, host: &str) -> Vec<&Group> {
        let mut names: IndexSet<&str> = IndexSet::from(["all"]);
        let direct = self.host(host).into_iter().flat_map(|host| host.groups.iter());
        let mut open: Vec<&str> = direct.map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if names.insert(name) {
                open.extend(self.groups.get(name).iter().flat_map(|g| g.parents.iter().map(String::as_str)));
            }
        }
        let mut groups: Vec<&Group> = names.iter().filter_map(|name| self.groups.get(*name)).collect();
        groups.sort_by(|a, b| (a.depth, a.priority, &a.name).cmp(&(b.depth, b.priority, &b.name)));
        groups
    }

    /// The hosts of a group and of the groups below it, level by level, each once.
    pub(crate) fn hosts_of(&self, group: &str) -> IndexSet<&str> {
        let mut hosts = IndexSet::new();
        let mut seen: IndexSet<&str> = IndexSet::new();
        let mut level = vec![group];
        while !level.is_empty() {
            let groups: Vec<&Group> =
                level.iter().filter(|n| seen.insert(**n)).filter_map(|name| self.groups.get(*name)).collect();
            hosts.extend(groups.iter().flat_map(|group| group.hosts.iter().map(String::as_str)));
            level = groups.iter().flat_map(|group| group.children.iter().map(String::as_str)).collect();
        }
        if group == "all" {
            hosts.retain(|host| self.hosts.contains_key(*host));
        }
        hosts
    }

    /// Adds a group where it is not there yet.
    pub(crate) fn add_group(&mut self, name: &str, span: Option<&Span>) {
        self.groups.entry(name.to_owned()).or_insert_with(|| Group {
            name: name.to_owned(),
            vars: Vars::new(),
            hosts: IndexSet::new(),
            children: IndexSet::new(),
            parents: IndexSet::new(),
            depth: 0,
            priority: 1,
            span: span.cloned(),
        });
    }

    /// Adds a host where it is not there yet, and puts it in a group, which is added too. Call `reconcile` after
    /// the last change.
    pub(crate) fn add_host(&mut self, name: &str, group: &str, span: Option<&Span>) {
        self.hosts
            .entry(name.to_owned())
            .or_insert_with(|| Host::new(name, span))
            .groups
            .insert(group.to_owned());
        self.add_group(group, None);
        if let Some(group) = self.groups.get_mut(group) {
            group.hosts.insert(name.to_owned());
        }
    }

    /// Puts a host that is known in a group, which is added where it is not there yet. The localhost that no source
    /// names can be in groups, and is in none of `all` and `ungrouped` all the same. Call `reconcile` after the last change.
    pub(crate) fn add_member(&mut self, name: &str, group: &str) {
        if self.hosts.contains_key(name) {
            return self.add_host(name, group, None);
        }
        let Some(host) = self.implicit.iter_mut().find(|host| host.name == name) else { return };
        host.groups.insert(group.to_owned());
        self.add_group(group, None);
        if let Some(group) = self.groups.get_mut(group) {
            group.hosts.insert(name.to_owned());
        }
    }

    /// Puts a group below another; both are added where they are not there yet. Call `reconcile` after the last
    /// change.
    pub(crate) fn add_child(&mut self, parent: &str, child: &str) -> Result<(), GroupLoop> {
        if parent == child || self.is_below(parent, child) {
            return Err(GroupLoop);
        }
        self.add_group(parent, None);
        self.add_group(child, None);
        self.groups[parent].children.insert(child.to_owned());
        self.groups[child].parents.insert(parent.to_owned());
        Ok(())
    }

    fn is_below(&self, group: &str, above: &str) -> bool {
        let mut open = vec![group];
        let mut seen = IndexSet::new();
        while let Some(name) = open.pop() {
            if name == above {
                return true;
            }
            if seen.insert(name) {
                open.extend(self.groups.get(name).iter().flat_map(|g| g.parents.iter().map(String::as_str)));
            }
        }
        false
    }

    /// Sets a variable of a host that is there.
    pub(crate) fn set_host_var(&mut self, host: &str, name: &str, value: Node) {
        if let Some(host) = self.hosts.get_mut(host) {
            self.hash_behaviour.set(&mut host.vars, name, value);
        }
    }

    /// Sets a variable of a group that is there. `ansible_group_priority` is taken as what it says.
    pub(crate) fn set_group_var(&mut self, group: &str, name: &str, value: Node) -> Result<(), Diagnostic> {
        let Some(group) = self.groups.get_mut(group) else { return Ok(()) };
        if name != "ansible_group_priority" {
            self.hash_behaviour.set(&mut group.vars, name, value);
            return Ok(());
        }
        let number = match &value.kind {
            Kind::Int(number) => i64::try_from(*number).ok(),
            Kind::Str(text) => text.trim().parse().ok(),
            _ => None,
        };
        group.priority = number.ok_or_else(|| {
            Diagnostic::error("`ansible_group_priority` is not a whole number").at(&value.span, "")
        })?;
        Ok(())
    }

    /// Makes the rules hold again after changes: every group is below `all`, every host that no group names is in
    /// `ungrouped`, and the depths are right.
    pub(crate) fn reconcile(&mut self) {
        let orphans: Vec<String> = self
            .groups
            .values()
            .filter(|group| group.parents.is_empty() && group.name != "all")
            .map(|group| group.name.clone())
            .collect();
        // `ungrouped` is the first child of `all`.
        for name in orphans {
            self.groups["all"].children.insert(name.clone());
            self.groups[&name].parents.insert("all".into());
        }
        for host in self.hosts.values_mut() {
            let is_grouped = host.groups.iter().any(|group| group != "all" && group != "ungrouped");
            if is_grouped {
                host.groups.shift_remove("ungrouped");
                self.groups["ungrouped"].hosts.shift_remove(&host.name);
            } else {
                host.groups.insert("ungrouped".into());
                self.groups["ungrouped"].hosts.insert(host.name.clone());
            }
        }
        self.set_depths();
    }

    fn set_depths(&mut self) {
        for group in self.groups.values_mut() {
            group.depth = 0;
        }
        let mut level: IndexSet<String> = IndexSet::from(["all".to_owned()]);
        let mut depth = 0;
        // There are no loops, so the longest path has as many levels as there are groups at most.
        while !level.is_empty() {
            for name in &level {
                self.groups[name].depth = depth;
            }
            level = level.iter().flat_map(|name| self.groups[name].children.iter().cloned()).collect();
            depth += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(groups: &[&Group]) -> Vec<String> {
        groups.iter().map(|group| group.name.clone()).collect()
    }

    #[test]
    fn groups_of_a_host_come_by_depth_then_priority_then_name() {
        let mut inventory = Inventory::default();
        inventory.add_host("n1", "web", None);
        inventory.add_host("n1", "east", None);
        inventory.add_host("n1", "canary", None);
        inventory.add_child("site", "web").unwrap();
        inventory.groups["canary"].priority = 5;
        inventory.reconcile();
        assert_eq!(names(&inventory.groups_of("n1")), ["all", "east", "site", "canary", "web"]);
    }

    #[test]
    fn a_group_above_cannot_be_put_below() {
        let mut inventory = Inventory::default();
        inventory.add_child("a", "b").unwrap();
        inventory.add_child("b", "c").unwrap();
        assert_eq!(inventory.add_child("c", "a"), Err(GroupLoop));
    }

    #[test]
    fn a_host_leaves_ungrouped_when_a_group_names_it() {
        let mut inventory = Inventory::default();
        inventory.add_host("n1", "ungrouped", None);
        inventory.reconcile();
        assert_eq!(names(&inventory.groups_of("n1")), ["all", "ungrouped"]);
        inventory.add_host("n1", "web", None);
        inventory.reconcile();
        assert_eq!(names(&inventory.groups_of("n1")), ["all", "web"]);
    }

    #[test]
    fn localhost_is_known_without_being_listed() {
        let inventory = Inventory::default();
        assert!(inventory.host("127.0.0.1").is_some_and(|host| host.is_implicit));
        assert!(inventory.hosts_of("all").is_empty());
        assert!(inventory.host("n1").is_none());
    }

    #[test]
    fn localhost_that_no_source_names_joins_a_group_and_not_all() {
        let mut inventory = Inventory::default();
        inventory.add_member("localhost", "os_debian");
        inventory.add_member("n1", "os_debian");
        inventory.reconcile();
        assert_eq!(inventory.hosts_of("os_debian"), IndexSet::from(["localhost"]));
        assert!(inventory.hosts_of("all").is_empty());
        assert_eq!(names(&inventory.groups_of("localhost")), ["all", "os_debian"]);
        let selected = inventory.select(["os_debian"]).unwrap();
        assert_eq!(selected.hosts, IndexSet::from(["localhost".to_owned()]));
    }
}
