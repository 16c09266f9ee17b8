//! Modules for services.

use super::super::ArgKind::{Bool, Int, ListOfStr, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg};

const STATES: &[&str] = &["reloaded", "restarted", "started", "stopped"];

pub(super) const SERVICE: ModuleSpec = ModuleSpec {
    name: "service",
    summary: "Starts, stops and enables a service.",
    args: &[
        arg("name", Str, "The service.").required(),
        arg("state", Str, "What it shall do.").one_of(STATES),
        arg("enabled", Bool, "Whether it starts with the host."),
        arg("sleep", Int, "Seconds between stop and start of a restart."),
        arg("use", Str, "The service manager; only systemd is known.").default("auto"),
        arg("daemon_reload", Bool, "systemd reads its unit files again first.")
            .or(&["daemon-reload"])
            .default("false"),
        arg("pattern", Str, "Not used where systemd is the service manager: a warning says so."),
        arg("runlevel", Str, "Not used where systemd is the service manager: a warning says so."),
        arg("arguments", Str, "Not used where systemd is the service manager: a warning says so.")
            .or(&["args"]),
    ],
    rules: &[Rule::RequiredOneOf(&["state", "enabled"])],
    ..NOTHING
};

pub(super) const SYSTEMD: ModuleSpec = ModuleSpec {
    name: "systemd",
    aliases: &["systemd_service"],
    summary: "Starts, stops, enables and masks a systemd unit.",
    args: &[
        arg("name", Str, "The unit; `.service` where it has no suffix.").or(&["service", "unit"]),
        arg("state", Str, "What it shall do.").one_of(STATES),
        arg("enabled", Bool, "Whether it starts with the host."),
        arg("force", Bool, "Overwrites links that are in the way of `enabled`."),
        arg("masked", Bool, "Whether it is impossible to start."),
        arg("daemon_reload", Bool, "systemd reads its unit files again first.")
            .or(&["daemon-reload"])
            .default("false"),
        arg("daemon_reexec", Bool, "systemd starts itself anew first.")
            .or(&["daemon-reexec"])
            .default("false"),
        arg("scope", Str, "Whose systemd: the host's, the user's own, or that of all users.")
            .one_of(&["system", "user", "global"])
            .default("system"),
        arg("no_block", Bool, "Does not wait until the unit has started or stopped.").default("false"),
    ],
    rules: &[
        Rule::RequiredOneOf(&["state", "enabled", "masked", "daemon_reload", "daemon_reexec"]),
        Rule::RequiredBy { argument: "state", needs: &["name"] },
        Rule::RequiredBy { argument: "enabled", needs: &["name"] },
        Rule::RequiredBy { argument: "masked", needs: &["name"] },
    ],
    ..NOTHING
};

pub(super) const SYSVINIT: ModuleSpec = ModuleSpec {
    name: "sysvinit",
    summary: "Starts, stops and enables a service of an init script.",
    args: &[
        arg("name", Str, "The service.").or(&["service"]).required(),
        arg("state", Str, "What it shall do.").one_of(&["started", "stopped", "restarted", "reloaded"]),
        arg("enabled", Bool, "Whether it starts with the host."),
        arg("sleep", Int, "Seconds between stop and start of a restart.").default("1"),
        arg(
            "pattern",
            Str,
            "What the command line of the running service has in it, where the script knows no `status`.",
        ),
        arg("runlevels", ListOfStr, "The runlevels that `enabled` is about."),
        arg("arguments", Str, "What the script gets besides the word.").or(&["args"]),
        arg("daemonize", Bool, "The script stays in the foreground: it gets a session of its own.")
            .default("false"),
    ],
    rules: &[Rule::RequiredOneOf(&["state", "enabled"])],
    ..NOTHING
};

pub(super) const SERVICE_FACTS: ModuleSpec = ModuleSpec {
    name: "service_facts",
    summary: "Tells which services there are and what they do, as the fact `services`.",
    ..NOTHING
};
