//! Deeds as text: one line each.
//!
//! ```text
//! cut n1 | n2,n3 [link 0] [for 3s]      both directions; `>` instead of `|`: only from left to right
//! narrow n1 | n2,n3 [for 3s]            large packets are lost; `>` as above
//! mend                                  all cuts end, all paths are wide
//! address n1 link 0 for 3s              the address of that link is gone
//! crash n1 [for 20s]                    power off; power-on n1
//! freeze n1 for 5s                      the agent is not scheduled
//! kill n1 [for 2s]                      the agent dies; start n1
//! jump n1 by -3000                      the wall clock, in milliseconds
//! drift n1 by 300                       the monotonic clock, in parts per million
//! end vip on n1                         the process of a resource ends
//! fill-disk n1 for 3s
//! lock-disk n1 for 3s                   the disk is read-only
//! damage-disk n1                        a byte of what the agent saved last is another one now
//! ask n1 standby n2                     a client of n1's agent asks: standby, unstandby, move web [to n2] [for 10s],
//!                                       clear web, cleanup [web], enable web, disable web, mark, parameter 2
//!                                       (which the agent takes over), parameter 2 of state (which it does not),
//!                                       maintenance on, fence n2 [off], confirm n2, leave [for 20s], wait, status
//! ```

use super::words::{Words, names_of, text_of};
use crate::deed::{Ask, Deed};
use std::fmt;
use std::time::Duration;

/// Reads the deed that begins with that word.
pub(super) fn read(word: &str, words: &mut Words<'_>) -> Result<Deed, String> {
    Ok(match word {
        "cut" => read_cut(words)?,
        "narrow" => {
            let (left, right, is_one_way) = read_sides(words)?;
            Deed::Narrow { left, right, is_one_way, lasts: words.lasts()? }
        }
        "mend" => Deed::Mend,
        "address" => {
            let machine = words.machine()?;
            words.exactly("link")?;
            let link = words.number()?;
            Deed::LoseAddress { machine, link, lasts: read_lasts(words)? }
        }
        "crash" => Deed::Crash { machine: words.machine()?, off: words.lasts()? },
        "power-on" => Deed::PowerOn { machine: words.machine()? },
        "freeze" => Deed::Freeze { machine: words.machine()?, lasts: read_lasts(words)? },
        "kill" => Deed::KillAgent { machine: words.machine()?, outage: words.lasts()? },
        "start" => Deed::StartAgent { machine: words.machine()? },
        "jump" => Deed::Jump { machine: words.machine()?, ms: read_by(words)? },
        "drift" => Deed::Drift { machine: words.machine()?, ppm: read_by(words)? },
        "end" => {
            let resource = words.next("a resource")?.into();
            words.exactly("on")?;
            Deed::End { machine: words.machine()?, resource }
        }
        "fill-disk" => Deed::FillDisk { machine: words.machine()?, lasts: read_lasts(words)? },
        "lock-disk" => Deed::LockDisk { machine: words.machine()?, lasts: read_lasts(words)? },
        "damage-disk" => Deed::DamageDisk { machine: words.machine()? },
        "ask" => Deed::Ask { machine: words.machine()?, ask: read_ask(words)? },
        _ => return Err(format!("no deed is called `{word}`")),
    })
}

/// Two sides, and whether only the way from the left one to the right one is meant.
fn read_sides(words: &mut Words<'_>) -> Result<(Vec<usize>, Vec<usize>, bool), String> {
    let left = words.machines()?;
    let is_one_way = match words.next("`|` or `>`")? {
        "|" => false,
        ">" => true,
        other => return Err(format!("`|` or `>` was expected, not `{other}`")),
    };
    Ok((left, words.machines()?, is_one_way))
}

fn read_cut(words: &mut Words<'_>) -> Result<Deed, String> {
    let (left, right, is_one_way) = read_sides(words)?;
    let link = if words.take("link") { Some(words.number()?) } else { None };
    Ok(Deed::Cut { left, right, is_one_way, link, lasts: words.lasts()? })
}

fn read_lasts(words: &mut Words<'_>) -> Result<Duration, String> {
    words.lasts()?.ok_or_else(|| "`for` and a time are missing".to_string())
}

fn read_by(words: &mut Words<'_>) -> Result<i64, String> {
    words.exactly("by")?;
    words.number()
}

fn read_ask(words: &mut Words<'_>) -> Result<Ask, String> {
    Ok(match words.next("what is asked for")? {
        "standby" => Ask::Standby { node: words.machine()?, on: true },
        "unstandby" => Ask::Standby { node: words.machine()?, on: false },
        "move" => {
            let resource = words.next("a resource")?.into();
            let node = if words.take("to") { Some(words.machine()?) } else { None };
            Ask::Move { resource, node, lifetime: words.lasts()? }
        }
        "clear" => Ask::Clear { resource: words.next("a resource")?.into() },
        "cleanup" => Ask::Cleanup {
            resource: words.peek().is_some().then(|| words.next("a resource")).transpose()?.map(Into::into),
        },
        "enable" => Ask::Enable { resource: words.next("a resource")?.into(), on: true },
        "disable" => Ask::Enable { resource: words.next("a resource")?.into(), on: false },
        "mark" => Ask::Mark,
        "parameter" => {
            let value = words.number()?;
            let name = if words.take("of") { words.exactly("state").map(|()| "state")? } else { "value" };
            Ask::Parameter { name, value }
        }
        "maintenance" => match words.next("`on` or `off`")? {
            "on" => Ask::Maintenance { on: true },
            "off" => Ask::Maintenance { on: false },
            other => return Err(format!("`on` or `off` was expected, not `{other}`")),
        },
        "fence" => Ask::Fence { node: words.machine()?, off: words.take("off") },
        "confirm" => Ask::Confirm { node: words.machine()? },
        "leave" => Ask::Leave { back: words.lasts()? },
        "wait" => Ask::Wait,
        "status" => Ask::Status,
        other => return Err(format!("nothing is asked for as `{other}`")),
    })
}

/// ` for 3s`, where there is a time.
struct Lasts(Option<Duration>);

impl fmt::Display for Lasts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |lasts| write!(formatter, " for {}", text_of(lasts)))
    }
}

/// `n3`.
struct Name(usize);

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "n{}", self.0 + 1)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { left, right, is_one_way, link, lasts } => {
                let sign = if *is_one_way { '>' } else { '|' };
                write!(to, "cut {} {sign} {}", names_of(left), names_of(right))?;
                if let Some(link) = link {
                    write!(to, " link {link}")?;
                }
                write!(to, "{}", Lasts(*lasts))
            }
            Self::Narrow { left, right, is_one_way, lasts } => {
                let sign = if *is_one_way { '>' } else { '|' };
                write!(to, "narrow {} {sign} {}{}", names_of(left), names_of(right), Lasts(*lasts))
            }
            Self::Mend => write!(to, "mend"),
            Self::LoseAddress { machine, link, lasts } => {
                write!(to, "address {} link {link}{}", Name(*machine), Lasts(Some(*lasts)))
            }
            Self::Crash { machine, off } => write!(to, "crash {}{}", Name(*machine), Lasts(*off)),
            Self::PowerOn { machine } => write!(to, "power-on {}", Name(*machine)),
            Self::Freeze { machine, lasts } => {
                write!(to, "freeze {}{}", Name(*machine), Lasts(Some(*lasts)))
            }
            Self::KillAgent { machine, outage } => write!(to, "kill {}{}", Name(*machine), Lasts(*outage)),
            Self::StartAgent { machine } => write!(to, "start {}", Name(*machine)),
            Self::Jump { machine, ms } => write!(to, "jump {} by {ms}", Name(*machine)),
            Self::Drift { machine, ppm } => write!(to, "drift {} by {ppm}", Name(*machine)),
            Self::End { machine, resource } => write!(to, "end {resource} on {}", Name(*machine)),
            Self::FillDisk { machine, lasts } => {
                write!(to, "fill-disk {}{}", Name(*machine), Lasts(Some(*lasts)))
            }
            Self::LockDisk { machine, lasts } => {
                write!(to, "lock-disk {}{}", Name(*machine), Lasts(Some(*lasts)))
            }
            Self::DamageDisk { machine } => write!(to, "damage-disk {}", Name(*machine)),
            Self::Ask { machine, ask } => write!(to, "ask {} {ask}", Name(*machine)),
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standby { node, on: true } => write!(to, "standby {}", Name(*node)),
            Self::Standby { node, on: false } => write!(to, "unstandby {}", Name(*node)),
            Self::Move { resource, node, lifetime } => {
                write!(to, "move {resource}")?;
                if let Some(node) = node {
                    write!(to, " to {}", Name(*node))?;
                }
                write!(to, "{}", Lasts(*lifetime))
            }
            Self::Clear { resource } => write!(to, "clear {resource}"),
            Self::Cleanup { resource: None } => write!(to, "cleanup"),
            Self::Cleanup { resource: Some(resource) } => write!(to, "cleanup {resource}"),
            Self::Enable { resource, on: true } => write!(to, "enable {resource}"),
            Self::Enable { resource, on: false } => write!(to, "disable {resource}"),
            Self::Mark => write!(to, "mark"),
            Self::Parameter { name: "value", value } => write!(to, "parameter {value}"),
            Self::Parameter { name, value } => write!(to, "parameter {value} of {name}"),
            Self::Maintenance { on } => write!(to, "maintenance {}", if *on { "on" } else { "off" }),
            Self::Fence { node, off } => {
                write!(to, "fence {}{}", Name(*node), if *off { " off" } else { "" })
            }
            Self::Confirm { node } => write!(to, "confirm {}", Name(*node)),
            Self::Leave { back } => write!(to, "leave{}", Lasts(*back)),
            Self::Wait => write!(to, "wait"),
            Self::Status => write!(to, "status"),
        }
    }
}
