//! What the coordinator makes of a request: a command, an answer, or a refusal with its reason.

use crate::lead::After;
use crate::message::{Answer, Message};
use crate::node::Node;
use crate::planted::{Bug, planted};
use crate::replica::activity::active_on;
use crate::replica::command::{Ask, Command};
use crate::replica::state::Cause;
use crate::time::Now;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::ClusterConfig;
use muster_api::constraint::{Constraint, Discovery, Nodes};
use muster_api::copies::too_many;
use muster_api::duration::format_ms;
use muster_api::fencing::{FenceAction, FencingRecord, FencingState};
use muster_api::id::{NodeId, NodeName, ResourceId};
use muster_api::nearest::nearest;
use muster_api::resource::{Primitive, Resource, Score};
use muster_api::status::Fact;

/// What a request comes to at once.
#[expect(clippy::large_enum_variant, reason = "each lives for one request")]
enum Decided {
    /// Commit this, then answer.
    Commit(Command, Option<String>),
    /// It is so already.
    Nothing(Option<String>),
    /// The answer comes later.
    Later,
}

impl Node {
    pub(crate) fn on_ask(&mut self, now: Now, origin: NodeId, ticket: u64, ask: Ask) {
        let generation = self.replica.config.generation;
        let answer = match self.decide_ask(now, origin, ticket, ask) {
            Ok(Decided::Commit(command, note)) => {
                let generation = match &command {
                    Command::Configure(config) => config.generation,
                    _ => generation,
                };
                let answer = Answer::Done { generation, note };
                if let Some(lead) = self.lead.as_mut() {
                    lead.invalidate();
                }
                if planted(Bug::AnsweredEarly) {
                    self.send(origin, Message::Answer { ticket, answer: answer.clone() });
                }
                return self.sequence(now, command, alloc::vec![After::Answer { origin, ticket, answer }]);
            }
            Ok(Decided::Nothing(note)) => Answer::Done { generation, note },
            Ok(Decided::Later) => return,
            Err(why) => Answer::Refused { why },
        };
        // What is so already may be so by a command that is not committed yet.
        let after = After::Answer { origin, ticket, answer: answer.clone() };
        if self.lead.as_mut().is_none_or(|lead| lead.sequencer.follow_last(after).is_some()) {
            self.send(origin, Message::Answer { ticket, answer });
        }
    }

    fn decide_ask(&mut self, now: Now, origin: NodeId, ticket: u64, ask: Ask) -> Result<Decided, String> {
        match ask {
            Ask::WaitIdle => {
                if let Some(lead) = self.lead.as_mut() {
                    lead.waiters.push((origin, ticket));
                }
                Ok(Decided::Later)
            }
            Ask::Leave { node } => Ok(self.ask_leave(now, origin, ticket, node)),
            Ask::ConfirmFenced { node } => self.ask_confirm(now, &node),
            Ask::Fence { node, off, by } => self.ask_fence(now, &node, off, &by),
            Ask::Cleanup { resource } => {
                self.require_primary()?;
                if let Some(resource) = &resource {
                    self.require_resource(resource)?;
                }
                Ok(Decided::Commit(Command::Cleanup { resource }, None))
            }
            other => {
                self.require_primary()?;
                self.ask_change(now, other)
            }
        }
    }

    /// Requests that change the configuration.
    fn ask_change(&mut self, now: Now, ask: Ask) -> Result<Decided, String> {
        let mut config = self.replica.config.clone();
        let mut note = None;
        match ask {
            Ask::Configure { config: wanted, expected_generation } => {
                if expected_generation != config.generation {
                    return Err(format!(
                        "the configuration was changed in the meantime: it has generation {}, the change was made from \
                         {expected_generation}; read it again",
                        config.generation
                    ));
                }
                self.check_config(&wanted)?;
                config = ClusterConfig { generation: config.generation, ..wanted };
            }
            Ask::Standby { node, on } => {
                self.require_node(&node)?;
                set_standby(&mut config, &node, on);
            }
            Ask::Enable { resource, on } => {
                self.require_resource(&resource)?;
                enable(&mut config, &resource, on);
            }
            Ask::Clear { resource } => {
                self.require_resource(&resource)?;
                forget_moves(&mut config, &resource);
            }
            Ask::Move { resource, node, lifetime_ms } => {
                self.require_resource(&resource)?;
                if let Some(node) = &node {
                    self.require_node(node)?;
                }
                let until_ms = lifetime_ms.map(|lifetime| end_of(now, lifetime)).transpose()?;
                let how = self.move_resource(&mut config, &resource, node.as_ref(), until_ms)?;
                let until = lifetime_ms.map_or_else(String::new, |ms| format!("for {} or ", format_ms(ms)));
                note = Some(format!("{how} {until}until `clear`"));
            }
            Ask::Cleanup { .. }
            | Ask::Fence { .. }
            | Ask::ConfirmFenced { .. }
            | Ask::WaitIdle
            | Ask::Leave { .. } => {}
        }
        if config == self.replica.config {
            return Ok(Decided::Nothing(note.or_else(|| Some("it is so already".to_string()))));
        }
        config.generation += 1;
        Ok(Decided::Commit(Command::Configure(config), note))
    }

    /// Returns what this means for the resource.
    fn move_resource(
        &self,
        config: &mut ClusterConfig,
        resource: &ResourceId,
        node: Option<&NodeName>,
        until_ms: Option<u64>,
    ) -> Result<String, String> {
        forget_moves(config, resource);
        let location = |id, node: &NodeName, score| Constraint::Location {
            id,
            resource: resource.clone(),
            node: node.clone(),
            score,
            role: None,
            discovery: Discovery::Always,
            until_ms,
        };
        if let Some(node) = node {
            config.constraints.push(location(format!("cli-prefer-{resource}"), node, Score::INFINITY));
            return Ok(format!("{resource} goes to {node}"));
        }
        let members = members_of(config, resource);
        let is_there = |name: &&NodeName| {
            active_on(&self.replica.history, name).iter().any(|active| members.contains(active))
        };
        let nodes: Vec<NodeName> =
            self.corosync.nodes.iter().map(|node| &node.name).filter(is_there).cloned().collect();
        if nodes.is_empty() {
            return Err(format!("{resource} is active nowhere: say where it shall go"));
        }
        for node in &nodes {
            config.constraints.push(location(
                format!("cli-ban-{resource}-on-{node}"),
                node,
                Score::MINUS_INFINITY,
            ));
        }
        Ok(format!("{resource} is kept away from {}", join(nodes.iter())))
    }

    fn ask_leave(&mut self, now: Now, origin: NodeId, ticket: u64, node: NodeId) -> Decided {
        if let Some(lead) = self.lead.as_mut() {
            lead.leavers.push((origin, ticket, node));
            lead.invalidate();
        }
        if !self.replica.leaving.contains(&node) {
            self.sequence(now, Command::Leaving { node }, Vec::new());
        }
        Decided::Later
    }

    fn ask_fence(&mut self, now: Now, node: &NodeName, off: bool, by: &str) -> Result<Decided, String> {
        let id = self.require_node(node)?;
        let Some(view) = &self.membership.view else { return Err("this node is in no view".to_string()) };
        if !view.standing.may_fence() {
            let why = view.standing.inquorate.clone().unwrap_or_default();
            return Err(format!("nobody is fenced without quorum: {why}"));
        }
        if view.members.iter().all(|member| member.id == id) {
            return Err(format!("{node} is the only member: nobody could see that it is off"));
        }
        if super::fencing::devices::levels(&self.replica.config, node).is_empty() {
            return Err(format!("no fence device can fence {node}: add one with `pcmk_host_list` naming it"));
        }
        if self.replica.fact(id).fact == Fact::Fenced {
            return Ok(Decided::Nothing(Some(format!(
                "{node} is fenced already and has not come back since"
            ))));
        }
        let reason = format!("asked for on {by}");
        self.open_fencing(now, node, off, &reason, Cause::Person);
        Ok(Decided::Nothing(Some(format!("{node} is being fenced: see `status` for the result"))))
    }

    fn ask_confirm(&mut self, now: Now, node: &NodeName) -> Result<Decided, String> {
        let id = self.require_node(node)?;
        let Some(view) = &self.membership.view else { return Err("this node is in no view".to_string()) };
        if !view.standing.may_fence() {
            let why = view.standing.inquorate.clone().unwrap_or_default();
            return Err(format!("without quorum this changes nothing: {why}"));
        }
        match self.replica.fact(id).fact {
            Fact::Member | Fact::Leaving => {
                return Err(format!("{node} is a member and alive: it is not off"));
            }
            Fact::Left | Fact::Fenced => {
                return Ok(Decided::Nothing(Some(format!("{node} is known to be off already"))));
            }
            Fact::Lost | Fact::NeverSeen => {}
        }
        let entry =
            self.replica.open_fencing(node).cloned().unwrap_or_else(|| crate::replica::state::FenceEntry {
                record: FencingRecord {
                    number: self.replica.next_fencing_number(),
                    target: node.clone(),
                    action: FenceAction::Off,
                    reason: "confirmed by hand".to_string(),
                    by: None,
                    device: None,
                    requested_ms: now.wall_ms,
                    ended_ms: None,
                    state: FencingState::Pending,
                },
                session: self.replica.fact(id).session,
                cause: Cause::Loss,
                trials: 0,
                rounds: 0,
                cursor: (0, 0),
            });
        self.confirm(now, entry, FencingState::ConfirmedByHand);
        if let Some(lead) = self.lead.as_mut() {
            lead.invalidate();
        }
        Ok(Decided::Nothing(Some(format!(
            "{node} counts as fenced: if it is alive after all, data is at risk"
        ))))
    }

    fn require_primary(&self) -> Result<(), String> {
        let Some(view) = &self.membership.view else { return Err("this node is in no view".to_string()) };
        match view.standing.why_not_primary(|id| self.name_of(id).to_string()) {
            Some(why) => Err(format!("nothing can be changed now: {why}")),
            None => Ok(()),
        }
    }

    fn require_node(&self, name: &NodeName) -> Result<NodeId, String> {
        self.id_of(name).ok_or_else(|| {
            let known = self.corosync.nodes.iter().map(|node| node.name.as_str());
            unknown("node", name.as_str(), known)
        })
    }

    fn require_resource(&self, id: &ResourceId) -> Result<(), String> {
        let config = &self.replica.config;
        let known: Vec<&str> = known_resources(config);
        if known.contains(&id.as_str()) {
            Ok(())
        } else {
            Err(unknown("resource", id.as_str(), known.into_iter()))
        }
    }

    /// A configuration names only what there is, and can be kept safe.
    fn check_config(&self, config: &ClusterConfig) -> Result<(), String> {
        let is_bundle = |resource: &&Resource| matches!(resource, Resource::Bundle(_));
        if let Some(bundle) = config.resources.iter().find(is_bundle) {
            return Err(format!("`{}` is a bundle: muster does not run containers yet", bundle.id()));
        }
        if let Some(count) = too_many(config).first() {
            return Err(count.to_string());
        }
        config.primitives().try_for_each(|(primitive, _)| refuse_what_cannot_be_run(primitive))?;
        let known = known_resources(config);
        let require = |id: &ResourceId| {
            if known.contains(&id.as_str()) {
                Ok(())
            } else {
                Err(unknown("resource", id.as_str(), known.iter().copied()))
            }
        };
        for constraint in &config.constraints {
            constraint.resources().into_iter().try_for_each(require)?;
            match constraint {
                Constraint::Location { node, .. }
                | Constraint::LocationRule { nodes: Nodes::Node { node, .. }, .. } => {
                    self.require_node(node)?;
                }
                _ => {}
            }
        }
        for node in config.node_attributes.keys().chain(config.fence_levels.iter().map(|level| &level.target))
        {
            self.require_node(node)?;
        }
        let devices: Vec<&str> = config.fence_devices.iter().map(|device| device.id.as_str()).collect();
        for id in config.fence_levels.iter().flat_map(|level| &level.devices) {
            if !devices.contains(&id.as_str()) {
                return Err(unknown("fence device", id.as_str(), devices.into_iter()));
            }
        }
        if config.is_fencing_enabled() && config.fence_devices.is_empty() && !config.resources.is_empty() {
            return Err("there is no fence device: a node that is lost could not be switched off and its resources not \
                        be started elsewhere; add devices, or write `stonith-enabled: false` and accept that data may \
                        be lost"
                .to_string());
        }
        Ok(())
    }
}

/// When what is asked for so long ends.
fn end_of(now: Now, lifetime_ms: u64) -> Result<u64, String> {
    // A hundred years: more is a slip, and dates end somewhere.
    const LONGEST_MS: u64 = 100 * 365 * 24 * 3600 * 1000;
    match lifetime_ms <= LONGEST_MS {
        true => Ok(now.wall_ms.saturating_add(lifetime_ms)),
        false => {
            Err("a lifetime is at most 36500 days; without one the move holds until `resource clear`".into())
        }
    }
}

/// What the scheduler can decide and no agent can do yet.
fn refuse_what_cannot_be_run(primitive: &Primitive) -> Result<(), String> {
    let id = &primitive.id;
    let requires = primitive.meta.get("requires").map(String::as_str);
    if primitive.agent.is_connection() {
        Err(format!(
            "`{id}` is the connection to a remote node: muster runs its agent on every node, so make that node a member (`muster simulate` decides such clusters)"
        ))
    } else if let Some(guest) = primitive.meta.get("remote-node") {
        Err(format!(
            "`{id}` is to be the guest node `{guest}`: muster does not run resources inside of guests yet (`muster simulate` decides such clusters); leave `remote-node` out"
        ))
    } else if requires == Some("unfencing") {
        Err(format!(
            "`{id}` requires unfencing: muster's fence devices do not unfence yet (`muster simulate` decides such clusters); write `requires: fencing`"
        ))
    } else {
        Ok(())
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, known.clone()) {
        Some(nearest) => format!("unknown {what} `{name}`: did you mean `{nearest}`?"),
        None => format!("unknown {what} `{name}`: expected one of {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn join<'a>(names: impl Iterator<Item = &'a NodeName>) -> String {
    names.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn known_resources(config: &ClusterConfig) -> Vec<&str> {
    config.resources.iter().flat_map(Resource::metas).map(|(id, _)| id.as_str()).collect()
}

/// The primitives behind an id: itself, or all that are in the group, clone or bundle.
fn members_of<'a>(config: &'a ClusterConfig, id: &ResourceId) -> Vec<&'a ResourceId> {
    let is_whole =
        |resource: &Resource| resource.id() == id || resource.group().is_some_and(|group| group.id == *id);
    let meant = config.resources.iter().flat_map(|resource| {
        let is_whole = is_whole(resource);
        resource.primitives().iter().filter(move |primitive| is_whole || primitive.id == *id)
    });
    meant.map(|primitive| &primitive.id).collect()
}

fn set_standby(config: &mut ClusterConfig, node: &NodeName, on: bool) {
    if on {
        let attributes = config.node_attributes.entry(node.clone()).or_default();
        attributes.insert("standby".to_string(), "on".to_string());
    } else if let Some(attributes) = config.node_attributes.get_mut(node) {
        attributes.remove("standby");
        config.node_attributes.retain(|_, attributes| !attributes.is_empty());
    }
}

fn enable(config: &mut ClusterConfig, id: &ResourceId, on: bool) {
    for resource in &mut config.resources {
        match resource.meta_mut(id) {
            Some(meta) if on => {
                meta.remove("target-role");
            }
            Some(meta) => {
                meta.insert("target-role".to_string(), "Stopped".to_string());
            }
            None => {}
        }
    }
}

fn forget_moves(config: &mut ClusterConfig, id: &ResourceId) {
    config.constraints.retain(|constraint| match constraint {
        Constraint::Location { id: name, resource, .. } => resource != id || !is_move(name),
        _ => true,
    });
}

fn is_move(constraint: &str) -> bool {
    constraint.starts_with("cli-prefer-") || constraint.starts_with("cli-ban-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_past_a_hundred_years_is_refused_and_no_date_overflows() {
        let now = Now { wall_ms: u64::MAX - 5, ..Now::default() };
        assert_eq!(end_of(now, 1000), Ok(u64::MAX));
        assert!(end_of(now, u64::MAX).is_err());
    }
}
