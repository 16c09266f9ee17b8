//! The service: `musterd run`.
//!
//! Two threads. The *membership* thread owns the core, the packets and the durable state; nothing there waits for a
//! resource, a device or a client, so that a slow agent script never makes this node look dead. The main thread
//! carries out the rest: resources, fence devices, clients.
//!
//! Stopping: SIGTERM ends the agent and nothing else. Resources run on, and the agent finds them again when it starts;
//! within the token time the other nodes do not even notice. To take the node out of the cluster is a request of its
//! own ([`muster_api::control::Request::Leave`]): resources move away first. The unit's `ExecStop` makes it, except
//! where systemd restarts the agent (see `cli/leave.rs`).

use crate::clock::{Clock, wall_ms};
use crate::control::events::Events;
use crate::control::server::{Control, ReadAgain, Reload, listen};
use crate::disk::Disk;
use crate::fence::Fencer;
use crate::keys::{self, Keyring};
use crate::membership::{Membership, Queues};
use crate::notify::{self, Notify};
use crate::peer::{Peers, find_local};
use crate::recorder::Recorder;
use crate::resource::Executor;
use crate::seal::Seal;
use crate::store::Store;
use crate::watchdog::Watchdog;
use crate::{attribute, host, log};
use muster_api::cluster::{Cipher, Corosync};
use muster_api::control::Response;
use muster_api::corosync_conf;
use muster_api::id::NodeId;
use muster_core::effect::Effect;
use muster_core::node::{Boot, Node};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Threads of ours call shallowly; the default of 2 MiB would count against locked memory.
const STACK_SIZE: usize = 512 * 1024;
/// An agent that fails sooner than this has most likely a cause that stays: a full disk, a mistake in a file.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// How long answers may be on their way to clients when the agent exits.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// Where everything is.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// corosync.conf.
    pub(crate) config: PathBuf,
    /// The cluster's key, unless corosync.conf names another.
    pub(crate) key: PathBuf,
    /// The durable state.
    pub(crate) state: PathBuf,
    /// The control socket.
    pub(crate) socket: PathBuf,
    /// Where all that the core is told is written down, where that is wanted.
    pub(crate) record: Option<PathBuf>,
    /// The hardware watchdog, where one is used.
    pub(crate) watchdog: Option<PathBuf>,
}

/// Why the agent does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}:{source}")]
    Config { path: PathBuf, source: corosync_conf::ConfError },
    #[error("{0}")]
    Place(String),
    #[error(transparent)]
    Key(#[from] keys::KeyError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Node(#[from] muster_core::node::BootError),
    #[error("cannot record to {path}: {source}")]
    Recording { path: PathBuf, source: std::io::Error },
    #[error("cannot listen on the control socket {path}: {source}")]
    Socket { path: PathBuf, source: std::io::Error },
    #[error("cannot open the watchdog {path}: {source}")]
    Watchdog { path: PathBuf, source: std::io::Error },
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: std::io::Error },
}

/// Runs the agent until it is told to stop.
pub(crate) fn run(places: Places) -> ExitCode {
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(STACK_SIZE)
        .max_blocking_threads(4)
        .build();
    let served = runtime
        .map_err(|source| StartError::System { what: "start the runtime", source })
        .and_then(|runtime| runtime.block_on(serve(places)));
    let code = served.unwrap_or_else(|error| {
        log::error(error.to_string());
        ExitCode::FAILURE
    });
    if code != ExitCode::SUCCESS && started.elapsed() < SHORT_LIFE {
        notify::pause_before_restart();
    }
    code
}

async fn serve(places: Places) -> Result<ExitCode, StartError> {
    let corosync = read_config(&places.config)?;
    let listener = open_socket(&places.socket)?;
    attribute::offer();
    let (inputs, queue) = unbounded_channel();
    let (effects, orders) = unbounded_channel();
    let address_changes = host::watch_addresses()
        .map_err(|source| StartError::System { what: "watch this host's addresses", source })?;
    let (suites, new_suites) = unbounded_channel();
    let disk = Disk::new(&places.config, &places.key);
    let start = boot(&places, &corosync, &disk)?;
    let me = start.me;
    let (fence_agents, new_fence_agents) = tokio::sync::watch::channel(BTreeSet::new());
    tokio::spawn(crate::fence::get_acquainted(new_fence_agents));
    let watchdog = open_watchdog(places.watchdog.as_deref())?;
    let queues = Queues { inputs: queue, suites: new_suites, effects };
    let membership = Membership::new(start, queues, address_changes.clone(), fence_agents, watchdog.clone());
    let thread = std::thread::Builder::new().name("membership".into()).stack_size(2 * STACK_SIZE);
    thread
        .spawn(move || membership.run())
        .map_err(|source| StartError::System { what: "start the membership thread", source })?;
    let events = Arc::new(Events::new());
    tokio::spawn(disk.clone().watch(inputs.clone()));
    let control = Control::new(events.clone(), inputs.clone(), reloader(me, places), suites, disk);
    tokio::spawn(control.clone().serve(listener));
    let hands = Hands {
        executor: Executor::new(inputs.clone(), address_changes),
        fencer: Fencer::new(inputs),
        control,
        events,
    };
    let code = until_told_to_stop(hands, orders).await;
    if let Some(watchdog) = watchdog.filter(|_| code == ExitCode::SUCCESS) {
        watchdog.disarm();
    }
    Ok(code)
}

fn open_watchdog(path: Option<&Path>) -> Result<Option<Watchdog>, StartError> {
    let open = |path: &Path| {
        Watchdog::open(path).map_err(|source| StartError::Watchdog { path: path.to_path_buf(), source })
    };
    path.map(open).transpose()
}

async fn until_told_to_stop(mut hands: Hands, mut orders: UnboundedReceiver<Effect>) -> ExitCode {
    let signals = (SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup());
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) = (signal(signals.0), signal(signals.1), signal(signals.2))
    else {
        log::error("cannot listen to signals");
        return ExitCode::FAILURE;
    };
    let notify = Notify::from_environment();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Effect::Exit { reason }) => {
                    notify.stopping();
                    log::info(format!("agent: exits: {reason}"));
                    tokio::time::sleep(LAST_ANSWERS).await;
                    return ExitCode::SUCCESS;
                }
                Some(effect) => hands.carry_out(effect),
                // The membership thread said why.
                None => return ExitCode::FAILURE,
            },
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => {
                let control = hands.control.clone();
                tokio::spawn(async move {
                    if let Response::Refused { why } = control.reload().await {
                        log::error(why);
                    }
                });
            }
        }
    }
    notify.stopping();
    log::info("agent: stops; resources run on and are found again when it starts");
    ExitCode::SUCCESS
}

/// Who carries out what does not belong to the membership thread.
struct Hands {
    executor: Executor,
    fencer: Fencer,
    control: Arc<Control>,
    events: Arc<Events>,
}

impl Hands {
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Run { order, action } => self.executor.run(order, action),
            Effect::CancelMonitor { resource, interval_ms } => {
                self.executor.cancel_monitor(&resource, interval_ms)
            }
            Effect::Fence { attempt, device, target, target_id, action, timeout_ms } => {
                let order = crate::fence::Order { device, target, target_id, action, timeout_ms };
                drop(self.fencer.fence(attempt, order));
            }
            Effect::Reply { client, response } => self.control.reply(client, response),
            Effect::Emit(event) => self.events.add(event),
            Effect::Persist { .. } | Effect::Send { .. } | Effect::Reconfigured(_) | Effect::Exit { .. } => {
                unreachable!("the membership thread carries these out itself")
            }
        }
    }
}

/// What the membership thread starts with.
pub(crate) struct Start {
    /// Which entry of the nodelist this node is.
    pub(crate) me: NodeId,
    /// The core.
    pub(crate) node: Node,
    /// Its clock.
    pub(crate) clock: Clock,
    /// The packets.
    pub(crate) peers: Peers,
    /// The durable state.
    pub(crate) store: Store,
    /// Where it writes down what the core is told.
    pub(crate) recorder: Option<Recorder>,
}

fn boot(places: &Places, corosync: &Corosync, disk: &Disk) -> Result<Start, StartError> {
    let own = host::own_addresses()
        .map_err(|source| StartError::System { what: "list this host's addresses", source })?;
    let me = find_local(corosync, &own, &host::name()).map_err(StartError::Place)?;
    let keyring = Keyring::read(corosync, &places.key)?;
    disk.taken(corosync.clone(), keyring.digest());
    let mut boot_id = [0; 16];
    getrandom::fill(&mut boot_id).map_err(|error| StartError::System {
        what: "draw random numbers",
        source: std::io::Error::other(error.to_string()),
    })?;
    let seal = Seal::new(me, &corosync.totem.cluster_name, keyring.suite(), boot_id);
    if corosync.totem.cipher == Cipher::None {
        log::warning("crypto_cipher is none: whoever can reach this node's ports can take over the cluster");
    }
    let (store, durable) = Store::open(&places.state)?;
    let clock = Clock::start();
    let boot = Boot {
        me,
        corosync: corosync.clone(),
        durable,
        incarnation: wall_ms(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let now = clock.now();
    let recorder = match &places.record {
        Some(path) => {
            let recorder = Recorder::begin(path, now, &boot);
            Some(recorder.map_err(|source| StartError::Recording { path: path.clone(), source })?)
        }
        None => None,
    };
    let node = Node::new(now, boot)?;
    Ok(Start { me, node, clock, peers: Peers::new(me, corosync, seal), store, recorder })
}

pub(crate) fn read_corosync_conf(path: &Path) -> Result<Corosync, String> {
    read_config(path).map_err(|error| error.to_string())
}

fn read_config(path: &Path) -> Result<Corosync, StartError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| StartError::Unreadable { path: path.to_path_buf(), source })?;
    corosync_conf::parse(&text).map_err(|source| StartError::Config { path: path.to_path_buf(), source })
}

fn open_socket(path: &Path) -> Result<UnixListener, StartError> {
    listen(path).map_err(|source| StartError::Socket { path: path.to_path_buf(), source })
}

/// Reads corosync.conf and the keys again, and checks that this host is the same node by it.
fn reloader(me: NodeId, places: Places) -> Box<Reload> {
    Box::new(move || {
        let corosync = read_config(&places.config).map_err(|error| error.to_string())?;
        let own = host::own_addresses().map_err(|error| error.to_string())?;
        // Where none of the addresses is here yet, the core knows by its number which node it is.
        if let Ok(found) = find_local(&corosync, &own, &host::name())
            && found != me
        {
            return Err(format!(
                "by this corosync.conf the host is node {found} and not {me}: that needs a restart of the agent"
            ));
        }
        let keyring = Keyring::read(&corosync, &places.key).map_err(|error| error.to_string())?;
        let key_digest = keyring.digest();
        Ok(ReadAgain { corosync, suite: keyring.suite(), key_digest })
    })
}
