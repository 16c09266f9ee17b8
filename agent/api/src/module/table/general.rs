//! Modules of the collection `community.general`.

use super::super::ArgKind::{Bool, ListOfStr, Mode, Path, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

const GENERAL: ModuleSpec = ModuleSpec { collection: "community.general", ..NOTHING };
const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");

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
    ],
    unsupported: &["section_has_values", "modify_inactive_option", "ignore_spaces"],
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
