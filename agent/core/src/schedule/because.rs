//! Why a score is what it is, for programs: what `explain` follows from one resource to the next.

use super::world::{ColIx, RscIx};
use alloc::string::String;
use alloc::vec::Vec;
use muster_api::cluster::Capacity;
use muster_api::id::ResourceId;

/// What changed a score.
#[derive(Debug, Clone)]
pub(crate) enum Because {
    /// A location constraint, also one that a rule or the health of the node stands behind.
    Location { id: String },
    /// A location with `resource-discovery` = `exclusive` names other nodes.
    Exclusive,
    /// It runs there.
    Stickiness,
    /// Something failed there as often as `migration-threshold` says.
    TooManyFailures { of: RscIx },
    /// An agent said that it cannot run there, or nowhere.
    HardFailure,
    /// A ticket is not here.
    Ticket { constraint: String, ticket: String },
    /// There is no room: with what must be beside it, where others are named.
    Capacity { need: Capacity, free: Capacity, beside: Vec<ResourceId> },
    /// A colocation with where another resource is.
    Beside { through: ColIx },
    /// What must be with it cannot be there.
    Follower { through: ColIx, who: RscIx },
    /// No instance of a clone that it must be with is there.
    Without { primary: RscIx },
    /// There is no instance for it to be with.
    WithoutInstance { of: RscIx },
    /// `clone-max`.
    TooMany { max: usize },
    /// Nothing that leads further: the sentence says it.
    Other,
}
