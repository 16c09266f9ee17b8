//! Constraints, in the terms of Pacemaker Explained: where resources may be, near what, in which order, with which
//! ticket.

use crate::id::{NodeName, ResourceId};
use crate::resource::Score;
use crate::rule::ScoredRule;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A constraint between resources or between resources and nodes. Where a resource is named, a tag may stand for
/// several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// `rsc_location` of one resource with a node and a score.
    Location {
        /// Its id.
        id: String,
        /// The resource.
        resource: ResourceId,
        /// The node.
        node: NodeName,
        /// How much the resource likes the node.
        score: Score,
        /// The role that it is about; any where it is not set.
        role: Option<RoleName>,
        /// `resource-discovery`.
        discovery: Discovery,
        /// The moment after which it no longer counts, in milliseconds since the epoch (`resource move --lifetime`).
        #[serde(default)]
        until_ms: Option<u64>,
    },
    /// Every other `rsc_location`: of several resources, or with rules.
    LocationRule {
        /// Its id.
        id: String,
        /// The resources.
        resources: Subject,
        /// The nodes.
        nodes: Nodes,
        /// The role that it is about; any where it is not set.
        role: Option<RoleName>,
        /// `resource-discovery`.
        discovery: Discovery,
    },
    /// `rsc_colocation`: `resource` is placed relative to `with`.
    Colocation {
        /// Its id.
        id: String,
        /// The dependent resource.
        resource: ResourceId,
        /// `rsc-role`: only copies that will have that role depend.
        role: Option<RoleName>,
        /// The resource that is placed first.
        with: ResourceId,
        /// `with-rsc-role`: only copies that will have that role count.
        with_role: Option<RoleName>,
        /// INFINITY: only together; -INFINITY: never together.
        score: Score,
        /// `node-attribute`: together means on nodes with the same value of it; the node itself where it is not set.
        node_attribute: Option<String>,
        /// `influence`: whether the dependent has a say in where the other is placed; its `critical` decides where it
        /// is not set.
        influence: Option<bool>,
    },
    /// `rsc_colocation` of sets.
    ColocationSets {
        /// Its id.
        id: String,
        /// The score of sets that have none.
        score: Score,
        /// `node-attribute`.
        node_attribute: Option<String>,
        /// The sets; each depends on the one after it.
        sets: Vec<ResourceSet>,
    },
    /// `rsc_order`: `first`'s action comes before `then`'s.
    Order {
        /// Its id.
        id: String,
        /// The resource that acts first.
        first: ResourceId,
        /// `start`, `stop`, `promote` or `demote`.
        first_action: String,
        /// The resource that acts then.
        then: ResourceId,
        /// `start`, `stop`, `promote` or `demote`.
        then_action: String,
        /// How strict it is.
        kind: OrderKind,
        /// Whether the reverse holds for the reverse actions.
        symmetrical: bool,
        /// `require-all`: where `first` is a clone, whether all its copies must act, or one is enough.
        require_all: bool,
    },
    /// `rsc_order` of sets.
    OrderSets {
        /// Its id.
        id: String,
        /// How strict it is where a set does not say it.
        kind: OrderKind,
        /// Whether the reverse holds for the reverse actions.
        symmetrical: bool,
        /// The sets; each acts before the one after it.
        sets: Vec<ResourceSet>,
    },
    /// `rsc_ticket`: resources run only where the ticket is granted.
    Ticket {
        /// Its id.
        id: String,
        /// The ticket.
        ticket: String,
        /// The resources.
        resources: Subject,
        /// `rsc-role`: only copies that have that role need it.
        role: Option<RoleName>,
        /// What happens when the ticket is taken away.
        loss_policy: LossPolicy,
    },
}

impl Constraint {
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Location { id, .. }
            | Self::LocationRule { id, .. }
            | Self::Colocation { id, .. }
            | Self::ColocationSets { id, .. }
            | Self::Order { id, .. }
            | Self::OrderSets { id, .. }
            | Self::Ticket { id, .. } => id,
        }
    }

    /// The resources that it names, without those that only a pattern matches.
    pub fn resources(&self) -> Vec<&ResourceId> {
        match self {
            Self::Location { resource, .. } => alloc::vec![resource],
            Self::LocationRule { resources, .. } | Self::Ticket { resources, .. } => match resources {
                Subject::Resource(resource) => alloc::vec![resource],
                Subject::Pattern(_) => Vec::new(),
                Subject::Sets(sets) => of_sets(sets),
            },
            Self::Colocation { resource, with, .. } => alloc::vec![resource, with],
            Self::Order { first, then, .. } => alloc::vec![first, then],
            Self::ColocationSets { sets, .. } | Self::OrderSets { sets, .. } => of_sets(sets),
        }
    }
}

fn of_sets(sets: &[ResourceSet]) -> Vec<&ResourceId> {
    sets.iter().flat_map(|set| set.resources.iter()).collect()
}

/// The resources that a constraint is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One resource, or all that a tag names.
    Resource(ResourceId),
    /// `rsc-pattern`: those whose id matches the regular expression; with `!` before it those whose id does not.
    Pattern(String),
    /// Resource sets.
    Sets(Vec<ResourceSet>),
}

/// The nodes that a location is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nodes {
    /// One node with its score.
    Node {
        /// The node.
        node: NodeName,
        /// How much the resources like it.
        score: Score,
    },
    /// All nodes where a rule holds.
    Rules(Vec<ScoredRule>),
}

/// `<resource_set>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSet {
    /// Its id.
    pub id: String,
    /// Its resources.
    pub resources: Vec<ResourceId>,
    /// `sequential`: whether the resources inside are ordered or colocated with each other.
    pub sequential: bool,
    /// `require-all`: whether all of them must act before what comes after the set.
    pub require_all: bool,
    /// `ordering`, where it is set.
    pub ordering: Option<SetOrdering>,
    /// `action`.
    pub action: Option<String>,
    /// `role`.
    pub role: Option<RoleName>,
    /// `score`, where it is set.
    pub score: Option<Score>,
    /// `kind`, where it is set.
    pub kind: Option<OrderKind>,
}

/// `ordering` of a set in a colocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetOrdering {
    /// As `Listed`, whatever the score.
    Group,
    /// In the order of the list.
    Listed,
}

/// `kind` of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderKind {
    /// Only where both act in the same transition.
    Optional,
    /// Always: if `first` cannot act, `then` must not.
    Mandatory,
    /// Never at the same time.
    Serialize,
}

/// A role as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RoleName {
    /// Not active.
    Stopped,
    /// Active, whether promoted or not.
    Started,
    /// Active and not promoted; `Slave` in older configurations.
    Unpromoted,
    /// Promoted; `Master` in older configurations.
    Promoted,
}

impl RoleName {
    /// Reads a role; older names are taken too, letters of any case.
    pub fn parse(text: &str) -> Option<Self> {
        let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        Some(match () {
            () if is(&["stopped"]) => Self::Stopped,
            () if is(&["started"]) => Self::Started,
            () if is(&["unpromoted", "slave"]) => Self::Unpromoted,
            () if is(&["promoted", "master"]) => Self::Promoted,
            () => return None,
        })
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Started => "Started",
            Self::Unpromoted => "Unpromoted",
            Self::Promoted => "Promoted",
        }
    }
}

/// `resource-discovery`: where a resource is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// Everywhere.
    #[default]
    Always,
    /// Not on this node.
    Never,
    /// Only on this node and others that say the same; it can run nowhere else.
    Exclusive,
}

impl Discovery {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Exclusive => "exclusive",
        }
    }
}

/// `loss-policy` of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossPolicy {
    /// Stop the resources.
    #[default]
    Stop,
    /// Demote them.
    Demote,
    /// Fence the nodes that run them.
    Fence,
    /// Leave them alone.
    Freeze,
}

impl LossPolicy {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Demote => "demote",
            Self::Fence => "fence",
            Self::Freeze => "freeze",
        }
    }
}
