//! Modules of the collection `community.general` for PAM.

use super::super::ArgKind::{Bool, ListOfStr, Path, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg};

const GENERAL: ModuleSpec = ModuleSpec { collection: "community.general", ..NOTHING };
const TYPES: &[&str] =
    &["account", "-account", "auth", "-auth", "password", "-password", "session", "-session"];

pub(super) const PAM_LIMITS: ModuleSpec = ModuleSpec {
    name: "pam_limits",
    summary: "Keeps a limit of a user or group.",
    args: &[
        arg("domain", Str, "A user, an `@group`, `*` or a range of numbers.").required(),
        arg("limit_type", Str, "Which kind of limit.").one_of(&["hard", "soft", "-"]).required(),
        arg("limit_item", Str, "What is limited.")
            .one_of(&[
                "core",
                "data",
                "fsize",
                "memlock",
                "nofile",
                "rss",
                "stack",
                "cpu",
                "nproc",
                "as",
                "maxlogins",
                "maxsyslogins",
                "priority",
                "locks",
                "sigpending",
                "msgqueue",
                "nice",
                "rtprio",
                "chroot",
            ])
            .required(),
        arg("value", Str, "A number, or `unlimited`.").required(),
        arg("use_max", Bool, "A greater value in the file stays.").default("false"),
        arg("use_min", Bool, "A smaller value in the file stays.").default("false"),
        arg("dest", Path, "The file.").default("/etc/security/limits.conf"),
        arg("comment", Str, "A comment at the end of the line.").default(""),
        arg("backup", Bool, "Keeps the old file beside it, with the time in its name.").default("false"),
    ],
    ..GENERAL
};

pub(super) const PAMD: ModuleSpec = ModuleSpec {
    name: "pamd",
    summary: "Changes rules of a PAM service.",
    args: &[
        arg("name", Str, "The service: the name of its file.").required(),
        arg("type", Str, "The type of the rules that are meant.").one_of(TYPES).required(),
        arg("control", Str, "Their control: a word, or pairs in brackets.").required(),
        arg("module_path", Str, "Their module, such as `pam_unix.so`.").required(),
        arg("new_type", Str, "The type that they get, or that the new rule has.").one_of(TYPES),
        arg("new_control", Str, "The control that they get, or that the new rule has."),
        arg("new_module_path", Str, "The module that they get, or that the new rule has."),
        arg("module_arguments", ListOfStr, "Arguments of the module."),
        arg("state", Str, "What happens to the rules, or beside them.")
            .one_of(&["absent", "before", "after", "args_absent", "args_present", "updated"])
            .default("updated"),
        arg("path", Path, "The folder of the services.").default("/etc/pam.d"),
        arg("backup", Bool, "Keeps the old file beside it, with the time in its name.").default("false"),
    ],
    rules: &[
        Rule::RequiredIf { argument: "state", value: "args_present", needs: &["module_arguments"] },
        Rule::RequiredIf { argument: "state", value: "args_absent", needs: &["module_arguments"] },
        Rule::RequiredIf {
            argument: "state",
            value: "before",
            needs: &["new_control", "new_type", "new_module_path"],
        },
        Rule::RequiredIf {
            argument: "state",
            value: "after",
            needs: &["new_control", "new_type", "new_module_path"],
        },
    ],
    ..GENERAL
};
