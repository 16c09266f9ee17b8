//! Modules that read and write files.

use super::super::ArgKind::{Bool, Mode, Path, Raw, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

const PATH: &str = "The file.";
const BACKUP: &str = "Keeps the old file beside it, with the time in its name.";
const VALIDATE: &str = "A command that must accept the new file before it is put in place; `%s` is its path.";
const CREATE: &str = "Creates the file where there is none.";
const AFTER: &str = "Inserts after the last match of this expression, or at `EOF`.";
const BEFORE: &str = "Inserts before the last match of this expression, or at `BOF`.";

pub(super) const COPY: ModuleSpec = ModuleSpec {
    name: "copy",
    summary: "Puts a file, a directory or a given text on the host.",
    args: with_file_attributes![
        arg("src", Path, "A file or directory of the controller, or of the host with `remote_src`."),
        arg("content", Raw, "The text of the file; a mapping or list is written as JSON."),
        arg("dest", Path, "Where it goes on the host.").required(),
        arg("backup", Bool, BACKUP).default("false"),
        arg("force", Bool, "Replaces a file that differs; without it only a missing file is created.")
            .default("true"),
        arg("directory_mode", Mode, "Mode of the directories that are created."),
        arg("remote_src", Bool, "Whether `src` is on the host.").default("false"),
        arg("follow", Bool, "Whether a link at `dest` is followed.").default("false"),
        arg("local_follow", Bool, "Whether links in `src` are followed.").default("true"),
        arg("checksum", Str, "SHA-1 that the source must have."),
        arg("decrypt", Bool, "Whether a vaulted source is decrypted on the controller.").default("true"),
        arg("validate", Str, VALIDATE),
    ],
    rules: &[Rule::MutuallyExclusive(&["src", "content"]), Rule::RequiredOneOf(&["src", "content"])],
    ..NOTHING
};

pub(super) const TEMPLATE: ModuleSpec = ModuleSpec {
    name: "template",
    summary: "Renders a template with the host's variables and puts the text on the host.",
    args: with_file_attributes![
        arg("src", Path, "The template, on the controller.").required(),
        arg("dest", Path, "Where the text goes on the host.").required(),
        arg("backup", Bool, BACKUP).default("false"),
        arg("force", Bool, "Replaces a file that differs; without it only a missing file is created.")
            .default("true"),
        arg("follow", Bool, "Whether a link at `dest` is followed.").default("false"),
        arg("newline_sequence", Str, "How lines end.")
            .one_of(&["\\n", "\\r", "\\r\\n", "\n", "\r", "\r\n"])
            .default("\"\\n\""),
        arg("block_start_string", Str, "What begins a statement.").default("\"{%\""),
        arg("block_end_string", Str, "What ends a statement.").default("\"%}\""),
        arg("variable_start_string", Str, "What begins an expression.").default("\"{{\""),
        arg("variable_end_string", Str, "What ends an expression.").default("\"}}\""),
        arg("comment_start_string", Str, "What begins a comment.").default("\"{#\""),
        arg("comment_end_string", Str, "What ends a comment.").default("\"#}\""),
        arg("trim_blocks", Bool, "Whether the newline after a statement goes away.").default("true"),
        arg("lstrip_blocks", Bool, "Whether blanks before a statement go away.").default("false"),
        arg("output_encoding", Str, "The encoding of the file, as Python names it.").default("utf-8"),
        arg("validate", Str, VALIDATE),
    ],
    ..NOTHING
};

pub(super) const FILE: ModuleSpec = ModuleSpec {
    name: "file",
    summary: "Creates, removes and links files and directories, and sets their owner and mode.",
    args: with_file_attributes![
        arg("path", Path, "The file, directory or link.").or(&["dest", "name"]).required(),
        arg("state", Str, "What is there afterwards.").one_of(&[
            "absent",
            "directory",
            "file",
            "hard",
            "link",
            "touch"
        ]),
        arg("src", Path, "What the link points to."),
        arg("_diff_peek", Bool, "Only tells whether the file looks like text.").default("false"),
        arg("recurse", Bool, "Sets owner, group and mode of everything below a directory too.")
            .default("false"),
        arg("force", Bool, "Makes a link to nothing, or in place of a file.").default("false"),
        arg("follow", Bool, "Whether a link at `path` is followed.").default("true"),
        arg("modification_time", Str, "`preserve`, `now`, or a time in `modification_time_format`."),
        arg("modification_time_format", Str, "How `modification_time` is written.")
            .default("\"%Y%m%d%H%M.%S\""),
        arg("access_time", Str, "`preserve`, `now`, or a time in `access_time_format`."),
        arg("access_time_format", Str, "How `access_time` is written.").default("\"%Y%m%d%H%M.%S\""),
    ],
    ..NOTHING
};

pub(super) const LINEINFILE: ModuleSpec = ModuleSpec {
    name: "lineinfile",
    summary: "Sees to it that one line is in a file, or that no such line is.",
    args: with_file_attributes![
        arg("path", Path, PATH).or(&["dest", "destfile", "name"]).required(),
        arg("regexp", Str, "The line that is replaced or removed: the last match of this expression.")
            .or(&["regex"]),
        arg("search_string", Str, "The line that is replaced or removed: the last that contains this text."),
        arg("state", Str, "Whether the line shall be there.")
            .one_of(&["absent", "present"])
            .default("present"),
        arg("line", Str, "The line.").or(&["value"]),
        arg(
            "backrefs",
            Bool,
            "`\\1` in `line` is what the group of `regexp` matched; without a match nothing is added."
        )
        .default("false"),
        arg("insertafter", Str, AFTER),
        arg("insertbefore", Str, BEFORE),
        arg("create", Bool, CREATE).default("false"),
        arg("backup", Bool, BACKUP).default("false"),
        arg("firstmatch", Bool, "`insertafter` and `insertbefore` take the first match.").default("false"),
        arg("validate", Str, VALIDATE),
    ],
    rules: &[
        Rule::MutuallyExclusive(&["insertbefore", "insertafter"]),
        Rule::MutuallyExclusive(&["regexp", "search_string"]),
        Rule::RequiredIf { argument: "state", value: "present", needs: &["line"] },
        Rule::RequiredIf { argument: "backrefs", value: "true", needs: &["regexp"] },
    ],
    ..NOTHING
};

pub(super) const BLOCKINFILE: ModuleSpec = ModuleSpec {
    name: "blockinfile",
    summary: "Keeps a block of lines between two marker lines of a file.",
    args: with_file_attributes![
        arg("path", Path, PATH).or(&["dest", "destfile", "name"]).required(),
        arg("state", Str, "Whether the block shall be there.")
            .one_of(&["absent", "present"])
            .default("present"),
        arg("marker", Str, "The marker lines; `{mark}` becomes `marker_begin` and `marker_end`.")
            .default("\"# {mark} ANSIBLE MANAGED BLOCK\""),
        arg("block", Str, "The lines; without any the block goes away.").or(&["content"]).default("\"\""),
        arg("insertafter", Str, AFTER),
        arg("insertbefore", Str, BEFORE),
        arg("create", Bool, CREATE).default("false"),
        arg("backup", Bool, BACKUP).default("false"),
        arg("marker_begin", Str, "`{mark}` of the first marker.").default("BEGIN"),
        arg("marker_end", Str, "`{mark}` of the last marker.").default("END"),
        arg("append_newline", Bool, "An empty line follows the block.").default("false"),
        arg("prepend_newline", Bool, "An empty line stands before the block.").default("false"),
        arg("validate", Str, VALIDATE),
    ],
    rules: &[Rule::MutuallyExclusive(&["insertbefore", "insertafter"])],
    ..NOTHING
};

pub(super) const REPLACE: ModuleSpec = ModuleSpec {
    name: "replace",
    summary: "Replaces every match of a regular expression in a file.",
    args: with_file_attributes![
        arg("path", Path, PATH).or(&["dest", "destfile", "name"]).required(),
        arg("regexp", Str, "What is replaced; `^` and `$` match at lines.").required(),
        arg("replace", Str, "What comes in its place; `\\1` is what the first group matched.")
            .default("\"\""),
        arg("after", Str, "Only what follows a match of this expression is looked at."),
        arg("before", Str, "Only what stands before a match of this expression is looked at."),
        arg("backup", Bool, BACKUP).default("false"),
        arg("encoding", Str, "The encoding of the file.")
            .one_of(&["utf-8", "utf8", "UTF-8"])
            .default("utf-8"),
        arg("validate", Str, VALIDATE),
    ],
    ..NOTHING
};

pub(super) const STAT: ModuleSpec = ModuleSpec {
    name: "stat",
    summary: "Tells whether a file exists and what it is.",
    args: &[
        arg("path", Path, "The file, directory or link.").or(&["dest", "name"]).required(),
        arg("follow", Bool, "Whether a link is followed.").default("false"),
        arg("get_checksum", Bool, "Whether the content's checksum is told.").default("true"),
        arg("checksum_algorithm", Str, "The checksum's algorithm.")
            .or(&["checksum", "checksum_algo"])
            .one_of(&["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
            .default("sha1"),
        arg("get_mime", Bool, "Whether the host's `file` is asked for the type of the content.")
            .or(&["mime", "mime_type", "mime-type"])
            .default("true"),
        arg("get_attributes", Bool, "Whether the host's `lsattr` is asked.")
            .or(&["attr", "attributes"])
            .default("true"),
        arg("get_selinux_context", Bool, "Whether the SELinux label is told.").default("false"),
    ],
    ..NOTHING
};

pub(super) const SLURP: ModuleSpec = ModuleSpec {
    name: "slurp",
    summary: "Reads a file of the host into a variable, as base64.",
    args: &[arg("src", Path, PATH).or(&["path"]).required()],
    ..NOTHING
};

pub(super) const FETCH: ModuleSpec = ModuleSpec {
    name: "fetch",
    summary: "Copies a file of the host to the controller.",
    args: &[
        arg("src", Path, "The file on the host.").required(),
        arg("dest", Str, "The directory on the controller; below it come the host's name and the path.")
            .required(),
        arg("fail_on_missing", Bool, "Whether a missing file is a failure.").default("true"),
        arg("validate_checksum", Bool, "Whether the copy is compared with the original.").default("true"),
        arg("flat", Bool, "Writes to `dest` itself.").default("false"),
    ],
    ..NOTHING
};
