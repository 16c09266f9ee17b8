//! Random clusters: configurations of all that the model has, and histories that may have come about.

mod wide;

use super::World;
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::Discovery;
use muster_api::fencing::FenceDevice;
use muster_api::history::{FailCount, History, OpRecord, OpStatus, definition_digest};
use muster_api::id::NodeName;
use muster_api::resource::{
    AgentName, Constraint, Group, OnFail, Operation, OrderKind, Primitive, Resource, Score,
};
use muster_api::status::Fact;
use muster_core::schedule::ActionKind;
use std::collections::BTreeMap;

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// From zero to `limit`, without it.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn one_in(&mut self, often: usize) -> bool {
        self.below(often) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

const NOW_MS: u64 = 1_700_000_000_000;

/// A world of up to four nodes and about six resources.
pub(crate) fn world(dice: &mut Dice) -> World {
    let nodes: Vec<NodeName> = (1..=1 + dice.below(4)).map(|number| format!("n{number}").into()).collect();
    let config = config(dice, &nodes);
    let facts: BTreeMap<NodeName, Fact> = nodes.iter().map(|node| (node.clone(), fact(dice))).collect();
    let history = history(dice, &config, &nodes);
    // What requires nothing and has no stickiness goes to the emptiest node, and without quorum the others empty theirs
    // only after it was counted: as in Pacemaker, it then moves once more.
    let is_nothing =
        |meta: &BTreeMap<String, String>| meta.get("requires").is_some_and(|value| value == "nothing");
    let needs_nothing = config
        .resources
        .iter()
        .any(|resource| resource.metas().into_iter().any(|(_, meta)| is_nothing(meta)));
    let is_quorate = needs_nothing || !dice.one_in(6);
    without_maintenance_of_the_fenced(World { config, facts, history, is_quorate, now_ms: NOW_MS })
}

/// What is left alone on a node that must be fenced is free after that: it takes one more transition.
fn without_maintenance_of_the_fenced(mut world: World) -> World {
    for action in world.decide().transition.actions {
        if let ActionKind::Fence { node, .. } = action.kind
            && let Some(attributes) = world.config.node_attributes.get_mut(&node)
        {
            attributes.remove("maintenance");
        }
    }
    world
}

/// A world that uses the whole language.
pub(crate) fn wide_world(dice: &mut Dice) -> World {
    let mut world = world(dice);
    wide::widen(&mut world, dice);
    without_maintenance_of_the_fenced(world)
}

fn fact(dice: &mut Dice) -> Fact {
    let facts =
        [Fact::Member, Fact::Member, Fact::Member, Fact::Member, Fact::Lost, Fact::Left, Fact::NeverSeen];
    *dice.pick(&[&facts[..], &[Fact::Fenced, Fact::Leaving]].concat())
}

fn attributes<const N: usize>(
    dice: &mut Dice,
    often: usize,
    all: [(&str, &[&str]); N],
) -> BTreeMap<String, String> {
    let mut chosen = BTreeMap::new();
    for (name, values) in all {
        if dice.one_in(often) {
            chosen.insert(name.to_string(), (*dice.pick(values)).to_string());
        }
    }
    chosen
}

fn config(dice: &mut Dice, nodes: &[NodeName]) -> ClusterConfig {
    let resources = resources(dice);
    let ids: Vec<String> = resources.iter().map(|resource| resource.id().to_string()).collect();
    let constraints = (0..dice.below(5)).map(|number| constraint(dice, number, &ids, nodes)).collect();
    let properties = attributes(
        dice,
        5,
        [
            ("stonith-enabled", &["false", "true"]),
            ("no-quorum-policy", &["stop", "freeze", "ignore"]),
            ("symmetric-cluster", &["false"]),
            ("startup-fencing", &["false"]),
            ("maintenance-mode", &["true", "false"]),
            ("stop-all-resources", &["true", "false", "false"]),
            ("stop-orphan-resources", &["false", "true"]),
        ],
    );
    let device = FenceDevice {
        id: "fence".into(),
        agent: "fence_redfish".into(),
        params: BTreeMap::new(),
        meta: BTreeMap::new(),
    };
    let node_attributes = nodes
        .iter()
        .map(|node| (node.clone(), attributes(dice, 8, [("standby", &["on"]), ("maintenance", &["true"])])))
        .collect();
    ClusterConfig {
        properties,
        resources,
        constraints,
        fence_devices: if dice.one_in(8) { Vec::new() } else { vec![device] },
        node_attributes,
        resource_defaults: attributes(dice, 3, [("resource-stickiness", &["1", "100", "INFINITY"])]),
        ..ClusterConfig::default()
    }
}

fn resources(dice: &mut Dice) -> Vec<Resource> {
    let mut resources = Vec::new();
    let mut number = 0;
    for _ in 0..1 + dice.below(4) {
        number += 1;
        if dice.one_in(3) {
            let size = 1 + dice.below(3);
            let members = (number..number + size).map(|number| primitive(dice, number)).collect();
            resources.push(Resource::Group(Group {
                id: format!("g{number}").as_str().into(),
                members,
                meta: meta(dice),
            }));
            number += size;
        } else {
            resources.push(Resource::Primitive(primitive(dice, number)));
        }
    }
    resources
}

fn meta(dice: &mut Dice) -> BTreeMap<String, String> {
    attributes(
        dice,
        8,
        [
            ("priority", &["1", "5", "-3"]),
            ("target-role", &["Stopped", "Started"]),
            ("is-managed", &["false"]),
            ("migration-threshold", &["1", "3"]),
            ("failure-timeout", &["60", "1h"]),
            ("resource-stickiness", &["10", "1000"]),
            // Not `stop_only`: once it has stopped everywhere nobody remembers that it must not start again.
            ("multiple-active", &["stop_start", "block", "stop_unexpected"]),
            ("requires", &["nothing", "quorum", "fencing"]),
        ],
    )
}

fn agent() -> AgentName {
    AgentName::parse("ocf:muster:Dummy").unwrap()
}

fn primitive(dice: &mut Dice, number: usize) -> Primitive {
    let on_fail =
        [None, Some(OnFail::Ignore), Some(OnFail::Block), Some(OnFail::Stop), Some(OnFail::Restart)];
    let on_fail = [&on_fail[..], &[Some(OnFail::Fence), Some(OnFail::Standby), None, None]].concat();
    let operation = |dice: &mut Dice, name: &str, interval_ms| Operation {
        name: name.into(),
        interval_ms,
        timeout_ms: dice.one_in(2).then_some(30_000),
        on_fail: *dice.pick(&on_fail),
        role: None,
        enabled: !dice.one_in(10),
    };
    let mut operations = vec![operation(dice, "monitor", 10_000)];
    if dice.one_in(3) {
        operations.push(operation(dice, "start", 0));
    }
    if dice.one_in(3) {
        operations.push(operation(dice, "stop", 0));
    }
    let params = BTreeMap::from([("state".to_string(), number.to_string())]);
    Primitive {
        id: format!("r{number}").as_str().into(),
        agent: agent(),
        params,
        meta: meta(dice),
        operations,
    }
}

fn score(dice: &mut Dice) -> Score {
    *dice.pick(&[Score::INFINITY, Score::MINUS_INFINITY, Score(50), Score(-50), Score(1000), Score(1)])
}

/// Never in a circle: who comes later in the configuration follows who comes earlier. Circles that contradict
/// themselves have no answer to come to rest in.
fn constraint(dice: &mut Dice, number: usize, ids: &[String], nodes: &[NodeName]) -> Constraint {
    let id = format!("c{number}");
    let (one, other) = (dice.below(ids.len()), dice.below(ids.len()));
    let is_about_one = one == other;
    let (leader, follower) = (ids[one.min(other)].as_str(), ids[one.max(other)].as_str());
    match dice.below(3) {
        kind if kind == 0 || is_about_one => {
            let until_ms = dice.one_in(4).then_some(NOW_MS + 1000);
            let (resource, node) = (leader.into(), dice.pick(nodes).clone());
            let (role, discovery) = (None, Discovery::Always);
            Constraint::Location { id, resource, node, score: score(dice), role, discovery, until_ms }
        }
        1 => Constraint::Colocation {
            id,
            resource: follower.into(),
            role: None,
            with: leader.into(),
            with_role: None,
            score: score(dice),
            node_attribute: None,
            influence: None,
        },
        _ => {
            let action = (*dice.pick(&["start", "start", "start", "stop"])).to_string();
            let kinds =
                [OrderKind::Mandatory, OrderKind::Mandatory, OrderKind::Optional, OrderKind::Serialize];
            // A stop in the order of starts would be a circle with its own reverse.
            let (first, then) = if action == "stop" { (follower, leader) } else { (leader, follower) };
            Constraint::Order {
                id,
                first: first.into(),
                first_action: action.clone(),
                then: then.into(),
                then_action: action,
                kind: *dice.pick(&kinds),
                symmetrical: !dice.one_in(4),
                require_all: true,
            }
        }
    }
}

fn history(dice: &mut Dice, config: &ClusterConfig, nodes: &[NodeName]) -> History {
    let mut history = History::default();
    let removed = Primitive { id: "removed".into(), ..primitive(dice, 99) };
    // Where a resource is, if anywhere; seldom it is elsewhere too.
    let homes: BTreeMap<_, _> =
        config.primitives().map(|(primitive, _)| (primitive.id.clone(), dice.pick(nodes).clone())).collect();
    for node in nodes {
        let resources = history.nodes.entry(node.clone()).or_default();
        let mut call = 0;
        let configured = config.primitives().map(|(primitive, _)| primitive);
        for primitive in configured.chain(dice.one_in(4).then_some(&removed)) {
            let is_home = homes.get(&primitive.id).is_none_or(|home| home == node) || dice.one_in(100);
            let records = records(dice, primitive, is_home, &mut call);
            let is_ignored = primitive.operations.iter().any(|one| one.on_fail == Some(OnFail::Ignore));
            if dice.one_in(6) && !is_ignored {
                let count = *dice.pick(&[1, 2, 1_000_000]);
                let last_ms = NOW_MS - *dice.pick(&[1000, 600_000, 86_400_000]);
                let fail_count =
                    FailCount { count, last_ms, operation: "monitor".into(), reason: String::new() };
                history.failures.entry(node.clone()).or_default().insert(primitive.id.clone(), fail_count);
            }
            if !records.is_empty() {
                resources.insert(primitive.id.clone(), records);
            }
        }
    }
    history
}

const START: (&str, u64, OpStatus, Option<u8>) = ("start", 0, OpStatus::Done, Some(0));
const WATCHED: (&str, u64, OpStatus, Option<u8>) = ("monitor", 10_000, OpStatus::Done, Some(0));

/// Operation, interval, how it ended, exit code: one after the other.
type Story = &'static [(&'static str, u64, OpStatus, Option<u8>)];

/// What may have been left behind: nothing, not running, running, failed in one way or another.
fn records(dice: &mut Dice, primitive: &Primitive, is_home: bool, call: &mut u64) -> Vec<OpRecord> {
    let elsewhere: [Story; 5] = [
        &[],
        &[("monitor", 0, OpStatus::Done, Some(7))],
        &[("monitor", 0, OpStatus::Done, Some(7))],
        &[("monitor", 0, OpStatus::Done, Some(5))],
        &[START, WATCHED, ("stop", 0, OpStatus::Done, Some(0))],
    ];
    let at_home: [Story; 11] = [
        &[],
        &[("monitor", 0, OpStatus::Done, Some(7))],
        &[("monitor", 0, OpStatus::Done, Some(0))],
        &[START, WATCHED],
        &[START, WATCHED],
        &[START, ("monitor", 10_000, OpStatus::Done, Some(7))],
        &[START, ("monitor", 10_000, OpStatus::TimedOut, None)],
        &[("start", 0, OpStatus::Done, Some(1))],
        &[START, WATCHED, ("stop", 0, OpStatus::Done, Some(1))],
        &[START, ("monitor", 77_000, OpStatus::Done, Some(0))],
        &[START, ("monitor", 10_000, OpStatus::Done, Some(7)), ("stop", 0, OpStatus::Done, Some(0))],
    ];
    let story = if is_home { *dice.pick(&at_home) } else { *dice.pick(&elsewhere) };
    let is_old = dice.one_in(8);
    let params = if is_old {
        BTreeMap::from([("state".to_string(), "old".to_string())])
    } else {
        primitive.params.clone()
    };
    let mut records = Vec::new();
    for &(operation, interval_ms, status, rc) in story {
        *call += 1;
        records.push(OpRecord {
            operation: operation.into(),
            interval_ms,
            call: *call,
            status,
            rc,
            reason: String::new(),
            at_ms: NOW_MS - *dice.pick(&[1000, 600_000, 86_400_000]),
            took_ms: 10,
            digest: definition_digest(&primitive.agent, &params),
            peer: None,
            agent: primitive.agent.clone(),
            params: params.clone(),
        });
    }
    records
}
