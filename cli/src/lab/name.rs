//! The name of a lab, and the names derived from it: network interfaces, firewall tables, machines.
//!
//! Every name that the lab gives to something on the host can be recomputed from the lab's name and folder, so
//! that `lab down` finds everything even when the lab's own files are gone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::LabError;

/// The kernel allows 15 characters for an interface: `ml` + 6 for the lab + `-n199e7`.
const LABEL_LENGTH: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct LabName(String);

impl LabName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The lab's name as it fits into the names of interfaces: six letters and digits, different for each lab of
/// this machine.
///
/// It has no dash, so no label with a dash behind it begins another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Label(String);

impl Label {
    /// `scope` tells labs of the same name apart that live in different folders; the usual folder has none.
    pub(crate) fn new(scope: Option<&str>, name: &LabName) -> Self {
        let name = name.as_str();
        if scope.is_none() && name.len() <= LABEL_LENGTH && !name.contains('-') {
            return Self(name.to_owned());
        }
        let digest = Sha256::digest(format!("{}/{name}", scope.unwrap_or_default()));
        let start: String = name.chars().filter(|c| *c != '-').take(2).collect();
        Self(format!("{start}{:02x}{:02x}", digest[0], digest[1]))
    }

    /// What the name of each network interface of this lab on the host begins with.
    pub(crate) fn interface_prefix(&self) -> String {
        format!("ml{}-", self.0)
    }

    pub(crate) fn bridge(&self, link: usize) -> String {
        format!("{}b{link}", self.interface_prefix())
    }

    /// The host's end of the cable from node number `node` into the bridge of `link`.
    pub(crate) fn cable(&self, node: u8, link: usize) -> String {
        format!("{}n{node}e{link}", self.interface_prefix())
    }

    /// The firewall table of this lab (one in each nftables family that it needs).
    pub(crate) fn firewall_table(&self) -> String {
        format!("muster_lab_{}", self.0)
    }

    /// The name under which systemd-nspawn knows a node.
    pub(crate) fn machine(&self, node: &str) -> String {
        format!("ml{}-{node}", self.0)
    }
}

impl FromStr for LabName {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        let refuse = |why| Err(LabError::Name { name: name.to_owned(), why });
        if name.is_empty() || name.len() > 30 {
            return refuse("must have 1 to 30 characters");
        }
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            return refuse("may have only lower-case letters, digits and dashes");
        }
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') {
            return refuse("must begin with a letter and must not end with a dash");
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for LabName {
    type Error = LabError;

    fn try_from(name: String) -> Result<Self, LabError> {
        name.parse()
    }
}

impl From<LabName> for String {
    fn from(name: LabName) -> Self {
        name.0
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str) -> Label {
        Label::new(None, &name.parse().unwrap())
    }

    #[test]
    fn interface_names_fit_the_kernel_for_the_longest_lab_and_the_last_node() {
        let longest = label("a-name-of-thirty-characters-ab");
        assert!(longest.cable(199, 7).len() <= 15, "{}", longest.cable(199, 7));
        assert!(longest.bridge(7).len() <= 15);
    }

    #[test]
    fn a_short_name_is_readable_in_its_interfaces() {
        assert_eq!(label("lab").bridge(0), "mllab-b0");
        assert_eq!(label("lab").cable(2, 1), "mllab-n2e1");
    }

    #[test]
    fn labs_with_names_that_begin_alike_share_no_interface() {
        let (one, other) = (label("web"), label("web-two"));
        assert!(!other.bridge(0).starts_with(&one.interface_prefix()));
        assert!(!label("staging-one").bridge(0).starts_with(&label("staging-two").interface_prefix()));
    }

    #[test]
    fn labs_of_one_name_in_two_folders_share_no_interface() {
        let elsewhere = Label::new(Some("/srv/labs"), &"lab".parse().unwrap());
        assert_ne!(elsewhere, label("lab"));
    }

    #[test]
    fn a_name_that_no_host_could_have_is_refused() {
        for bad in ["", "Lab", "1lab", "lab-", "la b", "../x", "a-name-of-more-than-thirty-charac"] {
            assert!(bad.parse::<LabName>().is_err(), "{bad}");
        }
    }
}
