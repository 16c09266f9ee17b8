//! Does what a transition says, in any order that it allows, and keeps the history as the real thing would.

use super::World;
use super::random::Dice;
use muster_api::history::{OpRecord, OpStatus, ResourceAction, definition_digest, rc};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{Constraint, Resource, Score};
use muster_api::status::Fact;
use muster_core::observed::{Rules, observe, remember};
use muster_core::schedule::{Action, ActionKind, Decision, Transition};
use muster_core::shutdown_lock;
use std::collections::{BTreeMap, BTreeSet};

/// Transitions after which a cluster must be at rest.
const MOST_ROUNDS: usize = 6;

/// Runs a transition to its end. Says what it broke: a circle, a resource on two nodes, two that must be apart.
pub(crate) fn run(world: &mut World, transition: &Transition, dice: &mut Dice) -> Result<(), String> {
    let mut done = BTreeSet::new();
    let was_double = doubles(world);
    let were_together = forbidden_pairs(world, &active(world));
    while done.len() < transition.actions.len() {
        let is_ready = |place: &usize| {
            !done.contains(place)
                && transition.actions[*place].after.iter().all(|before| done.contains(before))
        };
        let ready: Vec<usize> = (0..transition.actions.len()).filter(is_ready).collect();
        let Some(&next) = ready.get(dice.below(ready.len().max(1))) else {
            return Err("the transition has a circle".into());
        };
        carry_out(world, &transition.actions[next])?;
        done.insert(next);
        let now_active = active(world);
        if let Some(double) = doubles(world).difference(&was_double).next() {
            return Err(format!("{double} is active twice after {:?}", transition.actions[next].kind));
        }
        if let Some(pair) = forbidden_pairs(world, &now_active).difference(&were_together).next() {
            return Err(format!(
                "{pair:?} must be apart and are together after {:?}",
                transition.actions[next].kind
            ));
        }
    }
    Ok(())
}

/// Decides and does it until there is nothing left to do; returns how many transitions that took. Errs with the last two
/// decisions where it does not end, or with what was broken.
pub(crate) fn run_to_rest(world: &mut World, seed: u64) -> Result<usize, String> {
    let mut story = String::new();
    for round in 0..MOST_ROUNDS {
        let decision = world.decide();
        if decision.transition.actions.is_empty() {
            return Ok(round);
        }
        story += &format!("transition {round}:\n{}\n", show(&decision));
        run(world, &decision.transition, &mut Dice::new(seed))
            .map_err(|broken| format!("{story}{broken}"))?;
    }
    Err(format!("{story}it does not come to rest"))
}

fn carry_out(world: &mut World, action: &Action) -> Result<(), String> {
    match &action.kind {
        ActionKind::Resource { node, action, is_probe } => {
            if !matches!(world.facts[node], Fact::Member | Fact::Leaving) {
                return Err(format!(
                    "{} of {} on {node}, which is no member",
                    action.operation, action.resource
                ));
            }
            record(world, node, action, *is_probe);
        }
        ActionKind::CancelMonitor { node, resource, interval_ms } => {
            let records = world.history.nodes.get_mut(node).and_then(|resources| resources.get_mut(resource));
            let records = records.ok_or("a monitor without records is cancelled")?;
            records.retain(|record| record.operation != "monitor" || record.interval_ms != *interval_ms);
        }
        ActionKind::Fence { node, .. } => {
            world.facts.insert(node.clone(), Fact::Fenced);
            world.history.nodes.remove(node);
            world.history.failures.remove(node);
        }
        ActionKind::ForgetFailures { node, resource } => {
            let failures = world.history.failures.get_mut(node).ok_or("there is nothing to forget")?;
            failures.remove(resource).ok_or("there is nothing to forget")?;
        }
    }
    Ok(())
}

/// Whether the last change of role was a promotion.
fn is_promoted(records: &[OpRecord]) -> bool {
    let of_role =
        |record: &&OpRecord| matches!(record.operation.as_str(), "start" | "promote" | "demote" | "stop");
    let last = records.iter().filter(of_role).max_by_key(|record| record.call);
    last.is_some_and(|record| record.operation == "promote")
}

/// Everything succeeds; a probe finds what is there, and that is nothing.
fn record(world: &mut World, node: &NodeName, action: &ResourceAction, is_probe: bool) {
    let resources = world.history.nodes.entry(node.clone()).or_default();
    let call = resources.values().flatten().map(|record| record.call).max().unwrap_or(0) + 1;
    let records = resources.entry(action.resource.clone()).or_default();
    let rc = Some(match () {
        () if is_probe => rc::NOT_RUNNING,
        () if action.operation == "monitor" && is_promoted(records) => rc::RUNNING_PROMOTED,
        () => rc::OK,
    });
    let record = OpRecord {
        operation: action.operation.clone(),
        interval_ms: action.interval_ms,
        call,
        status: OpStatus::Done,
        rc,
        reason: String::new(),
        at_ms: world.now_ms,
        took_ms: 1,
        digest: definition_digest(&action.agent, &action.params),
        peer: action.peer(),
        agent: action.agent.clone(),
        params: action.params.clone(),
    };
    let is_leaving = world.facts[node] == Fact::Leaving;
    let noted = record.clone();
    remember(records, record);
    shutdown_lock::note(&mut world.history, &world.config, (node, is_leaving), &action.resource, &noted);
}

/// Where each resource may be active: also on nodes that are lost.
fn active(world: &World) -> BTreeMap<ResourceId, BTreeSet<NodeName>> {
    let mut active: BTreeMap<ResourceId, BTreeSet<NodeName>> = BTreeMap::new();
    for (node, resources) in &world.history.nodes {
        // A node leaves only once nothing runs there.
        let is_gone = matches!(world.facts[node], Fact::Fenced | Fact::Left)
            || (!world.config.is_fencing_enabled()
                && !matches!(world.facts[node], Fact::Member | Fact::Leaving));
        for (resource, records) in resources {
            let rules = Rules {
                primitive: world.config.primitive(resource),
                default_on_fail: None,
                is_managed: is_managed(world, resource),
                is_promotable: false,
                is_in_container: false,
                connection: None,
                is_fencing_enabled: world.config.is_fencing_enabled(),
                is_online: true,
                can_fence: true,
                failure_timeout_ms: 0,
                has_fresh_fail_count: false,
                now_ms: world.now_ms,
                ordered_codes: None,
            };
            if !is_gone && observe(records, &rules).state.is_active() {
                active.entry(resource.clone()).or_default().insert(node.clone());
            }
        }
    }
    active
}

/// Whether a monitor that finds it stopped has found a failure.
fn is_managed(world: &World, resource: &ResourceId) -> bool {
    let own = world.config.primitive(resource).and_then(|primitive| primitive.meta.get("is-managed"));
    own.is_none_or(|value| value != "false")
}

/// What is active more than once and must not be: an instance of a clone has as many places as the clone, and what is
/// handed over live is on both nodes meanwhile.
fn doubles(world: &World) -> BTreeSet<ResourceId> {
    let is_limited = |resource: &ResourceId| {
        let primitive = world.config.primitive(resource);
        let is_handed_over = primitive.is_some_and(|primitive| primitive.meta.contains_key("allow-migrate"));
        !is_handed_over && !is_in_clone(world, resource)
    };
    let double =
        active(world).into_iter().filter(|(resource, nodes)| nodes.len() > 1 && is_limited(resource));
    double.map(|(resource, _)| resource).collect()
}

fn is_in_clone(world: &World, resource: &ResourceId) -> bool {
    let mut clones = world.config.resources.iter().filter(|one| matches!(one, Resource::Clone(_)));
    clones.any(|clone| clone.primitives().iter().any(|primitive| primitive.id == *resource))
}

type Pair = (ResourceId, ResourceId);

/// Pairs of primitives that a colocation with -INFINITY keeps apart and that are on one node.
fn forbidden_pairs(world: &World, active: &BTreeMap<ResourceId, BTreeSet<NodeName>>) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for constraint in &world.config.constraints {
        let Constraint::Colocation { resource, with, score, .. } = constraint else { continue };
        let (Some(one), Some(other)) = (active.get(resource), active.get(with)) else { continue };
        if resource != with && *score == Score::MINUS_INFINITY && one.intersection(other).next().is_some() {
            pairs.insert((resource.clone(), with.clone()));
        }
    }
    pairs
}

/// Checks every start of a resource that may be active on a node that is fenced: the fencing comes before. Returns how
/// often that situation was met.
pub(crate) fn starts_after_fencing(world: &World, decision: &Decision) -> Result<usize, String> {
    let actions = &decision.transition.actions;
    let active = active(world);
    let mut met = 0;
    for (place, action) in actions.iter().enumerate() {
        let ActionKind::Resource { action: start, node, .. } = &action.kind else { continue };
        let Some(places) = active.get(&start.resource).filter(|_| start.operation == "start") else {
            continue;
        };
        for lost in places.iter().filter(|lost| world.facts[*lost] == Fact::Lost) {
            met += 1;
            let before = all_before(actions, place);
            let is_fenced = before.iter().any(|place| match &actions[*place].kind {
                ActionKind::Fence { node, .. } => node == lost,
                _ => false,
            });
            if !is_fenced {
                return Err(format!("{} starts on {node} before {lost} is fenced", start.resource));
            }
        }
    }
    Ok(met)
}

fn all_before(actions: &[Action], place: usize) -> BTreeSet<usize> {
    let mut before = BTreeSet::new();
    let mut open = actions[place].after.clone();
    while let Some(next) = open.pop() {
        if before.insert(next) {
            open.extend(&actions[next].after);
        }
    }
    before
}

/// A transition as text: one line for each action, with what it waits for.
pub(crate) fn show(decision: &Decision) -> String {
    let lines = decision.transition.actions.iter().enumerate().map(|(place, action)| {
        let what = match &action.kind {
            ActionKind::Resource { node, action, is_probe: true } => {
                format!("probe {} on {node}", action.resource)
            }
            ActionKind::Resource { node, action, .. } if action.interval_ms > 0 => {
                format!("monitor {} on {node} every {} ms", action.resource, action.interval_ms)
            }
            ActionKind::Resource { node, action, .. } if action.operation == "notify" => {
                let (kind, operation) = (&action.meta["notify_type"], &action.meta["notify_operation"]);
                format!("tell {} on {node} {kind}-{operation}", action.resource)
            }
            ActionKind::Resource { node, action, .. } => {
                format!("{} {} on {node}", action.operation, action.resource)
            }
            ActionKind::CancelMonitor { node, resource, interval_ms } => {
                format!("cancel monitor of {resource} on {node} every {interval_ms} ms")
            }
            ActionKind::Fence { node, off } => {
                format!("{} {node}", if *off { "switch off" } else { "fence" })
            }
            ActionKind::ForgetFailures { node, resource } => {
                format!("forget failures of {resource} on {node}")
            }
        };
        let after: Vec<String> = action.after.iter().map(usize::to_string).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after {}", after.join(", ")) };
        format!("{place}: {what}{after}")
    });
    lines.collect::<Vec<_>>().join("\n")
}
