//! One connection to one host: TCP or a way through other hosts, key exchange, the check of the host's key, login.

use super::auth;
use super::known_hosts::{self, KnownHosts, Verdict};
use super::target::Target;
use crate::args::HostKeyChecking;
use crate::run::unreachable::Unreachable;
use russh::client::{self, Config, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::keys::{Algorithm, PublicKey};
use russh::{Preferred, cipher};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection that is logged in, or is about to be.
pub(crate) type Client = Handle<Verified>;

/// Connects and logs in.
pub(crate) async fn connect(target: &Target) -> Result<Connected, Unreachable> {
    let mut hops: Vec<Client> = Vec::new();
    for hop in target.jumps.iter().chain([target]) {
        let client = connect_through(hops.last(), hop).await.map_err(|why| through(why, hop, target))?;
        hops.push(client);
    }
    let client = hops.pop().ok_or_else(|| Unreachable::new("there is no host to connect to"))?;
    Ok(Connected { client, _hops: hops })
}

/// A connection, and those that it goes through: they must live as long.
pub(crate) struct Connected {
    pub(crate) client: Client,
    _hops: Vec<Client>,
}

fn through(why: Unreachable, hop: &Target, target: &Target) -> Unreachable {
    if std::ptr::eq(hop, target) {
        return why;
    }
    Unreachable { what: format!("on the way, at {}: {}", hop.place(), why.what), hint: why.hint }
}

async fn connect_through(last: Option<&Client>, target: &Target) -> Result<Client, Unreachable> {
    let limit = target.timeout;
    let attempt = async {
        match (last, &target.proxy_command) {
            (Some(last), _) => {
                let (address, port) = (target.address.as_str(), u32::from(target.port));
                let channel = last
                    .channel_open_direct_tcpip(address, port, "127.0.0.1", 0)
                    .await
                    .map_err(|cause| Unreachable::new(format!("cannot reach {}: {cause}", target.place())))?;
                handshake(target, channel.into_stream()).await
            }
            (None, Some(command)) => handshake(target, proxy(command, target)?).await,
            (None, None) => handshake(target, tcp(target).await?).await,
        }
    };
    match timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(Unreachable::timeout(&target.place(), Some(limit.as_secs()))),
    }
}

async fn tcp(target: &Target) -> Result<TcpStream, Unreachable> {
    let name = target.address.as_str();
    let addresses = tokio::net::lookup_host((name, target.port)).await;
    let addresses: Vec<SocketAddr> =
        addresses.map_err(|cause| Unreachable::no_address(name, &cause))?.collect();
    let mut failure = Unreachable::new(format!("`{name}` has no address"));
    for address in addresses {
        match TcpStream::connect(address).await {
            // With Nagle's algorithm every command costs 50 ms more.
            Ok(stream) => return stream.set_nodelay(true).map(|()| stream).map_err(Unreachable::lost),
            Err(cause) => failure = Unreachable::connect(address, &cause),
        }
    }
    Err(failure)
}

/// A program as the connection: `%h`, `%p` and `%r` stand for host, port and user.
fn proxy(
    command: &str,
    target: &Target,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, Unreachable> {
    let line = command
        .replace("%h", &target.address)
        .replace("%p", &target.port.to_string())
        .replace("%r", &target.user)
        .replace("%%", "%");
    let child = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(format!("exec {line}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|cause| Unreachable::new(format!("ProxyCommand `{line}`: {cause}")))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Unreachable::new(format!("ProxyCommand `{line}` has no input and output")));
    };
    // The program ends when its input is closed; the handle waits for that, so that no zombie stays.
    tokio::spawn(async move { child.wait().await });
    Ok(tokio::io::join(output, input))
}

async fn handshake<S>(target: &Target, stream: S) -> Result<Client, Unreachable>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let known_hosts = KnownHosts::read(&target.known_hosts, &target.known_as, target.port);
    let config = Arc::new(config(target, &known_hosts));
    let verified = Verified { target: target.clone(), known_hosts };
    let mut client =
        client::connect_stream(config, stream, verified).await.map_err(|refusal| match refusal {
            Refusal::HostKey(why) => why,
            Refusal::Ssh(cause) => explain_handshake(target, cause),
        })?;
    auth::log_in(&mut client, target).await?;
    Ok(client)
}

fn config(target: &Target, known_hosts: &KnownHosts) -> Config {
    let known = known_hosts.key_types();
    let mut types: Vec<Algorithm> = Preferred::DEFAULT.key.to_vec();
    // A type that known_hosts has comes first, as with ssh: else a host that is known by its RSA key shows its
    // Ed25519 key and looks unknown.
    types.sort_by_key(|algorithm| !known.iter().any(|known| is_same_type(known, algorithm)));
    let mut ciphers: Vec<cipher::Name> = Preferred::DEFAULT.cipher.to_vec();
    // Processors have AES instructions: AES-GCM pushes a third faster than ChaCha20.
    ciphers.sort_by_key(|cipher| *cipher != cipher::AES_256_GCM);
    Config {
        preferred: Preferred { key: Cow::Owned(types), cipher: Cow::Owned(ciphers), ..Preferred::DEFAULT },
        keepalive_interval: Some(target.keepalive),
        keepalive_max: 3,
        nodelay: true,
        inactivity_timeout: None,
        ..Config::default()
    }
}

fn is_same_type(one: &Algorithm, other: &Algorithm) -> bool {
    one == other || (matches!(one, Algorithm::Rsa { .. }) && matches!(other, Algorithm::Rsa { .. }))
}

fn explain_handshake(target: &Target, cause: russh::Error) -> Unreachable {
    let place = target.place();
    match cause {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            Unreachable::new(format!("{place} and muster have no {kind:?} algorithm in common"))
                .hint(format!("it offers {}: is its sshd very old?", theirs.join(", ")))
        }
        russh::Error::Version => Unreachable::new(format!("{place} does not speak SSH 2"))
            .hint("is this sshd's port? `ansible_port` sets another one"),
        russh::Error::HUP | russh::Error::Disconnect => {
            Unreachable::new(format!("{place} closed the connection during the handshake"))
                .hint("is sshd overloaded (`MaxStartups`), or does it refuse this address?")
        }
        other => Unreachable::new(format!("no SSH connection to {place}: {other}")),
    }
}

/// Checks the host's key.
pub(crate) struct Verified {
    target: Target,
    known_hosts: KnownHosts,
}

/// Why a connection ended before it was logged in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The key of the host.
    HostKey(Unreachable),
    /// All else.
    Ssh(russh::Error),
}

impl From<russh::Error> for Refusal {
    fn from(cause: russh::Error) -> Self {
        Self::Ssh(cause)
    }
}

impl client::Handler for Verified {
    type Error = Refusal;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Refusal> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.check(key).map(|()| true).map_err(Refusal::HostKey)
            }
            // None is asked for.
            PublicKeyOrCertificate::Certificate(_) => Ok(false),
        }
    }
}

impl Verified {
    /// An error of a connection that is up.
    pub(crate) fn explain(cause: russh::Error) -> Unreachable {
        match cause {
            russh::Error::KeepaliveTimeout => Unreachable::lost("the host does not answer any more"),
            russh::Error::HUP | russh::Error::Disconnect | russh::Error::SendError => {
                Unreachable::lost("the host closed it")
            }
            other => Unreachable::lost(other),
        }
    }

    fn check(&self, key: &PublicKey) -> Result<(), Unreachable> {
        let checking = &self.target.checking;
        if *checking == HostKeyChecking::Off {
            return Ok(());
        }
        match self.known_hosts.verdict(key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown if *checking == HostKeyChecking::AcceptNew => self.remember(key),
            Verdict::Unknown => Err(self.unknown(key)),
            Verdict::Changed(place) => Err(self.changed(key, &place, "has another key for it")),
            Verdict::OtherType(place) => Err(self.changed(key, &place, "has a key of another type for it")),
            Verdict::Revoked(place) => Err(Unreachable::new(format!(
                "{} shows a key that {place} marks as revoked",
                self.target.place()
            ))),
        }
    }

    fn remember(&self, key: &PublicKey) -> Result<(), Unreachable> {
        let Target { known_as, port, known_hosts, .. } = &self.target;
        let Some(file) = known_hosts.first() else { return Ok(()) };
        known_hosts::remember(file, known_as, *port, key).map_err(|cause| {
            Unreachable::new(format!(
                "the key of `{known_as}` cannot be written to {}: {cause}",
                file.display()
            ))
        })
    }

    fn unknown(&self, key: &PublicKey) -> Unreachable {
        let Target { known_as, port, .. } = &self.target;
        let port = if *port == 22 { String::new() } else { format!("-p {port} ") };
        Unreachable::new(format!(
            "the {} key of `{known_as}` is not in known_hosts; its fingerprint is {}",
            key.algorithm(),
            known_hosts::fingerprint(key)
        ))
        .hint(format!(
            "compare it on the host (`ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub`), then accept it with `ssh-keyscan \
             {port}{known_as} >> ~/.ssh/known_hosts`, or trust all new keys with `--host-key-checking accept-new`",
            short_type(&key.algorithm())
        ))
    }

    fn changed(&self, key: &PublicKey, place: &known_hosts::Place, how: &str) -> Unreachable {
        let Target { known_as, port, .. } = &self.target;
        let name = known_hosts::lookup_name(known_as, *port);
        Unreachable::new(format!(
            "the host that answers as `{known_as}` is not the one that is known: it shows the {} key {}, but {place} \
             {how}; this can be an attack",
            key.algorithm(),
            known_hosts::fingerprint(key)
        ))
        .hint(format!("where the host was installed anew, forget the old key: `ssh-keygen -R '{name}'`"))
    }
}

fn short_type(algorithm: &Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rsa { .. } => "rsa",
        Algorithm::Ecdsa { .. } => "ecdsa",
        _ => "ed25519",
    }
}
