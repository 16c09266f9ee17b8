//! What survives what? Plays a script of failures on the quorum rules of the agent: the same judgement, the same memory from
//! view to view, the same window, with views that form at once and fencing that works at once.
//!
//! Left out is what takes time or can fail: a view forms after `token`, a crashed node counts as off once its device has
//! said so.

use super::script::{Happening, Line, Script, read};
use super::{LastQuorate, Memory, Question, Standing, judge, last_standing, window};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use muster_api::cluster::Corosync;
use muster_api::id::{NodeId, NodeName};
use serde::Serialize;

pub use super::script::ScriptError;

/// How the cluster stands after one line of the script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The line in the script.
    pub line: usize,
    /// What it says.
    pub command: String,
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// The parts that reach each other, in the order of their lowest node; none where no node is up.
    pub parts: Vec<Part>,
}

/// Nodes that reach each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Who.
    pub members: Vec<NodeName>,
    /// Votes present.
    pub votes: u32,
    /// Votes expected.
    pub expected_votes: u32,
    /// Votes needed.
    pub quorum: u32,
    /// Whether it has them.
    pub is_quorate: bool,
    /// Whether it may change anything.
    pub is_primary: bool,
    /// Why, or why not.
    pub why: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} => ", self.line, self.command)?;
        if self.parts.is_empty() {
            return formatter.write_str("nobody is up");
        }
        let parts: Vec<String> = self.parts.iter().map(Part::to_string).collect();
        formatter.write_str(&parts.join(" | "))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<&str> = self.members.iter().map(NodeName::as_str).collect();
        let answer = |is_so: bool| if is_so { "yes" } else { "no" };
        let Self { votes, expected_votes, quorum, why, .. } = self;
        let (members, quorate, primary) =
            (members.join(" "), answer(self.is_quorate), answer(self.is_primary));
        write!(
            formatter,
            "[{members}] votes={votes} expected={expected_votes} quorum={quorum} quorate={quorate} primary={primary} ({why})"
        )
    }
}

/// Plays a script; `given` is the cluster where the script does not describe one.
///
/// # Errors
///
/// The first mistake in the script, or in the options that it sets.
pub fn rehearse(text: &str, given: Option<&Corosync>) -> Result<Vec<Answer>, ScriptError> {
    let Script { corosync, lines } = read(text, given)?;
    let mut world = World::new(corosync);
    Ok(lines.into_iter().map(|line| world.play(line)).collect())
}

/// One node.
#[derive(Debug, Clone, Default)]
struct Host {
    is_up: bool,
    has_left: bool,
    /// Which part of the network it is in.
    part: usize,
    memory: Memory,
    /// Counts the primary views: the part that was in the last one knows best.
    position: u64,
    is_unblocked: bool,
    has_device_vote: bool,
}

#[derive(Debug, Clone)]
struct View {
    members: BTreeSet<NodeId>,
    standing: Standing,
    /// When `last_man_standing` looks at it.
    window_at_ms: Option<u64>,
}

struct World {
    corosync: Corosync,
    hosts: BTreeMap<NodeId, Host>,
    views: Vec<View>,
    parts: usize,
    /// How many views there were.
    formed: u64,
    at_ms: u64,
    is_fencing_enabled: bool,
}

impl World {
    fn new(corosync: Corosync) -> Self {
        let hosts = corosync.nodes.iter().map(|node| (node.id, Host::default())).collect();
        Self { corosync, hosts, views: Vec::new(), parts: 0, formed: 0, at_ms: 0, is_fencing_enabled: true }
    }

    fn play(&mut self, line: Line) -> Answer {
        match line.happening {
            Happening::Up(nodes) => self.start(&nodes),
            Happening::Down(nodes) => self.stop(&nodes, false),
            Happening::Leave(nodes) => self.stop(&nodes, true),
            Happening::Partition(parts) => parts.iter().for_each(|part| self.cut(part)),
            Happening::Join(nodes) => self.heal(&nodes),
            Happening::Device { is_given, nodes } => {
                self.each(&nodes, |host| host.has_device_vote = is_given && host.is_up);
            }
            Happening::Fencing(is_on) => self.is_fencing_enabled = is_on,
            Happening::Time { ms } => self.pass(ms),
            Happening::Show => {}
        }
        self.form_views();
        let parts = self.views.iter().map(|view| self.part(view)).collect();
        Answer { line: line.number, command: line.text, at_ms: self.at_ms, parts }
    }

    fn each(&mut self, nodes: &BTreeSet<NodeId>, mut change: impl FnMut(&mut Host)) {
        self.hosts.iter_mut().filter(|(id, _)| nodes.contains(id)).for_each(|(_, host)| change(host));
    }

    fn start(&mut self, nodes: &BTreeSet<NodeId>) {
        self.each(nodes, |host| {
            if !host.is_up {
                let memory = core::mem::take(&mut host.memory).restored();
                let (part, position) = (host.part, host.position);
                *host = Host { is_up: true, memory, part, position, ..Host::default() };
            }
        });
    }

    fn stop(&mut self, nodes: &BTreeSet<NodeId>, is_clean: bool) {
        self.each(nodes, |host| {
            host.has_left = is_clean && (host.is_up || host.has_left);
            (host.is_up, host.has_device_vote) = (false, false);
        });
    }

    fn cut(&mut self, nodes: &BTreeSet<NodeId>) {
        self.parts += 1;
        let part = self.parts;
        self.each(nodes, |host| host.part = part);
    }

    /// All parts are one again, or those of the named nodes are, which are up then. Nodes of one part join the largest other.
    fn heal(&mut self, nodes: &BTreeSet<NodeId>) {
        let of_named = self.hosts.iter().filter(|(id, _)| nodes.is_empty() || nodes.contains(id));
        let mut parts: BTreeSet<usize> = of_named.map(|(_, host)| host.part).collect();
        if parts.len() == 1 {
            parts.extend(self.largest_part_beside(&parts));
        }
        let first = parts.first().copied().unwrap_or(0);
        let is_joined = |host: &&mut Host| parts.contains(&host.part);
        self.hosts.values_mut().filter(is_joined).for_each(|host| host.part = first);
        self.start(nodes);
    }

    fn largest_part_beside(&self, parts: &BTreeSet<usize>) -> Option<usize> {
        let size = |part: usize| self.hosts.values().filter(|host| host.is_up && host.part == part).count();
        let others = self.hosts.iter().filter(|(_, host)| !parts.contains(&host.part));
        let best = others.max_by_key(|(id, host)| (size(host.part), core::cmp::Reverse(**id)));
        best.map(|(_, host)| host.part)
    }

    /// Time passes from window to window, because each may change what the next finds.
    fn pass(&mut self, ms: u64) {
        let end = self.at_ms.saturating_add(ms);
        while let Some(at) =
            self.views.iter().filter_map(|view| view.window_at_ms).min().filter(|at| *at <= end)
        {
            self.at_ms = at;
            for index in 0..self.views.len() {
                if self.views[index].window_at_ms == Some(at) {
                    self.close_window(index);
                }
            }
            self.form_views();
        }
        self.at_ms = end;
    }

    fn close_window(&mut self, index: usize) {
        let view = &mut self.views[index];
        view.window_at_ms = None;
        if !view.standing.is_primary() {
            return;
        }
        if let Some(votes) = last_standing(&self.corosync, &view.standing) {
            let members = view.members.clone();
            self.each(&members, |host| host.memory.lower(votes));
        }
    }

    fn form_views(&mut self) {
        let mut groups: BTreeMap<usize, BTreeSet<NodeId>> = BTreeMap::new();
        for (id, host) in self.hosts.iter().filter(|(_, host)| host.is_up) {
            groups.entry(host.part).or_default().insert(*id);
        }
        let former = core::mem::take(&mut self.views);
        let mut views: Vec<View> = Vec::new();
        for members in groups.into_values() {
            let kept = former.iter().find(|view| view.members == members && !self.must_reform(view));
            let view = kept.cloned().unwrap_or_else(|| self.form_view(members));
            views.push(view);
        }
        views.sort_by_key(|view| view.members.first().copied());
        self.views = views;
    }

    /// As the coordinator sees to it: the members are the same, but what they may do is not.
    fn must_reform(&self, view: &View) -> bool {
        let now = self.judge(&view.members);
        let (was_primary, was_quorate) = (view.standing.is_primary(), view.standing.is_quorate());
        now.is_primary() && !was_primary || was_quorate && !now.is_quorate()
    }

    fn form_view(&mut self, members: BTreeSet<NodeId>) -> View {
        let mut memory = self.memory(&members);
        let left = self.absent(|host| host.has_left);
        self.formed += 1;
        let epoch = self.formed;
        let standing = self.ask(&members, |question| memory.open_view(question, epoch, &left));
        memory.activate_view(epoch);
        let next = self.hosts.values().map(|host| host.position).max().unwrap_or(0) + 1;
        self.each(&members, |host| {
            host.memory = memory.clone();
            host.is_unblocked |= standing.is_quorate();
            host.position = if standing.is_primary() { next } else { host.position };
        });
        let window_ms =
            window(&self.corosync).map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
        View { members, standing, window_at_ms: window_ms.map(|ms| self.at_ms.saturating_add(ms)) }
    }

    /// What the member knows that was in the last primary view, and who were in the last quorate one.
    fn memory(&self, members: &BTreeSet<NodeId>) -> Memory {
        let hosts = self.hosts.iter().filter(|(id, _)| members.contains(id));
        let quorate = LastQuorate::together(hosts.clone().map(|(_, host)| &host.memory.quorate));
        let best = hosts.max_by_key(|(id, host)| {
            (host.position, host.memory.votes_expected.is_some(), core::cmp::Reverse(**id))
        });
        let memory = best.map(|(_, host)| host.memory.clone()).unwrap_or_default();
        Memory { quorate, ..memory }
    }

    fn judge(&self, members: &BTreeSet<NodeId>) -> Standing {
        let memory = self.memory(members);
        self.ask(members, |question| judge(&memory, question))
    }

    fn ask(&self, members: &BTreeSet<NodeId>, answer: impl FnOnce(&Question<'_>) -> Standing) -> Standing {
        let any = |is: fn(&Host) -> bool| members.iter().filter_map(|id| self.hosts.get(id)).any(is);
        answer(&Question {
            corosync: &self.corosync,
            members,
            is_unblocked: any(|host| host.is_unblocked),
            has_device_vote: any(|host| host.has_device_vote),
            ignores_quorum: false,
            is_fencing_enabled: self.is_fencing_enabled,
            known_off: &self.absent(|_| true),
        })
    }

    fn absent(&self, is: impl Fn(&Host) -> bool) -> BTreeSet<NodeId> {
        self.hosts.iter().filter(|(_, host)| !host.is_up && is(host)).map(|(id, _)| *id).collect()
    }

    fn part(&self, view: &View) -> Part {
        let standing = self.judge(&view.members);
        let name = |id: NodeId| {
            let node = self.corosync.nodes.iter().find(|node| node.id == id);
            node.map_or_else(|| id.to_string(), |node| node.name.to_string())
        };
        let why = match standing.why_quorate(&self.corosync.quorum) {
            None => standing.inquorate.clone().unwrap_or_default(),
            Some(why) => match standing.why_not_primary(name) {
                None => why.to_string(),
                Some(but) => format!("{why}, but {but}"),
            },
        };
        Part {
            members: view.members.iter().map(|id| NodeName(name(*id))).collect(),
            votes: standing.votes_present,
            expected_votes: standing.votes_expected,
            quorum: standing.votes_needed,
            is_quorate: standing.is_quorate(),
            is_primary: standing.is_primary(),
            why,
        }
    }
}
