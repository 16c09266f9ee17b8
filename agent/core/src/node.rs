//! One node: the one door. Routes an input to the parts in a fixed order and collects what they want done.
//!
//! The parts are structs of their own where they can be (`link`, `quorum`, `replica`, `executor`, `transition`); where the
//! protocol crosses all of them (`membership::formation`, `lead`, `fencing::drive`) they are `impl Node`.

use crate::clients::Clients;
use crate::durable::{Durable, DurableError};
use crate::effect::Effect;
use crate::executor::Executor;
use crate::fencing::drive::Attempts;
use crate::input::Input;
use crate::lead::Lead;
use crate::link::{Heard, Links};
use crate::membership::view::ViewId;
use crate::membership::{Membership, Phase};
use crate::message::{Beat, Message, Speaks};
use crate::planted::{Bug, planted};
use crate::reconfiguration::{Pending, digest};
use crate::replica::command::Command;
use crate::replica::state::{Position, State};
use crate::time::{Instant, Now};
use crate::unmerged::Unmerged;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::cluster::Corosync;
use muster_api::history::OpRecord;
use muster_api::id::{NodeId, NodeName, ResourceId};
use serde::{Deserialize, Serialize};

pub use crate::inspection::Inspection;

/// A step that is later by this part of the token than it was asked for is late; pings are due four times in a token.
const LATE_PART: u32 = 4;

/// What a node knows when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Which entry of the nodelist it is.
    pub me: NodeId,
    /// corosync.conf.
    pub corosync: Corosync,
    /// The bytes of the last `Effect::Persist`, where there are any.
    pub durable: Option<Vec<u8>>,
    /// Differs from that of every former life of this node and is larger: the wall clock in milliseconds at the start. It
    /// also seeds the few random numbers (`pcmk_delay_max`).
    pub incarnation: u64,
    /// The agent's version, for the status.
    pub version: String,
}

/// Why a node cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// The nodelist has no such node.
    #[error("`nodelist` has no node {0}")]
    NotListed(NodeId),
    /// What was persisted cannot be read.
    #[error("the saved state cannot be read: {0}")]
    Durable(#[from] DurableError),
}

/// The state machine of one node.
#[derive(Debug)]
pub struct Node {
    pub(crate) me: NodeId,
    pub(crate) corosync: Corosync,
    /// Of what must be the same in every node's corosync.conf.
    pub(crate) config_digest: u64,
    pub(crate) version: String,
    pub(crate) started: Now,
    pub(crate) links: Links,
    pub(crate) membership: Membership,
    /// The replicated state as this node holds it, and how much of the log that is.
    pub(crate) replica: State,
    pub(crate) position: Position,
    /// The state was read from the disk and no view has brought it up to date yet.
    pub(crate) is_restored: bool,
    /// Fencings of views that were not primary: the next view merges them.
    pub(crate) provisional: BTreeSet<u64>,
    /// It was in a quorate view since it started.
    pub(crate) is_unblocked: bool,
    /// The last command of the activated view.
    pub(crate) view_seq: u64,
    pub(crate) last_primary: Option<ViewId>,
    pub(crate) executor: Executor,
    pub(crate) attempts: Attempts,
    /// Where this node is the coordinator.
    pub(crate) lead: Option<Lead>,
    pub(crate) clients: Clients,
    pub(crate) wants_to_leave: bool,
    /// How long it was away when it noticed that it had not been scheduled.
    pub(crate) was_away: Option<(u64, Duration)>,
    /// A corosync.conf that is not in force yet.
    pub(crate) pending: Option<Pending>,
    /// A command told to take what is pending, if it is that.
    pub(crate) agreed: Option<u64>,
    pub(crate) unmerged: Unmerged,
    /// The quorum device votes for this node's part, until then.
    pub(crate) device_until: Option<Instant>,
    pub(crate) versions_met: BTreeMap<NodeId, Speaks>,
    /// Members that were lost and whose story is not told to its end yet.
    pub(crate) losses: BTreeSet<NodeId>,
    pub(crate) loss_noticed: Option<Instant>,
    pub(crate) last_fenced: Option<(Instant, NodeName)>,
    /// What was told of the last plan.
    pub(crate) told_plan: Vec<String>,
    pub(crate) effects: Vec<Effect>,
    /// What must be on disk has changed in this step.
    pub(crate) is_dirty: bool,
    pub(crate) events: u64,
    inbox: VecDeque<(NodeId, Message)>,
    last_step: Now,
    /// When the last step asked to be called again.
    due: Option<Instant>,
    random: u64,
}

impl Node {
    /// A node that has just started. Its first deadline is now.
    ///
    /// # Errors
    ///
    /// Where it is not in its own nodelist, or its saved state cannot be read.
    pub fn new(now: Now, boot: Boot) -> Result<Self, BootError> {
        if !boot.corosync.nodes.iter().any(|node| node.id == boot.me) {
            return Err(BootError::NotListed(boot.me));
        }
        let saved = boot.durable.as_deref().map(Durable::decode).transpose()?;
        let session = boot.incarnation.max(saved.as_ref().map_or(0, |saved| saved.session) + 1);
        let links = Links::new(now.at, boot.me, session, &boot.corosync);
        let promised = saved.as_ref().map_or(0, |saved| saved.promised);
        let config_digest = digest(&boot.corosync);
        let membership = Membership::new(now.at, promised, links.timing().token);
        let position = saved.as_ref().map_or(Position::NONE, |saved| saved.position);
        Ok(Self {
            me: boot.me,
            corosync: boot.corosync,
            version: boot.version,
            started: now,
            links,
            membership,
            replica: saved
                .filter(|_| !planted(Bug::StateForgotten))
                .map(|saved| saved.state.restored())
                .unwrap_or_default(),
            position,
            is_restored: true,
            provisional: BTreeSet::new(),
            is_unblocked: false,
            view_seq: 0,
            last_primary: None,
            executor: Executor::default(),
            attempts: Attempts::default(),
            lead: None,
            clients: Clients::default(),
            wants_to_leave: false,
            was_away: None,
            config_digest,
            pending: None,
            agreed: None,
            unmerged: Unmerged::default(),
            device_until: None,
            versions_met: BTreeMap::new(),
            losses: BTreeSet::new(),
            loss_noticed: None,
            last_fenced: None,
            told_plan: Vec::new(),
            effects: Vec::new(),
            // The new session must be on disk before anybody hears of it.
            is_dirty: true,
            events: 0,
            inbox: VecDeque::new(),
            last_step: now,
            due: Some(now.at),
            random: boot.incarnation | 1,
        })
    }

    /// The same as a build that speaks other versions: what a rolling upgrade is tested with.
    #[must_use]
    pub fn speaking(mut self, speaks: Speaks) -> Self {
        self.links.set_speaks(speaks);
        self
    }

    /// Feeds one input and returns what must be done, in order.
    ///
    /// A `Persist` is complete on disk before any later effect is started. If it fails, the agent exits: a node that
    /// cannot remember its promise must not promise.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        if matches!(self.membership.phase, Phase::Gone) {
            return Vec::new();
        }
        self.notice_absence(now);
        self.take(now, input);
        self.settle(now);
        let effects = self.finish(now);
        self.due = self.next_deadline();
        effects
    }

    /// When to call [`Node::step`] with [`Input::Tick`] next, where nothing else comes in before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let now = self.last_step;
        if matches!(self.membership.phase, Phase::Gone) {
            return None;
        }
        let deadlines = [
            self.links.deadline(),
            self.membership.deadline(now.at, self.patience()),
            self.lead_deadline(now),
            self.clients.deadline(),
            self.device_deadline(),
            self.unmerged_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether a step at `now` would come too late to believe what was known before.
    fn notice_absence(&mut self, now: Now) {
        let away = now.at - self.last_step.at;
        self.last_step = now;
        let token = self.links.timing().token;
        // A node that has nothing to do for long, because it is alone, was not away.
        let is_late = self.due.is_some_and(|due| now.at >= due + token / LATE_PART);
        if away < token || !is_late || planted(Bug::AbsenceUnnoticed) {
            return;
        }
        self.links.distrust_all(now.at);
        self.leave_view(now);
        self.was_away = Some((now.wall_ms, away));
        self.tell_absence(now, away);
    }

    fn take(&mut self, now: Now, input: Input) {
        match input {
            Input::Tick => {}
            Input::Received { link, from, bytes } => {
                let heard = self.links.receive(now.at, link, from, &bytes);
                self.hear(now, heard);
            }
            Input::LinkState { link, is_usable } => self.on_link_state(now, link, is_usable),
            Input::ActionEnded { order, resource: _, record } => {
                if let Some((resource, record)) = self.executor.ended(order, record) {
                    self.report_record(resource, record);
                }
            }
            Input::Vanished { resource, what } => {
                if let Some(record) = self.executor.vanished(now, &resource, &what) {
                    self.report_record(resource, record);
                }
            }
            Input::FenceEnded { attempt, result } => self.on_fence_ended(now, attempt, result),
            Input::Request { client, request } => self.on_request(now, client, request),
            Input::Reconfigured { client, corosync } => self.on_reconfigured(now, client, corosync),
            Input::Unreadable { from, mismatch } => self.on_mismatch(now, from, mismatch),
            Input::Said { name, value } => self.say(name, value),
        }
    }

    fn hear(&mut self, now: Now, heard: Vec<Heard>) {
        for news in heard {
            match news {
                Heard::Message(from, message) => self.inbox.push_back((from, message)),
                other => self.tell_heard(now, &other),
            }
        }
    }

    /// Lets every part react until nothing changes any more.
    fn settle(&mut self, now: Now) {
        self.expire_device(now);
        let heard = self.links.tick(now.at);
        self.hear(now, heard);
        // Every round does something that it cannot do twice; the bound only turns a bug into a late reaction.
        for _ in 0..1000 {
            let mut has_acted = false;
            while let Some((from, message)) = self.inbox.pop_front() {
                self.on_message(now, from, message);
                has_acted = true;
            }
            self.learn_epochs();
            // Before the view may end: who has just left must hear of it.
            has_acted |= self.follow_commits();
            has_acted |= self.take_agreed(now);
            has_acted |= self.watch(now);
            has_acted |= self.lead_on(now);
            has_acted |= self.serve_clients(now);
            if !has_acted && self.inbox.is_empty() {
                break;
            }
        }
        self.tell_unmerged(now);
    }

    fn learn_epochs(&mut self) {
        let seen = self.links.peers().filter_map(|(_, peer)| peer.beat()).map(|beat| beat.epoch_seen).max();
        self.membership.epoch_seen = self.membership.epoch_seen.max(seen.unwrap_or(0));
    }

    /// The effects of a step: first what must be on disk, then all the rest.
    fn finish(&mut self, now: Now) -> Vec<Effect> {
        let reach = self.links.reach(now.at);
        let beat = Beat {
            number: 0,
            view: self.membership.view.as_ref().map(|view| view.id),
            epoch_seen: self.membership.epoch_seen,
            reach: reach.into_iter().filter(|reach| !self.is_excluded(now.at, reach.node)).collect(),
            config_digest: self.config_digest,
            pending_digest: self.pending.as_ref().map(|pending| pending.digest),
            has_device_vote: self.device_until.is_some(),
        };
        self.links.set_beat(now.at, beat);
        let mut effects = Vec::new();
        if core::mem::take(&mut self.is_dirty) {
            let (promised, session, position) =
                (self.membership.promised, self.links.session(), self.position);
            let durable = Durable { promised, session, position, state: self.replica.durable() };
            effects.push(Effect::Persist { bytes: durable.encode() });
        }
        effects.extend(self.links.flush(now.at));
        effects.append(&mut self.effects);
        effects
    }

    fn on_message(&mut self, now: Now, from: NodeId, message: Message) {
        match message {
            Message::Propose { view, members, position, is_restored } => {
                self.on_propose(now, from, view, &members, (position, is_restored));
            }
            Message::Promise { view, promise } => self.on_promise(now, from, view, promise),
            Message::Refuse { view, epoch_seen } => self.on_refuse(now, from, view, epoch_seen),
            Message::Install { view, install } => self.on_install(now, from, view, install),
            Message::Installed { view } => self.on_installed(now, from, view),
            Message::Activate { view } => self.on_activate(now, from, view),
            Message::Answer { ticket, answer } => self.on_answer(now, ticket, answer),
            Message::Command { view, seq, command } if self.obeys(from, view) => {
                self.on_command(now, view, seq, &command);
            }
            Message::Order { view, action } if self.obeys(from, view) => {
                let last_call = self.last_call_here();
                let effect = self.executor.run(now, action, last_call);
                self.effects.extend(effect);
            }
            Message::CancelMonitor { view, resource, interval_ms } if self.obeys(from, view) => {
                let effect = self.executor.cancel_monitor(&resource, interval_ms);
                self.effects.push(effect);
            }
            Message::Fence { view, attempt } if self.obeys(from, view) => self.begin_attempt(now, attempt),
            Message::Ack { view, seq } if self.leads(from, view) => {
                if let Some(lead) = &mut self.lead {
                    lead.sequencer.acknowledge(from, seq);
                }
            }
            Message::Ended { view, resource, record } if self.leads(from, view) => {
                self.on_ended(now, from, resource, record);
            }
            Message::Fenced { view, number, trial, device, result } if self.leads(from, view) => {
                self.on_fenced(now, number, trial, &device, result);
            }
            Message::Ask { view, ticket, ask } if self.leads(from, view) => {
                self.on_ask(now, from, ticket, ask)
            }
            Message::Attribute { view, name, value } if self.leads(from, view) => {
                self.on_attribute(now, from, name, value);
            }
            // Of a view that is not the activated one: whoever sent it will notice.
            Message::Command { .. }
            | Message::Order { .. }
            | Message::CancelMonitor { .. }
            | Message::Fence { .. }
            | Message::Ack { .. }
            | Message::Ended { .. }
            | Message::Fenced { .. }
            | Message::Ask { .. }
            | Message::Attribute { .. } => {}
        }
    }

    /// Only the coordinator of the activated view gives orders.
    fn obeys(&self, from: NodeId, view: ViewId) -> bool {
        view.coordinator == from && (self.is_activated(view) || planted(Bug::OldOrdersObeyed))
    }

    fn leads(&self, from: NodeId, view: ViewId) -> bool {
        let is_member = self.membership.view.as_ref().is_some_and(|view| view.has(from));
        self.lead.is_some() && self.is_activated(view) && is_member
    }

    fn is_activated(&self, id: ViewId) -> bool {
        self.membership.view.as_ref().is_some_and(|view| view.id == id)
    }

    fn on_command(&mut self, now: Now, view: ViewId, seq: u64, command: &Command) {
        if seq != self.view_seq + 1 {
            // One is missing: this node does not hold what the view holds.
            self.leave_view(now);
            return;
        }
        self.apply(now, seq, command);
        self.send(view.coordinator, Message::Ack { view, seq });
    }

    /// Applies a command of the activated view.
    pub(crate) fn apply(&mut self, now: Now, seq: u64, command: &Command) {
        self.tell_command(now, command);
        self.replica.apply(&self.corosync, command);
        self.forget_as_told(command);
        let is_primary = self.membership.view.as_ref().is_some_and(crate::membership::view::View::is_primary);
        if let Command::TakeConfiguration { digest } = command {
            self.agreed = Some(*digest);
        }
        self.view_seq = seq;
        if is_primary {
            self.position.seq = seq;
        } else if let Command::Fencing(entry) = command {
            self.provisional.insert(entry.record.number);
        }
        self.is_dirty |= command.is_durable() && !planted(Bug::AckBeforeDisk);
    }

    /// A view is activated: whoever coordinates takes the lead, and each says what was not known of it when it promised.
    pub(crate) fn begin_view(&mut self, now: Now) {
        let Some(id) = self.membership.view.as_ref().map(|view| view.id) else { return };
        if id.coordinator == self.me {
            self.take_lead(now);
            self.begin_recovery(now);
        }
        let name = self.name_of(self.me).clone();
        let known = self.replica.history.nodes.get(&name).cloned().unwrap_or_default();
        let is_new = |resource: &ResourceId, record: &OpRecord| {
            !known.get(resource).is_some_and(|records| records.contains(record))
        };
        let report = self.executor.report().into_iter();
        let news: Vec<_> = report
            .flat_map(|(resource, records)| records.into_iter().map(move |record| (resource.clone(), record)))
            .filter(|(resource, record)| is_new(resource, record))
            .collect();
        for (resource, record) in news {
            self.report_record(resource, record);
        }
        self.report_attempts();
        for (name, value) in self.executor.said.clone() {
            self.report_attribute(name, value);
        }
    }

    /// Something is said of this node.
    pub(crate) fn say(&mut self, name: String, value: Option<String>) {
        self.executor.said.insert(name.clone(), value.clone());
        self.report_attribute(name, value);
    }

    /// Where the cluster does not know it yet.
    pub(crate) fn report_attribute(&mut self, name: String, value: Option<String>) {
        let known = self.replica.history.attributes.get(self.name_of(self.me));
        let is_known = known.and_then(|attributes| attributes.get(&name)) == value.as_ref();
        if let Some(view) = self.membership.view.as_ref().map(|view| view.id).filter(|_| !is_known) {
            self.send(view.coordinator, Message::Attribute { view, name, value });
        }
    }

    fn report_record(&mut self, resource: ResourceId, record: OpRecord) {
        if let Some(view) = self.membership.view.as_ref().map(|view| view.id) {
            self.send(view.coordinator, Message::Ended { view, resource, record });
        }
    }

    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        if to == self.me {
            self.inbox.push_back((self.me, message));
        } else {
            self.links.send(to, &message);
        }
    }

    pub(crate) fn send_others(&mut self, set: &BTreeSet<NodeId>, message: &Message) {
        for id in set.iter().filter(|id| **id != self.me) {
            self.links.send(*id, message);
        }
    }

    pub(crate) fn name_of(&self, id: NodeId) -> &NodeName {
        let found = self.corosync.nodes.iter().find(|node| node.id == id);
        &found.or(self.corosync.nodes.first()).expect("a node is in its own nodelist").name
    }

    pub(crate) fn id_of(&self, name: &NodeName) -> Option<NodeId> {
        self.corosync.nodes.iter().find(|node| node.name == *name).map(|node| node.id)
    }

    pub(crate) fn is_member_name(&self, name: &NodeName) -> bool {
        let id = self.id_of(name);
        id.is_some_and(|id| self.membership.view.as_ref().is_some_and(|view| view.has(id)))
    }

    /// A number that differs from node to node and from call to call (xorshift).
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn on_link_state(&mut self, now: Now, link: u8, is_usable: bool) {
        self.tell_link_state(now, link, is_usable);
        self.links.set_usable(now.at, link, is_usable);
    }

    /// This node has left: nothing is done any more.
    pub(crate) fn exit(&mut self, now: Now, reason: &str) {
        self.leave_view(now);
        let bye = self.links.bye();
        self.effects.extend(bye);
        self.effects.push(Effect::Exit { reason: String::from(reason) });
        self.membership.phase = Phase::Gone;
    }
}
