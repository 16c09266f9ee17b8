//! Those who asked this node for something that the coordinator must decide, until they are answered.

use crate::effect::Effect;
use crate::input::ClientId;
use crate::message::{Answer, Message};
use crate::node::Node;
use crate::replica::command::Ask;
use crate::time::{Instant, Now};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::control::{Request, Response, Snapshot};

/// How long a request may take where it says nothing itself.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Clients {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    client: ClientId,
    ask: Ask,
    until: Instant,
    is_sent: bool,
    /// Sent in a view that has ended: whether it was done is not known.
    is_uncertain: bool,
}

impl Clients {
    fn add(&mut self, client: ClientId, ask: Ask, until: Instant) {
        self.next += 1;
        self.waiting.insert(self.next, Waiting { client, ask, until, is_sent: false, is_uncertain: false });
    }

    pub(crate) fn view_ended(&mut self) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.is_sent) {
            waiting.is_sent = false;
            waiting.is_uncertain = !waiting.ask.may_be_repeated();
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    fn has_leave(&self) -> bool {
        self.waiting.values().any(|waiting| matches!(waiting.ask, Ask::Leave { .. }))
    }
}

impl Ask {
    /// Doing it twice is as good as once.
    fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::Configure { .. } | Self::Fence { .. } | Self::Move { .. })
    }
}

impl Node {
    pub(crate) fn on_request(&mut self, now: Now, client: ClientId, request: Request) {
        let mut until = now.at + REQUEST_TIMEOUT;
        let me = self.name_of(self.me).to_string();
        let ask = match request {
            Request::Status => {
                let status = self.status(now);
                return self.reply(client, Response::Status { status });
            }
            Request::Snapshot => {
                let snapshot = self.snapshot(now);
                return self.reply(client, Response::Snapshot { snapshot });
            }
            Request::DeviceVote { is_given } => {
                let response = self.on_device_vote(now, is_given);
                return self.reply(client, response);
            }
            Request::Attribute { name, value } => {
                self.say(name, value);
                let generation = self.replica.config.generation;
                return self.reply(client, Response::Done { generation, note: None });
            }
            Request::Events { .. } | Request::Reload | Request::CompareDisk => {
                let why = "the agent answers this itself, its core cannot".to_string();
                return self.reply(client, Response::Refused { why });
            }
            Request::Configure { config, expected_generation } => {
                Ask::Configure { config, expected_generation }
            }
            Request::Standby { node, on } => Ask::Standby { node, on },
            Request::Move { resource, node, lifetime_ms } => Ask::Move { resource, node, lifetime_ms },
            Request::Clear { resource } => Ask::Clear { resource },
            Request::Cleanup { resource } => Ask::Cleanup { resource },
            Request::Enable { resource, on } => Ask::Enable { resource, on },
            Request::Fence { node, off } => Ask::Fence { node, off, by: me },
            Request::ConfirmFenced { node } => Ask::ConfirmFenced { node },
            Request::WaitIdle { timeout_ms } => {
                until = now.at + Duration::from_millis(timeout_ms);
                Ask::WaitIdle
            }
            Request::Leave => {
                self.wants_to_leave = true;
                until = Instant(u64::MAX);
                Ask::Leave { node: self.me }
            }
        };
        self.clients.add(client, ask, until);
    }

    /// Forwards what waits, and answers what waited for too long. Returns whether it did anything.
    pub(crate) fn serve_clients(&mut self, now: Now) -> bool {
        let late = |waiting: &Waiting| now.at >= waiting.until || waiting.is_uncertain;
        let done: Vec<u64> = self
            .clients
            .waiting
            .iter()
            .filter(|(_, waiting)| late(waiting))
            .map(|(ticket, _)| *ticket)
            .collect();
        let mut has_acted = !done.is_empty();
        for ticket in done {
            let Some(waiting) = self.clients.waiting.remove(&ticket) else { continue };
            let why = self.why_unanswered(now, &waiting);
            self.reply(waiting.client, Response::Refused { why });
        }
        if let Some(view) = self.membership.view.as_ref().map(|view| view.id) {
            let unsent = self.clients.waiting.iter_mut().filter(|(_, waiting)| !waiting.is_sent);
            let mut asks = Vec::new();
            for (ticket, waiting) in unsent {
                waiting.is_sent = true;
                asks.push((*ticket, waiting.ask.clone()));
            }
            has_acted |= !asks.is_empty();
            for (ticket, ask) in asks {
                self.send(view.coordinator, Message::Ask { view, ticket, ask });
            }
        }
        has_acted
    }

    /// This node runs nothing, and there is nobody to hand anything over to.
    pub(crate) fn leave_alone(&mut self, now: Now) {
        self.answer_all_leaves();
        self.exit(now, "left the cluster");
    }

    fn why_unanswered(&self, now: Now, waiting: &Waiting) -> String {
        if waiting.is_uncertain {
            return "the view changed while this was under way: it may or may not have been done; look at the status before \
                    it is repeated"
                .to_string();
        }
        let Some(view) = &self.membership.view else {
            return "this node is in no view: it is still looking for the others".to_string();
        };
        if let Some(why) = view.standing.why_not_primary(|id| self.name_of(id).to_string()) {
            return alloc::format!("the cluster is not able to act: {why}");
        }
        let (_, report) = self.decide(now);
        let alarms = if report.alarms.is_empty() {
            String::new()
        } else {
            alloc::format!(": {}", report.alarms.join("; "))
        };
        alloc::format!("it is not done in the given time, and is still under way{alarms}")
    }

    pub(crate) fn on_answer(&mut self, now: Now, ticket: u64, answer: Answer) {
        let Some(waiting) = self.clients.waiting.remove(&ticket) else { return };
        let is_leave = matches!(waiting.ask, Ask::Leave { .. });
        let is_done = matches!(answer, Answer::Done { .. });
        let response = match answer {
            Answer::Done { generation, note } => Response::Done { generation, note },
            Answer::Refused { why } => Response::Refused { why },
        };
        self.reply(waiting.client, response);
        if is_leave && is_done {
            self.answer_all_leaves();
            self.exit(now, "left the cluster");
        } else if is_leave {
            self.wants_to_leave = self.clients.has_leave();
        }
    }

    fn answer_all_leaves(&mut self) {
        let leaves = self.clients.waiting.values().filter(|waiting| matches!(waiting.ask, Ask::Leave { .. }));
        let clients: Vec<ClientId> = leaves.map(|waiting| waiting.client).collect();
        self.clients.waiting.retain(|_, waiting| !matches!(waiting.ask, Ask::Leave { .. }));
        let generation = self.replica.config.generation;
        for client in clients {
            self.reply(client, Response::Done { generation, note: None });
        }
    }

    fn reply(&mut self, client: ClientId, response: Response) {
        self.effects.push(Effect::Reply { client, response });
    }

    fn snapshot(&self, now: Now) -> Snapshot {
        let view = self.membership.view.as_ref();
        let members =
            view.into_iter().flat_map(|view| &view.members).map(|member| self.name_of(member.id).clone());
        Snapshot {
            corosync: self.corosync.clone(),
            config: self.replica.config.clone(),
            history: self.replica.history.clone(),
            facts: self.replica.facts_by_name(&self.corosync),
            is_quorate: view.is_some_and(|view| view.standing.is_quorate()),
            is_primary: view.is_some_and(crate::membership::view::View::is_primary),
            members: members.collect(),
            now_ms: now.wall_ms,
            fencing: self.replica.fencing.iter().rev().map(|entry| entry.record.clone()).collect(),
        }
    }
}
