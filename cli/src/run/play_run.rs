//! Where all hosts of a play stand: pure, results in, the next batch of hosts and their task out. Hosts go through
//! the play in step (`linear`) or each on its own (`free`).

use super::cursor::{Course, Cursor, Fate, Position, Program};
use super::ssh::known_hosts::matches_pattern;
use super::tags::{TagFilter, tags_of};
use crate::playbook::keyword::Keyword;
use crate::playbook::{Block, Role, Scope, Task};
use crate::yaml::Node;
use indexmap::IndexMap;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The hosts of a play, or of one batch of it.
pub(crate) struct PlayRun {
    hosts: IndexMap<String, HostRun>,
    handlers: Vec<Arc<Task>>,
    selection: Selection,
    /// Names of handlers that nothing can notify.
    told_unusable: HashSet<String>,
}

/// One host.
#[derive(Debug, Clone)]
struct HostRun {
    cursor: Cursor,
    state: HostState,
    /// The task of `--start-at-task` is still ahead.
    is_waiting: Cell<bool>,
    /// What was notified, with the handlers that this means.
    notified: BTreeMap<String, BTreeSet<usize>>,
    /// Handlers that did not run well.
    unfinished: BTreeSet<usize>,
}

/// Whether a host goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostState {
    /// It does.
    Active,
    /// A task failed there and nothing caught it.
    Failed,
    /// It cannot be reached.
    Unreachable,
}

/// Which tasks run.
struct Selection {
    tags: TagFilter,
    /// `--start-at-task`, where its task was not found yet.
    start_at: Option<String>,
}

/// Hosts that have the same task before them.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) position: Position,
    pub(crate) hosts: Vec<String>,
}

/// What a task came to on a host, as far as the course of the play is concerned.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// Go on.
    Done,
    /// Go on with what was included.
    Include(Vec<(u32, Arc<Block>)>),
    /// It failed.
    Failed,
    /// The host is gone.
    Unreachable,
    /// `meta: flush_handlers`
    Flush,
    /// `meta: end_host` and `end_play`
    Host,
    /// `meta: end_role`
    Role,
}

impl PlayRun {
    /// At the start of a play.
    pub(crate) fn new(
        program: Program,
        hosts: &[String],
        handlers: Vec<Arc<Task>>,
        tags: TagFilter,
        start_at: Option<String>,
    ) -> Self {
        let program = Arc::new(program);
        let host = |name: &String| {
            (
                name.clone(),
                HostRun {
                    cursor: Cursor::new(&program),
                    state: HostState::Active,
                    is_waiting: Cell::new(start_at.is_some()),
                    notified: BTreeMap::new(),
                    unfinished: BTreeSet::new(),
                },
            )
        };
        Self {
            hosts: hosts.iter().map(host).collect(),
            handlers,
            selection: Selection { tags, start_at },
            told_unusable: HashSet::new(),
        }
    }

    /// The hosts that come first in the playbook's order, with their task; none at the end. Where `among` names hosts, of these.
    pub(crate) fn next_batch(&mut self, among: &[String]) -> Option<Batch> {
        let mut batch: Option<Batch> = None;
        let is_asked = |name: &str| among.is_empty() || among.iter().any(|one| one == name);
        for (name, host) in self.hosts.iter_mut().filter(|(name, _)| is_asked(name)) {
            let is_selected = |task: &Task| self.selection.selects(task, &host.is_waiting);
            let course = Course { handlers: &self.handlers, is_selected: &is_selected };
            let position = host.cursor.current(&course);
            host.note_failure();
            let Some(position) = position else { continue };
            match &mut batch {
                Some(first) if position.key == first.position.key => first.hosts.push(name.clone()),
                Some(first) if position.key > first.position.key => {}
                _ => batch = Some(Batch { position, hosts: vec![name.clone()] }),
            }
        }
        batch
    }

    /// The next task of one host.
    pub(crate) fn next_of(&mut self, host: &str) -> Option<Position> {
        let run = self.hosts.get_mut(host)?;
        let is_selected = |task: &Task| self.selection.selects(task, &run.is_waiting);
        let course = Course { handlers: &self.handlers, is_selected: &is_selected };
        let position = run.cursor.current(&course);
        run.note_failure();
        position
    }

    /// The scope that makes the present task of a host part of a rolling change: the innermost one with that keyword.
    pub(crate) fn rolling_scope(&self, host: &str, task: &Task) -> Option<Arc<Scope>> {
        let run = self.hosts.get(host)?;
        let mut scopes = std::iter::once(&task.scope).chain(run.cursor.scopes());
        scopes.find_map(|scope| scope.holder(Keyword::Rolling)).cloned()
    }

    /// Whether a host still has something to do in a scope that it was in.
    pub(crate) fn is_in(&mut self, host: &str, scope: &Scope) -> bool {
        let Some(position) = self.next_of(host) else { return false };
        let ways = self.hosts.get(host).into_iter().flat_map(|run| run.cursor.scopes());
        std::iter::once(&position.task.scope).chain(ways).any(|one| one.is_in(scope))
    }

    /// The tasks that come after the present one on a host as long as nothing fails, notifies or is included.
    pub(crate) fn tasks_after(&self, host: &str, most: usize) -> Vec<Arc<Task>> {
        let Some(mut run) = self.hosts.get(host).cloned() else { return Vec::new() };
        let is_selected = |task: &Task| self.selection.selects(task, &run.is_waiting);
        let course = Course { handlers: &self.handlers, is_selected: &is_selected };
        let next = || {
            run.cursor.advance();
            run.cursor.current(&course).map(|position| position.task)
        };
        std::iter::from_fn(next).take(most).collect()
    }

    /// Takes what a task came to on a host. Says where a failure leads.
    pub(crate) fn finish(&mut self, host: &str, end: End) -> Option<Fate> {
        let run = self.hosts.get_mut(host)?;
        let is_selected = |task: &Task| self.selection.selects(task, &run.is_waiting);
        let course = Course { handlers: &self.handlers, is_selected: &is_selected };
        match end {
            End::Done => run.cursor.advance(),
            End::Include(blocks) => run.cursor.include(blocks),
            End::Flush => run.cursor.flush_now(&course),
            End::Host => run.cursor.end(),
            End::Role => run.cursor.end_role(),
            End::Unreachable => {
                run.cursor.end();
                run.state = HostState::Unreachable;
            }
            End::Failed => {
                let fate = run.cursor.fail();
                run.note_failure();
                return Some(fate);
            }
        }
        None
    }

    /// A task of a role was carried out on a host, and not only skipped.
    pub(crate) fn begin_role(&mut self, host: &str, identity: &str) {
        if let Some(run) = self.hosts.get_mut(host) {
            run.cursor.begin_role(identity);
        }
    }

    /// A handler ran on a host; what it notifies comes after that.
    pub(crate) fn begin_handler(&mut self, host: &str) {
        if let Some(run) = self.hosts.get_mut(host) {
            run.cursor.begin_handler();
        }
    }

    /// Takes all hosts out that the play still has.
    pub(crate) fn end_all(&mut self) {
        self.hosts.values_mut().for_each(|host| host.cursor.end());
    }

    /// Takes hosts out that are not in the inventory any more.
    pub(crate) fn leave_out(&mut self, is_gone: impl Fn(&str) -> bool) {
        let gone = self.hosts.iter_mut().filter(|(name, _)| is_gone(name));
        gone.for_each(|(_, host)| host.cursor.end());
    }

    /// `meta: clear_host_errors`
    pub(crate) fn clear_errors(&mut self) {
        for host in self.hosts.values_mut() {
            host.state = HostState::Active;
            host.cursor.forgive();
        }
    }

    /// Notifies the handlers of that name or topic. Says whether there is one.
    ///
    /// Of handlers with one name the first of the last group counts (roles come before the play's own); of those that
    /// listen to a topic, all that differ in their names: a role that two others depend on has each twice.
    pub(crate) fn notify(&mut self, host: &str, name: &str) -> bool {
        let found: Vec<usize> = self.named(name).into_iter().chain(self.listening(name)).collect();
        if let Some(run) = self.hosts.get_mut(host) {
            for handler in &found {
                run.cursor.notify(*handler);
                run.unfinished.remove(handler);
            }
            run.notified.entry(name.to_owned()).or_default().extend(&found);
        }
        !found.is_empty()
    }

    /// Marks the handlers of that name or topic that are notified if a task turns out to change something: `why` that is not known.
    pub(crate) fn may_notify(&mut self, host: &str, name: &str, why: &str) {
        let found: Vec<usize> = self.named(name).into_iter().chain(self.listening(name)).collect();
        if let Some(run) = self.hosts.get_mut(host) {
            found.into_iter().for_each(|handler| run.cursor.may_notify(handler, why));
        }
    }

    /// In a plan: the current task of a host may fail, for all that is known.
    pub(crate) fn doubt(&mut self, host: &str, why: &str) {
        if let Some(run) = self.hosts.get_mut(host) {
            run.cursor.doubt(why);
        }
    }

    /// In a plan, after a failure that is rescued: why it is not known whether that was the task that fails.
    pub(crate) fn doubt_of_rescue(&self, host: &str) -> Option<String> {
        self.hosts.get(host)?.cursor.doubt_of_rescue().map(str::to_owned)
    }

    /// Why it is not known whether a handler is notified on a host, where it is not.
    pub(crate) fn doubt_of(&self, host: &str, handler: usize) -> Option<String> {
        self.hosts.get(host)?.cursor.doubt_of(handler)
    }

    /// A handler did not run well on a host: it stays due.
    pub(crate) fn leave_due(&mut self, host: &str, handler: usize) {
        if let Some(run) = self.hosts.get_mut(host) {
            run.unfinished.insert(handler);
        }
    }

    /// What was notified for a host and has not run well yet.
    pub(crate) fn due(&self, host: &str) -> BTreeSet<String> {
        let Some(run) = self.hosts.get(host) else { return BTreeSet::new() };
        let is_due = |handler: &usize| run.cursor.is_notified(*handler) || run.unfinished.contains(handler);
        let due = run.notified.iter().filter(|(_, handlers)| handlers.iter().any(is_due));
        due.map(|(name, _)| name.clone()).collect()
    }

    fn named(&self, name: &str) -> Option<usize> {
        let mut found: Option<usize> = None;
        for (index, task) in self.handlers.iter().enumerate().filter(|(_, task)| is_named(task, name)) {
            if found.is_none_or(|known| group(&self.handlers[known]) != group(task)) {
                found = Some(index);
            }
        }
        found
    }

    /// Those that listen to a topic; of several with one name, the first of the last group.
    fn listening(&self, topic: &str) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for (index, task) in self.handlers.iter().enumerate().filter(|(_, task)| listens(task, topic)) {
            let name = task.name().and_then(Node::as_str);
            let is_same =
                |known: &usize| name.is_some() && self.handlers[*known].name().and_then(Node::as_str) == name;
            match found.iter().position(is_same) {
                None => found.push(index),
                Some(at) if group(&self.handlers[found[at]]) != group(task) => found[at] = index,
                Some(_) => {}
            }
        }
        found
    }

    /// Handlers whose names are templates still, so that nothing can notify them; each is told once.
    pub(crate) fn unusable_handlers(&mut self) -> Vec<String> {
        let is_unusable = |task: &&Arc<Task>| {
            task.name().is_some_and(Node::has_template) && task.keyword(Keyword::Listen).is_none()
        };
        let names = self.handlers.iter().filter(is_unusable).filter_map(|task| task.name()?.as_str());
        let new: Vec<String> =
            names.filter(|name| !self.told_unusable.contains(*name)).map(str::to_owned).collect();
        self.told_unusable.extend(new.iter().cloned());
        new
    }

    /// Handlers that an included role brings.
    pub(crate) fn add_handlers(&mut self, handlers: &[Arc<Task>]) {
        for handler in handlers {
            let is_known = self.handlers.iter().any(|known| is_same_place(known, handler));
            if !is_known {
                self.handlers.push(handler.clone());
            }
        }
    }

    /// The names of all handlers, for a hint.
    pub(crate) fn handler_names(&self) -> Vec<String> {
        self.handlers.iter().filter_map(|task| task.name()?.as_str().map(str::to_owned)).collect()
    }

    /// How a host stands.
    #[cfg(test)]
    pub(crate) fn state(&self, host: &str) -> Option<HostState> {
        self.hosts.get(host).map(|host| host.state)
    }

    /// Whether a host has nothing left to do.
    pub(crate) fn is_finished(&self, host: &str) -> bool {
        self.hosts.get(host).is_none_or(|host| host.cursor.is_finished())
    }

    /// Whether the task of `--start-at-task` was not found on any host.
    pub(crate) fn is_waiting(&self) -> bool {
        self.hosts.values().all(|host| host.is_waiting.get())
    }

    /// All hosts that can still be reached.
    pub(crate) fn hosts_left(&self) -> Vec<String> {
        let is_left = |(_, host): &(&String, &HostRun)| host.state != HostState::Unreachable;
        self.hosts.iter().filter(is_left).map(|(name, _)| name.clone()).collect()
    }

    /// All hosts.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &String> {
        self.hosts.keys()
    }

    /// Those in that state.
    pub(crate) fn hosts_in(&self, state: HostState) -> Vec<String> {
        self.hosts.iter().filter(|(_, host)| host.state == state).map(|(name, _)| name.clone()).collect()
    }
}

impl HostRun {
    /// A failure may only count once an `always` is done.
    fn note_failure(&mut self) {
        if self.cursor.has_failed() {
            self.state = HostState::Failed;
        }
    }
}

impl Selection {
    fn selects(&self, task: &Task, is_waiting: &Cell<bool>) -> bool {
        if let Some(start) = self.start_at.as_ref().filter(|_| is_waiting.get()) {
            // Facts are gathered all the same.
            if !is_setup(task) {
                is_waiting.set(!is_start(task, start));
                if is_waiting.get() {
                    return false;
                }
            }
        }
        self.tags.selects(&tags_of(task))
    }
}

/// A role that is included again brings the handlers that it brought before.
fn is_same_place(one: &Task, other: &Task) -> bool {
    let (one, other) = (one.span(), other.span());
    one.file().path() == other.file().path() && one.range() == other.range()
}

fn is_setup(task: &Task) -> bool {
    task.module.bare() == "setup" && task.name().and_then(|name| name.as_str()) == Some("Gathering Facts")
}

/// The name as it is written, with or without the role; `*` and `?` match.
fn is_start(task: &Task, start: &str) -> bool {
    let Some(name) = task.name().and_then(|name| name.as_str()) else { return false };
    let with_role = task.role().map(|role| format!("{} : {name}", role.name));
    let matches = |name: &str| matches_pattern(start, &name.to_ascii_lowercase());
    matches(name) || with_role.is_some_and(|name| matches(&name))
}

/// Handlers come in groups: those of a role, and those of the play.
fn group(task: &Task) -> Option<*const Role> {
    task.role().map(Arc::as_ptr)
}

/// A handler's name may come with its role: `role : name`.
fn is_named(task: &Task, wanted: &str) -> bool {
    let name = task.name().and_then(|name| name.as_str());
    name.is_some_and(|name| is_called(task, name, wanted))
}

/// So may a topic.
fn listens(task: &Task, wanted: &str) -> bool {
    let topics = task.keyword(Keyword::Listen).map(|node| node.one_or_many()).unwrap_or_default();
    topics.iter().filter_map(|node| node.as_str()).any(|topic| is_called(task, topic, wanted))
}

/// A role of a collection may be named with it or without.
fn is_called(task: &Task, name: &str, wanted: &str) -> bool {
    let Some((role, rest)) = wanted.split_once(" : ") else { return name == wanted };
    let is_role = |own: &str| own == role || own.rsplit('.').next() == Some(role);
    name == wanted || (rest == name && task.role().is_some_and(|own| is_role(&own.name)))
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Entry;
    use super::*;
    use crate::playbook::keyword::{Given, Keywords};
    use crate::playbook::{Args, Item, ModuleName, ScopeKind};
    use crate::source::{SourceFile, Span};
    use crate::yaml::Node;

    fn task(name: &str, extra: &[(Keyword, &str)]) -> Arc<Task> {
        let span = Span::new(&SourceFile::new(name, name), 0..name.len());
        let mut keywords = Keywords::default();
        for (keyword, value) in extra.iter().chain([&(Keyword::Name, name)]) {
            let value = Node::text(&span, value);
            keywords.set(Given { keyword: *keyword, key: span.clone(), value });
        }
        let scope = Scope { kind: ScopeKind::Task, keywords, role: None, parent: None, span: span.clone() };
        let module = ModuleName(Node::text(&span, "debug"));
        let args = Args::default();
        Arc::new(Task {
            scope: Arc::new(scope),
            module,
            args,
            own_module: None,
            loop_over: None,
            is_handler: false,
        })
    }

    fn play(names: &[&str], hosts: &[&str], handlers: Vec<Arc<Task>>) -> PlayRun {
        let mut entries: Vec<Entry> =
            names.iter().map(|name| Entry::Item(Item::Task(task(name, &[])))).collect();
        entries.push(Entry::Flush);
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        PlayRun::new(
            Program { entries, force_handlers: false },
            &hosts,
            handlers,
            TagFilter::new(&[], &[]),
            None,
        )
    }

    fn shown(batch: Option<Batch>) -> String {
        batch.map_or("end".into(), |batch| {
            let name = batch.position.task.name().and_then(|name| name.as_str()).unwrap_or("").to_owned();
            format!("{name} on {}", batch.hosts.join(","))
        })
    }

    #[test]
    fn hosts_go_through_the_play_in_step() {
        let mut play = play(&["a", "b"], &["n1", "n2"], vec![]);
        assert_eq!(shown(play.next_batch(&[])), "a on n1,n2");
        play.finish("n1", End::Done);
        assert_eq!(shown(play.next_batch(&[])), "a on n2");
        play.finish("n2", End::Done);
        assert_eq!(shown(play.next_batch(&[])), "b on n1,n2");
    }

    #[test]
    fn a_failed_host_is_out_and_the_others_go_on() {
        let mut play = play(&["a", "b"], &["n1", "n2"], vec![]);
        play.next_batch(&[]);
        play.finish("n1", End::Failed);
        play.finish("n2", End::Done);
        assert_eq!(shown(play.next_batch(&[])), "b on n2");
        assert_eq!(play.state("n1"), Some(HostState::Failed));
    }

    #[test]
    fn what_was_notified_is_due_until_its_handlers_have_run_well() {
        let mut play =
            play(&["a"], &["n1"], vec![task("one", &[]), task("two", &[(Keyword::Listen, "both")])]);
        assert!(play.notify("n1", "one") && play.notify("n1", "both"));
        let due = |play: &PlayRun| play.due("n1").into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(due(&play), "both one");
        play.next_batch(&[]);
        play.finish("n1", End::Done);
        assert_eq!(shown(play.next_batch(&[])), "one on n1");
        play.begin_handler("n1");
        play.finish("n1", End::Done);
        assert_eq!(due(&play), "both");
        assert_eq!(shown(play.next_batch(&[])), "two on n1");
        play.begin_handler("n1");
        play.leave_due("n1", 1);
        play.finish("n1", End::Failed);
        assert_eq!(due(&play), "both", "a handler that failed stays due");
    }

    #[test]
    fn handlers_run_for_the_hosts_that_notified_them_by_name_or_topic() {
        let handlers = vec![task("restart", &[]), task("reload", &[(Keyword::Listen, "web changed")])];
        let mut play = play(&[], &["n1", "n2"], handlers);
        assert!(play.notify("n1", "restart") && play.notify("n2", "web changed"));
        assert!(!play.notify("n1", "restrat"));
        assert_eq!(shown(play.next_batch(&[])), "restart on n1");
        play.finish("n1", End::Done);
        assert_eq!(shown(play.next_batch(&[])), "reload on n2");
        play.finish("n2", End::Done);
        assert_eq!(shown(play.next_batch(&[])), "end");
    }

    #[test]
    fn of_handlers_with_one_name_one_hears_a_topic_and_a_template_for_a_name_is_told_once() {
        let listening = |name: &str| task(name, &[(Keyword::Listen, "web changed")]);
        let unusable = task("restart {{ service }}", &[]);
        let mut play = play(&[], &["n1"], vec![listening("a"), listening("a"), listening("b"), unusable]);
        assert!(play.notify("n1", "web changed"));
        assert_eq!(play.unusable_handlers(), ["restart {{ service }}"]);
        assert!(play.unusable_handlers().is_empty());
        for expected in ["a on n1", "b on n1", "end"] {
            assert_eq!(shown(play.next_batch(&[])), expected);
            play.finish("n1", End::Done);
        }
    }

    #[test]
    fn who_goes_first_goes_through_all_that_the_change_holds_before_the_others() {
        let outer = task("change", &[(Keyword::Rolling, "true")]).scope.clone();
        let inside = |name: &str| {
            let task = task(name, &[]);
            let scope = Scope { parent: Some(outer.clone()), ..Scope::clone(&task.scope) };
            Arc::new(Task { scope: Arc::new(scope), ..Task::clone(&task) })
        };
        let body = ["a", "b"].map(|name| Item::Task(inside(name))).into();
        let block = Block { scope: outer.clone(), body, rescue: vec![], always: vec![] };
        let handlers = vec![task("restart", &[])];
        let entries =
            vec![Entry::Item(Item::Block(Arc::new(block))), Entry::Item(Item::Task(task("c", &[])))];
        let hosts = ["n1", "n2"].map(str::to_owned);
        let program = Program { entries, force_handlers: false };
        let mut play = PlayRun::new(program, &hosts, handlers, TagFilter::new(&[], &[]), None);
        let first = play.next_batch(&[]).expect("both have a task");
        let scope = play.rolling_scope("n1", &first.position.task).expect("the task is part of a change");
        assert!(Arc::ptr_eq(&scope, &outer));
        let ahead = ["n1".to_owned()];
        play.notify("n1", "restart");
        play.finish("n1", End::Flush);
        let flushed = play.next_batch(&ahead).expect("there is a handler");
        assert!(
            play.rolling_scope("n1", &flushed.position.task).is_some(),
            "handlers that run in the block are part of it"
        );
        assert!(play.is_in("n1", &scope));
        play.finish("n1", End::Done);
        assert_eq!(shown(play.next_batch(&ahead)), "b on n1");
        assert!(play.is_in("n1", &scope));
        play.finish("n1", End::Done);
        assert!(!play.is_in("n1", &scope), "it is through");
        assert_eq!(shown(play.next_batch(&[])), "a on n2");
    }
}
