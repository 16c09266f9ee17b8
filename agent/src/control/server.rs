//! The agent's end of the control socket: hands requests to the core and answers back, and serves events itself.

use super::events::Events;
use super::wire::{receive_async, send_async};
use crate::disk::Disk;
use crate::fence;
use crate::log;
use crate::seal::Suite;
use muster_api::cluster::Corosync;
use muster_api::control::{Request, Response};
use muster_core::input::{ClientId, Input};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Reads corosync.conf and the keys again, or says what is wrong with them.
pub(crate) type Reload = dyn Fn() -> Result<ReadAgain, String> + Send + Sync;

/// What was read again.
pub(crate) struct ReadAgain {
    pub(crate) corosync: Corosync,
    pub(crate) suite: Suite,
    /// Tells the keys from others.
    pub(crate) key_digest: [u8; 32],
}

/// What answers the clients.
pub(crate) struct Control {
    events: Arc<Events>,
    inputs: UnboundedSender<Input>,
    reload: Box<Reload>,
    suites: UnboundedSender<Suite>,
    disk: Arc<Disk>,
    clients: Mutex<Clients>,
}

/// Who waits for an answer of the core.
#[derive(Default)]
struct Clients {
    last: u64,
    waiting: BTreeMap<ClientId, oneshot::Sender<Response>>,
}

/// Makes the socket, for root alone. A socket that an agent of the past left behind is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another agent answers there"));
    }
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Control {
    /// `suites` takes the keys that were read again.
    pub(crate) fn new(
        events: Arc<Events>,
        inputs: UnboundedSender<Input>,
        reload: Box<Reload>,
        suites: UnboundedSender<Suite>,
        disk: Arc<Disk>,
    ) -> Arc<Self> {
        Arc::new(Self { events, inputs, reload, suites, disk, clients: Mutex::default() })
    }

    /// Serves until the agent exits.
    pub(crate) async fn serve(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let control = self.clone();
                    tokio::spawn(async move {
                        // A client that went away needs no answer.
                        let _ = control.converse(stream).await;
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: some come back when clients leave.
                    log::warning(format!("cannot accept a client: {error}"));
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Carries out `Effect::Reply`.
    pub(crate) fn reply(&self, client: ClientId, response: Response) {
        let waiting = self.lock().waiting.remove(&client);
        if let Some(waiting) = waiting {
            // The client may have given up in the meantime.
            let _ = waiting.send(response);
        }
    }

    async fn converse(&self, mut stream: UnixStream) -> io::Result<()> {
        while let Some(request) = receive_async(&mut stream).await? {
            match request {
                Request::Events { since, follow } => self.tell_events(&mut stream, since, follow).await?,
                Request::Reload => send_async(&mut stream, &self.reload().await).await?,
                Request::CompareDisk => {
                    let differences = self.disk.differences();
                    send_async(&mut stream, &Response::Disk { differences }).await?;
                }
                request => {
                    let response = self.ask_core(request).await;
                    send_async(&mut stream, &fence::complete(response)).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads corosync.conf and the keys again; the keys are taken where the core takes the file.
    pub(crate) async fn reload(&self) -> Response {
        let ReadAgain { corosync, suite, key_digest } = match (self.reload)() {
            Ok(read) => read,
            Err(why) => return Response::Refused { why },
        };
        let read = corosync.clone();
        let mut response = self.ask(|client| Input::Reconfigured { client: Some(client), corosync }).await;
        if let Response::Done { note: Some(note), .. } = &mut response {
            note.push_str("; the key was read again");
            // The thread that takes it is gone only where the agent exits.
            let _ = self.suites.send(suite);
            self.disk.taken(read, key_digest);
        }
        response
    }

    async fn ask_core(&self, request: Request) -> Response {
        self.ask(|client| Input::Request { client, request }).await
    }

    async fn ask(&self, input: impl FnOnce(ClientId) -> Input) -> Response {
        let (sender, answer) = oneshot::channel();
        let client = {
            let mut clients = self.lock();
            clients.last += 1;
            let client = ClientId(clients.last);
            clients.waiting.insert(client, sender);
            client
        };
        let _ = self.inputs.send(input(client));
        answer.await.unwrap_or_else(|_| Response::Refused { why: "the agent is exiting".into() })
    }

    async fn tell_events(&self, stream: &mut UnixStream, mut since: u64, follow: bool) -> io::Result<()> {
        let mut newest = self.events.follow();
        loop {
            for event in self.events.since(since) {
                since = event.number;
                send_async(stream, &Response::Event { event }).await?;
            }
            if !follow {
                return send_async(stream, &Response::EndOfEvents).await;
            }
            if newest.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
