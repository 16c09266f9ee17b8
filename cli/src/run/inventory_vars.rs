//! The inventory's hosts with their variables, as templates see them: sources, `group_vars` and `host_vars`, each at
//! its level.

use crate::error::{Diagnostics, Result};
use crate::inventory::{Host, Inventory, LOCALHOST, VarsDir};
use crate::load::Reader;
use crate::template::Value;
use crate::vars::{HostVars, Level, Store, Vars};
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Puts all hosts into the store. `playbook_dir` is the second place of `group_vars` and `host_vars`.
///
/// # Errors
///
/// All mistakes in files of variables.
pub(crate) fn put_all(
    inventory: &Inventory,
    playbook_dir: Option<&Path>,
    reader: &Reader,
    store: &Store,
) -> Result<()> {
    let mut shelf = Shelf::new(inventory, playbook_dir, reader);
    let implicit = LOCALHOST.iter().filter_map(|name| inventory.host(name)).filter(|host| host.is_implicit);
    for host in inventory.hosts.values().chain(implicit) {
        let vars = shelf.host(host);
        let known = store.host(&host.name);
        let vars = match known.as_deref() {
            Some(known) => vars_over(known, vars),
            None => HostVars { facts: store.facts_of_earlier_runs(&host.name), ..vars },
        };
        store.put(&host.name, vars);
    }
    shelf.mistakes.or_value(())
}

/// What a host came to know in the run stays when its inventory is read again.
fn vars_over(known: &HostVars, fresh: HostVars) -> HostVars {
    HostVars {
        added: known.added.clone(),
        facts: known.facts.clone(),
        included: known.included.clone(),
        set: known.set.clone(),
        ..fresh
    }
}

/// Reads each file of variables once, however many hosts are in the group.
struct Shelf<'a> {
    inventory: &'a Inventory,
    reader: &'a Reader,
    /// The folders of inventory sources, without the playbook's: what it has counts more as the playbook's, so nothing would be left
    /// of it here.
    sources_dirs: Vec<VarsDir>,
    playbook: Option<VarsDir>,
    groups: HashMap<(String, bool), Arc<Vars>>,
    sources: HashMap<String, Arc<Vars>>,
    mistakes: Diagnostics,
}

impl<'a> Shelf<'a> {
    fn new(inventory: &'a Inventory, playbook_dir: Option<&Path>, reader: &'a Reader) -> Self {
        let playbook = playbook_dir.map(VarsDir::new);
        let is_playbooks = |folder: &&VarsDir| playbook.as_ref().is_some_and(|own| own.is_same(folder));
        let sources_dirs =
            inventory.vars_dirs.iter().filter(|folder| !is_playbooks(folder)).cloned().collect();
        Self {
            inventory,
            reader,
            sources_dirs,
            playbook,
            groups: HashMap::new(),
            sources: HashMap::new(),
            mistakes: Diagnostics::default(),
        }
    }

    fn host(&mut self, host: &Host) -> HostVars {
        let mut vars = HostVars::default();
        let groups: Vec<String> =
            self.inventory.groups_of(&host.name).iter().map(|group| group.name.clone()).collect();
        for group in &groups {
            vars.inventory.push((Level::InventoryFileGroup, self.source(group)));
            let (of_inventory, of_playbook) = match group.as_str() {
                "all" => (Level::InventoryGroupVarsAll, Level::PlaybookGroupVarsAll),
                _ => (Level::InventoryGroupVars, Level::PlaybookGroupVars),
            };
            vars.inventory.push((of_inventory, self.group(group, false)));
            vars.inventory.push((of_playbook, self.group(group, true)));
        }
        vars.inventory.push((Level::InventoryFileHost, Arc::new(Vars::from(&host.vars))));
        vars.inventory.push((Level::InventoryHostVars, self.of_host(&host.name, false)));
        vars.inventory.push((Level::PlaybookHostVars, self.of_host(&host.name, true)));
        let mut names: Vec<String> = groups.into_iter().filter(|group| group != "all").collect();
        names.sort();
        vars.group_names = Arc::new(names);
        self.place(host, &mut vars);
        vars
    }

    /// `inventory_dir` and `inventory_file`.
    fn place(&self, host: &Host, vars: &mut HostVars) {
        let Some(source) = &host.source else { return };
        let absolute = source.canonicalize().unwrap_or_else(|_| source.clone());
        let folder = if absolute.is_dir() { Some(absolute.as_path()) } else { absolute.parent() };
        vars.inventory_dir = folder.map(|folder| folder.to_string_lossy().into());
        vars.inventory_file = Some(absolute.to_string_lossy().into());
    }

    fn source(&mut self, group: &str) -> Arc<Vars> {
        let inventory = self.inventory;
        let of_group =
            || inventory.groups.get(group).map(|group| Vars::from(&group.vars)).unwrap_or_default();
        self.sources.entry(group.to_owned()).or_insert_with(|| Arc::new(of_group())).clone()
    }

    fn group(&mut self, group: &str, of_playbook: bool) -> Arc<Vars> {
        let key = (group.to_owned(), of_playbook);
        if let Some(known) = self.groups.get(&key) {
            return known.clone();
        }
        let vars = self.adjacent(of_playbook, |folder, reader| folder.group(group, reader));
        self.groups.insert(key, vars.clone());
        vars
    }

    fn of_host(&mut self, host: &str, of_playbook: bool) -> Arc<Vars> {
        self.adjacent(of_playbook, |folder, reader| folder.host(host, reader))
    }

    fn adjacent(
        &mut self,
        of_playbook: bool,
        read: impl Fn(&VarsDir, &Reader) -> Result<crate::inventory::Vars>,
    ) -> Arc<Vars> {
        let folders = if of_playbook { self.playbook.as_slice() } else { &self.sources_dirs };
        let mut vars = Vars::new();
        for folder in folders {
            if let Some(found) = self.mistakes.collect(read(folder, self.reader)) {
                self.reader.hash_behaviour().vars(&mut vars, &Vars::from(&found));
            }
        }
        Arc::new(vars)
    }
}

/// `groups`: every group with its hosts.
pub(crate) fn groups(inventory: &Inventory) -> IndexMap<String, Vec<String>> {
    let hosts = |group: &str| inventory.hosts_of(group).into_iter().map(str::to_owned).collect();
    inventory.groups.keys().map(|group| (group.clone(), hosts(group))).collect()
}

/// JSON as variables that are never templated.
pub(crate) fn plain_vars(map: &serde_json::Map<String, serde_json::Value>) -> Vars {
    let mut vars = Vars::new();
    for (name, value) in map {
        vars.set_plain(name, crate::template::from_json(value));
    }
    vars
}

/// A value that was rendered already, as a node for `vars:`.
pub(crate) fn plain_node(value: &Value, span: &crate::source::Span) -> crate::yaml::Node {
    node_of_json(&crate::template::to_json(value), span)
}

fn node_of_json(value: &serde_json::Value, span: &crate::source::Span) -> crate::yaml::Node {
    use crate::yaml::{Kind, Node, Tag};
    use serde_json::Value as Json;
    match value {
        Json::Null => Node::new(span, Kind::Null),
        Json::Bool(value) => Node::new(span, Kind::Bool(*value)),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => Node::new(span, Kind::Int(integer.into())),
            (None, Some(integer), _) => Node::new(span, Kind::Int(integer.into())),
            (None, None, float) => Node::new(span, Kind::Float(float.unwrap_or(f64::NAN))),
        },
        // What came from a host is not a template, whatever it looks like.
        Json::String(text) => Node { tag: Tag::Unsafe, ..Node::text(span, text) },
        Json::Array(items) => Node::seq(span, items.iter().map(|item| node_of_json(item, span)).collect()),
        Json::Object(entries) => Node::map(
            span,
            entries.iter().map(|(name, value)| (Node::text(span, name), node_of_json(value, span))).collect(),
        ),
    }
}
