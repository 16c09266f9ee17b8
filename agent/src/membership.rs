//! The thread that drives the core: feeds it packets, deadlines and results, and carries its effects out in order.

use crate::clock::Clock;
use crate::log;
use crate::notify::{self, Notify};
use crate::peer::{Arrived, Peers};
use crate::recorder::Recorder;
use crate::seal::Suite;
use crate::serve::Start;
use crate::store::Store;
use crate::watchdog::{PAT_EVERY, Watchdog};
use muster_api::status::ClusterStatus;
use muster_core::effect::Effect;
use muster_core::input::Input;
use muster_core::node::Node;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// A link without its address is looked at again after so long, should the kernel's message about it get lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The membership loop comes before whatever else runs on the node.
const PRIORITY: i32 = -20;

/// The loop's state.
pub(crate) struct Membership {
    node: Node,
    clock: Clock,
    peers: Peers,
    store: Store,
    recorder: Option<Recorder>,
    inputs: UnboundedReceiver<Input>,
    suites: UnboundedReceiver<Suite>,
    effects: UnboundedSender<Effect>,
    address_changes: watch::Receiver<u64>,
    fence_agents: watch::Sender<BTreeSet<String>>,
    notify: Notify,
    /// How often the service manager wants to hear of this loop.
    alive_every: Option<Duration>,
    watchdog: Option<Watchdog>,
    last_status: String,
}

/// What the loop is fed by, and where it sends what it does not carry out itself.
pub(crate) struct Queues {
    pub(crate) inputs: UnboundedReceiver<Input>,
    pub(crate) suites: UnboundedReceiver<Suite>,
    pub(crate) effects: UnboundedSender<Effect>,
}

/// What the loop woke up for.
#[expect(clippy::large_enum_variant, reason = "each lives for one turn of the loop")]
enum Event {
    Input(Input),
    Suite(Suite),
    Links,
    Alive,
    Pat,
    Over,
}

impl Membership {
    /// A loop that has not started; `fence_agents` is kept at the agents of the configured fence devices.
    pub(crate) fn new(
        start: Start,
        queues: Queues,
        address_changes: watch::Receiver<u64>,
        fence_agents: watch::Sender<BTreeSet<String>>,
        watchdog: Option<Watchdog>,
    ) -> Self {
        let Start { node, clock, peers, store, recorder, .. } = start;
        let Queues { inputs, suites, effects } = queues;
        Self {
            node,
            clock,
            peers,
            store,
            recorder,
            inputs,
            suites,
            effects,
            address_changes,
            fence_agents,
            notify: Notify::from_environment(),
            alive_every: notify::watchdog_interval(),
            watchdog,
            last_status: String::new(),
        }
    }

    /// Turns the loop until the agent exits.
    pub(crate) fn run(mut self) {
        prefer_this_thread();
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return log::error(format!("cannot start the membership loop: {error}")),
        };
        if let Err(why) = runtime.block_on(self.turn()) {
            log::error(why);
        }
    }

    async fn turn(&mut self) -> Result<(), String> {
        // The core takes a link for usable until it hears otherwise.
        let _ = self.peers.rebind();
        for link in self.peers.unbound_links() {
            self.step(Input::LinkState { link, is_usable: false })?;
        }
        self.step(Input::Tick)?;
        self.notify.ready();
        let (mut alive_at, mut pat_at) = (Instant::now(), Instant::now());
        loop {
            match self.next_event(alive_at, pat_at).await {
                Event::Input(input) => self.step(input)?,
                Event::Suite(suite) => self.peers.change_suite(suite),
                Event::Links => self.rebind()?,
                Event::Alive => {
                    self.notify.alive();
                    alive_at = Instant::now() + self.alive_every.unwrap_or_default();
                }
                Event::Pat => {
                    self.watchdog.iter().for_each(Watchdog::pat);
                    pat_at = Instant::now() + PAT_EVERY;
                }
                Event::Over => return Ok(()),
            }
        }
    }

    async fn next_event(&mut self, alive_at: Instant, pat_at: Instant) -> Event {
        let deadline = self.node.next_deadline().map(|deadline| self.clock.until(deadline));
        let has_unbound_link = !self.peers.unbound_links().is_empty();
        let (is_supervised, has_watchdog) = (self.alive_every.is_some(), self.watchdog.is_some());
        tokio::select! {
            input = self.inputs.recv() => input.map_or(Event::Over, Event::Input),
            arrived = self.peers.receive() => Event::Input(match arrived {
                Arrived::Packet { link, from, payload } => Input::Received { link, from, bytes: payload },
                Arrived::Unreadable { from, mismatch } => Input::Unreadable { from, mismatch },
            }),
            () = sleep(deadline.unwrap_or_default()), if deadline.is_some() => Event::Input(Input::Tick),
            Some(suite) = self.suites.recv() => Event::Suite(suite),
            Ok(()) = self.address_changes.changed() => Event::Links,
            () = sleep(LOOK_AGAIN), if has_unbound_link => Event::Links,
            () = sleep_until(alive_at), if is_supervised => Event::Alive,
            () = sleep_until(pat_at), if has_watchdog => Event::Pat,
        }
    }

    fn rebind(&mut self) -> Result<(), String> {
        for (link, is_usable) in self.peers.rebind() {
            self.step(Input::LinkState { link, is_usable })?;
        }
        Ok(())
    }

    /// After the addresses have changed: what is not bound now is not usable.
    fn rebind_all(&mut self) -> Result<(), String> {
        self.rebind()?;
        for link in self.peers.unbound_links() {
            self.step(Input::LinkState { link, is_usable: false })?;
        }
        Ok(())
    }

    fn step(&mut self, input: Input) -> Result<(), String> {
        let mut is_reconfigured = false;
        let now = self.clock.now();
        let recorded = self.recorder.is_some().then(|| input.clone());
        let effects = self.node.step(now, input);
        if let (Some(recorder), Some(input)) = (&mut self.recorder, recorded) {
            recorder.note(now, input, &effects);
        }
        for effect in effects {
            is_reconfigured |= matches!(effect, Effect::Reconfigured(_));
            self.carry_out(effect)?;
        }
        if is_reconfigured { self.rebind_all() } else { Ok(()) }
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Persist { bytes } => self.store.write(&bytes).map_err(|error| {
                format!(
                    "the state cannot be written, and a node that cannot remember must not promise: {error}"
                )
            })?,
            Effect::Send { link, to, bytes } => self.peers.send(link, to, &bytes),
            Effect::Reconfigured(corosync) => self.peers.reconfigure(&corosync),
            effect => {
                let is_news = matches!(effect, Effect::Emit(_));
                // The main thread is gone only where the process is about to be.
                let _ = self.effects.send(effect);
                if is_news {
                    self.tell_status();
                }
            }
        }
        Ok(())
    }

    fn tell_status(&mut self) {
        let status = self.node.status(self.clock.now());
        let line = status_line(&status);
        if line != self.last_status {
            self.notify.status(&line);
            self.last_status = line;
        }
        let agents = status.fence_devices.into_iter().map(|device| device.agent).collect();
        self.fence_agents.send_if_modified(|known| {
            let is_changed = *known != agents;
            *known = agents;
            is_changed
        });
    }
}

/// The line that `systemctl status` shows.
fn status_line(status: &ClusterStatus) -> String {
    let quorum = if status.quorum.is_quorate { "quorate" } else { "not quorate" };
    match &status.view {
        Some(view) => {
            let members: Vec<&str> = view.members.iter().map(|member| member.as_str()).collect();
            format!(
                "{}: {} of {} nodes ({}), {quorum}",
                status.cluster_name,
                members.len(),
                status.nodes.len(),
                members.join(" ")
            )
        }
        None => format!("{}: no view yet, {quorum}", status.cluster_name),
    }
}

/// Ahead of all else on this node, and never swapped out: a packet that is late looks like a dead node. Where the service
/// manager or a container does not allow it the agent still works, only less surely under load.
fn prefer_this_thread() {
    use rustix::mm::{MlockAllFlags, mlockall};
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), PRIORITY);
    let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
}
