//! Modules for the host's package manager.

use super::super::ArgKind::{Bool, Int, ListOfStr, Path, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg};

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
        arg("auto_install_module_deps", Bool, "Nothing needs to be installed for this module.")
            .default("true"),
    ],
    unsupported: &["policy_rc_d"],
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
