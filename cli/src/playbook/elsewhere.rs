//! Modules that roles name for other systems, and that muster does not have: package managers that no node here has, other
//! service managers, other clouds. A task with one of them is fine as long as its condition keeps it from running.

/// By collection.
const MODULES: &[(&str, &[&str])] = &[
    (
        "community.general",
        &[
            "alternatives",
            "apk",
            "bower",
            "bundler",
            "cargo",
            "cpanm",
            "cronvar",
            "dnf_config_manager",
            "dnf_versionlock",
            "flatpak",
            "flatpak_remote",
            "gconftool2",
            "gem",
            "homebrew",
            "homebrew_cask",
            "homebrew_tap",
            "java_cert",
            "java_keystore",
            "jenkins_plugin",
            "kernel_blacklist",
            "launchd",
            "ldap_attrs",
            "ldap_entry",
            "listen_ports_facts",
            "lxd_container",
            "macports",
            "mail",
            "monit",
            "npm",
            "openbsd_pkg",
            "opkg",
            "osx_defaults",
            "pacman",
            "pacman_key",
            "pear",
            "pids",
            "pipx",
            "pkg5",
            "pkg5_publisher",
            "pkgin",
            "pkgng",
            "pkgutil",
            "portage",
            "redhat_subscription",
            "rhsm_release",
            "rhsm_repository",
            "runit",
            "sefcontext",
            "selinux_permissive",
            "selogin",
            "seport",
            "slack",
            "slackpkg",
            "snap",
            "snap_alias",
            "sorcery",
            "ssh_config",
            "sudoers",
            "supervisorctl",
            "svc",
            "svr4pkg",
            "swdepot",
            "swupd",
            "sysrc",
            "syspatch",
            "sysupgrade",
            "urpmi",
            "xbps",
            "xfs_quota",
            "xml",
            "yarn",
            "yum_versionlock",
            "zfs",
            "zypper",
            "zypper_repository",
        ],
    ),
    (
        "ansible.posix",
        &[
            "at",
            "firewalld_info",
            "patch",
            "rhel_facts",
            "rhel_rpm_ostree",
            "rpm_ostree_upgrade",
            "synchronize",
        ],
    ),
    ("community.crypto", &["acme_account", "acme_certificate", "luks_device", "openssh_cert"]),
    (
        "community.docker",
        &["docker_compose_v2", "docker_container", "docker_image", "docker_login", "docker_network"],
    ),
    (
        "community.mysql",
        &["mysql_db", "mysql_info", "mysql_query", "mysql_replication", "mysql_user", "mysql_variables"],
    ),
    ("containers.podman", &["podman_container", "podman_image", "podman_network", "podman_volume"]),
    (
        "ansible.windows",
        &[
            "win_command",
            "win_copy",
            "win_dsc",
            "win_environment",
            "win_feature",
            "win_file",
            "win_get_url",
            "win_package",
            "win_ping",
            "win_reboot",
            "win_regedit",
            "win_service",
            "win_shell",
            "win_stat",
            "win_template",
            "win_updates",
            "win_user",
        ],
    ),
    ("chocolatey.chocolatey", &["win_chocolatey"]),
    ("community.windows", &["win_firewall_rule", "win_timezone", "win_unzip"]),
];

/// The collection that has it, under its bare or its full name.
pub(crate) fn collection_of(name: &str) -> Option<&'static str> {
    let (collection, bare) = name.rsplit_once('.').map_or((None, name), |(of, bare)| (Some(of), bare));
    MODULES
        .iter()
        .filter(|(of, _)| collection.is_none_or(|collection| collection == *of))
        .find(|(_, names)| names.contains(&bare))
        .map(|(of, _)| *of)
}

/// What is said where one of them would run.
pub(crate) fn refusal(name: &str, collection: &str) -> String {
    let bare = name.rsplit('.').next().unwrap_or(name);
    format!("muster has no module `{bare}` (of `{collection}`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_elsewhere_is_known_by_both_names_and_none_is_one_of_ours() {
        assert_eq!(collection_of("pkgng"), Some("community.general"));
        assert_eq!(collection_of("community.general.pkgng"), Some("community.general"));
        assert_eq!(collection_of("ansible.posix.pkgng"), None);
        let both: Vec<_> = MODULES
            .iter()
            .flat_map(|(_, names)| names.iter())
            .filter(|name| muster_api::module::find(name).is_some())
            .collect();
        assert!(both.is_empty(), "{both:?}");
    }
}
