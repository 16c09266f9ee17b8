//! What a script expects.
//!
//! ```text
//! calm                  one primary view of all nodes, everything runs, nothing is under way
//! vip on n1,n2          it is active there, and only there; a group stands for all its members
//! vip nowhere
//! vip started 2         its start has begun so often since the beginning
//! vip with 2            where it is active it runs with that value of the parameter
//! vip with 2 of state
//! primary n1,n2         they are in one primary view, of them and nobody else
//! view n1,n2            they are in one view, of them and nobody else
//! apart n3              it is in no primary view
//! off n1                it has no power
//! left n1               its agent has left cleanly and does not run
//! fenced n1 2           a device has switched it off so often
//! told TEXT             a node has said that since the beginning
//! answer done           so was the last request answered
//! answer refused TEXT   and with this in the reason
//! not STATE
//! ```

use super::words::{Words, names_of};
use crate::world::World;
use muster_api::id::ResourceId;
use std::fmt;

/// One thing that is so or not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table above says what they are")]
pub enum State {
    Calm,
    Active { resource: ResourceId, on: Vec<usize> },
    Started { resource: ResourceId, times: u64 },
    With { resource: ResourceId, name: &'static str, value: String },
    Primary(Vec<usize>),
    View(Vec<usize>),
    Apart(usize),
    Off(usize),
    Left(usize),
    Fenced(usize, u64),
    Told(String),
    Done,
    Refused(String),
    Not(Box<Self>),
}

impl State {
    pub(super) fn read(words: &mut Words<'_>) -> Result<Self, String> {
        Ok(match words.next("what is expected")? {
            "not" => Self::Not(Box::new(Self::read(words)?)),
            "calm" => Self::Calm,
            "primary" => Self::Primary(words.machines()?),
            "view" => Self::View(words.machines()?),
            "apart" => Self::Apart(words.machine()?),
            "off" => Self::Off(words.machine()?),
            "left" => Self::Left(words.machine()?),
            "fenced" => Self::Fenced(words.machine()?, words.number()?),
            "told" => Self::Told(words.rest()),
            "answer" => match words.next("`done` or `refused`")? {
                "done" => Self::Done,
                "refused" => Self::Refused(words.rest()),
                other => return Err(format!("`done` or `refused` was expected, not `{other}`")),
            },
            resource => match words.next("`on`, `nowhere`, `started` or `with`")? {
                "on" => Self::Active { resource: resource.into(), on: words.machines()? },
                "nowhere" => Self::Active { resource: resource.into(), on: Vec::new() },
                "started" => Self::Started { resource: resource.into(), times: words.number()? },
                "with" => {
                    let value = words.next("a value")?.to_string();
                    let name =
                        if words.take("of") { words.exactly("state").map(|()| "state")? } else { "value" };
                    Self::With { resource: resource.into(), name, value }
                }
                other => {
                    return Err(format!("`on`, `nowhere`, `started` or `with` was expected, not `{other}`"));
                }
            },
        })
    }

    /// Whether it is so now.
    pub fn is_so(&self, world: &World) -> bool {
        match self {
            Self::Calm => world.is_calm() && world.all_run(),
            Self::Active { resource, on } => is_active(world, resource, on),
            Self::Started { resource, times } => {
                let starts =
                    world.machines.iter().filter_map(|machine| machine.executor.starts.get(resource));
                starts.sum::<u64>() == *times
            }
            Self::With { resource, name, value } => {
                let mut active =
                    world.machines.iter().filter(|machine| machine.executor.active.contains(resource));
                active.all(|machine| {
                    let params = machine.executor.params.get(resource);
                    params.and_then(|params| params.get(*name)) == Some(value)
                })
            }
            Self::Primary(machines) => are_in_view(world, machines, true),
            Self::View(machines) => are_in_view(world, machines, false),
            Self::Apart(machine) => world.machines[*machine].seen().is_none_or(|seen| !seen.is_primary),
            Self::Off(machine) => !world.machines[*machine].is_on,
            Self::Left(machine) => world.machines[*machine].has_left,
            Self::Fenced(machine, times) => world.machines[*machine].fencings == *times,
            Self::Told(text) => world.story.iter().flatten().any(|line| line.contains(text.as_str())),
            Self::Done => matches!(&world.clients.last_answer, Some(Ok(()))),
            Self::Refused(text) => {
                matches!(&world.clients.last_answer, Some(Err(why)) if why.contains(text.as_str()))
            }
            Self::Not(other) => !other.is_so(world),
        }
    }
}

fn is_active(world: &World, resource: &ResourceId, on: &[usize]) -> bool {
    let is_meant = |id: &ResourceId, group: Option<&ResourceId>| id == resource || group == Some(resource);
    let primitives = world.plan.config.primitives();
    let mut ids =
        primitives.filter(|(one, group)| is_meant(&one.id, *group)).map(|(one, _)| &one.id).peekable();
    let is_known = ids.peek().is_some();
    is_known
        && ids.all(|id| {
            let mut machines = world.machines.iter().enumerate();
            machines.all(|(index, machine)| machine.executor.active.contains(id) == on.contains(&index))
        })
}

fn are_in_view(world: &World, machines: &[usize], must_be_primary: bool) -> bool {
    let ids: Vec<_> = machines.iter().map(|machine| world.machines[*machine].id).collect();
    let views: Vec<_> = machines.iter().filter_map(|machine| world.machines[*machine].seen()).collect();
    views.len() == machines.len()
        && views.iter().all(|seen| {
            seen.view.is_some()
                && seen.view == views[0].view
                && seen.members.iter().map(|member| member.id).eq(ids.iter().copied())
                && (seen.is_primary || !must_be_primary)
        })
}

impl fmt::Display for State {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm => write!(to, "calm"),
            Self::Active { resource, on } if on.is_empty() => write!(to, "{resource} nowhere"),
            Self::Active { resource, on } => write!(to, "{resource} on {}", names_of(on)),
            Self::Started { resource, times } => write!(to, "{resource} started {times}"),
            Self::With { resource, name: "value", value } => write!(to, "{resource} with {value}"),
            Self::With { resource, name, value } => write!(to, "{resource} with {value} of {name}"),
            Self::Primary(machines) => write!(to, "primary {}", names_of(machines)),
            Self::View(machines) => write!(to, "view {}", names_of(machines)),
            Self::Apart(machine) => write!(to, "apart n{}", machine + 1),
            Self::Off(machine) => write!(to, "off n{}", machine + 1),
            Self::Left(machine) => write!(to, "left n{}", machine + 1),
            Self::Fenced(machine, times) => write!(to, "fenced n{} {times}", machine + 1),
            Self::Told(text) => write!(to, "told {text}"),
            Self::Done => write!(to, "answer done"),
            Self::Refused(text) => write!(to, "answer refused {text}"),
            Self::Not(state) => write!(to, "not {state}"),
        }
    }
}
