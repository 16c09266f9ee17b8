//! What a module is, and which ones there are. To add one: its arguments in `agent/api/src/module/table`, one file
//! here, one line in [`find`].

mod account_name;
mod account_number;
mod apache2_module;
mod apt;
mod apt_key;
mod apt_repository;
mod archive;
mod assemble;
mod async_status;
mod attributes;
mod authorized_key;
mod blockinfile;
mod checksum;
mod ciphers;
mod cluster;
mod command;
mod copy;
mod cron;
mod crontab;
mod deb822_repository;
mod debconf;
mod dnf;
mod dpkg;
mod dpkg_selections;
mod expect;
mod extended;
mod fetch;
mod file;
mod find;
mod firewall;
mod firewalld_rule;
mod get_url;
mod getent;
mod git;
mod glob;
mod group;
mod hostname;
mod htpasswd;
mod http;
mod ini_file;
mod iptables;
mod known_hosts;
mod lineinfile;
mod lines;
mod locale_gen;
mod members;
mod modprobe;
mod mount;
mod mount_facts;
mod nearest;
mod nmcli;
mod openssh_keypair;
mod openssl;
mod own_module;
mod package;
mod package_facts;
mod pam_limits;
mod pamd;
mod passing_file;
mod pattern;
mod ping;
mod pip;
mod placing;
mod postgresql;
mod replace;
mod rolling;
mod rpm_key;
mod script;
mod selinux;
mod service;
mod service_facts;
mod setup;
mod slurp;
mod stat;
mod storage;
mod subversion;
mod sysctl;
mod systemctl;
mod sysvinit;
mod tempfile;
mod timezone;
mod ufw;
mod unarchive;
mod undo;
mod uri;
mod user;
mod wait_for;
mod words;
mod yum_repository;
mod zip;

use extended::Extended;

pub(crate) use checksum::{hex, sha256};
pub(crate) use cluster::configure;

use crate::worker::{Hands, Operation, View};
use muster_api::diff::Diff;
use muster_api::outcome::Outcome;
use muster_api::step::Step;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Checks and applies one kind of step.
pub(crate) trait Module: Sync {
    /// Finds out what the step would change. It only reads.
    fn check(&self, args: &Args, view: &View<'_>) -> Result<Check, Failure>;

    /// Makes the changes that `check` found, and no others.
    fn apply(&self, _args: &Args, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        check.carry_out(hands)
    }
}

/// The module of that name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Module> {
    if name == muster_api::module::OWN_MODULE.name {
        return Some(&own_module::Own);
    }
    if name == muster_api::module::ROLLING.name {
        return Some(&rolling::RollingChange);
    }
    let canonical = muster_api::module::find(name)?.name;
    Some(match canonical {
        "apache2_module" => &apache2_module::Apache2Module,
        "apt" => &apt::Apt,
        "apt_repository" => &apt_repository::AptRepository,
        "assemble" => &Extended(assemble::Assemble),
        "authorized_key" => &authorized_key::AuthorizedKey,
        "blockinfile" => &Extended(blockinfile::BlockInFile),
        "cluster" => &cluster::Cluster,
        "command" => &command::PROGRAM,
        "copy" | "template" => &Extended(copy::Copy),
        "cron" => &cron::Cron,
        "deb822_repository" => &deb822_repository::Deb822Repository,
        "debconf" => &debconf::Debconf,
        "dnf" => &dnf::Dnf,
        "dpkg_selections" => &dpkg_selections::DpkgSelections,
        "expect" => &expect::Expect,
        "fetch" => &fetch::Fetch,
        "file" => &Extended(file::File),
        "find" => &find::Find,
        "firewall" => &firewall::Firewall,
        "get_url" => &Extended(get_url::GetUrl),
        "getent" => &getent::Getent,
        "group" => &group::Group,
        "hostname" => &hostname::Hostname,
        "ini_file" => &Extended(ini_file::IniFile),
        "known_hosts" => &known_hosts::KnownHosts,
        "lineinfile" => &Extended(lineinfile::LineInFile),
        "locale_gen" => &locale_gen::LocaleGen,
        "modprobe" => &modprobe::Modprobe,
        "mount" => &mount::Mount,
        "package" => &package::Package,
        "pam_limits" => &pam_limits::PamLimits,
        "pamd" => &pamd::Pamd,
        "package_facts" => &package_facts::PackageFacts,
        "ping" => &ping::Ping,
        "raw" => &command::RAW,
        "replace" => &Extended(replace::Replace),
        "script" => &script::Script,
        "seboolean" => &selinux::Seboolean,
        "selinux" => &selinux::Selinux,
        "service" | "systemd" => &service::Service,
        "service_facts" => &service_facts::ServiceFacts,
        "setup" => &setup::Setup,
        "shell" => &command::SHELL,
        "slurp" => &slurp::Slurp,
        "stat" => &stat::Stat,
        "sysctl" => &sysctl::Sysctl,
        "tempfile" => &tempfile::TempFile,
        "timezone" => &timezone::Timezone,
        "unarchive" => &Extended(unarchive::Unarchive),
        "uri" => &Extended(uri::Uri),
        "undo" => &undo::Undo,
        "user" => &user::User,
        "wait_for" => &wait_for::WaitFor,
        "archive" => &Extended(archive::Archive),
        "filesystem" => &storage::Filesystem,
        "lvg" => &storage::VolumeGroup,
        "lvol" => &storage::LogicalVolume,
        "parted" => &storage::Parted,
        "openssh_keypair" => &openssh_keypair::OpensshKeypair,
        "openssl_privatekey" => &openssl::PrivateKey,
        "openssl_publickey" => &openssl::PublicKey,
        "openssl_pkcs12" => &openssl::Pkcs12,
        "openssl_dhparam" => &openssl::Parameters,
        "openssl_csr" => &openssl::Request,
        "x509_certificate" => &openssl::Certificate,
        "htpasswd" => &htpasswd::Htpasswd,
        "nmcli" => &nmcli::Nmcli,
        "postgresql_db" => &postgresql::Database,
        "postgresql_ext" => &postgresql::Extension,
        "postgresql_info" => &postgresql::Info,
        "postgresql_ping" => &postgresql::Ping,
        "postgresql_privs" => &postgresql::Privileges,
        "postgresql_query" => &postgresql::Query,
        "postgresql_schema" => &postgresql::Schema,
        "postgresql_set" => &postgresql::Setting,
        "postgresql_user" => &postgresql::Role,
        "ufw" => &ufw::Ufw,
        "firewalld" => &firewalld_rule::Firewalld,
        "mount_facts" => &mount_facts::MountFacts,
        "git" => &git::Git,
        "subversion" => &subversion::Subversion,
        "rpm_key" => &rpm_key::RpmKey,
        "sysvinit" => &sysvinit::SysVInit,
        "yum_repository" => &Extended(yum_repository::YumRepository),
        "pip" => &pip::Pip,
        "iptables" => &iptables::Iptables,
        "apt_key" => &apt_key::AptKey,
        "async_status" => &async_status::AsyncStatus,
        _ => return None,
    })
}

/// What a check found: the outcome as it will be, and the operations that make it so.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) outcome: Outcome,
    pub(crate) operations: Vec<Operation>,
    pub(crate) report: Report,
    /// In a check session: why later steps cannot know what this one would have left behind.
    pub(crate) doubt: Option<String>,
}

impl Check {
    /// Nothing to change, and nothing to tell.
    pub(crate) fn unchanged() -> Self {
        Self::default()
    }

    /// A change made by these operations.
    pub(crate) fn change(diff: Diff, operations: Vec<Operation>) -> Self {
        let outcome = Outcome { changed: true, diffs: vec![diff], ..Outcome::default() };
        Self { outcome, operations, ..Self::default() }
    }

    /// The step does nothing here, and the reason.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome { skipped: true, ..Outcome::default() }, ..Self::default() }
            .with("msg", reason.into())
    }

    /// In a check session: what the step would do cannot be known, for this reason.
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        let mut check = Self::skipped("not run in check mode");
        let reason = reason.into();
        check.outcome.unknown = Some(reason.clone());
        check.doubt = Some(reason);
        check
    }

    /// Makes the changes, and reads what is reported of them.
    pub(crate) fn carry_out(self, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        hands.carry_out(&self.operations)?;
        let mut outcome = self.outcome;
        self.report.fill(&mut outcome, &hands.view());
        Ok(outcome)
    }

    /// With one more return value.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.outcome.result.insert(name.to_owned(), value.into());
        self
    }
}

/// Return values that are read when the step is done, or predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Report {
    /// There are none.
    #[default]
    Nothing,
    /// What is at this path then: owner, mode, size, state.
    File(PathBuf),
}

impl Report {
    pub(crate) fn fill(&self, outcome: &mut Outcome, view: &View<'_>) {
        if let Self::File(path) = self
            && let Ok(Some(stat)) = view.lstat(path)
        {
            attributes::describe(&stat, view, &mut outcome.result);
            if view.overlay().packed(path).is_some() {
                // How large an archive gets is known when it is packed.
                outcome.result.remove("size");
            }
        }
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) msg: String,
    pub(crate) result: Map<String, Value>,
    /// Something is missing that an earlier step could have brought.
    pub(crate) is_missing: bool,
    /// What a person should know besides.
    pub(crate) warnings: Box<[String]>,
}

impl Failure {
    pub(crate) fn new(msg: impl Into<String>) -> Self {
        Self { msg: msg.into(), result: Map::new(), is_missing: false, warnings: Box::default() }
    }

    /// With these warnings besides.
    pub(crate) fn warning(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings.into();
        self
    }

    /// Something is not there that the step needs.
    pub(crate) fn missing(msg: impl Into<String>) -> Self {
        Self { is_missing: true, ..Self::new(msg) }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.result.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn into_outcome(mut self) -> Outcome {
        self.result.insert("msg".to_owned(), self.msg.into());
        Outcome { failed: true, result: self.result, warnings: self.warnings.into(), ..Outcome::default() }
    }
}

/// The arguments of a step, as the table of its module made them.
pub(crate) struct Args<'a> {
    pub(crate) values: &'a Map<String, Value>,
}

impl<'a> Args<'a> {
    pub(crate) const fn of(step: &'a Step) -> Self {
        Self { values: &step.args }
    }

    /// All of them, by name.
    pub(crate) const fn all(&self) -> &'a Map<String, Value> {
        self.values
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.raw(name)?.as_str()
    }

    /// A text that the module's table says is there.
    pub(crate) fn needed(&self, name: &str) -> Result<&'a str, Failure> {
        self.text(name).ok_or_else(|| Failure::new(format!("argument `{name}` is missing")))
    }

    /// A boolean that is false where it is not given.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.choice(name).unwrap_or(false)
    }

    /// A boolean that means a third thing where it is not given.
    pub(crate) fn choice(&self, name: &str) -> Option<bool> {
        self.raw(name)?.as_bool()
    }

    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        self.raw(name)?.as_i64()
    }

    /// A number that cannot be negative.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.raw(name)?.as_u64()
    }

    /// A list of texts, `None` where it is not given.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let items = self.raw(name)?.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }

    /// A path with `~` and variables expanded, made absolute.
    pub(crate) fn path(&self, name: &str, view: &View<'_>) -> Option<PathBuf> {
        let expanded = view.expand(self.text(name)?);
        Some(std::path::absolute(&expanded).unwrap_or_else(|_| expanded.into()))
    }

    pub(crate) fn needed_path(&self, name: &str, view: &View<'_>) -> Result<PathBuf, Failure> {
        self.path(name, view).ok_or_else(|| Failure::new(format!("argument `{name}` is missing")))
    }
}
