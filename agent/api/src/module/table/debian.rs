//! Modules for what only Debian and its kin have: package selections, answers to packages' questions, repositories.

use super::super::ArgKind::{Bool, Int, ListOfStr, Mode, Path, Raw, Str};
use super::super::{ArgSpec, ModuleSpec, Rule};
use super::{NOTHING, arg};

const STATE: ArgSpec =
    arg("state", Str, "Whether it shall be there.").one_of(&["absent", "present"]).default("present");
const CERTS: ArgSpec =
    arg("validate_certs", Bool, "Whether the server's certificate is checked.").default("true");

pub(super) const DEBCONF: ModuleSpec = ModuleSpec {
    name: "debconf",
    summary: "Answers a question of a Debian package.",
    args: &[
        arg("name", Str, "The package.").or(&["pkg"]).required(),
        arg("question", Str, "The question; without it, nothing is set and all answers are told.")
            .or(&["selection", "setting"]),
        arg("vtype", Str, "The type of the answer.").one_of(&[
            "boolean",
            "error",
            "multiselect",
            "note",
            "password",
            "seen",
            "select",
            "string",
            "text",
            "title",
        ]),
        arg("value", Raw, "The answer.").or(&["answer"]),
        arg("unseen", Bool, "The question is asked all the same.").default("false"),
    ],
    rules: &[Rule::RequiredTogether(&["question", "vtype", "value"])],
    ..NOTHING
};

pub(super) const DPKG_SELECTIONS: ModuleSpec = ModuleSpec {
    name: "dpkg_selections",
    summary: "Sets what dpkg shall do with a package: keep it as it is, install it, remove it.",
    args: &[
        arg("name", Str, "The package.").required(),
        arg("selection", Str, "What dpkg shall do.")
            .one_of(&["install", "hold", "deinstall", "purge"])
            .required(),
    ],
    ..NOTHING
};

pub(super) const APT_KEY: ModuleSpec = ModuleSpec {
    name: "apt_key",
    summary: "Keeps a key that apt trusts for every repository.",
    args: &[
        arg("id", Str, "The key's number."),
        arg("data", Str, "The key."),
        arg("file", Path, "The key, in a file of the host."),
        arg("url", Str, "The key, at an address."),
        arg("keyserver", Str, "The server that is asked for the key of that `id`."),
        arg("keyring", Path, "The file of /etc/apt/trusted.gpg.d that it goes to."),
        STATE,
        CERTS,
    ],
    rules: &[Rule::MutuallyExclusive(&["data", "file", "keyserver", "url"])],
    ..NOTHING
};

pub(super) const APT_REPOSITORY: ModuleSpec = ModuleSpec {
    name: "apt_repository",
    summary: "Keeps a line `deb …` in the sources of apt.",
    args: &[
        arg("repo", Str, "The line, or `ppa:OWNER/NAME`.").required(),
        arg("codename", Str, "The release that a `ppa:` is taken for; the host's own without it."),
        STATE,
        arg("filename", Str, "The file of sources.list.d, made of the line without it."),
        arg("mode", Mode, "Permissions of that file."),
        arg("update_cache", Bool, "Fetches the package lists where something changed.")
            .or(&["update-cache"])
            .default("true"),
        arg("update_cache_retries", Int, "How often a failed fetch is tried again.").default("5"),
        arg("update_cache_retry_max_delay", Int, "Seconds between tries, at most.").default("12"),
        arg("install_python_apt", Bool, "Nothing needs to be installed for this module.").default("true"),
        CERTS,
    ],
    ..NOTHING
};

const fn list(name: &'static str, doc: &'static str) -> ArgSpec {
    arg(name, ListOfStr, doc)
}

pub(super) const DEB822_REPOSITORY: ModuleSpec = ModuleSpec {
    name: "deb822_repository",
    summary: "Keeps a file NAME.sources in the sources of apt.",
    args: &[
        arg("name", Str, "The repository, and its file.").required(),
        STATE,
        list("types", "`deb`, `deb-src`.").one_of(&["deb", "deb-src"]).default("[deb]"),
        list("uris", "The addresses."),
        list("suites", "The suites."),
        list("components", "The components."),
        list("architectures", "The architectures."),
        list("languages", "The languages of descriptions."),
        list("targets", "Which indexes are fetched."),
        arg("signed_by", Str, "The key: its address, its path, its fingerprint, or itself."),
        arg("enabled", Bool, "Whether apt uses it."),
        arg("allow_downgrade_to_insecure", Bool, "May lose its signature."),
        arg("allow_insecure", Bool, "May have no signature."),
        arg("allow_weak", Bool, "May have a weak signature."),
        arg("by_hash", Bool, "Fetches indexes by their hash."),
        arg("check_date", Bool, "Whether the release's date is checked."),
        arg("check_valid_until", Bool, "Whether the release's last day is checked."),
        arg("date_max_future", Int, "Seconds that the release's date may lie ahead."),
        arg("inrelease_path", Str, "The path of the InRelease file."),
        arg("pdiffs", Bool, "Fetches differences of indexes."),
        arg("trusted", Bool, "Takes it without a signature."),
        list("exclude", "Packages that are never taken from it."),
        list("include", "The only packages that are taken from it."),
        arg("mode", Mode, "Permissions of the file.").default("\"0644\""),
        arg("install_python_debian", Bool, "Nothing needs to be installed for this module.").default("false"),
    ],
    ..NOTHING
};
