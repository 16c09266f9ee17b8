//! Modules for the host's package manager.

use super::super::ArgKind::{Bool, Int, ListOfStr, Mode, Path, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

pub(super) const PACKAGE: ModuleSpec = ModuleSpec {
    name: "package",
    summary: "Installs and removes packages with the host's package manager.",
    args: &[
        arg("name", ListOfStr, "Packages, with `=VERSION` (apt) or `-VERSION` (dnf) where wanted.")
            .or(&["pkg"])
            .required(),
        arg("state", Str, "Whether they shall be there.")
            .one_of(&["present", "installed", "absent", "removed", "latest"])
            .default("present"),
        arg("use", Str, "The package manager.")
            .one_of(&["auto", "apt", "dnf", "dnf5", "yum"])
            .default("auto"),
    ],
    // What else the package manager's own module takes.
    open_ended: true,
    ..NOTHING
};

pub(super) const APT: ModuleSpec = ModuleSpec {
    name: "apt",
    summary: "Installs and removes Debian packages.",
    args: &[
        arg("name", ListOfStr, "Packages: `name`, `name=version` (`*` allowed), `name:arch`.")
            .or(&["package", "pkg"]),
        arg("state", Str, "Whether they shall be there.")
            .one_of(&["absent", "build-dep", "latest", "present", "fixed", "installed", "removed"])
            .default("present"),
        arg("update_cache", Bool, "Fetches the package lists first.").or(&["update-cache"]),
        arg("update_cache_retries", Int, "How often a failed fetch is tried again.").default("5"),
        arg("update_cache_retry_max_delay", Int, "Seconds between tries, at most.").default("12"),
        arg(
            "cache_valid_time",
            Int,
            "Seconds for which fetched lists are good enough; implies `update_cache`.",
        )
        .default("0"),
        arg("purge", Bool, "Removes configuration files too.").default("false"),
        arg("default_release", Str, "The release that packages come from.").or(&["default-release"]),
        arg(
            "install_recommends",
            Bool,
            "Whether recommended packages come along; apt's own setting without it.",
        )
        .or(&["install-recommends"]),
        arg("force", Bool, "Answers yes to apt's dangerous questions.").default("false"),
        arg("clean", Bool, "Empties the cache of downloaded packages.").default("false"),
        arg("allow_unauthenticated", Bool, "Takes packages without a good signature.")
            .or(&["allow-unauthenticated"])
            .default("false"),
        arg("allow_downgrade", Bool, "May install an older version.")
            .or(&["allow-downgrade", "allow_downgrades", "allow-downgrades"])
            .default("false"),
        arg("allow_change_held_packages", Bool, "May change packages that are on hold.").default("false"),
        arg("upgrade", Str, "Upgrades all packages.")
            .one_of(&["dist", "full", "no", "safe", "yes"])
            .default("\"no\""),
        arg("dpkg_options", Str, "Options for dpkg, separated by commas.")
            .default("force-confdef,force-confold"),
        arg("deb", Path, "A package file on the host."),
        arg("autoremove", Bool, "Removes packages that nothing needs any more.").default("false"),
        arg("autoclean", Bool, "Removes downloaded packages that no archive has any more.").default("false"),
        arg("only_upgrade", Bool, "Touches only packages that are installed.").default("false"),
        arg("fail_on_autoremove", Bool, "Fails where packages would be removed on the way.").default("false"),
        arg("force_apt_get", Bool, "apt-get is always used.").default("false"),
        arg("lock_timeout", Int, "Seconds to wait for another package manager to finish.").default("60"),
        arg(
            "policy_rc_d",
            Int,
            "What /usr/sbin/policy-rc.d answers meanwhile; 101 keeps services from being started.",
        ),
        arg("auto_install_module_deps", Bool, "Nothing needs to be installed for this module.")
            .default("true"),
    ],
    rules: &[
        Rule::MutuallyExclusive(&["deb", "name"]),
        Rule::RequiredOneOf(&[
            "autoremove",
            "deb",
            "name",
            "update_cache",
            "upgrade",
            "cache_valid_time",
            "autoclean",
            "clean",
        ]),
    ],
    ..NOTHING
};

pub(super) const DNF: ModuleSpec = ModuleSpec {
    name: "dnf",
    aliases: &["yum", "dnf5"],
    summary: "Installs and removes RPM packages.",
    args: &[
        arg("name", ListOfStr, "Packages: `name`, `name-version`, `@group`, a path or URL; `*` for all.")
            .or(&["pkg"]),
        arg("state", Str, "Whether they shall be there.").one_of(&[
            "absent",
            "present",
            "installed",
            "removed",
            "latest",
        ]),
        arg("enablerepo", ListOfStr, "Repositories to enable for this."),
        arg("disablerepo", ListOfStr, "Repositories to disable for this."),
        arg("conf_file", Str, "Another dnf.conf."),
        arg("disable_gpg_check", Bool, "Takes packages without a good signature.").default("false"),
        arg("installroot", Str, "Another root directory.").default("/"),
        arg("releasever", Str, "Another release."),
        arg("autoremove", Bool, "Removes packages that nothing needs any more.").default("false"),
        arg("exclude", ListOfStr, "Packages to leave alone."),
        arg("skip_broken", Bool, "Leaves out packages with broken dependencies.").default("false"),
        arg("update_cache", Bool, "Fetches the package lists first.").or(&["expire-cache"]).default("false"),
        arg("update_only", Bool, "Touches only packages that are installed.").default("false"),
        arg("security", Bool, "With `latest`: only what fixes a security fault.").default("false"),
        arg("bugfix", Bool, "With `latest`: only what fixes a fault.").default("false"),
        arg("enable_plugin", ListOfStr, "Plugins to enable for this."),
        arg("disable_plugin", ListOfStr, "Plugins to disable for this."),
        arg("disable_excludes", Str, "Ignores the excludes of dnf.conf: `all`, `main` or a repository."),
        arg("validate_certs", Bool, "Checks the certificates of repositories.").default("true"),
        arg("sslverify", Bool, "Checks the certificates of repositories.").default("true"),
        arg("allow_downgrade", Bool, "May install an older version.").default("false"),
        arg("download_only", Bool, "Only downloads.").default("false"),
        arg("download_dir", Str, "Where `download_only` puts packages."),
        arg("lock_timeout", Int, "Seconds to wait for another package manager to finish.").default("30"),
        arg("install_weak_deps", Bool, "Whether recommended packages come along.").default("true"),
        arg("allowerasing", Bool, "May remove packages that are in the way.").default("false"),
        arg("nobest", Bool, "May take another than the newest version."),
        arg("best", Bool, "Takes the newest version or fails."),
        arg("cacheonly", Bool, "Works with the package lists that are there.").default("false"),
        arg("use_backend", Str, "The program that does it.")
            .or(&["use"])
            .one_of(&["auto", "yum", "dnf", "yum4", "dnf4", "dnf5"])
            .default("auto"),
    ],
    unsupported: &["list", "install_repoquery"],
    rules: &[
        Rule::RequiredOneOf(&["name", "autoremove", "update_cache"]),
        Rule::MutuallyExclusive(&["best", "nobest"]),
    ],
    ..NOTHING
};

pub(super) const RPM_KEY: ModuleSpec = ModuleSpec {
    name: "rpm_key",
    summary: "Keeps a key that rpm trusts.",
    args: &[
        arg("key", Str, "The key: an address, a file of the host, or its number.").required(),
        arg("state", Str, "Whether rpm shall trust it.").one_of(&["absent", "present"]).default("present"),
        arg("fingerprint", ListOfStr, "The fingerprints that the key must have."),
        arg("validate_certs", Bool, "Whether the server's certificate is checked.").default("true"),
    ],
    ..NOTHING
};

pub(super) const YUM_REPOSITORY: ModuleSpec = ModuleSpec {
    name: "yum_repository",
    summary: "Keeps a repository of RPM packages in the sources of dnf.",
    args: with_file_attributes![
        arg("name", Str, "The repository's id.").required(),
        arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present"),
        arg("description", Str, "What it is called."),
        arg("file", Str, "The file, without `.repo`; the name without it."),
        arg("reposdir", Path, "The folder of the file.").default("/etc/yum.repos.d"),
        arg("baseurl", ListOfStr, "Its addresses."),
        arg("gpgkey", ListOfStr, "The addresses of its keys."),
        arg("exclude", ListOfStr, "Packages that are never taken from it.").or(&["excludepkgs"]),
        arg("includepkgs", ListOfStr, "The only packages that are taken from it."),
        arg("password", Str, "Password for the repository.").secret(),
        arg("proxy_password", Str, "Password for the proxy.").secret(),
        arg("failovermethod", Str, "Which address is tried next.").one_of(&["roundrobin", "priority"]),
        arg("http_caching", Str, "What caches may keep.").one_of(&["all", "packages", "none"]),
        arg("ip_resolve", Str, "Which addresses of a name are used.")
            .one_of(&["4", "6", "IPv4", "IPv6", "whatever"]),
        arg("keepcache", Str, "Whether packages are kept.").one_of(&["0", "1"]),
        arg("metadata_expire_filter", Str, "For which commands old lists are good enough.").one_of(&[
            "never",
            "read-only:past",
            "read-only:present",
            "read-only:future"
        ]),
        arg("bandwidth", Str, "Bytes a second, at most."),
        arg("cost", Str, "What it costs to use it, next to others."),
        arg("deltarpm_metadata_percentage", Str, "When delta packages are worth their lists."),
        arg("deltarpm_percentage", Str, "When delta packages are worth it."),
        arg("gpgcakey", Str, "The key of the authority of the keys."),
        arg("include", Str, "A further file of settings."),
        arg("metadata_expire", Str, "How long the lists are good."),
        arg("metalink", Str, "The address of a metalink."),
        arg("mirrorlist", Str, "The address of a list of mirrors."),
        arg("mirrorlist_expire", Str, "How long the list of mirrors is good."),
        arg("priority", Str, "Its rank; 1 goes first."),
        arg("proxy", Str, "The proxy."),
        arg("proxy_username", Str, "User for the proxy."),
        arg("retries", Str, "How often a download is tried again."),
        arg("sslclientcert", Str, "The certificate to show.").or(&["client_cert"]),
        arg("sslclientkey", Str, "Its key.").or(&["client_key"]),
        arg("sslcacert", Str, "The authorities to trust.").or(&["ca_cert"]),
        arg("throttle", Str, "Bytes a second, or a share of `bandwidth`."),
        arg("timeout", Str, "Seconds for a connection."),
        arg("ui_repoid_vars", Str, "Variables that the name may show."),
        arg("username", Str, "User for the repository."),
        arg("async", Bool, "Downloads at the same time."),
        arg("countme", Bool, "Whether it may count this host."),
        arg("enabled", Bool, "Whether it is used."),
        arg("enablegroups", Bool, "Whether groups are taken from it."),
        arg("gpgcheck", Bool, "Whether packages need a good signature."),
        arg("keepalive", Bool, "Keeps connections open."),
        arg("module_hotfixes", Bool, "Whether modules do not hide its packages."),
        arg("protect", Bool, "Its packages are not replaced by those of others."),
        arg("repo_gpgcheck", Bool, "Whether its lists need a good signature."),
        arg("s3_enabled", Bool, "It is in S3."),
        arg("skip_if_unavailable", Bool, "Goes on without it where it cannot be reached."),
        arg("ssl_check_cert_permissions", Bool, "Whether certificates must not be readable by others."),
        arg("sslverify", Bool, "Whether the server's certificate is checked.").or(&["validate_certs"]),
    ],
    rules: &[Rule::RequiredIf { argument: "state", value: "present", needs: &["description"] }],
    ..NOTHING
};

pub(super) const PACKAGE_FACTS: ModuleSpec = ModuleSpec {
    name: "package_facts",
    summary: "Tells which packages are installed, as the fact `packages`.",
    args: &[
        arg("manager", ListOfStr, "Which package managers are asked.").default("auto"),
        arg("strategy", Str, "`first`: the first package manager found; `all`: every one.")
            .one_of(&["first", "all"])
            .default("first"),
    ],
    ..NOTHING
};
