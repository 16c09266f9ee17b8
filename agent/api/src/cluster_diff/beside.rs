//! What stands beside the resources in a configuration: capacity, values that depend on a rule, the state of tickets.

use super::{Attributes, attribute_changes, diff, operation_name_of};
use crate::cluster::{Capacity, ClusterConfig, Owner, Ticket};
use crate::diff::{Change, Diff};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Kinds are `utilization`, `node utilization`, `conditional value` and `ticket state`.
pub(super) fn diffs(old: &ClusterConfig, new: &ClusterConfig) -> Vec<Diff> {
    let mut diffs = Vec::new();
    diffs.extend(by_name("utilization", &capacities(&old.utilization), &capacities(&new.utilization)));
    diffs.extend(by_name(
        "node utilization",
        &capacities(&old.node_utilization),
        &capacities(&new.node_utilization),
    ));
    diffs.extend(by_name("conditional value", &conditional(old), &conditional(new)));
    diffs.extend(by_name("ticket state", &tickets(old), &tickets(new)));
    diffs
}

type Named = BTreeMap<String, Attributes>;

fn by_name(kind: &str, old: &Named, new: &Named) -> Vec<Diff> {
    let none = Attributes::new();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = |name: &String| -> Vec<Change> {
        attribute_changes(old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none))
    };
    names.into_iter().filter_map(|name| diff(kind, name, changes(name))).collect()
}

fn capacities<T: ToString>(capacities: &BTreeMap<T, Capacity>) -> Named {
    let texts = |capacity: &Capacity| {
        capacity.iter().map(|(name, amount)| (name.clone(), amount.to_string())).collect()
    };
    capacities.iter().map(|(whose, capacity)| (whose.to_string(), texts(capacity))).collect()
}

/// By owner and by name what it is under which rule, in the order that decides.
fn conditional(config: &ClusterConfig) -> Named {
    let mut named = Named::new();
    for one in &config.conditional {
        let of_owner = named.entry(owner(&one.owner)).or_default();
        for (name, value) in &one.values.values {
            let said = format!("{value} while {}", one.values.rule);
            let all = of_owner.entry(name.clone()).or_default();
            *all = if all.is_empty() { said } else { format!("{all}; else {said}") };
        }
    }
    named
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Properties => "properties".to_string(),
        Owner::ResourceDefaults => "resource defaults".to_string(),
        Owner::OperationDefaults => "operation defaults".to_string(),
        Owner::Parameters(resource) => format!("options of {resource}"),
        Owner::Meta(resource) => format!("meta of {resource}"),
        Owner::Operation { resource, name, interval_ms } => {
            format!("{} of {resource}", operation_name_of(name, *interval_ms))
        }
    }
}

fn tickets(config: &ClusterConfig) -> Named {
    let state = |ticket: &Ticket| {
        let word = |is: bool, word: &str| is.then(|| (word.to_string(), "true".to_string()));
        let words = [word(ticket.is_granted, "granted"), word(ticket.is_standby, "standby")];
        words.into_iter().flatten().collect()
    };
    config.tickets.iter().map(|(name, ticket)| (name.clone(), state(ticket))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{config_diff, merge};
    use super::*;
    use crate::cluster::Conditional;
    use crate::rule::{
        AttributeCondition, Comparison, Condition, ConditionalValues, Join, Rule, ValueSource,
    };
    use std::vec;

    fn lines(old: &ClusterConfig, new: &ClusterConfig) -> Vec<String> {
        let mut lines = Vec::new();
        for diff in config_diff(old, new) {
            for change in &diff.changes {
                let Change::Attribute { attribute, before, after } = change else { panic!("{change:?}") };
                lines.push(format!("{} {}: {attribute} {before:?} -> {after:?}", diff.kind, diff.name));
            }
        }
        lines
    }

    fn on_node(owner: Owner, node: &str, name: &str, value: &str) -> Conditional {
        let condition = AttributeCondition {
            attribute: "#uname".into(),
            comparison: Comparison::Equal,
            value_type: None,
            value: Some(node.into()),
            source: ValueSource::Literal,
        };
        let rule = Rule { join: Join::And, conditions: vec![Condition::Attribute(condition)] };
        let values = [(name.to_string(), value.to_string())].into();
        Conditional { owner, values: ConditionalValues { rule, values } }
    }

    #[test]
    fn capacity_shows_by_name() {
        let mut old = ClusterConfig::default();
        old.utilization.insert("db".into(), [("memory".to_string(), 2)].into());
        let mut new = ClusterConfig::default();
        new.utilization.insert("db".into(), [("memory".to_string(), 4), ("cpu".to_string(), 1)].into());
        new.node_utilization.insert("n1".into(), [("memory".to_string(), 16)].into());
        assert_eq!(
            lines(&old, &new),
            [
                "utilization db: cpu None -> Some(\"1\")",
                "utilization db: memory Some(\"2\") -> Some(\"4\")",
                "node utilization n1: memory None -> Some(\"16\")",
            ]
        );
    }

    #[test]
    fn values_that_depend_on_a_rule_show_with_it_in_the_order_that_decides() {
        let parameters = || Owner::Parameters("vip".into());
        let north = on_node(parameters(), "north", "password", "a");
        let nic = |node: &str, nic: &str| on_node(parameters(), node, "nic", nic);
        let old = ClusterConfig { conditional: vec![nic("north", "eth0")], ..ClusterConfig::default() };
        let conditional = vec![nic("north", "eth0"), nic("south", "eth1"), north];
        let new = ClusterConfig { conditional, ..ClusterConfig::default() };
        let nic = "eth0 while #uname eq north";
        assert_eq!(
            lines(&old, &new),
            [
                format!(
                    "conditional value options of vip: nic Some(\"{nic}\") -> Some(\"{nic}; else eth1 while #uname eq \
                     south\")"
                ),
                "conditional value options of vip: password None -> Some(\"***\")".to_string(),
            ]
        );
    }

    #[test]
    fn a_ticket_shows_its_state_and_is_not_taken_away_by_what_is_declared() {
        let mut current = ClusterConfig::default();
        let granted = Ticket { is_granted: true, ..Ticket::default() };
        current.tickets.insert("site-a".into(), granted);
        assert_eq!(
            lines(&ClusterConfig::default(), &current),
            ["ticket state site-a: granted None -> Some(\"true\")"]
        );
        assert_eq!(merge(&ClusterConfig::default(), &current).tickets, current.tickets);
    }
}
