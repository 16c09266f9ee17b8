//! Cuts traffic inside a lab, and heals it: one firewall table of the bridge family per lab, replaced as a
//! whole by one transaction.
//!
//! A cut between nodes is made where the bridge forwards from one cable to another, so that both nodes still
//! reach the host, and with it the power switch, as over a management network. An isolated node reaches
//! nothing at all.

use serde::{Deserialize, Serialize};

use super::Lab;
use super::error::Result;
use super::name::Label;
use super::state::{LabState, NodeState};
use super::tool::Tool;

/// Traffic that is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Cut {
    /// What `from` sends to `to`. Without a link: on every link.
    OneWay { from: String, to: String, link: Option<usize> },
    /// Everything that a node sends or receives.
    Isolated { node: String, link: Option<usize> },
}

impl Cut {
    /// Nothing gets through between the two, in both directions.
    pub(crate) fn between(one: &str, other: &str, link: Option<usize>) -> [Self; 2] {
        let one_way = |from: &str, to: &str| Self::OneWay { from: from.into(), to: to.into(), link };
        [one_way(one, other), one_way(other, one)]
    }

    pub(crate) fn concerns(&self, name: &str) -> bool {
        match self {
            Self::OneWay { from, to, .. } => from == name || to == name,
            Self::Isolated { node, .. } => node == name,
        }
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let link = match self {
            Self::OneWay { from, to, link } => {
                write!(f, "{from} -> {to}")?;
                link
            }
            Self::Isolated { node, link } => {
                write!(f, "{node} isolated")?;
                link
            }
        };
        link.map_or(Ok(()), |link| write!(f, " (link {link})"))
    }
}

/// Makes the kernel drop exactly what `lab.cuts` says.
pub(crate) fn apply(lab: &Lab) -> Result<()> {
    Tool::new("nft").args(["-f", "-"]).input(ruleset(&lab.label, &lab.state)).run().map(drop)
}

/// The whole table, as one transaction that replaces the one before.
fn ruleset(label: &Label, lab: &LabState) -> String {
    let table = label.firewall_table();
    let mut forward = String::new();
    let mut input = String::new();
    let mut output = String::new();
    for cut in &lab.cuts {
        match cut {
            Cut::OneWay { from, to, link } => {
                for (from, to) in cables(label, lab, from, *link).zip(cables(label, lab, to, *link)) {
                    forward += &format!("    iifname \"{from}\" oifname \"{to}\" counter drop\n");
                }
            }
            Cut::Isolated { node, link } => {
                for cable in cables(label, lab, node, *link) {
                    forward += &format!("    iifname \"{cable}\" counter drop\n");
                    forward += &format!("    oifname \"{cable}\" counter drop\n");
                    input += &format!("    iifname \"{cable}\" counter drop\n");
                    output += &format!("    oifname \"{cable}\" counter drop\n");
                }
            }
        }
    }
    let chain = |name: &str, hook: &str, rules: &str| {
        format!("  chain {name} {{\n    type filter hook {hook} priority -200; policy accept;\n{rules}  }}\n")
    };
    let chains = [
        chain("between_nodes", "forward", &forward),
        chain("to_host", "input", &input),
        chain("from_host", "output", &output),
    ]
    .concat();
    format!("table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n{chains}}}\n")
}

/// The host's ends of a node's cables, on one link or on all.
fn cables(label: &Label, lab: &LabState, node: &str, link: Option<usize>) -> impl Iterator<Item = String> {
    let number = lab.nodes.iter().find(|state| state.name == node).map(|NodeState { number, .. }| *number);
    let links = (0..lab.links.len()).filter(move |index| link.is_none_or(|link| link == *index));
    links.filter_map(move |link| Some(label.cable(number?, link)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{test_lab, test_label};

    fn dropped(cuts: impl IntoIterator<Item = Cut>) -> Vec<String> {
        let lab = LabState { cuts: cuts.into_iter().collect(), ..test_lab(3, 2) };
        let rules = ruleset(&test_label(), &lab);
        rules.lines().filter(|line| line.contains("drop")).map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn a_cut_between_two_nodes_drops_both_directions_on_every_link() {
        assert_eq!(
            dropped(Cut::between("n1", "n2", None)),
            [
                r#"iifname "mltest-n1e0" oifname "mltest-n2e0" counter drop"#,
                r#"iifname "mltest-n1e1" oifname "mltest-n2e1" counter drop"#,
                r#"iifname "mltest-n2e0" oifname "mltest-n1e0" counter drop"#,
                r#"iifname "mltest-n2e1" oifname "mltest-n1e1" counter drop"#,
            ]
        );
    }

    #[test]
    fn a_cut_of_one_link_leaves_the_other_alone() {
        let cut = Cut::OneWay { from: "n1".into(), to: "n3".into(), link: Some(1) };
        assert_eq!(dropped([cut]), [r#"iifname "mltest-n1e1" oifname "mltest-n3e1" counter drop"#]);
    }

    #[test]
    fn an_isolated_node_cannot_reach_the_host_either() {
        let rules = ruleset(
            &test_label(),
            &LabState { cuts: vec![Cut::Isolated { node: "n2".into(), link: Some(0) }], ..test_lab(2, 1) },
        );
        let to_host = rules.split("chain to_host").nth(1).unwrap();
        assert!(to_host.contains(r#"iifname "mltest-n2e0" counter drop"#));
        assert!(to_host.contains(r#"oifname "mltest-n2e0" counter drop"#));
    }

    #[test]
    fn a_healed_lab_drops_nothing() {
        assert!(dropped([]).is_empty());
    }
}
