//! Clients and operators: what they ask for, of whom, and what was promised to them.

use crate::deed::{Ask, Deed};
use crate::world::{Happening, World};
use muster_api::cluster::ClusterConfig;
use muster_api::control::{Request, Response};
use muster_api::id::{NodeName, ResourceId};
use muster_core::input::{ClientId, Input};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a client waits for.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// The configuration as it is, to change it in that way.
    Read(Change),
    /// A configuration with that marker; whether it is the plan's own.
    Configured(String, bool),
    /// Anything else that changes the configuration.
    Changed,
    /// What is done once.
    Done,
    /// A person has switched that machine off and holds it off until the cluster knows.
    ConfirmedOff(usize),
    /// A look at the configuration that an invariant needs.
    Audit,
    /// The cleanup at the end.
    Cleaned,
}

/// A change that a client makes to the configuration that it has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The plan's configuration, with all markers that are there.
    Restore,
    /// Nothing but a marker.
    Mark,
    /// `maintenance-mode`.
    Maintenance(bool),
    /// Another value of a parameter of a resource.
    Parameter(&'static str, u64),
}

/// All clients.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    next: u64,
    waiting: BTreeMap<ClientId, (usize, Wish)>,
    markers: u64,
    /// The first configuration was accepted.
    pub(crate) is_set_up: bool,
    /// After the faults: the first configuration is in force again.
    pub(crate) is_restored: bool,
    /// After the faults: failures are forgotten.
    pub(crate) is_cleaned: bool,
    /// The last answer, for scripts.
    pub(crate) last_answer: Option<Result<(), String>>,
}

impl Clients {
    /// The configuration was changed. What was asked for among the faults may be done after all was restored: then a person
    /// does it again.
    fn note_change(&mut self, is_restored: bool) {
        self.is_restored = is_restored;
        self.is_cleaned = false;
    }
}

impl World {
    pub(crate) fn ask(&mut self, index: usize, wish: Wish, request: Request) {
        self.clients.next += 1;
        let client = ClientId(self.clients.next);
        self.clients.waiting.insert(client, (index, wish));
        self.feed(index, Input::Request { client, request });
    }

    /// The one who configures the cluster asks until it is done.
    pub(crate) fn set_up(&mut self) {
        if self.clients.is_set_up {
            return;
        }
        self.queue.plan(self.at + Duration::from_secs(1), Happening::SetUp);
        if let Some(index) = self.some_primary() {
            self.ask(index, Wish::Read(Change::Restore), Request::Snapshot);
        }
    }

    /// A random request to a random node.
    pub(crate) fn next_request(&mut self) {
        let Some(every) = self.plan.request_every.filter(|_| !self.is_healed) else { return };
        let gap = self.chaos.between(Duration::from_millis(1), every * 2);
        self.queue.plan(self.at + gap, Happening::Request);
        let awake: Vec<usize> =
            (0..self.machines.len()).filter(|index| self.machines[*index].is_awake()).collect();
        let Some(machine) = self.chaos.pick(&awake).copied() else { return };
        if let Some(ask) = self.draw_ask() {
            self.carry(Deed::Ask { machine, ask });
        }
    }

    fn draw_ask(&mut self) -> Option<Ask> {
        let node = self.chaos.index(self.machines.len());
        let resource = self.some_resource();
        let on = self.chaos.chance(500);
        Some(match self.chaos.below(22) {
            0..4 => Ask::Standby { node, on },
            4..7 => {
                let node = self.chaos.chance(600).then_some(node);
                let lifetime = self.chaos.chance(400).then_some(Duration::from_secs(10));
                Ask::Move { resource: resource?, node, lifetime }
            }
            7 => Ask::Clear { resource: resource? },
            8..10 => Ask::Cleanup { resource: resource.filter(|_| on) },
            10..12 => Ask::Enable { resource: resource?, on },
            12..14 => Ask::Mark,
            14..16 => match self.chaos.below(3) {
                2 => Ask::Parameter { name: "state", value: 2 },
                value => Ask::Parameter { name: "value", value },
            },
            16 => Ask::Maintenance { on },
            17 => Ask::Fence { node, off: self.chaos.chance(300) },
            18 => Ask::Confirm { node },
            19 => Ask::Leave { back: Some(self.chaos.ms(10, 60_000)) },
            20 => Ask::Wait,
            _ => Ask::Status,
        })
    }

    fn some_resource(&mut self) -> Option<ResourceId> {
        let ids: Vec<ResourceId> =
            self.plan.config.resources.iter().map(|resource| resource.id().clone()).collect();
        self.chaos.pick(&ids).cloned()
    }

    /// A node that says it is in a primary view.
    pub(crate) fn some_primary(&mut self) -> Option<usize> {
        let is_primary = |index: &usize| {
            let machine = &self.machines[*index];
            machine.is_awake() && machine.seen().is_some_and(|seen| seen.is_primary)
        };
        let primary: Vec<usize> = (0..self.machines.len()).filter(is_primary).collect();
        self.random.pick(&primary).copied()
    }

    /// A node answers a client.
    pub(crate) fn replied(&mut self, index: usize, client: ClientId, response: Response) {
        let Some((_, wish)) = self.clients.waiting.remove(&client) else { return };
        self.log_reply(index, &response);
        self.clients.last_answer = match &response {
            Response::Done { .. } => Some(Ok(())),
            Response::Refused { why } => Some(Err(why.clone())),
            _ => self.clients.last_answer.take(),
        };
        match (&response, wish) {
            (Response::Snapshot { snapshot }, Wish::Read(change)) => {
                self.configure(index, snapshot.config.clone(), change);
            }
            (Response::Snapshot { snapshot }, Wish::Audit) => self.check_markers(index, &snapshot.config),
            (Response::Done { generation, .. }, Wish::Configured(marker, is_whole)) => {
                self.tally.count("request done");
                self.tally.count("configuration changed");
                self.clients.is_set_up = true;
                self.clients.note_change(is_whole && self.is_healed);
                self.note_commit(index, *generation, Some(marker));
            }
            (Response::Done { generation, .. }, Wish::Changed) => {
                self.tally.count("request done");
                self.clients.note_change(false);
                self.note_commit(index, *generation, None);
            }
            (Response::Done { .. }, Wish::Done) => self.tally.count("request done"),
            (Response::Done { .. }, Wish::Cleaned) => self.clients.is_cleaned = true,
            (Response::Refused { .. }, wish) => {
                self.tally.count("request refused");
                self.let_go(&wish);
            }
            (_, wish) => self.let_go(&wish),
        }
    }

    fn let_go(&mut self, wish: &Wish) {
        if let Wish::ConfirmedOff(target) = wish {
            let back = self.at + self.random.ms(10, 5000);
            self.queue.plan(back, Happening::LetGo { machine: *target });
        }
    }

    fn configure(&mut self, index: usize, mut config: ClusterConfig, change: Change) {
        let expected_generation = config.generation;
        let is_restored = change == Change::Restore;
        match change {
            Change::Restore => {
                let markers = markers_of(&config);
                config = self.plan.config.clone();
                let (name, attributes) = mark(&self.machines[0].name);
                config.node_attributes.entry(name).or_insert(attributes).extend(markers);
            }
            Change::Mark => {}
            Change::Maintenance(on) => {
                config.properties.insert("maintenance-mode".into(), on.to_string());
            }
            Change::Parameter(name, value) => {
                let value = value.to_string();
                let primitive = config.resources.iter_mut().find_map(|resource| match resource {
                    muster_api::resource::Resource::Primitive(primitive) => Some(primitive),
                    _ => None,
                });
                if let Some(primitive) = primitive {
                    primitive.params.insert(name.into(), value);
                }
            }
        }
        self.clients.markers += 1;
        let marker = format!("marker-{}", self.clients.markers);
        let (name, attributes) = mark(&self.machines[0].name);
        config.node_attributes.entry(name).or_insert(attributes).insert(marker.clone(), "1".into());
        let request = Request::Configure { config, expected_generation };
        self.ask(index, Wish::Configured(marker, is_restored), request);
    }

    /// Those who asked a machine that is gone hear nothing any more.
    pub(crate) fn forget_clients_of(&mut self, index: usize) {
        let (gone, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.clients.waiting).into_iter().partition(|(_, (of, _))| *of == index);
        self.clients.waiting = rest;
        for (_, wish) in gone.into_values() {
            self.let_go(&wish);
        }
    }

    fn log_reply(&mut self, index: usize, response: &Response) {
        let name = self.machines[index].name.clone();
        match response {
            Response::Done { generation, note: None } => {
                self.log(format!("{name} answers: done, generation {generation}"));
            }
            Response::Done { note: Some(note), .. } => self.log(format!("{name} answers: {note}")),
            Response::Refused { why } => self.log(format!("{name} refuses: {why}")),
            _ => {}
        }
    }
}

fn mark(name: &NodeName) -> (NodeName, BTreeMap<String, String>) {
    (name.clone(), BTreeMap::new())
}

/// The markers that a configuration holds: what was committed once must be there for ever.
pub(crate) fn markers_of(config: &ClusterConfig) -> BTreeMap<String, String> {
    let attributes = config.node_attributes.values().flatten();
    let markers = attributes.filter(|(name, _)| name.starts_with("marker-"));
    markers.map(|(name, value)| (name.clone(), value.clone())).collect()
}
