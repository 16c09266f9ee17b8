//! What each module accepts: the table that the controller validates playbooks against before any host is
//! touched, that `muster doc` prints, and that the agent's modules deserialize from.

mod coerce;
mod own;
mod rolling;
mod table;

use alloc::string::String;
use serde_json::{Map, Value};

pub use coerce::{ArgProblem, coerce};
pub use own::{OWN_MODULE, OwnModule, OwnStyle};
pub use rolling::{ROLLING, Rolling, Stage, Survey, WentDown};

/// Where a module does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsOn {
    /// In the agent's worker on the managed host.
    Host,
    /// In the controller: it changes variables or the course of the play (`debug`, `set_fact`, `meta`).
    Controller,
}

/// What a module accepts and where it runs.
#[derive(Debug)]
pub struct ModuleSpec {
    /// The bare name: `copy`, not `ansible.builtin.copy`.
    pub name: &'static str,
    /// The collection that it is of.
    pub collection: &'static str,
    /// Other bare names of the same module.
    pub aliases: &'static [&'static str],
    /// One sentence for `muster doc`.
    pub summary: &'static str,
    /// Where it runs.
    pub runs_on: RunsOn,
    /// All arguments.
    pub args: &'static [ArgSpec],
    /// Arguments that Ansible's module of that name has and muster refuses: the error can say so.
    pub unsupported: &'static [&'static str],
    /// The argument that takes the free text of `command: free text`, where the module has such a form.
    pub free_form: Option<&'static str>,
    /// Whether arguments that are not in `args` are accepted (`set_fact`, `add_host`).
    pub open_ended: bool,
    /// What must hold between arguments.
    pub rules: &'static [Rule],
}

/// One argument of a module.
#[derive(Debug, Clone, Copy)]
pub struct ArgSpec {
    /// The canonical name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// The type it is converted to.
    pub kind: ArgKind,
    /// Whether it must be given.
    pub required: bool,
    /// The only values it may have; empty where any will do.
    pub choices: &'static [&'static str],
    /// What it is where it is not given, as YAML text.
    pub default: Option<&'static str>,
    /// One sentence for `muster doc`.
    pub doc: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

/// The type of an argument, with Ansible's conversions (`"yes"` is a boolean, `a,b` is a list).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    /// Text; numbers and booleans are converted to text.
    Str,
    /// Text with `~` and `$VARIABLE` expanded on the host.
    Path,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A boolean: yes/no, on/off, true/false, 1/0.
    Bool,
    /// A file mode: octal number, octal text or symbolic text.
    Mode,
    /// A size or a duration that the module parses itself, or any value.
    Raw,
    /// A list; text is split at commas.
    ListOfStr,
    /// A list of anything.
    List,
    /// A mapping.
    Dict,
}

/// What must hold between the arguments of one module.
#[derive(Debug)]
pub enum Rule {
    /// At most one of these is given.
    MutuallyExclusive(&'static [&'static str]),
    /// At least one of these is given.
    RequiredOneOf(&'static [&'static str]),
    /// All of these or none.
    RequiredTogether(&'static [&'static str]),
    /// Where `argument` has `value`, all of `needs` are given.
    RequiredIf {
        /// The argument that decides.
        argument: &'static str,
        /// The value at which the rule holds.
        value: &'static str,
        /// What must be given then.
        needs: &'static [&'static str],
    },
    /// Where `argument` is given, all of `needs` are given.
    RequiredBy {
        /// The argument that decides.
        argument: &'static str,
        /// What must be given then.
        needs: &'static [&'static str],
    },
}

impl ModuleSpec {
    /// The argument of that name or alias.
    pub fn argument(&self, name: &str) -> Option<&'static ArgSpec> {
        self.args.iter().find(|argument| argument.name == name || argument.aliases.contains(&name))
    }
}

/// The module of that bare name, or of `COLLECTION.NAME`; `ansible.legacy` is another name of `ansible.builtin`.
pub fn find(name: &str) -> Option<&'static ModuleSpec> {
    let (collection, bare) = name.rsplit_once('.').map_or((None, name), |(of, bare)| (Some(of), bare));
    let is_in = |module: &ModuleSpec| match collection {
        None => true,
        Some("ansible.legacy") => module.collection == "ansible.builtin",
        Some(collection) => module.collection == collection,
    };
    all().find(|module| is_in(module) && (module.name == bare || module.aliases.contains(&bare)))
}

/// Modules whose check alone answers a step that has nothing to do: it reads only, does not take long, and `apply` would
/// add nothing to it.
const ANSWERED_AHEAD: &[&str] = &[
    "apache2_module",
    "apt",
    "apt_repository",
    "assemble",
    "authorized_key",
    "blockinfile",
    "command",
    "copy",
    "cron",
    "deb822_repository",
    "debconf",
    "dnf",
    "dpkg_selections",
    "file",
    "filesystem",
    "firewall",
    "firewalld",
    "getent",
    "group",
    "hostname",
    "htpasswd",
    "ini_file",
    "iptables",
    "known_hosts",
    "lineinfile",
    "locale_gen",
    "lvg",
    "lvol",
    "modprobe",
    "mount",
    "openssl_csr",
    "openssl_privatekey",
    "package",
    "parted",
    "ping",
    "replace",
    "seboolean",
    "selinux",
    "service",
    "service_facts",
    "shell",
    "slurp",
    "stat",
    "sysctl",
    "template",
    "timezone",
    "ufw",
    "user",
    "x509_certificate",
    "yum_repository",
];

/// Whether a step of the module may be looked at before its turn ([`ToWorker::LookAhead`](crate::frame::ToWorker)).
pub fn is_answered_ahead(name: &str) -> bool {
    ANSWERED_AHEAD.contains(&name)
}

/// Whether a step only looks, so that it may run where nothing is to be changed. What a check answers as well needs no place here.
pub fn only_looks(name: &str, args: &Map<String, Value>) -> bool {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    match name {
        "wait_for" | "wait_for_connection" => true,
        "uri" => {
            matches!(text("method").unwrap_or("GET"), "GET" | "HEAD" | "OPTIONS") && text("dest").is_none()
        }
        _ => false,
    }
}

/// All modules, in the order of their names.
pub fn all() -> impl Iterator<Item = &'static ModuleSpec> {
    table::MODULES.iter().copied()
}
