//! Modules that the controller carries out itself: they change variables or the course of the play.

use super::super::ArgKind::{Bool, Int, ListOfStr, Raw, Str};
use super::super::{ModuleSpec, Rule, RunsOn};
use super::{NOTHING, arg};

const CONTROL: ModuleSpec = ModuleSpec { runs_on: RunsOn::Controller, ..NOTHING };

pub(super) const DEBUG: ModuleSpec = ModuleSpec {
    name: "debug",
    summary: "Prints a text or the value of a variable.",
    args: &[
        arg("msg", Raw, "The text.").default("Hello world!"),
        arg("var", Raw, "The variable."),
        arg("verbosity", Int, "Prints only with that many `-v`.").default("0"),
    ],
    rules: &[Rule::MutuallyExclusive(&["msg", "var"])],
    ..CONTROL
};

pub(super) const ASSERT: ModuleSpec = ModuleSpec {
    name: "assert",
    summary: "Fails where a condition does not hold.",
    args: &[
        arg("that", Raw, "The conditions: one, or a list.").required(),
        arg("fail_msg", Raw, "What is said where one does not hold.").or(&["msg"]),
        arg("success_msg", Raw, "What is said where all hold."),
        arg("quiet", Bool, "Says nothing about conditions that hold.").default("false"),
    ],
    ..CONTROL
};

pub(super) const FAIL: ModuleSpec = ModuleSpec {
    name: "fail",
    summary: "Fails, with a message.",
    args: &[arg("msg", Str, "The message.").default("Failed as requested from task")],
    ..CONTROL
};

pub(super) const SET_FACT: ModuleSpec = ModuleSpec {
    name: "set_fact",
    summary: "Sets variables of the host.",
    args: &[arg("cacheable", Bool, "Keeps them in the fact cache.").default("false")],
    open_ended: true,
    ..CONTROL
};

pub(super) const SET_STATS: ModuleSpec = ModuleSpec {
    name: "set_stats",
    summary: "Keeps figures of the run, which are shown at its end where `show_custom_stats` is set.",
    args: &[
        arg("data", Raw, "The figures, by name.").required(),
        arg("per_host", Raw, "Whether they are kept for each host instead of for the whole run.")
            .default("false"),
        arg("aggregate", Raw, "Whether they are added to what was kept before instead of replacing it.")
            .default("true"),
    ],
    ..CONTROL
};

pub(super) const META: ModuleSpec = ModuleSpec {
    name: "meta",
    summary: "Changes the course of the play.",
    args: &[arg("_raw_params", Str, "What happens.").required().one_of(&[
        "clear_facts",
        "clear_host_errors",
        "end_batch",
        "end_host",
        "end_play",
        "end_role",
        "flush_handlers",
        "noop",
        "refresh_inventory",
        "reset_connection",
    ])],
    free_form: Some("_raw_params"),
    ..CONTROL
};

pub(super) const INCLUDE_VARS: ModuleSpec = ModuleSpec {
    name: "include_vars",
    summary: "Reads variables from files of the controller.",
    args: &[
        arg("file", Str, "The file.").or(&["_raw_params"]),
        arg("dir", Str, "The directory whose files are read."),
        arg("name", Str, "The variable that takes them all."),
        arg("depth", Int, "How deep `dir` is searched; 0 is no limit.").default("0"),
        arg("files_matching", Str, "Only files whose name matches this expression."),
        arg("ignore_files", ListOfStr, "Names to leave out."),
        arg("extensions", ListOfStr, "Only files with these extensions.").default("[json, yaml, yml]"),
        arg("ignore_unknown_extensions", Bool, "Skips files with other extensions.").default("false"),
        arg("hash_behaviour", Str, "Whether mappings replace or join those that are there.")
            .one_of(&["replace", "merge"]),
    ],
    free_form: Some("file"),
    rules: &[Rule::RequiredOneOf(&["file", "dir"]), Rule::MutuallyExclusive(&["file", "dir"])],
    ..CONTROL
};

pub(super) const PAUSE: ModuleSpec = ModuleSpec {
    name: "pause",
    summary: "Waits for some time, or for an answer.",
    args: &[
        arg("minutes", Raw, "How long."),
        arg("seconds", Raw, "How long."),
        arg("prompt", Str, "The question."),
        arg("echo", Bool, "Whether the answer is shown while it is typed.").default("true"),
    ],
    rules: &[Rule::MutuallyExclusive(&["minutes", "seconds"])],
    ..CONTROL
};

pub(super) const ADD_HOST: ModuleSpec = ModuleSpec {
    name: "add_host",
    summary: "Adds a host to the inventory of this run.",
    args: &[
        arg("name", Str, "The host.").or(&["host", "hostname"]).required(),
        arg("groups", ListOfStr, "Its groups.").or(&["group", "groupname"]),
    ],
    open_ended: true,
    ..CONTROL
};

pub(super) const GROUP_BY: ModuleSpec = ModuleSpec {
    name: "group_by",
    summary: "Puts hosts into groups named after a variable.",
    args: &[
        arg("key", Str, "The group's name.").required(),
        arg("parents", ListOfStr, "The groups that the new one is in.").default("all"),
    ],
    ..CONTROL
};

pub(super) const VALIDATE_ARGUMENT_SPEC: ModuleSpec = ModuleSpec {
    name: "validate_argument_spec",
    summary: "Checks variables against a specification of arguments, as roles have it.",
    args: &[
        arg("argument_spec", Raw, "The options, each with its type, choices and the like.").required(),
        arg("provided_arguments", Raw, "Arguments besides the variables of these names."),
        arg("validate_args_context", Raw, "What the arguments are for: it is given back."),
    ],
    ..CONTROL
};
