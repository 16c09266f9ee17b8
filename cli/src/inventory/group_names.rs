//! Names of groups that templates cannot use as variables, such as `web-servers`: warned of or replaced, as the setting
//! `force_valid_group_names` says.

use super::Inventory;
use super::plugin::safe_name;
use indexmap::IndexSet;

/// What is done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidNames {
    /// They stay, with a warning.
    Never,
    /// They are replaced, with a warning.
    Always,
    /// They stay.
    Ignore,
    /// They are replaced.
    Silently,
}

impl InvalidNames {
    /// The policy of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "never" => Self::Never,
            "always" => Self::Always,
            "ignore" => Self::Ignore,
            "silently" => Self::Silently,
            _ => return None,
        })
    }
}

impl Inventory {
    /// Applies a policy to all groups; gives the warning where there is one.
    pub(crate) fn settle_group_names(&mut self, policy: InvalidNames) -> Option<String> {
        let invalid: Vec<&str> =
            self.groups.keys().map(String::as_str).filter(|name| safe_name(name) != *name).collect();
        if invalid.is_empty() {
            return None;
        }
        let named = invalid.join("`, `");
        let done = match policy {
            InvalidNames::Ignore => return None,
            InvalidNames::Never => "but not replaced",
            InvalidNames::Always | InvalidNames::Silently => {
                self.rename_groups();
                "and automatically replaced"
            }
        };
        (policy != InvalidNames::Silently)
            .then(|| format!("Invalid characters were found in group names {done}: `{named}`"))
    }

    fn rename_groups(&mut self) {
        let safe = |names: &mut IndexSet<String>| *names = names.iter().map(|name| safe_name(name)).collect();
        let groups = std::mem::take(&mut self.groups);
        for (name, mut group) in groups {
            group.name = safe_name(&name);
            safe(&mut group.children);
            safe(&mut group.parents);
            match self.groups.get_mut(&group.name) {
                // Two names became one.
                Some(known) => {
                    known.vars.extend(group.vars);
                    known.hosts.extend(group.hosts);
                    known.children.extend(group.children);
                    known.parents.extend(group.parents);
                }
                None => {
                    self.groups.insert(group.name.clone(), group);
                }
            }
        }
        self.hosts.values_mut().for_each(|host| safe(&mut host.groups));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let mut inventory = Inventory::default();
        inventory.add_host("n1", "web-servers", None);
        inventory.reconcile();
        inventory
    }

    #[test]
    fn names_that_are_no_variables_stay_with_a_warning_or_are_replaced() {
        let mut kept = inventory();
        let warning = kept.settle_group_names(InvalidNames::Never).expect("a warning");
        assert!(
            warning.starts_with("Invalid characters were found in group names but not replaced"),
            "{warning}"
        );
        assert!(kept.groups.contains_key("web-servers"));

        let mut replaced = inventory();
        assert_eq!(replaced.settle_group_names(InvalidNames::Silently), None);
        assert!(replaced.groups["web_servers"].hosts.contains("n1"));
        assert!(replaced.hosts["n1"].groups.contains("web_servers"));
    }

    #[test]
    fn fine_names_say_nothing() {
        let mut inventory = Inventory::default();
        inventory.add_host("n1", "web", None);
        assert_eq!(inventory.settle_group_names(InvalidNames::Always), None);
    }
}
