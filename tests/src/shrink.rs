//! Makes a long script that breaks an invariant a short one that breaks the same: fewer deeds, fewer troubles, fewer
//! nodes, rounder times (delta debugging, Zeller and Hildebrandt 2002).
//!
//! Every change moves what happens by chance as well, so each candidate is tried with a few seeds.

use crate::deed::{Ask, Deed};
use crate::executor::Trouble;
use crate::invariants::Violation;
use crate::network::Quality;
use crate::plan::{DeviceTrouble, Plan};
use crate::run::run_script;
use crate::script::{Script, Step};
use crate::trace::Trace;
use muster_api::cluster::LinkMode;
use std::time::Duration;

/// With how many other seeds a candidate is tried.
const SEEDS: u64 = 6;

/// Shrinks a script that breaks that invariant, with at most so many runs.
pub fn shrink(script: &Script, violation: &Violation, runs_max: u32) -> Script {
    let mut search =
        Search { best: script.clone(), invariant: violation.invariant, runs: 0, runs_max, at: violation.at };
    search.cut_the_end();
    loop {
        let before = search.best.to_string();
        search.drop_steps();
        search.drop_nodes();
        search.calm_the_world();
        search.round_times();
        if search.best.to_string() == before || search.is_tired() {
            return search.best;
        }
    }
}

struct Search {
    best: Script,
    invariant: &'static str,
    runs: u32,
    runs_max: u32,
    /// When the invariant broke in the best script.
    at: Duration,
}

impl Search {
    fn is_tired(&self) -> bool {
        self.runs >= self.runs_max
    }

    /// Takes the candidate where it breaks the same invariant.
    fn accept(&mut self, candidate: &Script) -> bool {
        let others = (1..=SEEDS).map(|other| candidate.seed.wrapping_add(other) % 1000);
        for seed in std::iter::once(candidate.seed).chain(others) {
            if self.is_tired() {
                return false;
            }
            self.runs += 1;
            let script = Script { seed, ..candidate.clone() };
            let violation = run_script(&script, Trace::default()).violation;
            if let Some(violation) = violation.filter(|found| found.invariant == self.invariant) {
                self.at = violation.at;
                self.best = script;
                return true;
            }
        }
        false
    }

    /// What comes after the moment is not needed, and the time that is left neither.
    fn cut_the_end(&mut self) {
        let mut shorter = self.best.clone();
        let at = self.at;
        shorter.steps.retain(|step| match step {
            Step::Deed(Some(when), _) => *when <= at,
            _ => true,
        });
        for step in &mut shorter.steps {
            if let Step::Until(until) = step {
                *until = (*until).min(at + Duration::from_millis(1));
            }
        }
        self.accept(&shorter);
    }

    fn drop_steps(&mut self) {
        let mut size = self.best.steps.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.steps.len() {
                let mut shorter = self.best.clone();
                let to = (from + size).min(shorter.steps.len());
                shorter.steps.drain(from..to);
                if !self.accept(&shorter) {
                    from += size;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn drop_nodes(&mut self) {
        let mut index = 0;
        while index < self.best.plan.corosync.nodes.len() && self.best.plan.corosync.nodes.len() > 1 {
            let smaller = without_node(&self.best, index);
            if !self.accept(&smaller) {
                index += 1;
            }
        }
    }

    fn calm_the_world(&mut self) {
        for change in CALMER {
            let mut calmer = self.best.clone();
            change(&mut calmer.plan);
            if calmer.to_string() != self.best.to_string() {
                self.accept(&calmer);
            }
        }
        self.drop_each(
            |plan| plan.config.resources.len(),
            |plan, index| drop(plan.config.resources.remove(index)),
        );
        self.drop_each(
            |plan| plan.config.constraints.len(),
            |plan, index| drop(plan.config.constraints.remove(index)),
        );
        self.drop_each(
            |plan| plan.config.properties.len(),
            |plan, index| {
                let name = plan.config.properties.keys().nth(index).cloned();
                name.and_then(|name| plan.config.properties.remove(&name));
            },
        );
        self.drop_each(
            |plan| plan.config.resource_defaults.len(),
            |plan, index| {
                let name = plan.config.resource_defaults.keys().nth(index).cloned();
                name.and_then(|name| plan.config.resource_defaults.remove(&name));
            },
        );
    }

    fn drop_each(&mut self, count: impl Fn(&Plan) -> usize, drop_one: impl Fn(&mut Plan, usize)) {
        let mut index = 0;
        while index < count(&self.best.plan) {
            let mut smaller = self.best.clone();
            drop_one(&mut smaller.plan, index);
            // A constraint names only what there is.
            let known: Vec<_> = smaller.plan.config.resources.iter().map(|one| one.id().clone()).collect();
            smaller
                .plan
                .config
                .constraints
                .retain(|constraint| constraint.resources().iter().all(|id| known.contains(id)));
            if !self.accept(&smaller) {
                index += 1;
            }
        }
    }

    /// Times that a person would write.
    fn round_times(&mut self) {
        for unit_ms in [1000, 100, 1] {
            let mut rounder = self.best.clone();
            rounder.steps.iter_mut().for_each(|step| round(step, unit_ms));
            if rounder.to_string() != self.best.to_string() && self.accept(&rounder) {
                return;
            }
            for index in 0..self.best.steps.len() {
                let mut rounder = self.best.clone();
                round(&mut rounder.steps[index], unit_ms);
                if rounder.to_string() != self.best.to_string() {
                    self.accept(&rounder);
                }
            }
        }
    }
}

/// What makes a world calmer.
const CALMER: &[fn(&mut Plan)] = &[
    |plan| plan.quality = Quality::good(),
    |plan| plan.quality.loss = 0,
    |plan| plan.quality.duplication = 0,
    |plan| plan.quality.corruption = 0,
    |plan| plan.quality.spikes = 0,
    |plan| plan.trouble = Trouble::default(),
    |plan| plan.trouble.starts = 0,
    |plan| plan.trouble.stops = 0,
    |plan| plan.trouble.monitors = 0,
    |plan| plan.trouble.hangs = 0,
    |plan| plan.trouble.lies = 0,
    |plan| plan.devices = DeviceTrouble::default(),
    |plan| plan.devices.fails = 0,
    |plan| plan.devices.slow = 0,
    |plan| plan.devices.late = 0,
    |plan| plan.devices.answer_lost = 0,
    |plan| plan.devices.after_timeout = 0,
    |plan| plan.devices.unreachable = 0,
    |plan| plan.has_slow_disks = false,
    |plan| plan.device_time = Plan::scripted(2).device_time,
    |plan| plan.device_time = (Duration::from_millis(20), Duration::from_millis(1500)),
    |plan| plan.power_within = Duration::ZERO,
    |plan| plan.boot_max = Duration::from_millis(300),
    |plan| plan.boot_max = Duration::from_millis(u64::try_from(plan.boot_max.as_millis()).unwrap_or(500)),
    |plan| plan.sees_processes = true,
    |plan| plan.agents_reload = false,
    |plan| crate::script::set_links(plan, 1),
    |plan| plan.corosync.totem.link_mode = LinkMode::Passive,
    |plan| plan.corosync.totem.token_ms = 1000,
    |plan| plan.corosync.nodes.iter_mut().for_each(|node| node.votes = 1),
    |plan| plan.corosync.quorum.last_man_standing = false,
    |plan| plan.corosync.quorum.last_man_standing_window_ms = None,
    |plan| plan.corosync.quorum.auto_tie_breaker = false,
    |plan| plan.corosync.quorum.auto_tie_breaker_node = None,
    |plan| {
        let plain = Plan::scripted(u32::try_from(plan.corosync.nodes.len()).unwrap_or(1));
        plan.config.fence_devices = plain.config.fence_devices;
        plan.config.fence_levels.clear();
    },
];

fn round(step: &mut Step, unit_ms: u64) {
    let rounded = |time: Duration| {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(((ms + unit_ms / 2) / unit_ms).max(1) * unit_ms)
    };
    match step {
        Step::Deed(at, deed) => {
            *at = at.map(rounded);
            if let Some(lasts) = lasts_of(deed) {
                *lasts = rounded(*lasts);
            }
        }
        Step::Until(at) => *at = rounded(*at),
        _ => {}
    }
}

fn lasts_of(deed: &mut Deed) -> Option<&mut Duration> {
    match deed {
        Deed::Cut { lasts, .. } | Deed::Narrow { lasts, .. } => lasts.as_mut(),
        Deed::Crash { off, .. } => off.as_mut(),
        Deed::KillAgent { outage, .. } => outage.as_mut(),
        Deed::LoseAddress { lasts, .. }
        | Deed::Freeze { lasts, .. }
        | Deed::FillDisk { lasts, .. }
        | Deed::LockDisk { lasts, .. } => Some(lasts),
        Deed::Ask { ask: Ask::Leave { back }, .. } => back.as_mut(),
        _ => None,
    }
}

/// The same without the node of that index; the last one takes its place.
fn without_node(script: &Script, index: usize) -> Script {
    let mut smaller = script.clone();
    let last = smaller.plan.corosync.nodes.len() - 1;
    let gone = smaller.plan.corosync.nodes.pop().map(|node| node.name);
    let config = &mut smaller.plan.config;
    if let Some(gone) = &gone {
        for device in &mut config.fence_devices {
            if let Some(list) = device.params.get_mut("pcmk_host_list") {
                let rest: Vec<&str> = list.split(',').filter(|name| *name != gone.as_str()).collect();
                *list = rest.join(",");
            }
        }
        config
            .fence_devices
            .retain(|device| device.params.get("pcmk_host_list").is_none_or(|list| !list.is_empty()));
        config.fence_levels.retain(|level| level.target != *gone);
        let names_gone = |constraint: &muster_api::resource::Constraint| matches!(constraint, muster_api::resource::Constraint::Location { node, .. } if node == gone);
        config.constraints.retain(|constraint| !names_gone(constraint));
    }
    let renamed = |machine: usize| match machine {
        one if one == index => None,
        one if one == last => Some(index),
        one => Some(one),
    };
    smaller.steps = script.steps.iter().filter_map(|step| without(step, &renamed)).collect();
    smaller
}

fn without(step: &Step, renamed: &impl Fn(usize) -> Option<usize>) -> Option<Step> {
    let Step::Deed(at, deed) = step else { return Some(step.clone()) };
    let mut deed = deed.clone();
    match &mut deed {
        Deed::Cut { left, right, .. } | Deed::Narrow { left, right, .. } => {
            for side in [left, right] {
                *side = side.iter().filter_map(|machine| renamed(*machine)).collect();
                if side.is_empty() {
                    return None;
                }
            }
        }
        Deed::Mend => {}
        Deed::LoseAddress { machine, .. }
        | Deed::Crash { machine, .. }
        | Deed::PowerOn { machine }
        | Deed::Freeze { machine, .. }
        | Deed::KillAgent { machine, .. }
        | Deed::StartAgent { machine }
        | Deed::Jump { machine, .. }
        | Deed::Drift { machine, .. }
        | Deed::End { machine, .. }
        | Deed::FillDisk { machine, .. }
        | Deed::LockDisk { machine, .. }
        | Deed::DamageDisk { machine } => *machine = renamed(*machine)?,
        Deed::Ask { machine, ask } => {
            *machine = renamed(*machine)?;
            match ask {
                Ask::Standby { node, .. } | Ask::Fence { node, .. } | Ask::Confirm { node } => {
                    *node = renamed(*node)?;
                }
                Ask::Move { node: Some(node), .. } => *node = renamed(*node)?,
                _ => {}
            }
        }
    }
    Some(Step::Deed(*at, deed))
}
