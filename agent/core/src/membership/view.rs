//! The words of membership.

use crate::quorum::Standing;
use alloc::vec::Vec;
use muster_api::id::NodeId;
use serde::{Deserialize, Serialize};

/// Numbers a view. Epochs only grow, and a node promises each number once, so no two views have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewId {
    /// Counts up.
    pub epoch: u64,
    /// Who proposed the view, and sequences its commands.
    pub coordinator: NodeId,
}

/// A node in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// Which node.
    pub id: NodeId,
    /// Its incarnation.
    pub session: u64,
}

/// An agreed membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) id: ViewId,
    /// By node id.
    pub(crate) members: Vec<Member>,
    pub(crate) standing: Standing,
}

impl View {
    pub(crate) fn has(&self, id: NodeId) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.standing.is_primary()
    }
}
