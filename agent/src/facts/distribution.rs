//! Which distribution it is: from os-release(5) and the files that it lacks detail of.

use super::facts;
use crate::worker::View;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The families that playbooks ask for, by the name of the distribution.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "Debian",
        &[
            "Debian",
            "Ubuntu",
            "Raspbian",
            "Linux Mint",
            "Kali",
            "Pop!_OS",
            "Devuan",
            "Neon",
            "Deepin",
            "Parrot",
            "Uos",
        ],
    ),
    (
        "RedHat",
        &[
            "RedHat",
            "CentOS",
            "Fedora",
            "Rocky",
            "AlmaLinux",
            "OracleLinux",
            "Amazon",
            "Scientific",
            "CloudLinux",
            "EuroLinux",
            "Virtuozzo",
            "Alibaba",
            "openEuler",
            "TencentOS",
        ],
    ),
    ("Suse", &["SLES", "SLED", "openSUSE", "openSUSE Leap", "openSUSE Tumbleweed", "SLES_SAP", "SLE Micro"]),
    ("Archlinux", &["Archlinux", "Manjaro", "EndeavourOS"]),
    ("Alpine", &["Alpine"]),
    ("Gentoo", &["Gentoo"]),
];

pub(super) fn distribution(view: &View<'_>) -> Map<String, Value> {
    let (path, text) = ["/etc/os-release", "/usr/lib/os-release"]
        .into_iter()
        .map(|path| (path, view.text(path)))
        .find(|(_, text)| !text.is_empty())
        .unwrap_or(("", String::new()));
    let release = Release {
        fields: parse(&text),
        debian: view.text("/etc/debian_version"),
        redhat: view.text("/etc/redhat-release"),
    };
    let name = release.name();
    let version = release.version(&name);
    facts! {
        "distribution": name.clone(),
        "distribution_version": version.clone(),
        "distribution_major_version": version.split('.').next().unwrap_or("").to_owned(),
        "distribution_minor_version": version.split_once('.').map_or("", |(_, minor)| minor).to_owned(),
        "distribution_release": release.codename(),
        "distribution_file_path": path,
        "distribution_file_variety": family(&name),
        "distribution_file_parsed": !text.is_empty(),
        "os_family": family(&name),
    }
}

pub(super) fn lsb(view: &View<'_>) -> Map<String, Value> {
    let fields = parse(&view.text("/etc/lsb-release"));
    let told: Map<String, Value> = [
        ("DISTRIB_ID", "id"),
        ("DISTRIB_RELEASE", "release"),
        ("DISTRIB_DESCRIPTION", "description"),
        ("DISTRIB_CODENAME", "codename"),
    ]
    .into_iter()
    .filter_map(|(field, name)| Some((name.to_owned(), Value::from(fields.get(field)?.as_str()))))
    .chain(
        fields
            .get("DISTRIB_RELEASE")
            .map(|release| ("major_release".to_owned(), json!(release.split('.').next()))),
    )
    .collect();
    facts! { "lsb": told }
}

fn family(name: &str) -> String {
    let found = FAMILIES.iter().find(|(_, members)| members.contains(&name));
    found.map_or(name, |(family, _)| family).to_owned()
}

/// Lines of `NAME="value"`.
fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.trim().split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect()
}

struct Release {
    fields: BTreeMap<String, String>,
    debian: String,
    redhat: String,
}

impl Release {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn name(&self) -> String {
        let name = match self.field("ID") {
            "debian" => "Debian",
            "ubuntu" => "Ubuntu",
            "raspbian" => "Raspbian",
            "linuxmint" => "Linux Mint",
            "kali" => "Kali",
            "rhel" => "RedHat",
            "centos" => "CentOS",
            "fedora" => "Fedora",
            "rocky" => "Rocky",
            "almalinux" => "AlmaLinux",
            "ol" => "OracleLinux",
            "amzn" => "Amazon",
            "sles" => "SLES",
            "sled" => "SLED",
            "opensuse-leap" => "openSUSE Leap",
            "opensuse-tumbleweed" => "openSUSE Tumbleweed",
            "arch" => "Archlinux",
            "alpine" => "Alpine",
            "gentoo" => "Gentoo",
            _ => self.field("NAME").split(' ').next().unwrap_or(""),
        };
        name.to_owned()
    }

    /// Debian's point release, and that of CentOS and its like, are in files of their own.
    fn version(&self, name: &str) -> String {
        let own = self.field("VERSION_ID").to_owned();
        let debian = self.debian.trim();
        if name == "Debian" && debian.starts_with(|letter: char| letter.is_ascii_digit()) {
            return debian.to_owned();
        }
        let precise = self
            .redhat
            .split_whitespace()
            .find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
        match precise.filter(|precise| *precise == own || precise.starts_with(&format!("{own}."))) {
            Some(precise) if name != "Fedora" => precise.to_owned(),
            _ => own,
        }
    }

    fn codename(&self) -> String {
        let own = self.field("VERSION_CODENAME");
        let inside = |text: &str| Some(text.split_once('(')?.1.split_once(')')?.0.to_owned());
        match own {
            "" => inside(self.field("VERSION"))
                .or_else(|| inside(&self.redhat))
                .unwrap_or_else(|| "NA".to_owned()),
            own => own.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(os_release: &str, debian: &str, redhat: &str) -> (String, String, String, String) {
        let release = Release { fields: parse(os_release), debian: debian.into(), redhat: redhat.into() };
        let name = release.name();
        (name.clone(), release.version(&name), release.codename(), family(&name))
    }

    #[test]
    fn distributions_have_the_names_that_playbooks_ask_for() {
        let debian = told("ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n", "12.5\n", "");
        assert_eq!(debian, ("Debian".into(), "12.5".into(), "bookworm".into(), "Debian".into()));
        let ubuntu = told("ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n", "trixie/sid\n", "");
        assert_eq!(ubuntu, ("Ubuntu".into(), "24.04".into(), "noble".into(), "Debian".into()));
        let rocky = told(
            "ID=\"rocky\"\nVERSION_ID=\"9.3\"\nVERSION=\"9.3 (Blue Onyx)\"\n",
            "",
            "Rocky Linux release 9.3 (Blue Onyx)\n",
        );
        assert_eq!(rocky, ("Rocky".into(), "9.3".into(), "Blue Onyx".into(), "RedHat".into()));
        let centos = told("ID=\"centos\"\nVERSION_ID=\"7\"\n", "", "CentOS Linux release 7.9.2009 (Core)\n");
        assert_eq!(centos, ("CentOS".into(), "7.9.2009".into(), "Core".into(), "RedHat".into()));
    }
}
