//! Modules about the host's own databases and timers.

use super::super::ArgKind::{Bool, Dict, Float, Int, ListOfStr, Path, Raw, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg};

const fn time(name: &'static str, doc: &'static str) -> ArgSpec {
    arg(name, Str, doc).default("\"*\"")
}

pub(super) const CRON: ModuleSpec = ModuleSpec {
    name: "cron",
    summary: "Keeps a job or a variable in a crontab.",
    args: &[
        arg("name", Str, "The job's name, or the variable's.").required(),
        arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present"),
        arg("job", Str, "What runs, or the variable's value.").or(&["value"]),
        arg("user", Str, "Whose crontab; in a `cron_file`, who runs the job."),
        arg("cron_file", Path, "A file of /etc/cron.d, in place of the user's crontab."),
        arg("env", Bool, "It is a variable, not a job.").default("false"),
        time("minute", "0-59, `*`, `*/2`."),
        time("hour", "0-23, `*`, `*/2`."),
        time("day", "1-31, `*`, `*/2`.").or(&["dom"]),
        time("month", "1-12, JAN-DEC, `*`, `*/2`."),
        time("weekday", "0-6 for Sunday to Saturday, `*`.").or(&["dow"]),
        arg("special_time", Str, "In place of the five fields.")
            .one_of(&["reboot", "yearly", "annually", "monthly", "weekly", "daily", "hourly"]),
        arg("disabled", Bool, "The job is there as a comment.").default("false"),
        arg("insertafter", Str, "The variable that it goes after."),
        arg("insertbefore", Str, "The variable that it goes before."),
        arg("backup", Bool, "Keeps the old crontab in a file that the result names.").default("false"),
    ],
    rules: &[Rule::MutuallyExclusive(&["insertafter", "insertbefore"])],
    ..NOTHING
};

pub(super) const GETENT: ModuleSpec = ModuleSpec {
    name: "getent",
    summary: "Reads a database of the host's name service, as the fact `getent_DATABASE`.",
    args: &[
        arg("database", Str, "`passwd`, `group`, `hosts`, …").required(),
        arg("key", Str, "The entry; all without it."),
        arg("service", Str, "The only source to ask, such as `files`."),
        arg("split", Str, "What stands between fields; `:` for passwd, group and shadow, blanks for others."),
        arg("fail_key", Bool, "Whether a missing entry is a failure.").default("true"),
    ],
    ..NOTHING
};

pub(super) const KNOWN_HOSTS: ModuleSpec = ModuleSpec {
    name: "known_hosts",
    summary: "Keeps a host's key in a known_hosts file.",
    args: &[
        arg("name", Str, "The host, `[host]:port` where the port is not 22.").or(&["host"]).required(),
        arg("key", Str, "The whole line of the key."),
        arg("path", Path, "The file.").default("~/.ssh/known_hosts"),
        arg("hash_host", Bool, "The name is written as a hash.").default("false"),
        arg("state", Str, "Whether the key shall be there.")
            .one_of(&["absent", "present"])
            .default("present"),
    ],
    ..NOTHING
};

pub(super) const MOUNT_FACTS: ModuleSpec = ModuleSpec {
    name: "mount_facts",
    summary: "Tells what is mounted, as the fact `mount_points`.",
    args: &[
        arg("sources", ListOfStr, "`all`, `dynamic`, `static`, or files.").default("[all]"),
        arg("devices", ListOfStr, "Only these devices; patterns are allowed."),
        arg("fstypes", ListOfStr, "Only these types of file systems; patterns are allowed."),
        arg("include_aggregate_mounts", Bool, "All entries too, in `aggregate_mounts`."),
        arg(
            "mount_binary",
            Str,
            "The program that lists what is mounted, where no file does; `mount` as a source asks it.",
        )
        .default("mount"),
        arg("timeout", Float, "Seconds for what is known about one mount."),
        arg("on_timeout", Str, "What happens to a mount that takes longer.")
            .one_of(&["error", "warn", "ignore"])
            .default("error"),
    ],
    ..NOTHING
};

pub(super) const GIT: ModuleSpec = ModuleSpec {
    name: "git",
    summary: "Keeps a checkout of a git repository.",
    args: &[
        arg("repo", Str, "The repository.").or(&["name"]).required(),
        arg("dest", Path, "The directory of the checkout."),
        arg("version", Str, "The branch, the tag or the commit.").default("HEAD"),
        arg("remote", Str, "The name of the repository in the checkout.").default("origin"),
        arg("refspec", Str, "A further reference to fetch."),
        arg("force", Bool, "Local changes are discarded.").default("false"),
        arg("clone", Bool, "Whether it is cloned where it is not there.").default("true"),
        arg("update", Bool, "Whether a checkout that is there follows the repository.").default("true"),
        arg("depth", Int, "How many commits are fetched."),
        arg("single_branch", Bool, "Fetches only the branch of `version`.").default("false"),
        arg("bare", Bool, "A repository without files.").default("false"),
        arg("recursive", Bool, "Whether submodules come along.").default("true"),
        arg("track_submodules", Bool, "Submodules follow their branches.").default("false"),
        arg("reference", Str, "A repository of the host whose objects are used."),
        arg("separate_git_dir", Path, "Where the repository itself is kept."),
        arg("accept_hostkey", Bool, "Trusts the key of an unknown host.").default("false"),
        arg("accept_newhostkey", Bool, "Trusts the key of a host that is new.").default("false"),
        arg("key_file", Path, "The private key to log in with."),
        arg("ssh_opts", Str, "Options for ssh."),
        arg("executable", Path, "The git to use."),
        arg("archive", Path, "A file for an archive of the files: `.zip`, `.tar`, `.tar.gz` or `.tgz`."),
        arg("archive_prefix", Str, "What stands before each path in the archive."),
        arg("umask", Raw, "The umask for new files, in octal."),
        arg("verify_commit", Bool, "The signature of the commit or tag must be good.").default("false"),
        arg(
            "gpg_allowlist",
            ListOfStr,
            "The fingerprints that may have signed it; any that gpg trusts without it.",
        )
        .or(&["gpg_whitelist"])
        .default("[]"),
    ],
    rules: &[
        Rule::MutuallyExclusive(&["separate_git_dir", "bare"]),
        Rule::MutuallyExclusive(&["accept_hostkey", "accept_newhostkey"]),
        Rule::RequiredBy { argument: "archive_prefix", needs: &["archive"] },
    ],
    ..NOTHING
};

pub(super) const SUBVERSION: ModuleSpec = ModuleSpec {
    name: "subversion",
    summary: "Keeps a working copy of a Subversion repository.",
    args: &[
        arg("repo", Str, "The repository.").or(&["name", "repository"]).required(),
        arg("dest", Path, "The directory of the working copy."),
        arg("revision", Str, "The revision.").or(&["rev", "version"]).default("HEAD"),
        arg("force", Bool, "Local changes are discarded.").default("false"),
        arg("in_place", Bool, "A directory that is there becomes the working copy.").default("false"),
        arg("username", Str, "User for the repository."),
        arg("password", Str, "Password for the repository.").secret(),
        arg("executable", Path, "The svn to use."),
        arg("checkout", Bool, "Whether it is checked out where it is not there.").default("true"),
        arg("update", Bool, "Whether a working copy that is there follows the repository.").default("true"),
        arg("export", Bool, "The files only, without what makes it a working copy.").default("false"),
        arg("switch", Bool, "Whether a working copy of another address is moved to this one.")
            .default("true"),
        arg("validate_certs", Bool, "Whether the server's certificate is checked.").default("false"),
    ],
    ..NOTHING
};

pub(super) const PIP: ModuleSpec = ModuleSpec {
    name: "pip",
    summary: "Installs Python packages with the host's pip.",
    args: &[
        arg("name", ListOfStr, "The packages."),
        arg("version", Str, "The version of the one package."),
        arg("requirements", Str, "A file that lists packages."),
        arg("state", Str, "Whether they shall be there.")
            .one_of(&["absent", "forcereinstall", "latest", "present"])
            .default("present"),
        arg("virtualenv", Path, "The virtual environment; it is made where it is not there."),
        arg("virtualenv_command", Path, "What makes it."),
        arg("virtualenv_python", Str, "The Python in it."),
        arg("virtualenv_site_packages", Bool, "Whether it sees the packages of the host.").default("false"),
        arg("executable", Path, "The pip to use."),
        arg("extra_args", Str, "Options for pip."),
        arg("editable", Bool, "Installs in place.").default("false"),
        arg("chdir", Path, "The directory to run in."),
        arg("break_system_packages", Bool, "May change what the host's package manager installed.")
            .default("false"),
        arg("umask", Str, "The umask for new files, in octal."),
    ],
    rules: &[
        Rule::RequiredOneOf(&["name", "requirements"]),
        Rule::MutuallyExclusive(&["name", "requirements"]),
        Rule::MutuallyExclusive(&["executable", "virtualenv"]),
    ],
    ..NOTHING
};

pub(super) const WAIT_FOR_CONNECTION: ModuleSpec = ModuleSpec {
    name: "wait_for_connection",
    summary: "Waits until the host can be reached and used.",
    args: &[
        arg("connect_timeout", Int, "Seconds for one try.").default("5"),
        arg("delay", Float, "Seconds before the first try.").default("0"),
        arg("sleep", Int, "Seconds between tries.").default("1"),
        arg("timeout", Int, "Seconds until it is a failure.").default("600"),
    ],
    ..NOTHING
};

pub(super) const REBOOT: ModuleSpec = ModuleSpec {
    name: "reboot",
    summary: "Starts the host anew, and waits until it is back.",
    args: &[
        arg("reboot_timeout", Int, "Seconds until it is a failure.").default("600"),
        arg("connect_timeout", Int, "Seconds for one try to reach it.").default("10"),
        arg("pre_reboot_delay", Float, "Seconds before it goes down; less than a minute is none.")
            .default("0"),
        arg("post_reboot_delay", Float, "Seconds before the first try to reach it.").default("0"),
        arg("test_command", Str, "What must succeed before it counts as back.").default("whoami"),
        arg("boot_time_command", Str, "What tells one start from another.")
            .default("cat /proc/sys/kernel/random/boot_id"),
        arg("reboot_command", Str, "What starts it anew."),
        arg("msg", Str, "What users of the host are told.").default("Reboot initiated by Ansible"),
        arg("search_paths", ListOfStr, "Folders in which `shutdown` is looked for.")
            .default("[/sbin, /bin, /usr/sbin, /usr/bin, /usr/local/sbin]"),
    ],
    ..NOTHING
};

const fn word(name: &'static str, doc: &'static str) -> ArgSpec {
    arg(name, Str, doc)
}

pub(super) const IPTABLES: ModuleSpec = ModuleSpec {
    name: "iptables",
    summary: "Keeps a rule, a chain or a policy of the kernel's packet filter, until the next start.",
    args: &[
        word("chain", "The chain."),
        word("table", "The table.").one_of(&["filter", "nat", "mangle", "raw", "security"]).default("filter"),
        word("state", "Whether it shall be there.").one_of(&["absent", "present"]).default("present"),
        word("action", "Where a new rule goes.").one_of(&["append", "insert"]).default("append"),
        word("rule_num", "The number of an inserted rule."),
        word("ip_version", "Which program.").one_of(&["ipv4", "ipv6"]).default("ipv4"),
        word("policy", "What happens to what no rule is about.")
            .one_of(&["ACCEPT", "DROP", "QUEUE", "RETURN"]),
        arg("flush", Bool, "All rules of the chain go.").default("false"),
        arg("chain_management", Bool, "The chain itself is made and removed.").default("false"),
        word("protocol", "The protocol; `!` before it for all others."),
        word("source", "Where it comes from."),
        word("destination", "Where it goes to."),
        arg("tcp_flags", Dict, "`flags` that are looked at, and `flags_set` that must be set."),
        arg("match", ListOfStr, "Extensions.").default("[]"),
        word("jump", "What happens to it."),
        word("gateway", "Where a copy goes."),
        word("log_prefix", "What stands before it in the log."),
        word("log_level", "The level in the log."),
        word("goto", "The chain that goes on."),
        word("in_interface", "The interface it comes from."),
        word("out_interface", "The interface it goes to."),
        word("fragment", "Only further fragments."),
        word("set_counters", "The counters to begin with."),
        word("source_port", "The port it comes from."),
        word("destination_port", "The port it goes to."),
        arg("destination_ports", ListOfStr, "The ports it goes to.").default("[]"),
        word("to_ports", "The port it is sent to."),
        word("to_destination", "Where it is sent to."),
        word("to_source", "Where it shall seem to come from."),
        word("syn", "Whether it opens a connection.")
            .one_of(&["ignore", "match", "negate"])
            .default("ignore"),
        word("set_dscp_mark", "The class of service, as a number."),
        word("set_dscp_mark_class", "The class of service, by name."),
        word("comment", "A comment at the rule."),
        arg("ctstate", ListOfStr, "The states of the connection.").default("[]"),
        word("src_range", "The addresses it comes from."),
        word("dst_range", "The addresses it goes to."),
        word("match_set", "The set of ipset(8)."),
        word("match_set_flags", "Which addresses are looked for in the set.")
            .one_of(&["src", "dst", "src,dst", "dst,src", "src,src", "dst,dst"]),
        word("limit", "How often."),
        word("limit_burst", "How often at first."),
        word("uid_owner", "The user it is of."),
        word("gid_owner", "The group it is of."),
        word("reject_with", "What the sender is told."),
        word("icmp_type", "The kind of ICMP."),
        word("wait", "Seconds to wait for the lock."),
        arg("numeric", Bool, "Has no effect: no name is looked up in any case.").default("false"),
    ],
    rules: &[
        Rule::MutuallyExclusive(&["set_dscp_mark", "set_dscp_mark_class"]),
        Rule::MutuallyExclusive(&["flush", "policy"]),
    ],
    ..NOTHING
};
