//! What decided about a resource: why it is where it is, or why nowhere.

use super::Explaining;
use crate::schedule::because::Because;
use crate::schedule::graph::{ActionIx, Relation, Task};
use crate::schedule::nodes::NodeIx;
use crate::schedule::settings::QuorumPolicy;
use crate::schedule::world::{RscIx, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::constraint::{Constraint, ResourceSet};
use muster_api::explanation::{Cause, QuorumLack, Reason, Scope};
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{Resource, Score};

/// The innermost of what it is in, or itself, whose `target-role` is `Stopped`: enabling that is what helps.
pub(crate) fn disabled_at(world: &World<'_>, rsc: RscIx) -> ResourceId {
    let is_stopped = |id: &ResourceId| {
        let metas = world.situation.config.resources.iter().flat_map(Resource::metas);
        let mut roles =
            metas.filter(|(known, _)| *known == id).filter_map(|(_, meta)| meta.get("target-role"));
        roles.any(|role| role.eq_ignore_ascii_case("stopped"))
    };
    let mut above = Some(rsc);
    while let Some(one) = above {
        if is_stopped(&world[one].id) {
            return world[one].id.clone();
        }
        above = world[one].parent;
    }
    world[rsc].id.clone()
}

impl Explaining<'_, '_> {
    /// What decided, the decisive first.
    pub(super) fn reasons(&self, rsc: RscIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        asked.push(rsc);
        let reasons = match (self.general(rsc), self.obstructed_start(rsc), self.will_run(rsc)) {
            (Some(cause), _, _) => alloc::vec![self.reason(rsc, cause)],
            (None, Some(start), _) => self.why_not_started(rsc, start, asked),
            (None, None, Some(node)) => alloc::vec![self.attraction(rsc, node, asked)],
            (None, None, None) => self.nowhere(rsc, asked),
        };
        asked.pop();
        reasons
    }

    fn reason(&self, rsc: RscIx, cause: Cause) -> Reason {
        Reason::new(self.world[rsc].id.clone(), cause)
    }

    /// What holds on all nodes alike.
    pub(super) fn general(&self, rsc: RscIx) -> Option<Cause> {
        let (one, settings) = (&self.world[rsc], &self.world.settings);
        Some(if let Some(why) = &one.blocked {
            Cause::Blocked { why: why.clone() }
        } else if settings.lacks_fence_device() {
            one.running_on.iter().find_map(|node| self.unclean(*node)).unwrap_or(Cause::NoFenceDevice)
        } else if one.is_orphan() && one.is_managed {
            Cause::Removed
        } else if !one.is_managed {
            self.why_left_alone(rsc)
        } else if one.meta.is_disabled {
            Cause::Disabled { at: disabled_at(self.world, rsc) }
        } else if settings.stops_all {
            Cause::StopAll
        } else {
            return None;
        })
    }

    fn why_left_alone(&self, rsc: RscIx) -> Cause {
        let one = &self.world[rsc];
        let in_maintenance = one.running_on.iter().find(|node| self.world[**node].is_maintenance);
        if self.world.settings.is_maintenance {
            Cause::Maintenance { scope: Scope::Cluster }
        } else if one.meta.is_maintenance {
            Cause::Maintenance { scope: Scope::Resource }
        } else if let Some(node) = in_maintenance {
            Cause::Maintenance { scope: Scope::Node(self.world[*node].name.clone()) }
        } else {
            Cause::Unmanaged
        }
    }

    fn unclean(&self, node: NodeIx) -> Option<Cause> {
        let there = &self.world[node];
        let why = there.unclean.clone()?;
        Some(Cause::Unclean { node: there.name.clone(), why, fencing: self.fencing_obstacle(node) })
    }

    /// The nodes whose fencing a start waits for.
    pub(super) fn fencings_before(&self, rsc: RscIx) -> Vec<Reason> {
        let starts = self.graph.doing(rsc, Task::Start).chain(self.graph.doing(rsc, Task::Promote));
        let due = starts.filter(|start| self.graph[*start].is_due());
        let before = due.flat_map(|start| self.graph.before(start));
        let fencings = before.filter_map(|edge| {
            let edge = &self.graph.edges[*edge];
            let first = &self.graph[edge.first];
            (first.task == Task::Fence && self.graph.binds(edge)).then_some(first.node).flatten()
        });
        let mut nodes: Vec<NodeIx> = fencings.collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.into_iter().filter_map(|node| Some(self.reason(rsc, self.unclean(node)?))).collect()
    }

    /// A start that is wanted and cannot be.
    pub(super) fn obstructed_start(&self, rsc: RscIx) -> Option<ActionIx> {
        let node = self.will_run(rsc)?;
        let start = self.graph.on(rsc, Task::Start, node)?;
        let is_there = self.world[rsc].running_on.contains(&node) && !self.world[rsc].is_failed;
        (!self.graph[start].is_runnable && !is_there).then_some(start)
    }

    fn why_not_started(&self, rsc: RscIx, start: ActionIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        if self.lacks_quorum() && !self.is_held_by_another(start) {
            return alloc::vec![self.reason(rsc, self.no_quorum())];
        }
        if let Some(reason) = self.held_by(rsc, start, asked) {
            return alloc::vec![reason];
        }
        let what = self.graph[start].why.clone().unwrap_or_else(|| "its start is not possible".into());
        alloc::vec![self.reason(rsc, Cause::Other { what })]
    }

    fn lacks_quorum(&self) -> bool {
        !matches!(self.world.settings.quorum_policy_in_force(), QuorumPolicy::Ignore)
    }

    fn is_held_by_another(&self, start: ActionIx) -> bool {
        self.graph[start].why.as_ref().is_none_or(|why| !why.contains("no quorum"))
    }

    pub(super) fn no_quorum(&self) -> Cause {
        let property = self.world.situation.config.properties.get("no-quorum-policy");
        let policy = property.cloned().unwrap_or_else(|| "stop".to_string());
        let absent = self.world.nodes.iter().filter(|node| !node.is_online && node.connection.is_none());
        let missing: Vec<NodeName> = absent.map(|node| node.name.clone()).collect();
        Cause::NoQuorum(QuorumLack { policy, missing })
    }

    /// The action of another resource that has to come first, and cannot be done.
    fn held_by(&self, rsc: RscIx, start: ActionIx, asked: &mut Vec<RscIx>) -> Option<Reason> {
        let blocks = |edge: &&usize| {
            let edge = &self.graph.edges[**edge];
            let binding = Relation::FIRST_BLOCKS_THEN.and(Relation::FIRST_IMPLIES_THEN);
            edge.relation.has(binding) && !self.graph[edge.first].is_runnable
        };
        let before = self.graph.before(start).iter().filter(blocks);
        let firsts = before.filter_map(|edge| {
            let first = self.graph.edges[*edge].first;
            let other = self.graph[first].rsc.filter(|other| *other != rsc)?;
            Some((other, self.graph[first].task))
        });
        let (first, task) = firsts.into_iter().next()?;
        let cause = match self.shared_group(rsc, first) {
            Some(group) => {
                let group = self.world[group].id.clone();
                Cause::EarlierMember { group, member: self.world[first].id.clone(), node: None }
            }
            None => Cause::Order {
                constraint: self.order_between(first, rsc),
                first: self.world[first].id.clone(),
                action: task.name().to_string(),
            },
        };
        Some(self.reason(rsc, cause).because(self.deeper(first, asked)))
    }

    pub(super) fn shared_group(&self, one: RscIx, other: RscIx) -> Option<RscIx> {
        let group = self.world[one].parent.filter(|group| self.world[*group].is_group())?;
        (self.world[other].parent == Some(group)).then_some(group)
    }

    fn order_between(&self, first: RscIx, then: RscIx) -> Option<String> {
        let is_part = |rsc: RscIx, id: &ResourceId| {
            let whole = self.world.find(id);
            whole.is_some_and(|whole| self.is_within(rsc, whole)) || self.world[rsc].id == *id
        };
        let in_sets = |sets: &[ResourceSet], rsc: RscIx| {
            sets.iter().flat_map(|set| &set.resources).any(|id| is_part(rsc, id))
        };
        let is_between = |constraint: &&Constraint| match constraint {
            Constraint::Order { first: before, then: after, .. } => {
                is_part(first, before) && is_part(then, after)
            }
            Constraint::OrderSets { sets, .. } => in_sets(sets, first) && in_sets(sets, then),
            _ => false,
        };
        self.asked.constraints.iter().find(is_between).map(|constraint| constraint.id().to_string())
    }

    /// Why this node and no other.
    pub(super) fn attraction(&self, rsc: RscIx, node: NodeIx, asked: &mut Vec<RscIx>) -> Reason {
        let score = |node: &NodeIx| self.world[rsc].scores.get(node).copied();
        let is_usable =
            |other: &NodeIx| score(other).is_some_and(|score| self.world.is_usable(*other, score));
        let others: Vec<NodeIx> =
            self.world.node_indexes().filter(|other| *other != node && is_usable(other)).collect();
        if others.is_empty() {
            return self.only_node(rsc, node, asked);
        }
        let own = score(&node).unwrap_or_default();
        let best =
            others.iter().filter_map(|other| Some((*other, score(other)?))).max_by_key(|(_, score)| *score);
        let notes = self.world[rsc].notes.iter().filter(|note| note.node == Some(node));
        let likes = notes.filter(|note| note.score > Score(0)).max_by_key(|note| note.score);
        let name = self.world[node].name.clone();
        match (likes, best) {
            (_, Some((_, second))) if second >= own => {
                self.reason(rsc, Cause::FewestResources { node: name })
            }
            (Some(note), _) => self.reason_of(rsc, node, note, asked),
            (None, best) => {
                let second = best.map(|(other, score)| (self.world[other].name.clone(), score));
                self.reason(rsc, Cause::BestScore { node: name, score: own, second })
            }
        }
    }

    /// The other nodes cannot have it: why not is the reason why it is here.
    fn only_node(&self, rsc: RscIx, node: NodeIx, asked: &mut Vec<RscIx>) -> Reason {
        let bound = self.world[rsc].notes.iter().find(|note| {
            matches!(note.because, Because::Beside { .. } | Because::Without { .. })
                && note.node != Some(node)
        });
        if let Some(note) = bound {
            return self.reason_of(rsc, note.node.unwrap_or(node), note, asked);
        }
        let name = self.world[node].name.clone();
        self.reason(rsc, Cause::OnlyNode { node: name })
    }

    fn nowhere(&self, rsc: RscIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        let world = self.world;
        let everywhere =
            world[rsc].notes.iter().find(|note| note.node.is_none() && note.score <= Score::MINUS_INFINITY);
        if let Some(note) = everywhere {
            let node = world.node_indexes().next().unwrap_or(NodeIx(0));
            return alloc::vec![self.reason_of(rsc, node, note, asked)];
        }
        let mut reasons: Vec<Reason> = Vec::new();
        let mut nodes: Vec<NodeIx> = world.node_indexes().filter(|node| !world[*node].is_bundled).collect();
        nodes.sort_by_key(|node| !world[*node].is_available());
        for node in nodes {
            for reason in self.obstacles(rsc, node, asked) {
                if !reasons.iter().any(|known| known.cause == reason.cause) {
                    reasons.push(reason);
                }
            }
        }
        if reasons.is_empty() {
            let what = match self.is_copy(rsc) {
                true => "every node that may run one has its share of instances",
                false => "no node may run it",
            };
            reasons.push(self.reason(rsc, Cause::Other { what: what.into() }));
        }
        reasons
    }

    /// What is done before it can start.
    pub(super) fn waits_for(&self, rsc: RscIx) -> Vec<String> {
        let starts = self.graph.doing(rsc, Task::Start).chain(self.graph.doing(rsc, Task::Promote));
        let due: Vec<ActionIx> = starts.filter(|start| self.graph[*start].is_due()).collect();
        let mut waits = Vec::new();
        for start in due {
            for edge in self.graph.before(start) {
                let edge = &self.graph.edges[*edge];
                let first = &self.graph[edge.first];
                if self.graph.binds(edge) && !first.is_pseudo && first.rsc != Some(rsc) {
                    waits.extend(self.action_text(edge.first));
                }
            }
        }
        waits.sort();
        waits.dedup();
        waits
    }

    fn action_text(&self, action: ActionIx) -> Option<String> {
        let action = &self.graph[action];
        let node = &self.world[action.node?].name;
        Some(match action.rsc {
            Some(rsc) => format!("{} of {} on {node}", action.task.name(), self.world[rsc].id),
            None => format!("{} of {node}", action.task.name()),
        })
    }
}
