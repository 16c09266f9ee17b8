//! Facts about a host, under the names that Ansible's `setup` gives them, without the prefix `ansible_`.

mod clock;
mod distribution;
mod hardware;
mod local;
mod network;
mod platform;
mod storage;
mod virtualization;

use crate::worker::View;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// One source of facts: its own name, the groups that have it, and how it is gathered.
struct Source {
    name: &'static str,
    groups: &'static [&'static str],
    gather: fn(&View<'_>) -> Map<String, Value>,
}

const SOURCES: &[Source] = &[
    Source { name: "platform", groups: &["min"], gather: platform::platform },
    Source { name: "distribution", groups: &["min"], gather: distribution::distribution },
    Source { name: "pkg_mgr", groups: &["min"], gather: platform::package_manager },
    Source { name: "service_mgr", groups: &["min"], gather: platform::service_manager },
    Source { name: "systemd", groups: &["min"], gather: platform::systemd },
    Source { name: "user", groups: &["min"], gather: platform::user },
    Source { name: "env", groups: &["min"], gather: platform::environment },
    Source { name: "date_time", groups: &["min"], gather: clock::date_time },
    Source { name: "cmdline", groups: &["min"], gather: platform::command_line },
    Source { name: "dns", groups: &["min"], gather: network::dns },
    Source { name: "selinux", groups: &["min"], gather: platform::selinux },
    Source { name: "apparmor", groups: &["min"], gather: platform::apparmor },
    Source { name: "fips", groups: &["min"], gather: platform::fips },
    Source { name: "lsb", groups: &["min"], gather: distribution::lsb },
    Source { name: "ssh_pub_keys", groups: &["min"], gather: platform::ssh_keys },
    Source { name: "python", groups: &["min"], gather: platform::python },
    Source { name: "loadavg", groups: &["min"], gather: platform::load },
    Source { name: "processor", groups: &["hardware"], gather: hardware::processor },
    Source { name: "memory", groups: &["hardware"], gather: hardware::memory },
    Source { name: "uptime", groups: &["hardware"], gather: hardware::uptime },
    Source { name: "dmi", groups: &["hardware"], gather: hardware::firmware },
    Source { name: "mounts", groups: &["hardware"], gather: storage::mounts },
    Source { name: "devices", groups: &["hardware"], gather: storage::devices },
    Source { name: "interfaces", groups: &["network"], gather: network::interfaces },
    Source { name: "virtualization", groups: &["virtual"], gather: virtualization::virtualization },
];

/// Names that Ansible has for parts of one of our sources, or for what only other systems have.
const SYNONYMS: &[(&str, &str)] = &[
    ("kernel", "platform"),
    ("machine", "platform"),
    ("system", "platform"),
    ("architecture", "platform"),
    ("machine_id", "platform"),
    ("hostname", "platform"),
    ("virtualization_role", "virtualization"),
    ("virtualization_type", "virtualization"),
    ("virtualization_tech_guest", "virtualization"),
    ("virtualization_tech_host", "virtualization"),
    ("default_ipv4", "interfaces"),
    ("default_ipv6", "interfaces"),
    ("all_ipv4_addresses", "interfaces"),
    ("all_ipv6_addresses", "interfaces"),
    ("processor_cores", "processor"),
    ("processor_count", "processor"),
    ("distribution_version", "distribution"),
    ("distribution_release", "distribution"),
    ("distribution_major_version", "distribution"),
    ("os_family", "distribution"),
    ("user_id", "user"),
    ("local", "local"),
    ("facter", ""),
    ("ohai", ""),
    ("caps", ""),
    ("iscsi", ""),
    ("nvme", ""),
    ("fibre_channel_wwn", ""),
    ("chroot", "platform"),
    ("is_chroot", "platform"),
    ("system_capabilities", ""),
];

const GROUPS: &[&str] = &["min", "hardware", "network", "virtual"];

/// Which facts are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subsets {
    names: BTreeSet<&'static str>,
    /// As written, for the fact `gather_subset`.
    written: Vec<String>,
}

impl Subsets {
    /// Reads `all`, `min`, groups and single names, each with `!` to leave it out; the least is gathered always,
    /// unless `!min` says otherwise.
    ///
    /// # Errors
    ///
    /// A name that nobody has.
    pub(crate) fn parse(written: &[String]) -> Result<Self, String> {
        let (out, into): (Vec<_>, Vec<_>) =
            written.iter().map(|name| name.trim()).partition(|name| name.starts_with('!'));
        let out: Vec<&str> = out.into_iter().map(|name| name.trim_start_matches('!').trim()).collect();
        let mut names = BTreeSet::new();
        // Names that are only left out are left out of the least, as in Ansible.
        let wants_all = into.contains(&"all") || written.is_empty();
        if wants_all {
            names.extend(SOURCES.iter().map(|source| source.name).chain(["local"]));
        } else if !out.contains(&"min") {
            names.extend(sources_of("min")?);
        }
        for name in into.iter().filter(|name| **name != "all") {
            names.extend(sources_of(name)?);
        }
        for name in out.iter().filter(|name| **name != "all") {
            // To leave out what nobody knows is no mistake: another release may know it.
            for source in sources_of(name).unwrap_or_default() {
                // What is named itself stays, whatever its group.
                if !into.contains(&source) {
                    names.remove(source);
                }
            }
        }
        Ok(Self { names, written: written.to_vec() })
    }
}

fn sources_of(name: &str) -> Result<Vec<&'static str>, String> {
    if name == "local" {
        return Ok(vec!["local"]);
    }
    let synonym = SYNONYMS.iter().find(|(synonym, _)| *synonym == name).map(|(_, source)| *source);
    let wanted = synonym.unwrap_or(name);
    let in_group = |source: &&Source| source.name == wanted || source.groups.contains(&wanted);
    let mut found: Vec<&'static str> = SOURCES.iter().filter(in_group).map(|source| source.name).collect();
    if wanted == "min" {
        found.push("local");
    }
    if found.is_empty() && synonym.is_none() {
        let names: Vec<&str> =
            GROUPS.iter().copied().chain(SOURCES.iter().map(|source| source.name)).collect();
        return Err(format!("there are no facts `{name}`; `gather_subset` takes all, {}", names.join(", ")));
    }
    Ok(found)
}

/// Gathers what is asked for; what the host does not tell is left out.
pub(crate) fn gather(subsets: &Subsets, folder: Option<&Path>, view: &View<'_>) -> Map<String, Value> {
    let mut facts = Map::new();
    for source in SOURCES.iter().filter(|source| subsets.names.contains(source.name)) {
        facts.extend((source.gather)(view));
    }
    if subsets.names.contains("local")
        && let Some(folder) = folder
    {
        facts.insert("local".into(), local::local(folder, view).into());
    }
    let written = if subsets.written.is_empty() { vec!["all".to_owned()] } else { subsets.written.clone() };
    facts.insert("gather_subset".into(), written.into());
    facts.insert("module_setup".into(), true.into());
    facts
}

/// A map of facts.
macro_rules! facts {
    ($($name:literal: $value:expr),* $(,)?) => {
        serde_json::Map::from_iter([$(($name.to_owned(), serde_json::Value::from($value))),*])
    };
}
use facts;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(written: &[&str]) -> BTreeSet<&'static str> {
        let written: Vec<String> = written.iter().map(|name| (*name).to_owned()).collect();
        Subsets::parse(&written).expect("known names").names
    }

    #[test]
    fn groups_and_names_are_added_to_the_least_and_left_out() {
        assert!(names(&[]).contains("processor") && names(&["all"]).contains("local"));
        assert!(names(&["!all"]).contains("platform") && !names(&["!all"]).contains("processor"));
        assert!(names(&["network"]).contains("interfaces") && !names(&["network"]).contains("processor"));
        assert_eq!(names(&["!all", "!min", "memory"]).into_iter().collect::<Vec<_>>(), ["memory"]);
        assert!(names(&["!hardware"]).contains("platform") && !names(&["!hardware"]).contains("interfaces"));
        assert!(!names(&["all", "!hardware"]).contains("memory"));
        assert!(names(&["all", "!hardware"]).contains("interfaces"));
        assert!(Subsets::parse(&["hardwear".to_owned()]).expect_err("unknown").contains("hardware"));
    }
}
