//! Which hosts there are, in which groups, with which variables.

use crate::source::Span;
use crate::yaml::Node;
use indexmap::{IndexMap, IndexSet};

/// Variables by name, each with its place; a later source replaces an earlier one.
pub(crate) type Vars = IndexMap<String, Node>;

/// The hosts and groups of all inventory sources together.
#[derive(Debug, Clone)]
pub(crate) struct Inventory {
    pub(crate) hosts: IndexMap<String, Host>,
    /// `all` and `ungrouped` are always there, first.
    pub(crate) groups: IndexMap<String, Group>,
}

/// A host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// As written in inventory sources; those of `host_vars` are in `VarsDir`.
    pub(crate) vars: Vars,
    /// The groups that name it; `Inventory::groups_of` has all.
    pub(crate) groups: IndexSet<String>,
    /// Where it is first named; none for hosts that a task added.
    pub(crate) span: Option<Span>,
}

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// As written in inventory sources; those of `group_vars` are in `VarsDir`.
    pub(crate) vars: Vars,
    /// The hosts that it names itself.
    pub(crate) hosts: IndexSet<String>,
    pub(crate) children: IndexSet<String>,
    pub(crate) parents: IndexSet<String>,
    /// How many groups are above it at most: `all` has 0.
    pub(crate) depth: usize,
    /// `ansible_group_priority`: of groups of the same depth, the higher one wins.
    pub(crate) priority: i64,
    /// Where it is first named.
    pub(crate) span: Option<Span>,
}
