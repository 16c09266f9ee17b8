//! What can never happen. One function for each sentence of the design's table, named by its number; they are called
//! after every step of a node, or when what they speak of has just been done.

use crate::client::{Wish, markers_of};
use crate::world::{Happening, World};
use muster_api::cluster::ClusterConfig;
use muster_api::control::Request;
use muster_api::fencing::FenceAction;
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::status::Fact;
use muster_core::effect::Effect;
use muster_core::node::{Boot, Inspection, Node};
use muster_core::{Member, ViewId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// An invariant that did not hold.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Its number.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// When.
    pub at: Duration,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence =
            SENTENCES.iter().find(|(number, _)| *number == self.invariant).map_or("", |(_, text)| text);
        write!(
            formatter,
            "{} at {:.6} s: {}\n  {}",
            self.invariant,
            self.at.as_secs_f64(),
            sentence,
            self.what
        )
    }
}

/// The table of the design.
pub const SENTENCES: &[(&str, &str)] = &[
    (
        "S1",
        "a resource instance that may run once is never active on two nodes, as long as fencing is enabled and devices \
         tell the truth",
    ),
    (
        "S2",
        "nothing that may be active on a lost node is started elsewhere before that node is confirmed off",
    ),
    ("S3", "two activated primary views never share a moment, unless no node of one is still powered"),
    ("S4", "a committed command is held by every later primary view; the generation never goes back"),
    ("S5", "a node obeys no order from a view other than its activated one"),
    (
        "S6",
        "a view that is not primary starts, promotes and changes nothing; an inquorate one follows `no-quorum-policy` in \
         bounded time",
    ),
    (
        "S7",
        "a node that left cleanly, is in standby, or restarted its agent within the token time is not fenced",
    ),
    (
        "S8",
        "each fencing has exactly one recorded reason, and none happens after the node is known to be off",
    ),
    ("S9", "a promise, an acknowledgement and a generation survive a crash at any point of the write"),
    (
        "L1",
        "once faults stop, within a bounded simulated time all reachable nodes share one view and every resource that can \
         run runs",
    ),
    ("L2", "after a single crash, recovery starts within token + consensus + fencing time"),
    ("L3", "two nodes that do not reach each other do not stay in one view"),
    ("panic", "the core does not panic"),
];

/// What the invariants remember.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The members of every view that was activated anywhere.
    views: BTreeMap<ViewId, Vec<Member>>,
    /// Which machines activated which view.
    activated: BTreeSet<(ViewId, usize)>,
    /// The last view that each machine activated, in any of its lives.
    last_view: BTreeMap<usize, ViewId>,
    /// What was committed: in which epoch at most, with which generation and marker.
    commits: Vec<(u64, u64, Option<String>)>,
    /// Who shall be in which view, by those who propose them.
    proposals: BTreeMap<ViewId, Vec<Member>>,
    /// Since when two machines do not reach each other.
    apart_since: BTreeMap<(usize, usize), Duration>,
    /// When a device last switched a machine off.
    pub(crate) fenced_at: BTreeMap<usize, Duration>,
    /// Nodes that a person asked to fence.
    pub(crate) asked_to_fence: BTreeSet<NodeName>,
    /// When a resource was started last.
    pub(crate) last_start: Option<Duration>,
    /// Fencings that were withdrawn: number and target.
    withdrawn: BTreeSet<(u64, NodeName)>,
    /// `maintenance-mode` was asked for: what runs may go on running.
    pub(crate) was_in_maintenance: bool,
    /// A crash whose recovery is timed.
    pub(crate) watch: Option<Watch>,
}

impl Ledger {
    /// A machine's state was given up: it is a new node, which may count its epochs from the beginning.
    pub(crate) fn forget_life(&mut self, index: usize, id: NodeId) {
        self.last_view.remove(&index);
        self.views.retain(|view, _| view.coordinator != id);
        self.proposals.retain(|view, _| view.coordinator != id);
        self.activated.retain(|(view, _)| view.coordinator != id);
    }
}

/// A single crash.
#[derive(Debug)]
pub(crate) struct Watch {
    machine: usize,
    crashed: Duration,
    deadline: Duration,
    had_resources: bool,
}

/// Checks all that a step of a node can break. `before` is what was seen of it before the step.
pub(crate) fn after_step(world: &mut World, index: usize, before: &Inspection, effects: &[Effect]) {
    let Some(seen) = world.machines[index].seen() else { return };
    let is_of_interest = |effect: &Effect| matches!(effect, Effect::Run { .. } | Effect::Fence { .. });
    let of =
        |seen: &Inspection| (seen.view, seen.is_primary, seen.is_quorate, seen.generation, seen.promised);
    let is_forming = seen.proposes.is_some() || seen.promised_to.is_some();
    if of(seen) == of(before) && !is_forming && !effects.iter().any(is_of_interest) {
        return;
    }
    let seen = seen.clone();
    note_proposal(world, &seen);
    s3_whoever_promised_is_not_off(world, index, &seen);
    s5_nothing_is_obeyed_beside_a_promise(world, index, &seen);
    if seen.view != before.view {
        note_view(world, index, before, &seen);
        s3_no_two_primary_views(world);
        s4_commits_are_held(world, index, &seen);
    } else if (seen.is_primary, seen.is_quorate) != (before.is_primary, before.is_quorate) {
        s3_no_two_primary_views(world);
    }
    if seen.is_primary && before.is_primary && seen.view == before.view && seen.generation < before.generation
    {
        world.violate("S4", format!("generation {} became {}", before.generation, seen.generation));
    }
    for effect in effects {
        match effect {
            Effect::Run { action, .. } => {
                s5_orders_of_the_activated_view(world, index, before, &seen, &action.operation);
                if action.operation == "start" {
                    s6_only_primary_views_start(world, before, &seen, &action.resource);
                    s2_no_start_beside_a_lost_node(world, &seen, &action.resource);
                }
            }
            Effect::Fence { target, action: FenceAction::Off | FenceAction::Reboot, .. } => {
                s6_only_quorate_views_fence(world, index, before, &seen, target);
                s7_only_suspects_are_fenced(world, &seen, target);
                s8_one_reason_and_not_after_it_is_off(world, &seen, target);
            }
            _ => {}
        }
    }
}

/// S1: a resource instance that may run once is never active on two nodes, as long as fencing is enabled and devices
/// tell the truth. Called when a start has begun on a machine. With `startup-fencing: false` the user answers for nodes that
/// were not seen since the agents started.
pub(crate) fn after_start(world: &mut World, index: usize, resource: &ResourceId) {
    if !world.plan.config.is_fencing_enabled() {
        return;
    }
    let is_answered_for = |id| {
        let facts = world.machines[index].seen().map(|seen| &seen.facts);
        let is_unseen = facts.is_none_or(|facts| facts.get(&id).is_none_or(|fact| *fact == Fact::NeverSeen));
        is_unseen && !world.plan.config.property_bool("startup-fencing", true)
    };
    let active = world.machines.iter().filter(|machine| machine.executor.active.contains(resource));
    let counted = active.filter(|machine| !is_answered_for(machine.id));
    let names: Vec<String> = counted.map(|machine| machine.name.to_string()).collect();
    if names.len() > 1 {
        world.violate("S1", format!("{resource} is active on {}", names.join(" and ")));
    }
}

/// S2: nothing that may be active on a lost node is started elsewhere before that node is confirmed off.
fn s2_no_start_beside_a_lost_node(world: &mut World, seen: &Inspection, resource: &ResourceId) {
    if !world.plan.config.is_fencing_enabled() {
        return;
    }
    let lost = seen.facts.iter().find(|(_, fact)| **fact == Fact::Lost).map(|(id, _)| *id);
    if let Some(id) = lost {
        world.violate("S2", format!("{resource} is started while n{id} is lost"));
    }
}

/// S3: two activated primary views never share a moment, unless no node of one is still powered. A view counts while
/// every member has activated it and left it for no other: only then can it commit anything. Nor are two of them quorate: one
/// vote more than half is in one place only.
fn s3_no_two_primary_views(world: &mut World) {
    let whole = |world: &World, counts: fn(&Inspection) -> bool| -> Vec<ViewId> {
        let seen = world.machines.iter().filter_map(|machine| machine.seen()).filter(|seen| counts(seen));
        let views: BTreeSet<(ViewId, Vec<Member>)> =
            seen.filter_map(|seen| Some((seen.view?, seen.members.clone()))).collect();
        let whole = views.into_iter().filter(|(view, members)| is_whole(world, *view, members));
        whole.map(|(view, _)| view).collect()
    };
    let is_fenced = world.plan.config.is_fencing_enabled();
    if let [one, other, ..] = whole(world, |seen| seen.is_primary).as_slice()
        && is_fenced
    {
        return world.violate("S3", format!("{one:?} and {other:?} are both primary"));
    }
    if let [one, other, ..] = whole(world, |seen| seen.is_quorate).as_slice()
        && !may_be_quorate_twice(world)
    {
        world.violate("S3", format!("{one:?} and {other:?} are both quorate"));
    }
}

/// Under `two_node` each of the two is quorate alone. Under `last_man_standing` the last ones are, and half of an odd number of
/// votes, rounded down, under `auto_tie_breaker`, while those that were fenced may come back as a majority of the configured
/// votes: fencing decides.
fn may_be_quorate_twice(world: &World) -> bool {
    let quorum = &world.plan.corosync.quorum;
    let votes: u32 = world.plan.corosync.nodes.iter().map(|node| node.votes).sum();
    quorum.two_node || quorum.last_man_standing || quorum.auto_tie_breaker && !votes.is_multiple_of(2)
}

/// S3: a node that promised a view knows none of its members to be off: from then on they may go on without it.
fn s3_whoever_promised_is_not_off(world: &mut World, index: usize, seen: &Inspection) {
    let Some(members) = seen.promised_to.and_then(|view| world.ledger.proposals.get(&view)) else { return };
    let me = world.machines[index].id;
    let is_off = |id: &NodeId| matches!(seen.facts.get(id), Some(Fact::Fenced | Fact::Left));
    let off = members.iter().map(|member| member.id).filter(|id| *id != me).find(is_off);
    if let Some(off) = off {
        let name = world.machines[index].name.clone();
        world.violate("S3", format!("{name} promised a view with n{off} and counts it as off"));
    }
}

/// S5: a node that promised a view is in no earlier one: it obeys nothing of it.
fn s5_nothing_is_obeyed_beside_a_promise(world: &mut World, index: usize, seen: &Inspection) {
    if let Some(view) = seen.view.filter(|view| view.epoch < seen.promised) {
        let name = world.machines[index].name.clone();
        world.violate("S5", format!("{name} promised epoch {} and is still in {view:?}", seen.promised));
    }
}

/// S5 and S7: a node that was not scheduled for much longer than the token time is not in its former view any more, because the
/// others may have gone on without it; and it does not take them for lost, because it was itself that was away. Called after
/// each of the inputs that it is told late.
pub(crate) fn after_an_absence(world: &mut World, index: usize, former: Option<&Inspection>) {
    let (Some(former), Some(seen)) = (former, world.machines[index].seen()) else { return };
    let name = world.machines[index].name.clone();
    if seen.view == former.view {
        return world.violate("S5", format!("{name} was away for long and is still in {:?}", former.view));
    }
    let proposed = seen.proposes.as_ref().map(|(_, members)| members);
    let next = proposed.or_else(|| seen.view.is_some().then_some(&seen.members));
    // A life that left or died meanwhile may have been heard to go.
    let is_there = |member: &&Member| {
        let is_it = |seen: &Inspection| seen.session == member.session;
        world.machines.iter().any(|machine| machine.id == member.id && machine.seen().is_some_and(is_it))
    };
    let is_left_out = |member: &&Member| next.is_some_and(|next| next.iter().all(|one| one.id != member.id));
    if let Some(lost) = former.members.iter().filter(is_there).find(is_left_out) {
        world.violate("S7", format!("{name} was away for long and takes n{} for lost", lost.id));
    }
}

fn note_proposal(world: &mut World, seen: &Inspection) {
    if let Some((view, members)) = &seen.proposes {
        // Not the first one: a number that nobody has heard of may be taken again after a restart.
        world.ledger.proposals.insert(*view, members.clone());
    }
}

fn is_whole(world: &World, view: ViewId, members: &[Member]) -> bool {
    members.iter().all(|member| {
        let machine = world.machines.iter().find(|machine| machine.id == member.id);
        machine.and_then(|machine| machine.seen()).is_some_and(|seen| seen.view == Some(view))
    })
}

/// S4: a committed command is held by every later primary view; the generation never goes back.
fn s4_commits_are_held(world: &mut World, index: usize, seen: &Inspection) {
    if !world.plan.keeps_commits() {
        return;
    }
    let Some(view) = seen.view.filter(|_| seen.is_primary) else { return };
    let earlier = world.ledger.commits.iter().filter(|(epoch, ..)| *epoch < view.epoch);
    let Some(most) = earlier.map(|(_, generation, _)| *generation).max() else { return };
    if seen.generation < most {
        let what = format!(
            "generation {most} was committed, and {} is in primary view {} with generation {}",
            world.machines[index].name, view.epoch, seen.generation
        );
        return world.violate("S4", what);
    }
    world.queue.plan(world.at, Happening::Audit);
}

impl World {
    /// S4, for the content: every marker that was committed is there.
    pub(crate) fn check_markers(&mut self, index: usize, config: &ClusterConfig) {
        let is_fencing = self.plan.config.is_fencing_enabled();
        let Some(seen) = self.machines[index].seen().filter(|seen| seen.is_primary && is_fencing) else {
            return;
        };
        let Some(view) = seen.view else { return };
        let held = markers_of(config);
        let lost = self.ledger.commits.iter().find_map(|(epoch, _, marker)| {
            marker.as_ref().filter(|marker| *epoch < view.epoch && !held.contains_key(*marker))
        });
        if let Some(marker) = lost.cloned() {
            let name = self.machines[index].name.clone();
            self.violate(
                "S4",
                format!("{marker} was committed, and {name} does not hold it in a primary view"),
            );
        }
    }

    /// A client was told that something is done: from now on it must hold.
    pub(crate) fn note_commit(&mut self, index: usize, generation: u64, marker: Option<String>) {
        let Some(seen) = self.machines[index].seen().cloned() else { return };
        let epoch = seen
            .view
            .map_or(0, |view| view.epoch)
            .max(self.ledger.last_view.get(&index).map_or(0, |view| view.epoch));
        self.ledger.commits.push((epoch, generation, marker));
        self.s9_commits_are_on_disk(&seen.members, generation);
    }

    /// S9: a promise, an acknowledgement and a generation survive a crash at any point of the write: whoever has
    /// acknowledged a command finds it after a restart.
    fn s9_commits_are_on_disk(&mut self, members: &[Member], generation: u64) {
        for member in members {
            let Some(machine) = self.machines.iter().find(|machine| machine.id == member.id) else {
                continue;
            };
            let boot = Boot {
                me: machine.id,
                corosync: self.plan.corosync.clone(),
                durable: None,
                incarnation: 1,
                version: String::new(),
            };
            if machine.disk.is_damaged() || machine.disk.is_wiped() {
                continue;
            }
            let name = machine.name.clone();
            let durable = match machine.disk.read_after_the_worst() {
                Ok(durable) => durable,
                Err(why) => return self.violate("S9", format!("{name} could not read its disk: {why:?}")),
            };
            let boot = Boot { durable, ..boot };
            let now = machine.clock.now(self.at);
            let node = Node::new(now, boot).expect("what a node saved, a node can read");
            let held = node.inspect().generation;
            if held < generation {
                let what = format!("generation {generation} is committed, {name} has {held} on its disk");
                return self.violate("S9", what);
            }
        }
    }

    /// The checks that are made from time to time.
    pub(crate) fn audit(&mut self) {
        let is_regular = self.at.subsec_nanos() == 0;
        if is_regular {
            self.queue.plan(self.at + Duration::from_secs(1), Happening::Audit);
            self.forget_suspicions_when_calm();
            self.repair_disks();
            self.l3_no_view_of_nodes_apart();
            self.s6_without_quorum_everything_stops();
            self.l2_recovery_starts_in_time();
        } else if let Some(index) = self.some_primary() {
            self.ask(index, Wish::Audit, Request::Snapshot);
        }
    }

    /// S6, the second half: an inquorate view follows `no-quorum-policy` in bounded time.
    fn s6_without_quorum_everything_stops(&mut self) {
        let at = self.at;
        let is_stop =
            self.plan.config.properties.get("no-quorum-policy").is_none_or(|policy| policy == "stop");
        let is_smooth =
            self.plan.trouble.stops == 0 && self.plan.trouble.hangs == 0 && !self.plan.has_slow_disks;
        let bound = Duration::from_secs(20) + self.plan.consensus() * 2;
        let mut broken = None;
        for machine in &mut self.machines {
            let Some(agent) = machine.agent.as_mut() else { continue };
            let is_inquorate =
                agent.seen.view.is_some() && !agent.seen.is_quorate && agent.frozen_until.is_none();
            if !is_inquorate || !is_stop || !is_smooth {
                agent.inquorate_since = None;
                continue;
            }
            let since = *agent.inquorate_since.get_or_insert(at);
            if at - since > bound && !machine.executor.active.is_empty() {
                broken = Some(format!("{} still runs {:?}", machine.name, machine.executor.active));
            }
        }
        if let Some(what) = broken.filter(|_| !self.ledger.was_in_maintenance) {
            self.violate("S6", what);
        }
    }

    /// Begins to time a recovery, where nothing else is wrong.
    pub(crate) fn watch_recovery(&mut self, index: usize) {
        self.ledger.watch = None;
        let is_smooth = self.plan.trouble.stops == 0
            && self.plan.trouble.hangs == 0
            && self.plan.trouble.starts == 0
            && self.plan.trouble.monitors == 0
            && self.plan.trouble.lies == 0
            && self.plan.quality.loss == 0
            && self.plan.quality.spikes == 0
            && !self.plan.has_slow_disks
            && self.plan.devices.is_good();
        let rest = self.machines.len() - 1;
        let votes = |machine: usize| self.plan.corosync.nodes[machine].votes;
        let total: u32 = (0..self.machines.len()).map(votes).sum();
        let is_quorate =
            (total - votes(index)) * 2 > total || (rest == 1 && self.plan.corosync.quorum.two_node);
        // A first request may have overtaken the configuration.
        let mut seen = self.machines.iter().filter_map(|machine| machine.seen());
        let is_configured = seen.all(|seen| seen.has_fence_device);
        let is_left_alone = !is_configured || self.ledger.was_in_maintenance;
        if !is_smooth || !is_quorate || rest == 0 || !self.is_calm() || is_left_alone {
            return;
        }
        // Devices act within 1.5 s, two supplies one after the other, and answer 0.2 s later.
        let mut bound = self.plan.token() + self.plan.consensus() + Duration::from_millis(4500);
        // Head starts and delays that were configured.
        bound += Duration::from_secs(1 + 2 + 4);
        self.ledger.watch = Some(Watch {
            machine: index,
            crashed: self.at,
            deadline: self.at + bound,
            // Whoever asks for standby, moves and bans may leave no node for them.
            had_resources: self.plan.request_every.is_none()
                && !self.machines[index].executor.active.is_empty(),
        });
    }

    /// L3: two nodes that do not reach each other do not stay in one view: within the time to notice it and to agree, twice.
    fn l3_no_view_of_nodes_apart(&mut self) {
        let bound = (self.plan.token() + self.plan.consensus()) * 3 + Duration::from_secs(10);
        for ((one, other), since) in self.ledger.apart_since.clone() {
            let machines = [&self.machines[one], &self.machines[other]];
            let views = machines.map(|machine| {
                let seen = machine.seen().filter(|_| machine.is_awake());
                seen.and_then(|seen| seen.view.filter(|_| seen.members.len() > 1))
            });
            if self.at - since > bound && views[0].is_some() && views[0] == views[1] {
                let names = machines.map(|machine| machine.name.to_string()).join(" and ");
                return self.violate("L3", format!("{names} are both in {:?} since {since:?}", views[0]));
            }
        }
    }

    /// Paths were cut or mended.
    pub(crate) fn note_who_is_apart(&mut self) {
        let apart: BTreeSet<(usize, usize)> = self.pairs_apart().into_iter().collect();
        self.ledger.apart_since.retain(|pair, _| apart.contains(pair));
        for pair in apart {
            self.ledger.apart_since.entry(pair).or_insert(self.at);
        }
    }

    /// L2: after a single crash, recovery starts within token + consensus + fencing time.
    fn l2_recovery_starts_in_time(&mut self) {
        let Some(watch) = self.ledger.watch.take_if(|watch| watch.deadline <= self.at) else { return };
        // While nothing is managed fencing waits.
        let is_fencing = self.plan.config.is_fencing_enabled() && !self.ledger.was_in_maintenance;
        let is_fenced = self.ledger.fenced_at.get(&watch.machine).is_some_and(|at| *at >= watch.crashed);
        if !is_fenced && self.machines[watch.machine].is_on {
            // It came back before its time was over.
            return;
        }
        if is_fencing && !is_fenced {
            let name = self.machines[watch.machine].name.clone();
            return self.violate("L2", format!("{name} crashed at {:?} and is not fenced", watch.crashed));
        }
        let has_started = self.ledger.last_start.is_some_and(|at| at >= watch.crashed);
        if watch.had_resources && !has_started && !self.ledger.was_in_maintenance {
            let name = self.machines[watch.machine].name.clone();
            return self
                .violate("L2", format!("{name} crashed at {:?} and nothing was started", watch.crashed));
        }
        self.tally.count("recovered in time");
        if watch.had_resources {
            self.tally.count("failed over");
        }
    }
}

/// S5: a node obeys no order from a view other than its activated one: it is in one, and whoever coordinates it has
/// activated it.
fn s5_orders_of_the_activated_view(
    world: &mut World,
    index: usize,
    before: &Inspection,
    seen: &Inspection,
    operation: &str,
) {
    let views = [before.view, seen.view];
    let is_led = |view: ViewId| {
        let coordinator = world.machines.iter().position(|machine| machine.id == view.coordinator);
        coordinator.is_some_and(|coordinator| world.ledger.activated.contains(&(view, coordinator)))
    };
    if !views.into_iter().flatten().any(is_led) {
        let name = world.machines[index].name.clone();
        world.violate(
            "S5",
            format!("{name} runs a {operation} in {views:?}, which its coordinator has not activated"),
        );
    }
}

/// S6: a view that is not primary starts, promotes and changes nothing.
fn s6_only_primary_views_start(
    world: &mut World,
    before: &Inspection,
    seen: &Inspection,
    resource: &ResourceId,
) {
    if !seen.is_primary && !before.is_primary {
        world.violate("S6", format!("{resource} is started in {:?}, which is not primary", seen.view));
    }
}

/// S6, as far as it is about fencing: without quorum nobody is fenced.
fn s6_only_quorate_views_fence(
    world: &mut World,
    index: usize,
    before: &Inspection,
    seen: &Inspection,
    target: &NodeName,
) {
    let ignores =
        world.plan.config.properties.get("no-quorum-policy").is_some_and(|policy| policy == "ignore");
    if !seen.is_quorate && !before.is_quorate && !ignores {
        let name = world.machines[index].name.clone();
        world.violate("S6", format!("{name} fences {target} in {:?}, which is not quorate", seen.view));
    }
}

/// S7: a node that left cleanly, is in standby, or restarted its agent within the token time is not fenced. More than
/// that: nobody is fenced while nothing was wrong with it, nor with any of those who fence it.
fn s7_only_suspects_are_fenced(world: &mut World, seen: &Inspection, target: &NodeName) {
    let Some(machine) = world.machines.iter().find(|machine| machine.name == *target) else { return };
    let is_judge = |id| seen.members.iter().any(|member| member.id == id);
    let mut judges = world.machines.iter().filter(|machine| is_judge(machine.id));
    let has_reason = machine.suspicion.is_some() || judges.any(|judge| judge.suspicion.is_some());
    let is_known_to_have_left = machine.has_left && machine.was_released && world.plan.keeps_commits();
    if world.ledger.asked_to_fence.contains(target) {
        return;
    }
    let what = match (is_known_to_have_left, has_reason) {
        (true, _) => "it left cleanly",
        (false, false) => "nothing was wrong",
        _ => return,
    };
    world.violate("S7", format!("{target} is fenced, and {what}"));
}

/// S8: each fencing has exactly one recorded reason, and none happens after the node is known to be off.
fn s8_one_reason_and_not_after_it_is_off(world: &mut World, seen: &Inspection, target: &NodeName) {
    let of_target = seen.fencings.iter().filter(|(_, name, ..)| name == target);
    let open: Vec<_> =
        of_target.clone().filter(|(.., is_confirmed, reason)| !is_confirmed && !reason.is_empty()).collect();
    let Some((_, _, session, ..)) = open.last() else {
        return world.violate("S8", format!("{target} is fenced without a recorded reason"));
    };
    // A life without a number is any: the node was not seen since the agents started, and may have been switched on since.
    let mut ended =
        of_target.filter(|(_, _, life, is_confirmed, _)| *is_confirmed && life == session && *session != 0);
    let id = world.machines.iter().find(|machine| machine.name == *target).map(|machine| machine.id);
    let is_off = id.is_some_and(|id| seen.facts.get(&id) == Some(&Fact::Fenced));
    if (is_off || ended.next().is_some()) && !world.ledger.asked_to_fence.contains(target) {
        world.violate("S8", format!("{target} is fenced again, and that life of it is confirmed to be over"));
    }
}

/// S9: no view is formed twice, and no node goes back to an earlier one. Called once all that the node wrote until then is
/// on its disk: what nobody has heard of may be forgotten.
pub(crate) fn s9_views_are_never_repeated(world: &mut World, index: usize, seen: &Inspection) {
    let Some(view) = seen.view else { return };
    let members = world.ledger.views.entry(view).or_insert_with(|| seen.members.clone());
    if *members != seen.members {
        return world.violate("S9", format!("{view:?} has the members {:?} as well", seen.members));
    }
    let last = world.ledger.last_view.insert(index, view);
    if last.is_some_and(|last| last.epoch >= view.epoch) {
        world.violate("S9", format!("{} is in {view:?} after {last:?}", world.machines[index].name));
    }
}

fn note_view(world: &mut World, index: usize, before: &Inspection, seen: &Inspection) {
    let Some(view) = seen.view else { return };
    world.ledger.activated.insert((view, index));
    if view.coordinator != world.machines[index].id {
        return;
    }
    world.tally.count(match (seen.is_primary, seen.is_quorate) {
        (true, _) => "primary view",
        (false, true) => "quorate but not primary",
        (false, false) => "view without quorum",
    });
    world.tally.count("view");
    for (number, target, _, is_confirmed, _) in &seen.fencings {
        let is_member = world.machines.iter().any(|machine| {
            machine.name == *target && seen.members.iter().any(|member| member.id == machine.id)
        });
        if is_member && !is_confirmed && world.ledger.withdrawn.insert((*number, target.clone())) {
            world.tally.count("fencing withdrawn");
        }
    }
    if before.view.is_some_and(|former| former.coordinator != view.coordinator) {
        world.tally.count("coordinator changed");
    }
}
