//! Many hosts in one process: an SSH server on a range of ports, each port a host. What a client runs is run here, by `/bin/sh`, as
//! sshd would: real logins, real workers, without sshd's three processes for each connection. `tests/bench/scale.sh` runs it in
//! a lab node, to see what a thousand hosts cost the controller. Every key is let in: it is for a lab's own network only.
//!
//! ```text
//! hosts --key /etc/ssh/ssh_host_ed25519_key --address 10.77.0.11 --ports 20001-21000
//! ```

use russh::keys::PrivateKey;
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};

const USAGE: &str = "hosts --key FILE --address IP --ports FIRST-LAST";
/// As much as a packet of the protocol carries.
const PIECE: usize = 32 * 1024;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}\n  hint: {USAGE}");
            ExitCode::from(2)
        }
    }
}

async fn serve() -> Result<(), String> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let config = Arc::new(server::Config {
        keys: vec![arguments.key],
        nodelay: true,
        auth_rejection_time: std::time::Duration::ZERO,
        ..server::Config::default()
    });
    let mut listening = tokio::task::JoinSet::new();
    for port in arguments.ports {
        let listener = TcpListener::bind((arguments.address, port)).await;
        let listener = listener.map_err(|error| format!("cannot listen on port {port}: {error}"))?;
        listening.spawn(host(listener, Arc::clone(&config)));
    }
    println!("{} hosts", listening.len());
    while listening.join_next().await.is_some() {}
    Ok(())
}

struct Arguments {
    key: PrivateKey,
    address: IpAddr,
    ports: RangeInclusive<u16>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut key, mut address, mut ports) = (None, None, None);
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            match option.as_str() {
                "--key" => {
                    let read = russh::keys::load_secret_key(&value, None);
                    key = Some(read.map_err(|error| format!("cannot read the key `{value}`: {error}"))?);
                }
                "--address" => {
                    address = Some(value.parse().map_err(|_| format!("`{value}` is not an address"))?);
                }
                "--ports" => {
                    ports = Some(range(&value).ok_or_else(|| format!("`{value}` is not a range of ports"))?)
                }
                _ => return Err(format!("unknown option `{option}`")),
            }
        }
        match (key, address, ports) {
            (Some(key), Some(address), Some(ports)) => Ok(Self { key, address, ports }),
            _ => Err("--key, --address and --ports are needed".to_owned()),
        }
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// One port: whoever connects is served.
async fn host(listener: TcpListener, config: Arc<server::Config>) {
    while let Ok((stream, _)) = listener.accept().await {
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if let Ok(session) = server::run_stream(config, stream, Connection::default()).await {
                // A client that goes away is the end of it.
                let _ = session.await;
            }
        });
    }
}

/// One client: its channels, each with the standard input of what it runs.
#[derive(Default)]
struct Connection {
    inputs: HashMap<ChannelId, ChildStdin>,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        _key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match started(&String::from_utf8_lossy(line)) {
            Ok(mut child) => {
                if let Some(input) = child.stdin.take() {
                    self.inputs.insert(channel, input);
                }
                session.channel_success(channel)?;
                tokio::spawn(followed(child, channel, session.handle()));
            }
            Err(_) => session.channel_failure(channel)?,
        }
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // A program that has closed its input does not want more.
        let is_gone = match self.inputs.get_mut(&channel) {
            Some(input) => input.write_all(data).await.is_err() || input.flush().await.is_err(),
            None => false,
        };
        if is_gone {
            self.inputs.remove(&channel);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.inputs.remove(&channel);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.inputs.remove(&channel);
        Ok(())
    }
}

fn started(line: &str) -> std::io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", line])
        .current_dir("/root")
        .env("HOME", "/root")
        .env("USER", "root")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Hands on what the program says, then its code.
async fn followed(mut child: Child, channel: ChannelId, handle: Handle) {
    let out = child.stdout.take();
    let err = child.stderr.take();
    tokio::join!(said(out, channel, &handle, false), said(err, channel, &handle, true));
    let code = child.wait().await.ok().and_then(|status| status.code());
    let _ = handle
        .exit_status_request(channel, code.and_then(|code| u32::try_from(code).ok()).unwrap_or(255))
        .await;
    let _ = handle.eof(channel).await;
    let _ = handle.close(channel).await;
}

async fn said(from: Option<impl AsyncRead + Unpin>, channel: ChannelId, handle: &Handle, is_error: bool) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let piece = buffer[..length].to_vec();
        let sent = match is_error {
            true => handle.extended_data(channel, 1, piece).await.is_ok(),
            false => handle.data(channel, piece).await.is_ok(),
        };
        if !sent {
            return;
        }
    }
}
