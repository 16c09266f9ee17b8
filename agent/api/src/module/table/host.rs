//! Modules about the host as a whole.

use super::super::ArgKind::{Bool, Int, ListOfStr, Path, Raw, Str};
use super::super::ModuleSpec;
use super::{NOTHING, arg};

pub(super) const PING: ModuleSpec = ModuleSpec {
    name: "ping",
    summary: "Answers `pong` where the agent's worker runs on the host.",
    args: &[arg("data", Str, "What it answers; `crash` makes it fail.").default("pong")],
    ..NOTHING
};

pub(super) const SETUP: ModuleSpec = ModuleSpec {
    name: "setup",
    aliases: &["gather_facts"],
    summary: "Gathers facts about the host.",
    args: &[
        arg("gather_subset", ListOfStr, "Which facts; `!name` leaves out, `!all` keeps only the least.")
            .default("all"),
        arg("gather_timeout", Int, "Seconds that one slow fact may take.").default("10"),
        arg("filter", ListOfStr, "Only facts whose name matches one of these globs."),
        arg("parallel", super::super::ArgKind::Bool, "Has no effect: there is one module of facts."),
        arg("fact_path", Path, "The directory of the host's own facts.").default("/etc/ansible/facts.d"),
    ],
    ..NOTHING
};

pub(super) const HOSTNAME: ModuleSpec = ModuleSpec {
    name: "hostname",
    summary: "Sets the host's name, now and for the next start.",
    args: &[
        arg("name", Str, "The name.").required(),
        arg("use", Str, "How it is set.").one_of(&["systemd", "debian", "redhat", "generic"]),
    ],
    ..NOTHING
};

pub(super) const UNDO: ModuleSpec = ModuleSpec {
    name: "undo",
    summary: "Brings back the files that a run changed, where they still are as it left them; `muster undo` is the command for it.",
    args: &[
        arg("run", Str, "The run's number, as `muster history` shows it.").required(),
        arg("look_only", Bool, "Only looks whether nobody has changed these files since.").default("false"),
        arg("tell_only", Bool, "Only tells what the run did as this user.").default("false"),
        arg(
            "others",
            Raw,
            "What `tell_only` told as the other users that the run became on this host, a list.",
        ),
    ],
    ..NOTHING
};
