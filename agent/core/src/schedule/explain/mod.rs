//! Why a resource is where it is, or nowhere: a decision's picture of the world -> a typed explanation, followed from one
//! resource to the next where another one's fate decides.

mod fencing;
mod obstacles;
mod places;
mod reasons;

pub(crate) use reasons::disabled_at;

use super::graph::Graph;
use super::nodes::NodeState;
use super::report;
use super::world::{Kind, Role, RscIx, World};
use super::{Situation, think};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use muster_api::cluster::ClusterConfig;
use muster_api::explanation::{Explanation, Part};
use muster_api::fencing::FencingRecord;
use muster_api::id::{NodeName, ResourceId};
use muster_api::nearest::nearest;
use muster_api::status::{ResourceState, ResourceStatus};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// About which resource, group, clone or bundle.
    pub resource: &'a str,
    /// On which node, in detail; all of them in short where none is named.
    pub on: Option<&'a str>,
    /// What came of fencing: why a node that should be off is not.
    pub fencing: &'a [FencingRecord],
}

/// A name that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// There is no such resource or node.
    Name {
        /// `resource` or `node`.
        what: &'static str,
        /// As it was given.
        name: String,
        /// What may be meant.
        nearest: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// It is a fence device: that is placed nowhere.
    FenceDevice(String),
}

impl core::error::Error for Unknown {}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { what, name, nearest: Some(nearest), .. } => {
                write!(formatter, "unknown {what} `{name}`: did you mean `{nearest}`?")
            }
            Self::Name { what, name, known, .. } if known.is_empty() => {
                write!(formatter, "unknown {what} `{name}`: there is none")
            }
            Self::Name { what, name, known, .. } => {
                write!(formatter, "unknown {what} `{name}`: expected one of {}", known.join(", "))
            }
            Self::FenceDevice(name) => write!(
                formatter,
                "`{name}` is a fence device: it runs nowhere, any member uses it when a node must be off; \
                 `musterd status` shows which nodes it can fence and what came of it"
            ),
        }
    }
}

/// Explains one resource at the moment of a decision.
///
/// # Errors
///
/// There is no such resource, or no such node.
pub fn explain(
    situation: &Situation<'_>,
    states: &BTreeMap<NodeName, NodeState>,
    question: Question<'_>,
) -> Result<Explanation, Unknown> {
    think(situation, states, |world, graph| {
        let rsc = find(world, question.resource)?;
        let on = question.on.map(|name| find_node(world, name)).transpose()?;
        let explaining = Explaining { world, graph, fencing: question.fencing, asked: situation.config };
        Ok(explaining.explanation(rsc, on))
    })
}

fn find(world: &World<'_>, name: &str) -> Result<RscIx, Unknown> {
    let id = ResourceId::from(name);
    let named = world.rsc_indexes().find(|rsc| world[*rsc].id == id);
    if let Some(rsc) = world.find(&id).or(named) {
        return Ok(rsc);
    }
    if world.situation.config.fence_devices.iter().any(|device| device.id == id) {
        return Err(Unknown::FenceDevice(name.to_string()));
    }
    let known: Vec<String> = world.rsc_indexes().map(|rsc| world[rsc].id.to_string()).collect();
    Err(unknown("resource", name, known))
}

fn find_node(world: &World<'_>, name: &str) -> Result<super::nodes::NodeIx, Unknown> {
    let known = || world.nodes.iter().map(|node| node.name.to_string()).collect();
    world.find_node(&name.into()).ok_or_else(|| unknown("node", name, known()))
}

pub(crate) fn unknown(what: &'static str, name: &str, mut known: Vec<String>) -> Unknown {
    known.dedup();
    let nearest = nearest(name, known.iter().map(String::as_str)).map(ToString::to_string);
    Unknown::Name { what, name: name.to_string(), nearest, known }
}

/// The command that would let a resource run, or what else to do: the line below it in `status`.
pub(crate) fn next_step(world: &World<'_>, graph: &Graph, rsc: RscIx) -> Option<String> {
    let explaining = Explaining { world, graph, fencing: &[], asked: world.situation.config };
    let reasons = explaining.reasons(explaining.decisive(rsc), &mut Vec::new());
    let explanation = Explanation {
        resource: world[rsc].id.clone(),
        agent: String::new(),
        state: ResourceState::Stopped,
        nodes: Vec::new(),
        promoted: Vec::new(),
        reasons,
        waits_for: Vec::new(),
        places: Vec::new(),
        parts: Vec::new(),
    };
    let step = explanation.next_steps().into_iter().next()?.clone();
    Some(match step.command {
        Some(command) => format!("{}: {command}", step.what),
        None => step.what,
    })
}

/// What an explanation is made from.
#[derive(Clone, Copy)]
struct Explaining<'e, 'w> {
    world: &'e World<'w>,
    graph: &'e Graph,
    fencing: &'e [FencingRecord],
    /// The configuration as it was written, with the rules that stand behind plain locations.
    asked: &'e ClusterConfig,
}

impl Explaining<'_, '_> {
    fn explanation(&self, rsc: RscIx, on: Option<super::nodes::NodeIx>) -> Explanation {
        let status = report::status(self.world, self.graph, rsc);
        let decisive = self.instance_on(rsc, on).unwrap_or_else(|| self.decisive(rsc));
        let mut reasons = self.reasons(decisive, &mut Vec::new());
        reasons.extend(self.fencings_before(decisive));
        Explanation {
            reasons,
            waits_for: self.waits_for(decisive),
            places: self.places(rsc, on),
            parts: self.parts(rsc),
            resource: status.id,
            agent: status.agent,
            state: status.state,
            nodes: status.nodes,
            promoted: status.promoted,
        }
    }

    /// Of a group the first member that does not run as it shall, of a clone the first such instance: what a person asks
    /// about. Where all is well, the first.
    fn decisive(&self, rsc: RscIx) -> RscIx {
        let children = self.world.children(rsc);
        let Some(first) = children.first() else { return rsc };
        let is_troubled = |child: &&RscIx| self.is_troubled(self.decisive(**child));
        let counted = children.iter().filter(|child| !self.is_surplus(**child));
        let troubled = counted.into_iter().find(is_troubled);
        self.decisive(troubled.copied().unwrap_or(*first))
    }

    fn is_troubled(&self, rsc: RscIx) -> bool {
        let one = &self.world[rsc];
        !one.next_role.is_active() || one.is_failed || one.blocked.is_some() || !self.can_start(rsc)
    }

    /// An instance that there is no node for is no trouble: a clone has as many as there is room for.
    fn is_surplus(&self, instance: RscIx) -> bool {
        report::is_surplus(self.world, instance)
    }

    /// The instance that is on a node or comes there; of a group the first member.
    fn instance_on(&self, rsc: RscIx, on: Option<super::nodes::NodeIx>) -> Option<RscIx> {
        let node = on?;
        if self.world[rsc].is_runnable() {
            return Some(rsc);
        }
        if self.world[rsc].is_group() {
            return Some(self.decisive(rsc));
        }
        let instances = self.world.children(rsc);
        let is_there = |instance: &&RscIx| {
            let leaves = self.world.leaves(**instance);
            leaves.iter().any(|leaf| {
                self.world[*leaf].placed_on == Some(node) || self.world[*leaf].running_on.contains(&node)
            })
        };
        let free = || instances.iter().find(|instance| self.world.place_of(**instance).is_none());
        let instance = instances.iter().find(is_there).or_else(free)?;
        Some(self.decisive(*instance))
    }

    fn parts(&self, rsc: RscIx) -> Vec<Part> {
        let shown = |part: &&RscIx| !self.is_surplus(**part);
        let children = self.world.children(rsc).iter().filter(shown);
        let part = |part: &RscIx| {
            let ResourceStatus { id, state, nodes, why, .. } = report::status(self.world, self.graph, *part);
            Part { id, state, nodes, why }
        };
        children.map(part).collect()
    }

    fn can_start(&self, rsc: RscIx) -> bool {
        let start = self.obstructed_start(rsc);
        start.is_none()
    }

    fn is_copy(&self, rsc: RscIx) -> bool {
        matches!(self.world[rsc].parent.map(|parent| &self.world[parent].kind), Some(Kind::Clone(_)))
    }

    fn will_run(&self, rsc: RscIx) -> Option<super::nodes::NodeIx> {
        let one = &self.world[rsc];
        one.placed_on.filter(|_| one.next_role.is_active() && one.next_role != Role::Unknown)
    }
}
