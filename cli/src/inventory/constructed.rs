//! The `constructed` plugin: variables (`compose`) and groups (`groups`, `keyed_groups`) for the hosts of earlier
//! sources, made from the variables that these hosts have in the inventory.

use super::Inventory;
use super::plugin::{Templates, check_options, entries, flag, safe_name};
use crate::error::{Diagnostic, Diagnostics};
use crate::load::Reader;
use crate::run::inventory_vars::{plain_node, plain_vars};
use crate::template::{TemplateError, text_of, to_json};
use crate::vars::{Scope, Vars};
use crate::yaml::{Mapping, Node};
use serde_json::Value as Json;
use std::sync::Arc;

const OPTIONS: [&str; 8] = [
    "plugin",
    "strict",
    "compose",
    "groups",
    "keyed_groups",
    "leading_separator",
    "use_extra_vars",
    "use_vars_plugins",
];

/// Adds variables and groups to the hosts that are there.
pub(super) fn run(config: &Mapping, inventory: &mut Inventory, extra: &Arc<Vars>) -> Result<(), Diagnostic> {
    check_options(config, &OPTIONS)?;
    inventory.reconcile();
    let constructor = Constructor {
        config,
        templates: Templates::new(),
        extra: if flag(config, "use_extra_vars", false) { extra.clone() } else { Arc::default() },
        is_strict: flag(config, "strict", false),
    };
    let hosts: Vec<String> = inventory.hosts.keys().cloned().collect();
    for host in hosts {
        constructor.compose(&host, inventory)?;
        constructor.groups(&host, inventory)?;
        constructor.keyed_groups(&host, inventory)?;
    }
    inventory.reconcile();
    Ok(())
}

struct Constructor<'a> {
    config: &'a Mapping,
    templates: Templates,
    extra: Arc<Vars>,
    is_strict: bool,
}

impl Constructor<'_> {
    /// What the inventory says about a host so far.
    fn scope(&self, host: &str, inventory: &Inventory) -> Scope {
        let groups = inventory.groups_of(host);
        let mut layers: Vec<Arc<Vars>> =
            groups.iter().map(|group| Arc::new(Vars::from(&group.vars))).collect();
        if flag(self.config, "use_vars_plugins", false) {
            layers.extend(adjacent(host, inventory));
        }
        layers.extend(inventory.hosts.get(host).map(|host| Arc::new(Vars::from(&host.vars))));
        let mut names: Vec<&str> =
            groups.iter().map(|group| group.name.as_str()).filter(|name| *name != "all").collect();
        names.sort_unstable();
        let magic = serde_json::json!({
            "inventory_hostname": host,
            "inventory_hostname_short": host.split('.').next(),
            "group_names": names,
        });
        layers.extend(magic.as_object().map(|magic| Arc::new(plain_vars(magic))));
        layers.push(self.extra.clone());
        self.templates.scope(layers)
    }

    fn compose(&self, host: &str, inventory: &mut Inventory) -> Result<(), Diagnostic> {
        for (name, expression) in entries(self.config, "compose")? {
            let value = self.scope(host, inventory).expression(expression);
            if let Some(value) = self.tolerate(value, expression)? {
                inventory.set_host_var(host, &name.key_text(), plain_node(&value, &expression.span));
            }
        }
        Ok(())
    }

    fn groups(&self, host: &str, inventory: &mut Inventory) -> Result<(), Diagnostic> {
        let scope = self.scope(host, inventory);
        for (name, condition) in entries(self.config, "groups")? {
            let name = safe_name(&name.key_text());
            inventory.add_group(&name, Some(&condition.span));
            if self.tolerate(scope.condition(condition), condition)? == Some(true) {
                inventory.add_host(host, &name, None);
            }
        }
        Ok(())
    }

    fn keyed_groups(&self, host: &str, inventory: &mut Inventory) -> Result<(), Diagnostic> {
        let scope = self.scope(host, inventory);
        for node in self.config.get("keyed_groups").map(Node::one_or_many).unwrap_or_default() {
            let keyed = Keyed::new(node)?;
            let Some(key) = self.tolerate(scope.expression(keyed.key), keyed.key)? else { continue };
            let names = match keyed.names(&to_json(&key)) {
                Some(names) => names,
                None if self.is_strict => {
                    return Err(Diagnostic::error("the key of a group is empty")
                        .at(&keyed.key.span, "no key, or it came to nothing"));
                }
                None => continue,
            };
            let parent = node.get("parent_group").map(|parent| scope.render_node(parent));
            let parent = parent.transpose().map_err(|err| mistake(&err, node))?.map(|name| text_of(&name));
            let starts = flag(self.config, "leading_separator", true);
            for name in names {
                let group = safe_name(&keyed.group(&name, starts));
                inventory.add_host(host, &group, Some(&node.span));
                let Some(parent) = parent.as_deref().map(safe_name) else { continue };
                if inventory.add_child(&parent, &group).is_err() {
                    let why = format!("group `{group}` cannot be below itself");
                    return Err(Diagnostic::error(why).at(&node.span.first_line(), ""));
                }
            }
        }
        Ok(())
    }

    /// Without `strict`, what cannot be evaluated for a host is left out.
    fn tolerate<T>(&self, value: Result<T, TemplateError>, node: &Node) -> Result<Option<T>, Diagnostic> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(err) if self.is_strict => Err(mistake(&err, node)),
            Err(_) => Ok(None),
        }
    }
}

fn mistake(err: &TemplateError, node: &Node) -> Diagnostic {
    Diagnostic::error(err.to_string()).at(&node.span.first_line(), "")
}

/// `group_vars` and `host_vars` beside the sources so far.
fn adjacent(host: &str, inventory: &Inventory) -> Vec<Arc<Vars>> {
    // Mistakes in these files are told when the run reads them.
    let (reader, mut unread) = (Reader::default(), Diagnostics::default());
    let mut layers = Vec::new();
    for folder in &inventory.vars_dirs {
        for group in inventory.groups_of(host) {
            layers.extend(unread.collect(folder.group(&group.name, &reader)));
        }
        layers.extend(unread.collect(folder.host(host, &reader)));
    }
    layers.iter().map(|vars| Arc::new(Vars::from(vars))).collect()
}

/// One entry of `keyed_groups`.
struct Keyed<'a> {
    key: &'a Node,
    prefix: String,
    separator: String,
    default: Option<String>,
    trailing_separator: Option<bool>,
}

impl<'a> Keyed<'a> {
    const OPTIONS: [&'static str; 6] =
        ["key", "prefix", "separator", "parent_group", "default_value", "trailing_separator"];

    fn new(node: &'a Node) -> Result<Self, Diagnostic> {
        let config = node.as_map().and_then(|config| config.get("key").map(|key| (config, key)));
        let Some((config, key)) = config else {
            return Err(Diagnostic::error("a keyed group needs a `key`").at(&node.span.first_line(), ""));
        };
        check_options(config, &Self::OPTIONS)?;
        let text = |name: &str| config.get(name).and_then(Node::scalar_text).map(|text| text.into_owned());
        let keyed = Self {
            key,
            prefix: text("prefix").unwrap_or_default(),
            separator: text("separator").unwrap_or_else(|| "_".into()),
            default: text("default_value"),
            trailing_separator: config.get("trailing_separator").and_then(Node::truth),
        };
        if keyed.default.is_some() && keyed.trailing_separator.is_some() {
            let why = "`default_value` and `trailing_separator` exclude each other";
            return Err(Diagnostic::error(why).at(&node.span.first_line(), ""));
        }
        Ok(keyed)
    }

    /// The last parts of the groups' names; none for a key that says nothing.
    fn names(&self, key: &Json) -> Option<Vec<String>> {
        let or_default = |name: String| match &self.default {
            Some(default) if name.is_empty() => default.clone(),
            _ => name,
        };
        match key {
            Json::String(name) if name.is_empty() && self.default.is_none() => None,
            Json::String(name) => Some(vec![or_default(name.clone())]),
            Json::Null => self.default.clone().map(|default| vec![default]),
            Json::Array(names) => Some(names.iter().map(|name| or_default(self.scalar(name))).collect()),
            Json::Object(pairs) => Some(pairs.iter().map(|(name, value)| self.pair(name, value)).collect()),
            _ => None,
        }
    }

    fn pair(&self, name: &str, value: &Json) -> String {
        let separator = &self.separator;
        match (self.scalar(value), &self.default) {
            (value, Some(default)) if value.is_empty() => format!("{name}{separator}{default}"),
            (value, _) if value.is_empty() && self.trailing_separator == Some(false) => name.to_owned(),
            (value, _) => format!("{name}{separator}{value}"),
        }
    }

    /// A value as a part of a name. None is empty where it is said what empty values become.
    fn scalar(&self, value: &Json) -> String {
        let is_settled = self.default.is_some() || self.trailing_separator == Some(false);
        if value.is_null() && is_settled { String::new() } else { plain(value) }
    }

    fn group(&self, name: &str, starts_with_separator: bool) -> String {
        let is_bare = self.prefix.is_empty() && !starts_with_separator;
        let separator = if is_bare { "" } else { &self.separator };
        format!("{}{separator}{name}", self.prefix)
    }
}

/// A scalar as Python prints it.
fn plain(value: &Json) -> String {
    text_of(&crate::template::from_json(value))
}
