//! Configuration, facts and history as one indexed picture: what the rest of the scheduler reads and fills in.

use super::actions;
use super::because::Because;
use super::bundles::{self, Bundled};
use super::copies::Copies;
use super::graph::Task;
use super::implied::BundleParts;
use super::meta::Meta;
use super::nodes::{self, Node, NodeIx, NodeState};
use super::settings::Settings;
use super::utilization::Room;
use super::{
    Situation, configured, constraints, failures, locations, remote, shutdown_locks, tickets, unpack,
};
use crate::observed::{Definition, Observed, Sighting};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::constraint::RoleName;
use muster_api::duration::parse_ms;
use muster_api::id::{NodeName, ResourceId};
use muster_api::resource::{AgentClass, Primitive, Score};

/// Place of a resource in [`World::resources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RscIx(pub(crate) usize);

/// Whether a resource runs, or shall, and as what. A later variant is more of the same: what is promoted is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Role {
    /// Not known, or not decided.
    #[default]
    Unknown,
    Stopped,
    Started,
    Unpromoted,
    Promoted,
}

impl Role {
    /// A role that a constraint is limited to; `Started` limits nothing.
    pub(crate) fn of(name: Option<RoleName>) -> Self {
        match name {
            None | Some(RoleName::Started) => Self::Unknown,
            Some(RoleName::Stopped) => Self::Stopped,
            Some(RoleName::Unpromoted) => Self::Unpromoted,
            Some(RoleName::Promoted) => Self::Promoted,
        }
    }

    pub(crate) fn is_active(self) -> bool {
        self > Self::Stopped
    }
}

/// What a resource is.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Primitive(&'a Primitive),
    /// Its members in starting order.
    Group(Vec<RscIx>),
    /// Its instances: primitives or groups. While they are placed the most deserving stands first.
    Clone(Copies),
    /// Its containers with all that belongs to them.
    Bundle(Bundled),
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
    /// The same for programs.
    pub(crate) because: Because,
}

/// A primitive, a group, a clone, a bundle, an instance of one of them, or an orphan.
#[derive(Debug)]
pub(crate) struct Rsc<'a> {
    /// As the history names it: the instances of an anonymous clone share the id of what they are copies of.
    pub(crate) id: ResourceId,
    /// What the history calls it where that is another name: older clusters recorded the number of an instance.
    pub(crate) known_as: Option<ResourceId>,
    /// The number of the instance that it is, or is a part of.
    pub(crate) copy: Option<usize>,
    pub(crate) kind: Kind<'a>,
    pub(crate) parent: Option<RscIx>,
    /// `priority`; while instances are placed, how much they deserve it.
    pub(crate) priority: Score,
    pub(crate) meta: Meta,
    pub(crate) is_managed: bool,
    /// Nobody may touch it until a person has looked.
    pub(crate) blocked: Option<String>,
    pub(crate) is_failed: bool,
    /// Its failure is cured by a demotion: nothing has to be stopped.
    pub(crate) is_cured_by_demotion: bool,
    pub(crate) is_start_pending: bool,
    /// It is being handed over, from one node to another.
    pub(crate) migrating: Option<(NodeIx, NodeIx)>,
    /// It was handed over, and what is left there was not stopped.
    pub(crate) left_behind: Vec<NodeIx>,
    pub(crate) cannot_migrate: bool,
    pub(crate) ignores_failures: bool,
    /// It is to be stopped and started although nothing is wrong with itself.
    pub(crate) restarts_because: Option<String>,
    /// It runs with other parameters than it should.
    pub(crate) is_changed: bool,
    /// It runs there with other parameters than it should, and its agent can take them over.
    pub(crate) reloads_on: Option<NodeIx>,
    /// It is no longer configured, or an instance that there is no room for.
    pub(crate) is_removed: bool,
    /// It is active on several nodes, and stays on one of them (`stop_unexpected`).
    pub(crate) stops_unexpected: bool,
    pub(crate) role: Role,
    pub(crate) next_role: Role,
    pub(crate) running_on: Vec<NodeIx>,
    /// By node: what its records say. Missing where there are none.
    pub(crate) observed: BTreeMap<NodeIx, Observed>,
    /// By node: how much it likes to be there. Missing where it may not be at all.
    pub(crate) scores: BTreeMap<NodeIx, Score>,
    /// The only nodes that it may be looked for on; all where none is named.
    pub(crate) exclusive_to: BTreeSet<NodeIx>,
    /// The nodes that it is not to be looked for on.
    pub(crate) never_on: BTreeSet<NodeIx>,
    /// By node: what locations say of its promoted role.
    pub(crate) promoted_scores: BTreeMap<NodeIx, Score>,
    /// By node: what locations say of it, where it is a group.
    pub(crate) located: BTreeMap<NodeIx, Score>,
    /// By node, where this has instances: how many are placed there (while roles are given: promoted there).
    pub(crate) copies_on: BTreeMap<NodeIx, usize>,
    /// Who comes first among the instances when roles are given: the promotion score with all that changes it.
    pub(crate) promotion: Score,
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
        self.is_removed
    }

    pub(crate) fn is_group(&self) -> bool {
        matches!(self.kind, Kind::Group(_))
    }

    pub(crate) fn is_clone(&self) -> bool {
        matches!(self.kind, Kind::Clone(_))
    }

    /// Whether it has instances: those of a clone, or the containers of a bundle.
    pub(crate) fn has_copies(&self) -> bool {
        self.copies().is_some()
    }

    /// Whether it is the connection to a node.
    pub(crate) fn is_connection(&self) -> bool {
        match &self.kind {
            Kind::Primitive(primitive) => primitive.agent.is_connection(),
            Kind::Orphan(definition) => definition.agent.is_connection(),
            _ => false,
        }
    }

    /// What actions are run for: neither a group nor anything that has instances.
    pub(crate) fn is_runnable(&self) -> bool {
        matches!(self.kind, Kind::Primitive(_) | Kind::Orphan(_))
    }

    /// How much it comprises: this decides whose colocations count first.
    pub(crate) fn size(&self) -> u8 {
        match self.kind {
            Kind::Primitive(_) | Kind::Orphan(_) => 0,
            Kind::Group(_) => 1,
            Kind::Clone(_) => 2,
            Kind::Bundle(_) => 3,
        }
    }

    pub(crate) fn copies(&self) -> Option<&Copies> {
        match &self.kind {
            Kind::Clone(copies) => Some(copies),
            Kind::Bundle(bundled) => Some(&bundled.containers),
            _ => None,
        }
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

/// Place of a colocation in [`World::colocations`].
pub(crate) type ColIx = usize;

/// A colocation between two resources of the world.
#[derive(Debug, Clone)]
pub(crate) struct Colocation {
    pub(crate) id: String,
    pub(crate) dependent: RscIx,
    pub(crate) primary: RscIx,
    pub(crate) score: Score,
    /// Only as long as the dependent has, or is to have, that role; `Unknown` is any.
    pub(crate) dependent_role: Role,
    /// Only with copies of the primary that are to have that role; `Unknown` is any.
    pub(crate) primary_role: Role,
    /// Together means on nodes with the same value of it; on the same node where it is not set.
    pub(crate) node_attribute: Option<String>,
    /// The dependent has a say in where the primary is placed.
    pub(crate) has_influence: bool,
    /// Configured, not implied by a group.
    pub(crate) is_explicit: bool,
}

impl Colocation {
    pub(crate) fn is_mandatory(&self) -> bool {
        self.score >= Score::INFINITY || self.score <= Score::MINUS_INFINITY
    }
}

/// The whole picture.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) situation: Situation<'a>,
    /// What each bundle consists of.
    pub(crate) parts: &'a [BundleParts],
    pub(crate) settings: Settings,
    pub(crate) nodes: Vec<Node>,
    pub(crate) resources: Vec<Rsc<'a>>,
    /// Resources at the top level, the most important first.
    pub(crate) top: Vec<RscIx>,
    pub(crate) colocations: Vec<Colocation>,
    /// By resource: the colocations in which it is the dependent, and those in which it is the primary.
    pub(crate) following: BTreeMap<RscIx, Vec<ColIx>>,
    pub(crate) followed: BTreeMap<RscIx, Vec<ColIx>>,
    /// What runs in a resource that is a container, by its id.
    pub(crate) contents: BTreeMap<ResourceId, Vec<RscIx>>,
    /// Where an id leads to: for what a clone has copies of to the clone.
    pub(crate) by_id: BTreeMap<ResourceId, RscIx>,
    /// What is left of the nodes' capacity.
    pub(crate) room: Room,
    /// When to decide again, whatever happens.
    pub(crate) next_check_ms: Option<u64>,
}

impl<'a> World<'a> {
    /// Reads everything that was said and seen.
    pub(crate) fn read(
        situation: Situation<'a>,
        states: &BTreeMap<NodeName, NodeState>,
        parts: &'a [BundleParts],
    ) -> Self {
        let config = situation.config;
        // With a watchdog a node that is cut off ends itself.
        let has_device = config.property_bool("have-watchdog", false)
            || !config.fence_devices.is_empty()
            || config.primitives().any(|(primitive, _)| primitive.agent.class == AgentClass::Stonith)
            || was_a_fence_device_seen(situation);
        let settings = Settings::read(config, situation.is_quorate, has_device);
        let nodes = nodes::read(states, config, parts, &settings);
        let room = Room::read(config, &nodes, states);
        let mut world = Self {
            situation,
            parts,
            settings,
            nodes,
            resources: Vec::new(),
            top: Vec::new(),
            colocations: Vec::new(),
            following: BTreeMap::new(),
            followed: BTreeMap::new(),
            contents: BTreeMap::new(),
            by_id: BTreeMap::new(),
            room,
            next_check_ms: None,
        };
        configured::add_all(&mut world);
        remote::connect(&mut world);
        unpack::add_history(&mut world);
        constraints::add_colocations(&mut world);
        bundles::colocate(&mut world);
        locations::apply(&mut world);
        tickets::apply(&mut world);
        shutdown_locks::apply(&mut world);
        failures::ban_after_too_many(&mut world);
        world
    }

    pub(crate) fn colocate(&mut self, colocation: Colocation) {
        if colocation.score == Score(0) || colocation.dependent == colocation.primary {
            return;
        }
        let place = self.colocations.len();
        self.following.entry(colocation.dependent).or_default().push(place);
        self.followed.entry(colocation.primary).or_default().push(place);
        self.colocations.push(colocation);
    }

    /// The resource that a constraint names.
    pub(crate) fn find(&self, id: &ResourceId) -> Option<RscIx> {
        self.by_id.get(id).copied()
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

    /// Everything that actions are run for: no groups, no clones, but their members and instances.
    pub(crate) fn runnables(&self) -> Vec<RscIx> {
        self.rsc_indexes().filter(|rsc| self[*rsc].is_runnable()).collect()
    }

    /// A group's members, a clone's instances; nothing for others.
    pub(crate) fn children(&self, rsc: RscIx) -> &[RscIx] {
        match &self[rsc].kind {
            Kind::Group(members) => members,
            Kind::Clone(copies) => &copies.instances,
            Kind::Bundle(bundled) => &bundled.containers.instances,
            Kind::Primitive(_) | Kind::Orphan(_) => &[],
        }
    }

    /// Everything that it directly consists of: of a bundle more than its containers.
    pub(crate) fn parts_of(&self, rsc: RscIx) -> Vec<RscIx> {
        let mut parts = self.children(rsc).to_vec();
        for replica in self.replicas(rsc) {
            parts.extend(replica.address.into_iter().chain(replica.connection));
        }
        parts.extend(self.content(rsc));
        parts
    }

    /// Those of its instances that can do a task: only what runs inside of a bundle can be promoted.
    pub(crate) fn instances_for(&self, rsc: RscIx, task: Task) -> &[RscIx] {
        let has_role = matches!(task.of_each(), Task::Promote | Task::Demote);
        self.children(self.content(rsc).filter(|_| has_role).unwrap_or(rsc))
    }

    /// A group's members; nothing for others.
    pub(crate) fn members(&self, rsc: RscIx) -> &[RscIx] {
        match &self[rsc].kind {
            Kind::Group(members) => members,
            _ => &[],
        }
    }

    /// Itself, or the primitives in it.
    pub(crate) fn leaves(&self, rsc: RscIx) -> Vec<RscIx> {
        if self[rsc].is_runnable() {
            return alloc::vec![rsc];
        }
        self.children(rsc).iter().flat_map(|child| self.leaves(*child)).collect()
    }

    /// The clone that it is an instance of, or a part of an instance of.
    pub(crate) fn clone_of(&self, rsc: RscIx) -> Option<RscIx> {
        let mut above = Some(rsc);
        while let Some(one) = above {
            if self[one].is_clone() {
                return Some(one);
            }
            above = self[one].parent;
        }
        None
    }

    /// The copies that a clone has, where it is an instance of one or a part of it.
    pub(crate) fn copies_of(&self, rsc: RscIx) -> Option<&Copies> {
        self.clone_of(rsc).and_then(|clone| self[clone].copies())
    }

    pub(crate) fn is_promotable(&self, rsc: RscIx) -> bool {
        let copies = self.copies_of(self.content(rsc).unwrap_or(rsc));
        copies.is_some_and(|copies| copies.is_promotable)
    }

    /// Whether one stands inside of the other.
    pub(crate) fn is_inside(&self, rsc: RscIx, whole: RscIx) -> bool {
        let parent = self[rsc].parent;
        parent.is_some_and(|parent| parent == whole || self.is_inside(parent, whole))
    }

    /// What it is: of a group or a clone what the most active part of it is.
    pub(crate) fn role(&self, rsc: RscIx) -> Role {
        let parts = self.children(rsc).iter().map(|part| self.role(*part)).max();
        parts.unwrap_or(self[rsc].role)
    }

    /// What it shall be.
    pub(crate) fn next_role(&self, rsc: RscIx) -> Role {
        let parts = self.children(rsc).iter().map(|part| self.next_role(*part)).max();
        parts.unwrap_or(self[rsc].next_role)
    }

    /// Whether it, or any part of it, is blocked.
    pub(crate) fn is_blocked(&self, rsc: RscIx) -> bool {
        self.leaves(rsc).into_iter().any(|leaf| self[leaf].blocked.is_some())
    }

    /// Where it is active, without doubles.
    pub(crate) fn active_nodes(&self, rsc: RscIx) -> Vec<NodeIx> {
        if self[rsc].is_runnable() {
            return self[rsc].running_on.clone();
        }
        let mut nodes = Vec::new();
        for node in self.leaves(rsc).into_iter().flat_map(|leaf| self[leaf].running_on.clone()) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes
    }

    /// Where it is placed: of a group where its first placed member is.
    pub(crate) fn place_of(&self, rsc: RscIx) -> Option<NodeIx> {
        if self[rsc].is_runnable() {
            return self[rsc].placed_on;
        }
        self.children(rsc).iter().find_map(|part| self.place_of(*part))
    }

    /// The value that decides whether two nodes are the same place for a colocation.
    pub(crate) fn locality<'w>(&'w self, node: NodeIx, attribute: Option<&str>) -> Option<&'w str> {
        // The inside of a bundle is where its container is.
        let host = self[node].is_bundled.then(|| remote::host_of(self, node)).flatten();
        let node = host.unwrap_or(node);
        match attribute {
            None | Some("#uname") => Some(self[node].name.as_str()),
            Some(attribute) => self[node].attribute(attribute),
        }
    }

    /// Whether the resource may be placed there: the node can run resources and the score is not negative.
    pub(crate) fn is_usable(&self, node: NodeIx, score: Score) -> bool {
        self[node].is_available() && score >= Score(0)
    }

    /// Whether a node is unclean and may be fenced.
    pub(crate) fn is_about_to_be_fenced(&self, node: NodeIx) -> bool {
        self[node].unclean.is_some() && self.can_fence(node)
    }

    /// Whether there is anything that may be started and stopped, fence devices included.
    pub(crate) fn manages_anything(&self) -> bool {
        let has_device = !self.situation.config.fence_devices.is_empty() && !self.settings.is_maintenance;
        has_device || self.top.iter().any(|rsc| self[*rsc].is_managed)
    }

    /// Whether a node can be fenced: a guest node by restarting its container, if its host is there or can be fenced.
    pub(crate) fn can_fence(&self, node: NodeIx) -> bool {
        match self[node].container {
            Some(container) => {
                let mut hosts = self[container].running_on.iter();
                hosts.all(|host| self[*host].is_online || self.can_fence(*host))
            }
            None => self.settings.can_fence(self[node].is_online),
        }
    }

    /// Whether it is a guest node that is there as soon as its container is.
    pub(crate) fn comes_with_its_container(&self, node: NodeIx) -> bool {
        self[node].container.is_some() && !self[node].must_be_reset
    }

    /// What a resource runs in, where that is another resource.
    pub(crate) fn container_of(&self, rsc: RscIx) -> Option<RscIx> {
        let container = self.find(self[rsc].meta.container.as_ref()?)?;
        (container != rsc).then_some(container)
    }

    /// What runs in a resource that is a container.
    pub(crate) fn inside_of(&self, container: RscIx) -> impl Iterator<Item = RscIx> + '_ {
        let contents = self.contents.get(&self[container].id).into_iter().flatten();
        contents.copied().filter(move |rsc| *rsc != container)
    }

    /// `reconnect_interval` of a connection; zero where it is not set.
    pub(crate) fn reconnect_ms(&self, connection: RscIx) -> u64 {
        let primitive = self[connection].primitive().filter(|_| self[connection].is_connection());
        let interval = primitive.and_then(|primitive| primitive.params.get("reconnect_interval"));
        interval.and_then(|text| parse_ms(text)).unwrap_or(0)
    }

    /// Where a resource is now: of several nodes the first; where nobody waits for fencing, the first that is there and
    /// clean.
    pub(crate) fn current_node(&self, rsc: RscIx) -> Option<NodeIx> {
        let nodes = self.active_nodes(rsc);
        if let Some((source, _)) = self[rsc].migrating.filter(|(source, _)| nodes.contains(source)) {
            return Some(source);
        }
        let waits = self[rsc].is_runnable() && actions::requires(self, rsc).needs_fencing();
        let is_healthy = |node: &&NodeIx| waits || self[**node].is_online && self[**node].unclean.is_none();
        nodes.iter().find(is_healthy).or(nodes.first()).copied()
    }

    /// Decide again at that moment at the latest.
    pub(crate) fn check_again_at(&mut self, at_ms: u64) {
        if at_ms > self.situation.now_ms {
            self.next_check_ms = Some(self.next_check_ms.map_or(at_ms, |earlier| earlier.min(at_ms)));
        }
    }
}

/// Whether there are records of a fence device: one that was removed from the configuration is there until it is stopped.
fn was_a_fence_device_seen(situation: Situation<'_>) -> bool {
    let records = situation.history.nodes.values().flat_map(BTreeMap::values).flatten();
    records.into_iter().any(|record| record.agent.class == AgentClass::Stonith)
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
