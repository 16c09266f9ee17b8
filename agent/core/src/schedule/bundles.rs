//! Bundles: replicas of a container, each with its address, the connection to the node that the container is for the
//! resource inside, and an instance of that resource. The containers are placed like the instances of a clone; all else of a
//! replica follows its container (Pacemaker Explained, "Bundles").

use super::configured::{self, Adding};
use super::copies::Copies;
use super::graph::{Graph, Relation, Task};
use super::implied::{BundleParts, ReplicaParts};
use super::instances;
use super::meta::{Layers, Meta};
use super::nodes::NodeIx;
use super::ordering::{add_points, order};
use super::placement::{Wish, place};
use super::world::{Colocation, Kind, Role, RscIx, World};
use alloc::string::ToString;
use alloc::vec::Vec;
use muster_api::resource::{Bundle, Primitive, Score};

/// A connection stays with its container if it can: it may not be where that is on a remote node.
const CONNECTION_TO_CONTAINER: Score = Score(10_000);
/// How much an instance likes the node that was made for it.
const OWN_NODE: Score = Score(500);

/// The parts of a bundle.
#[derive(Debug)]
pub(crate) struct Bundled {
    /// The containers, as what there are instances of.
    pub(crate) containers: Copies,
    /// In the order of their numbers.
    pub(crate) replicas: Vec<Replica>,
    /// The clone of the resource inside.
    pub(crate) content: Option<RscIx>,
}

/// One replica.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replica {
    pub(crate) container: RscIx,
    pub(crate) address: Option<RscIx>,
    pub(crate) connection: Option<RscIx>,
    /// The node that the container is for what runs inside.
    pub(crate) node: Option<NodeIx>,
    /// The instance inside.
    pub(crate) inside: Option<RscIx>,
}

/// Adds a bundle with all that it consists of.
pub(crate) fn add<'a>(
    world: &mut World<'a>,
    bundle: &'a Bundle,
    parts: &'a BundleParts,
    outer: &Layers<'a>,
) -> RscIx {
    let meta = outer.within(&bundle.meta);
    let containers = Copies::of_bundle(&meta, parts);
    let kind = Kind::Bundle(Bundled { containers, replicas: Vec::new(), content: None });
    let ix = configured::add(world, bundle.id.clone(), kind, None, Meta::read(&meta));
    world.by_id.insert(bundle.id.clone(), ix);
    let mut replicas: Vec<Replica> =
        parts.replicas.iter().map(|replica| add_replica(world, ix, replica, &meta)).collect();
    let content =
        parts.content.as_ref().map(|content| configured::add_clone(world, content, Some(ix), &meta));
    if let Some(content) = content {
        move_in(world, content, &mut replicas);
    }
    if let Kind::Bundle(bundled) = &mut world[ix].kind {
        bundled.containers.instances = replicas.iter().map(|replica| replica.container).collect();
        bundled.replicas = replicas;
        bundled.content = content;
    }
    ix
}

fn add_replica<'a>(
    world: &mut World<'a>,
    bundle: RscIx,
    parts: &'a ReplicaParts,
    meta: &Layers<'a>,
) -> Replica {
    let mut add = |primitive: &'a Primitive| {
        Adding { world, number: None, is_unique: false }.primitive(primitive, Some(bundle), meta)
    };
    let container = add(&parts.container);
    let address = parts.address.as_ref().map(&mut add);
    let connection = parts.connection.as_ref().map(&mut add);
    let node = parts.connection.as_ref().and_then(|one| world.find_node(&one.id.as_str().into()));
    Replica { container, address, connection, node, inside: None }
}

/// Gives each replica its instance of what runs inside, which can be nowhere else.
fn move_in(world: &mut World<'_>, content: RscIx, replicas: &mut [Replica]) {
    let instances = world.children(content).to_vec();
    world[content].scores.clear();
    for (replica, instance) in replicas.iter_mut().zip(instances) {
        replica.inside = Some(instance);
        world[instance].scores.clear();
        if let Some(node) = replica.node {
            world[instance].scores.insert(node, OWN_NODE);
            world[content].scores.insert(node, OWN_NODE);
        }
    }
}

impl World<'_> {
    fn bundled(&self, bundle: RscIx) -> Option<&Bundled> {
        match &self[bundle].kind {
            Kind::Bundle(bundled) => Some(bundled),
            _ => None,
        }
    }

    /// The replicas of a bundle; nothing for others.
    pub(crate) fn replicas(&self, bundle: RscIx) -> Vec<Replica> {
        self.bundled(bundle).map_or_else(Vec::new, |bundled| bundled.replicas.clone())
    }

    /// The clone of what runs inside of a bundle.
    pub(crate) fn content(&self, bundle: RscIx) -> Option<RscIx> {
        self.bundled(bundle)?.content
    }

    /// The bundle that it is a part of, if that is so.
    pub(crate) fn bundle_of(&self, rsc: RscIx) -> Option<RscIx> {
        let mut above = Some(rsc);
        while let Some(one) = above {
            if self.bundled(one).is_some() {
                return Some(one);
            }
            above = self[one].parent;
        }
        None
    }

    /// What runs inside of a bundle's container.
    pub(crate) fn inside(&self, container: RscIx) -> Option<RscIx> {
        let replicas = self.bundled(self[container].parent?)?.replicas.iter();
        replicas.into_iter().find(|replica| replica.container == container)?.inside
    }

    /// Whose role counts: of a bundle's container that of what runs inside.
    pub(crate) fn bearer_of_role(&self, rsc: RscIx) -> RscIx {
        self.inside(rsc).unwrap_or(rsc)
    }

    /// The instance of a bundle's resource that belongs to a node.
    pub(crate) fn instance_for(&self, content: RscIx, node: NodeIx) -> Option<RscIx> {
        let replicas = &self.bundled(self[content].parent?)?.replicas;
        replicas.iter().find(|replica| replica.node == Some(node))?.inside
    }
}

/// The address follows its container, the connection tries to.
pub(crate) fn colocate(world: &mut World<'_>) {
    for bundle in world.rsc_indexes() {
        for Replica { container, address, connection, .. } in world.replicas(bundle) {
            let follows = |dependent, id: &str, score| follower((dependent, container), id, score);
            if let Some(address) = address {
                world.colocate(follows(address, "#ip-with-container", Score::INFINITY));
            }
            if let Some(connection) = connection {
                world.colocate(follows(connection, "#resource-with-container", CONNECTION_TO_CONTAINER));
            }
        }
    }
}

fn follower((dependent, primary): (RscIx, RscIx), id: &str, score: Score) -> Colocation {
    Colocation {
        id: id.to_string(),
        dependent,
        primary,
        score,
        dependent_role: Role::Unknown,
        primary_role: Role::Unknown,
        node_attribute: None,
        has_influence: true,
        is_explicit: false,
    }
}

/// Places the containers, then all that belongs to each, then says what the instances inside are.
pub(crate) fn place_bundle(world: &mut World<'_>, bundle: RscIx) {
    world[bundle].copies_on.clear();
    instances::sort(world, bundle, instances::compare);
    instances::place_instances(world, bundle);
    let content = world.content(bundle);
    for replica in world.replicas(bundle) {
        place_replica(world, replica, content);
    }
    world[bundle].is_placed = true;
    if let Some(content) = content {
        world[content].scores.values_mut().for_each(|score| *score = Score(0));
        place(world, content, Wish::default());
    }
}

fn place_replica(world: &mut World<'_>, replica: Replica, content: Option<RscIx>) {
    if let Some(address) = replica.address {
        place(world, address, Wish::default());
    }
    if let Some(connection) = replica.connection {
        follow_to_holder(world, connection, replica.container);
        place(world, connection, Wish::default());
    }
    if let (Some(inside), Some(content)) = (replica.inside, content) {
        world[content].is_placing = true;
        place(world, inside, Wish::default());
        world[content].is_placing = false;
    }
}

/// Where the container is on a remote node, whoever holds the connection to that holds this one too.
fn follow_to_holder(world: &mut World<'_>, connection: RscIx, container: RscIx) {
    let host = world[container].placed_on;
    if let Some(outer) = host.and_then(|host| world[host].connection) {
        let id = "#replica-remote-with-host-remote";
        world.colocate(follower((connection, outer), id, Score::INFINITY));
    }
}

/// The orders in a bundle: an address before its container, a container before its connection, all between the points
/// at which the bundle starts and stops.
pub(crate) fn add_orders(world: &World<'_>, graph: &mut Graph, bundle: RscIx) {
    let needed = Relation::ORDERED.and(Relation::FIRST_BLOCKS_THEN);
    let implied = needed.and(Relation::FIRST_IMPLIES_THEN);
    let ends_before = Relation::ORDERED.and(Relation::THEN_IMPLIES_FIRST);
    add_points(world, graph, bundle);
    for Replica { container, address, connection, inside, .. } in world.replicas(bundle) {
        order(world, graph, (bundle, Task::Start), (container, Task::Start), needed);
        order(world, graph, (bundle, Task::Stop), (container, Task::Stop), Relation::ORDERED);
        order(world, graph, (container, Task::Start), (bundle, Task::Started), Relation::ORDERED);
        order(world, graph, (container, Task::Stop), (bundle, Task::Stopped), Relation::ORDERED);
        if let Some(inside) = inside {
            order(world, graph, (bundle, Task::Stop), (inside, Task::Stop), Relation::ORDERED);
        }
        if let Some(address) = address {
            order(world, graph, (address, Task::Start), (container, Task::Start), needed);
            order(world, graph, (container, Task::Stop), (address, Task::Stop), ends_before);
        }
        if let Some(connection) = connection {
            order(world, graph, (container, Task::Start), (connection, Task::Start), implied);
            order(world, graph, (connection, Task::Stop), (container, Task::Stop), ends_before);
        }
    }
    if let Some(content) = world.content(bundle) {
        order_content(world, graph, bundle, content);
    }
}

fn order_content(world: &World<'_>, graph: &mut Graph, bundle: RscIx, content: RscIx) {
    let tasks: &[Task] = if world.is_promotable(content) {
        &[Task::Start, Task::Stop, Task::Promote, Task::Demote]
    } else {
        &[Task::Start, Task::Stop]
    };
    for &task in tasks {
        order(world, graph, (bundle, task), (content, task), Relation::ORDERED);
        order(world, graph, (content, task.completion()), (bundle, task.completion()), Relation::ORDERED);
    }
}
