//! The report of `plan`: what would change, once for all hosts that share it, then what the cluster would do, then
//! one line that sums up. What stays as it is takes no line of its own.

use super::diff_text::diff_lines;
use super::event::{Event, Stats};
use super::kind::Kind;
use super::palette::{Paint, Palette};
use super::text::{paint_line, reason};
use crate::run::result::{Status, TaskResult};
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// Collects events; the report is written at the end.
#[derive(Debug)]
pub(crate) struct Plan {
    palette: Palette,
    tasks: Vec<Planned>,
    consequences: Vec<String>,
    kinds: BTreeMap<Kind, Totals>,
}

/// What a task would do.
#[derive(Debug)]
struct Planned {
    name: String,
    /// What would happen, with the hosts on which it would.
    groups: IndexMap<String, (Outlook, Vec<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlook {
    Change,
    Unknown,
    Failure,
    /// A failure that the playbook ignores.
    Ignored,
}

/// What is counted over all hosts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Totals {
    change: u64,
    unknown: u64,
    unchanged: u64,
    failed: u64,
    ignored: u64,
    unreachable: u64,
}

impl Plan {
    /// An empty report.
    pub(crate) fn new(palette: Palette) -> Self {
        Self { palette, tasks: Vec::new(), consequences: Vec::new(), kinds: BTreeMap::new() }
    }

    /// The text of an event: everything comes with the last one.
    pub(crate) fn render(&mut self, event: &Event) -> String {
        match event {
            Event::Task { name, .. } => {
                self.tasks.push(Planned { name: name.clone(), groups: IndexMap::new() });
                String::new()
            }
            Event::Done { host, task, result } => {
                self.add(host, task, result);
                String::new()
            }
            Event::Recap { hosts, .. } => self.whole(hosts),
            _ => String::new(),
        }
    }

    fn add(&mut self, host: &str, task: &str, result: &TaskResult) {
        self.kinds.entry(Kind::of(&result.module)).or_default().count(result);
        for consequence in &result.consequences {
            if !self.consequences.contains(consequence) {
                self.consequences.push(consequence.clone());
            }
        }
        let Some((outlook, text)) = self.describe(result) else { return };
        let is_same = |planned: &&mut Planned| planned.name == task;
        if self.tasks.last_mut().filter(is_same).is_none() {
            self.tasks.push(Planned { name: task.to_owned(), groups: IndexMap::new() });
        }
        if let Some(planned) = self.tasks.last_mut() {
            planned.groups.entry(text).or_insert_with(|| (outlook, Vec::new())).1.push(host.to_owned());
        }
    }

    /// What would happen, as text that is the same for hosts on which the same would happen.
    fn describe(&self, result: &TaskResult) -> Option<(Outlook, String)> {
        match result.status {
            Status::Failed | Status::Unreachable => {
                let mut lines =
                    if result.no_log { vec!["it is not shown (no_log)".to_owned()] } else { reasons(result) };
                let outlook = if result.ignored { Outlook::Ignored } else { Outlook::Failure };
                lines.extend(result.ignored.then(|| "...ignoring".to_owned()));
                Some((outlook, lines.join("\n")))
            }
            _ if result.is_open() => {
                Some((Outlook::Unknown, format!("not known: {}", result.unknown.clone().unwrap_or_default())))
            }
            _ if result.changed => Some((Outlook::Change, self.changes(result))),
            _ => None,
        }
    }

    fn changes(&self, result: &TaskResult) -> String {
        if result.no_log {
            return "what changes is not shown (no_log)".into();
        }
        let lines: Vec<String> =
            result.diffs.iter().flat_map(diff_lines).map(|line| paint_line(self.palette, &line)).collect();
        match (lines.is_empty(), &result.unknown) {
            (true, Some(why)) => format!("would run; what it changes is not known: {why}"),
            (true, None) => "would run".into(),
            (false, _) => lines.join("\n"),
        }
    }

    fn whole(&self, hosts: &IndexMap<String, Stats>) -> String {
        let mut text = String::new();
        for planned in &self.tasks {
            for (what, outlook, on) in planned.in_order(hosts) {
                text += &self.group(&planned.name, outlook, &on, hosts.len(), what);
            }
        }
        if !self.consequences.is_empty() {
            text += &format!("{}\n", self.palette.paint(Paint::Strong, "The cluster would then"));
            for consequence in &self.consequences {
                text += &format!("    {consequence}\n");
            }
            text.push('\n');
        }
        text + &self.summary(hosts)
    }

    fn group(&self, task: &str, outlook: Outlook, on: &[String], all: usize, what: &str) -> String {
        let (paint, sign) = match outlook {
            Outlook::Change => (Paint::Changed, "~"),
            Outlook::Unknown => (Paint::Unknown, "?"),
            Outlook::Failure => (Paint::Failed, "!"),
            Outlook::Ignored => (Paint::Warning, "!"),
        };
        let on = if on.len() == all && all > 1 { format!("all {all} hosts") } else { on.join(", ") };
        let head = self.palette.paint(paint, &format!("{sign} {task}"));
        let body: Vec<String> = what.lines().map(|line| format!("    {line}")).collect();
        format!("{head}  {}\n{}\n\n", self.palette.paint(Paint::Dim, &format!("[{on}]")), body.join("\n"))
    }

    fn summary(&self, hosts: &IndexMap<String, Stats>) -> String {
        let count = hosts.len();
        let noun = if count == 1 { "host" } else { "hosts" };
        let mut text = format!("Plan: {} on {count} {noun}\n", self.parts(self.totals(hosts), true));
        let told = self.kinds.iter().filter(|(_, totals)| totals.change + totals.unknown > 0);
        for (kind, totals) in told {
            text += &format!("    {:10} {}\n", kind.plural(), self.parts(*totals, false));
        }
        text
    }

    fn totals(&self, hosts: &IndexMap<String, Stats>) -> Totals {
        // The recap counts what is known in part as `ok`, as an apply would; here that is not unchanged.
        let unchanged = self.kinds.values().map(|totals| totals.unchanged).sum();
        hosts.values().fold(Totals { unchanged, ..Totals::default() }, |sum, stats| Totals {
            change: sum.change + stats.changed,
            unknown: sum.unknown + stats.unknown,
            failed: sum.failed + stats.failed,
            ignored: sum.ignored + stats.ignored,
            unreachable: sum.unreachable + stats.unreachable,
            ..sum
        })
    }

    /// What was counted, in words; what always matters stands there also where there is none of it.
    fn parts(&self, totals: Totals, always: bool) -> String {
        let all = [
            (totals.change, Paint::Changed, "will change", always),
            (totals.unknown, Paint::Unknown, "unknown", false),
            (totals.unchanged, Paint::Ok, "unchanged", always),
            (totals.failed, Paint::Failed, "failed", false),
            (totals.ignored, Paint::Warning, "ignored", false),
            (totals.unreachable, Paint::Unreachable, "unreachable", false),
        ];
        let told = all.into_iter().filter(|(count, _, _, always)| *always || *count > 0);
        let parts = told.map(|(count, paint, what, _)| match count {
            0 => format!("0 {what}"),
            _ => self.palette.paint(paint, &format!("{count} {what}")),
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Planned {
    /// What would happen, with the hosts on which it would, in the order of the inventory whoever was first.
    fn in_order(&self, hosts: &IndexMap<String, Stats>) -> Vec<(&str, Outlook, Vec<String>)> {
        let place = |host: &String| hosts.get_index_of(host);
        let groups = self.groups.iter().map(|(what, (outlook, on))| {
            let mut on = on.clone();
            on.sort_by_key(place);
            (what.as_str(), *outlook, on)
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|(_, _, on)| on.first().and_then(place));
        groups
    }
}

impl Totals {
    /// As the recap counts.
    fn count(&mut self, result: &TaskResult) {
        match result.status {
            Status::Failed if !result.ignored => self.failed += 1,
            Status::Unreachable if !result.ignored => self.unreachable += 1,
            Status::Failed | Status::Unreachable => self.ignored += 1,
            _ if result.changed => self.change += 1,
            _ if result.is_open() => self.unknown += 1,
            Status::Skipped | Status::Unknown => {}
            _ => self.unchanged += 1,
        }
    }
}

/// The reasons of all items that failed, or of the task.
pub(crate) fn reasons(result: &TaskResult) -> Vec<String> {
    let reason = |result: &TaskResult| {
        let mut lines = reason(result);
        lines.extend(result.sources.iter().cloned());
        lines
    };
    if result.items.is_empty() {
        return reason(result);
    }
    let failed = result.items.iter().filter(|item| item.is_failed());
    failed
        .flat_map(|item| {
            let label = item.label.clone().unwrap_or_default();
            reason(item).into_iter().enumerate().map(move |(index, line)| match index {
                0 => format!("(item={label}) {line}"),
                _ => line,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_api::diff::{Change, Content, Diff};

    fn task(plan: &mut Plan, name: &str, results: &[(&str, TaskResult)]) {
        plan.render(&Event::Task {
            name: name.into(),
            is_handler: false,
            place: String::new(),
            hosts: results.len(),
        });
        for (host, result) in results {
            plan.render(&Event::Done {
                host: (*host).into(),
                task: name.into(),
                result: Box::new(result.clone()),
            });
        }
    }

    fn writes(text: &str) -> TaskResult {
        let change = Change::Content { before: Content::Absent, after: Content::Text { text: text.into() } };
        let diff = Diff { kind: "file".into(), name: "/etc/motd".into(), changes: vec![change] };
        TaskResult { changed: true, diffs: vec![diff], module: "copy".into(), ..TaskResult::default() }
    }

    fn recap(hosts: &[(&str, Stats)]) -> Event {
        let hosts = hosts.iter().map(|(name, stats)| ((*name).to_owned(), *stats)).collect();
        Event::Recap { hosts, custom: None, seconds: 0.0 }
    }

    #[test]
    fn hosts_that_share_a_change_share_its_text_and_the_unchanged_have_none() {
        let mut plan = Plan::new(Palette::plain());
        task(&mut plan, "greeting", &[("n1", writes("hi\n")), ("n2", writes("hi\n"))]);
        task(&mut plan, "quiet", &[("n1", TaskResult::default()), ("n2", TaskResult::default())]);
        let stats = Stats { ok: 2, changed: 1, ..Stats::default() };
        let text = plan.render(&recap(&[("n1", stats), ("n2", stats)]));
        insta::assert_snapshot!(text, @r"
        ~ greeting  [all 2 hosts]
            --- before: /etc/motd (absent)
            +++ after: /etc/motd
            @@ -0,0 +1,1 @@
            +hi

        Plan: 2 will change, 2 unchanged on 2 hosts
            files      2 will change
        ");
    }

    #[test]
    fn failure_that_is_ignored_is_shown_and_counted_as_such() {
        let mut plan = Plan::new(Palette::plain());
        let mut result = TaskResult { module: "copy".into(), ignored: true, ..TaskResult::default() };
        result.status = Status::Failed;
        result.result.insert("msg".into(), "cannot replace `/etc/motd`".into());
        task(&mut plan, "greeting", &[("n1", result)]);
        let text = plan.render(&recap(&[("n1", Stats { ok: 1, ignored: 1, ..Stats::default() })]));
        insta::assert_snapshot!(text, @r"
        ! greeting  [n1]
            cannot replace `/etc/motd`
            ...ignoring

        Plan: 0 will change, 0 unchanged, 1 ignored on 1 host
        ");
    }

    #[test]
    fn what_is_known_in_part_is_unknown_and_not_unchanged() {
        let mut plan = Plan::new(Palette::plain());
        let result = TaskResult { module: "stat".into(), ..TaskResult::unknown("a package may bring it") };
        let in_part = TaskResult { status: Status::Ok, ..result };
        task(&mut plan, "looks", &[("n1", in_part), ("n2", TaskResult::default())]);
        let known = Stats { ok: 1, ..Stats::default() };
        let text = plan.render(&recap(&[("n1", Stats { unknown: 1, ..known }), ("n2", known)]));
        assert!(text.contains("Plan: 0 will change, 1 unknown, 1 unchanged on 2 hosts"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_told_apart_from_what_changes() {
        let mut plan = Plan::new(Palette::plain());
        let result = TaskResult { module: "command".into(), ..TaskResult::unknown("`make` was not run") };
        task(&mut plan, "uses it", &[("n1", result)]);
        let text = plan.render(&recap(&[("n1", Stats { unknown: 1, ..Stats::default() })]));
        insta::assert_snapshot!(text, @r"
        ? uses it  [n1]
            not known: `make` was not run

        Plan: 0 will change, 1 unknown, 0 unchanged on 1 host
            commands   1 unknown
        ");
    }
}
