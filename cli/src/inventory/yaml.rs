//! Inventories in the YAML form: groups with `hosts`, `children` and `vars`.

use super::{Inventory, address};
use crate::error::{Diagnostic, Diagnostics};
use crate::suggest;
use crate::yaml::{Kind, Mapping, Node};

const SECTIONS: [&str; 3] = ["hosts", "children", "vars"];

/// Adds what a document says to the inventory; all mistakes are found, warnings among them.
pub(super) fn read(document: &Node, inventory: &mut Inventory) -> Diagnostics {
    let mut reader = Reader { inventory, mistakes: Diagnostics::default() };
    match document.as_map() {
        Some(groups) => reader.top(groups),
        None => reader.mistakes.push(no_groups(document)),
    }
    reader.mistakes
}

fn no_groups(document: &Node) -> Diagnostic {
    let found = document.describe();
    Diagnostic::error(format!("a YAML inventory is a mapping of groups, found {found}"))
        .at(&document.span.first_line(), "")
        .hint("begin with `all:` and below it `hosts:`")
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    mistakes: Diagnostics,
}

impl Reader<'_> {
    fn top(&mut self, groups: &Mapping) {
        for (name, group) in groups.iter() {
            self.group(name, group);
        }
    }

    /// Reads a group and gives its name, none where it has no usable one.
    fn group(&mut self, name: &Node, group: &Node) -> Option<String> {
        let name_text = self.name(name, "Group name")?;
        let sections = match &group.kind {
            Kind::Map(sections) => Some(sections),
            Kind::Null => None,
            _ => {
                self.mistakes.push(
                    Diagnostic::warning(format!("`{name_text}` is not a group and is skipped"))
                        .at(&group.span.first_line(), "expected `hosts`, `children` or `vars` below it"),
                );
                return None;
            }
        };
        self.inventory.add_group(&name_text, Some(&name.span));
        for (key, section) in sections.iter().flat_map(|sections| sections.iter()) {
            self.section(&name_text, key, section);
        }
        Some(name_text)
    }

    fn section(&mut self, group: &str, key: &Node, section: &Node) {
        let name = key.as_str().unwrap_or("");
        if !SECTIONS.contains(&name) {
            self.mistakes.push(unknown_section(group, key));
            return;
        }
        let entries = match &section.kind {
            Kind::Null => return,
            Kind::Map(entries) => entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            // A single name may stand without a mapping.
            Kind::Str(_) if name != "vars" => vec![(section.clone(), Node::new(&section.span, Kind::Null))],
            _ => {
                self.mistakes.push(not_a_mapping(name, section));
                return;
            }
        };
        for (key, value) in &entries {
            match name {
                "hosts" => self.hosts(group, key, value),
                "children" => self.child(group, key, value),
                _ => self.var(group, key, value),
            }
        }
    }

    fn hosts(&mut self, group: &str, pattern: &Node, vars: &Node) {
        let Some(text) = self.name(pattern, "Host pattern") else { return };
        let (names, port) = match address::expand(&text) {
            Ok(expanded) => expanded,
            Err(bad) => {
                self.mistakes
                    .push(Diagnostic::error(format!("`{text}` is not a host")).at(&pattern.span, bad.0));
                return;
            }
        };
        if !matches!(vars.kind, Kind::Map(_) | Kind::Null) {
            let found = vars.describe();
            self.mistakes.push(
                Diagnostic::error(format!("host `{text}` has variables as a mapping, found {found}"))
                    .at(&vars.span.first_line(), "expected `name: value`"),
            );
            return;
        }
        for name in names {
            self.host(group, &name, port, pattern, vars);
        }
    }

    fn host(&mut self, group: &str, name: &str, port: Option<u16>, pattern: &Node, vars: &Node) {
        let is_new = !self.inventory.hosts.contains_key(name);
        self.inventory.add_host(name, group, Some(&pattern.span));
        if let Some(port) = port.filter(|_| is_new) {
            let port = Node::new(&pattern.span, Kind::Int(port.into()));
            self.inventory.set_host_var(name, "ansible_port", port);
        }
        for (variable, value) in vars.as_map().iter().flat_map(|vars| vars.iter()) {
            self.inventory.set_host_var(name, &variable.key_text(), value.clone());
        }
    }

    fn child(&mut self, group: &str, name: &Node, child: &Node) {
        let Some(child) = self.group(name, child) else { return };
        if self.inventory.add_child(group, &child).is_err() {
            self.mistakes.push(
                Diagnostic::error(format!("group `{child}` cannot be below itself"))
                    .at(&name.span, format!("`{group}` is `{child}`, or below it")),
            );
        }
    }

    fn var(&mut self, group: &str, name: &Node, value: &Node) {
        if let Err(mistake) = self.inventory.set_group_var(group, &name.key_text(), value.clone()) {
            self.mistakes.push(mistake);
        }
    }

    fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        let name = node.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        if name.is_none() {
            let found = node.describe();
            self.mistakes.push(
                // The sentence is Ansible's: scripts look for it.
                Diagnostic::error(format!("{what} {} must be a string", node.key_text()))
                    .at(&node.span, format!("found {found}"))
                    .hint("write it in quotes"),
            );
        }
        name
    }
}

fn unknown_section(group: &str, key: &Node) -> Diagnostic {
    let name = key.key_text();
    let hint = suggest::did_you_mean(&name, SECTIONS);
    let is_known = hint.is_some();
    let mistake = Diagnostic::warning(format!("group `{group}` has no part `{name}`, it is skipped"))
        .at(&key.span, "expected `hosts`, `children` or `vars`")
        .maybe_hint(hint);
    if is_known { mistake } else { mistake.hint("groups below a group stand in its `children`") }
}

fn not_a_mapping(section: &str, value: &Node) -> Diagnostic {
    let found = value.describe();
    let mistake = Diagnostic::error(format!("`{section}` is a mapping, found {found}"))
        .at(&value.span.first_line(), "");
    match value.as_seq() {
        Some([first, ..]) if section != "vars" => {
            let name = first.scalar_text().unwrap_or_default();
            mistake.hint(format!("write `{name}:` with a colon in place of `- {name}`"))
        }
        _ => mistake,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;
    use crate::yaml;

    fn read_text(text: &str) -> (Inventory, String) {
        let mut inventory = Inventory::default();
        let file = SourceFile::new("hosts.yml", text);
        let document = yaml::parse(&file, &mut Diagnostics::default()).unwrap();
        let mistakes = read(&document, &mut inventory);
        inventory.reconcile();
        (inventory, mistakes.render(false))
    }

    #[test]
    fn groups_hosts_and_variables_are_read_with_ranges_and_types() {
        let (inventory, mistakes) = read_text(
            "all:\n  vars: {ntp: a}\n  hosts:\n    lone:\n  children:\n    web:\n      hosts:\n        \
             web[1:2]:2222: {mode: 0644}\n    db:\n      hosts: db1\n",
        );
        assert_eq!(mistakes, "");
        let hosts: Vec<String> = inventory
            .hosts
            .values()
            .map(|host| format!("{} {:?} {:?}", host.name, host.groups, host.vars))
            .collect();
        assert_eq!(
            hosts,
            [
                r#"lone {"all", "ungrouped"} {}"#,
                r#"web1 {"web"} {"ansible_port": 2222, "mode": 420}"#,
                r#"web2 {"web"} {"ansible_port": 2222, "mode": 420}"#,
                r#"db1 {"db"} {}"#,
            ]
        );
    }

    #[test]
    fn every_mistake_is_shown_with_its_place() {
        let (_, screen) = read_text(
            "all:\n  hosts: [n1, n2]\n  childen:\n    web:\n  children:\n    db:\n      hosts:\n        \
             1: {}\n        db1: yes\n        db[3:1]:\n",
        );
        insta::assert_snapshot!(screen);
    }
}
