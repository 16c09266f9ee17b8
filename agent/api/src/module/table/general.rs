//! Modules of the collection `community.general`.

use super::super::ArgKind::{Bool, ListOfStr, Mode, Path, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

const GENERAL: ModuleSpec = ModuleSpec { collection: "community.general", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");

pub(super) const APACHE2_MODULE: ModuleSpec = ModuleSpec {
    name: "apache2_module",
    summary: "Enables a module of Apache on Debian, or disables it.",
    args: &[
        arg("name", Str, "The module, such as `headers`.").required(),
        STATE,
        arg("force", Bool, "Disables also what most sites need.").default("false"),
        arg("identifier", Str, "How Apache itself names it; Debian's tools and this module go by `name`."),
        arg(
            "ignore_configcheck",
            Bool,
            "A configuration with mistakes is no obstacle in any case: Apache is not asked.",
        )
        .default("false"),
        arg("warn_mpm_absent", Bool, "Warns where the last MPM is disabled.").default("true"),
    ],
    ..GENERAL
};

pub(super) const INI_FILE: ModuleSpec = ModuleSpec {
    name: "ini_file",
    summary: "Keeps an option in a section of an INI file.",
    args: with_file_attributes![
        arg("path", Path, "The file.").or(&["dest"]).required(),
        arg("section", Str, "The section; none for options before the first."),
        arg("option", Str, "The option; without it the whole section is meant."),
        arg("value", Str, "Its value."),
        arg("values", ListOfStr, "Its values, each in a line of its own."),
        STATE,
        arg("exclusive", Bool, "Other values of the option go.").default("true"),
        arg("no_extra_spaces", Bool, "No blanks around `=`.").default("false"),
        arg("allow_no_value", Bool, "The option may have no value.").default("false"),
        arg("create", Bool, "Creates the file where there is none.").default("true"),
        arg("backup", Bool, "Keeps the old file beside it, with the time in its name.").default("false"),
        arg("follow", Bool, "Whether a link at `path` is followed.").default("false"),
        arg("modify_inactive_option", Bool, "An option in a comment is switched on where it stands.")
            .default("true"),
        arg("ignore_spaces", Bool, "A line that differs only in blanks around `=` stays.").default("false"),
    ],
    unsupported: &["section_has_values"],
    rules: &[Rule::MutuallyExclusive(&["value", "values"])],
    ..GENERAL
};

pub(super) const LOCALE_GEN: ModuleSpec = ModuleSpec {
    name: "locale_gen",
    summary: "Makes locales, or removes them.",
    args: &[arg("name", ListOfStr, "The locales, such as `de_CH.UTF-8`.").required(), STATE],
    ..GENERAL
};

pub(super) const MODPROBE: ModuleSpec = ModuleSpec {
    name: "modprobe",
    summary: "Loads a module of the kernel, or unloads it.",
    args: &[
        arg("name", Str, "The module.").required(),
        STATE,
        arg("params", Str, "Its parameters.").default("\"\""),
        arg("persistent", Str, "Whether it is loaded at every start.")
            .one_of(&["disabled", "present", "absent"])
            .default("disabled"),
    ],
    ..GENERAL
};

pub(super) const TIMEZONE: ModuleSpec = ModuleSpec {
    name: "timezone",
    summary: "Sets the host's time zone.",
    args: &[arg("name", Str, "The zone, such as `Europe/Zurich`.").required()],
    unsupported: &["hwclock"],
    ..GENERAL
};

pub(super) const ARCHIVE: ModuleSpec = ModuleSpec {
    name: "archive",
    summary: "Packs files of the host into an archive.",
    args: with_file_attributes![
        arg("path", ListOfStr, "What is packed; patterns are allowed.").required(),
        arg("dest", Path, "The archive."),
        arg("format", Str, "How it is packed.").one_of(&["bz2", "gz", "tar", "xz", "zip"]).default("gz"),
        arg("exclude_path", ListOfStr, "What is left out.").default("[]"),
        arg("force_archive", Bool, "Packs one file too, in place of compressing it.").default("false"),
        arg("exclusion_patterns", ListOfStr, "Patterns of names or paths that are left out at any depth."),
        arg("remove", Bool, "What was packed goes.").default("false"),
    ],
    ..GENERAL
};

pub(super) const UFW: ModuleSpec = ModuleSpec {
    name: "ufw",
    summary: "Keeps the state, the defaults and the rules of the firewall ufw.",
    args: &[
        arg("state", Str, "The firewall's own state.").one_of(&["disabled", "enabled", "reloaded", "reset"]),
        arg("default", Str, "What happens to what no rule is about.")
            .or(&["policy"])
            .one_of(&["allow", "deny", "reject"]),
        arg("direction", Str, "Which way.").one_of(&["in", "incoming", "out", "outgoing", "routed"]),
        arg("logging", Str, "What is logged.").one_of(&["full", "high", "low", "medium", "off", "on"]),
        arg("rule", Str, "What the rule does.").one_of(&["allow", "deny", "limit", "reject"]),
        arg("delete", Bool, "The rule shall not be there.").default("false"),
        arg("insert", Str, "The rule's number."),
        arg("route", Bool, "The rule is for what is passed on.").default("false"),
        arg("log", Bool, "New connections of the rule are logged.").default("false"),
        arg("interface", Str, "The interface.").or(&["if"]),
        arg("interface_in", Str, "The interface it comes from.").or(&["if_in"]),
        arg("interface_out", Str, "The interface it goes to.").or(&["if_out"]),
        arg("from_ip", Str, "Where it comes from.").or(&["from", "src"]).default("any"),
        arg("from_port", Str, "The port it comes from."),
        arg("to_ip", Str, "Where it goes to.").or(&["dest", "to"]).default("any"),
        arg("to_port", Str, "The port it goes to.").or(&["port"]),
        arg("proto", Str, "The protocol.")
            .or(&["protocol"])
            .one_of(&["any", "tcp", "udp", "ipv6", "esp", "ah", "gre", "igmp"]),
        arg("name", Str, "A profile of /etc/ufw/applications.d.").or(&["app"]),
        arg("comment", Str, "A comment at the rule."),
    ],
    unsupported: &["insert_relative_to"],
    rules: &[Rule::RequiredOneOf(&["default", "logging", "rule", "state"])],
    ..GENERAL
};
