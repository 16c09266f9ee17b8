//! The list of all modules. A module's arguments stand in the file of its family.

mod accounts;
mod cluster;
mod commands;
mod control;
mod files;
mod host;
mod network;
mod packages;
mod services;
mod system;
mod trees;

use super::{ArgKind, ArgSpec, ModuleSpec, RunsOn};

/// Sorted by name.
pub(super) const MODULES: &[&ModuleSpec] = &[
    &control::ADD_HOST,
    &packages::APT,
    &trees::ASSEMBLE,
    &control::ASSERT,
    &files::BLOCKINFILE,
    &cluster::CLUSTER,
    &commands::COMMAND,
    &files::COPY,
    &system::CRON,
    &control::DEBUG,
    &packages::DNF,
    &control::FAIL,
    &files::FETCH,
    &files::FILE,
    &trees::FIND,
    &network::FIREWALL,
    &network::GET_URL,
    &system::GETENT,
    &accounts::GROUP,
    &control::GROUP_BY,
    &host::HOSTNAME,
    &control::INCLUDE_VARS,
    &system::KNOWN_HOSTS,
    &files::LINEINFILE,
    &control::META,
    &packages::PACKAGE,
    &packages::PACKAGE_FACTS,
    &control::PAUSE,
    &host::PING,
    &commands::RAW,
    &files::REPLACE,
    &commands::SCRIPT,
    &services::SERVICE,
    &services::SERVICE_FACTS,
    &control::SET_FACT,
    &host::SETUP,
    &commands::SHELL,
    &files::SLURP,
    &files::STAT,
    &services::SYSTEMD,
    &files::TEMPLATE,
    &trees::TEMPFILE,
    &trees::UNARCHIVE,
    &network::URI,
    &accounts::USER,
    &network::WAIT_FOR,
];

/// Where a module has no argument of a kind, its table says nothing about it.
const NOTHING: ModuleSpec = ModuleSpec {
    name: "",
    aliases: &[],
    summary: "",
    runs_on: RunsOn::Host,
    args: &[],
    unsupported: &[],
    free_form: None,
    open_ended: false,
    rules: &[],
};

/// An optional argument without default.
const fn arg(name: &'static str, kind: ArgKind, doc: &'static str) -> ArgSpec {
    ArgSpec { name, aliases: &[], kind, required: false, choices: &[], default: None, doc, secret: false }
}

impl ArgSpec {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn one_of(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// The given arguments, and those of every module that leaves a file behind.
macro_rules! with_file_attributes {
    ($($argument:expr),* $(,)?) => {
        &[
            $($argument,)*
            arg("mode", Mode, "Permissions: `0644`, `\"0644\"`, `u=rw,go=r`, or `preserve` where the module has a source."),
            arg("owner", Str, "Name or number of the user who owns it."),
            arg("group", Str, "Name or number of the group that owns it."),
            arg("unsafe_writes", Bool, "Writes in place where a rename is impossible, as on a file that is itself a mount.")
                .default("false"),
        ]
    };
}
use with_file_attributes;

/// What Ansible's file modules accept and muster does not yet.
const SELINUX_AND_CHATTR: &[&str] = &["seuser", "serole", "setype", "selevel", "attributes", "attr"];
