//! What one run is about, drawn from its seed: how many nodes, how they are configured, what goes wrong and how often.
//! Every run has only some of the faults (swarm testing, Groce et al. 2012): a world in which everything breaks all the
//! time hides what a single fault does.

use crate::executor::Trouble;
use crate::fault::{FAULT_KINDS, FaultKind, LATE_FAULT_KINDS};
use crate::network::Quality;
use crate::random::Random;
use muster_api::cluster::{
    Cipher, ClusterConfig, Corosync, LinkMode, LinkOptions, NodeEntry, QuorumOptions, Totem,
};
use muster_api::constraint::Discovery;
use muster_api::fencing::{FenceDevice, FenceLevel};
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::resource::{AgentName, Constraint, Group, Operation, OrderKind, Primitive, Resource, Score};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much goes wrong with fence devices; chances per mille.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceTrouble {
    /// It says no.
    pub fails: u64,
    /// It takes long.
    pub slow: u64,
    /// It acts and answers much later.
    pub late: u64,
    /// It acts and says that it failed.
    pub answer_lost: u64,
    /// It is given up and acts all the same.
    pub after_timeout: u64,
    /// The driver does not reach it.
    pub unreachable: u64,
}

impl DeviceTrouble {
    /// Nothing goes wrong.
    pub fn is_good(&self) -> bool {
        let Self { fails, slow, late, answer_lost, after_timeout, unreachable } = *self;
        [fails, slow, late, answer_lost, after_timeout, unreachable].iter().all(|chance| *chance == 0)
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// corosync.conf of all nodes.
    pub corosync: Corosync,
    /// What a client configures first.
    pub config: ClusterConfig,
    /// The faults that may happen.
    pub faults: Vec<FaultKind>,
    /// The mean time between two faults.
    pub fault_every: Duration,
    /// The mean time between two requests of clients.
    pub request_every: Option<Duration>,
    /// When they begin.
    pub faults_from: Duration,
    /// When all faults end.
    pub duration: Duration,
    /// What the network does all the time.
    pub quality: Quality,
    /// What actions do.
    pub trouble: Trouble,
    /// What devices do.
    pub devices: DeviceTrouble,
    /// How long they take at least and at most where nothing goes wrong.
    pub device_time: (Duration, Duration),
    /// All machines get their power within that time.
    pub power_within: Duration,
    /// Disks may be slow.
    pub has_slow_disks: bool,
    /// The longest time from power to agent.
    pub boot_max: Duration,
    /// A process that ends is noticed at once.
    pub sees_processes: bool,
    /// Resource agents take over changed parameters while their resources run.
    pub agents_reload: bool,
}

impl Plan {
    /// The plan of a seed. `nodes` overrides how many.
    pub fn draw(random: &mut Random, nodes: Option<u32>) -> Self {
        let count = nodes.unwrap_or_else(|| draw_count(random));
        let corosync = draw_corosync(random, count);
        let config = draw_config(random, &corosync);
        let is_calm = random.chance(150);
        let faults: Vec<FaultKind> =
            FAULT_KINDS.iter().copied().filter(|_| !is_calm && random.chance(350)).collect();
        let often = |random: &mut Random, chance: u64, most: u64| {
            if random.chance(chance) { random.below(most) + 1 } else { 0 }
        };
        let mut quality = Quality::good();
        if random.chance(350) {
            quality.loss = often(random, 600, 60);
            quality.duplication = often(random, 500, 50);
            quality.corruption = often(random, 500, 30);
            quality.spikes = often(random, 500, 30);
            quality.spike = random.ms(1, 2 * corosync.totem.token_ms);
            quality.delay.1 += random.ms(0, 5);
        }
        let mut trouble = Trouble::default();
        if random.chance(350) {
            trouble = Trouble {
                starts: often(random, 500, 200),
                stops: often(random, 400, 60),
                monitors: often(random, 500, 60),
                hangs: often(random, 400, 60),
                lies: often(random, 400, 100),
            };
        }
        let mut devices = DeviceTrouble::default();
        if random.chance(350) {
            devices = DeviceTrouble {
                fails: often(random, 500, 400),
                slow: often(random, 500, 400),
                late: often(random, 500, 300),
                answer_lost: often(random, 500, 300),
                after_timeout: often(random, 400, 200),
                unreachable: often(random, 400, 300),
            };
        }
        let requests = random.chance(600);
        let boot_max = random.ms(500, 25_000);
        // Most clusters are whole when the first fault comes.
        let faults_from = if random.chance(800) { boot_max + Duration::from_secs(8) } else { Duration::ZERO };
        let mut plan = Self {
            config,
            faults,
            fault_every: random.ms(2000, 25_000),
            request_every: requests.then(|| random.ms(1000, 20_000)),
            faults_from,
            duration: faults_from + random.ms(30_000, 120_000),
            quality,
            trouble,
            devices,
            device_time: (Duration::from_millis(20), Duration::from_millis(1500)),
            power_within: Duration::from_secs(2),
            has_slow_disks: random.chance(120),
            boot_max,
            sees_processes: random.chance(500),
            agents_reload: true,
            corosync,
        };
        if random.chance(60) {
            plan.only_crash(random);
        } else if !is_calm {
            plan.faults.extend(LATE_FAULT_KINDS.iter().copied().filter(|_| random.chance(80)));
            // A tie is broken only where there is one.
            if plan.corosync.quorum.auto_tie_breaker && !plan.faults.contains(&FaultKind::Partition) {
                plan.faults.push(FaultKind::Partition);
            }
        }
        plan
    }

    /// Nothing goes wrong but machines that lose their power, one after the other: for the times of a recovery.
    fn only_crash(&mut self, random: &mut Random) {
        self.quality = Quality::good();
        self.trouble = Trouble::default();
        self.devices = DeviceTrouble::default();
        self.has_slow_disks = false;
        self.request_every = None;
        self.faults = vec![FaultKind::Crash];
        self.fault_every = random.ms(40_000, 60_000);
        self.faults_from = self.boot_max + Duration::from_secs(20);
        self.duration = self.faults_from + Duration::from_secs(120);
    }

    /// A plan without chance, for scripts: so many nodes, with one fence device each.
    pub fn scripted(nodes: u32) -> Self {
        let is_pair = nodes == 2;
        let quorum = QuorumOptions { two_node: is_pair, wait_for_all: is_pair, ..QuorumOptions::default() };
        let corosync = corosync(nodes, quorum, 1, 1000);
        let config = ClusterConfig {
            fence_devices: corosync.nodes.iter().map(|node| device_for(&node.name)).collect(),
            resources: vec![Resource::Group(Group {
                id: "web".into(),
                members: vec![primitive("vip", Some(5000)), primitive("apache", Some(5000))],
                meta: BTreeMap::new(),
            })],
            ..ClusterConfig::default()
        };
        Self {
            corosync,
            config,
            faults: Vec::new(),
            fault_every: Duration::from_secs(1),
            request_every: None,
            faults_from: Duration::ZERO,
            duration: Duration::ZERO,
            quality: Quality::good(),
            trouble: Trouble::default(),
            devices: DeviceTrouble::default(),
            device_time: (Duration::from_millis(20), Duration::from_millis(100)),
            power_within: Duration::ZERO,
            has_slow_disks: false,
            boot_max: Duration::from_millis(300),
            sees_processes: true,
            agents_reload: false,
        }
    }

    /// The effective token time: corosync adds a part for each node above two.
    pub fn token(&self) -> Duration {
        let totem = &self.corosync.totem;
        let above_two = self.corosync.nodes.len().saturating_sub(2) as u64;
        Duration::from_millis(totem.token_ms + totem.token_coefficient_ms * above_two)
    }

    /// How long a proposal may take.
    pub fn consensus(&self) -> Duration {
        self.corosync.totem.consensus_ms.map_or(self.token() * 6 / 5, Duration::from_millis)
    }

    /// Whether the configuration asks for no lost commits: without fencing both halves of a split may go on, and two nodes
    /// of which each may start without the other (`two_node` without `wait_for_all`) may each know what the other does not.
    pub fn keeps_commits(&self) -> bool {
        let quorum = &self.corosync.quorum;
        self.config.is_fencing_enabled() && (quorum.wait_for_all || !quorum.two_node)
    }

    /// One line: what is special about it.
    pub fn summary(&self) -> String {
        let quorum = &self.corosync.quorum;
        let flags = [
            ("two_node", quorum.two_node),
            ("wait_for_all", quorum.wait_for_all),
            ("auto_tie_breaker", quorum.auto_tie_breaker),
            ("last_man_standing", quorum.last_man_standing),
        ];
        let flags: Vec<&str> = flags.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
        format!(
            "{} nodes, {} links, token {} ms, {}; {} resources, {} fence devices, {:?}; faults {:?} every {:?}; \
             {:?}; {:?}; loss {} duplication {} corruption {} spikes {} of {:?}; requests every {:?}; {:?} long",
            self.corosync.nodes.len(),
            self.corosync.nodes[0].addresses.len(),
            self.token().as_millis(),
            flags.join(" "),
            self.config.primitives().count(),
            self.config.fence_devices.len(),
            self.config.properties,
            self.faults,
            self.fault_every,
            self.trouble,
            self.devices,
            self.quality.loss,
            self.quality.duplication,
            self.quality.corruption,
            self.quality.spikes,
            self.quality.spike,
            self.request_every,
            self.duration,
        )
    }
}

fn draw_count(random: &mut Random) -> u32 {
    match random.below(100) {
        0..3 => 1,
        3..40 => 2,
        40..72 => 3,
        72..82 => 4,
        82..91 => 5,
        91..94 => 6,
        94..97 => 7,
        97..99 => 8,
        _ => 9,
    }
}

fn draw_corosync(random: &mut Random, count: u32) -> Corosync {
    let mut quorum = QuorumOptions { two_node: count == 2, ..QuorumOptions::default() };
    quorum.wait_for_all = if count == 2 { random.chance(850) } else { random.chance(150) };
    if count == 2 && random.chance(100) {
        quorum.two_node = false;
    }
    if count > 2 && count.is_multiple_of(2) && random.chance(400) {
        quorum.auto_tie_breaker = true;
        quorum.auto_tie_breaker_node = random.chance(300).then(|| "highest".to_string());
    }
    if count > 2 && random.chance(150) {
        quorum.last_man_standing = true;
        quorum.wait_for_all = true;
        quorum.last_man_standing_window_ms = random.chance(500).then_some(3000);
    }
    let token_ms = *random.pick(&[1000, 1000, 1500, 3000, 5000]).unwrap_or(&1000);
    let links = if random.chance(400) { 2 } else { 1 };
    let mut corosync = corosync(count, quorum, links, token_ms);
    corosync.totem.link_mode = *random
        .pick(&[LinkMode::Passive, LinkMode::Passive, LinkMode::Active, LinkMode::Rr])
        .unwrap_or(&LinkMode::Passive);
    if count > 2 && random.chance(100) {
        let heavy = random.index(corosync.nodes.len());
        corosync.nodes[heavy].votes = 2;
    }
    corosync
}

pub(crate) fn corosync(count: u32, quorum: QuorumOptions, links: u8, token_ms: u64) -> Corosync {
    let entry = |id: u32| NodeEntry {
        id: NodeId(id),
        name: NodeName(format!("n{id}")),
        votes: 1,
        addresses: (0..links).map(|link| (link, format!("10.{link}.0.{id}"))).collect(),
    };
    let totem = Totem {
        cluster_name: "world".into(),
        config_version: 1,
        token_ms,
        token_coefficient_ms: 650,
        consensus_ms: None,
        cipher: Cipher::Aes256,
        keyfile: None,
        link_mode: LinkMode::Passive,
        links: (0..links).map(|link| (link, LinkOptions::default())).collect(),
    };
    Corosync { totem, nodes: (1..=count).map(entry).collect(), quorum }
}

fn draw_config(random: &mut Random, corosync: &Corosync) -> ClusterConfig {
    let names: Vec<NodeName> = corosync.nodes.iter().map(|node| node.name.clone()).collect();
    let mut config = ClusterConfig::default();
    let set = |config: &mut ClusterConfig, name: &str, value: &str| {
        config.properties.insert(name.to_string(), value.to_string());
    };
    if random.chance(60) {
        set(&mut config, "stonith-enabled", "false");
    }
    if random.chance(250) {
        set(&mut config, "no-quorum-policy", random.pick(&["freeze", "stop"]).copied().unwrap_or("stop"));
    }
    if random.chance(150) {
        set(&mut config, "startup-fencing", "false");
    }
    if random.chance(200) {
        set(&mut config, "stonith-action", "off");
    }
    if random.chance(300) {
        set(&mut config, "start-failure-is-fatal", "false");
    }
    if random.chance(150) {
        set(&mut config, "priority-fencing-delay", "2s");
    }
    if random.chance(200) {
        set(&mut config, "batch-limit", "1");
    }
    set(&mut config, "stonith-timeout", "20s");
    if random.chance(400) {
        config.resource_defaults.insert("resource-stickiness".into(), "100".into());
    }
    if random.chance(300) {
        config.resource_defaults.insert("migration-threshold".into(), "2".into());
    }
    if random.chance(300) {
        config.resource_defaults.insert("failure-timeout".into(), "20s".into());
    }
    config.fence_devices = names.iter().map(device_for).collect();
    draw_topology(random, &names, &mut config);
    draw_resources(random, &names, &mut config);
    config
}

fn draw_topology(random: &mut Random, names: &[NodeName], config: &mut ClusterConfig) {
    match random.below(10) {
        // A second device that can fence everybody.
        0 | 1 => {
            let all = names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(",");
            config.fence_devices.push(device("spare", &all));
        }
        // Two supplies for each node.
        2 => {
            for name in names {
                let second = device(&format!("fence-{name}-b"), name.as_str());
                let devices = vec![ResourceId(format!("fence-{name}")), second.id.clone()];
                config.fence_devices.push(second);
                config.fence_levels.push(FenceLevel { target: name.clone(), index: 1, devices });
            }
        }
        _ => {}
    }
    if random.chance(150) {
        let device = random.index(config.fence_devices.len());
        config.fence_devices[device].params.insert("pcmk_delay_base".into(), "3s".into());
    }
    if random.chance(150) {
        let device = random.index(config.fence_devices.len());
        config.fence_devices[device].params.insert("pcmk_delay_max".into(), "4s".into());
    }
}

fn draw_resources(random: &mut Random, names: &[NodeName], config: &mut ClusterConfig) {
    let interval = |random: &mut Random| Some(*random.pick(&[1000, 5000, 10_000, 30_000]).unwrap_or(&5000));
    if random.chance(700) {
        let every = interval(random);
        config.resources.push(Resource::Group(Group {
            id: "web".into(),
            members: vec![primitive("vip", every), primitive("apache", every)],
            meta: BTreeMap::new(),
        }));
    }
    for number in 0..=random.below(4) {
        let every = if random.chance(800) { interval(random) } else { None };
        config.resources.push(Resource::Primitive(primitive(&format!("r{number}"), every)));
    }
    let ids: Vec<ResourceId> = config.resources.iter().map(|resource| resource.id().clone()).collect();
    if random.chance(400) {
        let (Some(resource), Some(node)) = (random.pick(&ids), random.pick(names)) else { return };
        config.constraints.push(location(resource.clone(), node.clone(), Score(50)));
    }
    let [first, second, ..] = ids.as_slice() else { return };
    if random.chance(300) {
        let score = if random.chance(700) { Score::INFINITY } else { Score(-100) };
        config.constraints.push(colocation(second.clone(), first.clone(), score));
    }
    if random.chance(300) {
        config.constraints.push(order(first.clone(), second.clone()));
    }
}

/// `resource` likes `node` so much.
pub(crate) fn location(resource: ResourceId, node: NodeName, score: Score) -> Constraint {
    let id = format!("{resource}-likes-{node}");
    Constraint::Location {
        id,
        resource,
        node,
        score,
        role: None,
        discovery: Discovery::Always,
        until_ms: None,
    }
}

/// `resource` is placed relative to `with`.
pub(crate) fn colocation(resource: ResourceId, with: ResourceId, score: Score) -> Constraint {
    Constraint::Colocation {
        id: format!("{resource}-with-{with}"),
        resource,
        with,
        score,
        role: None,
        with_role: None,
        node_attribute: None,
        influence: None,
    }
}

/// `then` starts after `first`.
pub(crate) fn order(first: ResourceId, then: ResourceId) -> Constraint {
    Constraint::Order {
        id: format!("{first}-then-{then}"),
        first,
        first_action: "start".into(),
        then,
        then_action: "start".into(),
        kind: OrderKind::Mandatory,
        symmetrical: true,
        require_all: true,
    }
}

pub(crate) fn primitive(id: &str, monitor_ms: Option<u64>) -> Primitive {
    let operation = |name: &str, interval_ms, timeout_ms| Operation {
        name: name.into(),
        interval_ms,
        timeout_ms: Some(timeout_ms),
        on_fail: None,
        role: None,
        enabled: true,
    };
    let mut operations = vec![operation("start", 0, 5000), operation("stop", 0, 5000)];
    operations.extend(monitor_ms.map(|interval_ms| operation("monitor", interval_ms, 5000)));
    Primitive {
        id: id.into(),
        agent: AgentName::parse("ocf:heartbeat:Dummy").expect("the name of an agent"),
        params: BTreeMap::new(),
        meta: BTreeMap::new(),
        operations,
    }
}

fn device_for(node: &NodeName) -> FenceDevice {
    device(&format!("fence-{node}"), node.as_str())
}

pub(crate) fn device(id: &str, targets: &str) -> FenceDevice {
    let params = BTreeMap::from([("pcmk_host_list".to_string(), targets.to_string())]);
    FenceDevice { id: id.into(), agent: "fence_redfish".into(), params, meta: BTreeMap::new() }
}
