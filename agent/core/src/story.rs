//! What people are told: one event for each step of a story, in the words of the glossary.

use crate::effect::Effect;
use crate::link::Heard;
use crate::membership::view::View;
use crate::message::Install;
use crate::node::Node;
use crate::recovery::Recovery;
use crate::replica::apply::is_failure;
use crate::replica::command::Command;
use crate::replica::state::FenceEntry;
use crate::schedule::{Report, Transition};
use crate::time::Now;
use crate::unmerged::Mismatch;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use muster_api::fencing::{FenceAction, FencingState};
use muster_api::history::{OpRecord, OpStatus, rc};
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::status::{Event, Fact, Level};
use muster_api::{drift, reload};

impl Node {
    pub(crate) fn note(
        &mut self,
        now: Now,
        kind: &str,
        level: Level,
        text: String,
        node: Option<NodeName>,
        resource: Option<ResourceId>,
    ) {
        self.events += 1;
        let event = Event {
            number: self.events,
            at_ms: now.wall_ms,
            kind: kind.to_string(),
            level,
            text,
            node,
            resource,
        };
        self.effects.push(Effect::Emit(event));
    }

    pub(crate) fn note_debug(&mut self, now: Now, text: String) {
        self.note(now, "membership", Level::Debug, text, None, None);
    }

    pub(crate) fn note_membership(&mut self, now: Now, text: String) {
        self.note(now, "membership", Level::Info, text, None, None);
    }

    pub(crate) fn note_quorum(&mut self, now: Now, text: String) {
        self.note(now, "quorum", Level::Info, text, None, None);
    }

    pub(crate) fn warn_membership(&mut self, now: Now, text: String) {
        self.note(now, "membership", Level::Warning, text, None, None);
    }

    pub(crate) fn note_fencing(&mut self, now: Now, level: Level, target: &NodeName, text: String) {
        self.note(now, "fencing", level, text, Some(target.clone()), None);
    }

    pub(crate) fn note_resource(&mut self, now: Now, level: Level, resource: &ResourceId, text: String) {
        self.note(now, "resource", level, text, None, Some(resource.clone()));
    }

    pub(crate) fn tell_view(&mut self, now: Now, view: &View) {
        let members =
            view.members.iter().map(|member| self.name_of(member.id).to_string()).collect::<Vec<_>>();
        let standing = match view.standing.why_not_primary(|id| self.name_of(id).to_string()) {
            None => "primary".to_string(),
            Some(why) => format!("not primary ({why})"),
        };
        let coordinator = self.name_of(view.id.coordinator).clone();
        let text =
            format!("view {}: {}; coordinator {coordinator}; {standing}", view.id.epoch, members.join(", "));
        let level = if view.is_primary() { Level::Info } else { Level::Warning };
        self.note(now, "membership", level, text, None, None);
        self.tell_lost(now, view);
    }

    /// Who of the last view is missing, and since when.
    fn tell_lost(&mut self, now: Now, view: &View) {
        let Some(former) = self.membership.former.clone() else { return };
        for member in former.members.iter().filter(|member| !view.has(member.id)) {
            let name = self.name_of(member.id).clone();
            let text = match self.replica.fact(member.id).fact {
                Fact::Left => format!("{name} has left"),
                Fact::Fenced => continue,
                _ => match self.links.peer(member.id).and_then(crate::link::Peer::last_alive) {
                    Some(alive) => {
                        format!("{name} is lost: not heard for {} ms", (now.at - alive).as_millis())
                    }
                    None => format!("{name} is lost"),
                },
            };
            if self.replica.fact(member.id).fact == Fact::Lost {
                self.losses.insert(member.id);
                self.loss_noticed.get_or_insert(now.at);
            }
            self.note(now, "membership", Level::Warning, text, Some(name), None);
        }
    }

    /// What a command of the view does, told by every member: each knows the whole story.
    pub(crate) fn tell_command(&mut self, now: Now, command: &Command) {
        match command {
            Command::Configure(config) => {
                let text = format!("the configuration has generation {} now", config.generation);
                self.note(now, "config", Level::Info, text, None, None);
            }
            Command::Record { node, resource, record, .. } => self.tell_ended(now, node, resource, record),
            Command::ForgetFailures { node, resource } => {
                let text = format!("failures of {resource} on {node} have aged out");
                self.note_resource(now, Level::Info, resource, text);
            }
            Command::Fencing(entry) => self.tell_fencing(now, entry),
            Command::Leaving { node } => {
                let text = format!("{} is asked to leave: its resources go first", self.name_of(*node));
                self.note_membership(now, text);
            }
            Command::Left { node } => {
                let text = format!("{} runs nothing any more and leaves", self.name_of(*node));
                self.note_membership(now, text);
            }
            Command::ExpectVotes(votes) => {
                let text = format!("last_man_standing: {votes} votes are expected from now on");
                self.note_membership(now, text);
            }
            Command::Attribute { node, name, value } => {
                self.tell_attribute(now, node, name, value.as_deref())
            }
            Command::Ordered { .. }
            | Command::Cancelled { .. }
            | Command::Cleanup { .. }
            | Command::TakeConfiguration { .. } => {}
        }
    }

    fn tell_switching_on(&mut self, now: Now, entry: &FenceEntry) {
        let target = &entry.record.target;
        let device = entry.record.device.as_ref().map_or("", |device| device.as_str());
        let (level, text) = match &entry.record.state {
            FencingState::Confirmed => (Level::Info, format!("{target} is switched on again by {device}")),
            FencingState::Failed { why } => {
                (Level::Error, format!("{target} could not be switched on again by {device}: {why}"))
            }
            _ => return,
        };
        self.note_fencing(now, level, target, text);
    }

    /// Where a fencing has come to a new stage.
    fn tell_fencing(&mut self, now: Now, entry: &FenceEntry) {
        if entry.record.action == FenceAction::On {
            return self.tell_switching_on(now, entry);
        }
        let record = &entry.record;
        let target = &record.target;
        let known = self.replica.fencing_of(record.number).map(|known| &known.record.state);
        if known == Some(&record.state) {
            return;
        }
        let took = record.ended_ms.unwrap_or_default().saturating_sub(record.requested_ms);
        let (level, text) = match (&record.state, &record.device) {
            (FencingState::Pending, _) if known.is_none() => {
                (Level::Warning, format!("fencing {target} is requested: {}", record.reason))
            }
            (FencingState::Pending | FencingState::Running, _) => return,
            (FencingState::Failed { why }, _) => {
                let pause = self.pause(entry).as_secs();
                (Level::Error, format!("fencing {target} failed: {why}; it is tried again in {pause} s"))
            }
            (FencingState::Confirmed, Some(device)) => (
                Level::Warning,
                format!("{target} is off: confirmed by {device} {took} ms after the request"),
            ),
            (FencingState::Confirmed, None) => (Level::Warning, format!("{target} is off")),
            (FencingState::ConfirmedByHand, _) => {
                (Level::Warning, format!("{target} is off: confirmed by hand"))
            }
            (FencingState::Withdrawn, _) => {
                (Level::Info, format!("fencing {target} is withdrawn: nothing asks for it any more"))
            }
        };
        self.note_fencing(now, level, &target.clone(), text);
    }

    /// Fencings that are over because the target came back.
    pub(crate) fn tell_withdrawn(&mut self, now: Now, install: &Install) {
        let was_open = |number: u64| self.replica.fencing_of(number).is_some_and(FenceEntry::is_open);
        let is_withdrawn = |entry: &&FenceEntry| entry.record.state == FencingState::Withdrawn;
        let withdrawn = install.state.fencing.iter().filter(is_withdrawn);
        let targets: Vec<NodeName> = withdrawn
            .filter(|entry| was_open(entry.record.number))
            .map(|entry| entry.record.target.clone())
            .collect();
        for target in targets {
            let text = format!("fencing {target} is withdrawn: it is back before a device was used");
            self.note_fencing(now, Level::Info, &target, text);
        }
    }

    /// The coordinator begins to tell a loss, or goes on with the one that was under way.
    pub(crate) fn begin_recovery(&mut self, now: Now) {
        let is_lost = |id: &NodeId| matches!(self.replica.fact(*id).fact, Fact::Lost | Fact::Fenced);
        let lost: Vec<NodeId> = self.losses.iter().copied().filter(is_lost).collect();
        self.losses.retain(|id| lost.contains(id));
        if lost.is_empty() {
            return;
        }
        let alive =
            lost.iter().filter_map(|id| self.links.peer(*id).and_then(crate::link::Peer::last_alive)).min();
        let names = lost.iter().map(|id| self.name_of(*id).clone()).collect();
        let noticed = self.loss_noticed.unwrap_or(now.at);
        let mut recovery = Recovery::new(noticed, alive.unwrap_or(noticed), names);
        if let Some((at, target)) = self.last_fenced.clone() {
            recovery.note_fenced(at, &target);
        }
        if let Some(lead) = &mut self.lead {
            lead.recovery = Some(recovery);
        }
    }

    pub(crate) fn tell_recovery(&mut self, now: Now, recovery: &Recovery) {
        self.losses.clear();
        self.loss_noticed = None;
        self.last_fenced = None;
        self.note(now, "membership", Level::Warning, recovery.summary(), None, None);
    }

    pub(crate) fn tell_plan(&mut self, now: Now, report: &Report, transition: &Transition) {
        if transition.actions.is_empty() {
            self.told_plan.clear();
            return;
        }
        // Deciding again because something ended changes little: only what is new is told.
        let told = core::mem::replace(&mut self.told_plan, report.consequences.clone());
        for consequence in report.consequences.iter().filter(|consequence| !told.contains(consequence)) {
            self.note(now, "resource", Level::Info, format!("decided: {consequence}"), None, None);
        }
    }

    fn tell_attribute(&mut self, now: Now, node: &NodeName, name: &str, value: Option<&str>) {
        if name == drift::ATTRIBUTE {
            let (level, text) = match value {
                Some(differences) => (Level::Warning, drift::sentence(node, differences)),
                None => (Level::Info, format!("{node} runs with what is on its disk again")),
            };
            return self.note(now, "config", level, text, Some(node.clone()), None);
        }
        let (level, text) = match (reload::agent_of(name), value) {
            (Some(agent), Some("")) => {
                (Level::Debug, format!("{agent} on {node} takes over all parameters while it runs"))
            }
            (Some(agent), Some(value)) => (
                Level::Debug,
                format!(
                    "{agent} on {node} takes over parameters while it runs, and needs a restart for: {value}"
                ),
            ),
            (Some(agent), None) => {
                (Level::Debug, format!("{agent} on {node} needs a restart for changed parameters"))
            }
            (None, Some(value)) => (Level::Info, format!("{name} of {node} is {value}")),
            (None, None) => (Level::Info, format!("{name} of {node} is not set any more")),
        };
        self.note(now, "attribute", level, text, Some(node.clone()), None);
    }

    fn tell_ended(&mut self, now: Now, node: &NodeName, resource: &ResourceId, record: &OpRecord) {
        let is_probe = record.operation == "monitor" && record.interval_ms == 0;
        if record.status == OpStatus::Pending
            || (record.operation == "monitor" && !is_failure(record) && !is_probe)
        {
            return;
        }
        let took = record.took_ms;
        let operation = &record.operation;
        let is_unheard = record.operation == "notify" && record.rc != Some(rc::OK);
        let (level, text) = if is_failure(record) || is_unheard {
            (Level::Error, format!("{operation} of {resource} on {node} failed: {}", outcome(record)))
        } else if is_probe {
            let found = if record.rc == Some(rc::NOT_RUNNING) { "is not running" } else { "is running" };
            (Level::Debug, format!("{resource} {found} on {node}"))
        } else if record.operation == "notify" {
            (Level::Debug, format!("{resource} on {node} was told of the other instances"))
        } else {
            (Level::Info, format!("{operation} of {resource} on {node} done in {took} ms"))
        };
        self.note(now, "resource", level, text, Some(node.clone()), Some(resource.clone()));
    }

    pub(crate) fn tell_heard(&mut self, now: Now, heard: &Heard) {
        match heard {
            Heard::Message(..) => {}
            Heard::Restarted(peer) => {
                let text = format!("the agent of {} has restarted", self.name_of(*peer));
                self.note_membership(now, text);
            }
            Heard::Bye(peer) => {
                let text = format!("{} says that it leaves", self.name_of(*peer));
                self.note_membership(now, text);
            }
            Heard::Link { peer, link, is_up } => {
                if *is_up {
                    self.versions_met.remove(peer);
                }
                let name = self.name_of(*peer).clone();
                let (level, state) = if *is_up { (Level::Info, "up") } else { (Level::Warning, "down") };
                self.note(now, "link", level, format!("link {link} to {name} is {state}"), Some(name), None);
            }
            Heard::Stranger(id) => self.on_mismatch(now, *id, Mismatch::Unlisted),
            Heard::Version { peer, speaks } => {
                if self.versions_met.insert(*peer, *speaks) != Some(*speaks) {
                    let name = self.name_of(*peer).clone();
                    let mine = self.links.speaks();
                    let text = format!(
                        "{name} speaks protocol {speaks}, this node {mine}: it cannot join until both speak a common version; \
                         upgrade whichever is older"
                    );
                    self.note(now, "membership", Level::Error, text, Some(name), None);
                }
            }
        }
    }

    pub(crate) fn tell_absence(&mut self, now: Now, away: Duration) {
        let text = format!(
            "this node did not run for {} ms, longer than the token: it trusts nothing that it knew and asks the others",
            away.as_millis()
        );
        self.note(now, "agent", Level::Error, text, None, None);
    }

    pub(crate) fn tell_link_state(&mut self, now: Now, link: u8, is_usable: bool) {
        let state = if is_usable { "is there again" } else { "is gone" };
        let level = if is_usable { Level::Info } else { Level::Warning };
        self.note(now, "link", level, format!("this node's own address on link {link} {state}"), None, None);
    }
}

fn outcome(record: &OpRecord) -> String {
    let what = match (record.status, record.rc) {
        (OpStatus::TimedOut, _) => format!("not done after {} ms", record.took_ms),
        (_, Some(code)) => format!("exit code {code}"),
        (_, None) => "it could not be run".to_string(),
    };
    if record.reason.is_empty() { what } else { format!("{what} ({})", record.reason) }
}
