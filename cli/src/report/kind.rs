//! What modules deal with, for sums.

/// A kind of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Files,
    Packages,
    Services,
    Accounts,
    Network,
    Storage,
    System,
    Databases,
    Cluster,
    Commands,
    Others,
}

impl Kind {
    /// That of a module.
    pub(super) fn of(module: &str) -> Self {
        match module {
            "archive" | "assemble" | "blockinfile" | "copy" | "fetch" | "file" | "find" | "get_url"
            | "git" | "htpasswd" | "ini_file" | "lineinfile" | "openssh_keypair" | "openssl_csr"
            | "openssl_dhparam" | "openssl_pkcs12" | "openssl_privatekey" | "openssl_publickey"
            | "replace" | "slurp" | "stat" | "subversion" | "undo" | "tempfile" | "template"
            | "unarchive" | "x509_certificate" => Self::Files,
            "apt" | "apt_key" | "apt_repository" | "deb822_repository" | "debconf" | "dnf"
            | "dpkg_selections" | "package" | "package_facts" | "pip" | "rpm_key" | "yum"
            | "yum_repository" => Self::Packages,
            "apache2_module" | "cron" | "service" | "service_facts" | "systemd" | "systemd_service"
            | "sysvinit" => Self::Services,
            "authorized_key" | "getent" | "group" | "known_hosts" | "pam_limits" | "pamd" | "user" => {
                Self::Accounts
            }
            "firewall" | "firewalld" | "iptables" | "nmcli" | "ufw" | "uri" | "wait_for" => Self::Network,
            "filesystem" | "lvg" | "lvol" | "mount" | "mount_facts" | "parted" => Self::Storage,
            "hostname" | "locale_gen" | "modprobe" | "reboot" | "seboolean" | "selinux" | "setup"
            | "sysctl" | "timezone" => Self::System,
            name if name.starts_with("postgresql_") => Self::Databases,
            "cluster" => Self::Cluster,
            "async_status" | "command" | "expect" | "raw" | "script" | "shell" => Self::Commands,
            _ => Self::Others,
        }
    }

    /// As in "3 files".
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Packages => "packages",
            Self::Services => "services",
            Self::Accounts => "accounts",
            Self::Network => "network",
            Self::Storage => "storage",
            Self::System => "system",
            Self::Databases => "databases",
            Self::Cluster => "cluster",
            Self::Commands => "commands",
            Self::Others => "others",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::module::{RunsOn, all};

    #[test]
    fn every_module_that_changes_a_host_is_of_a_kind() {
        let of_none =
            all().filter(|spec| matches!(spec.runs_on, RunsOn::Host) && Kind::of(spec.name) == Kind::Others);
        let names: Vec<&str> = of_none.map(|spec| spec.name).collect();
        assert_eq!(names, ["ping", "wait_for_connection"], "they change nothing");
    }
}
