//! The nodes as the scheduler sees them: who may run something, who must be fenced.

use super::implied::{self, BundleParts};
use super::resolve;
use super::settings::{QuorumPolicy, Settings};
use super::world::RscIx;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::{Capacity, ClusterConfig};
use muster_api::history::History;
use muster_api::id::{NodeName, ResourceId};
use muster_api::status::Fact;

/// Place of a node in [`super::world::World::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeIx(pub(crate) usize);

/// What is known of a node before the configuration is read. A [`Fact`] says it for the live cluster; an imported
/// status may say more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeState {
    /// It is a member: actions can be run there.
    pub is_online: bool,
    /// It must be fenced, for this reason.
    pub unclean: Option<String>,
    /// It has been seen, but is not ready to run anything.
    pub is_pending: bool,
    /// It wants to leave: its resources are stopped.
    pub is_leaving: bool,
    /// What its history says counts for nothing: it is confirmed off.
    pub is_fenced: bool,
    /// It is no member: it is reached through a connection, which is a resource. Where that is known to be up it is
    /// online, and that it is fenced says that it was since it was last reached.
    pub is_remote: bool,
    /// Resources that run there with other parameters than are configured now, where the agent there can take those over
    /// without a restart.
    pub can_reload: BTreeSet<ResourceId>,
    /// The exit codes that repeated monitors there were ordered to find, by the number of their call: the configuration may
    /// want something else now.
    pub ordered_codes: BTreeMap<ResourceId, BTreeMap<u64, u8>>,
    /// It was unfenced with other devices than are configured now, and this is how they differ.
    pub unfenced_otherwise: Option<String>,
    /// It has never been seen.
    pub is_unseen: bool,
    /// It is in standby until it restarts.
    pub is_standby: bool,
    /// It is the coordinator.
    pub is_coordinator: bool,
    /// Attributes that it has until it restarts; they count before the permanent ones.
    pub attributes: BTreeMap<String, String>,
    /// Capacity that it has until it restarts; it counts before the permanent one.
    pub capacity: Capacity,
    /// Whose history is read first: of several nodes where a resource is active that decides which counts as its own.
    /// The same number everywhere is the order of names.
    pub order: usize,
}

impl From<Fact> for NodeState {
    fn from(fact: Fact) -> Self {
        let offline = Self::default();
        let state = match fact {
            Fact::NeverSeen => Self { is_unseen: true, ..offline },
            Fact::Member => Self { is_online: true, ..offline },
            Fact::Leaving => Self { is_online: true, is_leaving: true, ..offline },
            Fact::Left => offline,
            Fact::Lost => Self { unclean: Some("it vanished without leaving".to_string()), ..offline },
            Fact::Fenced => Self { is_fenced: true, ..offline },
        };
        // What runs on a member is the resource; what may be left on others is what is too much.
        Self { order: usize::from(!state.is_online), ..state }
    }
}

/// What the cluster knows of every node, with what agents said of it while it lives.
pub fn states(facts: &BTreeMap<NodeName, Fact>, history: &History) -> BTreeMap<NodeName, NodeState> {
    let said = |name: &NodeName| history.attributes.get(name).cloned().unwrap_or_default();
    let state = |(name, fact): (&NodeName, &Fact)| {
        (name.clone(), NodeState { attributes: said(name), ..NodeState::from(*fact) })
    };
    facts.iter().map(state).collect()
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) is_online: bool,
    pub(crate) unclean: Option<String>,
    pub(crate) is_pending: bool,
    pub(crate) is_leaving: bool,
    pub(crate) is_fenced: bool,
    /// The resource that is the connection to it, where it is no member.
    pub(crate) connection: Option<RscIx>,
    /// The resource that it is the inside of: then it is a guest node.
    pub(crate) container: Option<RscIx>,
    /// It is the inside of a bundle's container: nothing but the bundle's own resource runs there.
    pub(crate) is_bundled: bool,
    /// It is reached through a connection and cannot be used again without having been fenced.
    pub(crate) must_be_reset: bool,
    /// It was fenced since it was last reached.
    pub(crate) was_fenced: bool,
    /// Nobody has seen it yet, or whoever held its connection is gone: it is only unclean as long as nobody reaches it.
    pub(crate) is_unseen: bool,
    /// Why it must be unfenced again although it was.
    pub(crate) unfenced_because: Option<String>,
    /// What it can run on with changed parameters.
    pub(crate) can_reload: BTreeSet<ResourceId>,
    /// What repeated monitors there were ordered to find.
    pub(crate) ordered_codes: BTreeMap<ResourceId, BTreeMap<u64, u8>>,
    /// It asked to leave itself.
    pub(crate) wants_to_leave: bool,
    pub(crate) is_standby: bool,
    /// It is in standby because a resource failed there and `on-fail` says so.
    pub(crate) standby_by_failure: Option<String>,
    pub(crate) is_maintenance: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) order: usize,
    /// How many primitives have been placed there in this decision.
    pub(crate) placed: usize,
}

impl Node {
    fn new(name: &NodeName, state: &NodeState, config: &ClusterConfig, settings: &Settings) -> Self {
        let attribute = |attribute| {
            config.node_attribute(name, attribute).and_then(muster_api::cluster::parse_bool) == Some(true)
        };
        let unclean = if state.is_remote {
            None
        } else if state.is_unseen && settings.fences_unseen {
            Some("it has not been seen since the cluster started".to_string())
        } else if settings.quorum_policy_in_force() == QuorumPolicy::Suicide && state.is_online {
            Some("its partition has no quorum, and `no-quorum-policy` is `suicide`".to_string())
        } else {
            state.unclean.clone()
        };
        Self {
            name: name.clone(),
            is_online: state.is_online,
            unclean,
            is_pending: state.is_pending,
            is_leaving: state.is_leaving,
            is_fenced: state.is_fenced && !state.is_remote,
            connection: None,
            container: None,
            is_bundled: false,
            must_be_reset: false,
            was_fenced: state.is_fenced,
            is_unseen: state.is_unseen,
            unfenced_because: state.unfenced_otherwise.clone(),
            can_reload: state.can_reload.clone(),
            ordered_codes: state.ordered_codes.clone(),
            wants_to_leave: state.is_leaving,
            is_standby: state.is_standby || state.is_pending || attribute("standby"),
            standby_by_failure: None,
            is_maintenance: attribute("maintenance"),
            attributes: resolve::attributes(config, name, state),
            order: state.order,
            placed: 0,
        }
    }

    /// A permanent or a transient attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether it may run resources.
    pub(crate) fn is_available(&self) -> bool {
        self.unavailable_because().is_none()
    }

    /// Why it may not run resources.
    pub(crate) fn unavailable_because(&self) -> Option<&'static str> {
        if self.is_fenced {
            Some("fenced")
        } else if self.unclean.is_some() {
            Some("unclean")
        } else if !self.is_online {
            Some("offline")
        } else if self.is_leaving {
            Some("leaving")
        } else if self.is_pending {
            Some("joining")
        } else if self.standby_by_failure.is_some() {
            Some("in standby after a failure")
        } else if self.is_standby {
            Some("in standby")
        } else if self.is_maintenance {
            Some("in maintenance")
        } else {
            None
        }
    }

    /// A machine that nobody has reached yet may run anything.
    pub(crate) fn is_unclean_if_unseen(&mut self, fences_unseen: bool) {
        if fences_unseen {
            self.must_be_fenced("it has not been seen since the cluster started".to_string());
        }
        self.is_unseen = true;
    }

    /// Marks it for fencing; the first reason stays.
    pub(crate) fn must_be_fenced(&mut self, reason: String) {
        self.unclean.get_or_insert(reason);
    }
}

/// What is known of nodes, with those that are reached through a configured connection.
pub(crate) fn with_connected(
    states: &BTreeMap<NodeName, NodeState>,
    config: &ClusterConfig,
) -> BTreeMap<NodeName, NodeState> {
    let mut states = states.clone();
    for name in implied::connected_nodes(config) {
        let unseen = NodeState { is_unseen: true, order: usize::MAX, ..NodeState::default() };
        states.entry(name).or_insert(unseen).is_remote = true;
    }
    states
}

/// All nodes, in the order of their names: it decides between equals. As Pacemaker compares them, byte by byte: `node10` comes
/// before `node2`.
pub(crate) fn read(
    states: &BTreeMap<NodeName, NodeState>,
    config: &ClusterConfig,
    parts: &[BundleParts],
    settings: &Settings,
) -> Vec<Node> {
    let mut nodes: Vec<Node> =
        states.iter().map(|(name, state)| Node::new(name, state, config, settings)).collect();
    let connections =
        parts.iter().flat_map(|bundle| &bundle.replicas).filter_map(|one| one.connection.as_ref());
    let bundled: BTreeSet<&str> = connections.map(|connection| connection.id.as_str()).collect();
    for node in &mut nodes {
        node.is_bundled = bundled.contains(node.name.as_str());
    }
    nodes.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    nodes
}
