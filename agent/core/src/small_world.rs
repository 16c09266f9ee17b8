//! A few nodes on a perfect network with instant disks: enough to see that the parts fit together. The faults are injected by
//! the simulator of the tests package.

mod attributes;
mod links;
mod reconfigured;

use crate::effect::Effect;
use crate::input::{AttemptId, ClientId, Input, OrderId};
use crate::message::{Body, Packet, Speaks};
use crate::node::{Boot, Node};
use crate::time::{Instant, Now};
use core::time::Duration;
use muster_api::cluster::{ClusterConfig, Corosync};
use muster_api::control::{Request, Response};
use muster_api::fencing::FenceDevice;
use muster_api::history::{OpRecord, OpStatus, ResourceAction, definition_digest, rc};
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::resource::{AgentName, Operation, Primitive, Resource};
use muster_api::status::Fact;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const LATENCY: Duration = Duration::from_micros(200);
const ACTION: Duration = Duration::from_millis(20);
const DEVICE: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Due {
    Packet { link: u8, from: NodeId, to: NodeId, bytes: Vec<u8> },
    Ended { node: NodeId, life: u64, order: OrderId, action: ResourceAction },
    Fenced { node: NodeId, life: u64, attempt: AttemptId, target: NodeId },
}

struct Host {
    node: Option<Node>,
    life: u64,
    disk: Option<Vec<u8>>,
    active: BTreeSet<ResourceId>,
}

struct World {
    now: Instant,
    corosync: Corosync,
    hosts: BTreeMap<NodeId, Host>,
    queue: BTreeMap<(Instant, u64), Due>,
    counter: u64,
    cuts: BTreeSet<(NodeId, NodeId)>,
    dead_links: BTreeSet<u8>,
    /// The links that carried messages.
    carried: BTreeSet<u8>,
    replies: BTreeMap<ClientId, Response>,
    events: Vec<(Instant, NodeId, String)>,
    fenced: Vec<(Instant, NodeId)>,
    fails_stops: bool,
    /// The oldest and the newest protocol of what is started.
    speaks: (u8, u8),
}

fn id(number: u32) -> NodeId {
    NodeId(number)
}

impl World {
    fn new(nodes: u32, quorum: &str) -> Self {
        Self::with_links(nodes, 1, quorum)
    }

    fn with_links(nodes: u32, links: u32, quorum: &str) -> Self {
        let mut text = String::from("totem {\nversion: 2\ncrypto_cipher: none\n}\nnodelist {\n");
        for number in 1..=nodes {
            let ring = |link| format!("ring{link}_addr: 10.0.{link}.{number}\n");
            let rings: String = (0..links).map(ring).collect();
            text += &format!("node {{\n{rings}name: n{number}\nnodeid: {number}\n}}\n");
        }
        text += &format!("}}\nquorum {{\nprovider: corosync_votequorum\n{quorum}\n}}\n");
        let corosync = muster_api::corosync_conf::parse(&text).expect("the test's own text is right");
        let host = || Host { node: None, life: 0, disk: None, active: BTreeSet::new() };
        Self {
            now: Instant(1_000_000_000),
            corosync,
            hosts: (1..=nodes).map(|number| (NodeId(number), host())).collect(),
            queue: BTreeMap::new(),
            counter: 0,
            cuts: BTreeSet::new(),
            dead_links: BTreeSet::new(),
            carried: BTreeSet::new(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            fenced: Vec::new(),
            fails_stops: false,
            speaks: (1, 1),
        }
    }

    fn two_nodes() -> Self {
        let mut world = Self::new(2, "two_node: 1");
        world.start(1);
        world.start(2);
        world.run(1500);
        world
    }

    fn now(&self) -> Now {
        Now { at: self.now, wall_ms: 1_700_000_000_000 + self.now.0 / 1_000_000 }
    }

    fn start(&mut self, number: u32) {
        let now = self.now();
        let corosync = self.corosync.clone();
        let host = self.hosts.get_mut(&id(number)).expect("a known node");
        host.life += 1;
        let boot = Boot {
            me: id(number),
            corosync,
            durable: host.disk.clone(),
            incarnation: now.wall_ms,
            version: "test".to_string(),
        };
        let speaks = Speaks { oldest: self.speaks.0, newest: self.speaks.1 };
        host.node = Some(Node::new(now, boot).expect("the node starts").speaking(speaks));
        self.input(id(number), Input::Tick);
    }

    fn crash(&mut self, number: u32) {
        let host = self.hosts.get_mut(&id(number)).expect("a known node");
        host.node = None;
        host.active.clear();
        host.life += 1;
    }

    /// The agent dies, what it started goes on.
    fn kill_agent(&mut self, number: u32) {
        let host = self.hosts.get_mut(&id(number)).expect("a known node");
        host.node = None;
        host.life += 1;
    }

    fn cut(&mut self, a: u32, b: u32) {
        self.cuts.extend([(id(a), id(b)), (id(b), id(a))]);
    }

    fn input(&mut self, to: NodeId, input: Input) {
        let now = self.now();
        let Some(node) = self.hosts.get_mut(&to).and_then(|host| host.node.as_mut()) else { return };
        let effects = node.step(now, input);
        for effect in effects {
            self.carry_out(to, effect);
        }
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.counter += 1;
        self.queue.insert((self.now + after, self.counter), due);
    }

    fn carry_out(&mut self, by: NodeId, effect: Effect) {
        let host = self.hosts.get_mut(&by).expect("a known node");
        let life = host.life;
        match effect {
            Effect::Persist { bytes } => host.disk = Some(bytes),
            Effect::Send { link, to, bytes } => {
                if matches!(
                    Packet::decode(&bytes, Speaks::default()),
                    Ok(Packet { body: Body::Data { .. }, .. })
                ) {
                    self.carried.insert(link);
                }
                self.later(LATENCY, Due::Packet { link, from: by, to, bytes })
            }
            Effect::Run { order, action } => self.later(ACTION, Due::Ended { node: by, life, order, action }),
            Effect::CancelMonitor { .. } => {}
            Effect::Fence { attempt, target_id, .. } => {
                self.later(DEVICE, Due::Fenced { node: by, life, attempt, target: target_id });
            }
            Effect::Reply { client, response } => {
                self.replies.insert(client, response);
            }
            Effect::Emit(event) => self.events.push((self.now, by, event.text)),
            Effect::Reconfigured(_) => {}
            Effect::Exit { .. } => host.node = None,
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Packet { link, from, to, bytes } => {
                if !self.cuts.contains(&(from, to)) && !self.dead_links.contains(&link) {
                    self.input(to, Input::Received { link, from, bytes });
                }
            }
            Due::Ended { node, life, order, action } => self.end(node, life, order, &action),
            Due::Fenced { node, life, attempt, target } => {
                if self.hosts[&node].life == life {
                    self.crash(target.0);
                    self.fenced.push((self.now, target));
                    self.input(node, Input::FenceEnded { attempt, result: Ok(()) });
                }
            }
        }
    }

    fn end(&mut self, id: NodeId, life: u64, order: OrderId, action: &ResourceAction) {
        let now = self.now();
        let host = self.hosts.get_mut(&id).expect("a known node");
        if host.life != life {
            return;
        }
        let code = match action.operation.as_str() {
            "start" => {
                host.active.insert(action.resource.clone());
                rc::OK
            }
            "stop" if self.fails_stops => rc::ERROR,
            "stop" => {
                host.active.remove(&action.resource);
                rc::OK
            }
            _ if host.active.contains(&action.resource) => rc::OK,
            _ => rc::NOT_RUNNING,
        };
        let record = OpRecord {
            operation: action.operation.clone(),
            interval_ms: action.interval_ms,
            call: 0,
            status: OpStatus::Done,
            rc: Some(code),
            reason: String::new(),
            at_ms: now.wall_ms,
            took_ms: 20,
            digest: definition_digest(&action.agent, &action.params),
            peer: action.peer(),
            agent: action.agent.clone(),
            params: action.params.clone(),
        };
        let resource = action.resource.clone();
        self.input(id, Input::ActionEnded { order, resource, record });
    }

    /// Lets so many milliseconds pass.
    fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        for _ in 0..200_000 {
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let deadlines =
                self.hosts.iter().filter_map(|(id, host)| Some((host.node.as_ref()?.next_deadline()?, *id)));
            let deadline = deadlines.min();
            let next = [queued, deadline.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if queued == Some(next) {
                let (_, due) = self.queue.pop_first().expect("something is queued");
                self.happen(due);
            } else if let Some((_, id)) = deadline {
                self.input(id, Input::Tick);
            }
        }
        assert!(self.now <= end, "time does not run backwards");
        let is_done = |at: &Instant| *at > end;
        assert!(
            self.queue.keys().next().is_none_or(|(at, _)| is_done(at)),
            "the cluster never comes to rest"
        );
        self.now = end;
    }

    fn ask(&mut self, number: u32, request: Request) -> Option<Response> {
        self.counter += 1;
        let client = ClientId(self.counter);
        self.input(id(number), Input::Request { client, request });
        self.run(3000);
        self.replies.remove(&client)
    }

    fn configure(&mut self, resources: &[&str]) {
        let config = ClusterConfig {
            resources: resources.iter().map(|id| Resource::Primitive(primitive(id))).collect(),
            fence_devices: self.corosync.nodes.iter().map(|node| device(&node.name)).collect(),
            ..ClusterConfig::default()
        };
        let request = Request::Configure { config, expected_generation: 0 };
        let response = self.ask(1, request);
        assert!(matches!(response, Some(Response::Done { generation: 1, .. })), "{response:?}");
    }

    fn where_is(&self, resource: &str) -> Vec<u32> {
        let active = self.hosts.iter().filter(|(_, host)| host.active.contains(&ResourceId::from(resource)));
        active.map(|(id, _)| id.0).collect()
    }

    fn fact(&self, at: u32, of: u32) -> Option<Fact> {
        self.hosts[&id(at)].node.as_ref()?.inspect().facts.get(&id(of)).copied()
    }

    fn is_primary(&self, number: u32) -> bool {
        self.hosts[&id(number)].node.as_ref().is_some_and(|node| node.inspect().is_primary)
    }

    fn members(&self, number: u32) -> Vec<u32> {
        let node = self.hosts[&id(number)].node.as_ref();
        node.map(|node| node.inspect().members.iter().map(|member| member.id.0).collect()).unwrap_or_default()
    }

    fn story(&self) -> String {
        self.events
            .iter()
            .map(|(at, by, text)| format!("{:>8.3} n{by} {text}\n", at.0 as f64 / 1e9))
            .collect()
    }
}

fn primitive(id: &str) -> Primitive {
    Primitive {
        id: id.into(),
        agent: AgentName::parse("ocf:heartbeat:Dummy").expect("a known agent"),
        params: BTreeMap::new(),
        meta: BTreeMap::new(),
        operations: [Operation {
            name: "monitor".to_string(),
            interval_ms: 10_000,
            timeout_ms: None,
            on_fail: None,
            role: None,
            enabled: true,
        }]
        .into(),
    }
}

fn device(target: &NodeName) -> FenceDevice {
    FenceDevice {
        id: format!("fence-{target}").into(),
        agent: "fence_test".to_string(),
        params: BTreeMap::from([("pcmk_host_list".to_string(), target.to_string())]),
        meta: BTreeMap::new(),
    }
}

#[test]
fn two_nodes_that_start_together_form_a_primary_view_within_a_tenth_of_a_second() {
    let mut world = World::new(2, "two_node: 1");
    world.start(1);
    world.start(2);
    world.run(100);
    assert_eq!(world.members(1), [1, 2], "{}", world.story());
    assert_eq!(world.members(2), [1, 2]);
    assert!(world.is_primary(1) && world.is_primary(2));
}

#[test]
fn one_node_that_starts_alone_waits_for_the_other() {
    let mut world = World::new(2, "two_node: 1");
    world.start(1);
    world.run(30_000);
    assert_eq!(world.members(1), [1], "{}", world.story());
    assert!(!world.is_primary(1));
    assert!(world.fenced.is_empty());
    world.start(2);
    world.run(500);
    assert!(world.is_primary(1) && world.is_primary(2), "{}", world.story());
}

#[test]
fn a_configured_resource_starts_once() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(500);
    assert_eq!(world.where_is("web").len(), 1, "{}", world.story());
    assert!(matches!(world.ask(2, Request::WaitIdle { timeout_ms: 1000 }), Some(Response::Done { .. })));
}

#[test]
fn a_crashed_node_is_fenced_at_the_token_and_its_resource_starts_on_the_other() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    let other = 3 - active;
    world.crash(active);
    let crashed = world.now;
    world.run(5000);
    assert_eq!(world.where_is("web"), [other], "{}", world.story());
    let (fenced, _) = world.fenced[0];
    let delay = Duration::from_millis(500) + DEVICE;
    assert!(
        fenced - crashed <= Duration::from_secs(3) + delay + Duration::from_millis(50),
        "{}",
        world.story()
    );
    assert_eq!(world.fenced.len(), 1);
    world.start(active);
    world.run(3000);
    assert_eq!(world.fact(other, active), Some(Fact::Member), "{}", world.story());
    assert_eq!(world.fenced.len(), 1, "it rejoins without a second fencing");
}

#[test]
fn a_crashed_passive_node_is_fenced_within_fifty_milliseconds_of_the_token() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    world.crash(3 - active);
    let crashed = world.now;
    world.run(5000);
    let (fenced, _) = world.fenced[0];
    assert!(fenced - crashed <= Duration::from_millis(3050) + DEVICE, "{}", world.story());
    assert_eq!(world.where_is("web"), [active]);
}

#[test]
fn of_two_nodes_that_are_cut_apart_the_active_one_survives() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    world.cut(1, 2);
    world.run(10_000);
    assert_eq!(world.where_is("web"), [active], "{}", world.story());
    let targets: Vec<u32> = world.fenced.iter().map(|(_, target)| target.0).collect();
    assert_eq!(targets, [3 - active], "{}", world.story());
    assert!(world.is_primary(active));
}

#[test]
fn an_agent_that_restarts_within_the_token_is_not_fenced_and_its_resource_goes_on() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    world.kill_agent(active);
    world.run(800);
    world.start(active);
    world.run(5000);
    assert!(world.fenced.is_empty(), "{}", world.story());
    assert_eq!(world.where_is("web"), [active], "{}", world.story());
    assert_eq!(world.members(1), [1, 2]);
    assert!(matches!(world.ask(2, Request::WaitIdle { timeout_ms: 1000 }), Some(Response::Done { .. })));
}

#[test]
fn a_node_that_leaves_hands_its_resource_over_and_is_not_fenced() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    let answer = world.ask(active, Request::Leave);
    assert!(matches!(answer, Some(Response::Done { .. })), "{answer:?}\n{}", world.story());
    world.run(10_000);
    assert_eq!(world.where_is("web"), [3 - active], "{}", world.story());
    assert_eq!(world.fact(3 - active, active), Some(Fact::Left));
    assert!(world.fenced.is_empty() && world.is_primary(3 - active));
    world.start(active);
    world.run(2000);
    assert_eq!(world.members(1), [1, 2], "{}", world.story());
}

#[test]
fn standby_moves_the_resource_without_waiting() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    world.counter += 1;
    let request = Request::Standby { node: format!("n{active}").as_str().into(), on: true };
    world.input(id(3 - active), Input::Request { client: ClientId(0), request });
    world.run(60);
    assert_eq!(world.where_is("web"), [3 - active], "{}", world.story());
}

#[test]
fn a_name_that_nobody_knows_is_refused_with_the_nearest() {
    let mut world = World::two_nodes();
    let answer = world.ask(2, Request::Standby { node: "n22".into(), on: true });
    let why = "unknown node `n22`: did you mean `n2`?".to_string();
    assert_eq!(answer, Some(Response::Refused { why }));
}

#[test]
fn a_minority_of_three_stops_its_resource_and_is_fenced_by_the_majority() {
    let mut world = World::new(3, "");
    (1..=3).for_each(|number| world.start(number));
    world.run(500);
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web")[0];
    for other in (1..=3).filter(|number| *number != active) {
        world.cut(active, other);
    }
    world.run(10_000);
    let targets: Vec<u32> = world.fenced.iter().map(|(_, target)| target.0).collect();
    assert_eq!(targets, [active], "{}", world.story());
    assert_eq!(world.where_is("web").len(), 1, "{}", world.story());
}

#[test]
fn a_node_that_was_away_for_longer_than_the_token_does_not_fence_the_other() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let sleeper = 3 - world.where_is("web")[0];
    let node = world.hosts.get_mut(&id(sleeper)).expect("a known node").node.take();
    world.run(3700);
    let fenced = world.fenced.clone();
    assert_eq!(fenced.len(), 1, "the sleeper is lost to the other: {}", world.story());
    world.hosts.get_mut(&id(sleeper)).expect("a known node").node = node;
    world.input(id(sleeper), Input::Tick);
    world.run(3000);
    assert_eq!(world.fenced.len(), 1, "{}", world.story());
}

#[test]
fn a_dead_link_costs_no_view_and_no_command_while_another_is_up() {
    let mut world = World::with_links(2, 2, "two_node: 1");
    world.start(1);
    world.start(2);
    world.run(1500);
    let view = |world: &World| world.hosts[&id(1)].node.as_ref().and_then(|node| node.inspect().view);
    let before = view(&world);
    world.dead_links.insert(0);
    world.configure(&["web"]);
    world.run(10_000);
    assert_eq!(view(&world), before, "{}", world.story());
    assert_eq!(world.where_is("web").len(), 1);
    let status = world.hosts[&id(1)].node.as_ref().expect("it runs").status(world.now());
    let up: Vec<bool> = status.nodes[1].links.iter().map(|link| link.is_up).collect();
    assert_eq!(up, [false, true]);
}

#[test]
fn a_coordinator_that_is_fenced_by_another_is_not_waited_for() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let before = world.now;
    let request = Request::Fence { node: "n1".into(), off: false };
    world.input(id(2), Input::Request { client: ClientId(0), request });
    world.run(400);
    assert_eq!(world.where_is("web"), [2], "{}", world.story());
    assert!(world.is_primary(2) && world.fenced.len() == 1 && world.now - before < Duration::from_secs(1));
}

#[test]
fn a_coordinator_that_leaves_loses_nobody_and_fences_nobody() {
    for nodes in 2..=4 {
        let mut world = World::new(nodes, if nodes == 2 { "two_node: 1" } else { "" });
        (1..=nodes).for_each(|number| world.start(number));
        world.run(1500);
        world.configure(&["web"]);
        world.run(1000);
        let answer = world.ask(1, Request::Leave);
        assert!(matches!(answer, Some(Response::Done { .. })), "{answer:?}\n{}", world.story());
        world.run(5000);
        let is_wrong = |text: &String| text.contains("is lost") || text.contains("is requested");
        assert!(!world.events.iter().any(|(_, _, text)| is_wrong(text)), "{}", world.story());
        assert!(world.fenced.is_empty() && world.is_primary(2));
    }
}

#[test]
fn every_member_tells_what_happens_to_resources() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    for number in 1..=2 {
        let is_start = |(_, by, text): &&(Instant, NodeId, String)| {
            *by == id(number) && text.starts_with("start of web on") && text.contains("done")
        };
        assert_eq!(world.events.iter().filter(is_start).count(), 1, "{}", world.story());
    }
}

#[test]
fn a_fencing_that_nobody_can_do_is_tried_again_after_a_pause_and_given_up_once_it_is_not_needed() {
    let mut world = World::new(1, "");
    world.start(1);
    world.run(1500);
    world.configure(&["web"]);
    world.run(1000);
    world.fails_stops = true;
    let disable = |on| Request::Enable { resource: "web".into(), on };
    world.ask(1, disable(false));
    world.run(100_000);
    let failed =
        |world: &World| world.events.iter().filter(|(.., text)| text.contains("fencing n1 failed")).count();
    assert_eq!(failed(&world), 1, "{}", world.story());
    world.fails_stops = false;
    world.ask(1, Request::Cleanup { resource: None });
    world.run(5000);
    let is_open = world.hosts[&id(1)].node.as_ref().expect("it runs").inspect().has_open_fencing;
    assert!(!is_open && world.where_is("web").is_empty(), "{}", world.story());
}

#[test]
fn nodes_are_upgraded_one_after_the_other_and_the_resource_runs_all_the_time() {
    let mut world = World::two_nodes();
    world.configure(&["web"]);
    world.run(1000);
    let active = world.where_is("web");
    for speaks in [(1, 2), (2, 3)] {
        world.speaks = speaks;
        for number in 1..=2 {
            world.kill_agent(number);
            world.run(500);
            world.start(number);
            world.run(3000);
            assert_eq!(world.members(3 - number), [1, 2], "{speaks:?}: {}", world.story());
            assert_eq!(world.where_is("web"), active, "{}", world.story());
        }
    }
    assert!(world.fenced.is_empty() && world.is_primary(1));
}

#[test]
fn a_node_without_a_common_protocol_does_not_join_and_both_say_why() {
    let mut world = World::new(2, "two_node: 1");
    world.start(1);
    world.speaks = (2, 3);
    world.start(2);
    world.run(3000);
    assert_eq!((world.members(1), world.members(2)), ([1].into(), [2].into()));
    for (by, text) in
        [(1, "n2 speaks protocol versions 2 to 3, this node version 1"), (2, "n1 speaks protocol version 1")]
    {
        let has_said = world.events.iter().any(|(_, from, said)| *from == id(by) && said.starts_with(text));
        assert!(has_said, "{}", world.story());
    }
    world.kill_agent(1);
    world.speaks = (1, 2);
    world.start(1);
    world.run(3000);
    assert_eq!(world.members(2), [1, 2], "{}", world.story());
    let status = world.hosts[&id(2)].node.as_ref().expect("it runs").status(world.now());
    assert!(!status.alarms.iter().any(|alarm| alarm.contains("protocol")), "{:?}", status.alarms);
}

#[test]
fn a_coordinator_whose_agent_restarts_is_back_at_once_also_where_another_has_a_lower_id() {
    let mut world = World::new(3, "");
    world.start(2);
    world.start(3);
    world.run(1500);
    world.start(1);
    world.run(1500);
    world.kill_agent(2);
    world.run(700);
    world.start(2);
    world.run(500);
    assert_eq!(
        (1..=3).map(|number| world.members(number)).collect::<Vec<_>>(),
        [[1, 2, 3]; 3],
        "{}",
        world.story()
    );
    assert!(world.fenced.is_empty());
}
