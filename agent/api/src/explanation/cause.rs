//! What can decide about a resource, each with its sentence and the way out of it.

use super::NextStep;
use crate::duration::format_ms;
use crate::id::{NodeName, ResourceId};
use crate::resource::Score;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What decided. Where a node is named, it is about the resource on that node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
#[expect(missing_docs, reason = "the fields are the words of the variant's sentence")]
pub enum Cause {
    /// A location constraint that somebody configured.
    Location { node: NodeName, constraint: String, score: Score },
    /// A location constraint that `resource move` or `resource ban` left.
    Moved { node: NodeName, constraint: String, score: Score, ends_in_ms: Option<u64> },
    /// Locations with `resource-discovery` = `exclusive` name other nodes.
    Exclusive { node: NodeName },
    /// `symmetric-cluster` is false, and no location allows it there.
    NotAllowed { node: NodeName },
    /// `node-health-strategy`.
    Health { node: NodeName, strategy: String, attributes: Vec<(String, String)>, is_permanent: bool },
    /// `migration-threshold`.
    Failures {
        node: NodeName,
        resource: ResourceId,
        count: u32,
        threshold: u32,
        operation: String,
        reason: String,
        expires_in_ms: Option<u64>,
    },
    /// An agent said that it cannot run there, or nowhere.
    CannotRun { node: Option<NodeName>, why: String },
    /// The members have no quorum.
    NoQuorum(QuorumLack),
    /// It must be with another resource.
    Beside { with: Leader, constraint: Option<String> },
    /// It must not be where another resource is.
    Apart { from: Leader, constraint: Option<String> },
    /// What must be with it cannot be there.
    Follower { node: NodeName, follower: ResourceId, constraint: Option<String> },
    /// A group starts its members one after the other.
    EarlierMember { group: ResourceId, member: ResourceId, node: Option<NodeName> },
    /// An order constraint.
    Order { constraint: Option<String>, first: ResourceId, action: String },
    /// The node is in standby.
    Standby { node: NodeName },
    /// The node is in standby because `on-fail` says so.
    StandbyAfterFailure { node: NodeName, resource: ResourceId, why: String },
    /// `target-role` is `Stopped`, of the resource itself or of what it is in.
    Disabled { at: ResourceId },
    /// `stop-all-resources`.
    StopAll,
    /// It needs a ticket.
    Ticket { constraint: String, ticket: String, is_granted: bool },
    /// There is no room on the node.
    Capacity { node: NodeName, lacks: Vec<Lack>, beside: Vec<ResourceId> },
    /// The node is not there.
    Offline { node: NodeName, how: String },
    /// The node must be fenced first.
    Unclean { node: NodeName, why: String, fencing: FencingObstacle },
    /// `stonith-enabled` is true, and there is nothing to fence with.
    NoFenceDevice,
    /// It is left alone.
    Maintenance { scope: Scope },
    /// `is-managed` is false.
    Unmanaged,
    /// Nobody may touch it before a person has looked.
    Blocked { why: String },
    /// It is no longer configured.
    Removed,
    /// `clone-max`.
    TooManyInstances { max: u64 },
    /// Another instance is there, and `clone-node-max` allows no more.
    InstanceThere { node: NodeName },
    /// No instance of what it must be with is there for it.
    NoInstance { of: ResourceId },
    /// `resource-stickiness`.
    Stickiness { node: NodeName, score: Score },
    /// The best score.
    BestScore { node: NodeName, score: Score, second: Option<(NodeName, Score)> },
    /// The node is as good as others.
    FewestResources { node: NodeName },
    /// No other node can have it.
    OnlyNode { node: NodeName },
    /// Its score there is below zero.
    LowScore { node: NodeName, score: Score },
    /// Another sentence.
    Other { what: String },
}

/// Who is missing for quorum, and what the members do without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumLack {
    /// `no-quorum-policy` in force.
    pub policy: String,
    /// The nodes that are no members.
    pub missing: Vec<NodeName>,
}

/// A resource that another one follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Which.
    pub resource: ResourceId,
    /// Where it is, or shall be.
    pub node: Option<NodeName>,
    /// Only with copies of that role.
    pub role: Option<String>,
}

/// Capacity of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// `cpu`, `memory`.
    pub kind: String,
    /// What is needed.
    pub needs: i64,
    /// What is left.
    pub free: i64,
}

/// What is in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `maintenance-mode`.
    Cluster,
    /// `maintenance` of the resource.
    Resource,
    /// `maintenance` of the node where it is.
    Node(NodeName),
}

/// Why a node that must be fenced is not off yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FencingObstacle {
    /// It is about to be done.
    Due,
    /// `stonith-enabled` is false.
    Disabled,
    /// There is no device at all.
    NoDevice,
    /// No device can switch this node.
    NoDeviceForIt,
    /// Whoever has no quorum fences nobody.
    NoQuorum,
    /// It waits for its delay or for a device.
    Waits,
    /// A device is at it.
    Running {
        /// Which.
        device: Option<ResourceId>,
    },
    /// All devices failed; they are tried again.
    Failed {
        /// The last one.
        device: Option<ResourceId>,
        /// What it said.
        why: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&sentence(self))
    }
}

fn sentence(cause: &Cause) -> String {
    match cause {
        Cause::Location { node, constraint, score } => {
            format!("location `{constraint}` {} {node}", liking(*score))
        }
        Cause::Moved { node, constraint, score, ends_in_ms } => {
            let until =
                ends_in_ms.map_or("until it is cleared".into(), |ms| format!("for {} more", rough(ms)));
            format!("`{constraint}` {} {node}, {until}; `resource move` made it", liking(*score))
        }
        Cause::Exclusive { node } => {
            format!("locations with `resource-discovery` = `exclusive` name other nodes than {node}")
        }
        Cause::NotAllowed { node } => {
            format!("no location allows it on {node}, and `symmetric-cluster` is false")
        }
        Cause::Health { node, strategy, attributes, .. } => {
            let said = list(attributes.iter().map(|(name, value)| format!("`{name}` = {value}")));
            format!("{node} is not healthy ({said}; `node-health-strategy` is `{strategy}`)")
        }
        Cause::Failures { .. } => failures(cause),
        Cause::CannotRun { node: Some(node), why } => format!("{node}: {why}"),
        Cause::CannotRun { node: None, why } => why.clone(),
        Cause::NoQuorum(QuorumLack { policy, missing }) => {
            let missing = list(missing.iter().map(ToString::to_string));
            let who = if missing.is_empty() { String::new() } else { format!("; missing: {missing}") };
            format!("the members have no quorum, and `no-quorum-policy` is `{policy}`{who}")
        }
        Cause::Beside { with, constraint } => {
            format!(
                "it must be with {}, {}{}",
                role_of(with),
                place_of(with),
                of_constraint("colocation", constraint)
            )
        }
        Cause::Apart { from, constraint } => {
            let name = role_of(from);
            format!(
                "it must not be with {name}, {}{}",
                place_of(from),
                of_constraint("colocation", constraint)
            )
        }
        Cause::Follower { node, follower, constraint } => {
            let by = of_constraint("colocation", constraint);
            format!("{follower}, which must be with it, cannot be on {node}{by}")
        }
        Cause::EarlierMember { group, member, node: None } => {
            format!("it comes after {member} in group {group}, and that cannot run")
        }
        Cause::EarlierMember { group, member, node: Some(node) } => {
            format!("it comes after {member} in group {group}, and that is on {node}")
        }
        Cause::Order { constraint, first, action } => {
            format!("{first} must {action} first, and cannot{}", of_constraint("order", constraint))
        }
        Cause::Standby { node } => format!("{node} is in standby"),
        Cause::StandbyAfterFailure { node, why, .. } => {
            format!("{node} is in standby, as `on-fail` says: {why}")
        }
        Cause::Disabled { at } => format!("`target-role` of {at} is `Stopped`"),
        Cause::StopAll => "`stop-all-resources` is set".into(),
        Cause::Ticket { constraint, ticket, is_granted } => {
            let state = if *is_granted { "in standby" } else { "not granted to this cluster" };
            format!("ticket `{ticket}` is {state} (constraint `{constraint}`)")
        }
        Cause::Capacity { node, lacks, beside } => {
            let amount = |lack: &Lack| format!("{} {} of which {} is free", lack.kind, lack.needs, lack.free);
            let beside = list(beside.iter().map(ToString::to_string));
            let with = if beside.is_empty() { String::new() } else { format!(", with {beside},") };
            format!("{node} has no room: it{with} needs {}", list(lacks.iter().map(amount)))
        }
        Cause::Offline { node, how } => format!("{node} is {how}"),
        Cause::Unclean { node, why, fencing } => {
            format!("{node} may still run it ({why}), and is not fenced: {}", of_fencing(fencing))
        }
        Cause::NoFenceDevice => {
            "`stonith-enabled` is true and there is no fence device: nothing is started".into()
        }
        Cause::Maintenance { scope: Scope::Cluster } => "`maintenance-mode` is on: it is left alone".into(),
        Cause::Maintenance { scope: Scope::Resource } => "its `maintenance` is set: it is left alone".into(),
        Cause::Maintenance { scope: Scope::Node(node) } => {
            format!("{node} is in maintenance: it is left alone")
        }
        Cause::Unmanaged => "`is-managed` is false: it is left alone".into(),
        Cause::Blocked { why } => format!("it is blocked: {why}"),
        Cause::Removed => "it is no longer configured".into(),
        Cause::TooManyInstances { max } => format!("`clone-max` is {max}, and so many are placed"),
        Cause::InstanceThere { node } => format!("{node} has its share of instances"),
        Cause::NoInstance { of } => format!("there is no instance of {of} for it to be with"),
        Cause::Stickiness { node, score } => {
            format!("it runs on {node}, and `resource-stickiness` is {score}")
        }
        Cause::BestScore { node, score, second: Some((other, next)) } => {
            format!("its score on {node} is the highest: {score}, {other} has {next}")
        }
        Cause::BestScore { node, score, second: None } => {
            format!("its score on {node} is the highest: {score}")
        }
        Cause::FewestResources { node } => {
            format!(
                "no node is better than {node}: of equals the one with the fewest resources is taken, then the first"
            )
        }
        Cause::OnlyNode { node } => format!("{node} is the only node for it"),
        Cause::LowScore { node, score } => format!("its score on {node} is below zero: {score}"),
        Cause::Other { what } => what.clone(),
    }
}

fn failures(cause: &Cause) -> String {
    let Cause::Failures { node, count, threshold, operation, reason, expires_in_ms, .. } = cause else {
        return String::new();
    };
    let said = match (operation.as_str(), reason.as_str()) {
        ("", "") => String::new(),
        (operation, "") => format!(" ({operation})"),
        ("", reason) => format!(" ({reason})"),
        (operation, reason) => format!(" ({operation}: {reason})"),
    };
    let often = match *count {
        1_000_000.. => "its start failed".to_string(),
        1 => "it failed once".into(),
        count => format!("it failed {count} times"),
    };
    let limit = if *threshold >= 1_000_000 { "INFINITY".to_string() } else { threshold.to_string() };
    let until = match expires_in_ms {
        Some(ms) => format!("that is forgotten in {}", rough(*ms)),
        None => "that is kept until it is cleaned up, as `failure-timeout` is not set".into(),
    };
    format!("{often} on {node}{said}, and `migration-threshold` is {limit}; {until}")
}

fn liking(score: Score) -> String {
    match score {
        Score::INFINITY => "asks for".into(),
        Score::MINUS_INFINITY => "forbids".into(),
        score => format!("gives {score} to"),
    }
}

fn role_of(leader: &Leader) -> String {
    let role = leader.role.as_ref().map_or(String::new(), |role| format!(" ({role})"));
    format!("{}{role}", leader.resource)
}

fn place_of(leader: &Leader) -> String {
    leader.node.as_ref().map_or("which runs nowhere".into(), |node| format!("which is on {node}"))
}

fn of_constraint(kind: &str, constraint: &Option<String>) -> String {
    constraint.as_ref().map_or(String::new(), |id| format!(" ({kind} `{id}`)"))
}

fn of_fencing(obstacle: &FencingObstacle) -> String {
    let by =
        |device: &Option<ResourceId>| device.as_ref().map_or(String::new(), |device| format!(" by {device}"));
    match obstacle {
        FencingObstacle::Due => "it is about to be".into(),
        FencingObstacle::Disabled => "`stonith-enabled` is false".into(),
        FencingObstacle::NoDevice => "there is no fence device".into(),
        FencingObstacle::NoDeviceForIt => "no fence device can switch it".into(),
        FencingObstacle::NoQuorum => "without quorum nobody is fenced".into(),
        FencingObstacle::Waits => "fencing waits for its delay or for a device".into(),
        FencingObstacle::Running { device } => format!("fencing{} is under way", by(device)),
        FencingObstacle::Failed { device, why } => {
            format!("fencing{} failed: {why}; it is tried again", by(device))
        }
    }
}

/// A time as people say it.
fn rough(ms: u64) -> String {
    match ms {
        0..120_000 => format_ms(ms.div_ceil(1000) * 1000),
        120_000..7_200_000 => format!("{}min", ms.div_ceil(60_000)),
        _ => format!("{}h", ms.div_ceil(3_600_000)),
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn step(what: impl Into<String>, command: impl Into<String>) -> Option<NextStep> {
    Some(NextStep { what: what.into(), command: Some(command.into()) })
}

fn words(what: impl Into<String>) -> Option<NextStep> {
    Some(NextStep { what: what.into(), command: None })
}

impl Cause {
    /// What would change it, for the resource that it is about.
    pub fn next_step(&self, about: &ResourceId) -> Option<NextStep> {
        match self {
            Self::Moved { constraint, .. } => {
                step(format!("forget the move (`{constraint}`)"), format!("musterd resource clear {about}"))
            }
            Self::Location { constraint, score, .. } if *score < Score(0) => words(format!(
                "if that is not meant, take constraint `{constraint}` out of the `cluster` task and `muster apply` it"
            )),
            Self::NotAllowed { node } => {
                words(format!("add a location of {about} with {node} to the `cluster` task"))
            }
            Self::Health { node, attributes, is_permanent: false, .. } => {
                let name = attributes.first().map_or("#health", |(name, _)| name.as_str());
                words(format!("cure {node}: the agent that watches it sets `{name}` to green by itself"))
            }
            Self::Health { node, .. } => words(format!(
                "cure {node}, then take its health attribute out of `node_attributes` of the `cluster` task and `muster apply` it"
            )),
            Self::Failures { resource, .. } => step(
                "once the cause is gone, forget the failures",
                format!("musterd resource cleanup {resource}"),
            ),
            Self::StandbyAfterFailure { resource, .. } => step(
                "once the cause is gone, forget the failure",
                format!("musterd resource cleanup {resource}"),
            ),
            Self::CannotRun { .. } | Self::Blocked { .. } => step(
                "once the cause is gone, forget the failure",
                format!("musterd resource cleanup {about}"),
            ),
            Self::NoQuorum(lack) => {
                let who = if lack.missing.is_empty() {
                    "the nodes that are missing".into()
                } else {
                    list(lack.missing.iter().map(ToString::to_string))
                };
                step(
                    format!("bring back {who}: switch on what is off, and start the agent there"),
                    "systemctl start musterd",
                )
            }
            Self::Standby { node } => {
                step(format!("let {node} run resources again"), format!("musterd node unstandby {node}"))
            }
            Self::Disabled { at } => step("let it run", format!("musterd resource enable {at}")),
            Self::StopAll => words(
                "take `stop-all-resources` out of `properties` of the `cluster` task and `muster apply` it",
            ),
            Self::Ticket { ticket, .. } => {
                step("grant the ticket to this cluster", format!("booth grant {ticket}"))
            }
            Self::Capacity { node, .. } => words(format!(
                "give {node} more in `node_utilization`, or let something that runs there go: `placement-strategy` counts what is declared"
            )),
            Self::Offline { node, .. } => {
                step(format!("on {node}, once it is switched on: start the agent"), "systemctl start musterd")
            }
            Self::Unclean { node, fencing, .. } => after_fencing(node, fencing),
            Self::NoFenceDevice => words(
                "add a device to `fence_devices` of the `cluster` task, or write `stonith-enabled: false` and accept that data may be lost",
            ),
            Self::Maintenance { scope: Scope::Cluster } => words(
                "take `maintenance-mode` out of `properties` of the `cluster` task and `muster apply` it",
            ),
            Self::Maintenance { scope: Scope::Resource } => words(format!(
                "take `maintenance` out of the meta attributes of {about} and `muster apply` it"
            )),
            Self::Maintenance { scope: Scope::Node(node) } => {
                words(format!("take `maintenance` out of the attributes of {node} and `muster apply` it"))
            }
            Self::Unmanaged => words(format!(
                "take `is-managed` out of the meta attributes of {about} and `muster apply` it"
            )),
            _ => None,
        }
    }
}

fn after_fencing(node: &NodeName, obstacle: &FencingObstacle) -> Option<NextStep> {
    let confirm = format!("musterd fence --confirm {node}");
    match obstacle {
        FencingObstacle::Due | FencingObstacle::Waits | FencingObstacle::Running { .. } => {
            step("wait for the device", "musterd wait")
        }
        FencingObstacle::NoQuorum => step(format!("bring back quorum; it fences {node}"), "musterd quorum"),
        FencingObstacle::NoDevice | FencingObstacle::NoDeviceForIt => step(
            format!(
                "add a device for {node} to `fence_devices` of the `cluster` task; or, once you have seen that {node} is off"
            ),
            confirm,
        ),
        FencingObstacle::Failed { .. } => {
            step(format!("repair the device; or, once you have seen that {node} is off"), confirm)
        }
        FencingObstacle::Disabled => None,
    }
}
