//! A running program, here or on a host: something to write to, and the pieces that it says.

use super::ssh::{Client, Verified};
use super::unreachable::Unreachable;
use russh::ChannelMsg;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::mpsc;

/// A running program. It is ended when this is dropped.
pub(crate) struct Process {
    /// Its standard input.
    pub(crate) input: Box<dyn AsyncWrite + Send + Unpin>,
    output: mpsc::Receiver<Piece>,
}

/// What a program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// On standard output.
    Out(Vec<u8>),
    /// On standard error.
    Err(Vec<u8>),
    /// It ended, with this code where it has one.
    Exit(Option<u32>),
}

/// Enough pieces to keep the network busy, few enough to make the sender wait.
const PIECES_WAITING: usize = 64;

impl Process {
    /// Starts a command line on a host.
    pub(crate) async fn remote(client: &Client, command: &str) -> Result<Self, Unreachable> {
        let channel = client.channel_open_session().await.map_err(Verified::explain)?;
        // The answer would only say that a shell was started; a missing program shows in the exit code.
        channel.exec(false, command).await.map_err(Verified::explain)?;
        let (mut reader, writer) = channel.split();
        let (sender, output) = mpsc::channel(PIECES_WAITING);
        let input = Box::new(writer.make_writer());
        tokio::spawn(async move {
            // The channel lives as long as its write half.
            let _writer = writer;
            let mut code = None;
            while let Some(message) = reader.wait().await {
                let piece = match message {
                    ChannelMsg::Data { data } => Piece::Out(data.to_vec()),
                    ChannelMsg::ExtendedData { data, .. } => Piece::Err(data.to_vec()),
                    ChannelMsg::ExitStatus { exit_status } => {
                        code = Some(exit_status);
                        continue;
                    }
                    ChannelMsg::Close => break,
                    _ => continue,
                };
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            let _ = sender.send(Piece::Exit(code)).await;
        });
        Ok(Self { input, output })
    }

    /// Starts a program on this machine.
    pub(crate) fn local(program: &str, arguments: &[String]) -> std::io::Result<Self> {
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is for muster to act on, not for the worker.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().ok_or_else(|| std::io::Error::other("no input"))?;
        let (sender, output) = mpsc::channel(PIECES_WAITING);
        let out = child.stdout.take().map(|stream| tokio::spawn(pump(stream, sender.clone(), Piece::Out)));
        let err = child.stderr.take().map(|stream| tokio::spawn(pump(stream, sender.clone(), Piece::Err)));
        tokio::spawn(async move {
            let said_all = async {
                for pump in [out, err].into_iter().flatten() {
                    let _ = pump.await;
                }
            };
            // Where nobody listens any more the child is dropped, which ends it.
            tokio::select! {
                () = said_all => {}
                () = sender.closed() => return,
            }
            let status = child.wait().await.ok();
            let code = status.and_then(|status| status.code()).and_then(|code| u32::try_from(code).ok());
            let _ = sender.send(Piece::Exit(code)).await;
        });
        Ok(Self { input: Box::new(input), output })
    }

    /// What it says next; `Exit` for ever once it has ended.
    pub(crate) async fn next(&mut self) -> Piece {
        self.output.recv().await.unwrap_or(Piece::Exit(None))
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, to: mpsc::Sender<Piece>, wrap: fn(Vec<u8>) -> Piece) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.send(wrap(buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}
