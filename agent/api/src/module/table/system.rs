//! Modules about the host's own databases and timers.

use super::super::ArgKind::{Bool, Path, Str};
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
