//! What dpkg has installed, read from its status file: no command is run to find that there is nothing to do.

use crate::worker::View;
use std::collections::BTreeMap;

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) section: String,
}

/// The installed packages of a host.
#[derive(Debug, Default)]
pub(super) struct Packages {
    by_name: BTreeMap<String, Vec<Installed>>,
    /// Virtual names, and who provides them.
    provided: BTreeMap<String, Vec<String>>,
}

impl Packages {
    /// As they are on the host, or in a plan would be by now.
    pub(super) fn of_host(view: &View<'_>) -> Self {
        let mut packages = Self::parse(&view.text("/var/lib/dpkg/status"));
        for (name, package) in view.overlay().packages() {
            use crate::worker::Package;
            match package {
                Package::Removed => {
                    packages.by_name.remove(name);
                }
                Package::Installed(version) => {
                    let version = version.clone().unwrap_or_default();
                    let installed =
                        Installed { version, architecture: String::new(), section: String::new() };
                    packages.by_name.insert(name.clone(), vec![installed]);
                }
            }
        }
        packages
    }

    fn parse(status: &str) -> Self {
        let mut packages = Self::default();
        for paragraph in status.split("\n\n") {
            packages.add(paragraph);
        }
        packages
    }

    fn add(&mut self, paragraph: &str) {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let is_installed = field("Status").is_some_and(|status| status.ends_with(" installed"));
        let (Some(name), Some(version), true) = (field("Package"), field("Version"), is_installed) else {
            return;
        };
        for provided in field("Provides").unwrap_or("").split(',') {
            if let Some(virtual_name) = provided.split_whitespace().next() {
                self.provided.entry(virtual_name.to_owned()).or_default().push(name.to_owned());
            }
        }
        let text = |name| field(name).unwrap_or("").to_owned();
        let installed = Installed {
            version: version.to_owned(),
            architecture: text("Architecture"),
            section: text("Section"),
        };
        self.by_name.entry(name.to_owned()).or_default().push(installed);
    }

    /// The package of that name, of any architecture where none is given (`name:arch`).
    pub(super) fn get(&self, name: &str) -> Option<&Installed> {
        let (name, architecture) =
            name.split_once(':').map_or((name, None), |(name, arch)| (name, Some(arch)));
        let found = self.by_name.get(name)?;
        found.iter().find(|package| {
            architecture.is_none_or(|wanted| {
                wanted == "any" || wanted == package.architecture || package.architecture.is_empty()
            })
        })
    }

    /// Whether an installed package stands for that virtual name.
    pub(super) fn provides(&self, name: &str) -> bool {
        let providers = self.provided.get(name);
        providers
            .is_some_and(|providers| providers.iter().any(|provider| self.by_name.contains_key(provider)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Vec<Installed>)> {
        self.by_name.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: apache2\nStatus: install ok installed\nArchitecture: amd64\n\
Version: 2.4.62-1\nProvides: httpd, httpd-cgi (= 1)\nDescription: web\n server\n\n\
Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
Package: held\nStatus: hold ok installed\nArchitecture: all\nVersion: 2\n";

    #[test]
    fn installed_packages_and_what_they_provide_are_found() {
        let packages = Packages::parse(STATUS);
        assert_eq!(packages.get("apache2").map(|package| package.version.as_str()), Some("2.4.62-1"));
        assert!(packages.get("apache2:amd64").is_some() && packages.get("apache2:arm64").is_none());
        assert!(packages.get("gone").is_none() && packages.get("held").is_some());
        assert!(packages.provides("httpd-cgi") && !packages.provides("mail-transport-agent"));
    }
}
