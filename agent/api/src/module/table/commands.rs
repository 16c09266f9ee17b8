//! Modules that run commands. The free text of `command: text` becomes `_raw_params`; `cmd` and `argv` are the
//! other two ways to say what runs, and exactly one of the three is given.

use super::super::ArgKind::{Bool, Dict, Int, ListOfStr, Path, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg};

const TEXT: ArgSpec = arg("_raw_params", Str, "What runs: the free text after the module's name.");
const CMD: ArgSpec = arg("cmd", Str, "What runs.");
const CREATES: ArgSpec = arg("creates", Path, "Does nothing where this path (a glob) exists.");
const REMOVES: ArgSpec = arg("removes", Path, "Does nothing where this path (a glob) does not exist.");
const CHDIR: ArgSpec = arg("chdir", Path, "The directory to run in.");
const STDIN: ArgSpec = arg("stdin", Str, "What the command reads.");
const STDIN_NEWLINE: ArgSpec =
    arg("stdin_add_newline", Bool, "Whether a newline follows `stdin`.").default("true");
const STRIP: ArgSpec =
    arg("strip_empty_ends", Bool, "Whether empty lines at the end of the output go away.").default("true");

pub(super) const COMMAND: ModuleSpec = ModuleSpec {
    name: "command",
    summary: "Runs a program, without a shell.",
    args: &[
        TEXT,
        CMD,
        arg("argv", ListOfStr, "What runs: the program and its arguments, one by one."),
        CREATES,
        REMOVES,
        CHDIR,
        STDIN,
        STDIN_NEWLINE,
        STRIP,
        arg(
            "expand_argument_vars",
            Bool,
            "Whether `$NAME` and `~` are expanded, with the host's environment.",
        )
        .default("true"),
        arg("executable", Path, "Not used: a warning says so. It is an argument of module `shell`."),
    ],
    free_form: Some("_raw_params"),
    rules: &[
        Rule::RequiredOneOf(&["_raw_params", "cmd", "argv"]),
        Rule::MutuallyExclusive(&["_raw_params", "cmd", "argv"]),
    ],
    ..NOTHING
};

pub(super) const SHELL: ModuleSpec = ModuleSpec {
    name: "shell",
    summary: "Runs a line of shell.",
    args: &[
        TEXT,
        CMD,
        CREATES,
        REMOVES,
        CHDIR,
        arg("executable", Path, "The shell.").default("/bin/sh"),
        STDIN,
        STDIN_NEWLINE,
        STRIP,
    ],
    free_form: Some("_raw_params"),
    rules: &[Rule::RequiredOneOf(&["_raw_params", "cmd"]), Rule::MutuallyExclusive(&["_raw_params", "cmd"])],
    ..NOTHING
};

pub(super) const RAW: ModuleSpec = ModuleSpec {
    name: "raw",
    summary: "Runs a line of shell, and promises nothing about what it changes.",
    args: &[
        arg("_raw_params", Str, "What runs: the free text after the module's name.").required(),
        arg("executable", Str, "The shell.").default("/bin/sh"),
    ],
    free_form: Some("_raw_params"),
    ..NOTHING
};

pub(super) const SCRIPT: ModuleSpec = ModuleSpec {
    name: "script",
    summary: "Runs a script of the controller on the host.",
    args: &[
        arg("_raw_params", Str, "The script, on the controller, and its arguments."),
        arg("cmd", Str, "The script, on the controller, and its arguments."),
        CREATES,
        REMOVES,
        CHDIR,
        arg("executable", Str, "What runs the script, instead of its first line."),
        arg("decrypt", Bool, "Whether a vaulted script is decrypted on the controller.").default("true"),
    ],
    free_form: Some("_raw_params"),
    rules: &[Rule::RequiredOneOf(&["_raw_params", "cmd"]), Rule::MutuallyExclusive(&["_raw_params", "cmd"])],
    ..NOTHING
};

pub(super) const EXPECT: ModuleSpec = ModuleSpec {
    name: "expect",
    summary: "Runs a program on a terminal, and answers what it asks there.",
    args: &[
        arg("command", Str, "What runs: the program and its arguments.").required(),
        arg("responses", Dict, "Regular expressions, each with what is typed where it is printed: a text, or one after the other of a list.")
            .required(),
        CREATES,
        REMOVES,
        CHDIR,
        arg("timeout", Int, "Seconds that the next expected text may take; null is no limit.").default("30"),
        arg("echo", Bool, "Whether what is typed is in the output.").default("false"),
    ],
    ..NOTHING
};

pub(super) const ASYNC_STATUS: ModuleSpec = ModuleSpec {
    name: "async_status",
    summary: "Tells what a task with `async` has come to.",
    args: &[
        arg("jid", Str, "The job, as `ansible_job_id` of the task's result names it.").required(),
        arg("mode", Str, "`cleanup` removes what is known of the job.")
            .one_of(&["cleanup", "status"])
            .default("status"),
    ],
    ..NOTHING
};
