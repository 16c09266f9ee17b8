//! `muster doc --compatibility`: what of ansible-core 2.19 works here and what is refused, from the tables that the program
//! itself looks names up in. The names are those of ansible-core's own documentation.

use crate::playbook::is_module;
use crate::playbook::keyword::Keyword;
use crate::run::refused::REFUSED_KEYWORDS;
use crate::template::{filter_names, lookup_names, refused_lookups, test_names};
use muster_api::module;
use std::fmt::Write as _;

/// Keywords of plays, blocks, tasks, handlers and roles.
const KEYWORDS: [&str; 62] = [
    "action",
    "always",
    "any_errors_fatal",
    "args",
    "async",
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "block",
    "changed_when",
    "check_mode",
    "collections",
    "connection",
    "debugger",
    "delay",
    "delegate_facts",
    "delegate_to",
    "diff",
    "environment",
    "fact_path",
    "failed_when",
    "force_handlers",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "handlers",
    "hosts",
    "ignore_errors",
    "ignore_unreachable",
    "listen",
    "local_action",
    "loop",
    "loop_control",
    "max_fail_percentage",
    "module_defaults",
    "name",
    "no_log",
    "notify",
    "order",
    "poll",
    "port",
    "post_tasks",
    "pre_tasks",
    "register",
    "remote_user",
    "rescue",
    "retries",
    "roles",
    "run_once",
    "serial",
    "strategy",
    "tags",
    "tasks",
    "throttle",
    "timeout",
    "until",
    "vars",
    "vars_files",
    "vars_prompt",
    "when",
];

/// Modules, without the one that Ansible runs only by itself.
const MODULES: [&str; 71] = [
    "add_host",
    "apt",
    "apt_key",
    "apt_repository",
    "assemble",
    "assert",
    "async_status",
    "blockinfile",
    "command",
    "copy",
    "cron",
    "deb822_repository",
    "debconf",
    "debug",
    "dnf",
    "dnf5",
    "dpkg_selections",
    "expect",
    "fail",
    "fetch",
    "file",
    "find",
    "gather_facts",
    "get_url",
    "getent",
    "git",
    "group",
    "group_by",
    "hostname",
    "import_playbook",
    "import_role",
    "import_tasks",
    "include_role",
    "include_tasks",
    "include_vars",
    "iptables",
    "known_hosts",
    "lineinfile",
    "meta",
    "mount_facts",
    "package",
    "package_facts",
    "pause",
    "ping",
    "pip",
    "raw",
    "reboot",
    "replace",
    "rpm_key",
    "script",
    "service",
    "service_facts",
    "set_fact",
    "set_stats",
    "setup",
    "shell",
    "slurp",
    "stat",
    "subversion",
    "systemd",
    "systemd_service",
    "sysvinit",
    "tempfile",
    "template",
    "unarchive",
    "uri",
    "user",
    "validate_argument_spec",
    "wait_for",
    "wait_for_connection",
    "yum_repository",
];

/// Filters, without those of Jinja.
const FILTERS: [&str; 69] = [
    "b64decode",
    "b64encode",
    "basename",
    "bool",
    "checksum",
    "combinations",
    "combine",
    "comment",
    "commonpath",
    "dict2items",
    "difference",
    "dirname",
    "expanduser",
    "expandvars",
    "extract",
    "fileglob",
    "flatten",
    "from_json",
    "from_yaml",
    "from_yaml_all",
    "hash",
    "human_readable",
    "human_to_bytes",
    "intersect",
    "items2dict",
    "log",
    "mandatory",
    "md5",
    "normpath",
    "password_hash",
    "path_join",
    "permutations",
    "pow",
    "product",
    "quote",
    "random",
    "realpath",
    "regex_escape",
    "regex_findall",
    "regex_replace",
    "regex_search",
    "rekey_on_member",
    "relpath",
    "root",
    "sha1",
    "shuffle",
    "split",
    "splitext",
    "strftime",
    "subelements",
    "symmetric_difference",
    "ternary",
    "to_datetime",
    "to_json",
    "to_nice_json",
    "to_nice_yaml",
    "to_uuid",
    "to_yaml",
    "type_debug",
    "union",
    "unique",
    "unvault",
    "urldecode",
    "vault",
    "win_basename",
    "win_dirname",
    "win_splitdrive",
    "zip",
    "zip_longest",
];

/// Tests, without those of Jinja.
const TESTS: [&str; 49] = [
    "abs",
    "all",
    "any",
    "change",
    "changed",
    "contains",
    "directory",
    "exists",
    "failed",
    "failure",
    "falsy",
    "file",
    "finished",
    "is_abs",
    "is_dir",
    "is_file",
    "is_link",
    "is_mount",
    "is_same_file",
    "isnan",
    "issubset",
    "issuperset",
    "link",
    "link_exists",
    "match",
    "mount",
    "nan",
    "reachable",
    "regex",
    "same_file",
    "search",
    "skip",
    "skipped",
    "started",
    "subset",
    "succeeded",
    "success",
    "successful",
    "superset",
    "timedout",
    "truthy",
    "unreachable",
    "uri",
    "url",
    "urn",
    "vault_encrypted",
    "vaulted_file",
    "version",
    "version_compare",
];

/// Lookups.
const LOOKUPS: [&str; 25] = [
    "config",
    "csvfile",
    "dict",
    "env",
    "file",
    "fileglob",
    "first_found",
    "indexed_items",
    "ini",
    "inventory_hostnames",
    "items",
    "lines",
    "list",
    "nested",
    "password",
    "pipe",
    "random_choice",
    "sequence",
    "subelements",
    "template",
    "together",
    "unvault",
    "url",
    "varnames",
    "vars",
];

/// Keywords that are taken and mean nothing here, and why.
const WITHOUT_MEANING: [(&str, &str); 1] =
    [("collections", "names of modules are looked up without it; each module has one bare name")];

/// The whole page, in Markdown.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# What of ansible-core 2.19 works\n\n\
         Written by `muster doc --compatibility` from the tables that the program looks names up in; a test compares.\n",
    );
    section(&mut page, "Keywords", &KEYWORDS, |name| {
        let refused = REFUSED_KEYWORDS.iter().find(|(keyword, _)| keyword.name() == name);
        match (Keyword::find(name), refused) {
            (None, _) => Err("not known".to_owned()),
            (Some(_), Some((_, why))) => Err((*why).to_owned()),
            (Some(_), None) => Ok(()),
        }
    });
    for (name, why) in WITHOUT_MEANING {
        let _ = writeln!(page, "\n`{name}` is read and has no effect: {why}.");
    }
    // That one stands in the place of a play.
    section(&mut page, "Modules", &MODULES, |name| match is_module(name) || name == "import_playbook" {
        true => Ok(()),
        false => Err("there is no such module".to_owned()),
    });
    refused_arguments(&mut page);
    others(&mut page);
    section(&mut page, "Filters", &FILTERS, |name| known(name, filter_names()));
    section(&mut page, "Tests", &TESTS, |name| known(name, test_names()));
    section(&mut page, "Lookups", &LOOKUPS, |name| {
        match refused_lookups().find(|(refused, _)| *refused == name) {
            Some((_, instead)) => Err(instead.to_owned()),
            None => known(name, lookup_names()),
        }
    });
    page
}

fn known(name: &str, mut names: impl Iterator<Item = &'static str>) -> Result<(), String> {
    if names.any(|known| known == name) { Ok(()) } else { Err("not known".to_owned()) }
}

/// One heading, how many work, which ones, and the others with the reason.
fn section(page: &mut String, title: &str, names: &[&str], look: impl Fn(&str) -> Result<(), String>) {
    let (mut works, mut refused) = (Vec::new(), Vec::new());
    for name in names {
        match look(name) {
            Ok(()) => works.push(format!("`{name}`")),
            Err(why) => refused.push(format!("| `{name}` | {why} |")),
        }
    }
    // Writing into memory does not fail.
    let _ = write!(page, "\n## {title}: {} of {}\n\n{}\n", works.len(), names.len(), wrapped(&works));
    if !refused.is_empty() {
        let _ = write!(page, "\n| refused | why, or what instead |\n|---|---|\n{}\n", refused.join("\n"));
    }
}

/// Lines of at most 120 columns.
fn wrapped(words: &[String]) -> String {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last_mut().expect("there is one from the beginning");
        match line.len() {
            0 => line.push_str(word),
            length if length + word.len() < 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.clone()),
        }
    }
    lines.join("\n")
}

fn refused_arguments(page: &mut String) {
    let lines: Vec<String> = module::all()
        .filter(|spec| !spec.unsupported.is_empty())
        .map(|spec| format!("| `{}` | {} |", spec.name, spec.unsupported.join(", ")))
        .collect();
    if !lines.is_empty() {
        let _ = write!(page, "\n| module | arguments that are refused |\n|---|---|\n{}\n", lines.join("\n"));
    }
}

fn others(page: &mut String) {
    let more: Vec<String> = module::all()
        .filter(|spec| !MODULES.contains(&spec.name))
        .map(|spec| format!("`{}.{}`", spec.collection, spec.name))
        .collect();
    let _ = write!(
        page,
        "\n## Modules of other collections, and muster's own: {}\n\n{}\n",
        more.len(),
        wrapped(&more)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_tree_is_the_one_that_the_program_writes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../COMPATIBILITY.md");
        if std::env::var_os("UPDATE_SCREENS").is_some() {
            std::fs::write(path, page()).expect("the page can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == page(),
            "UPDATE_SCREENS=1 cargo test -p muster compatibility writes COMPATIBILITY.md"
        );
    }
}
