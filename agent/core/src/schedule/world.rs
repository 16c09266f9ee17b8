//! Configuration, facts and history as one indexed picture: what the rest of the scheduler reads and fills in.

use super::meta::Meta;
use super::nodes::{self, Node, NodeIx, NodeState};
use super::settings::Settings;
use super::{Situation, failures, locations, unpack};
use crate::observed::{Definition, Observed, Sighting};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{AgentClass, Constraint, Primitive, Score};

/// Place of a resource in [`World::resources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RscIx(pub(crate) usize);

/// Whether a resource runs, or shall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Role {
    /// Not known, or not decided.
    #[default]
    Unknown,
    Stopped,
    Started,
}

/// What a resource is.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Primitive(&'a Primitive),
    /// Its members in starting order.
    Group(Vec<RscIx>),
    /// Records of a resource that is no longer configured.
    Orphan(Definition),
}

/// Something that changed a resource's score on a node, or on all nodes, for the report.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) node: Option<NodeIx>,
    pub(crate) score: Score,
    /// Completes "it … there": `is banned by location cli-ban`.
    pub(crate) why: String,
}

/// A primitive, a group or an orphan.
#[derive(Debug)]
pub(crate) struct Rsc<'a> {
    pub(crate) id: ResourceId,
    pub(crate) kind: Kind<'a>,
    pub(crate) parent: Option<RscIx>,
    pub(crate) meta: Meta,
    pub(crate) is_managed: bool,
    /// Nobody may touch it until a person has looked.
    pub(crate) blocked: Option<String>,
    pub(crate) is_failed: bool,
    pub(crate) is_start_pending: bool,
    pub(crate) ignores_failures: bool,
    /// It runs with other parameters than it should.
    pub(crate) is_changed: bool,
    /// It is active on several nodes, and stays on one of them (`stop_unexpected`).
    pub(crate) stops_unexpected: bool,
    pub(crate) role: Role,
    pub(crate) next_role: Role,
    pub(crate) running_on: Vec<NodeIx>,
    /// By node: what its records say. Missing where there are none.
    pub(crate) observed: BTreeMap<NodeIx, Observed>,
    /// By node: how much it likes to be there. Missing where it may not be at all.
    pub(crate) scores: BTreeMap<NodeIx, Score>,
    pub(crate) placed_on: Option<NodeIx>,
    pub(crate) is_placed: bool,
    /// Being placed at this moment: the guard against circles of constraints.
    pub(crate) is_placing: bool,
    /// Its scores are being asked for at this moment: the same guard for scores.
    pub(crate) is_scoring: bool,
    pub(crate) notes: Vec<Note>,
}

impl Rsc<'_> {
    pub(crate) fn is_orphan(&self) -> bool {
        matches!(self.kind, Kind::Orphan(_))
    }

    pub(crate) fn is_group(&self) -> bool {
        matches!(self.kind, Kind::Group(_))
    }

    pub(crate) fn is_fence_device(&self) -> bool {
        matches!(self.kind, Kind::Primitive(primitive) if primitive.agent.class == AgentClass::Stonith)
    }

    pub(crate) fn primitive(&self) -> Option<&Primitive> {
        match self.kind {
            Kind::Primitive(primitive) => Some(primitive),
            _ => None,
        }
    }

    /// Whether somebody has looked for it on that node.
    pub(crate) fn is_known_on(&self, node: NodeIx) -> bool {
        self.observed.get(&node).is_some_and(|observed| observed.state != Sighting::Unknown)
    }

    /// Sets the role to come, unless a stricter one was set.
    pub(crate) fn limit_next_role(&mut self, role: Role) {
        if self.next_role == Role::Unknown || role < self.next_role {
            self.next_role = role;
        }
    }
}

/// A colocation between two resources of the world.
#[derive(Debug)]
pub(crate) struct Colocation {
    pub(crate) id: String,
    pub(crate) dependent: RscIx,
    pub(crate) primary: RscIx,
    pub(crate) score: Score,
    /// Configured, not implied by a group.
    pub(crate) is_explicit: bool,
}

/// The whole picture.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) situation: Situation<'a>,
    pub(crate) settings: Settings,
    pub(crate) nodes: Vec<Node>,
    pub(crate) resources: Vec<Rsc<'a>>,
    /// Resources at the top level, the most important first.
    pub(crate) top: Vec<RscIx>,
    pub(crate) colocations: Vec<Colocation>,
    /// When to decide again, whatever happens.
    pub(crate) next_check_ms: Option<u64>,
}

impl<'a> World<'a> {
    /// Reads everything that was said and seen.
    pub(crate) fn read(situation: Situation<'a>, states: &BTreeMap<NodeName, NodeState>) -> Self {
        let config = situation.config;
        let has_device = !config.fence_devices.is_empty()
            || config.primitives().any(|(primitive, _)| primitive.agent.class == AgentClass::Stonith);
        let settings = Settings::read(config, situation.is_quorate, has_device);
        let nodes = nodes::read(states, config, &settings);
        let mut world = Self {
            situation,
            settings,
            nodes,
            resources: Vec::new(),
            top: Vec::new(),
            colocations: Vec::new(),
            next_check_ms: None,
        };
        unpack::add_configured(&mut world);
        unpack::add_history(&mut world);
        world.add_colocations();
        locations::apply(&mut world);
        failures::ban_after_too_many(&mut world);
        world
    }

    /// A group's members are colocated, each with the one before it; then what the configuration says.
    fn add_colocations(&mut self) {
        let mut colocations = Vec::new();
        for rsc in &self.resources {
            let Kind::Group(members) = &rsc.kind else { continue };
            colocations.extend(members.windows(2).map(|pair| Colocation {
                id: "#group-members".into(),
                dependent: pair[1],
                primary: pair[0],
                score: Score::INFINITY,
                is_explicit: false,
            }));
        }
        for constraint in &self.situation.config.constraints {
            let Constraint::Colocation { id, resource, with, score, .. } = constraint else { continue };
            let (Some(dependent), Some(primary)) = (self.find(resource), self.find(with)) else { continue };
            if *score != Score(0) && dependent != primary {
                let (id, score) = (id.clone(), *score);
                colocations.push(Colocation { id, dependent, primary, score, is_explicit: true });
            }
        }
        self.colocations = colocations;
    }

    pub(crate) fn find(&self, id: &ResourceId) -> Option<RscIx> {
        self.resources.iter().position(|rsc| rsc.id == *id).map(RscIx)
    }

    pub(crate) fn find_node(&self, name: &NodeName) -> Option<NodeIx> {
        self.nodes.iter().position(|node| node.name == *name).map(NodeIx)
    }

    pub(crate) fn node_indexes(&self) -> impl Iterator<Item = NodeIx> + use<> {
        (0..self.nodes.len()).map(NodeIx)
    }

    pub(crate) fn rsc_indexes(&self) -> impl Iterator<Item = RscIx> + use<> {
        (0..self.resources.len()).map(RscIx)
    }

    /// Everything that actions are run for: no groups.
    pub(crate) fn runnables(&self) -> Vec<RscIx> {
        self.rsc_indexes().filter(|rsc| !self[*rsc].is_group()).collect()
    }

    /// A group's members; nothing for others.
    pub(crate) fn members(&self, rsc: RscIx) -> &[RscIx] {
        match &self[rsc].kind {
            Kind::Group(members) => members,
            _ => &[],
        }
    }

    /// Whether the resource may be placed there: the node can run resources and the score is not negative.
    pub(crate) fn is_usable(&self, node: NodeIx, score: Score) -> bool {
        self[node].is_available() && score >= Score(0)
    }

    /// Whether a node is unclean and may be fenced.
    pub(crate) fn is_about_to_be_fenced(&self, node: NodeIx) -> bool {
        self[node].unclean.is_some() && self.settings.can_fence(self[node].is_online)
    }

    /// Where a resource is now: of several nodes the first that is there and clean.
    pub(crate) fn current_node(&self, rsc: RscIx) -> Option<NodeIx> {
        let nodes = &self[rsc].running_on;
        let is_healthy = |node: &&NodeIx| self[**node].is_online && self[**node].unclean.is_none();
        nodes.iter().find(is_healthy).or(nodes.first()).copied()
    }

    /// Decide again at that moment at the latest.
    pub(crate) fn check_again_at(&mut self, at_ms: u64) {
        if at_ms > self.situation.now_ms {
            self.next_check_ms = Some(self.next_check_ms.map_or(at_ms, |earlier| earlier.min(at_ms)));
        }
    }
}

impl<'a> core::ops::Index<RscIx> for World<'a> {
    type Output = Rsc<'a>;

    fn index(&self, rsc: RscIx) -> &Rsc<'a> {
        &self.resources[rsc.0]
    }
}

impl core::ops::IndexMut<RscIx> for World<'_> {
    fn index_mut(&mut self, rsc: RscIx) -> &mut Self::Output {
        &mut self.resources[rsc.0]
    }
}

impl core::ops::Index<NodeIx> for World<'_> {
    type Output = Node;

    fn index(&self, node: NodeIx) -> &Node {
        &self.nodes[node.0]
    }
}

impl core::ops::IndexMut<NodeIx> for World<'_> {
    fn index_mut(&mut self, node: NodeIx) -> &mut Node {
        &mut self.nodes[node.0]
    }
}
