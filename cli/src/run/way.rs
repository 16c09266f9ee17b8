//! How a host is reached for a task: what its variables, the task's keywords, the command line and the settings say.

use super::keywords::{Lookup, first_variable, variable};
use super::ssh::Wanted;
use crate::args::HostKeyChecking;
use crate::playbook::keyword::Keyword;
use crate::template::TemplateError;
use crate::vars::Scope;
use crate::vault::Secret;
use std::path::PathBuf;

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is this machine.
    Local,
    /// Over SSH.
    Ssh(Box<Wanted>),
}

/// What the command line and the settings say.
#[derive(Debug, Clone, Default)]
pub(crate) struct WayDefaults {
    pub(crate) connection: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) password: Option<Secret>,
    pub(crate) timeout: Option<u64>,
    pub(crate) ssh_common_args: Option<String>,
    pub(crate) ssh_extra_args: Option<String>,
    /// `--host-key-checking`
    pub(crate) checking: Option<HostKeyChecking>,
    /// From settings; options of ssh win over it.
    pub(crate) default_checking: Option<HostKeyChecking>,
}

/// Why it is not known how.
#[derive(Debug)]
pub(crate) enum WayError {
    Template(TemplateError),
    Refused(String),
}

impl From<TemplateError> for WayError {
    fn from(err: TemplateError) -> Self {
        Self::Template(err)
    }
}

/// How `host`, whose variables `target` has, is reached for a task.
pub(crate) fn way(
    host: &str,
    target: &Scope,
    lookup: Option<&Lookup<'_>>,
    defaults: &WayDefaults,
) -> Result<Way, WayError> {
    let keyword = |keyword| lookup.map_or(Ok(None), |lookup| lookup.text(keyword));
    let connection = match variable(target, "ansible_connection")? {
        Some(connection) => Some(connection),
        None => keyword(Keyword::Connection)?.or_else(|| defaults.connection.clone()),
    };
    match connection.as_deref() {
        Some("local" | "ansible.builtin.local") => return Ok(Way::Local),
        None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.builtin.ssh") => {}
        Some(other) => {
            return Err(WayError::Refused(format!(
                "connection `{other}` is not supported: there are `ssh` and `local`"
            )));
        }
    }
    let number = |names: &[&str]| first_variable(target, names);
    let port = match number(&["ansible_port", "ansible_ssh_port"])? {
        Some(port) => Some(port),
        None => keyword(Keyword::Port)?,
    };
    let port = match port {
        Some(port) => Some(port.parse().map_err(|_| WayError::Refused(format!("`{port}` is no port")))?),
        None => defaults.port,
    };
    let user = match first_variable(target, &["ansible_user", "ansible_ssh_user"])? {
        Some(user) => Some(user),
        None => keyword(Keyword::RemoteUser)?.or_else(|| defaults.user.clone()),
    };
    let password = first_variable(target, &["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"])?;
    if let Some(password) = &password {
        target.secrets().add(password);
    }
    let key = first_variable(target, &["ansible_ssh_private_key_file", "ansible_private_key_file"])?;
    let common = variable(target, "ansible_ssh_common_args")?.or_else(|| defaults.ssh_common_args.clone());
    let extra = variable(target, "ansible_ssh_extra_args")?.or_else(|| defaults.ssh_extra_args.clone());
    let timeout = first_variable(target, &["ansible_ssh_timeout", "ansible_timeout"])?;
    Ok(Way::Ssh(Box::new(Wanted {
        host: host.to_owned(),
        address: first_variable(target, &["ansible_host", "ansible_ssh_host"])?,
        port,
        user,
        password: password.map(Secret::new).or_else(|| defaults.password.clone()),
        private_key: key
            .map(|key| super::ssh::options::expand_home(&key))
            .or_else(|| defaults.private_key.clone()),
        ssh_args: common.into_iter().chain(extra).collect(),
        checking: defaults.checking,
        default_checking: host_checking(target)?.or(defaults.default_checking),
        timeout: timeout.and_then(|seconds| seconds.parse().ok()).or(defaults.timeout),
    })))
}

fn host_checking(target: &Scope) -> Result<Option<HostKeyChecking>, TemplateError> {
    let names = ["ansible_ssh_host_key_checking", "ansible_host_key_checking"];
    let value = first_variable(target, &names)?;
    Ok(value.map(|value| match super::keywords::is_true(&crate::template::Value::from(value)) {
        true => HostKeyChecking::Strict,
        false => HostKeyChecking::Off,
    }))
}

impl Way {
    /// The user who logs in; empty for this machine.
    pub(crate) fn login(&self) -> &str {
        match self {
            Self::Local => "",
            Self::Ssh(wanted) => wanted.user.as_deref().unwrap_or(""),
        }
    }

    /// The same, with who runs this program where nobody is named.
    pub(crate) fn login_name(&self) -> String {
        match self.login() {
            "" => user_here(),
            login => login.to_owned(),
        }
    }
}

/// Who runs this program: what the environment says may be missing, or be of somebody else.
pub(crate) fn user_here() -> String {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return "root".to_owned();
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.as_raw().to_string();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    named.or_else(|| std::env::var("USER").ok()).unwrap_or_default()
}
