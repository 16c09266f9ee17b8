//! Why a resource cannot be on a node.

use super::Explaining;
use crate::observed::Response;
use crate::schedule::because::Because;
use crate::schedule::failures;
use crate::schedule::nodes::NodeIx;
use crate::schedule::world::{ColIx, Note, Role, RscIx};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use muster_api::cluster::Capacity;
use muster_api::explanation::{Cause, Lack, Leader, Reason, Scope};
use muster_api::id::ResourceId;
use muster_api::resource::Score;

/// The id of locations that stand for the health of a node.
const NODE_HEALTH: &str = "node health";

impl Explaining<'_, '_> {
    /// Why it cannot be there; nothing where it could. `asked` holds what led here: who is in it is not followed again.
    pub(super) fn obstacles(&self, rsc: RscIx, node: NodeIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        let about = &self.world[rsc].id;
        if let Some(cause) = self.absence(rsc, node) {
            return alloc::vec![Reason::new(about.clone(), cause)];
        }
        let bans = self.world[rsc].notes.iter().filter(|note| note.score <= Score::MINUS_INFINITY);
        let there = bans.filter(|note| note.node.is_none_or(|banned| banned == node));
        let mut reasons: Vec<Reason> = Vec::new();
        for note in there {
            let reason = self.reason_of(rsc, node, note, asked);
            if !reasons.iter().any(|known| known.cause == reason.cause) {
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            reasons.extend(self.by_score(rsc, node).map(|cause| Reason::new(about.clone(), cause)));
        }
        reasons
    }

    fn by_score(&self, rsc: RscIx, node: NodeIx) -> Option<Cause> {
        let name = self.world[node].name.clone();
        match self.world[rsc].scores.get(&node) {
            None => Some(Cause::NotAllowed { node: name }),
            Some(_) if self.is_taken(rsc, node) => Some(Cause::InstanceThere { node: name }),
            Some(score) if *score < Score(0) => {
                let weakest = self.world[rsc].notes.iter().filter(|note| note.node == Some(node));
                let weakest = weakest.filter(|note| note.score < Score(0)).min_by_key(|note| note.score);
                match weakest {
                    Some(Note { because: Because::Location { id }, score, .. }) => {
                        Some(self.location(node, id, *score))
                    }
                    _ => Some(Cause::LowScore { node: name, score: *score }),
                }
            }
            Some(_) => None,
        }
    }

    fn who_failed(&self, node: NodeIx) -> Option<ResourceId> {
        let has_failed = |rsc: &RscIx| {
            let observed = self.world[*rsc].observed.get(&node);
            observed.is_some_and(|observed| observed.response == Response::Standby)
        };
        self.world.runnables().into_iter().find(has_failed).map(|rsc| self.world[rsc].id.clone())
    }

    /// Whether another instance is there that leaves no room for this one.
    fn is_taken(&self, rsc: RscIx, node: NodeIx) -> bool {
        let Some(clone) = self.world.clone_of(rsc) else { return false };
        let leaves = self.world.leaves(clone);
        let alike = leaves.iter().filter(|leaf| **leaf != rsc && self.world[**leaf].id == self.world[rsc].id);
        alike.into_iter().any(|leaf| self.will_run(*leaf) == Some(node))
    }

    /// The node cannot run anything now.
    fn absence(&self, rsc: RscIx, node: NodeIx) -> Option<Cause> {
        let there = &self.world[node];
        let name = there.name.clone();
        Some(if there.is_fenced {
            Cause::Offline { node: name, how: "fenced, and has not come back".into() }
        } else if let Some(why) = &there.unclean {
            Cause::Unclean { node: name, why: why.clone(), fencing: self.fencing_obstacle(node) }
        } else if !there.is_online {
            Cause::Offline { node: name, how: "no member".into() }
        } else if there.is_leaving {
            Cause::Offline { node: name, how: "leaving".into() }
        } else if there.is_pending {
            Cause::Offline { node: name, how: "joining".into() }
        } else if let Some(why) = &there.standby_by_failure {
            let resource = self.who_failed(node).unwrap_or_else(|| self.world[rsc].id.clone());
            Cause::StandbyAfterFailure { node: name, resource, why: why.clone() }
        } else if there.is_standby {
            Cause::Standby { node: name }
        } else if there.is_maintenance && !self.world[rsc].running_on.contains(&node) {
            Cause::Maintenance { scope: Scope::Node(name) }
        } else {
            return None;
        })
    }

    /// What is behind a note; where that is another resource, why that one is where it is.
    pub(super) fn reason_of(&self, rsc: RscIx, node: NodeIx, note: &Note, asked: &mut Vec<RscIx>) -> Reason {
        let about = self.world[rsc].id.clone();
        let cause = self.cause_of(rsc, node, note);
        let deeper = match note.because {
            Because::Beside { through } => self.deeper_beside(through, asked),
            Because::Without { primary } => self.deeper(primary, asked),
            Because::WithoutInstance { of } => self.deeper(of, asked),
            Because::Follower { who, .. } => self.deeper_on(who, node, asked),
            _ => Vec::new(),
        };
        Reason::new(about, cause).because(deeper)
    }

    fn cause_of(&self, rsc: RscIx, node: NodeIx, note: &Note) -> Cause {
        let name = self.world[node].name.clone();
        match &note.because {
            Because::Location { id } => self.location(node, id, note.score),
            Because::Exclusive => Cause::Exclusive { node: name },
            Because::Stickiness => Cause::Stickiness { node: name, score: note.score },
            Because::TooManyFailures { of } => self.failures(*of, node),
            Because::HardFailure => Cause::CannotRun { node: note.node.map(|_| name), why: note.why.clone() },
            Because::Ticket { constraint, ticket } => {
                let state = self.world.situation.config.tickets.get(ticket).copied().unwrap_or_default();
                let (constraint, ticket) = (constraint.clone(), ticket.clone());
                Cause::Ticket { constraint, ticket, is_granted: state.is_granted }
            }
            Because::Capacity { need, free, beside } => {
                Cause::Capacity { node: name, lacks: lacks(need, free), beside: beside.clone() }
            }
            Because::Beside { through } => self.beside(*through),
            Because::Follower { through, who } => Cause::Follower {
                node: name,
                follower: self.world[*who].id.clone(),
                constraint: self.constraint_of(*through),
            },
            Because::Without { primary } => {
                let leader = Leader { resource: self.world[*primary].id.clone(), node: None, role: None };
                Cause::Beside { with: leader, constraint: self.between(rsc, *primary) }
            }
            Because::WithoutInstance { of } => Cause::NoInstance { of: self.world[*of].id.clone() },
            Because::TooMany { max } => {
                Cause::TooManyInstances { max: u64::try_from(*max).unwrap_or(u64::MAX) }
            }
            Because::Other if self.world[rsc].is_orphan() => Cause::Removed,
            Because::Other => {
                Cause::Other { what: alloc::format!("it {}", note.why.trim_start_matches("it ")) }
            }
        }
    }

    pub(super) fn location(&self, node: NodeIx, id: &str, score: Score) -> Cause {
        let name = self.world[node].name.clone();
        if id == NODE_HEALTH {
            return self.health(node);
        }
        if !(id.starts_with("cli-ban-") || id.starts_with("cli-prefer-")) {
            return Cause::Location { node: name, constraint: id.into(), score };
        }
        let configured = self.asked.constraints.iter().find(|constraint| constraint.id() == id);
        let until_ms = match configured {
            Some(muster_api::constraint::Constraint::Location { until_ms, .. }) => *until_ms,
            _ => None,
        };
        let ends_in_ms = until_ms.map(|until_ms| until_ms.saturating_sub(self.world.situation.now_ms));
        Cause::Moved { node: name, constraint: id.into(), score, ends_in_ms }
    }

    fn health(&self, node: NodeIx) -> Cause {
        let there = &self.world[node];
        let property = self.world.situation.config.properties.get("node-health-strategy");
        let of_health = there.attributes.iter().filter(|(name, _)| name.starts_with("#health"));
        let unwell = of_health.filter(|(_, value)| !value.eq_ignore_ascii_case("green"));
        let attributes: Vec<(String, String)> =
            unwell.map(|(name, value)| (name.clone(), value.clone())).collect();
        let permanent = |(name, _): &(String, String)| self.asked.node_attribute(&there.name, name).is_some();
        Cause::Health {
            node: there.name.clone(),
            strategy: property.cloned().unwrap_or_default(),
            is_permanent: attributes.iter().all(permanent),
            attributes,
        }
    }

    fn failures(&self, rsc: RscIx, node: NodeIx) -> Cause {
        let world = self.world;
        let recorded = failures::recorded(world, rsc, node);
        let expires_ms = recorded.and_then(|count| failures::ages_at_ms(world, rsc, count));
        let threshold = world[rsc].meta.migration_threshold.unwrap_or(0);
        Cause::Failures {
            node: world[node].name.clone(),
            resource: world[rsc].id.clone(),
            count: recorded.map_or(0, |count| count.count),
            threshold,
            operation: recorded.map(|count| count.operation.clone()).unwrap_or_default(),
            reason: recorded.map(|count| count.reason.clone()).unwrap_or_default(),
            expires_in_ms: expires_ms.map(|at_ms| at_ms.saturating_sub(world.situation.now_ms)),
        }
    }

    fn beside(&self, through: ColIx) -> Cause {
        let colocation = &self.world.colocations[through];
        let shown = self.named(colocation.primary, colocation.is_explicit);
        let place = self.world.place_of(colocation.primary);
        let role = (colocation.primary_role == Role::Promoted).then(|| "Promoted".to_string());
        let leader = Leader {
            resource: shown,
            node: place
                .filter(|_| self.runs_somewhere(colocation.primary))
                .map(|node| self.world[node].name.clone()),
            role,
        };
        let constraint = self.constraint_of(through);
        let group = self.shared_group(colocation.dependent, colocation.primary);
        if let Some(group) = group.filter(|_| !colocation.is_explicit) {
            let (group, Leader { resource: member, node, .. }) = (self.world[group].id.clone(), leader);
            return Cause::EarlierMember { group, member, node };
        }
        if colocation.score < Score(0) {
            Cause::Apart { from: leader, constraint }
        } else {
            Cause::Beside { with: leader, constraint }
        }
    }

    fn runs_somewhere(&self, rsc: RscIx) -> bool {
        self.world.leaves(rsc).iter().any(|leaf| self.will_run(*leaf).is_some())
    }

    /// A member stands for its group where the constraint names the group.
    fn named(&self, rsc: RscIx, is_explicit: bool) -> ResourceId {
        let group = self.world[rsc].parent.filter(|parent| is_explicit && self.world[*parent].is_group());
        self.world[group.unwrap_or(rsc)].id.clone()
    }

    /// The constraint that was configured; a group's own colocations have none.
    fn constraint_of(&self, through: ColIx) -> Option<String> {
        let colocation = &self.world.colocations[through];
        colocation.is_explicit.then(|| colocation.id.clone()).filter(|id| !id.is_empty())
    }

    fn between(&self, dependent: RscIx, primary: RscIx) -> Option<String> {
        let is_between = |colocation: &&crate::schedule::world::Colocation| {
            colocation.primary == primary && self.is_within(dependent, colocation.dependent)
        };
        let found = self.world.colocations.iter().find(is_between)?;
        Some(found.id.clone()).filter(|_| found.is_explicit)
    }

    pub(super) fn is_within(&self, rsc: RscIx, whole: RscIx) -> bool {
        let mut above = Some(rsc);
        while let Some(one) = above {
            if one == whole {
                return true;
            }
            above = self.world[one].parent;
        }
        false
    }

    /// Why what it must be with runs nowhere, or is where it is.
    fn deeper_beside(&self, through: ColIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        let colocation = &self.world.colocations[through];
        if colocation.score < Score(0) { Vec::new() } else { self.deeper(colocation.primary, asked) }
    }

    /// Why a resource that this one depends on does not run; nothing where it does.
    pub(super) fn deeper(&self, primary: RscIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        let decisive = self.decisive(primary);
        if asked.contains(&decisive) || !self.is_troubled(decisive) {
            return Vec::new();
        }
        self.reasons(decisive, asked)
    }

    fn deeper_on(&self, rsc: RscIx, node: NodeIx, asked: &mut Vec<RscIx>) -> Vec<Reason> {
        let decisive = self.decisive(rsc);
        if asked.contains(&decisive) {
            return Vec::new();
        }
        asked.push(decisive);
        let reasons = self.obstacles(decisive, node, asked);
        asked.pop();
        reasons
    }
}

fn lacks(need: &Capacity, free: &Capacity) -> Vec<Lack> {
    let lack = |(kind, needs): (&String, &i64)| {
        let free = free.get(kind).copied().unwrap_or(0);
        (*needs > free).then(|| Lack { kind: kind.clone(), needs: *needs, free })
    };
    need.iter().filter_map(lack).collect()
}
