//! Modules for many files at once: finding, joining, packing and unpacking them; and for new names.

use super::super::ArgKind::{Bool, Int, ListOfStr, Mode, Path, Raw, Str};
use super::super::{ModuleSpec, Rule};
use super::{NOTHING, arg, with_file_attributes};

const BACKUP: &str = "Keeps the old file beside it, with the time in its name.";
const VALIDATE: &str = "A command that must accept the new file before it is put in place; `%s` is its path.";

pub(super) const TEMPFILE: ModuleSpec = ModuleSpec {
    name: "tempfile",
    summary: "Makes a file or a directory with a name that nobody else has.",
    args: &[
        arg("state", Str, "What is made.").one_of(&["directory", "file"]).default("file"),
        arg("path", Path, "Where it is made; `$TMPDIR` or `/tmp` without it."),
        arg("prefix", Str, "How its name begins.").default("ansible."),
        arg("suffix", Str, "How its name ends.").default("\"\""),
    ],
    ..NOTHING
};

pub(super) const FIND: ModuleSpec = ModuleSpec {
    name: "find",
    summary: "Finds files by name, kind, age, size, mode and content.",
    args: &[
        arg("paths", ListOfStr, "The directories to look in.").or(&["name", "path"]).required(),
        arg("patterns", ListOfStr, "Shell patterns for names, or expressions with `use_regex`.")
            .or(&["pattern"])
            .default("[]"),
        arg("excludes", ListOfStr, "Names that are left out.").or(&["exclude"]),
        arg("use_regex", Bool, "Whether `patterns` and `excludes` are regular expressions.").default("false"),
        arg("contains", Str, "An expression that a line of the file must begin with."),
        arg("read_whole_file", Bool, "`contains` is looked for in the whole file.").default("false"),
        arg("file_type", Str, "What is looked for.")
            .one_of(&["any", "directory", "file", "link"])
            .default("file"),
        arg("age", Str, "How old, as `30s`, `10m`, `2h`, `4d`, `1w`; younger than that with a `-`."),
        arg("age_stamp", Str, "Which time counts.").one_of(&["atime", "ctime", "mtime"]).default("mtime"),
        arg("size", Str, "How large, as `10k`, `1m`, `2g`; smaller than that with a `-`."),
        arg("mode", Mode, "Which permissions."),
        arg("exact_mode", Bool, "Exactly these; without it, any of these.").default("true"),
        arg("recurse", Bool, "Looks in all directories below too.").default("false"),
        arg("depth", Int, "How many levels."),
        arg("hidden", Bool, "Names with a leading dot too.").default("false"),
        arg("follow", Bool, "Follows links to directories.").default("false"),
        arg("get_checksum", Bool, "Tells the checksum of each file.").default("false"),
        arg("checksum_algorithm", Str, "Which checksum.")
            .or(&["checksum", "checksum_algo"])
            .one_of(&["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
            .default("sha1"),
        arg("limit", Int, "Stops after so many."),
        arg(
            "encoding",
            Str,
            "The encoding of files that `contains` looks into, by any name that iconv(1) knows.",
        )
        .default("utf-8"),
    ],
    ..NOTHING
};

pub(super) const ASSEMBLE: ModuleSpec = ModuleSpec {
    name: "assemble",
    summary: "Joins all files of a directory into one.",
    args: with_file_attributes![
        arg("src", Path, "The directory with the fragments.").required(),
        arg("dest", Path, "The file that they become.").required(),
        arg("remote_src", Bool, "Whether `src` is on the host.").default("true"),
        arg("regexp", Str, "Only fragments whose name has a match."),
        arg("delimiter", Str, "What stands between two fragments."),
        arg("ignore_hidden", Bool, "Leaves out names with a leading dot.").default("false"),
        arg("backup", Bool, BACKUP).default("false"),
        arg("decrypt", Bool, "Whether vaulted fragments are decrypted on the controller.").default("true"),
        arg("validate", Str, VALIDATE),
    ],
    ..NOTHING
};

pub(super) const UNARCHIVE: ModuleSpec = ModuleSpec {
    name: "unarchive",
    summary: "Unpacks a tar or zip archive.",
    args: with_file_attributes![
        arg("src", Str, "The archive: of the controller, or with `remote_src` of the host or an address.")
            .required(),
        arg("dest", Path, "The directory, which must be there.").required(),
        arg("remote_src", Bool, "Whether `src` is on the host.").default("false"),
        arg("copy", Bool, "The opposite of `remote_src`, in older playbooks.").default("true"),
        arg("creates", Path, "Does nothing where this path (a glob) exists."),
        arg("exclude", ListOfStr, "Names to leave out.").default("[]"),
        arg("include", ListOfStr, "The only names to unpack.").default("[]"),
        arg("list_files", Bool, "Tells the names of all files.").default("false"),
        arg("keep_newer", Bool, "Leaves files alone that are newer.").default("false"),
        arg("extra_opts", ListOfStr, "Further options for tar or unzip.").default("[]"),
        arg("decrypt", Bool, "Whether a vaulted archive is decrypted on the controller.").default("true"),
        arg("validate_certs", Bool, "Whether the server's certificate is checked.").default("true"),
        arg("io_buffer_size", Raw, "Has no effect: the archive is read whole."),
    ],
    rules: &[
        Rule::MutuallyExclusive(&["copy", "remote_src"]),
        Rule::MutuallyExclusive(&["include", "exclude"]),
    ],
    ..NOTHING
};
