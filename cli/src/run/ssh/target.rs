//! Where a host is and how to log in: what inventory, command line and ssh's own configuration say, put together.

use super::options::{SshOptions, expand_home};
use crate::args::HostKeyChecking;
use crate::run::unreachable::Unreachable;
use crate::vault::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// What the inventory and the command line say; what is left open is taken from ssh's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The host's name in the inventory.
    pub(crate) host: String,
    /// `ansible_host`.
    pub(crate) address: Option<String>,
    /// `ansible_port`.
    pub(crate) port: Option<u16>,
    /// `ansible_user`.
    pub(crate) user: Option<String>,
    /// `ansible_password`, or the answer to `-k`.
    pub(crate) password: Option<Secret>,
    /// `ansible_ssh_private_key_file`, or `--private-key`.
    pub(crate) private_key: Option<PathBuf>,
    /// `ansible_ssh_common_args` and `ansible_ssh_extra_args`.
    pub(crate) ssh_args: Vec<String>,
    /// `--host-key-checking`: wins over ssh's options.
    pub(crate) checking: Option<HostKeyChecking>,
    /// Settings: counts where ssh's options say nothing.
    pub(crate) default_checking: Option<HostKeyChecking>,
    /// Seconds until an attempt is given up.
    pub(crate) timeout: Option<u64>,
}

/// All that a connection needs.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    /// The name under which known_hosts has it.
    pub(crate) known_as: String,
    pub(crate) password: Option<Secret>,
    /// Keys that must exist, tried first.
    pub(crate) named_keys: Vec<PathBuf>,
    /// Keys that are tried where they exist.
    pub(crate) default_keys: Vec<PathBuf>,
    /// The agent's keys are left alone unless they are named.
    pub(crate) only_named_keys: bool,
    /// ssh-agent's socket.
    pub(crate) agent: Option<PathBuf>,
    /// Where a new key is remembered first, then where known ones are.
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) checking: HostKeyChecking,
    pub(crate) timeout: Duration,
    pub(crate) keepalive: Duration,
    /// Hosts to go through, the nearest first.
    pub(crate) jumps: Vec<Self>,
    /// A program whose input and output are the connection.
    pub(crate) proxy_command: Option<String>,
}

const DEFAULT_KEYS: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
const DEFAULT_KNOWN_HOSTS: [&str; 3] =
    ["~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts"];
/// As Ansible's.
const CONNECT_TIMEOUT: u64 = 10;
/// A dead connection is noticed after three of these.
const KEEPALIVE: u64 = 15;

impl Target {
    /// Puts everything together.
    ///
    /// # Errors
    ///
    /// An option that is not supported or makes no sense.
    pub(crate) async fn resolve(wanted: &Wanted) -> Result<Self, Unreachable> {
        let own = own_options(wanted)?;
        let name = wanted.address.clone().unwrap_or_else(|| wanted.host.clone());
        let config = SshOptions::of_config(&name, &own).await;
        let mut target = Self::build(wanted, &own.then(config), &name)?;
        if let Some(jumps) = target.proxy_jump.take() {
            for jump in jumps.split(',') {
                target.inner.jumps.push(Box::pin(Self::resolve_jump(wanted, jump.trim())).await?);
            }
        }
        Ok(target.inner)
    }

    async fn resolve_jump(wanted: &Wanted, jump: &str) -> Result<Self, Unreachable> {
        let jump = jump.strip_prefix("ssh://").unwrap_or(jump);
        let (user, rest) = match jump.rsplit_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, jump),
        };
        let (host, port) = split_port(rest);
        let hop = Wanted {
            host: host.to_owned(),
            user,
            port,
            private_key: wanted.private_key.clone(),
            checking: wanted.checking,
            default_checking: wanted.default_checking,
            timeout: wanted.timeout,
            ..Wanted::default()
        };
        let own = own_options(&hop)?;
        let config = SshOptions::of_config(host, &own).await;
        // A hop of a hop is what the hop's own configuration says; ssh does the same.
        Ok(Self::build(&hop, &own.then(config), host)?.inner)
    }

    fn build(wanted: &Wanted, options: &SshOptions, name: &str) -> Result<Unfinished, Unreachable> {
        let address = options.get("hostname").map_or_else(|| name.to_owned(), str::to_owned);
        let port = match options.get("port") {
            Some(port) => port.parse().map_err(|_| bad_option("Port", port))?,
            None => 22,
        };
        let none = |value: &&str| !matches!(*value, "none" | "");
        let identities: Vec<PathBuf> = options.all("identityfile").map(expand_home).collect();
        let defaults: Vec<PathBuf> = DEFAULT_KEYS.iter().map(|key| expand_home(key)).collect();
        let inner = Self {
            known_as: options.get("hostkeyalias").filter(none).unwrap_or(name).to_owned(),
            user: options.get("user").map_or_else(login_name, str::to_owned),
            password: wanted.password.clone(),
            named_keys: wanted.private_key.iter().cloned().collect(),
            default_keys: if identities.is_empty() { defaults } else { identities },
            only_named_keys: options.get("identitiesonly") == Some("yes"),
            agent: agent_socket(options),
            known_hosts: known_hosts_files(options),
            checking: checking(wanted, options)?,
            timeout: Duration::from_secs(timeout(wanted, options)),
            keepalive: Duration::from_secs(KEEPALIVE),
            jumps: Vec::new(),
            proxy_command: options.get("proxycommand").filter(none).map(str::to_owned),
            address,
            port,
        };
        Ok(Unfinished { inner, proxy_jump: options.get("proxyjump").filter(none).map(str::to_owned) })
    }

    /// `address:port`, for messages.
    pub(crate) fn place(&self) -> String {
        if self.address.contains(':') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }
}

/// A target whose jumps are still names.
struct Unfinished {
    inner: Target,
    proxy_jump: Option<String>,
}

/// What the inventory says, in the form of options: these win over ssh's configuration.
fn own_options(wanted: &Wanted) -> Result<SshOptions, Unreachable> {
    let mut text = String::new();
    if let Some(port) = wanted.port {
        text += &format!("-p {port} ");
    }
    if let Some(user) = &wanted.user {
        text += &format!("-l '{user}' ");
    }
    text += &wanted.ssh_args.join(" ");
    SshOptions::parse(&text).map_err(|why| {
        Unreachable::new(why).hint("take it out of `ansible_ssh_common_args` or `ansible_ssh_extra_args`")
    })
}

fn checking(wanted: &Wanted, options: &SshOptions) -> Result<HostKeyChecking, Unreachable> {
    if let Some(checking) = wanted.checking {
        return Ok(checking);
    }
    match options.get("stricthostkeychecking") {
        Some("no" | "off" | "false") => Ok(HostKeyChecking::Off),
        Some("accept-new") => Ok(HostKeyChecking::AcceptNew),
        Some("yes" | "true") => Ok(HostKeyChecking::Strict),
        // `ask` is ssh's default: it says nothing, and there is nobody to ask.
        Some("ask") | None => Ok(wanted.default_checking.unwrap_or(HostKeyChecking::Strict)),
        Some(other) => Err(bad_option("StrictHostKeyChecking", other)),
    }
}

fn timeout(wanted: &Wanted, options: &SshOptions) -> u64 {
    let configured = options.get("connecttimeout").and_then(|seconds| seconds.parse().ok());
    wanted.timeout.or(configured).filter(|seconds| *seconds > 0).unwrap_or(CONNECT_TIMEOUT)
}

fn known_hosts_files(options: &SshOptions) -> Vec<PathBuf> {
    let names = |option| options.get(option).map(|files: &str| files.split_whitespace().map(expand_home));
    match (names("userknownhostsfile"), names("globalknownhostsfile")) {
        (None, None) => DEFAULT_KNOWN_HOSTS.iter().map(|file| expand_home(file)).collect(),
        (user, global) => user.into_iter().flatten().chain(global.into_iter().flatten()).collect(),
    }
}

fn agent_socket(options: &SshOptions) -> Option<PathBuf> {
    match options.get("identityagent") {
        Some("none") => None,
        Some("SSH_AUTH_SOCK") | None => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        Some(path) => Some(expand_home(path)),
    }
}

fn login_name() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".into())
}

/// `host:port` and `[address]:port`; a bare IPv6 address has no port.
fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, port.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

fn bad_option(name: &str, value: &str) -> Unreachable {
    Unreachable::new(format!("ssh's option `{name}` cannot be `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(wanted: &Wanted, config: &str) -> Target {
        let own = own_options(wanted).expect("options are supported");
        let config = SshOptions::parse(config).expect("options are supported");
        Target::build(wanted, &own.then(config), "web1").expect("values make sense").inner
    }

    #[test]
    fn the_inventory_wins_over_the_configuration_of_ssh() {
        let wanted = Wanted { port: Some(2222), user: Some("deploy".into()), ..Wanted::default() };
        let target = build(&wanted, "-p 22 -l other -o HostName=10.0.0.1");
        assert_eq!((target.user.as_str(), target.place().as_str()), ("deploy", "10.0.0.1:2222"));
        assert_eq!(target.known_as, "web1");
    }

    #[test]
    fn keys_of_hosts_are_checked_unless_someone_says_otherwise() {
        let settings = Wanted { default_checking: Some(HostKeyChecking::Off), ..Wanted::default() };
        assert_eq!(build(&Wanted::default(), "").checking, HostKeyChecking::Strict);
        assert_eq!(build(&settings, "").checking, HostKeyChecking::Off);
        assert_eq!(build(&settings, "-o StrictHostKeyChecking=yes").checking, HostKeyChecking::Strict);
        let flag = Wanted { checking: Some(HostKeyChecking::AcceptNew), ..settings };
        assert_eq!(build(&flag, "-o StrictHostKeyChecking=yes").checking, HostKeyChecking::AcceptNew);
    }

    #[test]
    fn a_jump_may_name_its_port() {
        assert_eq!(split_port("bastion:2222"), ("bastion", Some(2222)));
        assert_eq!(split_port("[fd00::1]:22"), ("fd00::1", Some(22)));
        assert_eq!(split_port("fd00::1"), ("fd00::1", None));
    }
}
