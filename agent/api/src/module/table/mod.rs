//! The list of all modules. A module's arguments stand in the file of its family.

mod accounts;
mod cluster;
mod commands;
mod control;
mod crypto;
mod debian;
mod files;
mod general;
mod host;
mod network;
mod nmcli;
mod packages;
mod pam;
mod posix;
mod postgresql;
mod services;
mod storage;
mod system;
mod trees;

use super::{ArgKind, ArgSpec, ModuleSpec, RunsOn};

/// Sorted by name.
pub(super) const MODULES: &[&ModuleSpec] = &[
    &control::ADD_HOST,
    &general::APACHE2_MODULE,
    &packages::APT,
    &debian::APT_KEY,
    &debian::APT_REPOSITORY,
    &general::ARCHIVE,
    &trees::ASSEMBLE,
    &control::ASSERT,
    &commands::ASYNC_STATUS,
    &posix::AUTHORIZED_KEY,
    &files::BLOCKINFILE,
    &cluster::CLUSTER,
    &commands::COMMAND,
    &files::COPY,
    &system::CRON,
    &debian::DEB822_REPOSITORY,
    &debian::DEBCONF,
    &control::DEBUG,
    &packages::DNF,
    &debian::DPKG_SELECTIONS,
    &commands::EXPECT,
    &control::FAIL,
    &files::FETCH,
    &files::FILE,
    &storage::FILESYSTEM,
    &trees::FIND,
    &network::FIREWALL,
    &posix::FIREWALLD,
    &network::GET_URL,
    &system::GETENT,
    &system::GIT,
    &accounts::GROUP,
    &control::GROUP_BY,
    &host::HOSTNAME,
    &crypto::HTPASSWD,
    &control::INCLUDE_VARS,
    &general::INI_FILE,
    &system::IPTABLES,
    &system::KNOWN_HOSTS,
    &files::LINEINFILE,
    &general::LOCALE_GEN,
    &storage::LVG,
    &storage::LVOL,
    &control::META,
    &general::MODPROBE,
    &posix::MOUNT,
    &system::MOUNT_FACTS,
    &nmcli::NMCLI,
    &crypto::OPENSSH_KEYPAIR,
    &crypto::OPENSSL_CSR,
    &crypto::OPENSSL_DHPARAM,
    &crypto::OPENSSL_PKCS12,
    &crypto::OPENSSL_PRIVATEKEY,
    &crypto::OPENSSL_PUBLICKEY,
    &packages::PACKAGE,
    &packages::PACKAGE_FACTS,
    &pam::PAM_LIMITS,
    &pam::PAMD,
    &storage::PARTED,
    &control::PAUSE,
    &host::PING,
    &system::PIP,
    &postgresql::DB,
    &postgresql::EXT,
    &postgresql::INFO,
    &postgresql::PING,
    &postgresql::PRIVS,
    &postgresql::QUERY,
    &postgresql::SCHEMA,
    &postgresql::SET,
    &postgresql::USER,
    &commands::RAW,
    &system::REBOOT,
    &files::REPLACE,
    &packages::RPM_KEY,
    &commands::SCRIPT,
    &posix::SEBOOLEAN,
    &posix::SELINUX,
    &services::SERVICE,
    &services::SERVICE_FACTS,
    &control::SET_FACT,
    &control::SET_STATS,
    &host::SETUP,
    &commands::SHELL,
    &files::SLURP,
    &files::STAT,
    &system::SUBVERSION,
    &posix::SYSCTL,
    &services::SYSTEMD,
    &services::SYSVINIT,
    &trees::TEMPFILE,
    &files::TEMPLATE,
    &general::TIMEZONE,
    &general::UFW,
    &trees::UNARCHIVE,
    &host::UNDO,
    &network::URI,
    &accounts::USER,
    &control::VALIDATE_ARGUMENT_SPEC,
    &network::WAIT_FOR,
    &system::WAIT_FOR_CONNECTION,
    &crypto::X509_CERTIFICATE,
    &packages::YUM_REPOSITORY,
];

/// Where a module has no argument of a kind, its table says nothing about it.
const NOTHING: ModuleSpec = ModuleSpec {
    name: "",
    collection: "ansible.builtin",
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
            arg("unsafe_writes", Bool, "Writes in place where a rename is impossible, as on a file that is itself a mount."),
            arg("attributes", Str, "Attributes as of chattr(1): `+i`, `-i`, `=iA`.").or(&["attr"]),
            arg("seuser", Str, "The user of its SELinux label, where the host has SELinux."),
            arg("serole", Str, "The role of its SELinux label, where the host has SELinux."),
            arg("setype", Str, "The type of its SELinux label, where the host has SELinux."),
            arg("selevel", Str, "The level of its SELinux label, where the host has SELinux."),
        ]
    };
}
use with_file_attributes;
