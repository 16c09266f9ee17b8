//! The actions that are considered, and how they depend on each other. An action begins as optional or required, as
//! runnable or not; `ordering` then lets each tell its neighbours.

use super::nodes::NodeIx;
use super::world::RscIx;
use alloc::string::String;
use alloc::vec::Vec;

/// Place of an action in [`Graph::actions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActionIx(pub(crate) usize);

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Start,
    Stop,
    Promote,
    Demote,
    /// Live migration, on the node that it leaves.
    MigrateTo,
    /// Live migration, on the node that it comes to.
    MigrateFrom,
    /// All members of a group, or all instances of a clone, have been started: a point, not an action.
    Started,
    /// The same for their stops.
    Stopped,
    /// The same for their promotions.
    Promoted,
    /// The same for their demotions.
    Demoted,
    /// Enough of what comes before can be done: a point, not an action.
    Enough,
    /// Changed parameters are taken over while it runs.
    Reload,
    Fence,
    /// A node that was fenced is let in again.
    Unfence,
}

impl Task {
    /// What is done when all have done this.
    pub(crate) fn completion(self) -> Self {
        match self {
            Self::Start => Self::Started,
            Self::Stop => Self::Stopped,
            Self::Promote => Self::Promoted,
            Self::Demote => Self::Demoted,
            other => other,
        }
    }

    /// What each has to do until all have done it.
    pub(crate) fn of_each(self) -> Self {
        match self {
            Self::Started => Self::Start,
            Self::Stopped => Self::Stop,
            Self::Promoted => Self::Promote,
            Self::Demoted => Self::Demote,
            other => other,
        }
    }

    /// Whether there is more of the resource after it.
    pub(crate) fn is_up(self) -> bool {
        matches!(self.of_each(), Self::Start | Self::Promote)
    }

    pub(crate) fn is_down(self) -> bool {
        matches!(self.of_each(), Self::Stop | Self::Demote)
    }

    /// As agents know it.
    pub(crate) fn name(self) -> &'static str {
        match self.of_each() {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::MigrateTo => "migrate_to",
            Self::MigrateFrom => "migrate_from",
            Self::Reload => muster_api::reload::OPERATION,
            Self::Fence => "fence",
            Self::Unfence => "unfence",
            _ => "wait",
        }
    }
}

/// One action that is considered.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) rsc: Option<RscIx>,
    pub(crate) node: Option<NodeIx>,
    pub(crate) task: Task,
    /// It need not be done.
    pub(crate) is_optional: bool,
    /// It could be done.
    pub(crate) is_runnable: bool,
    /// Nothing is run for it: it marks a point, or fencing does it.
    pub(crate) is_pseudo: bool,
    /// Its resource is not managed: it is considered for what it means for others, and never done.
    pub(crate) is_left_alone: bool,
    /// It has been ordered, and its end is not known: what comes after it waits for that.
    pub(crate) is_under_way: bool,
    /// It is a part of a live migration: nothing of the resource ends by it.
    pub(crate) is_migratable: bool,
    /// It can be done once so many of those before it can ([`Relation::COUNTED`]).
    pub(crate) needs_before: usize,
    /// Why it is required or cannot be done.
    pub(crate) why: Option<String>,
}

impl Planned {
    /// Whether it will be done.
    pub(crate) fn is_due(&self) -> bool {
        !self.is_optional && self.is_runnable && !self.is_left_alone
    }

    /// Whether nothing is run for it and nobody asks for it: what comes before it is all that it stands for.
    pub(crate) fn is_passed_through(&self) -> bool {
        self.is_pseudo && self.node.is_none() && self.is_runnable && self.is_optional
    }
}

/// What one action means for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relation(u16);

impl Relation {
    /// Where both are done, in this order.
    pub(crate) const ORDERED: Self = Self(1);
    /// If the first is required, so is the second.
    pub(crate) const FIRST_IMPLIES_THEN: Self = Self(1 << 1);
    /// If the second is required, so is the first.
    pub(crate) const THEN_IMPLIES_FIRST: Self = Self(1 << 2);
    /// If the first cannot be done, neither can the second.
    pub(crate) const FIRST_BLOCKS_THEN: Self = Self(1 << 3);
    /// A stop that a required or impossible start brings about.
    pub(crate) const RESTART: Self = Self(1 << 4);
    /// A mandatory order that says nothing of the reverse.
    pub(crate) const ASYMMETRIC: Self = Self(1 << 5);
    /// Only where both are on the same node and both are required.
    pub(crate) const APART: Self = Self(1 << 6);
    /// If the second is required for what is promoted, so is the first.
    pub(crate) const PROMOTED_IMPLIES_FIRST: Self = Self(1 << 7);
    /// The first is one of those of which the second needs enough.
    pub(crate) const COUNTED: Self = Self(1 << 8);
    /// If the second is no longer a part of a live migration, the first cannot be done.
    pub(crate) const MIGRATES: Self = Self(1 << 9);
    /// If the first cannot be done, the second is done for real instead.
    pub(crate) const ELSE_FOR_REAL: Self = Self(1 << 10);
    /// Only where the first is no part of a live migration.
    pub(crate) const UNLESS_MIGRATING: Self = Self(1 << 11);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// `first` comes before `then`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) first: ActionIx,
    pub(crate) then: ActionIx,
    pub(crate) relation: Relation,
}

/// All actions and what they mean for each other.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) actions: Vec<Planned>,
    pub(crate) edges: Vec<Edge>,
    /// By resource.
    by_rsc: Vec<Vec<ActionIx>>,
    /// By action: places in `edges` where it is `then`.
    incoming: Vec<Vec<usize>>,
    /// By action: places in `edges` where it is `first`.
    outgoing: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn add(&mut self, action: Planned) -> ActionIx {
        let ix = ActionIx(self.actions.len());
        if let Some(RscIx(rsc)) = action.rsc {
            if self.by_rsc.len() <= rsc {
                self.by_rsc.resize_with(rsc + 1, Vec::new);
            }
            self.by_rsc[rsc].push(ix);
        }
        self.actions.push(action);
        self.incoming.push(Vec::new());
        self.outgoing.push(Vec::new());
        ix
    }

    /// Adds an edge unless there is the same one.
    pub(crate) fn order(&mut self, first: ActionIx, then: ActionIx, relation: Relation) {
        if first == then {
            return;
        }
        let is_known = self.incoming[then.0].iter().any(|edge| {
            let edge = &self.edges[*edge];
            edge.first == first && edge.relation == relation
        });
        if !is_known {
            let edge = self.edges.len();
            self.edges.push(Edge { first, then, relation });
            self.incoming[then.0].push(edge);
            self.outgoing[first.0].push(edge);
        }
    }

    pub(crate) fn before(&self, action: ActionIx) -> &[usize] {
        &self.incoming[action.0]
    }

    pub(crate) fn after(&self, action: ActionIx) -> impl Iterator<Item = ActionIx> + '_ {
        self.outgoing[action.0].iter().map(|edge| self.edges[*edge].then)
    }

    /// All actions of a resource.
    pub(crate) fn of(&self, rsc: RscIx) -> &[ActionIx] {
        self.by_rsc.get(rsc.0).map_or(&[], Vec::as_slice)
    }

    /// The actions of a resource that do `task`, on any node.
    pub(crate) fn doing(&self, rsc: RscIx, task: Task) -> impl Iterator<Item = ActionIx> + '_ {
        self.of(rsc).iter().copied().filter(move |action| self[*action].task == task)
    }

    /// The action of a resource that does `task` on that node.
    pub(crate) fn on(&self, rsc: RscIx, task: Task, node: NodeIx) -> Option<ActionIx> {
        self.doing(rsc, task).find(|action| self[*action].node == Some(node))
    }

    /// Whether an edge binds: what it relates is done, and on the same node where that is the condition.
    pub(crate) fn binds(&self, edge: &Edge) -> bool {
        self[edge.first].is_due() && self[edge.then].is_due() && self.relates(edge)
    }

    /// Whether an edge means anything for two that are done.
    pub(crate) fn relates(&self, edge: &Edge) -> bool {
        let (first, then) = (&self[edge.first], &self[edge.then]);
        let is_apart = edge.relation == Relation::APART && first.node != then.node;
        let is_migrating = edge.relation.has(Relation::UNLESS_MIGRATING) && first.is_migratable;
        !is_apart && !is_migrating
    }
}

impl core::ops::Index<ActionIx> for Graph {
    type Output = Planned;

    fn index(&self, action: ActionIx) -> &Planned {
        &self.actions[action.0]
    }
}

impl core::ops::IndexMut<ActionIx> for Graph {
    fn index_mut(&mut self, action: ActionIx) -> &mut Planned {
        &mut self.actions[action.0]
    }
}
